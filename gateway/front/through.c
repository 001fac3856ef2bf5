/*
 * What is passed through: the client's call as it came, but for who asks; the provider's answer as it came, but that
 * addresses in it lead here and hold no key. JSON is taken whole, all else streamed.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/front/internal.h"
#include "gateway/front/parts.h"
#include "gateway/json.h"
#include "gateway/log.h"

#define JSON_MAX (1024u * 1024u) /* as the sender collects it */
#define FORWARDED_MAX 10u
#define FORWARDED_ROOM 8192u /* of their values together */
#define BODY_MAX (64u * 1024u)

/* ------------------------------------------------------------ which kind */

static bool is_sandbox(const struct call *c)
{
	return is_d360(c) && c->connection.sandbox;
}

/* 0: that provider has no such call. */
static enum outbound_kind kind_of(const struct call *c)
{
	const bool d360 = is_d360(c);

	switch (c->what) {
	case WHAT_MESSAGES:
		return is_sandbox(c) ? OUTBOUND_D360_SANDBOX_PASS_MESSAGES
			: d360	     ? OUTBOUND_D360_PASS_MESSAGES
				     : OUTBOUND_META_PASS_MESSAGES;
	case WHAT_UPLOAD:
		return d360 ? OUTBOUND_D360_PASS_UPLOAD : OUTBOUND_META_PASS_UPLOAD;
	case WHAT_NODE:
		if (strcmp(c->method, "GET") == 0 && strcmp(c->id, c->connection.phone_number_id) == 0)
			return d360 ? OUTBOUND_D360_PASS_HEALTH : OUTBOUND_META_PASS_NUMBER;
		return d360 ? OUTBOUND_D360_PASS_OBJECT : OUTBOUND_META_PASS_OBJECT;
	case WHAT_DOWNLOAD:
	case WHAT_LINK:
		return d360 ? OUTBOUND_D360_PASS_DOWNLOAD : OUTBOUND_META_PASS_DOWNLOAD;
	case WHAT_NUMBERS:
		return d360 ? 0 : OUTBOUND_META_PASS_NUMBERS;
	case WHAT_TEMPLATES:
		return d360 ? OUTBOUND_D360_PASS_TEMPLATES : OUTBOUND_META_PASS_TEMPLATES;
	case WHAT_CONFIG_TEMPLATES:
		return d360 ? OUTBOUND_D360_PASS_CONFIG_TEMPLATES : OUTBOUND_META_PASS_TEMPLATES;
	case WHAT_CONFIG_TEMPLATE:
		return d360 ? OUTBOUND_D360_PASS_CONFIG_TEMPLATE : 0;
	case WHAT_PROFILE:
		return d360 ? OUTBOUND_D360_PASS_PROFILE : OUTBOUND_META_PASS_PROFILE;
	case WHAT_HEALTH:
		return d360 ? OUTBOUND_D360_PASS_HEALTH : OUTBOUND_META_PASS_NUMBER;
	case WHAT_DEBUG_TOKEN:
		break;
	}
	return 0;
}

/* ------------------------------------------------------------ the account's limit */

/* "": there is no such limit, or we do not know of which account. */
static const char *account_of(const struct call *c)
{
	return is_d360(c) ? "" : c->connection.waba_id;
}

static bool is_managing(const struct call *c)
{
	switch (c->what) {
	case WHAT_NUMBERS:
	case WHAT_TEMPLATES:
	case WHAT_CONFIG_TEMPLATES:
	case WHAT_CONFIG_TEMPLATE:
	case WHAT_PROFILE:
	case WHAT_HEALTH:
		return true;
	case WHAT_NODE:
		return strcmp(c->id, c->connection.phone_number_id) == 0;
	case WHAT_MESSAGES:
	case WHAT_UPLOAD:
	case WHAT_DOWNLOAD:
	case WHAT_LINK:
	case WHAT_DEBUG_TOKEN:
		break;
	}
	return false;
}

