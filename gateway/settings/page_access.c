/*
 * Keys and access: what is kept of each key (never the key), replacing one, leaving;
 * and who else has these pages open.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/removal.h"
#include "gateway/settings/checks.h"
#include "gateway/settings/overlap.h"

#define SESSIONS_SHOWN 20u

/* What a shop owner calls the credentials, and whether he has one to give. */
static const struct {
	const char *field, *name, *help;
} secrets[] = {
	{"access_token", "Access token", "Meta: Business settings, System users, Generate token."},
	{"app_secret", "App secret", "Meta: your app's dashboard, App settings, Basic."},
	{"api_key", "API key",
		"360dialog: your number's page in the Hub. A new key there ends the old one at once, so paste it here "
		"right "
		"away. For a new key of the sandbox write START to it."},
	{"platform_secret", "Platform secret", "360dialog partners: Partner Hub, Integration."},
	{"webhook_secret", "Webhook secret", NULL}, /* made here */
};
#define SECRETS (sizeof(secrets) / sizeof(secrets[0]))

static size_t secret_named(const char *field)
{
	size_t i = 0;

	while (i < SECRETS && strcmp(secrets[i].field, field) != 0)
		i++;
	return i;
}

/* ------------------------------------------------------------ keys */

struct rows {
	struct visit *v;
	const struct store_connection *connection;
	unsigned count;
	bool closed; /* the key that seals the shop's keys does not open: nothing can be entered */
};

static bool secret_row(const struct store_credential *s, void *arg)
{
	struct rows *r = arg;
	struct html *h = &r->v->out;
	size_t i = secret_named(s->field);

	if (strcmp(s->connection_id, r->connection->id) != 0 || i == SECRETS)
		return true;
	if (s->slot == STORE_SLOT_PREVIOUS) {
		overlap_previous(r->v, s, secrets[i].name);
		return true;
	}
	html_put(h, "<tr><th scope=\"row\">%s</th><td>", secrets[i].name);
	if (!r->closed && tenant_is_damaged(tenant_credential_check(r->v->s->tenants, r->v->business.id, s)))
		html_raw(h,
			secrets[i].help != NULL
				? "<b>is damaged here: it needs to be entered again</b><br>"
				: "<b>is damaged here: press Set our address again on the Status page</b><br>");
	html_put(h, "ends in <b>%s</b><br><span class=\"small soft\">fingerprint %s, since ", s->last4, s->fingerprint);
	html_time(h, s->created_at);
	/* Secrets by which webhooks are known are not sent along with calls. */
	if (s->last_used_at > 0) {
		html_raw(h, ", last used ");
		html_time(h, s->last_used_at);
	}
	html_raw(h, "</span>");
	overlap_current(r->v, s);
	html_raw(h, "</td></tr>");
	return true;
}

static bool secret_form(const struct store_credential *s, void *arg)
{
	struct rows *r = arg;
	struct html *h = &r->v->out;
	size_t i = secret_named(s->field);

	if (s->slot != STORE_SLOT_CURRENT || strcmp(s->connection_id, r->connection->id) != 0 || i == SECRETS ||
		secrets[i].help == NULL)
		return true;
	html_put(h, "<details><summary>Replace the %s</summary>", secrets[i].name);
	layout_form(r->v, "replace");
	html_put(h,
		"<input type=\"hidden\" name=\"connection\" value=\"%s\"><input type=\"hidden\" name=\"field\" "
		"value=\"%s\">"
		"<label for=\"%s-%s\">New %s</label>",
		s->connection_id, s->field, s->field, s->connection_id, secrets[i].name);
	html_put(h,
		"<input type=\"password\" id=\"%s-%s\" name=\"value\" autocomplete=\"off\" required "
		"aria-describedby=\"%s-%s-help\">"
		"<p class=\"help\" id=\"%s-%s-help\">%s It is tried before it takes the old one's place.</p>",
		s->field, s->connection_id, s->field, s->connection_id, s->field, s->connection_id, secrets[i].help);
	html_raw(h, "<p class=\"row\"><button data-busy=\"Trying it ...\">Replace</button></p></form></details>");
	return true;
}

static void disconnect_form(struct visit *v, const struct store_connection *c)
{
	html_raw(&v->out, "<details><summary>Disconnect this number</summary>");
	layout_form(v, "disconnect");
	html_put(&v->out,
		"<input type=\"hidden\" name=\"connection\" value=\"%s\"><p>Its keys are destroyed here, waiting "
		"messages "
		"are not sent, and customers who write get no answer from here any more. Our address stays with %s "
		"until you "
		"remove it there.</p>",
		c->id, connect_provider_name(c));
	html_raw(&v->out,
		"<label class=\"inline\"><input type=\"checkbox\" name=\"sure\" value=\"yes\" required> Yes, "
		"disconnect "
		"it</label><p class=\"row\"><button class=\"danger\">Disconnect</button></p></form></details>");
}

