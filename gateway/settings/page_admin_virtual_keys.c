/*
 * The virtual keys of a business, on its page of the operator's: what each may do, when it was used
 * and refused last; making one and revoking it. A key itself stands in the answer to its making alone.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/settings/admin.h"
#include "gateway/virtual_key_issue.h"

struct keys {
	struct visit *v;
	const char *business_id;
	int64_t now;
	unsigned count;
};

static void may(struct html *h, const struct store_virtual_key *k)
{
	bool any = false;

	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES; i++) {
		if ((k->scopes & virtual_key_scopes[i].bit) == 0)
			continue;
		html_put(h, "%s%s", any ? ", " : "", virtual_key_scopes[i].name);
		any = true;
	}
	if (k->numbers[0] != '\0')
		html_put(h, "<br><span class=\"small soft\">number ids <bdi>%s</bdi>", k->numbers);
	else
		html_raw(h, "<br><span class=\"small soft\">all numbers");
	if (k->rate > 0)
		html_put(h, "<br>%u calls a minute", k->rate);
	if (k->budget > 0)
		html_put(h, "<br>%lld of %u messages today", (long long)k->messages_today, k->budget);
	html_raw(h, "</span>");
}

static void state(struct keys *r, const struct store_virtual_key *k)
{
	struct html *h = &r->v->out;

	if (k->revoked_at > 0) {
		html_raw(h, "revoked ");
		html_time(h, k->revoked_at);
		return;
	}
	if (k->expires_at > 0) {
		html_raw(h, k->expires_at > r->now ? "ends " : "expired ");
		html_time(h, k->expires_at);
		if (k->expires_at <= r->now)
			return;
	} else {
		html_raw(h, "live");
	}
	html_raw(h, "<details><summary>Revoke</summary>");
	admin_business_form(r->v, "revoke-key", r->business_id);
	html_put(h,
		"<input type=\"hidden\" name=\"key\" value=\"%s\"><p>Calls with it are refused from then on.</p>"
		"<label class=\"inline\"><input type=\"checkbox\" name=\"sure\" value=\"yes\" required> Yes, revoke "
		"it</label><p class=\"row\"><button class=\"danger\">Revoke</button></p></form></details>",
		k->id);
}

/* Below the key's own row: beside it, sentences leave a phone no room. */
static void calls(struct html *h, const struct store_virtual_key *k)
{
	html_raw(h, "<tr><td colspan=\"3\"><span class=\"small\">Last used: ");
	html_time(h, k->used_at);
	if (k->refused_at > 0) {
		html_raw(h, "<br>Last refused: ");
		html_time(h, k->refused_at);
		html_put(h, ", %lld in all<br>%s", (long long)k->refused_count,
			refused_words(refused_why(k->refused_why)));
	}
	html_raw(h, "</span></td></tr>");
}

static bool key_row(const struct store_virtual_key *read, void *arg)
{
	struct store_virtual_key k = *read;
	struct keys *r = arg;
	struct html *h = &r->v->out;

	virtual_keys_news(r->v->s->virtual_keys, &k);
	if (r->count++ == 0)
		html_raw(h,
			"<table class=\"keys\"><caption>The newest</caption><thead><tr><th scope=\"col\">Key</th>"
			"<th scope=\"col\">What it may</th><th scope=\"col\">State</th></tr></thead><tbody>");
	html_put(h,
		"<tr><th scope=\"row\"><bdi>%s</bdi><br><span class=\"small soft\">ends in "
		"<code>%s</code></span></th><td class=\"state\">",
		k.name, k.last4);
	may(h, &k);
	html_raw(h, "</td><td>");
	state(r, &k);
	html_raw(h, "</td></tr>");
	calls(h, &k);
	return true;
}

/* ------------------------------------------------------------ the form */

/* What is wrong with what was asked for: a field, and its rule or a sentence. */
struct fault {
	const char *field; /* NULL: nothing is wrong */
	const char *rule; /* "must be ..."; NULL: */
	const char *sentence;
};

static const struct {
	const char *name, *label, *help;
	bool number;
} asked[] = {
	{"name", "Name", "Which client will use it, such as invoices.", false},
	{"rate_per_minute", "Calls a minute", "Empty: no limit.", true},
	{"messages_per_day", "Messages a day", "Empty: no limit.", true},
	{"expires_in_days", "Ends after days", "Empty: never.", true},
};

static const char *const scope_words[VIRTUAL_KEY_SCOPES] = {"send: messages, read marks and typing",
	"media: upload, get and delete", "templates: list and change; also change the profile",
	"read: numbers, profile and health"};

static bool is_wrong(const struct fault *f, const char *name)
{
	return f->field != NULL && strcmp(f->field, name) == 0;
}

