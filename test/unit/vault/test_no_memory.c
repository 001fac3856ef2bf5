/*
 * Goal of this test: with the n-th allocation failing, for every n, frames,
 * client and vault process say so, give nothing out and leak nothing.
 * Linked with --wrap=malloc --wrap=calloc.
 */
#include <stdatomic.h>

#include "test/unit/vault/house.h"
#include "vault/frame.h"

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);

/* Counts down; the allocation that finds 1 fails. 0: none does. */
static atomic_int fail_at;
static _Thread_local bool may_fail;

static bool fails(void)
{
	return may_fail && fail_at > 0 && atomic_fetch_sub(&fail_at, 1) == 1;
}

void *__wrap_malloc(size_t len)
{
	return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
	return fails() ? NULL : __real_calloc(n, len);
}

static void test_frame(void **state)
{
	static const struct frame_limit limit = {7, 4096};
	struct frame out = FRAME_INIT(7), in = FRAME_INIT(0);
	uint8_t body[1000] = {0};
	int fd[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	may_fail = true;
	fail_at = 2;
	frame_put_u8(&out, 1);
	frame_put_bytes(&out, body, sizeof(body));
	frame_put_u8(&out, 1);
	assert_true(out.failed);
	assert_int_equal(frame_send(fd[0], &out), FRAME_NO_MEMORY);
	frame_reset(&out, 7);
	frame_put_bytes(&out, body, sizeof(body));
	assert_int_equal(frame_send(fd[0], &out), FRAME_OK);
	fail_at = 1;
	assert_int_equal(frame_recv(fd[1], &limit, 1, &in), FRAME_NO_MEMORY);
	may_fail = false;
	frame_clear(&in);
	frame_clear(&out);
	close(fd[0]);
	close(fd[1]);
}

/* Everything a listener and a sender do, until something fails. */
static enum vault_error work(struct vault_client *l, struct vault_client *s)
{
	const struct vault_context where = credential_place("app_secret");
	char id[VAULT_KEY_ID_LEN + 1], print[VAULT_FINGERPRINT_LEN + 1];
	struct vault_wrapped_key key, content, index;
	struct secret *plain = secret_new("app secret", 10), *opened = NULL;
	struct vault_content_keys keys;
	struct vault_verifier v;
	uint8_t blob[148];
	enum vault_error err;

	assert_non_null(plain);
	err = vault_status(l, id);
	if (err == VAULT_OK)
		err = vault_tenant_key_new(l, DEPLOYMENT, BUSINESS, VAULT_CREDENTIAL, 1, &key);
	if (err == VAULT_OK)
		err = vault_tenant_key_new(l, DEPLOYMENT, BUSINESS, VAULT_CONTENT, 1, &content);
	if (err == VAULT_OK)
		err = vault_tenant_key_new(l, DEPLOYMENT, BUSINESS, VAULT_INDEX, 1, &index);
	if (err == VAULT_OK)
		err = vault_content_keys_get(l, DEPLOYMENT, BUSINESS, &content, &index, &keys);
	if (err == VAULT_OK)
		err = vault_credential_seal(l, &key, &where, plain, blob, print);
	if (err == VAULT_OK)
		err = vault_verifier_get(l, &key, &where, blob, sizeof(blob), &v);
	if (err == VAULT_OK)
		err = vault_credential_open(s, "job-1", &key, &where, blob, sizeof(blob), &opened);
	secret_free(plain);
	secret_free(opened);
	return err;
}

static void *serve_failing(void *arg)
{
	may_fail = true;
	return house_serve(arg);
}

/* Allocation n fails: in the clients (here), or in the vault (its thread). */
static enum vault_error work_with_failure(int n, bool in_vault, enum vault_error *ended)
{
	struct house h = {0};
	enum vault_error err;

	house_open(&h, NULL);
	if (in_vault) { /* once more, in a thread whose allocations fail */
		pthread_t idle = h.thread;
		struct vault_client *first_listener = h.listener, *first_sender = h.sender;
		int l[2], s[2];

		vault_client_free(first_listener);
		pthread_join(idle, NULL);
		vault_client_free(first_sender);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, l), 0);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		h.listener = vault_client_new(l[0]);
		h.sender = vault_client_new(s[0]);
		h.vault_fd[0] = l[1];
		h.vault_fd[1] = s[1];
		h.vault_keys = -1; /* closed with the first */
		fail_at = n;
		assert_int_equal(pthread_create(&h.thread, NULL, serve_failing, &h), 0);
		err = work(h.listener, h.sender);
	} else {
		fail_at = n;
		may_fail = true;
		err = work(h.listener, h.sender);
		may_fail = false;
	}
	*ended = house_close(&h);
	fail_at = 0;
	return err;
}

static void test_clients(void **state)
{
	enum vault_error err = VAULT_GONE, ended;
	int n, short_of_memory = 0;

	(void)state;
	for (n = 1; err != VAULT_OK && n < 200; n++) {
		err = work_with_failure(n, false, &ended);
		assert_int_equal(ended, VAULT_OK);
		assert_true(err == VAULT_OK || err == VAULT_NO_MEMORY || err == VAULT_GONE);
		short_of_memory += err == VAULT_NO_MEMORY;
	}
	assert_true(n > 8 && n < 200);
	assert_true(short_of_memory >= 6); /* once for each question that has fields */
}

static void test_vault(void **state)
{
	enum vault_error err = VAULT_GONE, ended;
	int n;

	(void)state;
	for (n = 1; err != VAULT_OK && n < 200; n++) {
		err = work_with_failure(n, true, &ended);
		assert_true(err == VAULT_OK || err == VAULT_GONE);
		assert_int_equal(ended, err == VAULT_OK ? VAULT_OK : VAULT_NO_MEMORY);
	}
	assert_true(n > 4 && n < 200);
}

static void test_beginnings(void **state)
{
	struct vault_process *p = NULL;
	char path[64];
	int fd = text_file("", path);

	(void)state;
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	may_fail = true;
	fail_at = 1;
	assert_null(vault_client_new(-1));
	fail_at = 1;
	assert_int_equal(vault_process_open(&p, fd), VAULT_NO_MEMORY);
	may_fail = false;
	assert_null(p);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	unlink(path);
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_clients),
		cmocka_unit_test(test_vault),
		cmocka_unit_test(test_beginnings),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
