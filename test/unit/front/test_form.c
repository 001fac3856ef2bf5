/*
 * Goal of this test: a form of parts passes as clients write it, cut anywhere; what names something of ours, or reads one way
 * here and another way elsewhere, does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "gateway/front/parts.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FORM "multipart/form-data; boundary=x"
#define PART(disposition) "--x\r\nContent-Disposition: " disposition "\r\n\r\nvalue\r\n--x--\r\n"
#define NAMED(name) PART("form-data; name=" name)

/* In pieces of so many bytes. */
static enum parts_verdict read_form(const char *type, const char *form, size_t len, size_t piece)
{
	enum parts_verdict verdict;
	struct parts *p = parts_new(type, &verdict);

	if (p == NULL)
		return verdict;
	for (size_t at = 0; at < len; at += piece)
		verdict = parts_feed(p, form + at, len - at < piece ? len - at : piece);
	verdict = parts_end(p);
	parts_free(p);
	return verdict;
}

static void types_name_one_boundary(void **state)
{
	static const char *const good[] = {FORM, "Multipart/Form-Data ;Boundary=x",
		"multipart/form-data; boundary=\"x\"", "multipart/form-data; charset=utf-8; boundary=x",
		"multipart/form-data; boundary=x; charset=utf-8"};
	static const char *const bad[] = {"", "multipart/form-data", "multipart/form-data;",
		"multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
		"multipart/form-data; boundary=\"x", "multipart/form-data; boundary=x,y",
		"multipart/form-data; boundary=x y", "multipart/form-data; boundary=x; boundary=y",
		"multipart/form-data; xboundary=y; boundary=x", "multipart/form-data; a=\"boundary=y\"; boundary=x",
		"multipart/form-databoundary=x", "multipart/form-dataX; boundary=x", "multipart/mixed; boundary=x",
		"multipart/form-data; boundary*=x", "multipart/form-data; boundary =x",
		"multipart/form-data; "
		"boundary=12345678901234567890123456789012345678901234567890123456789012345678901"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (read_form(good[i], NAMED("a"), strlen(NAMED("a")), 1) != PARTS_FINE)
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (read_form(bad[i], NAMED("a"), strlen(NAMED("a")), 1) != PARTS_UNREADABLE)
			fail_msg("passes: %s", bad[i]);
}

static const struct {
	const char *form;
	enum parts_verdict verdict;
} forms[] = {
	/* As clients write them. */
	{"--x\r\nContent-Disposition: form-data; name=\"messaging_product\"\r\n\r\nwhatsapp\r\n"
	 "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b; name=c.pdf\"\r\nContent-Type: "
	 "application/pdf\r\n\r\n%PDF\n--y\r\n-\r\n--\r\n\r--x\r\n--x--\r\n",
		PARTS_FINE},
	{"\r\n" NAMED("file"), PARTS_FINE},
	{PART("Form-Data;NAME=file;filename*=UTF-8''%c3%a4.png;filename=\"\xc3\xa4.png\""), PARTS_FINE},
	{"--x\r\nContent-Type: text/plain\r\ncontent-disposition:form-data; name=a\r\n\r\n\r\n--x--", PARTS_FINE},
	{NAMED("\"a[0]\""), PARTS_FINE},
	{"--x--\r\n", PARTS_FINE},
	/* What is ours to say. */
	{NAMED("access_token"), PARTS_NAMES_OURS},
	{NAMED("\"ACCESS_token\""), PARTS_NAMES_OURS},
	{NAMED("\"access.token\""), PARTS_NAMES_OURS},
	{NAMED("\"access_token[]\""), PARTS_NAMES_OURS},
	{NAMED("\"appsecret_time\""), PARTS_NAMES_OURS},
	{NAMED("\"method\""), PARTS_NAMES_OURS},
	{NAMED("batch"), PARTS_NAMES_OURS},
	{NAMED("fields"), PARTS_NAMES_OURS},
	{PART("form-data; filename=\"x\";name=access_token"), PARTS_NAMES_OURS},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x\r\nContent-Disposition: form-data; "
	 "name=access_token\r\n\r\n2\r\n--x--\r\n",
		PARTS_NAMES_OURS},
	/* What reads in more than one way. */
	{NAMED("'access_token'"), PARTS_UNREADABLE},
	{NAMED("\"access%5Ftoken\""), PARTS_UNREADABLE},
	{NAMED("\" access_token\""), PARTS_UNREADABLE},
	{NAMED("\"a\\ccess_token\""), PARTS_UNREADABLE},
	{NAMED("\"a\" "), PARTS_UNREADABLE},
	{NAMED("a; name=b"), PARTS_UNREADABLE},
	{NAMED("a; name*=utf-8''b"), PARTS_UNREADABLE},
	{NAMED("\"a"), PARTS_UNREADABLE},
	{NAMED("\"\""), PARTS_UNREADABLE},
	{NAMED(""), PARTS_UNREADABLE},
	{PART("form-data; name = \"a\""), PARTS_UNREADABLE},
	{PART("form-data; name"), PARTS_UNREADABLE},
	{PART("form-data; filename=a"), PARTS_UNREADABLE},
	{PART("form-data; filename=\"x\\\"; name=\"access_token\""), PARTS_UNREADABLE},
	{PART("form-data name=a"), PARTS_UNREADABLE},
	{PART("attachment; name=a"), PARTS_UNREADABLE},
	{PART("form-data; name=a\r\nContent-Disposition: form-data; name=b"), PARTS_UNREADABLE},
	{PART("form-data;\r\n name=a"), PARTS_UNREADABLE},
	{PART("form-data; name=a\nX: y"), PARTS_UNREADABLE},
	{PART("form-data; name=a\rX: y"), PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition : form-data; name=a\r\n\r\n\r\n--x--", PARTS_UNREADABLE},
	{"--x\r\nContent-Type: text/plain\r\n\r\n\r\n--x--", PARTS_UNREADABLE},
	{"--x\r\n\r\n\r\n--x--", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n--x--", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\n--x\nContent-Disposition: form-data; "
	 "name=access_token\n\n2\r\n--x--\r\n",
		PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\n--x--\r\n", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x \r\n", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--xy\r\n--x--", PARTS_UNREADABLE},
	{NAMED("a") "--x\r\nContent-Disposition: form-data; name=access_token\r\n\r\n2\r\n--x--", PARTS_UNREADABLE},
	{"y\r\n" NAMED("a"), PARTS_UNREADABLE},
	{"--y\r\n" NAMED("a"), PARTS_UNREADABLE},
	/* What has no end. */
	{"", PARTS_UNREADABLE},
	{"--x", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=access_token\r\n", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue", PARTS_UNREADABLE},
	{"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue\r\n--x", PARTS_UNREADABLE},
};

static void forms_read_in_one_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++)
		for (size_t piece = 1; piece <= 200; piece++) {
			const enum parts_verdict got = read_form(FORM, forms[i].form, strlen(forms[i].form), piece);

			if (got != forms[i].verdict)
				fail_msg("form %zu in pieces of %zu: %d", i, piece, (int)got);
		}
	assert_int_equal(read_form(FORM, "--x\r\nContent-Disposition: form-data; name=a\0b\r\n\r\n\r\n--x--", 54, 54),
		PARTS_UNREADABLE);
}

