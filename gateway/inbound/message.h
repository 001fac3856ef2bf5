/*
 * Reading one customer's message: who wrote, what, when, and whether a responder may
 * be asked (design section 4 step 5, facts/meta.md 1.7 and 1.9).
 *
 * The object comes from outside and may have any shape. Called by prepare.c, which
 * logs messages, and by ask.c, which reads them back from the log.
 */
#ifndef KEYHOUSE_INBOUND_MESSAGE_H
#define KEYHOUSE_INBOUND_MESSAGE_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MESSAGE_ANSWER_AGE_MS (24 * 60 * 60 * 1000LL)

/* Who wrote. Texts are borrowed from the tree, NULL where not known. */
struct message_customer {
	const char *user_id; /* BSUID, as it came */
	const char *phone; /* digits, no plus */
	const char *key; /* what the conversation is told by: the user id, else the phone as it came; "" for nobody */
};

/* contact may be NULL. */
struct message_customer message_customer(const cJSON *message, const cJSON *contact);

/* What a responder is asked: the text, or the title of the button or list row that was
 * chosen. NULL for every other message, and for one of a group. */
const char *message_question(const cJSON *message);

/* Makes what a provider says about an error fit to be shown and kept in clear: phone
 * numbers and message ids are blanked, what is too long is cut. */
void message_reason(char *out, size_t room, const char *text);

/* Texts one after the other, in memory of just that size: one that grew would leave copies of what customers
 * wrote behind. Owns: caller wipes and frees. NULL: memory is short. */
char *message_join(const char *const parts[], size_t len);

/* When it was written, milliseconds since 1970; fallback where it does not say. */
int64_t message_written_at(const cJSON *message, int64_t fallback);

/* Copies text, cut before the character that would not fit. */
void message_text_cut(char *out, size_t room, const char *text);

#endif
