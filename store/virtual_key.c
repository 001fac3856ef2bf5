/*
 * Virtual keys, by their hash: which there are, what each may do, how many messages went
 * out with it on which day, and what calls with it came to.
 */
#include "store/virtual_key.h"

#include <string.h>

#include "store/core.h"

#define DAY_MS INT64_C(86400000)
/* The day is bound as ?1. */
#define COLUMNS                                                                                                        \
	"k.id, k.business_id, k.name, k.hash, k.last4, k.scopes, k.numbers, k.rate, k.budget, k.created_at, "          \
	"k.expires_at, k.revoked_at, k.used_at, k.refused_at, k.refused_why, k.refused_count, "                        \
	"coalesce((SELECT d.messages FROM virtual_key_days d WHERE d.key_id = k.id AND d.day = ?1), 0)"

static void key_read(struct query *q, struct store_virtual_key *k)
{
	memset(k, 0, sizeof(*k));
	query_get_text(q, k->id, sizeof(k->id));
	query_get_text(q, k->business_id, sizeof(k->business_id));
	query_get_text(q, k->name, sizeof(k->name));
	query_get_fixed(q, k->hash, sizeof(k->hash));
	query_get_text(q, k->last4, sizeof(k->last4));
	k->scopes = (unsigned)query_get_int(q);
	query_get_text(q, k->numbers, sizeof(k->numbers));
	k->rate = (uint32_t)query_get_int(q);
	k->budget = (uint32_t)query_get_int(q);
	k->created_at = query_get_int(q);
	k->expires_at = query_get_int(q);
	k->revoked_at = query_get_int(q);
	k->used_at = query_get_int(q);
	k->refused_at = query_get_int(q);
	query_get_text(q, k->refused_why, sizeof(k->refused_why));
	k->refused_count = query_get_int(q);
	k->messages_today = query_get_int(q);
}

/* One row of a statement whose values are bound. */
static enum store_error key_one(struct query *q, struct store_virtual_key *out)
{
	bool found = query_step(q);
	enum store_error err;

	if (found)
		key_read(q, out);
	err = query_end(q);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error key_audit(struct db *db, const char *action, const struct store_virtual_key *k)
{
	const bool made = strcmp(action, "key_made") == 0;
	const struct store_audit row = {.business_id = k->business_id,
		.action = action,
		.subject = k->id,
		.value = made ? k->hash : NULL,
		.value_len = made ? sizeof(k->hash) : 0};

	return core_audit(db, &row);
}

/* ------------------------------------------------------------ making */

static bool key_ok(const struct store_virtual_key *k)
{
	return k->id[0] != '\0' && k->name[0] != '\0' && k->last4[0] != '\0' && k->created_at > 0 && k->scopes > 0 &&
		k->scopes <= STORE_SCOPES_ALL && (k->expires_at == 0 || k->expires_at > k->created_at);
}

static enum store_error room_for(struct db *db, const struct store_virtual_key *k)
{
	struct query q = query_start(db,
		"SELECT count(*) FROM virtual_keys WHERE business_id = ? AND name = ? AND revoked_at = 0 AND "
		"(expires_at = 0 OR expires_at > ?)");
	int64_t live = 0;
	enum store_error err;

	query_text(&q, k->business_id);
	query_text(&q, k->name);
	query_int(&q, k->created_at);
	if (query_step(&q))
		live = query_get_int(&q);
	err = query_end(&q);
	return err != STORE_OK ? err : live < STORE_KEYS_LIVE_MAX ? STORE_OK : STORE_TOO_MANY;
}

static enum store_error run_add(struct db *db, void *arg)
{
	const struct store_virtual_key *k = arg;
	enum store_error err = room_for(db, k);
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"INSERT INTO virtual_keys (id, business_id, name, hash, last4, scopes, numbers, rate, budget, "
		"created_at, "
		"expires_at) SELECT ?, id, ?, ?, ?, ?, ?, ?, ?, ?, ? FROM businesses WHERE id = ? AND removing_at = 0");
	query_text(&q, k->id);
	query_text(&q, k->name);
	query_blob(&q, k->hash, sizeof(k->hash));
	query_text(&q, k->last4);
	query_int(&q, k->scopes);
	query_text(&q, k->numbers);
	query_int(&q, k->rate);
	query_int(&q, k->budget);
	query_int(&q, k->created_at);
	query_int(&q, k->expires_at);
	query_text(&q, k->business_id);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? key_audit(db, "key_made", k) : STORE_NOT_FOUND;
}

