/*
 * Sending: by the platform, and once more what came to nothing; and putting that aside.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/http/http.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/resend.h"

#define WHY_LEN 300u
#define EXPIRES_IN_MAX 604800 /* seconds: a week */

/* ------------------------------------------------------------ what the query says */

/* How a message is to be sent. */
struct wish {
	enum store_policy policy;
	int64_t expires_in_ms; /* 0: not said */
	bool unchecked; /* the window is not looked at */
};

static bool read_expiry(struct call *c, int64_t *ms)
{
	char text[8];
	int64_t n = 0;
	const enum http_error err = http_query_get(c->req->query, "expires_in", text, sizeof(text));

	if (err == HTTP_NO_SUCH_PARAM)
		return true;
	for (const char *p = text; err == HTTP_OK && *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (*p - '0');
	if (err != HTTP_OK || text[strspn(text, "0123456789")] != '\0' || n < 1 || n > EXPIRES_IN_MAX) {
		problem(c->res, PROBLEM_INVALID_FIELD, "expires_in", "must be a number of seconds from 1 to 604800");
		return false;
	}
	*ms = n * 1000;
	return true;
}

static bool read_unchecked(struct call *c, bool *unchecked)
{
	static const struct listing_name names[] = {{"unchecked", 1}, {NULL, 0}};
	int value = 0;

	if (!listing_choice(c, "window", names, &value))
		return false;
	*unchecked = value == 1;
	return true;
}

static bool read_wish(struct call *c, struct wish *w)
{
	static const struct listing_name policies[] = {
		{"at_most_once", STORE_AT_MOST_ONCE}, {"at_least_once", STORE_AT_LEAST_ONCE}, {NULL, 0}};
	int policy = STORE_AT_MOST_ONCE;

	if (!query_known(c, "from policy expires_in window") || !listing_choice(c, "policy", policies, &policy) ||
		!read_expiry(c, &w->expires_in_ms) || !read_unchecked(c, &w->unchecked))
		return false;
	w->policy = (enum store_policy)policy;
	return true;
}

/* ------------------------------------------------------------ the body */

/* Whose rules these are says "field: rule" where it is about one field. */
static void message_problem(struct call *c, char *why)
{
	size_t len = strspn(why, "abcdefghijklmnopqrstuvwxyz_.");

	if (len == 0 || strncmp(why + len, ": ", 2) != 0) {
		problem(c->res, PROBLEM_INVALID_FIELD, NULL, why);
		return;
	}
	why[len] = '\0';
	problem(c->res, PROBLEM_INVALID_FIELD, why, why + len + 2);
}

static bool body_ok(struct call *c)
{
	cJSON *body = form_body(c);
	char why[WHY_LEN] = "";
	bool ok =
		body != NULL && outbound_message_valid((const char *)c->req->body, c->req->body_len, why, sizeof(why));

	if (body != NULL && !ok)
		message_problem(c, why);
	cJSON_Delete(body);
	return ok;
}

/* ------------------------------------------------------------ the window */

static void window_problem(struct call *c, const struct outbound_window *w)
{
	char words[OUTBOUND_WINDOW_WORDS_LEN], detail[OUTBOUND_WINDOW_WORDS_LEN + 160];

	outbound_window_words(w, words);
	(void)snprintf(detail, sizeof(detail),
		"%s; where you know better ask with ?window=unchecked, or switch the check off "
		"(PATCH the business, window_check false)",
		words);
	problem(c->res, PROBLEM_WINDOW_CLOSED, NULL, detail);
	c->may_change = true;
}

/* False after the problem was answered. m is sealed. */
static bool window_ok(struct call *c, const struct wish *wish, struct store_message *m)
{
	struct outbound_window w;

	if (wish->unchecked || !c->business.window_checked)
		return true;
	if (outbound_window(c->api->tenants, (const char *)c->req->body, c->req->body_len, m, &w) != OUTBOUND_OK) {
		problem_tenant(c, TENANT_STORE);
		return false;
	}
	outbound_window_expiry(&w, m);
	if (w.is == OUTBOUND_WINDOW_CLOSED)
		window_problem(c, &w);
	return w.is != OUTBOUND_WINDOW_CLOSED;
}

/* ------------------------------------------------------------ queueing */

/* Answers with what is about to be queued, and makes *end of that. False: it could not be, which was answered. Owns: caller
 * frees *sealed. */
static bool accepted(struct call *c, const struct store_message *m, struct store_once_end *end, uint8_t **sealed)
{
	enum tenant_error tenant;
	enum store_error err;
	struct out o;
	bool held;

	err = store_conversation_held(c->api->store, c->business.id, m->conversation, &held);
	if (err != STORE_OK) {
		problem_store(c, err);
		return false;
	}
	out_begin(&o);
	out_text(&o, "id", m->id);
	out_text(&o, "status", "queued");
	if (m->replaces != NULL)
		out_text(&o, "replay_of", m->replaces);
	if (held)
		out_text(&o, "warning", "another handler answers this customer: this message takes control back");
	out_send(&o, c->res, 202);
	/* Nothing is queued that could not be told. */
	if (c->res->body == NULL) {
		problem_store(c, STORE_NO_MEMORY);
		return false;
	}
	*end = (struct store_once_end){
		.key = c->once.key, .http_status = 202, .body = c->res->body, .body_len = c->res->body_len};
	tenant = c->is_once ? once_seal(c->api->tenants, &c->once, end, sealed) : TENANT_OK;
	if (tenant != TENANT_OK)
		problem_tenant(c, tenant);
	return tenant == TENANT_OK;
}

static void queue(struct call *c, const struct wish *wish, struct store_message *m)
{
	struct store_once_end end;
	uint8_t *content = NULL, *sealed = NULL;
	enum store_error err;

	if (outbound_message_seal(c->api->tenants, (const char *)c->req->body, c->req->body_len, m, &content) !=
		OUTBOUND_OK) {
		problem_tenant(c, TENANT_VAULT);
		return;
	}
	m->policy = wish->policy;
	if (wish->expires_in_ms > 0)
		m->expires_at = m->created_at + wish->expires_in_ms;
	if (!window_ok(c, wish, m) || !accepted(c, m, &end, &sealed))
		goto out;
	err = store_message_queue(c->api->store, m, c->is_once ? &end : NULL);
	if (err != STORE_OK) {
		problem_store(c, err);
		goto out;
	}
	c->once_ended = true;
	if (c->api->outbound != NULL)
		outbound_wake(c->api->outbound, m->connection_id);
out:
	free(sealed);
	free(content);
}

void messages_add(struct call *c)
{
	struct store_message m = {.direction = STORE_OUTBOUND};
	struct wish wish = {.expires_in_ms = 0};

	if (c->business.status != STORE_BUSINESS_ACTIVE) {
		problem(c->res, PROBLEM_CONFLICT, NULL, "the business is suspended");
		return;
	}
	if (!read_wish(c, &wish) || !body_ok(c) || !number_choose(c, &m))
		return;
	(void)snprintf(m.business_id, sizeof(m.business_id), "%s", c->business.id);
	queue(c, &wish, &m);
}

/* ------------------------------------------------------------ once more */

static void replay_problem(struct call *c, const struct resend *r, enum resend_result result)
{
	static const char *const words[RESEND_RESULTS + 1] = {
		[RESEND_ALREADY] = "it was sent again, or discarded, before",
		[RESEND_NOT_OFFERED] = "only a message that is dead or failed is sent again",
		[RESEND_MAYBE_ARRIVED] = "it is not known whether it arrived: to send it again although it may arrive "
					 "twice, ask with {\"maybe_duplicate\": true}",
		[RESEND_GONE] = "its content is not kept any more",
		[RESEND_NO_NUMBER] = "the number that it left by is not connected any more",
		[RESEND_PAUSED] = "the business is suspended",
	};

	switch (result) {
	case RESEND_NO_SUCH:
		problem(c->res, PROBLEM_NOT_FOUND, NULL, NULL);
		break;
	case RESEND_WINDOW_CLOSED:
		window_problem(c, &r->window);
		break;
	case RESEND_DONE:
	case RESEND_FAILED:
		problem(c->res, PROBLEM_UNAVAILABLE, NULL, NULL);
		break;
	case RESEND_ALREADY:
	case RESEND_NOT_OFFERED:
	case RESEND_MAYBE_ARRIVED:
	case RESEND_GONE:
	case RESEND_NO_NUMBER:
	case RESEND_PAUSED:
		problem(c->res, PROBLEM_CONFLICT, NULL, words[result]);
		break;
	}
}

/* The body may be left out. False after the problem was answered. */
static bool read_replay(struct call *c, struct resend *r)
{
	static const struct form_field fields[] = {{"maybe_duplicate", FORM_BOOL, false}};
	cJSON *body;

	if (!query_known(c, "window") || !read_unchecked(c, &r->window_unchecked))
		return false;
	if (c->req->body_len == 0)
		return true;
	body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	r->maybe_duplicate = cJSON_IsTrue(json_get(body, "maybe_duplicate"));
	cJSON_Delete(body);
	return body != NULL;
}

void messages_replay(struct call *c)
{
	struct resend r = {
		.tenants = c->api->tenants, .outbound = c->api->outbound, .business = &c->business, .owner = false};
	struct store_once_end end;
	enum resend_result result;
	uint8_t *sealed = NULL;

	if (!read_replay(c, &r))
		return;
	result = resend_make(&r, c->id);
	if (result != RESEND_DONE) {
		replay_problem(c, &r, result);
	} else if (accepted(c, &r.message, &end, &sealed)) {
		result = resend_queue(&r, c->is_once ? &end : NULL);
		c->once_ended = result == RESEND_DONE;
		if (result != RESEND_DONE)
			replay_problem(c, &r, result);
	}
	free(sealed);
	resend_clear(&r);
}

/* ------------------------------------------------------------ put aside */

static bool note_discarded(const struct store_message *m, void *arg)
{
	*(bool *)arg = m->discarded_at > 0;
	return false;
}

void messages_discard(struct call *c)
{
	enum store_error err = store_message_discard(c->api->store, c->business.id, c->id);
	bool discarded = false;

	/* What is discarded already is what was asked for. */
	if (err == STORE_STALE)
		err = store_message_get(c->api->store, c->business.id, c->id, note_discarded, &discarded);
	else
		discarded = err == STORE_OK;
	if (err != STORE_OK) {
		problem_store(c, err);
	} else if (!discarded) {
		problem(c->res, PROBLEM_CONFLICT, NULL,
			"only a message that is dead, failed or unknown can be discarded");
	} else {
		log_info("message discarded business=%s message=%s", c->business.id, c->id);
		c->res->status = 204;
	}
}
