/*
 * Tickets and the socket towards the sender. Called by the files of the listener's half.
 */
#include "gateway/outbound/inside.h"

#include <sys/socket.h>

#include "gateway/log.h"

#define SLOT_BITS 16u

/* ------------------------------------------------------------ time and the end */

int64_t inside_now(void)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	return (int64_t)at.tv_sec * 1000 + at.tv_nsec / 1000000;
}

struct timespec inside_after(int64_t ms)
{
	struct timespec at;

	(void)clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)(ms / 1000);
	at.tv_nsec += (long)(ms % 1000) * 1000000L;
	if (at.tv_nsec >= 1000000000L) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000L;
	}
	return at;
}

void inside_gone(struct outbound *o, const char *why)
{
	bool tell;

	pthread_mutex_lock(&o->lock);
	tell = !o->dead && !o->closing;
	o->dead = true;
	pthread_cond_broadcast(&o->changed);
	passes_wake(o);
	pthread_mutex_unlock(&o->lock);
	(void)shutdown(o->fd, SHUT_RDWR);
	if (!tell)
		return;
	log_error("the sender is gone: %s", why);
	if (o->gone != NULL)
		o->gone(o->ctx);
}

bool inside_frame_out(struct outbound *o, const struct frame *f)
{
	enum frame_error err;

	pthread_mutex_lock(&o->write_lock);
	err = frame_send(o->fd, f);
	pthread_mutex_unlock(&o->write_lock);
	if (err != FRAME_OK && err != FRAME_NO_MEMORY)
		inside_gone(o, "its socket is closed");
	return err == FRAME_OK;
}

/* ------------------------------------------------------------ tickets */

unsigned ticket_count(const struct outbound *o)
{
	return o->in_flight_max + CHECKS_MAX + o->asks_max + OUTBOUND_PASSES_MAX + OUTBOUND_STREAMS_MAX;
}

/* How many a use has; confirmations share the checks'. */
static unsigned ticket_room(const struct outbound *o, enum ticket_use use)
{
	switch (use) {
	case TICKET_SEND:
		return o->in_flight_max;
	case TICKET_CHECK:
	case TICKET_CONFIRM:
		return CHECKS_MAX;
	case TICKET_ASK:
		return o->asks_max;
	case TICKET_PASS:
		return OUTBOUND_PASSES_MAX;
	case TICKET_STREAM:
		return OUTBOUND_STREAMS_MAX;
	case TICKET_FREE:
		break;
	}
	return 0;
}

/* Each use has a region of its own, so that none takes another's room. */
struct ticket *ticket_take(struct outbound *o, enum ticket_use use)
{
	static const enum ticket_use order[] = {TICKET_SEND, TICKET_CHECK, TICKET_ASK, TICKET_PASS, TICKET_STREAM};
	const enum ticket_use wanted = use == TICKET_CONFIRM ? TICKET_CHECK : use;
	unsigned first = 0;

	for (size_t i = 0; order[i] != wanted; i++)
		first += ticket_room(o, order[i]);
	for (unsigned i = first; i < first + ticket_room(o, use); i++) {
		struct ticket *k = &o->tickets[i];

		if (k->use != TICKET_FREE)
			continue;
		*k = (struct ticket){.use = use, .number = ++o->generation << SLOT_BITS | i};
		if (use == TICKET_SEND)
			o->sends++;
		return k;
	}
	return NULL;
}

void ticket_release(struct outbound *o, struct ticket *k)
{
	if (k->use == TICKET_SEND)
		o->sends--;
	k->use = TICKET_FREE;
	k->waiter = NULL;
	k->asker = (struct asker){0};
	k->passing = NULL;
	pthread_cond_broadcast(&o->changed);
}

void inside_send_ended(struct outbound *o, const struct sending *s, const struct settled *settled)
{
	const int64_t now = inside_now();
	const struct lanes_end end = {.came = settled->came,
		.scope = settled->scope,
		.wait_until = settled->wait_ms > 0 ? now + settled->wait_ms : 0,
		.conversation = s->conversation};

	lanes_ended(o->lanes, s->connection_id, &end, now);
	pthread_cond_broadcast(&o->changed);
}

void ticket_end(struct outbound *o, struct ticket *k, const struct settled *settled)
{
	inside_send_ended(o, &k->sending, settled);
	ticket_release(o, k);
}

struct ticket *ticket_find(struct outbound *o, uint64_t number)
{
	const uint64_t slot = number & ((1u << SLOT_BITS) - 1);
	struct ticket *k = slot < ticket_count(o) ? &o->tickets[slot] : NULL;

	return k != NULL && k->use != TICKET_FREE && !k->answered && k->number == number ? k : NULL;
}

bool inside_job_out(struct outbound *o, const struct job *j)
{
	struct frame f = FRAME_INIT(JOB_JOB);
	bool sent;

	job_encode(&f, j);
	sent = inside_frame_out(o, &f);
	frame_clear(&f);
	return sent;
}
