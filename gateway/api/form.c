/*
 * Reading bodies: what is refused before a handler sees it. Values never come back
 * in a problem; the name of an unknown field only where it cannot be a pasted key.
 */
#include "gateway/api/form.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/utf8.h"

#define FIELD_SHOWN_MAX 24u /* an app secret has 32 characters */

bool form_is_type(const char *content_type, const char *wanted)
{
	size_t len = strlen(wanted);

	if (content_type == NULL)
		return strcmp(wanted, "application/json") == 0;
	content_type += strspn(content_type, " \t");
	if (strncasecmp(content_type, wanted, len) != 0)
		return false;
	content_type += len;
	content_type += strspn(content_type, " \t");
	return *content_type == '\0' || *content_type == ';';
}

/* The parser would cut a string there. */
static bool has_nul_escape(const char *text, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++) {
		if (text[i] != '\\')
			continue;
		if (text[i + 1] == 'u' && len - i >= 6 && memcmp(text + i + 2, "0000", 4) == 0)
			return true;
		i++;
	}
	return false;
}

struct cJSON *form_body(struct call *c)
{
	const char *text = (const char *)c->req->body;
	cJSON *root;

	if (!form_is_type(c->req->content_type, "application/json")) {
		problem(c->res, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL, NULL);
		return NULL;
	}
	if (c->req->body_len > API_BODY_MAX) {
		problem(c->res, PROBLEM_TOO_LARGE, NULL, "the body is longer than 2 MiB");
		return NULL;
	}
	if (c->req->body_len == 0) {
		problem(c->res, PROBLEM_INVALID_JSON, NULL, "the body is empty");
		return NULL;
	}
	if (!utf8_ok(text, c->req->body_len)) {
		problem(c->res, PROBLEM_INVALID_JSON, NULL, "the body is not UTF-8");
		return NULL;
	}
	if (has_nul_escape(text, c->req->body_len)) {
		problem(c->res, PROBLEM_INVALID_JSON, NULL, "the character \\u0000 is not allowed");
		return NULL;
	}
	root = json_parse(text, c->req->body_len);
	if (root == NULL)
		problem(c->res, PROBLEM_INVALID_JSON, NULL, NULL);
	return root;
}

static void unknown_field(struct call *c, const char *name)
{
	size_t len = strlen(name);
	bool shown = len > 0 && len <= FIELD_SHOWN_MAX &&
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == len;

	problem(c->res, PROBLEM_UNKNOWN_FIELD, shown ? name : NULL, shown ? "this call does not know the field" : NULL);
}

static bool field_ok(struct call *c, const struct form_field *field, const cJSON *item)
{
	const char *rule = "must be a text";
	bool ok = false;

	switch (field->type) {
	case FORM_TEXT:
		ok = cJSON_IsString(item);
		break;
	case FORM_BOOL:
		ok = cJSON_IsBool(item);
		rule = "must be true or false";
		break;
	case FORM_NUMBER:
		ok = cJSON_IsNumber(item);
		rule = "must be a number";
		break;
	case FORM_LIST:
		ok = cJSON_IsArray(item);
		rule = "must be a list";
		break;
	}
	if (!ok)
		problem(c->res, PROBLEM_INVALID_FIELD, field->name, rule);
	return ok;
}

/* Ends at the first field that is unknown or there twice, so a body of many fields costs little. */
static bool fields_ok(struct call *c, const cJSON *object, const struct form_field *fields, size_t fields_len)
{
	const cJSON *item;
	unsigned seen = 0;

	cJSON_ArrayForEach (item, object) {
		size_t i = 0;

		while (i < fields_len && strcmp(item->string, fields[i].name) != 0)
			i++;
		if (i == fields_len) {
			unknown_field(c, item->string);
			return false;
		}
		if ((seen & (1u << i)) != 0) {
			problem(c->res, PROBLEM_INVALID_FIELD, fields[i].name, "is there twice");
			return false;
		}
		seen |= 1u << i;
		if (!field_ok(c, &fields[i], item))
			return false;
	}
	for (size_t i = 0; i < fields_len; i++) {
		if (fields[i].required && (seen & (1u << i)) == 0) {
			problem(c->res, PROBLEM_MISSING_FIELD, fields[i].name, "is missing");
			return false;
		}
	}
	return true;
}

struct cJSON *form_object(struct call *c, const struct form_field *fields, size_t fields_len, bool some_required)
{
	cJSON *root = form_body(c);

	if (root == NULL)
		return NULL;
	if (!cJSON_IsObject(root))
		problem(c->res, PROBLEM_INVALID_JSON, NULL, "the body must be a JSON object");
	else if (some_required && root->child == NULL)
		problem(c->res, PROBLEM_MISSING_FIELD, NULL, "the body names no field to change");
	else if (fields_ok(c, root, fields, fields_len))
		return root;
	cJSON_Delete(root);
	return NULL;
}

struct secret *form_secret(struct cJSON *object, const char *name)
{
	char *text = cJSON_GetStringValue(json_get(object, name));
	struct secret *value;
	size_t len, lead;

	if (text == NULL)
		return NULL;
	len = strlen(text);
	lead = strspn(text, " \t\r\n");
	while (len > lead && strchr(" \t\r\n", text[len - 1]) != NULL)
		len--;
	value = secret_new(text + lead, len - lead);
	vault_wipe(text, strlen(text));
	return value;
}

bool form_name_ok(struct call *c, const char *field, const char *name)
{
	size_t len = strlen(name);

	if (len > 0 && len <= STORE_NAME_LEN && utf8_printable(name))
		return true;
	problem(c->res, PROBLEM_INVALID_FIELD, field, "must be 1 to 200 bytes without control characters");
	return false;
}
