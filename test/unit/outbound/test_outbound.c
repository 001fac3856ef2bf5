/*
 * Goal of this test: a queued message goes out once, with its shop's key and our id, and ends in the
 * state that the provider's answer means; a refused key is confirmed before the connection is marked.
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

#include "gateway/log.h"
#include "test/unit/inbound/log_seen.h"
#include "test/unit/outbound/desk.h"

#define TOKEN "EAAtokenOfShopOne"

static void a_message_goes_out_once(void **state)
{
	const char wire[] = "{\"to\":\"+15551234567\",\"type\":\"text\",\"text\":{\"body\":\"hello\"},\"messaging_"
			    "product\":\"whatsapp\","
			    "\"biz_opaque_callback_data\":\"%s\"}";
	struct desk f = {0};
	struct server_seen seen;
	struct fake_row r;
	struct tenant_place place = {BUSINESS, "messages", NULL, "wamid", 1};
	uint8_t index[STORE_INDEX_LEN], *plain;
	char id[STORE_ID_LEN + 1], body[512];
	size_t len;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_start(&f, NULL);
	fake_busy(3); /* a settlement that the store refuses for a while is not lost */
	desk_queue(&f, "c1", "111", HELLO, id, 0);
	r = desk_await_state(id, STORE_MESSAGE_SENT);
	assert_int_equal(r.m.attempts, 1);
	place.record_id = id;
	assert_int_equal(tenant_open(f.h.tenants, &place, r.m.wamid, r.m.wamid_len, &plain, &len), TENANT_OK);
	assert_string_equal((char *)plain, "wamid.HBg111");
	free(plain);
	assert_int_equal(tenant_index(f.h.tenants, BUSINESS, "wamid", "wamid.HBg111", 12, index), TENANT_OK);
	assert_memory_equal(index, r.m.wamid_index, sizeof(index));
	server_seen("111", &seen);
	assert_int_equal(seen.requests, 1);
	assert_string_equal(seen.authorization, "Bearer " TOKEN);
	(void)snprintf(body, sizeof(body), wire, id);
	assert_string_equal(seen.body, body);
	desk_await_status("c1", STORE_CONNECTION_ACTIVE);
	assert_int_equal(outbound_ping(f.o), OUTBOUND_OK);
	desk_close(&f);
}

static void the_conversation_is_number_and_customer(void **state)
{
	static const char *const same[] = {
		HELLO, "{\"to\":\"+15551234567\",\"recipient\":\"US.1\",\"type\":\"text\",\"text\":{\"body\":\"x\"}}"};
	uint8_t phone[STORE_INDEX_LEN], user[STORE_INDEX_LEN];
	struct desk f = {0};
	struct fake_row r;
	char id[STORE_ID_LEN + 1];

	(void)state;
	desk_open(&f, NULL);
	assert_int_equal(tenant_index(f.h.tenants, BUSINESS, "conversation", "111\n15551234567", 15, phone), TENANT_OK);
	assert_int_equal(tenant_index(f.h.tenants, BUSINESS, "conversation", "111\nUS.99", 9, user), TENANT_OK);
	for (int i = 0; i < 2; i++) {
		desk_queue(&f, "c1", "111", same[i], id, 0);
		assert_true(fake_row(id, &r));
		assert_memory_equal(r.m.conversation, phone, sizeof(phone));
	}
	desk_queue(&f, "c1", "111", "{\"recipient\":\"US.99\",\"type\":\"text\",\"text\":{\"body\":\"x\"}}", id, 0);
	assert_true(fake_row(id, &r));
	assert_memory_equal(r.m.conversation, user, sizeof(user));
	assert_int_equal(r.m.direction, STORE_OUTBOUND);
	assert_string_equal(r.m.type, "text");
	desk_close(&f);
}

