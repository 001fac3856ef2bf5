/*
 * Who is let in, who is served next, and whether who is slow has to give way.
 *
 * All callers are strangers here. An address that holds many workers waits behind one that holds few, and where there
 * is no more room to wait, one of the address goes that waits with the most: whoever fills the house stands in his own
 * way first.
 *
 * Called by engine.c under one lock, which is the engine's; what that lock does not guard is atomic and says so.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/internal.h"

enum { NONE = UINT16_MAX };

/* One that waits, in a list in the order in which they came. */
struct place {
	uint16_t address, before, after;
	int64_t since_ms;
};

/* What one address has open, and how many of those wait; free when none is open. */
struct address {
	uint8_t bytes[HTTP_ADDRESS_LEN];
	unsigned open, waiting;
};

struct http_callers {
	unsigned per_address; /* 0: no cap */
	size_t addresses_len, addresses_max;
	struct address *addresses;
	uint16_t first, last, free; /* places */
	struct place places[HTTP_WAITING_MAX];
	/* Read without the lock by whoever is slow. idle: workers with nothing to do; leaving: workers whose caller
	 * gave way, and which are about to take the next. */
	atomic_uint waiting, idle, leaving;
};

struct http_callers *http_callers_new(unsigned workers, unsigned per_address)
{
	struct http_callers *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->per_address = per_address;
	/* All who are served or wait, and one who may be let in: never too few. */
	c->addresses_max = (size_t)workers + HTTP_WAITING_MAX + 1;
	c->addresses = calloc(c->addresses_max, sizeof(*c->addresses));
	if (!c->addresses || c->addresses_max >= NONE) {
		http_callers_free(c);
		return NULL;
	}
	c->first = c->last = NONE;
	for (uint16_t i = 0; i < HTTP_WAITING_MAX; i++)
		c->places[i].after = i + 1 < HTTP_WAITING_MAX ? i + 1 : NONE;
	return c;
}

void http_callers_free(struct http_callers *c)
{
	if (!c)
		return;
	free(c->addresses);
	free(c);
}

/* The address's entry, a free one made its own, or NONE. */
static uint16_t find(struct http_callers *c, const uint8_t *bytes)
{
	size_t at = c->addresses_max;

	for (size_t i = 0; i < c->addresses_len; i++) {
		if (c->addresses[i].open == 0)
			at = i;
		else if (memcmp(c->addresses[i].bytes, bytes, HTTP_ADDRESS_LEN) == 0)
			return (uint16_t)i;
	}
	if (at == c->addresses_max && c->addresses_len < c->addresses_max)
		at = c->addresses_len++;
	if (at == c->addresses_max)
		return NONE;
	memcpy(c->addresses[at].bytes, bytes, HTTP_ADDRESS_LEN);
	return (uint16_t)at;
}

static void unlink_place(struct http_callers *c, uint16_t at)
{
	struct place *p = &c->places[at];

	*(p->before == NONE ? &c->first : &c->places[p->before].after) = p->after;
	*(p->after == NONE ? &c->last : &c->places[p->after].before) = p->before;
	c->addresses[p->address].waiting--;
	p->after = c->free;
	c->free = at;
	atomic_fetch_sub(&c->waiting, 1);
}

static void link_place(struct http_callers *c, uint16_t at, uint16_t address, int64_t now_ms)
{
	c->free = c->places[at].after;
	c->places[at] = (struct place){.address = address, .before = c->last, .after = NONE, .since_ms = now_ms};
	*(c->last == NONE ? &c->first : &c->places[c->last].after) = at;
	c->last = at;
	c->addresses[address].open++;
	c->addresses[address].waiting++;
	atomic_fetch_add(&c->waiting, 1);
}

/* The newest of the address that waits with the most, which must be more than the newcomer's has; else NONE. */
static uint16_t most_crowded(const struct http_callers *c, unsigned newcomers)
{
	unsigned most = newcomers;
	uint16_t found = NONE;

	for (uint16_t at = c->last; at != NONE; at = c->places[at].before) {
		unsigned waiting = c->addresses[c->places[at].address].waiting;

		if (waiting > most) {
			most = waiting;
			found = at;
		}
	}
	return found;
}

enum http_caller http_callers_admit(
	struct http_callers *c, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms, unsigned *place)
{
	uint16_t a = find(c, address), at = c->free;
	enum http_caller come = HTTP_CALLER_WAITS;

	if (a == NONE || (c->per_address > 0 && c->addresses[a].open >= c->per_address))
		return HTTP_CALLER_REFUSED;
	if (at == NONE) {
		at = most_crowded(c, c->addresses[a].waiting);
		if (at == NONE)
			return HTTP_CALLER_REFUSED;
		c->addresses[c->places[at].address].open--;
		unlink_place(c, at);
		come = HTTP_CALLER_TAKES_PLACE;
	}
	link_place(c, at, a, now_ms);
	*place = at;
	return come;
}

bool http_callers_next(struct http_callers *c, unsigned *place, unsigned *address, int64_t *since_ms)
{
	unsigned least = UINT_MAX;
	uint16_t found = NONE;

	for (uint16_t at = c->first; at != NONE && least > 0; at = c->places[at].after) {
		const struct address *a = &c->addresses[c->places[at].address];

		if (a->open - a->waiting < least) {
			least = a->open - a->waiting;
			found = at;
		}
	}
	if (found == NONE)
		return false;
	*place = found;
	*address = c->places[found].address;
	*since_ms = c->places[found].since_ms;
	unlink_place(c, found);
	return true;
}

void http_callers_gone(struct http_callers *c, unsigned address)
{
	c->addresses[address].open--;
	while (c->addresses_len > 0 && c->addresses[c->addresses_len - 1].open == 0)
		c->addresses_len--;
}

void http_callers_idle(struct http_callers *c, int change)
{
	if (change > 0)
		atomic_fetch_add(&c->idle, 1);
	else
		atomic_fetch_sub(&c->idle, 1);
}

void http_callers_left(struct http_callers *c)
{
	atomic_fetch_sub(&c->leaving, 1);
}

bool http_callers_give_way(struct http_callers *c)
{
	unsigned leaving = atomic_load(&c->leaving);

	while (atomic_load(&c->waiting) > leaving + atomic_load(&c->idle))
		if (atomic_compare_exchange_weak(&c->leaving, &leaving, leaving + 1))
			return true;
	return false;
}
