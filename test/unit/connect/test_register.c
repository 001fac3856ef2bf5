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
#define NO_NAME "the provider's name could not be looked up"

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

enum rival { NOBODY, SHARES_APP, SHARES_ACCOUNT };

struct place {
	const char *name;
	const char *app, *waba; /* whose it is before */
	enum rival rival; /* what another business here has, too */
	bool take_over;
	bool app_set, overridden; /* what is done */
	enum connect_check_result callback, subscription;
};

#define DONE CONNECT_CHECK_OK, CONNECT_CHECK_OK
#define LEFT CONNECT_CHECK_FAILED, CONNECT_CHECK_OK
#define LEFT_ALL CONNECT_CHECK_FAILED, CONNECT_CHECK_WAITING
static const struct place places[] = {
	{"nobody's", "none", "none", NOBODY, false, true, false, DONE},
	{"ours already", "ours", "none", NOBODY, false, true, false, DONE},
	{"stale", "house", "none", NOBODY, false, true, false, DONE},
	{"stale override", "none", "house", NOBODY, false, true, false, DONE},
	{"another shop's", "house", "none", SHARES_APP, false, false, true, DONE},
	{"another shop's, stale override", "house", "house", SHARES_APP, false, false, true, DONE},
	{"shared, nobody's yet", "none", "none", SHARES_APP, false, true, true, DONE},
	{"foreign", "foreign", "none", NOBODY, false, false, false, LEFT_ALL},
	{"foreign taken", "foreign", "none", NOBODY, true, false, true, DONE},
	{"foreign, our override", "foreign", "ours", NOBODY, false, false, true, DONE},
	{"foreign, stale override", "foreign", "house", NOBODY, false, false, true, DONE},
	{"foreign override", "none", "foreign", NOBODY, false, false, false, LEFT},
	{"foreign override of our app", "ours", "foreign", NOBODY, false, false, false, LEFT},
	{"foreign override taken", "none", "foreign", NOBODY, true, false, true, DONE},
	/* One address per account: who has it keeps it, and nobody else here gets it. */
	{"another shop's account", "house", "none", SHARES_ACCOUNT, false, false, false, LEFT_ALL},
	{"another shop's account, not taken", "house", "none", SHARES_ACCOUNT, true, false, false, LEFT_ALL},
	{"another shop's override", "foreign", "house", SHARES_ACCOUNT, false, false, false, LEFT},
	{"another shop's override, not taken", "ours", "house", SHARES_ACCOUNT, true, false, false, LEFT},
	{"shared account, our override", "house", "ours", SHARES_ACCOUNT, false, false, true, DONE},
	{"shared account, our app", "ours", "none", SHARES_ACCOUNT, false, true, true, DONE},
	{"shared account, nobody's yet", "none", "none", SHARES_ACCOUNT, false, true, true, DONE},
	{"shared account, foreign", "none", "foreign", SHARES_ACCOUNT, false, false, false, LEFT},
};

