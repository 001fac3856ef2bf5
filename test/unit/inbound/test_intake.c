/*
 * Behind the acknowledgement, with both threads running over the fake house: what is
 * logged, quarantined, settled and answered; that nothing is lost and nobody is held up.
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

#include "gateway/inbound/inbound.h"
#include "gateway/json.h"
#include "test/unit/inbound/fake_house.h"

static unsigned failures;

static void failed(void *ctx)
{
	(void)ctx;
	failures++;
}

static int setup(void **state)
{
	(void)state;
	house_reset();
	failures = 0;
	return 0;
}

static struct inbound *open_inbound(void)
{
	/* The fake wakes nobody: any pointer does. */
	struct inbound_options opt = {.outbound = (struct outbound *)&failures, .failed = failed};
	struct inbound *in = NULL;

	assert_int_equal(inbound_open(&in, &opt), INBOUND_OK);
	return in;
}

static void run(void)
{
	struct inbound *in = open_inbound();
	bool settled = house_settles();

	inbound_close(in);
	assert_true(settled);
}

static void add(const char *body)
{
	house_event_add(body, strlen(body), NULL);
}

/* One message of the shop's number, in an envelope. */
static void add_message(const char *message)
{
	char body[1024];

	(void)snprintf(body, sizeof(body),
		"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"messages\",\"value\":{"
		"\"metadata\":{\"phone_number_id\":\"200000000000001\"},\"messages\":[%s]}}]}]}",
		message);
	add(body);
}

#define TEXT(id, body) "{\"id\":\"" id "\",\"from\":\"15557770001\",\"type\":\"text\",\"text\":{\"body\":\"" body "\"}}"

static void add_mixed(void)
{
	const char *root = getenv("KH_TEST_DATA");
	char path[512], text[16384];
	size_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/meta_mixed.json", root != NULL ? root : "test/data");
	f = fopen(path, "rb");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	house_event_add(text, len, NULL);
}

static void is_index(const uint8_t *got, const char *kind, const char *value)
{
	uint8_t want[STORE_INDEX_LEN];

	assert_int_equal(tenant_index(NULL, "shop", kind, value, strlen(value), want), TENANT_OK);
	assert_memory_equal(got, want, sizeof(want));
}

/* ------------------------------------------------------------ what is settled */

static void verdicts(void **state)
{
	const struct house_event *e;

	(void)state;
	add_mixed();
	run();
	e = &house_look()->events[0];
	assert_int_equal(e->state, STORE_EVENT_SETTLED);
	assert_int_equal(e->updates_len, 16);
	for (size_t i = 0; i < 16; i++) {
		const struct house_update *u = &e->updates[i];

		assert_int_equal(u->update.verdict, i < 6 ? STORE_UPDATE_DELIVERED : STORE_UPDATE_QUARANTINED);
		if (i >= 6) {
			assert_string_equal(u->reason,
				i == 6 ? "account is not this connection's" : "number is not this connection's");
			assert_null(u->update.message);
			assert_null(u->update.settlement);
		}
	}
	assert_string_equal(e->updates[8].update.field, "standby");
	assert_string_equal(e->updates[8].update.number, "200000000000002");
	is_index(e->updates[0].update.seen_key, "seen", "m:wamid.TEST01");
	is_index(e->updates[3].update.seen_key, "seen", "s:wamid.TEST04:delivered:");
	/* What is quarantined does not hide the true one. */
	is_index(e->updates[9].update.seen_key, "seen", "q:" HOUSE_CONNECTION "e:wamid.TEST08");
	assert_int_equal(house_look()->connection.status, STORE_CONNECTION_ACTIVE);
}

#define FOREIGN                                                                                                        \
	"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":"          \
	"\"200000000000002\"},\"messages\":[" TEXT(                                                                    \
		"wamid.1", "hi") "],"                                                                                  \
				 "\"statuses\":[{\"id\":\"wamid.2\",\"status\":\"delivered\"}]}}]}]}"