/* False: answered. */
static bool within_limit(struct call *c)
{
	const int64_t now = store_now_ms();
	int64_t until;

	if (!is_managing(c) || account_of(c)[0] == '\0')
		return true;
	until = meters_take(c->front->meters, account_of(c), strcmp(c->method, "GET") != 0, now);
	if (until == 0)
		return true;
	answer_refusal(c,
		&(struct refusal){.http = 429,
			.code = 80007,
			.transient = true,
			.retry_after_ms = until - now,
			.details = "The account has made as many management calls as the provider takes in an hour, or "
				   "the "
				   "provider asked for a pause. Come again then."});
	return false;
}

/* ------------------------------------------------------------ addresses in answers */

/* A page's address, on ours, without the key that the provider puts into it: path, query, less access_token. */
static char *page_here(const struct call *c, const char *url)
{
	const char *host = strstr(url, "://"), *path = host != NULL ? strchr(host + 3, '/') : NULL, *query;
	char *out;
	size_t room, used;

	if (path == NULL)
		return NULL;
	query = strchr(path, '?');
	room = strlen(c->front->public_url) + strlen(path) + 2;
	out = malloc(room);
	if (out == NULL)
		return NULL;
	used = (size_t)snprintf(out, room, "%s%.*s", c->front->public_url, (int)strcspn(path, "?"), path);
	if (query == NULL)
		return out;
	(void)query_without_ours(query + 1, out + used + 1, room - used - 1); /* it fits: it is no longer than it was */
	out[used] = out[used + 1] != '\0' ? '?' : '\0';
	return out;
}

/* Replaces a text in an object by one made of it; where none can be made it goes. *changed: something did. */
static bool replace(cJSON *object, const char *key, char *made, bool *changed)
{
	bool ok = true;

	*changed = true;
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	if (made != NULL)
		ok = cJSON_AddStringToObject(object, key, made) != NULL;
	json_text_free(made);
	return ok;
}

/* Whether an answer describes media: an object of another kind is nobody's business, whatever the shop's key may see. */
static bool describes_media(const char *text, size_t len)
{
	cJSON *tree = json_parse(text, len);
	const bool is = json_get_string(tree, "url") != NULL && json_get_string(tree, "mime_type") != NULL &&
		json_get_string(tree, "sha256") != NULL;

	cJSON_Delete(tree);
	return is;
}

/* Only numbers that the key was given: the account, or its token, may have others. */
static void keep_own_numbers(struct call *c, cJSON *list, bool *changed)
{
	for (int i = cJSON_GetArraySize(list) - 1; i >= 0; i--) {
		const char *id = json_get_string(cJSON_GetArrayItem(list, i), "id");
		struct store_connection owner;

		if (id != NULL && virtual_key_has_number(&c->who.key, id) &&
			store_connection_by_number(c->front->store, c->who.business.id, 0, id, &owner) == STORE_OK)
			continue;
		cJSON_DeleteItemFromArray(list, i);
		*changed = true;
	}
}

/* The answer with its addresses leading here; NULL: as it is. Owns: caller frees. */
static char *rewritten(struct call *c, const char *text, size_t len, const struct passage *what, bool *failed)
{
	static const char *const pages[] = {"next", "previous"};
	cJSON *tree = json_parse(text, len), *paging = json_get(tree, "paging");
	const char *url = what->is_media ? json_get_string(tree, "url") : NULL;
	bool changed = false, ok = true;
	char *out = NULL;

	if (what->is_numbers)
		keep_own_numbers(c, json_get(tree, "data"), &changed);
	if (url != NULL)
		ok = replace(tree, "url", media_link_make(c, url), &changed);
	for (size_t i = 0; i < 2 && ok; i++) {
		const char *page = json_get_string(paging, pages[i]);

		if (page != NULL)
			ok = replace(paging, pages[i], page_here(c, page), &changed);
	}
	if (changed && ok)
		out = json_text(tree);
	*failed = changed && out == NULL;
	cJSON_Delete(tree);
	return out;
}

/* ------------------------------------------------------------ the answer */

struct passing {
	struct call *call;
	const struct passage *what;
	bool begun; /* an answer has begun to go out */
	bool collects;
	int status;
	struct outbound_header headers[FORWARDED_MAX];
	char texts[FORWARDED_ROOM];
	size_t headers_len, texts_used;
	char type[256];
	char *body;
	size_t len, room;
	bool upload_broke;
	uint64_t upload_len, uploaded;
	struct parts *form; /* what is uploaded; NULL: nothing is */
	enum parts_verdict verdict; /* on it */
};

