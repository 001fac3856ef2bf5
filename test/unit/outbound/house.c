/* Forks before there are threads; the children keep nothing of the parent's descriptors they need not. */
#include "test/unit/outbound/house.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/json.h"
#include "gateway/log.h"
#include "test/unit/outbound/fake_store.h"

/* The sender's name lookups start a thread after the fork, which the checker must bear. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	abort();
}

static int key_file(char *path)
{
	int fd = mkstemp(path);

	must(fd >= 0, "key file");
	must(vault_key_file_create(fd) == VAULT_OK, "key");
	return fd;
}

static void run_vault(int key, int listener, int sender)
{
	struct vault_process *p;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (vault_process_open(&p, key) != VAULT_OK)
		_exit(9);
	must(vault_process_serve(p, -1, listener, sender) == VAULT_OK, "vault_process_serve");
	vault_process_close(p);
	_exit(0);
}

void house_open(struct house *h, const char *base_url)
{
	const struct house_world world = {.meta_api_url = base_url};

	house_open_in(h, &world);
}

static struct outbound_sender_options options_of(const struct house_world *w)
{
	return (struct outbound_sender_options){.meta_api_url = w->meta_api_url,
		.meta_api_version = "v26.0",
		.meta_media_url = w->meta_media_url != NULL ? w->meta_media_url : w->meta_api_url,
		.d360_api_url = w->d360_api_url != NULL ? w->d360_api_url : w->meta_api_url,
		.d360_sandbox_url = w->d360_sandbox_url != NULL ? w->d360_sandbox_url : w->meta_api_url,
		.public_url = HOUSE_URL "/",
		.slow_ms = w->slow_ms,
		.responder_allow = w->responder_allow != NULL ? w->responder_allow : "",
		.responder_timeout_ms = w->responder_timeout_ms > 0 ? w->responder_timeout_ms : 15000};
}

void house_open_in(struct house *h, const struct house_world *world)
{
	int to_listener[2], to_sender[2], jobs[2], key;
	static bool first = true;
	char path[] = "/tmp/keyhouse-test-XXXXXX"; /* the vault refuses a file without a name */

	must(vault_init() == VAULT_OK, "vault_init");
	json_init();
	log_init("test", getenv("KH_TEST_LOG") != NULL ? LOG_DEBUG : LOG_ERROR + 1);
	(void)signal(SIGPIPE, SIG_IGN);
	fake_reset(); /* keys of an earlier house are of another master key */
	key = key_file(path);
	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_listener) == 0 &&
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, to_sender) == 0 &&
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, jobs) == 0,
		"socketpair");
	h->vault = fork();
	if (h->vault == 0) {
		close(to_listener[0]);
		close(to_sender[0]);
		close(jobs[0]);
		close(jobs[1]);
		run_vault(key, to_listener[1], to_sender[1]);
	}
	h->sender = fork();
	if (h->sender == 0) {
		struct outbound_sender_options o = options_of(world);

		o.listener_fd = jobs[1];
		o.vault_fd = to_sender[0];
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(to_listener[0]);
		close(to_listener[1]);
		close(to_sender[1]);
		close(jobs[0]);
		close(key);
		/* A leak checker takes what the parent's threads hold for leaks: it runs in the first child only. */
		if (!first)
			_exit(outbound_sender_run(&o));
		exit(outbound_sender_run(&o));
	}
	first = false;
	must(h->vault > 0 && h->sender > 0, "fork");
	close(to_listener[1]);
	close(to_sender[0]);
	close(to_sender[1]);
	close(jobs[1]);
	close(key);
	h->jobs = jobs[0];
	h->client = vault_client_new(to_listener[0]);
	must(tenants_open(&h->tenants, NULL, h->client, 16) == TENANT_OK, "tenants_open");
	must(unlink(path) == 0, "unlink");
}

int house_sender_wait(struct house *h)
{
	int status = -1;

	for (int i = 0; i < 1000; i++) {
		const struct timespec span = {0, 10000000};

		if (waitpid(h->sender, &status, WNOHANG) == h->sender) {
			h->sender = 0;
			return status;
		}
		(void)nanosleep(&span, NULL);
	}
	return -1;
}

int house_close(struct house *h)
{
	int status = 0, ignored;

	if (h->jobs >= 0)
		close(h->jobs);
	if (h->sender > 0)
		status = house_sender_wait(h);
	tenants_close(h->tenants);
	vault_client_free(h->client);
	(void)kill(h->vault, SIGKILL);
	(void)waitpid(h->vault, &ignored, 0);
	return status;
}

void house_business(struct house *h, const char *business_id)
{
	struct store_tenant_key keys[3];

	must(tenant_keys_new(h->tenants, business_id, keys) == TENANT_OK, "tenant_keys_new");
	for (int i = 0; i < 3; i++)
		must(store_tenant_key_add(NULL, business_id, &keys[i]) == STORE_OK, "store_tenant_key_add");
}

void house_credential(struct house *h, const char *business_id, const char *connection_id, const char *field,
	const char *plain, struct store_credential *out, uint8_t **blob)
{
	*out = (struct store_credential){.slot = STORE_SLOT_CURRENT, .version = 1};
	house_credential_again(h, business_id, connection_id, field, plain, out, blob);
}

void house_credential_again(struct house *h, const char *business_id, const char *connection_id, const char *field,
	const char *plain, struct store_credential *out, uint8_t **blob)
{
	struct secret *s = secret_new(plain, strlen(plain));

	(void)snprintf(out->connection_id, sizeof(out->connection_id), "%s", connection_id);
	(void)snprintf(out->field, sizeof(out->field), "%s", field);
	must(tenant_credential_seal(h->tenants, business_id, s, out, blob) == TENANT_OK, "tenant_credential_seal");
	secret_free(s);
}
