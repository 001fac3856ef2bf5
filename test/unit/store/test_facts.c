/*
 * What a provider said of a connection is kept, replaced as a whole, seen by its business
 * alone, and gone with the connection.
 */
#include "test/unit/store/helper.h"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static const struct store_connection_facts said = {.looked_at = 1700000000001,
	.token_expires_at = -1,
	.number_status = "CONNECTED",
	.name_status = "APPROVED",
	.quality = "GREEN",
	.messaging_limit = "TIER_2K",
	.throughput = "STANDARD",
	.can_send = "LIMITED"};

static void test_kept(void **state)
{
	struct store *s = store_of(state);
	struct store_connection_facts got;

	memset(&got, 1, sizeof(got));
	assert_int_equal(store_connection_facts_get(s, "one", CONNECTION_ONE, &got), STORE_OK);
	assert_int_equal(got.looked_at, 0);
	assert_int_equal(got.token_expires_at, 0);
	assert_string_equal(got.number_status, "");
	assert_string_equal(got.can_send, "");
	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &said), STORE_OK);
	assert_int_equal(store_connection_facts_get(s, "one", CONNECTION_ONE, &got), STORE_OK);
	assert_int_equal(got.looked_at, said.looked_at);
	assert_int_equal(got.token_expires_at, -1);
	assert_string_equal(got.number_status, said.number_status);
	assert_string_equal(got.name_status, said.name_status);
	assert_string_equal(got.quality, said.quality);
	assert_string_equal(got.messaging_limit, said.messaging_limit);
	assert_string_equal(got.throughput, said.throughput);
	assert_string_equal(got.can_send, said.can_send);
}

static void test_replaced_as_a_whole(void **state)
{
	struct store *s = store_of(state);
	struct store_connection_facts got, less = {.looked_at = 1700000000002, .quality = "RED"};

	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &said), STORE_OK);
	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &less), STORE_OK);
	assert_int_equal(store_connection_facts_get(s, "one", CONNECTION_ONE, &got), STORE_OK);
	assert_int_equal(got.looked_at, less.looked_at);
	assert_int_equal(got.token_expires_at, 0);
	assert_string_equal(got.quality, "RED");
	assert_string_equal(got.number_status, "");
}

static void test_nobody_elses(void **state)
{
	struct store *s = store_of(state);
	struct store_connection_facts got;

	assert_int_equal(store_connection_facts_put(s, "two", CONNECTION_ONE, &said), STORE_NOT_FOUND);
	assert_int_equal(store_connection_facts_put(s, "one", "0000000000000000000000c0n9", &said), STORE_NOT_FOUND);
	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &said), STORE_OK);
	assert_int_equal(store_connection_facts_get(s, "two", CONNECTION_ONE, &got), STORE_NOT_FOUND);
	assert_int_equal(store_connection_facts_get(s, "two", CONNECTION_TWO, &got), STORE_OK);
	assert_int_equal(got.looked_at, 0);
}

static void test_gone_with_the_connection(void **state)
{
	struct store *s = store_of(state);
	struct store_connection_facts got;

	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &said), STORE_OK);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	assert_int_equal(store_connection_facts_get(s, "one", CONNECTION_ONE, &got), STORE_NOT_FOUND);
	add_connection(s, CONNECTION_ONE, "one", "1001");
	assert_int_equal(store_connection_facts_get(s, "one", CONNECTION_ONE, &got), STORE_OK);
	assert_int_equal(got.looked_at, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_kept),
		TEST(test_replaced_as_a_whole),
		TEST(test_nobody_elses),
		TEST(test_gone_with_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
