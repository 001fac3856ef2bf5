/*
 * The provider's limit of one number to one customer: a message each 6 seconds, up to 45 at once, borrowed from the
 * time after them (facts/meta.md 4). Kept for as long as it matters, some minutes; times are in ms, any clock that
 * does not go back. Pure: not for several threads at once. Called by lanes.c.
 */
#ifndef KEYHOUSE_OUTBOUND_PAIRS_H
#define KEYHOUSE_OUTBOUND_PAIRS_H

#include <stdint.h>

#include "store/store.h"

#define PAIRS_EVERY_MS 6000
#define PAIRS_BURST 45

struct pairs;
/* max: so many pairs are remembered at once; above, one that comes new is let through unseen. NULL: memory is short. */
struct pairs *pairs_new(unsigned max);
void pairs_free(struct pairs *p);

/* Takes one message of the conversation, if its limit allows: 0. Else when it will, and nothing is taken. */
int64_t pairs_take(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now);
/* The message was not sent after all. */
void pairs_give_back(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now);
/* The provider says that the limit is reached: nothing before then. */
void pairs_stop(struct pairs *p, const uint8_t conversation[static STORE_INDEX_LEN], int64_t until, int64_t now);

#endif
