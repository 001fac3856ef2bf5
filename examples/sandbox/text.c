/*
 * The readable log, text from strangers, and small helpers that every file uses.
 */
#include <poll.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "examples/sandbox/sandbox.h"
#include "gateway/json.h"

enum { LINE_MAX_LEN = 4096 }; /* a pipe that can be written to at all takes so much at once */

unsigned long utf8_next(const unsigned char *at, size_t *len)
{
	static const unsigned char first_mask[] = {0x1f, 0x0f, 0x07};
	static const unsigned long least[] = {0, 0x80, 0x800, 0x10000};
	size_t more = *at >= 0xf0 && *at < 0xf8 ? 3 : *at >= 0xe0 && *at < 0xf0 ? 2 : *at >= 0xc0 && *at < 0xe0 ? 1 : 0;
	unsigned long point = more > 0 ? *at & first_mask[more - 1] : *at < 0x80 ? *at : 0xfffd;

	*len = 1;
	for (size_t i = 1; i <= more; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0xfffd;
		point = point << 6 | (at[i] & 0x3f);
	}
	if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point < 0xe000))
		return 0xfffd;
	*len = 1 + more;
	return point;
}

void utf8_clean(char *text)
{
	unsigned char *at = (unsigned char *)text;
	size_t len;

	for (;;) {
		while (*at > 0 && *at < 0x80)
			at++;
		if (*at == '\0')
			return;
		if (utf8_next(at, &len) == 0xfffd && len == 1)
			*at = '?';
		at += len;
	}
}

struct cJSON *read_json(const uint8_t *text, size_t len)
{
	char *copy = len > 0 ? malloc(len + 1) : NULL;
	struct cJSON *json = NULL;

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	utf8_clean(copy);
	json = json_parse(copy, len);
	free(copy);
	return json;
}

void digits_of(const char *text, char *out, size_t room)
{
	size_t n = 0;

	for (; *text != '\0' && n + 1 < room; text++)
		if (*text >= '0' && *text <= '9')
			out[n++] = *text;
	out[n] = '\0';
}

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

/* Never waits: whoever does not read misses lines. */
static void put_line(const char *line, size_t len)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	if (poll(&out, 1, 0) == 1 && (out.revents & POLLOUT))
		(void)!write(STDOUT_FILENO, line, len);
}

/* What somebody else wrote cannot move the cursor; a new line stands under the first one's text. */
void say(struct sandbox *s, const char *format, ...)
{
	char text[LINE_MAX_LEN / 2], line[LINE_MAX_LEN];
	struct tm tm;
	time_t now = (time_t)now_s();
	va_list args;
	size_t n, len;

	if (s->quiet)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	localtime_r(&now, &tm);
	n = strftime(line, sizeof(line), "%H:%M:%S  ", &tm);
	for (const char *at = text; *at != '\0' && n < sizeof(line) - 32; at += len) {
		unsigned long point = utf8_next((const unsigned char *)at, &len);

		if (point == '\n') {
			n += (size_t)snprintf(line + n, 16, "\n            ");
		} else if (point < 0x20 || (point >= 0x7f && point < 0xa0) || point == 0xfffd) {
			line[n++] = '?';
		} else {
			memcpy(line + n, at, len);
			n += len;
		}
	}
	line[n] = '\n';
	put_line(line, n + 1);
}
