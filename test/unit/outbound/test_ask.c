/*
 * Goal of this test: a platform's responder is asked with both signatures, its answer comes back as it
 * is, no private address is reached unless allowed, and nothing of what was said stays in the sender's memory.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cmocka.h>

#include "test/unit/outbound/asker.h"
#include "test/unit/outbound/memory.h"

/* ------------------------------------------------------------ the way there and back */

static void hmac_of(const void *key, size_t key_len, const char *text, uint8_t out[32])
{
	unsigned len = 0;

	assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, (const uint8_t *)text, strlen(text), out, &len));
}

static void an_ask_is_signed_both_ways(void **state)
{
	char value[256], expected[256], text[1024];
	struct server_seen seen;
	struct desk d = {0};
	struct asked a;
	uint8_t mac[32];

	(void)state;
	asker_open(&d, NULL, 0);
	asker_init(&a, &d, "hook?x=1");
	server_set("hook", &(struct server_reply){.status = 200, .body = "{\"messages\": []}"});
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_ACCEPTED);
	assert_string_equal(a.fields, "{\"messages\": []}");
	assert_string_equal(a.reason, "");
	server_seen("hook", &seen);
	assert_string_equal(seen.path, "POST /hook?x=1 HTTP/1.1");
	assert_string_equal(seen.body, ASKER_BODY);
	assert_int_equal(seen.authorizations, 0);
	server_header(&seen, "webhook-id", value, sizeof(value));
	assert_string_equal(value, "01question");
	server_header(&seen, "X-Keyhouse-Business", value, sizeof(value));
	assert_string_equal(value, BUSINESS);
	server_header(&seen, "Content-Type", value, sizeof(value));
	assert_string_equal(value, "application/json");
	server_header(&seen, "User-Agent", value, sizeof(value));
	assert_int_equal(strncmp(value, "keyhouse/", 9), 0);
	server_header(&seen, "Expect", value, sizeof(value));
	assert_string_equal(value, "");

	server_header(&seen, "webhook-timestamp", value, sizeof(value));
	assert_true(llabs(strtoll(value, NULL, 10) - (long long)time(NULL)) < 30);
	(void)snprintf(text, sizeof(text), "01question.%s.%s", value, ASKER_BODY);
	hmac_of(ASKER_SECRET_BYTES, 32, text, mac);
	memcpy(expected, "v1,", 3);
	(void)EVP_EncodeBlock((uint8_t *)expected + 3, mac, 32);
	server_header(&seen, "webhook-signature", value, sizeof(value));
	assert_string_equal(value, expected);
	hmac_of(ASKER_SECRET, strlen(ASKER_SECRET), ASKER_BODY, mac);
	memcpy(expected, "sha256=", 7);
	for (int i = 0; i < 32; i++)
		(void)snprintf(expected + 7 + 2 * i, 3, "%02x", mac[i]);
	server_header(&seen, "X-Hub-Signature-256", value, sizeof(value));
	assert_string_equal(value, expected);
	asker_clear(&a);
	desk_close(&d);
}

/* A platform that keeps the ids of what it sent knows its message again. */
static void a_status_names_our_message(void **state)
{
	static const char id[] = "01MESSAGEMESSAGEMESSAGEMES";
	static const struct {
		const char *message_id, *header;
	} rows[] = {{id, id}, {"", ""}, {NULL, ""}};
	struct desk d = {0};
	struct asked a;

	(void)state;
	asker_open(&d, NULL, 0);
	server_set("hook", &(struct server_reply){.status = 204, .body = ""});
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct server_seen seen;
		char value[64];

		asker_init(&a, &d, "hook");
		a.message_id = rows[i].message_id;
		asker_run(&a);
		server_seen("hook", &seen);
		server_header(&seen, "X-Keyhouse-Message", value, sizeof(value));
		assert_string_equal(value, rows[i].header);
		asker_clear(&a);
	}
	asker_init(&a, &d, "hook");
	a.message_id = "01\r\nX-Evil: 1";
	assert_int_equal(asker_ask(&a), OUTBOUND_INVALID);
	a.message_id = "01MESSAGEMESSAGEMESSAGEMESS";
	assert_int_equal(asker_ask(&a), OUTBOUND_INVALID);
	asker_clear(&a);
	desk_close(&d);
}

