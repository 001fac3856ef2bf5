/*
 * What the files of inbound share: the handle, its two workers, and the core of both
 * requests without HTTP around it, so that it can be tested alone.
 */
#ifndef KEYHOUSE_INBOUND_INTERNAL_H
#define KEYHOUSE_INBOUND_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/inbound/inbound.h"

#define INBOUND_CHALLENGE_MAX 512u
#define INBOUND_ASKS_MAX 288u /* out at once: what the sender takes, and room for answers that need no network */
#define INBOUND_ASKS_PER_BUSINESS 16u
#define INBOUND_ASKS_AHEAD 32u /* leased at once: copied, too; prepare.h says how long one may be */
#define INBOUND_IDLE_MS 1000u /* an append that timed out may become durable later, unannounced */
#define INBOUND_RETRY_MS 50u /* before the first new try; then twice as long, up to */
#define INBOUND_RETRY_MAX_MS 5000u

/* A thread that sleeps until there is something to do. */
struct worker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool started, woken, stopping;
};

void worker_wake(struct worker *w);
/* Waits until it is woken or to end, at most idle_ms. */
void worker_wait(struct worker *w, unsigned idle_ms);
/* Waits out ms however often it is woken, unless it is to end. */
void worker_pause(struct worker *w, unsigned ms);
bool worker_stopping(struct worker *w);
/* How long to pause before the next try, given the pause before (0: none yet). */
unsigned worker_backoff(unsigned before_ms);

/* Milliseconds of a clock that only goes forward. */
int64_t worker_now_ms(void);

struct asks;
struct batch;
struct deliveries;

struct inbound {
	struct inbound_options opt;
	struct store *store; /* the tenants' */
	struct worker intake, answer;
	struct batch *batch; /* the intake's own */
	struct asks *asks;
	struct deliveries *deliveries;
	struct vault_verifier nobody; /* does the work for businesses that are not there */
	atomic_uint keeping; /* webhooks that the store's thread is to answer */
	atomic_ulong accepted, refused, busy;
	atomic_ulong whys[DELIVERY_WHYS]; /* how many of each */
	atomic_bool failed_told;
	atomic_llong refusal_logged_at, handshake_refusal_logged_at, unkept_logged_at;
};

/* Whether a line of its kind is due, of which the last was at *last_at: one a second, so that neither strangers nor a full
 * disk fill the log. */
bool inbound_log_due(atomic_llong *last_at);

/* Calls opt.failed, once. */
void inbound_failed(struct inbound *in);

/* The values of the headers that may prove where a webhook comes from; NULL: not sent, or sent twice. */
struct inbound_proofs {
	const char *signature; /* X-Hub-Signature-256 */
	const char *secret; /* OUTBOUND_D360_HEADER */
	const char *platform_signature; /* x-360dialog-signature */
};

/* The core of POST: verifies, seals, stores. req: whose answer another thread may send, 200 once it is durable; NULL: none.
 * Returns the HTTP status to answer with: 200, 401 or 503; or INBOUND_ANSWERED. Threads: any. */
#define INBOUND_ANSWERED 0
int inbound_accept(struct inbound *in, const char *business_id, const struct inbound_proofs *proofs,
	const uint8_t *body, size_t len, struct http_request *req);

/* Seals a body that proved itself and makes it durable. req and what is returned as above, but for 401. */
int inbound_keep(struct inbound *in, const char *business_id, const char *connection_id, const uint8_t *body,
	size_t len, struct http_request *req);
/* The answer to an accepted webhook, not sent yet. NULL: not for this request. */
struct http_later *webhook_accepted_later(struct http_request *req);

/* Notes one whose body was not read as a whole, after it was answered. Threads: any. */
void inbound_unread(struct inbound *in, const char *business_id, enum delivery_why why);

/* The core of GET: whether mode and token are those of a connection of this business,
 * of which the handshake is noted then. NULL: something that a handshake says is missing. Threads: any. */
bool inbound_handshake(struct inbound *in, const char *business_id, const char *mode, const char *token);

struct batch *batch_new(void); /* freed with free(). NULL: memory is short */
/* The two threads; arg is the struct inbound. */
void *intake_run(void *arg);
void *answer_run(void *arg);

#endif
