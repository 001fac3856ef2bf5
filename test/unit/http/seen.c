/* The planting and the probing described in seen.h. */
#include "test/unit/http/seen.h"

#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test/unit/http/helper.h"

#define MARK "kEySeEn"
#define H "\r\nHost: h\r\n"
#define FILLED MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK MARK

struct bytes {
	const char *at;
	size_t len;
};
#define BYTES(text)                                                                                                    \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

/* What is said where it belongs, or would be; most end without an answer, by the client's hanging up. */
static const struct bytes plants[] = {
	BYTES("POST /echo HTTP/1.1" H "Content-Length: 112\r\n\r\n" FILLED),
	BYTES("POST /echo HTTP/1.1" H "Content-Length: 999\r\n\r\n" FILLED),
	BYTES("POST /echo HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\n70\r\n" FILLED "\r\n0\r\n\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\n70\r\n" FILLED "\r\nfff\r\n" FILLED),
	BYTES("GET /info?a=" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\n\r\n"),
	BYTES("GET /info/" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\nX-Two: " FILLED),
	BYTES("GET /info HTTP/1.1" H "\r\nGET /info/" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\n\r\n"),
	BYTES("GET /info HTTP/1.1" H "\r\nPOST /echo HTTP/1.1" H "Content-Length: 999\r\n\r\n" FILLED FILLED),
	BYTES("POST /unread HTTP/1.1" H "Content-Length: 112\r\n\r\n" FILLED "GET /info/" FILLED " HTTP/1.1" H "\r\n"),
	/* Refused themselves, and a request for who reads on behind their first lines. */
	BYTES("\r\n\r\nGET /info/" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\n\r\n"),
	BYTES("GET\r\n\r\n\r\nGET /info/" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\n\r\n"),
	BYTES("XX\r\n\r\n\r\n\r\n\r\nGET /info/" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\n\r\n"),
	BYTES("                    GET /info/" FILLED " HTTP/1.1" H "X-One: " FILLED "\r\n\r\n"),
};

static const struct bytes probes[] = {
	BYTES("\r\n\r\n"),
	BYTES("\r\n\r\n\r\n\r\n"),
	BYTES("\n\n"),
	BYTES("\r\n"),
	BYTES(" \r\n\r\n"),
	BYTES("GET\r\n\r\n"),
	BYTES("GET /info\r\n\r\n"),
	BYTES("GET /info"),
	BYTES("GET /info HTTP/1.1\n\n"),
	BYTES("GET /info HTTP/9.9\r\n\r\n"),
	BYTES("GET http://h/info HTTP/1.1" H "\r\n"),
	BYTES("GET * HTTP/1.1" H "\r\n"),
	BYTES("GET /info HTTP/1.1" H "X-One\r\n\r\n"),
	BYTES("GET /info HTTP/1.1" H "X-One: a\r\n b\r\n\r\n"),
	BYTES("GET /info HTTP/1.1" H "X-One: a\0b\r\n\r\n"),
	BYTES("GET /info\0 HTTP/1.1" H "\r\n"),
	BYTES("GET /info HTTP/1.1" H "X-One: a\rb\r\n\r\n"),
	BYTES("GET /info HTTP/1.1" H "Host: h\r\n\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Content-Length: 112\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Content-Length: 112\r\nContent-Length: 0\r\n\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Content-Length: 112\r\n\r\n"), /* of which nothing comes */
	BYTES("POST /echo HTTP/1.1" H "Content-Length: -1\r\n\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\n70\r\nabc"),
	BYTES("POST /echo HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n"),
	BYTES("POST /echo HTTP/1.1" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
	BYTES("\x16\x03\x01\x02"),
	BYTES("\0\0\0\0"),
	BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
};

static char got[1 << 16];

/* Says it, says that nothing follows, and takes in all that comes back. */
static size_t hear(uint16_t port, struct bytes said)
{
	int fd = helper_connect(port);
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	size_t len = 0;

	helper_send(fd, said.at, said.len);
	shutdown(fd, SHUT_WR);
	while (len < sizeof(got) - 1 && poll(&pfd, 1, 3000) == 1) {
		ssize_t n = recv(fd, got + len, sizeof(got) - 1 - len, 0);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	close(fd);
	return len;
}

static void plant(const struct helper_server *s, size_t n, unsigned way)
{
	static struct helper_answer answer;
	char text[4096] = "";
	int fd;

	switch (way) {
	case 0:
		(void)hear(s->port, plants[n]);
		break;
	case 1: /* breaks off half-way */
		fd = helper_connect(s->port);
		helper_send(fd, plants[n].at, plants[n].len - plants[n].len / 4);
		helper_sleep_ms(2);
		close(fd);
		break;
	default:
		memcpy(text, plants[n].at, plants[n].len);
		helper_ask_tls(s->tls_port, text, TLS1_3_VERSION, &answer);
	}
}

/* A 65th header, and a head that is longer than there is room for. */
static size_t probe_long(uint16_t port, bool many)
{
	static char text[20000];
	size_t used = (size_t)snprintf(text, sizeof(text), "GET /info HTTP/1.1\r\n");

	for (int i = 0; many && i < 65; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used, "X-%d: a\r\n", i);
	for (; !many && used < sizeof(text); used++)
		text[used] = 'a';
	used = many ? used + (size_t)snprintf(text + used, sizeof(text) - used, "\r\n") : used;
	return hear(port, (struct bytes){text, used});
}

static bool is_marked(size_t len)
{
	for (size_t i = 0; i + sizeof(MARK) - 1 <= len; i++)
		if (memcmp(got + i, MARK, sizeof(MARK) - 1) == 0)
			return true;
	return false;
}

unsigned seen_by_others(unsigned *accepted)
{
	const size_t count = sizeof(probes) / sizeof(probes[0]);
	struct http_options opt = helper_options();
	struct helper_server s;
	unsigned seen = 0;
	size_t len;

	*accepted = 0;
	opt.threads = 1;
	opt.request_deadline_ms = opt.keep_alive_ms = 80;
	helper_start(&s, &opt);
	for (size_t n = 0; n < sizeof(plants) / sizeof(plants[0]); n++) {
		for (size_t p = 0; p < count + 2; p++) {
			plant(&s, n, (unsigned)(n + p) % 3);
			len = p < count ? hear(s.port, probes[p]) : probe_long(s.port, p == count);
			seen += is_marked(len);
			*accepted += len > 0 && memcmp(got, "HTTP/1.1 200", 12) == 0;
		}
	}
	helper_stop(&s);
	return seen;
}
