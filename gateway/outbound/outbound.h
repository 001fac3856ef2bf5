/*
 * Outbound: from the outbox to the provider, with the shop's own key; and what a platform's responder is asked.
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
	OUTBOUND_BUSY, /* as many asks as may be are on their way */
};

/* What the sender may be asked. A row in the table of kinds pins host, method,
 * path, credentials and the answer's fields (facts/meta.md 2, 5, 6; facts/360dialog.md 1 to 4).
 *
 * The kinds marked C tell who gets the webhooks. Of the addresses that the provider names only this leaves the sender,
 * because a foreign one may hold a secret: fields {"callback": {"state": "none" | "ours" | "house" | "foreign",
 * "owner": "https://host", "secret": true | false}}. ours: the job's url, to the letter. house: another webhook URL
 * under our public_url. owner: scheme and host (and port) of the address, where it is foreign. secret (360dialog): our
 * header comes with our secret. */
enum outbound_kind {
	OUTBOUND_META_SEND = 1, /* POST /{version}/{phone_number_id}/messages */
	OUTBOUND_META_NUMBER = 2, /* GET  /{version}/{phone_number_id}?fields=..., all that we would know of it */
	OUTBOUND_META_DEBUG_TOKEN = 3, /* GET  /{version}/debug_token?input_token=..., bearer {app_id}|{app_secret} */
	OUTBOUND_META_APP_CALLBACK =
		4, /* C GET  /{version}/{app_id}/subscriptions, bearer {app_id}|{app_secret}; fields
						also "deaf": true where the app is not told of messages */
	OUTBOUND_META_APP_SUBSCRIBE = 5, /* POST the same; the body is the caller's */
	OUTBOUND_META_WABA_CALLBACK = 6, /* C GET  /{version}/{waba_id}/subscribed_apps: this app's override; fields
						also "subscribed": true | false */
	OUTBOUND_META_WABA_SUBSCRIBE = 7, /* POST the same; the body is the caller's */
	OUTBOUND_D360_SEND = 8, /* POST /messages */
	OUTBOUND_D360_HEALTH = 9, /* GET  /health_status?fields=...; fields in the answer's own shape */
	OUTBOUND_D360_WEBHOOK = 10, /* C GET  /v1/configs/webhook */
	OUTBOUND_D360_WEBHOOK_SET =
		11, /* POST the same: our url, and our header with our secret, put in by the sender */
	OUTBOUND_RESPONDER_ASK = 12, /* POST to a platform's own address, signed; no credential travels */
	OUTBOUND_META_WABA_NUMBERS = 13, /* GET  /{version}/{waba_id}/phone_numbers; fields {"data": [{"id",
						"display_phone_number", "verified_name", "quality_rating"}]}, at most 50 */
	OUTBOUND_META_TOKEN_EXCHANGE =
		15, /* GET  /{version}/oauth/access_token: a fresh token for one that still works; fields
						{"sealed" (base64, of the next version), "fingerprint", "last4", "expires_in"} */
	OUTBOUND_OURSELVES = 16, /* GET the business's webhook URL, as the Internet sees it. ACCEPTED: it leads here */
	OUTBOUND_META_NUMBER_SHORT = 14, /* as META_NUMBER, for tokens that may not read all of that (code 10 or 100) */
	OUTBOUND_D360_SANDBOX_SEND =
		17, /* POST /v1/messages; these three go to 360dialog's sandbox, and nowhere else */
	OUTBOUND_D360_SANDBOX_WEBHOOK = 18, /* C as D360_WEBHOOK */
	OUTBOUND_D360_SANDBOX_WEBHOOK_SET = 19, /* as D360_WEBHOOK_SET */
	/* Calls passed through (outbound_pass); their paths' ids are the connection's own */
	OUTBOUND_META_PASS_NUMBER = 20, /* GET  /{version}/{phone_number_id} */
	OUTBOUND_META_PASS_NUMBERS = 21, /* GET  /{version}/{waba_id}/phone_numbers */
	OUTBOUND_META_PASS_TEMPLATES = 22, /* GET, POST, DELETE  /{version}/{waba_id}/message_templates */
	OUTBOUND_META_PASS_PROFILE = 23, /* GET, POST  /{version}/{phone_number_id}/whatsapp_business_profile */
	OUTBOUND_META_PASS_MESSAGES = 24, /* POST /{version}/{phone_number_id}/messages of what is no message */
	OUTBOUND_META_PASS_UPLOAD = 25, /* POST /{version}/{phone_number_id}/media; streamed up */
	OUTBOUND_META_PASS_OBJECT = 26, /* GET, DELETE  /{version}/{object_id}?phone_number_id=: added here; no query */
	OUTBOUND_META_PASS_DOWNLOAD = 27, /* GET  path and query of a media URL, on Meta's media host; streamed down */
	OUTBOUND_D360_PASS_MESSAGES = 28, /* POST /messages */
	OUTBOUND_D360_PASS_UPLOAD = 29, /* POST /media; streamed up */
	OUTBOUND_D360_PASS_OBJECT = 30, /* GET, DELETE  /{object_id}; no query */
	OUTBOUND_D360_PASS_DOWNLOAD =
		31, /* GET  /whatsapp_business/attachments/ and the media URL's query; streamed down */
	OUTBOUND_D360_PASS_CONFIG_TEMPLATES = 32, /* GET, POST, DELETE  /v1/configs/templates */
	OUTBOUND_D360_PASS_CONFIG_TEMPLATE = 36, /* DELETE  /v1/configs/templates/{object_id}, which is its name */
	OUTBOUND_D360_PASS_TEMPLATES = 33, /* GET, POST, DELETE  /message_templates */
	OUTBOUND_D360_PASS_PROFILE = 34, /* GET, POST  /whatsapp_business_profile */
	OUTBOUND_D360_PASS_HEALTH = 35, /* GET  /health_status */
	OUTBOUND_D360_SANDBOX_PASS_MESSAGES = 37, /* POST /v1/messages, to 360dialog's sandbox */
};

