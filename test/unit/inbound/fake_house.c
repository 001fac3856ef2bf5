/* The fake of fake_house.h: what tests call, tenants, and the store but for its asks. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "test/unit/inbound/fake_inside.h"

pthread_mutex_t house_lock = PTHREAD_MUTEX_INITIALIZER;
struct house house;
static unsigned ids, failures;
static int64_t started_ms;

void house_copy(char *out, size_t room, const char *text)
{
	(void)snprintf(out, room, "%s", text);
}

static int64_t real_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void house_reset(void)
{
	for (size_t i = 0; i < house.events_len; i++)
		free(house.events[i].body);
	memset(&house, 0, sizeof(house));
	failures = 0;
	started_ms = real_ms();
	house_copy(house.business.id, sizeof(house.business.id), "shop");
	house_copy(house.business.responder, sizeof(house.business.responder), "parrot");
	house.business.status = STORE_BUSINESS_ACTIVE;
	house.other = house.business;
	house_copy(house.other.id, sizeof(house.other.id), "other");
	house.owner = "shop";
	house_copy(house.connection.id, sizeof(house.connection.id), HOUSE_CONNECTION);
	house_copy(house.connection.waba_id, sizeof(house.connection.waba_id), "100000000000001");
	house_copy(house.connection.phone_number_id, sizeof(house.connection.phone_number_id), "200000000000001");
	house.connection.provider = STORE_META;
	house.connection.status = STORE_CONNECTION_PENDING;
	house.received_at = HOUSE_NOW;
	house.fault = STORE_FULL;
}

void house_add_sibling(void)
{
	house.sibling = house.connection;
	house_copy(house.sibling.id, sizeof(house.sibling.id), HOUSE_SIBLING);
	house_copy(house.sibling.waba_id, sizeof(house.sibling.waba_id), "100000000000002");
	house_copy(house.sibling.phone_number_id, sizeof(house.sibling.phone_number_id), "200000000000002");
}

struct house *house_look(void)
{
	return &house;
}

static bool all_settled(size_t n)
{
	bool done = true;

	(void)n;
	for (size_t k = 0; k < house.events_len; k++)
		done = done && house.events[k].state != STORE_EVENT_ACCEPTED;
	for (size_t k = 0; k < house.asks_len; k++)
		done = done && house.asks[k].done;
	return done;
}

static bool so_many_held(size_t n)
{
	return house.held_len == n;
}

static bool so_often_asked(size_t n)
{
	return house.asked == n;
}

static bool wait_until(bool (*is_so)(size_t n), size_t n)
{
	for (unsigned i = 0; i < 1000; i++) {
		bool is;

		pthread_mutex_lock(&house_lock);
		is = is_so(n);
		pthread_mutex_unlock(&house_lock);
		if (is)
			return true;
		usleep(5000);
	}
	return false;
}

bool house_settles(void)
{
	return wait_until(all_settled, 0);
}

bool house_holds(size_t held)
{
	return wait_until(so_many_held, held);
}

bool house_was_asked(unsigned times)
{
	return wait_until(so_often_asked, times);
}

static void failed(void *ctx)
{
	(void)ctx;
	failures++;
}

unsigned house_failures(void)
{
	return failures;
}

struct inbound *house_open(void)
{
	/* Nobody looks into it: any pointer does. */
	struct inbound_options opt = {.outbound = (struct outbound *)(void *)&house, .failed = failed};
	struct inbound *in = NULL;

	return inbound_open(&in, &opt) == INBOUND_OK ? in : NULL;
}

bool house_run(void)
{
	struct inbound *in = house_open();
	bool settled = house_settles();

	inbound_close(in);
	return settled;
}

/* ------------------------------------------------------------ tenants */

static bool is_there(const char *business_id)
{
	return strcmp(business_id, "shop") == 0 || strcmp(business_id, "other") == 0 ||
		strcmp(business_id, "third") == 0;
}

static int place_text(char *out, size_t room, const struct tenant_place *where)
{
	return snprintf(out, room, "%s/%s/%s/%s/%u\n", where->business_id, where->table, where->record_id, where->field,
		(unsigned)where->record_version);
}

enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len)
{
	char place[256];
	size_t place_len = (size_t)place_text(place, sizeof(place), where);

	(void)t;
	*blob = malloc(place_len + len);
	memcpy(*blob, place, place_len);
	memcpy(*blob + place_len, plain, len);
	*blob_len = place_len + len;
	return TENANT_OK;
}

