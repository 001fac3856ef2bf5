/*
 * HTML into a growing text. Called by every page.
 */
#include "gateway/settings/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/utf8.h"
#include "vault/vault.h"

#define ROOM_MIN 4096u

void html_clear(struct html *h)
{
	if (h->data != NULL)
		vault_wipe(h->data, h->room);
	free(h->data);
	*h = (struct html){0};
}

/* Pages show what customers wrote: the old copy is wiped, which realloc would not do. */
static bool grow(struct html *h, size_t more)
{
	size_t room = h->room > 0 ? h->room : ROOM_MIN;
	char *data;

	if (h->failed)
		return false;
	if (h->len + more < h->room)
		return true;
	while (room <= h->len + more)
		room *= 2;
	data = malloc(room);
	if (data == NULL) {
		h->failed = true;
		return false;
	}
	if (h->len > 0)
		memcpy(data, h->data, h->len);
	if (h->data != NULL)
		vault_wipe(h->data, h->room);
	free(h->data);
	h->data = data;
	h->room = room;
	return true;
}

static void add(struct html *h, const char *text, size_t len)
{
	if (!grow(h, len))
		return;
	memcpy(h->data + h->len, text, len);
	h->len += len;
	h->data[h->len] = '\0';
}

void html_raw(struct html *h, const char *literal)
{
	add(h, literal, strlen(literal));
}

static const char *entity(char c)
{
	switch (c) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void add_escaped(struct html *h, const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";

	for (const char *p = text; *p != '\0';) {
		size_t len = utf8_char(p);
		bool control = len == 1 && ((unsigned char)*p < 0x20 || *p == 0x7f) && strchr("\n\r\t", *p) == NULL;
		const char *e = entity(*p);

		if (len == 0 || control)
			add(h, replacement, sizeof(replacement) - 1);
		else if (e != NULL)
			add(h, e, strlen(e));
		else
			add(h, p, len);
		p += len > 0 ? len : 1;
	}
}

/* One conversion at p, behind its '%'; returns how long it is. */
static size_t convert(struct html *h, const char *p, va_list *args)
{
	char number[32] = "";
	size_t len = 1;

	if (*p == 's') {
		const char *text = va_arg(*args, const char *);

		add_escaped(h, text != NULL ? text : "");
	} else if (*p == '%') {
		add(h, p, 1);
	} else if (*p == 'd') {
		(void)snprintf(number, sizeof(number), "%d", va_arg(*args, int));
	} else if (*p == 'u') {
		(void)snprintf(number, sizeof(number), "%u", va_arg(*args, unsigned));
	} else if (strncmp(p, "zu", 2) == 0) {
		(void)snprintf(number, sizeof(number), "%zu", va_arg(*args, size_t));
		len = 2;
	} else if (strncmp(p, "lld", 3) == 0) {
		(void)snprintf(number, sizeof(number), "%lld", va_arg(*args, long long));
		len = 3;
	} else {
		abort(); /* a format is a literal of ours */
	}
	add(h, number, strlen(number));
	return len;
}

void html_put(struct html *h, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	while (*format != '\0') {
		size_t len = strcspn(format, "%");

		add(h, format, len);
		format += len;
		if (*format == '%')
			format += 1 + convert(h, format + 1, &args);
	}
	va_end(args);
}

void html_time(struct html *h, int64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	char machine[32], people[32];
	struct tm tm;

	if (ms == 0 || gmtime_r(&seconds, &tm) == NULL) {
		html_raw(h, "never");
		return;
	}
	(void)strftime(machine, sizeof(machine), "%Y-%m-%dT%H:%M:%SZ", &tm);
	(void)strftime(people, sizeof(people), "%Y-%m-%d %H:%M UTC", &tm);
	html_put(h, "<time datetime=\"%s\">%s</time>", machine, people);
}
