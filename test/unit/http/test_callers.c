/*
 * Goal of this test: who fills the house stands in his own way first. Who is next, who is turned away when there is no
 * room, when one has to give way; and which addresses were refused too often, and until when.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/internal.h"

static struct http_callers *callers;
static char names[HTTP_WAITING_MAX]; /* who waits in a place */

static int start(void **state)
{
	(void)state;
	callers = http_callers_new(8, 0);
	memset(names, 0, sizeof(names));
	return callers ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	http_callers_free(callers);
	return 0;
}

/* One of an address, which is a letter, comes. '+': waits; '-': is turned away; else whose place he got. */
static char comes(char name)
{
	uint8_t address[HTTP_ADDRESS_LEN] = {(uint8_t)name};
	unsigned place = HTTP_WAITING_MAX;
	enum http_caller come = http_callers_admit(callers, address, name, &place);
	char before;

	if (come == HTTP_CALLER_REFUSED)
		return '-';
	assert_in_range(place, 0, HTTP_WAITING_MAX - 1);
	before = names[place];
	names[place] = name;
	return come == HTTP_CALLER_WAITS ? '+' : before;
}

/* Who is served next; his address is remembered for goes(). '-': nobody waits. */
static unsigned served[128];

static char next(void)
{
	unsigned place, address;
	int64_t since_ms;

	if (!http_callers_next(callers, &place, &address, &since_ms))
		return '-';
	assert_int_equal(since_ms, names[place]);
	served[(int)names[place]] = address;
	return names[place];
}

static void goes(char name)
{
	http_callers_gone(callers, served[(int)name]);
}

static void come_all(const char *letters)
{
	for (; *letters; letters++)
		assert_int_equal(comes(*letters), '+');
}

static void expect_next(const char *letters)
{
	for (; *letters; letters++)
		assert_int_equal(next(), *letters);
}

static void in_the_order_in_which_they_came(void **state)
{
	(void)state;
	come_all("abc");
	expect_next("abc-");
	come_all("x");
	expect_next("x-");
}

static void who_holds_fewer_is_first(void **state)
{
	(void)state;
	come_all("aaaab");
	expect_next("ab");
	come_all("c");
	expect_next("caa");
	goes('b');
	come_all("b");
	expect_next("ba-");
}

static void who_has_gone_holds_nothing(void **state)
{
	(void)state;
	come_all("aab");
	expect_next("ab");
	goes('a');
	come_all("b");
	expect_next("ab-");
}

/* More of its connections wait for one of those to go, not for others. */
static void an_address_has_its_share(void **state)
{
	(void)state;
	http_callers_free(callers);
	callers = http_callers_new(8, 3);
	come_all("aaaaab");
	expect_next("abaa-");
	goes('b');
	expect_next("-");
	goes('a');
	expect_next("a-");
	come_all("c");
	expect_next("c-");
}

/* In place of one of an address that has its share its own are served, though workers are idle: it gives way, not
 * others. The operator has no share. */
static void who_has_his_share_gives_way_to_his_own(void **state)
{
	unsigned place, operators;
	int64_t since_ms;

	(void)state;
	http_callers_free(callers);
	callers = http_callers_new(8, 2);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(http_callers_admit(callers, NULL, 0, &place), HTTP_CALLER_WAITS);
		assert_true(http_callers_next(callers, &place, &operators, &since_ms));
	}
	come_all("\1b");
	expect_next("\1b");
	come_all("aaa");
	expect_next("aa-");
	http_callers_idle(callers, 1);
	assert_false(http_callers_give_way(callers, served['b']));
	assert_false(http_callers_give_way(callers, operators));
	assert_true(http_callers_give_way(callers, served['a']));
	assert_false(http_callers_give_way(callers, served['a']));
	http_callers_left(callers);
	goes('a');
	expect_next("a-");
	assert_false(http_callers_give_way(callers, served['a']));
}

static void the_most_crowded_makes_room(void **state)
{
	(void)state;
	come_all("b");
	for (int i = 1; i < HTTP_WAITING_MAX; i++)
		assert_int_equal(comes(i % 3 == 0 ? 'c' : 'a'), '+');
	assert_int_equal(comes('b'), 'a');
	assert_int_equal(comes('d'), 'a');
	assert_int_equal(comes('a'), '-');
	/* The oldest of the crowded keep their places and their order. */
	expect_next("bacd");
	come_all("bbbb");
	assert_int_equal(comes('e'), 'a');
}

static void each_alone_has_nobody_to_turn_away(void **state)
{
	uint8_t address[HTTP_ADDRESS_LEN] = {0};
	unsigned place;

	(void)state;
	for (int i = 0; i < HTTP_WAITING_MAX; i++) {
		memcpy(address, &i, sizeof(i));
		assert_int_equal(http_callers_admit(callers, address, 0, &place), HTTP_CALLER_WAITS);
	}
	assert_int_equal(comes('z'), '-');
	assert_int_equal(next(), '\0');
	assert_int_equal(comes('z'), '+');
}

