/*
 * Kinds: what an update is about, told in a word or two that people and programs can read without opening it
 * (facts/meta.md 1.6 to 1.8). One table of fields; what is not in it keeps the name under which it came.
 *
 * Called by prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_KINDS_H
#define KEYHOUSE_INBOUND_KINDS_H

#include "gateway/inbound/split.h"

/* Two parts, "messages/image", "statuses/read", "account_update/ACCOUNT_RESTRICTION", "history/phase 1, chunk 3, 40 %";
 * the second is missing where the update has no such word. Only the provider's own words get in: letters, "_", "-", and at
 * most four digits each, so that no phone number and no message id does. */
void kinds_what(const struct split_update *u, char out[static STORE_WHAT_LEN + 1]);

/* What a message, or an echo, does to an earlier one, and the provider's id of that one (borrowed from the tree).
 * STORE_NO_RELATION: nothing, or it does not say to which. */
enum store_relation kinds_relation(const cJSON *message, const char **wamid);

#endif
