/*
 * Taking secrets and customers' numbers out of a provider's words. Trusts nothing in the text.
 * Called by answer.c and callback.c.
 */
#include "gateway/outbound/scrub.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define TOKEN_MIN 16u /* a run of this length that looks like a key is taken for a piece of one */
#define PHONE_DIGITS_MIN 7u
#define PHONE_SPACED_MIN 9u /* digits of a run that is broken by single spaces or dashes */

static const char blank[] = "***";
#define BLANK_LEN (sizeof(blank) - 1)

void held_add(struct held *h, const void *bytes, size_t len)
{
	if (len > 0 && h->len < HELD_MAX)
		h->each[h->len++] = (struct held_bytes){bytes, len};
}

/* ------------------------------------------------------------ the forms of a secret */

/* As it is; and what base64 makes of it, whatever stands before and after it: behind 0, 1 or 2 bytes of a group of
 * three, without the characters at both ends that hold bits of something else. */
#define FORMS 4u
#define BASE64_MIN 8u /* of a shorter one too little is left to be known by */

/* Where the first character that holds nothing else begins, in bits. */
static const uint8_t base64_from[FORMS] = {0, 0, 4, 2};

static size_t form_len(const struct held_bytes *s, unsigned form)
{
	if (form == 0)
		return s->len;
	return s->len < BASE64_MIN ? 0 : (8 * s->len - base64_from[form]) / 6;
}

static char form_char(const struct held_bytes *s, unsigned form, size_t i)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const size_t bit = base64_from[form] + 6 * i, at = bit / 8;

	if (form == 0)
		return (char)s->bytes[i];
	return alphabet[((s->bytes[at] << 8 | (at + 1 < s->len ? s->bytes[at + 1] : 0)) >> (10 - bit % 8)) & 63];
}

/* c as it stands in a text; base64 for URLs has two other characters. */
static bool is_char(int c, char wanted, unsigned form)
{
	if (form > 0 && (c == '-' || c == '_'))
		c = c == '-' ? '+' : '/';
	return c == (unsigned char)wanted;
}

/* ------------------------------------------------------------ the forms of a text */

#define NO_CHAR (-1)

