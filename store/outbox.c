/*
 * The outbox: what is due of each connection, leasing it, and settling its attempts.
 *
 * Who goes before whom is the scheduler's to say: it asks connection by connection, and what it
 * leases is looked at once more inside the change. Only what may be sent is shown: nothing of a
 * connection, or of a business, that may not send.
 */
#include <string.h>

#include "store/alias.h"
#include "store/core.h"
#include "store/message.h"
#include "store/virtual_key.h"

/* Heads that wait, along an index that holds nothing else. */
#define WAITING "messages INDEXED BY outbox_connection WHERE state IN (2, 4) AND head = 1"
#define MAY_SEND "c.status IN (1, 2, 5) AND b.status = 1"
/* Of the connection ?1; asked once a query. */
#define IT_MAY_SEND                                                                                                    \
	"EXISTS (SELECT 1 FROM connections c JOIN businesses b ON b.id = c.business_id WHERE c.id = ?1 AND " MAY_SEND  \
	")"

/* ------------------------------------------------------------ connections that have something waiting */

#define LANE_COLUMNS                                                                                                   \
	"c.id, c.business_id, c.provider, c.app_id, c.waba_id, c.phone_number_id, c.mps, "                             \
	"(SELECT min(next_at) FROM " WAITING " AND connection_id = c.id)"
#define LANE_TABLES "connections c CROSS JOIN businesses b ON b.id = c.business_id"

static void lane_read(struct query *q, struct store_lane *l)
{
	query_get_text(q, l->connection_id, sizeof(l->connection_id));
	query_get_text(q, l->business_id, sizeof(l->business_id));
	l->provider = (enum store_provider)query_get_int(q);
	query_get_text(q, l->app_id, sizeof(l->app_id));
	query_get_text(q, l->waba_id, sizeof(l->waba_id));
	query_get_text(q, l->number, sizeof(l->number));
	l->mps = (unsigned)query_get_int(q);
	l->due_at = query_get_int(q);
}

