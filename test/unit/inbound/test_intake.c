/*
 * Behind the acknowledgement, with both threads running over the fake house: what is
 * logged, quarantined and settled; that nothing is lost and nobody is held up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/inbound.h"
#include "gateway/json.h"
#include "test/unit/inbound/fake_house.h"
#include "test/unit/inbound/log_seen.h"

static int setup(void **state)
{
	(void)state;
	house_reset();
	return 0;
}

static void run(void)
{
	assert_true(house_run());
}

#define TEXT(id, body) "{\"id\":\"" id "\",\"from\":\"15557770001\",\"type\":\"text\",\"text\":{\"body\":\"" body "\"}}"

static void add_mixed(void)
{
	const char *root = getenv("KH_TEST_DATA");
	char path[512], text[16384];
	size_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/meta_mixed.json", root != NULL ? root : "test/data");
	f = fopen(path, "rb");
	assert_non_null(f);
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	house_event_add(text, len, NULL);
}

static void is_index(const uint8_t *got, const char *kind, const char *value)
{
	uint8_t want[STORE_INDEX_LEN];

	assert_int_equal(tenant_index(NULL, "shop", kind, value, strlen(value), want), TENANT_OK);
	assert_memory_equal(got, want, sizeof(want));
}

static void no_key(const struct house_update *u)
{
	static const uint8_t nothing[STORE_INDEX_LEN];

	assert_memory_equal(u->update.seen_key, nothing, sizeof(nothing));
}

/* ------------------------------------------------------------ what is settled */

static void verdicts(void **state)
{
	const struct house_event *e;

	(void)state;
	add_mixed();
	run();
	e = &house_look()->events[0];
	assert_int_equal(e->state, STORE_EVENT_SETTLED);
	assert_int_equal(e->updates_len, 16);
	for (size_t i = 0; i < 16; i++) {
		const struct house_update *u = &e->updates[i];

		assert_int_equal(u->update.verdict, i < 6 ? STORE_UPDATE_DELIVERED : STORE_UPDATE_QUARANTINED);
		if (i >= 6) {
			assert_string_equal(u->reason,
				i == 6 ? "account is not this connection's" : "number is not this connection's");
			assert_null(u->update.message);
			assert_null(u->update.settlement);
		}
	}
	assert_string_equal(e->updates[8].update.field, "standby");
	assert_string_equal(e->updates[8].update.number, "200000000000002");
	/* A message is known again by its row; what is quarantined is not, so that it does not hide the true one. */
	no_key(&e->updates[0]);
	is_index(e->updates[0].message.wamid_index, "wamid", "wamid.TEST01");
	is_index(e->updates[3].update.seen_key, "seen", "s:wamid.TEST04:delivered:");
	for (size_t i = 6; i < 16; i++)
		no_key(&e->updates[i]);
	assert_int_equal(house_look()->connection.status, STORE_CONNECTION_ACTIVE);
}

#define FOREIGN                                                                                                        \
	"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":"          \
	"\"200000000000002\"},\"messages\":[" TEXT(                                                                    \
		"wamid.1", "hi") "],"                                                                                  \
				 "\"statuses\":[{\"id\":\"wamid.2\",\"status\":\"delivered\"}]}}]}]}"

static void what_is_quarantined_has_no_effect(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_add(FOREIGN);
	run();
	assert_int_equal(h->events[0].updates_len, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(h->events[0].updates[i].update.verdict, STORE_UPDATE_QUARANTINED);
		assert_null(h->events[0].updates[i].update.message);
		assert_null(h->events[0].updates[i].update.settlement);
	}
	assert_int_equal(h->asked, 0);
}

static void a_sibling_with_the_same_app_may_verify(void **state)
{
	const struct house *h = house_look();

	(void)state;
	house_add_sibling();
	house_add(FOREIGN);
	add_mixed();
	run();
	assert_int_equal(h->events[0].updates[0].update.verdict, STORE_UPDATE_DELIVERED);
	assert_non_null(h->events[0].updates[1].update.settlement);
	/* The number's own connection answers. */
	assert_string_equal(h->answers[0].message.connection_id, HOUSE_SIBLING);
	assert_string_equal(h->answers[0].message.number, "200000000000002");
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(h->events[1].updates[i].update.verdict, STORE_UPDATE_DELIVERED);
}

/* "connection accepted refused why count;" of each row that was written. */
static void written(char *out, size_t room)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < house_look()->deliveries_len; i++) {
		const struct store_delivery *d = &house_look()->deliveries[i];

		len += (size_t)snprintf(out + len, room - len, "%.3s %d %d %s %d;", d->connection_id,
			d->accepted_at == HOUSE_NOW, d->refused_at == HOUSE_NOW, d->refused_why, (int)d->refused_count);
	}
}

