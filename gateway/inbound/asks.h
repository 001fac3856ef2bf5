/*
 * What is out: asks that were leased and are not done with. Internal to inbound.
 *
 * Asks are leased by the answer thread and end on whatever thread the responder answers on.
 */
#ifndef KEYHOUSE_INBOUND_ASKS_H
#define KEYHOUSE_INBOUND_ASKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

struct inbound;
struct asks;

/* An ask that is out, without its content. */
struct ask {
	struct inbound *in;
	struct store_ask row; /* content NULL */
	int64_t next_at; /* when it is due again, of one that could not be put off yet */
	struct ask *next;
};

struct asks *asks_new(struct inbound *in); /* NULL: memory is short */
void asks_free(struct asks *asks); /* nobody may be asked any more */

/* How many more may be out. Only the answer thread makes it less. */
size_t asks_room(struct asks *asks);

/* Ends the ask with what is to be sent, in order; len 0 for nothing. Where the store does not take it, it is put
 * off. Gone when this returns. Threads: any. */
void asks_finish(struct ask *a, const struct store_message *answers, size_t len);
/* To be asked again, not before wait_ms. Gone when this returns. Threads: any. */
void asks_put_off(struct ask *a, int64_t wait_ms);
/* How long to wait before the next attempt: full jitter, a second and twice as long each time up to five minutes,
 * at_least in any case. */
int64_t asks_wait_ms(uint32_t attempts, int64_t at_least);

/* Takes one of the free ones for a leased row. */
struct ask *asks_take(struct asks *asks, const struct store_ask *row);
/* Puts off those that the store did not take before. False: some are left. The answer thread's. */
bool asks_settle(struct asks *asks);

/* Two bots that answer each other would go on for ever, and every message costs money: whether there were too many
 * answers in this conversation lately. Threads: any. */
bool asks_braked(struct asks *asks, const uint8_t conversation[static STORE_INDEX_LEN]);

/* Asks what was leased; it ends by itself, now or later (ask.c). */
void ask_start(struct ask *a, const uint8_t *content, size_t content_len);

#endif
