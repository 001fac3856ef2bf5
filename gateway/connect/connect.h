/*
 * Connect: a shop's pasted keys become a connection.
 *
 * Checks the values' form, seals the secrets, asks the provider whether they
 * work (unless told not to), and stores all or nothing.
 *
 * Called by gateway/api, gateway/settings and gateway/health.c. Secrets arrive as struct secret and leave only sealed.
 */
#ifndef KEYHOUSE_CONNECT_H
#define KEYHOUSE_CONNECT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "gateway/finding.h"
#include "gateway/outbound/outbound.h"
#include "gateway/tenant.h"

enum connect_error {
	CONNECT_OK = 0,
	CONNECT_NOT_FOUND, /* no such business or connection */
	CONNECT_INVALID, /* a value breaks its rule; see field and detail */
	CONNECT_NUMBER_TAKEN, /* detail says which, not whose. What the provider confirms goes before a mere claim */
	CONNECT_WEBHOOK_TAKEN, /* another system gets this number's webhooks: nothing was stored; detail says which host */
	CONNECT_CREDENTIAL_REFUSED, /* the provider refuses the key: nothing was stored */
	CONNECT_CHOICE, /* the account has several numbers and none was named: nothing was stored; choices says which */
	CONNECT_STALE, /* somebody changed the credential first */
	CONNECT_UNAVAILABLE, /* vault, sender or store do not answer */
};

enum connect_check_result { CONNECT_CHECK_OK = 1, CONNECT_CHECK_FAILED, CONNECT_CHECK_WAITING, CONNECT_CHECK_SKIPPED };

#define CONNECT_CHECKS_MAX 12u
struct connect_check {
	/* Meta: token app_secret permissions number waba callback subscription webhook
	 * 360dialog: key number callback webhook */
	const char *name;
	enum connect_check_result result;
	enum finding finding; /* of a failed one; else FINDING_NONE */
	char detail[240]; /* plain words, no value of a secret */
};

#define CONNECT_CHOICES_MAX 20u
struct connect_choice {
	char id[STORE_PROVIDER_ID_LEN + 1]; /* the phone_number_id to name */
	char display_phone[33], verified_name[STORE_NAME_LEN + 1]; /* as the provider shows it, or "" */
};

struct connect_report {
	struct connect_check checks[CONNECT_CHECKS_MAX];
	size_t checks_len;
	char owner[129]; /* with CONNECT_WEBHOOK_TAKEN: scheme and host of who gets the webhooks */
	char number_taken[STORE_PROVIDER_ID_LEN + 1]; /* with CONNECT_NUMBER_TAKEN: its id, typed or found */
	char field[33]; /* the value at fault, with CONNECT_INVALID, CONNECT_CREDENTIAL_REFUSED and CONNECT_CHOICE */
	char detail[240]; /* which rule, in plain words */
	struct connect_choice choices[CONNECT_CHOICES_MAX]; /* with CONNECT_CHOICE; of more, the first */
	size_t choices_len;
};

struct connect {
	struct tenants *tenants;
	struct outbound *outbound; /* NULL: no sender runs, every live check is skipped */
	const char *public_url; /* what our webhook URLs begin with */
	bool meta_is_loopback, d360_is_loopback,
		d360_sandbox_is_loopback; /* its URL: only then may public_url be http */
	bool serving; /* our webhook URL is answered now; else Meta's handshake would fail, and nothing is registered there */
	/* NULL, or: once it is true no further question is begun, and the rest is said to be waiting. */
	const atomic_bool *stop;
	/* How whoever reads the details has our webhook registered again, and takes it over: "press Register again". NULL:
	 * as users of the commands and the API do. */
	const char *register_by, *take_over_by;
	/* NULL, or hears of each line of report.checks once, in order, as soon as it is known. On the thread of the call
	 * that asks; check is borrowed. */
	void (*told)(const struct connect_check *check, void *told_arg);
	void *told_arg;
};

/* What a connection's status means, and what to do about it, in plain words for a shop owner. */
struct connect_state {
	enum store_connection_status status;
	const char *name; /* the API's */
	const char *title, *meaning, *remedy;
	bool needs_shop; /* nothing gets better until the shop owner does something */
};
const struct connect_state *connect_state_of(enum store_connection_status status);

