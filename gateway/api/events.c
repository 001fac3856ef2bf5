/*
 * Events: what arrived at a business's webhook and what became of it, without content.
 */
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"

static const struct listing_name states[] = {{"accepted", STORE_EVENT_ACCEPTED}, {"settled", STORE_EVENT_SETTLED},
	{"unparsed", STORE_EVENT_UNPARSED}, {NULL, 0}};

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

	return store_event_list(
		l->call->api->store, l->call->business.id, (enum store_event_state) * state, &l->page, list_one, l);
}

void events_list(struct call *c)
{
	int state = 0;

	if (listing_choice(c, "state", states, &state))
		listing_answer(c, list, NULL, &state);
}
