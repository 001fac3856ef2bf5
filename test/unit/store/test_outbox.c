/*
 * The outbox: who is leased and in what order, how attempts and statuses settle.
 */
#include <time.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define NOW INT64_C(2000000000000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct seen lease(struct store *s, unsigned limit, unsigned per_connection)
{
	struct seen seen = {0};

	assert_int_equal(lease_due(s, NOW, limit, per_connection, see_message, &seen), STORE_OK);
	return seen;
}

static struct store_outcome outcome(const struct store_message *m, enum store_message_state to)
{
	return (struct store_outcome){.business_id = m->business_id, .message_id = m->id, .attempt = 1, .to = to};
}

static bool check_leased(const struct store_message *m, void *arg)
{
	(void)arg;
	assert_int_equal(m->state, STORE_MESSAGE_SENDING);
	assert_int_equal(m->attempts, 1);
	assert_int_equal(m->content_len, 7);
	assert_memory_equal(m->content, "content", 7);
	assert_string_equal(m->business_id, "one");
	return true;
}

static void test_lease_marks_before_it_shows(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = queue(s, "one", CONNECTION_ONE, 1, NOW);

	assert_int_equal(lease_due(s, NOW, 10, 10, check_leased, NULL), STORE_OK);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_SENDING);
	assert_int_equal(lease(s, 10, 10).len, 0);
}

static void test_not_before_its_time(void **state)
{
	struct store *s = store_of(state);
	assert_true(next_due(s) == INT64_MAX);
	queue(s, "one", CONNECTION_ONE, 1, NOW + 1);
	assert_int_equal(lease(s, 10, 10).len, 0);
	assert_true(next_due(s) == NOW + 1);
}

static void test_conversation_in_order(void **state)
{
	struct store *s = store_of(state);
	struct store_message first = queue(s, "one", CONNECTION_ONE, 1, NOW);
	struct store_message second = queue(s, "one", CONNECTION_ONE, 1, NOW - 5);
	struct store_message other = queue(s, "one", CONNECTION_ONE, 2, NOW);
	struct seen seen = lease(s, 10, 10);
	struct store_outcome o = outcome(&first, STORE_MESSAGE_RETRY);

	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], first.id);
	assert_string_equal(seen.ids[1], other.id);
	assert_int_equal(lease(s, 10, 10).len, 0);
	/* One that waits for another try keeps its place. */
	o.next_at = NOW + 1000;
	assert_int_equal(store_outbox_settle(s, &o), STORE_OK);
	assert_int_equal(lease(s, 10, 10).len, 0);
	assert_int_equal(lease_due(s, NOW + 1000, 10, 10, see_message, &(struct seen){0}), STORE_OK);
	o.attempt = 2;
	o.to = STORE_MESSAGE_UNKNOWN;
	assert_int_equal(store_outbox_settle(s, &o), STORE_OK);
	/* An unknown one holds nobody up. */
	seen = lease(s, 10, 10);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], second.id);
}

static void test_suspended_holds_up_nobody(void **state)
{
	struct store *s = store_of(state);
	struct store_message two, one = queue(s, "one", CONNECTION_ONE, 1, NOW);
	struct seen seen;

	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	assert_true(next_due(s) == INT64_MAX);
	two = queue(s, "two", CONNECTION_TWO, 1, NOW);
	seen = lease(s, 10, 10);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], two.id);
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(lease(s, 10, 10).len, 0);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_OK);
	assert_string_equal(lease(s, 10, 10).ids[0], one.id);
}

/* A webhook that was taken over stops no sending; a key that was refused does. */
static void test_who_may_send(void **state)
{
	static const bool may[] = {false, true, true, false, false, true, false};
	struct store *s = store_of(state);

	for (enum store_connection_status c = STORE_CONNECTION_PENDING; c <= STORE_CONNECTION_SUSPENDED; c++) {
		queue(s, "one", CONNECTION_ONE, (uint8_t)c, NOW);
		assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, c), STORE_OK);
		assert_true(next_due(s) == (may[c] ? NOW : INT64_MAX));
		assert_int_equal(lease(s, 10, 10).len > 0, may[c]);
	}
}

