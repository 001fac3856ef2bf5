/*
 * A lane is in one of three places: in the ring of its business, when something may be due; in the heap, when that, or
 * the end of a wait, comes at a known time; or in neither, when it waits for one of its own to end. Lanes of which
 * nothing is known any more are dropped.
 */
#include "gateway/outbound/lanes.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/outbound/heap.h"
#include "gateway/outbound/pairs.h"
#include "gateway/outbound/table.h"

#define QUANTUM 4 /* what a business's turn is worth: four short messages */
#define COST_BYTES 4096u /* a message costs 1, and 1 more for each of these */
#define DEFICIT_MAX (QUANTUM + 32)
#define SHARE 4u /* of what is left of in_flight_max, a business may have one such part */
#define WINDOW_MIN (LANES_WINDOW / 2)
#define RECONSIDERED 4u
#define HOLDS_MAX 64u
#define RETRY_MS 1000 /* a retry is earned by waiting so long, too */
#define LINGER_MS 2000 /* before a lane that nothing is known of is dropped */

/* ------------------------------------------------------------ lanes, businesses, rings */

struct link {
	struct link *next, *previous; /* NULL: in no ring */
};

struct business {
	struct node node; /* first */
	struct link
		link; /* in the ring of businesses that have a lane in theirs, or of those of them that have their share */
	char id[STORE_BUSINESS_ID_LEN + 1];
	struct link ring; /* of lanes */
	unsigned lanes, in_flight;
	int deficit;
};

struct lane {
	struct node node; /* first */
	struct link link; /* in its business's ring */
	struct store_lane is;
	struct business *business;
	struct heap_item when; /* it is to be looked at again */
	bool due; /* something of it may be due */
	bool again; /* that was told since its turn began, for which the store may have been read before */
	unsigned in_flight, window;
	int64_t full_us; /* when the number's bucket would be full again */
	unsigned failures; /* in a row */
	int64_t breaker_ms; /* how long it was closed last; 0: not since something came through */
	int64_t closed_until;
	enum lanes_go why; /* what it is closed for: one of LANES_WAIT_*; 0: it is not */
	bool probing; /* after closed_until one goes alone */
	int64_t doubted_until; /* closed_until, where it is for doubts about the key */
	int64_t trusted_until; /* the key is */
	unsigned doubts; /* in a row, since something was accepted */
	bool asked; /* the provider is, about the key */
	unsigned retries; /* that may still be made */
	int64_t retry_at; /* since when the next one is earned by waiting */
};

struct hold {
	enum lanes_scope scope;
	char id[STORE_PROVIDER_ID_LEN + 1];
	int64_t until;
};

struct lanes {
	struct lanes_options opt;
	struct table lanes, businesses;
	struct link ring, waiting; /* of businesses */
	struct heap heap; /* room for all lanes */
	struct pairs *pairs;
	struct hold holds[HOLDS_MAX];
	size_t holds_len;
	unsigned in_flight;
};

static void ring_clear(struct link *ring)
{
	ring->next = ring->previous = ring;
}

static bool ring_is_empty(const struct link *ring)
{
	return ring->next == ring;
}

static void ring_add(struct link *ring, struct link *x)
{
	x->next = ring;
	x->previous = ring->previous;
	ring->previous->next = x;
	ring->previous = x;
}

static void ring_remove(struct link *x)
{
	x->next->previous = x->previous;
	x->previous->next = x->next;
	x->next = x->previous = NULL;
}

#define OF(type, member, pointer) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

static struct business *first_business(const struct lanes *l)
{
	return OF(struct business, link, l->ring.next);
}

static struct lane *first_lane(const struct business *b)
{
	return OF(struct lane, link, b->ring.next);
}

/* ------------------------------------------------------------ where a lane is */

static void leave_ring(struct lane *lane)
{
	struct business *b = lane->business;

	if (lane->link.next == NULL)
		return;
	ring_remove(&lane->link);
	if (!ring_is_empty(&b->ring))
		return;
	ring_remove(&b->link);
	b->deficit = 0;
}

static void enter_ring(struct lanes *l, struct lane *lane)
{
	struct business *b = lane->business;

	heap_remove(&l->heap, &lane->when);
	lane->due = lane->again = true;
	if (lane->link.next != NULL)
		return;
	if (ring_is_empty(&b->ring))
		ring_add(&l->ring, &b->link);
	ring_add(&b->ring, &lane->link);
}

