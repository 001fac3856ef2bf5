/*
 * Access tokens: whose they are, what debug_token tells of them, and how they are renewed. Facts: meta.md 5.
 */
#include "examples/sandbox/tokens.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "gateway/json.h"

enum {
	APP_ID_MAX = 40,
	TOKEN_MAX = 4096,
	PROOF_LEN = 64,
	ISSUED_AT = 1750000000,
	RENEWED_S = 60 * 24 * 3600,
};

static void refuse_token(struct reply *r, int http, int subcode, const char *message)
{
	graph_refuse(r,
		&(struct graph_error){
			.http = http, .code = 190, .subcode = subcode, .message = message, .transient = -1});
}

/* Of a parameter. */
static void refuse(struct reply *r, const char *message)
{
	graph_refuse(r,
		&(struct graph_error){
			.code = 100, .message = message, .transient = -1, .type = "GraphMethodException"});
}

/* It is not revoked, and its time is not over. */
static bool is_alive(const struct cJSON *token)
{
	const struct cJSON *expires = json_get(token, "expires_at");

	return book_true(token, "valid", true) &&
		!(cJSON_IsNumber(expires) && expires->valuedouble > 0 && expires->valuedouble < now_s());
}

/* appsecret_proof: in hex, HMAC-SHA-256 of the access token with the app's secret. */
static void proof_of(const char *token, const char *secret, char out[static PROOF_LEN + 1])
{
	crypto_auth_hmacsha256_state state;
	unsigned char mac[crypto_auth_hmacsha256_BYTES];

	crypto_auth_hmacsha256_init(&state, (const unsigned char *)secret, strlen(secret));
	crypto_auth_hmacsha256_update(&state, (const unsigned char *)token, strlen(token));
	crypto_auth_hmacsha256_final(&state, mac);
	sodium_bin2hex(out, PROOF_LEN + 1, mac, sizeof(mac));
}

/* Whether the call proves that it knows the token's app's secret, or need not. False: the refusal is made. */
static bool is_proven(const struct sandbox *s, const struct ask *a, const struct cJSON *holder, struct reply *r)
{
	const struct cJSON *app = book_get(s, "apps", book_text(holder, "app", ""));
	char right[PROOF_LEN + 1], given[PROOF_LEN + 2];
	enum http_error found = http_query_get(a->query, "appsecret_proof", given, sizeof(given));

	if (found == HTTP_NO_SUCH_PARAM) {
		if (!book_true(app, "require_app_secret_proof", false))
			return true;
		refuse(r, "API calls from the server require an appsecret_proof argument");
		return false;
	}
	proof_of(a->token, book_text(app, "secret", ""), right);
	if (found == HTTP_OK && strcmp(given, right) == 0)
		return true;
	refuse(r, "Invalid appsecret_proof provided in the API argument");
	return false;
}

const struct cJSON *tokens_holder(const struct sandbox *s, const struct ask *a, struct reply *r)
{
	const struct cJSON *holder = book_get(s, "tokens", a->token);

	if (!holder) {
		refuse_token(r, 401, 0,
			a->token ? "Invalid OAuth access token - Cannot parse access token"
				 : "An access token is required to request this resource.");
	} else if (!is_alive(holder)) {
		refuse_token(r, 401, 463, "Error validating access token: Session has expired");
		holder = NULL;
	}
	return holder && is_proven(s, a, holder, r) ? holder : NULL;
}

struct cJSON *tokens_app(const struct sandbox *s, const struct ask *a, struct reply *r)
{
	const char *bar = a->token ? strchr(a->token, '|') : NULL;
	struct cJSON *app = NULL;
	char id[APP_ID_MAX];

	if (bar && (size_t)(bar - a->token) < sizeof(id)) {
		(void)snprintf(id, sizeof(id), "%.*s", (int)(bar - a->token), a->token);
		app = book_get(s, "apps", id);
	}
	if (app && bar[1] != '\0' && strcmp(book_text(app, "secret", ""), bar + 1) == 0)
		return app;
	refuse_token(r, 400, 0, "Invalid OAuth access token signature.");
	return NULL;
}

static struct cJSON *scopes_of(const struct cJSON *token)
{
	static const char *const usual[] = {"whatsapp_business_management", "whatsapp_business_messaging"};
	const struct cJSON *scopes = json_get(token, "scopes");

	return scopes ? cJSON_Duplicate(scopes, true) : cJSON_CreateStringArray(usual, 2);
}

