/*
 * The thread that settles events: opens, splits, binds, hands many to the store at once.
 *
 * An acknowledged event leaves the queue only when the store has settled it. What
 * cannot be read is settled as unparsed, so that it is seen and holds up nobody; a full
 * disk or a vault that does not answer is waited out.
 *
 * Events are made ready one by one and settled by the batch: a commit each would be all
 * that this thread ever does. While webhooks wait for a commit it leaves them the writer.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/binding.h"
#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/internal.h"
#include "gateway/inbound/prepare.h"
#include "gateway/inbound/split.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

#define BATCH_MAX STORE_SETTLING_MAX
#define BATCH_UPDATES 256u /* full: what is ready lies in memory */
#define BUSY_FROM 16u /* so many changes wait to be written */
#define BATCH_BUSY 8u /* then */
#define PAUSE_MAX_MS 100u

/* DONE: settled, or gone. AGAIN: something that all events need is not there for now. STUCK: this event's own fault,
 * perhaps a passing one. */
enum outcome { DONE, AGAIN, STUCK };
#define STUCK_TRIES 8u /* then it is kept unparsed: one event never holds up the others for good */

/* An event that is ready. */
struct ready {
	struct store_event event; /* without its body */
	enum store_event_state state;
	struct prepared prepared;
	/* Which connections something in it belongs to, and why something does not. */
	char here[TENANT_VERIFIERS_MAX][STORE_ID_LEN + 1];
	size_t here_len;
	enum delivery_why why;
};

/* Whose event it is: the same for many. Good for as long as it takes to fill a batch. */
struct origin {
	char business_id[STORE_BUSINESS_ID_LEN + 1], connection_id[STORE_ID_LEN + 1];
	struct store_business business;
	struct binding binding;
};
#define ORIGINS_MAX 32u

/* The thread's own: a batch, and what it remembers from one to the next. */
struct batch {
	struct inbound *in;
	struct ready ready[BATCH_MAX];
	size_t len, updates;
	struct origin origins[ORIGINS_MAX];
	size_t origins_len;
	unsigned limit; /* events in the next one */
	size_t read; /* rows */
	enum outcome outcome; /* of making the last row ready */
	char stuck[STORE_ID_LEN + 1]; /* the event that could not be settled last, and how often */
	unsigned stuck_tries;
};

/* ------------------------------------------------------------ what came of it */

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

/* Puts it into the batch, which owns p's content from here on. */
static enum outcome add(struct batch *b, const struct store_event *e, enum store_event_state state, struct prepared *p)
{
	struct ready *r = &b->ready[b->len++];

	r->event = *e;
	r->event.body = NULL;
	r->state = state;
	r->here_len = 0;
	r->why = DELIVERY_NO_REASON;
	memset(&r->prepared, 0, sizeof(r->prepared));
	if (p != NULL) {
		r->prepared = *p;
		memset(p, 0, sizeof(*p)); /* transferred */
	}
	b->updates += r->prepared.len + 1;
	return DONE;
}

static enum outcome add_unparsed(struct batch *b, const struct store_event *e, const char *why)
{
	enum outcome outcome = add(b, e, STORE_EVENT_UNPARSED, NULL);
	struct ready *r = &b->ready[b->len - 1];

	log_warn("event kept unparsed business=%s event=%s: %s", e->business_id, e->id, why);
	memcpy(r->here[r->here_len++], e->connection_id, sizeof(e->connection_id));
	return outcome;
}

/* ------------------------------------------------------------ whose it is */

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

/* A webhook that a secret verified proves a connection that was pending, or whose webhook somebody had taken. True: there
 * was one. */
