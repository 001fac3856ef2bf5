/*
 * Plans: what becomes of a message after an attempt. Pure. Called by outbound.c.
 */
#ifndef KEYHOUSE_OUTBOUND_PLAN_H
#define KEYHOUSE_OUTBOUND_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/outbound/outbound.h"

#define PLAN_EXPIRY_MS                                                                                                 \
	(24LL * 3600 * 1000) /* after its creation a message is no longer sent, unless it says otherwise */
#define PLAN_BACKOFF_MS 1000 /* doubles with each attempt, with full jitter */
#define PLAN_BACKOFF_MAX_MS (5LL * 60 * 1000)
#define PLAN_AUTH_MS (5LL * 60 * 1000)
#define PLAN_ACCOUNT_MS (10LL * 60 * 1000)
#define PLAN_AGAIN_MS (60LL * 1000) /* at least once: before it is repeated, so that a status can say that it went */

struct plan_attempt {
	uint32_t attempt; /* 1: the first */
	enum store_policy policy;
	int64_t expires_at;
	int64_t now;
	uint64_t random; /* uniform, for the jitter */
	bool once; /* whoever sends it hears of its end at once, and decides himself: it is never tried again */
	bool maybe_sent; /* an attempt before this one may have been accepted */
};

struct plan {
	enum store_message_state to; /* SENT, RETRY, UNKNOWN, DEAD */
	int64_t next_at; /* of a RETRY, or when it would be one; 0: there is none */
	bool maybe_duplicate; /* of a RETRY: this attempt may have been accepted */
	char reason[STORE_TEXT_LEN + 1];
};

/* When a message is not sent any more. */
int64_t plan_expires_at(int64_t expires_at, int64_t created_at);

void plan_make(const struct outbound_result *r, const struct plan_attempt *a, struct plan *out);

#endif
