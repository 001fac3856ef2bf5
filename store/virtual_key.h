/*
 * Virtual keys, for the store's files that send with one. Private to store/.
 */
#ifndef KEYHOUSE_STORE_VIRTUAL_KEY_H
#define KEYHOUSE_STORE_VIRTUAL_KEY_H

#include "store/db.h"

/* One message more with this key, on the day of UTC that now falls into; inside the change that queues it, which fails where
 * this fails. STORE_TOO_MANY: the day's budget is used up. STORE_NOT_FOUND: meanwhile it was revoked or has expired, its
 * business was suspended, or there is none. */
enum store_error virtual_key_spend(struct db *db, const char *key_id, int64_t now) __attribute__((warn_unused_result));
/* A message that was spent at that time came to nothing after all: one fewer on that day. Of a key that is gone there is
 * none. */
enum store_error virtual_key_give_back(struct db *db, const char *key_id, int64_t at)
	__attribute__((warn_unused_result));

#endif
