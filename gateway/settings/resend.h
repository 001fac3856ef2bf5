/*
 * Sending a message again, as a new one. Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_RESEND_H
#define KEYHOUSE_SETTINGS_RESEND_H

#include "gateway/settings/internal.h"

/* Whether it waited in a backup that was restored: it may have been sent since, and nobody knows. */
bool resend_is_restored(const struct store_message *m);
/* Whether a message may be sent again: it came to nothing or waited in a restored backup, its content is kept, and it is less
 * than a day old. */
bool resend_offered(const struct store_message *m, int64_t now);

enum resend {
	RESEND_QUEUED = 1,
	RESEND_ALREADY, /* it was sent again before */
	RESEND_NOT_OFFERED, /* not, or no longer, to be sent again */
	RESEND_NO_NUMBER, /* the number that it left by is not connected any more */
	RESEND_FAILED, /* nothing was done, and trying again may help */
};
enum resend resend(struct visit *v, const char *id);

#endif
