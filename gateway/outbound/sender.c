/*
 * The sender's half: one thread that takes jobs from the listener, has the vault open what each
 * needs, runs the transfers side by side, and hands the results back. Trusts neither the listener
 * (a malformed job ends the role) nor a provider's answer. Called by the sender role's main.
 *
 * It never waits for the listener to read: results queue up, so that the two cannot block each other.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/log.h"
#include "gateway/outbound/answer.h"
#include "gateway/outbound/destination.h"
#include "gateway/outbound/job.h"
#include "gateway/outbound/outbound.h"
#include "gateway/outbound/relay.h"
#include "gateway/outbound/request.h"
#include "gateway/outbound/transfer.h"

#define RUNNING_MAX 4096u /* above what the listener hands out; more stays in its socket */
/* No honest listener leaves so many unread: it has fewer jobs, few pings, and room for few pieces of each answer. */
#define OUTPUTS_MAX (2u * RUNNING_MAX)
#define WAIT_MS 1000

/* A job while its request is on its way. */
struct run {
	uint64_t ticket;
	const struct kind *kind;
	struct secret *secrets[KIND_CREDENTIALS_MAX]; /* kept to blank them in the answer */
	char app_id[STORE_PROVIDER_ID_LEN + 1]; /* kept, as the URL, to read the answer */
	char url[DESTINATION_URL_MAX + 1];
	struct exchange exchange; /* where a token goes that the answer brings */
	bool verbatim; /* the answer's body goes back, too */
	struct transfer *transfer; /* NULL once it ended */
	struct relay *relay; /* of a call that is passed through; else NULL */
	struct outbound_result result; /* of one whose answer is still going back */
};

/* A frame on its way to the listener. */
struct output {
	struct output *next;
	struct frame frame;
	size_t sent;
};

struct sender {
	const struct outbound_sender_options *opt;
	struct request_world world;
	char public_url[DESTINATION_URL_MAX + 1]; /* without a final slash */
	struct vault_client *vault;
	struct transfers *transfers;
	struct frame_inbox inbox;
	struct output *first, **last;
	unsigned outputs;
	struct run *runs[RUNNING_MAX]; /* to wipe them when the role ends */
	unsigned running;
	bool said_unlocked; /* that memory could not be locked */
	bool ended; /* nothing more can be done */
	int status;
};

static void end(struct sender *s, int status)
{
	s->ended = true;
	s->status = status;
}

/* ------------------------------------------------------------ results */

static struct output *output_add(struct sender *s)
{
	struct output *o = s->outputs < OUTPUTS_MAX ? calloc(1, sizeof(*o)) : NULL;

	if (o == NULL) {
		log_error(s->outputs < OUTPUTS_MAX ? "memory is short: a result is lost"
						   : "the listener asks on and on and reads no answer");
		end(s, 1);
		return NULL;
	}
	s->outputs++;
	*s->last = o;
	s->last = &o->next;
	return o;
}

static void output_drop_first(struct sender *s)
{
	struct output *o = s->first;

	s->outputs--;
	s->first = o->next;
	if (s->first == NULL)
		s->last = &s->first;
	frame_clear(&o->frame);
	free(o);
}

static void output_flush(struct sender *s)
{
	while (s->first != NULL && !s->ended) {
		bool complete = false;
		const enum frame_error err =
			frame_send_some(s->opt->listener_fd, &s->first->frame, &s->first->sent, &complete);

		if (err != FRAME_OK)
			end(s, err == FRAME_CLOSED ? 0 : 1);
		if (err != FRAME_OK || !complete)
			return;
		output_drop_first(s);
	}
}

static struct frame *frame_out(void *ctx)
{
	struct output *o = output_add(ctx);

	return o != NULL ? &o->frame : NULL;
}

static void answer(struct sender *s, uint64_t ticket, const struct outbound_result *r)
{
	struct output *o = output_add(s);

	if (o != NULL)
		job_result_encode(&o->frame, ticket, r);
}

static void answer_plain(struct sender *s, uint64_t ticket, enum outbound_class class, const char *reason)
{
	struct outbound_result r = {.class = class};

	(void)snprintf(r.reason, sizeof(r.reason), "%s", reason);
	answer(s, ticket, &r);
}

/* ------------------------------------------------------------ one job */

