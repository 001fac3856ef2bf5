/*
 * The yardstick of `make bench`: the same CivetWeb behind the same adapter, with a handler that only reads.
 *
 * It takes each request's body as the listener does and answers what an accepted webhook is answered; nothing is
 * checked, sealed or kept. What the gateway's figures are divided by. Serves on a free port of 127.0.0.1, which is the
 * one line on standard output, until standard input ends. With a certificate and its key as arguments (PEM files), over
 * TLS.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/http/http.h"
#include "gateway/inbound/inbound.h"

/* As gateway/listener.c and gateway/supervisor.c have them. */
#define WORKERS 128u
#define REQUEST_DEADLINE_MS 10000u
#define KEEP_ALIVE_MS 15000u
#define LARGE_BODIES_MAX (96u * 1024u * 1024u)
#define WORKERS_PER_ADDRESS 96u
#define BACKLOG 1024

/* As gateway/inbound/webhook.c answers. */
static void answer(struct http_request *req, void *ctx)
{
	static const struct http_header headers[] = {
		{"Content-Type", "text/plain; charset=utf-8"},
		{"X-Content-Type-Options", "nosniff"},
		{"Cache-Control", "no-store"},
	};
	static const char received[] = "EVENT_RECEIVED", unread[] = "unread\n";
	const uint8_t *body = NULL;
	size_t len = 0;

	(void)ctx;
	if (http_request_body(req, INBOUND_BODY_MAX, &body, &len) == HTTP_OK)
		http_respond(req, 200, headers, 3, received, sizeof(received) - 1);
	else
		http_respond(req, 400, headers, 3, unread, sizeof(unread) - 1);
}

static void say(const char *line, void *ctx)
{
	(void)ctx;
	(void)fprintf(stderr, "empty: %s\n", line);
}

/* A listening socket on a free port, or -1. */
static int socket_listen(unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		(void)close(fd);
		return -1;
	}
	*port = ntohs(address.sin_port);
	return fd;
}

static void wait_for_end_of_input(void)
{
	char dropped[64];

	while (read(STDIN_FILENO, dropped, sizeof(dropped)) > 0)
		continue;
}

int main(int argc, char **argv)
{
	unsigned port = 0;
	const bool tls = argc == 3;
	struct http_socket socket = {.fd = socket_listen(&port), .tls = tls};
	const struct http_options options = {.sockets = &socket,
		.sockets_len = 1,
		.tls_cert_fd = tls ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1,
		.tls_key_fd = tls ? open(argv[2], O_RDONLY | O_CLOEXEC) : -1,
		.threads = WORKERS,
		.request_deadline_ms = REQUEST_DEADLINE_MS,
		.keep_alive_ms = KEEP_ALIVE_MS,
		.workers_per_address = WORKERS_PER_ADDRESS,
		.large_bodies_max = LARGE_BODIES_MAX,
		.handler = answer,
		.log = say};
	struct http_server *server = NULL;

	(void)signal(SIGPIPE, SIG_IGN);
	if (socket.fd < 0 || http_server_start(&server, &options) != HTTP_OK) {
		(void)fprintf(stderr, "empty: cannot serve\n");
		return 1;
	}
	(void)printf("%u\n", port);
	(void)fflush(stdout);
	wait_for_end_of_input();
	http_server_stop(server);
	return 0;
}
