/*
 * The store: what is remembered, in one SQLite database.
 *
 * It speaks of businesses, connections, events, messages and products, never of
 * SQL, and of sealed blobs and blind indexes as bytes it does not understand: it
 * knows no key. One writer thread commits what callers queue, many at a time
 * (group commit); readers never block it. A call that changes something returns
 * once the change is on disk.
 *
 * Any thread may call anything here. Times are milliseconds since 1970. Called by
 * the listener, and by a command when no service runs.
 */
#ifndef KEYHOUSE_STORE_H
#define KEYHOUSE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STORE_ID_LEN 26u /* ids the program makes: time-ordered, 128 bit, base 32 */
#define STORE_BUSINESS_ID_LEN 64u /* a business's id is its platform's own */
#define STORE_NAME_LEN 200u /* bytes of UTF-8 */
#define STORE_PROVIDER_ID_LEN 32u /* digits: phone_number_id, waba_id, app_id */
#define STORE_CLIENT_ID_LEN 64u
#define STORE_INDEX_LEN 16u /* blind index */
#define STORE_WRAPPED_MAX 256u
#define STORE_TEXT_LEN 255u
#define STORE_LIST_MAX 200u

enum store_error {
	STORE_OK = 0,
	STORE_NOT_FOUND,
	STORE_EXISTS, /* the id is in use */
	STORE_NUMBER_TAKEN, /* (provider, phone_number_id) belongs to a connection already; of the sandbox: of this business */
	STORE_STALE, /* compare-and-swap lost: somebody changed the row first */
	STORE_TIMEOUT, /* not durable in time; it may still become so */
	STORE_BUSY, /* the writer's queue is full, or large changes wait for each other */
	STORE_TOO_MANY, /* there would be more of them than there may be */
	STORE_FULL, /* no room on disk; nothing was changed */
	STORE_FAILED, /* I/O error or damaged file: final, the process must end */
	STORE_NEWER, /* the database was written by a newer version */
	STORE_NOT_OURS, /* the file is a database of another program, or none */
	STORE_FOREIGN, /* it is ours, but somebody put a table, view, index or trigger into it, took one out or changed one */
	STORE_NO_MEMORY,
	STORE_INVALID, /* a value breaks this header's limits: the caller's fault */
};
const char *store_error_text(enum store_error err); /* one sentence, no value */

struct store;

/* The vault's seal over the audit up to one row. */
struct store_audit_head {
	int64_t seq; /* of that row; 0: there is none */
	int64_t at; /* when it was sealed, by the vault's clock */
	uint8_t hash[32]; /* of that row */
	uint64_t refused; /* what the vault was asked by who may not, so far */
	uint64_t
		undone; /* groups of rows that it sealed and then sealed otherwise, so far: a full disk, or foul play */
	uint8_t mac[32];
};

/* How the audit is hashed and sealed; the store knows no key. */
struct store_auditor {
	void (*hash)(const void *data, size_t len, uint8_t *out); /* 32 bytes; NULL: no audit is kept */
	/* A keyed digest of a setting's value, asked in the thread that changes it; false leaves it out. May be NULL. */
	bool (*value)(void *ctx, const void *value, size_t len, uint8_t *out); /* STORE_INDEX_LEN bytes */
	/* Asked by the writer's thread before it commits: seals the rows that follow row from, by their digests of 32 bytes
	 * each, at most STORE_AUDIT_GROUP_MAX. head->seq and hash are given, the rest is filled. What it returns but STORE_OK
	 * becomes the group's error: nothing of it is written. May be NULL: rows are kept, unsealed. */
	enum store_error (*seal)(
		void *ctx, int64_t from, const uint8_t *digests, size_t rows, struct store_audit_head *head);
	void *ctx;
};
#define STORE_AUDIT_GROUP_MAX 4096u

#define STORE_FOREIGN_LEN 399u

struct store_options {
	const char *path; /* the database file; its directory must exist; made owner-only */
	bool create; /* make it where there is none, else STORE_NOT_FOUND */
	bool read_only; /* there is no writer, and nothing is changed: what would change it answers STORE_INVALID */
	unsigned readers; /* read-only connections, at least 1, all opened by store_open */
	unsigned queue_max; /* changes waiting for the writer; more answer STORE_BUSY; 0 = 4096 */
	char *foreign; /* room for STORE_FOREIGN_LEN + 1: with STORE_FOREIGN a sentence, printable as it is; may be NULL */
	/* Called once, when all files are open and no thread runs yet; false: STORE_FAILED. May be NULL. */
	bool (*opened)(void *ctx);
	/* Called once, from the writer thread, when the store has become STORE_FAILED. May be NULL. */
	void (*failed)(void *ctx);
	/* Called from the writer thread when the log was emptied after store_flush or the start could not. May be NULL. */
	void (*flushed)(void *ctx);
	void *ctx;
	/* Everything that opens the database to change it gives one: rows that no seal covers count as forged. */
	struct store_auditor audit;
};

/* Opens files and starts the writer: after it returns no further file is opened
 * and no thread started. Applies missing migrations in one transaction; where it is read only it cannot, and returns
 * STORE_STALE for a file of an older version, and what is foreign is none of its business (store_schema_check). Returns
 * STORE_NOT_FOUND, STORE_NEWER, STORE_NOT_OURS, STORE_FOREIGN, STORE_FAILED, STORE_NO_MEMORY. */
enum store_error store_open(struct store **out, const struct store_options *opt) __attribute__((warn_unused_result));
void store_close(struct store *s); /* commits what is queued; NULL is fine */

/* 26 characters and NUL, ascending with time within a process. */
void store_id_new(char out[static STORE_ID_LEN + 1]);
int64_t store_now_ms(void);
/* Random, made with the database; lives as long as the store. */
const char *store_deployment_id(const struct store *s);
/* Cheap check that reads work and the writer is alive: STORE_OK or STORE_FAILED. */
enum store_error store_ping(struct store *s) __attribute__((warn_unused_result));

/* Lists call each() for every row; it returns false to stop. Rows and what they
 * point to live until each() returns. Newest first unless ascending. after is the
 * id of the last row seen, or NULL. */
struct store_page {
	const char *after;
	unsigned limit; /* 1..STORE_LIST_MAX */
	bool ascending;
};

/* ------------------------------------------------------------ audit */

/* Each use and change of a secret, and each change of a setting, adds its row in the transaction that does it: without
 * the row nothing happens. Rows are chained by hashes, and sealed once a commit (vault/DESIGN.md, section "Audit"). */

#define STORE_ACTOR_LEN 48u
/* Who changes things from this thread from now on: ("token", ID) is kept as "token:ID", and so "link" and "operator";
 * ("command", NULL). NULL: the program by itself, "keyhouse", as in a thread that never said. Whoever sets it for a
 * request takes it back at its end. */
void store_actor(const char *kind, const char *id);

#define STORE_AUDIT_ACTION_LEN 32u
#define STORE_AUDIT_TEXT_LEN 128u
#define STORE_AUDIT_VALUE_LEN 32u
/* One row going in; NULL is "". actor and time are added. */
struct store_audit {
	const char *business_id; /* "": it concerns the whole installation */
	const char *action; /* small letters and "_", at most STORE_AUDIT_ACTION_LEN */
	const char *
		subject; /* what it was done to: an id, or "connection/field"; this and the next: STORE_AUDIT_TEXT_LEN */
	const char *purpose; /* what for, or which part */
	const char *job; /* the message, ask or check it was done for */
	const void *value; /* a keyed digest of the new value, at most STORE_AUDIT_VALUE_LEN bytes; never the value */
	size_t value_len;
};
/* Adds a row by itself; what the store itself changes has its rows already. */
enum store_error store_audit(struct store *s, const struct store_audit *a) __attribute__((warn_unused_result));

/* A row as it is kept. */
struct store_audit_row {
	int64_t seq, at;
	char actor[STORE_ACTOR_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char action[STORE_AUDIT_ACTION_LEN + 1];
	char subject[STORE_AUDIT_TEXT_LEN + 1];
	char purpose[STORE_AUDIT_TEXT_LEN + 1];
	char job[STORE_AUDIT_TEXT_LEN + 1];
	uint8_t value[STORE_AUDIT_VALUE_LEN];
	size_t value_len;
	uint8_t hash[32];
};
/* Of one business, or of all and the installation where business_id is NULL. page->after: a seq as text. */
enum store_error store_audit_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_audit_row *r, void *arg), void *arg) __attribute__((warn_unused_result));

/* Which row it is, and what its hash vouches for: it and all before it. */
struct store_audit_end {
	int64_t seq; /* 0: no audit is kept */
	uint8_t hash[32];
};

/* Where the chain stands: at start it must fit what the vault sealed. */
struct store_audit_state {
	struct store_audit_head head; /* the newest; seq 0: none */
	int64_t seq; /* what the newest row or head has; the next row has the next */
	bool fits; /* the newest row is the one that the newest head covers, or there is neither */
	int64_t broken_at; /* when it was last found broken; 0: never */
};
enum store_error store_audit_state(struct store *s, struct store_audit_state *out) __attribute__((warn_unused_result));
/* A new chain begins after seq, with a row that says so: "audit_begun" where there was neither row nor head, else, because
 * what is kept does not fit, "audit_broken". The vault has heard of it by then. */
enum store_error store_audit_restart(struct store *s) __attribute__((warn_unused_result));

/* What is there although no row says that it was made, or that another one was, or although a row says that it was
 * ended: whoever put it there did so past the program. A link and the session that it opened are two. */
enum store_audit_thing {
	STORE_THING_BUSINESS = 1,
	STORE_THING_TOKEN, /* of those that give access, live ones */
	STORE_THING_LINK,
	STORE_THING_LINK_SESSION,
	STORE_THING_OPERATOR_SESSION,
	STORE_THING_VIRTUAL_KEY, /* live ones */
};
struct store_audit_unheard {
	enum store_audit_thing thing;
	char id[STORE_BUSINESS_ID_LEN + 1];
	char name[STORE_NAME_LEN +
		1]; /* its name; a link's or virtual key's business; the token behind an operator's session */
	bool ended; /* a row says that it was */
	bool older; /* by its own word it was there before the audit, which begins with row 1 */
};

