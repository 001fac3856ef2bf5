/*
 * May this call with this key be made? Every answer that there is, over a real store: what is let
 * through, why the rest is not, how long to wait, and what of it is kept, which is never the key.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/log.h"
#include "gateway/virtual_key.h"
#include "store/core.h"
#include "store/virtual_key.h"

#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)
#define MIDNIGHT (INT64_C(30000) * DAY_MS)
#define NOON (MIDNIGHT + DAY_MS / 2)

static struct {
	char dir[64], path[80];
	struct store *store;
	struct virtual_keys *keys;
	char text[VIRTUAL_KEY_ROOM]; /* of the key that key_new made last */
	struct store_virtual_key key; /* the same as it was stored */
} house;

static void business(const char *id)
{
	struct store_business b = {.name = "A shop", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};

	(void)snprintf(b.id, sizeof(b.id), "%s", id);
	assert_int_equal(store_business_add(house.store, &b, NULL, 0), STORE_OK);
}

static int open_house(void **state)
{
	const struct store_options options = {.path = house.path, .create = true, .readers = 2};

	(void)state;
	(void)snprintf(house.dir, sizeof(house.dir), "/tmp/kh-virtual-XXXXXX");
	assert_non_null(mkdtemp(house.dir));
	(void)snprintf(house.path, sizeof(house.path), "%s/k.db", house.dir);
	assert_int_equal(store_open(&house.store, &options), STORE_OK);
	house.keys = virtual_keys_new(house.store);
	assert_non_null(house.keys);
	business("shop");
	return 0;
}

static int close_house(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char path[96];

	(void)state;
	virtual_keys_free(house.keys);
	store_close(house.store);
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", house.path, ends[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(house.dir), 0);
	return 0;
}

/* Of business "shop", with what more says; made at MIDNIGHT. */
static void key_new(const struct store_virtual_key *more)
{
	static unsigned count;
	struct store_virtual_key *k = &house.key;

	*k = more != NULL ? *more : (struct store_virtual_key){.scopes = STORE_SCOPES_ALL};
	if (k->scopes == 0)
		k->scopes = STORE_SCOPES_ALL;
	(void)snprintf(k->business_id, sizeof(k->business_id), "shop");
	(void)snprintf(k->name, sizeof(k->name), "consumer %u", count++);
	virtual_key_make(k, house.text);
	k->created_at = MIDNIGHT;
	assert_int_equal(store_virtual_key_add(house.store, k), STORE_OK);
}

static struct virtual_key_call call_with(const char *text)
{
	return (struct virtual_key_call){.text = text,
		.scopes = STORE_SCOPE_SEND,
		.number = "1001",
		.now = NOON,
		.method = "POST",
		.path = "/v26.0/1001/messages",
		.peer = "192.0.2.7"};
}

static struct virtual_key_verdict verdict;

static enum refused_why admit(const struct virtual_key_call *call)
{
	assert_int_equal(virtual_keys_admit(house.keys, call, &verdict), STORE_OK);
	assert_true((verdict.retry_after_ms > 0) == (verdict.why == REFUSED_RATE || verdict.why == REFUSED_BUDGET));
	return verdict.why;
}

static enum refused_why admit_at(int64_t now)
{
	struct virtual_key_call call = call_with(house.text);

	call.now = now;
	return admit(&call);
}

static struct refused_call listed[REFUSED_CALLS_MAX];

/* ------------------------------------------------------------ the key's text */

static void test_made(void **state)
{
	char other[VIRTUAL_KEY_ROOM];
	struct store_virtual_key k = {.id = ""};
	uint8_t hash[VAULT_HASH_LEN];

	(void)state;
	key_new(NULL);
	assert_int_equal(strlen(house.text), 47);
	assert_memory_equal(house.text, "khv_", 4);
	assert_int_equal(strspn(house.text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), 47);
	assert_string_equal(house.key.last4, house.text + 43);
	vault_hash(house.text, 47, hash);
	assert_memory_equal(house.key.hash, hash, sizeof(hash));
	virtual_key_make(&k, other);
	assert_string_not_equal(other, house.text);
	assert_string_not_equal(k.id, house.key.id);
	assert_true(k.created_at > 0);
}

