/*
 * Connecting, testing and rotating: the order in which values are checked, sealed,
 * asked about and stored. Secrets stay in struct secret until the vault has sealed
 * them; the sender opens the sealed form for the checks. Called by gateway/api.
 */
#include "gateway/connect/connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/connect/checks.h"
#include "gateway/connect/form.h"

static const char *const credential_fields[CREDENTIALS] = {
	[CREDENTIAL_TOKEN] = "access_token", [CREDENTIAL_APP_SECRET] = "app_secret"};

/* The two credentials of one connection with blobs of their own. */
struct held {
	const char *connection_id;
	struct store_credential credentials[CREDENTIALS];
	uint8_t *blobs[CREDENTIALS];
	bool no_memory;
};

static void held_clear(struct held *h)
{
	for (size_t i = 0; i < CREDENTIALS; i++)
		free(h->blobs[i]);
}

static enum connect_error from_store(enum store_error err)
{
	switch (err) {
	case STORE_OK:
		return CONNECT_OK;
	case STORE_NOT_FOUND:
		return CONNECT_NOT_FOUND;
	case STORE_NUMBER_TAKEN:
		return CONNECT_NUMBER_TAKEN;
	case STORE_STALE:
		return CONNECT_STALE;
	case STORE_EXISTS:
	case STORE_TIMEOUT:
	case STORE_BUSY:
	case STORE_FULL:
	case STORE_FAILED:
	case STORE_NEWER:
	case STORE_NOT_OURS:
	case STORE_NO_MEMORY:
	case STORE_INVALID:
		return CONNECT_UNAVAILABLE;
	}
	return CONNECT_UNAVAILABLE;
}

static enum connect_error from_tenant(enum tenant_error err)
{
	if (err == TENANT_OK)
		return CONNECT_OK;
	return err == TENANT_NOT_FOUND ? CONNECT_NOT_FOUND : CONNECT_UNAVAILABLE;
}

/* Seals value as the current credential number which of a connection. */
static enum connect_error seal(const struct connect *c, const char *business_id, size_t which, uint64_t version,
	const struct secret *value, struct held *h)
{
	struct store_credential *out = &h->credentials[which];
	uint8_t *blob = NULL;
	enum connect_error err;

	*out = (struct store_credential){.slot = STORE_SLOT_CURRENT, .version = version, .created_at = store_now_ms()};
	(void)snprintf(out->connection_id, sizeof(out->connection_id), "%s", h->connection_id);
	(void)snprintf(out->field, sizeof(out->field), "%s", credential_fields[which]);
	err = from_tenant(tenant_credential_seal(c->tenants, business_id, value, out, &blob));
	if (err != CONNECT_OK)
		return err;
	free(h->blobs[which]);
	h->blobs[which] = blob;
	return CONNECT_OK;
}

static bool held_take(const struct store_credential *row, void *arg)
{
	struct held *h = arg;

	if (row->slot != STORE_SLOT_CURRENT || strcmp(row->connection_id, h->connection_id) != 0)
		return true;
	for (size_t i = 0; i < CREDENTIALS; i++) {
		if (strcmp(row->field, credential_fields[i]) != 0)
			continue;
		free(h->blobs[i]);
		h->blobs[i] = malloc(row->blob_len > 0 ? row->blob_len : 1);
		if (h->blobs[i] == NULL) {
			h->no_memory = true;
			return false;
		}
		memcpy(h->blobs[i], row->blob, row->blob_len);
		h->credentials[i] = *row;
		h->credentials[i].blob = h->blobs[i];
	}
	return true;
}

/* Loads a stored connection and its current credentials, both of which must be there. */
static enum connect_error load(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *connection, struct held *h)
{
	struct store *store = tenants_store(c->tenants);
	enum connect_error err = from_store(store_connection_get(store, business_id, connection_id, connection));

	if (err != CONNECT_OK)
		return err;
	h->connection_id = connection->id;
	err = from_store(store_credential_list(store, business_id, "", held_take, h));
	if (err == CONNECT_OK && h->no_memory)
		err = CONNECT_UNAVAILABLE;
	for (size_t i = 0; i < CREDENTIALS && err == CONNECT_OK; i++)
		if (h->blobs[i] == NULL)
			err = CONNECT_NOT_FOUND;
	return err;
}

