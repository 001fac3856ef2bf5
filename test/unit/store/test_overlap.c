/*
 * Goal of this test: of two secrets at one place there is always one that the provider takes. The older
 * one goes once the newer has worked, comes back when that is refused, and ends in time; no version is
 * given twice, and whoever did not see the last change changes nothing.
 */
#include <stdio.h>

#include "test/unit/store/helper.h"

#define DAY INT64_C(86400000)

struct slots {
	struct store_credential current, previous; /* version 0: there is none */
};

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static bool take(const struct store_credential *c, void *arg)
{
	struct slots *s = arg;

	*(c->slot == STORE_SLOT_CURRENT ? &s->current : &s->previous) = *c;
	return true;
}

static struct slots slots_of(struct store *s, const char *field)
{
	struct slots out = {.current = {.version = 0}};

	assert_int_equal(store_credential_list(s, "one", field, take, &out), STORE_OK);
	return out;
}

static struct store_credential made(const char *field, uint64_t version)
{
	struct store_credential c = {.connection_id = CONNECTION_ONE,
		.slot = STORE_SLOT_CURRENT,
		.version = version,
		.last4 = "abcd",
		.fingerprint = "f",
		.blob = (const uint8_t *)"blob",
		.blob_len = 4};

	(void)snprintf(c.field, sizeof(c.field), "%s", field);
	return c;
}

static enum store_error put(struct store *s, const char *field, uint64_t version, int64_t proven_at)
{
	struct store_credential c = made(field, version);

	c.proven_at = proven_at;
	return store_credential_put(s, "one", &c);
}

static enum store_error worked(struct store *s, const char *field, uint64_t version, int64_t at, int64_t grace)
{
	const struct store_credential c = made(field, version);

	return store_credential_worked(s, "one", &c, at, grace);
}

static enum store_error take_back(struct store *s, const char *field, uint64_t version, bool refused)
{
	const struct store_credential c = made(field, version);

	return store_credential_take_back(s, "one", &c, refused);
}

/* Current and previous version; 0: none. */
static void assert_slots(struct store *s, const char *field, uint64_t current, uint64_t previous)
{
	const struct slots now = slots_of(s, field);

	assert_int_equal(now.current.version, current);
	assert_int_equal(now.previous.version, previous);
}

/* ------------------------------------------------------------ putting */

static void test_put(void **state)
{
	struct store *s = store_of(state);
	int64_t before = store_now_ms();
	struct slots now;

	assert_int_equal(put(s, "app_secret", 1, 0), STORE_OK);
	assert_int_equal(put(s, "app_secret", 2, 0), STORE_OK);
	now = slots_of(s, "app_secret");
	assert_int_equal(now.current.version, 2);
	assert_int_equal(now.current.newest, 2);
	assert_int_equal(now.current.proven_at, 0);
	assert_int_equal(now.current.ends_at, 0);
	assert_int_equal(now.previous.version, 1);
	assert_in_range(now.previous.ends_at, before + 7 * DAY, store_now_ms() + 7 * DAY);
	/* Nothing came by 2, so that 1 may be what the provider still uses: it stays beside 3, and ends when it would. */
	assert_int_equal(put(s, "app_secret", 3, 0), STORE_OK);
	assert_slots(s, "app_secret", 3, 1);
	assert_int_equal(slots_of(s, "app_secret").previous.ends_at, now.previous.ends_at);
	/* 3 has worked: now that one is kept. */
	assert_int_equal(worked(s, "app_secret", 3, 7, 600000), STORE_OK);
	assert_int_equal(put(s, "app_secret", 4, 0), STORE_OK);
	assert_slots(s, "app_secret", 4, 3);
	/* One that is known to work is alone. */
	assert_int_equal(put(s, "app_secret", 5, 9), STORE_OK);
	assert_slots(s, "app_secret", 5, 0);
	assert_int_equal(slots_of(s, "app_secret").current.proven_at, 9);
	/* Another field is another place. */
	assert_slots(s, "access_token", 0, 0);
	assert_int_equal(put(s, "access_token", 2, 0), STORE_STALE);
	assert_int_equal(put(s, "access_token", 1, 0), STORE_OK);
}