static void answers_become_states(void **state)
{
	static const struct {
		const char *number;
		struct server_reply reply;
		enum store_message_state to;
		int64_t wait_min;
	} rows[] = {
		{"301",
			{SERVER_ANSWER, 429, "Retry-After: 90\r\n",
				"{\"error\":{\"code\":130429,\"message\":\"slow\"}}"},
			STORE_MESSAGE_RETRY, 89000},
		{"302", {SERVER_DROP, 0, NULL, NULL}, STORE_MESSAGE_UNKNOWN, 0},
		{"303", {SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":131047,\"message\":\"late\"}}"},
			STORE_MESSAGE_DEAD, 0},
		{"304", {SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":368,\"message\":\"policy\"}}"},
			STORE_MESSAGE_RETRY, 599000},
		{"305", {SERVER_ANSWER, 200, NULL, "{}"}, STORE_MESSAGE_UNKNOWN, 0},
	};
	char ids[5][STORE_ID_LEN + 1];
	struct desk f = {0};

	(void)state;
	desk_open(&f, NULL);
	/* Each has a connection of its own: what the provider says of one stops what comes after it. */
	for (int i = 0; i < 5; i++)
		desk_connection(&f, STORE_META, rows[i].number, rows[i].number, TOKEN, NULL);
	desk_start(&f, NULL);
	for (int i = 0; i < 5; i++) {
		server_set(rows[i].number, &rows[i].reply);
		desk_queue(&f, rows[i].number, rows[i].number, HELLO, ids[i], 0);
	}
	for (int i = 0; i < 5; i++) {
		const struct fake_row r = desk_await_state(ids[i], rows[i].to);

		assert_true(r.m.reason[0] != '\0');
		if (rows[i].wait_min > 0)
			assert_true(r.m.next_at >= r.settled_at + rows[i].wait_min - 100);
	}
	assert_int_equal(fake_connection_status("301"), STORE_CONNECTION_PENDING);
	desk_close(&f);
}

/* What the provider says of one message holds up those after it, and only those whom it is about. */
static void a_refusal_stops_what_comes_after(void **state)
{
	static const struct server_reply limit = {
		SERVER_ANSWER, 429, "Retry-After: 90\r\n", "{\"error\":{\"code\":130429,\"message\":\"slow\"}}"};
	char first[STORE_ID_LEN + 1], held[STORE_ID_LEN + 1], other[STORE_ID_LEN + 1];
	struct server_seen seen;
	struct desk f = {0};
	struct fake_row r;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_connection(&f, STORE_META, "c2", "222", "EAAother", NULL);
	server_set("111", &limit);
	desk_start(&f, NULL);
	desk_queue(&f, "c1", "111", HELLO, first, 0);
	(void)desk_await_state(first, STORE_MESSAGE_RETRY);
	(void)usleep(50000);
	desk_queue(&f, "c1", "111", HELLO, held, 0);
	desk_queue(&f, "c2", "222", HELLO, other, 0);
	(void)desk_await_state(other, STORE_MESSAGE_SENT);
	(void)usleep(50000);
	assert_true(fake_row(held, &r));
	assert_int_equal(r.m.state, STORE_MESSAGE_QUEUED);
	assert_int_equal(r.m.attempts, 0);
	server_seen("111", &seen);
	assert_int_equal(seen.requests, 1);
	desk_close(&f);
}

/* Why, in words that hold no secret and no customer. */
static void the_log_says_why_a_send_was_not_accepted(void **state)
{
	const struct server_reply refused = {SERVER_ANSWER, 400, NULL,
		"{\"error\":{\"code\":131047,\"message\":\"Re-engagement message\",\"error_data\":{\"details\":\"to "
		"15551234567 with " TOKEN "\"}}}"};
	char id[STORE_ID_LEN + 1], line[200], told[4096];
	struct fake_row r = {0};
	struct desk f = {0};

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &refused);
	log_init("test", LOG_INFO);
	desk_start(&f, NULL);
	log_seen_begin();
	desk_queue(&f, "c1", "111", HELLO, id, 0);
	/* The row changes before the line is written. */
	for (int i = 0; i < 1000 && (!fake_row(id, &r) || r.m.state != STORE_MESSAGE_DEAD); i++)
		(void)usleep(5000);
	outbound_close(f.o);
	f.o = NULL;
	log_seen_end(told, sizeof(told));
	(void)snprintf(line, sizeof(line),
		" info test a send was not accepted business=" BUSINESS
		" message=%s attempt=1 http=400 code=131047: Re-engagement message: to *** with ***\n",
		id);
	if (strstr(told, line) == NULL)
		fail_msg("%s", told);
	desk_close(&f);
}

