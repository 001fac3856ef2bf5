/*
 * What may go into the URL and the head of a call, and what a client's call must not say: who asks, with which method, for
 * what else than the path's object, in what shape the answer comes; a provider takes all that from parameters, too. Pure.
 * Called by kinds.c and job.c; outbound_parameter_ok by whoever reads a body as it streams.
 */
#include <cjson/cJSON.h>
#include <string.h>
#include <strings.h>

#include "gateway/json.h"
#include "gateway/outbound/kinds.h"

static size_t digits(const char *text)
{
	size_t n = 0;

	while (text[n] >= '0' && text[n] <= '9')
		n++;
	return n;
}

bool kind_digits_ok(const char *text)
{
	const size_t n = digits(text);

	return n >= 1 && n <= STORE_PROVIDER_ID_LEN && text[n] == '\0';
}

bool kind_name_ok(const char *text)
{
	const size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_");

	return n >= 1 && n <= 512 && text[n] == '\0';
}

bool kind_version_ok(const char *text)
{
	size_t major, minor;

	if (text[0] != 'v')
		return false;
	major = digits(text + 1);
	if (major < 1 || major > 3 || text[1 + major] != '.')
		return false;
	minor = digits(text + 2 + major);
	return minor >= 1 && minor <= 3 && text[2 + major + minor] == '\0';
}

static bool is_printable(const char *text, size_t max, const char *without)
{
	const size_t len = strnlen(text, max + 1);

	for (size_t i = 0; i < len; i++)
		if (text[i] < 0x20 || text[i] >= 0x7f || strchr(without, text[i]) != NULL)
			return false;
	return len <= max;
}

bool kind_path_ok(const char *path)
{
	return path[0] == '/' && is_printable(path, KIND_PATH_MAX, " ?#\\") && strstr(path, "/.") == NULL &&
		strcasestr(path, "/%2e") == NULL;
}

bool kind_type_ok(const char *type)
{
	return is_printable(type, KIND_TYPE_MAX, "");
}

/* ------------------------------------------------------------ parameters */

/* As far as a parameter's name is looked at. */
#define NAME_MAX_SEEN 32u

/* The character at text as a form means it, and how many it takes. */
static size_t form_char(const char *text, size_t left, char *c)
{
	static const char hex[] = "0123456789abcdef";
	const char *high = left >= 3 && text[0] == '%' ? strchr(hex, text[1] | 0x20) : NULL;
	const char *low = high != NULL ? strchr(hex, text[2] | 0x20) : NULL;

	*c = text[0] == '+' ? ' ' : text[0];
	if (low == NULL)
		return 1;
	*c = (char)((high - hex) * 16 + (low - hex));
	return 3;
}

/* A name as it is read leniently elsewhere: no spaces before it, "_" for what ends or joins words. */
static void name_plain(const char *name, char plain[static NAME_MAX_SEEN + 1])
{
	size_t n = 0;

	name += strspn(name, " ");
	for (; n < NAME_MAX_SEEN && name[n] != '\0'; n++)
		plain[n] = strchr(" .[", name[n]) != NULL ? '_' : name[n];
	plain[n] = '\0';
}

/* In letters of either case; name[] and the like is the same one. */
static bool name_is(const char *plain, const char *wanted)
{
	const size_t len = strlen(wanted);

	return strncasecmp(plain, wanted, len) == 0 && (plain[len] == '\0' || plain[len] == '_');
}

bool kind_parameter_ok(const char *name)
{
	/* Who asks and how: whatever begins so. */
	static const char *const ours[] = {"access_token", "appsecret_", "method"};
	/* Other objects than the path's, which the key may reach too: ids, batch, metadata. An answer that is no JSON, or of
	 * another status: callback, suppress_http_code, include_headers. */
	static const char *const others[] = {
		"ids", "batch", "metadata", "callback", "suppress_http_code", "include_headers"};
	char plain[NAME_MAX_SEEN + 1];

	name_plain(name, plain);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strncasecmp(plain, ours[i], strlen(ours[i])) == 0)
			return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (name_is(plain, others[i]))
			return false;
	return true;
}

static bool names_fields(const char *name)
{
	char plain[NAME_MAX_SEEN + 1];

	name_plain(name, plain);
	return name_is(plain, "fields");
}

/* A list of names. Fields of fields are other objects', and what stands in "(" chooses among those. */
static bool is_in_fields(char c)
{
	return c != '{' && c != '}' && c != '(';
}

bool outbound_parameter_ok(const char *name, size_t len)
{
	char text[NAME_MAX_SEEN * 2 + 1];

	if (len >= sizeof(text))
		return false;
	for (size_t i = 0; i < len; i++) {
		if ((uint8_t)name[i] < 0x20)
			return false;
		text[i] = name[i];
	}
	text[len] = '\0';
	/* Its value is not known here. */
	return kind_parameter_ok(text) && !names_fields(text);
}

/* One parameter, "name=value". */
static bool parameter_ok(const char *text, size_t len)
{
	char name[NAME_MAX_SEEN * 2 + 1], c;
	size_t n = 0, at = 0;

	while (at < len && text[at] != '=' && n < sizeof(name) - 1) {
		at += form_char(text + at, len - at, &c);
		if ((uint8_t)c < 0x20)
			return false;
		name[n++] = c;
	}
	name[n] = '\0';
	if (!kind_parameter_ok(name))
		return false;
	while (names_fields(name) && at < len) {
		at += form_char(text + at, len - at, &c);
		if (!is_in_fields(c))
			return false;
	}
	return true;
}

/* Some take ";" for "&". */
static bool parameters_ok(const char *text, size_t len)
{
	for (size_t at = 0; at < len;) {
		size_t end = at;

		while (end < len && text[end] != '&' && text[end] != ';')
			end++;
		if (!parameter_ok(text + at, end - at))
			return false;
		at = end + 1;
	}
	return true;
}

bool kind_query_ok(const char *query)
{
	return is_printable(query, KIND_QUERY_MAX, " #") && parameters_ok(query, strlen(query));
}

/* ------------------------------------------------------------ bodies */

static bool type_is(const char *type, const char *wanted)
{
	const size_t len = strlen(wanted);

	return strncasecmp(type, wanted, len) == 0 && strchr("; ", type[len]) != NULL;
}

/* A text, or several. */
static bool json_fields_ok(const cJSON *value)
{
	const cJSON *item;

	for (const char *p = cJSON_IsString(value) ? value->valuestring : ""; *p != '\0'; p++)
		if (!is_in_fields(*p))
			return false;
	cJSON_ArrayForEach (item, value)
		if (!cJSON_IsString(item) || !json_fields_ok(item))
			return false;
	return true;
}

static bool json_ok(const char *body, size_t len)
{
	cJSON *object = json_parse(body, len);
	const cJSON *field;
	bool ok = cJSON_IsObject(object);

	cJSON_ArrayForEach (field, object)
		ok = ok && kind_parameter_ok(field->string) && (!names_fields(field->string) || json_fields_ok(field));
	cJSON_Delete(object);
	return ok;
}

bool kind_body_ok(const char *type, const char *body, size_t len)
{
	if (type[0] == '\0' || type_is(type, "application/json"))
		return json_ok(body, len);
	return type_is(type, "application/x-www-form-urlencoded") && parameters_ok(body, len);
}
