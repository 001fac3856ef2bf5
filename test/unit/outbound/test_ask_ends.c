/*
 * Goal of this test: whoever asked a responder hears of its end exactly once, whatever comes first: the
 * answer, his own end, the sender's, the clock.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/outbound/asker.h"

/* ------------------------------------------------------------ many at once */

static void ends_come_as_they_are(void **state)
{
	static const struct server_reply late = {SERVER_LATE, 200, NULL, "{}"}, soon = {SERVER_ANSWER, 200, NULL, "{}"};
	struct asked a[20];
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 0);
	server_set("late", &late);
	server_set("soon", &soon);
	for (int i = 0; i < 20; i++) {
		asker_init(&a[i], &d, i == 0 ? "late" : "soon");
		assert_int_equal(asker_ask(&a[i]), OUTBOUND_OK);
	}
	for (int i = 0; i < 20; i++)
		asker_await(&a[i], 1);
	assert_int_equal(atomic_load(&a[0].place), 20);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(a[i].class, OUTBOUND_ACCEPTED);
		asker_clear(&a[i]);
	}
	desk_close(&d);
}

static void busy_until_one_ends(void **state)
{
	static const struct server_reply late = {SERVER_LATE, 200, NULL, "{}"};
	const struct outbound_options opt = {.asks_max = 1};
	struct asked a[2];
	struct desk d = {0};

	(void)state;
	asker_open(&d, &opt, 0);
	server_set("late", &late);
	for (int i = 0; i < 2; i++)
		asker_init(&a[i], &d, "late");
	a[0].again = true; /* the place is free when the end is told */
	assert_int_equal(asker_ask(&a[0]), OUTBOUND_OK);
	assert_int_equal(asker_ask(&a[1]), OUTBOUND_BUSY);
	asker_await(&a[0], 2);
	assert_int_equal(a[0].again_err, OUTBOUND_OK);
	asker_run(&a[1]);
	assert_int_equal(a[1].class, OUTBOUND_ACCEPTED);
	for (int i = 0; i < 2; i++)
		asker_clear(&a[i]);
	desk_close(&d);
}

static void asks_take_no_room_of_sends(void **state)
{
	const struct outbound_options opt = {.asks_max = 4, .in_flight_max = 1};
	char id[STORE_ID_LEN + 1];
	struct asked a[4];
	struct desk d = {0};

	(void)state;
	asker_open(&d, &opt, 0);
	desk_connection(&d, STORE_META, "c1", "111", "EAAtoken", NULL);
	server_set("hang", &(struct server_reply){.how = SERVER_HANG});
	for (int i = 0; i < 4; i++) {
		asker_init(&a[i], &d, "hang");
		assert_int_equal(asker_ask(&a[i]), OUTBOUND_OK);
	}
	desk_queue(&d, "c1", "111", HELLO, id, 0);
	(void)desk_await_state(id, STORE_MESSAGE_SENT);
	outbound_asks_end(d.o);
	for (int i = 0; i < 4; i++)
		asker_clear(&a[i]);
	desk_close(&d);
}

/* ------------------------------------------------------------ ends */

static void the_askers_end_tells_all_once(void **state)
{
	static const struct server_reply late = {SERVER_LATE, 200, NULL, "{}"};
	struct asked a[8];
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 0);
	server_set("late", &late);
	for (int i = 0; i < 8; i++) {
		asker_init(&a[i], &d, "late");
		assert_int_equal(asker_ask(&a[i]), OUTBOUND_OK);
	}
	outbound_asks_end(d.o);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(atomic_load(&a[i].done), 1);
		assert_int_equal(a[i].class, OUTBOUND_NOT_SENT);
		assert_null(a[i].fields);
		assert_true(a[i].reason[0] != '\0');
	}
	assert_int_equal(asker_ask(&a[0]), OUTBOUND_GONE);
	/* What comes late is nobody's, and no reason to doubt the sender. */
	(void)usleep(500000);
	assert_int_equal(outbound_ping(d.o), OUTBOUND_OK);
	assert_int_equal(atomic_load(&d.gone), 0);
	outbound_asks_end(d.o);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(atomic_load(&a[i].done), 1);
		asker_clear(&a[i]);
	}
	desk_close(&d);
}

