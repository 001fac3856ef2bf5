/*
 * Asking the provider through the sender, and reading what its answers and our own
 * store say about the webhooks. Called by the files of both providers and connect.c.
 *
 * An answer is from outside: any shape is survived.
 */
#include <cjson/cJSON.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "gateway/connect/internal.h"
#include "gateway/json.h"

#define ASK_TIMEOUT_MS 10000u
#define HANDSHAKE_WAIT_MS 5000
#define HANDSHAKE_LOOK_MS 50

bool connect_is_id(const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	return len > 0 && len <= STORE_PROVIDER_ID_LEN && strspn(text, "0123456789") == len;
}

void connect_text(char *out, size_t room, const char *text)
{
	size_t len = 0;

	for (; *text != '\0' && len + 1 < room; text++)
		if ((unsigned char)*text >= 0x20 && *text != 0x7f)
			out[len++] = *text;
	if (*text != '\0') {
		while (len > 0 && ((unsigned char)out[len - 1] & 0xc0) == 0x80)
			len--;
		if (len > 0 && ((unsigned char)out[len - 1] & 0x80) != 0)
			len--;
	}
	out[len] = '\0';
}

const struct connect_check *connect_check_find(const struct connect_report *report, const char *name)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (strcmp(report->checks[i].name, name) == 0)
			return &report->checks[i];
	return NULL;
}

bool connect_check_is_ok(const struct connect_report *report, const char *name)
{
	const struct connect_check *check = connect_check_find(report, name);

	return check != NULL && check->result == CONNECT_CHECK_OK;
}

bool connect_was_answered(const struct connect_report *report)
{
	bool any = false;

	for (size_t i = 0; i < report->checks_len; i++) {
		const struct connect_check *c = &report->checks[i];

		if (strcmp(c->name, "webhook") == 0)
			continue;
		if (c->result == CONNECT_CHECK_WAITING)
			return false;
		any = any || c->result != CONNECT_CHECK_SKIPPED;
	}
	return any;
}

bool connect_failed_with(const struct connect_report *report, enum finding finding)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (report->checks[i].finding == finding)
			return true;
	return false;
}

void connect_digits(const char *shown, char out[static CONNECT_DIGITS_MAX + 1])
{
	size_t len = 0;

	for (; *shown != '\0' && len < CONNECT_DIGITS_MAX; shown++)
		if (*shown >= '0' && *shown <= '9')
			out[len++] = *shown;
	out[len] = '\0';
}

const char *connect_register_by(const struct connecting *w)
{
	return w->c->register_by != NULL ? w->c->register_by : CONNECT_REGISTER;
}

const char *connect_take_over_by(const struct connecting *w)
{
	return w->c->take_over_by != NULL ? w->c->take_over_by : CONNECT_TAKE_OVER;
}

__attribute__((format(printf, 3, 0))) static void line_add(
	struct connecting *w, struct connect_check line, const char *format, va_list args)
{
	struct connect_report *report = w->report;
	struct connect_check *check;

	if (report->checks_len == CONNECT_CHECKS_MAX)
		return;
	check = &report->checks[report->checks_len++];
	*check = line;
	(void)vsnprintf(check->detail, sizeof(check->detail), format, args);
	if (w->c->told != NULL)
		w->c->told(check, w->c->told_arg);
}

void connect_check(struct connecting *w, const char *name, enum connect_check_result result, const char *format, ...)
{
	const struct connect_check line = {.name = name, .result = result};
	va_list args;

	va_start(args, format);
	line_add(w, line, format, args);
	va_end(args);
}

void connect_fault(struct connecting *w, const char *name, enum finding finding, const char *format, ...)
{
	const struct connect_check line = {.name = name, .result = CONNECT_CHECK_FAILED, .finding = finding};
	va_list args;

	va_start(args, format);
	line_add(w, line, format, args);
	va_end(args);
}

static const char *or_null(const char *text)
{
	return text[0] != '\0' ? text : NULL;
}

/* The sandbox's own, where the connection is to it. */
static enum outbound_kind kind_for(const struct store_connection *s, enum outbound_kind kind)
{
	if (s->sandbox && kind == OUTBOUND_D360_WEBHOOK)
		return OUTBOUND_D360_SANDBOX_WEBHOOK;
	if (s->sandbox && kind == OUTBOUND_D360_WEBHOOK_SET)
		return OUTBOUND_D360_SANDBOX_WEBHOOK_SET;
	return kind;
}

void connect_ask(struct connecting *w, enum outbound_kind kind, enum credential first, const char *body,
	struct outbound_result *result)
{
	const struct store_connection *s = w->connection;
	bool one = kind == OUTBOUND_META_APP_CALLBACK || kind == OUTBOUND_META_APP_SUBSCRIBE ||
		kind == OUTBOUND_D360_HEALTH;
	const struct outbound_check check = {.kind = kind_for(s, kind),
		.business_id = s->business_id,
		.connection_id = s->id,
		.app_id = or_null(s->app_id),
		.waba_id = or_null(s->waba_id),
		.phone_number_id = or_null(s->phone_number_id),
		.url = w->url,
		.body = body,
		.credentials = &w->held.credentials[first],
		.credentials_len = one ? 1 : 2};

	*result = (struct outbound_result){.class = OUTBOUND_OUTCOME_UNKNOWN};
	if (store_now_ms() < w->ask_until && !(w->c->stop != NULL && atomic_load(w->c->stop)) &&
		outbound_check(w->c->outbound, &check, ASK_TIMEOUT_MS, result) != OUTBOUND_OK)
		result->class = OUTBOUND_OUTCOME_UNKNOWN;
}