/* Nothing is due of who may not send: asked again and again, nothing of it could be leased. */
static void test_nothing_is_due_of_who_may_not_send(void **state)
{
	struct store *s = store_of(state);
	struct store_due due[4];
	size_t len = 4;
	int64_t next_at;

	queue(s, "one", CONNECTION_ONE, 1, NOW);
	queue(s, "one", CONNECTION_ONE, 2, NOW + 5);
	assert_int_equal(store_outbox_due(s, CONNECTION_ONE, NOW, due, &len, &next_at), STORE_OK);
	assert_int_equal(len, 1);
	assert_true(next_at == NOW + 5);
	for (int i = 0; i < 2; i++) {
		if (i == 0)
			assert_int_equal(
				store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_KEY_REFUSED),
				STORE_OK);
		else
			assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
		len = 4;
		assert_int_equal(store_outbox_due(s, CONNECTION_ONE, NOW, due, &len, &next_at), STORE_OK);
		assert_int_equal(len, 0);
		assert_true(next_at == INT64_MAX);
		assert_int_equal(
			store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	}
}

/* One that goes at once is looked at in its change, as a lease is: who may send may have changed since it was asked for. */
static void test_who_may_send_at_once(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = outbound("one", CONNECTION_ONE, 1);

	m.state = STORE_MESSAGE_SENDING;
	m.attempts = 1;
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	assert_int_equal(store_message_send(s, &m, "", NULL), STORE_NOT_FOUND);
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(store_message_send(s, &m, "", NULL), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_OK);
	assert_int_equal(store_message_send(s, &m, "", NULL), STORE_OK);
}

/* A message never goes out with another business's key, whoever asked for it. */
static void test_connection_of_another_business(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = outbound("one", CONNECTION_TWO, 1), asked;
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};

	assert_int_equal(store_message_queue(s, &m, NULL), STORE_NOT_FOUND);
	asked = question(s, "one", CONNECTION_ONE, 1);
	assert_int_equal(store_ask_done(s, "one", asked.id, &m, 1), STORE_OK);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_DEAD);
	/* Whatever way it got into the log. */
	store_id_new(m.id);
	m.conversation[0] = 9;
	settle_one(s, "one", CONNECTION_ONE, u);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(lease(s, 10, 10).len, 0);
}

static enum store_error run_refuse(struct db *db, void *arg)
{
	struct query q = query_start(db,
		"CREATE TEMP TRIGGER refuse BEFORE UPDATE ON messages WHEN NEW.error_code = 7 "
		"BEGIN SELECT RAISE(ABORT, 'refused'); END");

	(void)arg;
	return query_finish(&q);
}

static void test_many_are_settled_at_once(void **state)
{
	struct store *s = store_of(state);
	struct store_outcome all[5];
	enum store_error results[5];
	struct store_message m[5];
	unsigned long commits;

	for (unsigned char i = 0; i < 5; i++)
		m[i] = queue(s, "one", CONNECTION_ONE, i, NOW);
	assert_int_equal(lease(s, 4, 4).len, 4);
	for (size_t i = 0; i < 5; i++)
		all[i] = outcome(&m[i], STORE_MESSAGE_SENT);
	all[1].to = STORE_MESSAGE_READ;
	all[2].attempt = 2;
	commits = writer_commits(s->writer);
	store_outbox_settle_all(s, all, 5, results);
	assert_int_equal(writer_commits(s->writer), commits + 1);
	assert_int_equal(results[0], STORE_OK);
	assert_int_equal(results[1], STORE_INVALID);
	assert_int_equal(results[2], STORE_STALE);
	assert_int_equal(results[3], STORE_OK);
	assert_int_equal(results[4], STORE_STALE); /* not leased */
	assert_int_equal(state_of(s, "one", m[0].id), STORE_MESSAGE_SENT);
	assert_int_equal(state_of(s, "one", m[1].id), STORE_MESSAGE_SENDING);
	assert_int_equal(state_of(s, "one", m[2].id), STORE_MESSAGE_SENDING);
	assert_int_equal(state_of(s, "one", m[3].id), STORE_MESSAGE_SENT);
	assert_int_equal(state_of(s, "one", m[4].id), STORE_MESSAGE_QUEUED);
}

