/*
 * POST messages: a message is noted, sent and answered; what is no message (a read mark, a typing indicator) is passed
 * through. The answer is the provider's own.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/front/internal.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/once.h"

#define BODY_MAX (64u * 1024u)
#define ANSWER_MS 40000 /* longer than the sender waits for the provider */
#define WHY_LEN 300u
#define INPUT_MAX 64u /* of a phone, with what stands between its digits */
#define PATH_ROOM 64u /* of a path of messages: version and number have their lengths */

static void refuse(struct call *c, int http, int code, const char *details)
{
	answer_refusal(c, &(struct refusal){.http = http, .code = code, .details = details});
}

/* ------------------------------------------------------------ what is kept of it */

struct once_state {
	bool is; /* the call carries a key, and is the first; until it is ended */
	struct store_once row;
};

/* Keeps what a send came to, before that is told: who asks again under its key is told the same. body NULL: it has no answer
 * that could be given again. What the same call need not meet again may be made again. */
static void send_ended(struct call *c, struct once_state *once, enum outbound_class class, int http, const char *body)
{
	struct tenants *t = c->front->tenants;
	enum store_error err = STORE_OK;

	if (!once->is)
		return;
	switch (class) {
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_AUTH:
	case OUTBOUND_ACCOUNT:
	case OUTBOUND_WINDOW:
	case OUTBOUND_NO_CREDENTIAL:
		err = once_forget(t, &once->row);
		break;
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
		err = body == NULL ? once_forget(t, &once->row) : once_keep(t, &once->row, http, body, strlen(body));
		break;
	case OUTBOUND_OUTCOME_UNKNOWN:
		err = once_keep(t, &once->row, http, NULL, 0);
		break;
	case OUTBOUND_ACCEPTED:
		err = once_keep(t, &once->row, http, body, body != NULL ? strlen(body) : 0);
		break;
	}
	if (err != STORE_OK)
		log_warn("front: an answer is not kept for its Idempotency-Key business=%s", c->who.business.id);
	once->is = false;
}

/* ------------------------------------------------------------ what came of it */

/* Meta's code for an answer of 360dialog's that is not in Meta's shape. */
static int code_of(const struct outbound_result *r)
{
	switch (r->class) {
	case OUTBOUND_RATE_LIMITED:
		return 130429;
	case OUTBOUND_AUTH:
	case OUTBOUND_NO_CREDENTIAL:
		return 190;
	case OUTBOUND_ACCOUNT:
		return 131042;
	case OUTBOUND_WINDOW:
		return 131047;
	case OUTBOUND_RECIPIENT:
		return 131026;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_RETRYABLE:
		return 2;
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_ACCEPTED:
	case OUTBOUND_MESSAGE:
		break;
	}
	return 131000;
}

/* Whether a client of this shape reads that answer: Meta's clients know no answer of 360dialog's own. */
static bool reads(const struct call *c, const char *verbatim)
{
	cJSON *tree;
	bool known;

	if (c->shape == SHAPE_D360 || !is_d360(c))
		return true;
	tree = json_parse(verbatim, strlen(verbatim));
	known = json_get(tree, "error") != NULL || json_get(tree, "messages") != NULL ||
		json_get(tree, "success") != NULL;
	cJSON_Delete(tree);
	return known;
}

/* The provider's own, but for the body's type; returns how many. */
static size_t headers_of(const struct outbound_result *r, struct http_header out[static OUTBOUND_HEADERS])
{
	size_t n = 0;

	for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
		if (i != OUTBOUND_HEADER_TYPE && r->headers[i] != NULL)
			out[n++] = (struct http_header){outbound_header_names[i], r->headers[i]};
	return n;
}

