/* The fake of fake_house.h: every function of store, tenant, reply and outbound that intake and answer call. */
#include "test/unit/inbound/fake_house.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct house house;
static unsigned ids;

static void copy_text(char *out, size_t room, const char *text)
{
	(void)snprintf(out, room, "%s", text);
}

void house_reset(void)
{
	for (size_t i = 0; i < house.events_len; i++)
		free(house.events[i].body);
	memset(&house, 0, sizeof(house));
	copy_text(house.business.id, sizeof(house.business.id), "shop");
	copy_text(house.business.responder, sizeof(house.business.responder), "parrot");
	house.business.status = STORE_BUSINESS_ACTIVE;
	copy_text(house.connection.id, sizeof(house.connection.id), HOUSE_CONNECTION);
	copy_text(house.connection.waba_id, sizeof(house.connection.waba_id), "100000000000001");
	copy_text(house.connection.phone_number_id, sizeof(house.connection.phone_number_id), "200000000000001");
	house.connection.provider = STORE_META;
	house.connection.status = STORE_CONNECTION_PENDING;
	house.received_at = HOUSE_NOW;
	house.fault = STORE_FULL;
}

void house_add_sibling(void)
{
	house.sibling = house.connection;
	copy_text(house.sibling.id, sizeof(house.sibling.id), HOUSE_SIBLING);
	copy_text(house.sibling.waba_id, sizeof(house.sibling.waba_id), "100000000000002");
	copy_text(house.sibling.phone_number_id, sizeof(house.sibling.phone_number_id), "200000000000002");
}

struct house *house_look(void)
{
	return &house;
}

bool house_settles(void)
{
	for (unsigned i = 0; i < 500; i++) {
		bool done = true;

		pthread_mutex_lock(&lock);
		for (size_t k = 0; k < house.events_len; k++) {
			done = done && house.events[k].state != STORE_EVENT_ACCEPTED;
			for (size_t m = 0; m < house.events[k].updates_len; m++)
				done = done && !house.events[k].updates[m].message.awaits_answer;
		}
		pthread_mutex_unlock(&lock);
		if (done)
			return true;
		usleep(10000);
	}
	return false;
}

/* ------------------------------------------------------------ tenants */

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
	if (strcmp(where->business_id, "shop") != 0)
		return TENANT_NOT_FOUND;
	if (blob_len < place_len || memcmp(blob, place, place_len) != 0)
		return TENANT_BAD_DATA;
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

int64_t store_now_ms(void)
{
	return HOUSE_NOW;
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
	pthread_mutex_lock(&lock);
	if (strcmp(id, house.business.id) == 0) {
		*out = house.business;
		err = STORE_OK;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&lock);
	if (strcmp(id, house.connection.id) == 0 || strcmp(id, house.sibling.id) == 0) {
		*out = strcmp(id, house.connection.id) == 0 ? house.connection : house.sibling;
		err = STORE_OK;
	}
	pthread_mutex_unlock(&lock);
	return err;
}

enum store_error store_connection_by_number(
	struct store *s, const char *business_id, const char *phone_number_id, struct store_connection *out)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&lock);
	if (strcmp(phone_number_id, house.connection.phone_number_id) == 0) {
		*out = house.connection;
		err = STORE_OK;
	} else if (strcmp(phone_number_id, house.sibling.phone_number_id) == 0) {
		*out = house.sibling;
		err = STORE_OK;
	}
	pthread_mutex_unlock(&lock);
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
	(void)s;
	(void)business_id;
	(void)id;
	pthread_mutex_lock(&lock);
	if (house.connection.status == from)
		house.connection.status = to;
	pthread_mutex_unlock(&lock);
	return STORE_OK;
}

void house_event_add(const char *body, size_t len, const char *sealed_for)
{
	struct house_event *e;
	struct tenant_place place = {"shop", "events", NULL, "body", 1};

	pthread_mutex_lock(&lock);
	e = &house.events[house.events_len];
	memset(e, 0, sizeof(*e));
	store_id_new(e->event.id);
	place.record_id = sealed_for != NULL ? sealed_for : e->event.id;
	copy_text(e->event.business_id, sizeof(e->event.business_id), "shop");
	copy_text(e->event.connection_id, sizeof(e->event.connection_id), HOUSE_CONNECTION);
	e->event.received_at = house.received_at;
	e->state = STORE_EVENT_ACCEPTED;
	if (tenant_seal(NULL, &place, body, len, &e->body, &e->event.body_len) != TENANT_OK)
		abort();
	house.events_len++;
	pthread_mutex_unlock(&lock);
}

enum store_error store_event_unsettled(
	struct store *s, unsigned limit, bool (*each)(const struct store_event *e, void *arg), void *arg)
{
	(void)s;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < house.events_len && limit > 0; i++) {
		struct store_event e = house.events[i].event;
		uint8_t *row;
		bool more;

		if (house.events[i].state != STORE_EVENT_ACCEPTED)
			continue;
		/* Gone when each returns, as the contract says. */
		row = malloc(e.body_len);
		memcpy(row, house.events[i].body, e.body_len);
		e.body = row;
		more = each(&e, arg);
		free(row);
		limit--;
		if (!more)
			break;
	}
	pthread_mutex_unlock(&lock);
	return STORE_OK;
}

