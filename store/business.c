/*
 * Businesses and their wrapped tenant keys.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store/core.h"

/* ------------------------------------------------------------ tenant keys */

const char *store_purpose_name(enum store_purpose purpose)
{
	switch (purpose) {
	case STORE_KEY_CREDENTIAL:
		return "credential";
	case STORE_KEY_CONTENT:
		return "content";
	case STORE_KEY_INDEX:
		return "index";
	}
	return "";
}

void core_tenant_key_read(struct query *q, struct store_tenant_key *out)
{
	const uint8_t *blob;

	memset(out, 0, sizeof(*out));
	out->purpose = (enum store_purpose)query_get_int(q);
	out->version = (uint32_t)query_get_int(q);
	query_get_text(q, out->master_key_id, sizeof(out->master_key_id));
	out->created_at = query_get_int(q);
	blob = query_get_blob(q, &out->blob_len);
	if (blob == NULL || out->blob_len > sizeof(out->blob))
		out->blob_len = 0;
	else
		memcpy(out->blob, blob, out->blob_len);
}

enum store_error store_tenant_key_get(struct store *s, const char *business_id, enum store_purpose purpose,
	uint32_t version, struct store_tenant_key *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT business_id, purpose, version, master_key_id, created_at, wrapped FROM tenant_keys "
		"WHERE business_id = ? AND purpose = ? AND (?3 = 0 OR version = ?3) "
		"ORDER BY version DESC LIMIT 1");
	char whose[STORE_BUSINESS_ID_LEN + 1];
	enum store_error err;
	bool found;

	query_text(&q, business_id);
	query_int(&q, purpose);
	query_int(&q, version);
	found = query_step(&q);
	if (found) {
		query_get_text(&q, whose, sizeof(whose));
		core_tenant_key_read(&q, out);
	}
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_tenant_key_list(struct store *s, const char *business_id,
	bool (*each)(const struct store_tenant_key *key, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_tenant_key);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT purpose, version, master_key_id, created_at, wrapped FROM tenant_keys WHERE business_id = ? "
		"ORDER BY purpose, version");
	enum store_error err;

	query_text(&q, business_id);
	while (query_step(&q)) {
		struct store_tenant_key *key = rows_add(&rows);

		if (key != NULL)
			core_tenant_key_read(&q, key);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_tenant_key *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error core_tenant_key_insert(struct db *db, const char *business_id, const struct store_tenant_key *key)
{
	struct query q = query_start(db,
		"INSERT INTO tenant_keys (business_id, purpose, version, master_key_id, wrapped, created_at) "
		"VALUES (?, ?, ?, ?, ?, ?)");

	query_text(&q, business_id);
	query_int(&q, key->purpose);
	query_int(&q, key->version);
	query_text(&q, key->master_key_id);
	query_blob(&q, key->blob, key->blob_len);
	query_int(&q, store_now_ms());
	return query_finish(&q);
}

bool core_tenant_key_ok(const struct store_tenant_key *key)
{
	return key->version > 0 && key->blob_len > 0 && key->blob_len <= sizeof(key->blob);
}

struct key_add {
	const char *business_id;
	const struct store_tenant_key *key;
};

static enum store_error run_key_add(struct db *db, void *arg)
{
	const struct key_add *a = arg;
	struct query q = query_start(
		db, "SELECT 1 WHERE ?1 = '' OR EXISTS (SELECT 1 FROM businesses WHERE id = ?1 AND removing_at = 0)");
	enum store_error err;

	query_text(&q, a->business_id);
	err = query_exists(&q);
	return err == STORE_OK ? core_tenant_key_insert(db, a->business_id, a->key) : err;
}

enum store_error store_tenant_key_add(struct store *s, const char *business_id, const struct store_tenant_key *key)
{
	struct key_add a = {business_id, key};

	if (strlen(business_id) > STORE_BUSINESS_ID_LEN || !core_tenant_key_ok(key))
		return STORE_INVALID;
	return core_write(s, run_key_add, &a);
}

enum store_error core_tenant_keys_destroy(
	struct db *db, const char *business_id, enum store_purpose purpose, uint32_t before, int *gone)
{
	/* These are obeyed when they are compiled, so each time anew. */
	enum store_error err = db_run(db, "PRAGMA secure_delete = ON"), again;
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"DELETE FROM tenant_keys WHERE business_id = ?1 AND (?2 = 0 OR purpose = ?2) AND (?3 = 0 OR version < "
		"?3)");
	query_text(&q, business_id);
	query_int(&q, purpose);
	query_int(&q, before);
	err = query_finish(&q);
	*gone = err == STORE_OK ? db_changes(db) : 0;
	again = db_run(db, "PRAGMA secure_delete = FAST");
	return err != STORE_OK ? err : again;
}