/* Checking a whole audit, of one moment. */
struct store_audit_check {
	int64_t now;
	void (*hash)(const void *data, size_t len, uint8_t *out); /* as in struct store_auditor */
	/* For each head. STORE_STALE: that is not its seal. Anything else but STORE_OK ends the check. */
	enum store_error (*head)(void *ctx, const struct store_audit_head *head);
	/* For each, after all else; false ends it. What is from before the rows that are kept is nobody's to judge. May be NULL. */
	bool (*unheard)(void *ctx, const struct store_audit_unheard *u);
	void *ctx;
};
enum store_audit_fault {
	STORE_AUDIT_WHOLE = 0,
	STORE_AUDIT_ROW, /* the row is not the one that was chained here: changed, inserted or moved */
	STORE_AUDIT_MISSING, /* the row is not there */
	STORE_AUDIT_REWRITTEN, /* rows hang together, but are not those that were sealed: this one or a later one */
	STORE_AUDIT_SEAL, /* the head that covers the row is none of the vault's */
	STORE_AUDIT_UNSEALED, /* the row and what follows it has no seal */
	STORE_AUDIT_RESTARTED, /* all fits, but at a start before this row it did not, and a new chain was begun */
};
struct store_audit_report {
	int64_t rows, heads;
	int64_t first_at, last_at; /* of the rows; 0: there is none */
	int64_t pruned,
		pruned_at; /* rows up to that one have gone because of their age, or are about to; when it was sealed */
	struct store_audit_head newest; /* seq 0: none */
	enum store_audit_fault fault; /* the first, and where: */
	int64_t seq, at; /* of the row; at 0: not known */
	int64_t after, before; /* heads around it, by the rows that they cover; 0: none */
};
enum store_error store_audit_check(struct store *s, const struct store_audit_check *check,
	struct store_audit_report *out) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ tenant keys */

enum store_purpose { STORE_KEY_CREDENTIAL = 1, STORE_KEY_CONTENT = 2, STORE_KEY_INDEX = 3 };
const char *store_purpose_name(enum store_purpose purpose); /* "credential", "content", "index" */

struct store_tenant_key {
	enum store_purpose purpose;
	uint32_t version;
	char master_key_id[17];
	uint8_t blob[STORE_WRAPPED_MAX];
	size_t blob_len; /* 0: the row is damaged */
	int64_t created_at; /* coming out; 0: before that was noted */
};

/* version 0: the newest. business_id "" names the deployment's own keys. */
enum store_error store_tenant_key_get(struct store *s, const char *business_id, enum store_purpose purpose,
	uint32_t version, struct store_tenant_key *out) __attribute__((warn_unused_result));
/* All that a business has, or the deployment (""). */
enum store_error store_tenant_key_list(struct store *s, const char *business_id,
	bool (*each)(const struct store_tenant_key *key, void *arg), void *arg) __attribute__((warn_unused_result));
/* STORE_EXISTS when that purpose and version is there, STORE_NOT_FOUND without the business. */
enum store_error store_tenant_key_add(struct store *s, const char *business_id, const struct store_tenant_key *key)
	__attribute__((warn_unused_result));

/* Destroys all keys of that owner and purpose and puts this one in their place: for those that do not open any more. */
enum store_error store_tenant_key_replace(struct store *s, const char *business_id, const struct store_tenant_key *key)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------ keys that are replaced */

/* Tenant keys by the master key that wraps them: how many; the deployment's own count too. */
struct store_master_count {
	char master_key_id[17];
	int64_t keys;
};
enum store_error store_master_counts(struct store *s, bool (*each)(const struct store_master_count *c, void *arg),
	void *arg) __attribute__((warn_unused_result));
/* A tenant key that is to be wrapped anew, and then was. */
struct store_rewrapped {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	struct store_tenant_key was, is; /* the same purpose and version; was.blob_len is 0 where the row is damaged */
};
/* At most limit of those after that one (NULL: from the first on) which another master key wraps than this one; is is
 * zeroed. In an order that stays. */
enum store_error store_tenant_key_others(struct store *s, const char *master_key_id,
	const struct store_rewrapped *after, unsigned limit, bool (*each)(const struct store_rewrapped *key, void *arg),
	void *arg) __attribute__((warn_unused_result));
/* Takes those whose row is still what it was, in one transaction; the rest is passed over. */
enum store_error store_tenant_key_rewrap(struct store *s, const struct store_rewrapped *keys, size_t keys_len)
	__attribute__((warn_unused_result));

/* Where sealed values lie. Content first, then credentials. */
enum store_sealed_place {
	STORE_PLACE_EVENT = 1, /* events, body */
	STORE_PLACE_MESSAGE, /* messages, content */
	STORE_PLACE_WAMID, /* messages, wamid */
	STORE_PLACE_ASK, /* asks, content */
	STORE_PLACE_URL, /* responders, url */
	STORE_PLACE_CREDENTIAL, /* credentials */
	STORE_PLACE_SECRET, /* responders, secret */
};
#define STORE_PLACE_FIRST(purpose) ((purpose) == STORE_KEY_CONTENT ? STORE_PLACE_EVENT : STORE_PLACE_CREDENTIAL)
#define STORE_PLACE_LAST(purpose) ((purpose) == STORE_KEY_CONTENT ? STORE_PLACE_URL : STORE_PLACE_SECRET)

/* One sealed value, and what its blob is bound to beside the business. */
struct store_sealed {
	int64_t seq; /* its row: ascending within a place */
	const char *table; /* a constant */
	char record_id[STORE_BUSINESS_ID_LEN + 1];
	char field[33];
	uint64_t version;
	const uint8_t *blob;
	size_t blob_len;
};
/* Those of a business after that row, in order: at most limit of them, and not many when they are long. */
enum store_error store_sealed_list(struct store *s, const char *business_id, enum store_sealed_place place,
	int64_t after, unsigned limit, bool (*each)(const struct store_sealed *v, void *arg), void *arg)
	__attribute__((warn_unused_result));
/* How many there are under one purpose. */
enum store_error store_sealed_count(struct store *s, const char *business_id, enum store_purpose purpose,
	int64_t *count) __attribute__((warn_unused_result));

/* A tenant key on its way to being replaced (only credential and content keys are; index keys seal nothing). */
struct store_rotation {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	enum store_purpose purpose;
	uint32_t version; /* the new one, which seals from now on */
	int64_t scanned_at; /* nothing was left under older ones then; 0: not so far yet */
	enum store_sealed_place place; /* how far the sealing anew has come: place, */
	int64_t cursor; /* and row in it */
	int64_t done, total; /* sealed values; total as it was at the start */
	int64_t started_at;
};
/* Adds the key as the newest of its purpose, and begins. STORE_EXISTS: the purpose is being rotated already. STORE_STALE:
 * its version is not the next one. STORE_NOT_FOUND. */
enum store_error store_rotation_begin(struct store *s, const char *business_id, const struct store_tenant_key *key,
	int64_t total) __attribute__((warn_unused_result));
/* The next that there is work on: one that is not scanned, else one that was before scanned_before. STORE_NOT_FOUND. */
enum store_error store_rotation_next(struct store *s, int64_t scanned_before, struct store_rotation *out)
	__attribute__((warn_unused_result));
/* At most limit of them, the longest first; *count counts all. */
enum store_error store_rotation_list(struct store *s, unsigned limit, int64_t *count,
	bool (*each)(const struct store_rotation *r, void *arg), void *arg) __attribute__((warn_unused_result));
/* A value that was sealed anew, at most STORE_LIST_MAX at once. */
struct store_resealed {
	int64_t seq;
	const uint8_t *was; /* taken only where the row still holds it: what came later stays */
	size_t was_len;
	const uint8_t *is;
	size_t is_len;
	char fingerprint[17]; /* of a credential */
};
/* Takes them, all of one place, and notes r's place, cursor, done and scanned_at, in one transaction. STORE_NOT_FOUND: the
 * rotation is gone. */
enum store_error store_rotation_step(struct store *s, const struct store_rotation *r, enum store_sealed_place place,
	const struct store_resealed *values, size_t values_len) __attribute__((warn_unused_result));
/* Ends the rotation and destroys nothing. STORE_NOT_FOUND. */
enum store_error store_rotation_drop(struct store *s, const struct store_rotation *r)
	__attribute__((warn_unused_result));
/* Destroys the older versions, and the rotation with them. STORE_NOT_FOUND. */
enum store_error store_rotation_end(struct store *s, const struct store_rotation *r)
	__attribute__((warn_unused_result));
/* A key of a business that was made before that time and is not being rotated; *count counts them. STORE_NOT_FOUND. */
enum store_error store_rotation_due(struct store *s, int64_t before, char business_id[static STORE_BUSINESS_ID_LEN + 1],
	enum store_purpose *purpose, int64_t *count) __attribute__((warn_unused_result));

/* A word that the program keeps for itself; at most STORE_TEXT_LEN. "" where it never was. */
enum store_error store_note_get(struct store *s, const char *name, char out[static STORE_TEXT_LEN + 1])
	__attribute__((warn_unused_result));
enum store_error store_note_put(struct store *s, const char *name, const char *text)
	__attribute__((warn_unused_result));

/* Brings what is committed into the database file and empties the log beside it, so that nothing overwritten or removed
 * stays in either. STORE_BUSY: somebody reads an older state for longer than a few seconds; it is done by itself soon after
 * that ends, or at the next start. */
enum store_error store_flush(struct store *s) __attribute__((warn_unused_result));

/* How many groups of changes were committed since it was opened: work that can wait looks whether others write. */
unsigned long store_commits(struct store *s);

/* ------------------------------------------------------------ businesses */

enum store_business_status { STORE_BUSINESS_ACTIVE = 1, STORE_BUSINESS_SUSPENDED = 2 };

struct store_business {
	char id[STORE_BUSINESS_ID_LEN + 1];
	char name[STORE_NAME_LEN + 1];
	enum store_business_status status;
	char responder[17]; /* kind: "none", "catalogue", "platform" */
	bool all_updates; /* coming out: a platform is told of every update */
	bool window_checked; /* coming out: a free-form message is refused when the customer last wrote too long ago */
	int64_t created_at;
	int64_t updated_at;
};

