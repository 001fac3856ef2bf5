/*
 * One business, for the operator: its connections, what came and went lately without what
 * it said or whom it was to, its virtual keys and settings links; and switching it off and on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/delivery.h"
#include "gateway/link.h"
#include "gateway/log.h"
#include "gateway/settings/admin.h"
#include "gateway/settings/checks.h"
#include "vault/vault.h"

#define SHOWN 20u

static const struct store_page newest = {.limit = SHOWN};

struct rows {
	struct visit *v;
	const char *business_id;
	const char *head; /* <table>, written before the first row */
	unsigned count;
};

static struct html *row(struct rows *r)
{
	if (r->count++ == 0)
		html_raw(&r->v->out, r->head);
	return &r->v->out;
}

static void rows_end(struct rows *r, enum store_error err, const char *empty)
{
	if (err != STORE_OK)
		r->v->out.failed = true;
	if (r->count > 0)
		html_raw(&r->v->out, "</tbody></table>");
	else
		html_put(&r->v->out, "<p>%s</p>", empty);
}

bool admin_business_find(struct visit *v, const char *id, struct store_business *b)
{
	enum store_error err = store_business_get(v->s->store, id, b);

	if (err == STORE_NOT_FOUND)
		visit_say(v, 404, "There is no such business",
			"Its id is the one that your platform gave it, or that was made here; upper and lower case "
			"matter.");
	else if (err != STORE_OK)
		visit_failed(v, store_error_text(err));
	return err == STORE_OK;
}

void admin_business_back(struct visit *v, const struct store_business *b, const char *done)
{
	char name[STORE_BUSINESS_ID_LEN + 64];

	(void)snprintf(name, sizeof(name), "business?id=%s&done=%s", b->id, done);
	visit_redirect(v, name);
}

void admin_business_form(struct visit *v, const char *name, const char *business_id)
{
	layout_form(v, name);
	html_put(&v->out, "<input type=\"hidden\" name=\"business\" value=\"%s\">", business_id);
}

/* ------------------------------------------------------------ what it is */

static void switches(struct visit *v, const struct store_business *b)
{
	if (b->status == STORE_BUSINESS_SUSPENDED) {
		admin_business_form(v, "resume", b->id);
		html_raw(&v->out, "<p class=\"row\"><button>Resume</button></p></form>");
		return;
	}
	html_raw(&v->out, "<details><summary>Suspend this business</summary>");
	admin_business_form(v, "suspend", b->id);
	html_raw(&v->out,
		"<p>Its webhooks are refused and nothing is sent until it is resumed. Its keys are kept.</p>"
		"<p class=\"row\"><button class=\"danger\">Suspend</button></p></form></details>");
}

static void about(struct visit *v, const struct store_business *b)
{
	struct html *h = &v->out;
	char url[2048];

	connect_webhook_url(&v->s->doctor.connect, b->id, url, sizeof(url));
	html_put(h, "<dl><dt>Name</dt><dd><bdi>%s</bdi></dd><dt>Id</dt><dd>%s</dd><dt>State</dt><dd>%s</dd>", b->name,
		b->id, admin_business_words(b->status));
	html_put(h, "<dt>Responder</dt><dd>%s</dd><dt>Added</dt><dd>", b->responder);
	html_time(h, b->created_at);
	html_raw(h, "</dd>");
	put_aside_write(v, b->id);
	html_put(h,
		"</dl><label for=\"webhook\">Webhook URL</label><div class=\"copy\"><input type=\"text\" "
		"id=\"webhook\" "
		"readonly value=\"%s\"><button type=\"button\" class=\"quiet\" data-copy=\"webhook\" "
		"hidden>Copy</button></div>",
		url);
	switches(v, b);
}

/* As its owner reads them. */
static void findings(struct visit *v, const char *id)
{
	struct doctor_report *report = malloc(sizeof(*report));

	html_raw(&v->out, "<h2>What is amiss</h2>");
	if (report == NULL || doctor_recall(&v->s->doctor, id, report) != STORE_OK)
		html_raw(&v->out, "<p>Not known just now.</p>");
	else if (report->len == 0)
		html_raw(&v->out, "<p>Nothing that is known.</p>");
	else
		findings_write_all(v, report);
	free(report);
}

