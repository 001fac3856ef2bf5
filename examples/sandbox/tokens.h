/*
 * Meta's access tokens: who holds one, debug_token, and the exchange of one for a new one.
 *
 * All calls hold the sandbox's mutex.
 */
#ifndef SANDBOX_TOKENS_H
#define SANDBOX_TOKENS_H

#include "examples/sandbox/sandbox.h"

/* The entry of the access token that a request brings, or NULL and the refusal: unknown, expired, or its appsecret_proof
 * is wrong, or missing where its app demands one. */
const struct cJSON *tokens_holder(const struct sandbox *s, const struct ask *a, struct reply *r);
/* The app whose id and secret make the token ("4242|secret"), or NULL and the refusal. */
struct cJSON *tokens_app(const struct sandbox *s, const struct ask *a, struct reply *r);

void tokens_debug(const struct sandbox *s, const struct ask *a, struct reply *r);
/* A new token for an old one that is still good; both work. */
void tokens_exchange(struct sandbox *s, const struct ask *a, struct reply *r);

#endif
