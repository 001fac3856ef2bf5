/*
 * The scheduler: asks the lanes whose turn it is and the store what of that is due, leases it,
 * durably, before a byte of it leaves; prepares it and hands it to the sender. One thread. Started by
 * outbound.c.
 *
 * The lanes live by the clock that does not go back, the store's rows by the time of day.
 */
#include "gateway/outbound/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/outbound/plan.h"
#include "gateway/outbound/prepare.h"

#define BLOCKED_MS 1000 /* when the store cannot be read or written */
#define IDLE_MAX_MS 3600000
#define SCAN_EVERY_MS 60000 /* for what nobody told */
#define SCAN_PAGE 256u

/* Leased, with copies of their content. */
struct batch {
	struct store_message messages[STORE_LEASES_MAX];
	size_t len;
};

/* What was chosen, as the lanes know it. */
struct chosen {
	struct store_lease leases[STORE_LEASES_MAX];
	char connections[STORE_LEASES_MAX][STORE_ID_LEN + 1];
	uint8_t conversations[STORE_LEASES_MAX][STORE_INDEX_LEN];
	size_t len;
	char again[STORE_LEASES_MAX][STORE_ID_LEN + 1]; /* connections whose turn came once more */
	size_t again_len;
};

struct scheduler {
	struct outbound *o;
	struct chosen chosen;
	struct batch batch;
	char scan_after[STORE_ID_LEN + 1];
	bool scanning;
	int64_t scan_at; /* when all are looked for again by itself */
	int64_t blocked_until;
};

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->len; i++)
		free((void *)(uintptr_t)b->messages[i].content);
	b->len = 0;
}

/* Copies: what needs the store again happens after the lease. */
static bool batch_add(const struct store_message *m, void *arg)
{
	struct batch *b = arg;
	struct store_message *copy = &b->messages[b->len];
	uint8_t *content = m->content_len > 0 ? malloc(m->content_len) : NULL;

	if (content != NULL)
		memcpy(content, m->content, m->content_len);
	*copy = *m;
	copy->content = content; /* NULL where memory is short: tried again later */
	copy->wamid = NULL;
	b->len++;
	return b->len < STORE_LEASES_MAX;
}

void sending_from(struct sending *s, const struct store_message *m)
{
	*s = (struct sending){.attempt = m->attempts,
		.policy = m->policy,
		.maybe_sent = m->attempts > 1 && m->maybe_duplicate && m->policy == STORE_AT_LEAST_ONCE,
		.expires_at = plan_expires_at(m->expires_at, m->created_at)};
	memcpy(s->business_id, m->business_id, sizeof(s->business_id));
	memcpy(s->connection_id, m->connection_id, sizeof(s->connection_id));
	memcpy(s->message_id, m->id, sizeof(s->message_id));
	memcpy(s->conversation, m->conversation, sizeof(s->conversation));
}

void sending_with(struct sending *s, const struct prepared *p)
{
	s->kind = p->job.kind;
	s->credential_version = p->credentials[0].version;
	s->credential_unproven = p->credentials[0].proven_at == 0;
}

/* An attempt that ended before the sender heard of it, as a result. */
void settle_here(struct outbound *o, const struct sending *s, enum outbound_class class, const char *reason)
{
	struct outbound_result r = {.class = class};
	struct settling one = {.sending = s, .result = &r};

	memccpy(r.reason, reason, '\0', sizeof(r.reason) - 1);
	settle_sends(o->tenants, &one, 1, &o->stop);
	one.settled.came = LANES_NOTHING;
	pthread_mutex_lock(&o->lock);
	inside_send_ended(o, s, &one.settled);
	pthread_mutex_unlock(&o->lock);
}

static void settle_unprepared(struct outbound *o, const struct sending *s, enum prepare_error err)
{
	switch (err) {
	case PREPARE_OK:
		return;
	case PREPARE_NO_CREDENTIAL:
		settle_here(o, s, OUTBOUND_NO_CREDENTIAL, "");
		return;
	case PREPARE_INVALID:
	case PREPARE_UNREADABLE:
		settle_here(o, s, OUTBOUND_MESSAGE, "the stored message cannot be read");
		return;
	case PREPARE_LATER:
		settle_here(o, s, OUTBOUND_NOT_SENT, "the message could not be prepared");
		return;
	}
}