enum store_error store_virtual_key_add(struct store *s, const struct store_virtual_key *k)
{
	struct store_virtual_key copy = *k;

	return key_ok(k) ? core_write(s, run_add, &copy) : STORE_INVALID;
}

static enum store_error key_get(
	struct db *db, const char *business_id, const char *id, int64_t now, struct store_virtual_key *out)
{
	struct query q =
		query_start(db, "SELECT " COLUMNS " FROM virtual_keys k WHERE k.business_id = ?2 AND k.id = ?3");

	query_int(&q, now / DAY_MS);
	query_text(&q, business_id);
	query_text(&q, id);
	return key_one(&q, out);
}

struct rotating {
	const char *business_id, *id;
	int64_t old_ends_at;
	struct store_virtual_key *fresh;
};

static enum store_error old_ends(struct db *db, const struct store_virtual_key *old, int64_t at)
{
	struct query q;
	enum store_error err;

	if (at == 0 || (old->expires_at != 0 && old->expires_at <= at))
		return STORE_OK;
	q = query_start(db, "UPDATE virtual_keys SET expires_at = ? WHERE id = ?");
	query_int(&q, at);
	query_text(&q, old->id);
	err = query_finish(&q);
	return err == STORE_OK ? key_audit(db, "key_ending", old) : err;
}

static enum store_error run_rotate(struct db *db, void *arg)
{
	const struct rotating *r = arg;
	struct store_virtual_key *fresh = r->fresh;
	struct store_virtual_key old;
	enum store_error err = key_get(db, r->business_id, r->id, fresh->created_at, &old);

	if (err != STORE_OK)
		return err;
	if (old.revoked_at > 0 || (old.expires_at > 0 && old.expires_at <= fresh->created_at))
		return STORE_STALE;
	memcpy(fresh->business_id, old.business_id, sizeof(fresh->business_id));
	memcpy(fresh->name, old.name, sizeof(fresh->name));
	memcpy(fresh->numbers, old.numbers, sizeof(fresh->numbers));
	fresh->scopes = old.scopes;
	fresh->rate = old.rate;
	fresh->budget = old.budget;
	fresh->expires_at = old.expires_at > 0 ? fresh->created_at + (old.expires_at - old.created_at) : 0;
	err = run_add(db, fresh);
	return err == STORE_OK ? old_ends(db, &old, r->old_ends_at) : err;
}

enum store_error store_virtual_key_rotate(
	struct store *s, const char *business_id, const char *id, int64_t old_ends_at, struct store_virtual_key *fresh)
{
	struct rotating r = {business_id, id, old_ends_at, fresh};

	if (fresh->id[0] == '\0' || fresh->last4[0] == '\0' || fresh->created_at <= 0 ||
		(old_ends_at != 0 && old_ends_at <= fresh->created_at))
		return STORE_INVALID;
	return core_write(s, run_rotate, &r);
}

/* ------------------------------------------------------------ reading */

enum store_error store_virtual_key_find(
	struct store *s, const uint8_t hash[static 32], int64_t now, struct store_virtual_key *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT " COLUMNS
		" FROM virtual_keys k JOIN businesses b ON b.id = k.business_id AND b.removing_at = 0 "
		"WHERE k.hash = ?2");
	enum store_error err;

	query_int(&q, now / DAY_MS);
	query_blob(&q, hash, 32);
	err = key_one(&q, out);
	core_return(s, db);
	return err;
}

enum store_error store_virtual_key_get(
	struct store *s, const char *business_id, const char *id, int64_t now, struct store_virtual_key *out)
{
	struct db *db = core_reader(s);
	enum store_error err = key_get(db, business_id, id, now, out);

	core_return(s, db);
	return err;
}

