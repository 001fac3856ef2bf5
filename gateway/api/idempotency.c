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
	case ONCE_LOST:
		problem(c->res, PROBLEM_CONFLICT, "Idempotency-Key",
			"the same call was done before, and its answer is not kept any more");
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

/* Whether the answer is final: what failed, met a state that may change, or has no answer that could be kept may be tried
 * again. */
static bool is_final(const struct call *c, const char *body)
{
	const int status = c->res->status;

	return !c->may_change && status < 500 && status != 409 && status != 429 && body != NULL &&
		strlen(body) <= ONCE_KEPT_MAX;
}

void idempotency_end(struct call *c)
{
	const char *body = c->has_secret ? c->kept : c->res->body;
	enum store_error err = STORE_OK;

	if (c->is_once && !c->once_ended)
		err = is_final(c, body) ? once_keep(c->api->tenants, &c->once, c->res->status, body, strlen(body))
					: once_forget(c->api->tenants, &c->once);
	if (err != STORE_OK)
		log_warn("api: an answer is not kept for its Idempotency-Key business=%s reason=\"%s\"", c->business.id,
			store_error_text(err));
	json_text_free(c->kept);
	c->kept = NULL;
}
