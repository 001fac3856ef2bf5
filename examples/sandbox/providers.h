/*
 * The two providers, as whoever calls them sees them.
 */
#ifndef SANDBOX_PROVIDERS_H
#define SANDBOX_PROVIDERS_H

#include "examples/sandbox/sandbox.h"

/* The headers of an answer: Date by the provider's clock, and on what Meta answered, also through 360dialog, its own. */
struct answer_headers {
	struct http_header list[8];
	size_t len;
	char date[40], version[24], trace[24], usage[512];
};

/* own: 360dialog itself answers. type is borrowed. Holds the mutex. */
void provider_headers(
	const struct sandbox *s, const struct ask *a, bool own, const char *type, struct answer_headers *out);

/* One request at a provider's path: recorded, met by a fault or answered. Takes the mutex. */
void provider_handle(struct sandbox *s, struct http_request *req);

/* graph.c: whether a path is Meta's ("/v26.0/..."), and the node that it names, or "". */
bool graph_path(const char *path, char *node, size_t room);
/* graph.c: whether it begins with a version of another form ("/v26/...", "/v26.0.1/..."). "/v1/" is 360dialog's. */
bool graph_path_resembles(const char *path);
/* Answers it. Holds the mutex, but not while a registration shakes hands. */
void graph_answer(struct sandbox *s, const struct ask *a, struct reply *r);

/* dialog360.c: the same for 360dialog. */
void d360_answer(struct sandbox *s, const struct ask *a, struct reply *r);

#endif
