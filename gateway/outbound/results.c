/*
 * Results: a few readers take turns at the sender's socket and settle what came back, many with one
 * commit; a key that was refused is asked about. Trusts the sender's frames only as
 * far as they decode; a malformed one ends the role. Started by outbound.c.
 */
#include "gateway/outbound/inside.h"

#include <poll.h>
#include <string.h>

#include "gateway/outbound/prepare.h"

#define CODE_BAD_TOKEN 190 /* facts/meta.md section 3 */
#define CODE_NO_SUCH_PATH 2500 /* also: no token came. A version that Meta does not have is read as part of the path */

/* ------------------------------------------------------------ a refused key */

/* Its ticket, where the provider is to be asked now. Under o->lock. */
static struct ticket *confirm_take(struct outbound *o, const struct sending *s, bool of_the_key)
{
	struct ticket *k;

	if (o->closing || !lanes_ask(o->lanes, s->connection_id, of_the_key, inside_now()))
		return NULL;
	k = ticket_take(o, TICKET_CONFIRM);
	if (k == NULL) {
		lanes_answered(o->lanes, s->connection_id, false, inside_now());
		return NULL;
	}
	k->sending = *s;
	k->of_the_key = of_the_key;
	return k;
}

/* Under o->lock. */
static void confirm_end(struct outbound *o, struct ticket *k, bool fine)
{
	lanes_answered(o->lanes, k->sending.connection_id, fine, inside_now());
	ticket_release(o, k);
}

static void key_refused(struct outbound *o, const struct sending *s)
{
	if (settle_key_refused(o->tenants, s))
		outbound_changed(o, s->business_id);
}

/* Also a garbled header, or a permission that is missing, is told as if the token was dead (facts/meta.md 3): the provider is
 * asked about the token itself, where the app secret is held. Else its word is taken, where it is 190. The answer comes as a
 * ticket of its own. */
static void confirm_begin(struct outbound *o, const struct sending *s, int32_t code)
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
		if (code == CODE_BAD_TOKEN || err == PREPARE_OK)
			key_refused(o, s);
		goto out;
	}
	if (err != PREPARE_OK)
		goto out;
	pthread_mutex_lock(&o->lock);
	k = confirm_take(o, s, code == CODE_BAD_TOKEN);
	if (k != NULL)
		p.job.ticket = k->number;
	pthread_mutex_unlock(&o->lock);
	if (k == NULL || (prepared_note(o->tenants, &p) && inside_job_out(o, &p.job)))
		goto out;
	pthread_mutex_lock(&o->lock);
	confirm_end(o, k, false);
	pthread_mutex_unlock(&o->lock);
out:
	prepared_clear(&p);
}

/* ------------------------------------------------------------ results */

/* A result whose ticket is answered: only the thread that read it touches both now. */
struct came {
	struct ticket *ticket;
	struct outbound_result result;
};

/* What one reader took from the socket at once. */
struct batch {
	struct came sends[SETTLING_MAX];
	size_t sends_len;
	struct came other; /* ticket NULL: there was none */
};

/* Whoever waits for a send hears of it before that is written: what is lost with the process in between is unknown at
 * the next start, and told by a status. What is still to be written stays here. */
