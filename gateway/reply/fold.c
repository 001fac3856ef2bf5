/*
 * The table of characters. Knows Latin with its accents (English, French, Spanish,
 * Portuguese, Yoruba, Hausa, Igbo, Vietnamese ...), and the cases of Greek and
 * Cyrillic. Letters of other scripts stay as they are.
 */
#include "gateway/reply/fold.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* One letter for each character; a digit names a pair below, '?' stays as it is. */
static const char latin_from_c0[] = "aaaaaa1ceeeeiiiidnooooo?ouuuuy43aaaaaa1ceeeeiiiidnooooo?ouuuuy4y"
				    "aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiii55jjkkkllllll?"
				    "?llnnnnnnnnnoooooo22rrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"
				    "bbbb??occdddd?eeeffgg?iikkl?mnnooo??pp???s??tttuuuvyyzzz???????w"
				    "????dddlllnnnaaiioouuuuuuuuuueaaaa11??ggkkoooozzjdddgg?wnnaa11oo"
				    "aaaaeeeeiiiioooorrrruuuusstt??hhnd??zzaaeeooooooooyylntj??acclts"
				    "z??buveejjqqrryy"
				    "??bo?dde?e?e????g???????iilll??mnn????????r?????s????uuvv???z";
static const char latin_from_1e00[] = "aabbbbbbccddddddddddeeeeeeeeeeffgghhhhhhhhhhiiiikkkkkkllllllllmm"
				      "mmmmnnnnnnnnoooooooopppprrrrrrrrssssssssssttttttttuuuuuuuuuuvvvv"
				      "wwwwwwwwwwxxxxyyzzzzzzhtwyas??3?aaaaaaaaaaaaaaaaaaaaaaaaeeeeeeee"
				      "eeeeeeeeiiiioooooooooooooooooooooooouuuuuuuuuuuuuuyyyyyyyy??????";
static const char *const pairs[] = {"", "ae", "oe", "ss", "th", "ij"};

struct range {
	uint32_t from, to;
};

/* Neither letters nor digits; in order. */
static const struct range spaces[] = {
	{0x80, 0xa9},
	{0xab, 0xac},
	{0xae, 0xb4},
	{0xb6, 0xb9},
	{0xbb, 0xbf},
	{0xd7, 0xd7},
	{0xf7, 0xf7},
	{0x2000, 0x2bff},
	{0x2e00, 0x2e7f},
	{0x3000, 0x3004},
	{0x3008, 0x3020},
	{0xd800, 0xf8ff},
	{0xfe10, 0xfe6f},
	{0xff5f, 0xff65},
	{0xfff0, 0xffff},
	{0x1f000, 0x1faff},
	{0xe0000, 0x10ffff},
};
static const struct range ignored[] = {
	{0xad, 0xad},
	{0x300, 0x36f},
	{0x640, 0x640},
	{0x64b, 0x652},
	{0x200b, 0x200f},
	{0x202a, 0x202e},
	{0x2060, 0x206f},
	{0x20e3, 0x20e3},
	{0xfe00, 0xfe0f},
	{0xfeff, 0xfeff},
	{0xe0000, 0xe0fff},
};
/* First digits of other scripts that shops are likely to meet. */
static const uint32_t zeros[] = {0x660, 0x6f0, 0x966, 0x9e6, 0xff10};

static const struct {
	uint32_t c;
	const char *text;
} fractions[] = {{0xbc, "0.25"}, {0xbd, "0.5"}, {0xbe, "0.75"}, {0xb2, "2"}, {0xb3, "3"}};

