/*
 * Goal of this test: a pasted value is known for what it is, and nothing is taken for a
 * kind that it is not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gateway/settings/paste.h"

static void test_kinds(void **state)
{
	static const struct {
		const char *value;
		enum paste kind;
	} samples[] = {{"", PASTE_NOTHING}, {"EAAGm0PX4ZCpsBAKZBzzzz", PASTE_TOKEN}, {"EAAshort", PASTE_OTHER},
		{"eaagm0px4zcpsbakzbzzzz", PASTE_OTHER}, {"0123456789abcdef0123456789ABCDEF", PASTE_SECRET},
		{"01234567890123456789012345678901", PASTE_SECRET}, {"0123456789abcdef0123456789abcde", PASTE_OTHER},
		{"0123456789abcdef0123456789abcdefg", PASTE_OTHER}, {"106540352242922", PASTE_ID}, {"7", PASTE_ID},
		{"+234 801 234 5678", PASTE_PHONE}, {"(0801) 234-5678", PASTE_PHONE}, {"+2348012345678", PASTE_PHONE},
		{"+1 2", PASTE_OTHER}, {"12345_sandbox", PASTE_OTHER}, {"Kd9a_AK", PASTE_OTHER},
		{"\xe2\x80\x9c"
		 "106540352242922",
			PASTE_OTHER}};

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
		assert_int_equal(paste_kind(samples[i].value), samples[i].kind);
}

static void test_words(void **state)
{
	(void)state;
	for (enum paste kind = PASTE_NOTHING; kind < PASTES; kind++)
		assert_non_null(paste_name(kind));
	assert_null(paste_looks(PASTE_NOTHING));
	assert_null(paste_looks(PASTE_OTHER));
	assert_non_null(paste_looks(PASTE_TOKEN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_kinds), cmocka_unit_test(test_words)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
