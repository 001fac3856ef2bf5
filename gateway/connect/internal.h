/*
 * What connect's files share: one call of connect.h on its way, the credentials it
 * holds (sealed, never open), and how it asks the provider.
 *
 * A provider is two functions. probe looks at the keys before anything is stored;
 * callback sees to who gets the webhooks, after it.
 *
 * Internal to gateway/connect.
 */
#ifndef KEYHOUSE_CONNECT_INTERNAL_H
#define KEYHOUSE_CONNECT_INTERNAL_H

#include <stdbool.h>

#include "gateway/connect/connect.h"

/* Where nobody else says how: details are read by users of the API and of the commands. */
#define CONNECT_REGISTER "`keyhouse connection register`, or PATCH with take_over false"
#define CONNECT_TAKE_OVER "`keyhouse connection register --take-over`, or PATCH with take_over"
#define CONNECT_TOKEN_FIRST "known once the access token is right" /* what a line says that waits for it */
#define CONNECT_NO_SENDER "no sender runs: start the service, then " CONNECT_REGISTER

/* Those of one provider stand together, in the order in which outbound_check wants them. */
enum credential {
	CREDENTIAL_TOKEN,
	CREDENTIAL_APP_SECRET,
	CREDENTIAL_API_KEY,
	CREDENTIAL_WEBHOOK_SECRET,
	CREDENTIAL_PLATFORM_SECRET,
	CREDENTIALS
};

/* The current credentials of one connection, with blobs of their own. */
struct held {
	const char *connection_id;
	struct store_credential credentials[CREDENTIALS];
	uint8_t *blobs[CREDENTIALS]; /* NULL: there is none */
	bool no_memory;
};
void connect_held_clear(struct held *h);

/* Who gets the webhooks now, as the provider tells it. */
enum owner {
	OWNER_UNKNOWN, /* it does not answer, or refuses to tell */
	OWNER_NONE,
	OWNER_OURS,
	OWNER_HOUSE, /* another webhook URL of this Keyhouse */
	OWNER_FOREIGN,
};

struct seen {
	enum owner owner;
	char why[129]; /* it was not even asked: why not; else "" */
	char host[129]; /* of a foreign one: scheme and host */
	bool secret; /* 360dialog: our header carries our secret */
	bool subscribed; /* Meta: the app hears of this account */
	bool deaf; /* Meta: the app does not hear of messages */
};

struct connecting {
	const struct connect *c;
	struct store_connection *connection;
	struct held held;
	struct connect_report *report;
	char url[2049]; /* our webhook URL */
	bool stored; /* the connection can be tested again */
	int64_t ask_until; /* no question to the provider begins after it */
	/* what was found */
	bool all_ok; /* every check that decides about the status passed, or had nothing to look at */
	bool refused[CREDENTIALS]; /* the provider says that this one is dead */
	bool described; /* the key has the connection's number; its display_phone and verified_name are fresh */
	bool learnt; /* its number was not known before */
	bool other_number; /* the key belongs to another number */
	bool blocked; /* a live key on a number that may not send */
	bool denied; /* the provider says that this key may not use the number, or knows none of this id */
	bool unset; /* 360dialog: our webhook was to be set, and certainly was not */
	bool taken; /* somebody else gets the webhooks, and may keep them */
	enum connect_error
		unfound; /* Meta does not tell what was left out: why nothing may be stored; else CONNECT_OK */
	bool challenged; /* the provider was made to call our URL, so a handshake may be on its way */
	struct seen seen; /* 360dialog, by its probe */
	struct store_connection_facts facts; /* what was said, as far as: */
	bool token_told, number_told;
	unsigned mps; /* what the number takes, where it was told; 0: that did not say */
	bool standard; /* it takes no more than the usual */
};

struct provider {
	enum credential first;
	size_t required, at_most; /* credentials */
	const char *name;
	void (*probe)(struct connecting *w);
	/* Appends the checks about webhooks. set: registers our URL, else only looks. */
	void (*callback)(struct connecting *w, bool set, bool take_over);
	void (*skip)(struct connecting *w, const char *why); /* the lines of both, all skipped */
};
extern const struct provider meta_provider, d360_provider;

/* Meta's registration, in register.c: appends the checks callback and subscription. */
void register_meta(struct connecting *w, bool take_over);
void register_look(struct connecting *w); /* the same without changing anything */

/* ------------------------------------------------------------ one call */

/* Begins it: w is zeroed and knows where webhooks go. */
void connecting_begin(struct connecting *w, const struct connect *c, struct store_connection *connection,
	struct connect_report *report);
/* The same for a stored connection, whose connection is read, with its current credentials; the required ones must be
 * there. The caller ends w->held with connect_held_clear, also after an error. */
enum connect_error connecting_load(struct connecting *w, const struct connect *c, const char *business_id,
	const char *connection_id, struct store_connection *connection, struct connect_report *report);
/* Writes what was found, appends the webhook check, and reads the connection back. key_is_new: a key that was
 * refused has been replaced. */