static void heads_and_parts_have_a_limit(void **state)
{
	static char form[PARTS_HEAD_MAX + 256];
	char *at = form;
	size_t used;

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		used = (size_t)snprintf(form, sizeof(form), "--x\r\nContent-Disposition: form-data; name=a\r\nX: ");
		memset(form + used, 'y', PARTS_HEAD_MAX + 5 + more - 4 - used);
		used = PARTS_HEAD_MAX + 5 + more - 4;
		used += (size_t)snprintf(form + used, sizeof(form) - used, "\r\n\r\n\r\n--x--");
		assert_int_equal(read_form(FORM, form, used, 100), more == 0 ? PARTS_FINE : PARTS_UNREADABLE);
	}
	for (unsigned n = PARTS_MAX; n <= PARTS_MAX + 1; n++) {
		static char many[(PARTS_MAX + 2) * 64];

		at = many;
		for (unsigned i = 0; i < n; i++)
			at += snprintf(at, 64, "--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n");
		at += snprintf(at, 64, "--x--");
		assert_int_equal(read_form(FORM, many, (size_t)(at - many), 1000),
			n == PARTS_MAX ? PARTS_FINE : PARTS_UNREADABLE);
	}
}

/* A part of so many bytes; in pieces of so many, with a small part before it and behind it. */
static enum parts_verdict read_long(size_t len, size_t piece)
{
	static const char before[] = "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n"
				     "--x\r\nContent-Disposition: form-data; name=file\r\n\r\n",
			  behind[] = "\r\n--x\r\nContent-Disposition: form-data; name=c\r\n\r\nd\r\n--x--\r\n";
	static char zeros[1 << 20];
	enum parts_verdict verdict;
	struct parts *p = parts_new(FORM, &verdict);

