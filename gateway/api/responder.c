/*
 * Who answers a business's customers: chosen by name from the table of responders.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/reply/reply.h"

static void answer(struct call *c, const char *kind)
{
	struct out o;

	out_begin(&o);
	out_text(&o, "kind", kind);
	out_send(&o, c->res, 200);
}

void responder_get(struct call *c)
{
	answer(c, c->business.responder);
}

static void choose(struct call *c, const char *kind)
{
	struct store_business b;
	enum store_error err;

	pthread_mutex_lock(&c->api->business_lock);
	err = store_business_get(c->api->store, c->business.id, &b);
	if (err == STORE_OK) {
		(void)snprintf(b.responder, sizeof(b.responder), "%s", kind);
		err = store_business_update(c->api->store, &b);
	}
	pthread_mutex_unlock(&c->api->business_lock);
	if (err != STORE_OK)
		problem_store(c, err);
	else
		answer(c, b.responder);
}

void responder_put(struct call *c)
{
	static const struct form_field fields[] = {{"kind", FORM_TEXT, true}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	const char *kind = json_get_string(body, "kind");

	if (body == NULL)
		return;
	if (strlen(kind) >= sizeof(c->business.responder) || !reply_known(kind))
		problem(c->res, PROBLEM_RESPONDER_NOT_SUPPORTED, "kind", NULL);
	else
		choose(c, kind);
	cJSON_Delete(body);
}
