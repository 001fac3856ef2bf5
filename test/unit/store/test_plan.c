/*
 * Every statement the store runs finds its rows by an index: the SQL is caught while it
 * runs, and its plan asked of SQLite.
 */
#include <sqlite3.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define CAUGHT_MAX 128

static struct {
	char *sql[CAUGHT_MAX];
	size_t len;
} caught;

static int on_statement(unsigned kind, void *ctx, void *statement, void *text)
{
	const char *sql = sqlite3_sql(statement);

	(void)kind;
	(void)ctx;
	(void)text;
	for (size_t i = 0; i < caught.len; i++)
		if (strcmp(caught.sql[i], sql) == 0)
			return 0;
	assert_true(caught.len < CAUGHT_MAX);
	caught.sql[caught.len++] = strdup(sql);
	return 0;
}

static enum store_error run_catch(struct db *db, void *arg)
{
	(void)arg;
	return sqlite3_trace_v2(db->handle, SQLITE_TRACE_STMT, on_statement, NULL) == SQLITE_OK ? STORE_OK
												: STORE_FAILED;
}

/* Calls everything that runs often, and what must stay fast beside it. */
static void use_everything(struct store *s)
{
	struct store_page pages[] = {{.limit = 5}, {.limit = 5, .ascending = true}};
	struct store_message question = message("one", CONNECTION_ONE, 1), answer = outbound("one", CONNECTION_ONE, 1);
	struct store_message sent = queue(s, "one", CONNECTION_ONE, 2, 0);
	struct store_settlement by_id = {.to = STORE_MESSAGE_READ},
				by_wamid = {.to = STORE_MESSAGE_READ, .wamid_index = {1}};
	struct store_update updates[] = {{.kind = STORE_UPDATE_MESSAGE,
						 .verdict = STORE_UPDATE_DELIVERED,
						 .seen_key = {1},
						 .message = &question},
		{.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED, .settlement = &by_id},
		{.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED, .settlement = &by_wamid}};
	struct store_outcome outcome = {.business_id = "one", .attempt = 1, .to = STORE_MESSAGE_SENT};
	struct store_product product = {.name = "Rice", .name_key = "rice", .price = "1", .currency = "NGN"};
	struct store_credential credential = {.connection_id = CONNECTION_ONE,
		.field = "api_key",
		.slot = STORE_SLOT_CURRENT,
		.version = 1,
		.blob = (const uint8_t *)"x",
		.blob_len = 1};
	struct store_connection c;
	struct store_business b;
	struct store_token token = {.id = "t", .name = "n"};
	struct store_tenant_key key = {.purpose = STORE_KEY_CONTENT, .version = 1, .blob_len = 1};
	struct seen seen = {0};
	char event[STORE_ID_LEN + 1];
	unsigned n, m;
	int64_t at;

	question.awaits_answer = true;
	memcpy(by_id.message_id, sent.id, sizeof(sent.id));
	add_event(s, event);
	assert_int_equal(store_event_unsettled(s, 10, see_event, &seen), STORE_OK);
	assert_int_equal(store_event_settle(s, "one", event, STORE_EVENT_SETTLED, updates, 3, NULL), STORE_OK);
	assert_int_equal(store_message_awaiting(s, 10, see_message, &seen), STORE_OK);
	assert_int_equal(store_message_answer(s, "one", question.id, &answer, 1), STORE_OK);
	assert_int_equal(store_message_answer(s, "one", question.id, &answer, 1), STORE_STALE);
	assert_int_equal(store_outbox_next_due(s, &at), STORE_OK);
	assert_int_equal(store_outbox_lease(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
	outcome.message_id = sent.id;
	assert_int_equal(store_outbox_settle(s, &outcome), STORE_OK);
	assert_int_equal(store_outbox_recover(s, &n), STORE_OK);
	assert_int_equal(store_credential_put(s, "one", &credential), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", "1001", &c), STORE_OK);
	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	assert_int_equal(store_connection_status_set(s, "one", c.id, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(store_connection_describe(s, &c), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_int_equal(store_business_update(s, &b), STORE_OK);
	assert_int_equal(store_tenant_key_add(s, "one", &key), STORE_OK);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CONTENT, 0, &key), STORE_OK);
	assert_int_equal(store_token_add(s, &token), STORE_OK);
	assert_int_equal(store_token_find(s, token.hash, &token), STORE_OK);
	assert_int_equal(store_token_revoke(s, "t"), STORE_OK);
	assert_int_equal(store_product_put(s, "one", &product, 1, &n, &m), STORE_OK);
	memcpy(product.id, "p", 2);
	assert_int_equal(store_product_put(s, "one", &product, 1, &n, &m), STORE_EXISTS);
	assert_int_equal(store_product_each(s, "one", see_product, &seen), STORE_OK);
	assert_int_equal(store_product_remove(s, "one", "none"), STORE_NOT_FOUND);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(store_business_list(s, &pages[i], see_business, &seen), STORE_OK);
		assert_int_equal(store_connection_list(s, "one", &pages[i], see_connection, &seen), STORE_OK);
		assert_int_equal(store_event_list(s, "one", 0, &pages[i], see_summary, &seen), STORE_OK);
		assert_int_equal(store_message_list(s, "one", NULL, &pages[i], see_message, &seen), STORE_OK);
		assert_int_equal(store_product_list(s, "one", &pages[i], see_product, &seen), STORE_OK);
		assert_int_equal(store_token_list(s, &pages[i], see_token, &seen), STORE_OK);
		assert_int_equal(store_message_get(s, "one", sent.id, see_message, &seen), STORE_OK);
		pages[i].after = "none";
		assert_int_equal(store_message_list(s, "one", NULL, &pages[i], see_message, &seen), STORE_NOT_FOUND);
	}
	assert_int_equal(store_prune(s, store_now_ms() + INT64_C(86400000) * 500, 30), STORE_OK);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	assert_int_equal(store_business_remove(s, "one"), STORE_OK);
}

/* A walk along one of these reads only rows that are wanted: they hold nothing else. */
static bool walk_allowed(const char *detail)
{
	static const char *const partial[] = {"events_unsettled", "messages_awaiting", "outbox_sending"};

	for (size_t i = 0; i < sizeof(partial) / sizeof(partial[0]); i++)
		if (strstr(detail, partial[i]) != NULL)
			return true;
	return strcmp(detail, "SCAN waiting") == 0 || strcmp(detail, "SCAN CONSTANT ROW") == 0;
}

/* These would be found through their business, or in order of arrival, but only after reading many others. */
static bool index_missing(const char *sql, const char *plan)
{
	static const char *const wanted[][2] = {
		{"WHERE wamid_index = ?", "messages_wamid"},
		{"WHERE m.awaits = 1", "messages_awaiting"},
		{"WHERE state = 1 ORDER BY seq", "events_unsettled"},
		{"n.business_id = ? AND n.phone_number_id", "numbers_business"},
		{"WHERE state = 3", "outbox_sending"},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		if (strstr(sql, wanted[i][0]) != NULL && strstr(plan, wanted[i][1]) == NULL)
			return true;
	return false;
}

static unsigned scans(sqlite3 *db, const char *sql)
{
	char plan[2000] = "";
	char *explain = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", sql);
	sqlite3_stmt *statement;
	unsigned bad = 0;

	assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &statement, NULL), SQLITE_OK);
	while (sqlite3_step(statement) == SQLITE_ROW) {
		const char *detail = (const char *)sqlite3_column_text(statement, 3);
		size_t len = strlen(plan);

		(void)snprintf(plan + len, sizeof(plan) - len, "%s;", detail);
		if (strncmp(detail, "SCAN", 4) != 0 || walk_allowed(detail))
			continue;
		print_message("%s\n  in %s\n", detail, sql);
		bad++;
	}
	if (index_missing(sql, plan)) {
		print_message("%s\n  in %s\n", plan, sql);
		bad++;
	}
	(void)sqlite3_finalize(statement);
	sqlite3_free(explain);
	return bad;
}

static void test_no_table_is_read_through(void **state)
{
	struct house *h = *state;
	unsigned bad = 0, plans = 0;
	sqlite3 *db;

	for (size_t i = 0; i < h->store->readers_len; i++)
		assert_int_equal(run_catch(&h->store->readers[i], NULL), STORE_OK);
	assert_int_equal(core_write(h->store, run_catch, NULL), STORE_OK);
	use_everything(h->store);
	house_close(h);
	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_TRIGGER_EQP, 1, NULL), SQLITE_OK);
	for (size_t i = 0; i < caught.len; i++) {
		const char *sql = caught.sql[i];

		if (strncmp(sql, "SELECT", 6) == 0 || strncmp(sql, "INSERT", 6) == 0 ||
			strncmp(sql, "UPDATE", 6) == 0 || strncmp(sql, "DELETE", 6) == 0 ||
			strncmp(sql, "WITH", 4) == 0) {
			bad += scans(db, sql);
			plans++;
		}
		free(caught.sql[i]);
	}
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_true(plans > 50);
	assert_int_equal(bad, 0);
}

