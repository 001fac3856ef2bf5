/*
 * Connect: a shop owner chooses where his number is, pastes its keys, and sees what the
 * provider says of them. The keys leave here as struct secret, and are never written back.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/settings/checks.h"
#include "gateway/settings/connect_form.h"
#include "vault/vault.h"

static const char *const modules[] = {"connect.js", "waiting.js", NULL};

void connect_get(struct visit *v)
{
	layout_begin(v, NULL, "Connect your WhatsApp number", NULL);
	html_raw(&v->out,
		"<p>Where did you set up WhatsApp for your shop?</p>"
		"<section class=\"card\"><h2>At Meta</h2>"
		"<p>For numbers that you manage at Meta itself, the maker of WhatsApp. You know it by this: you log in "
		"at business.facebook.com or developers.facebook.com, and Meta sends the bill.</p>"
		"<p><a class=\"button\" href=\"connect-meta\">Connect with Meta</a></p></section>"
		"<section class=\"card\"><h2>At 360dialog</h2>"
		"<p>For numbers that you rent from 360dialog, a company that sells access to WhatsApp. You know it by "
		"this: you log in at app.360dialog.com, and 360dialog sends the bill.</p>"
		"<p><a class=\"button\" href=\"connect-360dialog\">Connect with 360dialog</a></p></section>");
	html_raw(&v->out,
		"<details><summary>I am not sure</summary><p>Search your e-mail for \xe2\x80\x9c"
		"360dialog\xe2\x80\x9d. If they ever wrote to you, choose 360dialog, else Meta. A number that is only "
		"in "
		"the WhatsApp Business app on a phone has to be set up at one of the two first.</p></details>");
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ the form */

/* The module kept what was pasted, and says so in place of our words. */
static void kept_write(struct visit *v, const char *how)
{
	html_put(&v->out,
		"<p data-kept=\"%s What you pasted is still in its fields.\">%s The secret values have to be pasted "
		"again.</p>",
		how, how);
}

static void form_page(
	struct visit *v, const struct connect_form *form, const char *title, const struct connect_faults *faults)
{
	layout_begin(v, NULL, title, modules);
	if (faults->len > 0) {
		outcome_heading(v, "Please look at this again");
		layout_note(v, "bad");
		kept_write(v, "Nothing was sent yet.");
		connect_faults_write(v, form, faults);
		layout_note_end(v);
	} else {
		html_raw(&v->out, "<p><a href=\"connect\">My number is somewhere else</a></p>");
	}
	connect_form_write(v, form, faults);
	layout_end(v);
	visit_send(v, 200);
}

#define META_TITLE "Connect with Meta"
#define D360_TITLE "Connect with 360dialog"

void connect_meta_get(struct visit *v)
{
	form_page(v, &connect_form_meta, META_TITLE, &(struct connect_faults){.len = 0});
}

void connect_d360_get(struct visit *v)
{
	form_page(v, &connect_form_d360, D360_TITLE, &(struct connect_faults){.len = 0});
}

/* ------------------------------------------------------------ what was refused */

/* Ends the page: what is wrong in a sentence or two, and the form once more. */
static void refused(struct visit *v, const struct connect_form *form, const char *title, const char *text,
	const struct connect_faults *faults)
{
	outcome_heading(v, title);
	layout_note(v, "bad");
	html_put(&v->out, "<p>%s</p>", text);
	if (faults->len > 0)
		connect_faults_write(v, form, faults);
	kept_write(v, "Nothing was kept.");
	layout_note_end(v);
	html_raw(&v->out, "<h2>Try again</h2>");
	connect_form_write(v, form, faults);
}

/* What a provider's refusal of this value means; the report's words where we have no better ones. */
static const char *refusal_of(const struct connect_report *report)
{
	static const struct {
		const char *field, *text;
	} texts[] = {{"access_token",
			     "Meta does not accept this access token. It was not copied whole, has expired, or was "
			     "withdrawn. Generate a new one."},
		{"app_secret",
			"Meta does not accept App ID and App secret together: one of them is wrong. Copy both again "
			"from the same app."},
		{"api_key",
			"360dialog does not accept this key. A newer one ended it, it was not copied whole, or the box "
			"about the sandbox says the wrong thing. If the box is right, get a new key."}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].field, report->field) == 0)
			return texts[i].text;
	return report->detail;
}

