/*
 * What each number sent in the last second, and what is between each number and customer.
 */
#include "examples/sandbox/limits.h"

#include <cjson/cJSON.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/errors.h"
#include "gateway/json.h"

enum {
	MPS = 80,
	MPS_COEXISTENCE = 20,
	MPS_HIGH = 1000,
	PAIR_BURST = 45,
	PAIR_EVERY_S = 6,
	WINDOW_S = 24 * 3600,
	PAIRS_FIRST = 1024, /* places, a power of two */
	PAIRS_MAX = 1 << 20,
	CODES = 3,
};

/* A number and a customer. key 0: a free place. */
struct pair {
	uint64_t key;
	double wrote; /* by the provider's clock; 0: never */
	double full; /* when its bucket would be as if nothing had been sent */
};

/* A number's sends of the last second: a ring of their moments. */
struct pace {
	struct pace *next;
	char number[40];
	size_t mps, first, count;
	double *sent;
};

struct limits {
	unsigned char hash_key[crypto_shorthash_KEYBYTES];
	struct pair *pairs;
	size_t places, used;
	struct pace *paces;
	unsigned long long refused[CODES];
};

static const struct {
	int code;
	const char *message, *details;
} refusals[CODES] = {
	{130429, "(#130429) Rate limit hit", "Cloud API message throughput has been reached."},
	{131056, "(#131056) (Business Account, Consumer Account) pair rate limit hit",
		"Message failed to send because there were too many messages sent from this phone number to the same "
		"phone number in a short period of time."},
	{131047, "(#131047) Re-engagement message",
		"Message failed to send because more than 24 hours have passed since the customer last replied to this "
		"number."},
};

enum { OVER_MPS, OVER_PAIR, OVER_WINDOW };

struct limits *limits_new(void)
{
	struct limits *l = calloc(1, sizeof(*l));

	if (l)
		l->pairs = calloc(PAIRS_FIRST, sizeof(*l->pairs));
	if (!l || !l->pairs) {
		free(l);
		return NULL;
	}
	l->places = PAIRS_FIRST;
	randombytes_buf(l->hash_key, sizeof(l->hash_key));
	return l;
}

static void forget_paces(struct limits *l)
{
	while (l->paces) {
		struct pace *pace = l->paces;

		l->paces = pace->next;
		free(pace->sent);
		free(pace);
	}
}

void limits_free(struct limits *l)
{
	if (!l)
		return;
	forget_paces(l);
	free(l->pairs);
	free(l);
}

/* ------------------------------------------------------------ what the book says */

static double setting(const struct sandbox *s, const char *name, double otherwise)
{
	const struct cJSON *value = json_get(json_get(s->book, "limits"), name);

	return cJSON_IsNumber(value) && value->valuedouble > 0 ? value->valuedouble : otherwise;
}

static bool is_on(const struct sandbox *s)
{
	return cJSON_IsTrue(json_get(json_get(s->book, "limits"), "on"));
}

static bool has_window(const struct sandbox *s)
{
	return book_true(json_get(s->book, "limits"), "window", true);
}

/* Of a number: one that shares the WhatsApp app has less, one that was raised has more. */
static size_t mps_of(const struct sandbox *s, const char *number)
{
	const struct cJSON *about = book_get(s, "numbers", number);
	double mps = setting(s, "mps", MPS);

	if (book_true(about, "is_on_biz_app", false))
		mps = MPS_COEXISTENCE;
	else if (strcmp(book_text(json_get(about, "throughput"), "level", ""), "HIGH") == 0)
		mps = MPS_HIGH;
	return mps < 1 ? 1 : mps > 100000 ? 100000 : (size_t)mps;
}

/* ------------------------------------------------------------ pairs */

/* The place of a key, or the free one where it belongs. */
static struct pair *place_of(struct pair *pairs, size_t places, uint64_t key)
{
	size_t at = (size_t)key & (places - 1);

	while (pairs[at].key != 0 && pairs[at].key != key)
		at = (at + 1) & (places - 1);
	return &pairs[at];
}

/* Twice as many places. */
static void grow(struct limits *l)
{
	struct pair *larger = l->places < PAIRS_MAX ? calloc(2 * l->places, sizeof(*larger)) : NULL;

	if (!larger)
		return;
	for (size_t i = 0; i < l->places; i++)
		if (l->pairs[i].key != 0)
			*place_of(larger, 2 * l->places, l->pairs[i].key) = l->pairs[i];
	free(l->pairs);
	l->pairs = larger;
	l->places *= 2;
}