/* What goes with a business is found by an index on its foreign key, in every table. */
static void test_foreign_keys_have_an_index(void **state)
{
	static const char tables[] = "SELECT m.name, f.\"from\" FROM sqlite_schema m "
				     "JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'";
	static const char index[] = "SELECT 1 FROM pragma_index_list(?1) l JOIN pragma_index_info(l.name) i "
				    "WHERE i.seqno = 0 AND i.name = ?2 AND l.partial = 0";
	struct house *h = *state;
	sqlite3_stmt *t, *i;
	unsigned n = 0;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, tables, -1, &t, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, index, -1, &i, NULL), SQLITE_OK);
	for (; sqlite3_step(t) == SQLITE_ROW; n++) {
		(void)sqlite3_bind_text(i, 1, (const char *)sqlite3_column_text(t, 0), -1, SQLITE_TRANSIENT);
		(void)sqlite3_bind_text(i, 2, (const char *)sqlite3_column_text(t, 1), -1, SQLITE_TRANSIENT);
		assert_int_equal(sqlite3_step(i), SQLITE_ROW);
		(void)sqlite3_reset(i);
	}
	assert_true(n >= 7);
	(void)sqlite3_finalize(t);
	(void)sqlite3_finalize(i);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_no_table_is_read_through),
		TEST(test_foreign_keys_have_an_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
