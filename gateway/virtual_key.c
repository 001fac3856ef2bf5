/*
 * Virtual keys, made and asked about. See virtual_key.h.
 *
 * How many calls a minute: a bucket that holds a minute's worth and fills evenly, kept as the
 * moment at which it will be full again. The places for buckets and news are a table of fixed
 * size: a bucket that is full tells nothing, and gives its place up first.
 */
#include "gateway/virtual_key.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/hash.h"

#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)
#define MINUTE_US (MINUTE_MS * 1000)
#define SETS 8192u
#define WAYS 8u

#define KEY_LEN (sizeof(VIRTUAL_KEY_PREFIX) - 1 + 43) /* 32 bytes in base64 without padding */
#define TEXT_MAX 1024u
#define PROVIDERS_MIN 16u /* characters: theirs have more */
#define URL_SAFE "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

struct place {
	char id[STORE_ID_LEN + 1]; /* of the key; "": free */
	int64_t full_us; /* when its bucket is full again */
	/* news: */
	int64_t used_at, refused_at; /* 0: none */
	int64_t refused_count;
	enum refused_why why;
};

struct virtual_keys {
	struct store *store;
	struct refused_calls *refused;
	pthread_mutex_t lock;
	struct place places[SETS][WAYS];
};

struct virtual_keys *virtual_keys_new(struct store *store)
{
	struct virtual_keys *v = calloc(1, sizeof(*v));

	if (v == NULL)
		return NULL;
	v->store = store;
	v->refused = refused_calls_new();
	if (v->refused == NULL) {
		free(v);
		return NULL;
	}
	pthread_mutex_init(&v->lock, NULL);
	return v;
}

