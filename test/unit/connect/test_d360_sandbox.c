/*
 * Connecting with 360dialog's sandbox: how it is known, that nothing of it goes to the live
 * host, and that everybody may try it.
 */
#include "test/unit/connect/shop.h"

#include <string.h>

#define SANDBOX_KEY "5511467334920_sandbox"

static const bool yes = true, no = false;
static const struct keys trial = {.key = SANDBOX_KEY};

static void live_was_not_asked(void)
{
	assert_int_equal(fake_asked(OUTBOUND_D360_HEALTH), 0);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK), 0);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
}

static void known_by_its_key_or_said(void **state)
{
	static const struct {
		struct keys keys;
		bool sandbox;
	} rows[] = {
		{{.key = SANDBOX_KEY}, true},
		{{.key = SANDBOX_KEY, .sandbox = &no}, false},
		{{.key = API_KEY}, false},
		{{.key = API_KEY, .sandbox = &yes}, true},
		{{.key = "5511467334920_sandbox_AK"}, false},
		{{.key = "5511467334920-Sandbox"}, false},
		{{.key = "_sandbox"}, false},
		{{.key = SANDBOX_KEY, .skip = true}, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct store_connection out, read;
		struct connect_report report;

		fake_reset();
		assert_int_equal(connect_key(&serving, "shop", &rows[i].keys, &out, &report), CONNECT_OK);
		assert_int_equal(store_connection_get(shop_store(), "shop", out.id, &read), STORE_OK);
		if (out.sandbox != rows[i].sandbox || read.sandbox != rows[i].sandbox)
			fail_msg("%s: sandbox %d, stored %d", rows[i].keys.key, out.sandbox, read.sandbox);
		if (rows[i].sandbox)
			live_was_not_asked();
		else
			assert_int_equal(fake_asked(OUTBOUND_D360_SANDBOX_WEBHOOK), 0);
		removed(out.id);
	}
}

static void connected(void **state)
{
	const struct keys claimed = {.key = SANDBOX_KEY, .number = "3003"};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &trial, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	assert_string_equal(out.phone_number_id, "");
	assert_int_equal(report.checks_len, 4);
	assert_int_equal(result_of(&report, "key"), CONNECT_CHECK_OK);
	assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_SKIPPED);
	assert_int_equal(result_of(&report, "callback"), CONNECT_CHECK_OK);
	assert_string_equal(detail_of(&report, "webhook"), "waiting for the first webhook from 360dialog's sandbox");
	/* looked, set, read back */
	assert_int_equal(fake_asked(OUTBOUND_D360_SANDBOX_WEBHOOK), 2);
	assert_int_equal(fake_asked(OUTBOUND_D360_SANDBOX_WEBHOOK_SET), 1);
	live_was_not_asked();
	assert_string_equal(connect_provider_name(&out), "360dialog's sandbox");
	removed(out.id);

	/* a number that is given is believed, but proves nothing */
	assert_int_equal(connect_key(&serving, "shop", &claimed, &out, &report), CONNECT_OK);
	assert_string_equal(out.phone_number_id, "3003");
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	removed(out.id);
}

static void what_it_answers(void **state)
{
	static const struct {
		struct fake_says look;
		enum connect_error err;
		enum store_connection_status status;
		enum connect_check_result key;
	} rows[] = {
		{{.class = OUTBOUND_AUTH}, CONNECT_CREDENTIAL_REFUSED, 0, 0},
		{{.err = OUTBOUND_TIMEOUT}, CONNECT_OK, STORE_CONNECTION_PENDING, CONNECT_CHECK_WAITING},
		{{.class = OUTBOUND_RATE_LIMITED}, CONNECT_OK, STORE_CONNECTION_PENDING, CONNECT_CHECK_WAITING},
		{{.class = OUTBOUND_MESSAGE}, CONNECT_OK, STORE_CONNECTION_PENDING, CONNECT_CHECK_WAITING},
		{{.class = OUTBOUND_ACCOUNT}, CONNECT_OK, STORE_CONNECTION_BLOCKED, CONNECT_CHECK_OK},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_reset();
		fake_answer(OUTBOUND_D360_SANDBOX_WEBHOOK, &rows[i].look);
		assert_int_equal(connect_key(&serving, "shop", &trial, &out, &report), rows[i].err);
		live_was_not_asked();
		if (rows[i].err != CONNECT_OK) {
			assert_string_equal(report.field, "api_key");
			assert_int_equal(stored(), 0);
			continue;
		}
		assert_int_equal(out.status, rows[i].status);
		assert_int_equal(result_of(&report, "key"), rows[i].key);
		removed(out.id);
	}
	fake_reset();
	fake_owner(OUTBOUND_D360_SANDBOX_WEBHOOK, "foreign");
	assert_int_equal(connect_key(&serving, "shop", &trial, &out, &report), CONNECT_WEBHOOK_TAKEN);
	assert_int_equal(stored(), 0);
}

