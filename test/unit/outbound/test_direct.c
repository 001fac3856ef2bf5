/*
 * Sends for which somebody waits: noted before they go, told once, never tried again from here.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/outbound/pairs.h"
#include "test/unit/outbound/desk.h"

#define TOKEN "EAAtoken-of-shop-1"
#define ACCEPTED "{\"messages\":[{\"id\":\"wamid.X\"}]}"

struct sent {
	enum outbound_go go;
	struct outbound_result result;
	int64_t retry_after_ms;
	char id[STORE_ID_LEN + 1];
};

static struct sent send_as(
	struct desk *d, const char *connection, const char *number, const char *version, unsigned wait_ms)
{
	struct outbound_direct direct = {.virtual_key_id = "a-virtual-key", .version = version};
	struct store_message *m = &direct.message;
	struct sent sent = {.go = OUTBOUND_FAULT};
	uint8_t *content;

	(void)snprintf(m->business_id, sizeof(m->business_id), "%s", BUSINESS);
	(void)snprintf(m->connection_id, sizeof(m->connection_id), "%s", connection);
	(void)snprintf(m->number, sizeof(m->number), "%s", number);
	assert_int_equal(outbound_message_seal(d->h.tenants, HELLO, strlen(HELLO), m, &content), OUTBOUND_OK);
	memcpy(sent.id, m->id, sizeof(sent.id));
	sent.go = outbound_send(d->o, &direct, wait_ms, &sent.result, &sent.retry_after_ms);
	free(content);
	return sent;
}

static struct sent say(struct desk *d, const char *connection, const char *number, unsigned wait_ms)
{
	return send_as(d, connection, number, NULL, wait_ms);
}

static void it_goes_and_is_told(void **state)
{
	struct desk f = {0};
	struct server_seen seen;
	struct fake_row r;
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &(struct server_reply){.status = 200, .body = ACCEPTED});
	desk_start(&f, NULL);
	s = say(&f, "c1", "111", 5000);
	assert_int_equal(s.go, OUTBOUND_WENT);
	assert_int_equal(s.result.class, OUTBOUND_ACCEPTED);
	assert_string_equal(s.result.verbatim, ACCEPTED);
	assert_int_equal(s.result.http_status, 200);
	outbound_result_clear(&s.result);
	r = desk_await_state(s.id, STORE_MESSAGE_SENT);
	assert_int_equal(r.m.attempts, 1);
	desk_await_status("c1", STORE_CONNECTION_ACTIVE);
	server_seen("111", &seen);
	assert_int_equal(seen.requests, 1);
	assert_non_null(strstr(seen.body, s.id)); /* ours travels, so that a status finds it */
	desk_close(&f);
}

static void a_refusal_is_told_and_not_repeated(void **state)
{
	static const struct server_reply replies[] = {
		{SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":131026,\"message\":\"no such customer\"}}"},
		{SERVER_ANSWER, 500, NULL, "{\"error\":{\"code\":131016,\"message\":\"come again\"}}"},
		{SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":131042,\"message\":\"not paid\"}}"},
	};
	static const enum outbound_class classes[] = {OUTBOUND_RECIPIENT, OUTBOUND_RETRYABLE, OUTBOUND_ACCOUNT};
	struct server_seen seen;
	struct desk f = {0};
	struct fake_row r;
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_start(&f, NULL);
	for (unsigned i = 0; i < 3; i++) {
		server_set("111", &replies[i]);
		s = say(&f, "c1", "111", 5000);
		assert_int_equal(s.go, OUTBOUND_WENT);
		assert_int_equal(s.result.class, classes[i]);
		outbound_result_clear(&s.result);
		r = desk_await_state(s.id, STORE_MESSAGE_DEAD);
		assert_true(r.told);
		assert_string_equal(r.given_back_to, i == 0 ? "" : "a-virtual-key");
		assert_true(i == 0 ? r.spent_at == 0 : r.spent_at == r.m.updated_at);
	}
	(void)usleep(300000);
	server_seen("111", &seen);
	assert_int_equal(seen.requests, 3);
	desk_close(&f);
}