static void run_free(struct run *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < KIND_CREDENTIALS_MAX; i++)
		secret_free(r->secrets[i]);
	relay_free(r->relay);
	outbound_result_clear(&r->result);
	free(r);
}

/* The run is over, and out of the list. */
static void run_drop(struct sender *s, struct run *r)
{
	for (unsigned i = 0; i < s->running; i++) {
		if (s->runs[i] != r)
			continue;
		s->runs[i] = s->runs[--s->running];
		break;
	}
	run_free(r);
}

/* NULL: there is none any more. */
static struct run *run_find(struct sender *s, uint64_t ticket)
{
	for (unsigned i = 0; i < s->running; i++)
		if (s->runs[i]->ticket == ticket)
			return s->runs[i];
	return NULL;
}

/* A call that only is not proven, for want of an app secret that opens, is as good as it was without one. */
static bool may_be_left_out(const struct job *j, size_t i, enum vault_error err)
{
	return (err == VAULT_BAD_BLOB || err == VAULT_WRONG_KEY) && j->kind->optional &&
		i + 1 == kind_credentials(j->kind);
}

static enum vault_error secrets_open(struct sender *s, const struct job *j, struct run *r)
{
	enum vault_error err = VAULT_OK;

	for (size_t i = 0; err == VAULT_OK && i < job_credentials(j); i++) {
		const struct job_credential *c = &j->credentials[i];
		const struct vault_context where = {.deployment_id = j->deployment_id,
			.business_id = j->business_id,
			.table = "credentials",
			.record_id = c->connection_id,
			.field = c->field,
			.record_version = c->version};

		err = vault_credential_open(s->vault, j->id, &c->key, &where, c->blob, c->blob_len, &r->secrets[i]);
		if (may_be_left_out(j, i, err))
			err = VAULT_OK;
	}
	if (!s->said_unlocked && !vault_memory_locked()) {
		s->said_unlocked = true;
		log_warn("credentials of jobs may reach swap: too little memory may be locked; set LimitMEMLOCK=64M "
			 "in the service's unit, or ulimit -l, or switch swap off");
	}
	return err;
}

static void answer_unopened(struct sender *s, const struct job *j, enum vault_error err)
{
	switch (err) {
	case VAULT_OK:
		return;
	case VAULT_GONE:
		log_error("the vault is gone");
		end(s, 1);
		return;
	case VAULT_NO_MEMORY:
		answer_plain(s, j->ticket, OUTBOUND_NOT_SENT, "the sender is short of memory");
		return;
	case VAULT_DENIED:
	case VAULT_BAD_BLOB:
	case VAULT_WRONG_KEY:
	case VAULT_BAD_REQUEST:
	case VAULT_KEY_FILE:
	case VAULT_KEY_FILE_OPEN_TO_OTHERS:
		answer_plain(s, j->ticket, OUTBOUND_NO_CREDENTIAL,
			j->kind->use == KIND_ASK
				? "the responder's signing secret does not open; it needs to be made again"
				: outbound_class_text(OUTBOUND_NO_CREDENTIAL));
		return;
	}
}

static struct answer_to answer_to_of(const struct sender *s, const struct run *r)
{
	return (struct answer_to){.kind = r->kind,
		.secrets = (const struct secret *const *)r->secrets,
		.app_id = r->app_id,
		.url = r->url,
		.public_url = s->public_url,
		.exchange = &r->exchange,
		.verbatim = r->verbatim};
}

static size_t watch_give(void *owner, void *to, size_t room)
{
	return relay_give(((struct run *)owner)->relay, to, room);
}

static bool watch_head(void *owner, const struct transfer_head *head)
{
	struct run *r = owner;
	const struct answer_to to = {.kind = r->kind, .secrets = (const struct secret *const *)r->secrets};

	return relay_head(r->relay, head, answer_scrub_value, &to);
}

static bool watch_take(void *owner, const void *data, size_t len)
{
	return relay_take(((struct run *)owner)->relay, data, len);
}

static const struct transfer_watch relay_watch = {.give = watch_give, .head = watch_head, .take = watch_take};

