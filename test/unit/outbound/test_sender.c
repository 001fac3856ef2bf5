/*
 * Goal of this test: the real sender, in a process of its own beside a real vault, brings the right
 * key to the provider, classifies every fault, keeps jobs apart, forgets keys, and dies of nonsense.
 */
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/json.h"
#include "gateway/outbound/request.h"
#include "test/unit/outbound/house.h"
#include "test/unit/outbound/memory.h"
#include "test/unit/outbound/server.h"

#define BUSINESS "shop-1"
#define CONNECTION "01connection"
#define TOKEN "EAAGm0PX4ZCpsBAtokenABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789secret"
#define APP_SECRET "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define MAC "appsecret_proof=ef2323e2e1fcd05d2b11ff87f0596bc2631ec2f40603af91d236e20c1e559114"
#define PROOF "?" MAC
#define BODY "{\"messaging_product\":\"whatsapp\",\"to\":\"+15551234567\",\"type\":\"text\"}"

static uint16_t port;

struct fixture {
	struct house h;
	struct store_credential token, secret;
	uint8_t *token_blob, *secret_blob;
	struct vault_wrapped_key key;
};

static void open_at(struct fixture *f, const char *base_url)
{
	house_open(&f->h, base_url);
	house_business(&f->h, BUSINESS);
	house_credential(&f->h, BUSINESS, CONNECTION, "access_token", TOKEN, &f->token, &f->token_blob);
	house_credential(&f->h, BUSINESS, CONNECTION, "app_secret", APP_SECRET, &f->secret, &f->secret_blob);
	assert_int_equal(
		tenant_credential_key(f->h.tenants, BUSINESS, f->token.blob, f->token.blob_len, &f->key), TENANT_OK);
	server_reset();
}

static void open_local(struct fixture *f)
{
	char url[64];

	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	open_at(f, url);
}

static int close_all(struct fixture *f)
{
	free(f->token_blob);
	free(f->secret_blob);
	return house_close(&f->h);
}

static struct job job_of(struct fixture *f, enum outbound_kind kind, uint64_t ticket, const char *number)
{
	struct job j = {.ticket = ticket,
		.kind = kind_find((uint32_t)kind),
		.id = "01message",
		.deployment_id = store_deployment_id(NULL),
		.business_id = BUSINESS,
		.number = number,
		.app_id = "",
		.waba_id = "",
		.url = "",
		.message_id = "",
		.credentials[0] = {CONNECTION, "access_token", 1, f->key, f->token.blob, f->token.blob_len, 1}};

	if (j.kind->methods == KIND_POST) {
		j.body = BODY;
		j.body_len = strlen(BODY);
	}
	if (kind_wants(j.kind, KIND_WANTS_APP))
		j.app_id = "4242";
	if (kind_credentials(j.kind) > 1)
		j.credentials[1] = (struct job_credential){
			CONNECTION, "app_secret", 1, f->key, f->secret.blob, f->secret.blob_len, 1};
	return j;
}

static void put_job(struct fixture *f, const struct job *j)
{
	struct frame out = FRAME_INIT(0);

	assert_true(job_valid(j));
	job_encode(&out, j);
	assert_int_equal(frame_send(f->h.jobs, &out), FRAME_OK);
	frame_clear(&out);
}

static uint64_t get_result(struct fixture *f, struct outbound_result *r)
{
	struct frame in = FRAME_INIT(0);
	uint64_t ticket = 0;

	assert_int_equal(frame_recv(f->h.jobs, job_limits_listener, JOB_LIMITS, &in), FRAME_OK);
	assert_int_equal(in.type, JOB_RESULT);
	assert_true(job_result_decode(&in, &ticket, r));
	frame_clear(&in);
	return ticket;
}

static void send_one(struct fixture *f, const char *number, struct outbound_result *r)
{
	const struct job j = job_of(f, OUTBOUND_META_SEND, 7, number);

	put_job(f, &j);
	assert_int_equal(get_result(f, r), 7);
}

static int64_t ms_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ------------------------------------------------------------ the way there and back */

