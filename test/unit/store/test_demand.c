/*
 * What customers ask for: counted with the answer or not at all, by day, listed without
 * what is not sold any more, and gone with its time or its business.
 */
#include <time.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)
#define FIRST (INT64_C(20000) * DAY)
#define LAST (STORE_ACTIVITY_DAYS - 1)
#define TODAY (FIRST + (int64_t)LAST * DAY)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static void sell(struct store *s, const char *business, const char *id)
{
	struct store_product p = {.price = "1", .currency = "NGN", .stock = -1};
	unsigned added, changed;

	(void)snprintf(p.id, sizeof(p.id), "%s", id);
	(void)snprintf(p.name, sizeof(p.name), "The %s", id);
	(void)snprintf(p.name_key, sizeof(p.name_key), "%s", id);
	assert_int_equal(store_product_put(s, business, &p, 1, &added, &changed), STORE_OK);
}

/* About up to two products; NULL: that many less. */
static struct store_demand about(const char *a, const char *b)
{
	const char *const ids[] = {a, b};
	struct store_demand d = {.asked = true};

	for (size_t i = 0; i < 2; i++)
		if (ids[i] != NULL)
			(void)snprintf(d.products[d.products_len++], sizeof(d.products[0]), "%s", ids[i]);
	return d;
}

static enum store_error answer(struct store *s, const char *ask, int64_t at, const struct store_demand *demand)
{
	struct store_message m = outbound("one", CONNECTION_ONE, 1);

	m.created_at = at;
	m.demand = demand;
	return store_ask_done(s, "one", ask, &m, 1);
}

static void answered(struct store *s, int64_t at, struct store_demand demand)
{
	assert_int_equal(answer(s, question(s, "one", CONNECTION_ONE, 1).id, at, &demand), STORE_OK);
}

static struct store_activity_sum day_of(struct store *s, const char *business, size_t day)
{
	struct store_activity a;

	assert_int_equal(store_activity(s, business, FIRST, &a), STORE_OK);
	return day < STORE_ACTIVITY_DAYS ? a.days[day] : a.all;
}

static int64_t questions(struct store *s)
{
	return day_of(s, "one", STORE_ACTIVITY_DAYS).questions;
}

struct list {
	struct store_demand_row rows[20];
	size_t len;
};

static bool see(const struct store_demand_row *row, void *arg)
{
	struct list *l = arg;

	l->rows[l->len++] = *row;
	return true;
}

static struct list list_of(struct store *s, const char *business)
{
	struct list l = {.len = 0};

	assert_int_equal(store_demand_list(s, business, FIRST, 10, see, &l), STORE_OK);
	return l;
}

static void is_row(const struct store_demand_row *row, const char *id, int64_t all, int64_t today)
{
	assert_string_equal(row->product_id, id);
	assert_int_equal(strncmp(row->name, "The ", 4), 0);
	assert_string_equal(row->name + 4, id);
	assert_int_equal(row->all, all);
	assert_int_equal(row->today, today);
}

static void test_days(void **state)
{
	struct store *s = store_of(state);
	struct list l;

	sell(s, "one", "fan");
	sell(s, "one", "rice");
	sell(s, "two", "rice");
	answered(s, FIRST - 1, about("rice", NULL));
	answered(s, FIRST, about("rice", "fan"));
	answered(s, FIRST + DAY - 1, about("rice", "gone"));
	answered(s, FIRST + DAY, about(NULL, NULL));
	answered(s, TODAY, about("fan", NULL));
	answered(s, TODAY + 3 * DAY, about("fan", NULL));
	answered(s, TODAY, (struct store_demand){.asked = false, .products_len = 1, .products = {"fan"}});
	assert_int_equal(day_of(s, "one", 0).questions, 2);
	assert_int_equal(day_of(s, "one", 1).questions, 1);
	assert_int_equal(day_of(s, "one", 2).questions, 0);
	assert_int_equal(day_of(s, "one", LAST).questions, 2);
	assert_int_equal(questions(s), 5);
	l = list_of(s, "one");
	assert_int_equal(l.len, 2);
	is_row(&l.rows[0], "fan", 3, 2);
	is_row(&l.rows[1], "rice", 2, 0);
	assert_int_equal(list_of(s, "two").len, 0);
	assert_int_equal(day_of(s, "two", STORE_ACTIVITY_DAYS).questions, 0);
	/* A product that is not sold any more, and one of many. */
	assert_int_equal(store_product_remove(s, "one", "fan"), STORE_OK);
	for (char id[] = "a"; id[0] <= 'n'; id[0]++) {
		sell(s, "one", id);
		answered(s, TODAY, about(id, NULL));
	}
	l = list_of(s, "one");
	assert_int_equal(l.len, 10);
	is_row(&l.rows[0], "rice", 2, 0);
	is_row(&l.rows[1], "a", 1, 1);
	is_row(&l.rows[9], "i", 1, 1);
}

