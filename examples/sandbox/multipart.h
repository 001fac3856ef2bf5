/*
 * One part of a multipart/form-data body (RFC 7578).
 */
#ifndef SANDBOX_MULTIPART_H
#define SANDBOX_MULTIPART_H

#include "examples/sandbox/sandbox.h"

struct multipart_part {
	const uint8_t *data; /* the request's */
	size_t len;
	char filename[200]; /* "" where it has none */
	char content_type[100]; /* "application/octet-stream" where it has none */
};

/* The first part of that name. False: there is none, or the body is no such form. */
bool multipart_find(const struct ask *a, const char *name, struct multipart_part *out);

#endif
