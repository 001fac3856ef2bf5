/*
 * One table of slots with a hash chain and a recency list, both by slot number: no
 * memory is taken per tenant but for its list. Trusts its caller with the ids' length.
 */
#include "gateway/keycache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct slot {
	char id[KEYCACHE_ID_LEN + 1];
	struct vault_content_keys keys;
	void *list; /* valid where has_list; NULL where it is empty */
	size_t list_len;
	bool has_list;
	uint32_t chain; /* next slot of the same bucket, or of the free list */
	uint32_t newer, older; /* recency list */
};

struct keycache {
	pthread_mutex_t lock;
	struct slot *slots;
	uint32_t *buckets;
	uint32_t slots_max, buckets_mask;
	uint32_t newest, oldest, free_list;
	uint64_t epoch; /* counts keycache_forget */
};

/* ------------------------------------------------------------ the table */

static uint32_t bucket_of(const struct keycache *c, const char *id)
{
	uint64_t h = 1469598103934665603u;

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * 1099511628211u;
	return (uint32_t)(h ^ (h >> 32)) & c->buckets_mask;
}

static void recency_unlink(struct keycache *c, uint32_t n)
{
	struct slot *s = &c->slots[n];

	if (s->newer != NONE)
		c->slots[s->newer].older = s->older;
	else
		c->newest = s->older;
	if (s->older != NONE)
		c->slots[s->older].newer = s->newer;
	else
		c->oldest = s->newer;
}

static void recency_push(struct keycache *c, uint32_t n)
{
	struct slot *s = &c->slots[n];

	s->newer = NONE;
	s->older = c->newest;
	if (c->newest != NONE)
		c->slots[c->newest].newer = n;
	c->newest = n;
	if (c->oldest == NONE)
		c->oldest = n;
}

/* The tenant's slot, now the newest; NULL where it has none. */
static struct slot *slot_find(struct keycache *c, const char *id)
{
	uint32_t n = c->buckets[bucket_of(c, id)];

	while (n != NONE && strcmp(c->slots[n].id, id) != 0)
		n = c->slots[n].chain;
	if (n == NONE)
		return NULL;
	recency_unlink(c, n);
	recency_push(c, n);
	return &c->slots[n];
}

static void list_wipe(struct slot *s)
{
	if (s->list != NULL)
		vault_wipe(s->list, s->list_len);
	free(s->list);
	s->list = NULL;
	s->list_len = 0;
	s->has_list = false;
}

static void slot_drop(struct keycache *c, uint32_t n)
{
	uint32_t *link = &c->buckets[bucket_of(c, c->slots[n].id)];

	while (*link != n)
		link = &c->slots[*link].chain;
	*link = c->slots[n].chain;
	recency_unlink(c, n);
	list_wipe(&c->slots[n]);
	vault_wipe(&c->slots[n], sizeof(c->slots[n]));
	c->slots[n].chain = c->free_list;
	c->free_list = n;
}

static struct slot *slot_add(struct keycache *c, const char *id)
{
	uint32_t n, *bucket;

	if (c->free_list == NONE)
		slot_drop(c, c->oldest);
	n = c->free_list;
	c->free_list = c->slots[n].chain;
	memcpy(c->slots[n].id, id, strlen(id) + 1);
	bucket = &c->buckets[bucket_of(c, id)];
	c->slots[n].chain = *bucket;
	*bucket = n;
	recency_push(c, n);
	return &c->slots[n];
}

/* ------------------------------------------------------------ life */

struct keycache *keycache_new(unsigned max)
{
	struct keycache *c = calloc(1, sizeof(*c));
	uint32_t buckets = 16;

	if (c == NULL)
		return NULL;
	pthread_mutex_init(&c->lock, NULL);
	c->slots_max = max > 0 ? max : 1;
	while (buckets < c->slots_max)
		buckets *= 2;
	c->buckets_mask = buckets - 1;
	c->newest = c->oldest = c->free_list = NONE;
	c->slots = calloc(c->slots_max, sizeof(*c->slots));
	c->buckets = malloc(buckets * sizeof(*c->buckets));
	if (c->slots == NULL || c->buckets == NULL) {
		keycache_free(c);
		return NULL;
	}
	for (uint32_t i = 0; i < buckets; i++)
		c->buckets[i] = NONE;
	for (uint32_t i = c->slots_max; i > 0; i--) {
		c->slots[i - 1].chain = c->free_list;
		c->free_list = i - 1;
	}
	return c;
}

void keycache_free(struct keycache *c)
{
	if (c == NULL)
		return;
	for (uint32_t i = 0; c->slots != NULL && i < c->slots_max; i++)
		list_wipe(&c->slots[i]);
	if (c->slots != NULL)
		vault_wipe(c->slots, c->slots_max * sizeof(*c->slots));
	free(c->slots);
	free(c->buckets);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* ------------------------------------------------------------ use */

bool keycache_keys(struct keycache *c, const char *id, struct vault_content_keys *out, uint64_t *epoch)
{
	const struct slot *s;

	pthread_mutex_lock(&c->lock);
	s = slot_find(c, id);
	if (s != NULL)
		*out = s->keys;
	*epoch = c->epoch;
	pthread_mutex_unlock(&c->lock);
	return s != NULL;
}

void keycache_keep_keys(struct keycache *c, const char *id, uint64_t epoch, const struct vault_content_keys *keys)
{
	pthread_mutex_lock(&c->lock);
	if (c->epoch == epoch && slot_find(c, id) == NULL)
		slot_add(c, id)->keys = *keys;
	pthread_mutex_unlock(&c->lock);
}

bool keycache_list(struct keycache *c, const char *id, void *out, size_t room, size_t *len, uint64_t *epoch)
{
	const struct slot *s;
	bool found;

	pthread_mutex_lock(&c->lock);
	s = slot_find(c, id);
	found = s != NULL && s->has_list && s->list_len <= room;
	if (found) {
		if (s->list_len > 0)
			memcpy(out, s->list, s->list_len);
		*len = s->list_len;
	}
	*epoch = c->epoch;
	pthread_mutex_unlock(&c->lock);
	return found;
}

void keycache_keep_list(struct keycache *c, const char *id, uint64_t epoch, const void *list, size_t len)
{
	struct slot *s;
	void *copy;

	pthread_mutex_lock(&c->lock);
	s = slot_find(c, id);
	if (c->epoch == epoch && s != NULL && !s->has_list) {
		copy = len > 0 ? malloc(len) : NULL;
		if (copy != NULL)
			memcpy(copy, list, len);
		if (copy != NULL || len == 0) {
			s->list = copy;
			s->list_len = len;
			s->has_list = true;
		}
	}
	pthread_mutex_unlock(&c->lock);
}

void keycache_forget(struct keycache *c, const char *id)
{
	const struct slot *s;

	pthread_mutex_lock(&c->lock);
	c->epoch++;
	s = slot_find(c, id);
	if (s != NULL)
		slot_drop(c, (uint32_t)(s - c->slots));
	pthread_mutex_unlock(&c->lock);
}
