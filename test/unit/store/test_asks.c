/*
 * What responders are owed: who is asked and in what order, what a lease and its end
 * mean, and that one shop's backlog, or one that waits for later, delays no other.
 */
#include <time.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define NOW INT64_C(2000000000000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct seen lease(struct store *s, unsigned limit, unsigned per_business)
{
	struct seen seen = {0};

	assert_int_equal(store_ask_lease(s, NOW, limit, per_business, see_ask, &seen), STORE_OK);
	return seen;
}

static struct store_ask status(uint8_t c)
{
	struct store_ask a = {.business_id = "one",
		.kind = STORE_ASK_STATUS,
		.message_id = "outbound",
		.connection_id = CONNECTION_ONE,
		.number = "1001",
		.conversation = {c},
		.content = (const uint8_t *)"status",
		.content_len = 6,
		.created_at = 77};

	store_id_new(a.id);
	return a;
}

/* Settles an event that brings a status. */
static struct store_intake_counts owe(struct store *s, const struct store_ask *a, enum store_update_verdict verdict)
{
	struct store_update u = {.kind = STORE_UPDATE_STATUS, .verdict = verdict, .seen_key = {9}, .ask = a};

	return settle_one(s, "one", CONNECTION_ONE, u);
}

static bool check_question(const struct store_ask *a, void *arg)
{
	const struct store_message *m = arg;

	assert_int_equal(a->kind, STORE_ASK_QUESTION);
	assert_string_equal(a->id, m->id);
	assert_string_equal(a->message_id, m->id);
	assert_string_equal(a->business_id, "one");
	assert_string_equal(a->connection_id, CONNECTION_ONE);
	assert_string_equal(a->number, "1001");
	assert_memory_equal(a->conversation, m->conversation, STORE_INDEX_LEN);
	assert_int_equal(a->content_len, 7);
	assert_memory_equal(a->content, "content", 7);
	assert_true(a->created_at == m->created_at);
	assert_int_equal(a->attempts, 1);
	return true;
}

static bool check_status(const struct store_ask *a, void *arg)
{
	assert_int_equal(a->kind, STORE_ASK_STATUS);
	assert_string_equal(a->id, arg);
	assert_string_equal(a->message_id, "outbound");
	assert_int_equal(a->content_len, 6);
	assert_memory_equal(a->content, "status", 6);
	assert_true(a->created_at == 77);
	return true;
}

static void test_question_comes_with_its_message(void **state)
{
	struct house *h = *state;
	struct store_message m = question(h->store, "one", CONNECTION_ONE, 1);

	house_close(h);
	house_open(h);
	assert_int_equal(store_ask_lease(h->store, NOW, 10, 10, check_question, &m), STORE_OK);
	assert_int_equal(lease(h->store, 10, 10).len, 0);
	assert_int_equal(store_ask_lease(h->store, NOW, 0, 1, see_ask, NULL), STORE_INVALID);
	assert_int_equal(store_ask_lease(h->store, NOW, 1, 0, see_ask, NULL), STORE_INVALID);
	assert_int_equal(store_ask_lease(h->store, 0, 1, 1, see_ask, NULL), STORE_INVALID);
}

static void test_status_comes_with_its_own(void **state)
{
	struct store *s = store_of(state);
	struct store_ask a = status(1), again = status(1), other = status(2);

	assert_int_equal(owe(s, &a, STORE_UPDATE_DELIVERED).awaiting, 1);
	/* What was seen before, or belongs elsewhere, is owed to nobody. */
	assert_int_equal(owe(s, &again, STORE_UPDATE_DELIVERED).awaiting, 0);
	assert_int_equal(owe(s, &other, STORE_UPDATE_QUARANTINED).awaiting, 0);
	assert_int_equal(store_ask_lease(s, NOW, 10, 10, check_status, a.id), STORE_OK);
	assert_int_equal(store_ask_done(s, "one", a.id, NULL, 0), STORE_OK);
	assert_int_equal(lease(s, 10, 10).len, 0);
}

