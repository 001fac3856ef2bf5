/*
 * Who is let in, who is served next, and whether who is slow has to give way.
 *
 * All callers are strangers here. An address that holds many workers waits behind one that holds few, and with its share
 * of them behind itself alone; where there is no more room to wait, one of the address goes that waits with the most:
 * whoever fills the house stands in his own way first.
 *
 * Called by engine.c under one lock, which is the engine's.
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

/* What one address has open, and how many of those wait; free when none is open. The operator's have no bytes. */
struct address {
	uint8_t bytes[HTTP_ADDRESS_LEN];
	bool operators;
	unsigned open, waiting;
};

struct http_callers {
	unsigned per_address; /* 0: no cap */
	size_t addresses_len, addresses_max;
	struct address *addresses;
	uint16_t first, last, free; /* places */
	struct place places[HTTP_WAITING_MAX];
	atomic_uint waiting; /* may be read without the lock */
	unsigned idle; /* workers with nothing to do */
	unsigned leaving; /* workers whose caller gave way, and which are about to take the next */
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
	static const uint8_t none[HTTP_ADDRESS_LEN];
	const bool operators = bytes == NULL;
	size_t at = c->addresses_max;

	bytes = operators ? none : bytes;
	for (size_t i = 0; i < c->addresses_len; i++) {
		if (c->addresses[i].open == 0)
			at = i;
		else if (c->addresses[i].operators == operators &&
			memcmp(c->addresses[i].bytes, bytes, HTTP_ADDRESS_LEN) == 0)
			return (uint16_t)i;
	}
	if (at == c->addresses_max && c->addresses_len < c->addresses_max)
		at = c->addresses_len++;
	if (at == c->addresses_max)
		return NONE;
	c->addresses[at].operators = operators;
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

enum http_caller http_callers_admit(struct http_callers *c, const uint8_t *address, int64_t now_ms, unsigned *place)
{
	uint16_t a = find(c, address), at = c->free;
	enum http_caller come = HTTP_CALLER_WAITS;

	if (a == NONE)
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

static unsigned served(const struct address *a)
{
	return a->open - a->waiting;
}

static bool has_its_share(const struct http_callers *c, const struct address *a)
{
	return c->per_address > 0 && !a->operators && served(a) >= c->per_address;
}

/* The place of who is next, or NONE. */
static uint16_t next_place(const struct http_callers *c)
{
	unsigned least = UINT_MAX;
	uint16_t found = NONE;

	for (uint16_t at = c->first; at != NONE && least > 0; at = c->places[at].after) {
		const struct address *a = &c->addresses[c->places[at].address];

		if (served(a) < least && !has_its_share(c, a)) {
			least = served(a);
			found = at;
		}
	}
	return found;
}

bool http_callers_next(struct http_callers *c, unsigned *place, unsigned *address, int64_t *since_ms)
{
	uint16_t found = next_place(c);

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
	c->idle = change > 0 ? c->idle + 1 : c->idle - 1;
}

void http_callers_left(struct http_callers *c)
{
	c->leaving--;
}

bool http_callers_some_wait(const struct http_callers *c)
{
	return atomic_load(&c->waiting) > 0;
}

/* Whether who is next, with no worker for him, comes from an address that holds no more than this one. */
static bool is_fair(const struct http_callers *c, const struct address *a)
{
	uint16_t next = c->idle == 0 && atomic_load(&c->waiting) > c->leaving ? next_place(c) : NONE;

	return next != NONE && served(&c->addresses[c->places[next].address]) <= served(a);
}

bool http_callers_give_way(struct http_callers *c, unsigned address)
{
	const struct address *a = &c->addresses[address];

	if (!(has_its_share(c, a) && a->waiting > c->leaving) && !is_fair(c, a))
		return false;
	c->leaving++;
	return true;
}
