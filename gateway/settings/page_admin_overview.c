/*
 * Overview: whether the roles work, what waits, and which businesses there are.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/kit.h"
#include "gateway/settings/admin.h"
#include "gateway/version.h"
#include "vault/vault.h"

/* ------------------------------------------------------------ health */

static void role(struct html *h, const char *name, const char *does, bool works)
{
	html_put(h, "<li class=\"%s\"><span class=\"how\">%s</span> %s, which %s</li>", works ? "ok" : "bad",
		works ? "Works" : "Silent", name, does);
}

static void health(struct visit *v)
{
	char key_id[VAULT_KEY_ID_LEN + 1];
	struct store_audit_state audit;
	struct html *h = &v->out;

	html_raw(h, "<h2>Health</h2><ul class=\"checks\">");
	role(h, "The store", "keeps what is acknowledged", store_ping(v->s->store) == STORE_OK);
	role(h, "The vault", "opens and seals keys", vault_status(v->s->vault, key_id) == VAULT_OK);
	role(h, "The sender", "talks to the providers", outbound_ping(v->s->outbound) == OUTBOUND_OK);
	html_raw(h, "</ul>");
	if (store_audit_state(v->s->store, &audit) == STORE_OK)
		admin_audit_note(v, &audit);
}

static void installation(struct visit *v)
{
	struct html *h = &v->out;

	html_put(h, "<h2>Installation</h2><dl><dt>Version</dt><dd>%s</dd><dt>Public URL</dt><dd>%s</dd></dl>",
		KEYHOUSE_VERSION, v->s->public_url);
	if (strncmp(v->s->public_url, "http://", 7) != 0)
		return;
	layout_note(v, "bad");
	html_raw(h,
		"The public URL is plain http. Meta and 360dialog call https addresses only, and whoever listens on "
		"the way "
		"reads settings links and keys being pasted. Put a proxy in front and set public_url, or use "
		"listen_tls.");
	layout_note_end(v);
}

static void total(struct html *h, const char *what, int64_t n)
{
	html_put(h, "<tr><th scope=\"row\">%s</th><td class=\"number\">%lld</td></tr>", what, (long long)n);
}

static void totals(struct visit *v, const struct store_counts *c)
{
	struct html *h = &v->out;

	html_raw(h,
		"<h2>Totals</h2><table class=\"totals\"><caption>What there is, and what waits now</caption><tbody>");
	total(h, "Businesses", c->businesses);
	total(h, "Connections", c->connections);
	total(h, "Webhooks not yet worked through", c->unsettled);
	total(h, "Questions and statuses owed to responders", c->asks);
	total(h, "Messages waiting to be sent", c->queued);
	total(h, "Messages to be tried again", c->retrying);
	total(h, "Messages being sent", c->sending);
	html_raw(h, "</tbody></table>");
}

/* ------------------------------------------------------------ businesses */

struct tally {
	unsigned of[STORE_CONNECTION_SUSPENDED + 1]; /* by status */
};

static bool count_connection(const struct store_connection *c, void *arg)
{
	struct tally *t = arg;

	t->of[c->status]++;
	return true;
}

static void connections(struct visit *v, const char *business_id)
{
	const struct store_page all = {.limit = STORE_LIST_MAX};
	struct tally tally = {{0}};
	bool any = false;

	if (store_connection_list(v->s->store, business_id, &all, count_connection, &tally) != STORE_OK)
		v->out.failed = true;
	for (unsigned i = STORE_CONNECTION_PENDING; i <= STORE_CONNECTION_SUSPENDED; i++) {
		if (tally.of[i] == 0)
			continue;
		html_raw(&v->out, any ? "<br>" : "");
		html_put(&v->out, "%u %s", tally.of[i], admin_connection_words((enum store_connection_status)i));
		any = true;
	}
	if (!any)
		html_raw(&v->out, "none");
}

static bool newest_event(const struct store_event_summary *e, void *arg)
{
	*(int64_t *)arg = e->received_at;
	return false;
}

