/*
 * The audit, read: who did what with a business's secrets and settings, and when. The
 * operator reads that of all businesses, those that are removed included.
 */
#include <cjson/cJSON.h>
#include <stdio.h>

#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/http/http.h"
#include "vault/vault.h"

static cJSON *row_json(const struct store_audit_row *r)
{
	char value[VAULT_HEX_LEN(STORE_AUDIT_VALUE_LEN) + 1], hash[VAULT_HEX_LEN(sizeof(r->hash)) + 1];
	struct out o;

	vault_hex(r->value, r->value_len, value);
	vault_hex(r->hash, sizeof(r->hash), hash);
	out_begin(&o);
	out_number(&o, "seq", r->seq);
	out_time(&o, "at", r->at);
	out_text(&o, "actor", r->actor);
	out_text(&o, "business_id", r->business_id);
	out_text(&o, "action", r->action);
	out_text(&o, "subject", r->subject);
	out_text(&o, "purpose", r->purpose);
	out_text(&o, "job", r->job);
	out_text(&o, "value", value);
	out_text(&o, "hash", hash);
	return out_end(&o);
}

static bool list_one(const struct store_audit_row *r, void *arg)
{
	struct listing *l = arg;
	char seq[24];

	(void)snprintf(seq, sizeof(seq), "%lld", (long long)r->seq);
	return listing_wants(l) && listing_add(l, seq, row_json(r));
}

/* ctx: the business's id, or NULL for all. */
static enum store_error list(struct listing *l, const void *ctx)
{
	return store_audit_list(l->call->api->store, ctx, &l->page, list_one, l);
}

void audit_list(struct call *c)
{
	listing_answer(c, list, NULL, c->business.id);
}

void audit_list_all(struct call *c)
{
	char id[STORE_BUSINESS_ID_LEN + 1];

	switch (http_query_get(c->req->query, "business", id, sizeof(id))) {
	case HTTP_OK:
		listing_answer(c, list, NULL, id);
		return;
	case HTTP_NO_SUCH_PARAM:
		listing_answer(c, list, NULL, NULL);
		return;
	case HTTP_BAD_QUERY:
	case HTTP_TOO_LARGE:
	case HTTP_TIMED_OUT:
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_SETUP_FAILED:
		break;
	}
	problem(c->res, PROBLEM_INVALID_FIELD, "business", "is malformed or too long");
}
