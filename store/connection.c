/*
 * Connections, the numbers they own and their sealed credentials.
 */
#include <string.h>

#include "store/core.h"

#define COLUMNS                                                                                                        \
	"c.id, c.business_id, c.provider, c.status, c.app_id, c.waba_id, c.phone_number_id, c.display_phone, "         \
	"c.verified_name, c.verify_token, c.created_at, c.updated_at"

static void connection_read(struct query *q, struct store_connection *c)
{
	memset(c, 0, sizeof(*c));
	query_get_text(q, c->id, sizeof(c->id));
	query_get_text(q, c->business_id, sizeof(c->business_id));
	c->provider = (enum store_provider)query_get_int(q);
	c->status = (enum store_connection_status)query_get_int(q);
	query_get_text(q, c->app_id, sizeof(c->app_id));
	query_get_text(q, c->waba_id, sizeof(c->waba_id));
	query_get_text(q, c->phone_number_id, sizeof(c->phone_number_id));
	query_get_text(q, c->display_phone, sizeof(c->display_phone));
	query_get_text(q, c->verified_name, sizeof(c->verified_name));
	query_get_text(q, c->verify_token, sizeof(c->verify_token));
	c->created_at = query_get_int(q);
	c->updated_at = query_get_int(q);
}

/* ------------------------------------------------------------ adding */

struct connection_add {
	const struct store_connection *connection;
	const struct store_credential *credentials;
	size_t credentials_len;
};

static enum store_error connection_insert(struct db *db, const struct store_connection *c, int64_t now)
{
	struct query q = query_start(db,
		"INSERT INTO connections (id, business_id, provider, status, app_id, waba_id, phone_number_id, "
		"display_phone, "
		"verified_name, verify_token, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");

	query_text(&q, c->id);
	query_text(&q, c->business_id);
	query_int(&q, c->provider);
	query_int(&q, c->status);
	query_text(&q, c->app_id);
	query_text(&q, c->waba_id);
	query_text(&q, c->phone_number_id);
	query_text(&q, c->display_phone);
	query_text(&q, c->verified_name);
	query_text(&q, c->verify_token);
	query_int(&q, now);
	query_int(&q, now);
	return query_finish(&q);
}

static enum store_error number_insert(struct db *db, const struct store_connection *c)
{
	struct query q = query_start(
		db, "INSERT INTO numbers (provider, phone_number_id, business_id, connection_id) VALUES (?, ?, ?, ?)");
	enum store_error err;

	query_int(&q, c->provider);
	query_text(&q, c->phone_number_id);
	query_text(&q, c->business_id);
	query_text(&q, c->id);
	err = query_finish(&q);
	return err == STORE_EXISTS ? STORE_NUMBER_TAKEN : err;
}

static enum store_error credential_insert(struct db *db, const char *business_id, const struct store_credential *c)
{
	struct query q = query_start(db,
		"INSERT INTO credentials (connection_id, field, slot, business_id, version, last4, fingerprint, "
		"sealed, "
		"created_at, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)");

	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	query_int(&q, c->slot);
	query_text(&q, business_id);
	query_int(&q, (int64_t)c->version);
	query_text(&q, c->last4);
	query_text(&q, c->fingerprint);
	query_blob(&q, c->blob, c->blob_len);
	query_int(&q, c->created_at > 0 ? c->created_at : store_now_ms());
	return query_finish(&q);
}

static enum store_error business_exists(struct db *db, const char *id)
{
	struct query q = query_start(db, "SELECT 1 FROM businesses WHERE id = ?");

	query_text(&q, id);
	return query_exists(&q);
}

static enum store_error run_connection_add(struct db *db, void *arg)
{
	const struct connection_add *a = arg;
	const struct store_connection *c = a->connection;
	enum store_error err = business_exists(db, c->business_id);

	if (err == STORE_OK)
		err = connection_insert(db, c, c->created_at > 0 ? c->created_at : store_now_ms());
	if (err == STORE_OK && c->phone_number_id[0] != '\0')
		err = number_insert(db, c);
	for (size_t i = 0; i < a->credentials_len && err == STORE_OK; i++)
		err = credential_insert(db, c->business_id, &a->credentials[i]);
	return err;
}

static bool credential_ok(const struct store_credential *c)
{
	return c->field[0] != '\0' && c->blob != NULL && c->blob_len > 0 && c->version > 0 &&
		(c->slot == STORE_SLOT_CURRENT || c->slot == STORE_SLOT_PREVIOUS);
}

enum store_error store_connection_add(struct store *s, const struct store_connection *c,
	const struct store_credential *credentials, size_t credentials_len)
{
	struct connection_add a = {c, credentials, credentials_len};

	if (c->id[0] == '\0')
		return STORE_INVALID;
	for (size_t i = 0; i < credentials_len; i++)
		if (!credential_ok(&credentials[i]) || strcmp(credentials[i].connection_id, c->id) != 0)
			return STORE_INVALID;
	return core_write(s, run_connection_add, &a);
}

/* ------------------------------------------------------------ reading */

/* Ends a query of at most one connection and gives the reader back. */
static enum store_error connection_one(struct store *s, struct db *db, struct query *q, struct store_connection *out)
{
	bool found = query_step(q);
	enum store_error err;

	if (found)
		connection_read(q, out);
	err = query_end(q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " COLUMNS " FROM connections c WHERE c.business_id = ? AND c.id = ?");

	query_text(&q, business_id);
	query_text(&q, id);
	return connection_one(s, db, &q, out);
}

enum store_error store_connection_by_number(
	struct store *s, const char *business_id, const char *phone_number_id, struct store_connection *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT " COLUMNS " FROM numbers n JOIN connections c ON c.id = n.connection_id "
		"WHERE n.business_id = ? AND n.phone_number_id = ? ORDER BY c.seq LIMIT 1");

