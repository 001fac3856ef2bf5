/*
 * The file of prepared requests that load.c sends: whole HTTP requests, one after the other, each after its length
 * (4 bytes, little endian). Mapped, never changed; used by one thread.
 */
#ifndef KEYHOUSE_BENCH_REQUESTS_H
#define KEYHOUSE_BENCH_REQUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct requests {
	const uint8_t *bytes;
	size_t begin, end; /* of the part that is used */
	size_t at; /* of the next request in it */
	bool wrap; /* after the last one the first one comes again */
};

/* Maps the file and walks it: the part used begins after the first skip requests and holds at most max. Returns NULL,
 * or what is wrong in a few words. Owns: the mapping stays until the program ends. */
const char *requests_open(struct requests *out, const char *path, unsigned long skip, unsigned long max)
	__attribute__((warn_unused_result));

/* The next request, or NULL when there are no more. */
const uint8_t *requests_next(struct requests *r, size_t *len);

#endif
