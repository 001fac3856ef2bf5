/*
 * 360dialog: one key for one number (facts/360dialog.md 1, 2, 3, 6). The probe tells
 * whose key it is and who gets the number's webhooks now; ours is then set, with a
 * header that carries the connection's secret, and read back.
 *
 * The answers are from outside: any shape is survived. Only 401 means that the key is
 * dead; a 400 about the account is a live key on a number that may not send.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/connect/form.h"
#include "gateway/connect/internal.h"
#include "gateway/json.h"

static void check(struct connecting *w, const char *name, enum connect_check_result result, const char *detail)
{
	connect_check(w, name, result, "%s", detail);
}

static void skip(struct connecting *w, const char *why)
{
	check(w, "key", CONNECT_CHECK_SKIPPED, why);
	check(w, "number", CONNECT_CHECK_SKIPPED, why);
	check(w, "callback", CONNECT_CHECK_SKIPPED, why);
}

/* ------------------------------------------------------------ the probe */

static const char *entity_id(const cJSON *fields, const char *type)
{
	const cJSON *entity;

	cJSON_ArrayForEach (entity, json_get_path(fields, "health.entities")) {
		const char *is = json_get_string(entity, "type"), *id = json_get_string(entity, "id");

		if (is != NULL && strcmp(is, type) == 0 && connect_is_id(id))
			return id;
	}
	return NULL;
}

/* Takes what the provider says about the number over into the connection. */
static void learn(struct connecting *w, const cJSON *fields, const char *id)
{
	struct store_connection *s = w->connection;
	const char *waba = entity_id(fields, "WABA");

	if (s->phone_number_id[0] == '\0') {
		(void)snprintf(s->phone_number_id, sizeof(s->phone_number_id), "%s", id);
		w->learnt = true;
		if (s->waba_id[0] == '\0' && waba != NULL)
			(void)snprintf(s->waba_id, sizeof(s->waba_id), "%s", waba);
	}
	connect_number_described(w, fields);
	facts_of_number(w, fields);
}

static void health_answered(struct connecting *w, const struct outbound_result *r)
{
	cJSON *fields = r->fields != NULL ? json_parse(r->fields, strlen(r->fields)) : NULL;
	const char *can_send = cJSON_GetStringValue(json_get_path(fields, "health.can_send"));
	const char *id = json_get_string(fields, "id");

	if (!connect_is_id(id))
		id = entity_id(fields, "PHONE_NUMBER");
	check(w, "key", CONNECT_CHECK_OK, "360dialog accepts the key");
	if (id == NULL) {
		check(w, "number", CONNECT_CHECK_WAITING, "360dialog did not say whose key it is; test again later");
	} else if (w->connection->phone_number_id[0] != '\0' && strcmp(id, w->connection->phone_number_id) != 0) {
		w->other_number = true;
		connect_fault(w, "number", FINDING_IDS_MIXED,
			"the key belongs to another number than this connection's: enter this number's key");
	} else {
		learn(w, fields, id);
		w->blocked = can_send != NULL && strcmp(can_send, "BLOCKED") == 0;
		if (w->blocked)
			facts_tell_blocked(w, fields, "WhatsApp lets this number send nothing: see the 360dialog Hub");
		else
			check(w, "number", CONNECT_CHECK_OK, "the key belongs to this number");
	}
	cJSON_Delete(fields);
}

static const char *new_key(const struct connecting *w)
{
	return w->connection->sandbox ? "write START to the sandbox's number for a new one"
				      : "generate a new one in the 360dialog Hub";
}

