/*
 * Reading the addresses that providers send webhooks to. Trusts nothing in them: an address of an odd
 * shape makes the answer odd, because "none" would let somebody's webhooks be taken unasked.
 * Called by answer.c.
 */
#include "gateway/outbound/callback.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "gateway/json.h"
#include "gateway/outbound/outbound.h"
#include "gateway/outbound/scrub.h"

#define WEBHOOKS "/webhooks/"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool in_host(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c != '\0' && strchr("-._[]:", c) != NULL);
}

/* Where a host ends: at a port's colon where no port follows. In an address that was written wrongly a password may
 * stand there. */
static const char *host_end(const char *host, const char *end)
{
	bool bracket = false;

	for (const char *p = host; p < end; p++) {
		const size_t port = strspn(p + 1, "0123456789");

		bracket = *p == '[' || (bracket && *p != ']');
		if (*p == ':' && !bracket)
			return port > 0 && p + 1 + port == end ? end : p;
	}
	return end;
}

/* Only what a host is made of is copied. What stands before the last "@" is a password. */
void callback_owner(const char *url, char out[static CALLBACK_OWNER_MAX + 1])
{
	const bool https = strncasecmp(url, "https://", 8) == 0, http = strncasecmp(url, "http://", 7) == 0;
	const char *host = url + (https ? 8 : 7), *end;
	size_t n = https ? 8 : 7;

	out[0] = '\0';
	if (!https && !http)
		return;
	memcpy(out, https ? "https://" : "http://", n);
	end = host + strcspn(host, "/?#");
	for (const char *p = host; p < end; p++)
		if (*p == '@')
			host = p + 1;
	end = host_end(host, end);
	for (const char *p = host; p < end && n < CALLBACK_OWNER_MAX; p++) {
		const char c = lower(*p);

		if (in_host(c))
			out[n++] = c;
	}
	out[n] = '\0';
}

static bool is_house(const char *url, const struct callback_ours *ours)
{
	const size_t len = strlen(ours->public_url);

	return len > 0 && strncmp(url, ours->public_url, len) == 0 &&
		strncmp(url + len, WEBHOOKS, sizeof(WEBHOOKS) - 1) == 0;
}

/* The address as a provider gives it: a text, or nothing. False: something else. */
static bool address_of(const cJSON *holder, const char *key, const char **url)
{
	const cJSON *found = json_get(holder, key);

	if (found != NULL && !cJSON_IsNull(found) && !cJSON_IsString(found))
		return false;
	*url = cJSON_IsString(found) ? found->valuestring : "";
	return true;
}

/* A secret in a host would be lost sight of in lower case. False: memory is short. */
static bool add_owner(cJSON *callback, const char *url, const struct callback_ours *ours)
{
	char owner[CALLBACK_OWNER_MAX + 1], *scrubbed = strdup(url);
	bool ok = scrubbed != NULL;

	if (ok) {
		scrub_text(scrubbed, ours->held);
		callback_owner(scrubbed, owner);
		ok = cJSON_AddStringToObject(callback, "owner", owner) != NULL;
	}
	json_text_free(scrubbed);
	return ok;
}

/* {"callback": {"state", "owner"?}}; NULL: memory is short. */
static cJSON *describe(const char *url, const struct callback_ours *ours)
{
	const char *state = url[0] == '\0'    ? "none"
		: strcmp(url, ours->url) == 0 ? "ours"
		: is_house(url, ours)	      ? "house"
					      : "foreign";
	cJSON *fields = cJSON_CreateObject(), *callback = cJSON_AddObjectToObject(fields, "callback");
	bool ok = cJSON_AddStringToObject(callback, "state", state) != NULL;

	if (ok && strcmp(state, "foreign") == 0)
		ok = add_owner(callback, url, ours);
	if (ok)
		return fields;
	cJSON_Delete(fields);
	return NULL;
}

/* Whether the app is told of messages; where its fields are not listed, it is believed. */
static bool hears_messages(const cJSON *entry)
{
	const cJSON *fields = json_get(entry, "fields"), *field;

	if (!cJSON_IsArray(fields))
		return true;
	cJSON_ArrayForEach (field, fields) {
		const char *name = json_get_string(field, "name");

		if (name != NULL && strcmp(name, "messages") == 0)
			return true;
	}
	return false;
}

cJSON *callback_of_app(const cJSON *answer, const struct callback_ours *ours)
{
	const cJSON *data = json_get(answer, "data"), *entry;
	const char *url = "";
	bool deaf = false;
	cJSON *out;

	if (!cJSON_IsArray(data))
		return NULL;
	cJSON_ArrayForEach (entry, data) {
		const char *object = json_get_string(entry, "object");

		if (object == NULL || strcmp(object, "whatsapp_business_account") != 0)
			continue;
		if (!address_of(entry, "callback_url", &url))
			return NULL;
		deaf = !hears_messages(entry);
		break;
	}
	out = describe(url, ours);
	if (out != NULL && deaf && cJSON_AddTrueToObject(out, "deaf") == NULL) {
		cJSON_Delete(out);
		return NULL;
	}
	return out;
}

cJSON *callback_of_waba(const cJSON *answer, const struct callback_ours *ours)
{
	const cJSON *data = json_get(answer, "data"), *entry;
	const char *url = "";
	bool subscribed = false;
	cJSON *fields;

	if (!cJSON_IsArray(data))
		return NULL;
	cJSON_ArrayForEach (entry, data) {
		const char *id = json_get_string(json_get(entry, "whatsapp_business_api_data"), "id");

		if (id == NULL || strcmp(id, ours->app_id) != 0)
			continue;
		subscribed = true;
		if (!address_of(entry, "override_callback_uri", &url))
			return NULL;
		break;
	}
	fields = describe(url, ours);
	if (fields != NULL && cJSON_AddBoolToObject(fields, "subscribed", subscribed) == NULL) {
		cJSON_Delete(fields);
		return NULL;
	}
	return fields;
}

/* Whether our header is among them with our secret. */
static bool has_secret(const cJSON *headers, const struct secret *secret)
{
	const size_t len = secret_len(secret);
	const cJSON *header;
	bool has = false;

	cJSON_ArrayForEach (header, headers) {
		const char *value = cJSON_GetStringValue(header);

		if (header->string != NULL && value != NULL && strcasecmp(header->string, OUTBOUND_D360_HEADER) == 0 &&
			strlen(value) == len && vault_equal(value, secret_bytes(secret), len))
			has = true;
	}
	return has;
}

cJSON *callback_of_d360(const cJSON *answer, const struct callback_ours *ours)
{
	const cJSON *headers = json_get(answer, "headers");
	const char *url = "";
	cJSON *fields;

	if (!cJSON_IsObject(answer) || !address_of(answer, "url", &url))
		return NULL;
	fields = describe(url, ours);
	if (fields != NULL &&
		cJSON_AddBoolToObject(json_get(fields, "callback"), "secret",
			cJSON_IsObject(headers) && has_secret(headers, ours->secret)) == NULL) {
		cJSON_Delete(fields);
		return NULL;
	}
	return fields;
}
