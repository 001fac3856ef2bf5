/*
 * Who answers for a business: its kind, and where a platform's responder is found.
 */
#include <string.h>

#include "store/core.h"

struct put {
	const char *business_id, *kind;
	const struct store_responder *responder;
	struct store_audit chosen, secret;
};

static enum store_error kind_set(struct db *db, const struct put *a)
{
	struct query q =
		query_start(db, "UPDATE businesses SET responder = ?, updated_at = ? WHERE id = ? AND removing_at = 0");
	enum store_error err;

	query_text(&q, a->kind);
	query_int(&q, store_now_ms());
	query_text(&q, a->business_id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

/* The row's version, 0 where there is none. */
static enum store_error version_read(struct db *db, const char *business_id, uint64_t *version)
{
	struct query q = query_start(db, "SELECT version FROM responders WHERE business_id = ?");

	query_text(&q, business_id);
	*version = query_step(&q) ? (uint64_t)query_get_int(&q) : 0;
	return query_end(&q);
}

static enum store_error all_updates_set(struct db *db, const struct put *a)
{
	struct query q = query_start(db, "UPDATE businesses SET all_updates = ? WHERE id = ?");

	query_int(&q, a->responder->all_updates);
	query_text(&q, a->business_id);
	return query_finish(&q);
}

static enum store_error run_put(struct db *db, void *arg)
{
	const struct put *a = arg;
	const struct store_responder *r = a->responder;
	enum store_error err = kind_set(db, a);
	uint64_t version;
	struct query q;

	if (err == STORE_OK)
		err = core_audit(db, &a->chosen);
	if (err != STORE_OK || r == NULL)
		return err;
	err = version_read(db, a->business_id, &version);
	if (err != STORE_OK)
		return err;
	if (version != r->version && version != r->version - 1)
		return STORE_STALE;
	q = query_start(db,
		"INSERT INTO responders (business_id, url, version, last4, secret, created_at) "
		"VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET url = excluded.url, version = excluded.version, "
		"last4 = excluded.last4, secret = excluded.secret, created_at = excluded.created_at");
	query_text(&q, a->business_id);
	query_blob(&q, r->url, r->url_len);
	query_int(&q, (int64_t)r->version);
	query_text(&q, r->last4);
	query_blob(&q, r->secret, r->secret_len);
	query_int(&q, r->created_at > 0 ? r->created_at : store_now_ms());
	err = query_finish(&q);
	if (err == STORE_OK)
		err = all_updates_set(db, a);
	return err == STORE_OK && r->version != version ? core_audit(db, &a->secret) : err;
}

enum store_error store_responder_put(
	struct store *s, const char *business_id, const char *kind, const struct store_responder *r)
{
	struct put a = {business_id, kind, r,
		{.business_id = business_id, .action = "responder_set", .subject = "responder", .purpose = kind},
		{.business_id = business_id, .action = "key_stored", .subject = "responder/signing_secret"}};
	uint8_t digest[STORE_INDEX_LEN], print[STORE_AUDIT_VALUE_LEN];

	if (!core_text_ok(kind, sizeof(((struct store_business *)0)->responder) - 1))
		return STORE_INVALID;
	if (r != NULL &&
		(strcmp(kind, "platform") != 0 || r->version == 0 || r->url == NULL || r->url_len == 0 ||
			r->secret == NULL || r->secret_len == 0))
		return STORE_INVALID;
	if (r != NULL) {
		core_audit_value(s, r->address, &a.chosen, digest);
		core_audit_fingerprint(r->fingerprint, &a.secret, print);
	}
	return core_write(s, run_put, &a);
}

enum store_error store_responder_get(
	struct store *s, const char *business_id, bool (*each)(const struct store_responder *r, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_responder);
	struct db *db = core_reader(s);
	struct query q =
		query_start(db, "SELECT url, version, last4, secret, created_at FROM responders WHERE business_id = ?");
	struct store_responder *r = NULL;
	enum store_error err;
	bool found;

	query_text(&q, business_id);
	found = query_step(&q);
	if (found)
		r = rows_add(&rows);
	if (r != NULL) {
		const uint8_t *blob = query_get_blob(&q, &r->url_len);

		r->url = rows_keep(&rows, blob, r->url_len);
		r->version = (uint64_t)query_get_int(&q);
		query_get_text(&q, r->last4, sizeof(r->last4));
		blob = query_get_blob(&q, &r->secret_len);
		r->secret = rows_keep(&rows, blob, r->secret_len);
		r->created_at = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && !found)
		err = STORE_NOT_FOUND;
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	if (err == STORE_OK)
		(void)each(r, arg);
	rows_clear(&rows);
	return err;
}
