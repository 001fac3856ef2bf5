/*
 * Calls that may come twice: a POST with an Idempotency-Key is done once, and its first
 * answer is given again (gateway/once.h). An answer is kept without its secrets.
 *
 * A message's answer is kept in the same transaction as the message (messages.c). Called
 * by api.c around every handler.
 */
#include <string.h>

#include "gateway/api/internal.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"

static void answer_again(struct call *c, struct store_once_answer *first)
{
	c->res->status = first->http_status;
	c->res->content_type = first->http_status >= 400 ? "application/problem+json" : "application/json";
	c->res->body = first->body;
	c->res->body_len = first->body_len;
	c->res->replayed = true;
	first->body = NULL; /* transferred */
}

bool idempotency_begin(struct call *c)
{
	const struct once_call call = {.business_id = c->business.id,
		.method = c->req->method,
		.path = c->req->path,
		.query = c->req->query,
		.key = c->req->idempotency_key,
		.body = c->req->body,
		.body_len = c->req->body_len};
	struct store_once_answer first;
	struct once_fault fault;

	if (call.key == NULL || strcmp(c->req->method, "POST") != 0)
		return true;
	if (!once_key_ok(call.key)) {
		problem(c->res, PROBLEM_INVALID_FIELD, "Idempotency-Key",
			"must be given once, as 1 to 255 printable characters");
		return false;
	}
	switch (once_begin(c->api->tenants, &call, &c->once, &first, &fault)) {
	case ONCE_NEW:
		c->is_once = true;
		break;
	case ONCE_ANSWERED:
		answer_again(c, &first);
		break;
	case ONCE_OTHER:
		problem(c->res, PROBLEM_IDEMPOTENCY_KEY_REUSED, "Idempotency-Key", NULL);
		break;
	case ONCE_IN_FLIGHT:
		problem(c->res, PROBLEM_IN_FLIGHT, NULL, NULL);
		break;
	case ONCE_TENANT:
		problem_tenant(c, fault.tenant);
		break;
	case ONCE_STORE:
		problem_store(c, fault.store);
		break;
	}
	return c->is_once;
}

void idempotency_keep(struct call *c, const struct cJSON *without_secret)
{
	c->has_secret = true;
	if (c->is_once && without_secret != NULL)
		c->kept = json_text(without_secret);
}

void idempotency_end(struct call *c)
{
	/* What met a state that may change may be tried again. */
	const char *body = c->may_change ? NULL : c->has_secret ? c->kept : c->res->body;
	enum store_error err = STORE_OK;

	if (c->is_once && !c->once_ended)
		err = once_end(c->api->tenants, &c->once, c->res->status, body, body != NULL ? strlen(body) : 0);
	if (err != STORE_OK)
		log_warn("api: an answer is not kept for its Idempotency-Key business=%s reason=\"%s\"", c->business.id,
			store_error_text(err));
	json_text_free(c->kept);
	c->kept = NULL;
}
