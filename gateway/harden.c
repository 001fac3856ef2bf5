/*
 * System call filters as tables: a call, what happens, and when. What is not listed is
 * allowed. The sender's view of files is narrowed with Landlock where the kernel has it.
 */
#include "gateway/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KILL SCMP_ACT_KILL_PROCESS
#define REFUSE SCMP_ACT_ERRNO(EPERM)
#define ABSENT SCMP_ACT_ERRNO(ENOSYS) /* the C library then takes the older call, whose arguments can be looked at */

enum when { ALWAYS, ADDRESSED, NOT_A_THREAD };

struct rule {
	int call;
	uint32_t action;
	enum when when;
};

#define RULE(name, action)                                                                                             \
	{                                                                                                              \
		SCMP_SYS(name), action, ALWAYS                                                                         \
	}

/* What no role ever does: run a program, reach into another process, change what it sees of the system. */
#define NEVER                                                                                                          \
	RULE(execve, KILL), RULE(execveat, KILL), RULE(ptrace, KILL), RULE(process_vm_readv, KILL),                    \
		RULE(process_vm_writev, KILL), RULE(io_uring_setup, KILL), RULE(bpf, KILL), RULE(init_module, KILL),   \
		RULE(finit_module, KILL), RULE(kexec_load, KILL), RULE(pidfd_getfd, KILL), RULE(userfaultfd, KILL),    \
		RULE(open_by_handle_at, KILL), RULE(mount, KILL), RULE(umount2, KILL), RULE(open_tree, KILL),          \
		RULE(move_mount, KILL), RULE(fsopen, KILL), RULE(unshare, KILL), RULE(setns, KILL),                    \
		RULE(chroot, KILL), RULE(pivot_root, KILL), RULE(fork, KILL), RULE(vfork, KILL), RULE(kill, REFUSE)

/* A process of its own would outlive its role: threads only, or not even those. */
#define THREADS_ONLY {SCMP_SYS(clone), KILL, NOT_A_THREAD}, RULE(clone3, ABSENT)
#define NO_THREADS RULE(clone, KILL), RULE(clone3, KILL)

#define NO_OPENING RULE(open, REFUSE), RULE(openat, REFUSE), RULE(openat2, REFUSE), RULE(creat, REFUSE)

/* Names and rights of files stay as they are. */
#define NO_CHANGING                                                                                                    \
	RULE(chmod, REFUSE), RULE(fchmodat, REFUSE), RULE(chown, REFUSE), RULE(lchown, REFUSE),                        \
		RULE(fchownat, REFUSE), RULE(rename, REFUSE), RULE(renameat, REFUSE), RULE(renameat2, REFUSE),         \
		RULE(link, REFUSE), RULE(linkat, REFUSE), RULE(symlink, REFUSE), RULE(symlinkat, REFUSE),              \
		RULE(unlink, REFUSE), RULE(unlinkat, REFUSE), RULE(truncate, REFUSE), RULE(mkdir, REFUSE),             \
		RULE(mkdirat, REFUSE), RULE(rmdir, REFUSE), RULE(mknod, REFUSE), RULE(mknodat, REFUSE)

static const struct rule listener_start[] = {
	NEVER, THREADS_ONLY, RULE(connect, KILL), {SCMP_SYS(sendto), KILL, ADDRESSED}};
static const struct rule listener_sealed[] = {
	NO_OPENING, NO_CHANGING, RULE(clone, KILL), RULE(socket, KILL), RULE(socketpair, KILL), RULE(bind, KILL)};
static const struct rule sender[] = {NEVER, THREADS_ONLY, NO_CHANGING, RULE(listen, KILL), RULE(accept, KILL),
	RULE(accept4, KILL), RULE(bind, REFUSE)};
static const struct rule vault[] = {NEVER, NO_THREADS, NO_OPENING, NO_CHANGING, RULE(socket, KILL),
	RULE(socketpair, KILL), RULE(bind, KILL), RULE(connect, KILL), RULE(listen, KILL), RULE(accept, KILL),
	RULE(accept4, KILL), {SCMP_SYS(sendto), KILL, ADDRESSED}};

static bool rule_add(scmp_filter_ctx filter, const struct rule *r)
{
	switch (r->when) {
	case ALWAYS:
		return seccomp_rule_add(filter, r->action, r->call, 0) == 0;
	case ADDRESSED:
		return seccomp_rule_add(filter, r->action, r->call, 1, SCMP_A4(SCMP_CMP_NE, 0, 0)) == 0;
	case NOT_A_THREAD:
		return seccomp_rule_add(filter, r->action, r->call, 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) ==
			0;
	}
	return false;
}

static bool filter_load(const struct rule *rules, size_t len)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool ok = filter != NULL && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0;

	for (size_t i = 0; ok && i < len; i++)
		ok = rule_add(filter, &rules[i]);
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

/* ------------------------------------------------------------ what the sender may read */

/* Certificates, and what the resolver reads. Everything else, the data directory first of all, is out of sight. */
static const char *const sender_reads[] = {"/etc/ssl", "/etc/pki", "/usr/share/ca-certificates", "/usr/lib/ssl",
	"/etc/resolv.conf", "/run/systemd/resolve", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf",
	"/etc/gai.conf", "/etc/services", "/etc/ld.so.cache", "/usr/lib", "/lib", "/lib64", "/dev/urandom",
	"/proc/self/status"};

static bool read_allow(int ruleset, const char *path)
{
	struct landlock_path_beneath_attr rule = {.allowed_access = LANDLOCK_ACCESS_FS_READ_FILE};
	struct stat st;
	bool ok;

	rule.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (rule.parent_fd < 0)
		return errno == ENOENT || errno == ENOTDIR; /* not on this system: nothing to allow */
	if (fstat(rule.parent_fd, &st) == 0 && S_ISDIR(st.st_mode))
		rule.allowed_access |= LANDLOCK_ACCESS_FS_READ_DIR;
	ok = syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	(void)close(rule.parent_fd);
	return ok;
}

/* Where the kernel has no Landlock, the sender's user still sees the data directory: vault/DESIGN.md says so. */
static bool sight_narrow(void)
{
	struct landlock_ruleset_attr all = {.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	int ruleset;
	bool ok = true;

	if (abi < 1)
		return true;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ruleset < 0)
		return false;
	for (size_t i = 0; ok && i < sizeof(sender_reads) / sizeof(sender_reads[0]); i++)
		ok = read_allow(ruleset, sender_reads[i]);
	ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	(void)close(ruleset);
	return ok;
}

bool harden_sender(void)
{
	return sight_narrow() && FILTER(sender);
}

bool harden_vault(void)
{
	return FILTER(vault);
}
