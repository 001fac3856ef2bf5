/*
 * The table of faults and what each does.
 */
#include "examples/sandbox/faults.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "examples/sandbox/providers.h"
#include "examples/sandbox/sends.h"
#include "examples/sandbox/waits.h"
#include "gateway/json.h"

enum {
	HUGE_PARTS = 1600,
	HUGE_PART = 65536, /* 100 MB in all */
	HANG_MAX_MS = 3600000,
	SLOW_MAX_S = 600,
};

/* One request that a fault has met. */
struct meeting {
	struct sandbox *s;
	const struct cJSON *fault;
	const struct ask *ask;
	struct http_request *req;
};

static int number_of(const struct cJSON *fault, const char *name, int otherwise)
{
	const struct cJSON *value = json_get(fault, name);

	return cJSON_IsNumber(value) ? value->valueint : otherwise;
}

#define JSON_TYPE "application/json; charset=UTF-8"

/* With the provider's headers, unless it is no answer of Meta's. */
static void respond(const struct meeting *m, int status, const char *type, const char *body, size_t len)
{
	bool own = strcmp(type, JSON_TYPE) != 0 || json_get_string(m->fault, "text") != NULL;
	struct answer_headers headers;
	char retry_after[16];

	pthread_mutex_lock(&m->s->mutex);
	provider_headers(m->s, m->ask, own, type, &headers);
	pthread_mutex_unlock(&m->s->mutex);
	if (json_get(m->fault, "retry_after")) {
		(void)snprintf(retry_after, sizeof(retry_after), "%d", number_of(m->fault, "retry_after", 1));
		headers.list[headers.len++] = (struct http_header){"Retry-After", retry_after};
	}
	http_respond(m->req, status, headers.list, headers.len, body, len);
}

/* Accepts the message, if it is one; the answer as text, that the caller frees. */
static char *accepted(const struct meeting *m)
{
	const bool fails = strcmp(book_text(m->fault, "kind", ""), "status_failed") == 0;
	struct reply r = {0};
	char *text;

	if (m->ask->number && sends_is(m->ask)) {
		pthread_mutex_lock(&m->s->mutex);
		sends_accept(m->s, m->ask, fails ? m->fault : NULL, &r);
		pthread_mutex_unlock(&m->s->mutex);
	} else {
		reply_success(&r);
	}
	text = json_text(r.json);
	cJSON_Delete(r.json);
	return text;
}

/* ------------------------------------------------------------ what each does: the status, 0 for none */

static int meet_error(const struct meeting *m)
{
	const struct cJSON *transient = json_get(m->fault, "transient");
	const char *body = json_get_string(m->fault, "body");
	struct reply r = {0};
	char *text;

	if (json_get_string(m->fault, "text"))
		d360_refuse(&r, number_of(m->fault, "http", 400), json_get_string(m->fault, "text"), NULL);
	else
		graph_refuse(&r,
			&(struct graph_error){.http = number_of(m->fault, "http", 400),
				.code = number_of(m->fault, "code", 131000),
				.subcode = number_of(m->fault, "subcode", 0),
				.message = json_get_string(m->fault, "message"),
				.details = json_get_string(m->fault, "details"),
				.transient = transient ? cJSON_IsTrue(transient) : -1});
	text = json_text(r.json);
	body = body ? body : text ? text : "";
	respond(m, r.status, JSON_TYPE, body, strlen(body));
	json_text_free(text);
	cJSON_Delete(r.json);
	return r.status;
}

/* Waits until faults are taken back, or the time is over; not at all where too many wait already. */
static void stand_still(struct sandbox *s, unsigned wait_ms)
{
	struct wait w;
	uint64_t taken_back;

	pthread_mutex_lock(&s->mutex);
	taken_back = s->faults_taken_back;
	if (wait_begin(&w, s, &s->taken_back, wait_ms)) {
		while (s->faults_taken_back == taken_back && wait_on(&w))
			;
		wait_end(&w);
	}
	pthread_mutex_unlock(&s->mutex);
}

static int meet_hang(const struct meeting *m)
{
	stand_still(m->s, HANG_MAX_MS);
	http_hang_up(m->req);
	return 0;
}

static int meet_drop(const struct meeting *m)
{
	http_hang_up(m->req);
	return 0;
}

static int meet_accept_drop(const struct meeting *m)
{
	json_text_free(accepted(m));
	http_hang_up(m->req);
	return 0;
}

