/*
 * Goal of this test: an answer that another thread sends reaches its caller, once, in its turn and nobody else; what did
 * not become true, or took too long, is 503; and no connection is closed, reused or served further before that.
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
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

#define LATER "GET /later?%s HTTP/1.1\r\nHost: h\r\n\r\n"
#define ONE "GET /later?one HTTP/1.1\r\nHost: h\r\n\r\n"
#define INFO "GET /info HTTP/1.1\r\nHost: h\r\n\r\n"

enum { WORKERS = 4, HELD_MAX = 64, CALLERS = WORKERS, ASKS = 500 };

static struct helper_server server;
static struct helper_answer answer;
static unsigned within_ms, handler_stays_ms;

/* What handlers prepared, oldest first. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct http_later *held[HELD_MAX];
static size_t held_len;
static atomic_uint at_once; /* requests that could not be answered later */

static void handler(struct http_request *req, void *ctx)
{
	static const struct http_header headers[] = {{"X-Later", "yes"}};
	const char *query = http_request_query(req);
	struct http_later *later = NULL;
	const uint8_t *body;
	size_t len;

	if (strcmp(http_request_path(req), "/later") != 0 || !query) {
		helper_handler(req, ctx);
		return;
	}
	if (http_request_body(req, 1000, &body, &len) != HTTP_OK)
		return;
	pthread_mutex_lock(&lock);
	later = http_respond_later(req, 200, headers, 1, query, strlen(query), within_ms);
	if (later)
		held[held_len++] = later;
	pthread_mutex_unlock(&lock);
	helper_sleep_ms(handler_stays_ms);
	if (later)
		return;
	atomic_fetch_add(&at_once, 1);
	http_respond(req, 200, headers, 1, query, strlen(query));
}

static int start_workers(unsigned workers)
{
	struct http_options opt = helper_options();

	opt.threads = workers;
	opt.handler = handler;
	opt.keep_alive_ms = opt.request_deadline_ms = 5000;
	within_ms = 3000;
	handler_stays_ms = 0;
	held_len = 0;
	at_once = 0;
	helper_start(&server, &opt);
	return 0;
}

static int start(void **state)
{
	(void)state;
	return start_workers(WORKERS);
}

/* Whoever comes again finds a worker: nobody gives way to him between two of his own requests. */
static int start_wide(void **state)
{
	(void)state;
	return start_workers(4 * CALLERS);
}

static int stop(void **state)
{
	(void)state;
	if (server.server)
		helper_stop(&server);
	return 0;
}

static size_t held_now(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = held_len;
	pthread_mutex_unlock(&lock);
	return n;
}

static void wait_held(size_t n)
{
	for (int i = 0; held_now() < n && i < 3000; i++)
		helper_sleep_ms(1);
	assert_int_equal(held_now(), n);
}

/* Of those that are held, the oldest; NULL: none is. */
static struct http_later *take(void)
{
	struct http_later *first = NULL;

	pthread_mutex_lock(&lock);
	if (held_len > 0) {
		first = held[0];
		memmove(held, held + 1, --held_len * sizeof(held[0]));
	}
	pthread_mutex_unlock(&lock);
	return first;
}

static bool silent(int fd)
{
	char byte;

	helper_sleep_ms(120); /* longer than a worker looks away */
	return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0;
}

static void expect(int fd, int status, const char *body)
{
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, status);
	if (body)
		assert_string_equal(answer.body, body);
}

static void it_is_sent_when_it_is_true(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	for (int i = 0; i < 3; i++) {
		helper_send_text(fd, ONE);
		wait_held(1);
		assert_true(silent(fd));
		assert_true(http_later_send(take(), true));
		expect(fd, 200, "one");
		assert_non_null(strstr(answer.head, "\r\nConnection: keep-alive\r\n"));
		assert_non_null(strstr(answer.head, "\r\nX-Later: yes\r\n"));
		assert_non_null(strstr(answer.head, "\r\nDate: "));
		helper_send_text(fd, INFO);
		expect(fd, 200, NULL);
	}
	close(fd);
}