static void settle_one(struct house_update *out, const struct store_update *u, struct store_intake_counts *counts)
{
	memset(out, 0, sizeof(*out));
	out->update = *u;
	if (u->reason != NULL)
		copy_text(out->reason, sizeof(out->reason), u->reason);
	if (u->message != NULL) {
		out->message = *u->message;
		memcpy(out->content, u->message->content, u->message->content_len);
		if (u->message->wamid != NULL)
			memcpy(out->wamid, u->message->wamid, u->message->wamid_len);
		counts->awaiting += u->message->awaits_answer;
	}
	if (u->settlement != NULL) {
		out->settlement = *u->settlement;
		if (u->settlement->wamid != NULL)
			memcpy(out->wamid, u->settlement->wamid, u->settlement->wamid_len);
		if (u->settlement->reason != NULL)
			copy_text(out->reason, sizeof(out->reason), u->settlement->reason);
	}
	counts->delivered += u->verdict == STORE_UPDATE_DELIVERED;
	counts->quarantined += u->verdict == STORE_UPDATE_QUARANTINED;
}

enum store_error store_event_settle(struct store *s, const char *business_id, const char *event_id,
	enum store_event_state state, const struct store_update *updates, size_t updates_len,
	struct store_intake_counts *counts)
{
	enum store_error err = STORE_NOT_FOUND;

	(void)s;
	(void)business_id;
	memset(counts, 0, sizeof(*counts));
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < house.events_len; i++) {
		struct house_event *e = &house.events[i];

		if (strcmp(e->event.id, event_id) != 0)
			continue;
		err = e->state == STORE_EVENT_ACCEPTED ? STORE_OK : STORE_STALE;
		if (err == STORE_OK && house.settle_faults > 0) {
			house.settle_faults--;
			err = house.fault;
		}
		if (err != STORE_OK)
			break;
		e->state = state;
		e->settled_as = ++house.settled;
		for (size_t k = 0; k < updates_len && k < HOUSE_UPDATES; k++)
			settle_one(&e->updates[e->updates_len++], &updates[k], counts);
	}
	pthread_mutex_unlock(&lock);
	return err;
}

static struct house_update *awaiting_next(const char *id)
{
	for (size_t i = 0; i < house.events_len; i++)
		for (size_t k = 0; k < house.events[i].updates_len; k++) {
			struct house_update *u = &house.events[i].updates[k];

			if (u->message.awaits_answer && (id == NULL || strcmp(id, u->message.id) == 0))
				return u;
		}
	return NULL;
}

/* One at a time: the answer thread must come again for the next. */
enum store_error store_message_awaiting(
	struct store *s, unsigned limit, bool (*each)(const struct store_message *m, void *arg), void *arg)
{
	struct house_update *u;

	(void)s;
	(void)limit;
	pthread_mutex_lock(&lock);
	u = awaiting_next(NULL);
	if (u != NULL) {
		struct store_message m = u->message;
		char row[sizeof(u->content)];

		memcpy(row, u->content, sizeof(row));
		m.content = (const uint8_t *)row;
		(void)each(&m, arg);
		memset(row, 0xdd, sizeof(row));
	}
	pthread_mutex_unlock(&lock);
	return STORE_OK;
}

enum store_error store_conversation_paused(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t now, bool *paused)
{
	(void)s;
	(void)business_id;
	(void)conversation;
	(void)now;
	*paused = false;
	return STORE_OK;
}

enum store_error store_message_answer(struct store *s, const char *business_id, const char *message_id,
	const struct store_message *answers, size_t answers_len)
{
	enum store_error err = STORE_STALE;
	struct house_update *u;

	(void)s;
	(void)business_id;
	pthread_mutex_lock(&lock);
	u = awaiting_next(message_id);
	if (u != NULL && house.answer_faults > 0) {
		house.answer_faults--;
		err = house.fault;
	} else if (u != NULL) {
		err = STORE_OK;
		u->message.awaits_answer = false;
		house.finished++;
		for (size_t i = 0; i < answers_len && house.answers_len < HOUSE_UPDATES; i++) {
			struct house_answer *a = &house.answers[house.answers_len++];

			copy_text(a->message_id, sizeof(a->message_id), message_id);
			a->message = answers[i];
			memcpy(a->content, answers[i].content, answers[i].content_len);
		}
	}
	pthread_mutex_unlock(&lock);
	return err;
}

/* ------------------------------------------------------------ reply and outbound */

enum reply_error reply_ask(
	struct store *store, const char *responder, const struct reply_question *question, struct reply_answer *answer)
{
	enum reply_error err = REPLY_OK;
	char text[256];

	(void)store;
	pthread_mutex_lock(&lock);
	house.asked++;
	answer->len = 0;
	if (strcmp(responder, "parrot") != 0) {
		err = REPLY_UNKNOWN_RESPONDER;
	} else if (house.reply_faults > 0) {
		house.reply_faults--;
		err = REPLY_STORE;
	} else {
		(void)snprintf(text, sizeof(text), "You said \"%s\"", question->text);
		answer->texts[answer->len++] = strdup(text);
		answer->texts[answer->len++] = strdup("Bye");
	}
	pthread_mutex_unlock(&lock);
	return err;
}

void reply_answer_clear(struct reply_answer *a)
{
	for (size_t i = 0; i < a->len; i++)
		free(a->texts[i]);
	a->len = 0;
}

bool outbound_status_move(const char *status, enum store_message_state *to, unsigned *from_states)
{
	*from_states = 7;
	*to = strcmp(status, "failed") == 0 ? STORE_MESSAGE_FAILED : STORE_MESSAGE_DELIVERED;
	return strcmp(status, "failed") == 0 || strcmp(status, "delivered") == 0;
}

enum outbound_error outbound_message_seal(
	struct tenants *t, const char *json, size_t len, struct store_message *m, uint8_t **content)
{
	(void)t;
	*content = malloc(len);
	memcpy(*content, json, len);
	m->content = *content;
	m->content_len = len;
	m->state = STORE_MESSAGE_QUEUED;
	return OUTBOUND_OK;
}

void outbound_wake(struct outbound *o)
{
	(void)o;
	pthread_mutex_lock(&lock);
	house.woken++;
	pthread_mutex_unlock(&lock);
}
