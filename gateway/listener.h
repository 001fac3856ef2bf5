/*
 * The listener: the role that strangers talk to. Opens the store and the server,
 * locks itself in, then routes requests.
 */
#ifndef KEYHOUSE_LISTENER_H
#define KEYHOUSE_LISTENER_H

#include "gateway/role.h"

/* Runs until SIGTERM, or until store, sender or vault fail. Returns the exit status. */
int listener_run(const struct role_boot *boot);

#endif
