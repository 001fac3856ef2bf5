/*
 * Settings links and the sessions that they open, by hashes of what a browser holds.
 */
#include <stdio.h>
#include <string.h>

#include "store/core.h"

#define COLUMNS "id, business_id, created_at, expires_at, opened_at, ends_at, seen_at, revoked_at"

static void link_read(struct query *q, struct store_link *l)
{
	memset(l, 0, sizeof(*l));
	query_get_text(q, l->id, sizeof(l->id));
	query_get_text(q, l->business_id, sizeof(l->business_id));
	l->created_at = query_get_int(q);
	l->expires_at = query_get_int(q);
	l->opened_at = query_get_int(q);
	l->ends_at = query_get_int(q);
	l->seen_at = query_get_int(q);
	l->revoked_at = query_get_int(q);
}

/* One row of a statement whose values are bound. */
static enum store_error link_one(struct query *q, struct store_link *out)
{
	bool found = query_step(q);
	enum store_error err;

	if (found)
		link_read(q, out);
	err = query_end(q);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

/* ------------------------------------------------------------ adding and opening */

/* hash: of what opens the link, or is the session, from then on; NULL: nothing. */
static enum store_error link_audit(
	struct db *db, const char *action, const char *business_id, const char *id, const uint8_t *hash)
{
	const struct store_audit row = {.business_id = business_id,
		.action = action,
		.subject = id,
		.value = hash,
		.value_len = hash != NULL ? 32 : 0};

	return core_audit(db, &row);
}

struct adding {
	const struct store_link *link;
	const uint8_t *hash;
};

static enum store_error run_add(struct db *db, void *arg)
{
	const struct adding *a = arg;
	struct query q = query_start(db,
		"INSERT INTO settings_links (id, business_id, link_hash, created_at, expires_at) "
		"SELECT ?, id, ?, ?, ? FROM businesses WHERE id = ? AND removing_at = 0");
	enum store_error err;

	query_text(&q, a->link->id);
	query_blob(&q, a->hash, 32);
	query_int(&q, a->link->created_at);
	query_int(&q, a->link->expires_at);
	query_text(&q, a->link->business_id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? link_audit(db, "link_made", a->link->business_id, a->link->id, a->hash)
				  : STORE_NOT_FOUND;
}

enum store_error store_link_add(struct store *s, const struct store_link *l, const uint8_t hash[static 32])
{
	struct adding a = {l, hash};

	if (l->id[0] == '\0' || l->created_at <= 0 || l->expires_at <= l->created_at)
		return STORE_INVALID;
	return core_write(s, run_add, &a);
}

enum store_error store_link_find(struct store *s, const uint8_t hash[static 32], int64_t now, struct store_link *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT " COLUMNS
		" FROM settings_links WHERE link_hash = ? AND opened_at = 0 AND revoked_at = 0 AND expires_at > ?");
	enum store_error err;

	query_blob(&q, hash, 32);
	query_int(&q, now);
	err = link_one(&q, out);
	core_return(s, db);
	return err;
}

struct opening {
	const uint8_t *hash, *session_hash;
	int64_t now, ends_at;
	struct store_link *out;
};

static enum store_error run_open(struct db *db, void *arg)
{
	const struct opening *o = arg;
	struct query q = query_start(db,
		"UPDATE settings_links SET session_hash = ?, opened_at = ?, seen_at = ?, ends_at = ? "
		"WHERE link_hash = ? AND opened_at = 0 AND revoked_at = 0 AND expires_at > ? RETURNING " COLUMNS);
	char who[STORE_ACTOR_LEN + 1];
	enum store_error err;

	query_blob(&q, o->session_hash, 32);
	query_int(&q, o->now);
	query_int(&q, o->now);
	query_int(&q, o->ends_at);
	query_blob(&q, o->hash, 32);
	query_int(&q, o->now);
	err = link_one(&q, o->out);
	if (err != STORE_OK)
		return err;
	/* Who opens it has no other name. */
	(void)snprintf(who, sizeof(who), "link:%s", o->out->id);
	db->audit->actor = who;
	return link_audit(db, "link_opened", o->out->business_id, o->out->id, o->session_hash);
}

enum store_error store_link_open(struct store *s, const uint8_t hash[static 32], const uint8_t session_hash[static 32],
	int64_t now, int64_t ends_at, struct store_link *out)
{
	struct opening o = {hash, session_hash, now, ends_at, out};

	return core_write(s, run_open, &o);
}

/* ------------------------------------------------------------ sessions */

enum store_error store_link_session(
	struct store *s, const uint8_t session_hash[static 32], int64_t now, struct store_link *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(
		db, "SELECT " COLUMNS " FROM settings_links WHERE session_hash = ? AND revoked_at = 0 AND ends_at > ?");
	enum store_error err;

	query_blob(&q, session_hash, 32);
	query_int(&q, now);
	err = link_one(&q, out);
	core_return(s, db);
	return err;
}

struct marking {
	const char *business_id, *id;
	int64_t at;
};

static enum store_error mark(struct db *db, const char *sql, const struct marking *m)
{
	struct query q = query_start(db, sql);
	enum store_error err;

	query_int(&q, m->at);
	query_text(&q, m->business_id);
	query_text(&q, m->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error run_seen(struct db *db, void *arg)
{
	return mark(
		db, "UPDATE settings_links SET seen_at = ? WHERE business_id = ? AND id = ? AND opened_at > 0", arg);
}

enum store_error store_link_seen(struct store *s, const char *business_id, const char *id, int64_t at)
{
	struct marking m = {business_id, id, at};

	return core_write(s, run_seen, &m);
}

static enum store_error run_revoke(struct db *db, void *arg)
{
	const struct marking *m = arg;
	enum store_error err = mark(db,
		"UPDATE settings_links SET revoked_at = ?, session_hash = NULL "
		"WHERE business_id = ? AND id = ? AND revoked_at = 0",
		m);

	return err == STORE_OK ? link_audit(db, "link_revoked", m->business_id, m->id, NULL) : err;
}

enum store_error store_link_revoke(struct store *s, const char *business_id, const char *id)
{
	struct marking m = {business_id, id, store_now_ms()};

	return core_write(s, run_revoke, &m);
}

/* ------------------------------------------------------------ listing */

enum store_error store_link_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_link *l, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_link);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM settings_links WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err == STORE_OK) {
		q = page->ascending
			? query_start(db,
				  "SELECT " COLUMNS " FROM settings_links WHERE business_id = ? AND seq > ? "
				  "ORDER BY seq LIMIT ?")
			: query_start(db,
				  "SELECT " COLUMNS " FROM settings_links WHERE business_id = ? AND seq < ? "
				  "ORDER BY seq DESC LIMIT ?");
		query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_link *l = rows_add(&rows);

			if (l != NULL)
				link_read(&q, l);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_link *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
