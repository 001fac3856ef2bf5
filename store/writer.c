/*
 * Group commit. The thread takes what is queued, runs it in one transaction, commits
 * (one fsync) and only then wakes the callers, or tells those who do not wait. While it commits, the next group gathers
 * by itself: no delay is ever added.
 *
 * Emptying the log waits for readers. What could not be done when it was asked for is owed, and tried again about once a
 * second, also beside a busy queue, until it is done: what was destroyed must not wait for the next start.
 *
 * A failed commit or I/O error is final: the state on disk is not known any more, and
 * trying the fsync again would report success for what is lost.
 */
#include "store/core.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GROUP_MAX 256u
#define QUEUE_MAX 4096u
#define QUEUE_BYTES_MAX (48u << 20) /* of bodies: as much again may be in the group that runs */
#define CHECKPOINT_FRAMES 4000 /* pages in the write-ahead log */
#define RESTART_FRAMES 16384 /* readers never left a gap: wait for them, and if that is in vain not soon again */

#define WAKES 2u
#define TRUNCATE_WAIT_MS 20 /* whoever asks for it tries again: nobody's commit is held up for long */
#define OWED_WAIT_MS 5
#define OWED_EVERY_MS 1000

enum stage { STAGE_QUEUED, STAGE_RUNNING, STAGE_DONE };

struct op {
	struct writer_change change;
	char actor[STORE_ACTOR_LEN + 1];
	enum stage stage; /* under the lock, as the next two */
	bool abandoned; /* the caller gave up: the writer frees it */
	struct op *next;
	enum store_error result;
	atomic_bool answered; /* result is the caller's to read */
	sem_t done; /* posted once, after that, unless it was abandoned */
	struct op *wakes[WAKES]; /* whose callers this one's caller wakes */
	struct joint *joint; /* set: of many that are waited for together, and then none of the two above is used */
};

struct joint {
	size_t left; /* under the lock */
	bool stopped; /* the thread's own: one of them failed */
	sem_t done;
};

struct writer {
	struct db db;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct op *first, **last;
	unsigned queued, queue_max;
	size_t queued_bytes;
	bool idle; /* the thread waits for work */
	atomic_uint inside; /* callers */
	pthread_cond_t truncated;
	unsigned long truncate_wanted, truncate_done; /* calls */
	enum store_error truncate_result; /* of the last */
	bool owed; /* the log is to be emptied, next at owed_at */
	struct timespec owed_at;
	unsigned long commits, resets;
	int frames, checkpoint_at, wait_at; /* the thread's own, as the next */
	bool reset; /* during this commit */
	bool stopping, dead;
	void (*failed)(void *ctx);
	void (*flushed)(void *ctx);
	void *ctx;
};

static bool is_final(enum store_error err)
{
	return err == STORE_FAILED || err == STORE_NOT_OURS;
}

static void op_free(struct op *op)
{
	if (op->change.free != NULL)
		op->change.free(op->change.arg);
	(void)sem_destroy(&op->done);
	free(op);
}

/* ------------------------------------------------------------ the thread */

/* Takes up to GROUP_MAX ops; the lock is held. */
static struct op *group_take(struct writer *w)
{
	struct op *group = w->first, *op = w->first;
	unsigned n = 0;

	for (; op != NULL; op = op->next) {
		op->stage = STAGE_RUNNING;
		w->queued_bytes -= op->change.size;
		if (++n == GROUP_MAX)
			break;
	}
	w->queued -= n;
	w->first = op != NULL ? op->next : NULL;
	if (w->first == NULL)
		w->last = &w->first;
	if (op != NULL)
		op->next = NULL;
	return group;
}

/* What went wrong inside one op undoes that op only; what is final ends the group. */
static enum store_error op_run(struct db *db, struct op *op)
{
	const struct audit_mark mark = audit_mark(db);
	struct query savepoint, rollback, release;
	enum store_error err = STORE_OK;

