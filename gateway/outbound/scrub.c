/*
 * Taking secrets and customers' numbers out of a provider's words. Trusts nothing in the text.
 * Called by answer.c.
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

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One byte of text, percent-decoded where asked and possible; *used bytes of it. */
static uint8_t text_byte(const char *text, bool decode, size_t *used)
{
	*used = 1;
	if (decode && text[0] == '%' && hex_value(text[1]) >= 0 && hex_value(text[2]) >= 0) {
		*used = 3;
		return (uint8_t)(hex_value(text[1]) * 16 + hex_value(text[2]));
	}
	return (uint8_t)text[0];
}

/* How much of text is the whole secret; 0: it is not. A part of it is no match: what is blanked may depend on a
 * secret only as a whole, or whoever makes the provider repeat guesses could read it off character by character. */
static size_t match(const char *text, const struct secret *s, bool decode)
{
	const uint8_t *bytes = secret_bytes(s);
	const size_t len = secret_len(s);
	size_t at = 0, same = 0;

	while (same < len && text[at] != '\0') {
		size_t used;

		if (text_byte(text + at, decode, &used) != bytes[same])
			break;
		at += used;
		same++;
	}
	return same == len ? at : 0;
}

void scrub_secrets(char *text, const struct secret *const *secrets, size_t secrets_len)
{
	size_t from = 0, to = 0;

	while (text[from] != '\0') {
		size_t hit = 0;

		for (size_t i = 0; i < secrets_len; i++) {
			for (int decode = 0; decode <= 1 && secrets[i] != NULL; decode++) {
				const size_t n = match(text + from, secrets[i], decode != 0);

				hit = n > hit ? n : hit;
			}
		}
		if (hit == 0) {
			text[to++] = text[from++];
			continue;
		}
		for (size_t i = 0; i < hit && i < BLANK_LEN; i++)
			text[to++] = '*';
		from += hit;
	}
	vault_wipe(text + to, from - to);
	text[to] = '\0';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The length of a run at text that may be a phone number; 0: it is none. */
static size_t phone_run(const char *text)
{
	size_t at = 0, digits = 0, solid = 0, longest = 0;

	while (is_digit(text[at]) ||
		(at > 0 && is_digit(text[at - 1]) && (text[at] == ' ' || text[at] == '-') && is_digit(text[at + 1]))) {
		solid = is_digit(text[at]) ? solid + 1 : 0;
		digits += is_digit(text[at]) ? 1 : 0;
		longest = solid > longest ? solid : longest;
		at++;
	}
	return longest >= PHONE_DIGITS_MIN || digits >= PHONE_SPACED_MIN ? at : 0;
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

void scrub_reason(char *text, const struct secret *const *secrets, size_t secrets_len, char *out, size_t out_len)
{
	size_t to = 0;

	scrub_secrets(text, secrets, secrets_len);
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
