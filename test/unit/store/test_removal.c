/*
 * Removing a connection leaves nothing waiting for it; removing a large business takes
 * every row that names it, from every table, and no other's. One that is cut short is not found
 * any more, takes nothing in, and goes to its end when it is carried on.
 */
#include <sqlite3.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define ROWS 1200

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static void test_connection_leaves_nothing_waiting(void **state)
{
	struct store *s = store_of(state);
	struct store_message first = queue(s, "one", CONNECTION_ONE, 1, 0),
			     second = queue(s, "one", CONNECTION_ONE, 1, 0);
	struct store_message other = queue(s, "two", CONNECTION_TWO, 1, 0), answer = outbound("one", CONNECTION_ONE, 1),
			     late, owed, theirs;
	struct seen seen = {0};

	question(s, "one", CONNECTION_ONE, 1);
	owed = question(s, "one", CONNECTION_ONE, 2);
	theirs = question(s, "two", CONNECTION_TWO, 2);
	assert_int_equal(store_connection_remove(s, "two", CONNECTION_ONE), STORE_NOT_FOUND);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	assert_int_equal(state_of(s, "one", first.id), STORE_MESSAGE_DEAD);
	assert_int_equal(state_of(s, "one", second.id), STORE_MESSAGE_DEAD);
	assert_int_equal(state_of(s, "two", other.id), STORE_MESSAGE_QUEUED);
	assert_int_equal(store_ask_done(s, "one", owed.id, &answer, 1), STORE_STALE);
	assert_int_equal(store_ask_lease(s, 1, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], theirs.id);
	/* An event settled after it: the answer ends the wait and is logged as dead. */
	late = question(s, "one", CONNECTION_ONE, 1);
	assert_int_equal(store_ask_done(s, "one", late.id, &answer, 1), STORE_OK);
	assert_int_equal(state_of(s, "one", answer.id), STORE_MESSAGE_DEAD);
	assert_int_equal(store_ask_lease(s, 1, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	/* Its number is free again. */
	add_connection(s, "0000000000000000000000c0n9", "two", "1001");
}

static enum store_error run_fill(struct db *db, void *arg)
{
	static const char sql[] =
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, "
		"awaits, created_at, updated_at, next_at, attempts, error_code, reason, content) "
		"SELECT printf('f%%025d', i), 'one', '" CONNECTION_ONE "', '1001', 2, 2, 'text', "
		"CAST(printf('%%016d', i %% 7) AS BLOB), 0, 0, 0, 5, 0, 0, '', x'01' FROM n;"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO seen (business_id, key, at) SELECT 'one', CAST(printf('%%016d', i) AS BLOB), 1 FROM n;"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO events (id, business_id, connection_id, state, received_at, body) "
		"SELECT printf('e%%025d', i), 'one', '" CONNECTION_ONE "', 2, 1, x'01' FROM n;"
		"INSERT INTO updates (id, event_id, business_id, kind, verdict, field, number, reason) "
		"SELECT id, id, business_id, 1, 1, '', '', '' FROM events;"
		"INSERT INTO asks (id, business_id, kind, message_id, connection_id, number, conversation, created_at) "
		"SELECT id, business_id, 1, id, connection_id, number, conversation, 1 FROM messages;"
		"INSERT INTO once (business_id, key, request, status, at) SELECT 'one', key, key, 200, 1 FROM seen;"
		"INSERT INTO once (business_id, key, request, status, at) VALUES ('', x'01', x'01', 200, 1);"
		"INSERT INTO demand (business_id, day, product_id, n) SELECT 'one', seq, '', 1 FROM messages;"
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) "
		"INSERT INTO virtual_keys (id, business_id, name, hash, last4, scopes, numbers, rate, budget, "
		"created_at, "
		"expires_at) SELECT printf('k%%025d', i), 'one', i, CAST(printf('%%032d', i) AS BLOB), '', 1, '', 0, "
		"0, 1, 0 FROM n;"
		"INSERT INTO virtual_key_days (key_id, day, messages) SELECT id, 1, 1 FROM virtual_keys;"
		"INSERT INTO responders (business_id, url, version, last4, secret, created_at) "
		"VALUES ('one', x'01', 1, '', x'01', 1)";
	char text[sizeof(sql) + 32];

	(void)arg;
	(void)snprintf(text, sizeof(text), sql, ROWS, ROWS, ROWS, ROWS);
	return db_run(db, text);
}

/* Rows of every table with that column. */
static int64_t rows_of(const char *path, const char *business)
{
	sqlite3_stmt *tables, *rows;
	int64_t n = 0, named = 0;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db,
				 "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c "
				 "WHERE m.type = 'table' AND c.name = 'business_id'",
				 -1, &tables, NULL),
		SQLITE_OK);
	for (; sqlite3_step(tables) == SQLITE_ROW; named++) {
		char *sql = sqlite3_mprintf("SELECT count(*) FROM \"%w\" WHERE business_id = %Q",
			(const char *)sqlite3_column_text(tables, 0), business);

		assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &rows, NULL), SQLITE_OK);
		assert_int_equal(sqlite3_step(rows), SQLITE_ROW);
		n += sqlite3_column_int64(rows, 0);
		(void)sqlite3_finalize(rows);
		sqlite3_free(sql);
	}
	(void)sqlite3_finalize(tables);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_true(named >= 12);
	return n;
}

