/*
 * Who may send next: shares, windows, limits, waits, the breaker, the budget of retries. Time is made up here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/outbound/lanes.h"
#include "gateway/outbound/pairs.h"

#define START INT64_C(1000000)

static uint64_t no_chance(void)
{
	return 0;
}

static struct lanes *lanes_of(unsigned in_flight_max, unsigned per_connection)
{
	const struct lanes_options opt = {.in_flight_max = in_flight_max,
		.per_connection = per_connection,
		.pairs_max = 100000,
		.random = no_chance};
	struct lanes *l = lanes_new(&opt);

	assert_non_null(l);
	return l;
}

static struct store_lane lane_of(const char *business, const char *connection)
{
	struct store_lane lane = {.provider = STORE_META, .due_at = 1};

	(void)snprintf(lane.business_id, sizeof(lane.business_id), "%s", business);
	(void)snprintf(lane.connection_id, sizeof(lane.connection_id), "%s", connection);
	return lane;
}

static void add(struct lanes *l, const char *business, const char *connection, unsigned mps)
{
	struct store_lane lane = lane_of(business, connection);

	lane.mps = mps;
	assert_true(lanes_add(l, &lane, START));
}

static int64_t last_seq;

/* So many of the turn's are due, each of a customer of its own. Returns how many were leased. */
static size_t choose(struct lanes *l, const struct lanes_turn *turn, size_t due_len, int64_t now)
{
	struct store_due due[LANES_TURN_MAX] = {{0}};
	struct store_lease out[LANES_TURN_MAX];
	size_t len = due_len < turn->room ? due_len : turn->room, out_len, leased = 0;

	for (size_t i = 0; i < len; i++) {
		due[i].seq = ++last_seq;
		due[i].size = 300;
		memcpy(due[i].conversation, &last_seq, sizeof(last_seq));
	}
	lanes_choose(l, turn, due, len, len == turn->room ? now : INT64_MAX, now, out, &out_len);
	for (size_t i = 0; i < out_len; i++)
		leased += out[i].put_off_to == 0;
	return leased;
}

static void ended(struct lanes *l, const char *connection, enum lanes_came came, int64_t now)
{
	lanes_ended(l, connection, &(struct lanes_end){.came = came}, now);
}

/* All that may go of one connection with an endless backlog. */
static size_t all_that_may(struct lanes *l, int64_t now)
{
	struct lanes_turn turn;
	size_t n = 0;

	while (lanes_turn(l, now, &turn))
		n += choose(l, &turn, 1000, now);
	return n;
}

/* ------------------------------------------------------------ windows */

static void a_window_grows_and_shrinks(void **state)
{
	struct lanes *l = lanes_of(1000, 100);
	struct lanes_state s;
	int64_t now = START;
	size_t n;

	(void)state;
	add(l, "b", "c", 10000);
	n = all_that_may(l, now);
	assert_int_equal(n, LANES_WINDOW);
	for (size_t i = 0; i < n; i++)
		ended(l, "c", LANES_ACCEPTED, now);
	now += 1000;
	assert_int_equal(all_that_may(l, now), 2 * LANES_WINDOW);
	for (int i = 0; i < 500; i++) {
		ended(l, "c", LANES_ACCEPTED, now);
		(void)all_that_may(l, now += 10);
	}
	assert_true(lanes_state(l, "c", &s));
	assert_int_equal(s.window, 100);
	assert_int_equal(s.in_flight, 100);
	ended(l, "c", LANES_UNANSWERED, now);
	assert_true(lanes_state(l, "c", &s));
	assert_int_equal(s.window, 50);
	assert_int_equal(all_that_may(l, now + 1000), 0);
	lanes_free(l);
}

