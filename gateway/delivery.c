/*
 * The table of reasons. The words are for shop owners, and name the buttons and pages of their settings.
 */
#include "gateway/delivery.h"

#include <string.h>

static const struct {
	const char *code, *words;
} whys[DELIVERY_WHYS] = {
	[DELIVERY_NO_REASON] = {"", ""},
	[DELIVERY_WRONG_SIGNATURE] = {"wrong_signature",
		"It was not signed with the app secret that is kept here. If it was Meta, replace the app secret under "
		"Keys and access."},
	[DELIVERY_NO_PROOF] = {"no_proof", "It did not prove who sent it. Strangers try that now and then."},
	[DELIVERY_WRONG_SECRET_HEADER] = {"wrong_secret_header",
		"It did not bring the secret that we gave 360dialog. Press Set our address again."},
	[DELIVERY_WRONG_PLATFORM_SIGNATURE] = {"wrong_platform_signature",
		"It was not signed with the platform secret that is kept here. Copy that again from "
		"360dialog's Partner Hub, and enter it under Keys and access."},
	[DELIVERY_OTHER_PROVIDER] = {"other_provider",
		"It came from another provider than your number is connected through. If you moved the number, "
		"connect it again; else take our address out there."},
	[DELIVERY_SUSPENDED] = {"suspended", "No number is connected here that could have been meant."},
	[DELIVERY_WRONG_VERIFY_TOKEN] = {"wrong_verify_token",
		"Somebody checked our address with another verify token than the one shown here. If it was you at "
		"Meta, enter the one that is shown here."},
	[DELIVERY_TOO_LARGE] = {"too_large", "It was larger than WhatsApp's messages ever are. Strangers try that."},
	[DELIVERY_TOO_SLOW] = {"too_slow",
		"It did not arrive as a whole in time. WhatsApp sends it again; if this goes on, the way to this "
		"service is too slow."},
	[DELIVERY_WRONG_NUMBER] = {"wrong_number",
		"Something in it was about a number that is not connected here, and was put aside. If the number is "
		"yours, connect it."},
	[DELIVERY_WRONG_ACCOUNT] = {"wrong_account",
		"Something in it was about a WhatsApp account that is not connected here, and was put aside. If the "
		"account is yours, connect a number of it."},
};

const char *delivery_code(enum delivery_why why)
{
	return whys[why].code;
}

const char *delivery_words(enum delivery_why why)
{
	return whys[why].words;
}

enum delivery_why delivery_why(const char *code)
{
	for (unsigned i = 1; i < DELIVERY_WHYS; i++)
		if (strcmp(whys[i].code, code) == 0)
			return (enum delivery_why)i;
	return DELIVERY_NO_REASON;
}

bool delivery_is_refusal(enum delivery_why why)
{
	return why != DELIVERY_WRONG_NUMBER && why != DELIVERY_WRONG_ACCOUNT;
}
