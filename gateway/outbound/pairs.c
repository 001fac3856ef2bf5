/*
 * Each pair is one number: the time at which its bucket would be full again. A message moves it 6 seconds on,
 * and may go while it lies less than a whole bucket ahead. Once it is past, the pair is as one never seen.
 *
 * A table with open addressing. The keys are keyed hashes already, so that nobody can choose where they fall.
 */
#include "gateway/outbound/pairs.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ROOM 1024u
#define SPAN_MS (INT64_C(1) * PAIRS_EVERY_MS * PAIRS_BURST)

struct pair {
	uint8_t conversation[STORE_INDEX_LEN];
	int64_t full_at; /* 0: the place is free */
};

struct pairs {
	struct pair *all;
	unsigned room, len, max; /* room: a power of two, at most two thirds of it are taken */
};

struct pairs *pairs_new(unsigned max)
{
	struct pairs *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->all = calloc(FIRST_ROOM, sizeof(*p->all));
	if (p->all == NULL) {
		free(p);
		return NULL;
	}
	p->room = FIRST_ROOM;
	p->max = max;
	return p;
}

void pairs_free(struct pairs *p)
{
	if (p == NULL)
		return;
	free(p->all);
	free(p);
}

/* Its place, or the free one where it would be. */
static struct pair *place_of(struct pair *all, unsigned room, const uint8_t conversation[static STORE_INDEX_LEN])
{
	uint32_t hash;

	memcpy(&hash, conversation, sizeof(hash));
	for (unsigned i = hash & (room - 1);; i = (i + 1) & (room - 1))
		if (all[i].full_at == 0 || memcmp(all[i].conversation, conversation, sizeof(all[i].conversation)) == 0)
			return &all[i];
}

/* Into a table of that room, without those that are over. False: memory is short, and all is as it was. */
static bool rebuild(struct pairs *p, unsigned room, int64_t now)
{
	struct pair *all = calloc(room, sizeof(*all));

	if (all == NULL)
		return false;
	p->len = 0;
	for (unsigned i = 0; i < p->room; i++) {
		if (p->all[i].full_at <= now)
			continue;
		*place_of(all, room, p->all[i].conversation) = p->all[i];
		p->len++;
	}
	free(p->all);
	p->all = all;
	p->room = room;
	return true;
}

static bool is_crowded(const struct pairs *p)
{
	return p->len >= p->room / 3 * 2;
}

/* Its place, made for it where it had none. NULL: there is no more room. */
static struct pair *pair_of(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now)
{
	struct pair *pair = place_of(p->all, p->room, conversation);

	if (pair->full_at != 0)
		return pair;
	if (is_crowded(p)) {
		/* First without those that are over; only where that helps little, larger. */
		if (!rebuild(p, p->room, now))
			return NULL;
		if (p->len >= p->room / 3 && p->len < p->max && !rebuild(p, p->room * 2, now) && is_crowded(p))
			return NULL;
		if (is_crowded(p))
			return NULL;
		pair = place_of(p->all, p->room, conversation);
	}
	if (p->len >= p->max) {
		if (!rebuild(p, p->room, now) || p->len >= p->max)
			return NULL;
		pair = place_of(p->all, p->room, conversation);
	}
	memcpy(pair->conversation, conversation, sizeof(pair->conversation));
	pair->full_at = now;
	p->len++;
	return pair;
}

int64_t pairs_take(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now)
{
	struct pair *pair = pair_of(p, conversation, now);
	int64_t full_at;

	if (pair == NULL)
		return 0;
	full_at = (pair->full_at > now ? pair->full_at : now) + PAIRS_EVERY_MS;
	if (full_at > now + SPAN_MS)
		return full_at - SPAN_MS;
	pair->full_at = full_at;
	return 0;
}

void pairs_give_back(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now)
{
	struct pair *pair = place_of(p->all, p->room, conversation);

	if (pair->full_at > now + PAIRS_EVERY_MS)
		pair->full_at -= PAIRS_EVERY_MS;
	else if (pair->full_at != 0)
		pair->full_at = now;
}

void pairs_stop(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t until, int64_t now)
{
	struct pair *pair = pair_of(p, conversation, now);
	const int64_t full_at = until + SPAN_MS - PAIRS_EVERY_MS;

	if (pair != NULL && pair->full_at < full_at)
		pair->full_at = full_at;
}
