/*
 * Calls with virtual keys that were refused: why, what to do, and the newest of them in
 * memory, so that the operator can say why one was.
 *
 * Callers are strangers. Of what they present nothing is kept but the last four characters
 * of what has the form of a key, and of a path only the words that are ours. A flood of
 * strangers takes at most half of the places, and who repeats himself takes one.
 *
 * Called by virtual_key.c; by api and settings, which show them.
 */
#ifndef KEYHOUSE_REFUSED_CALLS_H
#define KEYHOUSE_REFUSED_CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

enum refused_why {
	REFUSED_NOT = 0,
	REFUSED_NO_KEY,
	REFUSED_MALFORMED,
	REFUSED_ADMIN_TOKEN, /* it looks like one */
	REFUSED_PROVIDERS_KEY, /* it looks like a provider's own */
	REFUSED_UNKNOWN,
	REFUSED_REVOKED,
	REFUSED_EXPIRED,
	REFUSED_SUSPENDED, /* the business is */
	REFUSED_SCOPE, /* the key was not given what the call needs */
	REFUSED_NUMBER, /* nor the number, or its business has none such */
	REFUSED_RATE,
	REFUSED_BUDGET,
};
#define REFUSED_WHYS (REFUSED_BUDGET + 1)

/* The API's and the store's word, small letters and "_"; "" for REFUSED_NOT. */
const char *refused_code(enum refused_why why);
enum refused_why refused_why(const char *code); /* REFUSED_NOT: it is none */
/* What it means and what to do, in sentences for who writes the client, and for the operator. */
const char *refused_words(enum refused_why why);

#define REFUSED_PATH_LEN 95u
/* A path without its query, as it may be shown: each part that is no word of ours becomes "{id}", as it may be a number, an
 * id, or a key in the wrong place. Cut to fit. */
void refused_path(const char *path, char out[static REFUSED_PATH_LEN + 1]);

/* Alike ones are one, counted. */
struct refused_call {
	int64_t at, first_at; /* the last one, and the first of those counted */
	int64_t count;
	enum refused_why why;
	char last4[5]; /* "": what was presented does not have the form of a key */
	char key_id[STORE_ID_LEN + 1]; /* "" and "": it is none of ours */
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char method[8];
	char path[REFUSED_PATH_LEN + 1]; /* as refused_path makes it */
	char peer[46]; /* its address */
};
#define REFUSED_CALLS_MAX 200u

struct refused_calls;
struct refused_calls *refused_calls_new(void); /* NULL when memory is short */
void refused_calls_free(struct refused_calls *r);

/* Keeps it, and tells the log, at most once a second. count and first_at are not read. Copies. Threads: any. */
void refused_calls_note(struct refused_calls *r, const struct refused_call *call);
/* The newest first, at most REFUSED_CALLS_MAX; returns how many. */
size_t refused_calls_list(struct refused_calls *r, struct refused_call out[static REFUSED_CALLS_MAX]);

#endif
