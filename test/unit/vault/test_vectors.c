/*
 * Goal of this test: Wycheproof's vectors through the code that seals blobs and
 * signs: each valid one is made and taken, each invalid one is refused.
 */
#include <cjson/cJSON.h>
#include <sodium.h>

#include "test/unit/vault/house.h"
#include "vault/blob.h"
#include "vault/verifier.h"

#define ROOM 1024u

struct field {
	uint8_t bytes[ROOM];
	size_t len;
};

/* What was seen, so that a selection of nothing is a failure. */
struct counts {
	unsigned valid, invalid, unsayable;
};

static void read_field(const cJSON *test, const char *name, struct field *out)
{
	const char *hex = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(test, name));

	assert_non_null(hex);
	assert_int_equal(sodium_hex2bin(out->bytes, sizeof(out->bytes), hex, strlen(hex), NULL, &out->len, NULL), 0);
}

static bool is_valid(const cJSON *test)
{
	const char *result = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(test, "result"));

	assert_non_null(result);
	assert_true(strcmp(result, "valid") == 0 || strcmp(result, "invalid") == 0);
	return strcmp(result, "valid") == 0;
}

/* NULL: there are none here. */
static cJSON *read_vectors(const char *name)
{
	const char *samples = getenv("KH_SAMPLES");
	static char text[1u << 20];
	char path[256];
	cJSON *json;
	FILE *f;

	snprintf(path, sizeof(path), "%.200s/vectors/%s", samples == NULL ? "../shared" : samples, name);
	f = fopen(path, "r");
	if (f == NULL)
		return NULL;
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	json = cJSON_Parse(text);
	assert_non_null(json);
	return json;
}

static struct counts run(const char *name, void (*check)(const cJSON *group, const cJSON *test, struct counts *counts))
{
	cJSON *json = read_vectors(name);
	struct counts counts = {0};
	const cJSON *group, *test;

	if (json == NULL) {
		print_message("skipped: no samples\n");
		skip();
	}
	cJSON_ArrayForEach (group, cJSON_GetObjectItemCaseSensitive(json, "testGroups"))
		cJSON_ArrayForEach (test, cJSON_GetObjectItemCaseSensitive(group, "tests"))
			check(group, test, &counts);
	assert_int_equal(counts.valid + counts.invalid + counts.unsayable,
		cJSON_GetObjectItemCaseSensitive(json, "numberOfTests")->valueint);
	print_message("%s: %u valid, %u invalid, %u that no call can be asked\n", name, counts.valid, counts.invalid,
		counts.unsayable);
	cJSON_Delete(json);
	return counts;
}

/* ------------------------------------------------------------ the cipher */

static void check_cipher(const cJSON *group, const cJSON *test, struct counts *counts)
{
	static struct field key, nonce, ad, msg, ct, tag;
	uint8_t text[ROOM], made[BLOB_TAG_LEN];
	const bool valid = is_valid(test);

	(void)group;
	read_field(test, "key", &key);
	read_field(test, "iv", &nonce);
	read_field(test, "aad", &ad);
	read_field(test, "msg", &msg);
	read_field(test, "ct", &ct);
	read_field(test, "tag", &tag);
	assert_int_equal(key.len, VAULT_KEY_LEN);
	if (nonce.len != BLOB_NONCE_LEN) {
		assert_false(valid);
		counts->unsayable++;
		return;
	}
	assert_int_equal(tag.len, BLOB_TAG_LEN);
	assert_int_equal(msg.len, ct.len);
	memcpy(text, msg.bytes, msg.len);
	vault_aead_seal(key.bytes, nonce.bytes, ad.bytes, ad.len, text, msg.len, made);
	assert_memory_equal(text, ct.bytes, ct.len);
	assert_int_equal(memcmp(made, tag.bytes, sizeof(made)) == 0, valid);
	memset(text, 0xaa, sizeof(text));
	assert_int_equal(
		vault_aead_open(key.bytes, nonce.bytes, ad.bytes, ad.len, ct.bytes, ct.len, tag.bytes, text), valid);
	if (valid)
		assert_memory_equal(text, msg.bytes, msg.len);
	else if (msg.len > 0)
		assert_memory_not_equal(text, msg.bytes, msg.len);
	*(valid ? &counts->valid : &counts->invalid) += 1;
}

static void test_cipher(void **state)
{
	const struct counts counts = run("xchacha20_poly1305.json", check_cipher);

	(void)state;
	assert_int_equal(counts.valid, 246);
	assert_int_equal(counts.invalid, 60);
	assert_int_equal(counts.unsayable, 9);
}

/* ------------------------------------------------------------ the signatures */

/* A shortened tag is compared as far as it goes, and completed before a check, which is always over all 32 bytes. */
static void check_mac(const cJSON *group, const cJSON *test, struct counts *counts)
{
	static struct field key, msg, tag;
	const size_t tag_len = (size_t)cJSON_GetObjectItemCaseSensitive(group, "tagSize")->valueint / 8;
	const bool valid = is_valid(test);
	uint8_t signature[VAULT_SIGNATURE_LEN];
	struct vault_verifier v;
	struct vault_part part;

	read_field(test, "key", &key);
	read_field(test, "msg", &msg);
	read_field(test, "tag", &tag);
	assert_int_equal(tag.len, tag_len);
	part = (struct vault_part){msg.bytes, msg.len};
	vault_sign(key.bytes, key.len, &part, 1, signature);
	assert_int_equal(memcmp(signature, tag.bytes, tag_len) == 0, valid);
	memcpy(signature, tag.bytes, tag_len);
	vault_verifier_make(key.bytes, key.len, &v);
	assert_int_equal(vault_verifier_check(&v, msg.bytes, msg.len, signature), valid);
	*(valid ? &counts->valid : &counts->invalid) += 1;
}

static void test_signatures(void **state)
{
	const struct counts counts = run("hmac_sha256.json", check_mac);

	(void)state;
	assert_int_equal(counts.valid, 66);
	assert_int_equal(counts.invalid, 108);
	assert_int_equal(counts.unsayable, 0);
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cipher),
		cmocka_unit_test(test_signatures),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
