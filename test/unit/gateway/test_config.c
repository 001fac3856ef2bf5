/*
 * Settings: precedence, rules, and sentences that name key and source.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config.h"

static struct config config;
static char why[512];

/* Loads with these words after the program's name; words that are left stay in *argc, argv. */
static bool load(int *argc, char **argv)
{
	why[0] = '\0';
	return config_load(&config, argc, argv, why, sizeof(why));
}

#define LOAD(...)                                                                                                      \
	char *argv[] = {(char *)"keyhouse", __VA_ARGS__, NULL};                                                        \
	int argc = (int)(sizeof(argv) / sizeof(argv[0])) - 1;                                                          \
	bool ok = load(&argc, argv)

static void defaults(void **state)
{
	(void)state;
	char *argv[] = {(char *)"keyhouse", NULL};
	int argc = 1;

	assert_true(load(&argc, argv));
	assert_string_equal(config_get(&config, CONFIG_LISTEN), "127.0.0.1:8080");
	assert_string_equal(config_get(&config, CONFIG_PUBLIC_URL), "http://127.0.0.1:8080");
	assert_string_equal(config_get(&config, CONFIG_MASTER_KEY_FILE), "./keyhouse-data/master.key");
	assert_int_equal(config_number(&config, CONFIG_RETENTION_DAYS), 30);
	assert_string_equal(config_get(&config, CONFIG_D360_SANDBOX_URL), "https://waba-sandbox.360dialog.io");
}

static void flag_beats_environment_beats_file(void **state)
{
	char dir[] = "/tmp/kh-config-XXXXXX", path[64];
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/keyhouse.conf", dir);
	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs(
		"# comment\n\nretention_days = 5   # default\nlisten=127.0.0.1:1\n meta_api_version =  v25.0 \n", f);
	(void)fclose(f);
	(void)setenv("KEYHOUSE_LISTEN", "127.0.0.1:2", 1);
	(void)setenv("KEYHOUSE_META_API_VERSION", "v24.0", 1);
	{
		LOAD((char *)"serve", (char *)"--data-dir", dir, (char *)"--meta-api-version=v23.0", (char *)"left");
		assert_true(ok);
		assert_int_equal(argc, 3);
		assert_string_equal(argv[1], "serve");
		assert_string_equal(argv[2], "left");
	}
	(void)unsetenv("KEYHOUSE_LISTEN");
	(void)unsetenv("KEYHOUSE_META_API_VERSION");
	assert_string_equal(config_get(&config, CONFIG_RETENTION_DAYS), "5");
	assert_string_equal(config_get(&config, CONFIG_LISTEN), "127.0.0.1:2");
	assert_string_equal(config_get(&config, CONFIG_META_API_VERSION), "v23.0");
	(void)unlink(path);
	(void)rmdir(dir);
}

/* A name that is none is said; what cannot be part of one is not: it may be a key that was pasted there. */
static void an_unknown_name_is_said(void **state)
{
	char path[] = "/tmp/kh-config-XXXXXX", flag[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "\npublicurl = x\n", 15), 15);
	(void)snprintf(flag, sizeof(flag), "--config=%s", path);
	{
		LOAD(flag);
		assert_false(ok);
	}
	assert_non_null(strstr(why, "line 2: no such setting: publicurl"));
	assert_int_equal(pwrite(fd, "\nEAAGsecret = x\n", 16, 0), 16);
	{
		LOAD(flag);
		assert_false(ok);
	}
	assert_null(strstr(why, "secret"));
	(void)close(fd);
	(void)unlink(path);
}

static void refused(const char *flag, const char *names)
{
	LOAD((char *)(uintptr_t)flag);
	if (ok)
		fail_msg("%s was accepted", flag);
	if (strstr(why, names) == NULL)
		fail_msg("%s: the sentence does not name it: %s", flag, why);
}

static void accepted(const char *flag)
{
	LOAD((char *)(uintptr_t)flag);
	if (!ok)
		fail_msg("%s was refused: %s", flag, why);
}

static void rules(void **state)
{
	static const char *const bad[][2] = {{"--listen=", "listen"}, {"--listen=8080", "listen"},
		{"--listen=1.2.3.4:0", "listen"}, {"--listen=1.2.3.4:65536", "listen"}, {"--listen=::1:80", "listen"},
		{"--listen=localhost:80", "listen"}, {"--public-url=ftp://x", "public_url"},
		{"--public-url=https://x/", "public_url"}, {"--public-url=https://u@x", "public_url"},
		{"--meta-api-url=http://graph.facebook.com", "meta_api_url"},
		{"--meta-api-url=http://127.0.0.1.evil.example", "meta_api_url"},
		{"--meta-api-url=http://localhost.evil.example", "meta_api_url"},
		{"--d360-sandbox-url=http://waba-sandbox.360dialog.io", "d360_sandbox_url"},
		{"--meta-api-version=26", "meta_api_version"}, {"--meta-api-version=v26", "meta_api_version"},
		{"--meta-api-version=v26.0/..", "meta_api_version"}, {"--retention-days=0", "retention_days"},
		{"--retention-days=9999", "retention_days"}, {"--retention-days=-1", "retention_days"},
		{"--listen-tls=127.0.0.1:8443", "tls_cert"}, {"--config=/nonexistent/file", "/nonexistent/file"},
		{"--responder-allow=127.0.0.1", "responder_allow"},
		{"--responder-allow=127.0.0.1:0", "responder_allow"},
		{"--responder-allow=http://127.0.0.1:9", "responder_allow"},
		{"--responder-allow=a:1, :2", "responder_allow"}, {"--responder-allow=u@a:1", "responder_allow"},
		{"--responder-timeout=0", "responder_timeout"}, {"--responder-timeout=61", "responder_timeout"},
		{"--data-dir=", "data_dir"}};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused(bad[i][0], bad[i][1]);
	accepted("--listen=127.0.0.1:1, [::1]:2,0.0.0.0:3");
	accepted("--responder-allow=");
	accepted("--responder-allow=127.0.0.1:9000, [::1]:9,bot.internal:8443");
	accepted("--meta-api-url=http://127.0.0.1:9000");
	accepted("--meta-api-url=http://[::1]:9000");
	accepted("--meta-api-url=http://localhost:9000/base");
	accepted("--d360-sandbox-url=http://localhost:9000/base");
	accepted("--public-url=https://keys.example.com");
}

static void addresses(void **state)
{
	struct config_address list[CONFIG_ADDRESSES_MAX];

	(void)state;
	assert_int_equal(config_addresses("127.0.0.1:80,[::1]:443", list), 2);
	assert_false(list[0].ipv6);
	assert_int_equal(list[0].port, 80);
	assert_true(list[1].ipv6);
	assert_int_equal(list[1].bytes[15], 1);
	assert_int_equal(list[1].port, 443);
	assert_int_equal(config_addresses("", list), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(defaults),
		cmocka_unit_test(flag_beats_environment_beats_file), cmocka_unit_test(an_unknown_name_is_said),
		cmocka_unit_test(rules), cmocka_unit_test(addresses)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
