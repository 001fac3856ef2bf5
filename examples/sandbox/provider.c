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
#include "examples/sandbox/errors.h"
#include "examples/sandbox/faults.h"
#include "examples/sandbox/form.h"
#include "examples/sandbox/journal.h"
#include "examples/sandbox/media.h"
#include "examples/sandbox/providers.h"
#include "examples/sandbox/sends.h"
#include "gateway/json.h"

enum {
	JSON_MAX = 256 << 10,
	UPLOAD_MAX = MEDIA_MAX + (64 << 10),
	RECORDED_MAX = 256 << 10,
	TOKEN_MAX = 4096,
	NODE_ROOM = 64,
};

/* The headers that are worth recording. */
static const char *const recorded[] = {"Host", "Authorization", "D360-API-KEY", "Content-Type", "Content-Length",
	"Transfer-Encoding", "Expect", "User-Agent", "Accept", "Cookie", "Idempotency-Key", "X-Forwarded-For"};

static const char *bearer(const struct http_request *req)
{
	const char *value = http_request_header(req, "Authorization");

	return value && strncasecmp(value, "Bearer ", 7) == 0 ? value + 7 : NULL;
}

/* A request as text; the caller frees it. Needs no mutex. */
static char *record(const struct ask *a, const struct http_request *req)
{
	size_t len = a->body_len < RECORDED_MAX ? a->body_len : RECORDED_MAX;
	size_t room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	struct cJSON *item = cJSON_CreateObject(), *headers;
	char *body = malloc(room), *text;

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
		sodium_bin2base64(body, room, a->body, len, sodium_base64_VARIANT_ORIGINAL);
		cJSON_AddStringToObject(item, "body", body);
	}
	free(body);
	cJSON_AddNumberToObject(item, "body_len", (double)a->body_len);
	cJSON_AddItemToObject(item, "number", a->number ? cJSON_CreateString(a->number) : cJSON_CreateNull());
	cJSON_AddItemToObject(item, "token", a->token ? cJSON_CreateString(a->token) : cJSON_CreateNull());
	cJSON_AddStringToObject(item, "api", a->api);
	text = json_text(item);
	if (text)
		utf8_clean(text);
	cJSON_Delete(item);
	return text;
}

/* ------------------------------------------------------------ an answer's headers */

static void date_of(double ahead_s, char *out, size_t room)
{
	time_t at = time(NULL) + (time_t)ahead_s;
	struct tm tm;

	out[0] = '\0';
	if (gmtime_r(&at, &tm))
		(void)strftime(out, room, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* The account that a call is about, or NULL. */
static const char *account_of(const struct sandbox *s, const struct ask *a)
{
	const char *waba = strcmp(a->api, "meta") == 0 ? book_text(book_get(s, "numbers", a->number), "waba", a->number)
						       : book_text(book_get(s, "keys", a->token), "waba", NULL);

	return book_get(s, "usage", waba) ? waba : NULL;
}

/* X-Business-Use-Case-Usage as the book has it of the account (facts/meta.md 3); "": it says nothing. */
static void usage_of(const struct sandbox *s, const struct ask *a, char *out, size_t room)
{
	static const char *const figures[] = {
		"call_count", "total_cputime", "total_time", "estimated_time_to_regain_access"};
	const char *waba = account_of(s, a);
	const struct cJSON *known = book_get(s, "usage", waba);
	struct cJSON *document, *one;
	char *text;

	out[0] = '\0';
	if (!known)
		return;
	document = cJSON_CreateObject();
	one = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(document, waba), one);
	cJSON_AddStringToObject(
		one, "type", book_text(known, "type", sends_is(a) ? "whatsapp" : "whatsapp_business_management"));
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
		const struct cJSON *figure = json_get(known, figures[i]);

		cJSON_AddNumberToObject(one, figures[i], cJSON_IsNumber(figure) ? figure->valuedouble : 0);
	}
	text = json_text(document);
	if (text && strlen(text) < room)
		(void)snprintf(out, room, "%s", text);
	json_text_free(text);
	cJSON_Delete(document);
}

static void add_header(struct answer_headers *h, const char *name, const char *value)
{
	h->list[h->len++] = (struct http_header){name, value};
}

