/*
 * The customer service window: open by what the log has, closed only where nothing can have been missed, and not known
 * wherever something may have been.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/finding.h"
#include "test/unit/outbound/desk.h"

#define HOUR INT64_C(3600000)
#define CONNECTION "connection-1"
#define TEXT "{\"to\":\"+15551234567\",\"type\":\"text\",\"text\":{\"body\":\"hello\"}}"
#define TO_USER "{\"recipient\":\"US.12345\",\"type\":\"text\",\"text\":{\"body\":\"hello\"}}"
#define TEMPLATE                                                                                                       \
	"{\"to\":\"+15551234567\",\"type\":\"template\",\"template\":{\"name\":\"a\",\"language\":{\"code\":\"en\"}}}"
#define GROUP "{\"recipient_type\":\"group\",\"to\":\"g1\",\"type\":\"text\",\"text\":{\"body\":\"hello\"}}"

static struct desk desk;
static struct store_connection connection;

static int setup(void **state)
{
	const int64_t now = store_now_ms();
	const struct store_delivery delivery = {
		.business_id = BUSINESS, .connection_id = CONNECTION, .accepted_at = now - HOUR};

	(void)state;
	desk_open(&desk, NULL);
	connection = (struct store_connection){.provider = STORE_META,
		.status = STORE_CONNECTION_ACTIVE,
		.created_at = now - 100 * HOUR,
		.state_at = now - 99 * HOUR};
	(void)snprintf(connection.id, sizeof(connection.id), "%s", CONNECTION);
	(void)snprintf(connection.business_id, sizeof(connection.business_id), "%s", BUSINESS);
	(void)snprintf(connection.phone_number_id, sizeof(connection.phone_number_id), "1001");
	fake_connection(&connection);
	fake_delivery(&delivery);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)house_close(&desk.h);
	fake_reset();
	return 0;
}

static struct store_message whose(void)
{
	struct store_message m = {.direction = STORE_OUTBOUND, .number = "1001"};

	(void)snprintf(m.business_id, sizeof(m.business_id), "%s", BUSINESS);
	(void)snprintf(m.connection_id, sizeof(m.connection_id), "%s", CONNECTION);
	return m;
}

static struct outbound_window look(const char *json)
{
	const struct store_message m = whose();
	struct outbound_window w = {.until = -1};

	assert_int_equal(outbound_window(desk.h.tenants, json, strlen(json), &m, &w), OUTBOUND_OK);
	return w;
}

static enum outbound_window_is is(void)
{
	return look(TEXT).is;
}

static void heard(int64_t at)
{
	const struct store_heard h = {.at = at, .all = true};

	fake_heard(&h);
}

/* One of the customer's, as intake logs it. */
static void wrote(int64_t at, const char *content)
{
	struct store_message m = whose();
	struct tenant_place place = {m.business_id, "messages", m.id, "content", 1};
	uint8_t *blob;

	store_id_new(m.id);
	m.direction = STORE_INBOUND;
	m.created_at = at;
	assert_int_equal(
		tenant_conversation(desk.h.tenants, BUSINESS, "1001", "15551234567", m.conversation), TENANT_OK);
	assert_int_equal(
		tenant_seal(desk.h.tenants, &place, content, strlen(content), &blob, &m.content_len), TENANT_OK);
	m.content = blob;
	fake_message(&m);
	free(blob);
}

static void test_open_for_a_day(void **state)
{
	const int64_t now = store_now_ms();
	struct outbound_window w;

	(void)state;
	heard(now - 23 * HOUR);
	w = look(TEXT);
	assert_int_equal(w.is, OUTBOUND_WINDOW_OPEN);
	assert_int_equal(w.until, now + HOUR);
	assert_int_equal(look(TO_USER).is, OUTBOUND_WINDOW_OPEN);
	heard(now - 25 * HOUR);
	w = look(TEXT);
	assert_int_equal(w.is, OUTBOUND_WINDOW_CLOSED);
	assert_int_equal(w.heard_at, now - 25 * HOUR);
	heard(0);
	w = look(TEXT);
	assert_int_equal(w.is, OUTBOUND_WINDOW_CLOSED);
	assert_int_equal(w.heard_at, 0);
}

static void test_what_needs_none(void **state)
{
	const struct store_message m = whose();
	struct outbound_window w;

	(void)state;
	assert_int_equal(look(TEMPLATE).is, OUTBOUND_WINDOW_NONE);
	assert_int_equal(look(GROUP).is, OUTBOUND_WINDOW_NONE);
	assert_int_equal(outbound_window(desk.h.tenants, "no json", 7, &m, &w), OUTBOUND_INVALID);
	assert_int_equal(outbound_window(desk.h.tenants, "{}", 2, &m, &w), OUTBOUND_INVALID);
}