/* ------------------------------------------------------------ the newer one works */

static void test_worked(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();
	struct slots seen;

	assert_int_equal(put(s, "app_secret", 1, 0), STORE_OK);
	assert_int_equal(put(s, "app_secret", 2, 0), STORE_OK);
	assert_int_equal(worked(s, "app_secret", 1, now, 60000), STORE_STALE);
	assert_int_equal(worked(s, "app_secret", 3, now, 60000), STORE_STALE);
	assert_int_equal(worked(s, "app_secret", 2, 0, 60000), STORE_INVALID);
	assert_int_equal(worked(s, "app_secret", 2, now, 60000), STORE_OK);
	seen = slots_of(s, "app_secret");
	assert_int_equal(seen.current.proven_at, now);
	assert_int_equal(seen.previous.version, 1);
	assert_int_equal(seen.previous.ends_at, now + 60000);
	/* Once: what comes later changes nothing. */
	assert_int_equal(worked(s, "app_secret", 2, now + 5000, 60000), STORE_OK);
	assert_int_equal(slots_of(s, "app_secret").current.proven_at, now);
	assert_int_equal(slots_of(s, "app_secret").previous.ends_at, now + 60000);
	/* Without grace the older one goes at once. */
	assert_int_equal(put(s, "access_token", 1, 0), STORE_OK);
	assert_int_equal(put(s, "access_token", 2, 0), STORE_OK);
	assert_int_equal(worked(s, "access_token", 2, now, 0), STORE_OK);
	assert_slots(s, "access_token", 2, 0);
	/* An end that is nearer stays. */
	assert_int_equal(put(s, "app_secret", 3, 0), STORE_OK);
	assert_int_equal(worked(s, "app_secret", 3, now, 30 * DAY), STORE_OK);
	assert_in_range(slots_of(s, "app_secret").previous.ends_at, now + 7 * DAY, store_now_ms() + 7 * DAY);
	/* Another business's. */
	assert_int_equal(put(s, "api_key", 1, 0), STORE_OK);
	{
		const struct store_credential c = made("api_key", 1);

		assert_int_equal(store_credential_worked(s, "two", &c, now, 0), STORE_STALE);
		assert_int_equal(store_credential_take_back(s, "two", &c, true), STORE_NOT_FOUND);
	}
}

/* ------------------------------------------------------------ the newer one is refused */

static void test_take_back(void **state)
{
	struct store *s = store_of(state);
	struct slots seen;

	assert_int_equal(take_back(s, "access_token", 1, true), STORE_NOT_FOUND);
	assert_int_equal(put(s, "access_token", 1, 5), STORE_OK);
	assert_int_equal(take_back(s, "access_token", 1, true), STORE_NOT_FOUND); /* there is nothing before it */
	assert_slots(s, "access_token", 1, 0);
	assert_int_equal(put(s, "access_token", 2, 0), STORE_OK);
	assert_int_equal(take_back(s, "access_token", 1, true), STORE_STALE);
	assert_slots(s, "access_token", 2, 1);
	assert_int_equal(take_back(s, "access_token", 2, true), STORE_OK);
	seen = slots_of(s, "access_token");
	assert_int_equal(seen.current.version, 1);
	assert_int_equal(seen.current.proven_at, 5);
	assert_int_equal(seen.current.ends_at, 0);
	assert_int_equal(seen.current.newest, 2);
	assert_true(seen.current.refused_at > 0);
	assert_int_equal(seen.previous.version, 0);
	/* Its version is not given twice: whoever answers late about 2 means that one and no other. */
	assert_int_equal(put(s, "access_token", 2, 0), STORE_STALE);
	assert_int_equal(take_back(s, "access_token", 2, true), STORE_NOT_FOUND);
	assert_int_equal(put(s, "access_token", 3, 0), STORE_OK);
	assert_slots(s, "access_token", 3, 1);
	assert_int_equal(take_back(s, "access_token", 2, true), STORE_STALE);
	assert_int_equal(worked(s, "access_token", 2, 7, 0), STORE_STALE);
	assert_int_equal(slots_of(s, "access_token").current.refused_at, 0);
	assert_int_equal(take_back(s, "access_token", 3, false), STORE_OK);
	assert_int_equal(slots_of(s, "access_token").current.refused_at, 0);
	assert_int_equal(slots_of(s, "access_token").current.newest, 3);
	/* What has worked is not taken back. */
	assert_int_equal(put(s, "access_token", 4, 0), STORE_OK);
	assert_int_equal(worked(s, "access_token", 4, store_now_ms(), 60000), STORE_OK);
	assert_int_equal(take_back(s, "access_token", 4, true), STORE_STALE);
	assert_slots(s, "access_token", 4, 1);
}