static void what_is_due_again_is_tried_again(void **state)
{
	struct desk f = {0};
	struct server_seen seen;
	char id[STORE_ID_LEN + 1];

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &(struct server_reply){.status = 503, .body = "{\"error\":{\"code\":2,\"message\":\"x\"}}"});
	desk_start(&f, NULL);
	desk_queue(&f, "c1", "111", HELLO, id, 0);
	(void)desk_await_state(id, STORE_MESSAGE_RETRY);
	server_set("111", &(struct server_reply){0});
	assert_true(desk_await_state(id, STORE_MESSAGE_SENT).m.attempts >= 2);
	server_seen("111", &seen);
	assert_true(seen.requests >= 2);
	desk_close(&f);
}

/* ------------------------------------------------------------ refused keys */

static void refused_key(struct desk *f, const char *secret, const struct server_reply *debug, const char *refusal)
{
	char id[STORE_ID_LEN + 1];

	desk_open(f, NULL);
	desk_connection(f, STORE_META, "c1", "111", TOKEN, secret);
	server_set("111", &(struct server_reply){.status = 401, .body = refusal});
	if (debug != NULL)
		server_set("debug_token", debug);
	desk_start(f, NULL);
	desk_queue(f, "c1", "111", HELLO, id, 0);
	assert_true(desk_await_state(id, STORE_MESSAGE_RETRY).m.next_at >= store_now_ms() + 290000);
}

#define EXPIRED "{\"error\":{\"code\":190,\"message\":\"expired\"}}"

/* Codes of the same class, that mean other things as well. */
static const char *const refusals[] = {EXPIRED, "{\"error\":{\"code\":0,\"message\":\"x\"}}",
	"{\"error\":{\"code\":10,\"message\":\"permission\"}}", "{\"error\":{\"code\":200,\"message\":\"x\"}}",
	"{\"error\":{\"code\":100,\"error_subcode\":33,\"message\":\"x\"}}"};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

static void a_refused_key_marks_the_connection(void **state)
{
	static const struct server_reply says_dead = {SERVER_ANSWER, 200, NULL, "{\"data\":{\"is_valid\":false}}"};
	static const struct server_reply refuses = {
		SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":190,\"message\":\"x\"}}"};
	const struct server_reply *const debugs[] = {NULL, &says_dead, &refuses};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct desk f = {0};

		refused_key(&f, debugs[i] != NULL ? "appsecret" : NULL, debugs[i], EXPIRED);
		desk_await_status("c1", STORE_CONNECTION_KEY_REFUSED);
		desk_close(&f);
	}
	for (size_t i = 1; i < REFUSALS; i++) {
		struct desk f = {0};

		refused_key(&f, "appsecret", &says_dead, refusals[i]);
		desk_await_status("c1", STORE_CONNECTION_KEY_REFUSED);
		desk_close(&f);
	}
}

static void an_unconfirmed_refusal_marks_nothing(void **state)
{
	static const struct server_reply debugs[] = {
		{SERVER_ANSWER, 200, NULL, "{\"data\":{\"is_valid\":true}}"},
		{SERVER_ANSWER, 500, NULL, "<html>"},
		{SERVER_ANSWER, 503, NULL, "{\"error\":{\"code\":2}}"},
		{SERVER_DROP, 0, NULL, NULL},
		/* It is the app's secret that is refused, with which was asked. */
		{SERVER_ANSWER, 400, NULL,
			"{\"error\":{\"code\":190,\"message\":\"Invalid OAuth access token signature.\"}}"},
	};

	(void)state;
	for (size_t i = 0; i < 4 + 2 * (REFUSALS - 1); i++) {
		const size_t other = i < 4 ? 0 : (i - 4) / 2 + 1;
		struct server_seen seen = {0};
		struct desk f = {0};

		refused_key(&f, "appsecret", &debugs[i < 4 ? i : i % 2 * 4], refusals[other]);
		for (int n = 0; n < 400 && seen.requests == 0; n++, (void)usleep(5000))
			server_seen("debug_token", &seen);
		assert_true(seen.requests > 0);
		(void)usleep(100000);
		assert_int_equal(fake_connection_status("c1"), STORE_CONNECTION_PENDING);
		desk_close(&f);
	}
}

