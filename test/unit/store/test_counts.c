/*
 * The operator's counts: right after every kind of change, also those that a removal
 * brings with it, and not read from the log.
 */
#include <time.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_counts counts_of(struct store *s)
{
	struct store_counts c;

	assert_int_equal(store_counts(s, &c), STORE_OK);
	return c;
}

static bool retry(const struct store_message *m, void *arg)
{
	struct store_outcome o = {.business_id = m->business_id,
		.message_id = m->id,
		.attempt = m->attempts,
		.to = STORE_MESSAGE_RETRY,
		.next_at = INT64_MAX};

	assert_int_equal(store_outbox_settle(arg, &o), STORE_OK);
	return true;
}

static void test_what_waits(void **state)
{
	struct store *s = store_of(state);
	struct store_counts c = counts_of(s);
	struct seen seen = {0};
	char event[STORE_ID_LEN + 1];

	assert_int_equal(c.businesses, 2);
	assert_int_equal(c.connections, 2);
	assert_int_equal(c.unsettled + c.asks + c.queued + c.retrying + c.sending, 0);
	add_event(s, event);
	add_event(s, event);
	add_event(s, event);
	question(s, "one", CONNECTION_ONE, 1);
	question(s, "two", CONNECTION_TWO, 1);
	assert_int_equal(store_ask_lease(s, 1, 1, 1, see_ask, &seen), STORE_OK);
	queue(s, "one", CONNECTION_ONE, 1, 0);
	assert_int_equal(lease_due(s, 1, 10, 10, retry, s), STORE_OK);
	queue(s, "two", CONNECTION_TWO, 1, 0);
	queue(s, "two", CONNECTION_TWO, 2, 0);
	assert_int_equal(lease_due(s, 1, 10, 10, see_message, &seen), STORE_OK);
	for (uint8_t i = 3; i < 7; i++)
		queue(s, "one", CONNECTION_ONE, i, 0);
	c = counts_of(s);
	assert_int_equal(c.unsettled, 3);
	assert_int_equal(c.asks, 2);
	assert_int_equal(c.queued, 4);
	assert_int_equal(c.retrying, 1);
	assert_int_equal(c.sending, 2);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	c = counts_of(s);
	assert_int_equal(c.businesses, 2);
	assert_int_equal(c.connections, 1);
	assert_int_equal(c.asks, 1);
	assert_int_equal(c.queued + c.retrying, 0);
	assert_int_equal(c.sending, 2);
	assert_int_equal(store_business_remove(s, "two", NULL), STORE_OK);
	c = counts_of(s);
	assert_int_equal(c.businesses, 1);
	assert_int_equal(c.connections, 0);
	assert_int_equal(c.sending, 0);
}

static struct store_outbox_counts outbox_of(struct store *s, const char *business, int64_t since)
{
	struct store_outbox_counts c;

	assert_int_equal(store_outbox_counts(s, business, since, &c), STORE_OK);
	return c;
}

static void log_unknown(struct store *s, int64_t at)
{
	struct store_message m = outbound("one", CONNECTION_ONE, 9);
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};

	m.state = STORE_MESSAGE_UNKNOWN;
	m.created_at = at;
	(void)settle_one(s, "one", CONNECTION_ONE, u);
}

/* More than a page of a list holds. */
static void test_a_shops_outbox(void **state)
{
	struct store *s = store_of(state);
	const int64_t hour = 3600000;
	struct seen seen = {0};

	log_unknown(s, 9 * hour);
	log_unknown(s, 10 * hour);
	log_unknown(s, 12 * hour);
	/* Out of turn, as an event that waited is. */
	log_unknown(s, 9 * hour + 1);
	log_unknown(s, 11 * hour);
	assert_int_equal(outbox_of(s, "one", 10 * hour).unknown, 3);
	assert_int_equal(outbox_of(s, "one", 0).unknown, 5);
	assert_int_equal(outbox_of(s, "one", 10 * hour).waiting, 0);
	for (unsigned i = 0; i < STORE_LIST_MAX + 50; i++)
		queue(s, "one", CONNECTION_ONE, (uint8_t)i, 0);
	queue(s, "two", CONNECTION_TWO, 1, 0);
	assert_int_equal(lease_due(s, 1, 1, 1, retry, s), STORE_OK);
	assert_int_equal(lease_due(s, 1, 1, 1, see_message, &seen), STORE_OK);
	assert_int_equal(outbox_of(s, "one", 0).waiting, STORE_LIST_MAX + 50);
	assert_int_equal(outbox_of(s, "one", 10 * hour).unknown, 3);
	assert_int_equal(outbox_of(s, "two", 0).waiting, 1);
	assert_int_equal(outbox_of(s, "two", 0).unknown, 0);
	assert_int_equal(outbox_of(s, "nobody", 0).waiting, 0);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	assert_true(outbox_of(s, "one", 0).waiting <= 1); /* what is on its way */
}

static enum store_error run_backlog(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, content) "
		"SELECT printf('f%025d', i), 'one', '" CONNECTION_ONE "', '1001', 2, 2, 'text', "
		"CAST(printf('%016d', i) AS BLOB), 0, 1, 1, 1, 0, 0, '', zeroblob(300) FROM n");
}

/* A page waits for it. */
static void test_a_large_backlog(void **state)
{
	struct store *s = store_of(state);
	struct timespec begin, end;
	int64_t took;

	assert_int_equal(core_write(s, run_backlog, NULL), STORE_OK);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
	assert_int_equal(outbox_of(s, "one", 1).waiting, 100000);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	took = (int64_t)(end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	print_message("a backlog of 100000 counted in %lld us\n", (long long)took);
	assert_true(took < 1000000);
}

static enum store_error run_fill(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) "
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, content) "
		"SELECT printf('f%025d', i), 'one', '" CONNECTION_ONE "', '1001', 2, 5 + 5 * (i % 3 > 0), 'text', "
		"CAST(printf('%016d', i % 1000) AS BLOB), 0, 1, 1, 1, 0, 0, '', zeroblob(300) FROM n");
}

static void test_the_log_is_not_read(void **state)
{
	struct store *s = store_of(state);
	struct timespec begin, end;
	int64_t took;

	assert_int_equal(core_write(s, run_fill, NULL), STORE_OK);
	queue(s, "one", CONNECTION_ONE, 1, 0);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	assert_int_equal(counts_of(s).queued, 1);
	clock_gettime(CLOCK_MONOTONIC, &end);
	took = (int64_t)(end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000;
	print_message("counted beside 100000 messages in %lld us\n", (long long)took);
	assert_true(took < 20000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_waits),
		TEST(test_a_shops_outbox),
		TEST(test_a_large_backlog),
		TEST(test_the_log_is_not_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