static void wait_until(struct lanes *l, struct lane *lane, int64_t at)
{
	leave_ring(lane);
	heap_add(&l->heap, &lane->when, at);
}

/* To the end of that ring. */
static void business_moves(struct business *b, struct link *ring)
{
	ring_remove(&b->link);
	ring_add(ring, &b->link);
}

static struct business *business_of(struct lanes *l, const char *id)
{
	struct business *b = table_find(&l->businesses, id);

	if (b != NULL)
		return b;
	b = table_reserve(&l->businesses) ? calloc(1, sizeof(*b)) : NULL;
	if (b == NULL)
		return NULL;
	memcpy(b->id, id, strlen(id) + 1);
	b->node.key = b->id;
	ring_clear(&b->ring);
	table_put(&l->businesses, &b->node);
	return b;
}

static void business_drop(struct lanes *l, struct business *b)
{
	if (b->lanes > 0)
		return;
	table_remove(&l->businesses, &b->node);
	free(b);
}

static struct lane *lane_new(struct lanes *l, const struct store_lane *is, int64_t now)
{
	struct business *b = business_of(l, is->business_id);
	struct lane *lane = b != NULL && table_reserve(&l->lanes) && heap_reserve(&l->heap, l->lanes.len + 1)
		? calloc(1, sizeof(*lane))
		: NULL;

	if (lane == NULL) {
		if (b != NULL)
			business_drop(l, b);
		return NULL;
	}
	lane->is = *is;
	lane->node.key = lane->is.connection_id;
	lane->business = b;
	lane->window = LANES_WINDOW;
	lane->retries = LANES_RETRIES;
	lane->retry_at = now;
	b->lanes++;
	table_put(&l->lanes, &lane->node);
	return lane;
}

static void lane_drop(struct lanes *l, struct lane *lane)
{
	struct business *b = lane->business;

	leave_ring(lane);
	heap_remove(&l->heap, &lane->when);
	table_remove(&l->lanes, &lane->node);
	b->lanes--;
	business_drop(l, b);
	free(lane);
}

/* ------------------------------------------------------------ limits */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* What the provider takes, less a twentieth, of which again a twentieth may go at once: so that no second ever has more
 * than it takes. */
static unsigned number_burst(const struct lane *lane)
{
	const unsigned mps = lane->is.mps > 0 ? lane->is.mps : LANES_MPS;

	return mps / 20 > 0 ? mps / 20 : 1;
}

static int64_t number_interval_us(const struct lane *lane)
{
	const unsigned mps = lane->is.mps > 0 ? lane->is.mps : LANES_MPS;

	return INT64_C(1000000) / (mps - (mps > 1 ? number_burst(lane) : 0));
}

static int64_t number_ahead_us(const struct lane *lane, int64_t now)
{
	return lane->full_us > now * 1000 ? lane->full_us - now * 1000 : 0;
}

/* How many may go now. */
static size_t number_room(const struct lane *lane, int64_t now)
{
	const int64_t interval = number_interval_us(lane);
	const int64_t left = (int64_t)number_burst(lane) * interval - number_ahead_us(lane, now);

	return left > 0 ? (size_t)(left / interval) : 0;
}

/* When one may go, in whole ms. */
static int64_t number_opens_at(const struct lane *lane, int64_t now)
{
	const int64_t interval = number_interval_us(lane);
	const int64_t over = number_ahead_us(lane, now) - ((int64_t)number_burst(lane) - 1) * interval;

	return over > 0 ? now + (over + 999) / 1000 : now;
}

static void number_take(struct lane *lane, size_t n, int64_t now)
{
	lane->full_us = later(lane->full_us, now * 1000) + (int64_t)n * number_interval_us(lane);
}

static const char *scope_id(const struct lane *lane, enum lanes_scope scope)
{
	return scope == LANES_ACCOUNT ? lane->is.waba_id : lane->is.app_id;
}

static int64_t held_until(struct lanes *l, const struct lane *lane, int64_t now)
{
	int64_t until = now;

	for (size_t i = 0; i < l->holds_len; i++) {
		const struct hold *h = &l->holds[i];

		if (h->until <= now) {
			l->holds[i--] = l->holds[--l->holds_len];
			continue;
		}
		if (strcmp(scope_id(lane, h->scope), h->id) == 0)
			until = later(until, h->until);
	}
	return until;
}

