/* A request that came from nowhere: what webhook.c asks, and what it answered. */
#ifndef KEYHOUSE_TEST_FAKE_HTTP_H
#define KEYHOUSE_TEST_FAKE_HTTP_H

#include "gateway/http/http.h"

struct http_request {
	const char *method, *query;
	const char *signature, *secret, *platform; /* headers; NULL: not sent, or sent twice */
	const uint8_t *body;
	size_t body_len;
	enum http_error body_error;
	bool later; /* the connection allows an answer that another thread sends */
	bool late; /* ... for which it is too late */
	bool proven; /* the server was told that he is */
	/* the answer */
	unsigned answers;
	unsigned within_ms;
	bool prepared; /* the one below is to be sent later */
	int status;
	char text[600];
	char headers[400]; /* "name: value\n" each */
};

#endif