/* The first question about the key was not answered well. */
static void not_accepted(struct connecting *w, const struct outbound_result *result)
{
	const char *name = connect_provider_name(w->connection);
	const char *reason = result->reason[0] != '\0' ? result->reason : "it does not say why";

	switch (result->class) {
	case OUTBOUND_AUTH:
		w->refused[CREDENTIAL_API_KEY] = true;
		connect_fault(w, "key", FINDING_KEY_REFUSED,
			"%s refuses the key: a newer one replaced it, or it was copied wrongly; %s", name, new_key(w));
		check(w, "number", CONNECT_CHECK_WAITING, "known once the key works");
		break;
	case OUTBOUND_ACCOUNT:
		w->blocked = true;
		connect_check(w, "key", CONNECT_CHECK_OK, "%s knows the key", name);
		connect_fault(w, "number", finding_is_unpaid(reason) ? FINDING_UNPAID : FINDING_NUMBER_BLOCKED,
			"the account needs attention, see the 360dialog Hub: %s", reason);
		break;
	case OUTBOUND_ACCEPTED:
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_NO_CREDENTIAL:
		connect_check_silent(w, "key", connect_why(result));
		connect_check_silent(w, "number", connect_why(result));
		break;
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		connect_check(w, "key", CONNECT_CHECK_WAITING, "%s does not answer this question: %s", name, reason);
		connect_check(w, "number", CONNECT_CHECK_WAITING, "known once %s answers", name);
		break;
	}
}

static void health(struct connecting *w)
{
	struct outbound_result result;

	connect_ask(w, OUTBOUND_D360_HEALTH, CREDENTIAL_API_KEY, NULL, &result);
	if (result.class == OUTBOUND_ACCEPTED)
		health_answered(w, &result);
	else
		not_accepted(w, &result);
	outbound_result_clear(&result);
}

/* Who gets the number's webhooks now. */
static void look(struct connecting *w)
{
	struct outbound_result result;

	connect_ask(w, OUTBOUND_D360_WEBHOOK, CREDENTIAL_API_KEY, NULL, &result);
	connect_seen(&result, &w->seen);
	if (result.class == OUTBOUND_AUTH)
		w->refused[CREDENTIAL_API_KEY] = true;
	outbound_result_clear(&result);
}

/* That the sandbox tells whose key it is, is unproven: who gets the webhooks is all that it is asked. */
static void probe_sandbox(struct connecting *w)
{
	struct outbound_result result;

	connect_ask(w, OUTBOUND_D360_WEBHOOK, CREDENTIAL_API_KEY, NULL, &result);
	connect_seen(&result, &w->seen);
	if (result.class == OUTBOUND_ACCEPTED) {
		check(w, "key", CONNECT_CHECK_OK, "360dialog's sandbox accepts the key");
		check(w, "number", CONNECT_CHECK_SKIPPED,
			"the sandbox does not tell its number; the first message that comes from it does");
	} else {
		not_accepted(w, &result);
	}
	outbound_result_clear(&result);
}

static void probe(struct connecting *w)
{
	if (w->connection->sandbox) {
		probe_sandbox(w);
		return;
	}
	health(w);
	if (!w->refused[CREDENTIAL_API_KEY])
		look(w);
}

/* ------------------------------------------------------------ the webhook */

/* What the provider tells of the webhook, once nothing is to be changed (any more). */
static void judge(struct connecting *w, bool was_set)
{
	switch (w->seen.owner) {
	case OWNER_UNKNOWN:
		if (was_set)
			check(w, "callback", CONNECT_CHECK_WAITING, "our webhook is set; 360dialog did not say so yet");
		else
			connect_check_silent(w, "callback", w->seen.why);
		break;
	case OWNER_NONE:
		if (was_set)
			connect_fault(w, "callback", FINDING_WEBHOOK_UNSET,
				"360dialog took our webhook and does not keep it; try again");
		else
			connect_fault(w, "callback", FINDING_WEBHOOK_UNSET,
				"360dialog does not know our webhook URL; set it: %s", connect_register_by(w));
		break;
	case OWNER_OURS:
		if (w->seen.secret)
			check(w, "callback", CONNECT_CHECK_OK, "360dialog sends this number's webhooks to us");
		else
			connect_fault(w, "callback", FINDING_WEBHOOK_SECRET_WRONG,
				"the webhook comes without this connection's secret and is refused; set it again: %s",
				connect_register_by(w));
		break;
	case OWNER_HOUSE:
		connect_fault(w, "callback", FINDING_WEBHOOK_UNSET,
			"the webhooks go to another business here, or to an old address of ours; have them sent here: "
			"%s",
			connect_register_by(w));
		break;
	case OWNER_FOREIGN:
		w->taken = true;
		connect_fault(w, "callback", FINDING_WEBHOOK_TAKEN,
			"another system gets this number's webhooks: %.100s; to have them sent here: %s", w->seen.host,
			connect_take_over_by(w));
		break;
	}
}