static void what_is_quarantined_has_no_effect(void **state)
{
	const struct house *h = house_look();

	(void)state;
	add(FOREIGN);
	run();
	assert_int_equal(h->events[0].updates_len, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(h->events[0].updates[i].update.verdict, STORE_UPDATE_QUARANTINED);
		assert_null(h->events[0].updates[i].update.message);
		assert_null(h->events[0].updates[i].update.settlement);
	}
	assert_int_equal(h->asked, 0);
}

static void a_sibling_with_the_same_app_may_verify(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_add_sibling();
	add(FOREIGN);
	add_mixed();
	run();
	assert_int_equal(h->events[0].updates[0].update.verdict, STORE_UPDATE_DELIVERED);
	assert_non_null(h->events[0].updates[1].update.settlement);
	/* The number's own connection answers. */
	assert_string_equal(h->answers[0].message.connection_id, HOUSE_SIBLING);
	assert_string_equal(h->answers[0].message.number, "200000000000002");
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(h->events[1].updates[i].update.verdict, STORE_UPDATE_DELIVERED);
}

static void messages_are_logged(void **state)
{
	const struct house_event *e;
	const struct store_message *m;
	char place[256];

	(void)state;
	add_mixed();
	run();
	e = &house_look()->events[0];
	m = &e->updates[0].message;
	assert_string_equal(m->number, "200000000000001");
	assert_string_equal(m->connection_id, HOUSE_CONNECTION);
	assert_string_equal(m->business_id, "shop");
	assert_string_equal(m->type, "text");
	assert_int_equal(m->direction, STORE_INBOUND);
	assert_int_equal(m->state, STORE_MESSAGE_RECEIVED);
	assert_int_equal(m->created_at, HOUSE_NOW);
	is_index(m->conversation, "conversation", "200000000000001\nUS.1001");
	is_index(m->wamid_index, "wamid", "wamid.TEST01");
	(void)snprintf(place, sizeof(place), "shop/messages/%s/wamid/1\nwamid.TEST01", m->id);
	assert_string_equal(e->updates[0].wamid, place);
	(void)snprintf(
		place, sizeof(place), "shop/messages/%s/content/1\n{\"message\":{\"from\":\"15557770001\"", m->id);
	assert_memory_equal(e->updates[0].content, place, strlen(place));
	assert_non_null(strstr(e->updates[0].content, "\"contact\":{\"profile\":{\"name\":\"Ada\"}"));
	assert_non_null(strstr(e->updates[0].content, "\"metadata\":{\"display_phone_number\":\"15550001111\""));
	is_index(e->updates[1].message.conversation, "conversation", "200000000000001\nUS.1002");
	is_index(e->updates[5].message.conversation, "conversation", "200000000000001\n15557770003");
	assert_non_null(strstr(e->updates[5].content, "\"contact\":null"));
}

