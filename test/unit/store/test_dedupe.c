/*
 * An update counts once: delivered by two connections at the same moment, through a restart, for 8 days; and what is
 * kept of it goes then, in small steps.
 */
#include <pthread.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)
#define ROUNDS 200
#define MARKS 2000u

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

/* ------------------------------------------------------------ in the same moment */

struct side {
	struct store *s;
	const char *connection_id;
	pthread_barrier_t *start;
	uint16_t round;
	struct store_intake_counts counts;
};

static struct store_update marked(uint16_t n)
{
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE,
		.field = "messages",
		.verdict = STORE_UPDATE_DELIVERED,
		.seen_key = {1, (uint8_t)n, (uint8_t)(n >> 8)}};

	store_id_new(u.id);
	return u;
}

static void accept_event(struct store *s, const char *connection_id, char id[static STORE_ID_LEN + 1])
{
	struct store_event e = {.business_id = "one", .body = (const uint8_t *)"sealed", .body_len = 6};

	(void)snprintf(e.connection_id, sizeof(e.connection_id), "%s", connection_id);
	store_id_new(e.id);
	memcpy(id, e.id, sizeof(e.id));
	if (store_event_append(s, &e, 5000) != STORE_OK)
		abort();
}

/* Both are accepted and settled as soon as the other is ready to do the same. */
static void *deliver(void *arg)
{
	struct side *side = arg;
	struct store_message m = message("one", side->connection_id, 1);
	struct store_update u = marked(side->round);
	char id[STORE_ID_LEN + 1];

	u.message = &m;
	(void)pthread_barrier_wait(side->start);
	accept_event(side->s, side->connection_id, id);
	if (store_event_settle(side->s, "one", id, STORE_EVENT_SETTLED, &u, 1, &side->counts) != STORE_OK)
		abort();
	return NULL;
}

static bool count_inbound(const struct store_message *m, void *arg)
{
	*(unsigned *)arg += m->direction == STORE_INBOUND;
	return true;
}

static void test_two_connections_at_once(void **state)
{
	struct store *s = store_of(state);
	const struct store_page page = {.limit = STORE_LIST_MAX};
	unsigned logged = 0;

	add_connection(s, "0000000000000000000000c0n3", "one", "1003");
	for (uint16_t n = 0; n < ROUNDS; n++) {
		pthread_barrier_t start;
		struct side sides[] = {
			{s, CONNECTION_ONE, &start, n, {0}}, {s, "0000000000000000000000c0n3", &start, n, {0}}};
		pthread_t other;

		assert_int_equal(pthread_barrier_init(&start, NULL, 2), 0);
		assert_int_equal(pthread_create(&other, NULL, deliver, &sides[1]), 0);
		(void)deliver(&sides[0]);
		pthread_join(other, NULL);
		pthread_barrier_destroy(&start);
		assert_int_equal(sides[0].counts.delivered + sides[1].counts.delivered, 1);
		assert_int_equal(sides[0].counts.duplicates + sides[1].counts.duplicates, 1);
	}
	assert_int_equal(store_message_list(s, "one", NULL, &page, count_inbound, &logged), STORE_OK);
	assert_int_equal(logged, ROUNDS);
}

/* ------------------------------------------------------------ through a restart, for its time */

static struct store_intake_counts settle(struct store *s, const char *id, uint16_t n)
{
	const struct store_update u = marked(n);
	struct store_intake_counts counts = {0};

	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_OK);
	return counts;
}

static void test_through_a_restart(void **state)
{
	struct house *h = *state;
	char first[STORE_ID_LEN + 1], second[STORE_ID_LEN + 1];

	accept_event(h->store, CONNECTION_ONE, first);
	accept_event(h->store, CONNECTION_ONE, second);
	assert_int_equal(settle(h->store, first, 1).delivered, 1);
	house_close(h);
	house_open(h);
	assert_int_equal(settle(h->store, second, 1).duplicates, 1);
}

static void test_for_eight_days(void **state)
{
	struct store *s = store_of(state);
	char id[STORE_ID_LEN + 1];
	int64_t before, after;

	accept_event(s, CONNECTION_ONE, id);
	before = store_now_ms();
	assert_int_equal(settle(s, id, 1).delivered, 1);
	after = store_now_ms();
	assert_int_equal(store_prune(s, before + 8 * DAY, 30), STORE_OK);
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(settle(s, id, 1).duplicates, 1);
	assert_int_equal(store_prune(s, after + 8 * DAY + 1, 30), STORE_OK);
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(settle(s, id, 1).delivered, 1);
}

/* ------------------------------------------------------------ how much it is */

static enum store_error run_count(struct db *db, void *arg)
{
	struct query q = query_start(db, "SELECT count(*) FROM seen");

	if (query_step(&q))
		*(int64_t *)arg = query_get_int(&q);
	return query_end(&q);
}

static int64_t marks(struct store *s)
{
	int64_t n = -1;

	assert_int_equal(core_write(s, run_count, &n), STORE_OK);
	return n;
}

/* All of them go, and no step holds up a webhook for longer than a hundred rows take. */
static void test_pruned_in_small_steps(void **state)
{
	struct store *s = store_of(state);
	struct store_update *u = calloc(MARKS, sizeof(*u));
	struct store_intake_counts counts;
	char id[STORE_ID_LEN + 1];
	unsigned long commits;

	assert_non_null(u);
	for (uint16_t n = 0; n < MARKS; n++)
		u[n] = marked(n);
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, u, MARKS, &counts), STORE_OK);
	assert_int_equal(counts.delivered, MARKS);
	assert_int_equal(marks(s), MARKS);
	commits = writer_commits(s->writer);
	assert_int_equal(store_prune(s, store_now_ms() + 9 * DAY, 30), STORE_OK);
	assert_int_equal(marks(s), 0);
	assert_true(writer_commits(s->writer) - commits >= MARKS / 100);
	free(u);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_two_connections_at_once),
		TEST(test_through_a_restart),
		TEST(test_for_eight_days),
		TEST(test_pruned_in_small_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
