/*
 * Two questions to Meta, debug_token and the number's own node, become five checks
 * (facts/meta.md section 5). The answers are from outside: any shape is survived.
 *
 * Only an answer about the credential itself marks it refused: is_valid false or
 * code 190 to the token; to the app secret 190, 101 or "client secret" from
 * debug_token, which authenticates as app_id|app_secret. Silence never does.
 */
#include "gateway/connect/checks.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/json.h"

#define CHECK_TIMEOUT_MS 10000u
#define CODE_TOKEN_INVALID 190
#define CODE_PARAMETER 100
#define CODE_APP_UNKNOWN 101
#define CODE_UNKNOWN 1

static const char silent[] = "Meta did not answer; test the connection again later";

static void add(struct connect_report *report, const char *name, enum connect_check_result result, const char *detail)
{
	struct connect_check *check;

	if (report->checks_len == CONNECT_CHECKS_MAX)
		return;
	check = &report->checks[report->checks_len++];
	check->name = name;
	check->result = result;
	(void)snprintf(check->detail, sizeof(check->detail), "%s", detail);
}

struct webhook_seen {
	const char *connection_id;
	bool seen;
};

static bool look_for_event(const struct store_event_summary *e, void *arg)
{
	struct webhook_seen *w = arg;

	w->seen = strcmp(e->connection_id, w->connection_id) == 0;
	return !w->seen;
}

/* Proven by a webhook that this connection's secret verified, if one of the newest is there. */
static void add_webhook(
	const struct connect *c, const struct store_connection *connection, struct connect_report *report)
{
	const struct store_page newest = {.limit = STORE_LIST_MAX};
	struct webhook_seen w = {connection->id, false};

	if (store_event_list(tenants_store(c->tenants), connection->business_id, 0, &newest, look_for_event, &w) ==
			STORE_OK &&
		w.seen)
		add(report, "webhook", CONNECT_CHECK_OK, "Meta's webhooks arrive and are signed rightly");
	else
		add(report, "webhook", CONNECT_CHECK_WAITING, "waiting for Meta's first webhook");
}