/* An event is its connection's whose number it names; what belongs to none is the fault of the one that verified it. */
static void what_came_of_it_is_remembered(void **state)
{
	static const struct {
		bool sibling;
		const char *body, *want;
	} rows[] = {
		{false,
			"{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"200000000000001\"}}}"
			"]}]}",
			"01A 1 0  0;"},
		{false, FOREIGN, "01A 0 1 wrong_number 1;"},
		{true, FOREIGN, "01B 1 0  0;"},
		{false, "{\"entry\":[{\"id\":\"7\",\"changes\":[{\"field\":\"account_update\",\"value\":{}}]}]}",
			"01A 0 1 wrong_account 1;"},
		{true, "{\"entry\":[{\"id\":\"100000000000002\",\"changes\":[{\"field\":\"security\",\"value\":{}}]}]}",
			"01B 1 0  0;"},
		{false,
			"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"security\",\"value\":{}}]},"
			"{\"id\":\"7\",\"changes\":[{\"field\":\"security\",\"value\":{}}]}]}",
			"01A 1 1 wrong_account 1;"},
		{false, "{\"entry\":[{\"id\":\"7\",\"changes\":[{\"field\":\"partner_solutions\",\"value\":{}}]}]}",
			"01A 1 0  0;"},
		{false, "not JSON", "01A 1 0  0;"},
	};
	char got[512];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		house_reset();
		if (rows[i].sibling)
			house_add_sibling();
		house_add(rows[i].body);
		run();
		written(got, sizeof(got));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("row %zu: %s", i, got);
	}
}

/* What the store has of before a restart, and what memory has since; the newest of each kind. */
static void a_refusal_outlives_a_restart(void **state)
{
	const struct store_delivery before = {.business_id = "shop",
					    .connection_id = HOUSE_CONNECTION,
					    .refused_at = HOUSE_NOW - 5,
					    .refused_why = "wrong_signature",
					    .refused_count = 3},
				    aside = {.business_id = "shop",
					    .connection_id = HOUSE_SIBLING,
					    .refused_at = HOUSE_NOW,
					    .refused_why = "wrong_number"};
	struct inbound_refusal r;
	struct inbound *in;

	(void)state;
	in = house_open();
	assert_false(inbound_refusal(in, "shop", &r));
	house_look()->deliveries[0] = before;
	house_look()->deliveries[1] = aside;
	house_look()->deliveries_len = 2;
	assert_true(inbound_refusal(in, "shop", &r));
	assert_int_equal(r.at, HOUSE_NOW - 5);
	assert_int_equal(r.signature_at, HOUSE_NOW - 5);
	assert_int_equal(r.token_at + r.platform_at, 0);
	assert_string_equal(r.why, delivery_words(DELIVERY_WRONG_SIGNATURE));
	assert_false(inbound_refusal(in, "other", &r));
	inbound_close(in);
}

static void messages_are_logged(void **state)
{
	const struct house_event *e;
	const struct store_message *m;
	char place[256];

	(void)state;
	add_mixed();
	run();
	e = &house_look()->events[0];
	m = &e->updates[0].message;
	assert_string_equal(m->number, "200000000000001");
	assert_string_equal(m->connection_id, HOUSE_CONNECTION);
	assert_string_equal(m->business_id, "shop");
	assert_string_equal(m->type, "text");
	assert_int_equal(m->direction, STORE_INBOUND);
	assert_int_equal(m->state, STORE_MESSAGE_RECEIVED);
	assert_int_equal(m->created_at, HOUSE_NOW);
	is_index(m->conversation, "conversation", "200000000000001\nUS.1001");
	is_index(m->wamid_index, "wamid", "wamid.TEST01");
	(void)snprintf(place, sizeof(place), "shop/messages/%s/wamid/1\nwamid.TEST01", m->id);
	assert_string_equal(e->updates[0].wamid, place);
	(void)snprintf(
		place, sizeof(place), "shop/messages/%s/content/1\n{\"message\":{\"from\":\"15557770001\"", m->id);
	assert_memory_equal(e->updates[0].content, place, strlen(place));
	assert_non_null(strstr(e->updates[0].content, "\"contact\":{\"profile\":{\"name\":\"Ada\"}"));
	assert_non_null(strstr(e->updates[0].content, "\"metadata\":{\"display_phone_number\":\"15550001111\""));
	is_index(e->updates[1].message.conversation, "conversation", "200000000000001\nUS.1002");
	is_index(e->updates[5].message.conversation, "conversation", "200000000000001\n15557770003");
	assert_non_null(strstr(e->updates[5].content, "\"contact\":null"));
}

#define STANDBY                                                                                                        \
	"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"standby\",\"value\":{\"metadata\":"         \
	"{\"phone_number_id\":\"200000000000001\"},\"standby\":{\"messages\":[" TEXT(                                  \
		"wamid.1", "hi") "],"                                                                                  \
				 "\"message_echoes\":[{\"to\":\"15557770001\",\"id\":\"wamid.2\",\"type\":\"text\","   \
				 "\"text\":{\"body\":\"yes\"}}]"                                                       \
				 "}}}]}]}"

