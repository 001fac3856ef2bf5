/* A product from outside as JSON: every field's rule, and nothing else let in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/reply/reply.h"
#include "test/unit/reply/fake_store.h"

#define TEN "aaaaaaaaaa"
#define FIFTY TEN TEN TEN TEN TEN
#define TWO_HUNDRED FIFTY FIFTY FIFTY FIFTY
#define FOUR_LONG "\"" TWO_HUNDRED "\",\"" TWO_HUNDRED "\",\"" TWO_HUNDRED "\",\"" TWO_HUNDRED "\""
#define TWENTY                                                                                                         \
	"\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\",\"15\",\"16\","      \
	"\"17\",\"18\",\"19\",\"20\""
#define REST ",\"price\":\"1\",\"currency\":\"NGN\"}"

static bool parse(const char *json, struct store_product *p, char *why, size_t why_len)
{
	size_t len = strlen(json);
	char *copy = malloc(len + 1);
	bool ok;

	/* no terminator: reading past the end is seen by the sanitizer */
	assert_non_null(copy);
	memcpy(copy, json, len);
	copy = realloc(copy, len > 0 ? len : 1);
	assert_non_null(copy);
	why[0] = 0;
	ok = reply_product_from_json(copy, len, p, why, why_len);
	free(copy);
	return ok;
}

static void a_whole_product(void **state)
{
	struct store_product p;
	char why[200];

	(void)state;
	assert_true(
		parse(" {\"id\":\"ip13-pro_1\",\"name\":\" iPhone 13 Pro (128GB) \",\"aliases\":[\"13 pro\",\"ip13p\"],"
		      "\"price\":\"450000\",\"currency\":\"NGN\",\"stock\":5,\"unit\":\"kg\"}\r\n",
			&p, why, sizeof(why)));
	assert_string_equal(p.id, "ip13-pro_1");
	assert_string_equal(p.name, "iPhone 13 Pro (128GB)");
	assert_string_equal(p.name_key, "iphone13pro128gb");
	assert_string_equal(p.aliases, "13 pro\nip13p");
	assert_string_equal(p.price, "450000");
	assert_string_equal(p.currency, "NGN");
	assert_int_equal(p.stock, 5);
	assert_string_equal(p.unit, "kg");
	assert_true(parse("{\"name\":\"x\"" REST, &p, why, sizeof(why)));
	assert_int_equal(p.stock, -1);
	assert_string_equal(p.id, "");
	assert_string_equal(p.unit, "");
	assert_string_equal(p.aliases, "");
}

static void keys(void **state)
{
	/* same: both names are one product */
	static const struct {
		const char *a, *b;
		bool same;
	} list[] = {
		{"iPhone 13 Pro (128GB)", "IPHONE13 pro 128 gb", true},
		{"Crème Brûlée", "creme-brulee", true},
		{"Redbull", "Red Bull", true},
		{"ẸWÀ", "ewa", true},
		{"РИС", "рис", true},
		{"Ёлка", "елка", true},
		{"Galaxy S21", "Galaxy S21+", false},
		{"Size 4 2", "Size 42", false},
		{"Rice 1.5kg", "Rice 15kg", false},
		{"Rice 1,5kg", "Rice 1.5kg", true},
		{"Lay's", "Lays", true},
		{"½ bag", "bag", false},
		{"苹果", "苹", false},
		{"ΆΛΦΑ", "αλφα", true},
	};
	struct store_product a, b;
	char json[200], why[200];

	(void)state;
	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		snprintf(json, sizeof(json), "{\"name\":\"%s\"" REST, list[i].a);
		assert_true(parse(json, &a, why, sizeof(why)));
		snprintf(json, sizeof(json), "{\"name\":\"%s\"" REST, list[i].b);
		assert_true(parse(json, &b, why, sizeof(why)));
		if ((strcmp(a.name_key, b.name_key) == 0) != list[i].same)
			print_error("%s: %s, %s: %s\n", a.name, a.name_key, b.name, b.name_key);
		assert_int_equal(strcmp(a.name_key, b.name_key) == 0, list[i].same);
	}
}