static void hold(struct lanes *l, enum lanes_scope scope, const char *id, int64_t until)
{
	struct hold *at = &l->holds[0];

	for (size_t i = 0; i < l->holds_len; i++) {
		if (l->holds[i].scope == scope && strcmp(l->holds[i].id, id) == 0) {
			l->holds[i].until = later(l->holds[i].until, until);
			return;
		}
		if (l->holds[i].until < at->until)
			at = &l->holds[i];
	}
	/* So many at once: the one that ends first makes room. */
	if (l->holds_len < HOLDS_MAX)
		at = &l->holds[l->holds_len++];
	at->scope = scope;
	memcpy(at->id, id, strlen(id) + 1);
	at->until = until;
}

/* When the lane may send; now: at once. */
static int64_t opens_at(struct lanes *l, const struct lane *lane, int64_t now)
{
	return later(later(lane->closed_until, held_until(l, lane, now)), number_opens_at(lane, now));
}

/* How many more of the business may be on their way. */
static unsigned business_room(const struct lanes *l, const struct business *b)
{
	const unsigned left = l->opt.in_flight_max > l->in_flight ? l->opt.in_flight_max - l->in_flight : 0;
	const unsigned share = left / SHARE > 0 ? left / SHARE : 1;

	if (left == 0 || b->in_flight >= share)
		return 0;
	/* Where there is little room, one after the other. */
	return left < l->opt.in_flight_max / 4 ? 1 : share - b->in_flight;
}

/* How many more of the lane, of which most may be. */
static unsigned lane_room(const struct lanes *l, const struct lane *lane, unsigned most)
{
	unsigned max = lane->probing ? 1 : most;

	if (max > l->opt.per_connection)
		max = l->opt.per_connection;
	return max > lane->in_flight ? max - lane->in_flight : 0;
}

static void retries_earn(struct lane *lane, int64_t now)
{
	const int64_t earned = (now - lane->retry_at) / RETRY_MS;

	if (earned <= 0)
		return;
	lane->retry_at += earned * RETRY_MS;
	lane->retries = earned < LANES_RETRIES - lane->retries ? lane->retries + (unsigned)earned : LANES_RETRIES;
}

/* ------------------------------------------------------------ life */

struct lanes *lanes_new(const struct lanes_options *opt)
{
	struct lanes *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->opt = *opt;
	ring_clear(&l->ring);
	ring_clear(&l->waiting);
	l->pairs = pairs_new(opt->pairs_max);
	if (l->pairs == NULL) {
		free(l);
		return NULL;
	}
	return l;
}

void lanes_free(struct lanes *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->lanes.room; i++)
		while (l->lanes.heads[i] != NULL)
			lane_drop(l, (struct lane *)(void *)l->lanes.heads[i]);
	free(l->lanes.heads);
	free(l->businesses.heads);
	free(l->heap.items);
	pairs_free(l->pairs);
	free(l);
}

unsigned lanes_len(const struct lanes *l)
{
	return (unsigned)l->lanes.len;
}

/* What is known of it now. */
static void refresh(struct lane *lane, const struct store_lane *is)
{
	lane->is.mps = is->mps;
	memcpy(lane->is.app_id, is->app_id, sizeof(lane->is.app_id));
	memcpy(lane->is.waba_id, is->waba_id, sizeof(lane->is.waba_id));
}

bool lanes_add(struct lanes *l, const struct store_lane *is, int64_t now)
{
	struct lane *lane = table_find(&l->lanes, is->connection_id);

	if (lane == NULL)
		lane = lane_new(l, is, now);
	if (lane == NULL)
		return false;
	if (is->due_at < lane->is.due_at)
		lane->is.due_at = is->due_at;
	refresh(lane, is);
	if (lane->link.next != NULL || lane->due) {
		lane->again = true;
		return true;
	}
	if (is->due_at <= now)
		enter_ring(l, lane);
	else if (lane->when.place == 0 || is->due_at < lane->when.at)
		heap_add(&l->heap, &lane->when, is->due_at);
	return true;
}

