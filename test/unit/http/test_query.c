/* Goal of this test: one parameter comes out of a query exactly as it was meant, or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/http.h"

static void finds_and_decodes(void **state)
{
	static const struct {
		const char *query, *name, *value;
	} rows[] = {
		{"a=1&b=%20x", "b", " x"},
		{"a=1&b=2&b=3", "b", "2"},
		{"hub.mode=subscribe", "hub.mode", "subscribe"},
		{"hub%2Emode=s", "hub.mode", "s"},
		{"a", "a", ""},
		{"a=", "a", ""},
		{"&&a=b", "a", "b"},
		{"a=b=c", "a", "b=c"},
		{"a=1+2", "a", "1 2"},
		{"a=%2B", "a", "+"},
		{"a=%25%32%30", "a", "%20"},
		{"%zz=1&a=2", "a", "2"},
		{"ab=1&a=2", "a", "2"},
		{"a=1234567", "a", "1234567"},
	};
	char buf[8];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char large[64];

		assert_int_equal(http_query_get(rows[i].query, rows[i].name, large, sizeof(large)), HTTP_OK);
		assert_string_equal(large, rows[i].value);
	}
	assert_int_equal(http_query_get("a=1234567", "a", buf, sizeof(buf)), HTTP_OK);
}

static void says_what_is_wrong(void **state)
{
	char buf[8];

	(void)state;
	assert_int_equal(http_query_get(NULL, "a", buf, sizeof(buf)), HTTP_NO_SUCH_PARAM);
	assert_int_equal(http_query_get("", "a", buf, sizeof(buf)), HTTP_NO_SUCH_PARAM);
	assert_int_equal(http_query_get("A=1", "a", buf, sizeof(buf)), HTTP_NO_SUCH_PARAM);
	assert_int_equal(http_query_get("a=12345678", "a", buf, sizeof(buf)), HTTP_BAD_QUERY);
	assert_int_equal(http_query_get("a=%", "a", buf, sizeof(buf)), HTTP_BAD_QUERY);
	assert_int_equal(http_query_get("a=%4", "a", buf, sizeof(buf)), HTTP_BAD_QUERY);
	assert_int_equal(http_query_get("a=%4&b=1", "a", buf, sizeof(buf)), HTTP_BAD_QUERY);
	assert_int_equal(http_query_get("a=%g0", "a", buf, sizeof(buf)), HTTP_BAD_QUERY);
	assert_int_equal(http_query_get("a=x%00y", "a", buf, sizeof(buf)), HTTP_BAD_QUERY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_and_decodes),
		cmocka_unit_test(says_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
