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

#include "vault/frame.h"

enum word { WORD_BOOT = 1, WORD_READY = 2, WORD_FAILED = 3, WORD_KEY_ASKED = 4, WORD_KEY_TAKEN = 5 };
#define KEY_WAIT_MS 10000
#define HEAD_LEN 5u /* of a frame: the length of its body, its type */
#define HALF_MS 10 /* until the other half may be there */
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
	out->pid = pid;
	out->link = link[0];
	return true;
}

/* Whether reading a word now waits for nothing. Whoever reads the rest of half a word would wait for a role that may be
 * taken over. */
static bool is_whole(int fd)
{
	uint8_t word[HEAD_LEN + SENTENCE_MAX];
	const ssize_t n = recv(fd, word, sizeof(word), MSG_PEEK | MSG_DONTWAIT);
	size_t body;

	if (n < (ssize_t)HEAD_LEN)
		return n == 0; /* the end */
	body = (size_t)word[0] << 24 | (size_t)word[1] << 16 | (size_t)word[2] << 8 | word[3];
	return body > SENTENCE_MAX || (size_t)n >= HEAD_LEN + body; /* too long: read no further than its head */
}

enum role_word role_wait(struct role_process *p, int timeout_ms, char *sentence, size_t sentence_len)
{
	static const struct frame_limit limits[] = {{WORD_READY, 0}, {WORD_FAILED, SENTENCE_MAX}};
	struct pollfd pfd = {.fd = p->link, .events = POLLIN};
	struct frame f = FRAME_INIT(0);
	enum role_word word = ROLE_GONE;

	if (poll(&pfd, 1, timeout_ms) != 1)
		return ROLE_SAID_NOTHING;
	if (!is_whole(p->link)) {
		if ((pfd.revents & POLLHUP) != 0)
			return ROLE_GONE;
		(void)poll(NULL, 0, HALF_MS);
		return ROLE_SAID_NOTHING;
	}
	if (frame_recv(p->link, limits, 2, &f) == FRAME_OK) {
		if (f.type == WORD_READY)
			word = ROLE_SAID_READY;
		if (f.type == WORD_FAILED) {
			word = ROLE_SAID_FAILED;
			(void)snprintf(sentence, sentence_len, "%s", frame_get_text(&f));
		}
	}
	frame_clear(&f);
	return word;
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
	struct frame f = FRAME_INIT(0);
	bool asks = is_whole(p->link) && frame_recv(p->link, limits, 1, &f) == FRAME_OK;

	frame_clear(&f);
	if (!asks) {
		(void)close(p->link);
		p->link = -1;
	}
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
	if (frame_send_some(p->link, &f, &sent, &complete) != FRAME_OK || !complete) {
		(void)close(p->link);
		p->link = -1;
	}
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
