/*
 * Who takes turns: round and round, a piece each, and no more of them than there is room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/turns.h"

/* A business's name. */
static const char *name(unsigned n)
{
	static char text[2][16];
	static unsigned which;

	which ^= 1;
	(void)snprintf(text[which], sizeof(text[which]), "shop%u", n);
	return text[which];
}

static bool everybody(const struct turn *one, void *arg)
{
	(void)arg;
	return one->business_id[0] != '\0';
}

static bool is(const struct turn *one, void *arg)
{
	return strcmp(one->business_id, arg) == 0;
}

static bool is_not(const struct turn *one, void *arg)
{
	return !is(one, arg);
}

static void no_more_than_there_is_room_for(void **state)
{
	struct turns t = {.len = 0};

	(void)state;
	assert_null(turns_next(&t, everybody, NULL));
	for (unsigned i = 0; i < TURNS_MAX; i++)
		assert_int_equal(turns_add(&t, name(i), i)->after, i);
	assert_null(turns_add(&t, name(TURNS_MAX), 1));
	assert_null(turns_find(&t, name(TURNS_MAX)));
	/* One that is there keeps what it has. */
	assert_int_equal(turns_add(&t, name(5), 99)->after, 5);
	turns_sweep(&t, is, (void *)(uintptr_t) "shop5");
	assert_null(turns_find(&t, name(5)));
	assert_int_equal(turns_add(&t, name(TURNS_MAX), 77)->after, 77);
	for (unsigned i = 0; i <= TURNS_MAX; i++)
		assert_int_equal(turns_find(&t, name(i)) != NULL, i != 5);
}

static void round_and_round(void **state)
{
	static const char *const want[] = {"shop0", "shop1", "shop2", "shop3", "shop0", "shop1"};
	struct turns t = {.len = 0};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		(void)turns_add(&t, name(i), 1);
	for (size_t i = 0; i < 6; i++)
		assert_string_equal(turns_next(&t, everybody, NULL)->business_id, want[i]);
	/* Whoever may not is passed over, and whoever leaves costs nobody his turn. */
	assert_string_equal(turns_next(&t, is_not, (void *)(uintptr_t) "shop2")->business_id, "shop3");
	assert_string_equal(turns_next(&t, everybody, NULL)->business_id, "shop0");
	turns_sweep(&t, is, (void *)(uintptr_t) "shop0");
	assert_string_equal(turns_next(&t, everybody, NULL)->business_id, "shop1");
	turns_sweep(&t, is, (void *)(uintptr_t) "shop3");
	assert_string_equal(turns_next(&t, everybody, NULL)->business_id, "shop2");
	assert_string_equal(turns_next(&t, everybody, NULL)->business_id, "shop1");
	assert_null(turns_next(&t, is, (void *)(uintptr_t) "shop3"));
}

static void a_share_of_each_look(void **state)
{
	struct turns t = {.len = 0};

	(void)state;
	for (unsigned i = 0; i < 2 * TURNS_SHARE; i++) {
		assert_int_equal(turns_share(&t, "shop1"), i < TURNS_SHARE);
		assert_int_equal(turns_share(&t, "shop2"), i < TURNS_SHARE);
	}
	t.shares_len = 0;
	for (unsigned i = 0; i <= STORE_SETTLING_MAX; i++)
		assert_int_equal(turns_share(&t, name(i)), i < STORE_SETTLING_MAX);
}

static void one_event_at_a_time(void **state)
{
	struct turn one = {.tries = 3, .from = 64, .pause_ms = 50, .not_before = 7};

	(void)state;
	turn_begin(&one, "01A");
	assert_int_equal(one.tries + one.from + one.pause_ms + (size_t)one.not_before, 0);
	one.from = 64;
	one.tries = 2;
	turn_begin(&one, "01A");
	assert_int_equal(one.from, 64);
	assert_int_equal(one.tries, 2);
	turn_begin(&one, "01B");
	assert_int_equal(one.from + one.tries, 0);
	assert_string_equal(one.event_id, "01B");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_more_than_there_is_room_for),
		cmocka_unit_test(round_and_round),
		cmocka_unit_test(a_share_of_each_look),
		cmocka_unit_test(one_event_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
