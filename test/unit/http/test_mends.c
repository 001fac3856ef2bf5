/*
 * Goal of this test: the mends of CivetWeb's parser hold by themselves, with our
 * own check of the head (which stands before them) taken away. CivetWeb's
 * functions are static, so this is the one test that includes a source file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/http/internal.h"

#define http_head_valid(head, len) ((void)(head), (void)(len), true)
#include "gateway/http/engine.c"
#undef http_head_valid
#undef snprintf /* CivetWeb forbids it to itself */

static struct http_server test_server;
static struct http_worker test_worker;
static struct mg_context test_context;
static struct mg_connection test_connection;
static char test_buffer[HTTP_HEAD_MAX];
static char test_domain[] = "localhost";

/* Has CivetWeb read and parse text as a request; 1 when it took it. */
static int take(const char *text, const char *stale)
{
	char reason[100];
	int pair[2], error, taken;
	size_t len = strlen(text);

	test_server.opt = (struct http_options){.request_deadline_ms = 200, .keep_alive_ms = 200};
	memset(&test_worker, 0, sizeof(test_worker));
	test_worker.server = &test_server;
	memset(&test_connection, 0, sizeof(test_connection));
	memset(test_buffer, 0, sizeof(test_buffer));
	memcpy(test_buffer + len, stale, strlen(stale));
	test_context.dd.config[AUTHENTICATION_DOMAIN] = test_domain;
	test_connection.phys_ctx = &test_context;
	test_connection.dom_ctx = &test_context.dd;
	test_connection.tls_user_ptr = &test_worker;
	test_connection.buf = test_buffer;
	test_connection.buf_size = sizeof(test_buffer);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], text, len), len);
	test_connection.client.sock = pair[0];
	taken = get_request(&test_connection, reason, sizeof(reason), &error);
	close(pair[0]);
	close(pair[1]);
	return taken;
}

static void a_plain_request_is_taken(void **state)
{
	(void)state;
	assert_int_equal(take("GET / HTTP/1.1\r\n\r\n", ""), 1);
	assert_int_equal(take("GET / HTTP/1.1\r\nHost: h\r\nX-A: b\r\n\r\n", ""), 1);
	assert_int_equal(test_connection.request_info.num_headers, 2);
	assert_int_equal(take("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nok", ""), 1);
}

static void only_received_bytes_are_parsed(void **state)
{
	static const char stale[] = "GET /stale HTTP/1.1\r\n\r\n";

	(void)state;
	assert_int_equal(take("\r\n\r\n", stale), 0);
	assert_memory_equal(test_buffer + 4, stale, sizeof(stale));
}

static void the_parsed_length_is_the_length_read(void **state)
{
	(void)state;
	assert_int_equal(take("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", ""), 0);
}

static void the_headers_end_on_the_blank_line(void **state)
{
	char text[4096];
	int used = snprintf(text, sizeof(text), "POST / HTTP/1.1\r\n");

	(void)state;
	assert_int_equal(take("POST / HTTP/1.1\r\nX-A: b\r\n folded\r\nContent-Length: 5\r\n\r\n", ""), 0);
	assert_int_equal(take("POST / HTTP/1.1\r\nX-A: b\r\n\x80: c\r\nContent-Length: 5\r\n\r\n", ""), 0);
	for (int i = 0; i < MG_MAX_HEADERS; i++)
		used += snprintf(text + used, sizeof(text) - (size_t)used, "X-%d: a\r\n", i);
	snprintf(text + used, sizeof(text) - (size_t)used, "\r\n");
	assert_int_equal(take(text, ""), 1);
	snprintf(text + used, sizeof(text) - (size_t)used, "Content-Length: 5\r\n\r\n");
	assert_int_equal(take(text, ""), 0);
}

static void the_name_of_a_unix_peer_fits(void **state)
{
	union usa peer = {.sun = {.sun_family = AF_UNIX}};
	char name[5] = "....";

	(void)state;
	sockaddr_to_string(name, 4, &peer);
	assert_int_equal(name[3], '\0');
	name[4] = 'G';
	sockaddr_to_string(name, 4, &peer);
	assert_int_equal(name[4], 'G');
}

/* The C library would open a socket to name a link-local scope. */
static void a_link_local_peer_is_named_without_a_socket(void **state)
{
	union usa peer = {.sin6 = {.sin6_family = AF_INET6, .sin6_scope_id = 1}};
	char name[IP_ADDR_STR_LEN];

	(void)state;
	inet_pton(AF_INET6, "fe80::7", &peer.sin6.sin6_addr);
	sockaddr_to_string(name, sizeof(name), &peer);
	assert_string_equal(name, "fe80::7");
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &peer.sin6.sin6_addr);
	sockaddr_to_string(name, sizeof(name), &peer);
	assert_string_equal(name, "192.0.2.7");
}

static void one_customer_is_one_address(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"2001:db8::1", "2001:db8::ffff:2", true},
		{"2001:db8::1", "2001:db8:0:1::1", false},
		{"::ffff:192.0.2.7", "::ffff:192.0.2.8", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union usa a = {.sin6 = {.sin6_family = AF_INET6}}, b = a;
		uint8_t first[HTTP_ADDRESS_LEN], second[HTTP_ADDRESS_LEN];

		inet_pton(AF_INET6, rows[i].a, &a.sin6.sin6_addr);
		inet_pton(AF_INET6, rows[i].b, &b.sin6.sin6_addr);
		assert_true(address_of(&a, first) && address_of(&b, second));
		assert_int_equal(memcmp(first, second, sizeof(first)) == 0, rows[i].same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_request_is_taken),
		cmocka_unit_test(only_received_bytes_are_parsed),
		cmocka_unit_test(the_parsed_length_is_the_length_read),
		cmocka_unit_test(the_headers_end_on_the_blank_line),
		cmocka_unit_test(the_name_of_a_unix_peer_fits),
		cmocka_unit_test(a_link_local_peer_is_named_without_a_socket),
		cmocka_unit_test(one_customer_is_one_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