/* Only of this business's own connections: of others' nothing is said. */
static bool is_here_already(struct visit *v, const char *number)
{
	struct store_connection s;

	return number[0] != '\0' && store_connection_by_number(v->s->store, v->business.id, 0, number, &s) == STORE_OK;
}

static void number_taken(struct visit *v, const struct connect_form *form, const char *number)
{
	const bool here = is_here_already(v, number);

	outcome_heading(v, "This number is connected already");
	layout_note(v, "bad");
	if (here)
		html_raw(&v->out,
			"<p>It is one of your shop\xe2\x80\x99s numbers here. To give it a new key, go to "
			"<a href=\"access\">Keys and access</a>.</p>");
	else
		html_raw(&v->out,
			"<p>It may belong to your shop under another name, or somebody else connected it. Ask "
			"whoever gave you the link to these pages. If you pasted a wrong value, try again "
			"below.</p>");
	html_raw(&v->out, "<p>Nothing was kept.</p>");
	layout_note_end(v);
	if (!here)
		connect_form_write(v, form, &(struct connect_faults){.len = 0});
}

static void webhook_taken(struct visit *v, const struct connect_form *form, const struct connect_report *report)
{
	const struct connect_faults faults = {.foreign = report->owner};

	outcome_heading(v, "Another system gets the messages");
	layout_note(v, "bad");
	html_put(&v->out,
		"<p>What customers write to this number is sent to <bdi>%s</bdi> now. If it should come here, tick the "
		"box below.</p>",
		report->owner);
	kept_write(v, "Nothing was kept.");
	layout_note_end(v);
	connect_form_write(v, form, &faults);
}

static void choose(struct visit *v, const struct connect_form *form, const struct connect_report *report)
{
	const struct connect_faults faults = {.choices = report->choices, .choices_len = report->choices_len};

	outcome_heading(v, "Which number?");
	layout_note(v, "bad");
	html_raw(&v->out,
		"<p>This account has several numbers. Choose one in step 3 below. To connect more of them, do "
		"this once for each.</p>");
	kept_write(v, "Nothing was kept.");
	layout_note_end(v);
	connect_form_write(v, form, &faults);
}

static void unavailable(struct visit *v, const struct connect_form *form, const struct connect_report *report)
{
	struct connect_faults faults = {.len = 0};

	if (report->detail[0] != '\0')
		connect_fault_add(&faults, report->field, report->detail);
	else
		log_error("settings: a connection cannot be made business=%s", v->business.id);
	refused(v, form, "That did not work just now",
		"It is not your fault. Wait a few minutes, then press Connect again.", &faults);
}

/* What Meta says no to is mended in the form: it is not kept, so that the form can be sent again. */
static bool is_refused(const struct connect_report *report, struct connect_faults *faults)
{
	static const struct {
		const char *check, *field;
	} blames[] = {{"token", "access_token"}, {"app_secret", "app_secret"}, {"permissions", "access_token"},
		{"number", "phone_number_id"}, {"waba", "waba_id"}};

	for (size_t i = 0; i < sizeof(blames) / sizeof(blames[0]); i++) {
		const struct connect_check *check = connect_check_find(report, blames[i].check);

		if (check != NULL && check->result == CONNECT_CHECK_FAILED)
			connect_fault_add(faults, blames[i].field, check->detail);
	}
	return faults->len > 0;
}

static void not_connected(
	struct visit *v, const struct connect_form *form, enum connect_error err, const struct connect_report *report)
{
	struct connect_faults faults = {.len = 0};