static void later_it_stays_with_the_sandbox(void **state)
{
	struct secret *next = secret_new(API_KEY, strlen(API_KEY));
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &trial, &out, &report), CONNECT_OK);
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	fake_owner(OUTBOUND_D360_SANDBOX_WEBHOOK, "none");
	assert_int_equal(connect_register(&serving, "shop", out.id, false, &out, &report), CONNECT_OK);
	assert_string_equal(fake_owner_now(OUTBOUND_D360_SANDBOX_WEBHOOK), "ours");
	/* whatever the new key looks like */
	assert_int_equal(connect_rotate(&serving, "shop", out.id, "api_key", next, false, &out, &report), CONNECT_OK);
	assert_true(out.sandbox);
	fake_answer(OUTBOUND_D360_SANDBOX_WEBHOOK, &(struct fake_says){.class = OUTBOUND_AUTH});
	assert_int_equal(connect_rotate(&serving, "shop", out.id, "api_key", next, false, &out, &report),
		CONNECT_CREDENTIAL_REFUSED);
	assert_string_equal(report.detail, "360dialog's sandbox refuses it; nothing was changed");
	assert_int_equal(connect_test(&serving, "shop", out.id, &out, &report), CONNECT_OK);
	assert_int_equal(out.status, STORE_CONNECTION_KEY_REFUSED);
	live_was_not_asked();
	removed(out.id);
	secret_free(next);
}

static void everybody_may_try_it(void **state)
{
	const struct keys claimed = {.key = SANDBOX_KEY, .number = "3003"};
	struct store_connection mine, theirs, live;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&serving, "shop", &claimed, &mine, &report), CONNECT_OK);
	fake_reset();
	assert_int_equal(connect_key(&serving, "rival", &claimed, &theirs, &report), CONNECT_OK);
	assert_int_equal(connect_key(&serving, "rival", &key_plain, &live, &report), CONNECT_OK);
	assert_string_equal(live.phone_number_id, "3003");
	assert_int_equal(store_connection_remove(shop_store(), "rival", theirs.id), STORE_OK);
	assert_int_equal(store_connection_remove(shop_store(), "rival", live.id), STORE_OK);
	removed(mine.id);
}

static void its_own_address_decides_about_https(void **state)
{
	struct connect c = serving;

	(void)state;
	c.public_url = "http://127.0.0.1:8080";
	for (int i = 0; i < 4; i++) {
		struct store_connection out;
		struct connect_report report;

		c.d360_is_loopback = i % 2 == 1;
		c.d360_sandbox_is_loopback = i >= 2;
		fake_reset();
		assert_int_equal(connect_key(&c, "shop", &trial, &out, &report), CONNECT_OK);
		assert_int_equal(result_of(&report, "callback"), i >= 2 ? CONNECT_CHECK_OK : CONNECT_CHECK_FAILED);
		removed(out.id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_by_its_key_or_said),
		cmocka_unit_test(connected),
		cmocka_unit_test(what_it_answers),
		cmocka_unit_test(later_it_stays_with_the_sandbox),
		cmocka_unit_test(everybody_may_try_it),
		cmocka_unit_test(its_own_address_decides_about_https),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
