/*
 * What customers ask for, for the file that ends their questions. Private to store/.
 */
#ifndef KEYHOUSE_STORE_DEMAND_H
#define KEYHOUSE_STORE_DEMAND_H

#include "store/db.h"

bool demand_ok(const struct store_demand *d); /* NULL is */
/* Counts what a queued answer is about. */
enum store_error demand_count(struct db *db, const struct store_message *answer);
/* Adds the questions of the days that begin with first_day. */
enum store_error demand_days(struct db *db, const char *business_id, int64_t first_day, struct store_activity *out);

#endif
