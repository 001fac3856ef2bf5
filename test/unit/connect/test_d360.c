/*
 * Connecting with 360dialog: what its answers make of a connection, whose webhook is
 * replaced, and what a new key does.
 */
#include "test/unit/connect/shop.h"

#include <stdio.h>
#include <string.h>

struct keys {
	const char *number, *waba, *platform_secret;
	bool skip, take_over;
};
static const struct keys plain = {0}, over = {.take_over = true}, unverified = {.skip = true};

static char shown[64]; /* the webhook secret that was shown */

static enum connect_error connect_key(const struct connect *c, const char *business, const struct keys *k,
	struct store_connection *out, struct connect_report *report)
{
	struct secret *key = secret_new(API_KEY, strlen(API_KEY)), *webhook_secret = NULL, *platform = NULL;
	struct connect_d360 in = {.business_id = business,
		.client_id = "client-7",
		.phone_number_id = k->number,
		.waba_id = k->waba,
		.api_key = key,
		.verify = !k->skip,
		.take_over = k->take_over};
	enum connect_error err;

	if (k->platform_secret != NULL)
		in.platform_secret = platform = secret_new(k->platform_secret, strlen(k->platform_secret));
	err = connect_d360_add(c, &in, out, &webhook_secret, report);
	assert_true((err == CONNECT_OK) == (webhook_secret != NULL));
	if (webhook_secret != NULL)
		(void)snprintf(shown, sizeof(shown), "%s", (const char *)secret_bytes(webhook_secret));
	secret_free(webhook_secret);
	secret_free(platform);
	secret_free(key);
	return err;
}

static enum connect_error rotate(const struct connect *c, const char *id, const char *field, const char *value,
	bool take_over, struct store_connection *out, struct connect_report *report)
{
	struct secret *secret = secret_new(value, strlen(value));
	enum connect_error err = connect_rotate(c, "shop", id, field, secret, take_over, out, report);

	secret_free(secret);
	return err;
}

