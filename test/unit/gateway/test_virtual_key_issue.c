/*
 * What a new virtual key may be, as whoever asks for one says it: what passes is in the key, what
 * breaks a rule is told and leaves none of it; and of a key that was not kept no text is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/virtual_key_issue.h"

#define NOW INT64_C(1800000000000)
#define DAY_MS INT64_C(86400000)

static void counts(void **state)
{
	static const struct {
		const char *text;
		double n;
	} rows[] = {{"1", 1}, {"100000", 100000}, {"007", 7}, {"999999999", 999999999}, {"", 0}, {"0", 0}, {" 1", 0},
		{"1 ", 0}, {"-1", 0}, {"+1", 0}, {"1.5", 0}, {"1e3", 0}, {"0x10", 0}, {"inf", 0}, {"nan", 0},
		{"1000000000", 0}, {"\xd9\xa1", 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (virtual_key_count(rows[i].text) != rows[i].n)
			fail_msg("%s", rows[i].text);
}

static void limits(void **state)
{
	struct store_virtual_key k = {.id = ""};
	double nothing = 0;

	(void)state;
	assert_null(virtual_key_ask_rate(&k, 100000));
	assert_null(virtual_key_ask_budget(&k, 10000000));
	assert_true(k.rate == 100000 && k.budget == 10000000);
	assert_non_null(virtual_key_ask_rate(&k, 100001));
	assert_non_null(virtual_key_ask_budget(&k, 10000001));
	assert_non_null(virtual_key_ask_budget(&k, 1.5));
	assert_non_null(virtual_key_ask_rate(&k, nothing / nothing));
	assert_non_null(virtual_key_ask_rate(&k, 1e300));
	assert_true(k.rate == 0 && k.budget == 0);
}

static void ends(void **state)
{
	struct store_virtual_key k = {.id = ""}, other = {.id = ""};

	(void)state;
	assert_non_null(virtual_key_ask_days(&k, 3651, NOW));
	assert_int_equal(k.expires_at, 0);
	assert_null(virtual_key_ask_days(&k, 3650, NOW));
	assert_int_equal(k.expires_at, NOW + 3650 * DAY_MS);
	assert_non_null(virtual_key_ask_end(&k, "2030-01-31T23:59:59Z", NOW));
	assert_non_null(virtual_key_ask_end(&other, "2027-01-15T08:00:00Z", NOW));
	assert_non_null(virtual_key_ask_end(&other, "2037-01-13T08:00:01Z", NOW));
	assert_int_equal(other.expires_at, 0);
	assert_null(virtual_key_ask_end(&other, "2027-01-15T08:00:01Z", NOW));
	assert_int_equal(other.expires_at, NOW + 1000);
}

static void names_and_scopes(void **state)
{
	struct store_virtual_key k = {.id = ""};
	char name[STORE_NAME_LEN + 2];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[STORE_NAME_LEN + 1] = '\0';
	assert_non_null(virtual_key_ask_name(&k, name));
	assert_non_null(virtual_key_ask_name(&k, ""));
	assert_non_null(virtual_key_ask_name(&k, "a\nb"));
	assert_string_equal(k.name, "");
	name[STORE_NAME_LEN] = '\0';
	assert_null(virtual_key_ask_name(&k, name));
	assert_string_equal(k.name, name);
	assert_non_null(virtual_key_ask_scopes_end(&k));
	assert_non_null(virtual_key_ask_scope(&k, "sen"));
	assert_null(virtual_key_ask_scope(&k, "send"));
	assert_null(virtual_key_ask_scope(&k, "read"));
	assert_null(virtual_key_ask_scopes_end(&k));
	assert_int_equal(k.scopes, STORE_SCOPE_SEND | STORE_SCOPE_READ);
}

static void no_text_is_left(void **state)
{
	struct store_business b = {
		.id = "shop", .name = "A shop", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};
	struct store_virtual_key k = {.business_id = "shop", .scopes = STORE_SCOPE_SEND}, found;
	char dir[] = "/tmp/kh-issue-XXXXXX", path[80], text[VIRTUAL_KEY_ROOM], empty[VIRTUAL_KEY_ROOM] = "";
	struct store *store;
	struct store_options options = {.path = path, .create = true, .readers = 1};

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/k.db", dir);
	assert_int_equal(store_open(&store, &options), STORE_OK);
	assert_int_equal(store_business_add(store, &b, NULL, 0), STORE_OK);
	assert_null(virtual_key_ask_name(&k, "till"));
	for (unsigned i = 0; i < STORE_KEYS_LIVE_MAX; i++) {
		assert_int_equal(virtual_key_issue(store, &k, text), STORE_OK);
		assert_int_equal(store_virtual_key_get(store, "shop", k.id, NOW, &found), STORE_OK);
		assert_memory_equal(found.last4, text + strlen(text) - 4, 4);
	}
	assert_int_equal(virtual_key_issue(store, &k, text), STORE_TOO_MANY);
	assert_memory_equal(text, empty, sizeof(text));
	assert_int_equal(virtual_key_ask_number(store, &k, "90001"), STORE_NOT_FOUND);
	assert_string_equal(k.numbers, "");
	store_close(store);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s/k.db%s", dir, i == 0 ? "" : i == 1 ? "-wal" : "-shm");
		(void)unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(counts), cmocka_unit_test(limits), cmocka_unit_test(ends),
		cmocka_unit_test(names_and_scopes), cmocka_unit_test(no_text_is_left)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
