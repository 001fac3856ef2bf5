/*
 * Issuing virtual keys: what a new one may be, and making it.
 *
 * Over the API, on the operator's page and by a command the same is asked for in three forms;
 * the rules are here, once. What is asked is a stranger's until it has passed.
 * Called by api, settings and command_virtual_key.
 */
#ifndef KEYHOUSE_VIRTUAL_KEY_ISSUE_H
#define KEYHOUSE_VIRTUAL_KEY_ISSUE_H

#include "gateway/virtual_key.h"

/* Each puts one thing that was asked for into a key that began zeroed. Returns NULL; or the rule that it breaks: what
 * follows the field's name in a sentence ("must be ..."), static. What is not asked for is not called: without a limit a
 * key has none, without an end it is for ever, without numbers it is for all. */
const char *virtual_key_ask_name(struct store_virtual_key *k, const char *name);
const char *virtual_key_ask_scope(struct store_virtual_key *k, const char *scope); /* one more */
const char *virtual_key_ask_scopes_end(const struct store_virtual_key *k); /* were there any at all? */
const char *virtual_key_ask_rate(struct store_virtual_key *k, double calls_a_minute);
const char *virtual_key_ask_budget(struct store_virtual_key *k, double messages_a_day);
const char *virtual_key_ask_days(struct store_virtual_key *k, double days, int64_t now);
const char *virtual_key_ask_end(struct store_virtual_key *k, const char *time, int64_t now); /* RFC 3339 */
/* How many virtual_key_ask_number may add. */
const char *virtual_key_ask_numbers_len(int len);
/* One more, of a connection of k->business_id. STORE_NOT_FOUND: it is none; VIRTUAL_KEY_NUMBERS_RULE says so. */
enum store_error virtual_key_ask_number(struct store *store, struct store_virtual_key *k, const char *number)
	__attribute__((warn_unused_result));
#define VIRTUAL_KEY_NUMBERS_RULE "must be phone_number_ids of this business's connections"

/* The number that digits make, as somebody types it; 0, which no limit is, where it is none. */
double virtual_key_count(const char *text);

/* Makes the key that was asked for, and keeps it. STORE_TOO_MANY: two of its name live. Else as store_virtual_key_add.
 * Secrets: the caller shows text once and wipes it; it is empty after an error. */
enum store_error virtual_key_issue(struct store *store, struct store_virtual_key *k, char text[static VIRTUAL_KEY_ROOM])
	__attribute__((warn_unused_result));

#endif