static void describe_token(const struct sandbox *s, const struct cJSON *token, struct cJSON *data)
{
	const struct cJSON *wabas = json_get(token, "wabas"), *expires = json_get(token, "expires_at"), *scope;
	struct cJSON *scopes = scopes_of(token), *granular;
	const char *app = book_text(token, "app", "");

	cJSON_AddStringToObject(data, "app_id", app);
	cJSON_AddStringToObject(data, "type", "SYSTEM_USER");
	cJSON_AddStringToObject(data, "application", book_text(book_get(s, "apps", app), "name", "Test App"));
	cJSON_AddNumberToObject(data, "data_access_expires_at", 0);
	cJSON_AddNumberToObject(data, "expires_at", cJSON_IsNumber(expires) ? expires->valuedouble : 0);
	cJSON_AddBoolToObject(data, "is_valid", is_alive(token));
	cJSON_AddNumberToObject(data, "issued_at", ISSUED_AT);
	cJSON_AddStringToObject(data, "user_id", "122100000000000001");
	cJSON_AddItemToObject(data, "scopes", scopes);
	granular = cJSON_AddArrayToObject(data, "granular_scopes");
	cJSON_ArrayForEach (scope, scopes) {
		struct cJSON *one = cJSON_CreateObject();

		cJSON_AddStringToObject(one, "scope", cJSON_IsString(scope) ? scope->valuestring : "");
		if (cJSON_GetArraySize(wabas) > 0)
			cJSON_AddItemToObject(one, "target_ids", cJSON_Duplicate(wabas, true));
		cJSON_AddItemToArray(granular, one);
	}
}

void tokens_debug(const struct sandbox *s, const struct ask *a, struct reply *r)
{
	char input[TOKEN_MAX] = "";
	const struct cJSON *token;
	struct cJSON *data, *error;

	if (!tokens_app(s, a, r))
		return;
	(void)!http_query_get(a->query, "input_token", input, sizeof(input));
	token = book_get(s, "tokens", input);
	r->status = 200;
	data = cJSON_AddObjectToObject(r->json = cJSON_CreateObject(), "data");
	if (token) {
		describe_token(s, token, data);
		return;
	}
	error = cJSON_AddObjectToObject(data, "error");
	cJSON_AddNumberToObject(error, "code", 190);
	cJSON_AddStringToObject(error, "message", "Malformed access token");
	cJSON_AddNumberToObject(error, "subcode", 467);
	cJSON_AddBoolToObject(data, "is_valid", false);
	cJSON_AddItemToObject(data, "scopes", cJSON_CreateArray());
}

/* ------------------------------------------------------------ renewing */

/* Whether client_id and client_secret are an app's. False: the refusal is made. */
static bool is_client(const struct sandbox *s, const struct ask *a, char id[static APP_ID_MAX], struct reply *r)
{
	char secret[512];
	const struct cJSON *app;

	if (http_query_get(a->query, "client_id", id, APP_ID_MAX) != HTTP_OK ||
		http_query_get(a->query, "client_secret", secret, sizeof(secret)) != HTTP_OK) {
		refuse(r, "Missing client_id or client_secret parameter.");
		return false;
	}
	app = book_get(s, "apps", id);
	if (app && secret[0] != '\0' && strcmp(book_text(app, "secret", ""), secret) == 0)
		return true;
	graph_refuse(r,
		&(struct graph_error){.code = app ? 1 : 101,
			.message = app ? "Error validating client secret." : "Error validating application.",
			.transient = -1});
	return false;
}

void tokens_exchange(struct sandbox *s, const struct ask *a, struct reply *r)
{
	char grant[64] = "", id[APP_ID_MAX], old[TOKEN_MAX] = "", fresh[80] = "EAAG";
	const struct cJSON *known;
	struct cJSON *entry;

	(void)!http_query_get(a->query, "grant_type", grant, sizeof(grant));
	(void)!http_query_get(a->query, "fb_exchange_token", old, sizeof(old));
	if (strcmp(a->method, "GET") != 0 || strcmp(grant, "fb_exchange_token") != 0) {
		refuse(r, "Unsupported grant_type.");
		return;
	}
	if (!is_client(s, a, id, r))
		return;
	known = book_get(s, "tokens", old);
	if (!known || !is_alive(known) || strcmp(book_text(known, "app", ""), id) != 0) {
		refuse_token(
			r, 400, 0, "Error validating access token: it is not one of this application, or has expired");
		return;
	}
	random_hex(30, fresh + strlen(fresh));
	entry = cJSON_Duplicate(known, true);
	cJSON_DeleteItemFromObjectCaseSensitive(entry, "expires_at");
	cJSON_AddNumberToObject(entry, "expires_at", (double)(int64_t)now_s() + RENEWED_S);
	cJSON_AddItemToObject(json_get(s->book, "tokens"), fresh, entry);
	book_keep(s);
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddStringToObject(r->json, "access_token", fresh);
	cJSON_AddStringToObject(r->json, "token_type", "bearer");
	cJSON_AddNumberToObject(r->json, "expires_in", RENEWED_S);
}
