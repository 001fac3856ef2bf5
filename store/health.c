/*
 * Health of connections: when each is looked at again, and which change of state its
 * platform does not know of.
 */
#include "store/core.h"

/* ------------------------------------------------------------ when to look */

struct due {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
};

enum store_error store_health_due(struct store *s, int64_t now, unsigned limit,
	bool (*each)(const char *business_id, const char *connection_id, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct due);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT c.business_id, c.id FROM connections c INDEXED BY connections_check "
		"JOIN businesses b ON b.id = c.business_id AND b.status = 1 "
		"WHERE c.status <> 6 AND c.check_at <= ? ORDER BY c.check_at LIMIT ?");
	enum store_error err;

	query_int(&q, now);
	query_int(&q, limit);
	while (query_step(&q)) {
		struct due *d = rows_add(&rows);

		if (d == NULL)
			continue;
		query_get_text(&q, d->business_id, sizeof(d->business_id));
		query_get_text(&q, d->connection_id, sizeof(d->connection_id));
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++) {
		const struct due *d = &((struct due *)(void *)rows.items)[i];

		if (!each(d->business_id, d->connection_id, arg))
			break;
	}
	rows_clear(&rows);
	return err;
}

struct marking {
	const char *business_id, *connection_id;
	int64_t value;
};

static enum store_error mark(struct db *db, const char *sql, const struct marking *m)
{
	struct query q = query_start(db, sql);
	enum store_error err;

	query_int(&q, m->value);
	query_text(&q, m->business_id);
	query_text(&q, m->connection_id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error run_next(struct db *db, void *arg)
{
	return mark(db, "UPDATE connections SET check_at = ? WHERE business_id = ? AND id = ?", arg);
}

enum store_error store_health_next(struct store *s, const char *business_id, const char *connection_id, int64_t at)
{
	struct marking m = {business_id, connection_id, at};

	return core_write(s, run_next, &m);
}

enum store_error core_health_soon(struct db *db, const char *business_id, const char *connection_id, int64_t now)
{
	struct query q = query_start(db,
		"UPDATE connections SET check_at = max(?1, ?4 + coalesce((SELECT looked_at FROM connection_facts "
		"WHERE connection_id = connections.id), 0)) WHERE business_id = ?2 AND ?3 IN ('', id) AND check_at > "
		"?1 + ?4 * 3 / 2");

	query_int(&q, now);
	query_text(&q, business_id);
	query_text(&q, connection_id);
	query_int(&q, STORE_HEALTH_GAP_MS);
	return query_finish(&q);
}

static enum store_error run_soon(struct db *db, void *arg)
{
	const struct marking *m = arg;
	const enum store_error err = core_health_soon(db, m->business_id, m->connection_id, m->value);

	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_health_soon(struct store *s, const char *business_id, const char *connection_id, int64_t now)
{
	struct marking m = {business_id, connection_id, now};

	return core_write(s, run_soon, &m);
}

/* ------------------------------------------------------------ what is not told yet */

struct untold_row {
	struct due who;
	enum store_connection_status told;
	int64_t state_at;
};

static enum store_error untold_rows(struct store *s, int64_t now, unsigned limit, struct rows *rows)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT business_id, id, told, state_at FROM connections INDEXED BY connections_untold "
		"WHERE told <> status AND tell_at <= ? ORDER BY tell_at LIMIT ?");
	enum store_error err;

	query_int(&q, now);
	query_int(&q, limit);
	while (query_step(&q)) {
		struct untold_row *u = rows_add(rows);

		if (u == NULL)
			continue;
		query_get_text(&q, u->who.business_id, sizeof(u->who.business_id));
		query_get_text(&q, u->who.connection_id, sizeof(u->who.connection_id));
		u->told = (enum store_connection_status)query_get_int(&q);
		u->state_at = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	return err == STORE_OK && rows->failed ? STORE_NO_MEMORY : err;
}

enum store_error store_health_untold(
	struct store *s, int64_t now, unsigned limit, bool (*each)(const struct store_untold *u, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct untold_row);
	enum store_error err = untold_rows(s, now, limit, &rows);

	for (size_t i = 0; err == STORE_OK && i < rows.len; i++) {
		const struct untold_row *row = &((struct untold_row *)(void *)rows.items)[i];
		struct store_untold u = {.told = row->told, .state_at = row->state_at};

		err = store_connection_get(s, row->who.business_id, row->who.connection_id, &u.connection);
		if (err == STORE_OK && !each(&u, arg))
			break;
		if (err == STORE_NOT_FOUND) /* removed meanwhile */
			err = STORE_OK;
	}
	rows_clear(&rows);
	return err;
}

static enum store_error run_told(struct db *db, void *arg)
{
	return mark(db, "UPDATE connections SET told = ?, tell_at = 0 WHERE business_id = ? AND id = ?", arg);
}

enum store_error store_health_told(
	struct store *s, const char *business_id, const char *connection_id, enum store_connection_status status)
{
	struct marking m = {business_id, connection_id, status};

	return core_write(s, run_told, &m);
}

static enum store_error run_tell_at(struct db *db, void *arg)
{
	return mark(db, "UPDATE connections SET tell_at = ? WHERE business_id = ? AND id = ?", arg);
}

enum store_error store_health_tell_at(struct store *s, const char *business_id, const char *connection_id, int64_t at)
{
	struct marking m = {business_id, connection_id, at};

	return core_write(s, run_tell_at, &m);
}
