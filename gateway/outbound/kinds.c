/*
 * The table of kinds, and building what it describes. The sender runs this on jobs that it has
 * checked; a value that breaks its rule gives no URL. Called by job.c, prepare.c, request.c, answer.c.
 */
#include "gateway/outbound/kinds.h"

#include <stdlib.h>
#include <string.h>

static const char *const send_fields[] = {
	"messages[0].id", "messages[0].message_status", "contacts[0].wa_id", "contacts[0].user_id", NULL};

/* Of what was asked for, all that came. */
static const char *const number_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating",
	"code_verification_status", "platform_type", "throughput.level", "status", "name_status",
	"whatsapp_business_manager_messaging_limit", NULL};

static const char *const numbers_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating", NULL};

static const char *const token_fields[] = {
	"data.app_id", "data.type", "data.is_valid", "data.expires_at", "data.scopes", "data.granular_scopes", NULL};

static const char *const health_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating", NULL};

static const char *const success_fields[] = {"success", NULL};

/* Those that every token with the permission may read. */
#define SHORT_FIELDS                                                                                                   \
	"id,display_phone_number,verified_name,quality_rating,code_verification_status,platform_type,throughput"

static const struct kind kinds[] = {
	{.kind = OUTBOUND_META_SEND,
		.name = "send",
		.use = KIND_SEND,
		.host = KIND_META,
		.post = true,
		.path = "/{version}/{number}/messages",
		.wants = KIND_WANTS_NUMBER | KIND_WANTS_BODY,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token"},
		.answer = KIND_FIELDS,
		.expects = {"messages[0].id"},
		.fields = send_fields},
	/* One field that the token may not read refuses all of them (facts/meta.md 6): then OUTBOUND_META_NUMBER_SHORT. */
	{.kind = OUTBOUND_META_NUMBER,
		.name = "number",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/{number}?fields=" SHORT_FIELDS
			",status,name_status,whatsapp_business_manager_messaging_limit,health_status"
			"&appsecret_proof={proof}",
		.wants = KIND_WANTS_NUMBER,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_NUMBER,
		.expects = {"id"},
		.fields = number_fields},
	/* The provider documents no way but the URL for the token that is asked about. */
	{.kind = OUTBOUND_META_DEBUG_TOKEN,
		.name = "debug_token",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/debug_token?input_token={token}",
		.wants = KIND_WANTS_APP,
		.auth = KIND_BEARER_APP,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_FIELDS,
		.expects = {"data.is_valid"},
		.fields = token_fields},
	{.kind = OUTBOUND_META_APP_CALLBACK,
		.name = "app_callback",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/{app}/subscriptions",
		.wants = KIND_WANTS_APP | KIND_WANTS_URL,
		.auth = KIND_BEARER_APP,
		.credentials = {"app_secret"},
		.answer = KIND_APP_CALLBACK},
	{.kind = OUTBOUND_META_APP_SUBSCRIBE,
		.name = "app_subscribe",
		.use = KIND_CHECK,
		.host = KIND_META,
		.post = true,
		.path = "/{version}/{app}/subscriptions",
		.wants = KIND_WANTS_APP | KIND_WANTS_BODY,
		.auth = KIND_BEARER_APP,
		.credentials = {"app_secret"},
		.answer = KIND_SUCCESS,
		.fields = success_fields},
	{.kind = OUTBOUND_META_WABA_CALLBACK,
		.name = "waba_callback",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/{waba}/subscribed_apps?appsecret_proof={proof}",
		.wants = KIND_WANTS_APP | KIND_WANTS_WABA | KIND_WANTS_URL,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_WABA_CALLBACK},
	{.kind = OUTBOUND_META_WABA_SUBSCRIBE,
		.name = "waba_subscribe",
		.use = KIND_CHECK,
		.host = KIND_META,
		.post = true,
		.path = "/{version}/{waba}/subscribed_apps?appsecret_proof={proof}",
		.wants = KIND_WANTS_WABA | KIND_WANTS_BODY,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_SUCCESS,
		.fields = success_fields},
	/* A key is bound to one number: no path names it (facts/360dialog.md 1). */
	{.kind = OUTBOUND_D360_SEND,
		.name = "send",
		.use = KIND_SEND,
		.host = KIND_D360,
		.post = true,
		.path = "/messages",
		.wants = KIND_WANTS_BODY,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key"},
		.answer = KIND_FIELDS,
		.expects = {"messages[0].id"},
		.fields = send_fields},
	{.kind = OUTBOUND_D360_HEALTH,
		.name = "health",
		.use = KIND_CHECK,
		.host = KIND_D360,
		.path = "/health_status?fields=id,display_phone_number,verified_name,quality_rating",
		.auth = KIND_D360_KEY,
		.credentials = {"api_key"},
		.answer = KIND_NUMBER,
		.expects = {"id", "health_status.can_send_message"},
		.fields = health_fields},
	{.kind = OUTBOUND_D360_WEBHOOK,
		.name = "webhook",
		.use = KIND_CHECK,
		.host = KIND_D360,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_D360_CALLBACK},
	{.kind = OUTBOUND_D360_WEBHOOK_SET,
		.name = "webhook_set",
		.use = KIND_CHECK,
		.host = KIND_D360,
		.post = true,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_NOTHING},
	{.kind = OUTBOUND_RESPONDER_ASK,
		.name = "ask",
		.use = KIND_ASK,
		.host = KIND_JOB_URL,
		.post = true,
		.wants = KIND_WANTS_URL | KIND_WANTS_BODY,
		.auth = KIND_SIGNED,
		.credentials = {"signing_secret"},
		.answer = KIND_JSON},
	{.kind = OUTBOUND_META_TOKEN_EXCHANGE,
		.name = "token_exchange",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/oauth/"
			"access_token?grant_type=fb_exchange_token&client_id={app}&client_secret={secret}"
			"&fb_exchange_token={token}&set_token_expires_in_60_days=true",
		.wants = KIND_WANTS_APP,
		.auth = KIND_IN_URL,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_TOKEN},
	{.kind = OUTBOUND_META_WABA_NUMBERS,
		.name = "waba_numbers",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/{waba}/phone_numbers?fields=id,display_phone_number,verified_name,quality_rating"
			"&limit=50&appsecret_proof={proof}",
		.wants = KIND_WANTS_WABA,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_LIST,
		.fields = numbers_fields},
	{.kind = OUTBOUND_META_NUMBER_SHORT,
		.name = "number",
		.use = KIND_CHECK,
		.host = KIND_META,
		.path = "/{version}/{number}?fields=" SHORT_FIELDS "&appsecret_proof={proof}",
		.wants = KIND_WANTS_NUMBER,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_NUMBER,
		.expects = {"id"},
		.fields = number_fields},
	/* As the providers come to us, but without a call's text: whoever answers there refuses it. */
	{.kind = OUTBOUND_OURSELVES,
		.name = "ourselves",
		.use = KIND_CHECK,
		.host = KIND_OURSELVES,
		.path = "/webhooks/{business}",
		.auth = KIND_NO_KEY,
		.answer = KIND_REFUSAL},
	/* The sandbox keeps /v1 in all of its paths; that it has a health_status is unproven (facts/360dialog.md 1). */
	{.kind = OUTBOUND_D360_SANDBOX_SEND,
		.name = "send",
		.use = KIND_SEND,
		.host = KIND_D360_SANDBOX,
		.post = true,
		.path = "/v1/messages",
		.wants = KIND_WANTS_BODY,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key"},
		.answer = KIND_FIELDS,
		.expects = {"messages[0].id"},
		.fields = send_fields},
	{.kind = OUTBOUND_D360_SANDBOX_WEBHOOK,
		.name = "webhook",
		.use = KIND_CHECK,
		.host = KIND_D360_SANDBOX,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_D360_CALLBACK},
	{.kind = OUTBOUND_D360_SANDBOX_WEBHOOK_SET,
		.name = "webhook_set",
		.use = KIND_CHECK,
		.host = KIND_D360_SANDBOX,
		.post = true,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_NOTHING},
};