static void error_write(struct html *h, const struct fault *f)
{
	html_put(h, "<span class=\"error\" id=\"%s-error\">", f->field);
	if (f->rule != NULL)
		html_put(h, "It %s.", f->rule);
	else
		html_raw(h, f->sentence);
	html_raw(h, "</span>");
}

/* One of asked[], with what came for it. */
static void input_write(struct visit *v, size_t i, const struct fault *f)
{
	const char *name = asked[i].name;
	const bool wrong = is_wrong(f, name);
	struct html *h = &v->out;

	html_put(h, "<p><label for=\"%s\">%s</label><input type=\"text\" id=\"%s\" name=\"%s\" autocomplete=\"off\"",
		name, asked[i].label, name, name);
	html_raw(h, asked[i].number ? " inputmode=\"numeric\"" : " required");
	html_put(h,
		wrong ? " aria-invalid=\"true\" autofocus aria-describedby=\"%s-help %s-error\""
		      : " aria-describedby=\"%s-help\"",
		name, name);
	html_put(h, " value=\"%s\"><span class=\"help\" id=\"%s-help\">%s</span>", visit_field(v, name), name,
		asked[i].help);
	if (wrong)
		error_write(h, f);
	html_raw(h, "</p>");
}

/* again: it was sent already, and what was ticked then is ticked. */
static void scopes_write(struct visit *v, const struct fault *f, bool again)
{
	struct html *h = &v->out;

	html_raw(h, "<fieldset><legend>What it may</legend>");
	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES; i++) {
		html_put(h, "<label class=\"inline\"><input type=\"checkbox\" name=\"%s\" value=\"yes\"",
			virtual_key_scopes[i].name);
		html_raw(h, !again || strcmp(visit_field(v, virtual_key_scopes[i].name), "yes") == 0 ? " checked" : "");
		html_put(h, "> %s</label>", scope_words[i]);
	}
	if (is_wrong(f, "scopes"))
		error_write(h, f);
	html_raw(h, "</fieldset>");
}

static void form_write(struct visit *v, const char *business_id, const struct fault *f, bool again)
{
	admin_business_form(v, "make-key", business_id);
	input_write(v, 0, f);
	scopes_write(v, f, again);
	html_raw(&v->out, "<div class=\"limits\">");
	for (size_t i = 1; i < sizeof(asked) / sizeof(asked[0]); i++)
		input_write(v, i, f);
	html_raw(&v->out,
		"</div><p class=\"help\">It is for all the shop's numbers, also later ones. For some of them alone: "
		"<code>keyhouse virtual-key add</code> with <code>--numbers</code>.</p>"
		"<p class=\"row\"><button>Make the key</button></p></form>");
}

void admin_virtual_keys_write(struct visit *v, const char *business_id)
{
	static const struct fault nothing = {.field = NULL};
	const struct store_page newest = {.limit = ADMIN_PAGE};
	struct keys r = {.v = v, .business_id = business_id, .now = store_now_ms()};

	html_raw(&v->out,
		"<h2>Virtual keys</h2><p>Each stands for the shop's own keys towards one client. To change a client's "
		"key, make a second one of its name, since two of one name may live at once; give it to the client, "
		"and then revoke the first. Why calls were refused: <a href=\"refused\">Refused calls</a>.</p>"
		"<details><summary>Make a key</summary>");
	form_write(v, business_id, &nothing, false);
	html_raw(&v->out, "</details>");
	if (store_virtual_key_list(v->s->store, business_id, &newest, r.now, key_row, &r) != STORE_OK)
		v->out.failed = true;
	html_raw(&v->out, r.count > 0 ? "</tbody></table>" : "<p>There is none yet.</p>");
}

/* ------------------------------------------------------------ making */

static bool is_fine(struct fault *f, const char *field, const char *rule)
{
	if (rule != NULL)
		*f = (struct fault){.field = field, .rule = rule};
	return rule == NULL;
}

static bool scopes_read(const struct visit *v, struct store_virtual_key *k, struct fault *f)
{
	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES; i++)
		if (strcmp(visit_field(v, virtual_key_scopes[i].name), "yes") == 0)
			k->scopes |= virtual_key_scopes[i].bit;
	if (k->scopes == 0)
		*f = (struct fault){.field = "scopes", .sentence = "Tick one at least."};
	return k->scopes != 0;
}

/* What somebody typed around a word is not meant. */
static const char *typed(const struct visit *v, const char *name, char out[static STORE_NAME_LEN + 2])
{
	const char *text = visit_field(v, name);
	size_t len;

	text += strspn(text, " ");
	len = strlen(text);
	while (len > 0 && text[len - 1] == ' ')
		len--;
	/* One byte too many is still too many. */
	(void)snprintf(
		out, STORE_NAME_LEN + 2, "%.*s", (int)(len < STORE_NAME_LEN + 1 ? len : STORE_NAME_LEN + 1), text);
	return out;
}

