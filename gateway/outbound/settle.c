/*
 * What an attempt leaves behind: the message's state, its sealed provider id, the connection's
 * status. Trusts the sender's fields only as far as they parse. Called by schedule.c and results.c.
 */
#include "gateway/outbound/settle.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/outbound/meta.h"
#include "gateway/outbound/plan.h"
#include "gateway/outbound/prepare.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS 1000
#define KEY_MS 60000 /* a refused key is asked about meanwhile */

static void pause_ms(int ms)
{
	const struct timespec span = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000L};

	(void)nanosleep(&span, NULL);
}

/* ------------------------------------------------------------ the message */

/* Seals and indexes the provider's message id. It carries the customer's number, so it is never
 * kept in clear; where sealing fails the message is still SENT, found by our own id. */
static void wamid_fill(struct tenants *t, const struct sending *s, const struct outbound_result *r,
	struct store_outcome *outcome, uint8_t **sealed)
{
	struct tenant_place place = {s->business_id, "messages", s->message_id, "wamid", 1};
	cJSON *fields = r->fields != NULL ? json_parse(r->fields, strlen(r->fields)) : NULL;
	const char *wamid = cJSON_GetStringValue(json_get_path(fields, "messages[0].id"));

	if (wamid == NULL || wamid[0] == '\0')
		goto out;
	if (tenant_index(t, s->business_id, "wamid", wamid, strlen(wamid), outcome->wamid_index) != TENANT_OK ||
		tenant_seal(t, &place, wamid, strlen(wamid), sealed, &outcome->wamid_len) != TENANT_OK) {
		log_warn("a sent message's provider id could not be sealed business=%s message=%s", s->business_id,
			s->message_id);
		goto out;
	}
	outcome->wamid = *sealed;
out:
	cJSON_Delete(fields);
}

/* Whether that is all that can be done about it. */
static bool is_written_down(const struct store_outcome *o, enum store_error err)
{
	switch (err) {
	case STORE_OK:
	case STORE_STALE: /* a status webhook was faster */
	case STORE_NOT_FOUND: /* the business is gone, and the message with it */
		return true;
	case STORE_TIMEOUT:
	case STORE_BUSY:
	case STORE_FULL:
	case STORE_NO_MEMORY:
		return false;
	case STORE_EXISTS:
	case STORE_NUMBER_TAKEN:
	case STORE_FAILED:
	case STORE_NEWER:
	case STORE_NOT_OURS:
	case STORE_FOREIGN:
	case STORE_TOO_MANY:
	case STORE_INVALID:
		break;
	}
	log_error("an attempt cannot be settled business=%s message=%s: %s", o->business_id, o->message_id,
		store_error_text(err));
	return true;
}

/* Leaves in outcomes what it gave up. */
static void write_down(struct tenants *t, struct store_outcome *outcomes, size_t len, const atomic_bool *stop)
{
	enum store_error results[SETTLING_MAX];
	int pause = PAUSE_FIRST_MS;
	size_t left;

	for (;;) {
		store_outbox_settle_all(tenants_store(t), outcomes, len, results);
		left = 0;
		for (size_t i = 0; i < len; i++)
			if (!is_written_down(&outcomes[i], results[i]))
				outcomes[left++] = outcomes[i];
		len = left;
		if (len == 0 || atomic_load(stop))
			return;
		pause_ms(pause);
		pause = pause * 2 < PAUSE_MAX_MS ? pause * 2 : PAUSE_MAX_MS;
	}
}

/* The key that it was sent with, as the store finds it. */
static struct store_credential key_of(const struct sending *s)
{
	struct store_credential c = {.version = s->credential_version};

	memcpy(c.connection_id, s->connection_id, sizeof(c.connection_id));
	(void)snprintf(c.field, sizeof(c.field), "%s", s->kind->credentials[0]);
	return c;
}

/* A first accepted send proves a pending connection. */
static void prove_connection(struct tenants *t, const struct sending *s)
{
	struct store_connection c;

	if (store_connection_get(tenants_store(t), s->business_id, s->connection_id, &c) == STORE_OK &&
		c.status == STORE_CONNECTION_PENDING &&
		store_connection_status_set(tenants_store(t), s->business_id, s->connection_id,
			STORE_CONNECTION_PENDING, STORE_CONNECTION_ACTIVE) == STORE_OK)
		log_info("connection is active: a send was accepted business=%s connection=%s", s->business_id,
			s->connection_id);
}

/* A first accepted send proves a new key: the one before it goes. */
static void prove_key(struct tenants *t, const struct sending *s)
{
	const struct store_credential c = key_of(s);
	enum store_error err;

	err = store_credential_worked(tenants_store(t), s->business_id, &c, store_now_ms(), 0);
	if (err != STORE_OK && err != STORE_STALE)
		log_warn("a new key worked, which could not be noted: the next send tries again business=%s "
			 "connection=%s",
			s->business_id, s->connection_id);
}

static void prove(struct tenants *t, const struct sending *s)
{
	prove_connection(t, s);
	if (s->credential_unproven)
		prove_key(t, s);
}

