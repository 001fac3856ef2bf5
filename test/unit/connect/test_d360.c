/*
 * Connecting with 360dialog: what its answers make of a connection, and whose webhook
 * and number are taken.
 */
#include "test/unit/connect/shop.h"

#include <string.h>

static void connected(void **state)
{
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	struct store_connection out, read;
	struct connect_report report;
	struct keys with_platform = {.platform_secret = PLATFORM_SECRET};
	size_t len;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &with_platform, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	assert_string_equal(out.phone_number_id, "3003");
	assert_string_equal(out.waba_id, "2002");
	assert_string_equal(out.client_id, "client-7");
	assert_string_equal(out.app_id, "");
	assert_string_equal(out.verified_name, "Paul's Electronics");
	assert_int_equal(report.checks_len, 4);
	assert_int_equal(result_of(&report, "key"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_WAITING);
	/* probed, looked, set, read back */
	assert_int_equal(fake_asked(OUTBOUND_D360_HEALTH), 1);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK), 2);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 1);
	assert_int_equal(store_connection_get(shop_store(), "shop", out.id, &read), STORE_OK);
	assert_int_equal(read.status, STORE_CONNECTION_ACTIVE);
	assert_string_equal(read.client_id, "client-7");
	assert_string_equal(read.phone_number_id, "3003");
	/* the value that was shown is the one webhooks are known by */
	assert_int_equal(tenant_verifiers(house_tenants(house), "shop", verifiers, &len), TENANT_OK);
	assert_int_equal(len, 2);
	assert_int_equal(verifiers[0].proof, TENANT_PROOF_SECRET);
	assert_true(vault_verifier_is_of(&verifiers[0].verifier, shown_secret, strlen(shown_secret)));
	assert_int_equal(verifiers[1].proof, TENANT_PROOF_PLATFORM);
	/* its number is nobody else's */
	fake_owner(OUTBOUND_D360_WEBHOOK, "none");
	assert_int_equal(connect_key(&serving, "rival", &key_plain, &read, &report), CONNECT_NUMBER_TAKEN);
	removed(out.id);
}

struct outcome {
	const char *name;
	struct fake_says health, look, set; /* class 0 and no error: all well */
	enum connect_error err;
	enum store_connection_status status; /* with CONNECT_OK */
	const char *at;
	enum connect_check_result result;
};

