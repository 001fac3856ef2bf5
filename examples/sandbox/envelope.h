/*
 * Webhooks as the providers write them: who gets one, its envelope, its signature or headers.
 */
#ifndef SANDBOX_ENVELOPE_H
#define SANDBOX_ENVELOPE_H

#include "examples/sandbox/deliver.h"

struct envelope {
	const char *api, *number;
	const char *field; /* NULL: "messages" */
	const struct cJSON *value; /* what goes beside messaging_product and metadata */
	const struct cJSON *headers; /* more of them (360dialog), or NULL */
	const char *prefix; /* in front of x-360dialog-signature's hex, or NULL */
};

/* The webhooks for everybody who registered for this, a list in order of registration; NULL: for nobody (or memory is
 * short). Meta: every app that is subscribed to the number's WABA, at the WABA's own address or at the app's callback,
 * signed with the app's secret. 360dialog: the number's address, with its headers. Holds the mutex. */
struct webhook *envelope_webhooks(struct sandbox *s, const struct envelope *e);

/* Whether there is an address for it. Holds the mutex. */
bool envelope_is_awaited(const struct sandbox *s, const char *api, const char *number);

/* Whether a field is one that apps may subscribe, and whether a WABA's own address gets it (facts/meta.md 1.6, 6). */
bool envelope_field_known(const char *field, size_t len);

/* A new message id as Meta makes them: base64 that carries the customer's phone number (facts/meta.md 0). */
void envelope_wamid(const char *phone, bool inbound, char out[static WAMID_MAX]);

#endif
