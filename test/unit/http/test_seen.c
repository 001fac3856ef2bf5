/*
 * Goal of this test: nothing of one request is ever seen by another connection. What malformed requests are answered
 * holds no byte of what others said before. test_unmended.c shows that the search can find.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "test/unit/http/seen.h"

static void nobody_sees_what_others_said(void **state)
{
	unsigned accepted;

	(void)state;
	assert_int_equal(seen_by_others(&accepted), 0);
	assert_int_equal(accepted, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(nobody_sees_what_others_said)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
