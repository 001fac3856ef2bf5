/*
 * Calls with virtual keys that were refused, for the operator alone: the newest, with what
 * to do. They are in the memory of the service.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>

#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/virtual_key.h"

static cJSON *call_json(const struct refused_call *r)
{
	struct out o;

	out_begin(&o);
	out_time(&o, "at", r->at);
	out_time(&o, "first_at", r->first_at);
	out_number(&o, "count", r->count);
	out_text(&o, "method", r->method);
	out_text(&o, "path", r->path);
	out_text(&o, "why", refused_code(r->why));
	out_text(&o, "remedy", refused_words(r->why));
	out_text(&o, "business_id", r->business_id);
	out_text(&o, "key_id", r->key_id);
	out_text(&o, "last4", r->last4);
	out_text(&o, "peer", r->peer);
	return out_end(&o);
}

void refusals_get(struct call *c)
{
	struct refused_call *calls;
	cJSON *list;
	struct out o;
	size_t len;

	if (c->api->virtual_keys == NULL) {
		problem(c->res, PROBLEM_UNAVAILABLE, NULL,
			"the service does not run: which calls it refused is in its memory alone, and gone when it "
			"ends");
		return;
	}
	calls = calloc(REFUSED_CALLS_MAX, sizeof(*calls));
	if (calls == NULL) {
		problem(c->res, PROBLEM_UNAVAILABLE, NULL, NULL);
		return;
	}
	len = refused_calls_list(virtual_keys_refused(c->api->virtual_keys), calls);
	list = cJSON_CreateArray();
	out_begin(&o);
	for (size_t i = 0; i < len; i++)
		o.failed = !json_list_add(list, call_json(&calls[i])) || o.failed;
	out_value(&o, "data", list);
	out_send(&o, c->res, 200);
	free(calls);
}
