/*
 * Why a webhook was refused, or put aside: one table, so that API, pages, doctor and metrics say the same.
 */
#ifndef KEYHOUSE_DELIVERY_H
#define KEYHOUSE_DELIVERY_H

#include "store/store.h"

enum delivery_why {
	DELIVERY_NO_REASON = 0, /* none that a shop could be told: no business has it */
	DELIVERY_WRONG_SIGNATURE,
	DELIVERY_NO_PROOF,
	DELIVERY_WRONG_SECRET_HEADER,
	DELIVERY_WRONG_PLATFORM_SIGNATURE,
	DELIVERY_OTHER_PROVIDER,
	DELIVERY_SUSPENDED, /* no connection of the business takes webhooks */
	DELIVERY_WRONG_VERIFY_TOKEN, /* a handshake */
	DELIVERY_TOO_LARGE,
	DELIVERY_TOO_SLOW,
	DELIVERY_WRONG_NUMBER, /* accepted; something in it was about another number and put aside */
	DELIVERY_WRONG_ACCOUNT, /* the same of another account */
};
#define DELIVERY_WHYS (DELIVERY_WRONG_ACCOUNT + 1)

/* The API's and the store's word, small letters and "_"; "" for no reason. */
const char *delivery_code(enum delivery_why why);
enum delivery_why delivery_why(const char *code);
/* What it means and what to do, in sentences for a shop owner; "" for no reason. */
const char *delivery_words(enum delivery_why why);
/* Whether nothing of it was taken. */
bool delivery_is_refusal(enum delivery_why why);

#endif
