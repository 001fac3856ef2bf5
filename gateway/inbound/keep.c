/*
 * Between "it is right" and 200: the body is sealed and becomes durable.
 *
 * Where the connection allows it no worker is woken for the answer: it is prepared, and sent
 * by the store's own thread once the commit it tells of is over. Called by
 * accept.c on any worker.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/internal.h"
#include "gateway/log.h"

/* One whose answer is another thread's to send. */
struct keeping {
	struct inbound *in;
	struct http_later *answer;
	char business_id[STORE_BUSINESS_ID_LEN + 1];
};

#define LOG_GAP_MS 1000

bool inbound_log_due(atomic_llong *last_at)
{
	long long now = (long long)store_now_ms();
	long long last = atomic_load(last_at);

	return now - last >= LOG_GAP_MS && atomic_compare_exchange_strong(last_at, &last, now);
}

static void note(struct inbound *in, const char *business_id, enum store_error result)
{
	atomic_fetch_add(result == STORE_OK ? &in->accepted : &in->busy, 1);
	/* Where the disk is full, thousands are answered so. */
	if (result != STORE_OK && inbound_log_due(&in->unkept_logged_at))
		log_warn("webhook not kept business=%s: %s", business_id, store_error_text(result));
	if (result == STORE_FAILED)
		inbound_failed(in);
}

/* On the store's thread. */
static void is_kept(void *ctx, enum store_error result)
{
	struct keeping *k = ctx;
	struct inbound *in = k->in;

	note(in, k->business_id, result);
	/* Who was told 503 by then comes again, and is known again. */
	if (!http_later_send(k->answer, result == STORE_OK) && result == STORE_OK) {
		atomic_fetch_sub(&in->accepted, 1);
		atomic_fetch_add(&in->busy, 1);
	}
	if (result == STORE_OK)
		worker_wake(&in->intake);
	free(k);
	atomic_fetch_sub(&in->keeping, 1);
}

static void keep_later(struct inbound *in, const struct store_event *e, struct http_later *answer)
{
	struct keeping *k = malloc(sizeof(*k));
	enum store_error err = STORE_NO_MEMORY;

	if (k != NULL) {
		k->in = in;
		k->answer = answer;
		memcpy(k->business_id, e->business_id, sizeof(k->business_id));
		atomic_fetch_add(&in->keeping, 1);
		err = store_event_append_later(in->store, e, is_kept, k);
	}
	if (err == STORE_OK)
		return;
	note(in, e->business_id, err);
	(void)http_later_send(answer, false);
	if (k != NULL)
		atomic_fetch_sub(&in->keeping, 1);
	free(k);
}

int inbound_keep(struct inbound *in, const char *business_id, const char *connection_id, const uint8_t *body,
	size_t len, struct http_request *req)
{
	struct store_event e = {.received_at = store_now_ms()};
	struct tenant_place place = {business_id, "events", e.id, "body", 1};
	struct http_later *answer = NULL;
	uint8_t *blob = NULL;
	enum tenant_error sealed;
	enum store_error err;

	store_id_new(e.id);
	memcpy(e.business_id, business_id, strlen(business_id) + 1);
	memcpy(e.connection_id, connection_id, sizeof(e.connection_id));
	sealed = tenant_seal(in->opt.tenants, &place, body, len, &blob, &e.body_len);
	if (sealed != TENANT_OK) {
		log_error("webhook not sealed business=%s error=%d", business_id, (int)sealed);
		atomic_fetch_add(&in->busy, 1);
		return 503;
	}
	e.body = blob;
	if (req != NULL)
		answer = webhook_accepted_later(req);
	if (answer != NULL) {
		keep_later(in, &e, answer);
		free(blob);
		return INBOUND_ANSWERED;
	}
	err = store_event_append(in->store, &e, INBOUND_DURABLE_MS);
	free(blob);
	note(in, business_id, err);
	if (err == STORE_OK)
		worker_wake(&in->intake);
	return err == STORE_OK ? 200 : 503;
}