static void test_status_is_checked(void **state)
{
	struct store *s = store_of(state);
	struct store_ask bad[] = {status(1), status(1), status(1), status(1)};
	struct store_update u = {.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED};
	char event[STORE_ID_LEN + 1];

	bad[0].kind = STORE_ASK_QUESTION;
	memcpy(bad[1].business_id, "two", 4);
	bad[2].content = NULL;
	bad[3].id[0] = '\0';
	add_event(s, event);
	store_id_new(u.id);
	for (size_t i = 0; i < 4; i++) {
		u.ask = &bad[i];
		assert_int_equal(store_event_settle(s, "one", event, STORE_EVENT_SETTLED, &u, 1, NULL), STORE_INVALID);
	}
	assert_int_equal(lease(s, 10, 10).len, 0);
}

static void test_conversation_in_order(void **state)
{
	struct store *s = store_of(state);
	struct store_message first = question(s, "one", CONNECTION_ONE, 1), third;
	struct store_ask second = status(1);
	struct store_message other = question(s, "one", CONNECTION_ONE, 2);
	/* The same customer's index in another shop is another conversation. */
	struct store_message theirs = question(s, "two", CONNECTION_TWO, 1);
	struct seen seen;

	(void)owe(s, &second, STORE_UPDATE_DELIVERED);
	third = question(s, "one", CONNECTION_ONE, 1);
	seen = lease(s, 10, 10);
	assert_int_equal(seen.len, 3);
	assert_string_equal(seen.ids[0], first.id);
	assert_string_equal(seen.ids[1], theirs.id);
	assert_string_equal(seen.ids[2], other.id);
	assert_int_equal(lease(s, 10, 10).len, 0);
	/* One that is tried later keeps its place. */
	assert_int_equal(store_ask_later(s, "one", first.id, 1, NOW + 1), STORE_OK);
	assert_int_equal(lease(s, 10, 10).len, 0);
	assert_int_equal(store_ask_done(s, "one", first.id, NULL, 0), STORE_OK);
	assert_string_equal(lease(s, 10, 10).ids[0], second.id);
	assert_int_equal(lease(s, 10, 10).len, 0);
	assert_int_equal(store_ask_done(s, "one", second.id, NULL, 0), STORE_OK);
	assert_string_equal(lease(s, 10, 10).ids[0], third.id);
}

static void test_later_and_when(void **state)
{
	struct store *s = store_of(state);
	struct store_message m;
	int64_t at = 5;

	assert_int_equal(store_ask_next_due(s, &at), STORE_OK);
	assert_true(at == INT64_MAX);
	m = question(s, "one", CONNECTION_ONE, 1);
	assert_int_equal(store_ask_next_due(s, &at), STORE_OK);
	assert_true(at <= NOW);
	assert_int_equal(store_ask_later(s, "one", m.id, 1, NOW + 5), STORE_STALE);
	assert_int_equal(lease(s, 1, 1).len, 1);
	assert_int_equal(store_ask_next_due(s, &at), STORE_OK);
	assert_true(at == INT64_MAX);
	assert_int_equal(store_ask_later(s, "two", m.id, 1, NOW + 5), STORE_STALE);
	assert_int_equal(store_ask_later(s, "one", m.id, 2, NOW + 5), STORE_STALE);
	assert_int_equal(store_ask_later(s, "one", m.id, 1, NOW + 5), STORE_OK);
	assert_int_equal(store_ask_later(s, "one", m.id, 1, NOW + 9), STORE_STALE);
	assert_int_equal(store_ask_next_due(s, &at), STORE_OK);
	assert_true(at == NOW + 5);
	assert_int_equal(lease(s, 1, 1).len, 0);
	assert_int_equal(store_ask_lease(s, NOW + 5, 1, 1, see_ask, &(struct seen){0}), STORE_OK);
	/* The second attempt; the first one's word counts no more. */
	assert_int_equal(store_ask_later(s, "one", m.id, 1, NOW), STORE_STALE);
	assert_int_equal(store_ask_later(s, "one", m.id, 2, NOW), STORE_OK);
	assert_string_equal(lease(s, 1, 1).ids[0], m.id);
}

