/*
 * The table of problems: status, stable code, title, and what to say when the
 * caller of problem() has nothing more exact to say.
 */
#include "gateway/api/problem.h"

#include <cjson/cJSON.h>

#include "gateway/api/json_out.h"
#include "gateway/log.h"

struct problem_row {
	int status;
	const char *code;
	const char *title;
	const char *detail;
};

static const struct problem_row rows_of_problems[] = {
	[PROBLEM_UNAUTHORIZED] = {401, "unauthorized", "Unauthorized",
		"an admin token is needed (Authorization: Bearer <token>): it is missing, unknown or revoked"},
	[PROBLEM_NOT_FOUND] = {404, "not_found", "Not Found", "there is nothing at this path"},
	[PROBLEM_METHOD_NOT_ALLOWED] = {405, "method_not_allowed", "Method Not Allowed", "see the Allow header"},
	[PROBLEM_INVALID_JSON] = {400, "invalid_json", "Bad Request", "the body is not JSON, or nested deeper than 64"},
	[PROBLEM_INVALID_FIELD] = {400, "invalid_field", "Bad Request", "a field breaks its rule"},
	[PROBLEM_MISSING_FIELD] = {400, "missing_field", "Bad Request", "a field is missing"},
	[PROBLEM_UNKNOWN_FIELD] = {400, "unknown_field", "Bad Request",
		"there is a field that this call does not know"},
	[PROBLEM_INVALID_CURSOR] = {400, "invalid_cursor", "Bad Request",
		"the cursor is not one of this list: begin without it"},
	[PROBLEM_TOO_LARGE] = {413, "too_large", "Content Too Large", "the body is too large"},
	[PROBLEM_UNSUPPORTED_MEDIA_TYPE] = {415, "unsupported_media_type", "Unsupported Media Type",
		"Content-Type must be application/json"},
	[PROBLEM_BUSINESS_EXISTS] = {409, "business_exists", "Conflict", "a business with this id exists"},
	[PROBLEM_NUMBER_TAKEN] = {409, "number_taken", "Conflict",
		"this number is connected already, in this business or another"},
	[PROBLEM_WEBHOOK_TAKEN] = {409, "webhook_taken", "Conflict",
		"another system gets this number's webhooks: add it with take_over to have them sent here"},
	[PROBLEM_IN_FLIGHT] = {409, "in_flight", "Conflict", "the same call is on its way: ask again in a few seconds"},
	[PROBLEM_CONFLICT] = {409, "conflict", "Conflict",
		"somebody changed this at the same time: read it and try again"},
	[PROBLEM_CREDENTIAL_REFUSED] = {422, "credential_refused", "Unprocessable Content",
		"the provider refuses the key"},
	[PROBLEM_NUMBER_REQUIRED] = {422, "number_required", "Unprocessable Content",
		"several numbers are connected: name one with ?from=<phone_number_id>"},
	[PROBLEM_IDEMPOTENCY_KEY_REUSED] = {422, "idempotency_key_reused", "Unprocessable Content",
		"this Idempotency-Key came before with another body"},
	[PROBLEM_RESPONDER_NOT_SUPPORTED] = {422, "responder_not_supported", "Unprocessable Content",
		"the responders are none, catalogue and platform"},
	[PROBLEM_WINDOW_CLOSED] = {422, "window_closed", "Unprocessable Content",
		"the customer wrote more than 24 hours ago: send a template"},
	[PROBLEM_TOO_MANY_PRODUCTS] = {422, "too_many_products", "Unprocessable Content",
		"a business has at most 20000 products; nothing was stored"},
	[PROBLEM_TOO_MANY_KEYS] = {409, "too_many_keys", "Conflict",
		"two keys of this name live already, enough for one to take the other's place: revoke one of them"},
	[PROBLEM_UNAVAILABLE] = {503, "unavailable", "Service Unavailable",
		"this cannot be done now; try again in a few seconds"},
};

static void send_problem(struct api_response *res, enum problem p, const char *field, const char *detail, cJSON *rows)
{
	const struct problem_row *row = &rows_of_problems[p];
	struct out o;

	out_begin(&o);
	out_text(&o, "type", "about:blank");
	out_text(&o, "title", row->title);
	out_number(&o, "status", row->status);
	out_text(&o, "code", row->code);
	out_text(&o, "detail", detail != NULL ? detail : row->detail);
	if (field != NULL)
		out_text(&o, "field", field);
	if (rows != NULL)
		out_value(&o, "errors", rows);
	out_send(&o, res, row->status);
	res->content_type = "application/problem+json";
}

void problem(struct api_response *res, enum problem p, const char *field, const char *detail)
{
	send_problem(res, p, field, detail, NULL);
}

void problem_rows(struct api_response *res, enum problem p, const char *detail, struct cJSON *rows)
{
	send_problem(res, p, NULL, detail, rows);
}

void problem_store(struct call *c, enum store_error err)
{
	switch (err) {
	case STORE_NOT_FOUND:
		problem(c->res, PROBLEM_NOT_FOUND, NULL, NULL);
		return;
	case STORE_NUMBER_TAKEN:
		problem(c->res, PROBLEM_NUMBER_TAKEN, "phone_number_id", NULL);
		return;
	case STORE_EXISTS:
	case STORE_STALE:
		problem(c->res, PROBLEM_CONFLICT, NULL, NULL);
		return;
	case STORE_TOO_MANY:
		problem(c->res, PROBLEM_TOO_MANY_PRODUCTS, NULL, NULL);
		return;
	case STORE_TIMEOUT:
		problem(c->res, PROBLEM_UNAVAILABLE, NULL,
			"this took too long and may still happen: read it back before trying again");
		break;
	case STORE_FULL:
		problem(c->res, PROBLEM_UNAVAILABLE, NULL, "there is no room on the disk; nothing was changed");
		break;
	case STORE_OK:
	case STORE_BUSY:
	case STORE_FAILED:
	case STORE_NEWER:
	case STORE_NOT_OURS:
	case STORE_FOREIGN:
	case STORE_NO_MEMORY:
	case STORE_INVALID:
		problem(c->res, PROBLEM_UNAVAILABLE, NULL, NULL);
		break;
	}
	log_error("api: the store refused a call business=%s reason=\"%s\"", c->business.id, store_error_text(err));
}

void problem_tenant(struct call *c, enum tenant_error err)
{
	if (err == TENANT_NOT_FOUND) {
		problem(c->res, PROBLEM_NOT_FOUND, NULL, NULL);
		return;
	}
	problem(c->res, PROBLEM_UNAVAILABLE, NULL, NULL);
	log_error("api: a business's keys cannot be used business=%s error=%d", c->business.id, (int)err);
}
