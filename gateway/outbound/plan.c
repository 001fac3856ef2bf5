/*
 * The outbox's states after an attempt (design section 9), a row a class of answers:
 *
 *   class                                  becomes   when
 *   ACCEPTED                               SENT
 *   OUTCOME_UNKNOWN, at most once          UNKNOWN   until a status tells
 *   OUTCOME_UNKNOWN, at least once         RETRY     after a minute: a status may tell before
 *   NOT_SENT, RETRYABLE, RATE_LIMITED      RETRY     with backoff, or as the provider says; some codes a few times only
 *   AUTH, NO_CREDENTIAL, ACCOUNT           RETRY     minutes later, or as soon as a key is entered
 *   MESSAGE, RECIPIENT, WINDOW             DEAD
 *   any RETRY that would come too late     DEAD      expired
 *   either, where an attempt before may    UNKNOWN   until a status tells
 *   have been accepted
 *   any RETRY of a send that is waited for DEAD      whoever waits is told, and decides himself
 *
 * Called by settle.c.
 */
#include "gateway/outbound/plan.h"

#include <stdio.h>

#include "gateway/outbound/meta.h"

static int64_t longer(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Full jitter: anywhere up to base * 2^(attempt - 1), capped. */
static int64_t backoff(const struct plan_attempt *a)
{
	int64_t top = PLAN_BACKOFF_MS;

	for (uint32_t i = 1; i < a->attempt && top < PLAN_BACKOFF_MAX_MS; i++)
		top *= 2;
	if (top > PLAN_BACKOFF_MAX_MS)
		top = PLAN_BACKOFF_MAX_MS;
	return (int64_t)(a->random % (uint64_t)(top + 1));
}

/* Meta's advice for one customer: 4^n seconds, n = 0, 1, ... and up to a quarter more. */
static int64_t pair_wait(const struct plan_attempt *a)
{
	int64_t wait = 1000;

	for (uint32_t i = 1; i < a->attempt && wait < PLAN_BACKOFF_MAX_MS; i++)
		wait *= 4;
	if (wait > PLAN_BACKOFF_MAX_MS)
		wait = PLAN_BACKOFF_MAX_MS;
	return wait + (int64_t)(a->random % (uint64_t)(wait / 4 + 1));
}

/* How long before the next attempt; -1: there is none. */
static int64_t wait_before(const struct outbound_result *r, const struct plan_attempt *a)
{
	const struct meta_rule *rule = r->code != 0 ? meta_rule_find(r->code) : NULL;
	int64_t wait = backoff(a);

	if (rule != NULL && rule->tries_max > 0 && a->attempt >= rule->tries_max)
		return -1;
	if (rule != NULL && rule->scope == META_PAIR)
		wait = pair_wait(a);
	if (rule != NULL)
		wait = longer(wait, (int64_t)rule->wait_s * 1000 + (rule->wait_s > 0 ? backoff(a) : 0));
	if (r->class == OUTBOUND_RATE_LIMITED)
		wait = longer(wait, r->regain_ms);
	return longer(wait, r->retry_after_ms);
}

static void set_retry(struct plan *out, const struct plan_attempt *a, int64_t wait)
{
	char last[sizeof(out->reason)];

	out->to = STORE_MESSAGE_DEAD;
	out->next_at = a->now + wait; /* where it is not repeated, for those that come after it */
	if (a->once)
		return;
	if (out->next_at < a->expires_at) {
		out->to = STORE_MESSAGE_RETRY;
		return;
	}
	(void)snprintf(last, sizeof(last), "%s", out->reason);
	(void)snprintf(out->reason, sizeof(out->reason), "expired before it was accepted; %.180s", last);
	vault_wipe(last, sizeof(last));
}

int64_t plan_expires_at(int64_t expires_at, int64_t created_at)
{
	return expires_at > 0 ? expires_at : created_at + PLAN_EXPIRY_MS;
}

void plan_make(const struct outbound_result *r, const struct plan_attempt *a, struct plan *out)
{
	int64_t wait;

	*out = (struct plan){.to = STORE_MESSAGE_DEAD};
	(void)snprintf(out->reason, sizeof(out->reason), "%s",
		r->reason[0] != '\0' ? r->reason : outbound_class_text(r->class));
	switch (r->class) {
	case OUTBOUND_ACCEPTED:
		out->to = STORE_MESSAGE_SENT;
		out->reason[0] = '\0';
		return;
	case OUTBOUND_OUTCOME_UNKNOWN:
		out->to = STORE_MESSAGE_UNKNOWN;
		if (a->policy != STORE_AT_LEAST_ONCE || a->once)
			return;
		out->maybe_duplicate = true;
		set_retry(out, a, PLAN_AGAIN_MS + backoff(a));
		/* Too late to be repeated, it may have arrived all the same. */
		if (out->to == STORE_MESSAGE_DEAD)
			out->to = STORE_MESSAGE_UNKNOWN;
		return;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
		wait = wait_before(r, a);
		if (wait >= 0)
			set_retry(out, a, wait);
		break;
	case OUTBOUND_AUTH:
	case OUTBOUND_NO_CREDENTIAL:
		set_retry(out, a, longer(PLAN_AUTH_MS, r->retry_after_ms));
		break;
	case OUTBOUND_ACCOUNT:
		set_retry(out, a, longer(PLAN_ACCOUNT_MS, r->retry_after_ms));
		break;
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		return;
	}
	if (out->to == STORE_MESSAGE_DEAD && a->maybe_sent)
		out->to = STORE_MESSAGE_UNKNOWN;
}
