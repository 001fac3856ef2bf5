/*
 * Sealed credentials of connections: kept, listed, and replaced by a newer one.
 */
#include <string.h>

#include "store/core.h"

bool core_credential_ok(const struct store_credential *c)
{
	return c->field[0] != '\0' && c->blob != NULL && c->blob_len > 0 && c->version > 0 &&
		(c->slot == STORE_SLOT_CURRENT || c->slot == STORE_SLOT_PREVIOUS);
}

/* While it was on its way its tenant key may have been replaced and destroyed; or, with all others, because its business
 * goes. */
static enum store_error key_there(struct db *db, const char *business_id, uint32_t version)
{
	struct query q = query_start(db,
		"SELECT max(version = ?2) FROM tenant_keys WHERE business_id = ?1 AND purpose = 1 HAVING count(*) > 0");
	enum store_error err;
	bool any, there = false;

	query_text(&q, business_id);
	query_int(&q, version);
	any = query_step(&q);
	if (any)
		there = query_get_int(&q) == 1;
	err = query_end(&q);
	if (err != STORE_OK)
		return err;
	return there ? STORE_OK : any ? STORE_STALE : STORE_NOT_FOUND;
}

enum store_error core_credential_insert(struct db *db, const char *business_id, const struct store_credential *c)
{
	enum store_error err = c->key_version > 0 ? key_there(db, business_id, c->key_version) : STORE_OK;
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"INSERT INTO credentials (connection_id, field, slot, business_id, version, last4, fingerprint, "
		"sealed, created_at, proven_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0)");

	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	query_int(&q, c->slot);
	query_text(&q, business_id);
	query_int(&q, (int64_t)c->version);
	query_text(&q, c->last4);
	query_text(&q, c->fingerprint);
	query_blob(&q, c->blob, c->blob_len);
	query_int(&q, c->created_at > 0 ? c->created_at : store_now_ms());
	query_int(&q, c->proven_at);
	return query_finish(&q);
}

static void credential_read(struct query *q, struct rows *rows)
{
	struct store_credential *c = rows_add(rows);
	const uint8_t *blob;
	size_t len;

	if (c == NULL)
		return;
	query_get_text(q, c->connection_id, sizeof(c->connection_id));
	query_get_text(q, c->field, sizeof(c->field));
	c->slot = (enum store_slot)query_get_int(q);
	c->version = (uint64_t)query_get_int(q);
	query_get_text(q, c->last4, sizeof(c->last4));
	query_get_text(q, c->fingerprint, sizeof(c->fingerprint));
	c->created_at = query_get_int(q);
	c->last_used_at = query_get_int(q);
	c->proven_at = query_get_int(q);
	c->ends_at = query_get_int(q);
	c->refused_at = query_get_int(q);
	c->newest = (uint64_t)query_get_int(q);
	blob = query_get_blob(q, &len);
	c->blob = rows_keep(rows, blob, len);
	c->blob_len = len;
}

enum store_error store_credential_list(struct store *s, const char *business_id, const char *field,
	bool (*each)(const struct store_credential *c, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_credential);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT k.connection_id, k.field, k.slot, k.version, k.last4, k.fingerprint, k.created_at, "
		"k.last_used_at, k.proven_at, k.ends_at, k.refused_at, max(k.version, k.newest), k.sealed "
		"FROM credentials k JOIN connections c ON c.id = k.connection_id "
		"WHERE k.business_id = ?1 AND (?2 = '' OR (k.field = ?2 AND c.status <> 6)) "
		"AND (k.slot = 1 OR k.ends_at > ?3) ORDER BY c.seq, k.field, k.slot");
	enum store_error err;

	query_text(&q, business_id);
	query_text(&q, field);
	query_int(&q, store_now_ms());
	while (query_step(&q))
		credential_read(&q, &rows);
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_credential *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

struct credential_put {
	const char *business_id;
	const struct store_credential *credential;
};

enum store_error core_retries_due(struct db *db, const char *connection_id)
{
	int64_t now = store_now_ms();
	struct query q = query_start(db,
		"UPDATE messages INDEXED BY outbox_retrying SET next_at = ? "
		"WHERE state = 4 AND connection_id = ? AND next_at > ?");

	query_int(&q, now);
	query_text(&q, connection_id);
	query_int(&q, now);
	return query_finish(&q);
}

/* What is at the new one's place now. */
struct standing {
	int64_t newest; /* 0: nothing is, nor was */
	bool worked, previous;
};