static bool is_text(const char *type)
{
	return strncasecmp(type, "application/json", 16) == 0 || strncasecmp(type, "text/", 5) == 0 ||
		strncasecmp(type, "application/javascript", 22) == 0;
}

/* Values live for the sender's call alone; one that does not fit whole would say something else, and is left out. */
static void headers_take(struct passing *p, const struct outbound_header *headers, size_t len)
{
	for (size_t i = 0; i < len && p->headers_len < FORWARDED_MAX; i++) {
		const size_t room = strlen(headers[i].value) + 1;
		char *text = p->texts + p->texts_used;

		if (strcasecmp(headers[i].name, "Content-Length") == 0)
			continue;
		if (strcasecmp(headers[i].name, "Content-Type") == 0) {
			if (room <= sizeof(p->type))
				memcpy(p->type, headers[i].value, room);
			continue;
		}
		if (room > sizeof(p->texts) - p->texts_used)
			continue;
		memcpy(text, headers[i].value, room);
		p->texts_used += room;
		/* Names are the sender's own constants. */
		p->headers[p->headers_len++] = (struct outbound_header){headers[i].name, text};
	}
}

/* Files that a browser may show in place: they are no programs. */
static bool is_shown(const char *type)
{
	static const char *const types[] = {
		"image/jpeg", "image/png", "image/webp", "image/gif", "audio/", "video/", "application/pdf"};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strncasecmp(type, types[i], strlen(types[i])) == 0)
			return true;
	return false;
}

/* A file: a customer's words, in which no address is the provider's. */
static bool is_download(const struct passing *p)
{
	return p->what->kind == OUTBOUND_META_PASS_DOWNLOAD || p->what->kind == OUTBOUND_D360_PASS_DOWNLOAD;
}

static bool take_head(void *arg, int status, const struct outbound_header *headers, size_t headers_len, uint64_t len)
{
	struct passing *p = arg;
	struct http_header out[FORWARDED_MAX + ANSWER_HEADERS + 2];
	size_t n = answer_headers(out, answer_by(p->call));

	p->status = status;
	headers_take(p, headers, headers_len);
	p->collects = !is_download(p) && is_text(p->type) && (len == OUTBOUND_LEN_UNKNOWN || len <= JSON_MAX);
	if (p->collects || p->what->is_media)
		return p->collects;
	if (p->type[0] != '\0')
		out[n++] = (struct http_header){"Content-Type", p->type};
	if (!is_shown(p->type))
		out[n++] = (struct http_header){"Content-Disposition", "attachment"};
	for (size_t i = 0; i < p->headers_len; i++)
		out[n++] = (struct http_header){p->headers[i].name, p->headers[i].value};
	p->begun = true;
	http_respond_begin(p->call->req, status, out, n, len == OUTBOUND_LEN_UNKNOWN ? HTTP_LEN_UNKNOWN : (size_t)len);
	return true;
}

/* What a provider says may hold what it was told. */
static void body_drop(struct passing *p)
{
	if (p->body != NULL)
		vault_wipe(p->body, p->room);
	free(p->body);
	p->body = NULL;
}

static bool collect(struct passing *p, const void *data, size_t len)
{
	size_t room = p->room > 0 ? p->room : 4096;
	char *grown;

	while (room < p->len + len + 1)
		room *= 2;
	if (p->len + len > JSON_MAX)
		return false;
	if (room != p->room) {
		grown = malloc(room);
		if (grown == NULL)
			return false;
		if (p->len > 0)
			memcpy(grown, p->body, p->len);
		body_drop(p);
		p->body = grown;
		p->room = room;
	}
	memcpy(p->body + p->len, data, len);
	p->len += len;
	p->body[p->len] = '\0';
	return true;
}

static bool take_part(void *arg, const void *data, size_t len)
{
	struct passing *p = arg;

	return p->collects ? collect(p, data, len) : http_respond_part(p->call->req, data, len);
}

static bool is_2xx(int status)
{
	return status >= 200 && status < 300;
}

