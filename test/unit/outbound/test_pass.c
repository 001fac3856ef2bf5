/*
 * Goal of this test: a client's call reaches the provider with the shop's key and its answer comes back as it came;
 * 100 MB go through either way while nobody holds them; who is slow, breaks off or refuses half-way harms nobody else.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/outbound/desk.h"
#include "test/unit/outbound/memory.h"
#include "test/unit/outbound/streams.h"

#define TOKEN "EAAtokenOfShopOneThatNobodySees"
#define APP_SECRET "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
#define LARGE (100u << 20)
/* Of a process while LARGE goes through. The sanitizers keep what was freed. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define GROWTH_MAX SIZE_MAX
#endif
#endif
#if !defined(GROWTH_MAX) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define GROWTH_MAX SIZE_MAX
#endif
#ifndef GROWTH_MAX
#define GROWTH_MAX (8u << 20)
#endif
#define SLOW_MS 800

static char url[64];

/* ------------------------------------------------------------ a client */

struct client {
	struct desk *d;
	struct outbound_pass call;
	/* what he does */
	uint64_t send, break_at, stop_at; /* his body; where he breaks off, 0: nowhere; where he wants no more */
	unsigned pause_ms; /* once, */
	uint64_t pause_at; /* there; 0: in the middle of either */
	const char *canary; /* in place of each piece's beginning */
	/* what he saw */
	uint64_t sent, got, len;
	uint64_t hash;
	int status;
	char headers[8192], text[65536];
	struct outbound_result r;
	enum outbound_passed how;
	atomic_bool reading;
};

static int64_t ms_now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void pause_once(struct client *c, uint64_t at, uint64_t all)
{
	if (c->pause_ms == 0 || at < (c->pause_at > 0 ? c->pause_at : all / 2))
		return;
	(void)usleep(c->pause_ms * 1000);
	c->pause_ms = 0;
}

static ptrdiff_t client_read(void *arg, void *buf, size_t room)
{
	struct client *c = arg;
	const uint64_t left = c->send - c->sent;
	const size_t n = left < room ? (size_t)left : room;

	atomic_store(&c->reading, true);
	pause_once(c, c->sent, c->send);
	if (c->break_at > 0 && c->sent >= c->break_at)
		return -1;
	streams_fill(c->sent, buf, n);
	if (c->canary != NULL && n >= strlen(c->canary))
		memcpy(buf, c->canary, strlen(c->canary));
	c->sent += n;
	return (ptrdiff_t)n;
}

static bool client_head(void *arg, int status, const struct outbound_header *headers, size_t headers_len, uint64_t len)
{
	struct client *c = arg;
	size_t used = 0;

	assert_int_equal(c->status, 0);
	c->status = status;
	c->len = len;
	for (size_t i = 0; i < headers_len; i++)
		used += (size_t)snprintf(
			c->headers + used, sizeof(c->headers) - used, "%s: %s\n", headers[i].name, headers[i].value);
	return true;
}

static bool client_part(void *arg, const void *data, size_t len)
{
	struct client *c = arg;

	assert_true(c->status > 0 && len > 0 && len <= 65536);
	if (c->got + len < sizeof(c->text))
		memcpy(c->text + c->got, data, len);
	c->hash = streams_hash(c->hash, data, len);
	c->got += len;
	pause_once(c, c->got, c->len);
	return c->stop_at == 0 || c->got < c->stop_at;
}

static void client_init(struct client *c, struct desk *d, enum outbound_kind kind, const char *method)
{
	*c = (struct client){.d = d,
		.hash = STREAMS_HASH,
		.call = {.kind = kind,
			.business_id = BUSINESS,
			.connection_id = "c1",
			.method = method,
			.read = client_read,
			.head = client_head,
			.part = client_part,
			.arg = c}};
}

static enum outbound_passed client_run(struct client *c)
{
	c->how = outbound_pass(c->d->o, &c->call, &c->r);
	return c->how;
}

static void client_uploads(struct client *c, struct desk *d, uint64_t len, const char *query)
{
	client_init(c, d, OUTBOUND_META_PASS_UPLOAD, "POST");
	c->call.content_type = "multipart/form-data; boundary=x";
	c->call.query = query;
	c->call.upload_len = c->send = len;
}

static void client_downloads(struct client *c, struct desk *d, const char *query)
{
	client_init(c, d, OUTBOUND_META_PASS_DOWNLOAD, "GET");
	c->call.path = "/whatsapp_business/attachments/";
	c->call.query = query;
}

static void *client_thread(void *arg)
{
	(void)client_run(arg);
	return NULL;
}