static bool prove_connections(struct inbound *in, const struct store_event *e, const struct binding *b,
	const struct split_update *split, size_t len)
{
	bool moved = false;

	for (size_t i = 0; i < b->peers_len; i++) {
		const struct binding_peer *peer = &b->peers[i];

		if ((peer->status != STORE_CONNECTION_PENDING && peer->status != STORE_CONNECTION_WEBHOOK_TAKEN) ||
			!is_proven(b, i, split, len))
			continue;
		moved = true;
		if (store_connection_status_set(in->store, e->business_id, peer->connection_id, peer->status,
			    STORE_CONNECTION_ACTIVE) == STORE_OK)
			log_info("connection is active: a webhook came business=%s connection=%s", e->business_id,
				peer->connection_id);
	}
	return moved;
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

/* Which of the peers an update belongs to: those that it names, else the one that verified it. */
static void mark_peers(const struct binding *b, const struct split_update *u, bool here[static TENANT_VERIFIERS_MAX])
{
	/* A number tells between two connections of one account. */
	const struct binding_claim claim = {.number = u->number, .account = u->number == NULL ? u->account : NULL};
	bool named = false;

	for (size_t i = 0; i < b->peers_len; i++) {
		if (!binding_names(&b->peers[i], &claim))
			continue;
		here[i] = true;
		named = true;
	}
	here[0] = here[0] || !named;
}

/* So that a shop can be told when something came last, and what was wrong with it: accepted for each connection that
 * something in the event belongs to, and where something belongs to none, put aside for the one that verified it. */
static void see_where(struct ready *r, const struct binding *b, const struct split_update *split)
{
	bool here[TENANT_VERIFIERS_MAX] = {false};

	for (size_t i = 0; i < r->prepared.len; i++)
		if (r->prepared.updates[i].verdict != STORE_UPDATE_QUARANTINED)
			mark_peers(b, &split[i], here);
		else
			r->why = split[i].number != NULL ? DELIVERY_WRONG_NUMBER : DELIVERY_WRONG_ACCOUNT;
	for (size_t i = 0; i < b->peers_len; i++)
		if (here[i])
			memcpy(r->here[r->here_len++], b->peers[i].connection_id, sizeof(r->here[0]));
	if (b->peers_len == 0)
		r->why = DELIVERY_NO_REASON;
}

/* Once it is settled. */
static void note_settled(struct inbound *in, const struct ready *r)
{
	const struct store_event *e = &r->event;

	for (size_t i = 0; i < r->here_len; i++)
		deliveries_note(in->deliveries, e->business_id, r->here[i], DELIVERY_NO_REASON, e->received_at);
	if (r->why == DELIVERY_NO_REASON)
		return;
	deliveries_note(in->deliveries, e->business_id, e->connection_id, r->why, e->received_at);
	atomic_fetch_add(&in->whys[r->why], 1);
}

static enum store_error origin_load(struct batch *b, const struct store_event *e, struct origin **out)
{
	struct origin *o = b->origins;
	enum store_error err;

	for (size_t i = 0; i < b->origins_len; i++, o++) {
		if (strcmp(o->connection_id, e->connection_id) == 0 && strcmp(o->business_id, e->business_id) == 0) {
			*out = o;
			return STORE_OK;
		}
	}
	if (b->origins_len == ORIGINS_MAX) {
		b->origins_len = 0;
		o = b->origins;
	}
	err = store_business_get(b->in->store, e->business_id, &o->business);
	if (err == STORE_OK)
		err = binding_load(b->in->store, e->business_id, e->connection_id, &o->binding);
	if (err != STORE_OK)
		return err;
	memcpy(o->business_id, e->business_id, sizeof(o->business_id));
	memcpy(o->connection_id, e->connection_id, sizeof(o->connection_id));
	b->origins_len++;
	*out = o;
	return STORE_OK;
}

static enum outcome bind_and_add(
	struct batch *b, const struct store_event *e, const struct split_update *split, size_t len)
{
	struct prepare_event ev = {e->business_id, e->connection_id, e->received_at, false, false, false, NULL};
	struct prepared prepared;
	struct origin *o;
	enum outcome outcome;
	enum tenant_error prepare;
	enum store_error err = origin_load(b, e, &o);

	if (err == STORE_OK)
		err = learn_number(b->in, e, split, len, &o->binding);
	if (err != STORE_OK)
		return after_store(b->in, e, err);
	/* Connections that are moved by this are read anew for the next. */
	if (prove_connections(b->in, e, &o->binding, split, len))
		o->connection_id[0] = '\0';
	ev.binding = &o->binding;
	ev.answers = o->business.status == STORE_BUSINESS_ACTIVE && strcmp(o->business.responder, "none") != 0;
	ev.statuses = ev.answers && reply_hears_statuses(o->business.responder);
	ev.all = ev.statuses && o->business.all_updates;
	prepare = intake_prepare(b->in->opt.tenants, &ev, split, len, &prepared);
	if (prepare == TENANT_OK) {
		outcome = add(b, e, STORE_EVENT_SETTLED, &prepared);
		see_where(&b->ready[b->len - 1], &o->binding, split);
	} else if (prepare == TENANT_NOT_FOUND || prepare == TENANT_BAD_DATA) {
		outcome = add_unparsed(b, e, "it cannot be sealed with the business's keys");
	} else {
		outcome = after_tenant(e, prepare);
	}
	intake_prepared_clear(&prepared);
	return outcome;
}

/* ------------------------------------------------------------ one event */

static enum outcome split_and_add(struct batch *b, const struct store_event *e, const uint8_t *body, size_t len)
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
		outcome = bind_and_add(b, e, split, split_len);
		break;
	case SPLIT_NOT_JSON:
		outcome = add_unparsed(b, e, "not JSON");
		break;
	case SPLIT_UNKNOWN_SHAPE:
		outcome = add_unparsed(b, e, "JSON of an unknown shape");
		break;
	case SPLIT_TOO_MANY:
		outcome = add_unparsed(b, e, "more updates than a webhook may hold");
		break;
	case SPLIT_NO_MEMORY:
		outcome = after_tenant(e, TENANT_NO_MEMORY);
		break;
	}
	free(split);
	cJSON_Delete(root);
	return outcome;
}

