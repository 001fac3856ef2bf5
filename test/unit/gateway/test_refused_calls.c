/*
 * Refused calls: each reason has its word and sentence, no part of a stranger's path is shown,
 * alike ones take one place, strangers no more than half of them, and the log hears of one a second.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "gateway/log.h"
#include "gateway/refused_calls.h"

static void test_every_reason_has_its_words(void **state)
{
	(void)state;
	for (unsigned i = 1; i < REFUSED_WHYS; i++) {
		const enum refused_why why = (enum refused_why)i;
		const char *code = refused_code(why);

		assert_in_range(strlen(code), 4, STORE_KEY_WHY_LEN);
		assert_int_equal(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
		assert_int_equal(refused_why(code), why);
		assert_true(strlen(refused_words(why)) > 40);
		assert_int_equal(refused_words(why)[strlen(refused_words(why)) - 1], '.');
	}
	assert_string_equal(refused_code(REFUSED_NOT), "");
	assert_int_equal(refused_why(""), REFUSED_NOT);
	assert_int_equal(refused_why("nonsense"), REFUSED_NOT);
}

static void test_paths_without_ids(void **state)
{
	static const struct {
		const char *path, *shown;
	} rows[] = {{"/v26.0/106540352242922/messages", "/v26.0/{id}/messages"},
		{"/v1/configs/templates", "/v1/configs/templates"}, {"/v9.0/me", "/v9.0/{id}"},
		{"/messages?access_token=EAAG", "/messages"}, {"/media#x", "/media"}, {"/", "/"},
		{"//messages", "//messages"}, {"/EAAGsecret", "/{id}"}, {"/v26.0secret/x", "/{id}/{id}"},
		{"/v123.0/", "/{id}/"}, {"/messagesx/message", "/{id}/{id}"}, {"/khv_abc/v1", "/{id}/v1"}, {"*", ""},
		{"", ""}, {"/\x1b[2J", "/{id}"}};
	char out[REFUSED_PATH_LEN + 1], all[2001];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		refused_path(rows[i].path, out);
		assert_string_equal(out, rows[i].shown);
	}
	for (size_t i = 0; i < sizeof(all) - 1; i += 2)
		memcpy(all + i, "/x", 2);
	all[sizeof(all) - 1] = '\0';
	refused_path(all, out);
	assert_int_equal(strlen(out), REFUSED_PATH_LEN);
}

/* By a stranger, or with the key of that id. */
static struct refused_call call(int64_t at, const char *key_id, const char *peer)
{
	struct refused_call c = {.at = at,
		.why = key_id[0] != '\0' ? REFUSED_SCOPE : REFUSED_NO_KEY,
		.method = "POST",
		.path = "/messages"};

	(void)snprintf(c.key_id, sizeof(c.key_id), "%s", key_id);
	(void)snprintf(c.peer, sizeof(c.peer), "%s", peer);
	return c;
}

static void note(struct refused_calls *r, int64_t at, const char *key_id, const char *peer)
{
	const struct refused_call c = call(at, key_id, peer);

	refused_calls_note(r, &c);
}

static struct refused_call listed[REFUSED_CALLS_MAX];

static void test_alike_ones_are_counted(void **state)
{
	struct refused_calls *r = refused_calls_new();
	struct refused_call other = call(30, "", "1.1.1.1");

	(void)state;
	assert_int_equal(refused_calls_list(r, listed), 0);
	note(r, 10, "", "1.1.1.1");
	note(r, 10, "", "2.2.2.2");
	note(r, 20, "", "1.1.1.1");
	assert_int_equal(refused_calls_list(r, listed), 2);
	assert_string_equal(listed[0].peer, "1.1.1.1");
	assert_int_equal(listed[0].count, 2);
	assert_int_equal(listed[0].at, 20);
	assert_int_equal(listed[0].first_at, 10);
	assert_string_equal(listed[1].peer, "2.2.2.2");
	assert_int_equal(listed[1].count, 1);
	/* One difference makes another. */
	other.why = REFUSED_MALFORMED;
	refused_calls_note(r, &other);
	(void)snprintf(other.path, sizeof(other.path), "/media");
	refused_calls_note(r, &other);
	(void)snprintf(other.method, sizeof(other.method), "GET");
	refused_calls_note(r, &other);
	(void)snprintf(other.last4, sizeof(other.last4), "abcd");
	refused_calls_note(r, &other);
	(void)snprintf(other.key_id, sizeof(other.key_id), "k");
	refused_calls_note(r, &other);
	assert_int_equal(refused_calls_list(r, listed), 7);
	refused_calls_free(r);
}