static void the_key_arrives_in_the_header(void **state)
{
	struct fixture f;
	struct outbound_result r;
	struct server_seen seen;

	(void)state;
	open_local(&f);
	send_one(&f, "111", &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	assert_int_equal(r.http_status, 200);
	assert_string_equal(r.reason, "");
	assert_string_equal(
		r.fields, "{\"messages\":[{\"id\":\"wamid.HBg111\"}],\"contacts\":[{\"wa_id\":\"15551234567\"}]}");
	outbound_result_clear(&r);
	server_seen("111", &seen);
	assert_string_equal(seen.authorization, "Bearer " TOKEN);
	assert_int_equal(seen.authorizations, 1);
	assert_string_equal(seen.path, "POST /v26.0/111/messages" PROOF " HTTP/1.1");
	assert_string_equal(seen.body, BODY);
	assert_int_equal(close_all(&f), 0);
}

static void connections_are_shared_and_headers_are_not(void **state)
{
	struct fixture f;
	struct outbound_result r;
	struct server_seen seen;
	struct job j;

	(void)state;
	open_local(&f);
	for (int i = 0; i < 5; i++) {
		send_one(&f, "111", &r);
		assert_int_equal(r.class, OUTBOUND_ACCEPTED);
		outbound_result_clear(&r);
	}
	server_set("debug_token",
		&(struct server_reply){.status = 200,
			.body = "{\"data\":{\"app_id\":\"4242\",\"is_valid\":true,\"scopes\":[\"a\"],\"user_id\":\"9\"}"
				"}"});
	j = job_of(&f, OUTBOUND_META_DEBUG_TOKEN, 1, "");
	put_job(&f, &j);
	assert_int_equal(get_result(&f, &r), 1);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	assert_string_equal(r.fields, "{\"data\":{\"app_id\":\"4242\",\"is_valid\":true,\"scopes\":[\"a\"]}}");
	outbound_result_clear(&r);
	server_seen("debug_token", &seen);
	assert_string_equal(seen.authorization, "Bearer 4242|" APP_SECRET);
	assert_int_equal(seen.authorizations, 1);
	assert_string_equal(seen.path, "GET /v26.0/debug_token?input_token=" TOKEN " HTTP/1.1");
	assert_int_equal(server_connections(), 1);
	assert_int_equal(close_all(&f), 0);
}

#define NEW_TOKEN "EAAGnewTokenThatTheProviderGaveForTheOldOne0123456789"

/* What comes back of it is sealed, for the next version's place, and opens to the new token there. */
static void a_new_token_leaves_sealed(void **state)
{
	struct fixture f;
	struct outbound_result r;
	struct server_seen seen;
	struct job j;
	uint8_t blob[512];
	size_t blob_len;
	cJSON *fields;

	(void)state;
	open_local(&f);
	server_set("oauth",
		&(struct server_reply){.status = 200,
			.body = "{\"access_token\":\"" NEW_TOKEN
				"\",\"token_type\":\"bearer\",\"expires_in\":5184000}"});
	j = job_of(&f, OUTBOUND_META_TOKEN_EXCHANGE, 1, "");
	j.credentials[0].newest = 4; /* 2 to 4 were refused */
	put_job(&f, &j);
	assert_int_equal(get_result(&f, &r), 1);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	assert_null(strstr(r.fields, NEW_TOKEN));
	server_seen("oauth", &seen);
	assert_string_equal(seen.path,
		"GET /v26.0/oauth/access_token?grant_type=fb_exchange_token&client_id=4242&client_secret=" APP_SECRET
		"&fb_exchange_token=" TOKEN "&set_token_expires_in_60_days=true HTTP/1.1");
	assert_int_equal(seen.authorizations, 0);

	fields = json_parse(r.fields, strlen(r.fields));
	assert_string_equal(json_get_string(fields, "last4"), "6789");
	assert_true(cJSON_GetNumberValue(json_get(fields, "expires_in")) == 5184000);
	assert_int_equal(strlen(json_get_string(fields, "fingerprint")), VAULT_FINGERPRINT_LEN);
	assert_true(vault_base64_read(json_get_string(fields, "sealed"), strlen(json_get_string(fields, "sealed")),
		blob, sizeof(blob), &blob_len));
	j = job_of(&f, OUTBOUND_META_SEND, 2, "111");
	j.credentials[0].blob = blob;
	j.credentials[0].blob_len = blob_len;
	j.credentials[0].version = 5;
	put_job(&f, &j);
	outbound_result_clear(&r);
	assert_int_equal(get_result(&f, &r), 2);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	server_seen("111", &seen);
	assert_string_equal(seen.authorization, "Bearer " NEW_TOKEN);
	outbound_result_clear(&r);
	cJSON_Delete(fields);

	/* No token, or none that a header can carry, is an odd answer; and no answer's words are handed on. */
	static const char *const odd[] = {"{}", "{\"access_token\":\"short\"}", "{\"access_token\":7}",
		"{\"access_token\":\"EAAG with spaces in the middle of it\"}", "[]",
		"{\"access_token\":\"EAAG\\u0000hiddenBehindSomethingElse\"}"};
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		server_set("oauth", &(struct server_reply){.status = 200, .body = odd[i]});
		j = job_of(&f, OUTBOUND_META_TOKEN_EXCHANGE, 3, "");
		put_job(&f, &j);
		assert_int_equal(get_result(&f, &r), 3);
		assert_int_equal(r.class, OUTBOUND_OUTCOME_UNKNOWN);
		assert_null(r.fields);
		outbound_result_clear(&r);
	}
	assert_int_equal(close_all(&f), 0);
}