struct sample {
	const char *json, *why; /* why: how the sentence begins; NULL: accepted */
};

static const struct sample samples[] = {
	{"{\"name\":\"" TWO_HUNDRED "\"" REST, NULL},
	{"{\"name\":\"" TWO_HUNDRED "a\"" REST, "name must"},
	{"{\"name\":\"\"" REST, "name must"},
	{"{\"name\":\"   \"" REST, "name must"},
	{"{\"name\":\"(!)\"" REST, "name must"},
	{"{\"name\":\"\\ud83c\\udf4e\"" REST, "name must"},
	{"{\"name\":\"a\\nb\"" REST, "name must"},
	{"{\"name\":\"a\\u0085b\"" REST, "name must"},
	{"{\"name\":\"a\\u202eb\"" REST, "name must"},
	{"{\"name\":\"a\\u007fb\"" REST, "name must"},
	{"{\"name\":\"a\xff\"" REST, "name must"},
	{"{\"name\":\"a\xc0\xaf\"" REST, "name must"},
	{"{\"name\":\"a\xe0\x80\xaf\"" REST, "name must"},
	{"{\"name\":\"a\xed\xa0\x80\"" REST, "name must"},
	{"{\"name\":\"a\\u0000b\"" REST, "a product must not contain NUL"},
	{"{\"name\":\"a\\\\u0000b\"" REST, NULL},
	{"{\"name\":5" REST, "name must"},
	{"{\"name\":null" REST, "name must"},
	{"{\"Name\":\"a\"" REST, "unknown field Name"},
	{"{\"name\":\"a\",\"colour\":1" REST, "unknown field colour"},
	{"{\"name\":\"a\",\"co\\nlour\":1" REST, "unknown field with an unusual name"},
	{"{\"name\":\"a\",\"name\":\"b\"" REST, "name is given twice"},
	{"{\"name\":\"a\",\"price\":\"1\"}", "currency is missing"},
	{"{\"name\":\"a\",\"currency\":\"NGN\"}", "price is missing"},
	{"{\"price\":\"1\",\"currency\":\"NGN\"}", "name is missing"},
	{"{\"id\":\"-a\",\"name\":\"a\"" REST, "id must"},
	{"{\"id\":\"\",\"name\":\"a\"" REST, "id must"},
	{"{\"id\":\"a/b\",\"name\":\"a\"" REST, "id must"},
	{"{\"id\":\"" FIFTY TEN "aaaa\",\"name\":\"a\"" REST, NULL},
	{"{\"id\":\"" FIFTY TEN "aaaaa\",\"name\":\"a\"" REST, "id must"},
	{"{\"id\":null,\"name\":\"a\"" REST, NULL},
	{"{\"name\":\"a\",\"price\":450000,\"currency\":\"NGN\"}", NULL},
	{"{\"name\":\"a\",\"price\":12.5,\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":-1,\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":1e12,\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":1e400,\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":\"12.50\",\"currency\":\"NGN\"}", NULL},
	{"{\"name\":\"a\",\"price\":\"12.505\",\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":\"12.\",\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":\".5\",\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":\"1,000\",\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":\"999999999999.99\",\"currency\":\"NGN\"}", NULL},
	{"{\"name\":\"a\",\"price\":\"1000000000000\",\"currency\":\"NGN\"}", "price must"},
	{"{\"name\":\"a\",\"price\":\"1\",\"currency\":\"ngn\"}", "currency must"},
	{"{\"name\":\"a\",\"price\":\"1\",\"currency\":\"NGNN\"}", "currency must"},
	{"{\"name\":\"a\",\"stock\":0" REST, NULL},
	{"{\"name\":\"a\",\"stock\":1000000000" REST, NULL},
	{"{\"name\":\"a\",\"stock\":1000000001" REST, "stock must"},
	{"{\"name\":\"a\",\"stock\":-1" REST, "stock must"},
	{"{\"name\":\"a\",\"stock\":1.5" REST, "stock must"},
	{"{\"name\":\"a\",\"stock\":\"5\"" REST, "stock must"},
	{"{\"name\":\"a\",\"stock\":true" REST, "stock must"},
	{"{\"name\":\"a\",\"unit\":\"" TEN TEN TEN "aa\"" REST, NULL},
	{"{\"name\":\"a\",\"unit\":\"" TEN TEN TEN "aaa\"" REST, "unit must"},
	{"{\"name\":\"a\",\"unit\":\"k\\tg\"" REST, "unit must"},
	{"{\"name\":\"a\",\"aliases\":\"b\"" REST, "aliases must"},
	{"{\"name\":\"a\",\"aliases\":[1]" REST, "aliases must"},
	{"{\"name\":\"a\",\"aliases\":[\"\"]" REST, "aliases must"},
	{"{\"name\":\"a\",\"aliases\":[\"x\\ny\"]" REST, "aliases must"},
	{"{\"name\":\"a\",\"aliases\":[]" REST, NULL},
	{"{\"name\":\"a\",\"aliases\":[" FOUR_LONG "]" REST, NULL},
	{"{\"name\":\"a\",\"aliases\":[" FOUR_LONG ",\"" TWO_HUNDRED "\"]" REST, "aliases must"},
	{"{\"name\":\"a\",\"aliases\":[" TWENTY "]" REST, NULL},
	{"{\"name\":\"a\",\"aliases\":[" TWENTY ",\"21\"]" REST, "aliases must"},
	{"[]", "a product must be one JSON object"},
	{"", "a product must be one JSON object"},
	{"{", "a product must be one JSON object"},
	{"null", "a product must be one JSON object"},
	{"{\"name\":\"a\"" REST "x", "a product must be one JSON object"},
	{"{\"name\":\"a\"" REST "{}", "a product must be one JSON object"},
};