static enum outcome make_ready(struct batch *b, const struct store_event *e)
{
	struct tenant_place place = {e->business_id, "events", e->id, "body", 1};
	uint8_t *body = NULL;
	size_t len = 0;
	enum outcome outcome;
	enum tenant_error err = tenant_open(b->in->opt.tenants, &place, e->body, e->body_len, &body, &len);

	switch (err) {
	case TENANT_OK:
		outcome = split_and_add(b, e, body, len);
		vault_wipe(body, len);
		free(body);
		return outcome;
	case TENANT_NOT_FOUND:
		return add_unparsed(b, e, "its business has no keys any more");
	case TENANT_BAD_DATA:
		return add_unparsed(b, e, "it does not open");
	case TENANT_VAULT:
	case TENANT_STORE:
	case TENANT_NO_MEMORY:
		break;
	}
	return after_tenant(e, err);
}

/* Whether an event that is stuck had its tries. */
static bool is_given_up(struct batch *b, const struct store_event *e)
{
	if (strcmp(b->stuck, e->id) != 0) {
		memcpy(b->stuck, e->id, sizeof(b->stuck));
		b->stuck_tries = 0;
	}
	return ++b->stuck_tries >= STUCK_TRIES;
}

static bool take_row(const struct store_event *e, void *arg)
{
	struct batch *b = arg;

	if (worker_stopping(&b->in->intake))
		return false;
	b->read++;
	b->outcome = make_ready(b, e);
	if (b->outcome == STUCK)
		b->outcome = is_given_up(b, e) ? add_unparsed(b, e, "it could not be settled") : AGAIN;
	return b->outcome == DONE && b->updates < BATCH_UPDATES;
}

/* ------------------------------------------------------------ a batch */

static enum outcome keep_unparsed(struct inbound *in, const struct store_event *e, const char *why)
{
	struct store_intake_counts counts;

	log_warn("event kept unparsed business=%s event=%s: %s", e->business_id, e->id, why);
	return after_store(
		in, e, store_event_settle(in->store, e->business_id, e->id, STORE_EVENT_UNPARSED, NULL, 0, &counts));
}