static int meet_truncated(const struct meeting *m)
{
	struct http_header type = {"Content-Type", JSON_TYPE};
	char *text = accepted(m);
	size_t len = text ? strlen(text) : 0;

	http_respond_begin(m->req, 200, &type, 1, len + 1);
	http_respond_part(m->req, text, len / 2);
	http_hang_up(m->req);
	json_text_free(text);
	return 200;
}

static int meet_garbled(const struct meeting *m)
{
	char *text = accepted(m);

	respond(m, 200, JSON_TYPE, text, text ? strlen(text) / 2 : 0);
	json_text_free(text);
	return 200;
}

static int meet_no_id(const struct meeting *m)
{
	static const char text[] = "{\"messaging_product\":\"whatsapp\",\"contacts\":[],\"messages\":[{}]}";

	json_text_free(accepted(m));
	respond(m, 200, JSON_TYPE, text, sizeof(text) - 1);
	return 200;
}

static int meet_html(const struct meeting *m)
{
	static const char page[] = "<!doctype html><title>Sorry</title><p>Something went wrong.";
	int status = number_of(m->fault, "http", 200);

	respond(m, status, "text/html", page, sizeof(page) - 1);
	return status;
}

static int meet_redirect(const struct meeting *m)
{
	int status = number_of(m->fault, "http", 302);
	char stolen[128];
	struct http_header location = {"Location", stolen};

	(void)snprintf(stolen, sizeof(stolen), "%s/stolen", m->s->url);
	location.value = book_text(m->fault, "location", stolen);
	http_respond(m->req, status, &location, 1, NULL, 0);
	return status;
}

static int meet_huge(const struct meeting *m)
{
	struct http_header type = {"Content-Type", "application/json"};
	char *part = malloc(HUGE_PART);

	if (!part) {
		http_hang_up(m->req);
		return 0;
	}
	memset(part, ' ', HUGE_PART);
	http_respond_begin(m->req, 200, &type, 1, (size_t)HUGE_PARTS * HUGE_PART);
	for (int i = 0; i < HUGE_PARTS && http_respond_part(m->req, part, HUGE_PART); i++)
		;
	free(part);
	return 200;
}

static int meet_status_failed(const struct meeting *m)
{
	char *text = accepted(m);

	respond(m, 200, JSON_TYPE, text, text ? strlen(text) : 0);
	json_text_free(text);
	return 200;
}

/* Waits, then the usual answer. */
static int meet_slow(const struct meeting *m)
{
	const struct cJSON *delay = json_get(m->fault, "delay");
	double delay_s = cJSON_IsNumber(delay) ? delay->valuedouble : 1; /* faults_add has seen that it is in bounds */

	stand_still(m->s, (unsigned)(delay_s * 1000));
	return -1;
}

