/*
 * What the files of the listener's half share: the state, tickets, the socket. For outbound.c,
 * schedule.c, direct.c, results.c, ask.c, pass.c and ticket.c only.
 *
 * A ticket is one job on its way. Its number carries the slot and a generation, so an answer to a
 * job that nobody knows is noticed.
 */
#ifndef KEYHOUSE_OUTBOUND_INSIDE_H
#define KEYHOUSE_OUTBOUND_INSIDE_H

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "gateway/outbound/job.h"
#include "gateway/outbound/lanes.h"
#include "gateway/outbound/settle.h"

#define CHECKS_MAX 32u /* checks and confirmations at once, beside the sends */
#define READERS 8u
#define HINTS_MAX 64u

enum ticket_use { TICKET_FREE, TICKET_SEND, TICKET_CHECK, TICKET_CONFIRM, TICKET_ASK, TICKET_PASS, TICKET_STREAM };

struct waiter {
	struct outbound_result *result;
	bool done;
};

/* Who is told of an ask's end. */
struct asker {
	void (*done)(void *arg, const struct outbound_result *r); /* NULL: was told already */
	void *arg;
};

struct passing;

struct ticket {
	enum ticket_use use;
	bool answered; /* its result is being worked on: a second one is malformed */
	uint64_t number;
	bool of_the_key; /* CONFIRM: what was refused spoke of the key alone */
	struct sending sending; /* SEND, CONFIRM; of PASS and STREAM its connection_id alone */
	struct waiter *waiter; /* CHECK, SEND; NULL: nobody waits, or not any more */
	struct asker asker; /* ASK */
	struct passing *passing; /* PASS, STREAM; NULL: nobody waits any more */
};

struct outbound {
	struct tenants *tenants;
	int fd;
	unsigned in_flight_max, asks_max;
	void (*gone)(void *ctx);
	void *ctx;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	/* in_flight_max for sends, then CHECKS_MAX, then asks_max, OUTBOUND_PASSES_MAX, OUTBOUND_STREAMS_MAX */
	struct ticket *tickets;
	unsigned sends;
	unsigned untold; /* askers that have not been told yet, or are just being told */
	bool asks_ended, checks_ended;
	uint64_t generation;
	struct lanes *lanes;
	char hints[HINTS_MAX][STORE_ID_LEN + 1]; /* connections without a lane, of which something is queued */
	size_t hints_len;
	bool scan; /* all connections that have something waiting are to be looked for */
	bool closing, dead;
	bool leasing; /* some may be leased that have no ticket yet */
	uint64_t pings, pongs;
	int32_t clock_ahead_s; /* the providers' clock, as the last answer told it at clock_at; 0: none did */
	int64_t clock_at;

	pthread_mutex_t write_lock, read_lock; /* of the socket's two directions */
	bool read_ended; /* under read_lock */
	atomic_bool stop; /* settling gives up */
	pthread_t threads[READERS + 1];
	size_t threads_len;
};

/* A time of the clock that o->changed waits by, which is the lanes' clock, too. */
struct timespec inside_after(int64_t ms);
int64_t inside_now(void);
/* The sender is of no more use. Tells gone() once. */
void inside_gone(struct outbound *o, const char *why);
/* False: nothing went out, for want of memory, or the sender is gone. */
bool inside_frame_out(struct outbound *o, const struct frame *f);
bool inside_job_out(struct outbound *o, const struct job *j);

unsigned ticket_count(const struct outbound *o);
/* These under o->lock. take: NULL when all are taken. find: NULL when that ticket is not out,
 * or is answered already. end: of a send, that lets the next ones go. */
struct ticket *ticket_take(struct outbound *o, enum ticket_use use);
void ticket_release(struct outbound *o, struct ticket *k);
struct ticket *ticket_find(struct outbound *o, uint64_t number);
void ticket_end(struct outbound *o, struct ticket *k, const struct settled *settled);
/* The same for one that had no ticket. */
void inside_send_ended(struct outbound *o, const struct sending *s, const struct settled *settled);

struct prepared;

/* What a leased message, or one that goes at once, is known by. */
void sending_from(struct sending *s, const struct store_message *m);
/* What it goes out as, and with which key. */
void sending_with(struct sending *s, const struct prepared *p);
/* An attempt that ended before the sender heard of it. */
void settle_here(struct outbound *o, const struct sending *s, enum outbound_class class, const char *reason);

/* An ask's answer came. Tells its asker, once. */
void ask_answered(struct outbound *o, struct ticket *k, const struct outbound_result *r);

/* HEAD, PART or TAKEN of a call that is passed through; under o->read_lock, so that they stay in order. False: malformed.
 * What it keeps of f it takes. */
bool pass_frame(struct outbound *o, struct frame *f);
/* Its result came: hands it to who waits, and the ticket back. */
void pass_answered(struct outbound *o, struct ticket *k, struct outbound_result *r);
/* Under o->lock: whoever waits looks again whether he may go on waiting. */
void passes_wake(struct outbound *o);

/* The threads: leases what is due and hands it out; waits at the socket and settles. arg: the outbound. */
void *inside_schedule(void *arg);
void *inside_read(void *arg);

#endif