static void limits_hold_for_it_too(void **state)
{
	static const struct server_reply limit = {
		SERVER_ANSWER, 429, "Retry-After: 90\r\n", "{\"error\":{\"code\":130429,\"message\":\"slow\"}}"};
	struct server_seen seen;
	struct desk f = {0};
	struct fake_row r;
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_connection(&f, STORE_META, "c2", "222", TOKEN, NULL);
	server_set("111", &(struct server_reply){.status = 200, .body = ACCEPTED});
	server_set("222", &limit);
	desk_start(&f, NULL);
	for (int i = 0; i < PAIRS_BURST; i++) {
		s = say(&f, "c1", "111", 5000);
		assert_int_equal(s.go, OUTBOUND_WENT);
		outbound_result_clear(&s.result);
	}
	s = say(&f, "c1", "111", 5000);
	assert_int_equal(s.go, OUTBOUND_PAIR_LIMIT);
	assert_in_range(s.retry_after_ms, 1, PAIRS_EVERY_MS);
	assert_false(fake_row(s.id, &r)); /* nothing is noted */
	server_seen("111", &seen);
	assert_int_equal(seen.requests, PAIRS_BURST);
	/* Whoever waits is told before that is noted: one more may go meanwhile. */
	for (int i = 0; i < 100 && s.go != OUTBOUND_NOT_NOW; i++) {
		s = say(&f, "c2", "222", 5000);
		if (s.go == OUTBOUND_WENT)
			outbound_result_clear(&s.result);
		(void)usleep(5000);
	}
	assert_int_equal(s.go, OUTBOUND_NOT_NOW);
	assert_in_range(s.retry_after_ms, 85000, 90000);
	desk_close(&f);
}

/* A version that Meta does not have: nobody else waits for that. Where the version is ours, it is about the key. */
static void a_clients_version_stops_nobody(void **state)
{
	static const struct server_reply none = {SERVER_ANSWER, 400, NULL,
		"{\"error\":{\"code\":2500,\"message\":\"Unknown path components: /messages\"}}"};
	struct desk f = {0};
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	desk_start(&f, NULL);
	server_set("111", &none);
	s = send_as(&f, "c1", "111", "v29.0", 5000);
	assert_int_equal(s.go, OUTBOUND_WENT);
	assert_int_equal(s.result.class, OUTBOUND_MESSAGE);
	outbound_result_clear(&s.result);
	(void)desk_await_state(s.id, STORE_MESSAGE_DEAD);
	server_set("111", &(struct server_reply){.status = 200, .body = ACCEPTED});
	s = send_as(&f, "c1", "111", "v23.0", 5000);
	assert_int_equal(s.go, OUTBOUND_WENT);
	assert_int_equal(s.result.class, OUTBOUND_ACCEPTED);
	outbound_result_clear(&s.result);
	server_set("111", &none);
	s = say(&f, "c1", "111", 5000);
	assert_int_equal(s.go, OUTBOUND_WENT);
	assert_int_equal(s.result.class, OUTBOUND_AUTH);
	outbound_result_clear(&s.result);
	(void)desk_await_state(s.id, STORE_MESSAGE_DEAD);
	s = say(&f, "c1", "111", 100);
	assert_int_equal(s.go, OUTBOUND_REFUSED);
	assert_in_range(s.retry_after_ms, 50000, 60000);
	desk_close(&f);
}

/* While the provider is asked whether the key is fine, a send waits for that. */
static void what_is_asked_about_a_key_is_waited_for(void **state)
{
	static const struct server_reply fine = {SERVER_LATE, 200, NULL, "{\"data\":{\"is_valid\":true}}"};
	struct server_seen seen = {0};
	struct desk f = {0};
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, "appsecret");
	server_set("111",
		&(struct server_reply){.status = 403, .body = "{\"error\":{\"code\":10,\"message\":\"permission\"}}"});
	server_set("debug_token", &fine);
	desk_start(&f, NULL);
	s = say(&f, "c1", "111", 5000);
	assert_int_equal(s.result.class, OUTBOUND_AUTH);
	outbound_result_clear(&s.result);
	server_set("111", &(struct server_reply){.status = 200, .body = ACCEPTED});
	while (seen.requests == 0)
		server_seen("debug_token", &seen);
	s = say(&f, "c1", "111", 5000);
	assert_int_equal(s.go, OUTBOUND_WENT);
	assert_int_equal(s.result.class, OUTBOUND_ACCEPTED);
	outbound_result_clear(&s.result);
	desk_close(&f);
}

