/*
 * Rows of messages, for the files that write and read them. Private to store/.
 */
#ifndef KEYHOUSE_STORE_MESSAGE_H
#define KEYHOUSE_STORE_MESSAGE_H

#include "store/db.h"

#define MESSAGE_COLUMNS                                                                                                \
	"m.id, m.business_id, m.connection_id, m.number, m.direction, m.state, m.type, m.conversation, "               \
	"m.wamid_index, m.created_at, m.updated_at, m.next_at, m.attempts, m.error_code, m.reason, "                   \
	"m.policy, m.maybe_duplicate, m.expires_at, m.discarded_at, "                                                  \
	"m.standby, m.echo, m.relation, m.concerns, m.played_at, m.wamid, m.content"

/* The columns above into a copy of the row. */
void message_read(struct query *q, struct rows *rows);
enum store_error message_insert(struct db *db, const struct store_message *m);
/* Whether a message that comes in is in the log already. */
enum message_known {
	MESSAGE_NEW, /* no: nothing of its direction goes by its wamid_index, or it has none */
	MESSAGE_SENT_HERE, /* it is an echo of what was sent from here */
	MESSAGE_CAME_BEFORE /* it has its row */
};
enum store_error message_known(struct db *db, const struct store_message *m, enum message_known *out);
/* Whether it has a wamid_index, by which it is known again. */
bool message_has_index(const struct store_message *m);
bool message_ok(const struct store_message *m);
/* Shows the copies, then frees them; err is handed through. */
enum store_error messages_show(
	struct rows *rows, enum store_error err, bool (*each)(const struct store_message *m, void *arg), void *arg);
/* As store_message_discard. */
enum store_error message_discard(struct db *db, const char *business_id, const char *id);
/* Applies what a status says; STORE_OK also where it does not apply. freed: gets the connection of a message that was
 * waiting to be sent again, and is not any more. */
enum store_error message_settle(
	struct db *db, const char *business_id, const struct store_settlement *st, char freed[static STORE_ID_LEN + 1]);

#endif