/* However many hang, one that does not finds room. */
static void who_hangs_leaves_room(void **state)
{
	struct lanes *l = lanes_of(64, 64);
	size_t n;

	(void)state;
	for (int i = 0; i < 200; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "hangs%d", i);
		add(l, id, id, 10000);
	}
	n = all_that_may(l, START);
	assert_in_range(n, 50, 64);
	lanes_free(l);

	l = lanes_of(64, 64);
	for (int i = 0; i < 6; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "hangs%d", i);
		add(l, id, id, 10000);
	}
	n = all_that_may(l, START);
	assert_true(n <= 48);
	add(l, "fine", "fine", 10000);
	assert_true(all_that_may(l, START) >= 2);
	lanes_free(l);
}

/* ------------------------------------------------------------ shares */

#define MANY 100

/* A provider that takes 500 at once and each for 50 ms; every business has an endless backlog, some of long messages, some
 * by several numbers. */
static double jain_of(bool several)
{
	struct lanes *l = lanes_of(500, 100);
	static double sent[MANY];
	struct {
		char connection[32];
		int business;
		int64_t at;
	} flying[500];
	size_t len = 0;
	double sum = 0, squares = 0;

	memset(sent, 0, sizeof(sent));
	for (int i = 0; i < MANY; i++)
		for (int j = 0; j < (several && i % 10 == 0 ? 5 : 1); j++) {
			char b[32], c[32];

			(void)snprintf(b, sizeof(b), "b%d", i);
			(void)snprintf(c, sizeof(c), "c%d.%d", i, j);
			add(l, b, c, 100000);
		}
	for (int64_t now = START; now < START + 5000; now++) {
		struct lanes_turn turn;

		for (size_t i = 0; i < len; i++)
			if (flying[i].at <= now) {
				ended(l, flying[i].connection, LANES_ACCEPTED, now);
				sent[flying[i].business]++;
				flying[i--] = flying[--len];
			}
		while (lanes_turn(l, now, &turn)) {
			const size_t n = choose(l, &turn, 1000, now);

			for (size_t i = 0; i < n; i++, len++) {
				assert_true(len < 500);
				memcpy(flying[len].connection, turn.connection_id, sizeof(turn.connection_id));
				flying[len].business = (int)strtol(turn.connection_id + 1, NULL, 10);
				flying[len].at = now + 50;
			}
		}
	}
	for (int i = 0; i < MANY; i++) {
		sum += sent[i];
		squares += sent[i] * sent[i];
	}
	lanes_free(l);
	print_message("jain %f of %f sends\n", sum * sum / (MANY * squares), sum);
	assert_true(sum > 40000); /* it is busy, too */
	return sum * sum / (MANY * squares);
}

static void shares_are_equal(void **state)
{
	(void)state;
	assert_true(jain_of(false) > 0.99);
	assert_true(jain_of(true) > 0.99);
}

static void long_messages_cost_more(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);
	size_t sent[2] = {0};

	(void)state;
	add(l, "short", "0", 100000);
	add(l, "long", "1", 100000);
	for (int64_t now = START; now < START + 2000; now++) {
		struct lanes_turn turn;

		for (int i = 0; i < 8 && lanes_turn(l, now, &turn); i++) {
			const bool is_long = turn.connection_id[0] == '1';
			struct store_due due[LANES_TURN_MAX] = {{0}};
			struct store_lease out[LANES_TURN_MAX];
			size_t out_len;

			for (size_t j = 0; j < turn.room; j++) {
				due[j].seq = ++last_seq;
				due[j].size = is_long ? 60000 : 300;
				memcpy(due[j].conversation, &last_seq, sizeof(last_seq));
			}
			lanes_choose(l, &turn, due, turn.room, now, now, out, &out_len);
			sent[is_long] += out_len;
			for (size_t j = 0; j < out_len; j++)
				ended(l, turn.connection_id, LANES_ACCEPTED, now);
		}
	}
	assert_true(sent[1] > 100);
	assert_in_range(sent[0] / sent[1], 12, 18); /* 60,000 bytes cost 15 */
	lanes_free(l);
}

/* ------------------------------------------------------------ limits */

