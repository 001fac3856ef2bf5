/*
 * Moments as RFC 3339 writes them.
 *
 * What is read is a stranger's. Called by virtual_key_issue.
 */
#ifndef KEYHOUSE_RFC3339_H
#define KEYHOUSE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* 2030-01-31T23:59:59Z, with a fraction or an offset where one is given. False: it is none. */
bool rfc3339_read(const char *text, int64_t *ms);

#endif
