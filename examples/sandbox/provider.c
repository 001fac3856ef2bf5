/*
 * A request at a provider's path: whose it is, recorded, met by a fault or answered.
 */
#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/faults.h"
#include "examples/sandbox/journal.h"
#include "examples/sandbox/providers.h"
#include "examples/sandbox/sends.h"
#include "gateway/json.h"

enum {
	JSON_MAX = 256 << 10,
	UPLOAD_MAX = (16 << 20) + (64 << 10),
};

/* The headers that are worth recording. */
static const char *const recorded[] = {"Host", "Authorization", "D360-API-KEY", "Content-Type", "Content-Length",
	"Transfer-Encoding", "User-Agent", "Accept"};

static const char *bearer(const struct http_request *req)
{
	const char *value = http_request_header(req, "Authorization");

	return value && strncasecmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

static void record(struct sandbox *s, const struct ask *a, const struct http_request *req)
{
	struct cJSON *item = cJSON_CreateObject(), *headers;
	size_t room = sodium_base64_ENCODED_LEN(a->body_len, sodium_base64_VARIANT_ORIGINAL);
	char *body = malloc(room);

	cJSON_AddNumberToObject(item, "at", now_s());
	cJSON_AddStringToObject(item, "method", a->method);
	cJSON_AddStringToObject(item, "path", a->path);
	cJSON_AddStringToObject(item, "query", a->query ? a->query : "");
	headers = cJSON_AddArrayToObject(item, "headers");
	for (size_t i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		const char *pair[] = {recorded[i], http_request_header(req, recorded[i])};

		if (pair[1])
			cJSON_AddItemToArray(headers, cJSON_CreateStringArray(pair, 2));
	}
	if (body) {
		sodium_bin2base64(body, room, a->body, a->body_len, sodium_base64_VARIANT_ORIGINAL);
		cJSON_AddStringToObject(item, "body", body);
	}
	free(body);
	cJSON_AddItemToObject(item, "number", a->number ? cJSON_CreateString(a->number) : cJSON_CreateNull());
	cJSON_AddItemToObject(item, "token", a->token ? cJSON_CreateString(a->token) : cJSON_CreateNull());
	cJSON_AddStringToObject(item, "api", a->api);
	journal_add(s, &s->requests, item);
	cJSON_Delete(item);
}

static void date_of(double ahead_s, char *out, size_t room)
{
	time_t at = time(NULL) + (time_t)ahead_s;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&at, &tm))
		(void)strftime(out, room, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* ahead_s: how far the provider's clock is before the true time. */
static void respond(struct http_request *req, const struct reply *r, double ahead_s)
{
	char date[64];
	struct http_header headers[] = {
		{"Content-Type", r->type[0] != '\0' ? r->type : "application/json; charset=UTF-8"},
		{"facebook-api-version", "v26.0"}, {"x-fb-trace-id", "AbCdEf0123"}, {"Date", date}};
	char *text = r->json ? json_text(r->json) : NULL;

	date_of(ahead_s, date, sizeof(date));
	if (r->bytes)
		http_respond(req, r->status, headers, 4, r->bytes, r->len);
	else
		http_respond(req, r->status, headers, 4, text, text ? strlen(text) : 0);
	json_text_free(text);
}

static bool is_upload(const char *path)
{
	const char *last = strrchr(path, '/');

	return last && strcmp(last, "/media") == 0;
}

/* What it was, with which key, and what was answered: sends have their own line. */
static void say_answer(struct sandbox *s, const struct ask *a, const struct reply *r)
{
	const char *why = book_text(
		json_get(r->json, "error"), "message", book_text(json_get(r->json, "meta"), "developer_message", ""));
	char words[200];

	if (r->status == 200 && sends_is(a))
		return;
	(void)snprintf(words, sizeof(words), "%d%s%s", r->status, why[0] != '\0' ? " " : "", why);
	say(s, "%s %s with %s ...%s: %s", a->method, a->path, a->token && strchr(a->token, '|') ? "app secret" : "key",
		last4(a->token), words);
	sends_tried(s, a, words);
}

/* Whose path it is, answers: Graph paths begin with a version, the rest is 360dialog's. Both have the download. */
static void identify(const struct sandbox *s, const struct http_request *req, struct ask *a, char *node, size_t room)
{
	bool graph = graph_path(a->path, node, room) ||
		(strncmp(a->path, "/whatsapp_business/", 19) == 0 && !http_request_header(req, "D360-API-KEY"));

	a->api = graph ? "meta" : "360dialog";
	a->token = graph ? bearer(req) : http_request_header(req, "D360-API-KEY");
	if (!graph)
		(void)snprintf(node, room, "%s", book_text(book_get(s, "keys", a->token), "number", ""));
	a->number = node[0] != '\0' ? node : NULL;
}

/* Meets the fault, if there is one, or answers. The request is recorded. */
static void answer(struct sandbox *s, const struct ask *a, struct http_request *req)
{
	struct cJSON *fault;
	struct reply r = {0};
	double ahead_s;
	int status = 0;

	pthread_mutex_lock(&s->mutex);
	ahead_s = book_clock(s);
	fault = faults_take(s, a, true);
	pthread_mutex_unlock(&s->mutex);
	if (!fault || faults_meet(s, fault, a, req, &status)) {
		pthread_mutex_lock(&s->mutex);
		if (strcmp(a->api, "meta") == 0)
			graph_answer(s, a, &r);
		else
			d360_answer(s, a, &r);
		pthread_mutex_unlock(&s->mutex);
		/* First said: whoever hears the answer may look at once. */
		if (!fault || r.status != 200)
			say_answer(s, a, &r);
		respond(req, &r, ahead_s);
	}
	cJSON_Delete(fault);
	cJSON_Delete(r.json);
	free(r.bytes);
}

void provider_handle(struct sandbox *s, struct http_request *req)
{
	struct ask a = {.method = http_request_method(req),
		.path = http_request_path(req),
		.query = http_request_query(req),
		.content_type = http_request_header(req, "Content-Type")};
	struct cJSON *fault;
	enum http_error error;
	char node[64];

	pthread_mutex_lock(&s->mutex);
	identify(s, req, &a, node, sizeof(node));
	fault = faults_take(s, &a, false);
	if (fault)
		record(s, &a, req);
	pthread_mutex_unlock(&s->mutex);
	if (fault) {
		say(s, "fault \"drop_before\" met %s %s", a.method, a.path);
		http_hang_up(req);
		cJSON_Delete(fault);
		return;
	}
	error = http_request_body(req, is_upload(a.path) ? UPLOAD_MAX : JSON_MAX, &a.body, &a.body_len);
	if (error != HTTP_OK) {
		http_respond(req, error == HTTP_TOO_LARGE ? 413 : 400, NULL, 0, NULL, 0);
		return;
	}
	a.json = read_json(a.body, a.body_len);
	pthread_mutex_lock(&s->mutex);
	record(s, &a, req);
	pthread_mutex_unlock(&s->mutex);
	answer(s, &a, req);
	cJSON_Delete(a.json);
}
