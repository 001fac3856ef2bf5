/*
 * What responders are owed, with both threads running over the fake house: who is asked
 * what and in which order, that nobody is asked twice in vain or answered twice, and that
 * one who hangs holds up himself alone.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/asks.h"
#include "gateway/inbound/inbound.h"
#include "gateway/inbound/message.h"
#include "gateway/json.h"
#include "test/unit/inbound/fake_inside.h"
#include "test/unit/inbound/log_seen.h"

static int setup(void **state)
{
	(void)state;
	house_reset();
	return 0;
}

static void run(void)
{
	assert_true(house_run());
}

static struct inbound *open_inbound(void)
{
	struct inbound *in = house_open();

	assert_non_null(in);
	return in;
}

static void responder(const char *name)
{
	(void)snprintf(house_look()->business.responder, sizeof(house_look()->business.responder), "%s", name);
}

#define FROM(phone, id, body)                                                                                          \
	"{\"id\":\"" id "\",\"from\":\"" phone "\",\"type\":\"text\",\"text\":{\"body\":\"" body "\"}}"
#define TEXT(id, body) FROM("15557770001", id, body)

/* ------------------------------------------------------------ who is asked */

static void only_customers_questions_wait(void **state)
{
	static const struct {
		const char *message;
		bool answered;
	} table[] = {
		{TEXT("w1", "hi"), true},
		{"{\"id\":\"w2\",\"from\":\"15557770001\",\"timestamp\":\"1790013700\",\"type\":\"text\",\"text\":{"
		 "\"body\":\"?\"}}",
			true},
		{"{\"id\":\"w2\",\"from\":\"15557770001\",\"timestamp\":\"1890000000\",\"type\":\"text\",\"text\":{"
		 "\"body\":\"?\"}}",
			true},
		{"{\"id\":\"w3\",\"from\":\"15557770001\",\"timestamp\":\"1789913700\",\"type\":\"text\",\"text\":{"
		 "\"body\":\"?\"}}",
			true},
		{"{\"id\":\"w4\",\"from\":\"15557770001\",\"timestamp\":\"1789913699\",\"type\":\"text\",\"text\":{"
		 "\"body\":\"?\"}}",
			false},
		{"{\"id\":\"w5\",\"from\":\"15557770001\",\"group_id\":\"g\",\"type\":\"text\",\"text\":{\"body\":\"?"
		 "\"}}",
			false},
		{"{\"id\":\"w6\",\"from\":\"15557770001\",\"type\":\"system\",\"system\":{\"body\":\"?\"}}", false},
		{"{\"id\":\"w7\",\"from\":\"15557770001\",\"type\":\"image\"}", false},
		{"{\"id\":\"w8\",\"type\":\"text\",\"text\":{\"body\":\"from nobody\"}}", false},
	};
	const size_t len = sizeof(table) / sizeof(table[0]);
	const struct house *h;

	(void)state;
	for (size_t i = 0; i < len; i++) {
		house_reset();
		house_add_message(table[i].message);
		run();
		h = house_look();
		if (h->asked != table[i].answered)
			fail_msg("row %zu: asked %u times", i, h->asked);
		assert_int_equal(h->finished, table[i].answered); /* the others never waited */
		assert_int_equal(h->answers_len, table[i].answered ? 2 : 0);
	}
}

/* Accepted in time, but the program was down for more than a day since. */
static void a_question_that_waited_too_long(void **state)
{
	(void)state;
	house_look()->received_at = HOUSE_NOW - 25 * 60 * 60 * 1000LL;
	house_add_message(TEXT("w1", "hi"));
	run();
	assert_int_equal(house_look()->finished, 1);
	assert_int_equal(house_look()->asked, 0);
}

#define BOTH                                                                                                           \
	"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":"          \
	"\"200000000000001\"},\"contacts\":[{\"user_id\":\"US.1002\"}],\"messages\":[" TEXT("w1",                      \
		"How much?") ",{\"id\":\"w2\",\"from_user_id\":\"US.1002\",\"type\":\"button\",\"button\":{\"text\":"  \
			     "\"Row one\"}}]}}]}]}"