void provider_headers(
	const struct sandbox *s, const struct ask *a, bool own, const char *type, struct answer_headers *out)
{
	bool meta = strcmp(a->api, "meta") == 0;

	out->len = 0;
	date_of(book_clock(s), out->date, sizeof(out->date));
	add_header(out, "Content-Type", type);
	add_header(out, "Date", out->date);
	if (own)
		return;
	/* Which version 360dialog asks in is its own choice. */
	(void)snprintf(out->version, sizeof(out->version), "%.*s", meta ? (int)strcspn(a->path + 1, "/") : 5,
		meta ? a->path + 1 : "v21.0");
	random_hex(8, out->trace);
	usage_of(s, a, out->usage, sizeof(out->usage));
	if (out->version[0] == 'v')
		add_header(out, "facebook-api-version", out->version);
	add_header(out, "x-fb-trace-id", out->trace);
	if (out->usage[0] != '\0')
		add_header(out, "X-Business-Use-Case-Usage", out->usage);
}

/* ------------------------------------------------------------ one request */

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

/* Whose path it is, answers: Graph paths begin with a version, the rest is 360dialog's. Both have the download. token and
 * node: room for what the query says, and for the number or other node. */
static void identify(const struct sandbox *s, const struct http_request *req, struct ask *a,
	char token[static TOKEN_MAX], char *node)
{
	bool dialog = http_request_header(req, "D360-API-KEY") != NULL;
	bool graph = graph_path(a->path, node, NODE_ROOM) ||
		(!dialog && strncmp(a->path, "/whatsapp_business/", 19) == 0) ||
		(!dialog && graph_path_resembles(a->path));

	a->api = graph ? "meta" : "360dialog";
	a->token = graph ? bearer(req) : http_request_header(req, "D360-API-KEY");
	if (graph && !a->token && http_query_get(a->query, "access_token", token, TOKEN_MAX) == HTTP_OK)
		a->token = token;
	if (!graph)
		(void)snprintf(node, NODE_ROOM, "%s", book_text(book_get(s, "keys", a->token), "number", ""));
	a->number = node[0] != '\0' ? node : NULL;
}

/* Meets the fault, if there is one, or answers. The request is recorded. */
static void answer(struct sandbox *s, const struct ask *a, struct http_request *req)
{
	struct answer_headers headers;
	struct cJSON *fault;
	struct reply r = {0};
	int status = 0;

	pthread_mutex_lock(&s->mutex);
	fault = faults_take(s, a, true);
	pthread_mutex_unlock(&s->mutex);
	if (!fault || faults_meet(s, fault, a, req, &status)) {
		pthread_mutex_lock(&s->mutex);
		if (strcmp(a->api, "meta") == 0)
			graph_answer(s, a, &r);
		else
			d360_answer(s, a, &r);
		provider_headers(s, a, r.own, r.type[0] != '\0' ? r.type : "application/json; charset=UTF-8", &headers);
		pthread_mutex_unlock(&s->mutex);
		/* First said: whoever hears the answer may look at once. */
		if (!fault || r.status != 200)
			say_answer(s, a, &r);
		reply_send(req, &r, headers.list, headers.len);
	}
	cJSON_Delete(fault);
	reply_clear(&r);
}

/* The body as JSON, if it is that, or a form's fields. */
static struct cJSON *read_body(const struct ask *a)
{
	static const char form[] = "application/x-www-form-urlencoded";

	if (is_upload(a->path))
		return NULL;
	if (a->content_type && strncasecmp(a->content_type, form, sizeof(form) - 1) == 0 && a->body[0] != '{')
		return form_read(a->body, a->body_len);
	return read_json(a->body, a->body_len);
}

void provider_handle(struct sandbox *s, struct http_request *req)
{
	struct ask a = {.method = http_request_method(req),
		.path = http_request_path(req),
		.query = http_request_query(req),
		.content_type = http_request_header(req, "Content-Type"),
		.host = http_request_header(req, "Host")};
	char node[NODE_ROOM], token[TOKEN_MAX], *line;
	struct cJSON *fault;
	enum http_error error;

	pthread_mutex_lock(&s->mutex);
	identify(s, req, &a, token, node);
	fault = faults_take(s, &a, false);
	if (fault)
		journal_add_text(s, &s->requests, record(&a, req));
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
	a.json = read_body(&a);
	line = record(&a, req);
	pthread_mutex_lock(&s->mutex);
	journal_add_text(s, &s->requests, line);
	pthread_mutex_unlock(&s->mutex);
	answer(s, &a, req);
	cJSON_Delete(a.json);
}