/* Of no second of it more than the provider takes, and not much less either. */
static void a_number_is_not_overdriven(void **state)
{
	static const unsigned rates[] = {20, 80, 1000};

	(void)state;
	for (size_t r = 0; r < 3; r++) {
		struct lanes *l = lanes_of(5000, 5000);
		static unsigned at[10000];
		unsigned sent = 0, most = 0;

		memset(at, 0, sizeof(at));
		add(l, "b", "c", rates[r] == 80 ? 0 : rates[r]);
		for (int64_t now = START; now < START + 10000; now++) {
			const size_t n = all_that_may(l, now);

			at[now - START] = (unsigned)n;
			sent += (unsigned)n;
			for (size_t i = 0; i < n; i++)
				ended(l, "c", LANES_ACCEPTED, now);
		}
		for (size_t from = 0; from + 1000 <= 10000; from++) {
			unsigned in_a_second = 0;

			for (size_t i = from; i < from + 1000; i++)
				in_a_second += at[i];
			most = in_a_second > most ? in_a_second : most;
		}
		assert_true(most <= rates[r]);
		assert_true(sent >= rates[r] * 9);
		lanes_free(l);
	}
}

/* How many go in so many ms; all are accepted. */
static unsigned sent_in(struct lanes *l, int64_t from, int64_t ms)
{
	unsigned sent = 0;

	for (int64_t now = from; now < from + ms; now++) {
		const size_t n = all_that_may(l, now);

		sent += (unsigned)n;
		for (size_t i = 0; i < n; i++)
			ended(l, "c", LANES_ACCEPTED, now);
	}
	return sent;
}

/* What becomes known of a number that is sending already. */
static void a_limit_that_is_told_later_counts(void **state)
{
	struct lanes *l = lanes_of(5000, 5000);

	(void)state;
	add(l, "b", "c", 0);
	assert_in_range(sent_in(l, START, 4000), 280, 320);
	add(l, "b", "c", 20);
	(void)sent_in(l, START + 4000, 1000);
	assert_in_range(sent_in(l, START + 5000, 4000), 72, 80);
	add(l, "b", "c", 1000);
	(void)sent_in(l, START + 9000, 1000);
	assert_in_range(sent_in(l, START + 10000, 2000), 1800, 2000);
	lanes_free(l);
}

static void a_pair_has_its_own_limit(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);
	struct store_due due[2] = {{.seq = 1, .conversation = {1}}, {.seq = 2, .conversation = {2}}};
	struct store_lease out[LANES_TURN_MAX];
	struct lanes_turn turn;
	size_t out_len, went = 0;
	int64_t now = START, off = 0;

	(void)state;
	add(l, "b", "c", 10000);
	for (int i = 0; i < PAIRS_BURST + 5; i++) {
		now += 10;
		assert_true(lanes_look(l, "c"));
		assert_true(lanes_turn(l, now, &turn));
		lanes_choose(l, &turn, due, 1, INT64_MAX, now, out, &out_len);
		assert_int_equal(out_len, 1);
		if (out[0].put_off_to != 0) {
			off = out[0].put_off_to;
			continue;
		}
		went++;
		ended(l, "c", LANES_ACCEPTED, now);
	}
	assert_int_equal(went, PAIRS_BURST);
	assert_in_range(off - START, PAIRS_EVERY_MS, PAIRS_EVERY_MS + 10);
	/* Another customer's goes; the lane comes back for the first at that time. */
	assert_true(lanes_look(l, "c"));
	assert_true(lanes_turn(l, now, &turn));
	lanes_choose(l, &turn, due, 2, INT64_MAX, now, out, &out_len);
	assert_int_equal(out_len, 2);
	assert_true(out[0].put_off_to == off && out[1].put_off_to == 0);
	ended(l, "c", LANES_ACCEPTED, now);
	assert_true(lanes_turn(l, now, &turn)); /* its end may have made another due */
	lanes_choose(l, &turn, due, 0, off, now, out, &out_len);
	assert_false(lanes_turn(l, now, &turn));
	assert_int_equal(lanes_next(l), off);
	assert_true(lanes_turn(l, off, &turn));
	lanes_choose(l, &turn, due, 1, INT64_MAX, off, out, &out_len);
	assert_true(out[0].put_off_to == 0);
	lanes_free(l);
}