static void answer_result(struct call *c, const struct outbound_result *r, struct once_state *once)
{
	const bool came = r->whole && r->verbatim != NULL && reads(c, r->verbatim);
	struct refusal told = {.code = code_of(r),
		.transient = r->class == OUTBOUND_NOT_SENT || r->class == OUTBOUND_RETRYABLE ||
			r->class == OUTBOUND_RATE_LIMITED,
		.retry_after_ms = r->retry_after_ms,
		.details = r->reason};

	send_ended(c, once, r->class, r->http_status, came ? r->verbatim : NULL);
	if (came) {
		struct http_header headers[OUTBOUND_HEADERS];
		const size_t n = headers_of(r, headers);

		answer_bytes(c, r->http_status, r->headers[OUTBOUND_HEADER_TYPE], headers, n, r->verbatim,
			strlen(r->verbatim));
		return;
	}
	if (r->class == OUTBOUND_ACCEPTED)
		told.details =
			"The provider accepted the message, and its answer is longer than is passed on. A status tells "
			"what becomes of it.";
	told.http = r->class == OUTBOUND_OUTCOME_UNKNOWN || r->class == OUTBOUND_ACCEPTED ? 504
		: r->class == OUTBOUND_NOT_SENT						  ? 503
		: r->http_status >= 400							  ? r->http_status
											  : 502;
	answer_refusal(c, &told);
}

/* A phone goes out as "+" and digits, and the provider tells it so: a client that looks for the input it wrote finds it.
 * Whatever else the provider says there stays, and the whole of it where memory is short. */
static void input_as_written(const char *text, struct outbound_result *r)
{
	char customer[OUTBOUND_CUSTOMER_MAX + 1], *changed = NULL;
	cJSON *message = json_parse(text, strlen(text));
	cJSON *answer = r->verbatim != NULL ? json_parse(r->verbatim, strlen(r->verbatim)) : NULL;
	cJSON *contact = json_get_path(answer, "contacts[0]");
	const char *to = json_get_string(message, "to"), *input = json_get_string(contact, "input");

	if (to != NULL && strlen(to) <= INPUT_MAX && input != NULL && input[0] == '+' && strcmp(input, to) != 0 &&
		outbound_message_customer(text, strlen(text), customer) && strcmp(input + 1, customer) == 0 &&
		cJSON_ReplaceItemInObjectCaseSensitive(contact, "input", cJSON_CreateString(to)) &&
		json_get_string(contact, "input") != NULL)
		changed = json_text(answer);
	if (changed != NULL) {
		json_text_free(r->verbatim);
		r->verbatim = changed;
	}
	vault_wipe(customer, sizeof(customer));
	cJSON_Delete(message);
	cJSON_Delete(answer);
}

/* Why no provider was asked, or what it answered is not known. */
static const struct {
	int http, code;
	bool passes; /* it is known when */
	const char *details;
} not_gone[] = {
	[OUTBOUND_NOT_NOW] = {429, 130429, true,
		"Not sent: the number has sent as many messages as the provider takes, or the provider asked for a "
		"pause. Come again then."},
	[OUTBOUND_NO_ANSWER] = {503, 2, true, "Not sent: the provider did not answer lately. Come again then."},
	[OUTBOUND_REFUSED] = {403, 368, true,
		"Not sent: the provider refused the shop's own key or account just now. That is looked into, and the "
		"shop is told; this virtual key is fine."},
	[OUTBOUND_PAIR_LIMIT] = {429, 131056, true, "Not sent: too many messages to this customer in a short time."},
	[OUTBOUND_NO_KEY] = {403, 368, false,
		"Not sent: the shop's own key does not work now, or its connection is suspended. The shop was told; "
		"this virtual key is fine."},
	[OUTBOUND_LATE] = {504, 131000, false,
		"The provider's answer did not come in time: the message may have been accepted. It is not repeated; "
		"a status tells what becomes of it."},
};

static void answer_not_gone(struct call *c, enum outbound_go go, int64_t retry_after_ms, struct once_state *once)
{
	send_ended(c, once, go == OUTBOUND_LATE ? OUTBOUND_OUTCOME_UNKNOWN : OUTBOUND_NOT_SENT, 0, NULL);
	if (go == OUTBOUND_KEY_ENDED || go == OUTBOUND_NO_BUDGET) {
		virtual_keys_refuse(
			c->front->keys, &c->key, go == OUTBOUND_KEY_ENDED ? REFUSED_REVOKED : REFUSED_BUDGET, &c->who);
		answer_refused_key(c);
	} else if (go == OUTBOUND_FAULT) {
		answer_unavailable(c, "Not sent: this cannot be done now.");
	} else {
		answer_refusal(c,
			&(struct refusal){.http = not_gone[go].http,
				.code = not_gone[go].code,
				.transient = not_gone[go].passes,
				.retry_after_ms = not_gone[go].passes ? retry_after_ms : 0,
				.details = not_gone[go].details});
	}
}

