/* A provider with files: a small HTTP server on loopback whose bodies are never held as a whole. See streams.c. */
#ifndef KEYHOUSE_TEST_STREAMS_H
#define KEYHOUSE_TEST_STREAMS_H

#include <stddef.h>
#include <stdint.h>

/* The bytes of every file and every upload, from a place on; and what tells that they are whole. */
void streams_fill(uint64_t at, uint8_t *to, size_t len);
#define STREAMS_HASH 0xcbf29ce484222325u /* to begin with */
uint64_t streams_hash(uint64_t hash, const void *data, size_t len);

/* A process of its own; called before the test opens anything else. Returns its port.
 *
 * Any POST is an upload, answered {"id":"77","len":N,"hash":"H"}; its query says otherwise:
 *   early=STATUS  answered after=N bytes of its body (0)   hang=N  reads N bytes, then nothing
 *   drop=N        reads N bytes, then closes
 * Any GET is a file: size=N bytes (0) of type=TYPE (application/octet-stream), status=N (200); and
 *   hang=N        sends N bytes, then nothing              drop=N  sends N bytes, then closes
 *   length=no     ends with the connection                 text=T  T comes before the bytes, which are spaces
 * Redirects have a Location. Every answer has what Meta's have in its head. A DELETE is answered {"success":true}. */
uint16_t streams_start(void);

/* Of all requests until now: how many there were, how many bodies broke off, how many early answers ended
 * with the connection; the last one's line and head. */
struct streams_seen {
	unsigned requests, broken, closed;
	char line[8192];
	char head[8192];
};
void streams_seen(struct streams_seen *out);

#endif