/* ------------------------------------------------------------ who is let through */

static void test_let_through(void **state)
{
	static const enum store_scope scopes[] = {
		STORE_SCOPE_SEND, STORE_SCOPE_MEDIA, STORE_SCOPE_TEMPLATES, STORE_SCOPE_READ};
	struct virtual_key_call call = call_with(house.text);

	(void)state;
	key_new(&(struct store_virtual_key){.numbers = "1001 1002", .rate = 1000, .budget = 5, .expires_at = NOON + 1});
	for (size_t i = 0; i < 4; i++) {
		call.scopes = scopes[i];
		assert_int_equal(admit(&call), REFUSED_NOT);
		assert_string_equal(verdict.key.id, house.key.id);
		assert_string_equal(verdict.business.id, "shop");
	}
	call.number = "1002";
	assert_int_equal(admit(&call), REFUSED_NOT);
	call.number = NULL;
	assert_int_equal(admit(&call), REFUSED_NOT);
	key_new(NULL); /* all numbers */
	call.number = "77";
	assert_int_equal(admit(&call), REFUSED_NOT);
	assert_int_equal(refused_calls_list(virtual_keys_refused(house.keys), listed), 0);
}

/* What is presented, by its looks alone. */
static void test_what_is_no_key_of_ours(void **state)
{
	static char long_one[5000], long_ours[200];
	struct {
		const char *text;
		enum refused_why why;
	} rows[] = {{NULL, REFUSED_NO_KEY}, {"", REFUSED_NO_KEY}, {"x", REFUSED_MALFORMED}, {"null", REFUSED_MALFORMED},
		{"khv_", REFUSED_MALFORMED}, {"khv_short", REFUSED_MALFORMED}, {long_ours, REFUSED_MALFORMED},
		{"khv_0123456789012345678901234567890123456789 12", REFUSED_MALFORMED},
		{"khv_012345678901234567890123456789012345678=12", REFUSED_MALFORMED},
		{"khv_0123456789012345678901234567890123456789012", REFUSED_UNKNOWN},
		{"kh_0123456789012345678901234567890123456789012", REFUSED_ADMIN_TOKEN}, {"kh_", REFUSED_ADMIN_TOKEN},
		{"EAA", REFUSED_PROVIDERS_KEY}, {"EAAGm0PX4ZCpsBO4hZCq", REFUSED_PROVIDERS_KEY},
		{"kPlantedD360KeyThatNobody_cardbox", REFUSED_PROVIDERS_KEY},
		{"KHV_0123456789012345678901234567890123456789012", REFUSED_PROVIDERS_KEY},
		{"123456789012345", REFUSED_MALFORMED}, {"1234567890123456", REFUSED_PROVIDERS_KEY},
		{"Bearer khv_0123456789012345678901234567890123456789012", REFUSED_MALFORMED},
		{"\"khv_0123456789012345678901234567890123456789012\"", REFUSED_MALFORMED},
		{"EAAG\x80"
		 "0123456789012345",
			REFUSED_MALFORMED},
		{long_one, REFUSED_MALFORMED}};
	const size_t rows_len = sizeof(rows) / sizeof(rows[0]);

	(void)state;
	memset(long_one, 'E', sizeof(long_one) - 1);
	memcpy(long_ours, "khv_", 4);
	memset(long_ours + 4, 'a', sizeof(long_ours) - 5);
	for (size_t i = 0; i < rows_len; i++) {
		struct virtual_key_call call = call_with(rows[i].text);

		assert_int_equal(admit(&call), rows[i].why);
		assert_string_equal(verdict.key.id, "");
		assert_string_equal(verdict.business.id, "");
	}
	/* Of what does not have our form nothing is kept. */
	for (size_t i = 0, len = refused_calls_list(virtual_keys_refused(house.keys), listed); i < len; i++) {
		assert_string_equal(listed[i].last4, listed[i].why == REFUSED_UNKNOWN ? "9012" : "");
		assert_string_equal(listed[i].key_id, "");
		assert_string_equal(listed[i].peer, "192.0.2.7");
		assert_string_equal(listed[i].path, "/v26.0/{id}/messages");
	}
}

