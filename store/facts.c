/*
 * What a provider said of a connection, as it was when somebody looked.
 */
#include "store/core.h"

struct put {
	const char *business_id, *connection_id;
	const struct store_connection_facts *facts;
};

static enum store_error run_put(struct db *db, void *arg)
{
	const struct put *a = arg;
	const struct store_connection_facts *f = a->facts;
	struct query q = query_start(db,
		"INSERT OR REPLACE INTO connection_facts (connection_id, looked_at, token_expires_at, number_status, "
		"name_status, quality, messaging_limit, throughput, can_send, findings) "
		"SELECT id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM connections WHERE business_id = ? AND id = ?");
	enum store_error err;

	query_int(&q, f->looked_at);
	query_int(&q, f->token_expires_at);
	query_text(&q, f->number_status);
	query_text(&q, f->name_status);
	query_text(&q, f->quality);
	query_text(&q, f->messaging_limit);
	query_text(&q, f->throughput);
	query_text(&q, f->can_send);
	query_int(&q, (int64_t)f->findings);
	query_text(&q, a->business_id);
	query_text(&q, a->connection_id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_connection_facts_put(
	struct store *s, const char *business_id, const char *connection_id, const struct store_connection_facts *facts)
{
	struct put a = {business_id, connection_id, facts};

	return core_write(s, run_put, &a);
}

enum store_error store_connection_facts_get(
	struct store *s, const char *business_id, const char *connection_id, struct store_connection_facts *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT coalesce(f.looked_at, 0), coalesce(f.token_expires_at, 0), f.number_status, f.name_status, "
		"f.quality, f.messaging_limit, f.throughput, f.can_send, coalesce(f.findings, 0) FROM connections c "
		"LEFT JOIN connection_facts f ON f.connection_id = c.id WHERE c.business_id = ? AND c.id = ?");
	struct store_connection_facts found = {0};
	enum store_error err;
	bool row;

	query_text(&q, business_id);
	query_text(&q, connection_id);
	row = query_step(&q);
	if (row) {
		found.looked_at = query_get_int(&q);
		found.token_expires_at = query_get_int(&q);
		query_get_text(&q, found.number_status, sizeof(found.number_status));
		query_get_text(&q, found.name_status, sizeof(found.name_status));
		query_get_text(&q, found.quality, sizeof(found.quality));
		query_get_text(&q, found.messaging_limit, sizeof(found.messaging_limit));
		query_get_text(&q, found.throughput, sizeof(found.throughput));
		query_get_text(&q, found.can_send, sizeof(found.can_send));
		found.findings = (uint64_t)query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && row)
		*out = found;
	return err != STORE_OK ? err : row ? STORE_OK : STORE_NOT_FOUND;
}

struct limit {
	const char *business_id, *id;
	unsigned mps;
};

static enum store_error run_mps(struct db *db, void *arg)
{
	const struct limit *a = arg;
	struct query q =
		query_start(db, "UPDATE connections SET mps = ?3 WHERE business_id = ?1 AND id = ?2 AND mps <> ?3");
	enum store_error err;

	query_text(&q, a->business_id);
	query_text(&q, a->id);
	query_int(&q, a->mps);
	err = query_finish(&q);
	if (err != STORE_OK || db_changes(db) > 0)
		return err;
	err = core_connection_exists(db, a->business_id, a->id);
	return err == STORE_OK ? STORE_STALE : err;
}

enum store_error store_connection_mps_set(struct store *s, const char *business_id, const char *id, unsigned mps)
{
	struct limit a = {business_id, id, mps};

	return mps <= STORE_MPS_MAX ? core_write(s, run_mps, &a) : STORE_INVALID;
}
