/*
 * What went wrong, of all businesses: dead letters, and what came in and was not
 * understood or did not belong. Neither content nor customers: those are the shops'.
 */
#include "gateway/settings/admin.h"

/* A cursor of a row that is gone by now shows the newest. */
static void list_failed(struct visit *v, const char *name, enum store_error err)
{
	if (err == STORE_NOT_FOUND)
		visit_redirect(v, name);
	else
		visit_failed(v, store_error_text(err));
}

/* ------------------------------------------------------------ dead letters */

static bool letter_row(const struct store_letter *l, void *arg)
{
	struct admin_table *t = arg;
	struct html *h = &t->v->out;

	if (!admin_table_takes(t, l->id))
		return false;
	html_raw(h, "<tr><td>");
	html_time(h, l->created_at);
	html_raw(h, "</td><td>");
	admin_business_link(t->v, l->business_id, l->business_name);
	html_put(h, "</td><td>%s: %s", l->type, admin_message_words(l->state));
	if (l->reason[0] != '\0')
		html_put(h, "<br><bdi>%s</bdi>", l->reason);
	html_put(h, "<br><span class=\"small soft\">%u %s", l->attempts, l->attempts == 1 ? "attempt" : "attempts");
	if (l->error_code != 0)
		html_put(h, ", the provider's code %d", (int)l->error_code);
	html_raw(h, "</span></td></tr>");
	return true;
}

void admin_letters_get(struct visit *v)
{
	struct admin_table t = {.v = v,
		.page = "letters",
		.cursor = "after",
		.head = "<table><caption>Newest first</caption><thead><tr><th scope=\"col\">Queued</th>"
			"<th scope=\"col\">Business</th><th scope=\"col\">What became of it</th></tr></thead><tbody>"};
	enum store_error err;

	layout_begin(v, "letters", "Dead letters", NULL);
	html_raw(&v->out,
		"<p>Messages that did not arrive, of all businesses: given up, failed after they were sent, or sent "
		"without an answer that tells. None is sent again by itself.</p>");
	err = store_letter_list(v->s->store, admin_table_after(&t), ADMIN_PAGE + 1, letter_row, &t);
	if (err != STORE_OK) {
		list_failed(v, "letters", err);
		return;
	}
	admin_table_end(&t, "There is none: every message arrived, or is on its way.");
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ quarantine */

static bool quarantined_row(const struct store_quarantined *u, void *arg)
{
	struct admin_table *t = arg;
	struct html *h = &t->v->out;

	if (!admin_table_takes(t, u->id))
		return false;
	html_raw(h, "<tr><td>");
	html_time(h, u->received_at);
	html_raw(h, "</td><td>");
	admin_business_link(t->v, u->business_id, u->business_name);
	html_put(h, "</td><td>%s<br><span class=\"small soft\">field %s", u->reason, u->field);
	if (u->number[0] != '\0')
		html_put(h, ", number id %s", u->number);
	html_raw(h, "</span></td></tr>");
	return true;
}

static bool unparsed_row(const struct store_unparsed *e, void *arg)
{
	struct admin_table *t = arg;
	struct html *h = &t->v->out;

	if (!admin_table_takes(t, e->id))
		return false;
	html_raw(h, "<tr><td>");
	html_time(h, e->received_at);
	html_raw(h, "</td><td>");
	admin_business_link(t->v, e->business_id, e->business_name);
	html_put(h, "</td><td>%s</td></tr>", e->id);
	return true;
}

void admin_quarantine_get(struct visit *v)
{
	struct admin_table updates = {.v = v,
		.page = "quarantine",
		.cursor = "updates",
		.head = "<table><caption>Updates, newest first</caption><thead><tr><th scope=\"col\">Received</th>"
			"<th scope=\"col\">Business</th><th scope=\"col\">Why</th></tr></thead><tbody>"};
	struct admin_table events = {.v = v,
		.page = "quarantine",
		.cursor = "events",
		.head = "<table><caption>Events, newest first</caption><thead><tr><th scope=\"col\">Received</th>"
			"<th scope=\"col\">Business</th><th scope=\"col\">Event</th></tr></thead><tbody>"};
	enum store_error err;

	layout_begin(v, "quarantine", "Quarantine", NULL);
	html_raw(&v->out,
		"<h2>Did not belong</h2><p>Signed with a shop's own secret, but about a number or an account that is "
		"not "
		"its connection's. Kept, and not delivered: once the number is connected, settle the event once more "
		"on "
		"the business's page.</p>");
	err = store_quarantined_list(
		v->s->store, admin_table_after(&updates), ADMIN_PAGE + 1, quarantined_row, &updates);
	if (err == STORE_OK) {
		admin_table_end(&updates, "There is none.");
		html_raw(&v->out,
			"<h2>Could not be read</h2><p>Signed with a shop's own secret, but not JSON, or not of a shape "
			"that "
			"is known here. Kept as it came.</p>");
		err = store_unparsed_list(
			v->s->store, admin_table_after(&events), ADMIN_PAGE + 1, unparsed_row, &events);
	}
	if (err != STORE_OK) {
		list_failed(v, "quarantine", err);
		return;
	}
	admin_table_end(&events, "There is none.");
	layout_end(v);
	visit_send(v, 200);
}
