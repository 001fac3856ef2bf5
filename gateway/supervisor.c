/*
 * Life of the service: prepare, start the three roles, watch, restart with backoff,
 * end. A role that dies takes the others with it, since each holds state that the
 * others rely on; the store makes the new start safe.
 */
#include "gateway/supervisor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/datadir.h"
#include "gateway/harden.h"
#include "gateway/log.h"
#include "gateway/role.h"
#include "vault/vault.h"

#define WAIT_MS 5000u /* for lock and ports: a restart right after a kill works */
#define READY_MS 60000 /* a start that recovers a long write-ahead log takes a while */
#define READY_LOOK_MS 100 /* between looks whether the start is to end */
#define END_MS 10000 /* for requests that are running */
#define END_SHORT_MS 1000 /* where there are none */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 30000
#define KEY_TAKEN_MS 5000
#define LOOK_MS 5000 /* between looks at the files that the sender reads by name */
#define STABLE_MS 60000 /* a run this long forgets earlier deaths */

struct supervisor {
	const struct config *config;
	int signals;
	int lock;
	int control;
	int memory; /* of vaults, one after the other */
	int plain[CONFIG_ADDRESSES_MAX], tls[CONFIG_ADDRESSES_MAX];
	size_t plain_len, tls_len;
	struct role_process roles[ROLES];
	struct harden_reads reads; /* when the roles were started */
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ------------------------------------------------------------ preparing */

static int socket_listen(const struct config_address *a)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(a->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(a->port)};
	const struct sockaddr *address = a->ipv6 ? (const struct sockaddr *)&v6 : (const struct sockaddr *)&v4;
	socklen_t len = a->ipv6 ? sizeof(v6) : sizeof(v4);
	int on = 1, fd, saved;

	memcpy(&v4.sin_addr, a->bytes, 4);
	memcpy(&v6.sin6_addr, a->bytes, 16);
	fd = socket(a->ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(!a->ipv6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
		bind(fd, address, len) == 0 && listen(fd, 1024) == 0)
		return fd;
	saved = errno;
	(void)close(fd);
	errno = saved;
	return -1;
}

static bool sockets_open(const char *value, int fds[static CONFIG_ADDRESSES_MAX], size_t *len, int64_t deadline,
	char *why, size_t why_len)
{
	struct config_address list[CONFIG_ADDRESSES_MAX];
	size_t n = config_addresses(value, list);
	bool said = false;

	for (*len = 0; *len < n;) {
		int fd = socket_listen(&list[*len]);

		if (fd >= 0) {
			fds[(*len)++] = fd;
			continue;
		}
		if (errno != EADDRINUSE || now_ms() >= deadline) {
			(void)snprintf(why, why_len, "cannot listen on %.200s (entry %zu): %s", value, *len + 1,
				strerror(errno));
			return false;
		}
		if (!said)
			log_info("%s is in use; waiting up to %u s", value, WAIT_MS / 1000);
		said = true;
		(void)poll(NULL, 0, 100);
	}
	return true;
}

static bool signals_take(struct supervisor *s)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return false;
	s->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return s->signals >= 0;
}

static bool prepare(struct supervisor *s, char *why, size_t why_len)
{
	int64_t deadline = now_ms() + WAIT_MS;

	if (!signals_take(s)) {
		(void)snprintf(why, why_len, "cannot take signals: %s", strerror(errno));
		return false;
	}
	if (!datadir_prepare(s->config, why, why_len) ||
		datadir_lock(s->config, WAIT_MS, &s->lock, why, why_len) != DATADIR_LOCKED)
		return false;
	datadir_sweep(s->config);
	if (!sockets_open(config_get(s->config, CONFIG_LISTEN), s->plain, &s->plain_len, deadline, why, why_len) ||
		!sockets_open(config_get(s->config, CONFIG_LISTEN_TLS), s->tls, &s->tls_len, deadline, why, why_len))
		return false;
	s->control = datadir_control_listen(s->config, why, why_len);
	return s->control >= 0;
}

/* ------------------------------------------------------------ starting the roles */