static void answers_go_where_the_question_came_from(void **state)
{
	const struct house *h = house_look();
	const struct store_message *question = &h->events[0].updates[0].message;

	(void)state;
	house_add(BOTH);
	run();
	assert_int_equal(h->asked, 2);
	assert_string_equal(h->asked_of[0].id, question->id);
	assert_string_equal(h->asked_of[0].business_id, "shop");
	assert_string_equal(h->asked_of[0].connection_id, HOUSE_CONNECTION);
	assert_string_equal(h->asked_of[0].number, "200000000000001");
	assert_string_equal(h->asked_of[0].item, TEXT("w1", "How much?"));
	assert_string_equal(h->asked_of[0].metadata, "{\"phone_number_id\":\"200000000000001\"}");
	assert_int_equal(h->answers_len, 4);
	assert_true(h->woken >= 1);
	assert_string_equal(h->answers[0].message_id, question->id);
	assert_string_equal(h->answers[0].message.connection_id, HOUSE_CONNECTION);
	assert_string_equal(h->answers[0].message.number, "200000000000001");
	assert_string_equal(h->answers[0].message.business_id, "shop");
	assert_memory_equal(h->answers[0].message.conversation, question->conversation, STORE_INDEX_LEN);
	assert_string_equal(h->answers[0].content, "You said How much?, 15557770001");
	assert_string_equal(h->answers[1].content, "Bye, 15557770001");
	assert_string_equal(h->answers[2].content, "You said Row one, US.1002");
	/* for as long as he may be written to freely because of it */
	assert_int_equal(h->answers[0].message.expires_at, question->created_at + 24 * 60 * 60 * 1000LL);
	/* One question is counted once. */
	assert_true(h->answers[0].demand.asked);
	assert_string_equal(h->answers[0].demand.products[0], "cracker");
	assert_false(h->answers[1].demand.asked);
	assert_true(h->answers[2].demand.asked);
}

static void statuses_are_handed_on(void **state)
{
	static const char status[] = "{\"id\":\"w1\",\"status\":\"read\",\"recipient_id\":\"15557770001\"}";
	const struct house *h = house_look();

	(void)state;
	responder("listens");
	house_add_status(status);
	run();
	assert_int_equal(h->asked, 1);
	assert_int_equal(h->asked_of[0].kind, STORE_ASK_STATUS);
	assert_string_equal(h->asked_of[0].item, status);
	assert_string_equal(h->asked_of[0].metadata, "{\"phone_number_id\":\"200000000000001\"}");
	assert_int_equal(h->finished, 1);
	assert_int_equal(h->answers_len, 0);
}

/* The owner types himself: he is known by his customer's phone, the message by both. */
static void the_owner_pauses_the_responder(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_add("{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"smb_message_echoes\",\"value\":{"
		  "\"metadata\":{\"phone_number_id\":\"200000000000001\"},\"message_echoes\":[{\"id\":\"e1\","
		  "\"to\":\"15557770001\",\"type\":\"text\"}]}}]}]}");
	house_add_message(
		"{\"id\":\"w1\",\"from\":\"15557770001\",\"from_user_id\":\"US.1\",\"type\":\"text\",\"text\":{"
		"\"body\":\"hi\"}}");
	house_add_message(FROM("15557770002", "w2", "hi"));
	run();
	assert_int_equal(h->finished, 2);
	assert_int_equal(h->asked, 1);
	assert_string_equal(h->asked_of[0].customer, "15557770002");
}

/* Ten answers in a minute, then silence: two bots would go on for ever. */
static void two_bots_are_braked(void **state)
{
	const struct house *h = house_look();
	unsigned others = 0;

	(void)state;
	for (size_t i = 0; i < 12; i++)
		house_add_message(TEXT("w", "hi"));
	house_add_message(FROM("15557770002", "w2", "hi"));
	run();
	assert_int_equal(h->finished, 13);
	assert_int_equal(h->asked, 11);
	for (size_t i = 0; i < 11; i++)
		others += strcmp(h->asked_of[i].customer, "15557770002") == 0;
	assert_int_equal(others, 1);
}

