/*
 * The listener's half of a call that is passed through: the caller's thread feeds the body and hands the answer on, a
 * reader brings what the sender says. Trusts the sender's frames only as far as they keep the conversation's order and
 * its windows. Called by whoever serves clients; pass_frame and pass_answered by results.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/outbound/inside.h"
#include "gateway/outbound/prepare.h"

/* Longer than the sender takes, which ends every call by itself. */
#define PLAIN_MS 45000
#define STREAM_MS 3900000

/* A piece of an answer, in the frame that brought it. */
struct part {
	struct part *next;
	struct frame frame;
	struct job_piece piece; /* borrows from it */
};

struct passing {
	struct outbound *o;
	const struct outbound_pass *call;
	struct outbound_result *result;
	bool uploads, streams;

	/* Under o->lock: */
	pthread_cond_t changed;
	struct ticket *ticket; /* NULL: not ours any more */
	struct frame head_frame;
	struct job_head head; /* borrows from it */
	bool head_came, done;
	struct part *first, **end;
	size_t untaken; /* of the answer */
	size_t on_its_way; /* of the body */

	/* Of the caller's thread: */
	uint64_t number;
	bool refused; /* the answer is one that makes the rest of the body needless */
	bool body_ended;
	uint64_t body_len;
	uint8_t *piece; /* JOB_PIECE_MAX bytes, where it uploads */
};

/* ------------------------------------------------------------ what the sender says */

static bool head_read(struct passing *p, struct frame *f, const struct job_head *h)
{
	if (p == NULL)
		return true;
	if (p->head_came)
		return false;
	p->head_came = true;
	p->head = *h;
	p->head_frame = *f;
	*f = (struct frame)FRAME_INIT(0); /* transferred */
	return true;
}

static bool part_read(struct passing *p, struct frame *f, const struct job_piece *piece)
{
	struct part *part;

	if (p == NULL)
		return true;
	if (!p->head_came || piece->len > JOB_WINDOW - p->untaken)
		return false;
	part = malloc(sizeof(*part));
	if (part == NULL)
		return false;
	*part = (struct part){.frame = *f, .piece = *piece};
	*f = (struct frame)FRAME_INIT(0); /* transferred */
	p->untaken += piece->len;
	*p->end = part;
	p->end = &part->next;
	return true;
}

static bool taken_read(struct passing *p, uint32_t len)
{
	if (p == NULL)
		return true;
	if (len > p->on_its_way)
		return false;
	p->on_its_way -= len;
	return true;
}

bool pass_frame(struct outbound *o, struct frame *f)
{
	struct job_head head = {0};
	struct job_piece piece = {0};
	uint64_t number = 0;
	uint32_t len = 0;
	struct ticket *k;
	bool ok;

	if (f->type == JOB_HEAD)
		ok = job_head_decode(f, &head);
	else if (f->type == JOB_PART)
		ok = job_piece_decode(f, &piece);
	else
		ok = job_taken_decode(f, &number, &len);
	if (!ok)
		return false;
	number = f->type == JOB_HEAD ? head.ticket : f->type == JOB_PART ? piece.ticket : number;
	pthread_mutex_lock(&o->lock);
	k = ticket_find(o, number);
	ok = k != NULL && (k->use == TICKET_PASS || k->use == TICKET_STREAM);
	if (ok) {
		struct passing *p = k->passing;

		ok = f->type == JOB_HEAD      ? head_read(p, f, &head)
			: f->type == JOB_PART ? part_read(p, f, &piece)
					      : taken_read(p, len);
		if (p != NULL)
			pthread_cond_signal(&p->changed);
	}
	pthread_mutex_unlock(&o->lock);
	return ok;
}

void pass_answered(struct outbound *o, struct ticket *k, struct outbound_result *r)
{
	struct passing *p;

	pthread_mutex_lock(&o->lock);
	p = k->passing;
	if (p != NULL) {
		*p->result = *r;
		*r = (struct outbound_result){0}; /* transferred */
		p->done = true;
		p->ticket = NULL;
		pthread_cond_signal(&p->changed);
	}
	ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
}

void passes_wake(struct outbound *o)
{
	for (unsigned i = 0; i < ticket_count(o); i++)
		if (o->tickets[i].use != TICKET_FREE && o->tickets[i].passing != NULL)
			pthread_cond_signal(&o->tickets[i].passing->changed);
}

/* ------------------------------------------------------------ what is to be done next */

enum step { STEP_HEAD, STEP_PART, STEP_DONE, STEP_GONE, STEP_READ, STEP_LATE };

static bool may_read(const struct passing *p)
{
	return p->uploads && !p->body_ended && !p->refused && p->on_its_way < JOB_WINDOW;
}

/* Waits for it, at most until then. *part: what STEP_PART hands on, the caller's. */
static enum step next_step(struct passing *p, bool head_told, const struct timespec *until, struct part **part)
{
	struct outbound *o = p->o;
	enum step step = STEP_LATE;
	bool late = false;

