/*
 * The readable log, and small helpers that every file uses.
 */
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "examples/sandbox/sandbox.h"

enum { LINE_MAX_LEN = 4096 };

double now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

const char *last4(const char *key)
{
	size_t len = key ? strlen(key) : 0;

	return len > 4 ? key + len - 4 : "none";
}

void random_hex(size_t len, char *out)
{
	unsigned char bytes[32];

	if (len > sizeof(bytes))
		len = sizeof(bytes);
	randombytes_buf(bytes, len);
	sodium_bin2hex(out, 2 * len + 1, bytes, len);
}

/* What somebody else wrote cannot move the cursor; a new line stands under the first one's text. */
void say(struct sandbox *s, const char *format, ...)
{
	char text[LINE_MAX_LEN], line[2 * LINE_MAX_LEN];
	struct tm tm;
	time_t now = (time_t)now_s();
	va_list args;
	size_t n;

	if (s->quiet)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	localtime_r(&now, &tm);
	n = strftime(line, sizeof(line), "%H:%M:%S  ", &tm);
	for (const char *at = text; *at != '\0' && n < sizeof(line) - 32; at++) {
		if (*at == '\n')
			n += (size_t)snprintf(line + n, 16, "\n            ");
		else
			line[n++] = (unsigned char)*at < 0x20 || *at == 0x7f ? '?' : *at;
	}
	line[n] = '\n';
	(void)fwrite(line, 1, n + 1, stdout);
	(void)fflush(stdout);
}