static void pairs_are_forgotten(void **state)
{
	struct pairs *p = pairs_new(5000);
	uint8_t conversation[STORE_INDEX_LEN] = {0};
	unsigned stopped = 0;

	(void)state;
	/* So many at once that not all are remembered; an hour later all are new again. */
	for (int hour = 0; hour < 3; hour++)
		for (uint32_t i = 0; i < 8000; i++) {
			const int64_t now = START + INT64_C(3600000) * hour;

			memcpy(conversation, &i, sizeof(i));
			assert_true(pairs_take(p, conversation, now) == 0);
		}
	memset(conversation, 0, sizeof(conversation));
	for (int i = 0; i < PAIRS_BURST; i++)
		stopped += pairs_take(p, conversation, START + 7200000) != 0;
	assert_int_equal(stopped, 1); /* one was taken above */
	pairs_give_back(p, conversation, START + 7200000);
	assert_true(pairs_take(p, conversation, START + 7200000) == 0);
	pairs_free(p);

	p = pairs_new(10);
	pairs_stop(p, conversation, START + 16000, START);
	assert_int_equal(pairs_take(p, conversation, START), START + 16000);
	assert_true(pairs_take(p, conversation, START + 16000) == 0);
	assert_int_equal(pairs_take(p, conversation, START + 16000), START + 22000);
	pairs_free(p);
	pairs_free(NULL);
}

/* ------------------------------------------------------------ waits */

static void wait_for(struct lanes *l, const char *connection, enum lanes_scope scope, int64_t until, int64_t now)
{
	const struct lanes_end end = {.came = LANES_REFUSED, .scope = scope, .wait_until = until};

	lanes_ended(l, connection, &end, now);
}

static void add_to(struct lanes *l, const char *connection, const char *waba, const char *app)
{
	struct store_lane lane = lane_of(connection, connection);

	lane.mps = 10000;
	(void)snprintf(lane.waba_id, sizeof(lane.waba_id), "%s", waba);
	(void)snprintf(lane.app_id, sizeof(lane.app_id), "%s", app);
	assert_true(lanes_add(l, &lane, START));
}

static unsigned flying(struct lanes *l, const char *connection)
{
	struct lanes_state s;

	return lanes_state(l, connection, &s) ? s.in_flight : 0;
}

static void a_wait_is_for_whom_it_was_said(void **state)
{
	static const struct {
		enum lanes_scope scope;
		bool sibling, cousin; /* whether they wait, too: the same account, the same app */
	} cases[] = {{LANES_NUMBER, false, false}, {LANES_KEY, false, false}, {LANES_ACCOUNT, true, false},
		{LANES_APP, true, true}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct lanes *l = lanes_of(1000, 1000);
		const uint8_t conversation[STORE_INDEX_LEN] = {1};
		struct store_lane first = lane_of("c", "c");
		int64_t until;

		memcpy(first.waba_id, "77", 3);
		memcpy(first.app_id, "42", 3);
		assert_int_equal(lanes_go(l, &first, conversation, START, &until), LANES_GO);
		add_to(l, "c", "77", "42");
		add_to(l, "sibling", "77", "42");
		add_to(l, "cousin", "78", "42");
		add_to(l, "other", "79", "43");
		wait_for(l, "c", cases[i].scope, START + 60000, START);
		(void)all_that_may(l, START + 59999);
		assert_int_equal(flying(l, "c"), 0);
		assert_int_equal(flying(l, "sibling") > 0, !cases[i].sibling);
		assert_int_equal(flying(l, "cousin") > 0, !cases[i].cousin);
		assert_true(flying(l, "other") > 0);
		assert_int_equal(lanes_go(l, &first, conversation, START + 59999, &until),
			cases[i].scope == LANES_KEY ? LANES_WAIT_KEY : LANES_WAIT_NUMBER);
		assert_true(until == START + 60000);
		(void)all_that_may(l, START + 60000);
		assert_true(flying(l, "c") > 0);
		lanes_free(l);
	}
}

