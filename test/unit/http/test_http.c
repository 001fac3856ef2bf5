/*
 * Goal of this test: what a well-behaved client may rely on, and what bounds a
 * slow, greedy or noisy one: keep-alive, pipelining, chunks, limits, deadlines,
 * the share of each address, TLS, the control socket.
 */
#include <openssl/ssl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

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

static void expect_body(const char *body)
{
	assert_int_equal(answer.body_len, strlen(body));
	assert_string_equal(answer.body, body);
}

static void answers_with_the_usual_headers(void **state)
{
	(void)state;
	helper_ask(server.port, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello", &answer);
	assert_int_equal(answer.status, 200);
	expect_body("hello");
	assert_non_null(strstr(answer.head, "\r\nDate: "));
	assert_non_null(strstr(answer.head, " GMT\r\n"));
	assert_non_null(strstr(answer.head, "\r\nConnection: keep-alive\r\n"));
}

static void says_what_was_asked(void **state)
{
	(void)state;
	helper_ask(server.port, "GET /info/a%20b/../c?x=%31&y HTTP/1.1\r\nHost: h\r\nX-One:  a b \r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	expect_body("GET /info/a%20b/../c query=x=%31&y one=a b  peer=127.0.0.1 control=0");
	helper_ask(server.port, "GET /info HTTP/1.1\r\nHost: h\r\nX-One: a\r\nx-one: b\r\n\r\n", &answer);
	expect_body("GET /info query=(none) one=(none) peer=127.0.0.1 control=0");
}

static void control_socket_is_flagged(void **state)
{
	int fd = helper_connect_control(&server);

	(void)state;
	helper_send_text(fd, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	expect_body("GET /info query=(none) one=(none) peer= control=1");
	close(fd);
}

static void keeps_the_connection_and_answers_in_order(void **state)
{
	char text[4096] = "";
	int fd = helper_connect(server.port);

	(void)state;
	for (int i = 0; i < 9; i++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used,
			i % 3 == 0	     ? "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbod%d"
				: i % 3 == 1 ? "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
					       "3\r\nbod\r\n1\r\n%d\r\n0\r\n\r\n"
					     : "GET /info HTTP/1.1\r\nHost: h\r\nX-One: bod%d\r\n\r\n",
			i);
	}
	helper_send_text(fd, text);
	for (int i = 0; i < 9; i++) {
		char want[128];

		helper_receive(fd, &answer);
		assert_int_equal(answer.status, 200);
		snprintf(want, sizeof(want),
			i % 3 == 2 ? "GET /info query=(none) one=bod%d peer=127.0.0.1 control=0" : "bod%d", i);
		expect_body(want);
	}
	helper_send_text(fd, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	expect_body("GET /info query=(none) one=(none) peer=127.0.0.1 control=0");
	close(fd);
}

static void unread_bodies_do_not_leak_into_the_next_request(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd,
		"POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 36\r\n\r\n"
		"GET /info HTTP/1.1\r\nX-One: smuggled\r\n"
		"GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	expect_body("unread");
	helper_receive(fd, &answer);
	if (answer.status != 0)
		assert_null(strstr(answer.body, "smuggled"));
	close(fd);
	fd = helper_connect(server.port);
	helper_send_text(
		fd, "POST /unread HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\nGET /info HTTP/1.1\r\n\r\n");
	helper_receive(fd, &answer);
	expect_body("unread");
	assert_non_null(strstr(answer.head, "\r\nConnection: close\r\n"));
	assert_true(helper_closed(fd, 1500));
	close(fd);
}

static void reads_large_and_chunked_bodies(void **state)
{
	static char body[200000];
	char head[128];
	int fd = helper_connect(server.port);

	(void)state;
	memset(body, 'x', sizeof(body));
	snprintf(head, sizeof(head), "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", sizeof(body));
	helper_send_text(fd, head);
	helper_send(fd, body, sizeof(body));
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body_len, sizeof(body));
	helper_send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n");
	helper_send(fd, body, sizeof(body));
	helper_send_text(fd, "\r\n5\r\nabcde\r\n0\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(answer.body_len, sizeof(body) + 5);
	close(fd);
}

static void sends_large_answers_and_none_for_head(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.body_len, HELPER_BODY_MAX);
	helper_send_text(fd, "HEAD /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "\r\nContent-Length: 1048576\r\n"));
	assert_int_equal(answer.body_len, 0);
	close(fd);
}

static void continues_when_asked(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 100);
	helper_send_text(fd, "hi");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	expect_body("hi");
	close(fd);
	helper_ask(server.port, "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\nExpect: 100-continue\r\n\r\n",
		&answer);
	assert_int_equal(answer.status, 413);
}

static void refuses_large_bodies_without_reading(void **state)
{
	static char body[3 << 20];
	int fd;
	int64_t began = helper_now_ms();

	(void)state;
	helper_ask(server.port, "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", &answer);
	assert_int_equal(answer.status, 413);
	assert_in_range(helper_now_ms() - began, 0, 500);
	helper_ask(server.port,
		"POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		"100\r\n01234567890",
		&answer);
	assert_int_equal(answer.status, 413);
	helper_ask(server.port,
		"POST /small HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
		"a\r\n0123456789\r\n0\r\n\r\n",
		&answer);
	assert_int_equal(answer.status, 200);
	expect_body("0123456789");
	/* A client that sends it all first still gets the answer, not a reset. */
	fd = helper_connect(server.port);
	helper_send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3145728\r\n\r\n");
	helper_send(fd, body, sizeof(body));
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 413);
	close(fd);
}

/* Some systems drop an answer that a reset follows: what still comes is read for a while. */
static void a_refusal_is_not_a_reset(void **state)
{
	static const char more[4096];
	int fd = helper_connect(server.port);
	char byte;

	(void)state;
	helper_send_text(fd, "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 413);
	for (int i = 0; i < 3; i++) {
		helper_sleep_ms(30);
		assert_int_equal(send(fd, more, sizeof(more), MSG_NOSIGNAL), sizeof(more));
	}
	shutdown(fd, SHUT_WR);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
}

static void drip(const char *first, const char *piece)
{
	int fd = helper_connect(server.port);
	int64_t began = helper_now_ms();

	helper_send_text(fd, first);
	while (helper_now_ms() - began < 4000) {
		char byte;

		helper_sleep_ms(100);
		if (recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
			break;
		helper_send_text(fd, piece);
	}
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 408);
	assert_in_range(helper_now_ms() - began, 900, 1600);
	close(fd);
}

static void dripped_heads_time_out(void **state)
{
	(void)state;
	drip("GET /info HTTP/1.1\r\nX-Drip: ", "a");
}

static void dripped_bodies_time_out(void **state)
{
	(void)state;
	drip("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", "a");
	drip("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n");
}

static void idle_connections_are_closed(void **state)
{
	int fd = helper_connect(server.port);
	int64_t began;

	(void)state;
	helper_send_text(fd, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	began = helper_now_ms();
	assert_true(helper_closed(fd, 3000));
	assert_in_range(helper_now_ms() - began, 800, 1800);
	close(fd);
}

static void idle_connections_give_way(void **state)
{
	int fds[4];
	int64_t began;

	(void)state;
	for (int i = 0; i < 4; i++) {
		fds[i] = helper_connect(server.port);
		helper_send_text(fds[i], "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
		helper_receive(fds[i], &answer);
	}
	began = helper_now_ms();
	helper_ask(server.port, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	assert_in_range(helper_now_ms() - began, 0, 700);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void a_forgetful_handler_is_a_500(void **state)
{
	(void)state;
	helper_ask(server.port, "GET /silent HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 500);
}

static void header_values_cannot_inject(void **state)
{
	(void)state;
	helper_ask(server.port, "GET /evil HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "\r\nX-Good: yes\r\n"));
	assert_null(strstr(answer.head, "X-Injected"));
	assert_null(strstr(answer.head, "X-Na"));
}

static void old_clients_are_closed(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, "GET /info HTTP/1.0\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	assert_non_null(strstr(answer.head, "\r\nConnection: close\r\n"));
	assert_true(helper_closed(fd, 1500));
	close(fd);
}

static void tls_works_from_1_2_on(void **state)
{
	static const char text[] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\ntls";

	(void)state;
	helper_ask_tls(server.tls_port, text, TLS1_3_VERSION, &answer);
	assert_int_equal(answer.status, 200);
	expect_body("tls");
	helper_ask_tls(server.tls_port, text, TLS1_2_VERSION, &answer);
	assert_int_equal(answer.status, 200);
	helper_ask_tls(server.tls_port, text, TLS1_1_VERSION, &answer);
	assert_int_equal(answer.status, 0);
	helper_ask_tls(server.tls_port, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n", TLS1_3_VERSION, &answer);
	assert_int_equal(answer.body_len, HELPER_BODY_MAX);
	helper_ask_tls(server.tls_port, "nonsense\r\n\r\n", TLS1_3_VERSION, &answer);
	assert_int_equal(answer.status, 400);
	helper_ask(server.tls_port, "GET /info HTTP/1.1\r\n\r\n", &answer);
	assert_int_equal(answer.status, 0);
}

/* Three of eight workers: the fourth and the fifth wait for them, and not for long where they are idle; the operator waits
 * for nobody. */
static void one_address_has_its_share(void **state)
{
	struct http_options opt = helper_options();
	struct helper_server capped;
	int64_t began;
	int fds[5], control;

	(void)state;
	opt.workers_per_address = 3;
	opt.threads = 8;
	helper_start(&capped, &opt);
	began = helper_now_ms();
	for (int i = 0; i < 5; i++) {
		fds[i] = helper_connect(capped.port);
		helper_send_text(fds[i], "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nslow");
	}
	helper_sleep_ms(100);
	control = helper_connect_control(&capped);
	helper_send_text(control, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(control, &answer);
	assert_int_equal(answer.status, 200);
	assert_in_range(helper_now_ms() - began, 100, 250);
	for (int i = 0; i < 5; i++) {
		helper_receive(fds[i], &answer);
		assert_int_equal(answer.status, 200);
		assert_in_range(helper_now_ms() - began, i < 3 ? 300 : 600, i < 3 ? 550 : 1100);
		close(fds[i]);
	}
	close(control);
	helper_stop(&capped);
}

static void stopping_lets_a_running_request_end(void **state)
{
	struct http_options opt = helper_options();
	struct helper_server other;
	int fd;

	(void)state;
	helper_start(&other, &opt);
	fd = helper_connect(other.port);
	helper_send_text(fd, "POST /slow HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nslow");
	helper_sleep_ms(100);
	helper_stop(&other);
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	expect_body("slow");
	close(fd);
}

static void *stop_other(void *arg)
{
	helper_stop(arg);
	return NULL;
}

/* Three times as many as there are workers, let in before, asking after. */
static void stopping_serves_whom_it_let_in(void **state)
{
	struct http_options opt = helper_options();
	struct helper_server other;
	pthread_t stopper;
	int fds[12];

	(void)state;
	helper_start(&other, &opt);
	for (size_t i = 0; i < 12; i++)
		fds[i] = helper_connect(other.port);
	helper_sleep_ms(100);
	assert_int_equal(pthread_create(&stopper, NULL, stop_other, &other), 0);
	helper_sleep_ms(300);
	for (size_t i = 0; i < 12; i++)
		helper_send_text(fds[i], "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	for (size_t i = 0; i < 12; i++) {
		helper_receive(fds[i], &answer);
		assert_int_equal(answer.status, 200);
		close(fds[i]);
	}
	assert_int_equal(pthread_join(stopper, NULL), 0);
}

/* Silent ones, one of them in its TLS handshake, one after a request. */
static void stopping_waits_for_nobody_for_long(void **state)
{
	struct http_options opt = helper_options();
	struct helper_server other;
	int fds[6];
	int64_t before;

	(void)state;
	opt.request_deadline_ms = opt.keep_alive_ms = 60000;
	helper_start(&other, &opt);
	for (size_t i = 0; i < 6; i++)
		fds[i] = helper_connect(i == 1 ? other.tls_port : other.port);
	helper_send_text(fds[0], "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fds[0], &answer);
	assert_int_equal(answer.status, 200);
	helper_sleep_ms(30); /* all are let in */
	before = helper_now_ms();
	helper_stop(&other);
	assert_in_range(helper_now_ms() - before, 500, 3000);
	for (size_t i = 0; i < 6; i++)
		close(fds[i]);
}

static void bad_setups_fail(void **state)
{
	struct http_options opt = helper_options();
	struct helper_server other;
	struct http_server *out = NULL;

	(void)state;
	helper_sockets(&other, &opt);
	close(opt.tls_key_fd);
	opt.tls_key_fd = dup(opt.tls_cert_fd);
	assert_int_equal(http_server_start(&out, &opt), HTTP_SETUP_FAILED);
	assert_null(out);
	assert_int_equal(helper_logged("TLS key cannot be read"), 1);
	assert_int_equal(close(other.sockets[HELPER_PLAIN].fd), -1);
	unlink(other.control_path);
}

static void noise_neither_crashes_nor_is_logged(void **state)
{
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 400; i++) {
		char noise[512] = "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\nX-Secret: canary\r\n\r\n"
				  "01234567890123456789";
		size_t len = strlen(noise);
		int fd = helper_connect(i % 8 == 7 ? server.tls_port : server.port);

		for (int changes = 1 + i % 6; changes > 0; changes--) {
			seed = seed * 1103515245u + 12345u;
			noise[(seed >> 16) % len] = (char)(seed >> 8);
		}
		helper_send(fd, noise, i % 5 == 0 ? len / 2 : len);
		shutdown(fd, SHUT_WR);
		helper_receive(fd, &answer);
		close(fd);
	}
	assert_int_equal(helper_logged("canary"), 0);
	helper_ask(server.port, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_with_the_usual_headers),
		cmocka_unit_test(says_what_was_asked),
		cmocka_unit_test(control_socket_is_flagged),
		cmocka_unit_test(keeps_the_connection_and_answers_in_order),
		cmocka_unit_test(unread_bodies_do_not_leak_into_the_next_request),
		cmocka_unit_test(reads_large_and_chunked_bodies),
		cmocka_unit_test(sends_large_answers_and_none_for_head),
		cmocka_unit_test(continues_when_asked),
		cmocka_unit_test(refuses_large_bodies_without_reading),
		cmocka_unit_test(a_refusal_is_not_a_reset),
		cmocka_unit_test(dripped_heads_time_out),
		cmocka_unit_test(dripped_bodies_time_out),
		cmocka_unit_test(idle_connections_are_closed),
		cmocka_unit_test(idle_connections_give_way),
		cmocka_unit_test(a_forgetful_handler_is_a_500),
		cmocka_unit_test(header_values_cannot_inject),
		cmocka_unit_test(old_clients_are_closed),
		cmocka_unit_test(tls_works_from_1_2_on),
		cmocka_unit_test(one_address_has_its_share),
		cmocka_unit_test(stopping_lets_a_running_request_end),
		cmocka_unit_test(stopping_serves_whom_it_let_in),
		cmocka_unit_test(stopping_waits_for_nobody_for_long),
		cmocka_unit_test(bad_setups_fail),
		cmocka_unit_test(noise_neither_crashes_nor_is_logged),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
