/* Products as CSV, the way spreadsheets and people write it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/reply/reply.h"
#include "test/unit/reply/fake_store.h"

/* What came out: "2:name/price/stock;3!why;". */
struct seen {
	char text[4000];
	size_t len;
	unsigned rows, stop_after;
	struct store_product last;
};

static bool each(unsigned line, const struct store_product *p, const char *why, void *arg)
{
	struct seen *s = arg;
	int n;

	assert_true((p == NULL) != (why == NULL));
	s->rows++;
	if (p != NULL) {
		s->last = *p;
		n = snprintf(s->text + s->len, sizeof(s->text) - s->len, "%u:%s/%s/%lld;", line, p->name, p->price,
			(long long)p->stock);
	} else {
		n = snprintf(s->text + s->len, sizeof(s->text) - s->len, "%u!%.12s;", line, why);
	}
	if (n > 0 && (size_t)n < sizeof(s->text) - s->len)
		s->len += (size_t)n;
	return s->rows != s->stop_after;
}

static bool read_csv(const char *csv, size_t len, struct seen *s, char *why, size_t why_len)
{
	char *copy = malloc(len > 0 ? len : 1);
	bool ok;

	assert_non_null(copy);
	memcpy(copy, csv, len);
	why[0] = 0;
	ok = reply_products_from_csv(copy, len, each, s, why, why_len);
	free(copy);
	return ok;
}

static const struct {
	const char *csv, *want; /* want: what came out, or "!" and how the refusal begins */
} samples[] = {
	{"name,price,currency\nPen,5,NGN\n", "2:Pen/5/-1;"},
	{"\xef\xbb\xbfname,price,currency\r\nPen,5,NGN\r\nInk,6,NGN", "2:Pen/5/-1;3:Ink/6/-1;"},
	{"currency;stock;price;name\nNGN;7;12.50;Pen\n", "2:Pen/12.50/7;"},
	{"name;price;currency\nPen;12,50;EUR\nInk;1.234,50;EUR\n", "2:Pen/12.50/-1;3!price must b;"},
	{"name,price,currency\nPen,\"12,50\",EUR\n", "2!price must b;"},
	{"name\tprice\tcurrency\tstock\nPen\t5\tNGN\t\n", "2:Pen/5/-1;"},
	{"\"name\",\"price\",\"currency\"\n\"Pen, blue\",\"5\",\"NGN\"\n", "2:Pen, blue/5/-1;"},
	{"name,price,currency\n\"12\"\" ruler\",5,NGN\n", "2:12\" ruler/5/-1;"},
	{" Name , PRICE,Currency\nPen,5,NGN\n", "2:Pen/5/-1;"},
	{"name,price,currency\nPen,5,NGN\n\n\n  \n,,\n", "2:Pen/5/-1;"},
	{"\n\nname,price,currency\n\nPen,5,NGN\n", "5:Pen/5/-1;"},
	{"name,price,currency\n\"a\nb\",5,NGN\nPen,5,NGN\n", "2!name must be;4:Pen/5/-1;"},
	{"name,price,currency,aliases\nPen,5,NGN,\"x\ny\"\nInk,5,NGN,\n", "2!aliases must;4:Ink/5/-1;"},
	{"name,price,currency\nPen,5\nInk,5,NGN,9\nCap,5,NGN\n", "2!the row has ;3!the row has ;4:Cap/5/-1;"},
	{"name,price,currency\n,5,NGN\nInk,,NGN\nCap,5,\n", "2!name must be;3!price must b;4!currency mus;"},
	{"name,price,currency,stock\nPen,5,NGN,x\nPen,5,NGN,-1\nInk,5,NGN,3\n",
		"2!stock must b;3!stock must b;4:Ink/5/3;"},
	{"name,price,currency\nPen,\"1,000\",NGN\nInk,\"1,5\",NGN\n", "2!price must b;3!price must b;"},
	{"name,price,currency\nPe\"n,5,NGN\nInk,5,NGN\n", "2!there is a q;3:Ink/5/-1;"},
	{"name,price,currency\n\"Pen\"x,5,NGN\nInk,5,NGN\n", "2!there is tex;3:Ink/5/-1;"},
	{"name,price,currency\nInk,5,NGN\n\"Pen,5,NGN\nCap,5,NGN\n", "2:Ink/5/-1;3!a quote is n;"},
	{"name,price,currency\nP\xffn,5,NGN\nInk,5,NGN\n", "2!name must be;3:Ink/5/-1;"},
	{"name,price,currency,stock\nPen,5,NGN,5\n", "2:Pen/5/5;"},
	{"name,currency,price,stock\nPen,NGN,450000,5\n", "2:Pen/450000/5;"},
	{"name,price,currency\n", ""},
	{"name,price,currency", ""},
	{"", "!the first line must"},
	{"\n\n", "!the first line must"},
	{"Pen,5,NGN\n", "!unknown column Pen"},
	{"name,price,currency,colour\n", "!unknown column colour"},
	{"name,price,currency,\n", "!unknown column with an unusual"},
	{"name,price\nPen,5\n", "!the column currency is missing"},
	{"name,name,price,currency\n", "!the column name is there twice"},
	{"name|price|currency\n", "!unknown column"},
	{"id,name,aliases,price,currency,stock,unit,id\n", "!there are more than 7"},
	{"\"name,price,currency\nPen,5,NGN\n", "!the first line must"},
};

