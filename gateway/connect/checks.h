/*
 * The live checks of a Meta connection: what the provider says about its keys and
 * its number. Asks through the sender, which alone opens the credentials.
 *
 * Internal to gateway/connect.
 */
#ifndef KEYHOUSE_CONNECT_CHECKS_H
#define KEYHOUSE_CONNECT_CHECKS_H

#include <stdbool.h>

#include "gateway/connect/connect.h"

enum { CREDENTIAL_TOKEN, CREDENTIAL_APP_SECRET, CREDENTIALS };

struct checks_outcome {
	bool all_ok; /* every check but the webhook's passed, or had nothing to look at */
	bool token_refused; /* the provider says that this key is dead */
	bool secret_refused;
	bool described; /* the connection's display_phone and verified_name are fresh */
};

/* Appends one line for each check to the report. connection's ids are read, its display_phone and
 * verified_name written. credentials are in the order of the enum above, sealed. Without a
 * sender (c->outbound NULL) every check is skipped. */
void checks_run(const struct connect *c, struct store_connection *connection,
	const struct store_credential credentials[static CREDENTIALS], struct connect_report *report,
	struct checks_outcome *outcome);

/* The same lines, all skipped: why says what for. */
void checks_skip(const struct connect *c, const struct store_connection *connection, struct connect_report *report,
	const char *why);

#endif