/* False after the check said why not. */
static bool set_ours(struct connecting *w)
{
	struct outbound_result result;
	bool done;

	connect_ask(w, OUTBOUND_D360_WEBHOOK_SET, CREDENTIAL_API_KEY, NULL, &result);
	done = result.class == OUTBOUND_ACCEPTED;
	/* What was not answered may still be done, later. */
	w->unset = !done && result.class != OUTBOUND_OUTCOME_UNKNOWN && result.class != OUTBOUND_RETRYABLE;
	if (result.class == OUTBOUND_AUTH) {
		w->refused[CREDENTIAL_API_KEY] = true;
		connect_fault(w, "callback", FINDING_KEY_REFUSED, "%s refuses the key: %s",
			connect_provider_name(w->connection), new_key(w));
	} else if (connect_is_silent(&result)) {
		connect_check_silent(w, "callback", connect_why(&result));
	} else if (!done) {
		connect_fault(w, "callback", FINDING_URL_UNUSABLE, "360dialog refuses our webhook URL: %s",
			result.reason[0] != '\0' ? result.reason : "it does not say why");
	}
	outbound_result_clear(&result);
	return done;
}

static bool all_ok(const struct connecting *w)
{
	for (size_t i = 0; i < w->report->checks_len; i++) {
		const enum connect_check_result result = w->report->checks[i].result;

		if (result != CONNECT_CHECK_OK && result != CONNECT_CHECK_SKIPPED)
			return false;
	}
	return true;
}

static void callback(struct connecting *w, bool set, bool take_over)
{
	/* Nobody's webhook is replaced unseen. */
	bool may = take_over || (w->seen.owner != OWNER_UNKNOWN && w->seen.owner != OWNER_FOREIGN);
	const char *fault = connect_url_fault(w);

	w->unset = set;
	/* It stands in the way whatever the provider says, or does not say. */
	if (fault != NULL && (set || w->seen.owner != OWNER_OURS)) {
		w->taken = w->seen.owner == OWNER_FOREIGN && !w->other_number;
		connect_fault(w, "callback", FINDING_URL_UNUSABLE, "%s", fault);
	} else if (w->refused[CREDENTIAL_API_KEY] || w->other_number) {
		check(w, "callback", CONNECT_CHECK_WAITING, "known once the key works");
	} else if (!set || !may) {
		judge(w, false);
	} else if (set_ours(w)) {
		look(w);
		judge(w, true);
		w->unset = w->seen.owner == OWNER_OURS && !w->seen.secret;
	}
	w->all_ok = all_ok(w);
}

const struct provider d360_provider = {.first = CREDENTIAL_API_KEY,
	.required = 2,
	.at_most = 3,
	.name = "360dialog",
	.probe = probe,
	.callback = callback,
	.skip = skip};

/* ------------------------------------------------------------ adding */

static bool is_sandbox(const struct connect_d360 *in)
{
	static const char ending[] = "_sandbox";
	const size_t len = secret_len(in->api_key), ending_len = sizeof(ending) - 1;

	if (in->sandbox != NULL)
		return *in->sandbox;
	return len > ending_len && memcmp(secret_bytes(in->api_key) + len - ending_len, ending, ending_len) == 0;
}

struct secret *connect_webhook_secret_make(void)
{
	char text[VAULT_RANDOM_TEXT_LEN + 1];
	struct secret *secret;

