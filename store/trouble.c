/*
 * What a business's sends met lately: those that were refused, and what was accepted since.
 */
#include <stdio.h>
#include <string.h>

#include "store/core.h"

#define TROUBLES_MAX 32u
#define REFUSED_MAX 5000
#define WALKED_MAX 5000 /* to the newest that was accepted */

struct walk {
	struct store_trouble troubles[TROUBLES_MAX];
	size_t len;
};

/* What has no code is told apart by its words. */
static struct store_trouble *trouble_of(struct walk *w, const char *connection_id, int32_t code, const char *reason)
{
	struct store_trouble *t;

	for (size_t i = 0; i < w->len; i++)
		if (w->troubles[i].error_code == code && strcmp(w->troubles[i].connection_id, connection_id) == 0 &&
			(code != 0 || strcmp(w->troubles[i].reason, reason) == 0))
			return &w->troubles[i];
	if (w->len == TROUBLES_MAX)
		return NULL;
	t = &w->troubles[w->len++];
	*t = (struct store_trouble){.error_code = code};
	(void)snprintf(t->connection_id, sizeof(t->connection_id), "%s", connection_id);
	(void)snprintf(t->reason, sizeof(t->reason), "%s", reason);
	return t;
}

/* Rows that are met later are of older messages. */
static void refused_take(struct walk *w, struct query *q)
{
	char connection_id[STORE_ID_LEN + 1], reason[STORE_TEXT_LEN + 1];
	const int32_t code = (int32_t)query_get_int(q);
	const int64_t at = query_get_int(q), made_at = query_get_int(q);
	struct store_trouble *t;

	query_get_text(q, connection_id, sizeof(connection_id));
	query_get_text(q, reason, sizeof(reason));
	t = trouble_of(w, connection_id, code, reason);
	if (t == NULL)
		return;
	t->count++;
	if (at > t->last_at)
		t->last_at = at;
	if (made_at > t->made_at)
		t->made_at = made_at;
}

static enum store_error refused(struct db *db, const char *business_id, int64_t since, struct walk *w)
{
	struct query q = query_start(db,
		"SELECT error_code, updated_at, created_at, connection_id, reason FROM messages INDEXED BY "
		"messages_refused "
		"WHERE business_id = ? AND direction = 2 AND reason <> '' AND echo = 0 AND state IN (4, 8, 9, 10) AND "
		"created_at >= "
		"? "
		"ORDER BY seq DESC LIMIT ?");

	query_text(&q, business_id);
	query_int(&q, since);
	query_int(&q, REFUSED_MAX);
	while (query_step(&q))
		refused_take(w, &q);
	return query_end(&q);
}

/* The newest message of a connection that the provider took, among the newest of the business. */
static enum store_error accepted(struct db *db, const char *business_id, struct store_trouble *t)
{
	struct query q = query_start(db,
		"SELECT created_at FROM (SELECT created_at, connection_id, direction, state, echo, seq FROM messages "
		"INDEXED BY messages_business WHERE business_id = ? ORDER BY seq DESC LIMIT ?) "
		"WHERE direction = 2 AND echo = 0 AND connection_id = ? AND state IN (5, 6, 7) ORDER BY seq DESC LIMIT "
		"1");

	query_text(&q, business_id);
	query_int(&q, WALKED_MAX);
	query_text(&q, t->connection_id);
	if (query_step(&q))
		t->accepted_at = query_get_int(&q);
	return query_end(&q);
}

/* Of the same connection it is looked for once. */
static enum store_error accepted_of(struct db *db, const char *business_id, struct walk *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(w->troubles[i].connection_id, w->troubles[n].connection_id) != 0)
			continue;
		w->troubles[n].accepted_at = w->troubles[i].accepted_at;
		return STORE_OK;
	}
	return accepted(db, business_id, &w->troubles[n]);
}

enum store_error store_trouble_list(struct store *s, const char *business_id, int64_t since,
	bool (*each)(const struct store_trouble *t, void *arg), void *arg)
{
	struct walk found = {.len = 0};
	struct db *db = core_reader(s);
	enum store_error err = refused(db, business_id, since, &found);

	for (size_t i = 0; i < found.len && err == STORE_OK; i++)
		err = accepted_of(db, business_id, &found, i);
	core_return(s, db);
	for (size_t i = 0; i < found.len && err == STORE_OK; i++)
		if (!each(&found.troubles[i], arg))
			break;
	return err;
}