/* Greek vowels with accents, by their plain letter. */
static const struct {
	uint16_t from, to;
} greek[] = {
	{0x386, 0x3b1},
	{0x388, 0x3b5},
	{0x389, 0x3b7},
	{0x38a, 0x3b9},
	{0x38c, 0x3bf},
	{0x38e, 0x3c5},
	{0x38f, 0x3c9},
	{0x390, 0x3b9},
	{0x3aa, 0x3b9},
	{0x3ab, 0x3c5},
	{0x3ac, 0x3b1},
	{0x3ad, 0x3b5},
	{0x3ae, 0x3b7},
	{0x3af, 0x3b9},
	{0x3b0, 0x3c5},
	{0x3c2, 0x3c3},
	{0x3ca, 0x3b9},
	{0x3cb, 0x3c5},
	{0x3cc, 0x3bf},
	{0x3cd, 0x3c5},
	{0x3ce, 0x3c9},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static bool within(const struct range *r, size_t n, uint32_t c)
{
	for (size_t i = 0; i < n && r[i].from <= c; i++) {
		if (c <= r[i].to)
			return true;
	}
	return false;
}

static void put_utf8(uint32_t c, char out[static 5])
{
	size_t n = 0;

	if (c < 0x80) {
		out[n++] = (char)c;
	} else if (c < 0x800) {
		out[n++] = (char)(0xc0 | c >> 6);
		out[n++] = (char)(0x80 | (c & 0x3f));
	} else if (c < 0x10000) {
		out[n++] = (char)(0xe0 | c >> 12);
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		out[n++] = (char)(0x80 | (c & 0x3f));
	} else {
		out[n++] = (char)(0xf0 | c >> 18);
		out[n++] = (char)(0x80 | (c >> 12 & 0x3f));
		out[n++] = (char)(0x80 | (c >> 6 & 0x3f));
		out[n++] = (char)(0x80 | (c & 0x3f));
	}
	out[n] = 0;
}

static bool put_latin(uint32_t c, char out[static 5])
{
	char f = '?';

	if (c >= 0xc0 && c - 0xc0 < sizeof(latin_from_c0) - 1)
		f = latin_from_c0[c - 0xc0];
	else if (c >= 0x1e00 && c - 0x1e00 < sizeof(latin_from_1e00) - 1)
		f = latin_from_1e00[c - 0x1e00];
	if (f == '?')
		return false;
	if (f < 'a')
		memcpy(out, pairs[f - '0'], 3);
	else
		memcpy(out, (const char[]){f, 0}, 2);
	return true;
}

static uint32_t lower(uint32_t c)
{
	for (size_t i = 0; i < COUNT(greek); i++) {
		if (greek[i].from == c)
			return greek[i].to;
	}
	if (c >= 0x391 && c <= 0x3a9)
		return c + 0x20;
	if (c >= 0x410 && c <= 0x42f)
		return c + 0x20;
	if (c >= 0x400 && c <= 0x40f)
		c += 0x50;
	return c == 0x451 || c == 0x450 ? 0x435 : c;
}

static enum reply_char fold_ascii(uint32_t c, char out[static 5])
{
	bool upper = c >= 'A' && c <= 'Z';

	out[0] = 0;
	if (upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
		out[0] = (char)(upper ? c + 32 : c);
		out[1] = 0;
		return c <= '9' ? REPLY_CHAR_DIGIT : REPLY_CHAR_LETTER;
	}
	switch (c) {
	case '\'':
	case '`':
		return REPLY_CHAR_APOSTROPHE;
	case '.':
		return REPLY_CHAR_DOT;
	case ',':
		return REPLY_CHAR_COMMA;
	case '+':
		return REPLY_CHAR_PLUS;
	case '&':
	case '/':
		return REPLY_CHAR_LIST;
	case ';':
	case '!':
	case '?':
	case '\n':
	case '\r':
		return REPLY_CHAR_BREAK;
	}
	return REPLY_CHAR_SPACE;
}

enum reply_char reply_char_fold(uint32_t c, char out[static 5])
{
	if (c >= 0xff01 && c <= 0xff5e) /* full width */
		c -= 0xfee0;
	if (c < 0x80)
		return fold_ascii(c, out);
	out[0] = 0;
	if (put_latin(c, out))
		return REPLY_CHAR_LETTER;
	if (c == 0x2018 || c == 0x2019 || c == 0x2bc || c == 0x2b9)
		return REPLY_CHAR_APOSTROPHE;
	if (c == 0x3001 || c == 0x3002 || c == 0x60c || c == 0x61f || c == 0xbf || c == 0xa1)
		return REPLY_CHAR_BREAK;
	for (size_t i = 0; i < COUNT(zeros); i++) {
		if (c >= zeros[i] && c < zeros[i] + 10) {
			put_utf8('0' + (c - zeros[i]), out);
			return REPLY_CHAR_DIGIT;
		}
	}
	for (size_t i = 0; i < COUNT(fractions); i++) {
		if (fractions[i].c == c) {
			memcpy(out, fractions[i].text, strlen(fractions[i].text) + 1);
			return REPLY_CHAR_DIGIT;
		}
	}
	if (within(ignored, COUNT(ignored), c))
		return REPLY_CHAR_IGNORED;
	if (within(spaces, COUNT(spaces), c))
		return REPLY_CHAR_SPACE;
	put_utf8(lower(c), out);
	return REPLY_CHAR_LETTER;
}