bool lanes_look(struct lanes *l, const char *connection_id)
{
	struct lane *lane = table_find(&l->lanes, connection_id);

	if (lane == NULL)
		return false;
	/* One that waits for something finds it when it has waited. */
	if (!lane->due)
		enter_ring(l, lane);
	lane->again = true;
	return true;
}

void lanes_forget(struct lanes *l, const char *business_id)
{
	for (size_t i = 0; i < l->lanes.room; i++)
		for (struct node *n = l->lanes.heads[i]; n != NULL; n = n->next) {
			struct lane *lane = (struct lane *)(void *)n;

			if (strcmp(lane->is.business_id, business_id) != 0)
				continue;
			if (lane->why != LANES_WAIT_NUMBER) {
				lane->closed_until = lane->breaker_ms = lane->trusted_until = 0;
				lane->failures = lane->doubts = 0;
				lane->probing = false;
			}
			enter_ring(l, lane);
		}
}

/* ------------------------------------------------------------ choosing */

/* Those whose time has come are looked at; those of which nothing is known go. */
static void wake(struct lanes *l, int64_t now)
{
	for (struct heap_item *first; (first = heap_first(&l->heap)) != NULL && first->at <= now;) {
		struct lane *lane = OF(struct lane, when, first);
		const int64_t known_until = later(lane->closed_until, lane->trusted_until);

		heap_remove(&l->heap, &lane->when);
		if (lane->due || lane->is.due_at <= now)
			enter_ring(l, lane);
		else if (lane->is.due_at < INT64_MAX)
			heap_add(&l->heap, &lane->when, lane->is.due_at);
		else if (known_until > now)
			heap_add(&l->heap, &lane->when, known_until);
		else if (lane->in_flight == 0)
			lane_drop(l, lane);
	}
}

bool lanes_turn(struct lanes *l, int64_t now, struct lanes_turn *turn)
{
	wake(l, now);
	while (!ring_is_empty(&l->ring) && l->in_flight < l->opt.in_flight_max) {
		struct business *b = first_business(l);
		struct lane *lane = first_lane(b);
		const int64_t opens = opens_at(l, lane, now);
		const unsigned share = business_room(l, b);
		size_t room = lane_room(l, lane, lane->window);

		if (opens > now) {
			wait_until(l, lane, opens);
			continue;
		}
		if (room == 0) {
			leave_ring(lane); /* until one of its own ends */
			continue;
		}
		if (share == 0) {
			business_moves(b, &l->waiting);
			continue;
		}
		if (room > share)
			room = share;
		if (room > number_room(lane, now))
			room = number_room(lane, now);
		if (room > LANES_TURN_MAX)
			room = LANES_TURN_MAX;
		b->deficit = b->deficit + QUANTUM < DEFICIT_MAX ? b->deficit + QUANTUM : DEFICIT_MAX;
		lane->again = false;
		memcpy(turn->connection_id, lane->is.connection_id, sizeof(turn->connection_id));
		turn->room = room;
		return true;
	}
	return false;
}

static int cost_of(const struct store_due *due)
{
	const size_t parts = due->size / COST_BYTES;

	return 1 + (int)(parts < DEFICIT_MAX - 1 ? parts : DEFICIT_MAX - 1);
}

struct choice {
	size_t leased, passed; /* passed over: retries without a budget, and what the turn was too short for */
	int64_t next_at; /* when more are due */
};

static void choose_one(struct lanes *l, struct lane *lane, const struct store_due *due, int64_t now,
	struct store_lease *out, size_t *out_len, struct choice *c)
{
	int64_t until;

	if (cost_of(due) > lane->business->deficit || (due->attempts > 0 && lane->retries == 0)) {
		c->passed++;
		return;
	}
	until = pairs_take(l->pairs, due->conversation, now);
	out[(*out_len)++] = (struct store_lease){.seq = due->seq, .put_off_to = until};
	if (until > 0) {
		c->next_at = until < c->next_at ? until : c->next_at;
		return;
	}
	lane->business->deficit -= cost_of(due);
	lane->retries -= due->attempts > 0 ? 1 : 0;
	c->leased++;
}

/* Of those that had their share, some are looked at again, since one ended: it may be more now. */
static void reconsider(struct lanes *l)
{
	for (unsigned i = 0; i < RECONSIDERED && !ring_is_empty(&l->waiting); i++) {
		struct business *b = OF(struct business, link, l->waiting.next);

		business_moves(b, business_room(l, b) > 0 ? &l->ring : &l->waiting);
	}
}

