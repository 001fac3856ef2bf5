/*
 * What was put aside of a business's events: listed, counted by number, and settled once more, which never delivers
 * anything twice.
 */
#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_update update(enum store_update_verdict verdict, uint8_t seen_key, const char *number)
{
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE,
		.field = "messages",
		.verdict = verdict,
		.seen_key = {seen_key},
		.reason = verdict == STORE_UPDATE_QUARANTINED ? "number is not this connection's" : NULL};

	store_id_new(u.id);
	(void)snprintf(u.number, sizeof(u.number), "%s", number);
	return u;
}

static void add(
	struct store *s, const char *business, int64_t received_at, const struct store_update *u, size_t len, char *id)
{
	struct store_event e = {.connection_id = CONNECTION_ONE,
		.received_at = received_at,
		.body = (const uint8_t *)"sealed",
		.body_len = 6};
	struct store_intake_counts counts;

	(void)snprintf(e.business_id, sizeof(e.business_id), "%s", business);
	store_id_new(e.id);
	memcpy(id, e.id, sizeof(e.id));
	assert_int_equal(store_event_append(s, &e, 1000), STORE_OK);
	if (u != NULL)
		assert_int_equal(store_event_settle(s, business, e.id, STORE_EVENT_SETTLED, u, len, &counts), STORE_OK);
}

static enum store_replay replay(struct store *s, const char *business, const char *id)
{
	enum store_replay found = 0;

	assert_int_equal(store_event_replay(s, business, id, store_now_ms(), &found), STORE_OK);
	return found;
}

struct one {
	const char *id;
	struct store_event_summary found;
};

static bool find(const struct store_event_summary *e, void *arg)
{
	struct one *one = arg;

	if (strcmp(e->id, one->id) != 0)
		return true;
	one->found = *e;
	return false;
}

static struct store_event_summary look(struct store *s, const char *business, const char *id)
{
	const struct store_page page = {.limit = 100};
	struct one one = {.id = id};

	assert_int_equal(store_event_list(s, business, 0, &page, find, &one), STORE_OK);
	assert_string_equal(one.found.id, id);
	return one.found;
}

static void test_listed(void **state)
{
	struct store *s = store_of(state);
	const struct store_update mixed[] = {update(STORE_UPDATE_DELIVERED, 1, "1001"),
		update(STORE_UPDATE_QUARANTINED, 2, "999"), update(STORE_UPDATE_QUARANTINED, 3, "999")};
	struct store_page page = {.limit = 10};
	struct seen seen = {0}, rest = {0}, other = {0};
	char first[STORE_ID_LEN + 1], fine[STORE_ID_LEN + 1], second[STORE_ID_LEN + 1], theirs[STORE_ID_LEN + 1];

	add(s, "one", 1, mixed, 3, first);
	add(s, "one", 1, mixed, 1, fine);
	add(s, "one", 1, mixed + 1, 1, second);
	add(s, "two", 1, mixed + 1, 1, theirs);
	add(s, "one", 1, NULL, 0, fine);
	assert_int_equal(store_quarantined_events(s, "one", &page, see_summary, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], second);
	assert_string_equal(seen.ids[1], first);
	page = (struct store_page){.limit = 10, .after = first, .ascending = true};
	assert_int_equal(store_quarantined_events(s, "one", &page, see_summary, &rest), STORE_OK);
	assert_int_equal(rest.len, 1);
	assert_string_equal(rest.ids[0], second);
	page.after = theirs;
	assert_int_equal(store_quarantined_events(s, "one", &page, see_summary, &other), STORE_NOT_FOUND);
	assert_int_equal(look(s, "one", first).quarantined, 2);
}

struct numbers {
	struct store_put_aside rows[STORE_PUT_ASIDE_MAX + 1];
	size_t len;
};

static bool take(const struct store_put_aside *p, void *arg)
{
	struct numbers *n = arg;

	assert_true(n->len < STORE_PUT_ASIDE_MAX);
	n->rows[n->len++] = *p;
	return true;
}

