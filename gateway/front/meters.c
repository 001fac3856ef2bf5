/*
 * A table of accounts, the one that was asked of longest ago giving way: what is forgotten is full again. Each bucket is
 * one number, the time at which it would be full.
 */
#include "gateway/front/meters.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/hash.h"
#include "store/store.h"

#define PLACES 1024u /* in sets of WAYS */
#define WAYS 8u
#define HOUR_MS INT64_C(3600000)

struct meter {
	char account[STORE_PROVIDER_ID_LEN + 1]; /* "": free */
	int64_t full_at[2]; /* of reads, of changes */
	int64_t stopped_until;
	int64_t used_at;
};

struct meters {
	pthread_mutex_t lock;
	struct meter all[PLACES];
};

struct meters *meters_new(void)
{
	struct meters *m = calloc(1, sizeof(*m));

	if (m != NULL)
		(void)pthread_mutex_init(&m->lock, NULL);
	return m;
}

void meters_free(struct meters *m)
{
	if (m == NULL)
		return;
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

/* Its place, made for it where it had none. Under the lock. */
static struct meter *meter_of(struct meters *m, const char *account, int64_t now)
{
	struct meter *set = &m->all[hash_text(account) % (PLACES / WAYS) * WAYS], *oldest = set;

	for (unsigned i = 0; i < WAYS; i++) {
		if (strcmp(set[i].account, account) == 0) {
			set[i].used_at = now;
			return &set[i];
		}
		if (set[i].used_at < oldest->used_at)
			oldest = &set[i];
	}
	*oldest = (struct meter){.used_at = now};
	(void)snprintf(oldest->account, sizeof(oldest->account), "%s", account);
	return oldest;
}

int64_t meters_take(struct meters *m, const char *account, bool changes, int64_t now)
{
	const int64_t each = HOUR_MS / (changes ? METERS_CHANGES : METERS_READS);
	const int64_t burst = (changes ? METERS_CHANGES : METERS_READS) / 10 * each;
	struct meter *meter;
	int64_t full_at, until = 0;

	pthread_mutex_lock(&m->lock);
	meter = meter_of(m, account, now);
	full_at = (meter->full_at[changes] > now ? meter->full_at[changes] : now) + each;
	if (meter->stopped_until > now)
		until = meter->stopped_until;
	else if (full_at > now + burst)
		until = full_at - burst;
	else
		meter->full_at[changes] = full_at;
	pthread_mutex_unlock(&m->lock);
	return until;
}

void meters_stop(struct meters *m, const char *account, int64_t until)
{
	struct meter *meter;

	pthread_mutex_lock(&m->lock);
	meter = meter_of(m, account, until);
	if (meter->stopped_until < until)
		meter->stopped_until = until;
	pthread_mutex_unlock(&m->lock);
}
