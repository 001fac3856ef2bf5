/*
 * The inbox and the log: events settled once, duplicates dropped, statuses applied where
 * they may be, and what retention removes.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_update update(enum store_update_kind kind, uint8_t seen_key)
{
	struct store_update u = {.kind = kind,
		.field = "messages",
		.number = "1001",
		.verdict = STORE_UPDATE_DELIVERED,
		.seen_key = {seen_key}};

	store_id_new(u.id);
	return u;
}

/* Settles a fresh event of business "one". */
static struct store_intake_counts settle(struct store *s, const struct store_update *updates, size_t len)
{
	struct store_intake_counts counts = {0};
	char event[STORE_ID_LEN + 1];

	add_event(s, event);
	assert_int_equal(store_event_settle(s, "one", event, STORE_EVENT_SETTLED, updates, len, &counts), STORE_OK);
	return counts;
}

static size_t awaiting(struct store *s, struct seen *seen)
{
	*seen = (struct seen){0};
	assert_int_equal(store_ask_lease(s, store_now_ms(), 10, 10, see_ask, seen), STORE_OK);
	return seen->len;
}

static bool check_event(const struct store_event *e, void *arg)
{
	assert_string_equal(e->id, arg);
	assert_string_equal(e->business_id, "one");
	assert_string_equal(e->connection_id, CONNECTION_ONE);
	assert_int_equal(e->body_len, 6);
	assert_memory_equal(e->body, "sealed", 6);
	return true;
}

static void test_event_comes_back(void **state)
{
	struct house *h = *state;
	struct store_event bad = {.business_id = "one", .connection_id = CONNECTION_ONE};
	char id[STORE_ID_LEN + 1];

	store_id_new(bad.id);
	assert_int_equal(store_event_append(h->store, &bad, 1000), STORE_INVALID);
	add_event(h->store, id);
	house_close(h);
	house_open(h);
	assert_int_equal(store_event_unsettled(h->store, &(struct store_look){.limit = 10}, check_event, id), STORE_OK);
}

static void test_settled_once(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = message("one", CONNECTION_ONE, 1);
	struct store_update u = update(STORE_UPDATE_MESSAGE, 1);
	struct store_intake_counts counts;
	struct store_page page = {.limit = 10};
	struct seen seen = {0};
	char id[STORE_ID_LEN + 1];

	u.message = &m;
	add_event(s, id);
	assert_int_equal(store_event_settle(s, "two", id, STORE_EVENT_SETTLED, NULL, 0, &counts), STORE_NOT_FOUND);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_ACCEPTED, &u, 1, &counts), STORE_INVALID);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_OK);
	assert_int_equal(counts.delivered, 1);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_STALE);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(store_event_list(s, "one", STORE_EVENT_UNPARSED, &page, see_summary, &seen), STORE_OK);
	assert_int_equal(store_event_list(s, "two", 0, &page, see_summary, &seen), STORE_OK);
	assert_int_equal(seen.len, 0);
	assert_int_equal(store_event_list(s, "one", STORE_EVENT_SETTLED, &page, see_summary, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], id);
}

/* After one that cannot be settled none of those behind it is: a conversation's order would be broken. What is gone or
 * settled already holds up nobody. */