/* False: f says what is wrong. */
static bool key_read(const struct visit *v, struct store_virtual_key *k, struct fault *f)
{
	char text[STORE_NAME_LEN + 2];

	return is_fine(f, "name", virtual_key_ask_name(k, typed(v, "name", text))) && scopes_read(v, k, f) &&
		(typed(v, "rate_per_minute", text)[0] == '\0' ||
			is_fine(f, "rate_per_minute", virtual_key_ask_rate(k, virtual_key_count(text)))) &&
		(typed(v, "messages_per_day", text)[0] == '\0' ||
			is_fine(f, "messages_per_day", virtual_key_ask_budget(k, virtual_key_count(text)))) &&
		(typed(v, "expires_in_days", text)[0] == '\0' ||
			is_fine(f, "expires_in_days",
				virtual_key_ask_days(k, virtual_key_count(text), store_now_ms())));
}

static void not_made(struct visit *v, const struct store_business *b, const struct fault *f)
{
	layout_begin(v, NULL, "The key is not made yet", NULL);
	layout_note(v, "bad");
	html_raw(&v->out, "One entry below must be mended.");
	layout_note_end(v);
	form_write(v, b->id, f, true);
	html_put(&v->out, "<p><a href=\"business?id=%s\">Back to the business</a></p>", b->id);
	layout_end(v);
	visit_send(v, 422);
}

static void key_show(
	struct visit *v, const struct store_business *b, const struct store_virtual_key *k, const char *text)
{
	layout_begin(v, NULL, "A virtual key", NULL);
	layout_note(v, "info");
	html_raw(&v->out, "It is shown this once. A client uses it in the place of the provider's token or API key.");
	layout_note_end(v);
	html_put(&v->out, "<label for=\"key\"><bdi>%s</bdi>, for <bdi>%s</bdi></label>", k->name, b->name);
	html_put(&v->out,
		"<div class=\"copy\"><input type=\"text\" id=\"key\" readonly autocomplete=\"off\" value=\"%s\">"
		"<button type=\"button\" data-copy=\"key\" hidden>Copy</button></div>",
		text);
	html_put(&v->out,
		"<p>Its base URL is <code>%s</code>, in the place of <code>https://graph.facebook.com</code> or "
		"<code>https://waba-v2.360dialog.io</code>. The rest of the client stays as it is.</p>",
		v->s->public_url);
	html_put(&v->out, "<p><a href=\"business?id=%s\">Back to the business</a></p>", b->id);
	layout_end(v);
	visit_send(v, 200);
}

void admin_make_key_post(struct visit *v)
{
	struct store_virtual_key k = {.id = ""};
	struct fault f = {.field = NULL};
	char text[VIRTUAL_KEY_ROOM];
	struct store_business b;
	enum store_error err;

	if (!admin_business_find(v, visit_field(v, "business"), &b))
		return;
	memcpy(k.business_id, b.id, sizeof(k.business_id));
	if (!key_read(v, &k, &f)) {
		not_made(v, &b, &f);
		return;
	}
	err = virtual_key_issue(v->s->store, &k, text);
	if (err == STORE_OK) {
		log_info("virtual key made by the operator business=%s key=%s session=%s", b.id, k.id, v->who.id);
		key_show(v, &b, &k, text);
		vault_wipe(text, sizeof(text));
	} else if (err == STORE_TOO_MANY) {
		f = (struct fault){.field = "name",
			.sentence = "Two keys of this name live already. Revoke one of them first, or take another "
				    "name."};
		not_made(v, &b, &f);
	} else {
		visit_failed(v, store_error_text(err));
	}
}

/* ------------------------------------------------------------ revoking */

void admin_revoke_key_post(struct visit *v)
{
	const char *key = visit_field(v, "key");
	struct store_business b;
	enum store_error err;

	if (!admin_business_find(v, visit_field(v, "business"), &b))
		return;
	if (strcmp(visit_field(v, "sure"), "yes") != 0) {
		visit_say(v, 422, "Nothing was revoked", "Tick the box that says so, if you are sure.");
		return;
	}
	err = store_virtual_key_revoke(v->s->store, b.id, key);
	if (err == STORE_OK)
		log_info("virtual key revoked by the operator business=%s key=%s session=%s", b.id, key, v->who.id);
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		admin_business_back(v, &b, err == STORE_OK ? "key-revoked" : "gone");
	else
		visit_failed(v, store_error_text(err));
}