static void desk_up(struct desk *d, const char *app_secret)
{
	const struct house_world world = {.meta_api_url = url, .slow_ms = SLOW_MS};

	*d = (struct desk){0};
	desk_open(d, &world);
	desk_connection(d, STORE_META, "c1", "111", TOKEN, app_secret);
	desk_start(d, NULL);
}

/* ------------------------------------------------------------ memory */

static size_t resident(pid_t pid)
{
	unsigned long pages = 0;
	char path[64], line[128] = "", *rest;
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/statm", (int)pid);
	f = fopen(path, "re");
	if (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		(void)strtoul(line, &rest, 10);
		pages = strtoul(rest, NULL, 10);
	}
	if (f != NULL)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

struct watcher {
	pid_t pids[2];
	size_t before[2], most[2];
	atomic_bool end;
	pthread_t thread;
};

static void *watch(void *arg)
{
	struct watcher *w = arg;

	while (!atomic_load(&w->end)) {
		for (int i = 0; i < 2; i++) {
			const size_t now = resident(w->pids[i]);

			w->most[i] = now > w->most[i] ? now : w->most[i];
		}
		(void)usleep(2000);
	}
	return NULL;
}

static void watch_begin(struct watcher *w, struct desk *d)
{
	*w = (struct watcher){.pids = {getpid(), d->h.sender}};
	for (int i = 0; i < 2; i++)
		w->before[i] = w->most[i] = resident(w->pids[i]);
	assert_int_equal(pthread_create(&w->thread, NULL, watch, w), 0);
}

static void watch_end(struct watcher *w, const char *what)
{
	atomic_store(&w->end, true);
	(void)pthread_join(w->thread, NULL);
	for (int i = 0; i < 2; i++) {
		print_message("%s: the %s grew by %zu KiB\n", what, i == 0 ? "listener" : "sender",
			(w->most[i] - w->before[i]) / 1024);
		assert_true(w->before[i] > 0 && w->most[i] - w->before[i] < GROWTH_MAX);
	}
}

/* ------------------------------------------------------------ there and back */

/* HMAC-SHA-256 of TOKEN with APP_SECRET. */
#define PROOF "abeb9a767d99ef66fc58c831d3966b4068683bd7b4f75187ed5d02270ad3edd7"

static const struct {
	enum outbound_kind kind;
	const char *method, *version, *object_id, *path, *query, *content_type, *body;
	enum outbound_passed how;
	const char *line; /* as the provider got it; NULL: it got nothing */
	int status;
	const char *text;
} calls[] = {
	{OUTBOUND_META_PASS_NUMBER, "GET", "v24.0", NULL, NULL, "fields=id&text=seen", NULL, NULL,
		OUTBOUND_PASSED_WHOLE, "GET /v24.0/111?fields=id&text=seen&appsecret_proof=" PROOF " HTTP/1.1", 200,
		"seen"},
	{OUTBOUND_META_PASS_NUMBERS, "GET", NULL, NULL, NULL, NULL, NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"GET /v26.0/102/phone_numbers?appsecret_proof=" PROOF " HTTP/1.1", 200, ""},
	{OUTBOUND_META_PASS_TEMPLATES, "DELETE", NULL, NULL, NULL, "name=hello", NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"DELETE /v26.0/102/message_templates?name=hello&appsecret_proof=" PROOF " HTTP/1.1", 200,
		"{\"success\":true}"},
	{OUTBOUND_META_PASS_TEMPLATES, "POST", NULL, NULL, NULL, NULL, "application/x-www-form-urlencoded",
		"name=a&x=b", OUTBOUND_PASSED_WHOLE,
		"POST /v26.0/102/message_templates?appsecret_proof=" PROOF " HTTP/1.1", 200,
		"{\"id\":\"77\",\"len\":10,\"hash\":\"10f1e1d4adf2ee41\"}"},
	{OUTBOUND_META_PASS_OBJECT, "GET", NULL, "900", NULL, NULL, NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"GET /v26.0/900?phone_number_id=111&appsecret_proof=" PROOF " HTTP/1.1", 200, ""},
	{OUTBOUND_META_PASS_OBJECT, "DELETE", NULL, "900", NULL, NULL, NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"DELETE /v26.0/900?phone_number_id=111&appsecret_proof=" PROOF " HTTP/1.1", 200, "{\"success\":true}"},
	/* What the provider says, whatever it is; but not where to. */
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "status=502&type=text/html&text=<html>", NULL, NULL,
		OUTBOUND_PASSED_WHOLE,
		"GET /v26.0/111?status=502&type=text/html&text=<html>&appsecret_proof=" PROOF " HTTP/1.1", 502,
		"<html>"},
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "status=302", NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"GET /v26.0/111?status=302&appsecret_proof=" PROOF " HTTP/1.1", 302, ""},
	{OUTBOUND_META_PASS_DOWNLOAD, "GET", NULL, NULL, "/a/b/",
		"status=404&type=application/json&text=[\"" TOKEN "\"]", NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"GET /a/b/?status=404&type=application/json&text=[\"" TOKEN "\"] HTTP/1.1", 404, "[\"***\"]"},
	/* A file is what it is, whatever is in it; JSON may be the provider's own words. */
	{OUTBOUND_META_PASS_DOWNLOAD, "GET", NULL, NULL, "/a/b/", "type=text/plain&text=" TOKEN "?access_token=EAA",
		NULL, NULL, OUTBOUND_PASSED_WHOLE, "GET /a/b/?type=text/plain&text=" TOKEN "?access_token=EAA HTTP/1.1",
		200, TOKEN "?access_token=EAA"},
	{OUTBOUND_META_PASS_DOWNLOAD, "GET", NULL, NULL, "/a/b/",
		"type=text/json&text=[\"" TOKEN "?access_token=EAA\"]", NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"GET /a/b/?type=text/json&text=[\"" TOKEN "?access_token=EAA\"] HTTP/1.1", 200,
		"[\"***?access_token=EAA\"]"},
	/* Keys of others stand in addresses. */
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "type=text/json&text=[\"x?access_token%3DEAA%26a=b\"]",
		NULL, NULL, OUTBOUND_PASSED_WHOLE,
		"GET /v26.0/111?type=text/json&text=[\"x?access_token%3DEAA%26a=b\"]&appsecret_proof=" PROOF
		" HTTP/1.1",
		200, "[\"x?access_token%3D***%26a=b\"]"},
	/* A status that means nothing ends this call, and no other one. */
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "status=600&text=x", NULL, NULL, OUTBOUND_PASSED_BROKEN,
		"GET /v26.0/111?status=600&text=x&appsecret_proof=" PROOF " HTTP/1.1", 0, ""},
	{OUTBOUND_META_PASS_DOWNLOAD, "GET", NULL, NULL, "/a/b/", "status=999&text=x", NULL, NULL,
		OUTBOUND_PASSED_BROKEN, "GET /a/b/?status=999&text=x HTTP/1.1", 0, ""},
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "size=1048577&type=application/json", NULL, NULL,
		OUTBOUND_PASSED_BROKEN,
		"GET /v26.0/111?size=1048577&type=application/json&appsecret_proof=" PROOF " HTTP/1.1", 0, ""},
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "size=100&drop=50", NULL, NULL, OUTBOUND_PASSED_BROKEN,
		"GET /v26.0/111?size=100&drop=50&appsecret_proof=" PROOF " HTTP/1.1", 0, ""},
	/* What breaks a rule never leaves the house. */
	{OUTBOUND_META_PASS_NUMBER, "POST", NULL, NULL, NULL, NULL, NULL, "{}", OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_PASS_NUMBER, "HEAD", NULL, NULL, NULL, NULL, NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_PASS_NUMBER, "GET", "26.0", NULL, NULL, NULL, NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, "1", NULL, NULL, NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_PASS_NUMBER, "GET", NULL, NULL, NULL, "Access%5ftoken=x", NULL, NULL, OUTBOUND_PASSED_INVALID,
		NULL, 0, ""},
	{OUTBOUND_META_PASS_OBJECT, "GET", NULL, "900/x", NULL, NULL, NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_PASS_OBJECT, "GET", NULL, "900", NULL, "fields=id", NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0,
		""},
	{OUTBOUND_META_PASS_DOWNLOAD, "GET", NULL, NULL, "/a/../b", NULL, NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0,
		""},
	{OUTBOUND_META_PASS_MESSAGES, "POST", NULL, NULL, NULL, NULL, NULL, "{\"access_token\":\"x\"}",
		OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_PASS_MESSAGES, "POST", NULL, NULL, NULL, NULL, "text/plain", "{}", OUTBOUND_PASSED_INVALID, NULL,
		0, ""},
	{OUTBOUND_D360_PASS_HEALTH, "GET", NULL, NULL, NULL, NULL, NULL, NULL, OUTBOUND_PASSED_INVALID, NULL, 0, ""},
	{OUTBOUND_META_SEND, "POST", NULL, NULL, NULL, NULL, NULL, "{}", OUTBOUND_PASSED_INVALID, NULL, 0, ""},
};

