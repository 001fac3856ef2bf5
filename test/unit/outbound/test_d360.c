/*
 * Goal of this test: a 360dialog connection sends with its own key to its own host, only 401 costs the
 * key its standing, and checks ask exactly what the facts say, telling nothing of foreign webhooks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/outbound/desk.h"

#define KEY "d360KeyOfShopOne0123456789"
#define TOKEN "EAAtokenOfShopOne"
#define SECRET "webhookSecretOfShopOne012345"
#define PROOF "0a488f0c5fdec677da6287417e7df81d4c18c84d297e31a9691dfd6a8d5664bc" /* HMAC-SHA-256 of TOKEN with SECRET */
#define OURS HOUSE_URL "/webhooks/" BUSINESS

#define SANDBOX_KEY "5511467334920_sandbox"

static char d360_url[64], sandbox_url[64];
static uint16_t d360_port, sandbox_port;

static void open_hosts(struct desk *d)
{
	const struct house_world world = {
		.meta_api_url = desk_url(), .d360_api_url = d360_url, .d360_sandbox_url = sandbox_url};

	desk_open(d, &world);
}

/* ------------------------------------------------------------ sending */

static void a_key_goes_to_its_own_host(void **state)
{
	char d360[STORE_ID_LEN + 1], meta[STORE_ID_LEN + 1], value[256];
	struct desk d = {0};
	struct server_seen seen;

	(void)state;
	open_hosts(&d);
	desk_connection(&d, STORE_360DIALOG, "c1", "111", KEY, NULL);
	desk_connection(&d, STORE_META, "c2", "222", TOKEN, NULL);
	desk_start(&d, NULL);
	desk_queue(&d, "c1", "111", HELLO, d360, 0);
	desk_queue(&d, "c2", "222", HELLO, meta, 0);
	(void)desk_await_state(d360, STORE_MESSAGE_SENT);
	(void)desk_await_state(meta, STORE_MESSAGE_SENT);
	desk_await_status("c1", STORE_CONNECTION_ACTIVE);

	server_seen("messages", &seen);
	assert_int_equal(seen.requests, 1);
	assert_int_equal(seen.port, d360_port);
	assert_string_equal(seen.path, "POST /messages HTTP/1.1");
	server_header(&seen, "D360-API-KEY", value, sizeof(value));
	assert_string_equal(value, KEY);
	assert_int_equal(seen.authorizations, 0);
	assert_null(strstr(seen.head, TOKEN));
	(void)snprintf(value, sizeof(value), "\"biz_opaque_callback_data\":\"%s\"", d360);
	assert_non_null(strstr(seen.body, value));
	assert_non_null(strstr(seen.body, "\"messaging_product\":\"whatsapp\""));
	assert_non_null(strstr(seen.body, "\"to\":\"+15551234567\""));

	server_seen("222", &seen);
	assert_int_equal(seen.requests, 1);
	assert_int_equal(seen.port, desk_port());
	assert_string_equal(seen.authorization, "Bearer " TOKEN);
	assert_null(strstr(seen.head, KEY));
	desk_close(&d);
}

static void a_sandbox_key_goes_to_the_sandbox_alone(void **state)
{
	char live[STORE_ID_LEN + 1], trial[STORE_ID_LEN + 1], value[256];
	struct desk d = {0};
	struct server_seen seen;

	(void)state;
	open_hosts(&d);
	desk_connection(&d, STORE_360DIALOG, "c1", "111", KEY, NULL);
	desk_connection_sandbox(&d, "c2", "222", SANDBOX_KEY);
	desk_start(&d, NULL);
	desk_queue(&d, "c1", "111", HELLO, live, 0);
	desk_queue(&d, "c2", "222", HELLO, trial, 0);
	(void)desk_await_state(live, STORE_MESSAGE_SENT);
	(void)desk_await_state(trial, STORE_MESSAGE_SENT);

	server_seen("v1/messages", &seen);
	assert_int_equal(seen.requests, 1);
	assert_int_equal(seen.port, sandbox_port);
	assert_string_equal(seen.path, "POST /v1/messages HTTP/1.1");
	server_header(&seen, "D360-API-KEY", value, sizeof(value));
	assert_string_equal(value, SANDBOX_KEY);
	(void)snprintf(value, sizeof(value), "\"biz_opaque_callback_data\":\"%s\"", trial);
	assert_non_null(strstr(seen.body, value));

	server_seen("messages", &seen);
	assert_int_equal(seen.requests, 1);
	assert_int_equal(seen.port, d360_port);
	server_header(&seen, "D360-API-KEY", value, sizeof(value));
	assert_string_equal(value, KEY);

	server_set("v1/messages", &(struct server_reply){.status = 401, .body = ""});
	desk_queue(&d, "c2", "222", HELLO, trial, 0);
	desk_await_status("c2", STORE_CONNECTION_KEY_REFUSED);
	assert_int_equal(fake_connection_status("c1"), STORE_CONNECTION_ACTIVE);
	desk_close(&d);
}