/* ------------------------------------------------------------ adding */

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
	assert_true(vault_verifier_is_of(&verifiers[0].verifier, shown, strlen(shown)));
	assert_int_equal(verifiers[1].proof, TENANT_PROOF_PLATFORM);
	/* its number is nobody else's */
	fake_owner(OUTBOUND_D360_WEBHOOK, "none");
	assert_int_equal(connect_key(&serving, "rival", &plain, &read, &report), CONNECT_NUMBER_TAKEN);
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
			.fields = "{\"health_status\":{\"entities\":[5,{\"entity_type\":\"WABA\",\"id\":\"2002\"},"
				  "{\"entity_type\":\"PHONE_NUMBER\",\"id\":\"3003\"}]}}"},
		{0}, {0}, CONNECT_OK, STORE_CONNECTION_ACTIVE, "number", CONNECT_CHECK_OK},
	{"no number", {.class = OUTBOUND_ACCEPTED, .fields = "{\"health_status\":{\"entities\":{}}}"}, {0}, {0},
		CONNECT_OK, STORE_CONNECTION_PENDING, "number", CONNECT_CHECK_WAITING},
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
		err = connect_key(&serving, "shop", &plain, &out, &report);
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
	assert_int_equal(connect_key(&serving, "shop", &plain, &out, &report), CONNECT_WEBHOOK_TAKEN);
	assert_non_null(strstr(report.detail, "https://elsewhere.example"));
	assert_int_equal(stored(), 0);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
	assert_int_equal(connect_key(&serving, "shop", &over, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	/* a webhook of this house follows the key */
	fake_reset();
	fake_owner(OUTBOUND_D360_WEBHOOK, "house");
	assert_int_equal(connect_key(&serving, "shop", &plain, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	/* unseen it is replaced only when asked to */
	fake_reset();
	fake_answer(OUTBOUND_D360_WEBHOOK, &(struct fake_says){.err = OUTBOUND_TIMEOUT, .times = 1});
	assert_int_equal(connect_key(&serving, "shop", &over, &out, &report), CONNECT_OK);
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
		assert_int_equal(connect_key(&serving, "shop", &over, &out, &report), CONNECT_OK);
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
		assert_int_equal(connect_key(&c, "shop", &plain, &out, &report), CONNECT_OK);
		assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), says == NULL);
		assert_int_equal(out.status, says == NULL ? STORE_CONNECTION_ACTIVE : STORE_CONNECTION_PENDING);
		if (says != NULL)
			assert_non_null(strstr(detail_of(&report, "callback"), says));
		removed(out.id);
	}
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
	assert_int_equal(connect_key(&without_sender, "shop", &plain, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_SKIPPED);
	assert_string_equal(out.phone_number_id, "");
	assert_int_equal(strlen(shown), 43);
	removed(out.id);
	assert_int_equal(connect_key(&serving, "shop", &unverified, &out, &report), CONNECT_OK);
	assert_int_equal(fake_checks(), 0);
	/* not served yet: 360dialog needs no handshake */
	removed(out.id);
	assert_int_equal(connect_key(&with_sender, "shop", &plain, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
	assert_int_equal(connect_key(&serving, "nobody", &plain, &out, &report), CONNECT_NOT_FOUND);
}

/* ------------------------------------------------------------ testing and rotating */

static void a_test_moves_the_status(void **state)
{
	static const struct {
		enum store_connection_status from;
		struct fake_says health;
		const char *owner;
		enum store_connection_status to;
	} moves[] = {
		{STORE_CONNECTION_PENDING, {0}, "ours", STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {.err = OUTBOUND_TIMEOUT}, "ours", STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {.class = OUTBOUND_AUTH}, "ours", STORE_CONNECTION_KEY_REFUSED},
		{STORE_CONNECTION_KEY_REFUSED, {0}, "ours", STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {.class = OUTBOUND_ACCOUNT}, "ours", STORE_CONNECTION_BLOCKED},
		{STORE_CONNECTION_BLOCKED, {.class = OUTBOUND_ACCEPTED, .fields = FAKE_HEALTH("3003", "AVAILABLE")},
			"ours", STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {0}, "foreign", STORE_CONNECTION_WEBHOOK_TAKEN},
		{STORE_CONNECTION_WEBHOOK_TAKEN, {.err = OUTBOUND_TIMEOUT}, "ours", STORE_CONNECTION_WEBHOOK_TAKEN},
		{STORE_CONNECTION_WEBHOOK_TAKEN, {0}, "ours", STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_ACTIVE, {0}, "none", STORE_CONNECTION_ACTIVE},
		{STORE_CONNECTION_SUSPENDED, {0}, "ours", STORE_CONNECTION_SUSPENDED},
		{STORE_CONNECTION_SUSPENDED, {.class = OUTBOUND_AUTH}, "foreign", STORE_CONNECTION_SUSPENDED},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &plain, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		assert_int_equal(store_connection_status_set(shop_store(), "shop", out.id, 0, moves[i].from), STORE_OK);
		fake_answer(OUTBOUND_D360_HEALTH, &moves[i].health);
		fake_owner(OUTBOUND_D360_WEBHOOK, moves[i].owner);
		assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
		if (out.status != moves[i].to)
			fail_msg("%zu: status %d, not %d", i, (int)out.status, (int)moves[i].to);
	}
	/* never more than looked at */
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 1);
	removed(out.id);
}

static void a_test_learns_the_number(void **state)
{
	struct store_connection out, rival;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &unverified, &out, &report), CONNECT_OK);
	assert_int_equal(connect_key(&serving, "rival", &unverified, &rival, &report), CONNECT_OK);
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_string_equal(out.phone_number_id, "3003");
	assert_string_equal(out.waba_id, "2002");
	assert_string_equal(out.display_phone, "+234 801 234 5678");
	assert_int_equal(connect_test(&serving, "rival", rival.id, &rival, &report), CONNECT_NUMBER_TAKEN);
	assert_int_equal(store_connection_remove(shop_store(), "rival", rival.id), STORE_OK);
	/* a key that turns out to be another number's */
	fake_answer(OUTBOUND_D360_HEALTH,
		&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = FAKE_HEALTH("3009", "AVAILABLE")});
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_FAILED);
	assert_string_equal(out.phone_number_id, "3003");
	removed(out.id);
}