static void expect_refused(enum refused_why why)
{
	const size_t len = refused_calls_list(virtual_keys_refused(house.keys), listed);
	struct store_virtual_key k;

	assert_int_equal(admit_at(NOON), why);
	assert_string_equal(verdict.key.id, house.key.id);
	assert_int_equal(refused_calls_list(virtual_keys_refused(house.keys), listed), len + 1);
	assert_int_equal(listed[0].why, why);
	assert_string_equal(listed[0].key_id, house.key.id);
	assert_string_equal(listed[0].business_id, "shop");
	assert_string_equal(listed[0].last4, house.key.last4);
	assert_int_equal(store_virtual_key_get(house.store, "shop", house.key.id, NOON, &k), STORE_OK);
	assert_int_equal(k.refused_count, 0);
	virtual_keys_news(house.keys, &k);
	assert_int_equal(k.refused_at, NOON);
	assert_string_equal(k.refused_why, refused_code(why));
	assert_int_equal(k.refused_count, 1);
	assert_int_equal(k.used_at, 0);
}

static void test_refused_although_known(void **state)
{
	(void)state;
	key_new(NULL);
	assert_int_equal(store_virtual_key_revoke(house.store, "shop", house.key.id), STORE_OK);
	expect_refused(REFUSED_REVOKED);
	key_new(&(struct store_virtual_key){.expires_at = NOON});
	expect_refused(REFUSED_EXPIRED);
	key_new(&(struct store_virtual_key){.scopes = STORE_SCOPES_ALL - STORE_SCOPE_SEND});
	expect_refused(REFUSED_SCOPE);
	key_new(&(struct store_virtual_key){.numbers = "10011 100 2001"});
	expect_refused(REFUSED_NUMBER);
	key_new(NULL);
	assert_int_equal(store_business_change(house.store, "shop", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	expect_refused(REFUSED_SUSPENDED);
	assert_int_equal(store_business_change(house.store, "shop", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_OK);
	assert_int_equal(admit_at(NOON), REFUSED_NOT);
	assert_int_equal(store_business_remove(house.store, "shop", NULL), STORE_OK);
	assert_int_equal(admit_at(NOON), REFUSED_UNKNOWN);
	assert_string_equal(verdict.key.id, "");
}

/* ------------------------------------------------------------ how often */

static void test_a_minutes_worth(void **state)
{
	(void)state;
	key_new(&(struct store_virtual_key){.rate = 3});
	for (int i = 0; i < 3; i++)
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
	assert_int_equal(admit_at(NOON), REFUSED_RATE);
	assert_int_equal(verdict.retry_after_ms, 20000);
	assert_int_equal(admit_at(NOON + 19999), REFUSED_RATE);
	assert_int_equal(verdict.retry_after_ms, 1);
	/* One each twenty seconds; what was refused cost nothing. */
	assert_int_equal(admit_at(NOON + 20000), REFUSED_NOT);
	assert_int_equal(admit_at(NOON + 20000), REFUSED_RATE);
	/* After a minute it is full, and never holds more. */
	for (int i = 0; i < 3; i++)
		assert_int_equal(admit_at(NOON + 20 * MINUTE_MS), REFUSED_NOT);
	assert_int_equal(admit_at(NOON + 20 * MINUTE_MS), REFUSED_RATE);
	/* The clock is set back: nobody waits for it to come there again. */
	assert_int_equal(admit_at(NOON), REFUSED_NOT);
	/* To wait as long as it says is enough. */
	key_new(&(struct store_virtual_key){.rate = 7});
	for (int i = 0; i < 7; i++)
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
	assert_int_equal(admit_at(NOON), REFUSED_RATE);
	assert_int_equal(verdict.retry_after_ms, 8572);
	assert_int_equal(admit_at(NOON + 8571), REFUSED_RATE);
	assert_int_equal(admit_at(NOON + 8572), REFUSED_NOT);
	/* Another key has a bucket of its own. */
	key_new(&(struct store_virtual_key){.rate = 1});
	assert_int_equal(admit_at(NOON), REFUSED_NOT);
	assert_int_equal(admit_at(NOON), REFUSED_RATE);
	assert_int_equal(verdict.retry_after_ms, 60000);
	key_new(NULL);
	for (int i = 0; i < 100; i++)
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
}

/* Where a key's place is: as virtual_key.c has it. */
static unsigned set_of(const char *id)
{
	uint32_t hash = 2166136261u;

	for (const char *p = id; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	return (hash ^ hash >> 16) % 8192u;
}

/* A key that shares its places with those that came before it by this. */
static void key_beside(uint32_t rate)
{
	static unsigned tried;
	struct store_virtual_key k = house.key;

	do
		(void)snprintf(k.id, sizeof(k.id), "k%u", tried++);
	while (set_of(k.id) != 77);
	k.rate = rate;
	(void)snprintf(k.name, sizeof(k.name), "%s", k.id);
	virtual_key_make(&house.key, house.text);
	memcpy(k.hash, house.key.hash, sizeof(k.hash));
	memcpy(k.last4, house.key.last4, sizeof(k.last4));
	house.key = k;
	assert_int_equal(store_virtual_key_add(house.store, &k), STORE_OK);
}

/* More keys than there are places: one whose bucket is full gives its own up, and one whose bucket is not does not. */
static void test_full_buckets_are_forgotten(void **state)
{
	char text[VIRTUAL_KEY_ROOM];

	(void)state;
	key_new(NULL);
	for (int i = 0; i < 3; i++) {
		key_beside(1000);
		assert_int_equal(admit_at(NOON - MINUTE_MS), REFUSED_NOT);
	}
	key_beside(2);
	memcpy(text, house.text, sizeof(text));
	for (int i = 0; i < 2; i++)
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
	for (int i = 0; i < 30; i++) {
		assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
		key_beside(1000);
		assert_int_equal(admit_at(NOON + 100 * (i + 1)), REFUSED_NOT);
	}
	memcpy(house.text, text, sizeof(text));
	assert_int_equal(admit_at(NOON + 3001), REFUSED_RATE);
}

/* What a key's calls came to stays until it is written, whoever else comes. */
static void test_news_are_not_given_up(void **state)
{
	struct store_virtual_key refused;

	(void)state;
	key_new(NULL);
	for (int i = 0; i < 8; i++) {
		key_beside(1);
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
	}
	assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
	key_beside(0);
	refused = house.key;
	assert_int_equal(store_virtual_key_revoke(house.store, "shop", refused.id), STORE_OK);
	assert_int_equal(admit_at(NOON), REFUSED_REVOKED);
	for (int i = 0; i < 7; i++) {
		key_beside(1);
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
	}
	virtual_keys_news(house.keys, &refused);
	assert_int_equal(refused.refused_count, 1);
}

/* ------------------------------------------------------------ how many messages */

static enum store_error run_spend(struct db *db, void *arg)
{
	return virtual_key_spend(db, house.key.id, *(const int64_t *)arg);
}

static void test_a_budget_is_over_at_midnight(void **state)
{
	struct virtual_key_call call = call_with(house.text);
	int64_t last = MIDNIGHT + DAY_MS - 1;

	(void)state;
	key_new(&(struct store_virtual_key){.budget = 2, .rate = 60});
	assert_int_equal(core_write(house.store, run_spend, &last), STORE_OK);
	assert_int_equal(admit_at(last), REFUSED_NOT);
	assert_false(virtual_key_is_spent(&verdict.key));
	assert_int_equal(core_write(house.store, run_spend, &last), STORE_OK);
	/* Let through all the same: it may be one that was answered before. */
	assert_int_equal(admit_at(last), REFUSED_NOT);
	assert_true(virtual_key_is_spent(&verdict.key));
	call.now = last;
	virtual_keys_refuse(house.keys, &call, REFUSED_BUDGET, &verdict);
	assert_int_equal(verdict.why, REFUSED_BUDGET);
	assert_int_equal(verdict.retry_after_ms, 1);
	assert_int_equal(admit_at(last + 1), REFUSED_NOT);
	assert_false(virtual_key_is_spent(&verdict.key));
	call.now = NOON;
	virtual_keys_refuse(house.keys, &call, REFUSED_BUDGET, &verdict);
	assert_int_equal(verdict.why, REFUSED_BUDGET);
	assert_int_equal(verdict.retry_after_ms, DAY_MS / 2);
	assert_int_equal(refused_calls_list(virtual_keys_refused(house.keys), listed), 1);
	assert_int_equal(listed[0].why, REFUSED_BUDGET);
	assert_int_equal(listed[0].count, 2);
	assert_string_equal(listed[0].key_id, house.key.id);
}

/* ------------------------------------------------------------ what is noted */

static struct store_virtual_key stored(void)
{
	struct store_virtual_key k;

	assert_int_equal(store_virtual_key_get(house.store, "shop", house.key.id, NOON, &k), STORE_OK);
	return k;
}

static void test_notes_cost_no_write_each(void **state)
{
	struct virtual_key_call call = call_with(house.text);
	unsigned long before;
	struct store_virtual_key k;

	(void)state;
	key_new(&(struct store_virtual_key){.rate = 100000});
	before = store_commits(house.store);
	for (int i = 0; i < 1000; i++) {
		call.number = "1001";
		call.now = NOON + i;
		assert_int_equal(admit(&call), REFUSED_NOT);
		virtual_keys_refuse(house.keys, &call, REFUSED_BUDGET, &verdict);
	}
	assert_int_equal(store_commits(house.store), before);
	assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
	assert_int_equal(store_commits(house.store), before + 1);
	k = stored();
	assert_int_equal(k.used_at, NOON + 999);
	assert_int_equal(k.refused_at, NOON + 999);
	assert_int_equal(k.refused_count, 1000);
	assert_string_equal(k.refused_why, "budget_used_up");
	/* Once it is written it is no news. */
	virtual_keys_news(house.keys, &k);
	assert_int_equal(k.refused_count, 1000);
	assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
	assert_int_equal(store_commits(house.store), before + 1);
	/* Use is noted once a minute. */
	assert_int_equal(admit_at(NOON + 999 + MINUTE_MS - 1), REFUSED_NOT);
	assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
	assert_int_equal(store_commits(house.store), before + 1);
	assert_int_equal(admit_at(NOON + 999 + MINUTE_MS), REFUSED_NOT);
	assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
	assert_int_equal(stored().used_at, NOON + 999 + MINUTE_MS);
}

static void test_many_notes_are_written(void **state)
{
	char ids[250][STORE_ID_LEN + 1];
	struct store_virtual_key k;

	(void)state;
	for (size_t i = 0; i < 250; i++) {
		key_new(NULL);
		memcpy(ids[i], house.key.id, sizeof(ids[i]));
		assert_int_equal(admit_at(NOON), REFUSED_NOT);
	}
	assert_int_equal(virtual_keys_write(house.keys), STORE_OK);
	for (size_t i = 0; i < 250; i++) {
		assert_int_equal(store_virtual_key_get(house.store, "shop", ids[i], NOON, &k), STORE_OK);
		assert_int_equal(k.used_at, NOON);
	}
}

/* ------------------------------------------------------------ threads */

static void *admit_many(void *arg)
{
	const struct virtual_key_call call = call_with(house.text);
	struct virtual_key_verdict mine;
	unsigned *through = arg;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(virtual_keys_admit(house.keys, &call, &mine), STORE_OK);
		*through += mine.why == REFUSED_NOT;
	}
	return NULL;
}

static void test_no_call_more_by_many_at_once(void **state)
{
	pthread_t threads[4];
	unsigned through[4] = {0}, sum = 0;

	(void)state;
	key_new(&(struct store_virtual_key){.rate = 150});
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, admit_many, &through[i]), 0);
	for (size_t i = 0; i < 4; i++) {
		(void)pthread_join(threads[i], NULL);
		sum += through[i];
	}
	assert_int_equal(sum, 150);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_house, close_house)
	const struct CMUnitTest tests[] = {
		TEST(test_made),
		TEST(test_let_through),
		TEST(test_what_is_no_key_of_ours),
		TEST(test_refused_although_known),
		TEST(test_a_minutes_worth),
		TEST(test_full_buckets_are_forgotten),
		TEST(test_news_are_not_given_up),
		TEST(test_a_budget_is_over_at_midnight),
		TEST(test_notes_cost_no_write_each),
		TEST(test_many_notes_are_written),
		TEST(test_no_call_more_by_many_at_once),
	};

	log_init("test", LOG_ERROR);
	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
