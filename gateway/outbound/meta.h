/*
 * Meta's Graph API: its request bodies, its answers, its error codes (facts/meta.md 2 and 3).
 * An answer is trusted with nothing. Called by prepare.c (bodies), answer.c and d360.c (answers), plan.c (codes).
 */
#ifndef KEYHOUSE_OUTBOUND_META_H
#define KEYHOUSE_OUTBOUND_META_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/kinds.h"
#include "gateway/outbound/outbound.h"

struct cJSON;

/* Who has to wait when a limit is reached. */
enum meta_scope {
	META_NUMBER,
	META_PAIR, /* one number to one customer: 4^n seconds */
	META_ACCOUNT,
	META_APP,
	META_ITSELF, /* nobody else: it is about what this message is, or wants */
};

/* What a code means and how a refusal with it is tried again. */
struct meta_rule {
	int32_t first, last; /* codes, inclusive */
	enum outbound_class class;
	uint32_t wait_s; /* at least this long before the next attempt; 0: the backoff alone */
	uint32_t tries_max; /* after so many attempts it is for good; 0: until the message expires */
	enum meta_scope scope;
};
/* NULL: a code that the facts do not name. The narrowest row wins. */
const struct meta_rule *meta_rule_find(int32_t code);

/* The class of an answer that is an error: an HTTP status with Meta's error body, or without one
 * (has_error false; code, subcode and transient are then ignored). */
struct meta_refusal {
	int http_status;
	bool has_error;
	int32_t code, subcode;
	bool transient;
};
enum outbound_class meta_classify(enum outbound_kind kind, const struct meta_refusal *refusal);

/* A provider's own words about an error; each may be NULL. They borrow from the answer. */
struct answer_words {
	const char *message, *details;
};

/* Meta's error in an answer, if there is one. */
void meta_error(const struct cJSON *answer, int http_status, struct meta_refusal *refusal, struct answer_words *words);
/* Fills class, code and subcode of r, whose http_status is set. */
void meta_refusal(
	const struct kind *k, const struct cJSON *answer, struct outbound_result *r, struct answer_words *words);

/* The body on the wire, for both providers: the stored Cloud API message, with messaging_product and our message id
 * as biz_opaque_callback_data, which replaces the client's. Owns: caller wipes and frees. NULL: it is
 * no JSON object, or memory is short. */
char *meta_body(const char *content, size_t len, const char *message_id);

#endif
