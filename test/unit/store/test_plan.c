/*
 * Every statement the store runs finds its rows by an index: the SQL is caught while it
 * runs, and its plan asked of SQLite.
 */
#include <sqlite3.h>

#include "store/core.h"
#include "store/virtual_key.h"
#include "test/unit/store/helper.h"

#define CAUGHT_MAX 256

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

/* Each statement is prepared once, whatever it is used with. */
static enum store_error run_count_again(struct db *db, void *arg)
{
	unsigned *again = arg;

	for (sqlite3_stmt *st = sqlite3_next_stmt(db->handle, NULL); st != NULL;
		st = sqlite3_next_stmt(db->handle, st)) {
		if (sqlite3_stmt_status(st, SQLITE_STMTSTATUS_REPREPARE, 0) == 0)
			continue;
		print_message("prepared again and again: %s\n", sqlite3_sql(st));
		++*again;
	}
	return STORE_OK;
}

static bool see_responder(const struct store_responder *r, void *arg)
{
	(void)arg;
	return r->version == 1;
}

/* What responders are owed, and who they are. */
static void use_asks(struct store *s)
{
	struct store_message first = question(s, "one", CONNECTION_ONE, 1), answer = outbound("one", CONNECTION_ONE, 1);
	struct store_ask status = {.business_id = "one",
		.kind = STORE_ASK_STATUS,
		.conversation = {1},
		.content = (const uint8_t *)"x",
		.content_len = 1};
	struct store_update u = {.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED, .ask = &status};
	struct store_responder r = {.url = (const uint8_t *)"u",
		.url_len = 1,
		.version = 1,
		.secret = (const uint8_t *)"s",
		.secret_len = 1};
	const struct store_demand demand = {.asked = true, .products_len = 1, .products = {"p"}};
	struct seen seen = {0};
	int64_t at;

	store_id_new(status.id);
	settle_one(s, "one", CONNECTION_ONE, u);
	assert_int_equal(store_responder_put(s, "one", "platform", &r), STORE_OK);
	assert_int_equal(store_responder_get(s, "one", see_responder, NULL), STORE_OK);
	assert_int_equal(store_ask_next_due(s, &at), STORE_OK);
	assert_int_equal(store_ask_lease(s, 1, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_int_equal(store_ask_later(s, "one", first.id, 1, 5), STORE_OK);
	assert_int_equal(store_ask_lease(s, 9, 10, 10, see_ask, &seen), STORE_OK);
	assert_int_equal(store_ask_recover(s), STORE_OK);
	answer.demand = &demand;
	assert_int_equal(store_ask_done(s, "one", first.id, &answer, 1), STORE_OK);
	assert_int_equal(store_ask_done(s, "one", first.id, &answer, 1), STORE_STALE);
}

static void use_once(struct store *s)
{
	struct store_once once = {.business_id = "one", .key = {1}, .request = {1}};
	struct store_once_end end = {.key = once.key, .http_status = 200};
	struct store_once_answer answer;
	struct store_message m = outbound("one", CONNECTION_ONE, 3), at_once = outbound("one", CONNECTION_ONE, 3);

	assert_int_equal(store_once_begin(s, &once, &answer), STORE_OK);
	assert_int_equal(store_once_begin(s, &once, &answer), STORE_BUSY);
	assert_int_equal(store_message_queue(s, &m, &end), STORE_OK);
	end.http_status = 0;
	assert_int_equal(store_once_end(s, "one", &end), STORE_STALE);
	once.key[0]++;
	at_once.state = STORE_MESSAGE_SENDING;
	at_once.attempts = 1;
	assert_int_equal(store_once_begin(s, &once, &answer), STORE_OK);
	assert_int_equal(store_message_send(s, &at_once, "", once.key), STORE_OK);
	assert_int_equal(store_once_recover(s), STORE_OK);
}

static bool see_session(const struct store_operator *o, void *arg)
{
	(void)arg;
	return o->id[0] != '\0';
}

static bool see_demand(const struct store_demand_row *row, void *arg)
{
	(void)arg;
	return row->name[0] != '\0';
}

static bool see_letter(const struct store_letter *l, void *arg)
{
	(void)arg;
	return l->id[0] != '\0';
}

static bool see_quarantined(const struct store_quarantined *u, void *arg)
{
	(void)arg;
	return u->id[0] != '\0';
}

static bool see_unparsed(const struct store_unparsed *e, void *arg)
{
	(void)arg;
	return e->id[0] != '\0';
}

/* Who may be written to freely, and how fast. */
static void use_window(struct store *s)
{
	const struct store_notice told = {.connection_id = CONNECTION_ONE, .at = 1, .until = 1, .mps = 1000};
	struct store_update u = {.kind = STORE_UPDATE_OTHER,
		.verdict = STORE_UPDATE_DELIVERED,
		.names = {{1}},
		.names_len = 1,
		.called_at = 5,
		.notices = &told,
		.notices_len = 1};
	const uint8_t conversation[STORE_INDEX_LEN] = {1};
	struct store_heard heard;
	struct seen seen = {0};

	settle_one(s, "one", CONNECTION_ONE, u);
	assert_int_equal(store_conversation_heard(s, "one", conversation, INT64_MAX, &heard), STORE_OK);
	assert_int_equal(store_conversation_wrote(s, "one", conversation, 0, see_message, &seen), STORE_OK);
	assert_int_equal(store_connection_mps_set(s, "one", CONNECTION_ONE, 80), STORE_OK);
}

/* The operator's pages, which look at all businesses. */
static void use_operator(struct store *s)
{
	const struct store_token token = {.id = "operator", .name = "n", .hash = {1}};
	struct store_operator o = {.id = "o", .token_id = "operator", .created_at = 1, .ends_at = 2};
	const uint8_t hash[32] = {1};
	struct seen seen = {0};

	assert_int_equal(store_token_add(s, &token), STORE_OK);
	assert_int_equal(store_operator_open(s, &o, hash), STORE_OK);
	assert_int_equal(store_operator_find(s, hash, 1, 0, &o), STORE_OK);
	assert_int_equal(store_operator_seen(s, "o", 1), STORE_OK);
	assert_int_equal(store_operator_list(s, 1, 0, see_session, NULL), STORE_OK);
	assert_int_equal(store_operator_end(s, "o"), STORE_OK);
	assert_int_equal(store_letter_list(s, NULL, 5, see_letter, NULL), STORE_OK);
	assert_int_equal(store_letter_list(s, "none", 5, see_letter, NULL), STORE_NOT_FOUND);
	assert_int_equal(store_quarantined_list(s, NULL, 5, see_quarantined, NULL), STORE_OK);
	assert_int_equal(store_unparsed_list(s, NULL, 5, see_unparsed, NULL), STORE_OK);
	assert_int_equal(store_unparsed_list(s, "none", 5, see_unparsed, NULL), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_OK);
	assert_int_equal(store_business_find(s, "o", 5, see_business, &seen), STORE_OK);
}

static bool see_virtual_key(const struct store_virtual_key *k, void *arg)
{
	(void)arg;
	return k->id[0] != '\0';
}

static enum store_error run_spend(struct db *db, void *arg)
{
	const int64_t now = store_now_ms();
	const enum store_error err = virtual_key_spend(db, arg, now);

	return err == STORE_OK ? virtual_key_give_back(db, arg, now) : err;
}

static void use_virtual_keys(struct store *s)
{
	const struct store_page pages[] = {{.limit = 5}, {.limit = 5, .ascending = true, .after = "v"}};
	const struct store_virtual_key_note note = {.id = "v", .used_at = 1};
	struct store_virtual_key k = {.id = "v",
		.business_id = "one",
		.name = "n",
		.hash = {7},
		.last4 = "last",
		.scopes = 1,
		.created_at = store_now_ms()};
	struct store_virtual_key fresh = k;
	const int64_t now = k.created_at;

	assert_int_equal(store_virtual_key_add(s, &k), STORE_OK);
	fresh.id[0] = 'w';
	fresh.hash[0] = 8;
	assert_int_equal(store_virtual_key_rotate(s, "one", "v", now + 1, &fresh), STORE_OK);
	assert_int_equal(store_virtual_key_find(s, k.hash, now, &k), STORE_OK);
	assert_int_equal(store_virtual_key_get(s, "one", "v", now, &k), STORE_OK);
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(store_virtual_key_list(s, "one", &pages[i], now, see_virtual_key, NULL), STORE_OK);
	assert_int_equal(store_virtual_keys_note(s, &note, 1), STORE_OK);
	assert_int_equal(core_write(s, run_spend, fresh.id), STORE_OK);
	assert_int_equal(store_virtual_key_revoke(s, "one", "v"), STORE_OK);
}

static bool see_delivery(const struct store_delivery *d, void *arg)
{
	(void)arg;
	return d->connection_id[0] != '\0';
}

static bool see_put_aside(const struct store_put_aside *p, void *arg)
{
	(void)arg;
	return p->updates > 0;
}

static void use_deliveries(struct store *s, const char *event)
{
	const struct store_delivery d = {.business_id = "one", .connection_id = CONNECTION_ONE, .accepted_at = 1};
	enum store_replay found;

	assert_int_equal(store_deliveries_note(s, &d, 1), STORE_OK);
	assert_int_equal(store_delivery_list(s, "one", see_delivery, NULL), STORE_OK);
	assert_int_equal(store_quarantined_numbers(s, "one", 0, see_put_aside, NULL), STORE_OK);
	assert_int_equal(store_event_replay(s, "one", event, store_now_ms(), &found), STORE_OK);
	assert_int_equal(found, STORE_REPLAY_NOTHING);
}

static bool see_event_whole(const struct store_event_summary *e, const uint8_t *body, size_t body_len, void *arg)
{
	(void)arg;
	assert_non_null(body);
	return e->delivered == 3 && body_len == 6;
}

static bool see_notice(const struct store_notice *n, void *arg)
{
	(void)arg;
	return n->finding == 1;
}

static bool see_update(const struct store_update_row *u, void *arg)
{
	(void)arg;
	return u->kind != 0;
}

/* Calls everything that runs often, and what must stay fast beside it. */
static void use_everything(struct store *s)
{
	struct store_page pages[] = {{.limit = 5}, {.limit = 5, .ascending = true}};
	struct store_message received = message("one", CONNECTION_ONE, 1);
	struct store_message sent = queue(s, "one", CONNECTION_ONE, 2, 0);
	struct store_settlement by_id = {.to = STORE_MESSAGE_READ},
				by_wamid = {.to = STORE_MESSAGE_READ, .played = true, .wamid_index = {1}};
	struct store_update updates[] = {{.kind = STORE_UPDATE_MESSAGE,
						 .verdict = STORE_UPDATE_DELIVERED,
						 .seen_key = {1},
						 .message = &received},
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
	struct store_counts counts;
	struct store_place place;
	unsigned n, m;
	struct store_sharing sharing;
	struct store_connection_facts facts = {.looked_at = 1};
	struct store_activity activity;
	struct store_outbox_counts waiting;
	struct store_update joined = {.kind = STORE_UPDATE_OTHER,
		.verdict = STORE_UPDATE_DELIVERED,
		.names = {{7}, {1}},
		.names_len = 2,
		.holder = STORE_HELD_ELSEWHERE,
		.held_at = 1};
	const struct store_notice notice = {.connection_id = CONNECTION_ONE,
		.finding = 1,
		.at = 2,
		.until = 3,
		.to = STORE_CONNECTION_ACTIVE,
		.from = STORE_STATE_BIT(STORE_CONNECTION_PENDING)};
	struct store_ties ties;
	struct store_lane lane;
	bool yes;

	received.wamid_index[1] = 7;
	memcpy(by_id.message_id, sent.id, sizeof(sent.id));
	add_event(s, event);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(store_event_settle(s, "one", event, STORE_EVENT_SETTLED, updates, 3, NULL), STORE_OK);
	settle_one(s, "one", CONNECTION_ONE, joined);
	joined.holder = STORE_HELD_HERE;
	joined.notices = &notice;
	joined.notices_len = 1;
	settle_one(s, "one", CONNECTION_ONE, joined);
	assert_int_equal(store_conversation_held(s, "one", received.conversation, &yes), STORE_OK);
	assert_int_equal(store_notice_list(s, "one", 1, see_notice, NULL), STORE_OK);
	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	assert_int_equal(c.status, STORE_CONNECTION_ACTIVE);
	received.wamid_index[1] = 0;
	received.wamid_index[0] = received.concerns[0] = 1;
	received.relation = STORE_EDITS;
	assert_int_equal(store_message_ties(s, &received, &ties), STORE_OK);
	assert_int_equal(store_event_get(s, "one", event, see_event_whole, NULL), STORE_OK);
	assert_int_equal(store_update_list(s, "one", event, see_update, NULL), STORE_OK);
	use_asks(s);
	use_once(s);
	use_operator(s);
	use_virtual_keys(s);
	use_deliveries(s, event);
	assert_int_equal(store_counts(s, &counts), STORE_OK);
	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &facts), STORE_OK);
	assert_int_equal(store_connection_facts_get(s, "one", CONNECTION_ONE, &facts), STORE_OK);
	assert_int_equal(store_conversation_paused(s, "one", received.conversation, 1, &yes), STORE_OK);
	assert_int_equal(store_conversation_last(s, "one", received.conversation, &place), STORE_OK);
	assert_int_equal(store_outbox_expire(s, 1, 10, &n), STORE_OK);
	assert_int_equal(store_outbox_lane(s, CONNECTION_ONE, &lane), STORE_OK);
	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
	outcome.message_id = sent.id;
	assert_int_equal(store_outbox_settle(s, &outcome), STORE_OK);
	assert_int_equal(store_outbox_recover(s, 1, &n), STORE_OK);
	assert_int_equal(store_credential_put(s, "one", &credential), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", 0, "1001", &c), STORE_OK);
	assert_int_equal(store_connection_number_set(s, "one", CONNECTION_ONE, "1001", "22", false), STORE_OK);
	assert_int_equal(store_connection_handshake(s, "one", CONNECTION_ONE, "token", 1), STORE_OK);
	assert_int_equal(store_app_shared(s, "one", "11", "22", &sharing), STORE_OK);
	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	assert_int_equal(store_connection_status_set(s, "one", c.id, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(store_connection_describe(s, &c), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_int_equal(store_business_change(s, "one", "Renamed", 0, 0), STORE_OK);
	assert_int_equal(store_tenant_key_add(s, "one", &key), STORE_OK);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CONTENT, 0, &key), STORE_OK);
	assert_int_equal(store_token_add(s, &token), STORE_OK);
	assert_int_equal(store_token_find(s, token.hash, &token), STORE_OK);
	assert_int_equal(store_token_revoke(s, "t"), STORE_OK);
	assert_int_equal(store_product_put(s, "one", &product, 1, &n, &m), STORE_OK);
	memcpy(product.id, "p", 2);
	assert_int_equal(store_product_put(s, "one", &product, 1, &n, &m), STORE_EXISTS);
	assert_int_equal(store_product_get(s, "one", "p", &product), STORE_NOT_FOUND);
	assert_int_equal(store_product_each(s, "one", see_product, &seen), STORE_OK);
	assert_int_equal(store_activity(s, "one", 1, &activity), STORE_OK);
	assert_int_equal(store_demand_list(s, "one", 1, 10, see_demand, NULL), STORE_OK);
	assert_int_equal(store_outbox_counts(s, "one", 1, &waiting), STORE_OK);
	assert_int_equal(store_product_remove(s, "one", "none"), STORE_NOT_FOUND);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(store_business_list(s, &pages[i], see_business, &seen), STORE_OK);
		assert_int_equal(store_connection_list(s, "one", &pages[i], see_connection, &seen), STORE_OK);
		assert_int_equal(store_event_list(s, "one", 0, &pages[i], see_summary, &seen), STORE_OK);
		assert_int_equal(store_quarantined_events(s, "one", &pages[i], see_summary, &seen), STORE_OK);
		assert_int_equal(store_message_list(s, "one", NULL, &pages[i], see_message, &seen), STORE_OK);
		assert_int_equal(store_product_list(s, "one", &pages[i], see_product, &seen), STORE_OK);
		assert_int_equal(store_token_list(s, &pages[i], see_token, &seen), STORE_OK);
		assert_int_equal(store_message_get(s, "one", sent.id, see_message, &seen), STORE_OK);
		pages[i].after = "none";
		assert_int_equal(store_message_list(s, "one", NULL, &pages[i], see_message, &seen), STORE_NOT_FOUND);
	}
	use_window(s);
	assert_int_equal(store_prune(s, store_now_ms() + INT64_C(86400000) * 500, 30), STORE_OK);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
}

/* A walk along one of these reads only rows that are wanted: they hold nothing else. */
static bool walk_allowed(const char *sql, const char *detail)
{
	static const char *const partial[] = {
		"events_unsettled", "outbox_sending", "outbox_retrying", "asks_due", "asks_leased", "once_in_flight"};

	/* What waits is counted; what was done with is not in there. */
	if (strstr(sql, "FROM totals") != NULL &&
		(strstr(detail, "outbox_conversation") != NULL || strstr(detail, "SCAN asks USING COVERING") != NULL))
		return true;

	/* So many as may be out at once. */
	if (strstr(sql, "asks_failing") != NULL && strstr(sql, "LIMIT ?2") != NULL &&
		strcmp(detail, "SCAN (subquery-1)") == 0)
		return true;

	/* So many events of which something was put aside, and so many updates. */
	if (strstr(sql, "FROM events INDEXED BY events_quarantined") != NULL && strstr(sql, "LIMIT ?4") != NULL &&
		(strcmp(detail, "SCAN e") == 0 || strcmp(detail, "SCAN (subquery-2)") == 0))
		return true;

	/* So many rows of a conversation, or so many events that wait. */
	if (strcmp(detail, "SCAN n") == 0 ||
		(strstr(sql, "SELECT count(*) = ?2") != NULL && strcmp(detail, "SCAN (subquery-1)") == 0))
		return true;

	/* The operator looks for a name. */
	if (strstr(sql, "instr(lower(name)") != NULL && strcmp(detail, "SCAN businesses") == 0)
		return true;

	for (size_t i = 0; i < sizeof(partial) / sizeof(partial[0]); i++)
		if (strstr(detail, partial[i]) != NULL)
			return true;
	/* "d": a shop's demand of a month, summed up. */
	return strcmp(detail, "SCAN waiting") == 0 || strcmp(detail, "SCAN d") == 0 ||
		strcmp(detail, "SCAN CONSTANT ROW") == 0;
}

/* These would be found through their business, or in order of arrival, but only after reading many others. */
static const struct {
	const char *sql, *plan;
} wanted[] = {
	{"WHERE wamid_index = ?", "messages_wamid"},
	{"SELECT direction, echo FROM messages", "messages_wamid (business_id=? AND wamid_index=?)"},
	{"SELECT 1 FROM seen WHERE", "PRIMARY KEY (business_id=? AND key=?)"},
	{"INDEXED BY messages_conversation WHERE business_id = ?1",
		"messages_conversation (business_id=? AND conversation=?)"},
	{"conversation = coalesce((SELECT a.conv", "SEARCH a USING PRIMARY KEY (business_id=? AND alias=?)"},
	{"FROM aliases WHERE business_id = ? AND alias = ?", "PRIMARY KEY (business_id=? AND alias=?)"},
	{"UPDATE aliases SET", "aliases_conversation (business_id=? AND conversation=?)"},
	{"UPDATE messages INDEXED BY outbox_conversation SET conv",
		"outbox_conversation (business_id=? AND conversation=?)"},
	{"UPDATE asks SET conversation", "asks_conversation (business_id=? AND conversation=?)"},
	{"UPDATE asks SET head = 0 WHERE seq = max", "asks USING INTEGER PRIMARY KEY (rowid=?)"},
	{"UPDATE messages SET head = 0 WHERE seq = max", "messages USING INTEGER PRIMARY KEY (rowid=?)"},
	{"UPDATE controls SET holder = 1", "PRIMARY KEY (business_id=? AND conversation=?)"},
	{"messages_concerns", "messages_concerns (business_id=? AND concerns=?)"},
	{"controls_at WHERE at <", "controls_at (at<?)"},
	{"SELECT at FROM calls", "PRIMARY KEY (business_id=? AND conversation=?)"},
	{"calls_at WHERE at <", "calls_at (at<?)"},
	{"SELECT direction, type = 'system'", "messages_conversation (business_id=? AND conversation=?)"},
	{"ORDER BY seq DESC LIMIT ?4) n JOIN", "messages_conversation (business_id=? AND conversation=?)"},
	{"ORDER BY seq DESC LIMIT ?4) n JOIN", "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)"},
	{"FROM asks a LEFT JOIN messages m", "SEARCH m USING INDEX sqlite_autoindex_messages_1 (id=?)"},
	{"asked_at > 0 AND business_id", "asks_leased (business_id=?)"},
	{"attempts > (asked_at > 0)", "asks_failing (business_id=?)"},
	{"AND business_id > ? ORDER BY business_id, seq", "asks_due (business_id>?)"},
	{"next_at <= ? ORDER BY next_at", "asks_later (next_at>? AND next_at<?)"},
	{"SELECT min(next_at) FROM asks", "asks_later"},
	{"INDEXED BY once_at WHERE at <", "once_at (at<?)"},
	{"app_id = ?", "connections_app (app_id=?)"},
	{"SELECT seq, business_id FROM events", "events_unsettled (seq>? AND seq<?)"},
	{"received_at, body FROM events WHERE seq = ?", "events USING INTEGER PRIMARY KEY (rowid=?)"},
	{"n.business_id = ?1 AND n.phone_number_id", "numbers_business"},
	{"SELECT created_at, direction, state, type", "messages_business (business_id=?)"},
	{"SELECT created_at, state FROM messages", "messages_business (business_id=?)"},
	{"WHERE state >= 2 AND state <= 4 AND business_id = ?", "outbox_conversation (business_id=?)"},
	{"SELECT day - ", "demand USING PRIMARY KEY (business_id=? AND day>?)"},
	{"GROUP BY product_id", "demand USING PRIMARY KEY (business_id=? AND day>?)"},
	{"GROUP BY product_id", "SEARCH p USING INDEX sqlite_autoindex_products_1 (business_id=? AND id=?)"},
	{"demand_day WHERE day <", "demand_day (day<?)"},
	{"WHERE state = 3", "outbox_sending"},
	{"m.state >= 8 AND m.state <= 10", "SEARCH m USING INDEX messages_letters (seq<?)"},
	{"u.verdict = 2 AND u.id <", "SEARCH u USING INDEX updates_quarantined (id<?)"},
	{"e.state = 3", "SEARCH e USING INDEX events_unparsed (seq<?)"},
	{"WHERE o.session_hash = ?", "SEARCH o USING INDEX sqlite_autoindex_operator_sessions_2 (session_hash=?)"},
	{"ORDER BY o.ends_at DESC", "operator_sessions_ends (ends_at>?)"},
	{"operator_sessions_ends WHERE ends_at <", "operator_sessions_ends (ends_at<?)"},
	{"k.hash = ?2", "SEARCH k USING INDEX sqlite_autoindex_virtual_keys_2 (hash=?)"},
	{"k.hash = ?2", "SEARCH d USING PRIMARY KEY (key_id=? AND day=?)"},
	{"count(*) FROM virtual_keys", "virtual_keys_name (business_id=? AND name=?)"},
	{"virtual_key_days_day WHERE day <", "virtual_key_days_day (day<?)"},
	{"virtual_keys_revoked WHERE", "virtual_keys_revoked (revoked_at>? AND revoked_at<?)"},
	{"virtual_keys_expires WHERE", "virtual_keys_expires (expires_at>? AND expires_at<?)"},
	{"CROSS JOIN virtual_key_days", "SEARCH k USING INDEX virtual_keys_business (business_id=?)"},
};
#define WANTED (sizeof(wanted) / sizeof(wanted[0]))
static bool met[WANTED]; /* a statement like it was run */

static bool index_missing(const char *sql, const char *plan)
{
	bool missing = false;

	for (size_t i = 0; i < WANTED; i++) {
		if (strstr(sql, wanted[i].sql) == NULL)
			continue;
		met[i] = true;
		missing = missing || strstr(plan, wanted[i].plan) == NULL;
	}
	return missing;
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
		if (strncmp(detail, "SCAN", 4) != 0 || walk_allowed(sql, detail))
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
	unsigned bad = 0, plans = 0, again = 0;
	sqlite3 *db;

	for (size_t i = 0; i < h->store->readers_len; i++)
		assert_int_equal(run_catch(&h->store->readers[i], NULL), STORE_OK);
	assert_int_equal(core_write(h->store, run_catch, NULL), STORE_OK);
	use_everything(h->store);
	for (size_t i = 0; i < h->store->readers_len; i++)
		assert_int_equal(run_count_again(&h->store->readers[i], &again), STORE_OK);
	assert_int_equal(core_write(h->store, run_count_again, &again), STORE_OK);
	assert_int_equal(again, 0);
	house_close(h);
	assert_int_equal(sqlite3_open(h->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_TRIGGER_EQP, 1, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_QPSG, 1, NULL), SQLITE_OK);
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
	for (size_t i = 0; i < WANTED; i++)
		if (!met[i])
			fail_msg("no statement like: %s", wanted[i].sql);
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
