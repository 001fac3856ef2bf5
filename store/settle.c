/*
 * Settling: an event's updates, what each brings with it, and what became of the event,
 * in one transaction, or piece by piece where there are many.
 *
 * Whether an update came before is told by what it left behind. A message or an echo with an id
 * leaves its row in the log, which is found by its wamid_index: only retention takes it away, after
 * 400 days, or the removal of its business. All else that has a seen_key leaves a mark for 8 days,
 * and so does an echo of what was sent from here, which gets no row.
 */
#include <stdlib.h>
#include <string.h>

#include "store/alias.h"
#include "store/ask.h"
#include "store/core.h"
#include "store/message.h"
#include "store/notice.h"

struct settle {
	const char *business_id, *event_id;
	enum store_event_state state;
	const struct store_update *updates;
	size_t updates_len;
	size_t from; /* of the event's updates, the first of these */
	bool last; /* there are no more */
	struct store_intake_counts counts;
	char freed[STORE_ID_LEN + 1];
	enum store_error gone; /* STORE_STALE, STORE_NOT_FOUND: there is nothing to settle, which holds up no other */
	int64_t now;
};

/* Marks the update as seen, and says whether it was. */
static enum store_error seen_mark(struct db *db, const struct settle *a, const struct store_update *u, bool *before)
{
	struct query q =
		query_start(db, "INSERT INTO seen (business_id, key, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
	enum store_error err;

	query_text(&q, a->business_id);
	query_blob(&q, u->seen_key, sizeof(u->seen_key));
	query_int(&q, a->now);
	err = query_finish(&q);
	*before = err == STORE_OK && db_changes(db) == 0;
	return err;
}

static enum store_error seen_find(struct db *db, const struct settle *a, const struct store_update *u, bool *before)
{
	struct query q = query_start(db, "SELECT 1 FROM seen WHERE business_id = ? AND key = ?");
	enum store_error err;

	query_text(&q, a->business_id);
	query_blob(&q, u->seen_key, sizeof(u->seen_key));
	err = query_exists(&q);
	*before = err == STORE_OK;
	return err == STORE_NOT_FOUND ? STORE_OK : err;
}

/* Whether the update came before; known: what the log has of its message. */
static enum store_error came_before(
	struct db *db, const struct settle *a, const struct store_update *u, enum message_known *known, bool *before)
{
	static const uint8_t no_key[STORE_INDEX_LEN];
	enum store_error err = STORE_OK;

	*known = MESSAGE_NEW;
	if (u->message != NULL)
		err = message_known(db, u->message, known);
	*before = *known == MESSAGE_CAME_BEFORE;
	if (err != STORE_OK || *before || memcmp(u->seen_key, no_key, sizeof(no_key)) == 0)
		return err;
	/* Its row will tell of it. Before migration 6 echoes left no row, but a mark. */
	if (*known == MESSAGE_NEW && u->message != NULL && message_has_index(u->message))
		return seen_find(db, a, u, before);
	return seen_mark(db, a, u, before);
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

static enum store_error message_keep(
	struct db *db, const struct store_update *u, const uint8_t conversation[static STORE_INDEX_LEN])
{
	struct store_message m = *u->message;
	enum store_error err;

	if (u->names_len > 0)
		memcpy(m.conversation, conversation, sizeof(m.conversation));
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

/* What a delivered update brings with it. What was sent from here is in the log already. */
static enum store_error update_deliver(
	struct db *db, struct settle *a, const struct store_update *u, enum message_known known)
{
	bool asks = u->message != NULL && u->message->awaits_answer;
	uint8_t conversation[STORE_INDEX_LEN];
	enum store_error err = STORE_OK;

	if (u->names_len > 0)
		err = alias_join(db, a->business_id, u->names, u->names_len, conversation);
	if (err == STORE_OK && u->message != NULL && known == MESSAGE_NEW)
		err = message_keep(db, u, conversation);
	if (err == STORE_OK && u->settlement != NULL)
		err = message_settle(db, a->business_id, u->settlement, a->freed);
	if (err == STORE_OK && u->ask != NULL)
		err = status_keep(db, u, conversation);
	if (err == STORE_OK && u->names_len > 0 && u->holder != 0)
		err = control_note(db, a->business_id, conversation, u->holder, u->held_at);
	if (err == STORE_OK && u->names_len > 0 && u->called_at > 0)
		err = call_note(db, a->business_id, conversation, u->called_at);
	for (size_t i = 0; i < u->notices_len && err == STORE_OK; i++)
		err = notice_take(db, a->business_id, &u->notices[i]);
	a->counts.awaiting += (unsigned)asks + (u->ask != NULL);
	return err == STORE_OK ? pauses_keep(db, a, u) : err;
}

static enum store_error update_settle(struct db *db, struct settle *a, const struct store_update *u)
{
	enum store_update_verdict verdict = u->verdict;
	enum message_known known = MESSAGE_NEW;
	enum store_error err = STORE_OK;
	bool before = false;

