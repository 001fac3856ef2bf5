/*
 * The scheduler: leases what is due, durably, before a byte of it leaves; prepares it and hands it
 * to the sender. One thread. Started by outbound.c.
 */
#include "gateway/outbound/inside.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/outbound/plan.h"
#include "gateway/outbound/prepare.h"

#define BLOCKED_MS 1000 /* when something is due but nothing could be leased */
#define IDLE_MAX_MS 3600000

struct batch {
	struct store_message *messages;
	size_t len, room;
};

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->len; i++)
		free((void *)(uintptr_t)b->messages[i].content);
	free(b->messages);
}

/* Copies: what needs the store again happens after the lease. */
static bool batch_add(const struct store_message *m, void *arg)
{
	struct batch *b = arg;
	struct store_message *copy;
	uint8_t *content;

	if (b->len == b->room)
		return false;
	copy = &b->messages[b->len];
	content = m->content_len > 0 ? malloc(m->content_len) : NULL;
	if (content != NULL)
		memcpy(content, m->content, m->content_len);
	*copy = *m;
	copy->content = content; /* NULL where memory is short: tried again later */
	copy->wamid = NULL;
	b->len++;
	return b->len < b->room;
}

static void sending_from(struct sending *s, const struct store_message *m)
{
	*s = (struct sending){.attempt = m->attempts, .created_at = m->created_at};
	memcpy(s->business_id, m->business_id, sizeof(s->business_id));
	memcpy(s->connection_id, m->connection_id, sizeof(s->connection_id));
	memcpy(s->message_id, m->id, sizeof(s->message_id));
}

/* An attempt that ended before the sender heard of it, as a result. */
static void settle_here(struct outbound *o, const struct sending *s, enum outbound_class class, const char *reason)
{
	struct outbound_result r = {.class = class};

	memccpy(r.reason, reason, '\0', sizeof(r.reason) - 1);
	settle_send(o->tenants, s, &r, &o->stop);
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
	if (store_now_ms() - m->created_at >= PLAN_EXPIRY_MS) {
		settle_here(o, &s, OUTBOUND_WINDOW, "expired: not sent within 24 hours");
		return;
	}
	if (m->content != NULL || m->content_len == 0)
		err = prepare_send(o->tenants, m, &p);
	if (err != PREPARE_OK) {
		settle_unprepared(o, &s, err);
		goto out;
	}
	s.kind = p.job.kind;
	s.credential_version = p.credentials[0].version;
	s.credential_unproven = p.credentials[0].proven_at == 0;
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

/* Leases and hands out at most room. Returns how many. */
static size_t lease(struct outbound *o, unsigned room)
{
	struct batch b = {.messages = calloc(room, sizeof(*b.messages)), .room = room};
	enum store_error err;

	if (b.messages == NULL)
		return 0;
	err = store_outbox_lease(tenants_store(o->tenants), store_now_ms(), room, o->per_connection, batch_add, &b);
	if (err != STORE_OK && err != STORE_BUSY)
		log_warn("the outbox cannot be read: %s", store_error_text(err));
	for (size_t i = 0; i < b.len; i++)
		send_one(o, &b.messages[i]);
	room = (unsigned)b.len;
	batch_clear(&b);
	return room;
}

/* How long until it is worth looking again. */
static int64_t until_due(struct outbound *o, size_t leased)
{
	const int64_t now = store_now_ms();
	int64_t due;

	if (store_outbox_next_due(tenants_store(o->tenants), &due) != STORE_OK)
		return BLOCKED_MS;
	if (due <= now)
		return leased > 0 ? 0 : BLOCKED_MS;
	return due - now < IDLE_MAX_MS ? due - now : IDLE_MAX_MS;
}

void *inside_schedule(void *arg)
{
	struct outbound *o = arg;
	struct timespec at = inside_after(0);
	bool due = true;

	pthread_mutex_lock(&o->lock);
	while (!o->closing && !o->dead) {
		const unsigned room = o->in_flight_max - o->sends;

		if (room > 0 && (due || o->woken)) {
			size_t leased;

			o->woken = false;
			o->leasing = true;
			pthread_mutex_unlock(&o->lock);
			leased = lease(o, room);
			at = inside_after(until_due(o, leased));
			pthread_mutex_lock(&o->lock);
			o->leasing = false;
			pthread_cond_broadcast(&o->changed);
			due = false;
		} else {
			due = pthread_cond_timedwait(&o->changed, &o->lock, &at) == ETIMEDOUT;
			if (due && room == 0)
				at = inside_after(BLOCKED_MS);
		}
	}
	pthread_mutex_unlock(&o->lock);
	return NULL;
}
