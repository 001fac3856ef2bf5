/*
 * The store's inside, shared by its files: the writer, the readers, and how a
 * function gets hold of them. Private to store/.
 */
#ifndef KEYHOUSE_STORE_CORE_H
#define KEYHOUSE_STORE_CORE_H

#include <pthread.h>

#include "store/db.h"
#include "store/writer.h"

/* The end of the audit's chain, as the group that runs has moved it; the writer's thread alone touches it. */
struct audit_chain {
	struct store_auditor how;
	const char *actor; /* of the change that runs */
	int64_t seq; /* the newest row's */
	uint8_t hash[32];
	struct store_audit_head head; /* the newest */
	size_t added; /* rows of this group, and their digests */
	uint8_t (*digests)[32];
};

struct store {
	struct audit_chain audit;
	struct writer *writer; /* NULL: read only */
	struct db *readers;
	struct db **idle; /* readers that nobody uses, a stack */
	size_t idle_len, readers_len;
	pthread_mutex_t lock;
	pthread_cond_t returned;
	pthread_mutex_t import; /* held by the one who has many products written */
	char deployment_id[STORE_ID_LEN + 1];
	char ask_last[STORE_BUSINESS_ID_LEN + 1]; /* the business whose responder was asked last */
};

/* audit.c. Adds a row inside a change, which fails where it fails. STORE_BUSY: the group has too many. */
enum store_error core_audit(struct db *db, const struct store_audit *a) __attribute__((warn_unused_result));
/* Where a value is named, its digest into out and a; before the change is queued. */
void core_audit_value(struct store *s, const char *text, struct store_audit *a, uint8_t out[static STORE_INDEX_LEN]);
/* The same for a fingerprint, which is hex. */
void core_audit_fingerprint(const char *fingerprint, struct store_audit *a, uint8_t out[static STORE_AUDIT_VALUE_LEN]);
/* A row about a connection's credential. */
enum store_error core_audit_credential(struct db *db, const char *business_id, const char *action,
	const struct store_credential *c, const char *purpose, const char *job) __attribute__((warn_unused_result));
const char *audit_actor(void); /* of this thread */
/* Reads where the chain ends. */
enum store_error audit_load(struct audit_chain *c, struct db *db, const struct store_auditor *how);
void audit_row_digest(const struct store_audit_row *r, void (*hash)(const void *data, size_t len, uint8_t *out),
	uint8_t digest[static 32]);
/* The next link: *link becomes that of the row with this digest. */
void audit_link(
	uint8_t link[static 32], const uint8_t digest[static 32], void (*hash)(const void *, size_t, uint8_t *));
/* Which row a change has added last. */
struct store_audit_end audit_end(const struct db *db);
/* For the writer: how far the group has come, back to there, and the group's seal just before its commit. */
struct audit_mark {
	int64_t seq;
	uint8_t hash[32];
	struct store_audit_head head;
	size_t added;
};
struct audit_mark audit_mark(const struct db *db);
void audit_back(struct db *db, const struct audit_mark *mark);
enum store_error audit_seal(struct db *db);
void audit_row_read(struct query *q, struct store_audit_row *r);
#define AUDIT_COLUMNS "seq, at, actor, business_id, action, subject, purpose, job, value, hash"
#define AUDIT_HEAD_COLUMNS "seq, at, hash, refused, undone, mac"
void audit_head_read(struct query *q, struct store_audit_head *h);
#define AUDIT_BROKEN "audit_broken"
#define AUDIT_BEGUN "audit_begun"
#define AUDIT_DAYS 400

/* audit_unheard.c. Adds a struct store_audit_unheard to rows for each; report: of the same transaction. */
enum store_error audit_unheard(struct db *db, int64_t now, const struct store_audit_report *report, struct rows *out)
	__attribute__((warn_unused_result));

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
/* schema.c. Whether the file has what so many migrations make, and nothing else; as store_schema_check. Reads only. */
enum store_error schema_check(
	struct db *db, int64_t migrations, void (*fault)(const char *words, void *arg), void *arg);

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
 * overwritten, also on pages that become free; the log holds it until it is flushed. *gone counts them. */
enum store_error core_tenant_keys_destroy(
	struct db *db, const char *business_id, enum store_purpose purpose, uint32_t before, int *gone);

bool core_credential_ok(const struct store_credential *c);
enum store_error core_credential_insert(struct db *db, const char *business_id, const struct store_credential *c);
/* What waits for a later try may have waited for a new key. */
enum store_error core_retries_due(struct db *db, const char *connection_id);

/* Notes that the credential was used, unless c->last_used_at says so of this minute. */
enum store_error core_credential_used(struct db *db, const struct store_credential *c, int64_t now);

/* event.c. An event without its body, from a row that begins with these columns; and a page of such rows. sql takes the
 * business, the place behind which it begins, state and the limit as ?1 to ?4. */
#define EVENT_COLUMNS "id, connection_id, state, received_at, delivered, quarantined, duplicates"
void event_read(struct query *q, struct store_event_summary *e);
enum store_error core_events_list(struct store *s, const char *business_id, const struct store_page *page,
	const char *sql, int64_t state, bool (*each)(const struct store_event_summary *e, void *arg), void *arg);

/* As store_health_soon; STORE_OK also where nothing was changed. */
enum store_error core_health_soon(struct db *db, const char *business_id, const char *connection_id, int64_t now);

bool core_once_ok(const struct store_once_end *end);
/* Notes, inside the change that notes its message, that a call may have been accepted from now on. STORE_STALE: it is not
 * in flight, or that is noted already. */
enum store_error core_once_noted(struct db *db, const char *business_id, const uint8_t key[static STORE_INDEX_LEN])
	__attribute__((warn_unused_result));
/* Ends a call inside the change that does what it asked for; STORE_STALE when it is not in flight. */
enum store_error core_once_end(struct db *db, const char *business_id, const struct store_once_end *end);

#endif
