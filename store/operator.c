/*
 * The operator's sessions, by a hash of what a browser holds. One lives no longer than
 * the admin token by which it was opened.
 */
#include <string.h>

#include "store/core.h"

#define COLUMNS "o.id, o.token_id, t.name, t.last4, o.created_at, o.ends_at, o.seen_at"
#define LIVE "FROM operator_sessions o JOIN tokens t ON t.id = o.token_id AND t.revoked_at = 0 "

static void operator_read(struct query *q, struct store_operator *o)
{
	memset(o, 0, sizeof(*o));
	query_get_text(q, o->id, sizeof(o->id));
	query_get_text(q, o->token_id, sizeof(o->token_id));
	query_get_text(q, o->token_name, sizeof(o->token_name));
	query_get_text(q, o->token_last4, sizeof(o->token_last4));
	o->created_at = query_get_int(q);
	o->ends_at = query_get_int(q);
	o->seen_at = query_get_int(q);
}

/* ------------------------------------------------------------ opening and ending */

struct opening {
	const struct store_operator *session;
	const uint8_t *hash;
};

/* Whether the token is live is asked here, where no revoking can come in between. */
static enum store_error run_open(struct db *db, void *arg)
{
	const struct opening *a = arg;
	const struct store_audit row = {.action = "operator_in",
		.subject = a->session->id,
		.purpose = a->session->token_id,
		.value = a->hash,
		.value_len = 32};
	struct query q = query_start(db,
		"INSERT INTO operator_sessions (id, token_id, session_hash, created_at, ends_at, seen_at) "
		"SELECT ?1, id, ?2, ?3, ?4, ?3 FROM tokens WHERE id = ?5 AND revoked_at = 0");
	enum store_error err;

	query_text(&q, a->session->id);
	query_blob(&q, a->hash, 32);
	query_int(&q, a->session->created_at);
	query_int(&q, a->session->ends_at);
	query_text(&q, a->session->token_id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? core_audit(db, &row) : STORE_NOT_FOUND;
}

enum store_error store_operator_open(
	struct store *s, const struct store_operator *o, const uint8_t session_hash[static 32])
{
	struct opening a = {o, session_hash};

	if (o->id[0] == '\0' || o->created_at <= 0 || o->ends_at <= o->created_at)
		return STORE_INVALID;
	return core_write(s, run_open, &a);
}

struct marking {
	const char *id;
	int64_t at;
};

static enum store_error run_seen(struct db *db, void *arg)
{
	const struct marking *m = arg;
	struct query q = query_start(db, "UPDATE operator_sessions SET seen_at = ? WHERE id = ?");
	enum store_error err;

	query_int(&q, m->at);
	query_text(&q, m->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_operator_seen(struct store *s, const char *id, int64_t at)
{
	struct marking m = {id, at};

	return core_write(s, run_seen, &m);
}

static enum store_error run_end(struct db *db, void *arg)
{
	const struct store_audit row = {.action = "operator_out", .subject = *(const char **)arg};
	struct query q = query_start(db, "DELETE FROM operator_sessions WHERE id = ?");
	enum store_error err;

	query_text(&q, row.subject);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? core_audit(db, &row) : STORE_NOT_FOUND;
}

enum store_error store_operator_end(struct store *s, const char *id)
{
	return core_write(s, run_end, &id);
}

/* ------------------------------------------------------------ finding */

enum store_error store_operator_find(struct store *s, const uint8_t session_hash[static 32], int64_t now,
	int64_t seen_after, struct store_operator *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(
		db, "SELECT " COLUMNS " " LIVE "WHERE o.session_hash = ? AND o.ends_at > ? AND o.seen_at > ?");
	enum store_error err;
	bool found;

	query_blob(&q, session_hash, 32);
	query_int(&q, now);
	query_int(&q, seen_after);
	found = query_step(&q);
	if (found)
		operator_read(&q, out);
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_operator_list(struct store *s, int64_t now, int64_t seen_after,
	bool (*each)(const struct store_operator *o, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_operator);
	struct db *db = core_reader(s);
	/* All live equally long: who ends last came last. */
	struct query q = query_start(
		db, "SELECT " COLUMNS " " LIVE "WHERE o.ends_at > ? AND o.seen_at > ? ORDER BY o.ends_at DESC LIMIT ?");
	enum store_error err;

	query_int(&q, now);
	query_int(&q, seen_after);
	query_int(&q, STORE_LIST_MAX);
	while (query_step(&q)) {
		struct store_operator *o = rows_add(&rows);

		if (o != NULL)
			operator_read(&q, o);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_operator *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