const struct kind *kind_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((uint32_t)kinds[i].kind == number)
			return &kinds[i];
	return NULL;
}

bool kind_is_d360(const struct kind *k)
{
	return k->host == KIND_D360 || k->host == KIND_D360_SANDBOX;
}

bool kind_sets_webhook(const struct kind *k)
{
	return k->kind == OUTBOUND_D360_WEBHOOK_SET || k->kind == OUTBOUND_D360_SANDBOX_WEBHOOK_SET;
}

size_t kind_credentials(const struct kind *k)
{
	size_t n = 0;

	while (n < KIND_CREDENTIALS_MAX && k->credentials[n] != NULL)
		n++;
	return n;
}

bool kind_wants(const struct kind *k, unsigned what)
{
	return (k->wants & what) != 0;
}

bool kind_is_proven(const struct kind *k)
{
	return k->auth == KIND_BEARER_TOKEN && kind_credentials(k) > 1;
}

void kind_proof(const struct secret *const *secrets, char out[static KIND_PROOF_LEN + 1])
{
	const struct vault_part token = {secret_bytes(secrets[0]), secret_len(secrets[0])};
	uint8_t mac[VAULT_SIGNATURE_LEN];

	vault_sign(secret_bytes(secrets[1]), secret_len(secrets[1]), &token, 1, mac);
	vault_hex(mac, sizeof(mac), out);
	vault_wipe(mac, sizeof(mac));
}

/* ------------------------------------------------------------ rules */

static size_t digits(const char *text)
{
	size_t n = 0;

	while (text[n] >= '0' && text[n] <= '9')
		n++;
	return n;
}

bool kind_digits_ok(const char *text)
{
	const size_t n = digits(text);

	return n >= 1 && n <= STORE_PROVIDER_ID_LEN && text[n] == '\0';
}

