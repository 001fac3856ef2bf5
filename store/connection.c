/*
 * Connections and the numbers they own.
 */
#include <string.h>

#include "store/core.h"

#define FIRST_CHECK_MS (INT64_C(6) * 3600 * 1000) /* after it was added; more, by chance, so that many do not meet */
#define COLUMNS                                                                                                        \
	"c.id, c.business_id, c.provider, c.status, c.app_id, c.waba_id, c.phone_number_id, c.display_phone, "         \
	"c.verified_name, c.verify_token, c.created_at, c.updated_at, c.client_id, c.handshake_at, c.sandbox, "        \
	"c.checks_failed, c.previous_verify_token, c.previous_verify_token_ends_at, c.mps, c.state_at"

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
	query_get_text(q, c->client_id, sizeof(c->client_id));
	c->handshake_at = query_get_int(q);
	c->sandbox = query_get_int(q) != 0;
	c->checks_failed = query_get_int(q) != 0;
	query_get_text(q, c->previous_verify_token, sizeof(c->previous_verify_token));
	c->previous_verify_token_ends_at = query_get_int(q);
	if (c->previous_verify_token_ends_at <= store_now_ms()) {
		c->previous_verify_token[0] = '\0';
		c->previous_verify_token_ends_at = 0;
	}
	c->mps = (unsigned)query_get_int(q);
	c->state_at = query_get_int(q);
}

/* ------------------------------------------------------------ adding */

struct connection_add {
	const struct store_connection *connection;
	const struct store_credential *credentials;
	size_t credentials_len;
	struct store_audit row;
};

static enum store_error connection_insert(struct db *db, const struct store_connection *c, int64_t now)
{
	struct query q = query_start(db,
		"INSERT INTO connections (id, business_id, provider, status, app_id, waba_id, phone_number_id, "
		"display_phone, verified_name, verify_token, created_at, updated_at, client_id, sandbox, told, "
		"state_at, check_at, checks_failed) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? + abs(random() % 3600000), ?)");

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
	query_text(&q, c->client_id);
	query_int(&q, c->sandbox);
	query_int(&q, c->status);
	query_int(&q, now);
	query_int(&q, now + FIRST_CHECK_MS);
	query_int(&q, c->checks_failed);
	return query_finish(&q);
}

/* Who has a number now; connection_id "" for nobody. */
struct holder {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char connection_id[STORE_ID_LEN + 1];
	bool proven;
};

/* Numbers of the sandbox are each business's own (migrations/0004). */
static const char *sandbox_of(const struct store_connection *c)
{
	return c->sandbox ? c->business_id : "";
}

static enum store_error number_holder(struct db *db, const struct store_connection *c, struct holder *out)
{
	struct query q = query_start(db,
		"SELECT business_id, connection_id, proven FROM numbers "
		"WHERE provider = ? AND phone_number_id = ? AND sandbox_of = ?");

	*out = (struct holder){.proven = false};
	query_int(&q, c->provider);
	query_text(&q, c->phone_number_id);
	query_text(&q, sandbox_of(c));
	if (query_step(&q)) {
		query_get_text(&q, out->business_id, sizeof(out->business_id));
		query_get_text(&q, out->connection_id, sizeof(out->connection_id));
		out->proven = query_get_int(&q) != 0;
	}
	return query_end(&q);
}

/* The connection that only claimed a number shows that it has to be looked at. */
static enum store_error number_lost(struct db *db, const struct holder *h)
{
	struct query q = query_start(db,
		"UPDATE connections SET status = 1, updated_at = ? WHERE business_id = ? AND id = ? AND status = 2");

	query_int(&q, store_now_ms());
	query_text(&q, h->business_id);
	query_text(&q, h->connection_id);
	return query_finish(&q);
}

/* What the provider said goes before what a shop says of itself, which anybody could. */
static enum store_error number_claim(struct db *db, const struct store_connection *c)
{
	struct holder now;
	enum store_error err = number_holder(db, c, &now);
	bool mine = strcmp(now.connection_id, c->id) == 0;
	struct query q;

	if (err != STORE_OK || (mine && !c->number_proven))
		return err;
	if (now.connection_id[0] != '\0' && !mine) {
		if (!c->number_proven || now.proven || strcmp(now.business_id, c->business_id) == 0)
			return STORE_NUMBER_TAKEN;
		err = number_lost(db, &now);
		if (err != STORE_OK)
			return err;
	}
	q = query_start(db,
		"INSERT INTO numbers (provider, phone_number_id, sandbox_of, business_id, connection_id, proven) "
		"VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET business_id = excluded.business_id, "
		"connection_id = excluded.connection_id, proven = excluded.proven");
	query_int(&q, c->provider);
	query_text(&q, c->phone_number_id);
	query_text(&q, sandbox_of(c));
	query_text(&q, c->business_id);
	query_text(&q, c->id);
	query_int(&q, c->number_proven);
	return query_finish(&q);
}

