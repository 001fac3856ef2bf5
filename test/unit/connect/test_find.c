/*
 * Ids that a shop leaves out are found where Meta leaves no doubt, and what it typed in the wrong place is told. Nothing
 * is stored where something was not found.
 */
#include "test/unit/connect/shop.h"

#include <stdio.h>
#include <string.h>

#define SCOPES ",\"scopes\":[\"whatsapp_business_management\",\"whatsapp_business_messaging\"]"
#define TOKEN(targets)                                                                                                 \
	"{\"data\":{\"app_id\":\"1001\",\"is_valid\":true" SCOPES ",\"granular_scopes\":["                             \
	"{\"scope\":\"whatsapp_business_management\",\"target_ids\":[" targets "]},"                                   \
	"{\"scope\":\"whatsapp_business_messaging\",\"target_ids\":[" targets "]},"                                    \
	"{\"scope\":\"business_management\",\"target_ids\":[\"9\"]}]}}"
#define NUMBER(id, phone) "{\"id\":\"" id "\",\"display_phone_number\":\"" phone "\",\"verified_name\":\"Shop " id "\"}"
#define LIST(numbers) "{\"data\":[" numbers "]}"
#define OURS NUMBER("3003", "+234 801 234 5678")
#define PROOF "Invalid appsecret_proof provided in the API argument"

static const struct values nothing = {"1001", NULL, NULL, APP_SECRET, ACCESS_TOKEN};
static const struct values account = {"1001", "2002", NULL, APP_SECRET, ACCESS_TOKEN};
static const struct values number = {"1001", NULL, "3003", APP_SECRET, ACCESS_TOKEN};

static void answer(const char *token, const char *list)
{
	fake_reset();
	fake_debug_token(&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = token});
	fake_answer(OUTBOUND_META_WABA_NUMBERS, &(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = list});
}

static void what_is_left_out_is_found(void **state)
{
	const struct values *cases[] = {&nothing, &account, &number};
	struct store_connection out, read;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		answer(TOKEN("\"2002\",7,\"x\""), LIST(OURS));
		assert_int_equal(add(&with_sender, cases[i], true, &out, &report), CONNECT_OK);
		assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
		assert_int_equal(store_connection_get(shop_store(), "shop", out.id, &read), STORE_OK);
		assert_string_equal(read.waba_id, "2002");
		assert_string_equal(read.phone_number_id, "3003");
		assert_int_equal(report.checks_len, 8);
		assert_int_equal(report.choices_len, 0);
		assert_int_equal(fake_asked(OUTBOUND_META_WABA_NUMBERS), 1);
		removed(out.id);
	}
	/* nobody is asked: nothing can be left out */
	assert_int_equal(add(&with_sender, &number, false, &out, &report), CONNECT_INVALID);
	assert_string_equal(report.field, "waba_id");
	assert_int_equal(add(&without_sender, &account, true, &out, &report), CONNECT_INVALID);
	assert_string_equal(report.field, "phone_number_id");
}

