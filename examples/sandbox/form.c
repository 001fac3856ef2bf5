/*
 * name=value&name=value, percent-encoded.
 */
#include "examples/sandbox/form.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

/* Takes nothing; the text is decoded where it lies. */
static bool add(struct cJSON *form, char *field)
{
	char *value = strchr(field, '=');
	struct cJSON *document = NULL;

	if (!value)
		return field[0] == '\0';
	*value++ = '\0';
	if (!http_decode(field) || !http_decode(value))
		return false;
	utf8_clean(field);
	utf8_clean(value);
	if (value[0] == '{' || value[0] == '[')
		document = read_json((const uint8_t *)value, strlen(value));
	cJSON_DeleteItemFromObjectCaseSensitive(form, field);
	return cJSON_AddItemToObject(form, field, document ? document : cJSON_CreateString(value));
}

struct cJSON *form_read(const uint8_t *body, size_t len)
{
	char *text = malloc(len + 1), *rest = text, *field;
	struct cJSON *form = cJSON_CreateObject();
	bool fine = text && form;

	if (fine) {
		memcpy(text, body, len);
		text[len] = '\0';
	}
	while (fine && (field = strsep(&rest, "&")))
		fine = add(form, field);
	free(text);
	if (fine)
		return form;
	cJSON_Delete(form);
	return NULL;
}
