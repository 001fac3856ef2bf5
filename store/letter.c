/*
 * What went wrong, of all businesses, for the operator: dead letters, quarantined updates
 * and events that could not be read. Read along indexes that hold nothing else; never with
 * content.
 */
#include "store/core.h"
#include "store/message.h"

static enum store_error start_of(struct db *db, const char *sql, const char *after, unsigned limit, int64_t *seq)
{
	const struct store_page page = {.after = after, .limit = limit};

	return core_page_start(db, sql, NULL, &page, seq);
}

/* ------------------------------------------------------------ dead letters */

static void letter_read(struct query *q, struct store_letter *l)
{
	query_get_text(q, l->id, sizeof(l->id));
	query_get_text(q, l->business_id, sizeof(l->business_id));
	query_get_text(q, l->business_name, sizeof(l->business_name));
	l->state = (enum store_message_state)query_get_int(q);
	query_get_text(q, l->type, sizeof(l->type));
	l->created_at = query_get_int(q);
	l->attempts = (uint32_t)query_get_int(q);
	l->error_code = (int32_t)query_get_int(q);
	query_get_text(q, l->reason, sizeof(l->reason));
}

enum store_error store_letter_list(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_letter *l, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_letter);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = start_of(db, "SELECT seq FROM messages WHERE id = ?", after, limit, &start);

	if (err == STORE_OK) {
		q = query_start(db,
			"SELECT m.id, m.business_id, b.name, m.state, m.type, m.created_at, m.attempts, m.error_code, "
			"m.reason FROM messages m INDEXED BY messages_letters "
			"CROSS JOIN businesses b ON b.id = m.business_id AND b.removing_at = 0 "
			"WHERE m.direction = 2 AND m.state >= 8 AND m.state <= 10 AND m.discarded_at = 0 AND m.seq < ? "
			"ORDER BY m.seq DESC LIMIT ?");
		query_int(&q, start);
		query_int(&q, limit);
		while (query_step(&q)) {
			struct store_letter *l = rows_add(&rows);

			if (l != NULL)
				letter_read(&q, l);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_letter *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error message_discard(struct db *db, const char *business_id, const char *id)
{
	struct query q = query_start(db,
		"UPDATE messages SET discarded_at = ? WHERE id = ? AND business_id = ? AND direction = 2 "
		"AND state >= 8 AND state <= 10 AND discarded_at = 0");
	enum store_error err;

	query_int(&q, store_now_ms());
	query_text(&q, id);
	query_text(&q, business_id);
	err = query_finish(&q);
	if (err != STORE_OK || db_changes(db) > 0)
		return err;
	q = query_start(db, "SELECT 1 FROM messages WHERE id = ? AND business_id = ?");
	query_text(&q, id);
	query_text(&q, business_id);
	err = query_exists(&q);
	return err == STORE_OK ? STORE_STALE : err;
}

struct discard {
	const char *business_id, *id;
};

static enum store_error run_discard(struct db *db, void *arg)
{
	const struct discard *a = arg;

	return message_discard(db, a->business_id, a->id);
}

enum store_error store_message_discard(struct store *s, const char *business_id, const char *id)
{
	struct discard a = {business_id, id};

	return core_write(s, run_discard, &a);
}

/* ------------------------------------------------------------ quarantine */

static void quarantined_read(struct query *q, struct store_quarantined *u)
{
	query_get_text(q, u->id, sizeof(u->id));
	query_get_text(q, u->business_id, sizeof(u->business_id));
	query_get_text(q, u->business_name, sizeof(u->business_name));
	u->received_at = query_get_int(q);
	query_get_text(q, u->field, sizeof(u->field));
	query_get_text(q, u->number, sizeof(u->number));
	query_get_text(q, u->reason, sizeof(u->reason));
}

/* Their ids ascend with time, and are all the index has to hold. */
enum store_error store_quarantined_list(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_quarantined *u, void *arg), void *arg)
{
	static const char last[] = "~"; /* behind every id */
	struct rows rows = ROWS_OF(struct store_quarantined);
	struct db *db;
	struct query q;
	enum store_error err;

	if (limit == 0 || limit > STORE_LIST_MAX)
		return STORE_INVALID;
	db = core_reader(s);
	q = query_start(db,
		"SELECT u.id, u.business_id, b.name, e.received_at, u.field, u.number, u.reason "
		"FROM updates u INDEXED BY updates_quarantined CROSS JOIN events e ON e.id = u.event_id "
		"CROSS JOIN businesses b ON b.id = u.business_id AND b.removing_at = 0 "
		"WHERE u.verdict = 2 AND u.id < ? ORDER BY u.id DESC LIMIT ?");
	query_text(&q, after != NULL ? after : last);
	query_int(&q, limit);
	while (query_step(&q)) {
		struct store_quarantined *u = rows_add(&rows);

		if (u != NULL)
			quarantined_read(&q, u);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_quarantined *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ unparsed events */

static void unparsed_read(struct query *q, struct store_unparsed *e)
{
	query_get_text(q, e->id, sizeof(e->id));
	query_get_text(q, e->business_id, sizeof(e->business_id));
	query_get_text(q, e->business_name, sizeof(e->business_name));
	e->received_at = query_get_int(q);
}

enum store_error store_unparsed_list(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_unparsed *e, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_unparsed);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = start_of(db, "SELECT seq FROM events WHERE id = ?", after, limit, &start);

	if (err == STORE_OK) {
		q = query_start(db,
			"SELECT e.id, e.business_id, b.name, e.received_at FROM events e INDEXED BY events_unparsed "
			"CROSS JOIN businesses b ON b.id = e.business_id AND b.removing_at = 0 "
			"WHERE e.state = 3 AND e.seq < ? ORDER BY e.seq DESC LIMIT ?");
		query_int(&q, start);
		query_int(&q, limit);
		while (query_step(&q)) {
			struct store_unparsed *e = rows_add(&rows);

			if (e != NULL)
				unparsed_read(&q, e);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_unparsed *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
