/*
 * An allocator that wipes what it takes back: for libcurl, and for what transfers keep themselves.
 * Called by transfer.c.
 */
#ifndef KEYHOUSE_OUTBOUND_WIPING_H
#define KEYHOUSE_OUTBOUND_WIPING_H

#include <stddef.h>

void *wiping_malloc(size_t len);
void *wiping_calloc(size_t count, size_t size);
void *wiping_realloc(void *p, size_t len);
char *wiping_strdup(const char *text);
void wiping_free(void *p); /* NULL is fine */

#endif
