/*
 * Goal of this test: every finding has a name of its own that the API's description knows, and words for both providers;
 * what a provider's code says is found.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/finding.h"

extern const char api_openapi[];

static bool is_sentence(const char *text)
{
	const size_t len = text != NULL ? strlen(text) : 0;

	return len > 10 && !(text[0] >= 'a' && text[0] <= 'z') && text[len - 1] == '.';
}

static void every_finding_has_its_words(void **state)
{
	(void)state;
	for (enum finding f = FINDING_KEY_REFUSED; f <= FINDING_LAST; f++) {
		const struct finding_words *w = finding_words(f);

		assert_non_null(w->name);
		assert_int_equal(strspn(w->name, "abcdefghijklmnopqrstuvwxyz_"), strlen(w->name));
		assert_non_null(strstr(api_openapi, w->name));
		assert_true(strlen(w->title) > 3);
		assert_true(is_sentence(w->cause));
		assert_true(is_sentence(w->remedy_meta));
		assert_true(is_sentence(w->remedy_d360));
		assert_ptr_equal(finding_remedy(f, STORE_META), w->remedy_meta);
		assert_ptr_equal(finding_remedy(f, STORE_360DIALOG), w->remedy_d360);
		for (enum finding g = FINDING_KEY_REFUSED; g < f; g++)
			assert_string_not_equal(finding_words(g)->name, w->name);
	}
}

static void bits_are_apart(void **state)
{
	(void)state;
	assert_true(FINDING_LAST < 63);
	assert_int_equal(FINDING_BIT(FINDING_KEY_REFUSED) & FINDING_BIT(FINDING_APP_SECRET_WRONG), 0);
}

/* facts/meta.md 3, facts/360dialog.md 4 */
static void codes_and_words_are_understood(void **state)
{
	static const struct {
		int32_t code;
		enum finding finding;
	} rows[] = {{131042, FINDING_UNPAID}, {131047, FINDING_WINDOW_CLOSED}, {132015, FINDING_TEMPLATE_PAUSED},
		{132016, FINDING_TEMPLATE_PAUSED}, {133010, FINDING_NUMBER_NOT_REGISTERED},
		{131048, FINDING_QUALITY_BLOCKED}, {368, FINDING_NUMBER_BLOCKED}, {10, FINDING_PERMISSION_MISSING},
		{200, FINDING_PERMISSION_MISSING}, {299, FINDING_PERMISSION_MISSING}, {131026, FINDING_NONE},
		{190, FINDING_NONE}, {0, FINDING_NONE}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(finding_of_code(rows[i].code), rows[i].finding);
	assert_true(finding_is_unpaid("Could not send message due to Lack of Payment"));
	assert_true(finding_is_unpaid("overdue invoices"));
	assert_false(finding_is_unpaid("rate limit exceeded"));
	assert_false(finding_is_unpaid(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_finding_has_its_words),
		cmocka_unit_test(bits_are_apart), cmocka_unit_test(codes_and_words_are_understood)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
