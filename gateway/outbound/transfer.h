/*
 * Transfers: requests over HTTP/1.1, many at once, connections kept and shared by host. The only
 * part that knows libcurl.
 *
 * Every request has a handle of its own, so no header of one job meets another; memory that the
 * library gives back is wiped. No redirects, cookies, proxies, .netrc. https, and http only where
 * the request says so. One thread. Called by sender.c.
 */
#ifndef KEYHOUSE_OUTBOUND_TRANSFER_H
#define KEYHOUSE_OUTBOUND_TRANSFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TRANSFER_ANSWER_MAX (256u * 1024u) /* a longer body is an odd answer */
#define TRANSFER_CONNECT_MS 5000
#define TRANSFER_TOTAL_MS 30000

struct transfers;

/* Starts the library, which transfers_new does too: for who forbids opening files in between. */
bool transfers_init(void);
/* It or transfers_init must be the process's first use of libcurl. NULL: the library cannot start. */
struct transfers *transfers_new(void);
void transfers_free(struct transfers *t); /* drops what is on its way; NULL is fine */

#define TRANSFER_HEADERS_MAX 8u

struct transfer_header {
	const char *name, *value;
};

/* Everything in it is copied. */
struct transfer_request {
	const char *url; /* may hold a secret */
	struct transfer_header headers[TRANSFER_HEADERS_MAX]; /* beside Accept, Content-Type and User-Agent */
	size_t headers_len;
	const char *body; /* NULL: GET */
	size_t body_len;
	bool plain_http; /* the URL is http, else https */
	bool guarded; /* no address that is not public is connected to, whatever the name says */
	unsigned timeout_ms; /* in all; 0: TRANSFER_TOTAL_MS */
};
/* owner comes back with its end. False: not started, memory is short. */
bool transfers_start(struct transfers *t, const struct transfer_request *req, void *owner);

enum transfer_how {
	TRANSFER_ANSWERED, /* a whole answer */
	TRANSFER_NOT_SENT, /* not one byte of it left, or of its body where it has one: not accepted */
	TRANSFER_BROKEN, /* bytes left, and no whole answer came: broken off, too late */
	TRANSFER_TOO_LONG, /* likewise: the answer went on beyond its limit */
};
struct transfer_end {
	enum transfer_how how;
	int http_status; /* 0: none was read */
	int64_t retry_after_ms; /* 0: not said */
	int64_t date, date_read_at; /* the answer's Date, and when it was read; seconds since 1970, 0: none */
	const char *body; /* NUL after body_len */
	size_t body_len;
	const char *why; /* how != TRANSFER_ANSWERED: plain words that follow "the provider", constant */
};
/* Calls each() for one that ended, if any; false: none has. end lives until each() returns, and
 * the URL, headers, body and answer are wiped after it. */
bool transfers_next(
	struct transfers *t, void (*each)(void *owner, const struct transfer_end *end, void *arg), void *arg);

/* Waits for any socket, or events on fd, at most timeout_ms, then moves bytes. Returns the events on fd. */
short transfers_wait(struct transfers *t, int fd, short events, int timeout_ms);

#endif
