/*
 * Cursors, and the addresses of the pages beside one.
 */
#include "examples/sandbox/paging.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/errors.h"
#include "gateway/http/http.h"

enum {
	LIMIT = 25,
	LIMIT_MAX = 1000,
	CURSOR_MAX = 40,
};

/* Meta's addresses carry the token of whoever asks: through 360dialog that is one of 360dialog's, and nobody's business. */
#define OF_360DIALOG "EAAGtheTokenWithWhich360dialogAsksMeta"
#define META_ITSELF "https://graph.facebook.com/v21.0"

/* The place in the list as base64, its padding written as ZD: 24 is "MjQZD". */
static void cursor_of(size_t place, char out[static CURSOR_MAX])
{
	char digits[24], base64[CURSOR_MAX];
	int len = snprintf(digits, sizeof(digits), "%zu", place);
	size_t used = 0;

	sodium_bin2base64(
		base64, sizeof(base64), (const unsigned char *)digits, (size_t)len, sodium_base64_VARIANT_ORIGINAL);
	for (const char *at = base64; *at != '\0' && used + 3 < CURSOR_MAX; at++)
		used += (size_t)snprintf(out + used, 3, *at == '=' ? "ZD" : "%c", *at);
}

/* The cursor that the query has under a name: its place; false where it has none, or one that this list never gave, which
 * is *wrong then. */
static bool place_named(const struct ask *a, const char *name, size_t most, size_t *place, bool *wrong)
{
	char given[CURSOR_MAX], cursor[CURSOR_MAX];
	enum http_error error = http_query_get(a->query, name, given, sizeof(given));

	if (error == HTTP_NO_SUCH_PARAM)
		return false;
	for (*place = 0; error == HTTP_OK && *place < most; ++*place) {
		cursor_of(*place, cursor);
		if (strcmp(cursor, given) == 0)
			return true;
	}
	*wrong = true;
	return false;
}

struct page {
	size_t begin, end, count, limit;
};

/* False: a cursor is none, or limit is no number. */
static bool page_read(const struct ask *a, size_t count, struct page *page)
{
	char text[16] = "";
	size_t place = 0;
	bool wrong = false;

	*page = (struct page){.count = count, .limit = LIMIT};
	if (http_query_get(a->query, "limit", text, sizeof(text)) != HTTP_NO_SUCH_PARAM) {
		page->limit = strtoul(text, NULL, 10);
		if (page->limit == 0 || text[strspn(text, "0123456789")] != '\0')
			return false;
		page->limit = page->limit < LIMIT_MAX ? page->limit : (size_t)LIMIT_MAX;
	}
	page->end = count;
	if (place_named(a, "before", count + LIMIT_MAX, &place, &wrong)) {
		page->end = place < count ? place : count;
		page->begin = page->end > page->limit ? page->end - page->limit : 0;
	} else if (place_named(a, "after", count + LIMIT_MAX, &place, &wrong)) {
		page->begin = place + 1 < count ? place + 1 : count;
	}
	if (page->end - page->begin > page->limit)
		page->end = page->begin + page->limit;
	return !wrong;
}

/* ------------------------------------------------------------ addresses */

/* What the caller asked with, but for what an address has of its own. */
static void put_rest(FILE *out, const char *query)
{
	static const char *const own[] = {"access_token", "appsecret_proof", "limit", "after", "before"};

	while (query && *query != '\0') {
		size_t len = strcspn(query, "&"), name = strcspn(query, "=&");
		bool is_own = len == 0;

		for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			is_own = is_own || (strlen(own[i]) == name && strncmp(own[i], query, name) == 0);
		if (!is_own)
			(void)fprintf(out, "&%.*s", (int)len, query);
		query += len + (query[len] == '&');
	}
}

/* The address of a page beside this one, as a member of paging. */
static void add_address(const struct sandbox *s, const struct ask *a, const char *account, const struct page *page,
	struct cJSON *paging, const char *name)
{
	bool meta = strcmp(a->api, "meta") == 0, next = strcmp(name, "next") == 0;
	char *token = curl_easy_escape(NULL, meta ? a->token : OF_360DIALOG, 0), *text = NULL, cursor[CURSOR_MAX];
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (out) {
		if (meta)
			(void)fprintf(out, "http%s://%s%s", strncmp(s->url, "https", 5) == 0 ? "s" : "",
				a->host ? a->host : "", a->path);
		else
			(void)fprintf(out, META_ITSELF "/%s%s", account, strrchr(a->path, '/'));
		cursor_of(next ? page->end - 1 : page->begin, cursor);
		(void)fprintf(out, "?access_token=%s", token ? token : "");
		put_rest(out, a->query);
		(void)fprintf(out, "&limit=%zu&%s=%s", page->limit, next ? "after" : "before", cursor);
		if (fclose(out) == 0)
			cJSON_AddStringToObject(paging, name, text);
	}
	free(text);
	curl_free(token);
}

void paging_answer(
	const struct sandbox *s, const struct ask *a, const char *account, struct cJSON *all, struct reply *r)
{
	struct cJSON *data, *paging, *cursors;
	char cursor[CURSOR_MAX];
	struct page page;

	if (!page_read(a, (size_t)cJSON_GetArraySize(all), &page)) {
		graph_refuse(r,
			&(struct graph_error){
				.code = 100, .transient = -1, .message = "(#100) Invalid cursor or limit"});
		cJSON_Delete(all);
		return;
	}
	r->status = 200;
	r->json = cJSON_CreateObject();
	data = cJSON_AddArrayToObject(r->json, "data");
	for (size_t i = 0; i < page.end; i++) {
		struct cJSON *one = cJSON_DetachItemFromArray(all, 0);

		if (i < page.begin)
			cJSON_Delete(one);
		else
			cJSON_AddItemToArray(data, one);
	}
	cJSON_Delete(all);
	if (page.begin == page.end)
		return;
	paging = cJSON_AddObjectToObject(r->json, "paging");
	cursors = cJSON_AddObjectToObject(paging, "cursors");
	cursor_of(page.begin, cursor);
	cJSON_AddStringToObject(cursors, "before", cursor);
	cursor_of(page.end - 1, cursor);
	cJSON_AddStringToObject(cursors, "after", cursor);
	if (page.end < page.count)
		add_address(s, a, account, &page, paging, "next");
	if (page.begin > 0)
		add_address(s, a, account, &page, paging, "previous");
}
