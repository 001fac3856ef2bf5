/*
 * Webhooks on their way to whoever registered: sent from threads of their own, again and again until they are answered
 * with 200. Loopback addresses only: the sandbox calls nobody else.
 */
#ifndef SANDBOX_DELIVER_H
#define SANDBOX_DELIVER_H

#include "examples/sandbox/sandbox.h"

enum { WAMID_MAX = 256 };

struct curl_slist;

struct webhook {
	char *url, *body; /* url NULL: nobody registered, but what it stands for happens all the same */
	struct curl_slist *headers;
	char wamid[WAMID_MAX]; /* the message that it is about; "" for none */
	char note[160]; /* why it failed, where the status is that */
	char status[16]; /* the state which the shop's message reaches now; "": it carries a customer's message */
	unsigned tries;
	double due;
	struct webhook *next, *previous;
};

/* Copies both; url may be NULL. NULL: memory is short. */
struct webhook *webhook_new(const char *url, const char *body);
void webhook_header(struct webhook *w, const char *name, const char *value);
void webhook_free(struct webhook *w); /* one, not its next */

bool deliveries_start(struct sandbox *s);
void deliveries_stop(struct sandbox *s); /* what was not sent is forgotten */

/* Takes w; it goes out after delay_s. Where too many wait, the one that is due last is given up. */
void deliver_later(struct sandbox *s, struct webhook *w, double delay_s);

/* Sends it once, now, without the mutex: the status of the answer, 0 if none came. The answer's text (or why none came) is
 * the caller's to free. */
int deliver_now(struct sandbox *s, const struct webhook *w, char **answer);

/* What a provider asks of an address before it registers it (facts/meta.md 1.1): whether it gave the challenge back.
 * Without the mutex. Otherwise *why says what came instead. */
bool deliver_handshake(struct sandbox *s, const char *url, const char *verify_token, char *why, size_t why_len);

/* Whether an address is one of this machine: http or https to localhost, 127.0.0.0/8 or [::1]. */
bool deliver_is_near(const char *url);

#endif
