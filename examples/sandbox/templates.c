/*
 * Templates: listed, created, deleted. Facts: meta.md 2 and 3, 360dialog.md 1.
 */
#include "examples/sandbox/templates.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "examples/sandbox/paging.h"
#include "gateway/http/http.h"
#include "gateway/json.h"

enum {
	NAME_MAX_LEN = 512,
	TEMPLATES_MAX = 250, /* of an account: code 2388019 */
	D360_LIMIT = 1000,
};

#define D360_PATH "/v1/configs/templates"
#define USUAL "name,parameter_format,components,language,status,category"

static void refuse(struct reply *r, int subcode, const char *message)
{
	graph_refuse(r, &(struct graph_error){.code = 100, .subcode = subcode, .transient = -1, .message = message});
}

/* ------------------------------------------------------------ the list */

/* Whether a template is one of those that the query asks for. */
static bool is_wanted(const struct ask *a, const struct cJSON *template)
{
	static const char *const filters[] = {"name", "language", "status", "category"};
	char value[NAME_MAX_LEN + 1];

	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		enum http_error error = http_query_get(a->query, filters[i], value, sizeof(value));

		if (error != HTTP_NO_SUCH_PARAM &&
			(error != HTTP_OK || strcasecmp(book_text(template, filters[i], ""), value) != 0))
			return false;
	}
	return true;
}

/* The fields that were asked for, of those that it has, and its id. */
static struct cJSON *fields_of(const struct cJSON *template, const char *wanted)
{
	struct cJSON *out = cJSON_CreateObject();
	char name[64];

	while (*wanted != '\0') {
		size_t len = strcspn(wanted, ",");

		(void)snprintf(name, sizeof(name), "%.*s", len < sizeof(name) ? (int)len : 0, wanted);
		if (json_get(template, name) && !json_get(out, name))
			cJSON_AddItemToObject(out, name, cJSON_Duplicate(json_get(template, name), true));
		wanted += len + (wanted[len] == ',');
	}
	cJSON_DeleteItemFromObjectCaseSensitive(out, "id");
	cJSON_AddStringToObject(out, "id", template->string);
	return out;
}

static void list(const struct sandbox *s, const struct ask *a, const char *waba, struct reply *r)
{
	struct cJSON *all = cJSON_CreateArray();
	const struct cJSON *template;
	char wanted[1024];

	if (http_query_get(a->query, "fields", wanted, sizeof(wanted)) != HTTP_OK)
		(void)snprintf(wanted, sizeof(wanted), "%s", USUAL);
	cJSON_ArrayForEach (template, book_get(s, "templates", waba)) {
		if (is_wanted(a, template))
			cJSON_AddItemToArray(all, fields_of(template, wanted));
	}
	paging_answer(s, a, waba, all, r);
}

/* ------------------------------------------------------------ a new one */

/* The one of a name, in a language unless that is NULL; or NULL. */
static struct cJSON *find(const struct sandbox *s, const char *waba, const char *name, const char *language)
{
	struct cJSON *template;

	cJSON_ArrayForEach (template, book_get(s, "templates", waba)) {
		if (strcmp(book_text(template, "name", ""), name) == 0 &&
			(!language || strcmp(book_text(template, "language", ""), language) == 0))
			return template;
	}
	return NULL;
}

const struct cJSON *templates_named(const struct sandbox *s, const char *waba, const struct cJSON *message)
{
	const struct cJSON *template = json_get(message, "template");
	const char *name = json_get_string(template, "name");
	const char *language = json_get_string(json_get(template, "language"), "code");

	return name && language ? json_get(find(s, waba, name, language), "components") : NULL;
}

