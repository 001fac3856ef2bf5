/*
 * Goal of this test: a sealed blob opens with its key in its place and in no
 * other way: not damaged, not cut, not moved, not under another key.
 */
#include <signal.h>
#include <sys/wait.h>

#include "test/unit/vault/house.h"
#include "vault/blob.h"

static const struct vault_context home = {DEPLOYMENT, BUSINESS, "events", "rec-1", "body", 1};

static struct vault_content_keys make_keys(uint32_t version)
{
	struct vault_content_keys keys = {.content_version = version};

	vault_random(keys.content, sizeof(keys.content));
	vault_random(keys.index, sizeof(keys.index));
	return keys;
}

static void roundtrip(size_t len)
{
	const struct vault_content_keys keys = make_keys(3);
	const size_t blob_len = vault_blob_len(len);
	uint8_t *plain = malloc(len + 1), *blob = malloc(blob_len), *back = malloc(blob_len);
	size_t back_len = 0;
	uint32_t version = 0;

	assert_true(plain != NULL && blob != NULL && back != NULL);
	vault_random(plain, len);
	assert_int_equal(vault_content_seal(&keys, &home, plain, len, blob), VAULT_OK);
	assert_int_equal(vault_blob_key_version(blob, blob_len, &version), VAULT_OK);
	assert_int_equal(version, 3);
	assert_int_equal(vault_content_open(&keys, &home, blob, blob_len, back, &back_len), VAULT_OK);
	assert_int_equal(back_len, len);
	assert_memory_equal(plain, back, len);
	free(plain);
	free(blob);
	free(back);
}

static void test_roundtrip(void **state)
{
	(void)state;
	for (size_t len = 0; len <= 300; len++)
		roundtrip(len);
	roundtrip(3u * 1024 * 1024);
	roundtrip(VAULT_CONTENT_MAX);
}

static void test_lengths(void **state)
{
	(void)state;
	assert_int_equal(vault_blob_len(0), 148);
	assert_int_equal(vault_blob_len(32), VAULT_WRAPPED_LEN);
	assert_int_equal(vault_blob_len(63), 148);
	assert_int_equal(vault_blob_len(64), 212);
}

static void test_header(void **state)
{
	static const uint8_t header[] = {'K', 'H', 'S', 'B', 1, 1, 3, 0, 1, 2, 3, 4};
	const struct vault_content_keys keys = make_keys(0x01020304);
	uint8_t a[148], b[148];
	uint32_t version;

	(void)state;
	assert_int_equal(vault_content_seal(&keys, &home, NULL, 0, a), VAULT_OK);
	assert_int_equal(vault_content_seal(&keys, &home, NULL, 0, b), VAULT_OK);
	assert_memory_equal(a, header, sizeof(header));
	assert_memory_not_equal(a + 12, b + 12, 24);
	assert_memory_not_equal(a + 36, b + 36, 32);
	assert_memory_not_equal(a + 68, b + 68, 64);
	assert_int_equal(vault_blob_key_version(a, 147, &version), VAULT_BAD_BLOB);
	a[0] ^= 1;
	assert_int_equal(vault_blob_key_version(a, 148, &version), VAULT_BAD_BLOB);
}

