/*
 * The log of messages: queueing, answering, listing, and what statuses make of them.
 */
#include "store/message.h"

#include <string.h>

#include "store/core.h"

static const uint8_t no_index[STORE_INDEX_LEN];

bool message_ok(const struct store_message *m)
{
	return m->id[0] != '\0' && m->business_id[0] != '\0' && m->content != NULL && m->content_len > 0 &&
		(m->direction == STORE_INBOUND || m->direction == STORE_OUTBOUND) &&
		m->state >= STORE_MESSAGE_RECEIVED && m->state <= STORE_MESSAGE_DEAD;
}

enum store_error message_insert(struct db *db, const struct store_message *m)
{
	struct query q = query_start(db,
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"wamid_index, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, wamid, content) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	int64_t now = m->created_at > 0 ? m->created_at : store_now_ms();

	query_text(&q, m->id);
	query_text(&q, m->business_id);
	query_text(&q, m->connection_id);
	query_text(&q, m->number);
	query_int(&q, m->direction);
	query_int(&q, m->state);
	query_text(&q, m->type);
	query_blob(&q, m->conversation, sizeof(m->conversation));
	query_blob(&q, memcmp(m->wamid_index, no_index, sizeof(no_index)) != 0 ? m->wamid_index : NULL,
		sizeof(m->wamid_index));
	query_int(&q, m->awaits_answer);
	query_int(&q, now);
	query_int(&q, now);
	query_int(&q, m->next_at);
	query_int(&q, m->attempts);
	query_int(&q, m->error_code);
	query_text(&q, m->reason);
	query_blob(&q, m->wamid, m->wamid_len);
	query_blob(&q, m->content, m->content_len);
	return query_finish(&q);
}

void message_read(struct query *q, struct rows *rows)
{
	struct store_message *m = rows_add(rows);
	const uint8_t *blob;

	if (m == NULL)
		return;
	query_get_text(q, m->id, sizeof(m->id));
	query_get_text(q, m->business_id, sizeof(m->business_id));
	query_get_text(q, m->connection_id, sizeof(m->connection_id));
	query_get_text(q, m->number, sizeof(m->number));
	m->direction = (enum store_direction)query_get_int(q);
	m->state = (enum store_message_state)query_get_int(q);
	query_get_text(q, m->type, sizeof(m->type));
	query_get_fixed(q, m->conversation, sizeof(m->conversation));
	query_get_fixed(q, m->wamid_index, sizeof(m->wamid_index));
	m->awaits_answer = query_get_int(q) != 0;
	m->created_at = query_get_int(q);
	m->updated_at = query_get_int(q);
	m->next_at = query_get_int(q);
	m->attempts = (uint32_t)query_get_int(q);
	m->error_code = (int32_t)query_get_int(q);
	query_get_text(q, m->reason, sizeof(m->reason));
	blob = query_get_blob(q, &m->wamid_len);
	m->wamid = rows_keep(rows, blob, m->wamid_len);
	blob = query_get_blob(q, &m->content_len);
	m->content = rows_keep(rows, blob, m->content_len);
}

enum store_error messages_show(
	struct rows *rows, enum store_error err, bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	if (err == STORE_OK && rows->failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows->len; i++)
		if (!each(&((struct store_message *)(void *)rows->items)[i], arg))
			break;
	rows_clear(rows);
	return err;
}

/* ------------------------------------------------------------ statuses */

/* The row a settlement speaks of: by our id, else by the provider's. Outbound ones only. */
static enum store_error settlement_find(
	struct db *db, const char *business_id, const struct store_settlement *st, int64_t *seq, unsigned *state)
{
	bool by_id = st->message_id[0] != '\0';
	struct query q = by_id ? query_start(db,
					 "SELECT seq, state FROM messages WHERE id = ? AND business_id = ? "
					 "AND direction = 2")
			       : query_start(db,
					 "SELECT seq, state FROM messages WHERE wamid_index = ? AND business_id = ? "
					 "AND wamid_index IS NOT NULL AND direction = 2 ORDER BY seq DESC LIMIT 1");

