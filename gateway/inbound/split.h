/*
 * From one parsed webhook body to its updates, leniently (facts/meta.md 1.5 to 1.8).
 *
 * What becomes an update, and of which kind:
 *   field messages (also when field is missing)
 *                    messages[] MESSAGE, statuses[] STATUS, message_echoes[] ECHO, calls[] OTHER
 *   standby          the same lists, also inside value.standby: another handler answers that
 *                    customer, so that its messages are logged, and not answered
 *   smb_message_echoes, message_echoes
 *                    message_echoes[] ECHO, statuses[] STATUS, the rest OTHER
 *   history          one OTHER for the whole change: old messages, no one waits for an answer
 *   user_id_update   user_id_update[] OTHER
 *   every other      each element of those lists OTHER, echoes ECHO
 *   a change with none of the lists, or with empty ones
 *                    one OTHER (account_update, errors, user_actions, ...)
 *   an entry or change that is not the object it should be, a list element that is none
 *                    one OTHER, so that nothing of a mixed body is passed over in silence
 * So only what a customer and a shop write to each other now enters the message log.
 *
 * The body was signed by the app of a tenant, who may be hostile: any type may stand
 * anywhere, any count. Called by ready.c.
 */
#ifndef KEYHOUSE_INBOUND_SPLIT_H
#define KEYHOUSE_INBOUND_SPLIT_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define SPLIT_UPDATES_MAX 4000u /* four times what Meta puts into one POST (facts/meta.md 1.4) */
/* Bytes of a text that many updates share. A provider's are far shorter: a longer one says nothing, so that no body makes
 * each of thousands of updates cost its length again. */
#define SPLIT_SHARED_MAX 256u

enum split_error {
	SPLIT_OK = 0,
	SPLIT_NOT_JSON, /* or too deep, or not UTF-8, or memory is short: json_parse does not tell */
	SPLIT_UNKNOWN_SHAPE, /* no entry[] with a change in it */
	SPLIT_TOO_MANY,
	SPLIT_NO_MEMORY,
};

/* Returns SPLIT_OK, SPLIT_NOT_JSON. Owns: caller ends *root with cJSON_Delete. */
enum split_error split_parse(const uint8_t *body, size_t len, cJSON **root) __attribute__((warn_unused_result));

/* Everything points into the tree. Texts are NULL where there is none. */
struct split_update {
	enum store_update_kind kind;
	const char *list; /* in which item stood; NULL: in none */
	bool standby; /* of a conversation that another handler answers */
	const char *
		field; /* "messages" when the change names none; "" when it is no text, too long, or there is no change */
	const char
		*number; /* metadata.phone_number_id, of a handover recipient.phone_number_id; "" when it is there but
			     * no string, or too long */
	const char *account; /* the entry's id; "" when it is too long */
	const cJSON *time; /* the entry's time, where it is a number, or a text that is not too long */
	const cJSON *metadata;
	const cJSON *contacts; /* the list that goes with item */
	const cJSON *item; /* the message, status, echo or call; else the value; else what stood in its place */
};

/* Returns SPLIT_OK, SPLIT_UNKNOWN_SHAPE, SPLIT_TOO_MANY, SPLIT_NO_MEMORY. Owns: caller
 * frees *out, which borrows from root. */
enum split_error split_envelope(const cJSON *root, struct split_update **out, size_t *len)
	__attribute__((warn_unused_result));

#endif
