/*
 * Keys and tokens: which master key is in use, who may ask anything of this installation,
 * and which browsers have the operator's pages open. Never a key or a token themselves.
 */
#include <string.h>

#include "gateway/kit.h"
#include "gateway/log.h"
#include "gateway/settings/admin.h"
#include "vault/vault.h"

/* ------------------------------------------------------------ the master key */

void admin_kit_write(struct visit *v)
{
	struct html *h = &v->out;
	struct kit kit;

	if (kit_look(v->s->tenants, &kit) != TENANT_OK)
		return;
	if (!kit.due) {
		html_put(h, "<p>The recovery kit of this key (<code>%s</code>) was printed ", kit.made_for);
		html_time(h, kit.made_at);
		html_raw(h, ".</p>");
		return;
	}
	layout_note(v, "bad");
	html_raw(h, "<b>No recovery kit yet</b><p>" KIT_DUE "</p><p>" KIT_REMEDY "</p>");
	layout_note_end(v);
}

static void master_key(struct visit *v)
{
	char id[VAULT_KEY_ID_LEN + 1];
	struct html *h = &v->out;

	html_raw(h, "<h2>Master key</h2>");
	if (vault_status(v->s->vault, id) != VAULT_OK) {
		layout_note(v, "bad");
		html_raw(h, "The vault does not answer.");
		layout_note_end(v);
		return;
	}
	html_put(h,
		"<dl><dt>Id</dt><dd><code>%s</code></dd></dl><p>The id is computed from the key and tells nothing of "
		"it. "
		"Losing the key's file loses every stored key: keep a recovery kit, apart from copies of the "
		"database.</p>",
		id);
	admin_kit_write(v);
}

/* ------------------------------------------------------------ keys being replaced */

static bool rotation_row(const struct store_rotation *r, void *arg)
{
	struct html *h = arg;

	html_put(h, "<tr><th scope=\"row\">%s<br><span class=\"small soft\">%s key, version %u</span></th><td>",
		r->business_id, store_purpose_name(r->purpose), r->version);
	if (r->scanned_at > 0)
		html_raw(h, "all is sealed anew; the older key is destroyed within a minute");
	else
		html_put(h, "%lld of %lld sealed anew", (long long)rotation_done(r), (long long)r->total);
	html_raw(h, "</td></tr>");
	return true;
}

static void rotations(struct visit *v)
{
	struct html *h = &v->out;
	struct rotation_status s;
	int64_t count = 0;

	html_raw(h, "<h2>Keys being replaced</h2>");
	if (rotation_status(v->s->rotation, &s) != ROTATION_OK) {
		html_raw(h, "<p>Vault or store do not answer.</p>");
		return;
	}
	if (s.keys_under_others > 0)
		html_put(h, "<p>%lld of %lld tenant keys are still under an older master key.</p>",
			(long long)s.keys_under_others, (long long)s.keys);
	if (s.rotations_to_come > 0)
		html_put(h, "<p>%lld tenant keys are still to be replaced.</p>", (long long)s.rotations_to_come);
	if (s.damaged + s.keys_damaged > 0) {
		layout_note(v, "bad");
		html_put(h,
			"%lld keys or sealed values did not open and were left as they are. <code>keyhouse "
			"verify</code> names them.",
			(long long)(s.damaged + s.keys_damaged));
		layout_note_end(v);
	}
	if (s.rotations > 0) {
		html_raw(h,
			"<table><caption>Longest first</caption><thead><tr><th scope=\"col\">Business</th>"
			"<th scope=\"col\">State</th></tr></thead><tbody>");
		if (store_rotation_list(v->s->store, ADMIN_PAGE, &count, rotation_row, h) != STORE_OK)
			h->failed = true;
		html_raw(h, "</tbody></table>");
		if (count > ADMIN_PAGE)
			html_put(h, "<p>and %lld more</p>", (long long)(count - ADMIN_PAGE));
	} else if (s.keys_under_others == 0 && s.rotations_to_come == 0) {
		html_raw(h,
			"<p>None. They are replaced on the machine, while the service runs: <code>keyhouse key rotate "
			"--master</code> (the master key), <code>--all</code> or a business's id (tenant keys).</p>");
	}
}

/* ------------------------------------------------------------ tokens */

static void revoke_form(struct visit *v, const struct store_token *t)
{
	const bool own = strcmp(t->id, v->who.token_id) == 0;

	html_raw(&v->out, "<details><summary>Revoke</summary>");
	layout_form(v, "revoke-token");
	html_put(&v->out, "<input type=\"hidden\" name=\"token\" value=\"%s\">", t->id);
	html_raw(&v->out,
		own ? "<p>This is the token that you came in by. Revoking it signs you out, and whatever else uses it "
		      "is "
		      "refused.</p><label class=\"inline\"><input type=\"checkbox\" name=\"own\" value=\"yes\" "
		      "required> Yes, "
		      "revoke it and sign me out</label>"
		    : "<p>Whatever uses it is refused from then on, and browsers that it signed in are out.</p><label "
		      "class=\"inline\"><input type=\"checkbox\" name=\"sure\" value=\"yes\" required> Yes, revoke "
		      "it</label>");
	html_raw(&v->out, "<p class=\"row\"><button class=\"danger\">Revoke</button></p></form></details>");
}