static bool business_row(const struct store_business *b, void *arg)
{
	const struct store_page newest = {.limit = 1};
	struct admin_table *t = arg;
	struct html *h = &t->v->out;
	int64_t last = 0;

	if (!admin_table_takes(t, b->id))
		return false;
	html_raw(h, "<tr><td>");
	admin_business_link(t->v, b->id, b->name);
	html_put(h, "<br><span class=\"small soft\">%s</span><br>%s</td><td>", b->id, admin_business_words(b->status));
	connections(t->v, b->id);
	html_raw(h, "</td><td>");
	if (store_event_list(t->v->s->store, b->id, 0, &newest, newest_event, &last) != STORE_OK)
		h->failed = true;
	html_time(h, last);
	html_raw(h, "</td></tr>");
	return true;
}

#define BUSINESSES_HEAD                                                                                                \
	"<table class=\"businesses\"><caption>Newest first</caption><thead><tr><th scope=\"col\">Business</th>"        \
	"<th scope=\"col\">Connections</th><th scope=\"col\">Last webhook</th></tr></thead><tbody>"

static void finder(struct visit *v, const char *text)
{
	html_put(&v->out,
		"<form method=\"get\" action=\"find\"><label for=\"text\">Find by the beginning of the id, or a part "
		"of the name</label><div class=\"copy\"><input type=\"text\" id=\"text\" name=\"text\" value=\"%s\" "
		"required maxlength=\"64\" autocomplete=\"off\" autocapitalize=\"none\" spellcheck=\"false\">"
		"<button class=\"quiet\">Find</button></div></form>",
		text);
}

void admin_find_get(struct visit *v)
{
	char text[4 * 64 + 1];
	struct admin_table t = {.v = v, .page = "./", .head = BUSINESSES_HEAD};
	enum store_error err;

	if (!visit_query(v, "text", text, sizeof(text)) || text[0] == '\0') {
		visit_redirect(v, "");
		return;
	}
	layout_begin(v, "", "Businesses found", NULL);
	finder(v, text);
	err = store_business_find(v->s->store, text, ADMIN_PAGE + 1, business_row, &t);
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	if (t.rows == 1) {
		char found[sizeof("business?id=") + STORE_BUSINESS_ID_LEN];

		(void)snprintf(found, sizeof(found), "business?id=%s", t.last);
		visit_redirect(v, found);
		return;
	}
	if (t.more)
		html_put(&v->out, "<p>These are the newest %u of more. Write more of the name or id.</p>", t.rows);
	t.more = false;
	admin_table_end(&t, "None is called so.");
	layout_end(v);
	visit_send(v, 200);
}

static void first_business(struct visit *v)
{
	html_raw(&v->out,
		"<h2>Businesses</h2><div class=\"card\"><p>There is no business yet. Each shop is one. Add the first "
		"on the "
		"machine:</p><p><code>keyhouse business add my-shop --name \"My Shop\"</code></p><p>or from your "
		"platform, "
		"with an admin token: <code>POST /v1/businesses</code> with <code>{\"name\": \"My Shop\"}</code>. What "
		"else "
		"there is to call: <a href=\"../openapi.yaml\">openapi.yaml</a>.</p></div>");
}

void admin_overview_get(struct visit *v)
{
	struct admin_table t = {.v = v, .page = "./", .cursor = "after", .head = BUSINESSES_HEAD};
	const struct store_page wanted = {.after = admin_table_after(&t), .limit = ADMIN_PAGE + 1};
	struct store_counts counts;
	struct kit kit;
	enum store_error err = store_counts(v->s->store, &counts);

	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	layout_begin(v, "", "Overview", NULL);
	health(v);
	if (kit_look(v->s->tenants, &kit) == TENANT_OK && kit.due)
		admin_kit_write(v);
	installation(v);
	totals(v, &counts);
	admin_refused_note(v);
	if (counts.businesses == 0) {
		first_business(v);
	} else {
		html_raw(&v->out, "<h2>Businesses</h2>");
		finder(v, "");
		err = store_business_list(v->s->store, &wanted, business_row, &t);
		if (err == STORE_NOT_FOUND) {
			visit_redirect(v, "");
			return;
		}
		admin_table_end(&t, "There is none.");
	}
	layout_end(v);
	if (err == STORE_OK)
		visit_send(v, 200);
	else
		visit_failed(v, store_error_text(err));
}
