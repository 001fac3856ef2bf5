/*
 * The outbox: leasing due messages and settling their attempts.
 *
 * A lease goes round the connections that have something due, a few messages of each,
 * beginning after the one served last: one connection's backlog costs the others nothing.
 */
#include <string.h>

#include "store/alias.h"
#include "store/core.h"
#include "store/message.h"

struct lease {
	int64_t now;
	unsigned limit, per_connection;
	char last[STORE_ID_LEN + 1]; /* connection served last */
	struct rows *rows;
};

/* The next connection after the id that has anything queued; "" when none. */
static enum store_error connection_next(struct db *db, const char *after, char out[static STORE_ID_LEN + 1])
{
	struct query q = query_start(db,
		"SELECT connection_id FROM messages INDEXED BY outbox_connection "
		"WHERE state IN (2, 4) AND head = 1 AND connection_id > ? ORDER BY connection_id LIMIT 1");

	char next[STORE_ID_LEN + 1] = "";
	enum store_error err;

	/* out may be after itself, which stays bound until the query ends. */
	query_text(&q, after);
	if (query_step(&q))
		query_get_text(&q, next, sizeof(next));
	err = query_end(&q);
	memcpy(out, next, sizeof(next));
	return err;
}

/* How many more this connection may have on its way; 0 also when it, or its business, may not send. */
static enum store_error connection_room(struct db *db, const char *id, unsigned per_connection, unsigned *room)
{
	struct query q = query_start(db,
		"SELECT (SELECT count(*) FROM messages INDEXED BY outbox_sending WHERE state = 3 AND connection_id = "
		"c.id) "
		"FROM connections c JOIN businesses b ON b.id = c.business_id "
		"WHERE c.id = ? AND c.status IN (1, 2, 5) AND b.status = 1");

	*room = 0;
	query_text(&q, id);
	if (query_step(&q)) {
		unsigned sending = (unsigned)query_get_int(&q);

		*room = sending < per_connection ? per_connection - sending : 0;
	}
	return query_end(&q);
}

/* Due messages of one connection, each the head of its conversation. */
static enum store_error connection_due(
	struct db *db, const struct lease *a, const char *id, unsigned room, int64_t *seqs, unsigned *len)
{
	struct query q = query_start(db,
		"SELECT m.seq FROM messages m INDEXED BY outbox_connection WHERE m.state IN (2, 4) AND m.head = 1 "
		"AND m.connection_id = ?1 AND m.next_at <= ?2 "
		"AND m.business_id = (SELECT business_id FROM connections WHERE id = ?1) "
		"ORDER BY m.next_at, m.seq LIMIT ?3");

	query_text(&q, id);
	query_int(&q, a->now);
	query_int(&q, room);
	*len = 0;
	while (*len < room && query_step(&q))
		seqs[(*len)++] = query_get_int(&q);
	return query_end(&q);
}

/* The key that the connection's messages go out with. STORE_NOT_FOUND: it has none, and they will not go out. */
static enum store_error key_read(struct db *db, const char *id, struct store_credential *key)
{
	struct query q = query_start(db,
		"SELECT k.field, k.fingerprint, k.last_used_at FROM connections c JOIN credentials k "
		"ON k.connection_id = c.id AND k.slot = 1 "
		"AND k.field = CASE c.provider WHEN 1 THEN 'access_token' ELSE 'api_key' END WHERE c.id = ?");
	enum store_error err;
	bool found;

	*key = (struct store_credential){.version = 0};
	memcpy(key->connection_id, id, sizeof(key->connection_id));
	query_text(&q, id);
	found = query_step(&q);
	if (found) {
		query_get_text(&q, key->field, sizeof(key->field));
		query_get_text(&q, key->fingerprint, sizeof(key->fingerprint));
		key->last_used_at = query_get_int(&q);
	}
	err = query_end(&q);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
}

/* Those that were leased last are about to be sent with the connection's key. */
static enum store_error key_use(struct db *db, const struct lease *a, const char *id, unsigned len)
{
	const struct store_message *messages = (const struct store_message *)(const void *)a->rows->items;
	struct store_credential key;
	enum store_error err = key_read(db, id, &key);

