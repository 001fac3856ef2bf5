/*
 * Events: what arrived at a business's webhook and what became of it, without content.
 */
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/log.h"

/* No state of its own: those of which something was put aside. */
#define QUARANTINED (STORE_EVENT_UNPARSED + 1)

static const struct listing_name states[] = {{"accepted", STORE_EVENT_ACCEPTED}, {"settled", STORE_EVENT_SETTLED},
	{"unparsed", STORE_EVENT_UNPARSED}, {"quarantined", QUARANTINED}, {NULL, 0}};

static bool list_one(const struct store_event_summary *e, void *arg)
{
	struct listing *l = arg;
	struct out o;

	if (!listing_wants(l))
		return false;
	out_begin(&o);
	out_text(&o, "id", e->id);
	out_text(&o, "connection_id", e->connection_id);
	out_text(&o, "state", listing_name(states, (int)e->state));
	out_time(&o, "received_at", e->received_at);
	out_number(&o, "delivered", e->delivered);
	out_number(&o, "quarantined", e->quarantined);
	out_number(&o, "duplicates", e->duplicates);
	return listing_add(l, e->id, out_end(&o));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	const int *state = ctx;

	if (*state == QUARANTINED)
		return store_quarantined_events(l->call->api->store, l->call->business.id, &l->page, list_one, l);
	return store_event_list(
		l->call->api->store, l->call->business.id, (enum store_event_state) * state, &l->page, list_one, l);
}

void events_list(struct call *c)
{
	int state = 0;

	if (listing_choice(c, "state", states, &state))
		listing_answer(c, list, NULL, &state);
}

void events_replay(struct call *c)
{
	enum store_replay found;
	const enum store_error err = store_event_replay(c->api->store, c->business.id, c->id, store_now_ms(), &found);
	struct out o;

	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	switch (found) {
	case STORE_REPLAY_NOTHING:
		problem(c->res, PROBLEM_CONFLICT, NULL, "nothing of this event was put aside");
		return;
	case STORE_REPLAY_TOO_OLD:
		problem(c->res, PROBLEM_CONFLICT, NULL,
			"this event is too old: its content is gone, or what was delivered of it would be delivered "
			"again");
		return;
	case STORE_REPLAY_BEGINS:
		log_info("event is settled once more business=%s event=%s", c->business.id, c->id);
		break;
	case STORE_REPLAY_WAITS:
		break;
	}
	out_begin(&o);
	out_text(&o, "id", c->id);
	out_text(&o, "state", listing_name(states, STORE_EVENT_ACCEPTED));
	out_send(&o, c->res, 202);
}
