/*
 * Virtual keys: found by their hash whatever has become of them, two at once of a name, revoked
 * at once, a day's messages counted inside the change that queues them, and what calls came
 * to added up.
 */
#include "store/core.h"
#include "store/virtual_key.h"
#include "test/unit/store/helper.h"

#define DAY_MS INT64_C(86400000)
#define NOON (INT64_C(20000) * DAY_MS + DAY_MS / 2)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

/* Made at NOON; its hash begins with n. */
static struct store_virtual_key key(const char *business, const char *id, const char *name, uint8_t n)
{
	struct store_virtual_key k = {
		.hash = {n, 1}, .last4 = "wxyz", .scopes = STORE_SCOPE_SEND, .created_at = NOON, .numbers = "1001"};

	(void)snprintf(k.id, sizeof(k.id), "%s", id);
	(void)snprintf(k.business_id, sizeof(k.business_id), "%s", business);
	(void)snprintf(k.name, sizeof(k.name), "%s", name);
	return k;
}

static void add(struct store *s, const struct store_virtual_key *k)
{
	assert_int_equal(store_virtual_key_add(s, k), STORE_OK);
}

/* What lies between fields may be anything. */
static void assert_same(const struct store_virtual_key *a, const struct store_virtual_key *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->business_id, b->business_id);
	assert_string_equal(a->name, b->name);
	assert_memory_equal(a->hash, b->hash, sizeof(a->hash));
	assert_string_equal(a->last4, b->last4);
	assert_int_equal(a->scopes, b->scopes);
	assert_string_equal(a->numbers, b->numbers);
	assert_int_equal(a->rate, b->rate);
	assert_int_equal(a->budget, b->budget);
	assert_int_equal(a->created_at, b->created_at);
	assert_int_equal(a->expires_at, b->expires_at);
	assert_int_equal(a->revoked_at, b->revoked_at);
	assert_int_equal(a->used_at, b->used_at);
	assert_int_equal(a->refused_at, b->refused_at);
	assert_string_equal(a->refused_why, b->refused_why);
	assert_int_equal(a->refused_count, b->refused_count);
	assert_int_equal(a->messages_today, b->messages_today);
}

/* ------------------------------------------------------------ making and finding */

static void test_found_as_it_was_made(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k1", "shop system", 1), found;
	const uint8_t other[32] = {1, 2};

	k.scopes = STORE_SCOPE_MEDIA | STORE_SCOPE_READ;
	k.rate = 60;
	k.budget = 1000;
	k.expires_at = NOON + 1;
	add(s, &k);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
	assert_same(&found, &k);
	assert_int_equal(store_virtual_key_get(s, "one", "k1", NOON, &found), STORE_OK);
	assert_same(&found, &k);
	assert_int_equal(store_virtual_key_find(s, other, NOON, &found), STORE_NOT_FOUND);
	assert_int_equal(store_virtual_key_get(s, "two", "k1", NOON, &found), STORE_NOT_FOUND);
	assert_int_equal(store_virtual_key_get(s, "one", "k2", NOON, &found), STORE_NOT_FOUND);
}

static void test_found_when_it_is_good_no_more(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k1", "n", 1), found;

	k.expires_at = NOON + 5;
	add(s, &k);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON + 10, &found), STORE_OK);
	assert_int_equal(found.expires_at, NOON + 5);
	assert_int_equal(store_virtual_key_revoke(s, "two", "k1"), STORE_NOT_FOUND);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
	assert_int_equal(found.revoked_at, 0);
	assert_int_equal(store_virtual_key_revoke(s, "one", "k1"), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
	assert_true(found.revoked_at > 0);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
}

static void test_two_of_a_name(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key a = key("one", "a", "n", 1), b = key("one", "b", "n", 2), c = key("one", "c", "n", 3),
				 other = key("one", "d", "N", 4), theirs = key("two", "e", "n", 5);

	a.expires_at = NOON + 10;
	add(s, &a);
	add(s, &b);
	assert_int_equal(store_virtual_key_add(s, &c), STORE_TOO_MANY);
	add(s, &other);
	add(s, &theirs);
	/* One that has expired makes room, and so does one that is revoked. */
	c.created_at = NOON + 9;
	assert_int_equal(store_virtual_key_add(s, &c), STORE_TOO_MANY);
	c.created_at = NOON + 10;
	add(s, &c);
	a = key("one", "f", "n", 6);
	a.created_at = NOON + 20;
	assert_int_equal(store_virtual_key_add(s, &a), STORE_TOO_MANY);
	assert_int_equal(store_virtual_key_revoke(s, "one", "b"), STORE_OK);
	add(s, &a);
}

