/*
 * Hardening: what each role gives up before it reads a stranger's byte.
 *
 * The promise of vault/DESIGN.md rests on it, so every function here either does
 * all of what it says or returns false, and the role ends.
 */
#ifndef KEYHOUSE_HARDEN_H
#define KEYHOUSE_HARDEN_H

#include <stdbool.h>

/* For every role, first thing: dies with its parent, no new privileges, no capabilities,
 * not dumpable (another user's debugger and /proc/PID/mem are refused), no core. */
bool harden_process(void);

/* Listener, before it opens anything: running a program, making a process, tracing or reaching into another one,
 * connect, sendto with an address and io_uring kill the process. */
bool harden_listener_start(void);

/* Listener, after its store, log and sockets are open and all threads run; holds for every
 * thread: open and its kin, and changing names or rights of files, answer EPERM; socket, bind and new threads kill. */
bool harden_listener_sealed(void);

/* Sender: as a listener's start, except that it may connect; listen and accept kill, bind
 * answers EPERM (the resolver tries it). Where the kernel has Landlock it reads certificates and resolver files only. */
bool harden_sender(void);

/* Vault, after it read its key: open answers EPERM; sockets, connect, threads, running a program kill. */
bool harden_vault(void);

#endif
