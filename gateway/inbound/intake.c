/*
 * The thread that settles events: opens, splits, binds, hands many to the store at once.
 *
 * An acknowledged event leaves the queue only when the store has settled it. What
 * cannot be read is settled as unparsed, so that it is seen and holds up nobody; a full
 * disk or a vault that does not answer is waited out.
 *
 * Events are made ready one by one and settled by the batch: a commit each would be all
 * that this thread ever does. While webhooks wait for a commit it leaves them the writer.
 *
 * Oldest first, but that nobody is held up by what another has waiting: a business with many events, with one of many
 * updates or with one that is stuck takes turns with others like it (turns.h), and each batch has a piece of what one of
 * them has beside what came of all others. The queue is looked through behind two places: behind `head` is what
 * nobody looked at yet, behind its turn's `after` what a business has waiting. What is settled once more lies before them,
 * so a third look goes round there. None of them goes far at a time: the queue may be long.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/binding.h"
#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/internal.h"
#include "gateway/inbound/prepare.h"
#include "gateway/inbound/split.h"
#include "gateway/inbound/turns.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

#define BATCH_MAX STORE_SETTLING_MAX
#define BATCH_UPDATES 256u /* full: what is ready lies in memory */
#define BUSY_FROM 4u /* so many changes wait to be written */
#define BATCH_BUSY 8u /* then */
#define PAUSE_FROM 10u /* and from here on it rests between two of them, the longer the more there are */
#define PAUSE_MAX_MS 100u
#define TURN_PART 4u /* this part of a batch, at least, is of those who take turns, where there are any */
#define TURN_UPDATES (2 * STORE_PIECE) /* with their events, of the one whose turn it is */
#define LOOK_ROWS 16384u /* for new events, and for those of one business */
#define BEHIND_ROWS 4096u
#define HELD_MAX 2u /* events in pieces that lie in memory: each may be some 30 MB */
#define HELD_MS 15000 /* then it is made ready anew: the keys it was sealed with may be about to go (rotation.h) */
#define STUCK_WAIT_MS 50u

/* DONE: settled, or gone. AGAIN: something that all events need is not there for now. STUCK: this event's own fault,
 * perhaps a passing one. CROWDED: it has many updates, and there is no room to hold them. */
enum outcome { DONE, AGAIN, STUCK, CROWDED };
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
	struct turns turns;
	struct ready held[HELD_MAX]; /* of turns; one without an event is free */
	size_t held_len;
	int64_t head; /* a place: up to there all is settled, or of those who take turns */
	int64_t behind; /* so far it was looked through for what is settled once more */
	int64_t wall; /* the place of an event that waits until somebody else can take turns; 0: none does */
	/* The look that goes on. */
	struct turn *turn; /* whose events it takes; NULL: all that take no turns */
	size_t full; /* at so many updates it takes no more */
	int64_t came; /* the place of the last that was taken */
	bool cut; /* it ended there */
	struct turn *piece; /* whose held event has a piece in the batch; NULL: nobody's */
	bool idle; /* there was nothing to do, nor is there now */
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
		outcome = split_len > STORE_PIECE && b->held_len == HELD_MAX ? CROWDED
									     : bind_and_add(b, e, split, split_len);
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

/* ------------------------------------------------------------ what goes by turns */

static void held_free(struct batch *b, struct turn *t)
{
	if (t->held == NULL)
		return;
	intake_prepared_clear(&t->held->prepared);
	t->held->event.id[0] = '\0';
	t->held = NULL;
	b->held_len--;
}

static void held_keep(struct batch *b, struct turn *t, struct ready *r)
{
	struct ready *slot = b->held;

	while (slot->event.id[0] != '\0')
		slot++;
	*slot = *r;
	memset(&r->prepared, 0, sizeof(r->prepared)); /* transferred */
	turn_begin(t, slot->event.id);
	t->held = slot;
	t->held_since = worker_now_ms();
	t->fresh = true;
	b->held_len++;
}

/* Its business takes turns from now on. NULL: so many do that the event waits, and all behind it. */
static struct turn *turn_take(struct batch *b, const struct store_event *e)
{
	struct turn *t = turns_add(&b->turns, e->business_id, b->head);

