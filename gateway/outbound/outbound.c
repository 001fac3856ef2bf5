/*
 * The listener's half: opening, closing, and what others ask of it. The scheduler (schedule.c) hands
 * leased messages to the sender, readers (results.c) settle what came back.
 * Asks are in ask.c, clients' calls in pass.c. Called by listener, session, api, connect and inbound.
 */
#include "gateway/outbound/outbound.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/log.h"
#include "gateway/outbound/inside.h"
#include "gateway/outbound/plan.h"
#include "gateway/outbound/prepare.h"

#define IN_FLIGHT_DEFAULT 512u
#define IN_FLIGHT_LIMIT 1024u
#define PER_CONNECTION_DEFAULT 128u /* what a number takes in a second, and an answer takes that long at times */
#define PAIRS_MAX 524288u /* customers of the last minutes: some 16 MiB */
#define ASKS_DEFAULT 256u
#define ASKS_LIMIT 1024u
#define PING_MS 2000
#define DRAIN_MS 5000 /* at close, for answers that are on their way */

/* ------------------------------------------------------------ questions */

enum outbound_error outbound_ping(struct outbound *o)
{
	const struct timespec until = inside_after(PING_MS);
	enum outbound_error err = OUTBOUND_OK;
	struct frame f = FRAME_INIT(JOB_PING);
	uint64_t mine;
	bool sent;

	pthread_mutex_lock(&o->lock);
	mine = ++o->pings;
	pthread_mutex_unlock(&o->lock);
	job_number_encode(&f, JOB_PING, mine);
	sent = inside_frame_out(o, &f);
	frame_clear(&f);
	pthread_mutex_lock(&o->lock);
	while (sent && err == OUTBOUND_OK && o->pongs < mine && !o->dead && !o->closing)
		if (pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
			err = OUTBOUND_TIMEOUT;
	if (!sent || o->dead || o->closing)
		err = OUTBOUND_GONE;
	pthread_mutex_unlock(&o->lock);
	return err;
}

static enum outbound_error check_run(
	struct outbound *o, struct job *j, const struct timespec *until, struct outbound_result *result)
{
	struct waiter w = {result, false};
	struct ticket *k = NULL;
	bool late = false, sent;

	pthread_mutex_lock(&o->lock);
	while (!o->dead && !o->closing && !o->checks_ended && !late && (k = ticket_take(o, TICKET_CHECK)) == NULL)
		late = pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, until) == ETIMEDOUT;
	if (k != NULL) {
		k->waiter = &w;
		j->ticket = k->number;
	}
	pthread_mutex_unlock(&o->lock);
	if (k == NULL)
		return late ? OUTBOUND_TIMEOUT : OUTBOUND_GONE;
	sent = inside_job_out(o, j);
	pthread_mutex_lock(&o->lock);
	while (sent && !w.done && !late && !o->dead && !o->closing && !o->checks_ended)
		late = pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, until) == ETIMEDOUT;
	/* Only if this ticket is still ours: its answer may come later, and nobody waits then. */
	if (!w.done)
		k->waiter = NULL;
	if (!w.done && !sent && !o->dead)
		ticket_release(o, k);
	pthread_mutex_unlock(&o->lock);
	if (w.done)
		return OUTBOUND_OK;
	return late ? OUTBOUND_TIMEOUT : OUTBOUND_GONE;
}

enum outbound_error outbound_check(
	struct outbound *o, const struct outbound_check *check, unsigned timeout_ms, struct outbound_result *result)
{
	const struct timespec until = inside_after(timeout_ms);
	enum outbound_error err = OUTBOUND_STORE;
	struct prepared p = {0};

	switch (prepare_check(o->tenants, check, &p)) {
	case PREPARE_OK:
		if (prepared_note(o->tenants, &p))
			err = check_run(o, &p.job, &until, result);
		break;
	case PREPARE_NO_CREDENTIAL:
		result->class = OUTBOUND_NO_CREDENTIAL;
		err = OUTBOUND_OK;
		break;
	case PREPARE_INVALID:
		err = OUTBOUND_INVALID;
		break;
	case PREPARE_UNREADABLE:
	case PREPARE_LATER:
		break;
	}
	prepared_clear(&p);
	return err;
}

bool outbound_clock(struct outbound *o, int32_t *ahead_s, int64_t *at)
{
	pthread_mutex_lock(&o->lock);
	*ahead_s = o->clock_ahead_s;
	*at = o->clock_at;
	pthread_mutex_unlock(&o->lock);
	return *at > 0;
}

void outbound_checks_end(struct outbound *o)
{
	pthread_mutex_lock(&o->lock);
	o->checks_ended = true;
	pthread_cond_broadcast(&o->changed);
	passes_wake(o);
	pthread_mutex_unlock(&o->lock);
}

