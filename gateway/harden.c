/*
 * What a role may call of the kernel, as one table: a row a call, a column a role.
 * And what it may open by name, with Landlock where the kernel has it.
 */
#include "gateway/harden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif

/* ------------------------------------------------------------ the table */

/* The listener has two: until its files are open and its threads run, and then. */
enum filter { START, SEALED, SENDER, VAULT, FILTERS };

/* What happens to a call. The last ones look at an argument; what they do not name is as if undecided. */
enum rule {
	LATER, /* undecided: ENOSYS; in the vault it kills */
	ALLOW,
	DENY, /* EPERM */
	KILL,
	THREAD, /* clone: a thread; a process of its own would outlive its role and kills */
	BARE, /* sendto: without an address; with one it kills */
	DATA, /* mmap: EPERM where code is to be run from it, as a loader would; in the vault it kills */
	NOCODE, /* mprotect: memory that becomes code kills */
	READ, /* openat: for reading what is there */
	INET, /* socket: what reaches providers, and what the resolver asks the kernel by; no local services */
	PAIR, /* socketpair: of streams, which never connect to anything else */
	NAME, /* prctl: the name of a thread */
	LOOK, /* prlimit64: reading a limit */
	AWAITS, /* ioctl: how much is there to read */
	ITSELF, /* tgkill: this process, which aborts */
	RULES
};

struct row {
	int call;
	const char *name;
	enum rule rules[FILTERS];
};

#define ROW(name, start, sealed, sender, vault)                                                                        \
	{                                                                                                              \
		SCMP_SYS(name), #name,                                                                                 \
		{                                                                                                      \
			start, sealed, sender, vault                                                                   \
		}                                                                                                      \
	}

/* sendmsg and its kin are not for listener and vault: their addresses lie in memory, where no filter looks.
 * clone3 is for nobody, for the same reason: the C library then takes clone. */
