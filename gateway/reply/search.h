/*
 * The search: a customer's question against one shop's list of products, which
 * passes by one product at a time.
 *
 * A question becomes queries: the whole of it, and each part where it names several
 * things ("iphone 13 and airpods"). Each query keeps the products that fit it
 * best. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_SEARCH_H
#define KEYHOUSE_REPLY_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/reply/lexicon.h"
#include "gateway/reply/text.h"
#include "store/store.h"

#define REPLY_SHOWN_MAX 8u
#define REPLY_QUERIES_MAX 7u
#define REPLY_QUESTION_BYTES 1500u /* of a message that are looked at */

/* One word of a query. */
struct reply_term {
	const struct reply_word *word;
	const struct reply_word *unit; /* behind a number, else NULL */
	unsigned means;
	bool needed; /* a product that lacks it is not what was asked for */
	bool telling; /* a number or model word: never passed over */
	bool linked; /* directly behind the term before it */
	unsigned weight;
	struct reply_letters letters; /* of words, not of numbers */
};

enum reply_match { REPLY_MATCH_NONE, REPLY_MATCH_CLOSE, REPLY_MATCH_FULL };

struct reply_query {
	struct reply_term term[REPLY_WORDS_MAX];
	size_t len;
	unsigned weight; /* of the needed terms */
	bool has_plain; /* a needed term that is no number and no model word */
	bool whole; /* every needed term must be in the product */
	bool all; /* asks for the list itself: every product fits */
	/* the best so far, by name */
	uint32_t rank;
	unsigned total;
	size_t hits;
	struct store_product hit[REPLY_SHOWN_MAX];
};

struct reply_search {
	struct reply_lexicon lexicon;
	struct reply_words words;
	unsigned means[REPLY_WORDS_MAX];
	unsigned said; /* meanings of all words together */
	bool asks; /* a word of price or availability is there */
	bool names; /* a word is there that may name a product */
	bool seen_product; /* the list is not empty */
	struct reply_query query[REPLY_QUERIES_MAX];
	size_t queries;
};

/* Reads the question. Nothing in s needs to be released; text is not kept. */
void reply_search_init(struct reply_search *s, const char *text);
/* Asks for every product instead of those named. */
void reply_search_all(struct reply_search *s);
/* Offers one product of the shop to every query. */
void reply_search_offer(struct reply_search *s, const struct store_product *p);
enum reply_match reply_query_match(const struct reply_query *q);

/* How well one name fits a query: 0 not at all, more is better. (score.c) */
uint32_t reply_score(
	const struct reply_lexicon *lx, const struct reply_query *q, const struct reply_words *name, bool asks);
#define REPLY_SCORE_FULL (UINT32_C(1) << 30)

#endif
