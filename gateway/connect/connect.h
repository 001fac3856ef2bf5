/*
 * Connect: a shop's pasted keys become a connection.
 *
 * Checks the values' form, seals the secrets, asks the provider whether they
 * work (unless told not to), and stores all or nothing.
 *
 * Called by gateway/api. Secrets arrive as struct secret and leave only sealed.
 */
#ifndef KEYHOUSE_CONNECT_H
#define KEYHOUSE_CONNECT_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/outbound/outbound.h"
#include "gateway/tenant.h"

enum connect_error {
	CONNECT_OK = 0,
	CONNECT_NOT_FOUND, /* no such business or connection */
	CONNECT_INVALID, /* a value breaks its rule; see field and detail */
	CONNECT_NUMBER_TAKEN,
	CONNECT_CREDENTIAL_REFUSED, /* the provider refuses the key: nothing was stored */
	CONNECT_STALE, /* somebody changed the credential first */
	CONNECT_UNAVAILABLE, /* vault, sender or store do not answer */
};

enum connect_check_result { CONNECT_CHECK_OK = 1, CONNECT_CHECK_FAILED, CONNECT_CHECK_WAITING, CONNECT_CHECK_SKIPPED };

#define CONNECT_CHECKS_MAX 8u
struct connect_check {
	const char *name; /* "token", "app_secret", "permissions", "waba", "number", "webhook" */
	enum connect_check_result result;
	char detail[200]; /* plain words, no value of a secret */
};

struct connect_report {
	struct connect_check checks[CONNECT_CHECKS_MAX];
	size_t checks_len;
	char field[33]; /* the value at fault, with CONNECT_INVALID and CONNECT_CREDENTIAL_REFUSED */
	char detail[200]; /* which rule, in plain words */
};

struct connect {
	struct tenants *tenants;
	struct outbound *outbound; /* NULL: no sender runs, every live check is skipped */
};

/* A Meta connection. Texts may be NULL where missing (then CONNECT_INVALID names them). */
struct connect_meta {
	const char *business_id;
	const char *app_id, *waba_id, *phone_number_id; /* digits */
	const struct secret *app_secret; /* 32 lower-case hex digits usually; 8..256 printable ASCII accepted */
	const struct secret *access_token; /* 20..4096 printable ASCII, no space */
	bool verify;
};

/* Checks and stores. With verify: debug_token (is_valid, app id, expiry, scopes, WABA among its targets) and
 * the number's fields; ends active only if all passed, else pending. The webhook's check waits and does not
 * count; a WABA that Meta does not list is skipped. A refusal about a credential itself stores nothing, field
 * says which: access_token (is_valid false, or 190 from the number), app_secret (debug_token refuses
 * app_id|app_secret). Without verify or without a sender: pending. May take 20 seconds with verify. */
enum connect_error connect_meta_add(const struct connect *c, const struct connect_meta *in,
	struct store_connection *out, struct connect_report *report) __attribute__((warn_unused_result));

/* Runs the live checks of a stored connection again and writes its status: a refusal makes it key_refused, all
 * passed make it active, silence changes nothing; suspended and webhook_taken stay. CONNECT_OK whatever they say. */
enum connect_error connect_test(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *out, struct connect_report *report) __attribute__((warn_unused_result));

/* Replaces one secret ("access_token", "app_secret") after the live checks of the new one: refused, it is not
 * stored. A refusal of the other secret does not stand in the way. key_refused becomes active when all passed,
 * else pending. CONNECT_STALE: replaced by somebody else meanwhile. */
enum connect_error connect_rotate(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field, const struct secret *value, struct store_connection *out, struct connect_report *report)
	__attribute__((warn_unused_result));

#endif
