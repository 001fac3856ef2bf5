/*
 * The data directory: database, lock, control socket, generated master key.
 *
 * Whoever works on it holds its lock: the service while it runs, else one command
 * at a time. Sentences written to why are for the person at the terminal.
 */
#ifndef KEYHOUSE_DATADIR_H
#define KEYHOUSE_DATADIR_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config.h"
#include "vault/vault.h"

#define DATADIR_PATH_MAX (CONFIG_VALUE_MAX + 32u)

/* Makes the directory, owner-only, where it is missing; refuses one that others may write. */
bool datadir_prepare(const struct config *c, char *why, size_t why_len);

enum datadir_lock { DATADIR_LOCKED, DATADIR_IN_USE, DATADIR_LOCK_FAILED };
/* Takes the lock, waiting up to wait_ms; *fd holds it until closed by all who have it. */
enum datadir_lock datadir_lock(const struct config *c, unsigned wait_ms, int *fd, char *why, size_t why_len);

void datadir_database(const struct config *c, char path[static DATADIR_PATH_MAX]);

/* Files with keys in them that are there for a while. datadir_stage: a backup that is about to take the database's place;
 * only who has the lock makes it. datadir_copy: a copy that a command of this process looks at, also beside a running
 * service; who makes it holds datadir_copies_lock (a descriptor, or -1), which removes what killed ones left. */
void datadir_stage(const struct config *c, char path[static DATADIR_PATH_MAX]);
void datadir_copy(const struct config *c, char path[static DATADIR_PATH_MAX]);
int datadir_copies_lock(const struct config *c);
/* Removes those, and drafts of the key file, that a killed command left, and nothing that a running one has; each with a
 * line in the log. For who has just taken datadir_lock. */
void datadir_sweep(const struct config *c);

/* Opens the master key file: $CREDENTIALS_DIRECTORY/master-key, else master_key_file. Where there is none
 * and no database either, makes one, in a process of its own. Returns the descriptor or -1. */
int datadir_key_open(const struct config *c, char *why, size_t why_len);

/* The same, but never makes one. */
int datadir_key_find(const struct config *c, char *why, size_t why_len);

/* Seals the keys of the key file to a passphrase, in a process of its own (vault_kit_seal). */
bool datadir_kit_make(
	const struct config *c, const struct secret *passphrase, struct vault_kit *out, char *why, size_t why_len);
/* Makes a key file of a recovery kit; never over a file that is there. to NULL: where master_key_file says, and not when
 * none of its keys is among those that the database there needs (needed_len 0: whatever they are). path is where it went. */
bool datadir_key_restore(const struct config *c, const char *to, const struct vault_kit *kit,
	const struct secret *passphrase, const char (*needed)[VAULT_KEY_ID_LEN + 1], size_t needed_len,
	char path[static DATADIR_PATH_MAX], char *why, size_t why_len);

/* Puts a fresh master key into the key file as the current one; those that were there become previous ones. to: writes
 * what the file would be into this new file instead, and leaves the key file as it is; needed where it is systemd's. */
bool datadir_key_rotate(const struct config *c, const char *to, char *why, size_t why_len);
/* Takes every previous key out of it that is not in keep; *gone counts them. */
bool datadir_key_retire(const struct config *c, const char (*keep)[VAULT_KEY_ID_LEN + 1], size_t keep_len,
	unsigned *gone, char *why, size_t why_len);

/* The control socket, bound owner-only and listening; -1 on failure. */
int datadir_control_listen(const struct config *c, char *why, size_t why_len);
/* Connects to it; -1 when nobody serves there. */
int datadir_control_connect(const struct config *c);

#endif
