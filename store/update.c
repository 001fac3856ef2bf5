/*
 * Looking one event up: its body and what it was split into.
 */
#include "store/core.h"

struct found {
	struct store_event_summary event;
	const uint8_t *body;
	size_t body_len;
};

enum store_error store_event_get(struct store *s, const char *business_id, const char *id,
	bool (*each)(const struct store_event_summary *e, const uint8_t *body, size_t body_len, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct found);
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " EVENT_COLUMNS ", body FROM events WHERE id = ? AND business_id = ?");
	enum store_error err;

	query_text(&q, id);
	query_text(&q, business_id);
	while (query_step(&q)) {
		struct found *f = rows_add(&rows);
		const uint8_t *body;

		if (f == NULL)
			continue;
		event_read(&q, &f->event);
		body = query_get_blob(&q, &f->body_len);
		f->body = rows_keep(&rows, body, f->body_len);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	if (err == STORE_OK && rows.len == 0)
		err = STORE_NOT_FOUND;
	if (err == STORE_OK) {
		const struct found *f = (const struct found *)(const void *)rows.items;

		(void)each(&f->event, f->body, f->body_len, arg);
	}
	rows_clear(&rows);
	return err;
}

enum store_error store_update_list(struct store *s, const char *business_id, const char *event_id,
	bool (*each)(const struct store_update_row *u, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_update_row);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT kind, verdict, field, what, number, reason FROM updates INDEXED BY updates_event "
		"WHERE event_id = ? AND business_id = ? ORDER BY seq");
	enum store_error err;

	query_text(&q, event_id);
	query_text(&q, business_id);
	while (query_step(&q)) {
		struct store_update_row *u = rows_add(&rows);

		if (u == NULL)
			continue;
		u->kind = (enum store_update_kind)query_get_int(&q);
		u->verdict = (enum store_update_verdict)query_get_int(&q);
		query_get_text(&q, u->field, sizeof(u->field));
		query_get_text(&q, u->what, sizeof(u->what));
		query_get_text(&q, u->number, sizeof(u->number));
		query_get_text(&q, u->reason, sizeof(u->reason));
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_update_row *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
