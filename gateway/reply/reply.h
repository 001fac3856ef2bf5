/*
 * Responders: who writes the answer to a customer's message.
 *
 * A responder is a row in one table: its name as the API says it, and a function
 * that answers. `none` keeps silent. `catalogue` answers price questions from the
 * shop's own list of products, for a shop that has no platform.
 *
 * Also here, because they share the catalogue's idea of a product: checking a
 * product that came in as JSON or CSV.
 *
 * Trusts nothing about a customer's text. Called by gateway/inbound and gateway/api.
 */
#ifndef KEYHOUSE_REPLY_H
#define KEYHOUSE_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define REPLY_MESSAGES_MAX 5u
#define REPLY_TEXT_MAX 4096u /* characters of a text message; facts/meta.md section 2 */

enum reply_error {
	REPLY_OK = 0,
	REPLY_UNKNOWN_RESPONDER,
	REPLY_STORE,
	REPLY_NO_MEMORY,
};

/* What a responder sees of a message. All text is UTF-8, borrowed. */
struct reply_question {
	const char *business_id;
	const char *business_name;
	const char *text; /* text body, or title of the button or list row that was chosen */
};

/* Answer texts in order, none to keep silent. */
struct reply_answer {
	char *texts[REPLY_MESSAGES_MAX];
	size_t len;
};
void reply_answer_clear(struct reply_answer *a);

/* Whether a responder of this name exists. */
bool reply_known(const char *responder);

/* Asks it. Returns REPLY_UNKNOWN_RESPONDER, REPLY_STORE, REPLY_NO_MEMORY.
 * Owns: the caller clears answer, which is empty after an error. Threads: any. */
enum reply_error reply_ask(struct store *store, const char *responder, const struct reply_question *question,
	struct reply_answer *answer) __attribute__((warn_unused_result));

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

#endif