static int file_open(const struct config *c, enum config_key key, char *why, size_t why_len)
{
	int fd = open(config_get(c, key), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		(void)snprintf(why, why_len, "cannot open %s %.600s: %s", config_name(key), config_get(c, key),
			strerror(errno));
	return fd;
}

/* Descriptors of one start; closed here once the roles have theirs. */
struct links {
	int key, cert, cert_key;
	int listener_vault[2], sender_vault[2], listener_sender[2];
};

static void links_close(struct links *l)
{
	int all[] = {l->key, l->cert, l->cert_key, l->listener_vault[0], l->listener_vault[1], l->sender_vault[0],
		l->sender_vault[1], l->listener_sender[0], l->listener_sender[1]};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] >= 0)
			(void)close(all[i]);
}

static bool links_open(const struct supervisor *s, struct links *l, char *why, size_t why_len)
{
	*l = (struct links){-1, -1, -1, {-1, -1}, {-1, -1}, {-1, -1}};
	l->key = datadir_key_open(s->config, why, why_len);
	if (l->key < 0)
		return false;
	if (s->tls_len > 0) {
		l->cert = file_open(s->config, CONFIG_TLS_CERT, why, why_len);
		l->cert_key = l->cert < 0 ? -1 : file_open(s->config, CONFIG_TLS_KEY, why, why_len);
		if (l->cert_key < 0)
			return false;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, l->listener_vault) != 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, l->sender_vault) != 0 ||
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, l->listener_sender) != 0) {
		(void)snprintf(why, why_len, "cannot make sockets: %s", strerror(errno));
		return false;
	}
	return true;
}

static bool roles_spawn(struct supervisor *s, const struct links *l)
{
	struct role_boot boot = {s->config, (unsigned)s->plain_len, (unsigned)s->tls_len};
	int vault[] = {l->key, l->listener_vault[1], l->sender_vault[1], s->memory};
	int sender[] = {l->listener_sender[1], l->sender_vault[0]};
	int listener[ROLE_FDS_MAX];
	size_t n = 0;

	/* The lock goes along: it is free only when the last writer is gone. */
	listener[n++] = l->listener_vault[0];
	listener[n++] = l->listener_sender[0];
	listener[n++] = s->lock;
	listener[n++] = s->control;
	for (size_t i = 0; i < s->plain_len; i++)
		listener[n++] = s->plain[i];
	for (size_t i = 0; i < s->tls_len; i++)
		listener[n++] = s->tls[i];
	if (s->tls_len > 0) {
		listener[n++] = l->cert;
		listener[n++] = l->cert_key;
	}
	return role_spawn(ROLE_VAULT, vault, 4, &boot, &s->roles[ROLE_VAULT]) &&
		role_spawn(ROLE_SENDER, sender, 2, &boot, &s->roles[ROLE_SENDER]) &&
		role_spawn(ROLE_LISTENER, listener, n, &boot, &s->roles[ROLE_LISTENER]);
}

