/*
 * Making a settings link: a token of 32 random bytes that stands in the URL's fragment,
 * which no browser sends to a server or a log. Only its hash is kept.
 *
 * Called by api and settings.
 */
#ifndef KEYHOUSE_LINK_H
#define KEYHOUSE_LINK_H

#include "store/store.h"

#define LINK_LIFE_MS (INT64_C(3600) * 1000) /* unless somebody says how long */
#define LINK_URL_MAX 2303u

/* Stores a link of this business and writes its URL, a secret that the caller shows once and wipes. Errors: as
 * store_link_add. */
enum store_error link_make(struct store *s, const char *public_url, const char *business_id, int64_t life_ms,
	struct store_link *out, char url[static LINK_URL_MAX + 1]) __attribute__((warn_unused_result));

#endif
