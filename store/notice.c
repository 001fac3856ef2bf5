/*
 * Notices: what the provider told of a connection by itself. The newest counts, by its
 * clock; and what it answers when it is asked goes before what it told earlier.
 */
#include "store/notice.h"

#include <string.h>

#include "store/core.h"

bool notice_ok(const struct store_notice *n)
{
	return n->connection_id[0] != '\0' && memchr(n->detail, '\0', sizeof(n->detail)) != NULL;
}

/* *newer: nothing as new was known. */
static enum store_error note(struct db *db, const char *business_id, const struct store_notice *n, bool *newer)
{
	struct query q = query_start(db,
		"INSERT INTO notices (connection_id, finding, business_id, at, until, is_over, detail) "
		"SELECT id, ?3, business_id, ?4, ?5, ?6, ?7 FROM connections WHERE id = ?1 AND business_id = ?2 "
		"ON CONFLICT DO UPDATE SET at = excluded.at, until = excluded.until, is_over = excluded.is_over, "
		"detail = excluded.detail WHERE excluded.at >= notices.at");
	enum store_error err;

	query_text(&q, n->connection_id);
	query_text(&q, business_id);
	query_int(&q, n->finding);
	query_int(&q, n->at);
	query_int(&q, n->until);
	query_int(&q, n->is_over);
	query_text(&q, n->detail);
	err = query_finish(&q);
	*newer = err == STORE_OK && db_changes(db) > 0;
	return err;
}

/* Not where it was asked since. */
static enum store_error move(struct db *db, const char *business_id, const struct store_notice *n)
{
	struct query q = query_start(db,
		"UPDATE connections SET status = ?3, updated_at = ?4 WHERE id = ?1 AND business_id = ?2 AND status <> "
		"?3 "
		"AND (?5 >> status) & 1 AND ?6 > coalesce((SELECT looked_at FROM connection_facts "
		"WHERE connection_id = ?1), 0)");

	query_text(&q, n->connection_id);
	query_text(&q, business_id);
	query_int(&q, n->to);
	query_int(&q, store_now_ms());
	query_int(&q, n->from);
	query_int(&q, n->at);
	return query_finish(&q);
}

/* What it told of the number's limit. Not where it was asked since; a guess only where it never said. */
static enum store_error limit(struct db *db, const char *business_id, const struct store_notice *n)
{
	struct query q = query_start(db,
		"UPDATE connections SET mps = ?3 WHERE id = ?1 AND business_id = ?2 AND mps <> ?3 AND CASE ?4 WHEN 1 "
		"THEN mps = 0 ELSE ?5 > coalesce((SELECT looked_at FROM connection_facts WHERE connection_id = ?1), 0) "
		"END");

	query_text(&q, n->connection_id);
	query_text(&q, business_id);
	query_int(&q, n->mps);
	query_int(&q, n->guessed);
	query_int(&q, n->at);
	return query_finish(&q);
}

enum store_error notice_take(struct db *db, const char *business_id, const struct store_notice *n)
{
	bool newer = true;
	enum store_error err = STORE_OK;

	if (n->finding != 0)
		err = note(db, business_id, n, &newer);
	if (err == STORE_OK && newer && n->to != 0)
		err = move(db, business_id, n);
	if (err == STORE_OK && n->mps > 0) {
		err = limit(db, business_id, n);
		newer = !n->guessed || db_changes(db) > 0;
	}
	return err == STORE_OK && newer ? core_health_soon(db, business_id, n->connection_id, store_now_ms()) : err;
}

enum store_error store_notice_list(struct store *s, const char *business_id, int64_t now,
	bool (*each)(const struct store_notice *n, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_notice);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT connection_id, finding, at, until, detail FROM notices INDEXED BY notices_business "
		"WHERE business_id = ? AND is_over = 0 AND until > ? ORDER BY at DESC");
	enum store_error err;

	query_text(&q, business_id);
	query_int(&q, now);
	while (query_step(&q)) {
		struct store_notice *n = rows_add(&rows);

		if (n == NULL)
			continue;
		query_get_text(&q, n->connection_id, sizeof(n->connection_id));
		n->finding = (unsigned)query_get_int(&q);
		n->at = query_get_int(&q);
		n->until = query_get_int(&q);
		query_get_text(&q, n->detail, sizeof(n->detail));
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_notice *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
