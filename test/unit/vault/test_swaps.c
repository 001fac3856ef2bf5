/*
 * Goal of this test: a blob opens as what it is, where it lies, whole, and in no other way: every bit, every length and
 * every pair of places, of each type and at every size at which padding changes.
 */
#include "test/unit/vault/house.h"
#include "vault/blob.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PLAIN_MAX 200u
#define MORE 200u /* so many bytes are added at most */
#define ROOM (BLOB_LEN(PLAIN_MAX) + MORE)

static const struct vault_context home = {DEPLOYMENT, BUSINESS, "credentials", "rec-1", "access_token", 1};
static const enum blob_type types[] = {BLOB_TENANT_KEY, BLOB_CREDENTIAL, BLOB_CONTENT};
static const size_t sizes[] = {0, 1, VAULT_KEY_LEN, 63, 64, 65, 127, 128, PLAIN_MAX};
static uint8_t key[VAULT_KEY_LEN];

/* ------------------------------------------------------------ damage */

struct sealed {
	struct blob_key with;
	size_t plain_len, len;
	uint8_t plain[PLAIN_MAX], blob[ROOM];
};

static bool is_zero(const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* From memory of exactly its length, so that a read beyond it is seen. What a refused blob decrypts to stays nowhere. */
static void refused(const struct sealed *s, const uint8_t *blob, size_t len)
{
	const size_t room = len > BLOB_OVERHEAD ? len - BLOB_OVERHEAD : 1;
	uint8_t *exact = malloc(len + 1), *plain = malloc(room);
	size_t plain_len = 4711;
	enum vault_error err;

	assert_true(exact != NULL && plain != NULL);
	memcpy(exact, blob, len);
	memset(plain, 0, room);
	err = vault_blob_open(&s->with, &home, exact, len, plain, &plain_len);
	if (err != VAULT_BAD_BLOB && err != VAULT_WRONG_KEY)
		fail_msg("type %d, %zu bytes sealed, %zu of %zu: %d", (int)s->with.type, s->plain_len, len, s->len,
			(int)err);
	assert_int_equal(plain_len, 4711);
	assert_true(is_zero(plain, room));
	free(exact);
	free(plain);
}

static void every_bit(struct sealed *s)
{
	for (size_t bit = 0; bit < 8 * s->len; bit++) {
		s->blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
		refused(s, s->blob, s->len);
		s->blob[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void every_length(const struct sealed *s)
{
	for (size_t len = 0; len <= s->len + MORE; len++)
		if (len != s->len)
			refused(s, s->blob, len);
}

/* Whole blocks taken out, doubled or put in another order, so that the length stays a possible one; and the front cut off. */
static void every_block(const struct sealed *s)
{
	const size_t blocks = (s->len - BLOB_OVERHEAD) / BLOB_BLOCK, first = BLOB_LEN(0) - BLOB_BLOCK - BLOB_TAG_LEN;
	uint8_t other[ROOM];

	for (size_t at = 0; at < blocks; at++) {
		const size_t from = first + at * BLOB_BLOCK;

		memcpy(other, s->blob, from);
		memcpy(other + from, s->blob + from + BLOB_BLOCK, s->len - from - BLOB_BLOCK);
		refused(s, other, s->len - BLOB_BLOCK);
		memcpy(other + from + BLOB_BLOCK, s->blob + from, s->len - from);
		memcpy(other + from, s->blob + from, BLOB_BLOCK);
		refused(s, other, s->len + BLOB_BLOCK);
		memcpy(other, s->blob, s->len);
		memcpy(other + from, s->blob + first, BLOB_BLOCK);
		memcpy(other + first, s->blob + from, BLOB_BLOCK);
		if (at > 0)
			refused(s, other, s->len);
	}
	for (size_t cut = 1; cut < s->len; cut++)
		refused(s, s->blob + cut, s->len - cut);
}

static void test_damage(void **state)
{
	(void)state;
	for (size_t t = 0; t < COUNT(types); t++)
		for (size_t i = 0; i < COUNT(sizes); i++) {
			struct sealed s = {{types[t], 7, key}, sizes[i], BLOB_LEN(sizes[i]), {0}, {0}};
			uint8_t back[ROOM];
			size_t len = 0;

			vault_random(s.plain, sizeof(s.plain));
			assert_int_equal(vault_blob_seal(&s.with, &home, s.plain, s.plain_len, s.blob), VAULT_OK);
			every_bit(&s);
			every_length(&s);
			every_block(&s);
			assert_int_equal(vault_blob_open(&s.with, &home, s.blob, s.len, back, &len), VAULT_OK);
			assert_int_equal(len, s.plain_len);
			assert_memory_equal(back, s.plain, len);
		}
}

/* ------------------------------------------------------------ the whole matrix */

/* Every combination of these is a place. Texts that begin with each other and numbers that are equal in their low half,
 * since those are what a careless binding takes for the same. */
static const char *const deployments[] = {"dep", "dep-1"};
static const char *const businesses[] = {"shop", "shop-1"};
static const char *const tables[] = {"credentials", "tenant_keys"};
static const char *const records[] = {"rec", "rec-1"};
static const char *const fields[] = {"access_token", "access_tokens"};
static const uint64_t record_versions[] = {1, 1ull << 32 | 1};
static const uint32_t key_versions[] = {1, 0x01000001};

#define PLACES (2u * 2u * 2u * 2u * 2u * 2u * 2u * COUNT(types))

struct place {
	struct blob_key with;
	struct vault_context where;
	uint8_t blob[BLOB_LEN(8)];
};

static struct place place_of(size_t n)
{
	struct place p;

	p.with.type = types[n / 128];
	p.with.version = key_versions[n / 64 % 2];
	p.with.key = key; /* one for all of them, as if nothing but the place told them apart */
	p.where = (struct vault_context){deployments[n / 32 % 2], businesses[n / 16 % 2], tables[n / 8 % 2],
		records[n / 4 % 2], fields[n / 2 % 2], record_versions[n % 2]};
	return p;
}

static void test_only_the_diagonal_opens(void **state)
{
	struct place *places = calloc(PLACES, sizeof(*places));
	size_t opened = 0;

	(void)state;
	assert_non_null(places);
	for (size_t i = 0; i < PLACES; i++) {
		const uint64_t number = i;

		places[i] = place_of(i);
		assert_int_equal(
			vault_blob_seal(&places[i].with, &places[i].where, &number, sizeof(number), places[i].blob),
			VAULT_OK);
	}
	for (size_t i = 0; i < PLACES; i++)
		for (size_t j = 0; j < PLACES; j++) {
			uint8_t plain[BLOB_PADDED_LEN(8)];
			uint64_t number;
			size_t len = 0;
			const enum vault_error err = vault_blob_open(
				&places[j].with, &places[j].where, places[i].blob, sizeof(places[i].blob), plain, &len);

			if ((err == VAULT_OK) != (i == j))
				fail_msg("sealed at place %zu, opened at %zu: %d", i, j, (int)err);
			if (err != VAULT_OK)
				continue;
			opened++;
			memcpy(&number, plain, sizeof(number));
			assert_int_equal(len, sizeof(number));
			assert_int_equal(number, i);
		}
	print_message("%zu places, %zu pairs, %zu opened\n", (size_t)PLACES, (size_t)PLACES * PLACES, opened);
	assert_int_equal(opened, 384);
	free(places);
}

/* ------------------------------------------------------------ through the vault */

/* The three tenant keys of two businesses, each put in the place of each other one. */
static void test_tenant_keys_stay_where_they_are(void **state)
{
	static const char *const shops[] = {"shop", "shop-1"};
	struct vault_wrapped_key keys[2][3][2];
	struct house h = {0};

	(void)state;
	house_open(&h, NULL);
	for (unsigned n = 0; n < 12; n++)
		assert_int_equal(vault_tenant_key_new(h.listener, DEPLOYMENT, shops[n / 6],
					 (enum vault_purpose)(VAULT_CREDENTIAL + n / 2 % 3), 1 + n % 2,
					 &keys[n / 6][n / 2 % 3][n % 2]),
			VAULT_OK);
	for (unsigned n = 0; n < 144; n++) {
		const unsigned c = n / 12, i = n % 12;
		const struct vault_wrapped_key *content = &keys[c / 6][c / 2 % 3][c % 2];
		const struct vault_wrapped_key *index = &keys[i / 6][i / 2 % 3][i % 2];
		struct vault_content_keys out;
		const enum vault_error err =
			vault_content_keys_get(h.listener, DEPLOYMENT, shops[1], content, index, &out);
		const bool right = c / 6 == 1 && i / 6 == 1 && c / 2 % 3 == 1 && i / 2 % 3 == 2;

		assert_int_equal(err, right ? VAULT_OK : VAULT_BAD_BLOB);
	}
	assert_int_equal(house_close(&h), VAULT_OK);
}

static int begin(void **state)
{
	(void)state;
	if (vault_init() != VAULT_OK)
		return -1;
	vault_random(key, sizeof(key));
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_only_the_diagonal_opens),
		cmocka_unit_test(test_tenant_keys_stay_where_they_are),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
