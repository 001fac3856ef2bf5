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

#include "gateway/outbound/usage.h"

#define TRANSFER_ANSWER_MAX (256u * 1024u) /* a longer body is an odd answer */
#define TRANSFER_CONNECT_MS 5000
#define TRANSFER_TOTAL_MS 30000
/* What is streamed may take longer, but not be slow: less than a byte a millisecond over TRANSFER_SLOW_MS in which nothing
 * waits for us. Once all is sent, the provider may think about it for so many times that. */
#define TRANSFER_STREAM_MS 3600000
#define TRANSFER_SLOW_MS 30000u
#define TRANSFER_THINK_TIMES 4u

struct transfers;
struct transfer; /* one of them */

/* Starts the library, which transfers_new does too: for who forbids opening files in between. */
bool transfers_init(void);
/* It or transfers_init must be the process's first use of libcurl. NULL: the library cannot start. */
struct transfers *transfers_new(void);
void transfers_free(struct transfers *t); /* drops what is on its way; NULL is fine */

#define TRANSFER_HEADERS_MAX 8u
#define TRANSFER_KEPT_MAX 10u
#define TRANSFER_KEPT_LEN 8192u

struct transfer_header {
	const char *name, *value;
};

/* How an answer begins. */
struct transfer_head {
	int status; /* as it came: outside of 200 to 599 it ends BROKEN */
	uint64_t len; /* UINT64_MAX: not said */
	const char
		*kept[TRANSFER_KEPT_MAX]; /* values of the headers in keep; NULL: it has none such, or one too long */
};

/* Who follows a transfer while it is on its way; called from transfers_wait, transfers_next and transfers_resume. */
#define TRANSFER_LATER SIZE_MAX
struct transfer_watch {
	/* The next bytes of an upload. 0: that was all; TRANSFER_LATER: transfers_resume when there are more. */
	size_t (*give)(void *owner, void *to, size_t room);
	/* The answer begins. True: its body goes to take; false: it is collected. */
	bool (*head)(void *owner, const struct transfer_head *head);
	/* Takes all of it. False: nothing was taken, transfers_resume when there is room. */
	bool (*take)(void *owner, const void *data, size_t len);
};

/* Everything in it is copied, but what keep and watch point to. */
struct transfer_request {
	const char *url; /* may hold a secret */
	struct transfer_header headers[TRANSFER_HEADERS_MAX]; /* beside Accept, Content-Type and User-Agent */
	size_t headers_len;
	const char *body; /* POST; NULL: GET, or what the next ones say */
	size_t body_len;
	bool deletes; /* DELETE */
	bool uploads; /* POST with a body that give brings */
	uint64_t upload_len; /* UINT64_MAX: not known before its end */
	const char *content_type; /* of a body; NULL or "": JSON */
	bool any_type; /* whatever the answer is, else JSON is asked for */
	unsigned slow_ms; /* for so long it may be slow; 0: slow is fine */
	size_t answer_max; /* 0: TRANSFER_ANSWER_MAX */
	const char *const
		*keep; /* names of headers of the answer that are wanted, keep_len of them; borrowed likewise */
	size_t keep_len; /* at most TRANSFER_KEPT_MAX */
	const struct transfer_watch *watch; /* NULL: nobody follows; borrowed until its end */
	bool plain_http; /* the URL is http, else https */
	bool guarded; /* no address that is not public is connected to, whatever the name says */
	unsigned timeout_ms; /* in all; 0: TRANSFER_TOTAL_MS */
};
/* owner comes back with its end. Returns it until then; NULL: not started, memory is short. */
struct transfer *transfers_start(struct transfers *t, const struct transfer_request *req, void *owner);
/* give or take could go on now. */
void transfers_resume(struct transfer *x);
/* Ends it, without an end for its owner; its connection closes. */
void transfers_cancel(struct transfers *t, struct transfer *x);

enum transfer_how {
	TRANSFER_ANSWERED, /* a whole answer */
	TRANSFER_NOT_SENT, /* not one byte of it left, or of its body where it has one: not accepted */
	TRANSFER_BROKEN, /* bytes left, and no whole answer came: broken off, too late, of a status that is none */
	TRANSFER_TOO_LONG, /* likewise: the answer went on beyond its limit */
};
struct transfer_end {
	enum transfer_how how;
	int http_status; /* 200 to 599; 0: none such was read */
	int64_t retry_after_ms; /* 0: not said */
	int64_t regain_ms; /* what usage_read says of its headers */
	const char *const *kept; /* TRANSFER_KEPT_MAX, as in its head */
	int64_t date, date_read_at; /* the answer's Date, and when it was read; seconds since 1970, 0: none */
	const char *body; /* what was collected; NUL after body_len */
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
