/*
 * Long lists in pages, as the Graph API gives them.
 */
#ifndef SANDBOX_PAGING_H
#define SANDBOX_PAGING_H

#include "examples/sandbox/sandbox.h"

/* {"data": [...], "paging": {"cursors": {"before", "after"}, "next"?, "previous"?}}: the page of all that the query's limit
 * (25), after and before name. The addresses carry the access token, as Meta's do; 360dialog hands on Meta's own ones, with
 * Meta's token of 360dialog's. Takes all, an array. account: what 360dialog's caller asked about; NULL: the path says it.
 * Holds the mutex. */
void paging_answer(
	const struct sandbox *s, const struct ask *a, const char *account, struct cJSON *all, struct reply *r);

#endif
