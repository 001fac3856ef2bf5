/*
 * Refusals in the providers' shapes, and how a reply goes out.
 */
#include "examples/sandbox/errors.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/media.h"
#include "gateway/json.h"

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

void graph_missing(struct reply *r, const char *method, const char *id)
{
	const char *verb = strcmp(method, "GET") == 0 ? "get" : strcmp(method, "DELETE") == 0 ? "delete" : "post";
	char message[320];

	(void)snprintf(message, sizeof(message),
		"Unsupported %s request. Object with ID '%s' does not exist, cannot be loaded due to missing "
		"permissions, or does not support this operation",
		verb, id);
	graph_refuse(r,
		&(struct graph_error){.code = 100,
			.subcode = 33,
			.message = message,
			.transient = -1,
			.type = "GraphMethodException"});
}

void d360_refuse(struct reply *r, int http, const char *text, const char *details)
{
	struct cJSON *meta = cJSON_AddObjectToObject(r->json = cJSON_CreateObject(), "meta"), *list;

	r->own = true;
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

enum { PIECE = 1 << 20 };

/* In pieces, each of which may take its time: whoever reads slowly reads for long. */
static void send_held(struct http_request *req, const struct reply *r, const struct http_header *headers, size_t len)
{
	const struct media_bytes *held = r->held;
	bool there = true;

	http_respond_begin(req, r->status, headers, len, held->len);
	for (size_t at = 0; at < held->len && there; at += PIECE)
		there = http_respond_part(
			req, held->bytes + at, held->len - at < PIECE ? held->len - at : (size_t)PIECE);
}

void reply_send(struct http_request *req, const struct reply *r, const struct http_header *headers, size_t headers_len)
{
	char *text = r->json ? json_text(r->json) : NULL;

	if (r->held)
		send_held(req, r, headers, headers_len);
	else if (r->bytes)
		http_respond(req, r->status, headers, headers_len, r->bytes, r->len);
	else
		http_respond(req, r->status, headers, headers_len, text, text ? strlen(text) : 0);
	json_text_free(text);
}

void reply_clear(struct reply *r)
{
	cJSON_Delete(r->json);
	free(r->bytes);
	media_let_go(r->held);
	*r = (struct reply){0};
}
