/*
 * Inbound: from a webhook's bytes to updates (design section 4, steps 1 to 5).
 *
 * The raw bytes are verified before anything parses them, sealed, made durable,
 * acknowledged, and only then read: split into updates, bound to the connection
 * that verified them, deduplicated, logged, settled, answered.
 *
 * Two threads work behind the acknowledgement: one settles events, one asks
 * responders. What they have not finished is found in the store after a restart.
 */
#ifndef KEYHOUSE_INBOUND_H
#define KEYHOUSE_INBOUND_H

#include "gateway/delivery.h"
#include "gateway/finding.h"
#include "gateway/http/http.h"
#include "gateway/outbound/outbound.h"
#include "gateway/tenant.h"

#define INBOUND_BODY_MAX (3u * 1024u * 1024u + 64u * 1024u) /* facts/meta.md 1.3: 3 MB, and room */
#define INBOUND_DURABLE_MS 800u /* longer: 503, never a false 200 */

enum inbound_error {
	INBOUND_OK = 0,
	INBOUND_NO_MEMORY,
	INBOUND_SETUP,
};

struct inbound;

struct inbound_options {
	struct tenants *tenants; /* borrowed */
	struct outbound *
		outbound; /* borrowed; asks platforms, is woken when something of a number may be due; may be NULL (tests) */
	void (*failed)(void *ctx); /* an error that ends the process (the store failed) */
	void *ctx;
};

/* Starts both threads; events and answers left over from before are worked off first. */
enum inbound_error inbound_open(struct inbound **out, const struct inbound_options *opt)
	__attribute__((warn_unused_result));
/* Ends the asks that are out, too: outbound takes none any more. Before outbound_close. NULL is fine. */
void inbound_close(struct inbound *in);

/* Answers GET (handshake) and POST (delivery) of /webhooks/{business_id}. The id is
 * what stood in the path, unchecked. Threads: any. */
void inbound_webhook(struct inbound *in, struct http_request *req, const char *business_id);

/* The last webhook of a business that was refused; after a restart, what is remembered of its connections'. */
struct inbound_refusal {
	int64_t at; /* 0: none */
	const char *why; /* plain words for a shop owner; constant */
	/* When that happened last; 0: never. Anybody may make the first two, but none hides another. */
	int64_t signature_at; /* a signature that no app secret here made, or a wrong secret header */
	int64_t token_at; /* a handshake whose verify token is nobody's */
	int64_t platform_at; /* a connection's own secret, and a wrong platform signature */
};
bool inbound_refusal(const struct inbound *in, const char *business_id, struct inbound_refusal *out);

/* What came of a connection's webhooks is in the store, but for the last minute: adds that. */
void inbound_delivery(const struct inbound *in, const char *connection_id, struct store_delivery *d);
/* Writes it there; to be called each minute. */
void inbound_upkeep(struct inbound *in);

struct inbound_counts {
	unsigned long accepted, refused, busy; /* 200, 401, 503 since start */
	unsigned long whys[DELIVERY_WHYS]; /* how many were refused, or partly put aside, for each reason */
};
void inbound_counts(const struct inbound *in, struct inbound_counts *out);

#endif
