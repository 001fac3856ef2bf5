/*
 * What came of webhooks, remembered. Called by accept.c, webhook.c and ready.c, and through inbound.h by pages and API.
 */
#include "gateway/inbound/deliveries.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/hash.h"
#include "vault/vault.h"

#define PLACES 4096u
#define LATELY_MS (INT64_C(10) * 60 * 1000)
#define SETS 4096u
#define WAYS 4u

struct place {
	char business_id[STORE_BUSINESS_ID_LEN + 1]; /* "": free */
	struct inbound_refusal refusal;
};

struct deliveries {
	pthread_mutex_t lock;
	struct place places[PLACES];
	struct store_delivery news[SETS][WAYS]; /* connection_id "": free */
};

struct deliveries *deliveries_new(void)
{
	struct deliveries *d = calloc(1, sizeof(*d));

	if (d != NULL)
		pthread_mutex_init(&d->lock, NULL);
	return d;
}

void deliveries_free(struct deliveries *d)
{
	if (d == NULL)
		return;
	pthread_mutex_destroy(&d->lock);
	free(d);
}

/* ------------------------------------------------------------ of a business */

static struct place *place_of(struct deliveries *d, const char *business_id)
{
	uint8_t hash[VAULT_HASH_LEN];

	vault_hash(business_id, strlen(business_id), hash);
	return &d->places[(hash[0] + 256u * hash[1]) % PLACES];
}

/* The business's place, which may have been another's; under the lock. */
static struct inbound_refusal *refusal_of(struct deliveries *d, const char *business_id)
{
	struct place *p = place_of(d, business_id);

	if (strcmp(p->business_id, business_id) != 0) {
		(void)snprintf(p->business_id, sizeof(p->business_id), "%s", business_id);
		p->refusal = (struct inbound_refusal){0};
	}
	return &p->refusal;
}

/* True: it was not there lately. */
static bool stamp(int64_t *at, int64_t now)
{
	const bool fresh = now - *at > LATELY_MS;

	*at = now;
	return fresh;
}

bool deliveries_refused(struct deliveries *d, const char *business_id, enum delivery_why why)
{
	const int64_t now = store_now_ms();
	struct inbound_refusal *noted;
	bool fresh = false;

	if (d == NULL)
		return false;
	pthread_mutex_lock(&d->lock);
	noted = refusal_of(d, business_id);
	if (why == DELIVERY_WRONG_VERIFY_TOKEN) {
		noted->token_at = now;
	} else {
		noted->at = now;
		noted->why = delivery_words(why);
	}
	if (why == DELIVERY_WRONG_SIGNATURE || why == DELIVERY_WRONG_SECRET_HEADER)
		fresh = stamp(&noted->signature_at, now);
	if (why == DELIVERY_WRONG_PLATFORM_SIGNATURE)
		fresh = stamp(&noted->platform_at, now);
	pthread_mutex_unlock(&d->lock);
	return fresh;
}

bool deliveries_refusal(struct deliveries *d, const char *business_id, struct inbound_refusal *out)
{
	struct place *p;
	bool found;

	if (d == NULL)
		return false;
	p = place_of(d, business_id);
	pthread_mutex_lock(&d->lock);
	found = (p->refusal.at > 0 || p->refusal.token_at > 0) && strcmp(p->business_id, business_id) == 0;
	if (found)
		*out = p->refusal;
	pthread_mutex_unlock(&d->lock);
	return found;
}

/* ------------------------------------------------------------ of a connection */

/* Ids are made here, so that nobody can choose them to fill one set. */
static struct store_delivery *set_of(struct deliveries *d, const char *connection_id)
{
	const uint32_t hash = hash_text(connection_id);

	return d->news[(hash ^ hash >> 16) % SETS];
}

static int64_t last_at(const struct store_delivery *one)
{
	return one->accepted_at > one->refused_at ? one->accepted_at : one->refused_at;
}

/* Its own place, else a free one, else the one whose news are oldest; under the lock. */
static struct store_delivery *news_of(struct deliveries *d, const char *business_id, const char *connection_id)
{
	struct store_delivery *set = set_of(d, connection_id), *best = &set[0];

	for (size_t i = 0; i < WAYS; i++) {
		if (strcmp(set[i].connection_id, connection_id) == 0)
			return &set[i];
		if (best->connection_id[0] != '\0' &&
			(set[i].connection_id[0] == '\0' || last_at(&set[i]) < last_at(best)))
			best = &set[i];
	}
	*best = (struct store_delivery){.accepted_at = 0};
	(void)snprintf(best->business_id, sizeof(best->business_id), "%s", business_id);
	(void)snprintf(best->connection_id, sizeof(best->connection_id), "%s", connection_id);
	return best;
}

void deliveries_note(
	struct deliveries *d, const char *business_id, const char *connection_id, enum delivery_why why, int64_t at)
{
	struct store_delivery one = {.accepted_at = 0};

	if (d == NULL)
		return;
	if (why == DELIVERY_NO_REASON) {
		one.accepted_at = at;
	} else {
		one.refused_at = at;
		one.refused_count = 1;
		one.vague = why == DELIVERY_NO_PROOF;
		(void)snprintf(one.refused_why, sizeof(one.refused_why), "%s", delivery_code(why));
	}
	pthread_mutex_lock(&d->lock);
	store_delivery_add(news_of(d, business_id, connection_id), &one);
	pthread_mutex_unlock(&d->lock);
}

void deliveries_news(struct deliveries *d, const char *connection_id, struct store_delivery *out)
{
	const struct store_delivery *set;

	if (d == NULL)
		return;
	set = set_of(d, connection_id);
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < WAYS; i++)
		if (strcmp(set[i].connection_id, connection_id) == 0)
			store_delivery_add(out, &set[i]);
	pthread_mutex_unlock(&d->lock);
}

/* ------------------------------------------------------------ into the store */

/* Takes so many out, from where the last call stopped. */
static size_t take(struct deliveries *d, size_t *from, struct store_delivery *out, size_t room)
{
	size_t len = 0;

	pthread_mutex_lock(&d->lock);
	for (; *from < (size_t)SETS * WAYS && len < room; (*from)++) {
		struct store_delivery *one = &d->news[*from / WAYS][*from % WAYS];

		if (one->connection_id[0] == '\0')
			continue;
		out[len++] = *one;
		one->connection_id[0] = '\0';
	}
	pthread_mutex_unlock(&d->lock);
	return len;
}

/* What came meanwhile is later. */
static void put_back(struct deliveries *d, struct store_delivery *rows, size_t len)
{
	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < len; i++) {
		struct store_delivery *there = news_of(d, rows[i].business_id, rows[i].connection_id);

		store_delivery_add(&rows[i], there);
		*there = rows[i];
	}
	pthread_mutex_unlock(&d->lock);
}

enum store_error deliveries_write(struct deliveries *d, struct store *s)
{
	struct store_delivery *rows;
	enum store_error err = STORE_OK;
	size_t from = 0, len;

	if (d == NULL)
		return STORE_OK;
	rows = calloc(STORE_DELIVERIES_MAX, sizeof(*rows));
	if (rows == NULL)
		return STORE_NO_MEMORY;
	do {
		len = take(d, &from, rows, STORE_DELIVERIES_MAX);
		err = store_deliveries_note(s, rows, len);
		if (err != STORE_OK)
			put_back(d, rows, len);
	} while (err == STORE_OK && len > 0);
	free(rows);
	return err;
}
