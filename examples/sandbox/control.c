/*
 * The sandbox's own API (README.md) and its page. What calls it is on this machine; a page of another origin is not let
 * in, nor a name that was made to point here.
 */
#include "examples/sandbox/control.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/envelope.h"
#include "examples/sandbox/faults.h"
#include "examples/sandbox/journal.h"
#include "examples/sandbox/limits.h"
#include "examples/sandbox/media.h"
#include "examples/sandbox/phone.h"
#include "gateway/json.h"

enum {
	BODY_MAX = 4 << 20,
	WAIT_MAX_MS = 60000,
	FEED_WAKE_MS = 2000, /* a line now and then shows whether the reader is there still */
};

#define POLICY                                                                                                         \
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self'; "            \
	"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

/* One call of ours. */
struct call {
	struct sandbox *s;
	struct http_request *req;
	const char *path;
	const uint8_t *body;
	size_t body_len;
	struct cJSON *json;
	struct reply reply;
	bool answered; /* the call has answered by itself */
};

static void problem(struct call *c, int status, const char *what)
{
	c->reply.status = status;
	c->reply.json = cJSON_CreateObject();
	cJSON_AddStringToObject(c->reply.json, "error", what);
}

/* A whole number of the query, or what it is by default. */
static uint64_t query_number(const struct call *c, const char *name, uint64_t otherwise)
{
	char text[24];

	if (http_query_get(http_request_query(c->req), name, text, sizeof(text)) != HTTP_OK)
		return otherwise;
	return strtoull(text, NULL, 10);
}

/* ------------------------------------------------------------ the book and the phones */

static void get_book(struct call *c)
{
	c->reply.status = 200;
	c->reply.json = cJSON_Duplicate(c->s->book, true);
}

static void patch_book(struct call *c)
{
	if (book_patch(c->s, c->json))
		get_book(c);
	else
		problem(c, 400,
			"a book has the parts that examples/sandbox/README.md lists, each an object of objects");
}

static void get_shops(struct call *c)
{
	c->reply.status = 200;
	c->reply.json = phone_shops(c->s);
}

static void post_message(struct call *c)
{
	phone_write(c->s, c->json, &c->reply);
}

static void post_media(struct call *c)
{
	const char *type = http_request_header(c->req, "Content-Type"), *id = NULL;
	struct media *made = NULL;
	char name[200] = "";

	(void)!http_query_get(http_request_query(c->req), "filename", name, sizeof(name));
	pthread_mutex_unlock(&c->s->mutex);
	if (c->body_len > 0 && type)
		made = media_make(c->body, c->body_len, type, name);
	pthread_mutex_lock(&c->s->mutex);
	if (made)
		id = media_keep(c->s, made, NULL);
	if (!id) {
		problem(c, 400, "the bytes of a file as body, with their Content-Type");
		return;
	}
	c->reply.status = 201;
	c->reply.json = cJSON_CreateObject();
	cJSON_AddStringToObject(c->reply.json, "id", id);
}

/* What a stranger uploaded is looked at or listened to, never run: a script would be one of this origin. */
static void get_media(struct call *c)
{
	static const char *const shown[] = {"image/", "audio/", "video/"};
	bool is_shown = false;

	media_show(c->s, c->path + strlen("/sandbox/media/"), &c->reply);
	if (c->reply.status != 200) {
		problem(c, 404, "no such media; they are forgotten when the sandbox ends");
		return;
	}
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
		is_shown = is_shown || strncmp(c->reply.type, shown[i], strlen(shown[i])) == 0;
	if (!is_shown)
		(void)snprintf(c->reply.type, sizeof(c->reply.type), "application/octet-stream");
}

/* Goes on until the reader is gone or the sandbox closes. */
static void get_feed(struct call *c)
{
	static const struct http_header headers[] = {
		{"Content-Type", "text/event-stream"}, {"Cache-Control", "no-store"}};
	const char *last = http_request_header(c->req, "Last-Event-ID");
	uint64_t after = last ? strtoull(last, NULL, 10) : query_number(c, "after", 0);
	struct sandbox *s = c->s;
	bool there = true;

	c->answered = true;
	if (after > s->feed.last)
		after = 0; /* numbers of an earlier sandbox */
	pthread_mutex_unlock(&s->mutex);
	http_respond_begin(c->req, 200, headers, 2, HTTP_LEN_UNKNOWN);
	there = http_respond_part(c->req, "retry: 1000\n\n", 13);
	while (there && !atomic_load(&s->closing)) {
		size_t len = 0;
		char *text;

		pthread_mutex_lock(&s->mutex);
		text = journal_events(&s->feed, after, &len, &after);
		if (!text)
			journal_wait(s, &s->feed, after, FEED_WAKE_MS);
		pthread_mutex_unlock(&s->mutex);
		there = text ? http_respond_part(c->req, text, len) : http_respond_part(c->req, ":\n\n", 3);
		free(text);
	}
	pthread_mutex_lock(&s->mutex);
}

