/*
 * Rules for what a shop pastes when it connects. Values are from outside; a rule
 * that is broken is told by the field's name, never by the value.
 *
 * Internal to gateway/connect.
 */
#ifndef KEYHOUSE_CONNECT_FORM_H
#define KEYHOUSE_CONNECT_FORM_H

#include <stdbool.h>

#include "gateway/connect/connect.h"

/* Each writes field and detail of the report and returns false when a rule is broken. live: Meta is asked for what is
 * missing. */
bool form_meta_ok(const struct connect_meta *in, bool live, struct connect_report *report);
bool form_d360_ok(const struct connect_d360 *in, struct connect_report *report);
/* field names a credential of that provider; anything else breaks the first rule. */
bool form_secret_ok(
	enum store_provider provider, const char *field, const struct secret *value, struct connect_report *report);

/* Writes field and detail. */
void form_fault(struct connect_report *report, const char *field, const char *detail);

#endif
