/*
 * Registering at Meta: whose webhooks are set, overridden or left alone, what is asked
 * for, and that a test only looks.
 */
#include "test/unit/connect/shop.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/json.h"

#define OURS "https://kh.example/webhooks/shop"

/* In its body, the last request of that kind says so. */
static void body_says(enum outbound_kind kind, const char *key, const char *value)
{
	cJSON *body = json_parse(fake_body(kind), strlen(fake_body(kind)));
	const char *text = json_get_string(body, key);

	assert_non_null(text);
	assert_string_equal(text, value);
	cJSON_Delete(body);
}

static void begin(bool handshakes)
{
	fake_reset();
	house_handshakes(house, handshakes);
}

/* ------------------------------------------------------------ whose callback */

static void nobodys_becomes_ours(void **state)
{
	struct store_connection out, read;
	struct connect_report report;

	(void)state;
	begin(true);
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	assert_true(out.handshake_at > 0);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "subscription"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_OK);
	body_says(OUTBOUND_META_APP_SUBSCRIBE, "object", "whatsapp_business_account");
	body_says(OUTBOUND_META_APP_SUBSCRIBE, "callback_url", OURS);
	body_says(OUTBOUND_META_APP_SUBSCRIBE, "verify_token", out.verify_token);
	assert_non_null(strstr(fake_body(OUTBOUND_META_APP_SUBSCRIBE), "messages,"));
	assert_non_null(strstr(fake_body(OUTBOUND_META_APP_SUBSCRIBE), ",standby,messaging_handovers\""));
	assert_string_equal(fake_body(OUTBOUND_META_WABA_SUBSCRIBE), "{}");
	assert_int_equal(store_connection_get(shop_store(), "shop", out.id, &read), STORE_OK);
	assert_int_equal(read.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
}

static void a_list_that_meta_refuses_gets_shorter(void **state)
{
	const struct fake_says refused = {.class = OUTBOUND_MESSAGE, .code = 100, .times = 1};
	struct fake_says for_good = {.class = OUTBOUND_MESSAGE, .code = 100, .reason = "Invalid parameter"};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	fake_answer(OUTBOUND_META_APP_SUBSCRIBE, &refused);
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 2);
	assert_null(strstr(fake_body(OUTBOUND_META_APP_SUBSCRIBE), "standby"));
	assert_non_null(strstr(fake_body(OUTBOUND_META_APP_SUBSCRIBE), "user_preferences"));
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	removed(out.id);

	begin(true);
	fake_answer(OUTBOUND_META_APP_SUBSCRIBE, &for_good);
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 3);
	body_says(OUTBOUND_META_APP_SUBSCRIBE, "fields", "messages");
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_non_null(strstr(detail_of(&report, "callback"), "Invalid parameter"));
	assert_int_equal(result_of(&report, "subscription"), CONNECT_CHECK_OK);
	/* the keys are good: that is what the status says */
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_WAITING);
	removed(out.id);

	/* another refusal is not about the list */
	begin(true);
	fake_answer(OUTBOUND_META_APP_SUBSCRIBE, &(struct fake_says){.class = OUTBOUND_MESSAGE, .code = 2200});
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 1);
	removed(out.id);
}

struct place {
	const char *name;
	const char *app, *waba; /* whose it is before */
	bool shared; /* another business here has the app */
	bool take_over;
	bool app_set, overridden; /* what is done */
	enum connect_check_result callback, subscription;
};