static void test_many_at_once(void **state)
{
	enum { N = 7, SETTLED_BEFORE = 1, REMOVED = 2, BAD = 4 };
	struct store *s = store_of(state);
	char ids[N][STORE_ID_LEN + 1];
	struct store_message m[N];
	struct store_update u[N];
	struct store_settling all[N];
	struct seen seen = {0};

	for (unsigned i = 0; i < N; i++) {
		add_event(s, ids[i]);
		m[i] = message("one", CONNECTION_ONE, 1);
		u[i] = update(STORE_UPDATE_MESSAGE, (uint8_t)(i + 1));
		u[i].message = &m[i];
		all[i] = (struct store_settling){
			"one", ids[i], STORE_EVENT_SETTLED, &u[i], 1, 0, false, {0}, "", STORE_OK};
	}
	assert_int_equal(
		store_event_settle(s, "one", ids[SETTLED_BEFORE], STORE_EVENT_UNPARSED, NULL, 0, NULL), STORE_OK);
	all[REMOVED].business_id = "two";
	memcpy(m[REMOVED].business_id, "two", 4);
	memcpy(m[BAD].id, m[0].id, sizeof(m[0].id));
	assert_int_equal(store_events_settle(s, all, N), STORE_OK);
	assert_int_equal(all[0].result, STORE_OK);
	assert_int_equal(all[0].counts.delivered, 1);
	assert_int_equal(all[SETTLED_BEFORE].result, STORE_STALE);
	assert_int_equal(all[REMOVED].result, STORE_NOT_FOUND);
	assert_int_equal(all[3].result, STORE_OK);
	assert_int_equal(all[BAD].result, STORE_EXISTS);
	assert_int_equal(all[5].result, STORE_BUSY);
	assert_int_equal(all[6].result, STORE_BUSY);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 4);
	assert_string_equal(seen.ids[0], ids[REMOVED]);
	assert_string_equal(seen.ids[1], ids[BAD]);
	/* What failed left nothing behind, not even its mark of having been seen. */
	store_id_new(m[BAD].id);
	assert_int_equal(store_events_settle(s, &all[BAD], 3), STORE_OK);
	for (unsigned i = BAD; i < N; i++) {
		assert_int_equal(all[i].result, STORE_OK);
		assert_int_equal(all[i].counts.delivered, 1);
	}
}

static enum store_error run_fault(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"CREATE TEMP TRIGGER fault BEFORE INSERT ON main.updates WHEN NEW.field = 'fault' "
		"BEGIN SELECT RAISE(ABORT, 'fault'); END");
}

/* An event with many updates is settled piece by piece; what was cut short goes on where it was. */
static void test_piece_by_piece(void **state)
{
	enum { N = 150 };
	struct store *s = store_of(state);
	static struct store_update u[N];
	struct store_settling all[2];
	unsigned long before;
	struct seen seen = {0};
	char ids[2][STORE_ID_LEN + 1];

	for (unsigned i = 0; i < N; i++) {
		u[i] = update(STORE_UPDATE_OTHER, (uint8_t)(i + 1));
		store_id_new(u[i].id);
	}
	u[7].verdict = STORE_UPDATE_QUARANTINED;
	memcpy(u[140].seen_key, u[3].seen_key, sizeof(u[3].seen_key));
	memcpy(u[100].field, "fault", 6);
	add_event(s, ids[0]);
	add_event(s, ids[1]);
	all[0] = (struct store_settling){"one", ids[0], STORE_EVENT_SETTLED, u, N, 0, false, {0}, "", STORE_OK};
	all[1] = (struct store_settling){"one", ids[1], STORE_EVENT_SETTLED, u, 1, 0, false, {0}, "", STORE_OK};
	assert_int_equal(core_write(s, run_fault, NULL), STORE_OK);
	assert_int_equal(store_events_settle(s, all, 2), STORE_OK);
	assert_int_not_equal(all[0].result, STORE_OK);
	assert_int_equal(all[1].result, STORE_BUSY);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);

	memcpy(u[100].field, "other", 6);
	before = writer_commits(s->writer);
	assert_int_equal(store_events_settle(s, all, 2), STORE_OK);
	assert_int_equal(writer_commits(s->writer) - before, 3);
	assert_int_equal(all[0].result, STORE_OK);
	assert_int_equal(all[0].counts.delivered, N - 2);
	assert_int_equal(all[0].counts.quarantined, 1);
	assert_int_equal(all[0].counts.duplicates, 1);
	assert_int_equal(all[1].result, STORE_OK);
	assert_int_equal(all[1].counts.duplicates, 1);
	assert_int_equal(store_events_settle(s, all, 1), STORE_OK);
	assert_int_equal(all[0].result, STORE_STALE);
}

