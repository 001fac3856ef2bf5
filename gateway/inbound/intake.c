/*
 * The thread that settles events: opens, splits, binds, hands all to the store at once.
 *
 * An acknowledged event leaves the queue only when the store has settled it. What
 * cannot be read is settled as unparsed, so that it is seen and holds up nobody; a full
 * disk or a vault that does not answer is waited out.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/binding.h"
#include "gateway/inbound/internal.h"
#include "gateway/inbound/prepare.h"
#include "gateway/inbound/split.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

/* ------------------------------------------------------------ one event */

/* DONE: settled, or gone. AGAIN: something that all events need is not there for now. STUCK: this event's own fault,
 * perhaps a passing one. */
enum outcome { DONE, AGAIN, STUCK };
#define STUCK_TRIES 8u /* then it is kept unparsed: one event never holds up the others for good */

static enum outcome after_store(struct inbound *in, const struct store_event *e, enum store_error err)
{
	switch (err) {
	case STORE_OK:
	case STORE_STALE: /* settled before, by a call whose answer did not come in time */
	case STORE_NOT_FOUND: /* removed with its business */
		return DONE;
	case STORE_FAILED:
		inbound_failed(in);
		break;
	case STORE_TIMEOUT:
	case STORE_BUSY:
	case STORE_FULL:
		break;
	case STORE_EXISTS:
	case STORE_NUMBER_TAKEN:
	case STORE_NEWER:
	case STORE_NOT_OURS:
	case STORE_FOREIGN:
	case STORE_NO_MEMORY:
	case STORE_TOO_MANY:
	case STORE_INVALID:
		log_warn("event stuck business=%s event=%s: %s", e->business_id, e->id, store_error_text(err));
		return STUCK;
	}
	log_warn("event not settled yet business=%s event=%s: %s", e->business_id, e->id, store_error_text(err));
	return AGAIN;
}

/* What a failed sealing or look-up means for its event. */
static enum outcome after_tenant(const struct store_event *e, enum tenant_error err)
{
	log_warn("event not settled yet business=%s event=%s error=%d", e->business_id, e->id, (int)err);
	return err == TENANT_VAULT || err == TENANT_STORE ? AGAIN : STUCK;
}

static enum outcome settle_unparsed(struct inbound *in, const struct store_event *e, const char *why)
{
	struct store_intake_counts counts;

	log_warn("event kept unparsed business=%s event=%s: %s", e->business_id, e->id, why);
	return after_store(
		in, e, store_event_settle(in->store, e->business_id, e->id, STORE_EVENT_UNPARSED, NULL, 0, &counts));
}

static enum outcome settle_updates(struct inbound *in, const struct store_event *e, const struct prepared *p)
{
	struct store_intake_counts counts = {0, 0, 0, 0};
	enum store_error err =
		store_event_settle(in->store, e->business_id, e->id, STORE_EVENT_SETTLED, p->updates, p->len, &counts);

	if (err == STORE_INVALID)
		return settle_unparsed(in, e, "the store refused its updates");
	if (err == STORE_OK && counts.quarantined > 0)
		log_warn("updates quarantined business=%s connection=%s event=%s count=%u", e->business_id,
			e->connection_id, e->id, counts.quarantined);
	if (err == STORE_OK && (counts.awaiting > 0 || p->asks > 0))
		worker_wake(&in->answer);
	return after_store(in, e, err);
}

/* Whether the event shows that a connection's webhooks come here. 360dialog's secret is one connection's own. Meta's
 * signs for every account that the app serves, while each account may send its webhooks elsewhere: so the event must
 * be about this one, but for the first that ever came. */
static bool is_proven(const struct binding *b, size_t peer, const struct split_update *split, size_t len)
{
	if (peer == 0 && (b->provider == STORE_360DIALOG || b->peers[0].status == STORE_CONNECTION_PENDING))
		return true;
	for (size_t i = 0; i < len; i++) {
		const struct binding_claim claim = {.number = split[i].number, .account = split[i].account};

		if (binding_names(&b->peers[peer], &claim))
			return true;
	}
	return false;
}

/* A webhook that a secret verified proves a connection that was pending, or whose webhook somebody had taken. */
static void prove_connections(struct inbound *in, const struct store_event *e, const struct binding *b,
	const struct split_update *split, size_t len)
{
	for (size_t i = 0; i < b->peers_len; i++) {
		const struct binding_peer *peer = &b->peers[i];

		if ((peer->status != STORE_CONNECTION_PENDING && peer->status != STORE_CONNECTION_WEBHOOK_TAKEN) ||
			!is_proven(b, i, split, len))
			continue;
		if (store_connection_status_set(in->store, e->business_id, peer->connection_id, peer->status,
			    STORE_CONNECTION_ACTIVE) == STORE_OK)
			log_info("connection is active: a webhook came business=%s connection=%s", e->business_id,
				peer->connection_id);
	}
}

/* 360dialog names a connection's number only in what it delivers (facts/360dialog.md 1). */
static enum store_error learn_number(struct inbound *in, const struct store_event *e, const struct split_update *split,
	size_t len, struct binding *b)
{
	size_t i = 0;
	enum store_error err;

	if (b->peers_len == 0 || b->provider != STORE_360DIALOG || b->peers[0].number[0] != '\0')
		return STORE_OK;
	while (i < len && !binding_is_number(split[i].number))
		i++;
	if (i == len)
		return STORE_OK;
	err = binding_learn(in->store, e->business_id, b, split[i].number, split[i].account);
	if (b->peers[0].number[0] != '\0')
		log_info("connection has its number business=%s connection=%s", e->business_id, e->connection_id);
	return err;
}

