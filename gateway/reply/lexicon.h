/*
 * Lexicon: what a word of a customer's message means besides naming a product:
 * greetings, price words, fillers, model words and units, in English, Nigerian
 * Pidgin, French, Spanish and Portuguese. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_LEXICON_H
#define KEYHOUSE_REPLY_LEXICON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/reply/text.h"

enum reply_meaning {
	REPLY_MEANS_FILLER = 1u << 0,
	REPLY_MEANS_PRICE = 1u << 1, /* asks for a price or whether it is there */
	REPLY_MEANS_HAVE = 1u << 2, /* asks whether it is there when said to "you" */
	REPLY_MEANS_YOU = 1u << 3,
	REPLY_MEANS_GREETING = 1u << 4,
	REPLY_MEANS_THANKS = 1u << 5,
	REPLY_MEANS_AWAY = 1u << 6, /* about the shop, not about a product */
	REPLY_MEANS_COMPLAINT = 1u << 7, /* about something bought or sent */
	REPLY_MEANS_AND = 1u << 8,
	REPLY_MEANS_SOFT = 1u << 9, /* "bag of", "original": may be left out */
	REPLY_MEANS_MODEL = 1u << 10, /* "pro", "xl": another product without it */
	REPLY_MEANS_UNIT = 1u << 11, /* "gb", "kg" behind a number */
	REPLY_MEANS_LIST = 1u << 12, /* "catalogue" */
	REPLY_MEANS_ORDER = 1u << 13,
	REPLY_MEANS_ANSWER = 1u << 14, /* yes and no */
	REPLY_MEANS_BRAND = 1u << 15, /* see reply_brand_implied */
};
/* A word that a product need not have. Units count only behind a number. */
#define REPLY_MEANS_LITTLE                                                                                             \
	(REPLY_MEANS_FILLER | REPLY_MEANS_PRICE | REPLY_MEANS_HAVE | REPLY_MEANS_YOU | REPLY_MEANS_GREETING |          \
		REPLY_MEANS_THANKS | REPLY_MEANS_AWAY | REPLY_MEANS_COMPLAINT | REPLY_MEANS_AND | REPLY_MEANS_SOFT |   \
		REPLY_MEANS_LIST | REPLY_MEANS_ORDER | REPLY_MEANS_ANSWER)

#define REPLY_LEXICON_SLOTS 2048u

/* Made for one question: quick to build, nothing is shared. */
struct reply_lexicon {
	struct {
		const char *s; /* not terminated; NULL: free */
		uint8_t len;
		uint16_t means;
	} slot[REPLY_LEXICON_SLOTS];
};

void reply_lexicon_init(struct reply_lexicon *lx);
/* The reply_meaning bits of a word, 0 for a plain one. */
unsigned reply_lexicon_means(const struct reply_lexicon *lx, const struct reply_word *w);
/* Whether units are the same measure: kg and kilos, gb and g. */
bool reply_units_agree(const struct reply_word *a, const struct reply_word *b);
/* Whether a brand (REPLY_MEANS_BRAND) goes without saying beside another word: apple iphone. */
bool reply_brand_implied(const struct reply_word *brand, const struct reply_words *by);

#endif
