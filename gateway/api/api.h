/*
 * The platform API: requests in, JSON out (design section 7).
 *
 * Knows no socket: the listener hands it HTTP requests, the control socket and
 * offline commands hand it the same requests as the operator. One table maps
 * method and path to a function.
 *
 * Bodies come from whoever holds an admin token; they are bounded, depth-checked
 * and never echoed in an error.
 */
#ifndef KEYHOUSE_API_H
#define KEYHOUSE_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/doctor.h"
#include "gateway/rotation.h"
#include "gateway/virtual_key.h"

#define API_BODY_MAX (2u * 1024u * 1024u)

struct api;

struct api_options {
	struct doctor doctor; /* copied, and public_url with it; what else it points to is borrowed */
	struct rotation *rotation; /* borrowed */
	struct virtual_keys *virtual_keys; /* borrowed; NULL: no service runs, and nobody calls */
	const char *responder_allow; /* copied; the setting */
};
struct api *api_new(const struct api_options *opt); /* NULL when memory is short */
void api_free(struct api *a);

struct api_request {
	const char *method;
	const char *path; /* raw, as sent */
	const char *query; /* raw; may be NULL */
	const char *content_type; /* may be NULL */
	const char *authorization; /* the header; may be NULL; ignored for the operator */
	const char *idempotency_key; /* the header; may be NULL */
	bool is_operator; /* came through the control socket or from an offline command */
	const uint8_t *body;
	size_t body_len;
};

/* body is allocated, wiped and freed by api_response_clear; NULL with 204, or when memory was short (503).
 * content_type goes with a body; allow is set with 405. */
struct api_response {
	int status;
	const char *content_type;
	const char *allow;
	bool replayed; /* the first answer to a call that came twice: sent with Idempotent-Replayed: true */
	char *body;
	size_t body_len;
};
void api_response_clear(struct api_response *r);

/* Whether a path is the API's: "/v1/" and below, "/openapi.yaml", and for the operator "/control/". */
bool api_owns(const char *path, bool is_operator);

/* Whether the caller may speak at all, decided before a body is read: 0, or the status to answer. Fills r
 * when it is not 0: 401, 503 when tokens cannot be looked up, and the whole answer for "/openapi.yaml",
 * which needs no token. */
int api_admit(struct api *a, const struct api_request *req, struct api_response *r);

/* Answers one request that was admitted. Threads: any. */
void api_handle(struct api *a, const struct api_request *req, struct api_response *r);

#endif