/* One that cannot be written keeps none of the others. */
static void test_settled_beside_one_that_fails(void **state)
{
	struct store *s = store_of(state);
	struct store_outcome all[3];
	enum store_error results[3];
	struct store_message m[3];

	for (unsigned char i = 0; i < 3; i++)
		m[i] = queue(s, "one", CONNECTION_ONE, i, NOW);
	assert_int_equal(lease(s, 3, 3).len, 3);
	assert_int_equal(core_write(s, run_refuse, NULL), STORE_OK);
	for (size_t i = 0; i < 3; i++)
		all[i] = outcome(&m[i], STORE_MESSAGE_SENT);
	all[1].error_code = 7;
	store_outbox_settle_all(s, all, 3, results);
	assert_int_equal(results[0], STORE_OK);
	assert_int_equal(results[1], STORE_INVALID);
	assert_int_equal(results[2], STORE_OK);
	assert_int_equal(state_of(s, "one", m[0].id), STORE_MESSAGE_SENT);
	assert_int_equal(state_of(s, "one", m[1].id), STORE_MESSAGE_SENDING);
	assert_int_equal(state_of(s, "one", m[2].id), STORE_MESSAGE_SENT);
}

/* What a removed connection still had to send does not hold up the conversation of the next one. */
static void test_removed_connection_holds_up_nobody(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = queue(s, "one", CONNECTION_ONE, 1, NOW);
	struct seen seen;

	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	add_connection(s, "0000000000000000000000c0n3", "one", "1001");
	m = queue(s, "one", "0000000000000000000000c0n3", 1, NOW);
	seen = lease(s, 10, 10);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], m.id);
}

static void test_settle_only_its_attempt(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = queue(s, "one", CONNECTION_ONE, 1, NOW);
	struct store_outcome o = outcome(&m, STORE_MESSAGE_SENT);
	char reason[STORE_TEXT_LEN + 2];

	assert_int_equal(store_outbox_settle(s, &o), STORE_STALE);
	assert_int_equal(lease(s, 1, 1).len, 1);
	o.attempt = 2;
	assert_int_equal(store_outbox_settle(s, &o), STORE_STALE);
	o.attempt = 1;
	o.business_id = "two";
	assert_int_equal(store_outbox_settle(s, &o), STORE_STALE);
	o.business_id = "one";
	o.to = STORE_MESSAGE_READ;
	assert_int_equal(store_outbox_settle(s, &o), STORE_INVALID);
	o.to = STORE_MESSAGE_SENT;
	memset(reason, 'x', sizeof(reason));
	reason[sizeof(reason) - 1] = '\0';
	o.reason = reason;
	assert_int_equal(store_outbox_settle(s, &o), STORE_INVALID);
	o.reason = NULL;
	assert_int_equal(store_outbox_settle(s, &o), STORE_OK);
	assert_int_equal(store_outbox_settle(s, &o), STORE_STALE);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_SENT);
}

struct message_seen {
	const char *id;
	struct store_message message;
};

static bool look_at(const struct store_message *m, void *arg)
{
	struct message_seen *seen = arg;

	assert_string_equal(m->id, seen->id);
	seen->message = *m;
	return true;
}

