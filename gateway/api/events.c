/*
 * Events: what arrived at a business's webhook and what became of it. A list is without
 * content; one that is looked up shows its updates, and the body as it came.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/utf8.h"

/* No state of its own: those of which something was put aside. */
#define QUARANTINED (STORE_EVENT_UNPARSED + 1)

static const struct listing_name states[] = {{"accepted", STORE_EVENT_ACCEPTED}, {"settled", STORE_EVENT_SETTLED},
	{"unparsed", STORE_EVENT_UNPARSED}, {"quarantined", QUARANTINED}, {NULL, 0}};

static const struct listing_name kinds[] = {{"message", STORE_UPDATE_MESSAGE}, {"status", STORE_UPDATE_STATUS},
	{"echo", STORE_UPDATE_ECHO}, {"other", STORE_UPDATE_OTHER}, {NULL, 0}};

static const struct listing_name verdicts[] = {{"delivered", STORE_UPDATE_DELIVERED},
	{"quarantined", STORE_UPDATE_QUARANTINED}, {"duplicate", STORE_UPDATE_DUPLICATE}, {NULL, 0}};

static void put_summary(struct out *o, const struct store_event_summary *e)
{
	out_text(o, "id", e->id);
	out_text(o, "connection_id", e->connection_id);
	out_text(o, "state", listing_name(states, (int)e->state));
	out_time(o, "received_at", e->received_at);
	out_number(o, "delivered", e->delivered);
	out_number(o, "quarantined", e->quarantined);
	out_number(o, "duplicates", e->duplicates);
}

static bool list_one(const struct store_event_summary *e, void *arg)
{
	struct listing *l = arg;
	struct out o;

	if (!listing_wants(l))
		return false;
	out_begin(&o);
	put_summary(&o, e);
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

/* ------------------------------------------------------------ one event */

/* A copy, so that opening its body may ask the store for keys. */
struct seen {
	struct store_event_summary event;
	uint8_t *body; /* sealed; NULL: not kept any more */
	size_t body_len;
	bool no_memory;
};

static bool take(const struct store_event_summary *e, const uint8_t *body, size_t body_len, void *arg)
{
	struct seen *seen = arg;

	seen->event = *e;
	if (body_len == 0)
		return true;
	seen->body = malloc(body_len);
	seen->no_memory = seen->body == NULL;
	if (seen->body != NULL)
		memcpy(seen->body, body, body_len);
	seen->body_len = body_len;
	return true;
}

static bool put_update(const struct store_update_row *u, void *arg)
{
	struct cJSON *list = arg, *update;
	struct out o;

	out_begin(&o);
	out_text(&o, "field", u->field);
	out_text(&o, "kind", listing_name(kinds, (int)u->kind));
	out_text(&o, "what", u->what);
	out_text(&o, "verdict", listing_name(verdicts, (int)u->verdict));
	out_text(&o, "number", u->number);
	out_text(&o, "reason", u->reason);
	update = out_end(&o);
	return update != NULL && cJSON_AddItemToArray(list, update);
}

/* As it came, to the last digit, where that is JSON to everybody, else as it was understood; what is no JSON, or not kept,
 * or does not open, shows null. NULL: memory is short. */
static cJSON *raw_of(struct call *c, const struct seen *seen)
{
	const struct tenant_place where = {c->business.id, "events", seen->event.id, "body", 1};
	uint8_t *plain = NULL;
	cJSON *parsed = NULL, *raw;
	size_t len;

	if (seen->body != NULL &&
		tenant_open(c->api->tenants, &where, seen->body, seen->body_len, &plain, &len) == TENANT_OK)
		parsed = utf8_ok((const char *)plain, len) ? json_parse((const char *)plain, len) : NULL;
	raw = parsed == NULL				   ? cJSON_CreateNull()
		: json_is_strict((const char *)plain, len) ? cJSON_CreateRaw((const char *)plain)
							   : cJSON_Duplicate(parsed, true);
	cJSON_Delete(parsed);
	if (plain != NULL)
		vault_wipe(plain, len);
	free(plain);
	return raw;
}

void events_get(struct call *c)
{
	struct seen seen = {.body = NULL};
	cJSON *updates = cJSON_CreateArray();
	enum store_error err = store_event_get(c->api->store, c->business.id, c->id, take, &seen);
	struct out o;

	if (err == STORE_OK)
		err = store_update_list(c->api->store, c->business.id, c->id, put_update, updates);
	if (err == STORE_OK && (seen.no_memory || updates == NULL))
		err = STORE_NO_MEMORY;
	if (err != STORE_OK) {
		problem_store(c, err);
		cJSON_Delete(updates);
	} else {
		out_begin(&o);
		put_summary(&o, &seen.event);
		out_value(&o, "updates", updates);
		out_value(&o, "raw", raw_of(c, &seen));
		out_send(&o, c->res, 200);
	}
	free(seen.body);
}
