/*
 * Gathering what a job carries: ids, the wrapped key, sealed credentials, the body. Trusts the
 * store; what it holds is sealed. Called by the listener's half.
 */
#include "gateway/outbound/prepare.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/outbound/meta.h"

void prepared_clear(struct prepared *p)
{
	for (size_t i = 0; i < KIND_CREDENTIALS_MAX; i++)
		free(p->blobs[i]);
	json_text_free(p->body);
	*p = (struct prepared){0};
}

bool prepared_note(struct tenants *t, const struct prepared *p)
{
	const size_t len = job_credentials(&p->job);

	return len == 0 ||
		store_credential_use(tenants_store(t), p->business_id, p->credentials, len, p->job.kind->name, p->id) ==
		STORE_OK;
}

/* ------------------------------------------------------------ credentials */

struct search {
	const char *connection_id;
	const char *field;
	struct store_credential *out;
	uint8_t **blob;
	enum prepare_error err;
};

static bool search_one(const struct store_credential *c, void *arg)
{
	struct search *s = arg;
	uint8_t *copy;

	if (c->slot != STORE_SLOT_CURRENT || strcmp(c->connection_id, s->connection_id) != 0 ||
		strcmp(c->field, s->field) != 0)
		return true;
	copy = malloc(c->blob_len > 0 ? c->blob_len : 1);
	if (copy == NULL) {
		s->err = PREPARE_LATER;
		return false;
	}
	if (c->blob_len > 0)
		memcpy(copy, c->blob, c->blob_len);
	*s->out = *c;
	s->out->blob = copy;
	*s->blob = copy;
	s->err = PREPARE_OK;
	return false;
}

enum prepare_error prepare_credential(struct tenants *t, const char *business_id, const char *connection_id,
	const char *field, struct store_credential *out, uint8_t **blob)
{
	struct search s = {connection_id, field, out, blob, PREPARE_NO_CREDENTIAL};

	if (store_credential_list(tenants_store(t), business_id, field, search_one, &s) != STORE_OK &&
		s.err != PREPARE_OK)
		return PREPARE_LATER;
	return s.err;
}

/* ------------------------------------------------------------ the job */

static enum prepare_error from_tenant(enum tenant_error err)
{
	switch (err) {
	case TENANT_OK:
		return PREPARE_OK;
	case TENANT_NOT_FOUND:
	case TENANT_BAD_DATA:
		return PREPARE_UNREADABLE;
	case TENANT_VAULT:
	case TENANT_STORE:
	case TENANT_NO_MEMORY:
		return PREPARE_LATER;
	}
	return PREPARE_LATER;
}

/* What every kind carries. Credentials are in place. */
static enum prepare_error job_fill(struct tenants *t, enum outbound_kind kind, struct prepared *p)
{
	struct job *j = &p->job;

	j->kind = kind_find((uint32_t)kind);
	j->id = p->id;
	j->deployment_id = store_deployment_id(tenants_store(t));
	j->business_id = p->business_id;
	j->number = p->number;
	j->app_id = p->app_id;
	j->waba_id = p->waba_id;
	j->url = p->url;
	j->message_id = p->message_id;
	if (p->body != NULL) {
		j->body = p->body;
		j->body_len = strlen(p->body);
	}
	for (size_t i = 0; j->kind != NULL && i < kind_credentials(j->kind); i++) {
		const struct store_credential *c = &p->credentials[i];
		enum tenant_error err;

		if (c->blob == NULL && j->kind->optional)
			break;
		j->credentials[i] = (struct job_credential){.connection_id = c->connection_id,
			.field = c->field,
			.version = c->version,
			.newest = c->newest > c->version ? c->newest : c->version,
			.blob = c->blob,
			.blob_len = c->blob_len};
		err = tenant_credential_key(t, p->business_id, c->blob, c->blob_len, &j->credentials[i].key);
		/* No such key: the business's keys were destroyed. No such blob: it is damaged. */
		if (tenant_is_damaged(err) && j->kind->optional && i + 1 == kind_credentials(j->kind)) {
			j->credentials[i] = (struct job_credential){.field = NULL};
			break;
		}
		if (tenant_is_damaged(err))
			return PREPARE_NO_CREDENTIAL;
		if (err != TENANT_OK)
			return from_tenant(err);
	}
	return job_valid(j) ? PREPARE_OK : PREPARE_INVALID;
}

/* False: it does not fit, and a part of it would be another id. */
static bool copy_text(char *to, size_t room, const char *from)
{
	return from == NULL || (size_t)snprintf(to, room, "%s", from) < room;
}

