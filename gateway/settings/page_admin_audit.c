/*
 * The audit for the operator, in plain words: who used or changed which key, and who
 * changed a setting. It holds no value of either.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/settings/admin.h"

/* ------------------------------------------------------------ words */

struct words {
	const char *name, *text;
};

static const char *words_of(const struct words *list, const char *name)
{
	while (list->name != NULL && strcmp(list->name, name) != 0)
		list++;
	return list->text;
}

static const struct words actions[] = {
	{"key_stored", "stored a new key:"},
	{"key_replaced", "replaced the key:"},
	{"key_taken_back", "took the new key back, the one before it is in use again:"},
	{"key_ended", "ended the key that was replaced:"},
	{"verify_token_replaced", "replaced the verify token of the connection"},
	{"verify_token_ended", "ended the verify token that was replaced, of the connection"},
	{"keys_destroyed", "destroyed a key of the business's own, without which nothing of it can be read any more:"},
	{"tenant_key_replaced", "gave the business a new"},
	{"tenant_key_destroyed", "destroyed all older versions of the business's"},
	{"tenant_keys_rewrapped", "wrapped keys of businesses anew, under the master key"},
	{"master_key_replaced", "replaced the master key; the new one is"},
	{"key_file_read", "had the key file read again; the master key is still"},
	{"kit_made", "made a recovery kit of the master key"},
	{"restored", "put a backup in the database's place: what follows was written after that"},
	{"connection_added", "connected a number:"},
	{"connection_removed", "disconnected a number and destroyed its keys:"},
	{"number_set", "set the number of the connection"},
	{"business_added", "added the business"},
	{"business_changed", "changed the business's"},
	{"business_suspended", "suspended the business"},
	{"business_resumed", "made the business active again"},
	{"business_removed", "removed the business"},
	{"responder_set", "chose who answers:"},
	{"link_made", "made a settings link:"},
	{"link_opened", "opened a settings link:"},
	{"link_revoked", "ended a settings link:"},
	{"token_made", "made an admin token:"},
	{"token_revoked", "revoked an admin token:"},
	{"key_made", "made a virtual key:"},
	{"key_ending", "set when a virtual key ends, as another takes its place:"},
	{"key_revoked", "revoked a virtual key:"},
	{"operator_in", "signed in to these pages"},
	{"operator_out", "ended a sign-in to these pages"},
	{"audit_begun", "began this record: nothing was kept before"},
	{"audit_broken", "found that the rows before this one were changed past the vault, and began a new chain"},
	{NULL, NULL},
};

/* What a key was used for. */
static const struct words uses[] = {
	{"send", "sent a message with the key"},
	{"ask", "signed a question to the platform with"},
	{"tell", "signed a notice to the platform with"},
	{"webhook_set", "set our webhook at the provider with the key"},
	{"app_subscribe", "set our webhook at the provider with the key"},
	{"waba_subscribe", "set our webhook at the provider with the key"},
	{"token_exchange", "asked for a fresh token with the key"},
	{NULL, "asked the provider about the number or the key, with the key"},
};

static const struct words actors[] = {
	{"token", "the API, by the token"},
	{"link", "the shop's owner, by the link"},
	{"operator", "the operator, in the session"},
	{"command", "a command on the machine"},
	{"keyhouse", "Keyhouse by itself"},
	{NULL, NULL},
};

static void who(struct html *h, const char *actor)
{
	const char *colon = strchr(actor, ':');
	char kind[STORE_ACTOR_LEN + 1];
	const char *text;

	(void)snprintf(kind, sizeof(kind), "%.*s", (int)strcspn(actor, ":"), actor);
	text = words_of(actors, kind);
	html_put(h, "%s", text != NULL ? text : kind);
	if (colon != NULL)
		html_put(h, "<br><code>%s</code>", colon + 1);
}