static void one_of_several_numbers_is_chosen(void **state)
{
	char list[4000] = "{\"data\":[{\"id\":\"x\"},5,";
	struct store_connection out;
	struct connect_report report;

	(void)state;
	answer(TOKEN("\"2002\""),
		LIST(OURS ",{\"verified_name\":\"no id\"}," NUMBER("3004", "+1 555\\u0007 0100") ",{\"id\":\"3005\"}"));
	assert_int_equal(add(&with_sender, &nothing, true, &out, &report), CONNECT_CHOICE);
	assert_string_equal(report.field, "phone_number_id");
	assert_int_equal(report.choices_len, 3);
	assert_string_equal(report.choices[0].id, "3003");
	assert_string_equal(report.choices[0].verified_name, "Shop 3003");
	assert_string_equal(report.choices[1].display_phone, "+1 555 0100");
	assert_string_equal(report.choices[2].id, "3005");
	assert_string_equal(report.choices[2].display_phone, "");
	assert_int_equal(result_of(&report, "waba"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_WAITING);
	assert_int_equal(fake_asked(OUTBOUND_META_NUMBER), 0);
	assert_int_equal(stored(), 0);
	for (unsigned i = 0; i < 30; i++)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s{\"id\":\"%u\"}", i > 0 ? "," : "",
			4000 + i);
	(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "]}");
	answer(TOKEN("\"2002\""), list);
	assert_int_equal(add(&with_sender, &account, true, &out, &report), CONNECT_CHOICE);
	assert_int_equal(report.choices_len, CONNECT_CHOICES_MAX);
	assert_int_equal(stored(), 0);
}

struct unfound {
	const char *name;
	const struct values *values;
	const char *token, *list; /* NULL: as the next say */
	struct fake_says debug, numbers;
	enum connect_error err;
	const char *field, *says;
};

static const struct unfound unfounds[] = {
	{"several accounts", &nothing, TOKEN("\"2002\",\"2003\""), LIST(OURS), {0}, {0}, CONNECT_INVALID, "waba_id",
		"WhatsApp > API setup"},
	{"no account", &nothing, TOKEN(""), LIST(OURS), {0}, {0}, CONNECT_INVALID, "waba_id", "API setup"},
	{"no JSON", &nothing, "<html>", LIST(OURS), {0}, {0}, CONNECT_INVALID, "waba_id", "API setup"},
	{"debug_token silent", &nothing, NULL, LIST(OURS), {.class = OUTBOUND_NOT_SENT}, {0}, CONNECT_UNAVAILABLE,
		"waba_id", "later"},
	{"another app's token", &nothing, NULL, LIST(OURS), {.class = OUTBOUND_MESSAGE, .code = 100}, {0},
		CONNECT_INVALID, "access_token", "same app"},
	{"secret refused", &nothing, NULL, LIST(OURS), {.class = OUTBOUND_AUTH, .code = 190}, {0},
		CONNECT_CREDENTIAL_REFUSED, "app_secret", "app_secret"},
	{"no number", &nothing, TOKEN("\"2002\""), LIST(""), {0}, {0}, CONNECT_INVALID, "phone_number_id",
		"WhatsApp Manager"},
	{"no list", &nothing, TOKEN("\"2002\""), "{}", {0}, {0}, CONNECT_INVALID, "phone_number_id", "no number"},
	{"list silent", &account, TOKEN("\"2002\""), NULL, {0}, {.class = OUTBOUND_OUTCOME_UNKNOWN},
		CONNECT_UNAVAILABLE, "phone_number_id", "later"},
	{"list refused", &account, TOKEN("\"2002\""), NULL, {0}, {.class = OUTBOUND_AUTH, .code = 100, .subcode = 33},
		CONNECT_INVALID, "waba_id", "no such"},
	{"list refuses the token", &account, TOKEN("\"2002\""), NULL, {0}, {.class = OUTBOUND_AUTH, .code = 190},
		CONNECT_CREDENTIAL_REFUSED, "access_token", "refuses"},
	{"list refuses the proof", &account, TOKEN("\"2002\""), NULL, {0},
		{.class = OUTBOUND_MESSAGE, .code = 100, .reason = PROOF}, CONNECT_INVALID, "app_secret", "same app"},
};

static void what_is_not_found_is_asked_for(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(unfounds) / sizeof(unfounds[0]); i++) {
		const struct unfound *u = &unfounds[i];
		struct store_connection out;
		struct connect_report report;
		enum connect_error err;

		answer(u->token, u->list);
		if (u->token == NULL)
			fake_debug_token(&u->debug);
		if (u->list == NULL)
			fake_answer(OUTBOUND_META_WABA_NUMBERS, &u->numbers);
		err = add(&with_sender, u->values, true, &out, &report);
		if (err != u->err || strcmp(report.field, u->field) != 0 || strstr(report.detail, u->says) == NULL)
			fail_msg("%s: error %d, %s: %s", u->name, (int)err, report.field, report.detail);
		assert_int_equal(stored(), 0);
		assert_int_equal(report.checks_len, 5);
		assert_int_equal(fake_asked(OUTBOUND_META_NUMBER), 0);
	}
}

/* ------------------------------------------------------------ what was mixed up */

struct mixed {
	const char *name;
	struct values values;
	const char *list; /* NULL: refused, the account is not there */
	struct fake_says number; /* class 0: all well */
	const char *at;
	enum connect_check_result result;
	const char *says;
};

#define MISSING                                                                                                        \
	{                                                                                                              \
		.class = OUTBOUND_AUTH, .code = 100, .subcode = 33                                                     \
	}
#define OTHER NUMBER("3009", "+1 555 0100")