static enum lanes_go direct(struct lanes *l, int64_t now)
{
	const struct store_lane lane = lane_of("c", "c");
	static uint8_t conversation[STORE_INDEX_LEN];
	int64_t until;

	conversation[0]++;
	return lanes_go(l, &lane, conversation, now, &until);
}

/* One goes, and is refused as with a dead key. */
static void doubted(struct lanes *l, int64_t now)
{
	assert_int_equal(direct(l, now), LANES_GO);
	wait_for(l, "c", LANES_DOUBT, now + 60000, now);
}

static void a_key_that_is_fine_is_not_waited_for(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);
	int64_t now = START;

	(void)state;
	doubted(l, now);
	assert_int_equal(direct(l, now), LANES_WAIT_KEY);
	assert_true(lanes_ask(l, "c", false, now));
	assert_false(lanes_ask(l, "c", true, now)); /* it is asked already */
	assert_int_equal(direct(l, now), LANES_WAIT_ASKED);
	lanes_answered(l, "c", true, now += 100);
	/* What is refused now is the message's own, and nobody is asked again; but for what speaks of the key alone. */
	for (unsigned i = 1; i + 1 < LANES_DOUBTS; i++) {
		doubted(l, now += 10);
		assert_false(lanes_ask(l, "c", false, now));
	}
	assert_true(lanes_ask(l, "c", true, now));
	lanes_answered(l, "c", true, now);
	/* What is accepted between them says that they are. */
	assert_int_equal(direct(l, now), LANES_GO);
	ended(l, "c", LANES_ACCEPTED, now);
	for (unsigned i = 0; i + 1 < LANES_DOUBTS; i++)
		doubted(l, now += 10);
	/* So many in a row are not. */
	doubted(l, now += 10);
	assert_int_equal(direct(l, now + 59999), LANES_WAIT_KEY);
	lanes_answered(l, "c", true, now); /* trusted already: it was told that, and there it is again */
	assert_int_equal(direct(l, now + 59999), LANES_WAIT_KEY);
	assert_int_equal(direct(l, now + 60000), LANES_GO);
	lanes_free(l);
}

static void who_did_not_answer_does_not_vouch(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);

	(void)state;
	doubted(l, START);
	assert_true(lanes_ask(l, "c", false, START));
	lanes_answered(l, "c", false, START);
	assert_int_equal(direct(l, START + 59999), LANES_WAIT_KEY);
	/* Nor does the key's being fine end what the account waits for. */
	assert_int_equal(direct(l, START + 60000), LANES_GO);
	ended(l, "c", LANES_ACCEPTED, START + 60000);
	assert_int_equal(direct(l, START + 60000), LANES_GO);
	assert_int_equal(direct(l, START + 60000), LANES_GO);
	wait_for(l, "c", LANES_DOUBT, START + 120000, START + 60000);
	assert_true(lanes_ask(l, "c", false, START + 60000));
	wait_for(l, "c", LANES_KEY, START + 660000, START + 60000);
	assert_int_equal(direct(l, START + 60000), LANES_WAIT_KEY);
	lanes_answered(l, "c", true, START + 60000);
	assert_int_equal(direct(l, START + 659999), LANES_WAIT_KEY);
	lanes_free(l);
}

