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
	ITEMS_MAX = 1024,
	TOTAL_MAX = 512 << 20,
	ADDRESS_LIVES_S = 300, /* facts/meta.md 2: five minutes */
	HASH_LEN = 16,
	KIB = 1 << 10,
	MIB = 1 << 20,
};

struct media {
	char id[24];
	char type[100];
	char name[200];
	char number[40]; /* whose it is; "": anybody's */
	bool shared; /* more than one number's */
	uint8_t key[crypto_generichash_KEYBYTES]; /* of the hash in its addresses */
	uint8_t sha256[crypto_hash_sha256_BYTES];
	struct media_bytes *held;
};

/* A ring; the oldest gives way. NULL: it was deleted. */
struct media_store {
	struct media *items[ITEMS_MAX];
	size_t first, count, total;
};

struct media_store *media_new(void)
{
	return calloc(1, sizeof(struct media_store));
}

void media_let_go(struct media_bytes *bytes)
{
	if (bytes && atomic_fetch_sub(&bytes->owners, 1) == 1)
		free(bytes);
}

static void drop(struct media_store *m, size_t at)
{
	struct media *item = m->items[at];

	m->items[at] = NULL;
	if (!item)
		return;
	m->total -= item->held->len;
	media_let_go(item->held);
	free(item);
}

void media_free(struct media_store *m)
{
	for (size_t i = 0; m && i < ITEMS_MAX; i++)
		drop(m, i);
	free(m);
}

/* Its place, or ITEMS_MAX. */
static size_t place_of(const struct media_store *m, const char *id)
{
	for (size_t i = 0; i < m->count; i++) {
		size_t at = (m->first + i) % ITEMS_MAX;

		if (m->items[at] && strcmp(m->items[at]->id, id) == 0)
			return at;
	}
	return ITEMS_MAX;
}

static struct media *find(const struct media_store *m, const char *id)
{
	size_t at = place_of(m, id);

	return at < ITEMS_MAX ? m->items[at] : NULL;
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

struct media *media_make(const void *bytes, size_t len, const char *type, const char *name)
{
	struct media *made = calloc(1, sizeof(*made));
	struct media_bytes *held = malloc(sizeof(*held) + len);