/* The ids are found by leaps, so that one connection's backlog is not read through. */
enum store_error store_outbox_lanes(struct store *s, const char *after, unsigned limit,
	bool (*each)(const struct store_lane *l, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_lane);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"WITH RECURSIVE waiting (id) AS (SELECT (SELECT min(connection_id) FROM " WAITING
		" AND connection_id > ?1) UNION ALL SELECT (SELECT min(connection_id) FROM " WAITING
		" AND connection_id > waiting.id) FROM waiting WHERE id IS NOT NULL) SELECT " LANE_COLUMNS
		" FROM waiting CROSS JOIN connections c ON c.id = waiting.id CROSS JOIN businesses b "
		"ON b.id = c.business_id WHERE " MAY_SEND " LIMIT ?2");
	enum store_error err;

	query_text(&q, after);
	query_int(&q, limit);
	while (query_step(&q)) {
		struct store_lane *l = rows_add(&rows);

		if (l != NULL)
			lane_read(&q, l);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_lane *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_outbox_lane(struct store *s, const char *connection_id, struct store_lane *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " LANE_COLUMNS " FROM " LANE_TABLES " WHERE c.id = ? AND " MAY_SEND);
	enum store_error err;
	bool found;

	query_text(&q, connection_id);
	found = query_step(&q);
	if (found)
		lane_read(&q, out);
	err = query_end(&q);
	core_return(s, db);
	/* Nothing waits: the least of nothing. */
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error due_read(
	struct db *db, const char *connection_id, int64_t now, struct store_due *due, size_t room, size_t *len)
{
	struct query q = query_start(db,
		"SELECT seq, conversation, attempts, length(content) FROM " WAITING
		" AND connection_id = ?1 AND next_at <= ?2 AND " IT_MAY_SEND " ORDER BY next_at, seq LIMIT ?3");

	query_text(&q, connection_id);
	query_int(&q, now);
	query_int(&q, (int64_t)room);
	*len = 0;
	while (*len < room && query_step(&q)) {
		struct store_due *d = &due[(*len)++];

		d->seq = query_get_int(&q);
		query_get_fixed(&q, d->conversation, sizeof(d->conversation));
		d->attempts = (uint32_t)query_get_int(&q);
		d->size = (size_t)query_get_int(&q);
	}
	return query_end(&q);
}

static enum store_error later_read(struct db *db, const char *connection_id, int64_t now, int64_t *at)
{
	struct query q = query_start(db,
		"SELECT next_at FROM " WAITING " AND connection_id = ?1 AND next_at > ?2 AND " IT_MAY_SEND
		" ORDER BY next_at LIMIT 1");

	query_text(&q, connection_id);
	query_int(&q, now);
	if (query_step(&q))
		*at = query_get_int(&q);
	return query_end(&q);
}

enum store_error store_outbox_due(
	struct store *s, const char *connection_id, int64_t now, struct store_due *due, size_t *len, int64_t *next_at)
{
	const size_t room = *len;
	struct db *db = core_reader(s);
	enum store_error err = due_read(db, connection_id, now, due, room, len);

	*next_at = INT64_MAX;
	if (err == STORE_OK && *len == room)
		*next_at = now;
	else if (err == STORE_OK)
		err = later_read(db, connection_id, now, next_at);
	core_return(s, db);
	return err;
}

/* ------------------------------------------------------------ leasing */

struct lease {
	int64_t now;
	struct store_lease *leases;
	size_t len;
	struct rows *rows;
};

/* What the connection's messages go out with: its key, and Meta's app secret, which proves the call. */
struct keys {
	char connection_id[STORE_ID_LEN + 1];
	struct store_credential all[2];
	size_t len;
};

static enum store_error keys_read(struct db *db, const char *connection_id, struct keys *keys)
{
	struct query q = query_start(db,
		"SELECT k.field, k.fingerprint, k.last_used_at FROM connections c JOIN credentials k "
		"ON k.connection_id = c.id AND k.slot = 1 AND k.field IN ('access_token', 'app_secret', 'api_key') "
		"WHERE c.id = ? ORDER BY k.field");

	*keys = (struct keys){.len = 0};
	memcpy(keys->connection_id, connection_id, strlen(connection_id) + 1);
	query_text(&q, connection_id);
	while (keys->len < 2 && query_step(&q)) {
		struct store_credential *key = &keys->all[keys->len++];

		memcpy(key->connection_id, connection_id, strlen(connection_id) + 1);
		query_get_text(&q, key->field, sizeof(key->field));
		query_get_text(&q, key->fingerprint, sizeof(key->fingerprint));
		key->last_used_at = query_get_int(&q);
	}
	return query_end(&q);
}

/* It is about to be sent with its connection's keys. *keys: those that were used last, which are mostly the same. One
 * that has none will not go out. */
static enum store_error keys_use(struct db *db, const struct lease *a, const struct store_message *m, struct keys *keys)
{
	const bool others = strcmp(keys->connection_id, m->connection_id) != 0;
	enum store_error err = others ? keys_read(db, m->connection_id, keys) : STORE_OK;

	for (size_t i = 0; i < keys->len && err == STORE_OK; i++) {
		if (others)
			err = core_credential_used(db, &keys->all[i], a->now);
		if (err == STORE_OK)
			err = core_audit_credential(db, m->business_id, "key_used", &keys->all[i], "send", m->id);
	}
	return err;
}

static enum store_error lease_mark(struct db *db, const struct lease *a, int64_t seq)
{
	struct query q = query_start(db,
		"UPDATE messages SET state = 3, attempts = attempts + 1, updated_at = ?1 "
		"WHERE seq = ?2 AND state IN (2, 4) AND head = 1 AND next_at <= ?1 AND EXISTS ("
		"SELECT 1 FROM connections c JOIN businesses b ON b.id = c.business_id "
		"WHERE c.id = messages.connection_id AND c.business_id = messages.business_id AND " MAY_SEND ")");
	enum store_error err;

	query_int(&q, a->now);
	query_int(&q, seq);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) == 0 ? STORE_STALE : err;
}

static enum store_error lease_one(struct db *db, const struct lease *a, struct store_lease *one, struct keys *keys)
{
	const int64_t seq = one->seq;
	enum store_error err = lease_mark(db, a, seq);
	struct query read;

	one->leased = err == STORE_OK;
	if (err != STORE_OK)
		return err == STORE_STALE ? STORE_OK : err;
	read = query_start(db, "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.seq = ?");
	query_int(&read, seq);
	while (query_step(&read))
		message_read(&read, a->rows);
	err = query_end(&read);
	if (err == STORE_OK && (a->rows->failed || a->rows->len == 0))
		return STORE_NO_MEMORY;
	return err == STORE_OK
		? keys_use(db, a, &((const struct store_message *)(const void *)a->rows->items)[a->rows->len - 1], keys)
		: err;
}

static enum store_error put_off(struct db *db, int64_t seq, int64_t to)
{
	struct query q =
		query_start(db, "UPDATE messages SET next_at = ?1 WHERE seq = ?2 AND state IN (2, 4) AND next_at < ?1");

	query_int(&q, to);
	query_int(&q, seq);
	return query_finish(&q);
}

static enum store_error run_lease(struct db *db, void *arg)
{
	const struct lease *a = arg;
	struct keys keys = {.len = 0};
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < a->len && err == STORE_OK; i++)
		err = a->leases[i].put_off_to > 0 ? put_off(db, a->leases[i].seq, a->leases[i].put_off_to)
						  : lease_one(db, a, &a->leases[i], &keys);
	return err;
}