/* The pieces of one may come with calls of their own, between which it waits. */
static void test_pieces_one_by_one(void **state)
{
	enum { N = 150 };
	struct store *s = store_of(state);
	static struct store_update u[N];
	struct store_settling one;
	char id[STORE_ID_LEN + 1];

	for (unsigned i = 0; i < N; i++) {
		u[i] = update(STORE_UPDATE_OTHER, (uint8_t)(i + 1));
		store_id_new(u[i].id);
	}
	add_event(s, id);
	for (size_t from = 0; from < N; from += STORE_PIECE) {
		const bool more = N - from > STORE_PIECE;
		struct seen seen = {0};

		one = (struct store_settling){"one", id, STORE_EVENT_SETTLED, &u[from], more ? STORE_PIECE : N - from,
			from, more, {0}, "", STORE_OK};
		/* None before its turn, and none twice. */
		if (more) {
			one.from += STORE_PIECE;
			assert_int_equal(store_events_settle(s, &one, 1), STORE_OK);
			assert_int_equal(one.result, STORE_BUSY);
			one.from -= STORE_PIECE;
		}
		for (unsigned times = 0; times < 2; times++) {
			assert_int_equal(store_events_settle(s, &one, 1), STORE_OK);
			assert_int_equal(one.result, more || times == 0 ? STORE_OK : STORE_STALE);
		}
		if (more)
			assert_int_equal(one.counts.delivered, from + STORE_PIECE);
		assert_int_equal(
			store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
		assert_int_equal(seen.len, more);
	}
	one.from = 1;
	assert_int_equal(store_events_settle(s, &one, 1), STORE_OK);
	assert_int_equal(one.result, STORE_INVALID);
	one.from = 0;
	one.more = true;
	assert_int_equal(store_events_settle(s, &one, 1), STORE_OK);
	assert_int_equal(one.result, STORE_INVALID);
}

/* Chooses the third and the fifth, and nothing from the eighth on. */
static size_t chosen;

static enum store_choice choose(int64_t place, const char *business_id, void *arg)
{
	(void)arg;
	assert_string_equal(business_id, "one");
	chosen++;
	return place >= 8 ? STORE_STOP : place == 3 || place == 5 ? STORE_TAKE : STORE_PASS;
}

static void test_a_look(void **state)
{
	static const struct {
		struct store_look look;
		size_t taken, chosen;
		int64_t after;
	} table[] = {
		{{.limit = 10, .choose = choose}, 2, 8, 7}, /* stopped */
		{{.limit = 1, .choose = choose}, 1, 3, 3}, /* full */
		{{.limit = 10, .rows = 4, .choose = choose}, 1, 4, 4}, /* far enough */
		{{.after = 3, .until = 6, .limit = 10, .choose = choose}, 1, 3, 6},
		{{.after = 5, .limit = 10, .rows = 2, .choose = choose}, 0, 2, 7},
		{{.after = 8, .until = 99, .limit = 10}, 2, 0, 99}, /* nothing more up to there */
		{{.after = 8, .limit = 10}, 2, 0, 10}, /* but behind the last there will be */
		{{.after = 20, .until = 10, .limit = 10}, 0, 0, 20},
	};
	struct store *s = store_of(state);
	char ids[10][STORE_ID_LEN + 1];

	for (unsigned i = 0; i < 10; i++)
		add_event(s, ids[i]);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct store_look look = table[i].look;
		struct seen seen = {0};

		chosen = 0;
		assert_int_equal(store_event_unsettled(s, &look, see_event, &seen), STORE_OK);
		if (seen.len != table[i].taken || chosen != table[i].chosen || look.after != table[i].after)
			fail_msg("row %zu: %zu taken, %zu chosen, came to %d", i, seen.len, chosen, (int)look.after);
	}
}

