/*
 * The answer to a request: in one piece, in parts, later, or none. Runs on the
 * request's worker.
 *
 * What is sent may hold secrets: our buffers are wiped once it is gone.
 */
#include <civetweb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/http/internal.h"

enum { STATUS_LINE_ROOM = 256 }; /* status line, Date, Connection, Content-Length */

/* An answer's head, and its body where that is small, being put together. */
struct answer {
	uint8_t *at;
	size_t used;
	size_t size;
};

const char http_unavailable[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\n"
				"Content-Type: text/plain; charset=utf-8\r\nContent-Length: 24\r\n\r\n"
				"503 Service Unavailable\n";

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
		{421, "Misdirected Request"},
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

static void put_head(struct answer *answer, struct http_request *req, int status, bool dated, size_t len)
{
	char line[STATUS_LINE_ROOM];
	int n;

	n = snprintf(line, sizeof(line), "HTTP/1.1 %d %s\r\nConnection: %s\r\n", status, reason_of(status),
		http_engine_keeps_alive(req->conn) ? "keep-alive" : "close");
	put(answer, line, (size_t)n);
	if (!dated) {
		n = snprintf(line, sizeof(line), "Date: %s\r\n", date_now(req->worker));
		put(answer, line, (size_t)n);
	}
	if (req->chunked && status >= 200 && status != 204 && status != 304) {
		put_text(answer, "Transfer-Encoding: chunked\r\n");
	} else if (status >= 200 && status != 204 && status != 304 && !req->ends_with_connection) {
		n = snprintf(line, sizeof(line), "Content-Length: %zu\r\n", len);
		put(answer, line, (size_t)n);
	}
}

static void put_headers(struct answer *answer, const struct http_header *headers, size_t headers_len)
{
	for (size_t i = 0; i < headers_len; i++) {
		if (!header_sendable(&headers[i]))
			continue;
		put_text(answer, headers[i].name);
		put_text(answer, ": ");
		put_text(answer, headers[i].value);
		put_text(answer, "\r\n");
	}
	put_text(answer, "\r\n");
}

static size_t head_room(const struct http_header *headers, size_t headers_len)
{
	size_t room = 2 * STATUS_LINE_ROOM;

	for (size_t i = 0; i < headers_len; i++)
		room += strlen(headers[i].name) + strlen(headers[i].value) + 4;
	return room;
}

static bool has_date(const struct http_header *headers, size_t headers_len)
{
	for (size_t i = 0; i < headers_len; i++)
		if (strcasecmp(headers[i].name, "Date") == 0)
			return true;
	return false;
}

static bool has_no_body(const struct http_request *req, int status)
{
	const char *method = req->info->request_method;

	return status < 200 || status == 204 || status == 304 || (method && strcmp(method, "HEAD") == 0);
}

/* The head, and in the same write the body where that is given and small. Whether no body is left to be written. */
static bool send_head(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len)
{
	size_t room = head_room(headers, headers_len);
	bool joined = len == 0 || (body && room <= HTTP_OUT_MAX && len <= HTTP_OUT_MAX - room);
	struct answer answer = {.at = req->worker->out, .size = HTTP_OUT_MAX};
	uint8_t *large = NULL;

	if (room > HTTP_OUT_MAX) {
		large = malloc(room);
		if (!large) {
			req->worker->gone = true;
			http_engine_close_after(req->conn);
			return false;
		}
		answer = (struct answer){.at = large, .size = room};
	}
	put_head(&answer, req, status, has_date(headers, headers_len), len);
	put_headers(&answer, headers, headers_len);
	if (has_no_body(req, status))
		body = NULL; /* and nothing is waited for */
	if (joined && body)
		put(&answer, body, len);
	req->worker->gone = !http_engine_write(req->conn, answer.at, answer.used, !joined && body);
	explicit_bzero(answer.at, answer.used);
	free(large);
	return joined;
}

static void send_answer(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len)
{
	bool whole = send_head(req, status, headers, headers_len, body, len);

	if (!whole && !req->worker->gone && !has_no_body(req, status))
		req->worker->gone = !http_engine_write(req->conn, body, len, false);
}

/* Remembers that the peer was refused; whether that was too often of late. */
static bool note_refusal(struct http_request *req)
{
	struct http_server *server = req->worker->server;
	uint8_t address[HTTP_ADDRESS_LEN];
	bool often;

	if (!http_engine_address(req->conn, address))
		return false;
	atomic_store(&server->last_refusal_ms, http_now_ms());
	pthread_mutex_lock(&server->mutex);
	often = http_refused_note(server->refused, address, http_now_ms());
	pthread_mutex_unlock(&server->mutex);
	if (often)
		atomic_fetch_add(&server->often_refused, 1);
	return often;
}

void http_request_send_refusal(struct http_request *req, int status)
{
	static const struct http_header headers[] = {
		{"Content-Type", "text/plain; charset=utf-8"}, {"Retry-After", "10"}};
	char body[64];
	int n = snprintf(body, sizeof(body), "%d %s\n", status, reason_of(status));

	if (status == 400 || status == 431 || status == 505)
		(void)note_refusal(req);
	http_engine_close_after(req->conn);
	send_answer(req, status, headers, status == 429 ? 2 : 1, body, (size_t)n);
}

/* Before a handler's answer: what the connection is to come to, and whether the answer is one of ours instead. */
static bool replaced(struct http_request *req, int status)
{
	if (req->framing_broken || req->unread) {
		http_request_send_refusal(req, req->unread ? 429 : 400);
		return true;
	}
	/* 410: a settings link that is not valid, or not any more. */
	if ((status == 401 || status == 403 || status == 410) && note_refusal(req))
		http_engine_close_after(req->conn);
	http_engine_end_turn(req->conn);
	return false;
}

void http_respond(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len)
{
	if (req->responded)
		abort();
	req->responded = true;
	http_engine_skip_body(req->conn);
	if (!replaced(req, status) && !req->worker->gone)
		send_answer(req, status, headers, headers_len, body, len);
	if (!http_engine_keeps_alive(req->conn))
		http_engine_close_after(req->conn);
}

struct http_later *http_respond_later(struct http_request *req, int status, const struct http_header *headers,
	size_t headers_len, const void *body, size_t len, unsigned within_ms)
{
	struct answer answer = {.size = HTTP_LATER_MAX};
	struct http_later *later = NULL;
	size_t *used;
	int fd = -1;

	if (req->responded)
		abort();
	http_engine_skip_body(req->conn);
	http_engine_end_turn(req->conn);
	if (!req->framing_broken && !req->unread && !req->worker->gone &&
		head_room(headers, headers_len) + len <= HTTP_LATER_MAX)
		fd = http_engine_later_socket(req->conn);
	if (fd >= 0)
		later = http_later_new(fd, within_ms);
	if (!later)
		return NULL;
	answer.at = http_later_answer(later, &used);
	put_head(&answer, req, status, has_date(headers, headers_len), len);
	put_headers(&answer, headers, headers_len);
	if (!has_no_body(req, status))
		put(&answer, body, len);
	*used = answer.used;
	req->responded = true;
	req->worker->later = later;
	return later;
}

void http_respond_begin(
	struct http_request *req, int status, const struct http_header *headers, size_t headers_len, size_t len)
{
	if (req->responded)
		abort();
	req->responded = true;
	http_engine_skip_body(req->conn);
	req->chunked = len == HTTP_LEN_UNKNOWN && strcmp(req->info->http_version, "1.1") == 0;
	req->ends_with_connection = len == HTTP_LEN_UNKNOWN && !req->chunked;
	if (req->ends_with_connection || !http_engine_keeps_alive(req->conn))
		http_engine_close_after(req->conn);
	req->mute = replaced(req, status) || has_no_body(req, status);
	if (!req->framing_broken && !req->unread && !req->worker->gone)
		send_head(req, status, headers, headers_len, NULL, len);
	if (len != HTTP_LEN_UNKNOWN && !req->mute)
		req->owed = len;
}

bool http_respond_part(struct http_request *req, const void *data, size_t len)
{
	char size[2 * sizeof(len) + 3];
	const int size_len = snprintf(size, sizeof(size), "%zx\r\n", len);
	const bool measured = !req->chunked && !req->ends_with_connection;
	bool written;

	if (req->worker->gone || req->mute)
		return false;
	if (measured && len > req->owed)
		abort();
	/* A chunk of nothing would be the last. */
	if (req->chunked && len > 0)
		written = http_engine_write(req->conn, size, (size_t)size_len, true) &&
			http_engine_write(req->conn, data, len, true) && http_engine_write(req->conn, "\r\n", 2, false);
	else
		written = http_engine_write(req->conn, data, len, false);
	req->worker->gone = !written;
	if (measured)
		req->owed -= len;
	return written;
}

void http_respond_end(struct http_request *req)
{
	static const char last[] = "0\r\n\r\n";

	if (req->chunked && !req->mute && !req->worker->gone)
		req->worker->gone = !http_engine_write(req->conn, last, sizeof(last) - 1, false);
}

void http_hang_up(struct http_request *req)
{
	req->responded = true;
	req->worker->gone = true;
	http_engine_close_after(req->conn);
}