	query_text(&q, business_id);
	query_text(&q, phone_number_id);
	return connection_one(s, db, &q, out);
}

enum store_error store_connection_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_connection *c, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_connection);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM connections WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err == STORE_OK) {
		q = page->ascending ? query_start(db,
					      "SELECT " COLUMNS " FROM connections c WHERE c.business_id = ? "
					      "AND c.seq > ? ORDER BY c.seq LIMIT ?")
				    : query_start(db,
					      "SELECT " COLUMNS " FROM connections c WHERE c.business_id = ? "
					      "AND c.seq < ? ORDER BY c.seq DESC LIMIT ?");
		query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_connection *c = rows_add(&rows);

			if (c != NULL)
				connection_read(&q, c);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_connection *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ changing */

struct status_set {
	const char *business_id, *id;
	enum store_connection_status from, to;
};

enum store_error core_connection_exists(struct db *db, const char *business_id, const char *id)
{
	struct query q = query_start(db, "SELECT 1 FROM connections WHERE business_id = ? AND id = ?");

	query_text(&q, business_id);
	query_text(&q, id);
	return query_exists(&q);
}

static enum store_error run_status_set(struct db *db, void *arg)
{
	const struct status_set *a = arg;
	enum store_error err = core_connection_exists(db, a->business_id, a->id);
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"UPDATE connections SET status = ?1, updated_at = ?2 "
		"WHERE business_id = ?3 AND id = ?4 AND (?5 = 0 OR status = ?5)");
	query_int(&q, a->to);
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	query_int(&q, a->from);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_STALE;
}

enum store_error store_connection_status_set(struct store *s, const char *business_id, const char *id,
	enum store_connection_status from, enum store_connection_status to)
{
	struct status_set a = {business_id, id, from, to};

	return core_write(s, run_status_set, &a);
}

static enum store_error run_describe(struct db *db, void *arg)
{
	const struct store_connection *c = arg;
	struct query q = query_start(db,
		"UPDATE connections SET display_phone = ?, verified_name = ?, updated_at = ? "
		"WHERE business_id = ? AND id = ?");
	enum store_error err;

	query_text(&q, c->display_phone);
	query_text(&q, c->verified_name);
	query_int(&q, store_now_ms());
	query_text(&q, c->business_id);
	query_text(&q, c->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_connection_describe(struct store *s, const struct store_connection *c)
{
	struct store_connection copy = *c;

	return core_write(s, run_describe, &copy);
}

/* What was to go through it will not: shown as dead, instead of waiting for ever. */
static enum store_error run_connection_remove(struct db *db, void *arg)
{
	const struct status_set *a = arg;
	struct query q = query_start(db, "DELETE FROM connections WHERE business_id = ? AND id = ?");
	enum store_error err;

	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	if (err == STORE_OK && db_changes(db) == 0)
		err = STORE_NOT_FOUND;
	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"UPDATE messages SET state = 10, reason = 'its connection was removed', updated_at = ? "
		"WHERE business_id = ? AND connection_id = ? AND state IN (2, 4)");
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	q = query_start(
		db, "UPDATE messages SET awaits = 0 WHERE awaits = 1 AND business_id = ? AND connection_id = ?");
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	return query_finish(&q);
}

enum store_error store_connection_remove(struct store *s, const char *business_id, const char *id)
{
	struct status_set a = {.business_id = business_id, .id = id};

	return core_write(s, run_connection_remove, &a);
}

/* ------------------------------------------------------------ credentials */

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
		"k.last_used_at, "
		"k.sealed FROM credentials k JOIN connections c ON c.id = k.connection_id "
		"WHERE k.business_id = ?1 AND (?2 = '' OR (k.field = ?2 AND c.status <> 6)) ORDER BY c.seq, k.field, "
		"k.slot");
	enum store_error err;

	query_text(&q, business_id);
	query_text(&q, field);
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

static enum store_error credential_step(struct db *db, const char *sql, const struct store_credential *c)
{
	struct query q = query_start(db, sql);

	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	return query_finish(&q);
}

static enum store_error run_credential_put(struct db *db, void *arg)
{
	const struct credential_put *a = arg;
	const struct store_credential *c = a->credential;
	enum store_error err = core_connection_exists(db, a->business_id, c->connection_id);
	int64_t version = 0;
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db, "SELECT version FROM credentials WHERE connection_id = ? AND field = ? AND slot = 1");
	query_text(&q, c->connection_id);
	query_text(&q, c->field);
	if (query_step(&q))
		version = query_get_int(&q);
	err = query_end(&q);
	if (err != STORE_OK)
		return err;
	if ((uint64_t)version + 1 != c->version)
		return STORE_STALE;
	err = credential_step(db, "DELETE FROM credentials WHERE connection_id = ? AND field = ? AND slot = 2", c);
	if (err == STORE_OK)
		err = credential_step(
			db, "UPDATE credentials SET slot = 2 WHERE connection_id = ? AND field = ? AND slot = 1", c);
	return err == STORE_OK ? credential_insert(db, a->business_id, c) : err;
}

enum store_error store_credential_put(struct store *s, const char *business_id, const struct store_credential *c)
{
	struct credential_put a = {business_id, c};

	if (!credential_ok(c) || c->slot != STORE_SLOT_CURRENT)
		return STORE_INVALID;
	return core_write(s, run_credential_put, &a);
}
