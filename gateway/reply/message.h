/*
 * What a responder says, as Cloud API messages: written for the catalogue, read and
 * checked for a platform. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_MESSAGE_H
#define KEYHOUSE_REPLY_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/reply/reply.h"

/* A text message to the customer. Owns: caller ends it with json_text_free. NULL: memory is short. */
char *reply_message_text(const struct reply_customer *to, const char *text);

/* Reads what a platform answered, {"messages": [<Cloud API message>, at most 5]}; NULL and "", and the JSON [] {} null
 * "" and messages that are null or empty, say nothing. Each is given its addressee, or must have the customer for one.
 * An answer that breaks a rule, or says something else than messages, is refused as a whole: out is ANSWERED with
 * nothing, and the rule stands in why. Short of memory, out is LATER. Owns: caller clears out. */
void reply_message_read(const struct reply_customer *to, const char *body, struct reply_answer *out);

/* Wipes and frees the messages. */
void reply_answer_clear(struct reply_answer *a);

#endif
