/*
 * Refusals, remembered. Called by accept.c and through inbound.h by the settings pages.
 */
#include "gateway/inbound/refusals.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vault/vault.h"

#define PLACES 4096u
#define LATELY_MS (INT64_C(10) * 60 * 1000)

struct place {
	char business_id[STORE_BUSINESS_ID_LEN + 1]; /* "": free */
	struct inbound_refusal refusal;
};

struct refusals {
	pthread_mutex_t lock;
	struct place places[PLACES];
};

struct refusals *refusals_new(void)
{
	struct refusals *r = calloc(1, sizeof(*r));

	if (r != NULL)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void refusals_free(struct refusals *r)
{
	if (r == NULL)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static struct place *place_of(struct refusals *r, const char *business_id)
{
	uint8_t hash[VAULT_HASH_LEN];

	vault_hash(business_id, strlen(business_id), hash);
	return &r->places[(hash[0] + 256u * hash[1]) % PLACES];
}

/* The business's place, which may have been another's; under the lock. */
static struct inbound_refusal *refusal_of(struct refusals *r, const char *business_id)
{
	struct place *p = place_of(r, business_id);

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

bool refusals_note(struct refusals *r, const char *business_id, const char *why, enum refusal_sign sign)
{
	const int64_t now = store_now_ms();
	struct inbound_refusal *noted;
	bool fresh = false;

	if (r == NULL)
		return false;
	pthread_mutex_lock(&r->lock);
	noted = refusal_of(r, business_id);
	noted->count++;
	noted->at = now;
	noted->why = why;
	switch (sign) {
	case REFUSAL_SIGNATURE:
		fresh = stamp(&noted->signature_at, now);
		break;
	case REFUSAL_PLATFORM:
		fresh = stamp(&noted->platform_at, now);
		break;
	case REFUSAL_NO_SIGN:
		break;
	}
	pthread_mutex_unlock(&r->lock);
	return fresh;
}

void refusals_note_token(struct refusals *r, const char *business_id)
{
	if (r == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	refusal_of(r, business_id)->token_at = store_now_ms();
	pthread_mutex_unlock(&r->lock);
}

bool refusals_get(struct refusals *r, const char *business_id, struct inbound_refusal *out)
{
	struct place *p = place_of(r, business_id);
	bool found;

	pthread_mutex_lock(&r->lock);
	found = (p->refusal.count > 0 || p->refusal.token_at > 0) && strcmp(p->business_id, business_id) == 0;
	if (found)
		*out = p->refusal;
	pthread_mutex_unlock(&r->lock);
	return found;
}
