/*
 * The writer: one thread, one connection, changes committed in groups.
 *
 * A change is a function that runs inside the group's transaction, behind a
 * savepoint of its own unless it is a single statement. Whoever queued it waits for
 * the commit, or is told of it. Between commits the thread checkpoints. Private to store/.
 */
#ifndef KEYHOUSE_STORE_WRITER_H
#define KEYHOUSE_STORE_WRITER_H

#include "store/db.h"

struct writer;

struct writer_change {
	enum store_error (*run)(struct db *db, void *arg);
	void *arg;
	void (*free)(void *arg); /* set: the change outlives a caller that gives up, and owns arg */
	bool single; /* one statement: needs no savepoint */
	size_t size; /* bytes that wait with it */
	/* Of writer_apply_later: what came of it, told once, by the thread, after the commit. Must not wait for anything,
	 * nor ask the writer. */
	void (*done)(void *ctx, enum store_error result);
	void *ctx;
	unsigned timeout_ms; /* 0: wait as long as it takes; else free must be set */
};

/* Takes db over, and of the options queue_max, failed and flushed. owed: what was destroyed before may still lie in the
 * log. */
struct writer *writer_start(const struct db *db, const struct store_options *opt, bool owed);
void writer_stop(struct writer *w); /* commits what is queued, waits until nobody is inside */

/* Queues a change and waits for it. Owns: calls free(arg) when it is set, whatever happens. */
enum store_error writer_apply(struct writer *w, const struct writer_change *change);
/* Queues many, in order, and waits for all. None undoes another, but those after one that failed are not run, nor queued
 * after one for which there was no room: STORE_BUSY. timeout_ms and free are not for these. STORE_NO_MEMORY: none was queued, and there are no results. */
enum store_error writer_apply_all(
	struct writer *w, const struct writer_change *changes, size_t len, enum store_error *results);
/* Queues a change for which nobody waits; its done is called unless this returns an error. It has no timeout. Owns: as
 * writer_apply. */
enum store_error writer_apply_later(struct writer *w, const struct writer_change *change);
/* Between two groups, everything goes into the file and the log is emptied. STORE_BUSY: not now, but it is owed from now
 * on: the thread tries again by itself until it is done. */
enum store_error writer_truncate(struct writer *w);
bool writer_alive(struct writer *w);

unsigned writer_waiting(struct writer *w); /* changes in the queue */
/* How many there were. */
unsigned long writer_commits(struct writer *w); /* of groups */
unsigned long writer_resets(struct writer *w); /* of the write-ahead log, for tests */

#endif