	switch (err) {
	case CONNECT_CREDENTIAL_REFUSED:
		if (report->field[0] == '\0' && is_refused(report, &faults)) {
			refused(v, form, "Not connected", "Meta says no to this:", &faults);
			return;
		}
		connect_fault_add(&faults, report->field, refusal_of(report));
		refused(v, form, "Not connected", "One value was refused:", &faults);
		return;
	case CONNECT_INVALID:
		connect_fault_add(&faults, report->field, report->detail);
		refused(v, form, "Not connected", "One value cannot be right:", &faults);
		return;
	case CONNECT_NUMBER_TAKEN:
		number_taken(v, form, report->number_taken);
		return;
	case CONNECT_WEBHOOK_TAKEN:
		webhook_taken(v, form, report);
		return;
	case CONNECT_CHOICE:
		choose(v, form, report);
		return;
	case CONNECT_OK:
	case CONNECT_NOT_FOUND:
	case CONNECT_STALE:
	case CONNECT_UNAVAILABLE:
		unavailable(v, form, report);
		return;
	}
}

static void log_added(const struct visit *v, const struct store_connection *s)
{
	log_info("connection added business=%s connection=%s provider=%s sandbox=%d status=%s link=%s", v->business.id,
		s->id, s->provider == STORE_META ? "meta" : "360dialog", s->sandbox, connect_state_of(s->status)->name,
		v->session.id);
}

/* ------------------------------------------------------------ Meta */

static const char *text_of(const struct secret *value)
{
	return value != NULL ? (const char *)secret_bytes(value) : NULL;
}

void connect_meta_post(struct visit *v)
{
	struct connect_faults faults = {.len = 0};
	struct secret *app_id, *app_secret, *access_token, *number, *waba;
	struct store_connection s;
	struct connect_report report;
	struct connect connect;
	enum connect_error err;

	connect_form_look(v, &connect_form_meta, &faults);
	if (faults.len > 0) {
		form_page(v, &connect_form_meta, META_TITLE, &faults);
		return;
	}
	app_id = visit_secret(v, "app_id");
	app_secret = visit_secret(v, "app_secret");
	access_token = visit_secret(v, "access_token");
	number = visit_secret(v, "phone_number_id");
	waba = visit_secret(v, "waba_id");
	connect = checks_begin(v, META_TITLE, "Meta");
	err = connect_meta_add(&connect,
		&(struct connect_meta){.business_id = v->business.id,
			.app_id = text_of(app_id),
			.waba_id = text_of(waba),
			.phone_number_id = text_of(number),
			.app_secret = app_secret,
			.access_token = access_token,
			.verify = true,
			.strict = true},
		&s, &report);
	checks_end(v);
	if (err == CONNECT_OK) {
		log_added(v, &s);
		outcome_write(v, &s, &report, NULL);
	} else {
		not_connected(v, &connect_form_meta, err, &report);
	}
	secret_free(app_id);
	secret_free(app_secret);
	secret_free(access_token);
	secret_free(number);
	secret_free(waba);
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ 360dialog */

void connect_d360_post(struct visit *v)
{
	/* Without the tick the key itself tells. */
	const bool ticked = strcmp(visit_field(v, "sandbox"), "yes") == 0;
	struct connect_faults faults = {.len = 0};
	struct secret *api_key, *webhook_secret = NULL;
	struct store_connection s;
	struct connect_report report;
	struct connect connect;
	enum connect_error err;

	connect_form_look(v, &connect_form_d360, &faults);
	if (faults.len > 0) {
		form_page(v, &connect_form_d360, D360_TITLE, &faults);
		return;
	}
	api_key = visit_secret(v, "api_key");
	connect = checks_begin(v, D360_TITLE, "360dialog");
	err = connect_d360_add(&connect,
		&(struct connect_d360){.business_id = v->business.id,
			.api_key = api_key,
			.sandbox = ticked ? &ticked : NULL,
			.verify = true,
			.take_over = strcmp(visit_field(v, "take_over"), "yes") == 0},
		&s, &webhook_secret, &report);
	secret_free(api_key);
	checks_end(v);
	if (err == CONNECT_OK) {
		log_added(v, &s);
		outcome_write(v, &s, &report, webhook_secret);
	} else {
		not_connected(v, &connect_form_d360, err, &report);
	}
	secret_free(webhook_secret);
	layout_end(v);
	visit_send(v, 200);
}
