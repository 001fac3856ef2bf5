/*
 * Health of connections: who is due, longest first; and each change of state is told once.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

#define HOUR INT64_C(3600000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

struct names {
	char ids[8][STORE_ID_LEN + 1];
	size_t len;
};

static bool due_one(const char *business_id, const char *connection_id, void *arg)
{
	struct names *n = arg;

	assert_string_equal(business_id, strcmp(connection_id, CONNECTION_TWO) == 0 ? "two" : "one");
	(void)snprintf(n->ids[n->len++], sizeof(n->ids[0]), "%s", connection_id);
	return true;
}

static size_t due(struct store *s, int64_t now, struct names *out)
{
	*out = (struct names){.len = 0};
	assert_int_equal(store_health_due(s, now, 8, due_one, out), STORE_OK);
	return out->len;
}

static void test_due_in_their_order(void **state)
{
	struct store *s = store_of(state);
	int64_t now = store_now_ms();
	struct names n;

	/* A new one was just looked at. */
	assert_int_equal(due(s, now + 6 * HOUR - 60000, &n), 0);
	assert_int_equal(due(s, now + 7 * HOUR + 60000, &n), 2);
	assert_int_equal(store_health_next(s, "two", CONNECTION_TWO, 1000), STORE_OK);
	assert_int_equal(store_health_next(s, "one", CONNECTION_ONE, 2000), STORE_OK);
	assert_int_equal(due(s, 999, &n), 0);
	assert_int_equal(due(s, 1999, &n), 1);
	assert_int_equal(due(s, 2000, &n), 2);
	assert_string_equal(n.ids[0], CONNECTION_TWO);
	assert_int_equal(store_health_next(s, "one", CONNECTION_TWO, 1), STORE_NOT_FOUND);

	/* What is due soon stays as it is, whoever asks; else it is due now, but not twice within a gap. */
	assert_int_equal(store_health_soon(s, "two", CONNECTION_TWO, 5000), STORE_NOT_FOUND);
	assert_int_equal(due(s, 1000, &n), 1);
	assert_int_equal(store_health_next(s, "two", CONNECTION_TWO, now + 6 * HOUR), STORE_OK);
	assert_int_equal(store_health_soon(s, "one", CONNECTION_TWO, now), STORE_NOT_FOUND);
	assert_int_equal(store_health_soon(s, "two", CONNECTION_TWO, now), STORE_OK);
	assert_int_equal(due(s, now, &n), 2);
	assert_int_equal(store_health_next(s, "two", CONNECTION_TWO, now + 6 * HOUR), STORE_OK);
	assert_int_equal(store_health_soon(s, "two", "", now), STORE_OK);
	assert_int_equal(due(s, now, &n), 2);
	assert_int_equal(store_connection_facts_put(
				 s, "two", CONNECTION_TWO, &(struct store_connection_facts){.looked_at = now - 1000}),
		STORE_OK);
	assert_int_equal(store_health_next(s, "two", CONNECTION_TWO, now + 6 * HOUR), STORE_OK);
	assert_int_equal(store_health_soon(s, "two", CONNECTION_TWO, now), STORE_OK);
	assert_int_equal(due(s, now + STORE_HEALTH_GAP_MS - 1001, &n), 1);
	assert_int_equal(due(s, now + STORE_HEALTH_GAP_MS - 1000, &n), 2);
}

static void test_the_suspended_are_left_alone(void **state)
{
	struct store *s = store_of(state);
	struct names n;

	assert_int_equal(store_health_next(s, "two", CONNECTION_TWO, 1), STORE_OK);
	assert_int_equal(store_health_next(s, "one", CONNECTION_ONE, 1), STORE_OK);
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	assert_int_equal(due(s, 10, &n), 1);
	assert_int_equal(store_business_change(s, "two", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(due(s, 10, &n), 0);
}

struct told {
	struct store_untold rows[4];
	size_t len;
};

static bool untold_one(const struct store_untold *u, void *arg)
{
	struct told *t = arg;

	t->rows[t->len++] = *u;
	return true;
}

static size_t untold(struct store *s, int64_t now, struct told *out)
{
	*out = (struct told){.len = 0};
	assert_int_equal(store_health_untold(s, now, 4, untold_one, out), STORE_OK);
	return out->len;
}

static void move(struct store *s, enum store_connection_status to)
{
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, to), STORE_OK);
}

static void test_a_change_is_told_once(void **state)
{
	struct store *s = store_of(state);
	int64_t now = store_now_ms();
	struct told t;

	assert_int_equal(untold(s, now, &t), 0);
	move(s, STORE_CONNECTION_ACTIVE);
	assert_int_equal(untold(s, now, &t), 1);
	assert_string_equal(t.rows[0].connection.id, CONNECTION_ONE);
	assert_int_equal(t.rows[0].connection.status, STORE_CONNECTION_ACTIVE);
	assert_int_equal(t.rows[0].told, STORE_CONNECTION_PENDING);
	assert_true(t.rows[0].state_at >= now);
	/* It failed: later, but a further change is told at once, as what it is by then. */
	assert_int_equal(store_health_tell_at(s, "one", CONNECTION_ONE, now + HOUR), STORE_OK);
	assert_int_equal(untold(s, now + HOUR - 1, &t), 0);
	assert_int_equal(untold(s, now + HOUR, &t), 1);
	move(s, STORE_CONNECTION_KEY_REFUSED);
	assert_int_equal(untold(s, now, &t), 1);
	assert_int_equal(t.rows[0].connection.status, STORE_CONNECTION_KEY_REFUSED);
	assert_int_equal(store_health_told(s, "two", CONNECTION_ONE, STORE_CONNECTION_KEY_REFUSED), STORE_NOT_FOUND);
	assert_int_equal(store_health_told(s, "one", CONNECTION_ONE, STORE_CONNECTION_KEY_REFUSED), STORE_OK);
	assert_int_equal(untold(s, now + 9 * HOUR, &t), 0);
	/* What changed while it was being told stays to be told. */
	move(s, STORE_CONNECTION_ACTIVE);
	move(s, STORE_CONNECTION_BLOCKED);
	assert_int_equal(store_health_told(s, "one", CONNECTION_ONE, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(untold(s, now, &t), 1);
	/* Back to what was told before anybody told it: nothing happened. */
	move(s, STORE_CONNECTION_ACTIVE);
	assert_int_equal(untold(s, now, &t), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_due_in_their_order),
		TEST(test_the_suspended_are_left_alone),
		TEST(test_a_change_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
