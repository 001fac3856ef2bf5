/*
 * A product from outside, as JSON or as texts. Trusts nothing but that the nesting was
 * bounded. Called by gateway/api and gateway/settings, and for its fields by the CSV reader.
 */
#include "gateway/reply/product.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

#include "gateway/reply/price.h"
#include "gateway/reply/reply.h"
#include "gateway/reply/text.h"

#define ALIASES_MAX 20u
#define ALIAS_LEN 200u
#define STOCK_MAX 1000000000

static const struct {
	const char *name;
	bool required;
	const char *rule;
} fields[REPLY_FIELDS] = {
	[REPLY_FIELD_ID] = {"id", false, "1 to 64 letters, digits, _ or -, beginning with a letter or digit"},
	[REPLY_FIELD_NAME] = {"name", true,
		"text of 1 to 200 bytes with at least one letter or digit and no control characters"},
	[REPLY_FIELD_ALIASES] = {"aliases", false,
		"at most 20 texts of 1 to 200 bytes without control characters, together at most 980 bytes"},
	[REPLY_FIELD_PRICE] = {"price", true,
		"up to 12 digits without spaces or commas, perhaps with a point and 1 or 2 more: \"12.50\""},
	[REPLY_FIELD_CURRENCY] = {"currency", true, "3 capital letters, such as \"NGN\""},
	[REPLY_FIELD_STOCK] = {"stock", false, "a whole number from 0 to 1000000000, or absent when not counted"},
	[REPLY_FIELD_UNIT] = {"unit", false, "text of at most 32 bytes without control characters"},
};

enum reply_field reply_field_find(const char *name, size_t len)
{
	size_t i = 0;

	while (i < REPLY_FIELDS && (strlen(fields[i].name) != len || memcmp(fields[i].name, name, len) != 0))
		i++;
	return (enum reply_field)i;
}

bool reply_field_required(enum reply_field field)
{
	return fields[field].required;
}

const char *reply_field_name(enum reply_field field)
{
	return fields[field].name;
}

static bool refuse(enum reply_field field, char *why, size_t why_len)
{
	snprintf(why, why_len, "%s must be %s", fields[field].name, fields[field].rule);
	return false;
}

void reply_unknown_name(char *why, size_t why_len, const char *what, const char *name, size_t len)
{
	bool harmless = len > 0 && len <= 32;

	for (size_t i = 0; i < len && harmless; i++) {
		char c = name[i];

		harmless = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			c == '-' || c == ' ';
	}
	if (harmless)
		snprintf(why, why_len, "unknown %s %.*s", what, (int)len, name);
	else
		snprintf(why, why_len, "unknown %s with an unusual name", what);
}

void reply_product_init(struct store_product *p)
{
	memset(p, 0, sizeof(*p));
	p->stock = -1;
}

static bool id_valid(const char *s, size_t len)
{
	if (len == 0 || len > STORE_BUSINESS_ID_LEN || s[0] == '_' || s[0] == '-')
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
			    c == '-'))
			return false;
	}
	return true;
}

static void copy(char *out, const char *s, size_t len)
{
	memcpy(out, s, len);
	out[len] = 0;
}

static bool set_name(struct store_product *p, const char *s, size_t len)
{
	if (len == 0 || len > STORE_PRODUCT_NAME_LEN || !reply_text_plain(s, len))
		return false;
	copy(p->name, s, len);
	return reply_name_key(p->name_key, sizeof(p->name_key), p->name);
}

static bool add_alias(struct store_product *p, const char *s, size_t len)
{
	size_t used = strlen(p->aliases), count = used > 0 ? 1 : 0;

	for (size_t i = 0; i < used; i++)
		count += p->aliases[i] == '\n';
	if (len == 0 || len > ALIAS_LEN || count == ALIASES_MAX || !reply_text_plain(s, len))
		return false;
	if (used + len + 1 > STORE_PRODUCT_ALIASES_LEN)
		return false;
	if (used > 0)
		p->aliases[used++] = '\n';
	copy(p->aliases + used, s, len);
	return true;
}

static bool set_stock(struct store_product *p, const char *s, size_t len)
{
	int64_t n = 0;

	if (len == 0 || len > 10)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
		n = n * 10 + (s[i] - '0');
	}
	if (n > STOCK_MAX)
		return false;
	p->stock = n;
	return true;
}

bool reply_product_set(
	struct store_product *p, enum reply_field field, const char *text, size_t len, char *why, size_t why_len)
{
	bool ok = false;

	while (len > 0 && (text[0] == ' ' || text[0] == '\t')) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || text[len - 1] == '\t'))
		len--;
	switch (field) {
	case REPLY_FIELD_ID:
		ok = id_valid(text, len);
		if (ok)
			copy(p->id, text, len);
		break;
	case REPLY_FIELD_NAME:
		ok = set_name(p, text, len);
		break;
	case REPLY_FIELD_ALIASES:
		ok = add_alias(p, text, len);
		break;
	case REPLY_FIELD_PRICE:
		ok = len < sizeof(p->price) && reply_price_valid(text, len);
		if (ok)
			copy(p->price, text, len);
		break;
	case REPLY_FIELD_CURRENCY:
		ok = reply_currency_valid(text, len);
		if (ok)
			copy(p->currency, text, len);
		break;
	case REPLY_FIELD_STOCK:
		ok = set_stock(p, text, len);
		break;
	case REPLY_FIELD_UNIT:
		ok = len < sizeof(p->unit) && reply_text_plain(text, len);
		if (ok)
			copy(p->unit, text, len);
		break;
	case REPLY_FIELDS:
		break;
	}
	return ok || refuse(field, why, why_len);
}

/* ------------------------------------------------------------ as texts */

