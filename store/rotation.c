/*
 * Replacing keys while the service runs: which tenant keys another master key wraps, and
 * how far the sealing anew under a new tenant key has come. All of it is found again after
 * a crash; compare-and-swap lets what came later win.
 */
#include <stdio.h>
#include <string.h>

#include "store/sealed.h"

/* ------------------------------------------------------------ under another master key */

enum store_error store_master_counts(
	struct store *s, bool (*each)(const struct store_master_count *c, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_master_count);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT master_key_id, count(*) FROM tenant_keys INDEXED BY tenant_keys_master GROUP BY master_key_id");
	enum store_error err;

	while (query_step(&q)) {
		struct store_master_count *c = rows_add(&rows);

		if (c == NULL)
			continue;
		query_get_text(&q, c->master_key_id, sizeof(c->master_key_id));
		c->keys = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_master_count *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_tenant_key_others(struct store *s, const char *master_key_id,
	const struct store_rewrapped *after, unsigned limit, bool (*each)(const struct store_rewrapped *key, void *arg),
	void *arg)
{
	struct rows rows = ROWS_OF(struct store_rewrapped);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT business_id, purpose, version, master_key_id, created_at, wrapped FROM tenant_keys "
		"WHERE (business_id, purpose, version) > (?, ?, ?) AND master_key_id <> ? "
		"ORDER BY business_id, purpose, version LIMIT ?");
	enum store_error err;

	query_text(&q, after != NULL ? after->business_id : "");
	query_int(&q, after != NULL ? (int64_t)after->was.purpose : 0);
	query_int(&q, after != NULL ? after->was.version : 0);
	query_text(&q, master_key_id);
	query_int(&q, limit);
	while (query_step(&q)) {
		struct store_rewrapped *r = rows_add(&rows);

		if (r == NULL)
			continue;
		query_get_text(&q, r->business_id, sizeof(r->business_id));
		core_tenant_key_read(&q, &r->was);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_rewrapped *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

struct rewrap {
	const struct store_rewrapped *keys;
	size_t len;
};

static enum store_error run_rewrap(struct db *db, void *arg)
{
	const struct rewrap *a = arg;
	char changed[STORE_AUDIT_TEXT_LEN + 1];
	struct store_audit row = {.action = "tenant_keys_rewrapped", .purpose = changed};
	enum store_error err = STORE_OK;
	int rewrapped = 0;

	for (size_t i = 0; i < a->len && err == STORE_OK; i++) {
		const struct store_rewrapped *k = &a->keys[i];
		struct query q = query_start(db,
			"UPDATE tenant_keys SET master_key_id = ?, wrapped = ? "
			"WHERE business_id = ? AND purpose = ? AND version = ? AND wrapped = ?");

		query_text(&q, k->is.master_key_id);
		query_blob(&q, k->is.blob, k->is.blob_len);
		query_text(&q, k->business_id);
		query_int(&q, k->was.purpose);
		query_int(&q, k->was.version);
		query_blob(&q, k->was.blob, k->was.blob_len);
		err = query_finish(&q);
		if (err == STORE_OK && db_changes(db) > 0) {
			rewrapped++;
			row.subject = k->is.master_key_id;
		}
	}
	if (err != STORE_OK || rewrapped == 0)
		return err;
	(void)snprintf(changed, sizeof(changed), "%d keys", rewrapped);
	return core_audit(db, &row);
}

enum store_error store_tenant_key_rewrap(struct store *s, const struct store_rewrapped *keys, size_t keys_len)
{
	struct rewrap a = {keys, keys_len};

	return core_write(s, run_rewrap, &a);
}

/* ------------------------------------------------------------ under another tenant key */

static enum store_error key_audit(
	struct db *db, const char *action, const char *business_id, enum store_purpose purpose)
{
	const struct store_audit row = {
		.business_id = business_id, .action = action, .purpose = store_purpose_name(purpose)};

	return core_audit(db, &row);
}

struct begin {
	const char *business_id;
	const struct store_tenant_key *key;
	int64_t total;
};

static enum store_error run_begin(struct db *db, void *arg)
{
	const struct begin *a = arg;
	struct query q = query_start(
		db, "SELECT coalesce(max(version), 0) FROM tenant_keys WHERE business_id = ? AND purpose = ?");
	int64_t newest = 0;
	enum store_error err;

	query_text(&q, a->business_id);
	query_int(&q, a->key->purpose);
	if (query_step(&q))
		newest = query_get_int(&q);
	err = query_end(&q);
	if (err != STORE_OK || newest == 0)
		return err != STORE_OK ? err : STORE_NOT_FOUND;
	q = query_start(db, "SELECT 1 FROM rotations WHERE business_id = ? AND purpose = ?");
	query_text(&q, a->business_id);
	query_int(&q, a->key->purpose);
	err = query_exists(&q);
	if (err != STORE_NOT_FOUND)
		return err == STORE_OK ? STORE_EXISTS : err;
	if (newest + 1 != (int64_t)a->key->version)
		return STORE_STALE;
	err = core_tenant_key_insert(db, a->business_id, a->key);
	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"INSERT INTO rotations (business_id, purpose, version, state, place, cursor, done, total, started_at, "
		"scanned_at) VALUES (?, ?, ?, 1, ?, 0, 0, ?, ?, 0)");
	query_text(&q, a->business_id);
	query_int(&q, a->key->purpose);
	query_int(&q, a->key->version);
	query_int(&q, STORE_PLACE_FIRST(a->key->purpose));
	query_int(&q, a->total);
	query_int(&q, store_now_ms());
	err = query_finish(&q);
	return err == STORE_OK ? key_audit(db, "tenant_key_replaced", a->business_id, a->key->purpose) : err;
}

enum store_error store_rotation_begin(
	struct store *s, const char *business_id, const struct store_tenant_key *key, int64_t total)
{
	struct begin a = {business_id, key, total};

	if (!core_text_ok(business_id, STORE_BUSINESS_ID_LEN) || !core_tenant_key_ok(key) ||
		(key->purpose != STORE_KEY_CREDENTIAL && key->purpose != STORE_KEY_CONTENT))
		return STORE_INVALID;
	return core_write(s, run_begin, &a);
}

static void rotation_read(struct query *q, struct store_rotation *r)
{
	memset(r, 0, sizeof(*r));
	query_get_text(q, r->business_id, sizeof(r->business_id));
	r->purpose = (enum store_purpose)query_get_int(q);
	r->version = (uint32_t)query_get_int(q);
	r->scanned_at = query_get_int(q);
	r->place = (enum store_sealed_place)query_get_int(q);
	r->cursor = query_get_int(q);
	r->done = query_get_int(q);
	r->total = query_get_int(q);
	r->started_at = query_get_int(q);
}

enum store_error store_rotation_list(struct store *s, unsigned limit, int64_t *count,
	bool (*each)(const struct store_rotation *r, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_rotation);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT business_id, purpose, version, scanned_at, place, cursor, done, total, started_at FROM "
		"rotations "
		"ORDER BY started_at, business_id, purpose LIMIT ?");
	enum store_error err;

	query_int(&q, limit);
	while (query_step(&q)) {
		struct store_rotation *r = rows_add(&rows);

		if (r != NULL)
			rotation_read(&q, r);
	}
	err = query_end(&q);
	if (err == STORE_OK) {
		q = query_start(db, "SELECT count(*) FROM rotations");
		*count = query_step(&q) ? query_get_int(&q) : 0;
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_rotation *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_rotation_next(struct store *s, int64_t scanned_before, struct store_rotation *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT business_id, purpose, version, scanned_at, place, cursor, done, total, started_at FROM "
		"rotations "
		"WHERE state = 1 OR scanned_at < ? ORDER BY state, scanned_at, started_at LIMIT 1");
	enum store_error err;
	bool found;

	query_int(&q, scanned_before);
	found = query_step(&q);
	if (found)
		rotation_read(&q, out);
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

struct step {
	const struct store_rotation *rotation;
	enum store_sealed_place place;
	const struct store_resealed *values;
	size_t len;
};

static enum store_error run_step(struct db *db, void *arg)
{
	const struct step *a = arg;
	const struct store_rotation *r = a->rotation;
	struct query q = query_start(db,
		"UPDATE rotations SET place = ?4, cursor = ?5, done = ?6, scanned_at = ?7, "
		"state = CASE ?7 WHEN 0 THEN 1 ELSE 2 END "
		"WHERE business_id = ?1 AND purpose = ?2 AND version = ?3");
	enum store_error err;

	query_text(&q, r->business_id);
	query_int(&q, r->purpose);
	query_int(&q, r->version);
	query_int(&q, r->place);
	query_int(&q, r->cursor);
	query_int(&q, r->done);
	query_int(&q, r->scanned_at);
	err = query_finish(&q);
	if (err == STORE_OK && db_changes(db) == 0)
		err = STORE_NOT_FOUND;
	for (size_t i = 0; i < a->len && err == STORE_OK; i++)
		err = sealed_change(db, r->business_id, a->place, &a->values[i]);
	return err;
}

enum store_error store_rotation_step(struct store *s, const struct store_rotation *r, enum store_sealed_place place,
	const struct store_resealed *values, size_t values_len)
{
	struct step a = {r, place, values, values_len};

	return values_len > STORE_LIST_MAX ? STORE_INVALID : core_write(s, run_step, &a);
}

static enum store_error run_drop(struct db *db, void *arg)
{
	const struct store_rotation *r = arg;
	struct query q = query_start(db, "DELETE FROM rotations WHERE business_id = ? AND purpose = ? AND version = ?");
	enum store_error err;

	query_text(&q, r->business_id);
	query_int(&q, r->purpose);
	query_int(&q, r->version);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) == 0 ? STORE_NOT_FOUND : err;
}

enum store_error store_rotation_drop(struct store *s, const struct store_rotation *r)
{
	struct store_rotation copy = *r;

	return core_write(s, run_drop, &copy);
}

static enum store_error run_end(struct db *db, void *arg)
{
	const struct store_rotation *r = arg;
	enum store_error err = run_drop(db, arg);
	int gone;

	if (err != STORE_OK)
		return err;
	err = core_tenant_keys_destroy(db, r->business_id, r->purpose, r->version, &gone);
	return err == STORE_OK ? key_audit(db, "tenant_key_destroyed", r->business_id, r->purpose) : err;
}

enum store_error store_rotation_end(struct store *s, const struct store_rotation *r)
{
	struct store_rotation copy = *r;

	return core_write(s, run_end, &copy);
}

enum store_error store_rotation_due(struct store *s, int64_t before, char business_id[static STORE_BUSINESS_ID_LEN + 1],
	enum store_purpose *purpose, int64_t *count)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT business_id, purpose, count(*) OVER () FROM (SELECT k.business_id, k.purpose FROM tenant_keys "
		"k "
		"WHERE k.purpose IN (1, 2) AND k.business_id <> '' AND NOT EXISTS (SELECT 1 FROM rotations r "
		"WHERE r.business_id = k.business_id AND r.purpose = k.purpose) "
		"GROUP BY k.business_id, k.purpose HAVING max(k.created_at) < ?) LIMIT 1");
	enum store_error err;
	bool found;

	*count = 0;
	query_int(&q, before);
	found = query_step(&q);
	if (found) {
		query_get_text(&q, business_id, STORE_BUSINESS_ID_LEN + 1);
		*purpose = (enum store_purpose)query_get_int(&q);
		*count = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}