/* As many of the connection's as the kind wants; the last may be missing where that is optional. */
static enum prepare_error connection_credentials(
	struct tenants *t, const struct kind *k, const struct store_connection *c, struct prepared *out)
{
	const size_t len = kind_credentials(k);

	for (size_t i = 0; i < len; i++) {
		const enum prepare_error err = prepare_credential(
			t, c->business_id, c->id, k->credentials[i], &out->credentials[i], &out->blobs[i]);

		if (err != PREPARE_OK && !(err == PREPARE_NO_CREDENTIAL && k->optional && i + 1 == len))
			return err;
	}
	return PREPARE_OK;
}

static enum prepare_error body_open(struct tenants *t, const struct store_message *m, char **body)
{
	struct tenant_place place = {m->business_id, "messages", m->id, "content", 1};
	enum prepare_error err;
	uint8_t *plain;
	size_t len;

	err = from_tenant(tenant_open(t, &place, m->content, m->content_len, &plain, &len));
	if (err != PREPARE_OK)
		return err;
	*body = meta_body((const char *)plain, len, m->id);
	vault_wipe(plain, len);
	free(plain);
	return *body != NULL ? PREPARE_OK : PREPARE_UNREADABLE;
}

static enum outbound_kind send_kind(const struct store_connection *c)
{
	if (c->provider == STORE_META)
		return OUTBOUND_META_SEND;
	return c->sandbox ? OUTBOUND_D360_SANDBOX_SEND : OUTBOUND_D360_SEND;
}

enum prepare_error prepare_send(struct tenants *t, const struct store_message *m, struct prepared *out)
{
	struct store_connection connection;
	enum outbound_kind kind;
	enum store_error found;
	enum prepare_error err;

	if (m->content == NULL || m->content_len == 0)
		return PREPARE_UNREADABLE;
	found = store_connection_get(tenants_store(t), m->business_id, m->connection_id, &connection);
	if (found != STORE_OK)
		return found == STORE_NOT_FOUND ? PREPARE_NO_CREDENTIAL : PREPARE_LATER;
	kind = send_kind(&connection);
	if (!copy_text(out->id, sizeof(out->id), m->id) ||
		!copy_text(out->business_id, sizeof(out->business_id), m->business_id) ||
		!copy_text(out->number, sizeof(out->number), kind == OUTBOUND_META_SEND ? m->number : NULL))
		return PREPARE_INVALID;
	err = connection_credentials(t, kind_find((uint32_t)kind), &connection, out);
	if (err == PREPARE_OK)
		err = body_open(t, m, &out->body);
	if (err == PREPARE_OK)
		err = job_fill(t, kind, out);
	return err;
}

static enum prepare_error blob_copy(const struct store_credential *from, struct store_credential *to, uint8_t **blob)
{
	if (from->blob == NULL || from->blob_len == 0)
		return PREPARE_INVALID;
	*blob = malloc(from->blob_len);
	if (*blob == NULL)
		return PREPARE_LATER;
	memcpy(*blob, from->blob, from->blob_len);
	*to = *from;
	to->blob = *blob;
	return PREPARE_OK;
}

/* What the kind wants of it; the rest is left out. */
static enum prepare_error check_copy(const struct kind *k, const struct outbound_check *check, struct prepared *out)
{
	if (!copy_text(out->business_id, sizeof(out->business_id), check->business_id) ||
		!copy_text(out->number, sizeof(out->number),
			kind_wants(k, KIND_WANTS_NUMBER) ? check->phone_number_id : NULL) ||
		!copy_text(out->app_id, sizeof(out->app_id), kind_wants(k, KIND_WANTS_APP) ? check->app_id : NULL) ||
		!copy_text(
			out->waba_id, sizeof(out->waba_id), kind_wants(k, KIND_WANTS_WABA) ? check->waba_id : NULL) ||
		!copy_text(out->url, sizeof(out->url), kind_wants(k, KIND_WANTS_URL) ? check->url : NULL))
		return PREPARE_INVALID;
	if (!kind_wants(k, KIND_WANTS_BODY) || check->body == NULL)
		return PREPARE_OK;
	out->body = strdup(check->body);
	return out->body != NULL ? PREPARE_OK : PREPARE_LATER;
}

enum prepare_error prepare_check(struct tenants *t, const struct outbound_check *check, struct prepared *out)
{
	const struct kind *k = kind_find((uint32_t)check->kind);
	enum prepare_error err;

	/* A send belongs to a lease, an ask to its asker. */
	if (k == NULL || k->use != KIND_CHECK || check->business_id == NULL ||
		check->credentials_len != kind_credentials(k))
		return PREPARE_INVALID;
	store_id_new(out->id);
	err = check_copy(k, check, out);
	for (size_t i = 0; err == PREPARE_OK && i < check->credentials_len; i++)
		err = blob_copy(&check->credentials[i], &out->credentials[i], &out->blobs[i]);
	if (err == PREPARE_OK)
		err = job_fill(t, check->kind, out);
	return err;
}