static void silent_shops(void **state)
{
	struct house *h = house_look();

	(void)state;
	memcpy(h->business.responder, "none", 5);
	house_add_message(TEXT("w1", "hi"));
	run();
	h = house_look();
	assert_int_equal(h->asked, 0);
	assert_int_equal(h->finished, 0); /* it never waited */
	memcpy(h->business.responder, "gone", 5);
	house_add_message(TEXT("w2", "hi"));
	run();
	h = house_look();
	assert_int_equal(h->finished, 1);
	assert_int_equal(h->answers_len, 0);
	h->business.status = STORE_BUSINESS_SUSPENDED;
	memcpy(h->business.responder, "parrot", 7);
	house_add_message(TEXT("w3", "hi"));
	run();
	assert_int_equal(house_look()->answers_len, 0);
}

/* ------------------------------------------------------------ what fails */

static void answered_once_whatever_fails(void **state)
{
	struct house *h = house_look();

	(void)state;
	h->clock_runs = true;
	h->recover_faults = 1;
	h->done_faults = 2;
	h->later_faults = 1;
	house_add_message(TEXT("w1", "one"));
	house_add_message(TEXT("w2", "two"));
	run();
	assert_int_equal(h->done_faults + h->later_faults + h->recover_faults, 0);
	assert_int_equal(h->answers_len, 4);
	assert_int_equal(h->asked, 4); /* twice in vain */
	assert_non_null(strstr(h->answers[0].content, "one"));
	assert_non_null(strstr(h->answers[2].content, "two"));
}

/* In a conversation they go one after the other, however long the first takes; others do not wait for it. */
static void order_holds_while_the_first_is_retried(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_look()->clock_runs = true;
	house_look()->reply_faults = 2;
	house_look()->reply_busy = 1;
	house_add_message(TEXT("w1", "one"));
	house_add_message(TEXT("w2", "two"));
	house_add_message(FROM("15557770002", "w3", "three"));
	run();
	assert_int_equal(h->finished, 3);
	assert_int_equal(h->answers_len, 6);
	for (size_t i = 0, last = 0; i < h->answers_len; i++) {
		const char *said = h->answers[i].content;
		size_t now = strstr(said, "one") != NULL ? 1 : strstr(said, "two") != NULL ? 2 : last;

		assert_true(now >= last);
		last = now;
	}
	assert_int_equal(h->asked, 6);
}

/* A customer who cannot be written to stays so. */
static void an_answer_that_cannot_be_sent(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_add_message(TEXT("w1", "unreachable"));
	run();
	assert_int_equal(h->asked, 1);
	assert_int_equal(h->finished, 1);
	assert_int_equal(h->answers_len, 0);
}

static void the_store_refuses_an_answer(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_look()->done_faults = 1;
	house_look()->fault = STORE_INVALID;
	house_add_message(TEXT("w1", "one"));
	run();
	assert_int_equal(h->asked, 1);
	assert_int_equal(h->answers_len, 0);
}

static void a_store_that_failed_ends_the_process(void **state)
{
	struct inbound *in;

	(void)state;
	house_look()->done_faults = house_look()->later_faults = 1000000;
	house_look()->fault = STORE_FAILED;
	house_add_message(TEXT("w1", "one"));
	in = open_inbound();
	assert_true(house_was_asked(1));
	usleep(100000);
	inbound_close(in);
	assert_int_equal(house_failures(), 1);
}

/* An ask that nobody answers ends when its message is a day old. */
static void a_day_is_enough(void **state)
{
	struct house *h = house_look();

	(void)state;
	h->clock_runs = true;
	h->reply_faults = 1000;
	h->received_at = HOUSE_NOW - 24 * 60 * 60 * 1000LL + 400;
	responder("listens");
	house_add_message(TEXT("w1", "one"));
	house_add_status("{\"id\":\"w2\",\"status\":\"read\"}");
	run();
	assert_int_equal(h->finished, 2);
	assert_int_equal(h->answers_len, 0);
	assert_true(h->asked >= 2);
}

