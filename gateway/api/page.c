/*
 * Reading limit, order and cursor; whether there is a next page is asked of the
 * store by one more row, so that a cursor never leads to an empty page.
 */
#include "gateway/api/page.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"
#include "gateway/http/http.h"
#include "gateway/json.h"

#define LIMIT_DEFAULT 50u

/* NULL out: absent. False after the problem was answered. */
static bool parameter(struct call *c, const char *name, char *buf, size_t room, bool *there)
{
	*there = false;
	switch (http_query_get(c->req->query, name, buf, room)) {
	case HTTP_OK:
		*there = true;
		return true;
	case HTTP_NO_SUCH_PARAM:
		return true;
	case HTTP_BAD_QUERY:
	case HTTP_TOO_LARGE:
	case HTTP_TIMED_OUT:
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_SETUP_FAILED:
		break;
	}
	problem(c->res, PROBLEM_INVALID_FIELD, name, "is malformed or too long");
	return false;
}

/* Whether name stands among the words. */
static bool is_among(const char *words, const char *name)
{
	const size_t len = strlen(name);

	for (const char *p = words; *p != '\0'; p += strspn(p, " ")) {
		const size_t word = strcspn(p, " ");

		if (word == len && strncmp(p, name, len) == 0)
			return true;
		p += word;
	}
	return false;
}

bool query_known(struct call *c, const char *names)
{
	char name[32], detail[160];

	for (const char *p = c->req->query; p != NULL && *p != '\0'; p += *p == '&' ? 1 : 0) {
		const size_t len = strcspn(p, "&="), room = sizeof(name) - 1;

		(void)snprintf(name, sizeof(name), "%.*s", (int)(len <= room ? len : 0), p);
		if (len > 0 && (!http_decode(name) || !is_among(names, name))) {
			(void)snprintf(detail, sizeof(detail),
				"the query has a parameter that this call does not know; it knows: %s", names);
			problem(c->res, PROBLEM_UNKNOWN_FIELD, NULL, detail);
			return false;
		}
		p += strcspn(p, "&");
	}
	return true;
}

static bool read_limit(struct call *c, unsigned *limit)
{
	char text[8];
	unsigned n = 0;
	bool there;

	*limit = LIMIT_DEFAULT;
	if (!parameter(c, "limit", text, sizeof(text), &there))
		return false;
	if (!there)
		return true;
	for (const char *p = text; *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (unsigned)(*p - '0');
	if (text[0] == '\0' || text[strspn(text, "0123456789")] != '\0' || n < 1 || n > STORE_LIST_MAX) {
		problem(c->res, PROBLEM_INVALID_FIELD, "limit", "must be a number from 1 to 200");
		return false;
	}
	*limit = n;
	return true;
}

static bool read_page(struct call *c, struct listing *l)
{
	static const struct listing_name orders[] = {{"desc", 0}, {"asc", 1}, {NULL, 0}};
	int ascending = 0;
	bool there = false;

	if (!read_limit(c, &l->page.limit) || !listing_choice(c, "order", orders, &ascending))
		return false;
	l->page.ascending = ascending == 1;
	switch (http_query_get(c->req->query, "cursor", l->after, sizeof(l->after))) {
	case HTTP_OK:
		there = true;
		break;
	case HTTP_NO_SUCH_PARAM:
		return true;
	case HTTP_BAD_QUERY:
	case HTTP_TOO_LARGE:
	case HTTP_TIMED_OUT:
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_SETUP_FAILED:
		break;
	}
	if (!there || !api_id_ok(l->after, strlen(l->after))) {
		problem(c->res, PROBLEM_INVALID_CURSOR, "cursor", NULL);
		return false;
	}
	l->page.after = l->after;
	return true;
}

bool listing_choice(struct call *c, const char *name, const struct listing_name *names, int *value)
{
	char text[32], detail[160];
	size_t len;
	bool there;

	if (!parameter(c, name, text, sizeof(text), &there))
		return false;
	if (!there)
		return true;
	for (size_t i = 0; names[i].text != NULL; i++) {
		if (strcmp(names[i].text, text) == 0) {
			*value = names[i].value;
			return true;
		}
	}
	len = (size_t)snprintf(detail, sizeof(detail), "must be one of");
	for (size_t i = 0; names[i].text != NULL && len < sizeof(detail); i++)
		len += (size_t)snprintf(detail + len, sizeof(detail) - len, " %s", names[i].text);
	problem(c->res, PROBLEM_INVALID_FIELD, name, detail);
	return false;
}

const char *listing_name(const struct listing_name *names, int value)
{
	for (; names->text != NULL; names++)
		if (names->value == value)
			return names->text;
	return NULL;
}

bool listing_wants(struct listing *l)
{
	if (!l->peeking)
		return true;
	l->more = true;
	return false;
}

bool listing_add(struct listing *l, const char *id, struct cJSON *row)
{
	if (!json_list_add(l->data, row)) {
		l->failed = true;
		return false;
	}
	(void)snprintf(l->last, sizeof(l->last), "%s", id);
	return true;
}

/* Whether a row follows the last one. */
static enum store_error peek(struct listing *l, listing_fetch *fetch, const void *ctx)
{
	enum store_error err;

	l->page.after = l->last;
	l->page.limit = 1;
	l->peeking = true;
	err = fetch(l, ctx);
	/* Removed meanwhile: the list ends here for this reader. */
	return err == STORE_NOT_FOUND ? STORE_OK : err;
}

void listing_answer(struct call *c, listing_fetch *fetch, bool (*decorate)(struct listing *l), const void *ctx)
{
	struct listing l = {.call = c};
	struct out o;
	unsigned limit;
	enum store_error err;

	if (!read_page(c, &l))
		return;
	l.data = cJSON_CreateArray();
	limit = l.page.limit;
	err = l.data != NULL ? fetch(&l, ctx) : STORE_NO_MEMORY;
	if (err == STORE_OK && !l.failed && (unsigned)cJSON_GetArraySize(l.data) == limit)
		err = peek(&l, fetch, ctx);
	if (err == STORE_OK && l.failed)
		err = STORE_NO_MEMORY;
	if (err != STORE_OK) {
		cJSON_Delete(l.data);
		/* Whose list it is was found before: only the cursor can be what is unknown. */
		if (l.after[0] != '\0' && (err == STORE_NOT_FOUND || err == STORE_INVALID))
			problem(c->res, PROBLEM_INVALID_CURSOR, "cursor", NULL);
		else
			problem_store(c, err);
		return;
	}
	if (decorate != NULL && !decorate(&l)) {
		cJSON_Delete(l.data);
		return;
	}
	out_begin(&o);
	out_value(&o, "data", l.data);
	out_text(&o, "next_cursor", l.more ? l.last : NULL);
	out_send(&o, c->res, 200);
}
