/*
 * Building answers through cJSON. Text from customers passes here: bytes that are
 * no UTF-8 become question marks, so that an answer always is JSON.
 */
#include "gateway/api/json_out.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/json.h"
#include "gateway/utf8.h"

void out_begin(struct out *o)
{
	o->object = cJSON_CreateObject();
	o->failed = o->object == NULL;
}

void out_value(struct out *o, const char *key, struct cJSON *value)
{
	if (value == NULL || o->failed || !cJSON_AddItemToObject(o->object, key, value)) {
		o->failed = true;
		cJSON_Delete(value);
	}
}

void out_null(struct out *o, const char *key)
{
	out_value(o, key, cJSON_CreateNull());
}

void out_text(struct out *o, const char *key, const char *text)
{
	out_value(o, key, text != NULL && text[0] != '\0' ? cJSON_CreateString(text) : cJSON_CreateNull());
}

void out_number(struct out *o, const char *key, int64_t number)
{
	out_value(o, key, cJSON_CreateNumber((double)number));
}

void out_bool(struct out *o, const char *key, bool is)
{
	out_value(o, key, cJSON_CreateBool(is));
}

void out_time(struct out *o, const char *key, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm utc;
	char text[48] = "";
	size_t len;

	if (ms > 0 && gmtime_r(&seconds, &utc) != NULL) {
		len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
		(void)snprintf(text + len, sizeof(text) - len, ".%03dZ", (int)(ms % 1000));
	}
	out_text(o, key, text);
}

struct cJSON *out_end(struct out *o)
{
	cJSON *object = o->object;

	o->object = NULL;
	if (!o->failed)
		return object;
	cJSON_Delete(object);
	return NULL;
}

void api_response_clear(struct api_response *r)
{
	if (r->body != NULL)
		vault_wipe(r->body, r->body_len);
	free(r->body);
	*r = (struct api_response){0};
}

void out_send(struct out *o, struct api_response *res, int status)
{
	out_send_tree(out_end(o), res, status);
}

void out_send_tree(struct cJSON *tree, struct api_response *res, int status)
{
	char *text = tree != NULL ? json_text(tree) : NULL;

	cJSON_Delete(tree);
	api_response_clear(res);
	res->status = text != NULL ? status : 503;
	res->content_type = "application/json";
	if (text == NULL)
		return;
	utf8_mend(text);
	res->body = text;
	res->body_len = strlen(text);
}