/* ------------------------------------------------------------ what happened */

/* Below the connection's own row: beside it, sentences leave a phone no room. */
static void delivery_row(struct visit *v, const struct store_connection *c)
{
	struct store_delivery d;

	html_raw(&v->out, "<tr><td colspan=\"3\">");
	if (doctor_delivery(&v->s->doctor, c->business_id, c->id, &d) != STORE_OK) {
		html_raw(&v->out, "Its webhooks: not known just now</td></tr>");
		return;
	}
	html_raw(&v->out, "Last webhook accepted: ");
	html_time(&v->out, d.accepted_at);
	if (d.refused_at > 0) {
		const enum delivery_why why = delivery_why(d.refused_why);

		html_raw(&v->out, delivery_is_refusal(why) ? "<br>Last refused: " : "<br>Last put aside: ");
		html_time(&v->out, d.refused_at);
		html_put(&v->out, ", %lld since the last good one<br><span class=\"small\">%s</span>",
			(long long)d.refused_count, delivery_words(why));
	}
	html_raw(&v->out, "</td></tr>");
}

static bool connection_row(const struct store_connection *c, void *arg)
{
	struct rows *r = arg;
	struct html *h = row(r);

	html_put(h, "<tr><th scope=\"row\">%s</th><td>%s</td><td>%s</td></tr>",
		c->display_phone[0] != '\0' ? c->display_phone : "not known yet", connect_provider_name(c),
		admin_connection_words(c->status));
	delivery_row(r->v, c);
	return true;
}

static void event_counts(struct html *h, const struct store_event_summary *e)
{
	switch (e->state) {
	case STORE_EVENT_ACCEPTED:
		html_raw(h, "accepted, not worked through yet");
		break;
	case STORE_EVENT_UNPARSED:
		html_raw(h, "kept, but could not be read");
		break;
	case STORE_EVENT_SETTLED:
		html_put(h, "%u delivered", e->delivered);
		if (e->duplicates > 0)
			html_put(h, ", %u seen before", e->duplicates);
		if (e->quarantined > 0)
			html_put(h, ", %u quarantined", e->quarantined);
		break;
	}
}

/* The row is still open behind it. */
static struct html *event_begin(const struct store_event_summary *e, struct rows *r)
{
	struct html *h = row(r);

	html_raw(h, "<tr><td>");
	html_time(h, e->received_at);
	html_raw(h, "</td><td>");
	event_counts(h, e);
	html_raw(h, "</td>");
	return h;
}

static bool event_row(const struct store_event_summary *e, void *arg)
{
	html_raw(event_begin(e, arg), "</tr>");
	return true;
}

/* Where something was put aside: what belongs here by now comes when the event is settled once more. */
static bool aside_row(const struct store_event_summary *e, void *arg)
{
	struct rows *r = arg;
	struct html *h = event_begin(e, r);

	html_raw(h, "<td>");
	admin_business_form(r->v, "replay", r->business_id);
	html_put(h,
		"<input type=\"hidden\" name=\"event\" value=\"%s\"><button class=\"quiet\">Settle</button></form>"
		"</td></tr>",
		e->id);
	return true;
}

static bool message_row(const struct store_message *m, void *arg)
{
	struct html *h = row(arg);

	html_raw(h, "<tr><td>");
	html_time(h, m->created_at);
	html_put(h, "</td><td>%s</td><td>%s</td><td class=\"state\">%s", m->direction == STORE_INBOUND ? "in" : "out",
		m->type, admin_message_words(m->state));
	if (m->reason[0] != '\0')
		html_put(h, "<br><bdi class=\"small\">%s</bdi>", m->reason);
	html_raw(h, "</td></tr>");
	return true;
}

