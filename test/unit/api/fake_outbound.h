/*
 * A sender that says what a test told it to: stands in for the parts of
 * gateway/outbound that need a process, in the tests of api and connect.
 *
 * It remembers who gets the webhooks as a provider would: what was registered is told
 * when it is asked for.
 */
#ifndef KEYHOUSE_TEST_API_FAKE_OUTBOUND_H
#define KEYHOUSE_TEST_API_FAKE_OUTBOUND_H

#include "gateway/outbound/outbound.h"

struct fake_says {
	enum outbound_error err;
	enum outbound_class class; /* 0: as after fake_reset */
	int32_t code, subcode;
	const char *reason; /* NULL: "" */
	const char *fields; /* copied; NULL: none */
	unsigned times; /* then as after fake_reset again; 0: always */
};

struct outbound *fake_outbound(void);
/* All well: a valid token of app 1001 with both scopes, number 3003, a 360dialog key of number 3003, and nobody gets
 * webhooks. Counts go to 0; what the handshake does stays. */
void fake_reset(void);
/* What the next questions of a kind are answered with. */
void fake_answer(enum outbound_kind kind, const struct fake_says *says);
void fake_debug_token(const struct fake_says *says);
void fake_number(const struct fake_says *says); /* asked for all of its fields, or for the safe ones */

/* What is known of every customer's window; NOT_KNOWN at first. */
void fake_window(const struct outbound_window *w);

/* How far the providers' clock is before ours. */
void fake_clock(int32_t ahead);

/* Who gets the webhooks: "none", "ours", "house" or "foreign" (then https://elsewhere.example). The kind is one of
 * those marked C. */
void fake_owner(enum outbound_kind kind, const char *state);
const char *fake_owner_now(enum outbound_kind kind);
/* The provider calls our URL when it is registered: hook does what the handshake does. NULL: it does not. */
void fake_handshake(void (*hook)(const char *business_id, const char *connection_id));

unsigned fake_checks(void); /* how many checks were asked for */
unsigned fake_asked(enum outbound_kind kind); /* of one kind */
const char *fake_body(enum outbound_kind kind); /* the last one's; "" where there was none */
unsigned fake_wakes(void);

#define FAKE_TOKEN_FIELDS                                                                                              \
	"{\"data\":{\"app_id\":\"1001\",\"type\":\"SYSTEM_USER\",\"is_valid\":true,\"expires_at\":0,\"scopes\":"       \
	"[\"whatsapp_business_management\",\"whatsapp_business_messaging\"],\"granular_scopes\":["                     \
	"{\"scope\":\"whatsapp_business_messaging\",\"target_ids\":[\"1\",\"2002\"]}]}}"
#define FAKE_NUMBER_FIELDS                                                                                             \
	"{\"id\":\"3003\",\"display_phone_number\":\"+234 801 234 5678\",\"verified_name\":\"Paul's Electronics\"}"
#define FAKE_WABA_NUMBERS "{\"data\":[" FAKE_NUMBER_FIELDS "]}"
/* 360dialog's, of a number. can: AVAILABLE, LIMITED or BLOCKED. */
#define FAKE_HEALTH(number, can)                                                                                       \
	"{\"id\":\"" number "\",\"display_phone_number\":\"+234 801 234 5678\",\"verified_name\":\"Paul's "            \
	"Electronics\",\"health\":{\"can_send\":\"" can "\",\"entities\":[{\"type\":\"PHONE_NUMBER\",\"id\":\"" number \
	"\"},{\"type\":\"WABA\",\"id\":\"2002\"}],\"why\":\"\"}}"

#endif
