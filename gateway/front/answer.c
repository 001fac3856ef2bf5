/*
 * Answers: the provider's as they came, and what we refuse ourselves in the shape that the client reads: Meta's error
 * object (facts/meta.md 3), and for 360dialog's clients its meta object besides (facts/360dialog.md 4).
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/front/internal.h"
#include "gateway/json.h"

#define HEADERS_MAX 16u
#define SCOPE_WORDS_LEN 160u

const char *answer_by(const struct call *c)
{
	return is_d360(c) ? "360dialog" : "meta";
}

/* A customer's file may be a page, and must not run here as one of ours, whoever opens it. */
size_t answer_headers(struct http_header out[static ANSWER_HEADERS], const char *by)
{
	out[0] = (struct http_header){"Cache-Control", "no-store"};
	out[1] = (struct http_header){"X-Content-Type-Options", "nosniff"};
	out[2] = (struct http_header){"Content-Security-Policy", "sandbox; default-src 'none'"};
	out[3] = (struct http_header){"Referrer-Policy", "no-referrer"};
	out[4] = (struct http_header){"X-Keyhouse-Answered-By", by};
	return ANSWER_HEADERS;
}

static void send(struct call *c, int http, const char *by, const char *type, const struct http_header *more,
	size_t more_len, const void *body, size_t len)
{
	struct http_header headers[HEADERS_MAX];
	size_t n = answer_headers(headers, by);

	if (type != NULL && type[0] != '\0')
		headers[n++] = (struct http_header){"Content-Type", type};
	for (size_t i = 0; i < more_len && n < HEADERS_MAX; i++)
		headers[n++] = more[i];
	http_respond(c->req, http, headers, n, body, len);
}

void answer_bytes(struct call *c, int http, const char *type, const struct http_header *more, size_t more_len,
	const void *body, size_t len)
{
	send(c, http, answer_by(c), type, more, more_len, body, len);
}

static void send_tree(struct call *c, int http, cJSON *tree, const struct http_header *more, size_t more_len)
{
	static const char short_of_memory[] =
		"{\"error\":{\"message\":\"(#2) Service unavailable\",\"type\":\"OAuthException\",\"code\":2,"
		"\"is_transient\":true}}";
	char *text = tree != NULL ? json_text(tree) : NULL;

	cJSON_Delete(tree);
	if (text != NULL)
		send(c, http, "keyhouse", "application/json; charset=UTF-8", more, more_len, text, strlen(text));
	else
		send(c, 503, "keyhouse", "application/json; charset=UTF-8", NULL, 0, short_of_memory,
			sizeof(short_of_memory) - 1);
	json_text_free(text);
}

void answer_json(struct call *c, int http, cJSON *tree)
{
	send_tree(c, http, tree, NULL, 0);
}

/* In few words, as Meta puts them before the details. */
static const char *title_of(int code)
{
	switch (code) {
	case 2:
		return "Service temporarily unavailable";
	case 10:
		return "Permission denied";
	case 33:
	case 100:
		return "Invalid parameter";
	case 190:
		return "Invalid access token";
	case 368:
		return "Temporarily blocked";
	case 80007:
		return "Rate limit of the account reached";
	case 2500:
		return "Unknown path components";
	case 130429:
		return "Rate limit reached";
	case 131000:
		return "Outcome unknown";
	case 131026:
		return "Message undeliverable";
	case 131042:
		return "Payment or account problem";
	case 131047:
		return "More than 24 hours since the customer wrote";
	case 131056:
		return "Rate limit of this number to this customer reached";
	default:
		return "Request refused";
	}
}

static bool add_error(cJSON *body, const struct refusal *r)
{
	cJSON *error = cJSON_AddObjectToObject(body, "error"), *data;
	char titled[96], trace[STORE_ID_LEN + 1];

	(void)snprintf(titled, sizeof(titled), "(#%d) %s", r->code, title_of(r->code));
	store_id_new(trace);
	if (cJSON_AddStringToObject(error, "message", r->message != NULL ? r->message : titled) == NULL ||
		cJSON_AddStringToObject(error, "type", r->subcode == 33 ? "GraphMethodException" : "OAuthException") ==
			NULL ||
		cJSON_AddNumberToObject(error, "code", r->code) == NULL ||
		(r->subcode != 0 && cJSON_AddNumberToObject(error, "error_subcode", r->subcode) == NULL))
		return false;
	data = cJSON_AddObjectToObject(error, "error_data");
	return cJSON_AddStringToObject(data, "messaging_product", "whatsapp") != NULL &&
		cJSON_AddStringToObject(data, "details", r->details) != NULL &&
		cJSON_AddBoolToObject(error, "is_transient", r->transient) != NULL &&
		cJSON_AddStringToObject(error, "fbtrace_id", trace) != NULL;
}

static bool add_meta(cJSON *body, const struct refusal *r)
{
	cJSON *meta = cJSON_AddObjectToObject(body, "meta");

	return cJSON_AddBoolToObject(meta, "success", false) != NULL &&
		cJSON_AddNumberToObject(meta, "http_code", r->http) != NULL &&
		cJSON_AddStringToObject(meta, "developer_message", r->details) != NULL;
}