/* The header that 360dialog sends with every webhook, because we ask it to (facts/360dialog.md 2.3: letters, digits,
 * hyphens). Its value is the connection's webhook_secret. */
#define OUTBOUND_D360_HEADER "X-Keyhouse-Secret"

/* What came of an attempt. The first block is about the request reaching the
 * provider, the second is what it answered (facts/meta.md section 3). */
enum outbound_class {
	OUTBOUND_NOT_SENT = 1, /* provably not accepted: name lookup, connect, TLS */
	OUTBOUND_OUTCOME_UNKNOWN, /* bytes may have been accepted and no usable answer came */
	OUTBOUND_ACCEPTED, /* 2xx with what the kind expects */
	OUTBOUND_RETRYABLE, /* refused for now: explicit transient code */
	OUTBOUND_RATE_LIMITED,
	OUTBOUND_AUTH, /* token or permission; from 360dialog 401 alone */
	OUTBOUND_ACCOUNT, /* account or number needs a human */
	OUTBOUND_MESSAGE, /* this message is wrong for good */
	OUTBOUND_RECIPIENT,
	OUTBOUND_WINDOW, /* more than 24 hours since the customer wrote */
	OUTBOUND_NO_CREDENTIAL, /* the vault could not open the credential */
};
const char *outbound_class_text(enum outbound_class c); /* plain words for a shop owner */
/* The class of a message that came to nothing with this code of the provider's. False: a code that the facts do not name. */
bool outbound_code_class(int32_t code, enum outbound_class *out);

