/*
 * The parts of a multipart/form-data body (RFC 7578).
 */
#ifndef SANDBOX_MULTIPART_H
#define SANDBOX_MULTIPART_H

#include "examples/sandbox/sandbox.h"

enum { MULTIPART_MAX = 16 };

struct multipart_part {
	char name[100];
	const uint8_t *data; /* the request's */
	size_t len;
	char filename[200]; /* "" where it has none */
	char content_type[100]; /* "application/octet-stream" where it has none */
};

struct multipart {
	struct multipart_part parts[MULTIPART_MAX];
	size_t len;
};

/* Walks the body once. What is no such form has no parts, and one that breaks off has those before that; the first
 * MULTIPART_MAX are enough for anybody. */
void multipart_read(const struct ask *a, struct multipart *out);

/* The first part of that name, or NULL. */
const struct multipart_part *multipart_part(const struct multipart *m, const char *name);

#endif
