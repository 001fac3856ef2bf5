/*
 * UTF-8, checked and mended. Called by reply, api and settings, by the log and by commands.
 */
#ifndef KEYHOUSE_UTF8_H
#define KEYHOUSE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* How long the character is with which a NUL-terminated text begins; 0 when it is no UTF-8. */
size_t utf8_char(const char *text);
/* Whether len bytes are UTF-8: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool utf8_ok(const char *text, size_t len);
/* Whether NUL-terminated UTF-8 holds no control character (C0, DEL, C1). */
bool utf8_printable(const char *text);
/* The length of the control character that a text begins with, one that turns the direction of writing among them; 0: it
 * begins with none. */
size_t utf8_hidden(const char *text);
/* Puts '?' for each byte of a NUL-terminated text that is no UTF-8. */
void utf8_mend(char *text);

#endif
