/*
 * Whose turn it is: a small set, gone through in a circle, so that nobody in it waits for more than one piece of each other.
 * Called by intake.c.
 */
#include "gateway/inbound/turns.h"

#include <string.h>

struct turn *turns_find(struct turns *t, const char *business_id)
{
	for (size_t i = 0; i < t->len; i++)
		if (strcmp(t->all[i].business_id, business_id) == 0)
			return &t->all[i];
	return NULL;
}

struct turn *turns_add(struct turns *t, const char *business_id, int64_t after)
{
	struct turn *one = turns_find(t, business_id);

	if (one != NULL || t->len == TURNS_MAX)
		return one;
	one = &t->all[t->len++];
	memset(one, 0, sizeof(*one));
	memcpy(one->business_id, business_id, strnlen(business_id, STORE_BUSINESS_ID_LEN));
	one->after = after;
	one->passed = true;
	return one;
}

struct turn *turns_next(struct turns *t, bool (*may)(const struct turn *one, void *arg), void *arg)
{
	for (size_t i = 0; i < t->len; i++) {
		const size_t at = (t->next + i) % t->len;

		if (!may(&t->all[at], arg))
			continue;
		t->next = at + 1;
		return &t->all[at];
	}
	return NULL;
}

void turns_sweep(struct turns *t, bool (*done)(const struct turn *one, void *arg), void *arg)
{
	size_t kept = 0, before = 0;

	for (size_t i = 0; i < t->len; i++) {
		if (done(&t->all[i], arg))
			continue;
		before += i < t->next;
		if (kept != i)
			t->all[kept] = t->all[i];
		kept++;
	}
	t->len = kept;
	t->next = before;
}

bool turns_share(struct turns *t, const char *business_id)
{
	struct turns_share *s = t->shares;
	size_t i = 0;

	while (i < t->shares_len && strcmp(s[i].business_id, business_id) != 0)
		i++;
	if (i == STORE_SETTLING_MAX)
		return false;
	if (i == t->shares_len) {
		memset(&s[i], 0, sizeof(s[i]));
		memcpy(s[i].business_id, business_id, strnlen(business_id, STORE_BUSINESS_ID_LEN));
		t->shares_len++;
	}
	return s[i].events++ < TURNS_SHARE;
}

void turn_begin(struct turn *one, const char *event_id)
{
	if (strcmp(one->event_id, event_id) == 0)
		return;
	memcpy(one->event_id, event_id, strnlen(event_id, STORE_ID_LEN) + 1);
	one->from = 0;
	one->tries = one->pause_ms = 0;
	one->not_before = 0;
}
