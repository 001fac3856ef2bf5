/*
 * SQLite behind a few plain functions. Result codes become enum store_error here and
 * nowhere else.
 */
#include "store/db.h"

#include <ctype.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_WAIT_MS 10000
#define READERS_WAIT_MS 400 /* a webhook that waits meanwhile must still be in time */

enum store_error db_error(int rc)
{
	if (rc == SQLITE_CONSTRAINT_FOREIGNKEY)
		return STORE_NOT_FOUND;
	if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY)
		return STORE_EXISTS;
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return STORE_OK;
	case SQLITE_FULL:
		return STORE_FULL;
	case SQLITE_NOMEM:
		return STORE_NO_MEMORY;
	case SQLITE_CONSTRAINT:
	case SQLITE_TOOBIG:
	case SQLITE_MISMATCH:
		return STORE_INVALID;
	case SQLITE_NOTADB:
		return STORE_NOT_OURS;
	}
	return STORE_FAILED;
}

enum store_error db_run(struct db *db, const char *sql)
{
	return db_error(sqlite3_exec(db->handle, sql, NULL, NULL, NULL));
}

int db_changes(struct db *db)
{
	return sqlite3_changes(db->handle);
}

/* Nothing checkpoints by itself: before 3.51.3 a checkpoint beside a commit can lose data, and SQLite does not tell
 * when one inside a commit fails. The writer's thread does it, between two commits. */
static const char all_pragmas[] = "PRAGMA wal_autocheckpoint = 0;"
				  "PRAGMA trusted_schema = OFF;"
				  "PRAGMA temp_store = MEMORY;"
				  "PRAGMA cell_size_check = ON;";
static const char writer_pragmas[] = "PRAGMA synchronous = FULL;"
				     "PRAGMA foreign_keys = ON;"
				     "PRAGMA secure_delete = FAST;"
				     "PRAGMA cache_size = -16384;"
				     "PRAGMA journal_size_limit = 67108864;";
static const char reader_pragmas[] = "PRAGMA query_only = ON;"
				     "PRAGMA cache_size = -4096;";

/* SQLite would count its memory under a lock, of which every statement takes some. Too late where somebody used it before:
 * then it counts. */
static void configure(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static enum store_error open_as(struct db *db, const char *name, int flags)
{
	bool writer = (flags & SQLITE_OPEN_READWRITE) != 0;
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	enum store_error err;

	(void)pthread_once(&once, configure);
	memset(db, 0, sizeof(*db));
	err = db_error(sqlite3_open_v2(name, &db->handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL));
	if (err != STORE_OK)
		goto out;
	(void)sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	/* Else a statement that a partial index could serve for some values is prepared anew each time it is used. */
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL);
	err = db_run(db, all_pragmas);
	if (err == STORE_OK && !writer)
		err = db_run(db, reader_pragmas);
	/* A first read opens the write-ahead log and its index: later nothing may be opened. */
	if (err == STORE_OK)
		err = db_run(db, "SELECT count(*) FROM sqlite_schema");
out:
	if (err != STORE_OK)
		db_close(db);
	return err;
}

enum store_error db_open(struct db *db, const char *path, bool writer)
{
	return open_as(db, path, writer ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY);
}

enum store_error db_open_still(struct db *db, const char *path)
{
	static const char begin[] = "file:", end[] = "?immutable=1", hex[] = "0123456789ABCDEF";
	char uri[sizeof(begin) + 3 * PATH_MAX + sizeof(end)];
	size_t n = sizeof(begin) - 1;

	if (strlen(path) > PATH_MAX)
		return STORE_NOT_FOUND;
	memcpy(uri, begin, n);
	for (const char *c = path; *c != '\0'; c++) {
		if (isalnum((unsigned char)*c) || strchr("._-", *c) != NULL) {
			uri[n++] = *c;
		} else {
			uri[n++] = '%';
			uri[n++] = hex[(unsigned char)*c >> 4];
			uri[n++] = hex[(unsigned char)*c & 15];
		}
	}
	memcpy(uri + n, end, sizeof(end));
	return open_as(db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
}

enum store_error db_open_memory(struct db *db)
{
	return open_as(db, ":memory:", SQLITE_OPEN_READWRITE | SQLITE_OPEN_MEMORY);
}

void db_schema_writable(struct db *db, bool writable)
{
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, !writable, NULL);
}