/* Adds it with its keys in one transaction. STORE_EXISTS. */
enum store_error store_business_add(struct store *s, const struct store_business *b,
	const struct store_tenant_key *keys, size_t keys_len) __attribute__((warn_unused_result));
enum store_error store_business_get(struct store *s, const char *id, struct store_business *out)
	__attribute__((warn_unused_result));
/* Writes what is given and leaves the rest: name NULL, status 0, window 0. Sets updated_at. */
enum store_switch { STORE_ON = 1, STORE_OFF };
enum store_error store_business_change(struct store *s, const char *id, const char *name,
	enum store_business_status status, enum store_switch window) __attribute__((warn_unused_result));
/* Removes it with everything it owns, in several transactions. With the first its tenant keys are gone, each with a row of
 * the audit that names it by the first 8 bytes of its hash, and nobody finds the business any more; after an error or a
 * kill in between the rest is for store_business_removing. *audited, if it is not NULL: the audit's row that says so. */
enum store_error store_business_remove(struct store *s, const char *id, struct store_audit_end *audited)
	__attribute__((warn_unused_result));
/* One whose removal has begun and not ended. STORE_NOT_FOUND: there is none. */
enum store_error store_business_removing(struct store *s, char id[static STORE_BUSINESS_ID_LEN + 1])
	__attribute__((warn_unused_result));
/* Carries it on by one small transaction; *gone: it was the last. STORE_NOT_FOUND: its removal has not begun, or ended. */
enum store_error store_business_remove_some(struct store *s, const char *id, bool *gone)
	__attribute__((warn_unused_result));
/* after: created order, by id of the row. */
enum store_error store_business_list(struct store *s, const struct store_page *page,
	bool (*each)(const struct store_business *b, void *arg), void *arg) __attribute__((warn_unused_result));
/* Those whose id begins with text, or whose name has it, upper and lower case of a to z alike: the newest limit ones. Where
 * few have it, all businesses are read through: for the operator. */
enum store_error store_business_find(struct store *s, const char *text, unsigned limit,
	bool (*each)(const struct store_business *b, void *arg), void *arg) __attribute__((warn_unused_result));

/* Where a platform answers, and with what it is signed. Both sealed; in a get the blobs live until
 * each() returns. */
struct store_responder {
	const uint8_t *url; /* sealed */
	size_t url_len;
	uint64_t version; /* of the secret: goes up by one at every change, bound into its blob */
	char last4[17];
	const uint8_t *secret; /* sealed */
	size_t secret_len;
	int64_t created_at; /* of the secret */
	bool all_updates; /* going in: it is told of every update, not of questions and statuses alone */
	/* going in, for the audit alone; "" and NULL where unchanged: */
	char fingerprint[17]; /* of the new secret */
	const char *address; /* the new url in clear, of which a digest is kept */
};

/* Sets the business's responder kind, and for kind "platform" its row; NULL leaves a row that is there as it is.
 * STORE_STALE when the row's version is neither r->version nor r->version - 1 (0: there is none). */
enum store_error store_responder_put(struct store *s, const char *business_id, const char *kind,
	const struct store_responder *r) __attribute__((warn_unused_result));
/* STORE_NOT_FOUND where none was ever set. */
enum store_error store_responder_get(struct store *s, const char *business_id,
	bool (*each)(const struct store_responder *r, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ connections */

enum store_provider { STORE_META = 1, STORE_360DIALOG = 2 };
enum store_connection_status {
	STORE_CONNECTION_PENDING = 1,
	STORE_CONNECTION_ACTIVE,
	STORE_CONNECTION_KEY_REFUSED,
	STORE_CONNECTION_BLOCKED,
	STORE_CONNECTION_WEBHOOK_TAKEN,
	STORE_CONNECTION_SUSPENDED,
};

struct store_connection {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	enum store_provider provider;
	enum store_connection_status status;
	bool sandbox; /* 360dialog's, for trying out: all who try it have the same number, and each may connect it */
	char app_id[STORE_PROVIDER_ID_LEN + 1];
	char waba_id[STORE_PROVIDER_ID_LEN + 1];
	char client_id[STORE_CLIENT_ID_LEN + 1]; /* 360dialog's; "" where not given */
	char phone_number_id[STORE_PROVIDER_ID_LEN +
		1]; /* its first number; kept in the table of numbers. "": not known yet */
	char display_phone[33]; /* as the provider shows it; the shop's, not a customer's */
	char verified_name[STORE_NAME_LEN + 1];
	char verify_token[65];
	char previous_verify_token[65]; /* coming out: the one before, which is good until then; "": there is none */
	int64_t previous_verify_token_ends_at;
	int64_t handshake_at; /* when its verify token came last in a handshake; 0: never */
	int64_t business_at; /* going in: created_at of the business it is meant for, whose id another may have by now; 0: any */
	bool number_proven; /* going in: the provider said that this key has this number */
	bool checks_failed; /* the last live checks found a fault in its keys or number */
	unsigned mps; /* coming out: messages a second that the provider takes from its number; 0: it did not say */
	int64_t state_at; /* coming out: when its status became what it is */
	int64_t created_at;
	int64_t updated_at;
};

enum store_slot { STORE_SLOT_CURRENT = 1, STORE_SLOT_PREVIOUS = 2 };

/* A sealed credential. In lists the blob points into the row. */
struct store_credential {
	char connection_id[STORE_ID_LEN + 1];
	char field[33]; /* "access_token", "app_secret", "api_key", ... */
	enum store_slot slot;
	uint64_t version; /* goes up by one at every change; bound into the blob */
	char last4[17]; /* the last four characters, for people; at most 4 UTF-8 characters */
	char fingerprint[17];
	uint32_t
		key_version; /* going in: of the tenant key that sealed it; STORE_STALE when that is gone. 0: not said */
	const uint8_t *blob;
	size_t blob_len;
	int64_t created_at;
	int64_t last_used_at; /* in a call to the provider, to the minute; 0: never */
	int64_t proven_at; /* when it first worked; 0: not known to yet. Going in: it works, so what it replaces goes */
	/* Coming out: */
	int64_t ends_at; /* of a previous one: from then on it is good for nothing */
	int64_t refused_at; /* of a current one: when a newer one was refused and this took its place again; 0: never */
	uint64_t newest; /* the highest version ever given at its place: a new one gets the next */
};

/* Adds a connection with its number and credentials in one transaction. A number that is proven is taken over from
 * another business that only claimed it: that connection becomes pending and receives nothing on it any more.
 * STORE_NOT_FOUND (no such business any more), STORE_NUMBER_TAKEN. */
enum store_error store_connection_add(struct store *s, const struct store_connection *c,
	const struct store_credential *credentials, size_t credentials_len) __attribute__((warn_unused_result));
/* A connection of another business is STORE_NOT_FOUND. */
enum store_error store_connection_get(struct store *s, const char *business_id, const char *id,
	struct store_connection *out) __attribute__((warn_unused_result));
enum store_error store_connection_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_connection *c, void *arg), void *arg) __attribute__((warn_unused_result));
/* The connection of that provider (0: any; an active or pending one before the others) that may use this number;
 * STORE_NOT_FOUND when it is another business's or nobody's. */
enum store_error store_connection_by_number(struct store *s, const char *business_id, enum store_provider provider,
	const char *phone_number_id, struct store_connection *out) __attribute__((warn_unused_result));
/* Gives a connection whose number was not known its number, and its WABA id where that is "" still; where it is known,
 * proves it. STORE_NUMBER_TAKEN; STORE_STALE when it has another number already. */
enum store_error store_connection_number_set(struct store *s, const char *business_id, const char *id,
	const char *phone_number_id, const char *waba_id, bool proven) __attribute__((warn_unused_result));
/* Notes a handshake with this verify token, and makes a connection that is pending or webhook_taken active; or pending,
 * where its checks_failed. Where it is the current token, the one before is good no more. */
enum store_error store_connection_handshake(struct store *s, const char *business_id, const char *id, const char *token,
	int64_t at) __attribute__((warn_unused_result));
/* A new verify token, where the current one still is was: that one is good for STORE_OVERLAP_MS more; where an older one
 * still is, that one in its place, as nobody has come with was. STORE_STALE. */
enum store_error store_verify_token_put(struct store *s, const char *business_id, const char *id, const char *was,
	const char *token) __attribute__((warn_unused_result));
/* The one before is good no more. STORE_NOT_FOUND: there is none. */
enum store_error store_verify_token_end(struct store *s, const char *business_id, const char *id)
	__attribute__((warn_unused_result));
/* Whether connections of another business have this app id, and whether one of those has this WABA, too. */
struct store_sharing {
	bool app, waba;
};
enum store_error store_app_shared(struct store *s, const char *business_id, const char *app_id, const char *waba_id,
	struct store_sharing *out) __attribute__((warn_unused_result));
/* Moves the status from -> to; STORE_STALE when it is not from (0: from any). */
enum store_error store_connection_status_set(struct store *s, const char *business_id, const char *id,
	enum store_connection_status from, enum store_connection_status to) __attribute__((warn_unused_result));
/* Writes mps. STORE_STALE: it has that already. */
#define STORE_MPS_MAX 100000u
enum store_error store_connection_mps_set(struct store *s, const char *business_id, const char *id, unsigned mps)
	__attribute__((warn_unused_result));
/* Writes checks_failed. */
enum store_error store_connection_checked(struct store *s, const char *business_id, const char *id, bool failed)
	__attribute__((warn_unused_result));
/* Writes display_phone and verified_name. */
enum store_error store_connection_describe(struct store *s, const struct store_connection *c)
	__attribute__((warn_unused_result));

/* What the provider said of a connection's token and number when it was looked at last: its own words, "" where it did
 * not say. */
struct store_connection_facts {
	int64_t looked_at; /* 0: never */
	int64_t token_expires_at; /* 0: not known; -1: never */
	char number_status[33];
	char name_status[33];
	char quality[17];
	char messaging_limit[33];
	char throughput[17];
	char can_send[17];
	uint64_t findings; /* bits, as the caller numbers them: what was amiss then */
};
/* Replaces all of it. STORE_NOT_FOUND: no such connection, or another business's. */
enum store_error store_connection_facts_put(struct store *s, const char *business_id, const char *connection_id,
	const struct store_connection_facts *facts) __attribute__((warn_unused_result));
