/*
 * Goal of this test: memory for secrets that could not be locked is noticed, and
 * the secret is there all the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vault/vault.h"

/* The sanitizers make locking memory do nothing, and say that it worked. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define NOBODY 65534u
enum { LOCKED, UNLOCKED, BROKEN };

/* In a child: a limit of this many bytes, and no right to pass it. */
static int with_limit(rlim_t bytes)
{
	const struct rlimit limit = {bytes, bytes};
	struct secret *s;
	bool whole;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 || (geteuid() == 0 && setresuid(NOBODY, NOBODY, NOBODY) != 0))
		return BROKEN;
	s = secret_new("key", 3);
	whole = s != NULL && memcmp(secret_bytes(s), "key", 4) == 0;
	secret_free(s);
	if (!whole)
		return BROKEN;
	return vault_memory_locked() ? LOCKED : UNLOCKED;
}

static int in_child(rlim_t bytes)
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(with_limit(bytes));
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_enough(void **state)
{
	struct rlimit now;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &now), 0);
	if (now.rlim_max < VAULT_LOCKED_LEN) {
		(void)fprintf(stderr, "skipped: hardly any memory may be locked here\n");
		skip();
	}
	assert_int_equal(in_child(VAULT_LOCKED_LEN), LOCKED);
}

static void test_none(void **state)
{
	(void)state;
	if (SANITIZED)
		skip();
	assert_int_equal(in_child(0), UNLOCKED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_enough), cmocka_unit_test(test_none)};

	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
