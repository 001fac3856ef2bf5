/*
 * What responders are owed: questions and statuses, kept when an event is settled,
 * leased, and ended with their answers.
 *
 * A lease goes round the businesses that have something due, one ask of each, beginning
 * after the one served last: one shop's backlog costs the others nothing. What is put off
 * is marked due again by the lease that finds its time come, so that asks which wait for
 * a platform that is down cost a lease nothing either.
 */
#include "store/ask.h"

#include <string.h>

#include "store/alias.h"
#include "store/core.h"
#include "store/demand.h"
#include "store/message.h"

/* ------------------------------------------------------------ owing */

static enum store_error ask_insert(struct db *db, const struct store_ask *a)
{
	struct query q = query_start(db,
		"INSERT INTO asks (id, business_id, kind, message_id, connection_id, number, conversation, created_at, "
		"content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");

	query_text(&q, a->id);
	query_text(&q, a->business_id);
	query_int(&q, a->kind);
	query_text(&q, a->message_id);
	query_text(&q, a->connection_id);
	query_text(&q, a->number);
	query_blob(&q, a->conversation, sizeof(a->conversation));
	query_int(&q, a->created_at > 0 ? a->created_at : store_now_ms());
	query_blob(&q, a->content, a->content_len);
	return query_finish(&q);
}

bool ask_status_ok(const struct store_ask *a, const char *business_id)
{
	return a->kind == STORE_ASK_STATUS && a->id[0] != '\0' && strcmp(a->business_id, business_id) == 0 &&
		a->content != NULL && a->content_len > 0;
}

enum store_error ask_insert_status(struct db *db, const struct store_ask *a)
{
	return ask_insert(db, a);
}

enum store_error ask_insert_question(struct db *db, const struct store_message *m)
{
	struct store_ask a = {.kind = STORE_ASK_QUESTION, .created_at = m->created_at};

	memcpy(a.id, m->id, sizeof(a.id));
	memcpy(a.message_id, m->id, sizeof(a.message_id));
	memcpy(a.business_id, m->business_id, sizeof(a.business_id));
	memcpy(a.connection_id, m->connection_id, sizeof(a.connection_id));
	memcpy(a.number, m->number, sizeof(a.number));
	memcpy(a.conversation, m->conversation, sizeof(a.conversation));
	return ask_insert(db, &a);
}

/* ------------------------------------------------------------ leasing */

#define LEASE_MAX 256u
#define DUE_AGAIN_MAX 1000 /* at one time: the writer has others waiting */

struct lease {
	int64_t now;
	unsigned limit, per_business;
	char last[STORE_BUSINESS_ID_LEN + 1]; /* business served last */
	struct rows *rows;
};

static enum store_error mark_due(struct db *db, int64_t now)
{
	struct query q = query_start(db,
		"UPDATE asks SET next_at = 0 WHERE seq IN (SELECT seq FROM asks INDEXED BY asks_later "
		"WHERE asked_at = 0 AND next_at > 0 AND next_at <= ? ORDER BY next_at LIMIT ?)");

	query_int(&q, now);
	query_int(&q, DUE_AGAIN_MAX);
	return query_finish(&q);
}

/* The oldest due ask of the next business after at, which is moved there; seq 0 and "" when there is none. */
static enum store_error due_next(struct db *db, char at[static STORE_BUSINESS_ID_LEN + 1], int64_t *seq)
{
	struct query q = query_start(db,
		"SELECT seq, business_id FROM asks INDEXED BY asks_due WHERE head = 1 AND asked_at = 0 AND next_at = 0 "
		"AND business_id > ? ORDER BY business_id, seq LIMIT 1");
	char next[STORE_BUSINESS_ID_LEN + 1] = "";
	enum store_error err;

	*seq = 0;
	query_text(&q, at);
	if (query_step(&q)) {
		*seq = query_get_int(&q);
		query_get_text(&q, next, sizeof(next));
	}
	err = query_end(&q);
	memcpy(at, next, sizeof(next)); /* it was bound until here */
	return err;
}

/* Each ask that failed takes one away of what may be out, down to one: so a responder that is down, or hangs, soon takes
 * a single place, and one that stumbles over one question goes on with the others. */
static enum store_error has_room(struct db *db, const struct lease *a, const char *business_id, bool *room)
{
	struct query q = query_start(db,
		"SELECT count(*) < max(1, ?2 - (SELECT count(*) FROM (SELECT 1 FROM asks INDEXED BY asks_failing "
		"WHERE attempts > (asked_at > 0) AND business_id = ?1 LIMIT ?2))) "
		"FROM asks INDEXED BY asks_leased WHERE asked_at > 0 AND business_id = ?1");

	query_text(&q, business_id);
	query_int(&q, a->per_business);
	*room = query_step(&q) && query_get_int(&q) != 0;
	return query_end(&q);
}

