/*
 * The table of metrics, written out in Prometheus' text format. Called by listener.c.
 */
#include "gateway/metrics.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/version.h"

#define TEXT_MAX 8192u

struct metric {
	const char *name; /* with its labels */
	const char *type; /* NULL: the same metric as the row above, other labels */
	const char *help;
	long long value;
};

/* name up to its labels. */
static int bare(const char *name)
{
	int len = 0;

	while (name[len] != '\0' && name[len] != '{')
		len++;
	return len;
}

static size_t write_rows(const struct metric *rows, size_t rows_len, char *out, size_t room)
{
	size_t len = 0;

	for (size_t i = 0; i < rows_len && len < room; i++) {
		const struct metric *m = &rows[i];

		if (m->type != NULL)
			len += (size_t)snprintf(out + len, room - len, "# HELP %.*s %s\n# TYPE %.*s %s\n",
				bare(m->name), m->name, m->help, bare(m->name), m->name, m->type);
		if (len < room)
			len += (size_t)snprintf(out + len, room - len, "%s %lld\n", m->name, m->value);
	}
	return len;
}

/* Why webhooks were refused, or something in them put aside. */
static size_t write_whys(const struct inbound_counts *counts, char *out, size_t room)
{
	size_t len = (size_t)snprintf(out, room,
		"# HELP keyhouse_webhooks_refused_total Webhooks that were refused, or partly put aside, by reason\n"
		"# TYPE keyhouse_webhooks_refused_total counter\n");

	for (unsigned i = 0; i < DELIVERY_WHYS && len < room; i++)
		len += (size_t)snprintf(out + len, room - len, "keyhouse_webhooks_refused_total{reason=\"%s\"} %lu\n",
			i == DELIVERY_NO_REASON ? "no_such_business" : delivery_code((enum delivery_why)i),
			counts->whys[i]);
	return len;
}

char *metrics_text(struct store *s, const struct inbound *in, const struct front *front,
	const struct http_server *server, size_t *len)
{
	struct inbound_counts webhooks;
	struct front_counts calls;
	struct http_counts http;
	struct store_counts have;
	char *text;

	if (store_counts(s, &have) != STORE_OK)
		return NULL;
	inbound_counts(in, &webhooks);
	http_server_counts(server, &http);
	front_counts(front, &calls);
	const struct metric rows[] = {
		{"keyhouse_build_info{version=\"" KEYHOUSE_VERSION "\"}", "gauge", "The running version", 1},
		{"keyhouse_webhooks_total{answer=\"accepted\"}", "counter", "Webhooks by answer since the start",
			(long long)webhooks.accepted},
		{"keyhouse_webhooks_total{answer=\"refused\"}", NULL, NULL, (long long)webhooks.refused},
		{"keyhouse_webhooks_total{answer=\"busy\"}", NULL, NULL, (long long)webhooks.busy},
		{"keyhouse_front_calls_total{answer=\"admitted\"}", "counter",
			"Calls with virtual keys since the start", (long long)calls.calls},
		{"keyhouse_front_calls_total{answer=\"refused\"}", NULL, NULL, (long long)calls.refused},
		{"keyhouse_front_limited_total", "counter", "Calls that a limit told to come again",
			(long long)calls.limited},
		{"keyhouse_http_turned_away_total", "counter",
			"Connections that were told to come again: there was no room to wait",
			(long long)http.turned_away},
		{"keyhouse_http_gave_way_total", "counter",
			"Connections that were closed because they were slow and others waited",
			(long long)http.gave_way},
		{"keyhouse_http_often_refused_total", "counter",
			"Refusals of addresses that were refused more than a hundred times in ten seconds",
			(long long)http.often_refused},
		{"keyhouse_http_unread_bodies_total", "counter", "Large bodies of such addresses, answered 429 unread",
			(long long)http.unread},
		{"keyhouse_businesses", "gauge", "Businesses", have.businesses},
		{"keyhouse_connections", "gauge", "Connections", have.connections},
		{"keyhouse_events_unsettled", "gauge", "Accepted webhooks that are not yet split into updates",
			have.unsettled},
		{"keyhouse_responder_asks", "gauge", "Questions and statuses that responders are owed", have.asks},
		{"keyhouse_outbox_messages{state=\"queued\"}", "gauge", "Messages on their way out by state",
			have.queued},
		{"keyhouse_outbox_messages{state=\"retry\"}", NULL, NULL, have.retrying},
		{"keyhouse_outbox_messages{state=\"sending\"}", NULL, NULL, have.sending},
	};

	text = malloc(TEXT_MAX);
	if (text == NULL)
		return NULL;
	*len = write_rows(rows, sizeof(rows) / sizeof(rows[0]), text, TEXT_MAX);
	*len += write_whys(&webhooks, text + *len, TEXT_MAX - *len);
	return text;
}
