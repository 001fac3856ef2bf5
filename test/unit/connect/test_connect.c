/*
 * Connecting: what the provider's answers make of a connection, with a real store and
 * vault and a sender that says what each case tells it to.
 */
#include "test/unit/connect/shop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ asking */

static enum connect_error rotate(const char *id, const char *field, const char *value, struct store_connection *out,
	struct connect_report *report)
{
	struct secret *secret = secret_new(value, strlen(value));
	enum connect_error err = connect_rotate(&with_sender, "shop", id, field, secret, false, out, report);

	secret_free(secret);
	return err;
}

/* ------------------------------------------------------------ the form */

static void values_have_a_form(void **state)
{
	static const struct {
		struct values values;
		const char *field;
	} cases[] = {
		{{NULL, "2", "3", APP_SECRET, ACCESS_TOKEN}, "app_id"},
		{{"", "2", "3", APP_SECRET, ACCESS_TOKEN}, "app_id"},
		{{"1a", "2", "3", APP_SECRET, ACCESS_TOKEN}, "app_id"},
		{{"123456789012345678901234567890123", "2", "3", APP_SECRET, ACCESS_TOKEN}, "app_id"},
		{{"1", "2 ", "3", APP_SECRET, ACCESS_TOKEN}, "waba_id"},
		{{"1", "2", "+3", APP_SECRET, ACCESS_TOKEN}, "phone_number_id"},
		{{"1", "2", "2", APP_SECRET, ACCESS_TOKEN}, "phone_number_id"},
		{{"1", "2", "3", NULL, ACCESS_TOKEN}, "app_secret"},
		{{"1", "2", "3", "1234567", ACCESS_TOKEN}, "app_secret"},
		{{"1", "2", "3", "12345678\x7f", ACCESS_TOKEN}, "app_secret"},
		{{"1", "2", "3", "1234\n5678", ACCESS_TOKEN}, "app_secret"},
		{{"1", "2", "3", APP_SECRET, NULL}, "access_token"},
		{{"1", "2", "3", APP_SECRET, "EAA4567890123456789"}, "access_token"},
		{{"1", "2", "3", APP_SECRET, "Bearer EAA45678901234567890"}, "access_token"},
		{{"1", "2", "3", APP_SECRET,
			 "EAA\xc3\xa9"
			 "5678901234567890"},
			"access_token"},
		{{"1", "2", "3", ACCESS_TOKEN, APP_SECRET}, "access_token"},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(add(&with_sender, &cases[i].values, true, &out, &report), CONNECT_INVALID);
		assert_string_equal(report.field, cases[i].field);
		assert_true(strlen(report.detail) > 0);
	}
	assert_non_null(strstr(report.detail, "swapped"));
	assert_int_equal(fake_checks(), 0);
	assert_int_equal(stored(), 0);
	assert_int_equal(add(&without_sender, &(struct values){"1", "2", "3", "12345678", "12345678901234567890"},
				 false, &out, &report),
		CONNECT_OK);
	removed(out.id);
}

/* ------------------------------------------------------------ the checks */