	if (!made || !held) {
		free(made);
		free(held);
		return NULL;
	}
	atomic_init(&held->owners, 1);
	held->len = len;
	memcpy(held->bytes, bytes, len);
	crypto_hash_sha256(made->sha256, held->bytes, len);
	made->held = held;
	new_id(made->id);
	randombytes_buf(made->key, sizeof(made->key));
	copy(made->type, sizeof(made->type), type);
	copy(made->name, sizeof(made->name), name);
	return made;
}

const char *media_keep(struct sandbox *s, struct media *made, const char *number)
{
	struct media_store *m = s->media;

	while (m->count == ITEMS_MAX || (m->count > 0 && m->total + made->held->len > TOTAL_MAX)) {
		drop(m, m->first);
		m->first = (m->first + 1) % ITEMS_MAX;
		m->count--;
	}
	copy(made->number, sizeof(made->number), number ? number : "");
	m->items[(m->first + m->count++) % ITEMS_MAX] = made;
	m->total += made->held->len;
	return made->id;
}

/* The address's hash, which belongs to its end as well. */
static void hash_of(const struct media *item, const char *ext, char out[static 2 * HASH_LEN + 1])
{
	uint8_t hash[HASH_LEN];

	(void)crypto_generichash(hash, sizeof(hash), (const uint8_t *)ext, strlen(ext), item->key, sizeof(item->key));
	sodium_bin2hex(out, 2 * HASH_LEN + 1, hash, sizeof(hash));
}

/* By the provider's clock. base: where it is downloaded from. */
static void address_of(const struct sandbox *s, const struct media *item, const char *base, char *url, size_t room)
{
	char ext[32], hash[2 * HASH_LEN + 1];

	(void)snprintf(ext, sizeof(ext), "%lld", (long long)(now_s() + book_clock(s)) + ADDRESS_LIVES_S);
	hash_of(item, ext, hash);
	(void)snprintf(url, room, "%s/whatsapp_business/attachments/?mid=%s&source=webhook&ext=%s&hash=%s", base,
		item->id, ext, hash);
}

static void belongs_to(struct media *item, const char *number)
{
	if (item->number[0] != '\0' && strcmp(item->number, number) != 0)
		item->shared = true;
	copy(item->number, sizeof(item->number), number);
}

void media_describe(struct sandbox *s, struct cJSON *object, const char *number, bool with_url)
{
	const char *id = json_get_string(object, "id");
	struct media *item = id ? find(s->media, id) : NULL;
	char sha256[64], url[512];

	if (!item)
		return;
	belongs_to(item, number);
	sodium_bin2base64(sha256, sizeof(sha256), item->sha256, sizeof(item->sha256), sodium_base64_VARIANT_ORIGINAL);
	book_set(object, "mime_type", item->type);
	book_set(object, "sha256", sha256);
	if (item->name[0] != '\0' && strncmp(item->type, "application/", 12) == 0 && !json_get(object, "filename"))
		cJSON_AddStringToObject(object, "filename", item->name);
	address_of(s, item, s->url, url, sizeof(url));
	if (with_url)
		book_set(object, "url", url);
}

/* Nothing is copied. */
static void give(const struct media *item, struct reply *r)
{
	atomic_fetch_add(&item->held->owners, 1);
	r->held = item->held;
	memcpy(r->type, item->type, sizeof(item->type));
	r->status = 200;
}

void media_show(struct sandbox *s, const char *id, struct reply *r)
{
	const struct media *item = find(s->media, id);

	if (item)
		give(item, r);
	else
		r->status = 404;
}

/* ------------------------------------------------------------ the provider's calls */

/* VP8X, which alone can hold several pictures, and its bit that says so. */
static bool is_animated(const uint8_t *bytes, size_t len)
{
	return len > 20 && memcmp(bytes + 12, "VP8X", 4) == 0 && (bytes[20] & 2) != 0;
}

/* facts/meta.md 2: how many bytes a file of a type may have. What is none of these is a document. */
static size_t limit_of(const char *type, const uint8_t *bytes, size_t len)
{
	static const struct {
		const char *type;
		size_t max;
	} limits[] = {{"image/webp", 100 * KIB}, {"image/", 5 * MIB}, {"audio/", 16 * MIB}, {"video/", 16 * MIB}};

	if (strncmp(type, "image/webp", 10) == 0 && is_animated(bytes, len))
		return 500 * KIB;
	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (strncmp(type, limits[i].type, strlen(limits[i].type)) == 0)
			return limits[i].max;
	return MEDIA_MAX;
}

static void refuse(struct reply *r, int code, const char *message, const char *details)
{
	graph_refuse(r, &(struct graph_error){.code = code, .transient = -1, .message = message, .details = details});
}

/* The file of a form, made; NULL: the refusal is. */
static struct media *read_upload(const struct ask *a, struct reply *r)
{
	const struct multipart_part *file, *type;
	struct media *made = NULL;
	struct multipart form;
	char text[100] = "";