enum tenant_error tenant_open(struct tenants *t, const struct tenant_place *where, const uint8_t *blob, size_t blob_len,
	uint8_t **plain, size_t *len)
{
	char place[256];
	size_t place_len = (size_t)place_text(place, sizeof(place), where);

	(void)t;
	if (!is_there(where->business_id))
		return TENANT_NOT_FOUND;
	if (blob_len < place_len || memcmp(blob, place, place_len) != 0)
		return TENANT_BAD_DATA;
	pthread_mutex_lock(&house_lock);
	for (size_t i = 0; i < house.events_len; i++)
		house.events[i].opened += strcmp(house.events[i].event.id, where->record_id) == 0;
	pthread_mutex_unlock(&house_lock);
	*len = blob_len - place_len;
	*plain = calloc(1, *len + 1);
	memcpy(*plain, blob + place_len, *len);
	return TENANT_OK;
}

/* Not blind: FNV-1a of kind and value, twice. */
enum tenant_error tenant_index(struct tenants *t, const char *business_id, const char *kind, const void *value,
	size_t len, uint8_t out[static STORE_INDEX_LEN])
{
	uint64_t h[2] = {1469598103934665603u, 88172645463325252u};

	(void)t;
	(void)business_id;
	for (size_t i = 0; i < 2; i++) {
		for (const char *p = kind; *p != '\0'; p++)
			h[i] = (h[i] ^ (unsigned char)*p) * 1099511628211u;
		for (size_t k = 0; k < len; k++)
			h[i] = (h[i] ^ ((const unsigned char *)value)[k]) * 1099511628211u;
	}
	memcpy(out, h, STORE_INDEX_LEN);
	return TENANT_OK;
}

enum tenant_error tenant_conversation(struct tenants *t, const char *business_id, const char *number,
	const char *customer, uint8_t out[static STORE_INDEX_LEN])
{
	char text[512];
	int len = snprintf(text, sizeof(text), "%s\n%s", number, customer);

	return tenant_index(t, business_id, "conversation", text, (size_t)len, out);
}

struct store *tenants_store(struct tenants *t)
{
	(void)t;
	return NULL;
}

/* ------------------------------------------------------------ the store */

enum store_error store_deliveries_note(struct store *s, const struct store_delivery *rows, size_t len)
{
	enum store_error err = STORE_OK;

	(void)s;
	pthread_mutex_lock(&house_lock);
	if (house.note_faults > 0 && len > 0) {
		house.note_faults--;
		err = house.fault;
	}
	for (size_t i = 0; i < len && err == STORE_OK; i++)
		if (house.deliveries_len < HOUSE_DELIVERIES)
			house.deliveries[house.deliveries_len++] = rows[i];
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_delivery_list(
	struct store *s, const char *business_id, bool (*each)(const struct store_delivery *d, void *arg), void *arg)
{
	(void)s;
	for (size_t i = 0; i < house.deliveries_len; i++)
		if (strcmp(house.deliveries[i].business_id, business_id) == 0 && !each(&house.deliveries[i], arg))
			break;
	return STORE_OK;
}

int64_t store_now_ms(void)
{
	return HOUSE_NOW + (house.clock_runs ? real_ms() - started_ms : 0);
}

void store_id_new(char out[static STORE_ID_LEN + 1])
{
	static pthread_mutex_t ids_lock = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&ids_lock);
	(void)snprintf(out, STORE_ID_LEN + 1, "01%024u", ++ids);
	pthread_mutex_unlock(&ids_lock);
}

const char *store_error_text(enum store_error err)
{
	return err == STORE_FULL ? "no room" : "an error";
}

