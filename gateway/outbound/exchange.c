/*
 * Sealing the token that an answer brings. Nothing of it is trusted: it must be what a header may carry.
 */
#include "gateway/outbound/exchange.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

#define TOKEN_MIN 20u
#define TOKEN_MAX 4096u

void exchange_begin(struct exchange *e, struct vault_client *vault, const struct job *j)
{
	*e = (struct exchange){.vault = vault, .key = j->credentials[0].key, .version = j->credentials[0].newest + 1};
	(void)snprintf(e->deployment_id, sizeof(e->deployment_id), "%s", j->deployment_id);
	(void)snprintf(e->business_id, sizeof(e->business_id), "%s", j->business_id);
	(void)snprintf(e->connection_id, sizeof(e->connection_id), "%s", j->credentials[0].connection_id);
}

static cJSON *describe(const uint8_t *blob, size_t blob_len, const char *fingerprint, const struct secret *token)
{
	char *text = malloc(VAULT_BASE64_LEN(blob_len) + 1);
	const char *last4 = (const char *)secret_bytes(token) + secret_len(token) - 4;
	cJSON *out = cJSON_CreateObject();
	bool ok = text != NULL;

	if (ok) {
		vault_base64(blob, blob_len, text);
		ok = cJSON_AddStringToObject(out, "sealed", text) != NULL &&
			cJSON_AddStringToObject(out, "fingerprint", fingerprint) != NULL &&
			cJSON_AddStringToObject(out, "last4", last4) != NULL;
	}
	free(text);
	if (ok)
		return out;
	cJSON_Delete(out);
	return NULL;
}

static cJSON *seal(const struct exchange *e, const struct secret *token)
{
	const struct vault_context where = {.deployment_id = e->deployment_id,
		.business_id = e->business_id,
		.table = "credentials",
		.record_id = e->connection_id,
		.field = "access_token",
		.record_version = e->version};
	const size_t blob_len = vault_blob_len(secret_len(token));
	char fingerprint[VAULT_FINGERPRINT_LEN + 1];
	uint8_t *blob = malloc(blob_len);
	cJSON *out = NULL;

	if (blob != NULL && vault_credential_seal(e->vault, &e->key, &where, token, blob, fingerprint) == VAULT_OK)
		out = describe(blob, blob_len, fingerprint, token);
	free(blob);
	return out;
}

cJSON *exchange_seal(const struct exchange *e, const cJSON *answer)
{
	const char *text = json_get_string(answer, "access_token");
	const cJSON *expires = json_get(answer, "expires_in");
	const size_t len = text != NULL ? strlen(text) : 0;
	struct secret *token;
	cJSON *out = NULL;

	if (len < TOKEN_MIN || len > TOKEN_MAX)
		return NULL;
	token = secret_new(text, len);
	if (token != NULL && kind_header_safe(token))
		out = seal(e, token);
	secret_free(token);
	if (out != NULL && cJSON_IsNumber(expires) &&
		cJSON_AddNumberToObject(out, "expires_in", expires->valuedouble) == NULL) {
		cJSON_Delete(out);
		out = NULL;
	}
	return out;
}
