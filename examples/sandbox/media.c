/*
 * The store of media, and the provider's calls about them.
 */
#include "examples/sandbox/media.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "examples/sandbox/multipart.h"
#include "gateway/http/http.h"
#include "gateway/json.h"

enum {
	ITEMS_MAX = 256,
	TOTAL_MAX = 256 << 20,
	ADDRESS_LIVES_S = 300, /* facts/meta.md 2: five minutes */
};

struct item {
	char id[24];
	char type[100];
	char name[200];
	char hash[33]; /* of the address */
	uint8_t sha256[crypto_hash_sha256_BYTES];
	uint8_t *bytes;
	size_t len;
};

/* A ring; the oldest gives way. */
struct media_store {
	struct item items[ITEMS_MAX];
	size_t first, count, total;
};

struct media_store *media_new(void)
{
	return calloc(1, sizeof(struct media_store));
}

static void drop(struct media_store *m, struct item *item)
{
	m->total -= item->len;
	free(item->bytes);
	*item = (struct item){0};
}

void media_free(struct media_store *m)
{
	for (size_t i = 0; m && i < ITEMS_MAX; i++)
		drop(m, &m->items[i]);
	free(m);
}

static struct item *find(const struct media_store *m, const char *id)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct item *item = &m->items[(m->first + i) % ITEMS_MAX];

		if (item->bytes && strcmp(item->id, id) == 0)
			return (struct item *)item;
	}
	return NULL;
}

bool media_has(const struct sandbox *s, const char *id)
{
	return find(s->media, id) != NULL;
}

/* Digits, as the providers' ids are. */
static void new_id(char id[static 24])
{
	(void)snprintf(id, 24, "1%07u%07u", randombytes_uniform(10000000), randombytes_uniform(10000000));
}

static void copy(char *out, size_t room, const char *text)
{
	size_t len = strnlen(text, room - 1);

	memcpy(out, text, len);
	out[len] = '\0';
}

const char *media_keep(struct sandbox *s, const void *bytes, size_t len, const char *type, const char *name)
{
	struct media_store *m = s->media;
	uint8_t *kept = malloc(len > 0 ? len : 1);
	struct item *item;

	if (!kept)
		return NULL;
	memcpy(kept, bytes, len);
	while (m->count == ITEMS_MAX || (m->count > 0 && m->total + len > TOTAL_MAX)) {
		drop(m, &m->items[m->first]);
		m->first = (m->first + 1) % ITEMS_MAX;
		m->count--;
	}
	item = &m->items[(m->first + m->count++) % ITEMS_MAX];
	item->bytes = kept;
	item->len = len;
	m->total += len;
	new_id(item->id);
	random_hex(16, item->hash);
	copy(item->type, sizeof(item->type), type);
	copy(item->name, sizeof(item->name), name);
	crypto_hash_sha256(item->sha256, kept, len);
	return item->id;
}

/* base: where it is downloaded from. */
static void address_of(const struct item *item, const char *base, char *url, size_t room)
{
	(void)snprintf(url, room, "%s/whatsapp_business/attachments/?mid=%s&source=webhook&ext=%lld&hash=%s", base,
		item->id, (long long)now_s() + ADDRESS_LIVES_S, item->hash);
}

void media_describe(struct sandbox *s, struct cJSON *object, bool with_url)
{
	const char *id = json_get_string(object, "id");
	const struct item *item = id ? find(s->media, id) : NULL;
	char sha256[64], url[512];

	if (!item)
		return;
	sodium_bin2base64(sha256, sizeof(sha256), item->sha256, sizeof(item->sha256), sodium_base64_VARIANT_ORIGINAL);
	book_set(object, "mime_type", item->type);
	book_set(object, "sha256", sha256);
	if (item->name[0] != '\0' && strncmp(item->type, "application/", 12) == 0 && !json_get(object, "filename"))
		cJSON_AddStringToObject(object, "filename", item->name);
	address_of(item, s->url, url, sizeof(url));
	if (with_url)
		book_set(object, "url", url);
}

static void give(const struct item *item, struct reply *r)
{
	r->bytes = malloc(item->len > 0 ? item->len : 1);
	if (!r->bytes) {
		r->status = 500;
		return;
	}
	memcpy(r->bytes, item->bytes, item->len);
	r->len = item->len;
	memcpy(r->type, item->type, sizeof(item->type));
	r->status = 200;
}

void media_show(struct sandbox *s, const char *id, struct reply *r)
{
	const struct item *item = find(s->media, id);

	if (item)
		give(item, r);
	else
		r->status = 404;
}

/* ------------------------------------------------------------ the provider's calls */

void media_upload(struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct multipart_part product, file, type;
	const char *id = NULL;
	char text[100] = "";

	if (!multipart_find(a, "messaging_product", &product)) {
		graph_refuse(r,
			&(struct graph_error){.code = 100,
				.transient = -1,
				.message = "(#100) The parameter messaging_product is required."});
		return;
	}
	if (!multipart_find(a, "file", &file)) {
		graph_refuse(r,
			&(struct graph_error){
				.code = 100, .transient = -1, .message = "(#100) The parameter file is required."});
		return;
	}
	if (multipart_find(a, "type", &type) && type.len < sizeof(text)) {
		memcpy(text, type.data, type.len);
		text[type.len] = '\0';
	}
	if (text[0] == '\0')
		copy(text, sizeof(text), file.content_type);
	if (file.len <= MEDIA_MAX)
		id = media_keep(s, file.data, file.len, text, file.filename);
	if (!id) {
		graph_refuse(r,
			&(struct graph_error){.code = 131053,
				.transient = -1,
				.message = "(#131053) Media upload error",
				.details = "The file is too large."});
		return;
	}
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddStringToObject(r->json, "id", id);
}

void media_about(struct sandbox *s, const struct ask *a, const char *id, struct reply *r)
{
	struct item *item = find(s->media, id);
	char sha256[2 * crypto_hash_sha256_BYTES + 1], url[512];
	bool meta = strcmp(a->api, "meta") == 0;

	if (strcmp(a->method, "DELETE") == 0) {
		drop(s->media, item);
		reply_success(r);
		return;
	}
	/* 360dialog hands on Meta's own address; whoever downloads puts path and query on 360dialog's host. */
	address_of(item, meta ? s->url : "https://lookaside.fbsbx.com", url, sizeof(url));
	sodium_bin2hex(sha256, sizeof(sha256), item->sha256, sizeof(item->sha256));
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddStringToObject(r->json, "messaging_product", "whatsapp");
	cJSON_AddStringToObject(r->json, "url", url);
	cJSON_AddStringToObject(r->json, "mime_type", item->type);
	cJSON_AddStringToObject(r->json, "sha256", sha256);
	cJSON_AddNumberToObject(r->json, "file_size", (double)item->len);
	cJSON_AddStringToObject(r->json, "id", item->id);
}

void media_download(struct sandbox *s, const struct ask *a, struct reply *r)
{
	char id[24] = "", hash[33] = "", ext[24] = "";
	const struct item *item = NULL;

	if (http_query_get(a->query, "mid", id, sizeof(id)) == HTTP_OK &&
		http_query_get(a->query, "hash", hash, sizeof(hash)) == HTTP_OK &&
		http_query_get(a->query, "ext", ext, sizeof(ext)) == HTTP_OK)
		item = find(s->media, id);
	if (item && strcmp(item->hash, hash) == 0 && strtoll(ext, NULL, 10) >= (long long)now_s())
		give(item, r);
	else
		r->status = 404;
}
