/* Many products at once: all of them or the rows at fault; and one as it was typed into a form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/reply/reply.h"

/* The catalogue's, which nobody asks here. */
enum store_error store_product_each(
	struct store *s, const char *business_id, bool (*each)(const struct store_product *p, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	(void)each;
	(void)arg;
	return STORE_FAILED;
}

static void take(struct reply_import *in, const char *csv)
{
	*in = (struct reply_import){.len = 0};
	reply_import_csv(in, csv, strlen(csv));
}

static void test_csv(void **state)
{
	struct reply_import in;

	(void)state;
	take(&in, "name,price,currency\nPen,5,NGN\nInk,five,NGN\nBag,7,ngn\n");
	assert_string_equal(in.why, "");
	assert_int_equal(in.len, 1);
	assert_string_equal(in.products[0].name, "Pen");
	assert_int_equal(in.faults_len, 2);
	assert_int_equal(in.faults[0].row, 3);
	assert_non_null(strstr(in.faults[0].why, "price must be"));
	assert_int_equal(in.faults[1].row, 4);
	reply_import_clear(&in);
	take(&in, "name,colour\n");
	assert_string_equal(in.why, "unknown column colour");
	reply_import_clear(&in);
	take(&in, "");
	assert_non_null(strstr(in.why, "empty"));
	take(&in, "name,price,currency\nP\xff,5,NGN\n");
	assert_non_null(strstr(in.why, "UTF-8"));
}

/* The first faults are kept, and there the reading ends. */
static void test_bounds(void **state)
{
	static const char head[] = "name,price,currency\n";
	char *csv = malloc(sizeof(head) + (REPLY_IMPORT_MAX + 1) * 16);
	size_t len = sizeof(head) - 1;
	struct reply_import in;

	(void)state;
	assert_non_null(csv);
	memcpy(csv, head, sizeof(head));
	for (unsigned i = 0; i <= REPLY_IMPORT_MAX; i++)
		len += (size_t)snprintf(csv + len, 16, "P%u,5,NGN\n", i);
	take(&in, csv);
	assert_true(in.too_many);
	assert_int_equal(in.len, REPLY_IMPORT_MAX);
	reply_import_clear(&in);
	assert_null(in.products);
	len = sizeof(head) - 1;
	for (unsigned i = 0; i < 2 * REPLY_IMPORT_FAULTS_MAX; i++)
		len += (size_t)snprintf(csv + len, 16, "P%u,x,NGN\n", i);
	take(&in, csv);
	assert_int_equal(in.faults_len, REPLY_IMPORT_FAULTS_MAX);
	assert_int_equal(in.faults[REPLY_IMPORT_FAULTS_MAX - 1].row, REPLY_IMPORT_FAULTS_MAX + 1);
	free(csv);
}

static void test_json(void **state)
{
	static const char good[] = "{\"name\":\"Pen\",\"price\":\"5\",\"currency\":\"NGN\"}",
			  bad[] = "{\"name\":\"Pen\"}";
	struct reply_import in = {.len = 0};

	(void)state;
	assert_true(reply_import_json(&in, 1, good, strlen(good)));
	assert_true(reply_import_json(&in, 2, bad, strlen(bad)));
	assert_int_equal(in.len, 1);
	assert_int_equal(in.faults[0].row, 2);
	assert_string_equal(in.faults[0].why, "price is missing");
	reply_import_clear(&in);
}

static void test_texts(void **state)
{
	struct reply_product_texts t = {"", " Rice ", "ofada rice\r\n\r\n jollof | white \n", "2500.50", "NGN", "", ""};
	const char *field = NULL;
	struct store_product p;
	char why[REPLY_WHY_LEN];

	(void)state;
	assert_true(reply_product_from_texts(&t, &p, &field, why, sizeof(why)));
	assert_string_equal(p.name, "Rice");
	assert_string_equal(p.name_key, "rice");
	assert_string_equal(p.aliases, "ofada rice\njollof | white");
	assert_int_equal(p.stock, -1);
	t.id = "p1";
	t.stock = "0";
	t.unit = "kg";
	assert_true(reply_product_from_texts(&t, &p, &field, why, sizeof(why)));
	assert_string_equal(p.id, "p1");
	assert_int_equal(p.stock, 0);
	assert_string_equal(p.unit, "kg");
	t.price = "";
	assert_false(reply_product_from_texts(&t, &p, &field, why, sizeof(why)));
	assert_string_equal(field, "price");
	assert_memory_equal(why, "must be ", 8);
	t.price = "5";
	t.stock = "many";
	assert_false(reply_product_from_texts(&t, &p, &field, why, sizeof(why)));
	assert_string_equal(field, "stock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
