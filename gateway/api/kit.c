/*
 * The recovery kit, for the operator alone: whether one was made of the master key in
 * use, and noting that. The kit itself is made by the command, never here.
 */
#include <cjson/cJSON.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/kit.h"
#include "gateway/log.h"

void kit_get(struct call *c)
{
	enum tenant_error err;
	struct kit kit;
	struct out o;

	err = kit_look(c->api->tenants, &kit);
	if (err != TENANT_OK) {
		problem_tenant(c, err);
		return;
	}
	out_begin(&o);
	out_text(&o, "deployment_id", store_deployment_id(c->api->store));
	out_text(&o, "master_key_id", kit.master_key_id);
	out_text(&o, "made_for", kit.made_for);
	out_time(&o, "made_at", kit.made_at);
	out_value(&o, "due", cJSON_CreateBool(kit.due));
	out_text(&o, "cause", kit.due ? KIT_DUE : NULL);
	out_text(&o, "remedy", kit.due ? KIT_REMEDY : NULL);
	out_send(&o, c->res, 200);
}

void kit_post(struct call *c)
{
	static const struct form_field fields[] = {{"key_id", FORM_TEXT, true}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	const char *id = json_get_string(body, "key_id");
	const struct store_audit row = {.action = "kit_made", .subject = id};
	enum tenant_error err;

	if (body == NULL)
		return;
	err = kit_made(c->api->tenants, id);
	if (err == TENANT_OK && store_audit(c->api->store, &row) != STORE_OK)
		err = TENANT_STORE;
	if (err == TENANT_OK) {
		log_info("recovery kit made key=%s", id);
		kit_get(c);
	} else if (err == TENANT_NOT_FOUND) {
		problem(c->res, PROBLEM_CONFLICT, "key_id", "is not the master key in use");
	} else {
		problem_tenant(c, err);
	}
	cJSON_Delete(body);
}