/* A check of a report; NULL: it was not made. */
const struct connect_check *connect_check_find(const struct connect_report *report, const char *name);
/* Whether it was made, and is well. */
bool connect_check_is_ok(const struct connect_report *report, const char *name);

/* Whether the checks so far found a fault. */
bool connect_any_failed(const struct connect_report *report);
/* Whether the provider answered all that it was asked. */
bool connect_was_answered(const struct connect_report *report);
/* Whether a check failed with this finding. */
bool connect_failed_with(const struct connect_report *report, enum finding finding);

/* "Meta", "360dialog" or "360dialog's sandbox". */
const char *connect_provider_name(const struct store_connection *s);
/* The digits of a number as the provider shows it ("+234 801 234 5678"). */
#define CONNECT_DIGITS_MAX 32u
void connect_digits(const char *shown, char out[static CONNECT_DIGITS_MAX + 1]);
/* When a webhook of the connection came last, a handshake counted, as far as the newest events of its business tell; 0:
 * never. */
enum store_error connect_last_heard(struct store *store, const struct store_connection *c, int64_t *at)
	__attribute__((warn_unused_result));

/* Where a business's webhooks go: public_url/webhooks/{business_id}. Cut to fit. */
void connect_webhook_url(const struct connect *c, const char *business_id, char *out, size_t out_len);

/* A Meta connection. Texts may be NULL where missing (then CONNECT_INVALID names them). */
struct connect_meta {
	const char *business_id;
	const char *app_id; /* this and the next: digits */
	const char *waba_id, *phone_number_id; /* with verify and a sender each may be NULL: Meta is asked for it */
	const struct secret *app_secret; /* 32 lower-case hex digits usually; 8..256 printable ASCII accepted */
	const struct secret *access_token; /* 20..4096 printable ASCII, no space */
	bool verify;
	bool take_over; /* this WABA's webhooks may be taken from another system */
	bool strict; /* with verify: where a check failed, nothing is stored and nothing of other businesses is said */
};

/* Checks and stores, then registers. With verify: debug_token (is_valid, app id, expiry, scopes, WABA among its
 * targets) and the number's fields; ends active only if all of these passed, else pending. A refusal about a credential
 * itself stores nothing, field says which: access_token (is_valid false, or 190 from the number), app_secret
 * (debug_token refuses app_id|app_secret, or Meta a proof made with it). Without verify or without a sender: pending,
 * nothing is registered.
 *
 * A waba_id that is missing is the one account that the token covers; a phone_number_id, the one number of the account.
 * None, or several accounts: CONNECT_INVALID; several numbers: CONNECT_CHOICE; Meta does not answer:
 * CONNECT_UNAVAILABLE, with a detail. Nothing is stored then.
 *
 * Registering (facts/meta.md 6); what fails can be done by hand:
 *   callback      an app has one callback. Nobody's, or stale and ours: it is set to our URL. Used by a connection of
 *                 another business here: the WABA's override is set instead, never the app's. Another system's: failed,
 *                 status webhook_taken, unless take_over, and then the override is set. Of a business here with the
 *                 same app and WABA: the same, but take_over takes nothing: an app has one override per WABA.
 *   subscription  the app is subscribed to the WABA, which is needed in every case.
 *   webhook       the handshake that registering provokes, awaited at most 5 s, else waiting. Once a webhook came: ok.
 * A public_url that the provider cannot use is said first, whether it answers or not.
 * May take 40 seconds with verify. */
enum connect_error connect_meta_add(const struct connect *c, const struct connect_meta *in,
	struct store_connection *out, struct connect_report *report) __attribute__((warn_unused_result));

/* A 360dialog connection. */
struct connect_d360 {
	const char *business_id;
	const char *client_id; /* may be NULL; letters, digits, "-", "_", at most STORE_CLIENT_ID_LEN */
	const char *phone_number_id; /* may be NULL: the provider tells it, or the first webhook does */
	const char *waba_id; /* may be NULL */
	const struct secret *api_key; /* opaque: 8..512 printable ASCII, no space (facts/360dialog.md 1) */
	const struct secret
		*platform_secret; /* may be NULL; 8..256 printable ASCII; then x-360dialog-signature is demanded */
	const bool
		*sandbox; /* NULL: a key that ends in _sandbox is one of 360dialog's sandbox (facts/360dialog.md 1) */
	bool verify;
	bool take_over; /* a foreign webhook may be replaced */
};

