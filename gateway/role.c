/*
 * Spawning a role and the few words exchanged with it, as frames on a socket pair.
 */
#include "gateway/role.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum word { WORD_BOOT = 1, WORD_READY = 2, WORD_FAILED = 3, WORD_KEY_ASKED = 4, WORD_KEY_TAKEN = 5 };
#define KEY_WAIT_MS 10000
#define BOOT_MAX (CONFIG_KEYS * (CONFIG_VALUE_MAX + 8u) + 64u)
#define SENTENCE_MAX 1024u

static const char *const names[ROLES] = {"listener", "sender", "vault"};

const char *role_name(enum role role)
{
	return names[role];
}

/* In the child: moves the descriptors to their places and executes the role. Only
 * calls that are safe after fork. */
static void child_exec(enum role role, const int *fds, size_t fds_len, pid_t parent)
{
	char *const argv[] = {(char *)(uintptr_t) "keyhouse", (char *)(uintptr_t)names[role], NULL};
	int moved[ROLE_FDS_MAX + 1];
	sigset_t none;

	/* First out of the way of the target numbers, then into place. */
	for (size_t i = 0; i < fds_len; i++)
		if ((moved[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 128)) < 0)
			_exit(70);
	for (size_t i = 0; i < fds_len; i++)
		if (dup2(moved[i], ROLE_LINK_FD + (int)i) < 0)
			_exit(70);
	if (close_range(ROLE_LINK_FD + (unsigned)fds_len, ~0u, 0) != 0)
		_exit(70);
	/* A parent that died before the next line would leave us alone for ever. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent)
		_exit(70);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	execv("/proc/self/exe", argv);
	_exit(70);
}

static bool boot_send(int fd, const struct role_boot *boot)
{
	struct frame f = FRAME_INIT(WORD_BOOT);
	bool ok;

	for (int k = 0; k < CONFIG_KEYS; k++)
		frame_put_text(&f, config_get(boot->config, (enum config_key)k));
	frame_put_u32(&f, boot->sockets);
	frame_put_u32(&f, boot->sockets_tls);
	ok = frame_send(fd, &f) == FRAME_OK;
	frame_clear(&f);
	return ok;
}

bool role_spawn(enum role role, const int *fds, size_t fds_len, const struct role_boot *boot, struct role_process *out)
{
	int all[ROLE_FDS_MAX + 1], link[2];
	pid_t parent = getpid(), pid;

	if (fds_len > ROLE_FDS_MAX || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) != 0)
		return false;
	all[0] = link[1];
	memcpy(all + 1, fds, fds_len * sizeof(*fds));
	pid = fork();
	if (pid == 0)
		child_exec(role, all, fds_len + 1, parent);
	(void)close(link[1]);
	if (pid < 0 || !boot_send(link[0], boot)) {
		(void)close(link[0]);
		return false;
	}
	*out = (struct role_process){.pid = pid, .link = link[0]};
	return true;
}

void role_close(struct role_process *p)
{
	if (p->link >= 0)
		(void)close(p->link);
	p->link = -1;
	frame_inbox_clear(&p->said);
}

enum role_word role_wait(struct role_process *p, int timeout_ms, char *sentence, size_t sentence_len)
{
	static const struct frame_limit limits[] = {{WORD_READY, 0}, {WORD_FAILED, SENTENCE_MAX}};
	struct pollfd pfd = {.fd = p->link, .events = POLLIN};
	bool whole = false;

	if (poll(&pfd, 1, timeout_ms) != 1)
		return ROLE_SAID_NOTHING;
	/* Never waits for the rest: the role may be taken over. */
	if (frame_inbox_read(p->link, &p->said, limits, 2, &whole) != FRAME_OK)
		return ROLE_GONE;
	if (!whole)
		return ROLE_SAID_NOTHING;
	if (p->said.body.type == WORD_READY)
		return ROLE_SAID_READY;
	(void)snprintf(sentence, sentence_len, "%s", frame_get_text(&p->said.body));
	return ROLE_SAID_FAILED;
}

/* A word from the one to the other after the start; sentence NULL: none goes with it. */
static bool word_send(int fd, enum word word, const char *sentence)
{
	struct frame f = FRAME_INIT(word);
	bool sent;

	if (sentence != NULL)
		frame_put_text(&f, sentence);
	sent = frame_send(fd, &f) == FRAME_OK;
	frame_clear(&f);
	return sent;
}

bool role_asks_for_key(struct role_process *p)
{
	static const struct frame_limit limits[] = {{WORD_KEY_ASKED, 0}};
	bool asks = false;

	if (frame_inbox_read(p->link, &p->said, limits, 1, &asks) != FRAME_OK || !asks)
		role_close(p);
	return asks;
}

void role_answer_key(struct role_process *p, const char *sentence)
{
	struct frame f = FRAME_INIT(sentence != NULL ? WORD_FAILED : WORD_KEY_TAKEN);
	bool complete = false;
	size_t sent = 0;

	if (sentence != NULL)
		frame_put_text(&f, sentence);
	/* Who asked may be gone, or asks on and on and reads no answer: nobody waits for it. */
	if (frame_send_some(p->link, &f, &sent, &complete) != FRAME_OK || !complete)
		role_close(p);
	frame_clear(&f);
}

bool role_ask_for_key(char *why, size_t why_len)
{
	static const struct frame_limit limits[] = {{WORD_KEY_TAKEN, 0}, {WORD_FAILED, SENTENCE_MAX}};
	struct pollfd pfd = {.fd = ROLE_LINK_FD, .events = POLLIN};
	struct frame f = FRAME_INIT(0);
	bool taken = false;

	(void)snprintf(why, why_len, "the supervisor does not answer");
	if (word_send(ROLE_LINK_FD, WORD_KEY_ASKED, NULL) && poll(&pfd, 1, KEY_WAIT_MS) == 1 &&
		frame_recv(ROLE_LINK_FD, limits, 2, &f) == FRAME_OK) {
		taken = f.type == WORD_KEY_TAKEN;
		if (!taken)
			(void)snprintf(why, why_len, "%s", frame_get_text(&f));
	}
	frame_clear(&f);
	return taken;
}

bool role_boot_read(struct config *config, struct role_boot *boot)
{
	static const struct frame_limit limits[] = {{WORD_BOOT, BOOT_MAX}};
	struct frame f = FRAME_INIT(0);
	char why[256];
	bool ok = frame_recv(ROLE_LINK_FD, limits, 1, &f) == FRAME_OK;

	memset(config, 0, sizeof(*config));
	for (int k = 0; ok && k < CONFIG_KEYS; k++)
		ok = config_set(config, (enum config_key)k, frame_get_text(&f), "supervisor", why, sizeof(why));
	boot->config = config;
	boot->sockets = frame_get_u32(&f);
	boot->sockets_tls = frame_get_u32(&f);
	ok = ok && frame_end(&f) && boot->sockets <= CONFIG_ADDRESSES_MAX && boot->sockets_tls <= CONFIG_ADDRESSES_MAX;
	frame_clear(&f);
	return ok;
}

void role_say_ready(void)
{
	/* A starter that is gone takes this role with it anyway. */
	(void)word_send(ROLE_LINK_FD, WORD_READY, NULL);
}

void role_say_failed(const char *sentence)
{
	(void)word_send(ROLE_LINK_FD, WORD_FAILED, sentence);
}