static void waiter_tell_early(struct outbound *o, struct ticket *k, struct outbound_result *r)
{
	pthread_mutex_lock(&o->lock);
	if (k->waiter != NULL) {
		*k->waiter->result = *r;
		k->waiter->result->fields = NULL;
		r->verbatim = NULL; /* transferred, as the headers */
		memset(r->headers, 0, sizeof(r->headers));
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

static void sends_work(struct outbound *o, struct batch *b)
{
	struct settling all[SETTLING_MAX];
	struct sending sendings[SETTLING_MAX];

	for (size_t i = 0; i < b->sends_len; i++) {
		sendings[i] = b->sends[i].ticket->sending;
		all[i] = (struct settling){.sending = &sendings[i], .result = &b->sends[i].result};
	}
	settle_sends(o->tenants, all, b->sends_len, &o->stop);
	pthread_mutex_lock(&o->lock);
	for (size_t i = 0; i < b->sends_len; i++)
		ticket_end(o, b->sends[i].ticket, &all[i].settled);
	pthread_mutex_unlock(&o->lock);
	for (size_t i = 0; i < b->sends_len; i++) {
		if (b->sends[i].result.class == OUTBOUND_AUTH)
			confirm_begin(o, &sendings[i], b->sends[i].result.code);
		outbound_result_clear(&b->sends[i].result);
	}
	b->sends_len = 0;
}

static void check_answered(struct outbound *o, struct ticket *k, struct outbound_result *r)
{
	const struct sending s = k->sending;
	const bool fine = settle_token_works(r);

	if (k->use == TICKET_CONFIRM && settle_token_is_dead(r, k->of_the_key))
		key_refused(o, &s);
	pthread_mutex_lock(&o->lock);
	if (k->waiter != NULL) {
		*k->waiter->result = *r;
		*r = (struct outbound_result){0}; /* transferred */
		k->waiter->done = true;
	}
	if (k->use == TICKET_CONFIRM)
		confirm_end(o, k, fine);
	else
		ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
}

static void other_work(struct outbound *o, struct came *c)
{
	if (c->ticket->use == TICKET_ASK)
		ask_answered(o, c->ticket, &c->result);
	else
		check_answered(o, c->ticket, &c->result);
	outbound_result_clear(&c->result);
	c->ticket = NULL;
}

static bool result_read(struct outbound *o, struct frame *f, struct batch *b)
{
	struct came c = {.ticket = NULL};
	uint64_t number;

	if (!job_result_decode(f, &number, &c.result))
		return false;
	pthread_mutex_lock(&o->lock);
	c.ticket = ticket_find(o, number);
	if (c.ticket != NULL)
		c.ticket->answered = true;
	if (c.result.clock_told) {
		o->clock_ahead_s = c.result.clock_ahead_s;
		o->clock_at = store_now_ms();
	}
	pthread_mutex_unlock(&o->lock);
	if (c.ticket == NULL) {
		outbound_result_clear(&c.result);
		return false;
	}
	if (c.ticket->use == TICKET_SEND) {
		c.result.class = class_for(&c.ticket->sending, &c.result);
		waiter_tell_early(o, c.ticket, &c.result);
		b->sends[b->sends_len++] = c;
	} else if (c.ticket->use == TICKET_PASS || c.ticket->use == TICKET_STREAM) {
		pass_answered(o, c.ticket, &c.result);
		outbound_result_clear(&c.result);
	} else {
		b->other = c;
	}
	return true;
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

static bool frame_read(struct outbound *o, struct frame *f, struct batch *b)
{
	switch (f->type) {
	case JOB_HEAD:
	case JOB_PART:
	case JOB_TAKEN:
		return pass_frame(o, f);
	case JOB_RESULT:
		return result_read(o, f, b);
	default:
		return pong_read(o, f);
	}
}

static bool more_came(const struct outbound *o)
{
	struct pollfd p = {.fd = o->fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

/* Waits for something to work on, and takes with it what else is there of sends: how much that is, the last commit's length
 * decides. What takes long by itself comes alone. Under the read lock, so that all stay in order. */
static enum frame_error batch_read(struct outbound *o, struct frame *f, struct batch *b)
{
	enum frame_error err = o->read_ended ? FRAME_CLOSED : FRAME_OK;
	unsigned seen = 0;

	while (err == FRAME_OK && b->other.ticket == NULL &&
		(b->sends_len == 0 || (seen++ < SETTLING_MAX && b->sends_len < SETTLING_MAX && more_came(o)))) {
		err = frame_recv(o->fd, job_limits_listener, JOB_LIMITS, f);
		if (err == FRAME_OK && !frame_read(o, f, b))
			err = FRAME_MALFORMED;
		frame_reset(f, 0); /* an answer must not lie here until the next one comes */
	}
	o->read_ended = err != FRAME_OK;
	return err;
}

/* Readers take turns: one waits at the socket, the others work. */
void *inside_read(void *arg)
{
	struct outbound *o = arg;
	struct frame f = FRAME_INIT(0);
	struct batch b = {.sends_len = 0};
	enum frame_error err;

	do {
		pthread_mutex_lock(&o->read_lock);
		err = batch_read(o, &f, &b);
		pthread_mutex_unlock(&o->read_lock);
		if (b.other.ticket != NULL)
			other_work(o, &b.other);
		if (b.sends_len > 0)
			sends_work(o, &b);
	} while (err == FRAME_OK);
	inside_gone(o, err == FRAME_CLOSED ? "it closed" : "it sent something malformed");
	frame_clear(&f);
	return NULL;
}
