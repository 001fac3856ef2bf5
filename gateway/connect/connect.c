/*
 * What both providers share: sealing and holding credentials, what becomes of the
 * status, testing and registering. Secrets stay in struct secret until
 * the vault has sealed them; the sender opens the sealed form for its questions.
 *
 * Called through connect.h.
 */
#include "gateway/connect/connect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/connect/form.h"
#include "gateway/connect/internal.h"

#define ASK_TOTAL_MS 25000 /* after it no further question is begun */
#define HEADER_LATE_MS 120000 /* longer than a provider works on a call that it did not answer */

const char *const connect_fields[CREDENTIALS] = {[CREDENTIAL_TOKEN] = "access_token",
	[CREDENTIAL_APP_SECRET] = "app_secret",
	[CREDENTIAL_API_KEY] = "api_key",
	[CREDENTIAL_WEBHOOK_SECRET] = "webhook_secret",
	[CREDENTIAL_PLATFORM_SECRET] = "platform_secret"};

const struct provider *connect_provider_of(enum store_provider p)
{
	return p == STORE_360DIALOG ? &d360_provider : &meta_provider;
}

const char *connect_provider_name(const struct store_connection *s)
{
	return s->sandbox ? "360dialog's sandbox" : connect_provider_of(s->provider)->name;
}

enum connect_error connect_from_store(enum store_error err)
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
	case STORE_FOREIGN:
	case STORE_NO_MEMORY:
	case STORE_TOO_MANY:
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

void connect_webhook_url(const struct connect *c, const char *business_id, char *out, size_t out_len)
{
	(void)snprintf(out, out_len, "%s/webhooks/%s", c->public_url, business_id);
}

void connecting_begin(struct connecting *w, const struct connect *c, struct store_connection *connection,
	struct connect_report *report)
{
	*w = (struct connecting){.c = c, .connection = connection, .report = report};
	w->held.connection_id = connection->id;
	w->ask_until = store_now_ms() + ASK_TOTAL_MS;
	connect_webhook_url(c, connection->business_id, w->url, sizeof(w->url));
}

/* ------------------------------------------------------------ credentials */

void connect_held_clear(struct held *h)
{
	for (size_t i = 0; i < CREDENTIALS; i++)
		free(h->blobs[i]);
}

enum connect_error connect_seal(
	struct connecting *w, enum credential which, uint64_t version, const struct secret *value)
{
	struct store_credential *out = &w->held.credentials[which];
	uint8_t *blob = NULL;
	enum tenant_error sealed;

	*out = (struct store_credential){.slot = STORE_SLOT_CURRENT, .version = version, .created_at = store_now_ms()};
	(void)snprintf(out->connection_id, sizeof(out->connection_id), "%s", w->connection->id);
	(void)snprintf(out->field, sizeof(out->field), "%s", connect_fields[which]);
	sealed = tenant_credential_seal(w->c->tenants, w->connection->business_id, value, out, &blob);
	if (sealed == TENANT_BAD_DATA)
		(void)snprintf(w->report->detail, sizeof(w->report->detail),
			"nothing can be entered: the key under which this business's keys are kept is damaged here, "
			"and "
			"the operator has to mend that first (keyhouse doctor %s)",
			w->connection->business_id);
	if (sealed != TENANT_OK)
		return from_tenant(sealed);
	free(w->held.blobs[which]);
	w->held.blobs[which] = blob;
	return CONNECT_OK;
}

