/*
 * From the updates of one event to what the store settles: bound, keyed, sealed.
 * Called by ready.c; touches no thread and writes nothing.
 */
#ifndef KEYHOUSE_INBOUND_PREPARE_H
#define KEYHOUSE_INBOUND_PREPARE_H

#include "gateway/inbound/binding.h"
#include "gateway/inbound/split.h"
#include "gateway/tenant.h"
#include "store/store.h"

/* A message, status or other update that is longer, as it is kept, is not put before a responder: what people write is far
 * shorter, and many are in memory at once. */
#define PREPARE_ASK_MAX (64u * 1024u)

/* The event the updates came in. All borrowed. */
struct prepare_event {
	const char *business_id;
	const char *connection_id; /* which verified it */
	int64_t received_at;
	bool answers; /* the business is active and has a responder */
	bool statuses; /* which is told of statuses, too */
	bool all; /* and of every other update */
	const struct binding *binding;
};

struct prepared_row;

struct prepared {
	struct store_update *updates; /* what they point to lies in rows */
	struct prepared_row *rows;
	size_t len;
	size_t asks; /* statuses and other updates owed to the responder */
};

/* Returns TENANT_OK, or what kept it from sealing or looking up: nothing of the event is
 * settled then. Owns: caller ends *out with intake_prepared_clear, also after an error. */
enum tenant_error intake_prepare(struct tenants *t, const struct prepare_event *ev, const struct split_update *split,
	size_t len, struct prepared *out) __attribute__((warn_unused_result));
void intake_prepared_clear(struct prepared *p);

#endif
