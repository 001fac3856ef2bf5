/*
 * Goal of this test: while callers wait for a worker, whoever is slow or silent gives way, in each way of being slow,
 * plain and over TLS; while nobody waits, nobody is hurried. And what an address loses that is refused all the time.
 */
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

#define INFO "GET /info HTTP/1.1\r\nHost: h\r\n\r\n"
#define POST(len) "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: " len "\r\n\r\n"
/* A handshake's first record, said to be longer than it is. */
#define HALF_HELLO "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"

enum { WORKERS = 4 };

static struct helper_server server;
static struct helper_answer answer;

static int start(void **state)
{
	struct http_options opt = helper_options();

	(void)state;
	opt.request_deadline_ms = opt.keep_alive_ms = 10000;
	helper_start(&server, &opt);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	helper_stop(&server);
	return 0;
}

static unsigned long gave_way(void)
{
	struct http_counts counts;

	http_server_counts(server.server, &counts);
	return counts.gave_way;
}

static const struct row {
	const char *what;
	bool tls;
	const char *said;
	size_t said_len;
	int first, told; /* answered at once; told when he has to go; 0: nothing */
} rows[] = {
	{"silent", false, "", 0, 0, 0},
	{"half a head", false, "GET /info HTTP/1.1\r\nX-", 22, 0, 408},
	{"half a body", false, POST("9") "half", sizeof(POST("9") "half") - 1, 0, 408},
	{"idle", false, INFO, sizeof(INFO) - 1, 200, 0},
	{"half a second head", false, INFO "GET", sizeof(INFO "GET") - 1, 200, 408},
	{"silent over TLS", true, "", 0, 0, 0},
	{"half a handshake", true, HALF_HELLO, sizeof(HALF_HELLO) - 1, 0, 0},
};

static void hold(const struct row *row, int fds[static WORKERS])
{
	for (int i = 0; i < WORKERS; i++) {
		fds[i] = helper_connect(row->tls ? server.tls_port : server.port);
		helper_send(fds[i], row->said, row->said_len);
		if (row->first) {
			helper_receive(fds[i], &answer);
			assert_int_equal(answer.status, row->first);
		}
	}
	helper_sleep_ms(30); /* each has his worker */
}

/* All workers are held; one who comes is served soon, and one of those who held them has gone, not all. */
static void the_slow_give_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned long before = gave_way();
		int fds[WORKERS], gone = 0;
		int64_t began, took;

		hold(&rows[i], fds);
		began = helper_now_ms();
		helper_ask(server.port, "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &answer);
		took = helper_now_ms() - began;
		if (answer.status != 200 || took > 900)
			fail_msg("%s: %d after %d ms", rows[i].what, answer.status, (int)took);
		helper_sleep_ms(100);
		for (int n = 0; n < WORKERS; n++) {
			char told[16] = "";

			if (recv(fds[n], told, 12, MSG_PEEK | MSG_DONTWAIT) < 0)
				continue;
			gone++;
			if (rows[i].told != (int)strtol(told[0] ? told + 9 : "0", NULL, 10))
				fail_msg("%s: told %s", rows[i].what, told);
		}
		if (gone != 1 || gave_way() - before != 1)
			fail_msg("%s: %d are gone, %lu gave way", rows[i].what, gone, gave_way() - before);
		for (int n = 0; n < WORKERS; n++)
			close(fds[n]);
		helper_sleep_ms(50);
	}
}

/* As many as there are workers: nobody waits. */
static void nobody_is_hurried_for_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned long before = gave_way();
		int fds[WORKERS];

		hold(&rows[i], fds);
		for (int n = 0; n < WORKERS; n++)
			if (helper_closed(fds[n], n == 0 ? 400 : 0))
				fail_msg("%s: gone", rows[i].what);
		assert_int_equal(gave_way(), before);
		for (int n = 0; n < WORKERS; n++)
			close(fds[n]);
		helper_sleep_ms(50);
	}
}

