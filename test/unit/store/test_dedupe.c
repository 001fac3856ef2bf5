/*
 * An update counts once, whether a mark tells of it or its message's row: delivered by two connections at the same moment,
 * twice in one event or in two of one batch, through a restart, for 8 days; and the marks go then, in small steps.
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
	bool by_row;
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

/* One that goes by the row of its message alone. */
static struct store_update logged(struct store_message *m, uint16_t n)
{
	struct store_update u = marked(n);

	memset(u.seen_key, 0, sizeof(u.seen_key));
	*m = message("one", CONNECTION_ONE, 1);
	m->wamid_index[0] = 1;
	memcpy(m->wamid_index + 1, &n, sizeof(n));
	u.message = m;
	return u;
}

static struct store_update echoed(struct store_message *m, uint16_t n)
{
	struct store_update u = logged(m, n);

	m->direction = STORE_OUTBOUND;
	m->state = STORE_MESSAGE_SENT;
	m->echo = true;
	u.kind = STORE_UPDATE_ECHO;
	return u;
}

/* Both are accepted and settled as soon as the other is ready to do the same. */
static void *deliver(void *arg)
{
	struct side *side = arg;
	struct store_message m = message("one", side->connection_id, 1), row;
	struct store_update u = side->by_row ? logged(&row, side->round) : marked(side->round);
	char id[STORE_ID_LEN + 1];

	if (!side->by_row)
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
		struct side sides[] = {{s, CONNECTION_ONE, &start, n, n % 2 == 0, {0}},
			{s, "0000000000000000000000c0n3", &start, n, n % 2 == 0, {0}}};
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

/* Three of one message in one event, then two events of one batch that bring it again, and another one twice. */
static void test_together(void **state)
{
	struct store *s = store_of(state);
	struct store_message m[6];
	struct store_update u[6];
	struct store_settling all[2];
	char ids[3][STORE_ID_LEN + 1];
	struct store_intake_counts counts;
	struct seen seen = {0};

	for (uint16_t i = 0; i < 6; i++)
		u[i] = i % 2 == 0 ? logged(&m[i], i < 4 ? 1 : 2) : echoed(&m[i], i < 4 ? 1 : 2);
	for (size_t i = 0; i < 3; i++)
		accept_event(s, CONNECTION_ONE, ids[i]);
	/* An echo and a customer's message are two, whatever id they come by. */
	assert_int_equal(store_event_settle(s, "one", ids[0], STORE_EVENT_SETTLED, u, 4, &counts), STORE_OK);
	assert_int_equal(counts.delivered, 2);
	assert_int_equal(counts.duplicates, 2);
	for (size_t i = 0; i < 6; i++) {
		store_id_new(m[i].id);
		store_id_new(u[i].id);
	}
	all[0] = (struct store_settling){"one", ids[1], STORE_EVENT_SETTLED, u, 6, 0, false, {0}, "", STORE_BUSY};
	all[1] = (struct store_settling){"one", ids[2], STORE_EVENT_SETTLED, u + 4, 2, 0, false, {0}, "", STORE_BUSY};
	assert_int_equal(store_events_settle(s, all, 2), STORE_OK);
	assert_int_equal(all[0].result, STORE_OK);
	assert_int_equal(all[0].counts.delivered, 2);
	assert_int_equal(all[0].counts.duplicates, 4);
	assert_int_equal(all[1].result, STORE_OK);
	assert_int_equal(all[1].counts.duplicates, 2);
	assert_int_equal(store_message_get(s, "one", m[4].id, see_message, &seen), STORE_OK);
	assert_int_equal(store_message_get(s, "one", m[0].id, see_message, &seen), STORE_NOT_FOUND);
}

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

static bool paused(struct store *s, int64_t now)
{
	const uint8_t conversation[STORE_INDEX_LEN] = {1};
	bool is = false;

	assert_int_equal(store_conversation_paused(s, "one", conversation, now, &is), STORE_OK);
	return is;
}

/* ------------------------------------------------------------ through a restart, for its time */

static struct store_intake_counts settle_update(struct store *s, const char *id, const struct store_update *u)
{
	struct store_intake_counts counts = {0};

	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, u, 1, &counts), STORE_OK);
	return counts;
}

static struct store_intake_counts settle(struct store *s, const char *id, uint16_t n)
{
	const struct store_update u = marked(n);

	return settle_update(s, id, &u);
}

/* In an event of its own. */
static struct store_intake_counts settle_row(
	struct store *s, struct store_update (*make)(struct store_message *m, uint16_t n), uint16_t n)
{
	struct store_message m;
	const struct store_update u = make(&m, n);
	char id[STORE_ID_LEN + 1];

	accept_event(s, CONNECTION_ONE, id);
	return settle_update(s, id, &u);
}

