/*
 * A table by name. See table.h.
 */
#include "gateway/outbound/table.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/hash.h"

#define TABLE_FIRST 64u

static size_t slot_of(const struct table *t, const char *key)
{
	return hash_text(key) & (t->room - 1);
}

void *table_find(const struct table *t, const char *key)
{
	struct node *n = t->room > 0 ? t->heads[slot_of(t, key)] : NULL;

	while (n != NULL && strcmp(n->key, key) != 0)
		n = n->next;
	return n;
}

void table_put(struct table *t, struct node *n)
{
	struct node **head = &t->heads[slot_of(t, n->key)];

	n->next = *head;
	*head = n;
	t->len++;
}

bool table_reserve(struct table *t)
{
	struct table larger = {.room = t->room > 0 ? t->room * 2 : TABLE_FIRST};

	if (t->room > 0 && t->len < t->room)
		return true;
	larger.heads = calloc(larger.room, sizeof(*larger.heads));
	if (larger.heads == NULL)
		return t->room > 0;
	for (size_t i = 0; i < t->room; i++)
		for (struct node *n = t->heads[i], *next; n != NULL; n = next) {
			next = n->next;
			table_put(&larger, n);
		}
	free(t->heads);
	*t = larger;
	return true;
}

void table_remove(struct table *t, struct node *n)
{
	struct node **at = &t->heads[slot_of(t, n->key)];

	while (*at != n)
		at = &(*at)->next;
	*at = n->next;
	t->len--;
}