void virtual_keys_free(struct virtual_keys *v)
{
	if (v == NULL)
		return;
	refused_calls_free(v->refused);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

struct refused_calls *virtual_keys_refused(struct virtual_keys *v)
{
	return v->refused;
}

/* ------------------------------------------------------------ what a key looks like */

void virtual_key_make(struct store_virtual_key *k, char text[static VIRTUAL_KEY_ROOM])
{
	store_id_new(k->id);
	k->created_at = store_now_ms();
	vault_random_text(VIRTUAL_KEY_PREFIX, true, text);
	vault_hash(text, strlen(text), k->hash);
	memcpy(k->last4, text + strlen(text) - 4, sizeof(k->last4));
}

static bool begins(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* What it is by its looks; REFUSED_NOT: it has the form of a virtual key. */
static enum refused_why look_at(const char *text)
{
	const size_t len = text != NULL ? strnlen(text, TEXT_MAX + 1) : 0;

	if (len == 0)
		return REFUSED_NO_KEY;
	if (begins(text, VIRTUAL_KEY_PREFIX))
		return len == KEY_LEN && strspn(text, URL_SAFE) == len ? REFUSED_NOT : REFUSED_MALFORMED;
	if (begins(text, "kh_"))
		return REFUSED_ADMIN_TOKEN;
	/* Also one in quotes. */
	if (len > TEXT_MAX || !is_plain(text) || strstr(text, VIRTUAL_KEY_PREFIX) != NULL)
		return REFUSED_MALFORMED;
	return begins(text, "EAA") || len >= PROVIDERS_MIN ? REFUSED_PROVIDERS_KEY : REFUSED_MALFORMED;
}

/* ------------------------------------------------------------ places */

/* Ids are made here, so that nobody can choose them to fill one set. */
static struct place *set_of(struct virtual_keys *v, const char *id)
{
	const uint32_t hash = hash_text(id);

	return v->places[(hash ^ hash >> 16) % SETS];
}

static bool has_news(const struct place *p)
{
	return p->used_at > 0 || p->refused_at > 0;
}

/* Whether less is lost with a than with b: news weigh most, then a bucket that is far from full. */
static bool is_cheaper(const struct place *a, const struct place *b)
{
	return has_news(a) != has_news(b) ? has_news(b) : a->full_us < b->full_us;
}

/* The key's place, which may have been another's. Under the lock. */
static struct place *place_of(struct virtual_keys *v, const char *id)
{
	struct place *set = set_of(v, id), *best = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (strcmp(set[i].id, id) == 0)
			return &set[i];
		if (is_cheaper(&set[i], best))
			best = &set[i];
	}
	*best = (struct place){.full_us = 0};
	(void)snprintf(best->id, sizeof(best->id), "%s", id);
	return best;
}

/* Takes one call out of the bucket; how long to wait for one where there is none, else 0. Under the lock. */
static unsigned bucket_take(struct place *p, uint32_t rate, int64_t now)
{
	const int64_t now_us = now * 1000, each_us = MINUTE_US / rate;
	int64_t wait_us;

	/* Further ahead than an empty one: the clock was set back. */
	if (p->full_us < now_us || p->full_us > now_us + MINUTE_US)
		p->full_us = now_us;
	wait_us = p->full_us + each_us - (now_us + each_us * rate);
	if (wait_us > 0)
		return (unsigned)((wait_us + 999) / 1000);
	p->full_us += each_us;
	return 0;
}

/* ------------------------------------------------------------ admitting */

const struct virtual_key_scope virtual_key_scopes[VIRTUAL_KEY_SCOPES] = {{"send", STORE_SCOPE_SEND},
	{"media", STORE_SCOPE_MEDIA}, {"templates", STORE_SCOPE_TEMPLATES}, {"read", STORE_SCOPE_READ}};

bool virtual_key_has_number(const struct store_virtual_key *k, const char *number)
{
	const size_t len = strlen(number);

	if (k->numbers[0] == '\0')
		return true;
	for (const char *p = k->numbers; *p != '\0'; p += strspn(p, " ")) {
		const size_t part = strcspn(p, " ");

		if (part == len && memcmp(p, number, len) == 0)
			return true;
		p += part;
	}
	return false;
}

bool virtual_key_is_spent(const struct store_virtual_key *k)
{
	return k->budget > 0 && k->messages_today >= k->budget;
}

enum refused_why virtual_key_ended(const struct store_virtual_key *k, int64_t now)
{
	if (k->revoked_at > 0)
		return REFUSED_REVOKED;
	return k->expires_at > 0 && k->expires_at <= now ? REFUSED_EXPIRED : REFUSED_NOT;
}

/* A key that was found, but for its rate. */
static enum refused_why look_into(
	const struct store_virtual_key *k, const struct store_business *b, const struct virtual_key_call *call)
{
	const enum refused_why ended = virtual_key_ended(k, call->now);

	if (ended != REFUSED_NOT)
		return ended;
	if (b->status != STORE_BUSINESS_ACTIVE)
		return REFUSED_SUSPENDED;
	if ((k->scopes & call->scopes) == 0)
		return REFUSED_SCOPE;
	if (call->number != NULL && !virtual_key_has_number(k, call->number))
		return REFUSED_NUMBER;
	return REFUSED_NOT;
}

/* The key and its business, where the text is one's. */
static enum store_error find(
	struct virtual_keys *v, const struct virtual_key_call *call, struct virtual_key_verdict *out)
{
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err;

	/* Compared by the store as a hash: how long that takes tells nothing of a key. */
	vault_hash(call->text, KEY_LEN, hash);
	err = store_virtual_key_find(v->store, hash, call->now, &out->key);
	vault_wipe(hash, sizeof(hash));
	if (err == STORE_OK)
		err = store_business_get(v->store, out->key.business_id, &out->business);
	if (err == STORE_NOT_FOUND)
		out->key = (struct store_virtual_key){.id = ""};
	return err;
}

/* It may be made: takes it out of the bucket, and notes that the key is used. */
static void take(struct virtual_keys *v, int64_t now, struct virtual_key_verdict *out)
{
	const struct store_virtual_key *k = &out->key;
	const bool news = now - k->used_at >= MINUTE_MS;
	struct place *p;

	if (k->rate == 0 && !news)
		return;
	pthread_mutex_lock(&v->lock);
	p = place_of(v, k->id);
	if (k->rate > 0)
		out->retry_after_ms = bucket_take(p, k->rate, now);
	if (out->retry_after_ms > 0)
		out->why = REFUSED_RATE;
	else if (news)
		p->used_at = now;
	pthread_mutex_unlock(&v->lock);
}

unsigned virtual_keys_take(struct virtual_keys *v, const struct store_virtual_key *k, int64_t now)
{
	struct virtual_key_verdict verdict = {.key = *k};

	take(v, now, &verdict);
	return verdict.retry_after_ms;
}

static void note(struct virtual_keys *v, const struct virtual_key_call *call, const struct virtual_key_verdict *verdict)
{
	struct refused_call refused = {.at = call->now, .why = verdict->why};
	struct place *p;

	if (look_at(call->text) == REFUSED_NOT)
		memcpy(refused.last4, call->text + KEY_LEN - 4, sizeof(refused.last4));
	memcpy(refused.key_id, verdict->key.id, sizeof(refused.key_id));
	memcpy(refused.business_id, verdict->key.business_id, sizeof(refused.business_id));
	(void)snprintf(refused.method, sizeof(refused.method), "%s", call->method);
	refused_path(call->path, refused.path);
	(void)snprintf(refused.peer, sizeof(refused.peer), "%s", call->peer);
	refused_calls_note(v->refused, &refused);
	if (refused.key_id[0] == '\0')
		return;
	pthread_mutex_lock(&v->lock);
	p = place_of(v, refused.key_id);
	p->refused_at = call->now;
	p->refused_count++;
	p->why = verdict->why;
	pthread_mutex_unlock(&v->lock);
}

void virtual_keys_refuse(struct virtual_keys *v, const struct virtual_key_call *call, enum refused_why why,
	struct virtual_key_verdict *out)
{
	out->why = why;
	if (why == REFUSED_BUDGET)
		out->retry_after_ms = (unsigned)(DAY_MS - call->now % DAY_MS);
	note(v, call, out);
}

enum store_error virtual_keys_admit(
	struct virtual_keys *v, const struct virtual_key_call *call, struct virtual_key_verdict *out)
{
	enum store_error err;

	*out = (struct virtual_key_verdict){.why = look_at(call->text)};
	if (out->why == REFUSED_NOT) {
		err = find(v, call, out);
		if (err != STORE_OK && err != STORE_NOT_FOUND)
			return err;
		out->why = err == STORE_OK ? look_into(&out->key, &out->business, call) : REFUSED_UNKNOWN;
	}
	if (out->why == REFUSED_NOT)
		take(v, call->now, out);
	if (out->why != REFUSED_NOT)
		virtual_keys_refuse(v, call, out->why, out);
	return STORE_OK;
}

/* ------------------------------------------------------------ news */

static struct store_virtual_key_note note_of(const struct place *p)
{
	struct store_virtual_key_note n = {
		.used_at = p->used_at, .refused_at = p->refused_at, .refused_count = p->refused_count};

	memcpy(n.id, p->id, sizeof(n.id));
	(void)snprintf(n.refused_why, sizeof(n.refused_why), "%s", refused_code(p->why));
	return n;
}

void virtual_keys_news(struct virtual_keys *v, struct store_virtual_key *k)
{
	const struct place *set = set_of(v, k->id);

	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < WAYS; i++) {
		if (strcmp(set[i].id, k->id) == 0 && has_news(&set[i])) {
			const struct store_virtual_key_note n = note_of(&set[i]);

			store_virtual_key_noted(k, &n);
		}
	}
	pthread_mutex_unlock(&v->lock);
}

