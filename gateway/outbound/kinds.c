/*
 * The table of kinds, and building what it describes. The sender runs this on jobs that it has
 * checked; a value that breaks its rule gives no URL. Called by job.c, sender.c, meta.c.
 */
#include "gateway/outbound/kinds.h"

#include <stdlib.h>
#include <string.h>

#include "vault/vault.h"

static const char *const send_fields[] = {
	"messages[0].id", "messages[0].message_status", "contacts[0].wa_id", "contacts[0].user_id", NULL};

/* Only fields that every token with the permission may read: one forbidden field refuses all. */
static const char *const number_fields[] = {"id", "display_phone_number", "verified_name", "quality_rating",
	"code_verification_status", "platform_type", "throughput.level", NULL};

static const char *const token_fields[] = {
	"data.app_id", "data.type", "data.is_valid", "data.expires_at", "data.scopes", "data.granular_scopes", NULL};

static const struct kind kinds[] = {
	{.kind = OUTBOUND_META_SEND,
		.post = true,
		.path = "/{version}/{number}/messages",
		.wants_number = true,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token"},
		.expects = "messages[0].id",
		.fields = send_fields},
	{.kind = OUTBOUND_META_NUMBER,
		.path = "/{version}/{number}?fields=id,display_phone_number,verified_name,quality_rating,"
			"code_verification_status,platform_type,throughput",
		.wants_number = true,
		.auth = KIND_BEARER_TOKEN,
		.credentials = {"access_token"},
		.expects = "id",
		.fields = number_fields},
	/* The provider documents no way but the URL for the token that is asked about. */
	{.kind = OUTBOUND_META_DEBUG_TOKEN,
		.path = "/{version}/debug_token?input_token={token}",
		.wants_app = true,
		.auth = KIND_BEARER_APP,
		.credentials = {"access_token", "app_secret"},
		.expects = "data.is_valid",
		.fields = token_fields},
};

const struct kind *kind_find(uint32_t number)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if ((uint32_t)kinds[i].kind == number)
			return &kinds[i];
	return NULL;
}

size_t kind_credentials(const struct kind *k)
{
	size_t n = 0;

	while (n < KIND_CREDENTIALS_MAX && k->credentials[n] != NULL)
		n++;
	return n;
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

static bool url_write(struct text *t, const struct kind *k, const struct kind_target *target)
{
	static const char version[] = "{version}", number[] = "{number}", token[] = "{token}";

	text_add(t, target->base_url, strlen(target->base_url));
	for (const char *p = k->path; *p != '\0';) {
		if (strncmp(p, version, sizeof(version) - 1) == 0) {
			text_add(t, target->version, strlen(target->version));
			p += sizeof(version) - 1;
		} else if (strncmp(p, number, sizeof(number) - 1) == 0) {
			text_add(t, target->number, strlen(target->number));
			p += sizeof(number) - 1;
		} else if (strncmp(p, token, sizeof(token) - 1) == 0) {
			if (target->token == NULL)
				return false;
			text_add_encoded(t, target->token);
			p += sizeof(token) - 1;
		} else {
			text_add(t, p++, 1);
		}
	}
	text_add(t, "", 1);
	return true;
}

char *kind_url(const struct kind *k, const struct kind_target *target)
{
	struct text t = {NULL, 0};

	if (!kind_version_ok(target->version) || (k->wants_number && !kind_digits_ok(target->number)))
		return NULL;
	if (!url_write(&t, k, target))
		return NULL;
	t.data = malloc(t.len);
	t.len = 0;
	if (t.data != NULL)
		(void)url_write(&t, k, target);
	return t.data;
}

static bool header_safe(const struct secret *s)
{
	const uint8_t *bytes = secret_bytes(s);

	for (size_t i = 0; i < secret_len(s); i++)
		if (bytes[i] <= 0x20 || bytes[i] >= 0x7f)
			return false;
	return true;
}

char *kind_authorization(const struct kind *k, const char *app_id, const struct secret *const *secrets)
{
	static const char scheme[] = "Bearer ";
	const struct secret *bearer = secrets[k->auth == KIND_BEARER_APP ? 1 : 0];
	struct text t = {NULL, 0};

	if (!header_safe(bearer) || (k->auth == KIND_BEARER_APP && !kind_digits_ok(app_id)))
		return NULL;
	t.data = malloc(sizeof(scheme) + STORE_PROVIDER_ID_LEN + 1 + secret_len(bearer));
	if (t.data == NULL)
		return NULL;
	text_add(&t, scheme, sizeof(scheme) - 1);
	if (k->auth == KIND_BEARER_APP) {
		text_add(&t, app_id, strlen(app_id));
		text_add(&t, "|", 1);
	}
	text_add(&t, (const char *)secret_bytes(bearer), secret_len(bearer));
	text_add(&t, "", 1);
	return t.data;
}
