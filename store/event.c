/*
 * The inbox: events appended as they were received, read in the order in which they came,
 * and listed. What becomes of one is settled in settle.c.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "store/core.h"

#define AHEAD_BYTES_MAX (1u << 20) /* of bodies that are read at once */

/* ------------------------------------------------------------ appending */

static enum store_error run_append(struct db *db, void *arg)
{
	const struct store_event *e = arg;
	struct query q = query_start(db,
		"INSERT INTO events (id, business_id, connection_id, state, received_at, body) "
		"SELECT ?, id, ?, 1, ?, ? FROM businesses WHERE id = ? AND removing_at = 0");
	enum store_error err;

	query_text(&q, e->id);
	query_text(&q, e->connection_id);
	query_int(&q, e->received_at);
	query_blob(&q, e->body, e->body_len);
	query_text(&q, e->business_id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

/* The body lies behind its event: the writer has both, whether their caller waits or not. */
static enum store_error append_change(const struct store_event *e, struct writer_change *change)
{
	struct store_event *copy;

	if (e->id[0] == '\0' || e->business_id[0] == '\0' || e->body == NULL || e->body_len == 0)
		return STORE_INVALID;
	copy = malloc(sizeof(*copy) + e->body_len);
	if (copy == NULL)
		return STORE_NO_MEMORY;
	*copy = *e;
	copy->body = (uint8_t *)(copy + 1);
	memcpy(copy + 1, e->body, e->body_len);
	*change = (struct writer_change){
		.run = run_append, .arg = copy, .free = free, .single = true, .size = e->body_len};
	return STORE_OK;
}

enum store_error store_event_append(struct store *s, const struct store_event *e, unsigned timeout_ms)
{
	struct writer_change change;
	const enum store_error err = append_change(e, &change);

	if (err != STORE_OK)
		return err;
	change.timeout_ms = timeout_ms;
	return writer_apply(s->writer, &change);
}

enum store_error store_event_append_later(
	struct store *s, const struct store_event *e, void (*done)(void *ctx, enum store_error result), void *ctx)
{
	struct writer_change change;
	const enum store_error err = append_change(e, &change);

	if (err != STORE_OK)
		return err;
	change.done = done;
	change.ctx = ctx;
	return writer_apply_later(s->writer, &change);
}

/* One that is taken, with its body. */
static enum store_error event_take(struct db *db, const struct store_event *found, struct rows *rows, size_t *bytes)
{
	struct query q = query_start(db, "SELECT id, connection_id, received_at, body FROM events WHERE seq = ?");
	struct store_event *e = rows_add(rows);

	query_int(&q, found->place);
	if (e != NULL && query_step(&q)) {
		const uint8_t *body;

		*e = *found;
		query_get_text(&q, e->id, sizeof(e->id));
		query_get_text(&q, e->connection_id, sizeof(e->connection_id));
		e->received_at = query_get_int(&q);
		body = query_get_blob(&q, &e->body_len);
		e->body = rows_keep(rows, body, e->body_len);
		*bytes += e->body_len;
	}
	return query_end(&q);
}

/* The index alone says whose each is. */
static enum store_error look_run(struct db *db, struct store_look *look, void *arg, struct rows *rows)
{
	struct query q = query_start(db,
		"SELECT seq, business_id FROM events INDEXED BY events_unsettled "
		"WHERE state = 1 AND seq > ? AND seq <= ? ORDER BY seq");
	const unsigned max = look->rows > 0 ? look->rows : UINT_MAX;
	enum store_error err = STORE_OK;
	size_t bytes = 0;

	query_int(&q, look->after);
	query_int(&q, look->until > 0 ? look->until : INT64_MAX);
	for (unsigned seen = 0; err == STORE_OK && seen < max && rows->len < look->limit && bytes < AHEAD_BYTES_MAX;
		seen++) {
		struct store_event e = {.place = 0};
		enum store_choice choice = STORE_TAKE;

		if (!query_step(&q)) {
			look->after = look->until > look->after ? look->until : look->after;
			break;
		}
		e.place = query_get_int(&q);
		query_get_text(&q, e.business_id, sizeof(e.business_id));
		if (look->choose != NULL)
			choice = look->choose(e.place, e.business_id, arg);
		if (choice == STORE_STOP)
			break;
		if (choice == STORE_TAKE)
			err = event_take(db, &e, rows, &bytes);
		look->after = e.place;
	}
	if (err != STORE_OK) {
		(void)query_end(&q);
		return err;
	}
	return query_end(&q);
}

enum store_error store_event_unsettled(
	struct store *s, struct store_look *look, bool (*each)(const struct store_event *e, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_event);
	struct db *db = core_reader(s);
	enum store_error err = look_run(db, look, arg, &rows);

	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_event *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ listing */

/* A business's settled events lie in one index, what is not settled yet in that of all businesses. */
#define LISTED(index, states, from)                                                                                    \
	"SELECT " EVENT_COLUMNS ", seq FROM events "                                                                   \
	"INDEXED BY " index " WHERE business_id = ?1 AND seq " from " ?2 AND " states " AND (?3 = 0 OR state = ?3) "
static const char list_oldest[] = LISTED("events_business", "state > 1", ">") "UNION ALL " LISTED(
	"events_unsettled", "state = 1", ">") "ORDER BY seq LIMIT ?4";
static const char list_newest[] = LISTED("events_business", "state > 1", "<") "UNION ALL " LISTED(
	"events_unsettled", "state = 1", "<") "ORDER BY seq DESC LIMIT ?4";

void event_read(struct query *q, struct store_event_summary *e)
{
	query_get_text(q, e->id, sizeof(e->id));
	query_get_text(q, e->connection_id, sizeof(e->connection_id));
	e->state = (enum store_event_state)query_get_int(q);
	e->received_at = query_get_int(q);
	e->delivered = (unsigned)query_get_int(q);
	e->quarantined = (unsigned)query_get_int(q);
	e->duplicates = (unsigned)query_get_int(q);
}

enum store_error core_events_list(struct store *s, const char *business_id, const struct store_page *page,
	const char *sql, int64_t state, bool (*each)(const struct store_event_summary *e, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_event_summary);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM events WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err == STORE_OK) {
		q = query_start(db, sql);
		query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, state);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_event_summary *e = rows_add(&rows);

			if (e != NULL)
				event_read(&q, e);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_event_summary *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_event_list(struct store *s, const char *business_id, enum store_event_state state,
	const struct store_page *page, bool (*each)(const struct store_event_summary *e, void *arg), void *arg)
{
	return core_events_list(s, business_id, page, page->ascending ? list_oldest : list_newest, state, each, arg);
}