/* With verify: probes the key (GET health_status, facts/360dialog.md 3), which tells number and WABA; looks who gets
 * the webhooks now (foreign and not take_over: CONNECT_WEBHOOK_TAKEN); stores; sets our webhook with the connection's
 * secret header; reads it back. 401: CONNECT_CREDENTIAL_REFUSED. A number that answers BLOCKED: status blocked. All
 * passed: active; silence or anything else: pending. *webhook_secret is the fresh value of OUTBOUND_D360_HEADER, to be
 * shown once. Owns: caller ends it with secret_free.
 * A key of the sandbox is probed by looking who gets the webhooks alone; its number is learnt from the first one. */
enum connect_error connect_d360_add(const struct connect *c, const struct connect_d360 *in,
	struct store_connection *out, struct secret **webhook_secret, struct connect_report *report)
	__attribute__((warn_unused_result));

/* Runs the live checks of a stored connection again, changes nothing at the provider, and writes its status: a refusal
 * makes it key_refused, all passed make it active, silence changes nothing; suspended stays. A foreign webhook makes it
 * webhook_taken, which only ours again ends (Meta: or that of a business here with the same app and WABA). 360dialog:
 * a BLOCKED number makes it blocked; a number not known yet is learnt. CONNECT_OK whatever they say;
 * CONNECT_NUMBER_TAKEN when the number learnt is another connection's. */
enum connect_error connect_test(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *out, struct connect_report *report) __attribute__((warn_unused_result));

/* Registers our webhook again, as adding does: what is nobody's, or stale and ours, is set. A foreign one is replaced
 * only with take_over, else the status becomes webhook_taken and the check says so. A webhook_secret of ours that does not
 * open is replaced by a new one, as by connect_rotate. */
enum connect_error connect_register(const struct connect *c, const char *business_id, const char *connection_id,
	bool take_over, struct store_connection *out, struct connect_report *report)
	__attribute__((warn_unused_result));

/* Changes a Meta connection's access token for a fresh one of 60 days (fb_exchange_token, facts/meta.md 5), which takes
 * its place once Meta has answered with it; the old one goes then. Where anything is amiss the old one stays
 * in its place and detail says why: CONNECT_CREDENTIAL_REFUSED (Meta gives none, or the new one does not work),
 * CONNECT_STALE, CONNECT_UNAVAILABLE. CONNECT_INVALID: it is no connection of Meta. */
enum connect_error connect_token_renew(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *out, struct connect_report *report) __attribute__((warn_unused_result));

/* In the three calls below a secret that is replaced stays for STORE_OVERLAP_MS at most. A key that sends: until the
 * new one works, in these checks or for a send; if it is refused instead, the old one takes its place again. What
 * webhooks are known by: until TENANT_UNDER_WAY_MS after the first one by the new secret. */

/* Replaces one secret (Meta: "access_token", "app_secret"; 360dialog: "api_key", "webhook_secret", "platform_secret",
 * which may be the first) after the live checks of the new one: refused, it is not stored. A refusal of the other secret
 * does not stand in the way. key_refused becomes active when all passed, else pending. CONNECT_STALE: replaced by
 * somebody else meanwhile. A new api_key of another number is CONNECT_INVALID. A new api_key or webhook_secret sets our
 * webhook again (facts/360dialog.md 6), a foreign one only with take_over. A webhook_secret that 360dialog certainly was
 * not given is not kept: CONNECT_WEBHOOK_TAKEN, CONNECT_UNAVAILABLE, CONNECT_CREDENTIAL_REFUSED. */
enum connect_error connect_rotate(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field, const struct secret *value, bool take_over, struct store_connection *out,
	struct connect_report *report) __attribute__((warn_unused_result));

/* The same of what is made here: CONNECT_VERIFY_TOKEN (Meta: the one before is good for handshakes until one comes with
 * the new one, at most STORE_OVERLAP_MS) or "webhook_secret". CONNECT_INVALID: the connection has no such field. */
#define CONNECT_VERIFY_TOKEN "verify_token"
enum connect_error connect_rotate_own(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field, struct store_connection *out, struct connect_report *report)
	__attribute__((warn_unused_result));

/* What a secret or CONNECT_VERIFY_TOKEN replaced is good for nothing from now on. CONNECT_INVALID: no such field.
 * CONNECT_NOT_FOUND: nothing is left of it. */
enum connect_error connect_previous_end(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field) __attribute__((warn_unused_result));

#endif
