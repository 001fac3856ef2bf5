/*
 * When a customer was last heard of, which decides whether he may be written to freely. What came in under a name of a
 * conversation before it went under another stays there: all its names are looked at, and of each only its newest rows.
 */
#include <string.h>

#include "store/alias.h"
#include "store/core.h"
#include "store/message.h"

#define UNSETTLED_LOOKED_AT 256
#define CONTENT_BYTES (size_t)(4u * 1024u * 1024u) /* held at once */

struct names {
	uint8_t list[STORE_HEARD_NAMES][STORE_INDEX_LEN];
	size_t len;
	bool more;
};

/* The conversation it goes under comes first. */
static enum store_error names_read(
	struct db *db, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], struct names *out)
{
	enum store_error err;
	struct query q;

	memcpy(out->list[0], conversation, STORE_INDEX_LEN);
	out->len = 1;
	out->more = false;
	err = alias_resolve(db, business_id, out->list[0]);
	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"SELECT alias FROM aliases INDEXED BY aliases_conversation WHERE business_id = ? AND conversation = ? "
		"LIMIT ?");
	query_text(&q, business_id);
	query_blob(&q, out->list[0], STORE_INDEX_LEN);
	query_int(&q, STORE_HEARD_NAMES);
	while (query_step(&q)) {
		out->more = out->len == STORE_HEARD_NAMES;
		if (!out->more)
			query_get_fixed(&q, out->list[out->len++], STORE_INDEX_LEN);
	}
	return query_end(&q);
}

/* The newest rows of one name: the latest time of a message of the customer's, and whether there may be later ones. An
 * event may be settled late: the last row is not always the latest message. */
static enum store_error wrote_read(struct db *db, const char *business_id, const uint8_t name[static STORE_INDEX_LEN],
	int64_t enough, struct store_heard *out)
{
	struct query q = query_start(db,
		"SELECT direction, type = 'system', created_at FROM messages INDEXED BY messages_conversation "
		"WHERE business_id = ? AND conversation = ? ORDER BY seq DESC LIMIT ?");
	unsigned rows = 0;
	bool found = false;

	query_text(&q, business_id);
	query_blob(&q, name, STORE_INDEX_LEN);
	query_int(&q, STORE_HEARD_ROWS);
	while (out->at <= enough && query_step(&q)) {
		const bool his = query_get_int(&q) == STORE_INBOUND, system = query_get_int(&q) != 0;
		const int64_t at = query_get_int(&q);

		rows++;
		if (!his || system)
			continue;
		found = true;
		if (at > out->at)
			out->at = at;
	}
	if (!found && rows == STORE_HEARD_ROWS)
		out->all = false;
	return query_end(&q);
}

static enum store_error call_read(
	struct db *db, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], int64_t *at)
{
	struct query q = query_start(db, "SELECT at FROM calls WHERE business_id = ? AND conversation = ?");

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	if (query_step(&q)) {
		const int64_t rang = query_get_int(&q);

		*at = rang > *at ? rang : *at;
	}
	return query_end(&q);
}

/* The first of all that wait: they are in no order by business. */
static enum store_error unsettled_read(struct db *db, const char *business_id, bool *unsettled)
{
	struct query q = query_start(db,
		"SELECT count(*) = ?2 OR coalesce(max(business_id = ?1), 0) FROM (SELECT business_id FROM events "
		"INDEXED BY events_unsettled WHERE state = 1 ORDER BY seq LIMIT ?2)");

	query_text(&q, business_id);
	query_int(&q, UNSETTLED_LOOKED_AT);
	*unsettled = query_step(&q) && query_get_int(&q) != 0;
	return query_end(&q);
}

enum store_error store_conversation_heard(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t enough, struct store_heard *out)
{
	struct store_heard heard = {.all = true};
	struct db *db = core_reader(s);
	struct names names;
	/* Before the log: what is settled meanwhile is seen there. */
	enum store_error err = unsettled_read(db, business_id, &heard.unsettled);

	if (err == STORE_OK)
		err = names_read(db, business_id, conversation, &names);
	if (err == STORE_OK)
		err = call_read(db, business_id, names.list[0], &heard.at);
	for (size_t i = 0; err == STORE_OK && i < names.len && heard.at <= enough; i++)
		err = wrote_read(db, business_id, names.list[i], enough, &heard);
	core_return(s, db);
	if (err == STORE_OK) {
		heard.all = heard.all && !names.more;
		*out = heard;
	}
	return err;
}

/* Of one name, into rows, until there are too many. */
static enum store_error since_read(struct db *db, const char *business_id, const uint8_t name[static STORE_INDEX_LEN],
	int64_t since, struct rows *rows)
{
	struct query q = query_start(db,
		"SELECT " MESSAGE_COLUMNS " FROM (SELECT seq FROM messages INDEXED BY messages_conversation "
		"WHERE business_id = ?1 AND conversation = ?2 ORDER BY seq DESC LIMIT ?4) n JOIN messages m "
		"ON m.seq = n.seq WHERE m.direction = 1 AND m.type <> 'system' AND m.created_at > ?3 "
		"ORDER BY m.seq DESC");
	enum store_error err = STORE_OK;
	size_t held = 0;

	query_text(&q, business_id);
	query_blob(&q, name, STORE_INDEX_LEN);
	query_int(&q, since);
	query_int(&q, STORE_HEARD_ROWS);
	while (err == STORE_OK && query_step(&q)) {
		if (rows->len == STORE_HEARD_MESSAGES || held > CONTENT_BYTES) {
			err = STORE_TOO_MANY;
			break;
		}
		message_read(&q, rows);
		if (rows->failed)
			break;
		held += ((struct store_message *)(void *)rows->items)[rows->len - 1].content_len;
	}
	if (err == STORE_OK)
		return query_end(&q);
	(void)query_end(&q);
	return err;
}

enum store_error store_conversation_wrote(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t since,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_message);
	struct db *db = core_reader(s);
	struct names names;
	enum store_error err = names_read(db, business_id, conversation, &names), shown;

	for (size_t i = 0; err == STORE_OK && i < names.len; i++)
		err = since_read(db, business_id, names.list[i], since, &rows);
	core_return(s, db);
	shown = messages_show(&rows, err == STORE_TOO_MANY ? STORE_OK : err, each, arg);
	return err == STORE_TOO_MANY && shown == STORE_OK ? err : shown;
}

enum store_error call_note(
	struct db *db, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], int64_t at)
{
	struct query q = query_start(db,
		"INSERT INTO calls (business_id, conversation, at) VALUES (?, ?, ?) "
		"ON CONFLICT DO UPDATE SET at = max(at, excluded.at)");

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	query_int(&q, at);
	return query_finish(&q);
}