#define OUTBOUND_CLOCK_MAX_S 31536000 /* a year */
#define OUTBOUND_REGAIN_MAX_MS 604800000 /* a week */
#define OUTBOUND_VERBATIM_MAX 65536u
/* The headers of an answer that a client may see, in an order of their own: facts/meta.md 3, facts/360dialog.md 1. */
#define OUTBOUND_HEADERS 9u
#define OUTBOUND_HEADER_TYPE 0u /* which of them is Content-Type */
#define OUTBOUND_HEADERS_MAX 8192u /* bytes of their values together, each with its NUL */
extern const char *const outbound_header_names[OUTBOUND_HEADERS];
struct outbound_result {
	enum outbound_class class;
	bool whole; /* a whole answer came, whatever it says */
	int http_status; /* 200 to 599; 0: no answer, or one with another status */
	int32_t code; /* the provider's error code, or 0 */
	int32_t subcode;
	int64_t retry_after_ms; /* 0: not said */
	/* What the provider says of its limits with any answer (X-Business-Use-Case-Usage; facts/meta.md 3): */
	int64_t regain_ms; /* the longest time until calls are let through again; 0: not said; at most a week */
	bool clock_told; /* the provider's answer said what time it is: */
	int32_t clock_ahead_s; /* how far its clock is before ours; negative: behind; within OUTBOUND_CLOCK_MAX_S */
	char reason[256]; /* plain words; secrets the sender held are blanked */
	char *fields; /* ACCEPTED: the answer's fields that the kind names, as JSON in the answer's own
				* shape ("messages[0].id" and "data.is_valid" are paths in it); else NULL */
	/* Of a send whose job asks for it, where a whole answer came: its body as it came, whatever the class, without the
	 * secrets that the sender held; NULL: none, or longer than OUTBOUND_VERBATIM_MAX. */
	char *verbatim;
	/* Of the same answers, likewise: values, as outbound_header_names. NULL: the answer has none such, or one that does
	 * not fit into OUTBOUND_HEADERS_MAX whole. */
	char *headers[OUTBOUND_HEADERS];
};
void outbound_result_clear(struct outbound_result *r);

/* ------------------------------------------------------------ listener's half */

struct outbound;

struct outbound_options {
	struct tenants *tenants; /* borrowed */
	int sender_fd; /* taken, also when opening fails */
	unsigned in_flight_max; /* sends at once; 0 = 512 */
	unsigned per_connection; /* of one connection; 0 = 128 */
	unsigned asks_max; /* asks at once; 0 = 256 */
	bool checks_only; /* a command's: only outbound_check and outbound_ping work, the outbox is left alone */
	void (*gone)(void *ctx); /* the sender closed: the listener must end */
	void *ctx;
};

/* Starts its threads. SENDING rows of an earlier run become UNKNOWN first (or RETRY, where they are to be sent at least
 * once), unless checks_only. */
enum outbound_error outbound_open(struct outbound **out, const struct outbound_options *opt)
	__attribute__((warn_unused_result));
/* Waits a few seconds for sends that are on their way; what is then still out becomes UNKNOWN at
 * the next start. Nobody may be in another call. NULL is fine. */
void outbound_close(struct outbound *o);
/* Something was queued for this connection. */
void outbound_wake(struct outbound *o, const char *connection_id);
/* Something about the business or its connections was changed, by which more may go than before: a key, an address, what
 * was amiss. */
void outbound_changed(struct outbound *o, const char *business_id);
/* Whether the sender answers; for readiness. */
enum outbound_error outbound_ping(struct outbound *o) __attribute__((warn_unused_result));

/* A check made while somebody waits: connecting, testing. Credentials are given
 * sealed, as store_credential_list shows them, in the order the kind wants them:
 *   META_NUMBER*, META_WABA_*         access_token, app_secret: the sender proves the call by it (appsecret_proof)
 *   META_DEBUG_TOKEN                  access_token (the one asked about), app_secret
 *   META_TOKEN_EXCHANGE               access_token (the one to be changed), app_secret
 *   META_APP_*                        app_secret
 *   D360_HEALTH                       api_key
 *   D360_*WEBHOOK, D360_*WEBHOOK_SET  api_key, webhook_secret
 *   OURSELVES                         none */
struct outbound_check {
	enum outbound_kind kind;
	const char *business_id;
	const char *connection_id;
	const char *app_id; /* META_DEBUG_TOKEN, META_APP_*, META_WABA_CALLBACK (whose override is asked about) */
	const char *waba_id; /* META_WABA_* */
	const char *phone_number_id; /* META_NUMBER* */
	const char *url; /* our webhook URL: kinds marked C and D360_*WEBHOOK_SET */
	const char *body; /* JSON: META_APP_SUBSCRIBE, META_WABA_SUBSCRIBE */
	const struct store_credential *credentials;
	size_t credentials_len;
};
/* Waits up to timeout_ms. Owns: caller clears result. */
enum outbound_error outbound_check(struct outbound *o, const struct outbound_check *check, unsigned timeout_ms,
	struct outbound_result *result) __attribute__((warn_unused_result));

