/*
 * Goal of this test: after http_server_start returned, the server needs no file,
 * no socket and no thread. It runs in a process of its own under a filter like
 * the listener's (open answers EPERM, the rest kills) and serves everything.
 */
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include <cmocka.h>

#include "test/unit/http/helper.h"

static struct helper_server server;
static struct helper_answer answer;
static int ready[2], ending[2];
static pid_t child;

static bool forbid(void)
{
	static const int opens[] = {SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(openat2), SCMP_SYS(creat)};
	static const int kills[] = {SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind),
		SCMP_SYS(listen), SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(io_uring_setup), SCMP_SYS(clone),
		SCMP_SYS(clone3), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(ptrace)};
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int error = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; i < sizeof(opens) / sizeof(opens[0]); i++)
		error |= seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), opens[i], 0);
	for (size_t i = 0; i < sizeof(kills) / sizeof(kills[0]); i++)
		error |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, kills[i], 0);
	error |= seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, SCMP_SYS(sendto), 1, SCMP_A4(SCMP_CMP_NE, 0, 0));
	error |= seccomp_load(filter);
	seccomp_release(filter);
	return error == 0 && open("/dev/null", O_RDONLY) < 0 && errno == EPERM;
}

static void serve(struct http_options *opt)
{
	char byte = 1;

	close(ending[1]);
	if (http_server_start(&server.server, opt) != HTTP_OK || !forbid() || write(ready[1], &byte, 1) != 1)
		_exit(2);
	while (read(ending[0], &byte, 1) < 0)
		;
	http_server_stop(server.server);
	_exit(0);
}

static int start(void **state)
{
	struct http_options opt = helper_options();
	char byte;

	(void)state;
	opt.workers_per_address = 100;
	helper_sockets(&server, &opt);
	if (pipe(ready) != 0 || pipe(ending) != 0 || (child = fork()) < 0)
		return -1;
	if (child == 0)
		serve(&opt);
	for (int i = 0; i < HELPER_SOCKETS; i++)
		close(server.sockets[i].fd);
	close(ready[1]);
	return read(ready[0], &byte, 1) == 1 ? 0 : -1;
}

static void plain_requests_are_served(void **state)
{
	int fd = helper_connect(server.port);

	(void)state;
	for (int i = 0; i < 20; i++) {
		helper_send_text(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok");
		helper_receive(fd, &answer);
		assert_int_equal(answer.status, 200);
		assert_non_null(strstr(answer.head, "\r\nDate: "));
	}
	close(fd);
	helper_ask(server.port, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n", &answer);
	assert_int_equal(answer.body_len, HELPER_BODY_MAX);
	fd = helper_connect_control(&server);
	helper_send_text(fd, "GET /info HTTP/1.1\r\nHost: h\r\n\r\n");
	helper_receive(fd, &answer);
	assert_int_equal(answer.status, 200);
	close(fd);
}

static void tls_requests_are_served(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		helper_ask_tls(server.tls_port, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nok",
			i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION, &answer);
		assert_int_equal(answer.status, 200);
	}
	helper_ask_tls(server.tls_port, "GET / HTTP/1.1\r\n\r\n", TLS1_1_VERSION, &answer);
	assert_int_equal(answer.status, 0);
	helper_ask(server.tls_port, "GET / HTTP/1.1\r\n\r\n", &answer);
	assert_int_equal(answer.status, 0);
}

static void errors_are_served(void **state)
{
	(void)state;
	helper_ask(server.port, "nonsense\r\n\r\n", &answer);
	assert_int_equal(answer.status, 400);
	helper_ask(server.port, "POST /small HTTP/1.1\r\nHost: h\r\nContent-Length: 11\r\n\r\n", &answer);
	assert_int_equal(answer.status, 413);
	helper_ask(server.port, "GET /info HTTP/1.1\r\nX-Cut: ", &answer);
	assert_int_equal(answer.status, 408);
	helper_ask(server.port, "GET /info HTTP/9.9\r\n\r\n", &answer);
	assert_int_equal(answer.status, 505);
	helper_ask(server.port, "GET /info HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", &answer);
	assert_int_equal(answer.status, 200);
	for (int i = 0; i < 20; i++)
		close(helper_connect(i % 2 ? server.port : server.tls_port));
}

/* Runs last: the server ends by itself and was never killed. */
static void it_stops_alive(void **state)
{
	int status = 0;

	(void)state;
	close(ending[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	unlink(server.control_path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_requests_are_served),
		cmocka_unit_test(tls_requests_are_served),
		cmocka_unit_test(errors_are_served),
		cmocka_unit_test(it_stops_alive),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
