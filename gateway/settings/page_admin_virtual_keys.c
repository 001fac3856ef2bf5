/*
 * The virtual keys of a business, on its page of the operator's: what each may do, when it was used
 * and refused last, and revoking it. Never a key itself.
 */
#include "gateway/settings/admin.h"

struct keys {
	struct visit *v;
	const char *business_id;
	int64_t now;
	unsigned count;
};

static void may(struct html *h, const struct store_virtual_key *k)
{
	bool any = false;

	for (size_t i = 0; i < VIRTUAL_KEY_SCOPES; i++) {
		if ((k->scopes & virtual_key_scopes[i].bit) == 0)
			continue;
		html_put(h, "%s%s", any ? ", " : "", virtual_key_scopes[i].name);
		any = true;
	}
	if (k->numbers[0] != '\0')
		html_put(h, "<br><span class=\"small soft\">number ids <bdi>%s</bdi>", k->numbers);
	else
		html_raw(h, "<br><span class=\"small soft\">all numbers");
	if (k->rate > 0)
		html_put(h, "<br>%u calls a minute", k->rate);
	if (k->budget > 0)
		html_put(h, "<br>%lld of %u messages today", (long long)k->messages_today, k->budget);
	html_raw(h, "</span>");
}

static void state(struct keys *r, const struct store_virtual_key *k)
{
	struct html *h = &r->v->out;

	if (k->revoked_at > 0) {
		html_raw(h, "revoked ");
		html_time(h, k->revoked_at);
		return;
	}
	if (k->expires_at > 0) {
		html_raw(h, k->expires_at > r->now ? "ends " : "expired ");
		html_time(h, k->expires_at);
		if (k->expires_at <= r->now)
			return;
	} else {
		html_raw(h, "live");
	}
	html_raw(h, "<details><summary>Revoke</summary>");
	layout_form(r->v, "revoke-key");
	html_put(h,
		"<input type=\"hidden\" name=\"business\" value=\"%s\"><input type=\"hidden\" name=\"key\" "
		"value=\"%s\">"
		"<p>Calls with it are refused from then on.</p><p class=\"row\"><button "
		"class=\"danger\">Revoke</button></p>"
		"</form></details>",
		r->business_id, k->id);
}

/* Below the key's own row: beside it, sentences leave a phone no room. */
static void calls(struct html *h, const struct store_virtual_key *k)
{
	html_raw(h, "<tr><td colspan=\"3\"><span class=\"small\">Last used: ");
	html_time(h, k->used_at);
	if (k->refused_at > 0) {
		html_raw(h, "<br>Last refused: ");
		html_time(h, k->refused_at);
		html_put(h, ", %lld in all<br>%s", (long long)k->refused_count,
			refused_words(refused_why(k->refused_why)));
	}
	html_raw(h, "</span></td></tr>");
}

static bool key_row(const struct store_virtual_key *read, void *arg)
{
	struct store_virtual_key k = *read;
	struct keys *r = arg;
	struct html *h = &r->v->out;

	virtual_keys_news(r->v->s->virtual_keys, &k);
	if (r->count++ == 0)
		html_raw(h,
			"<table class=\"keys\"><caption>The newest</caption><thead><tr><th scope=\"col\">Key</th>"
			"<th scope=\"col\">What it may</th><th scope=\"col\">State</th></tr></thead><tbody>");
	html_put(h,
		"<tr><th scope=\"row\"><bdi>%s</bdi><br><span class=\"small soft\">ends in "
		"<code>%s</code></span></th><td class=\"state\">",
		k.name, k.last4);
	may(h, &k);
	html_raw(h, "</td><td>");
	state(r, &k);
	html_raw(h, "</td></tr>");
	calls(h, &k);
	return true;
}

void admin_virtual_keys_write(struct visit *v, const char *business_id)
{
	const struct store_page newest = {.limit = ADMIN_PAGE};
	struct keys r = {.v = v, .business_id = business_id, .now = store_now_ms()};

	html_raw(&v->out,
		"<h2>Virtual keys</h2><p>Each stands for the shop's own keys towards one client. New ones are made "
		"over "
		"the API: <code>POST /v1/businesses/ID/keys</code>. Why calls were refused: <a "
		"href=\"refused\">Refused "
		"calls</a>.</p>");
	if (store_virtual_key_list(v->s->store, business_id, &newest, r.now, key_row, &r) != STORE_OK)
		v->out.failed = true;
	html_raw(&v->out, r.count > 0 ? "</tbody></table>" : "<p>There is none yet.</p>");
}
