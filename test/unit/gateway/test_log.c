/*
 * Goal of this test: a log line is one line and plain text, whatever words of strangers it quotes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/log.h"

/* What comes after time, level and role. */
static void logged(const char *text, char *out, size_t room)
{
	int ends[2], before = dup(STDERR_FILENO);
	char line[2048];
	ssize_t n;
	const char *at;

	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_info("%s", text);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	(void)close(before);
	(void)close(ends[1]);
	n = read(ends[0], line, sizeof(line) - 1);
	(void)close(ends[0]);
	assert_true(n > 0 && line[n - 1] == '\n');
	line[n - 1] = '\0';
	assert_null(strchr(line, '\n'));
	at = strstr(line, " test ");
	assert_non_null(at);
	assert_true(strlen(at + 6) < room);
	memcpy(out, at + 6, strlen(at + 6) + 1);
}

static void test_nothing_hides_in_a_line(void **state)
{
	char out[2048], many[4096];

	(void)state;
	log_init("test", LOG_INFO);
	logged("M\xc3\xbcnchen \xe2\x82\xac 5", out, sizeof(out));
	assert_string_equal(out, "M\xc3\xbcnchen \xe2\x82\xac 5");
	logged("a\n\x1b[2J\x7f|\xc2\x9b|\xe2\x80\xae|\xe2\x81\xa6z", out, sizeof(out));
	assert_string_equal(out, "a\\x0a\\x1b[2J\\x7f|\\xc2\\x9b|\\xe2\\x80\\xae|\\xe2\\x81\\xa6z");
	for (size_t len = sizeof(many) - 1; len > 0; len /= 2) {
		memset(many, '\x1b', len);
		many[len] = '\0';
		logged(many, out, sizeof(out));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_hides_in_a_line)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
