/*
 * The table of kinds. Called by job.c, prepare.c, request.c, answer.c.
 */
#include "gateway/outbound/kinds.h"

#include <string.h>

static const char *const send_fields[] = {
	"messages[0].id", "messages[0].message_status", "contacts[0].wa_id", "contacts[0].user_id", NULL};

/* Of what was asked for, all that came. */
static const char *const number_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating",
	"code_verification_status", "platform_type", "throughput.level", "status", "name_status",
	"whatsapp_business_manager_messaging_limit", "is_on_biz_app", NULL};

static const char *const numbers_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating", NULL};

static const char *const token_fields[] = {
	"data.app_id", "data.type", "data.is_valid", "data.expires_at", "data.scopes", "data.granular_scopes", NULL};

static const char *const health_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating", NULL};

static const char *const success_fields[] = {"success", NULL};

/* Those that every token with the permission may read. */
#define SHORT_FIELDS                                                                                                   \
	"id,display_phone_number,verified_name,quality_rating,code_verification_status,platform_type,throughput"

#define PASSED_TO_META                                                                                                 \
	.use = KIND_PASS, .host = KIND_META, .auth = KIND_BEARER_TOKEN, .credentials = {"access_token", "app_secret"}, \
	.optional = true, .answer = KIND_VERBATIM
#define PASSED_TO_D360                                                                                                 \
	.use = KIND_PASS, .host = KIND_D360, .auth = KIND_D360_KEY, .credentials = {"api_key"}, .answer = KIND_VERBATIM