/* Where it goes on after its turn. */
static void turn_end(struct lanes *l, struct lane *lane, bool more, int64_t now, const struct choice *c)
{
	const bool starved = c->leased == 0 && c->passed > 0 && lane->retries == 0;
	struct business *b = lane->business;

	if (starved) {
		wait_until(l, lane, now + RETRY_MS);
	} else if (more || c->passed > 0) {
		/* Behind its business's other lanes, and its business behind the others. */
		ring_remove(&lane->link);
		ring_add(&b->ring, &lane->link);
		business_moves(b, &l->ring);
	} else {
		lane->due = false;
		lane->is.due_at = c->next_at;
		wait_until(l, lane, c->next_at < INT64_MAX ? c->next_at : now + LINGER_MS);
	}
}

void lanes_choose(struct lanes *l, const struct lanes_turn *turn, const struct store_due *due, size_t len,
	int64_t next_at, int64_t now, struct store_lease out[static LANES_TURN_MAX], size_t *out_len)
{
	struct lane *lane = table_find(&l->lanes, turn->connection_id);
	struct choice c = {.next_at = next_at};

	*out_len = 0;
	if (lane == NULL)
		return;
	retries_earn(lane, now);
	for (size_t i = 0; i < len && i < turn->room; i++)
		choose_one(l, lane, &due[i], now, out, out_len, &c);
	lane->in_flight += (unsigned)c.leased;
	lane->business->in_flight += (unsigned)c.leased;
	l->in_flight += (unsigned)c.leased;
	if (c.leased > 0)
		number_take(lane, c.leased, now);
	turn_end(l, lane, len >= turn->room || lane->again, now, &c);
}

int64_t lanes_next(const struct lanes *l)
{
	if (!ring_is_empty(&l->ring) && l->in_flight < l->opt.in_flight_max)
		return 0;
	return heap_first(&l->heap) != NULL ? heap_first(&l->heap)->at : INT64_MAX;
}

/* Its place until one that goes at once has ended. */
static struct lane *lane_for(struct lanes *l, const struct store_lane *is, int64_t now)
{
	struct lane *lane = table_find(&l->lanes, is->connection_id);

	if (lane != NULL) {
		refresh(lane, is);
		return lane;
	}
	lane = lane_new(l, is, now);
	if (lane == NULL)
		return NULL;
	lane->is.due_at = INT64_MAX;
	heap_add(&l->heap, &lane->when, now + LINGER_MS);
	return lane;
}

enum lanes_go lanes_go(struct lanes *l, const struct store_lane *is, const uint8_t conversation[static STORE_INDEX_LEN],
	int64_t now, int64_t *until)
{
	struct lane *lane = lane_for(l, is, now);

	*until = now;
	if (lane == NULL)
		return LANES_NO_MEMORY;
	*until = later(lane->closed_until, now);
	if (*until > now)
		return lane->asked && lane->closed_until == lane->doubted_until ? LANES_WAIT_ASKED : lane->why;
	*until = opens_at(l, lane, now);
	if (*until > now)
		return LANES_WAIT_NUMBER;
	if (lane_room(l, lane, l->opt.per_connection) == 0 || business_room(l, lane->business) == 0)
		return LANES_FULL;
	*until = pairs_take(l->pairs, conversation, now);
	if (*until > 0)
		return LANES_WAIT_PAIR;
	number_take(lane, 1, now);
	lane->in_flight++;
	lane->business->in_flight++;
	l->in_flight++;
	return LANES_GO;
}

/* ------------------------------------------------------------ what came of it */

static void close_until(struct lane *lane, int64_t until, enum lanes_go why)
{
	if (until <= lane->closed_until)
		return;
	lane->closed_until = until;
	lane->why = why;
	lane->probing = true;
}

static void failed(struct lanes *l, struct lane *lane, int64_t now)
{
	lane->failures++;
	lane->window = lane->window / 2 > WINDOW_MIN ? lane->window / 2 : WINDOW_MIN;
	if (lane->failures < LANES_BREAKER && !lane->probing)
		return;
	if (lane->closed_until > now)
		return; /* those that were on their way when it closed */
	lane->breaker_ms = lane->breaker_ms == 0	      ? LANES_BREAKER_MS
		: lane->breaker_ms * 2 < LANES_BREAKER_MAX_MS ? lane->breaker_ms * 2
							      : LANES_BREAKER_MAX_MS;
	close_until(lane, now + lane->breaker_ms + (int64_t)(l->opt.random() % (uint64_t)(lane->breaker_ms / 4 + 1)),
		LANES_WAIT_BREAKER);
}

