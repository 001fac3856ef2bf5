/*
 * Products as CSV (RFC 4180), as spreadsheets write it. A fault in a row is that
 * row's alone. Trusts nothing; the caller bounds the length. Called by gateway/api
 * and the import command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/reply/product.h"
#include "gateway/reply/reply.h"

#define WHY_MAX 256u

struct csv {
	const char *text;
	size_t len, at;
	unsigned line; /* of text[at] */
	char delimiter;
	/* the row read last */
	char *bytes; /* of its fields, unquoted; as large as the text */
	size_t used;
	size_t start[REPLY_FIELDS + 1];
	size_t fields; /* may exceed the space; those beyond are not kept */
	const char *fault;
	unsigned row_line;
	/* the header line */
	enum reply_field column[REPLY_FIELDS];
	size_t columns;
};

static bool at_end_of_row(const struct csv *c)
{
	return c->at == c->len || c->text[c->at] == '\n' || c->text[c->at] == '\r';
}

static void end_row(struct csv *c)
{
	if (c->at < c->len && c->text[c->at] == '\r')
		c->at++;
	if (c->at < c->len && c->text[c->at] == '\n')
		c->at++;
	c->line++;
}

static void read_quoted(struct csv *c)
{
	c->at++;
	for (;; c->at++) {
		if (c->at == c->len) {
			c->fault = "a quote is never closed";
			return;
		}
		if (c->text[c->at] == '"') {
			if (c->at + 1 == c->len || c->text[c->at + 1] != '"')
				break;
			c->at++;
		} else if (c->text[c->at] == '\n') {
			c->line++;
		}
		c->bytes[c->used++] = c->text[c->at];
	}
	c->at++;
	if (!at_end_of_row(c) && c->text[c->at] != c->delimiter)
		c->fault = "there is text behind a closing quote";
}

static void read_field(struct csv *c)
{
	if (c->fields < REPLY_FIELDS)
		c->start[c->fields] = c->used;
	c->fields++;
	if (!at_end_of_row(c) && c->text[c->at] == '"')
		read_quoted(c);
	while (!at_end_of_row(c) && c->text[c->at] != c->delimiter) {
		if (c->text[c->at] == '"' && c->fault == NULL)
			c->fault = "there is a quote inside a field; quote the whole field and double the quote";
		c->bytes[c->used++] = c->text[c->at++];
	}
	if (c->fields <= REPLY_FIELDS)
		c->start[c->fields] = c->used;
}

/* Reads the next row that is not blank (",,," is blank, too). False at the end. */
static bool read_row(struct csv *c)
{
	do {
		if (c->at == c->len)
			return false;
		c->row_line = c->line;
		c->fields = 0;
		c->used = 0;
		c->fault = NULL;
		read_field(c);
		while (c->at < c->len && !at_end_of_row(c)) {
			c->at++;
			read_field(c);
		}
		end_row(c);
	} while (c->fault == NULL && strspn(c->bytes, " \t") >= c->used);
	return true;
}

/* The first of , ; or tab that stands outside quotes in the first line. */
static char find_delimiter(const struct csv *c)
{
	bool quoted = false;

	for (size_t i = c->at; i < c->len && (quoted || (c->text[i] != '\n' && c->text[i] != '\r')); i++) {
		if (c->text[i] == '"')
			quoted = !quoted;
		else if (!quoted && (c->text[i] == ',' || c->text[i] == ';' || c->text[i] == '\t'))
			return c->text[i];
	}
	return ',';
}

static bool read_column(struct csv *c, size_t i, char *why, size_t why_len)
{
	char name[16];
	const char *s = c->bytes + c->start[i];
	size_t len = c->start[i + 1] - c->start[i], n = 0;
	enum reply_field field = REPLY_FIELDS;

	while (len > 0 && s[0] == ' ') {
		s++;
		len--;
	}
	while (len > 0 && s[len - 1] == ' ')
		len--;
	for (; n < len && n < sizeof(name); n++)
		name[n] = (char)(s[n] >= 'A' && s[n] <= 'Z' ? s[n] + 32 : s[n]);
	if (n == len)
		field = reply_field_find(name, n);
	if (field == REPLY_FIELDS) {
		reply_unknown_name(why, why_len, "column", s, len);
		return false;
	}
	for (size_t k = 0; k < i; k++) {
		if (c->column[k] == field) {
			snprintf(why, why_len, "the column %s is there twice", reply_field_name(field));
			return false;
		}
	}
	c->column[i] = field;
	return true;
}

