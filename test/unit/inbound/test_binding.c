/* Which connection owns an update. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/binding.h"

#define VERIFIER "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define SIBLING "01BBBBBBBBBBBBBBBBBBBBBBBB" /* same app secret */
#define STRANGER "01CCCCCCCCCCCCCCCCCCCCCCCC" /* same business, another app */

static const struct binding meta = {
	.peers = {{VERIFIER, "100", "1", 0}, {SIBLING, "200", "2", 0}}, .peers_len = 2, .provider = STORE_META};
static const struct binding dialog = {.peers = {{VERIFIER, "", "", 0}}, .peers_len = 1, .provider = STORE_360DIALOG};
static const struct binding refused = {
	.peers = {{VERIFIER, "", "", 0}}, .peers_len = 1, .provider = STORE_360DIALOG, .taken = "7"};
static const struct binding no_waba = {.peers = {{VERIFIER, "", "", 0}}, .peers_len = 1, .provider = STORE_META};
static const struct binding gone = {.peers_len = 0};

static const struct {
	const struct binding *binding;
	struct binding_claim claim; /* field, number, owner, account */
	const char *reason; /* begins so; NULL: it belongs */
} table[] = {
	{&meta, {"messages", "1", VERIFIER, "100"}, NULL},
	{&meta, {"messages", "1", SIBLING, "100"}, NULL},
	{&meta, {"messages", "1", VERIFIER, "999"}, NULL}, /* the number decides */
	{&meta, {"messages", "1", VERIFIER, NULL}, NULL},
	{&meta, {"messages", "1", STRANGER, "100"}, "number"},
	{&meta, {"messages", "1", NULL, "100"}, "number"}, /* a fitting account excuses nothing */
	{&meta, {"messages", "", NULL, "100"}, "number"},
	{&meta, {"account_update", NULL, NULL, "100"}, NULL},
	{&meta, {"account_update", NULL, NULL, "200"}, NULL},
	{&meta, {"account_update", NULL, NULL, "300"}, "account"},
	{&meta, {"account_update", NULL, NULL, ""}, "account"},
	{&meta, {"account_update", NULL, NULL, NULL}, "account"},
	{&meta, {"messages", NULL, NULL, "300"}, "account"},
	{&meta, {"partner_solutions", NULL, NULL, "300"}, NULL},
	{&meta, {"partner_solutions", NULL, NULL, NULL}, NULL},
	{&meta, {"partner_solutions", "1", STRANGER, "100"}, "number"},
	{&meta, {"Partner_Solutions", NULL, NULL, "300"}, "account"},
	{&no_waba, {"account_update", NULL, NULL, ""}, "account"},
	{&dialog, {"account_update", NULL, NULL, "300"}, NULL},
	{&dialog, {"messages", "1", VERIFIER, "300"}, NULL},
	{&dialog, {"messages", "1", STRANGER, "300"}, "number"},
	{&refused, {"messages", "7", NULL, "300"}, "number belongs to another connection"},
	{&refused, {"messages", "7", STRANGER, "300"}, "number belongs to another connection"},
	{&refused, {"messages", "8", NULL, "300"}, "number is not this connection's"},
	{&gone, {"messages", "1", VERIFIER, "100"}, "the connection was removed"},
	{&gone, {"partner_solutions", NULL, NULL, "100"}, "the connection was removed"},
};

static void judges(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *reason = binding_judge(table[i].binding, &table[i].claim);

		if ((reason == NULL) != (table[i].reason == NULL) ||
			(reason != NULL && strncmp(reason, table[i].reason, strlen(table[i].reason)) != 0))
			fail_msg("row %zu: got %s, want %s", i, reason == NULL ? "it belongs" : reason,
				table[i].reason == NULL ? "it belongs" : table[i].reason);
	}
}

/* An app's secret verifies for all its accounts: whom an update is about is another question. */
static void names(void **state)
{
	static const struct {
		struct binding_claim claim;
		bool first, second;
	} claims[] = {
		{{"messages", "1", NULL, "100"}, true, false},
		{{"messages", "2", NULL, "999"}, false, true},
		{{"messages", "3", NULL, "200"}, false, true}, /* the account's webhooks come here */
		{{"account_update", NULL, NULL, "100"}, true, false},
		{{"messages", "3", NULL, "300"}, false, false},
		{{"messages", "", NULL, ""}, false, false},
		{{"messages", NULL, NULL, NULL}, false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
		assert_int_equal(binding_names(&meta.peers[0], &claims[i].claim), claims[i].first);
		assert_int_equal(binding_names(&meta.peers[1], &claims[i].claim), claims[i].second);
		assert_false(binding_names(&dialog.peers[0], &claims[i].claim));
	}
}

/* ------------------------------------------------------------ loading, over a store of four rows */

static const struct {
	const char *connection_id, *waba_id, *fingerprint;
	enum store_slot slot;
} rows[] = {
	{STRANGER, "300", "ffff", STORE_SLOT_CURRENT}, {SIBLING, "200", "aaaa", STORE_SLOT_CURRENT},
	{VERIFIER, "100", "aaaa", STORE_SLOT_CURRENT},
	{VERIFIER, "100", "ffff", STORE_SLOT_PREVIOUS}, /* once shared with the stranger */
};
static enum store_error store_answer;

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	(void)s;
	assert_string_equal(business_id, "shop");
	if (store_answer != STORE_OK)
		return store_answer;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].connection_id, id) == 0) {
			memset(out, 0, sizeof(*out));
			out->provider = STORE_META;
			out->status = STORE_CONNECTION_PENDING;
			memcpy(out->id, id, sizeof(out->id));
			memcpy(out->waba_id, rows[i].waba_id, strlen(rows[i].waba_id) + 1);
			memcpy(out->phone_number_id, "555", 4);
			return STORE_OK;
		}
	return STORE_NOT_FOUND;
}

