/*
 * Asking a platform's responder: one job each, and whoever asked is told of its end once, whatever
 * comes first: the answer, the asker's own end, the sender's. Called by reply.
 */
#include "gateway/outbound/inside.h"
#include "gateway/outbound/prepare.h"

static enum outbound_error from_prepare(enum prepare_error err)
{
	switch (err) {
	case PREPARE_OK:
		return OUTBOUND_OK;
	case PREPARE_INVALID:
	case PREPARE_NO_CREDENTIAL:
		return OUTBOUND_INVALID;
	case PREPARE_UNREADABLE:
	case PREPARE_LATER:
		return OUTBOUND_STORE;
	}
	return OUTBOUND_STORE;
}

/* Takes the asker out of a ticket, under o->lock: whoever gets him tells him. */
static struct asker asker_take(struct ticket *k)
{
	const struct asker a = k->asker;

	k->asker = (struct asker){0};
	return a;
}

static void asker_tell(struct outbound *o, const struct asker *a, const struct outbound_result *r)
{
	if (a->done == NULL)
		return;
	a->done(a->arg, r);
	pthread_mutex_lock(&o->lock);
	o->untold--;
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
}

static enum outbound_error ask_send(struct outbound *o, struct job *j, const struct asker *a)
{
	enum outbound_error err = OUTBOUND_OK;
	struct ticket *k = NULL;
	struct asker mine;
	bool sent;

	pthread_mutex_lock(&o->lock);
	if (o->asks_ended || o->closing || o->dead)
		err = OUTBOUND_GONE;
	else if ((k = ticket_take(o, TICKET_ASK)) == NULL)
		err = OUTBOUND_BUSY;
	if (k != NULL) {
		k->asker = *a;
		o->untold++;
		j->ticket = k->number;
	}
	pthread_mutex_unlock(&o->lock);
	if (err != OUTBOUND_OK)
		return err;
	sent = inside_job_out(o, j);
	if (sent)
		return OUTBOUND_OK;
	/* Nobody will answer. The asker hears it from here, unless outbound_asks_end told him already. */
	pthread_mutex_lock(&o->lock);
	mine = asker_take(k);
	if (mine.done != NULL)
		o->untold--;
	err = o->dead ? OUTBOUND_GONE : OUTBOUND_NO_MEMORY;
	ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
	return mine.done != NULL ? err : OUTBOUND_OK;
}

enum outbound_error outbound_ask(struct outbound *o, const struct outbound_ask *ask,
	void (*done)(void *arg, const struct outbound_result *r), void *arg)
{
	const struct asker a = {done, arg};
	struct prepared p = {0};
	enum outbound_error err;

	err = from_prepare(prepare_ask(o->tenants, ask, &p));
	if (err == OUTBOUND_OK)
		err = ask_send(o, &p.job, &a);
	prepared_clear(&p);
	return err;
}

/* The ticket is free before the asker hears of it: when he comes again at once, there is room. */
void ask_answered(struct outbound *o, struct ticket *k, const struct outbound_result *r)
{
	struct asker a;

	pthread_mutex_lock(&o->lock);
	a = asker_take(k);
	ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
	asker_tell(o, &a, r);
}

void outbound_asks_end(struct outbound *o)
{
	const struct outbound_result cancelled = {
		.class = OUTBOUND_NOT_SENT, .reason = "stopped before the responder answered"};

	pthread_mutex_lock(&o->lock);
	o->asks_ended = true;
	for (unsigned i = o->in_flight_max + CHECKS_MAX; i < ticket_count(o); i++) {
		struct asker a;

		if (o->tickets[i].use != TICKET_ASK || o->tickets[i].answered)
			continue;
		/* The ticket stays taken: its answer may still come, and is nobody's then. */
		a = asker_take(&o->tickets[i]);
		pthread_mutex_unlock(&o->lock);
		asker_tell(o, &a, &cancelled);
		pthread_mutex_lock(&o->lock);
	}
	while (o->untold > 0)
		(void)pthread_cond_wait(&o->changed, &o->lock);
	pthread_mutex_unlock(&o->lock);
}