	vault_random_text("", true, text);
	secret = secret_new(text, strlen(text));
	vault_wipe(text, sizeof(text));
	return secret;
}

/* Whether the provider's answers forbid storing; field and detail say why. */
static enum connect_error judge_new(const struct connecting *w, bool take_over)
{
	if (w->refused[CREDENTIAL_API_KEY]) {
		form_fault(w->report, "api_key",
			w->connection->sandbox
				? "360dialog's sandbox refuses this key; nothing was stored; where it is a live "
				  "number's, say sandbox false; else write START to the sandbox's number for a new one"
				: "360dialog refuses this key; nothing was stored; where it is the sandbox's, say "
				  "sandbox true (--sandbox); else generate a new one in the 360dialog Hub");
		return CONNECT_CREDENTIAL_REFUSED;
	}
	if (w->other_number) {
		form_fault(w->report, "phone_number_id", "is not the number of this key; nothing was stored");
		return CONNECT_INVALID;
	}
	if (w->seen.owner == OWNER_FOREIGN && !take_over) {
		memcpy(w->report->owner, w->seen.host, sizeof(w->report->owner));
		(void)snprintf(w->report->detail, sizeof(w->report->detail),
			"another system gets this number's webhooks: %.100s; nothing was stored; to have them sent "
			"here: %s",
			w->seen.host,
			w->c->take_over_by != NULL ? w->c->take_over_by : "add it with take_over (--take-over)");
		return CONNECT_WEBHOOK_TAKEN;
	}
	return CONNECT_OK;
}

static enum connect_error add(struct connecting *w, const struct connect_d360 *in, const struct secret *webhook_secret)
{
	bool live = in->verify && w->c->outbound != NULL;
	enum connect_error err = connect_seal(w, CREDENTIAL_API_KEY, 1, in->api_key);

	if (err == CONNECT_OK)
		err = connect_seal(w, CREDENTIAL_WEBHOOK_SECRET, 1, webhook_secret);
	if (err == CONNECT_OK && in->platform_secret != NULL)
		err = connect_seal(w, CREDENTIAL_PLATFORM_SECRET, 1, in->platform_secret);
	if (err != CONNECT_OK)
		return err;
	if (live) {
		probe(w);
		err = judge_new(w, in->take_over);
		if (err != CONNECT_OK)
			return err;
		/* Stored with the rest. */
		w->learnt = false;
	}
	/* Stored first: from the moment that our URL is set, webhooks arrive. */
	err = connect_store(w, &d360_provider);
	if (err != CONNECT_OK)
		return err;
	if (live)
		callback(w, true, in->take_over);
	else
		skip(w, in->verify ? CONNECT_NO_SENDER : "verify was false");
	return connecting_conclude(w, false);
}

enum connect_error connect_d360_add(const struct connect *c, const struct connect_d360 *in,
	struct store_connection *out, struct secret **webhook_secret, struct connect_report *report)
{
	struct store_connection connection;
	struct connecting w;
	struct secret *secret;
	enum connect_error err;

	*report = (struct connect_report){0};
	if (!form_d360_ok(in, report))
		return CONNECT_INVALID;
	secret = connect_webhook_secret_make();
	if (secret == NULL)
		return CONNECT_UNAVAILABLE;
	connect_describe(&connection, STORE_360DIALOG, in->business_id, in->waba_id, in->phone_number_id);
	connection.sandbox = is_sandbox(in);
	(void)snprintf(
		connection.client_id, sizeof(connection.client_id), "%s", in->client_id != NULL ? in->client_id : "");
	connecting_begin(&w, c, &connection, report);
	err = connect_room(&w);
	if (err == CONNECT_OK)
		err = add(&w, in, secret);
	if (err == CONNECT_OK) {
		*out = connection;
		*webhook_secret = secret;
		secret = NULL; /* transferred */
	}
	secret_free(secret);
	connect_held_clear(&w.held);
	return err;
}
