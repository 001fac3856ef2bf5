/*
 * Lists of 205 rows, page after page and both ways: every row once, in order, and none
 * of another business.
 */
#include "test/unit/store/helper.h"

#define ROWS 205u

static char made[ROWS][STORE_ID_LEN + 1];

static enum store_error list_messages(struct store *s, const struct store_page *page, struct seen *seen)
{
	return store_message_list(s, "one", NULL, page, see_message, seen);
}

static enum store_error list_events(struct store *s, const struct store_page *page, struct seen *seen)
{
	return store_event_list(s, "one", 0, page, see_summary, seen);
}

static enum store_error list_products(struct store *s, const struct store_page *page, struct seen *seen)
{
	return store_product_list(s, "one", page, see_product, seen);
}

static enum store_error list_tokens(struct store *s, const struct store_page *page, struct seen *seen)
{
	return store_token_list(s, page, see_token, seen);
}

static void walk(struct store *s,
	enum store_error (*list)(struct store *s, const struct store_page *page, struct seen *seen), bool ascending,
	unsigned limit)
{
	struct store_page page = {.limit = limit, .ascending = ascending};
	struct seen seen = {0};
	size_t before;

	do {
		before = seen.len;
		assert_int_equal(list(s, &page, &seen), STORE_OK);
		assert_true(seen.len - before <= limit);
		page.after = seen.ids[seen.len - 1];
	} while (seen.len > before);
	assert_int_equal(seen.len, ROWS);
	for (size_t i = 0; i < ROWS; i++)
		assert_string_equal(seen.ids[i], made[ascending ? i : ROWS - 1 - i]);
	page.after = "00000000000000000000000000";
	assert_int_equal(list(s, &page, &seen), STORE_NOT_FOUND);
}

static void walk_all(
	struct store *s, enum store_error (*list)(struct store *s, const struct store_page *page, struct seen *seen))
{
	static const unsigned limits[] = {STORE_LIST_MAX, 41, 7};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		walk(s, list, true, limits[i]);
		walk(s, list, false, limits[i]);
	}
}

static void test_messages(void **state)
{
	struct store *s = ((struct house *)*state)->store;

	for (unsigned i = 0; i < ROWS; i++) {
		memcpy(made[i], queue(s, "one", CONNECTION_ONE, (uint8_t)i, 0).id, sizeof(made[i]));
		if (i % 10 == 0)
			queue(s, "two", CONNECTION_TWO, 1, 0);
	}
	walk_all(s, list_messages);
}

static void test_events(void **state)
{
	struct store *s = ((struct house *)*state)->store;

	for (unsigned i = 0; i < ROWS; i++)
		add_event(s, made[i]);
	walk_all(s, list_events);
}

static void test_products(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	unsigned added, changed;

	for (unsigned i = 0; i < ROWS; i++) {
		struct store_product p = {.name = "Rice", .price = "1", .currency = "NGN"};

		store_id_new(made[i]);
		memcpy(p.id, made[i], sizeof(made[i]));
		(void)snprintf(p.name_key, sizeof(p.name_key), "rice %u", i);
		assert_int_equal(store_product_put(s, i % 2 ? "one" : "two", &p, 1, &added, &changed), STORE_OK);
		if (i % 2 == 0)
			assert_int_equal(store_product_put(s, "one", &p, 1, &added, &changed), STORE_OK);
	}
	walk_all(s, list_products);
}

static void test_tokens(void **state)
{
	struct store *s = ((struct house *)*state)->store;

	for (unsigned i = 0; i < ROWS; i++) {
		struct store_token t = {.name = "n", .hash = {(uint8_t)i}};

		store_id_new(made[i]);
		memcpy(t.id, made[i], sizeof(made[i]));
		assert_int_equal(store_token_add(s, &t), STORE_OK);
	}
	walk_all(s, list_tokens);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_messages),
		TEST(test_events),
		TEST(test_products),
		TEST(test_tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