/* ------------------------------------------------------------ a message */

static void send_message(struct call *c, const char *text, struct once_state *once)
{
	struct outbound_direct d = {
		.virtual_key_id = c->who.key.id, .version = c->version[0] != '\0' ? c->version : NULL};
	struct outbound_result r = {.class = OUTBOUND_NOT_SENT};
	uint8_t *content = NULL;
	int64_t retry_after_ms;
	enum outbound_go go;

	memcpy(d.message.business_id, c->who.business.id, sizeof(d.message.business_id));
	memcpy(d.message.connection_id, c->connection.id, sizeof(d.message.connection_id));
	memcpy(d.message.number, c->connection.phone_number_id, sizeof(d.message.number));
	if (outbound_message_seal(c->front->tenants, text, strlen(text), &d.message, &content) != OUTBOUND_OK) {
		send_ended(c, once, OUTBOUND_NOT_SENT, 0, NULL);
		answer_unavailable(c, "Not sent: the business's keys cannot be used now.");
		return;
	}
	d.once_key = once->is ? once->row.key : NULL;
	go = outbound_send(c->front->outbound, &d, ANSWER_MS, &r, &retry_after_ms);
	if (go == OUTBOUND_WENT) {
		input_as_written(text, &r);
		answer_result(c, &r, once);
		outbound_result_clear(&r);
	} else {
		answer_not_gone(c, go, retry_after_ms, once);
	}
	free(content);
}

/* False: answered. */
static bool once_first(struct call *c, const char *text, struct once_state *once)
{
	char path[PATH_ROOM];
	struct once_call call = {.business_id = c->who.business.id,
		.method = c->method,
		.path = path,
		.query = c->who.key.id, /* another consumer's key is another's */
		.key = http_request_header_repeats(c->req, "Idempotency-Key")
			? ""
			: http_request_header(c->req, "Idempotency-Key"),
		.body = text,
		.body_len = strlen(text)};
	struct store_once_answer first;
	struct once_fault fault;

	if (call.key == NULL)
		return true;
	/* One slash more is the same call. */
	(void)snprintf(path, sizeof(path), "%s", c->at);
	if (path[strlen(path) - 1] == '/')
		path[strlen(path) - 1] = '\0';
	if (!once_key_ok(call.key)) {
		refuse(c, 400, 100, "Idempotency-Key: must be given once, as 1 to 255 printable characters.");
		return false;
	}
	switch (once_begin(c->front->tenants, &call, &once->row, &first, &fault)) {
	case ONCE_NEW:
		once->is = true;
		return true;
	case ONCE_ANSWERED:
		answer_bytes(c, first.http_status, "application/json; charset=UTF-8",
			&(struct http_header){"Idempotent-Replayed", "true"}, 1, first.body, first.body_len);
		json_text_free(first.body);
		return false;
	case ONCE_LOST:
		refuse(c, 504, 131000,
			"The same call came before, and what came of it is not known here: the message may have been "
			"accepted. It is not sent again; a status tells what became of it.");
		return false;
	case ONCE_OTHER:
		refuse(c, 422, 100, "Idempotency-Key: it came before with another body.");
		return false;
	case ONCE_IN_FLIGHT:
		refuse(c, 409, 131000, "The same call is on its way: ask again in a few seconds.");
		return false;
	case ONCE_TENANT:
	case ONCE_STORE:
		answer_unavailable(c, "Not sent: this cannot be done now.");
		return false;
	}
	return false;
}

/* Asked once it is known that the call is not one that was answered. False: answered. */
static bool budget_left(struct call *c, struct once_state *once)
{
	if (!virtual_key_is_spent(&c->who.key))
		return true;
	send_ended(c, once, OUTBOUND_NOT_SENT, 0, NULL);
	virtual_keys_refuse(c->front->keys, &c->key, REFUSED_BUDGET, &c->who);
	answer_refused_key(c);
	return false;
}

/* Old samples leave the type of a text out (facts/meta.md 2). */
static bool type_fill(cJSON *message)
{
	return json_get(message, "type") != NULL || json_get(message, "text") == NULL ||
		cJSON_AddStringToObject(message, "type", "text") != NULL;
}

