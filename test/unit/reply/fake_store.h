/*
 * A store of products in memory, for the tests of the responders: the one call of
 * store/store.h that they make. Each test program includes this once.
 */
#ifndef KEYHOUSE_TEST_REPLY_FAKE_STORE_H
#define KEYHOUSE_TEST_REPLY_FAKE_STORE_H

#include <stdio.h>
#include <string.h>

#include "store/store.h"

struct store {
	const char *business_id;
	const struct store_product *products;
	size_t len;
	enum store_error answer;
	unsigned asked;
};

enum store_error store_product_each(
	struct store *s, const char *business_id, bool (*each)(const struct store_product *p, void *arg), void *arg)
{
	s->asked++;
	if (s->answer != STORE_OK)
		return s->answer;
	if (strcmp(s->business_id, business_id) != 0)
		return STORE_OK;
	for (size_t i = 0; i < s->len; i++) {
		if (!each(&s->products[i], arg))
			break;
	}
	return STORE_OK;
}

/* A fixed sequence, so that a failure can be repeated. */
static unsigned fake_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

#endif