/* A platform that is down is in the log at the first attempt and the tenth, with the count when it is given up. */
static void who_does_not_answer_is_told_of(void **state)
{
	static const struct {
		uint32_t attempts; /* before */
		int64_t created_at;
		const char *line; /* NULL: silence */
	} table[] = {
		{0, HOUSE_NOW, "responder: not now business=shop ask=01QUESTION attempt=1"}, {1, HOUSE_NOW, NULL},
		{8, HOUSE_NOW, NULL}, {9, HOUSE_NOW, "responder: not now business=shop ask=01QUESTION attempt=10"},
		{10, HOUSE_NOW, NULL}, {99, HOUSE_NOW, NULL},
		{99, HOUSE_NOW - MESSAGE_ANSWER_AGE_MS - 1,
			"ask given up, nobody answered it for a day business=shop ask=01QUESTION attempts=99"},
		{0, HOUSE_NOW - MESSAGE_ANSWER_AGE_MS - 1, NULL}, /* nobody was asked */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct store_message m = {.id = "01QUESTION",
			.business_id = "shop",
			.connection_id = HOUSE_CONNECTION,
			.number = "200000000000001",
			.created_at = table[i].created_at};
		const char content[] = "shop/messages/01QUESTION/content/1\n{\"message\":" TEXT("w1", "hi") "}";
		char told[2048], line[200] = "";
		struct inbound *in;
		struct house *h = house_look();
		bool over;

		house_reset();
		h->reply_faults = 1000;
		m.content = (const uint8_t *)content;
		m.content_len = sizeof(content) - 1;
		house_owe_answer(&m);
		h->asks[0].ask.attempts = table[i].attempts;
		log_seen_begin();
		in = house_open();
		over = table[i].created_at == HOUSE_NOW ? house_was_asked(1) : house_settles();
		inbound_close(in);
		log_seen_end(told, sizeof(told));
		assert_true(over);
		assert_int_equal(h->asks[0].ask.attempts, table[i].attempts + 1);
		if (table[i].line != NULL)
			(void)snprintf(line, sizeof(line), " warn keyhouse %s\n", table[i].line);
		if (table[i].line != NULL ? strstr(told, line) == NULL : told[0] != '\0')
			fail_msg("row %zu: %s", i, told);
	}
}

static void waits_grow(void **state)
{
	static const struct {
		uint32_t attempts;
		int64_t at_least, most;
	} table[] = {{0, 0, 1000}, {1, 0, 1000}, {2, 0, 2000}, {5, 0, 16000}, {9, 0, 256000}, {10, 0, 300000},
		{4000000000, 0, 300000}, {1, 7000, 7000}, {3, 60000, 60000}};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		int64_t longest = 0;

		for (size_t k = 0; k < 300; k++) {
			int64_t wait = asks_wait_ms(table[i].attempts, table[i].at_least);

			assert_true(wait >= 100 && wait >= table[i].at_least && wait <= table[i].most);
			longest = wait > longest ? wait : longest;
		}
		assert_true(longest > table[i].most / 2);
	}
}

/* ------------------------------------------------------------ those who take their time */

static void add_many(size_t len, char shop)
{
	for (size_t i = 0; i < len; i++) {
		char message[256];

		(void)snprintf(message, sizeof(message), FROM("1555777%c%03zu", "w%c%zu", "hi"), shop, i, shop, i);
		house_add_message(message);
	}
}

static void add_many_at_once(size_t len)
{
	char body[8192];
	int n = snprintf(body, sizeof(body),
		"{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"200000000000001\"},"
		"\"messages\":[");

	for (size_t i = 0; i < len; i++)
		n += snprintf(body + n, sizeof(body) - (size_t)n, "%s" FROM("1555777%04zu", "w%zu", "hi"),
			i > 0 ? "," : "", i, i);
	(void)snprintf(body + n, sizeof(body) - (size_t)n, "]}}]}]}");
	house_add(body);
}

