/*
 * Progress: whoever listens hears each check's line once, in the report's order, and
 * before the provider is asked the next thing.
 */
#include "test/unit/connect/shop.h"

#include <pthread.h>
#include <string.h>

static struct {
	struct connect_check lines[CONNECT_CHECKS_MAX];
	unsigned asked[CONNECT_CHECKS_MAX]; /* questions until then */
	size_t len;
	pthread_t caller;
} heard;

static void hear(const struct connect_check *check, void *arg)
{
	assert_ptr_equal(arg, &heard);
	assert_true(pthread_equal(pthread_self(), heard.caller));
	assert_true(heard.len < CONNECT_CHECKS_MAX);
	heard.asked[heard.len] = fake_checks();
	heard.lines[heard.len++] = *check;
}

static struct connect listening(const struct connect *c)
{
	struct connect with = *c;

	fake_reset();
	heard.len = 0;
	heard.caller = pthread_self();
	with.told = hear;
	with.told_arg = &heard;
	return with;
}

static void heard_all(const struct connect_report *report)
{
	assert_int_equal(heard.len, report->checks_len);
	for (size_t i = 0; i < heard.len; i++) {
		assert_string_equal(heard.lines[i].name, report->checks[i].name);
		assert_int_equal(heard.lines[i].result, report->checks[i].result);
		assert_string_equal(heard.lines[i].detail, report->checks[i].detail);
	}
}

static unsigned asked_at(const char *name)
{
	for (size_t i = 0; i < heard.len; i++)
		if (strcmp(heard.lines[i].name, name) == 0)
			return heard.asked[i];
	fail_msg("%s was not told", name);
	return 0;
}

static void metas_lines_are_told(void **state)
{
	struct store_connection out;
	struct connect_report report;
	struct connect c = listening(&serving);

	(void)state;
	assert_int_equal(add(&c, &good, true, &out, &report), CONNECT_OK);
	heard_all(&report);
	assert_int_equal(heard.len, 8);
	assert_int_equal(asked_at("token"), 1);
	assert_true(asked_at("number") < asked_at("callback"));
	c = listening(&serving);
	assert_int_equal(connect_test(&c, "shop", out.id, &out, &report), CONNECT_OK);
	heard_all(&report);
	c = listening(&serving);
	assert_int_equal(connect_register(&c, "shop", out.id, false, &out, &report), CONNECT_OK);
	heard_all(&report);
	c = listening(&without_sender);
	assert_int_equal(connect_test(&c, "shop", out.id, &out, &report), CONNECT_OK);
	heard_all(&report);
	removed(out.id);
}

/* What was found before a key was refused is progress too. */
static void a_refusals_lines_are_told(void **state)
{
	struct store_connection out;
	struct connect_report report;
	struct connect c = listening(&serving);

	(void)state;
	fake_debug_token(&(struct fake_says){.class = OUTBOUND_AUTH, .code = 190});
	assert_int_equal(add(&c, &good, true, &out, &report), CONNECT_CREDENTIAL_REFUSED);
	heard_all(&report);
	assert_int_equal(result_of(&report, "app_secret"), CONNECT_CHECK_FAILED);
	assert_int_equal(stored(), 0);
}

static void dialog360s_lines_are_told(void **state)
{
	struct store_connection out;
	struct connect_report report;
	struct connect c = listening(&serving);

	(void)state;
	assert_int_equal(connect_key(&c, "shop", &key_plain, &out, &report), CONNECT_OK);
	heard_all(&report);
	assert_int_equal(heard.len, 4);
	assert_int_equal(asked_at("key"), 1);
	assert_true(asked_at("callback") > 1);
	removed(out.id);
}

/* A page has buttons, where commands and the API have words. */
static void the_remedy_is_the_readers(void **state)
{
	struct store_connection out;
	struct connect_report report;
	struct connect c = listening(&serving);

	(void)state;
	c.told = NULL;
	assert_int_equal(add(&with_sender, &good, false, &out, &report), CONNECT_OK);
	assert_int_equal(connect_test(&c, "shop", out.id, &out, &report), CONNECT_OK);
	assert_non_null(strstr(detail_of(&report, "callback"), "register it: `keyhouse connection register`"));
	c.register_by = "press the button";
	c.take_over_by = "press the other one";
	assert_int_equal(connect_test(&c, "shop", out.id, &out, &report), CONNECT_OK);
	assert_non_null(strstr(detail_of(&report, "callback"), "register it: press the button"));
	assert_non_null(strstr(detail_of(&report, "subscription"), "subscribe it: press the button"));
	fake_owner(OUTBOUND_META_APP_CALLBACK, "foreign");
	assert_int_equal(connect_test(&c, "shop", out.id, &out, &report), CONNECT_OK);
	assert_non_null(strstr(detail_of(&report, "callback"), "sent here: press the other one"));
	removed(out.id);
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	assert_int_equal(connect_key(&c, "shop", &key_plain, &out, &report), CONNECT_WEBHOOK_TAKEN);
	assert_non_null(strstr(report.detail, "sent here: press the other one"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metas_lines_are_told),
		cmocka_unit_test(a_refusals_lines_are_told),
		cmocka_unit_test(dialog360s_lines_are_told),
		cmocka_unit_test(the_remedy_is_the_readers),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