/* Zeroed where the connection was never looked at. STORE_NOT_FOUND as above. */
enum store_error store_connection_facts_get(struct store *s, const char *business_id, const char *connection_id,
	struct store_connection_facts *out) __attribute__((warn_unused_result));

/* What came of a connection's webhooks. */
struct store_delivery {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	int64_t accepted_at; /* of the last that was accepted; 0: none */
	int64_t refused_at; /* of the last that was refused, or of which something was put aside; 0: none */
	char refused_why[33]; /* a short word of the caller's, "" where none was */
	int64_t refused_count; /* since one was accepted */
	bool vague; /* of a note: its reason says so little that it hides no other; not kept */
};
/* Adds to d what was noted later, as store_deliveries_note does. What happened before what d tells of, as of an event that
 * is settled late or once more, changes nothing of that. */
void store_delivery_add(struct store_delivery *d, const struct store_delivery *later);
#define STORE_DELIVERIES_MAX 100u /* at once: the writer is held up for a few milliseconds */
/* Adds what came since the last note to what is known. Connections that are gone, or another business's, are passed over. */
enum store_error store_deliveries_note(struct store *s, const struct store_delivery *rows, size_t len)
	__attribute__((warn_unused_result));
/* Of those connections of the business of which something is known. */
enum store_error store_delivery_list(struct store *s, const char *business_id,
	bool (*each)(const struct store_delivery *d, void *arg), void *arg) __attribute__((warn_unused_result));

/* What is queued on it becomes DEAD, what awaits an answer waits no more. */
enum store_error store_connection_remove(struct store *s, const char *business_id, const char *id)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------ health of connections */

/* Connections whose provider is due to be asked again, the longest due first; none that is suspended, or whose business
 * is. at most limit of them. */
enum store_error store_health_due(struct store *s, int64_t now, unsigned limit,
	bool (*each)(const char *business_id, const char *connection_id, void *arg), void *arg)
	__attribute__((warn_unused_result));
/* When it is due next. STORE_NOT_FOUND. */
enum store_error store_health_next(struct store *s, const char *business_id, const char *connection_id, int64_t at)
	__attribute__((warn_unused_result));
/* It is due now, as something spoke against it; but not sooner than STORE_HEALTH_GAP_MS after it was looked at, and where
 * it is due within a gap and a half, that stays. connection_id "": all of the business. STORE_NOT_FOUND: nothing was
 * changed. */
#define STORE_HEALTH_GAP_MS 600000
enum store_error store_health_soon(struct store *s, const char *business_id, const char *connection_id, int64_t now)
	__attribute__((warn_unused_result));

/* A change of a connection's state that its platform does not know of yet. */
struct store_untold {
	struct store_connection connection; /* as it is now */
	enum store_connection_status told; /* what was told last */
	int64_t state_at; /* when the state became what it is */
};
enum store_error store_health_untold(struct store *s, int64_t now, unsigned limit,
	bool (*each)(const struct store_untold *u, void *arg), void *arg) __attribute__((warn_unused_result));
/* status was told. */
enum store_error store_health_told(struct store *s, const char *business_id, const char *connection_id,
	enum store_connection_status status) __attribute__((warn_unused_result));
/* Telling failed: not again before that, unless the state changes. */
enum store_error store_health_tell_at(struct store *s, const char *business_id, const char *connection_id, int64_t at)
	__attribute__((warn_unused_result));

/* Every credential of the business with this field ("" for all), of every connection
 * that is not suspended ("" field lists those of suspended ones too), current and previous, but none that has ended. */
enum store_error store_credential_list(struct store *s, const char *business_id, const char *field,
	bool (*each)(const struct store_credential *c, void *arg), void *arg) __attribute__((warn_unused_result));
/* Replaces the current credential, if nobody did since: c->version must be the next (newest + 1), else STORE_STALE. It
 * becomes previous and ends STORE_OVERLAP_MS later. Where it never worked and an older previous is there, that one stays
 * in its place. Neither is kept where c is proven. Messages of the connection that wait for a later try are due now. */
#define STORE_OVERLAP_MS (INT64_C(7) * 86400000)
enum store_error store_credential_put(struct store *s, const char *business_id, const struct store_credential *c)
	__attribute__((warn_unused_result));
/* The current credential of that version worked: its proven_at is at, and the previous one ends grace_ms later at the
 * latest (0: it goes now). Nothing changes where it is proven already. STORE_STALE: another version is current. */
enum store_error store_credential_worked(struct store *s, const char *business_id, const struct store_credential *c,
	int64_t at, int64_t grace_ms) __attribute__((warn_unused_result));
/* Takes back the current credential of that version, which never worked: it is removed, and the previous one is current
 * again. refused: that is the provider's word, which is noted, and the platform is to hear of it. Messages that wait for
 * a later try are due now. STORE_STALE: another version is current, or it has worked. STORE_NOT_FOUND: there is no
 * previous one. */
enum store_error store_credential_take_back(struct store *s, const char *business_id, const struct store_credential *c,
	bool refused) __attribute__((warn_unused_result));
/* The previous credential goes now. STORE_NOT_FOUND: there is none. */
enum store_error store_credential_end(struct store *s, const char *business_id, const char *connection_id,
	const char *field) __attribute__((warn_unused_result));
/* Removes the previous credentials and verify tokens that have ended; then each() hears of their businesses, of some
 * more than once. */
enum store_error store_credential_sweep(struct store *s, int64_t now, void (*each)(const char *business_id, void *arg),
	void *arg) __attribute__((warn_unused_result));
/* Messages of the connection that wait for a later try are due now. */
enum store_error store_retries_due(struct store *s, const char *business_id, const char *connection_id)
	__attribute__((warn_unused_result));
/* Before sealed credentials go to the sender beside an outbox lease: notes for what (a word) and for which job. */
enum store_error store_credential_use(struct store *s, const char *business_id, const struct store_credential *used,
	size_t used_len, const char *purpose, const char *job) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ events and their updates */

struct store_event {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1]; /* whose secret verified it */
	int64_t received_at;
	const uint8_t *body; /* sealed */
	size_t body_len;
	int64_t place; /* out: among all events, in the order in which they came */
};

/* Queues the event and waits until it is on disk. Copies the event. Returns
 * STORE_TIMEOUT after timeout_ms, STORE_BUSY, STORE_FULL, STORE_FAILED, STORE_NOT_FOUND. */
enum store_error store_event_append(struct store *s, const struct store_event *e, unsigned timeout_ms)
	__attribute__((warn_unused_result));
/* The same, and returns once it is queued: done is told what came of it, once, when it is on disk or never will be, unless
 * this returns an error. It runs on the store's own thread: it must wait for nothing, and not call the store. */
enum store_error store_event_append_later(struct store *s, const struct store_event *e,
	void (*done)(void *ctx, enum store_error result), void *ctx) __attribute__((warn_unused_result));
/* One look at the events that are not settled yet. */
enum store_choice { STORE_TAKE, STORE_PASS, STORE_STOP };
struct store_look {
	int64_t after; /* the place behind which it begins; out: so far it came */
	int64_t until; /* the last place that it may come to; 0: there is none */
	unsigned limit; /* events to take at most; fewer where they are large */
	unsigned rows; /* events to look at at most, taken or not; 0: as many as it takes */
	/* Which to take, NULL: all. Runs in the middle of the look: must not call the store, nor wait. */
	enum store_choice (*choose)(int64_t place, const char *business_id, void *arg);
};
/* Events not yet settled, oldest first. What is passed over is not read, but for whose it is. */
enum store_error store_event_unsettled(struct store *s, struct store_look *look,
	bool (*each)(const struct store_event *e, void *arg), void *arg) __attribute__((warn_unused_result));

enum store_event_state { STORE_EVENT_ACCEPTED = 1, STORE_EVENT_SETTLED = 2, STORE_EVENT_UNPARSED = 3 };
enum store_update_kind {
	STORE_UPDATE_MESSAGE = 1,
	STORE_UPDATE_STATUS = 2,
	STORE_UPDATE_ECHO = 3,
	STORE_UPDATE_OTHER = 4
};
enum store_update_verdict {
	STORE_UPDATE_DELIVERED = 1,
	STORE_UPDATE_QUARANTINED = 2, /* not the connection's number or account: kept, never delivered */
	STORE_UPDATE_DUPLICATE = 3, /* seen before; found by the store */
};

/* Outbound (design section 9) and inbound messages share one log. */
enum store_direction { STORE_INBOUND = 1, STORE_OUTBOUND = 2 };
enum store_message_state {
	STORE_MESSAGE_RECEIVED = 1, /* inbound only */
	STORE_MESSAGE_QUEUED,
	STORE_MESSAGE_SENDING,
	STORE_MESSAGE_RETRY,
	STORE_MESSAGE_SENT,
	STORE_MESSAGE_DELIVERED,
	STORE_MESSAGE_READ,
	STORE_MESSAGE_FAILED,
	STORE_MESSAGE_UNKNOWN,
	STORE_MESSAGE_DEAD,
};
#define STORE_STATE_BIT(state) (1u << (unsigned)(state))
/* What becomes of an attempt whose outcome is not known: it stays UNKNOWN until a status says, or it is repeated after a
 * while, and the message says that it may have been sent twice. */
enum store_policy { STORE_AT_MOST_ONCE = 1, STORE_AT_LEAST_ONCE };

/* What an answer is about: a question about products, and those that it names, each once. */
#define STORE_DEMAND_PRODUCTS 8u
struct store_demand {
	bool asked; /* else nothing is counted */
	size_t products_len;
	char products[STORE_DEMAND_PRODUCTS][STORE_BUSINESS_ID_LEN + 1];
};

/* What a message does to an earlier one. */
enum store_relation { STORE_NO_RELATION = 0, STORE_EDITS, STORE_REVOKES, STORE_REACTS, STORE_UNREACTS };

