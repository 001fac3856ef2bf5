/*
 * Meta's registration: that an app's webhooks for one account come to us
 * (facts/meta.md section 6). An app has one callback, and an account may have an
 * override of it; neither is taken from another system without being asked to, and an
 * account's webhooks are never taken from another business here.
 *
 * Called by meta.c, after the connection is stored: Meta asks for its verify token
 * while it registers a URL. What fails here can be done by hand.
 */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/connect/internal.h"
#include "gateway/json.h"

#define OVERRIDE_URL_MAX 200u /* facts/meta.md 1.1 */
#define CODE_PARAMETER 100

static const char by_hand[] = "enter the webhook URL and the verify token at Meta by hand, or try again";

/* facts/meta.md 1.6: Meta's reference list, and two fields that exist from v26 on. Meta refuses a list with one
 * name that it does not know, so shorter ones follow. */
#define REFERENCE_FIELDS                                                                                               \
	"messages,account_alerts,account_review_update,account_update,automatic_events,business_capability_update,"    \
	"history,message_template_components_update,message_template_quality_update,message_template_status_update,"   \
	"partner_solutions,payment_configuration_update,phone_number_name_update,phone_number_quality_update,"         \
	"security,smb_app_state_sync,smb_message_echoes,template_category_update,user_preferences"
static const char *const field_lists[] = {
	REFERENCE_FIELDS ",standby,messaging_handovers", REFERENCE_FIELDS, "messages"};
#define FIELD_LISTS (sizeof(field_lists) / sizeof(field_lists[0]))

struct place {
	struct seen app, waba;
	const struct seen *now; /* of the two the one that counts: an override, where there is one */
	struct store_sharing sharing;
	bool known; /* all of it */
};

static void look(struct connecting *w, struct place *p)
{
	struct outbound_result result;

	connect_ask(w, OUTBOUND_META_APP_CALLBACK, CREDENTIAL_APP_SECRET, NULL, &result);
	connect_seen(&result, &p->app);
	outbound_result_clear(&result);
	connect_ask(w, OUTBOUND_META_WABA_CALLBACK, CREDENTIAL_TOKEN, NULL, &result);
	connect_seen(&result, &p->waba);
	outbound_result_clear(&result);
	p->now = p->waba.owner == OWNER_NONE ? &p->app : &p->waba;
	p->sharing = (struct store_sharing){false, false};
	p->known = store_app_shared(tenants_store(w->c->tenants), w->connection->business_id, w->connection->app_id,
			   w->connection->waba_id, &p->sharing) == STORE_OK &&
		p->app.owner != OWNER_UNKNOWN && p->waba.owner != OWNER_UNKNOWN;
}

/* Another business here has numbers of the same account, and gets their webhooks. */
static bool is_theirs(const struct place *p)
{
	return p->now->owner == OWNER_HOUSE && p->sharing.waba;
}

static void check(struct connecting *w, const char *name, enum connect_check_result result, const char *detail)
{
	connect_check(w, name, result, "%s", detail);
}

/* What a refused or unanswered change means. */
static void check_undone(
	struct connecting *w, const char *name, enum finding finding, const struct outbound_result *r, const char *what)
{
	if (connect_is_silent(r))
		connect_check_silent(w, name, connect_why(r));
	else
		connect_fault(w, name, finding, "Meta refuses %s (%s); %s", what,
			r->reason[0] != '\0' ? r->reason : "it does not say why", by_hand);
}

/* ------------------------------------------------------------ changing */

/* Asks with a body of texts: name, value, ... , NULL. Owns: the caller clears result. */
static void ask_with(struct connecting *w, enum outbound_kind kind, enum credential first, const char *const *texts,
	struct outbound_result *result)
{
	cJSON *body = cJSON_CreateObject();
	char *text;
	bool ok = body != NULL;

	for (size_t i = 0; ok && texts[i] != NULL; i += 2)
		ok = cJSON_AddStringToObject(body, texts[i], texts[i + 1]) != NULL;
	text = ok ? json_text(body) : NULL;
	*result = (struct outbound_result){.class = OUTBOUND_OUTCOME_UNKNOWN};
	if (text != NULL)
		connect_ask(w, kind, first, text, result);
	json_text_free(text);
	cJSON_Delete(body);
}

/* Gives the app our URL. Owns: the caller clears result. */
static bool app_set(struct connecting *w, struct outbound_result *result)
{
	for (size_t i = 0;; i++) {
		const char *const texts[] = {"object", "whatsapp_business_account", "callback_url", w->url,
			"verify_token", w->connection->verify_token, "fields", field_lists[i], NULL};

		ask_with(w, OUTBOUND_META_APP_SUBSCRIBE, CREDENTIAL_APP_SECRET, texts, result);
		if (result->class != OUTBOUND_MESSAGE || result->code != CODE_PARAMETER || i + 1 == FIELD_LISTS)
			break;
		outbound_result_clear(result);
	}
	w->challenged = w->challenged || result->class == OUTBOUND_ACCEPTED;
	return result->class == OUTBOUND_ACCEPTED;
}

