/*
 * Goal of this test: the cache gives back what was kept and nothing else: not of another
 * tenant, not of one that was pushed out or forgotten, not what raced with forgetting.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/keycache.h"

static struct vault_content_keys keys_of(unsigned n)
{
	struct vault_content_keys k = {.content_version = n};

	memset(k.content, (int)(n % 251), sizeof(k.content));
	return k;
}

static void keep(struct keycache *c, const char *id, unsigned n)
{
	struct vault_content_keys k = keys_of(n), none;
	uint64_t epoch;

	assert_false(keycache_keys(c, id, &none, &epoch));
	keycache_keep_keys(c, id, epoch, &k);
}

static bool has(struct keycache *c, const char *id, unsigned n)
{
	struct vault_content_keys k, want = keys_of(n);
	uint64_t epoch;

	if (!keycache_keys(c, id, &k, &epoch))
		return false;
	assert_memory_equal(&k, &want, sizeof(k));
	return true;
}

static void test_the_longest_unused_goes(void **state)
{
	struct keycache *c = keycache_new(3);

	(void)state;
	assert_non_null(c);
	keep(c, "a", 1);
	keep(c, "b", 2);
	keep(c, "c", 3);
	assert_true(has(c, "a", 1));
	keep(c, "d", 4);
	assert_false(has(c, "b", 2));
	assert_true(has(c, "a", 1) && has(c, "c", 3) && has(c, "d", 4));
	keycache_forget(c, "c");
	keycache_forget(c, "nobody");
	assert_false(has(c, "c", 3));
	keep(c, "e", 5);
	assert_true(has(c, "a", 1) && has(c, "d", 4) && has(c, "e", 5));
	keycache_free(c);
}

static void test_many(void **state)
{
	struct keycache *c = keycache_new(1000);
	unsigned there = 0;
	char id[32];

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(id, sizeof(id), "shop-%u", i);
		keep(c, id, i);
	}
	for (unsigned i = 0; i < 5000; i++) {
		snprintf(id, sizeof(id), "shop-%u", i);
		there += has(c, id, i);
		assert_int_equal(has(c, id, i), i >= 4000);
	}
	assert_int_equal(there, 1000);
	keycache_free(c);
}

static void test_lists(void **state)
{
	struct keycache *c = keycache_new(2);
	char out[8] = "";
	size_t len = 77;
	uint64_t epoch;

	(void)state;
	keycache_keep_list(c, "a", 0, "early", 5); /* no keys lie there */
	keep(c, "a", 1);
	assert_false(keycache_list(c, "a", out, sizeof(out), &len, &epoch));
	keycache_keep_list(c, "a", epoch, "first", 5);
	keycache_keep_list(c, "a", epoch, "other", 5); /* the first stays */
	assert_true(keycache_list(c, "a", out, sizeof(out), &len, &epoch));
	assert_int_equal(len, 5);
	assert_memory_equal(out, "first", 5);
	assert_false(keycache_list(c, "a", out, 4, &len, &epoch));
	keep(c, "b", 2);
	keycache_keep_list(c, "b", epoch, NULL, 0);
	assert_true(keycache_list(c, "b", out, sizeof(out), &len, &epoch));
	assert_int_equal(len, 0);
	keycache_forget(c, "a");
	keep(c, "a", 3);
	assert_false(keycache_list(c, "a", out, sizeof(out), &len, &epoch));
	keycache_free(c);
}

/* Loaded before, kept after somebody forgot: it may be what was revoked. */
static void test_a_race_with_forgetting(void **state)
{
	struct keycache *c = keycache_new(4);
	struct vault_content_keys k = keys_of(9), out;
	uint64_t before, now;
	char list[4];
	size_t len;

	(void)state;
	assert_false(keycache_keys(c, "a", &out, &before));
	keycache_forget(c, "a");
	keycache_keep_keys(c, "a", before, &k);
	assert_false(keycache_keys(c, "a", &out, &now));
	keycache_keep_keys(c, "a", now, &k);
	assert_true(has(c, "a", 9));
	assert_false(keycache_list(c, "a", list, sizeof(list), &len, &before));
	keycache_forget(c, "b");
	keycache_keep_list(c, "a", before, "old", 3);
	assert_false(keycache_list(c, "a", list, sizeof(list), &len, &now));
	keycache_free(c);
}

static void *hammer(void *arg)
{
	struct keycache *c = arg;
	struct vault_content_keys k;
	uint64_t epoch;
	char id[16], list[16];
	size_t len;

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(id, sizeof(id), "t%u", i * 7 % 40);
		if (!keycache_keys(c, id, &k, &epoch)) {
			k = keys_of(i * 7 % 40);
			keycache_keep_keys(c, id, epoch, &k);
		} else {
			assert_int_equal(k.content[0], i * 7 % 40);
		}
		if (keycache_list(c, id, list, sizeof(list), &len, &epoch))
			assert_string_equal(list, id);
		else
			keycache_keep_list(c, id, epoch, id, strlen(id) + 1);
		if (i % 97 == 0)
			keycache_forget(c, id);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct keycache *c = keycache_new(16);
	pthread_t threads[4];

	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, c), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	keycache_free(c);
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_longest_unused_goes),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_a_race_with_forgetting),
		cmocka_unit_test(test_threads),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