static bool connection_card(const struct store_connection *c, void *arg)
{
	struct rows *r = arg;
	struct visit *v = r->v;
	struct rows inner = {v, c, 0, r->closed};

	r->count++;
	html_put(&v->out,
		"<section class=\"card\"><h2>%s <span class=\"soft small\">%s</span></h2><table "
		"class=\"keys\"><caption>Keys that are "
		"kept, sealed</caption>",
		c->display_phone[0] != '\0' ? c->display_phone : "Number not known yet", connect_provider_name(c));
	if (store_credential_list(v->s->store, v->business.id, "", secret_row, &inner) != STORE_OK)
		v->out.failed = true;
	overlap_verify_token(v, c);
	html_raw(&v->out, "</table>");
	if (store_credential_list(v->s->store, v->business.id, "", secret_form, &inner) != STORE_OK)
		v->out.failed = true;
	overlap_rotate_form(v, c);
	disconnect_form(v, c);
	html_raw(&v->out, "</section>");
	return true;
}

/* ------------------------------------------------------------ sessions */

static bool session_row(const struct store_link *l, void *arg)
{
	struct rows *r = arg;
	struct visit *v = r->v;
	const bool mine = strcmp(l->id, v->session.id) == 0;
	const int64_t now = store_now_ms();
	const bool open = l->opened_at > 0;

	if (l->revoked_at > 0 || (open ? l->ends_at : l->expires_at) <= now)
		return true;
	html_raw(&v->out, open ? "<tr><td>Opened " : "<tr><td>Link that nobody opened yet, made ");
	html_time(&v->out, open ? l->opened_at : l->created_at);
	if (open) {
		html_raw(&v->out, "<br><span class=\"small soft\">last used ");
		html_time(&v->out, l->seen_at);
		html_raw(&v->out, "</span>");
	}
	html_raw(&v->out, "</td><td>");
	if (mine) {
		html_raw(&v->out, "this browser");
	} else {
		layout_form(v, "revoke");
		html_put(&v->out,
			"<input type=\"hidden\" name=\"link\" value=\"%s\"><button class=\"quiet\">End "
			"it</button></form>",
			l->id);
	}
	html_raw(&v->out, "</td></tr>");
	return true;
}

static void sessions(struct visit *v)
{
	const struct store_page newest = {.limit = SESSIONS_SHOWN};
	struct rows r = {.v = v};

	html_raw(&v->out,
		"<h2>Who has these pages open</h2><table><caption>Settings links and the browsers that opened "
		"them</caption>");
	if (store_link_list(v->s->store, v->business.id, &newest, session_row, &r) != STORE_OK)
		v->out.failed = true;
	html_raw(&v->out, "</table>");
	layout_form(v, "end");
	html_raw(&v->out, "<p class=\"row\"><button class=\"quiet\">Sign out of this browser</button></p></form>");
}

/* ------------------------------------------------------------ the page */

static const struct layout_result results[] = {
	{"replaced", "ok", "The new key works and has taken the old one's place."},
	{"kept", "info",
		"The new key is in the old one's place, and nothing has proven it yet. If it is refused, the old "
		"one is used again."},
	{"made", "ok", "A new one was made."},
	{"old-ended", "ok", "The old one is not accepted any more."},
	{"disconnected", "ok", "The number is disconnected, and its keys are destroyed."},
	{"ended", "ok", "That browser or link cannot come in any more."},
	{"gone", "info", "That was gone already."},
	{NULL, NULL, NULL},
};

static void delete_all(struct visit *v)
{
	html_raw(&v->out, "<h2>Delete everything</h2><details><summary>Delete this shop with all it holds</summary>");
	layout_form(v, "delete");
	html_put(&v->out,
		"<p>The shop's own keys are destroyed first: from then on nothing of it can be read here, and in "
		"backups until "
		"they expire it stays sealed under keys that are only in those backups. Then connections, messages and "
		"products "
		"are removed. Nobody can undo it. You get a receipt.</p>"
		"<label for=\"name\">Type the shop's name, <bdi>%s</bdi>, to confirm</label>"
		"<input type=\"text\" id=\"name\" name=\"name\" autocomplete=\"off\" required>"
		"<p class=\"row\"><button class=\"danger\" data-busy=\"Deleting ...\">Delete "
		"everything</button></p></form></details>",
		v->business.name);
}

