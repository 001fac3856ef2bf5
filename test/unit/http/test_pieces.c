/*
 * Goal of this test: a body that is read bit by bit arrives as it was sent, measured or in chunks, as it comes and
 * however long it is; who is too slow, makes no sense or is in others' way is told so; the caller's own time counts for
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

#define POST(path, len) "POST " path " HTTP/1.1\r\nHost: h\r\nContent-Length: " len "\r\n\r\n"
#define CHUNKED(path) "POST " path " HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"

static struct helper_server server;
static struct helper_answer answer;
static atomic_uint pieces;
static atomic_ullong came;

static uint64_t hash_on(uint64_t hash, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * 0x100000001b3u;
	return hash;
}

/* Answers how much came and its hash, or why it did not. /rest?N waits N ms between pieces, /some reads one, /none none. */
static void handler(struct http_request *req, void *ctx)
{
	const char *path = http_request_path(req), *query = http_request_query(req);
	enum http_error error = HTTP_OK;
	uint64_t hash = 0xcbf29ce484222325u, all = 0;
	static _Thread_local uint8_t buf[16384];
	size_t len = 1;
	char text[128];
	int n;

	(void)ctx;
	while (error == HTTP_OK && len > 0 && strcmp(path, "/none") != 0) {
		error = http_request_read(req, buf, sizeof(buf), &len);
		hash = hash_on(hash, buf, len);
		all += len;
		atomic_fetch_add(&came, len);
		atomic_fetch_add(&pieces, len > 0 ? 1 : 0);
		if (query != NULL)
			helper_sleep_ms(strtol(query, NULL, 10));
		if (strcmp(path, "/some") == 0)
			break;
	}
	n = snprintf(text, sizeof(text), "%llu %llx %zd", (unsigned long long)all, (unsigned long long)hash,
		(ssize_t)http_request_length(req));
	http_respond(req, error == HTTP_OK ? 200 : error == HTTP_TIMED_OUT ? 408 : 503, NULL, 0, text, (size_t)n);
}

static int start(void **state)
{
	struct http_options opt = helper_options();

	(void)state;
	opt.handler = handler;
	helper_start(&server, &opt);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	helper_stop(&server);
	return 0;
}

static void expect(uint64_t all, uint64_t hash, long said)
{
	char text[128];

	(void)snprintf(text, sizeof(text), "%llu %llx %ld", (unsigned long long)all, (unsigned long long)hash, said);
	assert_int_equal(answer.status, 200);
	answer.body[answer.body_len] = '\0';
	assert_string_equal(answer.body, text);
}

