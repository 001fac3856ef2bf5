/*
 * What responders are owed, for the files that come to owe it. Private to store/.
 */
#ifndef KEYHOUSE_STORE_ASK_H
#define KEYHOUSE_STORE_ASK_H

#include "store/db.h"

/* Whether it is a status that may be kept for this business. */
bool ask_status_ok(const struct store_ask *a, const char *business_id);
enum store_error ask_insert_status(struct db *db, const struct store_ask *a);
/* The message is in the log already: its content is not kept twice. */
enum store_error ask_insert_question(struct db *db, const struct store_message *m);

#endif