static void a_call_is_the_clients_and_the_key_is_the_shops(void **state)
{
	static struct client c;
	struct streams_seen before, seen;
	struct desk d;

	(void)state;
	desk_up(&d, APP_SECRET);
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		client_init(&c, &d, calls[i].kind, calls[i].method);
		c.call.version = calls[i].version;
		c.call.object_id = calls[i].object_id;
		c.call.path = calls[i].path;
		c.call.query = calls[i].query;
		c.call.content_type = calls[i].content_type;
		c.call.body = calls[i].body;
		c.call.body_len = calls[i].body != NULL ? strlen(calls[i].body) : 0;
		streams_seen(&before);
		if (client_run(&c) != calls[i].how)
			fail_msg("call %zu: %d: %s", i, (int)c.how, c.r.reason);
		streams_seen(&seen);
		assert_int_equal(seen.requests - before.requests, calls[i].line != NULL ? 1 : 0);
		if (calls[i].line != NULL) {
			assert_string_equal(seen.line, calls[i].line);
			assert_non_null(strstr(seen.head, "Authorization: Bearer " TOKEN "\r\n"));
		}
		assert_int_equal(c.status, calls[i].status);
		assert_string_equal(c.text, calls[i].text);
		assert_null(strstr(c.headers, "elsewhere"));
		assert_null(strstr(c.headers, "Set-Cookie"));
		outbound_result_clear(&c.r);
	}
	desk_close(&d);
}

