/*
 * The two providers, as whoever calls them sees them.
 */
#ifndef SANDBOX_PROVIDERS_H
#define SANDBOX_PROVIDERS_H

#include "examples/sandbox/sandbox.h"

/* One request at a provider's path: recorded, met by a fault or answered. Takes the mutex. */
void provider_handle(struct sandbox *s, struct http_request *req);

/* graph.c: whether a path is Meta's ("/v26.0/..."), and the node that it names, or "". */
bool graph_path(const char *path, char *node, size_t room);
/* Answers it. Holds the mutex, but not while a registration shakes hands. */
void graph_answer(struct sandbox *s, const struct ask *a, struct reply *r);

/* dialog360.c: the same for 360dialog. */
void d360_answer(struct sandbox *s, const struct ask *a, struct reply *r);

#endif
