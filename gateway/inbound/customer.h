/*
 * The customer of an update: all names that it gives him, and whether somebody else answers him now
 * (facts/meta.md 1.9 and 8). Called by prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_CUSTOMER_H
#define KEYHOUSE_INBOUND_CUSTOMER_H

#include "gateway/inbound/split.h"

/* User ids and phone digits that are one customer, as conversations know him; the first is the one that the update's
 * own conversation goes by, "" where a message names nobody. contact may be NULL. Returns how many; 0: it is about no
 * customer. Borrowed from the tree. */
size_t customer_names(const struct split_update *u, const cJSON *contact, const char *out[static STORE_NAMES_MAX]);

/* Whether it tells that he rang, or took a call of the shop's: he may be written to freely then, as if he had written. */
bool customer_called(const struct split_update *u);

/* Who answers him since then; 0: the update does not say. */
enum store_holder customer_holder(const struct split_update *u);

#endif