static bool untold_one(const struct store_untold *u, void *arg)
{
	*(struct store_untold *)arg = *u;
	return false;
}

/* The platform is to hear of it, as of a moment in which the key was refused; and waiting messages go. */
static void test_taken_back_is_told(void **state)
{
	struct store *s = store_of(state);
	struct store_untold told = {.told = 0};

	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(store_health_told(s, "one", CONNECTION_ONE, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(put(s, "access_token", 1, 5), STORE_OK);
	assert_int_equal(put(s, "access_token", 2, 0), STORE_OK);
	assert_int_equal(take_back(s, "access_token", 2, false), STORE_OK);
	assert_int_equal(store_health_untold(s, store_now_ms(), 9, untold_one, &told), STORE_OK);
	assert_int_equal(told.told, 0);
	assert_int_equal(put(s, "access_token", 3, 0), STORE_OK);
	assert_int_equal(take_back(s, "access_token", 3, true), STORE_OK);
	assert_int_equal(store_health_untold(s, store_now_ms(), 9, untold_one, &told), STORE_OK);
	assert_int_equal(told.told, STORE_CONNECTION_KEY_REFUSED);
	assert_int_equal(told.connection.status, STORE_CONNECTION_ACTIVE);
	assert_int_equal(told.state_at, slots_of(s, "access_token").current.refused_at);
}

/* ------------------------------------------------------------ the older one ends */

#define TOLD_ROOM 256

static void heard(const char *business_id, void *arg)
{
	char *text = arg;
	const size_t len = strlen(text);

	(void)snprintf(text + len, TOLD_ROOM - len, "%s ", business_id);
}

static void test_end_and_sweep(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();
	char told[TOLD_ROOM] = "";

	for (uint64_t v = 1; v <= 2; v++)
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(
				put(s, (const char *[]){"app_secret", "access_token", "platform_secret"}[i], v, 0),
				STORE_OK);
	assert_int_equal(store_credential_end(s, "two", CONNECTION_ONE, "app_secret"), STORE_NOT_FOUND);
	assert_int_equal(store_credential_end(s, "one", CONNECTION_ONE, "api_key"), STORE_NOT_FOUND);
	assert_int_equal(store_credential_end(s, "one", CONNECTION_ONE, "app_secret"), STORE_OK);
	assert_int_equal(store_credential_end(s, "one", CONNECTION_ONE, "app_secret"), STORE_NOT_FOUND);
	assert_slots(s, "app_secret", 2, 0);
	/* One has ended: it is listed no more, whether it was swept out or not. */
	assert_int_equal(worked(s, "access_token", 2, now - 90000, 60000), STORE_OK);
	assert_slots(s, "access_token", 2, 0);
	assert_slots(s, "platform_secret", 2, 1);
	assert_int_equal(take_back(s, "access_token", 2, true), STORE_NOT_FOUND);
	assert_int_equal(store_credential_sweep(s, now, heard, told), STORE_OK);
	assert_string_equal(told, "one ");
	assert_int_equal(store_credential_sweep(s, now, heard, told), STORE_OK);
	assert_string_equal(told, "one ");
	assert_slots(s, "platform_secret", 2, 1);
	assert_int_equal(store_credential_sweep(s, store_now_ms() + 7 * DAY, heard, told), STORE_OK);
	assert_string_equal(told, "one one ");
	assert_slots(s, "platform_secret", 2, 0);
}

/* ------------------------------------------------------------ verify tokens */

static struct store_connection connection_now(struct store *s)
{
	struct store_connection c;

	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	return c;
}

static void test_verify_tokens(void **state)
{
	struct store *s = store_of(state);
	char told[TOLD_ROOM] = "";
	struct store_connection c;

	assert_int_equal(store_verify_token_put(s, "two", CONNECTION_ONE, "token", "second"), STORE_NOT_FOUND);
	assert_int_equal(store_verify_token_put(s, "one", CONNECTION_ONE, "other", "second"), STORE_STALE);
	assert_int_equal(store_verify_token_put(s, "one", CONNECTION_ONE, "token", ""), STORE_INVALID);
	assert_int_equal(store_verify_token_put(s, "one", CONNECTION_ONE, "token", "second"), STORE_OK);
	c = connection_now(s);
	assert_string_equal(c.verify_token, "second");
	assert_string_equal(c.previous_verify_token, "token");
	assert_true(c.previous_verify_token_ends_at > store_now_ms() + 7 * DAY - 60000);
	/* Nobody came with the second: the first is still what Meta has. */
	assert_int_equal(store_verify_token_put(s, "one", CONNECTION_ONE, "second", "third"), STORE_OK);
	assert_string_equal(connection_now(s).verify_token, "third");
	assert_string_equal(connection_now(s).previous_verify_token, "token");
	assert_int_equal(connection_now(s).previous_verify_token_ends_at, c.previous_verify_token_ends_at);
	/* A handshake with the old one ends nothing; one with the new one ends the old. */
	assert_int_equal(store_connection_handshake(s, "one", CONNECTION_ONE, "token", 7), STORE_OK);
	assert_string_equal(connection_now(s).previous_verify_token, "token");
	assert_int_equal(store_connection_handshake(s, "one", CONNECTION_ONE, "third", 8), STORE_OK);
	assert_string_equal(connection_now(s).previous_verify_token, "");
	assert_int_equal(connection_now(s).previous_verify_token_ends_at, 0);
	assert_int_equal(store_verify_token_end(s, "one", CONNECTION_ONE), STORE_NOT_FOUND);
	/* By hand, and in time. */
	assert_int_equal(store_verify_token_put(s, "one", CONNECTION_ONE, "third", "fourth"), STORE_OK);
	assert_int_equal(store_verify_token_end(s, "two", CONNECTION_ONE), STORE_NOT_FOUND);
	assert_int_equal(store_verify_token_end(s, "one", CONNECTION_ONE), STORE_OK);
	assert_string_equal(connection_now(s).previous_verify_token, "");
	assert_int_equal(store_verify_token_put(s, "one", CONNECTION_ONE, "fourth", "fifth"), STORE_OK);
	assert_int_equal(store_credential_sweep(s, store_now_ms(), heard, told), STORE_OK);
	assert_string_equal(connection_now(s).previous_verify_token, "fourth");
	assert_int_equal(store_credential_sweep(s, store_now_ms() + 7 * DAY, heard, told), STORE_OK);
	assert_string_equal(connection_now(s).previous_verify_token, "");
	assert_string_equal(told, "one ");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_put),
		TEST(test_worked),
		TEST(test_take_back),
		TEST(test_taken_back_is_told),
		TEST(test_end_and_sweep),
		TEST(test_verify_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