static void tables(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		struct seen s = {.len = 0};
		char why[200];
		const char *want = samples[i].want;
		bool ok = read_csv(samples[i].csv, strlen(samples[i].csv), &s, why, sizeof(why));

		if (want[0] == '!' ? !ok && strncmp(why, want + 1, strlen(want + 1)) == 0
				   : ok && strcmp(s.text, want) == 0)
			continue;
		print_error("%s\n  want %s\n  got  %d %s %s\n", samples[i].csv, want, ok, s.text, why);
		wrong++;
	}
	assert_int_equal(wrong, 0);
}

static void every_column(void **state)
{
	static const char csv[] = "id,name,aliases,price,currency,stock,unit\n"
				  "p-1,Rice 50kg,mama gold| ofada || big bag ,78000,NGN,12,bag\n";
	struct seen s = {.len = 0};
	char why[200];

	(void)state;
	assert_true(read_csv(csv, sizeof(csv) - 1, &s, why, sizeof(why)));
	assert_string_equal(s.last.id, "p-1");
	assert_string_equal(s.last.name_key, "rice50kg");
	assert_string_equal(s.last.aliases, "mama gold\nofada\nbig bag");
	assert_string_equal(s.last.unit, "bag");
	assert_int_equal(s.last.stock, 12);
}

static void stops_when_told(void **state)
{
	static const char csv[] = "name,price,currency\nA,1,NGN\nB,1,NGN\nC,1,NGN\n";
	struct seen s = {.stop_after = 2};
	char why[200];

	(void)state;
	assert_true(read_csv(csv, sizeof(csv) - 1, &s, why, sizeof(why)));
	assert_string_equal(s.text, "2:A/1/-1;3:B/1/-1;");
}

static void not_text(void **state)
{
	static const char utf16[] = "\xff\xfen\0a\0m\0e\0";
	struct seen s = {.len = 0};
	char why[200];

	(void)state;
	assert_false(read_csv(utf16, sizeof(utf16) - 1, &s, why, sizeof(why)));
	assert_string_equal(why, "the file must be UTF-8 text");
	assert_int_equal(s.rows, 0);
}

static void large_file(void **state)
{
	const size_t size = 2u << 20;
	char *csv = malloc(size), why[200];
	size_t len = (size_t)snprintf(csv, size, "name,price,currency\n");
	struct seen s = {.len = 0};
	unsigned rows = 0;

	(void)state;
	for (; len + 100 < size; rows++)
		len += (size_t)snprintf(csv + len, size - len, "Thing %u,%u,NGN\n", rows, rows);
	assert_true(read_csv(csv, len, &s, why, sizeof(why)));
	assert_int_equal(s.rows, rows);
	free(csv);
}

static void any_bytes(void **state)
{
	static const char *const pieces[] = {"\"", "\"\"", ",", ";", "\t", "\n", "\r\n", "\r", "Pen", "450000", "NGN",
		"|", " ", "é", "\xff", "stock", "5"};
	uint32_t seed = 99;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct seen s = {.len = 0};
		char csv[600], why[100];
		const char *head = fake_random(&seed) % 8 == 0 ? "" : "name,price,currency,aliases\n";
		size_t len = (size_t)snprintf(csv, sizeof(csv), "%s", head);
		size_t want = len + fake_random(&seed) % 200;
		unsigned lines = 2;

		while (len < want) {
			const char *p = pieces[fake_random(&seed) % (sizeof(pieces) / sizeof(pieces[0]))];

			memcpy(csv + len, p, strlen(p));
			len += strlen(p);
		}
		for (size_t k = 0; k < len; k++)
			lines += csv[k] == '\n' || csv[k] == '\r';
		if (!read_csv(csv, len, &s, why, sizeof(why)))
			assert_true(why[0] != 0 && s.rows == 0);
		assert_true(s.rows < lines);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables),
		cmocka_unit_test(every_column),
		cmocka_unit_test(stops_when_told),
		cmocka_unit_test(not_text),
		cmocka_unit_test(large_file),
		cmocka_unit_test(any_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