/* What was begun and cannot be ended is kept unparsed. */
static void test_given_up_half_way(void **state)
{
	struct store *s = store_of(state);
	static struct store_update u[100];
	struct store_settling one;
	struct store_intake_counts counts;
	struct seen seen = {0};
	char id[STORE_ID_LEN + 1];

	for (unsigned i = 0; i < 100; i++) {
		u[i] = update(STORE_UPDATE_OTHER, (uint8_t)(i + 1));
		store_id_new(u[i].id);
	}
	memcpy(u[80].field, "fault", 6);
	add_event(s, id);
	one = (struct store_settling){"one", id, STORE_EVENT_SETTLED, u, 100, 0, false, {0}, "", STORE_OK};
	assert_int_equal(core_write(s, run_fault, NULL), STORE_OK);
	assert_int_equal(store_events_settle(s, &one, 1), STORE_OK);
	assert_int_not_equal(one.result, STORE_OK);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_UNPARSED, NULL, 0, &counts), STORE_OK);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 0);
}

/* What is settled and what is not lie in two indexes, and are one list. */
static void test_listed_together(void **state)
{
	static const unsigned settled[] = {1, 2, 4};
	struct store *s = store_of(state);
	struct store_page page = {.limit = 2};
	char ids[6][STORE_ID_LEN + 1];

	for (unsigned i = 0; i < 6; i++)
		add_event(s, ids[i]);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(store_event_settle(s, "one", ids[settled[i]],
					 i == 0 ? STORE_EVENT_UNPARSED : STORE_EVENT_SETTLED, NULL, 0, NULL),
			STORE_OK);
	for (unsigned ascending = 0; ascending < 2; ascending++) {
		struct seen seen = {0};

		page.after = NULL;
		page.ascending = ascending;
		for (unsigned n = 0; n < 6; n += 2) {
			assert_int_equal(store_event_list(s, "one", 0, &page, see_summary, &seen), STORE_OK);
			assert_int_equal(seen.len, n + 2);
			for (unsigned i = n; i < n + 2; i++)
				assert_string_equal(seen.ids[i], ids[ascending ? i : 5 - i]);
			page.after = seen.ids[n + 1];
		}
		seen.len = 0;
		page.after = NULL;
		assert_int_equal(store_event_list(s, "one", STORE_EVENT_ACCEPTED, &page, see_summary, &seen), STORE_OK);
		assert_int_equal(seen.len, 2);
		assert_string_equal(seen.ids[0], ids[ascending ? 0 : 5]);
		assert_string_equal(seen.ids[1], ids[3]);
	}
}