bool connect_is_silent(const struct outbound_result *result)
{
	switch (result->class) {
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_NO_CREDENTIAL:
		return true;
	case OUTBOUND_ACCEPTED:
	case OUTBOUND_AUTH:
	case OUTBOUND_ACCOUNT:
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		return false;
	}
	return true;
}

const char *connect_why(const struct outbound_result *result)
{
	if (result->class == OUTBOUND_NO_CREDENTIAL)
		return outbound_class_text(result->class);
	return result->class == OUTBOUND_NOT_SENT ? result->reason : "";
}

void connect_check_silent(struct connecting *w, const char *name, const char *why)
{
	/* Asking again later helps against silence, not against this. */
	if (strcmp(why, outbound_class_text(OUTBOUND_NO_CREDENTIAL)) == 0) {
		connect_check(w, name, CONNECT_CHECK_WAITING, "%s", why);
		return;
	}
	connect_check(w, name, CONNECT_CHECK_WAITING, "%s%s; %s later",
		why[0] != '\0' ? why : connect_provider_name(w->connection), why[0] != '\0' ? "" : " did not answer",
		w->stored ? "test the connection again" : "try again");
}

void connect_seen(const struct outbound_result *result, struct seen *seen)
{
	static const struct {
		const char *state;
		enum owner owner;
	} states[] = {{"none", OWNER_NONE}, {"ours", OWNER_OURS}, {"house", OWNER_HOUSE}, {"foreign", OWNER_FOREIGN}};
	cJSON *fields = NULL;
	const char *state, *host;

	*seen = (struct seen){.owner = OWNER_UNKNOWN};
	connect_text(seen->why, sizeof(seen->why), connect_why(result));
	if (result->class != OUTBOUND_ACCEPTED || result->fields == NULL)
		return;
	fields = json_parse(result->fields, strlen(result->fields));
	state = cJSON_GetStringValue(json_get_path(fields, "callback.state"));
	host = cJSON_GetStringValue(json_get_path(fields, "callback.owner"));
	for (size_t i = 0; state != NULL && i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(states[i].state, state) == 0)
			seen->owner = states[i].owner;
	connect_text(seen->host, sizeof(seen->host), host != NULL && host[0] != '\0' ? host : "another system");
	seen->secret = cJSON_IsTrue(json_get_path(fields, "callback.secret"));
	seen->subscribed = cJSON_IsTrue(json_get(fields, "subscribed"));
	seen->deaf = cJSON_IsTrue(json_get(fields, "deaf"));
	cJSON_Delete(fields);
}

const char *connect_url_fault(const struct connecting *w)
{
	bool d360 = w->connection->provider == STORE_360DIALOG, sandbox = w->connection->sandbox;
	const char *host = w->url + strlen("https://");
	size_t len;

	if (sandbox ? w->c->d360_sandbox_is_loopback : d360 ? w->c->d360_is_loopback : w->c->meta_is_loopback)
		return NULL;
	if (strncmp(w->url, "https://", 8) != 0)
		return d360 ? "public_url is http; 360dialog delivers to https only"
			    : "public_url is http; Meta delivers to https only";
	len = strcspn(host, "/");
	if (d360 && memchr(host, '_', len) != NULL)
		return "public_url has an underscore in its host; 360dialog refuses such addresses";
	if (d360 && memchr(host, ':', len) != NULL)
		return "public_url names a port; 360dialog refuses such addresses";
	return NULL;
}

/* ------------------------------------------------------------ the webhook check */

struct newest {
	const char *connection_id;
	int64_t at;
};

static bool look_for_event(const struct store_event_summary *e, void *arg)
{
	struct newest *newest = arg;

	if (strcmp(e->connection_id, newest->connection_id) != 0)
		return true;
	newest->at = e->received_at;
	return false;
}

enum store_error connect_last_heard(struct store *store, const struct store_connection *c, int64_t *at)
{
	const struct store_page some = {.limit = STORE_LIST_MAX};
	struct newest newest = {.connection_id = c->id};
	enum store_error err = store_event_list(store, c->business_id, 0, &some, look_for_event, &newest);

	*at = newest.at > c->handshake_at ? newest.at : c->handshake_at;
	return err;
}

/* A handshake, or a webhook that this connection's secret verified, if one of the newest is there. */
static bool webhook_came(const struct connecting *w)
{
	struct store *store = tenants_store(w->c->tenants);
	struct store_connection now;
	int64_t at;

	if (store_connection_get(store, w->connection->business_id, w->connection->id, &now) == STORE_OK &&
		now.handshake_at > 0)
		return true;
	return connect_last_heard(store, w->connection, &at) == STORE_OK && at > 0;
}

void connect_webhook_check(struct connecting *w)
{
	const struct timespec pause = {.tv_nsec = HANDSHAKE_LOOK_MS * 1000000L};
	const char *name = connect_provider_name(w->connection);
	int64_t until = store_now_ms() + HANDSHAKE_WAIT_MS;
	bool came = webhook_came(w);

	while (!came && w->challenged && store_now_ms() < until) {
		(void)nanosleep(&pause, NULL);
		came = webhook_came(w);
	}
	if (came)
		connect_check(w, "webhook", CONNECT_CHECK_OK, "%s reaches us and proves who it is", name);
	else
		connect_check(w, "webhook", CONNECT_CHECK_WAITING, "waiting for the first webhook from %s", name);
}

void connect_number_described(struct connecting *w, const struct cJSON *fields)
{
	struct store_connection *s = w->connection;
	const char *phone = json_get_string(fields, "display_phone_number");
	const char *name = json_get_string(fields, "verified_name");

	connect_text(s->display_phone, sizeof(s->display_phone), phone != NULL ? phone : "");
	connect_text(s->verified_name, sizeof(s->verified_name), name != NULL ? name : "");
	w->described = true;
}