/* Whether the customer may be written to freely, as far as is known here. False: answered. */
static bool window_open(struct call *c, const char *text)
{
	struct store_message where = {.type = ""};
	char words[OUTBOUND_WINDOW_WORDS_LEN];
	struct outbound_window window;

	if (!c->who.business.window_checked)
		return true;
	memcpy(where.business_id, c->who.business.id, sizeof(where.business_id));
	memcpy(where.connection_id, c->connection.id, sizeof(where.connection_id));
	memcpy(where.number, c->connection.phone_number_id, sizeof(where.number));
	if (outbound_window(c->front->tenants, text, strlen(text), &where, &window) != OUTBOUND_OK) {
		answer_unavailable(c, "Not sent: this cannot be done now.");
		return false;
	}
	if (window.is != OUTBOUND_WINDOW_CLOSED)
		return true;
	outbound_window_words(&window, words);
	refuse(c, 400, 131047, words);
	return false;
}

static void message_take(struct call *c, cJSON *message)
{
	struct once_state once = {.is = false};
	char why[WHY_LEN] = "", *text;

	text = type_fill(message) ? json_text(message) : NULL;
	if (text == NULL)
		answer_unavailable(c, "Not sent: memory is short.");
	else if (!outbound_message_valid(text, strlen(text), why, sizeof(why)))
		refuse(c, 400, 100, why);
	else if (once_first(c, text, &once) && budget_left(c, &once) && window_open(c, text))
		send_message(c, text, &once);
	/* The window was closed. */
	send_ended(c, &once, OUTBOUND_NOT_SENT, 0, NULL);
	json_text_free(text);
}

/* ------------------------------------------------------------ what came */

/* A read mark, with or without a typing indicator, and nothing else: what a customer gets is a message, and is noted,
 * counted and bound to limits. Made anew, or NULL. */
static cJSON *read_mark(const cJSON *body)
{
	static const char *const fields[] = {"messaging_product", "status", "message_id", "typing_indicator"};
	const char *status = json_get_string(body, "status"), *id = json_get_string(body, "message_id");
	const char *typing = json_get_string(json_get(body, "typing_indicator"), "type");
	unsigned seen[4] = {0};
	cJSON *mark;

	for (const cJSON *field = body->child; field != NULL; field = field->next) {
		size_t i = 0;

		while (i < 4 && strcmp(field->string, fields[i]) != 0)
			i++;
		if (i == 4 || ++seen[i] > 1)
			return NULL;
	}
	if (status == NULL || strcmp(status, "read") != 0 || id == NULL || (seen[3] > 0 && typing == NULL))
		return NULL;
	mark = cJSON_CreateObject();
	if (cJSON_AddStringToObject(mark, fields[0], "whatsapp") != NULL &&
		cJSON_AddStringToObject(mark, fields[1], status) != NULL &&
		cJSON_AddStringToObject(mark, fields[2], id) != NULL &&
		(seen[3] == 0 ||
			cJSON_AddStringToObject(cJSON_AddObjectToObject(mark, fields[3]), "type", typing) != NULL))
		return mark;
	cJSON_Delete(mark);
	return NULL;
}

void messages_post(struct call *c)
{
	const uint8_t *bytes;
	cJSON *body, *mark;
	size_t len;

	switch (http_request_body(c->req, BODY_MAX, &bytes, &len)) {
	case HTTP_OK:
		break;
	case HTTP_TOO_LARGE:
		refuse(c, 413, 100, "The body is longer than 64 KiB.");
		return;
	case HTTP_TIMED_OUT:
		refuse(c, 408, 100, "The request took too long to arrive.");
		return;
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_BAD_QUERY:
	case HTTP_NO_SUCH_PARAM:
	case HTTP_SETUP_FAILED:
		answer_unavailable(c, "The request could not be read.");
		return;
	}
	body = json_parse((const char *)bytes, len);
	mark = cJSON_IsObject(body) ? read_mark(body) : NULL;
	if (!cJSON_IsObject(body))
		refuse(c, 400, 100, "The body is not a JSON object, or nested deeper than 64.");
	else if (mark != NULL)
		passage_body(c, mark);
	else if (json_get(body, "status") != NULL)
		refuse(c, 400, 100,
			"status: a message is marked as \"read\", by message_id, with or without typing_indicator and "
			"its type, and nothing else but messaging_product.");
	else
		message_take(c, body);
	cJSON_Delete(mark);
	cJSON_Delete(body);
}