/* How far the providers' clock was before ours when one answered last, and when that was. False: none has yet. */
bool outbound_clock(struct outbound *o, int32_t *ahead_s, int64_t *at);

/* Whoever waits for a check hears OUTBOUND_GONE now, and so does everybody who asks from now on: before an end that is
 * not to wait for a provider. */
void outbound_checks_end(struct outbound *o);

/* A send for which somebody waits: noted durably, sent at once where the limits allow it, and never tried again from
 * here, since whoever waits is told how it ended. */
struct outbound_direct {
	struct store_message
		message; /* as outbound_message_seal left it; business_id, connection_id and number are set */
	const char *virtual_key_id; /* the one that it was asked for with; "": none */
	const uint8_t *once_key; /* as store_message_send has it; NULL: none */
	const char *version; /* of Meta's API, the client's; NULL: ours */
};
enum outbound_go {
	OUTBOUND_WENT = 1, /* *r says what came of it, its fields are never set. Owns: caller clears it */
	OUTBOUND_NOT_NOW, /* not sent, and nothing noted: not before *retry_after_ms */
	OUTBOUND_NO_ANSWER, /* the same: the provider did not answer lately */
	OUTBOUND_REFUSED, /* the same: the provider refused the shop's key or account just now */
	OUTBOUND_PAIR_LIMIT, /* the same: the limit of this number to this customer */
	OUTBOUND_NO_KEY, /* not sent: no key that works, the connection is suspended, or its business */
	OUTBOUND_KEY_ENDED, /* not sent: the virtual key was revoked or has expired meanwhile */
	OUTBOUND_NO_BUDGET, /* not sent: the virtual key's messages of today are used up */
	OUTBOUND_LATE, /* it went, and no answer came in time: its outcome is not known here yet */
	OUTBOUND_FAULT, /* not sent: store, vault, memory or the sender */
};
/* Waits up to timeout_ms for the answer, before that a moment for the number's limit. */
enum outbound_go outbound_send(struct outbound *o, struct outbound_direct *d, unsigned timeout_ms,
	struct outbound_result *r, int64_t *retry_after_ms) __attribute__((warn_unused_result));

/* A client's call goes to the provider with the connection's own key, and the answer comes back as it came; bodies of any
 * length are never held as a whole. What the call says is the client's, but who asks, the host and the path's ids are the
 * connection's. It is called, and calls back, on the caller's thread, and waits: connecting at most 5 seconds, 30 in all
 * where nothing is streamed; else for as long as bytes move (1 KiB a second), an hour at most. */