/* What is not queued is not counted, and nothing twice. */
static void test_with_the_answer(void **state)
{
	struct store *s = store_of(state);
	struct store_message asked = question(s, "one", CONNECTION_ONE, 1), twin[2];
	struct store_demand d = about("rice", "fan"), none = about("", NULL), many = about("rice", NULL);

	sell(s, "one", "rice");
	many.products_len = STORE_DEMAND_PRODUCTS + 1;
	assert_int_equal(answer(s, asked.id, FIRST, &none), STORE_INVALID);
	assert_int_equal(answer(s, asked.id, FIRST, &many), STORE_INVALID);
	/* The second one's id is taken, when the first one is counted already. */
	twin[0] = twin[1] = outbound("one", CONNECTION_ONE, 1);
	twin[0].demand = &d;
	twin[0].created_at = FIRST;
	assert_int_equal(store_ask_done(s, "one", asked.id, twin, 2), STORE_EXISTS);
	assert_int_equal(answer(s, "nobody's", FIRST, &d), STORE_STALE);
	assert_int_equal(questions(s), 0);
	assert_int_equal(list_of(s, "one").len, 0);
	assert_int_equal(answer(s, asked.id, FIRST, &d), STORE_OK);
	assert_int_equal(answer(s, asked.id, FIRST, &d), STORE_STALE);
	assert_int_equal(questions(s), 1);
	is_row(&list_of(s, "one").rows[0], "rice", 1, 0);
	/* Nobody is answered where the connection has gone. */
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	asked = question(s, "one", CONNECTION_ONE, 1);
	assert_int_equal(answer(s, asked.id, FIRST, &d), STORE_OK);
	assert_int_equal(questions(s), 1);
}

static enum store_error run_rows(struct db *db, void *arg)
{
	struct query q = query_start(db, "SELECT count(*) FROM demand WHERE business_id = 'one'");

	if (query_step(&q))
		*(int64_t *)arg = query_get_int(&q);
	return query_end(&q);
}

static int64_t rows(struct store *s)
{
	int64_t n = -1;

	assert_int_equal(core_write(s, run_rows, &n), STORE_OK);
	return n;
}

static enum store_error run_fill(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299) "
		"INSERT INTO demand (business_id, day, product_id, n) SELECT 'one', 20000, 'p' || i, 1 FROM n");
}

static void test_ends(void **state)
{
	struct store *s = store_of(state);

	answered(s, FIRST, about("rice", NULL));
	answered(s, FIRST + DAY, about("rice", NULL));
	assert_int_equal(core_write(s, run_fill, NULL), STORE_OK);
	assert_int_equal(rows(s), 304);
	/* To the end of its day, as all days are kept. */
	assert_int_equal(store_prune(s, FIRST + 401 * DAY - 1, 30), STORE_OK);
	assert_int_equal(rows(s), 304);
	assert_int_equal(store_prune(s, FIRST + 401 * DAY, 30), STORE_OK);
	assert_int_equal(rows(s), 2);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(rows(s), 0);
}

static enum store_error run_drop(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db, "DELETE FROM businesses WHERE id = 'one'");
}

static void test_cascade(void **state)
{
	struct store *s = store_of(state);

	answered(s, FIRST, about("rice", NULL));
	assert_int_equal(rows(s), 2);
	assert_int_equal(core_write(s, run_drop, NULL), STORE_OK);
	assert_int_equal(rows(s), 0);
}

static enum store_error run_many(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9999) "
		"INSERT INTO products (business_id, id, name, name_key, aliases, price, currency, stock, unit) "
		"SELECT 'one', 'p' || i, 'The p' || i, 'p' || i, '', '1', 'NGN', -1, '' FROM n;"
		"WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299999) "
		"INSERT INTO demand (business_id, day, product_id, n) "
		"SELECT 'one', 20000 + i / 10000, 'p' || (i % 10000), 1 + i % 100 FROM n");
}

/* Ten thousand products, every one asked for every day: the page waits for it. */
static void test_many(void **state)
{
	struct house *h = *state;
	struct timespec from, to;
	struct list l;
	double ms;

	assert_int_equal(core_write(h->store, run_many, NULL), STORE_OK);
	house_close(h);
	house_open(h);
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from), 0);
	l = list_of(h->store, "one");
	assert_int_equal(questions(h->store), 0);
	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to), 0);
	ms = (double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6;
	print_message("300,000 counts: %.0f ms\n", ms);
	assert_int_equal(l.len, 10);
	is_row(&l.rows[0], "p1099", 3000, 100);
	assert_true(ms < 2000);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_days),
		TEST(test_with_the_answer),
		TEST(test_ends),
		TEST(test_cascade),
		TEST(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
