/*
 * The platform responder: hands one update to the platform's own address, signed, and reads
 * what it answers. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_PLATFORM_H
#define KEYHOUSE_REPLY_PLATFORM_H

#include "gateway/reply/reply.h"

/* As reply_ask. The answer to a status is not looked at. */
void reply_platform_ask(const struct reply_context *c, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg);

#endif
