/*
 * The names of conversations. A customer is known by a user id or by a phone number, by
 * blind index like all that identifies him; once an update brings two of his names, what
 * comes under either goes under the one that was known first. An alias leads straight to
 * it, so that a look-up is one step. Called inside the changes of event.c, message.c, ask.c.
 */
#include "store/alias.h"

#include <string.h>

#include "store/core.h"

enum store_error alias_resolve(struct db *db, const char *business_id, uint8_t conversation[static STORE_INDEX_LEN])
{
	struct query q = query_start(db, "SELECT conversation FROM aliases WHERE business_id = ? AND alias = ?");
	uint8_t found[STORE_INDEX_LEN];
	bool is_alias;
	enum store_error err;

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	is_alias = query_step(&q);
	if (is_alias)
		query_get_fixed(&q, found, sizeof(found));
	err = query_end(&q);
	if (err == STORE_OK && is_alias)
		memcpy(conversation, found, sizeof(found));
	return err;
}

/* ------------------------------------------------------------ joining */

/* Where its oldest message stands; INT64_MAX: it has none. */
static enum store_error known_since(
	struct db *db, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], int64_t *seq)
{
	struct query q = query_start(db,
		"SELECT seq FROM messages INDEXED BY messages_conversation WHERE business_id = ? AND conversation = ? "
		"ORDER BY seq LIMIT 1");

	*seq = INT64_MAX;
	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	if (query_step(&q))
		*seq = query_get_int(&q);
	return query_end(&q);
}

#define MOVED_MAX 200u /* of each kind */

/* Whether so much waits under it, or so many names lead to it, that moving it would keep the writer from others: what one
 * shop signs itself may be any number. */
static enum store_error is_large(
	struct db *db, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], bool *large)
{
	struct query q = query_start(db,
		"SELECT EXISTS (SELECT 1 FROM asks WHERE business_id = ?1 AND conversation = ?2 LIMIT 1 OFFSET ?3) OR "
		"EXISTS (SELECT 1 FROM messages INDEXED BY outbox_conversation WHERE business_id = ?1 AND "
		"conversation = ?2 AND state >= 2 AND state <= 4 LIMIT 1 OFFSET ?3) OR "
		"EXISTS (SELECT 1 FROM aliases WHERE business_id = ?1 AND conversation = ?2 LIMIT 1 OFFSET ?3)");

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	query_int(&q, MOVED_MAX);
	*large = query_step(&q) && query_get_int(&q) != 0;
	return query_end(&q);
}

/* Everything that is still to happen under from happens under to, which is another: in what order, how long the bot is
 * silent, and who answers. What has happened stays where it is. Of two that were the head of their queues, each its
 * oldest, one is left. It costs what is under from, not what is under to. */
static enum store_error move(struct db *db, const char *business_id, const uint8_t from[static STORE_INDEX_LEN],
	const uint8_t to[static STORE_INDEX_LEN])
{
	static const char *const steps[] = {
		"UPDATE aliases SET conversation = ?3 WHERE business_id = ?1 AND conversation = ?2",
		("INSERT INTO aliases (business_id, alias, conversation) VALUES (?1, ?2, ?3) "
		 "ON CONFLICT DO UPDATE SET conversation = excluded.conversation"),
		("INSERT INTO pauses (business_id, conversation, until) SELECT business_id, ?3, until FROM pauses "
		 "WHERE business_id = ?1 AND conversation = ?2 ON CONFLICT DO UPDATE SET until = max(until, "
		 "excluded.until)"),
		"DELETE FROM pauses WHERE business_id = ?1 AND conversation = ?2 AND ?3 <> ?2",
		("INSERT INTO controls (business_id, conversation, holder, at) SELECT business_id, ?3, holder, at FROM "
		 "controls WHERE business_id = ?1 AND conversation = ?2 ON CONFLICT DO UPDATE SET "
		 "holder = excluded.holder, at = excluded.at WHERE excluded.at > controls.at"),
		"DELETE FROM controls WHERE business_id = ?1 AND conversation = ?2 AND ?3 <> ?2",
		("INSERT INTO calls (business_id, conversation, at) SELECT business_id, ?3, at FROM calls "
		 "WHERE business_id = ?1 AND conversation = ?2 ON CONFLICT DO UPDATE SET at = max(at, excluded.at)"),
		"DELETE FROM calls WHERE business_id = ?1 AND conversation = ?2 AND ?3 <> ?2",
		("UPDATE messages SET head = 0 WHERE seq = max((SELECT min(o.seq) FROM messages o INDEXED BY "
		 "outbox_conversation WHERE o.state >= 2 AND o.state <= 4 AND o.business_id = ?1 AND o.conversation = "
		 "?2), (SELECT min(o.seq) FROM messages o INDEXED BY outbox_conversation WHERE o.state >= 2 AND "
		 "o.state <= 4 AND o.business_id = ?1 AND o.conversation = ?3))"),
		("UPDATE messages INDEXED BY outbox_conversation SET conversation = ?3 WHERE business_id = ?1 AND "
		 "conversation = ?2 AND state >= 2 AND state <= 4"),
		("UPDATE asks SET head = 0 WHERE seq = max((SELECT min(o.seq) FROM asks o WHERE o.business_id = ?1 AND "
		 "o.conversation = ?2), (SELECT min(o.seq) FROM asks o WHERE o.business_id = ?1 AND o.conversation = "
		 "?3))"),
		"UPDATE asks SET conversation = ?3 WHERE business_id = ?1 AND conversation = ?2",
	};
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]) && err == STORE_OK; i++) {
		struct query q = query_start(db, steps[i]);

		query_text(&q, business_id);
		query_blob(&q, from, STORE_INDEX_LEN);
		query_blob(&q, to, STORE_INDEX_LEN);
		err = query_finish(&q);
	}
	return err;
}

