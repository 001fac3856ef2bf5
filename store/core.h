/*
 * The store's inside, shared by its files: the writer, the readers, and how a
 * function gets hold of them. Private to store/.
 */
#ifndef KEYHOUSE_STORE_CORE_H
#define KEYHOUSE_STORE_CORE_H

#include <pthread.h>

#include "store/db.h"
#include "store/writer.h"

struct store {
	struct writer *writer; /* NULL: read only */
	struct db *readers;
	struct db **idle; /* readers that nobody uses, a stack */
	size_t idle_len, readers_len;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	pthread_mutex_t import; /* held by the one who has many products written */
	char deployment_id[STORE_ID_LEN + 1];
	char lease_last[STORE_ID_LEN + 1]; /* the connection that a lease served last */
	char ask_last[STORE_BUSINESS_ID_LEN + 1]; /* the business whose responder was asked last */
};

/* A reader for one query; waits for one. */
struct db *core_reader(struct store *s);
void core_return(struct store *s, struct db *db);

/* Runs a change that needs the caller's arg only while it waits. */
enum store_error core_write(struct store *s, enum store_error (*run)(struct db *db, void *arg), void *arg);

/* Brings the schema up to this program's. The embedded migrations, oldest first. */
struct migration {
	const char *name;
	const char *sql;
};
extern const struct migration store_migrations[];
extern const size_t store_migrations_len;
/* STORE_NOT_OURS, STORE_NEWER; *have counts the migrations that the file has. Reads only. */
enum store_error migrate_check(struct db *db, int64_t *have);
enum store_error migrate(struct db *db, int64_t have);

/* Nobody has the database open: a service keeps its log beside it, and one that was killed leaves it. */
bool core_lies_still(const char *path);
/* The directory that holds path. */
enum store_error core_directory_sync(const char *path);

/* Where a page starts: the seq of the row with page->after's id, else the list's end. sql selects that seq
 * by business and id; business_id NULL binds the id alone. */
enum store_error core_page_start(
	struct db *db, const char *sql, const char *business_id, const struct store_page *page, int64_t *seq);

/* Whether text is non-empty and at most max bytes. */
bool core_text_ok(const char *text, size_t max);
/* Whether reason is NULL or short enough. */
bool core_reason_ok(const char *reason);
/* STORE_NOT_FOUND, also for another business's. */
enum store_error core_connection_exists(struct db *db, const char *business_id, const char *id);

/* Of a row that begins with purpose, version, master_key_id, created_at, wrapped. */
void core_tenant_key_read(struct query *q, struct store_tenant_key *out);
bool core_tenant_key_ok(const struct store_tenant_key *key);
enum store_error core_tenant_key_insert(struct db *db, const char *business_id, const struct store_tenant_key *key);
/* Destroys wrapped keys of a business: those of one purpose (0: all) below a version (0: all). What they were is
 * overwritten, also on pages that become free; the log holds it until it is flushed. */
enum store_error core_tenant_keys_destroy(
	struct db *db, const char *business_id, enum store_purpose purpose, uint32_t before);

bool core_credential_ok(const struct store_credential *c);
enum store_error core_credential_insert(struct db *db, const char *business_id, const struct store_credential *c);
/* What waits for a later try may have waited for a new key. */
enum store_error core_retries_due(struct db *db, const char *connection_id);

bool core_once_ok(const struct store_once_end *end);
/* Ends a call inside the change that does what it asked for; STORE_STALE when it is not in flight. */
enum store_error core_once_end(struct db *db, const char *business_id, const struct store_once_end *end);

#endif
