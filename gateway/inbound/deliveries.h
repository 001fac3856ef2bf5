/*
 * What came of webhooks lately: in memory first, so that strangers cost no write each. Two tables of fixed size.
 *
 * One has the last refusals of each business since the start; a business that shares its place with another forgets.
 * The other has what came of each connection's webhooks since that was written into the store, in which it is kept
 * over a restart; where more connections have news within a minute than there are places, the oldest news go.
 *
 * Internal to gateway/inbound.
 */
#ifndef KEYHOUSE_INBOUND_DELIVERIES_H
#define KEYHOUSE_INBOUND_DELIVERIES_H

#include "gateway/delivery.h"
#include "gateway/inbound/inbound.h"

struct deliveries;
struct deliveries *deliveries_new(void); /* NULL: memory is short */
void deliveries_free(struct deliveries *d); /* NULL is fine */

/* All of these: d NULL, and nothing is remembered. Threads: any. */

/* One of this business was refused. Takes as long for every text, also one that is no business's. True: it is a sign of
 * a wrong secret here, as the last ten minutes had none. */
bool deliveries_refused(struct deliveries *d, const char *business_id, enum delivery_why why);
bool deliveries_refusal(struct deliveries *d, const char *business_id, struct inbound_refusal *out);

/* What came of one of this connection's; why: NO_REASON, it was accepted. */
void deliveries_note(
	struct deliveries *d, const char *business_id, const char *connection_id, enum delivery_why why, int64_t at);
/* Adds to out what is not written yet. */
void deliveries_news(struct deliveries *d, const char *connection_id, struct store_delivery *out);
/* Writes the news, in steps; those that the store does not take stay. */
enum store_error deliveries_write(struct deliveries *d, struct store *s) __attribute__((warn_unused_result));

#endif
