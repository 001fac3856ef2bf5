/*
 * Results: a few readers take turns at the sender's socket and settle what came back, so that one
 * commit's wait is shared; a key that was refused is asked about. Trusts the sender's frames only as
 * far as they decode; a malformed one ends the role. Started by outbound.c.
 */
#include "gateway/outbound/inside.h"

#include <string.h>

#include "gateway/outbound/prepare.h"

#define CODE_BAD_TOKEN 190 /* facts/meta.md section 3 */
#define CODE_NO_SUCH_PATH 2500 /* also: no token came. A version that Meta does not have is read as part of the path */

/* ------------------------------------------------------------ a refused key */

static bool confirming(const struct outbound *o, const struct sending *s)
{
	for (unsigned i = o->in_flight_max; i < o->in_flight_max + CHECKS_MAX; i++)
		if (o->tickets[i].use == TICKET_CONFIRM &&
			strcmp(o->tickets[i].sending.connection_id, s->connection_id) == 0)
			return true;
	return false;
}

static void key_refused(struct outbound *o, const struct sending *s)
{
	if (settle_key_refused(o->tenants, s))
		outbound_changed(o, s->business_id);
}

/* Code 190 may also mean a garbled header: the provider is asked about the token itself, where the
 * app secret is held; else its word is taken. The answer comes as a ticket of its own. */
static void confirm_begin(struct outbound *o, const struct sending *s)
{
	struct prepared p = {0};
	struct ticket *k = NULL;
	enum prepare_error err;

	/* 360dialog says 401 for nothing else (facts/360dialog.md 4), and offers nobody to ask. */
	if (kind_is_d360(s->kind)) {
		key_refused(o, s);
		return;
	}
	err = prepare_confirm(o->tenants, s->business_id, s->connection_id, &p);
	/* Nobody to ask, or a key that is not used any more. */
	if (err == PREPARE_NO_CREDENTIAL || (err == PREPARE_OK && p.credentials[0].version != s->credential_version)) {
		key_refused(o, s);
		goto out;
	}
	if (err != PREPARE_OK)
		goto out;
	pthread_mutex_lock(&o->lock);
	if (!confirming(o, s) && !o->closing)
		k = ticket_take(o, TICKET_CONFIRM);
	if (k != NULL) {
		k->sending = *s;
		p.job.ticket = k->number;
	}
	pthread_mutex_unlock(&o->lock);
	if (k == NULL || (prepared_note(o->tenants, &p) && inside_job_out(o, &p.job)))
		goto out;
	pthread_mutex_lock(&o->lock);
	ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
out:
	prepared_clear(&p);
}

/* ------------------------------------------------------------ results */

/* Whoever waits for a send hears of it before that is written: what is lost with the process in between is unknown at
 * the next start, and told by a status. What is still to be written stays here. */
static void waiter_tell_early(struct outbound *o, struct ticket *k, struct outbound_result *r)
{
	pthread_mutex_lock(&o->lock);
	if (k->waiter != NULL) {
		*k->waiter->result = *r;
		k->waiter->result->fields = NULL;
		r->verbatim = NULL; /* transferred */
		k->waiter->done = true;
		k->waiter = NULL;
		pthread_cond_broadcast(&o->changed);
	}
	pthread_mutex_unlock(&o->lock);
}

/* A version that the provider does not have is the fault of the client who named it: neither the shop's key nor its number
 * is to be blamed, and nobody else has to wait. */
static enum outbound_class class_for(const struct sending *s, const struct outbound_result *r)
{
	return r->class == OUTBOUND_AUTH && r->code == CODE_NO_SUCH_PATH && s->version_is_clients ? OUTBOUND_MESSAGE
												  : r->class;
}

/* The ticket is answered: only this thread touches it now. */
static void result_work(struct outbound *o, struct ticket *k, struct outbound_result *r)
{
	const struct sending s = k->sending;
	const enum ticket_use use = k->use;
	const enum outbound_class class = use == TICKET_SEND ? class_for(&s, r) : r->class;
	const int32_t code = r->code;
	struct settled settled = {.came = LANES_NOTHING};

	if (use == TICKET_PASS || use == TICKET_STREAM) {
		pass_answered(o, k, r);
		return;
	}
	if (use == TICKET_ASK) {
		ask_answered(o, k, r);
		return;
	}
	r->class = class;
	if (use == TICKET_SEND) {
		waiter_tell_early(o, k, r);
		settled = settle_send(o->tenants, &s, r, &o->stop);
	} else if (use == TICKET_CONFIRM && settle_token_is_dead(r))
		key_refused(o, &s);
	pthread_mutex_lock(&o->lock);
	if (k->waiter != NULL) {
		*k->waiter->result = *r;
		*r = (struct outbound_result){0}; /* transferred */
		k->waiter->done = true;
	}
	if (use == TICKET_SEND)
		ticket_end(o, k, &settled);
	else
		ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
	if (use == TICKET_SEND && class == OUTBOUND_AUTH && (kind_is_d360(s.kind) || code == CODE_BAD_TOKEN))
		confirm_begin(o, &s);
}

static bool result_read(struct outbound *o, struct frame *f)
{
	struct outbound_result r;
	struct ticket *k;
	uint64_t number;

	if (!job_result_decode(f, &number, &r))
		return false;
	pthread_mutex_lock(&o->lock);
	k = ticket_find(o, number);
	if (k != NULL)
		k->answered = true;
	if (r.clock_told) {
		o->clock_ahead_s = r.clock_ahead_s;
		o->clock_at = store_now_ms();
	}
	pthread_mutex_unlock(&o->lock);
	if (k != NULL)
		result_work(o, k, &r);
	outbound_result_clear(&r);
	return k != NULL;
}

static bool pong_read(struct outbound *o, struct frame *f)
{
	uint64_t number;

	if (!job_number_decode(f, &number))
		return false;
	pthread_mutex_lock(&o->lock);
	if (number > o->pongs && number <= o->pings)
		o->pongs = number;
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
	return true;
}

/* Whose order matters, and which are quickly done with. */
static bool is_in_order(const struct frame *f)
{
	return f->type == JOB_HEAD || f->type == JOB_PART || f->type == JOB_TAKEN;
}

/* Readers take turns: one waits at the socket, the others work. */
void *inside_read(void *arg)
{
	struct outbound *o = arg;
	struct frame f = FRAME_INIT(0);

	for (;;) {
		enum frame_error err = FRAME_CLOSED;
		bool done = false;

		pthread_mutex_lock(&o->read_lock);
		if (!o->read_ended) {
			err = frame_recv(o->fd, job_limits_listener, JOB_LIMITS, &f);
			done = err == FRAME_OK && is_in_order(&f);
			if (done && !pass_frame(o, &f))
				err = FRAME_MALFORMED;
			o->read_ended = err != FRAME_OK;
		}
		pthread_mutex_unlock(&o->read_lock);
		if (err != FRAME_OK) {
			inside_gone(o, err == FRAME_CLOSED ? "it closed" : "it sent something malformed");
			break;
		}
		if (!done && !(f.type == JOB_RESULT ? result_read(o, &f) : pong_read(o, &f))) {
			inside_gone(o, "it sent something malformed");
			break;
		}
		frame_reset(&f, 0); /* an answer must not lie here until the next one comes */
	}
	frame_clear(&f);
	return NULL;
}