static void statuses_settle_the_outbox(void **state)
{
	const struct house_event *e;
	char wamid[256];

	(void)state;
	add_mixed();
	add("{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"200000000000001\"},\"statuses\":"
	    "["
	    "{\"id\":\"wamid.X\",\"status\":\"failed\",\"biz_opaque_callback_data\":\"theirs\","
	    "\"errors\":[{\"code\":1e30,\"message\":\"no 15557770001\"}]},{\"id\":\"wamid.X\",\"status\":\"RINGING\"},"
	    "{\"status\":\"failed\"},{\"id\":\"wamid.X\"}]}}]}]}");
	run();
	e = &house_look()->events[0];
	assert_string_equal(e->updates[3].settlement.message_id, "01ABCDEFGHJKMNPQRSTVWXYZ01");
	assert_int_equal(e->updates[3].settlement.to, STORE_MESSAGE_DELIVERED);
	assert_int_equal(e->updates[3].settlement.from_states, 7);
	is_index(e->updates[3].settlement.wamid_index, "wamid", "wamid.TEST04");
	(void)snprintf(wamid, sizeof(wamid), "shop/messages/01ABCDEFGHJKMNPQRSTVWXYZ01/wamid/1\nwamid.TEST04");
	assert_string_equal(e->updates[3].wamid, wamid);
	assert_string_equal(e->updates[4].settlement.message_id, "");
	assert_null(e->updates[4].settlement.wamid);
	assert_int_equal(e->updates[4].settlement.error_code, 131047);
	assert_string_equal(e->updates[4].reason, "Re-engagement message");
	is_index(e->updates[4].settlement.wamid_index, "wamid", "wamid.TEST05");
	e++;
	assert_int_equal(e->updates_len, 4);
	assert_string_equal(e->updates[0].settlement.message_id, "");
	assert_int_equal(e->updates[0].settlement.error_code, 0);
	assert_string_equal(e->updates[0].reason, "no ***");
	for (size_t i = 1; i < 4; i++)
		assert_null(e->updates[i].update.settlement);
}

static void what_cannot_be_read_holds_up_nobody(void **state)
{
	const struct house *h;
	char deep[400];

	(void)state;
	memset(deep, '[', 200);
	memset(deep + 200, ']', 200);
	add("not JSON");
	house_event_add(deep, sizeof(deep), NULL);
	add("{\"a\":1}");
	house_event_add("{}", 2, "01OTHEROTHEROTHEROTHEROTHE"); /* does not open */
	add_message(TEXT("wamid.1", "hi"));
	run();
	h = house_look();
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(h->events[i].state, STORE_EVENT_UNPARSED);
		assert_int_equal(h->events[i].updates_len, 0);
	}
	assert_int_equal(h->events[4].state, STORE_EVENT_SETTLED);
	assert_int_equal(h->answers_len, 2);
}

static void a_full_disk_is_waited_out(void **state)
{
	const struct house *h;

	(void)state;
	house_look()->settle_faults = 3;
	add_message(TEXT("wamid.1", "hi"));
	add_message(TEXT("wamid.2", "again"));
	run();
	h = house_look();
	assert_int_equal(h->settle_faults, 0);
	assert_int_equal(h->events[0].state, STORE_EVENT_SETTLED);
	assert_int_equal(h->events[0].updates_len, 1);
	/* The order of a conversation holds: nobody overtakes while one waits. */
	assert_int_equal(h->events[0].settled_as, 1);
	assert_int_equal(h->events[1].settled_as, 2);
	assert_int_equal(failures, 0);
}

static void a_failed_store_ends_the_process(void **state)
{
	struct inbound *in;
	struct house *h = house_look();

	(void)state;
	h->settle_faults = 1000000;
	h->fault = STORE_FAILED;
	add_message(TEXT("wamid.1", "hi"));
	in = open_inbound();
	usleep(200000); /* a few tries */
	inbound_close(in); /* at once, whatever is still to do */
	assert_int_equal(failures, 1);
	h = house_look();
	assert_int_equal(h->events[0].state, STORE_EVENT_ACCEPTED);
}

/* ------------------------------------------------------------ what is answered */

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
		add_message(table[i].message);
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
	add_message(TEXT("w1", "hi"));
	run();
	assert_int_equal(house_look()->finished, 1);
	assert_int_equal(house_look()->asked, 0);
}