enum prepare_error prepare_ask(struct tenants *t, const struct outbound_ask *ask, struct prepared *out)
{
	enum prepare_error err;

	if (ask->business_id == NULL || ask->id == NULL || ask->url == NULL || ask->secret == NULL || ask->body == NULL)
		return PREPARE_INVALID;
	if (!copy_text(out->id, sizeof(out->id), ask->id) ||
		!copy_text(out->business_id, sizeof(out->business_id), ask->business_id) ||
		!copy_text(out->url, sizeof(out->url), ask->url) ||
		!copy_text(out->message_id, sizeof(out->message_id), ask->message_id))
		return PREPARE_INVALID;
	err = blob_copy(ask->secret, &out->credentials[0], &out->blobs[0]);
	if (err != PREPARE_OK)
		return err;
	out->job.body = ask->body;
	out->job.body_len = ask->body_len;
	return job_fill(t, OUTBOUND_RESPONDER_ASK, out);
}

enum prepare_error prepare_confirm(
	struct tenants *t, const char *business_id, const char *connection_id, struct prepared *out)
{
	struct store_connection connection;
	enum prepare_error err;

	if (store_connection_get(tenants_store(t), business_id, connection_id, &connection) != STORE_OK)
		return PREPARE_LATER;
	if (connection.app_id[0] == '\0')
		return PREPARE_NO_CREDENTIAL;
	store_id_new(out->id);
	if (!copy_text(out->business_id, sizeof(out->business_id), business_id) ||
		!copy_text(out->app_id, sizeof(out->app_id), connection.app_id))
		return PREPARE_INVALID;
	err = prepare_credential(t, business_id, connection_id, "access_token", &out->credentials[0], &out->blobs[0]);
	if (err == PREPARE_OK)
		err = prepare_credential(
			t, business_id, connection_id, "app_secret", &out->credentials[1], &out->blobs[1]);
	if (err == PREPARE_OK)
		err = job_fill(t, OUTBOUND_META_DEBUG_TOKEN, out);
	return err;
}

/* The ids in the path are the connection's own, whatever the client asked for. */
static enum prepare_error pass_copy(const struct kind *k, const struct store_connection *c, struct prepared *out)
{
	const enum kind_host host = c->provider == STORE_META ? KIND_META : c->sandbox ? KIND_D360_SANDBOX : KIND_D360;

	if (k->host != host && !(k->host == KIND_META_MEDIA && host == KIND_META))
		return PREPARE_INVALID;
	store_id_new(out->id);
	if (!copy_text(out->business_id, sizeof(out->business_id), c->business_id) ||
		!copy_text(out->number, sizeof(out->number),
			kind_wants(k, KIND_WANTS_NUMBER) ? c->phone_number_id : NULL) ||
		!copy_text(out->waba_id, sizeof(out->waba_id), kind_wants(k, KIND_WANTS_WABA) ? c->waba_id : NULL))
		return PREPARE_INVALID;
	return PREPARE_OK;
}

static enum kind_method method_of(const char *name)
{
	if (strcmp(name, "GET") == 0)
		return KIND_GET;
	if (strcmp(name, "POST") == 0)
		return KIND_POST;
	return strcmp(name, "DELETE") == 0 ? KIND_DELETE : 0;
}

enum prepare_error prepare_pass(struct tenants *t, const struct outbound_pass *call, struct prepared *out)
{
	const struct kind *k = kind_find((uint32_t)call->kind);
	struct store_connection connection;
	enum prepare_error err;
	enum store_error found;

	if (k == NULL || k->use != KIND_PASS || call->business_id == NULL || call->connection_id == NULL ||
		call->method == NULL)
		return PREPARE_INVALID;
	found = store_connection_get(tenants_store(t), call->business_id, call->connection_id, &connection);
	if (found != STORE_OK)
		return found == STORE_NOT_FOUND ? PREPARE_INVALID : PREPARE_LATER;
	err = pass_copy(k, &connection, out);
	if (err == PREPARE_OK)
		err = connection_credentials(t, k, &connection, out);
	if (err != PREPARE_OK)
		return err;
	out->job.method = method_of(call->method);
	out->job.version = call->version;
	out->job.object_id = call->object_id;
	out->job.path = call->path;
	out->job.query = call->query;
	out->job.content_type = call->content_type;
	out->job.upload_len = call->upload_len;
	out->job.body = call->body;
	out->job.body_len = call->body_len;
	return job_fill(t, call->kind, out);
}