static enum store_error standing_read(struct db *db, const struct store_credential *c, struct standing *out)
{
	struct query q = query_start(db,
		"SELECT max(k.version, k.newest), k.proven_at > 0, EXISTS (SELECT 1 FROM credentials p "
		"WHERE p.connection_id = ?1 AND p.field = ?2 AND p.slot = 2 AND p.ends_at > ?3) FROM credentials k "
		"WHERE k.connection_id = ?1 AND k.field = ?2 AND k.slot = 1");

	*out = (struct standing){0};
	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	query_int(&q, store_now_ms());
	if (query_step(&q)) {
		out->newest = query_get_int(&q);
		out->worked = query_get_int(&q) != 0;
		out->previous = query_get_int(&q) != 0;
	}
	return query_end(&q);
}

static enum store_error slot_clear(struct db *db, const struct store_credential *c, enum store_slot slot)
{
	struct query q = query_start(db, "DELETE FROM credentials WHERE connection_id = ? AND field = ? AND slot = ?");

	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	query_int(&q, slot);
	return query_finish(&q);
}

static enum store_error becomes_previous(struct db *db, const struct store_credential *c)
{
	struct query q = query_start(
		db, "UPDATE credentials SET slot = 2, ends_at = ? WHERE connection_id = ? AND field = ? AND slot = 1");

	query_int(&q, store_now_ms() + STORE_OVERLAP_MS);
	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	return query_finish(&q);
}

/* Of the current and the previous one, that stays beside the new one which the provider is known to take. */
static enum store_error make_room(struct db *db, const struct store_credential *c, const struct standing *now)
{
	const bool alone = c->proven_at > 0, older_stays = !alone && now->previous && !now->worked;
	enum store_error err = older_stays ? STORE_OK : slot_clear(db, c, STORE_SLOT_PREVIOUS);

	if (err != STORE_OK)
		return err;
	return alone || older_stays ? slot_clear(db, c, STORE_SLOT_CURRENT) : becomes_previous(db, c);
}

static enum store_error run_credential_put(struct db *db, void *arg)
{
	const struct credential_put *a = arg;
	const struct store_credential *c = a->credential;
	struct standing now;
	enum store_error err = core_connection_exists(db, a->business_id, c->connection_id);

	if (err == STORE_OK)
		err = standing_read(db, c, &now);
	if (err != STORE_OK)
		return err;
	if ((uint64_t)now.newest + 1 != c->version)
		return STORE_STALE;
	err = make_room(db, c, &now);
	if (err == STORE_OK)
		err = core_credential_insert(db, a->business_id, c);
	if (err == STORE_OK)
		err = core_audit_credential(
			db, a->business_id, now.newest == 0 ? "key_stored" : "key_replaced", c, NULL, NULL);
	return err == STORE_OK ? core_retries_due(db, c->connection_id) : err;
}

enum store_error store_credential_put(struct store *s, const char *business_id, const struct store_credential *c)
{
	struct credential_put a = {business_id, c};

	if (!core_credential_ok(c) || c->slot != STORE_SLOT_CURRENT)
		return STORE_INVALID;
	return core_write(s, run_credential_put, &a);
}

/* ------------------------------------------------------------ using */

#define USED_EVERY_MS 60000

/* To the minute: a use need not cost a write each time. */
enum store_error core_credential_used(struct db *db, const struct store_credential *c, int64_t now)
{
	struct query q;

	if (now - c->last_used_at < USED_EVERY_MS)
		return STORE_OK;
	q = query_start(db,
		"UPDATE credentials SET last_used_at = ? WHERE connection_id = ? AND field = ? AND fingerprint = ?");
	query_int(&q, now);
	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	query_text(&q, c->fingerprint);
	return query_finish(&q);
}

struct credential_use {
	const char *business_id;
	const struct store_credential *used;
	size_t used_len;
	const char *purpose, *job;
};

/* A connection that is only being tried is not there yet: then the row is all. */
static enum store_error run_credential_use(struct db *db, void *arg)
{
	const struct credential_use *a = arg;
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < a->used_len && err == STORE_OK; i++) {
		const struct store_credential *c = &a->used[i];

		err = core_audit_credential(db, a->business_id, "key_used", c, a->purpose, a->job);
		if (err == STORE_OK)
			err = core_credential_used(db, c, store_now_ms());
	}
	return err;
}

enum store_error store_credential_use(struct store *s, const char *business_id, const struct store_credential *used,
	size_t used_len, const char *purpose, const char *job)
{
	struct credential_use a = {business_id, used, used_len, purpose, job};

	return core_write(s, run_credential_use, &a);
}