static unsigned count_of(size_t len, bool strangers)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += (listed[i].key_id[0] == '\0') == strangers;
	return n;
}

static void test_the_newest_are_kept(void **state)
{
	struct refused_calls *r = refused_calls_new();
	char peer[46], id[STORE_ID_LEN + 1];
	size_t len;

	(void)state;
	for (int i = 0; i < 150; i++) {
		(void)snprintf(id, sizeof(id), "k%d", i);
		note(r, 1000 + i, id, "1.1.1.1");
	}
	/* A flood of strangers, each from an address of his own. */
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(peer, sizeof(peer), "::%x", i);
		note(r, 2000 + i, "", peer);
	}
	len = refused_calls_list(r, listed);
	assert_int_equal(len, REFUSED_CALLS_MAX);
	assert_int_equal(count_of(len, true), REFUSED_CALLS_MAX / 2);
	assert_int_equal(count_of(len, false), REFUSED_CALLS_MAX / 2);
	for (size_t i = 0; i < 100; i++) {
		(void)snprintf(peer, sizeof(peer), "::%x", 999 - (unsigned)i);
		assert_string_equal(listed[i].peer, peer);
		(void)snprintf(id, sizeof(id), "k%d", 149 - (int)i);
		assert_string_equal(listed[100 + i].key_id, id);
	}
	/* Keys of ours have all places, if they come. */
	for (int i = 0; i < 300; i++) {
		(void)snprintf(id, sizeof(id), "n%d", i);
		note(r, 4000, id, "1.1.1.1");
	}
	len = refused_calls_list(r, listed);
	assert_int_equal(count_of(len, false), REFUSED_CALLS_MAX);
	assert_string_equal(listed[0].key_id, "n299");
	assert_string_equal(listed[199].key_id, "n100");
	refused_calls_free(r);
}

/* What goes to the log while these are noted. */
static void test_the_log_hears_of_one_a_second(void **state)
{
	struct refused_calls *r = refused_calls_new();
	struct refused_call c = call(0, "key", "1.1.1.1");
	char text[4096] = "";
	const int kept = dup(STDERR_FILENO);
	FILE *log = tmpfile();
	size_t len;

	(void)state;
	assert_non_null(log);
	(void)snprintf(c.business_id, sizeof(c.business_id), "shop");
	log_init("test", LOG_INFO);
	assert_true(dup2(fileno(log), STDERR_FILENO) >= 0);
	for (c.at = 5000; c.at < 6000; c.at += 10)
		refused_calls_note(r, &c);
	for (int i = 0; i < 50; i++)
		note(r, 6000, "", "1.1.1.1");
	c.at = 1; /* the clock was set back */
	refused_calls_note(r, &c);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	rewind(log);
	len = fread(text, 1, sizeof(text) - 1, log);
	text[len] = '\0';
	assert_non_null(strstr(text, "call refused why=scope_not_given business=shop key=key more_before=0\n"));
	assert_non_null(strstr(text, "call refused why=no_key business=- key=- more_before=99\n"));
	assert_non_null(strstr(text, "call refused why=scope_not_given business=shop key=key more_before=49\n"));
	assert_null(strstr(text, "1.1.1.1"));
	for (len = 0; strchr(text, '\n') != NULL; len++)
		memmove(text, strchr(text, '\n') + 1, strlen(strchr(text, '\n')));
	assert_int_equal(len, 3);
	(void)close(kept);
	(void)fclose(log);
	refused_calls_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_reason_has_its_words),
		cmocka_unit_test(test_paths_without_ids),
		cmocka_unit_test(test_alike_ones_are_counted),
		cmocka_unit_test(test_the_newest_are_kept),
		cmocka_unit_test(test_the_log_hears_of_one_a_second),
	};

	log_init("test", LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
