/*
 * What the files of gateway/http share: the server, its workers, and the small
 * face of engine.c, which alone sees the inside of CivetWeb.
 */
#ifndef KEYHOUSE_HTTP_INTERNAL_H
#define KEYHOUSE_HTTP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/http/http.h"

struct mg_connection;
struct mg_context;
struct mg_request_info;

enum {
	HTTP_MAX_HEADERS = 64,
	HTTP_HEAD_MAX = 16384, /* the connection buffer: a whole head must fit */
	HTTP_OUT_MAX = 16384, /* an answer up to this size leaves in one write */
	HTTP_QUEUE_LEN = 128, /* accepted connections that wait for a worker */
	HTTP_ADDRESS_LEN = 16,
};

/* How many connections one address has open. */
struct http_address {
	uint8_t address[HTTP_ADDRESS_LEN];
	unsigned open;
};

struct http_server {
	struct http_options opt; /* sockets points to our own copy */
	struct http_socket *sockets;
	struct mg_context *engine;
	pthread_mutex_t mutex; /* guards the fields up to addresses */
	pthread_cond_t changed;
	unsigned threads_ready;
	size_t addresses_len;
	size_t addresses_max;
	struct http_address *addresses;
	atomic_bool started;
	atomic_llong last_trouble_ms;
	atomic_llong leave_by_ms; /* monotonic: when stopping, who has said nothing by then goes; 0: not stopping */
	atomic_size_t large_bodies; /* bytes held by bodies over HTTP_LARGE_BODY */
};

/* One for each worker thread; only that thread uses it. */
struct http_worker {
	struct http_server *server;
	int64_t deadline_ms; /* of the request being read, monotonic */
	size_t buffer_used; /* bytes of the connection buffer that hold something */
	int status; /* why the head was refused, 0 = CivetWeb's own reason */
	bool timed_out; /* the deadline passed while reading */
	bool gone; /* the peer closed while reading */
	bool drain; /* unread bytes may follow: closing at once would reset the answer away */
	int64_t date_second;
	char date[32];
	uint8_t out[HTTP_OUT_MAX];
};

/* A request that a handler has, and how far its answer is. */
struct http_request {
	struct mg_connection *conn;
	const struct mg_request_info *info;
	struct http_worker *worker;
	uint8_t *body;
	size_t body_size;
	bool framing_broken; /* the chunks made no sense: the answer is 400, whatever the handler says */
	bool responded;
	bool mute; /* no body belongs to the answer that is under way */
	bool ends_with_connection; /* an answer in parts whose length nobody said */
	size_t owed; /* bytes of an answer in parts that are still promised */
};

/* Milliseconds of the monotonic clock. */
int64_t http_now_ms(void);

/* head.c: the length of the head in buf (to the end of its blank line), 0 when it
 * is not whole yet, -1 when it can no longer become one. *scanned remembers where
 * to go on; it starts at 0. */
int http_head_length(const char *buf, size_t len, size_t *scanned);

/* head.c: whether a whole head can be read in one way only: CRLF line ends, no
 * folded lines, at most HTTP_MAX_HEADERS, one framing of the body. */
bool http_head_valid(const char *head, size_t len);

/* engine.c, on the running request of conn. */
struct http_worker *http_engine_worker(const struct mg_connection *conn);
bool http_engine_is_control(const struct mg_connection *conn);
bool http_engine_body_buffered(const struct mg_connection *conn);
/* Counts a body that nobody asked for as read where it lies in the buffer already. */
void http_engine_skip_body(struct mg_connection *conn);
bool http_engine_keeps_alive(const struct mg_connection *conn);
void http_engine_close_after(struct mg_connection *conn);
bool http_engine_write(struct mg_connection *conn, const void *data, size_t len, bool more);

/* engine.c, callbacks and state of the server. */
void http_engine_connection_closing(const struct mg_connection *conn);
bool http_engine_is_connection(const struct mg_connection *conn);
unsigned http_engine_threads(const struct mg_context *engine);

/* respond.c: the fixed answer to what no handler sees; the connection closes after it. */
void http_request_send_refusal(struct http_request *req, int status);

/* request.c: CivetWeb's begin_request and http_error. */
int http_request_begin(struct mg_connection *conn);
int http_request_refuse(struct mg_connection *conn, int status, const char *message);

#endif