static void a_number_is_asked_for_named_fields(void **state)
{
	struct fixture f;
	struct outbound_result r;
	struct server_seen seen;
	struct job j;

	(void)state;
	open_local(&f);
	server_set("106",
		&(struct server_reply){.status = 200,
			.body = "{\"id\":\"106\",\"display_phone_number\":\"+1 "
				"555\",\"certificate\":\"no\",\"throughput\":{\"level\":\"HIGH\"},\"status\":"
				"\"CONNECTED\","
				"\"health_status\":{\"can_send_message\":\"LIMITED\",\"entities\":[{\"entity_type\":"
				"\"WABA\",\"id\":"
				"\"77\",\"errors\":[{\"error_code\":141006,\"error_description\":\"Ask +49 151 "
				"23456789 to pay "
				"with " TOKEN "\"}],\"more\":1}]}}"});
	j = job_of(&f, OUTBOUND_META_NUMBER, 1, "106");
	put_job(&f, &j);
	(void)get_result(&f, &r);
	assert_string_equal(r.fields,
		"{\"id\":\"106\",\"display_phone_number\":\"+1 555\",\"throughput\":{\"level\":\"HIGH\"},"
		"\"status\":\"CONNECTED\",\"health\":{\"can_send\":\"LIMITED\",\"entities\":[{\"type\":\"WABA\",\"id\":"
		"\"77\"}],"
		"\"why\":\"Ask +*** to pay with ***\"}}");
	outbound_result_clear(&r);
	server_seen("106", &seen);
	assert_string_equal(seen.path,
		"GET /v26.0/106?fields=id,display_phone_number,verified_name,quality_rating,"
		"code_verification_status,platform_type,throughput,status,name_status,"
		"whatsapp_business_manager_messaging_limit,is_on_biz_app,health_status&" MAC " HTTP/1.1");
	assert_string_equal(seen.authorization, "Bearer " TOKEN);
	assert_null(strstr(seen.head, APP_SECRET));
	j = job_of(&f, OUTBOUND_META_SEND, 2, "106");
	put_job(&f, &j);
	(void)get_result(&f, &r);
	outbound_result_clear(&r);
	server_seen("106", &seen);
	assert_string_equal(seen.path, "POST /v26.0/106/messages" PROOF " HTTP/1.1");
	assert_int_equal(close_all(&f), 0);
}

static void header_is(const struct outbound_result *r, const char *name, const char *value)
{
	size_t i = 0;

	while (strcmp(outbound_header_names[i], name) != 0)
		i++;
	if (value == NULL)
		assert_null(r->headers[i]);
	else
		assert_string_equal(r->headers[i], value);
}

/* Whatever it says, but for what the sender held; the version is the client's. */
static void a_send_may_want_its_answer_verbatim(void **state)
{
	static const struct {
		int status;
		const char *headers, *body, *verbatim, *app_usage, *trace;
	} rows[] = {
		{200, NULL, "{\"messages\": [{\"id\":\"wamid.X\"}], \"more\":1}",
			"{\"messages\": [{\"id\":\"wamid.X\"}], \"more\":1}", NULL, NULL},
		{400,
			"x-app-usage: {\"call_count\":99}\r\nX-FB-Trace-ID:" TOKEN
			"+a\r\nX-Other: 1\r\nfacebook-api-version: a\tb\r\n",
			"{\"error\":{\"code\":131047,\"x\":\"" TOKEN "\"}}\n",
			"{\"error\":{\"code\":131047,\"x\":\"***\"}}\n", "{\"call_count\":99}", "***+a"},
		{502, NULL, "<html>" TOKEN "</html>", "<html>***</html>", NULL, NULL},
	};
	static char large[OUTBOUND_VERBATIM_MAX + 2];
	struct outbound_result r;
	struct server_seen seen;
	struct fixture f;
	struct job j;

	(void)state;
	open_local(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		server_set("111",
			&(struct server_reply){
				.status = rows[i].status, .headers = rows[i].headers, .body = rows[i].body});
		j = job_of(&f, OUTBOUND_META_SEND, 1, "111");
		j.verbatim = true;
		j.version = "v24.0";
		put_job(&f, &j);
		(void)get_result(&f, &r);
		assert_true(r.whole);
		assert_string_equal(r.verbatim, rows[i].verbatim);
		header_is(&r, "Content-Type", "application/json");
		header_is(&r, "X-App-Usage", rows[i].app_usage);
		header_is(&r, "x-fb-trace-id", rows[i].trace);
		header_is(&r, "facebook-api-version", NULL);
		assert_int_equal(r.class == OUTBOUND_ACCEPTED, i == 0);
		outbound_result_clear(&r);
		server_seen("111", &seen);
		assert_string_equal(seen.path, "POST /v24.0/111/messages" PROOF " HTTP/1.1");
	}
	/* As much as may be; who does not want it gets nothing, as before. */
	memset(large, ' ', OUTBOUND_VERBATIM_MAX);
	for (int i = 0; i < 3; i++) {
		server_set("111", &(struct server_reply){.status = 200, .body = i == 2 ? "{}" : large});
		j = job_of(&f, OUTBOUND_META_SEND, 1, "111");
		j.verbatim = i < 2;
		put_job(&f, &j);
		(void)get_result(&f, &r);
		assert_true(r.whole);
		assert_int_equal(r.verbatim != NULL, i == 0);
		header_is(&r, "Content-Type", i < 2 ? "application/json" : NULL);
		outbound_result_clear(&r);
		large[OUTBOUND_VERBATIM_MAX] = ' ';
	}
	assert_int_equal(close_all(&f), 0);
}

