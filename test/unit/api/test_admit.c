/*
 * Who may speak, which paths there are, and that nobody learns of another's things.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct house *house;

static int setup(void **state)
{
	(void)state;
	house = house_open(false);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

static struct answer ask_with(const char *authorization, const char *method, const char *path)
{
	const struct api_request req = {.method = method, .path = path, .body = (const uint8_t *)""};

	return ask_as(house, false, authorization, &req);
}

static struct answer operator_ask(const char *method, const char *path, const char *body)
{
	const struct api_request req = {
		.method = method, .path = path, .body = (const uint8_t *)body, .body_len = strlen(body)};

	return ask_as(house, true, NULL, &req);
}

static void nothing_is_told_without_a_token(void **state)
{
	static const char *const paths[] = {"/v1/businesses", "/v1/businesses/here", "/v1/businesses/nowhere",
		"/v1/nothing/at/all", "/v1/", "/control/tokens", "/v1/businesses/here/messages"};
	static const char *const authorizations[] = {NULL, "", "Bearer", "Bearer ", "Basic eDp5", "kh_x",
		"Bearer kh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
	struct answer first = ask_with(NULL, "GET", "/v1/businesses");

	(void)state;
	business_new(house, "here");
	assert_int_equal(first.status, 401);
	assert_string_equal(text_at(&first, "code"), "unauthorized");
	for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
		for (size_t i = 0; i < sizeof(authorizations) / sizeof(authorizations[0]); i++) {
			struct answer get = ask_with(authorizations[i], "GET", paths[p]);
			struct answer odd = ask_with(authorizations[i], "BREW", paths[p]);

			assert_int_equal(get.status, 401);
			assert_string_equal(get.text, first.text);
			assert_string_equal(odd.text, first.text);
			answer_clear(&get);
			answer_clear(&odd);
		}
	}
	answer_clear(&first);
}

static void who_brings_a_virtual_key_is_told(void **state)
{
	struct answer a = ask_with("Bearer khv_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "GET", "/v1/businesses");

	(void)state;
	assert_int_equal(a.status, 401);
	assert_string_equal(text_at(&a, "code"), "unauthorized");
	assert_non_null(strstr(text_at(&a, "detail"), "need an admin token"));
	assert_null(strstr(a.text, "AAAA"));
	answer_clear(&a);
}

static void a_token_admits_until_it_is_revoked(void **state)
{
	struct answer made = operator_ask("POST", "/control/tokens", "{\"name\":\"shop system\"}"), a;
	char bearer[128], path[128];

	(void)state;
	assert_int_equal(made.status, 201);
	assert_int_equal(strlen(text_at(&made, "token")), 46);
	assert_memory_equal(text_at(&made, "token"), "kh_", 3);
	assert_int_equal(
		strspn(text_at(&made, "token"), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
		46);
	assert_string_equal(text_at(&made, "last4"), text_at(&made, "token") + 42);

	(void)snprintf(bearer, sizeof(bearer), "bearer  %s ", text_at(&made, "token"));
	a = ask_with(bearer, "GET", "/v1/businesses");
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	(void)snprintf(bearer, sizeof(bearer), "Bearer %sA", text_at(&made, "token"));
	a = ask_with(bearer, "GET", "/v1/businesses");
	assert_int_equal(a.status, 401);
	answer_clear(&a);

	a = operator_ask("GET", "/control/tokens", "");
	assert_int_equal(a.status, 200);
	assert_null(strstr(a.text, text_at(&made, "token")));
	assert_non_null(strstr(a.text, "shop system"));
	answer_clear(&a);

	(void)snprintf(path, sizeof(path), "/control/tokens/%s", text_at(&made, "id"));
	a = operator_ask("DELETE", path, "");
	assert_int_equal(a.status, 204);
	answer_clear(&a);
	(void)snprintf(bearer, sizeof(bearer), "Bearer %s", text_at(&made, "token"));
	a = ask_with(bearer, "GET", "/v1/businesses");
	assert_int_equal(a.status, 401);
	answer_clear(&a);
	a = operator_ask("DELETE", "/control/tokens/01ARZ3NDEKTSV4RRFFQ69G5FAV", "");
	assert_int_equal(a.status, 404);
	answer_clear(&a);
	answer_clear(&made);
}

static void control_is_the_operators(void **state)
{
	(void)state;
	expect(house, "GET", "/control/tokens", NULL, 404, "not_found", NULL);
	expect(house, "POST", "/control/tokens", "{\"name\":\"x\"}", 404, "not_found", NULL);
	expect(house, "BREW", "/control/tokens", NULL, 404, "not_found", NULL);
	assert_true(api_owns("/control/tokens", true));
	assert_false(api_owns("/control/tokens", false));
	assert_true(api_owns("/v1/x", false));
	assert_true(api_owns("/openapi.yaml", false));
	assert_false(api_owns("/v1", false));
	assert_false(api_owns("/v12/123/messages", false));
	assert_false(api_owns("/v1.0/123/messages", false));
	assert_false(api_owns("/openapi.yaml/", false));
}

static void methods_are_known_by_path(void **state)
{
	static const struct {
		const char *path, *allow;
	} paths[] = {{"/v1/businesses", "GET, HEAD, POST"}, {"/v1/businesses/m", "GET, HEAD, PATCH, DELETE"},
		{"/v1/businesses/m/connections", "GET, HEAD, POST"},
		{"/v1/businesses/m/connections/c", "GET, HEAD, PATCH, DELETE"},
		{"/v1/businesses/m/connections/c/test", "POST"}, {"/v1/businesses/m/messages", "GET, HEAD, POST"},
		{"/v1/businesses/m/messages/x", "GET, HEAD"}, {"/v1/businesses/m/products", "GET, HEAD, POST"},
		{"/v1/businesses/m/products/p", "DELETE"}, {"/v1/businesses/m/responder", "GET, HEAD, PUT"},
		{"/v1/businesses/m/keys", "GET, HEAD, POST"}, {"/v1/businesses/m/keys/k", "GET, HEAD, DELETE"},
		{"/v1/businesses/m/keys/k/rotate", "POST"}, {"/v1/businesses/m/events", "GET, HEAD"},
		{"/openapi.yaml", "GET, HEAD"}};
	static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"};

	(void)state;
	for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
		for (size_t m = 0; m < sizeof(methods) / sizeof(methods[0]); m++) {
			struct answer a = ask(house, methods[m], paths[p].path, NULL);
			bool allowed = strstr(paths[p].allow, methods[m]) != NULL;

			assert_int_equal(a.status == 405, !allowed);
			if (!allowed)
				assert_string_equal(a.allow, paths[p].allow);
			answer_clear(&a);
		}
	}
}

static void the_description_is_for_everybody(void **state)
{
	static const char *const paths[] = {"\n  /v1/businesses:\n", "\n  /v1/businesses/{business}:\n",
		"/{business}/connections:\n", "/{business}/connections/{id}:\n", "/{business}/connections/{id}/test:\n",
		"/{business}/messages:\n", "/{business}/messages/{id}:\n", "/{business}/products:\n",
		"/{business}/products/{id}:\n", "/{business}/responder:\n", "/{business}/events:\n",
		"/{business}/keys:\n", "/{business}/keys/{id}:\n", "/{business}/keys/{id}/rotate:\n"};
	struct answer a = ask_with(NULL, "GET", "/openapi.yaml");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_memory_equal(a.text, "openapi: 3.1", 12);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		assert_non_null(strstr(a.text, paths[i]));
	answer_clear(&a);
	a = operator_ask("GET", "/openapi.yaml", "");
	assert_int_equal(a.status, 200);
	answer_clear(&a);
}

static void odd_paths_lead_nowhere(void **state)
{
	static const char *const paths[] = {"/v1/", "/v1/businesses/", "/v1/businesses//", "/v1//businesses",
		"/v1/businesses/od%64", "/v1/businesses/../businesses", "/v1/businesses/-odd", "/v1/businesses/_odd",
		"/v1/businesses/odd/", "/v1/businesses/od d", "/v1/businesses/odd/nothing",
		"/v1/businesses/odd/messages/", "/v1/businesses/odd/messages/a/b",
		"/v1/businesses/odd/connections/x/test/y", "/v1/Businesses/odd", "/v1/businesses/ODD",
		"/v1/businesses/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

	(void)state;
	business_new(house, "odd");
	expect(house, "GET", "/v1/businesses/odd", NULL, 200, NULL, NULL);
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect(house, "GET", paths[i], NULL, 404, "not_found", NULL);
}

/* Everything of business mine, asked for under business yours, is what an unknown id is. */
static void anothers_things_are_not_there(void **state)
{
	static const struct {
		const char *method, *list, *after, *body;
	} calls[] = {{"GET", "connections", "", NULL},
		{"PATCH", "connections", "", "{\"app_secret\":\"" OTHER_SECRET "\"}"},
		{"POST", "connections", "/test", NULL}, {"DELETE", "connections", "", NULL},
		{"GET", "messages", "", NULL}, {"DELETE", "products", "", NULL}};
	char connection[STORE_ID_LEN + 1], message[STORE_ID_LEN + 1], path[256], unknown[256], tail[128];
	struct answer a, other;

	(void)state;
	business_new(house, "mine");
	business_new(house, "yours");
	connection_new(house, "mine", "70001", connection);
	expect(house, "POST", "/v1/businesses/mine/products",
		"{\"id\":\"p1\",\"name\":\"Rice\",\"price\":\"100\",\"currency\":\"NGN\"}", 200, NULL, NULL);
	a = ask(house, "POST", "/v1/businesses/mine/messages",
		"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"hi\"}}");
	assert_int_equal(a.status, 202);
	(void)snprintf(message, sizeof(message), "%s", text_at(&a, "id"));
	answer_clear(&a);

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		const char *id = calls[i].list[0] == 'c' ? connection : calls[i].list[0] == 'm' ? message : "p1";

		(void)snprintf(tail, sizeof(tail), "%s/%s%s", calls[i].list, id, calls[i].after);
		(void)snprintf(path, sizeof(path), "/v1/businesses/yours/%s", tail);
		(void)snprintf(unknown, sizeof(unknown), "/v1/businesses/nobody/%s", tail);
		a = ask(house, calls[i].method, path, calls[i].body);
		other = ask(house, calls[i].method, unknown, calls[i].body);
		assert_int_equal(a.status, 404);
		assert_string_equal(a.text, other.text);
		answer_clear(&a);
		answer_clear(&other);
	}
	/* A number: another's and nobody's are one. */
	a = ask(house, "POST", "/v1/businesses/yours/messages?from=70001",
		"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"hi\"}}");
	other = ask(house, "POST", "/v1/businesses/yours/messages?from=70002",
		"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"hi\"}}");
	assert_int_equal(a.status, 404);
	assert_string_equal(a.text, other.text);
	answer_clear(&a);
	answer_clear(&other);
	/* And it is all still there for its owner. */
	(void)snprintf(path, sizeof(path), "/v1/businesses/mine/connections/%s", connection);
	expect(house, "GET", path, NULL, 200, NULL, NULL);
	(void)snprintf(path, sizeof(path), "/v1/businesses/mine/messages/%s", message);
	expect(house, "GET", path, NULL, 200, NULL, NULL);
	expect(house, "DELETE", "/v1/businesses/mine/products/p1", NULL, 204, NULL, NULL);
	a = ask(house, "GET", "/v1/businesses/yours/connections", NULL);
	assert_non_null(strstr(a.text, "\"data\":[]"));
	answer_clear(&a);
}

