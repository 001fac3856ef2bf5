/*
 * Check everything: each number's checks as they run, then what is amiss, why, and what to
 * do. What is remembered of it stands on Status, too.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/settings/checks.h"

/* ------------------------------------------------------------ findings */

static void detail_write(struct visit *v, const struct doctor_finding *f)
{
	if (f->detail[0] == '\0' && f->messages == 0)
		return;
	html_raw(&v->out, "<p class=\"small soft\">");
	if (f->messages > 0) {
		html_put(&v->out, "%u %s in the last 24 hours, last ", f->messages,
			f->messages == 1 ? "message" : "messages");
		html_time(&v->out, f->at);
		html_raw(&v->out, ". ");
	}
	if (f->detail[0] != '\0')
		plain_write(v, f->detail);
	html_raw(&v->out, "</p>");
}

static void act_form(struct visit *v, const struct doctor_finding *f, bool take_over, const char *text)
{
	connection_form(v, "register", f->connection_id, take_over);
	html_put(&v->out, "<button data-busy=\"One moment \xe2\x80\xa6\">%s</button></form>", text);
}

/* What it asks for is one press away; the operator only reads. */
static void act_write(struct visit *v, const struct doctor_finding *f)
{
	if (v->admin)
		return;
	switch (finding_action(f->finding)) {
	case FINDING_REGISTER:
		if (f->connection_id[0] != '\0')
			act_form(v, f, false, "Set our address again");
		break;
	case FINDING_TAKE_OVER:
		act_form(v, f, true, "Take over");
		break;
	case FINDING_REPLACE:
		html_raw(&v->out, "<p><a class=\"button\" href=\"access\">Replace the key</a></p>");
		break;
	case FINDING_LOOK_AT_MESSAGES:
		html_raw(&v->out, "<p><a href=\"messages?direction=out\">See the messages</a></p>");
		break;
	case FINDING_LOOK_AT_PRODUCTS:
		html_raw(&v->out, "<p><a class=\"button\" href=\"products\">Add products</a></p>");
		break;
	case FINDING_NO_ACTION:
		break;
	}
}

void finding_write(struct visit *v, const struct doctor_finding *f)
{
	const struct finding_words *words = finding_words(f->finding);

	layout_note(v, words->stops ? "bad" : "look");
	html_put(&v->out, "<b>%s</b><p>%s</p>", words->title, words->cause);
	detail_write(v, f);
	html_put(&v->out, "<p>%s</p>", finding_remedy(f->finding, f->provider));
	act_write(v, f);
	layout_note_end(v);
}

size_t findings_write(struct visit *v, const struct doctor_report *report, const char *connection_id)
{
	size_t found = 0;

	for (size_t i = 0; i < report->len; i++) {
		if (strcmp(report->findings[i].connection_id, connection_id) != 0)
			continue;
		found++;
		finding_write(v, &report->findings[i]);
	}
	return found;
}

void findings_write_all(struct visit *v, const struct doctor_report *report)
{
	(void)findings_write(v, report, "");
	for (size_t i = 0; i < report->len; i++) {
		const struct doctor_finding *f = &report->findings[i];
		bool before = f->connection_id[0] == '\0';

		for (size_t j = 0; j < i; j++)
			before = before || strcmp(report->findings[j].connection_id, f->connection_id) == 0;
		if (before)
			continue;
		html_put(
			&v->out, "<h3><bdi>%s</bdi></h3>", f->number[0] != '\0' ? f->number : "A number not known yet");
		(void)findings_write(v, report, f->connection_id);
	}
}

/* ------------------------------------------------------------ the page */

static void number_write(struct visit *v, const struct store_connection *c)
{
	const char *number = c->display_phone[0] != '\0' ? c->display_phone : c->phone_number_id;

	if (number[0] != '\0')
		html_put(&v->out, "<bdi>%s</bdi>", number);
	else
		html_raw(&v->out, "A number not known yet");
}

struct looking {
	struct visit *v;
	bool begun;
};

static void begins(const struct store_connection *c, void *arg)
{
	struct looking *l = arg;

	if (l->begun)
		checks_end(l->v);
	l->begun = true;
	html_raw(&l->v->out, "<h2>");
	number_write(l->v, c);
	html_put(&l->v->out, "</h2><p>What %s says:</p><ul class=\"checks\" aria-live=\"polite\">",
		connect_provider_name(c));
	(void)visit_flush(l->v);
}

static void outcome(struct visit *v, const struct doctor_report *report)
{
	if (report->len == 0) {
		outcome_heading(v, report->connections > 0 ? "All is well" : "No number is connected yet");
		layout_note(v, report->connections > 0 ? "ok" : "wait");
		html_raw(&v->out,
			report->connections > 0
				? "Nothing was found that needs you. Write to your number from another phone: the "
				  "answer should come within a minute."
				: "Connect one first, then there is something to check.");
		layout_note_end(v);
		return;
	}
	outcome_heading(v, report->len == 1 ? "One thing was found" : "This was found: begin with the first");
	findings_write_all(v, report);
}

void doctor_button(struct visit *v, const char *text, const char *class)
{
	html_raw(&v->out, "<div class=\"row\">");
	layout_form(v, "doctor");
	html_put(&v->out, "<button class=\"%s\" data-busy=\"Checking \xe2\x80\xa6\">%s</button></form></div>", class,
		text);
}

void doctor_page_post(struct visit *v)
{
	struct looking looking = {.v = v};
	struct doctor d = v->s->doctor;
	struct doctor_report *report = malloc(sizeof(*report));
	enum store_error err = STORE_NO_MEMORY;

	d.connect = checks_page_begin(v, "Check everything");
	html_raw(&v->out,
		"<p>This may take up to three minutes. You can close the page meanwhile: what is found stands on "
		"Status, too.</p>");
	(void)visit_flush(v);
	d.begins = begins;
	d.begins_arg = &looking;
	if (report != NULL)
		err = doctor_look(&d, v->business.id, report);
	if (looking.begun)
		checks_end(v);
	if (err == STORE_OK) {
		outcome(v, report);
	} else {
		outcome_heading(v, err == STORE_BUSY ? "One moment, please" : "That did not work just now");
		layout_note(v, "wait");
		html_raw(&v->out,
			err == STORE_BUSY ? "It is being checked already. What is found stands on Status in a moment."
					  : "It is not your fault. Try again in a few minutes.");
		layout_note_end(v);
	}
	if (v->s->outbound != NULL)
		outbound_changed(v->s->outbound, v->business.id);
	doctor_button(v, "Check everything again", "quiet");
	html_raw(&v->out, "<p class=\"row\"><a class=\"button quiet\" href=\"./\">To Status</a></p>");
	layout_end(v);
	visit_send(v, 200);
	free(report);
}