static void test_large_business(void **state)
{
	struct house *h = *state;
	struct store_tenant_key key = {.purpose = STORE_KEY_CONTENT, .version = 1, .blob_len = 1};
	struct store_business b;
	unsigned long before;
	int64_t theirs;

	assert_int_equal(core_write(h->store, run_fill, NULL), STORE_OK);
	assert_int_equal(store_tenant_key_add(h->store, "one", &key), STORE_OK);
	assert_int_equal(store_tenant_key_add(h->store, "nobody", &key), STORE_NOT_FOUND);
	queue(h->store, "two", CONNECTION_TWO, 1, 0);
	question(h->store, "two", CONNECTION_TWO, 1);
	assert_true(rows_of(h->path, "one") > 7 * ROWS);
	theirs = rows_of(h->path, "two");
	before = writer_commits(h->store->writer);
	assert_int_equal(store_business_remove(h->store, "one", NULL), STORE_OK);
	/* In steps, between which others may write. */
	assert_true(writer_commits(h->store->writer) - before > 22);
	assert_int_equal(rows_of(h->path, "one"), 0);
	assert_int_equal(rows_of(h->path, "two"), theirs);
	assert_int_equal(rows_of(h->path, ""), 1);
	assert_int_equal(store_business_get(h->store, "one", &b), STORE_NOT_FOUND);
	assert_int_equal(store_business_remove(h->store, "one", NULL), STORE_NOT_FOUND);
	add_business(h->store, "one");
	add_connection(h->store, CONNECTION_ONE, "one", "1001");
}

/* ------------------------------------------------------------ cut short */

static enum store_error run_trap(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db, "CREATE TRIGGER trap BEFORE DELETE ON messages BEGIN SELECT RAISE(ABORT, 'cut'); END");
}

static enum store_error run_untrap(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db, "DROP TRIGGER trap");
}

static bool see_key(const struct store_tenant_key *key, void *arg)
{
	(void)key;
	++*(unsigned *)arg;
	return true;
}

static bool see_letter(const struct store_letter *l, void *arg)
{
	assert_string_not_equal(l->business_id, "one");
	++*(unsigned *)arg;
	return true;
}

static bool see_quarantined(const struct store_quarantined *u, void *arg)
{
	(void)u;
	++*(unsigned *)arg;
	return true;
}

static bool see_unparsed(const struct store_unparsed *e, void *arg)
{
	(void)e;
	++*(unsigned *)arg;
	return true;
}

/* The keys are gone, everything else is there. */
static void cut_short(struct house *h)
{
	struct store_tenant_key key = {.purpose = STORE_KEY_CONTENT, .version = 1, .blob_len = 1};
	unsigned keys = 0;

	assert_int_equal(store_tenant_key_add(h->store, "one", &key), STORE_OK);
	assert_int_equal(core_write(h->store, run_fill, NULL), STORE_OK);
	assert_int_equal(core_write(h->store, run_trap, NULL), STORE_OK);
	assert_int_equal(store_business_remove(h->store, "one", NULL), STORE_INVALID);
	assert_int_equal(core_write(h->store, run_untrap, NULL), STORE_OK);
	assert_int_equal(store_tenant_key_list(h->store, "one", see_key, &keys), STORE_OK);
	assert_int_equal(keys, 0);
	assert_true(rows_of(h->path, "one") > 6 * ROWS);
}

static enum store_error run_dead_letters(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"UPDATE messages SET state = 10 WHERE state = 2; UPDATE updates SET verdict = 2; UPDATE events SET "
		"state = 3");
}

