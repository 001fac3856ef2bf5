/*
 * Fuzzing the scrubbing of answers: what is left of JSON is JSON, no string in it and no reason made of it holds the
 * secret, be it percent-decoded up to twice, no parameter in it that carries a key has a value, and nothing got longer.
 *
 *   1 byte   the secret's length, 8 to 39
 *   n bytes  the secret, made printable
 *   m bytes  the answer
 */
#include <cjson/cJSON.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/outbound/scrub.h"

#define SECRET_MIN 8u
#define SECRET_ROOM 32u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static int hex_value(char c)
{
	const char *digits = "0123456789abcdefABCDEF", *at = c != '\0' ? strchr(digits, c) : NULL;

	return at == NULL ? -1 : at - digits < 16 ? (int)(at - digits) : (int)(at - digits) - 6;
}

static void percent_decode(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		const int high = *p == '%' ? hex_value(p[1]) : -1, low = high >= 0 ? hex_value(p[2]) : -1;

		*to++ = low >= 0 ? (char)(high * 16 + low) : *p;
		p += low >= 0 ? 2 : 0;
	}
	*to = '\0';
}

static bool text_shows(const char *text, const char *secret)
{
	char *copy = text != NULL ? strdup(text) : NULL;
	bool found = false;

	for (int times = 0; copy != NULL && times <= 2 && !found; times++) {
		found = strstr(copy, secret) != NULL;
		percent_decode(copy);
	}
	free(copy);
	return found;
}

static bool shows(const cJSON *tree, const char *secret)
{
	for (const cJSON *item = tree; item != NULL; item = item->next)
		if (text_shows(item->string, secret) || text_shows(item->valuestring, secret) ||
			shows(item->child, secret))
			return true;
	return false;
}

/* What follows the name is a blank, or ends the value, as a backslash does, which is no part of an address. */
static bool text_carries(const char *text)
{
	static const char *const names[] = {"access_token=", "appsecret_proof="};
	char *copy = text != NULL ? strdup(text) : NULL;
	bool found = false;

	for (int times = 0; copy != NULL && times <= 2; times++) {
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			for (const char *at = copy; (at = strcasestr(at, names[i])) != NULL;) {
				at += strlen(names[i]);
				found = found || ((uint8_t)*at > ' ' && strchr("*%&;#\"'<>\\", *at) == NULL);
			}
		percent_decode(copy);
	}
	free(copy);
	return found;
}

static bool carries(const cJSON *tree)
{
	for (const cJSON *item = tree; item != NULL; item = item->next)
		if (text_carries(item->string) || text_carries(item->valuestring) || carries(item->child))
			return true;
	return false;
}

static void scrub_addresses(const char *text, size_t len, const cJSON *before)
{
	char *json = strdup(text), *words = strdup(text);
	cJSON *after;

	if (json == NULL || words == NULL)
		abort();
	scrub_parameters(json, true);
	after = json_parse(json, strlen(json));
	if (before != NULL && (after == NULL || carries(after) || strlen(json) > len))
		abort();
	scrub_parameters(words, false);
	if (text_carries(words) || strlen(words) > strlen(text))
		abort();
	cJSON_Delete(after);
	free(json);
	free(words);
}

static void scrub_all(const char *text, size_t len, const char *secret)
{
	char *json = strdup(text), *words = strdup(text), reason[256];
	cJSON *before = json_parse(text, len), *after;
	struct held h = {0};

	if (json == NULL || words == NULL)
		abort();
	held_add(&h, secret, strlen(secret));
	if (scrub_json(json, &h) && before != NULL) {
		after = json_parse(json, strlen(json));
		if (after == NULL || shows(after, secret) || strlen(json) > len)
			abort();
		cJSON_Delete(after);
	}
	scrub_addresses(text, len, before);
	scrub_reason(words, &h, reason, sizeof(reason));
	if (text_shows(words, secret) || text_shows(reason, secret) || strlen(words) > strlen(text))
		abort();
	cJSON_Delete(before);
	free(json);
	free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char secret[SECRET_MIN + SECRET_ROOM], *text;
	size_t secret_len;

	if (len == 0)
		return 0;
	secret_len = SECRET_MIN + data[0] % SECRET_ROOM;
	if (len < 1 + secret_len)
		return 0;
	/* No space, "*" or "?": what stands in place of something else must not look like a secret. */
	for (size_t i = 0; i < secret_len; i++) {
		secret[i] = (char)(0x21 + data[1 + i] % 94u);
		if (data[1 + i] > 0x20 && data[1 + i] < 0x7f)
			secret[i] = (char)data[1 + i];
		if (secret[i] == '*' || secret[i] == '?')
			secret[i] = '+';
	}
	secret[secret_len] = '\0';
	data += 1 + secret_len;
	len -= 1 + secret_len;
	text = calloc(1, len + 1);
	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	scrub_all(text, len, secret);
	free(text);
	return 0;
}
