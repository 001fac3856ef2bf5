/*
 * What the platform responder stands on, in memory: a responder's row, one connection, one
 * message of ours, sealing that only marks where a blob lies, a sender that answers as it is
 * told, on a thread of its own.
 */
#ifndef KEYHOUSE_TEST_REPLY_FAKE_PLATFORM_H
#define KEYHOUSE_TEST_REPLY_FAKE_PLATFORM_H

#include <pthread.h>

#include "gateway/outbound/outbound.h"

#define FAKE_OURS "01aaaaaaaaaaaaaaaaaaaaaaaa" /* a message of business "paul", sent by us */
#define FAKE_INBOUND "01bbbbbbbbbbbbbbbbbbbbbbbb" /* one that a customer sent */

struct fake_platform {
	/* what there is; all zero: everything works, the message is not kept any more */
	enum store_error responder, message, connection;
	enum tenant_error open, message_open; /* of the address; of the message */
	enum outbound_error ask;
	const char *content; /* of FAKE_OURS, as it was queued */
	struct outbound_result result; /* what the platform answers */
	/* what was asked */
	unsigned asks;
	char body[4096], url[64], id[64], business_id[64], message_id[64];
	struct store_credential secret;
	pthread_t thread; /* of the last ask; the test joins it */
};

extern struct fake_platform fake_platform;
void fake_platform_reset(void);

#endif
