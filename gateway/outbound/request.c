/*
 * Building requests: the URL with its host pinned by the kind, the one header that carries the key,
 * the body. Trusts the job as far as job_valid does. Called by sender.c.
 */
#include "gateway/outbound/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gateway/config.h"
#include "gateway/json.h"
#include "gateway/outbound/d360.h"
#include "gateway/outbound/destination.h"
#include "gateway/outbound/relay.h"

static const char short_of_memory[] = "the sender is short of memory";

bool request_host_read(const char *url, struct request_host *out)
{
	size_t len = strlen(url);

	out->https = strncmp(url, "https://", 8) == 0;
	if (len >= sizeof(out->base_url) || (!out->https && !config_url_is_loopback(url)))
		return false;
	while (len > 0 && url[len - 1] == '/')
		len--;
	memcpy(out->base_url, url, len);
	out->base_url[len] = '\0';
	return true;
}

void request_clear(struct request *r)
{
	json_text_free(r->url);
	json_text_free(r->key);
	json_text_free(r->body);
	vault_wipe(r, sizeof(*r));
}

static void header_add(struct request *r, const char *name, const char *value)
{
	r->transfer.headers[r->transfer.headers_len++] = (struct transfer_header){name, value};
}

static bool posts(const struct job *j)
{
	return (j->kind->use == KIND_PASS ? (unsigned)j->method : j->kind->methods) == KIND_POST;
}

/* ------------------------------------------------------------ to a responder */

static enum outbound_class build_signed(struct request *r, const struct request_world *world, const struct job *j,
	const struct secret *secret, const char **why)
{
	const struct signed_what what = {j->id, (int64_t)time(NULL), j->body, j->body_len};
	struct destination d;
	bool allowed;

	*why = destination_read(j->url, &d);
	if (*why != NULL)
		return OUTBOUND_NOT_SENT;
	allowed = destination_allowed(&d, world->responder_allow);
	if (!d.https && !allowed) {
		*why = "the responder's address must begin with https://; see responder_allow";
		return OUTBOUND_NOT_SENT;
	}
	if (!signed_make(secret, &what, &r->signatures)) {
		*why = "the responder's signing secret is not one; it needs to be made again";
		return OUTBOUND_NO_CREDENTIAL;
	}
	header_add(r, "webhook-id", j->id);
	header_add(r, "webhook-timestamp", r->signatures.timestamp);
	header_add(r, "webhook-signature", r->signatures.standard);
	header_add(r, "X-Hub-Signature-256", r->signatures.hub);
	header_add(r, "X-Keyhouse-Business", j->business_id);
	if (j->message_id[0] != '\0')
		header_add(r, "X-Keyhouse-Message", j->message_id);
	r->transfer.url = j->url;
	r->transfer.plain_http = !d.https;
	r->transfer.guarded = !allowed;
	r->transfer.timeout_ms = world->responder_timeout_ms;
	return OUTBOUND_ACCEPTED;
}

/* ------------------------------------------------------------ to a provider */

static const struct request_host *host_of(const struct request_world *world, enum kind_host host)
{
	switch (host) {
	case KIND_D360:
		return &world->d360;
	case KIND_D360_SANDBOX:
		return &world->d360_sandbox;
	case KIND_META_MEDIA:
		return &world->meta_media;
	case KIND_META:
	case KIND_JOB_URL: /* build_signed's and build_ourselves' */
	case KIND_OURSELVES:
		break;
	}
	return &world->meta;
}

static bool keys_are_safe(const struct kind *k, const struct secret *const *secrets)
{
	for (size_t i = 0; i < kind_credentials(k); i++)
		if (secrets[i] != NULL && !kind_header_safe(secrets[i]))
			return false;
	return true;
}

/* A webhook's address gets the secret that it is known by with every call: only the business's own one does. */
static bool is_our_webhook(const struct request_world *world, const struct job *j)
{
	static const char webhooks[] = "/webhooks/";
	const size_t len = strlen(world->public_url);
	const char *end = j->url + len;

	return len > 0 && strncmp(j->url, world->public_url, len) == 0 &&
		strncmp(end, webhooks, sizeof(webhooks) - 1) == 0 &&
		strcmp(end + sizeof(webhooks) - 1, j->business_id) == 0;
}