	*seq = 0;
	if (by_id)
		query_text(&q, st->message_id);
	else
		query_blob(&q, st->wamid_index, sizeof(st->wamid_index));
	query_text(&q, business_id);
	if (query_step(&q)) {
		*seq = query_get_int(&q);
		*state = (unsigned)query_get_int(&q);
	}
	return query_end(&q);
}

enum store_error message_settle(struct db *db, const char *business_id, const struct store_settlement *st)
{
	struct store_settlement by_wamid = *st;
	int64_t seq;
	unsigned state = 0;
	enum store_error err = settlement_find(db, business_id, st, &seq, &state);
	struct query q;

	/* An id of ours that is gone, or was forged by the client: the provider's own id may still say. What was
	 * sealed for that other record does not go along. */
	if (err == STORE_OK && seq == 0 && st->message_id[0] != '\0') {
		by_wamid.message_id[0] = '\0';
		by_wamid.wamid = NULL;
		st = &by_wamid;
		err = settlement_find(db, business_id, st, &seq, &state);
	}
	if (err != STORE_OK || seq == 0 || (st->from_states & STORE_STATE_BIT(state)) == 0)
		return err;
	q = query_start(db,
		"UPDATE messages SET state = ?, error_code = ?, reason = ?, updated_at = ?, "
		"wamid_index = coalesce(wamid_index, ?), wamid = coalesce(wamid, ?) WHERE seq = ? AND business_id = ?");
	query_int(&q, st->to);
	query_int(&q, st->error_code);
	query_text(&q, st->reason != NULL ? st->reason : "");
	query_int(&q, st->at > 0 ? st->at : store_now_ms());
	query_blob(&q, memcmp(st->wamid_index, no_index, sizeof(no_index)) != 0 ? st->wamid_index : NULL,
		sizeof(st->wamid_index));
	query_blob(&q, st->wamid, st->wamid_len);
	query_int(&q, seq);
	query_text(&q, business_id);
	return query_finish(&q);
}

/* ------------------------------------------------------------ answering and queueing */

enum store_error store_message_awaiting(
	struct store *s, unsigned limit, bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_message);
	struct db *db = core_reader(s);
	struct query q =
		query_start(db, "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.awaits = 1 ORDER BY m.seq LIMIT ?");
	enum store_error err;

	query_int(&q, limit);
	while (query_step(&q))
		message_read(&q, &rows);
	err = query_end(&q);
	core_return(s, db);
	return messages_show(&rows, err, each, arg);
}

#define ANSWERS_MAX 5u

enum store_error store_conversation_paused(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t now, bool *paused)
{
	struct db *db = core_reader(s);
	struct query q =
		query_start(db, "SELECT 1 FROM pauses WHERE business_id = ? AND conversation = ? AND until > ?");
	enum store_error err;

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	query_int(&q, now);
	err = query_exists(&q);
	core_return(s, db);
	*paused = err == STORE_OK;
	return err == STORE_NOT_FOUND ? STORE_OK : err;
}

struct answer {
	const char *business_id, *message_id;
	const struct store_message *answers;
	size_t answers_len;
};

static enum store_error message_exists(struct db *db, const char *business_id, const char *id)
{
	struct query q = query_start(db, "SELECT 1 FROM messages WHERE business_id = ? AND id = ?");

	query_text(&q, business_id);
	query_text(&q, id);
	return query_exists(&q);
}

/* The connection may have gone while the answer was written: then it is logged as dead. */
static enum store_error answer_insert(struct db *db, const struct store_message *m)
{
	static const char gone[] = "its connection was removed";
	enum store_error err = core_connection_exists(db, m->business_id, m->connection_id);
	struct store_message dead;

