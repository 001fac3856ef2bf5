/*
 * Words: what a search compares instead of text.
 *
 * Text of any bytes becomes a list of words in lower case without accents:
 * "iPhone13 Pro (128GB)" is iphone 13 pro 128 gb. Invalid UTF-8 separates words
 * like a space does. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_TEXT_H
#define KEYHOUSE_REPLY_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLY_WORDS_MAX 64u
#define REPLY_WORDS_BYTES 2048u
#define REPLY_LETTERS_MAX 24u

/* What stands between a word and the one before it. */
enum reply_gap {
	REPLY_GAP_SPACE = 0,
	REPLY_GAP_NONE, /* "128GB" between 128 and gb */
	REPLY_GAP_LIST, /* & and / */
	REPLY_GAP_BREAK, /* a comma, the end of a sentence or of a line */
};

struct reply_word {
	const char *s; /* not terminated */
	uint8_t len;
	bool number; /* digits, perhaps with a decimal point */
	enum reply_gap gap;
	uint32_t mask; /* which letters occur */
};

struct reply_words {
	struct reply_word word[REPLY_WORDS_MAX];
	size_t len;
	bool cut; /* the text held more than fits here */
	char bytes[REPLY_WORDS_BYTES];
};

void reply_words_read(struct reply_words *out, const char *text, size_t len);
bool reply_word_is(const struct reply_word *w, const char *s);

/* A word of letters in two spellings: without its plural, and as it sounds. */
struct reply_letters {
	uint16_t plain[REPLY_LETTERS_MAX], sound[REPLY_LETTERS_MAX];
	uint8_t plain_len, sound_len;
};
void reply_letters_of(struct reply_letters *out, const struct reply_word *w);

/* How far apart two words of letters are: 0 the same but for a plural, more for a
 * misspelling, -1 when they are different words. */
int reply_letters_distance(const struct reply_letters *a, const struct reply_letters *b);
/* How many slips a word of so many letters forgives. */
static inline unsigned reply_slips_allowed(unsigned letters)
{
	return letters <= 3 ? 0 : letters <= 6 ? 1 : letters <= 11 ? 2 : 3;
}

/* Reads one character. Returns its bytes, 0 when s (len > 0) does not start with valid UTF-8. */
size_t reply_utf8_next(const char *s, size_t len, uint32_t *out);
/* Valid UTF-8 that a person can read on one line: no control, direction or line characters. */
bool reply_text_plain(const char *s, size_t len);

/* The words of name run together, numbers kept apart: "iPhone 13 Pro" and "iphone13 pro"
 * are one. Returns false when nothing is left or it does not fit. */
bool reply_name_key(char *out, size_t out_len, const char *name);

#endif
