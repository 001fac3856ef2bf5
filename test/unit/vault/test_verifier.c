/*
 * Goal of this test: a verifier says exactly what HMAC-SHA-256 says, for keys
 * and messages around each block border and for Wycheproof's vectors.
 */
#include <cjson/cJSON.h>
#include <sodium.h>

#include "test/unit/vault/house.h"
#include "vault/verifier.h"

static void reference(const uint8_t *key, size_t key_len, const uint8_t *msg, size_t len, uint8_t out[static 32])
{
	crypto_auth_hmacsha256_state state;

	crypto_auth_hmacsha256_init(&state, key, key_len);
	crypto_auth_hmacsha256_update(&state, msg, len);
	crypto_auth_hmacsha256_final(&state, out);
}

static void test_against_hmac(void **state)
{
	uint8_t key[200], msg[300], tag[32];
	struct vault_verifier v;

	(void)state;
	vault_random(key, sizeof(key));
	vault_random(msg, sizeof(msg));
	for (size_t key_len = 0; key_len <= sizeof(key); key_len++) {
		vault_verifier_make(key, key_len, &v);
		for (size_t len = 0; len <= sizeof(msg); len += key_len % 32 <= 1 ? 1 : 37) {
			reference(key, key_len, msg, len, tag);
			assert_true(vault_verifier_check(&v, msg, len, tag));
			tag[len % 32] ^= (uint8_t)(1u << len % 8);
			assert_false(vault_verifier_check(&v, msg, len, tag));
		}
	}
}

static void test_every_bit_of_a_signature(void **state)
{
	struct vault_verifier v;
	uint8_t tag[32];

	(void)state;
	vault_verifier_make((const uint8_t *)"key", 3, &v);
	reference((const uint8_t *)"key", 3, (const uint8_t *)"body", 4, tag);
	for (size_t bit = 0; bit < 256; bit++) {
		tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(vault_verifier_check(&v, "body", 4, tag));
		tag[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_true(vault_verifier_check(&v, "body", 4, tag));
	assert_false(vault_verifier_check(&v, "bodz", 4, tag));
}

static size_t unhex(const char *hex, uint8_t *out, size_t room)
{
	size_t len = 0;

	assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &len, NULL), 0);
	return len;
}

static const char *text_of(const cJSON *object, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, name);

	assert_true(cJSON_IsString(item));
	return item->valuestring;
}

static cJSON *read_vectors(const char *name)
{
	const char *samples = getenv("KH_SAMPLES");
	static char text[1u << 20];
	char path[256];
	cJSON *json;
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%.200s/vectors/%s", samples == NULL ? "../shared" : samples, name);
	f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	len = fread(text, 1, sizeof(text) - 1, f);
	text[len] = 0;
	fclose(f);
	json = cJSON_Parse(text);
	assert_non_null(json);
	return json;
}

static void check_vector(const cJSON *test, size_t tag_len)
{
	uint8_t key[256], msg[1024], tag[32], whole[32];
	struct vault_verifier v;
	const size_t key_len = unhex(text_of(test, "key"), key, sizeof(key));
	const size_t len = unhex(text_of(test, "msg"), msg, sizeof(msg));
	const bool valid = strcmp(text_of(test, "result"), "valid") == 0;

	assert_int_equal(unhex(text_of(test, "tag"), tag, sizeof(tag)), tag_len);
	vault_verifier_make(key, key_len, &v);
	/* A shortened tag is completed first: a check is always over all 32 bytes. */
	reference(key, key_len, msg, len, whole);
	memcpy(whole, tag, tag_len);
	assert_int_equal(vault_verifier_check(&v, msg, len, whole), valid);
}

static void test_wycheproof(void **state)
{
	cJSON *json = read_vectors("hmac_sha256.json");
	const cJSON *group, *test;
	int seen = 0;

	(void)state;
	if (json == NULL) {
		print_message("skipped: no samples\n");
		return;
	}
	cJSON_ArrayForEach (group, cJSON_GetObjectItemCaseSensitive(json, "testGroups")) {
		const cJSON *bits = cJSON_GetObjectItemCaseSensitive(group, "tagSize");

		cJSON_ArrayForEach (test, cJSON_GetObjectItemCaseSensitive(group, "tests")) {
			check_vector(test, (size_t)bits->valueint / 8);
			seen++;
		}
	}
	assert_int_equal(seen, 174);
	cJSON_Delete(json);
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_hmac),
		cmocka_unit_test(test_every_bit_of_a_signature),
		cmocka_unit_test(test_wycheproof),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
