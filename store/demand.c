/*
 * What customers ask for: counts by day, and what was asked for most. A count names a
 * product of the shop and no customer.
 */
#include "store/demand.h"

#include <string.h>

#include "store/core.h"

#define DAY_MS INT64_C(86400000)
#define QUESTIONS "" /* the product_id that counts the questions */

/* ------------------------------------------------------------ counting */

bool demand_ok(const struct store_demand *d)
{
	if (d == NULL)
		return true;
	if (d->products_len > STORE_DEMAND_PRODUCTS)
		return false;
	for (size_t i = 0; i < d->products_len; i++)
		if (!core_text_ok(d->products[i], STORE_BUSINESS_ID_LEN))
			return false;
	return true;
}

static enum store_error count(struct db *db, const struct store_message *answer, const char *product_id)
{
	struct query q = query_start(db,
		"INSERT INTO demand (business_id, day, product_id, n) VALUES (?, ?, ?, 1) "
		"ON CONFLICT (business_id, day, product_id) DO UPDATE SET n = n + 1");

	query_text(&q, answer->business_id);
	query_int(&q, (answer->created_at > 0 ? answer->created_at : store_now_ms()) / DAY_MS);
	query_text(&q, product_id);
	return query_finish(&q);
}

enum store_error demand_count(struct db *db, const struct store_message *answer)
{
	const struct store_demand *d = answer->demand;
	enum store_error err;

	if (d == NULL || !d->asked)
		return STORE_OK;
	err = count(db, answer, QUESTIONS);
	for (size_t i = 0; i < d->products_len && err == STORE_OK; i++)
		err = count(db, answer, d->products[i]);
	return err;
}

/* ------------------------------------------------------------ reading */

enum store_error demand_days(struct db *db, const char *business_id, int64_t first_day, struct store_activity *out)
{
	struct query q = query_start(db,
		"SELECT day - ?2 / ?3, n FROM demand WHERE business_id = ?1 AND day >= ?2 / ?3 AND product_id = ''");

	query_text(&q, business_id);
	query_int(&q, first_day);
	query_int(&q, DAY_MS);
	while (query_step(&q)) {
		const int64_t day = query_get_int(&q), n = query_get_int(&q);

		/* As with messages: what a clock that was set back left behind happened today. */
		out->days[day < STORE_ACTIVITY_DAYS ? day : STORE_ACTIVITY_DAYS - 1].questions += n;
		out->all.questions += n;
	}
	return query_end(&q);
}

static void row_read(struct query *q, struct rows *rows)
{
	struct store_demand_row *row = rows_add(rows);

	if (row == NULL)
		return;
	query_get_text(q, row->product_id, sizeof(row->product_id));
	query_get_text(q, row->name, sizeof(row->name));
	row->all = query_get_int(q);
	row->today = query_get_int(q);
}

enum store_error store_demand_list(struct store *s, const char *business_id, int64_t first_day, unsigned limit,
	bool (*each)(const struct store_demand_row *row, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_demand_row);
	struct db *db = core_reader(s);
	struct query q = query_start(db,
		"SELECT p.id, p.name, d.n, d.today FROM (SELECT product_id, sum(n) AS n, sum(n * (day >= ?3)) AS today "
		"FROM demand WHERE business_id = ?1 AND day >= ?2 AND product_id <> '' GROUP BY product_id) d "
		"JOIN products p ON p.business_id = ?1 AND p.id = d.product_id "
		"ORDER BY d.n DESC, d.today DESC, p.name LIMIT ?4");
	enum store_error err;

	query_text(&q, business_id);
	query_int(&q, first_day / DAY_MS);
	query_int(&q, first_day / DAY_MS + STORE_ACTIVITY_DAYS - 1);
	query_int(&q, limit);
	while (query_step(&q))
		row_read(&q, &rows);
	err = query_end(&q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_demand_row *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}