static void test_crash_makes_unknown(void **state)
{
	struct house *h = *state;
	struct store_message m = queue(h->store, "one", CONNECTION_ONE, 1, NOW);
	struct store_message waiting = queue(h->store, "one", CONNECTION_ONE, 2, NOW + 1);
	unsigned n = 9;

	assert_int_equal(lease(h->store, 1, 1).len, 1);
	house_close(h);
	house_open(h);
	assert_int_equal(store_outbox_recover(h->store, NOW, &n), STORE_OK);
	assert_int_equal(n, 1);
	assert_int_equal(state_of(h->store, "one", m.id), STORE_MESSAGE_UNKNOWN);
	assert_int_equal(state_of(h->store, "one", waiting.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(lease(h->store, 9, 9).len, 0);
}

/* ------------------------------------------------------------ a long backlog */

#define BACKLOG 100000

struct fill {
	unsigned conversations;
};

static enum store_error run_fill(struct db *db, void *arg)
{
	const struct fill *f = arg;
	char sql[700];

	(void)snprintf(sql, sizeof(sql),
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, content, head) "
		"SELECT printf('f%%025d', i), 'one', '" CONNECTION_ONE "', '1001', 2, 2, 'text', "
		"CAST(printf('%%016d', i %% %u) AS BLOB), 0, 0, 0, 5, 0, 0, '', x'01', i <= %u FROM n",
		BACKLOG, f->conversations, f->conversations);
	return db_run(db, sql);
}

/* Of work, whatever else the machine does. */
static int64_t microseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Median of nine leases of 64 rows; generous, because machines and sanitizers differ: a scan takes far longer. */
static int64_t lease_time(struct store *s, unsigned per_connection, size_t *leased)
{
	int64_t took[9];

	for (size_t i = 0; i < 9; i++) {
		int64_t begin = microseconds();

		*leased = lease(s, 64, per_connection).len;
		took[i] = microseconds() - begin;
		for (size_t j = i; j > 0 && took[j] < took[j - 1]; j--) {
			int64_t t = took[j];

			took[j] = took[j - 1];
			took[j - 1] = t;
		}
	}
	return took[4];
}

static void test_backlog_of_many_customers(void **state)
{
	struct store *s = store_of(state);
	struct fill f = {20000};
	size_t leased;
	int64_t took;

	assert_int_equal(core_write(s, run_fill, &f), STORE_OK);
	took = lease_time(s, 10000, &leased);
	print_message("64 of %d queued leased in %lld us\n", BACKLOG, (long long)took);
	assert_int_equal(leased, 64);
	assert_true(took < 40000);
}

static void test_backlog_of_one_customer(void **state)
{
	struct store *s = store_of(state);
	struct fill f = {1};
	struct store_message two;
	size_t leased;
	int64_t took;

	assert_int_equal(core_write(s, run_fill, &f), STORE_OK);
	assert_int_equal(lease(s, 64, 100).len, 1);
	took = lease_time(s, 10000, &leased);
	print_message("a lease past %d held up: %lld us\n", BACKLOG, (long long)took);
	assert_int_equal(leased, 0);
	assert_true(took < 40000);
	two = queue(s, "one", CONNECTION_ONE, 7, NOW);
	assert_string_equal(lease(s, 64, 100).ids[0], two.id);
}

static void test_backlog_of_a_suspended_shop(void **state)
{
	struct store *s = store_of(state);
	struct fill f = {20000};
	int64_t begin, took;

	assert_int_equal(core_write(s, run_fill, &f), STORE_OK);
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	queue(s, "two", CONNECTION_TWO, 1, NOW);
	begin = microseconds();
	assert_true(next_due(s) == NOW);
	took = microseconds() - begin;
	print_message("next due past %d suspended: %lld us\n", BACKLOG, (long long)took);
	assert_true(took < 20000);
}

/* What was to be sent at least once is tried again after a crash, and says so. */
static void test_crash_and_at_least_once(void **state)
{
	struct house *h = *state;
	struct store_message m = outbound("one", CONNECTION_ONE, 1);
	struct message_seen now = {.id = m.id};
	unsigned n = 9;

	m.policy = STORE_AT_LEAST_ONCE;
	m.next_at = NOW;
	assert_int_equal(store_message_queue(h->store, &m, NULL), STORE_OK);
	assert_int_equal(lease(h->store, 1, 1).len, 1);
	house_close(h);
	house_open(h);
	assert_int_equal(store_outbox_recover(h->store, NOW + 500, &n), STORE_OK);
	assert_int_equal(n, 1);
	assert_int_equal(store_message_get(h->store, "one", m.id, look_at, &now), STORE_OK);
	assert_int_equal(now.message.state, STORE_MESSAGE_RETRY);
	assert_true(now.message.maybe_duplicate);
	assert_int_equal(now.message.policy, STORE_AT_LEAST_ONCE);
	assert_true(now.message.next_at == NOW + 500);
	assert_int_equal(lease(h->store, 1, 1).len, 0);
	assert_int_equal(lease_due(h->store, NOW + 500, 1, 1, look_at, &now), STORE_OK);
	assert_int_equal(now.message.attempts, 2);
}

/* One that stands for another, which may have arrived, says so after a crash, too. */
static void test_crash_keeps_maybe_duplicate(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = outbound("one", CONNECTION_ONE, 1);
	struct message_seen now = {.id = m.id};
	unsigned n;

	m.maybe_duplicate = true;
	m.next_at = NOW;
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_OK);
	assert_int_equal(lease(s, 1, 1).len, 1);
	assert_int_equal(store_outbox_recover(s, NOW, &n), STORE_OK);
	assert_int_equal(store_message_get(s, "one", m.id, look_at, &now), STORE_OK);
	assert_int_equal(now.message.state, STORE_MESSAGE_UNKNOWN);
	assert_true(now.message.maybe_duplicate);
}

