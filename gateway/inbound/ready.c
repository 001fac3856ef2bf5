/*
 * From a sealed body to what is to be settled. Nothing of an event is trusted but that it was signed: what is not read, or
 * belongs to nobody here, is kept and said so.
 */
#include "gateway/inbound/ready.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/split.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

enum outcome ready_after(struct inbound *in, const struct store_event *e, enum store_error err)
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

static void fill(struct ready *out, const struct store_event *e, enum store_event_state state)
{
	memset(out, 0, sizeof(*out));
	out->event = *e;
	out->event.body = NULL;
	out->state = state;
	out->why = DELIVERY_NO_REASON;
}

void ready_unparsed(const struct store_event *e, const char *why, struct ready *out)
{
	fill(out, e, STORE_EVENT_UNPARSED);
	log_warn("event kept unparsed business=%s event=%s: %s", e->business_id, e->id, why);
	memcpy(out->here[out->here_len++], e->connection_id, sizeof(e->connection_id));
}

static enum outcome unparsed(const struct store_event *e, const char *why, struct ready *out)
{
	ready_unparsed(e, why, out);
	return DONE;
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

void ready_settled(struct inbound *in, const struct ready *r)
{
	const struct store_event *e = &r->event;

	for (size_t i = 0; i < r->here_len; i++)
		deliveries_note(in->deliveries, e->business_id, r->here[i], DELIVERY_NO_REASON, e->received_at);
	if (r->why == DELIVERY_NO_REASON)
		return;
	deliveries_note(in->deliveries, e->business_id, e->connection_id, r->why, e->received_at);
	atomic_fetch_add(&in->whys[r->why], 1);
}

static enum store_error origin_load(
	struct inbound *in, struct origins *known, const struct store_event *e, struct origin **out)
{
	struct origin *o = known->all;
	enum store_error err;

	for (size_t i = 0; i < known->len; i++, o++) {
		if (strcmp(o->connection_id, e->connection_id) == 0 && strcmp(o->business_id, e->business_id) == 0) {
			*out = o;
			return STORE_OK;
		}
	}
	if (known->len == ORIGINS_MAX) {
		known->len = 0;
		o = known->all;
	}
	err = store_business_get(in->store, e->business_id, &o->business);
	if (err == STORE_OK)
		err = binding_load(in->store, e->business_id, e->connection_id, &o->binding);
	if (err != STORE_OK)
		return err;
	memcpy(o->business_id, e->business_id, sizeof(o->business_id));
	memcpy(o->connection_id, e->connection_id, sizeof(o->connection_id));
	known->len++;
	*out = o;
	return STORE_OK;
}

static enum outcome bind(struct inbound *in, struct origins *origins, const struct store_event *e,
	const struct split_update *split, size_t len, struct ready *out)
{
	struct prepare_event ev = {e->business_id, e->connection_id, e->received_at, false, false, false, NULL};
	struct prepared prepared;
	struct origin *o;
	enum tenant_error prepare;
	enum store_error err = origin_load(in, origins, e, &o);

	if (err == STORE_OK)
		err = learn_number(in, e, split, len, &o->binding);
	if (err == STORE_NOT_FOUND)
		return unparsed(e, "its business was removed", out);
	if (err != STORE_OK)
		return ready_after(in, e, err);
	/* Connections that are moved by this are read anew for the next. */
	if (prove_connections(in, e, &o->binding, split, len))
		o->connection_id[0] = '\0';
	ev.binding = &o->binding;
	ev.answers = o->business.status == STORE_BUSINESS_ACTIVE && strcmp(o->business.responder, "none") != 0;
	ev.statuses = ev.answers && reply_hears_statuses(o->business.responder);
	ev.all = ev.statuses && o->business.all_updates;
	prepare = intake_prepare(in->opt.tenants, &ev, split, len, &prepared);
	if (prepare == TENANT_OK) {
		fill(out, e, STORE_EVENT_SETTLED);
		out->prepared = prepared;
		see_where(out, &o->binding, split);
		return DONE;
	}
	intake_prepared_clear(&prepared);
	if (prepare == TENANT_NOT_FOUND || prepare == TENANT_BAD_DATA)
		return unparsed(e, "it cannot be sealed with the business's keys", out);
	return after_tenant(e, prepare);
}

/* ------------------------------------------------------------ one event */

static enum outcome read_body(struct inbound *in, struct origins *origins, const struct store_event *e, bool room,
	const uint8_t *body, size_t len, struct ready *out)
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
		outcome = split_len > STORE_PIECE && !room ? CROWDED : bind(in, origins, e, split, split_len, out);
		break;
	case SPLIT_NOT_JSON:
		outcome = unparsed(e, "not JSON", out);
		break;
	case SPLIT_UNKNOWN_SHAPE:
		outcome = unparsed(e, "JSON of an unknown shape", out);
		break;
	case SPLIT_TOO_MANY:
		outcome = unparsed(e, "more updates than a webhook may hold", out);
		break;
	case SPLIT_NO_MEMORY:
		outcome = after_tenant(e, TENANT_NO_MEMORY);
		break;
	}
	free(split);
	cJSON_Delete(root);
	return outcome;
}

enum outcome ready_make(
	struct inbound *in, struct origins *origins, const struct store_event *e, bool room, struct ready *out)
{
	struct tenant_place place = {e->business_id, "events", e->id, "body", 1};
	uint8_t *body = NULL;
	size_t len = 0;
	enum outcome outcome;
	enum tenant_error err = tenant_open(in->opt.tenants, &place, e->body, e->body_len, &body, &len);

	/* What lay there before is nothing of this event's. */
	memset(out, 0, sizeof(*out));
	switch (err) {
	case TENANT_OK:
		outcome = read_body(in, origins, e, room, body, len, out);
		vault_wipe(body, len);
		free(body);
		return outcome;
	case TENANT_NOT_FOUND:
		return unparsed(e, "its business has no keys any more", out);
	case TENANT_BAD_DATA:
		return unparsed(e, "it does not open", out);
	case TENANT_VAULT:
	case TENANT_STORE:
	case TENANT_NO_MEMORY:
		break;
	}
	return after_tenant(e, err);
}
