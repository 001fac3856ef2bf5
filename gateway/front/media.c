/*
 * Media links: the provider's URL of a medium needs the shop's own key, so the client gets one of ours in its place,
 * which needs none and lives for some minutes. It says by itself what it is for: sealed with the business's content key,
 * nobody else can make or read one.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/front/internal.h"
#include "gateway/json.h"

#define LIVES_MS (5 * 60 * 1000) /* as long as the provider's own (facts/meta.md 2) */
#define PLAIN_MAX 2048u

/* Base64 in the letters that stand in a URL as they are: in place. */
static void to_url(char *text)
{
	for (; *text != '\0'; text++)
		*text = *text == '+' ? '-' : *text == '/' ? '_' : *text == '=' ? '.' : *text;
}

static void from_url(char *text)
{
	for (; *text != '\0'; text++)
		*text = *text == '-' ? '+' : *text == '_' ? '/' : *text == '.' ? '=' : *text;
}

/* Where it is sealed for: a record of none. */
static struct tenant_place place_of(const char *business_id)
{
	return (struct tenant_place){business_id, "front", "link", "media", 1};
}

/* "expires key_id connection_id path?query" */
char *media_link_make(struct call *c, const char *url)
{
	const struct tenant_place place = place_of(c->who.business.id);
	const char *host = strstr(url, "://"), *path = host != NULL ? strchr(host + 3, '/') : NULL;
	char plain[PLAIN_MAX], *out = NULL;
	uint8_t *blob = NULL;
	size_t blob_len = 0, room;
	int len;

	if (path == NULL)
		return NULL;
	len = snprintf(plain, sizeof(plain), "%lld %s %s %s", (long long)(store_now_ms() + LIVES_MS), c->who.key.id,
		c->connection.id, path);
	if (len < 0 || (size_t)len >= sizeof(plain) ||
		tenant_seal(c->front->tenants, &place, plain, (size_t)len, &blob, &blob_len) != TENANT_OK)
		goto out;
	room = strlen(c->front->public_url) + sizeof(MEDIA_LINK_PREFIX) + strlen(c->who.business.id) + 1 +
		VAULT_BASE64_LEN(blob_len) + 1;
	out = malloc(room);
	if (out == NULL)
		goto out;
	len = snprintf(out, room, "%s%s%s/", c->front->public_url, MEDIA_LINK_PREFIX, c->who.business.id);
	vault_base64(blob, blob_len, out + len);
	to_url(out + len);
out:
	vault_wipe(plain, sizeof(plain));
	free(blob);
	return out;
}

static void gone(struct call *c)
{
	answer_refusal(c,
		&(struct refusal){.http = 404,
			.code = 100,
			.subcode = 33,
			.details = "This link is over, or none: ask for the media's URL again."});
}

/* Splits what media_link_make wrote. False: it is over. */
static bool media_link_read(char *plain, char **key_id, char **connection_id, char **path)
{
	char *end;
	const long long until = strtoll(plain, &end, 10);

	if (*end != ' ' || until <= store_now_ms())
		return false;
	*key_id = end + 1;
	*connection_id = strchr(*key_id, ' ');
	if (*connection_id == NULL)
		return false;
	*(*connection_id)++ = '\0';
	*path = strchr(*connection_id, ' ');
	if (*path == NULL)
		return false;
	*(*path)++ = '\0';
	return true;
}

/* It counts as a call of its key. False: answered. */
static bool within_rate(struct call *c)
{
	const unsigned retry_after_ms = virtual_keys_take(c->front->keys, &c->who.key, store_now_ms());

	if (retry_after_ms == 0)
		return true;
	answer_refusal(c,
		&(struct refusal){.http = 429,
			.code = 130429,
			.transient = true,
			.retry_after_ms = retry_after_ms,
			.details = "The key has made as many calls as it may in a minute."});
	return false;
}

/* The virtual key that it was given to still lives, and its business may. */
static bool still_may(struct call *c, const char *key_id)
{
	return store_business_get(c->front->store, c->who.business.id, &c->who.business) == STORE_OK &&
		c->who.business.status == STORE_BUSINESS_ACTIVE &&
		store_virtual_key_get(c->front->store, c->who.business.id, key_id, store_now_ms(), &c->who.key) ==
		STORE_OK &&
		virtual_key_ended(&c->who.key, store_now_ms()) == REFUSED_NOT;
}

static void follow(struct call *c, char *plain)
{
	struct passage what = {.kind = OUTBOUND_META_PASS_DOWNLOAD};
	char *key_id, *connection_id, *path, *query;

	if (!media_link_read(plain, &key_id, &connection_id, &path) || !still_may(c, key_id) ||
		store_connection_get(c->front->store, c->who.business.id, connection_id, &c->connection) != STORE_OK ||
		c->connection.status == STORE_CONNECTION_SUSPENDED ||
		!virtual_key_has_number(&c->who.key, c->connection.phone_number_id)) {
		gone(c);
		return;
	}
	if (!within_rate(c))
		return;
	query = strchr(path, '?');
	if (query != NULL)
		*query++ = '\0';
	what.query = query;
	if (is_d360(c))
		what.kind = OUTBOUND_D360_PASS_DOWNLOAD;
	else
		what.path = path;
	http_request_proven(c->req);
	if (!call_enter(c))
		return;
	passage_run(c, &what);
	call_leave(c);
}

void media_link_open(struct call *c)
{
	const char *business = c->at + sizeof(MEDIA_LINK_PREFIX) - 1, *sealed = strchr(business, '/');
	char *text = sealed != NULL ? strdup(sealed + 1) : NULL;
	const size_t len = sealed != NULL ? (size_t)(sealed - business) : 0;
	struct tenant_place place;
	uint8_t *blob = NULL, *plain = NULL;
	size_t blob_len = 0, plain_len = 0;

	if (strcmp(c->method, "GET") != 0 || len < 1 || len > STORE_BUSINESS_ID_LEN || text == NULL) {
		json_text_free(text);
		gone(c);
		return;
	}
	from_url(text);
	memcpy(c->who.business.id, business, len);
	place = place_of(c->who.business.id);
	blob = malloc(strlen(sealed));
	if (blob == NULL || !vault_base64_read(text, strlen(text), blob, strlen(sealed), &blob_len) ||
		tenant_open(c->front->tenants, &place, blob, blob_len, &plain, &plain_len) != TENANT_OK)
		gone(c);
	else
		follow(c, (char *)plain);
	if (plain != NULL)
		vault_wipe(plain, plain_len);
	free(plain);
	free(blob);
	json_text_free(text);
}