static void what_is_not_true_is_503(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, ONE);
	wait_held(1);
	assert_false(http_later_send(take(), false));
	expect(fd, 503, NULL);
	assert_non_null(strstr(answer.head, "\r\nConnection: close\r\n"));
	assert_true(helper_closed(fd, 1000));
	close(fd);
}

/* And what comes after that reaches nobody, whoever has the descriptor by then. */
static void what_takes_too_long_is_503(void **state)
{
	int fd = helper_connect(server.port), others[WORKERS];
	int64_t began = helper_now_ms();
	struct http_later *late;

	(void)state;
	within_ms = 150;
	helper_send_text(fd, ONE);
	wait_held(1);
	late = take();
	expect(fd, 503, NULL);
	assert_in_range(helper_now_ms() - began, 140, 1500);
	assert_true(helper_closed(fd, 1000));
	close(fd);
	for (int i = 0; i < WORKERS; i++) {
		others[i] = helper_connect(server.port);
		helper_send_text(others[i], INFO);
		expect(others[i], 200, NULL);
	}
	assert_false(http_later_send(late, true));
	for (int i = 0; i < WORKERS; i++) {
		assert_true(silent(others[i]));
		close(others[i]);
	}
}

static void the_next_request_waits_for_it(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, ONE);
	wait_held(1);
	helper_send_text(fd, INFO);
	assert_true(silent(fd));
	assert_true(http_later_send(take(), true));
	expect(fd, 200, "one");
	expect(fd, 200, NULL);
	assert_non_null(strstr(answer.body, "GET /info"));
	close(fd);
}

static void who_has_said_all_is_answered(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, ONE);
	shutdown(fd, SHUT_WR);
	wait_held(1);
	assert_true(silent(fd));
	assert_true(http_later_send(take(), true));
	expect(fd, 200, "one");
	assert_true(helper_closed(fd, 1000));
	close(fd);
}

/* His descriptor stays his: nobody else is sent his answer. */
static void who_has_gone_is_waited_for(void **state)
{
	static const struct linger reset = {.l_onoff = 1};
	int fd = helper_connect(server.port), other;

	(void)state;
	helper_send_text(fd, ONE);
	wait_held(1);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	other = helper_connect(server.port);
	helper_send_text(other, INFO);
	expect(other, 200, NULL);
	assert_true(http_later_send(take(), true)); /* what became of it, the network knows */
	assert_true(silent(other));
	close(other);
}

/* All workers' answers are other threads' to send, and somebody waits for a worker. */
static void nobody_gives_way_before_his_answer(void **state)
{
	int fds[WORKERS], fd;

	(void)state;
	for (int i = 0; i < WORKERS; i++) {
		fds[i] = helper_connect(server.port);
		helper_send_text(fds[i], ONE);
	}
	wait_held(WORKERS);
	fd = helper_connect(server.port);
	helper_send_text(fd, INFO);
	helper_sleep_ms(400);
	for (int i = 0; i < WORKERS; i++)
		assert_true(http_later_send(take(), true));
	for (int i = 0; i < WORKERS; i++)
		expect(fds[i], 200, "one");
	expect(fd, 200, NULL);
	for (int i = 0; i < WORKERS; i++)
		close(fds[i]);
	close(fd);
}

static void *send_soon(void *arg)
{
	helper_sleep_ms(200);
	if (!http_later_send(arg, true))
		abort();
	return NULL;
}

static void stopping_waits_for_it(void **state)
{
	int fd = helper_connect(server.port);
	pthread_t thread;

	(void)state;
	helper_send_text(fd, ONE);
	wait_held(1);
	assert_int_equal(pthread_create(&thread, NULL, send_soon, take()), 0);
	helper_stop(&server);
	server.server = NULL;
	pthread_join(thread, NULL);
	expect(fd, 200, "one");
	close(fd);
}

/* It stops while the handler has the request: the connection is not read from again. */
static void stopping_waits_before_it_closes(void **state)
{
	handler_stays_ms = 100;
	stopping_waits_for_it(state);
}

