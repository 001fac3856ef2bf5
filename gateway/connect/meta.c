/*
 * Meta: two questions, debug_token and the number's own node, become five checks
 * (facts/meta.md section 5), and a connection is added by them. The answers are from
 * outside: any shape is survived.
 *
 * Only an answer about the credential itself marks it refused: is_valid false or
 * code 190 to the token; to the app secret 190, 101 or "client secret" from
 * debug_token, which authenticates as app_id|app_secret. Silence never does.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/connect/form.h"
#include "gateway/connect/internal.h"
#include "gateway/json.h"

#define CODE_TOKEN_INVALID 190
#define CODE_PARAMETER 100
#define CODE_APP_UNKNOWN 101
#define CODE_PERMISSION 10
#define SUBCODE_MISSING 33 /* of CODE_PARAMETER: the node itself */
#define CODE_UNKNOWN 1

static void skip(struct connecting *w, const char *why)
{
	static const char *const names[] = {
		"token", "app_secret", "permissions", "number", "waba", "callback", "subscription"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		connect_check(w, names[i], CONNECT_CHECK_SKIPPED, "%s", why);
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

static void check_permissions(struct connecting *w, const cJSON *fields)
{
	const cJSON *scopes = json_get_path(fields, "data.scopes");
	bool messaging = holds_text(scopes, "whatsapp_business_messaging");
	bool management = holds_text(scopes, "whatsapp_business_management");

	if (!cJSON_IsArray(scopes))
		connect_check(
			w, "permissions", CONNECT_CHECK_WAITING, "Meta's answer did not list the token's permissions");
	else if (messaging && management)
		connect_check(w, "permissions", CONNECT_CHECK_OK,
			"whatsapp_business_messaging, whatsapp_business_management");
	else
		connect_check(w, "permissions", CONNECT_CHECK_FAILED, "%s",
			messaging ? "the token lacks whatsapp_business_management"
				: management
				? "the token lacks whatsapp_business_messaging"
				: "the token lacks whatsapp_business_messaging and whatsapp_business_management");
}

/* target_ids of the WhatsApp scopes name the accounts that the token covers; a token for all of them lists none. */
static void check_waba(struct connecting *w, const cJSON *fields)
{
	const cJSON *granular;
	bool listed = false, found = false;

	cJSON_ArrayForEach (granular, json_get_path(fields, "data.granular_scopes")) {
		const char *scope = json_get_string(granular, "scope");
		const cJSON *targets = json_get(granular, "target_ids");

		if (scope == NULL || strncmp(scope, "whatsapp_business_", 18) != 0 || cJSON_GetArraySize(targets) == 0)
			continue;
		listed = true;
		found = found || holds_text(targets, w->connection->waba_id);
	}
	if (!listed)
		connect_check(w, "waba", CONNECT_CHECK_SKIPPED, "Meta does not list accounts for this token");
	else if (found)
		connect_check(w, "waba", CONNECT_CHECK_OK, "the token covers this WhatsApp Business Account");
	else
		connect_check(
			w, "waba", CONNECT_CHECK_FAILED, "the token does not cover this WhatsApp Business Account");
}

static void check_token(struct connecting *w, const cJSON *fields)
{
	const cJSON *valid = json_get_path(fields, "data.is_valid");
	const cJSON *expires = json_get_path(fields, "data.expires_at");
	const char *owner = cJSON_GetStringValue(json_get_path(fields, "data.app_id"));
	double now = (double)(store_now_ms() / 1000);

	if (!cJSON_IsBool(valid)) {
		connect_check(w, "token", CONNECT_CHECK_WAITING,
			"Meta's answer was not understood; test the connection again later");
	} else if (cJSON_IsFalse(valid)) {
		w->refused[CREDENTIAL_TOKEN] = true;
		connect_check(w, "token", CONNECT_CHECK_FAILED, "Meta says that this access token is not valid");
	} else if (owner != NULL && strcmp(owner, w->connection->app_id) != 0) {
		connect_check(w, "token", CONNECT_CHECK_FAILED, "the access token belongs to another app than app_id");
	} else if (cJSON_IsNumber(expires) && expires->valuedouble > 0 && expires->valuedouble <= now) {
		connect_check(w, "token", CONNECT_CHECK_FAILED, "the access token has expired");
	} else if (cJSON_IsNumber(expires) && expires->valuedouble > 0 && expires->valuedouble < now + 86400) {
		connect_check(w, "token", CONNECT_CHECK_OK,
			"valid, but it expires within a day; a system user's token does not");
	} else {
		connect_check(w, "token", CONNECT_CHECK_OK, "valid");
	}
}

static bool is_secret_refusal(const struct outbound_result *r)
{
	if (r->class == OUTBOUND_NOT_SENT || r->class == OUTBOUND_OUTCOME_UNKNOWN || r->class == OUTBOUND_NO_CREDENTIAL)
		return false;
	return r->code == CODE_TOKEN_INVALID || r->code == CODE_APP_UNKNOWN ||
		(r->code == CODE_UNKNOWN && strstr(r->reason, "client secret") != NULL);
}

static void debug_refused(struct connecting *w, const struct outbound_result *r)
{
	if (is_secret_refusal(r)) {
		w->refused[CREDENTIAL_APP_SECRET] = true;
		connect_check(w, "token", CONNECT_CHECK_WAITING, "cannot be looked at without the right app_secret");
		connect_check(w, "app_secret", CONNECT_CHECK_FAILED,
			"Meta refuses app_id and app_secret together: one of them is wrong");
	} else if (r->class == OUTBOUND_MESSAGE && r->code == CODE_PARAMETER) {
		connect_check(w, "token", CONNECT_CHECK_FAILED,
			"Meta does not show this token to this app: is it another app's?");
		connect_check(w, "app_secret", CONNECT_CHECK_WAITING, "not proven yet");
	} else {
		connect_check_silent(w, "token", connect_why(r));
		connect_check_silent(w, "app_secret", connect_why(r));
	}
	connect_check(w, "permissions", CONNECT_CHECK_WAITING, "known once the token can be looked at");
	connect_check(w, "waba", CONNECT_CHECK_WAITING, "known once the token can be looked at");
}

static void debug_token(struct connecting *w)
{
	struct outbound_result result;
	cJSON *fields = NULL;

	connect_ask(w, OUTBOUND_META_DEBUG_TOKEN, CREDENTIAL_TOKEN, NULL, &result);
	if (result.class == OUTBOUND_ACCEPTED) {
		fields = result.fields != NULL ? json_parse(result.fields, strlen(result.fields)) : NULL;
		facts_of_token(w, fields);
		check_token(w, fields);
		connect_check(w, "app_secret", CONNECT_CHECK_OK, "belongs to app_id");
		check_permissions(w, fields);
		check_waba(w, fields);
	} else {
		debug_refused(w, &result);
	}
	cJSON_Delete(fields);
	outbound_result_clear(&result);
}

/* ------------------------------------------------------------ the number */

static void number_answered(struct connecting *w, const struct outbound_result *r)
{
	struct store_connection *connection = w->connection;
	cJSON *fields = r->fields != NULL ? json_parse(r->fields, strlen(r->fields)) : NULL;
	const char *id = json_get_string(fields, "id");

	if (id == NULL) {
		connect_check(w, "number", CONNECT_CHECK_WAITING,
			"Meta's answer was not understood; test the connection again later");
	} else if (strcmp(id, connection->phone_number_id) != 0) {
		connect_check(w, "number", CONNECT_CHECK_FAILED, "Meta answered with another number");
	} else {
		connect_number_described(w, fields);
		facts_of_number(w, fields);
		connect_check(w, "number", CONNECT_CHECK_OK, "the token may use this number");
	}
	cJSON_Delete(fields);
}

/* One field that this token may not read, or that this version of the Graph API does not know, refuses all of them. */
static bool is_field_refusal(const struct outbound_result *r)
{
	return !connect_is_silent(r) && r->class != OUTBOUND_ACCEPTED &&
		(r->code == CODE_PERMISSION || (r->code == CODE_PARAMETER && r->subcode != SUBCODE_MISSING));
}

static void number(struct connecting *w)
{
	struct outbound_result result;

	connect_ask(w, OUTBOUND_META_NUMBER, CREDENTIAL_TOKEN, NULL, &result);
	if (is_field_refusal(&result)) {
		outbound_result_clear(&result);
		connect_ask(w, OUTBOUND_META_NUMBER_SHORT, CREDENTIAL_TOKEN, NULL, &result);
	}
	switch (result.class) {
	case OUTBOUND_ACCEPTED:
		number_answered(w, &result);
		break;
	case OUTBOUND_AUTH:
		if (result.code == CODE_TOKEN_INVALID)
			w->refused[CREDENTIAL_TOKEN] = true;
		connect_check(w, "number", CONNECT_CHECK_FAILED, "%s",
			result.code == CODE_TOKEN_INVALID ? "Meta refuses the access token"
							  : "the token may not use this number");
		break;
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		connect_check(
			w, "number", CONNECT_CHECK_FAILED, "Meta knows no such number, or the token may not see it");
		break;
	case OUTBOUND_ACCOUNT:
		connect_check(w, "number", CONNECT_CHECK_FAILED,
			"Meta says that the account or number needs attention there");
		break;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_NO_CREDENTIAL:
		connect_check_silent(w, "number", connect_why(&result));
		break;
	}
	outbound_result_clear(&result);
}

static void probe(struct connecting *w)
{
	debug_token(w);
	number(w);
	w->all_ok = true;
	for (size_t i = 0; i < w->report->checks_len; i++)
		if (w->report->checks[i].result == CONNECT_CHECK_FAILED ||
			w->report->checks[i].result == CONNECT_CHECK_WAITING)
			w->all_ok = false;
}

static void callback(struct connecting *w, bool set, bool take_over)
{
	if (set)
		register_meta(w, take_over);
	else
		register_look(w);
}

const struct provider meta_provider = {.first = CREDENTIAL_TOKEN,
	.required = 2,
	.at_most = 2,
	.name = "Meta",
	.probe = probe,
	.callback = callback,
	.skip = skip};

/* ------------------------------------------------------------ adding */

/* Whether a key was refused, and which to mend first: while the token is dead, nothing is known of the app secret. */
static bool refused(const struct connecting *w)
{
	if (w->refused[CREDENTIAL_TOKEN])
		form_fault(w->report, "access_token", "Meta refuses this access token; nothing was stored");
	else if (w->refused[CREDENTIAL_APP_SECRET])
		form_fault(w->report, "app_secret", "Meta refuses app_id and app_secret together; nothing was stored");
	else
		return false;
	return true;
}

static enum connect_error add(struct connecting *w, const struct connect_meta *in)
{
	bool live = in->verify && w->c->outbound != NULL;
	enum connect_error err = connect_seal(w, CREDENTIAL_TOKEN, 1, in->access_token);

	if (err == CONNECT_OK)
		err = connect_seal(w, CREDENTIAL_APP_SECRET, 1, in->app_secret);
	if (err != CONNECT_OK)
		return err;
	if (live)
		probe(w);
	else
		skip(w, in->verify ? CONNECT_NO_SENDER : "verify was false");
	if (refused(w))
		return CONNECT_CREDENTIAL_REFUSED;
	/* Stored first: Meta asks for the verify token while it registers our URL. */
	err = connect_store(w, &meta_provider);
	if (err != CONNECT_OK)
		return err;
	if (live)
		register_meta(w, in->take_over);
	return connecting_conclude(w, false);
}

enum connect_error connect_meta_add(const struct connect *c, const struct connect_meta *in,
	struct store_connection *out, struct connect_report *report)
{
	struct store_connection connection;
	struct connecting w;
	enum connect_error err;

	*report = (struct connect_report){0};
	if (!form_meta_ok(in, report))
		return CONNECT_INVALID;
	err = connect_room(c, in->business_id, report);
	if (err != CONNECT_OK)
		return err;
	connect_describe(&connection, STORE_META, in->business_id, in->waba_id, in->phone_number_id);
	(void)snprintf(connection.app_id, sizeof(connection.app_id), "%s", in->app_id);
	connecting_begin(&w, c, &connection, report);
	err = add(&w, in);
	if (err == CONNECT_OK)
		*out = connection;
	connect_held_clear(&w.held);
	return err;
}