/* Of a message its row tells that it came, where it has an id. An echo may be of what was sent from here, and get none. */
static void by_what_it_is_known_again(void **state)
{
	const struct house_update *u = house_look()->events[0].updates;

	(void)state;
	house_add(STANDBY);
	house_add_message("{\"from\":\"15557770001\",\"type\":\"text\"}");
	house_add_message("{\"id\":\"\",\"from\":\"15557770001\",\"type\":\"text\"}");
	run();
	no_key(&u[0]);
	is_index(u[0].message.wamid_index, "wamid", "wamid.1");
	is_index(u[1].update.seen_key, "seen", "e:wamid.2");
	is_index(u[1].message.wamid_index, "wamid", "wamid.2");
	u = house_look()->events[1].updates;
	is_index(
		u->update.seen_key, "seen", "o:100000000000001  messages {\"from\":\"15557770001\",\"type\":\"text\"}");
	assert_string_equal(u->wamid, "");
	u = house_look()->events[2].updates;
	is_index(u->update.seen_key, "seen",
		"o:100000000000001  messages {\"id\":\"\",\"from\":\"15557770001\",\"type\":\"text\"}");
	assert_string_equal(u->wamid, "");
}

#define CHANGE(field, value)                                                                                           \
	"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"" field                                     \
	"\",\"value\":{\"metadata\":{\"phone_number_id\":\"200000000000001\"}," value "}}]}]}"

/* What the owner types in the app tells what his number takes, as a guess; a call is kept with its customer. */
static void what_else_is_learnt(void **state)
{
	const struct house_update *echo = &house_look()->events[0].updates[0],
				  *standby = &house_look()->events[1].updates[1],
				  *call = &house_look()->events[2].updates[0];

	(void)state;
	house_add(CHANGE(
		"smb_message_echoes", "\"message_echoes\":[{\"to\":\"15557770001\",\"id\":\"w\",\"type\":\"text\"}]"));
	house_add(STANDBY);
	house_add(CHANGE("calls", "\"calls\":[{\"from\":\"15557770001\",\"id\":\"c\",\"event\":\"connect\"}]"));
	run();
	assert_int_equal(echo->update.notices_len, 1);
	assert_int_equal(echo->notice.mps, 20);
	assert_true(echo->notice.guessed);
	assert_int_equal(echo->notice.finding, 0);
	assert_string_equal(echo->notice.connection_id, HOUSE_CONNECTION);
	assert_int_equal(standby->update.notices_len, 0);
	assert_int_equal(standby->update.called_at, 0);
	assert_int_equal(call->update.called_at, HOUSE_NOW);
	assert_int_equal(call->update.names_len, 1);
	is_index(call->update.names[0], "conversation", "200000000000001\n15557770001");
	assert_int_equal(call->update.message == NULL, 1);
}

/* What another handler has is logged on both sides, and never asked. */
static void standby_is_logged_and_not_asked(void **state)
{
	const struct house *h = house_look();
	const struct house_update *m = &h->events[0].updates[0], *e = &h->events[0].updates[1];

	(void)state;
	house_add(STANDBY);
	run();
	assert_int_equal(h->events[0].updates_len, 2);
	assert_string_equal(m->update.what, "standby/text");
	assert_int_equal(m->message.direction, STORE_INBOUND);
	assert_true(m->message.standby);
	assert_false(m->message.awaits_answer);
	assert_int_equal(m->update.holder, STORE_HELD_ELSEWHERE);
	assert_string_equal(e->update.what, "standby_echoes/text");
	assert_int_equal(e->message.direction, STORE_OUTBOUND);
	assert_int_equal(e->message.state, STORE_MESSAGE_SENT);
	assert_true(e->message.echo && e->message.standby);
	assert_non_null(strstr(e->content, "\n{\"to\":\"15557770001\""));
	is_index(e->message.conversation, "conversation", "200000000000001\n15557770001");
	assert_int_equal(h->asked, 0);
}