enum store_error db_make_writer(struct db *db)
{
	char mode[8] = "";
	struct query q = query_start(db, "PRAGMA journal_mode = WAL");
	enum store_error err;

	if (query_step(&q))
		query_get_text(&q, mode, sizeof(mode));
	err = query_end(&q);
	/* A file system without shared memory keeps another mode and calls that no error. */
	if (err == STORE_OK && strcmp(mode, "wal") != 0)
		err = STORE_FAILED;
	return err == STORE_OK ? db_run(db, writer_pragmas) : err;
}

/* Nobody else writes meanwhile. */
static int log_rewrite(sqlite3_file *log, sqlite3_int64 size)
{
	uint8_t piece[16384];
	int rc = SQLITE_OK;

	for (sqlite3_int64 at = 0; at < size && rc == SQLITE_OK; at += (sqlite3_int64)sizeof(piece)) {
		const int len =
			(int)(size - at < (sqlite3_int64)sizeof(piece) ? size - at : (sqlite3_int64)sizeof(piece));

		rc = log->pMethods->xRead(log, piece, len, at);
		if (rc == SQLITE_OK)
			rc = log->pMethods->xWrite(log, piece, len, at);
	}
	return rc == SQLITE_OK ? log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) : rc;
}

enum store_error db_log_renew(struct db *db)
{
	sqlite3_file *log = NULL;
	sqlite3_int64 size = 0;
	enum store_error err, ended;

	(void)sqlite3_file_control(db->handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
	if (log == NULL || log->pMethods == NULL)
		return STORE_OK;
	err = db_error(log->pMethods->xFileSize(log, &size));
	if (err != STORE_OK || size == 0)
		return err;
	err = db_run(db, "BEGIN IMMEDIATE");
	if (err != STORE_OK)
		return err;
	err = db_error(log_rewrite(log, size));
	ended = db_run(db, "ROLLBACK");
	if (err == STORE_OK)
		err = ended;
	/* Where a file system has no room to write what is there already, the start makes some. */
	return err == STORE_FULL ? STORE_OK : err;
}

enum store_error db_checkpoint(struct db *db, bool wait)
{
	enum store_error err;
	int rc;

	(void)sqlite3_busy_timeout(db->handle, READERS_WAIT_MS);
	rc = sqlite3_wal_checkpoint_v2(
		db->handle, NULL, wait ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	(void)sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS);
	err = (rc & 0xff) == SQLITE_BUSY ? STORE_OK : db_error(rc);

	return err == STORE_FULL || err == STORE_NO_MEMORY ? STORE_OK : err;
}

enum store_error db_truncate(struct db *db, int wait_ms)
{
	enum store_error err;
	int rc;

	(void)sqlite3_busy_timeout(db->handle, wait_ms);
	rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_busy_timeout(db->handle, BUSY_WAIT_MS);
	err = (rc & 0xff) == SQLITE_BUSY ? STORE_BUSY : db_error(rc);
	return err == STORE_FULL || err == STORE_NO_MEMORY ? STORE_BUSY : err;
}

void db_checkpoint_at_close(struct db *db)
{
	(void)sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
}

void db_close(struct db *db)
{
	for (size_t i = 0; i < db->statements_len; i++)
		(void)sqlite3_finalize(db->statements[i]);
	(void)sqlite3_close(db->handle);
	memset(db, 0, sizeof(*db));
}

/* ------------------------------------------------------------ queries */

struct query query_start(struct db *db, const char *sql)
{
	struct query q = {.db = db, .rc = SQLITE_OK};
	size_t i = 0;

	while (i < db->statements_len && db->sql[i] != sql)
		i++;
	if (i == db->statements_len) {
		if (i == DB_STATEMENTS_MAX)
			abort(); /* more literals than the table was made for */
		q.rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &db->statements[i], NULL);
		if (q.rc != SQLITE_OK)
			return q;
		db->sql[i] = sql;
		db->statements_len++;
	}
	q.statement = db->statements[i];
	return q;
}