static void log_not_sent(const struct sending *s, const struct outbound_result *r, const struct plan *plan)
{
	if (r->class == OUTBOUND_OUTCOME_UNKNOWN)
		log_warn("a send may have been accepted, so it is %s business=%s message=%s attempt=%u http=%d: %s",
			plan->maybe_duplicate && plan->to == STORE_MESSAGE_RETRY ? "repeated as was asked for"
										 : "not repeated",
			s->business_id, s->message_id, s->attempt, r->http_status, plan->reason);
	else
		log_info("a send was not accepted business=%s message=%s attempt=%u http=%d code=%d: %s",
			s->business_id, s->message_id, s->attempt, r->http_status, (int)r->code, plan->reason);
}

/* What the provider says of key, number or account is looked into. */
static void look_soon(struct tenants *t, const struct sending *s)
{
	const enum store_error err =
		store_health_soon(tenants_store(t), s->business_id, s->connection_id, store_now_ms());

	if (err != STORE_OK && err != STORE_NOT_FOUND)
		log_warn("a refused send is not looked into soon business=%s connection=%s", s->business_id,
			s->connection_id);
}

static enum lanes_came came_of(enum outbound_class class)
{
	switch (class) {
	case OUTBOUND_ACCEPTED:
		return LANES_ACCEPTED;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_RETRYABLE:
		return LANES_UNREACHED;
	case OUTBOUND_OUTCOME_UNKNOWN:
		return LANES_UNANSWERED;
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_AUTH:
	case OUTBOUND_ACCOUNT:
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		return LANES_REFUSED;
	case OUTBOUND_NO_CREDENTIAL:
		return LANES_NOTHING;
	}
	return LANES_NOTHING;
}

static enum lanes_scope scope_of(const struct meta_rule *rule)
{
	switch (rule != NULL ? rule->scope : META_NUMBER) {
	case META_NUMBER:
	case META_ITSELF:
		return LANES_NUMBER;
	case META_PAIR:
		return LANES_PAIR;
	case META_ACCOUNT:
		return LANES_ACCOUNT;
	case META_APP:
		return LANES_APP;
	}
	return LANES_NUMBER;
}

/* Whom the answer stops, and for how long. wait_ms: how long the message itself waits. */
static struct settled settled_of(const struct sending *s, const struct outbound_result *r, int64_t wait_ms)
{
	const struct meta_rule *rule = r->code != 0 ? meta_rule_find(r->code) : NULL;
	const bool itself = rule != NULL && rule->scope == META_ITSELF;
	struct settled out = {.came = came_of(r->class), .scope = LANES_NUMBER};

	switch (r->class) {
	case OUTBOUND_RATE_LIMITED:
		out.scope = scope_of(rule);
		out.wait_ms = itself && r->retry_after_ms == 0 ? 0 : wait_ms;
		/* Its meter says when the account is let through again. */
		if (r->regain_ms > wait_ms) {
			out.scope = LANES_ACCOUNT;
			out.wait_ms = r->regain_ms;
		}
		break;
	case OUTBOUND_RETRYABLE:
		if (itself)
			out.came = LANES_REFUSED;
		out.wait_ms = r->retry_after_ms > 0 || (rule != NULL && rule->wait_s > 0 && !itself) ? wait_ms : 0;
		break;
	case OUTBOUND_AUTH:
		out.scope = kind_is_d360(s->kind) ? LANES_KEY : LANES_DOUBT;
		out.wait_ms = KEY_MS;
		break;
	case OUTBOUND_NO_CREDENTIAL:
		out.scope = LANES_KEY;
		out.wait_ms = KEY_MS;
		break;
	case OUTBOUND_ACCOUNT:
		out.scope = LANES_KEY;
		out.wait_ms = itself ? 0 : PLAN_ACCOUNT_MS;
		break;
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_ACCEPTED:
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		break;
	}
	return out;
}

/* Whether nothing came of it for reasons that are not the message's own: it does not count for the day's budget. */
static bool gives_back(enum outbound_class class)
{
	switch (class) {
	case OUTBOUND_NOT_SENT:
	case OUTBOUND_RETRYABLE:
	case OUTBOUND_RATE_LIMITED:
	case OUTBOUND_AUTH:
	case OUTBOUND_ACCOUNT:
	case OUTBOUND_NO_CREDENTIAL:
		return true;
	case OUTBOUND_OUTCOME_UNKNOWN:
	case OUTBOUND_ACCEPTED:
	case OUTBOUND_MESSAGE:
	case OUTBOUND_RECIPIENT:
	case OUTBOUND_WINDOW:
		return false;
	}
	return false;
}

/* What is to be written down of an attempt. *plan and *sealed hold what the outcome borrows. */
static struct store_outcome outcome_of(struct tenants *t, struct settling *one, struct plan *plan, uint8_t **sealed)
{
	const struct sending *s = one->sending;
	const struct outbound_result *r = one->result;
	struct plan_attempt attempt = {.attempt = s->attempt,
		.policy = s->policy,
		.expires_at = s->expires_at,
		.now = store_now_ms(),
		.once = s->once,
		.maybe_sent = s->maybe_sent};
	struct store_outcome outcome = {.business_id = s->business_id,
		.message_id = s->message_id,
		.attempt = s->attempt,
		.error_code = r->code,
		.told = s->once};

