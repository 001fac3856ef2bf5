/*
 * From a job whose credentials are open to the request that goes out. Called by sender.c.
 */
#ifndef KEYHOUSE_OUTBOUND_REQUEST_H
#define KEYHOUSE_OUTBOUND_REQUEST_H

#include "gateway/outbound/job.h"
#include "gateway/outbound/signed.h"
#include "gateway/outbound/transfer.h"

/* Where a provider is. */
struct request_host {
	char base_url[512]; /* without a final slash */
	bool https; /* else it is loopback */
};
/* False: neither https nor http to loopback, or too long. */
bool request_host_read(const char *url, struct request_host *out);

/* What the settings say. */
struct request_world {
	struct request_host meta, meta_media, d360, d360_sandbox;
	const char *version; /* Meta's */
	const char *public_url; /* without a final slash */
	const char *responder_allow;
	unsigned responder_timeout_ms;
	unsigned slow_ms; /* what is streamed may be slow for so long; 0: TRANSFER_SLOW_MS */
};

/* A request and what it borrows from, beside job and secrets. Zero-initialise; must not be copied. */
struct request {
	struct transfer_request transfer;
	char *url, *key, *body;
	char proof[KIND_PROOF_LEN + 1];
	struct signed_headers signatures;
};
void request_clear(struct request *r);

/* NOT_SENT: memory is short, or the address is not allowed; NO_CREDENTIAL: a credential is not what it must be; why is
 * constant then. ACCEPTED: it may go. secrets: as many as the kind has credentials; NULL for one that the job does not
 * have. */
enum outbound_class request_build(struct request *r, const struct request_world *world, const struct job *j,
	const struct secret *const *secrets, const char **why) __attribute__((warn_unused_result));

#endif
