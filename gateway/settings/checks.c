/*
 * Checks as a growing page, and what came of them. Details of checks carry a provider's
 * words. Called by page_connect.c and page_check.c.
 */
#include "gateway/settings/checks.h"

#include <stdio.h>
#include <string.h>

/* good: what to say in place of a detail that is not for a shop owner. */
static const struct check_words {
	const char *name, *label, *good;
} checks[] = {
	{"token", "Access token", NULL},
	{"app_secret", "App secret", "It is this app\xe2\x80\x99s"},
	{"permissions", "What the token may do", "Messages, and the settings of the account"},
	{"number", "Number", NULL},
	{"waba", "WhatsApp account", NULL},
	{"key", "API key", NULL},
	{"callback", "Where messages go", NULL},
	{"subscription", "App and account", NULL},
	{"webhook", "Does it reach us", NULL},
};

/* ------------------------------------------------------------ details in plain words */

static const struct {
	const char *word, *plain;
} plain_words[] = {{"test the connection again", "press Check now"}, {"app_id", "App ID"}, {"app_secret", "App secret"},
	{"access_token", "Access token"}, {"phone_number_id", "Phone number ID"},
	{"waba_id", "WhatsApp Business Account ID"}, {"api_key", "API key"},
	{"public_url", "this service\xe2\x80\x99s address"}, {"our webhook URL", "our address"},
	{"the webhook comes without this connection's secret and is refused",
		"Messages come without our secret, and are refused"},
	{"the webhook URL", "our address"}, {"took our webhook", "took our address"}, {"first webhook", "first sign"},
	{"first call", "first sign"}, {"webhooks", "messages"}, {"webhook", "address"}};

static const char *word_at(const char *p, size_t *len)
{
	for (size_t i = 0; i < sizeof(plain_words) / sizeof(plain_words[0]); i++) {
		*len = strlen(plain_words[i].word);
		if (strncmp(p, plain_words[i].word, *len) == 0)
			return plain_words[i].plain;
	}
	return NULL;
}

void plain_write(struct visit *v, const char *detail)
{
	char text[256];
	char *p = text;
	size_t first;

	(void)snprintf(text, sizeof(text), "%s", detail);
	if (text[0] >= 'a' && text[0] <= 'z' && word_at(text, &first) == NULL)
		text[0] = (char)(text[0] - 'a' + 'A');
	while (*p != '\0') {
		size_t len = 0;
		char *q = p;
		const char *plain = NULL;

		while (*q != '\0' && (plain = word_at(q, &len)) == NULL)
			q++;
		if (plain == NULL)
			break;
		*q = '\0';
		html_put(&v->out, "%s%s", p, plain);
		p = q + len;
	}
	html_put(&v->out, "%s%s", p, *p != '\0' && p[strlen(p) - 1] == '.' ? "" : ".");
}

/* ------------------------------------------------------------ the list */

static void check_write(struct visit *v, const struct connect_check *check)
{
	static const struct {
		const char *class, *word;
	} results[] = {[CONNECT_CHECK_OK] = {"ok", "Good"},
		[CONNECT_CHECK_FAILED] = {"bad", "Not good"},
		[CONNECT_CHECK_WAITING] = {"wait", "Waiting"},
		[CONNECT_CHECK_SKIPPED] = {"", "Left out"}};
	struct check_words words = {.label = check->name};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (strcmp(checks[i].name, check->name) == 0)
			words = checks[i];
	html_put(&v->out,
		"<li class=\"%s\"><span class=\"how\">%s</span> <span><b>%s</b>: ", results[check->result].class,
		results[check->result].word, words.label);
	plain_write(v, check->result == CONNECT_CHECK_OK && words.good != NULL ? words.good : check->detail);
	html_raw(&v->out, "</span></li>");
}

/* Whether the visitor is still there does not matter: what was begun is done. */
static void told(const struct connect_check *check, void *arg)
{
	struct visit *v = arg;

	check_write(v, check);
	(void)visit_flush(v);
}

struct connect checks_page_begin(struct visit *v, const char *title)
{
	static const char *const modules[] = {"connect.js", "waiting.js", NULL};
	struct connect connect = v->s->doctor.connect;

	layout_begin(v, NULL, title, modules);
	connect.register_by = "press Set our address again";
	connect.take_over_by = "press Take over";
	connect.told = told;
	connect.told_arg = v;
	return connect;
}

struct connect checks_begin(struct visit *v, const char *title, const char *provider)
{
	const struct connect connect = checks_page_begin(v, title);

