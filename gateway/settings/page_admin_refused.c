/*
 * Refused calls, for the operator: which calls with virtual keys were refused lately, why, and what
 * to do.
 */
#include <stdlib.h>

#include "gateway/settings/admin.h"

static void who(struct visit *v, const struct refused_call *r)
{
	struct html *h = &v->out;

	if (r->business_id[0] != '\0')
		admin_business_link(v, r->business_id, r->business_id);
	else
		html_raw(h, "nobody known");
	if (r->last4[0] != '\0')
		html_put(h, "<br><span class=\"small\">key ends in <code>%s</code></span>", r->last4);
	html_put(h, "<br><span class=\"small soft\">from %s</span>", r->peer[0] != '\0' ? r->peer : "unknown");
}

/* Why stands below: beside it, sentences leave a phone no room. */
static void row(struct visit *v, const struct refused_call *r)
{
	struct html *h = &v->out;

	html_raw(h, "<tr><td class=\"state\">");
	html_time(h, r->at);
	if (r->count > 1) {
		html_put(h, "<br><span class=\"small soft\">%lld times since ", (long long)r->count);
		html_time(h, r->first_at);
		html_raw(h, "</span>");
	}
	html_put(h, "</td><td><code>%s %s</code><br>", r->method, r->path);
	who(v, r);
	html_put(h, "</td></tr><tr><td colspan=\"2\">%s <span class=\"small soft\">%s</span></td></tr>",
		refused_words(r->why), refused_code(r->why));
}

void admin_refused_get(struct visit *v)
{
	struct refused_call *calls = calloc(REFUSED_CALLS_MAX, sizeof(*calls));
	size_t len = 0;

	layout_begin(v, "refused", "Refused calls", NULL);
	html_raw(&v->out,
		"<p>Calls with a virtual key that were not let through, and what to do about each. Alike ones are one "
		"row. The newest 200 are kept while the service runs, without what was presented as a key. On the "
		"machine: <code>keyhouse refused</code></p>");
	if (calls != NULL)
		len = refused_calls_list(virtual_keys_refused(v->s->virtual_keys), calls);
	else
		v->out.failed = true;
	if (len > 0)
		html_raw(&v->out,
			"<table><caption>Newest first: each with why, and what to do</caption><thead><tr><th "
			"scope=\"col\">When</th><th scope=\"col\">Which call</th></tr></thead><tbody>");
	for (size_t i = 0; i < len; i++)
		row(v, &calls[i]);
	html_raw(&v->out, len > 0 ? "</tbody></table>" : "<p>None since the service was started.</p>");
	free(calls);
	layout_end(v);
	visit_send(v, 200);
}

void admin_refused_note(struct visit *v)
{
	struct refused_call *calls = calloc(REFUSED_CALLS_MAX, sizeof(*calls));
	struct html *h = &v->out;
	long long count = 0;
	size_t len;

	if (calls == NULL) {
		h->failed = true;
		return;
	}
	len = refused_calls_list(virtual_keys_refused(v->s->virtual_keys), calls);
	for (size_t i = 0; i < len; i++)
		count += calls[i].count;
	html_put(h, "<p><a href=\"refused\">Refused calls</a>: %lld of those kept", count);
	if (len > 0) {
		html_raw(h, ", the last one ");
		html_time(h, calls[0].at);
	}
	html_raw(h, "</p>");
	free(calls);
}
