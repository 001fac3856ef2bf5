/*
 * HTTP server: the only face of CivetWeb.
 *
 * Everything that arrives here is from strangers. The adapter refuses what
 * could be read in two ways (400), bounds the time and the size of every
 * request, and wipes each connection's buffers after each request, because a
 * pasted key may have passed through them.
 *
 * Who is slow holds a worker for as long as nobody else needs it: while callers
 * wait, whoever is silent or slow gives way after a moment (408 where he said
 * something), and whoever goes on asking gets his next answer with "close", unless
 * his address holds fewer workers than theirs. Who waits is served after those
 * whose addresses hold fewer. Where there is
 * no room to wait, one of the most crowded address is told 503.
 *
 * An address that is refused often (401, 403, 410, malformed heads) is closed with
 * each further refusal, and its large bodies are answered 429 unread, until it
 * was not refused for ten seconds, or somebody proved himself there: it may be a proxy,
 * and everybody's. Its small requests are served as everybody's.
 *
 * Called by gateway/listener.c; handlers run on CivetWeb's worker threads.
 */
#ifndef KEYHOUSE_HTTP_H
#define KEYHOUSE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http_server;
struct http_request;
struct http_later;

enum http_error {
	HTTP_OK = 0,
	HTTP_TOO_LARGE, /* the body is longer than the caller allows: answer 413 */
	HTTP_TIMED_OUT, /* the request's deadline passed: answer 408 */
	HTTP_DISCONNECTED, /* the peer is gone and no answer reaches it; or its chunks make no sense, then 400
	                       is sent in place of the handler's answer */
	HTTP_NO_MEMORY, /* also: large_bodies_max is reached; or its address was refused too often for a large body, then
	                   429 is sent in place of the handler's answer */
	HTTP_BAD_QUERY, /* malformed percent escape, NUL, or longer than the buffer */
	HTTP_NO_SUCH_PARAM, /* the query has no such parameter */
	HTTP_SETUP_FAILED, /* sockets or certificate unusable; the reason went to the log hook */
};

/* A socket that is bound and listening already; the adapter takes it over. */
struct http_socket {
	int fd;
	bool tls;
	bool control; /* the owner-only Unix socket: its peer is the operator */
};

#define HTTP_LARGE_BODY (64u * 1024u)
#define HTTP_LEN_UNKNOWN SIZE_MAX

struct http_options {
	const struct http_socket *sockets;
	size_t sockets_len;
	int tls_cert_fd; /* PEM chain, or -1 when no socket has tls; read here, closed here */
	int tls_key_fd; /* PEM key, likewise */
	unsigned threads; /* workers, at least 1; all exist when start returns */
	unsigned request_deadline_ms; /* first byte of the head to last byte of the body */
	unsigned keep_alive_ms; /* idle time between two requests */
	unsigned workers_per_address; /* more connections at once from one address (IPv6: one /64) wait for those;
	                                 0 = no cap; the control socket is not counted */
	size_t large_bodies_max; /* bytes that all bodies over HTTP_LARGE_BODY may hold at once; more wait a second for the
	                            slow ones to give way, and are refused; 0 = no cap */
	/* Answers one request with exactly one http_respond, or a later one. Runs on any worker. */
	void (*handler)(struct http_request *req, void *ctx);
	/* One line, no newline, no content of any request. */
	void (*log)(const char *line, void *ctx);
	void *ctx;
};

struct http_header {
	const char *name;
	const char *value;
};

/* Has the TLS library read its settings and load what they name, which a caller may forbid afterwards. */
bool http_tls_init(void);

/* Starts the server: all its threads and sockets exist on return, so that the
 * caller may then forbid making more. Returns HTTP_OK, HTTP_NO_MEMORY or
 * HTTP_SETUP_FAILED. Owns: takes the descriptors in opt, copies the rest. */
enum http_error http_server_start(struct http_server **out, const struct http_options *opt)
	__attribute__((warn_unused_result));

/* Since the start. */
struct http_counts {
	unsigned long turned_away; /* connections that no worker took: there was no room to wait */
	unsigned long gave_way; /* connections closed because others waited */
	unsigned long often_refused; /* refusals of addresses that were refused too often */
	unsigned long unread; /* large bodies of such that were answered 429 */
};
void http_server_counts(const struct http_server *server, struct http_counts *out);

/* Takes no more callers, serves those it let in (who is silent then has about a second), joins all threads. NULL is fine. */
void http_server_stop(struct http_server *server);

/* Parts of the request line, as sent: nothing is percent-decoded. They live as
 * long as the request. The query is NULL where there is none. */
const char *http_request_method(const struct http_request *req);
const char *http_request_path(const struct http_request *req);
const char *http_request_query(const struct http_request *req);