/* Every line that is not blank. */
static bool set_lines(struct store_product *p, const char *text, char *why, size_t why_len)
{
	static const char ends[] = "\r\n";

	for (size_t len; *text != '\0'; text += len + (text[len] != '\0')) {
		len = strcspn(text, ends);
		if (strspn(text, " \t") < len && !reply_product_set(p, REPLY_FIELD_ALIASES, text, len, why, why_len))
			return false;
	}
	return true;
}

static bool set_text(struct store_product *p, enum reply_field field, const char *text, char *why, size_t why_len)
{
	if (field == REPLY_FIELD_ALIASES)
		return set_lines(p, text, why, why_len);
	if (text[0] == '\0' && !fields[field].required)
		return true;
	return reply_product_set(p, field, text, strlen(text), why, why_len);
}

bool reply_product_from_texts(const struct reply_product_texts *texts, struct store_product *out, const char **field,
	char *why, size_t why_len)
{
	const char *const parts[REPLY_FIELDS] = {
		[REPLY_FIELD_ID] = texts->id,
		[REPLY_FIELD_NAME] = texts->name,
		[REPLY_FIELD_ALIASES] = texts->aliases,
		[REPLY_FIELD_PRICE] = texts->price,
		[REPLY_FIELD_CURRENCY] = texts->currency,
		[REPLY_FIELD_STOCK] = texts->stock,
		[REPLY_FIELD_UNIT] = texts->unit,
	};
	struct store_product p;

	reply_product_init(&p);
	for (size_t i = 0; i < REPLY_FIELDS; i++) {
		if (set_text(&p, (enum reply_field)i, parts[i], why, why_len))
			continue;
		*field = fields[i].name;
		(void)snprintf(why, why_len, "must be %s", fields[i].rule);
		return false;
	}
	*out = p;
	return true;
}

/* ------------------------------------------------------------ as JSON */

/* A number where text or a count is asked for: whole, and small enough to be exact. */
static bool whole_number(const cJSON *v, char *out, size_t out_len)
{
	if (!cJSON_IsNumber(v) || !(v->valuedouble >= 0 && v->valuedouble < 1e12) ||
		v->valuedouble != (double)(int64_t)v->valuedouble)
		return false;
	snprintf(out, out_len, "%lld", (long long)v->valuedouble);
	return true;
}

static bool set_aliases(struct store_product *p, const cJSON *v, char *why, size_t why_len)
{
	const cJSON *a;

	if (!cJSON_IsArray(v))
		return refuse(REPLY_FIELD_ALIASES, why, why_len);
	cJSON_ArrayForEach (a, v) {
		if (!cJSON_IsString(a))
			return refuse(REPLY_FIELD_ALIASES, why, why_len);
		if (!reply_product_set(p, REPLY_FIELD_ALIASES, a->valuestring, strlen(a->valuestring), why, why_len))
			return false;
	}
	return true;
}

static bool set_field(struct store_product *p, enum reply_field field, const cJSON *v, char *why, size_t why_len)
{
	char number[24];
	bool numeric = field == REPLY_FIELD_STOCK || field == REPLY_FIELD_PRICE;

	if (cJSON_IsNull(v) && !fields[field].required)
		return true;
	if (field == REPLY_FIELD_ALIASES)
		return set_aliases(p, v, why, why_len);
	if (numeric && whole_number(v, number, sizeof(number)))
		return reply_product_set(p, field, number, strlen(number), why, why_len);
	if (!cJSON_IsString(v) || field == REPLY_FIELD_STOCK)
		return refuse(field, why, why_len);
	return reply_product_set(p, field, v->valuestring, strlen(v->valuestring), why, why_len);
}

static bool read_object(const cJSON *root, struct store_product *p, char *why, size_t why_len)
{
	bool seen[REPLY_FIELDS] = {false};
	const cJSON *v;

	cJSON_ArrayForEach (v, root) {
		enum reply_field field = reply_field_find(v->string, strlen(v->string));

		if (field == REPLY_FIELDS) {
			reply_unknown_name(why, why_len, "field", v->string, strlen(v->string));
			return false;
		}
		if (seen[field]) {
			snprintf(why, why_len, "%s is given twice", fields[field].name);
			return false;
		}
		seen[field] = true;
		if (!set_field(p, field, v, why, why_len))
			return false;
	}
	for (size_t i = 0; i < REPLY_FIELDS; i++) {
		if (fields[i].required && !seen[i]) {
			snprintf(why, why_len, "%s is missing", fields[i].name);
			return false;
		}
	}
	return true;
}

/* cJSON ends strings at \u0000, and reads past what a NUL byte ends. */
static bool has_nul(const char *json, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (json[i] == 0)
			return true;
		if (json[i] != '\\')
			continue;
		i++;
		if (len - i >= 5 && memcmp(json + i, "u0000", 5) == 0)
			return true;
	}
	return false;
}

bool reply_product_from_json(const char *json, size_t len, struct store_product *out, char *why, size_t why_len)
{
	struct store_product p;
	const char *end = NULL;
	cJSON *root = NULL;
	bool ok = false;

	if (has_nul(json, len)) {
		snprintf(why, why_len, "a product must not contain NUL characters");
		return false;
	}
	root = cJSON_ParseWithLengthOpts(json, len, &end, 0);
	for (; root != NULL && end < json + len; end++) {
		if (memchr(" \t\r\n", *end, 4) == NULL)
			goto out;
	}
	reply_product_init(&p);
	if (!cJSON_IsObject(root))
		goto out;
	ok = read_object(root, &p, why, why_len);
	if (ok)
		*out = p;
	cJSON_Delete(root);
	return ok;
out:
	snprintf(why, why_len, "a product must be one JSON object");
	cJSON_Delete(root);
	return false;
}
