/*
 * What the provider told of a connection, inside the change that settles its event. Private to store/.
 */
#ifndef KEYHOUSE_STORE_NOTICE_H
#define KEYHOUSE_STORE_NOTICE_H

#include "store/db.h"

bool notice_ok(const struct store_notice *n);
/* STORE_OK also where something newer is known, or the connection is gone. */
enum store_error notice_take(struct db *db, const char *business_id, const struct store_notice *n);

#endif