static void it_may_come_after_the_server_has_gone(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	within_ms = 50;
	helper_send_text(fd, ONE);
	wait_held(1);
	helper_stop(&server);
	server.server = NULL;
	assert_false(http_later_send(take(), true));
	expect(fd, 503, NULL);
	close(fd);
}

/* Where a connection closes, is no plain socket or has more to say already, and what is too long: at once. */
static void not_on_every_connection(void **state)
{
	static const char *const asked[] = {
		"GET /later?one HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n",
		"GET /later?one HTTP/1.0\r\nHost: h\r\n\r\n",
		"POST /later?one HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		ONE INFO,
	};
	char query[HTTP_LATER_MAX + 1], text[HTTP_LATER_MAX + 100];
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		helper_ask(server.port, asked[i], &answer);
		assert_int_equal(answer.status, 200);
		assert_int_equal(at_once, i + 1);
	}
	helper_ask_tls(server.tls_port, ONE, 0x0304, &answer);
	assert_int_equal(answer.status, 200);
	assert_int_equal(at_once, 5);
	fd = helper_connect_control(&server);
	helper_send_text(fd, ONE);
	expect(fd, 200, "one");
	assert_int_equal(at_once, 6);
	close(fd);
	memset(query, 'q', HTTP_LATER_MAX);
	query[HTTP_LATER_MAX] = '\0';
	(void)snprintf(text, sizeof(text), LATER, query);
	helper_ask(server.port, text, &answer);
	assert_string_equal(answer.body, query);
	assert_int_equal(at_once, 7);
	assert_int_equal(held_now(), 0);
}

/* ------------------------------------------------------------ many at once */

static atomic_bool ended;

static void *send_all(void *arg)
{
	(void)arg;
	for (unsigned n = 1; !atomic_load(&ended);) {
		struct http_later *later = take();

		if (later)
			(void)http_later_send(later, n++ % 50 != 0);
		else
			sched_yield();
	}
	return NULL;
}

/* Each gets his own answers, in order: a 200 with his words, or a 503 and the end of that connection. */
static void *ask_on(void *arg)
{
	static _Thread_local struct helper_answer got;
	int fd = -1;

	for (unsigned n = 0; n < ASKS; n++) {
		char text[128], words[64];

		if (fd < 0)
			fd = helper_connect(server.port);
		(void)snprintf(words, sizeof(words), "caller-%s-%u", (const char *)arg, n);
		(void)snprintf(text, sizeof(text), LATER, words);
		helper_send_text(fd, text);
		helper_receive(fd, &got);
		if (got.status == 503) {
			close(fd);
			fd = -1;
		} else if (got.status != 200 || strcmp(got.body, words) != 0) {
			return arg;
		}
	}
	close(fd);
	return NULL;
}

static void each_gets_his_own(void **state)
{
	static const char *const names[CALLERS] = {"a", "b", "c", "d"};
	pthread_t callers[CALLERS], senders[2];
	void *failed = NULL;

	(void)state;
	atomic_store(&ended, false);
	for (int i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&senders[i], NULL, send_all, NULL), 0);
	for (int i = 0; i < CALLERS; i++)
		assert_int_equal(pthread_create(&callers[i], NULL, ask_on, (void *)names[i]), 0);
	for (int i = 0; i < CALLERS; i++) {
		void *f;

		pthread_join(callers[i], &f);
		failed = f ? f : failed;
	}
	atomic_store(&ended, true);
	for (int i = 0; i < 2; i++)
		pthread_join(senders[i], NULL);
	assert_null(failed);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		TEST(it_is_sent_when_it_is_true),
		TEST(what_is_not_true_is_503),
		TEST(what_takes_too_long_is_503),
		TEST(the_next_request_waits_for_it),
		TEST(who_has_said_all_is_answered),
		TEST(who_has_gone_is_waited_for),
		TEST(nobody_gives_way_before_his_answer),
		TEST(stopping_waits_for_it),
		TEST(stopping_waits_before_it_closes),
		TEST(it_may_come_after_the_server_has_gone),
		TEST(not_on_every_connection),
		cmocka_unit_test_setup_teardown(each_gets_his_own, start_wide, stop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