/* ------------------------------------------------------------ what came */

static void list(struct call *c, const struct journal *j, const char *name)
{
	uint64_t after = query_number(c, "after", 0), next = after, wait_ms = query_number(c, "wait_ms", 0);
	size_t len = 0, room;
	char *lines;

	if (wait_ms > 0)
		journal_wait(c->s, j, after, wait_ms < WAIT_MAX_MS ? (unsigned)wait_ms : WAIT_MAX_MS);
	lines = journal_after(j, after, ",", &len, &next);
	room = len + strlen(name) + 64;
	c->reply.bytes = malloc(room);
	if (c->reply.bytes)
		c->reply.len = (size_t)snprintf((char *)c->reply.bytes, room, "{\"%s\":[%s],\"next\":%llu}", name,
			lines ? lines : "", (unsigned long long)next);
	c->reply.status = c->reply.bytes ? 200 : 500;
	free(lines);
}

static void get_requests(struct call *c)
{
	list(c, &c->s->requests, "requests");
}

static void get_sent(struct call *c)
{
	list(c, &c->s->sent, "sent");
}

static void delete_requests(struct call *c)
{
	journal_forget(&c->s->requests);
	journal_forget(&c->s->sent);
	faults_take_back(c->s);
	c->reply.status = 204;
}

static void get_limits(struct call *c)
{
	c->reply.status = 200;
	c->reply.json = limits_show(c->s);
}

static void delete_limits(struct call *c)
{
	limits_forget(c->s);
	c->reply.status = 204;
}

/* Who wrote, in a webhook that somebody made up: the 24 hours begin for them as well. */
static void note_customers(struct sandbox *s, const char *number, const struct cJSON *value)
{
	const struct cJSON *message;

	cJSON_ArrayForEach (message, json_get(value, "messages")) {
		const char *const names[] = {"from", "from_user_id"};

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			if (json_get_string(message, names[i]))
				limits_customer_wrote(s, number, json_get_string(message, names[i]));
	}
}

static void add_delivery(struct cJSON *deliveries, const char *url, int status, const char *body)
{
	struct cJSON *one = cJSON_CreateObject();

	cJSON_AddStringToObject(one, "url", url);
	cJSON_AddNumberToObject(one, "status", status);
	cJSON_AddStringToObject(one, "body", body ? body : "");
	cJSON_AddItemToArray(deliveries, one);
}

static void post_deliver(struct call *c)
{
	const char *number = json_get_string(c->json, "number");
	struct envelope e = {.number = number,
		.field = json_get_string(c->json, "field"),
		.value = json_get(c->json, "value"),
		.headers = json_get(c->json, "headers"),
		.prefix = json_get_string(c->json, "prefix")};
	struct webhook *list, *w;
	struct cJSON *deliveries;

	if (!number || !cJSON_IsObject(e.value) || (e.headers && !cJSON_IsObject(e.headers))) {
		problem(c, 400, "number and value are needed; headers, if any, are an object");
		return;
	}
	e.api = book_text(c->json, "api", book_api_of(c->s, number));
	note_customers(c->s, number, e.value);
	list = envelope_webhooks(c->s, &e);
	c->reply.status = 200;
	deliveries = cJSON_AddArrayToObject(c->reply.json = cJSON_CreateObject(), "deliveries");
	pthread_mutex_unlock(&c->s->mutex);
	while ((w = list)) {
		char *answer = NULL;
		int status = deliver_now(c->s, w, &answer);

		list = w->next;
		add_delivery(deliveries, w->url, status, answer);
		free(answer);
		webhook_free(w);
	}
	pthread_mutex_lock(&c->s->mutex);
}

/* ------------------------------------------------------------ faults */

static void get_faults(struct call *c)
{
	c->reply.status = 200;
	c->reply.json = cJSON_CreateObject();
	cJSON_AddItemToObject(c->reply.json, "faults", cJSON_Duplicate(c->s->faults, true));
}

static void post_fault(struct call *c)
{
	const char *fault = faults_add(c->s, c->json);

	if (fault) {
		problem(c, 400, fault);
		return;
	}
	c->reply.status = 201;
	c->reply.json = cJSON_Duplicate(c->json, true);
}

static void delete_faults(struct call *c)
{
	faults_take_back(c->s);
	c->reply.status = 204;
}

/* ------------------------------------------------------------ routes */