	if (op->joint != NULL && op->joint->stopped) {
		op->result = STORE_BUSY;
		return STORE_OK;
	}
	if (!op->change.single) {
		savepoint = query_start(db, "SAVEPOINT op");
		err = query_finish(&savepoint);
		if (err != STORE_OK)
			return err;
	}
	db->audit->actor = op->actor;
	op->result = op->change.run(db, op->change.arg);
	if (op->result != STORE_OK)
		audit_back(db, &mark);
	if (op->joint != NULL)
		op->joint->stopped = op->result != STORE_OK;
	/* When memory is short SQLite may have undone the whole transaction, not this op alone. */
	if (is_final(op->result) || op->result == STORE_FULL || op->result == STORE_NO_MEMORY)
		return op->result;
	if (op->change.single)
		return STORE_OK;
	if (op->result != STORE_OK) {
		rollback = query_start(db, "ROLLBACK TO op");
		err = query_finish(&rollback);
	}
	if (err == STORE_OK) {
		release = query_start(db, "RELEASE op");
		err = query_finish(&release);
	}
	return err;
}

static enum store_error group_commit(struct db *db, struct op *group)
{
	struct query begin = query_start(db, "BEGIN IMMEDIATE");
	enum store_error err = query_finish(&begin);
	struct audit_mark mark;

	db->audit->added = 0;
	mark = audit_mark(db);
	for (struct op *op = group; op != NULL && err == STORE_OK; op = op->next)
		err = op_run(db, op);
	if (err == STORE_OK)
		err = audit_seal(db);
	if (err == STORE_OK) {
		struct query commit = query_start(db, "COMMIT");

		err = query_finish(&commit);
		/* A busy database would leave the transaction open; nobody else writes, so it is no such thing. */
		if (err != STORE_OK && err != STORE_FULL)
			err = STORE_FAILED;
	}
	if (err != STORE_OK && !sqlite3_get_autocommit(db->handle)) {
		struct query rollback = query_start(db, "ROLLBACK");

		if (query_finish(&rollback) != STORE_OK)
			err = STORE_FAILED;
	}
	if (err != STORE_OK)
		audit_back(db, &mark);
	return is_final(err) ? STORE_FAILED : err;
}

/* Ends a group. Waking sixty callers takes longer than writing what they brought: the first of them is woken here and
 * wakes two, and so on, while the next group is being written. Returns what group_wake posts. The lock is held. */
static struct op *group_end(struct op *group, enum store_error err)
{
	struct op *first = NULL, *others = NULL, *waker = NULL, **last = &first, **last_other = &others;
	size_t wakes = 0;

	while (group != NULL) {
		struct op *op = group;

		group = op->next;
		op->next = NULL;
		if (err != STORE_OK)
			op->result = err;
		op->stage = STAGE_DONE;
		if (op->abandoned) {
			op_free(op);
			continue;
		}
		if (op->joint != NULL)
			op->joint->stopped = op->joint->stopped || err != STORE_OK;
		if (op->joint != NULL && --op->joint->left > 0)
			continue;
		if (op->joint != NULL || op->change.done != NULL) {
			*last_other = op;
			last_other = &op->next;
			continue;
		}
		*last = op;
		last = &op->next;
		if (waker == NULL) {
			waker = op;
			continue;
		}
		waker->wakes[wakes++] = op;
		if (wakes == WAKES) {
			waker = waker->next;
			wakes = 0;
		}
	}
	if (first == NULL)
		return others;
	first->next = others;
	return first;
}

/* From here on it is its caller's again. */
static void op_wake(struct op *op)
{
	atomic_store_explicit(&op->answered, true, memory_order_release);
	(void)sem_post(&op->done);
}

static void group_wake(struct op *group)
{
	while (group != NULL) {
		struct op *op = group;

		group = op->next;
		if (op->joint != NULL) {
			(void)sem_post(&op->joint->done);
		} else if (op->change.done != NULL) {
			op->change.done(op->change.ctx, op->result);
			op_free(op);
		} else {
			op_wake(op);
		}
	}
}

static int log_grew(void *ctx, sqlite3 *handle, const char *name, int frames)
{
	struct writer *w = ctx;

	(void)handle;
	(void)name;
	if (frames < w->frames) {
		w->reset = true;
		w->checkpoint_at = CHECKPOINT_FRAMES;
		w->wait_at = RESTART_FRAMES;
	}
	w->frames = frames;
	return SQLITE_OK;
}