enum store_error store_outbox_lease(struct store *s, int64_t now, struct store_lease *leases, size_t len,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_message);
	struct lease a = {.now = now, .leases = leases, .len = len, .rows = &rows};

	if (len == 0 || len > STORE_LEASES_MAX)
		return STORE_INVALID;
	return messages_show(&rows, core_write(s, run_lease, &a), each, arg);
}

struct send {
	struct store_message *message;
	const char *virtual_key_id;
	const uint8_t *once_key;
};

static enum store_error may_send(struct db *db, const struct store_message *m)
{
	struct query q =
		query_start(db, "SELECT 1 FROM " LANE_TABLES " WHERE c.id = ? AND c.business_id = ? AND " MAY_SEND);

	query_text(&q, m->connection_id);
	query_text(&q, m->business_id);
	return query_exists(&q);
}

static enum store_error run_send(struct db *db, void *arg)
{
	const struct send *send = arg;
	struct store_message *m = send->message;
	const struct lease a = {.now = m->updated_at};
	struct keys keys = {.len = 0};
	enum store_error err = may_send(db, m);

	if (err == STORE_OK)
		err = alias_resolve(db, m->business_id, m->conversation);
	if (err == STORE_OK)
		err = message_insert(db, m);
	if (err == STORE_OK)
		err = keys_use(db, &a, m, &keys);
	if (err == STORE_OK && send->once_key != NULL) {
		err = core_once_noted(db, m->business_id, send->once_key);
		err = err == STORE_STALE ? STORE_EXISTS : err;
	}
	if (err != STORE_OK || send->virtual_key_id[0] == '\0')
		return err;
	err = virtual_key_spend(db, send->virtual_key_id, a.now);
	return err == STORE_NOT_FOUND ? STORE_STALE : err;
}

enum store_error store_message_send(
	struct store *s, struct store_message *m, const char *virtual_key_id, const uint8_t *once_key)
{
	struct send send = {m, virtual_key_id, once_key};

	if (!message_ok(m) || m->direction != STORE_OUTBOUND || m->state != STORE_MESSAGE_SENDING || m->attempts != 1)
		return STORE_INVALID;
	return core_write(s, run_send, &send);
}

/* ------------------------------------------------------------ settling */