static void came_through(struct lane *lane, bool accepted, int64_t now)
{
	lane->failures = 0;
	lane->breaker_ms = 0;
	/* What was on its way when it closed tells nothing of the wait. */
	if (lane->closed_until <= now) {
		lane->probing = false;
		lane->why = 0;
	}
	if (!accepted)
		return;
	lane->doubts = 0;
	lane->window++;
	lane->retries += lane->retries < LANES_RETRIES ? 1 : 0;
}

/* A wait for doubts about the key. */
static void doubt(struct lane *lane, int64_t until, int64_t now)
{
	lane->doubts++;
	if (lane->trusted_until > now && lane->doubts < LANES_DOUBTS)
		return;
	close_until(lane, until, LANES_WAIT_KEY);
	if (lane->closed_until == until)
		lane->doubted_until = until;
}

bool lanes_ask(struct lanes *l, const char *connection_id, bool of_the_key, int64_t now)
{
	struct lane *lane = table_find(&l->lanes, connection_id);

	if (lane == NULL || lane->asked || (lane->trusted_until > now && !of_the_key))
		return false;
	lane->asked = true;
	return true;
}

void lanes_answered(struct lanes *l, const char *connection_id, bool fine, int64_t now)
{
	struct lane *lane = table_find(&l->lanes, connection_id);

	if (lane == NULL)
		return;
	lane->asked = false;
	/* Told that twice in so short a time, one waits all the same. */
	if (!fine || lane->trusted_until > now)
		return;
	lane->trusted_until = now + LANES_TRUST_MS;
	if (lane->closed_until != lane->doubted_until)
		return;
	lane->closed_until = 0;
	enter_ring(l, lane);
}

static void wait_for(struct lanes *l, struct lane *lane, const struct lanes_end *end, int64_t now)
{
	const char *id = end->scope == LANES_ACCOUNT || end->scope == LANES_APP ? scope_id(lane, end->scope) : "";

	if (end->scope == LANES_PAIR && end->conversation != NULL)
		pairs_stop(l->pairs, end->conversation, end->wait_until, now);
	else if (id[0] != '\0')
		hold(l, end->scope, id, end->wait_until);
	else if (end->scope == LANES_DOUBT)
		doubt(lane, end->wait_until, now);
	else
		close_until(lane, end->wait_until, end->scope == LANES_KEY ? LANES_WAIT_KEY : LANES_WAIT_NUMBER);
}

void lanes_ended(struct lanes *l, const char *connection_id, const struct lanes_end *end, int64_t now)
{
	struct lane *lane = table_find(&l->lanes, connection_id);

	if (lane == NULL || lane->in_flight == 0)
		return;
	lane->in_flight--;
	lane->business->in_flight--;
	l->in_flight--;
	switch (end->came) {
	case LANES_ACCEPTED:
		came_through(lane, true, now);
		break;
	case LANES_REFUSED:
		came_through(lane, false, now);
		break;
	case LANES_UNREACHED:
	case LANES_UNANSWERED:
		failed(l, lane, now);
		break;
	case LANES_NOTHING:
		if (end->conversation != NULL)
			pairs_give_back(l->pairs, end->conversation, now);
		break;
	}
	if (lane->window > l->opt.per_connection)
		lane->window = l->opt.per_connection;
	if (end->wait_until > now)
		wait_for(l, lane, end, now);
	reconsider(l);
	/* The conversation's next message may be due now. */
	lane->again = true;
	if (lane->link.next == NULL && (lane->when.place == 0 || !lane->due))
		enter_ring(l, lane);
}

bool lanes_state(const struct lanes *l, const char *connection_id, struct lanes_state *out)
{
	const struct lane *lane = table_find(&l->lanes, connection_id);

	if (lane == NULL)
		return false;
	*out = (struct lanes_state){.in_flight = lane->in_flight,
		.window = lane->window,
		.closed_until = lane->closed_until,
		.probing = lane->probing};
	return true;
}
