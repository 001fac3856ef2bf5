/*
 * The catalogue responder: answers a question from the shop's own list. Internal to
 * gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_CATALOGUE_H
#define KEYHOUSE_REPLY_CATALOGUE_H

#include "gateway/reply/reply.h"

/* As reply_ask; answer is empty going in, and may hold texts after an error. */
enum reply_error reply_catalogue_ask(struct store *store, const struct reply_question *question,
	struct reply_answer *answer) __attribute__((warn_unused_result));

#endif