enum connect_error connecting_conclude(struct connecting *w, bool key_is_new);

/* Keeps whether the probe found one, before our webhook is registered: that makes the provider call us. Silence changes
 * nothing, unless key_is_new. */
enum connect_error connecting_probed(struct connecting *w, bool key_is_new);

const struct provider *connect_provider_of(enum store_provider p);
extern const char *const connect_fields[CREDENTIALS]; /* their names in the store */
void connect_verify_token_make(char *out, size_t room);
struct secret *connect_webhook_secret_make(void); /* NULL: memory is short */
/* connect_rotate with one made here. */
enum connect_error connect_webhook_secret_new(const struct connect *c, const char *business_id,
	const char *connection_id, bool take_over, struct store_connection *out, struct connect_report *report);
/* Whether the probe had nothing against the provider's first credential, which sends, and all was answered. */
bool connect_key_works(const struct connecting *w);

enum connect_error connect_from_store(enum store_error err);
enum connect_error connect_seal(
	struct connecting *w, enum credential which, uint64_t version, const struct secret *value);
/* Fills what every new connection has. Texts may be NULL. */
void connect_describe(struct store_connection *connection, enum store_provider provider, const char *business_id,
	const char *waba_id, const char *phone_number_id);
/* Whether the business is there, and has room: CONNECT_INVALID when it has as many connections as are verified. The new
 * connection is meant for that business alone. */
enum connect_error connect_room(struct connecting *w);
/* Stores a new connection with the credentials that are held. */
enum connect_error connect_store(struct connecting *w, const struct provider *p);

/* How to register again, and how to take over, for whoever reads the details. */
const char *connect_register_by(const struct connecting *w);
const char *connect_take_over_by(const struct connecting *w);

/* One check's line, and tells whoever listens; printf's rules, cut to fit. */
void connect_check(struct connecting *w, const char *name, enum connect_check_result result, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
/* The same of a check that failed. */
void connect_fault(struct connecting *w, const char *name, enum finding finding, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Asks with the credentials from first on; 360dialog's sandbox where the connection is to it. A question that cannot be asked has the class OUTCOME_UNKNOWN.
 * Owns: the caller clears result. */
void connect_ask(struct connecting *w, enum outbound_kind kind, enum credential first, const char *body,
	struct outbound_result *result);
/* Reads the answer to a question of who gets the webhooks; OWNER_UNKNOWN where it is none. */
void connect_seen(const struct outbound_result *result, struct seen *seen);
/* Whether the provider did not answer at all, or only for now. */
bool connect_is_silent(const struct outbound_result *result);
/* A waiting line about such an answer. why: connect_why's, or a seen's. */
void connect_check_silent(struct connecting *w, const char *name, const char *why);
/* Why the provider was not even asked, in the sender's words; "" where it was. */
const char *connect_why(const struct outbound_result *result);
/* Whether text is a provider's id; NULL is none. */
bool connect_is_id(const char *text);
/* Copies a provider's text: whole characters only, none of them a control character. */
void connect_text(char *out, size_t room, const char *text);
/* NULL, or why the provider could not deliver to our URL (facts/360dialog.md 2.2). */
const char *connect_url_fault(const struct connecting *w);

/* The check whether webhooks come; awaits a handshake that is on its way. */
void connect_webhook_check(struct connecting *w);

/* Takes over how the provider shows the number: display_phone_number and verified_name of its answer. */
struct cJSON;
void connect_number_described(struct connecting *w, const struct cJSON *fields);

/* In find.c: what Meta tells of accounts and numbers that the shop left out or mixed up. debug and list are the answers
 * of debug_token and of the account's numbers, token and numbers their fields (NULL: none). */
#define FIND_IDS "in Meta's App dashboard, under WhatsApp > API setup"
/* Give the connection the id, or write unfound, field and detail. */
void find_waba(struct connecting *w, const struct outbound_result *debug, const struct cJSON *token);
void find_number(struct connecting *w, const struct outbound_result *list, const struct cJSON *numbers);
/* Whether the token is for this account; *listed: whether it is for certain ones at all. */
bool find_is_target(const struct cJSON *token, const char *waba_id, bool *listed);
/* Whether the connection's number is not among its account's; why in plain words, with what was probably mixed up. */
bool find_is_elsewhere(
	const struct connecting *w, const struct cJSON *token, const struct cJSON *numbers, char *why, size_t room);

/* In facts.c: what is worth keeping of debug_token's answer, and of an answer about the number. */
void facts_of_token(struct connecting *w, const struct cJSON *fields);
void facts_of_number(struct connecting *w, const struct cJSON *fields);
/* The failed check of a number that may send nothing: what, and why as far as that answer tells. After
 * facts_of_number. */
void facts_tell_blocked(struct connecting *w, const struct cJSON *fields, const char *what);
/* Keeps it beside what was said before of the part that was not asked or did not answer. key_is_new: what was said of
 * the old key's token is said no more. */
enum store_error facts_keep(const struct connecting *w, bool key_is_new);

#endif
