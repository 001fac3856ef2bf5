/*
 * Retention: bodies after some days, remembered calls after 7, dedupe marks after 8, a virtual key's days after 40, rows after
 * 400. Each step is a small transaction of its own, so that pruning never holds up a webhook.
 *
 * A message is known again by its row, which must therefore outlive the marks: without content it stays until it is 400
 * days old, and no event is settled once more so late that its messages would be that old within 8 days.
 */
#include "store/core.h"

#define DAY_MS INT64_C(86400000)
#define LINK_DAYS 30
#define ONCE_DAYS 7
#define SEEN_DAYS 8
#define KEY_DAYS 40 /* what went out with a virtual key on a day */
#define ROW_DAYS AUDIT_DAYS
#define STEP_ROWS 100 /* a body may be 3 MiB */

_Static_assert(STORE_REPLAY_DAYS < SEEN_DAYS && STORE_REPLAY_MAX_DAYS + SEEN_DAYS < ROW_DAYS,
	"what an old event brings is known again as long as what came now");

struct step {
	const char *sql; /* takes a time and a number of rows */
	int64_t before;
	int changed;
};

static enum store_error run_step(struct db *db, void *arg)
{
	struct step *step = arg;
	struct query q = query_start(db, step->sql);
	enum store_error err;

	query_int(&q, step->before);
	query_int(&q, STEP_ROWS);
	err = query_finish(&q);
	step->changed = err == STORE_OK ? db_changes(db) : 0;
	return err;
}

enum store_error store_prune(struct store *s, int64_t now, unsigned body_days)
{
	/* Only rows without content are deleted. */
	const int64_t bodies = now - (int64_t)(body_days < ROW_DAYS ? body_days : ROW_DAYS) * DAY_MS;
	const int64_t rows = now - ROW_DAYS * DAY_MS;
	struct step steps[] = {
		{"DELETE FROM seen WHERE (business_id, key) IN (SELECT business_id, key FROM seen INDEXED BY seen_at "
		 "WHERE at < ? LIMIT ?)",
			now - SEEN_DAYS * DAY_MS, 0},
		{"DELETE FROM once WHERE rowid IN (SELECT rowid FROM once INDEXED BY once_at WHERE at < ? LIMIT ?)",
			now - ONCE_DAYS * DAY_MS, 0},
		{"DELETE FROM pauses WHERE (business_id, conversation) IN (SELECT business_id, conversation FROM "
		 "pauses "
		 "INDEXED BY pauses_until WHERE until < ? LIMIT ?)",
			now, 0},
		{"DELETE FROM controls WHERE (business_id, conversation) IN (SELECT business_id, conversation FROM "
		 "controls INDEXED BY controls_at WHERE at < ? LIMIT ?)",
			rows, 0},
		{"DELETE FROM calls WHERE (business_id, conversation) IN (SELECT business_id, conversation FROM "
		 "calls INDEXED BY calls_at WHERE at < ? LIMIT ?)",
			now - SEEN_DAYS * DAY_MS, 0},
		{"DELETE FROM settings_links WHERE seq IN (SELECT seq FROM settings_links INDEXED BY "
		 "settings_links_created "
		 "WHERE created_at < ? LIMIT ?)",
			now - LINK_DAYS * DAY_MS, 0},
		{"DELETE FROM operator_sessions WHERE seq IN (SELECT seq FROM operator_sessions INDEXED BY "
		 "operator_sessions_ends WHERE ends_at < ? LIMIT ?)",
			now, 0},
		{"UPDATE events SET body = NULL WHERE seq IN (SELECT seq FROM events INDEXED BY events_whole "
		 "WHERE body IS NOT NULL AND received_at < ? AND state > 1 LIMIT ?)",
			bodies, 0},
		/* What is still to be sent, or owed to a responder, keeps its content. */
		{"UPDATE messages SET content = NULL, wamid = NULL WHERE seq IN (SELECT seq FROM messages "
		 "INDEXED BY messages_whole WHERE content IS NOT NULL AND created_at < ? AND (state < 2 OR state > 4) "
		 "AND NOT EXISTS (SELECT 1 FROM asks WHERE asks.id = messages.id) LIMIT ?)",
			bodies, 0},
		{"DELETE FROM messages WHERE seq IN (SELECT seq FROM messages INDEXED BY messages_bare "
		 "WHERE content IS NULL AND created_at < ? LIMIT ?)",
			rows, 0},
		{"DELETE FROM events WHERE seq IN (SELECT seq FROM events INDEXED BY events_bare "
		 "WHERE body IS NULL AND received_at < ? LIMIT ?)",
			rows, 0},
		/* Up to the newest head that is that old, which stays: the next row follows it. The older heads go first,
		 * so that what is left of the rows is known to be on its way out. */
		{"DELETE FROM audit_heads WHERE seq IN (SELECT seq FROM audit_heads WHERE seq < "
		 "(SELECT max(seq) FROM audit_heads WHERE at < ?) ORDER BY seq LIMIT ?)",
			rows, 0},
		{"DELETE FROM audit WHERE seq IN (SELECT seq FROM audit WHERE seq <= "
		 "(SELECT max(seq) FROM audit_heads WHERE at < ?) ORDER BY seq LIMIT ?)",
			rows, 0},
		{"DELETE FROM demand WHERE (business_id, day, product_id) IN (SELECT business_id, day, product_id "
		 "FROM demand INDEXED BY demand_day WHERE day < ? LIMIT ?)",
			rows / DAY_MS, 0},
		{"DELETE FROM virtual_key_days WHERE (key_id, day) IN (SELECT key_id, day FROM virtual_key_days "
		 "INDEXED BY virtual_key_days_day WHERE day < ? LIMIT ?)",
			now / DAY_MS - KEY_DAYS, 0},
		{"DELETE FROM virtual_keys WHERE seq IN (SELECT seq FROM virtual_keys INDEXED BY virtual_keys_revoked "
		 "WHERE revoked_at > 0 AND revoked_at < ? LIMIT ?)",
			rows, 0},
		{"DELETE FROM virtual_keys WHERE seq IN (SELECT seq FROM virtual_keys INDEXED BY virtual_keys_expires "
		 "WHERE expires_at > 0 AND expires_at < ? LIMIT ?)",
			rows, 0},
	};

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		do {
			enum store_error err = core_write(s, run_step, &steps[i]);

			if (err != STORE_OK)
				return err;
		} while (steps[i].changed == STEP_ROWS);
	}
	return STORE_OK;
}
