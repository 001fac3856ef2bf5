/*
 * Meters of an account's management calls, and how many calls may wait. Time is made up here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "gateway/front/meters.h"
#include "gateway/front/waiting.h"

#define HOUR INT64_C(3600000)
#define START INT64_C(1800000000000)

static unsigned taken(struct meters *m, const char *account, bool changes, int64_t now)
{
	unsigned n = 0;

	while (meters_take(m, account, changes, now) == 0)
		n++;
	return n;
}

static void an_hour_has_so_many(void **state)
{
	struct meters *m = meters_new();
	unsigned reads = 0, changes = 0;

	(void)state;
	for (int64_t now = START; now <= START + HOUR; now += 1000) {
		reads += taken(m, "77", false, now);
		changes += taken(m, "77", true, now);
	}
	assert_in_range(reads, METERS_READS, METERS_READS + METERS_READS / 10 + 2);
	assert_in_range(changes, METERS_CHANGES, METERS_CHANGES + METERS_CHANGES / 10 + 1);
	/* Another account has its own. */
	assert_int_equal(taken(m, "78", false, START + HOUR), METERS_READS / 10);
	meters_free(m);
	meters_free(NULL);
}

static void it_says_when_the_next_may_be_made(void **state)
{
	struct meters *m = meters_new();
	int64_t until;

	(void)state;
	(void)taken(m, "77", true, START);
	until = meters_take(m, "77", true, START);
	assert_int_equal(until, START + HOUR / METERS_CHANGES);
	assert_true(meters_take(m, "77", true, until - 1) > 0);
	assert_int_equal(meters_take(m, "77", true, until), 0);
	meters_stop(m, "77", START + HOUR);
	assert_int_equal(meters_take(m, "77", false, START + HOUR - 1), START + HOUR);
	meters_stop(m, "77", START + 5);
	assert_int_equal(meters_take(m, "77", false, START + HOUR - 1), START + HOUR);
	assert_int_equal(meters_take(m, "77", false, START + HOUR), 0);
	meters_free(m);
}

/* More accounts than are remembered: who asks all the time is. */
static void the_busy_are_remembered(void **state)
{
	struct meters *m = meters_new();

	(void)state;
	(void)taken(m, "77", true, START);
	for (int i = 0; i < 100000; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "1%d", i);
		assert_int_equal(meters_take(m, id, true, START + i / 100), 0);
		if (i % 100 == 0)
			assert_true(meters_take(m, "77", true, START + i / 100) > 0);
	}
	meters_free(m);
}

static void a_business_leaves_room(void **state)
{
	struct waiting *w = waiting_new(64, 64);
	unsigned first = 0, second = 0, third = 0;

	(void)state;
	while (waiting_enter(w, "hangs"))
		first++;
	assert_int_equal(first, 32);
	while (waiting_enter(w, "too"))
		second++;
	assert_int_equal(second, 16);
	while (waiting_enter(w, "fine"))
		third++;
	assert_int_equal(third, 8);
	waiting_leave(w, "fine");
	assert_true(waiting_enter(w, "fine"));
	assert_false(waiting_enter(w, "fine"));
	/* However many there are, all places are found again. */
	for (unsigned i = 0; i < first; i++)
		waiting_leave(w, "hangs");
	for (unsigned i = 0; i < second; i++)
		waiting_leave(w, "too");
	for (unsigned i = 0; i < third; i++)
		waiting_leave(w, "fine");
	for (int i = 0; i < 64; i++) {
		char id[16];

		(void)snprintf(id, sizeof(id), "b%d", i);
		assert_true(waiting_enter(w, id));
	}
	assert_false(waiting_enter(w, "late"));
	waiting_free(w);
	waiting_free(NULL);
	/* Where one may have so many at most, it is that, too. */
	w = waiting_new(64, 8);
	for (first = 0; waiting_enter(w, "one"); first++)
		;
	assert_int_equal(first, 8);
	assert_true(waiting_enter(w, "another"));
	waiting_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_hour_has_so_many),
		cmocka_unit_test(it_says_when_the_next_may_be_made),
		cmocka_unit_test(the_busy_are_remembered),
		cmocka_unit_test(a_business_leaves_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
