/*
 * A shop's products.
 */
#include <string.h>
#include <time.h>

#include "store/core.h"

#define MANY 500u /* products */
#define TURN_S 5

#define COLUMNS "id, name, name_key, aliases, price, currency, stock, unit"

static void product_read(struct query *q, struct store_product *p)
{
	query_get_text(q, p->id, sizeof(p->id));
	query_get_text(q, p->name, sizeof(p->name));
	query_get_text(q, p->name_key, sizeof(p->name_key));
	query_get_text(q, p->aliases, sizeof(p->aliases));
	query_get_text(q, p->price, sizeof(p->price));
	query_get_text(q, p->currency, sizeof(p->currency));
	p->stock = query_get_int(q);
	query_get_text(q, p->unit, sizeof(p->unit));
}

/* ------------------------------------------------------------ upserting */

struct put {
	const char *business_id;
	const struct store_product *products;
	size_t products_len;
	bool try, done; /* try: what was done is only counted, then taken back */
	unsigned added, changed;
};

/* The seq of the row that p replaces, 0 when it is new. */
static enum store_error product_find(
	struct db *db, const char *business_id, const struct store_product *p, int64_t *seq)
{
	bool by_id = p->id[0] != '\0';
	struct query q = by_id ? query_start(db, "SELECT seq FROM products WHERE business_id = ? AND id = ?")
			       : query_start(db, "SELECT seq FROM products WHERE business_id = ? AND name_key = ?");

	query_text(&q, business_id);
	query_text(&q, by_id ? p->id : p->name_key);
	*seq = query_step(&q) ? query_get_int(&q) : 0;
	return query_end(&q);
}

static void product_bind(struct query *q, const struct store_product *p)
{
	query_text(q, p->name);
	query_text(q, p->name_key);
	query_text(q, p->aliases);
	query_text(q, p->price);
	query_text(q, p->currency);
	query_int(q, p->stock);
	query_text(q, p->unit);
}

static enum store_error product_put(struct db *db, struct put *a, const struct store_product *p)
{
	char id[STORE_ID_LEN + 1];
	struct query q;
	int64_t seq;
	enum store_error err = product_find(db, a->business_id, p, &seq);

	if (err != STORE_OK)
		return err;
	if (seq != 0) {
		q = query_start(db,
			"UPDATE products SET name = ?, name_key = ?, aliases = ?, price = ?, currency = ?, stock = ?, "
			"unit = ? WHERE seq = ? AND business_id = ?");
		product_bind(&q, p);
		query_int(&q, seq);
		query_text(&q, a->business_id);
		a->changed++;
		return query_finish(&q);
	}
	store_id_new(id);
	q = query_start(db,
		"INSERT INTO products (name, name_key, aliases, price, currency, stock, unit, business_id, id) "
		"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
	product_bind(&q, p);
	query_text(&q, a->business_id);
	query_text(&q, p->id[0] != '\0' ? p->id : id);
	a->added++;
	return query_finish(&q);
}

static enum store_error room_left(struct db *db, const char *business_id)
{
	struct query q = query_start(db, "SELECT count(*) FROM products WHERE business_id = ?");
	bool fits;
	enum store_error err;

	query_text(&q, business_id);
	fits = query_step(&q) && query_get_int(&q) <= STORE_PRODUCTS_MAX;
	err = query_end(&q);
	return err != STORE_OK ? err : fits ? STORE_OK : STORE_TOO_MANY;
}

static enum store_error run_put(struct db *db, void *arg)
{
	struct put *a = arg;
	struct query q = query_start(db, "SELECT 1 FROM businesses WHERE id = ? AND removing_at = 0");
	enum store_error err;

	query_text(&q, a->business_id);
	err = query_exists(&q);
	for (size_t i = 0; i < a->products_len && err == STORE_OK; i++)
		err = product_put(db, a, &a->products[i]);
	if (err == STORE_OK && a->added > 0)
		err = room_left(db, a->business_id);
	a->done = err == STORE_OK;
	return a->done && a->try ? STORE_STALE : err; /* an error takes everything back */
}

/* Several that bring many would be one group, and every webhook would wait for all of them. */
static bool turn_take(struct store *s)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TURN_S;
	return pthread_mutex_timedlock(&s->import, &until) == 0;
}

