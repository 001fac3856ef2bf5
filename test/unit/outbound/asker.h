/* Somebody who asks a responder, for tests: see asker.c. */
#ifndef KEYHOUSE_TEST_ASKER_H
#define KEYHOUSE_TEST_ASKER_H

#include <stdatomic.h>

#include "test/unit/outbound/desk.h"

#define ASKER_SECRET "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define ASKER_SECRET_BYTES "0123456789abcdef0123456789abcdef"
#define ASKER_BODY "{\"object\":\"whatsapp_business_account\",\"entry\":[]}"

/* One ask, and what came of it. */
struct asked {
	struct desk *desk;
	struct store_credential secret;
	uint8_t *blob;
	char url[128];
	const char *body, *message_id; /* message_id: NULL: about none */
	atomic_int begun, done;
	atomic_int place; /* in which order it ended, from 1 */
	enum outbound_class class;
	int64_t retry_after_ms;
	char reason[256];
	char *fields;
	unsigned slow_us; /* how long the asker takes to hear it */
	bool again; /* asks once more from within done */
	enum outbound_error again_err;
};

/* A desk whose responder_allow names the test's server. timeout_ms 0: 15 seconds. */
void asker_open(struct desk *d, const struct outbound_options *opt, unsigned timeout_ms);

void asker_init(struct asked *a, struct desk *d, const char *path);
void asker_clear(struct asked *a);
enum outbound_error asker_ask(struct asked *a);
void asker_await(struct asked *a, int times);
void asker_run(struct asked *a); /* asks and waits */

#endif