enum store_error store_business_get(struct store *s, const char *id, struct store_business *out)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	pthread_mutex_lock(&house_lock);
	if (is_there(id) && (house.removed == NULL || strcmp(id, house.removed) != 0)) {
		*out = strcmp(id, "shop") == 0 ? house.business : house.other;
		err = STORE_OK;
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&house_lock);
	if (strcmp(id, house.connection.id) == 0 || strcmp(id, house.sibling.id) == 0) {
		*out = strcmp(id, house.connection.id) == 0 ? house.connection : house.sibling;
		err = STORE_OK;
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

static bool uses(const struct store_connection *c, enum store_provider provider, const char *number)
{
	return c->provider == provider && strcmp(c->phone_number_id, number) == 0;
}

enum store_error store_connection_by_number(struct store *s, const char *business_id, enum store_provider provider,
	const char *phone_number_id, struct store_connection *out)
{
	enum store_error err = STORE_OK;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&house_lock);
	if (uses(&house.connection, provider, phone_number_id))
		*out = house.connection;
	else if (uses(&house.sibling, provider, phone_number_id))
		*out = house.sibling;
	else
		err = STORE_NOT_FOUND;
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_connection_number_set(struct store *s, const char *business_id, const char *id,
	const char *phone_number_id, const char *waba_id, bool proven)
{
	(void)proven;
	enum store_error err;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&house_lock);
	err = strcmp(id, HOUSE_CONNECTION) == 0 ? house.number_set : STORE_NOT_FOUND;
	if (err == STORE_OK) {
		house_copy(house.connection.phone_number_id, sizeof(house.connection.phone_number_id), phone_number_id);
		house_copy(house.connection.waba_id, sizeof(house.connection.waba_id), waba_id);
		house.handed++;
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_credential_list(struct store *s, const char *business_id, const char *field,
	bool (*each)(const struct store_credential *c, void *arg), void *arg)
{
	struct store_credential c = {
		.connection_id = HOUSE_CONNECTION, .slot = STORE_SLOT_CURRENT, .fingerprint = "aa"};

	(void)s;
	(void)business_id;
	(void)field;
	if (each(&c, arg) && house.sibling.id[0] != '\0') {
		memcpy(c.connection_id, HOUSE_SIBLING, sizeof(c.connection_id));
		(void)each(&c, arg);
	}
	return STORE_OK;
}

enum store_error store_connection_status_set(struct store *s, const char *business_id, const char *id,
	enum store_connection_status from, enum store_connection_status to)
{
	struct store_connection *c;
	enum store_error err = STORE_STALE;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&house_lock);
	c = strcmp(id, house.sibling.id) == 0 ? &house.sibling : &house.connection;
	if (c->status == from) {
		c->status = to;
		err = STORE_OK;
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

void house_event_add(const char *body, size_t len, const char *sealed_for)
{
	struct house_event *e;
	struct tenant_place place = {house.owner, "events", NULL, "body", 1};

	pthread_mutex_lock(&house_lock);
	if (house.events_len == HOUSE_EVENTS)
		abort();
	e = &house.events[house.events_len];
	memset(e, 0, sizeof(*e));
	store_id_new(e->event.id);
	place.record_id = sealed_for != NULL ? sealed_for : e->event.id;
	house_copy(e->event.business_id, sizeof(e->event.business_id), house.owner);
	house_copy(e->event.connection_id, sizeof(e->event.connection_id), HOUSE_CONNECTION);
	e->event.received_at = house.received_at;
	e->state = STORE_EVENT_ACCEPTED;
	if (tenant_seal(NULL, &place, body, len, &e->body, &e->event.body_len) != TENANT_OK)
		abort();
	house.events_len++;
	pthread_mutex_unlock(&house_lock);
}

void house_add(const char *body)
{
	house_event_add(body, strlen(body), NULL);
}

void house_unsettle(size_t event)
{
	pthread_mutex_lock(&house_lock);
	house.events[event].state = STORE_EVENT_ACCEPTED;
	house.events[event].done = house.events[event].updates_len = 0;
	pthread_mutex_unlock(&house_lock);
}

static void add_in(const char *list, const char *item)
{
	char body[2048];

	(void)snprintf(body, sizeof(body),
		"{\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{\"field\":\"messages\",\"value\":{"
		"\"metadata\":{\"phone_number_id\":\"200000000000001\"},\"%s\":[%s]}}]}]}",
		list, item);
	house_add(body);
}

void house_add_message(const char *message)
{
	add_in("messages", message);
}

void house_add_status(const char *status)
{
	add_in("statuses", status);
}

enum store_error store_event_unsettled(
	struct store *s, struct store_look *look, bool (*each)(const struct store_event *e, void *arg), void *arg)
{
	struct store_event rows[HOUSE_EVENTS];
	const int64_t until = look->until > 0 ? look->until : INT64_MAX;
	unsigned len = 0, seen = 0;
	size_t i;

	(void)s;
	pthread_mutex_lock(&house_lock);
	for (i = (size_t)look->after; i < house.events_len && (int64_t)i < until && len < look->limit; i++) {
		struct house_event *e = &house.events[i];
		enum store_choice choice;
		uint8_t *body;

		if (e->state != STORE_EVENT_ACCEPTED)
			continue;
		if (seen++ == look->rows)
			break;
		choice = look->choose((int64_t)i + 1, e->event.business_id, arg);
		if (choice == STORE_STOP)
			break;
		look->after = (int64_t)i + 1;
		if (choice == STORE_PASS)
			continue;
		rows[len] = e->event;
		rows[len].place = (int64_t)i + 1;
		body = malloc(rows[len].body_len);
		memcpy(body, e->body, rows[len].body_len);
		rows[len++].body = body;
	}
	if ((int64_t)i == until && look->after < until)
		look->after = until;
	pthread_mutex_unlock(&house_lock);
	for (unsigned k = 0; k < len; k++)
		if (!each(&rows[k], arg))
			break;
	/* Gone when it returns, as the contract says. */
	for (unsigned k = 0; k < len; k++)
		free((void *)(uintptr_t)rows[k].body);
	return STORE_OK;
}

static void settle_one(struct house_update *out, const struct store_update *u, struct store_intake_counts *counts)
{
	memset(out, 0, sizeof(*out));
	out->update = *u;
	if (u->reason != NULL)
		house_copy(out->reason, sizeof(out->reason), u->reason);
	if (u->message != NULL) {
		out->message = *u->message;
		memcpy(out->content, u->message->content, u->message->content_len);
		if (u->message->wamid != NULL)
			memcpy(out->wamid, u->message->wamid, u->message->wamid_len);
		if (u->message->awaits_answer) {
			counts->awaiting++;
			house_owe_answer(u->message);
		}
	}
	if (u->notices_len > 0)
		out->notice = u->notices[0];
	if (u->ask != NULL)
		house_owe(u->ask);
	if (u->settlement != NULL) {
		out->settlement = *u->settlement;
		if (u->settlement->wamid != NULL)
			memcpy(out->wamid, u->settlement->wamid, u->settlement->wamid_len);
		if (u->settlement->reason != NULL)
			house_copy(out->reason, sizeof(out->reason), u->settlement->reason);
	}
	counts->delivered += u->verdict == STORE_UPDATE_DELIVERED;
	counts->quarantined += u->verdict == STORE_UPDATE_QUARANTINED;
}

/* With the lock held. */
static enum store_error event_settle(struct house_event *e, struct store_settling *one)
{
	if (e->state != STORE_EVENT_ACCEPTED)
		return STORE_STALE;
	if (house.settle_faults > 0) {
		house.settle_faults--;
		return house.fault;
	}
	if (e->sick && one->state == STORE_EVENT_SETTLED)
		return STORE_NO_MEMORY;
	if (e->done != one->from)
		return e->done > one->from ? STORE_OK : STORE_BUSY;
	for (size_t k = 0; k < one->updates_len; k++, e->done++)
		if (e->updates_len < HOUSE_UPDATES)
			settle_one(&e->updates[e->updates_len++], &one->updates[k], &one->counts);
	if (one->more)
		return STORE_OK;
	e->state = one->state;
	e->settled_as = ++house.settled;
	return STORE_OK;
}

enum store_error store_events_settle(struct store *s, struct store_settling *all, size_t len)
{
	bool stopped = false;

	(void)s;
	for (size_t i = 0; i < len; i++) {
		memset(&all[i].counts, 0, sizeof(all[i].counts));
		all[i].result = stopped ? STORE_BUSY : STORE_NOT_FOUND;
		if (stopped)
			continue;
		pthread_mutex_lock(&house_lock);
		for (size_t k = 0; k < house.events_len; k++)
			if (strcmp(house.events[k].event.id, all[i].event_id) == 0)
				all[i].result = event_settle(&house.events[k], &all[i]);
		pthread_mutex_unlock(&house_lock);
		stopped = all[i].result != STORE_OK && all[i].result != STORE_STALE;
	}
	return STORE_OK;
}

enum store_error store_event_settle(struct store *s, const char *business_id, const char *event_id,
	enum store_event_state state, const struct store_update *updates, size_t updates_len,
	struct store_intake_counts *counts)
{
	struct store_settling one = {.business_id = business_id,
		.event_id = event_id,
		.state = state,
		.updates = updates,
		.updates_len = updates_len};
	const enum store_error err = store_events_settle(s, &one, 1);

	*counts = one.counts;
	return err == STORE_OK ? one.result : err;
}

unsigned store_waiting(struct store *s)
{
	(void)s;
	return 0;
}