bool kind_version_ok(const char *text)
{
	size_t major, minor;

	if (text[0] != 'v')
		return false;
	major = digits(text + 1);
	if (major < 1 || major > 3 || text[1 + major] != '.')
		return false;
	minor = digits(text + 2 + major);
	return minor >= 1 && minor <= 3 && text[2 + major + minor] == '\0';
}

bool kind_header_safe(const struct secret *s)
{
	const uint8_t *bytes = secret_bytes(s);

	for (size_t i = 0; i < secret_len(s); i++)
		if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
			return false;
	return true;
}

/* ------------------------------------------------------------ building */

/* The length is known before the memory is taken, so nothing secret is left by growing. */
struct text {
	char *data; /* NULL: only counting */
	size_t len;
};

static void text_add(struct text *t, const char *data, size_t len)
{
	if (t->data != NULL)
		memcpy(t->data + t->len, data, len);
	t->len += len;
}

static void text_add_encoded(struct text *t, const struct secret *s)
{
	static const char hex[] = "0123456789ABCDEF";
	const uint8_t *bytes = secret_bytes(s);

	for (size_t i = 0; i < secret_len(s); i++) {
		const uint8_t b = bytes[i];
		const char escaped[3] = {'%', hex[b >> 4], hex[b & 15]};
		const bool plain = (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') ||
			b == '-' || b == '.' || b == '_' || b == '~';

		if (plain)
			text_add(t, (const char *)&bytes[i], 1);
		else
			text_add(t, escaped, sizeof(escaped));
	}
}

/* The hole at p, "{name}": its length, and adds what fills it. 0: there is none. */
static size_t hole_fill(struct text *t, const char *p, const struct kind_target *target)
{
	const struct {
		const char *name, *value;
	} holes[] = {{"{version}", target->version}, {"{number}", target->number}, {"{app}", target->app_id},
		{"{waba}", target->waba_id}, {"{proof}", target->proof}};
	const struct {
		const char *name;
		const struct secret *value;
	} secret_holes[] = {{"{token}", target->token}, {"{secret}", target->secret}};

	for (size_t i = 0; i < sizeof(holes) / sizeof(holes[0]); i++) {
		const size_t len = strlen(holes[i].name);

		if (strncmp(p, holes[i].name, len) != 0)
			continue;
		text_add(t, holes[i].value, strlen(holes[i].value));
		return len;
	}
	for (size_t i = 0; i < sizeof(secret_holes) / sizeof(secret_holes[0]); i++) {
		const size_t len = strlen(secret_holes[i].name);

		if (strncmp(p, secret_holes[i].name, len) != 0)
			continue;
		text_add_encoded(t, secret_holes[i].value);
		return len;
	}
	return 0;
}

static void url_write(struct text *t, const struct kind *k, const struct kind_target *target)
{
	text_add(t, target->base_url, strlen(target->base_url));
	for (const char *p = k->path; *p != '\0';) {
		const size_t filled = *p == '{' ? hole_fill(t, p, target) : 0;

		if (filled == 0)
			text_add(t, p++, 1);
		p += filled;
	}
	text_add(t, "", 1);
}

char *kind_url(const struct kind *k, const struct kind_target *target)
{
	struct text t = {NULL, 0};

	if (!kind_version_ok(target->version) ||
		(kind_wants(k, KIND_WANTS_NUMBER) && !kind_digits_ok(target->number)) ||
		(kind_wants(k, KIND_WANTS_APP) && !kind_digits_ok(target->app_id)) ||
		(kind_wants(k, KIND_WANTS_WABA) && !kind_digits_ok(target->waba_id)))
		return NULL;
	url_write(&t, k, target);
	t.data = malloc(t.len);
	t.len = 0;
	if (t.data != NULL)
		url_write(&t, k, target);
	return t.data;
}

const char *kind_key_header(const struct kind *k)
{
	return k->auth == KIND_D360_KEY ? "D360-API-KEY" : "Authorization";
}

char *kind_key_value(const struct kind *k, const char *app_id, const struct secret *const *secrets)
{
	static const char scheme[] = "Bearer ";
	const bool app = k->auth == KIND_BEARER_APP;
	const struct secret *key = secrets[app ? kind_credentials(k) - 1 : 0];
	struct text t = {NULL, 0};

	if (!kind_header_safe(key) || (app && !kind_digits_ok(app_id)))
		return NULL;
	t.data = malloc(sizeof(scheme) + STORE_PROVIDER_ID_LEN + 1 + secret_len(key));
	if (t.data == NULL)
		return NULL;
	if (k->auth != KIND_D360_KEY)
		text_add(&t, scheme, sizeof(scheme) - 1);
	if (app) {
		text_add(&t, app_id, strlen(app_id));
		text_add(&t, "|", 1);
	}
	text_add(&t, (const char *)secret_bytes(key), secret_len(key));
	text_add(&t, "", 1);
	return t.data;
}