/* Whose app secret nobody stored, and whose connection is 360dialog's. */
static void a_call_is_proven_where_it_can_be(void **state)
{
	static struct client c;
	struct streams_seen seen;
	struct desk d;
	char value[256];

	(void)state;
	desk_up(&d, NULL);
	client_init(&c, &d, OUTBOUND_META_PASS_NUMBER, "GET");
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
	outbound_result_clear(&c.r);
	streams_seen(&seen);
	assert_string_equal(seen.line, "GET /v26.0/111 HTTP/1.1");
	desk_connection(&d, STORE_360DIALOG, "c2", "112", "theKeyOf360dialog", NULL);
	desk_connection_sandbox(&d, "c3", "113", "theKey_sandbox");
	for (int i = 0; i < 2; i++) {
		client_init(&c, &d, i == 0 ? OUTBOUND_D360_PASS_HEALTH : OUTBOUND_D360_SANDBOX_PASS_MESSAGES,
			i == 0 ? "GET" : "POST");
		c.call.connection_id = i == 0 ? "c3" : "c2";
		c.call.body = i == 0 ? NULL : "{\"status\":\"read\"}";
		c.call.body_len = i == 0 ? 0 : strlen(c.call.body);
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_INVALID);
		outbound_result_clear(&c.r);
		c.call.connection_id = i == 0 ? "c2" : "c3";
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
		outbound_result_clear(&c.r);
		streams_seen(&seen);
		assert_string_equal(seen.line, i == 0 ? "GET /health_status HTTP/1.1" : "POST /v1/messages HTTP/1.1");
		(void)snprintf(
			value, sizeof(value), "D360-API-KEY: %s\r\n", i == 0 ? "theKeyOf360dialog" : "theKey_sandbox");
		assert_non_null(strstr(seen.head, value));
		assert_null(strstr(seen.head, "Authorization"));
	}
	client_init(&c, &d, OUTBOUND_META_PASS_NUMBER, "GET");
	c.call.connection_id = "nobody";
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_INVALID);
	desk_connection(&d, STORE_META, "c4", "114", NULL, NULL);
	c.call.connection_id = "c4";
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_NOT_SENT);
	assert_int_equal(c.r.class, OUTBOUND_NO_CREDENTIAL);
	desk_close(&d);
}

static void what_never_left_is_said(void **state)
{
	const struct house_world world = {.meta_api_url = "http://127.0.0.1:1"};
	static struct client c;
	struct desk d = {0};

	(void)state;
	desk_open(&d, &world);
	desk_connection(&d, STORE_META, "c1", "111", TOKEN, NULL);
	desk_start(&d, NULL);
	for (int i = 0; i < 3; i++) {
		if (i == 0)
			client_init(&c, &d, OUTBOUND_META_PASS_NUMBER, "GET");
		else if (i == 1)
			client_uploads(&c, &d, LARGE, NULL);
		else
			client_downloads(&c, &d, NULL);
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_NOT_SENT);
		assert_string_equal(c.r.reason, "the provider could not be reached");
		outbound_result_clear(&c.r);
	}
	desk_close(&d);
}

