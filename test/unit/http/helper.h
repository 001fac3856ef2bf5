/*
 * A server with a known handler and a raw client, for the tests of gateway/http.
 * Every failure of the client's own calls ends the program.
 */
#ifndef KEYHOUSE_TEST_HTTP_HELPER_H
#define KEYHOUSE_TEST_HTTP_HELPER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/http/http.h"

enum {
	HELPER_PLAIN,
	HELPER_TLS,
	HELPER_CONTROL,
	HELPER_SOCKETS,
	HELPER_BODY_MAX = 1 << 20,
	HELPER_KEPT_MAX = 4096,
};

struct helper_server {
	struct http_server *server;
	struct http_socket sockets[HELPER_SOCKETS];
	uint16_t port, tls_port;
	char control_path[64];
};

/* An answer as it came over the wire. */
struct helper_answer {
	int status; /* 0 when the connection closed without one */
	char head[8192];
	char body[65536];
	size_t body_len;
};

/* Where /keep keeps. */
extern uint8_t helper_kept[HELPER_KEPT_MAX];

/* The options the tests start from: 4 workers, 1 s for a request, 1 s idle. */
struct http_options helper_options(void);

/* The handler:
 *   /echo   answers the body (at most HELPER_BODY_MAX)
 *   /small  takes at most 10 bytes      /slow   answers after 300 ms
 *   /unread answers without reading     /info   says what it was asked
 *   /proven proves himself
 *   /silent never responds              /big    answers 1 MiB of 'b'
 *   /refused answers 401, or the status that its query is
 *   /evil   tries header injection      /keep   stores the body in memory that stays */
void helper_handler(struct http_request *req, void *ctx);

/* The sockets of one server (made, bound, listening) and its certificate. */
void helper_sockets(struct helper_server *s, struct http_options *opt);

void helper_start(struct helper_server *s, struct http_options *opt);
void helper_stop(struct helper_server *s);

/* Log lines seen so far that contain text. */
unsigned helper_logged(const char *text);

int helper_connect(uint16_t port);
int helper_connect_control(const struct helper_server *s);
void helper_send(int fd, const void *data, size_t len);
void helper_send_text(int fd, const char *text);

/* Reads one answer; waits at most 5 s. */
void helper_receive(int fd, struct helper_answer *answer);

/* Sends text on a fresh connection and reads one answer. */
void helper_ask(uint16_t port, const char *text, struct helper_answer *answer);

/* Whether the peer has closed within wait_ms (without sending more). */
bool helper_closed(int fd, int wait_ms);

/* The same over TLS: one request, one answer, on a fresh connection. */
void helper_ask_tls(uint16_t port, const char *text, int tls_version, struct helper_answer *answer);

int64_t helper_now_ms(void);
void helper_sleep_ms(long ms);

#endif
