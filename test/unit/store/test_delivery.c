/*
 * What came of a connection's webhooks, added up in the store: over a restart, for its own business alone, gone with it.
 */
#include "test/unit/store/helper.h"

struct found {
	struct store_delivery rows[4];
	size_t len;
};

static bool find(const struct store_delivery *d, void *arg)
{
	struct found *f = arg;

	f->rows[f->len++] = *d;
	return f->len < 4;
}

static struct found deliveries_of(struct store *s, const char *business_id)
{
	struct found f = {.len = 0};

	assert_int_equal(store_delivery_list(s, business_id, find, &f), STORE_OK);
	return f;
}

static struct store_delivery row(const char *business_id, const char *connection_id, int64_t accepted, int64_t refused,
	const char *why, int count)
{
	struct store_delivery d = {.accepted_at = accepted, .refused_at = refused, .refused_count = count};

	(void)snprintf(d.business_id, sizeof(d.business_id), "%s", business_id);
	(void)snprintf(d.connection_id, sizeof(d.connection_id), "%s", connection_id);
	(void)snprintf(d.refused_why, sizeof(d.refused_why), "%s", why);
	return d;
}

/* The store adds up as memory does. */
static void test_notes_add_up(void **state)
{
	struct house *h = *state;
	struct store_delivery vague = row("one", CONNECTION_ONE, 0, 13, "no_proof", 2);
	const struct store_delivery notes[] = {
		row("one", CONNECTION_ONE, 0, 5, "no_proof", 2),
		row("one", CONNECTION_ONE, 0, 6, "wrong_signature", 1),
		row("one", CONNECTION_ONE, 9, 0, "", 0),
		row("one", CONNECTION_ONE, 8, 10, "too_large", 3), /* a late one */
		row("one", CONNECTION_ONE, 0, 11, "wrong_signature", 4),
		/* of events that were settled once more, or late */
		row("one", CONNECTION_ONE, 7, 0, "", 0),
		row("one", CONNECTION_ONE, 0, 7, "wrong_number", 1),
	};
	struct store_delivery sum = row("one", CONNECTION_ONE, 0, 0, "", 0), kept;

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		assert_int_equal(store_deliveries_note(h->store, &notes[i], 1), STORE_OK);
		store_delivery_add(&sum, &notes[i]);
		assert_int_equal(deliveries_of(h->store, "one").len, 1);
		assert_memory_equal(&deliveries_of(h->store, "one").rows[0], &sum, sizeof(sum));
	}
	assert_int_equal(sum.accepted_at, 9);
	assert_int_equal(sum.refused_at, 11);
	assert_int_equal(sum.refused_count, 7);
	assert_string_equal(sum.refused_why, "wrong_signature");
	house_close(h);
	house_open(h);
	assert_memory_equal(&deliveries_of(h->store, "one").rows[0], &sum, sizeof(sum));

	/* What any stranger may cause hides no reason since the last good one, but counts. */
	vague.vague = true;
	assert_int_equal(store_deliveries_note(h->store, &vague, 1), STORE_OK);
	kept = deliveries_of(h->store, "one").rows[0];
	assert_int_equal(kept.refused_at, 11);
	assert_int_equal(kept.refused_count, 9);
	assert_string_equal(kept.refused_why, "wrong_signature");
	vague.accepted_at = 12;
	assert_int_equal(store_deliveries_note(h->store, &vague, 1), STORE_OK);
	kept = deliveries_of(h->store, "one").rows[0];
	assert_int_equal(kept.refused_at, 13);
	assert_int_equal(kept.refused_count, 2);
	assert_string_equal(kept.refused_why, "no_proof");
}

static void test_whose_they_are(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	const struct store_delivery notes[] = {
		row("two", CONNECTION_ONE, 5, 0, "", 0),
		row("one", "0000000000000000000000none", 5, 0, "", 0),
		row("two", CONNECTION_TWO, 6, 0, "", 0),
	};

	assert_int_equal(store_deliveries_note(s, notes, 3), STORE_OK);
	assert_int_equal(deliveries_of(s, "one").len, 0);
	assert_int_equal(deliveries_of(s, "two").len, 1);
	assert_int_equal(deliveries_of(s, "two").rows[0].accepted_at, 6);
	assert_int_equal(store_deliveries_note(s, notes, STORE_DELIVERIES_MAX + 1), STORE_INVALID);
	assert_int_equal(store_connection_remove(s, "two", CONNECTION_TWO), STORE_OK);
	assert_int_equal(deliveries_of(s, "two").len, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_notes_add_up),
		TEST(test_whose_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