static void a_large_file_goes_up_whole(void **state)
{
	static struct client c;
	uint64_t hash = STREAMS_HASH;
	static uint8_t piece[65536];
	struct streams_seen seen;
	char body[256];
	struct watcher w;
	struct desk d;

	(void)state;
	for (uint64_t at = 0; at < LARGE; at += sizeof(piece)) {
		streams_fill(at, piece, sizeof(piece));
		hash = streams_hash(hash, piece, sizeof(piece));
	}
	(void)snprintf(
		body, sizeof(body), "{\"id\":\"77\",\"len\":%u,\"hash\":\"%llx\"}", LARGE, (unsigned long long)hash);
	desk_up(&d, APP_SECRET);
	for (int known = 0; known < 2; known++) {
		client_uploads(&c, &d, LARGE, NULL);
		if (known == 0)
			c.call.upload_len = OUTBOUND_LEN_UNKNOWN;
		watch_begin(&w, &d);
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
		watch_end(&w, "100 MB up");
		assert_int_equal(c.status, 200);
		assert_string_equal(c.text, body);
		assert_int_equal(c.len, strlen(body));
		assert_int_equal(c.r.class, OUTBOUND_ACCEPTED);
		assert_int_equal(c.r.regain_ms, 7 * 60000);
		outbound_result_clear(&c.r);
		streams_seen(&seen);
		assert_non_null(strstr(seen.line, "POST /v26.0/111/media?appsecret_proof="));
		assert_non_null(strstr(seen.head, "Authorization: Bearer " TOKEN "\r\n"));
		assert_non_null(strstr(seen.head, "Content-Type: multipart/form-data; boundary=x\r\n"));
		assert_int_equal(strstr(seen.head, "Transfer-Encoding: chunked") == NULL, known == 1);
		assert_null(strstr(seen.head, "Expect"));
	}
	desk_close(&d);
}

static void a_large_file_comes_down_whole(void **state)
{
	static const char *const queries[] = {"size=104857600", "size=104857600&length=no",
		"size=104857600&type=text/plain", "size=104857600&type=text/csv&length=no"};
	static struct client c;
	uint64_t hash = STREAMS_HASH;
	static uint8_t piece[65536];
	struct streams_seen seen;
	struct watcher w;
	struct desk d;

	(void)state;
	for (uint64_t at = 0; at < LARGE; at += sizeof(piece)) {
		streams_fill(at, piece, sizeof(piece));
		hash = streams_hash(hash, piece, sizeof(piece));
	}
	desk_up(&d, APP_SECRET);
	for (int i = 0; i < 4; i++) {
		client_downloads(&c, &d, queries[i]);
		watch_begin(&w, &d);
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
		watch_end(&w, "100 MB down");
		assert_int_equal(c.got, LARGE);
		assert_int_equal(c.hash, hash);
		assert_true(c.len == (i % 2 == 0 ? LARGE : OUTBOUND_LEN_UNKNOWN));
		assert_int_equal(c.r.class, OUTBOUND_ACCEPTED);
		assert_null(strstr(c.headers, "Set-Cookie"));
		assert_non_null(strstr(c.headers, "Content-Disposition: attachment\n"));
		outbound_result_clear(&c.r);
	}
	streams_seen(&seen);
	/* What its query is signed for takes no proof. */
	assert_null(strstr(seen.line, "appsecret_proof"));
	assert_non_null(strstr(seen.line, "GET /whatsapp_business/attachments/?size="));
	assert_non_null(strstr(seen.head, "Authorization: Bearer " TOKEN "\r\n"));
	desk_close(&d);
}

