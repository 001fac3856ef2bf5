/*
 * What was put aside of a business's events, and settling an event once more: read along an index that holds nothing
 * else.
 */
#include "store/core.h"

#define DAY_MS INT64_C(86400000)

/* ------------------------------------------------------------ listing */

/* For core_events_list, which is asked for no state. */
#define PUT_ASIDE(from)                                                                                                \
	"SELECT " EVENT_COLUMNS                                                                                        \
	" FROM events INDEXED BY events_quarantined WHERE business_id = ?1 AND quarantined > 0 AND seq " from " ?2 "

enum store_error store_quarantined_events(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_event_summary *e, void *arg), void *arg)
{
	return core_events_list(s, business_id, page,
		page->ascending ? PUT_ASIDE(">") "ORDER BY seq LIMIT ?4" : PUT_ASIDE("<") "ORDER BY seq DESC LIMIT ?4",
		0, each, arg);
}

enum store_error store_quarantined_numbers(struct store *s, const char *business_id, int64_t since,
	bool (*each)(const struct store_put_aside *p, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_put_aside);
	struct db *db = core_reader(s);
	/* An event may hold thousands. */
	struct query q = query_start(db,
		"SELECT number, count(*), max(received_at) AS last FROM (SELECT u.number, e.received_at "
		"FROM (SELECT id, received_at FROM events INDEXED BY events_quarantined "
		"WHERE business_id = ?1 AND quarantined > 0 ORDER BY seq DESC LIMIT ?3) e "
		"CROSS JOIN updates u INDEXED BY updates_event ON u.event_id = e.id "
		"WHERE u.verdict = 2 AND e.received_at >= ?2 LIMIT ?4) GROUP BY number ORDER BY last DESC LIMIT ?5");
	enum store_error err;

	query_text(&q, business_id);
	query_int(&q, since);
	query_int(&q, STORE_PUT_ASIDE_EVENTS);
	query_int(&q, STORE_PUT_ASIDE_UPDATES);
	query_int(&q, STORE_PUT_ASIDE_MAX);
	while (query_step(&q)) {
		struct store_put_aside *p = rows_add(&rows);

		if (p == NULL)
			continue;
		query_get_text(&q, p->number, sizeof(p->number));
		p->updates = (unsigned)query_get_int(&q);
		p->last_at = query_get_int(&q);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_put_aside *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

/* ------------------------------------------------------------ settling it once more */

struct replay {
	const char *business_id, *event_id;
	int64_t now;
	enum store_replay found;
};

static enum store_error event_judge(struct db *db, struct replay *r)
{
	struct query q = query_start(db,
		"SELECT state, received_at, delivered + duplicates, quarantined, body IS NOT NULL FROM events "
		"WHERE id = ? AND business_id = ?");
	enum store_error err;
	bool there;

	query_text(&q, r->event_id);
	query_text(&q, r->business_id);
	there = query_step(&q);
	if (there) {
		const enum store_event_state state = (enum store_event_state)query_get_int(&q);
		const int64_t received_at = query_get_int(&q);
		const bool delivered = query_get_int(&q) > 0, put_aside = query_get_int(&q) > 0;
		const bool whole = query_get_int(&q) != 0;

		if (state == STORE_EVENT_ACCEPTED)
			r->found = STORE_REPLAY_WAITS;
		else if (state == STORE_EVENT_SETTLED && !put_aside)
			r->found = STORE_REPLAY_NOTHING;
		else if (!whole ||
			received_at < r->now - (delivered ? STORE_REPLAY_DAYS : STORE_REPLAY_MAX_DAYS) * DAY_MS)
			r->found = STORE_REPLAY_TOO_OLD;
		else
			r->found = STORE_REPLAY_BEGINS;
	}
	err = query_end(&q);
	return err != STORE_OK ? err : there ? STORE_OK : STORE_NOT_FOUND;
}

static enum store_error on_event(struct db *db, const char *sql, const struct replay *r)
{
	struct query q = query_start(db, sql);

	query_text(&q, r->event_id);
	query_text(&q, r->business_id);
	return query_finish(&q);
}

static enum store_error run_replay(struct db *db, void *arg)
{
	struct replay *r = arg;
	enum store_error err = event_judge(db, r);

	if (err != STORE_OK || r->found != STORE_REPLAY_BEGINS)
		return err;
	err = on_event(db, "DELETE FROM updates WHERE event_id = ? AND business_id = ?", r);
	if (err == STORE_OK)
		err = on_event(db,
			"UPDATE events SET state = 1, delivered = 0, quarantined = 0, duplicates = 0 "
			"WHERE id = ? AND business_id = ?",
			r);
	return err;
}

enum store_error store_event_replay(
	struct store *s, const char *business_id, const char *event_id, int64_t now, enum store_replay *found)
{
	struct replay r = {business_id, event_id, now, STORE_REPLAY_NOTHING};
	enum store_error err = core_write(s, run_replay, &r);

	if (err == STORE_OK)
		*found = r.found;
	return err;
}