	if (t == NULL)
		b->wall = e->place;
	return t;
}

/* The batch's last, which has many updates. True: the look goes on. */
static bool set_apart(struct batch *b, const struct store_event *e)
{
	struct ready *r = &b->ready[--b->len];
	struct turn *t = turn_take(b, e);

	b->updates -= r->prepared.len + 1;
	if (t != NULL)
		held_keep(b, t, r);
	intake_prepared_clear(&r->prepared);
	return t != NULL && b->turn == NULL;
}

static bool set_waiting(struct batch *b, const struct store_event *e)
{
	struct turn *t = turn_take(b, e);

	if (t != NULL)
		t->crowded = true;
	return t != NULL && b->turn == NULL;
}

/* Whether an event that is stuck had its tries; else its business waits for a while. */
static bool is_given_up(struct turn *t, const struct store_event *e)
{
	turn_begin(t, e->id);
	if (++t->tries >= STUCK_TRIES)
		return true;
	t->pause_ms = worker_backoff(t->pause_ms);
	t->not_before = worker_now_ms() + t->pause_ms;
	return false;
}

/* True: the look goes on. */
static bool set_back(struct batch *b, const struct store_event *e)
{
	struct turn *t = turn_take(b, e);

	if (t == NULL || !is_given_up(t, e))
		return t != NULL && b->turn == NULL;
	b->came = e->place;
	return add_unparsed(b, e, "it could not be settled") == DONE;
}

/* ------------------------------------------------------------ a look at the queue */

static bool take_row(const struct store_event *e, void *arg)
{
	struct batch *b = arg;
	bool more;

	b->cut = true;
	if (worker_stopping(&b->in->intake))
		return false;
	if (b->turn == NULL && turns_find(&b->turns, e->business_id) != NULL) {
		more = true;
	} else {
		b->read++;
		b->outcome = make_ready(b, e);
		if (b->outcome == AGAIN)
			return false;
		if (b->outcome == DONE)
			more = b->ready[b->len - 1].prepared.len <= STORE_PIECE || set_apart(b, e);
		else
			more = b->outcome == STUCK ? set_back(b, e) : set_waiting(b, e);
		b->outcome = DONE;
	}
	if (!more)
		return false;
	b->came = e->place;
	b->cut = b->updates >= b->full;
	return !b->cut;
}

static enum store_choice choose_new(int64_t place, const char *business_id, void *arg)
{
	struct batch *b = arg;

	if (turns_find(&b->turns, business_id) != NULL)
		return STORE_PASS;
	if (place == b->wall)
		return STORE_STOP;
	if (turns_share(&b->turns, business_id))
		return STORE_TAKE;
	return turns_add(&b->turns, business_id, b->head) != NULL ? STORE_PASS : STORE_STOP;
}

static enum store_choice choose_own(int64_t place, const char *business_id, void *arg)
{
	const struct batch *b = arg;

	(void)place;
	return strcmp(b->turn->business_id, business_id) == 0 ? STORE_TAKE : STORE_PASS;
}

/* What waits here was settled, and is to be once more: by turns. Where too many take some, another time. */
static enum store_choice choose_behind(int64_t place, const char *business_id, void *arg)
{
	struct batch *b = arg;
	struct turn *t = turns_add(&b->turns, business_id, place - 1);

	if (t != NULL && t->after >= place)
		t->after = place - 1;
	return STORE_PASS;
}

/* *came: the place up to which all is in the batch, or was passed over. */
static enum store_error look_at(struct batch *b, struct store_look *look, int64_t *came)
{
	enum store_error err;

	b->came = look->after;
	b->cut = false;
	err = store_event_unsettled(b->in->store, look, take_row, b);
	*came = b->cut ? b->came : look->after;
	return err;
}

/* What came of all who take no turns. */
static enum store_error look_new(struct batch *b, int64_t *came)
{
	struct store_look look = {.after = b->head, .rows = LOOK_ROWS, .choose = choose_new};

	look.limit = b->turns.len > 0 ? b->limit - b->limit / TURN_PART : b->limit;
	b->turn = NULL;
	b->full = BATCH_UPDATES;
	b->turns.shares_len = 0;
	return look_at(b, &look, came);
}