/* Neither the key nor what a client sent or got stays with the sender, whole, refused, hung or broken off. */
static void nothing_stays_in_memory(void **state)
{
	static const char *const ways[] = {NULL, "early=401", "hang=100000", "drop=100000"};
	char *token, *canary, query[256], body[256];
	const struct house_world world = {.meta_api_url = url, .slow_ms = SLOW_MS};
	static struct client c;
	struct desk d = {0};
	pthread_t thread;

	(void)state;
	desk_open(&d, &world);
	token = memory_secret("EAA"); /* behind the fork: the sender would have them from here */
	canary = memory_secret("");
	desk_connection(&d, STORE_META, "c1", "111", token, APP_SECRET);
	desk_start(&d, NULL);
	for (int i = 0; i < 5; i++) {
		client_uploads(&c, &d, 1000000, i < 4 ? ways[i] : NULL);
		c.canary = canary;
		c.break_at = i == 4 ? 500000 : 0;
		(void)client_run(&c);
		assert_true(c.sent > 0);
		outbound_result_clear(&c.r);
	}
	for (int i = 0; i < 4; i++) {
		(void)snprintf(query, sizeof(query), "text=%s&size=100000%s", canary, i < 3 ? "" : "&drop=50");
		client_downloads(&c, &d, query);
		c.stop_at = i == 2 ? 1 : 0;
		(void)client_run(&c);
		assert_true(c.status == 200);
		outbound_result_clear(&c.r);
		client_init(&c, &d, OUTBOUND_META_PASS_TEMPLATES, "POST");
		(void)snprintf(body, sizeof(body), "{\"name\":\"%s\"}", canary);
		c.call.body = body;
		c.call.body_len = strlen(body);
		c.call.query = query;
		assert_int_equal(client_run(&c), i < 3 ? OUTBOUND_PASSED_WHOLE : OUTBOUND_PASSED_BROKEN);
		outbound_result_clear(&c.r);
	}
	if (getenv("KH_SKIP_MEMORY") == NULL) {
		assert_int_equal(memory_holds(d.h.sender, token), 0);
		assert_int_equal(memory_holds(d.h.sender, token + 8), 0);
		assert_int_equal(memory_holds(d.h.sender, canary), 0);
		/* Can it be seen at all: while a call is under way the key must be there. */
		client_uploads(&c, &d, 1000000, NULL);
		c.pause_ms = 4000;
		c.break_at = 500000;
		assert_int_equal(pthread_create(&thread, NULL, client_thread, &c), 0);
		for (int i = 0; i < 100 && memory_holds(d.h.sender, token) != 1; i++)
			(void)usleep(5000);
		assert_int_equal(memory_holds(d.h.sender, token), 1);
		(void)pthread_join(thread, NULL);
		outbound_result_clear(&c.r);
	}
	free(token);
	free(canary);
	desk_close(&d);
}

/* ------------------------------------------------------------ what goes wrong */

static void a_refusal_comes_before_the_body_is_read(void **state)
{
	static struct client c;
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	for (int i = 0; i < 8; i++) {
		const int64_t began = ms_now();

		client_uploads(&c, &d, LARGE, "early=401");
		if (i % 2 == 1)
			c.pause_ms = 300;
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
		assert_int_equal(c.status, 401);
		assert_string_equal(c.text, "{\"error\":{\"message\":\"no\",\"code\":190}}");
		assert_int_equal(c.r.class, OUTBOUND_AUTH);
		assert_true(c.sent < LARGE);
		assert_true(ms_now() - began < 2000);
		outbound_result_clear(&c.r);
	}
	desk_close(&d);
}

/* The client says nothing more for a while: the refusal does not wait for him. */
static void a_refused_body_is_not_waited_for(void **state)
{
	static struct client c;
	struct streams_seen before, seen;
	pthread_t thread;
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	streams_seen(&before);
	client_uploads(&c, &d, LARGE, "early=401&after=65536");
	c.pause_at = 1;
	c.pause_ms = 2000;
	assert_int_equal(pthread_create(&thread, NULL, client_thread, &c), 0);
	for (int i = 0; i < 1500; i++) {
		streams_seen(&seen);
		if (seen.closed > before.closed)
			break;
		(void)usleep(1000);
	}
	assert_int_equal(seen.closed - before.closed, 1);
	(void)pthread_join(thread, NULL);
	assert_int_equal(c.how, OUTBOUND_PASSED_WHOLE);
	assert_int_equal(c.status, 401);
	outbound_result_clear(&c.r);
	desk_close(&d);
}

static void a_provider_that_hangs_is_given_up(void **state)
{
	static const char *const queries[] = {"size=1000000&hang=500000", "size=1000000&drop=500000"};
	static struct client c;
	struct desk d;
	int64_t began;

	(void)state;
	desk_up(&d, NULL);
	for (int i = 0; i < 2; i++) {
		began = ms_now();
		client_downloads(&c, &d, queries[i]);
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_BROKEN);
		assert_int_equal(c.status, 200);
		assert_int_equal(c.got, 500000);
		assert_true(c.r.reason[0] != '\0');
		assert_true(ms_now() - began < SLOW_MS + 2500);
		outbound_result_clear(&c.r);
	}
	for (int i = 0; i < 2; i++) {
		began = ms_now();
		client_uploads(&c, &d, LARGE, i == 0 ? "hang=500000" : "drop=500000");
		assert_int_equal(client_run(&c), OUTBOUND_PASSED_BROKEN);
		assert_int_equal(c.status, 0);
		assert_true(c.r.reason[0] != '\0');
		assert_true(ms_now() - began < SLOW_MS + 2500);
		outbound_result_clear(&c.r);
	}
	desk_close(&d);
}

