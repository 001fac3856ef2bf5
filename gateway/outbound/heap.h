/*
 * What is to be looked at at a known time, the earliest first: a binary heap of things that their owner allocates and
 * frees. Private to lanes.c.
 */
#ifndef KEYHOUSE_OUTBOUND_HEAP_H
#define KEYHOUSE_OUTBOUND_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_item {
	size_t place; /* from 1 on; 0: in no heap */
	int64_t at;
};

/* Zero-initialise it; its owner frees items. */
struct heap {
	struct heap_item **items; /* [0] is not used */
	size_t len, room;
};

/* Room for so many in all, one more than last time. False: memory is short. */
bool heap_reserve(struct heap *h, size_t items);
/* NULL: it is empty. */
struct heap_item *heap_first(const struct heap *h);
/* After heap_reserve. Also of one that is in it: at another time. */
void heap_add(struct heap *h, struct heap_item *item, int64_t at);
void heap_remove(struct heap *h, struct heap_item *item); /* also of one that is not in it */

#endif
