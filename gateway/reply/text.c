/*
 * Text into words, and words compared. Trusts nothing: any bytes are fine.
 * Called by the search and by the check of products.
 */
#include "gateway/reply/text.h"

#include <string.h>

#include "gateway/reply/fold.h"

size_t reply_utf8_next(const char *s, size_t len, uint32_t *out)
{
	const unsigned char *u = (const unsigned char *)s;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n;
	uint32_t c = u[0];

	if (c < 0x80) {
		*out = c;
		return 1;
	}
	n = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	if (c < 0xc2 || c > 0xf4 || n > len)
		return 0;
	c &= 0x7fu >> n;
	for (size_t i = 1; i < n; i++) {
		if ((u[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (u[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*out = c;
	return n;
}

bool reply_text_plain(const char *s, size_t len)
{
	uint32_t c;
	size_t n;

	for (size_t i = 0; i < len; i += n) {
		n = reply_utf8_next(s + i, len - i, &c);
		if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0))
			return false;
		if ((c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069))
			return false;
	}
	return true;
}

/* The tokenizer's place in the text. */
struct reader {
	struct reply_words *out;
	const char *text;
	size_t len, used; /* used: of out->bytes */
	bool open; /* the last word may still grow */
	enum reply_gap gap;
};

static bool digit_at(const struct reader *r, size_t at)
{
	return at < r->len && r->text[at] >= '0' && r->text[at] <= '9';
}

static void put(struct reader *r, const char *s, bool number)
{
	struct reply_words *o = r->out;
	struct reply_word *w = o->len == 0 ? NULL : &o->word[o->len - 1];
	size_t n = strlen(s);
	bool fresh = !r->open || w->number != number;

	if (o->cut || (fresh && o->len == REPLY_WORDS_MAX) || r->used + n > sizeof(o->bytes) ||
		(!fresh && w->len + n > UINT8_MAX)) {
		o->cut = true;
		return;
	}
	if (fresh) {
		w = &o->word[o->len++];
		*w = (struct reply_word){.s = o->bytes + r->used, .number = number};
		w->gap = r->open ? REPLY_GAP_NONE : r->gap;
	}
	memcpy(o->bytes + r->used, s, n);
	r->used += n;
	w->len = (uint8_t)(w->len + n);
	for (size_t i = 0; i < n; i++)
		w->mask |= UINT32_C(1) << ((unsigned char)s[i] & 31);
	r->open = true;
	r->gap = REPLY_GAP_SPACE;
}

static void separate(struct reader *r, enum reply_gap gap)
{
	r->open = false;
	if (gap > r->gap)
		r->gap = gap;
}

/* Most of most texts: letters and digits without accents, in the word that is open. */
static bool put_ascii(struct reader *r, unsigned char c)
{
	struct reply_words *o = r->out;
	bool number = c >= '0' && c <= '9';
	struct reply_word *w;

	if (c >= 'A' && c <= 'Z')
		c = (unsigned char)(c + 32);
	if (!r->open || (!number && (c < 'a' || c > 'z')))
		return false;
	w = &o->word[o->len - 1];
	if (w->number != number || r->used == sizeof(o->bytes) || w->len == UINT8_MAX)
		return false;
	o->bytes[r->used++] = (char)c;
	w->len++;
	w->mask |= UINT32_C(1) << (c & 31);
	return true;
}

/* The comma of "450,000" is dropped, that of "1,5" is a point. */
static void comma(struct reader *r, size_t at)
{
	const struct reply_words *o = r->out;
	bool inside = r->open && o->word[o->len - 1].number && digit_at(r, at + 1);

	if (!inside)
		separate(r, REPLY_GAP_BREAK);
	else if (!(digit_at(r, at + 2) && digit_at(r, at + 3)) || digit_at(r, at + 4))
		put(r, ".", true);
}

/* "S21+" is S21 plus; "rice + beans" are two things. */
static void plus(struct reader *r, size_t at)
{
	char folded[5];
	enum reply_char next = REPLY_CHAR_SPACE;
	uint32_t c;

	if (at + 1 < r->len && reply_utf8_next(r->text + at + 1, r->len - at - 1, &c) > 0)
		next = reply_char_fold(c, folded);
	if (!r->open || next == REPLY_CHAR_LETTER || next == REPLY_CHAR_DIGIT || next == REPLY_CHAR_PLUS) {
		separate(r, REPLY_GAP_LIST);
		return;
	}
	r->open = false;
	put(r, "plus", false);
	r->open = false;
}

static void apostrophe(struct reader *r)
{
	const struct reply_words *o = r->out;

	/* "l'huile" is two words, "Lay's" is one */
	if (r->open && o->word[o->len - 1].len == 1)
		separate(r, REPLY_GAP_SPACE);
}

static void take(struct reader *r, size_t at, uint32_t c)
{
	char folded[5];
	const struct reply_words *o = r->out;

	switch (reply_char_fold(c, folded)) {
	case REPLY_CHAR_LETTER:
		put(r, folded, false);
		break;
	case REPLY_CHAR_DIGIT:
		if (folded[1] != 0)
			r->open = false;
		put(r, folded, true);
		break;
	case REPLY_CHAR_IGNORED:
		break;
	case REPLY_CHAR_APOSTROPHE:
		apostrophe(r);
		break;
	case REPLY_CHAR_DOT:
		if (r->open && o->word[o->len - 1].number && digit_at(r, at + 1))
			put(r, ".", true);
		else
			separate(r,
				at + 1 >= r->len || (unsigned char)r->text[at + 1] <= ' ' ? REPLY_GAP_BREAK
											  : REPLY_GAP_SPACE);
		break;
	case REPLY_CHAR_COMMA:
		comma(r, at);
		break;
	case REPLY_CHAR_PLUS:
		plus(r, at);
		break;
	case REPLY_CHAR_LIST:
		separate(r, REPLY_GAP_LIST);
		break;
	case REPLY_CHAR_BREAK:
		separate(r, REPLY_GAP_BREAK);
		break;
	case REPLY_CHAR_SPACE:
		separate(r, REPLY_GAP_SPACE);
		break;
	}
}

void reply_words_read(struct reply_words *out, const char *text, size_t len)
{
	struct reader r = {.out = out, .text = text, .len = len};
	uint32_t c;
	size_t n;

	out->len = 0;
	out->cut = false;
	for (size_t i = 0; i < len && !out->cut; i += n) {
		n = 1;
		if (put_ascii(&r, (unsigned char)text[i]))
			continue;
		n = reply_utf8_next(text + i, len - i, &c);
		if (n == 0) {
			separate(&r, REPLY_GAP_SPACE);
			n = 1;
		} else {
			take(&r, i, c);
		}
	}
}

bool reply_word_is(const struct reply_word *w, const char *s)
{
	return strncmp(s, w->s, w->len) == 0 && s[w->len] == 0;
}

bool reply_name_key(char *out, size_t out_len, const char *name)
{
	struct reply_words words;
	size_t used = 0;

	reply_words_read(&words, name, strlen(name));
	if (words.cut || words.len == 0)
		return false;
	for (size_t i = 0; i < words.len; i++) {
		const struct reply_word *w = &words.word[i];

		bool apart = i > 0 && w->number && words.word[i - 1].number;

		if (used + w->len + apart >= out_len)
			return false;
		if (apart)
			out[used++] = ' ';
		memcpy(out + used, w->s, w->len);
		used += w->len;
	}
	out[used] = 0;
	return true;
}

static bool ends(const struct reply_letters *l, const char *s)
{
	size_t n = strlen(s);

	if (l->plain_len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (l->plain[l->plain_len - n + i] != (unsigned char)s[i])
			return false;
	}
	return true;
}

static void drop_plural(struct reply_letters *l)
{
	if (l->plain_len <= 3 || !ends(l, "s") || ends(l, "ss"))
		return;
	if (ends(l, "ies") && l->plain_len > 4) {
		l->plain_len = (uint8_t)(l->plain_len - 2);
		l->plain[l->plain_len - 1] = 'y';
	} else if (ends(l, "ses") || ends(l, "xes") || ends(l, "zes") || ends(l, "ches") || ends(l, "shes")) {
		l->plain_len = (uint8_t)(l->plain_len - 2);
	} else {
		l->plain_len--;
	}
}

void reply_letters_of(struct reply_letters *out, const struct reply_word *w)
{
	uint32_t c;
	size_t n, k = 0;

	out->plain_len = 0;
	for (size_t i = 0; i < w->len && out->plain_len < REPLY_LETTERS_MAX; i += n) {
		n = reply_utf8_next(w->s + i, w->len - i, &c);
		if (n == 0)
			break;
		out->plain[out->plain_len++] = (uint16_t)c;
	}
	drop_plural(out);
	for (size_t i = 0; i < out->plain_len; i++) {
		uint16_t x = out->plain[i], next = i + 1 < out->plain_len ? out->plain[i + 1] : 0;

		if (x == 'p' && next == 'h') {
			x = 'f';
			i++;
		} else if (x == 'c' && next == 'k') {
			continue;
		} else if (x == 'z') {
			x = 's';
		} else if (x == 'y') {
			x = 'i';
		}
		if (k == 0 || out->sound[k - 1] != x)
			out->sound[k++] = x;
	}
	out->sound_len = (uint8_t)k;
}

/* Insertions, deletions, substitutions and swaps of neighbours; gives up above most. */
static unsigned slips(const uint16_t *a, unsigned an, const uint16_t *b, unsigned bn, unsigned most)
{
	uint8_t row[3][REPLY_LETTERS_MAX + 1];
	uint8_t *before = row[0], *last = row[1], *now = row[2], *spare;

	if (an > bn + most || bn > an + most)
		return most + 1;
	for (unsigned j = 0; j <= bn; j++)
		last[j] = (uint8_t)j;
	for (unsigned i = 1; i <= an; i++) {
		unsigned least = now[0] = (uint8_t)i;

		for (unsigned j = 1; j <= bn; j++) {
			unsigned best = last[j - 1] + (a[i - 1] != b[j - 1] ? 1u : 0u);

			if (last[j] + 1u < best)
				best = last[j] + 1u;
			if (now[j - 1] + 1u < best)
				best = now[j - 1] + 1u;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1u < best)
				best = before[j - 2] + 1u;
			now[j] = (uint8_t)best;
			if (best < least)
				least = best;
		}
		if (least > most)
			return most + 1;
		spare = before;
		before = last;
		last = now;
		now = spare;
	}
	return last[bn];
}

/* Words of one length that differ in one letter: "soap" and "soup", "beans" and "jeans". */
static bool another_short_word(const struct reply_letters *a, const struct reply_letters *b)
{
	unsigned differ = 0;

	if (a->plain_len != b->plain_len || a->plain_len > 5)
		return false;
	for (unsigned i = 0; i < a->plain_len; i++)
		differ += a->plain[i] != b->plain[i];
	return differ == 1 && (a->plain_len <= 4 || a->plain[0] != b->plain[0]);
}

static bool same(const uint16_t *a, unsigned an, const uint16_t *b, unsigned bn)
{
	return an == bn && memcmp(a, b, an * sizeof(*a)) == 0;
}

int reply_letters_distance(const struct reply_letters *a, const struct reply_letters *b)
{
	unsigned shorter = a->plain_len < b->plain_len ? a->plain_len : b->plain_len;
	unsigned most = reply_slips_allowed(shorter), plain, sound;

	if (same(a->plain, a->plain_len, b->plain, b->plain_len))
		return 0;
	if (most == 0)
		return -1;
	if (same(a->sound, a->sound_len, b->sound, b->sound_len))
		return 1;
	plain = slips(a->plain, a->plain_len, b->plain, b->plain_len, most);
	sound = slips(a->sound, a->sound_len, b->sound, b->sound_len, most);
	if (sound < plain)
		plain = sound;
	if (plain > most || another_short_word(a, b))
		return -1;
	/* two slips and another beginning: another word */
	if (plain > 1 && a->sound[0] != b->sound[0])
		return -1;
	return (int)plain * 2;
}