static const struct {
	const char *kind;
	int (*meet)(const struct meeting *m); /* -1: go on as usual */
	bool before; /* the body is not read */
	const char *words; /* what happens then */
	const char *members[9]; /* what it takes beside kind, number, on, holding, times */
} kinds[] = {
	{"error", meet_error, false, "refused",
		{"http", "code", "subcode", "message", "details", "transient", "retry_after", "text", "body"}},
	{"slow", meet_slow, false, "answered late", {"delay"}},
	{"hang", meet_hang, false, "no answer until the fault is taken back", {NULL}},
	{"drop_before", meet_drop, true, "hung up before the body", {NULL}},
	{"drop", meet_drop, false, "hung up, nothing accepted", {NULL}},
	{"accept_drop", meet_accept_drop, false, "accepted, then hung up without an answer", {NULL}},
	{"truncated", meet_truncated, false, "accepted, the answer cut off", {NULL}},
	{"garbled", meet_garbled, false, "accepted, the answer is cut JSON", {NULL}},
	{"no_id", meet_no_id, false, "accepted, the answer names no message", {NULL}},
	{"html", meet_html, false, "a page instead of an answer", {"http"}},
	{"redirect", meet_redirect, false, "a redirect", {"http", "location"}},
	{"huge", meet_huge, false, "an answer of 100 MB", {NULL}},
	{"status_failed", meet_status_failed, false, "accepted, a failed status will follow",
		{"code", "message", "details"}},
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static size_t kind_of(const struct cJSON *fault)
{
	const char *name = book_text(fault, "kind", "");
	size_t i = 0;

	while (i < KINDS && strcmp(kinds[i].kind, name) != 0)
		i++;
	return i;
}

/* ------------------------------------------------------------ the table of those in force */

static bool takes(size_t kind, const char *member)
{
	static const char *const always[] = {"kind", "number", "on", "holding", "times"};
	const size_t own = sizeof(kinds[0].members) / sizeof(kinds[0].members[0]);

	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		if (strcmp(always[i], member) == 0)
			return true;
	for (size_t i = 0; i < own && kinds[kind].members[i]; i++)
		if (strcmp(kinds[kind].members[i], member) == 0)
			return true;
	return false;
}

const char *faults_add(struct sandbox *s, const struct cJSON *asked)
{
	static const char *const texts[] = {"number", "on", "holding"};
	const struct cJSON *times = json_get(asked, "times"), *delay = json_get(asked, "delay");
	const struct cJSON *member;
	int http = number_of(asked, "http", 200);

	if (kind_of(asked) == KINDS)
		return "kind: no such fault";
	if (times && !cJSON_IsNull(times) && !(cJSON_IsNumber(times) && times->valuedouble >= 1))
		return "times: a number of at least 1";
	if (http < 200 || http > 599)
		return "http: 200 to 599";
	if (cJSON_IsNumber(delay) && !(delay->valuedouble >= 0 && delay->valuedouble <= SLOW_MAX_S))
		return "delay: 0 to 600 seconds";
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct cJSON *text = json_get(asked, texts[i]);

		if (text && !cJSON_IsNull(text) && !cJSON_IsString(text))
			return "number, on and holding are texts";
	}
	cJSON_ArrayForEach (member, asked) {
		if (!takes(kind_of(asked), member->string))
			return "a member that this kind of fault does not take; examples/sandbox/README.md lists them";
	}
	cJSON_AddItemToArray(s->faults, cJSON_Duplicate(asked, true));
	return NULL;
}

void faults_take_back(struct sandbox *s)
{
	cJSON_Delete(s->faults);
	s->faults = cJSON_CreateArray();
	s->faults_taken_back++;
	pthread_cond_broadcast(&s->taken_back);
}

static bool ends_with(const char *method, const char *path, const char *end)
{
	char what[1024];
	int n = snprintf(what, sizeof(what), "%s %s", method, path);
	size_t len = strlen(end);

	return n > 0 && n < (int)sizeof(what) && len <= (size_t)n && strcmp(what + (size_t)n - len, end) == 0;
}

static bool meets(const struct cJSON *fault, const struct ask *a, bool body_read)
{
	const char *number = json_get_string(fault, "number"), *holding = book_text(fault, "holding", "");

	if (number && (!a->number || strcmp(number, a->number) != 0))
		return false;
	if (kinds[kind_of(fault)].before == body_read || !ends_with(a->method, a->path, book_text(fault, "on", "")))
		return false;
	return holding[0] == '\0' || (a->body_len > 0 && memmem(a->body, a->body_len, holding, strlen(holding)));
}

struct cJSON *faults_take(struct sandbox *s, const struct ask *a, bool body_read)
{
	struct cJSON *fault, *times;

	cJSON_ArrayForEach (fault, s->faults) {
		if (!meets(fault, a, body_read))
			continue;
		times = json_get(fault, "times");
		if (cJSON_IsNumber(times)) {
			cJSON_SetNumberValue(times, times->valuedouble - 1);
			if (times->valuedouble < 1)
				return cJSON_DetachItemViaPointer(s->faults, fault);
		}
		return cJSON_Duplicate(fault, true);
	}
	return NULL;
}

bool faults_meet(
	struct sandbox *s, const struct cJSON *fault, const struct ask *a, struct http_request *req, int *status)
{
	size_t kind = kind_of(fault);
	char words[160], numbers[48] = "";
	int answered;

	if (strcmp(kinds[kind].kind, "error") == 0)
		(void)snprintf(numbers, sizeof(numbers), ": %d, code %d", number_of(fault, "http", 400),
			number_of(fault, "code", 131000));
	(void)snprintf(words, sizeof(words), "%s%s (fault \"%s\")", kinds[kind].words, numbers, kinds[kind].kind);
	say(s, "%s %s with key ...%s: %s", a->method, a->path, last4(a->token), words);
	sends_tried(s, a, words);
	answered = kinds[kind].meet(&(struct meeting){s, fault, a, req});
	if (answered < 0)
		return true;
	*status = answered;
	return false;
}
