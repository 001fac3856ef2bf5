/*
 * The thread that settles events: has them made ready, hands many to the store at once.
 *
 * An acknowledged event leaves the queue only when the store has settled it. What
 * cannot be read is settled as unparsed, so that it is seen and holds up nobody; a full
 * disk or a vault that does not answer is waited out.
 *
 * Events are made ready one by one (ready.h) and settled by the batch: a commit each would be all
 * that this thread ever does. While webhooks wait for a commit it leaves them the writer.
 *
 * Oldest first, but that nobody is held up by what another has waiting: a business with many events, with one of many
 * updates or with one that is stuck takes turns with others like it (turns.h), and each batch has a piece of what one of
 * them has beside what came of all others. The queue is looked through behind two places: behind `head` is what
 * nobody looked at yet, behind its turn's `after` what a business has waiting. What is settled once more lies before them,
 * so a third look goes round there. None of them goes far at a time: the queue may be long. Where more than TURNS_MAX
 * would take turns, the next of them waits for a place, and all that came after it.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/internal.h"
#include "gateway/inbound/ready.h"
#include "gateway/inbound/turns.h"
#include "gateway/log.h"

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

#define STUCK_TRIES 8u /* then it is kept unparsed: one event never holds up the others for good */

/* The thread's own: a batch, and what it remembers from one to the next. */
struct batch {
	struct inbound *in;
	struct ready ready[BATCH_MAX];
	size_t len, updates;
	struct origins origins;
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

/* The one that was made ready behind the last; how many updates it has. */
static size_t add(struct batch *b)
{
	const size_t updates = b->ready[b->len++].prepared.len;

	b->updates += updates + 1;
	return updates;
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
	if (++t->tries >= STUCK_TRIES) {
		t->event_id[0] = '\0'; /* should it be settled once more, it begins anew */
		return true;
	}
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
	ready_unparsed(e, "it could not be settled", &b->ready[b->len]);
	(void)add(b);
	return true;
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
		b->outcome = ready_make(b->in, &b->origins, e, b->held_len < HELD_MAX, &b->ready[b->len]);
		if (b->outcome == AGAIN)
			return false;
		if (b->outcome == DONE)
			more = add(b) <= STORE_PIECE || set_apart(b, e);
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
	struct turn *t = turns_find(&b->turns, business_id);

	if (t != NULL) {
		t->passed = true;
		return STORE_PASS;
	}
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
	enum store_error err;

	log_warn("event kept unparsed business=%s event=%s: %s", e->business_id, e->id, why);
	err = store_event_settle(in->store, e->business_id, e->id, STORE_EVENT_UNPARSED, NULL, 0, &counts);
	return ready_after(in, e, err) == DONE ? DONE : AGAIN;
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
		ready_settled(b->in, r);
	if (s->result == STORE_OK && (s->counts.awaiting > 0 || r->prepared.asks > 0))
		worker_wake(&b->in->answer);
	if (s->freed[0] != '\0' && b->in->opt.outbound != NULL)
		outbound_wake(b->in->opt.outbound, s->freed);
	outcome = ready_after(b->in, &r->event, s->result);
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

	/* Something before this piece may be missing: what is not is passed over. */
	if (outcome == AGAIN)
		t->from = 0;
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

	return t->held == NULL && t->event_id[0] == '\0' && !t->passed && t->after >= b->head;
}

/* All of the batch is settled. */
static void go_on(struct batch *b, int64_t head, int64_t own)
{
	b->idle = b->read == 0 && b->piece == NULL && b->head == head;
	if (b->turn != NULL && b->piece == NULL && b->turn->held == NULL) {
		b->turn->after = own;
		if (own >= b->head)
			b->turn->event_id[0] = '\0'; /* it was removed */
	}
	/* By what was looked at: somebody's next may lie behind it already. */
	turns_sweep(&b->turns, is_through, b);
	b->head = head;
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

	b->read = b->origins.len = 0;
	b->outcome = DONE;
	b->piece = b->turn = NULL;
	for (size_t i = 0; i < b->turns.len; i++)
		b->turns.all[i].fresh = b->turns.all[i].passed = false;
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