static void test_what_is_no_key(void **state)
{
	struct store *s = store_of(state);
	const struct store_virtual_key good = key("one", "k1", "n", 1);
	struct store_virtual_key bad[7];

	for (size_t i = 0; i < 7; i++)
		bad[i] = good;
	bad[0].id[0] = bad[1].name[0] = bad[2].last4[0] = '\0';
	bad[3].scopes = 0;
	bad[4].scopes = STORE_SCOPES_ALL + 1;
	bad[5].expires_at = bad[5].created_at;
	bad[6].created_at = 0;
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(store_virtual_key_add(s, &bad[i]), STORE_INVALID);
	bad[0] = key("nobody", "k1", "n", 1);
	assert_int_equal(store_virtual_key_add(s, &bad[0]), STORE_NOT_FOUND);
	add(s, &good);
}

static bool see_key(const struct store_virtual_key *k, void *arg)
{
	struct seen *seen = arg;

	memcpy(seen->ids[seen->len++], k->id, sizeof(k->id));
	return seen->stop_after == 0 || seen->len < seen->stop_after;
}

static void test_listed(void **state)
{
	struct store_page page = {.limit = 2};
	struct store *s = store_of(state);
	struct store_virtual_key keys[] = {
		key("one", "a", "1", 1), key("two", "x", "1", 2), key("one", "b", "2", 3), key("one", "c", "3", 4)};
	struct seen seen = {0};

	for (size_t i = 0; i < 4; i++)
		add(s, &keys[i]);
	assert_int_equal(store_virtual_key_list(s, "one", &page, NOON, see_key, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], "c");
	assert_string_equal(seen.ids[1], "b");
	page.after = "b";
	assert_int_equal(store_virtual_key_list(s, "one", &page, NOON, see_key, &seen), STORE_OK);
	assert_int_equal(seen.len, 3);
	assert_string_equal(seen.ids[2], "a");
	page = (struct store_page){.limit = 5, .ascending = true};
	assert_int_equal(store_virtual_key_list(s, "one", &page, NOON, see_key, &seen), STORE_OK);
	assert_int_equal(seen.len, 6);
	assert_string_equal(seen.ids[3], "a");
	page.after = "x";
	assert_int_equal(store_virtual_key_list(s, "one", &page, NOON, see_key, &seen), STORE_NOT_FOUND);
}

/* ------------------------------------------------------------ rotation */

static void test_rotated(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key old = key("one", "old", "n", 1), fresh, third, found;

	old.rate = 7;
	old.budget = 8;
	old.expires_at = NOON + 30 * DAY_MS;
	add(s, &old);
	fresh = (struct store_virtual_key){.id = "fresh", .hash = {2}, .last4 = "abcd", .created_at = NOON + DAY_MS};
	third = fresh;
	third.id[0] = 'x';
	third.hash[0] = 3;
	assert_int_equal(store_virtual_key_rotate(s, "two", "old", 0, &fresh), STORE_NOT_FOUND);
	assert_int_equal(store_virtual_key_rotate(s, "one", "old", fresh.created_at, &fresh), STORE_INVALID);
	assert_int_equal(store_virtual_key_rotate(s, "one", "old", 0, &fresh), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, fresh.hash, NOON, &found), STORE_OK);
	assert_same(&found, &fresh);
	assert_string_equal(found.name, "n");
	assert_string_equal(found.numbers, "1001");
	assert_int_equal(found.scopes, STORE_SCOPE_SEND);
	assert_int_equal(found.rate, 7);
	assert_int_equal(found.budget, 8);
	assert_int_equal(found.expires_at, NOON + 31 * DAY_MS);
	assert_int_equal(store_virtual_key_get(s, "one", "old", NOON, &found), STORE_OK);
	assert_int_equal(found.expires_at, old.expires_at);
	assert_int_equal(store_virtual_key_rotate(s, "one", "old", 0, &third), STORE_TOO_MANY);
	assert_int_equal(store_virtual_key_find(s, third.hash, NOON, &found), STORE_NOT_FOUND);
}

