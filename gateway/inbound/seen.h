/*
 * By what an update is known again: Meta delivers more than once, and to every app that
 * is subscribed (facts/meta.md 1.4). Called by prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_SEEN_H
#define KEYHOUSE_INBOUND_SEEN_H

#include "gateway/inbound/split.h"

/* The text whose blind index is the update's seen key:
 *   s:<id>:<status>:<participant>    a status; the participant of a group, where there is one
 *   e:<id>                           an echo: of what was sent from here no row of its own tells
 *   o:<account> <time> <field> <JSON of the item>   everything else, and those without an id
 * A message with an id is not asked for: it is known again by its row in the log.
 * Owns: caller wipes and frees. NULL: memory is short. */
char *seen_text(const struct split_update *u);

#endif