static void statuses_settle_the_outbox(void **state)
{
	const struct house_event *e;
	char wamid[256];

	(void)state;
	add_mixed();
	house_add("{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"200000000000001\"},"
		  "\"statuses\":"
		  "["
		  "{\"id\":\"wamid.X\",\"status\":\"failed\",\"biz_opaque_callback_data\":\"theirs\","
		  "\"errors\":[{\"code\":1e30,\"message\":\"no "
		  "15557770001\"}]},{\"id\":\"wamid.X\",\"status\":\"RINGING\"},"
		  "{\"status\":\"failed\"},{\"id\":\"wamid.X\"}]}}]}]}");
	run();
	e = &house_look()->events[0];
	assert_string_equal(e->updates[3].settlement.message_id, "01ABCDEFGHJKMNPQRSTVWXYZ01");
	assert_int_equal(e->updates[3].settlement.to, STORE_MESSAGE_DELIVERED);
	assert_int_equal(e->updates[3].settlement.from_states, 7);
	is_index(e->updates[3].settlement.wamid_index, "wamid", "wamid.TEST04");
	(void)snprintf(wamid, sizeof(wamid), "shop/messages/01ABCDEFGHJKMNPQRSTVWXYZ01/wamid/1\nwamid.TEST04");
	assert_string_equal(e->updates[3].wamid, wamid);
	assert_string_equal(e->updates[4].settlement.message_id, "");
	assert_null(e->updates[4].settlement.wamid);
	assert_int_equal(e->updates[4].settlement.error_code, 131047);
	assert_string_equal(e->updates[4].reason, "Re-engagement message");
	is_index(e->updates[4].settlement.wamid_index, "wamid", "wamid.TEST05");
	e++;
	assert_int_equal(e->updates_len, 4);
	assert_string_equal(e->updates[0].settlement.message_id, "");
	assert_int_equal(e->updates[0].settlement.error_code, 0);
	assert_string_equal(e->updates[0].reason, "no ***");
	for (size_t i = 1; i < 4; i++)
		assert_null(e->updates[i].update.settlement);
}

static void what_cannot_be_read_holds_up_nobody(void **state)
{
	const struct house *h;
	char deep[400];

	(void)state;
	memset(deep, '[', 200);
	memset(deep + 200, ']', 200);
	house_add("not JSON");
	house_event_add(deep, sizeof(deep), NULL);
	house_add("{\"a\":1}");
	house_event_add("{}", 2, "01OTHEROTHEROTHEROTHEROTHE"); /* does not open */
	house_add_message(TEXT("wamid.1", "hi"));
	run();
	h = house_look();
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(h->events[i].state, STORE_EVENT_UNPARSED);
		assert_int_equal(h->events[i].updates_len, 0);
	}
	assert_int_equal(h->events[4].state, STORE_EVENT_SETTLED);
	assert_int_equal(h->answers_len, 2);
}

static void a_full_disk_is_waited_out(void **state)
{
	const struct house *h;

	(void)state;
	house_look()->settle_faults = 3;
	house_add_message(TEXT("wamid.1", "hi"));
	house_add_message(TEXT("wamid.2", "again"));
	run();
	h = house_look();
	assert_int_equal(h->settle_faults, 0);
	assert_int_equal(h->events[0].state, STORE_EVENT_SETTLED);
	assert_int_equal(h->events[0].updates_len, 1);
	/* The order of a conversation holds: nobody overtakes while one waits. */
	assert_int_equal(h->events[0].settled_as, 1);
	assert_int_equal(h->events[1].settled_as, 2);
	assert_int_equal(house_failures(), 0);
}

static void a_failed_store_ends_the_process(void **state)
{
	struct inbound *in;
	struct house *h = house_look();

	(void)state;
	h->settle_faults = 1000000;
	h->fault = STORE_FAILED;
	house_add_message(TEXT("wamid.1", "hi"));
	in = house_open();
	assert_non_null(in);
	usleep(200000); /* a few tries */
	inbound_close(in); /* at once, whatever is still to do */
	assert_int_equal(house_failures(), 1);
	h = house_look();
	assert_int_equal(h->events[0].state, STORE_EVENT_ACCEPTED);
}

/* ------------------------------------------------------------ who costs much holds up nobody else */

/* An event of the owner's, of so many updates. */
static void add_many(const char *owner, size_t updates)
{
	static char body[65536];
	size_t len;

	house_look()->owner = owner;
	len = (size_t)snprintf(body, sizeof(body),
		"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"messages\",\"value\":{"
		"\"metadata\":{\"phone_number_id\":\"200000000000001\"},\"messages\":[");
	for (size_t i = 0; i < updates; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, i == 0 ? "1" : ",1");
	(void)snprintf(body + len, sizeof(body) - len, "]}}]}]}");
	house_add(body);
}

static unsigned settled_as(size_t event)
{
	return house_look()->events[event].settled_as;
}

/* The shop's events, from the first to before end, were settled in their order and are whole. */
static void are_in_order(size_t end, size_t updates)
{
	const struct house *h = house_look();
	unsigned before = 0;

	for (size_t i = 0; i < end; i++) {
		if (strcmp(h->events[i].event.business_id, "shop") != 0)
			continue;
		assert_true(settled_as(i) > before);
		assert_int_equal(h->events[i].done, updates);
		assert_int_equal(h->events[i].state, STORE_EVENT_SETTLED);
		before = settled_as(i);
	}
}

