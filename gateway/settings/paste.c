/*
 * Kinds of pasted values. Called by connect_form.c.
 */
#include "gateway/settings/paste.h"

#include <string.h>

#define APP_SECRET_LEN 32u
#define TOKEN_MIN 20u
#define PHONE_DIGITS_MIN 7u

static const struct {
	const char *name, *looks;
} kinds[PASTES] = {
	[PASTE_NOTHING] = {"nothing", NULL},
	[PASTE_TOKEN] = {"token", "This looks like an access token: it begins with EAA."},
	[PASTE_SECRET] = {"secret", "This looks like an app secret: 32 digits and letters from a to f."},
	[PASTE_ID] = {"id", "This looks like an ID: it has digits alone."},
	[PASTE_PHONE] = {"phone", "This looks like a phone number."},
	[PASTE_OTHER] = {"other", NULL},
};

static size_t count_digits(const char *value)
{
	size_t n = 0;

	for (; *value != '\0'; value++)
		n += *value >= '0' && *value <= '9';
	return n;
}

enum paste paste_kind(const char *value)
{
	const size_t len = strlen(value), digits = count_digits(value);

	if (len == 0)
		return PASTE_NOTHING;
	if (strncmp(value, "EAA", 3) == 0 && len >= TOKEN_MIN)
		return PASTE_TOKEN;
	if (len == APP_SECRET_LEN && strspn(value, "0123456789abcdefABCDEF") == len)
		return PASTE_SECRET;
	if (digits == len)
		return PASTE_ID;
	if (digits >= PHONE_DIGITS_MIN && strspn(value, "0123456789+ -()./") == len)
		return PASTE_PHONE;
	return PASTE_OTHER;
}

const char *paste_name(enum paste kind)
{
	return kinds[kind].name;
}

const char *paste_looks(enum paste kind)
{
	return kinds[kind].looks;
}
