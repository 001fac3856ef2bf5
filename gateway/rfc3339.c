/*
 * Reading a moment: digit by digit, so that nothing passes that is not one. See rfc3339.h.
 */
#include "gateway/rfc3339.h"

#include <string.h>
#include <time.h>

/* Digits up to a character that must follow; *p moves behind both. */
static bool digits(const char **p, int count, char end, int *out)
{
	*out = 0;
	for (int i = 0; i < count; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*out = *out * 10 + (**p - '0');
	}
	if (end == '\0')
		return true;
	return *(*p)++ == end;
}

static bool fraction(const char **p, int64_t *ms)
{
	int64_t each = 100;

	*ms = 0;
	if (**p != '.')
		return true;
	if (*++*p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; (*p)++, each /= 10)
		*ms += each * (**p - '0');
	return true;
}

static bool offset(const char *p, int64_t *minutes)
{
	const int sign = *p == '-' ? -1 : 1;
	int hour, minute;

	*minutes = 0;
	if (strcmp(p, "Z") == 0)
		return true;
	if (*p != '+' && *p != '-')
		return false;
	p++;
	if (!digits(&p, 2, ':', &hour) || !digits(&p, 2, '\0', &minute) || *p != '\0' || hour > 23 || minute > 59)
		return false;
	*minutes = (int64_t)sign * (hour * 60 + minute);
	return true;
}

bool rfc3339_read(const char *text, int64_t *ms)
{
	struct tm said = {.tm_isdst = 0}, tm;
	int64_t part, minutes, seconds;

	if (!digits(&text, 4, '-', &said.tm_year) || !digits(&text, 2, '-', &said.tm_mon) ||
		!digits(&text, 2, 'T', &said.tm_mday) || !digits(&text, 2, ':', &said.tm_hour) ||
		!digits(&text, 2, ':', &said.tm_min) || !digits(&text, 2, '\0', &said.tm_sec) ||
		!fraction(&text, &part) || !offset(text, &minutes))
		return false;
	said.tm_year -= 1900;
	said.tm_mon -= 1;
	tm = said;
	/* It makes another moment of the 31st of June, or of a 61st minute. */
	seconds = timegm(&tm);
	if (tm.tm_mon != said.tm_mon || tm.tm_mday != said.tm_mday || tm.tm_hour != said.tm_hour ||
		tm.tm_min != said.tm_min)
		return false;
	*ms = (seconds - minutes * 60) * 1000 + part;
	return true;
}