/* Takes so many out, from where the last call stopped. */
static size_t news_take(struct virtual_keys *v, size_t *from, struct store_virtual_key_note *out, size_t room)
{
	size_t len = 0;

	pthread_mutex_lock(&v->lock);
	for (; *from < (size_t)SETS * WAYS && len < room; (*from)++) {
		struct place *p = &v->places[*from / WAYS][*from % WAYS];

		if (p->id[0] == '\0' || !has_news(p))
			continue;
		out[len++] = note_of(p);
		p->used_at = p->refused_at = p->refused_count = 0;
	}
	pthread_mutex_unlock(&v->lock);
	return len;
}

/* What came meanwhile is later. */
static void news_put_back(struct virtual_keys *v, const struct store_virtual_key_note *notes, size_t len)
{
	pthread_mutex_lock(&v->lock);
	for (size_t i = 0; i < len; i++) {
		struct place *p = place_of(v, notes[i].id);

		if (p->used_at == 0)
			p->used_at = notes[i].used_at;
		if (p->refused_at == 0) {
			p->refused_at = notes[i].refused_at;
			p->why = refused_why(notes[i].refused_why);
		}
		p->refused_count += notes[i].refused_count;
	}
	pthread_mutex_unlock(&v->lock);
}

enum store_error virtual_keys_write(struct virtual_keys *v)
{
	struct store_virtual_key_note *notes = calloc(STORE_VIRTUAL_KEY_NOTES_MAX, sizeof(*notes));
	enum store_error err = STORE_OK;
	size_t from = 0, len;

	if (notes == NULL)
		return STORE_NO_MEMORY;
	do {
		len = news_take(v, &from, notes, STORE_VIRTUAL_KEY_NOTES_MAX);
		err = store_virtual_keys_note(v->store, notes, len);
		if (err != STORE_OK)
			news_put_back(v, notes, len);
	} while (err == STORE_OK && len > 0);
	free(notes);
	return err;
}
