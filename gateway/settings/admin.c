/*
 * The operator's pages: which there are, and what they share.
 */
#include "gateway/settings/admin.h"

#include <string.h>

#define FORM_MAX 8192u

const struct route admin_routes[] = {
	{.name = "sign-in", .open = true, .get = admin_sign_in_get, .post = admin_sign_in_post, .form_max = FORM_MAX},
	{.name = "sign-out", .post = admin_sign_out_post, .form_max = FORM_MAX},
	{.name = "", .get = admin_overview_get},
	{.name = "find", .get = admin_find_get},
	{.name = "business", .get = admin_business_get},
	{.name = "link", .post = admin_link_post, .form_max = FORM_MAX},
	{.name = "end-link", .post = admin_end_link_post, .form_max = FORM_MAX},
	{.name = "replay", .post = admin_replay_post, .form_max = FORM_MAX},
	{.name = "suspend", .post = admin_suspend_post, .form_max = FORM_MAX},
	{.name = "resume", .post = admin_resume_post, .form_max = FORM_MAX},
	{.name = "letters", .get = admin_letters_get},
	{.name = "send-again", .post = admin_send_again_post, .form_max = FORM_MAX},
	{.name = "discard", .post = admin_discard_post, .form_max = FORM_MAX},
	{.name = "quarantine", .get = admin_quarantine_get},
	{.name = "refused", .get = admin_refused_get},
	{.name = "keys", .get = admin_keys_get},
	{.name = "audit", .get = admin_audit_get},
	{.name = "revoke-token", .post = admin_revoke_token_post, .form_max = FORM_MAX},
	{.name = "make-key", .post = admin_make_key_post, .form_max = FORM_MAX},
	{.name = "revoke-key", .post = admin_revoke_key_post, .form_max = FORM_MAX},
	{.name = "end-session", .post = admin_end_session_post, .form_max = FORM_MAX},
};
const size_t admin_routes_len = sizeof(admin_routes) / sizeof(admin_routes[0]);

/* ------------------------------------------------------------ words */

const char *admin_business_words(enum store_business_status status)
{
	switch (status) {
	case STORE_BUSINESS_ACTIVE:
		return "active";
	case STORE_BUSINESS_SUSPENDED:
		return "suspended";
	}
	return "unknown";
}

const char *admin_connection_words(enum store_connection_status status)
{
	switch (status) {
	case STORE_CONNECTION_PENDING:
		return "not proven yet";
	case STORE_CONNECTION_ACTIVE:
		return "works";
	case STORE_CONNECTION_KEY_REFUSED:
		return "key refused by the provider";
	case STORE_CONNECTION_BLOCKED:
		return "blocked by the provider";
	case STORE_CONNECTION_WEBHOOK_TAKEN:
		return "webhooks go elsewhere";
	case STORE_CONNECTION_SUSPENDED:
		return "suspended";
	}
	return "unknown";
}

const char *admin_message_words(enum store_message_state state)
{
	switch (state) {
	case STORE_MESSAGE_RECEIVED:
		return "received";
	case STORE_MESSAGE_QUEUED:
		return "waits to be sent";
	case STORE_MESSAGE_SENDING:
		return "is being sent";
	case STORE_MESSAGE_RETRY:
		return "will be tried again";
	case STORE_MESSAGE_SENT:
		return "sent";
	case STORE_MESSAGE_DELIVERED:
		return "delivered";
	case STORE_MESSAGE_READ:
		return "read";
	case STORE_MESSAGE_FAILED:
		return "failed after it was sent";
	case STORE_MESSAGE_UNKNOWN:
		return "not known whether it went out";
	case STORE_MESSAGE_DEAD:
		return "given up";
	}
	return "unknown";
}

/* ------------------------------------------------------------ parts of pages */

void admin_done(struct visit *v)
{
	static const struct layout_result results[] = {
		{"suspended", "ok", "The business is suspended: nothing comes in and nothing goes out."},
		{"resumed", "ok", "The business is active again."},
		{"settling", "ok", "The event is being settled once more. Look again in a moment."},
		{"nothing-aside", "info", "Nothing of that event was put aside."},
		{"too-old", "bad",
			"That event is too old: its content is gone, or what was delivered of it would be delivered "
			"again."},
		{"link-ended", "ok", "That link, and the browser that opened it, cannot come in any more."},
		{"revoked", "ok", "The token is revoked. What was opened with it has ended."},
		{"key-revoked", "ok", "The virtual key is revoked. Calls with it are refused."},
		{"session-ended", "ok", "That browser is signed out."},
		{"signed-out", "info", "You are signed out."},
		{"gone", "info", "That was gone already."},
		{NULL, NULL, NULL},
	};

	layout_done(v, results);
}

void admin_business_link(struct visit *v, const char *id, const char *name)
{
	html_put(&v->out, "<a href=\"business?id=%s\"><bdi>%s</bdi></a>", id, name);
}

/* ------------------------------------------------------------ tables */

const char *admin_table_after(struct admin_table *t)
{
	if (!visit_query(t->v, t->cursor, t->after, sizeof(t->after)))
		t->after[0] = '\0';
	return t->after[0] != '\0' ? t->after : NULL;
}

bool admin_table_takes(struct admin_table *t, const char *id)
{
	if (t->rows == ADMIN_PAGE) {
		t->more = true;
		return false;
	}
	if (t->rows++ == 0)
		html_raw(&t->v->out, t->head);
	memcpy(t->last, id, strlen(id) + 1);
	return true;
}

void admin_table_end(struct admin_table *t, const char *empty)
{
	const char *filter = t->filter != NULL ? t->filter : "";
	struct html *h = &t->v->out;

	if (t->rows > 0)
		html_raw(h, "</tbody></table>");
	else
		html_put(h, "<p>%s</p>", t->after[0] != '\0' ? "There is nothing older." : empty);
	if (t->after[0] == '\0' && !t->more)
		return;
	html_raw(h, "<p class=\"row\">");
	if (t->after[0] != '\0')
		html_put(h, "<a class=\"button quiet\" href=\"%s%s%s\">Newest</a>", t->page,
			filter[0] != '\0' ? "?" : "", filter);
	if (t->more)
		html_put(h, "<a class=\"button quiet\" href=\"%s?%s%s%s=%s\">Older</a>", t->page, filter,
			filter[0] != '\0' ? "&" : "", t->cursor, t->last);
	html_raw(h, "</p>");
}
