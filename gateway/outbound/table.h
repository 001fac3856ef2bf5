/*
 * A table by name, of things that their owner allocates and frees: it holds a node of each. Private to lanes.c.
 */
#ifndef KEYHOUSE_OUTBOUND_TABLE_H
#define KEYHOUSE_OUTBOUND_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct node {
	struct node *next;
	const char *key; /* in what holds the node */
};

/* Zero-initialise it; its owner frees heads. */
struct table {
	struct node **heads;
	size_t room, len; /* room: a power of two, or 0 */
};

/* Room for one more. False: memory is short. */
bool table_reserve(struct table *t);
/* NULL: there is none of that name. */
void *table_find(const struct table *t, const char *key);
/* After table_reserve; n->key is set, and no other's. */
void table_put(struct table *t, struct node *n);
void table_remove(struct table *t, struct node *n);

#endif
