/*
 * Two secrets at one place for a while: when the newer one has worked the older one goes, when it
 * is refused the older one comes back, and what has ended is swept out. Verify tokens likewise.
 */
#include <string.h>

#include "store/core.h"

#define SWEEP_ROWS 100

/* ------------------------------------------------------------ the newer one works */

struct place {
	const char *business_id;
	const struct store_credential *credential;
	int64_t at, grace_ms;
	bool refused;
};

static enum store_error mark_worked(struct db *db, const struct place *p)
{
	struct query q = query_start(db,
		"UPDATE credentials SET proven_at = ? WHERE business_id = ? AND connection_id = ? AND field = ? "
		"AND slot = 1 AND version = ? AND proven_at = 0");

	query_int(&q, p->at);
	query_text(&q, p->business_id);
	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	query_int(&q, (int64_t)p->credential->version);
	return query_finish(&q);
}

static enum store_error is_current(struct db *db, const struct place *p)
{
	struct query q = query_start(db,
		"SELECT 1 FROM credentials WHERE business_id = ? AND connection_id = ? AND field = ? AND slot = 1 "
		"AND version = ?");
	enum store_error err;

	query_text(&q, p->business_id);
	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	query_int(&q, (int64_t)p->credential->version);
	err = query_exists(&q);
	return err == STORE_NOT_FOUND ? STORE_STALE : err;
}

static enum store_error ended_audit(
	struct db *db, const char *business_id, const char *connection_id, const char *field)
{
	struct store_credential gone = {.version = 0};

	memccpy(gone.connection_id, connection_id, '\0', sizeof(gone.connection_id) - 1);
	memccpy(gone.field, field, '\0', sizeof(gone.field) - 1);
	return core_audit_credential(db, business_id, "key_ended", &gone, NULL, NULL);
}

static enum store_error run_worked(struct db *db, void *arg)
{
	const struct place *p = arg;
	enum store_error err = mark_worked(db, p);
	struct query q;

	if (err != STORE_OK)
		return err;
	if (db_changes(db) == 0)
		return is_current(db, p);
	q = query_start(db,
		"UPDATE credentials SET ends_at = min(ends_at, ?) WHERE connection_id = ? AND field = ? AND slot = 2");
	query_int(&q, p->at + p->grace_ms);
	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	err = query_finish(&q);
	if (err != STORE_OK || p->grace_ms > 0)
		return err;
	q = query_start(db, "DELETE FROM credentials WHERE connection_id = ? AND field = ? AND slot = 2");
	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) > 0
		? ended_audit(db, p->business_id, p->credential->connection_id, p->credential->field)
		: err;
}

enum store_error store_credential_worked(
	struct store *s, const char *business_id, const struct store_credential *c, int64_t at, int64_t grace_ms)
{
	struct place p = {.business_id = business_id, .credential = c, .at = at, .grace_ms = grace_ms};

	return at > 0 && grace_ms >= 0 ? core_write(s, run_worked, &p) : STORE_INVALID;
}

/* ------------------------------------------------------------ the newer one does not work */

static enum store_error older_is_there(struct db *db, const struct place *p)
{
	struct query q = query_start(
		db, "SELECT 1 FROM credentials WHERE connection_id = ? AND field = ? AND slot = 2 AND ends_at > ?");

	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	query_int(&q, p->at);
	return query_exists(&q);
}

static enum store_error newer_goes(struct db *db, const struct place *p)
{
	struct query q = query_start(db,
		"DELETE FROM credentials WHERE business_id = ? AND connection_id = ? AND field = ? AND slot = 1 "
		"AND version = ? AND proven_at = 0");
	enum store_error err;

	query_text(&q, p->business_id);
	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	query_int(&q, (int64_t)p->credential->version);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) == 0 ? STORE_STALE : err;
}

static enum store_error older_comes_back(struct db *db, const struct place *p)
{
	struct query q = query_start(db,
		"UPDATE credentials SET slot = 1, ends_at = 0, newest = ?, refused_at = ? "
		"WHERE connection_id = ? AND field = ? AND slot = 2");

	query_int(&q, (int64_t)p->credential->version);
	query_int(&q, p->refused ? p->at : 0);
	query_text(&q, p->credential->connection_id);
	query_text(&q, p->credential->field);
	return query_finish(&q);
}

/* As if the state had been key_refused for a moment: which it was, for the newer one. */
static enum store_error to_be_told(struct db *db, const struct place *p)
{
	struct query q = query_start(
		db, "UPDATE connections SET told = 3, state_at = ?, tell_at = 0 WHERE id = ? AND status <> 3");

