/*
 * What each role may call: each call, tried in a child of its own, has the effect
 * that gateway/harden.h names; without a filter it works, so that a row cannot pass
 * for another reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/harden.h"

#define PAGE 4096u

static pid_t starter; /* this process; asking who it is would be a call of its own */

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
	return open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int act_open_to_write(void)
{
	return open("/dev/null", O_RDWR | O_CLOEXEC) >= 0 ? 0 : errno;
}

static int act_openat2(void)
{
	uint64_t how[3] = {O_RDONLY | O_CLOEXEC};

	return syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", how, sizeof(how)) >= 0 ? 0 : errno;
}

static int act_creat(void)
{
	return creat("/dev/null", 0600) >= 0 ? 0 : errno;
}

static int act_memfd(void)
{
	return memfd_create("x", MFD_CLOEXEC) >= 0 ? 0 : errno;
}

static int act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static int act_socket_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ? 0 : errno;
}

static int act_socket_unix(void)
{
	return socket(AF_UNIX, SOCK_STREAM, 0) >= 0 ? 0 : errno;
}

static int act_pair_streams(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0 ? 0 : errno;
}

static int act_pair_datagrams(void)
{
	int fds[2];

	return socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0 ? 0 : errno;
}

static int act_execve(void)
{
	char *const argv[] = {(char *)(uintptr_t) "true", NULL};

	execve("/bin/true", argv, NULL);
	return errno;
}

static int act_ptrace(void)
{
	return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}

static int act_read_other(void)
{
	char byte;
	struct iovec here = {&byte, 1}, there = {&byte, 1};

	return process_vm_readv(starter, &here, 1, &there, 1, 0) >= 0 ? 0 : errno;
}

static int act_io_uring(void)
{
	return syscall(SYS_io_uring_setup, 1, NULL) >= 0 ? 0 : errno;
}

static int pair[2];
static int lonely; /* a socket to which nothing comes */