static void an_end_waits_for_who_is_being_told(void **state)
{
	static const struct server_reply soon = {SERVER_ANSWER, 200, NULL, "{}"};
	struct asked a;
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 0);
	server_set("soon", &soon);
	asker_init(&a, &d, "soon");
	a.slow_us = 200000;
	assert_int_equal(asker_ask(&a), OUTBOUND_OK);
	for (int i = 0; i < 2000 && atomic_load(&a.begun) == 0; i++)
		(void)usleep(1000);
	assert_int_equal(atomic_load(&a.done), 0);
	outbound_asks_end(d.o);
	assert_int_equal(atomic_load(&a.done), 1);
	assert_int_equal(a.class, OUTBOUND_ACCEPTED);
	asker_clear(&a);
	desk_close(&d);
}

/* Ends in the middle of answers that are just being told. */
static void an_end_among_answers_tells_each_once(void **state)
{
	static const struct server_reply soon = {SERVER_ANSWER, 200, NULL, "{}"};

	(void)state;
	for (int round = 0; round < 10; round++) {
		struct asked a[64];
		struct desk d = {0};

		asker_open(&d, NULL, 0);
		server_set("soon", &soon);
		for (int i = 0; i < 64; i++) {
			asker_init(&a[i], &d, "soon");
			assert_int_equal(asker_ask(&a[i]), OUTBOUND_OK);
		}
		(void)usleep(200 * (unsigned)round);
		outbound_asks_end(d.o);
		for (int i = 0; i < 64; i++)
			assert_int_equal(atomic_load(&a[i].done), 1);
		desk_close(&d);
		for (int i = 0; i < 64; i++) {
			assert_int_equal(atomic_load(&a[i].done), 1);
			asker_clear(&a[i]);
		}
	}
}

static void a_dead_sender_leaves_nobody_waiting(void **state)
{
	struct asked a;
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 0);
	asker_init(&a, &d, "hang");
	server_set("hang", &(struct server_reply){.how = SERVER_HANG});
	assert_int_equal(asker_ask(&a), OUTBOUND_OK);
	assert_int_equal(kill(d.h.sender, SIGKILL), 0);
	for (int i = 0; i < 400 && atomic_load(&d.gone) == 0; i++)
		(void)usleep(5000);
	assert_int_equal(atomic_load(&d.gone), 1);
	assert_int_equal(asker_ask(&a), OUTBOUND_GONE);
	outbound_close(d.o);
	assert_int_equal(atomic_load(&a.done), 1);
	assert_int_equal(a.class, OUTBOUND_NOT_SENT);
	(void)house_close(&d.h);
	fake_reset();
	asker_clear(&a);
}

static void silence_ends_in_time(void **state)
{
	struct timespec from, to;
	struct asked a;
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 400);
	asker_init(&a, &d, "hang");
	server_set("hang", &(struct server_reply){.how = SERVER_HANG});
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	asker_run(&a);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	assert_int_equal(a.class, OUTBOUND_OUTCOME_UNKNOWN);
	assert_string_equal(a.reason, "the responder did not answer in time");
	assert_in_range((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000, 350, 5000);
	asker_clear(&a);
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_come_as_they_are),
		cmocka_unit_test(busy_until_one_ends),
		cmocka_unit_test(asks_take_no_room_of_sends),
		cmocka_unit_test(the_askers_end_tells_all_once),
		cmocka_unit_test(an_end_waits_for_who_is_being_told),
		cmocka_unit_test(an_end_among_answers_tells_each_once),
		cmocka_unit_test(a_dead_sender_leaves_nobody_waiting),
		cmocka_unit_test(silence_ends_in_time),
	};

	desk_listen();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
