/*
 * What a provider says of its limits in an answer's headers (facts/meta.md 3). Trusts nothing in them: what cannot be read
 * says nothing. Called by transfer.c.
 */
#ifndef KEYHOUSE_OUTBOUND_USAGE_H
#define KEYHOUSE_OUTBOUND_USAGE_H

#include <stddef.h>
#include <stdint.h>

#define USAGE_TEXT_MAX 8192u /* a longer header is not read */

/* One header line as it came, "Name: value", of whatever name: raises *regain_ms to the longest time until calls are let
 * through again, at most OUTBOUND_REGAIN_MAX_MS. 0 before the first: not said. */
void usage_read(const char *line, size_t len, int64_t *regain_ms);

#endif
