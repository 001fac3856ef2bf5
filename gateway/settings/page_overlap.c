/*
 * Two secrets at one place for a while, as the page of keys shows them: what the newer one has proven, how
 * long the older one is still good, and ending that; and new values of what is made here.
 */
#include <string.h>

#include "gateway/log.h"
#include "gateway/settings/overlap.h"

/* Whether webhooks are known by it; else it sends. */
static bool is_for_webhooks(const char *field)
{
	return strcmp(field, "app_secret") == 0 || strcmp(field, "webhook_secret") == 0 ||
		strcmp(field, "platform_secret") == 0;
}

static void hidden(struct visit *v, const char *form, const char *connection_id, const char *field)
{
	layout_form(v, form);
	html_put(&v->out,
		"<input type=\"hidden\" name=\"connection\" value=\"%s\"><input type=\"hidden\" name=\"field\" "
		"value=\"%s\">",
		connection_id, field);
}

void overlap_current(struct visit *v, const struct store_credential *s)
{
	struct html *h = &v->out;

	html_raw(h, "<br><span class=\"small soft\">");
	if (s->proven_at > 0) {
		html_raw(h, "works since ");
		html_time(h, s->proven_at);
	} else {
		html_raw(h, is_for_webhooks(s->field) ? "no message has come with it yet" : "not used yet");
	}
	html_raw(h, "</span>");
	if (s->refused_at == 0)
		return;
	html_raw(h, "<br>A newer one was refused on ");
	html_time(h, s->refused_at);
	html_raw(h, ". This one is used again.");
}

void overlap_previous(struct visit *v, const struct store_credential *s, const char *name)
{
	struct html *h = &v->out;

	html_put(h, "<tr><th scope=\"row\">%s before</th><td>ends in <b>%s</b><br>", name, s->last4);
	html_raw(h,
		is_for_webhooks(s->field) ? "still accepted until " : "kept until the new one works, at most until ");
	html_time(h, s->ends_at);
	hidden(v, "end-previous", s->connection_id, s->field);
	html_raw(h, "<p class=\"row\"><button class=\"quiet\">");
	html_raw(h, is_for_webhooks(s->field) ? "It was stolen: stop accepting it" : "Destroy it now");
	html_raw(h, "</button></p></form></td></tr>");
}

void overlap_verify_token(struct visit *v, const struct store_connection *c)
{
	struct html *h = &v->out;

	if (c->provider != STORE_META)
		return;
	html_put(h, "<tr><th scope=\"row\">Verify token</th><td><code>%s</code>", c->verify_token);
	if (c->previous_verify_token_ends_at > 0) {
		html_raw(h, "<br>The one before is still accepted until Meta comes with this one, at most until ");
		html_time(h, c->previous_verify_token_ends_at);
		hidden(v, "end-previous", c->id, CONNECT_VERIFY_TOKEN);
		html_raw(h, "<p class=\"row\"><button class=\"quiet\">Stop accepting it</button></p></form>");
	}
	html_raw(h, "</td></tr>");
}

void overlap_rotate_form(struct visit *v, const struct store_connection *c)
{
	const bool meta = c->provider == STORE_META;

	html_put(&v->out, "<details><summary>Make a new %s</summary>", meta ? "verify token" : "webhook secret");
	hidden(v, "rotate", c->id, meta ? CONNECT_VERIFY_TOKEN : "webhook_secret");
	html_raw(&v->out,
		meta ? "<p>Meta asks for it only when our address is entered there, so nothing stops. Enter the new "
		       "one at Meta with the address.</p>"
		     : "<p>It is set at 360dialog at once. What is on its way with the old one is still "
		       "accepted.</p>");
	html_raw(&v->out, "<p class=\"row\"><button data-busy=\"Making it ...\">Make it</button></p></form></details>");
}

/* ------------------------------------------------------------ forms */

void end_previous_post(struct visit *v)
{
	const char *connection = visit_field(v, "connection"), *field = visit_field(v, "field");

	switch (connect_previous_end(&v->s->doctor.connect, v->business.id, connection, field)) {
	case CONNECT_OK:
		log_info("replaced credential ended business=%s connection=%s field=%s", v->business.id, connection,
			field);
		visit_redirect(v, "access?done=old-ended");
		break;
	case CONNECT_NOT_FOUND:
	case CONNECT_INVALID:
		visit_redirect(v, "access?done=gone");
		break;
	case CONNECT_NUMBER_TAKEN:
	case CONNECT_WEBHOOK_TAKEN:
	case CONNECT_CREDENTIAL_REFUSED:
	case CONNECT_CHOICE:
	case CONNECT_STALE:
	case CONNECT_UNAVAILABLE:
		visit_failed(v, "ending a replaced key");
		break;
	}
}

static void not_made(struct visit *v, const char *detail)
{
	html_clear(&v->out);
	layout_begin(v, "access", "Nothing was changed", NULL);
	layout_note(v, "bad");
	html_put(&v->out, "The new one %s", detail);
	layout_note_end(v);
	html_raw(&v->out, "<p><a class=\"button\" href=\"access\">Back to the keys</a></p>");
	layout_end(v);
	visit_send(v, 422);
}

void rotate_post(struct visit *v)
{
	const char *connection = visit_field(v, "connection"), *field = visit_field(v, "field");
	struct connect_report report = {0};
	struct store_connection s;

	switch (connect_rotate_own(&v->s->doctor.connect, v->business.id, connection, field, &s, &report)) {
	case CONNECT_OK:
		log_info("credential replaced by a new one made here business=%s connection=%s field=%s",
			v->business.id, connection, field);
		visit_redirect(v, "access?done=made");
		break;
	case CONNECT_NOT_FOUND:
	case CONNECT_INVALID:
		visit_redirect(v, "access?done=gone");
		break;
	case CONNECT_STALE:
		not_made(v, "is not needed: somebody else made one at the same moment.");
		break;
	case CONNECT_WEBHOOK_TAKEN:
	case CONNECT_CREDENTIAL_REFUSED:
		not_made(v, report.detail);
		break;
	case CONNECT_NUMBER_TAKEN:
	case CONNECT_CHOICE:
	case CONNECT_UNAVAILABLE:
		if (report.detail[0] != '\0')
			not_made(v, report.detail);
		else
			visit_failed(v, "making a new secret");
		break;
	}
}