static bool may_go(const struct turn *t, void *arg)
{
	const struct batch *b = arg;

	if (t->not_before > worker_now_ms())
		return false;
	return t->held != NULL || (t->after < b->head && !(t->crowded && b->held_len == HELD_MAX));
}

/* A piece of what one has of those who take turns, or some of his events. */
static enum store_error look_turn(struct batch *b, int64_t *came)
{
	struct store_look look = {.until = b->head, .rows = LOOK_ROWS, .choose = choose_own};

	b->turn = b->len < BATCH_MAX ? turns_next(&b->turns, may_go, b) : NULL;
	if (b->turn == NULL)
		return STORE_OK;
	*came = b->turn->after;
	if (b->turn->held != NULL && b->turn->fresh)
		return STORE_OK; /* what was before it is in this batch */
	if (b->turn->held != NULL && worker_now_ms() - b->turn->held_since < HELD_MS) {
		b->piece = b->turn;
		return STORE_OK;
	}
	held_free(b, b->turn);
	b->turn->crowded = false;
	look.after = b->turn->after;
	look.limit = b->len < b->limit ? b->limit - (unsigned)b->len : 1;
	b->full = b->updates + TURN_UPDATES;
	return look_at(b, &look, came);
}

static enum store_error look_behind(struct batch *b)
{
	struct store_look look = {
		.after = b->behind, .until = b->head, .limit = 1, .rows = BEHIND_ROWS, .choose = choose_behind};
	enum store_error err = STORE_OK;

	if (b->head > 0)
		err = store_event_unsettled(b->in->store, &look, take_row, b);
	b->behind = look.after < b->head ? look.after : 0;
	return err;
}

/* ------------------------------------------------------------ a batch */

static enum outcome keep_unparsed(struct inbound *in, const struct store_event *e, const char *why)
{
	struct store_intake_counts counts;

	log_warn("event kept unparsed business=%s event=%s: %s", e->business_id, e->id, why);
	return after_store(
		in, e, store_event_settle(in->store, e->business_id, e->id, STORE_EVENT_UNPARSED, NULL, 0, &counts));
}

/* last: nothing of the event is still to come. */
static enum outcome after_settling(struct batch *b, const struct ready *r, const struct store_settling *s, bool last)
{
	enum outcome outcome;
	struct turn *t;

	if (s->result == STORE_INVALID)
		return keep_unparsed(b->in, &r->event, "the store refused its updates");
	if (s->result == STORE_OK && last && s->counts.quarantined > 0)
		log_warn("updates quarantined business=%s connection=%s event=%s count=%u", r->event.business_id,
			r->event.connection_id, r->event.id, s->counts.quarantined);
	if (s->result == STORE_OK && last)
		note_settled(b->in, r);
	if (s->result == STORE_OK && (s->counts.awaiting > 0 || r->prepared.asks > 0))
		worker_wake(&b->in->answer);
	outcome = after_store(b->in, &r->event, s->result);
	if (outcome != STUCK)
		return outcome;
	t = turn_take(b, &r->event);
	if (t == NULL)
		return AGAIN;
	return is_given_up(t, &r->event) ? keep_unparsed(b->in, &r->event, "it could not be settled") : STUCK;
}

static struct store_settling settling_of(const struct ready *r)
{
	return (struct store_settling){.business_id = r->event.business_id,
		.event_id = r->event.id,
		.state = r->state,
		.updates = r->prepared.updates,
		.updates_len = r->prepared.len};
}

/* The next piece of what somebody holds. */
static struct store_settling settling_piece(const struct turn *t)
{
	struct store_settling s = settling_of(t->held);
	const size_t left = s.updates_len - t->from;

	s.updates += t->from;
	s.from = t->from;
	s.more = left > STORE_PIECE;
	s.updates_len = s.more ? STORE_PIECE : left;
	return s;
}

static enum outcome after_piece(struct batch *b, const struct store_settling *s)
{
	struct turn *t = b->piece;
	const bool last = !s->more || s->result != STORE_OK;
	const enum outcome outcome = after_settling(b, t->held, s, last);

	if (outcome != DONE)
		return outcome;
	t->from += s->updates_len;
	if (!last)
		return DONE;
	t->after = t->held->event.place;
	t->event_id[0] = '\0';
	held_free(b, t);
	return DONE;
}