static void test_through_a_restart(void **state)
{
	struct house *h = *state;
	char first[STORE_ID_LEN + 1], second[STORE_ID_LEN + 1];

	accept_event(h->store, CONNECTION_ONE, first);
	accept_event(h->store, CONNECTION_ONE, second);
	assert_int_equal(settle(h->store, first, 1).delivered, 1);
	assert_int_equal(settle_row(h->store, logged, 1).delivered, 1);
	assert_int_equal(settle_row(h->store, echoed, 1).delivered, 1);
	house_close(h);
	house_open(h);
	assert_int_equal(settle(h->store, second, 1).duplicates, 1);
	assert_int_equal(settle_row(h->store, logged, 1).duplicates, 1);
	assert_int_equal(settle_row(h->store, echoed, 1).duplicates, 1);
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

/* A row outlives its content, and its connection, by which it came. */
static void test_as_long_as_its_row(void **state)
{
	struct store *s = store_of(state);
	const int64_t before = store_now_ms();
	int64_t after;

	assert_int_equal(settle_row(s, logged, 1).delivered, 1);
	assert_int_equal(settle_row(s, echoed, 1).delivered, 1);
	after = store_now_ms();
	assert_int_equal(store_prune(s, after + 9 * DAY, 1), STORE_OK);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	assert_int_equal(store_prune(s, before + 400 * DAY, 1), STORE_OK);
	assert_int_equal(settle_row(s, logged, 1).duplicates, 1);
	assert_int_equal(settle_row(s, echoed, 1).duplicates, 1);
	assert_int_equal(store_prune(s, after + 400 * DAY + 1, 1), STORE_OK);
	assert_int_equal(settle_row(s, logged, 1).delivered, 1);
	assert_int_equal(settle_row(s, echoed, 1).delivered, 1);
}

/* What was sent from here has one row, its own: of its echo there is a mark. */
static void test_echo_of_what_was_sent_here(void **state)
{
	struct store *s = store_of(state);
	struct store_message sent = queue(s, "one", CONNECTION_ONE, 1, 0), m;
	struct store_settlement st = {.to = STORE_MESSAGE_SENT, .from_states = STORE_STATE_BIT(STORE_MESSAGE_QUEUED)};
	struct store_update u = marked(1);
	struct seen seen = {0};
	char id[STORE_ID_LEN + 1];

	u.kind = STORE_UPDATE_STATUS;
	u.settlement = &st;
	memcpy(st.message_id, sent.id, sizeof(sent.id));
	(void)echoed(&m, 7);
	memcpy(st.wamid_index, m.wamid_index, sizeof(m.wamid_index));
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(settle_update(s, id, &u).delivered, 1);
	for (unsigned i = 0; i < 3; i++) {
		u = echoed(&m, 7);
		u.seen_key[0] = 9;
		u.pauses[0] = (struct store_pause){.conversation = {1}, .until = i + 5};
		accept_event(s, CONNECTION_ONE, id);
		assert_int_equal(settle_update(s, id, &u).delivered, i == 0);
		assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_NOT_FOUND);
	}
	assert_int_equal(marks(s), 2);
	/* It did what an echo does, once. */
	assert_true(paused(s, 4));
	assert_false(paused(s, 5));
	/* One that a customer sent is another message. */
	assert_int_equal(settle_row(s, logged, 7).delivered, 1);
}

/* The echo came before the answer that told our message's id: then there are two rows, and it came before still. */
static void test_echo_that_overtakes(void **state)
{
	struct store *s = store_of(state);
	struct store_message sent = queue(s, "one", CONNECTION_ONE, 1, 0), m;
	struct store_settlement st = {.to = STORE_MESSAGE_SENT, .from_states = STORE_STATE_BIT(STORE_MESSAGE_QUEUED)};
	struct store_update u = echoed(&m, 7), status = marked(1);
	char id[STORE_ID_LEN + 1];

	u.seen_key[0] = 9;
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(settle_update(s, id, &u).delivered, 1);
	assert_int_equal(marks(s), 0);
	status.settlement = &st;
	memcpy(st.message_id, sent.id, sizeof(sent.id));
	memcpy(st.wamid_index, m.wamid_index, sizeof(m.wamid_index));
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(settle_update(s, id, &status).delivered, 1);
	u = echoed(&m, 7);
	u.seen_key[0] = 9;
	accept_event(s, CONNECTION_ONE, id);
	assert_int_equal(settle_update(s, id, &u).duplicates, 1);
}

/* ------------------------------------------------------------ how much it is */

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
		TEST(test_together),
		TEST(test_through_a_restart),
		TEST(test_for_eight_days),
		TEST(test_as_long_as_its_row),
		TEST(test_echo_of_what_was_sent_here),
		TEST(test_echo_that_overtakes),
		TEST(test_pruned_in_small_steps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