static const struct outcome outcomes[] = {
	{"all well", {0}, {0}, {0}, CONNECT_OK, STORE_CONNECTION_ACTIVE, "callback", CONNECT_CHECK_OK},
	{"key refused", {.class = OUTBOUND_AUTH}, {0}, {0}, CONNECT_CREDENTIAL_REFUSED, 0, "api_key", 0},
	{"key refused later", {.err = OUTBOUND_TIMEOUT}, {.class = OUTBOUND_AUTH}, {0}, CONNECT_CREDENTIAL_REFUSED, 0,
		"api_key", 0},
	{"health silent", {.err = OUTBOUND_TIMEOUT}, {0}, {0}, CONNECT_OK, STORE_CONNECTION_PENDING, "number",
		CONNECT_CHECK_WAITING},
	{"throttled", {.class = OUTBOUND_RATE_LIMITED}, {0}, {0}, CONNECT_OK, STORE_CONNECTION_PENDING, "key",
		CONNECT_CHECK_WAITING},
	{"path blocked", {.class = OUTBOUND_MESSAGE, .reason = "URL blocked"}, {0}, {0}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "key", CONNECT_CHECK_WAITING},
	{"account disabled", {.class = OUTBOUND_ACCOUNT, .reason = "WhatsApp Business API has been disabled"}, {0}, {0},
		CONNECT_OK, STORE_CONNECTION_BLOCKED, "key", CONNECT_CHECK_OK},
	{"account unpaid", {.class = OUTBOUND_ACCOUNT}, {0}, {0}, CONNECT_OK, STORE_CONNECTION_BLOCKED, "number",
		CONNECT_CHECK_FAILED},
	{"number blocked", {.class = OUTBOUND_ACCEPTED, .fields = FAKE_HEALTH("3003", "BLOCKED")}, {0}, {0}, CONNECT_OK,
		STORE_CONNECTION_BLOCKED, "number", CONNECT_CHECK_FAILED},
	{"number limited", {.class = OUTBOUND_ACCEPTED, .fields = FAKE_HEALTH("3003", "LIMITED")}, {0}, {0}, CONNECT_OK,
		STORE_CONNECTION_ACTIVE, "number", CONNECT_CHECK_OK},
	{"number in the entities",
		{.class = OUTBOUND_ACCEPTED,
			.fields = "{\"health\":{\"entities\":[5,{\"type\":\"WABA\",\"id\":\"2002\"},"
				  "{\"type\":\"PHONE_NUMBER\",\"id\":\"3003\"}]}}"},
		{0}, {0}, CONNECT_OK, STORE_CONNECTION_ACTIVE, "number", CONNECT_CHECK_OK},
	{"no number", {.class = OUTBOUND_ACCEPTED, .fields = "{\"health\":{\"entities\":{}}}"}, {0}, {0}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "number", CONNECT_CHECK_WAITING},
	{"no JSON", {.class = OUTBOUND_ACCEPTED, .fields = "<html>"}, {0}, {0}, CONNECT_OK, STORE_CONNECTION_PENDING,
		"number", CONNECT_CHECK_WAITING},
	{"nothing at all", {.class = OUTBOUND_ACCEPTED}, {0}, {0}, CONNECT_OK, STORE_CONNECTION_PENDING, "number",
		CONNECT_CHECK_WAITING},
	{"an id that is none", {.class = OUTBOUND_ACCEPTED, .fields = "{\"id\":\"3003; x\"}"}, {0}, {0}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "number", CONNECT_CHECK_WAITING},
	{"an endless id", {.class = OUTBOUND_ACCEPTED, .fields = "{\"id\":\"123456789012345678901234567890123\"}"}, {0},
		{0}, CONNECT_OK, STORE_CONNECTION_PENDING, "number", CONNECT_CHECK_WAITING},
	{"owner not told", {0}, {.err = OUTBOUND_TIMEOUT}, {0}, CONNECT_OK, STORE_CONNECTION_PENDING, "callback",
		CONNECT_CHECK_WAITING},
	{"set refused", {0}, {0}, {.class = OUTBOUND_MESSAGE, .reason = "url is not reachable"}, CONNECT_OK,
		STORE_CONNECTION_PENDING, "callback", CONNECT_CHECK_FAILED},
	{"set silent", {0}, {0}, {.err = OUTBOUND_GONE}, CONNECT_OK, STORE_CONNECTION_PENDING, "callback",
		CONNECT_CHECK_WAITING},
	{"the number is stale by then", {0}, {0}, {.class = OUTBOUND_AUTH}, CONNECT_OK, STORE_CONNECTION_KEY_REFUSED,
		"callback", CONNECT_CHECK_FAILED},
};

static void script(const struct outcome *o)
{
	fake_reset();
	fake_answer(OUTBOUND_D360_HEALTH, &o->health);
	fake_answer(OUTBOUND_D360_WEBHOOK, &o->look);
	fake_answer(OUTBOUND_D360_WEBHOOK_SET, &o->set);
}

static void the_providers_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
		const struct outcome *o = &outcomes[i];
		struct store_connection out;
		struct connect_report report;
		enum connect_error err;

		script(o);
		err = connect_key(&serving, "shop", &key_plain, &out, &report);
		if (err != o->err)
			fail_msg("%s: error %d", o->name, (int)err);
		if (err != CONNECT_OK) {
			assert_string_equal(report.field, o->at);
			assert_int_equal(stored(), 0);
			assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
			continue;
		}
		if (out.status != o->status || result_of(&report, o->at) != o->result)
			fail_msg("%s: status %d, %s", o->name, (int)out.status, detail_of(&report, o->at));
		assert_int_equal(report.checks_len, 4);
		for (size_t n = 0; n < report.checks_len; n++)
			assert_true(report.checks[n].detail[0] != '\0');
		if (o->health.reason != NULL)
			assert_true(strstr(detail_of(&report, "number"), o->health.reason) != NULL ||
				strstr(detail_of(&report, "key"), o->health.reason) != NULL);
		if (o->look.err != OUTBOUND_OK)
			assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
		removed(out.id);
	}
}

