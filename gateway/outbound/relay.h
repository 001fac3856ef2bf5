/*
 * The sender's half of a call that is passed through: what of its body came and is not given to the provider yet, what
 * of its answer may go to the listener now. Holds at most JOB_WINDOW bytes of either, or one short answer. Trusts neither
 * side. One thread. Called by sender.c.
 */
#ifndef KEYHOUSE_OUTBOUND_RELAY_H
#define KEYHOUSE_OUTBOUND_RELAY_H

#include "gateway/outbound/job.h"
#include "gateway/outbound/transfer.h"

#define RELAY_TEXT_MAX (1u << 20) /* of an answer that is collected: a longer one is an odd one */

struct relay;

/* Gives a frame that goes to the listener once it is filled; NULL: the role ends. */
struct relay_out {
	struct frame *(*frame)(void *ctx);
	void *ctx;
};

/* Of a job whose kind is a pass. out's ctx is borrowed. NULL: memory is short. */
struct relay *relay_new(const struct job *j, const struct relay_out *out);
void relay_free(struct relay *r); /* NULL is fine */

/* The listener's frames. False: malformed. */
bool relay_body(struct relay *r, const struct job_piece *p) __attribute__((warn_unused_result));
bool relay_taken(struct relay *r, uint32_t len) __attribute__((warn_unused_result));

/* As struct transfer_watch asks; what is kept are outbound_header_names. scrub: takes out of a header's value what must not leave. */
size_t relay_give(struct relay *r, void *to, size_t room);
bool relay_head(struct relay *r, const struct transfer_head *head, void (*scrub)(const void *arg, char *value),
	const void *arg);
bool relay_take(struct relay *r, const void *data, size_t len);

/* What relay_head said: the answer goes on as it comes. */
bool relay_streams(const struct relay *r);

/* The answer was collected, and is this text, which is taken (NULL: there is none); as much as may go goes now, the rest
 * with relay_taken. */
void relay_answer(struct relay *r, char *text);
/* Nothing of an answer is left to go. */
bool relay_done(const struct relay *r);

#endif
