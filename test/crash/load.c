/*
 * The load: what a listener's threads do with the store, with sizes and an order that are left to chance.
 */
#include "test/crash/load.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/crash/disk.h"

#define APPENDERS 3u
#define SETTLERS 2u
#define THREADS (APPENDERS + SETTLERS + 2u)

enum store_error load_begin(struct store *s)
{
	const struct store_business b = {
		.id = LEDGER_BUSINESS, .name = "A shop", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};
	const struct store_connection c = {.id = LEDGER_CONNECTION,
		.business_id = LEDGER_BUSINESS,
		.provider = STORE_META,
		.status = STORE_CONNECTION_PENDING,
		.app_id = "11",
		.waba_id = "22",
		.phone_number_id = "1001",
		.verify_token = "token"};
	struct store_connection have;
	enum store_error err = store_business_add(s, &b, NULL, 0);

	if (err == STORE_OK || err == STORE_EXISTS)
		err = store_connection_get(s, LEDGER_BUSINESS, LEDGER_CONNECTION, &have);
	return err == STORE_NOT_FOUND ? store_connection_add(s, &c, NULL, 0) : err;
}

/* Most webhooks are small, some bring many updates. */
static size_t body_len(uint64_t *chance)
{
	const size_t most = disk_chance(chance, 8) == 0 ? LEDGER_BODY_MAX : 4096;

	return 300 + (size_t)disk_chance(chance, most - 300);
}

/* What the store's thread was told. */
struct told {
	struct entry *entry;
	enum store_error result;
	sem_t there;
};

static void tell(void *ctx, enum store_error result)
{
	struct told *told = ctx;

	if (result == STORE_OK)
		ledger_say(&told->entry->kept, LEDGER_PROMISED);
	told->result = result;
	(void)sem_post(&told->there);
}

/* It is promised at the moment at which the store says so. */
static enum store_error append_later(struct store *s, const struct store_event *event, struct entry *e)
{
	struct told told = {.entry = e};
	enum store_error err;

	(void)sem_init(&told.there, 0, 0);
	err = store_event_append_later(s, event, tell, &told);
	while (err == STORE_OK && sem_wait(&told.there) != 0)
		;
	(void)sem_destroy(&told.there);
	return err == STORE_OK ? told.result : err;
}

enum store_error load_append(struct store *s, uint64_t *chance, unsigned timeout_ms)
{
	struct entry *e = ledger_add(LEDGER_EVENT, body_len(chance));
	struct store_event event = {
		.business_id = LEDGER_BUSINESS, .connection_id = LEDGER_CONNECTION, .received_at = store_now_ms()};
	enum store_error err;
	uint8_t *body;

	if (e == NULL)
		return STORE_TOO_MANY;
	body = malloc(e->body_len);
	if (body == NULL)
		abort();
	ledger_body(e, body);
	memcpy(event.id, e->id, sizeof(event.id));
	event.body = body;
	event.body_len = e->body_len;
	err = disk_chance(chance, 2) == 0 ? append_later(s, &event, e) : store_event_append(s, &event, timeout_ms);
	if (err == STORE_OK)
		ledger_say(&e->kept, LEDGER_PROMISED);
	free(body);
	return err;
}

static struct store_message message(const char *id, enum store_direction direction, uint64_t *chance)
{
	struct store_message m = {.business_id = LEDGER_BUSINESS,
		.connection_id = LEDGER_CONNECTION,
		.number = "1001",
		.direction = direction,
		.state = direction == STORE_INBOUND ? STORE_MESSAGE_RECEIVED : STORE_MESSAGE_QUEUED,
		.type = "text",
		.content = (const uint8_t *)"what a customer wrote, sealed",
		.content_len = 29,
		.created_at = store_now_ms()};

	memcpy(m.id, id, sizeof(m.id));
	m.conversation[0] = (uint8_t)(1 + disk_chance(chance, 20));
	m.awaits_answer = direction == STORE_INBOUND && disk_chance(chance, 4) == 0;
	return m;
}