struct known {
	uint8_t conversation[STORE_INDEX_LEN];
	int64_t since;
	bool large;
};

/* Of all that the names go under, the one to go under from now on: one that is large, else the oldest. */
static enum store_error find_first(
	struct db *db, const char *business_id, struct known *known, size_t len, const struct known **out)
{
	enum store_error err = STORE_OK;

	*out = &known[0];
	for (size_t i = 0; i < len && err == STORE_OK; i++) {
		struct known *k = &known[i];

		err = known_since(db, business_id, k->conversation, &k->since);
		if (err == STORE_OK)
			err = is_large(db, business_id, k->conversation, &k->large);
		if (k->large > (*out)->large || (k->large == (*out)->large && k->since < (*out)->since))
			*out = k;
	}
	return err;
}

enum store_error alias_join(struct db *db, const char *business_id, const uint8_t names[][STORE_INDEX_LEN],
	size_t names_len, uint8_t out[static STORE_INDEX_LEN])
{
	struct known known[STORE_NAMES_MAX] = {{.large = false}};
	const struct known *first = known;
	size_t others = 0;
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < names_len && err == STORE_OK; i++) {
		memcpy(known[i].conversation, names[i], STORE_INDEX_LEN);
		err = alias_resolve(db, business_id, known[i].conversation);
		others += err == STORE_OK && memcmp(known[i].conversation, known[0].conversation, STORE_INDEX_LEN) != 0;
	}
	if (err == STORE_OK && others > 0)
		err = find_first(db, business_id, known, names_len, &first);
	for (size_t i = 0; i < names_len && err == STORE_OK && others > 0; i++)
		if (!known[i].large && memcmp(known[i].conversation, first->conversation, STORE_INDEX_LEN) != 0)
			err = move(db, business_id, known[i].conversation, first->conversation);
	if (err == STORE_OK)
		memcpy(out, known[0].large ? known[0].conversation : first->conversation, STORE_INDEX_LEN);
	return err;
}

/* ------------------------------------------------------------ who answers */

enum store_error control_note(struct db *db, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], enum store_holder holder, int64_t at)
{
	/* Nobody else ever had most conversations: those get no row. */
	struct query q = holder == STORE_HELD_HERE
		? query_start(db,
			  "UPDATE controls SET holder = ?3, at = ?4 WHERE business_id = ?1 AND conversation = ?2 AND "
			  "at <= ?4")
		: query_start(db,
			  "INSERT INTO controls (business_id, conversation, holder, at) VALUES (?1, ?2, ?3, ?4) "
			  "ON CONFLICT DO UPDATE SET holder = excluded.holder, at = excluded.at "
			  "WHERE controls.at <= excluded.at");

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	query_int(&q, holder);
	query_int(&q, at);
	return query_finish(&q);
}

/* The provider's clock has seconds. */
enum store_error control_take(struct db *db, const char *business_id, const char *message_id)
{
	struct query q = query_start(db,
		"UPDATE controls SET holder = 1, at = max(at, ?3) WHERE business_id = ?1 AND conversation = "
		"(SELECT conversation FROM messages WHERE id = ?2 AND business_id = ?1 AND type <> 'template')");

	query_text(&q, business_id);
	query_text(&q, message_id);
	query_int(&q, store_now_ms() / 1000 * 1000);
	return query_finish(&q);
}

enum store_error store_conversation_held(
	struct store *s, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], bool *elsewhere)
{
	struct db *db = core_reader(s);
	struct query q = query_start(
		db, "SELECT 1 FROM controls WHERE business_id = ?1 AND conversation = " ALIAS_OF " AND holder = 2");
	enum store_error err;

	query_text(&q, business_id);
	query_blob(&q, conversation, STORE_INDEX_LEN);
	err = query_exists(&q);
	core_return(s, db);
	*elsewhere = err == STORE_OK;
	return err == STORE_NOT_FOUND ? STORE_OK : err;
}