static void bodies_are_refused_before_they_are_read_wrong(void **state)
{
	char deep[256], *large;
	struct answer a;
	struct api_request req = {.method = "POST", .path = "/v1/businesses"};

	(void)state;
	expect(house, "POST", "/v1/businesses", "", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "{", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "{\"name\":\"a\"} x", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "[]", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "null", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "{\"name\":\"a\\u0000b\"}", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "{\"name\":\"a\xff\"}", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses", "{\"name\":\"a\xc0\x80\"}", 400, "invalid_json", NULL);
	/* an escaped backslash and digits are no NUL */
	expect(house, "POST", "/v1/businesses", "{\"name\":\"a\\\\u0000b\"}", 201, NULL, NULL);

	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	deep[130] = '\0';
	expect(house, "POST", "/v1/businesses", deep, 400, "invalid_json", NULL);

	a = ask_type(house, "POST", "/v1/businesses", "text/plain", "{\"name\":\"a\"}");
	assert_int_equal(a.status, 415);
	assert_string_equal(text_at(&a, "code"), "unsupported_media_type");
	answer_clear(&a);
	a = ask_type(house, "POST", "/v1/businesses", "application/jsonp", "{\"name\":\"a\"}");
	assert_int_equal(a.status, 415);
	answer_clear(&a);
	a = ask_type(house, "POST", "/v1/businesses", "Application/JSON ; charset=utf-8", "{\"name\":\"a\"}");
	assert_int_equal(a.status, 201);
	answer_clear(&a);
	a = ask_type(house, "POST", "/v1/businesses", NULL, "{\"name\":\"a\"}");
	assert_int_equal(a.status, 201);
	answer_clear(&a);

	large = malloc(API_BODY_MAX + 1);
	assert_non_null(large);
	memset(large, ' ', API_BODY_MAX + 1);
	req.body = (const uint8_t *)large;
	req.body_len = API_BODY_MAX + 1;
	a = ask_as(house, true, NULL, &req);
	assert_int_equal(a.status, 413);
	assert_string_equal(text_at(&a, "code"), "too_large");
	answer_clear(&a);
	free(large);
}

/* Nothing is half done, and the caller learns that it may try again. */
static void without_a_vault_it_is_unavailable(void **state)
{
	struct house *h = house_open(false);

	(void)state;
	business_new(h, "shop");
	house_vault_end(h);
	expect(h, "POST", "/v1/businesses", "{\"id\":\"late\",\"name\":\"x\"}", 503, "unavailable", NULL);
	expect(h, "GET", "/v1/businesses/late", NULL, 404, "not_found", NULL);
	expect(h, "POST", "/v1/businesses/shop/connections", META("73001"), 503, "unavailable", NULL);
	expect(h, "GET", "/v1/businesses/shop/connections", NULL, 200, NULL, NULL);
	house_close(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_told_without_a_token),
		cmocka_unit_test(who_brings_a_virtual_key_is_told),
		cmocka_unit_test(a_token_admits_until_it_is_revoked),
		cmocka_unit_test(control_is_the_operators),
		cmocka_unit_test(methods_are_known_by_path),
		cmocka_unit_test(the_description_is_for_everybody),
		cmocka_unit_test(odd_paths_lead_nowhere),
		cmocka_unit_test(anothers_things_are_not_there),
		cmocka_unit_test(bodies_are_refused_before_they_are_read_wrong),
		cmocka_unit_test(without_a_vault_it_is_unavailable),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
