/*
 * What a business's sends met lately: its newest outbound messages, gone through once.
 */
#include <stdio.h>
#include <string.h>

#include "store/core.h"

#define WALKED_MAX 5000
#define TROUBLES_MAX 32u

struct walk {
	struct store_trouble troubles[TROUBLES_MAX];
	size_t len;
};

static struct store_trouble *trouble_of(struct walk *w, const char *connection_id, int32_t code)
{
	struct store_trouble *t;

	for (size_t i = 0; i < w->len; i++)
		if (w->troubles[i].error_code == code && strcmp(w->troubles[i].connection_id, connection_id) == 0)
			return &w->troubles[i];
	if (w->len == TROUBLES_MAX)
		return NULL;
	t = &w->troubles[w->len++];
	*t = (struct store_trouble){.error_code = code};
	(void)snprintf(t->connection_id, sizeof(t->connection_id), "%s", connection_id);
	return t;
}

static bool is_accepted(enum store_message_state state)
{
	return state == STORE_MESSAGE_SENT || state == STORE_MESSAGE_DELIVERED || state == STORE_MESSAGE_READ;
}

/* Troubles that are met later in the walk are of older messages. */
static void row_take(struct walk *w, struct query *q, struct walk *accepted)
{
	char connection_id[STORE_ID_LEN + 1], reason[STORE_TEXT_LEN + 1];
	const enum store_message_state state = (enum store_message_state)query_get_int(q);
	const int32_t code = (int32_t)query_get_int(q);
	const int64_t at = query_get_int(q), made_at = query_get_int(q);
	struct store_trouble *t;

	query_get_text(q, connection_id, sizeof(connection_id));
	query_get_text(q, reason, sizeof(reason));
	if (is_accepted(state)) {
		t = trouble_of(accepted, connection_id, 0);
		if (t != NULL && made_at > t->accepted_at)
			t->accepted_at = made_at;
		return;
	}
	if (code == 0 && reason[0] == '\0')
		return;
	t = trouble_of(w, connection_id, code);
	if (t == NULL)
		return;
	if (t->count++ == 0)
		memcpy(t->reason, reason, sizeof(t->reason));
	if (at > t->last_at)
		t->last_at = at;
	if (made_at > t->made_at)
		t->made_at = made_at;
}

enum store_error store_trouble_list(struct store *s, const char *business_id, int64_t since,
	bool (*each)(const struct store_trouble *t, void *arg), void *arg)
{
	struct walk found = {.len = 0}, accepted = {.len = 0};
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT state, error_code, updated_at, created_at, connection_id, reason FROM (SELECT state, "
		"error_code, "
		"updated_at, "
		"connection_id, reason, direction, created_at FROM messages "
		"INDEXED BY messages_business WHERE business_id = ? ORDER BY seq DESC LIMIT ?) "
		"WHERE direction = 2 AND created_at >= ?");
	enum store_error err;

	query_text(&q, business_id);
	query_int(&q, WALKED_MAX);
	query_int(&q, since);
	while (query_step(&q))
		row_take(&found, &q, &accepted);
	err = query_end(&q);
	core_return(s, db);
	for (size_t i = 0; err == STORE_OK && i < found.len; i++) {
		struct store_trouble *t = &found.troubles[i];

		for (size_t j = 0; j < accepted.len; j++)
			if (strcmp(accepted.troubles[j].connection_id, t->connection_id) == 0)
				t->accepted_at = accepted.troubles[j].accepted_at;
		if (!each(t, arg))
			break;
	}
	return err;
}