/* That it is trusted is not forgotten with a lane that has nothing to do. */
static void trust_outlasts_quiet(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);
	struct lanes_turn turn;

	(void)state;
	doubted(l, START);
	assert_true(lanes_ask(l, "c", false, START));
	lanes_answered(l, "c", true, START);
	for (int64_t now = START; now < START + LANES_TRUST_MS; now += 1000)
		while (lanes_turn(l, now, &turn))
			(void)choose(l, &turn, 0, now);
	doubted(l, START + LANES_TRUST_MS - 1);
	assert_false(lanes_ask(l, "c", false, START + LANES_TRUST_MS - 1));
	for (int64_t now = START + LANES_TRUST_MS; now < START + LANES_TRUST_MS + 10000; now += 1000)
		while (lanes_turn(l, now, &turn))
			(void)choose(l, &turn, 0, now);
	assert_int_equal(lanes_len(l), 0);
	lanes_free(l);
}

static void many_waits(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);

	(void)state;
	for (int i = 0; i < 200; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "%d", i);
		add_to(l, id, id, "");
	}
	(void)all_that_may(l, START);
	for (int i = 0; i < 200; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "%d", i);
		while (flying(l, id) > 0)
			wait_for(l, id, LANES_ACCOUNT, START + 1000 + i, START);
	}
	/* The last to end are those that are kept. */
	(void)all_that_may(l, START + 500);
	assert_int_equal(flying(l, "199"), 0);
	lanes_free(l);
}

/* ------------------------------------------------------------ the breaker */

static void the_breaker(void **state)
{
	static const enum lanes_came failures[] = {LANES_UNREACHED, LANES_UNANSWERED};

	(void)state;
	for (size_t f = 0; f < 2; f++) {
		struct lanes *l = lanes_of(1000, 1000);
		struct lanes_state s;
		int64_t now = START, closed = LANES_BREAKER_MS;

		add(l, "b", "c", 10000);
		assert_int_equal(all_that_may(l, now), LANES_WINDOW);
		for (unsigned i = 0; i < LANES_BREAKER - 1; i++)
			ended(l, "c", failures[f], now);
		assert_true(lanes_state(l, "c", &s) && s.closed_until == 0);
		/* What comes through in between begins the count anew. */
		ended(l, "c", LANES_REFUSED, now);
		for (unsigned i = 0; i < 3; i++)
			ended(l, "c", failures[f], now);
		assert_true(lanes_state(l, "c", &s) && s.closed_until == 0);
		(void)all_that_may(l, now += 100);
		for (unsigned i = 0; i < 4; i++)
			ended(l, "c", failures[f], now);
		for (int i = 0; i < 12; i++) {
			assert_true(lanes_state(l, "c", &s));
			assert_true(s.closed_until == now + closed);
			assert_int_equal(all_that_may(l, s.closed_until - 1), 0);
			now = s.closed_until;
			assert_int_equal(all_that_may(l, now), 1); /* the probe */
			assert_int_equal(all_that_may(l, now + 60000), 0);
			ended(l, "c", failures[f], now);
			closed = closed * 2 < LANES_BREAKER_MAX_MS ? closed * 2 : LANES_BREAKER_MAX_MS;
		}
		assert_true(lanes_state(l, "c", &s));
		now = s.closed_until;
		assert_int_equal(all_that_may(l, now), 1);
		ended(l, "c", LANES_ACCEPTED, now);
		assert_true(all_that_may(l, now + 100) > 1);
		lanes_free(l);
	}
}

static void what_was_changed_is_tried_at_once(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);

	(void)state;
	add(l, "b", "c", 10000);
	(void)all_that_may(l, START);
	while (flying(l, "c") > 1)
		ended(l, "c", LANES_UNREACHED, START);
	wait_for(l, "c", LANES_KEY, START + 600000, START);
	assert_int_equal(all_that_may(l, START + 1000), 0);
	lanes_forget(l, "b");
	assert_true(all_that_may(l, START + 1000) > 0);
	/* What the provider asked for stays. */
	while (flying(l, "c") > 0)
		wait_for(l, "c", LANES_NUMBER, START + 600000, START + 1000);
	lanes_forget(l, "b");
	assert_int_equal(all_that_may(l, START + 2000), 0);
	/* Nor does another business's change matter. */
	add(l, "another", "d", 10000);
	(void)all_that_may(l, START + 2000);
	while (flying(l, "d") > 0)
		wait_for(l, "d", LANES_KEY, START + 600000, START + 2000);
	lanes_forget(l, "b");
	assert_int_equal(all_that_may(l, START + 3000), 0);
	lanes_forget(l, "another");
	assert_true(all_that_may(l, START + 3000) > 0);
	lanes_free(l);
}

