/*
 * Goal of this test: what a business's sends met is counted by connection and code, from its own messages of that time
 * alone, with what went well since.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

#define NOW INT64_C(1790000000000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static int64_t later; /* than it was made, a message got its state */

static void met(struct store *s, const char *business, const char *connection, enum store_message_state to,
	int32_t code, const char *reason, int64_t at)
{
	struct store_message m = outbound(business, connection, 1);
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};

	m.state = to;
	m.error_code = code;
	(void)snprintf(m.reason, sizeof(m.reason), "%s", reason);
	m.created_at = at;
	m.updated_at = at + later;
	(void)settle_one(s, business, connection, u);
}

struct found {
	struct store_trouble rows[40];
	size_t len;
};

static bool take(const struct store_trouble *t, void *arg)
{
	struct found *f = arg;

	f->rows[f->len++] = *t;
	return true;
}

static struct found found_of(struct store *s, const char *business, int64_t since)
{
	struct found f = {.len = 0};

	assert_int_equal(store_trouble_list(s, business, since, take, &f), STORE_OK);
	return f;
}

static void codes_are_counted(void **state)
{
	struct store *s = store_of(state);
	struct found f;

	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_SENT, 0, "", NOW);
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_DEAD, 131047, "old words", NOW + 1);
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_DEAD, 131047, "new words", NOW + 2);
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_RETRY, 131042, "pay", NOW + 3);
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_FAILED, 0, "lack of payment", NOW + 4);
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_QUEUED, 0, "", NOW + 5);
	met(s, "two", CONNECTION_TWO, STORE_MESSAGE_DEAD, 132015, "theirs", NOW + 6);
	f = found_of(s, "one", NOW);
	assert_int_equal(f.len, 3);
	assert_int_equal(f.rows[0].error_code, 0);
	assert_string_equal(f.rows[0].reason, "lack of payment");
	assert_int_equal(f.rows[1].error_code, 131042);
	assert_int_equal(f.rows[1].last_at, NOW + 3);
	assert_int_equal(f.rows[2].error_code, 131047);
	assert_int_equal(f.rows[2].count, 2);
	assert_int_equal(f.rows[2].last_at, NOW + 2);
	assert_string_equal(f.rows[2].reason, "new words");
	assert_string_equal(f.rows[2].connection_id, CONNECTION_ONE);
	for (size_t i = 0; i < f.len; i++)
		assert_int_equal(f.rows[i].accepted_at, NOW);
	f = found_of(s, "two", NOW);
	assert_int_equal(f.len, 1);
	assert_int_equal(f.rows[0].accepted_at, 0);
}

/* An old message that is read only now says nothing of those that were refused since. */
static void accepted_goes_by_when_it_was_made(void **state)
{
	struct store *s = store_of(state);
	struct store_trouble t;

	later = 10000;
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_READ, 0, "", NOW);
	later = 0;
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_RETRY, 131042, "pay", NOW + 5);
	t = found_of(s, "one", NOW).rows[0];
	assert_int_equal(t.accepted_at, NOW);
	assert_int_equal(t.made_at, NOW + 5);
}

static void what_is_older_does_not_count(void **state)
{
	struct store *s = store_of(state);

	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_DEAD, 131047, "old", NOW - 1);
	met(s, "one", CONNECTION_ONE, STORE_MESSAGE_DEAD, 131047, "new", NOW);
	assert_int_equal(found_of(s, "one", NOW).rows[0].count, 1);
	assert_int_equal(found_of(s, "one", NOW + 1).len, 0);
	assert_int_equal(found_of(s, "nobody", 0).len, 0);
}

static void kinds_have_a_limit(void **state)
{
	struct store *s = store_of(state);

	for (int i = 0; i < 40; i++)
		met(s, "one", CONNECTION_ONE, STORE_MESSAGE_DEAD, 1000 + i, "x", NOW + i);
	assert_int_equal(found_of(s, "one", NOW).len, 32);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(codes_are_counted),
		TEST(accepted_goes_by_when_it_was_made),
		TEST(what_is_older_does_not_count),
		TEST(kinds_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
