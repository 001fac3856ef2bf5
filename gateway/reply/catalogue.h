/*
 * The catalogue responder: answers a question from the shop's own list. Internal to
 * gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_CATALOGUE_H
#define KEYHOUSE_REPLY_CATALOGUE_H

#include "gateway/reply/reply.h"

/* As reply_ask; done is called before it returns. */
void reply_catalogue_ask(const struct reply_context *c, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg);

#endif