static void send_one(struct outbound *o, const struct store_message *m)
{
	struct prepared p = {0};
	struct sending s;
	struct ticket *k;
	enum prepare_error err = PREPARE_LATER;
	bool out = false, dead;

	sending_from(&s, m);
	if (store_now_ms() >= s.expires_at) {
		settle_here(
			o, &s, s.maybe_sent ? OUTBOUND_OUTCOME_UNKNOWN : OUTBOUND_WINDOW, "expired before it was sent");
		return;
	}
	if (m->content != NULL || m->content_len == 0)
		err = prepare_send(o->tenants, m, &p);
	if (err != PREPARE_OK) {
		settle_unprepared(o, &s, err);
		goto out;
	}
	sending_with(&s, &p);
	pthread_mutex_lock(&o->lock);
	k = ticket_take(o, TICKET_SEND); /* there is one: no more were leased */
	k->sending = s;
	p.job.ticket = k->number;
	pthread_mutex_unlock(&o->lock);
	out = inside_job_out(o, &p.job);
	if (out)
		goto out;
	pthread_mutex_lock(&o->lock);
	dead = o->dead;
	if (!dead)
		ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
	/* With the sender gone, part of the job may have gone out: it becomes UNKNOWN at the next start. */
	if (!dead)
		settle_here(o, &s, OUTBOUND_NOT_SENT, "memory was short");
out:
	prepared_clear(&p);
}

/* ------------------------------------------------------------ who has something waiting */

/* A time of day on the lanes' clock, and back. */
static int64_t lane_time(int64_t at, int64_t ahead)
{
	return at == INT64_MAX ? at : at - ahead;
}

static int64_t clock_ahead(void)
{
	return store_now_ms() - inside_now();
}

static void lane_add(struct outbound *o, const struct store_lane *lane, int64_t ahead)
{
	struct store_lane mine = *lane;

	mine.due_at = lane_time(lane->due_at, ahead);
	pthread_mutex_lock(&o->lock);
	o->scan = !lanes_add(o->lanes, &mine, inside_now()) || o->scan;
	pthread_mutex_unlock(&o->lock);
}

static void take_hints(struct scheduler *s, int64_t ahead)
{
	struct outbound *o = s->o;
	char hints[HINTS_MAX][STORE_ID_LEN + 1];
	struct store_lane lane;
	size_t len;

	pthread_mutex_lock(&o->lock);
	len = o->hints_len;
	memcpy(hints, o->hints, sizeof(hints));
	o->hints_len = 0;
	pthread_mutex_unlock(&o->lock);
	for (size_t i = 0; i < len; i++) {
		const enum store_error err = store_outbox_lane(tenants_store(o->tenants), hints[i], &lane);

		if (err == STORE_OK && lane.due_at > 0)
			lane_add(o, &lane, ahead);
		else if (err != STORE_OK && err != STORE_NOT_FOUND) {
			outbound_wake(o, hints[i]);
			s->blocked_until = inside_now() + BLOCKED_MS;
		}
	}
}

struct page {
	struct scheduler *s;
	int64_t ahead;
	unsigned len;
};

static bool scan_one(const struct store_lane *lane, void *arg)
{
	struct page *p = arg;

	lane_add(p->s->o, lane, p->ahead);
	memcpy(p->s->scan_after, lane->connection_id, sizeof(p->s->scan_after));
	p->len++;
	return true;
}

/* A page of all connections that have something waiting: at the start, when much was changed, and now and then. */
static void scan_some(struct scheduler *s, int64_t ahead)
{
	struct page p = {s, ahead, 0};
	enum store_error err;

	pthread_mutex_lock(&s->o->lock);
	if (s->o->scan || (!s->scanning && inside_now() >= s->scan_at)) {
		s->o->scan = false;
		s->scanning = true;
		s->scan_after[0] = '\0';
	}
	pthread_mutex_unlock(&s->o->lock);
	if (!s->scanning)
		return;
	err = store_outbox_lanes(tenants_store(s->o->tenants), s->scan_after, SCAN_PAGE, scan_one, &p);
	s->scanning = err == STORE_OK && p.len == SCAN_PAGE;
	s->scan_at = inside_now() + (err == STORE_OK ? SCAN_EVERY_MS : BLOCKED_MS);
}

/* ------------------------------------------------------------ choosing and leasing */

static bool is_chosen(const struct chosen *c, const char *connection_id)
{
	for (size_t i = 0; i < c->len; i++)
		if (strcmp(c->connections[i], connection_id) == 0)
			return true;
	return false;
}

/* What was chosen of it in this batch is not leased yet, and would be shown again: it goes on with the next batch. */
static void put_aside(struct scheduler *s, const struct lanes_turn *turn)
{
	struct store_lease out[LANES_TURN_MAX];
	size_t out_len;

	lanes_choose(s->o->lanes, turn, NULL, 0, INT64_MAX, inside_now(), out, &out_len);
	memcpy(s->chosen.again[s->chosen.again_len++], turn->connection_id, sizeof(s->chosen.again[0]));
}

