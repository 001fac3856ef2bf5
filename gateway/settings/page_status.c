/*
 * Status: whether the shop's numbers work, and what to do where one does not. Names and
 * words of a provider are from outside.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/delivery.h"
#include "gateway/settings/checks.h"

#define DAY_MS 86400000LL
#define EXPIRY_SOON_DAYS 14
#define PUT_ASIDE_DAYS 30

/* ------------------------------------------------------------ a provider's words */

struct word {
	const char *theirs, *ours;
};

/* facts/meta.md 4 and 6 */
static const struct word qualities[] = {{"GREEN", "High"}, {"YELLOW", "Medium: customers complain at times"},
	{"RED", "Low: customers block or report this number. Write to nobody who did not write first"},
	{"UNKNOWN", "Not rated yet"}, {"NA", "Not rated yet"}, {NULL, NULL}};
static const struct word limits[] = {{"TIER_250", "250 new conversations in 24 hours"},
	{"TIER_2K", "2,000 new conversations in 24 hours"}, {"TIER_10K", "10,000 new conversations in 24 hours"},
	{"TIER_100K", "100,000 new conversations in 24 hours"}, {"TIER_UNLIMITED", "No limit"}, {NULL, NULL}};
static const struct word speeds[] = {{"STANDARD", "Up to 80 messages in a second"},
	{"HIGH", "Up to 1,000 messages in a second"}, {"NOT_APPLICABLE", "Not known yet"}, {NULL, NULL}};
static const struct word sendings[] = {{"AVAILABLE", "Yes"}, {"LIMITED", "With limits: look at Meta for the reason"},
	{"BLOCKED", "No: look at Meta for the reason"}, {NULL, NULL}};

static const struct word numbers[] = {{"CONNECTED", "In use"}, {"BANNED", "Banned by WhatsApp"},
	{"RESTRICTED", "Restricted: look at Meta for the reason"}, {"FLAGGED", "Warned for low quality"},
	{"PENDING", "Not registered yet: finish that at Meta"}, {"OFFLINE", "Offline: register it at Meta again"},
	{"DISCONNECTED", "Not registered: register it at Meta"}, {NULL, NULL}};

static void fact_write(struct visit *v, const char *what, const struct word *words, const char *value)
{
	const char *text = value;

	if (value[0] == '\0')
		return;
	for (; words->theirs != NULL; words++)
		if (strcmp(words->theirs, value) == 0)
			text = words->ours;
	html_put(&v->out, "<dt>%s</dt><dd>%s</dd>", what, text);
}

static void expiry_write(struct visit *v, int64_t at)
{
	const long long days = (at - store_now_ms()) / DAY_MS;

	if (at == 0)
		return;
	html_raw(&v->out, "<dt>Access token</dt><dd>");
	if (at < 0) {
		html_raw(&v->out, "Does not expire");
	} else if (at <= store_now_ms()) {
		html_raw(&v->out, "<b>Expired</b> on ");
		html_time(&v->out, at);
	} else {
		html_put(&v->out, days < EXPIRY_SOON_DAYS ? "<b>Expires %s%lld %s</b>, on " : "Expires %s%lld %s, on ",
			days == 0 ? "in less than " : "in ", days == 0 ? 1LL : days, days <= 1 ? "day" : "days");
		html_time(&v->out, at);
		if (days < EXPIRY_SOON_DAYS)
			html_raw(&v->out,
				". In its last week this service renews it by itself. If fewer than 5 days are left, "
				"that did "
				"not work: <a href=\"access\">replace it</a> by one that does not expire.");
	}
	html_raw(&v->out, "</dd>");
}

/* What the provider told by itself since the last look takes the place of what it answered then. */
static bool is_said(const struct doctor_report *report, const struct store_connection *s, enum finding f)
{
	for (size_t i = 0; i < report->len; i++)
		if (report->findings[i].finding == f && strcmp(report->findings[i].connection_id, s->id) == 0)
			return true;
	return false;
}

