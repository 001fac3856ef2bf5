/*
 * What is pasted for each provider, and where it is found there (facts/meta.md 5 and 6,
 * facts/360dialog.md 1 and 6). Words of other people's pages stand in bold.
 *
 * Used by page_connect.c.
 */
#include "gateway/settings/connect_form.h"

#define OUTSIDE " target=\"_blank\" rel=\"noreferrer\""

static const struct connect_step meta_steps[] = {
	{"Step 1: your app",
		"<ol><li>Open <a href=\"https://developers.facebook.com/apps/\"" OUTSIDE
		">developers.facebook.com/apps</a> (a new tab) and choose your app.</li>"
		"<li>On the left choose <b>App settings</b>, then <b>Basic</b>.</li>"
		"<li>Copy <b>App ID</b>. Beside <b>App secret</b> press <b>Show</b>, and copy that, too.</li></ol>"
		"<details><summary>I have no app at Meta yet</summary><ol>"
		"<li>On the same page press <b>Create app</b>. It is free.</li>"
		"<li>Choose the type <b>Business</b>, and the business that owns your WhatsApp account.</li>"
		"<li>Add the product <b>WhatsApp</b> to it, and add your phone number there.</li></ol></details>",
		{{"app_id", "App ID", "Digits alone, about 15 of them.", PASTE_ID, false, false},
			{"app_secret", "App secret", "32 digits and letters from a to f.", PASTE_SECRET, true, false}}},
	{"Step 2: an access token",
		"<ol><li>Open <a href=\"https://business.facebook.com/settings\"" OUTSIDE
		">business.facebook.com/settings</a> (a new tab).</li>"
		"<li>Choose <b>Users</b>, then <b>System users</b>. If the list is empty, press <b>Add</b> and make "
		"one "
		"with the role <b>Admin</b>.</li>"
		"<li>Press <b>Assign assets</b>: give it your app and your WhatsApp account, both with full "
		"control.</li>"
		"<li>Press <b>Generate token</b>. Choose your app; for the expiry choose <b>Never</b>; tick "
		"<b>whatsapp_business_messaging</b> and <b>whatsapp_business_management</b>.</li>"
		"<li>Copy the token at once: Meta shows it only now.</li></ol>",
		{{"access_token", "Access token", "Begins with EAA, and is about 200 characters long.", PASTE_TOKEN,
			true, false}}},
	{"Step 3: your number",
		"<p>Leave both empty: Meta is asked. Only where that does not work are they needed:</p>"
		"<ol><li>In your app choose <b>WhatsApp</b>, then <b>API Setup</b>.</li>"
		"<li>Under <b>From</b> choose your number.</li>"
		"<li>Below it stand <b>Phone number ID</b> and <b>WhatsApp Business Account ID</b>.</li></ol>",
		{{"phone_number_id", "Phone number ID", "Digits alone. It is not the phone number itself.", PASTE_ID,
			 false, true},
			{"waba_id", "WhatsApp Business Account ID",
				"Digits alone. It stands next to the phone number ID.", PASTE_ID, false, true}}},
};

static const struct connect_step d360_steps[] = {
	{"Your API key",
		"<ol><li>Open <a href=\"https://app.360dialog.com/\"" OUTSIDE
		">app.360dialog.com</a> (a new tab) and log in.</li>"
		"<li>Find your number under <b>WhatsApp accounts</b>, and open its details.</li>"
		"<li>Under <b>API key</b> press <b>Generate API key</b>.</li>"
		"<li>Copy the key at once: 360dialog shows it only now.</li></ol>"
		"<p>A new key ends the older ones of this number. If another program still uses one, it stops "
		"working.</p>"
		"<details><summary>I only want to try it out</summary><p>360dialog has a sandbox. From your own phone, "
		"write "
		"<b>START</b> to it in WhatsApp, at +55 11 4673 3492: it answers with a key. It can write to that "
		"phone "
		"alone, and 200 messages at most.</p></details>",
		{{"api_key", "API key", "One long word. A key belongs to one number, so nothing else is needed.",
			PASTE_OTHER, true, false}}},
};

const struct connect_form connect_form_meta = {
	"connect-meta", "Meta", meta_steps, sizeof(meta_steps) / sizeof(meta_steps[0]), false};
const struct connect_form connect_form_d360 = {
	"connect-360dialog", "360dialog", d360_steps, sizeof(d360_steps) / sizeof(d360_steps[0]), true};