struct store_message {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1]; /* phone_number_id */
	enum store_direction direction;
	enum store_message_state state;
	char type[33]; /* "text", "image", ... */
	uint8_t conversation[STORE_INDEX_LEN]; /* blind index of number + customer */
	uint8_t wamid_index[STORE_INDEX_LEN]; /* all zero: not known yet */
	bool standby; /* another handler had the conversation then */
	bool echo; /* outbound: sent by the owner in the WhatsApp app or by another handler, never by us; SENT from the start */
	enum store_relation relation;
	uint8_t concerns[STORE_INDEX_LEN]; /* the wamid_index of the message that the relation is to */
	int64_t played_at; /* outbound voice: when it was listened to; 0: not heard of */
	bool awaits_answer; /* inbound: the responder is still to be asked; settling makes a QUESTION of it */
	const uint8_t *content; /* sealed: the message as JSON */
	size_t content_len;
	const uint8_t *wamid; /* sealed; NULL when not known */
	size_t wamid_len;
	int64_t created_at;
	int64_t updated_at;
	int64_t next_at; /* outbound: not before */
	enum store_policy policy; /* 0: at most once */
	bool maybe_duplicate;
	int64_t expires_at; /* outbound: not sent after it; 0: a day after it was made */
	int64_t discarded_at; /* came to nothing, and nobody wants to see it again; 0: not so */
	uint32_t attempts;
	int32_t error_code; /* the provider's, or 0 */
	char reason[STORE_TEXT_LEN + 1]; /* plain words, no customer data */
	const struct store_demand *demand; /* of an answer, counted when it is queued; may be NULL */
	/* Of one that is queued: the id of the message that came to nothing and is sent again by it; may be NULL. */
	const char *replaces;
};

/* What a status says about an outbound message of ours. Found by message_id where
 * it is not "", else by wamid_index. Applied only where the row's state is in
 * from_states; otherwise passed over. */
struct store_settlement {
	char message_id[STORE_ID_LEN + 1];
	uint8_t wamid_index[STORE_INDEX_LEN];
	enum store_message_state to;
	unsigned from_states; /* STORE_STATE_BITs */
	bool played; /* noted beside the state, where the message is a voice message or other sound */
	const uint8_t *wamid; /* sealed; written where the row has none; may be NULL */
	size_t wamid_len;
	int32_t error_code;
	const char *reason; /* may be NULL */
	int64_t at;
};

/* The owner wrote in this conversation himself: no responder is asked there until then. */
struct store_pause {
	uint8_t conversation[STORE_INDEX_LEN];
	int64_t until;
};
#define STORE_PAUSES_MAX 2u /* a customer may be known by user id and by phone */

/* What the provider told of a connection by itself: as findings of gateway/finding.h, and as its state. */
struct store_notice {
	char connection_id[STORE_ID_LEN + 1];
	unsigned finding; /* 0: none, the provider is only to be asked soon */
	int64_t at; /* by the provider's clock: what is older than what is known changes nothing */
	int64_t until; /* then it is past */
	bool is_over; /* the finding is past now */
	char detail[201]; /* no customer data; may be "" */
	enum store_connection_status
		to; /* 0: the state stays. Else it moves there, unless the provider was asked since, */
	unsigned from; /* from one of these: bits, 1 << status */
	unsigned mps; /* its number's, from now on, unless the provider was asked since; 0: it does not say */
	bool guessed; /* mps is a guess: it counts only where the provider never said, and nothing is asked but then */
};
/* Those of a business that are not past. Whatever a notice says, its connection is due to be asked soon. */
enum store_error store_notice_list(struct store *s, const char *business_id, int64_t now,
	bool (*each)(const struct store_notice *n, void *arg), void *arg) __attribute__((warn_unused_result));

#define STORE_NAMES_MAX 3u
/* Who answers a customer: what is older than what is known changes nothing. */
enum store_holder { STORE_HELD_HERE = 1, STORE_HELD_ELSEWHERE = 2 };

#define STORE_WHAT_LEN 81u
struct store_update {
	char id[STORE_ID_LEN + 1];
	enum store_update_kind kind;
	char what[STORE_WHAT_LEN + 1]; /* in a word or two; nothing of a customer's */
	char field[49]; /* "messages", "account_update", ... as sent, cut to fit */
	char number[STORE_PROVIDER_ID_LEN + 1]; /* "" where the update names none */
	enum store_update_verdict verdict; /* DELIVERED or QUARANTINED going in */
	const char *reason; /* of a quarantine, plain words */
	/* By what it is known again, where that is not its message's wamid_index; all zero: by nothing else. */
	uint8_t seen_key[STORE_INDEX_LEN];
	const struct store_message *message; /* logged when delivered; may be NULL */
	const struct store_settlement *settlement; /* applied when delivered; may be NULL */
	const struct store_ask *ask; /* a status owed to the responder, kept when delivered; may be NULL */
	struct store_pause pauses[STORE_PAUSES_MAX]; /* kept when delivered; until 0: none */
	/* Conversations that are one, as these are names of one customer: what the update brings goes under that which was
	 * known first, and so does all that comes under any of them from then on. */
	uint8_t names[STORE_NAMES_MAX][STORE_INDEX_LEN];
	size_t names_len; /* 0: as it stands in message and ask */
	enum store_holder holder; /* who answers that conversation since held_at; 0: it does not say */
	int64_t held_at;
	int64_t called_at; /* the customer rang then; 0: it is no call of his */
	const struct store_notice *notices; /* taken when delivered */
	size_t notices_len;
};

struct store_intake_counts {
	unsigned delivered, quarantined, duplicates, awaiting;
};

/* What is owed to a business's responder: an answer to be asked for, or a status, or another update, to be handed on. In one
 * conversation they go one after the other, oldest first. */
enum store_ask_kind { STORE_ASK_QUESTION = 1, STORE_ASK_STATUS = 2 };
struct store_ask {
	char id[STORE_ID_LEN + 1]; /* of a QUESTION: its message's */
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	enum store_ask_kind kind;
	char message_id[STORE_ID_LEN +
		1]; /* the inbound message; of a STATUS the outbound one, "" where it is not ours */
	char connection_id[STORE_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1];
	uint8_t conversation[STORE_INDEX_LEN];
	const uint8_t *content; /* sealed; of a QUESTION its message's content */
	size_t content_len;
	int64_t created_at;
	uint32_t attempts; /* with the one that a lease begins */
};

/* Settles an event: its updates, dedupe marks, messages and outbox
 * changes in one transaction, or where it has many updates 64 of them in each: one that
 * was cut short goes on where it was. Later calls for the same event change nothing and
 * return STORE_STALE.
 *
 * An update that came to the business before is a duplicate. A message that has a wamid_index is known by its row, for
 * as long as that is there (store_prune), and leaves no mark; inbound ones and echoes are told apart. A mark is left of
 * all else that has a seen_key, for 8 days, and of an echo of what was sent from here: that has no row of its own. */
enum store_error store_event_settle(struct store *s, const char *business_id, const char *event_id,
	enum store_event_state state, const struct store_update *updates, size_t updates_len,
	struct store_intake_counts *counts) __attribute__((warn_unused_result));

/* Many at once, in order, each as by store_event_settle: none undoes another. After one that could not be settled now
 * the rest is STORE_BUSY, so that no conversation's order is broken. Returns STORE_NO_MEMORY, after which
 * those that were settled before it are STORE_STALE; else each has its result. */
struct store_settling {
	const char *business_id, *event_id;
	enum store_event_state state;
	const struct store_update *updates;
	size_t updates_len;
	size_t from; /* how many of the event's updates were before these: a multiple of STORE_PIECE */
	bool more; /* others follow, with another call: until then it is not settled */
	struct store_intake_counts
		counts; /* out, where result is STORE_OK: of the event so far; awaiting: of this call */
	/* out: a connection of which a message that waited to be sent again was settled by a status, the last if there were
	 * several; what waited behind it may be due; "": there was none */
	char freed[STORE_ID_LEN + 1];
	enum store_error result; /* out */
};
#define STORE_SETTLING_MAX 64u
#define STORE_PIECE 64u /* updates that are settled in one transaction, at most */
enum store_error store_events_settle(struct store *s, struct store_settling *all, size_t len)
	__attribute__((warn_unused_result));
/* How many changes wait to be written. */
unsigned store_waiting(struct store *s);

struct store_event_summary {
	char id[STORE_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	enum store_event_state state;
	int64_t received_at;
	unsigned delivered, quarantined, duplicates;
};
/* One of them, with its sealed body (len 0: not kept any more). STORE_NOT_FOUND. */
enum store_error store_event_get(struct store *s, const char *business_id, const char *id,
	bool (*each)(const struct store_event_summary *e, const uint8_t *body, size_t body_len, void *arg), void *arg)
	__attribute__((warn_unused_result));
/* An update as it is kept. */
struct store_update_row {
	enum store_update_kind kind;
	enum store_update_verdict verdict;
	char field[49];
	char what[STORE_WHAT_LEN + 1]; /* "": of before that was kept */
	char number[STORE_PROVIDER_ID_LEN + 1];
	char reason[STORE_TEXT_LEN + 1];
};
/* All updates of an event, in order. */
enum store_error store_update_list(struct store *s, const char *business_id, const char *event_id,
	bool (*each)(const struct store_update_row *u, void *arg), void *arg) __attribute__((warn_unused_result));
/* state 0: all. */
enum store_error store_event_list(struct store *s, const char *business_id, enum store_event_state state,
	const struct store_page *page, bool (*each)(const struct store_event_summary *e, void *arg), void *arg)
	__attribute__((warn_unused_result));

/* Those of which something was put aside. */
enum store_error store_quarantined_events(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_event_summary *e, void *arg), void *arg) __attribute__((warn_unused_result));

/* What was put aside, by the number that it was about. */
struct store_put_aside {
	char number[STORE_PROVIDER_ID_LEN + 1]; /* "": it names none, and was about another account */
	unsigned updates;
	int64_t last_at;
};
#define STORE_PUT_ASIDE_EVENTS 200u /* so many of the newest are looked at */
#define STORE_PUT_ASIDE_UPDATES 5000u /* and so many updates */
#define STORE_PUT_ASIDE_MAX 5u
/* In events received since then; the number that came last first, at most STORE_PUT_ASIDE_MAX of them. */
enum store_error store_quarantined_numbers(struct store *s, const char *business_id, int64_t since,
	bool (*each)(const struct store_put_aside *p, void *arg), void *arg) __attribute__((warn_unused_result));