	vault_random(&attempt.random, sizeof(attempt.random));
	plan_make(r, &attempt, plan);
	outcome.to = plan->to;
	outcome.next_at = plan->next_at;
	outcome.maybe_duplicate = plan->maybe_duplicate;
	if (s->virtual_key_id[0] != '\0' && plan->to == STORE_MESSAGE_DEAD && gives_back(r->class)) {
		outcome.given_back_to = s->virtual_key_id;
		outcome.spent_at = s->spent_at;
	}
	outcome.reason = plan->reason[0] != '\0' ? plan->reason : NULL;
	if (plan->to == STORE_MESSAGE_SENT)
		wamid_fill(t, s, r, &outcome, sealed);
	one->settled = settled_of(s, r, plan->next_at > attempt.now ? plan->next_at - attempt.now : r->retry_after_ms);
	return outcome;
}

/* What else it tells, once it is written down. */
static void follow_up(struct tenants *t, const struct settling *one, const struct plan *plan)
{
	const enum outbound_class class = one->result->class;

	if (plan->to == STORE_MESSAGE_SENT)
		prove(t, one->sending);
	else
		log_not_sent(one->sending, one->result, plan);
	if (class == OUTBOUND_AUTH || class == OUTBOUND_ACCOUNT || class == OUTBOUND_NO_CREDENTIAL)
		look_soon(t, one->sending);
}

void settle_sends(struct tenants *t, struct settling *all, size_t len, const atomic_bool *stop)
{
	struct store_outcome outcomes[SETTLING_MAX];
	struct plan plans[SETTLING_MAX];
	uint8_t *sealed[SETTLING_MAX] = {NULL};

	for (size_t i = 0; i < len; i++)
		outcomes[i] = outcome_of(t, &all[i], &plans[i], &sealed[i]);
	write_down(t, outcomes, len, stop);
	for (size_t i = 0; i < len; i++) {
		follow_up(t, &all[i], &plans[i]);
		free(sealed[i]);
	}
	vault_wipe(plans, len * sizeof(plans[0]));
}

/* ------------------------------------------------------------ the key */

static bool says_of_token(const struct outbound_result *r, bool works)
{
	cJSON *fields;
	const cJSON *valid;
	bool says;

	if (r->class != OUTBOUND_ACCEPTED || r->fields == NULL)
		return false;
	fields = json_parse(r->fields, strlen(r->fields));
	valid = json_get_path(fields, "data.is_valid");
	says = works ? cJSON_IsTrue(valid) : cJSON_IsFalse(valid);
	cJSON_Delete(fields);
	return says;
}

bool settle_token_is_dead(const struct outbound_result *r, bool of_the_key)
{
	return (r->class == OUTBOUND_AUTH && of_the_key) || says_of_token(r, false);
}

bool settle_token_works(const struct outbound_result *r)
{
	return says_of_token(r, true);
}

static bool key_unchanged(struct tenants *t, const struct sending *s)
{
	struct store_credential now;
	uint8_t *blob = NULL;
	const bool same = prepare_credential(t, s->business_id, s->connection_id, s->kind->credentials[0], &now,
				  &blob) == PREPARE_OK &&
		now.version == s->credential_version;

	free(blob);
	return same;
}

/* A new key that never worked gives way to the one before it. */
static bool older_key_back(struct tenants *t, const struct sending *s)
{
	const struct store_credential c = key_of(s);

	if (store_credential_take_back(tenants_store(t), s->business_id, &c, true) != STORE_OK)
		return false;
	log_warn("the provider refuses the new key: the one before it is used again business=%s connection=%s field=%s",
		s->business_id, s->connection_id, c.field);
	return true;
}

static void mark_refused(struct tenants *t, const struct sending *s)
{
	struct store *store = tenants_store(t);
	struct store_connection c;

	if (store_connection_get(store, s->business_id, s->connection_id, &c) != STORE_OK)
		return;
	if (c.status != STORE_CONNECTION_PENDING && c.status != STORE_CONNECTION_ACTIVE &&
		c.status != STORE_CONNECTION_WEBHOOK_TAKEN)
		return;
	if (store_connection_status_set(
		    store, s->business_id, s->connection_id, c.status, STORE_CONNECTION_KEY_REFUSED) == STORE_OK)
		log_warn("the provider refuses the key: it must be entered again business=%s connection=%s",
			s->business_id, s->connection_id);
}

bool settle_key_refused(struct tenants *t, const struct sending *s)
{
	if (older_key_back(t, s))
		return true;
	/* Refused with a key that is not used any more: the new one is for it, too. Asked after that: who took the key back
	 * may have been a check, at the same time. */
	if (!key_unchanged(t, s))
		return store_retries_due(tenants_store(t), s->business_id, s->connection_id) == STORE_OK;
	mark_refused(t, s);
	return false;
}