static enum store_error put(struct store *s, struct put *a, unsigned *added, unsigned *changed)
{
	const bool many = a->products_len > MANY;
	enum store_error err;

	for (size_t i = 0; i < a->products_len; i++)
		if (a->products[i].name[0] == '\0' || a->products[i].name_key[0] == '\0' || a->products[i].stock < -1)
			return STORE_INVALID;
	if (many && !turn_take(s))
		return STORE_BUSY;
	err = core_write(s, run_put, a);
	if (many)
		(void)pthread_mutex_unlock(&s->import);
	if (a->try && a->done && err == STORE_STALE)
		err = STORE_OK;
	if (err == STORE_OK) {
		*added = a->added;
		*changed = a->changed;
	}
	return err;
}

enum store_error store_product_put(struct store *s, const char *business_id, const struct store_product *products,
	size_t products_len, unsigned *added, unsigned *changed)
{
	struct put a = {.business_id = business_id, .products = products, .products_len = products_len};

	return put(s, &a, added, changed);
}

enum store_error store_product_try(struct store *s, const char *business_id, const struct store_product *products,
	size_t products_len, unsigned *added, unsigned *changed)
{
	struct put a = {.business_id = business_id, .products = products, .products_len = products_len, .try = true};

	return put(s, &a, added, changed);
}

/* ------------------------------------------------------------ reading */

static enum store_error products_show(struct store *s, struct db *db, struct query *q,
	bool (*each)(const struct store_product *p, void *arg), void *arg)
{
	struct rows rows = ROWS_OF(struct store_product);
	enum store_error err;

	while (query_step(q)) {
		struct store_product *p = rows_add(&rows);

		if (p != NULL)
			product_read(q, p);
	}
	err = query_end(q);
	core_return(s, db);
	if (err == STORE_OK && rows.failed)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; err == STORE_OK && i < rows.len; i++)
		if (!each(&((struct store_product *)(void *)rows.items)[i], arg))
			break;
	rows_clear(&rows);
	return err;
}

enum store_error store_product_get(struct store *s, const char *business_id, const char *id, struct store_product *out)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " COLUMNS " FROM products WHERE business_id = ? AND id = ?");
	enum store_error err;
	bool found;

	query_text(&q, business_id);
	query_text(&q, id);
	found = query_step(&q);
	if (found)
		product_read(&q, out);
	err = query_end(&q);
	core_return(s, db);
	return err == STORE_OK && !found ? STORE_NOT_FOUND : err;
}

enum store_error store_product_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_product *p, void *arg), void *arg)
{
	struct db *db = core_reader(s);
	struct query q;
	int64_t start;
	enum store_error err = core_page_start(
		db, "SELECT seq FROM products WHERE business_id = ? AND id = ?", business_id, page, &start);

	if (err != STORE_OK) {
		core_return(s, db);
		return err;
	}
	q = page->ascending
		? query_start(
			  db, "SELECT " COLUMNS " FROM products WHERE business_id = ? AND seq > ? ORDER BY seq LIMIT ?")
		: query_start(db,
			  "SELECT " COLUMNS
			  " FROM products WHERE business_id = ? AND seq < ? ORDER BY seq DESC LIMIT ?");
	query_text(&q, business_id);
	query_int(&q, start);
	query_int(&q, page->limit);
	return products_show(s, db, &q, each, arg);
}

enum store_error store_product_each(
	struct store *s, const char *business_id, bool (*each)(const struct store_product *p, void *arg), void *arg)
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT " COLUMNS " FROM products WHERE business_id = ? ORDER BY seq");

	query_text(&q, business_id);
	return products_show(s, db, &q, each, arg);
}

struct removal {
	const char *business_id, *id;
};

static enum store_error run_remove(struct db *db, void *arg)
{
	const struct removal *a = arg;
	struct query q = query_start(db, "DELETE FROM products WHERE business_id = ? AND id = ?");
	enum store_error err;

	query_text(&q, a->business_id);
	query_text(&q, a->id);
	err = query_finish(&q);
	return err != STORE_OK ? err : db_changes(db) > 0 ? STORE_OK : STORE_NOT_FOUND;
}

enum store_error store_product_remove(struct store *s, const char *business_id, const char *id)
{
	struct removal a = {business_id, id};

	return core_write(s, run_remove, &a);
}