/* What one message wants may be refused like that, again and again: the others go, and the provider is asked once. */
static void a_refusal_with_a_key_that_is_fine_stops_nobody(void **state)
{
	static const struct server_reply permission = {
		SERVER_ANSWER, 403, NULL, "{\"error\":{\"code\":10,\"message\":\"permission\"}}"};
	struct desk f = {0};
	struct server_seen seen;
	char id[STORE_ID_LEN + 1];

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, "appsecret");
	server_set("debug_token", &(struct server_reply){.status = 200, .body = "{\"data\":{\"is_valid\":true}}"});
	desk_start(&f, NULL);
	for (int i = 0; i < 3; i++) {
		server_set("111", &permission);
		desk_queue(&f, "c1", "111", HELLO, id, 0);
		(void)desk_await_state(id, STORE_MESSAGE_RETRY);
		server_set("111", &(struct server_reply){0});
		desk_queue(&f, "c1", "111", HELLO, id, 0);
		(void)desk_await_state(id, STORE_MESSAGE_SENT);
	}
	server_seen("debug_token", &seen);
	assert_int_equal(seen.requests, 1);
	desk_close(&f);
}

/* A permission may be what is missing, and nobody can be asked. */
static void another_refusal_alone_marks_nothing(void **state)
{
	struct desk f = {0};
	struct server_seen seen;
	char id[STORE_ID_LEN + 1];

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111",
		&(struct server_reply){.status = 403, .body = "{\"error\":{\"code\":10,\"message\":\"permission\"}}"});
	desk_start(&f, NULL);
	desk_queue(&f, "c1", "111", HELLO, id, 0);
	(void)desk_await_state(id, STORE_MESSAGE_RETRY);
	(void)usleep(100000);
	assert_int_equal(fake_connection_status("c1"), STORE_CONNECTION_PENDING);
	server_seen("debug_token", &seen);
	assert_int_equal(seen.requests, 0);
	desk_close(&f);
}

/* ------------------------------------------------------------ without the provider */

static void what_cannot_go_ends_here(void **state)
{
	struct store_message bare = {.state = STORE_MESSAGE_QUEUED,
		.id = "01pruned",
		.business_id = BUSINESS,
		.connection_id = "c1",
		.number = "111"};
	struct store_message again = bare;
	char keyless[STORE_ID_LEN + 1], old[STORE_ID_LEN + 1];
	struct desk f = {0};
	struct server_seen seen;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_connection(&f, STORE_META, "c2", "222", NULL, NULL);
	bare.created_at = store_now_ms();
	fake_message(&bare);
	/* An attempt of it was unanswered, and there is no time left for another. */
	memcpy(again.id, "01again", sizeof("01again"));
	again.state = STORE_MESSAGE_RETRY;
	again.policy = STORE_AT_LEAST_ONCE;
	again.attempts = 1;
	again.maybe_duplicate = true;
	again.created_at = bare.created_at;
	again.expires_at = bare.created_at - 1;
	fake_message(&again);
	desk_queue(&f, "c2", "222", HELLO, keyless, 0);
	desk_queue(&f, "c1", "111", HELLO, old, 25LL * 3600 * 1000);
	desk_start(&f, NULL);
	/* It waits for a key. */
	assert_string_equal(desk_await_state(keyless, STORE_MESSAGE_RETRY).m.reason, "needs its key entered again");
	assert_int_equal(strncmp(desk_await_state(old, STORE_MESSAGE_DEAD).m.reason, "expired", 7), 0);
	(void)desk_await_state("01pruned", STORE_MESSAGE_DEAD);
	(void)desk_await_state("01again", STORE_MESSAGE_UNKNOWN);
	server_seen("111", &seen);
	assert_int_equal(seen.requests, 0);
	desk_close(&f);
}