static void rules(void **state)
{
	struct store_product p;
	char why[200];
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		const char *want = samples[i].why;
		bool ok = parse(samples[i].json, &p, why, sizeof(why));

		if (ok == (want == NULL) && (ok || strncmp(why, want, strlen(want)) == 0))
			continue;
		print_error("%s\n  want %s\n  got  %s %s\n", samples[i].json, want == NULL ? "accepted" : want,
			ok ? "yes" : "no", why);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void nul_byte(void **state)
{
	static const char json[] = "{\"name\":\"a\0b\"" REST;
	struct store_product p;
	char why[200];

	(void)state;
	assert_false(reply_product_from_json(json, sizeof(json) - 1, &p, why, sizeof(why)));
	assert_non_null(strstr(why, "NUL"));
}

static void short_why(void **state)
{
	struct store_product p;
	char why[8];

	(void)state;
	assert_false(parse("{\"name\":\"a\",\"a-long-field-name\":1}", &p, why, sizeof(why)));
	assert_string_equal(why, "unknown");
}

static void any_bytes(void **state)
{
	uint32_t seed = 7;
	struct store_product p;
	char json[4000], why[100];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t len;

		snprintf(json, sizeof(json), "%s",
			samples[fake_random(&seed) % (sizeof(samples) / sizeof(samples[0]))].json);
		len = strlen(json);
		for (unsigned n = fake_random(&seed) % 6; n > 0 && len > 0; n--)
			json[fake_random(&seed) % len] = (char)fake_random(&seed);
		if (len > 0 && fake_random(&seed) % 4 == 0)
			len = fake_random(&seed) % len;
		json[len] = 0;
		if (parse(json, &p, why, sizeof(why))) {
			assert_true(p.name[0] != 0 && p.name_key[0] != 0 && p.price[0] != 0 && strlen(p.currency) == 3);
			assert_true(p.stock >= -1 && p.stock <= 1000000000);
		} else if (strlen(json) == len) {
			assert_true(why[0] != 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_product),
		cmocka_unit_test(keys),
		cmocka_unit_test(rules),
		cmocka_unit_test(nul_byte),
		cmocka_unit_test(short_why),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
