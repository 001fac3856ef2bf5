/*
 * The log of messages: queueing, listing, and what statuses make of them.
 */
#include "store/message.h"

#include <string.h>

#include "store/alias.h"
#include "store/core.h"

static const uint8_t no_index[STORE_INDEX_LEN];

bool message_ok(const struct store_message *m)
{
	return m->id[0] != '\0' && m->business_id[0] != '\0' && m->content != NULL && m->content_len > 0 &&
		(m->direction == STORE_INBOUND || m->direction == STORE_OUTBOUND) &&
		m->state >= STORE_MESSAGE_RECEIVED && m->state <= STORE_MESSAGE_DEAD &&
		(!m->echo || (m->direction == STORE_OUTBOUND && m->state == STORE_MESSAGE_SENT));
}

static const uint8_t *index_or_null(const uint8_t index[static STORE_INDEX_LEN])
{
	return memcmp(index, no_index, sizeof(no_index)) != 0 ? index : NULL;
}

bool message_has_index(const struct store_message *m)
{
	return index_or_null(m->wamid_index) != NULL;
}

/* What was sent from here may have an echo that came before its id was learned: then there are both. Not all are read
 * where a shop has said one id of hundreds of messages: what else comes by that id may be taken for new. */
enum store_error message_known(struct db *db, const struct store_message *m, enum message_known *out)
{
	struct query q;

	*out = MESSAGE_NEW;
	if (!message_has_index(m))
		return STORE_OK;
	q = query_start(db,
		"SELECT direction, echo FROM messages INDEXED BY messages_wamid WHERE business_id = ? AND wamid_index "
		"= ? "
		"AND wamid_index IS NOT NULL LIMIT 256");
	query_text(&q, m->business_id);
	query_blob(&q, m->wamid_index, sizeof(m->wamid_index));
	while (*out != MESSAGE_CAME_BEFORE && query_step(&q))
		if (query_get_int(&q) == m->direction)
			*out = (query_get_int(&q) != 0) == m->echo ? MESSAGE_CAME_BEFORE : MESSAGE_SENT_HERE;
	return query_end(&q);
}

