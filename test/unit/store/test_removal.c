/*
 * Removing a connection leaves nothing waiting for it; removing a large business takes
 * every row that names it, from every table, and no other's.
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
		"INSERT INTO responders (business_id, url, version, last4, secret, created_at) "
		"VALUES ('one', x'01', 1, '', x'01', 1)";
	char text[sizeof(sql) + 32];

	(void)arg;
	(void)snprintf(text, sizeof(text), sql, ROWS, ROWS, ROWS);
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
	assert_true(writer_commits(h->store->writer) - before > 18);
	assert_int_equal(rows_of(h->path, "one"), 0);
	assert_int_equal(rows_of(h->path, "two"), theirs);
	assert_int_equal(rows_of(h->path, ""), 1);
	assert_int_equal(store_business_get(h->store, "one", &b), STORE_NOT_FOUND);
	assert_int_equal(store_business_remove(h->store, "one", NULL), STORE_NOT_FOUND);
	add_business(h->store, "one");
	add_connection(h->store, CONNECTION_ONE, "one", "1001");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_connection_leaves_nothing_waiting),
		TEST(test_large_business),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