void checks_skip(const struct connect *c, const struct store_connection *connection, struct connect_report *report,
	const char *why)
{
	static const char *const names[] = {"token", "app_secret", "permissions", "number", "waba"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add(report, names[i], CONNECT_CHECK_SKIPPED, why);
	add_webhook(c, connection, report);
}

/* ------------------------------------------------------------ debug_token */

static bool holds_text(const cJSON *array, const char *text)
{
	const cJSON *item;

	if (!cJSON_IsArray(array))
		return false;
	cJSON_ArrayForEach (item, array)
		if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
			return true;
	return false;
}

static void check_permissions(const cJSON *fields, struct connect_report *report)
{
	const cJSON *scopes = json_get_path(fields, "data.scopes");
	bool messaging = holds_text(scopes, "whatsapp_business_messaging");
	bool management = holds_text(scopes, "whatsapp_business_management");

	if (!cJSON_IsArray(scopes))
		add(report, "permissions", CONNECT_CHECK_WAITING, "Meta's answer did not list the token's permissions");
	else if (messaging && management)
		add(report, "permissions", CONNECT_CHECK_OK,
			"whatsapp_business_messaging, whatsapp_business_management");
	else
		add(report, "permissions", CONNECT_CHECK_FAILED,
			messaging ? "the token lacks whatsapp_business_management"
				: management
				? "the token lacks whatsapp_business_messaging"
				: "the token lacks whatsapp_business_messaging and whatsapp_business_management");
}

/* target_ids of the WhatsApp scopes name the accounts that the token covers; a token for all of them lists none. */
static void check_waba(const cJSON *fields, const char *waba_id, struct connect_report *report)
{
	const cJSON *granular;
	bool listed = false, found = false;

	cJSON_ArrayForEach (granular, json_get_path(fields, "data.granular_scopes")) {
		const char *scope = json_get_string(granular, "scope");
		const cJSON *targets = json_get(granular, "target_ids");

		if (scope == NULL || strncmp(scope, "whatsapp_business_", 18) != 0 || cJSON_GetArraySize(targets) == 0)
			continue;
		listed = true;
		found = found || holds_text(targets, waba_id);
	}
	if (!listed)
		add(report, "waba", CONNECT_CHECK_SKIPPED, "Meta does not list accounts for this token");
	else if (found)
		add(report, "waba", CONNECT_CHECK_OK, "the token covers this WhatsApp Business Account");
	else
		add(report, "waba", CONNECT_CHECK_FAILED, "the token does not cover this WhatsApp Business Account");
}

static void check_token(
	const cJSON *fields, const char *app_id, struct connect_report *report, struct checks_outcome *outcome)
{
	const cJSON *valid = json_get_path(fields, "data.is_valid");
	const cJSON *expires = json_get_path(fields, "data.expires_at");
	const char *owner = cJSON_GetStringValue(json_get_path(fields, "data.app_id"));
	double now = (double)(store_now_ms() / 1000);

	if (!cJSON_IsBool(valid)) {
		add(report, "token", CONNECT_CHECK_WAITING,
			"Meta's answer was not understood; test the connection again later");
	} else if (cJSON_IsFalse(valid)) {
		outcome->token_refused = true;
		add(report, "token", CONNECT_CHECK_FAILED, "Meta says that this access token is not valid");
	} else if (owner != NULL && strcmp(owner, app_id) != 0) {
		add(report, "token", CONNECT_CHECK_FAILED, "the access token belongs to another app than app_id");
	} else if (cJSON_IsNumber(expires) && expires->valuedouble > 0 && expires->valuedouble <= now) {
		add(report, "token", CONNECT_CHECK_FAILED, "the access token has expired");
	} else if (cJSON_IsNumber(expires) && expires->valuedouble > 0 && expires->valuedouble < now + 86400) {
		add(report, "token", CONNECT_CHECK_OK,
			"valid, but it expires within a day; a system user's token does not");
	} else {
		add(report, "token", CONNECT_CHECK_OK, "valid");
	}
}

static bool is_secret_refusal(const struct outbound_result *r)
{
	if (r->class == OUTBOUND_NOT_SENT || r->class == OUTBOUND_OUTCOME_UNKNOWN || r->class == OUTBOUND_NO_CREDENTIAL)
		return false;
	return r->code == CODE_TOKEN_INVALID || r->code == CODE_APP_UNKNOWN ||
		(r->code == CODE_UNKNOWN && strstr(r->reason, "client secret") != NULL);
}

static void debug_refused(
	const struct outbound_result *r, struct connect_report *report, struct checks_outcome *outcome)
{
	if (is_secret_refusal(r)) {
		outcome->secret_refused = true;
		add(report, "token", CONNECT_CHECK_WAITING, "cannot be looked at without the right app_secret");
		add(report, "app_secret", CONNECT_CHECK_FAILED,
			"Meta refuses app_id and app_secret together: one of them is wrong");
	} else if (r->class == OUTBOUND_MESSAGE && r->code == CODE_PARAMETER) {
		add(report, "token", CONNECT_CHECK_FAILED,
			"Meta does not show this token to this app: is it another app's?");
		add(report, "app_secret", CONNECT_CHECK_WAITING, "not proven yet");
	} else {
		add(report, "token", CONNECT_CHECK_WAITING, silent);
		add(report, "app_secret", CONNECT_CHECK_WAITING, silent);
	}
	add(report, "permissions", CONNECT_CHECK_WAITING, "known once the token can be looked at");
	add(report, "waba", CONNECT_CHECK_WAITING, "known once the token can be looked at");
}

static void debug_token(const struct connect *c, const struct store_connection *connection,
	const struct store_credential *credentials, struct connect_report *report, struct checks_outcome *outcome)
{
	const struct outbound_check check = {.kind = OUTBOUND_META_DEBUG_TOKEN,
		.business_id = connection->business_id,
		.connection_id = connection->id,
		.app_id = connection->app_id,
		.credentials = credentials,
		.credentials_len = CREDENTIALS};
	struct outbound_result result = {.class = OUTBOUND_OUTCOME_UNKNOWN};
	cJSON *fields = NULL;

	if (outbound_check(c->outbound, &check, CHECK_TIMEOUT_MS, &result) != OUTBOUND_OK)
		result.class = OUTBOUND_OUTCOME_UNKNOWN;
	if (result.class == OUTBOUND_ACCEPTED) {
		fields = result.fields != NULL ? json_parse(result.fields, strlen(result.fields)) : NULL;
		check_token(fields, connection->app_id, report, outcome);
		add(report, "app_secret", CONNECT_CHECK_OK, "belongs to app_id");
		check_permissions(fields, report);
		check_waba(fields, connection->waba_id, report);
	} else {
		debug_refused(&result, report, outcome);
	}
	cJSON_Delete(fields);
	outbound_result_clear(&result);
}

/* ------------------------------------------------------------ the number */

/* Copies a provider's text: whole characters only, none of them a control character. */
static void text_take(char *out, size_t room, const char *text)
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

static void number_answered(const struct outbound_result *r, struct store_connection *connection,
	struct connect_report *report, struct checks_outcome *outcome)
{
	cJSON *fields = r->fields != NULL ? json_parse(r->fields, strlen(r->fields)) : NULL;
	const char *id = json_get_string(fields, "id");
	const char *phone = json_get_string(fields, "display_phone_number");
	const char *name = json_get_string(fields, "verified_name");

	if (id == NULL) {
		add(report, "number", CONNECT_CHECK_WAITING,
			"Meta's answer was not understood; test the connection again later");
	} else if (strcmp(id, connection->phone_number_id) != 0) {
		add(report, "number", CONNECT_CHECK_FAILED, "Meta answered with another number");
	} else {
		text_take(connection->display_phone, sizeof(connection->display_phone), phone != NULL ? phone : "");
		text_take(connection->verified_name, sizeof(connection->verified_name), name != NULL ? name : "");
		outcome->described = true;
		add(report, "number", CONNECT_CHECK_OK, "the token may use this number");
	}
	cJSON_Delete(fields);
}

static void number(const struct connect *c, struct store_connection *connection, const struct store_credential *token,
	struct connect_report *report, struct checks_outcome *outcome)
{
	const struct outbound_check check = {.kind = OUTBOUND_META_NUMBER,
		.business_id = connection->business_id,
		.connection_id = connection->id,
		.phone_number_id = connection->phone_number_id,
		.credentials = token,
		.credentials_len = 1};
	struct outbound_result result = {.class = OUTBOUND_OUTCOME_UNKNOWN};

	if (outbound_check(c->outbound, &check, CHECK_TIMEOUT_MS, &result) != OUTBOUND_OK)
		result.class = OUTBOUND_OUTCOME_UNKNOWN;
	switch (result.class) {
	case OUTBOUND_ACCEPTED:
		number_answered(&result, connection, report, outcome);
		break;
	case OUTBOUND_AUTH:
		outcome->token_refused = outcome->token_refused || result.code == CODE_TOKEN_INVALID;
		add(report, "number", CONNECT_CHECK_FAILED,
			result.code == CODE_TOKEN_INVALID ? "Meta refuses the access token"
							  : "the token may not use this number");
		break;
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		add(report, "number", CONNECT_CHECK_FAILED, "Meta knows no such number, or the token may not see it");
		break;
	case OUTBOUND_ACCOUNT:
		add(report, "number", CONNECT_CHECK_FAILED,
			"Meta says that the account or number needs attention there");
		break;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_NO_CREDENTIAL:
		add(report, "number", CONNECT_CHECK_WAITING, silent);
		break;
	}
	outbound_result_clear(&result);
}

void checks_run(const struct connect *c, struct store_connection *connection,
	const struct store_credential credentials[static CREDENTIALS], struct connect_report *report,
	struct checks_outcome *outcome)
{
	if (c->outbound == NULL) {
		checks_skip(c, connection, report, "no sender runs; start the service and test the connection");
		return;
	}
	debug_token(c, connection, credentials, report, outcome);
	number(c, connection, &credentials[CREDENTIAL_TOKEN], report, outcome);
	outcome->all_ok = true;
	for (size_t i = 0; i < report->checks_len; i++)
		if (report->checks[i].result == CONNECT_CHECK_FAILED ||
			report->checks[i].result == CONNECT_CHECK_WAITING)
			outcome->all_ok = false;
	add_webhook(c, connection, report);
}