static void many_updates_hold_up_nobody_else(void **state)
{
	enum { HEAVY = 4, UPDATES = 1000 };

	(void)state;
	for (size_t i = 0; i < HEAVY; i++)
		add_many("shop", UPDATES);
	add_many("shop", 1);
	add_many("other", 1);
	run();
	assert_int_equal(settled_as(HEAVY + 1), 1);
	are_in_order(HEAVY, UPDATES);
	assert_int_equal(settled_as(HEAVY), HEAVY + 2);
	/* Not made ready anew for each piece. */
	for (size_t i = 0; i < HEAVY; i++)
		assert_int_equal(house_look()->events[i].opened, 1);
}

/* Two events are held at once: a third waits for room, is not made ready before, and comes in between then. */
static void more_than_are_held(void **state)
{
	static const char *const owners[] = {"shop", "other", "third"};
	enum { EACH = 2, UPDATES = 1000, ALL = 3 * EACH };

	(void)state;
	for (size_t i = 0; i < ALL; i++)
		add_many(owners[i / EACH], UPDATES);
	run();
	for (size_t i = 0; i < ALL; i++) {
		assert_int_equal(house_look()->events[i].done, UPDATES);
		assert_in_range(house_look()->events[i].opened, 1, 3);
		assert_true(i % EACH == 0 || settled_as(i) > settled_as(i - 1));
	}
	for (size_t i = 0; i < 3; i++)
		assert_in_range(settled_as(i * EACH), 1, 4);
}

static void many_events_hold_up_nobody_else(void **state)
{
	enum { FLOOD = HOUSE_EVENTS - 1 };

	(void)state;
	for (size_t i = 0; i < FLOOD; i++)
		add_many("shop", 40);
	add_many("other", 1);
	run();
	assert_in_range(settled_as(FLOOD), 1, 17);
	are_in_order(FLOOD, 40);
}

/* Of each business the first: both are given up, and nobody else waits for that. */
static void two_that_are_stuck(void **state)
{
	const struct house *h = house_look();
	bool settled = false;
	struct inbound *in;

	(void)state;
	add_many("shop", 1);
	add_many("other", 1);
	add_many("shop", 1);
	add_many("other", 1);
	house_look()->events[0].sick = house_look()->events[1].sick = true;
	in = house_open();
	for (size_t i = 0; i < 4 && !settled; i++)
		settled = house_settles();
	inbound_close(in);
	assert_true(settled);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(h->events[i].state, i < 2 ? STORE_EVENT_UNPARSED : STORE_EVENT_SETTLED);
	assert_true(settled_as(2) > settled_as(0));
	assert_true(settled_as(3) > settled_as(1));
}

static void a_stuck_one_holds_up_its_own_business(void **state)
{
	const struct house *h = house_look();
	struct inbound *in;

	(void)state;
	add_many("shop", 200);
	add_many("shop", 1);
	add_many("other", 1);
	house_look()->events[0].sick = true;
	in = house_open();
	usleep(500000);
	inbound_close(in);
	assert_int_equal(h->events[2].state, STORE_EVENT_SETTLED);
	assert_int_equal(h->events[0].state, STORE_EVENT_ACCEPTED);
	assert_int_equal(h->events[1].state, STORE_EVENT_ACCEPTED);
	house_look()->events[0].sick = false;
	run();
	assert_int_equal(h->events[0].done, 200);
	assert_true(settled_as(1) > settled_as(0));
}

/* What is left of one that goes away takes nothing from another, whose event lay in the same place before. */
static void a_business_that_is_removed(void **state)
{
	(void)state;
	house_look()->removed = "third";
	add_many("shop", 200);
	add_many("third", 1);
	run();
	assert_int_equal(house_look()->events[0].done, 200);
	assert_int_equal(house_look()->events[0].state, STORE_EVENT_SETTLED);
	assert_int_equal(house_look()->events[1].state, STORE_EVENT_UNPARSED);
}

/* One that was settled lies before all that was looked at. */
static void what_is_settled_once_more_is_found(void **state)
{
	struct inbound *in;

	(void)state;
	for (size_t i = 0; i < 3; i++)
		add_many("shop", 1);
	in = house_open();
	assert_true(house_settles());
	house_unsettle(1);
	assert_true(house_settles());
	inbound_close(in);
	assert_int_equal(settled_as(1), 4);
	assert_int_equal(house_look()->events[1].opened, 2);
}

/* ------------------------------------------------------------ 360dialog */

/* No field, no object, as 360dialog sends it; ids are whatever stands in number and account. */
#define DIALOG(account, number)                                                                                        \
	"{\"entry\":[{\"id\":\"" account "\",\"changes\":[{\"value\":{\"messaging_product\":\"whatsapp\","             \
	"\"metadata\":{\"display_phone_number\":\"15550001111\",\"phone_number_id\":\"" number "\"},"                  \
	"\"messages\":[" TEXT("wamid.1", "hi") "]}}]}]}"
#define NAMES_NO_NUMBER                                                                                                \
	"{\"entry\":[{\"id\":\"300\",\"changes\":[{\"field\":\"account_update\",\"value\":{\"event\":\"x\"}}]}]}"