	if (err == STORE_NOT_FOUND)
		return STORE_OK;
	for (size_t i = a->rows->len - len; i < a->rows->len && err == STORE_OK; i++)
		err = core_audit_credential(db, messages[i].business_id, "key_used", &key, "send", messages[i].id);
	return err == STORE_OK ? core_credential_used(db, &key, a->now) : err;
}

static enum store_error lease_one(struct db *db, const struct lease *a, int64_t seq)
{
	struct query update =
		query_start(db, "UPDATE messages SET state = 3, attempts = attempts + 1, updated_at = ? WHERE seq = ?");
	struct query read;
	enum store_error err;

	query_int(&update, a->now);
	query_int(&update, seq);
	err = query_finish(&update);
	if (err != STORE_OK)
		return err;
	read = query_start(db, "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.seq = ?");
	query_int(&read, seq);
	while (query_step(&read))
		message_read(&read, a->rows);
	err = query_end(&read);
	return err == STORE_OK && a->rows->failed ? STORE_NO_MEMORY : err;
}

#define LEASE_MAX 256u
#define LEASE_SHARE 4u /* of one connection before the next one's turn */

/* One connection's turn. */
static enum store_error lease_turn(struct db *db, struct lease *a, const char *id, unsigned *leased)
{
	int64_t seqs[LEASE_SHARE];
	size_t left = a->limit - a->rows->len;
	unsigned room, len = 0;
	enum store_error err = connection_room(db, id, a->per_connection, &room);

	*leased = 0;
	if (room > LEASE_SHARE)
		room = LEASE_SHARE;
	if (room > left)
		room = (unsigned)left;
	if (err == STORE_OK && room > 0)
		err = connection_due(db, a, id, room, seqs, &len);
	for (unsigned i = 0; i < len && err == STORE_OK; i++)
		err = lease_one(db, a, seqs[i]);
	if (err == STORE_OK && len > 0)
		err = key_use(db, a, id, len);
	if (err == STORE_OK && len > 0) {
		memcpy(a->last, id, sizeof(a->last));
		*leased = len;
	}
	return err;
}

/* Once round all connections, from the one after the last served. */
static enum store_error lease_round(struct db *db, struct lease *a, unsigned *leased)
{
	char at[STORE_ID_LEN + 1], next[STORE_ID_LEN + 1], start[STORE_ID_LEN + 1];
	bool wrapped = a->last[0] == '\0';

	*leased = 0;
	memcpy(at, a->last, sizeof(at));
	memcpy(start, a->last, sizeof(start));
	while (a->rows->len < a->limit) {
		unsigned n;
		enum store_error err = connection_next(db, at, next);

		if (err != STORE_OK)
			return err;
		if (wrapped && (next[0] == '\0' || (start[0] != '\0' && strcmp(next, start) > 0)))
			return STORE_OK;
		memcpy(at, next, sizeof(at));
		if (at[0] == '\0') {
			wrapped = true;
			continue;
		}
		err = lease_turn(db, a, at, &n);
		if (err != STORE_OK)
			return err;
		*leased += n;
	}
	return STORE_OK;
}

static enum store_error run_lease(struct db *db, void *arg)
{
	struct lease *a = arg;
	unsigned leased = 1;
	enum store_error err = STORE_OK;

	while (err == STORE_OK && leased > 0 && a->rows->len < a->limit)
		err = lease_round(db, a, &leased);
	return err;
}

enum store_error store_outbox_lease(struct store *s, int64_t now, unsigned limit, unsigned per_connection,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_message);
	struct lease a = {.now = now, .limit = limit, .per_connection = per_connection, .rows = &rows};
	enum store_error err;

	if (limit == 0 || per_connection == 0)
		return STORE_INVALID;
	if (a.limit > LEASE_MAX)
		a.limit = LEASE_MAX;
	pthread_mutex_lock(&s->lock);
	memcpy(a.last, s->lease_last, sizeof(a.last));
	pthread_mutex_unlock(&s->lock);
	err = core_write(s, run_lease, &a);
	pthread_mutex_lock(&s->lock);
	memcpy(s->lease_last, a.last, sizeof(a.last));
	pthread_mutex_unlock(&s->lock);
	return messages_show(&rows, err, each, arg);
}

