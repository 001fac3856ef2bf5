/*
 * Inbound's handle: opens and closes it, starts and wakes its two threads.
 * Called by the listener; everything it works on is borrowed.
 */
#include "gateway/inbound/inbound.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/inbound/asks.h"
#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/internal.h"
#include "gateway/log.h"

/* ------------------------------------------------------------ workers */

static bool worker_init(struct worker *w)
{
	if (pthread_mutex_init(&w->lock, NULL) != 0)
		return false;
	if (pthread_cond_init(&w->changed, NULL) == 0)
		return true;
	pthread_mutex_destroy(&w->lock);
	return false;
}

static void worker_clear(struct worker *w)
{
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
}

static bool worker_start(struct worker *w, void *(*run)(void *), void *arg)
{
	w->started = pthread_create(&w->thread, NULL, run, arg) == 0;
	return w->started;
}

static void worker_stop(struct worker *w)
{
	if (!w->started)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->started = false;
}

void worker_wake(struct worker *w)
{
	pthread_mutex_lock(&w->lock);
	if (!w->woken) {
		w->woken = true;
		pthread_cond_signal(&w->changed);
	}
	pthread_mutex_unlock(&w->lock);
}

int64_t worker_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct timespec moment_after(unsigned ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

void worker_wait(struct worker *w, unsigned idle_ms)
{
	struct timespec until = moment_after(idle_ms);

	pthread_mutex_lock(&w->lock);
	while (!w->woken && !w->stopping)
		if (pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
			break;
	w->woken = false;
	pthread_mutex_unlock(&w->lock);
}

void worker_pause(struct worker *w, unsigned ms)
{
	struct timespec until = moment_after(ms);

	pthread_mutex_lock(&w->lock);
	while (!w->stopping)
		if (pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&w->lock);
}

bool worker_stopping(struct worker *w)
{
	bool stopping;

	pthread_mutex_lock(&w->lock);
	stopping = w->stopping;
	pthread_mutex_unlock(&w->lock);
	return stopping;
}

unsigned worker_backoff(unsigned before_ms)
{
	if (before_ms == 0)
		return INBOUND_RETRY_MS;
	return before_ms < INBOUND_RETRY_MAX_MS / 2 ? before_ms * 2 : INBOUND_RETRY_MAX_MS;
}

/* ------------------------------------------------------------ the handle */

static void inbound_free(struct inbound *in)
{
	asks_free(in->asks);
	deliveries_free(in->deliveries);
	free(in->batch);
	free(in);
}

enum inbound_error inbound_open(struct inbound **out, const struct inbound_options *opt)
{
	struct inbound *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return INBOUND_NO_MEMORY;
	in->opt = *opt;
	in->store = tenants_store(opt->tenants);
	vault_random(&in->nobody, sizeof(in->nobody));
	in->asks = asks_new(in);
	in->deliveries = deliveries_new();
	in->batch = batch_new();
	if (in->asks == NULL || in->deliveries == NULL || in->batch == NULL || !worker_init(&in->intake)) {
		inbound_free(in);
		return INBOUND_SETUP;
	}
	if (!worker_init(&in->answer)) {
		worker_clear(&in->intake);
		inbound_free(in);
		return INBOUND_SETUP;
	}
	if (!worker_start(&in->intake, intake_run, in) || !worker_start(&in->answer, answer_run, in)) {
		inbound_close(in);
		return INBOUND_SETUP;
	}
	*out = in;
	return INBOUND_OK;
}

void inbound_close(struct inbound *in)
{
	if (in == NULL)
		return;
	while (atomic_load(&in->keeping) > 0)
		(void)poll(NULL, 0, 1);
	worker_stop(&in->intake);
	worker_stop(&in->answer);
	/* Nobody is asked any more; whoever still is would answer into what is freed here. */
	if (in->opt.outbound != NULL)
		outbound_asks_end(in->opt.outbound);
	worker_clear(&in->intake);
	worker_clear(&in->answer);
	inbound_upkeep(in);
	inbound_free(in);
}

void inbound_failed(struct inbound *in)
{
	if (atomic_exchange(&in->failed_told, true))
		return;
	log_error("the store failed; nothing more is accepted");
	if (in->opt.failed != NULL)
		in->opt.failed(in->opt.ctx);
}

static void add_refusal(struct inbound_refusal *r, const struct store_delivery *d)
{
	const enum delivery_why why = delivery_why(d->refused_why);
	int64_t *at = &r->at;

	if (why == DELIVERY_WRONG_VERIFY_TOKEN)
		at = &r->token_at;
	else if (delivery_is_refusal(why) && d->refused_at > r->at)
		r->why = delivery_words(why);
	if (delivery_is_refusal(why) && d->refused_at > *at)
		*at = d->refused_at;
	if ((why == DELIVERY_WRONG_SIGNATURE || why == DELIVERY_WRONG_SECRET_HEADER) && d->refused_at > r->signature_at)
		r->signature_at = d->refused_at;
	if (why == DELIVERY_WRONG_PLATFORM_SIGNATURE && d->refused_at > r->platform_at)
		r->platform_at = d->refused_at;
}

static bool add_stored(const struct store_delivery *d, void *arg)
{
	if (d->refused_at > 0)
		add_refusal(arg, d);
	return true;
}

bool inbound_refusal(const struct inbound *in, const char *business_id, struct inbound_refusal *out)
{
	struct inbound_refusal r = {0};

	(void)deliveries_refusal(in->deliveries, business_id, &r);
	if (store_delivery_list(in->store, business_id, add_stored, &r) != STORE_OK)
		log_warn("what was refused before is not known just now business=%s", business_id);
	*out = r;
	return r.at > 0 || r.token_at > 0;
}

void inbound_delivery(const struct inbound *in, const char *connection_id, struct store_delivery *d)
{
	deliveries_news(in->deliveries, connection_id, d);
}

void inbound_upkeep(struct inbound *in)
{
	const enum store_error err = deliveries_write(in->deliveries, in->store);

	if (err == STORE_FAILED)
		inbound_failed(in);
	else if (err != STORE_OK)
		log_warn("what came of webhooks is not written yet: %s", store_error_text(err));
}

void inbound_counts(const struct inbound *in, struct inbound_counts *out)
{
	out->accepted = atomic_load(&in->accepted);
	out->refused = atomic_load(&in->refused);
	out->busy = atomic_load(&in->busy);
	for (size_t i = 0; i < DELIVERY_WHYS; i++)
		out->whys[i] = atomic_load(&in->whys[i]);
}