#define OUTBOUND_LEN_UNKNOWN UINT64_MAX
/* Bytes of a form: a document of 100 MB (facts/meta.md 2), and what is around it. */
#define OUTBOUND_UPLOAD_MAX ((100u << 20) + (64u << 10))
#define OUTBOUND_PASSES_MAX 256u /* at once, of those that stream nothing */
#define OUTBOUND_STREAMS_MAX 64u /* of the others */
#define OUTBOUND_PASSES_PER_CONNECTION 16u /* of both */
struct outbound_header {
	const char *name, *value;
};
struct outbound_pass {
	enum outbound_kind kind; /* OUTBOUND_*_PASS_* */
	const char *business_id, *connection_id;
	const char *method; /* "GET", "POST", "DELETE": one of the kind's */
	const char *version; /* Meta: "v25.0"; NULL: the setting's */
	const char *object_id; /* *_OBJECT: digits; *_CONFIG_TEMPLATE: the template's name */
	const char *path; /* META_PASS_DOWNLOAD: of the media URL */
	/* As the client sent it, without "?"; NULL: none. Nothing in it may say who asks or with which method (access_token,
	 * appsecret_proof and the like, method), ask for other objects than the path's (ids, batch, metadata, fields of
	 * fields) or for an answer in another shape (callback, suppress_http_code, include_headers). Printable ASCII, no "#",
	 * at most 4096 bytes. */
	const char *query;
	const char *content_type; /* of a body; NULL: JSON */
	/* Of a POST that is not streamed: a JSON object or a form (by its type), of which the same is true; at most 128 KiB. */
	const char *body;
	size_t body_len;
	uint64_t upload_len; /* *_UPLOAD: 1 to OUTBOUND_UPLOAD_MAX, or OUTBOUND_LEN_UNKNOWN */
	/* *_UPLOAD: the next bytes of the body into buf. 0: it ended; less than 0: it broke off. Waits as it likes. */
	ptrdiff_t (*read)(void *arg, void *buf, size_t room);
	/* The answer's status, those of its headers that a client may see, its length or OUTBOUND_LEN_UNKNOWN; once, before
	 * the first part. A redirect comes without its target. False: nobody wants it any more. */
	bool (*head)(void *arg, int status, const struct outbound_header *headers, size_t headers_len, uint64_t len);
	/* The next 1 to 65536 bytes of the answer's body: without the secrets that the sender held and others' keys in
	 * addresses, but for a file that is downloaded, which comes as it is. False: likewise. */
	bool (*part)(void *arg, const void *data, size_t len);
	void *arg;
};
enum outbound_passed {
	/* Head and all parts were called back; class says what the answer means. AUTH is a permission as often as a dead key:
	 * code tells (190 from Meta, status 401 from 360dialog). */
	OUTBOUND_PASSED_WHOLE = 1,
	OUTBOUND_PASSED_NOT_SENT, /* provably nothing was asked; reason says why, in plain words */
	OUTBOUND_PASSED_BROKEN, /* something was asked, and no whole answer came: head may have been called; reason */
	OUTBOUND_PASSED_STOPPED, /* a callback ended it; something may have been asked */
	OUTBOUND_PASSED_BUSY, /* as many as may be are on their way, of all or of this connection; nothing was asked */
	OUTBOUND_PASSED_GONE, /* the sender does not answer, or the house is closing; something may have been asked */
	OUTBOUND_PASSED_INVALID, /* the call breaks its kind's rules, or is of another provider; nothing was asked */
};
/* Whether a part of a form that is streamed may have this name: as a query's parameter may, and not fields. */
bool outbound_parameter_ok(const char *name, size_t len);
/* Audited like a check. Owns: caller clears r, whose fields and verbatim are never set. */
enum outbound_passed outbound_pass(struct outbound *o, const struct outbound_pass *call, struct outbound_result *r)
	__attribute__((warn_unused_result));

/* A platform's responder is asked, or told of a status. POST to url, signed as Standard Webhooks (webhook-id,
 * webhook-timestamp, webhook-signature: v1 over "id.timestamp.body") with the bytes that the secret's text carries in
 * base64 after "whsec_", and as Meta does (X-Hub-Signature-256) with the whole text as app secret: so that a Meta SDK
 * takes the one secret as its app secret. */
struct outbound_ask {
	const char *business_id;
	const char *id; /* webhook-id: stays the same when the ask is tried again */
	const char *message_id; /* X-Keyhouse-Message: the message of ours that it is about; NULL or "": none */
	const char *url; /* https; http and private addresses only to destinations that responder_allow names */
	const struct store_credential *secret; /* sealed, field "signing_secret", connection_id "responder" */
	const char *body;
	size_t body_len;
};
/* Starts it. done is called exactly once where OUTBOUND_OK is returned, on another thread; the result is borrowed.
 * ACCEPTED: a 2xx answer, whose fields are its JSON body as it came (NULL: it was empty). MESSAGE: a 2xx that is no
 * JSON, or too long. Returns OUTBOUND_BUSY when as many as may be are out: done of any of them tells when to come
 * again. Copies what it needs. */
enum outbound_error outbound_ask(struct outbound *o, const struct outbound_ask *ask,
	void (*done)(void *arg, const struct outbound_result *r), void *arg) __attribute__((warn_unused_result));
/* No ask is taken any more, and done was called for all that were out when this returns: from here with NOT_SENT where
 * no answer came. For the asker's end, and where the sender is gone; outbound_close does it, too. */
