/*
 * A message of a shop: whether it is one, its acceptance, and the statuses that follow.
 */
#ifndef SANDBOX_SENDS_H
#define SANDBOX_SENDS_H

#include "examples/sandbox/sandbox.h"

/* POST {number}/messages or /messages with a key that may: accepts, marks as read, or refuses as Meta does. Holds the mutex. */
void sends_post(struct sandbox *s, const struct ask *a, struct reply *r);

/* Whether it is a call that sends: POST {number}/messages or /messages. */
bool sends_is(const struct ask *a);

/* Accepts a body as a message, whatever it is, with Meta's answer to it. fault: a "status_failed" that its statuses end in,
 * or NULL. Holds the mutex. */
void sends_accept(struct sandbox *s, const struct ask *a, const struct cJSON *fault, struct reply *r);

/* Whether that is a try to send a message, and then how it was met goes into the customer's trip. Takes the mutex. */
void sends_tried(struct sandbox *s, const struct ask *a, const char *words);

#endif
