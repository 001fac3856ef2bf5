/*
 * The table of findings.
 */
#include "gateway/finding.h"

#include <stdlib.h>
#include <string.h>

#define ENTER_KEY "enter it under Keys and access."
#define TAKE_OVER                                                                                                      \
	"If the messages should come here, press Check everything, then Take over. The other system gets nothing any " \
	"more then."
#define SET_ADDRESS "Press Set our address again on Status."
#define OPERATOR "This is for whoever runs this service: "

static const struct finding_words words[] = {
	[FINDING_KEY_REFUSED] = {"key_refused", "The key is refused",
		"WhatsApp does not accept this number's key. It was copied wrongly, taken back, or replaced by a newer "
		"one.",
		"Make a new access token in Meta's Business settings, under System users, and " ENTER_KEY,
		"Make a new API key in the 360dialog Hub, and " ENTER_KEY " It ends every older key of this number.",
		true},
	[FINDING_APP_SECRET_WRONG] = {"app_secret_wrong", "Wrong app secret",
		"Meta signs every message with the app's secret, and the one kept here is another. So nothing that "
		"comes is taken for Meta's.",
		"Copy the app secret again from Meta's App dashboard, App settings > Basic, and " ENTER_KEY,
		"Enter the platform secret of the 360dialog Hub again under Keys and access.", true},
	[FINDING_VERIFY_TOKEN_WRONG] = {"verify_token_wrong", "Another verify token at Meta",
		"Meta called our address with a verify token that is not this shop's. Often another value was pasted "
		"in "
		"its place, or that of another shop.",
		"Copy the verify token from Status, and paste it at Meta below the callback URL: App dashboard, "
		"WhatsApp > Configuration.",
		"360dialog needs no verify token. Press Set our address again on Status.", true},
	[FINDING_APP_NOT_SUBSCRIBED] = {"app_not_subscribed", "The app is not subscribed",
		"Meta gives an account's messages only to apps that are subscribed to the account. This app is not.",
		SET_ADDRESS, SET_ADDRESS, true},
	[FINDING_OVERRIDE_ELSEWHERE] = {"override_elsewhere", "A second address at Meta goes first",
		"Beside the app's own address Meta keeps one for the WhatsApp account (an override), which goes first. "
		"There it has another system's.",
		TAKE_OVER, TAKE_OVER, true},
	[FINDING_WEBHOOK_TAKEN] = {"webhook_taken", "Another system gets the messages",
		"What customers write to this number is sent to another system, not here.", TAKE_OVER, TAKE_OVER, true},
	[FINDING_NUMBER_NOT_REGISTERED] = {"number_not_registered", "The number is not registered",
		"WhatsApp knows this number, but it is not registered for sending by a service.",
		"Open the number in Meta's WhatsApp Manager and finish its registration. Then press Check everything.",
		"Finish the number's setup in the 360dialog Hub. Then press Check everything.", true},
	[FINDING_TOKEN_EXPIRED] = {"token_expired", "The access token has expired",
		"The access token was made for a time that is over.",
		"Make one that never expires in Meta's Business settings, under System users, and " ENTER_KEY,
		"Make a new API key in the 360dialog Hub, and " ENTER_KEY, true},
	[FINDING_PERMISSION_MISSING] = {"permission_missing", "A permission is missing",
		"The access token is good, but it may not do all that is needed with this number or its account.",
		"In Meta's Business settings, under System users, give the user the WhatsApp account. Make a new token "
		"there "
		"with whatsapp_business_messaging and whatsapp_business_management, and " ENTER_KEY,
		"Ask 360dialog's support to allow this key to send.", true},
	[FINDING_UNPAID] = {"unpaid", "Something is not paid",
		"WhatsApp holds messages back because of a payment: there is no card, it failed, or a bill is open.",
		"Add or mend the payment method in Meta's Business settings, under Billing and payments. What waits is "
		"sent by itself then.",
		"Pay the open bill in the 360dialog Hub, and look at Meta's payment settings, too. What waits is sent "
		"by "
		"itself then.",
		true},
	[FINDING_WINDOW_CLOSED] = {"window_closed", "More than 24 hours since the customer wrote",
		"WhatsApp lets a shop answer freely for 24 hours after a customer's last message. What came later was "
		"refused.",
		"Wait until the customer writes again, or have a template sent that WhatsApp has approved.",
		"Wait until the customer writes again, or have a template sent that WhatsApp has approved.", false},
	[FINDING_TEMPLATE_PAUSED] = {"template_paused", "A template is paused",
		"Customers did not like a message template, so WhatsApp paused or stopped it. Messages with it are "
		"refused.",
		"Change the template in Meta's WhatsApp Manager, under Message templates, or use another one.",
		"Change the template in the 360dialog Hub, under Templates, or use another one.", false},
	[FINDING_URL_UNUSABLE] = {"url_unusable", "Our address cannot be reached",
		"Meta and 360dialog deliver to an https address with a valid certificate that everybody can reach. "
		"Ours "
		"is not one now.",
		OPERATOR "public_url has to be such an address, and lead here.",
		OPERATOR "public_url has to be such an address without a port or an underscore, and lead here.", true},
	[FINDING_CLOCK_WRONG] = {"clock_wrong", "The clock is wrong",
		"The clock of the server that this service runs on differs from the provider's. Times are shown "
		"wrongly, "
		"and "
		"answers may be taken for too old.",
		OPERATOR "the server's clock has to be set, best by a time service (NTP).",
		OPERATOR "the server's clock has to be set, best by a time service (NTP).", false},
	[FINDING_QUALITY_BLOCKED] = {"quality_blocked", "Held back for low quality",
		"Customers blocked or reported this number, so WhatsApp limits or stops what it sends.",
		"Write only to people who wrote first or asked for it. The reasons stand in Meta's WhatsApp Manager; "
		"the "
		"rating gets better with time.",
		"Write only to people who wrote first or asked for it. The reasons stand in the 360dialog Hub; the "
		"rating "
		"gets better with time.",
		true},
	[FINDING_NUMBER_BLOCKED] = {"number_blocked", "The number may not send",
		"The key is good, but WhatsApp lets this number or its account send nothing.",
		"The reason stands in Meta's WhatsApp Manager. Mend it there, then press Check everything.",
		"The reason stands in the 360dialog Hub. Mend it there, then press Check everything.", true},
	[FINDING_IDS_MIXED] = {"ids_mixed", "Number and key do not belong together",
		"The ids or the key that were entered are those of another number or account.",
		"Compare the phone number ID and the WhatsApp Business Account ID with Meta's App dashboard, WhatsApp "
		"> "
		"API "
		"setup. Then disconnect the number under Keys and access, and connect it again.",
		"Take this number's own API key from the 360dialog Hub, and enter it under Keys and access.", true},
	[FINDING_OTHER_APP] = {"other_app", "Parts of two different apps",
		"App ID, app secret and access token do not belong to one app of Meta's.",
		"Take all three from the same app, and replace what is wrong under Keys and access.",
		"Take all three from the same app, and replace what is wrong under Keys and access.", true},
	[FINDING_WEBHOOK_UNSET] = {"webhook_unset", "Our address is not set",
		"The provider does not know where to send this number's messages.", SET_ADDRESS, SET_ADDRESS, true},
	[FINDING_WEBHOOK_SECRET_WRONG] = {"webhook_secret_wrong", "Messages come without our secret",
		"360dialog sends the messages here, but without the secret that proves where they come from. So they "
		"are "
		"refused.",
		SET_ADDRESS, SET_ADDRESS, true},
	[FINDING_TOKEN_EXPIRES] = {"token_expires", "The access token expires soon",
		"It was made for 60 days. This service renews it in its last week, which has not happened yet.",
		"Make one that never expires in Meta's Business settings, under System users, and " ENTER_KEY,
		"Make a new API key in the 360dialog Hub, and " ENTER_KEY, false},
	[FINDING_PROVIDER_SILENT] = {"provider_silent", "No answer just now",
		"The provider did not answer when it was asked, so not everything is known.",
		"It is not your fault. Press Check everything again in a few minutes.",
		"It is not your fault. Press Check everything again in a few minutes.", false},
	[FINDING_NOTHING_HEARD] = {"nothing_heard", "Nothing has come from this number yet",
		"All looks right, but not one call of the provider has arrived here since it was connected.",
		"Write to the number from any phone. If nothing arrives in a minute, press Set our address again.",
		"Write to the number from any phone. If nothing arrives in a minute, press Set our address again.",
		false},
	[FINDING_PAUSED] = {"paused", "Paused",
		"Whoever runs this service has paused this. Nothing is received or sent.", "Ask them when it goes on.",
		"Ask them when it goes on.", true},
	[FINDING_ACCOUNT_SHARED] = {"account_shared", "Another business here has this account",
		"Meta keeps one address for each WhatsApp account, and here another business uses it.",
		"One business has to hold all the numbers of the account. Ask whoever gave you the link to these "
		"pages.",
		"One business has to hold all the numbers of the account. Ask whoever gave you the link to these "
		"pages.",
		true},
};

