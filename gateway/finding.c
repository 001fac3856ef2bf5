/*
 * The table of findings.
 */
#include "gateway/finding.h"

#include <stdlib.h>
#include <string.h>

#define UNDER_KEYS "under Keys and access"
#define NEW_TOKEN                                                                                                      \
	"In Meta's Business settings, under System users, choose your user and press Generate token. Choose this "     \
	"app, "                                                                                                        \
	"the expiry Never, and both whatsapp_business_messaging and whatsapp_business_management. Enter the "          \
	"token " UNDER_KEYS "."
#define NEW_KEY                                                                                                        \
	"Make a new API key in the 360dialog Hub, and enter it " UNDER_KEYS ". It ends every older key of this "       \
	"number."
#define TAKE_OVER                                                                                                      \
	"If the messages should come here, press Take over. The other system gets no more customers' messages then."
#define SET_ADDRESS "Press Set our address again."
#define AGAIN "Then press Check everything."
#define OPERATOR FINDING_TO_OPERATOR

/* Each row: name, title, cause, remedy with Meta, remedy with 360dialog (BOTH: the same), whether it stops messages. */
#define BOTH(remedy) remedy, remedy

static const struct finding_words words[] = {
	[FINDING_KEY_REFUSED] = {"key_refused", "The key is refused",
		"WhatsApp does not accept this number's key. It was copied wrongly, taken back, or replaced by a newer "
		"one.",
		NEW_TOKEN, NEW_KEY, true},
	[FINDING_APP_SECRET_WRONG] = {"app_secret_wrong", "Wrong app secret",
		"Meta signs every message with the app's secret, and the one kept here is not this app's. So what "
		"comes is "
		"not taken for Meta's.",
		BOTH("Copy the app secret again from Meta's App dashboard, App settings > Basic, and enter "
		     "it " UNDER_KEYS "."),
		true},
	[FINDING_VERIFY_TOKEN_WRONG] = {"verify_token_wrong", "The verify token at Meta is wrong",
		"Meta called our address with a verify token that is not this shop's. Often another value was pasted "
		"in its "
		"place.",
		BOTH("Press Set our address again: that enters the right one at Meta. Or by hand: in Meta's App "
		     "dashboard, "
		     "WhatsApp > Configuration, press Edit at the callback URL, paste the address and the verify token "
		     "from "
		     "Status, press Verify and save, and switch the field messages on."),
		true},
	[FINDING_APP_NOT_SUBSCRIBED] = {"app_not_subscribed", "The app is not subscribed",
		"Meta gives an account's messages only to apps that are subscribed to the account. This app is not.",
		BOTH(SET_ADDRESS), true},
	[FINDING_OVERRIDE_ELSEWHERE] = {"override_elsewhere", "A second address at Meta goes first",
		"Beside the app's own address Meta keeps one for the WhatsApp account (an override), which goes first. "
		"There it has another system's.",
		BOTH(TAKE_OVER), true},
	[FINDING_WEBHOOK_TAKEN] = {"webhook_taken", "Another system gets the messages",
		"What customers write to this number is sent to another system, not here.", BOTH(TAKE_OVER), true},
	[FINDING_NUMBER_NOT_REGISTERED] = {"number_not_registered", "The number is not registered",
		"WhatsApp knows this number, but it is not registered for sending by a service.",
		"Look into Meta's WhatsApp Manager, under Phone numbers: where it says Pending or asks for a code, "
		"finish that. "
		"If it is verified already, it has to be registered with its six-digit PIN; ask whoever runs this "
		"service, or "
		"your developer, for that call (POST to the number's register). " AGAIN,
		"Finish the number's setup in the 360dialog Hub. " AGAIN, true},
	[FINDING_TOKEN_EXPIRED] = {"token_expired", "The access token has expired",
		"The access token was made for a time that is over.", NEW_TOKEN, NEW_KEY, true},
	[FINDING_PERMISSION_MISSING] = {"permission_missing", "A permission is missing",
		"The access token is good, but it may not do all that is needed with this number or its account.",
		"First, in Meta's Business settings, under System users, choose your user and assign it the app and "
		"the "
		"WhatsApp account, both with full control. Then press Generate token: choose this app, the expiry "
		"Never, and "
		"both whatsapp_business_messaging and whatsapp_business_management. Enter the token " UNDER_KEYS ".",
		"Ask 360dialog's support to allow this key to send.", true},
	[FINDING_UNPAID] = {"unpaid", "Something is not paid",
		"WhatsApp holds messages back because of a payment: there is no card, it failed, a bill or a credit "
		"line is "
		"open, or the account's currency or time zone is not set.",
		"Mend the payment method in Meta's Business settings, under Billing and payments. What is marked as "
		"not sent "
		"can then be sent again under Messages.",
		"Pay the open bill in the 360dialog Hub, and look at Meta's payment settings, too. What is marked as "
		"not sent "
		"can then be sent again under Messages.",
		true},
	[FINDING_WINDOW_CLOSED] = {"window_closed", "More than 24 hours since the customer wrote",
		"WhatsApp lets a shop answer freely for 24 hours after a customer's last message. What came later was "
		"refused.",
		BOTH("Wait until the customer writes again, or have a template sent that WhatsApp has approved."),
		false},
	[FINDING_TEMPLATE_PAUSED] = {"template_paused", "A template is paused",
		"Customers did not like a message template, so WhatsApp paused or stopped it. Messages with it are "
		"refused.",
		"Change the template in Meta's WhatsApp Manager, under Message templates, or use another one.",
		"Change the template in the 360dialog Hub, under Templates, or use another one.", false},
	[FINDING_URL_UNUSABLE] = {"url_unusable", "Our address cannot be reached",
		"Meta and 360dialog deliver to an https address with a valid certificate that everybody can reach. "
		"Ours is "
		"not one now.",
		OPERATOR "public_url has to be such an address, and lead to this service.",
		OPERATOR
		"public_url has to be such an address without a port or an underscore, and lead to this service.",
		true},
	[FINDING_CLOCK_WRONG] = {"clock_wrong", "The clock is wrong",
		"The clock of the server that this service runs on differs from the provider's. Times are shown "
		"wrongly, and "
		"answers may be taken for too old.",
		BOTH(OPERATOR "the server's clock has to be set, best by a time service (NTP)."), false},
	[FINDING_QUALITY_BLOCKED] = {"quality_blocked", "Held back for low quality",
		"Customers blocked or reported this number, so WhatsApp limits or stops what it sends.",
		"Write only to people who wrote first or asked for it. The reasons stand in Meta's WhatsApp Manager; "
		"the "
		"rating gets better with time.",
		"Write only to people who wrote first or asked for it. The reasons stand in the 360dialog Hub; the "
		"rating gets "
		"better with time.",
		true},
	[FINDING_NUMBER_BLOCKED] = {"number_blocked", "The number may not send",
		"The key is good, but WhatsApp lets this number or its account send nothing.",
		"The reason stands in Meta's WhatsApp Manager. Mend it there. " AGAIN,
		"The reason stands in the 360dialog Hub. Mend it there. " AGAIN, true},
	[FINDING_IDS_MIXED] = {"ids_mixed", "Number and key do not belong together",
		"The ids or the key that were entered are those of another number or account.",
		"Compare the phone number ID and the WhatsApp Business Account ID with Meta's App dashboard, WhatsApp "
		"> API "
		"setup. Then disconnect the number " UNDER_KEYS ", and connect it again.",
		"Take this number's own API key from the 360dialog Hub, and enter it " UNDER_KEYS ".", true},
	[FINDING_OTHER_APP] = {"other_app", "Parts of two different apps",
		"App ID, app secret and access token do not belong to one app of Meta's.",
		BOTH("If the App ID is right, replace app secret and access token by those of this app " UNDER_KEYS
		     ". If it is another app that you want, disconnect the number there, and connect it again with all "
		     "three of "
		     "that one app."),
		true},
	[FINDING_WEBHOOK_UNSET] = {"webhook_unset", "Our address is not set",
		"The provider does not know where to send this number's messages.", BOTH(SET_ADDRESS), true},
	[FINDING_WEBHOOK_SECRET_WRONG] = {"webhook_secret_wrong", "Messages come without our secret",
		"360dialog sends the messages here, but without the secret that proves where they come from. So they "
		"are "
		"refused.",
		BOTH(SET_ADDRESS), true},
	[FINDING_TOKEN_EXPIRES] = {"token_expires", "The access token expires soon",
		"Tokens of Meta's API setup last a day, others 60 days, and this one comes to its end. After that "
		"nothing is "
		"sent.",
		NEW_TOKEN, NEW_KEY, false},
	[FINDING_PROVIDER_SILENT] = {"provider_silent", "No answer just now",
		"The provider did not answer when it was asked, so not everything is known.",
		BOTH("It is not your fault. Press Check everything again in a few minutes."), false},
	[FINDING_NOTHING_HEARD] = {"nothing_heard", "No message has come from this number yet",
		"All looks right, but not one message has arrived here since the number was connected.",
		"Write to the number from any phone. If nothing arrives in a minute, look whether your app at Meta is "
		"switched "
		"to Live, and press Set our address again.",
		"Write to the number from any phone. If nothing arrives in a minute, press Set our address again.",
		false},
	[FINDING_PAUSED] = {"paused", "Paused",
		"Whoever runs this service has paused this. Nothing is received or sent.",
		BOTH("Ask them when it goes on."), false},
	[FINDING_ACCOUNT_SHARED] = {"account_shared", "Another business here has this account",
		"Meta keeps one address for each WhatsApp account, and here another business uses it.",
		BOTH("One business has to hold all the numbers of the account. Ask whoever gave you the link to these "
		     "pages."),
		true},
	[FINDING_SIGNED_BY_OTHERS] = {"signed_by_others", "Something came that we cannot take for yours",
		"Somebody called this shop's address without the right proof, and nothing good has come yet. It may be "
		"another app or account of yours that sends here, or a stranger.",
		"If messages are missing, press Set our address again, and take our address out of every other app at "
		"Meta.",
		"If messages are missing, press Set our address again.", false},
	[FINDING_PLATFORM_SECRET_WRONG] = {"platform_secret_wrong", "Wrong platform secret",
		"360dialog's messages bring our own secret, but their signature was not made with the platform secret "
		"kept "
		"here. So they are refused.",
		BOTH("Copy the platform secret again from 360dialog's Partner Hub, under Integration, and enter "
		     "it " UNDER_KEYS "."),
		true},
	[FINDING_QUALITY_LOW] = {"quality_low", "Low quality rating",
		"Customers blocked or reported this number. If that goes on, WhatsApp limits what it sends.",
		BOTH("Write only to people who wrote first or asked for it."), false},
	[FINDING_NUMBER_LIMITED] = {"number_limited", "The number may send with limits",
		"WhatsApp does not let this number send all that it could.",
		"The reason stands in Meta's WhatsApp Manager.", "The reason stands in the 360dialog Hub.", false},
	[FINDING_NOT_SERVING] = {"not_serving", "The service is not running",
		"Nothing is received, and nothing is sent.",
		BOTH("Start it: keyhouse serve, or systemctl start keyhouse."), true},
	[FINDING_FIELD_OFF] = {"field_off", "Messages are switched off at Meta",
		"The app does not subscribe to the webhook field messages, so Meta tells nothing of what customers "
		"write.",
		BOTH("Press Set our address again. Or by hand: in Meta's App dashboard, WhatsApp > Configuration, "
		     "under Webhook "
		     "fields, switch messages on."),
		true},
	[FINDING_RESPONDER_FAILING] = {"responder_failing", "Messages arrive, but nobody answers",
		"What customers write arrives, but the service that writes the answers does not give any.",
		BOTH("Tell whoever gave you the link to these pages. The questions wait, and are asked again."), true},
	[FINDING_CATALOGUE_EMPTY] = {"catalogue_empty", "The list of products is empty",
		"This service answers from your list of products and prices, and nothing is on it.",
		BOTH("Add your products under Products."), false},
	[FINDING_TEST_NUMBER] = {"test_number", "This is a test number of Meta's",
		"It may write only to the few numbers that are listed at Meta.",
		BOTH("Add the other number in Meta's App dashboard, WhatsApp > API setup, or connect your own number."),
		false},
	[FINDING_MESSAGES_REFUSED] = {"messages_refused", "Some messages were not sent",
		"WhatsApp refused messages, though nothing is known that stops them all.",
		BOTH("Look under Messages: at each stands what WhatsApp says, and what to do."), false},
	[FINDING_KEY_DAMAGED] = {"key_damaged", "A key needs to be entered again",
		"What is kept of this number's key was damaged, so it cannot be used any more. The key itself may well "
		"be "
		"good.",
		"Enter the key that is named here again " UNDER_KEYS ": the same one, if you have it, or a new one.",
		"Enter the key that is named here again " UNDER_KEYS
		": the same one, if you have it, or a new one. For our own secret, press Set our address again.",
		true},
	[FINDING_SHOP_DAMAGED] = {"shop_damaged", "What is kept of this shop cannot be opened",
		"The keys under which this service keeps the shop's messages and keys are damaged here.",
		BOTH(OPERATOR
			"a backup of the database from before has to be restored (keyhouse restore). Without one, "
			"keyhouse key rotate makes this shop new credential and content keys; then its keys are "
			"entered again, and what was kept until then stays unreadable. An index key comes back "
			"from a backup alone."),
		true},
	[FINDING_NEW_KEY_REFUSED] = {"new_key_refused", "The new key was refused, the old one is used again",
		"WhatsApp did not accept the key that was entered last, so the one before it is in its place again. "
		"Messages go on with that one.",
		NEW_TOKEN, NEW_KEY, false},
	[FINDING_ACCOUNT_RESTRICTED] = {"account_restricted", "WhatsApp has restricted the account",
		"WhatsApp says that this account may not do everything for a while, often because customers reported "
		"its messages.",
		"The reason stands in Meta's WhatsApp Manager, under Account quality, where you can ask for a review.",
		"The reason stands in the 360dialog Hub. Ask 360dialog's support for a review.", false},
	[FINDING_ACCOUNT_GONE] = {"account_gone", "The WhatsApp account was deleted",
		"WhatsApp says that the account to which this number belongs was deleted. Nothing is sent or received.",
		BOTH("Move the number to another account, then disconnect it " UNDER_KEYS " and connect it again."),
		true},
	[FINDING_ACCESS_TAKEN] = {"access_taken", "Access to the account was taken away",
		"WhatsApp says that the app of this connection was removed from the account. Its key works no more, or "
		"soon will not.",
		"If that was not meant, share the account with the app again in Meta's Business settings, under "
		"WhatsApp accounts. " NEW_TOKEN,
		"If that was not meant, connect the number again in the 360dialog Hub. " NEW_KEY, false},
	[FINDING_ACCOUNT_WARNED] = {"account_warned", "WhatsApp warns about the account",
		"WhatsApp says that something about this account needs to be looked at.",
		"It stands in Meta's WhatsApp Manager, under Account quality.", "It stands in the 360dialog Hub.",
		false},
	[FINDING_ACCOUNT_REJECTED] = {"account_rejected", "WhatsApp did not approve the account",
		"WhatsApp reviewed this account and did not approve it.",
		"The reason stands in Meta's WhatsApp Manager, under Account quality. Ask for a review there.",
		"The reason stands in the 360dialog Hub. Ask 360dialog's support for a review.", false},
	[FINDING_NAME_REJECTED] = {"name_rejected", "WhatsApp did not approve the name",
		"The name that customers were to see for this number was not approved. Until one is, less can be sent.",
		"Enter another name in Meta's WhatsApp Manager, under Phone numbers.",
		"Enter another name in the 360dialog Hub.", false},
	[FINDING_PIN_CHANGED] = {"pin_changed", "The number's PIN was changed or asked for",
		"WhatsApp says that somebody changed the six-digit PIN of this number, or asked to.",
		"If that was not you, look in Meta's Business settings who has access to the account.",
		"If that was not you, look in the 360dialog Hub who has access, and tell 360dialog's support.", false},
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

const char *finding_fields(enum finding f, enum store_provider provider)
{
	if (finding_action(f) != FINDING_REPLACE || f == FINDING_KEY_DAMAGED)
		return "";
	if (f == FINDING_APP_SECRET_WRONG)
		return "app_secret";
	if (f == FINDING_PLATFORM_SECRET_WRONG)
		return "platform_secret";
	if (f == FINDING_OTHER_APP)
		return "app_secret, access_token";
	return provider == STORE_360DIALOG ? "api_key" : "access_token";
}

enum finding_action finding_action(enum finding f)
{
	switch (f) {
	case FINDING_VERIFY_TOKEN_WRONG:
	case FINDING_APP_NOT_SUBSCRIBED:
	case FINDING_WEBHOOK_UNSET:
	case FINDING_WEBHOOK_SECRET_WRONG:
	case FINDING_FIELD_OFF:
		return FINDING_REGISTER;
	case FINDING_OVERRIDE_ELSEWHERE:
	case FINDING_WEBHOOK_TAKEN:
		return FINDING_TAKE_OVER;
	case FINDING_KEY_REFUSED:
	case FINDING_APP_SECRET_WRONG:
	case FINDING_TOKEN_EXPIRED:
	case FINDING_PERMISSION_MISSING:
	case FINDING_OTHER_APP:
	case FINDING_TOKEN_EXPIRES:
	case FINDING_PLATFORM_SECRET_WRONG:
	case FINDING_KEY_DAMAGED:
	case FINDING_NEW_KEY_REFUSED:
	case FINDING_ACCESS_TAKEN:
		return FINDING_REPLACE;
	case FINDING_UNPAID:
	case FINDING_WINDOW_CLOSED:
	case FINDING_TEMPLATE_PAUSED:
	case FINDING_TEST_NUMBER:
	case FINDING_MESSAGES_REFUSED:
		return FINDING_LOOK_AT_MESSAGES;
	case FINDING_CATALOGUE_EMPTY:
		return FINDING_LOOK_AT_PRODUCTS;
	case FINDING_NONE:
	case FINDING_NUMBER_NOT_REGISTERED:
	case FINDING_URL_UNUSABLE:
	case FINDING_CLOCK_WRONG:
	case FINDING_QUALITY_BLOCKED:
	case FINDING_NUMBER_BLOCKED:
	case FINDING_IDS_MIXED:
	case FINDING_PROVIDER_SILENT:
	case FINDING_NOTHING_HEARD:
	case FINDING_PAUSED:
	case FINDING_ACCOUNT_SHARED:
	case FINDING_SIGNED_BY_OTHERS:
	case FINDING_QUALITY_LOW:
	case FINDING_NUMBER_LIMITED:
	case FINDING_NOT_SERVING:
	case FINDING_RESPONDER_FAILING:
	case FINDING_SHOP_DAMAGED:
	case FINDING_ACCOUNT_RESTRICTED:
	case FINDING_ACCOUNT_GONE:
	case FINDING_ACCOUNT_WARNED:
	case FINDING_ACCOUNT_REJECTED:
	case FINDING_NAME_REJECTED:
	case FINDING_PIN_CHANGED:
		break;
	}
	return FINDING_NO_ACTION;
}

const char *finding_action_name(enum finding_action a)
{
	static const char *const names[] = {[FINDING_NO_ACTION] = "",
		[FINDING_REGISTER] = "register",
		[FINDING_TAKE_OVER] = "take_over",
		[FINDING_REPLACE] = "replace",
		[FINDING_LOOK_AT_MESSAGES] = "messages",
		[FINDING_LOOK_AT_PRODUCTS] = "products"};

	return names[a];
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
		{131048, FINDING_QUALITY_BLOCKED}, {131030, FINDING_TEST_NUMBER}, {368, FINDING_NUMBER_BLOCKED},
		{131031, FINDING_NUMBER_BLOCKED}, {3, FINDING_PERMISSION_MISSING}, {10, FINDING_PERMISSION_MISSING},
		{131005, FINDING_PERMISSION_MISSING}};

	if (code >= 200 && code <= 299)
		return FINDING_PERMISSION_MISSING;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].code == code)
			return codes[i].finding;
	return FINDING_NONE;
}

enum finding finding_of_number_status(const char *status)
{
	static const struct {
		const char *status;
		enum finding finding;
	} statuses[] = {{"PENDING", FINDING_NUMBER_NOT_REGISTERED}, {"OFFLINE", FINDING_NUMBER_NOT_REGISTERED},
		{"DISCONNECTED", FINDING_NUMBER_NOT_REGISTERED}, {"FLAGGED", FINDING_QUALITY_LOW},
		{"RESTRICTED", FINDING_NUMBER_LIMITED}, {"BANNED", FINDING_NUMBER_BLOCKED}};

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
		if (strcmp(statuses[i].status, status) == 0)
			return statuses[i].finding;
	return FINDING_NONE;
}

bool finding_is_unpaid(const char *text)
{
	static const char *const signs[] = {"lack of payment", "unpaid", "overdue", "payment method", "payment issue"};

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strcasestr(text, signs[i]) != NULL)
			return true;
	return false;
}