	query_int(&q, p->at);
	query_text(&q, p->credential->connection_id);
	return query_finish(&q);
}

static enum store_error run_take_back(struct db *db, void *arg)
{
	const struct place *p = arg;
	enum store_error err = older_is_there(db, p);

	if (err == STORE_OK)
		err = newer_goes(db, p);
	if (err == STORE_OK)
		err = older_comes_back(db, p);
	if (err == STORE_OK && p->refused)
		err = to_be_told(db, p);
	if (err == STORE_OK)
		err = core_audit_credential(
			db, p->business_id, "key_taken_back", p->credential, p->refused ? "refused" : NULL, NULL);
	return err == STORE_OK ? core_retries_due(db, p->credential->connection_id) : err;
}

enum store_error store_credential_take_back(
	struct store *s, const char *business_id, const struct store_credential *c, bool refused)
{
	struct place p = {.business_id = business_id, .credential = c, .at = store_now_ms(), .refused = refused};

	return core_write(s, run_take_back, &p);
}

/* ------------------------------------------------------------ the older one ends */

struct end {
	const char *business_id, *connection_id, *field;
};

static enum store_error run_end(struct db *db, void *arg)
{
	const struct end *e = arg;
	struct query q = query_start(
		db, "DELETE FROM credentials WHERE business_id = ? AND connection_id = ? AND field = ? AND slot = 2");
	enum store_error err;

	query_text(&q, e->business_id);
	query_text(&q, e->connection_id);
	query_text(&q, e->field);
	err = query_finish(&q);
	if (err != STORE_OK || db_changes(db) == 0)
		return err != STORE_OK ? err : STORE_NOT_FOUND;
	return ended_audit(db, e->business_id, e->connection_id, e->field);
}

enum store_error store_credential_end(
	struct store *s, const char *business_id, const char *connection_id, const char *field)
{
	struct end e = {business_id, connection_id, field};

	return core_write(s, run_end, &e);
}

/* What has ended: a connection's older secret, or with no field its older verify token. */
struct ended {
	char business_id[STORE_BUSINESS_ID_LEN + 1], connection_id[STORE_ID_LEN + 1];
	char field[sizeof(((struct store_credential *)NULL)->field)];
};

/* One step of sweeping: what is found by a time and a number of rows, and goes if it still has ended by that time. */
struct sweep {
	const char *find;
	int64_t now;
	struct rows rows;
};

static enum store_error credential_ended(struct db *db, const struct ended *e, int64_t now)
{
	struct query q = query_start(
		db, "DELETE FROM credentials WHERE connection_id = ? AND field = ? AND ends_at > 0 AND ends_at <= ?");
	enum store_error err;

	query_text(&q, e->connection_id);
	query_text(&q, e->field);
	query_int(&q, now);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) > 0 ? ended_audit(db, e->business_id, e->connection_id, e->field)
						     : err;
}

static enum store_error verify_token_ended(struct db *db, const struct ended *e, int64_t now)
{
	const struct store_audit row = {
		.business_id = e->business_id, .action = "verify_token_ended", .subject = e->connection_id};
	struct query q = query_start(db,
		"UPDATE connections SET previous_verify_token = '', previous_verify_token_ends_at = 0 "
		"WHERE id = ? AND previous_verify_token_ends_at > 0 AND previous_verify_token_ends_at <= ?");
	enum store_error err;

	query_text(&q, e->connection_id);
	query_int(&q, now);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) > 0 ? core_audit(db, &row) : err;
}

static enum store_error run_sweep(struct db *db, void *arg)
{
	const struct sweep *w = arg;
	enum store_error err = STORE_OK;

	for (size_t i = 0; err == STORE_OK && i < w->rows.len; i++) {
		const struct ended *e = &((const struct ended *)(const void *)w->rows.items)[i];

		err = e->field[0] != '\0' ? credential_ended(db, e, w->now) : verify_token_ended(db, e, w->now);
	}
	return err;
}

static enum store_error sweep_find(struct store *s, struct sweep *w)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, w->find);
	enum store_error err;

	query_int(&q, w->now);
	query_int(&q, SWEEP_ROWS);
	while (query_step(&q)) {
		struct ended *e = rows_add(&w->rows);

		if (e == NULL)
			continue;
		query_get_text(&q, e->business_id, sizeof(e->business_id));
		query_get_text(&q, e->connection_id, sizeof(e->connection_id));
		query_get_text(&q, e->field, sizeof(e->field));
	}
	err = query_end(&q);
	core_return(s, db);
	return err == STORE_OK && w->rows.failed ? STORE_NO_MEMORY : err;
}

