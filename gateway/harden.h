/*
 * Hardening: what each role gives up before it reads a stranger's byte.
 *
 * The promise of vault/DESIGN.md rests on it, so every function here either does
 * all of what it says or returns false, and the role ends.
 *
 * What a role may call is a table in harden.c. Calls that only an attacker makes
 * kill the process; in a build with KEYHOUSE_DEBUG it names call and role on
 * standard error first. Calls that nobody decided on answer ENOSYS in listener
 * and sender, so that a newer C library takes another way in place of dying; in
 * the vault they kill.
 */
#ifndef KEYHOUSE_HARDEN_H
#define KEYHOUSE_HARDEN_H

#include <stdbool.h>
#include <stdint.h>

/* For every role, first thing: dies with its parent, no new privileges, no capabilities,
 * not dumpable (another user's debugger and /proc/PID/mem are refused), no core. As much
 * memory may be locked as the hard limit allows. */
bool harden_process(void);

/* For the supervisor and for commands, through which pasted keys come: not dumpable, no core. The roles they start do
 * more by themselves. */
bool harden_memory(void);

/* Listener, before it opens anything: sockets, connect, sendto with an address, running a program, making
 * a process, reaching into another one kill. */
bool harden_listener_start(void);

/* Listener, when its files are open and before its first thread: where the kernel has Landlock, nothing
 * more can be opened or made by a name, in any thread that comes. */
bool harden_listener_files(void);

/* Listener, when all threads run; holds for every thread: open and its kin answer EPERM; new threads kill. */
bool harden_listener_sealed(void);

/* Sender, after its TLS library read its settings. It connects over TCP and UDP, and never listens or accepts
 * (kill); bind answers EPERM (the resolver tries it). It opens files for reading alone and loads no code: names
 * are looked up by the C library's own means. Where the kernel has Landlock, it reads certificates and resolver
 * files only. */
bool harden_sender(void);

/* What lay at a moment under the names that the sender may read. */
#define HARDEN_READS_MAX 24u
struct harden_reads {
	uint64_t device[HARDEN_READS_MAX], file[HARDEN_READS_MAX]; /* 0: nothing */
};
void harden_reads_note(struct harden_reads *out);
/* A name under which another file lies by now, which a sender of that moment may not read: Landlock goes by the file, and
 * network managers replace theirs. NULL: there is none, or the kernel has no Landlock. */
const char *harden_reads_replaced(const struct harden_reads *then);

/* Vault, after it read its key: a short list of calls is allowed, everything else kills, but for open, which
 * answers EPERM: the library tries the time zone's file for a line of the log. */
bool harden_vault(void);

#endif
