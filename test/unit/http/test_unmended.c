/*
 * Goal of this test: that of test_seen.c is able to fail. Here the server is without three of its mends: the check of a
 * head before it is parsed, the parsing of received bytes alone (undone in the source by test.mk), and the wiping.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/internal.h"

#define http_head_valid(head, len) ((void)(head), (void)(len), true)
#define explicit_bzero(at, len) ((void)(at), (void)(len))
#include "gateway/http/engine.c"
#undef explicit_bzero
#undef http_head_valid

#include "test/unit/http/seen.h"

static void others_see_what_is_left(void **state)
{
	unsigned accepted;

	(void)state;
	assert_true(seen_by_others(&accepted) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(others_see_what_is_left)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