void outbound_asks_end(struct outbound *o);
/* Whether an address may be a responder's, as far as its text tells: https and not written as a private address (but
 * where allow, the setting responder_allow, names its host and port), a host, no user or password, at most 1023
 * characters. Writes what is wrong. */
bool outbound_responder_url_ok(const char *url, const char *allow, char *why, size_t why_len);

/* The states of an outbound message a status may move it from (a STORE_STATE_BIT
 * mask), and the state it moves to: Meta's "sent", "delivered", "read", "played",
 * "failed". False for a status that says nothing about the outbox. */
bool outbound_status_move(const char *status, enum store_message_state *to, unsigned *from_states);

/* Checks a Cloud API message body as the platform may send it (design section 7):
 * a JSON object with type, its object, and to or recipient; writes what is wrong,
 * naming the field, into why. */
bool outbound_message_valid(const char *json, size_t len, char *why, size_t why_len);

/* Whom a checked message is to, as a conversation knows him: phone digits without "+", or the user id. False: a group,
 * or no message. The caller wipes out. */
#define OUTBOUND_CUSTOMER_MAX 160u
bool outbound_message_customer(const char *json, size_t len, char out[static OUTBOUND_CUSTOMER_MAX + 1]);

/* Whether a customer may be written to freely: for 24 hours after he wrote or rang, 72 after he came by an advertisement
 * (facts/meta.md 2). Known from what came in; wherever something may have been missed, it is not known. */
enum outbound_window_is {
	OUTBOUND_WINDOW_NONE = 1, /* the message needs none: it is a template, or to a group */
	OUTBOUND_WINDOW_OPEN,
	OUTBOUND_WINDOW_CLOSED, /* the provider would refuse it (131047), or fail it later */
	OUTBOUND_WINDOW_NOT_KNOWN,
};
struct outbound_window {
	enum outbound_window_is is;
	int64_t until; /* OPEN: it closes then */
	int64_t heard_at; /* CLOSED: when he wrote or rang last; 0: never */
};
/* Of a checked message. m has business_id, connection_id and number, and conversation where it is known; nothing else of
 * it is looked at. Returns OUTBOUND_OK, OUTBOUND_INVALID (no message), OUTBOUND_STORE, OUTBOUND_NO_MEMORY. Reads the store,
 * and opens a few messages at most. */
enum outbound_error outbound_window(struct tenants *t, const char *json, size_t len, const struct store_message *m,
	struct outbound_window *out) __attribute__((warn_unused_result));
/* Of a CLOSED one, a sentence without its end: when he wrote last, and that he may be sent a template. */
#define OUTBOUND_WINDOW_WORDS_LEN 200u
void outbound_window_words(const struct outbound_window *w, char out[static OUTBOUND_WINDOW_WORDS_LEN]);
/* m, which was sealed and says nothing of its expiry, is not sent after the end of one that is OPEN. */
void outbound_window_expiry(const struct outbound_window *w, struct store_message *m);
/* Messages a second that the provider takes from a number (facts/meta.md 4). */
#define OUTBOUND_MPS_HIGH 1000u
#define OUTBOUND_MPS_STANDARD 80u
#define OUTBOUND_MPS_COEXISTENCE 20u /* it is used in the WhatsApp app, too */
/* When an outbound message is not sent any more. */
int64_t outbound_expires_at(const struct store_message *m);

/* Seals the body and fills m for store_message_queue or store_ask_done: id,
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
	const char *meta_media_url; /* "https://lookaside.fbsbx.com" */
	const char *d360_api_url; /* "https://waba-v2.360dialog.io" */
	const char *d360_sandbox_url; /* "https://waba-sandbox.360dialog.io" */
	const char *public_url; /* what webhook URLs of ours begin with */
	const char *responder_allow; /* "host:port, host:port": may be private, may be http; "" for none */
	unsigned responder_timeout_ms;
	unsigned slow_ms; /* how long a provider may be slow with what is streamed; 0 = 30 seconds */
};
/* Before outbound_sender_run: has the libraries read the settings of the system and load what these name, which a caller
 * may forbid afterwards. False: memory is short. */
bool outbound_sender_init(void);
/* Runs until the listener closes its end. Returns the process's exit status. */
int outbound_sender_run(const struct outbound_sender_options *opt);

#endif