static void answer_collected(struct passing *p)
{
	struct call *c = p->call;
	struct http_header out[FORWARDED_MAX + 1];
	size_t n = p->headers_len;
	const bool good = is_2xx(p->status) && (!p->what->is_media || (p->len > 0 && describes_media(p->body, p->len)));
	bool failed = false;
	char *text = p->len > 0 ? rewritten(c, p->body, p->len, p->what, &failed) : NULL;

	for (size_t i = 0; i < p->headers_len; i++)
		out[i] = (struct http_header){p->headers[i].name, p->headers[i].value};
	if ((c->what == WHAT_DOWNLOAD || c->what == WHAT_LINK) && !is_shown(p->type))
		out[n++] = (struct http_header){"Content-Disposition", "attachment"};
	if (!good && p->what->missed != NULL)
		*p->what->missed = true;
	else if (!good && is_2xx(p->status))
		answer_no_such(c);
	else if (p->what->there != NULL && is_2xx(p->status))
		*p->what->there = true;
	else if (failed)
		answer_unavailable(c, "Memory is short.");
	else
		answer_bytes(c, p->status, p->type, out, n, text != NULL ? text : p->body,
			text != NULL ? strlen(text) : p->len);
	json_text_free(text);
}

/* ------------------------------------------------------------ the body */

static ptrdiff_t give_body(void *arg, void *buf, size_t room)
{
	struct passing *p = arg;
	size_t n = 0;

	if (http_request_read(p->call->req, buf, room, &n) != HTTP_OK) {
		p->upload_broke = true;
		return -1;
	}
	p->uploaded += n;
	p->verdict = p->uploaded <= OUTBOUND_UPLOAD_MAX ? parts_feed(p->form, buf, n) : PARTS_TOO_LONG;
	/* The last piece does not go where the form has no end: the provider never has a whole one then. */
	if (p->verdict == PARTS_FINE && (n == 0 || p->uploaded == p->upload_len))
		p->verdict = parts_end(p->form);
	return p->verdict == PARTS_FINE ? (ptrdiff_t)n : -1;
}

/* ------------------------------------------------------------ how it ended */

static void answer_too_long(struct call *c)
{
	answer_refusal(c,
		&(struct refusal){.http = 413,
			.code = 100,
			.details =
				"A file of at most 100 MB (104857600 bytes) is uploaded, in a form with at most 64 KiB "
				"around it."});
}

static void answer_form(struct call *c, enum parts_verdict verdict)
{
	if (verdict == PARTS_TOO_LONG) {
		answer_too_long(c);
		return;
	}
	answer_refusal(c,
		&(struct refusal){.http = 400,
			.code = 100,
			.details = verdict == PARTS_NAMES_OURS ? "A part of the form has a name that may not be passed "
								 "on; the key belongs into the header "
								 "Authorization."
							       : "The body must be multipart/form-data that reads in "
								 "one way only: one boundary in its type, one "
								 "plain name for each part, in a head of at most 4 "
								 "KiB, and the last boundary at its end."});
}

static void answer_end(struct passing *p, enum outbound_passed how, const struct outbound_result *r)
{
	struct call *c = p->call;

	/* What has begun can only be broken off, and the client has to see that it is not whole. */
	if (p->begun) {
		if (how != OUTBOUND_PASSED_WHOLE)
			http_hang_up(c->req);
		return;
	}
	if (p->verdict != PARTS_FINE) {
		answer_form(c, p->verdict);
		return;
	}
	if (p->upload_broke) {
		answer_refusal(c,
			&(struct refusal){.http = 408, .code = 100, .details = "The body did not arrive as a whole."});
		return;
	}
	switch (how) {
	case OUTBOUND_PASSED_WHOLE:
		answer_collected(p);
		return;
	case OUTBOUND_PASSED_NOT_SENT:
		answer_refusal(c,
			&(struct refusal){.http = 503,
				.code = 2,
				.transient = true,
				.retry_after_ms = 5000,
				.details = r->reason[0] != '\0' ? r->reason : "The provider could not be asked."});
		return;
	case OUTBOUND_PASSED_BROKEN:
	case OUTBOUND_PASSED_STOPPED:
		answer_refusal(c,
			&(struct refusal){.http = 504,
				.code = 131000,
				.details = "The provider's answer did not come as a whole."});
		return;
	case OUTBOUND_PASSED_BUSY:
		answer_unavailable(c, "As many calls as may be are on their way to the provider.");
		return;
	case OUTBOUND_PASSED_GONE:
		answer_unavailable(c, "The sender does not answer now.");
		return;
	case OUTBOUND_PASSED_INVALID:
		answer_refusal(c,
			&(struct refusal){.http = 400,
				.code = 100,
				.details = "The call is not one that can be passed on: look at its path, its query and "
					   "its "
					   "body."});
		return;
	}
}