static int hex_value(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "\u0041" at text. */
static int unicode_escape(const char *text)
{
	int value = 0;

	for (int i = 2; i < 6; i++) {
		if (hex_value(text[i]) < 0)
			return NO_CHAR;
		value = value * 16 + hex_value(text[i]);
	}
	return value;
}

/* The character at text, and how many bytes it takes; 0 at the end. NO_CHAR where it is none that a secret has, such as
 * the quote that ends a JSON string. */
static size_t char_at(const char *text, bool json, int *c)
{
	*c = text[0] != '\0' && (!json || (text[0] != '\\' && text[0] != '"')) ? (unsigned char)text[0] : NO_CHAR;
	if (!json || text[0] != '\\' || text[1] == '\0')
		return text[0] != '\0' ? 1 : 0;
	if (text[1] != 'u') {
		*c = strchr("\"\\/", text[1]) != NULL ? text[1] : NO_CHAR;
		return 2;
	}
	*c = unicode_escape(text);
	return *c != NO_CHAR ? 6 : 2;
}

#define DECODED_MAX 2u

/* The same in what is left of text when it is percent-decoded so many times. */
static size_t decoded_at(const char *text, bool json, unsigned times, int *c)
{
	const bool plain = times == 0 || (text[0] != '%' && text[0] != '\\');
	const size_t n = plain ? char_at(text, json, c) : decoded_at(text, json, times - 1, c);
	size_t first, second;
	int high, low = NO_CHAR;

	if (plain || *c != '%')
		return n;
	first = decoded_at(text + n, json, times - 1, &high);
	second = hex_value(high) >= 0 ? decoded_at(text + n + first, json, times - 1, &low) : 0;
	if (second == 0 || hex_value(low) < 0)
		return n;
	*c = hex_value(high) * 16 + hex_value(low);
	return n + first + second;
}

/* How much of text is the whole secret in this form, decoded so many times, or less often where it is not encoded; 0:
 * it is not. A part of it is no match: what is blanked may depend on a secret only as a whole, or whoever makes the
 * provider repeat guesses could read it off character by character. */
static size_t match(const char *text, bool json, const struct held_bytes *s, unsigned form, unsigned times)
{
	const size_t len = form_len(s, form);
	size_t at = 0;

	for (size_t i = 0; i < len; i++) {
		const char wanted = form_char(s, form, i);
		size_t n = 0;

		/* What is not "%" is the same however often it is decoded. */
		for (unsigned k = 0; k <= (wanted == '%' ? times : 0) && n == 0; k++) {
			int c;

			n = decoded_at(text + at, json, times - k, &c);
			if (!is_char(c, wanted, form))
				n = 0;
		}
		if (n == 0)
			return 0;
		at += n;
	}
	return at;
}

/* ------------------------------------------------------------ where secrets stand */

/* A secret in one of its forms, as a bit. Most characters begin none, which a look at the one that stands at a place tells. */
#define BIT(secret, form) (1u << ((secret)*FORMS + (form)))
struct search {
	const struct held *held;
	bool json;
	uint16_t begun_by[UINT8_MAX + 1];
	uint16_t with_percent; /* those that hold one, which may be read in more than one way */
};
_Static_assert(HELD_MAX *FORMS <= 16, "a bit for each form of each secret");

/* The caller wipes it. */
static void search_init(struct search *s, const struct held *h, bool json)
{
	*s = (struct search){.held = h, .json = json};
	for (unsigned i = 0; i < h->len; i++)
		for (unsigned form = 0; form < FORMS; form++) {
			if (form_len(&h->each[i], form) == 0)
				continue;
			if (form == 0 && memchr(h->each[i].bytes, '%', h->each[i].len) != NULL)
				s->with_percent |= (uint16_t)BIT(i, form);
			for (int c = 0; c <= UINT8_MAX; c++)
				if (is_char(c, form_char(&h->each[i], form, 0), form))
					s->begun_by[c] |= (uint16_t)BIT(i, form);
		}
}

/* Those that may begin at text. */
static unsigned begun_at(const struct search *s, const char *text)
{
	const bool encoded = text[0] == '%' || (text[0] == '\\' && s->json);
	unsigned begun = 0;
	int c;

	if (!encoded)
		return s->begun_by[(uint8_t)text[0]];
	for (unsigned times = s->with_percent != 0 ? 0 : DECODED_MAX; times <= DECODED_MAX; times++) {
		(void)decoded_at(text, s->json, times, &c);
		begun |= c >= 0 && c <= UINT8_MAX ? s->begun_by[c] : 0;
	}
	return begun;
}

/* The longest secret at text. */
static size_t longest_at(const struct search *s, const char *text)
{
	const unsigned begun = begun_at(s, text);
	size_t longest = 0;

	for (unsigned i = 0; i < s->held->len && begun != 0; i++)
		for (unsigned form = 0; form < FORMS; form++) {
			const bool ways = (s->with_percent & BIT(i, form)) != 0;

			for (unsigned t = ways ? 0 : DECODED_MAX; (begun & BIT(i, form)) != 0 && t <= DECODED_MAX;
				t++) {
				const size_t n = match(text, s->json, &s->held->each[i], form, t);

				longest = n > longest ? n : longest;
			}
		}
	return longest;
}

/* What is read lies before what is written. */
static bool scrub(char *text, bool json, const struct held *h)
{
	size_t from = 0, to = 0, hidden = 0 /* up to here */, stars = 0;
	bool in_string = false, clean = true;
	struct search s;

	search_init(&s, h, json);
	while (text[from] != '\0') {
		const size_t hit = longest_at(&s, text + from);
		int c;
		const size_t n = json && text[from] == '\\' ? char_at(text + from, json, &c) : 1;

		if (hit > 0 && from >= hidden)
			stars = 0;
		if (hit > 0 && from + hit > hidden)
			hidden = from + hit;
		clean = clean && (hit == 0 || !json || in_string);
		in_string = in_string != (text[from] == '"');
		if (from >= hidden && n == 1)
			text[to] = text[from];
		else if (from >= hidden)
			memmove(text + to, text + from, n);
		else if (stars++ < BLANK_LEN)
			text[to] = '*';
		to += from >= hidden ? n : stars <= BLANK_LEN ? 1 : 0;
		from += n;
	}
	vault_wipe(text + to, from - to);
	vault_wipe(&s, sizeof(s));
	text[to] = '\0';
	return clean;
}

void scrub_text(char *text, const struct held *h)
{
	(void)scrub(text, false, h);
}

bool scrub_json(char *text, const struct held *h)
{
	return scrub(text, true, h);
}

/* ------------------------------------------------------------ others' keys, by their parameter */

static bool same_letter(int c, char wanted)
{
	return c == wanted || (c >= 'A' && c <= 'Z' && c - 'A' + 'a' == wanted);
}

/* How long the name of a parameter that carries a key is at text, with its "="; 0: there is none. */
static size_t key_name_at(const char *text)
{
	static const char *const names[] = {"access_token=", "appsecret_proof="};
	int begins;

	if (strchr("aA%\\", text[0]) == NULL || decoded_at(text, true, DECODED_MAX, &begins) == 0 ||
		!same_letter(begins, 'a'))
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t at = 0, k = 0;
		int c;

		for (; names[i][k] != '\0'; k++) {
			const size_t n = decoded_at(text + at, true, DECODED_MAX, &c);

			if (n == 0 || !same_letter(c, names[i][k]))
				break;
			at += n;
		}
		if (names[i][k] == '\0')
			return at;
	}
	return 0;
}

