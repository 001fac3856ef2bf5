/*
 * Responders: who writes the answer to a customer's message.
 *
 * A responder is a row in one table: its name as the API says it, and a function
 * that answers. `none` keeps silent. `catalogue` answers price questions from the
 * shop's own list of products, for a shop that has no platform. `platform` asks the
 * platform's own address, which is also told of every status.
 *
 * Also here, because they share the catalogue's idea of a product: checking a
 * product that came in as JSON or CSV, or was typed.
 *
 * Trusts nothing about a customer's text or a platform's answer. Called by
 * gateway/inbound, gateway/api, gateway/settings and gateway/health.c.
 */
#ifndef KEYHOUSE_REPLY_H
#define KEYHOUSE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/outbound.h"
#include "gateway/tenant.h"
#include "store/store.h"

struct cJSON;

#define REPLY_MESSAGES_MAX 5u
#define REPLY_TEXT_MAX 4096u /* characters of a text message; facts/meta.md section 2 */

/* What responders stand on. Borrowed until every ask is done. */
struct reply_context {
	struct store *store;
	struct tenants *tenants;
	struct outbound *outbound; /* NULL: no sender runs */
};

/* Who wrote. NULL where not known; one of them is. */
struct reply_customer {
	const char *phone; /* digits, no plus */
	const char *user_id;
};

/* What a responder is asked, or told. All text is UTF-8; everything is borrowed during the call only. */
struct reply_question {
	const char *business_id;
	const char *business_name;
	const char *id; /* the ask's: the same when it is asked again */
	enum store_ask_kind kind;
	const char *connection_id; /* that the update came in by */
	const char *number; /* its phone_number_id */
	const struct cJSON *item; /* the message or the status, as Meta sent it */
	const struct cJSON *metadata; /* that came with it; may be NULL */
	/* of a QUESTION */
	struct reply_customer customer;
	const struct cJSON *contact; /* may be NULL */
	const char *text; /* text body, or title of the button or list row that was chosen */
	/* Of another update, told as a STATUS is; else NULL: its change's field and value, and the entry's id (may be NULL).
	 * Then there is no item. */
	const char *field;
	const struct cJSON *value;
	const char *account;
};

enum reply_outcome {
	REPLY_ANSWERED = 1, /* also when nothing is to be said: then len is 0 */
	REPLY_LATER, /* no answer now; to be asked again */
	REPLY_BUSY, /* nobody was asked: too many are being asked. Soon */
};

struct reply_answer {
	enum reply_outcome outcome;
	char *messages[REPLY_MESSAGES_MAX]; /* Cloud API message bodies to the customer, in order */
	size_t len;
	struct store_demand demand; /* what the answer is about, where the responder knows */
	int64_t after_ms; /* LATER: not before; 0 where nobody said */
	char why[256]; /* what went wrong, for the log: a rule, never content; "" for nothing */
};

/* Whether a responder of this name exists. */
bool reply_known(const char *responder);
/* Whether it is told of statuses. */
bool reply_hears_statuses(const char *responder);

/* Asks it. done is called exactly once with what came of it, borrowed: before this returns, or later on another
 * thread. A responder that is not known, or not told of statuses, has nothing to say. Threads: any. */
void reply_ask(const struct reply_context *c, const char *responder, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg);

/* Posts an event of ours, JSON, to the address of the business's platform, signed like an update; id is its webhook-id,
 * at most STORE_ID_LEN characters. ANSWERED: a 2xx came, or there is no address to tell it to. done as with reply_ask. */
void reply_tell(const struct reply_context *c, const char *business_id, const char *id, const char *body,
	void (*done)(void *arg, const struct reply_answer *a), void *arg);

/* ------------------------------------------------------------ products from outside */

/* Fills *out from one product as the API takes it, {"id"?, "name", "aliases"?: [..],
 * "price": "450000", "currency": "NGN", "stock"?: 5, "unit"?}, given as the text of that
 * JSON object. On a fault returns false and writes one sentence that names the field
 * and the rule into why. name_key is computed. */
bool reply_product_from_json(const char *json, size_t len, struct store_product *out, char *why, size_t why_len);

/* CSV (RFC 4180; comma, semicolon or tab, told by the header line; UTF-8 with or
 * without a byte order mark; any column order; unknown columns are refused by name).
 * Columns as above; aliases separated by |. Calls each() for every data row with its
 * line number: with a product, or with product NULL and why. Stops when each() returns
 * false. Returns false when the file as a whole is unusable, with why. */
bool reply_products_from_csv(const char *csv, size_t len,
	bool (*each)(unsigned line, const struct store_product *product, const char *why, void *arg), void *arg,
	char *why, size_t why_len);

/* The same from what somebody typed into a form: what need not be there may be "", aliases are one a line. On a fault
 * *field is its name as in JSON, and why the rule alone: "must be ...". */
struct reply_product_texts {
	const char *id, *name, *aliases, *price, *currency, *stock, *unit;
};
bool reply_product_from_texts(const struct reply_product_texts *texts, struct store_product *out, const char **field,
	char *why, size_t why_len);

/* Many at once, to be stored all or none. Zeroed to begin with. */
#define REPLY_IMPORT_MAX 10000u
#define REPLY_IMPORT_FAULTS_MAX 20u
#define REPLY_WHY_LEN 300u
struct reply_import_fault {
	unsigned row; /* as the caller counts, or the line of a file */
	char why[REPLY_WHY_LEN];
};
struct reply_import {
	struct store_product *products;
	size_t len, room;
	struct reply_import_fault faults[REPLY_IMPORT_FAULTS_MAX]; /* the first of them */
	size_t faults_len;
	bool too_many, no_memory;
	char why[REPLY_WHY_LEN]; /* the file as a whole is unusable: why; else "" */
};
/* Takes one product. False: it must not go on. */
bool reply_import_json(struct reply_import *in, unsigned row, const char *json, size_t len);
/* Takes a file. */
void reply_import_csv(struct reply_import *in, const char *csv, size_t len);
void reply_import_clear(struct reply_import *in);

/* "450000" and "NGN" are ₦450,000. Cut to fit. */
#define REPLY_PRICE_TEXT_MAX 64u
void reply_price_text(char *out, size_t out_len, const char *price, const char *currency);

#endif