static bool read_header(struct csv *c, char *why, size_t why_len)
{
	bool seen[REPLY_FIELDS] = {false};

	if (!read_row(c) || c->fault != NULL) {
		snprintf(why, why_len, "the first line must name the columns, such as name,price,currency,stock");
		return false;
	}
	for (size_t i = 0; i < c->fields; i++) {
		if (i == REPLY_FIELDS) {
			snprintf(why, why_len, "there are more than %d columns", (int)REPLY_FIELDS);
			return false;
		}
		if (!read_column(c, i, why, why_len))
			return false;
		seen[c->column[i]] = true;
	}
	c->columns = c->fields;
	for (size_t i = 0; i < REPLY_FIELDS; i++) {
		if (reply_field_required((enum reply_field)i) && !seen[i]) {
			snprintf(why, why_len, "the column %s is missing", reply_field_name((enum reply_field)i));
			return false;
		}
	}
	return true;
}

static bool set_aliases(struct store_product *p, const char *s, size_t len, char *why, size_t why_len)
{
	for (size_t i = 0, n; i <= len; i += n + 1) {
		const char *bar = memchr(s + i, '|', len - i);

		n = bar == NULL ? len - i : (size_t)(bar - (s + i));
		if (strspn(s + i, " \t") >= n)
			continue;
		if (!reply_product_set(p, REPLY_FIELD_ALIASES, s + i, n, why, why_len))
			return false;
	}
	return true;
}

/* Where commas separate nothing, one in a price is the decimal point of spreadsheets in many languages. */
static void mend_decimal_comma(const struct csv *c, size_t i)
{
	char *s = c->bytes + c->start[i];
	const size_t len = c->start[i + 1] - c->start[i];
	char *comma = memchr(s, ',', len);

	if (c->delimiter != ',' && comma != NULL && memchr(s, '.', len) == NULL)
		*comma = '.';
}

static bool take_row(const struct csv *c, struct store_product *p, char *why, size_t why_len)
{
	reply_product_init(p);
	if (c->fault != NULL) {
		snprintf(why, why_len, "%s", c->fault);
		return false;
	}
	if (c->fields != c->columns) {
		snprintf(why, why_len, "the row has %zu fields, the first line names %zu columns", c->fields,
			c->columns);
		return false;
	}
	for (size_t i = 0; i < c->columns; i++) {
		const char *s = c->bytes + c->start[i];
		size_t len = c->start[i + 1] - c->start[i];

		if (c->column[i] == REPLY_FIELD_PRICE)
			mend_decimal_comma(c, i);
		if (c->column[i] == REPLY_FIELD_ALIASES) {
			if (!set_aliases(p, s, len, why, why_len))
				return false;
		} else if (reply_field_required(c->column[i]) || len > 0) {
			if (!reply_product_set(p, c->column[i], s, len, why, why_len))
				return false;
		}
	}
	return true;
}

bool reply_products_from_csv(const char *csv, size_t len,
	bool (*each)(unsigned line, const struct store_product *product, const char *why, void *arg), void *arg,
	char *why, size_t why_len)
{
	struct csv c = {.text = csv, .len = len, .line = 1};
	struct store_product p;
	char fault[WHY_MAX];
	bool ok = false, more = true;

	if (len > 0 && memchr(csv, 0, len) != NULL) {
		snprintf(why, why_len, "the file must be UTF-8 text");
		return false;
	}
	if (len >= 3 && memcmp(csv, "\xef\xbb\xbf", 3) == 0)
		c.at = 3;
	/* a NUL behind the longest row lets fields be read as strings */
	c.bytes = calloc(1, len + 1);
	if (c.bytes == NULL) {
		snprintf(why, why_len, "there is not enough memory");
		return false;
	}
	c.delimiter = find_delimiter(&c);
	if (!read_header(&c, why, why_len))
		goto out;
	ok = true;
	while (more && read_row(&c)) {
		bool good = take_row(&c, &p, fault, sizeof(fault));

		more = each(c.row_line, good ? &p : NULL, good ? NULL : fault, arg);
	}
out:
	explicit_bzero(c.bytes, len + 1);
	free(c.bytes);
	return ok;
}