/* Subscribes the app to the account, with our URL as its override or without one. Owns: the caller clears result. */
static bool waba_set(struct connecting *w, bool override, struct outbound_result *result)
{
	const char *const texts[] = {
		"override_callback_uri", w->url, "verify_token", w->connection->verify_token, NULL};

	ask_with(w, OUTBOUND_META_WABA_SUBSCRIBE, CREDENTIAL_TOKEN, override ? texts : texts + 4, result);
	w->challenged = w->challenged || (override && result->class == OUTBOUND_ACCEPTED);
	return result->class == OUTBOUND_ACCEPTED;
}

/* ------------------------------------------------------------ the two ways */

/* The app's own callback becomes or stays ours. */
static void by_app(struct connecting *w, const struct place *p, bool shared)
{
	struct outbound_result result;
	bool override, ours = app_set(w, &result) || p->app.owner == OWNER_OURS;

	if (ours)
		check(w, "callback", CONNECT_CHECK_OK, "the app's webhooks come to us");
	else
		check_undone(w, "callback", FINDING_URL_UNUSABLE, &result, "our webhook URL");
	outbound_result_clear(&result);
	/* An empty subscription takes an override away: right for a stale one, wrong where it is all there is. And the
	 * shop that shares the app may yet give it its own URL by hand. */
	override = (shared || (!ours && p->waba.owner == OWNER_OURS)) && strlen(w->url) <= OVERRIDE_URL_MAX;
	if (waba_set(w, override, &result))
		check(w, "subscription", CONNECT_CHECK_OK, "the app is subscribed to the account");
	else
		check_undone(
			w, "subscription", FINDING_APP_NOT_SUBSCRIBED, &result, "to subscribe the app to the account");
	outbound_result_clear(&result);
}

/* The app's callback stays where it is; this account's webhooks come to us. */
static void by_override(struct connecting *w)
{
	struct outbound_result result;

	if (strlen(w->url) > OVERRIDE_URL_MAX) {
		connect_fault(w, "callback", FINDING_URL_UNUSABLE,
			"our webhook URL has more than %u characters, and Meta takes no longer one for an account; "
			"shorten public_url or the business's id",
			OVERRIDE_URL_MAX);
		check(w, "subscription", CONNECT_CHECK_SKIPPED, "comes with the callback");
		return;
	}
	if (waba_set(w, true, &result)) {
		check(w, "callback", CONNECT_CHECK_OK,
			"the account's webhooks come to us; the app's own callback stays");
		check(w, "subscription", CONNECT_CHECK_OK, "the app is subscribed to the account");
	} else {
		check_undone(w, "callback", FINDING_URL_UNUSABLE, &result, "our webhook URL for this account");
		check_undone(
			w, "subscription", FINDING_APP_NOT_SUBSCRIBED, &result, "to subscribe the app to the account");
	}
	outbound_result_clear(&result);
}

/* ------------------------------------------------------------ what is not changed */

/* no: what it means that the app is not. */
static void check_subscribed(struct connecting *w, const struct place *p, enum connect_check_result no)
{
	if (p->waba.why[0] != '\0')
		connect_check_silent(w, "subscription", p->waba.why);
	else if (p->waba.owner == OWNER_UNKNOWN)
		check(w, "subscription", CONNECT_CHECK_WAITING,
			w->refused[CREDENTIAL_TOKEN] ? CONNECT_TOKEN_FIRST
						     : "Meta did not say whether the app is subscribed");
	else if (p->waba.subscribed)
		check(w, "subscription", CONNECT_CHECK_OK, "the app is subscribed to the account");
	else if (no == CONNECT_CHECK_FAILED)
		connect_fault(w, "subscription", FINDING_APP_NOT_SUBSCRIBED,
			"the app is not subscribed to the account; subscribe it: %s", connect_register_by(w));
	else
		check(w, "subscription", no, "comes with the callback");
}

/* Says whose the webhooks are that may not be taken. */
static void check_taken(struct connecting *w, const struct place *p)
{
	w->taken = true;
	if (is_theirs(p))
		connect_fault(w, "callback", FINDING_ACCOUNT_SHARED,
			"this account's webhooks go to another business here; Meta keeps one address per account, so "
			"one business has to hold all its numbers");
	else
		connect_fault(w, "callback", p->now == &p->waba ? FINDING_OVERRIDE_ELSEWHERE : FINDING_WEBHOOK_TAKEN,
			"this account's webhooks go to %.100s; to have them sent here: %s", p->now->host,
			connect_take_over_by(w));
}

