/*
 * Meta: debug_token, the number's own node and the account's list of numbers become
 * five checks (facts/meta.md section 5), and a connection is added by them. The answers
 * are from outside: any shape is survived.
 *
 * Only an answer about the credential itself marks it refused: is_valid false or
 * code 190 to the token; to the app secret 190, 101 or "client secret" from
 * debug_token, which authenticates as app_id|app_secret, or a refused appsecret_proof.
 * Silence never does.
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

#define SAME_APP "take app id, app secret and access token from the same app"
#define OTHER_APP "belongs to app_id, but not to the app that the access token is of: " SAME_APP
#define NEW_TOKEN "generate a new one in Meta's Business settings, under System users"
#define EXPIRED "the access token has expired: " NEW_TOKEN ", with the expiry Never"
#define ASSIGN "give the system user the account in Meta's Business settings, under System users"

/* What Meta was asked, and its answers. class 0: not asked. */
struct asked {
	struct outbound_result debug, number, list;
	cJSON *token, *numbers; /* the fields of debug and list; NULL: none that can be read */
};

static void skip(struct connecting *w, const char *why)
{
	static const char *const names[] = {
		"token", "app_secret", "permissions", "number", "waba", "callback", "subscription"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		connect_check(w, names[i], CONNECT_CHECK_SKIPPED, "%s", why);
}

/* ------------------------------------------------------------ debug_token */

/* Owns: caller frees. */
static cJSON *fields_of(const struct outbound_result *r)
{
	return r->class == OUTBOUND_ACCEPTED && r->fields != NULL ? json_parse(r->fields, strlen(r->fields)) : NULL;
}

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

static void tell_permissions(struct connecting *w, const struct asked *a)
{
	const cJSON *scopes = json_get_path(a->token, "data.scopes");
	bool messaging = holds_text(scopes, "whatsapp_business_messaging");
	bool management = holds_text(scopes, "whatsapp_business_management");

	if (w->refused[CREDENTIAL_TOKEN])
		connect_check(w, "permissions", CONNECT_CHECK_WAITING, CONNECT_TOKEN_FIRST);
	else if (a->debug.class != OUTBOUND_ACCEPTED)
		connect_check(w, "permissions", CONNECT_CHECK_WAITING, "known once the token can be looked at");
	else if (!cJSON_IsArray(scopes))
		connect_check(
			w, "permissions", CONNECT_CHECK_WAITING, "Meta's answer did not list the token's permissions");
	else if (messaging && management)
		connect_check(w, "permissions", CONNECT_CHECK_OK,
			"whatsapp_business_messaging, whatsapp_business_management");
	else
		connect_fault(w, "permissions", FINDING_PERMISSION_MISSING,
			"the token lacks %s: %s, with both permissions",
			messaging	     ? "whatsapp_business_management"
				: management ? "whatsapp_business_messaging"
					     : "whatsapp_business_messaging and whatsapp_business_management",
			NEW_TOKEN);
}

/* Of an id that was left out and not found. */
static void tell_unfound(struct connecting *w, const char *name, const char *field)
{
	const char *detail = w->report->detail;

	if (strcmp(w->report->field, field) != 0)
		connect_check(w, name, CONNECT_CHECK_WAITING, "known once the rest is right");
	else if (w->unfound == CONNECT_UNAVAILABLE)
		connect_check(w, name, CONNECT_CHECK_WAITING, "%s", detail);
	else if (w->unfound == CONNECT_CHOICE)
		connect_check(w, name, CONNECT_CHECK_WAITING, "%s %s", field, detail);
	else
		connect_fault(w, name, FINDING_IDS_MIXED, "%s %s", field, detail);
}

/* The provider's ids name the accounts that the token covers; a token for all of them lists none. */
static void tell_waba(struct connecting *w, const struct asked *a)
{
	bool listed, found = find_is_target(a->token, w->connection->waba_id, &listed), some;

	if (w->refused[CREDENTIAL_TOKEN])
		connect_check(w, "waba", CONNECT_CHECK_WAITING, CONNECT_TOKEN_FIRST);
	else if (w->connection->waba_id[0] == '\0')
		tell_unfound(w, "waba", "waba_id");
	else if (a->list.code == CODE_PARAMETER && a->list.subcode == SUBCODE_MISSING && !found)
		connect_fault(w, "waba", FINDING_IDS_MIXED, "%s",
			find_is_target(a->token, w->connection->phone_number_id, &some)
				? "waba_id and phone_number_id seem to be swapped"
				: "Meta knows no such WhatsApp Business Account, or does not show it to the token: "
				  "compare "
				  "waba_id with the one " FIND_IDS);
	else if (a->debug.class != OUTBOUND_ACCEPTED)
		connect_check(w, "waba", CONNECT_CHECK_WAITING, "known once the token can be looked at");
	else if (!listed)
		connect_check(w, "waba", CONNECT_CHECK_SKIPPED, "Meta does not list accounts for this token");
	else if (found)
		connect_check(w, "waba", CONNECT_CHECK_OK, "the token covers this WhatsApp Business Account");
	else
		connect_fault(w, "waba", FINDING_PERMISSION_MISSING,
			"the token does not cover this WhatsApp Business Account: %s, or correct waba_id", ASSIGN);
}

/* What debug_token says of the token itself. */
static void judge_token(struct connecting *w, const cJSON *fields)
{
	const cJSON *valid = json_get_path(fields, "data.is_valid");
	const cJSON *expires = json_get_path(fields, "data.expires_at");
	const char *owner = cJSON_GetStringValue(json_get_path(fields, "data.app_id"));
	const double now = (double)(store_now_ms() / 1000);
	const bool over = cJSON_IsNumber(expires) && expires->valuedouble > 0 && expires->valuedouble <= now;

	if (!cJSON_IsBool(valid)) {
		connect_check(w, "token", CONNECT_CHECK_WAITING,
			"Meta's answer was not understood; test the connection again later");
	} else if (cJSON_IsFalse(valid) && over) {
		w->refused[CREDENTIAL_TOKEN] = true;
		connect_fault(w, "token", FINDING_TOKEN_EXPIRED, EXPIRED);
	} else if (cJSON_IsFalse(valid)) {
		w->refused[CREDENTIAL_TOKEN] = true;
		connect_fault(w, "token", FINDING_KEY_REFUSED, "Meta says that this access token is not valid: %s",
			NEW_TOKEN);
	} else if (owner != NULL && strcmp(owner, w->connection->app_id) != 0) {
		connect_fault(w, "token", FINDING_OTHER_APP, "the access token belongs to another app than app_id: %s",
			SAME_APP);
	} else if (over) {
		connect_fault(w, "token", FINDING_TOKEN_EXPIRED, EXPIRED);
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

/* Meta knows what token the call brings, and that the proof was not made with the secret of its app. */
static bool is_proof_refusal(const struct outbound_result *r)
{
	return r->class == OUTBOUND_MESSAGE && r->code == CODE_PARAMETER &&
		strstr(r->reason, "appsecret_proof") != NULL;
}

static bool is_proof_refused(const struct asked *a)
{
	return is_proof_refusal(&a->number) || is_proof_refusal(&a->list);
}

static void tell_token(struct connecting *w, const struct asked *a)
{
	if (a->debug.class == OUTBOUND_ACCEPTED) {
		facts_of_token(w, a->token);
		judge_token(w, a->token);
	} else if (is_secret_refusal(&a->debug)) {
		connect_check(w, "token", CONNECT_CHECK_WAITING, "cannot be looked at without the right app_secret");
	} else if (a->debug.class == OUTBOUND_MESSAGE && a->debug.code == CODE_PARAMETER) {
		connect_fault(w, "token", FINDING_OTHER_APP, "Meta does not show this token to this app: " SAME_APP);
	} else {
		connect_check_silent(w, "token", connect_why(&a->debug));
	}
}

/* debug_token proves that the secret is app_id's; a proof, that it is the secret of the token's app. */
static void tell_app_secret(struct connecting *w, const struct asked *a)
{
	if (a->debug.class == OUTBOUND_ACCEPTED && is_proof_refused(a)) {
		connect_fault(w, "app_secret", FINDING_OTHER_APP, OTHER_APP);
	} else if (a->debug.class == OUTBOUND_ACCEPTED) {
		connect_check(w, "app_secret", CONNECT_CHECK_OK, "belongs to app_id");
	} else if (is_secret_refusal(&a->debug)) {
		w->refused[CREDENTIAL_APP_SECRET] = true;
		connect_fault(w, "app_secret", FINDING_APP_SECRET_WRONG,
			"Meta refuses app_id and app_secret together: one of them is wrong");
	} else if (is_proof_refused(a)) {
		w->refused[CREDENTIAL_APP_SECRET] = true;
		connect_fault(w, "app_secret", FINDING_APP_SECRET_WRONG,
			"Meta refuses the app secret: copy it again from the App dashboard, App settings > Basic");
	} else if (a->debug.class == OUTBOUND_MESSAGE && a->debug.code == CODE_PARAMETER) {
		connect_check(w, "app_secret", CONNECT_CHECK_WAITING, "not proven yet");
	} else {
		connect_check_silent(w, "app_secret", connect_why(&a->debug));
	}
}

/* ------------------------------------------------------------ the number */

static void number_answered(struct connecting *w, const struct asked *a)
{
	struct store_connection *connection = w->connection;
	cJSON *fields = fields_of(&a->number);
	const char *id = json_get_string(fields, "id");
	char why[200];

	if (id == NULL) {
		connect_check(w, "number", CONNECT_CHECK_WAITING,
			"Meta's answer was not understood; test the connection again later");
	} else if (strcmp(id, connection->phone_number_id) != 0) {
		connect_fault(
			w, "number", FINDING_IDS_MIXED, "Meta answered with another number; test the connection again");
	} else {
		connect_number_described(w, fields);
		facts_of_number(w, fields);
		w->blocked = strcmp(w->facts.can_send, "BLOCKED") == 0 || strcmp(w->facts.number_status, "BANNED") == 0;
		if (find_is_elsewhere(w, a->token, a->numbers, why, sizeof(why)))
			connect_fault(w, "number", FINDING_IDS_MIXED, "%s", why);
		else if (w->blocked)
			facts_tell_blocked(
				w, fields, "Meta lets this number send nothing: see Meta's WhatsApp Manager");
		else
			connect_check(w, "number", CONNECT_CHECK_OK, "the token may use this number");
	}
	cJSON_Delete(fields);
}

static enum finding account_finding(const struct outbound_result *r)
{
	const enum finding f = finding_of_code(r->code);

	return f != FINDING_NONE ? f : finding_is_unpaid(r->reason) ? FINDING_UNPAID : FINDING_NUMBER_BLOCKED;
}

/* otherwise: what it means where the number is not mixed up with something else. */
static void number_refused(struct connecting *w, const struct asked *a, enum finding finding, const char *otherwise)
{
	char why[200];

	w->denied = true;
	if (find_is_elsewhere(w, a->token, a->numbers, why, sizeof(why)))
		connect_fault(w, "number", FINDING_IDS_MIXED, "%s", why);
	else
		connect_fault(w, "number", finding, "%s", otherwise);
}

static void tell_number(struct connecting *w, const struct asked *a)
{
	const struct connect_check *token = connect_check_find(w->report, "token");
	const struct outbound_result *r = &a->number;

	if (w->refused[CREDENTIAL_TOKEN] && token->result == CONNECT_CHECK_FAILED) {
		connect_check(w, "number", CONNECT_CHECK_WAITING, CONNECT_TOKEN_FIRST);
		return;
	}
	if (is_proof_refused(a)) {
		connect_check(w, "number", CONNECT_CHECK_WAITING, "known once the app secret is right");
		return;
	}
	if (w->unfound != CONNECT_OK) {
		tell_unfound(w, "number", "phone_number_id");
		return;
	}
	switch (r->class) {
	case OUTBOUND_ACCEPTED:
		number_answered(w, a);
		break;
	case OUTBOUND_AUTH:
		if (r->code == CODE_TOKEN_INVALID)
			connect_fault(w, "number",
				connect_failed_with(w->report, FINDING_TOKEN_EXPIRED) ? FINDING_TOKEN_EXPIRED
										      : FINDING_KEY_REFUSED,
				"Meta refuses the access token: %s", NEW_TOKEN);
		else
			number_refused(w, a, FINDING_PERMISSION_MISSING,
				"the token may not use this number: " ASSIGN ", or correct phone_number_id");
		break;
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		number_refused(w, a, FINDING_IDS_MIXED,
			"Meta knows no such number, or the token may not see it: compare phone_number_id with the "
			"one " FIND_IDS);
		break;
	case OUTBOUND_ACCOUNT:
		connect_fault(w, "number", account_finding(r),
			"Meta says that the account or number needs attention: see Meta's WhatsApp Manager");
		break;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_NO_CREDENTIAL:
		connect_check_silent(w, "number", connect_why(r));
		break;
	}
}

/* ------------------------------------------------------------ the probe */

/* One field that this token may not read, or that this version of the Graph API does not know, refuses all of them. */
static bool is_field_refusal(const struct outbound_result *r)
{
	return !connect_is_silent(r) && r->class != OUTBOUND_ACCEPTED && !is_proof_refusal(r) &&
		(r->code == CODE_PERMISSION || (r->code == CODE_PARAMETER && r->subcode != SUBCODE_MISSING));
}

static void ask_number(struct connecting *w, struct asked *a)
{
	connect_ask(w, OUTBOUND_META_NUMBER, CREDENTIAL_TOKEN, NULL, &a->number);
	if (is_field_refusal(&a->number)) {
		outbound_result_clear(&a->number);
		connect_ask(w, OUTBOUND_META_NUMBER_SHORT, CREDENTIAL_TOKEN, NULL, &a->number);
	}
}

static void ask_list(struct connecting *w, struct asked *a)
{
	connect_ask(w, OUTBOUND_META_WABA_NUMBERS, CREDENTIAL_TOKEN, NULL, &a->list);
	a->numbers = fields_of(&a->list);
}

/* The order is what each question needs to know from the one before. */
static void ask(struct connecting *w, struct asked *a)
{
	connect_ask(w, OUTBOUND_META_DEBUG_TOKEN, CREDENTIAL_TOKEN, NULL, &a->debug);
	a->token = fields_of(&a->debug);
	tell_token(w, a);
	if (w->connection->waba_id[0] == '\0')
		find_waba(w, &a->debug, a->token);
	if (w->unfound == CONNECT_OK && w->connection->phone_number_id[0] == '\0') {
		ask_list(w, a);
		if (is_proof_refusal(&a->list)) {
			w->unfound = CONNECT_INVALID;
			form_fault(w->report, "app_secret", OTHER_APP);
		} else {
			find_number(w, &a->list, a->numbers);
		}
	}
	if (w->unfound != CONNECT_OK)
		return;
	ask_number(w, a);
	if (a->list.class == 0 && !connect_is_silent(&a->number))
		ask_list(w, a);
}

static bool is_token_refusal(const struct outbound_result *r)
{
	return r->class == OUTBOUND_AUTH && r->code == CODE_TOKEN_INVALID;
}

static void probe(struct connecting *w)
{
	struct asked a = {0};

	ask(w, &a);
	if (is_token_refusal(&a.number) || is_token_refusal(&a.list))
		w->refused[CREDENTIAL_TOKEN] = true;
	tell_app_secret(w, &a);
	tell_permissions(w, &a);
	tell_waba(w, &a);
	tell_number(w, &a);
	w->all_ok = true;
	for (size_t i = 0; i < w->report->checks_len; i++)
		if (w->report->checks[i].result == CONNECT_CHECK_FAILED ||
			w->report->checks[i].result == CONNECT_CHECK_WAITING)
			w->all_ok = false;
	cJSON_Delete(a.token);
	cJSON_Delete(a.numbers);
	outbound_result_clear(&a.debug);
	outbound_result_clear(&a.number);
	outbound_result_clear(&a.list);
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
		form_fault(w->report, "access_token", "Meta refuses this access token; nothing was stored; " NEW_TOKEN);
	else if (w->refused[CREDENTIAL_APP_SECRET])
		form_fault(w->report, "app_secret",
			"Meta refuses app_id and app_secret together; nothing was stored; copy both again from the App "
			"dashboard, App settings > Basic");
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
	if (w->unfound != CONNECT_OK)
		return w->unfound;
	/* Whether a number is connected here is said to those alone whose token may see it. */
	if (live && in->strict && connect_any_failed(w->report))
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
	if (!form_meta_ok(in, in->verify && c->outbound != NULL, report))
		return CONNECT_INVALID;
	connect_describe(&connection, STORE_META, in->business_id, in->waba_id, in->phone_number_id);
	(void)snprintf(connection.app_id, sizeof(connection.app_id), "%s", in->app_id);
	connecting_begin(&w, c, &connection, report);
	err = connect_room(&w);
	if (err == CONNECT_OK)
		err = add(&w, in);
	if (err == CONNECT_OK)
		*out = connection;
	connect_held_clear(&w.held);
	return err;
}
