/*
 * The front: the providers' own APIs, spoken by us, so that a client of theirs works by another base URL and a virtual
 * key (design section 7).
 *
 * Graph-shaped, at host root: /v{N}.{M}/{phone_number_id}/messages and so on, bearer or ?access_token=. 360dialog-shaped:
 * /messages and so on, D360-API-KEY. Either works for a shop of either provider: what the path says of ids is mapped. A
 * call is made with the shop's own key, synchronously, and the provider's answer goes back as it came, with its status;
 * but that addresses in it lead here. What we refuse ourselves is told in the same shape.
 *
 * Clients are strangers until their key was admitted. Called by gateway/listener.c.
 */
#ifndef KEYHOUSE_FRONT_H
#define KEYHOUSE_FRONT_H

#include "gateway/http/http.h"
#include "gateway/outbound/outbound.h"
#include "gateway/tenant.h"
#include "gateway/virtual_key.h"

struct front;

struct front_options {
	struct tenants *tenants; /* these are borrowed */
	struct outbound *outbound;
	struct virtual_keys *keys;
	const char *public_url; /* copied: what addresses in answers begin with */
};
struct front *front_new(const struct front_options *opt); /* NULL when memory is short */
void front_free(struct front *f); /* nobody may be in a call; NULL is fine */

/* Whether a path is the front's, whoever asks. */
bool front_owns(const char *path);
/* Answers one request for such a path. Threads: any. */
void front_handle(struct front *f, struct http_request *req);

/* Since the start, for the metrics. */
struct front_counts {
	unsigned long calls; /* that were admitted */
	unsigned long refused; /* for their key */
	unsigned long limited; /* told to come again, by a limit of ours */
};
void front_counts(const struct front *f, struct front_counts *out);

#endif