/* The finding says what it means and who can mend it. */
static bool closed_note(struct visit *v)
{
	static const struct doctor_finding f = {.finding = FINDING_SHOP_DAMAGED, .provider = STORE_META};
	struct store_tenant_key key;

	if (store_tenant_key_get(v->s->store, v->business.id, STORE_KEY_CREDENTIAL, 0, &key) != STORE_OK ||
		!tenant_is_damaged(tenant_key_check(v->s->tenants, v->business.id, &key)))
		return false;
	finding_write(v, &f);
	return true;
}

void access_get(struct visit *v)
{
	const struct store_page all = {.limit = STORE_LIST_MAX, .ascending = true};
	struct rows r = {.v = v};

	layout_begin(v, "access", "Keys and access", NULL);
	layout_done(v, results);
	html_raw(&v->out,
		"<p>Keys go in and never come out: you see the last four characters and a fingerprint, and nobody "
		"here sees more.</p>");
	r.closed = closed_note(v);
	if (store_connection_list(v->s->store, v->business.id, &all, connection_card, &r) != STORE_OK)
		v->out.failed = true;
	if (r.count == 0)
		html_raw(&v->out, "<div class=\"card\"><p>No number is connected, so no key is kept.</p></div>");
	html_put(&v->out, "<p><a href=\"connect\">Connect %s number</a></p>", r.count == 0 ? "a" : "another");
	sessions(v);
	delete_all(v);
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ replacing a key */

static void refused(struct visit *v, const char *name, const char *detail)
{
	html_clear(&v->out);
	layout_begin(v, "access", "The key was not replaced", NULL);
	layout_note(v, "bad");
	html_put(&v->out, "%s: %s. The old key is still in its place.", name, detail);
	layout_note_end(v);
	html_raw(&v->out, "<p><a class=\"button\" href=\"access\">Back to the keys</a></p>");
	layout_end(v);
	visit_send(v, 422);
}

/* In its place, but the provider says no to something: what it says, and not that it works. */
static bool is_in_doubt(const struct connect_report *report)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (report->checks[i].result == CONNECT_CHECK_FAILED && strcmp(report->checks[i].name, "callback") != 0)
			return true;
	return false;
}

static void replaced_in_doubt(struct visit *v, const struct connect_report *report)
{
	layout_begin(v, "access", "The key was replaced, but does not work yet", NULL);
	layout_note(v, "bad");
	html_raw(&v->out, "<p>The new key is in the old one's place. This is not good:</p><ul>");
	for (size_t i = 0; i < report->checks_len; i++) {
		if (report->checks[i].result != CONNECT_CHECK_FAILED)
			continue;
		html_raw(&v->out, "<li>");
		plain_write(v, report->checks[i].detail);
		html_raw(&v->out, "</li>");
	}
	html_raw(&v->out, "</ul><p>If it is the key of another number, or of another app, replace it once more.</p>");
	layout_note_end(v);
	html_raw(&v->out, "<p><a class=\"button\" href=\"access\">Back to the keys</a></p>");
	layout_end(v);
	visit_send(v, 200);
}

void replace_post(struct visit *v)
{
	const char *connection = visit_field(v, "connection"), *field = visit_field(v, "field");
	size_t i = secret_named(field);
	struct secret *value = visit_secret(v, "value");
	struct connect_report report = {0};
	struct store_connection s;

	if (i == SECRETS || secrets[i].help == NULL) {
		visit_say(v, 404, "There is no such key", "Go back to the keys and load the page again.");
	} else if (value == NULL) {
		refused(v, secrets[i].name, "nothing was pasted");
	} else {
		switch (connect_rotate(
			&v->s->doctor.connect, v->business.id, connection, field, value, false, &s, &report)) {
		case CONNECT_OK:
			log_info("credential replaced business=%s connection=%s field=%s", v->business.id, s.id, field);
			outbound_changed(v->s->outbound, v->business.id);
			if (is_in_doubt(&report))
				replaced_in_doubt(v, &report);
			else
				visit_redirect(
					v, connect_was_answered(&report) ? "access?done=replaced" : "access?done=kept");
			break;
		case CONNECT_NOT_FOUND:
			visit_redirect(v, "access?done=gone");
			break;
		case CONNECT_STALE:
			refused(v, secrets[i].name, "somebody else replaced it at the same moment");
			break;
		case CONNECT_UNAVAILABLE:
			visit_failed(v, "replacing a key");
			break;
		case CONNECT_INVALID:
		case CONNECT_NUMBER_TAKEN:
		case CONNECT_WEBHOOK_TAKEN:
		case CONNECT_CHOICE:
		case CONNECT_CREDENTIAL_REFUSED:
			refused(v, secrets[i].name, report.detail);
			break;
		}
	}
	secret_free(value);
}

/* ------------------------------------------------------------ leaving */