/* *full: there may be more. */
static enum store_error sweep_step(struct store *s, const char *find, int64_t now, bool *full,
	void (*each)(const char *business_id, void *arg), void *arg)
{
	struct sweep w = {.find = find, .now = now, .rows = ROWS_OF(struct ended)};
	enum store_error err = sweep_find(s, &w);

	*full = w.rows.len == SWEEP_ROWS;
	if (err == STORE_OK && w.rows.len > 0)
		err = core_write(s, run_sweep, &w);
	for (size_t i = 0; err == STORE_OK && i < w.rows.len; i++)
		each(((struct ended *)(void *)w.rows.items)[i].business_id, arg);
	rows_clear(&w.rows);
	return err;
}

enum store_error store_credential_sweep(
	struct store *s, int64_t now, void (*each)(const char *business_id, void *arg), void *arg)
{
	static const char *const finds[] = {
		("SELECT business_id, connection_id, field FROM credentials INDEXED BY credentials_ending "
		 "WHERE ends_at > 0 AND ends_at <= ? ORDER BY ends_at LIMIT ?"),
		("SELECT business_id, id, '' FROM connections INDEXED BY connections_token_ending "
		 "WHERE previous_verify_token_ends_at > 0 AND previous_verify_token_ends_at <= ? LIMIT ?"),
	};
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < sizeof(finds) / sizeof(finds[0]); i++) {
		bool full = true;

		while (err == STORE_OK && full)
			err = sweep_step(s, finds[i], now, &full, each, arg);
	}
	return err;
}

static enum store_error run_retries_due(struct db *db, void *arg)
{
	const struct end *e = arg;
	enum store_error err = core_connection_exists(db, e->business_id, e->connection_id);

	return err == STORE_OK ? core_retries_due(db, e->connection_id) : err;
}

enum store_error store_retries_due(struct store *s, const char *business_id, const char *connection_id)
{
	struct end e = {.business_id = business_id, .connection_id = connection_id};

	return core_write(s, run_retries_due, &e);
}

/* ------------------------------------------------------------ verify tokens */

struct verify_token {
	const char *business_id, *id, *was, *token;
	struct store_audit row;
};

static enum store_error run_token_put(struct db *db, void *arg)
{
	const struct verify_token *t = arg;
	const int64_t now = store_now_ms();
	enum store_error err = core_connection_exists(db, t->business_id, t->id);
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"UPDATE connections SET verify_token = ?1, updated_at = ?2, previous_verify_token = "
		"CASE WHEN previous_verify_token_ends_at > ?2 THEN previous_verify_token ELSE verify_token END, "
		"previous_verify_token_ends_at = "
		"CASE WHEN previous_verify_token_ends_at > ?2 THEN previous_verify_token_ends_at ELSE ?3 END "
		"WHERE business_id = ?4 AND id = ?5 AND verify_token = ?6");
	query_text(&q, t->token);
	query_int(&q, now);
	query_int(&q, now + STORE_OVERLAP_MS);
	query_text(&q, t->business_id);
	query_text(&q, t->id);
	query_text(&q, t->was);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? core_audit(db, &t->row) : STORE_STALE;
}

enum store_error store_verify_token_put(
	struct store *s, const char *business_id, const char *id, const char *was, const char *token)
{
	struct verify_token t = {business_id, id, was, token,
		{.business_id = business_id, .action = "verify_token_replaced", .subject = id}};
	uint8_t digest[STORE_INDEX_LEN];

	if (!core_text_ok(token, sizeof(((struct store_connection *)NULL)->verify_token) - 1))
		return STORE_INVALID;
	core_audit_value(s, token, &t.row, digest);
	return core_write(s, run_token_put, &t);
}

static enum store_error run_token_end(struct db *db, void *arg)
{
	const struct verify_token *t = arg;
	struct query q = query_start(db,
		"UPDATE connections SET previous_verify_token = '', previous_verify_token_ends_at = 0 "
		"WHERE business_id = ? AND id = ? AND previous_verify_token_ends_at > 0");
	enum store_error err;

	query_text(&q, t->business_id);
	query_text(&q, t->id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? core_audit(db, &t->row) : STORE_NOT_FOUND;
}

enum store_error store_verify_token_end(struct store *s, const char *business_id, const char *id)
{
	struct verify_token t = {.business_id = business_id,
		.id = id,
		.row = {.business_id = business_id, .action = "verify_token_ended", .subject = id}};

	return core_write(s, run_token_end, &t);
}
