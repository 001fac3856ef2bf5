/*
 * Whether a network address is one of the public Internet. Pure. Called by transfer.c and destination.c.
 */
#ifndef KEYHOUSE_OUTBOUND_ADDRESS_H
#define KEYHOUSE_OUTBOUND_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

/* False for everything that is private, local, reserved or of another family: what a platform may not make this
 * house connect to. len: of the whole address. */
bool address_is_public(const struct sockaddr *a, size_t len);

#endif
