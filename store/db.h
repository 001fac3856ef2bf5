/*
 * One SQLite connection with its prepared statements, and a query as a value:
 * bind in order, step, read columns in order, end. Private to store/.
 */
#ifndef KEYHOUSE_STORE_DB_H
#define KEYHOUSE_STORE_DB_H

#include <sqlite3.h>

#include "store/store.h"

#define DB_STATEMENTS_MAX 448u

struct audit_chain;

struct db {
	sqlite3 *handle;
	struct audit_chain *audit; /* of the writer's; NULL: a reader */
	const char *sql[DB_STATEMENTS_MAX]; /* literals: compared by address */
	sqlite3_stmt *statements[DB_STATEMENTS_MAX];
	size_t statements_len;
};

/* Opens an existing file and reads from it; changes nothing in it, and closing it checkpoints nothing. */
enum store_error db_open(struct db *db, const char *path, bool writer);
/* Reads a file that nobody has open and that has no log, as it lies: no lock is taken and nothing made beside it. */
enum store_error db_open_still(struct db *db, const char *path);
/* An empty one, of its own, that is nowhere but in memory. */
enum store_error db_open_memory(struct db *db);
/* Whether its own schema may be changed like a table: what a migration may, and nothing else. */
void db_schema_writable(struct db *db, bool writable);
/* Makes it the writer's: write-ahead log, full syncs. Only for a file that is known to be ours. */
enum store_error db_make_writer(struct db *db);
/* Writes the log that an earlier process left once more, byte for byte, and syncs it. After a sync that failed there, a
 * system reads from memory what the disk does not have, and would say of it that all is well: what is then written behind
 * it, or brought into the file from it, does not outlive a power cut. Before anything else is written. */
enum store_error db_log_renew(struct db *db);
/* Moves the write-ahead log into the file; wait: for readers too, for a moment, so that the log can begin anew. STORE_OK
 * also where readers or a full disk leave something for the next time. */
enum store_error db_checkpoint(struct db *db, bool wait);
/* Moves all of it and cuts the log to nothing. STORE_BUSY: a reader was in the way for that long, or the disk is full. */
enum store_error db_truncate(struct db *db, int wait_ms);
void db_checkpoint_at_close(struct db *db);
void db_close(struct db *db);
/* Runs SQL without parameters or rows. */
enum store_error db_run(struct db *db, const char *sql);
enum store_error db_error(int rc); /* of an SQLite result code */

struct query {
	struct db *db;
	sqlite3_stmt *statement;
	int rc;
	int bound;
	int column;
};

/* sql must be a string literal: its statement is kept by address. */
struct query query_start(struct db *db, const char *sql);
void query_text(struct query *q, const char *text);
void query_int(struct query *q, int64_t value);
void query_blob(struct query *q, const void *data, size_t len); /* NULL data binds NULL */
/* True when there is a row; its columns are then read from the first on. */
bool query_step(struct query *q);
int64_t query_get_int(struct query *q);
void query_get_text(struct query *q, char *out, size_t room); /* cut to fit, always ended */
void query_get_fixed(struct query *q, uint8_t *out, size_t len); /* zeros where NULL or of another length */
const uint8_t *query_get_blob(struct query *q, size_t *len); /* NULL where NULL; lives until the next step */
/* Ends it. Errors met on the way are returned here. */
enum store_error query_end(struct query *q);
/* For a statement without rows: steps once and ends. */
enum store_error query_finish(struct query *q);
/* For a statement with at most one row of which only the presence counts. STORE_NOT_FOUND. */
enum store_error query_exists(struct query *q);
/* Rows changed by the last statement. */
int db_changes(struct db *db);

/* Copies of rows, so that a visitor runs without a connection in hand. */
struct rows {
	size_t item_size;
	uint8_t *items;
	size_t len, cap;
	void **blobs;
	size_t blobs_len, blobs_cap;
	bool failed;
};
#define ROWS_OF(type)                                                                                                  \
	{                                                                                                              \
		.item_size = sizeof(type)                                                                              \
	}
void *rows_add(struct rows *r); /* zeroed; NULL when memory is short */
const uint8_t *rows_keep(struct rows *r, const uint8_t *data, size_t len); /* NULL stays NULL */
void rows_clear(struct rows *r);

#endif