	assert_non_null(p);
	(void)parts_feed(p, before, sizeof(before) - 1);
	for (size_t at = 0; at < len; at += piece)
		(void)parts_feed(p, zeros, len - at < piece ? len - at : piece);
	for (size_t i = 0; i < sizeof(behind) - 1; i++)
		(void)parts_feed(p, behind + i, 1);
	verdict = parts_end(p);
	parts_free(p);
	return verdict;
}

static void a_file_has_a_limit(void **state)
{
	(void)state;
	for (size_t piece = 65535; piece <= 1 << 20; piece += (1 << 20) - 65535) {
		assert_int_equal(read_long(PARTS_CONTENT_MAX, piece), PARTS_FINE);
		assert_int_equal(read_long(PARTS_CONTENT_MAX + 1, piece), PARTS_TOO_LONG);
		assert_int_equal(read_long(PARTS_CONTENT_MAX + 65536, piece), PARTS_TOO_LONG);
	}
}

/* 100 MB of whatever a file holds, beside what a copy of them takes. Figures, never a reason to fail. */
static void a_file_costs_so_much(void **state)
{
	static const char head[] =
		"--0123456789abcdef0123456789abcdef\r\nContent-Disposition: form-data; name=a\r\n\r\n";
	static char piece[65536], copy[65536];
	enum parts_verdict verdict;
	struct parts *p = parts_new("multipart/form-data; boundary=0123456789abcdef0123456789abcdef", &verdict);
	struct timespec began, between, ended;

	(void)state;
	for (size_t i = 0; i < sizeof(piece); i++)
		piece[i] = (char)(i * 31 + (i >> 9) * 7);
	assert_non_null(p);
	assert_int_equal(parts_feed(p, head, sizeof(head) - 1), PARTS_FINE);
	(void)clock_gettime(CLOCK_MONOTONIC, &began);
	for (int i = 0; i < 1526; i++)
		assert_int_equal(parts_feed(p, piece, sizeof(piece)), PARTS_FINE);
	(void)clock_gettime(CLOCK_MONOTONIC, &between);
	for (int i = 0; i < 1526; i++)
		memcpy(copy, piece + i % 2, sizeof(piece) - 1);
	(void)clock_gettime(CLOCK_MONOTONIC, &ended);
	assert_int_equal(copy[0], piece[1]);
	print_message("100 MB: looked through in %ld ms, copied in %ld ms\n",
		(between.tv_sec - began.tv_sec) * 1000 + (between.tv_nsec - began.tv_nsec) / 1000000,
		(ended.tv_sec - between.tv_sec) * 1000 + (ended.tv_nsec - between.tv_nsec) / 1000000);
	parts_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_name_one_boundary),
		cmocka_unit_test(forms_read_in_one_way),
		cmocka_unit_test(heads_and_parts_have_a_limit),
		cmocka_unit_test(a_file_has_a_limit),
		cmocka_unit_test(a_file_costs_so_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
