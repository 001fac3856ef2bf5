/*
 * A disk for tests: a VFS of SQLite, in memory, that knows what would be left after a power cut.
 *
 * A file has what programs read, and what the disk holds: that moves on at a sync alone. Whatever was written, truncated,
 * made or deleted since is open: disk_restore lets each of it survive, vanish or (of a sector of 512 bytes) tear, each by
 * itself, later ones also where earlier ones are gone. Locks and the log's index live in memory and are gone after a cut.
 *
 * One disk for a process, its default VFS once disk_install was called. Any thread may use it.
 */
#ifndef KEYHOUSE_TEST_CRASH_DISK_H
#define KEYHOUSE_TEST_CRASH_DISK_H

#include <stdbool.h>
#include <stdint.h>

/* What SQLite asks of a disk, each kind with its number in order. */
enum disk_call {
	DISK_OPEN,
	DISK_READ,
	DISK_WRITE,
	DISK_TRUNCATE,
	DISK_SYNC,
	DISK_DELETE,
	DISK_LOCK,
	DISK_SIZE,
	DISK_INDEX, /* a piece of the log's index is asked for */
	DISK_INDEX_LOCK,
	DISK_WRITE_LOCK, /* the one lock of the index that a writer holds */
	DISK_CALLS
};
extern const char *const disk_call_names[DISK_CALLS];

enum disk_trouble {
	DISK_EIO, /* of a sync: what it was for may be lost, and a later sync does not bring it back */
	DISK_ENOSPC, /* of a write: half of it is done */
	DISK_BUSY, /* of a lock: somebody else has it, and waiting costs no time */
};

void disk_install(void);
void disk_clear(void); /* an empty one; nobody has anything open */
void disk_seed(uint64_t seed); /* of all that disk_restore leaves to chance */

/* The power fails at the n-th call from now that changes something (1 is the next; 0: never): that call and all later
 * ones fail. */
void disk_cut_at(unsigned long n);
void disk_cut(void); /* now */
bool disk_is_cut(void);
/* What is left. Everybody has closed what was open. */
void disk_restore(void);
bool disk_has(const char *path); /* whether there is such a file */

/* Calls of that kind fail from the n-th from now on (1 is the next), so many. One trouble at a time. */
void disk_trouble(enum disk_call call, enum disk_trouble trouble, unsigned long n, unsigned long many);
unsigned long disk_trouble_met(void); /* how many of them have failed */
void disk_sound(void); /* no more trouble */

/* What is there, to begin from more than once; nobody has anything open. */
void disk_keep(void);
void disk_take_back(void);

/* Numbers that depend on nothing but *state; below n. */
uint64_t disk_chance(uint64_t *state, uint64_t n);

#endif
