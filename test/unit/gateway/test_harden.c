/*
 * Filters: each forbidden call, tried in a child of its own, has the effect that
 * gateway/harden.h names.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/harden.h"

/* What a child came to: its exit status, or minus the signal that ended it. */
static int outcome(bool (*before)(void), int (*act)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(before() ? act() : 99);
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

/* Calls answer their errno, 0 when they worked. */
static int act_open(void)
{
	return open("/etc/hostname", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static int act_execve(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	execve("/bin/true", argv, NULL);
	return errno;
}

static int act_ptrace(void)
{
	return ptrace(PTRACE_ATTACH, getppid(), NULL, NULL) == 0 ? 0 : errno;
}

static int act_read_other(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return process_vm_readv(getppid(), &here, 1, &there, 1, 0) >= 0 ? 0 : errno;
}

static int act_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) >= 0 ? 0 : errno;
}

static int pair[2];

static int act_send(void)
{
	return send(pair[0], "x", 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int act_sendto(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

	return sendto(pair[0], "x", 1, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : errno;
}

static int act_connect(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

	return connect(pair[0], (const struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno;
}

static int act_listen(void)
{
	return listen(pair[0], 1) == 0 ? 0 : errno;
}

static int act_bind(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};

	return bind(pair[0], (const struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno;
}

static int act_fork(void)
{
	pid_t child = (pid_t)syscall(SYS_fork);

	if (child == 0)
		_exit(0);
	return child > 0 ? 0 : errno;
}

static int act_clone_process(void)
{
	pid_t child = fork(); /* the C library's: clone without CLONE_THREAD */

	if (child == 0)
		_exit(0);
	return child > 0 ? 0 : errno;
}

static void *nothing_thread(void *arg)
{
	return arg;
}

static int act_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing_thread, NULL) == 0 ? pthread_join(thread, NULL) : EAGAIN;
}

static int act_chmod(void)
{
	return chmod("/tmp/keyhouse-no-such-file", 0644) == 0 ? 0 : errno;
}

static int act_unlink(void)
{
	return unlink("/tmp/keyhouse-no-such-file") == 0 ? 0 : errno;
}

static int act_kill_parent(void)
{
	return kill(getppid(), 0) == 0 ? 0 : errno;
}

static int act_read_allowed(void)
{
	return open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static bool sealed(void)
{
	return harden_process() && harden_listener_start() && harden_listener_sealed();
}

static bool started(void)
{
	return harden_process() && harden_listener_start();
}

static bool sender(void)
{
	return harden_process() && harden_sender();
}

static bool vault(void)
{
	return harden_process() && harden_vault();
}

static bool nothing(void)
{
	return true;
}

static int group_open(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static void without_filters_all_works(void **state)
{
	(void)state;
	assert_int_equal(outcome(nothing, act_open), 0);
	assert_int_equal(outcome(nothing, act_socket), 0);
	assert_int_equal(outcome(nothing, act_execve), 0);
	assert_int_equal(outcome(nothing, act_send), 0);
}

static void listener_before_it_is_sealed(void **state)
{
	(void)state;
	assert_int_equal(outcome(started, act_open), 0);
	assert_int_equal(outcome(started, act_socket), 0);
	assert_int_equal(outcome(started, act_execve), -SIGSYS);
	assert_int_equal(outcome(started, act_connect), -SIGSYS);
}

static void listener_sealed(void **state)
{
	(void)state;
	assert_int_equal(outcome(sealed, act_open), EPERM);
	assert_int_equal(outcome(sealed, act_socket), -SIGSYS);
	assert_int_equal(outcome(sealed, act_connect), -SIGSYS);
	assert_int_equal(outcome(sealed, act_execve), -SIGSYS);
	assert_int_equal(outcome(sealed, act_ptrace), -SIGSYS);
	assert_int_equal(outcome(sealed, act_read_other), -SIGSYS);
	assert_int_equal(outcome(sealed, act_io_uring), -SIGSYS);
	assert_int_equal(outcome(sealed, act_sendto), -SIGSYS);
	assert_int_equal(outcome(sealed, act_send), 0);
}

static void sender_connects_but_never_accepts(void **state)
{
	(void)state;
	assert_int_equal(outcome(sender, act_socket), 0);
	assert_int_not_equal(outcome(sender, act_connect), -SIGSYS);
	assert_int_equal(outcome(sender, act_listen), -SIGSYS);
	assert_int_equal(outcome(sender, act_bind), EPERM);
	assert_int_equal(outcome(sender, act_execve), -SIGSYS);
	assert_int_equal(outcome(sender, act_ptrace), -SIGSYS);
}

static void vault_has_neither_files_nor_sockets(void **state)
{
	(void)state;
	assert_int_equal(outcome(vault, act_open), EPERM);
	assert_int_equal(outcome(vault, act_socket), -SIGSYS);
	assert_int_equal(outcome(vault, act_connect), -SIGSYS);
	assert_int_equal(outcome(vault, act_execve), -SIGSYS);
	assert_int_equal(outcome(vault, act_send), 0);
}

/* The filter must hold in a thread that was there before it. */
static void *thread_open(void *arg)
{
	int *result = arg;

	while (__atomic_load_n(result, __ATOMIC_ACQUIRE) == -1)
		(void)usleep(1000);
	*result = act_open();
	return NULL;
}

static int act_in_older_thread(void)
{
	int result = -1;
	pthread_t thread;

	if (pthread_create(&thread, NULL, thread_open, &result) != 0 || !sealed())
		return 98;
	__atomic_store_n(&result, -2, __ATOMIC_RELEASE);
	(void)pthread_join(thread, NULL);
	return result;
}

static void no_role_leaves_a_process_behind(void **state)
{
	static bool (*const roles[])(void) = {started, sealed, sender, vault};

	(void)state;
	assert_int_equal(outcome(nothing, act_fork), 0);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		assert_int_equal(outcome(roles[i], act_fork), -SIGSYS);
		assert_int_equal(outcome(roles[i], act_clone_process), -SIGSYS);
		assert_int_equal(outcome(roles[i], act_kill_parent), EPERM);
	}
	assert_int_equal(outcome(started, act_thread), 0);
	assert_int_equal(outcome(sender, act_thread), 0);
	assert_int_not_equal(outcome(sealed, act_thread), 0);
	assert_int_not_equal(outcome(vault, act_thread), 0);
}

static void names_and_rights_of_files_stay(void **state)
{
	static bool (*const roles[])(void) = {sealed, sender, vault};

	(void)state;
	assert_int_equal(outcome(nothing, act_chmod), ENOENT);
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		assert_int_equal(outcome(roles[i], act_chmod), EPERM);
		assert_int_equal(outcome(roles[i], act_unlink), EPERM);
	}
}

static void sender_sees_only_what_it_needs(void **state)
{
	(void)state;
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
		(void)fprintf(stderr, "skipped: the kernel has no Landlock\n");
		skip();
	}
	assert_int_equal(outcome(sender, act_read_allowed), 0);
	assert_int_equal(outcome(sender, act_open), EACCES);
}

static void every_thread_is_held(void **state)
{
	(void)state;
	assert_int_equal(outcome(nothing, act_in_older_thread), EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(without_filters_all_works),
		cmocka_unit_test(listener_before_it_is_sealed), cmocka_unit_test(listener_sealed),
		cmocka_unit_test(sender_connects_but_never_accepts),
		cmocka_unit_test(vault_has_neither_files_nor_sockets),
		cmocka_unit_test(no_role_leaves_a_process_behind), cmocka_unit_test(names_and_rights_of_files_stay),
		cmocka_unit_test(sender_sees_only_what_it_needs), cmocka_unit_test(every_thread_is_held)};

	return cmocka_run_group_tests(tests, group_open, NULL);
}
