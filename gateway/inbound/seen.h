/*
 * By what an update is known again: Meta delivers more than once, and to every app that
 * is subscribed (facts/meta.md 1.4). Called by prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_SEEN_H
#define KEYHOUSE_INBOUND_SEEN_H

#include "gateway/inbound/split.h"

/* The text whose blind index is the update's seen key:
 *   m:<id>                           a message
 *   s:<id>:<status>:<participant>    a status; the participant of a group, where there is one
 *   e:<id>                           an echo
 *   o:<account> <time> <field> <JSON of the item>   everything else, and those without an id
 * quarantined_by is the connection that verified what is not its own, else NULL: then
 * q:<connection> stands in front, so that a foreign copy does not hide the true one.
 * Owns: caller wipes and frees. NULL: memory is short. */
char *seen_text(const struct split_update *u, const char *quarantined_by);

#endif
