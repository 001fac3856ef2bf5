/*
 * Sending a message again that came to nothing, as a new one, once: the old one is discarded with it. What may have
 * arrived only where whoever asks takes it that it may arrive twice.
 *
 * Called by gateway/api and gateway/settings.
 */
#ifndef KEYHOUSE_RESEND_H
#define KEYHOUSE_RESEND_H

#include "gateway/outbound/outbound.h"

/* Whether it waited in a backup that was restored: it may have been sent since, and nobody knows. */
bool resend_is_restored(const struct store_message *m);
/* Whether a shop's owner is offered to send it again: it came to nothing or waited in a restored backup, was not
 * discarded, its content is kept, and it is less than a day old. */
bool resend_offered(const struct store_message *m, int64_t now);

enum resend_result {
	RESEND_DONE = 1,
	RESEND_ALREADY, /* it was sent again, or discarded, before */
	RESEND_NOT_OFFERED, /* it did not come to nothing, or an owner is not offered it any more */
	RESEND_MAYBE_ARRIVED, /* it may have arrived, and that was not taken into account */
	RESEND_GONE, /* its content is not kept any more */
	RESEND_NO_NUMBER, /* the number that it left by is not connected any more */
	RESEND_WINDOW_CLOSED,
	RESEND_PAUSED, /* the business is suspended */
	RESEND_NO_SUCH,
	RESEND_FAILED, /* nothing was done, and trying again may help */
};
#define RESEND_RESULTS ((size_t)RESEND_FAILED)

struct resend {
	struct tenants *tenants;
	struct outbound *outbound; /* NULL: no sender runs */
	const struct store_business *business;
	bool owner; /* a shop's owner asks: only what resend_offered offers */
	bool maybe_duplicate; /* it may arrive twice: also one that is UNKNOWN */
	bool window_unchecked;
	/* filled by resend_make: */
	struct store_message message; /* the new one */
	uint8_t *content;
	char replaced[STORE_ID_LEN + 1];
	struct outbound_window window;
};
/* Makes the new message of the one with this id. RESEND_DONE: it is ready. Owns: the caller ends r with resend_clear,
 * whatever came of it. */
enum resend_result resend_make(struct resend *r, const char *id);
/* Queues it, and ends once (NULL: there is none) with it. */
enum resend_result resend_queue(struct resend *r, const struct store_once_end *once);
void resend_clear(struct resend *r);

#endif