static bool held_take(const struct store_credential *row, void *arg)
{
	struct held *h = arg;

	if (row->slot != STORE_SLOT_CURRENT || strcmp(row->connection_id, h->connection_id) != 0)
		return true;
	for (size_t i = 0; i < CREDENTIALS; i++) {
		if (strcmp(row->field, connect_fields[i]) != 0)
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

enum connect_error connecting_load(struct connecting *w, const struct connect *c, const char *business_id,
	const char *connection_id, struct store_connection *connection, struct connect_report *report)
{
	struct store *store = tenants_store(c->tenants);
	const struct provider *p;
	enum connect_error err;

	*report = (struct connect_report){0};
	*w = (struct connecting){0};
	err = connect_from_store(store_connection_get(store, business_id, connection_id, connection));
	if (err != CONNECT_OK)
		return err;
	connecting_begin(w, c, connection, report);
	w->stored = true;
	p = connect_provider_of(connection->provider);
	err = connect_from_store(store_credential_list(store, business_id, "", held_take, &w->held));
	if (err == CONNECT_OK && w->held.no_memory)
		err = CONNECT_UNAVAILABLE;
	for (size_t i = 0; i < p->required && err == CONNECT_OK; i++)
		if (w->held.blobs[p->first + i] == NULL)
			err = CONNECT_NOT_FOUND;
	return err;
}

/* ------------------------------------------------------------ adding */

void connect_verify_token_make(char *out, size_t room)
{
	uint8_t bytes[16];
	size_t len = 2;

	vault_random(bytes, sizeof(bytes));
	(void)snprintf(out, room, "kh");
	for (size_t i = 0; i < sizeof(bytes); i++, len += 2)
		(void)snprintf(out + len, room - len, "%02x", bytes[i]);
}

void connect_describe(struct store_connection *connection, enum store_provider provider, const char *business_id,
	const char *waba_id, const char *phone_number_id)
{
	*connection = (struct store_connection){.provider = provider, .status = STORE_CONNECTION_PENDING};
	store_id_new(connection->id);
	(void)snprintf(connection->business_id, sizeof(connection->business_id), "%s", business_id);
	(void)snprintf(connection->waba_id, sizeof(connection->waba_id), "%s", waba_id != NULL ? waba_id : "");
	(void)snprintf(connection->phone_number_id, sizeof(connection->phone_number_id), "%s",
		phone_number_id != NULL ? phone_number_id : "");
	connect_verify_token_make(connection->verify_token, sizeof(connection->verify_token));
	connection->created_at = connection->updated_at = store_now_ms();
}

static bool count_connection(const struct store_connection *connection, void *arg)
{
	(void)connection;
	++*(unsigned *)arg;
	return true;
}

/* More connections than are verified would store a key whose webhooks are all refused. */
enum connect_error connect_room(struct connecting *w)
{
	const struct store_page page = {.limit = TENANT_CONNECTIONS_MAX, .ascending = true};
	struct store *store = tenants_store(w->c->tenants);
	struct store_connection *s = w->connection;
	struct store_business b;
	unsigned have = 0;
	enum store_error err = store_business_get(store, s->business_id, &b);

	if (err == STORE_OK)
		err = store_connection_list(store, s->business_id, &page, count_connection, &have);
	if (err != STORE_OK)
		return connect_from_store(err);
	s->business_at = b.created_at;
	if (have < TENANT_CONNECTIONS_MAX)
		return CONNECT_OK;
	(void)snprintf(w->report->field, sizeof(w->report->field), "phone_number_id");
	(void)snprintf(w->report->detail, sizeof(w->report->detail), "a business has at most %u connections",
		TENANT_CONNECTIONS_MAX);
	return CONNECT_INVALID;
}

/* Without saying whose: that is nobody else's business. */
static enum connect_error conclusion(struct connecting *w, enum store_error err)
{
	if (err == STORE_NUMBER_TAKEN) {
		(void)snprintf(
			w->report->number_taken, sizeof(w->report->number_taken), "%s", w->connection->phone_number_id);
		(void)snprintf(w->report->detail, sizeof(w->report->detail),
			"number %s is connected already, in this business or another; to change its key, PATCH that "
			"connection (`keyhouse connection rotate`)",
			w->connection->phone_number_id);
	}
	return connect_from_store(err);
}

enum connect_error connect_store(struct connecting *w, const struct provider *p)
{
	size_t len = 0;
	enum store_error err;

	while (len < p->at_most && w->held.blobs[p->first + len] != NULL)
		len++;
	w->connection->number_proven = w->described;
	w->connection->checks_failed = connect_any_failed(w->report);
	if (connect_key_works(w))
		w->held.credentials[p->first].proven_at = store_now_ms();
	err = store_connection_add(tenants_store(w->c->tenants), w->connection, &w->held.credentials[p->first], len);
	w->stored = err == STORE_OK;
	if (w->stored)
		tenants_forget(w->c->tenants, w->connection->business_id);
	return conclusion(w, err);
}

/* ------------------------------------------------------------ what becomes of it */

static bool is_refused(const struct connecting *w)
{
	for (size_t i = 0; i < CREDENTIALS; i++)
		if (w->refused[i])
			return true;
	return false;
}

/* Where a status goes once the checks spoke. A suspension is not theirs to lift, and good keys do not bring back
 * webhooks that were taken. */
static enum store_connection_status status_after(const struct connecting *w, bool key_is_new)
{
	enum store_connection_status now = w->connection->status;

	if (now == STORE_CONNECTION_SUSPENDED)
		return now;
	if (is_refused(w))
		return STORE_CONNECTION_KEY_REFUSED;
	if (w->blocked)
		return STORE_CONNECTION_BLOCKED;
	if (w->taken)
		return STORE_CONNECTION_WEBHOOK_TAKEN;
	if (w->all_ok && (now != STORE_CONNECTION_WEBHOOK_TAKEN || connect_check_is_ok(w->report, "callback")))
		return STORE_CONNECTION_ACTIVE;
	/* A new key is unproven, not refused. */
	return now == STORE_CONNECTION_KEY_REFUSED && key_is_new ? STORE_CONNECTION_PENDING : now;
}

bool connect_any_failed(const struct connect_report *report)
{
	for (size_t i = 0; i < report->checks_len; i++)
		if (report->checks[i].result == CONNECT_CHECK_FAILED)
			return true;
	return false;
}

enum connect_error connecting_probed(struct connecting *w, bool key_is_new)
{
	const struct store_connection *s = w->connection;
	const bool failed = connect_any_failed(w->report);

	if (failed == s->checks_failed || (!failed && !w->all_ok && !key_is_new))
		return CONNECT_OK;
	return connect_from_store(
		store_connection_checked(tenants_store(w->c->tenants), s->business_id, s->id, failed));
}

enum connect_error connecting_conclude(struct connecting *w, bool key_is_new)
{
	struct store *store = tenants_store(w->c->tenants);
	struct store_connection *s = w->connection;
	enum store_connection_status to = status_after(w, key_is_new);
	enum store_error err = STORE_OK;

	connect_webhook_check(w);
	if (w->learnt || (w->described && !s->number_proven))
		err = store_connection_number_set(
			store, s->business_id, s->id, s->phone_number_id, s->waba_id, w->described);
	/* Learnt by somebody else meanwhile. */
	if (err == STORE_STALE)
		err = STORE_OK;
	if (err == STORE_OK && w->described)
		err = store_connection_describe(store, s);
	if (err == STORE_OK)
		err = facts_keep(w, key_is_new);
	if (err == STORE_OK && to != s->status)
		err = store_connection_status_set(store, s->business_id, s->id, s->status, to);
	/* Whoever moved the status meanwhile knew something newer. */
	if (err == STORE_STALE)
		err = STORE_OK;
	if (err == STORE_OK)
		err = store_connection_get(store, s->business_id, s->id, s);
	tenants_forget(w->c->tenants, s->business_id);
	return conclusion(w, err);
}

bool connect_key_works(const struct connecting *w)
{
	const bool is_meta = w->connection->provider == STORE_META;

	if (!connect_check_is_ok(w->report, is_meta ? "token" : "key"))
		return false;
	for (size_t i = 0; i < w->report->checks_len; i++)
		if (w->report->checks[i].result == CONNECT_CHECK_FAILED ||
			w->report->checks[i].result == CONNECT_CHECK_WAITING)
			return false;
	return true;
}

/* There is none before it, or somebody replaced it meanwhile: as it is. */
static enum connect_error from_judging(enum store_error err)
{
	return err == STORE_NOT_FOUND || err == STORE_STALE ? CONNECT_OK : connect_from_store(err);
}

/* Whether another one took its place while it was tried: a send may have found first that it is refused. */
static bool is_replaced(const struct connecting *w, enum credential which)
{
	struct held now = {.connection_id = w->connection->id};
	const bool replaced = store_credential_list(tenants_store(w->c->tenants), w->connection->business_id, "",
				      held_take, &now) == STORE_OK &&
		!now.no_memory && now.credentials[which].version != w->held.credentials[which].version;

	connect_held_clear(&now);
	return replaced;
}

/* What the probe says of a key that nothing was sent with yet. */
static enum connect_error key_judged(struct connecting *w, bool *back)
{
	const enum credential which = connect_provider_of(w->connection->provider)->first;
	const struct store_credential *key = &w->held.credentials[which];
	struct store *store = tenants_store(w->c->tenants);
	enum store_error err = STORE_OK;

	if (key->proven_at > 0)
		return CONNECT_OK;
	if (w->refused[which]) {
		err = store_credential_take_back(store, w->connection->business_id, key, true);
		*back = err == STORE_OK || is_replaced(w, which);
	} else if (connect_key_works(w)) {
		err = store_credential_worked(store, w->connection->business_id, key, store_now_ms(), 0);
	}
	return from_judging(err);
}

/* A header that 360dialog did not get in all that time: it sends the one before. */
static enum connect_error header_judged(struct connecting *w, bool *back)
{
	const struct store_credential *header = &w->held.credentials[CREDENTIAL_WEBHOOK_SECRET];
	enum store_error err;

	if (w->seen.owner != OWNER_OURS || w->seen.secret || header->blob == NULL || header->proven_at > 0 ||
		store_now_ms() - header->created_at < HEADER_LATE_MS)
		return CONNECT_OK;
	err = store_credential_take_back(tenants_store(w->c->tenants), w->connection->business_id, header, false);
	if (err == STORE_OK) {
		*back = true;
		tenants_forget(w->c->tenants, w->connection->business_id);
	}
	return from_judging(err);
}

/* What was found of secrets that are new. *back: one was not right, and the one before it is in its place again. */
static enum connect_error new_ones_judged(struct connecting *w, bool set, bool *back)
{
	enum connect_error err = key_judged(w, back);

	return err == CONNECT_OK && !set && w->connection->provider == STORE_360DIALOG ? header_judged(w, back) : err;
}

/* The checks of a stored connection, with its webhooks registered again or only looked at. *back: what was checked is not
 * what is there now. */
static enum connect_error run_one(const struct connect *c, const char *business_id, const char *connection_id, bool set,
	bool take_over, struct store_connection *out, struct connect_report *report, bool *back)
{
	struct store_connection connection;
	struct connecting w;
	enum connect_error err = connecting_load(&w, c, business_id, connection_id, &connection, report);

	*back = false;
	if (err == CONNECT_OK) {
		const struct provider *p = connect_provider_of(connection.provider);

		if (c->outbound == NULL) {
			p->skip(&w, CONNECT_NO_SENDER);
		} else {
			p->probe(&w);
			err = new_ones_judged(&w, set, back);
			if (err == CONNECT_OK && !*back)
				err = connecting_probed(&w, false);
			if (err == CONNECT_OK && !*back)
				p->callback(&w, set, take_over);
		}
		if (err == CONNECT_OK && !*back)
			err = connecting_conclude(&w, false);
	}
	if (err == CONNECT_OK)
		*out = connection;
	connect_held_clear(&w.held);
	return err;
}

static enum connect_error run(const struct connect *c, const char *business_id, const char *connection_id, bool set,
	bool take_over, struct store_connection *out, struct connect_report *report)
{
	bool back;
	enum connect_error err = run_one(c, business_id, connection_id, set, take_over, out, report, &back);

	if (err == CONNECT_OK && back)
		err = run_one(c, business_id, connection_id, set, take_over, out, report, &back);
	return err;
}

enum connect_error connect_test(const struct connect *c, const char *business_id, const char *connection_id,
	struct store_connection *out, struct connect_report *report)
{
	return run(c, business_id, connection_id, false, false, out, report);
}

/* Nobody can enter it again, and our webhook is not set without it. */
static bool own_secret_is_damaged(const struct connect *c, const char *business_id, const char *connection_id)
{
	struct store_connection connection;
	struct connect_report report;
	struct connecting w;
	enum tenant_error opens = TENANT_OK;

	if (connecting_load(&w, c, business_id, connection_id, &connection, &report) == CONNECT_OK &&
		connection.provider == STORE_360DIALOG)
		opens = tenant_credential_check(
			c->tenants, business_id, &w.held.credentials[CREDENTIAL_WEBHOOK_SECRET]);
	connect_held_clear(&w.held);
	return tenant_is_damaged(opens);
}

enum connect_error connect_register(const struct connect *c, const char *business_id, const char *connection_id,
	bool take_over, struct store_connection *out, struct connect_report *report)
{
	/* Where no new one is taken, what is amiss says the look. */
	if (own_secret_is_damaged(c, business_id, connection_id))
		return connect_webhook_secret_new(c, business_id, connection_id, take_over, out, report) == CONNECT_OK
			? CONNECT_OK
			: run(c, business_id, connection_id, false, false, out, report);
	return run(c, business_id, connection_id, true, take_over, out, report);
}
