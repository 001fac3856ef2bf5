/*
 * Webhooks brought here by hand: what is to be pasted where, and a line that waits for
 * the first call. Called by checks.c and page_status.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/settings/checks.h"

static void copy_field(
	struct visit *v, const char *what, const struct store_connection *s, const char *label, const char *value)
{
	html_put(&v->out,
		"<label for=\"%s-%s\">%s</label><div class=\"copy\"><input type=\"text\" readonly id=\"%s-%s\" "
		"value=\"%s\"><button type=\"button\" class=\"quiet\" data-copy=\"%s-%s\" aria-label=\"Copy %s\" "
		"hidden>Copy</button></div>",
		what, s->id, label, what, s->id, value, what, s->id, label);
}

static void hand_meta(struct visit *v, const struct store_connection *s, const char *url)
{
	html_raw(&v->out,
		"<p>Usually this service tells Meta itself where messages go. Where that does not work, do it "
		"there:</p>"
		"<ol><li>In your app at developers.facebook.com choose <b>WhatsApp</b>, then "
		"<b>Configuration</b>.</li>"
		"<li>Beside <b>Webhook</b> press <b>Edit</b>, paste these two, and press <b>Verify and "
		"save</b>.</li>");
	html_raw(&v->out, "<li>Below it, under <b>Webhook fields</b>, switch <b>messages</b> on.</li></ol>");
	copy_field(v, "url", s, "Callback URL", url);
	copy_field(v, "token", s, "Verify token", s->verify_token);
}

static void hand_d360(
	struct visit *v, const struct store_connection *s, const char *url, const struct secret *webhook_secret)
{
	if (s->sandbox) {
		html_raw(&v->out,
			"<p>360dialog\xe2\x80\x99s sandbox did not take our address. Press <b>Set our address "
			"again</b>.</p>");
		return;
	}
	html_raw(&v->out,
		"<p>360dialog did not take our address by itself. Press <b>Set our address again</b>, or enter "
		"it in the 360dialog Hub: open your number\xe2\x80\x99s details, then <b>Webhook</b>.</p>");
	copy_field(v, "url", s, "Webhook URL", url);
	if (webhook_secret == NULL)
		return;
	html_raw(&v->out, "<p>Add a header there, with this name and value. The value is shown this once.</p>");
	copy_field(v, "header", s, "Header name", OUTBOUND_D360_HEADER);
	copy_field(v, "value", s, "Header value", (const char *)secret_bytes(webhook_secret));
}

void hand_write(struct visit *v, const struct store_connection *s, const struct secret *webhook_secret)
{
	char url[2049];

	connect_webhook_url(&v->s->doctor.connect, s->business_id, url, sizeof(url));
	html_raw(&v->out, "<section class=\"card\"><h3>Enter our address by hand</h3>");
	if (s->provider == STORE_360DIALOG)
		hand_d360(v, s, url, webhook_secret);
	else
		hand_meta(v, s, url);
	html_raw(&v->out, "</section>");
}

/* waiting.js makes it live; without scripts, loading Status again tells the same. */
void hand_wait(struct visit *v, const struct store_connection *s, int64_t since)
{
	const bool meta = s->provider == STORE_META;
	const char *what = meta ? "Meta\xe2\x80\x99s call" : "the first message";

	html_put(&v->out,
		"<p class=\"waiting\" role=\"status\" data-connection=\"%s\" data-since=\"%lld\" "
		"data-waiting=\"Waiting for %s \xe2\x80\xa6\" data-ok=\"%s came: messages reach us.\">",
		s->id, (long long)since, what, meta ? what : "The first message");
	html_put(&v->out, "%s has not come yet.</p>", meta ? what : "The first message");
	html_put(&v->out, "<p class=\"help\">To be sure, write a WhatsApp message to this number from %s phone.</p>",
		s->sandbox ? "your own" : "any");
}

/* ------------------------------------------------------------ whether it came */

void waiting_get(struct visit *v)
{
	char id[STORE_ID_LEN + 1], since[24], json[96];
	struct store_connection s;
	int64_t at = 0;

	if (!visit_query(v, "connection", id, sizeof(id)) || !visit_query(v, "since", since, sizeof(since)) ||
		store_connection_get(v->s->store, v->business.id, id, &s) != STORE_OK) {
		visit_json(v, 404, "{\"code\":\"not_found\"}");
		return;
	}
	if (connect_last_heard(v->s->store, &s, &at) != STORE_OK) {
		visit_json(v, 503, "{\"code\":\"unavailable\"}");
		return;
	}
	(void)snprintf(json, sizeof(json), "{\"webhook\":\"%s\",\"status\":\"%s\"}",
		at > 0 && at >= strtoll(since, NULL, 10) ? "ok" : "waiting", connect_state_of(s.status)->name);
	visit_json(v, 200, json);
}
