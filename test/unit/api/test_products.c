/*
 * Products: all or nothing from JSON and CSV, with the row that is wrong.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

#define LIST "/v1/businesses/shop/products"

static struct house *house;

static int setup(void **state)
{
	(void)state;
	house = house_open(false);
	business_new(house, "shop");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

static struct answer csv(const char *body)
{
	return ask_type(house, "POST", LIST, "text/csv; charset=utf-8", body);
}

static unsigned count(void)
{
	struct answer a = ask(house, "GET", LIST "?limit=200", NULL);
	unsigned n = (unsigned)cJSON_GetArraySize(json_get(a.json, "data"));

	assert_int_equal(a.status, 200);
	answer_clear(&a);
	return n;
}

static void one_and_many(void **state)
{
	struct answer a = ask(house, "POST", LIST,
		"{\"id\":\"p1\",\"name\":\"iPhone 13 Pro "
		"(128GB)\",\"price\":\"450000\",\"currency\":\"NGN\",\"stock\":5,"
		"\"aliases\":[\"13 pro\",\"iphone13pro\"],\"unit\":\"piece\"}");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_int_equal(number_at(&a, "added"), 1);
	assert_int_equal(number_at(&a, "changed"), 0);
	answer_clear(&a);
	a = ask(house, "POST", LIST,
		"[{\"name\":\"iphone 13 PRO (128gb)\",\"price\":\"440000\",\"currency\":\"NGN\"},"
		"{\"name\":\"Rice\",\"price\":\"12.50\",\"currency\":\"GHS\"}]");
	assert_int_equal(a.status, 200);
	assert_int_equal(number_at(&a, "added"), 1);
	assert_int_equal(number_at(&a, "changed"), 1);
	answer_clear(&a);
	assert_int_equal(count(), 2);
	expect(house, "POST", LIST, "[]", 200, NULL, NULL);

	expect(house, "POST", LIST,
		"{\"id\":\"p1\",\"name\":\"iPhone 13\",\"price\":\"1\",\"currency\":\"NGN\",\"stock\":0,"
		"\"aliases\":[\"a\",\"b\"]}",
		200, NULL, NULL);
	a = ask(house, "GET", LIST "?order=asc", NULL);
	for (int i = 0; i < 2; i++) {
		const cJSON *row = cJSON_GetArrayItem(json_get(a.json, "data"), i);

		if (strcmp(json_get_string(row, "id"), "p1") == 0) {
			assert_string_equal(json_get_string(row, "name"), "iPhone 13");
			assert_int_equal(json_get(row, "stock")->valueint, 0);
			assert_int_equal(cJSON_GetArraySize(json_get(row, "aliases")), 2);
		} else {
			assert_string_equal(json_get_string(row, "price"), "12.50");
			assert_true(cJSON_IsNull(json_get(row, "stock")));
			assert_int_equal(cJSON_GetArraySize(json_get(row, "aliases")), 0);
		}
	}
	answer_clear(&a);
	expect(house, "DELETE", LIST "/p1", NULL, 204, NULL, NULL);
	expect(house, "DELETE", LIST "/p1", NULL, 404, "not_found", NULL);
	assert_int_equal(count(), 1);
}

static void a_file(void **state)
{
	unsigned before = count();
	struct answer a = csv("name,price,currency,stock\r\nSamsung A15,95000,NGN,3\r\n\"Cable, 2m\",1500,NGN,\r\n");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_int_equal(number_at(&a, "added"), 2);
	answer_clear(&a);
	assert_int_equal(count(), before + 2);
	a = csv("name,price,currency\nGood,1,NGN\nBad,one,NGN\nWorse,2,naira\n");
	assert_int_equal(a.status, 400);
	assert_string_equal(text_at(&a, "code"), "invalid_field");
	assert_int_equal(number_at(&a, "errors[0].line"), 3);
	assert_int_equal(number_at(&a, "errors[1].line"), 4);
	assert_true(strlen(text_at(&a, "errors[1].detail")) > 0);
	answer_clear(&a);
	assert_int_equal(count(), before + 2); /* nothing of it */
	a = csv("nome,preco\nx,1\n");
	assert_int_equal(a.status, 400);
	answer_clear(&a);
	a = csv("");
	assert_int_equal(a.status, 400);
	answer_clear(&a);
	a = csv("name,price,currency\n\xff,1,NGN\n");
	assert_int_equal(a.status, 400);
	answer_clear(&a);
	a = ask_type(house, "POST", LIST, "application/xml", "<x/>");
	assert_int_equal(a.status, 415);
	answer_clear(&a);
}

static void rows_at_fault_are_named(void **state)
{
	unsigned before = count();
	char body[4096];
	struct answer a = ask(house, "POST", LIST,
		"[{\"name\":\"ok\",\"price\":\"1\",\"currency\":\"NGN\"},{\"price\":\"1\",\"currency\":\"NGN\"},5]");
	size_t len;

	(void)state;
	assert_int_equal(a.status, 400);
	assert_int_equal(number_at(&a, "errors[0].row"), 2);
	assert_int_equal(number_at(&a, "errors[1].row"), 3);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "errors")), 2);
	answer_clear(&a);
	len = (size_t)snprintf(body, sizeof(body), "[{}");
	for (int i = 0; i < 30; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, ",{}");
	(void)snprintf(body + len, sizeof(body) - len, "]");
	a = ask(house, "POST", LIST, body);
	assert_int_equal(a.status, 400);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "errors")), 20);
	answer_clear(&a);
	expect(house, "POST", LIST, "\"rice\"", 400, "invalid_json", NULL);
	expect(house, "POST", LIST, "{\"name\":\"a\\u0000b\"}", 400, "invalid_json", NULL);
	assert_int_equal(count(), before);
}

static void an_id_and_a_name_collide(void **state)
{
	(void)state;
	expect(house, "POST", LIST, "{\"id\":\"c1\",\"name\":\"Collide one\",\"price\":\"1\",\"currency\":\"NGN\"}",
		200, NULL, NULL);
	expect(house, "POST", LIST, "{\"id\":\"c2\",\"name\":\"Collide two\",\"price\":\"1\",\"currency\":\"NGN\"}",
		200, NULL, NULL);
	expect(house, "POST", LIST, "{\"id\":\"c2\",\"name\":\"Collide one\",\"price\":\"1\",\"currency\":\"NGN\"}",
		409, "conflict", NULL);
}

static void too_many_are_refused(void **state)
{
	static const char one[] = "{\"name\":\"n%05d\",\"price\":\"1\",\"currency\":\"NGN\"},";
	const size_t room = 10001 * (sizeof(one) + 2);
	char *body = malloc(room);
	unsigned before = count();
	struct answer a;
	size_t len = 1;

	(void)state;
	assert_non_null(body);
	body[0] = '[';
	for (int i = 0; i < 10001; i++)
		len += (size_t)snprintf(
			body + len, room - len, "{\"name\":\"n%05d\",\"price\":\"1\",\"currency\":\"NGN\"},", i);
	body[len - 1] = ']';
	a = ask(house, "POST", LIST, body);
	assert_int_equal(a.status, 413);
	assert_string_equal(text_at(&a, "code"), "too_large");
	answer_clear(&a);
	assert_int_equal(count(), before);
	free(body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_and_many),
		cmocka_unit_test(a_file),
		cmocka_unit_test(rows_at_fault_are_named),
		cmocka_unit_test(an_id_and_a_name_collide),
		cmocka_unit_test(too_many_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
