/*
 * Conversations that go under another name, and who answers them, for the files that write messages.
 * Private to store/.
 */
#ifndef KEYHOUSE_STORE_ALIAS_H
#define KEYHOUSE_STORE_ALIAS_H

#include "store/db.h"

/* In a query whose ?1 is the business and ?2 a conversation: the one that it goes under. */
#define ALIAS_OF "coalesce((SELECT a.conversation FROM aliases a WHERE a.business_id = ?1 AND a.alias = ?2), ?2)"

/* The same, in place. */
enum store_error alias_resolve(struct db *db, const char *business_id, uint8_t conversation[static STORE_INDEX_LEN]);
/* From now on all names go under the one that was known first; out is the first name's. One under which very much waits
 * goes before, and two of those stay two. */
enum store_error alias_join(struct db *db, const char *business_id, const uint8_t names[][STORE_INDEX_LEN],
	size_t names_len, uint8_t out[static STORE_INDEX_LEN]);

/* Who answers a conversation, which is no alias, since at. */
enum store_error control_note(struct db *db, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], enum store_holder holder, int64_t at);
/* Its customer rang at that time. */
enum store_error call_note(
	struct db *db, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], int64_t at);
/* A message of ours was accepted: but for a template, that takes its conversation over. */
enum store_error control_take(struct db *db, const char *business_id, const char *message_id);

#endif