/* Builds the request and starts it. False: answered here. */
static bool run_start(struct sender *s, const struct job *j, struct run *r)
{
	enum outbound_class class;
	struct request request = {0};
	const char *why;

	class = request_build(&request, &s->world, j, (const struct secret *const *)r->secrets, &why);
	if (r->relay != NULL)
		request.transfer.watch = &relay_watch;
	if (r->relay != NULL || r->verbatim) {
		request.transfer.keep = outbound_header_names;
		request.transfer.keep_len = OUTBOUND_HEADERS;
	}
	if (class == OUTBOUND_ACCEPTED)
		r->transfer = transfers_start(s->transfers, &request.transfer, r);
	if (class == OUTBOUND_ACCEPTED && r->transfer == NULL) {
		class = OUTBOUND_NOT_SENT;
		why = "the sender is short of memory";
	}
	if (class != OUTBOUND_ACCEPTED)
		answer_plain(s, j->ticket, class, why);
	request_clear(&request);
	return class == OUTBOUND_ACCEPTED;
}

static void job_run(struct sender *s, const struct job *j)
{
	const struct relay_out out = {frame_out, s};
	struct run *r = calloc(1, sizeof(*r));
	enum vault_error err;

	if (r != NULL && j->kind->use == KIND_PASS)
		r->relay = relay_new(j, &out);
	if (r == NULL || (j->kind->use == KIND_PASS && r->relay == NULL)) {
		run_free(r);
		answer_plain(s, j->ticket, OUTBOUND_NOT_SENT, "the sender is short of memory");
		return;
	}
	r->ticket = j->ticket;
	r->kind = j->kind;
	r->verbatim = j->verbatim;
	(void)snprintf(r->app_id, sizeof(r->app_id), "%s", j->app_id);
	(void)snprintf(r->url, sizeof(r->url), "%s", j->url);
	if (j->kind->answer == KIND_TOKEN)
		exchange_begin(&r->exchange, s->vault, j);
	err = secrets_open(s, j, r);
	if (err != VAULT_OK)
		answer_unopened(s, j, err);
	else if (run_start(s, j, r)) {
		s->runs[s->running++] = r;
		r = NULL; /* transferred */
	}
	run_free(r);
}

/* An answer that is passed through may still be going back: its result comes last. */
static void run_finish(struct sender *s, struct run *r)
{
	if (r->relay != NULL && !relay_done(r->relay))
		return;
	answer(s, r->ticket, &r->result);
	run_drop(s, r);
}

/* The whole answer, where it was not handed on as it came. */
static void relay_text(struct run *r, const struct answer_to *to, const struct transfer_end *how)
{
	char *text = answer_text(to, how, RELAY_TEXT_MAX);

	if (text != NULL) {
		relay_answer(r->relay, text);
		return;
	}
	r->result.whole = false;
	r->result.class = OUTBOUND_OUTCOME_UNKNOWN;
	(void)snprintf(r->result.reason, sizeof(r->result.reason), "the sender is short of memory");
}

static void run_ended(void *owner, const struct transfer_end *how, void *arg)
{
	struct sender *s = arg;
	struct run *r = owner;
	const struct answer_to to = answer_to_of(s, r);

	r->transfer = NULL;
	answer_read(&to, how, &r->result);
	if (r->relay != NULL && how->how == TRANSFER_ANSWERED && !relay_streams(r->relay))
		relay_text(r, &to, how);
	run_finish(s, r);
}

/* ------------------------------------------------------------ the listener's messages */

static bool ping_read(struct sender *s, struct frame *f)
{
	struct output *o;
	uint64_t number;

	if (!job_number_decode(f, &number))
		return false;
	o = output_add(s);
	if (o != NULL)
		job_number_encode(&o->frame, JOB_PONG, number);
	return true;
}

/* What comes for a run that is over is too late, and nothing. */
static bool body_read(struct sender *s, struct frame *f)
{
	struct job_piece p;
	struct run *r;

	if (!job_piece_decode(f, &p))
		return false;
	r = run_find(s, p.ticket);
	if (r == NULL)
		return true;
	if (r->relay == NULL || !relay_body(r->relay, &p))
		return false;
	if (r->transfer != NULL)
		transfers_resume(r->transfer);
	return true;
}

static bool taken_read(struct sender *s, struct frame *f)
{
	uint64_t ticket;
	uint32_t len;
	struct run *r;

	if (!job_taken_decode(f, &ticket, &len))
		return false;
	r = run_find(s, ticket);
	if (r == NULL)
		return true;
	if (r->relay == NULL || !relay_taken(r->relay, len))
		return false;
	if (r->transfer != NULL)
		transfers_resume(r->transfer);
	else
		run_finish(s, r);
	return true;
}

