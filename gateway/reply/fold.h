/*
 * Characters: what each is to the search, and its lower case without accents.
 * Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_FOLD_H
#define KEYHOUSE_REPLY_FOLD_H

#include <stdint.h>

enum reply_char {
	REPLY_CHAR_SPACE = 0,
	REPLY_CHAR_LETTER,
	REPLY_CHAR_DIGIT,
	REPLY_CHAR_IGNORED, /* accents that stand alone, joiners, soft hyphens */
	REPLY_CHAR_APOSTROPHE,
	REPLY_CHAR_DOT,
	REPLY_CHAR_COMMA,
	REPLY_CHAR_PLUS,
	REPLY_CHAR_LIST,
	REPLY_CHAR_BREAK,
};

/* Writes at most 4 bytes of text for a letter or digit ("" otherwise), terminated. */
enum reply_char reply_char_fold(uint32_t c, char out[static 5]);

#endif