static void facts_write(struct visit *v, const struct store_connection *s, const struct doctor_report *report)
{
	const bool stopped = is_said(report, s, FINDING_NUMBER_BLOCKED) || is_said(report, s, FINDING_ACCOUNT_GONE);
	struct store_connection_facts f;

	if (store_connection_facts_get(v->s->store, s->business_id, s->id, &f) != STORE_OK)
		return;
	if (!stopped || strcmp(f.number_status, "CONNECTED") != 0)
		fact_write(v, "Number at WhatsApp", numbers, f.number_status);
	if (!stopped || strcmp(f.can_send, "AVAILABLE") != 0)
		fact_write(v, "May send", sendings, f.can_send);
	if (!is_said(report, s, FINDING_QUALITY_LOW) || strcmp(f.quality, "RED") == 0)
		fact_write(v, "Quality", qualities, f.quality);
	fact_write(v, "Messaging limit", limits, f.messaging_limit);
	fact_write(v, "Speed", speeds, f.throughput);
	expiry_write(v, f.token_expires_at);
	if (f.looked_at == 0)
		return;
	html_raw(&v->out, "<dt>Last checked</dt><dd>");
	html_time(&v->out, f.looked_at);
	html_raw(&v->out, "</dd>");
}

/* ------------------------------------------------------------ one number */

static void title_write(struct visit *v, const struct store_connection *s)
{
	const char *number = s->display_phone[0] != '\0' ? s->display_phone : s->phone_number_id;

	html_put(&v->out, "<section class=\"card\" aria-labelledby=\"number-%s\"><h2 id=\"number-%s\"><bdi>%s</bdi>",
		s->id, s->id, number[0] != '\0' ? number : "A number not known yet");
	if (s->verified_name[0] != '\0')
		html_put(&v->out, " <bdi class=\"soft\">%s</bdi>", s->verified_name);
	html_raw(&v->out, "</h2>");
}

/* What of a connection's webhooks was not taken since one was, and might have been the provider's. */
static bool is_refused(const struct store_delivery *d)
{
	const enum delivery_why why = delivery_why(d->refused_why);

	return (d->refused_count > 0 || d->refused_at > d->accepted_at) &&
		(why == DELIVERY_WRONG_SIGNATURE || why == DELIVERY_WRONG_SECRET_HEADER ||
			why == DELIVERY_WRONG_PLATFORM_SIGNATURE);
}

/* heard: something came in already. */
static void state_write(struct visit *v, const struct store_connection *s, bool heard, const struct store_delivery *d)
{
	const struct connect_state *state = connect_state_of(s->status);

	layout_note(v, s->status == STORE_CONNECTION_ACTIVE ? "ok" : state->needs_shop ? "bad" : "wait");
	if (s->status == STORE_CONNECTION_ACTIVE && is_refused(d))
		html_put(&v->out,
			"<b>%s</b><p>The keys work. But what came last was refused. If messages are missing, look at "
			"Last refused below.</p>",
			state->title);
	else if (s->status == STORE_CONNECTION_ACTIVE && !heard)
		html_put(&v->out, "<b>%s</b><p>The keys work. No message has come here yet.</p>", state->title);
	else
		html_put(&v->out, "<b>%s</b><p>%s</p><p>%s</p>", state->title, state->meaning, state->remedy);
	layout_note_end(v);
}

/* Mostly a stranger's, now and then the sign that a secret was changed at the provider. */
static void refused_write(struct html *h, const struct store_delivery *d)
{
	const enum delivery_why why = delivery_why(d->refused_why);

	if (d->refused_at == 0)
		return;
	html_put(h, "<dt>%s</dt><dd>", delivery_is_refusal(why) ? "Last refused" : "Last put aside");
	html_time(h, d->refused_at);
	if (d->refused_count == 0 && d->accepted_at >= d->refused_at)
		html_raw(h, ". Good ones have come since.</dd>");
	else if (d->refused_count == 0) /* an earlier one was settled after it */
		html_put(h, ". %s</dd>", delivery_words(why));
	else
		html_put(h, ", %lld %s. %s</dd>", (long long)d->refused_count,
			d->accepted_at > 0 ? "since the last good one" : "so far, and no good one yet",
			delivery_is_refusal(why) ? delivery_words(why) : "See Put aside below.");
}