static void test_the_old_one_ends(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key old = key("one", "old", "n", 1), found;
	struct store_virtual_key fresh = {.id = "f", .hash = {2}, .last4 = "abcd", .created_at = NOON + 1},
				 next = {.id = "g", .hash = {3}, .last4 = "abcd", .created_at = NOON + 500};

	add(s, &old);
	assert_int_equal(store_virtual_key_rotate(s, "one", "old", NOON + 100, &fresh), STORE_OK);
	assert_int_equal(fresh.expires_at, 0);
	assert_int_equal(store_virtual_key_get(s, "one", "old", NOON, &found), STORE_OK);
	assert_int_equal(found.expires_at, NOON + 100);
	assert_int_equal(store_virtual_key_rotate(s, "one", "old", 0, &next), STORE_STALE);
	assert_int_equal(store_virtual_key_rotate(s, "one", "f", NOON + 900, &next), STORE_OK);
	/* Never later than it would have been. */
	assert_int_equal(store_virtual_key_revoke(s, "one", "g"), STORE_OK);
	next = (struct store_virtual_key){.id = "h", .hash = {4}, .last4 = "abcd", .created_at = NOON + 501};
	assert_int_equal(store_virtual_key_rotate(s, "one", "g", 0, &next), STORE_STALE);
	assert_int_equal(store_virtual_key_rotate(s, "one", "f", NOON + 9000, &next), STORE_OK);
	assert_int_equal(store_virtual_key_get(s, "one", "f", NOON, &found), STORE_OK);
	assert_int_equal(found.expires_at, NOON + 900);
}

/* ------------------------------------------------------------ a day's messages */

struct spending {
	const char *id;
	int64_t at;
};

static enum store_error run_spend(struct db *db, void *arg)
{
	const struct spending *p = arg;

	return virtual_key_spend(db, p->id, p->at);
}

static enum store_error spend(struct store *s, const char *id, int64_t at)
{
	struct spending p = {id, at};

	return core_write(s, run_spend, &p);
}

static int64_t today(struct store *s, const struct store_virtual_key *k, int64_t now)
{
	struct store_virtual_key found;

	assert_int_equal(store_virtual_key_find(s, k->hash, now, &found), STORE_OK);
	return found.messages_today;
}

static void test_a_budget_is_a_days(void **state)
{
	const int64_t midnight = NOON + DAY_MS / 2;
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k", "n", 1), free_one = key("one", "f", "m", 2);

	k.budget = 2;
	add(s, &k);
	add(s, &free_one);
	assert_int_equal(spend(s, "k", NOON), STORE_OK);
	assert_int_equal(spend(s, "k", midnight - 1), STORE_OK);
	assert_int_equal(spend(s, "k", midnight - 1), STORE_TOO_MANY);
	assert_int_equal(today(s, &k, NOON), 2);
	assert_int_equal(today(s, &k, midnight), 0);
	assert_int_equal(spend(s, "k", midnight), STORE_OK);
	assert_int_equal(today(s, &k, midnight), 1);
	for (int i = 0; i < 5; i++)
		assert_int_equal(spend(s, "f", NOON), STORE_OK);
	assert_int_equal(today(s, &free_one, NOON), 5);
}

