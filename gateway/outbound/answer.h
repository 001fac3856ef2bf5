/*
 * Answers: from what came of a request to what leaves the sender. What providers have in common is
 * here; their error codes are in meta.h and d360.h, addresses of webhooks in callback.h.
 *
 * An answer is trusted with nothing. Called by sender.c.
 */
#ifndef KEYHOUSE_OUTBOUND_ANSWER_H
#define KEYHOUSE_OUTBOUND_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/outbound/exchange.h"
#include "gateway/outbound/kinds.h"
#include "gateway/outbound/outbound.h"
#include "gateway/outbound/transfer.h"

/* What was asked, for reading the answer. */
struct answer_to {
	const struct kind *kind;
	const struct secret *const *secrets; /* as many as the kind has credentials, NULL for one that is not
						* held: blanked in all that goes back */
	const char *app_id; /* "" where the kind wants none */
	const char *url; /* the job's; likewise */
	const char *public_url; /* without a final slash; "": no address is of this house */
	const struct exchange *exchange; /* of a kind that brings a token; else NULL */
	bool verbatim; /* a send whose answer's body and headers go back, too */
};

/* Owns: caller clears r. */
void answer_read(const struct answer_to *to, const struct transfer_end *end, struct outbound_result *r);

/* The body of a whole answer as it came, but for secrets and others' keys in addresses, as text: what lies behind a NUL is none. Owns: the caller frees
 * it with json_text_free. NULL: it is longer than max, or memory is short. */
char *answer_text(const struct answer_to *to, const struct transfer_end *end, size_t max);
/* The same of a header's value, in place. to: a struct answer_to. */
void answer_scrub_value(const void *to, char *value);

#endif