/* Each makes it so that something may have been missed. */
static void test_not_known(void **state)
{
	const int64_t now = store_now_ms();
	const struct store_heard further = {.at = 0, .all = false}, waiting = {.at = 0, .all = true, .unsettled = true};
	struct store_connection c = connection;
	struct store_delivery d = {.business_id = BUSINESS, .connection_id = CONNECTION, .accepted_at = now - HOUR};
	const struct store_delivery good = d;

	(void)state;
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);
	fake_heard(&further);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	fake_heard(&waiting);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	heard(now - 30 * HOUR);
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);

	c.created_at = now - 23 * HOUR;
	fake_connection_change(&c);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	c = connection;
	c.state_at = now - 23 * HOUR;
	fake_connection_change(&c);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	c = connection;
	c.status = STORE_CONNECTION_PENDING;
	fake_connection_change(&c);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	c.status = STORE_CONNECTION_WEBHOOK_TAKEN;
	fake_connection_change(&c);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	c.status = STORE_CONNECTION_KEY_REFUSED;
	fake_connection_change(&c);
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);

	fake_findings(FINDING_BIT(FINDING_FIELD_OFF));
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	fake_findings(FINDING_BIT(FINDING_QUALITY_LOW));
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);

	d.accepted_at = 0;
	fake_delivery(&d);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	d = good;
	d.refused_count = 1;
	d.refused_at = now - 40 * HOUR;
	(void)snprintf(d.refused_why, sizeof(d.refused_why), "wrong_signature");
	fake_delivery(&d);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	d = good;
	d.refused_at = now - 2 * HOUR;
	(void)snprintf(d.refused_why, sizeof(d.refused_why), "wrong_signature");
	fake_delivery(&d);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	(void)snprintf(d.refused_why, sizeof(d.refused_why), "wrong_number"); /* it was put aside */
	fake_delivery(&d);
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);
	(void)snprintf(d.connection_id, sizeof(d.connection_id), "another");
	fake_delivery(&d);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	fake_delivery(&good);
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);
}

static void test_an_advertisement(void **state)
{
	const int64_t now = store_now_ms();
	struct outbound_window w;

	(void)state;
	heard(now - 30 * HOUR);
	wrote(now - 30 * HOUR, "{\"message\":{\"type\":\"text\",\"text\":{\"body\":\"hello\"}}}");
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);
	fake_too_many(true);
	assert_int_equal(is(), OUTBOUND_WINDOW_NOT_KNOWN);
	wrote(now - 71 * HOUR, "{\"message\":{\"type\":\"text\",\"referral\":{\"source_type\":\"ad\"}}}");
	w = look(TEXT);
	assert_int_equal(w.is, OUTBOUND_WINDOW_OPEN);
	assert_int_equal(w.until, now + HOUR);
	fake_reset();
}

static void test_an_old_advertisement(void **state)
{
	const int64_t now = store_now_ms();

	(void)state;
	heard(now - 30 * HOUR);
	wrote(now - 73 * HOUR, "{\"message\":{\"type\":\"text\",\"referral\":{\"source_type\":\"ad\"}}}");
	assert_int_equal(is(), OUTBOUND_WINDOW_CLOSED);
}

static void test_words(void **state)
{
	struct outbound_window w = {.is = OUTBOUND_WINDOW_CLOSED, .heard_at = INT64_C(1795813200000)};
	char words[OUTBOUND_WINDOW_WORDS_LEN];

	(void)state;
	outbound_window_words(&w, words);
	assert_string_equal(words,
		"the customer last wrote on 2026-11-27 at 21:00 UTC, and may be written to freely for 24 hours after "
		"he "
		"writes: now only with a template");
	w.heard_at = 0;
	outbound_window_words(&w, words);
	assert_memory_equal(words, "the customer has not written yet, and", 37);
}

static void test_expiry(void **state)
{
	struct store_message m = {.created_at = 1000};
	struct outbound_window w = {.is = OUTBOUND_WINDOW_OPEN, .until = 1000 + 25 * HOUR};

	(void)state;
	assert_int_equal(outbound_expires_at(&m), 1000 + 24 * HOUR);
	outbound_window_expiry(&w, &m);
	assert_int_equal(m.expires_at, 0);
	w.until = 1000 + 2 * HOUR;
	outbound_window_expiry(&w, &m);
	assert_int_equal(outbound_expires_at(&m), 1000 + 2 * HOUR);
	m.expires_at = 5;
	outbound_window_expiry(&w, &m);
	assert_int_equal(outbound_expires_at(&m), 5);
	m.expires_at = 0;
	w.is = OUTBOUND_WINDOW_NOT_KNOWN;
	outbound_window_expiry(&w, &m);
	assert_int_equal(m.expires_at, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_open_for_a_day),
		TEST(test_what_needs_none),
		TEST(test_not_known),
		TEST(test_an_advertisement),
		TEST(test_an_old_advertisement),
		TEST(test_words),
		TEST(test_expiry),
	};

	desk_listen();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
