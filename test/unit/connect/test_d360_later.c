/*
 * A 360dialog connection that is stored: what testing it makes of its status, whose webhook
 * is registered again, and what a new key does.
 */
#include "test/unit/connect/shop.h"

#include <string.h>
#include <unistd.h>

static enum connect_error rotate(const struct connect *c, const char *id, const char *field, const char *value,
	bool take_over, struct store_connection *out, struct connect_report *report)
{
	struct secret *secret = secret_new(value, strlen(value));
	enum connect_error err = connect_rotate(c, "shop", id, field, secret, take_over, out, report);

	secret_free(secret);
	return err;
}

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
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
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
	assert_int_equal(connect_key(&serving, "shop", &key_unverified, &out, &report), CONNECT_OK);
	assert_int_equal(connect_key(&serving, "rival", &key_unverified, &rival, &report), CONNECT_OK);
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
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
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
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
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

static size_t verifiers_now(struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX])
{
	size_t len;

	assert_int_equal(tenant_verifiers(house_tenants(house), "shop", verifiers, &len), TENANT_OK);
	return len;
}

static bool take_current(const struct store_credential *c, void *arg)
{
	if (c->slot == STORE_SLOT_CURRENT) {
		*(struct store_credential *)arg = *c;
		((struct store_credential *)arg)->blob = NULL;
	}
	return true;
}

/* Both are at hand until the moment at which the old one ends, and the new one alone from then on. */
static void a_cached_secret_ends_in_time(void **state)
{
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	struct store_connection out;
	struct connect_report report;
	struct store_credential header = {.version = 0};
	int64_t end;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
	assert_int_equal(verifiers_now(verifiers), 1);
	assert_int_equal(verifiers[0].unproven, 1);
	assert_int_equal(tenant_verifier_worked(house_tenants(house), "shop", &verifiers[0]), TENANT_OK);
	assert_int_equal(verifiers_now(verifiers), 1);
	assert_int_equal(verifiers[0].unproven, 0);
	assert_int_equal(rotate(&serving, out.id, "webhook_secret", OTHER_KEY, false, &out, &report), CONNECT_OK);
	assert_int_equal(
		store_credential_list(shop_store(), "shop", "webhook_secret", take_current, &header), STORE_OK);
	end = store_now_ms() + 500;
	assert_int_equal(store_credential_worked(shop_store(), "shop", &header, end - 1000, 1000), STORE_OK);
	tenants_forget(house_tenants(house), "shop");
	assert_int_equal(verifiers_now(verifiers), 2);
	if (store_now_ms() < end)
		assert_true(verifiers[0].ends_at == end || verifiers[1].ends_at == end);
	while (store_now_ms() < end)
		(void)usleep(10000);
	assert_int_equal(verifiers_now(verifiers), 1);
	assert_int_equal(verifiers[0].ends_at, 0);
	/* Nothing is left behind it. */
	for (size_t i = 0; i < sizeof(verifiers[1]); i++)
		assert_int_equal(((const uint8_t *)&verifiers[1])[i], 0);
	removed(out.id);
}

/* What 360dialog was certainly not given is not kept; what it may have been given is, beside the old one. */
static void a_header_that_was_not_set(void **state)
{
	static const struct {
		struct fake_says set;
		enum connect_error err;
		uint64_t version;
	} rows[] = {
		{{.class = OUTBOUND_MESSAGE}, CONNECT_CREDENTIAL_REFUSED, 1},
		{{.class = OUTBOUND_AUTH}, CONNECT_CREDENTIAL_REFUSED, 1},
		{{.class = OUTBOUND_NOT_SENT}, CONNECT_UNAVAILABLE, 1},
		{{.class = OUTBOUND_RATE_LIMITED}, CONNECT_UNAVAILABLE, 1},
		{{.class = OUTBOUND_OUTCOME_UNKNOWN}, CONNECT_OK, 6},
	};
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_answer(OUTBOUND_D360_WEBHOOK_SET, &rows[i].set);
		if (rotate(&serving, out.id, "webhook_secret", OTHER_KEY, false, &out, &report) != rows[i].err)
			fail_msg("row %zu: %s", i, report.detail);
		assert_int_equal(version_of("webhook_secret"), rows[i].version);
		assert_int_equal(verifiers_now(verifiers), rows[i].version == 1 ? 1 : 2);
	}
	removed(out.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_test_moves_the_status),
		cmocka_unit_test(a_test_learns_the_number),
		cmocka_unit_test(registered_again_when_asked_to),
		cmocka_unit_test(a_cached_secret_ends_in_time),
		cmocka_unit_test(a_header_that_was_not_set),
		cmocka_unit_test(a_new_key_replaces_the_old),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
