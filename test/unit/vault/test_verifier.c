/*
 * Goal of this test: a verifier says exactly what HMAC-SHA-256 says, for keys
 * and messages around each block border. Known values: test_vectors.c.
 */
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

/* A value is the secret only to the last byte, at every length. */
static void test_a_value_is_the_secret(void **state)
{
	uint8_t key[130];
	struct vault_verifier v;

	(void)state;
	vault_random(key, sizeof(key));
	/* Text, as secrets are: HMAC pads a key with zero bytes, which would be the same key. */
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] |= 0x20;
	for (size_t len = 1; len <= sizeof(key); len++) {
		vault_verifier_make(key, len, &v);
		assert_true(vault_verifier_is_of(&v, key, len));
		key[len / 2] ^= 1;
		assert_false(vault_verifier_is_of(&v, key, len));
		key[len / 2] ^= 1;
		assert_false(vault_verifier_is_of(&v, key, len - 1));
	}
	assert_false(vault_verifier_is_of(&v, "", 0));
}

static void test_signing_in_parts(void **state)
{
	uint8_t key[100], msg[200], whole[32], parts[32];

	(void)state;
	vault_random(key, sizeof(key));
	vault_random(msg, sizeof(msg));
	for (size_t cut = 0; cut <= sizeof(msg); cut += 7) {
		const struct vault_part two[] = {{msg, cut}, {msg + cut, sizeof(msg) - cut}};

		reference(key, cut % sizeof(key), msg, sizeof(msg), whole);
		vault_sign(key, cut % sizeof(key), two, 2, parts);
		assert_memory_equal(whole, parts, sizeof(whole));
	}
}

static void test_text_forms(void **state)
{
	uint8_t back[32];
	char text[80];
	size_t len = 0;

	(void)state;
	vault_hex("\x00\x7f\xff", 3, text);
	assert_string_equal(text, "007fff");
	vault_base64("\x00\x7f\xff\xfe", 4, text);
	assert_string_equal(text, "AH///g==");
	assert_true(vault_base64_read(text, 8, back, sizeof(back), &len));
	assert_int_equal(len, 4);
	assert_memory_equal(back, "\x00\x7f\xff\xfe", 4);
	assert_false(vault_base64_read(text, 8, back, 3, &len));
	assert_false(vault_base64_read(text, 7, back, sizeof(back), &len));
	assert_false(vault_base64_read("AH__/g==", 8, back, sizeof(back), &len));
	assert_false(vault_base64_read("AH// /g=", 8, back, sizeof(back), &len));
}

static void test_random_text(void **state)
{
	char one[8 + VAULT_RANDOM_TEXT_LEN], two[8 + VAULT_RANDOM_TEXT_LEN];
	uint8_t bytes[32];
	size_t len;

	(void)state;
	vault_random_text("whsec_", false, one);
	assert_memory_equal(one, "whsec_", 6);
	assert_true(vault_base64_read(one + 6, strlen(one) - 6, bytes, sizeof(bytes), &len));
	assert_int_equal(len, 32);
	for (int i = 0; i < 50; i++) {
		vault_random_text("", true, two);
		assert_int_equal(strlen(two), 43);
		assert_int_equal(strspn(two, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 43);
		assert_string_not_equal(one, two);
		memcpy(one, two, sizeof(two));
	}
}

static void test_fields_with_verifiers(void **state)
{
	(void)state;
	assert_true(vault_field_has_verifier("app_secret"));
	assert_true(vault_field_has_verifier("webhook_secret"));
	assert_true(vault_field_has_verifier("platform_secret"));
	assert_false(vault_field_has_verifier("access_token"));
	assert_false(vault_field_has_verifier("api_key"));
	assert_false(vault_field_has_verifier("signing_secret"));
	assert_false(vault_field_has_verifier("app_secret "));
	assert_false(vault_field_has_verifier(""));
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
		cmocka_unit_test(test_a_value_is_the_secret),
		cmocka_unit_test(test_signing_in_parts),
		cmocka_unit_test(test_text_forms),
		cmocka_unit_test(test_random_text),
		cmocka_unit_test(test_fields_with_verifiers),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
