/*
 * A stored connection is checked again, or has its webhooks brought here again, and the
 * page says what came of it.
 */
#include <string.h>

#include "gateway/log.h"
#include "gateway/settings/checks.h"

static bool find(struct visit *v, struct store_connection *s)
{
	enum store_error err = store_connection_get(v->s->store, v->business.id, visit_field(v, "connection"), s);

	if (err == STORE_OK)
		return true;
	if (err == STORE_NOT_FOUND)
		visit_say(v, 404, "This number is not here any more", "Go to Status to see which are.");
	else
		visit_failed(v, store_error_text(err));
	return false;
}

static void failed(struct visit *v, enum connect_error err)
{
	outcome_heading(v, "That did not work just now");
	layout_note(v, "bad");
	if (err == CONNECT_NUMBER_TAKEN)
		html_raw(&v->out,
			"<p>The key belongs to a number that is connected here already, in your shop or "
			"another. Ask whoever gave you the link to these pages.</p>");
	else
		html_raw(&v->out,
			"<p>It is not your fault. Wait a few minutes, then press Check now on the Status page.</p>");
	layout_note_end(v);
	html_raw(&v->out, "<p><a class=\"button\" href=\"./\">To Status</a></p>");
}

static void finish(
	struct visit *v, enum connect_error err, const struct store_connection *s, const struct connect_report *report)
{
	checks_end(v);
	if (v->s->outbound != NULL)
		outbound_changed(v->s->outbound, v->business.id);
	if (err == CONNECT_OK)
		outcome_write(v, s, report, NULL);
	else
		failed(v, err);
	layout_end(v);
	visit_send(v, 200);
}

void check_post(struct visit *v)
{
	struct store_connection s;
	struct connect_report report;
	struct connect connect;
	enum connect_error err;

	if (!find(v, &s))
		return;
	connect = checks_begin(v, "Check now", connect_provider_name(&s));
	err = connect_test(&connect, v->business.id, s.id, &s, &report);
	finish(v, err, &s, &report);
}

void register_post(struct visit *v)
{
	const bool take_over = strcmp(visit_field(v, "take_over"), "yes") == 0;
	struct store_connection s;
	struct connect_report report;
	struct connect connect;
	enum connect_error err;

	if (!find(v, &s))
		return;
	connect = checks_begin(v, take_over ? "Take over" : "Set our address again", connect_provider_name(&s));
	err = connect_register(&connect, v->business.id, s.id, take_over, &s, &report);
	log_info("settings: webhook registered again business=%s connection=%s take_over=%d status=%s link=%s",
		v->business.id, s.id, take_over, connect_state_of(s.status)->name, v->session.id);
	finish(v, err, &s, &report);
}