/* key: of the mark, else the message has an id, and is known by its row. */
static void duplicate_changes_nothing(struct store *s, uint8_t key)
{
	struct store_message sent = queue(s, "one", CONNECTION_ONE, 1, 0);
	struct store_message first = message("one", CONNECTION_ONE, 1), again = message("one", CONNECTION_ONE, 1);
	struct store_settlement st = {.to = STORE_MESSAGE_READ, .from_states = STORE_STATE_BIT(STORE_MESSAGE_QUEUED)};
	struct store_update u[] = {update(STORE_UPDATE_MESSAGE, key), update(STORE_UPDATE_MESSAGE, key)};
	struct store_intake_counts counts;
	struct seen seen = {0};
	bool paused;

	if (key == 0)
		first.wamid_index[0] = again.wamid_index[0] = 5;
	again.awaits_answer = true;
	u[1].pauses[0] = (struct store_pause){.conversation = {1}, .until = INT64_MAX};
	memcpy(st.message_id, sent.id, sizeof(sent.id));
	u[0].message = &first;
	u[1].message = &again;
	u[1].settlement = &st;
	counts = settle(s, u, 2);
	assert_int_equal(counts.delivered, 1);
	assert_int_equal(counts.duplicates, 1);
	assert_int_equal(counts.awaiting, 0);
	assert_int_equal(settle(s, u + 1, 1).duplicates, 1);
	assert_int_equal(awaiting(s, &seen), 0);
	assert_int_equal(store_conversation_paused(s, "one", first.conversation, 1, &paused), STORE_OK);
	assert_false(paused);
	assert_int_equal(store_message_get(s, "one", again.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(state_of(s, "one", first.id), STORE_MESSAGE_RECEIVED);
	assert_int_equal(state_of(s, "one", sent.id), STORE_MESSAGE_QUEUED);
}

static void test_duplicate_changes_nothing(void **state)
{
	duplicate_changes_nothing(store_of(state), 1);
	duplicate_changes_nothing(store_of(state), 0);
}

static void test_seen_is_per_business(void **state)
{
	struct store *s = store_of(state);
	struct store_event e = {
		.business_id = "two", .connection_id = CONNECTION_TWO, .body = (const uint8_t *)"x", .body_len = 1};
	struct store_update u[] = {update(STORE_UPDATE_OTHER, 1), update(STORE_UPDATE_MESSAGE, 0)};
	struct store_update unmarked = update(STORE_UPDATE_OTHER, 0);
	struct store_message m = message("one", CONNECTION_ONE, 1), theirs = message("two", CONNECTION_TWO, 1);
	struct store_intake_counts counts;

	m.wamid_index[0] = theirs.wamid_index[0] = 1;
	u[1].message = &m;
	assert_int_equal(settle(s, u, 2).delivered, 2);
	u[1].message = &theirs;
	store_id_new(e.id);
	assert_int_equal(store_event_append(s, &e, 1000), STORE_OK);
	assert_int_equal(store_event_settle(s, "two", e.id, STORE_EVENT_SETTLED, u, 2, &counts), STORE_OK);
	assert_int_equal(counts.delivered, 2);
	assert_int_equal(settle(s, &unmarked, 1).delivered, 1);
	assert_int_equal(settle(s, &unmarked, 1).delivered, 1);
}

static void test_quarantined_is_not_delivered(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = message("one", CONNECTION_ONE, 1), sent = queue(s, "one", CONNECTION_ONE, 1, 0);
	struct store_settlement st = {.to = STORE_MESSAGE_READ, .from_states = ~0u};
	struct store_update u = update(STORE_UPDATE_MESSAGE, 5);
	struct seen seen = {0};

	m.awaits_answer = true;
	m.wamid_index[0] = 5;
	memcpy(st.message_id, sent.id, sizeof(sent.id));
	u.verdict = STORE_UPDATE_QUARANTINED;
	u.reason = "not this connection's number";
	u.message = &m;
	u.settlement = &st;
	assert_int_equal(settle(s, &u, 1).quarantined, 1);
	assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(state_of(s, "one", sent.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(awaiting(s, &seen), 0);
	/* It does not hide the true one, which does not hide it either. */
	u.verdict = STORE_UPDATE_DELIVERED;
	u.settlement = NULL;
	assert_int_equal(settle(s, &u, 1).delivered, 1);
	assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_OK);
	u.verdict = STORE_UPDATE_QUARANTINED;
	assert_int_equal(settle(s, &u, 1).quarantined, 1);
}

static void apply(struct store *s, const struct store_settlement *st)
{
	struct store_update u = update(STORE_UPDATE_STATUS, 0);

	u.settlement = st;
	assert_int_equal(settle(s, &u, 1).delivered, 1);
}

static bool check_wamid(const struct store_message *m, void *arg)
{
	(void)arg;
	assert_int_equal(m->wamid_len, 5);
	assert_memory_equal(m->wamid, "wamid", 5);
	assert_int_equal(m->wamid_index[0], 9);
	return true;
}

static void test_statuses(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = queue(s, "one", CONNECTION_ONE, 1, 0), theirs = queue(s, "two", CONNECTION_TWO, 1, 0);
	struct store_settlement st = {.to = STORE_MESSAGE_DELIVERED,
		.from_states = STORE_STATE_BIT(STORE_MESSAGE_SENT),
		.wamid_index = {9},
		.wamid = (const uint8_t *)"wamid",
		.wamid_len = 5,
		.at = 7};

	memcpy(st.message_id, m.id, sizeof(m.id));
	apply(s, &st);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_QUEUED);
	st.from_states |= STORE_STATE_BIT(STORE_MESSAGE_QUEUED);
	apply(s, &st);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_DELIVERED);
	assert_int_equal(store_message_get(s, "one", m.id, check_wamid, NULL), STORE_OK);
	/* Now by the provider's id alone, whose blind index was learnt. */
	st = (struct store_settlement){.to = STORE_MESSAGE_READ, .from_states = ~0u, .wamid_index = {9}};
	apply(s, &st);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_READ);
	assert_int_equal(store_message_get(s, "one", m.id, check_wamid, NULL), STORE_OK);
	/* A status of one business never reaches another's message. */
	memcpy(st.message_id, theirs.id, sizeof(theirs.id));
	st.wamid_index[0] = 0;
	apply(s, &st);
	assert_int_equal(state_of(s, "two", theirs.id), STORE_MESSAGE_QUEUED);
}

