/*
 * Renewing an access token before it expires. The sender seals the fresh one, so it is
 * never here in clear; it is tried under its own name before it takes the old one's place.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/connect/form.h"
#include "gateway/connect/internal.h"
#include "gateway/json.h"

#define BLOB_MAX 8192u

/* Puts the fresh token into w->held. False: the answer does not hold one. */
static bool take(struct connecting *w, const char *answer)
{
	struct store_credential *held = &w->held.credentials[CREDENTIAL_TOKEN];
	cJSON *fields = json_parse(answer, strlen(answer));
	const char *sealed = json_get_string(fields, "sealed"), *last4 = json_get_string(fields, "last4");
	const char *fingerprint = json_get_string(fields, "fingerprint");
	uint8_t *blob = malloc(BLOB_MAX);
	size_t len = 0;
	bool ok = blob != NULL && sealed != NULL && last4 != NULL && fingerprint != NULL &&
		vault_base64_read(sealed, strlen(sealed), blob, BLOB_MAX, &len);

	if (ok) {
		free(w->held.blobs[CREDENTIAL_TOKEN]);
		w->held.blobs[CREDENTIAL_TOKEN] = blob;
		blob = NULL; /* transferred */
		held->version = ++held->newest;
		held->proven_at = held->refused_at = 0;
		held->blob = w->held.blobs[CREDENTIAL_TOKEN];
		held->blob_len = len;
		held->created_at = store_now_ms();
		held->last_used_at = 0;
		(void)snprintf(held->last4, sizeof(held->last4), "%s", last4);
		(void)snprintf(held->fingerprint, sizeof(held->fingerprint), "%s", fingerprint);
	}
	free(blob);
	cJSON_Delete(fields);
	return ok;
}

static enum connect_error fetch(struct connecting *w)
{
	struct outbound_result result;
	enum connect_error err = CONNECT_OK;

	connect_ask(w, OUTBOUND_META_TOKEN_EXCHANGE, CREDENTIAL_TOKEN, NULL, &result);
	if (connect_is_silent(&result)) {
		form_fault(w->report, "access_token", "Meta did not answer; it is tried again later");
		err = CONNECT_UNAVAILABLE;
	} else if (result.class != OUTBOUND_ACCEPTED || result.fields == NULL || !take(w, result.fields)) {
		form_fault(w->report, "access_token",
			"Meta gives no fresh token for this one: make a new one there and replace it before it "
			"expires");
		err = CONNECT_CREDENTIAL_REFUSED;
	}
	outbound_result_clear(&result);
	return err;
}

/* Whether the fresh token works, may do all that is needed, and lives longer than the one before. */
static bool is_better(const struct connecting *w, const struct store_connection_facts *before)
{
	const int64_t ends = w->facts.token_expires_at;

	return !w->refused[CREDENTIAL_TOKEN] && w->described && w->token_told &&
		connect_check_is_ok(w->report, "permissions") && (ends < 0 || ends > before->token_expires_at);
}

static enum connect_error renew(struct connecting *w)
{
	struct store_connection *s = w->connection;
	struct store_connection_facts before;
	enum connect_error err;

	if (s->provider != STORE_META) {
		form_fault(w->report, "access_token", "is Meta's; this connection has none");
		return CONNECT_INVALID;
	}
	err = connect_from_store(
		store_connection_facts_get(tenants_store(w->c->tenants), s->business_id, s->id, &before));
	if (err == CONNECT_OK)
		err = fetch(w);
	if (err != CONNECT_OK)
		return err;
	meta_provider.probe(w);
	if (!is_better(w, &before)) {
		form_fault(w->report, "access_token",
			"Meta gave a fresh token that is no better; the old one stays in its place");
		return CONNECT_CREDENTIAL_REFUSED;
	}
	w->held.credentials[CREDENTIAL_TOKEN].proven_at = store_now_ms();
	err = connect_from_store(store_credential_put(
		tenants_store(w->c->tenants), s->business_id, &w->held.credentials[CREDENTIAL_TOKEN]));
	if (err == CONNECT_OK)
		err = connecting_probed(w, true);
	return err == CONNECT_OK ? connecting_conclude(w, true) : err;
}

enum connect_error connect_token_renew(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *out, struct connect_report *report)
{
	struct store_connection connection;
	struct connecting w;
	enum connect_error err;

	if (c->outbound == NULL)
		return CONNECT_UNAVAILABLE;
	err = connecting_load(&w, c, business_id, connection_id, &connection, report);
	if (err == CONNECT_OK)
		err = renew(&w);
	if (err == CONNECT_OK)
		*out = connection;
	connect_held_clear(&w.held);
	return err;
}