static void registered_again_when_asked_to(void **state)
{
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &plain, &out, &report), CONNECT_OK);
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_FAILED);
	assert_string_equal(fake_owner_now(OUTBOUND_D360_WEBHOOK), "foreign");
	assert_int_equal(connect_register(&serving, "shop", out.id, true, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	assert_string_equal(fake_owner_now(OUTBOUND_D360_WEBHOOK), "ours");
	removed(out.id);
}

static void a_new_key_replaces_the_old(void **state)
{
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	struct store_connection out;
	struct connect_report report;
	size_t len;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &plain, &out, &report), CONNECT_OK);
	assert_int_equal(rotate(&serving, out.id, "api_key", OTHER_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("api_key"), 2);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 2);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	/* refused, or another number's: the old one stays */
	fake_answer(OUTBOUND_D360_HEALTH, &(struct fake_says){.class = OUTBOUND_AUTH});
	assert_int_equal(
		rotate(&serving, out.id, "api_key", API_KEY, false, &out, &report), CONNECT_CREDENTIAL_REFUSED);
	assert_string_equal(report.field, "api_key");
	fake_answer(OUTBOUND_D360_HEALTH,
		&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = FAKE_HEALTH("3009", "AVAILABLE")});
	assert_int_equal(rotate(&serving, out.id, "api_key", API_KEY, false, &out, &report), CONNECT_INVALID);
	assert_string_equal(report.field, "api_key");
	assert_int_equal(version_of("api_key"), 2);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 2);

	/* a dead key that is replaced while the provider is silent is merely unproven */
	fake_reset();
	assert_int_equal(
		store_connection_status_set(shop_store(), "shop", out.id, 0, STORE_CONNECTION_KEY_REFUSED), STORE_OK);
	fake_answer(OUTBOUND_D360_HEALTH, &(struct fake_says){.err = OUTBOUND_TIMEOUT});
	assert_int_equal(rotate(&serving, out.id, "api_key", API_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_PENDING);

	/* the webhook secret: both check webhooks until the next replacement, and the header is set again */
	fake_reset();
	assert_int_equal(rotate(&serving, out.id, "webhook_secret", OTHER_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	assert_int_equal(version_of("webhook_secret"), 2);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 1);
	assert_int_equal(tenant_verifiers(house_tenants(house), "shop", verifiers, &len), TENANT_OK);
	assert_int_equal(len, 2);
	/* the first platform secret, and the next */
	assert_int_equal(
		rotate(&serving, out.id, "platform_secret", PLATFORM_SECRET, false, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("platform_secret"), 1);
	assert_int_equal(rotate(&serving, out.id, "platform_secret", OTHER_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(version_of("platform_secret"), 2);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 1);

	/* somebody else gets the webhooks meanwhile: the key is kept, the webhook not taken unasked */
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	assert_int_equal(rotate(&serving, out.id, "api_key", OTHER_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_WEBHOOK_TAKEN);
	assert_string_equal(fake_owner_now(OUTBOUND_D360_WEBHOOK), "foreign");
	assert_int_equal(rotate(&serving, out.id, "api_key", API_KEY, true, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);

	assert_int_equal(rotate(&serving, out.id, "access_token", OTHER_TOKEN, false, &out, &report), CONNECT_INVALID);
	assert_int_equal(rotate(&serving, out.id, "webhook_secret", "short", false, &out, &report), CONNECT_INVALID);
	assert_int_equal(rotate(&serving, out.id, "api_key", "with space", false, &out, &report), CONNECT_INVALID);
	assert_int_equal(rotate(&without_sender, out.id, "api_key", OTHER_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(result_of(&report, "key"), CONNECT_CHECK_SKIPPED);
	removed(out.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connected),
		cmocka_unit_test(the_providers_answers),
		cmocka_unit_test(a_foreign_webhook_is_taken_when_asked_to),
		cmocka_unit_test(what_is_read_back_decides),
		cmocka_unit_test(addresses_that_360dialog_refuses),
		cmocka_unit_test(the_number_is_told_or_given),
		cmocka_unit_test(a_test_moves_the_status),
		cmocka_unit_test(a_test_learns_the_number),
		cmocka_unit_test(registered_again_when_asked_to),
		cmocka_unit_test(a_new_key_replaces_the_old),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
