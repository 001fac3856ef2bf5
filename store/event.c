/*
 * The inbox: events appended as they were received, and settled into updates,
 * messages and outbox changes in one transaction.
 */
#include <stdlib.h>
#include <string.h>

#include "store/alias.h"
#include "store/ask.h"
#include "store/core.h"
#include "store/message.h"
#include "store/notice.h"

#define AHEAD_BYTES_MAX (1u << 20) /* of bodies that are read at once */

/* ------------------------------------------------------------ appending */

static enum store_error run_append(struct db *db, void *arg)
{
	const struct store_event *e = arg;
	struct query q = query_start(db,
		"INSERT INTO events (id, business_id, connection_id, state, received_at, body) "
		"SELECT ?, id, ?, 1, ?, ? FROM businesses WHERE id = ? AND removing_at = 0");
	enum store_error err;

	query_text(&q, e->id);
	query_text(&q, e->connection_id);
	query_int(&q, e->received_at);
	query_blob(&q, e->body, e->body_len);
	query_text(&q, e->business_id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_event_append(struct store *s, const struct store_event *e, unsigned timeout_ms)
{
	struct writer_change change = {.run = run_append, .free = free, .single = true, .timeout_ms = timeout_ms};
	struct store_event *copy;

	if (e->id[0] == '\0' || e->business_id[0] == '\0' || e->body == NULL || e->body_len == 0)
		return STORE_INVALID;
	/* The body lies behind its event: a caller that gives up leaves both to the writer. */
	copy = malloc(sizeof(*copy) + e->body_len);
	if (copy == NULL)
		return STORE_NO_MEMORY;
	*copy = *e;
	copy->body = (uint8_t *)(copy + 1);
	memcpy(copy + 1, e->body, e->body_len);
	change.arg = copy;
	change.size = e->body_len;
	return writer_apply(s->writer, &change);
}

enum store_error store_event_unsettled(
	struct store *s, unsigned limit, bool (*each)(const struct store_event *e, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_event);
	size_t bytes = 0;
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT id, business_id, connection_id, received_at, body FROM events "
		"WHERE state = 1 ORDER BY seq LIMIT ?");
	enum store_error err;

	query_int(&q, limit);
	while (bytes < AHEAD_BYTES_MAX && query_step(&q)) {
		struct store_event *e = rows_add(&rows);
		const uint8_t *body;

		if (e == NULL)
			continue;
		query_get_text(&q, e->id, sizeof(e->id));
		query_get_text(&q, e->business_id, sizeof(e->business_id));
		query_get_text(&q, e->connection_id, sizeof(e->connection_id));
		e->received_at = query_get_int(&q);
		body = query_get_blob(&q, &e->body_len);
		e->body = rows_keep(&rows, body, e->body_len);
		bytes += e->body_len;
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_event *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ settling */

struct settle {
	const char *business_id, *event_id;
	enum store_event_state state;
	const struct store_update *updates;
	size_t updates_len;
	struct store_intake_counts counts;
	enum store_error gone; /* STORE_STALE, STORE_NOT_FOUND: there is nothing to settle, which holds up no other */
	int64_t now;
};

/* Marks the update as seen; STORE_EXISTS when it was. */
static enum store_error seen_mark(struct db *db, const struct settle *a, const struct store_update *u)
{
	static const uint8_t nothing[STORE_INDEX_LEN];
	struct query q;
	enum store_error err;

	if (memcmp(u->seen_key, nothing, sizeof(nothing)) == 0)
		return STORE_OK;
	q = query_start(db, "INSERT INTO seen (business_id, key, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
	query_text(&q, a->business_id);
	query_blob(&q, u->seen_key, sizeof(u->seen_key));
	query_int(&q, a->now);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_EXISTS;
}

static enum store_error update_insert(
	struct db *db, const struct settle *a, const struct store_update *u, enum store_update_verdict verdict)
{
	struct query q = query_start(db,
		"INSERT INTO updates (id, event_id, business_id, kind, verdict, field, number, reason, what) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");

	query_text(&q, u->id);
	query_text(&q, a->event_id);
	query_text(&q, a->business_id);
	query_int(&q, u->kind);
	query_int(&q, verdict);
	query_text(&q, u->field);
	query_text(&q, u->number);
	query_text(&q, verdict == STORE_UPDATE_QUARANTINED && u->reason != NULL ? u->reason : "");
	query_text(&q, u->what);
	return query_finish(&q);
}

static enum store_error pauses_keep(struct db *db, const struct settle *a, const struct store_update *u)
{
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < STORE_PAUSES_MAX && err == STORE_OK; i++) {
		uint8_t conversation[STORE_INDEX_LEN];
		struct query q;

		if (u->pauses[i].until == 0)
			continue;
		memcpy(conversation, u->pauses[i].conversation, sizeof(conversation));
		err = alias_resolve(db, a->business_id, conversation);
		if (err != STORE_OK)
			return err;
		q = query_start(db,
			"INSERT INTO pauses (business_id, conversation, until) VALUES (?, ?, ?) "
			"ON CONFLICT DO UPDATE SET until = max(until, excluded.until)");
		query_text(&q, a->business_id);
		query_blob(&q, conversation, sizeof(conversation));
		query_int(&q, u->pauses[i].until);
		err = query_finish(&q);
	}
	return err;
}

/* An echo of what was sent from here is in the log already. */
static enum store_error message_keep(
	struct db *db, const struct store_update *u, const uint8_t conversation[static STORE_INDEX_LEN])
{
	struct store_message m = *u->message;
	enum store_error err;

	if (u->names_len > 0)
		memcpy(m.conversation, conversation, sizeof(m.conversation));
	if (m.echo) {
		err = message_known(db, &m);
		if (err != STORE_NOT_FOUND)
			return err;
	}
	err = message_insert(db, &m);
	return err == STORE_OK && m.awaits_answer ? ask_insert_question(db, &m) : err;
}

static enum store_error status_keep(
	struct db *db, const struct store_update *u, const uint8_t conversation[static STORE_INDEX_LEN])
{
	struct store_ask ask = *u->ask;

	if (u->names_len > 0)
		memcpy(ask.conversation, conversation, sizeof(ask.conversation));
	return ask_insert_status(db, &ask);
}

/* What a delivered update brings with it. */
static enum store_error update_deliver(struct db *db, struct settle *a, const struct store_update *u)
{
	bool asks = u->message != NULL && u->message->awaits_answer;
	uint8_t conversation[STORE_INDEX_LEN];
	enum store_error err = STORE_OK;

	if (u->names_len > 0)
		err = alias_join(db, a->business_id, u->names, u->names_len, conversation);
	if (err == STORE_OK && u->message != NULL)
		err = message_keep(db, u, conversation);
	if (err == STORE_OK && u->settlement != NULL)
		err = message_settle(db, a->business_id, u->settlement);
	if (err == STORE_OK && u->ask != NULL)
		err = status_keep(db, u, conversation);
	if (err == STORE_OK && u->names_len > 0 && u->holder != 0)
		err = control_note(db, a->business_id, conversation, u->holder, u->held_at);
	for (size_t i = 0; i < u->notices_len && err == STORE_OK; i++)
		err = notice_take(db, a->business_id, &u->notices[i]);
	a->counts.awaiting += (unsigned)asks + (u->ask != NULL);
	return err == STORE_OK ? pauses_keep(db, a, u) : err;
}

static enum store_error update_settle(struct db *db, struct settle *a, const struct store_update *u)
{
	enum store_update_verdict verdict = u->verdict;
	enum store_error err = STORE_OK;

	/* What is quarantined was not seen: it may belong here once its number is connected. */
	if (verdict == STORE_UPDATE_DELIVERED) {
		err = seen_mark(db, a, u);
		if (err == STORE_EXISTS) {
			verdict = STORE_UPDATE_DUPLICATE;
			err = STORE_OK;
		}
	}
	if (err == STORE_OK && verdict == STORE_UPDATE_DELIVERED)
		err = update_deliver(db, a, u);
	if (err == STORE_OK)
		err = update_insert(db, a, u, verdict);
	a->counts.delivered += verdict == STORE_UPDATE_DELIVERED;
	a->counts.quarantined += verdict == STORE_UPDATE_QUARANTINED;
	a->counts.duplicates += verdict == STORE_UPDATE_DUPLICATE;
	return err;
}

static enum store_error event_finish(struct db *db, const struct settle *a)
{
	struct query q = query_start(db,
		"UPDATE events SET state = ?, delivered = ?, quarantined = ?, duplicates = ? "
		"WHERE id = ? AND business_id = ?");

	query_int(&q, a->state);
	query_int(&q, a->counts.delivered);
	query_int(&q, a->counts.quarantined);
	query_int(&q, a->counts.duplicates);
	query_text(&q, a->event_id);
	query_text(&q, a->business_id);
	return query_finish(&q);
}

static enum store_error run_settle(struct db *db, void *arg)
{
	struct settle *a = arg;
	struct query q = query_start(db, "SELECT state FROM events WHERE id = ? AND business_id = ?");
	int64_t state = 0;
	enum store_error err;

	memset(&a->counts, 0, sizeof(a->counts));
	query_text(&q, a->event_id);
	query_text(&q, a->business_id);
	if (query_step(&q))
		state = query_get_int(&q);
	err = query_end(&q);
	if (err != STORE_OK)
		return err;
	a->gone = state == STORE_EVENT_ACCEPTED ? STORE_OK : state == 0 ? STORE_NOT_FOUND : STORE_STALE;
	if (a->gone != STORE_OK)
		return STORE_OK;
	for (size_t i = 0; i < a->updates_len && err == STORE_OK; i++)
		err = update_settle(db, a, &a->updates[i]);
	return err == STORE_OK ? event_finish(db, a) : err;
}

static bool update_ok(const struct store_update *u, const char *business_id)
{
	for (size_t i = 0; i < u->notices_len; i++)
		if (!notice_ok(&u->notices[i]))
			return false;
	return (u->verdict == STORE_UPDATE_DELIVERED || u->verdict == STORE_UPDATE_QUARANTINED) &&
		core_reason_ok(u->reason) && u->names_len <= STORE_NAMES_MAX &&
		(u->message == NULL || (message_ok(u->message) && strcmp(u->message->business_id, business_id) == 0)) &&
		(u->settlement == NULL || core_reason_ok(u->settlement->reason)) &&
		(u->ask == NULL || ask_status_ok(u->ask, business_id));
}

static bool settling_ok(const struct store_settling *one)
{
	bool fine = one->state == STORE_EVENT_SETTLED || one->state == STORE_EVENT_UNPARSED;

	for (size_t i = 0; fine && i < one->updates_len; i++)
		fine = update_ok(&one->updates[i], one->business_id);
	return fine;
}

enum store_error store_events_settle(struct store *s, struct store_settling *all, size_t len)
{
	struct settle settles[STORE_SETTLING_MAX];
	struct writer_change changes[STORE_SETTLING_MAX];
	enum store_error results[STORE_SETTLING_MAX], err;
	const int64_t now = store_now_ms();
	size_t queued = 0;

	if (len > STORE_SETTLING_MAX)
		return STORE_INVALID;
	for (size_t i = 0; i < len; i++) {
		const struct store_settling *one = &all[i];

		all[i].result = settling_ok(one) ? STORE_OK : STORE_INVALID;
		if (all[i].result != STORE_OK)
			continue;
		settles[queued] = (struct settle){.business_id = one->business_id,
			.event_id = one->event_id,
			.state = one->state,
			.updates = one->updates,
			.updates_len = one->updates_len,
			.now = now};
		changes[queued] = (struct writer_change){.run = run_settle, .arg = &settles[queued]};
		queued++;
	}
	err = writer_apply_all(s->writer, changes, queued, results);
	queued = 0;
	for (size_t i = 0; err == STORE_OK && i < len; i++) {
		if (all[i].result != STORE_OK)
			continue;
		all[i].result = results[queued] == STORE_OK ? settles[queued].gone : results[queued];
		all[i].counts = settles[queued++].counts;
	}
	return err;
}

enum store_error store_event_settle(struct store *s, const char *business_id, const char *event_id,
	enum store_event_state state, const struct store_update *updates, size_t updates_len,
	struct store_intake_counts *counts)
{
	struct store_settling one = {business_id, event_id, state, updates, updates_len, {0}, STORE_OK};
	enum store_error err = store_events_settle(s, &one, 1);

	if (err == STORE_OK)
		err = one.result;
	if (err == STORE_OK && counts != NULL)
		*counts = one.counts;
	return err;
}

/* ------------------------------------------------------------ listing */

/* A business's settled events lie in one index, what is not settled yet in that of all businesses. */
#define LISTED(index, states, from)                                                                                    \
	"SELECT id, connection_id, state, received_at, delivered, quarantined, duplicates, seq FROM events "           \
	"INDEXED BY " index " WHERE business_id = ?1 AND seq " from " ?2 AND " states " AND (?3 = 0 OR state = ?3) "
static const char list_oldest[] = LISTED("events_business", "state > 1", ">") "UNION ALL " LISTED(
	"events_unsettled", "state = 1", ">") "ORDER BY seq LIMIT ?4";
static const char list_newest[] = LISTED("events_business", "state > 1", "<") "UNION ALL " LISTED(
	"events_unsettled", "state = 1", "<") "ORDER BY seq DESC LIMIT ?4";

enum store_error store_event_list(struct store *s, const char *business_id, enum store_event_state state,
	const struct store_page *page, bool (*each)(const struct store_event_summary *e, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_event_summary);
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM events WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err == STORE_OK) {
		q = query_start(db, page->ascending ? list_oldest : list_newest);
		query_text(&q, business_id);
		query_int(&q, start);
		query_int(&q, state);
		query_int(&q, page->limit);
		while (query_step(&q)) {
			struct store_event_summary *e = rows_add(&rows);

			if (e == NULL)
				continue;
			query_get_text(&q, e->id, sizeof(e->id));
			query_get_text(&q, e->connection_id, sizeof(e->connection_id));
			e->state = (enum store_event_state)query_get_int(&q);
			e->received_at = query_get_int(&q);
			e->delivered = (unsigned)query_get_int(&q);
			e->quarantined = (unsigned)query_get_int(&q);
			e->duplicates = (unsigned)query_get_int(&q);
		}
		err = query_end(&q);
	}
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_event_summary *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
