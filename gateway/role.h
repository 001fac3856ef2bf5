/*
 * Roles: the three processes of a running Keyhouse, how one is started, and what a
 * role and its starter say to each other.
 *
 * A role is this program executed again, so that each has an address layout of its
 * own. It inherits exactly the descriptors it was given: number 3 is its link to its
 * starter, the others follow in the order given to role_spawn.
 *
 * Called by supervisor and command (starting), listener and main (being started).
 */
#ifndef KEYHOUSE_ROLE_H
#define KEYHOUSE_ROLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "gateway/config.h"
#include "vault/frame.h"

enum role { ROLE_LISTENER, ROLE_SENDER, ROLE_VAULT };
#define ROLES 3

const char *role_name(enum role role); /* "listener": its command line, its name in the log */

#define ROLE_FDS_MAX 32u
#define ROLE_LINK_FD 3
#define ROLE_FIRST_FD 4

/* ------------------------------------------------------------ starting one */

/* What a role must know beside the settings. */
struct role_boot {
	const struct config *config;
	unsigned sockets; /* listener: how many plain listening sockets */
	unsigned sockets_tls; /* how many TLS ones; certificate and key follow them */
};

struct role_process {
	pid_t pid; /* 0: not running */
	int link; /* to read what it says; -1 when closed */
	struct frame_inbox said; /* of what it says, so far */
};

void role_close(struct role_process *p); /* its link; the role lives on. May be closed already */

/* Executes this program as a role. fds are copied, not taken. */
bool role_spawn(enum role role, const int *fds, size_t fds_len, const struct role_boot *boot, struct role_process *out);

enum role_word { ROLE_SAID_NOTHING, ROLE_SAID_READY, ROLE_SAID_FAILED, ROLE_GONE };
/* Reads what the role says: READY, or FAILED with one sentence. SAID_NOTHING when timeout_ms passed, and when only a part
 * of a word came: ask again. GONE when it died first, or said something else. */
enum role_word role_wait(struct role_process *p, int timeout_ms, char *sentence, size_t sentence_len);

/* Whether a role that is ready asks for the key file to be read again: it waits for the answer. Never waits itself. Also
 * when the role died, or said something else: then its link is closed. */
bool role_asks_for_key(struct role_process *p);
/* sentence: why it was not; NULL: it was. Closes the link to a role that does not read its answers. */
void role_answer_key(struct role_process *p, const char *sentence);

/* ------------------------------------------------------------ being one */

/* Takes the boot message from ROLE_LINK_FD. False: this was not started by a starter. */
bool role_boot_read(struct config *config, struct role_boot *boot);
void role_say_ready(void);
/* One sentence: what is wrong and what to do. The starter prints it. */
void role_say_failed(const char *sentence);
/* Has the starter read the key file again and hand it to the vault. False, with a sentence. One caller at a time. */
bool role_ask_for_key(char *why, size_t why_len);

#endif
