/*
 * Settings: the pages on which a shop owner connects a number and sees what becomes
 * of its messages (design section 7, /settings/...), and those on which the operator
 * looks after all shops (/admin/...).
 *
 * A visitor comes with a settings link, whose token his browser changes for a session
 * of one business. Pages are HTML that works without scripts where it can, with small
 * modules of our own beside it; nothing is fetched from anywhere else. What he types
 * is from a stranger; what is shown (names, messages, a provider's words) is, too.
 *
 * Called by gateway/listener.c.
 */
#ifndef KEYHOUSE_SETTINGS_H
#define KEYHOUSE_SETTINGS_H

#include <stdbool.h>

#include "gateway/doctor.h"
#include "gateway/http/http.h"
#include "gateway/rotation.h"
#include "gateway/virtual_key.h"

struct settings;

struct settings_options {
	struct doctor doctor; /* copied; what it points to is borrowed */
	struct vault_client *vault; /* borrowed; asked for its status alone */
	struct rotation *rotation; /* borrowed; asked how far the replacing of keys is */
	struct virtual_keys *virtual_keys; /* borrowed; asked what calls came to */
	const char *frame_ancestors; /* borrowed; the setting: origins that may embed the pages; "" for none */
};
struct settings *settings_new(const struct settings_options *opt); /* NULL when memory is short */
void settings_free(struct settings *s); /* NULL is fine */

/* Whether a path is of these pages: "/settings" and "/admin", and below. */
bool settings_owns(const char *path);
/* Answers one request. Threads: any. May take as long as the live checks of connecting do. */
void settings_handle(struct settings *s, struct http_request *req);

#endif
