/*
 * A vault for tests: a key file, a vault process in a thread and both clients
 * over socket pairs, torn down together. Included by the vault's unit tests.
 */
#ifndef KEYHOUSE_TEST_VAULT_HOUSE_H
#define KEYHOUSE_TEST_VAULT_HOUSE_H

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "vault/vault.h"

#define DEPLOYMENT "dep-1"
#define BUSINESS "shop-1"

struct house {
	struct vault_process *process;
	pthread_t thread;
	int vault_fd[2]; /* the vault's ends, by role */
	int keys, vault_keys; /* both ends of what a key file comes over */
	char key_path[64];
	enum vault_error ended;
	struct vault_client *listener;
	struct vault_client *sender;
	int raw_listener; /* the client's ends, owned by the clients above */
	int raw_sender;
};

/* A new file with this text, open for reading and writing; the caller unlinks its path. */
static inline int text_file(const char *text, char path[static 64])
{
	const char *dir = getenv("TMPDIR");
	int fd;

	snprintf(path, 64, "%.40s/kh-vault-XXXXXX", dir == NULL ? "/tmp" : dir);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	return fd;
}

static inline void *house_serve(void *arg)
{
	struct house *h = arg;

	h->ended = vault_process_serve(h->process, h->vault_keys, h->vault_fd[0], h->vault_fd[1]);
	close(h->vault_fd[0]);
	close(h->vault_fd[1]);
	close(h->vault_keys);
	return NULL;
}

/* text NULL: with a fresh key file. */
static inline void house_open(struct house *h, const char *text)
{
	int fd = text_file(text == NULL ? "" : text, h->key_path);
	int l[2], s[2], k[2];

	if (text == NULL)
		assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(vault_process_open(&h->process, fd), VAULT_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, l), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, k), 0);
	h->keys = k[0];
	h->vault_keys = k[1];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s), 0);
	h->raw_listener = l[0];
	h->raw_sender = s[0];
	h->vault_fd[0] = l[1];
	h->vault_fd[1] = s[1];
	h->listener = vault_client_new(l[0]);
	h->sender = vault_client_new(s[0]);
	assert_non_null(h->listener);
	assert_non_null(h->sender);
	assert_int_equal(pthread_create(&h->thread, NULL, house_serve, h), 0);
}

/* Returns what serve returned. */
static inline enum vault_error house_close(struct house *h)
{
	vault_client_free(h->listener);
	pthread_join(h->thread, NULL);
	vault_client_free(h->sender);
	vault_process_close(h->process);
	close(h->keys);
	unlink(h->key_path);
	return h->ended;
}

static inline struct vault_context credential_place(const char *field)
{
	return (struct vault_context){DEPLOYMENT, BUSINESS, "credentials", "conn-1", field, 1};
}

#endif