static void ask_read(struct query *q, struct rows *rows)
{
	struct store_ask *a = rows_add(rows);
	const uint8_t *blob;

	if (a == NULL)
		return;
	query_get_text(q, a->id, sizeof(a->id));
	query_get_text(q, a->business_id, sizeof(a->business_id));
	a->kind = (enum store_ask_kind)query_get_int(q);
	query_get_text(q, a->message_id, sizeof(a->message_id));
	query_get_text(q, a->connection_id, sizeof(a->connection_id));
	query_get_text(q, a->number, sizeof(a->number));
	query_get_fixed(q, a->conversation, sizeof(a->conversation));
	a->created_at = query_get_int(q);
	a->attempts = (uint32_t)query_get_int(q);
	blob = query_get_blob(q, &a->content_len);
	a->content = rows_keep(rows, blob, a->content_len);
}

/* The ask that was leased last goes to a platform, signed. */
static enum store_error secret_use(struct db *db, const struct lease *a)
{
	const struct store_ask *ask = &((const struct store_ask *)(const void *)a->rows->items)[a->rows->len - 1];
	const struct store_audit row = {.business_id = ask->business_id,
		.action = "key_used",
		.subject = "responder/signing_secret",
		.purpose = "ask",
		.job = ask->id};

	return core_audit(db, &row);
}

static enum store_error lease_one(struct db *db, const struct lease *a, int64_t seq)
{
	bool is_signed = false;
	struct query q = query_start(db, "UPDATE asks SET asked_at = ?, attempts = attempts + 1 WHERE seq = ?");
	enum store_error err;

	query_int(&q, a->now);
	query_int(&q, seq);
	err = query_finish(&q);
	if (err != STORE_OK)
		return err;
	q = query_start(db,
		"SELECT a.id, a.business_id, a.kind, a.message_id, a.connection_id, a.number, a.conversation, "
		"a.created_at, a.attempts, CASE a.kind WHEN 1 THEN m.content ELSE a.content END, "
		"(SELECT responder = 'platform' FROM businesses WHERE id = a.business_id) "
		"FROM asks a LEFT JOIN messages m ON a.kind = 1 AND m.id = a.id WHERE a.seq = ?");
	query_int(&q, seq);
	while (query_step(&q)) {
		ask_read(&q, a->rows);
		is_signed = query_get_int(&q) != 0;
	}
	err = query_end(&q);
	if (err == STORE_OK && a->rows->failed)
		err = STORE_NO_MEMORY;
	return err == STORE_OK && is_signed ? secret_use(db, a) : err;
}

static enum store_error run_lease(struct db *db, void *arg)
{
	struct lease *a = arg;
	char at[STORE_BUSINESS_ID_LEN + 1];
	unsigned ends = 0; /* of the list since a lease: two, and once round there was none */
	enum store_error err = mark_due(db, a->now);

	memcpy(at, a->last, sizeof(at));
	while (err == STORE_OK && ends < 2 && a->rows->len < a->limit) {
		int64_t seq;
		bool room = false;

		err = due_next(db, at, &seq);
		ends += err == STORE_OK && seq == 0;
		if (err != STORE_OK || seq == 0)
			continue;
		err = has_room(db, a, at, &room);
		if (err != STORE_OK || !room)
			continue;
		err = lease_one(db, a, seq);
		memcpy(a->last, at, sizeof(at));
		ends = 0;
	}
	return err;
}