/* One turn's, chosen. False: there is none, or the store does not say. */
static bool choose(struct scheduler *s, int64_t ahead)
{
	struct outbound *o = s->o;
	struct chosen *c = &s->chosen;
	struct store_due due[LANES_TURN_MAX];
	struct store_lease out[LANES_TURN_MAX];
	struct lanes_turn turn;
	size_t len, out_len;
	int64_t next_at;
	enum store_error err;
	bool is;

	pthread_mutex_lock(&o->lock);
	is = lanes_turn(o->lanes, inside_now(), &turn);
	pthread_mutex_unlock(&o->lock);
	if (!is)
		return false;
	if (is_chosen(c, turn.connection_id)) {
		pthread_mutex_lock(&o->lock);
		put_aside(s, &turn);
		pthread_mutex_unlock(&o->lock);
		return c->again_len < STORE_LEASES_MAX;
	}
	len = turn.room;
	err = store_outbox_due(tenants_store(o->tenants), turn.connection_id, store_now_ms(), due, &len, &next_at);
	if (err != STORE_OK) {
		log_warn("the outbox cannot be read: %s", store_error_text(err));
		s->blocked_until = inside_now() + BLOCKED_MS;
		len = 0;
		next_at = store_now_ms() + BLOCKED_MS;
	}
	pthread_mutex_lock(&o->lock);
	lanes_choose(o->lanes, &turn, due, len, lane_time(next_at, ahead), inside_now(), out, &out_len);
	pthread_mutex_unlock(&o->lock);
	/* A turn's come in the order of due, some left out. */
	for (size_t i = 0, j = 0; i < out_len; i++, j++) {
		while (due[j].seq != out[i].seq)
			j++;
		if (out[i].put_off_to > 0)
			out[i].put_off_to += ahead;
		c->leases[c->len] = out[i];
		memcpy(c->connections[c->len], turn.connection_id, sizeof(c->connections[c->len]));
		memcpy(c->conversations[c->len], due[j].conversation, sizeof(c->conversations[c->len]));
		c->len++;
	}
	return err == STORE_OK;
}

/* What was chosen and not leased frees its place: it was done with meanwhile, or may not be sent any more. */
static void free_missed(struct scheduler *s, bool committed)
{
	const struct chosen *c = &s->chosen;

	pthread_mutex_lock(&s->o->lock);
	for (size_t i = 0; i < c->len; i++) {
		const struct lanes_end nothing = {.came = LANES_NOTHING, .conversation = c->conversations[i]};

		if (c->leases[i].put_off_to == 0 && !(committed && c->leases[i].leased))
			lanes_ended(s->o->lanes, c->connections[i], &nothing, inside_now());
	}
	pthread_mutex_unlock(&s->o->lock);
}

/* Leases and hands out what was chosen. */
static void lease(struct scheduler *s)
{
	const enum store_error err = store_outbox_lease(
		tenants_store(s->o->tenants), store_now_ms(), s->chosen.leases, s->chosen.len, batch_add, &s->batch);

	if (err != STORE_OK) {
		if (err != STORE_BUSY)
			log_warn("the outbox cannot be leased from: %s", store_error_text(err));
		s->blocked_until = inside_now() + BLOCKED_MS;
	}
	free_missed(s, err == STORE_OK);
	pthread_mutex_lock(&s->o->lock);
	for (size_t i = 0; i < s->chosen.again_len; i++)
		(void)lanes_look(s->o->lanes, s->chosen.again[i]);
	pthread_mutex_unlock(&s->o->lock);
	for (size_t i = 0; i < s->batch.len; i++)
		send_one(s->o, &s->batch.messages[i]);
	batch_clear(&s->batch);
	s->chosen.len = s->chosen.again_len = 0;
}

static void work(struct scheduler *s)
{
	const int64_t ahead = clock_ahead();

	take_hints(s, ahead);
	scan_some(s, ahead);
	while (s->chosen.len + LANES_TURN_MAX <= STORE_LEASES_MAX && choose(s, ahead))
		;
	if (s->chosen.len > 0)
		lease(s);
}

/* When there is something to do, on the lanes' clock. Under the lock. */
static int64_t next_work(const struct scheduler *s)
{
	const struct outbound *o = s->o;
	int64_t at = lanes_next(o->lanes);

	if (o->scan || s->scanning || o->hints_len > 0)
		at = 0;
	if (s->scan_at < at)
		at = s->scan_at;
	return s->blocked_until > at ? s->blocked_until : at;
}

void *inside_schedule(void *arg)
{
	struct outbound *o = arg;
	struct scheduler *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		inside_gone(o, "memory is short");
		return NULL;
	}
	s->o = o;
	pthread_mutex_lock(&o->lock);
	while (!o->closing && !o->dead) {
		const int64_t now = inside_now(), at = next_work(s);

		if (at <= now) {
			o->leasing = true;
			pthread_mutex_unlock(&o->lock);
			work(s);
			pthread_mutex_lock(&o->lock);
			o->leasing = false;
			pthread_cond_broadcast(&o->changed);
		} else {
			const struct timespec until = inside_after(at - now < IDLE_MAX_MS ? at - now : IDLE_MAX_MS);

			(void)pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, &until);
		}
	}
	pthread_mutex_unlock(&o->lock);
	free(s);
	return NULL;
}