/* DONE, unless something has to be tried again: STUCK where but for one event the rest can be at once. Nothing is left in
 * the batch. */
static enum outcome batch_settle(struct batch *b)
{
	struct store_settling all[BATCH_MAX];
	enum outcome outcome = DONE, one;
	enum store_error err;
	size_t len = 0;

	while (len < b->len) {
		all[len] = settling_of(&b->ready[len]);
		len++;
	}
	if (b->piece != NULL)
		all[len++] = settling_piece(b->piece);
	err = store_events_settle(b->in->store, all, len);
	for (size_t i = 0; i < len; i++) {
		all[i].result = err == STORE_OK ? all[i].result : err;
		one = i < b->len ? after_settling(b, &b->ready[i], &all[i], true) : after_piece(b, &all[i]);
		if (one != DONE && outcome != STUCK)
			outcome = one;
	}
	for (size_t i = 0; i < b->len; i++)
		intake_prepared_clear(&b->ready[i].prepared);
	b->len = b->updates = 0;
	return outcome;
}

static bool is_through(const struct turn *t, void *arg)
{
	const struct batch *b = arg;

	return t->held == NULL && t->event_id[0] == '\0' && t->after >= b->head;
}

/* All of the batch is settled. */
static void go_on(struct batch *b, int64_t head, int64_t own)
{
	const bool whole = !b->cut;

	b->idle = b->read == 0 && b->piece == NULL && b->head == head;
	if (b->turn != NULL && b->piece == NULL && b->turn->held == NULL) {
		b->turn->after = own;
		if (whole && own >= b->head)
			b->turn->event_id[0] = '\0'; /* it was removed */
	}
	b->head = head;
	turns_sweep(&b->turns, is_through, b);
	if (b->turns.len < TURNS_MAX)
		b->wall = 0;
	for (size_t i = 0; i < b->turns.len; i++)
		b->idle = b->idle && !may_go(&b->turns.all[i], b);
}

/* Reads so many events and settles them. */
static enum outcome batch_run(struct batch *b)
{
	int64_t head = b->head, own = 0;
	enum outcome outcome = DONE;
	enum store_error err;

	b->read = b->origins_len = 0;
	b->outcome = DONE;
	b->piece = b->turn = NULL;
	for (size_t i = 0; i < b->turns.len; i++)
		b->turns.all[i].fresh = false;
	err = look_new(b, &head);
	if (err == STORE_OK && b->outcome == DONE)
		err = look_turn(b, &own);
	if (b->len > 0 || b->piece != NULL)
		outcome = batch_settle(b);
	if (err == STORE_OK && b->outcome == DONE && outcome == DONE) {
		err = look_behind(b);
		go_on(b, head, own);
	} else if (outcome == DONE) {
		outcome = AGAIN;
	}
	/* What is before these may not be settled. */
	for (size_t i = 0; outcome != DONE && i < b->turns.len; i++)
		if (b->turns.all[i].fresh)
			held_free(b, &b->turns.all[i]);
	if (err == STORE_FAILED)
		inbound_failed(b->in);
	return err == STORE_OK && b->outcome == DONE ? outcome : AGAIN;
}

/* Whoever waits for an acknowledgement goes first: the more there are, the longer this thread rests after its work, and the
 * less it brings at once. */
static void give_way(struct batch *b, int64_t took_ms)
{
	const unsigned waiting = store_waiting(b->in->store);
	const int64_t pause_ms = waiting < PAUSE_FROM ? 0 : took_ms * waiting / BUSY_FROM;

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

		b->idle = false;
		if (batch_run(b) == AGAIN) {
			pause_ms = worker_backoff(pause_ms);
			worker_pause(&in->intake, pause_ms);
			continue;
		}
		pause_ms = 0;
		if (b->idle)
			worker_wait(&in->intake, b->turns.len > 0 ? STUCK_WAIT_MS : INBOUND_IDLE_MS);
		else
			give_way(b, worker_now_ms() - began);
	}
	for (size_t i = 0; i < b->turns.len; i++)
		held_free(b, &b->turns.all[i]);
	return NULL;
}

struct batch *batch_new(void)
{
	return calloc(1, sizeof(struct batch));
}
