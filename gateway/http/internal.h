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
	HTTP_WAITING_MAX = 512, /* accepted connections that wait for a worker */
	HTTP_ADDRESS_LEN = 16, /* IPv4 mapped into IPv6; IPv6 by its /64, which is what one customer holds */
};

struct http_callers;
struct http_refused;

struct http_server {
	struct http_options opt; /* sockets points to our own copy */
	struct http_socket *sockets;
	struct mg_context *engine;
	pthread_mutex_t mutex; /* guards threads_ready and refused */
	pthread_cond_t changed;
	unsigned threads_ready;
	struct http_refused *refused;
	struct http_callers *callers; /* under the engine's lock */
	atomic_bool started;
	atomic_llong last_trouble_ms;
	atomic_llong last_refusal_ms; /* 0: none yet */
	atomic_llong leave_by_ms; /* monotonic: when stopping, who has said nothing by then goes; 0: not stopping */
	pthread_mutex_t one_large; /* held while a piece of a large body is copied */
	atomic_size_t large_bodies; /* bytes held by bodies over HTTP_LARGE_BODY */
	atomic_uint room_wanted; /* who wait for room for another */
	atomic_uint drains; /* workers that read what nobody wants any more */
	atomic_ulong turned_away, gave_way, often_refused, unread; /* struct http_counts */
};

/* One for each worker thread; only that thread uses it. */
struct http_worker {
	struct http_server *server;
	unsigned address; /* of the caller, among http_callers */
	bool leaving; /* the caller gave way to one who waits */
	int64_t accepted_ms; /* the caller was let in; this and the next are monotonic */
	int64_t taken_ms; /* the caller got this worker */
	int64_t deadline_ms; /* of the request being read */
	int64_t body_ms; /* its head was whole */
	int64_t moved_ms; /* something of its body was read last */
	bool large; /* it is over HTTP_LARGE_BODY */
	bool piecemeal; /* it is read bit by bit: what came is enough */
	size_t body_read; /* bytes of it that were read since body_ms */
	struct http_later *later; /* the answer to its last request, until that was sent; NULL: it was */
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
	int64_t left_ms; /* of a body that is read bit by bit: when the last bit was had; 0: none was asked for yet */
	bool framing_broken; /* the chunks made no sense: the answer is 400, whatever the handler says */
	bool unread; /* too large a body of an address that was refused too often: the answer is 429, likewise */
	bool responded;
	bool mute; /* no body belongs to the answer that is under way */
	bool chunked; /* an answer in parts whose length nobody said */
	bool ends_with_connection; /* likewise, to who knows no chunks */
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

/* callers.c, under the engine's lock. */
struct http_callers *http_callers_new(unsigned workers, unsigned per_address);
void http_callers_free(struct http_callers *c); /* NULL is fine */
enum http_caller {
	HTTP_CALLER_REFUSED, /* there is no room, and no other address waits with more than his */
	HTTP_CALLER_WAITS, /* *place is his */
	HTTP_CALLER_TAKES_PLACE, /* likewise; it was another's, who has to go */
};
/* Lets a caller in who was just accepted. address: HTTP_ADDRESS_LEN bytes; NULL: the operator's. */
enum http_caller http_callers_admit(struct http_callers *c, const uint8_t *address, int64_t now_ms, unsigned *place);
/* Takes who is next out of his place: first those of addresses that hold the fewest workers, in the order in which they
 * came; an address that holds its share is left out, unless it is the operator's. address: for http_callers_gone, once
 * his connection is closed. False: nobody waits who may be served. */
bool http_callers_next(struct http_callers *c, unsigned *place, unsigned *address, int64_t *since_ms);
void http_callers_gone(struct http_callers *c, unsigned address);
/* A worker is idle while it waits for a caller. */
void http_callers_idle(struct http_callers *c, int change);
/* Whether one of this address has to make room, should he be slow: nobody else does for who is next, no worker is idle,
 * and the address holds as many as that one's or more; or it has its share and more of its own wait. A crowd hurries
 * itself, not who is alone. True: this worker is becoming free, which http_callers_left undoes. */
bool http_callers_give_way(struct http_callers *c, unsigned address);
void http_callers_left(struct http_callers *c);
/* False: there is nobody to give way to. Without the lock. */
bool http_callers_some_wait(const struct http_callers *c);

/* refused.c, under the server's lock: who was refused often of late, by address. */
struct http_refused *http_refused_new(void); /* NULL: memory is short */
void http_refused_free(struct http_refused *r); /* NULL is fine */
/* True: it was once too often just now. */
bool http_refused_note(struct http_refused *r, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms);
/* Somebody at this address proved who he is: its large bodies are read for ten seconds. */
void http_refused_proven(struct http_refused *r, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms);
bool http_refused_often(const struct http_refused *r, const uint8_t address[static HTTP_ADDRESS_LEN], int64_t now_ms);

/* later.c: an answer for this socket, to be filled in by its worker, whose it is half; the other half is http_later_send's.
 * NULL: memory is short. */
struct http_later *http_later_new(int fd, unsigned within_ms);
uint8_t *http_later_answer(struct http_later *later, size_t **len); /* HTTP_LATER_MAX bytes */
/* How long the worker may let it be: 0 or less once it was sent, or is too late. */
int64_t http_later_left_ms(const struct http_later *later);
/* Waits until it was sent, or sends 503 itself; it is gone then. False: the connection has to close. */
bool http_later_end(struct http_later *later);

/* engine.c, on the running request of conn. */
struct http_worker *http_engine_worker(const struct mg_connection *conn);
/* The peer's address; false: none, as on the control socket. */
bool http_engine_address(const struct mg_connection *conn, uint8_t address[static HTTP_ADDRESS_LEN]);
/* Has the connection close after the answer where its peer had its turn and others wait. */
void http_engine_end_turn(struct mg_connection *conn);
/* Whether the caller has to go, who is kept waiting since then, because others wait for his worker. */
bool http_engine_hurried(struct mg_connection *conn, int64_t began_ms);
bool http_engine_is_control(const struct mg_connection *conn);
/* The socket, where an answer may be sent beside it; else -1. */
int http_engine_later_socket(const struct mg_connection *conn);
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

/* respond.c: a whole answer, 503, after which the connection closes. */
extern const char http_unavailable[];
/* The fixed answer to what no handler sees; the connection closes after it. */
void http_request_send_refusal(struct http_request *req, int status);

/* respond.c: the handler is done, and so is an answer in chunks. */
void http_respond_end(struct http_request *req);

/* request.c: CivetWeb's begin_request and http_error. */
int http_request_begin(struct mg_connection *conn);
int http_request_refuse(struct mg_connection *conn, int status, const char *message);

#endif