static void without_a_sender_or_verify_it_is_pending(void **state)
{
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(add(&without_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	assert_int_equal(result_of(&report, "token"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_WAITING);
	removed(out.id);
	assert_int_equal(add(&with_sender, &good, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	assert_int_equal(fake_checks(), 0);
	assert_int_equal(strlen(out.verify_token), 34);
	assert_memory_equal(out.verify_token, "kh", 2);
	removed(out.id);
}

#define TOKEN(members) "{\"data\":{\"app_id\":\"1001\",\"is_valid\":true" members "}}"
#define SCOPES ",\"scopes\":[\"whatsapp_business_management\",\"whatsapp_business_messaging\"]"

struct outcome {
	const char *name;
	struct fake_says debug_token, number; /* class 0: all well */
	enum connect_error err;
	enum store_connection_status status; /* with CONNECT_OK */
	const char *at; /* a check's name and result, or the field with REFUSED */
	enum connect_check_result result;
};

static const struct outcome outcomes[] = {
	{"all well", {0}, {0}, CONNECT_OK, STORE_CONNECTION_ACTIVE, "waba", CONNECT_CHECK_OK},
	{"no accounts listed",
		{.class = OUTBOUND_ACCEPTED,
			.fields = TOKEN(SCOPES ",\"granular_scopes\":[{\"scope\":"
					       "\"whatsapp_business_messaging\"}]")},
		{0}, CONNECT_OK, STORE_CONNECTION_ACTIVE, "waba", CONNECT_CHECK_SKIPPED},
	{"another account",
		{.class = OUTBOUND_ACCEPTED,
			.fields = TOKEN(SCOPES ",\"granular_scopes\":[{\"scope\":"
					       "\"whatsapp_business_messaging\",\"target_ids\":[\"20022\",\"200\"]}]")},
		{0}, CONNECT_OK, STORE_CONNECTION_PENDING, "waba", CONNECT_CHECK_FAILED},
	{"odd accounts",
		{.class = OUTBOUND_ACCEPTED,
			.fields = TOKEN(SCOPES ",\"granular_scopes\":[5,{\"scope\":7},"
					       "{\"scope\":\"whatsapp_business_messaging\",\"target_ids\":\"2002\"}]")},
		{0}, CONNECT_OK, STORE_CONNECTION_ACTIVE, "waba", CONNECT_CHECK_SKIPPED},
	{"one scope", {.class = OUTBOUND_ACCEPTED, .fields = TOKEN(",\"scopes\":[\"whatsapp_business_messaging\",1]")},
		{0}, CONNECT_OK, STORE_CONNECTION_PENDING, "permissions", CONNECT_CHECK_FAILED},
	{"no scopes", {.class = OUTBOUND_ACCEPTED, .fields = TOKEN("")}, {0}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"permissions", CONNECT_CHECK_WAITING},
	{"expired", {.class = OUTBOUND_ACCEPTED, .fields = TOKEN(SCOPES ",\"expires_at\":1600000000")}, {0}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "token", CONNECT_CHECK_FAILED},
	{"expires later", {.class = OUTBOUND_ACCEPTED, .fields = TOKEN(SCOPES ",\"expires_at\":4102444800")}, {0},
		CONNECT_OK, STORE_CONNECTION_ACTIVE, "token", CONNECT_CHECK_OK},
	{"another app",
		{.class = OUTBOUND_ACCEPTED, .fields = "{\"data\":{\"app_id\":\"1002\",\"is_valid\":true" SCOPES "}}"},
		{0}, CONNECT_OK, STORE_CONNECTION_PENDING, "token", CONNECT_CHECK_FAILED},
	{"another app, told by an error", {.class = OUTBOUND_MESSAGE, .code = 100}, {0}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "token", CONNECT_CHECK_FAILED},
	{"is_valid no bool", {.class = OUTBOUND_ACCEPTED, .fields = "{\"data\":{\"is_valid\":\"false\"}}"}, {0},
		CONNECT_OK, STORE_CONNECTION_PENDING, "token", CONNECT_CHECK_WAITING},
	{"no fields", {.class = OUTBOUND_ACCEPTED}, {.class = OUTBOUND_ACCEPTED}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"number", CONNECT_CHECK_WAITING},
	{"fields no JSON", {.class = OUTBOUND_ACCEPTED, .fields = "<html>"},
		{.class = OUTBOUND_ACCEPTED, .fields = "["}, CONNECT_OK, STORE_CONNECTION_PENDING, "number",
		CONNECT_CHECK_WAITING},
	{"not valid", {.class = OUTBOUND_ACCEPTED, .fields = "{\"data\":{\"is_valid\":false}}"}, {0},
		CONNECT_CREDENTIAL_REFUSED, 0, "access_token", 0},
	{"token refused by the number", {0}, {.class = OUTBOUND_AUTH, .code = 190}, CONNECT_CREDENTIAL_REFUSED, 0,
		"access_token", 0},
	{"both refuse", {.class = OUTBOUND_AUTH, .code = 190}, {.class = OUTBOUND_AUTH, .code = 190},
		CONNECT_CREDENTIAL_REFUSED, 0, "access_token", 0},
	{"app secret refused", {.class = OUTBOUND_AUTH, .code = 190}, {0}, CONNECT_CREDENTIAL_REFUSED, 0, "app_secret",
		0},
	{"app unknown", {.class = OUTBOUND_MESSAGE, .code = 101}, {0}, CONNECT_CREDENTIAL_REFUSED, 0, "app_secret", 0},
	{"secret named", {.class = OUTBOUND_RETRYABLE, .code = 1, .reason = "Error validating client secret."}, {0},
		CONNECT_CREDENTIAL_REFUSED, 0, "app_secret", 0},
	{"code 1 of another kind", {.class = OUTBOUND_RETRYABLE, .code = 1, .reason = "An unknown error occurred"}, {0},
		CONNECT_OK, STORE_CONNECTION_PENDING, "app_secret", CONNECT_CHECK_WAITING},
	{"debug_token silent", {.err = OUTBOUND_TIMEOUT, .class = OUTBOUND_ACCEPTED}, {0}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "token", CONNECT_CHECK_WAITING},
	{"sender gone", {.err = OUTBOUND_GONE, .class = OUTBOUND_AUTH, .code = 190},
		{.err = OUTBOUND_GONE, .class = OUTBOUND_AUTH, .code = 190}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"number", CONNECT_CHECK_WAITING},
	{"not reached", {.class = OUTBOUND_NOT_SENT, .code = 190}, {.class = OUTBOUND_NOT_SENT, .code = 190},
		CONNECT_OK, STORE_CONNECTION_PENDING, "app_secret", CONNECT_CHECK_WAITING},
	{"number silent", {0}, {.class = OUTBOUND_OUTCOME_UNKNOWN}, CONNECT_OK, STORE_CONNECTION_PENDING, "number",
		CONNECT_CHECK_WAITING},
	{"number throttled", {0}, {.class = OUTBOUND_RATE_LIMITED, .code = 4}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"number", CONNECT_CHECK_WAITING},
	{"number not this token's", {0}, {.class = OUTBOUND_AUTH, .code = 100, .subcode = 33}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "number", CONNECT_CHECK_FAILED},
	{"no such number", {0}, {.class = OUTBOUND_MESSAGE, .code = 100}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"number", CONNECT_CHECK_FAILED},
	{"another number answers", {0}, {.class = OUTBOUND_ACCEPTED, .fields = "{\"id\":\"3004\"}"}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "number", CONNECT_CHECK_FAILED},
	{"account locked", {0}, {.class = OUTBOUND_ACCOUNT, .code = 131031}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"number", CONNECT_CHECK_FAILED},
	{"credential does not open", {.class = OUTBOUND_NO_CREDENTIAL}, {.class = OUTBOUND_NO_CREDENTIAL}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "token", CONNECT_CHECK_WAITING},
};

static void script(const struct outcome *o)
{
	fake_reset();
	if (o->debug_token.class != 0)
		fake_debug_token(&o->debug_token);
	if (o->number.class != 0)
		fake_number(&o->number);
}

static void the_providers_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		const struct outcome *o = &outcomes[i];
		struct store_connection out, read;
		struct connect_report report;
		enum connect_error err;

		script(o);
		err = add(&with_sender, &good, true, &out, &report);
		if (err != o->err)
			fail_msg("%s: error %d", o->name, (int)err);
		assert_int_equal(fake_asked(OUTBOUND_META_DEBUG_TOKEN), 1);
		assert_int_equal(fake_asked(OUTBOUND_META_NUMBER), 1);
		if (err != CONNECT_OK) {
			assert_string_equal(report.field, o->at);
			assert_int_equal(stored(), 0);
			continue;
		}
		if (out.status != o->status || result_of(&report, o->at) != o->result)
			fail_msg("%s: status %d, %s %d", o->name, (int)out.status, o->at,
				(int)result_of(&report, o->at));
		assert_int_equal(report.checks_len, 8);
		for (size_t n = 0; n < report.checks_len; n++)
			assert_true(report.checks[n].detail[0] != '\0');
		assert_int_equal(
			store_connection_get(tenants_store(house_tenants(house)), "shop", out.id, &read), STORE_OK);
		assert_int_equal(read.status, o->status);
		removed(out.id);
	}
}

/* A field that the token may not read must not cost the others. */
static void a_refused_field_costs_no_connection(void **state)
{
	static const struct fake_says refusals[] = {
		{.class = OUTBOUND_AUTH, .code = 10}, {.class = OUTBOUND_MESSAGE, .code = 100}};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		fake_reset();
		fake_answer(OUTBOUND_META_NUMBER, &refusals[i]);
		assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
		assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_OK);
		assert_int_equal(fake_asked(OUTBOUND_META_NUMBER_SHORT), 1);
		removed(out.id);
	}
	/* no such number at all, or no answer: the short list would say the same */
	fake_reset();
	fake_answer(OUTBOUND_META_NUMBER, &(struct fake_says){.class = OUTBOUND_AUTH, .code = 100, .subcode = 33});
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	removed(out.id);
	fake_answer(OUTBOUND_META_NUMBER, &(struct fake_says){.class = OUTBOUND_NOT_SENT, .code = 100});
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	removed(out.id);
	assert_int_equal(fake_asked(OUTBOUND_META_NUMBER_SHORT), 0);
}

static void what_the_provider_shows_is_kept(void **state)
{
	char fields[600], name[300];
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_string_equal(out.display_phone, "+234 801 234 5678");
	assert_string_equal(out.verified_name, "Paul's Electronics");
	removed(out.id);
	/* too long, cut between characters; control characters left out */
	memset(name, 'n', 199);
	(void)snprintf(name + 199, sizeof(name) - 199, "\xc3\xa9\xc3\xa9");
	(void)snprintf(fields, sizeof(fields), "{\"id\":\"3003\",\"verified_name\":\"\\u0001%s\"}", name);
	fake_number(&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = fields});
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(strlen(out.verified_name), 199);
	assert_string_equal(out.display_phone, "");
	removed(out.id);
}

