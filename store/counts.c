/*
 * How much waits, for the operator and for one shop: read from what is counted as it
 * changes and from indexes that hold only what waits, never from the inbox, and of the
 * log no more than a shop's last day.
 */
#include "store/core.h"

enum store_error store_counts(struct store *s, struct store_counts *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT (SELECT n FROM totals WHERE name = 'businesses'), "
		"(SELECT n FROM totals WHERE name = 'connections'), "
		"(SELECT count(*) FROM events INDEXED BY events_unsettled WHERE state = 1), "
		"(SELECT count(*) FROM asks), "
		"(SELECT count(*) FROM messages INDEXED BY outbox_conversation WHERE state >= 2 AND state <= 4), "
		"(SELECT count(*) FROM messages INDEXED BY outbox_retrying WHERE state = 4), "
		"(SELECT count(*) FROM messages INDEXED BY outbox_sending WHERE state = 3)");
	struct store_counts counts = {0};
	enum store_error err;

	if (query_step(&q)) {
		counts.businesses = query_get_int(&q);
		counts.connections = query_get_int(&q);
		counts.unsettled = query_get_int(&q);
		counts.asks = query_get_int(&q);
		counts.queued = query_get_int(&q);
		counts.retrying = query_get_int(&q);
		counts.sending = query_get_int(&q);
		counts.queued -= counts.retrying + counts.sending;
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK)
		*out = counts;
	return err;
}

/* ------------------------------------------------------------ one shop's */

/* An event that waited for a restart is logged behind messages younger than its own. */
#define SLACK_MS INT64_C(3600000)

static enum store_error waiting_count(struct db *db, const char *business_id, int64_t *waiting)
{
	struct query q = query_start(db,
		"SELECT count(*) FROM messages INDEXED BY outbox_conversation "
		"WHERE state >= 2 AND state <= 4 AND business_id = ?");

	query_text(&q, business_id);
	if (query_step(&q))
		*waiting = query_get_int(&q);
	return query_end(&q);
}

static enum store_error unknown_count(struct db *db, const char *business_id, int64_t since, int64_t *unknown)
{
	struct query q = query_start(db,
		"SELECT created_at, state FROM messages INDEXED BY messages_business "
		"WHERE business_id = ? ORDER BY seq DESC LIMIT ?");
	int64_t at = since;

	query_text(&q, business_id);
	query_int(&q, STORE_ACTIVITY_ROWS_MAX);
	while (at >= since - SLACK_MS && query_step(&q)) {
		at = query_get_int(&q);
		*unknown += at >= since && query_get_int(&q) == STORE_MESSAGE_UNKNOWN;
	}
	return query_end(&q);
}

enum store_error store_outbox_counts(
	struct store *s, const char *business_id, int64_t since, struct store_outbox_counts *out)
{
	struct store_outbox_counts counts = {0, 0};
	struct db *db = core_reader(s);
	enum store_error err = waiting_count(db, business_id, &counts.waiting);

	if (err == STORE_OK)
		err = unknown_count(db, business_id, since, &counts.unknown);
	core_return(s, db);
	if (err == STORE_OK)
		*out = counts;
	return err;
}
