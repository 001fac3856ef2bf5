/*
 * A sender that says what a test told it to: stands in for the parts of
 * gateway/outbound that need a process, in the tests of api and connect.
 */
#ifndef KEYHOUSE_TEST_API_FAKE_OUTBOUND_H
#define KEYHOUSE_TEST_API_FAKE_OUTBOUND_H

#include "gateway/outbound/outbound.h"

struct fake_says {
	enum outbound_error err;
	enum outbound_class class;
	int32_t code;
	const char *reason; /* NULL: "" */
	const char *fields; /* copied; NULL: none */
};

struct outbound *fake_outbound(void);
/* All well: a valid token of app 1001 with both scopes, and number 3003. Counts go to 0. */
void fake_reset(void);
void fake_debug_token(const struct fake_says *says);
void fake_number(const struct fake_says *says);
unsigned fake_checks(void); /* how many checks were asked for */
unsigned fake_wakes(void);

#define FAKE_TOKEN_FIELDS                                                                                              \
	"{\"data\":{\"app_id\":\"1001\",\"type\":\"SYSTEM_USER\",\"is_valid\":true,\"expires_at\":0,\"scopes\":"       \
	"[\"whatsapp_business_management\",\"whatsapp_business_messaging\"],\"granular_scopes\":["                     \
	"{\"scope\":\"whatsapp_business_messaging\",\"target_ids\":[\"1\",\"2002\"]}]}}"
#define FAKE_NUMBER_FIELDS                                                                                             \
	"{\"id\":\"3003\",\"display_phone_number\":\"+234 801 234 5678\",\"verified_name\":\"Paul's Electronics\"}"

#endif
