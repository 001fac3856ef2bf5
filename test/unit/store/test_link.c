/*
 * Settings links: each opens one session, once, in its time, and is its business's alone.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define NOW INT64_C(1700000000000)
#define HOUR INT64_C(3600000)

struct hash {
	uint8_t bytes[32];
};

static struct hash hash_of(uint8_t n)
{
	struct hash h = {{n, 1, 2, 3}};

	return h;
}

static struct store_link add(struct store *s, const char *business, uint8_t hash)
{
	struct store_link l = {.created_at = NOW, .expires_at = NOW + HOUR};

	store_id_new(l.id);
	(void)snprintf(l.business_id, sizeof(l.business_id), "%s", business);
	assert_int_equal(store_link_add(s, &l, hash_of(hash).bytes), STORE_OK);
	return l;
}

static enum store_error open_at(struct store *s, uint8_t hash, uint8_t session, int64_t now)
{
	struct store_link out;

	return store_link_open(s, hash_of(hash).bytes, hash_of(session).bytes, now, now + 12 * HOUR, &out);
}

static enum store_error session_at(struct store *s, uint8_t session, int64_t now, struct store_link *out)
{
	return store_link_session(s, hash_of(session).bytes, now, out);
}

static void test_opens_once(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_link l = add(s, "one", 1), out;

	assert_int_equal(open_at(s, 9, 101, NOW), STORE_NOT_FOUND);
	assert_int_equal(session_at(s, 101, NOW, &out), STORE_NOT_FOUND);
	assert_int_equal(open_at(s, 1, 101, NOW + 1), STORE_OK);
	assert_int_equal(open_at(s, 1, 102, NOW + 2), STORE_NOT_FOUND);
	assert_int_equal(session_at(s, 102, NOW + 2, &out), STORE_NOT_FOUND);
	assert_int_equal(session_at(s, 101, NOW + 2, &out), STORE_OK);
	assert_string_equal(out.id, l.id);
	assert_string_equal(out.business_id, "one");
	assert_int_equal(out.opened_at, NOW + 1);
	assert_int_equal(out.ends_at, NOW + 1 + 12 * HOUR);
	/* Neither the link's token nor nothing is a session. */
	assert_int_equal(session_at(s, 1, NOW + 2, &out), STORE_NOT_FOUND);
}

static void test_ends_in_time(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_link out;

	(void)add(s, "one", 1);
	assert_int_equal(open_at(s, 1, 101, NOW + HOUR), STORE_NOT_FOUND);
	assert_int_equal(open_at(s, 1, 101, NOW + HOUR - 1), STORE_OK);
	assert_int_equal(session_at(s, 101, NOW + 13 * HOUR - 2, &out), STORE_OK);
	assert_int_equal(session_at(s, 101, NOW + 13 * HOUR - 1, &out), STORE_NOT_FOUND);
}

static void test_revoking_ends_both(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_link shut = add(s, "one", 1), used = add(s, "one", 2), out;

	assert_int_equal(open_at(s, 2, 102, NOW), STORE_OK);
	assert_int_equal(store_link_revoke(s, "two", used.id), STORE_NOT_FOUND);
	assert_int_equal(session_at(s, 102, NOW, &out), STORE_OK);
	assert_int_equal(store_link_revoke(s, "one", used.id), STORE_OK);
	assert_int_equal(store_link_revoke(s, "one", used.id), STORE_NOT_FOUND);
	assert_int_equal(session_at(s, 102, NOW, &out), STORE_NOT_FOUND);
	assert_int_equal(store_link_revoke(s, "one", shut.id), STORE_OK);
	assert_int_equal(open_at(s, 1, 101, NOW), STORE_NOT_FOUND);
}

static bool collect(const struct store_link *l, void *arg)
{
	struct store_link **at = arg;

	*(*at)++ = *l;
	return true;
}

static void test_lists_its_own(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_link first = add(s, "one", 1), second = add(s, "one", 2), seen[4], *at = seen;
	struct store_page page = {.limit = 10};

	(void)add(s, "two", 3);
	assert_int_equal(open_at(s, 1, 101, NOW), STORE_OK);
	assert_int_equal(store_link_seen(s, "one", first.id, NOW + 7), STORE_OK);
	assert_int_equal(store_link_seen(s, "two", first.id, NOW + 8), STORE_NOT_FOUND);
	assert_int_equal(store_link_list(s, "one", &page, collect, &at), STORE_OK);
	assert_int_equal(at - seen, 2);
	assert_string_equal(seen[0].id, second.id);
	assert_int_equal(seen[0].opened_at, 0);
	assert_string_equal(seen[1].id, first.id);
	assert_int_equal(seen[1].seen_at, NOW + 7);
	at = seen;
	page.after = second.id;
	assert_int_equal(store_link_list(s, "one", &page, collect, &at), STORE_OK);
	assert_int_equal(at - seen, 1);
}

static void test_goes_with_its_business(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_link l = add(s, "one", 1), out;

	assert_int_equal(open_at(s, 1, 101, NOW), STORE_OK);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(session_at(s, 101, NOW, &out), STORE_NOT_FOUND);
	store_id_new(l.id);
	assert_int_equal(store_link_add(s, &l, hash_of(5).bytes), STORE_NOT_FOUND);
}

static void test_pruned_after_a_month(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_link kept[2], *at = kept;
	struct store_page page = {.limit = 10};

	(void)add(s, "one", 1);
	assert_int_equal(store_prune(s, NOW + 30 * 24 * HOUR, 30), STORE_OK);
	assert_int_equal(store_link_list(s, "one", &page, collect, &at), STORE_OK);
	assert_int_equal(at - kept, 1);
	assert_int_equal(store_prune(s, NOW + 30 * 24 * HOUR + 1, 30), STORE_OK);
	at = kept;
	assert_int_equal(store_link_list(s, "one", &page, collect, &at), STORE_OK);
	assert_int_equal(at - kept, 0);
}

/* ------------------------------------------------------------ many at once */

struct race {
	struct store *s;
	uint8_t session;
	atomic_int *won;
};

static void *race(void *arg)
{
	struct race *r = arg;

	if (open_at(r->s, 1, r->session, NOW) == STORE_OK)
		atomic_fetch_add(r->won, 1);
	return NULL;
}

static void test_one_of_many_opens_it(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	pthread_t threads[16];
	struct race races[16];
	atomic_int won = 0;

	(void)add(s, "one", 1);
	for (uint8_t i = 0; i < 16; i++) {
		races[i] = (struct race){s, (uint8_t)(100 + i), &won};
		assert_int_equal(pthread_create(&threads[i], NULL, race, &races[i]), 0);
	}
	for (int i = 0; i < 16; i++)
		(void)pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&won), 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_opens_once),
		TEST(test_ends_in_time),
		TEST(test_revoking_ends_both),
		TEST(test_lists_its_own),
		TEST(test_goes_with_its_business),
		TEST(test_pruned_after_a_month),
		TEST(test_one_of_many_opens_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