/* STORE_STALE: nothing was written. */
static enum store_error settle_row(struct db *db, const struct store_outcome *o)
{
	static const uint8_t no_index[STORE_INDEX_LEN];
	struct query q = query_start(db,
		"UPDATE messages SET state = ?, next_at = ?, error_code = ?, reason = ?, updated_at = ?, "
		"maybe_duplicate = max(maybe_duplicate, ?), discarded_at = CASE ? WHEN 1 THEN updated_at ELSE 0 END, "
		"wamid_index = coalesce(?, wamid_index), wamid = coalesce(?, wamid) "
		"WHERE id = ? AND business_id = ? AND state = 3 AND attempts = ?");
	enum store_error err;

	query_int(&q, o->to);
	query_int(&q, o->next_at);
	query_int(&q, o->error_code);
	query_text(&q, o->reason != NULL ? o->reason : "");
	query_int(&q, store_now_ms());
	query_int(&q, o->maybe_duplicate);
	query_int(&q, o->told && o->to == STORE_MESSAGE_DEAD);
	query_blob(&q, memcmp(o->wamid_index, no_index, sizeof(no_index)) != 0 ? o->wamid_index : NULL,
		sizeof(o->wamid_index));
	query_blob(&q, o->wamid, o->wamid_len);
	query_text(&q, o->message_id);
	query_text(&q, o->business_id);
	query_int(&q, o->attempt);
	err = query_finish(&q);
	return err == STORE_OK && db_changes(db) == 0 ? STORE_STALE : err;
}

static enum store_error settle_rest(struct db *db, const struct store_outcome *o)
{
	enum store_error err = STORE_OK;

	if (o->given_back_to != NULL)
		err = virtual_key_give_back(db, o->given_back_to, o->spent_at);
	return err == STORE_OK && o->to == STORE_MESSAGE_SENT ? control_take(db, o->business_id, o->message_id) : err;
}

struct outcomes {
	const struct store_outcome *all;
	size_t len;
	enum store_error *results;
};

/* What fails in the middle of one undoes all. */
static enum store_error run_settle(struct db *db, void *arg)
{
	const struct outcomes *a = arg;

	for (size_t i = 0; i < a->len; i++) {
		if (a->results[i] == STORE_INVALID)
			continue;
		a->results[i] = settle_row(db, &a->all[i]);
		if (a->results[i] == STORE_OK)
			a->results[i] = settle_rest(db, &a->all[i]);
		else if (a->results[i] == STORE_STALE)
			continue;
		if (a->results[i] != STORE_OK)
			return a->results[i];
	}
	return STORE_OK;
}

static bool outcome_ok(const struct store_outcome *o)
{
	return (o->to == STORE_MESSAGE_SENT || o->to == STORE_MESSAGE_RETRY || o->to == STORE_MESSAGE_UNKNOWN ||
		       o->to == STORE_MESSAGE_DEAD) &&
		core_reason_ok(o->reason);
}

enum store_error store_outbox_settle(struct store *s, const struct store_outcome *outcome)
{
	enum store_error result = STORE_OK, err;
	struct outcomes one = {outcome, 1, &result};

	if (!outcome_ok(outcome))
		return STORE_INVALID;
	err = core_write(s, run_settle, &one);
	return err != STORE_OK ? err : result;
}

void store_outbox_settle_all(
	struct store *s, const struct store_outcome *outcomes, size_t len, enum store_error *results)
{
	struct outcomes all = {outcomes, len, results};
	enum store_error err;

	for (size_t i = 0; i < len; i++)
		results[i] = outcome_ok(&outcomes[i]) ? STORE_OK : STORE_INVALID;
	err = core_write(s, run_settle, &all);
	if (err == STORE_OK)
		return;
	/* One of them cannot be written: it keeps none of the others. */
	for (size_t i = 0; i < len; i++)
		results[i] = store_outbox_settle(s, &outcomes[i]);
}

struct recovery {
	int64_t now, again_at;
	unsigned recovered;
};