static void refusal(const struct checks_outcome *outcome, struct connect_report *report)
{
	if (outcome->token_refused)
		form_fault(report, "access_token", "Meta refuses this access token; nothing was stored");
	else
		form_fault(report, "app_secret", "Meta refuses app_id and app_secret together; nothing was stored");
}

/* ------------------------------------------------------------ adding */

static void verify_token_new(char *out, size_t room)
{
	uint8_t bytes[16];
	size_t len = 2;

	vault_random(bytes, sizeof(bytes));
	(void)snprintf(out, room, "kh");
	for (size_t i = 0; i < sizeof(bytes); i++, len += 2)
		(void)snprintf(out + len, room - len, "%02x", bytes[i]);
}

static void describe_new(const struct connect_meta *in, struct store_connection *connection)
{
	*connection = (struct store_connection){.provider = STORE_META, .status = STORE_CONNECTION_PENDING};
	store_id_new(connection->id);
	(void)snprintf(connection->business_id, sizeof(connection->business_id), "%s", in->business_id);
	(void)snprintf(connection->app_id, sizeof(connection->app_id), "%s", in->app_id);
	(void)snprintf(connection->waba_id, sizeof(connection->waba_id), "%s", in->waba_id);
	(void)snprintf(connection->phone_number_id, sizeof(connection->phone_number_id), "%s", in->phone_number_id);
	verify_token_new(connection->verify_token, sizeof(connection->verify_token));
	connection->created_at = connection->updated_at = store_now_ms();
}

static bool count_connection(const struct store_connection *connection, void *arg)
{
	(void)connection;
	++*(unsigned *)arg;
	return true;
}

/* More connections than are verified would store a key whose webhooks are all refused. */
static enum connect_error room_for_one(const struct connect *c, const char *business_id, struct connect_report *report)
{
	const struct store_page page = {.limit = TENANT_CONNECTIONS_MAX, .ascending = true};
	unsigned have = 0;
	enum connect_error err = from_store(
		store_connection_list(tenants_store(c->tenants), business_id, &page, count_connection, &have));

	if (err != CONNECT_OK || have < TENANT_CONNECTIONS_MAX)
		return err;
	(void)snprintf(report->field, sizeof(report->field), "phone_number_id");
	(void)snprintf(report->detail, sizeof(report->detail), "a business has at most %u connections",
		TENANT_CONNECTIONS_MAX);
	return CONNECT_INVALID;
}

enum connect_error connect_meta_add(const struct connect *c, const struct connect_meta *in,
	struct store_connection *out, struct connect_report *report)
{
	struct store_connection connection;
	struct checks_outcome outcome = {0};
	struct held h = {.connection_id = connection.id};
	enum connect_error err;

	*report = (struct connect_report){0};
	if (!form_meta_ok(in, report))
		return CONNECT_INVALID;
	err = room_for_one(c, in->business_id, report);
	if (err != CONNECT_OK)
		return err;
	describe_new(in, &connection);
	err = seal(c, in->business_id, CREDENTIAL_TOKEN, 1, in->access_token, &h);
	if (err == CONNECT_OK)
		err = seal(c, in->business_id, CREDENTIAL_APP_SECRET, 1, in->app_secret, &h);
	if (err != CONNECT_OK)
		goto out;
	if (in->verify)
		checks_run(c, &connection, h.credentials, report, &outcome);
	else
		checks_skip(c, &connection, report, "verify was false");
	if (outcome.token_refused || outcome.secret_refused) {
		refusal(&outcome, report);
		err = CONNECT_CREDENTIAL_REFUSED;
		goto out;
	}
	if (outcome.all_ok)
		connection.status = STORE_CONNECTION_ACTIVE;
	err = from_store(store_connection_add(tenants_store(c->tenants), &connection, h.credentials, CREDENTIALS));
	if (err != CONNECT_OK)
		goto out;
	tenants_forget(c->tenants, in->business_id);
	*out = connection;
out:
	held_clear(&h);
	return err;
}