/* His requests may be slow, but what he left open gives way. */
static void the_operator_is_not_hurried(void **state)
{
	int fds[WORKERS], waits, busy;

	(void)state;
	for (int n = 0; n < WORKERS; n++) {
		fds[n] = helper_connect_control(&server);
		helper_send_text(fds[n], POST("9") "half");
	}
	waits = helper_connect_control(&server);
	helper_send_text(waits, INFO);
	helper_sleep_ms(600);
	for (int n = 0; n < WORKERS; n++) {
		char byte;

		assert_int_equal(recv(fds[n], &byte, 1, MSG_PEEK | MSG_DONTWAIT), -1);
	}
	helper_send_text(fds[0], "whole");
	helper_receive(fds[0], &answer);
	assert_int_equal(answer.status, 200);
	helper_receive(waits, &answer);
	assert_int_equal(answer.status, 200);
	busy = helper_connect_control(&server);
	helper_send_text(busy, INFO);
	helper_receive(busy, &answer);
	assert_int_equal(answer.status, 200);
	close(busy);
	close(waits);
	for (int n = 0; n < WORKERS; n++)
		close(fds[n]);
	helper_sleep_ms(50);
}

/* Bytes that come now and then make no difference, nor does one who reads nothing of a large answer. */
static void drips_and_deaf_ears_give_way(void **state)
{
	static const char *const first[] = {
		"GET /info HTTP/1.1\r\nX-", POST("900"), "GET /big HTTP/1.1\r\nHost: h\r\n\r\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
		int fds[WORKERS], small = 4096, honest;
		int64_t began;

		for (int n = 0; n < WORKERS; n++) {
			fds[n] = helper_connect(server.port);
			(void)setsockopt(fds[n], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
			helper_send_text(fds[n], first[i]);
		}
		helper_sleep_ms(20);
		began = helper_now_ms();
		honest = helper_connect(server.port);
		helper_send_text(honest, "GET /info HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
		while (!helper_closed(honest, 0) && helper_now_ms() - began < 900) {
			char byte;

			for (int n = 0; n < WORKERS && i < 2; n++)
				helper_send_text(fds[n], "a");
			helper_sleep_ms(20);
			if (recv(honest, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1)
				break;
		}
		assert_in_range(helper_now_ms() - began, 0, 800);
		helper_receive(honest, &answer);
		assert_int_equal(answer.status, 200);
		close(honest);
		for (int n = 0; n < WORKERS; n++)
			close(fds[n]);
		helper_sleep_ms(50);
	}
}

/* Who asks on and on is told to come again, so that the others have their turn. */
static void turns_are_taken(void **state)
{
	int busy[WORKERS], honest = -1;
	int64_t began = helper_now_ms();
	bool ended = false;

	(void)state;
	for (int n = 0; n < WORKERS; n++)
		busy[n] = helper_connect(server.port);
	while (!ended && helper_now_ms() - began < 2000) {
		for (int n = 0; n < WORKERS && !ended; n++) {
			helper_send_text(busy[n], INFO);
			helper_receive(busy[n], &answer);
			assert_int_equal(answer.status, 200);
			ended = strstr(answer.head, "Connection: close") != NULL;
		}
		if (honest < 0) {
			honest = helper_connect(server.port);
			helper_send_text(honest, INFO);
		}
	}
	assert_true(ended);
	assert_in_range(helper_now_ms() - began, 90, 600);
	helper_receive(honest, &answer);
	assert_int_equal(answer.status, 200);
	close(honest);
	for (int n = 0; n < WORKERS; n++)
		close(busy[n]);
}

/* A body that keeps up is read to its end, however many wait. */
static void a_steady_body_is_read(void **state)
{
	static char piece[8192];
	int fds[WORKERS], waiting[2];

	(void)state;
	for (int n = 0; n < WORKERS; n++) {
		fds[n] = helper_connect(server.port);
		helper_send_text(fds[n], POST("81920"));
	}
	for (int n = 0; n < 2; n++)
		waiting[n] = helper_connect(server.port);
	for (int i = 0; i < 10; i++) {
		helper_sleep_ms(60);
		for (int n = 0; n < WORKERS; n++)
			helper_send(fds[n], piece, sizeof(piece));
	}
	for (int n = 0; n < WORKERS; n++) {
		helper_receive(fds[n], &answer);
		assert_int_equal(answer.status, 200);
		close(fds[n]);
	}
	close(waiting[0]);
	close(waiting[1]);
}

static bool closes(void)
{
	return strstr(answer.head, "\r\nConnection: close\r\n") != NULL;
}

static void who_is_refused_too_often_loses_large_bodies(void **state)
{
	static char large[100000];
	struct http_counts counts;
	int fd;

	(void)state;
	for (int i = 0; i < 100; i++) {
		static const char *const refused[] = {"GET / HTTP/9\r\n\r\n", "GET / HTTP/9.9\r\nHost: h\r\n\r\n",
			"GET /refused?401 HTTP/1.1\r\nHost: h\r\n\r\n", "GET /refused?403 HTTP/1.1\r\nHost: h\r\n\r\n",
			"GET /refused?410 HTTP/1.1\r\nHost: h\r\n\r\n"};
		static const int statuses[] = {400, 505, 401, 403, 410};

		helper_ask(server.port, refused[i % 5], &answer);
		assert_int_equal(answer.status, statuses[i % 5]);
	}
	helper_ask(server.port, "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 401);
	assert_true(closes());
	fd = helper_connect(server.port);
	helper_send_text(fd, POST("100000"));
	helper_send(fd, large, sizeof(large));
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 429);
	assert_non_null(strstr(answer.head, "\r\nRetry-After: 10\r\n"));
	assert_true(closes());
	close(fd);
	/* Nobody is told to go on who is not heard. */
	helper_ask(server.port,
		"POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n", &answer);
	assert_int_equal(answer.status, 429);
	fd = helper_connect(server.port);
	helper_send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n186a0\r\n");
	helper_send(fd, large, sizeof(large));
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 429);
	close(fd);
	/* Small ones are everybody's. */
	helper_ask(server.port, POST("5") "hello", &answer);
	assert_int_equal(answer.status, 200);
	assert_false(closes());
	http_server_counts(server.server, &counts);
	assert_int_equal(counts.often_refused, 1);
	assert_int_equal(counts.unread, 3);
	/* Who proved himself there is read, and so are those who share it, however often it is refused. */
	helper_ask(server.port, "GET /proven HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	for (int i = 0; i < 3; i++) {
		helper_ask(server.port, "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
		assert_int_equal(answer.status, 401);
		fd = helper_connect(server.port);
		helper_send_text(fd, POST("100000"));
		helper_send(fd, large, sizeof(large));
		helper_receive(fd, &answer);
		assert_int_equal(answer.status, 200);
		close(fd);
	}
}

static void who_is_refused_now_and_then_loses_nothing(void **state)
{
	struct http_options opt = helper_options();
	struct helper_server other;

	(void)state;
	helper_start(&other, &opt);
	for (int i = 0; i < 100; i++) {
		helper_ask(other.port, "GET /refused HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
		assert_int_equal(answer.status, 401);
		assert_false(closes());
	}
	helper_ask(other.port, POST("70000"), &answer);
	assert_int_equal(answer.status, 408);
	helper_stop(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_slow_give_way),
		cmocka_unit_test(nobody_is_hurried_for_nothing),
		cmocka_unit_test(the_operator_is_not_hurried),
		cmocka_unit_test(drips_and_deaf_ears_give_way),
		cmocka_unit_test(turns_are_taken),
		cmocka_unit_test(a_steady_body_is_read),
		cmocka_unit_test(who_is_refused_too_often_loses_large_bodies),
		cmocka_unit_test(who_is_refused_now_and_then_loses_nothing),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