static void a_foreign_webhook_is_taken_when_asked_to(void **state)
{
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_WEBHOOK_TAKEN);
	assert_non_null(strstr(report.detail, "https://elsewhere.example"));
	assert_int_equal(stored(), 0);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
	assert_int_equal(connect_key(&serving, "shop", &key_over, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	/* a webhook of this house follows the key */
	fake_reset();
	fake_owner(OUTBOUND_D360_WEBHOOK, "house");
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	/* unseen it is replaced only when asked to */
	fake_reset();
	fake_answer(OUTBOUND_D360_WEBHOOK, &(struct fake_says){.err = OUTBOUND_TIMEOUT, .times = 1});
	assert_int_equal(connect_key(&serving, "shop", &key_over, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
}

static void what_is_read_back_decides(void **state)
{
	static const struct {
		const char *fields;
		enum connect_check_result result;
		enum store_connection_status status;
	} cases[] = {
		{"{\"callback\":{\"state\":\"ours\",\"secret\":true}}", CONNECT_CHECK_OK, STORE_CONNECTION_ACTIVE},
		{"{\"callback\":{\"state\":\"ours\",\"secret\":false}}", CONNECT_CHECK_FAILED,
			STORE_CONNECTION_PENDING},
		{"{\"callback\":{\"state\":\"ours\"}}", CONNECT_CHECK_FAILED, STORE_CONNECTION_PENDING},
		{"{\"callback\":{\"state\":\"none\"}}", CONNECT_CHECK_FAILED, STORE_CONNECTION_PENDING},
		{"{\"callback\":{\"state\":\"house\"}}", CONNECT_CHECK_FAILED, STORE_CONNECTION_PENDING},
		{"{\"callback\":{\"state\":\"foreign\",\"owner\":\"https://a.example\"}}", CONNECT_CHECK_FAILED,
			STORE_CONNECTION_WEBHOOK_TAKEN},
		{"{}", CONNECT_CHECK_WAITING, STORE_CONNECTION_PENDING},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fake_reset();
		fake_answer(OUTBOUND_D360_WEBHOOK,
			&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = cases[i].fields});
		assert_int_equal(connect_key(&serving, "shop", &key_over, &out, &report), CONNECT_OK);
		if (result_of(&report, "callback") != cases[i].result || out.status != cases[i].status)
			fail_msg("%s: status %d, %s", cases[i].fields, (int)out.status, detail_of(&report, "callback"));
		removed(out.id);
	}
}

static void addresses_that_360dialog_refuses(void **state)
{
	static const struct {
		const char *url;
		const char *says; /* NULL: fine */
	} cases[] = {
		{"http://kh.example", "https"},
		{"https://kh_shop.example", "underscore"},
		{"https://kh.example:8443", "port"},
		{"https://kh.example/under_score", NULL},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct connect c = serving;
		const char *says = i % 2 == 1 ? NULL : cases[i / 2].says;

		fake_reset();
		c.public_url = cases[i / 2].url;
		c.d360_is_loopback = i % 2 == 1;
		/* Meta's being one says nothing about 360dialog's */
		c.meta_is_loopback = i % 2 == 0;
		assert_int_equal(connect_key(&c, "shop", &key_plain, &out, &report), CONNECT_OK);
		assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), says == NULL);
		assert_int_equal(out.status, says == NULL ? STORE_CONNECTION_ACTIVE : STORE_CONNECTION_PENDING);
		if (says != NULL)
			assert_non_null(strstr(detail_of(&report, "callback"), says));
		removed(out.id);
	}
}

