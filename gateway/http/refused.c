/*
 * Addresses that were refused often of late. A table of fixed size, in memory alone: strangers cost no allocation and no
 * write. Two addresses that meet in one place share it by turns, and which those are only this process knows.
 *
 * A provider that delivers for many shops, and a reverse proxy, stand for honest callers, too: what is held against an
 * address must never keep a small request of theirs out, and nothing is held against one from which somebody proved
 * himself while it was refused. Called by respond.c and request.c under the server's lock.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "gateway/http/internal.h"

enum {
	PLACES = 4096,
	WINDOW_MS = 10 * 1000,
	/* In that time. Meta tries again for a shop whose secret is wrong, and a few such shops make some refusals a
	 * second; who guesses makes hundreds. */
	OFTEN = 100,
};

struct place {
	uint8_t address[HTTP_ADDRESS_LEN];
	unsigned count; /* since began_ms */
	int64_t began_ms, until_ms; /* until_ms: too often up to then; 0: never */
	int64_t proven_ms; /* somebody proved himself last */
};

struct http_refused {
	uint64_t seed[2];
	struct place places[PLACES];
};

struct http_refused *http_refused_new(void)
{
	struct http_refused *r = calloc(1, sizeof(*r));

	if (r && getrandom(r->seed, sizeof(r->seed), 0) != (ssize_t)sizeof(r->seed)) {
		free(r);
		return NULL;
	}
	return r;
}

void http_refused_free(struct http_refused *r)
{
	free(r);
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide product = (wide)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t place_of(const struct http_refused *r, const uint8_t *address)
{
	uint64_t half[2];

	memcpy(half, address, sizeof(half));
	return mix(half[0] ^ r->seed[0], half[1] ^ r->seed[1]) % PLACES;
}

bool http_refused_note(struct http_refused *r, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms)
{
	struct place *p = &r->places[place_of(r, address)];

	if (memcmp(p->address, address, HTTP_ADDRESS_LEN) != 0) {
		*p = (struct place){.began_ms = now_ms};
		memcpy(p->address, address, HTTP_ADDRESS_LEN);
	}
	if (now_ms - p->began_ms >= WINDOW_MS) {
		p->began_ms = now_ms;
		p->count = 0;
	}
	if (++p->count > OFTEN || now_ms < p->until_ms)
		p->until_ms = now_ms + WINDOW_MS;
	return now_ms < p->until_ms;
}

void http_refused_proven(struct http_refused *r, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms)
{
	struct place *p = &r->places[place_of(r, address)];

	if (memcmp(p->address, address, HTTP_ADDRESS_LEN) == 0)
		p->proven_ms = now_ms;
}

bool http_refused_often(const struct http_refused *r, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms)
{
	const struct place *p = &r->places[place_of(r, address)];

	return memcmp(p->address, address, HTTP_ADDRESS_LEN) == 0 && now_ms < p->until_ms &&
		(p->proven_ms == 0 || now_ms - p->proven_ms >= WINDOW_MS);
}