/* ------------------------------------------------------------ retries */

static void retries_have_a_budget(void **state)
{
	struct lanes *l = lanes_of(1000, 1000);
	struct store_lease out[LANES_TURN_MAX];
	struct lanes_turn turn;
	unsigned went = 0;
	int64_t now = START;

	(void)state;
	add(l, "b", "c", 10000);
	for (int round = 0; round < 100; round++)
		while (lanes_turn(l, now, &turn)) {
			struct store_due due[LANES_TURN_MAX] = {{0}};
			size_t out_len;

			for (size_t i = 0; i < turn.room; i++) {
				due[i] = (struct store_due){.seq = ++last_seq, .attempts = 1};
				memcpy(due[i].conversation, &last_seq, sizeof(last_seq));
			}
			lanes_choose(l, &turn, due, turn.room, now, now, out, &out_len);
			went += (unsigned)out_len;
			for (size_t i = 0; i < out_len; i++)
				ended(l, "c", LANES_REFUSED, now);
		}
	assert_int_equal(went, LANES_RETRIES);
	assert_int_equal(lanes_next(l), now + 1000);
	/* One is earned each second, and one by each that is accepted. */
	now += 1000;
	assert_true(lanes_turn(l, now, &turn));
	{
		struct store_due due[LANES_TURN_MAX] = {{0}};
		size_t out_len;

		for (size_t i = 0; i < turn.room; i++) {
			due[i] = (struct store_due){.seq = ++last_seq, .attempts = i != 1};
			memcpy(due[i].conversation, &last_seq, sizeof(last_seq));
		}
		lanes_choose(l, &turn, due, turn.room, now, now, out, &out_len);
		assert_int_equal(out_len, 2); /* the first retry, and the one that is none */
		ended(l, "c", LANES_ACCEPTED, now);
		assert_true(lanes_turn(l, now, &turn));
		lanes_choose(l, &turn, due, 1, INT64_MAX, now, out, &out_len);
		assert_int_equal(out_len, 1);
	}
	lanes_free(l);
}

/* ------------------------------------------------------------ coming and going */

static void lanes_come_and_go(void **state)
{
	struct lanes *l = lanes_of(1000, 100);
	struct store_lane later = lane_of("b", "later");
	struct lanes_turn turn;
	int64_t now = START;

	(void)state;
	assert_false(lanes_turn(l, now, &turn));
	assert_true(lanes_next(l) == INT64_MAX);
	assert_false(lanes_look(l, "c"));
	for (int i = 0; i < 1000; i++) {
		char id[32];

		(void)snprintf(id, sizeof(id), "c%d", i);
		add(l, id, id, 0);
	}
	later.due_at = START + 3600000;
	assert_true(lanes_add(l, &later, now));
	assert_int_equal(lanes_len(l), 1001);
	assert_int_equal(lanes_next(l), 0);
	while (lanes_turn(l, now, &turn))
		if (choose(l, &turn, 1, now) > 0)
			ended(l, turn.connection_id, LANES_ACCEPTED, now);
		else
			assert_true(false);
	/* Each looked once more, since what ended may have made way, and found nothing. */
	now += 10000;
	while (lanes_turn(l, now, &turn))
		(void)choose(l, &turn, 0, now);
	now += 10000;
	assert_false(lanes_turn(l, now, &turn));
	assert_int_equal(lanes_len(l), 1);
	assert_int_equal(lanes_next(l), START + 3600000);
	assert_true(lanes_turn(l, START + 3600000, &turn));
	assert_string_equal(turn.connection_id, "later");
	lanes_free(l);
	lanes_free(NULL);
}