static enum store_error business_exists(struct db *db, const struct store_connection *c)
{
	struct query q =
		query_start(db, "SELECT 1 FROM businesses WHERE id = ?1 AND ?2 IN (0, created_at) AND removing_at = 0");

	query_text(&q, c->business_id);
	query_int(&q, c->business_at);
	return query_exists(&q);
}

static enum store_error run_connection_add(struct db *db, void *arg)
{
	const struct connection_add *a = arg;
	const struct store_connection *c = a->connection;
	enum store_error err = business_exists(db, c);

	if (err == STORE_OK)
		err = connection_insert(db, c, c->created_at > 0 ? c->created_at : store_now_ms());
	if (err == STORE_OK && c->phone_number_id[0] != '\0')
		err = number_claim(db, c);
	if (err == STORE_OK)
		err = core_audit(db, &a->row);
	for (size_t i = 0; i < a->credentials_len && err == STORE_OK; i++) {
		err = core_credential_insert(db, c->business_id, &a->credentials[i]);
		if (err == STORE_OK)
			err = core_audit_credential(db, c->business_id, "key_stored", &a->credentials[i], NULL, NULL);
	}
	return err;
}

enum store_error store_connection_add(struct store *s, const struct store_connection *c,
	const struct store_credential *credentials, size_t credentials_len)
{
	struct connection_add a = {c, credentials, credentials_len,
		{.business_id = c->business_id, .action = "connection_added", .subject = c->id, .purpose = "number"}};
	uint8_t digest[STORE_INDEX_LEN];

	if (c->id[0] == '\0')
		return STORE_INVALID;
	for (size_t i = 0; i < credentials_len; i++)
		if (!core_credential_ok(&credentials[i]) || strcmp(credentials[i].connection_id, c->id) != 0)
			return STORE_INVALID;
	core_audit_value(s, c->phone_number_id, &a.row, digest);
	return core_write(s, run_connection_add, &a);
}

/* ------------------------------------------------------------ reading */

/* Ends a query of at most one connection. */
static enum store_error connection_one(struct query *q, struct store_connection *out)
{
	bool found = query_step(q);
	enum store_error err;

	if (found)
		connection_read(q, out);
	err = query_end(q);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error connection_of(
	struct db *db, const char *business_id, const char *id, struct store_connection *out)
{
	struct query q = query_start(db, "SELECT " COLUMNS " FROM connections c WHERE c.business_id = ? AND c.id = ?");

	query_text(&q, business_id);
	query_text(&q, id);
	return connection_one(&q, out);
}

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	struct db *db = core_reader(s);
	enum store_error err = connection_of(db, business_id, id, out);

	core_return(s, db);
	return err;
}

enum store_error store_connection_by_number(struct store *s, const char *business_id, enum store_provider provider,
	const char *phone_number_id, struct store_connection *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT " COLUMNS " FROM numbers n JOIN connections c ON c.id = n.connection_id "
		"WHERE n.business_id = ?1 AND n.phone_number_id = ?2 AND (?3 = 0 OR n.provider = ?3) "
		"ORDER BY c.status NOT IN (1, 2), c.seq LIMIT 1");
	enum store_error err;

	query_text(&q, business_id);
	query_text(&q, phone_number_id);
	query_int(&q, provider);
	err = connection_one(&q, out);
	core_return(s, db);
	return err;
}

enum store_error store_app_shared(
	struct store *s, const char *business_id, const char *app_id, const char *waba_id, struct store_sharing *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT count(*) > 0, coalesce(max(waba_id = ?3), 0) FROM connections INDEXED BY connections_app "
		"WHERE app_id = ?1 AND app_id <> '' AND business_id <> ?2");
	struct store_sharing found = {false, false};
	enum store_error err;

	query_text(&q, app_id);
	query_text(&q, business_id);
	query_text(&q, waba_id);
	if (query_step(&q)) {
		found.app = query_get_int(&q) != 0;
		found.waba = query_get_int(&q) != 0;
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK)
		*out = found;
	return err;
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

struct checked {
	const char *business_id, *id;
	bool failed;
};