	pthread_mutex_lock(&o->lock);
	while (!late && !p->done && p->first == NULL && (head_told || !p->head_came) && !o->dead && !o->closing &&
		!o->checks_ended && !may_read(p))
		late = pthread_cond_clockwait(&p->changed, &o->lock, CLOCK_MONOTONIC, until) == ETIMEDOUT;
	if (!head_told && p->head_came)
		step = STEP_HEAD;
	else if (p->first != NULL) {
		step = STEP_PART;
		*part = p->first;
		p->first = p->first->next;
		if (p->first == NULL)
			p->end = &p->first;
		p->untaken -= (*part)->piece.len;
	} else if (p->done)
		step = STEP_DONE;
	else if (o->dead || o->closing || o->checks_ended)
		step = STEP_GONE;
	else if (may_read(p))
		step = STEP_READ;
	pthread_mutex_unlock(&o->lock);
	return step;
}

/* ------------------------------------------------------------ steps */

static bool hand_head(struct passing *p)
{
	const struct outbound_pass *c = p->call;
	struct outbound_header headers[OUTBOUND_HEADERS];
	size_t len = 0;

	for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
		if (p->head.values[i] != NULL)
			headers[len++] = (struct outbound_header){outbound_header_names[i], p->head.values[i]};
	p->refused = p->head.status >= 400;
	return c->head(c->arg, p->head.status, headers, len, p->head.len);
}

static void part_free(struct part *part)
{
	frame_clear(&part->frame);
	free(part);
}

/* False: nobody wants more. The sender hears of the room before the piece goes on: another may come meanwhile. */
static bool hand_part(struct passing *p, struct part *part)
{
	struct frame f = FRAME_INIT(JOB_TAKEN);
	bool wanted;

	job_taken_encode(&f, p->number, (uint32_t)part->piece.len);
	(void)inside_frame_out(p->o, &f); /* where it fails, the sender is gone, which the next step sees */
	frame_clear(&f);
	wanted = p->call->part(p->call->arg, part->piece.data, part->piece.len);
	part_free(part);
	return wanted;
}

/* A piece of the body; false: it broke off, or is not as long as it was said to be. */
static bool feed(struct passing *p)
{
	const uint64_t len = p->call->upload_len, max = len == OUTBOUND_LEN_UNKNOWN ? OUTBOUND_UPLOAD_MAX : len;
	struct frame f = FRAME_INIT(JOB_BODY);
	struct job_piece piece = {.ticket = p->number, .data = p->piece};
	size_t room;
	ptrdiff_t n;

	pthread_mutex_lock(&p->o->lock);
	room = JOB_WINDOW - p->on_its_way;
	pthread_mutex_unlock(&p->o->lock);
	room = room < JOB_PIECE_MAX ? room : JOB_PIECE_MAX;
	n = p->call->read(p->call->arg, p->piece, room);
	if (n < 0 || (size_t)n > room || (uint64_t)n > max - p->body_len)
		return false;
	piece.len = (size_t)n;
	p->body_len += piece.len;
	piece.last = n == 0 || (len != OUTBOUND_LEN_UNKNOWN && p->body_len == len);
	if (piece.last && len != OUTBOUND_LEN_UNKNOWN && p->body_len != len)
		return false;
	p->body_ended = piece.last;
	pthread_mutex_lock(&p->o->lock);
	p->on_its_way += piece.len;
	pthread_mutex_unlock(&p->o->lock);
	job_piece_encode(&f, JOB_BODY, &piece);
	vault_wipe(p->piece, piece.len);
	(void)inside_frame_out(p->o, &f);
	frame_clear(&f);
	return true;
}

static enum outbound_passed how_it_ended(const struct outbound_result *r)
{
	if (r->class == OUTBOUND_NOT_SENT || r->class == OUTBOUND_NO_CREDENTIAL)
		return OUTBOUND_PASSED_NOT_SENT;
	return r->whole ? OUTBOUND_PASSED_WHOLE : OUTBOUND_PASSED_BROKEN;
}

static enum outbound_passed run(struct passing *p)
{
	const struct timespec until = inside_after(p->streams ? STREAM_MS : PLAIN_MS);
	bool head_told = false, wanted = true;

	while (wanted) {
		struct part *part = NULL;

		switch (next_step(p, head_told, &until, &part)) {
		case STEP_HEAD:
			wanted = hand_head(p);
			head_told = true;
			break;
		case STEP_PART:
			wanted = hand_part(p, part);
			break;
		case STEP_READ:
			wanted = feed(p);
			break;
		case STEP_DONE:
			return how_it_ended(p->result);
		case STEP_GONE:
			return OUTBOUND_PASSED_GONE;
		case STEP_LATE:
			(void)snprintf(
				p->result->reason, sizeof(p->result->reason), "the provider did not answer in time");
			return OUTBOUND_PASSED_BROKEN;
		}
	}
	return OUTBOUND_PASSED_STOPPED;
}

/* ------------------------------------------------------------ the whole of it */

static void passing_clear(struct passing *p)
{
	while (p->first != NULL) {
		struct part *part = p->first;

		p->first = part->next;
		part_free(part);
	}
	frame_clear(&p->head_frame);
	if (p->piece != NULL)
		vault_wipe(p->piece, JOB_PIECE_MAX);
	free(p->piece);
	(void)pthread_cond_destroy(&p->changed);
}