/* Takes nothing off the signals: what else came meanwhile is still there for event_wait. */
static bool end_wanted(void)
{
	sigset_t set;

	return sigpending(&set) == 0 && (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

/* What the role says, unless it is to end before it said anything. */
static enum role_word role_await(struct role_process *p, char *why, size_t why_len)
{
	const int64_t deadline = now_ms() + READY_MS;
	enum role_word word = ROLE_SAID_NOTHING;

	while (word == ROLE_SAID_NOTHING && now_ms() < deadline && !end_wanted())
		word = role_wait(p, READY_LOOK_MS, why, why_len);
	return word;
}

/* Vault first: a bad key is said before anything else runs. */
static bool roles_start(struct supervisor *s, char *why, size_t why_len)
{
	static const enum role order[] = {ROLE_VAULT, ROLE_SENDER, ROLE_LISTENER};
	struct links links;
	bool ok = false;

	if (!links_open(s, &links, why, why_len))
		goto out;
	if (!roles_spawn(s, &links)) {
		(void)snprintf(why, why_len, "cannot start a role: %s", strerror(errno));
		goto out;
	}
	for (size_t i = 0; i < ROLES; i++) {
		enum role_word word = role_await(&s->roles[order[i]], why, why_len);

		if (word == ROLE_SAID_READY)
			continue;
		if (word != ROLE_SAID_FAILED)
			(void)snprintf(why, why_len, "the %s did not start", role_name(order[i]));
		goto out;
	}
	ok = true;
out:
	links_close(&links);
	return ok;
}

/* ------------------------------------------------------------ ending the roles */

static void role_gone(struct supervisor *s, pid_t pid, int status)
{
	for (int r = 0; r < ROLES; r++) {
		struct role_process *p = &s->roles[r];

		if (p->pid != pid)
			continue;
		if (WIFSIGNALED(status))
			log_warn("role ended role=%s signal=%d", role_name((enum role)r), WTERMSIG(status));
		else
			log_info("role ended role=%s status=%d", role_name((enum role)r), WEXITSTATUS(status));
		role_close(p);
		p->pid = 0;
	}
}

static unsigned roles_reap(struct supervisor *s)
{
	unsigned alive = 0;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		role_gone(s, pid, status);
	for (int r = 0; r < ROLES; r++)
		alive += s->roles[r].pid != 0;
	return alive;
}

static void roles_signal(struct supervisor *s, int number)
{
	for (int r = 0; r < ROLES; r++)
		if (s->roles[r].pid != 0)
			(void)kill(s->roles[r].pid, number);
}

/* The listener ends its requests; the others end when it closes its sockets. */
static void roles_end(struct supervisor *s, int patience_ms)
{
	int64_t deadline = now_ms() + patience_ms;

	if (s->roles[ROLE_LISTENER].pid != 0)
		(void)kill(s->roles[ROLE_LISTENER].pid, SIGTERM);
	while (roles_reap(s) > 0 && now_ms() < deadline && s->roles[ROLE_LISTENER].pid != 0)
		(void)poll(NULL, 0, 10);
	roles_signal(s, SIGKILL);
	while (roles_reap(s) > 0)
		(void)poll(NULL, 0, 5);
}

/* ------------------------------------------------------------ watching */

enum event { EVENT_NONE, EVENT_END, EVENT_DEATH, EVENT_RELOAD };

/* The listener was told that the key file is another one: the running vault gets it, nothing ends for it. */
static void key_reload(struct supervisor *s)
{
	char why[1024] = "";
	int key = datadir_key_open(s->config, why, sizeof(why));
	enum vault_error err = VAULT_GONE;

	if (key >= 0) {
		err = vault_key_pass(s->roles[ROLE_VAULT].link, key, KEY_TAKEN_MS);
		(void)close(key);
		/* Its word may still come, and would be taken for the next file's: all begin anew, with this file. */
		if (err == VAULT_GONE && s->roles[ROLE_VAULT].pid != 0)
			(void)kill(s->roles[ROLE_VAULT].pid, SIGKILL);
		if (err == VAULT_WRONG_KEY)
			(void)snprintf(why, sizeof(why), "the key file does not hold the key that is in use");
		else if (err != VAULT_OK)
			(void)snprintf(why, sizeof(why), "the key file is not taken: %s", vault_error_text(err));
	}
	if (err == VAULT_OK)
		log_info("the vault has read the key file again");
	else
		log_error("the vault keeps the keys it has: %s", why);
	role_answer_key(&s->roles[ROLE_LISTENER], err == VAULT_OK ? NULL : why);
}

/* Sleeps until something happens or timeout_ms passed. */
static enum event event_wait(struct supervisor *s, int timeout_ms)
{
	struct pollfd pfd[] = {
		{.fd = s->signals, .events = POLLIN}, {.fd = s->roles[ROLE_LISTENER].link, .events = POLLIN}};
	struct signalfd_siginfo info;
	enum event event = EVENT_NONE;

	(void)poll(pfd, 2, timeout_ms);
	if (pfd[1].revents != 0 && role_asks_for_key(&s->roles[ROLE_LISTENER]))
		key_reload(s);
	while (read(s->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			return EVENT_END;
		if (info.ssi_signo == SIGHUP)
			event = EVENT_RELOAD;
		if (info.ssi_signo == SIGCHLD && event == EVENT_NONE)
			event = EVENT_DEATH;
	}
	return event;
}

static enum event serve_until(struct supervisor *s)
{
	const char *replaced = NULL;
	enum event event;

	do {
		event = event_wait(s, LOOK_MS);
		if (event == EVENT_DEATH && roles_reap(s) == ROLES)
			event = EVENT_NONE;
		if (event == EVENT_NONE && (replaced = harden_reads_replaced(&s->reads)) != NULL) {
			log_info("%s is another file now, which only a sender that starts anew may read", replaced);
			event = EVENT_RELOAD;
		}
	} while (event == EVENT_NONE);
	return event;
}

static void say_serving(const struct config *c)
{
	log_info("serving listen=%s%s%s public_url=%s data_dir=%s", config_get(c, CONFIG_LISTEN),
		config_get(c, CONFIG_LISTEN_TLS)[0] != '\0' ? " listen_tls=" : "", config_get(c, CONFIG_LISTEN_TLS),
		config_get(c, CONFIG_PUBLIC_URL), config_get(c, CONFIG_DATA_DIR));
	if (strncmp(config_get(c, CONFIG_PUBLIC_URL), "https://", 8) != 0)
		log_warn("public_url is not https: Meta delivers webhooks to https only; set public_url");
}

/* Waits out the backoff; a person may cut it short. */
static enum event backoff(struct supervisor *s, int ms)
{
	int64_t deadline = now_ms() + ms;
	enum event event = EVENT_NONE;

	while (event != EVENT_END && event != EVENT_RELOAD && now_ms() < deadline)
		event = event_wait(s, (int)(deadline - now_ms()));
	return event;
}

/* Returns true to start again after the backoff. */
static bool run_once(struct supervisor *s, int *backoff_ms, bool *served, int *status)
{
	char why[1024] = "";
	int64_t started = now_ms();
	enum event event = EVENT_DEATH;
	int patience_ms = END_SHORT_MS;

	harden_reads_note(&s->reads);
	if (roles_start(s, why, sizeof(why))) {
		*served = true;
		say_serving(s->config);
		event = serve_until(s);
		if (event != EVENT_DEATH)
			patience_ms = END_MS;
	} else if (end_wanted()) {
		event = EVENT_END;
	} else {
		log_error("cannot start: %s", why);
	}
	roles_end(s, patience_ms);
	if (event == EVENT_RELOAD) {
		/* Key file and certificates are opened anew; callers wait in the sockets' backlog meanwhile. */
		log_info("reloading: key file and certificates are opened anew; settings are those of the start");
		return true;
	}
	if (event == EVENT_END) {
		*status = 0;
		return false;
	}
	/* What a person must mend is not cured by trying again; a service that ran once goes on trying, since what
	 * broke (a full disk) may be mended while it does. */
	if (!*served) {
		*status = 1;
		return false;
	}
	if (now_ms() - started > STABLE_MS)
		*backoff_ms = BACKOFF_FIRST_MS;
	log_warn("starting all roles again in_ms=%d", *backoff_ms);
	if (backoff(s, *backoff_ms) == EVENT_END) {
		*status = 0;
		return false;
	}
	*backoff_ms = *backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : *backoff_ms * 2;
	return true;
}

int supervisor_run(const struct config *config)
{
	struct supervisor s = {
		.config = config, .signals = -1, .lock = -1, .control = -1, .memory = vault_memory_new()};
	char why[1024] = "";
	int backoff_ms = BACKOFF_FIRST_MS, status = 1;
	bool served = false;

	for (int r = 0; r < ROLES; r++)
		s.roles[r] = (struct role_process){.link = -1};
	if (s.memory < 0) {
		log_error("cannot start: memory is short");
		return 1;
	}
	if (!prepare(&s, why, sizeof(why))) {
		log_error("cannot start: %s", why);
		return 1;
	}
	while (run_once(&s, &backoff_ms, &served, &status))
		continue;
	if (status == 0)
		log_info("ended");
	return status;
}