static void it_arrives_as_it_was_sent(void **state)
{
	static uint8_t large[3000000];
	uint64_t hash;
	char head[64];
	int fd = helper_connect(server.port);

	(void)state;
	for (size_t i = 0; i < sizeof(large); i++)
		large[i] = (uint8_t)(i * 31 + (i >> 9));
	hash = hash_on(0xcbf29ce484222325u, large, sizeof(large));
	for (int i = 0; i < 2; i++) { /* and the connection goes on */
		helper_send_text(fd, POST("/", "3000000"));
		helper_send(fd, large, sizeof(large));
		helper_receive(fd, &answer);
		expect(sizeof(large), hash, sizeof(large));
		helper_send_text(fd, CHUNKED("/"));
		for (size_t at = 0, n = 1; at < sizeof(large); at += n) {
			n = at % 3 == 0 ? 70001 : 2 + at % 7;
			n = n < sizeof(large) - at ? n : sizeof(large) - at;
			(void)snprintf(head, sizeof(head), "%zx\r\n", n);
			helper_send_text(fd, head);
			helper_send(fd, large + at, n);
			helper_send_text(fd, "\r\n");
		}
		helper_send_text(fd, "0\r\n\r\n");
		helper_receive(fd, &answer);
		expect(sizeof(large), hash, -1);
	}
	helper_send_text(fd, POST("/", "0"));
	helper_receive(fd, &answer);
	expect(0, 0xcbf29ce484222325u, 0);
	helper_send_text(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	expect(0, 0xcbf29ce484222325u, 0);
	helper_send_text(fd, CHUNKED("/") "5\r\nhello\r\n0\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	close(fd);
}

/* A piece that came is had before the next one is sent. */
static void it_is_had_as_it_comes(void **state)
{
	static uint8_t piece[5000];
	const int fd = helper_connect(server.port);

	(void)state;
	atomic_store(&came, 0);
	helper_send_text(fd, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 20000\r\nExpect: 100-continue\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 100);
	for (unsigned i = 1; i <= 4; i++) {
		helper_send(fd, piece, sizeof(piece));
		for (int n = 0; n < 200 && atomic_load(&came) < i * sizeof(piece); n++)
			helper_sleep_ms(1);
		assert_int_equal(atomic_load(&came), i * sizeof(piece));
	}
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	close(fd);
}

/* helper_options give a request a second. */
static void it_may_take_longer_than_a_request(void **state)
{
	static uint8_t piece[1000];
	const int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, POST("/", "8000"));
	for (int i = 0; i < 8; i++) {
		helper_sleep_ms(300);
		helper_send(fd, piece, sizeof(piece));
	}
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	close(fd);
}

/* A silent one, and one who says a byte now and then. */
static void who_is_too_slow_is_told_so(void **state)
{
	(void)state;
	for (int drips = 0; drips < 4; drips++) {
		const int fd = helper_connect(server.port);
		const int64_t began = helper_now_ms();

		helper_send_text(fd, drips < 2 ? POST("/", "100000") "abc" : CHUNKED("/") "100\r\nabc");
		while (!helper_closed(fd, 0) && helper_now_ms() - began < 4000) {
			char byte;

			if (drips % 2 == 1)
				(void)!send(fd, "a", 1, MSG_NOSIGNAL);
			helper_sleep_ms(50);
			if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
				break;
		}
		assert_in_range(helper_now_ms() - began, 800, 2000);
		helper_receive(fd, &answer);
		assert_int_equal(answer.status, 408);
		close(fd);
	}
}

/* The peer is as slow as the handler lets him be, which is too slow for a peer. */
static void the_callers_time_counts_for_nothing(void **state)
{
	static uint8_t piece[50];
	const int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, "POST /?300 HTTP/1.1\r\nHost: h\r\nContent-Length: 400\r\n\r\n");
	for (int i = 0; i < 8; i++) {
		helper_send(fd, piece, sizeof(piece));
		helper_sleep_ms(300);
	}
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	close(fd);
}

static void chunks_may_be_cut_anywhere(void **state)
{
	static const char body[] = "5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n";
	const int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, CHUNKED("/"));
	for (size_t i = 0; i < sizeof(body) - 1; i++) {
		helper_sleep_ms(2);
		helper_send(fd, body + i, 1);
	}
	helper_receive(fd, &answer);
	expect(6, hash_on(0xcbf29ce484222325u, (const uint8_t *)"hello!", 6), -1);
	close(fd);
}

static void nonsense_is_refused(void **state)
{
	static const char *const bad[] = {"5\r\nhelloX\r\n", "zz\r\n", "5\r\nhello\r\n-1\r\n", "\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char text[256];

		(void)snprintf(text, sizeof(text), "%s%s", CHUNKED("/"), bad[i]);
		helper_ask(server.port, text, &answer);
		assert_int_equal(answer.status, 400);
	}
}

/* What was not read closes the connection, behind the answer. */
static void an_unread_rest_closes(void **state)
{
	static uint8_t large[300000];
	static const char *const paths[] = {POST("/some", "300000"), POST("/none", "300000")};

	(void)state;
	for (int i = 0; i < 2; i++) {
		const int fd = helper_connect(server.port);

		helper_send_text(fd, paths[i]);
		helper_send(fd, large, sizeof(large));
		helper_receive(fd, &answer);
		assert_int_equal(answer.status, 200);
		assert_non_null(strstr(answer.head, "Connection: close"));
		close(fd);
	}
}

/* Four workers, four slow bodies: one of them makes room for who waits. */
static void the_slow_give_way(void **state)
{
	int fds[4];
	int64_t began;

	(void)state;
	for (int i = 0; i < 4; i++) {
		fds[i] = helper_connect(server.port);
		helper_send_text(fds[i], POST("/", "100000") "abc");
	}
	helper_sleep_ms(30);
	began = helper_now_ms();
	helper_ask(server.port, "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	assert_in_range(helper_now_ms() - began, 0, 700);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_arrives_as_it_was_sent),
		cmocka_unit_test(it_is_had_as_it_comes),
		cmocka_unit_test(it_may_take_longer_than_a_request),
		cmocka_unit_test(who_is_too_slow_is_told_so),
		cmocka_unit_test(the_callers_time_counts_for_nothing),
		cmocka_unit_test(chunks_may_be_cut_anywhere),
		cmocka_unit_test(nonsense_is_refused),
		cmocka_unit_test(an_unread_rest_closes),
		cmocka_unit_test(the_slow_give_way),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