static void whose_webhooks_are_taken(void **state)
{
	static const struct values rivals[] = {[SHARES_APP] = {"1001", "2999", "3033", APP_SECRET, ACCESS_TOKEN},
		[SHARES_ACCOUNT] = {"1001", "2002", "3033", APP_SECRET, ACCESS_TOKEN}};
	struct store_connection out, other;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		const struct place *p = &places[i];
		const char *detail;

		begin(true);
		if (p->rival != NOBODY)
			assert_int_equal(
				add_over(&with_sender, "rival", &rivals[p->rival], &other, &report), CONNECT_OK);
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
		detail = detail_of(&report, "callback");
		if (result_of(&report, "callback") != p->callback ||
			result_of(&report, "subscription") != p->subscription)
			fail_msg("%s: %s", p->name, detail);
		if (!p->app_set)
			assert_string_equal(fake_owner_now(OUTBOUND_META_APP_CALLBACK), p->app);
		if (p->callback == CONNECT_CHECK_FAILED) {
			bool foreign = strcmp(p->waba, "none") == 0 ? strcmp(p->app, "foreign") == 0
								    : strcmp(p->waba, "foreign") == 0;

			assert_int_equal(fake_asked(OUTBOUND_META_WABA_SUBSCRIBE), 0);
			if (strstr(detail, foreign ? "take_over" : "another business here") == NULL)
				fail_msg("%s: %s", p->name, detail);
			assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
		} else {
			assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
		}
		removed(out.id);
		if (p->rival != NOBODY)
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
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	/* registering takes nothing unasked; asked to, it is taken later */
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	assert_int_equal(connect_register(&serving, "shop", out.id, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
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
	assert_true(connect_failed_with(&report, FINDING_URL_UNUSABLE));
	assert_int_equal(result_of(&report, "subscription"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	nothing_asked();
	/* that comes before what Meta does not say, and before what would have to be started */
	fake_answer(OUTBOUND_META_WABA_CALLBACK, &(struct fake_says){.class = OUTBOUND_NOT_SENT, .reason = NO_NAME});
	assert_int_equal(connect_test(&plain, "shop", out.id, &out, &report), CONNECT_OK);
	assert_string_equal(detail_of(&report, "callback"), "public_url is http; Meta delivers to https only");
	assert_true(connect_failed_with(&report, FINDING_URL_UNUSABLE));
	assert_non_null(strstr(detail_of(&report, "subscription"), NO_NAME));
	plain.serving = false;
	assert_int_equal(connect_register(&plain, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_string_equal(detail_of(&report, "callback"), "public_url is http; Meta delivers to https only");
	assert_true(connect_failed_with(&report, FINDING_URL_UNUSABLE));
	plain.serving = true;
	fake_reset();
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

static void what_was_not_asked_says_why(void **state)
{
	static const struct fake_says unreached = {.class = OUTBOUND_NOT_SENT, .reason = NO_NAME};
	static const char *const names[] = {"token", "app_secret", "number", "callback", "subscription"};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	fake_debug_token(&unreached);
	fake_number(&unreached);
	fake_answer(OUTBOUND_META_APP_CALLBACK, &unreached);
	fake_answer(OUTBOUND_META_WABA_CALLBACK, &unreached);
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	for (int i = 0; i < 2; i++) {
		for (size_t n = 0; n < sizeof(names) / sizeof(names[0]); n++) {
			assert_int_equal(result_of(&report, names[n]), CONNECT_CHECK_WAITING);
			/* nothing was stored yet when the keys were looked at */
			assert_string_equal(detail_of(&report, names[n]),
				i > 0 || n > 2 ? NO_NAME "; test the connection again later"
					       : NO_NAME "; try again later");
		}
		assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	}
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	/* asked, and no answer: nobody can say why */
	fake_number(&(struct fake_says){.class = OUTBOUND_OUTCOME_UNKNOWN, .reason = "the provider did not answer"});
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_string_equal(detail_of(&report, "number"), "Meta did not answer; test the connection again later");
	removed(out.id);
	/* changing what cannot be reached any more */
	begin(true);
	fake_answer(OUTBOUND_META_APP_SUBSCRIBE, &unreached);
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_string_equal(detail_of(&report, "callback"), NO_NAME "; test the connection again later");
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

static void a_handshake_hides_no_fault(void **state)
{
	const struct fake_says unknown = {.class = OUTBOUND_MESSAGE, .code = 100, .subcode = 33};
	struct secret *token = secret_new(OTHER_TOKEN, strlen(OTHER_TOKEN));
	struct store_connection out;
	struct connect_report report;

	(void)state;
	begin(true);
	fake_number(&unknown);
	assert_int_equal(add(&serving, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_FAILED);
	assert_int_equal(result_of(&report, "webhook"), CONNECT_CHECK_OK);
	assert_true(out.handshake_at > 0);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	/* again, then silence: what was known stays */
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	fake_number(&(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	fake_reset();
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	/* without checks nothing speaks against it; then they do */
	begin(true);
	assert_int_equal(add(&serving, &good, false, &out, &report), CONNECT_OK);
	fake_number(&unknown);
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	/* a new key is unproven, not at fault */
	fake_number(&(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(
		connect_rotate(&serving, "shop", out.id, "access_token", token, false, &out, &report), CONNECT_OK);
	secret_free(token);
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
}

/* ------------------------------------------------------------ looking */

static void a_test_only_looks(void **state)
{
	static const struct {
		const char *app, *waba;
		enum connect_check_result callback, subscription;
		const char *says;
		enum store_connection_status status;
	} cases[] = {
		{"none", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "Meta does not know our webhook URL",
			STORE_CONNECTION_ACTIVE},
		{"ours", "foreign", CONNECT_CHECK_FAILED, CONNECT_CHECK_OK, "https://elsewhere.example",
			STORE_CONNECTION_WEBHOOK_TAKEN},
		/* neither nobody's nor a stale one is ours again */
		{"none", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "Meta does not know our webhook URL",
			STORE_CONNECTION_WEBHOOK_TAKEN},
		{"house", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "another business here",
			STORE_CONNECTION_WEBHOOK_TAKEN},
		{"ours", "none", CONNECT_CHECK_OK, CONNECT_CHECK_FAILED, "to us", STORE_CONNECTION_ACTIVE},
		{"foreign", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "https://elsewhere.example",
			STORE_CONNECTION_WEBHOOK_TAKEN},
		{"foreign", "ours", CONNECT_CHECK_OK, CONNECT_CHECK_OK, "to us", STORE_CONNECTION_ACTIVE},
		{"house", "ours", CONNECT_CHECK_OK, CONNECT_CHECK_OK, "to us", STORE_CONNECTION_ACTIVE},
		{"house", "none", CONNECT_CHECK_FAILED, CONNECT_CHECK_FAILED, "another business here",
			STORE_CONNECTION_ACTIVE},
	};
	static const struct values rivals = {"1001", "2002", "3033", APP_SECRET, ACCESS_TOKEN};
	struct store_connection out, other;
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
		if (out.status != cases[i].status)
			fail_msg("%s, %s: status %d", cases[i].app, cases[i].waba, (int)out.status);
		nothing_asked();
		assert_int_equal(fake_checks(), 5);
	}
	/* silence is no proof that they are back */
	begin(true);
	fake_owner(OUTBOUND_META_WABA_CALLBACK, "foreign");
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	fake_answer(OUTBOUND_META_WABA_CALLBACK, &(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	/* what another business here has of the same account is taken, too */
	begin(true);
	assert_int_equal(add_over(&with_sender, "rival", &rivals, &other, &report), CONNECT_OK);
	fake_owner(OUTBOUND_META_APP_CALLBACK, "house");
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_non_null(strstr(detail_of(&report, "callback"), "one address per account"));
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	nothing_asked();
	assert_int_equal(store_connection_remove(shop_store(), "rival", other.id), STORE_OK);
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
		cmocka_unit_test(what_was_not_asked_says_why),
		cmocka_unit_test(a_handshake_proves_what_the_checks_could_not),
		cmocka_unit_test(a_handshake_hides_no_fault),
		cmocka_unit_test(a_test_only_looks),
		cmocka_unit_test(registered_again_when_asked_to),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