/* Whether an event is settled once more, as if it had come now. */
enum store_replay {
	STORE_REPLAY_BEGINS = 1,
	STORE_REPLAY_WAITS, /* it is not settled yet */
	STORE_REPLAY_NOTHING, /* nothing of it was put aside, and it could be read */
	STORE_REPLAY_TOO_OLD, /* its body is gone; or what was or would be delivered of it would not be known again */
};
#define STORE_REPLAY_DAYS 7 /* of an event of which something was delivered: less than marks are kept */
/* Of any event: its messages are as old as it is, and are to be known again for 8 days before their rows go. */
#define STORE_REPLAY_MAX_DAYS 390
/* STORE_NOT_FOUND: no such event, or another business's. */
enum store_error store_event_replay(struct store *s, const char *business_id, const char *event_id, int64_t now,
	enum store_replay *found) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ messages */

/* Whether responders are paused in this conversation at that time. */
enum store_error store_conversation_paused(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t now, bool *paused)
	__attribute__((warn_unused_result));

/* Whether another handler answers this conversation: replying takes it over. */
enum store_error store_conversation_held(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], bool *elsewhere) __attribute__((warn_unused_result));

/* The first answer to a call that may come twice (store_once_begin). body may be NULL with 0. */
struct store_once_end {
	const uint8_t *key; /* STORE_INDEX_LEN bytes */
	int http_status;
	const void *body; /* as it is kept: sealed, where the call concerns a business */
	size_t body_len;
};

/* When a customer was heard of, by any name of the conversation. At most STORE_HEARD_ROWS of its newest messages are looked
 * at, under each of at most STORE_HEARD_NAMES names, and no more of them once he was heard of after the time enough. */
#define STORE_HEARD_ROWS 200u
#define STORE_HEARD_NAMES 8u
struct store_heard {
	int64_t at; /* when he last wrote or rang, as it came in; what a system message tells does not count; 0: not seen */
	bool all; /* nothing later was left out */
	bool unsettled; /* events of the business wait to be settled, or too many to tell: he may have written in one */
};
enum store_error store_conversation_heard(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t enough, struct store_heard *out)
	__attribute__((warn_unused_result));
/* What he wrote since then, of the same messages, newest first under each name. STORE_TOO_MANY: at most
 * STORE_HEARD_MESSAGES were shown, or so much content, and there are more. */
#define STORE_HEARD_MESSAGES 50u
enum store_error store_conversation_wrote(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t since,
	bool (*each)(const struct store_message *m, void *arg), void *arg) __attribute__((warn_unused_result));

/* Queues one outbound message (state QUEUED). STORE_NOT_FOUND when the connection is not the business's. once, where
 * it is not NULL, is ended in the same transaction, and the message that it replaces is discarded. STORE_STALE: that one
 * is discarded already, or did not come to nothing after all. */
enum store_error store_message_queue(struct store *s, const struct store_message *m, const struct store_once_end *once)
	__attribute__((warn_unused_result));

/* Where this conversation last happened: connection_id and number of its newest message, either direction. Of two
 * places the one with the greater turn is the later. */
struct store_place {
	char connection_id[STORE_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1];
	int64_t turn; /* above 0 */
};
enum store_error store_conversation_last(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], struct store_place *out)
	__attribute__((warn_unused_result));

enum store_error store_message_get(struct store *s, const char *business_id, const char *id,
	bool (*each)(const struct store_message *m, void *arg), void *arg) __attribute__((warn_unused_result));

/* How a message hangs together with others. Which came first does not matter. What another customer, or the other side,
 * wrote neither edits nor revokes it. */
struct store_ties {
	char concerns[STORE_ID_LEN +
		1]; /* the message that this one edits, revokes or reacts to; "": none, or not known here */
	char reaction[STORE_ID_LEN +
		1]; /* the newest message that reacts to this one, if it is not taken back; "": none */
	int64_t edited_at, revoked_at; /* 0: not. Of an edit of a message that was revoked, too */
};
enum store_error store_message_ties(struct store *s, const struct store_message *m, struct store_ties *out)
	__attribute__((warn_unused_result));

/* direction, state and discarded 0: all. */
struct store_message_filter {
	enum store_direction direction;
	enum store_message_state state;
	enum store_switch discarded; /* ON: only what is; OFF: only what is not */
};
enum store_error store_message_list(struct store *s, const char *business_id, const struct store_message_filter *filter,
	const struct store_page *page, bool (*each)(const struct store_message *m, void *arg), void *arg)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------ activity */

#define STORE_ACTIVITY_DAYS 30u
#define STORE_ACTIVITY_ROWS_MAX 50000u /* the newest so many are looked at: each costs a microsecond or two */
/* Outbound messages that the provider took, and those that came to nothing. */
#define STORE_STATES_ARRIVED                                                                                           \
	(STORE_STATE_BIT(STORE_MESSAGE_SENT) | STORE_STATE_BIT(STORE_MESSAGE_DELIVERED) |                              \
		STORE_STATE_BIT(STORE_MESSAGE_READ))
#define STORE_STATES_FAILED (STORE_STATE_BIT(STORE_MESSAGE_FAILED) | STORE_STATE_BIT(STORE_MESSAGE_DEAD))

struct store_activity_sum {
	int64_t received; /* inbound messages */
	int64_t orders; /* those of them that bring an order from WhatsApp's catalogue */
	int64_t questions; /* about products, that were answered; known where answers come with their demand */
	int64_t answered, failed; /* outbound messages, by the states above */
	int64_t conversations; /* in which one of either direction happened */
	int64_t answer_ms; /* median from an inbound message of these to the next answered one in its conversation; -1: none */
};
struct store_activity {
	struct store_activity_sum days[STORE_ACTIVITY_DAYS]; /* the first day's first */
	struct store_activity_sum all;
	int64_t cut_at; /* there were more than ROWS_MAX: what was before that is not in it; 0: all is */
};
/* What became of a business's messages in the days that begin with first_day. */
enum store_error store_activity(struct store *s, const char *business_id, int64_t first_day,
	struct store_activity *activity) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ what responders are owed */

/* Leases up to limit asks that are due (next_at <= now): the oldest of each conversation only, none of a conversation
 * that has one leased, at most per_business leased of one business, less by each of its asks that failed before but
 * never less than one, going round the businesses. A lease lasts until it is done, tried later, or the process ends. */
enum store_error store_ask_lease(struct store *s, int64_t now, unsigned limit, unsigned per_business,
	bool (*each)(const struct store_ask *a, void *arg), void *arg) __attribute__((warn_unused_result));
/* Ends an ask, queues its answers (0..5) and counts their demand in one transaction. STORE_STALE when it was ended
 * already: nothing is queued. An answer whose connection has gone is logged as DEAD and not counted. STORE_NOT_FOUND: removed with its business. */
enum store_error store_ask_done(struct store *s, const char *business_id, const char *id,
	const struct store_message *answers, size_t answers_len) __attribute__((warn_unused_result));
/* Ends the lease; it is due again at next_at. STORE_STALE when it is not leased with this attempt. */
enum store_error store_ask_later(struct store *s, const char *business_id, const char *id, uint32_t attempt,
	int64_t next_at) __attribute__((warn_unused_result));
/* How many asks of a business were asked before without an answer, at most 1,000. */
enum store_error store_asks_failing(struct store *s, const char *business_id, unsigned *n)
	__attribute__((warn_unused_result));
/* When the next ask that is not leased is due (0: now; INT64_MAX: none). A business at its per_business counts too. */
enum store_error store_ask_next_due(struct store *s, int64_t *at) __attribute__((warn_unused_result));
/* At start: leases of an earlier process end. What waits for a later try goes on waiting. */
enum store_error store_ask_recover(struct store *s) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ outbox */

/* What a business's messages to customers wait for. */
struct store_outbox_counts {
	int64_t waiting; /* QUEUED, SENDING or RETRY */
	int64_t unknown; /* UNKNOWN and made since then, of its newest STORE_ACTIVITY_ROWS_MAX messages */
};
enum store_error store_outbox_counts(struct store *s, const char *business_id, int64_t since,
	struct store_outbox_counts *out) __attribute__((warn_unused_result));

/* A connection that may send (pending, active or webhook_taken, and its business active), as the scheduler takes turns
 * among them. */
struct store_lane {
	char connection_id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	enum store_provider provider;
	char app_id[STORE_PROVIDER_ID_LEN + 1]; /* these three are "" where they are not known */
	char waba_id[STORE_PROVIDER_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1];
	unsigned mps; /* messages a second that the provider takes from its number; 0: as most */
	int64_t due_at; /* when the first of its messages that wait is due */
};
/* Those of which messages wait, behind the id after ("": from the first), in order of their ids. */
enum store_error store_outbox_lanes(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_lane *l, void *arg), void *arg) __attribute__((warn_unused_result));
/* One of them; due_at 0: nothing of it waits. STORE_NOT_FOUND: it may not send. */
enum store_error store_outbox_lane(struct store *s, const char *connection_id, struct store_lane *out)
	__attribute__((warn_unused_result));

/* A message that is QUEUED or RETRY, next_at passed, the oldest of its conversation that is not done with; so none while
 * another of that conversation is SENDING. */
struct store_due {
	int64_t seq;
	uint8_t conversation[STORE_INDEX_LEN];
	uint32_t attempts; /* that were made */
	size_t size; /* bytes of its content */
};
/* Up to *len of a connection's, the longest due first; *next_at: when more are due (INT64_MAX: none wait). */
enum store_error store_outbox_due(struct store *s, const char *connection_id, int64_t now, struct store_due *due,
	size_t *len, int64_t *next_at) __attribute__((warn_unused_result));

#define STORE_LEASES_MAX 256u
struct store_lease {
	int64_t seq;
	int64_t put_off_to; /* 0: it is leased; else it is only not due before then */
	bool leased; /* out: it was */
};
/* Leases what is still due and may still be sent, in one change: it becomes SENDING with attempts + 1, and the use of its
 * key is noted, durably, before each() sees it. What is not is passed over. */
