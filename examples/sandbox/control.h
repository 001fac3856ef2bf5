/*
 * The sandbox's own API and its page.
 */
#ifndef SANDBOX_CONTROL_H
#define SANDBOX_CONTROL_H

#include "examples/sandbox/sandbox.h"

/* Whether a path is one of the sandbox's own: "/", "/phone...", "/sandbox/...". */
bool control_path(const char *path);

/* Answers it. Takes the mutex. */
void control_handle(struct sandbox *s, struct http_request *req);

/* What is embedded in the program: made by embed.sh. */
struct asset {
	const char *path, *type;
	const unsigned char *bytes;
	size_t len;
};
extern const struct asset assets[];
extern const size_t assets_len;

#endif
