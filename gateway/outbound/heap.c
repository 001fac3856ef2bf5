/*
 * A binary heap by time. See heap.h.
 */
#include "gateway/outbound/heap.h"

#include <stdlib.h>

#define HEAP_FIRST 64u

static void put(struct heap *h, size_t i, struct heap_item *item)
{
	h->items[i] = item;
	item->place = i;
}

static void rise(struct heap *h, size_t i, struct heap_item *item)
{
	for (; i > 1 && h->items[i / 2]->at > item->at; i /= 2)
		put(h, i, h->items[i / 2]);
	put(h, i, item);
}

static void sink(struct heap *h, size_t i, struct heap_item *item)
{
	for (size_t child; (child = 2 * i) <= h->len; i = child) {
		if (child < h->len && h->items[child + 1]->at < h->items[child]->at)
			child++;
		if (h->items[child]->at >= item->at)
			break;
		put(h, i, h->items[child]);
	}
	put(h, i, item);
}

bool heap_reserve(struct heap *h, size_t items)
{
	const size_t room = h->room > 0 ? h->room * 2 : HEAP_FIRST;
	struct heap_item **grown;

	if (items < h->room)
		return true;
	grown = realloc(h->items, room * sizeof(*grown));
	if (grown == NULL)
		return false;
	h->items = grown;
	h->room = room;
	return true;
}

struct heap_item *heap_first(const struct heap *h)
{
	return h->len > 0 ? h->items[1] : NULL;
}

void heap_add(struct heap *h, struct heap_item *item, int64_t at)
{
	heap_remove(h, item);
	item->at = at;
	rise(h, ++h->len, item);
}

void heap_remove(struct heap *h, struct heap_item *item)
{
	const size_t i = item->place;
	struct heap_item *last;

	if (i == 0)
		return;
	item->place = 0;
	last = h->items[h->len--];
	if (last == item)
		return;
	if (i > 1 && h->items[i / 2]->at > last->at)
		rise(h, i, last);
	else
		sink(h, i, last);
}