static void test_every_bit_flip(void **state)
{
	const struct vault_content_keys keys = make_keys(1);
	uint8_t blob[148], plain[148];
	size_t len = 77;

	(void)state;
	assert_int_equal(vault_content_seal(&keys, &home, "hello", 5, blob), VAULT_OK);
	for (size_t bit = 0; bit < 8 * sizeof(blob); bit++) {
		const size_t at = bit / 8;
		enum vault_error err;

		blob[at] ^= (uint8_t)(1u << bit % 8);
		memset(plain, 0xaa, sizeof(plain));
		err = vault_content_open(&keys, &home, blob, sizeof(blob), plain, &len);
		/* header: no blob of ours; version, nonce, commitment: not sealed by this key */
		assert_int_equal(err, at >= 8 && at < 68 ? VAULT_WRONG_KEY : VAULT_BAD_BLOB);
		assert_int_equal(len, 77);
		assert_memory_not_equal(plain, "hello", 5);
		blob[at] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(vault_content_open(&keys, &home, blob, sizeof(blob), plain, &len), VAULT_OK);
}

static void test_every_other_length(void **state)
{
	const struct vault_content_keys keys = make_keys(1);
	uint8_t blob[400] = {0}, plain[400];
	size_t len;

	(void)state;
	assert_int_equal(vault_content_seal(&keys, &home, plain, 70, blob), VAULT_OK);
	for (size_t n = 0; n < sizeof(blob); n++) {
		const enum vault_error err = vault_content_open(&keys, &home, blob, n, plain, &len);

		assert_int_equal(err, n == 212 ? VAULT_OK : VAULT_BAD_BLOB);
	}
	assert_int_equal(vault_content_open(&keys, &home, blob, vault_blob_len(VAULT_CONTENT_MAX) + 64, plain, &len),
		VAULT_BAD_BLOB);
}

/* The same blob, every part of its place changed in turn, and parts that run together. */
static void test_moved(void **state)
{
	const struct vault_content_keys keys = make_keys(1);
	struct vault_context moved[] = {home, home, home, home, home, home, home, home};
	uint8_t blob[148], plain[148];
	size_t len;

	(void)state;
	assert_int_equal(vault_content_seal(&keys, &home, "hello", 5, blob), VAULT_OK);
	moved[0].deployment_id = "dep-2";
	moved[1].business_id = "shop-2";
	moved[2].table = "messages";
	moved[3].record_id = "rec-2";
	moved[4].field = "note";
	moved[5].record_version = 2;
	moved[6].table = "eventsr"; /* the same text when run together */
	moved[6].record_id = "ec-1";
	moved[7].record_version = 1ull << 32 | 1;
	for (size_t i = 0; i < sizeof(moved) / sizeof(moved[0]); i++)
		assert_int_equal(vault_content_open(&keys, &moved[i], blob, sizeof(blob), plain, &len), VAULT_BAD_BLOB);
	assert_int_equal(vault_content_open(&keys, &home, blob, sizeof(blob), plain, &len), VAULT_OK);
}

/* One key for all types, as if a caller had mixed them up. */
static void test_type_and_version(void **state)
{
	uint8_t key[VAULT_KEY_LEN], blob[148], plain[64];
	size_t len;

	(void)state;
	vault_random(key, sizeof(key));
	for (int sealed = BLOB_TENANT_KEY; sealed <= BLOB_CONTENT; sealed++) {
		const struct blob_key with = {(enum blob_type)sealed, 5, key};

		assert_int_equal(vault_blob_seal(&with, &home, "hello", 5, blob), VAULT_OK);
		for (int opened = BLOB_TENANT_KEY; opened <= BLOB_CONTENT; opened++) {
			struct blob_key other = {(enum blob_type)opened, 5, key};

			assert_int_equal(vault_blob_open(&other, &home, blob, sizeof(blob), plain, &len),
				opened == sealed ? VAULT_OK : VAULT_BAD_BLOB);
			blob[6] = (uint8_t)opened; /* and with the header rewritten */
			assert_int_equal(vault_blob_open(&other, &home, blob, sizeof(blob), plain, &len),
				opened == sealed ? VAULT_OK : VAULT_WRONG_KEY);
			blob[6] = (uint8_t)sealed;
			other.version = 6;
			assert_int_equal(vault_blob_open(&other, &home, blob, sizeof(blob), plain, &len),
				opened == sealed ? VAULT_WRONG_KEY : VAULT_BAD_BLOB);
		}
	}
}

static void test_wrong_key(void **state)
{
	const struct vault_content_keys keys = make_keys(1);
	struct vault_content_keys other = make_keys(1);
	uint8_t blob[148], plain[148];
	size_t len;

	(void)state;
	assert_int_equal(vault_content_seal(&keys, &home, "hello", 5, blob), VAULT_OK);
	assert_int_equal(vault_content_open(&other, &home, blob, sizeof(blob), plain, &len), VAULT_WRONG_KEY);
	other = keys;
	other.content[31] ^= 1;
	assert_int_equal(vault_content_open(&other, &home, blob, sizeof(blob), plain, &len), VAULT_WRONG_KEY);
	other = keys;
	other.content_version = 2;
	assert_int_equal(vault_content_open(&other, &home, blob, sizeof(blob), plain, &len), VAULT_WRONG_KEY);
}

static void test_bad_requests(void **state)
{
	const struct vault_content_keys keys = make_keys(1);
	struct vault_context where = home;
	uint8_t blob[148], plain[148];
	char text[130];
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[128] = 0;
	where.record_id = text;
	assert_int_equal(vault_content_seal(&keys, &where, "hello", 5, blob), VAULT_OK);
	assert_int_equal(vault_content_open(&keys, &where, blob, sizeof(blob), plain, &len), VAULT_OK);
	text[128] = 'x';
	text[129] = 0;
	assert_int_equal(vault_content_seal(&keys, &where, "hello", 5, blob), VAULT_BAD_REQUEST);
	assert_int_equal(vault_content_open(&keys, &where, blob, sizeof(blob), plain, &len), VAULT_BAD_REQUEST);
	where.record_id = NULL;
	assert_int_equal(vault_content_seal(&keys, &where, "hello", 5, blob), VAULT_BAD_REQUEST);
	assert_int_equal(vault_content_seal(&keys, &home, plain, VAULT_CONTENT_MAX + 1, blob), VAULT_BAD_REQUEST);
}

static void test_blind_index(void **state)
{
	const struct vault_content_keys keys = make_keys(1), other = make_keys(1);
	uint8_t a[VAULT_INDEX_LEN], b[VAULT_INDEX_LEN];

	(void)state;
	vault_blind_index(&keys, "wamid", "abc", 3, a);
	vault_blind_index(&keys, "wamid", "abc", 3, b);
	assert_memory_equal(a, b, sizeof(a));
	vault_blind_index(&keys, "wamida", "bc", 2, b);
	assert_memory_not_equal(a, b, sizeof(a));
	vault_blind_index(&keys, "customer", "abc", 3, b);
	assert_memory_not_equal(a, b, sizeof(a));
	vault_blind_index(&other, "wamid", "abc", 3, b);
	assert_memory_not_equal(a, b, sizeof(a));
	vault_blind_index(&keys, "wamid", NULL, 0, b);
	assert_memory_not_equal(a, b, sizeof(a));
}

static void test_secret(void **state)
{
	struct secret *s;

	(void)state;
	assert_null(secret_new("x", 0));
	assert_null(secret_new("x", SIZE_MAX));
	for (size_t len = 1; len < 70; len++) {
		char text[70];

		memset(text, 'k', sizeof(text));
		s = secret_new(text, len);
		assert_non_null(s);
		assert_int_equal(secret_len(s), len);
		assert_int_equal(strlen((const char *)secret_bytes(s)), len);
		assert_memory_equal(secret_bytes(s), text, len);
		secret_free(s);
	}
	secret_free(NULL);
}

/* What a child dies of that touches a byte: 0 for nothing. */
static int touching(const uint8_t *at)
{
	int status;
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would make a report of it */
		_exit(*(const volatile uint8_t *)at == 1 ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* Beyond its end and after its end, be its memory kept for the next one or not. */
static void test_secret_is_guarded(void **state)
{
	static const size_t lens[] = {1, 15, 200, 4000, 4055, 4056, 8192};
	static uint8_t text[8192];

	(void)state;
	memset(text, 'k', sizeof(text));
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		for (int again = 0; again < 2; again++) {
			struct secret *s = secret_new(text, lens[i]);
			const uint8_t *at;

			assert_non_null(s);
			at = secret_bytes(s);
			assert_int_equal(touching(at + lens[i]), 0);
			assert_int_equal(touching(at + lens[i] + 16), SIGSEGV);
			secret_free(s);
			assert_int_equal(touching(at), SIGSEGV);
		}
}

/* More than are kept, given back in another order than they were taken, by threads. */
static void *use_secrets(void *arg)
{
	struct secret *held[50];
	uint8_t text[300];

	memset(text, *(const uint8_t *)arg, sizeof(text));
	for (size_t round = 0; round < 40; round++) {
		for (size_t i = 0; i < 50; i++) {
			held[i] = secret_new(text, 1 + (i * 7 + round) % sizeof(text));
			if (held[i] == NULL)
				return arg;
		}
		for (size_t i = 0; i < 50; i++) {
			const size_t n = i * 13 % 50, len = secret_len(held[n]);

			if (len != 1 + (n * 7 + round) % sizeof(text) ||
				memcmp(secret_bytes(held[n]), text, len) != 0 || secret_bytes(held[n])[len] != 0)
				return arg;
			secret_free(held[n]);
		}
	}
	return NULL;
}

static void test_secrets_of_many_threads(void **state)
{
	static uint8_t marks[] = {'a', 'b', 'c', 'd'};
	pthread_t threads[4];
	void *failed;

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, use_secrets, &marks[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
}

static void test_small_helpers(void **state)
{
	/* BLAKE2b-256 of "abc" */
	static const uint8_t abc[VAULT_HASH_LEN] = {0xbd, 0xdd, 0x81, 0x3c, 0x63, 0x42, 0x39, 0x72, 0x31, 0x71, 0xef,
		0x3f, 0xee, 0x98, 0x57, 0x9b, 0x94, 0x96, 0x4e, 0x3b, 0xb1, 0xcb, 0x3e, 0x42, 0x72, 0x62, 0xc8, 0xc0,
		0x68, 0xd5, 0x23, 0x19};
	uint8_t hash[VAULT_HASH_LEN];

	(void)state;
	vault_hash("abc", 3, hash);
	assert_memory_equal(hash, abc, sizeof(abc));
	assert_true(vault_equal("abc", "abc", 3));
	assert_false(vault_equal("abc", "abd", 3));
	vault_wipe(hash, sizeof(hash));
	assert_true(hash[0] == 0 && hash[31] == 0);
	for (int err = VAULT_OK; err <= VAULT_GONE; err++) {
		assert_true(strlen(vault_error_text((enum vault_error)err)) > 5);
		assert_null(strstr(vault_error_text((enum vault_error)err), "unknown"));
	}
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roundtrip),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_every_bit_flip),
		cmocka_unit_test(test_every_other_length),
		cmocka_unit_test(test_moved),
		cmocka_unit_test(test_type_and_version),
		cmocka_unit_test(test_wrong_key),
		cmocka_unit_test(test_bad_requests),
		cmocka_unit_test(test_blind_index),
		cmocka_unit_test(test_secret),
		cmocka_unit_test(test_secret_is_guarded),
		cmocka_unit_test(test_secrets_of_many_threads),
		cmocka_unit_test(test_small_helpers),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