/* Meta did not say all that is needed to know whose the webhooks are. */
static void check_unknown(struct connecting *w, const struct place *p, const char *what)
{
	const char *why = p->app.why[0] != '\0' ? p->app.why : p->waba.why;

	if (why[0] != '\0')
		connect_check_silent(w, "callback", why);
	else
		check(w, "callback", CONNECT_CHECK_WAITING, w->refused[CREDENTIAL_TOKEN] ? CONNECT_TOKEN_FIRST : what);
	check_subscribed(w, p, CONNECT_CHECK_WAITING);
}

/* ------------------------------------------------------------ registering, looking */

static void register_alone(struct connecting *w, bool take_over)
{
	static const char not_serving[] = "no service answers our webhook URL now: start it, then " CONNECT_REGISTER;
	const char *fault = connect_url_fault(w);
	struct place p;

	if (fault != NULL) {
		connect_fault(w, "callback", FINDING_URL_UNUSABLE, "%s", fault);
		check(w, "subscription", CONNECT_CHECK_SKIPPED, "comes with the callback");
		return;
	}
	if (!w->c->serving) {
		check(w, "callback", CONNECT_CHECK_SKIPPED, not_serving);
		check(w, "subscription", CONNECT_CHECK_SKIPPED, "comes with the callback");
		return;
	}
	look(w, &p);
	if (!p.known) {
		check_unknown(w, &p,
			"Meta did not say who gets the app's webhooks now, so nothing was changed; try again later");
	} else if (is_theirs(&p) || (p.now->owner == OWNER_FOREIGN && !take_over)) {
		check_taken(w, &p);
		check_subscribed(w, &p, CONNECT_CHECK_WAITING);
	} else if (p.app.owner == OWNER_FOREIGN || p.waba.owner == OWNER_FOREIGN ||
		(p.app.owner == OWNER_HOUSE && p.sharing.app)) {
		by_override(w);
	} else {
		by_app(w, &p, p.sharing.app);
	}
}

/* One app at a time: who looks while another sets would set it once more, and the first would lose its webhooks. Which
 * of these locks an app has does not matter. */
#define LOCKS 16u
static pthread_mutex_t locks[LOCKS] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER,
	PTHREAD_MUTEX_INITIALIZER};

void register_meta(struct connecting *w, bool take_over)
{
	unsigned n = 0;

	for (const char *p = w->connection->app_id; *p != '\0'; p++)
		n = n * 31 + (unsigned char)*p;
	pthread_mutex_lock(&locks[n % LOCKS]);
	register_alone(w, take_over);
	pthread_mutex_unlock(&locks[n % LOCKS]);
}

/* What is wrong with where the webhooks go, once that is known. */
static void look_at_callback(struct connecting *w, const struct place *p)
{
	switch (p->now->owner) {
	case OWNER_UNKNOWN:
	case OWNER_NONE:
		connect_fault(w, "callback", FINDING_WEBHOOK_UNSET,
			"Meta does not know our webhook URL; enter it there by hand, or register it: %s",
			connect_register_by(w));
		break;
	case OWNER_OURS:
		if (p->app.deaf)
			connect_fault(w, "callback", FINDING_FIELD_OFF,
				"the app is not told of messages: its webhook field messages is off; switch it on at "
				"Meta, or: %s",
				connect_register_by(w));
		else
			check(w, "callback", CONNECT_CHECK_OK, "Meta sends this account's webhooks to us");
		break;
	case OWNER_HOUSE:
		if (is_theirs(p))
			check_taken(w, p);
		else
			connect_fault(w, "callback", FINDING_WEBHOOK_UNSET,
				"these webhooks go to another business here, or to an old address of ours; have this "
				"account's sent here: %s",
				connect_register_by(w));
		break;
	case OWNER_FOREIGN:
		check_taken(w, p);
		break;
	}
}

void register_look(struct connecting *w)
{
	const char *fault = connect_url_fault(w);
	struct place p;

	look(w, &p);
	/* What Meta did not say of the app does not matter where an override counts. */
	if (p.now->owner == OWNER_UNKNOWN && fault == NULL) {
		check_unknown(w, &p, "Meta did not say who gets the app's webhooks");
		return;
	}
	if (fault != NULL && p.now->owner != OWNER_OURS) {
		w->taken = p.now->owner == OWNER_FOREIGN || is_theirs(&p);
		connect_fault(w, "callback", FINDING_URL_UNUSABLE, "%s", fault);
	} else {
		look_at_callback(w, &p);
	}
	check_subscribed(w, &p, CONNECT_CHECK_FAILED);
}