static void what(struct html *h, const struct store_audit_row *r)
{
	const char *text =
		strcmp(r->action, "key_used") == 0 ? words_of(uses, r->purpose) : words_of(actions, r->action);

	html_put(h, "%s", text != NULL ? text : r->action);
	if (strcmp(r->action, "business_changed") == 0 || strcmp(r->action, "responder_set") == 0 ||
		strcmp(r->action, "keys_destroyed") == 0)
		html_put(h, " %s", r->purpose);
	if (strncmp(r->action, "tenant_key_", strlen("tenant_key_")) == 0)
		html_put(h, " %s key", r->purpose);
	if (r->subject[0] != '\0')
		html_put(h, "<br><code>%s</code>", r->subject);
	if (r->job[0] != '\0')
		html_put(h, "<br><span class=\"small soft\">for <code>%s</code></span>", r->job);
}

/* ------------------------------------------------------------ the page */

static bool row(const struct store_audit_row *r, void *arg)
{
	struct admin_table *t = arg;
	struct html *h = &t->v->out;
	char seq[24];

	(void)snprintf(seq, sizeof(seq), "%lld", (long long)r->seq);
	if (!admin_table_takes(t, seq))
		return false;
	html_raw(h, "<tr><td>");
	html_time(h, r->at);
	html_raw(h, "</td><td class=\"who\">");
	who(h, r->actor);
	html_raw(h, "</td><td>");
	if (r->business_id[0] != '\0')
		html_put(h, "<a href=\"audit?business=%s\">%s</a>", r->business_id, r->business_id);
	html_raw(h, "</td><td>");
	what(h, r);
	html_raw(h, "</td></tr>");
	return true;
}

static void introduction(struct visit *v, const char *business)
{
	struct store_audit_state state;

	html_raw(&v->out,
		"<p>Each use and change of a key, and each change of a setting, with who did it; never the value. The "
		"vault seals the rows, so that they cannot be changed unseen: <code>keyhouse verify --audit</code> "
		"tells. All of it: <code>keyhouse audit --json</code></p>");
	if (store_audit_state(v->s->store, &state) != STORE_OK)
		return;
	admin_audit_note(v, &state);
	html_put(&v->out, "<p>Questions to the vault from a part that may not ask them: <b>%lld</b>.</p>",
		(long long)state.head.refused);
	if (business[0] != '\0')
		html_put(&v->out,
			"<p>Of the business <a href=\"business?id=%s\">%s</a>. <a href=\"audit\">Of all</a></p>",
			business, business);
}

void admin_audit_note(struct visit *v, const struct store_audit_state *state)
{
	struct html *h = &v->out;

	if (state->broken_at > 0) {
		layout_note(v, "bad");
		html_raw(h, "The audit was found broken at the start of ");
		html_time(h, state->broken_at);
		html_raw(h,
			": what was kept was not what the vault had sealed. Somebody changed the database, or an "
			"older copy of parts of it was put back. <code>keyhouse verify --audit</code> names the "
			"row.");
		layout_note_end(v);
	}
	if (state->head.refused > 0) {
		layout_note(v, "bad");
		html_raw(h,
			"A part of Keyhouse asked the vault for what it may not have. None of them does that unless "
			"it was taken over: look at the machine and at what listens to strangers.");
		layout_note_end(v);
	}
}

void admin_audit_get(struct visit *v)
{
	char business[STORE_BUSINESS_ID_LEN + 1], filter[sizeof("business=") + STORE_BUSINESS_ID_LEN] = "";
	struct admin_table t = {.v = v,
		.page = "audit",
		.filter = filter,
		.cursor = "after",
		.head = "<table><caption>Newest first</caption><thead><tr><th scope=\"col\">When</th><th scope=\"col\">"
			"Who</th><th scope=\"col\">Business</th><th scope=\"col\">What</th></tr></thead><tbody>"};
	struct store_page wanted = {.limit = ADMIN_PAGE + 1};
	enum store_error err;

	if (!visit_query(v, "business", business, sizeof(business)))
		business[0] = '\0';
	if (business[0] != '\0')
		(void)snprintf(filter, sizeof(filter), "business=%s", business);
	wanted.after = admin_table_after(&t);
	layout_begin(v, "audit", "Audit", NULL);
	introduction(v, business);
	err = store_audit_list(v->s->store, business[0] != '\0' ? business : NULL, &wanted, row, &t);
	if (err == STORE_NOT_FOUND) {
		visit_redirect(v, "audit");
		return;
	}
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	admin_table_end(&t, "There is none.");
	layout_end(v);
	visit_send(v, 200);
}