static void happenings(struct visit *v, const char *id)
{
	const struct store_page all = {.limit = STORE_LIST_MAX, .ascending = true};
	struct rows connections = {.v = v,
		.head = "<table><caption>Numbers, whose they are and how they stand</caption><thead><tr>"
			"<th scope=\"col\">Number</th><th scope=\"col\">Provider</th><th scope=\"col\">Status</th></tr>"
			"</thead><tbody>"};
	struct rows events = {.v = v,
		.head = "<table><caption>The newest webhooks</caption><thead><tr><th scope=\"col\">Received</th>"
			"<th scope=\"col\">What became of it</th></tr></thead><tbody>"};
	struct rows aside = {.v = v,
		.business_id = id,
		.head = "<table><caption>The newest of which something was put aside. Once its number is connected, "
			"settle "
			"the event once more: what was delivered before is not delivered again.</caption><thead><tr>"
			"<th scope=\"col\">Received</th><th scope=\"col\">What became of it</th>"
			"<th scope=\"col\">Once more</th></tr></thead><tbody>"};
	struct rows messages = {.v = v,
		.head = "<table><caption>The newest, without what they say</caption><thead><tr><th "
			"scope=\"col\">Time</th><th scope=\"col\">Way</th><th scope=\"col\">Type</th>"
			"<th scope=\"col\">State</th></tr></thead><tbody>"};

	html_raw(&v->out, "<h2>Connections</h2>");
	rows_end(&connections, store_connection_list(v->s->store, id, &all, connection_row, &connections),
		"No number is connected.");
	html_raw(&v->out, "<h2>Events</h2>");
	rows_end(&events, store_event_list(v->s->store, id, 0, &newest, event_row, &events), "No webhook came yet.");
	html_raw(&v->out, "<h2>Put aside</h2>");
	rows_end(
		&aside, store_quarantined_events(v->s->store, id, &newest, aside_row, &aside), "Nothing is put aside.");
	html_raw(&v->out, "<h2>Messages</h2>");
	rows_end(&messages, store_message_list(v->s->store, id, NULL, &newest, message_row, &messages),
		"There is no message yet.");
}

/* ------------------------------------------------------------ settings links */

static const char *link_words(const struct store_link *l, int64_t now)
{
	if (l->revoked_at > 0)
		return "ended here";
	if (l->opened_at > 0)
		return l->ends_at > now ? "open in a browser" : "was opened, has ended";
	return l->expires_at > now ? "not opened yet" : "expired unopened";
}

static bool link_row(const struct store_link *l, void *arg)
{
	struct rows *r = arg;
	struct html *h = row(r);
	const int64_t now = store_now_ms();

	html_raw(h, "<tr><td>");
	html_time(h, l->created_at);
	html_put(h, "</td><td>%s</td><td>", link_words(l, now));
	if (l->revoked_at == 0 && (l->opened_at > 0 ? l->ends_at : l->expires_at) > now) {
		admin_business_form(r->v, "end-link", r->business_id);
		html_put(h,
			"<input type=\"hidden\" name=\"link\" value=\"%s\"><button class=\"quiet\">End "
			"it</button></form>",
			l->id);
	}
	html_raw(h, "</td></tr>");
	return true;
}

static void links(struct visit *v, const char *id)
{
	struct rows r = {.v = v,
		.business_id = id,
		.head = "<table><caption>The newest, and the browsers that opened them</caption><thead><tr>"
			"<th scope=\"col\">Made</th><th scope=\"col\">State</th><th "
			"scope=\"col\">End</th></tr></thead><tbody>"};

	html_raw(&v->out,
		"<h2>Settings links</h2><p>A link opens the shop's own pages: once, within an hour. Send it to the "
		"shop's "
		"owner alone.</p>");
	admin_business_form(v, "link", id);
	html_raw(&v->out, "<p class=\"row\"><button>Make a settings link</button></p></form>");
	rows_end(&r, store_link_list(v->s->store, id, &newest, link_row, &r), "There is none yet.");
}

