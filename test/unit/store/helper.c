#include "test/unit/store/helper.h"

#include <unistd.h>

int house_empty(void **state)
{
	struct house *h = calloc(1, sizeof(*h));

	assert_non_null(h);
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/keyhouse-store-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	(void)snprintf(h->path, sizeof(h->path), "%s/k.db", h->dir);
	*state = h;
	return 0;
}

void house_open(struct house *h)
{
	struct store_options opt = {.path = h->path, .create = true, .readers = 2};

	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
}

void house_close(struct house *h)
{
	store_close(h->store);
	h->store = NULL;
}

int house_setup(void **state)
{
	struct house *h;

	house_empty(state);
	h = *state;
	house_open(h);
	add_business(h->store, "one");
	add_business(h->store, "two");
	add_connection(h->store, CONNECTION_ONE, "one", "1001");
	add_connection(h->store, CONNECTION_TWO, "two", "1002");
	return 0;
}

int house_teardown(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	struct house *h = *state;
	char path[96];

	store_close(h->store);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", h->path, ends[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
	return 0;
}

void add_business(struct store *s, const char *id)
{
	struct store_business b = {.name = "A shop", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};

	(void)snprintf(b.id, sizeof(b.id), "%s", id);
	assert_int_equal(store_business_add(s, &b, NULL, 0), STORE_OK);
}

struct store_connection connection(const char *id, const char *business, const char *number)
{
	struct store_connection c = {.provider = STORE_META,
		.status = STORE_CONNECTION_PENDING,
		.app_id = "11",
		.waba_id = "22",
		.verify_token = "token"};

	(void)snprintf(c.id, sizeof(c.id), "%s", id);
	(void)snprintf(c.business_id, sizeof(c.business_id), "%s", business);
	(void)snprintf(c.phone_number_id, sizeof(c.phone_number_id), "%s", number);
	return c;
}

void add_connection(struct store *s, const char *id, const char *business, const char *number)
{
	struct store_connection c = connection(id, business, number);

	assert_int_equal(store_connection_add(s, &c, NULL, 0), STORE_OK);
}

static void append(struct store *s, const char *business, const char *connection_id, char out[static STORE_ID_LEN + 1])
{
	struct store_event e = {.received_at = store_now_ms(), .body = (const uint8_t *)"sealed", .body_len = 6};

	store_id_new(e.id);
	(void)snprintf(e.business_id, sizeof(e.business_id), "%s", business);
	(void)snprintf(e.connection_id, sizeof(e.connection_id), "%s", connection_id);
	assert_int_equal(store_event_append(s, &e, 5000), STORE_OK);
	memcpy(out, e.id, sizeof(e.id));
}

void add_event(struct store *s, char out[static STORE_ID_LEN + 1])
{
	append(s, "one", CONNECTION_ONE, out);
}

struct store_intake_counts settle_one(
	struct store *s, const char *business, const char *connection_id, struct store_update u)
{
	struct store_intake_counts counts = {0};
	char event[STORE_ID_LEN + 1];

	store_id_new(u.id);
	append(s, business, connection_id, event);
	assert_int_equal(store_event_settle(s, business, event, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_OK);
	return counts;
}

struct store_message question(struct store *s, const char *business, const char *connection_id, uint8_t c)
{
	struct store_message m = message(business, connection_id, c);
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};

	m.awaits_answer = true;
	assert_int_equal(settle_one(s, business, connection_id, u).awaiting, 1);
	return m;
}

struct store_message message(const char *business, const char *connection_id, uint8_t c)
{
	struct store_message m = {.number = "1001",
		.direction = STORE_INBOUND,
		.state = STORE_MESSAGE_RECEIVED,
		.type = "text",
		.conversation = {c},
		.content = (const uint8_t *)"content",
		.content_len = 7,
		.created_at = store_now_ms()};

	store_id_new(m.id);
	(void)snprintf(m.business_id, sizeof(m.business_id), "%s", business);
	(void)snprintf(m.connection_id, sizeof(m.connection_id), "%s", connection_id);
	return m;
}

struct store_message outbound(const char *business, const char *connection_id, uint8_t c)
{
	struct store_message m = message(business, connection_id, c);

	m.direction = STORE_OUTBOUND;
	m.state = STORE_MESSAGE_QUEUED;
	return m;
}

struct store_message queue(struct store *s, const char *business, const char *connection_id, uint8_t c, int64_t next_at)
{
	struct store_message m = outbound(business, connection_id, c);

	m.next_at = next_at;
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_OK);
	return m;
}

static bool take_state(const struct store_message *m, void *arg)
{
	*(enum store_message_state *)arg = m->state;
	return true;
}

enum store_message_state state_of(struct store *s, const char *business, const char *id)
{
	enum store_message_state state = STORE_MESSAGE_RECEIVED;

	assert_int_equal(store_message_get(s, business, id, take_state, &state), STORE_OK);
	return state;
}

static bool see(void *arg, const char *id)
{
	struct seen *seen = arg;

	assert_true(seen->len < sizeof(seen->ids) / sizeof(seen->ids[0]));
	(void)snprintf(seen->ids[seen->len++], sizeof(seen->ids[0]), "%s", id);
	return seen->len != seen->stop_after;
}

bool see_business(const struct store_business *b, void *seen)
{
	return see(seen, b->id);
}

bool see_connection(const struct store_connection *c, void *seen)
{
	return see(seen, c->id);
}

bool see_event(const struct store_event *e, void *seen)
{
	return see(seen, e->id);
}

bool see_summary(const struct store_event_summary *e, void *seen)
{
	return see(seen, e->id);
}

bool see_message(const struct store_message *m, void *seen)
{
	return see(seen, m->id);
}

bool see_ask(const struct store_ask *a, void *seen)
{
	return see(seen, a->id);
}

bool see_product(const struct store_product *p, void *seen)
{
	return see(seen, p->id);
}

bool see_token(const struct store_token *t, void *seen)
{
	return see(seen, t->id);
}

/* ------------------------------------------------------------ the outbox */

#define LANES_MAX 16u

struct lanes {
	struct store_lane all[LANES_MAX];
	size_t len;
};

static bool take_lane(const struct store_lane *l, void *arg)
{
	struct lanes *lanes = arg;

	lanes->all[lanes->len++] = *l;
	return lanes->len < LANES_MAX;
}

enum store_error lease_due(struct store *s, int64_t now, unsigned limit, unsigned per_connection,
	bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct store_lease leases[STORE_LEASES_MAX] = {{0}};
	struct lanes lanes = {.len = 0};
	enum store_error err = store_outbox_lanes(s, "", LANES_MAX, take_lane, &lanes);
	size_t n = 0;

	for (size_t i = 0; i < lanes.len && err == STORE_OK; i++) {
		struct store_due due[STORE_LEASES_MAX];
		size_t len = limit - n < per_connection ? limit - n : per_connection;
		int64_t next_at;

		err = store_outbox_due(s, lanes.all[i].connection_id, now, due, &len, &next_at);
		for (size_t j = 0; j < len && err == STORE_OK; j++)
			leases[n++].seq = due[j].seq;
	}
	return err == STORE_OK && n > 0 ? store_outbox_lease(s, now, leases, n, each, arg) : err;
}

int64_t next_due(struct store *s)
{
	struct lanes lanes = {.len = 0};
	int64_t at = INT64_MAX;

	assert_int_equal(store_outbox_lanes(s, "", LANES_MAX, take_lane, &lanes), STORE_OK);
	for (size_t i = 0; i < lanes.len; i++)
		at = lanes.all[i].due_at < at ? lanes.all[i].due_at : at;
	return at;
}