/* Most refusals of a permission are about what was asked; these are not. */
static bool is_about_the_key(const struct call *c, const struct outbound_result *r)
{
	return r->class == OUTBOUND_AUTH && (is_d360(c) ? r->http_status == 401 : r->code == 190);
}

/* What the provider says of the shop's key is looked into. */
static void look_soon(struct call *c)
{
	const enum store_error err =
		store_health_soon(c->front->store, c->who.business.id, c->connection.id, store_now_ms());

	if (err != STORE_OK && err != STORE_NOT_FOUND)
		log_warn("front: a refused key is not looked into soon business=%s", c->who.business.id);
}

/* form: what is uploaded, which is taken; NULL: nothing is. */
static void pass(struct call *c, struct outbound_pass *out, const struct passage *what, struct parts *form)
{
	struct passing *p = calloc(1, sizeof(*p));
	struct outbound_result r = {.class = OUTBOUND_NOT_SENT};
	enum outbound_passed how;

	if (p == NULL) {
		parts_free(form);
		answer_unavailable(c, "Memory is short.");
		return;
	}
	p->call = c;
	p->what = what;
	p->form = form;
	p->verdict = PARTS_FINE;
	p->upload_len = out->upload_len;
	out->kind = what->kind;
	out->business_id = c->who.business.id;
	out->connection_id = c->connection.id;
	out->method = what->method != NULL ? what->method : c->method;
	out->version = c->version[0] != '\0' && !is_d360(c) ? c->version : NULL;
	out->object_id = what->object_id;
	out->path = what->path;
	out->query = what->query;
	out->head = take_head;
	out->part = take_part;
	out->arg = p;
	if (form != NULL)
		out->read = give_body;
	how = outbound_pass(c->front->outbound, out, &r);
	/* What it says of waiting, it says of all that the account asks. */
	if (r.regain_ms > 0 && account_of(c)[0] != '\0')
		meters_stop(c->front->meters, account_of(c), store_now_ms() + r.regain_ms);
	if (is_about_the_key(c, &r))
		look_soon(c);
	answer_end(p, how, &r);
	outbound_result_clear(&r);
	body_drop(p);
	parts_free(p->form);
	vault_wipe(p, sizeof(*p));
	free(p);
}

void passage_run(struct call *c, const struct passage *what)
{
	struct outbound_pass out = {.content_type = NULL};

	pass(c, &out, what, NULL);
}

void passage_body(struct call *c, const struct cJSON *body)
{
	const struct passage what = {.kind = kind_of(c)};
	char *text = json_text(body);
	struct outbound_pass out = {.body = text, .body_len = text != NULL ? strlen(text) : 0};

	if (text == NULL)
		answer_unavailable(c, "Memory is short.");
	else
		pass(c, &out, &what, NULL);
	json_text_free(text);
}

/* ------------------------------------------------------------ calls */

static void upload(struct call *c, const struct passage *what)
{
	const char *length = http_request_header(c->req, "Content-Length");
	const char *type = http_request_header(c->req, "Content-Type");
	struct outbound_pass out = {.content_type = type, .upload_len = OUTBOUND_LEN_UNKNOWN};
	enum parts_verdict verdict;
	struct parts *form;

	if (length != NULL)
		out.upload_len = strtoull(length, NULL, 10);
	if (length != NULL && out.upload_len == 0) {
		answer_form(c, PARTS_UNREADABLE);
		return;
	}
	if (length != NULL && out.upload_len > OUTBOUND_UPLOAD_MAX) {
		answer_too_long(c);
		return;
	}
	form = parts_new(type != NULL ? type : "", &verdict);
	if (form != NULL)
		pass(c, &out, what, form);
	else if (verdict == PARTS_FINE)
		answer_unavailable(c, "Memory is short.");
	else
		answer_form(c, verdict);
}