enum store_error store_virtual_key_list(struct store *s, const char *business_id, const struct store_page *page,
	int64_t now, bool (*each)(const struct store_virtual_key *k, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_virtual_key);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM virtual_keys WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err == STORE_OK) {
		q = page->ascending ? query_start(db,
					      "SELECT " COLUMNS " FROM virtual_keys k WHERE k.business_id = ?2 "
					      "AND k.seq > ?3 ORDER BY k.seq LIMIT ?4")
				    : query_start(db,
					      "SELECT " COLUMNS " FROM virtual_keys k WHERE k.business_id = ?2 "
					      "AND k.seq < ?3 ORDER BY k.seq DESC LIMIT ?4");
		query_int(&q, now / DAY_MS);
		query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_virtual_key *k = rows_add(&rows);

			if (k != NULL)
				key_read(&q, k);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_virtual_key *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ revoking */

struct naming {
	const char *business_id, *id;
};

static enum store_error run_revoke(struct db *db, void *arg)
{
	const struct naming *n = arg;
	const int64_t now = store_now_ms();
	struct store_virtual_key k;
	enum store_error err = key_get(db, n->business_id, n->id, now, &k);
	struct query q;

	if (err != STORE_OK || k.revoked_at > 0)
		return err;
	q = query_start(db, "UPDATE virtual_keys SET revoked_at = ? WHERE id = ?");
	query_int(&q, now);
	query_text(&q, k.id);
	err = query_finish(&q);
	return err == STORE_OK ? key_audit(db, "key_revoked", &k) : err;
}

enum store_error store_virtual_key_revoke(struct store *s, const char *business_id, const char *id)
{
	struct naming n = {business_id, id};

	return core_write(s, run_revoke, &n);
}

/* ------------------------------------------------------------ what calls came to */

void store_virtual_key_noted(struct store_virtual_key *k, const struct store_virtual_key_note *later)
{
	if (later->used_at > k->used_at)
		k->used_at = later->used_at;
	k->refused_count += later->refused_count;
	if (later->refused_at == 0 || later->refused_at < k->refused_at)
		return;
	k->refused_at = later->refused_at;
	memcpy(k->refused_why, later->refused_why, sizeof(k->refused_why));
}

struct noting {
	const struct store_virtual_key_note *notes;
	size_t len;
};

static enum store_error run_note(struct db *db, void *arg)
{
	const struct noting *n = arg;
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < n->len && err == STORE_OK; i++) {
		const struct store_virtual_key_note *note = &n->notes[i];
		struct query q = query_start(db,
			"UPDATE virtual_keys SET used_at = max(used_at, ?2), refused_count = refused_count + ?5, "
			"refused_why = CASE WHEN ?3 > 0 AND ?3 >= refused_at THEN ?4 ELSE refused_why END, "
			"refused_at = max(refused_at, ?3) WHERE id = ?1");

		query_text(&q, note->id);
		query_int(&q, note->used_at);
		query_int(&q, note->refused_at);
		query_text(&q, note->refused_why);
		query_int(&q, note->refused_count);
		err = query_finish(&q);
	}
	return err;
}

enum store_error store_virtual_keys_note(struct store *s, const struct store_virtual_key_note *notes, size_t len)
{
	struct noting n = {notes, len};

	if (len > STORE_VIRTUAL_KEY_NOTES_MAX)
		return STORE_INVALID;
	return len > 0 ? core_write(s, run_note, &n) : STORE_OK;
}

/* ------------------------------------------------------------ sending */

/* What it may send a day. */
static enum store_error budget_read(struct db *db, const char *key_id, int64_t now, int64_t *budget)
{
	struct query q = query_start(db,
		"SELECT k.budget FROM virtual_keys k JOIN businesses b ON b.id = k.business_id AND b.status = 1 AND "
		"b.removing_at = 0 WHERE k.id = ?1 AND k.revoked_at = 0 AND (k.expires_at = 0 OR k.expires_at > ?2)");
	enum store_error err;
	bool found;

	query_text(&q, key_id);
	query_int(&q, now);
	found = query_step(&q);
	*budget = found ? query_get_int(&q) : 0;
	err = query_end(&q);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error virtual_key_spend(struct db *db, const char *key_id, int64_t now)
{
	int64_t budget;
	enum store_error err = budget_read(db, key_id, now, &budget);
	struct query q;

	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"INSERT INTO virtual_key_days (key_id, day, messages) VALUES (?1, ?2, 1) "
		"ON CONFLICT DO UPDATE SET messages = messages + 1 WHERE ?3 = 0 OR messages < ?3");
	query_text(&q, key_id);
	query_int(&q, now / DAY_MS);
	query_int(&q, budget);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	return db_changes(db) > 0 ? STORE_OK : STORE_TOO_MANY;
}

enum store_error virtual_key_give_back(struct db *db, const char *key_id, int64_t at)
{
	struct query q = query_start(db,
		"UPDATE virtual_key_days SET messages = messages - 1 WHERE key_id = ? AND day = ? AND messages > 0");

	query_text(&q, key_id);
	query_int(&q, at / DAY_MS);
	return query_finish(&q);
}
