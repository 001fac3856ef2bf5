/*
 * What comes from strangers stays text: in an element, in an attribute, whatever bytes it is made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/settings/html.h"

#define FFFD "\xef\xbf\xbd"

static void text_is_escaped(void **state)
{
	static const struct {
		const char *text, *html;
	} rows[] = {
		{"plain", "plain"},
		{"", ""},
		{"<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
		{"\" onload='x' &amp;", "&quot; onload=&#39;x&#39; &amp;amp;"},
		{"\xe2\x82\xa6"
		 "450,000 \xd8\xb3 \xf0\x9f\x9b\x8d",
			"\xe2\x82\xa6"
			"450,000 \xd8\xb3 \xf0\x9f\x9b\x8d"},
		{"line\nline\ttab\r\n", "line\nline\ttab\r\n"},
		{"\x01\x1b[31m\x7f", FFFD FFFD "[31m" FFFD},
		/* no UTF-8: cut short, overlong, a surrogate, too high, a continuation alone */
		{"a\xe2\x82", "a" FFFD FFFD},
		{"\xc0\xbc", FFFD FFFD},
		{"\xed\xa0\x80", FFFD FFFD FFFD},
		{"\xf5\x80\x80\x80", FFFD FFFD FFFD FFFD},
		{"\x80<", FFFD "&lt;"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct html h = {0};

		html_put(&h, "<p title=\"%s\">%s</p>", rows[i].text, rows[i].text);
		assert_false(h.failed);
		assert_int_equal(h.len, strlen("<p title=\"\"></p>") + 2 * strlen(rows[i].html));
		assert_memory_equal(h.data + strlen("<p title=\""), rows[i].html, strlen(rows[i].html));
		assert_memory_equal(
			h.data + strlen("<p title=\"\">") + strlen(rows[i].html), rows[i].html, strlen(rows[i].html));
		html_clear(&h);
	}
}

static void what_is_put_in_is_not_read_as_a_format(void **state)
{
	struct html h = {0};
	const char *volatile none = NULL;

	(void)state;
	html_put(&h, "%s|%d|%u|%zu|%lld|%%|%s", "%s%n", -1, 4000000000u, (size_t)7, -9223372036854775807LL, none);
	assert_string_equal(h.data, "%s%n|-1|4000000000|7|-9223372036854775807|%|");
	html_clear(&h);
	assert_null(h.data);
}

static void it_grows(void **state)
{
	struct html h = {0};
	char text[5001];

	(void)state;
	memset(text, '<', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (int i = 0; i < 50; i++)
		html_put(&h, "%s", text);
	assert_int_equal(h.len, 50 * 4 * 5000);
	assert_int_equal(strlen(h.data), h.len);
	html_clear(&h);
}

static void times(void **state)
{
	struct html h = {0};

	(void)state;
	html_time(&h, 0);
	html_time(&h, 1795719600000);
	assert_string_equal(h.data, "never<time datetime=\"2026-11-26T19:00:00Z\">2026-11-26 19:00 UTC</time>");
	html_clear(&h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_escaped),
		cmocka_unit_test(what_is_put_in_is_not_read_as_a_format),
		cmocka_unit_test(it_grows),
		cmocka_unit_test(times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
