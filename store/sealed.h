/*
 * Exchanging one sealed value, inside a change. Private to store/.
 */
#ifndef KEYHOUSE_STORE_SEALED_H
#define KEYHOUSE_STORE_SEALED_H

#include "store/core.h"

/* Where the row holds something else by now, or is gone, nothing happens. */
enum store_error sealed_change(
	struct db *db, const char *business_id, enum store_sealed_place place, const struct store_resealed *v);

#endif