/* It is not the provider who is slow then, and nothing piles up. */
static void a_client_who_stops_is_waited_for(void **state)
{
	static struct client c;
	struct watcher w;
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	client_downloads(&c, &d, "size=104857600");
	c.pause_ms = 3 * SLOW_MS;
	watch_begin(&w, &d);
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
	watch_end(&w, "a client who stops reading");
	assert_int_equal(c.got, LARGE);
	outbound_result_clear(&c.r);
	client_uploads(&c, &d, 1000000, NULL);
	c.pause_ms = 3 * SLOW_MS;
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
	assert_int_equal(c.status, 200);
	outbound_result_clear(&c.r);
	desk_close(&d);
}

/* More often than there is room for: what is left of a call goes with its client. */
static void a_client_who_breaks_off_leaves_nothing(void **state)
{
	static struct client c;
	struct streams_seen before, after;
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	streams_seen(&before);
	for (unsigned i = 0; i < 2 * OUTBOUND_STREAMS_MAX; i++) {
		if (i % 2 == 0)
			client_uploads(&c, &d, LARGE, NULL);
		else
			client_downloads(&c, &d, "size=104857600");
		c.break_at = c.stop_at = 700000;
		for (int n = 0; n < 500 && client_run(&c) == OUTBOUND_PASSED_BUSY; n++)
			(void)usleep(2000);
		assert_int_equal(c.how, OUTBOUND_PASSED_STOPPED);
		outbound_result_clear(&c.r);
	}
	for (int n = 0; n < 500; n++) {
		streams_seen(&after);
		if (after.broken - before.broken == 2 * OUTBOUND_STREAMS_MAX)
			break;
		(void)usleep(10000);
	}
	assert_int_equal(after.broken - before.broken, 2 * OUTBOUND_STREAMS_MAX);
	desk_close(&d);
}

static void a_body_is_as_long_as_it_was_said_to_be(void **state)
{
	static struct client c;
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	client_uploads(&c, &d, 100000, NULL);
	c.send = 99999;
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_STOPPED);
	outbound_result_clear(&c.r);
	client_uploads(&c, &d, 100000, NULL);
	c.send = 0;
	c.call.upload_len = OUTBOUND_LEN_UNKNOWN;
	assert_int_equal(client_run(&c), OUTBOUND_PASSED_WHOLE);
	assert_non_null(strstr(c.text, "\"len\":0,"));
	outbound_result_clear(&c.r);
	desk_close(&d);
}

static void a_connection_has_its_share(void **state)
{
	static struct client clients[OUTBOUND_PASSES_PER_CONNECTION], one, other;
	pthread_t threads[OUTBOUND_PASSES_PER_CONNECTION];
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	desk_connection(&d, STORE_META, "c2", "112", TOKEN, NULL);
	for (unsigned i = 0; i < OUTBOUND_PASSES_PER_CONNECTION; i++) {
		client_uploads(&clients[i], &d, LARGE, "hang=100000");
		assert_int_equal(pthread_create(&threads[i], NULL, client_thread, &clients[i]), 0);
	}
	for (unsigned i = 0; i < OUTBOUND_PASSES_PER_CONNECTION; i++)
		while (!atomic_load(&clients[i].reading))
			(void)usleep(1000);
	client_init(&one, &d, OUTBOUND_META_PASS_NUMBER, "GET");
	assert_int_equal(client_run(&one), OUTBOUND_PASSED_BUSY);
	outbound_result_clear(&one.r);
	client_init(&other, &d, OUTBOUND_META_PASS_NUMBER, "GET");
	other.call.connection_id = "c2";
	assert_int_equal(client_run(&other), OUTBOUND_PASSED_WHOLE);
	outbound_result_clear(&other.r);
	for (unsigned i = 0; i < OUTBOUND_PASSES_PER_CONNECTION; i++) {
		(void)pthread_join(threads[i], NULL);
		assert_int_equal(clients[i].how, OUTBOUND_PASSED_BROKEN);
		outbound_result_clear(&clients[i].r);
	}
	assert_int_equal(client_run(&one), OUTBOUND_PASSED_WHOLE);
	outbound_result_clear(&one.r);
	desk_close(&d);
}