/* After the callers were answered: what they wait for is durable without it. */
static enum store_error checkpoint(struct writer *w)
{
	bool wait = w->frames >= w->wait_at;

	if (w->frames < w->checkpoint_at)
		return STORE_OK;
	w->checkpoint_at = w->frames + CHECKPOINT_FRAMES;
	/* A backup may read for minutes: it costs one wait each time the log has doubled. */
	if (wait)
		w->wait_at = w->frames * 2;
	return db_checkpoint(&w->db, wait);
}

/* Runs one group, the lock being held. False when nothing can be written any more. */
static bool group_run(struct writer *w)
{
	struct op *group = group_take(w);
	enum store_error err;
	bool dead;

	pthread_mutex_unlock(&w->lock);
	err = group_commit(&w->db, group);
	pthread_mutex_lock(&w->lock);
	w->commits += err == STORE_OK;
	w->resets += w->reset;
	w->reset = false;
	w->dead = is_final(err);
	dead = w->dead;
	group = group_end(group, err);
	pthread_mutex_unlock(&w->lock);
	group_wake(group);
	err = dead ? STORE_OK : checkpoint(w);
	pthread_mutex_lock(&w->lock);
	w->dead = w->dead || is_final(err);
	return !w->dead;
}

static void deadline_in(struct timespec *t, unsigned ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

/* Somebody asks for it now. The lock is held, as in the next two. */
static bool truncate_asked(const struct writer *w)
{
	return w->truncate_wanted != w->truncate_done;
}

static bool truncate_due(const struct writer *w)
{
	struct timespec now;

	if (truncate_asked(w) || !w->owed)
		return truncate_asked(w);
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > w->owed_at.tv_sec || (now.tv_sec == w->owed_at.tv_sec && now.tv_nsec >= w->owed_at.tv_nsec);
}

/* False when nothing can be written any more. */
static bool truncate_run(struct writer *w)
{
	const unsigned long wanted = w->truncate_wanted;
	const int wait_ms = truncate_asked(w) ? TRUNCATE_WAIT_MS : OWED_WAIT_MS;
	const bool owed = w->owed;
	enum store_error err;

	pthread_mutex_unlock(&w->lock);
	err = db_truncate(&w->db, wait_ms);
	if (err == STORE_OK && owed && w->flushed != NULL)
		w->flushed(w->ctx);
	pthread_mutex_lock(&w->lock);
	w->owed = err == STORE_BUSY;
	if (w->owed)
		deadline_in(&w->owed_at, OWED_EVERY_MS);
	w->truncate_done = wanted;
	w->truncate_result = err;
	(void)pthread_cond_broadcast(&w->truncated);
	w->dead = is_final(err);
	return !w->dead;
}

/* Until there is something to do. The lock is held. */
static void work_wait(struct writer *w)
{
	while (w->first == NULL && !w->stopping && !truncate_due(w)) {
		w->idle = true;
		if (w->owed)
			(void)pthread_cond_clockwait(&w->work, &w->lock, CLOCK_MONOTONIC, &w->owed_at);
		else
			(void)pthread_cond_wait(&w->work, &w->lock);
	}
	w->idle = false;
}

static void *writer_thread(void *arg)
{
	struct writer *w = arg;

	(void)pthread_setname_np(pthread_self(), "writer");
	pthread_mutex_lock(&w->lock);
	for (;;) {
		work_wait(w);
		/* Closing empties it, too. */
		if (w->stopping && w->first == NULL && !truncate_asked(w))
			break;
		if ((!truncate_due(w) || truncate_run(w)) && (w->first == NULL || group_run(w)))
			continue;
		/* Dead: nobody queues any more, and what is queued is answered at once. */
		while (w->first != NULL)
			group_wake(group_end(group_take(w), STORE_FAILED));
		(void)pthread_cond_broadcast(&w->truncated);
		pthread_mutex_unlock(&w->lock);
		if (w->failed != NULL)
			w->failed(w->ctx);
		return NULL;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* ------------------------------------------------------------ callers */

static void queue_remove(struct writer *w, struct op *op)
{
	struct op **link = &w->first;

	while (*link != op)
		link = &(*link)->next;
	*link = op->next;
	if (op->next == NULL)
		w->last = link;
	w->queued--;
	w->queued_bytes -= op->change.size;
}

static void op_fill(struct op *op, const struct writer_change *change)
{
	op->change = *change;
	memccpy(op->actor, audit_actor(), '\0', sizeof(op->actor));
}

static struct op *op_new(const struct writer_change *change)
{
	struct op *op = calloc(1, sizeof(*op));

	if (op == NULL)
		return NULL;
	op_fill(op, change);
	(void)sem_init(&op->done, 0, 0);
	return op;
}

/* The lock is held. */
static enum store_error op_queue(struct writer *w, struct op *op)
{
	if (w->dead || w->stopping)
		return STORE_FAILED;
	if (w->queued >= w->queue_max || (w->queued > 0 && w->queued_bytes + op->change.size > QUEUE_BYTES_MAX))
		return STORE_BUSY;
	*w->last = op;
	w->last = &op->next;
	w->queued++;
	w->queued_bytes += op->change.size;
	if (w->idle)
		(void)pthread_cond_signal(&w->work);
	return STORE_OK;
}

/* Until it is done, or its time is over. */
static bool op_awaited(struct op *op, const struct timespec *deadline)
{
	int rc;

	do
		rc = op->change.timeout_ms > 0 ? sem_clockwait(&op->done, CLOCK_MONOTONIC, deadline)
					       : sem_wait(&op->done);
	while (rc != 0 && errno == EINTR);
	return rc == 0 && atomic_load_explicit(&op->answered, memory_order_acquire);
}

/* The caller of a queued op has no time left. False in *ours when the writer frees it. */
static enum store_error op_give_up(struct writer *w, struct op *op, bool *ours)
{
	enum stage stage;

	pthread_mutex_lock(&w->lock);
	stage = op->stage;
	if (stage == STAGE_QUEUED)
		queue_remove(w, op);
	op->abandoned = stage == STAGE_RUNNING;
	*ours = !op->abandoned;
	pthread_mutex_unlock(&w->lock);
	if (stage != STAGE_DONE)
		return STORE_TIMEOUT;
	(void)op_awaited(op, &(struct timespec){.tv_sec = INT32_MAX}); /* it is being posted just now */
	return op->result;
}

enum store_error writer_apply(struct writer *w, const struct writer_change *change)
{
	struct op *op = op_new(change);
	struct timespec deadline;
	enum store_error err;
	bool ours = true;

	if (op == NULL) {
		if (change->free != NULL)
			change->free(change->arg);
		return STORE_NO_MEMORY;
	}
	deadline_in(&deadline, change->timeout_ms);
	atomic_fetch_add(&w->inside, 1);
	pthread_mutex_lock(&w->lock);
	err = op_queue(w, op);
	pthread_mutex_unlock(&w->lock);
	if (err == STORE_OK)
		err = op_awaited(op, &deadline) ? op->result : op_give_up(w, op, &ours);
	for (size_t i = 0; ours && i < WAKES && op->wakes[i] != NULL; i++)
		op_wake(op->wakes[i]);
	atomic_fetch_sub(&w->inside, 1);
	if (ours)
		op_free(op);
	return err;
}

enum store_error writer_apply_later(struct writer *w, const struct writer_change *change)
{
	struct op *op = op_new(change);
	enum store_error err = STORE_NO_MEMORY;

	if (op == NULL && change->free != NULL)
		change->free(change->arg);
	if (op == NULL)
		return err;
	pthread_mutex_lock(&w->lock);
	err = op_queue(w, op);
	pthread_mutex_unlock(&w->lock);
	if (err != STORE_OK)
		op_free(op);
	return err;
}

enum store_error writer_apply_all(
	struct writer *w, const struct writer_change *changes, size_t len, enum store_error *results)
{
	struct op *ops = calloc(len > 0 ? len : 1, sizeof(*ops));
	struct joint joint = {.left = 0};
	size_t queued = 0;
	enum store_error err = STORE_OK;

	if (ops == NULL)
		return STORE_NO_MEMORY;
	(void)sem_init(&joint.done, 0, 0);
	atomic_fetch_add(&w->inside, 1);
	pthread_mutex_lock(&w->lock);
	for (; queued < len && err == STORE_OK; queued += err == STORE_OK) {
		op_fill(&ops[queued], &changes[queued]);
		ops[queued].joint = &joint;
		err = op_queue(w, &ops[queued]);
		joint.left += err == STORE_OK;
	}
	pthread_mutex_unlock(&w->lock);
	while (queued > 0 && sem_wait(&joint.done) != 0)
		; /* a signal */
	atomic_fetch_sub(&w->inside, 1);
	for (size_t i = 0; i < len; i++)
		results[i] = i < queued ? ops[i].result : err;
	(void)sem_destroy(&joint.done);
	free(ops);
	return STORE_OK;
}

enum store_error writer_truncate(struct writer *w)
{
	enum store_error err = STORE_FAILED;
	unsigned long wanted;

	atomic_fetch_add(&w->inside, 1);
	pthread_mutex_lock(&w->lock);
	wanted = ++w->truncate_wanted;
	(void)pthread_cond_signal(&w->work);
	while (!w->dead && !w->stopping && w->truncate_done < wanted)
		(void)pthread_cond_wait(&w->truncated, &w->lock);
	if (w->truncate_done >= wanted)
		err = w->truncate_result;
	pthread_mutex_unlock(&w->lock);
	atomic_fetch_sub(&w->inside, 1);
	return err;
}

bool writer_alive(struct writer *w)
{
	bool alive;

	pthread_mutex_lock(&w->lock);
	alive = !w->dead && !w->stopping;
	pthread_mutex_unlock(&w->lock);
	return alive;
}

static unsigned long counted(struct writer *w, const unsigned long *count)
{
	unsigned long n;

	pthread_mutex_lock(&w->lock);
	n = *count;
	pthread_mutex_unlock(&w->lock);
	return n;
}

unsigned writer_waiting(struct writer *w)
{
	unsigned n;

	pthread_mutex_lock(&w->lock);
	n = w->queued;
	pthread_mutex_unlock(&w->lock);
	return n;
}

unsigned long writer_commits(struct writer *w)
{
	return counted(w, &w->commits);
}

unsigned long writer_resets(struct writer *w)
{
	return counted(w, &w->resets);
}

struct writer *writer_start(const struct db *db, const struct store_options *opt, bool owed)
{
	struct writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return NULL;
	w->db = *db;
	w->queue_max = opt->queue_max > 0 ? opt->queue_max : QUEUE_MAX;
	w->failed = opt->failed;
	w->flushed = opt->flushed;
	w->ctx = opt->ctx;
	w->owed = owed;
	deadline_in(&w->owed_at, OWED_EVERY_MS);
	w->last = &w->first;
	w->checkpoint_at = CHECKPOINT_FRAMES;
	w->wait_at = RESTART_FRAMES;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->work, NULL);
	(void)pthread_cond_init(&w->truncated, NULL);
	(void)sqlite3_wal_hook(w->db.handle, log_grew, w);
	if (pthread_create(&w->thread, NULL, writer_thread, w) != 0) {
		(void)pthread_mutex_destroy(&w->lock);
		(void)pthread_cond_destroy(&w->work);
		(void)pthread_cond_destroy(&w->truncated);
		free(w);
		return NULL;
	}
	return w;
}

void writer_stop(struct writer *w)
{
	if (w == NULL)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	(void)pthread_cond_signal(&w->work);
	(void)pthread_cond_broadcast(&w->truncated);
	pthread_mutex_unlock(&w->lock);
	(void)pthread_join(w->thread, NULL);
	/* Its callers were answered; they may not have left yet. */
	while (atomic_load(&w->inside) > 0)
		(void)poll(NULL, 0, 1);
	/* After a failure the log is left as it is, for the next start to read. */
	if (!w->dead)
		db_checkpoint_at_close(&w->db);
	db_close(&w->db);
	(void)pthread_mutex_destroy(&w->lock);
	(void)pthread_cond_destroy(&w->work);
	(void)pthread_cond_destroy(&w->truncated);
	free(w);
}
