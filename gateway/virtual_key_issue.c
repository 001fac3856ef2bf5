/*
 * What a new virtual key may be, and making it. See virtual_key_issue.h.
 */
#include "gateway/virtual_key_issue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/rfc3339.h"
#include "gateway/utf8.h"

#define DAY_MS INT64_C(86400000)
#define DAYS_MAX 3650
#define RATE_MAX 100000
#define BUDGET_MAX 10000000
#define DIGITS_MAX 9u /* more than any limit has */

_Static_assert(STORE_NAME_LEN == 200 && STORE_KEY_NUMBERS_MAX == 32u, "the rules below name these");

const char *virtual_key_ask_name(struct store_virtual_key *k, const char *name)
{
	const size_t len = strlen(name);

	if (len == 0 || len > STORE_NAME_LEN || !utf8_printable(name))
		return "must be 1 to 200 bytes without control characters";
	memcpy(k->name, name, len + 1);
	return NULL;
}

const char *virtual_key_ask_scope(struct store_virtual_key *k, const char *scope)
{
	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES; i++) {
		if (strcmp(virtual_key_scopes[i].name, scope) != 0)
			continue;
		k->scopes |= virtual_key_scopes[i].bit;
		return NULL;
	}
	return "must be of: send, media, templates, read";
}

const char *virtual_key_ask_scopes_end(const struct store_virtual_key *k)
{
	return k->scopes != 0 ? NULL : "must name one at least; left out, it has all";
}

/* ------------------------------------------------------------ limits */

/* From 1 to max; 0: it is none. */
static uint32_t whole(double n, uint32_t max)
{
	/* Also what is no number at all is not cast. */
	if (!(n >= 1 && n <= max) || (double)(uint32_t)n != n)
		return 0;
	return (uint32_t)n;
}

const char *virtual_key_ask_rate(struct store_virtual_key *k, double calls_a_minute)
{
	k->rate = whole(calls_a_minute, RATE_MAX);
	return k->rate > 0 ? NULL : "must be a whole number from 1 to 100000";
}

const char *virtual_key_ask_budget(struct store_virtual_key *k, double messages_a_day)
{
	k->budget = whole(messages_a_day, BUDGET_MAX);
	return k->budget > 0 ? NULL : "must be a whole number from 1 to 10000000";
}

const char *virtual_key_ask_days(struct store_virtual_key *k, double days, int64_t now)
{
	const uint32_t n = whole(days, DAYS_MAX);

	if (n == 0)
		return "must be a whole number from 1 to 3650";
	k->expires_at = now + n * DAY_MS;
	return NULL;
}

const char *virtual_key_ask_end(struct store_virtual_key *k, const char *time, int64_t now)
{
	int64_t at;

	if (k->expires_at > 0)
		return "is one too many beside expires_in_days";
	if (!rfc3339_read(time, &at) || at <= now || at > now + DAYS_MAX * DAY_MS)
		return "must be a time to come within ten years, as 2030-01-31T23:59:59Z";
	k->expires_at = at;
	return NULL;
}

double virtual_key_count(const char *text)
{
	const size_t len = strlen(text);

	return len > 0 && len <= DIGITS_MAX && text[strspn(text, "0123456789")] == '\0' ? strtod(text, NULL) : 0;
}

/* ------------------------------------------------------------ numbers */

const char *virtual_key_ask_numbers_len(int len)
{
	return len >= 1 && len <= (int)STORE_KEY_NUMBERS_MAX
		? NULL
		: "must name 1 to 32; left out, it has all, also later ones";
}

enum store_error virtual_key_ask_number(struct store *store, struct store_virtual_key *k, const char *number)
{
	const size_t len = strlen(number), at = strlen(k->numbers);
	struct store_connection connection;
	enum store_error err;

	if (len == 0 || len > STORE_PROVIDER_ID_LEN || number[strspn(number, "0123456789")] != '\0')
		return STORE_NOT_FOUND;
	err = store_connection_by_number(store, k->business_id, 0, number, &connection);
	if (err == STORE_OK)
		(void)snprintf(k->numbers + at, sizeof(k->numbers) - at, "%s%s", at > 0 ? " " : "", number);
	return err;
}

/* ------------------------------------------------------------ making it */

enum store_error virtual_key_issue(struct store *store, struct store_virtual_key *k, char text[static VIRTUAL_KEY_ROOM])
{
	enum store_error err;

	virtual_key_make(k, text);
	err = store_virtual_key_add(store, k);
	if (err != STORE_OK)
		vault_wipe(text, VIRTUAL_KEY_ROOM);
	return err;
}