/* What Meta refuses at once. False: it may be made. */
static bool is_refused(const struct sandbox *s, const struct ask *a, const char *waba, struct reply *r)
{
	static const char *const categories[] = {"AUTHENTICATION", "MARKETING", "UTILITY"};
	const char *name = book_text(a->json, "name", ""), *language = book_text(a->json, "language", "");
	const struct cJSON *components = json_get(a->json, "components");
	bool known = false;

	for (size_t i = 0; i < sizeof(categories) / sizeof(categories[0]); i++)
		known = known || strcasecmp(book_text(a->json, "category", ""), categories[i]) == 0;
	if (name[0] == '\0' || strlen(name) > NAME_MAX_LEN ||
		name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_")] != '\0')
		refuse(r, 0, "(#100) Param name must be lower-case letters, digits and underscores, at most 512.");
	else if (language[0] == '\0')
		refuse(r, 0, "(#100) The parameter language is required.");
	else if (!known)
		refuse(r, 0, "(#100) Param category must be one of {AUTHENTICATION, MARKETING, UTILITY}");
	else if (!cJSON_IsArray(components) || cJSON_GetArraySize(components) == 0)
		refuse(r, 0, "(#100) The parameter components is required.");
	else if (find(s, waba, name, language))
		refuse(r, 2388024, "(#100) Content in this language already exists");
	else if (cJSON_GetArraySize(book_get(s, "templates", waba)) >= TEMPLATES_MAX)
		refuse(r, 2388019, "(#100) Message template limit exceeded");
	else
		return false;
	return true;
}

/* Makes it: PENDING, in the book. */
static struct cJSON *create(struct sandbox *s, const struct ask *a, const char *waba)
{
	static const char *const kept[] = {"parameter_format", "components", "language"};
	struct cJSON *template = cJSON_CreateObject();
	const char *category = book_text(a->json, "category", "");
	char id[24], upper[32] = "";

	(void)snprintf(id, sizeof(id), "1%07u%07u", randombytes_uniform(10000000), randombytes_uniform(10000000));
	for (size_t i = 0; category[i] != '\0' && i + 1 < sizeof(upper); i++)
		upper[i] = (char)(category[i] >= 'a' && category[i] <= 'z' ? category[i] - 'a' + 'A' : category[i]);
	cJSON_AddStringToObject(template, "name", book_text(a->json, "name", ""));
	cJSON_AddStringToObject(template, "parameter_format", "POSITIONAL");
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		if (!json_get(a->json, kept[i]))
			continue;
		cJSON_DeleteItemFromObjectCaseSensitive(template, kept[i]);
		cJSON_AddItemToObject(template, kept[i], cJSON_Duplicate(json_get(a->json, kept[i]), true));
	}
	cJSON_AddStringToObject(template, "status", "PENDING");
	cJSON_AddStringToObject(template, "category", upper);
	cJSON_AddItemToObject(book_make(s, "templates", waba), id, template);
	book_keep(s);
	return template;
}

/* ------------------------------------------------------------ Meta's calls */

/* Of a name in all languages, or with hsm_id the one. */
static void delete_named(struct sandbox *s, const char *waba, const char *name, const char *id, struct reply *r)
{
	struct cJSON *template, *next, *all = book_get(s, "templates", waba);
	size_t gone = 0;

	for (template = all ? all->child : NULL; template; template = next) {
		next = template->next;
		if (strcmp(book_text(template, "name", ""), name) != 0 ||
			(id[0] != '\0' && strcmp(template->string, id) != 0))
			continue;
		cJSON_Delete(cJSON_DetachItemViaPointer(all, template));
		gone++;
	}
	if (gone == 0) {
		refuse(r, 2593002, "(#100) Message Template Not Found");
		return;
	}
	book_keep(s);
	reply_success(r);
}

void templates_graph(struct sandbox *s, const struct ask *a, const char *waba, struct reply *r)
{
	char name[NAME_MAX_LEN + 1] = "", id[32] = "";
	const struct cJSON *template;

	if (strcmp(a->method, "GET") == 0) {
		list(s, a, waba, r);
	} else if (strcmp(a->method, "DELETE") == 0) {
		(void)!http_query_get(a->query, "hsm_id", id, sizeof(id));
		if (http_query_get(a->query, "name", name, sizeof(name)) == HTTP_OK)
			delete_named(s, waba, name, id, r);
		else
			refuse(r, 0, "(#100) The parameter name is required.");
	} else if (strcmp(a->method, "POST") != 0) {
		refuse(r, 0, "Unsupported request");
	} else if (!is_refused(s, a, waba, r)) {
		template = create(s, a, waba);
		r->status = 200;
		r->json = cJSON_CreateObject();
		cJSON_AddStringToObject(r->json, "id", template->string);
		cJSON_AddStringToObject(r->json, "status", "PENDING");
		cJSON_AddStringToObject(r->json, "category", book_text(template, "category", ""));
	}
}

/* ------------------------------------------------------------ 360dialog's own list */