enum store_error store_outbox_lease(struct store *s, int64_t now, struct store_lease *leases, size_t len,
	bool (*each)(const struct store_message *m, void *arg), void *arg) __attribute__((warn_unused_result));

/* Notes one outbound message that goes out at once (state SENDING, attempts 1) as a lease does: with the use of its key,
 * durably. Its conversation becomes the one that it goes under. virtual_key_id: the one that it was asked for with, and is
 * counted for; "": none. once_key: of the call in flight that asked for it (store_once_begin), which a crash does not forget
 * from now on; NULL: none. STORE_NOT_FOUND when the connection is not the business's, or may not send; STORE_STALE: the
 * virtual key was revoked or has expired meanwhile; STORE_TOO_MANY: it has sent as many today as it may; STORE_EXISTS: the
 * call is not in flight. */
enum store_error store_message_send(struct store *s, struct store_message *m, const char *virtual_key_id,
	const uint8_t *once_key) __attribute__((warn_unused_result));

/* The outcome of one attempt. Applied only while the row is SENDING with this
 * attempt number; otherwise STORE_STALE. A RETRY carries next_at. */
struct store_outcome {
	const char *business_id;
	const char *message_id;
	uint32_t attempt;
	enum store_message_state to; /* SENT, RETRY, UNKNOWN, DEAD */
	int64_t next_at;
	bool maybe_duplicate; /* it may have been accepted, and is tried again all the same */
	bool told; /* of one that ends DEAD: whoever sent it has heard so, and it is no letter */
	const char *given_back_to; /* the virtual key that it was counted for, and is not any more; NULL: none */
	int64_t spent_at; /* with given_back_to: the message's updated_at as store_message_send had it */
	uint8_t wamid_index[STORE_INDEX_LEN];
	const uint8_t *wamid; /* sealed; may be NULL */
	size_t wamid_len;
	int32_t error_code;
	const char *reason; /* may be NULL */
};
enum store_error store_outbox_settle(struct store *s, const struct store_outcome *outcome)
	__attribute__((warn_unused_result));
/* Many at once, with one commit where nothing is wrong: results[i] is what store_outbox_settle says of outcomes[i]. */
void store_outbox_settle_all(
	struct store *s, const struct store_outcome *outcomes, size_t len, enum store_error *results);

/* At start: every SENDING row becomes UNKNOWN, since the attempt may have reached the provider; where it is to be sent at
 * least once, RETRY at again_at. */
enum store_error store_outbox_recover(struct store *s, int64_t again_at, unsigned *recovered)
	__attribute__((warn_unused_result));

/* Messages that waited until they expired, of connections that may not send, become DEAD: the oldest of each
 * conversation, at most limit. *expired counts them: the next ones of their conversations may be as old. */
enum store_error store_outbox_expire(struct store *s, int64_t now, unsigned limit, unsigned *expired)
	__attribute__((warn_unused_result));

/* ------------------------------------------------------------ products */

#define STORE_PRODUCTS_MAX 20000u /* of one business */
#define STORE_PRODUCT_NAME_LEN 200u
#define STORE_PRODUCT_ALIASES_LEN 1000u

struct store_product {
	char id[STORE_BUSINESS_ID_LEN + 1];
	char name[STORE_PRODUCT_NAME_LEN + 1];
	char name_key[STORE_PRODUCT_NAME_LEN + 1]; /* normalised; unique in a business */
	char aliases[STORE_PRODUCT_ALIASES_LEN + 1]; /* one a line */
	char price[33]; /* decimal in major units: "450000", "12.50" */
	char currency[4]; /* ISO 4217 */
	int64_t stock; /* -1: not counted */
	char unit[33]; /* "unit", "kg"; "" for units */
};

/* Upserts all or none: by id where it is not "", else by name_key (the id is then
 * made here, or stays the existing row's). *added and *changed count rows.
 * STORE_EXISTS when an id and another row's name_key collide; STORE_TOO_MANY. Of those that bring many only one is
 * written at a time, so that webhooks come in between; STORE_BUSY: its turn did not come within seconds. */
enum store_error store_product_put(struct store *s, const char *business_id, const struct store_product *products,
	size_t products_len, unsigned *added, unsigned *changed) __attribute__((warn_unused_result));
/* What store_product_put would do; changes nothing. */
enum store_error store_product_try(struct store *s, const char *business_id, const struct store_product *products,
	size_t products_len, unsigned *added, unsigned *changed) __attribute__((warn_unused_result));
enum store_error store_product_get(struct store *s, const char *business_id, const char *id, struct store_product *out)
	__attribute__((warn_unused_result));
enum store_error store_product_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_product *p, void *arg), void *arg) __attribute__((warn_unused_result));
/* All of them, in no promised order: for the search. */
enum store_error store_product_each(struct store *s, const char *business_id,
	bool (*each)(const struct store_product *p, void *arg), void *arg) __attribute__((warn_unused_result));
enum store_error store_product_remove(struct store *s, const char *business_id, const char *id)
	__attribute__((warn_unused_result));

