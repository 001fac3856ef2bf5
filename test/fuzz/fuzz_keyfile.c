/*
 * Fuzzing the key file's parser: what it takes has one current key, at most eight previous ones, all of them different,
 * and says the same when it is written anew.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vault/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static char paths[2][64];
static int fds[2] = {-1, -1};

static void remove_files(void)
{
	for (int i = 0; i < 2; i++)
		(void)unlink(paths[i]);
}

/* Files with a name: one without is refused. */
static void make_files(void)
{
	const char *dir = getenv("TMPDIR");

	if (fds[0] >= 0)
		return;
	for (int i = 0; i < 2; i++) {
		(void)snprintf(paths[i], sizeof(paths[i]), "%.40s/kh-fuzz-XXXXXX", dir == NULL ? "/tmp" : dir);
		fds[i] = mkstemp(paths[i]);
	}
	if (vault_init() != VAULT_OK || fds[0] < 0 || fds[1] < 0 || atexit(remove_files) != 0)
		abort();
}

static void check_ring(const struct key_ring *ring)
{
	if (ring->len < 1 || ring->len > KEY_RING_MAX)
		abort();
	for (size_t i = 0; i < ring->len; i++) {
		if (strspn(ring->keys[i].id, "0123456789abcdef") != VAULT_KEY_ID_LEN)
			abort();
		for (size_t j = 0; j < i; j++)
			if (strcmp(ring->keys[i].id, ring->keys[j].id) == 0 ||
				memcmp(ring->keys[i].key, ring->keys[j].key, VAULT_KEY_LEN) == 0)
				abort();
	}
}

/* All of it is kept. */
static void write_anew(const struct key_ring *ring)
{
	char keep[KEY_RING_MAX][VAULT_KEY_ID_LEN + 1];
	struct key_ring *again = NULL;
	unsigned gone = 0;

	for (size_t i = 0; i < ring->len; i++)
		memcpy(keep[i], ring->keys[i].id, sizeof(keep[i]));
	if (ftruncate(fds[1], 0) != 0 || lseek(fds[1], 0, SEEK_SET) != 0 ||
		vault_key_file_retire(fds[0], fds[1], keep, ring->len, &gone) != VAULT_OK || gone != 0 ||
		vault_key_ring_read(fds[1], &again) != VAULT_OK)
		abort();
	if (again->len != ring->len || memcmp(again->keys, ring->keys, ring->len * sizeof(ring->keys[0])) != 0)
		abort();
	vault_key_ring_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct key_ring *ring = NULL;
	enum vault_error err;

	make_files();
	if (len > 8192 || ftruncate(fds[0], 0) != 0 || (len > 0 && pwrite(fds[0], data, len, 0) != (ssize_t)len))
		return 0;
	err = vault_key_ring_read(fds[0], &ring);
	if (err != VAULT_OK && (err != VAULT_KEY_FILE || ring != NULL))
		abort();
	if (err != VAULT_OK)
		return 0;
	check_ring(ring);
	write_anew(ring);
	vault_key_ring_free(ring);
	return 0;
}