/* A listener that was taken over may ask for no address of the house's network. */
static void only_our_own_address_is_asked_without_a_key(void **state)
{
	struct request_world world = {.public_url = "https://kh.example/sub"};
	const struct job j = {
		.kind = kind_find(OUTBOUND_OURSELVES), .business_id = "my-shop", .url = "http://127.0.0.1/"};
	struct request r = {0};
	const char *why;

	(void)state;
	assert_int_equal(request_build(&r, &world, &j, NULL, &why), OUTBOUND_ACCEPTED);
	assert_string_equal(r.transfer.url, "https://kh.example/sub/webhooks/my-shop");
	assert_false(r.transfer.plain_http);
	assert_int_equal(r.transfer.headers_len, 0);
	request_clear(&r);
	world.public_url = "";
	assert_int_equal(request_build(&r, &world, &j, NULL, &why), OUTBOUND_NOT_SENT);
	request_clear(&r);
}

static void the_providers_clock_is_told(void **state)
{
	static const struct {
		const char *headers;
		bool told;
		int32_t from, to;
	} rows[] = {{"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n", true, INT32_MIN, -86400},
		{"date: Fri, 01 Jan 2100 00:00:00 GMT\r\n", false, 0, 0},
		{"Date: yesterday, about noon\r\n", false, 0, 0},
		{"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n", false, 0, 0}, {"X-Date: x\r\n", false, 0, 0}};
	struct fixture f;
	struct outbound_result r;

	(void)state;
	open_local(&f);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		server_set("106",
			&(struct server_reply){.status = 200, .headers = rows[i].headers, .body = "{\"error\":1}"});
		send_one(&f, "106", &r);
		assert_int_equal(r.clock_told, rows[i].told);
		assert_true(r.clock_ahead_s >= rows[i].from && r.clock_ahead_s <= rows[i].to);
		outbound_result_clear(&r);
	}
	assert_int_equal(close_all(&f), 0);
}

/* ------------------------------------------------------------ faults */

static const struct {
	const char *number;
	struct server_reply reply;
	enum outbound_class class;
	int code;
} faults[] = {
	{"201", {SERVER_DROP, 0, NULL, NULL}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"202", {SERVER_TRUNCATE, 200, NULL, "{\"messages\":[{\"id\":\"wamid.X\"}]}"}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"203", {SERVER_HUGE, 200, NULL, NULL}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"204", {SERVER_ANSWER, 200, NULL, "<html>fine</html>"}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"205", {SERVER_ANSWER, 200, NULL, "{\"messages\":[{\"id\":\"wamid.X\""}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"206", {SERVER_ANSWER, 200, NULL, "{\"messages\":[]}"}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"207", {SERVER_ANSWER, 200, NULL, ""}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"208", {SERVER_ANSWER, 302, "Location: /v26.0/stolen/messages\r\n", ""}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"209", {SERVER_ANSWER, 502, NULL, "<html>Bad Gateway</html>"}, OUTBOUND_OUTCOME_UNKNOWN, 0},
	{"210", {SERVER_ANSWER, 503, NULL, "{\"error\":{\"message\":\"(#131016) down\",\"code\":131016}}"},
		OUTBOUND_RETRYABLE, 131016},
	{"211", {SERVER_ANSWER, 401, NULL, "{\"error\":{\"message\":\"bad\",\"code\":190,\"error_subcode\":463}}"},
		OUTBOUND_AUTH, 190},
	{"212", {SERVER_ANSWER, 400, NULL, "{\"error\":{\"message\":\"(#131047)\",\"code\":131047}}"}, OUTBOUND_WINDOW,
		131047},
	{"213", {SERVER_ANSWER, 429, "Retry-After: 17\r\n", "{\"error\":{\"code\":130429,\"error_data\":\"plain\"}}"},
		OUTBOUND_RATE_LIMITED, 130429},
	{"214", {SERVER_ANSWER, 400, NULL, "{\"error\":{\"code\":100,\"message\":\"no\"}}"}, OUTBOUND_MESSAGE, 100},
	{"215", {SERVER_ANSWER, 200, NULL, "{\"error\":{\"code\":2,\"message\":\"no\"}}"}, OUTBOUND_RETRYABLE, 2},
	{"216", {SERVER_ANSWER, 200, NULL, "{\"Messages\":[{\"ID\":\"wamid.X\"}]}"}, OUTBOUND_OUTCOME_UNKNOWN, 0},
};

