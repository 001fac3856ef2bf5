/*
 * Goal of this test: whoever starts roles never waits for one that runs: not for the rest of
 * a word, and not for a role that reads no answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>
#include <sys/socket.h>

#include "gateway/role.h"

static const uint8_t asked[] = {0, 0, 0, 0, 4};

static struct role_process role_new(int *its_end)
{
	int link[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, link), 0);
	*its_end = link[1];
	return (struct role_process){1, link[0]};
}

static void half_a_word_is_none(void **state)
{
	int its_end;

	(void)state;
	for (size_t len = 0; len < sizeof(asked); len++) {
		struct role_process p = role_new(&its_end);

		assert_int_equal(write(its_end, asked, len), len);
		assert_false(role_asks_for_key(&p));
		assert_int_equal(p.link, -1);
		(void)close(its_end);
	}
}

static void who_reads_no_answers_is_not_waited_for(void **state)
{
	int its_end;
	struct role_process p = role_new(&its_end);

	(void)state;
	while (p.link >= 0) {
		assert_int_equal(write(its_end, asked, sizeof(asked)), sizeof(asked));
		assert_true(role_asks_for_key(&p));
		role_answer_key(&p, "the key file is not taken");
	}
	(void)close(its_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(half_a_word_is_none), cmocka_unit_test(who_reads_no_answers_is_not_waited_for)};

	(void)alarm(20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
