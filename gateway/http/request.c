/*
 * One request and its answer, on a worker thread. CivetWeb's begin_request and
 * http_error end here, so no answer of CivetWeb's own is ever sent.
 *
 * Everything in a request is from strangers; its body and our answer may hold
 * secrets and are wiped before the next request.
 */
#include <civetweb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/http/internal.h"

enum {
	BODY_FIRST_SIZE = 16384,
	STATUS_LINE_ROOM = 256, /* status line, Date, Connection, Content-Length */
};

struct http_request {
	struct mg_connection *conn;
	const struct mg_request_info *info;
	struct http_worker *worker;
	uint8_t *body;
	size_t body_size;
	bool framing_broken; /* the chunks made no sense: the answer is 400, whatever the handler says */
	bool responded;
};

/* An answer's head, and its body where that is small, being put together. */
struct answer {
	uint8_t *at;
	size_t used;
	size_t size;
};

static const char *reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{206, "Partial Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{402, "Payment Required"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{406, "Not Acceptable"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{410, "Gone"},
		{411, "Length Required"},
		{412, "Precondition Failed"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{417, "Expectation Failed"},
		{422, "Unprocessable Content"},
		{428, "Precondition Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{502, "Bad Gateway"},
		{503, "Service Unavailable"},
		{504, "Gateway Timeout"},
		{505, "HTTP Version Not Supported"},
		{507, "Insufficient Storage"},
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Status";
}

/* RFC 9110's date, made once a second. */
static const char *date_now(struct http_worker *worker)
{
	struct timespec now;
	struct tm tm;

	clock_gettime(CLOCK_REALTIME, &now);
	if (now.tv_sec != worker->date_second) {
		time_t second = now.tv_sec;

		gmtime_r(&second, &tm);
		strftime(worker->date, sizeof(worker->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
		worker->date_second = now.tv_sec;
	}
	return worker->date;
}

static void put(struct answer *answer, const void *data, size_t len)
{
	if (len == 0)
		return;
	if (len > answer->size - answer->used)
		abort();
	memcpy(answer->at + answer->used, data, len);
	answer->used += len;
}

static void put_text(struct answer *answer, const char *text)
{
	put(answer, text, strlen(text));
}

static bool header_sendable(const struct http_header *h)
{
	return h->name[0] != '\0' && h->name[strcspn(h->name, "\r\n: ")] == '\0' &&
		h->value[strcspn(h->value, "\r\n")] == '\0';
}

static void put_head(struct answer *answer, struct http_request *req, int status, size_t len)
{
	char line[STATUS_LINE_ROOM];
	int n;

	n = snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\nDate: %s\r\nConnection: %s\r\n", status, reason_of(status),
		date_now(req->worker), http_engine_keeps_alive(req->conn) ? "keep-alive" : "close");
	put(answer, line, (size_t)n);
	if (status >= 200 && status != 204 && status != 304) {
		n = snprintf(line, sizeof(line), "Content-Length: %zu\r\n", len);
		put(answer, line, (size_t)n);
	}
}

static size_t head_room(const struct http_header *headers, size_t headers_len)
{
	size_t room = 2 * STATUS_LINE_ROOM;

	for (size_t i = 0; i < headers_len; i++)
		room += strlen(headers[i].name) + strlen(headers[i].value) + 4;
	return room;
}

static bool has_no_body(const struct http_request *req, int status)
{
	const char *method = req->info->request_method;

	return status < 200 || status == 204 || status == 304 || (method && strcmp(method, "HEAD") == 0);
}

static void send_answer(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len)
{
	size_t room = head_room(headers, headers_len);
	bool joined = room + len <= HTTP_OUT_MAX;
	struct answer answer = {.at = req->worker->out, .size = HTTP_OUT_MAX};
	uint8_t *large = NULL;

	if (room > HTTP_OUT_MAX) {
		large = malloc(room);
		if (!large) {
			http_engine_close_after(req->conn);
			return;
		}
		answer = (struct answer){.at = large, .size = room};
	}
	put_head(&answer, req, status, len);
	for (size_t i = 0; i < headers_len; i++) {
		if (!header_sendable(&headers[i]))
			continue;
		put_text(&answer, headers[i].name);
		put_text(&answer, ": ");
		put_text(&answer, headers[i].value);
		put_text(&answer, "\r\n");
	}
	put_text(&answer, "\r\n");
	if (has_no_body(req, status))
		len = 0;
	if (joined)
		put(&answer, body, len);
	if (http_engine_write(req->conn, answer.at, answer.used, !joined && len > 0) && !joined)
		http_engine_write(req->conn, body, len, false);
	explicit_bzero(answer.at, answer.used);
	free(large);
}

static bool is_large(size_t size)
{
	return size > HTTP_LARGE_BODY;
}

/* Counts a buffer in before it is made, so that strangers' large bodies together stay bounded; small ones pass, and
 * with them nearly every honest request. Each call is undone by one body_release, also when it said no. */
static bool body_reserve(struct http_server *server, size_t size)
{
	size_t before = is_large(size) ? atomic_fetch_add(&server->large_bodies, size) : 0;

	return !is_large(size) || server->opt.large_bodies_max == 0 || before + size <= server->opt.large_bodies_max;
}

static void body_release(struct http_server *server, size_t size)
{
	if (is_large(size))
		atomic_fetch_sub(&server->large_bodies, size);
}

static void body_free(struct http_request *req)
{
	if (!req->body)
		return;
	explicit_bzero(req->body, req->body_size);
	free(req->body);
	body_release(req->worker->server, req->body_size);
	req->body = NULL;
}

/* The fixed answer to what no handler sees. */
static void send_refusal(struct http_request *req, int status)
{
	static const struct http_header plain = {"Content-Type", "text/plain; charset=utf-8"};
	char body[64];
	int n = snprintf(body, sizeof(body), "%d %s\n", status, reason_of(status));

	http_engine_close_after(req->conn);
	send_answer(req, status, &plain, 1, body, (size_t)n);
}

int http_request_refuse(struct mg_connection *conn, int status, const char *message)
{
	struct http_request req = {
		.conn = conn,
		.info = mg_get_request_info(conn),
		.worker = http_engine_worker(conn),
	};

	(void)message;
	if (req.worker->status != 0)
		status = req.worker->status;
	if (!req.worker->gone)
		send_refusal(&req, status);
	return 0;
}

int http_request_begin(struct mg_connection *conn)
{
	struct http_request req = {
		.conn = conn,
		.info = mg_get_request_info(conn),
		.worker = http_engine_worker(conn),
	};
	const struct http_options *opt = &req.worker->server->opt;

	opt->handler(&req, opt->ctx);
	if (!req.responded)
		send_refusal(&req, 500);
	body_free(&req);
	return 200;
}

void http_respond(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len)
{
	if (req->responded)
		abort();
	req->responded = true;
	http_engine_skip_body(req->conn);
	if (req->framing_broken)
		send_refusal(req, 400);
	else if (!req->worker->gone)
		send_answer(req, status, headers, headers_len, body, len);
	if (!http_engine_keeps_alive(req->conn))
		http_engine_close_after(req->conn);
}

const char *http_request_method(const struct http_request *req)
{
	return req->info->request_method;
}

const char *http_request_path(const struct http_request *req)
{
	return req->info->local_uri_raw;
}

const char *http_request_query(const struct http_request *req)
{
	return req->info->query_string;
}

const char *http_request_peer(const struct http_request *req)
{
	return http_request_is_control(req) ? "" : req->info->remote_addr;
}

bool http_request_is_control(const struct http_request *req)
{
	return http_engine_is_control(req->conn);
}

const char *http_request_header(const struct http_request *req, const char *name)
{
	const char *value = NULL;

	for (int i = 0; i < req->info->num_headers; i++) {
		if (strcasecmp(req->info->http_headers[i].name, name) != 0)
			continue;
		if (value)
			return NULL;
		value = req->info->http_headers[i].value;
	}
	return value;
}

bool http_request_header_repeats(const struct http_request *req, const char *name)
{
	unsigned count = 0;

	for (int i = 0; i < req->info->num_headers; i++)
		count += strcasecmp(req->info->http_headers[i].name, name) == 0;
	return count > 1;
}

static bool is_chunked(const struct http_request *req)
{
	return http_request_header(req, "Transfer-Encoding") != NULL;
}

/* A client that asked first (curl does for large bodies) waits for this. */
static void send_continue(struct http_request *req)
{
	static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
	const char *expect = http_request_header(req, "Expect");

	if (expect && strcasecmp(expect, "100-continue") == 0 && strcmp(req->info->http_version, "1.1") == 0 &&
		!http_engine_body_buffered(req->conn))
		http_engine_write(req->conn, line, sizeof(line) - 1, false);
}

/* Makes the body buffer larger; the old one is wiped. */
static bool grow(struct http_request *req, size_t used, size_t size)
{
	uint8_t *larger = body_reserve(req->worker->server, size) ? malloc(size) : NULL;

	if (!larger) {
		body_release(req->worker->server, size);
		return false;
	}
	if (req->body) {
		memcpy(larger, req->body, used);
		body_free(req);
	}
	req->body = larger;
	req->body_size = size;
	return true;
}

static enum http_error read_error(struct http_request *req)
{
	if (req->worker->timed_out)
		return HTTP_TIMED_OUT;
	req->framing_broken = !req->worker->gone;
	return HTTP_DISCONNECTED;
}

static enum http_error read_sized(struct http_request *req, size_t *len)
{
	size_t size = req->info->content_length > 0 ? (size_t)req->info->content_length : 0;

	if (!grow(req, 0, size + 1))
		return HTTP_NO_MEMORY;
	for (*len = 0; *len < size;) {
		int n = mg_read(req->conn, req->body + *len, size - *len);

		if (n <= 0)
			return read_error(req);
		*len += (size_t)n;
		if (req->worker->timed_out || req->worker->gone)
			return read_error(req);
	}
	return HTTP_OK;
}

/* Reads at most one byte more than max, to see that there is one. */
static enum http_error read_chunked(struct http_request *req, size_t max, size_t *len)
{
	*len = 0;
	if (!grow(req, 0, (max < BODY_FIRST_SIZE ? max : BODY_FIRST_SIZE) + 2))
		return HTTP_NO_MEMORY;
	for (;;) {
		int n;

		if (*len + 1 >= req->body_size) {
			size_t size = req->body_size * 2;

			if (!grow(req, *len, size < max + 2 ? size : max + 2))
				return HTTP_NO_MEMORY;
		}
		n = mg_read(req->conn, req->body + *len, req->body_size - 1 - *len);
		if (n < 0)
			return read_error(req);
		if (n == 0)
			return HTTP_OK;
		*len += (size_t)n;
		if (*len > max)
			return HTTP_TOO_LARGE;
	}
}

enum http_error http_request_body(struct http_request *req, size_t max, const uint8_t **body, size_t *len)
{
	enum http_error error;
	size_t used = 0;

	if (req->body)
		abort();
	if (!is_chunked(req) && req->info->content_length > 0 && (uint64_t)req->info->content_length > max) {
		error = HTTP_TOO_LARGE;
	} else {
		send_continue(req);
		error = is_chunked(req) ? read_chunked(req, max, &used) : read_sized(req, &used);
	}
	if (error != HTTP_OK) {
		http_engine_close_after(req->conn);
		return error;
	}
	req->body[used] = '\0';
	*body = req->body;
	*len = used;
	return HTTP_OK;
}