void disconnect_post(struct visit *v)
{
	const char *id = visit_field(v, "connection");
	enum store_error err = STORE_INVALID;

	if (strcmp(visit_field(v, "sure"), "yes") != 0) {
		visit_say(v, 422, "Nothing was disconnected", "Tick the box that says so, if you are sure.");
		return;
	}
	err = store_connection_remove(v->s->store, v->business.id, id);
	tenants_forget(v->s->tenants, v->business.id);
	if (err == STORE_OK)
		log_info("connection removed business=%s connection=%s", v->business.id, id);
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		visit_redirect(v, err == STORE_OK ? "access?done=disconnected" : "access?done=gone");
	else
		visit_failed(v, store_error_text(err));
}

void revoke_post(struct visit *v)
{
	enum store_error err = store_link_revoke(v->s->store, v->business.id, visit_field(v, "link"));

	if (err == STORE_OK || err == STORE_NOT_FOUND)
		visit_redirect(v, err == STORE_OK ? "access?done=ended" : "access?done=gone");
	else
		visit_failed(v, store_error_text(err));
}

static bool receipt_row(const struct store_connection *c, void *arg)
{
	struct rows *r = arg;

	r->count++;
	html_put(&r->v->out, "<li>%s (%s)</li>",
		c->display_phone[0] != '\0' ? c->display_phone : "a number not known yet", connect_provider_name(c));
	return true;
}

/* Whether it is the shop's name as somebody types it: phones write an apostrophe in their own way. */
static bool is_named(const char *typed, const char *name)
{
	static const char curly[] = "\xe2\x80\x99";

	typed += strspn(typed, " ");
	while (*typed != '\0' && *name != '\0') {
		const bool is_curly = strncmp(typed, curly, sizeof(curly) - 1) == 0;

		if (*typed == *name)
			typed++;
		else if (is_curly && *name == '\'')
			typed += sizeof(curly) - 1;
		else
			return false;
		name++;
	}
	typed += strspn(typed, " ");
	return *typed == '\0' && *name == '\0';
}

static void destroyed_show(struct html *h, const struct removal_receipt *r)
{
	html_put(h, "<dl><dt>Receipt</dt><dd>%s</dd><dt>Deleted</dt><dd>", r->id);
	html_time(h, r->removed_at);
	html_raw(h, "</dd></dl><h2>Destroyed keys</h2><ul>");
	for (size_t i = 0; i < r->keys_len; i++)
		html_put(h, "<li>%s key, version %u: <code>%s</code></li>", r->keys[i].purpose, r->keys[i].version,
			r->keys[i].id);
	html_put(h, "</ul><dl><dt>In the audit</dt><dd>row %lld, hash <code>%s</code></dd></dl>",
		(long long)r->audit_seq, r->audit_hash);
	html_raw(h,
		r->flushed ? ""
			   : "<p>Sealed, they stay in the database's log until a backup that is being made has "
			     "ended.</p>");
}

/* The page is begun before, while there is something to write about. */
void delete_post(struct visit *v)
{
	const struct store_page all = {.limit = STORE_LIST_MAX, .ascending = true};
	const struct store_business gone = v->business;
	struct removal_receipt receipt;
	struct rows r = {.v = v};
	enum store_error err;

	if (!is_named(visit_field(v, "name"), gone.name)) {
		visit_say(v, 422, "Nothing was deleted",
			"The name was not the shop's. Go back, and copy it from the page.");
		return;
	}
	v->business = (struct store_business){0};
	layout_begin(v, NULL, "Everything is deleted", NULL);
	html_put(&v->out,
		"<dl><dt>Shop</dt><dd><bdi>%s</bdi> (%s)</dd></dl><h2>Numbers whose keys are destroyed</h2><ul>",
		gone.name, gone.id);
	err = store_connection_list(v->s->store, gone.id, &all, receipt_row, &r);
	if (err == STORE_OK)
		err = removal_run(v->s->tenants, gone.id, &receipt);
	if (err != STORE_OK) {
		v->business = gone;
		visit_say(v, 503, "Not everything is deleted yet",
			"It stopped in between. If it had begun, the keys are destroyed and the rest goes by itself "
			"soon; if the "
			"shop is still here in a minute, do it again.");
		return;
	}
	html_raw(&v->out, r.count > 0 ? "</ul>" : "<li>none was connected</li></ul>");
	destroyed_show(&v->out, &receipt);
	removal_receipt_clear(&receipt);
	html_raw(&v->out,
		"<p>Without them nothing of the shop can be read here any more; its connections, messages, products "
		"and settings links were removed. Backups made before keep it sealed, with their own copy of these "
		"keys, until they expire.</p>"
		"<p>What you should still do: at Meta or 360dialog, revoke the keys and remove our address.</p>"
		"<p class=\"unprinted soft\">Print this page or save it; it cannot be shown again.</p>");
	layout_end(v);
	visit_send(v, 200);
}