void outbound_wake(struct outbound *o, const char *connection_id)
{
	pthread_mutex_lock(&o->lock);
	if (!lanes_look(o->lanes, connection_id)) {
		if (o->hints_len < HINTS_MAX)
			(void)snprintf(o->hints[o->hints_len++], sizeof(o->hints[0]), "%s", connection_id);
		else
			o->scan = true;
	}
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
}

void outbound_changed(struct outbound *o, const char *business_id)
{
	pthread_mutex_lock(&o->lock);
	lanes_forget(o->lanes, business_id);
	o->scan = true;
	pthread_cond_broadcast(&o->changed);
	pthread_mutex_unlock(&o->lock);
}

/* ------------------------------------------------------------ opening and closing */

static unsigned bounded(unsigned wanted, unsigned by_default, unsigned limit)
{
	const unsigned n = wanted > 0 ? wanted : by_default;

	return n < limit ? n : limit;
}

static uint64_t any_number(void)
{
	uint64_t n;

	vault_random(&n, sizeof(n));
	return n;
}

static struct outbound *outbound_new(const struct outbound_options *opt)
{
	struct lanes_options lanes = {.per_connection = bounded(opt->per_connection, PER_CONNECTION_DEFAULT, 1024),
		.pairs_max = PAIRS_MAX,
		.random = any_number};
	struct outbound *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	o->tenants = opt->tenants;
	o->fd = opt->sender_fd;
	o->in_flight_max = bounded(opt->in_flight_max, IN_FLIGHT_DEFAULT, IN_FLIGHT_LIMIT);
	o->asks_max = bounded(opt->asks_max, ASKS_DEFAULT, ASKS_LIMIT);
	o->asks_ended = opt->checks_only;
	o->gone = opt->gone;
	o->ctx = opt->ctx;
	o->scan = true;
	lanes.in_flight_max = o->in_flight_max;
	o->lanes = lanes_new(&lanes);
	o->tickets = calloc(ticket_count(o), sizeof(*o->tickets));
	if (o->tickets == NULL || o->lanes == NULL) {
		lanes_free(o->lanes);
		free(o->tickets);
		free(o);
		return NULL;
	}
	(void)pthread_mutex_init(&o->lock, NULL);
	(void)pthread_mutex_init(&o->write_lock, NULL);
	(void)pthread_mutex_init(&o->read_lock, NULL);
	(void)pthread_cond_init(&o->changed, NULL);
	return o;
}

static bool thread_start(struct outbound *o, void *(*run)(void *))
{
	if (pthread_create(&o->threads[o->threads_len], NULL, run, o) != 0)
		return false;
	o->threads_len++;
	return true;
}

static bool threads_start(struct outbound *o, bool checks_only)
{
	bool ok = checks_only || thread_start(o, inside_schedule);

	for (unsigned i = 0; ok && i < (checks_only ? 1 : READERS); i++)
		ok = thread_start(o, inside_read);
	return ok;
}

static enum outbound_error recover(struct tenants *t)
{
	unsigned recovered = 0;

	if (store_outbox_recover(tenants_store(t), store_now_ms() + PLAN_AGAIN_MS, &recovered) != STORE_OK)
		return OUTBOUND_STORE;
	if (recovered > 0)
		log_warn("sends of an earlier run have an unknown outcome count=%u", recovered);
	return OUTBOUND_OK;
}

enum outbound_error outbound_open(struct outbound **out, const struct outbound_options *opt)
{
	const enum outbound_error err = opt->checks_only ? OUTBOUND_OK : recover(opt->tenants);
	struct outbound *o = err == OUTBOUND_OK ? outbound_new(opt) : NULL;

	if (o == NULL) {
		(void)close(opt->sender_fd);
		return err != OUTBOUND_OK ? err : OUTBOUND_NO_MEMORY;
	}
	if (!threads_start(o, opt->checks_only)) {
		outbound_close(o);
		return OUTBOUND_NO_MEMORY;
	}
	*out = o;
	return OUTBOUND_OK;
}

void outbound_close(struct outbound *o)
{
	const struct timespec until = inside_after(DRAIN_MS);
	bool late = false;

	if (o == NULL)
		return;
	outbound_asks_end(o);
	pthread_mutex_lock(&o->lock);
	o->closing = true;
	pthread_cond_broadcast(&o->changed);
	passes_wake(o);
	while ((o->sends > 0 || o->leasing) && !o->dead && !late)
		late = pthread_cond_clockwait(&o->changed, &o->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT;
	pthread_mutex_unlock(&o->lock);
	atomic_store(&o->stop, true);
	(void)shutdown(o->fd, SHUT_RDWR);
	for (size_t i = 0; i < o->threads_len; i++)
		(void)pthread_join(o->threads[i], NULL);
	(void)close(o->fd);
	(void)pthread_cond_destroy(&o->changed);
	(void)pthread_mutex_destroy(&o->read_lock);
	(void)pthread_mutex_destroy(&o->write_lock);
	(void)pthread_mutex_destroy(&o->lock);
	lanes_free(o->lanes);
	free(o->tickets);
	free(o);
}
