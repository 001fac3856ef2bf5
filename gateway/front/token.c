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

/* What the key's connections say of it. */
struct debugged {
	const struct call *call;
	cJSON *accounts; /* each once */
	char app_id[STORE_PROVIDER_ID_LEN + 1]; /* of the first of them */
	bool any, works; /* there is one, and one whose own key the provider takes, as far as is known */
	bool failed;
};

static bool is_listed(const cJSON *list, const char *text)
{
	const cJSON *item;

	cJSON_ArrayForEach (item, list)
		if (cJSON_IsString(item) && strcmp(item->valuestring, text) == 0)
			return true;
	return false;
}

static bool connection_look(const struct store_connection *s, void *arg)
{
	struct debugged *d = arg;

	if (!connection_usable(d->call, s))
		return true;
	if (!d->any)
		memcpy(d->app_id, s->app_id, sizeof(d->app_id));
	d->any = true;
	d->works = d->works || s->status != STORE_CONNECTION_KEY_REFUSED;
	d->failed = s->waba_id[0] != '\0' && !is_listed(d->accounts, s->waba_id) &&
		!json_list_add(d->accounts, cJSON_CreateString(s->waba_id));
	return !d->failed;
}

static bool add_scope(cJSON *data, const char *name, const cJSON *accounts)
{
	cJSON *row = cJSON_CreateObject(), *targets;

	if (!json_list_add(json_get(data, "granular_scopes"), row) ||
		!json_list_add(json_get(data, "scopes"), cJSON_CreateString(name)) ||
		cJSON_AddStringToObject(row, "scope", name) == NULL)
		return false;
	if (cJSON_GetArraySize(accounts) == 0)
		return true;
	targets = cJSON_Duplicate(accounts, true);
	if (targets != NULL && cJSON_AddItemToObject(row, "target_ids", targets))
		return true;
	cJSON_Delete(targets);
	return false;
}

/* As Meta tells of a token that is dead (facts/meta.md 5): here the shop's own, by which each of the key's calls goes. */
static bool add_error(cJSON *data, const struct debugged *d)
{
	cJSON *error = cJSON_AddObjectToObject(data, "error");

	return cJSON_AddNumberToObject(error, "code", 190) != NULL &&
		cJSON_AddStringToObject(error, "message",
			d->any ? "The shop's own key does not work at its provider: it was told, and has to replace "
				 "it. This virtual key is fine."
			       : "No number that is connected and not paused is this key's. This virtual key is "
				 "fine.") != NULL &&
		cJSON_AddNumberToObject(error, "subcode", 467) != NULL;
}

static bool fill(const struct call *c, cJSON *data, const struct debugged *d)
{
	const struct store_virtual_key *k = &c->who.key;

	return cJSON_AddStringToObject(data, "app_id", d->app_id) != NULL &&
		cJSON_AddStringToObject(data, "type", "SYSTEM_USER") != NULL &&
		cJSON_AddStringToObject(data, "application", k->name) != NULL &&
		cJSON_AddNumberToObject(data, "data_access_expires_at", 0) != NULL &&
		cJSON_AddNumberToObject(data, "expires_at", (double)(k->expires_at / 1000)) != NULL &&
		(d->works || add_error(data, d)) && cJSON_AddBoolToObject(data, "is_valid", d->works) != NULL &&
		cJSON_AddNumberToObject(data, "issued_at", (double)(k->created_at / 1000)) != NULL &&
		cJSON_AddStringToObject(data, "user_id", k->id) != NULL &&
		cJSON_AddArrayToObject(data, "scopes") != NULL &&
		cJSON_AddArrayToObject(data, "granular_scopes") != NULL &&
		((k->scopes & (STORE_SCOPE_SEND | STORE_SCOPE_MEDIA)) == 0 ||
			add_scope(data, "whatsapp_business_messaging", d->accounts)) &&
		((k->scopes & (STORE_SCOPE_TEMPLATES | STORE_SCOPE_READ)) == 0 ||
			add_scope(data, "whatsapp_business_management", d->accounts));
}

static bool describe(const struct call *c, cJSON *data)
{
	const struct store_page page = {.limit = TENANT_CONNECTIONS_MAX};
	struct debugged d = {.call = c, .accounts = cJSON_CreateArray()};
	const bool ok = d.accounts != NULL && data != NULL &&
		store_connection_list(c->front->store, c->who.business.id, &page, connection_look, &d) == STORE_OK &&
		!d.failed && fill(c, data, &d);

	cJSON_Delete(d.accounts);
	return ok;
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
	body = cJSON_CreateObject();
	data = cJSON_AddObjectToObject(body, "data");
	if (!describe(c, data)) {
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