static enum store_error run_key_replace(struct db *db, void *arg)
{
	const struct key_add *a = arg;
	int gone;
	enum store_error err = core_tenant_keys_destroy(db, a->business_id, a->key->purpose, 0, &gone);

	return err == STORE_OK ? run_key_add(db, arg) : err;
}

enum store_error store_tenant_key_replace(struct store *s, const char *business_id, const struct store_tenant_key *key)
{
	struct key_add a = {business_id, key};

	if (strlen(business_id) > STORE_BUSINESS_ID_LEN || !core_tenant_key_ok(key))
		return STORE_INVALID;
	return core_write(s, run_key_replace, &a);
}

/* ------------------------------------------------------------ businesses */

#define COLUMNS "id, name, status, responder, created_at, updated_at, all_updates, window_checked"

static void business_read(struct query *q, struct store_business *b)
{
	memset(b, 0, sizeof(*b));
	query_get_text(q, b->id, sizeof(b->id));
	query_get_text(q, b->name, sizeof(b->name));
	b->status = (enum store_business_status)query_get_int(q);
	query_get_text(q, b->responder, sizeof(b->responder));
	b->created_at = query_get_int(q);
	b->updated_at = query_get_int(q);
	b->all_updates = query_get_int(q) != 0;
	b->window_checked = query_get_int(q) != 0;
}

struct business_add {
	const struct store_business *business;
	const struct store_tenant_key *keys;
	size_t keys_len;
	struct store_audit row;
};

static enum store_error run_business_add(struct db *db, void *arg)
{
	const struct business_add *a = arg;
	const struct store_business *b = a->business;
	struct query q = query_start(db, "INSERT INTO businesses (" COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, 0, 1)");
	int64_t now = b->created_at > 0 ? b->created_at : store_now_ms();
	enum store_error err;

	query_text(&q, b->id);
	query_text(&q, b->name);
	query_int(&q, b->status);
	query_text(&q, b->responder);
	query_int(&q, now);
	query_int(&q, now);
	err = query_finish(&q);
	for (size_t i = 0; i < a->keys_len && err == STORE_OK; i++)
		err = core_tenant_key_insert(db, b->id, &a->keys[i]);
	return err == STORE_OK ? core_audit(db, &a->row) : err;
}

enum store_error store_business_add(
	struct store *s, const struct store_business *b, const struct store_tenant_key *keys, size_t keys_len)
{
	struct business_add a = {b, keys, keys_len, {.business_id = b->id, .action = "business_added"}};
	uint8_t digest[STORE_INDEX_LEN];

	for (size_t i = 0; i < keys_len; i++)
		if (!core_tenant_key_ok(&keys[i]))
			return STORE_INVALID;
	if (b->id[0] == '\0' || b->name[0] == '\0' || b->responder[0] == '\0' ||
		(b->status != STORE_BUSINESS_ACTIVE && b->status != STORE_BUSINESS_SUSPENDED))
		return STORE_INVALID;
	core_audit_value(s, b->name, &a.row, digest);
	return core_write(s, run_business_add, &a);
}

