/*
 * The business profile. Facts: meta.md 6.
 */
#include "examples/sandbox/profile.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "gateway/http/http.h"
#include "gateway/json.h"

enum {
	SITES_MAX = 2,
	SITE_MAX = 256,
};

static const struct {
	const char *name;
	size_t max; /* bytes */
} texts[] = {{"about", 139}, {"address", 256}, {"description", 512}, {"email", 128}, {"vertical", 32},
	{"profile_picture_handle", 4096}};

static void refuse(struct reply *r, const char *param, const char *fault)
{
	char message[128];

	(void)snprintf(message, sizeof(message), "(#100) Param %s %s.", param, fault);
	graph_refuse(r, &(struct graph_error){.code = 100, .transient = -1, .message = message});
}

static void show(const struct sandbox *s, const struct ask *a, struct reply *r)
{
	const struct cJSON *known = book_get(s, "profiles", a->number);
	struct cJSON *one = cJSON_CreateObject();
	char wanted[1024] = "", name[64];
	const char *at = wanted;

	(void)!http_query_get(a->query, "fields", wanted, sizeof(wanted));
	while (*at != '\0') {
		size_t len = strcspn(at, ",");

		(void)snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : 0, at);
		if (json_get(known, name) && !json_get(one, name))
			cJSON_AddItemToObject(one, name, cJSON_Duplicate(json_get(known, name), true));
		at += len + (at[len] == ',');
	}
	cJSON_AddStringToObject(one, "messaging_product", "whatsapp");
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(r->json, "data"), one);
}

/* Whether the body's websites are some that may be; none are fine. */
static bool sites_fit(const struct cJSON *sites)
{
	const struct cJSON *site;

	cJSON_ArrayForEach (site, sites) {
		if (!cJSON_IsString(site) || strlen(site->valuestring) > SITE_MAX)
			return false;
	}
	return !sites || (cJSON_IsArray(sites) && cJSON_GetArraySize(sites) <= SITES_MAX);
}

/* Refuses what does not fit. False: it fits. */
static bool is_refused(const struct ask *a, struct reply *r)
{
	const char *product = book_text(a->json, "messaging_product", "");

	if (strcmp(product, "whatsapp") != 0) {
		refuse(r, "messaging_product", "is required");
		return true;
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const struct cJSON *text = json_get(a->json, texts[i].name);

		if (text && (!cJSON_IsString(text) || strlen(text->valuestring) > texts[i].max)) {
			refuse(r, texts[i].name, "is not a text, or too long");
			return true;
		}
	}
	if (book_text(a->json, "about", "x")[0] == '\0' || !sites_fit(json_get(a->json, "websites"))) {
		refuse(r, sites_fit(json_get(a->json, "websites")) ? "about" : "websites", "is not valid");
		return true;
	}
	return false;
}

static void change(struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct cJSON *profile = book_make(s, "profiles", a->number);
	const struct cJSON *sites = json_get(a->json, "websites");

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *text = json_get_string(a->json, texts[i].name);

		if (text && strcmp(texts[i].name, "profile_picture_handle") == 0)
			book_set(profile, "profile_picture_url", "https://pps.whatsapp.net/v/t61.24694-24/picture.jpg");
		else if (text)
			book_set(profile, texts[i].name, text);
	}
	if (sites) {
		cJSON_DeleteItemFromObjectCaseSensitive(profile, "websites");
		cJSON_AddItemToObject(profile, "websites", cJSON_Duplicate(sites, true));
	}
	book_keep(s);
	reply_success(r);
}

void profile_answer(struct sandbox *s, const struct ask *a, struct reply *r)
{
	if (strcmp(a->method, "GET") == 0)
		show(s, a, r);
	else if (strcmp(a->method, "POST") != 0)
		graph_missing(r, a->method, a->number);
	else if (!is_refused(a, r))
		change(s, a, r);
}
