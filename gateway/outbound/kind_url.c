/*
 * Building what the table of kinds describes: the URL, and the header that carries the key. The sender runs this on jobs
 * that it has checked; a value that breaks its rule gives no URL. Called by request.c.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/outbound/kinds.h"

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
		{"{waba}", target->waba_id}, {"{object}", target->object_id}, {"{path}", target->path},
		{"{proof}", target->proof}};
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

static void text_add_parameters(struct text *t, char *mark, const char *name, const char *value)
{
	if (value == NULL || value[0] == '\0')
		return;
	text_add(t, mark, 1);
	text_add(t, name, strlen(name));
	text_add(t, value, strlen(value));
	*mark = '&';
}

/* What is ours comes last: of two of a name the last one counts. */
static void url_write(struct text *t, const struct kind *k, const struct kind_target *target)
{
	char mark = strchr(k->path, '?') != NULL ? '&' : '?';

	text_add(t, target->base_url, strlen(target->base_url));
	for (const char *p = k->path; *p != '\0';) {
		const size_t filled = *p == '{' ? hole_fill(t, p, target) : 0;

		if (filled == 0)
			text_add(t, p++, 1);
		p += filled;
	}
	if (k->use == KIND_PASS)
		text_add_parameters(t, &mark, "", target->query);
	/* Checks have a hole for it. */
	if ((k->use == KIND_PASS || k->use == KIND_SEND) && kind_is_proven(k))
		text_add_parameters(t, &mark, "appsecret_proof=", target->proof);
	text_add(t, "", 1);
}

char *kind_url(const struct kind *k, const struct kind_target *target)
{
	struct text t = {NULL, 0};

	if (!kind_version_ok(target->version) ||
		(kind_wants(k, KIND_WANTS_NUMBER) && !kind_digits_ok(target->number)) ||
		(kind_wants(k, KIND_WANTS_APP) && !kind_digits_ok(target->app_id)) ||
		(kind_wants(k, KIND_WANTS_WABA) && !kind_digits_ok(target->waba_id)) ||
		(kind_wants(k, KIND_WANTS_OBJECT) && !kind_digits_ok(target->object_id)) ||
		(kind_wants(k, KIND_WANTS_NAME) && !kind_name_ok(target->object_id)) ||
		(kind_wants(k, KIND_WANTS_PATH) && !kind_path_ok(target->path)) ||
		(target->query != NULL && !kind_query_ok(target->query)))
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