static enum outcome bind_and_settle(
	struct inbound *in, const struct store_event *e, const struct split_update *split, size_t len)
{
	struct store_business business;
	struct binding binding;
	struct prepare_event ev = {e->business_id, e->connection_id, e->received_at, false, false, &binding};
	struct prepared prepared;
	enum outcome outcome = AGAIN;
	enum tenant_error prepare;
	enum store_error err = store_business_get(in->store, e->business_id, &business);

	if (err == STORE_OK)
		err = binding_load(in->store, e->business_id, e->connection_id, &binding);
	if (err == STORE_OK)
		err = learn_number(in, e, split, len, &binding);
	if (err != STORE_OK)
		return after_store(in, e, err);
	prove_connections(in, e, &binding, split, len);
	ev.answers = business.status == STORE_BUSINESS_ACTIVE && strcmp(business.responder, "none") != 0;
	ev.statuses = ev.answers && reply_hears_statuses(business.responder);
	prepare = intake_prepare(in->opt.tenants, &ev, split, len, &prepared);
	if (prepare == TENANT_OK)
		outcome = settle_updates(in, e, &prepared);
	else if (prepare == TENANT_NOT_FOUND || prepare == TENANT_BAD_DATA)
		outcome = settle_unparsed(in, e, "it cannot be sealed with the business's keys");
	else
		outcome = after_tenant(e, prepare);
	intake_prepared_clear(&prepared);
	return outcome;
}

static enum outcome split_and_settle(struct inbound *in, const struct store_event *e, const uint8_t *body, size_t len)
{
	struct split_update *split = NULL;
	size_t split_len = 0;
	cJSON *root = NULL;
	enum outcome outcome = AGAIN;
	enum split_error err = split_parse(body, len, &root);

	if (err == SPLIT_OK)
		err = split_envelope(root, &split, &split_len);
	switch (err) {
	case SPLIT_OK:
		outcome = bind_and_settle(in, e, split, split_len);
		break;
	case SPLIT_NOT_JSON:
		outcome = settle_unparsed(in, e, "not JSON");
		break;
	case SPLIT_UNKNOWN_SHAPE:
		outcome = settle_unparsed(in, e, "JSON of an unknown shape");
		break;
	case SPLIT_TOO_MANY:
		outcome = settle_unparsed(in, e, "more updates than a webhook may hold");
		break;
	case SPLIT_NO_MEMORY:
		outcome = after_tenant(e, TENANT_NO_MEMORY);
		break;
	}
	free(split);
	cJSON_Delete(root);
	return outcome;
}

static enum outcome settle(struct inbound *in, const struct store_event *e)
{
	struct tenant_place place = {e->business_id, "events", e->id, "body", 1};
	uint8_t *body = NULL;
	size_t len = 0;
	enum outcome outcome;
	enum tenant_error err = tenant_open(in->opt.tenants, &place, e->body, e->body_len, &body, &len);

	switch (err) {
	case TENANT_OK:
		outcome = split_and_settle(in, e, body, len);
		vault_wipe(body, len);
		free(body);
		return outcome;
	case TENANT_NOT_FOUND:
		return settle_unparsed(in, e, "its business has no keys any more");
	case TENANT_BAD_DATA:
		return settle_unparsed(in, e, "it does not open");
	case TENANT_VAULT:
	case TENANT_STORE:
	case TENANT_NO_MEMORY:
		break;
	}
	return after_tenant(e, err);
}

/* The thread's own: what came of the rows read last, and what it remembers from one reading to the next. */
struct reading {
	struct inbound *in;
	enum outcome outcome;
	size_t len;
	char stuck[STORE_ID_LEN + 1]; /* the event that could not be settled last, and how often */
	unsigned stuck_tries;
};

/* Settles an event, or after a few tries at the same one keeps it unparsed. */
static enum outcome settle_or_keep(struct reading *r, const struct store_event *e)
{
	enum outcome outcome = settle(r->in, e);

	if (outcome != STUCK)
		return outcome;
	if (strcmp(r->stuck, e->id) != 0) {
		memcpy(r->stuck, e->id, sizeof(r->stuck));
		r->stuck_tries = 0;
	}
	if (++r->stuck_tries < STUCK_TRIES)
		return AGAIN;
	return settle_unparsed(r->in, e, "it could not be settled") == DONE ? DONE : AGAIN;
}

/* ------------------------------------------------------------ the thread */

static bool settle_row(const struct store_event *e, void *arg)
{
	struct reading *r = arg;

	if (worker_stopping(&r->in->intake))
		return false;
	r->len++;
	r->outcome = settle_or_keep(r, e);
	return r->outcome == DONE;
}

void *intake_run(void *arg)
{
	struct inbound *in = arg;
	struct reading r = {.in = in};
	unsigned pause_ms = 0;

	(void)pthread_setname_np(pthread_self(), "intake");
	while (!worker_stopping(&in->intake)) {
		enum store_error err;

		r.len = 0;
		r.outcome = DONE;
		err = store_event_unsettled(in->store, INBOUND_EVENTS_AHEAD, settle_row, &r);
		if (err == STORE_FAILED)
			inbound_failed(in);
		if (err != STORE_OK || r.outcome == AGAIN) {
			pause_ms = worker_backoff(pause_ms);
			worker_pause(&in->intake, pause_ms);
			continue;
		}
		pause_ms = 0;
		if (r.len == 0)
			worker_wait(&in->intake, INBOUND_IDLE_MS);
	}
	return NULL;
}
