/* The functions of gateway/http/http.h that a handler calls, over struct http_request of fake_http.h. */
#include "test/unit/inbound/fake_http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *http_request_method(const struct http_request *req)
{
	return req->method;
}

const char *http_request_query(const struct http_request *req)
{
	return req->query;
}

const char *http_request_header(const struct http_request *req, const char *name)
{
	if (strcasecmp(name, "X-Hub-Signature-256") == 0)
		return req->signature;
	if (strcasecmp(name, "X-Keyhouse-Secret") == 0)
		return req->secret;
	return strcasecmp(name, "x-360dialog-signature") == 0 ? req->platform : NULL;
}

void http_request_proven(struct http_request *req)
{
	req->proven = true;
}

enum http_error http_request_body(struct http_request *req, size_t max, const uint8_t **body, size_t *len)
{
	if (req->body_error != HTTP_OK)
		return req->body_error;
	if (req->body_len > max)
		return HTTP_TOO_LARGE;
	*body = req->body;
	*len = req->body_len;
	return HTTP_OK;
}

void http_respond(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len)
{
	size_t n = 0;

	req->answers++;
	req->status = status;
	req->headers[0] = '\0';
	for (size_t i = 0; i < headers_len && n < sizeof(req->headers); i++)
		n += (size_t)snprintf(
			req->headers + n, sizeof(req->headers) - n, "%s: %s\n", headers[i].name, headers[i].value);
	if (len >= sizeof(req->text))
		len = sizeof(req->text) - 1;
	memcpy(req->text, body, len);
	req->text[len] = '\0';
}

/* The request is its own answer. */
struct http_later *http_respond_later(struct http_request *req, int status, const struct http_header *headers,
	size_t headers_len, const void *body, size_t len, unsigned within_ms)
{
	if (!req->later)
		return NULL;
	http_respond(req, status, headers, headers_len, body, len);
	req->answers--;
	req->prepared = true;
	req->within_ms = within_ms;
	return (struct http_later *)req;
}

bool http_later_send(struct http_later *later, bool is_true)
{
	struct http_request *req = (struct http_request *)later;

	req->answers++;
	if (is_true && !req->late)
		return true;
	req->status = 503;
	return false;
}
