/*
 * The parts of the page of keys that are about secrets being replaced. Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_OVERLAP_H
#define KEYHOUSE_SETTINGS_OVERLAP_H

#include "gateway/settings/internal.h"

/* Within the table of keys: what a current one has proven; a row for a previous one, called name; Meta's verify token. */
void overlap_current(struct visit *v, const struct store_credential *s);
void overlap_previous(struct visit *v, const struct store_credential *s, const char *name);
void overlap_verify_token(struct visit *v, const struct store_connection *c);
/* After it: a new value of what is made here. */
void overlap_rotate_form(struct visit *v, const struct store_connection *c);

#endif