static void who_waits_hears_of_the_end(void **state)
{
	static struct client c;
	pthread_t thread;
	struct desk d;

	(void)state;
	desk_up(&d, NULL);
	client_uploads(&c, &d, LARGE, "hang=100000");
	assert_int_equal(pthread_create(&thread, NULL, client_thread, &c), 0);
	while (!atomic_load(&c.reading))
		(void)usleep(1000);
	outbound_checks_end(d.o);
	(void)pthread_join(thread, NULL);
	assert_int_equal(c.how, OUTBOUND_PASSED_GONE);
	outbound_result_clear(&c.r);
	desk_close(&d);
}

/* ------------------------------------------------------------ a sender that was taken over */

enum nonsense {
	PART_BEFORE_HEAD,
	TWO_HEADS,
	PARTS_OVER_WINDOW,
	TAKEN_OF_NOTHING,
	FOREIGN_TICKET,
	LONG_PIECE,
	NONSENSE
};

static void nonsense_send(int fd, uint64_t ticket, enum nonsense which)
{
	static const uint8_t bytes[JOB_PIECE_MAX + 1];
	const struct job_head head = {.ticket = ticket, .status = 200, .len = 5};
	struct job_piece p = {.ticket = ticket, .data = bytes, .len = JOB_PIECE_MAX};
	struct frame f = FRAME_INIT(0);

	job_head_encode(&f, &head);
	if (which != PART_BEFORE_HEAD)
		assert_int_equal(frame_send(fd, &f), FRAME_OK);
	if (which == FOREIGN_TICKET)
		p.ticket++;
	if (which == LONG_PIECE)
		p.len++;
	if (which == TAKEN_OF_NOTHING)
		job_taken_encode(&f, ticket, 5);
	else if (which != TWO_HEADS)
		job_piece_encode(&f, JOB_PART, &p);
	for (unsigned n = 0; n < (which == PARTS_OVER_WINDOW ? 100u : 1u); n++)
		if (frame_send(fd, &f) != FRAME_OK)
			break;
	frame_clear(&f);
}

static void a_sender_that_talks_nonsense_is_gone(void **state)
{
	(void)state;
	for (int n = 0; n < NONSENSE; n++) {
		struct frame f = FRAME_INIT(0);
		static struct client c;
		pthread_t thread;
		struct job j;
		struct desk d = {0};
		int fds[2];

		desk_open(&d, NULL);
		desk_connection(&d, STORE_META, "c1", "111", TOKEN, NULL);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
		close(d.h.jobs);
		d.h.jobs = fds[0];
		desk_start(&d, NULL);
		client_init(&c, &d, OUTBOUND_META_PASS_NUMBER, "GET");
		c.pause_ms = 300; /* so that pieces wait */
		assert_int_equal(pthread_create(&thread, NULL, client_thread, &c), 0);
		assert_int_equal(frame_recv(fds[1], job_limits_sender, JOB_LIMITS, &f), FRAME_OK);
		assert_true(job_decode(&f, &j));
		nonsense_send(fds[1], j.ticket, (enum nonsense)n);
		(void)pthread_join(thread, NULL);
		for (int i = 0; i < 1000 && atomic_load(&d.gone) == 0; i++)
			(void)usleep(1000); /* the listener hears of it a moment later */
		if (c.how != OUTBOUND_PASSED_GONE || atomic_load(&d.gone) != 1)
			fail_msg("nonsense %d: ended as %d, gone %d", n, (int)c.how, atomic_load(&d.gone));
		outbound_result_clear(&c.r);
		frame_clear(&f);
		close(fds[1]);
		desk_close(&d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_is_the_clients_and_the_key_is_the_shops),
		cmocka_unit_test(a_call_is_proven_where_it_can_be),
		cmocka_unit_test(what_never_left_is_said),
		cmocka_unit_test(a_large_file_goes_up_whole),
		cmocka_unit_test(a_large_file_comes_down_whole),
		cmocka_unit_test(nothing_stays_in_memory),
		cmocka_unit_test(a_refusal_comes_before_the_body_is_read),
		cmocka_unit_test(a_refused_body_is_not_waited_for),
		cmocka_unit_test(a_provider_that_hangs_is_given_up),
		cmocka_unit_test(a_client_who_stops_is_waited_for),
		cmocka_unit_test(a_client_who_breaks_off_leaves_nothing),
		cmocka_unit_test(a_body_is_as_long_as_it_was_said_to_be),
		cmocka_unit_test(a_connection_has_its_share),
		cmocka_unit_test(who_waits_hears_of_the_end),
		cmocka_unit_test(a_sender_that_talks_nonsense_is_gone),
	};

	desk_listen();
	(void)snprintf(url, sizeof(url), "http://127.0.0.1:%u", streams_start());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
