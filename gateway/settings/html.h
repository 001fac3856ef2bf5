/*
 * Writing HTML: text is escaped unless it is a literal of ours.
 *
 * Running out of memory is remembered and told once, by whoever sends the text.
 * Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_HTML_H
#define KEYHOUSE_SETTINGS_HTML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct html {
	char *data; /* ends with a NUL; NULL while nothing was written */
	size_t len, room;
	bool failed; /* memory was short: what is there is not whole */
};
void html_clear(struct html *h); /* wipes and frees */

/* A literal of ours, as it is. */
void html_raw(struct html *h, const char *literal);
/* printf's %s %d %u %zu %lld %%, no flags. What comes by %s is escaped for an element's text and for an attribute in
 * double quotes; it must stand in no other place (no script, no style, no unquoted attribute, no URL but behind one
 * of ours). Control characters (but line ends and tabs) and bytes that are no UTF-8 become U+FFFD. */
void html_put(struct html *h, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* <time>: UTC for people; a module makes it local. 0 becomes "never". */
void html_time(struct html *h, int64_t ms);

#endif