static const struct kind kinds[] = {
	{.kind = OUTBOUND_META_SEND,
		.name = "send",
		.use = KIND_SEND,
		.host = KIND_META,
		.methods = KIND_POST,
		.path = "/{version}/{number}/messages",
		.wants = KIND_WANTS_NUMBER | KIND_WANTS_BODY,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.optional = true,
		.answer = KIND_FIELDS,
		.expects = {"messages[0].id"},
		.fields = send_fields},
	/* One field that the token may not read refuses all of them (facts/meta.md 6): then OUTBOUND_META_NUMBER_SHORT. */
	{.kind = OUTBOUND_META_NUMBER,
		.name = "number",
		.use = KIND_CHECK,
		.host = KIND_META,
		.methods = KIND_GET,
		.path = "/{version}/{number}?fields=" SHORT_FIELDS
			",status,name_status,whatsapp_business_manager_messaging_limit,is_on_biz_app,health_status"
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
		.methods = KIND_GET,
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
		.methods = KIND_GET,
		.path = "/{version}/{app}/subscriptions",
		.wants = KIND_WANTS_APP | KIND_WANTS_URL,
		.auth = KIND_BEARER_APP,
		.credentials = {"app_secret"},
		.answer = KIND_APP_CALLBACK},
	{.kind = OUTBOUND_META_APP_SUBSCRIBE,
		.name = "app_subscribe",
		.use = KIND_CHECK,
		.host = KIND_META,
		.methods = KIND_POST,
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
		.methods = KIND_GET,
		.path = "/{version}/{waba}/subscribed_apps?appsecret_proof={proof}",
		.wants = KIND_WANTS_APP | KIND_WANTS_WABA | KIND_WANTS_URL,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token", "app_secret"},
		.answer = KIND_WABA_CALLBACK},
	{.kind = OUTBOUND_META_WABA_SUBSCRIBE,
		.name = "waba_subscribe",
		.use = KIND_CHECK,
		.host = KIND_META,
		.methods = KIND_POST,
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
		.methods = KIND_POST,
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
		.methods = KIND_GET,
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
		.methods = KIND_GET,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_D360_CALLBACK},
	{.kind = OUTBOUND_D360_WEBHOOK_SET,
		.name = "webhook_set",
		.use = KIND_CHECK,
		.host = KIND_D360,
		.methods = KIND_POST,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_NOTHING},
	{.kind = OUTBOUND_RESPONDER_ASK,
		.name = "ask",
		.use = KIND_ASK,
		.host = KIND_JOB_URL,
		.methods = KIND_POST,
		.wants = KIND_WANTS_URL | KIND_WANTS_BODY,
		.auth = KIND_SIGNED,
		.credentials = {"signing_secret"},
		.answer = KIND_JSON},
	{.kind = OUTBOUND_META_TOKEN_EXCHANGE,
		.name = "token_exchange",
		.use = KIND_CHECK,
		.host = KIND_META,
		.methods = KIND_GET,
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
		.methods = KIND_GET,
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
		.methods = KIND_GET,
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
		.methods = KIND_GET,
		.path = "/webhooks/{business}",
		.auth = KIND_NO_KEY,
		.answer = KIND_REFUSAL},
	/* The sandbox keeps /v1 in all of its paths; that it has a health_status is unproven (facts/360dialog.md 1). */
	{.kind = OUTBOUND_D360_SANDBOX_SEND,
		.name = "send",
		.use = KIND_SEND,
		.host = KIND_D360_SANDBOX,
		.methods = KIND_POST,
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
		.methods = KIND_GET,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_D360_CALLBACK},
	{.kind = OUTBOUND_D360_SANDBOX_WEBHOOK_SET,
		.name = "webhook_set",
		.use = KIND_CHECK,
		.host = KIND_D360_SANDBOX,
		.methods = KIND_POST,
		.path = "/v1/configs/webhook",
		.wants = KIND_WANTS_URL,
		.auth = KIND_D360_KEY,
		.credentials = {"api_key", "webhook_secret"},
		.answer = KIND_NOTHING},
	/* Calls passed through. The path's ids are the connection's own, and Meta gets no object but with the number that it
	 * belongs to. Where the app secret is held, they are proven by it. */
	{.kind = OUTBOUND_META_PASS_NUMBER,
		.name = "pass_number",
		PASSED_TO_META,
		.methods = KIND_GET,
		.path = "/{version}/{number}",
		.wants = KIND_WANTS_NUMBER,
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_META_PASS_NUMBERS,
		.name = "pass_numbers",
		PASSED_TO_META,
		.methods = KIND_GET,
		.path = "/{version}/{waba}/phone_numbers",
		.wants = KIND_WANTS_WABA,
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_META_PASS_TEMPLATES,
		.name = "pass_templates",
		PASSED_TO_META,
		.methods = KIND_GET | KIND_POST | KIND_DELETE,
		.path = "/{version}/{waba}/message_templates",
		.wants = KIND_WANTS_WABA,
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_META_PASS_PROFILE,
		.name = "pass_profile",
		PASSED_TO_META,
		.methods = KIND_GET | KIND_POST,
		.path = "/{version}/{number}/whatsapp_business_profile",
		.wants = KIND_WANTS_NUMBER,
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_META_PASS_MESSAGES,
		.name = "pass_messages",
		PASSED_TO_META,
		.methods = KIND_POST,
		.path = "/{version}/{number}/messages",
		.wants = KIND_WANTS_NUMBER,
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_META_PASS_UPLOAD,
		.name = "pass_upload",
		PASSED_TO_META,
		.methods = KIND_POST,
		.path = "/{version}/{number}/media",
		.wants = KIND_WANTS_NUMBER,
		.carries = KIND_QUERY | KIND_UPLOAD},
	{.kind = OUTBOUND_META_PASS_OBJECT,
		.name = "pass_object",
		PASSED_TO_META,
		.methods = KIND_GET | KIND_DELETE,
		.path = "/{version}/{object}?phone_number_id={number}",
		.wants = KIND_WANTS_NUMBER | KIND_WANTS_OBJECT},
	/* Signed by its query, which takes no more of ours. */
	{.kind = OUTBOUND_META_PASS_DOWNLOAD,
		.name = "pass_download",
		.use = KIND_PASS,
		.host = KIND_META_MEDIA,
		.methods = KIND_GET,
		.path = "{path}",
		.wants = KIND_WANTS_PATH,
		.carries = KIND_QUERY | KIND_DOWNLOAD,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token"},
		.answer = KIND_VERBATIM},
	{.kind = OUTBOUND_D360_PASS_MESSAGES,
		.name = "pass_messages",
		PASSED_TO_D360,
		.methods = KIND_POST,
		.path = "/messages"},
	{.kind = OUTBOUND_D360_PASS_UPLOAD,
		.name = "pass_upload",
		PASSED_TO_D360,
		.methods = KIND_POST,
		.path = "/media",
		.carries = KIND_QUERY | KIND_UPLOAD},
	{.kind = OUTBOUND_D360_PASS_OBJECT,
		.name = "pass_object",
		PASSED_TO_D360,
		.methods = KIND_GET | KIND_DELETE,
		.path = "/{object}",
		.wants = KIND_WANTS_OBJECT},
	{.kind = OUTBOUND_D360_PASS_DOWNLOAD,
		.name = "pass_download",
		PASSED_TO_D360,
		.methods = KIND_GET,
		.path = "/whatsapp_business/attachments/",
		.carries = KIND_QUERY | KIND_DOWNLOAD},
	{.kind = OUTBOUND_D360_PASS_CONFIG_TEMPLATES,
		.name = "pass_templates",
		PASSED_TO_D360,
		.methods = KIND_GET | KIND_POST | KIND_DELETE,
		.path = "/v1/configs/templates",
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_D360_PASS_CONFIG_TEMPLATE,
		.name = "pass_templates",
		PASSED_TO_D360,
		.methods = KIND_DELETE,
		.path = "/v1/configs/templates/{object}",
		.wants = KIND_WANTS_NAME},
	{.kind = OUTBOUND_D360_PASS_TEMPLATES,
		.name = "pass_templates",
		PASSED_TO_D360,
		.methods = KIND_GET | KIND_POST | KIND_DELETE,
		.path = "/message_templates",
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_D360_PASS_PROFILE,
		.name = "pass_profile",
		PASSED_TO_D360,
		.methods = KIND_GET | KIND_POST,
		.path = "/whatsapp_business_profile",
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_D360_PASS_HEALTH,
		.name = "pass_health",
		PASSED_TO_D360,
		.methods = KIND_GET,
		.path = "/health_status",
		.carries = KIND_QUERY},
	{.kind = OUTBOUND_D360_SANDBOX_PASS_MESSAGES,
		.name = "pass_messages",
		.use = KIND_PASS,
		.host = KIND_D360_SANDBOX,
		.methods = KIND_POST,
		.path = "/v1/messages",
		.auth = KIND_D360_KEY,
		.credentials = {"api_key"},
		.answer = KIND_VERBATIM},
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

bool kind_carries(const struct kind *k, unsigned what)
{
	return (k->carries & what) != 0;
}

bool kind_has_version(const struct kind *k)
{
	return k->path != NULL && strncmp(k->path, "/{version}/", 11) == 0;
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

bool kind_header_safe(const struct secret *s)
{
	const uint8_t *bytes = secret_bytes(s);

	for (size_t i = 0; i < secret_len(s); i++)
		if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
			return false;
	return true;
}
