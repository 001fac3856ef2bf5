/*
 * What is answered here: what a virtual key is (debug_token), and the numbers of an account whose provider has no list
 * of them.
 */
#include <cjson/cJSON.h>
#include <string.h>

#include "gateway/front/internal.h"
#include "gateway/json.h"

struct numbers {
	struct call *call;
	cJSON *array;
	bool failed;
};

/* ------------------------------------------------------------ debug_token */

static bool add_scope(cJSON *scopes, cJSON *granular, const char *name, const struct store_connection *c)
{
	cJSON *row = cJSON_CreateObject();

	return json_list_add(granular, row) && json_list_add(scopes, cJSON_CreateString(name)) &&
		cJSON_AddStringToObject(row, "scope", name) != NULL &&
		(c->waba_id[0] == '\0' ||
			json_list_add(cJSON_AddArrayToObject(row, "target_ids"), cJSON_CreateString(c->waba_id)));
}

static bool fill(struct call *c, cJSON *data)
{
	const struct store_virtual_key *k = &c->who.key;
	cJSON *scopes = cJSON_AddArrayToObject(data, "scopes");
	cJSON *granular = cJSON_AddArrayToObject(data, "granular_scopes");
	/* What it may at its provider: read from the first connection that it has. */
	const struct store_connection *s = &c->connection;

	return cJSON_AddStringToObject(data, "app_id", s->app_id) != NULL &&
		cJSON_AddStringToObject(data, "type", "SYSTEM_USER") != NULL &&
		cJSON_AddStringToObject(data, "application", k->name) != NULL &&
		cJSON_AddNumberToObject(data, "data_access_expires_at", 0) != NULL &&
		cJSON_AddNumberToObject(data, "expires_at", (double)(k->expires_at / 1000)) != NULL &&
		cJSON_AddBoolToObject(data, "is_valid", true) != NULL &&
		cJSON_AddNumberToObject(data, "issued_at", (double)(k->created_at / 1000)) != NULL &&
		cJSON_AddStringToObject(data, "user_id", k->id) != NULL && scopes != NULL && granular != NULL &&
		((k->scopes & (STORE_SCOPE_SEND | STORE_SCOPE_MEDIA)) == 0 ||
			add_scope(scopes, granular, "whatsapp_business_messaging", s)) &&
		((k->scopes & (STORE_SCOPE_TEMPLATES | STORE_SCOPE_READ)) == 0 ||
			add_scope(scopes, granular, "whatsapp_business_management", s));
}

/* Only of the key itself: another one's state is nobody else's business. */
void debug_token(struct call *c)
{
	char asked[sizeof(c->presented)];
	cJSON *body, *data;
	bool same;

	if (http_query_get(c->query, "input_token", asked, sizeof(asked)) != HTTP_OK) {
		answer_refusal(c,
			&(struct refusal){.http = 400,
				.code = 100,
				.details = "input_token: is missing. It is the virtual key itself."});
		return;
	}
	same = c->key.text != NULL && strcmp(asked, c->key.text) == 0;
	vault_wipe(asked, sizeof(asked));
	if (!same) {
		answer_refusal(c,
			&(struct refusal){.http = 400,
				.code = 100,
				.details = "input_token: a virtual key can be asked about only with itself."});
		return;
	}
	(void)connection_only(c);
	body = cJSON_CreateObject();
	data = cJSON_AddObjectToObject(body, "data");
	if (data == NULL || !fill(c, data)) {
		cJSON_Delete(body);
		body = NULL;
	}
	answer_json(c, 200, body);
}

/* ------------------------------------------------------------ numbers */

static bool number_add(const struct store_connection *s, void *arg)
{
	struct numbers *n = arg;
	cJSON *row;

	if (s->provider != STORE_360DIALOG || !connection_usable(n->call, s) || !connection_of_account(s, n->call->id))
		return true;
	row = cJSON_CreateObject();
	n->failed = !json_list_add(n->array, row) || cJSON_AddStringToObject(row, "id", s->phone_number_id) == NULL ||
		cJSON_AddStringToObject(row, "display_phone_number", s->display_phone) == NULL ||
		cJSON_AddStringToObject(row, "verified_name", s->verified_name) == NULL;
	return !n->failed;
}

void numbers_list(struct call *c)
{
	const struct store_page page = {.limit = TENANT_CONNECTIONS_MAX};
	cJSON *body = cJSON_CreateObject();
	struct numbers n = {.call = c, .array = cJSON_AddArrayToObject(body, "data")};

	n.failed = n.array == NULL ||
		store_connection_list(c->front->store, c->who.business.id, &page, number_add, &n) != STORE_OK ||
		n.failed;
	if (n.failed) {
		cJSON_Delete(body);
		body = NULL;
	}
	answer_json(c, 200, body);
}
