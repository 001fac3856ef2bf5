/*
 * Meta's limits of sending, where the book switches them on: messages a second of a number, messages to one customer,
 * and the 24 hours after a customer's last message. Facts: meta.md 2 and 4.
 *
 * All calls hold the sandbox's mutex.
 */
#ifndef SANDBOX_LIMITS_H
#define SANDBOX_LIMITS_H

#include "examples/sandbox/sandbox.h"

struct limits;

struct limits *limits_new(void); /* NULL: memory is short */
void limits_free(struct limits *l); /* NULL is fine */

/* A customer wrote to a number: his phone, or his user id where that is all that is known. */
void limits_customer_wrote(struct sandbox *s, const char *number, const char *customer);

/* Refuses a message that is over a limit, and counts it. customer: as above. False: it may go, and is counted as sent. */
bool limits_refuse(struct sandbox *s, const struct ask *a, const char *customer, struct reply *r);

/* What they are, and how often each refused something ("GET /sandbox/limits"). Caller frees with cJSON_Delete. */
struct cJSON *limits_show(const struct sandbox *s);
/* Forgets what was sent and refused, but not which customers wrote. */
void limits_forget(struct sandbox *s);

#endif