static const struct place places[] = {
	{"nobody's", "none", "none", false, false, true, false, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"ours already", "ours", "none", false, false, true, false, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"stale", "house", "none", false, false, true, false, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"stale override", "none", "house", false, false, true, false, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"another shop's", "house", "none", true, false, false, true, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"another shop's override", "house", "house", true, false, false, false, CONNECT_CHECK_WAITING,
		CONNECT_CHECK_OK},
	{"another shop's override taken", "house", "house", true, true, false, true, CONNECT_CHECK_OK,
		CONNECT_CHECK_OK},
	{"shared, nobody's yet", "none", "none", true, false, true, true, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"foreign", "foreign", "none", false, false, false, false, CONNECT_CHECK_WAITING, CONNECT_CHECK_WAITING},
	{"foreign taken", "foreign", "none", false, true, false, true, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"foreign, our override", "foreign", "ours", false, false, false, true, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
	{"foreign override", "none", "foreign", false, false, false, false, CONNECT_CHECK_WAITING, CONNECT_CHECK_OK},
	{"foreign override taken", "none", "foreign", false, true, false, true, CONNECT_CHECK_OK, CONNECT_CHECK_OK},
};

static void whose_webhooks_are_taken(void **state)
{
	static const struct values rivals = {"1001", "2002", "3033", APP_SECRET, ACCESS_TOKEN};
	struct store_connection out, other;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *p = &places[i];

		begin(true);
		if (p->shared)
			assert_int_equal(add_over(&with_sender, "rival", &rivals, &other, &report), CONNECT_OK);
		fake_owner(OUTBOUND_META_APP_CALLBACK, p->app);
		fake_owner(OUTBOUND_META_WABA_CALLBACK, p->waba);
		assert_int_equal(p->take_over ? add_over(&serving, "shop", &good, &out, &report)
					      : add(&serving, &good, true, &out, &report),
			CONNECT_OK);
		if (fake_asked(OUTBOUND_META_APP_SUBSCRIBE) != p->app_set)
			fail_msg("%s: the app's callback", p->name);
		if ((strstr(fake_body(OUTBOUND_META_WABA_SUBSCRIBE), OURS) != NULL) != p->overridden)
			fail_msg("%s: the override: %s", p->name, fake_body(OUTBOUND_META_WABA_SUBSCRIBE));
		if (p->overridden)
			body_says(OUTBOUND_META_WABA_SUBSCRIBE, "verify_token", out.verify_token);
		if (result_of(&report, "callback") != p->callback ||
			result_of(&report, "subscription") != p->subscription)
			fail_msg("%s: %s", p->name, detail_of(&report, "callback"));
		if (!p->app_set)
			assert_string_equal(fake_owner_now(OUTBOUND_META_APP_CALLBACK), p->app);
		if (p->callback == CONNECT_CHECK_WAITING) {
			assert_int_equal(fake_asked(OUTBOUND_META_WABA_SUBSCRIBE), 0);
			assert_non_null(strstr(detail_of(&report, "callback"), "take_over"));
		}
		assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
		removed(out.id);
		if (p->shared)
			assert_int_equal(store_connection_remove(shop_store(), "rival", other.id), STORE_OK);
	}
}

static void a_foreign_host_is_named(void **state)
{
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	fake_owner(OUTBOUND_META_APP_CALLBACK, "foreign");
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_non_null(strstr(detail_of(&report, "callback"), "https://elsewhere.example"));
	/* asked to, it is taken later */
	assert_int_equal(connect_register(&serving, "shop", out.id, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_OK);
	assert_string_equal(fake_owner_now(OUTBOUND_META_APP_CALLBACK), "foreign");
	assert_string_equal(fake_owner_now(OUTBOUND_META_WABA_CALLBACK), "ours");
	removed(out.id);
}

/* ------------------------------------------------------------ nothing is registered */

static void nothing_asked(void)
{
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 0);
	assert_int_equal(fake_asked(OUTBOUND_META_WABA_SUBSCRIBE), 0);
}

