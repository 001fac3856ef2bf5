/*
 * What a pasted value looks like, so that one in the wrong box can be named.
 * connect.js knows the same kinds.
 *
 * Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_PASTE_H
#define KEYHOUSE_SETTINGS_PASTE_H

enum paste {
	PASTE_NOTHING,
	PASTE_TOKEN, /* an access token of Meta's: EAA... (facts/meta.md 5) */
	PASTE_SECRET, /* an app secret of Meta's: 32 hex digits */
	PASTE_ID, /* digits alone */
	PASTE_PHONE, /* digits with a plus, spaces or the like between them */
	PASTE_OTHER, /* opaque: a key of 360dialog's, or anything */
};
#define PASTES (PASTE_OTHER + 1)

/* Of a value without white space around it. */
enum paste paste_kind(const char *value);
/* The kind's name for the module: "token". */
const char *paste_name(enum paste kind);
/* "This looks like ...": NULL where nothing can be said. */
const char *paste_looks(enum paste kind);

#endif