static void answers_have_their_class(void **state)
{
	static const struct {
		struct server_reply reply;
		enum outbound_class class;
		const char *fields;
		int64_t retry_after_ms;
	} rows[] = {
		{{SERVER_ANSWER, 204, NULL, ""}, OUTBOUND_ACCEPTED, NULL, 0},
		{{SERVER_ANSWER, 200, NULL, ""}, OUTBOUND_ACCEPTED, NULL, 0},
		{{SERVER_ANSWER, 202, NULL, "[1, 2]"}, OUTBOUND_ACCEPTED, "[1, 2]", 0},
		{{SERVER_ANSWER, 200, NULL, "\"" ASKER_SECRET "\""}, OUTBOUND_ACCEPTED, "\"***\"", 0},
		{{SERVER_ANSWER, 200, NULL, "fine"}, OUTBOUND_MESSAGE, NULL, 0},
		{{SERVER_ANSWER, 503, "Retry-After: 7\r\n", "{}"}, OUTBOUND_RETRYABLE, NULL, 7000},
		{{SERVER_ANSWER, 429, NULL, "{}"}, OUTBOUND_RETRYABLE, NULL, 0},
		{{SERVER_ANSWER, 500, "Retry-After: 7\r\n", "{}"}, OUTBOUND_RETRYABLE, NULL, 0},
		{{SERVER_ANSWER, 307, "Location: /stolen\r\n", ""}, OUTBOUND_RETRYABLE, NULL, 0},
		{{SERVER_DROP, 0, NULL, NULL}, OUTBOUND_OUTCOME_UNKNOWN, NULL, 0},
		{{SERVER_TRUNCATE, 200, NULL, "{\"messages\":[]}"}, OUTBOUND_OUTCOME_UNKNOWN, NULL, 0},
		{{SERVER_HUGE, 200, NULL, NULL}, OUTBOUND_MESSAGE, NULL, 0},
	};
	struct server_seen seen;
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked a;
		char path[16];

		(void)snprintf(path, sizeof(path), "hook%zu", i);
		asker_init(&a, &d, path);
		server_set(path, &rows[i].reply);
		asker_run(&a);
		if (a.class != rows[i].class || a.retry_after_ms != rows[i].retry_after_ms)
			fail_msg("row %zu: class %d: %s", i, (int)a.class, a.reason);
		if (rows[i].fields != NULL)
			assert_string_equal(a.fields, rows[i].fields);
		else
			assert_null(a.fields);
		assert_int_equal(a.reason[0] != '\0', a.class != OUTBOUND_ACCEPTED);
		asker_clear(&a);
	}
	server_seen("stolen", &seen);
	assert_int_equal(seen.requests, 0);
	desk_close(&d);
}

static void the_largest_fits_both_ways(void **state)
{
	static char body[JOB_ASK_MAX + 1], longer[JOB_ASK_MAX + 2];
	struct server_seen seen;
	struct desk d = {0};
	struct asked a;

	(void)state;
	memset(body, '7', JOB_ASK_MAX);
	memset(longer, '7', JOB_ASK_MAX + 1);
	asker_open(&d, NULL, 0);
	asker_init(&a, &d, "hook");
	a.body = body;
	server_set("hook", &(struct server_reply){.status = 200, .body = body});
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_ACCEPTED);
	assert_string_equal(a.fields, body);
	server_seen("hook", &seen);
	assert_int_equal(seen.body_len, JOB_ASK_MAX);
	a.body = longer;
	assert_int_equal(asker_ask(&a), OUTBOUND_INVALID);
	asker_clear(&a);
	desk_close(&d);
}

/* ------------------------------------------------------------ where it may go */

static void private_addresses_are_not_reached(void **state)
{
	static const char *const hosts[] = {
		"127.0.0.1", "localhost", "127.1", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"};
	struct server_seen seen;
	struct desk d = {0};
	struct asked a;

	(void)state;
	desk_open(&d, NULL);
	desk_start(&d, NULL);
	asker_init(&a, &d, "hook");
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		(void)snprintf(a.url, sizeof(a.url), "https://%s:%u/hook", hosts[i], desk_port());
		asker_run(&a);
		if (a.class != OUTBOUND_NOT_SENT ||
			strcmp(a.reason, "the responder's address is private; see responder_allow") != 0)
			fail_msg("%s: class %d: %s", a.url, (int)a.class, a.reason);
	}
	(void)snprintf(a.url, sizeof(a.url), "%s/hook", desk_url());
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_NOT_SENT);
	assert_non_null(strstr(a.reason, "https://"));
	server_seen("hook", &seen);
	assert_int_equal(seen.requests, 0);
	assert_int_equal(server_connections(), 0);
	asker_clear(&a);
	desk_close(&d);
}

static void an_exemption_is_for_that_name_alone(void **state)
{
	struct asked a;
	struct desk d = {0};

	(void)state;
	asker_open(&d, NULL, 0);
	asker_init(&a, &d, "hook");
	server_set("hook", &(struct server_reply){.status = 200, .body = "{}"});
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_ACCEPTED);
	(void)snprintf(a.url, sizeof(a.url), "https://localhost:%u/hook", desk_port());
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_NOT_SENT);
	assert_non_null(strstr(a.reason, "private"));
	/* Exempt, and no TLS there. */
	(void)snprintf(a.url, sizeof(a.url), "https://127.0.0.1:%u/hook", desk_port());
	server_set("hook", &(struct server_reply){.how = SERVER_DROP});
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_NOT_SENT);
	assert_null(strstr(a.reason, "private"));
	asker_clear(&a);
	desk_close(&d);
}