static void answers_go_where_the_question_came_from(void **state)
{
	const struct house *h;
	const struct store_message *question;

	(void)state;
	add_mixed();
	run();
	h = house_look();
	assert_int_equal(h->asked, 3);
	assert_int_equal(h->answers_len, 6);
	assert_true(h->woken >= 1);
	question = &h->events[0].updates[0].message;
	assert_string_equal(h->answers[0].message_id, question->id);
	assert_string_equal(h->answers[0].message.connection_id, HOUSE_CONNECTION);
	assert_string_equal(h->answers[0].message.number, "200000000000001");
	assert_string_equal(h->answers[0].message.business_id, "shop");
	assert_memory_equal(h->answers[0].message.conversation, question->conversation, STORE_INDEX_LEN);
	assert_string_equal(h->answers[0].content,
		"{\"type\":\"text\",\"text\":{\"body\":\"You said \\\"How much is it?\\\"\",\"preview_url\":false},"
		"\"to\":\"+15557770001\"}");
	assert_string_equal(h->answers[1].content,
		"{\"type\":\"text\",\"text\":{\"body\":\"Bye\",\"preview_url\":false},\"to\":\"+15557770001\"}");
	assert_string_equal(h->answers[2].content,
		"{\"type\":\"text\",\"text\":{\"body\":\"You said \\\"Row one\\\"\",\"preview_url\":false},"
		"\"recipient\":\"US.1002\"}");
	assert_non_null(strstr(h->answers[4].content, "+15557770003"));
}

static void silent_shops(void **state)
{
	struct house *h;

	(void)state;
	h = house_look();
	memcpy(h->business.responder, "none", 5);
	add_message(TEXT("w1", "hi"));
	run();
	h = house_look();
	assert_int_equal(h->asked, 0);
	assert_int_equal(h->finished, 0); /* it never waited */
	memcpy(h->business.responder, "gone", 5);
	add_message(TEXT("w2", "hi"));
	run();
	h = house_look();
	assert_int_equal(h->finished, 1);
	assert_int_equal(h->answers_len, 0);
	h->business.status = STORE_BUSINESS_SUSPENDED;
	memcpy(h->business.responder, "parrot", 7);
	add_message(TEXT("w3", "hi"));
	run();
	assert_int_equal(house_look()->answers_len, 0);
}

static void answered_once_whatever_fails(void **state)
{
	const struct house *h;

	(void)state;
	house_look()->answer_faults = 2;
	add_message(TEXT("w1", "one"));
	add_message(TEXT("w2", "two"));
	run();
	h = house_look();
	assert_int_equal(h->answers_len, 4);
	assert_int_equal(h->asked, 4); /* twice in vain */
	assert_non_null(strstr(h->answers[0].content, "one"));
	assert_non_null(strstr(h->answers[2].content, "two"));
}

static void a_responder_that_fails_is_left(void **state)
{
	const struct house *h;

	(void)state;
	house_look()->reply_faults = 5;
	add_message(TEXT("w1", "one"));
	add_message(TEXT("w2", "two"));
	run();
	h = house_look();
	assert_int_equal(h->finished, 2);
	assert_int_equal(h->answers_len, 2);
	assert_non_null(strstr(h->answers[0].content, "two"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(verdicts, setup),
		cmocka_unit_test_setup(what_is_quarantined_has_no_effect, setup),
		cmocka_unit_test_setup(a_sibling_with_the_same_app_may_verify, setup),
		cmocka_unit_test_setup(messages_are_logged, setup),
		cmocka_unit_test_setup(statuses_settle_the_outbox, setup),
		cmocka_unit_test_setup(what_cannot_be_read_holds_up_nobody, setup),
		cmocka_unit_test_setup(a_full_disk_is_waited_out, setup),
		cmocka_unit_test_setup(a_failed_store_ends_the_process, setup),
		cmocka_unit_test_setup(only_customers_questions_wait, setup),
		cmocka_unit_test_setup(a_question_that_waited_too_long, setup),
		cmocka_unit_test_setup(answers_go_where_the_question_came_from, setup),
		cmocka_unit_test_setup(silent_shops, setup),
		cmocka_unit_test_setup(answered_once_whatever_fails, setup),
		cmocka_unit_test_setup(a_responder_that_fails_is_left, setup),
	};
	int result;

	json_init();
	result = cmocka_run_group_tests(tests, NULL, NULL);
	house_reset();
	return result;
}