static void faults_are_classified(void **state)
{
	struct fixture f;
	struct server_seen seen;

	(void)state;
	open_local(&f);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		struct outbound_result r;

		server_set(faults[i].number, &faults[i].reply);
		send_one(&f, faults[i].number, &r);
		if (r.class != faults[i].class || r.code != faults[i].code)
			fail_msg("%s: class %d code %d: %s", faults[i].number, (int)r.class, (int)r.code, r.reason);
		assert_null(r.fields);
		assert_true(r.reason[0] != '\0');
		if (faults[i].code == 130429)
			assert_int_equal(r.retry_after_ms, 17000);
		outbound_result_clear(&r);
		server_seen(faults[i].number, &seen);
		assert_int_equal(seen.requests, 1);
	}
	server_seen("stolen", &seen);
	assert_int_equal(seen.requests, 0);
	assert_int_equal(close_all(&f), 0);
}

/* The library would send it again by itself: it was received once, and that is what is known. */
static void a_dropped_reused_connection_is_unknown_and_not_repeated(void **state)
{
	const struct server_reply trap = {.how = SERVER_DROP_REUSED};
	struct outbound_result r;
	struct server_seen seen;
	struct fixture f;

	(void)state;
	open_local(&f);
	server_set("301", &trap);
	send_one(&f, "301", &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	outbound_result_clear(&r);
	send_one(&f, "301", &r);
	assert_int_equal(r.class, OUTBOUND_OUTCOME_UNKNOWN);
	outbound_result_clear(&r);
	server_seen("301", &seen);
	assert_int_equal(seen.requests, 2);
	assert_int_equal(close_all(&f), 0);
}

static void what_never_left_is_not_sent(void **state)
{
	char tls[64];
	const char *const urls[] = {"http://127.0.0.1:1", "https://name.invalid", tls};

	(void)state;
	(void)snprintf(tls, sizeof(tls), "https://127.0.0.1:%u", port);
	for (size_t i = 0; i < 3; i++) {
		struct outbound_result r;
		struct fixture f;

		open_at(&f, urls[i]);
		if (i == 2)
			server_set("111", &(struct server_reply){.how = SERVER_DROP});
		send_one(&f, "111", &r);
		if (r.class != OUTBOUND_NOT_SENT)
			fail_msg("%s: class %d: %s", urls[i], (int)r.class, r.reason);
		outbound_result_clear(&r);
		assert_int_equal(close_all(&f), 0);
	}
}

static void secrets_are_blanked_in_reasons(void **state)
{
	struct outbound_result r;
	struct fixture f;

	(void)state;
	open_local(&f);
	server_set("111",
		&(struct server_reply){.status = 400,
			.body = "{\"error\":{\"code\":190,\"message\":\"Malformed access token " TOKEN
				"\",\"error_data\":{\"details\":\"for +15551234567\\nand wamid.HBgLMTU=\"}}}"});
	send_one(&f, "111", &r);
	assert_string_equal(r.reason, "Malformed access token ***: for +*** and ***");
	outbound_result_clear(&r);
	assert_int_equal(close_all(&f), 0);
}

static void a_moved_credential_opens_nothing(void **state)
{
	struct outbound_result r;
	struct server_seen seen;
	struct fixture f;
	struct job j;

	(void)state;
	open_local(&f);
	j = job_of(&f, OUTBOUND_META_SEND, 3, "111");
	j.credentials[0].version = 2;
	put_job(&f, &j);
	(void)get_result(&f, &r);
	assert_int_equal(r.class, OUTBOUND_NO_CREDENTIAL);
	outbound_result_clear(&r);
	server_seen("111", &seen);
	assert_int_equal(seen.requests, 0);
	assert_int_equal(close_all(&f), 0);
}

/* ------------------------------------------------------------ many at once */

static void one_hanging_job_delays_nobody(void **state)
{
	const int64_t start = ms_now();
	struct fixture f;
	bool seen[51] = {false};

	(void)state;
	open_local(&f);
	server_set("500", &(struct server_reply){.how = SERVER_HANG});
	for (uint64_t i = 0; i < 51; i++) {
		char number[16];
		struct job j;

		(void)snprintf(number, sizeof(number), "%u", 500 + (unsigned)(i % 30 == 0 && i > 0 ? 1 : i % 30));
		j = job_of(&f, OUTBOUND_META_SEND, i, i == 0 ? "500" : number);
		put_job(&f, &j);
	}
	for (int i = 0; i < 50; i++) {
		struct outbound_result r;
		const uint64_t ticket = get_result(&f, &r);

		assert_in_range(ticket, 1, 50);
		assert_false(seen[ticket]);
		seen[ticket] = true;
		assert_int_equal(r.class, OUTBOUND_ACCEPTED);
		outbound_result_clear(&r);
	}
	assert_true(ms_now() - start < 5000);
	assert_int_equal(close_all(&f), 0);
}

/* ------------------------------------------------------------ what stays in memory */

static void the_key_does_not_stay_in_memory(void **state)
{
	struct outbound_result r;
	struct fixture f;
	struct job j;
	char *token, *secret;

	(void)state;
	open_local(&f);
	token = memory_secret("EAA");
	secret = memory_secret("");
	free(f.token_blob);
	free(f.secret_blob);
	house_credential(&f.h, BUSINESS, CONNECTION, "access_token", token, &f.token, &f.token_blob);
	house_credential(&f.h, BUSINESS, CONNECTION, "app_secret", secret, &f.secret, &f.secret_blob);

	/* Can it be seen at all: while a job hangs the key must be there. */
	server_set("500", &(struct server_reply){.how = SERVER_HANG});
	j = job_of(&f, OUTBOUND_META_SEND, 1, "111");
	for (int i = 0; i < 3; i++) {
		put_job(&f, &j);
		(void)get_result(&f, &r);
		outbound_result_clear(&r);
	}
	server_set("111", &(struct server_reply){.status = 500, .body = "<html>"});
	put_job(&f, &j);
	(void)get_result(&f, &r);
	outbound_result_clear(&r);
	server_set("111", &(struct server_reply){.how = SERVER_DROP});
	put_job(&f, &j);
	(void)get_result(&f, &r);
	outbound_result_clear(&r);
	server_set("debug_token", &(struct server_reply){.status = 200, .body = "{\"data\":{\"is_valid\":true}}"});
	j = job_of(&f, OUTBOUND_META_DEBUG_TOKEN, 2, "");
	put_job(&f, &j);
	(void)get_result(&f, &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	outbound_result_clear(&r);
	if (getenv("KH_SKIP_MEMORY") == NULL) {
		assert_int_equal(memory_holds(f.h.sender, token), 0);
		assert_int_equal(memory_holds(f.h.sender, token + 8), 0); /* without its beginning */
		assert_int_equal(memory_holds(f.h.sender, secret), 0);
		assert_int_equal(memory_holds(f.h.sender, secret + 8), 0);
		j = job_of(&f, OUTBOUND_META_SEND, 3, "500");
		put_job(&f, &j);
		for (int i = 0; i < 200 && memory_holds(f.h.sender, token) != 1; i++)
			(void)usleep(10000);
		assert_int_equal(memory_holds(f.h.sender, token), 1);
	}
	free(token);
	free(secret);
	assert_int_equal(close_all(&f), 0);
}

/* ------------------------------------------------------------ nonsense */

static void pings_are_answered(void **state)
{
	struct frame f = FRAME_INIT(0);
	struct fixture x;
	uint64_t number;

	(void)state;
	open_local(&x);
	job_number_encode(&f, JOB_PING, 99);
	assert_int_equal(frame_send(x.h.jobs, &f), FRAME_OK);
	assert_int_equal(frame_recv(x.h.jobs, job_limits_listener, JOB_LIMITS, &f), FRAME_OK);
	assert_true(job_number_decode(&f, &number));
	assert_int_equal(number, 99);
	frame_clear(&f);
	assert_int_equal(close_all(&x), 0);
}

/* What nobody reads would fill the machine's memory, which others need, too. */
static void who_reads_no_answers_ends_the_role(void **state)
{
	struct frame f = FRAME_INIT(0);
	enum frame_error err = FRAME_OK;
	struct fixture x;
	int status;

	(void)state;
	open_local(&x);
	job_number_encode(&f, JOB_PING, 99);
	for (unsigned n = 0; n < 1000000 && err == FRAME_OK; n++)
		err = frame_send(x.h.jobs, &f);
	assert_int_equal(err, FRAME_CLOSED);
	status = house_sender_wait(&x.h);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	frame_clear(&f);
	(void)close_all(&x);
}

static struct job upload_of(struct fixture *f, uint64_t len)
{
	struct job j = job_of(f, OUTBOUND_META_PASS_UPLOAD, 9, "500");

	j.body = NULL;
	j.body_len = 0;
	j.method = KIND_POST;
	j.content_type = "multipart/form-data; boundary=x";
	j.upload_len = len;
	return j;
}

/* A provider that takes nothing: what lies here is bounded. */
static void more_than_a_window_ends_the_role(void **state)
{
	static const uint8_t bytes[JOB_PIECE_MAX];
	const struct job_piece p = {.ticket = 9, .data = bytes, .len = sizeof(bytes)};
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int deaf = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct frame f = FRAME_INIT(0);
	enum frame_error err = FRAME_OK;
	socklen_t len = sizeof(a);
	struct fixture x;
	char url[64];
	struct job j;
	int status;

	(void)state;
	assert_true(bind(deaf, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(deaf, 8) == 0 &&
		getsockname(deaf, (struct sockaddr *)&a, &len) == 0);
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", ntohs(a.sin_port));
	open_at(&x, url);
	j = upload_of(&x, OUTBOUND_UPLOAD_MAX);
	put_job(&x, &j);
	job_piece_encode(&f, JOB_BODY, &p);
	for (unsigned n = 0; n < OUTBOUND_UPLOAD_MAX / sizeof(bytes) - 1 && err == FRAME_OK; n++)
		err = frame_send(x.h.jobs, &f);
	assert_int_equal(err, FRAME_CLOSED);
	status = house_sender_wait(&x.h);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	frame_clear(&f);
	(void)close_all(&x);
	(void)close(deaf);
}

/* A provider that has heard enough, while the client says nothing more. */
static void a_refused_body_is_not_waited_for(void **state)
{
	static const uint8_t bytes[16];
	const struct job_piece p = {.ticket = 9, .data = bytes, .len = sizeof(bytes)};
	struct frame f = FRAME_INIT(0);
	unsigned heads = 0, parts = 0;
	struct outbound_result r;
	struct fixture x;
	uint64_t ticket;
	struct job j;

	(void)state;
	open_local(&x);
	server_set(
		"500", &(struct server_reply){.how = SERVER_LATE, .status = 401, .body = "{\"error\":{\"code\":190}}"});
	j = upload_of(&x, OUTBOUND_LEN_UNKNOWN);
	put_job(&x, &j);
	job_piece_encode(&f, JOB_BODY, &p);
	assert_int_equal(frame_send(x.h.jobs, &f), FRAME_OK);
	for (f.type = 0; f.type != JOB_RESULT;) {
		struct pollfd said = {.fd = x.h.jobs, .events = POLLIN};

		assert_int_equal(poll(&said, 1, 3000), 1);
		assert_int_equal(frame_recv(x.h.jobs, job_limits_listener, JOB_LIMITS, &f), FRAME_OK);
		heads += f.type == JOB_HEAD;
		parts += f.type == JOB_PART;
	}
	assert_true(job_result_decode(&f, &ticket, &r));
	assert_true(r.whole && r.class == OUTBOUND_AUTH && heads == 1 && parts == 1);
	outbound_result_clear(&r);
	frame_clear(&f);
	assert_int_equal(close_all(&x), 0);
}

/* The library would ask again by itself, and there was nothing left to delete. */
static void a_delete_is_not_repeated(void **state)
{
	struct outbound_result r;
	struct server_seen seen;
	struct fixture f;
	struct job j;

	(void)state;
	open_local(&f);
	server_set("102", &(struct server_reply){.how = SERVER_DROP_REUSED, .status = 200, .body = "{}"});
	for (int i = 0; i < 2; i++) {
		struct frame in = FRAME_INIT(0);
		uint64_t ticket;

		j = job_of(&f, OUTBOUND_META_PASS_TEMPLATES, 1, "");
		j.body = NULL;
		j.body_len = 0;
		j.waba_id = "102";
		j.method = i == 0 ? KIND_GET : KIND_DELETE;
		put_job(&f, &j);
		while (in.type != JOB_RESULT)
			assert_int_equal(frame_recv(f.h.jobs, job_limits_listener, JOB_LIMITS, &in), FRAME_OK);
		assert_true(job_result_decode(&in, &ticket, &r));
		assert_int_equal(r.class, OUTBOUND_ACCEPTED);
		outbound_result_clear(&r);
		frame_clear(&in);
	}
	server_seen("102", &seen);
	assert_int_equal(seen.requests, 2);
	assert_non_null(strstr(seen.path, "DELETE /v26.0/102/message_templates?appsecret_proof="));
	assert_int_equal(close_all(&f), 0);
}

/* A call that is over, as far as the listener may not know it yet. */
static void what_comes_too_late_is_nothing(void **state)
{
	static const uint8_t bytes[16];
	const struct job_piece p = {.ticket = 9, .data = bytes, .len = sizeof(bytes)};
	struct frame f = FRAME_INIT(0);
	struct outbound_result r;
	struct fixture x;
	struct job j;

	(void)state;
	open_local(&x);
	server_set("500", &(struct server_reply){.how = SERVER_HANG});
	j = upload_of(&x, OUTBOUND_LEN_UNKNOWN);
	put_job(&x, &j);
	job_number_encode(&f, JOB_CANCEL, 9);
	assert_int_equal(frame_send(x.h.jobs, &f), FRAME_OK);
	assert_int_equal(get_result(&x, &r), 9);
	assert_false(r.whole);
	outbound_result_clear(&r);
	assert_int_equal(frame_send(x.h.jobs, &f), FRAME_OK);
	job_piece_encode(&f, JOB_BODY, &p);
	assert_int_equal(frame_send(x.h.jobs, &f), FRAME_OK);
	job_taken_encode(&f, 9, 5);
	assert_int_equal(frame_send(x.h.jobs, &f), FRAME_OK);
	send_one(&x, "111", &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	outbound_result_clear(&r);
	frame_clear(&f);
	assert_int_equal(close_all(&x), 0);
}

enum nonsense {
	BAD_NUMBER,
	BAD_KIND,
	LEFT_OVER,
	CUT,
	FOREIGN_TYPE,
	TOO_LONG,
	BAD_CREDENTIAL,
	BODY_ON_GET,
	OWN_TOKEN,
	/* after a job */
	BODY_OF_A_SEND,
	BODY_BEHIND_ITS_END,
	BODY_TOO_SHORT,
	TAKEN_OF_NOTHING,
	CANCELLED_SEND,
	NONSENSE
};

/* A call that is under way, or a send, and what may not follow. */
static void nonsense_after(struct fixture *x, enum nonsense which, struct frame *f)
{
	static const uint8_t bytes[16];
	const struct job_piece p = {.ticket = 9, .last = which != BODY_OF_A_SEND, .data = bytes, .len = sizeof(bytes)};
	struct job j = upload_of(x, which == BODY_TOO_SHORT ? 17 : OUTBOUND_LEN_UNKNOWN);

	if (which == BODY_OF_A_SEND || which == CANCELLED_SEND)
		j = job_of(x, OUTBOUND_META_SEND, 9, "500");
	server_set("500", &(struct server_reply){.how = SERVER_HANG});
	put_job(x, &j);
	job_piece_encode(f, JOB_BODY, &p);
	if (which == BODY_BEHIND_ITS_END)
		assert_int_equal(frame_send(x->h.jobs, f), FRAME_OK);
	if (which == TAKEN_OF_NOTHING)
		job_taken_encode(f, 9, 1);
	if (which == CANCELLED_SEND)
		job_number_encode(f, JOB_CANCEL, 9);
}

static void nonsense_build(struct fixture *x, enum nonsense which, struct frame *f)
{
	struct job j = job_of(x,
		which == OWN_TOKEN	       ? OUTBOUND_META_PASS_NUMBER
			: which == BODY_ON_GET ? OUTBOUND_META_NUMBER
					       : OUTBOUND_META_SEND,
		1, which == BAD_NUMBER ? "1/../2" : "111");

	if (which == OWN_TOKEN) {
		j.method = KIND_GET;
		j.query = "a=b&Access%5ftoken=EAAtheirs";
	}
	if (which == BAD_CREDENTIAL)
		j.credentials[0].field = "app_secret";
	if (which == BODY_ON_GET) {
		j.body = "{}";
		j.body_len = 2;
	}
	job_encode(f, &j);
	if (which == BAD_KIND)
		f->data[11] = 99;
	if (which == LEFT_OVER)
		frame_put_u8(f, 0);
	if (which == CUT)
		f->len -= 5;
	if (which == FOREIGN_TYPE)
		f->type = JOB_RESULT;
	for (int i = 0; which == TOO_LONG && i < 60; i++)
		frame_put_bytes(f, BODY BODY BODY BODY,
			4000 < sizeof(BODY BODY BODY BODY) ? 4000 : sizeof(BODY BODY BODY BODY));
	while (which == TOO_LONG && f->len < 400000)
		frame_put_u64(f, 0);
}

static void nonsense_ends_the_role(void **state)
{
	(void)state;
	for (int n = 0; n < NONSENSE; n++) {
		struct frame f = FRAME_INIT(0);
		struct fixture x;
		int status;

		open_local(&x);
		if (n > OWN_TOKEN)
			nonsense_after(&x, (enum nonsense)n, &f);
		else
			nonsense_build(&x, (enum nonsense)n, &f);
		if (frame_send(x.h.jobs, &f) == FRAME_NO_MEMORY)
			fail();
		status = house_sender_wait(&x.h);
		if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
			fail_msg("nonsense %d: status %d", n, status);
		frame_clear(&f);
		(void)close_all(&x);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_key_arrives_in_the_header),
		cmocka_unit_test(connections_are_shared_and_headers_are_not),
		cmocka_unit_test(a_new_token_leaves_sealed),
		cmocka_unit_test(a_number_is_asked_for_named_fields),
		cmocka_unit_test(a_send_may_want_its_answer_verbatim),
		cmocka_unit_test(only_our_own_address_is_asked_without_a_key),
		cmocka_unit_test(the_providers_clock_is_told),
		cmocka_unit_test(faults_are_classified),
		cmocka_unit_test(a_dropped_reused_connection_is_unknown_and_not_repeated),
		cmocka_unit_test(what_never_left_is_not_sent),
		cmocka_unit_test(secrets_are_blanked_in_reasons),
		cmocka_unit_test(a_moved_credential_opens_nothing),
		cmocka_unit_test(one_hanging_job_delays_nobody),
		cmocka_unit_test(the_key_does_not_stay_in_memory),
		cmocka_unit_test(pings_are_answered),
		cmocka_unit_test(who_reads_no_answers_ends_the_role),
		cmocka_unit_test(more_than_a_window_ends_the_role),
		cmocka_unit_test(a_refused_body_is_not_waited_for),
		cmocka_unit_test(a_delete_is_not_repeated),
		cmocka_unit_test(what_comes_too_late_is_nothing),
		cmocka_unit_test(nonsense_ends_the_role),
	};

	port = server_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