static void only_where_it_can_work(void **state)
{
	char long_url[260];
	struct connect plain = serving, longest = serving;
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	plain.public_url = "http://kh.example";
	assert_int_equal(add(&plain, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_string_equal(detail_of(&report, "callback"), "public_url is http; Meta delivers to https only");
	assert_int_equal(result_of(&report, "subscription"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	nothing_asked();
	removed(out.id);
	plain.meta_is_loopback = true;
	assert_int_equal(add(&plain, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	removed(out.id);

	begin(true);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(result_of(&report, "subscription"), CONNECT_CHECK_SKIPPED);
	nothing_asked();
	removed(out.id);

	/* an override has a limit; the app's callback has none */
	(void)snprintf(long_url, sizeof(long_url), "https://%0180d.example", 0);
	longest.public_url = long_url;
	fake_owner(OUTBOUND_META_APP_CALLBACK, "foreign");
	assert_int_equal(add_over(&longest, "shop", &good, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_non_null(strstr(detail_of(&report, "callback"), "200"));
	nothing_asked();
	removed(out.id);
	fake_owner(OUTBOUND_META_APP_CALLBACK, "none");
	assert_int_equal(add(&longest, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	removed(out.id);

	begin(true);
	assert_int_equal(add(&serving, &good, false, &out, &report), CONNECT_OK);
	assert_int_equal(fake_checks(), 0);
	removed(out.id);
}

static void silence_changes_nothing(void **state)
{
	static const struct fake_says answers[] = {{.err = OUTBOUND_TIMEOUT}, {.class = OUTBOUND_OUTCOME_UNKNOWN},
		{.class = OUTBOUND_AUTH, .code = 200}, {.class = OUTBOUND_ACCEPTED},
		{.class = OUTBOUND_ACCEPTED, .fields = "[]"},
		{.class = OUTBOUND_ACCEPTED, .fields = "{\"callback\":{\"state\":\"mine\"}}"},
		{.class = OUTBOUND_ACCEPTED, .fields = "{\"callback\":{\"state\":5,\"owner\":[]}}"}};
	static const enum outbound_kind kinds[] = {OUTBOUND_META_APP_CALLBACK, OUTBOUND_META_WABA_CALLBACK};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(answers) / sizeof(answers[0]); i++) {
		begin(true);
		fake_answer(kinds[i % 2], &answers[i / 2]);
		assert_int_equal(add_over(&serving, "shop", &good, &out, &report), CONNECT_OK);
		assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_WAITING);
		assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
		nothing_asked();
		assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
		assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_WAITING);
		removed(out.id);
	}
	/* asked, and no answer came */
	begin(true);
	fake_answer(OUTBOUND_META_APP_SUBSCRIBE, &(struct fake_says){.err = OUTBOUND_TIMEOUT});
	fake_answer(OUTBOUND_META_WABA_SUBSCRIBE, &(struct fake_says){.class = OUTBOUND_RATE_LIMITED});
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_WAITING);
	assert_int_equal(result_of(&report, "subscription"), CONNECT_CHECK_WAITING);
	removed(out.id);
}

static void a_handshake_proves_what_the_checks_could_not(void **state)
{
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	fake_number(&(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_WAITING);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	/* and without one, after a while */
	begin(false);
	fake_number(&(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_WAITING);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	removed(out.id);
}

/* ------------------------------------------------------------ looking */

static void a_test_only_looks(void **state)
{
	static const struct {
		const char *app, *waba;
		enum connect_check_result callback, subscription;
		const char *says;
	} cases[] = {
		{"none", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "Meta does not know our webhook URL"},
		{"ours", "none", CONNECT_CHECK_OK, CONNECT_CHECK_FAILED, "to us"},
		{"foreign", "ours", CONNECT_CHECK_OK, CONNECT_CHECK_OK, "to us"},
		{"house", "ours", CONNECT_CHECK_OK, CONNECT_CHECK_OK, "to us"},
		{"ours", "foreign", CONNECT_CHECK_FAILED, CONNECT_CHECK_OK, "https://elsewhere.example"},
		{"foreign", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "https://elsewhere.example"},
		{"house", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "another business here"},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	assert_int_equal(add(&serving, &good, false, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		begin(true);
		fake_owner(OUTBOUND_META_APP_CALLBACK, cases[i].app);
		fake_owner(OUTBOUND_META_WABA_CALLBACK, cases[i].waba);
		assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
		if (result_of(&report, "callback") != cases[i].callback ||
			result_of(&report, "subscription") != cases[i].subscription ||
			strstr(detail_of(&report, "callback"), cases[i].says) == NULL)
			fail_msg("%s, %s: %s", cases[i].app, cases[i].waba, detail_of(&report, "callback"));
		/* these never change the status */
		assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
		nothing_asked();
		assert_int_equal(fake_checks(), 4);
	}
	removed(out.id);
}

static void registered_again_when_asked_to(void **state)
{
	struct store_connection out;
	struct connect_report report;
	struct secret *token = secret_new(OTHER_TOKEN, strlen(OTHER_TOKEN));

	(void)state;
	begin(true);
	assert_int_equal(add(&serving, &good, false, &out, &report), CONNECT_OK);
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 1);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	/* a new key alone registers nothing; with take_over it does */
	assert_int_equal(
		connect_rotate(&serving, "shop", out.id, "access_token", token, false, &out, &report), CONNECT_OK);
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 1);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	assert_int_equal(
		connect_rotate(&serving, "shop", out.id, "access_token", token, true, &out, &report), CONNECT_OK);
	assert_int_equal(fake_asked(OUTBOUND_META_APP_SUBSCRIBE), 2);
	assert_int_equal(connect_register(&without_sender, "shop", out.id, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(connect_register(&serving, "rival", out.id, true, &out, &report), CONNECT_NOT_FOUND);
	removed(out.id);
	secret_free(token);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobodys_becomes_ours),
		cmocka_unit_test(a_list_that_meta_refuses_gets_shorter),
		cmocka_unit_test(whose_webhooks_are_taken),
		cmocka_unit_test(a_foreign_host_is_named),
		cmocka_unit_test(only_where_it_can_work),
		cmocka_unit_test(silence_changes_nothing),
		cmocka_unit_test(a_handshake_proves_what_the_checks_could_not),
		cmocka_unit_test(a_test_only_looks),
		cmocka_unit_test(registered_again_when_asked_to),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
