/*
 * Goal of this test: once a request has ended, nothing of it is left in the
 * server's memory: not in the connection buffer, a TLS buffer, the heap or a
 * stack. The client is another process, and the marker is never written down
 * here in clear, so a find is always the server's.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

/* Longer than any answer, so that no answer's bytes cover what lies behind it. */
#define TEN "aaaaaaaaaa"
#define PADDING TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN

enum { MARKER_LEN = 24, TAIL = 8, WINDOW = 1 << 20 };

/* Only a sanitizer maps so much at once, for its own books. */
static const uint64_t SANITIZER_SIZE = UINT64_C(1) << 32;

/* Each byte is one less than the marker's. */
static const char shifted[] = "Qd`khrdb;lFzPptnW0xAm5Bg";

static struct helper_server server;
static int to_client[2], from_client[2];

/* The client: fills the marker in for '@', sends, reports the status. */
static void client(void)
{
	static char text[4096];
	static struct helper_answer answer;
	char marker[MARKER_LEN + 1] = "";
	struct {
		uint16_t port;
		int tls;
		char format[1000];
	} order;

	for (int i = 0; i < MARKER_LEN; i++)
		marker[i] = (char)(shifted[i] + 1);
	while (read(to_client[0], &order, sizeof(order)) == (ssize_t)sizeof(order)) {
		size_t used = 0;

		for (const char *p = order.format; *p; p++) {
			if (*p == '@')
				memcpy(text + used, marker, MARKER_LEN);
			else
				text[used] = *p;
			used += *p == '@' ? MARKER_LEN : 1;
		}
		text[used] = '\0';
		if (order.tls)
			helper_ask_tls(order.port, text, order.tls, &answer);
		else
			helper_ask(order.port, text, &answer);
		if (write(from_client[1], &answer.status, sizeof(answer.status)) < 0)
			break;
	}
	_exit(0);
}

static int order(uint16_t port, int tls, const char *format)
{
	struct {
		uint16_t port;
		int tls;
		char format[1000];
	} order = {.port = port, .tls = tls};
	int status = -1;

	snprintf(order.format, sizeof(order.format), "%s", format);
	assert_int_equal(write(to_client[1], &order, sizeof(order)), sizeof(order));
	assert_int_equal(read(from_client[0], &status, sizeof(status)), sizeof(status));
	return status;
}

/* The marker's last 16 bytes count as a find: its first may go, as a freed block's links. */
static unsigned count_in(const uint8_t *bytes, size_t len)
{
	const uint8_t *end = bytes + len;
	unsigned found = 0;

	for (const uint8_t *p = bytes; (p = memchr(p, shifted[TAIL] + 1, (size_t)(end - p))); p++) {
		size_t same = 1;

		while (TAIL + same < MARKER_LEN && p + same < end && p[same] == (uint8_t)(shifted[TAIL + same] + 1))
			same++;
		found += TAIL + same == MARKER_LEN;
	}
	return found;
}

/* How often the marker lies in this process's writable memory. The window is
 * empty before each read, so that meeting itself changes nothing. */
static unsigned residue(void)
{
	static uint8_t window[WINDOW + MARKER_LEN];
	FILE *maps = fopen("/proc/self/maps", "r");
	int memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	unsigned found = 0;
	char line[512];

	assert_non_null(maps);
	assert_true(memory >= 0);
	memset(window, 0, sizeof(window));
	while (fgets(line, sizeof(line), maps)) {
		char *end;
		uint64_t from = strtoull(line, &end, 16);
		uint64_t to = strtoull(end + 1, &end, 16);

		if (strncmp(end, " rw", 3) != 0 || to - from > SANITIZER_SIZE)
			continue;
		for (uint64_t at = from; at < to; at += WINDOW) {
			size_t want = to - at < sizeof(window) ? (size_t)(to - at) : sizeof(window);
			ssize_t n;

			n = pread(memory, window, want, (off_t)at);
			found += n > 0 ? count_in(window, (size_t)n) : 0;
			explicit_bzero(window, sizeof(window));
		}
	}
	close(memory);
	fclose(maps);
	return found;
}

