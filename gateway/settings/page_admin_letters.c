/*
 * What went wrong, of all businesses: dead letters, and what came in and was not
 * understood or did not belong. Neither content nor customers: those are the shops'.
 */
#include <stdio.h>

#include "gateway/log.h"
#include "gateway/resend.h"
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

static const struct layout_result results[] = {
	[RESEND_DONE - 1] = {"again", "ok", "It is being sent again, as a new message. The old one is discarded."},
	[RESEND_ALREADY - 1] = {"already", "info", "That was sent again or discarded before."},
	[RESEND_NOT_OFFERED - 1] = {"not", "info", "That message is no dead letter any more."},
	[RESEND_MAYBE_ARRIVED - 1] = {"maybe", "bad",
		"It may have arrived by now. Nothing was sent; look at it again."},
	[RESEND_GONE - 1] = {"content", "bad", "Its content is not kept any more: it cannot be sent again."},
	[RESEND_NO_NUMBER - 1] = {"number", "bad", "The number that it left by is not connected any more."},
	[RESEND_WINDOW_CLOSED - 1] = {"window", "bad",
		"The customer wrote more than 24 hours ago: WhatsApp takes only templates now. Nothing was sent."},
	[RESEND_PAUSED - 1] = {"paused", "bad", "The business is suspended. Nothing was sent."},
	[RESEND_NO_SUCH - 1] = {"gone", "info", "That was gone already."},
	[RESEND_FAILED - 1] = {"later", "bad", "That did not work just now. Nothing was done. Try again in a moment."},
	{"discarded", "ok", "It is discarded: it stays as it is, and is shown here no more."},
	{NULL, NULL, NULL},
};

static void letter_form(struct visit *v, const char *name, const struct store_letter *l)
{
	layout_form(v, name);
	html_put(&v->out,
		"<input type=\"hidden\" name=\"business\" value=\"%s\"><input type=\"hidden\" name=\"id\" "
		"value=\"%s\">",
		l->business_id, l->id);
}

static void letter_buttons(struct visit *v, const struct store_letter *l)
{
	const bool unknown = l->state == STORE_MESSAGE_UNKNOWN;

	letter_form(v, "send-again", l);
	if (unknown)
		html_raw(&v->out, "<input type=\"hidden\" name=\"twice\" value=\"yes\">");
	html_put(&v->out, "<button class=\"quiet\">%s</button></form>",
		unknown ? "Send again, perhaps twice" : "Send again");
	letter_form(v, "discard", l);
	html_raw(&v->out, "<button class=\"quiet\">Discard</button></form>");
}

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
	html_raw(h, "</span>");
	letter_buttons(t->v, l);
	html_raw(h, "</td></tr>");
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
	layout_done(v, results);
	html_raw(&v->out,
		"<p>Messages that did not arrive, of all businesses: given up, failed after they were sent, or sent "
		"without an answer that tells. None is sent again by itself; once, by you, while its content is kept. "
		"What is sent again or discarded is shown here no more.</p>");
	err = store_letter_list(v->s->store, admin_table_after(&t), ADMIN_PAGE + 1, letter_row, &t);
	if (err != STORE_OK) {
		list_failed(v, "letters", err);
		return;
	}
	admin_table_end(&t, "There is none: every message arrived, or is on its way.");
	layout_end(v);
	visit_send(v, 200);
}

static void letters_again(struct visit *v, const char *done)
{
	char name[48];

	(void)snprintf(name, sizeof(name), "letters?done=%s", done);
	visit_redirect(v, name);
}

void admin_send_again_post(struct visit *v)
{
	struct store_business b;
	struct resend r = {.tenants = v->s->tenants,
		.outbound = v->s->outbound,
		.business = &b,
		.maybe_duplicate = visit_field(v, "twice")[0] != '\0'};
	const enum store_error err = store_business_get(v->s->store, visit_field(v, "business"), &b);
	enum resend_result result = err == STORE_OK ? resend_make(&r, visit_field(v, "id"))
		: err == STORE_NOT_FOUND	    ? RESEND_NO_SUCH
						    : RESEND_FAILED;

	if (result == RESEND_DONE)
		result = resend_queue(&r, NULL);
	if (result == RESEND_DONE)
		log_info("a message is sent again by the operator business=%s message=%s session=%s", b.id, r.replaced,
			v->who.id);
	resend_clear(&r);
	letters_again(v, results[result - 1].name);
}

void admin_discard_post(struct visit *v)
{
	const char *business = visit_field(v, "business"), *id = visit_field(v, "id");
	const enum store_error err = store_message_discard(v->s->store, business, id);

	if (err != STORE_OK && err != STORE_STALE && err != STORE_NOT_FOUND) {
		visit_failed(v, store_error_text(err));
		return;
	}
	if (err == STORE_OK)
		log_info("a message is discarded by the operator message=%s session=%s", id, v->who.id);
	letters_again(v,
		err == STORE_OK		     ? "discarded"
			: err == STORE_STALE ? results[RESEND_ALREADY - 1].name
					     : results[RESEND_NO_SUCH - 1].name);
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