/* What is between them; NULL: too many are known already. */
static struct pair *pair_of(struct limits *l, const char *number, const char *customer)
{
	struct pair *pair;
	uint64_t key = 0;
	char both[256];

	(void)snprintf(both, sizeof(both), "%s/%s", number, customer);
	crypto_shorthash((unsigned char *)&key, (const unsigned char *)both, strlen(both), l->hash_key);
	key = key == 0 ? 1 : key;
	if (l->used >= l->places / 2)
		grow(l);
	pair = place_of(l->pairs, l->places, key);
	if (pair->key == 0) {
		if (l->used >= l->places / 4 * 3)
			return NULL;
		pair->key = key;
		l->used++;
	}
	return pair;
}

void limits_customer_wrote(struct sandbox *s, const char *number, const char *customer)
{
	struct pair *pair = pair_of(s->limits, number, customer);

	if (pair)
		pair->wrote = now_s() + book_clock(s);
}

/* ------------------------------------------------------------ numbers */

/* NULL: memory is short. */
static struct pace *pace_of(struct limits *l, const char *number, size_t mps)
{
	struct pace *pace = l->paces;

	while (pace && strcmp(pace->number, number) != 0)
		pace = pace->next;
	if (!pace && (pace = calloc(1, sizeof(*pace)))) {
		(void)snprintf(pace->number, sizeof(pace->number), "%s", number);
		pace->next = l->paces;
		l->paces = pace;
	}
	if (pace && pace->mps != mps) {
		free(pace->sent);
		pace->sent = calloc(mps, sizeof(*pace->sent));
		pace->mps = pace->sent ? mps : 0;
		pace->first = pace->count = 0;
	}
	return pace && pace->sent ? pace : NULL;
}

/* ------------------------------------------------------------ a message */

/* Which limit it is over, or -1. */
static int over(const struct sandbox *s, const struct ask *a, const struct pair *pair, struct pace *pace, double now)
{
	double every_s = setting(s, "pair_every_s", PAIR_EVERY_S), burst = setting(s, "pair_burst", PAIR_BURST);

	while (pace && pace->count > 0 && pace->sent[pace->first] <= now - 1) {
		pace->first = (pace->first + 1) % pace->mps;
		pace->count--;
	}
	if (pace && pace->count == pace->mps)
		return OVER_MPS;
	if (pair && pair->full - now > every_s * (burst - 1))
		return OVER_PAIR;
	if (has_window(s) && strcmp(book_text(a->json, "type", ""), "template") != 0 &&
		(!pair || now + book_clock(s) - pair->wrote > WINDOW_S))
		return OVER_WINDOW;
	return -1;
}

bool limits_refuse(struct sandbox *s, const struct ask *a, const char *customer, struct reply *r)
{
	double now = now_s();
	struct pair *pair;
	struct pace *pace;
	int which;

	if (!is_on(s))
		return false;
	pair = pair_of(s->limits, a->number, customer);
	pace = pace_of(s->limits, a->number, mps_of(s, a->number));
	which = over(s, a, pair, pace, now);
	if (which >= 0) {
		s->limits->refused[which]++;
		graph_refuse(r,
			&(struct graph_error){.code = refusals[which].code,
				.message = refusals[which].message,
				.details = refusals[which].details,
				.transient = -1});
		return true;
	}
	if (pair)
		pair->full = (pair->full > now ? pair->full : now) + setting(s, "pair_every_s", PAIR_EVERY_S);
	if (pace)
		pace->sent[(pace->first + pace->count++) % pace->mps] = now;
	return false;
}

struct cJSON *limits_show(const struct sandbox *s)
{
	struct cJSON *document = cJSON_CreateObject(), *refused = cJSON_AddObjectToObject(document, "refused");
	char code[16];

	cJSON_AddBoolToObject(document, "on", is_on(s));
	cJSON_AddNumberToObject(document, "mps", setting(s, "mps", MPS));
	cJSON_AddNumberToObject(document, "pair_burst", setting(s, "pair_burst", PAIR_BURST));
	cJSON_AddNumberToObject(document, "pair_every_s", setting(s, "pair_every_s", PAIR_EVERY_S));
	cJSON_AddBoolToObject(document, "window", has_window(s));
	for (size_t i = 0; i < CODES; i++) {
		(void)snprintf(code, sizeof(code), "%d", refusals[i].code);
		cJSON_AddNumberToObject(refused, code, (double)s->limits->refused[i]);
	}
	return document;
}

void limits_forget(struct sandbox *s)
{
	struct limits *l = s->limits;

	forget_paces(l);
	for (size_t i = 0; i < l->places; i++)
		l->pairs[i].full = 0;
	memset(l->refused, 0, sizeof(l->refused));
}