/* Sixteen of one shop hang; the other shop's customers are answered all the same. */
static void one_shop_that_hangs_holds_up_itself(void **state)
{
	struct house *h = house_look();
	struct inbound *in;

	(void)state;
	responder("slow");
	add_many_at_once(20);
	in = open_inbound();
	assert_true(house_holds(16));
	usleep(50000);
	assert_true(house_holds(16));
	inbound_close(in);
	assert_int_equal(h->held_len, 0);
	h->owner = "other";
	add_many(3, '9');
	in = open_inbound();
	assert_true(house_holds(16));
	assert_true(house_was_asked(16 + 16 + 3));
	for (size_t i = 0; i < 20; i++) {
		assert_true(house_holds(i < 4 ? 16 : 20 - i));
		house_answer_one();
	}
	assert_true(house_settles());
	inbound_close(in);
	assert_int_equal(h->finished, 23);
}

/* Answers come on another thread than the one that asks; each conversation keeps its order. */
static void answers_on_another_thread(void **state)
{
	const struct house *h = house_look();
	struct inbound *in;

	(void)state;
	responder("slow");
	house_add_message(TEXT("w1", "one"));
	house_add_message(TEXT("w2", "two"));
	house_add_message(TEXT("w3", "silence"));
	in = open_inbound();
	for (unsigned i = 1; i <= 3; i++) {
		assert_true(house_was_asked(i));
		assert_true(house_holds(1));
		house_answer_one();
	}
	assert_true(house_settles());
	inbound_close(in);
	assert_int_equal(h->answers_len, 4);
	assert_string_equal(h->answers[0].content, "You said one, 15557770001");
	assert_string_equal(h->answers[2].content, "You said two, 15557770001");
}

/* Closing tells those who are still asked, and what they were owed is asked again by the next start. */
static void closed_with_asks_out(void **state)
{
	struct house *h = house_look();
	struct inbound *in;

	(void)state;
	responder("slow");
	add_many(6, '0');
	in = open_inbound();
	assert_true(house_holds(6));
	inbound_close(in);
	assert_int_equal(h->ended, 1);
	assert_int_equal(h->finished, 0);
	for (size_t i = 0; i < h->asks_len; i++)
		assert_false(h->asks[i].leased);
	/* One that a crash left leased. */
	h->asks[0].leased = true;
	responder("parrot");
	run();
	assert_int_equal(h->finished, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(only_customers_questions_wait, setup),
		cmocka_unit_test_setup(a_question_that_waited_too_long, setup),
		cmocka_unit_test_setup(answers_go_where_the_question_came_from, setup),
		cmocka_unit_test_setup(statuses_are_handed_on, setup),
		cmocka_unit_test_setup(the_owner_pauses_the_responder, setup),
		cmocka_unit_test_setup(two_bots_are_braked, setup),
		cmocka_unit_test_setup(silent_shops, setup),
		cmocka_unit_test_setup(answered_once_whatever_fails, setup),
		cmocka_unit_test_setup(order_holds_while_the_first_is_retried, setup),
		cmocka_unit_test_setup(an_answer_that_cannot_be_sent, setup),
		cmocka_unit_test_setup(the_store_refuses_an_answer, setup),
		cmocka_unit_test_setup(a_store_that_failed_ends_the_process, setup),
		cmocka_unit_test_setup(a_day_is_enough, setup),
		cmocka_unit_test_setup(who_does_not_answer_is_told_of, setup),
		cmocka_unit_test_setup(waits_grow, setup),
		cmocka_unit_test_setup(one_shop_that_hangs_holds_up_itself, setup),
		cmocka_unit_test_setup(answers_on_another_thread, setup),
		cmocka_unit_test_setup(closed_with_asks_out, setup),
	};
	int result;

	json_init();
	result = cmocka_run_group_tests(tests, NULL, NULL);
	house_reset();
	return result;
}