/* ------------------------------------------------------------ testing and rotating */

/* Where a status goes once the checks spoke. Suspended and taken are not theirs to lift. */
static enum store_connection_status status_after(
	enum store_connection_status now, const struct checks_outcome *outcome, bool key_is_new)
{
	switch (now) {
	case STORE_CONNECTION_PENDING:
	case STORE_CONNECTION_ACTIVE:
	case STORE_CONNECTION_KEY_REFUSED:
	case STORE_CONNECTION_BLOCKED:
		if (outcome->token_refused || outcome->secret_refused)
			return STORE_CONNECTION_KEY_REFUSED;
		if (outcome->all_ok)
			return STORE_CONNECTION_ACTIVE;
		/* A new key is unproven, not refused. */
		return now == STORE_CONNECTION_KEY_REFUSED && key_is_new ? STORE_CONNECTION_PENDING : now;
	case STORE_CONNECTION_WEBHOOK_TAKEN:
	case STORE_CONNECTION_SUSPENDED:
		return now;
	}
	return now;
}

/* Writes what the checks found and reads the connection back. */
static enum connect_error conclude(const struct connect *c, struct store_connection *connection,
	const struct checks_outcome *outcome, bool key_is_new)
{
	struct store *store = tenants_store(c->tenants);
	enum store_connection_status to = status_after(connection->status, outcome, key_is_new);
	enum store_error err = outcome->described ? store_connection_describe(store, connection) : STORE_OK;

	if (err == STORE_OK && to != connection->status)
		err = store_connection_status_set(
			store, connection->business_id, connection->id, connection->status, to);
	/* Whoever moved the status meanwhile knew something newer. */
	if (err == STORE_STALE)
		err = STORE_OK;
	if (err == STORE_OK)
		err = store_connection_get(store, connection->business_id, connection->id, connection);
	tenants_forget(c->tenants, connection->business_id);
	return from_store(err);
}

enum connect_error connect_test(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *out, struct connect_report *report)
{
	struct store_connection connection;
	struct checks_outcome outcome = {0};
	struct held h = {0};
	enum connect_error err;

	*report = (struct connect_report){0};
	err = load(c, business_id, connection_id, &connection, &h);
	if (err == CONNECT_OK) {
		checks_run(c, &connection, h.credentials, report, &outcome);
		err = conclude(c, &connection, &outcome, false);
	}
	if (err == CONNECT_OK)
		*out = connection;
	held_clear(&h);
	return err;
}

enum connect_error connect_rotate(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field, const struct secret *value, struct store_connection *out, struct connect_report *report)
{
	size_t which =
		strcmp(field, credential_fields[CREDENTIAL_APP_SECRET]) == 0 ? CREDENTIAL_APP_SECRET : CREDENTIAL_TOKEN;
	struct store_connection connection;
	struct checks_outcome outcome = {0};
	struct held h = {0};
	enum connect_error err;

	*report = (struct connect_report){0};
	err = load(c, business_id, connection_id, &connection, &h);
	if (err == CONNECT_OK && !form_secret_ok(field, value, report))
		err = CONNECT_INVALID;
	if (err == CONNECT_OK)
		err = seal(c, business_id, which, h.credentials[which].version + 1, value, &h);
	if (err != CONNECT_OK)
		goto out;
	checks_run(c, &connection, h.credentials, report, &outcome);
	/* A dead neighbour does not refuse a new key: both may have to be replaced, one after the other.
	 * While the token is dead too, debug_token's refusal does not tell which of them it means. */
	if (which == CREDENTIAL_TOKEN ? outcome.token_refused : outcome.secret_refused && !outcome.token_refused) {
		refusal(&outcome, report);
		err = CONNECT_CREDENTIAL_REFUSED;
		goto out;
	}
	err = from_store(store_credential_put(tenants_store(c->tenants), business_id, &h.credentials[which]));
	if (err != CONNECT_OK)
		goto out;
	err = conclude(c, &connection, &outcome, true);
	if (err == CONNECT_OK)
		*out = connection;
out:
	held_clear(&h);
	return err;
}