static void with_body(struct call *c, const struct passage *what)
{
	struct outbound_pass out = {.content_type = http_request_header(c->req, "Content-Type")};
	const uint8_t *bytes = NULL;
	size_t len = 0;

	switch (http_request_body(c->req, BODY_MAX, &bytes, &len)) {
	case HTTP_OK:
		break;
	case HTTP_TOO_LARGE:
		answer_refusal(
			c, &(struct refusal){.http = 413, .code = 100, .details = "The body is longer than 64 KiB."});
		return;
	case HTTP_TIMED_OUT:
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_BAD_QUERY:
	case HTTP_NO_SUCH_PARAM:
	case HTTP_SETUP_FAILED:
		answer_refusal(c,
			&(struct refusal){.http = 408, .code = 100, .details = "The body did not arrive as a whole."});
		return;
	}
	out.body = (const char *)bytes;
	out.body_len = len;
	pass(c, &out, what, NULL);
}

#define NUMBERS_TRIED 8u

/* By which of the key's numbers it is media, where the call does not say: each is asked. False: answered. */
static bool object_find(struct call *c, const struct passage *look)
{
	struct passage one = *look;

	for (size_t n = 0; c->any_number && n < NUMBERS_TRIED && connection_nth(c, n); n++) {
		bool there = false, missed = false;

		one.there = &there;
		one.missed = &missed;
		one.kind = kind_of(c);
		passage_run(c, &one);
		if (!missed)
			return there;
	}
	return !c->any_number || connection_nth(c, 0);
}

/* An id may be of anything that the shop's key can reach, which is more than the virtual key may: it has to be media. */
static void object(struct call *c, const struct passage *what)
{
	struct passage look = *what, run = *what;
	const bool reads = strcmp(c->method, "GET") == 0;
	bool there = false;

	look.is_media = true;
	look.method = "GET";
	if (!object_find(c, &look))
		return;
	run.kind = look.kind = kind_of(c);
	if (reads) {
		passage_run(c, &look);
		return;
	}
	look.there = &there;
	passage_run(c, &look);
	if (there)
		passage_run(c, &run);
}

/* Of a number Meta tells these unasked, 360dialog its health alone: the client reads them all the same. */
static void ask_of_number(struct call *c)
{
	static const char fields[] = "fields=id,display_phone_number,verified_name,quality_rating";
	const size_t used = strlen(c->sent_query);
	char none[1];

	if (http_query_get(c->sent_query, "fields", none, sizeof(none)) == HTTP_NO_SUCH_PARAM &&
		used + 1 + sizeof(fields) <= sizeof(c->sent_query))
		(void)snprintf(c->sent_query + used, sizeof(c->sent_query) - used, "%s%s", used > 0 ? "&" : "", fields);
}

void through(struct call *c)
{
	struct passage what = {.kind = kind_of(c)};

	if (what.kind == OUTBOUND_D360_PASS_HEALTH && c->what == WHAT_NODE)
		ask_of_number(c);
	what.query = c->sent_query[0] != '\0' ? c->sent_query : NULL;
	if (what.kind == 0) {
		answer_no_such(c);
		return;
	}
	if (!within_limit(c))
		return;
	if (what.kind == OUTBOUND_META_PASS_OBJECT || what.kind == OUTBOUND_D360_PASS_OBJECT) {
		what.object_id = c->id;
		what.query = NULL; /* the number is added below: whose it is not, does not get it */
		object(c, &what);
		return;
	}
	what.is_numbers = what.kind == OUTBOUND_META_PASS_NUMBERS;
	if (what.kind == OUTBOUND_D360_PASS_CONFIG_TEMPLATE) {
		what.object_id = c->name;
		what.query = NULL;
	}
	if (what.kind == OUTBOUND_META_PASS_DOWNLOAD)
		what.path = c->at;
	if (c->what == WHAT_UPLOAD)
		upload(c, &what);
	else if (strcmp(c->method, "POST") == 0)
		with_body(c, &what);
	else
		passage_run(c, &what);
}
