/*
 * Goal of this test: whatever two programs could read in two ways is refused
 * with 400 and the connection closes, so that nothing behind it is ever taken
 * for a request (design section 10).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

#define BEHIND "GET /info HTTP/1.1\r\nHost: h\r\nX-One: smuggled\r\n\r\n"
#define HOST "Host: h\r\n"
#define POST "POST /echo HTTP/1.1\r\n" HOST
#define GET "GET /info HTTP/1.1\r\n" HOST
#define CHUNKED "Transfer-Encoding: chunked\r\n"
#define BYTES(text) text BEHIND, sizeof(text BEHIND) - 1

struct row {
	const char *what;
	const char *bytes;
	size_t len;
	int status;
};

static const struct row rows[] = {
	{"both framings", BYTES(POST "Content-Length: 3\r\n" CHUNKED "\r\n0\r\n\r\n"), 400},
	{"both, other order", BYTES(POST CHUNKED "Content-Length: 3\r\n\r\n0\r\n\r\n"), 400},
	{"two lengths", BYTES(POST "Content-Length: 0\r\nContent-Length: 9\r\n\r\n"), 400},
	{"two equal lengths", BYTES(POST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n"), 400},
	{"a list of lengths", BYTES(POST "Content-Length: 0, 0\r\n\r\n"), 400},
	{"a signed length", BYTES(POST "Content-Length: +0\r\n\r\n"), 400},
	{"a negative length", BYTES(POST "Content-Length: -1\r\n\r\n"), 400},
	{"letters in a length", BYTES(POST "Content-Length: 0x0\r\n\r\n"), 400},
	{"an empty length", BYTES(POST "Content-Length: \r\n\r\n"), 400},
	{"an endless length", BYTES(POST "Content-Length: 99999999999999999999999\r\n\r\n"), 400},
	{"an unknown coding", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), 400},
	{"two codings", BYTES(POST CHUNKED CHUNKED "\r\n0\r\n\r\n"), 400},
	{"identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), 400},
	{"chunks in 1.0", BYTES("POST /echo HTTP/1.0\r\n" CHUNKED "\r\n0\r\n\r\n"), 400},
	{"a folded line", BYTES(POST "X-A: b\r\n folded\r\nContent-Length: 49\r\n\r\n"), 400},
	{"a line folded by a tab", BYTES(POST "X-A: b\r\n\tfolded\r\nContent-Length: 49\r\n\r\n"), 400},
	{"a folded first line", BYTES("POST /echo HTTP/1.1\r\n Content-Length: 49\r\n" HOST "\r\n"), 400},
	{"a space before the colon", BYTES(POST "Content-Length : 0\r\n\r\n"), 400},
	{"no colon", BYTES(POST "Content-Length\r\n\r\n"), 400},
	{"an empty name", BYTES(POST ": b\r\n\r\n"), 400},
	{"two hosts", BYTES(GET HOST "\r\n"), 400},
	{"a NUL in a value", BYTES(GET "X-A: a\0b\r\n\r\n"), 400},
	{"a NUL in the path", BYTES("GET /info\0 HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"a bell", BYTES(GET "X-A: \a\r\n\r\n"), 400},
	{"a bare line feed", BYTES("GET /info HTTP/1.1\n" HOST "\r\n"), 400},
	{"a bare line feed at the end", BYTES(GET "X-A: b\r\n\nContent-Length: 49\r\n\r\n"), 400},
	{"a bare carriage return", BYTES(GET "X-A: a\rb\r\n\r\n"), 400},
	{"an empty line first", BYTES("\r\n\r\nGET /info HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"two spaces", BYTES("GET  /info HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"a request over two lines", BYTES("GET \r\n/info HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"no version", BYTES("GET /info\r\n" HOST "\r\n"), 400},
	{"an absolute target", BYTES("GET http://h/info HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"an asterisk", BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"an unknown method", BYTES("BREW /info HTTP/1.1\r\n" HOST "\r\n"), 400},
	{"another version", BYTES("GET /info HTTP/2.0\r\n" HOST "\r\n"), 505},
	{"a chunk that is no number", BYTES(POST CHUNKED "\r\nzz\r\n\r\n"), 400},
	{"a chunk size that overflows", BYTES(POST CHUNKED "\r\n7fffffffffffffff\r\n"), 400},
	{"a chunk size with a return in it", BYTES(POST CHUNKED "\r\n1\r1\r\na\r\n0\r\n\r\n"), 400},
	{"a chunk longer than it says", BYTES(POST CHUNKED "\r\n1\r\nabc\r\n0\r\n\r\n"), 400},
	{"a chunk extension", BYTES(POST CHUNKED "\r\n1;a=b\r\na\r\n0\r\n\r\n"), 400},
};

static struct helper_server server;
static struct helper_answer answer;

static int start(void **state)
{
	struct http_options opt = helper_options();

	(void)state;
	helper_start(&server, &opt);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	helper_stop(&server);
	return 0;
}

/* One refusal with the fixed body, then nothing but the end. */
static void expect_refusal(const char *what, const char *bytes, size_t len, int status)
{
	int fd = helper_connect(server.port);

	helper_send(fd, bytes, len);
	helper_receive(fd, &answer);
	if (answer.status != status)
		fail_msg("%s: answered %d instead of %d", what, answer.status, status);
	assert_non_null(strstr(answer.head, "\r\nConnection: close\r\n"));
	assert_int_equal(strtol(answer.body, NULL, 10), status);
	assert_in_range(answer.body_len, 8, 40);
	if (!helper_closed(fd, 1500))
		fail_msg("%s: something came after the refusal", what);
	close(fd);
}

static void ambiguous_requests_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_refusal(rows[i].what, rows[i].bytes, rows[i].len, rows[i].status);
}

static size_t with_headers(char *text, size_t size, int count)
{
	size_t used = (size_t)snprintf(text, size, "POST /echo HTTP/1.1\r\n");

	for (int i = 1; i < count; i++)
		used += (size_t)snprintf(text + used, size - used, "X-%d: a\r\n", i);
	return used + (size_t)snprintf(text + used, size - used, "Content-Length: 2\r\n\r\nok");
}

static void sixty_four_headers_and_no_more(void **state)
{
	char text[4096];

	(void)state;
	with_headers(text, sizeof(text), 64);
	helper_ask(server.port, text, &answer);
	assert_int_equal(answer.status, 200);
	assert_string_equal(answer.body, "ok");
	expect_refusal("65 headers", text, with_headers(text, sizeof(text), 65), 400);
}

static void a_long_head_is_refused(void **state)
{
	static char text[40000] = "GET /info HTTP/1.1\r\nHost: h\r\nX-One: ";

	(void)state;
	memset(text + strlen(text), 'a', 30000);
	expect_refusal("a long head", text, strlen(text), 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ambiguous_requests_are_refused),
		cmocka_unit_test(sixty_four_headers_and_no_more),
		cmocka_unit_test(a_long_head_is_refused),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