/* ------------------------------------------------------------ tests and rotations */

static void a_test_moves_the_status(void **state)
{
	static const struct {
		enum store_connection_status from;
		struct fake_says number; /* class 0: all well */
		enum store_connection_status to;
	} moves[] = {
		{STORE_CONNECTION_PENDING, {0}, STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {.class = OUTBOUND_OUTCOME_UNKNOWN}, STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {.class = OUTBOUND_AUTH, .code = 190}, STORE_CONNECTION_KEY_REFUSED},
		{STORE_CONNECTION_KEY_REFUSED, {.class = OUTBOUND_OUTCOME_UNKNOWN}, STORE_CONNECTION_KEY_REFUSED},
		{STORE_CONNECTION_KEY_REFUSED, {0}, STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_BLOCKED, {0}, STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_SUSPENDED, {0}, STORE_CONNECTION_SUSPENDED},
		{STORE_CONNECTION_SUSPENDED, {.class = OUTBOUND_AUTH, .code = 190}, STORE_CONNECTION_SUSPENDED},
		{STORE_CONNECTION_WEBHOOK_TAKEN, {0}, STORE_CONNECTION_WEBHOOK_TAKEN},
	};
	struct store *store = tenants_store(house_tenants(house));
	struct store_connection out;
	struct connect_report report;

	(void)state;
	assert_int_equal(add(&without_sender, &good, false, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		assert_int_equal(store_connection_status_set(store, "shop", out.id, 0, moves[i].from), STORE_OK);
		script(&(struct outcome){.number = moves[i].number});
		assert_int_equal(connect_test(&with_sender, "shop", out.id, &out, &report), CONNECT_OK);
		assert_int_equal(out.status, moves[i].to);
	}
	assert_string_equal(out.verified_name, "Paul's Electronics");
	assert_int_equal(connect_test(&without_sender, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(
		connect_test(&with_sender, "shop", "01ARZ3NDEKTSV4RRFFQ69G5FAV", &out, &report), CONNECT_NOT_FOUND);
	assert_int_equal(connect_test(&with_sender, "rival", out.id, &out, &report), CONNECT_NOT_FOUND);
	removed(out.id);
}

static void a_new_key_replaces_the_old(void **state)
{
	struct store *store = tenants_store(house_tenants(house));
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(rotate(out.id, "access_token", OTHER_TOKEN, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("access_token"), 2);
	assert_int_equal(version_of("app_secret"), 1);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	/* refused: the old one stays */
	fake_number(&(struct fake_says){.class = OUTBOUND_AUTH, .code = 190});
	assert_int_equal(rotate(out.id, "access_token", ACCESS_TOKEN, &out, &report), CONNECT_CREDENTIAL_REFUSED);
	assert_string_equal(report.field, "access_token");
	assert_int_equal(version_of("access_token"), 2);
	/* a dead token does not keep the app secret from being replaced */
	assert_int_equal(rotate(out.id, "app_secret", OTHER_SECRET, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("app_secret"), 2);
	assert_int_equal(out.status, STORE_CONNECTION_KEY_REFUSED);
	/* the provider is silent: stored, and what was refused is merely unproven now */
	fake_number(&(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(rotate(out.id, "access_token", ACCESS_TOKEN, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("access_token"), 3);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	/* a wrong app secret is refused, and does not keep the token from being replaced */
	fake_reset();
	fake_debug_token(&(struct fake_says){.class = OUTBOUND_AUTH, .code = 190});
	assert_int_equal(rotate(out.id, "app_secret", APP_SECRET, &out, &report), CONNECT_CREDENTIAL_REFUSED);
	assert_string_equal(report.field, "app_secret");
	assert_int_equal(rotate(out.id, "access_token", OTHER_TOKEN, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("access_token"), 4);

	assert_int_equal(rotate(out.id, "api_key", OTHER_TOKEN, &out, &report), CONNECT_INVALID);
	assert_int_equal(rotate(out.id, "access_token", "short", &out, &report), CONNECT_INVALID);
	assert_int_equal(
		rotate("01ARZ3NDEKTSV4RRFFQ69G5FAV", "access_token", OTHER_TOKEN, &out, &report), CONNECT_NOT_FOUND);
	assert_int_equal(store_connection_status_set(store, "shop", out.id, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	fake_reset();
	assert_int_equal(rotate(out.id, "app_secret", APP_SECRET, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_SUSPENDED);
	removed(out.id);
}

static void nobody_there(void **state)
{
	struct store_connection out;
	struct connect_report report;
	struct secret *secret = secret_new(APP_SECRET, strlen(APP_SECRET));
	struct secret *token = secret_new(ACCESS_TOKEN, strlen(ACCESS_TOKEN));
	const struct connect_meta in = {.business_id = "nobody",
		.app_id = "1",
		.waba_id = "2",
		.phone_number_id = "3",
		.app_secret = secret,
		.access_token = token};

	(void)state;
	assert_int_equal(connect_meta_add(&without_sender, &in, &out, &report), CONNECT_NOT_FOUND);
	assert_int_equal(add(&without_sender, &good, false, &out, &report), CONNECT_OK);
	assert_int_equal(add(&without_sender, &good, false, &out, &report), CONNECT_NUMBER_TAKEN);
	removed(out.id);
	secret_free(secret);
	secret_free(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_have_a_form),
		cmocka_unit_test(without_a_sender_or_verify_it_is_pending),
		cmocka_unit_test(the_providers_answers),
		cmocka_unit_test(a_refused_field_costs_no_connection),
		cmocka_unit_test(what_the_provider_shows_is_kept),
		cmocka_unit_test(a_test_moves_the_status),
		cmocka_unit_test(a_new_key_replaces_the_old),
		cmocka_unit_test(nobody_there),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
