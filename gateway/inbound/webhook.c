/*
 * /webhooks/{businessId} on the wire: reads the request, asks accept.c, answers.
 *
 * Every answer is a constant but the echoed challenge, which goes out as plain text that
 * no browser may take for anything else. Called on the HTTP server's workers; the answer to
 * what is accepted is sent by the store's thread.
 */
#include <string.h>

#include "gateway/inbound/internal.h"

#define MODE_ROOM 32u
#define TOKEN_ROOM 256u

#define ACCEPTED "EVENT_RECEIVED"

static const struct http_header headers[] = {
	{"Content-Type", "text/plain; charset=utf-8"},
	{"X-Content-Type-Options", "nosniff"},
	{"Cache-Control", "no-store"},
};

static void respond(struct http_request *req, int status, const char *text)
{
	http_respond(req, status, headers, sizeof(headers) / sizeof(headers[0]), text, strlen(text));
}

struct http_later *webhook_accepted_later(struct http_request *req)
{
	return http_respond_later(req, 200, headers, sizeof(headers) / sizeof(headers[0]), ACCEPTED, strlen(ACCEPTED),
		INBOUND_DURABLE_MS);
}

static void handshake(struct inbound *in, struct http_request *req, const char *business_id)
{
	const char *query = http_request_query(req);
	char mode[MODE_ROOM], token[TOKEN_ROOM], challenge[INBOUND_CHALLENGE_MAX + 1];
	bool whole = http_query_get(query, "hub.mode", mode, sizeof(mode)) == HTTP_OK &&
		http_query_get(query, "hub.verify_token", token, sizeof(token)) == HTTP_OK &&
		http_query_get(query, "hub.challenge", challenge, sizeof(challenge)) == HTTP_OK;

	if (inbound_handshake(in, business_id, whole ? mode : NULL, whole ? token : NULL))
		respond(req, 200, challenge);
	else
		respond(req, 403, "forbidden\n");
}

static void deliver(struct inbound *in, struct http_request *req, const char *business_id)
{
	struct inbound_proofs proofs;
	const uint8_t *body = NULL;
	size_t len = 0;
	int status;

	switch (http_request_body(req, INBOUND_BODY_MAX, &body, &len)) {
	case HTTP_OK:
		break;
	case HTTP_TOO_LARGE:
		respond(req, 413, "too large\n");
		inbound_unread(in, business_id, DELIVERY_TOO_LARGE);
		return;
	case HTTP_TIMED_OUT:
		respond(req, 408, "too slow\n");
		inbound_unread(in, business_id, DELIVERY_TOO_SLOW);
		return;
	case HTTP_DISCONNECTED: /* the answer reaches nobody, but every request has one */
		respond(req, 408, "too slow\n");
		return;
	case HTTP_NO_MEMORY:
	case HTTP_BAD_QUERY:
	case HTTP_NO_SUCH_PARAM:
	case HTTP_SETUP_FAILED:
		atomic_fetch_add(&in->busy, 1);
		respond(req, 503, "try again later\n");
		return;
	}
	proofs = (struct inbound_proofs){.signature = http_request_header(req, "X-Hub-Signature-256"),
		.secret = http_request_header(req, OUTBOUND_D360_HEADER),
		.platform_signature = http_request_header(req, "x-360dialog-signature")};
	status = inbound_accept(in, business_id, &proofs, body, len, req);
	if (status == 200 || status == INBOUND_ANSWERED)
		http_request_proven(req);
	if (status == 200)
		respond(req, 200, ACCEPTED);
	else if (status == 401)
		respond(req, 401, "unauthorized\n");
	else if (status != INBOUND_ANSWERED)
		respond(req, 503, "try again later\n");
}

void inbound_webhook(struct inbound *in, struct http_request *req, const char *business_id)
{
	static const struct http_header allow[] = {
		{"Allow", "GET, POST"},
		{"Content-Type", "text/plain; charset=utf-8"},
	};
	static const char text[] = "method not allowed\n";
	const char *method = http_request_method(req);

	if (strcmp(method, "POST") == 0)
		deliver(in, req, business_id);
	else if (strcmp(method, "GET") == 0)
		handshake(in, req, business_id);
	else
		http_respond(req, 405, allow, sizeof(allow) / sizeof(allow[0]), text, sizeof(text) - 1);
}