void query_text(struct query *q, const char *text)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_text(q->statement, ++q->bound, text, -1, SQLITE_STATIC);
}

void query_int(struct query *q, int64_t value)
{
	if (q->rc == SQLITE_OK)
		q->rc = sqlite3_bind_int64(q->statement, ++q->bound, value);
}

void query_blob(struct query *q, const void *data, size_t len)
{
	if (q->rc == SQLITE_OK)
		q->rc = data != NULL ? sqlite3_bind_blob64(q->statement, ++q->bound, data, len, SQLITE_STATIC)
				     : sqlite3_bind_null(q->statement, ++q->bound);
}

bool query_step(struct query *q)
{
	if (q->rc != SQLITE_OK && q->rc != SQLITE_ROW)
		return false;
	q->rc = sqlite3_step(q->statement);
	q->column = 0;
	return q->rc == SQLITE_ROW;
}

int64_t query_get_int(struct query *q)
{
	return sqlite3_column_int64(q->statement, q->column++);
}

void query_get_text(struct query *q, char *out, size_t room)
{
	const char *text = (const char *)sqlite3_column_text(q->statement, q->column);
	size_t len = (size_t)sqlite3_column_bytes(q->statement, q->column++);

	if (text == NULL)
		len = 0;
	if (len >= room)
		len = room - 1;
	if (len > 0)
		memcpy(out, text, len);
	out[len] = '\0';
}

const uint8_t *query_get_blob(struct query *q, size_t *len)
{
	const uint8_t *data = sqlite3_column_blob(q->statement, q->column);

	*len = data != NULL ? (size_t)sqlite3_column_bytes(q->statement, q->column) : 0;
	q->column++;
	return data;
}

void query_get_fixed(struct query *q, uint8_t *out, size_t len)
{
	size_t have;
	const uint8_t *data = query_get_blob(q, &have);

	memset(out, 0, len);
	if (data != NULL && have == len)
		memcpy(out, data, len);
}

enum store_error query_end(struct query *q)
{
	int rc = q->rc;

	if (q->statement != NULL) {
		const int ended = sqlite3_reset(q->statement);

		/* What was left at a row commits only now. */
		if (rc == SQLITE_ROW && ended != SQLITE_OK)
			rc = ended;
		(void)sqlite3_clear_bindings(q->statement);
	}
	return db_error(rc);
}

enum store_error query_finish(struct query *q)
{
	(void)query_step(q);
	return query_end(q);
}

enum store_error query_exists(struct query *q)
{
	bool row = query_step(q);
	enum store_error err = query_end(q);

	return err != STORE_OK ? err : row ? STORE_OK : STORE_NOT_FOUND;
}

/* ------------------------------------------------------------ copies of rows */

void *rows_add(struct rows *r)
{
	void *item;

	if (r->len == r->cap) {
		size_t cap = r->cap > 0 ? r->cap * 2 : 16;
		void *larger = realloc(r->items, cap * r->item_size);

		if (larger == NULL) {
			r->failed = true;
			return NULL;
		}
		r->items = larger;
		r->cap = cap;
	}
	item = r->items + r->len++ * r->item_size;
	memset(item, 0, r->item_size);
	return item;
}

const uint8_t *rows_keep(struct rows *r, const uint8_t *data, size_t len)
{
	uint8_t *copy;

	if (data == NULL)
		return NULL;
	if (r->blobs_len == r->blobs_cap) {
		size_t cap = r->blobs_cap > 0 ? r->blobs_cap * 2 : 16;
		void **larger = realloc(r->blobs, cap * sizeof(*larger));

		if (larger == NULL) {
			r->failed = true;
			return NULL;
		}
		r->blobs = larger;
		r->blobs_cap = cap;
	}
	copy = malloc(len > 0 ? len : 1);
	if (copy == NULL) {
		r->failed = true;
		return NULL;
	}
	memcpy(copy, data, len);
	r->blobs[r->blobs_len++] = copy;
	return copy;
}

void rows_clear(struct rows *r)
{
	for (size_t i = 0; i < r->blobs_len; i++)
		free(r->blobs[i]);
	free(r->blobs);
	free(r->items);
	*r = (struct rows){.item_size = r->item_size};
}
