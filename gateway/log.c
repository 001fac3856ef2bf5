/*
 * Log lines: formatted into a fixed buffer, cleaned, written with one write(2).
 * Nothing is opened here: standard error was given by whoever started us.
 */
#include "gateway/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway/utf8.h"

#define LINE_MAX_LEN 1000u

static const char *log_role = "keyhouse";
static enum log_level log_threshold = LOG_INFO;

static const char *level_name(enum log_level level)
{
	switch (level) {
	case LOG_DEBUG:
		return "debug";
	case LOG_INFO:
		return "info";
	case LOG_WARN:
		return "warn";
	case LOG_ERROR:
		return "error";
	}
	return "error";
}

void log_init(const char *role, enum log_level level)
{
	log_role = role;
	log_threshold = level;
}

/* Copies text so that a line stays a line: control characters become \xNN. */
static size_t clean(char *out, size_t room, const char *text)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (const unsigned char *p = (const unsigned char *)text; *p != '\0' && n + 13 < room; p++) {
		size_t hidden = utf8_hidden((const char *)p);

		if (hidden == 0)
			out[n++] = (char)*p;
		for (; hidden > 0; hidden--, p += hidden > 0) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[*p >> 4];
			out[n++] = hex[*p & 15];
		}
	}
	return n;
}

void log_line(enum log_level level, const char *format, ...)
{
	char message[LINE_MAX_LEN];
	char line[LINE_MAX_LEN];
	struct timespec now;
	struct tm utc;
	va_list args;
	size_t len;
	int head;

	if (level < log_threshold)
		return;
	va_start(args, format);
	(void)vsnprintf(message, sizeof(message), format, args);
	va_end(args);

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	head = snprintf(line, sizeof(line), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ %s %s ", utc.tm_year + 1900,
		utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, (int)(now.tv_nsec / 1000000),
		level_name(level), log_role);
	len = head > 0 ? (size_t)head : 0;
	len += clean(line + len, sizeof(line) - len - 1, message);
	line[len++] = '\n';
	/* A log that cannot be written has nowhere to complain. */
	if (write(STDERR_FILENO, line, len) < 0)
		return;
}
