/*
 * System call filters as tables: a call, what happens, optionally only when an
 * argument is not zero. What is not listed is allowed.
 */
#include "gateway/harden.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KILL SCMP_ACT_KILL_PROCESS
#define REFUSE SCMP_ACT_ERRNO(EPERM)

struct rule {
	int call;
	uint32_t action;
	int nonzero_argument; /* number of the argument, or -1 for any call */
};

#define RULE(name, action)                                                                                             \
	{                                                                                                              \
		SCMP_SYS(name), action, -1                                                                             \
	}

/* What no role ever does. */
#define NEVER                                                                                                          \
	RULE(execve, KILL), RULE(execveat, KILL), RULE(ptrace, KILL), RULE(process_vm_readv, KILL),                    \
		RULE(process_vm_writev, KILL), RULE(io_uring_setup, KILL), RULE(bpf, KILL), RULE(mount, KILL),         \
		RULE(init_module, KILL), RULE(finit_module, KILL), RULE(kexec_load, KILL), RULE(pidfd_getfd, KILL),    \
		RULE(userfaultfd, KILL), RULE(open_by_handle_at, KILL)

#define NO_OPENING RULE(open, REFUSE), RULE(openat, REFUSE), RULE(openat2, REFUSE), RULE(creat, REFUSE)

static const struct rule listener_start[] = {NEVER, RULE(connect, KILL), {SCMP_SYS(sendto), KILL, 4}};
static const struct rule listener_sealed[] = {NO_OPENING, RULE(socket, KILL), RULE(socketpair, KILL), RULE(bind, KILL)};
static const struct rule sender[] = {
	NEVER, RULE(listen, KILL), RULE(accept, KILL), RULE(accept4, KILL), RULE(bind, REFUSE)};
static const struct rule vault[] = {NEVER, NO_OPENING, RULE(socket, KILL), RULE(socketpair, KILL), RULE(bind, KILL),
	RULE(connect, KILL), RULE(listen, KILL), RULE(accept, KILL), RULE(accept4, KILL), {SCMP_SYS(sendto), KILL, 4}};

static bool filter_load(const struct rule *rules, size_t len)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = filter != NULL && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0;

	for (size_t i = 0; ok && i < len; i++) {
		if (rules[i].nonzero_argument < 0)
			ok = seccomp_rule_add(filter, rules[i].action, rules[i].call, 0) == 0;
		else
			ok = seccomp_rule_add(filter, rules[i].action, rules[i].call, 1,
				     SCMP_CMP((unsigned)rules[i].nonzero_argument, SCMP_CMP_NE, 0, 0)) == 0;
	}
	ok = ok && seccomp_load(filter) == 0;
	if (filter != NULL)
		seccomp_release(filter);
	return ok;
}

#define FILTER(rules) filter_load(rules, sizeof(rules) / sizeof((rules)[0]))

static bool capabilities_drop(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	/* The bounding set can only be shrunk by who may; an ordinary user has nothing in it to use. */
	for (unsigned long cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &head, none) == 0;
}

bool harden_process(void)
{
	static const struct rlimit no_core = {0, 0};

	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		setrlimit(RLIMIT_CORE, &no_core) == 0 && capabilities_drop() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool harden_listener_start(void)
{
	return FILTER(listener_start);
}

bool harden_listener_sealed(void)
{
	return FILTER(listener_sealed);
}

bool harden_sender(void)
{
	return FILTER(sender);
}

bool harden_vault(void)
{
	return FILTER(vault);
}