static void test_caps(void **state)
{
	struct store *s = store_of(state);
	struct seen seen;

	for (uint8_t i = 0; i < 10; i++)
		question(s, "one", CONNECTION_ONE, i);
	assert_int_equal(lease(s, 2, 4).len, 2);
	seen = lease(s, 10, 4);
	assert_int_equal(seen.len, 2);
	assert_int_equal(lease(s, 10, 4).len, 0);
	assert_int_equal(store_ask_done(s, "one", seen.ids[0], NULL, 0), STORE_OK);
	assert_int_equal(lease(s, 10, 4).len, 1);
	assert_int_equal(lease(s, 10, 2).len, 0);
}

/* ------------------------------------------------------------ ending */

static void test_answers(void **state)
{
	struct store *s = store_of(state);
	struct store_message asked = question(s, "one", CONNECTION_ONE, 1), answers[6];
	struct store_message_filter filter = {.direction = STORE_OUTBOUND, .state = STORE_MESSAGE_QUEUED};
	struct store_page page = {.limit = 10, .ascending = true};
	struct seen seen = {0};

	for (size_t i = 0; i < 6; i++)
		answers[i] = outbound("one", CONNECTION_ONE, 1);
	assert_int_equal(store_ask_done(s, "one", asked.id, answers, 6), STORE_INVALID);
	memcpy(answers[5].business_id, "two", 4);
	assert_int_equal(store_ask_done(s, "one", asked.id, answers + 5, 1), STORE_INVALID);
	/* All or none: one's id is taken. */
	memcpy(answers[4].id, answers[0].id, sizeof(answers[0].id));
	assert_int_equal(store_ask_done(s, "one", asked.id, answers, 5), STORE_EXISTS);
	assert_int_equal(lease(s, 10, 10).len, 1);
	assert_int_equal(store_ask_done(s, "two", asked.id, NULL, 0), STORE_NOT_FOUND);
	assert_int_equal(store_ask_done(s, "none", asked.id, NULL, 0), STORE_NOT_FOUND);
	assert_int_equal(store_ask_done(s, "one", asked.id, answers, 2), STORE_OK);
	assert_int_equal(store_ask_done(s, "one", asked.id, answers, 2), STORE_STALE);
	assert_int_equal(store_ask_done(s, "two", asked.id, NULL, 0), STORE_NOT_FOUND);
	assert_int_equal(store_message_list(s, "one", &filter, &page, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], answers[0].id);
	assert_string_equal(seen.ids[1], answers[1].id);
	assert_int_equal(store_message_list(s, "two", NULL, &page, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
}

static void test_status_takes_no_answer(void **state)
{
	struct store *s = store_of(state);
	struct store_message answer = outbound("one", CONNECTION_ONE, 1);
	struct store_ask a = status(1);
	struct seen seen = {0};

	(void)owe(s, &a, STORE_UPDATE_DELIVERED);
	assert_int_equal(lease(s, 1, 1).len, 1);
	assert_int_equal(store_ask_done(s, "one", a.id, &answer, 1), STORE_INVALID);
	assert_int_equal(store_message_get(s, "one", answer.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(store_ask_done(s, "two", a.id, NULL, 0), STORE_NOT_FOUND);
	assert_int_equal(store_ask_done(s, "one", a.id, NULL, 0), STORE_OK);
	assert_int_equal(store_ask_done(s, "one", a.id, NULL, 0), STORE_STALE);
}

static void test_removed_business_is_owed_nothing(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = question(s, "one", CONNECTION_ONE, 1);
	struct store_message theirs = question(s, "two", CONNECTION_TWO, 1);

	assert_int_equal(lease(s, 1, 1).len, 1);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(store_ask_done(s, "one", m.id, NULL, 0), STORE_NOT_FOUND);
	assert_string_equal(lease(s, 10, 10).ids[0], theirs.id);
}

static void test_a_crash_ends_leases(void **state)
{
	struct house *h = *state;
	struct store_message first = question(h->store, "one", CONNECTION_ONE, 1), second;
	struct seen seen = {0};
	int64_t at;

	assert_int_equal(lease(h->store, 10, 10).len, 1);
	assert_int_equal(store_ask_later(h->store, "one", first.id, 1, NOW + 100000), STORE_OK);
	second = question(h->store, "one", CONNECTION_ONE, 2);
	assert_int_equal(lease(h->store, 10, 10).len, 1);
	house_close(h);
	house_open(h);
	assert_int_equal(lease(h->store, 10, 10).len, 0);
	assert_int_equal(store_ask_recover(h->store), STORE_OK);
	assert_int_equal(store_ask_next_due(h->store, &at), STORE_OK);
	assert_true(at <= NOW);
	seen = lease(h->store, 10, 10);
	/* What was put off goes on waiting: a restart is no reason to press a platform that is down. */
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], second.id);
	/* The lease of before is no more. */
	assert_int_equal(store_ask_later(h->store, "one", second.id, 1, NOW), STORE_STALE);
	assert_int_equal(store_ask_later(h->store, "one", second.id, 2, NOW), STORE_OK);
	memset(&seen, 0, sizeof(seen));
	assert_int_equal(store_ask_lease(h->store, NOW + 100000, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], first.id);
}

/* What failed takes room away, to the last place but that; other businesses have their share. */
static void test_less_at_a_time_for_what_fails(void **state)
{
	struct store *s = store_of(state);
	struct store_message mine[4], theirs[2];
	struct seen seen;

	for (uint8_t i = 0; i < 4; i++)
		mine[i] = question(s, "one", CONNECTION_ONE, (uint8_t)(i + 1));
	for (uint8_t i = 0; i < 2; i++)
		theirs[i] = question(s, "two", CONNECTION_TWO, (uint8_t)(i + 1));
	seen = lease(s, 2, 1);
	assert_int_equal(seen.len, 2);
	assert_int_equal(store_ask_later(s, "one", mine[0].id, 1, NOW + 1000), STORE_OK);
	assert_int_equal(store_ask_done(s, "two", theirs[0].id, NULL, 0), STORE_OK);
	/* One failed, so that of three that may be out two are. */
	seen = lease(s, 10, 3);
	assert_int_equal(seen.len, 3);
	assert_string_equal(seen.ids[1], theirs[1].id);
	assert_int_equal(lease(s, 10, 3).len, 0);
	for (size_t i = 1; i < 3; i++)
		assert_int_equal(store_ask_later(s, "one", mine[i].id, 1, NOW + 1000), STORE_OK);
	/* All three failed: one at a time. */
	assert_int_equal(lease(s, 10, 3).len, 1);
	assert_int_equal(lease(s, 10, 3).len, 0);
	assert_int_equal(store_ask_done(s, "one", mine[3].id, NULL, 0), STORE_OK);
	/* What failed has its turn, and each that is answered makes room. */
	seen = (struct seen){0};
	assert_int_equal(store_ask_lease(s, NOW + 1000, 10, 3, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_int_equal(store_ask_done(s, "one", seen.ids[0], NULL, 0), STORE_OK);
	assert_int_equal(lease(s, 10, 3).len, 1);
}

/* ------------------------------------------------------------ many at once */

#define SHOPS 5000
#define NUMBERS(n) "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " #n ") "
#define BACKLOG(n)                                                                                                     \
	NUMBERS(n)                                                                                                     \
	"INSERT INTO asks (id, business_id, kind, message_id, connection_id, number, conversation, created_at, "       \
	"content) SELECT printf('f%025d', i), 'one', 2, '', '" CONNECTION_ONE "', '1001', "                            \
	"CAST(printf('%016d', i) AS BLOB), 1, x'01' FROM n"

struct fill {
	const char *sql;
};

static enum store_error run_fill(struct db *db, void *arg)
{
	return db_run(db, ((struct fill *)arg)->sql);
}

static void fill(struct store *s, const char *sql)
{
	struct fill f = {sql};

	assert_int_equal(core_write(s, run_fill, &f), STORE_OK);
}

static size_t of_business(const struct seen *seen, const char *const *ids, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < seen->len; i++)
		for (size_t j = 0; j < len; j++)
			n += strcmp(seen->ids[i], ids[j]) == 0;
	return n;
}

static void test_round_the_businesses(void **state)
{
	struct store *s = store_of(state);
	char two[6][STORE_ID_LEN + 1];
	const char *ids[6];
	struct seen seen;

	fill(s, BACKLOG(10000));
	add_business(s, "three");
	add_connection(s, "0000000000000000000000c0n3", "three", "1003");
	for (uint8_t i = 0; i < 6; i++) {
		const char *business = i < 3 ? "two" : "three";
		struct store_message m =
			question(s, business, i < 3 ? CONNECTION_TWO : "0000000000000000000000c0n3", i);

		memcpy(two[i], m.id, sizeof(m.id));
		ids[i] = two[i];
	}
	/* One of each in turn, though each could have been served alone. */
	seen = lease(s, 3, 100);
	assert_int_equal(seen.len, 3);
	assert_int_equal(of_business(&seen, ids, 3), 1);
	assert_int_equal(of_business(&seen, ids + 3, 3), 1);
	/* Also where a lease is of one only. */
	for (size_t i = 0; i < 3; i++) {
		seen = lease(s, 1, 100);
		assert_int_equal(seen.len, 1);
		assert_int_equal(of_business(&seen, ids, 6), i == 0 ? 0 : 1);
	}
	seen = lease(s, 20, 8);
	assert_int_equal(of_business(&seen, ids, 6), 2);
	assert_int_equal(seen.len, 2 + 6);
	/* The cap ends it for the one that has more. */
	assert_int_equal(lease(s, 20, 8).len, 0);
}

/* Of work, whatever else the machine does. */
static int64_t microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Median of nine, the caller's lease each. */
static int64_t lease_time(struct store *s, unsigned limit, size_t *leased)
{
	int64_t took[9];

	for (size_t i = 0; i < 9; i++) {
		int64_t begin = microseconds();

		*leased = lease(s, limit, 10000).len;
		took[i] = microseconds() - begin;
		for (size_t j = i; j > 0 && took[j] < took[j - 1]; j--) {
			int64_t t = took[j];

			took[j] = took[j - 1];
			took[j - 1] = t;
		}
	}
	return took[4];
}

static void test_backlog_is_not_read_through(void **state)
{
	struct store *s = store_of(state);
	size_t leased;
	int64_t took;

	fill(s, BACKLOG(100000));
	took = lease_time(s, 64, &leased);
	print_message("64 of 100000 leased in %lld us\n", (long long)took);
	assert_int_equal(leased, 64);
	assert_true(took < 40000);
}

/* A platform that is down for all its shops: what waits for later costs a lease nothing. */
static void test_waiting_shops_cost_nothing(void **state)
{
	struct store *s = store_of(state);
	struct store_message m;
	size_t leased;
	int64_t took, at;

	fill(s,
		NUMBERS(5000) "INSERT INTO businesses (id, name, status, responder, created_at, updated_at) "
			      "SELECT printf('b%06d', i), 'n', 1, 'none', 1, 1 FROM n;"
			      "INSERT INTO asks (id, business_id, kind, message_id, connection_id, number, "
			      "conversation, created_at, "
			      "content) SELECT id, id, 2, '', '', '', x'00', 1, x'01' FROM businesses WHERE id LIKE "
			      "'b%';"
			      "UPDATE asks SET next_at = 2000000000001, attempts = 1");
	m = question(s, "one", CONNECTION_ONE, 1);
	assert_string_equal(lease(s, 64, 64).ids[0], m.id);
	took = lease_time(s, 64, &leased);
	print_message("a lease past %d that wait: %lld us\n", SHOPS, (long long)took);
	assert_int_equal(leased, 0);
	assert_true(took < 5000);
	assert_int_equal(store_ask_next_due(s, &at), STORE_OK);
	assert_true(at == NOW + 1);
	/* Their time comes for all of them. */
	for (size_t all = 0; all < SHOPS; all += leased) {
		struct seen seen = {0};

		assert_int_equal(store_ask_lease(s, NOW + 1, 256, 1, see_ask, &seen), STORE_OK);
		leased = seen.len;
		assert_true(leased > 0);
	}
	assert_int_equal(store_ask_lease(s, NOW + 1, 256, 1, see_ask, NULL), STORE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_question_comes_with_its_message),
		TEST(test_status_comes_with_its_own),
		TEST(test_status_is_checked),
		TEST(test_conversation_in_order),
		TEST(test_later_and_when),
		TEST(test_caps),
		TEST(test_answers),
		TEST(test_status_takes_no_answer),
		TEST(test_removed_business_is_owed_nothing),
		TEST(test_a_crash_ends_leases),
		TEST(test_less_at_a_time_for_what_fails),
		TEST(test_round_the_businesses),
		TEST(test_backlog_is_not_read_through),
		TEST(test_waiting_shops_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
