/*
 * Finds one parameter in a raw query string and percent-decodes it. The query
 * is from strangers; nothing is decoded twice and nothing may hold a NUL.
 *
 * Called by the handlers behind gateway/listener.c.
 */
#include <string.h>

#include "gateway/http/http.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decodes one character at *at (before end) and steps over it; -1 when malformed. */
static int next_char(const char **at, const char *end)
{
	const char *p = *at;
	int high, low;

	if (*p != '%') {
		*at = p + 1;
		return *p == '+' ? ' ' : (unsigned char)*p;
	}
	if (end - p < 3)
		return -1;
	high = hex_digit(p[1]);
	low = hex_digit(p[2]);
	if (high < 0 || low < 0 || (high == 0 && low == 0))
		return -1;
	*at = p + 3;
	return high * 16 + low;
}

static bool key_matches(const char *key, const char *end, const char *name)
{
	while (key < end) {
		int c = next_char(&key, end);

		if (c < 0 || c != (unsigned char)*name++)
			return false;
	}
	return *name == '\0';
}

static enum http_error decode(const char *value, const char *end, char *buf, size_t buf_len)
{
	size_t used = 0;

	while (value < end) {
		int c = next_char(&value, end);

		if (c < 0 || used + 1 >= buf_len)
			goto bad;
		buf[used++] = (char)c;
	}
	buf[used] = '\0';
	return HTTP_OK;
bad:
	explicit_bzero(buf, buf_len);
	return HTTP_BAD_QUERY;
}

bool http_decode(char *text)
{
	const char *from = text, *end = text + strlen(text);

	while (from < end) {
		int c = next_char(&from, end);

		if (c < 0)
			return false;
		*text++ = (char)c;
	}
	*text = '\0';
	return true;
}

enum http_error http_query_get(const char *query, const char *name, char *buf, size_t buf_len)
{
	if (buf_len == 0)
		return HTTP_BAD_QUERY;
	while (query) {
		const char *end = query + strcspn(query, "&");
		const char *equal = memchr(query, '=', (size_t)(end - query));
		const char *key_end = equal ? equal : end;

		if (key_matches(query, key_end, name))
			return decode(equal ? equal + 1 : end, end, buf, buf_len);
		query = *end ? end + 1 : NULL;
	}
	return HTTP_NO_SUCH_PARAM;
}
