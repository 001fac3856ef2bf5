/*
 * Activity: what happened on which day, how long answers took, nobody else's, and soon
 * enough for a page.
 */
#include <time.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)
#define FIRST (INT64_C(20000) * DAY)
#define LAST (STORE_ACTIVITY_DAYS - 1)
#define MINUTE INT64_C(60000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static void log_one(struct store *s, const char *business, struct store_message m, int64_t at)
{
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};

	m.created_at = at;
	(void)settle_one(s, business, m.connection_id, u);
}

static void came(struct store *s, uint8_t conversation, int64_t at)
{
	log_one(s, "one", message("one", CONNECTION_ONE, conversation), at);
}

static void ordered(struct store *s, enum store_direction direction, int64_t at)
{
	struct store_message m =
		direction == STORE_INBOUND ? message("one", CONNECTION_ONE, 9) : outbound("one", CONNECTION_ONE, 9);

	memcpy(m.type, "order", 6);
	log_one(s, "one", m, at);
}

static void went(struct store *s, uint8_t conversation, enum store_message_state to, int64_t at)
{
	struct store_message m = outbound("one", CONNECTION_ONE, conversation);

	m.state = to;
	log_one(s, "one", m, at);
}

static struct store_activity activity_of(struct store *s, const char *business)
{
	struct store_activity a;

	assert_int_equal(store_activity(s, business, FIRST, &a), STORE_OK);
	return a;
}

static void same(const struct store_activity_sum *sum, int64_t received, int64_t answered, int64_t failed,
	int64_t conversations, int64_t answer_ms)
{
	assert_int_equal(sum->received, received);
	assert_int_equal(sum->answered, answered);
	assert_int_equal(sum->failed, failed);
	assert_int_equal(sum->conversations, conversations);
	assert_int_equal(sum->answer_ms, answer_ms);
}

static void test_days(void **state)
{
	struct store *s = store_of(state);
	struct store_activity a;

	came(s, 1, FIRST - 1);
	came(s, 1, FIRST);
	went(s, 1, STORE_MESSAGE_FAILED, FIRST + 1);
	went(s, 1, STORE_MESSAGE_READ, FIRST + DAY - 1);
	came(s, 2, FIRST + DAY);
	went(s, 3, STORE_MESSAGE_DEAD, FIRST + DAY + 1);
	went(s, 3, STORE_MESSAGE_UNKNOWN, FIRST + DAY + 2);
	came(s, 1, FIRST + (int64_t)LAST * DAY);
	came(s, 1, FIRST + (int64_t)STORE_ACTIVITY_DAYS * DAY + 5);
	log_one(s, "two", message("two", CONNECTION_TWO, 1), FIRST);
	a = activity_of(s, "one");
	same(&a.days[0], 1, 1, 1, 1, DAY - 1);
	same(&a.days[1], 1, 0, 1, 2, -1);
	same(&a.days[2], 0, 0, 0, 0, -1);
	same(&a.days[LAST], 2, 0, 0, 1, -1);
	same(&a.all, 4, 1, 2, 3, DAY - 1);
	assert_int_equal(a.cut_at, 0);
	a = activity_of(s, "two");
	same(&a.all, 1, 0, 0, 1, -1);
	a = activity_of(s, "nobody");
	same(&a.all, 0, 0, 0, 0, -1);
}

/* What customers ordered, and nothing that a shop sent. */
static void test_orders(void **state)
{
	struct store *s = store_of(state);
	struct store_activity a;

	ordered(s, STORE_INBOUND, FIRST - 1);
	ordered(s, STORE_INBOUND, FIRST + 5 * DAY);
	ordered(s, STORE_INBOUND, FIRST + 5 * DAY + 1);
	ordered(s, STORE_OUTBOUND, FIRST + 5 * DAY + 2);
	came(s, 1, FIRST + 5 * DAY + 3);
	ordered(s, STORE_INBOUND, FIRST + (int64_t)LAST * DAY);
	a = activity_of(s, "one");
	assert_int_equal(a.days[5].orders, 2);
	assert_int_equal(a.days[5].received, 3);
	assert_int_equal(a.days[LAST].orders, 1);
	assert_int_equal(a.all.orders, 3);
	assert_int_equal(activity_of(s, "two").all.orders, 0);
}

/* The middle one of 1, 2 and 9 minutes; two questions before one answer both waited for it. */
static void test_median(void **state)
{
	struct store *s = store_of(state);
	struct store_activity a;

	came(s, 1, FIRST);
	came(s, 1, FIRST + MINUTE);
	went(s, 1, STORE_MESSAGE_DEAD, FIRST + MINUTE);
	went(s, 1, STORE_MESSAGE_SENT, FIRST + 2 * MINUTE);
	came(s, 2, FIRST + 3 * MINUTE);
	came(s, 3, FIRST + 4 * MINUTE);
	went(s, 2, STORE_MESSAGE_DELIVERED, FIRST + 12 * MINUTE);
	a = activity_of(s, "one");
	same(&a.days[0], 4, 2, 1, 3, 2 * MINUTE);
	came(s, 3, FIRST + DAY);
	went(s, 3, STORE_MESSAGE_SENT, FIRST + DAY + 20 * MINUTE);
	a = activity_of(s, "one");
	same(&a.days[1], 1, 1, 0, 1, 20 * MINUTE);
	/* 1, 2, 9, 20 minutes and a day: the one that waited since the day before */
	same(&a.all, 5, 3, 1, 3, 9 * MINUTE);
}

static enum store_error run_many(struct db *db, void *arg)
{
	const unsigned *many = arg;
	struct query q = query_start(db,
		"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1) "
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, content) "
		"SELECT 'm' || i, CASE WHEN i % 4 = 3 THEN 'two' ELSE 'one' END, 'c', '1', 1 + i % 2, "
		"CASE i % 2 WHEN 0 THEN 1 ELSE 7 END, 'text', "
		"randomblob(16), 0, ?2 + i * 10, 0, 0, 1, 0, '', randomblob(700) FROM n");

	query_int(&q, *many);
	query_int(&q, FIRST);
	return query_finish(&q);
}

static double spent_ms(struct store *s, struct store_activity *a)
{
	struct timespec from, to;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
	*a = activity_of(s, "one");
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to), 0);
	return (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

/* Each in a conversation of its own, which is the worst; another shop's lie between them. */
static void test_a_hundred_thousand(void **state)
{
	struct house *h = *state;
	unsigned many = 133333;
	struct store_activity a;
	double ms;

	assert_int_equal(core_write(h->store, run_many, &many), STORE_OK);
	/* Into the file, where a shop's log mostly lies. */
	house_close(h);
	house_open(h);
	ms = spent_ms(h->store, &a);
	print_message("100,000 messages: %.0f ms\n", ms);
	assert_int_equal(a.all.received + a.all.answered, STORE_ACTIVITY_ROWS_MAX);
	assert_int_equal(a.all.conversations, STORE_ACTIVITY_ROWS_MAX);
	/* The 50,001st from the end: of every four messages three are this shop's. */
	assert_int_equal(a.cut_at, FIRST + INT64_C(10) * 66665);
	/* The page wants 100 ms. Reading everything would be seconds, and a machine may be busy or slowed by a sanitizer. */
	assert_true(ms < 1000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_days),
		TEST(test_orders),
		TEST(test_median),
		TEST(test_a_hundred_thousand),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
