/*
 * Activity: how much was written and answered, today and in the days before, and what
 * customers asked for most. Names of products are from outside.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/settings/internal.h"

#define DAY_MS INT64_C(86400000)
#define LAST (STORE_ACTIVITY_DAYS - 1)
#define BAR_WIDTH 20u
#define BARS_HEIGHT 100u
#define ASKED_MAX 10u
#define ASKED_WIDTH 1000

/* What was asked for is known only where the catalogue answers: only it knows what its answers are about. */
struct asked {
	bool known;
	struct store_demand_row rows[ASKED_MAX]; /* the most asked first */
	size_t len;
};

/* "Mon 3 Nov", in UTC as all days here. */
static void day_text(int64_t ms, char out[static 16])
{
	const time_t seconds = (time_t)(ms / 1000);
	char weekday[8], month[8];
	struct tm tm = {0};

	(void)gmtime_r(&seconds, &tm);
	(void)strftime(weekday, sizeof(weekday), "%a", &tm);
	(void)strftime(month, sizeof(month), "%b", &tm);
	(void)snprintf(out, 16, "%.3s %d %.3s", weekday, tm.tm_mday, month);
}

static void put_span(struct html *h, int64_t ms)
{
	const long long s = (long long)(ms / 1000);

	if (ms < 0)
		html_raw(h, "–");
	else if (s < 1)
		html_raw(h, "under 1 second");
	else if (s < 120)
		html_put(h, "%lld s", s);
	else if (s < 2 * 3600)
		html_put(h, "%lld min", s / 60);
	else
		html_put(h, "%lld h", s / 3600);
}

/* ------------------------------------------------------------ figures */

static void put_row(struct html *h, const char *name, int64_t today, int64_t all)
{
	html_put(h, "<tr><th scope=\"row\">%s</th><td class=\"number\">%lld</td><td class=\"number\">%lld</td></tr>",
		name, (long long)today, (long long)all);
}

static void put_figures(struct html *h, const struct store_activity *a, bool asked_known)
{
	const struct store_activity_sum *today = &a->days[LAST], *all = &a->all;

	html_raw(h,
		"<table><caption>Days begin at midnight UTC.</caption><thead><tr><th scope=\"col\">What happened</th>"
		"<th scope=\"col\" class=\"number\">Today</th><th scope=\"col\" class=\"number\">30 "
		"days</th></tr></thead><tbody>");
	put_row(h, "Messages from customers", today->received, all->received);
	if (asked_known)
		put_row(h, "Price questions", today->questions, all->questions);
	put_row(h, "Orders", today->orders, all->orders);
	put_row(h, "Messages to customers that went out", today->answered, all->answered);
	put_row(h, "Messages that came to nothing", today->failed, all->failed);
	put_row(h, "Conversations", today->conversations, all->conversations);
	html_raw(h, "<tr><th scope=\"row\">Usual time to an answer</th><td class=\"number\">");
	put_span(h, today->answer_ms);
	html_raw(h, "</td><td class=\"number\">");
	put_span(h, all->answer_ms);
	html_raw(h,
		"</td></tr></tbody></table>"
		"<p class=\"small soft\">Orders are those sent from your catalogue in WhatsApp. ");
	html_raw(h,
		asked_known ? "Price questions are those about products that this service answered.</p>"
			    : "Price questions are counted where this service answers them from your list of "
			      "products.</p>");
	if (all->failed > 0)
		html_raw(h,
			"<p><a href=\"messages?direction=out&amp;state=failed\">Not delivered</a> and "
			"<a href=\"messages?direction=out&amp;state=dead\">not sent</a>: see why, and send again.</p>");
}

/* ------------------------------------------------------------ the picture */

static int64_t most(const struct store_activity *a, size_t *day)
{
	*day = 0;
	for (size_t i = 1; i < STORE_ACTIVITY_DAYS; i++)
		if (a->days[i].received > a->days[*day].received)
			*day = i;
	return a->days[*day].received;
}

/* Lengths alone, so that it may be stretched; its words stand around it. */
static void put_bars(struct html *h, const struct store_activity *a, int64_t first_day)
{
	char date[16], from[16];
	size_t day;
	const int64_t top = most(a, &day);

	day_text(first_day, from);
	day_text(first_day + (int64_t)day * DAY_MS, date);
	html_raw(h, "<h2>Messages from customers, day by day</h2>");
	html_put(h,
		"<svg class=\"bars\" role=\"img\" aria-label=\"A bar for each of 30 days. Most came on %s: %lld. "
		"Today: %lld.\" "
		"viewBox=\"0 0 %u %u\" preserveAspectRatio=\"none\" width=\"100%%\" height=\"120\">",
		date, (long long)top, (long long)a->days[LAST].received, STORE_ACTIVITY_DAYS * BAR_WIDTH,
		BARS_HEIGHT + 2);
	for (unsigned i = 0; i < STORE_ACTIVITY_DAYS; i++) {
		/* A day with few beside one with many is to be seen, too. */
		const unsigned height =
			a->days[i].received == 0 ? 0 : 2 + (unsigned)(a->days[i].received * (BARS_HEIGHT - 2) / top);

		html_put(h, "<rect class=\"bar\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\"/>", i * BAR_WIDTH + 2,
			BARS_HEIGHT - height, BAR_WIDTH - 4, height);
	}
	html_put(h, "<rect class=\"ground\" x=\"0\" y=\"%u\" width=\"%u\" height=\"2\"/></svg>", BARS_HEIGHT,
		STORE_ACTIVITY_DAYS * BAR_WIDTH);
	html_put(h, "<p class=\"ends small soft\"><span>%s</span><span>most: %lld on %s</span><span>today</span></p>",
		from, (long long)top, date);
}