static int act_send(void)
{
	return send(pair[0], "x", 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int act_sendto(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};

	return sendto(pair[0], "x", 1, MSG_NOSIGNAL, (const struct sockaddr *)&to, sizeof(to)) == 1 ? 0 : errno;
}

static int act_sendmsg(void)
{
	char byte = 'x';
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	return sendmsg(pair[0], &message, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

static int act_recvmsg(void)
{
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

	return recvmsg(lonely, &message, MSG_DONTWAIT) == 1 ? 0 : errno;
}

static int act_accept(void)
{
	return accept(pair[0], NULL, NULL) >= 0 ? 0 : errno;
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

static int act_rename(void)
{
	return rename("/tmp/keyhouse-no-such-file", "/tmp/keyhouse-no-file") == 0 ? 0 : errno;
}

static int act_kill_parent(void)
{
	return kill(starter, 0) == 0 ? 0 : errno;
}

static int act_tgkill_parent(void)
{
	return syscall(SYS_tgkill, starter, starter, 0) == 0 ? 0 : errno;
}

static int act_tgkill_itself(void)
{
	return syscall(SYS_tgkill, getpid(), gettid(), 0) == 0 ? 0 : errno;
}

static int act_memory(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, PAGE, PROT_READ) == 0 && munmap(page, PAGE) == 0 ? 0 : errno;
}

static int act_memory_of_code(void)
{
	return mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? 0 : errno;
}

static int act_memory_becomes_code(void)
{
	void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return page != MAP_FAILED && mprotect(page, PAGE, PROT_READ | PROT_EXEC) == 0 ? 0 : errno;
}

static int act_code_by_default(void)
{
	return personality(READ_IMPLIES_EXEC) >= 0 ? 0 : errno;
}

static int act_dumpable(void)
{
	return prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0 ? 0 : errno;
}

static int act_limit_read(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_CORE, &limit) == 0 ? 0 : errno;
}

static int act_limit_set(void)
{
	struct rlimit limit = {0, 0};

	return setrlimit(RLIMIT_CORE, &limit) == 0 ? 0 : errno;
}

static int act_ioctl_set(void)
{
	int on = 0;

	return ioctl(pair[0], FIONBIO, &on) == 0 ? 0 : errno;
}

static int act_ioctl_look(void)
{
	int count;

	return ioctl(pair[0], FIONREAD, &count) == 0 ? 0 : errno;
}

/* No kernel has it yet; one that has it one day would answer something else here, and a C library would try it. */
static int act_unknown(void)
{
	return syscall(4000) >= 0 ? 0 : errno;
}

static int act_resolve(void)
{
	struct addrinfo *found = NULL;
	int err = getaddrinfo("localhost", "https", NULL, &found);

	if (err == 0)
		freeaddrinfo(found);
	return err == 0 ? 0 : 97;
}

static int act_read_allowed(void)
{
	return open("/etc/nsswitch.conf", O_RDONLY | O_CLOEXEC) >= 0 ? 0 : errno;
}

/* ------------------------------------------------------------ how far a role is */

enum stage { FREE, STARTED, SEALED, SENDER, VAULT, STAGES };

static const char *const stage_names[STAGES] = {
	"without filters", "listener at its start", "listener sealed", "sender", "vault"};

static bool nothing(void)
{
	return true;
}

static bool started(void)
{
	return harden_process() && harden_listener_start();
}

static bool files_open(void)
{
	return started() && harden_listener_files();
}

static bool sealed(void)
{
	return files_open() && harden_listener_sealed();
}

static bool sender(void)
{
	return harden_process() && harden_sender();
}

static bool vault(void)
{
	return harden_process() && harden_vault();
}

static bool (*const stages[STAGES])(void) = {nothing, started, sealed, sender, vault};

static int group_open(void **state)
{
	int other[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, other) != 0)
		return -1;
	lonely = other[0];
	starter = getpid();
	return 0;
}

static bool has_landlock(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 1;
}

/* ------------------------------------------------------------ the table */

#define DIES (-SIGSYS)
#define SEES (-1000) /* allowed by the filter; Landlock, where it is, answers EACCES */

static const struct {
	const char *name;
	int (*act)(void);
	int outcomes[STAGES];
} expected[] = {
	/*                                             free   started   sealed   sender   vault */
	{"memory", act_memory, {0, 0, 0, 0, 0}},
	{"memory of code", act_memory_of_code, {0, EPERM, EPERM, EPERM, DIES}},
	{"memory becomes code", act_memory_becomes_code, {0, DIES, DIES, DIES, DIES}},
	{"personality", act_code_by_default, {0, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"open", act_open, {0, 0, EPERM, SEES, EPERM}},
	{"open to write", act_open_to_write, {0, 0, EPERM, ENOSYS, EPERM}},
	{"openat2", act_openat2, {0, ENOSYS, EPERM, ENOSYS, EPERM}},
	{"creat", act_creat, {0, ENOSYS, EPERM, ENOSYS, EPERM}},
	{"chmod", act_chmod, {ENOENT, ENOENT, EPERM, EPERM, DIES}},
	{"unlink", act_unlink, {ENOENT, ENOENT, EPERM, EPERM, DIES}},
	{"rename", act_rename, {ENOENT, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"memfd_create", act_memfd, {0, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"socket", act_socket, {0, DIES, DIES, 0, DIES}},
	{"socket, netlink", act_socket_netlink, {0, DIES, DIES, 0, DIES}},
	{"socket, local", act_socket_unix, {0, DIES, DIES, ENOSYS, DIES}},
	{"socketpair", act_pair_streams, {0, DIES, DIES, 0, DIES}},
	{"socketpair of datagrams", act_pair_datagrams, {0, DIES, DIES, ENOSYS, DIES}},
	{"connect", act_connect, {EINVAL, DIES, DIES, EINVAL, DIES}},
	{"bind", act_bind, {EINVAL, DIES, DIES, EPERM, DIES}},
	{"listen", act_listen, {EINVAL, DIES, DIES, DIES, DIES}},
	{"accept", act_accept, {EINVAL, EINVAL, EINVAL, DIES, DIES}},
	{"send", act_send, {0, 0, 0, 0, 0}},
	{"sendto with an address", act_sendto, {EISCONN, DIES, DIES, EISCONN, DIES}},
	{"sendmsg", act_sendmsg, {0, ENOSYS, ENOSYS, 0, DIES}},
	{"recvmsg", act_recvmsg, {EAGAIN, ENOSYS, ENOSYS, EAGAIN, EAGAIN}},
	{"ioctl FIONREAD", act_ioctl_look, {0, ENOSYS, ENOSYS, 0, DIES}},
	{"ioctl FIONBIO", act_ioctl_set, {0, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"execve", act_execve, {0, DIES, DIES, DIES, DIES}},
	{"fork", act_fork, {0, DIES, DIES, DIES, DIES}},
	{"clone of a process", act_clone_process, {0, DIES, DIES, DIES, DIES}},
	{"a thread", act_thread, {0, 0, DIES, 0, DIES}},
	{"ptrace", act_ptrace, {0, DIES, DIES, DIES, DIES}},
	{"process_vm_readv", act_read_other, {0, DIES, DIES, DIES, DIES}},
	{"io_uring_setup", act_io_uring, {EFAULT, DIES, DIES, DIES, DIES}},
	{"kill another", act_kill_parent, {0, EPERM, EPERM, EPERM, DIES}},
	{"tgkill another", act_tgkill_parent, {0, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"tgkill itself", act_tgkill_itself, {0, 0, 0, 0, 0}},
	{"prctl: dumpable again", act_dumpable, {0, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"read a limit", act_limit_read, {0, 0, 0, 0, DIES}},
	{"set a limit", act_limit_set, {0, ENOSYS, ENOSYS, ENOSYS, DIES}},
	{"a call that nobody knows", act_unknown, {ENOSYS, ENOSYS, ENOSYS, ENOSYS, DIES}},
};

static void each_call_in_each_role(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++)
		for (int s = 0; s < STAGES; s++) {
			int want = expected[i].outcomes[s], got = outcome(stages[s], expected[i].act);

			if (want == SEES)
				want = has_landlock() ? EACCES : 0;
			if (got == want)
				continue;
			wrong++;
			(void)fprintf(stderr, "%s, %s: %d, not %d\n", expected[i].name, stage_names[s], got, want);
		}
	assert_int_equal(wrong, 0);
}

/* ------------------------------------------------------------ what no row can say */

/* The filter must hold in a thread that was there before it. */
static void *thread_open(void *arg)
{
	int *result = arg;

	while (__atomic_load_n(result, __ATOMIC_ACQUIRE) == -1)
		(void)usleep(1000);
	*result = act_open();
	return NULL;
}

static int in_thread(bool (*before)(void), bool (*after)(void))
{
	int result = -1;
	pthread_t thread;

	if (!before() || pthread_create(&thread, NULL, thread_open, &result) != 0 || !after())
		return 98;
	__atomic_store_n(&result, -2, __ATOMIC_RELEASE);
	(void)pthread_join(thread, NULL);
	return result;
}

static int act_in_older_thread(void)
{
	return in_thread(nothing, sealed);
}

static int act_in_younger_thread(void)
{
	return in_thread(files_open, nothing);
}

static void every_thread_is_held(void **state)
{
	(void)state;
	assert_int_equal(outcome(nothing, act_in_older_thread), EPERM);
}

static void landlock_alone_keeps_files_shut(void **state)
{
	(void)state;
	if (!has_landlock()) {
		(void)fprintf(stderr, "skipped: the kernel has no Landlock\n");
		skip();
	}
	assert_int_equal(outcome(files_open, act_open), EACCES);
	assert_int_equal(outcome(files_open, act_open_to_write), EACCES);
	assert_int_equal(outcome(nothing, act_in_younger_thread), EACCES);
	assert_int_equal(outcome(sender, act_read_allowed), 0);
}

static void sender_finds_names(void **state)
{
	(void)state;
	assert_int_equal(outcome(nothing, act_resolve), 0);
	assert_int_equal(outcome(sender, act_resolve), 0);
}

/* Limits of the one who starts us are raised as far as they go. */
static const __rlimit_resource_t raised[] = {RLIMIT_MEMLOCK, RLIMIT_NOFILE};

static int act_soft_limits(void)
{
	for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
		struct rlimit limit;

		if (getrlimit(raised[i], &limit) != 0 || limit.rlim_cur != limit.rlim_max)
			return 1;
	}
	return 0;
}

static bool low_then_hardened(void)
{
	for (size_t i = 0; i < sizeof(raised) / sizeof(raised[0]); i++) {
		struct rlimit low;

		if (getrlimit(raised[i], &low) != 0)
			return false;
		low.rlim_cur = low.rlim_max / 2;
		if (setrlimit(raised[i], &low) != 0)
			return false;
	}
	return harden_process();
}

static void memory_and_descriptors_up_to_the_hard_limit(void **state)
{
	(void)state;
	assert_int_equal(outcome(low_then_hardened, act_soft_limits), 0);
}

/* ------------------------------------------------------------ a build that names what kills */

#ifdef KEYHOUSE_DEBUG
/* What the child says on its standard error before it dies of SIGSYS. */
static void said(bool (*before)(void), int (*act)(void), char *out, size_t room)
{
	int ends[2], status;
	size_t len = 0;
	ssize_t n;
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0) {
		(void)dup2(ends[1], STDERR_FILENO);
		_exit(before() ? act() : 99);
	}
	(void)close(ends[1]);
	while (len < room - 1 && (n = read(ends[0], out + len, room - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	(void)close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

static void what_kills_is_named(void **state)
{
	char line[256];

	(void)state;
	said(sealed, act_connect, line, sizeof(line));
	assert_string_equal(line, "forbidden call: role=listener call=connect\n");
	said(sender, act_listen, line, sizeof(line));
	assert_string_equal(line, "forbidden call: role=sender call=listen\n");
	said(vault, act_unknown, line, sizeof(line));
	assert_string_equal(line, "forbidden call: role=vault call=4000\n");
}
#else
static void what_kills_is_named(void **state)
{
	(void)state;
	skip(); /* a build with DEBUG=1 or with sanitizers says it */
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_call_in_each_role),
		cmocka_unit_test(every_thread_is_held), cmocka_unit_test(landlock_alone_keeps_files_shut),
		cmocka_unit_test(sender_finds_names), cmocka_unit_test(memory_and_descriptors_up_to_the_hard_limit),
		cmocka_unit_test(what_kills_is_named)};

	return cmocka_run_group_tests(tests, group_open, NULL);
}