static void passing_init(struct passing *p)
{

	(void)pthread_cond_init(&p->changed, NULL);
	p->end = &p->first;
}

/* Under o->lock. */
static bool has_its_share(const struct outbound *o, const char *connection_id)
{
	unsigned n = 0;

	for (unsigned i = 0; i < ticket_count(o); i++)
		if ((o->tickets[i].use == TICKET_PASS || o->tickets[i].use == TICKET_STREAM) &&
			strcmp(o->tickets[i].sending.connection_id, connection_id) == 0)
			n++;
	return n >= OUTBOUND_PASSES_PER_CONNECTION;
}

static bool ticket_get(struct passing *p, struct job *j, enum outbound_passed *how)
{
	struct outbound *o = p->o;
	struct ticket *k = NULL;

	*how = OUTBOUND_PASSED_GONE;
	pthread_mutex_lock(&o->lock);
	if (!o->dead && !o->closing && !o->checks_ended) {
		*how = OUTBOUND_PASSED_BUSY;
		if (!has_its_share(o, p->call->connection_id))
			k = ticket_take(o, p->streams ? TICKET_STREAM : TICKET_PASS);
	}
	if (k != NULL) {
		(void)snprintf(
			k->sending.connection_id, sizeof(k->sending.connection_id), "%s", p->call->connection_id);
		k->passing = p;
		p->ticket = k;
		p->number = j->ticket = k->number;
	}
	pthread_mutex_unlock(&o->lock);
	return k != NULL;
}

/* Nobody waits any more. asked: the sender may have the job, and gives the ticket back with its result. */
static void ticket_leave(struct passing *p, bool asked)
{
	struct frame f = FRAME_INIT(JOB_CANCEL);
	bool ours;

	pthread_mutex_lock(&p->o->lock);
	ours = p->ticket != NULL;
	if (ours)
		p->ticket->passing = NULL;
	if (ours && !asked && !p->o->dead)
		ticket_release(p->o, p->ticket);
	pthread_mutex_unlock(&p->o->lock);
	if (!ours || !asked)
		return;
	job_number_encode(&f, JOB_CANCEL, p->number);
	(void)inside_frame_out(p->o, &f);
	frame_clear(&f);
}

static enum outbound_passed not_sent(struct outbound_result *r, enum outbound_class class, const char *why)
{
	r->class = class;
	(void)snprintf(r->reason, sizeof(r->reason), "%s", why);
	return OUTBOUND_PASSED_NOT_SENT;
}

/* With a job that keeps its kind's rules. */
static enum outbound_passed pass_job(struct passing *p, struct prepared *prepared)
{
	enum outbound_passed how;
	bool sent, dead;

	if (!ticket_get(p, &prepared->job, &how))
		return how;
	if (!prepared_note(p->o->tenants, prepared)) {
		ticket_leave(p, false);
		return not_sent(p->result, OUTBOUND_NOT_SENT, "the store does not answer");
	}
	sent = inside_job_out(p->o, &prepared->job);
	if (sent) {
		how = run(p);
		ticket_leave(p, true);
		return how;
	}
	ticket_leave(p, false);
	pthread_mutex_lock(&p->o->lock);
	dead = p->o->dead;
	pthread_mutex_unlock(&p->o->lock);
	return dead ? OUTBOUND_PASSED_GONE : not_sent(p->result, OUTBOUND_NOT_SENT, "the house is short of memory");
}

static enum outbound_passed unprepared(struct outbound_result *r, enum prepare_error err)
{
	switch (err) {
	case PREPARE_OK:
	case PREPARE_INVALID:
		break;
	case PREPARE_NO_CREDENTIAL:
		return not_sent(r, OUTBOUND_NO_CREDENTIAL, outbound_class_text(OUTBOUND_NO_CREDENTIAL));
	case PREPARE_UNREADABLE:
	case PREPARE_LATER:
		return not_sent(r, OUTBOUND_NOT_SENT, "the call could not be prepared");
	}
	return OUTBOUND_PASSED_INVALID;
}

enum outbound_passed outbound_pass(struct outbound *o, const struct outbound_pass *call, struct outbound_result *r)
{
	struct passing p = {.o = o, .call = call, .result = r};
	struct prepared prepared = {0};
	enum outbound_passed how;
	enum prepare_error err;

	*r = (struct outbound_result){.class = OUTBOUND_OUTCOME_UNKNOWN};
	passing_init(&p);
	err = prepare_pass(o->tenants, call, &prepared);
	if (err == PREPARE_OK) {
		p.uploads = job_uploads(&prepared.job);
		p.streams = kind_carries(prepared.job.kind, KIND_UPLOAD | KIND_DOWNLOAD);
		p.piece = p.uploads ? malloc(JOB_PIECE_MAX) : NULL;
		if (p.uploads && p.piece == NULL)
			err = PREPARE_LATER;
	}
	how = err == PREPARE_OK ? pass_job(&p, &prepared) : unprepared(r, err);
	prepared_clear(&prepared);
	passing_clear(&p);
	return how;
}