/* As 360dialog writes one: an id of its own beside Meta's, the status in small letters, "submitted" for PENDING. */
static struct cJSON *as_d360(const struct cJSON *template, const char *waba)
{
	static const char *const same[] = {"category", "components", "language", "name"};
	const char *status = book_text(template, "status", "PENDING");
	struct cJSON *out = cJSON_CreateObject();
	unsigned char hash[16];
	char id[32], lower[32] = "";

	crypto_generichash(
		hash, sizeof(hash), (const unsigned char *)template->string, strlen(template->string), NULL, 0);
	sodium_bin2hex(id, sizeof(id), hash, 10);
	(void)snprintf(id + 20, sizeof(id) - 20, "WT");
	for (size_t i = 0; status[i] != '\0' && i + 1 < sizeof(lower); i++)
		lower[i] = (char)(status[i] >= 'A' && status[i] <= 'Z' ? status[i] - 'A' + 'a' : status[i]);
	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		if (json_get(template, same[i]))
			cJSON_AddItemToObject(out, same[i], cJSON_Duplicate(json_get(template, same[i]), true));
	cJSON_AddStringToObject(out, "external_id", template->string);
	cJSON_AddStringToObject(out, "id", id);
	cJSON_AddStringToObject(out, "namespace", "00000000_0000_0000_0000_000000000000");
	cJSON_AddStringToObject(out, "partner_id", "sandboxPA");
	cJSON_AddStringToObject(out, "rejected_reason", "NONE");
	cJSON_AddStringToObject(out, "status", strcmp(status, "PENDING") == 0 ? "submitted" : lower);
	(void)snprintf(id, sizeof(id), "%.16sWA", waba);
	cJSON_AddStringToObject(out, "waba_account_id", id);
	return out;
}

/* A whole number of the query, or what it is by default. */
static size_t query_number(const struct ask *a, const char *name, size_t otherwise)
{
	char text[16];

	return http_query_get(a->query, name, text, sizeof(text)) == HTTP_OK ? strtoul(text, NULL, 10) : otherwise;
}

static void list_d360(const struct sandbox *s, const struct ask *a, const char *waba, struct reply *r)
{
	size_t limit = query_number(a, "limit", D360_LIMIT), offset = query_number(a, "offset", 0), n = 0, count = 0;
	const char *const sort[] = {"id"};
	struct cJSON *list = cJSON_CreateArray();
	const struct cJSON *template;

	cJSON_ArrayForEach (template, book_get(s, "templates", waba)) {
		if (n >= offset && count < limit) {
			cJSON_AddItemToArray(list, as_d360(template, waba));
			count++;
		}
		n++;
	}
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddNumberToObject(r->json, "count", (double)count);
	cJSON_AddItemToObject(r->json, "filters", cJSON_CreateObject());
	cJSON_AddNumberToObject(r->json, "limit", (double)limit);
	cJSON_AddNumberToObject(r->json, "offset", (double)offset);
	cJSON_AddItemToObject(r->json, "sort", cJSON_CreateStringArray(sort, 1));
	cJSON_AddNumberToObject(r->json, "total", (double)n);
	cJSON_AddItemToObject(r->json, "waba_templates", list);
}

/* A refusal of Meta's in 360dialog's form. */
static void refuse_d360(struct reply *r)
{
	char text[320];

	(void)snprintf(text, sizeof(text), "%s", book_text(json_get(r->json, "error"), "message", ""));
	cJSON_Delete(r->json);
	d360_refuse(r, 400, text, NULL);
}

static void delete_d360(struct sandbox *s, const char *waba, const char *name, struct reply *r)
{
	delete_named(s, waba, name, "", r);
	if (r->status != 200)
		refuse_d360(r);
}

void templates_d360(struct sandbox *s, const struct ask *a, const char *waba, struct reply *r)
{
	const char *rest = a->path + sizeof(D360_PATH) - 1;

	r->own = true;
	if (strcmp(a->method, "GET") == 0 && rest[0] == '\0') {
		list_d360(s, a, waba, r);
	} else if (strcmp(a->method, "DELETE") == 0 && rest[0] == '/') {
		delete_d360(s, waba, rest + 1, r);
	} else if (strcmp(a->method, "POST") != 0 || rest[0] != '\0') {
		d360_refuse(r, 404, "Not found", NULL);
	} else if (is_refused(s, a, waba, r)) {
		refuse_d360(r);
	} else {
		r->status = 201;
		r->json = as_d360(create(s, a, waba), waba);
	}
}
