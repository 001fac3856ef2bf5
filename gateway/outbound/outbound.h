/*
 * Outbound: from the outbox to the provider, with the shop's own key.
 *
 * Two halves in two processes. The listener's half (struct outbound) leases due
 * messages, hands them as jobs to the sender and settles what came of them. The
 * sender's half (outbound_sender_run) asks the vault to open the one credential a
 * job needs, makes the request with libcurl, and hands back only the answer's
 * fields that the table of job kinds names.
 *
 * A provider's answer is trusted with nothing: bounded, never redirected, classified.
 */
#ifndef KEYHOUSE_OUTBOUND_H
#define KEYHOUSE_OUTBOUND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/tenant.h"
#include "store/store.h"
#include "vault/vault.h"

enum outbound_error {
	OUTBOUND_OK = 0,
	OUTBOUND_GONE, /* the sender does not answer */
	OUTBOUND_TIMEOUT,
	OUTBOUND_NO_MEMORY,
	OUTBOUND_INVALID, /* the job breaks its kind's rules: the caller's fault */
	OUTBOUND_STORE,
};

/* What the sender may be asked. A row in the table of kinds pins host, method,
 * path, credentials and the answer's fields. */
enum outbound_kind {
	OUTBOUND_META_SEND = 1, /* POST /{version}/{phone_number_id}/messages */
	OUTBOUND_META_NUMBER = 2, /* GET  /{version}/{phone_number_id}?fields=... */
	OUTBOUND_META_DEBUG_TOKEN = 3, /* GET  /{version}/debug_token?input_token=..., bearer {app_id}|{app_secret} */
};

/* What came of an attempt. The first block is about the request reaching the
 * provider, the second is what it answered (facts/meta.md section 3). */
enum outbound_class {
	OUTBOUND_NOT_SENT = 1, /* provably not accepted: name lookup, connect, TLS */
	OUTBOUND_OUTCOME_UNKNOWN, /* bytes may have been accepted and no usable answer came */
	OUTBOUND_ACCEPTED, /* 2xx with what the kind expects */
	OUTBOUND_RETRYABLE, /* refused for now: explicit transient code */
	OUTBOUND_RATE_LIMITED,
	OUTBOUND_AUTH, /* token or permission */
	OUTBOUND_ACCOUNT, /* account or number needs a human */
	OUTBOUND_MESSAGE, /* this message is wrong for good */
	OUTBOUND_RECIPIENT,
	OUTBOUND_WINDOW, /* more than 24 hours since the customer wrote */
	OUTBOUND_NO_CREDENTIAL, /* the vault could not open the credential */
};
const char *outbound_class_text(enum outbound_class c); /* plain words for a shop owner */

struct outbound_result {
	enum outbound_class class;
	int http_status; /* 0: no answer */
	int32_t code; /* the provider's error code, or 0 */
	int32_t subcode;
	int64_t retry_after_ms; /* 0: not said */
	char reason[256]; /* plain words; secrets the sender held are blanked */
	char *fields; /* ACCEPTED: the answer's fields that the kind names, as JSON in the answer's own
				* shape ("messages[0].id" and "data.is_valid" are paths in it); else NULL */
};
void outbound_result_clear(struct outbound_result *r);

/* ------------------------------------------------------------ listener's half */

struct outbound;

struct outbound_options {
	struct tenants *tenants; /* borrowed */
	int sender_fd; /* taken, also when opening fails */
	unsigned in_flight_max; /* sends at once; 0 = 64 */
	unsigned per_connection; /* of one connection; 0 = 8 */
	bool checks_only; /* a command's: only outbound_check and outbound_ping work, the outbox is left alone */
	void (*gone)(void *ctx); /* the sender closed: the listener must end */
	void *ctx;
};

/* Starts its threads. SENDING rows of an earlier run become UNKNOWN first, unless checks_only. */
enum outbound_error outbound_open(struct outbound **out, const struct outbound_options *opt)
	__attribute__((warn_unused_result));
/* Waits a few seconds for sends that are on their way; what is then still out becomes UNKNOWN at
 * the next start. Nobody may be in another call. NULL is fine. */
void outbound_close(struct outbound *o);
void outbound_wake(struct outbound *o); /* something was queued */
/* Whether the sender answers; for readiness. */
enum outbound_error outbound_ping(struct outbound *o) __attribute__((warn_unused_result));

/* A check made while somebody waits: connecting, testing. Credentials are given
 * sealed, as store_credential_list shows them, in the order the kind wants them:
 *   META_NUMBER       access_token
 *   META_DEBUG_TOKEN  access_token (the one asked about), app_secret */
struct outbound_check {
	enum outbound_kind kind;
	const char *business_id;
	const char *connection_id;
	const char *app_id; /* META_DEBUG_TOKEN */
	const char *phone_number_id; /* META_NUMBER */
	const struct store_credential *credentials;
	size_t credentials_len;
};
/* Waits up to timeout_ms. Owns: caller clears result. */
enum outbound_error outbound_check(struct outbound *o, const struct outbound_check *check, unsigned timeout_ms,
	struct outbound_result *result) __attribute__((warn_unused_result));

/* The states of an outbound message a status may move it from (a STORE_STATE_BIT
 * mask), and the state it moves to: Meta's "sent", "delivered", "read", "played",
 * "failed". False for a status that says nothing about the outbox. */
bool outbound_status_move(const char *status, enum store_message_state *to, unsigned *from_states);

/* Checks a Cloud API message body as the platform may send it (design section 7):
 * a JSON object with type, its object, and to or recipient; writes what is wrong,
 * naming the field, into why. */
bool outbound_message_valid(const char *json, size_t len, char *why, size_t why_len);

/* Seals the body and fills m for store_message_queue or store_message_answer: id,
 * type, content, state QUEUED, times, and conversation where the caller left it zero
 * (an answer keeps its question's). business_id, connection_id and number are set by
 * the caller. Owns: caller frees *content, to which m->content points. */
enum outbound_error outbound_message_seal(struct tenants *t, const char *json, size_t len, struct store_message *m,
	uint8_t **content) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ sender's half */

struct outbound_sender_options {
	int listener_fd;
	int vault_fd;
	const char *meta_api_url; /* "https://graph.facebook.com" */
	const char *meta_api_version; /* "v26.0" */
};
/* Runs until the listener closes its end. Returns the process's exit status. */
int outbound_sender_run(const struct outbound_sender_options *opt);

#endif