enum store_error store_credential_list(struct store *s, const char *business_id, const char *field,
	bool (*each)(const struct store_credential *c, void *arg), void *arg)
{
	(void)s;
	assert_string_equal(business_id, "shop");
	assert_string_equal(field, "app_secret");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_credential c = {.slot = rows[i].slot};

		memcpy(c.connection_id, rows[i].connection_id, sizeof(c.connection_id));
		memcpy(c.fingerprint, rows[i].fingerprint, strlen(rows[i].fingerprint) + 1);
		if (!each(&c, arg))
			break;
	}
	return STORE_OK;
}

static void loads_those_with_the_same_secret(void **state)
{
	struct binding b;

	(void)state;
	store_answer = STORE_OK;
	assert_int_equal(binding_load(NULL, "shop", VERIFIER, &b), STORE_OK);
	assert_int_equal(b.peers_len, 2);
	assert_string_equal(b.peers[0].connection_id, VERIFIER);
	assert_string_equal(b.peers[0].waba_id, "100");
	assert_string_equal(b.peers[1].connection_id, SIBLING);
	assert_string_equal(b.peers[1].waba_id, "200");
	assert_int_equal(b.provider, STORE_META);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(b.peers[i].status, STORE_CONNECTION_PENDING);
		assert_string_equal(b.peers[i].number, "555");
	}
	assert_string_equal(b.taken, "");

	assert_int_equal(binding_load(NULL, "shop", STRANGER, &b), STORE_OK);
	assert_int_equal(b.peers_len, 1);
}

static void a_connection_that_is_gone_owns_nothing(void **state)
{
	struct binding b = {.peers_len = 9};

	(void)state;
	store_answer = STORE_OK;
	assert_int_equal(binding_load(NULL, "shop", "01DDDDDDDDDDDDDDDDDDDDDDDD", &b), STORE_OK);
	assert_int_equal(b.peers_len, 0);
	store_answer = STORE_BUSY;
	assert_int_equal(binding_load(NULL, "shop", VERIFIER, &b), STORE_BUSY);
}

/* ------------------------------------------------------------ learning a number */

static char set_as[64]; /* connection, number, account */

enum store_error store_connection_number_set(struct store *s, const char *business_id, const char *id,
	const char *phone_number_id, const char *waba_id, bool proven)
{
	(void)proven;
	(void)s;
	assert_string_equal(business_id, "shop");
	(void)snprintf(set_as, sizeof(set_as), "%.2s %s %s", id, phone_number_id, waba_id);
	return store_answer;
}

static void learns_a_number(void **state)
{
	static const struct {
		enum store_error store, err;
		const char *account, *set, *number, *taken;
	} answers[] = {
		{STORE_OK, STORE_OK, "300", "01 7 300", "7", ""},
		{STORE_OK, STORE_OK, "some_external_id", "01 7 ", "7", ""},
		{STORE_OK, STORE_OK, NULL, "01 7 ", "7", ""},
		{STORE_NUMBER_TAKEN, STORE_OK, "300", "01 7 300", "", "7"},
		{STORE_STALE, STORE_OK, "300", "01 7 300", "", ""},
		{STORE_NOT_FOUND, STORE_OK, "300", "01 7 300", "", ""},
		{STORE_BUSY, STORE_BUSY, "300", "01 7 300", "", ""},
		{STORE_FAILED, STORE_FAILED, "300", "01 7 300", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct binding b = dialog;

		store_answer = answers[i].store;
		assert_int_equal(binding_learn(NULL, "shop", &b, "7", answers[i].account), answers[i].err);
		assert_string_equal(set_as, answers[i].set);
		assert_string_equal(b.peers[0].number, answers[i].number);
		assert_string_equal(b.taken, answers[i].taken);
	}
}

static void what_is_a_number(void **state)
{
	(void)state;
	assert_true(binding_is_number("7"));
	assert_true(binding_is_number("20000000000000000000000000000009"));
	assert_false(binding_is_number("200000000000000000000000000000009"));
	assert_false(binding_is_number("some_valid_id"));
	assert_false(binding_is_number("+7"));
	assert_false(binding_is_number(""));
	assert_false(binding_is_number(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judges),
		cmocka_unit_test(names),
		cmocka_unit_test(loads_those_with_the_same_secret),
		cmocka_unit_test(a_connection_that_is_gone_owns_nothing),
		cmocka_unit_test(learns_a_number),
		cmocka_unit_test(what_is_a_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