/* What becomes due while the store is being read, was not seen there. */
static void what_comes_during_a_turn_is_looked_at(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct lanes *l = lanes_of(1000, 100);
		struct lanes_turn turn;

		add(l, "b", "c", 0);
		assert_true(lanes_turn(l, START, &turn));
		assert_int_equal(choose(l, &turn, 2, START), 2);
		ended(l, "c", LANES_ACCEPTED, START);
		assert_true(lanes_turn(l, START, &turn));
		if (how == 0)
			assert_true(lanes_look(l, "c"));
		else if (how == 1)
			ended(l, "c", LANES_ACCEPTED, START); /* its conversation's next message */
		else
			add(l, "b", "c", 0);
		assert_int_equal(choose(l, &turn, 0, START), 0);
		assert_int_equal(lanes_next(l), 0);
		assert_true(lanes_turn(l, START, &turn));
		assert_int_equal(choose(l, &turn, 0, START), 0);
		assert_false(lanes_turn(l, START, &turn));
		lanes_free(l);
	}
}

static void one_that_was_not_leased_frees_its_place(void **state)
{
	struct lanes *l = lanes_of(2, 2);
	const uint8_t conversation[STORE_INDEX_LEN] = {1};
	struct store_lane lane = lane_of("b", "c");
	int64_t until;

	(void)state;
	assert_int_equal(lanes_go(l, &lane, conversation, START, &until), LANES_GO);
	assert_int_equal(lanes_go(l, &lane, conversation, START, &until), LANES_FULL);
	for (int i = 0; i < 100; i++) {
		lanes_ended(l, "c", &(struct lanes_end){.came = LANES_NOTHING, .conversation = conversation},
			START + i * 20);
		assert_int_equal(lanes_go(l, &lane, conversation, START + i * 20, &until), LANES_GO);
	}
	/* Its customer's limit is not used up by what never went. */
	ended(l, "c", LANES_ACCEPTED, START + 2000);
	for (int i = 2; i < PAIRS_BURST; i++) {
		assert_int_equal(lanes_go(l, &lane, conversation, START + 2000 + i * 20, &until), LANES_GO);
		ended(l, "c", LANES_ACCEPTED, START + 2000 + i * 20);
	}
	assert_int_equal(lanes_go(l, &lane, conversation, START + 4000, &until), LANES_GO);
	ended(l, "c", LANES_ACCEPTED, START + 4000);
	assert_int_equal(lanes_go(l, &lane, conversation, START + 4100, &until), LANES_WAIT_PAIR);
	assert_true(until > START + 4100);
	ended(l, "nobody", LANES_ACCEPTED, START);
	lanes_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_grows_and_shrinks),
		cmocka_unit_test(who_hangs_leaves_room),
		cmocka_unit_test(shares_are_equal),
		cmocka_unit_test(long_messages_cost_more),
		cmocka_unit_test(a_number_is_not_overdriven),
		cmocka_unit_test(a_limit_that_is_told_later_counts),
		cmocka_unit_test(a_pair_has_its_own_limit),
		cmocka_unit_test(pairs_are_forgotten),
		cmocka_unit_test(a_wait_is_for_whom_it_was_said),
		cmocka_unit_test(a_key_that_is_fine_is_not_waited_for),
		cmocka_unit_test(who_did_not_answer_does_not_vouch),
		cmocka_unit_test(trust_outlasts_quiet),
		cmocka_unit_test(many_waits),
		cmocka_unit_test(the_breaker),
		cmocka_unit_test(what_was_changed_is_tried_at_once),
		cmocka_unit_test(retries_have_a_budget),
		cmocka_unit_test(lanes_come_and_go),
		cmocka_unit_test(what_comes_during_a_turn_is_looked_at),
		cmocka_unit_test(one_that_was_not_leased_frees_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