static const struct {
	const char *method, *path; /* a path that ends in "/" takes one more part */
	void (*handle)(struct call *c);
} routes[] = {
	{"GET", "/sandbox/book", get_book},
	{"PATCH", "/sandbox/book", patch_book},
	{"GET", "/sandbox/shops", get_shops},
	{"POST", "/sandbox/messages", post_message},
	{"POST", "/sandbox/media", post_media},
	{"GET", "/sandbox/media/", get_media},
	{"GET", "/sandbox/feed", get_feed},
	{"GET", "/sandbox/requests", get_requests},
	{"DELETE", "/sandbox/requests", delete_requests},
	{"GET", "/sandbox/sent", get_sent},
	{"POST", "/sandbox/deliver", post_deliver},
	{"GET", "/sandbox/limits", get_limits},
	{"DELETE", "/sandbox/limits", delete_limits},
	{"GET", "/sandbox/faults", get_faults},
	{"POST", "/sandbox/faults", post_fault},
	{"DELETE", "/sandbox/faults", delete_faults},
};

bool control_path(const char *path)
{
	return strcmp(path, "/") == 0 || strncmp(path, "/sandbox/", 9) == 0 ||
		(strncmp(path, "/phone", 6) == 0 && strchr(".-", path[6]) != NULL);
}

static bool route_is(size_t i, const char *path)
{
	size_t len = strlen(routes[i].path);

	return routes[i].path[len - 1] == '/' ? strncmp(path, routes[i].path, len) == 0
					      : strcmp(path, routes[i].path) == 0;
}

/* A browser says the origin of whoever asks: ours is the host that it asked. */
static bool origin_is_ours(const struct http_request *req)
{
	const char *origin = http_request_header(req, "Origin"), *host = http_request_header(req, "Host");
	const char *site = http_request_header(req, "Sec-Fetch-Site");
	const char *name = origin ? strstr(origin, "://") : NULL;

	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0)
		return false;
	return !origin || (name && host && strcmp(name + 3, host) == 0);
}

static bool send_page(struct http_request *req, const char *path)
{
	static const struct http_header home[] = {{"Location", "/phone"}};
	const char *method = http_request_method(req);

	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return false;
	if (strcmp(path, "/") == 0) {
		http_respond(req, 302, home, 1, NULL, 0);
		return true;
	}
	for (size_t i = 0; i < assets_len; i++) {
		const struct http_header headers[] = {{"Content-Type", assets[i].type},
			{"Content-Security-Policy", POLICY}, {"X-Content-Type-Options", "nosniff"},
			{"Referrer-Policy", "no-referrer"}, {"Cache-Control", "no-cache"}};

		if (strcmp(path, assets[i].path) == 0) {
			http_respond(req, 200, headers, 5, assets[i].bytes, assets[i].len);
			return true;
		}
	}
	return false;
}

static void respond(struct call *c)
{
	const struct http_header headers[] = {
		{"Content-Type", c->reply.type[0] != '\0' ? c->reply.type : "application/json"},
		{"Content-Security-Policy", "default-src 'none'; sandbox"}, {"X-Content-Type-Options", "nosniff"},
		{"Cache-Control", "no-store"}};

	if (!c->answered)
		reply_send(c->req, &c->reply, headers, 4);
}

static void run(struct call *c)
{
	const char *method = http_request_method(c->req);
	bool known = false;

	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		if (!route_is(i, c->path))
			continue;
		known = true;
		if (strcmp(method, routes[i].method) != 0)
			continue;
		pthread_mutex_lock(&c->s->mutex);
		routes[i].handle(c);
		pthread_mutex_unlock(&c->s->mutex);
		return;
	}
	problem(c, known ? 405 : 404,
		known ? "not with this method" : "no such path; examples/sandbox/README.md lists them");
}

void control_handle(struct sandbox *s, struct http_request *req)
{
	struct call c = {.s = s, .req = req, .path = http_request_path(req)};
	size_t max = strcmp(c.path, "/sandbox/media") == 0 ? (size_t)MEDIA_MAX : (size_t)BODY_MAX;
	enum http_error error;

	if (strncmp(c.path, "/sandbox/", 9) != 0 && send_page(req, c.path))
		return;
	else if (!origin_is_ours(req))
		problem(&c, 403, "the sandbox answers its own page, and programs, but no other page");
	else if ((error = http_request_body(req, max, &c.body, &c.body_len)) != HTTP_OK)
		problem(&c, error == HTTP_TOO_LARGE ? 413 : 400,
			error == HTTP_TOO_LARGE ? "too large" : "the body did not come");
	else if (max != MEDIA_MAX)
		c.json = read_json(c.body, c.body_len);
	if (!c.reply.json)
		run(&c);
	respond(&c);
	cJSON_Delete(c.json);
	reply_clear(&c.reply);
}