	/* What is quarantined was not seen: it may belong here once its number is connected. */
	if (verdict == STORE_UPDATE_DELIVERED)
		err = came_before(db, a, u, &known, &before);
	if (before)
		verdict = STORE_UPDATE_DUPLICATE;
	if (err == STORE_OK && verdict == STORE_UPDATE_DELIVERED)
		err = update_deliver(db, a, u, known);
	if (err == STORE_OK)
		err = update_insert(db, a, u, verdict);
	a->counts.delivered += verdict == STORE_UPDATE_DELIVERED;
	a->counts.quarantined += verdict == STORE_UPDATE_QUARANTINED;
	a->counts.duplicates += verdict == STORE_UPDATE_DUPLICATE;
	return err;
}

/* How many of an event's updates are done already, and into a->counts what came of them. */
static enum store_error progress_read(struct db *db, struct settle *a, size_t *done)
{
	struct query q =
		query_start(db, "SELECT done, delivered, quarantined, duplicates FROM settling WHERE event_id = ?");

	*done = 0;
	query_text(&q, a->event_id);
	if (query_step(&q)) {
		*done = (size_t)query_get_int(&q);
		a->counts.delivered = (unsigned)query_get_int(&q);
		a->counts.quarantined = (unsigned)query_get_int(&q);
		a->counts.duplicates = (unsigned)query_get_int(&q);
	}
	return query_end(&q);
}

static enum store_error progress_keep(struct db *db, const struct settle *a)
{
	struct query q = query_start(db,
		"INSERT INTO settling (event_id, done, delivered, quarantined, duplicates) VALUES (?, ?, ?, ?, ?) "
		"ON CONFLICT DO UPDATE SET done = excluded.done, delivered = excluded.delivered, "
		"quarantined = excluded.quarantined, duplicates = excluded.duplicates");

	query_text(&q, a->event_id);
	query_int(&q, (int64_t)(a->from + a->updates_len));
	query_int(&q, a->counts.delivered);
	query_int(&q, a->counts.quarantined);
	query_int(&q, a->counts.duplicates);
	return query_finish(&q);
}

static enum store_error event_finish(struct db *db, const struct settle *a, size_t done)
{
	struct query q = query_start(db,
		"UPDATE events SET state = ?, delivered = ?, quarantined = ?, duplicates = ? "
		"WHERE id = ? AND business_id = ?");
	enum store_error err;

	query_int(&q, a->state);
	query_int(&q, a->counts.delivered);
	query_int(&q, a->counts.quarantined);
	query_int(&q, a->counts.duplicates);
	query_text(&q, a->event_id);
	query_text(&q, a->business_id);
	err = query_finish(&q);
	if (err != STORE_OK || done == 0)
		return err;
	q = query_start(db, "DELETE FROM settling WHERE event_id = ?");
	query_text(&q, a->event_id);
	return query_finish(&q);
}

/* Settles a piece of an event that waits for it; one that was settled before, by a call that was cut short, is passed
 * over. */
static enum store_error piece_settle(struct db *db, struct settle *a)
{
	const bool whole = a->from == 0 && a->last && a->state == STORE_EVENT_SETTLED;
	size_t done = 0;
	enum store_error err = whole ? STORE_OK : progress_read(db, a, &done);

	if (err == STORE_OK && a->state == STORE_EVENT_UNPARSED)
		return event_finish(db, a, done);
	if (err != STORE_OK)
		return err;
	/* Passed over; so is the last where another version made more updates of the event. */
	if (done > a->from)
		return a->last ? event_finish(db, a, done) : STORE_OK;
	if (done < a->from)
		return STORE_BUSY; /* what was before is not settled */
	for (size_t i = 0; i < a->updates_len && err == STORE_OK; i++)
		err = update_settle(db, a, &a->updates[i]);
	if (err != STORE_OK)
		return err;
	return a->last ? event_finish(db, a, done) : progress_keep(db, a);
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
	return a->gone == STORE_OK ? piece_settle(db, a) : STORE_OK;
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
	bool fine = (one->state == STORE_EVENT_SETTLED || one->state == STORE_EVENT_UNPARSED) &&
		one->from % STORE_PIECE == 0 &&
		(!one->more || (one->updates_len > 0 && one->updates_len % STORE_PIECE == 0));