/* Put off, it is not due before then, and is not an attempt. */
static void test_put_off(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = queue(s, "one", CONNECTION_ONE, 1, NOW),
			     other = queue(s, "one", CONNECTION_ONE, 2, NOW);
	struct store_due due[4];
	struct store_lease leases[2] = {{0}};
	struct message_seen now = {.id = m.id};
	struct seen seen = {0};
	size_t len = 4;
	int64_t next_at;

	assert_int_equal(store_outbox_due(s, CONNECTION_ONE, NOW, due, &len, &next_at), STORE_OK);
	assert_int_equal(len, 2);
	assert_true(next_at == INT64_MAX);
	assert_int_equal(due[0].size, 7);
	assert_memory_equal(due[0].conversation, m.conversation, sizeof(m.conversation));
	leases[0] = (struct store_lease){.seq = due[0].seq, .put_off_to = NOW + 6000};
	leases[1] = (struct store_lease){.seq = due[1].seq};
	assert_int_equal(store_outbox_lease(s, NOW, leases, 2, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], other.id);
	assert_true(leases[1].leased && !leases[0].leased);
	assert_int_equal(store_message_get(s, "one", m.id, look_at, &now), STORE_OK);
	assert_int_equal(now.message.state, STORE_MESSAGE_QUEUED);
	assert_int_equal(now.message.attempts, 0);
	/* Twice the same: it is on its way, and is passed over. */
	seen.len = 0;
	assert_int_equal(store_outbox_lease(s, NOW, &leases[1], 1, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 0);
	assert_false(leases[1].leased);
	len = 4;
	assert_int_equal(store_outbox_due(s, CONNECTION_ONE, NOW, due, &len, &next_at), STORE_OK);
	assert_int_equal(len, 0);
	assert_true(next_at == NOW + 6000);
	len = 1;
	assert_int_equal(store_outbox_due(s, CONNECTION_ONE, NOW + 6000, due, &len, &next_at), STORE_OK);
	assert_int_equal(len, 1);
	assert_true(next_at == NOW + 6000); /* there may be more */
	assert_int_equal(store_outbox_lease(s, NOW, leases, 0, see_message, NULL), STORE_INVALID);
	assert_int_equal(store_outbox_lease(s, NOW, leases, STORE_LEASES_MAX + 1, see_message, NULL), STORE_INVALID);
}

/* Where nothing may be sent, what waits too long ends all the same; what may still go waits on. */
static void test_what_waits_expires(void **state)
{
	struct store *s = store_of(state);
	struct store_message old = queue(s, "one", CONNECTION_ONE, 1, NOW),
			     behind = queue(s, "one", CONNECTION_ONE, 1, NOW);
	struct store_message young = outbound("one", CONNECTION_ONE, 2),
			     theirs = queue(s, "two", CONNECTION_TWO, 1, NOW);
	const int64_t late = store_now_ms() + 25 * INT64_C(3600000);
	unsigned n = 9;

	young.expires_at = late + 1;
	assert_int_equal(store_message_queue(s, &young, NULL), STORE_OK);
	assert_int_equal(store_outbox_expire(s, late, 10, &n), STORE_OK);
	assert_int_equal(n, 0);
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_KEY_REFUSED), STORE_OK);
	assert_int_equal(store_outbox_expire(s, store_now_ms(), 10, &n), STORE_OK);
	assert_int_equal(n, 0);
	assert_int_equal(store_outbox_expire(s, late, 10, &n), STORE_OK);
	assert_int_equal(n, 1);
	assert_int_equal(state_of(s, "one", old.id), STORE_MESSAGE_DEAD);
	assert_int_equal(store_outbox_expire(s, late, 10, &n), STORE_OK);
	assert_int_equal(n, 1);
	assert_int_equal(state_of(s, "one", behind.id), STORE_MESSAGE_DEAD);
	assert_int_equal(state_of(s, "one", young.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(state_of(s, "two", theirs.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(store_outbox_expire(s, late + 1, 10, &n), STORE_OK);
	assert_int_equal(n, 1);
	assert_int_equal(state_of(s, "one", young.id), STORE_MESSAGE_DEAD);
}

/* What may have been accepted is not said to be dead: an attempt of it was unanswered. */
static void test_what_may_have_arrived_expires_unknown(void **state)
{
	struct store *s = store_of(state);
	const int64_t late = store_now_ms() + 25 * INT64_C(3600000);
	struct store_message m = outbound("one", CONNECTION_ONE, 1);
	struct store_outcome o;
	unsigned n;

	m.policy = STORE_AT_LEAST_ONCE;
	m.next_at = NOW;
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_OK);
	assert_int_equal(lease(s, 1, 1).len, 1);
	o = outcome(&m, STORE_MESSAGE_RETRY);
	o.next_at = NOW;
	o.maybe_duplicate = true;
	assert_int_equal(store_outbox_settle(s, &o), STORE_OK);
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_KEY_REFUSED), STORE_OK);
	assert_int_equal(store_outbox_expire(s, late, 10, &n), STORE_OK);
	assert_int_equal(n, 1);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_UNKNOWN);
}