static bool cancel_read(struct sender *s, struct frame *f)
{
	uint64_t ticket;
	struct run *r;

	if (!job_number_decode(f, &ticket))
		return false;
	r = run_find(s, ticket);
	if (r == NULL)
		return true;
	if (r->relay == NULL)
		return false;
	if (r->transfer != NULL)
		transfers_cancel(s->transfers, r->transfer);
	answer_plain(s, ticket, OUTBOUND_OUTCOME_UNKNOWN, "nobody waited for the answer");
	run_drop(s, r);
	return true;
}

static bool message_read(struct sender *s, struct frame *f)
{
	struct job j;

	switch (f->type) {
	case JOB_PING:
		return ping_read(s, f);
	case JOB_BODY:
		return body_read(s, f);
	case JOB_TAKEN:
		return taken_read(s, f);
	case JOB_CANCEL:
		return cancel_read(s, f);
	default:
		break;
	}
	if (!job_decode(f, &j))
		return false;
	job_run(s, &j);
	vault_wipe(&j, sizeof(j));
	return true;
}

static void listener_read(struct sender *s)
{
	while (!s->ended && s->running < RUNNING_MAX) {
		bool complete = false;
		const enum frame_error err =
			frame_inbox_read(s->opt->listener_fd, &s->inbox, job_limits_sender, JOB_LIMITS, &complete);

		if (err == FRAME_CLOSED) {
			end(s, 0);
			return;
		}
		if (err != FRAME_OK || (complete && !message_read(s, &s->inbox.body))) {
			log_error("the listener sent something malformed");
			end(s, 1);
			return;
		}
		if (!complete)
			return;
	}
}

/* ------------------------------------------------------------ the role */

static void serve(struct sender *s)
{
	while (!s->ended) {
		short events = s->running < RUNNING_MAX ? POLLIN : 0;

		if (s->first != NULL)
			events = (short)(events | POLLOUT);
		if ((transfers_wait(s->transfers, s->opt->listener_fd, events, WAIT_MS) & POLLIN) != 0)
			listener_read(s);
		while (!s->ended && transfers_next(s->transfers, run_ended, s))
			;
		output_flush(s);
	}
}

bool outbound_sender_init(void)
{
	return transfers_init();
}

static bool sender_init(struct sender *s, const struct outbound_sender_options *opt)
{
	size_t len = strlen(opt->public_url);

	if (!kind_version_ok(opt->meta_api_version) || !request_host_read(opt->meta_api_url, &s->world.meta) ||
		!request_host_read(opt->meta_media_url, &s->world.meta_media) ||
		!request_host_read(opt->d360_api_url, &s->world.d360) ||
		!request_host_read(opt->d360_sandbox_url, &s->world.d360_sandbox)) {
		log_error("a provider's URL or version cannot be used: https, or http to loopback");
		return false;
	}
	s->world.version = opt->meta_api_version;
	s->world.public_url = s->public_url;
	s->world.responder_allow = opt->responder_allow;
	s->world.responder_timeout_ms = opt->responder_timeout_ms;
	s->world.slow_ms = opt->slow_ms;
	while (len > 0 && opt->public_url[len - 1] == '/')
		len--;
	if (len < sizeof(s->public_url))
		memcpy(s->public_url, opt->public_url, len);
	s->opt = opt;
	s->last = &s->first;
	s->transfers = transfers_new();
	s->vault = vault_client_new(opt->vault_fd);
	if (s->transfers == NULL || s->vault == NULL) {
		log_error("the sender cannot start: memory is short");
		return false;
	}
	return true;
}

static void sender_clear(struct sender *s)
{
	transfers_free(s->transfers);
	for (unsigned i = 0; i < s->running; i++)
		run_free(s->runs[i]);
	while (s->first != NULL)
		output_drop_first(s);
	frame_inbox_clear(&s->inbox);
	vault_client_free(s->vault);
}

int outbound_sender_run(const struct outbound_sender_options *opt)
{
	struct sender *s = calloc(1, sizeof(*s));
	int status;

	if (s == NULL)
		return 1;
	s->status = 1;
	if (sender_init(s, opt))
		serve(s);
	status = s->status;
	sender_clear(s);
	(void)close(opt->listener_fd);
	free(s);
	return status;
}
