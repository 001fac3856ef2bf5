/*
 * The wiping allocator. Trusts that what it is given back is its own. Called by transfer.c and libcurl.
 */
#include "gateway/outbound/wiping.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* An allocation's length lies in front of it. */
#define HEAD_LEN alignof(max_align_t)
_Static_assert(HEAD_LEN >= sizeof(size_t), "the length fits in front");

void *wiping_malloc(size_t len)
{
	unsigned char *base = len > SIZE_MAX - HEAD_LEN ? NULL : malloc(HEAD_LEN + len);

	if (base == NULL)
		return NULL;
	memcpy(base, &len, sizeof(len));
	return base + HEAD_LEN;
}

static size_t length_of(const void *p)
{
	size_t len;

	memcpy(&len, (const unsigned char *)p - HEAD_LEN, sizeof(len));
	return len;
}

void wiping_free(void *p)
{
	unsigned char *base;

	if (p == NULL)
		return;
	base = (unsigned char *)p - HEAD_LEN;
	explicit_bzero(base, HEAD_LEN + length_of(p));
	free(base);
}

void *wiping_realloc(void *p, size_t len)
{
	void *moved = wiping_malloc(len);

	if (moved == NULL || p == NULL)
		return moved;
	memcpy(moved, p, length_of(p) < len ? length_of(p) : len);
	wiping_free(p);
	return moved;
}

void *wiping_calloc(size_t count, size_t size)
{
	void *p = size != 0 && count > SIZE_MAX / size ? NULL : wiping_malloc(count * size);

	if (p != NULL)
		memset(p, 0, count * size);
	return p;
}

char *wiping_strdup(const char *text)
{
	const size_t len = strlen(text) + 1;
	char *copy = wiping_malloc(len);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}