static const struct row rows[] = {
	/*  call                listener: start  sealed  sender  vault */
	/* memory */
	ROW(brk, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(madvise, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(mlock, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(mmap, DATA, DATA, DATA, NOCODE),
	ROW(mprotect, NOCODE, NOCODE, NOCODE, NOCODE),
	ROW(mremap, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(munlock, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(munmap, ALLOW, ALLOW, ALLOW, ALLOW),
	/* threads, time, itself */
	ROW(clock_gettime, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(clock_nanosleep, ALLOW, ALLOW, ALLOW, LATER),
	ROW(clone, THREAD, KILL, THREAD, LATER),
	ROW(exit, ALLOW, ALLOW, ALLOW, LATER),
	ROW(exit_group, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(futex, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(getegid, ALLOW, ALLOW, ALLOW, LATER),
	ROW(geteuid, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(getgid, ALLOW, ALLOW, ALLOW, LATER),
	ROW(getpid, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(getrandom, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(gettid, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(gettimeofday, ALLOW, ALLOW, ALLOW, LATER),
	ROW(getuid, ALLOW, ALLOW, ALLOW, LATER),
	ROW(nanosleep, ALLOW, ALLOW, ALLOW, LATER),
	ROW(prctl, NAME, NAME, NAME, LATER),
	ROW(prlimit64, LOOK, LOOK, LOOK, LATER),
	ROW(restart_syscall, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(rseq, ALLOW, ALLOW, ALLOW, LATER),
	ROW(rt_sigaction, ALLOW, ALLOW, ALLOW, LATER),
	ROW(rt_sigprocmask, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(rt_sigreturn, ALLOW, ALLOW, ALLOW, LATER),
	ROW(sched_getaffinity, ALLOW, ALLOW, ALLOW, LATER),
	ROW(sched_yield, ALLOW, ALLOW, ALLOW, LATER),
	ROW(set_robust_list, ALLOW, ALLOW, ALLOW, LATER),
	ROW(sysinfo, ALLOW, ALLOW, ALLOW, LATER),
	ROW(tgkill, ITSELF, ITSELF, ITSELF, ITSELF),
	ROW(time, ALLOW, ALLOW, ALLOW, LATER),
	ROW(uname, ALLOW, ALLOW, ALLOW, LATER),
	/* what is open */
	ROW(close, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(eventfd2, ALLOW, LATER, ALLOW, LATER),
	ROW(fcntl, ALLOW, ALLOW, ALLOW, LATER),
	ROW(fdatasync, ALLOW, ALLOW, LATER, LATER),
	ROW(fstat, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(fgetxattr, LATER, LATER, LATER, ALLOW),
	ROW(fsync, ALLOW, ALLOW, LATER, LATER),
	ROW(ftruncate, ALLOW, ALLOW, LATER, LATER),
	ROW(ioctl, LATER, LATER, AWAITS, LATER),
	ROW(lseek, ALLOW, ALLOW, ALLOW, LATER),
	ROW(poll, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(ppoll, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(pread64, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(pwrite64, ALLOW, ALLOW, LATER, LATER),
	ROW(read, ALLOW, ALLOW, ALLOW, LATER),
	ROW(write, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(writev, ALLOW, ALLOW, ALLOW, LATER),
	/* files by name. Sealed, the database library still tries some of them: EPERM is an answer that it takes */
	ROW(access, ALLOW, ALLOW, ALLOW, LATER),
	ROW(chmod, ALLOW, DENY, DENY, LATER),
	ROW(creat, LATER, DENY, LATER, DENY),
	ROW(faccessat, ALLOW, ALLOW, ALLOW, LATER),
	ROW(faccessat2, ALLOW, ALLOW, ALLOW, LATER),
	ROW(fchmod, ALLOW, DENY, DENY, LATER),
	ROW(fchmodat, ALLOW, DENY, DENY, LATER),
	ROW(fchown, ALLOW, DENY, DENY, LATER),
	ROW(getcwd, ALLOW, LATER, LATER, LATER),
	ROW(lstat, ALLOW, ALLOW, ALLOW, LATER),
	ROW(newfstatat, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(open, ALLOW, DENY, LATER, DENY),
	ROW(openat, ALLOW, DENY, READ, DENY),
	ROW(openat2, LATER, DENY, LATER, DENY),
	ROW(readlink, ALLOW, LATER, LATER, LATER),
	ROW(readlinkat, ALLOW, LATER, LATER, LATER),
	ROW(stat, ALLOW, ALLOW, ALLOW, LATER),
	ROW(umask, ALLOW, LATER, LATER, LATER),
	ROW(unlink, ALLOW, DENY, DENY, LATER),
	ROW(unlinkat, ALLOW, DENY, DENY, LATER),
	/* sockets: the listener accepts and never connects, the sender connects and never accepts */
	ROW(accept, ALLOW, ALLOW, KILL, LATER),
	ROW(accept4, ALLOW, ALLOW, KILL, LATER),
	ROW(bind, KILL, KILL, DENY, LATER),
	ROW(connect, KILL, KILL, ALLOW, LATER),
	ROW(getpeername, ALLOW, ALLOW, ALLOW, LATER),
	ROW(getsockname, ALLOW, ALLOW, ALLOW, LATER),
	ROW(getsockopt, ALLOW, ALLOW, ALLOW, LATER),
	ROW(listen, KILL, KILL, KILL, LATER),
	ROW(recvfrom, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(recvmsg, LATER, LATER, ALLOW, ALLOW),
	ROW(sendmmsg, LATER, LATER, ALLOW, LATER),
	ROW(sendmsg, LATER, LATER, ALLOW, LATER),
	ROW(sendto, BARE, BARE, ALLOW, BARE),
	ROW(setsockopt, ALLOW, ALLOW, ALLOW, LATER),
	ROW(shutdown, ALLOW, ALLOW, ALLOW, LATER),
	ROW(socket, KILL, KILL, INET, LATER),
	ROW(socketpair, KILL, KILL, PAIR, LATER),
	/* for what comes after the start */
	ROW(landlock_create_ruleset, ALLOW, LATER, LATER, LATER),
	ROW(landlock_restrict_self, ALLOW, LATER, LATER, LATER),
	ROW(seccomp, ALLOW, LATER, LATER, LATER),
	/* what only an attacker does */
	ROW(bpf, KILL, KILL, KILL, LATER),
	ROW(chroot, KILL, KILL, KILL, LATER),
	ROW(execve, KILL, KILL, KILL, LATER),
	ROW(execveat, KILL, KILL, KILL, LATER),
	ROW(finit_module, KILL, KILL, KILL, LATER),
	ROW(fork, KILL, KILL, KILL, LATER),
	ROW(fsopen, KILL, KILL, KILL, LATER),
	ROW(init_module, KILL, KILL, KILL, LATER),
	ROW(io_uring_setup, KILL, KILL, KILL, LATER),
	ROW(kexec_load, KILL, KILL, KILL, LATER),
	ROW(mount, KILL, KILL, KILL, LATER),
	ROW(move_mount, KILL, KILL, KILL, LATER),
	ROW(open_by_handle_at, KILL, KILL, KILL, LATER),
	ROW(open_tree, KILL, KILL, KILL, LATER),
	ROW(pidfd_getfd, KILL, KILL, KILL, LATER),
	ROW(pivot_root, KILL, KILL, KILL, LATER),
	ROW(process_vm_readv, KILL, KILL, KILL, LATER),
	ROW(process_vm_writev, KILL, KILL, KILL, LATER),
	ROW(ptrace, KILL, KILL, KILL, LATER),
	ROW(setns, KILL, KILL, KILL, LATER),
	ROW(umount2, KILL, KILL, KILL, LATER),
	ROW(unshare, KILL, KILL, KILL, LATER),
	ROW(userfaultfd, KILL, KILL, KILL, LATER),
	ROW(vfork, KILL, KILL, KILL, LATER),
	/* a signal to another process: not worth dying for */
	ROW(kill, DENY, DENY, DENY, LATER),
#ifdef SANITIZED
	/* what the sanitizers do beside, in their builds alone: stacks for signals, yielding locks, reports */
	ROW(getrlimit, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(getrusage, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(mincore, ALLOW, ALLOW, ALLOW, ALLOW),
	ROW(sigaltstack, ALLOW, ALLOW, ALLOW, ALLOW),
#endif
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* ------------------------------------------------------------ from the table to a filter */

#ifdef KEYHOUSE_DEBUG
#define KILLS SCMP_ACT_TRAP /* SIGSYS, so that the process can say what it was */
#else
#define KILLS SCMP_ACT_KILL_PROCESS
#endif
#define DENIES SCMP_ACT_ERRNO(EPERM)
#define ABSENT SCMP_ACT_ERRNO(ENOSYS)
#define ALLOWS SCMP_ACT_ALLOW

/* A part of a rule: the action where the argument is so. With a mask: compared under it. */
struct part {
	uint32_t action;
	struct scmp_arg_cmp when;
};
#define PARTS_MAX 3

#define IS(arg, value)                                                                                                 \
	{                                                                                                              \
		(arg), SCMP_CMP_EQ, (value), 0                                                                         \
	}
#define IS_NOT(arg, value)                                                                                             \
	{                                                                                                              \
		(arg), SCMP_CMP_NE, (value), 0                                                                         \
	}
#define UNDER(arg, mask, value)                                                                                        \
	{                                                                                                              \
		(arg), SCMP_CMP_MASKED_EQ, (mask), (value)                                                             \
	}
#define KIND_OF_SOCKET 0xfu /* the rest of its type is flags */
#define NOT_READING (O_ACCMODE | O_CREAT | O_TRUNC)

static const struct part parts[RULES][PARTS_MAX] = {
	[THREAD] = {{ALLOWS, UNDER(0, CLONE_THREAD, CLONE_THREAD)}, {KILLS, UNDER(0, CLONE_THREAD, 0)}},
	[BARE] = {{ALLOWS, IS(4, 0)}, {KILLS, IS_NOT(4, 0)}},
	[DATA] = {{ALLOWS, UNDER(2, PROT_EXEC, 0)}, {DENIES, UNDER(2, PROT_EXEC, PROT_EXEC)}},
	[NOCODE] = {{ALLOWS, UNDER(2, PROT_EXEC, 0)}, {KILLS, UNDER(2, PROT_EXEC, PROT_EXEC)}},
	[READ] = {{ALLOWS, UNDER(2, NOT_READING, O_RDONLY)}},
	[INET] = {{ALLOWS, IS(0, AF_INET)}, {ALLOWS, IS(0, AF_INET6)}, {ALLOWS, IS(0, AF_NETLINK)}},
	[PAIR] = {{ALLOWS, UNDER(1, KIND_OF_SOCKET, SOCK_STREAM)}},
	[NAME] = {{ALLOWS, IS(0, PR_SET_NAME)}},
	[LOOK] = {{ALLOWS, IS(2, 0)}},
	[AWAITS] = {{ALLOWS, IS(1, FIONREAD)}},
};

/* What is the default anyway, the library refuses as a rule. */
static bool part_add(scmp_filter_ctx filter, uint32_t otherwise, int call, const struct part *p)
{
	return p->action == otherwise || seccomp_rule_add_array(filter, p->action, call, 1, &p->when) == 0;
}

static bool rule_add(scmp_filter_ctx filter, uint32_t otherwise, int call, enum rule rule)
{
	static const uint32_t plain[RULES] = {[ALLOW] = ALLOWS, [DENY] = DENIES, [KILL] = KILLS};
	const struct part itself = {ALLOWS, IS(0, (scmp_datum_t)getpid())};
	bool ok = true;

	if (rule == LATER)
		return true;
	if (rule == ALLOW || rule == DENY || rule == KILL)
		return plain[rule] == otherwise || seccomp_rule_add(filter, plain[rule], call, 0) == 0;
	if (rule == ITSELF)
		return part_add(filter, otherwise, call, &itself);
	for (size_t i = 0; ok && i < PARTS_MAX && parts[rule][i].action != 0; i++)
		ok = part_add(filter, otherwise, call, &parts[rule][i]);
	return ok;
}

#ifdef KEYHOUSE_DEBUG
static const char *const filter_roles[FILTERS] = {"listener", "listener", "sender", "vault"};
static const char *trapped_role = "?";

/* Only calls that are safe in a signal handler; the signal's action is the default again when it comes. */
static void trapped(int number, siginfo_t *info, void *context)
{
	const char *words[] = {"forbidden call: role=", trapped_role, " call=", NULL, "\n"};
	char digits[12];
	size_t at = sizeof(digits) - 1;

	(void)context;
	digits[at] = '\0';
	for (int n = info->si_syscall; at > 0 && (n > 0 || at == sizeof(digits) - 1); n /= 10)
		digits[--at] = (char)('0' + n % 10);
	words[3] = digits + at;
	for (size_t i = 0; i < ROWS; i++)
		if (rows[i].call == info->si_syscall)
			words[3] = rows[i].name;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (write(STDERR_FILENO, words[i], strlen(words[i])) < 0)
			break;
	(void)syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), number);
}

static bool traps_named(enum filter which)
{
	struct sigaction named = {.sa_sigaction = trapped, .sa_flags = (int)(SA_SIGINFO | SA_RESETHAND | SA_NODEFER)};

	trapped_role = filter_roles[which];
	return sigaction(SIGSYS, &named, NULL) == 0;
}
#else
static bool traps_named(enum filter which)
{
	(void)which;
	return true;
}
#endif

/* Holds for every thread of the process, and for what it may still start. */
static bool filter_load(enum filter which)
{
	const uint32_t otherwise = which == VAULT ? KILLS : ABSENT;
	scmp_filter_ctx filter = seccomp_init(otherwise);
	bool ok = filter != NULL && traps_named(which) && seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 &&
		/* harden_process has done that; the filter before this one may not allow it any more */
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0) == 0 &&
		seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) == 0 &&
		seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2) == 0; /* found by halving, not one by one */

	for (size_t i = 0; ok && i < ROWS; i++)
		ok = rule_add(filter, otherwise, rows[i].call, rows[i].rules[which]);
	ok = ok && seccomp_load(filter) == 0;
	if (filter != NULL)
		seccomp_release(filter);
	return ok;
}

/* ------------------------------------------------------------ Landlock: what may be opened by name */

/* The kernel's struct landlock_ruleset_attr as it is since version 6 of its interface; this system's header may be
 * older than its kernel. An older kernel takes the longer one as long as what it does not know is 0. */
struct ruleset {
	uint64_t files, ports, beyond;
};

#define PORT_BIND 1u /* LANDLOCK_ACCESS_NET_BIND_TCP */
#define PORT_CONNECT 2u /* LANDLOCK_ACCESS_NET_CONNECT_TCP */
#define BEYOND_ALL 3u /* LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET and LANDLOCK_SCOPE_SIGNAL */

/* Everything that the kernel's version can refuse of what is known here. */
static struct ruleset ruleset_all(long version)
{
	/* How many rights about files each version has: 2 added REFER, 3 TRUNCATE, 5 IOCTL_DEV. */
	static const unsigned rights[] = {0, 13, 14, 15, 15, 16};
	const size_t known = sizeof(rights) / sizeof(rights[0]) - 1;

	return (struct ruleset){.files = (1u << rights[(size_t)version < known ? (size_t)version : known]) - 1,
		.ports = version >= 4 ? PORT_BIND | PORT_CONNECT : 0,
		.beyond = version >= 6 ? BEYOND_ALL : 0};
}

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

/* Holds for this thread and those that it starts. Only what `reads` names (up to its NULL) can be opened, for reading;
 * no port is bound, and none connected to unless `connects`; sockets and signals of other programs are out of reach.
 * Where the kernel has no Landlock, nothing happens: vault/DESIGN.md says what that means. */
static bool sight_narrow(const char *const *reads, bool connects)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset all;
	bool ok = true;
	int ruleset;

	if (version < 1)
		return true;
	all = ruleset_all(version);
	if (connects)
		all.ports &= PORT_BIND;
	ruleset = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (ruleset < 0)
		return false;
	for (size_t i = 0; ok && reads[i] != NULL; i++)
		ok = read_allow(ruleset, reads[i]);
	ok = ok && syscall(SYS_landlock_restrict_self, ruleset, 0) == 0;
	(void)close(ruleset);
	return ok;
}

static const char *const nothing[] = {NULL};

/* Certificates, where systems keep them, and what the resolver reads. */
static const char *const sender_reads[] = {"/etc/ssl/certs", "/etc/ssl/cert.pem", "/etc/pki/tls/certs",
	"/etc/pki/tls/cert.pem", "/etc/pki/ca-trust/extracted", "/usr/share/ca-certificates",
	"/usr/local/share/ca-certificates", "/etc/resolv.conf", "/run/systemd/resolve", "/run/resolvconf",
	"/run/NetworkManager", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services",
	NULL};
_Static_assert(sizeof(sender_reads) / sizeof(sender_reads[0]) <= HARDEN_READS_MAX + 1, "HARDEN_READS_MAX");

void harden_reads_note(struct harden_reads *out)
{
	struct stat st;

	*out = (struct harden_reads){.file = {0}};
	for (size_t i = 0; sender_reads[i] != NULL; i++) {
		if (stat(sender_reads[i], &st) != 0)
			continue;
		out->device[i] = st.st_dev;
		out->file[i] = st.st_ino;
	}
}

/* Whether what a name leads to lies in a directory that may be read as a whole and is still the same one. */
static bool in_sight(const char *name, const struct harden_reads *then, const struct harden_reads *now)
{
	char path[PATH_MAX];

	if (realpath(name, path) == NULL)
		return true; /* it went just now: nothing to read */
	for (size_t i = 0; sender_reads[i] != NULL; i++) {
		const size_t len = strlen(sender_reads[i]);

		if (strncmp(path, sender_reads[i], len) == 0 && path[len] == '/' && then->file[i] == now->file[i] &&
			then->device[i] == now->device[i])
			return true;
	}
	return false;
}

const char *harden_reads_replaced(const struct harden_reads *then)
{
	struct harden_reads now;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1)
		return NULL;
	harden_reads_note(&now);
	for (size_t i = 0; sender_reads[i] != NULL; i++)
		if (now.file[i] != 0 && (now.file[i] != then->file[i] || now.device[i] != then->device[i]) &&
			!in_sight(sender_reads[i], then, &now))
			return sender_reads[i];
	return NULL;
}

/* ------------------------------------------------------------ the roles */

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

static bool raised(__rlimit_resource_t what)
{
	struct rlimit limit;

	if (getrlimit(what, &limit) != 0)
		return false;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(what, &limit) == 0;
}

/* Descriptors: a crowd of strangers holds some seven hundred, and where there are none left, nobody is let in. */
static bool limits_set(void)
{
	static const struct rlimit no_core = {0, 0};

	return raised(RLIMIT_MEMLOCK) && raised(RLIMIT_NOFILE) && setrlimit(RLIMIT_CORE, &no_core) == 0;
}

bool harden_process(void)
{
	return prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		limits_set() && capabilities_drop() && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool harden_memory(void)
{
	static const struct rlimit no_core = {0, 0};

	return setrlimit(RLIMIT_CORE, &no_core) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

bool harden_listener_start(void)
{
	return filter_load(START);
}

bool harden_listener_files(void)
{
	return sight_narrow(nothing, false);
}

bool harden_listener_sealed(void)
{
	return filter_load(SEALED);
}

bool harden_sender(void)
{
	return sight_narrow(sender_reads, true) && filter_load(SENDER);
}

bool harden_vault(void)
{
	return sight_narrow(nothing, false) && filter_load(VAULT);
}