struct shop {
	struct visit *v;
	struct doctor_report *report; /* what is amiss, as far as it is remembered */
	int64_t refused_at; /* the last refusal that a number's card tells of */
};

static bool connection_write(const struct store_connection *s, void *arg)
{
	struct shop *shop = arg;
	struct visit *v = shop->v;
	struct store_delivery d;
	int64_t last = 0;
	bool known = connect_last_heard(v->s->store, s, &last) == STORE_OK;

	if (doctor_delivery(&v->s->doctor, s->business_id, s->id, &d) != STORE_OK) {
		d = (struct store_delivery){.accepted_at = 0};
		known = false;
	}
	if (d.accepted_at > last)
		last = d.accepted_at;
	if (delivery_is_refusal(delivery_why(d.refused_why)) && d.refused_at > shop->refused_at)
		shop->refused_at = d.refused_at;
	title_write(v, s);
	/* What stands in the way says more than the state that it led to. */
	if (!doctor_is_stopped(shop->report, s->id) && v->business.status == STORE_BUSINESS_ACTIVE)
		state_write(v, s, !known || last > 0, &d);
	(void)findings_write(v, shop->report, s->id);
	html_put(&v->out, "<dl><dt>Connected through</dt><dd>%s</dd>", connect_provider_name(s));
	facts_write(v, s, shop->report);
	html_raw(&v->out, "<dt>Last heard from WhatsApp</dt><dd>");
	if (known)
		html_time(&v->out, last);
	else
		html_raw(&v->out, "not known just now");
	html_raw(&v->out, "</dd>");
	refused_write(&v->out, &d);
	html_raw(&v->out, "</dl>");
	if (known && last == 0 && s->status != STORE_CONNECTION_SUSPENDED) {
		if (s->provider == STORE_META)
			hand_write(v, s, NULL);
		hand_wait(v, s, 0);
	}
	connection_buttons(v, s);
	html_raw(&v->out, "</section>");
	return true;
}

/* ------------------------------------------------------------ the shop */

static void queue_write(struct visit *v)
{
	struct store_outbox_counts c;

	if (store_outbox_counts(v->s->store, v->business.id, store_now_ms() - DAY_MS, &c) != STORE_OK)
		return;
	html_put(&v->out, "<dt>Waiting to be sent</dt><dd>%lld</dd>", (long long)c.waiting);
	if (c.unknown > 0)
		html_put(&v->out,
			"<dt>Not known whether sent</dt><dd>%lld in the last 24 hours. They are not sent a second "
			"time; "
			"WhatsApp may still tell what became of them.</dd>",
			(long long)c.unknown);
}

/* Of a webhook that could have been no number's: all that could be are suspended, say. */
static void refusal_write(struct visit *v, int64_t told_at)
{
	struct doctor_refusal r;

	if (!v->s->doctor.refusal(v->s->doctor.ctx, v->business.id, &r) || r.at <= told_at)
		return;
	html_raw(&v->out, "<dt>Last refused</dt><dd>");
	html_time(&v->out, r.at);
	html_put(&v->out, ". %s</dd>", r.why);
}

struct aside {
	struct visit *v;
	const char *business_id;
};

