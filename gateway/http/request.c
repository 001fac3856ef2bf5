/*
 * One request, on a worker thread. CivetWeb's begin_request and http_error end
 * here, so no answer of CivetWeb's own is ever sent.
 *
 * Everything in a request is from strangers; its body may hold secrets and is
 * wiped before the next request.
 */
#include <civetweb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/http/internal.h"

enum {
	BODY_FIRST_SIZE = 16384,
	ROOM_WAIT_MS = 1000, /* for others' large bodies to be done with, or to give way */
	ROOM_TRY_MS = 10,
	REFUSALS_MATTER_MS = 20 * 1000,
};

static bool is_large(size_t size)
{
	return size > HTTP_LARGE_BODY;
}

static bool room_take(struct http_server *server, size_t size)
{
	size_t before = atomic_fetch_add(&server->large_bodies, size);

	if (server->opt.large_bodies_max == 0 || before + size <= server->opt.large_bodies_max)
		return true;
	atomic_fetch_sub(&server->large_bodies, size);
	return false;
}

/* Counts a buffer in before it is made, so that strangers' large bodies together stay bounded; small ones pass, and
 * with them nearly every honest request. Where there is no room, those who hold it and are slow give way. */
static bool body_reserve(struct http_request *req, size_t size)
{
	struct http_server *server = req->worker->server;
	const int64_t began_ms = http_now_ms();
	bool taken = !is_large(size) || room_take(server, size);

	if (taken)
		return true;
	atomic_fetch_add(&server->room_wanted, 1);
	while (!taken && http_now_ms() - began_ms < ROOM_WAIT_MS && !http_engine_hurried(req->conn, began_ms)) {
		(void)poll(NULL, 0, ROOM_TRY_MS);
		taken = room_take(server, size);
	}
	atomic_fetch_sub(&server->room_wanted, 1);
	/* That was not his to hurry in. */
	req->worker->body_ms += http_now_ms() - began_ms;
	req->worker->moved_ms = http_now_ms();
	return taken;
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
		http_request_send_refusal(&req, status);
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
		http_request_send_refusal(&req, 500);
	http_respond_end(&req);
	if (req.owed > 0)
		http_engine_close_after(conn);
	body_free(&req);
	return 200;
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

/* Whether the peer may send a large body. Hashing one costs milliseconds: not for who is refused all the time. */
static bool may_be_large(struct http_request *req)
{
	struct http_server *server = req->worker->server;
	uint8_t address[HTTP_ADDRESS_LEN];

	if (!http_engine_address(req->conn, address))
		return true;
	pthread_mutex_lock(&server->mutex);
	req->unread = http_refused_often(server->refused, address, http_now_ms());
	pthread_mutex_unlock(&server->mutex);
	if (req->unread)
		atomic_fetch_add(&server->unread, 1);
	return !req->unread;
}

void http_request_proven(struct http_request *req)
{
	struct http_server *server = req->worker->server;
	const int64_t now_ms = http_now_ms(), last_ms = atomic_load(&server->last_refusal_ms);
	uint8_t address[HTTP_ADDRESS_LEN];

	/* Nothing is held against anybody. */
	if (last_ms == 0 || now_ms - last_ms > REFUSALS_MATTER_MS || !http_engine_address(req->conn, address))
		return;
	pthread_mutex_lock(&server->mutex);
	http_refused_proven(server->refused, address, now_ms);
	pthread_mutex_unlock(&server->mutex);
}

/* Makes the body buffer larger; the old one is wiped. */
static bool grow(struct http_request *req, size_t used, size_t size)
{
	uint8_t *larger = NULL;

	if (is_large(size) && !is_large(req->body_size) && !may_be_large(req))
		return false;
	if (!body_reserve(req, size))
		return false;
	larger = malloc(size);
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
	req->worker->large = is_large(size);
	return true;
}

static enum http_error read_error(struct http_request *req)
{
	if (req->worker->timed_out)
		return HTTP_TIMED_OUT;
	req->framing_broken = !req->worker->gone;
	return HTTP_DISCONNECTED;
}

/* Who only says how much he will send takes nobody's room: that is his once he sent the first of it. */
static enum http_error read_sized(struct http_request *req, size_t *len)
{
	const size_t size = req->info->content_length > 0 ? (size_t)req->info->content_length : 0;

	if (is_large(size + 1) && !may_be_large(req))
		return HTTP_NO_MEMORY;
	if (!grow(req, 0, is_large(size + 1) ? HTTP_LARGE_BODY : size + 1))
		return HTTP_NO_MEMORY;
	send_continue(req);
	for (*len = 0; *len < size;) {
		int n;

		if (*len + 1 == req->body_size && !grow(req, *len, size + 1))
			return HTTP_NO_MEMORY;
		n = mg_read(req->conn, req->body + *len, req->body_size - 1 - *len);
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
	if (!grow(req, 0, max < BODY_FIRST_SIZE - 2 ? max + 2 : BODY_FIRST_SIZE))
		return HTTP_NO_MEMORY;
	send_continue(req);
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

size_t http_request_length(const struct http_request *req)
{
	if (is_chunked(req))
		return HTTP_LEN_UNKNOWN;
	return req->info->content_length > 0 ? (size_t)req->info->content_length : 0;
}

/* Of chunks no more is asked for at once than the slowest sends while a piece may take: the library fills all of it. */
enum { CHUNKED_PIECE = 4096 };

/* What the caller did meanwhile was not the peer's to hurry in. */
static void piece_begins(struct http_request *req)
{
	struct http_worker *worker = req->worker;
	const int64_t now = http_now_ms(), allowed_ms = worker->server->opt.request_deadline_ms;
	int64_t away;

	if (req->left_ms == 0) {
		send_continue(req);
		req->left_ms = worker->body_ms;
	}
	away = now - req->left_ms;
	worker->body_ms += away;
	worker->moved_ms = now;
	worker->piecemeal = true;
	worker->deadline_ms = worker->body_ms + allowed_ms + (int64_t)(worker->body_read * 1000 / HTTP_BODY_PACE);
	if (worker->deadline_ms > now + allowed_ms)
		worker->deadline_ms = now + allowed_ms;
}

enum http_error http_request_read(struct http_request *req, void *buf, size_t room, size_t *len)
{
	const bool chunked = is_chunked(req);
	enum http_error error = HTTP_OK;
	int n = -1;

	if (req->body || room == 0)
		abort();
	*len = 0;
	if (http_request_length(req) == 0)
		return HTTP_OK;
	if (req->left_ms == 0 && is_large(http_request_length(req)) && !may_be_large(req)) {
		error = HTTP_NO_MEMORY;
	} else {
		piece_begins(req);
		n = mg_read(req->conn, buf, chunked && room > CHUNKED_PIECE ? CHUNKED_PIECE : room);
		req->left_ms = http_now_ms();
		if (n < 0 || req->worker->timed_out || req->worker->gone)
			error = read_error(req);
	}
	if (error != HTTP_OK)
		http_engine_close_after(req->conn);
	else
		*len = (size_t)n;
	return error;
}

enum http_error http_request_body(struct http_request *req, size_t max, const uint8_t **body, size_t *len)
{
	enum http_error error;
	size_t used = 0;

	if (req->body)
		abort();
	if (!is_chunked(req) && req->info->content_length > 0 && (uint64_t)req->info->content_length > max)
		error = HTTP_TOO_LARGE;
	else
		error = is_chunked(req) ? read_chunked(req, max, &used) : read_sized(req, &used);
	if (error != HTTP_OK) {
		http_engine_close_after(req->conn);
		return error;
	}
	req->body[used] = '\0';
	*body = req->body;
	*len = used;
	return HTTP_OK;
}