static void without_a_key_nothing_is_noted(void **state)
{
	struct desk f = {0};
	struct fake_row r;
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", NULL, NULL);
	desk_connection(&f, STORE_META, "c2", "222", TOKEN, NULL);
	server_set("222", &(struct server_reply){.status = 200, .body = ACCEPTED});
	desk_start(&f, NULL);
	s = say(&f, "c1", "111", 5000);
	assert_int_equal(s.go, OUTBOUND_NO_KEY);
	assert_false(fake_row(s.id, &r));
	/* What cannot be noted is not sent, and its place is free again. */
	for (int i = 0; i < 200; i++) {
		fake_busy(1);
		s = say(&f, "c2", "222", 5000);
		assert_int_equal(s.go, OUTBOUND_FAULT);
	}
	s = say(&f, "c2", "222", 5000);
	assert_int_equal(s.go, OUTBOUND_WENT);
	outbound_result_clear(&s.result);
	desk_close(&f);
}

/* Who does not wait on does not change what becomes of it. */
static void nobody_waits_for_ever(void **state)
{
	struct desk f = {0};
	struct fake_row r;
	struct sent s;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &(struct server_reply){.how = SERVER_LATE, .status = 200, .body = ACCEPTED});
	desk_start(&f, NULL);
	s = say(&f, "c1", "111", 100);
	assert_int_equal(s.go, OUTBOUND_LATE);
	assert_true(fake_row(s.id, &r));
	assert_int_equal(r.m.state, STORE_MESSAGE_SENDING);
	(void)desk_await_state(s.id, STORE_MESSAGE_SENT);
	desk_close(&f);
}

static void *wait_long(void *arg)
{
	struct desk *f = arg;
	struct sent *s = malloc(sizeof(*s));

	*s = say(f, "c1", "111", 20000);
	return s;
}

/* With the sender gone, it is not said to have come to nothing. */
static void a_sender_that_dies(void **state)
{
	struct desk f = {0};
	struct server_seen seen;
	pthread_t thread;
	struct sent *s;
	struct fake_row r;

	(void)state;
	desk_open(&f, NULL);
	desk_connection(&f, STORE_META, "c1", "111", TOKEN, NULL);
	server_set("111", &(struct server_reply){.how = SERVER_HANG});
	desk_start(&f, NULL);
	assert_int_equal(pthread_create(&thread, NULL, wait_long, &f), 0);
	do {
		(void)usleep(5000);
		server_seen("111", &seen);
	} while (seen.requests == 0);
	assert_int_equal(kill(f.h.sender, SIGKILL), 0);
	assert_int_equal(pthread_join(thread, (void **)&s), 0);
	assert_int_equal(s->go, OUTBOUND_LATE);
	assert_true(fake_row(s->id, &r));
	assert_int_equal(r.m.state, STORE_MESSAGE_SENDING);
	free(s);
	outbound_close(f.o);
	(void)house_close(&f.h);
	fake_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_goes_and_is_told),
		cmocka_unit_test(a_refusal_is_told_and_not_repeated),
		cmocka_unit_test(limits_hold_for_it_too),
		cmocka_unit_test(a_clients_version_stops_nobody),
		cmocka_unit_test(what_is_asked_about_a_key_is_waited_for),
		cmocka_unit_test(without_a_key_nothing_is_noted),
		cmocka_unit_test(nobody_waits_for_ever),
		cmocka_unit_test(a_sender_that_dies),
	};

	desk_listen();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