static enum store_error run_recover(struct db *db, void *arg)
{
	struct recovery *a = arg;
	struct query q = query_start(db,
		"UPDATE messages SET state = CASE policy WHEN 2 THEN 4 ELSE 9 END, updated_at = ?1, "
		"next_at = CASE policy WHEN 2 THEN ?2 ELSE next_at END, "
		"maybe_duplicate = max(maybe_duplicate, policy = 2), "
		"reason = 'interrupted while it was being sent' WHERE state = 3");
	enum store_error err;

	query_int(&q, a->now);
	query_int(&q, a->again_at);
	err = query_finish(&q);
	if (err == STORE_OK)
		a->recovered = (unsigned)db_changes(db);
	return err;
}

enum store_error store_outbox_recover(struct store *s, int64_t again_at, unsigned *recovered)
{
	struct recovery a = {.now = store_now_ms(), .again_at = again_at};
	enum store_error err = core_write(s, run_recover, &a);

	if (err == STORE_OK)
		*recovered = a.recovered;
	return err;
}

/* ------------------------------------------------------------ expiry */

#define DAY_MS INT64_C(86400000)

struct expiry {
	int64_t now;
	struct rows found; /* seqs */
	unsigned expired;
};

#define EXPIRED "CASE m.expires_at WHEN 0 THEN m.created_at + ?2 ELSE m.expires_at END <= ?1"

/* Where a connection may send, the scheduler sees it expire. What an unanswered attempt may have brought there is not
 * said to be dead. Found by a reader: there may be many that wait. */
static enum store_error expired_find(struct store *s, struct expiry *a, unsigned limit)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"WITH RECURSIVE waiting (id) AS (SELECT min(connection_id) FROM " WAITING
		" UNION ALL SELECT (SELECT min(connection_id) FROM " WAITING
		" AND connection_id > waiting.id) FROM waiting WHERE id IS NOT NULL) "
		"SELECT m.seq FROM waiting CROSS JOIN messages m INDEXED BY outbox_connection "
		"ON m.connection_id = waiting.id AND m.state IN (2, 4) AND m.head = 1 "
		"WHERE NOT EXISTS (SELECT 1 FROM connections c JOIN businesses b ON b.id = c.business_id "
		"WHERE c.id = waiting.id AND " MAY_SEND ") AND " EXPIRED " LIMIT ?3");
	enum store_error err;

	query_int(&q, a->now);
	query_int(&q, DAY_MS);
	query_int(&q, limit);
	while (query_step(&q)) {
		int64_t *seq = rows_add(&a->found);

		if (seq != NULL)
			*seq = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	return err == STORE_OK && a->found.failed ? STORE_NO_MEMORY : err;
}

static enum store_error run_expire(struct db *db, void *arg)
{
	struct expiry *a = arg;
	const int64_t *seqs = (const int64_t *)(const void *)a->found.items;
	enum store_error err = STORE_OK;

	a->expired = 0;
	for (size_t i = 0; i < a->found.len && err == STORE_OK; i++) {
		struct query q = query_start(db,
			"UPDATE messages AS m SET updated_at = ?1, "
			"state = CASE WHEN state = 4 AND policy = 2 AND maybe_duplicate = 1 THEN 9 ELSE 10 END, "
			"reason = substr('expired before it could be sent; ' || reason, 1, 255) "
			"WHERE m.seq = ?3 AND m.state IN (2, 4) AND " EXPIRED);

		query_int(&q, a->now);
		query_int(&q, DAY_MS);
		query_int(&q, seqs[i]);
		err = query_finish(&q);
		a->expired += err == STORE_OK ? (unsigned)db_changes(db) : 0;
	}
	return err;
}

enum store_error store_outbox_expire(struct store *s, int64_t now, unsigned limit, unsigned *expired)
{
	struct expiry a = {.now = now, .found = ROWS_OF(int64_t)};
	enum store_error err = limit > STORE_LIST_MAX ? STORE_INVALID : expired_find(s, &a, limit);

	if (err == STORE_OK && a.found.len > 0)
		err = core_write(s, run_expire, &a);
	rows_clear(&a.found);
	*expired = err == STORE_OK ? a.expired : 0;
	return err;
}