static void a_crash_leaves_unknown(void **state)
{
	struct desk f = {0};
	char id[STORE_ID_LEN + 1];
	struct fake_row r;
	struct server_seen seen;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &(struct server_reply){.how = SERVER_HANG});
	desk_start(&f, NULL);
	desk_queue(&f, "c1", "111", HELLO, id, 0);
	(void)desk_await_state(id, STORE_MESSAGE_SENDING);
	for (int i = 0; i < 400; i++, (void)usleep(5000)) {
		server_seen("111", &seen);
		if (seen.requests > 0)
			break;
	}
	assert_int_equal(kill(f.h.sender, SIGKILL), 0);
	for (int i = 0; i < 400 && atomic_load(&f.gone) == 0; i++)
		(void)usleep(5000);
	assert_int_equal(atomic_load(&f.gone), 1);
	assert_int_equal(outbound_ping(f.o), OUTBOUND_GONE);
	assert_true(fake_row(id, &r));
	assert_int_equal(r.m.state, STORE_MESSAGE_SENDING);
	outbound_close(f.o);
	(void)house_close(&f.h);
	assert_int_equal(atomic_load(&f.gone), 1);
	{
		unsigned recovered;

		assert_int_equal(store_outbox_recover(NULL, 0, &recovered), STORE_OK);
		assert_int_equal(recovered, 1);
	}
	fake_reset();
}

static void closing_waits_for_answers(void **state)
{
	char ids[20][STORE_ID_LEN + 1];
	struct desk f = {0};

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	for (int i = 0; i < 8; i++)
		desk_queue(&f, "c1", "111", HELLO, ids[i], 0);
	desk_start(&f, NULL);
	for (int i = 0; i < 200; i++) {
		struct fake_row r;

		assert_true(fake_row(ids[0], &r));
		if (r.m.state != STORE_MESSAGE_QUEUED)
			break;
		(void)usleep(1000);
	}
	outbound_close(f.o);
	for (int i = 0; i < 8; i++) {
		struct fake_row r;

		assert_true(fake_row(ids[i], &r));
		assert_int_not_equal(r.m.state, STORE_MESSAGE_SENDING);
	}
	assert_int_equal(house_close(&f.h), 0);
	fake_reset();
}

/* What was leased has its place, under whatever conversation it goes by then. */
static void joined_conversations_keep_their_places(void **state)
{
	const struct outbound_options few = {.in_flight_max = 2, .per_connection = 2};
	char ids[8][STORE_ID_LEN + 1];
	struct server_seen seen;
	struct desk f = {0};

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &(struct server_reply){.how = SERVER_HANG});
	for (int i = 0; i < 8; i++)
		desk_queue(&f, "c1", "111", HELLO, ids[i], 0);
	fake_joined(true);
	desk_start(&f, &few);
	(void)usleep(300000);
	fake_joined(false);
	assert_int_equal(outbound_ping(f.o), OUTBOUND_OK);
	server_seen("111", &seen);
	assert_in_range(seen.requests, 1, 2);
	desk_close(&f);
}

static void a_hanging_connection_delays_no_other(void **state)
{
	char hung[12][STORE_ID_LEN + 1], ids[100][STORE_ID_LEN + 1];
	struct desk f = {0};

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_connection(&f, STORE_META, "c2", "222", "EAAother", NULL);
	server_set("111", &(struct server_reply){.how = SERVER_HANG});
	desk_start(&f, NULL);
	for (int i = 0; i < 12; i++)
		desk_queue(&f, "c1", "111", HELLO, hung[i], 0);
	for (int i = 0; i < 100; i++)
		desk_queue(&f, "c2", "222", HELLO, ids[i], 0);
	for (int i = 0; i < 100; i++)
		(void)desk_await_state(ids[i], STORE_MESSAGE_SENT);
	(void)kill(f.h.sender, SIGKILL); /* nobody waits for the hung ones */
	outbound_close(f.o);
	(void)house_close(&f.h);
	fake_reset();
}

/* ------------------------------------------------------------ checks */