static void dialog_without_number(void)
{
	struct house *h = house_look();

	h->connection.provider = STORE_360DIALOG;
	h->connection.phone_number_id[0] = h->connection.waba_id[0] = '\0';
}

static void the_number_is_learned(void **state)
{
	const struct house *h = house_look();

	(void)state;
	dialog_without_number();
	house_add(NAMES_NO_NUMBER);
	house_add(DIALOG("300", "200000000000009"));
	house_add(DIALOG("300", "200000000000009"));
	house_add(DIALOG("300", "200000000000008"));
	run();
	assert_int_equal(h->events[0].updates[0].update.verdict, STORE_UPDATE_DELIVERED);
	assert_int_equal(h->events[1].updates[0].update.verdict, STORE_UPDATE_DELIVERED);
	assert_int_equal(h->handed, 1);
	assert_string_equal(h->connection.phone_number_id, "200000000000009");
	assert_string_equal(h->connection.waba_id, "300");
	assert_int_equal(h->connection.status, STORE_CONNECTION_ACTIVE);
	assert_string_equal(h->events[1].updates[0].message.connection_id, HOUSE_CONNECTION);
	assert_true(h->answers_len > 0);
	/* It has one now. */
	assert_string_equal(h->events[3].updates[0].reason, "number is not this connection's");
}

static void a_number_that_cannot_be_learned(void **state)
{
	static const struct {
		const char *body;
		enum store_error store;
		const char *reason;
		unsigned handed;
	} table[] = {
		{DIALOG("300", "200000000000009"), STORE_NUMBER_TAKEN, "number belongs to another connection", 0},
		{DIALOG("300", "200000000000009"), STORE_STALE, "number is not this connection's", 0},
		{DIALOG("some_external_id", "some_valid_id"), STORE_OK, "number is not this connection's", 0},
		{DIALOG("300", ""), STORE_OK, "number is not this connection's", 0},
		{DIALOG("300", "200000000000000000000000000000009"), STORE_OK, "number is not this connection's", 0},
		{DIALOG("some_external_id", "200000000000009"), STORE_OK, NULL, 1},
	};
	const struct house *h = house_look();

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct house_update *u = &h->events[0].updates[0];

		house_reset();
		dialog_without_number();
		house_look()->number_set = table[i].store;
		house_add(table[i].body);
		run();
		assert_int_equal(h->handed, table[i].handed);
		assert_int_equal(
			u->update.verdict, table[i].reason == NULL ? STORE_UPDATE_DELIVERED : STORE_UPDATE_QUARANTINED);
		assert_string_equal(u->reason, table[i].reason == NULL ? "" : table[i].reason);
		assert_string_equal(h->connection.waba_id, "");
	}
	/* Meta's are connected with their number. */
	house_reset();
	dialog_without_number();
	house_look()->connection.provider = STORE_META;
	house_add(DIALOG("300", "200000000000009"));
	run();
	assert_int_equal(h->handed, 0);
}

/* A store that is busy is waited for: the update must not be quarantined meanwhile. */
static void learning_waits_for_the_store(void **state)
{
	struct house *h = house_look();
	struct inbound *in;

	(void)state;
	dialog_without_number();
	h->number_set = STORE_BUSY;
	house_add(DIALOG("300", "200000000000009"));
	in = house_open();
	assert_non_null(in);
	usleep(100000);
	inbound_close(in);
	assert_int_equal(h->events[0].state, STORE_EVENT_ACCEPTED);
	h->number_set = STORE_OK;
	run();
	assert_int_equal(h->events[0].updates[0].update.verdict, STORE_UPDATE_DELIVERED);
}

/* A shop that moves from one provider to the other has its number on both for a while. */
static void one_number_on_two_providers(void **state)
{
	struct house *h = house_look();

	(void)state;
	house_add_sibling();
	memcpy(h->sibling.phone_number_id, h->connection.phone_number_id, sizeof(h->sibling.phone_number_id));
	h->sibling.provider = STORE_360DIALOG;
	house_add_message(TEXT("wamid.1", "by Meta"));
	run();
	assert_string_equal(h->events[0].updates[0].message.connection_id, HOUSE_CONNECTION);
	assert_string_equal(h->answers[0].message.connection_id, HOUSE_CONNECTION);
	house_reset();
	house_add_sibling();
	memcpy(h->sibling.phone_number_id, h->connection.phone_number_id, sizeof(h->sibling.phone_number_id));
	h->connection.provider = STORE_360DIALOG;
	house_add(DIALOG("some_external_id", "200000000000001"));
	run();
	assert_string_equal(h->events[0].updates[0].message.connection_id, HOUSE_CONNECTION);
	assert_string_equal(h->answers[0].message.connection_id, HOUSE_CONNECTION);
}

