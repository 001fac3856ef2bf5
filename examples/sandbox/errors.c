/*
 * Refusals in the providers' shapes.
 */
#include "examples/sandbox/errors.h"

#include <cjson/cJSON.h>
#include <stdio.h>

void graph_refuse(struct reply *r, const struct graph_error *e)
{
	struct cJSON *error = cJSON_AddObjectToObject(r->json = cJSON_CreateObject(), "error"), *data;
	char message[64], trace[24] = "A";

	(void)snprintf(message, sizeof(message), "(#%d) Fault", e->code);
	random_hex(11, trace + 1);
	r->status = e->http != 0 ? e->http : 400;
	cJSON_AddStringToObject(error, "message", e->message ? e->message : message);
	cJSON_AddStringToObject(error, "type", e->type ? e->type : "OAuthException");
	cJSON_AddNumberToObject(error, "code", e->code);
	if (e->details) {
		data = cJSON_AddObjectToObject(error, "error_data");
		cJSON_AddStringToObject(data, "messaging_product", "whatsapp");
		cJSON_AddStringToObject(data, "details", e->details);
	}
	if (e->subcode != 0)
		cJSON_AddNumberToObject(error, "error_subcode", e->subcode);
	if (e->transient >= 0)
		cJSON_AddBoolToObject(error, "is_transient", e->transient);
	cJSON_AddStringToObject(error, "fbtrace_id", trace);
}

void d360_refuse(struct reply *r, int http, const char *text, const char *details)
{
	struct cJSON *meta = cJSON_AddObjectToObject(r->json = cJSON_CreateObject(), "meta"), *list;

	r->status = http;
	cJSON_AddBoolToObject(meta, "success", false);
	cJSON_AddNumberToObject(meta, "http_code", http);
	cJSON_AddStringToObject(meta, "developer_message", text);
	list = cJSON_AddArrayToObject(meta, "details");
	if (details)
		cJSON_AddItemToArray(list, cJSON_CreateString(details));
}

void reply_success(struct reply *r)
{
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddBoolToObject(r->json, "success", true);
}