static void what_cannot_be_asked(void **state)
{
	struct store_credential other;
	struct asked a;
	struct desk d = {0};
	uint8_t *blob;

	(void)state;
	asker_open(&d, NULL, 0);
	asker_init(&a, &d, "hook");
	(void)snprintf(a.url, sizeof(a.url), "https://user@127.0.0.1/");
	assert_int_equal(asker_ask(&a), OUTBOUND_INVALID);
	(void)snprintf(a.url, sizeof(a.url), "%s/hook", desk_url());
	a.body = "";
	assert_int_equal(asker_ask(&a), OUTBOUND_INVALID);
	a.body = ASKER_BODY;
	other = a.secret;
	house_credential(&d.h, BUSINESS, "01connection", "app_secret", ASKER_SECRET, &a.secret, &blob);
	assert_int_equal(asker_ask(&a), OUTBOUND_INVALID);
	free(blob);
	house_credential(&d.h, BUSINESS, "responder", "signing_secret", "whsec_short", &a.secret, &blob);
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_NO_CREDENTIAL);
	free(blob);
	a.secret = other;
	a.secret.version++; /* sealed for another version: moved */
	asker_run(&a);
	assert_int_equal(a.class, OUTBOUND_NO_CREDENTIAL);
	assert_string_equal(a.reason, "the responder's signing secret does not open; it needs to be made again");
	asker_clear(&a);
	desk_close(&d);
}

static void a_command_asks_nobody(void **state)
{
	const struct outbound_options opt = {.checks_only = true};
	struct asked a;
	struct desk d = {0};

	(void)state;
	asker_open(&d, &opt, 0);
	asker_init(&a, &d, "hook");
	assert_int_equal(asker_ask(&a), OUTBOUND_GONE);
	asker_clear(&a);
	desk_close(&d);
}

/* ------------------------------------------------------------ what stays in memory */

static void nothing_said_stays_in_memory(void **state)
{
	char *said, *answered, *wamid;
	char question[200], answer[200], message[300], accepted[200], refused[300], id[STORE_ID_LEN + 1];
	struct asked a;
	struct desk d = {0};

	(void)state;
	/* The sender is a copy of this process, and must not inherit them. */
	asker_open(&d, NULL, 0);
	said = memory_secret("said-");
	answered = memory_secret("answered-");
	wamid = memory_secret("wamid.");
	(void)snprintf(question, sizeof(question), "{\"text\":\"%s\"}", said);
	(void)snprintf(answer, sizeof(answer), "{\"text\":\"%s\"}", answered);
	(void)snprintf(accepted, sizeof(accepted), "{\"messages\":[{\"id\":\"%s\"}]}", wamid);
	(void)snprintf(
		refused, sizeof(refused), "{\"error\":{\"code\":131047,\"message\":\"no %s to %s\"}}", answered, wamid);
	(void)snprintf(message, sizeof(message),
		"{\"to\":\"+15551234567\",\"type\":\"text\",\"text\":{\"body\":\"%s\"}}", said);
	desk_connection(&d, STORE_360DIALOG, "c1", "111", "d360KeyOfShopOne", NULL);
	asker_init(&a, &d, "hook");
	a.body = question;
	server_set("hook", &(struct server_reply){.status = 200, .body = answer});
	for (int i = 0; i < 3; i++)
		asker_run(&a);
	assert_string_equal(a.fields, answer);
	server_set("hook", &(struct server_reply){.status = 500, .body = answer});
	asker_run(&a);
	server_set("messages", &(struct server_reply){.status = 200, .body = accepted});
	desk_queue(&d, "c1", "111", message, id, 0);
	(void)desk_await_state(id, STORE_MESSAGE_SENT);
	server_set("messages", &(struct server_reply){.status = 400, .body = refused});
	desk_queue(&d, "c1", "111", message, id, 0);
	(void)desk_await_state(id, STORE_MESSAGE_DEAD);
	if (getenv("KH_SKIP_MEMORY") == NULL) {
		const char *const needles[] = {said, said + 8, answered, answered + 12, wamid, wamid + 10};

		for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++)
			if (memory_holds(d.h.sender, needles[i]) != 0)
				fail_msg("needle %zu lies in the sender's memory", i);
		/* It can be seen at all: while somebody is asked it must be there. */
		server_set("hook", &(struct server_reply){.how = SERVER_HANG});
		assert_int_equal(asker_ask(&a), OUTBOUND_OK);
		for (int i = 0; i < 200 && memory_holds(d.h.sender, said) != 1; i++)
			(void)usleep(10000);
		assert_int_equal(memory_holds(d.h.sender, said), 1);
		outbound_asks_end(d.o);
	}
	asker_clear(&a);
	desk_close(&d);
	free(said);
	free(answered);
	free(wamid);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ask_is_signed_both_ways),
		cmocka_unit_test(a_status_names_our_message),
		cmocka_unit_test(answers_have_their_class),
		cmocka_unit_test(the_largest_fits_both_ways),
		cmocka_unit_test(private_addresses_are_not_reached),
		cmocka_unit_test(an_exemption_is_for_that_name_alone),
		cmocka_unit_test(what_cannot_be_asked),
		cmocka_unit_test(a_command_asks_nobody),
		cmocka_unit_test(nothing_said_stays_in_memory),
	};

	desk_listen();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