static void as_many_give_way_as_wait(void **state)
{
	unsigned x;

	(void)state;
	come_all("x");
	expect_next("x");
	x = served['x'];
	assert_false(http_callers_some_wait(callers));
	assert_false(http_callers_give_way(callers, x));
	come_all("ab");
	assert_true(http_callers_some_wait(callers));
	http_callers_idle(callers, 1);
	assert_false(http_callers_give_way(callers, x));
	http_callers_idle(callers, -1);
	assert_true(http_callers_give_way(callers, x));
	assert_true(http_callers_give_way(callers, x));
	assert_false(http_callers_give_way(callers, x));
	expect_next("a");
	http_callers_left(callers);
	assert_false(http_callers_give_way(callers, x));
	http_callers_left(callers);
	assert_true(http_callers_give_way(callers, x));
}

static void a_crowd_hurries_itself(void **state)
{
	(void)state;
	come_all("acc");
	expect_next("acc");
	come_all("c");
	assert_false(http_callers_give_way(callers, served['a']));
	assert_true(http_callers_give_way(callers, served['c']));
	http_callers_left(callers);
	/* But who holds fewer still has a right to a worker of his. */
	come_all("b");
	assert_true(http_callers_give_way(callers, served['a']));
}

/* An address that does not share its place with this one, which it is made refused often for, at 0. */
static void find_another(struct http_refused *r, const uint8_t *address, uint8_t *other)
{
	do {
		assert_true(++other[0] != 0);
		for (int i = 0; i < 101; i++)
			http_refused_note(r, address, 0);
		http_refused_note(r, other, 0);
	} while (!http_refused_often(r, address, 0));
}

static void often_is_more_than_a_hundred_in_ten_seconds(void **state)
{
	static const uint8_t guesser[HTTP_ADDRESS_LEN] = {1};
	uint8_t other[HTTP_ADDRESS_LEN] = {1};
	struct http_refused *r = http_refused_new();

	(void)state;
	assert_non_null(r);
	find_another(r, guesser, other);
	for (int i = 0; i < 100; i++)
		assert_false(http_refused_note(r, guesser, 21000 + i * 99));
	assert_false(http_refused_often(r, guesser, 30990));
	assert_true(http_refused_note(r, guesser, 30995));
	assert_true(http_refused_often(r, guesser, 30995));
	assert_false(http_refused_often(r, other, 30995));
	assert_false(http_refused_note(r, other, 30995));
	/* One more keeps it up, ten quiet seconds end it, and it counts from nothing then. */
	assert_true(http_refused_note(r, guesser, 40000));
	assert_true(http_refused_often(r, guesser, 49999));
	assert_false(http_refused_often(r, guesser, 50000));
	assert_false(http_refused_note(r, guesser, 50000));
	http_refused_free(r);
}

static void a_hundred_now_and_then_is_not_often(void **state)
{
	static const uint8_t provider[HTTP_ADDRESS_LEN] = {1};
	struct http_refused *r = http_refused_new();

	(void)state;
	for (int i = 0; i < 2000; i++)
		assert_false(http_refused_note(r, provider, i * 110));
	http_refused_free(r);
}

static void many_strangers_are_forgotten_one_by_one(void **state)
{
	struct http_refused *r = http_refused_new();
	int often = 0;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		uint8_t address[HTTP_ADDRESS_LEN] = {0};

		memcpy(address + 4, &i, sizeof(i));
		often += http_refused_note(r, address, 5);
	}
	assert_int_equal(often, 0);
	http_refused_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_the_order_in_which_they_came, start, stop),
		cmocka_unit_test_setup_teardown(who_holds_fewer_is_first, start, stop),
		cmocka_unit_test_setup_teardown(who_has_gone_holds_nothing, start, stop),
		cmocka_unit_test_setup_teardown(an_address_has_its_share, start, stop),
		cmocka_unit_test_setup_teardown(who_has_his_share_gives_way_to_his_own, start, stop),
		cmocka_unit_test_setup_teardown(the_most_crowded_makes_room, start, stop),
		cmocka_unit_test_setup_teardown(each_alone_has_nobody_to_turn_away, start, stop),
		cmocka_unit_test_setup_teardown(as_many_give_way_as_wait, start, stop),
		cmocka_unit_test_setup_teardown(a_crowd_hurries_itself, start, stop),
		cmocka_unit_test(often_is_more_than_a_hundred_in_ten_seconds),
		cmocka_unit_test(a_hundred_now_and_then_is_not_often),
		cmocka_unit_test(many_strangers_are_forgotten_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
