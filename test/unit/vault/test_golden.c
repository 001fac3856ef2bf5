/*
 * Goal of this test: what was sealed once opens for ever. The file was made by
 * another implementation, from the bytes that vault/DESIGN.md gives; it never
 * changes. A new format gets a new file beside it.
 */
#include <sodium.h>

#include "test/unit/vault/house.h"
#include "vault/blob.h"

#define GOLDEN "test/data/vault-golden-1.txt"

static char golden[16384];

/* The value after "name: " on a line of its own; "|" stands for a line's end. */
static const char *value(const char *name, char out[static 2048])
{
	const size_t name_len = strlen(name);

	for (const char *line = golden; *line != 0; line += strcspn(line, "\n") + 1) {
		const size_t len = strcspn(line, "\n");

		if (len <= name_len + 2 || strncmp(line, name, name_len) != 0 || line[name_len] != ':')
			continue;
		assert_true(len - name_len - 2 < 2048);
		memcpy(out, line + name_len + 2, len - name_len - 2);
		out[len - name_len - 2] = 0;
		for (char *c = out; *c != 0; c++)
			*c = *c == '|' ? '\n' : *c;
		return out;
	}
	fail_msg("no %s in %s", name, GOLDEN);
	return NULL;
}

static size_t bytes(const char *name, uint8_t *out, size_t room)
{
	char hex[2048];
	size_t len = 0;

	value(name, hex);
	assert_int_equal(sodium_hex2bin(out, room, hex, strlen(hex), NULL, &len, NULL), 0);
	return len;
}

static struct vault_wrapped_key wrapped(const char *name)
{
	struct vault_wrapped_key w = {.version = 7};

	assert_int_equal(bytes(name, w.blob, sizeof(w.blob)), VAULT_WRAPPED_LEN);
	return w;
}

static void test_content(void **state)
{
	const struct vault_context where = {
		"dep-golden", "shop-golden", "events", "rec-golden", "body", 0x100000002ull};
	const struct vault_wrapped_key content = wrapped("content-key"), index = wrapped("index-key");
	uint8_t blob[512], plain[512], expected[VAULT_INDEX_LEN], found[VAULT_INDEX_LEN];
	struct vault_content_keys keys;
	char key_file[2048], text[2048];
	struct house h = {0};
	size_t len, blob_len;

	(void)state;
	house_open(&h, value("key-file", key_file));
	assert_int_equal(
		vault_content_keys_get(h.listener, "dep-golden", "shop-golden", &content, &index, &keys), VAULT_OK);
	blob_len = bytes("content", blob, sizeof(blob));
	assert_int_equal(vault_content_open(&keys, &where, blob, blob_len, plain, &len), VAULT_OK);
	assert_int_equal(len, strlen(value("content-plain", text)));
	assert_memory_equal(plain, text, len);
	bytes("index", expected, sizeof(expected));
	vault_blind_index(&keys, "wamid", "wamid.golden", 12, found);
	assert_memory_equal(found, expected, sizeof(found));
	assert_int_equal(house_close(&h), VAULT_OK);
}

static void test_credential(void **state)
{
	const struct vault_context where = {"dep-golden", "shop-golden", "credentials", "conn-golden", "app_secret", 3};
	const struct vault_wrapped_key key = wrapped("credential-key");
	char key_file[2048], text[2048], print[VAULT_FINGERPRINT_LEN + 1];
	uint8_t blob[512], again[512], signature[VAULT_SIGNATURE_LEN];
	struct vault_verifier v;
	struct house h = {0};
	struct secret *s = NULL;
	size_t blob_len;

	(void)state;
	house_open(&h, value("key-file", key_file));
	blob_len = bytes("credential", blob, sizeof(blob));
	assert_int_equal(vault_credential_open(h.sender, "job-1", &key, &where, blob, blob_len, &s), VAULT_OK);
	assert_string_equal((const char *)secret_bytes(s), value("credential-plain", text));
	assert_int_equal(vault_credential_seal(h.listener, &key, &where, s, again, print), VAULT_OK);
	assert_string_equal(print, value("fingerprint", text));
	secret_free(s);
	assert_int_equal(vault_verifier_get(h.listener, &key, &where, blob, blob_len, &v), VAULT_OK);
	bytes("signature-of-body", signature, sizeof(signature));
	assert_true(vault_verifier_check(&v, "body", 4, signature));
	assert_int_equal(house_close(&h), VAULT_OK);
}

static int begin(void **state)
{
	FILE *f = fopen(GOLDEN, "r");
	size_t len;

	(void)state;
	if (f == NULL || vault_init() != VAULT_OK)
		return -1;
	len = fread(golden, 1, sizeof(golden) - 1, f);
	golden[len] = 0;
	fclose(f);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_credential),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