static void answers_become_states(void **state)
{
	static const struct {
		struct server_reply reply;
		enum store_message_state to;
		enum store_connection_status status;
		int64_t wait_min;
	} rows[] = {
		{{SERVER_ANSWER, 401, NULL, "{\"meta\":{\"developer_message\":\"Invalid API key\"}}"},
			STORE_MESSAGE_RETRY, STORE_CONNECTION_KEY_REFUSED, 290000},
		{{SERVER_ANSWER, 401, NULL, ""}, STORE_MESSAGE_RETRY, STORE_CONNECTION_KEY_REFUSED, 290000},
		{{SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":190,\"message\":\"x\"}}"}, STORE_MESSAGE_RETRY,
			STORE_CONNECTION_PENDING, 590000},
		{{SERVER_ANSWER, 403, NULL, "blocked"}, STORE_MESSAGE_RETRY, STORE_CONNECTION_PENDING, 590000},
		{{SERVER_ANSWER, 400, NULL, "{\"meta\":{\"developer_message\":\"wrong\"}}"}, STORE_MESSAGE_DEAD,
			STORE_CONNECTION_PENDING, 0},
		{{SERVER_ANSWER, 555, NULL, ""}, STORE_MESSAGE_UNKNOWN, STORE_CONNECTION_PENDING, 0},
		{{SERVER_DROP, 0, NULL, NULL}, STORE_MESSAGE_UNKNOWN, STORE_CONNECTION_PENDING, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char id[STORE_ID_LEN + 1];
		struct desk d = {0};
		struct fake_row r;

		open_hosts(&d);
		desk_connection(&d, STORE_360DIALOG, "c1", "111", KEY, NULL);
		server_set("messages", &rows[i].reply);
		desk_start(&d, NULL);
		desk_queue(&d, "c1", "111", HELLO, id, 0);
		r = desk_await_state(id, rows[i].to);
		assert_true(r.m.reason[0] != '\0');
		if (rows[i].wait_min > 0)
			assert_true(r.m.next_at >= r.settled_at + rows[i].wait_min);
		if (rows[i].status == STORE_CONNECTION_PENDING)
			(void)usleep(50000);
		desk_await_status("c1", rows[i].status);
		desk_close(&d);
	}
}

#define NEXT_KEY "Kd0123456789012345678901234567890N_AK"
#define SENT_BODY "{\"messages\":[{\"id\":\"wamid.X\"}]}"

/* The second key of c1, sealed; the caller frees *blob. */
static struct store_credential next_key(struct desk *d, uint8_t **blob)
{
	struct store_credential c = {.slot = STORE_SLOT_CURRENT, .version = 2};

	house_credential_again(&d->h, BUSINESS, "c1", "api_key", NEXT_KEY, &c, blob);
	return c;
}

/* Waits for the first send of c1; what comes after it is accepted. */
static void first_send_then_well(void)
{
	struct server_seen seen = {0};

	for (int i = 0; i < 400 && seen.requests == 0; i++, (void)usleep(2000))
		server_seen("messages", &seen);
	server_set("messages", &(struct server_reply){.status = 200, .body = SENT_BODY});
}

static void assert_sent_with(const char *key, unsigned requests)
{
	struct server_seen seen = {0};
	char value[256];

	server_seen("messages", &seen);
	server_header(&seen, "D360-API-KEY", value, sizeof(value));
	assert_string_equal(value, key);
	assert_int_equal(seen.requests, requests);
}

/* The message was sent with the old one, and does not wait: the new one is there. */
static void a_key_changed_meanwhile_is_not_refused(void **state)
{
	char id[STORE_ID_LEN + 1];
	struct store_credential next;
	struct desk d = {0};
	uint8_t *blob;

	(void)state;
	open_hosts(&d);
	desk_connection(&d, STORE_360DIALOG, "c1", "111", KEY, NULL);
	server_set("messages", &(struct server_reply){.how = SERVER_LATE, .status = 401, .body = ""});
	next = next_key(&d, &blob);
	desk_start(&d, NULL);
	desk_queue(&d, "c1", "111", HELLO, id, 0);
	first_send_then_well();
	fake_credential_replaced(&next);
	(void)desk_await_state(id, STORE_MESSAGE_SENT);
	assert_sent_with(NEXT_KEY, 2);
	assert_int_equal(fake_connection_status("c1"), STORE_CONNECTION_ACTIVE);
	assert_int_equal(fake_credentials_proven(), 1);
	free(blob);
	desk_close(&d);
}

/* A new key that never worked is refused: the one before it is used again, for this very message. */
static void a_refused_new_key_gives_way(void **state)
{
	struct store_credential next, before;
	uint8_t *next_blob, *before_blob;
	char id[STORE_ID_LEN + 1];
	struct desk d = {0};

	(void)state;
	open_hosts(&d);
	desk_connection(&d, STORE_360DIALOG, "c1", "111", KEY, NULL);
	next = next_key(&d, &next_blob);
	fake_credential_replaced(&next);
	house_credential(&d.h, BUSINESS, "c1", "api_key", KEY, &before, &before_blob);
	before.proven_at = 5;
	fake_credential_older(&before);
	server_set("messages", &(struct server_reply){.how = SERVER_LATE, .status = 401, .body = ""});
	desk_start(&d, NULL);
	desk_queue(&d, "c1", "111", HELLO, id, 0);
	first_send_then_well();
	(void)desk_await_state(id, STORE_MESSAGE_SENT);
	assert_sent_with(KEY, 2);
	assert_int_equal(fake_connection_status("c1"), STORE_CONNECTION_ACTIVE);
	assert_int_equal(fake_credentials_proven(), 0); /* that is known of the old one */
	free(next_blob);
	free(before_blob);
	desk_close(&d);
}

static void a_taken_webhook_still_sends_and_may_lose_its_key(void **state)
{
	char id[STORE_ID_LEN + 1];
	struct desk d = {0};

	(void)state;
	open_hosts(&d);
	desk_connection(&d, STORE_360DIALOG, "c1", "111", KEY, NULL);
	assert_int_equal(
		store_connection_status_set(NULL, BUSINESS, "c1", 0, STORE_CONNECTION_WEBHOOK_TAKEN), STORE_OK);
	server_set("messages", &(struct server_reply){.status = 401, .body = ""});
	desk_start(&d, NULL);
	desk_queue(&d, "c1", "111", HELLO, id, 0);
	desk_await_status("c1", STORE_CONNECTION_KEY_REFUSED);
	desk_close(&d);
}

/* ------------------------------------------------------------ checks */

struct held {
	struct store_credential c[2];
	uint8_t *blobs[2];
};

static void hold(struct desk *d, struct held *h, const char *first, const char *value, const char *second)
{
	house_credential(&d->h, BUSINESS, "c9", first, value, &h->c[0], &h->blobs[0]);
	h->blobs[1] = NULL;
	if (second != NULL)
		house_credential(&d->h, BUSINESS, "c9", second, SECRET, &h->c[1], &h->blobs[1]);
}

static void let_go(struct held *h)
{
	free(h->blobs[0]);
	free(h->blobs[1]);
}

/* A check of every kind, with everything a caller might set. */
static struct outbound_check check_of(enum outbound_kind kind, const struct held *h)
{
	return (struct outbound_check){.kind = kind,
		.business_id = BUSINESS,
		.connection_id = "c9",
		.app_id = "4242",
		.waba_id = "555",
		.phone_number_id = "106",
		.url = OURS,
		.body = "{\"object\":\"whatsapp_business_account\"}",
		.credentials = h->c,
		.credentials_len = h->blobs[1] != NULL ? 2 : 1};
}

static void run_check(struct desk *d, const struct outbound_check *check, enum outbound_class class, const char *fields)
{
	struct outbound_result r;

	assert_int_equal(outbound_check(d->o, check, 5000, &r), OUTBOUND_OK);
	if (r.class != class)
		fail_msg("class %d: %s", (int)r.class, r.reason);
	if (fields != NULL)
		assert_string_equal(r.fields, fields);
	else
		assert_null(r.fields);
	outbound_result_clear(&r);
}

static void a_webhook_is_looked_at_and_set(void **state)
{
	char value[256];
	struct outbound_check check;
	struct server_seen seen;
	struct desk d = {0};
	struct held h;

	(void)state;
	open_hosts(&d);
	desk_start(&d, NULL);
	hold(&d, &h, "api_key", KEY, "webhook_secret");
	check = check_of(OUTBOUND_D360_WEBHOOK, &h);
	server_set("v1/configs/webhook",
		&(struct server_reply){.status = 200,
			.body = "{\"url\":\"https://u:s3cr3t@chat.example/"
				"x?token=s3cr3t\",\"headers\":{\"A\":\"s3cr3t\"}}"});
	run_check(&d, &check, OUTBOUND_ACCEPTED,
		"{\"callback\":{\"state\":\"foreign\",\"owner\":\"https://chat.example\",\"secret\":false}}");
	server_seen("v1/configs/webhook", &seen);
	assert_string_equal(seen.path, "GET /v1/configs/webhook HTTP/1.1");
	assert_int_equal(seen.port, d360_port);
	assert_null(strstr(seen.head, SECRET));
	server_set("v1/configs/webhook", &(struct server_reply){.status = 404});
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{\"callback\":{\"state\":\"none\",\"secret\":false}}");

	server_set("v1/configs/webhook",
		&(struct server_reply){
			.status = 200, .body = "{\"url\":\"x\",\"headers\":{\"X-Keyhouse-Secret\":\"" SECRET "\"}}"});
	check = check_of(OUTBOUND_D360_WEBHOOK_SET, &h);
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{}");
	server_seen("v1/configs/webhook", &seen);
	assert_string_equal(seen.path, "POST /v1/configs/webhook HTTP/1.1");
	assert_string_equal(
		seen.body, "{\"url\":\"" OURS "\",\"headers\":{\"" OUTBOUND_D360_HEADER "\":\"" SECRET "\"}}");
	server_header(&seen, "D360-API-KEY", value, sizeof(value));
	assert_string_equal(value, KEY);
	server_header(&seen, "Content-Type", value, sizeof(value));
	assert_string_equal(value, "application/json");

	check = check_of(OUTBOUND_D360_WEBHOOK, &h);
	server_set("v1/configs/webhook",
		&(struct server_reply){.status = 200,
			.body = "{\"url\":\"" OURS "\",\"headers\":{\"x-keyhouse-secret\":\"" SECRET "\"}}"});
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{\"callback\":{\"state\":\"ours\",\"secret\":true}}");
	server_set("v1/configs/webhook", &(struct server_reply){.status = 401, .body = "{}"});
	run_check(&d, &check, OUTBOUND_AUTH, NULL);
	let_go(&h);
	desk_close(&d);
}

static void the_sandboxs_webhook_is_looked_at_and_set(void **state)
{
	char value[256];
	struct outbound_check check;
	struct server_seen seen;
	struct desk d = {0};
	struct held h;

	(void)state;
	open_hosts(&d);
	desk_start(&d, NULL);
	hold(&d, &h, "api_key", SANDBOX_KEY, "webhook_secret");
	check = check_of(OUTBOUND_D360_SANDBOX_WEBHOOK, &h);
	server_set("v1/configs/webhook",
		&(struct server_reply){.status = 200, .body = "{\"url\":\"https://chat.example/x?token=s3cr3t\"}"});
	run_check(&d, &check, OUTBOUND_ACCEPTED,
		"{\"callback\":{\"state\":\"foreign\",\"owner\":\"https://chat.example\",\"secret\":false}}");
	server_seen("v1/configs/webhook", &seen);
	assert_string_equal(seen.path, "GET /v1/configs/webhook HTTP/1.1");
	assert_int_equal(seen.port, sandbox_port);
	server_set("v1/configs/webhook", &(struct server_reply){.status = 401, .body = "{}"});
	run_check(&d, &check, OUTBOUND_AUTH, NULL);

	server_set("v1/configs/webhook", &(struct server_reply){.status = 200, .body = "{\"url\":\"x\"}"});
	check = check_of(OUTBOUND_D360_SANDBOX_WEBHOOK_SET, &h);
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{}");
	server_seen("v1/configs/webhook", &seen);
	assert_string_equal(seen.path, "POST /v1/configs/webhook HTTP/1.1");
	assert_int_equal(seen.port, sandbox_port);
	assert_string_equal(
		seen.body, "{\"url\":\"" OURS "\",\"headers\":{\"" OUTBOUND_D360_HEADER "\":\"" SECRET "\"}}");
	server_header(&seen, "D360-API-KEY", value, sizeof(value));
	assert_string_equal(value, SANDBOX_KEY);
	let_go(&h);
	desk_close(&d);
}

/* The secret that goes along is a stored one: whoever makes jobs by hand must not have it sent to himself. */
static void a_webhook_is_set_to_our_own_address_alone(void **state)
{
	static const char *const others[] = {"https://evil.example/webhooks/" BUSINESS,
		HOUSE_URL ".evil.example/webhooks/" BUSINESS, HOUSE_URL "/webhooks/other", OURS "/x", OURS "?x",
		HOUSE_URL "/webhooks/"};
	struct desk d = {0};
	struct held h;

	(void)state;
	open_hosts(&d);
	desk_start(&d, NULL);
	hold(&d, &h, "api_key", KEY, "webhook_secret");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		struct outbound_check check = check_of(OUTBOUND_D360_WEBHOOK_SET, &h);

		check.url = others[i];
		run_check(&d, &check, OUTBOUND_NOT_SENT, NULL);
		check.kind = OUTBOUND_D360_SANDBOX_WEBHOOK_SET;
		run_check(&d, &check, OUTBOUND_NOT_SENT, NULL);
	}
	let_go(&h);
	desk_close(&d);
}