enum store_error store_outbox_next_due(struct store *s, int64_t *at)
{
	struct db *db = core_reader(s);
	/* The earliest of each connection, so that one's backlog is not read through. */
	struct query q = query_start(db,
		"WITH RECURSIVE waiting (id) AS (SELECT min(connection_id) FROM messages INDEXED BY outbox_connection "
		"WHERE state IN (2, 4) AND head = 1 UNION ALL SELECT (SELECT min(connection_id) FROM messages "
		"INDEXED BY outbox_connection WHERE state IN (2, 4) AND head = 1 AND connection_id > waiting.id) "
		"FROM waiting WHERE id IS NOT NULL) SELECT (SELECT min(next_at) FROM messages "
		"INDEXED BY outbox_connection WHERE state IN (2, 4) AND head = 1 AND connection_id = waiting.id) AS "
		"due "
		"FROM waiting CROSS JOIN connections c ON c.id = waiting.id CROSS JOIN businesses b ON b.id = "
		"c.business_id "
		"WHERE c.status IN (1, 2, 5) AND b.status = 1 ORDER BY due LIMIT 1");
	enum store_error err;

	*at = INT64_MAX;
	if (query_step(&q))
		*at = query_get_int(&q);
	err = query_end(&q);
	core_return(s, db);
	return err;
}

static enum store_error run_settle(struct db *db, void *arg)
{
	static const uint8_t no_index[STORE_INDEX_LEN];
	const struct store_outcome *o = arg;
	struct query q = query_start(db,
		"UPDATE messages SET state = ?, next_at = ?, error_code = ?, reason = ?, updated_at = ?, "
		"wamid_index = coalesce(?, wamid_index), wamid = coalesce(?, wamid) "
		"WHERE id = ? AND business_id = ? AND state = 3 AND attempts = ?");
	enum store_error err;

	query_int(&q, o->to);
	query_int(&q, o->next_at);
	query_int(&q, o->error_code);
	query_text(&q, o->reason != NULL ? o->reason : "");
	query_int(&q, store_now_ms());
	query_blob(&q, memcmp(o->wamid_index, no_index, sizeof(no_index)) != 0 ? o->wamid_index : NULL,
		sizeof(o->wamid_index));
	query_blob(&q, o->wamid, o->wamid_len);
	query_text(&q, o->message_id);
	query_text(&q, o->business_id);
	query_int(&q, o->attempt);
	err = query_finish(&q);
	if (err == STORE_OK && db_changes(db) == 0)
		return STORE_STALE;
	return err == STORE_OK && o->to == STORE_MESSAGE_SENT ? control_take(db, o->business_id, o->message_id) : err;
}

enum store_error store_outbox_settle(struct store *s, const struct store_outcome *outcome)
{
	struct store_outcome copy = *outcome;

	if (outcome->to != STORE_MESSAGE_SENT && outcome->to != STORE_MESSAGE_RETRY &&
		outcome->to != STORE_MESSAGE_UNKNOWN && outcome->to != STORE_MESSAGE_DEAD)
		return STORE_INVALID;
	if (!core_reason_ok(outcome->reason))
		return STORE_INVALID;
	return core_write(s, run_settle, &copy);
}

static enum store_error run_recover(struct db *db, void *arg)
{
	unsigned *recovered = arg;
	struct query q = query_start(db,
		"UPDATE messages SET state = 9, updated_at = ?, "
		"reason = 'interrupted while it was being sent' WHERE state = 3");
	enum store_error err;

	query_int(&q, store_now_ms());
	err = query_finish(&q);
	if (err == STORE_OK)
		*recovered = (unsigned)db_changes(db);
	return err;
}

enum store_error store_outbox_recover(struct store *s, unsigned *recovered)
{
	unsigned n = 0;
	enum store_error err = core_write(s, run_recover, &n);

	if (err == STORE_OK)
		*recovered = n;
	return err;
}
