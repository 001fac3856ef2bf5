/*
 * Goal of this test: an answer in parts arrives whole and keeps the connection, also one that nobody measured, which arrives
 * bit by bit; one that was promised and not given, or broken off, is seen to be cut; hanging up says nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n"

static struct helper_server server;
static atomic_bool part_refused;

static void handler(struct http_request *req, void *ctx)
{
	static const struct http_header plain = {"Content-Type", "text/plain"};
	const char *path = http_request_path(req);

	(void)ctx;
	if (strcmp(path, "/large") == 0) {
		static const char large[20000];

		http_respond(req, 200, &plain, 1, large, sizeof(large));
		return;
	}
	if (strcmp(path, "/hangup") == 0) {
		http_hang_up(req);
		return;
	}
	http_respond_begin(req, strcmp(path, "/none") == 0 ? 204 : 200, &plain, 1,
		strncmp(path, "/endless", 8) == 0 ? HTTP_LEN_UNKNOWN : 6);
	part_refused = !http_respond_part(req, "abc", 3);
	if (strcmp(path, "/endless") == 0)
		helper_sleep_ms(300);
	if (strcmp(path, "/short") == 0)
		return;
	if (strcmp(path, "/cut") == 0 || strcmp(path, "/endless-cut") == 0)
		http_hang_up(req);
	if (strcmp(path, "/endless") == 0)
		(void)http_respond_part(req, "", 0); /* which is not its end */
	http_respond_part(req, "def", 3);
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

/* All that comes until the peer closes, or until it holds what. */
static const char *all(int fd, const char *what)
{
	static char text[4096];
	size_t len = 0;
	ssize_t n = 1;

	text[0] = '\0';
	while (!(what && strstr(text, what)) && n > 0 && len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		text[len] = '\0';
	}
	return text;
}

static void parts_make_one_answer(void **state)
{
	struct helper_answer answer;
	int fd = helper_connect(server.port);

	(void)state;
	for (int i = 0; i < 2; i++) {
		helper_send_text(fd, GET("/parts"));
		helper_receive(fd, &answer);
		assert_int_equal(answer.status, 200);
		assert_non_null(strstr(answer.head, "\r\nContent-Length: 6\r\n"));
		assert_memory_equal(answer.body, "abcdef", 6);
	}
	close(fd);
}

static void an_unmeasured_answer_comes_bit_by_bit(void **state)
{
	int fd = helper_connect(server.port);
	int64_t began = helper_now_ms();
	const char *text;

	(void)state;
	for (int i = 0; i < 2; i++) {
		began = helper_now_ms();
		helper_send_text(fd, GET("/endless"));
		text = all(fd, "\r\n\r\n3\r\nabc\r\n");
		assert_true(helper_now_ms() - began < 250);
		assert_null(strstr(text, "Content-Length"));
		assert_non_null(strstr(text, "\r\nTransfer-Encoding: chunked\r\n"));
		assert_non_null(strstr(text, "\r\nConnection: keep-alive\r\n"));
		assert_string_equal(all(fd, "0\r\n\r\n"), "3\r\ndef\r\n0\r\n\r\n");
	}
	close(fd);
}

/* To who knows no chunks it ends with the connection; who wants no body gets none. */
static void an_unmeasured_answer_is_told_as_it_can_be(void **state)
{
	int fd = helper_connect(server.port);
	const char *text;

	(void)state;
	helper_send_text(fd, "GET /endless HTTP/1.0\r\nHost: h\r\n\r\n");
	text = all(fd, NULL);
	assert_null(strstr(text, "Transfer-Encoding"));
	assert_non_null(strstr(text, "\r\nConnection: close\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nabcdef");
	close(fd);
	fd = helper_connect(server.port);
	helper_send_text(fd, "HEAD /endless HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	text = all(fd, NULL);
	assert_non_null(strstr(text, "\r\nTransfer-Encoding: chunked\r\n"));
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
	close(fd);
}

static void a_broken_unmeasured_answer_has_no_end(void **state)
{
	int fd = helper_connect(server.port);
	const char *text;

	(void)state;
	helper_send_text(fd, GET("/endless-cut"));
	text = all(fd, NULL);
	assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n3\r\nabc\r\n");
	close(fd);
}

static void what_is_missing_is_seen(void **state)
{
	static const char *const asks[] = {GET("/short"), GET("/cut")};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int fd = helper_connect(server.port);
		const char *text;

		helper_send_text(fd, asks[i]);
		text = all(fd, NULL);
		assert_non_null(strstr(text, "\r\nContent-Length: 6\r\n"));
		assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\nabc");
		close(fd);
	}
}

static void hanging_up_says_nothing(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	helper_send_text(fd, GET("/hangup"));
	assert_string_equal(all(fd, NULL), "");
	close(fd);
}

static void an_answer_without_a_body_gets_none(void **state)
{
	int fd = helper_connect(server.port);
	const char *text;

	(void)state;
	helper_send_text(fd, GET("/none") "HEAD /parts HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
	text = all(fd, NULL);
	assert_true(part_refused);
	assert_null(strstr(text, "abc"));
	assert_non_null(strstr(text, "204 No Content"));
	assert_non_null(strstr(text, "200 OK"));
	close(fd);
}

static void a_head_is_not_held_back(void **state)
{
	int fd = helper_connect(server.port);
	int64_t began = helper_now_ms();

	(void)state;
	for (int i = 0; i < 3; i++) {
		helper_send_text(fd, "HEAD /large HTTP/1.1\r\nHost: h\r\n\r\n");
		all(fd, "\r\n\r\n");
	}
	assert_true(helper_now_ms() - began < 150);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts_make_one_answer),
		cmocka_unit_test(an_unmeasured_answer_comes_bit_by_bit),
		cmocka_unit_test(an_unmeasured_answer_is_told_as_it_can_be),
		cmocka_unit_test(a_broken_unmeasured_answer_has_no_end),
		cmocka_unit_test(what_is_missing_is_seen),
		cmocka_unit_test(hanging_up_says_nothing),
		cmocka_unit_test(an_answer_without_a_body_gets_none),
		cmocka_unit_test(a_head_is_not_held_back),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