/* How to say who asks (RFC 9110, RFC 6750). */
static const char *challenge(const struct call *c)
{
	if (c->shape == SHAPE_D360)
		return "D360-API-KEY realm=\"keyhouse\"";
	return c->key.text != NULL ? "Bearer realm=\"keyhouse\", error=\"invalid_token\"" : "Bearer realm=\"keyhouse\"";
}

void answer_refusal(struct call *c, const struct refusal *r)
{
	cJSON *body = cJSON_CreateObject();
	struct http_header more[2];
	size_t n = 0;
	char seconds[24];
	const bool ok = body != NULL && (c->shape != SHAPE_D360 || add_meta(body, r)) && add_error(body, r);

	(void)snprintf(seconds, sizeof(seconds), "%lld", (long long)((r->retry_after_ms + 999) / 1000));
	if (r->retry_after_ms > 0)
		more[n++] = (struct http_header){"Retry-After", seconds};
	if (r->http == 401)
		more[n++] = (struct http_header){"WWW-Authenticate", challenge(c)};
	if (r->http == 429)
		atomic_fetch_add(&c->front->limited, 1);
	if (!ok) {
		cJSON_Delete(body);
		body = NULL;
	}
	send_tree(c, r->http, body, more, n);
}

/* The scopes any of which the call needs, after the reason: "media or read". */
static void scope_words(const struct call *c, char out[static SCOPE_WORDS_LEN])
{
	size_t used = (size_t)snprintf(out, SCOPE_WORDS_LEN,
		"This virtual key was not made for such calls. Have one made that has the scope ");
	bool any = false;

	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES && used < SCOPE_WORDS_LEN; i++) {
		if ((c->key.scopes & virtual_key_scopes[i].bit) == 0)
			continue;
		used += (size_t)snprintf(
			out + used, SCOPE_WORDS_LEN - used, "%s%s", any ? " or " : "", virtual_key_scopes[i].name);
		any = true;
	}
	(void)snprintf(out + used, SCOPE_WORDS_LEN - used, ".");
}

void answer_refused_key(struct call *c)
{
	static const struct {
		int http, code, subcode;
	} rows[REFUSED_WHYS] = {
		[REFUSED_NO_KEY] = {401, 190, 0},
		[REFUSED_MALFORMED] = {401, 190, 0},
		[REFUSED_ADMIN_TOKEN] = {401, 190, 0},
		[REFUSED_PROVIDERS_KEY] = {401, 190, 0},
		[REFUSED_UNKNOWN] = {401, 190, 0},
		[REFUSED_REVOKED] = {401, 190, 467},
		[REFUSED_EXPIRED] = {401, 190, 463},
		[REFUSED_SUSPENDED] = {403, 368, 0},
		[REFUSED_SCOPE] = {403, 10, 0},
		[REFUSED_NUMBER] = {400, 100, 33},
		[REFUSED_RATE] = {429, 130429, 0},
		[REFUSED_BUDGET] = {429, 130429, 0},
	};
	const enum refused_why why = c->who.why;
	char words[SCOPE_WORDS_LEN];
	struct refusal r = {.http = rows[why].http,
		.code = rows[why].code,
		.subcode = rows[why].subcode,
		.transient = why == REFUSED_RATE || why == REFUSED_BUDGET,
		.retry_after_ms = c->who.retry_after_ms,
		.details = refused_words(why)};

	if (why == REFUSED_SCOPE) {
		scope_words(c, words);
		r.details = words;
	}
	atomic_fetch_add(&c->front->refused, 1);
	if (why == REFUSED_NUMBER)
		answer_no_such(c);
	else
		answer_refusal(c, &r);
}

/* Meta's word for the method in a sentence. */
static const char *method_word(const char *method)
{
	if (strcmp(method, "GET") == 0)
		return "get";
	if (strcmp(method, "POST") == 0)
		return "post";
	return strcmp(method, "DELETE") == 0 ? "delete" : "other";
}

static void no_such(struct call *c, const char *details)
{
	char message[240];

	(void)snprintf(message, sizeof(message),
		"Unsupported %s request. Object with ID '%s' does not exist, cannot be loaded due to missing "
		"permissions, or does not support this operation",
		method_word(c->method), c->id);
	answer_refusal(c,
		&(struct refusal){.http = 400,
			.code = 100,
			.subcode = 33,
			.message = c->id[0] != '\0' ? message : NULL,
			.details = details});
}

void answer_no_such(struct call *c)
{
	no_such(c,
		"Unsupported request: the object of this path does not exist, cannot be used with this key, or does "
		"not support this call.");
}

void answer_no_call(struct call *c)
{
	no_such(c,
		"Unsupported request: there is no such call here. /openapi.yaml lists those that there are. Webhooks "
		"are set by Keyhouse itself, which hands on what comes.");
}

void answer_no_version(struct call *c)
{
	answer_refusal(c,
		&(struct refusal){.http = 400,
			.code = 2500,
			.details = "The version in the path has another form than v{N}.{M}: write /v23.0/... where it "
				   "says "
				   "/v23/..."});
}

void answer_unavailable(struct call *c, const char *details)
{
	answer_refusal(c,
		&(struct refusal){
			.http = 503, .code = 2, .transient = true, .retry_after_ms = 5000, .details = details});
}