static void nothing_is_left(void **state)
{
	static const struct {
		const char *what, *format;
		int status;
	} rows[] = {
		{"a body", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n@", 200},
		{"a chunked body",
			"POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n18\r\n@\r\n0\r\n\r\n",
			200},
		{"an unread body", "POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n@", 200},
		{"a body too large", "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n@", 413},
		{"a body with an end missing", "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 99\r\n\r\n@", 408},
		{"a header", "GET /info HTTP/1.1\r\nHost: h\r\nX-One: @\r\n\r\n", 200},
		{"a query", "GET /info?access_token=@ HTTP/1.1\r\nHost: h\r\n\r\n", 200},
		{"a path", "GET /info/long/enough/to/outlive/free/@ HTTP/1.1\r\nHost: h\r\n\r\n", 200},
		{"a refused head", "GET /info HTTP/1.1\r\nHost: h\r\n X-One: @\r\n\r\n", 400},
		{"a head with its end missing", "GET /info HTTP/1.1\r\nHost: h\r\nX-One: @", 408},
		{"a body behind a long head",
			"POST /unread HTTP/1.1\r\nHost: h\r\nX-A: " PADDING PADDING PADDING
			"\r\nContent-Length: 24\r\n\r\n@",
			200},
		{"a pipelined request", "GET /info HTTP/1.1\r\nHost: h\r\n\r\nGET /info/@ HTTP/1.1\r\nHost: h\r\n\r\n",
			200},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		for (int kind = 0; kind < 3; kind++) {
			int tls = kind == 0 ? 0 : kind == 1 ? TLS1_2_VERSION : TLS1_3_VERSION;
			unsigned found;

			if (rows[i].status == 408 && kind == 1)
				continue;
			assert_int_equal(
				order(kind ? server.tls_port : server.port, tls, rows[i].format), rows[i].status);
			helper_sleep_ms(20);
			found = residue();
			if (found > 0)
				fail_msg("%s (kind %d): found %u times", rows[i].what, kind, found);
		}
	}
}

/* A request that ended leaves nothing even while its connection stays open. */
static void nothing_is_left_on_an_idle_connection(void **state)
{
	static struct helper_answer answer;
	int fd = helper_connect(server.port);
	char text[256] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n";
	size_t used = strlen(text);

	(void)state;
	for (int i = 0; i < MARKER_LEN; i++)
		text[used++] = (char)(shifted[i] + 1);
	helper_send(fd, text, used);
	explicit_bzero(text, sizeof(text));
	helper_receive(fd, &answer);
	assert_int_equal(answer.body_len, MARKER_LEN);
	explicit_bzero(&answer, sizeof(answer));
	helper_sleep_ms(20);
	assert_int_equal(residue(), 0);
	close(fd);
}

static void the_search_can_find(void **state)
{
	(void)state;
	assert_int_equal(order(server.port, 0, "POST /keep HTTP/1.1\r\nHost: h\r\nContent-Length: 24\r\n\r\n@"), 200);
	helper_sleep_ms(20);
	assert_true(residue() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left),
		cmocka_unit_test(nothing_is_left_on_an_idle_connection),
		cmocka_unit_test(the_search_can_find),
	};
	struct http_options opt = helper_options();
	pid_t child;
	int failed;

	if (pipe(to_client) != 0 || pipe(from_client) != 0 || (child = fork()) < 0)
		return 1;
	if (child == 0) {
		close(to_client[1]);
		client();
	}
	close(to_client[0]);
	opt.request_deadline_ms = 300;
	helper_start(&server, &opt);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	helper_stop(&server);
	close(to_client[1]);
	waitpid(child, NULL, 0);
	return failed;
}
