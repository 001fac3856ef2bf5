/*
 * The operator's sessions: each lives in its time, while it is used, and no longer than the
 * token by which it was opened.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

#define NOW INT64_C(1700000000000)
#define HOUR INT64_C(3600000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_token token(struct store *s, uint8_t n)
{
	struct store_token t = {.hash = {n}, .last4 = "abcd", .created_at = NOW};

	store_id_new(t.id);
	(void)snprintf(t.name, sizeof(t.name), "token %d", n);
	assert_int_equal(store_token_add(s, &t), STORE_OK);
	return t;
}

/* A session's hash is its number. */
static struct store_operator come(struct store *s, const struct store_token *t, uint8_t n, enum store_error wanted)
{
	struct store_operator o = {.created_at = NOW + n, .ends_at = NOW + n + 8 * HOUR};
	const uint8_t hash[32] = {n, 7};

	store_id_new(o.id);
	memcpy(o.token_id, t->id, sizeof(o.token_id));
	assert_int_equal(store_operator_open(s, &o, hash), wanted);
	return o;
}

/* Idle for an hour at most. */
static enum store_error find(struct store *s, uint8_t n, int64_t now, struct store_operator *out)
{
	const uint8_t hash[32] = {n, 7};

	return store_operator_find(s, hash, now, now - HOUR, out);
}

static bool see_operator(const struct store_operator *o, void *arg)
{
	struct seen *seen = arg;

	assert_true(seen->len < 10);
	(void)snprintf(seen->ids[seen->len++], sizeof(seen->ids[0]), "%s", o->id);
	return true;
}

static void test_found_by_its_hash(void **state)
{
	struct store *s = store_of(state);
	struct store_token t = token(s, 1);
	struct store_operator o = come(s, &t, 1, STORE_OK), out;

	assert_int_equal(find(s, 2, NOW + 2, &out), STORE_NOT_FOUND);
	assert_int_equal(find(s, 1, NOW + 2, &out), STORE_OK);
	assert_string_equal(out.id, o.id);
	assert_string_equal(out.token_id, t.id);
	assert_string_equal(out.token_name, "token 1");
	assert_string_equal(out.token_last4, "abcd");
	assert_int_equal(out.seen_at, NOW + 1);
	assert_int_equal(store_operator_end(s, o.id), STORE_OK);
	assert_int_equal(store_operator_end(s, o.id), STORE_NOT_FOUND);
	assert_int_equal(find(s, 1, NOW + 2, &out), STORE_NOT_FOUND);
}

static void test_ends_in_time(void **state)
{
	struct store *s = store_of(state);
	struct store_token t = token(s, 1);
	struct store_operator o = come(s, &t, 0, STORE_OK), out;

	assert_int_equal(find(s, 0, NOW + HOUR - 1, &out), STORE_OK);
	assert_int_equal(find(s, 0, NOW + HOUR, &out), STORE_NOT_FOUND);
	assert_int_equal(store_operator_seen(s, o.id, NOW + 7 * HOUR + 1), STORE_OK);
	assert_int_equal(store_operator_seen(s, "nobody", NOW), STORE_NOT_FOUND);
	assert_int_equal(find(s, 0, NOW + 8 * HOUR - 1, &out), STORE_OK);
	assert_int_equal(find(s, 0, NOW + 8 * HOUR, &out), STORE_NOT_FOUND);
}

static void test_revoking_the_token_ends_it(void **state)
{
	struct store *s = store_of(state);
	struct store_token t = token(s, 1), other = token(s, 2);
	struct store_operator out;
	struct seen seen = {0};

	come(s, &t, 1, STORE_OK);
	come(s, &other, 2, STORE_OK);
	assert_int_equal(store_token_revoke(s, t.id), STORE_OK);
	assert_int_equal(find(s, 1, NOW + 3, &out), STORE_NOT_FOUND);
	assert_int_equal(find(s, 2, NOW + 3, &out), STORE_OK);
	come(s, &t, 3, STORE_NOT_FOUND);
	assert_int_equal(find(s, 3, NOW + 3, &out), STORE_NOT_FOUND);
	assert_int_equal(store_operator_list(s, NOW + 3, NOW - HOUR, see_operator, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
}

static void test_lists_what_is_open(void **state)
{
	struct store *s = store_of(state);
	struct store_token t = token(s, 1);
	struct store_operator first = come(s, &t, 1, STORE_OK), second = come(s, &t, 2, STORE_OK);
	struct seen seen = {0}, idle = {0}, late = {0};

	assert_int_equal(store_operator_list(s, NOW + 3, NOW - HOUR, see_operator, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], second.id);
	assert_string_equal(seen.ids[1], first.id);
	assert_int_equal(store_operator_seen(s, first.id, NOW + 2 * HOUR), STORE_OK);
	assert_int_equal(store_operator_list(s, NOW + 2 * HOUR, NOW + HOUR, see_operator, &idle), STORE_OK);
	assert_int_equal(idle.len, 1);
	assert_string_equal(idle.ids[0], first.id);
	assert_int_equal(store_operator_list(s, NOW + 9 * HOUR, NOW + HOUR, see_operator, &late), STORE_OK);
	assert_int_equal(late.len, 0);
}

static void test_ended_ones_are_pruned(void **state)
{
	struct store *s = store_of(state);
	struct store_token t = token(s, 1);
	struct store_operator o = come(s, &t, 0, STORE_OK);

	assert_int_equal(store_prune(s, NOW + 8 * HOUR, 30), STORE_OK);
	assert_int_equal(store_operator_seen(s, o.id, NOW), STORE_OK);
	assert_int_equal(store_prune(s, NOW + 8 * HOUR + 1, 30), STORE_OK);
	assert_int_equal(store_operator_seen(s, o.id, NOW), STORE_NOT_FOUND);
}

static void test_limits(void **state)
{
	struct store *s = store_of(state);
	struct store_operator o = {.id = "o", .created_at = NOW, .ends_at = NOW};
	const uint8_t hash[32] = {1};

	assert_int_equal(store_operator_open(s, &o, hash), STORE_INVALID);
	o.ends_at++;
	assert_int_equal(store_operator_open(s, &o, hash), STORE_NOT_FOUND);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_found_by_its_hash),
		TEST(test_ends_in_time),
		TEST(test_revoking_the_token_ends_it),
		TEST(test_lists_what_is_open),
		TEST(test_ended_ones_are_pruned),
		TEST(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
