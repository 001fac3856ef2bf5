/* The listener's half beside a vault, a sender and a provider, for tests: see desk.c. */
#ifndef KEYHOUSE_TEST_DESK_H
#define KEYHOUSE_TEST_DESK_H

#include <stdatomic.h>

#include "test/unit/outbound/fake_store.h"
#include "test/unit/outbound/house.h"
#include "test/unit/outbound/server.h"

#define BUSINESS "shop-1"
#define HELLO                                                                                                          \
	"{\"to\":\"1 (555) 123-4567\",\"type\":\"text\",\"text\":{\"body\":\"hello\"},"                                \
	"\"biz_opaque_callback_data\":\"theirs\"}"

struct desk {
	struct house h;
	struct outbound *o;
	atomic_int gone;
};

/* Once, before anything else: the provider's socket. */
void desk_listen(void);
const char *desk_url(void); /* of the provider, "http://127.0.0.1:port" */
uint16_t desk_port(void);

/* A house with one business, nothing running in the listener's half yet. NULL: as house_open with desk_url. */
void desk_open(struct desk *d, const struct house_world *world);
/* opt's tenants, sender and gone are set here; NULL: nothing else. */
void desk_start(struct desk *d, const struct outbound_options *opt);
void desk_close(struct desk *d);

/* NULL credentials are left out. key: access_token or api_key. */
void desk_connection(struct desk *d, enum store_provider provider, const char *id, const char *number, const char *key,
	const char *app_secret);
/* To 360dialog's sandbox. */
void desk_connection_sandbox(struct desk *d, const char *id, const char *number, const char *key);
/* Seals and queues; id has room for the message's. */
void desk_queue(struct desk *d, const char *connection, const char *number, const char *json, char *id, int64_t age_ms);
struct fake_row desk_await_state(const char *id, enum store_message_state state);
void desk_await_status(const char *connection, enum store_connection_status status);

#endif