enum store_error store_ask_lease(struct store *s, int64_t now, unsigned limit, unsigned per_business,
	bool (*each)(const struct store_ask *a, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_ask);
	struct lease a = {.now = now, .limit = limit, .per_business = per_business, .rows = &rows};
	enum store_error err;

	if (now <= 0 || limit == 0 || per_business == 0)
		return STORE_INVALID;
	if (a.limit > LEASE_MAX)
		a.limit = LEASE_MAX;
	pthread_mutex_lock(&s->lock);
	memcpy(a.last, s->ask_last, sizeof(a.last));
	pthread_mutex_unlock(&s->lock);
	err = core_write(s, run_lease, &a);
	pthread_mutex_lock(&s->lock);
	memcpy(s->ask_last, a.last, sizeof(a.last));
	pthread_mutex_unlock(&s->lock);
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_ask *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ ending */

#define ANSWERS_MAX 5u

struct done {
	const char *business_id, *id;
	const struct store_message *answers;
	size_t answers_len;
};

/* The connection may have gone while the answer was written: then it is logged as dead. */
static enum store_error answer_insert(struct db *db, const struct store_message *m)
{
	static const char gone[] = "its connection was removed";
	enum store_error err = core_connection_exists(db, m->business_id, m->connection_id);
	struct store_message dead, live;

	if (err == STORE_NOT_FOUND) {
		dead = *m;
		dead.state = STORE_MESSAGE_DEAD;
		memcpy(dead.reason, gone, sizeof(gone));
		return message_insert(db, &dead);
	}
	if (err == STORE_OK) {
		live = *m;
		err = alias_resolve(db, m->business_id, live.conversation);
	}
	if (err == STORE_OK)
		err = message_insert(db, &live);
	return err == STORE_OK ? demand_count(db, m) : err;
}

/* STORE_STALE where the business is there and nothing with that id is another's. */
static enum store_error ask_missing(struct db *db, const struct done *a)
{
	struct query q = query_start(db,
		"SELECT 1 WHERE EXISTS (SELECT 1 FROM businesses WHERE id = ?1) "
		"AND NOT EXISTS (SELECT 1 FROM asks WHERE id = ?2) "
		"AND NOT EXISTS (SELECT 1 FROM messages WHERE id = ?2 AND business_id <> ?1)");
	enum store_error err;

	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_exists(&q);
	return err == STORE_OK ? STORE_STALE : err;
}

static enum store_error run_done(struct db *db, void *arg)
{
	const struct done *a = arg;
	struct query q = query_start(db, "SELECT seq, kind FROM asks WHERE id = ? AND business_id = ?");
	int64_t seq = 0, kind = 0;
	enum store_error err;

	query_text(&q, a->id);
	query_text(&q, a->business_id);
	if (query_step(&q)) {
		seq = query_get_int(&q);
		kind = query_get_int(&q);
	}
	err = query_end(&q);
	if (err != STORE_OK)
		return err;
	if (kind == 0)
		return ask_missing(db, a);
	if (kind != STORE_ASK_QUESTION && a->answers_len > 0)
		return STORE_INVALID;
	q = query_start(db, "DELETE FROM asks WHERE seq = ?");
	query_int(&q, seq);
	err = query_finish(&q);
	for (size_t i = 0; i < a->answers_len && err == STORE_OK; i++)
		err = answer_insert(db, &a->answers[i]);
	return err;
}

enum store_error store_ask_done(struct store *s, const char *business_id, const char *id,
	const struct store_message *answers, size_t answers_len)
{
	struct done a = {business_id, id, answers, answers_len};

	if (answers_len > ANSWERS_MAX)
		return STORE_INVALID;
	for (size_t i = 0; i < answers_len; i++)
		if (!message_ok(&answers[i]) || answers[i].direction != STORE_OUTBOUND ||
			answers[i].state != STORE_MESSAGE_QUEUED || strcmp(answers[i].business_id, business_id) != 0 ||
			!demand_ok(answers[i].demand))
			return STORE_INVALID;
	return core_write(s, run_done, &a);
}

struct later {
	const char *business_id, *id;
	uint32_t attempt;
	int64_t next_at;
};

static enum store_error run_later(struct db *db, void *arg)
{
	const struct later *a = arg;
	struct query q = query_start(db,
		"UPDATE asks SET asked_at = 0, next_at = ? "
		"WHERE id = ? AND business_id = ? AND asked_at > 0 AND attempts = ?");
	enum store_error err;

	query_int(&q, a->next_at > 0 ? a->next_at : 0);
	query_text(&q, a->id);
	query_text(&q, a->business_id);
	query_int(&q, a->attempt);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_STALE;
}

enum store_error store_ask_later(
	struct store *s, const char *business_id, const char *id, uint32_t attempt, int64_t next_at)
{
	struct later a = {business_id, id, attempt, next_at};

	return core_write(s, run_later, &a);
}

enum store_error store_asks_failing(struct store *s, const char *business_id, unsigned *n)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT count(*) FROM (SELECT 1 FROM asks INDEXED BY asks_failing WHERE attempts > (asked_at > 0) "
		"AND business_id = ? LIMIT 1000)");
	enum store_error err;

	*n = 0;
	query_text(&q, business_id);
	if (query_step(&q))
		*n = (unsigned)query_get_int(&q);
	err = query_end(&q);
	core_return(s, db);
	return err;
}

enum store_error store_ask_next_due(struct store *s, int64_t *at)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT CASE WHEN EXISTS (SELECT 1 FROM asks INDEXED BY asks_due WHERE head = 1 AND asked_at = 0 "
		"AND next_at = 0) THEN 0 ELSE coalesce((SELECT min(next_at) FROM asks INDEXED BY asks_later "
		"WHERE asked_at = 0 AND next_at > 0), 9223372036854775807) END");
	int64_t due = INT64_MAX;
	enum store_error err;

	if (query_step(&q))
		due = query_get_int(&q);
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK)
		*at = due;
	return err;
}

static enum store_error run_recover(struct db *db, void *arg)
{
	struct query q =
		query_start(db, "UPDATE asks INDEXED BY asks_leased SET asked_at = 0, next_at = 0 WHERE asked_at > 0");

	(void)arg;
	return query_finish(&q);
}

enum store_error store_ask_recover(struct store *s)
{
	return core_write(s, run_recover, NULL);
}
