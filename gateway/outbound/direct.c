/*
 * Sends for which somebody waits. They are noted as leased ones are, count among those that are on their way, and keep
 * the same limits; but they have their turn at once, and whoever waits hears what came of them. Called by api.
 */
#include "gateway/outbound/inside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/outbound/prepare.h"

#define PATIENCE_MS 2000 /* for a limit that ends by itself */

static enum outbound_go from_lanes(enum lanes_go go)
{
	switch (go) {
	case LANES_GO:
		return OUTBOUND_WENT;
	case LANES_FULL:
	case LANES_WAIT_NUMBER:
		return OUTBOUND_NOT_NOW;
	case LANES_WAIT_PAIR:
		return OUTBOUND_PAIR_LIMIT;
	case LANES_WAIT_BREAKER:
		return OUTBOUND_NO_ANSWER;
	case LANES_WAIT_KEY:
	case LANES_WAIT_ASKED:
		return OUTBOUND_REFUSED;
	case LANES_NO_MEMORY:
		break;
	}
	return OUTBOUND_FAULT;
}

/* Its place among those that are on their way; waits a little for the number's limit. OUTBOUND_WENT: it has one. */
static enum outbound_go place_take(
	struct outbound *o, const struct store_lane *lane, const uint8_t *conversation, int64_t *retry_after_ms)
{
	const int64_t patient_until = inside_now() + PATIENCE_MS;
	enum outbound_go go = OUTBOUND_FAULT;
	int64_t now, until = 0;

	pthread_mutex_lock(&o->lock);
	while (!o->dead && !o->closing) {
		enum lanes_go lanes;
		struct timespec at;
		bool told; /* when it may be otherwise */

		now = inside_now();
		lanes = lanes_go(o->lanes, lane, conversation, now, &until);
		go = from_lanes(lanes);
		told = lanes == LANES_FULL || lanes == LANES_WAIT_ASKED;
		if (lanes == LANES_FULL)
			until = now + 1000;
		*retry_after_ms = until - now;
		if ((go != OUTBOUND_NOT_NOW && go != OUTBOUND_NO_ANSWER && !told) || (!told && until > patient_until) ||
			now >= patient_until)
			break;
		/* Where it is full, until one ends; where the provider is asked, until it has answered. */
		at = inside_after(told ? patient_until - now : until - now);
		(void)pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, &at);
	}
	pthread_mutex_unlock(&o->lock);
	return go;
}

/* It was not sent after all, and nothing is noted. */
static void place_leave(struct outbound *o, const struct sending *s)
{
	const struct settled nothing = {.came = LANES_NOTHING};

	pthread_mutex_lock(&o->lock);
	inside_send_ended(o, s, &nothing);
	pthread_mutex_unlock(&o->lock);
}

static enum outbound_go from_prepare(enum prepare_error err)
{
	switch (err) {
	case PREPARE_OK:
		return OUTBOUND_WENT;
	case PREPARE_NO_CREDENTIAL:
		return OUTBOUND_NO_KEY;
	case PREPARE_INVALID:
	case PREPARE_UNREADABLE:
	case PREPARE_LATER:
		break;
	}
	return OUTBOUND_FAULT;
}

static enum outbound_go not_noted(const struct store_message *m, enum store_error err)
{
	if (err == STORE_STALE)
		return OUTBOUND_KEY_ENDED;
	if (err == STORE_TOO_MANY)
		return OUTBOUND_NO_BUDGET;
	if (err == STORE_NOT_FOUND) /* it was suspended, or removed, meanwhile */
		return OUTBOUND_NO_KEY;
	log_warn("a send could not be noted, and is not made business=%s: %s", m->business_id, store_error_text(err));
	return OUTBOUND_FAULT;
}

/* Hands it out and waits. */
static enum outbound_go job_run(struct outbound *o, struct job *j, const struct sending *s,
	const struct timespec *until, struct outbound_result *r)
{
	struct waiter w = {r, false};
	struct ticket *k;
	bool late = false, sent;

	pthread_mutex_lock(&o->lock);
	k = ticket_take(o, TICKET_SEND); /* there is one: it has its place */
	k->sending = *s;
	k->waiter = &w;
	j->ticket = k->number;
	pthread_mutex_unlock(&o->lock);
	sent = inside_job_out(o, j);
	pthread_mutex_lock(&o->lock);
	while (sent && !w.done && !late && !o->dead && !o->closing)
		late = pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, until) == ETIMEDOUT;
	/* Only if this ticket is still ours: its answer may come later, and nobody waits then. */
	if (!w.done)
		k->waiter = NULL;
	if (!w.done && !sent && !o->dead)
		ticket_release(o, k);
	else
		sent = true; /* with the sender gone, part of it may have gone out */
	pthread_mutex_unlock(&o->lock);
	if (!sent)
		settle_here(o, s, OUTBOUND_NOT_SENT, "memory was short");
	return w.done ? OUTBOUND_WENT : sent ? OUTBOUND_LATE : OUTBOUND_FAULT;
}

enum outbound_go outbound_send(struct outbound *o, struct outbound_direct *d, unsigned timeout_ms,
	struct outbound_result *r, int64_t *retry_after_ms)
{
	const struct timespec until = inside_after(timeout_ms);
	struct store_message *m = &d->message;
	struct prepared p = {0};
	struct store_lane lane;
	struct sending s;
	enum outbound_go go;
	enum store_error err;

	*retry_after_ms = 0;
	err = store_outbox_lane(tenants_store(o->tenants), m->connection_id, &lane);
	if (err != STORE_OK)
		return err == STORE_NOT_FOUND ? OUTBOUND_NO_KEY : OUTBOUND_FAULT;
	m->state = STORE_MESSAGE_SENDING;
	m->attempts = 1;
	go = from_prepare(prepare_send(o->tenants, m, &p));
	if (go == OUTBOUND_WENT)
		go = place_take(o, &lane, m->conversation, retry_after_ms);
	if (go != OUTBOUND_WENT)
		goto out;
	sending_from(&s, m);
	s.once = true;
	(void)snprintf(s.virtual_key_id, sizeof(s.virtual_key_id), "%s", d->virtual_key_id);
	s.spent_at = m->updated_at;
	p.job.verbatim = true;
	if (!kind_is_d360(p.job.kind))
		p.job.version = d->version;
	s.version_is_clients = p.job.version != NULL;
	sending_with(&s, &p);
	err = store_message_send(tenants_store(o->tenants), m, d->virtual_key_id, d->once_key);
	if (err != STORE_OK) {
		place_leave(o, &s);
		go = not_noted(m, err);
		goto out;
	}
	go = job_run(o, &p.job, &s, &until, r);
out:
	prepared_clear(&p);
	return go;
}