static void health_is_asked_for(void **state)
{
	struct outbound_check check;
	struct server_seen seen;
	struct desk d = {0};
	struct held h;

	(void)state;
	open_hosts(&d);
	desk_start(&d, NULL);
	hold(&d, &h, "api_key", KEY, NULL);
	check = check_of(OUTBOUND_D360_HEALTH, &h);
	server_set("health_status",
		&(struct server_reply){.status = 200,
			.body = "{\"health_status\":{\"can_send_message\":\"AVAILABLE\"},\"id\":\"106\"}"});
	run_check(&d, &check, OUTBOUND_ACCEPTED,
		"{\"id\":\"106\",\"health\":{\"can_send\":\"AVAILABLE\",\"entities\":[],\"why\":\"\"}}");
	server_seen("health_status", &seen);
	assert_string_equal(
		seen.path, "GET /health_status?fields=id,display_phone_number,verified_name,quality_rating HTTP/1.1");
	let_go(&h);
	hold(&d, &h, "api_key", "a key with spaces", NULL);
	check = check_of(OUTBOUND_D360_HEALTH, &h);
	run_check(&d, &check, OUTBOUND_NO_CREDENTIAL, NULL);
	let_go(&h);
	desk_close(&d);
}

static void metas_registration_is_asked_and_set(void **state)
{
	struct outbound_check check;
	struct server_seen seen;
	struct desk d = {0};
	struct held h;

	(void)state;
	open_hosts(&d);
	desk_start(&d, NULL);
	hold(&d, &h, "app_secret", "appsecret-appsecret", NULL);
	server_set("4242",
		&(struct server_reply){.status = 200,
			.body = "{\"data\":[{\"object\":\"whatsapp_business_account\",\"callback_url\":\"" OURS
				"\"}]}"});
	check = check_of(OUTBOUND_META_APP_CALLBACK, &h);
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{\"callback\":{\"state\":\"ours\"}}");
	server_seen("4242", &seen);
	assert_string_equal(seen.path, "GET /v26.0/4242/subscriptions HTTP/1.1");
	assert_string_equal(seen.authorization, "Bearer 4242|appsecret-appsecret");
	assert_int_equal(seen.port, desk_port());
	server_set("4242", &(struct server_reply){.status = 200, .body = "{\"success\":true}"});
	check = check_of(OUTBOUND_META_APP_SUBSCRIBE, &h);
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{\"success\":true}");
	server_seen("4242", &seen);
	assert_string_equal(seen.path, "POST /v26.0/4242/subscriptions HTTP/1.1");
	assert_string_equal(seen.body, check.body);
	server_set("4242",
		&(struct server_reply){.status = 400,
			.body = "{\"error\":{\"code\":2200,\"message\":\"Callback verification failed\"}}"});
	run_check(&d, &check, OUTBOUND_MESSAGE, NULL);
	let_go(&h);

	hold(&d, &h, "access_token", TOKEN, "app_secret");
	server_set("555",
		&(struct server_reply){.status = 200,
			.body = "{\"data\":[{\"whatsapp_business_api_data\":{\"id\":\"4242\"},"
				"\"override_callback_uri\":\"" HOUSE_URL "/webhooks/other\"}]}"});
	check = check_of(OUTBOUND_META_WABA_CALLBACK, &h);
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{\"callback\":{\"state\":\"house\"},\"subscribed\":true}");
	server_set("555", &(struct server_reply){.status = 200, .body = "{\"success\":\"true\"}"});
	check = check_of(OUTBOUND_META_WABA_SUBSCRIBE, &h);
	run_check(&d, &check, OUTBOUND_ACCEPTED, "{\"success\":\"true\"}");
	server_seen("555", &seen);
	assert_string_equal(seen.path, "POST /v26.0/555/subscribed_apps?appsecret_proof=" PROOF " HTTP/1.1");
	assert_string_equal(seen.authorization, "Bearer " TOKEN);
	let_go(&h);
	desk_close(&d);
}