/* Leaps over connections, in order, and only those that may send. */
static void test_lanes(void **state)
{
	struct store *s = store_of(state);
	struct store_lane l;

	assert_true(next_due(s) == INT64_MAX);
	assert_int_equal(store_outbox_lane(s, CONNECTION_ONE, &l), STORE_OK);
	assert_true(l.due_at == 0);
	queue(s, "one", CONNECTION_ONE, 1, NOW + 5);
	queue(s, "one", CONNECTION_ONE, 2, NOW + 3);
	queue(s, "two", CONNECTION_TWO, 1, NOW + 4);
	assert_true(next_due(s) == NOW + 3);
	assert_int_equal(store_outbox_lane(s, CONNECTION_ONE, &l), STORE_OK);
	assert_true(l.due_at == NOW + 3);
	assert_string_equal(l.business_id, "one");
	assert_string_equal(l.number, "1001");
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_BLOCKED), STORE_OK);
	assert_int_equal(store_outbox_lane(s, CONNECTION_ONE, &l), STORE_NOT_FOUND);
	assert_true(next_due(s) == NOW + 4);
}

/* A message that met a refused key goes with the new one at once; another connection's waits on. */
static void test_a_new_key_makes_retries_due(void **state)
{
	struct store *s = store_of(state);
	struct store_credential key = {.connection_id = CONNECTION_ONE,
		.field = "access_token",
		.slot = STORE_SLOT_CURRENT,
		.version = 1,
		.blob = (const uint8_t *)"blob",
		.blob_len = 4};
	const int64_t later = store_now_ms() + 3600000;
	struct store_outcome out;
	struct store_message mine, other;
	struct seen seen = {0};

	mine = queue(s, "one", CONNECTION_ONE, 1, 0);
	other = queue(s, "two", CONNECTION_TWO, 1, 0);
	assert_int_equal(lease(s, 10, 10).len, 2);
	out = outcome(&mine, STORE_MESSAGE_RETRY);
	out.next_at = later;
	assert_int_equal(store_outbox_settle(s, &out), STORE_OK);
	out = outcome(&other, STORE_MESSAGE_RETRY);
	out.next_at = later;
	assert_int_equal(store_outbox_settle(s, &out), STORE_OK);
	assert_int_equal(store_credential_put(s, "one", &key), STORE_OK);
	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], mine.id);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_lease_marks_before_it_shows),
		TEST(test_not_before_its_time),
		TEST(test_conversation_in_order),
		TEST(test_suspended_holds_up_nobody),
		TEST(test_who_may_send),
		TEST(test_who_may_send_at_once),
		TEST(test_nothing_is_due_of_who_may_not_send),
		TEST(test_connection_of_another_business),
		TEST(test_removed_connection_holds_up_nobody),
		TEST(test_settle_only_its_attempt),
		TEST(test_many_are_settled_at_once),
		TEST(test_settled_beside_one_that_fails),
		TEST(test_crash_makes_unknown),
		TEST(test_crash_and_at_least_once),
		TEST(test_crash_keeps_maybe_duplicate),
		TEST(test_put_off),
		TEST(test_what_waits_expires),
		TEST(test_what_may_have_arrived_expires_unknown),
		TEST(test_lanes),
		TEST(test_a_new_key_makes_retries_due),
		TEST(test_backlog_of_many_customers),
		TEST(test_backlog_of_one_customer),
		TEST(test_backlog_of_a_suspended_shop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