static void test_counted_by_number(void **state)
{
	struct store *s = store_of(state);
	const struct store_update a[] = {update(STORE_UPDATE_QUARANTINED, 1, "999"),
		update(STORE_UPDATE_QUARANTINED, 2, "999"), update(STORE_UPDATE_DELIVERED, 3, "1001")};
	struct store_update many[8];
	struct numbers n = {.len = 0}, late = n, theirs = n;
	char id[STORE_ID_LEN + 1], number[8];

	add(s, "one", 100, a, 3, id);
	many[0] = update(STORE_UPDATE_QUARANTINED, 1, "");
	add(s, "one", 200, many, 1, id);
	add(s, "one", 300, a, 1, id);
	assert_int_equal(store_quarantined_numbers(s, "one", 100, take, &n), STORE_OK);
	assert_int_equal(n.len, 2);
	assert_string_equal(n.rows[0].number, "999");
	assert_int_equal(n.rows[0].updates, 3);
	assert_int_equal(n.rows[0].last_at, 300);
	assert_string_equal(n.rows[1].number, "");
	assert_int_equal(n.rows[1].updates, 1);
	assert_int_equal(store_quarantined_numbers(s, "two", 0, take, &theirs), STORE_OK);
	assert_int_equal(theirs.len, 0);
	/* Somebody may name as many as he likes. */
	for (size_t i = 0; i < 8; i++) {
		(void)snprintf(number, sizeof(number), "55%zu", i);
		many[i] = update(STORE_UPDATE_QUARANTINED, 1, number);
	}
	add(s, "one", 400, many, 8, id);
	assert_int_equal(store_quarantined_numbers(s, "one", 300, take, &late), STORE_OK);
	assert_int_equal(late.len, STORE_PUT_ASIDE_MAX);
	assert_int_equal(late.rows[0].last_at, 400);
}

/* After the number was connected, what was put aside is delivered, and what was delivered is not delivered again. */
static void test_replayed(void **state)
{
	struct store *s = store_of(state);
	struct store_update u[] = {
		update(STORE_UPDATE_DELIVERED, 1, "1001"), update(STORE_UPDATE_QUARANTINED, 2, "999")};
	struct store_intake_counts counts;
	struct seen seen = {0};
	struct numbers n = {.len = 0};
	char id[STORE_ID_LEN + 1];
	enum store_replay found;

	add(s, "one", store_now_ms(), u, 2, id);
	assert_int_equal(store_event_replay(s, "two", id, store_now_ms(), &found), STORE_NOT_FOUND);
	assert_int_equal(look(s, "one", id).state, STORE_EVENT_SETTLED);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_BEGINS);
	assert_int_equal(look(s, "one", id).state, STORE_EVENT_ACCEPTED);
	assert_int_equal(look(s, "one", id).quarantined, 0);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_WAITS);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	/* Its number is not connected yet. */
	store_id_new(u[0].id);
	store_id_new(u[1].id);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, u, 2, &counts), STORE_OK);
	assert_int_equal(counts.duplicates, 1);
	assert_int_equal(store_quarantined_numbers(s, "one", 0, take, &n), STORE_OK);
	assert_int_equal(n.rows[0].updates, 1);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_BEGINS);
	for (size_t i = 0; i < 2; i++) {
		u[i].verdict = STORE_UPDATE_DELIVERED;
		u[i].reason = NULL;
		store_id_new(u[i].id);
	}
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_SETTLED, u, 2, &counts), STORE_OK);
	assert_int_equal(counts.delivered, 1);
	assert_int_equal(counts.duplicates, 1);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_NOTHING);
}

static void test_what_cannot_be_replayed(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();
	const struct store_update u[] = {
		update(STORE_UPDATE_QUARANTINED, 2, "999"), update(STORE_UPDATE_DELIVERED, 1, "1001")};
	struct store_intake_counts counts;
	char id[STORE_ID_LEN + 1];

	add(s, "one", now - 6 * DAY, u, 2, id);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_BEGINS);
	add(s, "one", now - 8 * DAY, u, 2, id);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_TOO_OLD);
	add(s, "one", now - 8 * DAY, u, 1, id);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_BEGINS);
	add(s, "one", now - 40 * DAY, u, 1, id);
	assert_int_equal(store_prune(s, now, 30), STORE_OK);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_TOO_OLD);
	/* Its messages would be as old, and their rows gone before anybody could be sure that they do not come again. */
	add(s, "one", now - 389 * DAY, u, 1, id);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_BEGINS);
	add(s, "one", now - 391 * DAY, u, 1, id);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_TOO_OLD);
	/* What could not be read may be readable for a later version. */
	add(s, "one", now, NULL, 0, id);
	assert_int_equal(store_event_settle(s, "one", id, STORE_EVENT_UNPARSED, NULL, 0, &counts), STORE_OK);
	assert_int_equal(replay(s, "one", id), STORE_REPLAY_BEGINS);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_listed),
		TEST(test_counted_by_number),
		TEST(test_replayed),
		TEST(test_what_cannot_be_replayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