enum store_error store_business_get(struct store *s, const char *id, struct store_business *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " COLUMNS " FROM businesses WHERE id = ? AND removing_at = 0");
	enum store_error err;
	bool found;

	query_text(&q, id);
	found = query_step(&q);
	if (found)
		business_read(&q, out);
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

struct business_change {
	const char *id, *name;
	enum store_business_status status;
	enum store_switch window;
	struct store_audit row; /* about the name */
};

static enum store_error change_audit(struct db *db, const struct business_change *a)
{
	const struct store_audit status = {.business_id = a->id,
		.action = a->status == STORE_BUSINESS_SUSPENDED ? "business_suspended" : "business_resumed"};
	const struct store_audit window = {.business_id = a->id,
		.action = "business_changed",
		.purpose = a->window == STORE_OFF ? "window check off" : "window check on"};
	enum store_error err = a->name[0] != '\0' ? core_audit(db, &a->row) : STORE_OK;

	if (err == STORE_OK && a->status != 0)
		err = core_audit(db, &status);
	return err == STORE_OK && a->window != 0 ? core_audit(db, &window) : err;
}

static enum store_error run_business_change(struct db *db, void *arg)
{
	const struct business_change *a = arg;
	struct query q = query_start(db,
		"UPDATE businesses SET name = CASE ?1 WHEN '' THEN name ELSE ?1 END, "
		"status = CASE ?2 WHEN 0 THEN status ELSE ?2 END, updated_at = ?3, "
		"window_checked = CASE ?5 WHEN 0 THEN window_checked ELSE ?5 = 1 END WHERE id = ?4 AND removing_at = "
		"0");
	enum store_error err;

	query_text(&q, a->name);
	query_int(&q, a->status);
	query_int(&q, store_now_ms());
	query_text(&q, a->id);
	query_int(&q, a->window);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? change_audit(db, a) : STORE_NOT_FOUND;
}

enum store_error store_business_change(
	struct store *s, const char *id, const char *name, enum store_business_status status, enum store_switch window)
{
	struct business_change a = {id, name != NULL ? name : "", status, window,
		{.business_id = id, .action = "business_changed", .purpose = "name"}};
	uint8_t digest[STORE_INDEX_LEN];

	if ((name != NULL && !core_text_ok(name, STORE_NAME_LEN)) ||
		(status != 0 && status != STORE_BUSINESS_ACTIVE && status != STORE_BUSINESS_SUSPENDED) ||
		(window != 0 && window != STORE_ON && window != STORE_OFF))
		return STORE_INVALID;
	core_audit_value(s, name, &a.row, digest);
	return core_write(s, run_business_change, &a);
}

#define REMOVE_ROWS 500
#define KEY_ID_BYTES 8 /* of a hash over the wrapped key */

struct removal {
	char id[STORE_BUSINESS_ID_LEN + 1];
	bool gone;
	struct store_audit_end audited;
};

static enum store_error key_audit(struct db *db, const char *business_id, const struct store_tenant_key *key)
{
	char id[2 * KEY_ID_BYTES + 1], what[64];
	const struct store_audit row = {
		.business_id = business_id, .action = "keys_destroyed", .subject = id, .purpose = what};
	uint8_t hash[32];

	if (db->audit->how.hash == NULL)
		return STORE_OK;
	db->audit->how.hash(key->blob, key->blob_len, hash);
	for (size_t i = 0; i < KEY_ID_BYTES; i++)
		(void)snprintf(id + 2 * i, 3, "%02x", hash[i]);
	(void)snprintf(what, sizeof(what), "%s, version %" PRIu32, store_purpose_name(key->purpose), key->version);
	return core_audit(db, &row);
}

/* A row for each key: which ones went is known also where the receipt never arrived. */
static enum store_error keys_audit(struct db *db, const char *business_id)
{
	struct query q = query_start(db,
		"SELECT purpose, version, master_key_id, created_at, wrapped FROM tenant_keys WHERE business_id = ? "
		"ORDER BY purpose, version");
	enum store_error err = STORE_OK, ended;

	query_text(&q, business_id);
	while (err == STORE_OK && query_step(&q)) {
		struct store_tenant_key key;

		core_tenant_key_read(&q, &key);
		err = key_audit(db, business_id, &key);
	}
	ended = query_end(&q);
	return err != STORE_OK ? err : ended;
}

/* The keys go first: without them nothing else of the business can be read. Nobody finds it from here on, and what is left
 * is removed whatever comes in between. */
static enum store_error run_shut(struct db *db, void *arg)
{
	const struct removal *r = arg;
	int gone;
	enum store_error err = keys_audit(db, r->id);
	struct query q;

	if (err == STORE_OK)
		err = core_tenant_keys_destroy(db, r->id, (enum store_purpose)0, 0, &gone);
	if (err != STORE_OK)
		return err;
	q = query_start(db, "DELETE FROM rotations WHERE business_id = ?");
	query_text(&q, r->id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	q = query_start(db, "UPDATE businesses SET status = 2, removing_at = max(removing_at, ?) WHERE id = ?");
	query_int(&q, store_now_ms());
	query_text(&q, r->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

/* Here too, for what came in between; the rest it owns goes by its foreign keys. */
static enum store_error remove_last(struct db *db, struct removal *r)
{
	const struct store_audit row = {.business_id = r->id, .action = "business_removed"};
	enum store_error err = run_shut(db, r);
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db, "DELETE FROM businesses WHERE id = ?");
	query_text(&q, r->id);
	err = query_finish(&q);
	if (err == STORE_OK)
		err = core_audit(db, &row);
	r->audited = audit_end(db);
	r->gone = err == STORE_OK;
	return err;
}

/* A large shop goes in steps, so that the others' webhooks need not wait for it: some rows of the first table that has
 * any, or what is left. Never of one that was removed by somebody else meanwhile and added anew. */
static enum store_error run_remove_some(struct db *db, void *arg)
{
	static const char *const tables[] = {
		"DELETE FROM asks WHERE seq IN (SELECT seq FROM asks WHERE business_id = ? LIMIT ?)",
		"DELETE FROM messages WHERE seq IN (SELECT seq FROM messages WHERE business_id = ? LIMIT ?)",
		"DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE business_id = ? AND state > 1 LIMIT ?)",
		("DELETE FROM events WHERE seq IN (SELECT seq FROM events INDEXED BY events_unsettled "
		 "WHERE business_id = ? AND state = 1 LIMIT ?)"),
		("DELETE FROM aliases WHERE (business_id, alias) IN (SELECT business_id, alias FROM aliases "
		 "WHERE business_id = ? LIMIT ?)"),
		("DELETE FROM controls WHERE (business_id, conversation) IN (SELECT business_id, conversation FROM "
		 "controls WHERE business_id = ? LIMIT ?)"),
		("DELETE FROM calls WHERE (business_id, conversation) IN (SELECT business_id, conversation FROM "
		 "calls WHERE business_id = ? LIMIT ?)"),
		("DELETE FROM seen WHERE (business_id, key) IN (SELECT business_id, key FROM seen "
		 "WHERE business_id = ? LIMIT ?)"),
		"DELETE FROM once WHERE rowid IN (SELECT rowid FROM once WHERE business_id = ? LIMIT ?)",
		("DELETE FROM demand WHERE (business_id, day, product_id) IN (SELECT business_id, day, product_id "
		 "FROM demand WHERE business_id = ? LIMIT ?)"),
		("DELETE FROM virtual_key_days WHERE (key_id, day) IN (SELECT d.key_id, d.day FROM virtual_keys k "
		 "CROSS JOIN virtual_key_days d ON d.key_id = k.id WHERE k.business_id = ? LIMIT ?)"),
		("DELETE FROM virtual_keys WHERE seq IN (SELECT seq FROM virtual_keys WHERE business_id = ? LIMIT ?)"),
	};
	struct removal *r = arg;
	struct query begun = query_start(db, "SELECT 1 FROM businesses WHERE id = ? AND removing_at > 0");
	enum store_error err;

	query_text(&begun, r->id);
	err = query_exists(&begun);
	if (err != STORE_OK)
		return err;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		struct query q = query_start(db, tables[i]);

		query_text(&q, r->id);
		query_int(&q, REMOVE_ROWS);
		err = query_finish(&q);
		if (err != STORE_OK || db_changes(db) > 0)
			return err;
	}
	return remove_last(db, r);
}

enum store_error store_business_remove(struct store *s, const char *id, struct store_audit_end *audited)
{
	struct removal r = {.gone = false};
	enum store_error err;

	if (!core_text_ok(id, STORE_BUSINESS_ID_LEN))
		return STORE_NOT_FOUND;
	memcpy(r.id, id, strlen(id) + 1);
	err = core_write(s, run_shut, &r);
	while (err == STORE_OK && !r.gone)
		err = core_write(s, run_remove_some, &r);
	if (audited != NULL)
		*audited = r.audited;
	return err;
}

enum store_error store_business_removing(struct store *s, char id[static STORE_BUSINESS_ID_LEN + 1])
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT id FROM businesses INDEXED BY businesses_removing WHERE removing_at > 0 ORDER BY removing_at "
		"LIMIT 1");
	bool found = query_step(&q);
	enum store_error err;

	if (found)
		query_get_text(&q, id, STORE_BUSINESS_ID_LEN + 1);
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_business_remove_some(struct store *s, const char *id, bool *gone)
{
	struct removal r = {.gone = false};
	enum store_error err;

	if (!core_text_ok(id, STORE_BUSINESS_ID_LEN))
		return STORE_NOT_FOUND;
	memcpy(r.id, id, strlen(id) + 1);
	err = core_write(s, run_remove_some, &r);
	*gone = r.gone;
	return err;
}

/* Ends a query of businesses, and shows them. */
static enum store_error business_rows(struct store *s, struct db *db, struct query *q,
	bool (*each)(const struct store_business *b, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_business);
	enum store_error err;

	while (query_step(q)) {
		struct store_business *b = rows_add(&rows);

		if (b != NULL)
			business_read(q, b);
	}
	err = query_end(q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_business *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_business_list(struct store *s, const struct store_page *page,
	bool (*each)(const struct store_business *b, void *arg), void *arg)
{
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(db, "SELECT seq FROM businesses WHERE id = ?", NULL, page, &start);

	if (err != STORE_OK) {
		core_return(s, db);
		return err;
	}
	q = page->ascending
		? query_start(db,
			  "SELECT " COLUMNS " FROM businesses WHERE seq > ? AND removing_at = 0 ORDER BY seq LIMIT ?")
		: query_start(db,
			  "SELECT " COLUMNS
			  " FROM businesses WHERE seq < ? AND removing_at = 0 ORDER BY seq DESC LIMIT ?");
	query_int(&q, start);
	query_int(&q, page->limit);
	return business_rows(s, db, &q, each, arg);
}

/* A to Z in small letters, as SQLite's lower() has it, whose copies would stay in its memory. */
static void lower(char out[static STORE_NAME_LEN + 1], const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0'; n++)
		out[n] = (char)(text[n] >= 'A' && text[n] <= 'Z' ? text[n] + ('a' - 'A') : text[n]);
	out[n] = '\0';
}

enum store_error store_business_find(struct store *s, const char *text, unsigned limit,
	bool (*each)(const struct store_business *b, void *arg), void *arg)
{
	char wanted[STORE_NAME_LEN + 1];
	struct db *db;
	struct query q;

	if (!core_text_ok(text, STORE_NAME_LEN) || limit == 0 || limit > STORE_LIST_MAX)
		return STORE_INVALID;
	db = core_reader(s);
	q = query_start(db,
		"SELECT " COLUMNS " FROM businesses WHERE removing_at = 0 AND "
		"(instr(lower(id), ?1) = 1 OR instr(lower(name), ?1) > 0) ORDER BY seq DESC LIMIT ?2");
	lower(wanted, text);
	query_text(&q, wanted);
	query_int(&q, limit);
	return business_rows(s, db, &q, each, arg);
}