static void test_spent_by_a_live_key_alone(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k", "n", 1), revoked = key("one", "r", "n", 2);

	k.expires_at = NOON + 10;
	add(s, &k);
	add(s, &revoked);
	assert_int_equal(store_virtual_key_revoke(s, "one", "r"), STORE_OK);
	assert_int_equal(spend(s, "k", NOON + 9), STORE_OK);
	assert_int_equal(spend(s, "k", NOON + 10), STORE_NOT_FOUND);
	assert_int_equal(spend(s, "r", NOON), STORE_NOT_FOUND);
	assert_int_equal(spend(s, "none", NOON), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(spend(s, "k", NOON), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_OK);
	assert_int_equal(spend(s, "k", NOON), STORE_OK);
	assert_int_equal(today(s, &k, NOON), 2);
}

/* What came to nothing for the provider's own reasons is not counted, on the day that it was counted for; once. */
static void test_given_back(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k", "n", 1);
	struct store_message m = outbound("one", CONNECTION_ONE, 1), other = outbound("one", CONNECTION_ONE, 2);
	struct store_outcome o = {.business_id = "one",
		.message_id = m.id,
		.attempt = 1,
		.to = STORE_MESSAGE_DEAD,
		.told = true,
		.given_back_to = "k"};
	int64_t at;

	k.budget = 2;
	k.expires_at = 0;
	add(s, &k);
	m.state = other.state = STORE_MESSAGE_SENDING;
	m.attempts = other.attempts = 1;
	m.updated_at = at = store_now_ms();
	other.updated_at = at + DAY_MS;
	assert_int_equal(store_message_send(s, &m, "k", NULL), STORE_OK);
	assert_int_equal(store_message_send(s, &other, "k", NULL), STORE_OK);
	assert_int_equal(spend(s, "k", at), STORE_OK);
	assert_int_equal(spend(s, "k", at), STORE_TOO_MANY);
	o.spent_at = at;
	assert_int_equal(store_outbox_settle(s, &o), STORE_OK);
	assert_int_equal(store_outbox_settle(s, &o), STORE_STALE);
	assert_int_equal(today(s, &k, at), 1);
	assert_int_equal(today(s, &k, at + DAY_MS), 1);
	assert_int_equal(spend(s, "k", at), STORE_OK);
	/* Nor is there ever less than none. */
	o.message_id = other.id;
	o.spent_at = at + 2 * DAY_MS;
	assert_int_equal(store_outbox_settle(s, &o), STORE_OK);
	assert_int_equal(today(s, &k, at + 2 * DAY_MS), 0);
	assert_int_equal(today(s, &k, at + DAY_MS), 1);
}

/* ------------------------------------------------------------ what calls came to */

static void test_notes_add_up(void **state)
{
	const struct store_virtual_key_note notes[] = {
		{.id = "k", .refused_at = 20, .refused_why = "rate_limited", .refused_count = 3},
		{.id = "gone", .used_at = 5}, {.id = "k", .used_at = 30},
		{.id = "k", .used_at = 25, .refused_at = 10, .refused_why = "key_expired", .refused_count = 1}};
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k", "n", 1), found;

	add(s, &k);
	assert_int_equal(store_virtual_keys_note(s, notes, 4), STORE_OK);
	assert_int_equal(store_virtual_keys_note(s, notes, 0), STORE_OK);
	assert_int_equal(store_virtual_keys_note(s, notes, STORE_VIRTUAL_KEY_NOTES_MAX + 1), STORE_INVALID);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
	assert_int_equal(found.used_at, 30);
	assert_int_equal(found.refused_at, 20);
	assert_int_equal(found.refused_count, 4);
	assert_string_equal(found.refused_why, "rate_limited");
	/* In memory it comes to the same. */
	for (size_t i = 0; i < 4; i++)
		if (i != 1)
			store_virtual_key_noted(&k, &notes[i]);
	assert_same(&k, &found);
}

/* ------------------------------------------------------------ going */

static int64_t day_rows;

static enum store_error run_count(struct db *db, void *arg)
{
	struct query q = query_start(db, "SELECT count(*) FROM virtual_key_days");

	(void)arg;
	if (query_step(&q))
		day_rows = query_get_int(&q);
	return query_end(&q);
}

static void test_pruned(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k", "n", 1), old = key("one", "o", "n", 2), found;

	old.expires_at = NOON + DAY_MS;
	add(s, &k);
	add(s, &old);
	assert_int_equal(spend(s, "k", NOON), STORE_OK);
	assert_int_equal(spend(s, "k", NOON + DAY_MS), STORE_OK);
	assert_int_equal(store_prune(s, NOON + 41 * DAY_MS, 30), STORE_OK);
	assert_int_equal(core_write(s, run_count, NULL), STORE_OK);
	assert_int_equal(day_rows, 1);
	assert_int_equal(today(s, &k, NOON + DAY_MS), 1);
	assert_int_equal(today(s, &k, NOON), 0);
	assert_int_equal(store_prune(s, NOON + 401 * DAY_MS, 30), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, old.hash, NOON, &found), STORE_OK);
	assert_int_equal(store_prune(s, NOON + 401 * DAY_MS + 1, 30), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, old.hash, NOON, &found), STORE_NOT_FOUND);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
	assert_int_equal(store_virtual_key_revoke(s, "one", "k"), STORE_OK);
	assert_int_equal(store_prune(s, store_now_ms() + 399 * DAY_MS, 30), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_OK);
	assert_int_equal(store_prune(s, store_now_ms() + 401 * DAY_MS, 30), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_NOT_FOUND);
}

static void test_gone_with_its_business(void **state)
{
	struct store *s = store_of(state);
	struct store_virtual_key k = key("one", "k", "n", 1), theirs = key("two", "t", "n", 2), found;

	add(s, &k);
	add(s, &theirs);
	assert_int_equal(spend(s, "k", NOON), STORE_OK);
	assert_int_equal(spend(s, "t", NOON), STORE_OK);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, k.hash, NOON, &found), STORE_NOT_FOUND);
	assert_int_equal(core_write(s, run_count, NULL), STORE_OK);
	assert_int_equal(day_rows, 1);
	assert_int_equal(today(s, &theirs, NOON), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_found_as_it_was_made),
		TEST(test_found_when_it_is_good_no_more),
		TEST(test_two_of_a_name),
		TEST(test_what_is_no_key),
		TEST(test_listed),
		TEST(test_rotated),
		TEST(test_the_old_one_ends),
		TEST(test_a_budget_is_a_days),
		TEST(test_spent_by_a_live_key_alone),
		TEST(test_given_back),
		TEST(test_notes_add_up),
		TEST(test_pruned),
		TEST(test_gone_with_its_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
