/*
 * How much waits, for the operator: read from what is counted as it changes and from
 * indexes that hold only what waits, never from the log or the inbox themselves.
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
		"(SELECT count(*) FROM messages INDEXED BY outbox_conversation WHERE state IN (2, 3, 4)), "
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
