/*
 * The supervisor: `keyhouse serve`. Opens what the roles need, starts them, and
 * starts all of them again when one dies. Holds no secret and reads no stranger.
 */
#ifndef KEYHOUSE_SUPERVISOR_H
#define KEYHOUSE_SUPERVISOR_H

#include "gateway/config.h"

/* Serves until SIGTERM or SIGINT. Returns the exit status: 0 asked to end, 1 could not start. */
int supervisor_run(const struct config *config);

#endif