static void checks_that_break_their_kind_are_refused(void **state)
{
	static char long_url[1100] = HOUSE_URL "/webhooks/";
	struct outbound_check check;
	struct outbound_result r;
	struct desk d = {0};
	struct held h;

	(void)state;
	open_hosts(&d);
	desk_start(&d, NULL);
	hold(&d, &h, "api_key", KEY, "webhook_secret");
	memset(long_url + strlen(long_url), 'x', sizeof(long_url) - 1 - strlen(long_url));
#define REFUSED(kind, change)                                                                                          \
	do {                                                                                                           \
		check = check_of(kind, &h);                                                                            \
		change;                                                                                                \
		assert_int_equal(outbound_check(d.o, &check, 1000, &r), OUTBOUND_INVALID);                             \
	} while (0)
	REFUSED(OUTBOUND_D360_WEBHOOK_SET, check.url = NULL);
	REFUSED(OUTBOUND_D360_WEBHOOK_SET, check.url = long_url);
	REFUSED(OUTBOUND_D360_WEBHOOK_SET, check.url = "https://house.example/a b");
	REFUSED(OUTBOUND_D360_WEBHOOK_SET, check.credentials_len = 1);
	REFUSED(OUTBOUND_D360_SEND, check.credentials_len = 1);
	REFUSED(OUTBOUND_RESPONDER_ASK, check.credentials_len = 1);
	let_go(&h);
	hold(&d, &h, "access_token", TOKEN, "app_secret");
	REFUSED(OUTBOUND_META_WABA_SUBSCRIBE, check.body = NULL);
	REFUSED(OUTBOUND_META_WABA_SUBSCRIBE, check.waba_id = "5/5");
	REFUSED(OUTBOUND_META_WABA_CALLBACK, check.app_id = NULL);
	/* Cut to 32 digits it would be another number. */
	REFUSED(OUTBOUND_META_NUMBER, check.phone_number_id = "123456789012345678901234567890123");
	REFUSED(OUTBOUND_META_APP_CALLBACK, check.credentials_len = 1); /* another credential than it wants */
#undef REFUSED
	let_go(&h);
	desk_close(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_goes_to_its_own_host),
		cmocka_unit_test(a_sandbox_key_goes_to_the_sandbox_alone),
		cmocka_unit_test(answers_become_states),
		cmocka_unit_test(a_key_changed_meanwhile_is_not_refused),
		cmocka_unit_test(a_refused_new_key_gives_way),
		cmocka_unit_test(a_taken_webhook_still_sends_and_may_lose_its_key),
		cmocka_unit_test(a_webhook_is_looked_at_and_set),
		cmocka_unit_test(the_sandboxs_webhook_is_looked_at_and_set),
		cmocka_unit_test(a_webhook_is_set_to_our_own_address_alone),
		cmocka_unit_test(health_is_asked_for),
		cmocka_unit_test(metas_registration_is_asked_and_set),
		cmocka_unit_test(checks_that_break_their_kind_are_refused),
	};

	desk_listen();
	d360_port = server_start();
	(void)snprintf(d360_url, sizeof(d360_url), "http://localhost:%u/", d360_port);
	sandbox_port = server_start();
	(void)snprintf(sandbox_url, sizeof(sandbox_url), "http://localhost:%u", sandbox_port);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
