/*
 * Who answers a business's customers: chosen by name from the table of responders, or
 * the business's own platform, whose address is kept sealed and whose signing secret is
 * made here, shown once, and from then on used by the sender alone.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

#define PLATFORM "platform"
#define SECRET_PREFIX "whsec_"
#define SECRET_ROOM (sizeof(SECRET_PREFIX) + VAULT_RANDOM_TEXT_LEN)
#define WHY_LEN 240u

/* ------------------------------------------------------------ the row */

/* A copy of the platform's row; version 0: there is none. */
struct row {
	struct store_responder is;
	uint8_t *url, *secret;
	bool no_memory;
};

static void row_clear(struct row *r)
{
	free(r->url);
	free(r->secret);
}

static bool copy(uint8_t **out, const uint8_t *data, size_t len)
{
	*out = malloc(len > 0 ? len : 1);
	if (*out != NULL && len > 0)
		memcpy(*out, data, len);
	return *out != NULL;
}

static bool take(const struct store_responder *is, void *arg)
{
	struct row *r = arg;

	r->is = *is;
	r->no_memory = !copy(&r->url, is->url, is->url_len) || !copy(&r->secret, is->secret, is->secret_len);
	r->is.url = r->url;
	r->is.secret = r->secret;
	return false;
}

/* False after the problem was answered. */
static bool row_read(struct call *c, struct row *r)
{
	enum store_error err = store_responder_get(c->api->store, c->business.id, take, r);

	if (err == STORE_NOT_FOUND)
		return true;
	if (err == STORE_OK && r->no_memory)
		err = STORE_NO_MEMORY;
	if (err != STORE_OK)
		problem_store(c, err);
	return err == STORE_OK;
}

static struct tenant_place url_place(const struct call *c)
{
	return (struct tenant_place){c->business.id, "responders", c->business.id, "url", 1};
}

/* The address in clear, or NULL where it does not open. The caller ends it with json_text_free. */
static char *url_open(struct call *c, const struct row *r)
{
	const struct tenant_place where = url_place(c);
	uint8_t *plain = NULL;
	size_t len;

	if (tenant_open(c->api->tenants, &where, r->is.url, r->is.url_len, &plain, &len) != TENANT_OK)
		return NULL;
	return (char *)plain;
}

/* ------------------------------------------------------------ showing */

static void show_secret(struct out *o, const struct row *r)
{
	struct out shown;

	out_begin(&shown);
	out_text(&shown, "last4", r->is.last4);
	out_time(&shown, "created_at", r->is.created_at);
	out_value(o, "signing_secret", out_end(&shown));
}

void responder_get(struct call *c)
{
	struct row r = {.no_memory = false};
	struct out o;

	if (strcmp(c->business.responder, PLATFORM) != 0 || row_read(c, &r)) {
		out_begin(&o);
		out_text(&o, "kind", c->business.responder);
		if (r.is.version > 0) {
			char *url = url_open(c, &r);

			out_text(&o, "url", url);
			out_bool(&o, "all_updates", c->business.all_updates);
			show_secret(&o, &r);
			json_text_free(url);
		}
		out_send(&o, c->res, 200);
	}
	row_clear(&r);
}

/* ------------------------------------------------------------ choosing */

/* r NULL: what is known of a platform stays as it is. False after the problem was answered. */
static bool put(struct call *c, const char *kind, const struct store_responder *r)
{
	enum store_error err = store_responder_put(c->api->store, c->business.id, kind, r);

	if (err != STORE_OK)
		problem_store(c, err);
	else
		log_info("responder chosen business=%s kind=%s", c->business.id, kind);
	return err == STORE_OK;
}

static bool url_set(struct call *c, struct row *r, const char *url)
{
	const struct tenant_place where = url_place(c);
	char why[WHY_LEN] = "";
	uint8_t *blob = NULL;
	enum tenant_error err;

	if (!outbound_responder_url_ok(url, c->api->responder_allow, why, sizeof(why))) {
		problem(c->res, PROBLEM_INVALID_FIELD, "url", why);
		return false;
	}
	err = tenant_seal(c->api->tenants, &where, url, strlen(url), &blob, &r->is.url_len);
	if (err != TENANT_OK) {
		problem_tenant(c, err);
		return false;
	}
	free(r->url);
	r->is.address = url;
	r->is.url = r->url = blob;
	return true;
}