	multipart_read(a, &form);
	file = multipart_part(&form, "file");
	if (!multipart_part(&form, "messaging_product") &&
		http_query_get(a->query, "messaging_product", text, sizeof(text)) != HTTP_OK) {
		refuse(r, 100, "(#100) The parameter messaging_product is required.", NULL);
		return NULL;
	}
	if (!file) {
		refuse(r, 100, "(#100) The parameter file is required.", NULL);
		return NULL;
	}
	text[0] = '\0';
	type = multipart_part(&form, "type");
	if (type && type->len < sizeof(text)) {
		memcpy(text, type->data, type->len);
		text[type->len] = '\0';
	}
	if (text[0] == '\0')
		copy(text, sizeof(text), file->content_type);
	if (file->len <= limit_of(text, file->data, file->len))
		made = media_make(file->data, file->len, text, file->filename);
	if (!made)
		refuse(r, 131053, "(#131053) Media upload error", "The file is too large.");
	return made;
}

void media_upload(struct sandbox *s, const struct ask *a, struct reply *r)
{
	struct media *made;

	/* The body is the request's own. */
	pthread_mutex_unlock(&s->mutex);
	made = read_upload(a, r);
	pthread_mutex_lock(&s->mutex);
	if (!made)
		return;
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddStringToObject(r->json, "id", media_keep(s, made, a->number));
}

/* Whether who asks may use it. */
static bool is_open(const struct media *item, const struct media_access *may)
{
	const struct cJSON *number;

	if (item->number[0] == '\0' || item->shared || (may->number && strcmp(may->number, item->number) == 0))
		return true;
	cJSON_ArrayForEach (number, may->numbers) {
		if (cJSON_IsString(number) && strcmp(number->valuestring, item->number) == 0)
			return true;
	}
	return false;
}

/* Whether it is that of the number that a call names, if it names one. */
static bool is_of_named(const struct media *item, const struct ask *a)
{
	char number[sizeof(item->number)] = "";
	enum http_error error = http_query_get(a->query, "phone_number_id", number, sizeof(number));

	return error == HTTP_NO_SUCH_PARAM ||
		(error == HTTP_OK && (item->number[0] == '\0' || item->shared || strcmp(number, item->number) == 0));
}

static void about(const struct sandbox *s, const struct ask *a, const struct media *item, struct reply *r)
{
	char sha256[2 * crypto_hash_sha256_BYTES + 1], url[512];

	/* 360dialog hands on Meta's own address; whoever downloads puts path and query on 360dialog's host. */
	address_of(s, item, strcmp(a->api, "meta") == 0 ? s->url : "https://lookaside.fbsbx.com", url, sizeof(url));
	sodium_bin2hex(sha256, sizeof(sha256), item->sha256, sizeof(item->sha256));
	r->status = 200;
	r->json = cJSON_CreateObject();
	cJSON_AddStringToObject(r->json, "messaging_product", "whatsapp");
	cJSON_AddStringToObject(r->json, "url", url);
	cJSON_AddStringToObject(r->json, "mime_type", item->type);
	cJSON_AddStringToObject(r->json, "sha256", sha256);
	cJSON_AddNumberToObject(r->json, "file_size", (double)item->held->len);
	cJSON_AddStringToObject(r->json, "id", item->id);
}

void media_about(
	struct sandbox *s, const struct ask *a, const char *id, const struct media_access *may, struct reply *r)
{
	size_t at = place_of(s->media, id);
	const struct media *item = at < ITEMS_MAX ? s->media->items[at] : NULL;

	if (!item || !is_open(item, may) || !is_of_named(item, a)) {
		graph_missing(r, a->method, id);
	} else if (strcmp(a->method, "DELETE") == 0) {
		drop(s->media, at);
		reply_success(r);
	} else {
		about(s, a, item, r);
	}
}

void media_download(struct sandbox *s, const struct ask *a, const struct media_access *may, struct reply *r)
{
	char id[24] = "", hash[2 * HASH_LEN + 1] = "", right[2 * HASH_LEN + 1] = "", ext[24] = "";
	const struct media *item = NULL;

	if (http_query_get(a->query, "mid", id, sizeof(id)) == HTTP_OK &&
		http_query_get(a->query, "hash", hash, sizeof(hash)) == HTTP_OK &&
		http_query_get(a->query, "ext", ext, sizeof(ext)) == HTTP_OK)
		item = find(s->media, id);
	if (item)
		hash_of(item, ext, right);
	if (item && strcmp(right, hash) == 0 && is_open(item, may) &&
		strtoll(ext, NULL, 10) >= (long long)(now_s() + book_clock(s)))
		give(item, r);
	else
		r->status = 404;
}