/* The column awaits is not used since migration 2: what is owed is in asks. */
enum store_error message_insert(struct db *db, const struct store_message *m)
{
	struct query q = query_start(db,
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"wamid_index, "
		"standby, echo, relation, concerns, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, policy, maybe_duplicate, "
		"expires_at, wamid, content) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
	int64_t now = m->created_at > 0 ? m->created_at : store_now_ms();

	query_text(&q, m->id);
	query_text(&q, m->business_id);
	query_text(&q, m->connection_id);
	query_text(&q, m->number);
	query_int(&q, m->direction);
	query_int(&q, m->state);
	query_text(&q, m->type);
	query_blob(&q, m->conversation, sizeof(m->conversation));
	query_blob(&q, index_or_null(m->wamid_index), sizeof(m->wamid_index));
	query_int(&q, m->standby);
	query_int(&q, m->echo);
	query_int(&q, m->relation);
	query_blob(&q, m->relation != STORE_NO_RELATION ? index_or_null(m->concerns) : NULL, sizeof(m->concerns));
	query_int(&q, now);
	query_int(&q, now);
	query_int(&q, m->next_at);
	query_int(&q, m->attempts);
	query_int(&q, m->error_code);
	query_text(&q, m->reason);
	query_int(&q, m->policy == STORE_AT_LEAST_ONCE ? STORE_AT_LEAST_ONCE : STORE_AT_MOST_ONCE);
	query_int(&q, m->maybe_duplicate);
	query_int(&q, m->expires_at);
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
	m->created_at = query_get_int(q);
	m->updated_at = query_get_int(q);
	m->next_at = query_get_int(q);
	m->attempts = (uint32_t)query_get_int(q);
	m->error_code = (int32_t)query_get_int(q);
	query_get_text(q, m->reason, sizeof(m->reason));
	m->policy = (enum store_policy)query_get_int(q);
	m->maybe_duplicate = query_get_int(q) != 0;
	m->expires_at = query_get_int(q);
	m->discarded_at = query_get_int(q);
	m->standby = query_get_int(q) != 0;
	m->echo = query_get_int(q) != 0;
	m->relation = (enum store_relation)query_get_int(q);
	query_get_fixed(q, m->concerns, sizeof(m->concerns));
	m->played_at = query_get_int(q);
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

struct settled_row {
	int64_t seq; /* 0: there is none */
	unsigned state;
	char connection_id[STORE_ID_LEN + 1];
};

/* The row a settlement speaks of: by our id, else by the provider's. Outbound ones only. */
static enum store_error settlement_find(
	struct db *db, const char *business_id, const struct store_settlement *st, struct settled_row *row)
{
	bool by_id = st->message_id[0] != '\0';
	struct query q = by_id
		? query_start(db,
			  "SELECT seq, state, connection_id FROM messages WHERE id = ? AND business_id = ? "
			  "AND direction = 2")
		: query_start(db,
			  "SELECT seq, state, connection_id FROM messages WHERE wamid_index = ? AND business_id = ? "
			  "AND wamid_index IS NOT NULL AND direction = 2 ORDER BY seq DESC LIMIT 1");

	*row = (struct settled_row){.seq = 0};
	if (by_id)
		query_text(&q, st->message_id);
	else
		query_blob(&q, st->wamid_index, sizeof(st->wamid_index));
	query_text(&q, business_id);
	if (query_step(&q)) {
		row->seq = query_get_int(&q);
		row->state = (unsigned)query_get_int(&q);
		query_get_text(&q, row->connection_id, sizeof(row->connection_id));
	}
	return query_end(&q);
}

/* Only sound is played; the first time counts. */
static enum store_error played_note(struct db *db, int64_t seq, int64_t at)
{
	struct query q =
		query_start(db, "UPDATE messages SET played_at = ? WHERE seq = ? AND type = 'audio' AND played_at = 0");

	query_int(&q, at > 0 ? at : store_now_ms());
	query_int(&q, seq);
	return query_finish(&q);
}

enum store_error message_settle(
	struct db *db, const char *business_id, const struct store_settlement *st, char freed[static STORE_ID_LEN + 1])
{
	struct store_settlement by_wamid = *st;
	struct settled_row row;
	enum store_error err = settlement_find(db, business_id, st, &row);
	struct query q;

	/* An id of ours that is gone, or was forged by the client: the provider's own id may still say. What was
	 * sealed for that other record does not go along. */
	if (err == STORE_OK && row.seq == 0 && st->message_id[0] != '\0') {
		by_wamid.message_id[0] = '\0';
		by_wamid.wamid = NULL;
		st = &by_wamid;
		err = settlement_find(db, business_id, st, &row);
	}
	if (err == STORE_OK && row.seq != 0 && st->played)
		err = played_note(db, row.seq, st->at);
	if (err != STORE_OK || row.seq == 0 || (st->from_states & STORE_STATE_BIT(row.state)) == 0)
		return err;
	if (row.state == STORE_MESSAGE_RETRY)
		memcpy(freed, row.connection_id, sizeof(row.connection_id));
	q = query_start(db,
		"UPDATE messages SET state = ?, error_code = ?, reason = ?, updated_at = ?, "
		"wamid_index = coalesce(wamid_index, ?), wamid = coalesce(wamid, ?) WHERE seq = ? AND business_id = ?");
	query_int(&q, st->to);
	query_int(&q, st->error_code);
	query_text(&q, st->reason != NULL ? st->reason : "");
	query_int(&q, st->at > 0 ? st->at : store_now_ms());
	query_blob(&q, index_or_null(st->wamid_index), sizeof(st->wamid_index));
	query_blob(&q, st->wamid, st->wamid_len);
	query_int(&q, row.seq);
	query_text(&q, business_id);
	return query_finish(&q);
}

/* ------------------------------------------------------------ queueing */

struct queueing {
	const struct store_message *message;
	const struct store_once_end *once;
};

static enum store_error run_queue(struct db *db, void *arg)
{
	const struct queueing *a = arg;
	struct store_message m = *a->message;
	enum store_error err = core_connection_exists(db, m.business_id, m.connection_id);

	if (err == STORE_OK && m.replaces != NULL)
		err = message_discard(db, m.business_id, m.replaces);
	if (err == STORE_OK)
		err = alias_resolve(db, m.business_id, m.conversation);
	if (err == STORE_OK)
		err = message_insert(db, &m);
	if (err == STORE_OK && a->once != NULL)
		err = core_once_end(db, m.business_id, a->once);
	return err;
}

enum store_error store_message_queue(struct store *s, const struct store_message *m, const struct store_once_end *once)
{
	struct queueing a = {m, once};

	if (!message_ok(m) || m->direction != STORE_OUTBOUND || m->state != STORE_MESSAGE_QUEUED)
		return STORE_INVALID;
	if (once != NULL && !core_once_ok(once))
		return STORE_INVALID;
	return core_write(s, run_queue, &a);
}

/* ------------------------------------------------------------ conversations */

enum store_error store_conversation_paused(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t now, bool *paused)
{
	struct db *db = core_reader(s);
	struct query q = query_start(
		db, "SELECT 1 FROM pauses WHERE business_id = ?1 AND conversation = " ALIAS_OF " AND until > ?3");
	enum store_error err;

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	query_int(&q, now);
	err = query_exists(&q);
	core_return(s, db);
	*paused = err == STORE_OK;
	return err == STORE_NOT_FOUND ? STORE_OK : err;
}

enum store_error store_conversation_last(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], struct store_place *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT connection_id, number, seq FROM messages INDEXED BY messages_conversation "
		"WHERE business_id = ?1 AND conversation = " ALIAS_OF " ORDER BY seq DESC LIMIT 1");
	enum store_error err;
	bool found;

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	found = query_step(&q);
	if (found) {
		query_get_text(&q, out->connection_id, sizeof(out->connection_id));
		query_get_text(&q, out->number, sizeof(out->number));
		out->turn = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	return err != STORE_OK ? err : found ? STORE_OK : STORE_NOT_FOUND;
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

/* ------------------------------------------------------------ ties */

#define TIES_MAX 1000 /* to one message: nobody edits it that often */
/* In a query whose ?1 is the business, ?2 a message's conversation and ?3 its direction: whether a row that goes with it
 * is by the same writer. Only he edits and revokes a message (relations 1 and 2), while anybody reacts to it. */
#define SAME_WRITER                                                                                                    \
	"direction = ?3 AND coalesce((SELECT b.conversation FROM aliases b WHERE b.business_id = ?1 "                  \
	"AND b.alias = messages.conversation), messages.conversation) = " ALIAS_OF

static void bind_writer(struct query *q, const struct store_message *m)
{
	query_text(q, m->business_id);
	query_blob(q, m->conversation, sizeof(m->conversation));
	query_int(q, m->direction);
}

static enum store_error tie_concerns(struct db *db, const struct store_message *m, struct store_ties *out)
{
	struct query q = query_start(db,
		"SELECT id FROM messages WHERE business_id = ?1 AND wamid_index = ?4 AND wamid_index IS NOT NULL "
		"AND (?5 OR " SAME_WRITER ") ORDER BY seq DESC LIMIT 1");

	bind_writer(&q, m);
	query_blob(&q, m->concerns, sizeof(m->concerns));
	query_int(&q, m->relation == STORE_REACTS || m->relation == STORE_UNREACTS);
	if (query_step(&q))
		query_get_text(&q, out->concerns, sizeof(out->concerns));
	return query_end(&q);
}

/* What others say of the message that goes by this index. */
static enum store_error tie_others(
	struct db *db, const struct store_message *m, const uint8_t *index, struct store_ties *out)
{
	struct query q = query_start(db,
		"SELECT relation, id, created_at FROM messages INDEXED BY messages_concerns WHERE business_id = ?1 "
		"AND concerns = ?4 AND concerns IS NOT NULL AND (relation > 2 OR " SAME_WRITER ") "
		"ORDER BY seq DESC LIMIT ?5");
	bool reacted = false;

	bind_writer(&q, m);
	query_blob(&q, index, STORE_INDEX_LEN);
	query_int(&q, TIES_MAX);
	while (query_step(&q)) {
		const enum store_relation relation = (enum store_relation)query_get_int(&q);
		char id[STORE_ID_LEN + 1];
		int64_t at;

		query_get_text(&q, id, sizeof(id));
		at = query_get_int(&q);
		if (relation == STORE_REVOKES)
			out->revoked_at = at;
		else if (relation == STORE_EDITS && out->edited_at == 0)
			out->edited_at = at;
		else if (relation == STORE_REACTS && !reacted)
			memcpy(out->reaction, id, sizeof(id));
		reacted = reacted || relation == STORE_REACTS || relation == STORE_UNREACTS;
	}
	return query_end(&q);
}

enum store_error store_message_ties(struct store *s, const struct store_message *m, struct store_ties *out)
{
	struct store_ties ties = {.edited_at = 0}, original = {.edited_at = 0};
	struct db *db = core_reader(s);
	enum store_error err = STORE_OK;

	if (m->relation != STORE_NO_RELATION && index_or_null(m->concerns) != NULL)
		err = tie_concerns(db, m, &ties);
	if (err == STORE_OK && index_or_null(m->wamid_index) != NULL)
		err = tie_others(db, m, m->wamid_index, &ties);
	/* What an edit says goes with the message that it is of. */
	if (err == STORE_OK && m->relation == STORE_EDITS && index_or_null(m->concerns) != NULL)
		err = tie_others(db, m, m->concerns, &original);
	core_return(s, db);
	if (ties.revoked_at == 0)
		ties.revoked_at = original.revoked_at;
	if (err == STORE_OK)
		*out = ties;
	return err;
}

/* ------------------------------------------------------------ listing */

/* Content held at once: a shop may sign itself messages of megabytes, and ask for pages of them. */
#define PART_BYTES (size_t)(4u * 1024u * 1024u)

struct listing {
	const char *business_id;
	const struct store_message_filter *filter;
	bool ascending;
	int64_t at; /* behind this row it goes on */
	unsigned left;
	bool (*each)(const struct store_message *m, void *arg);
	void *arg;
};

/* Reads on, until there is no more, enough, or much to hold. */
static enum store_error list_part(struct db *db, struct listing *l, struct rows *rows)
{
	const struct store_message_filter *f = l->filter;
	size_t held = 0;
	struct query q = l->ascending
		? query_start(db,
			  "SELECT " MESSAGE_COLUMNS
			  ", m.seq FROM messages m WHERE m.business_id = ?1 AND m.seq > ?2 AND "
			  "(?3 = 0 OR m.direction = ?3) AND (?4 = 0 OR m.state = ?4) AND "
			  "(?6 = 0 OR (?6 = 1) = (m.discarded_at > 0)) ORDER BY m.seq LIMIT ?5")
		: query_start(db,
			  "SELECT " MESSAGE_COLUMNS
			  ", m.seq FROM messages m WHERE m.business_id = ?1 AND m.seq < ?2 AND "
			  "(?3 = 0 OR m.direction = ?3) AND (?4 = 0 OR m.state = ?4) AND "
			  "(?6 = 0 OR (?6 = 1) = (m.discarded_at > 0)) ORDER BY m.seq DESC LIMIT ?5");

	query_text(&q, l->business_id);
	query_int(&q, l->at);
	query_int(&q, f != NULL ? (int64_t)f->direction : 0);
	query_int(&q, f != NULL ? (int64_t)f->state : 0);
	query_int(&q, l->left);
	query_int(&q, f != NULL ? (int64_t)f->discarded : 0);
	while (held < PART_BYTES && !rows->failed && query_step(&q)) {
		message_read(&q, rows);
		if (rows->failed)
			break;
		l->at = query_get_int(&q);
		l->left--;
		held += ((struct store_message *)(void *)rows->items)[rows->len - 1].content_len;
	}
	if (held < PART_BYTES)
		l->left = 0;
	return query_end(&q);
}

static bool list_one(const struct store_message *m, void *arg)
{
	struct listing *l = arg;
	const bool more = l->each(m, l->arg);

	if (!more)
		l->left = 0;
	return more;
}

enum store_error store_message_list(struct store *s, const char *business_id, const struct store_message_filter *filter,
	const struct store_page *page, bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct listing l = {business_id, filter, page->ascending, 0, page->limit, each, arg};
	struct db *db = core_reader(s);
	enum store_error err = core_page_start(
		db, "SELECT seq FROM messages WHERE business_id = ? AND id = ?", business_id, page, &l.at);

	core_return(s, db);
	while (err == STORE_OK && l.left > 0) {
		struct rows rows = ROWS_OF(struct store_message);

		db = core_reader(s);
		err = list_part(db, &l, &rows);
		core_return(s, db);
		err = messages_show(&rows, err, list_one, &l);
	}
	return err;
}
