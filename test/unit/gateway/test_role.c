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
	return (struct role_process){.pid = 1, .link = link[0]};
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

/* READY, a byte at a time; and FAILED with a sentence. */
static void a_start_is_heard_word_by_word(void **state)
{
	static const uint8_t ready[] = {0, 0, 0, 0, 2}, failed[] = {0, 0, 0, 8, 3, 0, 0, 0, 4, 'w', 'h', 'y', 0};
	char said[16] = "";
	int its_end;
	struct role_process p = role_new(&its_end);

	(void)state;
	assert_int_equal(role_wait(&p, 0, said, sizeof(said)), ROLE_SAID_NOTHING);
	for (size_t i = 0; i < sizeof(ready); i++) {
		assert_int_equal(write(its_end, &ready[i], 1), 1);
		assert_int_equal(role_wait(&p, 1000, said, sizeof(said)),
			i + 1 < sizeof(ready) ? ROLE_SAID_NOTHING : ROLE_SAID_READY);
	}
	for (size_t i = 0; i < sizeof(failed); i++) {
		assert_int_equal(write(its_end, &failed[i], 1), 1);
		assert_int_equal(role_wait(&p, 1000, said, sizeof(said)),
			i + 1 < sizeof(failed) ? ROLE_SAID_NOTHING : ROLE_SAID_FAILED);
	}
	assert_string_equal(said, "why");
	(void)close(its_end);
	assert_int_equal(role_wait(&p, 1000, said, sizeof(said)), ROLE_GONE);
	role_close(&p);
}

static void a_role_that_dies_or_talks_nonsense_is_gone(void **state)
{
	static const uint8_t half[] = {0, 0, 0, 8, 3, 0}, unknown[] = {0, 0, 0, 0, 9}, endless[] = {0x7f, 0, 0, 0, 3};
	static const struct {
		const uint8_t *bytes;
		size_t len;
		bool dies;
	} cases[] = {{half, sizeof(half), true}, {unknown, sizeof(unknown), false}, {endless, sizeof(endless), false}};
	char said[16] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int its_end;
		struct role_process p = role_new(&its_end);

		assert_int_equal(write(its_end, cases[i].bytes, cases[i].len), cases[i].len);
		if (cases[i].dies)
			(void)close(its_end);
		assert_int_equal(role_wait(&p, 1000, said, sizeof(said)), ROLE_GONE);
		if (!cases[i].dies)
			(void)close(its_end);
		role_close(&p);
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
	const struct CMUnitTest tests[] = {cmocka_unit_test(half_a_word_is_none),
		cmocka_unit_test(a_start_is_heard_word_by_word),
		cmocka_unit_test(a_role_that_dies_or_talks_nonsense_is_gone),
		cmocka_unit_test(who_reads_no_answers_is_not_waited_for)};

	(void)alarm(20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
