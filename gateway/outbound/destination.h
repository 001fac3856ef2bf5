/*
 * Where a responder may be, as far as its address's text tells. Pure; one grammar for both halves,
 * narrow enough that libcurl cannot read another host out of it. Called by request.c and job.c.
 */
#ifndef KEYHOUSE_OUTBOUND_DESTINATION_H
#define KEYHOUSE_OUTBOUND_DESTINATION_H

#include <stdbool.h>
#include <stddef.h>

#define DESTINATION_URL_MAX 1023u

/* What webhook URLs and responders' addresses have in common: http(s)://, printable ASCII, not too long. */
bool destination_text_ok(const char *url);

struct destination {
	bool https;
	const char *host; /* in the URL; of an IPv6 address with its brackets */
	size_t host_len;
	unsigned port;
};
/* NULL, or what is wrong with it, in constant words. out borrows from url. */
const char *destination_read(const char *url, struct destination *out);

/* Whether allow, "host:port, host:port", names it. */
bool destination_allowed(const struct destination *d, const char *allow);

#endif