static bool token_row(const struct store_token *token, void *arg)
{
	struct admin_table *t = arg;
	struct html *h = &t->v->out;

	if (!admin_table_takes(t, token->id))
		return false;
	html_put(h, "<tr><th scope=\"row\"><bdi>%s</bdi><br><span class=\"small soft\">ends in %s, created ",
		token->name, token->last4);
	html_time(h, token->created_at);
	html_raw(h, "</span></th><td>");
	if (token->revoked_at > 0) {
		html_raw(h, "revoked ");
		html_time(h, token->revoked_at);
	} else {
		html_raw(h, strcmp(token->id, t->v->who.token_id) == 0 ? "live, yours" : "live");
		revoke_form(t->v, token);
	}
	html_raw(h, "</td></tr>");
	return true;
}

/* ------------------------------------------------------------ sessions */

static bool session_row(const struct store_operator *o, void *arg)
{
	struct visit *v = arg;
	struct html *h = &v->out;

	html_raw(h, "<tr><td>");
	html_time(h, o->created_at);
	html_raw(h, "<br><span class=\"small soft\">last used ");
	html_time(h, o->seen_at);
	html_put(h, "</span></td><td><bdi>%s</bdi><br><span class=\"small soft\">ends in %s</span></td><td>",
		o->token_name, o->token_last4);
	if (strcmp(o->id, v->who.id) == 0) {
		html_raw(h, "this browser");
	} else {
		layout_form(v, "end-session");
		html_put(h,
			"<input type=\"hidden\" name=\"session\" value=\"%s\"><button class=\"quiet\">End "
			"it</button></form>",
			o->id);
	}
	html_raw(h, "</td></tr>");
	return true;
}

static void sessions(struct visit *v)
{
	const int64_t now = store_now_ms();

	html_raw(&v->out,
		"<h2>Who has these pages open</h2><table><caption>Browsers that are signed in, newest "
		"first</caption><thead>"
		"<tr><th scope=\"col\">Since</th><th scope=\"col\">By the token</th><th "
		"scope=\"col\">End</th></tr></thead>"
		"<tbody>");
	if (store_operator_list(v->s->store, now, now - ADMIN_IDLE_MS, session_row, v) != STORE_OK)
		v->out.failed = true;
	html_raw(&v->out, "</tbody></table>");
}

/* ------------------------------------------------------------ the page */

void admin_keys_get(struct visit *v)
{
	struct admin_table t = {.v = v,
		.page = "keys",
		.cursor = "after",
		.head = "<table><caption>Newest first</caption><thead><tr><th scope=\"col\">Token</th>"
			"<th scope=\"col\">State</th></tr></thead><tbody>"};
	const struct store_page wanted = {.after = admin_table_after(&t), .limit = ADMIN_PAGE + 1};
	enum store_error err;

	layout_begin(v, "keys", "Keys and tokens", NULL);
	admin_done(v);
	master_key(v);
	html_raw(&v->out,
		"<h2>Admin tokens</h2><p>Each may do everything here and over the API. New ones are made on the "
		"machine: "
		"<code>keyhouse token new --name NAME</code></p>");
	err = store_token_list(v->s->store, &wanted, token_row, &t);
	if (err == STORE_NOT_FOUND) {
		visit_redirect(v, "keys");
		return;
	}
	admin_table_end(&t, "There is none.");
	sessions(v);
	rotations(v); /* may be long */
	layout_end(v);
	if (err == STORE_OK)
		visit_send(v, 200);
	else
		visit_failed(v, store_error_text(err));
}

/* ------------------------------------------------------------ revoking and ending */

/* The visitor's own token is not revoked by a form that was about another. */
static bool confirmed(const struct visit *v, bool own)
{
	return strcmp(visit_field(v, own ? "own" : "sure"), "yes") == 0;
}

void admin_revoke_token_post(struct visit *v)
{
	const char *id = visit_field(v, "token");
	const bool own = strcmp(id, v->who.token_id) == 0;
	enum store_error err;

	if (!confirmed(v, own)) {
		visit_say(v, 422, "Nothing was revoked",
			own ? "It is the token that you came in by. Tick the box that says so, if you are sure."
			    : "Tick the box that says so, if you are sure.");
		return;
	}
	err = store_token_revoke(v->s->store, id);
	if (err == STORE_OK)
		log_info("admin token revoked by the operator token=%s session=%s", id, v->who.id);
	if (err != STORE_OK && err != STORE_NOT_FOUND) {
		visit_failed(v, store_error_text(err));
	} else if (err == STORE_OK && own) {
		admin_session_drop(v);
		visit_redirect(v, "sign-in?done=revoked");
	} else {
		visit_redirect(v, err == STORE_OK ? "keys?done=revoked" : "keys?done=gone");
	}
}

void admin_end_session_post(struct visit *v)
{
	const char *id = visit_field(v, "session");
	enum store_error err = store_operator_end(v->s->store, id);

	if (err == STORE_OK)
		log_info("operator's session ended session=%s by=%s", id, v->who.id);
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		visit_redirect(v, err == STORE_OK ? "keys?done=session-ended" : "keys?done=gone");
	else
		visit_failed(v, store_error_text(err));
}