static void checks_are_answered(void **state)
{
	struct store_credential held[2];
	struct outbound_result r;
	struct desk f = {0};
	uint8_t *blobs[2];
	struct outbound_check check = {.kind = OUTBOUND_META_NUMBER,
		.business_id = BUSINESS,
		.connection_id = "c9",
		.phone_number_id = "106",
		.credentials = held,
		.credentials_len = 2};

	(void)state;
	desk_open(&f, NULL);
	desk_start(&f, NULL);
	house_credential(&f.h, BUSINESS, "c9", "access_token", TOKEN, &held[0], &blobs[0]);
	house_credential(&f.h, BUSINESS, "c9", "app_secret", "s3cr3t-s3cr3t", &held[1], &blobs[1]);
	server_set("106", &(struct server_reply){.status = 200, .body = "{\"id\":\"106\",\"verified_name\":\"Paul\"}"});
	assert_int_equal(outbound_check(f.o, &check, 5000, &r), OUTBOUND_OK);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	assert_string_equal(r.fields, "{\"id\":\"106\",\"verified_name\":\"Paul\"}");
	outbound_result_clear(&r);

	check.phone_number_id = "107";
	server_set("107", &(struct server_reply){.how = SERVER_HANG});
	assert_int_equal(outbound_check(f.o, &check, 200, &r), OUTBOUND_TIMEOUT);

	check.phone_number_id = "10/7";
	assert_int_equal(outbound_check(f.o, &check, 1000, &r), OUTBOUND_INVALID);
	check.kind = OUTBOUND_META_DEBUG_TOKEN;
	check.app_id = "4242";
	check.credentials_len = 1;
	assert_int_equal(outbound_check(f.o, &check, 1000, &r), OUTBOUND_INVALID); /* one credential is missing */
	check.credentials_len = 2;
	server_set("debug_token", &(struct server_reply){.status = 200, .body = "{\"data\":{\"is_valid\":true}}"});
	assert_int_equal(outbound_check(f.o, &check, 5000, &r), OUTBOUND_OK);
	assert_string_equal(r.fields, "{\"data\":{\"is_valid\":true}}");
	outbound_result_clear(&r);
	check.kind = OUTBOUND_META_SEND;
	assert_int_equal(outbound_check(f.o, &check, 1000, &r), OUTBOUND_INVALID);
	free(blobs[0]);
	free(blobs[1]);
	desk_close(&f);
}

static void a_command_asks_but_sends_nothing(void **state)
{
	char id[STORE_ID_LEN + 1];
	struct desk f = {0};
	struct fake_row r;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_queue(&f, "c1", "111", HELLO, id, 0);
	{
		const struct outbound_options opt = {.checks_only = true};

		desk_start(&f, &opt);
	}
	outbound_changed(f.o, BUSINESS);
	assert_int_equal(outbound_ping(f.o), OUTBOUND_OK);
	(void)usleep(100000);
	assert_true(fake_row(id, &r));
	assert_int_equal(r.m.state, STORE_MESSAGE_QUEUED);
	desk_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_goes_out_once),
		cmocka_unit_test(the_conversation_is_number_and_customer),
		cmocka_unit_test(answers_become_states),
		cmocka_unit_test(a_refusal_stops_what_comes_after),
		cmocka_unit_test(the_log_says_why_a_send_was_not_accepted),
		cmocka_unit_test(what_is_due_again_is_tried_again),
		cmocka_unit_test(a_refused_key_marks_the_connection),
		cmocka_unit_test(an_unconfirmed_refusal_marks_nothing),
		cmocka_unit_test(a_refusal_with_a_key_that_is_fine_stops_nobody),
		cmocka_unit_test(another_refusal_alone_marks_nothing),
		cmocka_unit_test(what_cannot_go_ends_here),
		cmocka_unit_test(a_crash_leaves_unknown),
		cmocka_unit_test(closing_waits_for_answers),
		cmocka_unit_test(joined_conversations_keep_their_places),
		cmocka_unit_test(a_hanging_connection_delays_no_other),
		cmocka_unit_test(checks_are_answered),
		cmocka_unit_test(a_command_asks_but_sends_nothing),
	};

	outbound_close(NULL);
	desk_listen();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