	html_put(&v->out,
		"<p>Asking %s \xe2\x80\xa6 This may take a minute.</p><ul class=\"checks\" aria-live=\"polite\">",
		provider);
	(void)visit_flush(v);
	return connect;
}

void checks_end(struct visit *v)
{
	html_raw(&v->out, "</ul>");
}

/* ------------------------------------------------------------ what came of it */

void outcome_heading(struct visit *v, const char *title)
{
	html_put(&v->out, "<h2 id=\"outcome\" tabindex=\"-1\">%s</h2>", title);
}

/* Where the provider said nothing, the state is the one from before. */
static bool any_answered(const struct connect_report *report)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (strcmp(report->checks[i].name, "webhook") != 0 && report->checks[i].result != CONNECT_CHECK_WAITING)
			return true;
	return false;
}

static void heading_write(struct visit *v, const struct store_connection *s, const struct connect_state *state)
{
	html_put(&v->out, "<h2 id=\"outcome\" tabindex=\"-1\">%s", state->title);
	if (s->display_phone[0] != '\0')
		html_put(&v->out, ": <bdi>%s</bdi>", s->display_phone);
	html_raw(&v->out, "</h2>");
}

/* What is left to do by hand, and the line that waits for its success. */
static void rest_write(struct visit *v, const struct store_connection *s, const struct connect_report *report,
	const struct secret *webhook_secret)
{
	const struct connect_check *callback = connect_check_find(report, "callback");
	const bool came = connect_check_is_ok(report, "webhook"), here = connect_check_is_ok(report, "callback");
	const bool failed = callback != NULL && callback->result == CONNECT_CHECK_FAILED;

	if (s->status == STORE_CONNECTION_KEY_REFUSED || (came && !failed))
		return;
	if (!here)
		hand_write(v, s, webhook_secret);
	hand_wait(v, s, came ? store_now_ms() : 0);
}

void outcome_write(struct visit *v, const struct store_connection *s, const struct connect_report *report,
	const struct secret *webhook_secret)
{
	const struct connect_state *state = connect_state_of(s->status);
	const bool failed = connect_any_failed(report), active = s->status == STORE_CONNECTION_ACTIVE && !failed;

	if (!any_answered(report)) {
		outcome_heading(v, "No answer just now");
		layout_note(v, "wait");
		html_put(&v->out,
			"<p>%s did not answer, so nothing was found out. Before, it was: <b>%s</b>. It is not your "
			"fault; "
			"press Check now again in a few minutes.</p>",
			connect_provider_name(s), state->title);
		layout_note_end(v);
		connection_buttons(v, s);
		html_raw(&v->out, "<p class=\"row\"><a class=\"button\" href=\"./\">To Status</a></p>");
		return;
	}
	heading_write(v, s, state);
	layout_note(v, active ? "ok" : state->needs_shop || failed ? "bad" : "wait");
	if (s->verified_name[0] != '\0')
		html_put(&v->out, "<p><bdi>%s</bdi></p>", s->verified_name);
	html_put(&v->out, "<p>%s %s</p>", state->meaning,
		failed && !state->needs_shop ? "First mend what is not good above." : state->remedy);
	layout_note_end(v);
	if (!active)
		connection_buttons(v, s);
	rest_write(v, s, report, webhook_secret);
	html_raw(&v->out, "<p class=\"row\"><a class=\"button\" href=\"./\">To Status</a></p>");
}

/* ------------------------------------------------------------ buttons */

void connection_form(struct visit *v, const char *action, const char *connection_id, bool take_over)
{
	layout_form(v, action);
	html_put(&v->out, "<input type=\"hidden\" name=\"connection\" value=\"%s\">", connection_id);
	if (take_over)
		html_raw(&v->out, "<input type=\"hidden\" name=\"take_over\" value=\"yes\">");
}

static void button(struct visit *v, const struct store_connection *s, const char *action, bool take_over,
	const char *class, const char *text)
{
	connection_form(v, action, s->id, take_over);
	html_put(&v->out, "<button class=\"%s\" data-busy=\"Asking %s \xe2\x80\xa6\">%s</button></form>", class,
		connect_provider_name(s), text);
}

void connection_buttons(struct visit *v, const struct store_connection *s)
{
	html_raw(&v->out, "<div class=\"row\">");
	if (s->status == STORE_CONNECTION_WEBHOOK_TAKEN)
		button(v, s, "register", true, "", "Take over");
	button(v, s, "check", false, "quiet", "Check now");
	if (s->status != STORE_CONNECTION_WEBHOOK_TAKEN && s->status != STORE_CONNECTION_SUSPENDED)
		button(v, s, "register", false, "quiet", "Set our address again");
	html_raw(&v->out, "</div>");
}