/* Makes a new signing secret; its text is written to out. */
static bool secret_set(struct call *c, struct row *r, char out[static SECRET_ROOM])
{
	struct store_credential sealed = {.connection_id = "responder",
		.field = "signing_secret",
		.slot = STORE_SLOT_CURRENT,
		.version = r->is.version + 1,
		.created_at = store_now_ms()};
	enum tenant_error err = TENANT_NO_MEMORY;
	uint8_t *blob = NULL;
	struct secret *secret;

	vault_random_text(SECRET_PREFIX, false, out);
	secret = secret_new(out, strlen(out));
	if (secret != NULL)
		err = tenant_credential_seal(c->api->tenants, c->business.id, secret, &sealed, &blob);
	secret_free(secret);
	if (err != TENANT_OK) {
		problem_tenant(c, err);
		return false;
	}
	free(r->secret);
	r->is.secret = r->secret = blob;
	r->is.secret_len = sealed.blob_len;
	r->is.version = sealed.version;
	r->is.created_at = sealed.created_at;
	(void)snprintf(r->is.last4, sizeof(r->is.last4), "%s", sealed.last4);
	(void)snprintf(r->is.fingerprint, sizeof(r->is.fingerprint), "%s", sealed.fingerprint);
	return true;
}

/* secret "": it was not made now. */
static void answer_platform(struct call *c, const struct row *r, const char *secret)
{
	char *url = url_open(c, r);
	struct out o;

	out_begin(&o);
	out_text(&o, "kind", PLATFORM);
	out_text(&o, "url", url);
	out_bool(&o, "all_updates", r->is.all_updates);
	if (secret[0] != '\0')
		out_text(&o, "signing_secret", secret);
	out_send(&o, c->res, 200);
	json_text_free(url);
}

static void choose_platform(struct call *c, const cJSON *body)
{
	const char *url = json_get_string(body, "url");
	const cJSON *all = json_get(body, "all_updates");
	struct row r = {.no_memory = false};
	char secret[SECRET_ROOM] = "";
	bool ok = row_read(c, &r);

	if (ok && url == NULL && r.is.version == 0) {
		problem(c->res, PROBLEM_MISSING_FIELD, "url", "is missing");
		ok = false;
	}
	if (ok && url != NULL)
		ok = url_set(c, &r, url);
	if (ok && (r.is.version == 0 || cJSON_IsTrue(json_get(body, "rotate_secret"))))
		ok = secret_set(c, &r, secret);
	r.is.all_updates = all != NULL ? cJSON_IsTrue(all) : c->business.all_updates;
	if (ok && put(c, PLATFORM, &r.is))
		answer_platform(c, &r, secret);
	vault_wipe(secret, sizeof(secret));
	row_clear(&r);
}

static void choose(struct call *c, const char *kind)
{
	struct out o;

	if (!put(c, kind, NULL))
		return;
	out_begin(&o);
	out_text(&o, "kind", kind);
	out_send(&o, c->res, 200);
}

void responder_put(struct call *c)
{
	static const struct form_field fields[] = {{"kind", FORM_TEXT, true}, {"url", FORM_TEXT, false},
		{"rotate_secret", FORM_BOOL, false}, {"all_updates", FORM_BOOL, false}};
	cJSON *body = form_object(c, fields, sizeof(fields) / sizeof(fields[0]), false);
	const char *kind = json_get_string(body, "kind"), *own = NULL; /* a field of the platform's */

	for (size_t i = 1; i < sizeof(fields) / sizeof(fields[0]) && own == NULL; i++)
		if (json_get(body, fields[i].name) != NULL)
			own = fields[i].name;
	if (body == NULL)
		return;
	/* A secret is made once. */
	pthread_mutex_lock(&c->api->business_lock);
	if (strcmp(kind, PLATFORM) == 0)
		choose_platform(c, body);
	else if (strlen(kind) >= sizeof(c->business.responder) || !reply_known(kind))
		problem(c->res, PROBLEM_RESPONDER_NOT_SUPPORTED, "kind", NULL);
	else if (own != NULL)
		problem(c->res, PROBLEM_UNKNOWN_FIELD, own, "only the responder platform has it");
	else
		choose(c, kind);
	pthread_mutex_unlock(&c->api->business_lock);
	cJSON_Delete(body);
}