/* How many answers named a product, in the days that store_activity counts. */
struct store_demand_row {
	char product_id[STORE_BUSINESS_ID_LEN + 1];
	char name[STORE_PRODUCT_NAME_LEN + 1];
	int64_t all, today; /* the last day's */
};
/* The shop's products that were asked for most, at most limit of them. */
enum store_error store_demand_list(struct store *s, const char *business_id, int64_t first_day, unsigned limit,
	bool (*each)(const struct store_demand_row *row, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ calls that may come twice */

/* business_id "" for calls that concern none. key and request are blind indexes or hashes of the client's key and of
 * what it asks. Kept 7 days. */
struct store_once {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	uint8_t key[STORE_INDEX_LEN];
	uint8_t request[STORE_INDEX_LEN];
};
struct store_once_answer {
	int http_status;
	char *body; /* as it was kept; NUL after body_len; caller frees */
	size_t body_len;
};
/* STORE_OK: new, and in flight from now on. STORE_EXISTS: the same call was answered, *answer has it. STORE_STALE: the
 * key was used for another request. STORE_BUSY: the same call is in flight. STORE_TIMEOUT: too much is waiting to be
 * written. */
enum store_error store_once_begin(struct store *s, const struct store_once *once, struct store_once_answer *answer)
	__attribute__((warn_unused_result));
/* Of a call that was made, and whose answer is not known or not kept: it is kept with this status and no body. */
#define STORE_ONCE_LOST 504
/* Keeps the answer; http_status 0 forgets the call, so that it may be tried again. STORE_STALE: it is not in flight. */
enum store_error store_once_end(struct store *s, const char *business_id, const struct store_once_end *end)
	__attribute__((warn_unused_result));
/* At start: what was in flight never ended; it may be tried again. But one whose message was noted as being sent
 * (store_message_send) is STORE_ONCE_LOST. */
enum store_error store_once_recover(struct store *s) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ admin tokens */

struct store_token {
	char id[STORE_ID_LEN + 1];
	char name[STORE_NAME_LEN + 1];
	uint8_t hash[32];
	char last4[17];
	int64_t created_at;
	int64_t revoked_at; /* 0: live */
};
enum store_error store_token_add(struct store *s, const struct store_token *t) __attribute__((warn_unused_result));
/* STORE_NOT_FOUND when no live token has this hash. */
enum store_error store_token_find(struct store *s, const uint8_t hash[static 32], struct store_token *out)
	__attribute__((warn_unused_result));
enum store_error store_token_revoke(struct store *s, const char *id) __attribute__((warn_unused_result));
enum store_error store_token_list(struct store *s, const struct store_page *page,
	bool (*each)(const struct store_token *t, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ virtual keys */

/* What calls may be made with one; bits. */
enum store_scope {
	STORE_SCOPE_SEND = 1,
	STORE_SCOPE_MEDIA = 2,
	STORE_SCOPE_TEMPLATES = 4,
	STORE_SCOPE_READ = 8,
};
#define STORE_SCOPES_ALL 15u
#define STORE_KEY_NUMBERS_MAX 32u
#define STORE_KEY_NUMBERS_LEN (STORE_KEY_NUMBERS_MAX * (STORE_PROVIDER_ID_LEN + 1))
#define STORE_KEY_WHY_LEN 32u
#define STORE_KEYS_LIVE_MAX 2u /* of one name: the one in use, and the one that takes its place */

/* A key of ours that stands for a business's real ones towards one consumer. */
struct store_virtual_key {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char name[STORE_NAME_LEN + 1]; /* the consumer's */
	uint8_t hash[32];
	char last4[5];
	unsigned scopes; /* of enum store_scope, at least one */
	char numbers[STORE_KEY_NUMBERS_LEN + 1]; /* phone_number_ids with a space between; "": all, also later ones */
	uint32_t rate; /* calls a minute; 0: as many as they like */
	uint32_t budget; /* messages a day of UTC; 0: as many as they like */
	int64_t created_at;
	int64_t expires_at; /* it is good before that; 0: for ever */
	/* Coming out: */
	int64_t revoked_at; /* 0: not */
	int64_t used_at; /* in a call that was let through, to the minute; 0: never */
	int64_t refused_at; /* of the last call with it that was refused; 0: none */
	char refused_why[STORE_KEY_WHY_LEN + 1]; /* a short word of the caller's */
	int64_t refused_count; /* all of them */
	int64_t messages_today; /* of the day that now falls into */
};
/* STORE_TOO_MANY: so many of its name as may live at once do. STORE_NOT_FOUND: no such business. */
enum store_error store_virtual_key_add(struct store *s, const struct store_virtual_key *k)
	__attribute__((warn_unused_result));
/* Adds one that takes another's place: of fresh, id, hash, last4 and created_at are read, and the rest is filled with what
 * the other one has; it lives as long from its making as that one was to. old_ends_at: the other one expires then at the
 * latest; 0: it goes on as it was. STORE_TOO_MANY as above; STORE_STALE: it is revoked or expired; STORE_NOT_FOUND: there is
 * none, or it is another business's. */
enum store_error store_virtual_key_rotate(struct store *s, const char *business_id, const char *id, int64_t old_ends_at,
	struct store_virtual_key *fresh) __attribute__((warn_unused_result));
/* Finds also one that is revoked or expired, so that it can be said why it is refused, and one of a suspended business; none
 * of a business that is being removed. STORE_NOT_FOUND. */
enum store_error store_virtual_key_find(struct store *s, const uint8_t hash[static 32], int64_t now,
	struct store_virtual_key *out) __attribute__((warn_unused_result));
/* STORE_NOT_FOUND, also for another business's. */
enum store_error store_virtual_key_get(struct store *s, const char *business_id, const char *id, int64_t now,
	struct store_virtual_key *out) __attribute__((warn_unused_result));
enum store_error store_virtual_key_list(struct store *s, const char *business_id, const struct store_page *page,
	int64_t now, bool (*each)(const struct store_virtual_key *k, void *arg), void *arg)
	__attribute__((warn_unused_result));
/* At once. STORE_OK also where it was revoked before; STORE_NOT_FOUND for another business's. */
enum store_error store_virtual_key_revoke(struct store *s, const char *business_id, const char *id)
	__attribute__((warn_unused_result));

/* What calls with a key came to since the last note of it. */
struct store_virtual_key_note {
	char id[STORE_ID_LEN + 1]; /* of the key */
	int64_t used_at; /* 0: not */
	int64_t refused_at; /* 0: not */
	char refused_why[STORE_KEY_WHY_LEN + 1];
	int64_t refused_count;
};
#define STORE_VIRTUAL_KEY_NOTES_MAX 100u /* at once: the writer is held up for a few milliseconds */
/* Adds them to what is known. Keys that are gone are passed over. */
enum store_error store_virtual_keys_note(struct store *s, const struct store_virtual_key_note *notes, size_t len)
	__attribute__((warn_unused_result));
/* The same in memory: what was noted later is added to a key that was read. */
void store_virtual_key_noted(struct store_virtual_key *k, const struct store_virtual_key_note *later);

/* ------------------------------------------------------------ settings links */

/* A link for a shop owner, and the session that it opened. Each is known by a hash of what the browser holds. */
struct store_link {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	int64_t created_at;
	int64_t expires_at; /* it can be opened before that */
	int64_t opened_at; /* 0: not yet */
	int64_t ends_at; /* of the session */
	int64_t seen_at; /* the session's last request, to the minute */
	int64_t revoked_at; /* 0: not. Ends the session, too */
};
/* STORE_NOT_FOUND: no such business. */
enum store_error store_link_add(struct store *s, const struct store_link *l, const uint8_t hash[static 32])
	__attribute__((warn_unused_result));
/* A link that can still be opened. STORE_NOT_FOUND: it cannot, or there is none. */
enum store_error store_link_find(struct store *s, const uint8_t hash[static 32], int64_t now, struct store_link *out)
	__attribute__((warn_unused_result));
/* Opens it, once: STORE_NOT_FOUND when no link has this hash, or it was opened, has expired or is revoked. */
enum store_error store_link_open(struct store *s, const uint8_t hash[static 32], const uint8_t session_hash[static 32],
	int64_t now, int64_t ends_at, struct store_link *out) __attribute__((warn_unused_result));
/* STORE_NOT_FOUND when no session has this hash, or it has ended. */
enum store_error store_link_session(struct store *s, const uint8_t session_hash[static 32], int64_t now,
	struct store_link *out) __attribute__((warn_unused_result));
enum store_error store_link_seen(struct store *s, const char *business_id, const char *id, int64_t at)
	__attribute__((warn_unused_result));
/* STORE_NOT_FOUND when there is none, or it is revoked already. */
enum store_error store_link_revoke(struct store *s, const char *business_id, const char *id)
	__attribute__((warn_unused_result));
enum store_error store_link_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_link *l, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ the operator's sessions */

/* A browser that came in by an admin token. It is known by a hash of what it holds. */
struct store_operator {
	char id[STORE_ID_LEN + 1];
	char token_id[STORE_ID_LEN + 1];
	char token_name[STORE_NAME_LEN + 1], token_last4[17]; /* filled when it is read */
	int64_t created_at;
	int64_t ends_at;
	int64_t seen_at; /* its last request, to the minute */
};
/* STORE_NOT_FOUND: no live token has this token_id. */
enum store_error store_operator_open(struct store *s, const struct store_operator *o,
	const uint8_t session_hash[static 32]) __attribute__((warn_unused_result));
/* STORE_NOT_FOUND when no session has this hash, or it has ended, was last seen at seen_after or before, or its token
 * is revoked. */
enum store_error store_operator_find(struct store *s, const uint8_t session_hash[static 32], int64_t now,
	int64_t seen_after, struct store_operator *out) __attribute__((warn_unused_result));
enum store_error store_operator_seen(struct store *s, const char *id, int64_t at) __attribute__((warn_unused_result));
/* STORE_NOT_FOUND when there is none. */
enum store_error store_operator_end(struct store *s, const char *id) __attribute__((warn_unused_result));
/* Those that store_operator_find would find, newest first, at most STORE_LIST_MAX. */
enum store_error store_operator_list(struct store *s, int64_t now, int64_t seen_after,
	bool (*each)(const struct store_operator *o, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ what went wrong, of all businesses */

/* For the operator alone: of every business, newest first, without content. after and limit as in struct store_page. */

/* An outbound message that is FAILED, UNKNOWN or DEAD. */
struct store_letter {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1], business_name[STORE_NAME_LEN + 1];
	enum store_message_state state;
	char type[33];
	int64_t created_at;
	uint32_t attempts;
	int32_t error_code;
	char reason[STORE_TEXT_LEN + 1];
};
enum store_error store_letter_list(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_letter *l, void *arg), void *arg) __attribute__((warn_unused_result));

/* Nobody wants to see it again among them: FAILED, UNKNOWN or DEAD it stays. STORE_STALE: it is none of these, or discarded
 * already; STORE_NOT_FOUND. */
enum store_error store_message_discard(struct store *s, const char *business_id, const char *id)
	__attribute__((warn_unused_result));

/* A quarantined update. */
struct store_quarantined {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1], business_name[STORE_NAME_LEN + 1];
	int64_t received_at;
	char field[49];
	char number[STORE_PROVIDER_ID_LEN + 1];
	char reason[STORE_TEXT_LEN + 1];
};
enum store_error store_quarantined_list(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_quarantined *u, void *arg), void *arg) __attribute__((warn_unused_result));

/* An event that is UNPARSED. */
struct store_unparsed {
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1], business_name[STORE_NAME_LEN + 1];
	int64_t received_at;
};
enum store_error store_unparsed_list(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_unparsed *e, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ what sends met */

/* Outbound messages of one connection that were refused with one code, and how the rest of that connection fares. */
struct store_trouble {
	char connection_id[STORE_ID_LEN + 1];
	int32_t error_code; /* the provider's, or 0 */
	char reason[STORE_TEXT_LEN + 1]; /* of the newest; without a code all have the same */
	unsigned count;
	int64_t last_at; /* when that was last */
	int64_t made_at; /* the newest one's created_at */
	int64_t accepted_at; /* the same of the newest of this connection that the provider took; 0: none of the
				business's newest 5,000 */
};
/* Of the messages made since then that were refused, at most the newest 5,000 and 32 kinds of trouble; newest first. */
enum store_error store_trouble_list(struct store *s, const char *business_id, int64_t since,
	bool (*each)(const struct store_trouble *t, void *arg), void *arg) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ upkeep */

/* How much waits, for the operator. */
struct store_counts {
	int64_t businesses, connections;
	int64_t unsettled; /* events */
	int64_t asks; /* owed to responders */
	int64_t queued, retrying, sending; /* outbox */
};
enum store_error store_counts(struct store *s, struct store_counts *out) __attribute__((warn_unused_result));

/* Copies the database at from into a new file at to, consistent while another process writes; needs no open store.
 * told, where it is not NULL, hears of progress in pages. STORE_EXISTS: to is there; STORE_NOT_FOUND: from is not;
 * STORE_NOT_OURS, STORE_FULL, STORE_FAILED: to is removed then. */
enum store_error store_backup(const char *from, const char *to, void (*told)(int64_t done, int64_t total, void *arg),
	void *arg) __attribute__((warn_unused_result));

/* Reads the whole file through, and tells of each fault in its form (at most 20), in words without content. quick: without
 * comparing indexes with their tables. */
enum store_error store_integrity(struct store *s, bool quick, void (*fault)(const char *words, void *arg), void *arg)
	__attribute__((warn_unused_result));

/* Tells of each table, view, index and trigger that keyhouse did not make so, and of each that is missing, in words that
 * are printable as they are. */
enum store_error store_schema_check(struct store *s, void (*fault)(const char *words, void *arg), void *arg)
	__attribute__((warn_unused_result));

/* For a copy that is about to take the place of the database. What waited to be sent when it was made may have been sent
 * since: it becomes UNKNOWN, with STORE_RESTORED as the reason, and what was owed to responders is owed no more, as it may
 * have been answered. */
#define STORE_RESTORED "restored from a backup: it may have been sent since"
struct store_restored {
	int64_t unknown, asks; /* how many */
};
enum store_error store_restored(struct store *s, struct store_restored *out) __attribute__((warn_unused_result));
/* Gives the database at path a second name, aside, under which it stays; no store has it open. Its log is brought into it
 * before, or where that cannot be done keeps it company: aside with "-wal". STORE_NOT_FOUND, STORE_EXISTS, STORE_FAILED. */
enum store_error store_put_aside(const char *path, const char *aside) __attribute__((warn_unused_result));
/* The closed database at from takes the name path from whatever has it, at once or not at all, on disk when it returns. */
enum store_error store_take_place(const char *from, const char *path) __attribute__((warn_unused_result));
/* Removes a database that was a copy for a while, and what lies beside it. */
void store_remove_copy(const char *path);

/* Removes, in small transactions, bodies older than body_days (events and messages
 * keep their row without content, and messages the wamid_index, by which they are known again), dedupe marks older than
 * 8 days, remembered calls older than 7, settings links older than 30, what virtual keys sent on a day longer than 40 days
 * ago, rows older than 400 days (of the audit up to a seal, which stays; virtual keys that ended then), and the operator's
 * sessions that have ended. */
enum store_error store_prune(struct store *s, int64_t now, unsigned body_days) __attribute__((warn_unused_result));

#endif