static const struct mixed mixes[] = {
	{"another account's number", {"1001", "2002", "3003", APP_SECRET, ACCESS_TOKEN}, LIST(OTHER), {0}, "number",
		CONNECT_CHECK_FAILED, "compare both ids"},
	{"an account's id as number", {"1001", "2002", "2009", APP_SECRET, ACCESS_TOKEN}, LIST(OTHER), MISSING,
		"number", CONNECT_CHECK_FAILED, "WhatsApp Business Account"},
	{"the phone number as its id", {"1001", "2002", "15550100", APP_SECRET, ACCESS_TOKEN}, LIST(OTHER), MISSING,
		"number", CONNECT_CHECK_FAILED, "is 3009"},
	{"the app id as number", {"1001", "2002", "1001", APP_SECRET, ACCESS_TOKEN}, LIST(OTHER), MISSING, "number",
		CONNECT_CHECK_FAILED, "app id"},
	{"swapped", {"1001", "3003", "2002", APP_SECRET, ACCESS_TOKEN}, NULL, MISSING, "waba", CONNECT_CHECK_FAILED,
		"swapped"},
	{"no such account", {"1001", "2010", "3003", APP_SECRET, ACCESS_TOKEN}, NULL, {0}, "waba", CONNECT_CHECK_FAILED,
		"no such"},
	{"the account is not shown, but covered", {"1001", "2002", "3003", APP_SECRET, ACCESS_TOKEN}, NULL, {0}, "waba",
		CONNECT_CHECK_OK, ""},
	{"the number may be where nobody looked", {"1001", "2002", "3003", APP_SECRET, ACCESS_TOKEN}, NULL, {0},
		"number", CONNECT_CHECK_OK, ""},
	{"no such number", {"1001", "2002", "3008", APP_SECRET, ACCESS_TOKEN}, NULL, MISSING, "number",
		CONNECT_CHECK_FAILED, "system user"},
	{"all well", {"1001", "2002", "3003", APP_SECRET, ACCESS_TOKEN}, LIST(OTHER "," OURS), {0}, "number",
		CONNECT_CHECK_OK, ""},
};

static void what_was_mixed_up_is_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mixes) / sizeof(mixes[0]); i++) {
		const struct mixed *m = &mixes[i];
		struct store_connection out;
		struct connect_report report;

		answer(TOKEN("\"2002\",\"2009\""), m->list);
		if (m->list == NULL)
			fake_answer(OUTBOUND_META_WABA_NUMBERS, &(struct fake_says)MISSING);
		if (m->number.class != 0)
			fake_number(&m->number);
		assert_int_equal(add(&with_sender, &m->values, true, &out, &report), CONNECT_OK);
		if (result_of(&report, m->at) != m->result || strstr(detail_of(&report, m->at), m->says) == NULL)
			fail_msg("%s: %d %s", m->name, (int)result_of(&report, m->at), detail_of(&report, m->at));
		assert_int_equal(
			out.status == STORE_CONNECTION_ACTIVE, m->result == CONNECT_CHECK_OK && out.waba_id[0] != '\0');
		removed(out.id);
	}
}

/* A long list says nothing of a number that is not on its first page. */
static void a_long_list_proves_nothing(void **state)
{
	char list[4000] = "{\"data\":[";
	struct store_connection out;
	struct connect_report report;

	(void)state;
	for (unsigned i = 0; i < 50; i++)
		(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "%s{\"id\":\"%u\"}", i > 0 ? "," : "",
			4000 + i);
	(void)snprintf(list + strlen(list), sizeof(list) - strlen(list), "]}");
	answer(TOKEN("\"2002\""), list);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_OK);
	removed(out.id);
}

/* ------------------------------------------------------------ the proof */

static void a_refused_proof_is_about_the_app_secret(void **state)
{
	static const struct fake_says refused = {.class = OUTBOUND_MESSAGE, .code = 100, .reason = PROOF};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	/* debug_token says that the secret is app_id's: then the token is another app's */
	fake_reset();
	fake_number(&refused);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "app_secret"), CONNECT_CHECK_FAILED);
	assert_non_null(strstr(detail_of(&report, "app_secret"), "same app"));
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_WAITING);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	assert_int_equal(fake_asked(OUTBOUND_META_NUMBER_SHORT), 0);
	removed(out.id);
	/* it says nothing: then it is the secret */
	fake_debug_token(&(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_CREDENTIAL_REFUSED);
	assert_string_equal(report.field, "app_secret");
	assert_int_equal(result_of(&report, "app_secret"), CONNECT_CHECK_FAILED);
	assert_int_equal(stored(), 0);
	/* another parameter is no proof */
	fake_reset();
	fake_number(&(struct fake_says){.class = OUTBOUND_MESSAGE, .code = 100, .reason = "Invalid parameter"});
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "app_secret"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_FAILED);
	removed(out.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_left_out_is_found),
		cmocka_unit_test(one_of_several_numbers_is_chosen),
		cmocka_unit_test(what_is_not_found_is_asked_for),
		cmocka_unit_test(what_was_mixed_up_is_told),
		cmocka_unit_test(a_long_list_proves_nothing),
		cmocka_unit_test(a_refused_proof_is_about_the_app_secret),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