const struct finding_words *finding_words(enum finding f)
{
	if (f < FINDING_KEY_REFUSED || f > FINDING_LAST)
		abort();
	return &words[f];
}

const char *finding_remedy(enum finding f, enum store_provider provider)
{
	const struct finding_words *w = finding_words(f);

	return provider == STORE_360DIALOG ? w->remedy_d360 : w->remedy_meta;
}

enum finding finding_of_code(int32_t code)
{
	static const struct {
		int32_t code;
		enum finding finding;
	} codes[] = {{131047, FINDING_WINDOW_CLOSED}, {132015, FINDING_TEMPLATE_PAUSED},
		{132016, FINDING_TEMPLATE_PAUSED}, {131042, FINDING_UNPAID}, {131044, FINDING_UNPAID},
		{134011, FINDING_UNPAID}, {133010, FINDING_NUMBER_NOT_REGISTERED},
		{131045, FINDING_NUMBER_NOT_REGISTERED}, {133006, FINDING_NUMBER_NOT_REGISTERED},
		{131048, FINDING_QUALITY_BLOCKED}, {131064, FINDING_QUALITY_BLOCKED}, {368, FINDING_NUMBER_BLOCKED},
		{131031, FINDING_NUMBER_BLOCKED}, {131037, FINDING_NUMBER_BLOCKED}, {3, FINDING_PERMISSION_MISSING},
		{10, FINDING_PERMISSION_MISSING}, {131005, FINDING_PERMISSION_MISSING}};

	if (code >= 200 && code <= 299)
		return FINDING_PERMISSION_MISSING;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].finding;
	return FINDING_NONE;
}

bool finding_is_unpaid(const char *text)
{
	static const char *const signs[] = {"payment", "unpaid", "overdue"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strcasestr(text, signs[i]) != NULL)
			return true;
	return false;
}