	if (err != STORE_NOT_FOUND)
		return err == STORE_OK ? message_insert(db, m) : err;
	dead = *m;
	dead.state = STORE_MESSAGE_DEAD;
	memcpy(dead.reason, gone, sizeof(gone));
	return message_insert(db, &dead);
}

static enum store_error run_answer(struct db *db, void *arg)
{
	const struct answer *a = arg;
	struct query q = query_start(
		db, "UPDATE messages SET awaits = 0, updated_at = ? WHERE id = ? AND business_id = ? AND awaits = 1");
	enum store_error err;

	query_int(&q, store_now_ms());
	query_text(&q, a->message_id);
	query_text(&q, a->business_id);
	err = query_finish(&q);
	if (err == STORE_OK && db_changes(db) == 0)
		err = message_exists(db, a->business_id, a->message_id) == STORE_NOT_FOUND ? STORE_NOT_FOUND
											   : STORE_STALE;
	for (size_t i = 0; i < a->answers_len && err == STORE_OK; i++)
		err = answer_insert(db, &a->answers[i]);
	return err;
}

enum store_error store_message_answer(struct store *s, const char *business_id, const char *message_id,
	const struct store_message *answers, size_t answers_len)
{
	struct answer a = {business_id, message_id, answers, answers_len};

	if (answers_len > ANSWERS_MAX)
		return STORE_INVALID;
	for (size_t i = 0; i < answers_len; i++)
		if (!message_ok(&answers[i]) || answers[i].direction != STORE_OUTBOUND ||
			answers[i].state != STORE_MESSAGE_QUEUED || strcmp(answers[i].business_id, business_id) != 0)
			return STORE_INVALID;
	return core_write(s, run_answer, &a);
}

static enum store_error run_queue(struct db *db, void *arg)
{
	const struct store_message *m = arg;
	enum store_error err = core_connection_exists(db, m->business_id, m->connection_id);

	return err == STORE_OK ? message_insert(db, m) : err;
}

enum store_error store_message_queue(struct store *s, const struct store_message *m)
{
	struct store_message copy = *m;

	if (!message_ok(m) || m->direction != STORE_OUTBOUND || m->state != STORE_MESSAGE_QUEUED)
		return STORE_INVALID;
	return core_write(s, run_queue, &copy);
}

/* ------------------------------------------------------------ reading */

enum store_error store_message_get(struct store *s, const char *business_id, const char *id,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_message);
	struct db *db = core_reader(s);
	struct query q =
		query_start(db, "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.business_id = ? AND m.id = ?");
	enum store_error err;

	query_text(&q, business_id);
	query_text(&q, id);
	while (query_step(&q))
		message_read(&q, &rows);
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.len == 0 && !rows.failed)
		err = STORE_NOT_FOUND;
	return messages_show(&rows, err, each, arg);
}

enum store_error store_message_list(struct store *s, const char *business_id, const struct store_message_filter *filter,
	const struct store_page *page, bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_message);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM messages WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err == STORE_OK) {
		q = page->ascending ? query_start(db,
					      "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.business_id = ?1 AND "
					      "m.seq > ?2 AND (?3 = 0 OR m.direction = ?3) "
					      "AND (?4 = 0 OR m.state = ?4) ORDER BY m.seq LIMIT ?5")
				    : query_start(db,
					      "SELECT " MESSAGE_COLUMNS " FROM messages m WHERE m.business_id = ?1 AND "
					      "m.seq < ?2 AND (?3 = 0 OR m.direction = ?3) "
					      "AND (?4 = 0 OR m.state = ?4) ORDER BY m.seq DESC LIMIT ?5");
		query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, filter != NULL ? (int64_t)filter->direction : 0);
		query_int(&q, filter != NULL ? (int64_t)filter->state : 0);
		query_int(&q, page->limit);
		while (query_step(&q))
			message_read(&q, &rows);
		err = query_end(&q);
	}
	core_return(s, db);
	return messages_show(&rows, err, each, arg);
}
