/*
 * The asks that are out, and their ends. A lease lasts until the store has heard of its end:
 * what the store does not take at once is kept here and tried again by the answer thread, so
 * that nothing stays leased for ever.
 */
#include "gateway/inbound/asks.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/internal.h"
#include "gateway/log.h"

#define WAIT_FIRST_MS 1000
#define WAIT_MAX_MS 300000
#define WAIT_LEAST_MS 100
#define WAIT_DOUBLED_MAX 9u /* times: longer than the longest */

/* So many answers a minute in one conversation, which is also what Meta lets through (facts/meta.md 3: 1 in 6 s to
 * one user). Further questions are kept, unanswered. */
#define BRAKE_ANSWERS 10u
#define BRAKE_MS 60000
#define BRAKE_REMEMBERED 4096u

struct asks {
	struct inbound *in;
	pthread_mutex_t lock;
	struct ask *free, *unsettled;
	size_t out;
	/* The latest answers, so that a loop is seen. Lost at a restart, which a loop does not outrun. */
	struct {
		uint8_t conversation[STORE_INDEX_LEN];
		int64_t at;
	} brake[BRAKE_REMEMBERED];
	size_t brake_next;
	struct ask slots[INBOUND_ASKS_MAX];
};

struct asks *asks_new(struct inbound *in)
{
	struct asks *asks = calloc(1, sizeof(*asks));

	if (asks == NULL || pthread_mutex_init(&asks->lock, NULL) != 0) {
		free(asks);
		return NULL;
	}
	asks->in = in;
	for (size_t i = 0; i < INBOUND_ASKS_MAX; i++) {
		asks->slots[i].in = in;
		asks->slots[i].next = asks->free;
		asks->free = &asks->slots[i];
	}
	return asks;
}

void asks_free(struct asks *asks)
{
	if (asks == NULL)
		return;
	pthread_mutex_destroy(&asks->lock);
	free(asks);
}

size_t asks_room(struct asks *asks)
{
	size_t room;

	pthread_mutex_lock(&asks->lock);
	room = INBOUND_ASKS_MAX - asks->out;
	pthread_mutex_unlock(&asks->lock);
	return room;
}

struct ask *asks_take(struct asks *asks, const struct store_ask *row)
{
	struct ask *a;

	pthread_mutex_lock(&asks->lock);
	a = asks->free;
	if (a == NULL)
		abort(); /* more were leased than there was room for */
	asks->free = a->next;
	asks->out++;
	pthread_mutex_unlock(&asks->lock);
	a->row = *row;
	a->row.content = NULL;
	a->row.content_len = 0;
	return a;
}

/* The next of its conversation, or of its business, may be asked now. */
static void release(struct ask *a)
{
	struct inbound *in = a->in;
	struct asks *asks = in->asks;

	pthread_mutex_lock(&asks->lock);
	a->next = asks->free;
	asks->free = a;
	asks->out--;
	pthread_mutex_unlock(&asks->lock);
	worker_wake(&in->answer);
}

/* ------------------------------------------------------------ the brake */

bool asks_braked(struct asks *asks, const uint8_t conversation[static STORE_INDEX_LEN])
{
	const int64_t since = store_now_ms() - BRAKE_MS;
	unsigned count = 0;

	pthread_mutex_lock(&asks->lock);
	for (size_t i = 0; i < BRAKE_REMEMBERED; i++)
		count += asks->brake[i].at > since &&
			memcmp(asks->brake[i].conversation, conversation, STORE_INDEX_LEN) == 0;
	pthread_mutex_unlock(&asks->lock);
	return count >= BRAKE_ANSWERS;
}

static void brake_note(struct asks *asks, const uint8_t conversation[static STORE_INDEX_LEN])
{
	const int64_t now = store_now_ms();

	pthread_mutex_lock(&asks->lock);
	memcpy(asks->brake[asks->brake_next].conversation, conversation, STORE_INDEX_LEN);
	asks->brake[asks->brake_next].at = now;
	asks->brake_next = (asks->brake_next + 1) % BRAKE_REMEMBERED;
	pthread_mutex_unlock(&asks->lock);
}

/* ------------------------------------------------------------ ends */

int64_t asks_wait_ms(uint32_t attempts, int64_t at_least)
{
	const uint32_t doubled = attempts > WAIT_DOUBLED_MAX ? WAIT_DOUBLED_MAX : attempts > 0 ? attempts - 1 : 0;
	int64_t wait = (int64_t)WAIT_FIRST_MS << doubled;
	uint32_t random;

	vault_random(&random, sizeof(random));
	wait = random % ((wait > WAIT_MAX_MS ? WAIT_MAX_MS : wait) + 1);
	wait = wait > WAIT_LEAST_MS ? wait : WAIT_LEAST_MS;
	return wait > at_least ? wait : at_least;
}

/* Whether the store has heard of it. Stale: by a call whose outcome came too late. Not found: gone with its business. */
static bool heard(struct inbound *in, enum store_error err)
{
	if (err == STORE_FAILED)
		inbound_failed(in);
	return err == STORE_OK || err == STORE_STALE || err == STORE_NOT_FOUND;
}

static bool put_off(struct ask *a)
{
	return heard(a->in, store_ask_later(a->in->store, a->row.business_id, a->row.id, a->row.attempts, a->next_at));
}

/* The store did not take its end: the answer thread tries again. */
static void keep_unsettled(struct asks *asks, struct ask *a)
{
	pthread_mutex_lock(&asks->lock);
	a->next = asks->unsettled;
	asks->unsettled = a;
	pthread_mutex_unlock(&asks->lock);
}

void asks_put_off(struct ask *a, int64_t wait_ms)
{
	struct asks *asks = a->in->asks;

	a->next_at = store_now_ms() + wait_ms;
	if (put_off(a)) {
		release(a);
		return;
	}
	keep_unsettled(asks, a);
	worker_wake(&a->in->answer);
}

bool asks_settle(struct asks *asks)
{
	for (;;) {
		struct ask *a;

		pthread_mutex_lock(&asks->lock);
		a = asks->unsettled;
		if (a != NULL)
			asks->unsettled = a->next;
		pthread_mutex_unlock(&asks->lock);
		if (a == NULL)
			return true;
		if (put_off(a)) {
			release(a);
			continue;
		}
		keep_unsettled(asks, a);
		return false;
	}
}

void asks_finish(struct ask *a, const struct store_message *answers, size_t len)
{
	struct inbound *in = a->in;
	enum store_error err = store_ask_done(in->store, a->row.business_id, a->row.id, answers, len);

	if (err == STORE_INVALID && len > 0) {
		log_error("answer refused by the store business=%s ask=%s", a->row.business_id, a->row.id);
		len = 0;
		err = store_ask_done(in->store, a->row.business_id, a->row.id, NULL, 0);
	}
	if (!heard(in, err)) {
		log_warn("ask not ended yet business=%s ask=%s: %s", a->row.business_id, a->row.id,
			store_error_text(err));
		asks_put_off(a, asks_wait_ms(a->row.attempts, 0));
		return;
	}
	if (err == STORE_OK && len > 0) {
		brake_note(in->asks, a->row.conversation);
		if (in->opt.outbound != NULL)
			outbound_wake(in->opt.outbound, answers[0].connection_id);
	}
	release(a);
}