/* Connecting a number does not bring what was put aside before: that is the operator's to do. */
static void aside_remedy(const struct aside *a, const char *number)
{
	struct store_connection c;
	const bool connected = number[0] != '\0' &&
		store_connection_by_number(a->v->s->store, a->business_id, 0, number, &c) == STORE_OK;

	if (connected && a->v->admin)
		html_raw(&a->v->out, ". It is connected now: settle these events once more, below.</dd>");
	else if (connected)
		html_raw(&a->v->out,
			". It is connected now. To have what came before, ask whoever runs this service to settle it "
			"once more.</dd>");
	else
		html_put(&a->v->out, ". If that is %s, connect it.</dd>", a->v->admin ? "the shop's" : "yours");
}

static bool number_write(const struct store_put_aside *p, void *arg)
{
	const struct aside *a = arg;
	struct html *h = &a->v->out;
	const size_t len = strlen(p->number);

	html_put(h,
		p->updates == 1 ? "<dt>Put aside</dt><dd>%u update was about "
				: "<dt>Put aside</dt><dd>%u updates were about ",
		p->updates);
	if (len > 0)
		html_put(h, "another number (its id at WhatsApp ends in <bdi>%s</bdi>)",
			p->number + (len > 4 ? len - 4 : 0));
	else
		html_raw(h, "another WhatsApp account");
	html_raw(h, p->updates == 1 ? ", on " : ", the last on ");
	html_time(h, p->last_at);
	aside_remedy(a, p->number);
	return true;
}

void put_aside_write(struct visit *v, const char *business_id)
{
	const int64_t since = store_now_ms() - PUT_ASIDE_DAYS * DAY_MS;
	struct aside a = {v, business_id};

	if (store_quarantined_numbers(v->s->store, business_id, since, number_write, &a) != STORE_OK)
		html_raw(&v->out, "<dt>Put aside</dt><dd>not known just now</dd>");
}

static void shop_write(struct visit *v, int64_t refused_at)
{
	static const struct word responders[] = {
		{"none", "Nobody by itself: messages are kept, and you find them under Messages"},
		{"catalogue", "This service, from your list of products and prices"},
		{"platform", "The service of whoever gave you the link to these pages"}, {NULL, NULL}};

	html_raw(&v->out, "<h2>Answers</h2><dl>");
	fact_write(v, "Who answers customers", responders, v->business.responder);
	queue_write(v);
	refusal_write(v, refused_at);
	put_aside_write(v, v->business.id);
	html_raw(&v->out, "</dl>");
}

static void welcome(struct visit *v)
{
	html_raw(&v->out,
		"<section class=\"card\"><h2>Welcome</h2>"
		"<p>Connect your shop\xe2\x80\x99s WhatsApp number, and what customers write to it arrives here and "
		"can "
		"be answered by itself.</p>"
		"<p>You need ten minutes, and the password of the account where you manage the number. The next page "
		"says step by step what to press.</p>"
		"<p><a class=\"button\" href=\"connect\">Connect your number</a></p></section>");
}

static enum store_error numbers_write(struct visit *v, struct doctor_report *report)
{
	const struct store_page all = {.limit = TENANT_CONNECTIONS_MAX, .ascending = true};
	struct shop shop = {.v = v, .report = report};
	enum store_error err;

	doctor_button(v, "Check everything", "quiet");
	err = store_connection_list(v->s->store, v->business.id, &all, connection_write, &shop);
	shop_write(v, shop.refused_at);
	html_raw(&v->out, "<p><a href=\"connect\">Connect another number</a></p>");
	return err;
}

void status_get(struct visit *v)
{
	static const char *const modules[] = {"waiting.js", NULL};
	struct doctor_report *report = malloc(sizeof(*report));
	enum store_error err = report != NULL ? doctor_recall(&v->s->doctor, v->business.id, report) : STORE_NO_MEMORY;

	layout_begin(v, "", "Status", modules);
	if (err == STORE_OK)
		(void)findings_write(v, report, "");
	if (err == STORE_OK && report->connections == 0)
		welcome(v);
	else if (err == STORE_OK)
		err = numbers_write(v, report);
	free(report);
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	layout_end(v);
	visit_send(v, 200);
}