/* To where the next parameter begins, or whatever the address stands in goes on. */
static size_t key_value_at(const char *text)
{
	size_t at = 0;

	for (;;) {
		int c;
		const size_t n = decoded_at(text + at, true, DECODED_MAX, &c);

		if (n == 0 || c <= ' ' || (c < 0x7f && strchr("&;#\"'<>", c) != NULL))
			return at;
		at += n;
	}
}

void scrub_parameters(char *text, bool json)
{
	size_t from = 0, to = 0;

	while (text[from] != '\0') {
		const size_t name = key_name_at(text + from);
		const size_t value = name > 0 ? key_value_at(text + from + name) : 0;
		int c;
		const size_t n = name > 0 ? name : json ? char_at(text + from, true, &c) : 1;
		const size_t stars = value < BLANK_LEN ? value : BLANK_LEN;

		if (to != from)
			memmove(text + to, text + from, n);
		memcpy(text + to + n, blank, stars);
		from += n + value;
		to += n + stars;
	}
	vault_wipe(text + to, from - to);
	text[to] = '\0';
}

/* ------------------------------------------------------------ what only looks like one */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool in_token(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c != '\0' && strchr("_|%.~+/=-", c));
}

/* The length of a run that looks like a key or a piece of one, whoever's it is: long, with letters and digits or
 * with capitals inside. Names of permissions and fields are long too, but plain. 0: it does not. */
static size_t token_run(const char *text)
{
	bool digit = false, letter = false, hump = false;
	size_t n = 0;

	for (; in_token(text[n]); n++) {
		digit = digit || is_digit(text[n]);
		letter = letter || (text[n] >= 'A' && text[n] <= 'Z') || (text[n] >= 'a' && text[n] <= 'z');
		hump = hump || (n > 0 && text[n] >= 'A' && text[n] <= 'Z' && text[n - 1] >= 'a' && text[n - 1] <= 'z');
	}
	return n >= TOKEN_MIN && letter && (digit || hump) ? n : 0;
}

/* Whether a number may go on behind a space or dash at text. A key that begins with digits is no part of it: what is left
 * of that would not look like one any more. */
static bool goes_on(const char *text)
{
	return is_digit(text[0] != '\0' ? text[1] : '\0') &&
		(text[0] == '-' || (text[0] == ' ' && token_run(text + 1) == 0));
}

/* The length of a run at text that may be a phone number; 0: it is none. */
static size_t phone_run(const char *text)
{
	size_t at = 0, digits = 0, solid = 0, longest = 0;

	while (is_digit(text[at]) || (at > 0 && is_digit(text[at - 1]) && goes_on(text + at))) {
		solid = is_digit(text[at]) ? solid + 1 : 0;
		digits += is_digit(text[at]) ? 1 : 0;
		longest = solid > longest ? solid : longest;
		at++;
	}
	return longest >= PHONE_DIGITS_MIN || digits >= PHONE_SPACED_MIN ? at : 0;
}

static bool in_message_id(char c)
{
	return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c != '\0' && strchr("+/=-_", c));
}

/* The length of a message id at text, 0 where none begins. */
static size_t message_id(const char *text)
{
	static const char head[] = "wamid.";
	size_t n = sizeof(head) - 1;

	if (strncmp(text, head, n) != 0)
		return 0;
	while (in_message_id(text[n]))
		n++;
	return n;
}

/* The length of the well-formed UTF-8 character at text, 0 where none is. */
static size_t character(const char *text)
{
	const uint8_t *b = (const uint8_t *)text;
	const size_t n = b[0] < 0x80	      ? 1
		: b[0] >= 0xc2 && b[0] < 0xe0 ? 2
		: b[0] >= 0xe0 && b[0] < 0xf0 ? 3
		: b[0] >= 0xf0 && b[0] < 0xf5 ? 4
					      : 0;

	for (size_t i = 1; i < n; i++)
		if ((b[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

void scrub_reason(char *text, const struct held *h, char *out, size_t out_len)
{
	size_t to = 0;

	scrub_text(text, h);
	for (const char *p = text; *p != '\0';) {
		const size_t token = p == text || !in_token(p[-1]) ? token_run(p) : 0;
		const size_t phone = token > 0 ? token : phone_run(p);
		const size_t hidden = phone > 0 ? phone : message_id(p);
		const size_t shown = character(p);
		const size_t room = hidden > 0 ? BLANK_LEN : shown > 0 ? shown : 1;

		if (to + room >= out_len)
			break;
		if (hidden > 0)
			memcpy(out + to, blank, BLANK_LEN);
		else if (shown == 1)
			out[to] = (uint8_t)*p < 0x20 || *p == 0x7f ? ' ' : *p;
		else if (shown > 0)
			memcpy(out + to, p, shown);
		else
			out[to] = '?';
		to += room;
		p += hidden > 0 ? hidden : room;
	}
	while (to > 0 && out[to - 1] == ' ')
		to--;
	out[to] = '\0';
}
