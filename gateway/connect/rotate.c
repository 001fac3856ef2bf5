/*
 * Replacing one secret of a stored connection: tried before it is stored where the provider answers;
 * the one before it stays for a while. Called through connect.h.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/connect/form.h"
#include "gateway/connect/internal.h"

static enum credential credential_named(const char *field)
{
	size_t i = 0;

	while (i < CREDENTIALS && strcmp(field, connect_fields[i]) != 0)
		i++;
	return (enum credential)i;
}

/* Whether the live checks speak against the new value itself. A dead neighbour does not refuse it: both may have to
 * be replaced, one after the other. While the token is dead too, debug_token's refusal does not tell which it means. */
static enum connect_error judge_new(const struct connecting *w, enum credential which, struct connect_report *report)
{
	const char *name = connect_provider_name(w->connection);
	char detail[120];

	if (which == CREDENTIAL_API_KEY && w->other_number) {
		form_fault(
			report, "api_key", "is the key of another number than this connection's; nothing was changed");
		return CONNECT_INVALID;
	}
	if (which == CREDENTIAL_TOKEN && w->denied) {
		form_fault(report, "access_token", "may not use this connection's number; nothing was changed");
		return CONNECT_CREDENTIAL_REFUSED;
	}
	if (!w->refused[which] || (which == CREDENTIAL_APP_SECRET && w->refused[CREDENTIAL_TOKEN]))
		return CONNECT_OK;
	(void)snprintf(detail, sizeof(detail), "%s refuses it; nothing was changed", name);
	form_fault(report, connect_fields[which], detail);
	return CONNECT_CREDENTIAL_REFUSED;
}

/* The provider was not given the new header, so it goes on sending the old one, which takes its place again. */
static enum connect_error header_back(struct connecting *w)
{
	const struct connect_check *callback = connect_check_find(w->report, "callback");
	const bool silent = callback != NULL && callback->result == CONNECT_CHECK_WAITING;
	enum connect_error err = connect_from_store(store_credential_take_back(tenants_store(w->c->tenants),
		w->connection->business_id, &w->held.credentials[CREDENTIAL_WEBHOOK_SECRET], false));

	if (err == CONNECT_OK)
		err = connecting_conclude(w, false);
	if (err != CONNECT_OK)
		return err;
	(void)snprintf(w->report->field, sizeof(w->report->field), "webhook_secret");
	(void)snprintf(w->report->detail, sizeof(w->report->detail), "was not set, so the old one stays: %.200s",
		callback != NULL ? callback->detail : "it was not asked");
	return w->taken ? CONNECT_WEBHOOK_TAKEN : silent ? CONNECT_UNAVAILABLE : CONNECT_CREDENTIAL_REFUSED;
}

/* Stored from here on: the rest of it is written down, whatever comes. */
static enum connect_error rotated(struct connecting *w, enum credential which, bool take_over)
{
	const struct provider *p = connect_provider_of(w->connection->provider);
	bool set = take_over || which == CREDENTIAL_API_KEY || which == CREDENTIAL_WEBHOOK_SECRET;
	enum connect_error err;

	tenants_forget(w->c->tenants, w->connection->business_id);
	if (w->c->outbound == NULL) {
		p->skip(w, CONNECT_NO_SENDER);
		return connecting_conclude(w, true);
	}
	err = connecting_probed(w, true);
	if (err != CONNECT_OK)
		return err;
	p->callback(w, set, take_over);
	if (which == CREDENTIAL_WEBHOOK_SECRET && w->unset)
		return header_back(w);
	return connecting_conclude(w, true);
}

static enum connect_error rotate(struct connecting *w, const char *field, const struct secret *value, bool take_over)
{
	const struct provider *p = connect_provider_of(w->connection->provider);
	enum credential which = credential_named(field);
	enum connect_error err;

	if (!form_secret_ok(w->connection->provider, field, value, w->report))
		return CONNECT_INVALID;
	err = connect_seal(w, which, w->held.credentials[which].newest + 1, value);
	if (err != CONNECT_OK)
		return err;
	if (w->c->outbound != NULL) {
		p->probe(w);
		err = judge_new(w, which, w->report);
		if (err != CONNECT_OK)
			return err;
		if (which == p->first && connect_key_works(w))
			w->held.credentials[which].proven_at = store_now_ms();
	}
	err = connect_from_store(store_credential_put(
		tenants_store(w->c->tenants), w->connection->business_id, &w->held.credentials[which]));
	return err == CONNECT_OK ? rotated(w, which, take_over) : err;
}

enum connect_error connect_rotate(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field, const struct secret *value, bool take_over, struct store_connection *out,
	struct connect_report *report)
{
	struct store_connection connection;
	struct connecting w;
	enum connect_error err = connecting_load(&w, c, business_id, connection_id, &connection, report);

	if (err == CONNECT_OK)
		err = rotate(&w, field, value, take_over);
	if (err == CONNECT_OK)
		*out = connection;
	connect_held_clear(&w.held);
	return err;
}

/* ------------------------------------------------------------ verify tokens, and ending the old */

static enum connect_error verify_token_new(struct store *store, struct store_connection *s)
{
	char token[sizeof(s->verify_token)];
	enum store_error err;

	connect_verify_token_make(token, sizeof(token));
	err = store_verify_token_put(store, s->business_id, s->id, s->verify_token, token);
	if (err == STORE_OK)
		err = store_connection_get(store, s->business_id, s->id, s);
	return connect_from_store(err);
}

enum connect_error connect_webhook_secret_new(const struct connect *c, const char *business_id,
	const char *connection_id, bool take_over, struct store_connection *out, struct connect_report *report)
{
	const char *field = connect_fields[CREDENTIAL_WEBHOOK_SECRET];
	struct secret *value = connect_webhook_secret_make();
	enum connect_error err = CONNECT_UNAVAILABLE;

	if (value != NULL)
		err = connect_rotate(c, business_id, connection_id, field, value, take_over, out, report);
	secret_free(value);
	return err;
}

enum connect_error connect_rotate_own(const struct connect *c, const char *business_id, const char *connection_id,
	const char *field, struct store_connection *out, struct connect_report *report)
{
	const bool token = strcmp(field, CONNECT_VERIFY_TOKEN) == 0;
	const enum store_provider provider = token ? STORE_META : STORE_360DIALOG;
	enum connect_error err =
		connect_from_store(store_connection_get(tenants_store(c->tenants), business_id, connection_id, out));

	*report = (struct connect_report){0};
	if (err != CONNECT_OK)
		return err;
	if (out->provider != provider || (!token && strcmp(field, connect_fields[CREDENTIAL_WEBHOOK_SECRET]) != 0)) {
		form_fault(report, field,
			"is nothing that is made here for this connection: verify_token (meta) or "
			"webhook_secret (360dialog)");
		return CONNECT_INVALID;
	}
	if (token)
		return verify_token_new(tenants_store(c->tenants), out);
	return connect_webhook_secret_new(c, business_id, connection_id, false, out, report);
}

enum connect_error connect_previous_end(
	const struct connect *c, const char *business_id, const char *connection_id, const char *field)
{
	struct store *store = tenants_store(c->tenants);
	enum store_error err;

	if (strcmp(field, CONNECT_VERIFY_TOKEN) == 0) {
		err = store_verify_token_end(store, business_id, connection_id);
	} else {
		if (credential_named(field) == CREDENTIALS)
			return CONNECT_INVALID;
		err = store_credential_end(store, business_id, connection_id, field);
		tenants_forget(c->tenants, business_id);
	}
	return connect_from_store(err);
}
