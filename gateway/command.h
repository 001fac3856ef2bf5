/*
 * Commands: everything a person types except `serve`.
 *
 * A command is a request to the platform API, made as the operator: over the control
 * socket while the service runs, else by opening the data directory itself, under its
 * lock. So a command and the API cannot differ.
 */
#ifndef KEYHOUSE_COMMAND_H
#define KEYHOUSE_COMMAND_H

#include "gateway/config.h"

/* Runs the command in argv[1..]. Returns the exit status: 0 done, 1 failed, 2 wrong usage. */
int command_run(const struct config *config, int argc, char **argv);

#endif
