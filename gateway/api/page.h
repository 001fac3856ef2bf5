/*
 * Lists: {data, next_cursor}, newest first, limit 50 and at most 200. A cursor is
 * the id of the last row seen.
 *
 * Internal to gateway/api.
 */
#ifndef KEYHOUSE_API_PAGE_H
#define KEYHOUSE_API_PAGE_H

#include "gateway/api/internal.h"

struct cJSON;

struct listing {
	struct call *call;
	struct store_page page;
	char after[STORE_BUSINESS_ID_LEN + 1];
	char last[STORE_BUSINESS_ID_LEN + 1]; /* the id of the last row added */
	struct cJSON *data;
	size_t content_bytes; /* for handlers that bound what a list shows */
	bool peeking; /* rows are only being looked for */
	bool more;
	bool failed; /* memory was short */
};

/* Runs one page through the store: calls listing_add for each row. ctx is the handler's. */
typedef enum store_error listing_fetch(struct listing *l, const void *ctx);

/* Answers a list completely. decorate, which may be NULL, sees the rows before they are sent
 * and answers false when it answered a problem. */
void listing_answer(struct call *c, listing_fetch *fetch, bool (*decorate)(struct listing *l), const void *ctx);

/* Whether the row has to be built at all; false while peeking, and the fetch then stops. */
bool listing_wants(struct listing *l);
/* Takes row; NULL: memory was short. Returns what each() returns. */
bool listing_add(struct listing *l, const char *id, struct cJSON *row);

/* Reads a query parameter that is one of names (a list that ends with NULL names[i].text);
 * *value stays where it is absent. False after the problem was answered. */
struct listing_name {
	const char *text;
	int value;
};
bool listing_choice(struct call *c, const char *parameter, const struct listing_name *names, int *value);
const char *listing_name(const struct listing_name *names, int value);

/* Whether each parameter of the query is one of names (words and blanks). False after the problem was answered: who
 * mistyped how a message is to be sent must not find it sent in another way. */
bool query_known(struct call *c, const char *names);

#endif
