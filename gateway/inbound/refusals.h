/*
 * The last refused webhook of each business, since the start: in memory alone, so that
 * strangers cost no write. A table of fixed size; a business that shares its place with
 * another forgets.
 *
 * Internal to gateway/inbound.
 */
#ifndef KEYHOUSE_INBOUND_REFUSALS_H
#define KEYHOUSE_INBOUND_REFUSALS_H

#include "gateway/inbound/inbound.h"

struct refusals;
struct refusals *refusals_new(void); /* NULL: memory is short */
void refusals_free(struct refusals *r); /* NULL is fine */

/* why lives as long as the program. Takes as long for every text, also one that is no business's. r NULL: nothing is
 * remembered. */
enum refusal_sign { REFUSAL_NO_SIGN, REFUSAL_SIGNATURE, REFUSAL_PLATFORM };
/* True: a sign of something, as the last ten minutes had none. */
bool refusals_note(struct refusals *r, const char *business_id, const char *why, enum refusal_sign sign);
void refusals_note_token(struct refusals *r, const char *business_id);
bool refusals_get(struct refusals *r, const char *business_id, struct inbound_refusal *out);

#endif