static enum outbound_class build_keyed(struct request *r, const struct request_world *world, const struct job *j,
	const struct secret *const *secrets, const char **why)
{
	const struct request_host *host = host_of(world, j->kind->host);
	const bool proven = kind_is_proven(j->kind) && secrets[1] != NULL;
	const struct kind_target target = {.base_url = host->base_url,
		.version = j->version != NULL && j->version[0] != '\0' ? j->version : world->version,
		.number = j->number,
		.app_id = j->app_id,
		.waba_id = j->waba_id,
		.object_id = j->object_id,
		.path = j->path,
		.query = j->query,
		.token = secrets[0],
		.secret = kind_credentials(j->kind) > 1 ? secrets[1] : NULL,
		.proof = proven ? r->proof : NULL};

	if (!keys_are_safe(j->kind, secrets)) {
		*why = "the key holds characters that no key has; it needs to be entered again";
		return OUTBOUND_NO_CREDENTIAL;
	}
	if (kind_sets_webhook(j->kind) && !is_our_webhook(world, j)) {
		*why = "the webhook's address is not the business's own";
		return OUTBOUND_NOT_SENT;
	}
	if (proven)
		kind_proof(secrets, r->proof);
	r->url = kind_url(j->kind, &target);
	if (j->kind->auth != KIND_IN_URL)
		r->key = kind_key_value(j->kind, j->app_id, secrets);
	if (kind_sets_webhook(j->kind))
		r->body = d360_webhook_body(j->url, secrets[1]);
	if (r->url == NULL || (r->key == NULL && j->kind->auth != KIND_IN_URL) ||
		(posts(j) && !job_uploads(j) && j->body_len == 0 && r->body == NULL))
		return OUTBOUND_NOT_SENT;
	if (r->key != NULL)
		header_add(r, kind_key_header(j->kind), r->key);
	r->transfer.url = r->url;
	r->transfer.plain_http = !host->https;
	return OUTBOUND_ACCEPTED;
}

/* ------------------------------------------------------------ to ourselves */

/* The address is made here: no other one below public_url is asked for, whatever the listener says. */
static enum outbound_class build_ourselves(
	struct request *r, const struct request_world *world, const struct job *j, const char **why)
{
	const size_t room = strlen(world->public_url) + strlen(j->kind->path) + strlen(j->business_id) + 1;

	if (world->public_url[0] == '\0') {
		*why = "our address is not known";
		return OUTBOUND_NOT_SENT;
	}
	r->url = malloc(room);
	if (r->url == NULL)
		return OUTBOUND_NOT_SENT;
	(void)snprintf(r->url, room, "%s%.*s%s", world->public_url, (int)strcspn(j->kind->path, "{"), j->kind->path,
		j->business_id);
	r->transfer.url = r->url;
	r->transfer.plain_http = strncmp(r->url, "https://", 8) != 0;
	return OUTBOUND_ACCEPTED;
}

/* ------------------------------------------------------------ a client's call */

static void pass_fill(struct transfer_request *t, const struct request_world *world, const struct job *j)
{
	t->deletes = j->method == KIND_DELETE;
	t->content_type = j->content_type;
	t->any_type = kind_carries(j->kind, KIND_DOWNLOAD);
	t->uploads = job_uploads(j);
	t->upload_len = j->upload_len;
	t->answer_max = RELAY_TEXT_MAX;
	if (!t->uploads && !t->any_type)
		return;
	t->timeout_ms = TRANSFER_STREAM_MS;
	t->slow_ms = world->slow_ms > 0 ? world->slow_ms : TRANSFER_SLOW_MS;
}

enum outbound_class request_build(struct request *r, const struct request_world *world, const struct job *j,
	const struct secret *const *secrets, const char **why)
{
	enum outbound_class class;

	*why = short_of_memory;
	if (j->kind->host == KIND_OURSELVES)
		return build_ourselves(r, world, j, why);
	class = j->kind->auth == KIND_SIGNED ? build_signed(r, world, j, secrets[0], why)
					     : build_keyed(r, world, j, secrets, why);
	if (class == OUTBOUND_ACCEPTED && j->kind->use == KIND_PASS)
		pass_fill(&r->transfer, world, j);
	if (class != OUTBOUND_ACCEPTED || !posts(j) || job_uploads(j))
		return class;
	r->transfer.body = r->body != NULL ? r->body : j->body;
	r->transfer.body_len = r->body != NULL ? strlen(r->body) : j->body_len;
	return class;
}
