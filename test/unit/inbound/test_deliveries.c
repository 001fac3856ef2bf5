/*
 * What came of webhooks: remembered in memory of a fixed size, written many at once, and nothing lost where the store
 * does not take it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/deliveries.h"

/* ------------------------------------------------------------ a store */

#define WRITTEN_MAX 40000u

static struct {
	struct store_delivery rows[WRITTEN_MAX];
	size_t len;
	unsigned calls, faults;
	size_t most; /* rows of one call */
	int64_t now;
} store;

enum store_error store_deliveries_note(struct store *s, const struct store_delivery *rows, size_t len)
{
	(void)s;
	store.calls++;
	if (len > store.most)
		store.most = len;
	if (store.faults > 0) {
		store.faults--;
		return STORE_FULL;
	}
	assert_true(store.len + len <= WRITTEN_MAX);
	if (len > 0)
		memcpy(&store.rows[store.len], rows, len * sizeof(*rows));
	store.len += len;
	return STORE_OK;
}

int64_t store_now_ms(void)
{
	return store.now;
}

static int setup(void **state)
{
	memset(&store, 0, sizeof(store));
	store.now = 1790000000000;
	*state = deliveries_new();
	return *state == NULL;
}

static int teardown(void **state)
{
	deliveries_free(*state);
	return 0;
}

#define ONE "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define TWO "01BBBBBBBBBBBBBBBBBBBBBBBB"

static void is_news(struct deliveries *d, const char *id, int64_t accepted, int64_t refused, const char *why, int count)
{
	struct store_delivery got = {.accepted_at = 0};

	deliveries_news(d, id, &got);
	assert_int_equal(got.accepted_at, accepted);
	assert_int_equal(got.refused_at, refused);
	assert_string_equal(got.refused_why, why);
	assert_int_equal(got.refused_count, count);
}

/* ------------------------------------------------------------ */

static void the_last_of_each_is_known(void **state)
{
	struct deliveries *d = *state;

	is_news(d, ONE, 0, 0, "", 0);
	deliveries_note(d, "shop", ONE, DELIVERY_NO_PROOF, 4);
	deliveries_note(d, "shop", ONE, DELIVERY_WRONG_SIGNATURE, 5);
	is_news(d, ONE, 0, 5, "wrong_signature", 2);
	/* Any stranger may cause it: it hides no other. */
	deliveries_note(d, "shop", ONE, DELIVERY_NO_PROOF, 6);
	is_news(d, ONE, 0, 5, "wrong_signature", 3);
	is_news(d, TWO, 0, 0, "", 0);
	deliveries_note(d, "shop", ONE, DELIVERY_NO_REASON, 7);
	is_news(d, ONE, 7, 5, "wrong_signature", 0);
	deliveries_note(d, "shop", ONE, DELIVERY_TOO_LARGE, 8);
	is_news(d, ONE, 7, 8, "too_large", 1);
}

static void every_reason_has_its_word(void **state)
{
	(void)state;
	for (unsigned i = 1; i < DELIVERY_WHYS; i++) {
		const enum delivery_why why = (enum delivery_why)i;

		assert_true(strlen(delivery_code(why)) > 0 &&
			strlen(delivery_code(why)) < sizeof(store.rows[0].refused_why));
		assert_int_equal(delivery_why(delivery_code(why)), why);
		assert_true(strlen(delivery_words(why)) > 20);
	}
	assert_int_equal(delivery_why(""), DELIVERY_NO_REASON);
	assert_int_equal(delivery_why("of a later version"), DELIVERY_NO_REASON);
}

/* What is written is no news any more, and no call has more rows than the store takes. */
static void news_are_written_once(void **state)
{
	struct deliveries *d = *state;
	char id[STORE_ID_LEN + 1];

	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(id, sizeof(id), "01%024u", i * 7919);
		deliveries_note(d, "shop", id, DELIVERY_NO_REASON, 5);
	}
	assert_int_equal(deliveries_write(d, NULL), STORE_OK);
	assert_true(store.len > 2900 && store.len <= 3000);
	assert_int_equal(store.most, STORE_DELIVERIES_MAX);
	assert_string_equal(store.rows[0].business_id, "shop");
	assert_int_equal(store.rows[0].accepted_at, 5);
	is_news(d, store.rows[0].connection_id, 0, 0, "", 0);
	store.len = 0;
	assert_int_equal(deliveries_write(d, NULL), STORE_OK);
	assert_int_equal(store.len, 0);
}

static void what_the_store_does_not_take_stays(void **state)
{
	struct deliveries *d = *state;

	store.faults = 1;
	deliveries_note(d, "shop", ONE, DELIVERY_NO_PROOF, 5);
	assert_int_equal(deliveries_write(d, NULL), STORE_FULL);
	is_news(d, ONE, 0, 5, "no_proof", 1);
	deliveries_note(d, "shop", ONE, DELIVERY_WRONG_SIGNATURE, 6);
	assert_int_equal(deliveries_write(d, NULL), STORE_OK);
	assert_int_equal(store.len, 1);
	assert_string_equal(store.rows[0].refused_why, "wrong_signature");
	assert_int_equal(store.rows[0].refused_count, 2);
}

/* Ten times as many as there is room for: memory does not grow, and the oldest are gone. */
static void it_forgets_rather_than_grows(void **state)
{
	struct deliveries *d = *state;
	char id[STORE_ID_LEN + 1];

	for (unsigned i = 0; i < 160000; i++) {
		(void)snprintf(id, sizeof(id), "01%024u", i);
		deliveries_note(d, "shop", id, DELIVERY_NO_PROOF, i + 1);
	}
	is_news(d, id, 0, 160000, "no_proof", 1);
	assert_int_equal(deliveries_write(d, NULL), STORE_OK);
	assert_int_equal(store.len, 4 * 4096);
	for (size_t i = 0; i < store.len; i++)
		assert_true(store.rows[i].refused_at > 80000);
}

/* A wrong secret is looked into at once, and then not for ten minutes, whatever strangers send. */
static void a_sign_is_told_once(void **state)
{
	struct deliveries *d = *state;
	struct inbound_refusal r;

	assert_false(deliveries_refusal(d, "shop", &r));
	assert_false(deliveries_refused(d, "shop", DELIVERY_NO_PROOF));
	assert_true(deliveries_refused(d, "shop", DELIVERY_WRONG_SIGNATURE));
	assert_false(deliveries_refused(d, "shop", DELIVERY_WRONG_SECRET_HEADER));
	assert_true(deliveries_refused(d, "shop", DELIVERY_WRONG_PLATFORM_SIGNATURE));
	assert_false(deliveries_refused(d, "shop", DELIVERY_WRONG_VERIFY_TOKEN));
	store.now += 10 * 60 * 1000 + 1;
	assert_true(deliveries_refused(d, "shop", DELIVERY_WRONG_SIGNATURE));
	assert_false(deliveries_refused(d, "shop", DELIVERY_TOO_SLOW));
	assert_true(deliveries_refusal(d, "shop", &r));
	assert_ptr_equal(r.why, delivery_words(DELIVERY_TOO_SLOW));
	assert_int_equal(r.signature_at, store.now);
	assert_true(r.platform_at > 0 && r.token_at > 0 && r.platform_at < store.now);
	assert_false(deliveries_refusal(d, "other", &r));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_last_of_each_is_known),
		TEST(every_reason_has_its_word),
		TEST(news_are_written_once),
		TEST(what_the_store_does_not_take_stays),
		TEST(it_forgets_rather_than_grows),
		TEST(a_sign_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