/* The peer's address as text ("192.0.2.7", "::1"; "" on the control socket). */
const char *http_request_peer(const struct http_request *req);
bool http_request_is_control(const struct http_request *req);

/* The value of a header that was sent exactly once, else NULL: a header sent
 * twice says two things and is treated as not said. Names ignore case. */
const char *http_request_header(const struct http_request *req, const char *name);
bool http_request_header_repeats(const struct http_request *req, const char *name);

/* The caller proved who he is, whatever else comes from his address. */
void http_request_proven(struct http_request *req);

/* Reads the whole body. Returns HTTP_OK, HTTP_TOO_LARGE (from Content-Length
 * before reading, or as soon as a chunked body passes max), HTTP_TIMED_OUT,
 * HTTP_DISCONNECTED, HTTP_NO_MEMORY. After an error the connection closes once
 * the answer is sent. Owns: the buffer is the request's, ends with a NUL that
 * *len does not count, and is wiped when the request ends. Called once. */
enum http_error http_request_body(struct http_request *req, size_t max, const uint8_t **body, size_t *len)
	__attribute__((warn_unused_result));

/* The next bytes of the body, in place of http_request_body, for what is long: 1 to room of them into buf, which is the
 * caller's to wipe; at the end HTTP_OK with *len 0. A piece may take as long as a request may, but no body less than
 * HTTP_BODY_PACE bytes a second on the whole; the time between two calls is the caller's and counts for nothing. How long
 * it all may take, and how much it may be, is the caller's to say. Returns HTTP_TIMED_OUT, HTTP_DISCONNECTED,
 * HTTP_NO_MEMORY as http_request_body does: the connection then closes once the answer is sent, as it does where the body
 * was not read to its end. */
#define HTTP_BODY_PACE 1000u
enum http_error http_request_read(struct http_request *req, void *buf, size_t room, size_t *len)
	__attribute__((warn_unused_result));
/* How long the body is said to be; HTTP_LEN_UNKNOWN: its chunks will tell. 0: there is none. */
size_t http_request_length(const struct http_request *req);

/* Sends the whole answer; Content-Length, Connection, and Date where it is not among the headers, are added here.
 * Header values must hold no CR or LF (checked; such a header is dropped).
 * body is borrowed, may be NULL with len 0. Exactly once per request. */
void http_respond(struct http_request *req, int status, const struct http_header *headers, size_t headers_len,
	const void *body, size_t len);

/* An answer in parts, in place of http_respond, for what is long or comes bit by bit: its head, then its body in pieces.
 * len is the whole body's, or HTTP_LEN_UNKNOWN: then it comes in chunks, and its end is told when the handler returns; to
 * who speaks HTTP/1.0 it ends with the connection. A handler that returns before len bytes went out closes the connection;
 * more than len aborts. One that hangs up leaves an answer that is seen to be cut, but for one without length over
 * HTTP/1.0. Each piece has a deadline of its own. http_respond_part returns false once the peer is gone, or no body belongs to this answer. */
void http_respond_begin(
	struct http_request *req, int status, const struct http_header *headers, size_t headers_len, size_t len);
bool http_respond_part(struct http_request *req, const void *data, size_t len);

/* An answer that is not true yet: another thread sends it, while this worker waits for the next request. Prepared as
 * http_respond would send it; what comes next on the connection waits for it. NULL: not on this connection (TLS, the control socket,
 * one that closes after this answer, more of it than HTTP_LATER_MAX, or memory is short), and nothing was done: respond
 * as ever. Else in place of http_respond. After within_ms the caller is told 503, and the connection closes. */
#define HTTP_LATER_MAX 1024u
struct http_later *http_respond_later(struct http_request *req, int status, const struct http_header *headers,
	size_t headers_len, const void *body, size_t len, unsigned within_ms) __attribute__((warn_unused_result));
/* Sends it, or where it did not become true 503, once, on any thread. Waits for nothing: a peer who took no answer for
 * long loses the connection. False: 503 it is. The server may have been stopped meanwhile. */
bool http_later_send(struct http_later *later, bool is_true);

/* Closes the connection as soon as the handler returns, in place of an answer or of the rest of one. */
void http_hang_up(struct http_request *req);

/* Percent-decodes a NUL-terminated text in place, "+" as a space. False: a malformed escape, or one that means NUL; the
 * text is then of no use. */
bool http_decode(char *text) __attribute__((warn_unused_result));

/* Finds the first parameter called name in a raw query ("a=1&b=%20") and
 * percent-decodes it into buf, NUL-terminated. name is compared with the decoded
 * key. Returns HTTP_OK, HTTP_NO_SUCH_PARAM (also for a NULL query), HTTP_BAD_QUERY. */
enum http_error http_query_get(const char *query, const char *name, char *buf, size_t buf_len)
	__attribute__((warn_unused_result));

#endif
