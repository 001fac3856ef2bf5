/*
 * One shop for the tests of connect: a real store and vault, and the fake sender of
 * test/unit/api.
 */
#ifndef KEYHOUSE_TEST_CONNECT_SHOP_H
#define KEYHOUSE_TEST_CONNECT_SHOP_H

#include "test/unit/api/helper.h"

#include "gateway/connect/connect.h"
#include "test/unit/api/fake_outbound.h"

/* The house, with a business "shop"; ways to connect it. serving: our webhook URL is answered. */
extern struct house *house;
extern struct connect with_sender, serving, without_sender;
int shop_setup(void **state);
int shop_teardown(void **state);
struct store *shop_store(void);

struct values {
	const char *app_id, *waba_id, *number, *secret, *token;
};
extern const struct values good;

/* A Meta connection of "shop". */
enum connect_error add(const struct connect *c, const struct values *v, bool verify, struct store_connection *out,
	struct connect_report *report);
/* With take_over; of any business. */
enum connect_error add_over(const struct connect *c, const char *business, const struct values *v,
	struct store_connection *out, struct connect_report *report);

/* A 360dialog connection of business. */
struct keys {
	const char *key; /* NULL: API_KEY */
	const char *number, *waba, *platform_secret;
	const bool *sandbox;
	bool skip, take_over;
};
extern const struct keys key_plain, key_over, key_unverified;
extern char shown_secret[64]; /* the webhook secret that was shown last */
enum connect_error connect_key(const struct connect *c, const char *business, const struct keys *k,
	struct store_connection *out, struct connect_report *report);

void removed(const char *id);
unsigned stored(void);
/* Of the current credentials of "shop" with this field. */
uint64_t version_of(const char *field);

enum connect_check_result result_of(const struct connect_report *report, const char *name);
const char *detail_of(const struct connect_report *report, const char *name);

#endif