void admin_business_get(struct visit *v)
{
	char id[STORE_BUSINESS_ID_LEN + 1];
	struct store_business b;

	if (!visit_query(v, "id", id, sizeof(id)))
		id[0] = '\0';
	if (!admin_business_find(v, id, &b))
		return;
	layout_begin(v, NULL, b.name, NULL);
	admin_done(v);
	about(v, &b);
	findings(v, b.id);
	happenings(v, b.id);
	admin_virtual_keys_write(v, b.id);
	links(v, b.id);
	html_put(&v->out, "<p><a href=\"audit?business=%s\">Who used or changed its keys</a></p>", b.id);
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ making and ending a link */

static void link_show(struct visit *v, const struct store_business *b, const char *url)
{
	layout_begin(v, NULL, "A settings link", NULL);
	layout_note(v, "info");
	html_raw(&v->out, "It is shown this once. It opens once, within an hour.");
	layout_note_end(v);
	html_put(&v->out, "<label for=\"link\">Link for <bdi>%s</bdi></label>", b->name);
	html_put(&v->out,
		"<div class=\"copy\"><input type=\"text\" id=\"link\" readonly autocomplete=\"off\" value=\"%s\">"
		"<button type=\"button\" data-copy=\"link\" hidden>Copy</button></div>",
		url);
	html_put(&v->out, "<p><a href=\"business?id=%s\">Back to the business</a></p>", b->id);
	layout_end(v);
	visit_send(v, 200);
}

void admin_link_post(struct visit *v)
{
	char url[LINK_URL_MAX + 1];
	struct store_business b;
	struct store_link l;
	enum store_error err;

	if (!admin_business_find(v, visit_field(v, "business"), &b))
		return;
	err = link_make(v->s->store, v->s->public_url, b.id, LINK_LIFE_MS, &l, url);
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	log_info("settings link made by the operator business=%s link=%s session=%s", b.id, l.id, v->who.id);
	link_show(v, &b, url);
	vault_wipe(url, sizeof(url));
}

void admin_end_link_post(struct visit *v)
{
	struct store_business b;
	enum store_error err;

	if (!admin_business_find(v, visit_field(v, "business"), &b))
		return;
	err = store_link_revoke(v->s->store, b.id, visit_field(v, "link"));
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		admin_business_back(v, &b, err == STORE_OK ? "link-ended" : "gone");
	else
		visit_failed(v, store_error_text(err));
}

/* ------------------------------------------------------------ settling an event once more */

static const char *replay_done(enum store_replay found)
{
	switch (found) {
	case STORE_REPLAY_BEGINS:
	case STORE_REPLAY_WAITS:
		return "settling";
	case STORE_REPLAY_NOTHING:
		return "nothing-aside";
	case STORE_REPLAY_TOO_OLD:
		return "too-old";
	}
	return "gone";
}

void admin_replay_post(struct visit *v)
{
	const char *event = visit_field(v, "event");
	struct store_business b;
	enum store_replay found;
	enum store_error err;

	if (!admin_business_find(v, visit_field(v, "business"), &b))
		return;
	err = store_event_replay(v->s->store, b.id, event, store_now_ms(), &found);
	if (err == STORE_OK && found == STORE_REPLAY_BEGINS)
		log_info("event is settled once more business=%s event=%s session=%s", b.id, event, v->who.id);
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		admin_business_back(v, &b, err == STORE_OK ? replay_done(found) : "gone");
	else
		visit_failed(v, store_error_text(err));
}

/* ------------------------------------------------------------ off and on */

static void switch_to(struct visit *v, enum store_business_status to, const char *done)
{
	struct store_business b;
	enum store_error err;

	if (!admin_business_find(v, visit_field(v, "business"), &b))
		return;
	err = store_business_change(v->s->store, b.id, NULL, to, 0);
	tenants_forget(v->s->tenants, b.id);
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	outbound_changed(v->s->outbound, b.id);
	log_info("business changed by the operator business=%s status=%s session=%s", b.id, admin_business_words(to),
		v->who.id);
	admin_business_back(v, &b, done);
}

void admin_suspend_post(struct visit *v)
{
	switch_to(v, STORE_BUSINESS_SUSPENDED, "suspended");
}

void admin_resume_post(struct visit *v)
{
	switch_to(v, STORE_BUSINESS_ACTIVE, "resumed");
}