static void put_days(struct html *h, const struct store_activity *a, int64_t first_day, bool asked_known)
{
	char date[16];

	html_raw(h,
		"<details><summary>All days as a table</summary><div class=\"wide\" tabindex=\"0\" role=\"region\" "
		"aria-label=\"All days\"><table><caption>Newest first, days in UTC</caption><thead><tr>"
		"<th scope=\"col\">Day</th><th scope=\"col\" class=\"number\">From customers</th>"
		"<th scope=\"col\" class=\"number\">Went out</th><th scope=\"col\" class=\"number\">Came to "
		"nothing</th>"
		"<th scope=\"col\" class=\"number\">Conversations</th><th scope=\"col\" class=\"number\">Time to an "
		"answer</th>"
		"<th scope=\"col\" class=\"number\">Orders</th>");
	if (asked_known)
		html_raw(h, "<th scope=\"col\" class=\"number\">Price questions</th>");
	html_raw(h, "</tr></thead><tbody>");
	for (size_t i = STORE_ACTIVITY_DAYS; i-- > 0;) {
		const struct store_activity_sum *d = &a->days[i];

		day_text(first_day + (int64_t)i * DAY_MS, date);
		html_put(h,
			"<tr><th scope=\"row\">%s</th><td class=\"number\">%lld</td><td class=\"number\">%lld</td>"
			"<td class=\"number\">%lld</td><td class=\"number\">%lld</td><td class=\"number\">",
			date, (long long)d->received, (long long)d->answered, (long long)d->failed,
			(long long)d->conversations);
		put_span(h, d->answer_ms);
		html_put(h, "</td><td class=\"number\">%lld</td>", (long long)d->orders);
		if (asked_known)
			html_put(h, "<td class=\"number\">%lld</td>", (long long)d->questions);
		html_raw(h, "</tr>");
	}
	html_raw(h, "</tbody></table></div></details>");
}

/* ------------------------------------------------------------ what was asked for */

static void put_asked(struct html *h, const struct asked *asked)
{
	html_raw(h, "<h2>Most asked products</h2>");
	if (asked->len == 0) {
		html_raw(h, "<p>In the last 30 days nobody asked about a product on your list.</p>");
		return;
	}
	html_raw(h, "<p class=\"small soft\">How many answers named it in 30 days.</p><ol class=\"asked\">");
	for (size_t i = 0; i < asked->len; i++) {
		const struct store_demand_row *r = &asked->rows[i];

		html_put(h,
			"<li><p class=\"ends\"><a href=\"products?change=%s\"><bdi>%s</bdi></a><span>%lld"
			"<span class=\"soft\">, today %lld</span></span></p>",
			r->product_id, r->name, (long long)r->all, (long long)r->today);
		html_put(h,
			"<svg class=\"bars\" aria-hidden=\"true\" viewBox=\"0 0 %d 1\" "
			"preserveAspectRatio=\"none\" width=\"100%%\" height=\"8\">"
			"<rect class=\"ground\" width=\"%d\" height=\"1\"/>"
			"<rect class=\"bar\" width=\"%d\" height=\"1\"/></svg></li>",
			ASKED_WIDTH, ASKED_WIDTH, (int)(r->all * ASKED_WIDTH / asked->rows[0].all));
	}
	html_raw(h, "</ol>");
}

/* ------------------------------------------------------------ */

static void put_activity(struct visit *v, const struct store_activity *a, int64_t first_day, const struct asked *asked)
{
	if (a->all.conversations == 0) {
		html_raw(&v->out,
			"<div class=\"card\"><h2>Nothing in the last 30 days</h2><p>When customers write to your "
			"number, you see here how many did, how many answers went out, and how quickly.</p></div>");
		return;
	}
	if (a->cut_at != 0) {
		layout_note(v, "info");
		html_put(&v->out, "There was so much that only the newest %u messages are counted, those after ",
			STORE_ACTIVITY_ROWS_MAX);
		html_time(&v->out, a->cut_at);
		html_raw(&v->out, ".");
		layout_note_end(v);
	}
	put_figures(&v->out, a, asked->known);
	if (a->all.received > 0)
		put_bars(&v->out, a, first_day);
	if (asked->known)
		put_asked(&v->out, asked);
	put_days(&v->out, a, first_day, asked->known);
}

static bool take_row(const struct store_demand_row *row, void *arg)
{
	struct asked *asked = arg;

	asked->rows[asked->len++] = *row;
	return true;
}

void activity_get(struct visit *v)
{
	const int64_t now = store_now_ms();
	const int64_t first_day = now - now % DAY_MS - (int64_t)LAST * DAY_MS;
	struct asked asked = {.known = strcmp(v->business.responder, "catalogue") == 0};
	struct store_activity a;
	enum store_error err = store_activity(v->s->store, v->business.id, first_day, &a);

	if (err == STORE_OK && asked.known)
		err = store_demand_list(v->s->store, v->business.id, first_day, ASKED_MAX, take_row, &asked);
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	layout_begin(v, "activity", "Activity", NULL);
	put_activity(v, &a, first_day, &asked);
	layout_end(v);
	visit_send(v, 200);
}
