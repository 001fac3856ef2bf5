/*
 * Valid bodies with every node replaced by every other type, every byte flipped and
 * every prefix: answered with 2xx, 4xx, never with a crash, a 5xx or a secret.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct house *house;

static int setup(void **state)
{
	(void)state;
	house = house_open(true);
	business_new(house, "shop");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

static const struct {
	const char *method, *path, *type, *body;
} calls[] = {
	{"POST", "/v1/businesses", NULL, "{\"id\":\"shop\",\"name\":\"A\"}"},
	{"PATCH", "/v1/businesses/shop", NULL, "{\"name\":\"B\",\"status\":\"active\"}"},
	{"POST", "/v1/businesses/shop/connections", NULL, META("60001")},
	{"PATCH", "/v1/businesses/shop/connections/01ARZ3NDEKTSV4RRFFQ69G5FAV", NULL,
		"{\"app_secret\":\"" APP_SECRET "\"}"},
	{"POST", "/v1/businesses/shop/messages", NULL,
		"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"x\",\"preview_url\":false},"
		"\"context\":{\"message_id\":\"w\"}}"},
	{"POST", "/v1/businesses/shop/products", NULL,
		"[{\"id\":\"a\",\"name\":\"b\",\"aliases\":[\"c\"],\"price\":\"1\",\"currency\":\"NGN\",\"stock\":1,"
		"\"unit\":\"kg\"}]"},
	{"POST", "/v1/businesses/shop/products", "text/csv", "name,price,currency,aliases\n\"a\"\"b\",1,NGN,c|d\n"},
	{"PUT", "/v1/businesses/shop/responder", NULL, "{\"kind\":\"none\"}"},
	{"PUT", "/v1/businesses/shop/responder", NULL,
		"{\"kind\":\"platform\",\"url\":\"https://a.example/x\",\"rotate_secret\":false}"},
	{"POST", "/v1/businesses/shop/connections", NULL,
		"{\"provider\":\"360dialog\",\"api_key\":\"" API_KEY
		"\",\"client_id\":\"c\",\"platform_secret\":\"" PLATFORM_SECRET
		"\",\"phone_number_id\":\"60002\",\"waba_id\":\"2\",\"verify\":false,\"take_over\":true}"},
	{"PATCH", "/v1/businesses/shop/connections/01ARZ3NDEKTSV4RRFFQ69G5FAV", NULL,
		"{\"api_key\":\"" API_KEY "\",\"take_over\":true}"},
};
#define CALLS (sizeof(calls) / sizeof(calls[0]))

static int try(size_t i, const char *body, size_t len)
{
	struct api_request req = {.method = calls[i].method,
		.path = calls[i].path,
		.content_type = calls[i].type,
		.body = (const uint8_t *)body,
		.body_len = len};
	struct answer a = ask_as(house, true, NULL, &req);
	int status = a.status;

	if (status < 200 || status >= 500)
		fail_msg("%s %s: %d to %s", calls[i].method, calls[i].path, status, body);
	answer_clear(&a);
	return status;
}

static cJSON *node_at(cJSON *root, int *n)
{
	if ((*n)-- == 0)
		return root;
	for (cJSON *child = root->child; child != NULL; child = child->next) {
		cJSON *found = node_at(child, n);

		if (found != NULL)
			return found;
	}
	return NULL;
}

/* Puts the text of value in the place of the n-th node; false when there is none. */
static bool replaced(const char *body, int n, const char *value, char *out, size_t room)
{
	cJSON *root = cJSON_Parse(body), *node, *fresh;
	char *text;

	assert_non_null(root);
	node = node_at(root, &n);
	if (node == NULL) {
		cJSON_Delete(root);
		return false;
	}
	fresh = cJSON_CreateRaw(value);
	assert_non_null(fresh);
	if (node == root) {
		cJSON_Delete(root);
		root = fresh;
	} else {
		cJSON_Delete(node->child);
		cJSON_free(node->valuestring);
		node->type = cJSON_Raw;
		node->child = NULL;
		node->valuestring = fresh->valuestring;
		fresh->valuestring = NULL;
		cJSON_Delete(fresh);
	}
	text = cJSON_PrintUnformatted(root);
	(void)snprintf(out, room, "%s", text);
	cJSON_free(text);
	cJSON_Delete(root);
	return true;
}

static void every_node_of_every_type(void **state)
{
	static const char *const values[] = {"null", "true", "-1", "1e999", "\"\"", "\"x\"", "[]", "{}", "[[[{}]]]",
		"\"\\ud800\"", "123456789012345678901234567890", "{\"a\":{\"b\":null}}"};
	char body[2048];

	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		if (calls[i].type != NULL)
			continue;
		for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++)
			for (int n = 0; replaced(calls[i].body, n, values[v], body, sizeof(body)); n++)
				(void)try(i, body, strlen(body));
	}
}

static void every_prefix(void **state)
{
	char body[2048];

	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		for (size_t len = 0; len < strlen(calls[i].body); len += i == 2 ? 7 : 1) {
			/* a heap copy of just that length: reading past it is seen */
			char *exact = malloc(len > 0 ? len : 1);

			assert_non_null(exact);
			memcpy(exact, calls[i].body, len);
			(void)snprintf(body, sizeof(body), "%.*s", (int)len, calls[i].body);
			/* half of a JSON text is none; the connection of that PATCH is not there either */
			if (calls[i].type == NULL)
				assert_true(try(i, exact, len) == (strstr(calls[i].path, "01ARZ") != NULL ? 404 : 400));
			else
				(void)try(i, exact, len);
			free(exact);
		}
	}
}

static void flipped_bytes(void **state)
{
	static const unsigned char bytes[] = {0x00, 0x22, 0x5c, 0x7b, 0x2c, 0x80, 0xff};
	char body[2048];

	(void)state;
	for (size_t i = 0; i < CALLS; i++) {
		const size_t len = strlen(calls[i].body);

		for (size_t at = 0; at < len; at += i == 2 ? 5 : 2) {
			for (size_t b = 0; b < sizeof(bytes); b++) {
				memcpy(body, calls[i].body, len + 1);
				body[at] = (char)bytes[b];
				(void)try(i, body, len);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_node_of_every_type),
		cmocka_unit_test(every_prefix),
		cmocka_unit_test(flipped_bytes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