static enum outcome after_settling(struct batch *b, const struct ready *r, const struct store_settling *s)
{
	enum outcome outcome;

	if (s->result == STORE_INVALID)
		return keep_unparsed(b->in, &r->event, "the store refused its updates");
	if (s->result == STORE_OK && s->counts.quarantined > 0)
		log_warn("updates quarantined business=%s connection=%s event=%s count=%u", r->event.business_id,
			r->event.connection_id, r->event.id, s->counts.quarantined);
	if (s->result == STORE_OK)
		note_settled(b->in, r);
	if (s->result == STORE_OK && (s->counts.awaiting > 0 || r->prepared.asks > 0))
		worker_wake(&b->in->answer);
	outcome = after_store(b->in, &r->event, s->result);
	if (outcome != STUCK)
		return outcome;
	return is_given_up(b, &r->event) ? keep_unparsed(b->in, &r->event, "it could not be settled") : AGAIN;
}

/* DONE, unless something has to be tried again. Nothing is left in the batch. */
static enum outcome batch_settle(struct batch *b)
{
	struct store_settling all[BATCH_MAX];
	enum outcome outcome = DONE;
	enum store_error err;

	for (size_t i = 0; i < b->len; i++) {
		const struct ready *r = &b->ready[i];

		all[i] = (struct store_settling){.business_id = r->event.business_id,
			.event_id = r->event.id,
			.state = r->state,
			.updates = r->prepared.updates,
			.updates_len = r->prepared.len};
	}
	err = store_events_settle(b->in->store, all, b->len);
	for (size_t i = 0; i < b->len; i++) {
		all[i].result = err == STORE_OK ? all[i].result : err;
		if (after_settling(b, &b->ready[i], &all[i]) == AGAIN)
			outcome = AGAIN;
		intake_prepared_clear(&b->ready[i].prepared);
	}
	b->len = b->updates = 0;
	return outcome;
}

/* Reads so many events and settles them. */
static enum outcome batch_run(struct batch *b)
{
	struct store_look look = {.limit = b->limit};
	enum outcome outcome = DONE;
	enum store_error err;

	b->read = b->origins_len = 0;
	b->outcome = DONE;
	err = store_event_unsettled(b->in->store, &look, take_row, b);
	if (err == STORE_FAILED)
		inbound_failed(b->in);
	if (b->len > 0)
		outcome = batch_settle(b);
	return err == STORE_OK && b->outcome == DONE ? outcome : AGAIN;
}

/* Whoever waits for an acknowledgement goes first: the more there are, the longer this thread rests after its work, and the
 * less it brings at once. */
static void give_way(struct batch *b, int64_t took_ms)
{
	const unsigned waiting = store_waiting(b->in->store);
	const int64_t pause_ms = waiting < BUSY_FROM ? 0 : took_ms * 4 * waiting / BUSY_FROM;

	b->limit = waiting < BUSY_FROM ? BATCH_MAX : BATCH_BUSY;
	if (pause_ms > 0)
		worker_pause(&b->in->intake, pause_ms < PAUSE_MAX_MS ? (unsigned)pause_ms : PAUSE_MAX_MS);
}

/* ------------------------------------------------------------ the thread */

void *intake_run(void *arg)
{
	struct inbound *in = arg;
	struct batch *b = in->batch;
	unsigned pause_ms = 0;

	(void)pthread_setname_np(pthread_self(), "intake");
	b->in = in;
	b->limit = BATCH_MAX;
	while (!worker_stopping(&in->intake)) {
		const int64_t began = worker_now_ms();

		if (batch_run(b) != DONE) {
			pause_ms = worker_backoff(pause_ms);
			worker_pause(&in->intake, pause_ms);
			continue;
		}
		pause_ms = 0;
		if (b->read == 0)
			worker_wait(&in->intake, INBOUND_IDLE_MS);
		else
			give_way(b, worker_now_ms() - began);
	}
	return NULL;
}

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}
