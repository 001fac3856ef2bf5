/*
 * What the provider tells of an account or a number by itself: bans, restrictions, ratings, lost access
 * (facts/meta.md 1.6). It shows at the connection until it is over, or until the provider, which is asked soon then,
 * says otherwise.
 *
 * Called by prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_ACCOUNT_H
#define KEYHOUSE_INBOUND_ACCOUNT_H

#include "gateway/inbound/split.h"

/* Whether an update of a field that is about accounts tells something; fills all of out but its connection. received_at:
 * nothing is later than that. */
bool account_read(const struct split_update *u, int64_t received_at, struct store_notice *out);

/* Whether it is about this number of the account, as the provider shows it ("": not known): it is, where it names none. */
bool account_has_number(const struct split_update *u, const char *display_phone);

#endif