	for (size_t i = 0; fine && i < one->updates_len; i++)
		fine = update_ok(&one->updates[i], one->business_id);
	return fine;
}

/* What is handed to the writer at once: pieces of at most STORE_PIECE updates, so many that they are ROUND together. Whoever
 * wants to commit meanwhile comes in between two of them. */
#define ROUND 64u

struct round {
	struct settle settles[STORE_SETTLING_MAX];
	struct writer_change changes[STORE_SETTLING_MAX];
	enum store_error results[STORE_SETTLING_MAX];
	struct store_settling *of[STORE_SETTLING_MAX];
	size_t len, updates;
	bool stopped;
};

static enum store_error round_run(struct store *s, struct round *r)
{
	enum store_error err = r->len > 0 ? writer_apply_all(s->writer, r->changes, r->len, r->results) : STORE_OK;

	for (size_t i = 0; err == STORE_OK && i < r->len; i++) {
		struct store_settling *one = r->of[i];
		const unsigned awaiting = one->counts.awaiting + r->settles[i].counts.awaiting;

		r->stopped = r->stopped || r->results[i] != STORE_OK;
		one->result = r->results[i] == STORE_OK ? r->settles[i].gone : r->results[i];
		one->counts = r->settles[i].counts;
		one->counts.awaiting = awaiting;
		if (r->results[i] == STORE_OK && r->settles[i].freed[0] != '\0')
			memcpy(one->freed, r->settles[i].freed, sizeof(one->freed));
	}
	r->len = r->updates = 0;
	return err;
}

static void round_add(struct round *r, struct store_settling *one, size_t from, int64_t now)
{
	const size_t left = one->updates_len - from, len = left < STORE_PIECE ? left : STORE_PIECE;
	struct settle *a = &r->settles[r->len];

	*a = (struct settle){.business_id = one->business_id,
		.event_id = one->event_id,
		.state = one->state,
		.updates = len > 0 ? &one->updates[from] : NULL,
		.updates_len = len,
		.from = one->from + from,
		.last = len == left && !one->more,
		.now = now};
	r->changes[r->len] = (struct writer_change){.run = run_settle, .arg = a};
	r->of[r->len++] = one;
	r->updates += len + 1;
}

enum store_error store_events_settle(struct store *s, struct store_settling *all, size_t len)
{
	struct round r = {.len = 0};
	const int64_t now = store_now_ms();
	enum store_error err = STORE_OK;

	if (len > STORE_SETTLING_MAX)
		return STORE_INVALID;
	for (size_t i = 0; i < len; i++) {
		all[i].result = settling_ok(&all[i]) ? STORE_BUSY : STORE_INVALID;
		all[i].counts = (struct store_intake_counts){0};
		all[i].freed[0] = '\0';
	}
	for (size_t i = 0; i < len && err == STORE_OK && !r.stopped; i++) {
		size_t from = 0;

		if (all[i].result == STORE_INVALID)
			continue;
		do {
			round_add(&r, &all[i], from, now);
			from += STORE_PIECE;
			if (r.updates >= ROUND || r.len == STORE_SETTLING_MAX)
				err = round_run(s, &r);
		} while (from < all[i].updates_len && err == STORE_OK && !r.stopped);
	}
	if (err == STORE_OK && !r.stopped)
		err = round_run(s, &r);
	return err;
}

enum store_error store_event_settle(struct store *s, const char *business_id, const char *event_id,
	enum store_event_state state, const struct store_update *updates, size_t updates_len,
	struct store_intake_counts *counts)
{
	struct store_settling one = {.business_id = business_id,
		.event_id = event_id,
		.state = state,
		.updates = updates,
		.updates_len = updates_len};
	enum store_error err = store_events_settle(s, &one, 1);

	if (err == STORE_OK)
		err = one.result;
	if (err == STORE_OK && counts != NULL)
		*counts = one.counts;
	return err;
}