static void test_cut_short_is_not_found(void **state)
{
	const struct store_page all = {.limit = STORE_LIST_MAX}, rising = {.limit = STORE_LIST_MAX, .ascending = true};
	struct house *h = *state;
	struct store *s = h->store;
	struct store_business b = {.id = "one", .name = "n", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};
	const struct store_link link = {.id = "l", .business_id = "one", .created_at = 1, .expires_at = INT64_MAX};
	const struct store_product product = {.name = "Bread", .name_key = "bread", .price = "1", .currency = "EUR"};
	struct store_connection c = connection("0000000000000000000000c0n9", "one", "1009");
	struct store_tenant_key key = {.purpose = STORE_KEY_CONTENT, .version = 1, .blob_len = 1};
	const struct store_virtual_key virtual = {
		.id = "v", .business_id = "one", .name = "n", .last4 = "last", .scopes = 1, .created_at = 1};
	struct store_virtual_key found;
	const uint8_t hash[32] = {1};
	uint8_t of_first[33];
	unsigned added, changed, letters = 0;
	struct seen seen = {0};

	queue(s, "two", CONNECTION_TWO, 1, 0);
	cut_short(h);
	assert_int_equal(store_business_get(s, "one", &b), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", "new", 0, 0), STORE_NOT_FOUND);
	assert_int_equal(store_business_list(s, &all, see_business, &seen), STORE_OK);
	assert_int_equal(store_business_list(s, &rising, see_business, &seen), STORE_OK);
	assert_int_equal(store_business_find(s, "shop", 10, see_business, &seen), STORE_OK);
	assert_int_equal(store_business_find(s, "one", 10, see_business, &seen), STORE_OK);
	assert_int_equal(seen.len, 3);
	for (size_t i = 0; i < seen.len; i++)
		assert_string_equal(seen.ids[i], "two");
	/* It takes nothing in. */
	assert_int_equal(store_tenant_key_add(s, "one", &key), STORE_NOT_FOUND);
	assert_int_equal(store_connection_add(s, &c, NULL, 0), STORE_NOT_FOUND);
	assert_int_equal(store_link_add(s, &link, hash), STORE_NOT_FOUND);
	assert_int_equal(store_virtual_key_add(s, &virtual), STORE_NOT_FOUND);
	(void)snprintf((char *)of_first, sizeof(of_first), "%032d", 1);
	assert_int_equal(store_virtual_key_get(s, "one", "k0000000000000000000000001", 1, &found), STORE_OK);
	assert_memory_equal(found.hash, of_first, 32);
	assert_int_equal(store_virtual_key_find(s, of_first, 1, &found), STORE_NOT_FOUND);
	assert_int_equal(store_product_put(s, "one", &product, 1, &added, &changed), STORE_NOT_FOUND);
	assert_int_equal(store_responder_put(s, "one", "catalogue", NULL), STORE_NOT_FOUND);
	/* Nor is its id free before it is gone. */
	assert_int_equal(store_business_add(s, &b, NULL, 0), STORE_EXISTS);
	assert_int_equal(core_write(s, run_dead_letters, NULL), STORE_OK);
	assert_int_equal(store_letter_list(s, NULL, STORE_LIST_MAX, see_letter, &letters), STORE_OK);
	assert_int_equal(store_quarantined_list(s, NULL, STORE_LIST_MAX, see_quarantined, &letters), STORE_OK);
	assert_int_equal(store_unparsed_list(s, NULL, STORE_LIST_MAX, see_unparsed, &letters), STORE_OK);
	assert_int_equal(letters, 1);
}

static void test_cut_short_is_carried_on(void **state)
{
	struct house *h = *state;
	char id[STORE_BUSINESS_ID_LEN + 1];
	unsigned long steps = 0;
	struct store_business b;
	bool gone = false;
	int64_t theirs;

	assert_int_equal(store_business_removing(h->store, id), STORE_NOT_FOUND);
	cut_short(h);
	theirs = rows_of(h->path, "two");
	house_close(h);
	house_open(h);
	assert_int_equal(store_business_removing(h->store, id), STORE_OK);
	assert_string_equal(id, "one");
	for (; !gone; steps++)
		assert_int_equal(store_business_remove_some(h->store, id, &gone), STORE_OK);
	/* In steps, between which others may write. */
	assert_true(steps > 15);
	assert_int_equal(rows_of(h->path, "one"), 0);
	assert_int_equal(rows_of(h->path, "two"), theirs);
	assert_int_equal(store_business_removing(h->store, id), STORE_NOT_FOUND);
	assert_int_equal(store_business_remove_some(h->store, "one", &gone), STORE_NOT_FOUND);
	add_business(h->store, "one");
	/* Of one that was added anew nothing goes. */
	assert_int_equal(store_business_remove_some(h->store, "one", &gone), STORE_NOT_FOUND);
	assert_int_equal(store_business_get(h->store, "one", &b), STORE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_connection_leaves_nothing_waiting),
		TEST(test_large_business),
		TEST(test_cut_short_is_not_found),
		TEST(test_cut_short_is_carried_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