enum store_error load_settle(struct store *s, uint64_t *chance)
{
	struct store_message messages[LEDGER_UPDATES_MAX];
	struct store_update updates[LEDGER_UPDATES_MAX] = {0};
	const unsigned n = 1 + (unsigned)disk_chance(chance, LEDGER_UPDATES_MAX);
	struct entry *e = ledger_settle(disk_chance(chance, UINT64_MAX), n);
	enum store_error err;

	if (e == NULL)
		return STORE_NOT_FOUND;
	for (unsigned i = 0; i < n; i++) {
		messages[i] = message(e->messages[i], STORE_INBOUND, chance);
		updates[i] = (struct store_update){.kind = STORE_UPDATE_MESSAGE,
			.field = "messages",
			.number = "1001",
			.verdict = STORE_UPDATE_DELIVERED,
			.message = &messages[i]};
		store_id_new(updates[i].id);
		ledger_mark(e, i, disk_chance(chance, 2) == 0 ? updates[i].seen_key : messages[i].wamid_index);
	}
	err = store_event_settle(s, LEDGER_BUSINESS, e->id, STORE_EVENT_SETTLED, updates, n, NULL);
	if (err == STORE_OK)
		ledger_say(&e->settled, LEDGER_PROMISED);
	return err;
}

enum store_error load_send(struct store *s, uint64_t *chance)
{
	struct entry *e = ledger_add(LEDGER_OUTBOUND, 0);
	struct store_message m;
	enum store_error err;

	if (e == NULL)
		return STORE_TOO_MANY;
	m = message(e->id, STORE_OUTBOUND, chance);
	err = store_message_queue(s, &m, NULL);
	if (err == STORE_OK)
		ledger_say(&e->kept, LEDGER_PROMISED);
	return err;
}

enum store_error load_note(struct store *s, uint64_t *chance)
{
	struct entry *e = ledger_add(LEDGER_AUDIT, 0);
	struct store_audit a = {
		.business_id = LEDGER_BUSINESS, .action = "used", .subject = LEDGER_CONNECTION "/token"};
	enum store_error err;

	(void)chance;
	if (e == NULL)
		return STORE_TOO_MANY;
	a.job = e->id;
	err = store_audit(s, &a);
	if (err == STORE_OK)
		ledger_say(&e->kept, LEDGER_PROMISED);
	return err;
}

static bool look(const struct store_event *e, void *arg)
{
	(void)arg;
	return e->body_len > 0;
}

enum store_error load_read(struct store *s, uint64_t *chance)
{
	struct store_look from = {.limit = 1 + (unsigned)disk_chance(chance, 50)};

	return store_event_unsettled(s, &from, look, NULL);
}

enum store_error load_flush(struct store *s, uint64_t *chance)
{
	const enum store_error err = store_flush(s);

	(void)chance;
	return err == STORE_BUSY ? STORE_OK : err;
}

/* ------------------------------------------------------------ threads */

struct worker {
	pthread_t thread;
	struct store *store;
	unsigned number, steps;
	uint64_t chance;
};

static enum store_error step(struct worker *w)
{
	enum store_error err;

	if (w->number < APPENDERS)
		return load_append(w->store, &w->chance, LOAD_TIMEOUT_MS);
	if (w->number < APPENDERS + SETTLERS) {
		err = load_settle(w->store, &w->chance);
		return err == STORE_NOT_FOUND ? load_read(w->store, &w->chance) : err;
	}
	if (w->number == APPENDERS + SETTLERS)
		return load_read(w->store, &w->chance);
	if (disk_chance(&w->chance, 40) == 0)
		return load_flush(w->store, &w->chance);
	return disk_chance(&w->chance, 2) == 0 ? load_send(w->store, &w->chance) : load_note(w->store, &w->chance);
}

static void *work(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < w->steps; i++)
		if (step(w) != STORE_OK)
			break;
	return NULL;
}

void load_run(struct store *s, uint64_t chance, unsigned steps)
{
	struct worker workers[THREADS];

	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.store = s, .number = i, .steps = steps};
		workers[i].chance = disk_chance(&chance, UINT64_MAX);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			abort();
	}
	for (unsigned i = 0; i < THREADS; i++)
		(void)pthread_join(workers[i].thread, NULL);
}
