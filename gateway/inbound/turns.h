/*
 * Businesses that take turns: what they have waiting costs much, so they go on a little at a time while the events of
 * all others are settled as they come. Called by intake.c, whose thread alone has it; knows no store.
 */
#ifndef KEYHOUSE_INBOUND_TURNS_H
#define KEYHOUSE_INBOUND_TURNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define TURNS_MAX 128u
#define TURNS_SHARE 16u /* events of one business in one look at all; with more it takes turns */

struct ready;

struct turn {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	int64_t after; /* the place behind which all lies that the business has waiting */
	/* The event that it is at, "" before and after one: in pieces, or stuck. */
	char event_id[STORE_ID_LEN + 1];
	size_t from; /* updates of that event that are settled */
	unsigned tries, pause_ms; /* of that event, where it is stuck */
	int64_t not_before; /* then, by the clock that only goes forward */
	struct ready *held; /* that event, made ready; NULL: it is still to be read */
	int64_t held_since;
	bool fresh; /* held since this batch began */
	bool passed; /* something of it may lie behind what this look comes to */
	bool crowded; /* its next event waits for room where events are held */
};

struct turns {
	struct turn all[TURNS_MAX];
	size_t len, next;
	/* Of the look that goes on: how many events of whom. */
	struct turns_share {
		char business_id[STORE_BUSINESS_ID_LEN + 1];
		unsigned events;
	} shares[STORE_SETTLING_MAX];
	size_t shares_len;
};

struct turn *turns_find(struct turns *t, const char *business_id); /* NULL: it takes none */
/* Found or added, with all behind after still waiting. NULL: there are too many. */
struct turn *turns_add(struct turns *t, const char *business_id, int64_t after);
/* The next that may, round and round. NULL: none. */
struct turn *turns_next(struct turns *t, bool (*may)(const struct turn *one, void *arg), void *arg);
/* Takes away those for which done says so. Pointers to others are void then. */
void turns_sweep(struct turns *t, bool (*done)(const struct turn *one, void *arg), void *arg);
/* One event more in this look; false: it would be more than the business's share. */
bool turns_share(struct turns *t, const char *business_id);
/* Begins with an event, or goes on with it. */
void turn_begin(struct turn *one, const char *event_id);

#endif