static void test_queue_checks(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = message("one", CONNECTION_ONE, 1);

	assert_int_equal(store_message_queue(s, &m, NULL), STORE_INVALID);
	m = outbound("none", CONNECTION_ONE, 1);
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_NOT_FOUND);
	m = queue(s, "one", CONNECTION_ONE, 1, 0);
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_EXISTS);
	store_id_new(m.id);
	m.content = NULL;
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_INVALID);
}

static bool take_content(const struct store_message *m, void *arg)
{
	*(size_t *)arg = m->content_len;
	return true;
}

static size_t content_of(struct store *s, const char *id)
{
	size_t len = 99;

	assert_int_equal(store_message_get(s, "one", id, take_content, &len), STORE_OK);
	return len;
}

static void test_retention(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = message("one", CONNECTION_ONE, 1), owed = message("one", CONNECTION_ONE, 2);
	struct store_message waiting = queue(s, "one", CONNECTION_ONE, 3, 0);
	struct store_update u[] = {update(STORE_UPDATE_MESSAGE, 1), update(STORE_UPDATE_MESSAGE, 2)};
	struct store_page page = {.limit = 10};
	const int64_t now = store_now_ms();
	struct seen seen = {0};
	char unsettled[STORE_ID_LEN + 1];

	owed.awaits_answer = true;
	u[0].message = &m;
	u[1].message = &owed;
	settle(s, u, 2);
	add_event(s, unsettled);
	/* Before their time: nothing. */
	assert_int_equal(store_prune(s, now + 7 * DAY, 30), STORE_OK);
	assert_int_equal(content_of(s, m.id), 7);
	assert_int_equal(settle(s, (struct store_update[]){update(STORE_UPDATE_OTHER, 1)}, 1).duplicates, 1);
	/* A mark lives 8 days, a body 30; what is still to be done keeps its own. */
	assert_int_equal(store_prune(s, now + 31 * DAY, 30), STORE_OK);
	assert_int_equal(settle(s, (struct store_update[]){update(STORE_UPDATE_OTHER, 1)}, 1).delivered, 1);
	assert_int_equal(content_of(s, m.id), 0);
	assert_int_equal(content_of(s, owed.id), 7);
	assert_int_equal(content_of(s, waiting.id), 7);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, check_event, unsettled), STORE_OK);
	/* A row lives 400 days. */
	assert_int_equal(store_prune(s, now + 401 * DAY, 30), STORE_OK);
	assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(store_message_get(s, "one", owed.id, see_message, &seen), STORE_OK);
	seen.len = 0;
	assert_int_equal(store_event_list(s, "one", 0, &page, see_summary, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], unsettled);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_event_comes_back),
		TEST(test_settled_once),
		TEST(test_many_at_once),
		TEST(test_piece_by_piece),
		TEST(test_pieces_one_by_one),
		TEST(test_a_look),
		TEST(test_given_up_half_way),
		TEST(test_listed_together),
		TEST(test_duplicate_changes_nothing),
		TEST(test_seen_is_per_business),
		TEST(test_quarantined_is_not_delivered),
		TEST(test_statuses),
		TEST(test_queue_checks),
		TEST(test_retention),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