/* ------------------------------------------------------------ what a webhook proves */

#define ABOUT(account, number)                                                                                         \
	"{\"entry\":[{\"id\":\"" account "\",\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"" number     \
	"\"},\"statuses\":[{\"id\":\"wamid.1\",\"status\":\"read\"}]}}]}]}"
#define ACTIVE_LINE " info keyhouse connection is active: a webhook came business=shop connection="

/* One of Meta's apps serves both connections: its secret alone says of neither that its account's webhooks come here. */
static void webhooks_prove_whose_they_are(void **state)
{
	enum { PENDING = STORE_CONNECTION_PENDING, ACTIVE = STORE_CONNECTION_ACTIVE };
	enum { TAKEN = STORE_CONNECTION_WEBHOOK_TAKEN, REFUSED = STORE_CONNECTION_KEY_REFUSED };
	static const struct {
		enum store_provider provider;
		const char *body;
		int before, after, sibling_before, sibling_after;
	} table[] = {
		{STORE_META, ABOUT("100000000000001", "200000000000001"), TAKEN, ACTIVE, TAKEN, TAKEN},
		{STORE_META, ABOUT("100000000000002", "200000000000002"), TAKEN, TAKEN, TAKEN, ACTIVE},
		{STORE_META, ABOUT("100000000000002", "7"), TAKEN, TAKEN, TAKEN, ACTIVE},
		{STORE_META, ABOUT("300", "7"), TAKEN, TAKEN, TAKEN, TAKEN},
		{STORE_META, ABOUT("300", "7"), PENDING, ACTIVE, PENDING, PENDING}, /* its first */
		{STORE_META, ABOUT("100000000000002", "200000000000002"), PENDING, ACTIVE, PENDING, ACTIVE},
		{STORE_META, ABOUT("100000000000001", "200000000000001"), REFUSED, REFUSED, ACTIVE, ACTIVE},
		{STORE_META, "not JSON", TAKEN, TAKEN, PENDING, PENDING},
		/* 360dialog's is each connection's own */
		{STORE_360DIALOG, ABOUT("some_external_id", "7"), TAKEN, ACTIVE, 0, 0},
		{STORE_360DIALOG, ABOUT("some_external_id", "200000000000001"), TAKEN, ACTIVE, 0, 0},
		{STORE_360DIALOG, ABOUT("some_external_id", "200000000000001"), PENDING, ACTIVE, 0, 0},
		{STORE_360DIALOG, ABOUT("some_external_id", "200000000000001"), REFUSED, REFUSED, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct house *h = house_look();
		char told[2048];

		house_reset();
		if (table[i].sibling_before != 0)
			house_add_sibling();
		h->connection.provider = table[i].provider;
		h->connection.status = (enum store_connection_status)table[i].before;
		h->sibling.status = (enum store_connection_status)table[i].sibling_before;
		house_add(table[i].body);
		log_seen_begin();
		(void)house_run();
		log_seen_end(told, sizeof(told));
		assert_int_equal(h->events_len, h->settled);
		if ((int)h->connection.status != table[i].after || (int)h->sibling.status != table[i].sibling_after)
			fail_msg("row %zu: %d, %d", i, (int)h->connection.status, (int)h->sibling.status);
		assert_int_equal(
			strstr(told, ACTIVE_LINE HOUSE_CONNECTION "\n") != NULL, table[i].before != table[i].after);
		assert_int_equal(strstr(told, ACTIVE_LINE HOUSE_SIBLING "\n") != NULL,
			table[i].sibling_before != table[i].sibling_after);
	}
}

/* ------------------------------------------------------------ statuses that the responder is told of */

#define STATUS(id, also) "{\"id\":\"" id "\",\"status\":\"delivered\"" also "}"
#define OURS ",\"biz_opaque_callback_data\":\"01ABCDEFGHJKMNPQRSTVWXYZ01\""

static void statuses_are_owed(void **state)
{
	const struct house *h = house_look();
	const struct store_ask *a = &h->asks[0].ask;
	char content[512];

	(void)state;
	memcpy(house_look()->business.responder, "listens", 8);
	house_add_status(STATUS("wamid.1", ",\"recipient_id\":\"15557770001\",\"recipient_user_id\":\"US.1001\"" OURS));
	house_add_status(
		STATUS("wamid.2", ",\"recipient_id\":\"15557770001\",\"biz_opaque_callback_data\":\"theirs\""));
	house_add_status("{\"id\":\"wamid.3\",\"status\":\"of a kind to come\"}");
	run();
	assert_int_equal(h->asks_len, 3);
	assert_int_equal(a->kind, STORE_ASK_STATUS);
	assert_string_equal(a->business_id, "shop");
	assert_string_equal(a->message_id, "01ABCDEFGHJKMNPQRSTVWXYZ01");
	assert_string_equal(a->connection_id, HOUSE_CONNECTION);
	assert_string_equal(a->number, "200000000000001");
	assert_int_equal(a->created_at, HOUSE_NOW);
	is_index(a->conversation, "conversation", "200000000000001\nUS.1001");
	(void)snprintf(content, sizeof(content),
		"shop/asks/%s/content/1\n{\"status\":" STATUS("wamid.1",
			",\"recipient_id\":\"15557770001\","
			"\"recipient_user_id\":\"US.1001\"" OURS) ",\"metadata\":{\"phone_number_id\":"
								  "\"200000000000001\"}}",
		a->id);
	assert_memory_equal(a->content, content, strlen(content));
	assert_int_equal(a->content_len, strlen(content));
	/* It settles the outbox as before. */
	assert_non_null(h->events[0].updates[0].update.settlement);
	assert_string_equal(h->asks[1].ask.message_id, "");
	is_index(h->asks[1].ask.conversation, "conversation", "200000000000001\n15557770001");
	is_index(h->asks[2].ask.conversation, "conversation", "200000000000001\n");
	assert_null(h->events[2].updates[0].update.settlement);
	assert_int_equal(h->asked, 3);
}

static void statuses_that_nobody_hears(void **state)
{
	static char longer[70000], status[80000];
	const struct house *h = house_look();

	(void)state;
	house_add_status(STATUS("wamid.1", ""));
	run();
	assert_int_equal(h->asks_len, 0); /* the parrot */
	house_reset();
	memcpy(house_look()->business.responder, "listens", 8);
	house_look()->business.status = STORE_BUSINESS_SUSPENDED;
	house_add_status(STATUS("wamid.1", ""));
	run();
	assert_int_equal(h->asks_len, 0);
	house_reset();
	memcpy(house_look()->business.responder, "listens", 8);
	house_add("{\"entry\":[{\"id\":\"999\",\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"1\"},"
		  "\"statuses\":[" STATUS("wamid.1", "") "]}}]}]}");
	/* Nobody's status is that long. */
	memset(longer, 'x', sizeof(longer) - 1);
	(void)snprintf(status, sizeof(status),
		"{\"entry\":[{\"changes\":[{\"value\":{\"metadata\":{\"phone_number_id\":\"200000000000001\"},"
		"\"statuses\":[{\"id\":\"wamid.2\",\"status\":\"delivered\",\"new\":\"%s\"}]}}]}]}",
		longer);
	house_add(status);
	run();
	assert_int_equal(h->events[0].updates[0].update.verdict, STORE_UPDATE_QUARANTINED);
	assert_int_equal(h->events[1].updates[0].update.verdict, STORE_UPDATE_DELIVERED);
	assert_int_equal(h->asks_len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(verdicts, setup),
		cmocka_unit_test_setup(what_is_quarantined_has_no_effect, setup),
		cmocka_unit_test_setup(a_sibling_with_the_same_app_may_verify, setup),
		cmocka_unit_test_setup(what_came_of_it_is_remembered, setup),
		cmocka_unit_test_setup(a_refusal_outlives_a_restart, setup),
		cmocka_unit_test_setup(messages_are_logged, setup),
		cmocka_unit_test_setup(statuses_settle_the_outbox, setup),
		cmocka_unit_test_setup(what_else_is_learnt, setup),
		cmocka_unit_test_setup(standby_is_logged_and_not_asked, setup),
		cmocka_unit_test_setup(by_what_it_is_known_again, setup),
		cmocka_unit_test_setup(what_cannot_be_read_holds_up_nobody, setup),
		cmocka_unit_test_setup(a_full_disk_is_waited_out, setup),
		cmocka_unit_test_setup(a_failed_store_ends_the_process, setup),
		cmocka_unit_test_setup(many_updates_hold_up_nobody_else, setup),
		cmocka_unit_test_setup(more_than_are_held, setup),
		cmocka_unit_test_setup(many_events_hold_up_nobody_else, setup),
		cmocka_unit_test_setup(two_that_are_stuck, setup),
		cmocka_unit_test_setup(a_stuck_one_holds_up_its_own_business, setup),
		cmocka_unit_test_setup(a_business_that_is_removed, setup),
		cmocka_unit_test_setup(what_is_settled_once_more_is_found, setup),
		cmocka_unit_test_setup(the_number_is_learned, setup),
		cmocka_unit_test_setup(a_number_that_cannot_be_learned, setup),
		cmocka_unit_test_setup(learning_waits_for_the_store, setup),
		cmocka_unit_test_setup(one_number_on_two_providers, setup),
		cmocka_unit_test_setup(webhooks_prove_whose_they_are, setup),
		cmocka_unit_test_setup(statuses_are_owed, setup),
		cmocka_unit_test_setup(statuses_that_nobody_hears, setup),
	};
	int result;

	json_init();
	result = cmocka_run_group_tests(tests, NULL, NULL);
	house_reset();
	return result;
}
