/*
 * JSON helpers over cJSON. Trusts nothing in the text. Called by every part of the gateway.
 */
#include "gateway/json.h"

#include <cjson/cJSON.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------ the allocator */

/* An allocation's length lies in front of it, for the wiping. */
#define HEAD_LEN alignof(max_align_t)
_Static_assert(HEAD_LEN >= sizeof(size_t), "the length fits in front");

static void *wiping_malloc(size_t len)
{
	unsigned char *base;

	if (len > SIZE_MAX - HEAD_LEN)
		return NULL;
	base = malloc(HEAD_LEN + len);
	if (base == NULL)
		return NULL;
	memcpy(base, &len, sizeof(len));
	return base + HEAD_LEN;
}

static void wiping_free(void *p)
{
	unsigned char *base;
	size_t len;

	if (p == NULL)
		return;
	base = (unsigned char *)p - HEAD_LEN;
	memcpy(&len, base, sizeof(len));
	explicit_bzero(base, HEAD_LEN + len);
	free(base);
}

void json_init(void)
{
	cJSON_Hooks hooks = {wiping_malloc, wiping_free};

	cJSON_InitHooks(&hooks);
}

/* ------------------------------------------------------------ text to tree and back */

bool json_depth_ok(const char *text, size_t len, unsigned max_depth)
{
	unsigned depth = 0;
	bool in_string = false;

	for (size_t i = 0; i < len; i++) {
		const char c = text[i];

		if (in_string) {
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		} else if (c == '"') {
			in_string = true;
		} else if (c == '{' || c == '[') {
			if (++depth > max_depth)
				return false;
		} else if ((c == '}' || c == ']') && depth > 0) {
			depth--;
		}
	}
	return true;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Whether a comma or an opening bracket, of which there is one before each value but the first, comes so often only. */
static bool values_ok(const char *text, size_t len)
{
	size_t values = 1;
	bool in_string = false;

	for (size_t i = 0; i < len && values <= JSON_VALUES_MAX; i++) {
		const char c = text[i];

		if (c == '"')
			in_string = !in_string;
		else if (in_string)
			i += c == '\\';
		else
			values += c == ',' || c == '[' || c == '{';
	}
	return values <= JSON_VALUES_MAX;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* At a number's first character. *after: behind it. */
static bool number_is_strict(const char *text, size_t len, size_t *after)
{
	size_t i = *after;
	bool strict;

	i += text[i] == '-';
	strict = i + 1 >= len || text[i] != '0' || !is_digit(text[i + 1]);
	for (; i < len && (is_digit(text[i]) || strchr("+-.eE", text[i]) != NULL); i++)
		if (text[i] == '.')
			strict = strict && i + 1 < len && is_digit(text[i + 1]);
	*after = i;
	return strict;
}

bool json_is_strict(const char *text, size_t len)
{
	bool in_string = false;

	for (size_t i = 0; i < len;) {
		const char c = text[i];

		if (in_string ? (unsigned char)c < ' '
			      : ((unsigned char)c < ' ' || (unsigned char)c > 126) && !is_space(c))
			return false;
		if (!in_string && (c == '-' || is_digit(c))) {
			if (!number_is_strict(text, len, &i))
				return false;
			continue;
		}
		if (c == '"')
			in_string = !in_string;
		i += in_string && c == '\\' ? 2 : 1;
	}
	return true;
}

struct cJSON *json_parse(const char *text, size_t len)
{
	const char *end = NULL;
	cJSON *value;

	if (text == NULL || len == 0 || memchr(text, '\0', len) != NULL || !json_depth_ok(text, len, JSON_DEPTH_MAX) ||
		!values_ok(text, len))
		return NULL;
	value = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	while (value != NULL && end < text + len && is_space(*end))
		end++;
	if (value != NULL && end != text + len) {
		cJSON_Delete(value);
		return NULL;
	}
	return value;
}

char *json_text(const struct cJSON *value)
{
	char *printed = cJSON_PrintUnformatted(value);
	char *copy = printed == NULL ? NULL : strdup(printed);

	cJSON_free(printed);
	return copy;
}

void json_text_free(char *text)
{
	if (text != NULL)
		explicit_bzero(text, strlen(text));
	free(text);
}

/* ------------------------------------------------------------ looking things up */

struct cJSON *json_get(const struct cJSON *object, const char *key)
{
	return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

const char *json_get_string(const struct cJSON *object, const char *key)
{
	return cJSON_GetStringValue(json_get(object, key));
}

#define KEY_MAX 64u
#define INDEX_MAX 100000

/* "[12]" at *path: the element; moves *path behind the bracket. */
static const struct cJSON *step_index(const struct cJSON *value, const char **path)
{
	const char *p = *path + 1;
	int index = 0;

	if (*p < '0' || *p > '9')
		return NULL;
	for (; *p >= '0' && *p <= '9'; p++) {
		index = index * 10 + (*p - '0');
		if (index > INDEX_MAX)
			return NULL;
	}
	if (*p != ']')
		return NULL;
	*path = p + 1;
	return cJSON_IsArray(value) ? cJSON_GetArrayItem(value, index) : NULL;
}

bool json_list_add(struct cJSON *list, struct cJSON *item)
{
	if (item != NULL && cJSON_AddItemToArray(list, item))
		return true;
	cJSON_Delete(item);
	return false;
}

static const struct cJSON *step_key(const struct cJSON *value, const char **path)
{
	const size_t len = strcspn(*path, ".[");
	char key[KEY_MAX];

	if (len == 0 || len >= sizeof(key))
		return NULL;
	memcpy(key, *path, len);
	key[len] = '\0';
	*path += len;
	return json_get(value, key);
}

struct cJSON *json_get_path(const struct cJSON *value, const char *path)
{
	bool first = true;

	while (value != NULL && (*path != '\0' || first)) {
		if (*path == '[') {
			value = step_index(value, &path);
		} else {
			if (!first && *path++ != '.')
				return NULL;
			value = step_key(value, &path);
		}
		first = false;
	}
	return (struct cJSON *)(uintptr_t)value;
}