static void silence_says_why(void **state)
{
	static const struct fake_says unreached = {
		.class = OUTBOUND_NOT_SENT, .reason = "the provider's name could not be looked up"};
	static const char *const names[] = {"key", "number", "callback"};
	struct connect http = serving;
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	fake_answer(OUTBOUND_D360_HEALTH, &unreached);
	fake_answer(OUTBOUND_D360_WEBHOOK, &unreached);
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(result_of(&report, names[i]), CONNECT_CHECK_WAITING);
		assert_non_null(strstr(detail_of(&report, names[i]), "name could not be looked up"));
	}
	/* what is wrong here is said although nothing is heard from there, and although nothing is set */
	http.public_url = "http://kh.example";
	assert_int_equal(connect_test(&http, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_non_null(strstr(detail_of(&report, "callback"), "public_url is http"));
	assert_int_equal(connect_register(&http, "shop", out.id, true, &out, &report), CONNECT_OK);
	assert_non_null(strstr(detail_of(&report, "callback"), "public_url is http"));
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
	/* and does not hide that somebody else gets the webhooks */
	fake_reset();
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	assert_int_equal(connect_test(&http, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	removed(out.id);
}

static void a_number_that_is_proven_goes_before_a_claim(void **state)
{
	const struct keys claimed = {.number = "3003", .skip = true};
	struct store_connection mine, theirs, read;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "rival", &claimed, &theirs, &report), CONNECT_OK);
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &mine, &report), CONNECT_OK);
	assert_string_equal(mine.phone_number_id, "3003");
	/* who claimed it hears so; who proved it keeps it */
	assert_int_equal(connect_test(&serving, "rival", theirs.id, &read, &report), CONNECT_NUMBER_TAKEN);
	assert_non_null(strstr(report.detail, "number 3003 is connected already"));
	assert_null(strstr(report.detail, "shop"));
	assert_int_equal(store_connection_remove(shop_store(), "rival", theirs.id), STORE_OK);
	removed(mine.id);
	/* a claim is proven by a test */
	assert_int_equal(connect_key(&serving, "shop", &claimed, &mine, &report), CONNECT_OK);
	assert_int_equal(connect_test(&serving, "shop", mine.id, &mine, &report), CONNECT_OK);
	fake_owner(OUTBOUND_D360_WEBHOOK, "none");
	assert_int_equal(connect_key(&serving, "rival", &key_plain, &theirs, &report), CONNECT_NUMBER_TAKEN);
	removed(mine.id);
}

static void the_number_is_told_or_given(void **state)
{
	const struct keys given = {.number = "3003", .waba = "2999"}, other = {.number = "3004"};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &given, &out, &report), CONNECT_OK);
	assert_string_equal(out.waba_id, "2999");
	removed(out.id);
	assert_int_equal(connect_key(&serving, "shop", &other, &out, &report), CONNECT_INVALID);
	assert_string_equal(report.field, "phone_number_id");
	assert_int_equal(stored(), 0);

	/* no sender, or not asked to: everything by hand stays possible */
	fake_reset();
	assert_int_equal(connect_key(&without_sender, "shop", &key_plain, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_SKIPPED);
	assert_string_equal(out.phone_number_id, "");
	assert_int_equal(strlen(shown_secret), 43);
	removed(out.id);
	assert_int_equal(connect_key(&serving, "shop", &key_unverified, &out, &report), CONNECT_OK);
	assert_int_equal(fake_checks(), 0);
	/* not served yet: 360dialog needs no handshake */
	removed(out.id);
	assert_int_equal(connect_key(&with_sender, "shop", &key_plain, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	assert_int_equal(connect_key(&serving, "nobody", &key_plain, &out, &report), CONNECT_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connected),
		cmocka_unit_test(the_providers_answers),
		cmocka_unit_test(a_foreign_webhook_is_taken_when_asked_to),
		cmocka_unit_test(what_is_read_back_decides),
		cmocka_unit_test(addresses_that_360dialog_refuses),
		cmocka_unit_test(silence_says_why),
		cmocka_unit_test(a_number_that_is_proven_goes_before_a_claim),
		cmocka_unit_test(the_number_is_told_or_given),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
