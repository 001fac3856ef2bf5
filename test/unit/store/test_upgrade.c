/*
 * A database of the first version, with what it holds, becomes one of this version: what
 * awaited an answer is owed still, and what came before is known again.
 */
#include <sqlite3.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define BUSINESS                                                                                                       \
	"INSERT INTO meta (key, value) VALUES ('deployment_id', '0123456789abcdefghjkmnpqrs');"                        \
	"INSERT INTO businesses (id, name, status, responder, created_at, updated_at) "                                \
	"VALUES ('one', 'n', 1, 'catalogue', 1, 1), ('two', 'n', 1, 'none', 1, 1);"                                    \
	"INSERT INTO connections (id, business_id, provider, status, app_id, waba_id, phone_number_id, "               \
	"display_phone, "                                                                                              \
	"verified_name, verify_token, created_at, updated_at) "                                                        \
	"VALUES ('" CONNECTION_ONE "', 'one', 1, 2, '11', '22', '1001', '', '', 'token', 1, 1);"                       \
	"INSERT INTO numbers (provider, phone_number_id, business_id, connection_id) "                                 \
	"VALUES (1, '1001', 'one', '" CONNECTION_ONE "');"
#define MESSAGE(id, direction, state, awaits, c, at)                                                                   \
	"INSERT INTO messages (id, business_id, connection_id, number, direction, state, type, conversation, awaits, " \
	"created_at, updated_at, next_at, attempts, error_code, reason, content) VALUES ('" id                         \
	"', 'one', '" CONNECTION_ONE "', '1001', " direction ", " state ", 'text', x'" c                               \
	"000000000000000000000000000000', " awaits ", " at ", 1, 0, 0, 0, '', CAST('of " id "' AS BLOB));"

/* In one conversation: answered, then two that await, the later one with the smaller id; and one in another. */
static const char rows[] = BUSINESS MESSAGE("answered", "1", "1", "0", "01", "10")
	MESSAGE("zebra", "1", "1", "1", "01", "11") MESSAGE("aardvark", "1", "1", "1", "01", "12")
		MESSAGE("other", "1", "1", "1", "02", "13") MESSAGE("queued", "2", "2", "0", "01", "14");

static void make_first_version(struct house *h)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, store_migrations[0].sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, rows, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(db, "PRAGMA user_version = 1; PRAGMA application_id = 0x4b657968", NULL, NULL, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static bool check_ask(const struct store_ask *a, void *arg)
{
	unsigned *n = arg;

	assert_int_equal(a->kind, STORE_ASK_QUESTION);
	assert_string_equal(a->business_id, "one");
	assert_string_equal(a->connection_id, CONNECTION_ONE);
	assert_string_equal(a->number, "1001");
	assert_string_equal(a->message_id, a->id);
	assert_int_equal(a->attempts, 1);
	if (*n == 0) {
		assert_string_equal(a->id, "zebra");
		assert_int_equal(a->conversation[0], 1);
		assert_int_equal(a->created_at, 11);
		assert_memory_equal(a->content, "of zebra", a->content_len);
	} else {
		assert_string_equal(a->id, "other");
		assert_int_equal(a->conversation[0], 2);
	}
	++*n;
	return true;
}

static void test_what_awaited_is_owed(void **state)
{
	struct house *h = *state;
	unsigned n = 0;
	struct seen seen = {0};

	make_first_version(h);
	house_open(h);
	assert_int_equal(store_ask_lease(h->store, 20, 10, 10, check_ask, &n), STORE_OK);
	assert_int_equal(n, 2);
	assert_int_equal(store_ask_done(h->store, "one", "zebra", NULL, 0), STORE_OK);
	assert_int_equal(store_ask_done(h->store, "one", "answered", NULL, 0), STORE_STALE);
	assert_int_equal(store_ask_lease(h->store, 20, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], "aardvark");
	/* It is done once: opened again, nothing is owed anew. */
	assert_int_equal(store_ask_done(h->store, "one", "aardvark", NULL, 0), STORE_OK);
	house_close(h);
	house_open(h);
	assert_int_equal(store_ask_recover(h->store), STORE_OK);
	seen.len = 0;
	assert_int_equal(store_ask_lease(h->store, 20, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], "other");
}

/* Messages left a mark and a row there, echoes a mark alone. */
static void test_what_came_is_known_again(void **state)
{
	static const char came[] =
		"UPDATE messages SET wamid_index = x'01000000000000000000000000000000' "
		"WHERE id IN ('answered', 'queued');"
		"INSERT INTO seen (business_id, key, at) VALUES ('one', "
		"x'02000000000000000000000000000000', 1), ('one', x'03000000000000000000000000000000', 1);";
	struct house *h = *state;
	struct store_message again = message("one", CONNECTION_ONE, 1), echo = message("one", CONNECTION_ONE, 1);
	struct store_update m = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &again},
			    e = {.kind = STORE_UPDATE_ECHO, .verdict = STORE_UPDATE_DELIVERED, .message = &echo};
	sqlite3 *db;

	make_first_version(h);
	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, came, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	house_open(h);
	again.wamid_index[0] = 1;
	assert_int_equal(settle_one(h->store, "one", CONNECTION_ONE, m).duplicates, 1);
	echo.direction = STORE_OUTBOUND;
	echo.state = STORE_MESSAGE_SENT;
	echo.echo = true;
	echo.wamid_index[0] = 5;
	e.seen_key[0] = 3;
	assert_int_equal(settle_one(h->store, "one", CONNECTION_ONE, e).duplicates, 1);
	/* Of what was sent from here. */
	echo.wamid_index[0] = 1;
	e.seen_key[0] = 2;
	assert_int_equal(settle_one(h->store, "one", CONNECTION_ONE, e).duplicates, 1);
	e.seen_key[0] = 4;
	assert_int_equal(settle_one(h->store, "one", CONNECTION_ONE, e).delivered, 1);
}

static void test_the_rest_is_as_it_was(void **state)
{
	struct house *h = *state;
	struct store_connection c;
	struct store_counts counts;
	struct store_place place;
	struct seen seen = {0};

	make_first_version(h);
	house_open(h);
	assert_string_equal(store_deployment_id(h->store), "0123456789abcdefghjkmnpqrs");
	assert_int_equal(store_connection_by_number(h->store, "one", STORE_META, "1001", &c), STORE_OK);
	assert_string_equal(c.client_id, "");
	assert_int_equal(c.handshake_at, 0);
	assert_false(c.sandbox);
	assert_int_equal(c.status, STORE_CONNECTION_ACTIVE);
	assert_int_equal(store_counts(h->store, &counts), STORE_OK);
	assert_int_equal(counts.businesses, 2);
	assert_int_equal(counts.connections, 1);
	assert_int_equal(counts.asks, 3);
	assert_int_equal(counts.queued, 1);
	assert_int_equal(store_conversation_last(h->store, "one", (uint8_t[STORE_INDEX_LEN]){1}, &place), STORE_OK);
	assert_true(place.turn > 0);
	assert_int_equal(lease_due(h->store, 20, 10, 10, see_message, &seen), STORE_OK);
	assert_string_equal(seen.ids[0], "queued");
	assert_int_equal(store_business_remove(h->store, "one", NULL), STORE_OK);
	assert_int_equal(store_counts(h->store, &counts), STORE_OK);
	assert_int_equal(counts.businesses, 1);
	assert_int_equal(counts.connections, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_empty, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_what_awaited_is_owed),
		TEST(test_what_came_is_known_again),
		TEST(test_the_rest_is_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