static enum store_error run_checked(struct db *db, void *arg)
{
	const struct checked *a = arg;
	struct query q = query_start(
		db, "UPDATE connections SET checks_failed = ?, updated_at = ? WHERE business_id = ? AND id = ?");
	enum store_error err;

	query_int(&q, a->failed);
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_connection_checked(struct store *s, const char *business_id, const char *id, bool failed)
{
	struct checked a = {business_id, id, failed};

	return core_write(s, run_checked, &a);
}

struct number_set {
	const char *business_id, *id, *phone_number_id, *waba_id;
	bool proven;
	struct store_audit row;
};

static enum store_error run_number_set(struct db *db, void *arg)
{
	const struct number_set *a = arg;
	struct store_connection c;
	bool known;
	enum store_error err = connection_of(db, a->business_id, a->id, &c);
	struct query q;

	if (err != STORE_OK)
		return err;
	if (c.phone_number_id[0] != '\0' && strcmp(c.phone_number_id, a->phone_number_id) != 0)
		return STORE_STALE;
	known = c.phone_number_id[0] != '\0';
	memcpy(c.phone_number_id, a->phone_number_id, strlen(a->phone_number_id) + 1);
	c.number_proven = a->proven;
	err = number_claim(db, &c);
	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"UPDATE connections SET phone_number_id = ?, waba_id = CASE waba_id WHEN '' THEN ? ELSE waba_id END, "
		"updated_at = ? WHERE business_id = ? AND id = ?");
	query_text(&q, a->phone_number_id);
	query_text(&q, a->waba_id);
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	return err == STORE_OK && !known ? core_audit(db, &a->row) : err;
}

enum store_error store_connection_number_set(struct store *s, const char *business_id, const char *id,
	const char *phone_number_id, const char *waba_id, bool proven)
{
	struct number_set a = {business_id, id, phone_number_id, waba_id, proven,
		{.business_id = business_id, .action = "number_set", .subject = id}};
	uint8_t digest[STORE_INDEX_LEN];

	if (!core_text_ok(phone_number_id, STORE_PROVIDER_ID_LEN) || strlen(waba_id) > STORE_PROVIDER_ID_LEN)
		return STORE_INVALID;
	core_audit_value(s, phone_number_id, &a.row, digest);
	return core_write(s, run_number_set, &a);
}

struct handshake {
	const char *business_id, *id, *token;
	int64_t at;
};

/* Whoever comes with the current token needs the one before no more. */
static enum store_error previous_ends(struct db *db, const struct handshake *a)
{
	const struct store_audit row = {
		.business_id = a->business_id, .action = "verify_token_ended", .subject = a->id};
	struct query q = query_start(db,
		"UPDATE connections SET previous_verify_token = '', previous_verify_token_ends_at = 0 "
		"WHERE business_id = ? AND id = ? AND verify_token = ? AND previous_verify_token <> ''");
	enum store_error err;

	query_text(&q, a->business_id);
	query_text(&q, a->id);
	query_text(&q, a->token);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) > 0 ? core_audit(db, &row) : err;
}

static enum store_error run_handshake(struct db *db, void *arg)
{
	const struct handshake *a = arg;
	enum store_error err = previous_ends(db, a);
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"UPDATE connections SET handshake_at = max(handshake_at, ?), updated_at = ?, "
		"status = CASE WHEN status NOT IN (1, 5) THEN status WHEN checks_failed THEN 1 ELSE 2 END "
		"WHERE business_id = ? AND id = ?");
	query_int(&q, a->at);
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_connection_handshake(
	struct store *s, const char *business_id, const char *id, const char *token, int64_t at)
{
	struct handshake a = {business_id, id, token, at};

	return core_write(s, run_handshake, &a);
}

/* What was to go through it will not: shown as dead, instead of waiting for ever. */
static enum store_error run_connection_remove(struct db *db, void *arg)
{
	const struct status_set *a = arg;
	const struct store_audit row = {
		.business_id = a->business_id, .action = "connection_removed", .subject = a->id};
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
		"UPDATE messages SET state = 10, error_code = 0, reason = 'its connection was removed', updated_at = ? "
		"WHERE business_id = ? AND connection_id = ? AND state IN (2, 4)");
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	q = query_start(db, "DELETE FROM asks WHERE business_id = ? AND connection_id = ?");
	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	return err == STORE_OK ? core_audit(db, &row) : err;
}

enum store_error store_connection_remove(struct store *s, const char *business_id, const char *id)
{
	struct status_set a = {.business_id = business_id, .id = id};

	return core_write(s, run_connection_remove, &a);
}
