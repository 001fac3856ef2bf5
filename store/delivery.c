/*
 * What came of the webhooks of connections, many noted at once: strangers cause refusals, and cost no write each.
 */
#include "store/core.h"

struct noting {
	const struct store_delivery *rows;
	size_t len;
};

static void delivery_read(struct query *q, struct store_delivery *d)
{
	d->accepted_at = query_get_int(q);
	d->refused_at = query_get_int(q);
	query_get_text(q, d->refused_why, sizeof(d->refused_why));
	d->refused_count = query_get_int(q);
}

static enum store_error note_one(struct db *db, const struct store_delivery *d)
{
	struct store_delivery sum = {.accepted_at = 0};
	struct query q = query_start(db,
		"SELECT accepted_at, refused_at, refused_why, refused_count FROM deliveries WHERE connection_id = ?");
	enum store_error err;

	query_text(&q, d->connection_id);
	if (query_step(&q))
		delivery_read(&q, &sum);
	err = query_end(&q);
	if (err != STORE_OK)
		return err;
	store_delivery_add(&sum, d);
	q = query_start(db,
		"INSERT INTO deliveries (connection_id, accepted_at, refused_at, refused_why, refused_count) "
		"SELECT id, ?3, ?4, ?5, ?6 FROM connections WHERE business_id = ?1 AND id = ?2 "
		"ON CONFLICT DO UPDATE SET accepted_at = excluded.accepted_at, refused_at = excluded.refused_at, "
		"refused_why = excluded.refused_why, refused_count = excluded.refused_count");
	query_text(&q, d->business_id);
	query_text(&q, d->connection_id);
	query_int(&q, sum.accepted_at);
	query_int(&q, sum.refused_at);
	query_text(&q, sum.refused_why);
	query_int(&q, sum.refused_count);
	return query_finish(&q);
}

static enum store_error run_note(struct db *db, void *arg)
{
	const struct noting *n = arg;
	enum store_error err = STORE_OK;

	for (size_t i = 0; i < n->len && err == STORE_OK; i++)
		err = note_one(db, &n->rows[i]);
	return err;
}

enum store_error store_deliveries_note(struct store *s, const struct store_delivery *rows, size_t len)
{
	struct noting n = {rows, len};

	if (len > STORE_DELIVERIES_MAX)
		return STORE_INVALID;
	return len > 0 ? core_write(s, run_note, &n) : STORE_OK;
}

enum store_error store_delivery_list(
	struct store *s, const char *business_id, bool (*each)(const struct store_delivery *d, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_delivery);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT c.business_id, c.id, d.accepted_at, d.refused_at, d.refused_why, d.refused_count "
		"FROM connections c CROSS JOIN deliveries d ON d.connection_id = c.id WHERE c.business_id = ?");
	enum store_error err;

	query_text(&q, business_id);
	while (query_step(&q)) {
		struct store_delivery *d = rows_add(&rows);

		if (d == NULL)
			continue;
		query_get_text(&q, d->business_id, sizeof(d->business_id));
		query_get_text(&q, d->connection_id, sizeof(d->connection_id));
		delivery_read(&q, d);
	}
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_delivery *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
