/*
 * UTF-8 by the table of Unicode's well-formed sequences (The Unicode Standard, table 3-7).
 */
#include "gateway/utf8.h"

#include <stdint.h>
#include <string.h>

/* How long the well-formed character at p is, of left bytes; 0 when it is none. */
static size_t character(const unsigned char *p, size_t left)
{
	static const struct {
		unsigned char first, last; /* of the lead byte */
		unsigned char second_min, second_max;
		size_t len;
	} forms[] = {{0x00, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
		{0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
		{0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].len > left)
			return 0;
		if (forms[i].len > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t n = 2; n < forms[i].len; n++)
			if ((p[n] & 0xc0) != 0x80)
				return 0;
		return forms[i].len;
	}
	return 0;
}

size_t utf8_char(const char *text)
{
	/* A NUL continues no character, so nothing behind it is read. */
	return character((const unsigned char *)text, 4);
}

bool utf8_ok(const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t n = character((const unsigned char *)text + i, len - i);

		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

bool utf8_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)text[0];

		if (c < 0x20 || c == 0x7f || (c == 0xc2 && (unsigned char)text[1] < 0xa0))
			return false;
	}
	return true;
}

size_t utf8_hidden(const char *text)
{
	const unsigned char *b = (const unsigned char *)text;

	if (b[0] < 0x20 || b[0] == 0x7f)
		return 1;
	if (b[0] == 0xc2 && b[1] >= 0x80 && b[1] <= 0x9f)
		return 2;
	if (b[0] == 0xe2 &&
		((b[1] == 0x80 && b[2] >= 0xaa && b[2] <= 0xae) || (b[1] == 0x81 && b[2] >= 0xa6 && b[2] <= 0xa9)))
		return 3;
	return 0;
}

void utf8_mend(char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0; i < len;) {
		size_t n = character((const unsigned char *)text + i, len - i);

		if (n == 0)
			text[i] = '?';
		i += n > 0 ? n : 1;
	}
}
