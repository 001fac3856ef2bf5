/*
 * Findings: what goes wrong between a shop and WhatsApp, each with its cause and what to do about it, in plain words
 * for a shop owner. One table, so that API, commands and pages say the same.
 */
#ifndef KEYHOUSE_FINDING_H
#define KEYHOUSE_FINDING_H

#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/* The numbers are kept in the store, as bits: none is ever given to another finding. */
enum finding {
	FINDING_NONE = 0,
	FINDING_KEY_REFUSED = 1,
	FINDING_APP_SECRET_WRONG = 2,
	FINDING_VERIFY_TOKEN_WRONG = 3,
	FINDING_APP_NOT_SUBSCRIBED = 4,
	FINDING_OVERRIDE_ELSEWHERE = 5,
	FINDING_WEBHOOK_TAKEN = 6,
	FINDING_NUMBER_NOT_REGISTERED = 7,
	FINDING_TOKEN_EXPIRED = 8,
	FINDING_PERMISSION_MISSING = 9,
	FINDING_UNPAID = 10,
	FINDING_WINDOW_CLOSED = 11,
	FINDING_TEMPLATE_PAUSED = 12,
	FINDING_URL_UNUSABLE = 13,
	FINDING_CLOCK_WRONG = 14,
	FINDING_QUALITY_BLOCKED = 15,
	FINDING_NUMBER_BLOCKED = 16,
	FINDING_IDS_MIXED = 17,
	FINDING_OTHER_APP = 18,
	FINDING_WEBHOOK_UNSET = 19,
	FINDING_WEBHOOK_SECRET_WRONG = 20,
	FINDING_TOKEN_EXPIRES = 21,
	FINDING_PROVIDER_SILENT = 22,
	FINDING_NOTHING_HEARD = 23,
	FINDING_PAUSED = 24,
	FINDING_ACCOUNT_SHARED = 25,
	FINDING_SIGNED_BY_OTHERS = 26,
	FINDING_PLATFORM_SECRET_WRONG = 27,
	FINDING_QUALITY_LOW = 28,
	FINDING_NUMBER_LIMITED = 29,
	FINDING_NOT_SERVING = 30,
	FINDING_FIELD_OFF = 31,
	FINDING_RESPONDER_FAILING = 32,
	FINDING_CATALOGUE_EMPTY = 33,
	FINDING_TEST_NUMBER = 34,
	FINDING_MESSAGES_REFUSED = 35,
	FINDING_KEY_DAMAGED = 36,
	FINDING_SHOP_DAMAGED = 37,
	FINDING_NEW_KEY_REFUSED = 38,
	/* What the provider told by itself. */
	FINDING_ACCOUNT_RESTRICTED = 39,
	FINDING_ACCOUNT_GONE = 40,
	FINDING_ACCESS_TAKEN = 41,
	FINDING_ACCOUNT_WARNED = 42,
	FINDING_ACCOUNT_REJECTED = 43,
	FINDING_NAME_REJECTED = 44,
	FINDING_PIN_CHANGED = 45,
};
#define FINDING_LAST FINDING_PIN_CHANGED
#define FINDING_BIT(finding) (UINT64_C(1) << (unsigned)(finding))

struct finding_words {
	const char *name; /* the API's: small letters and "_" */
	const char *title; /* a few words */
	const char *cause; /* sentences */
	/* What to do, as sentences: buttons and pages are those of the settings pages. */
	const char *remedy_meta, *remedy_d360;
	bool stops; /* while it lasts, messages do not come, or are not sent; else only some, or not yet */
};
/* Not for FINDING_NONE. */
const struct finding_words *finding_words(enum finding f);
const char *finding_remedy(enum finding f, enum store_provider provider);
/* How remedies begin that are not the shop owner's to carry out: what follows is for the operator. */
#define FINDING_TO_OPERATOR "Send this to whoever runs this service: "
/* The credentials that are to be entered again, as ", " separates them; "" where it is about none, or not known from the
 * finding alone. */
const char *finding_fields(enum finding f, enum store_provider provider);

/* What mends it here, or is a step of that. */
enum finding_action {
	FINDING_NO_ACTION, /* nothing that is done here */
	FINDING_REGISTER, /* our webhook is set again */
	FINDING_TAKE_OVER, /* the same, where another system has it */
	FINDING_REPLACE, /* a key is entered again */
	FINDING_LOOK_AT_MESSAGES,
	FINDING_LOOK_AT_PRODUCTS,
};
enum finding_action finding_action(enum finding f);
const char *finding_action_name(enum finding_action a); /* the API's; "" for none */

/* What a provider's error code of a refused message says (facts/meta.md 3); FINDING_NONE: nothing but that message. */
enum finding finding_of_code(int32_t code);
/* What the provider's own word for a number's state says (facts/meta.md 6); FINDING_NONE: nothing. */
enum finding finding_of_number_status(const char *status);
/* What a provider's words say where there is no code of its own: that payment is the matter (facts/360dialog.md 4). */
bool finding_is_unpaid(const char *words);

#endif
