/*
 * Message templates of an account, kept in the book: as Meta has them, and as 360dialog's own list does.
 * All calls hold the sandbox's mutex; the caller has checked the key.
 */
#ifndef SANDBOX_TEMPLATES_H
#define SANDBOX_TEMPLATES_H

#include "examples/sandbox/sandbox.h"

/* The components of the template that a shop's message names, if the account has it, or NULL. Lives until the book changes. */
const struct cJSON *templates_named(const struct sandbox *s, const char *waba, const struct cJSON *message);

/* GET, POST and DELETE {waba}/message_templates, or /message_templates of a 360dialog key. */
void templates_graph(struct sandbox *s, const struct ask *a, const char *waba, struct reply *r);

/* GET and POST /v1/configs/templates, DELETE /v1/configs/templates/{name}. */
void templates_d360(struct sandbox *s, const struct ask *a, const char *waba, struct reply *r);

#endif
