/*
 * The platform responder over the API: its address and signing secret are kept sealed,
 * the secret is shown once, and what the sender will be given opens to that secret.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

static struct house *house;

static int setup(void **state)
{
	(void)state;
	house = house_open(false);
	business_new(house, "shop");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

#define RESPONDER "/v1/businesses/shop/responder"
#define URL "https://agent.example/asks?shop=1"
#define CHOOSE "{\"kind\":\"platform\",\"url\":\"" URL "\"}"

/* ------------------------------------------------------------ what is stored */

struct seen {
	char last4[17];
	uint64_t version;
	uint8_t bytes[2048];
	size_t len;
};

static bool see(const struct store_responder *r, void *arg)
{
	struct seen *seen = arg;

	(void)snprintf(seen->last4, sizeof(seen->last4), "%s", r->last4);
	seen->version = r->version;
	assert_true(r->url_len + r->secret_len <= sizeof(seen->bytes));
	memcpy(seen->bytes, r->url, r->url_len);
	memcpy(seen->bytes + r->url_len, r->secret, r->secret_len);
	seen->len = r->url_len + r->secret_len;
	return false;
}

static struct seen stored(void)
{
	struct seen seen = {.version = 0};

	assert_int_equal(store_responder_get(tenants_store(house_tenants(house)), "shop", see, &seen), STORE_OK);
	return seen;
}

static void chosen_and_shown(void **state)
{
	char secret[128], again[128];
	struct answer a;
	struct seen seen;

	(void)state;
	expect(house, "PUT", RESPONDER, "{\"kind\":\"platform\"}", 400, "missing_field", "url");
	expect(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"rotate_secret\":true}", 400, "missing_field", "url");
	a = ask(house, "GET", RESPONDER, NULL);
	assert_string_equal(a.text, "{\"kind\":\"none\"}");
	answer_clear(&a);

	a = ask(house, "PUT", RESPONDER, CHOOSE);
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "kind"), "platform");
	assert_string_equal(text_at(&a, "url"), URL);
	(void)snprintf(secret, sizeof(secret), "%s", text_at(&a, "signing_secret"));
	answer_clear(&a);
	/* "whsec_" and the padded base64 of 32 bytes */
	assert_int_equal(strlen(secret), 6 + 44);
	assert_memory_equal(secret, "whsec_", 6);
	assert_int_equal(strspn(secret + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"), 43);
	assert_string_equal(secret + 49, "=");
	/* the last letter carries two bits: what is left of the bytes is zero */
	assert_non_null(strchr("AEIMQUYcgkosw048", secret[48]));

	seen = stored();
	assert_int_equal(seen.version, 1);
	assert_string_equal(seen.last4, secret + 46);
	assert_null(memmem(seen.bytes, seen.len, "agent.example", 13));
	assert_null(memmem(seen.bytes, seen.len, secret + 6, 20));

	a = ask(house, "GET", RESPONDER, NULL);
	assert_string_equal(text_at(&a, "kind"), "platform");
	assert_string_equal(text_at(&a, "url"), URL);
	assert_string_equal(text_at(&a, "signing_secret.last4"), secret + 46);
	assert_true(strlen(text_at(&a, "signing_secret.created_at")) > 0);
	assert_null(strstr(a.text, secret));
	answer_clear(&a);
	a = ask(house, "GET", "/v1/businesses/shop", NULL);
	assert_string_equal(text_at(&a, "responder"), "platform");
	answer_clear(&a);

	/* not made again, and so not shown again */
	a = ask(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"url\":\"https://other.example/\"}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "url"), "https://other.example/");
	assert_null(json_get(a.json, "signing_secret"));
	answer_clear(&a);
	assert_int_equal(stored().version, 1);

	a = ask(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"rotate_secret\":true}");
	assert_string_equal(text_at(&a, "url"), "https://other.example/");
	(void)snprintf(again, sizeof(again), "%s", text_at(&a, "signing_secret"));
	answer_clear(&a);
	assert_string_not_equal(again, secret);
	assert_int_equal(stored().version, 2);
	assert_string_equal(stored().last4, again + 46);
}

static void another_kind_keeps_it(void **state)
{
	struct answer a;

	(void)state;
	a = ask(house, "PUT", RESPONDER, CHOOSE);
	answer_clear(&a);
	a = ask(house, "PUT", RESPONDER, "{\"kind\":\"catalogue\"}");
	assert_string_equal(a.text, "{\"kind\":\"catalogue\"}");
	answer_clear(&a);
	a = ask(house, "GET", RESPONDER, NULL);
	assert_string_equal(a.text, "{\"kind\":\"catalogue\"}");
	answer_clear(&a);
	expect(house, "PUT", RESPONDER, "{\"kind\":\"none\",\"url\":\"" URL "\"}", 400, "unknown_field", "url");
	expect(house, "PUT", RESPONDER, "{\"kind\":\"none\",\"rotate_secret\":true}", 400, "unknown_field",
		"rotate_secret");
	/* back without naming it */
	a = ask(house, "PUT", RESPONDER, "{\"kind\":\"platform\"}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "url"), URL);
	assert_null(json_get(a.json, "signing_secret"));
	answer_clear(&a);
}

static void rules_of_an_address(void **state)
{
	static const char *const faults[] = {"", "agent.example", "http://agent.example/", "ftp://agent.example/",
		"https://", "https://user:pass@agent.example/", "https://agent.example/\\u0007",
		"http://127.0.0.1:9001/", "https://127.0.0.1:9001/", "https://localhost/"};
	char body[1400], before[128];
	struct answer a = ask(house, "GET", RESPONDER, NULL);

	(void)state;
	(void)snprintf(before, sizeof(before), "%s", text_at(&a, "url"));
	answer_clear(&a);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		(void)snprintf(
			body, sizeof(body), "{\"kind\":\"platform\",\"url\":\"%s\",\"rotate_secret\":true}", faults[i]);
		expect(house, "PUT", RESPONDER, body, 400, "invalid_field", "url");
	}
	(void)snprintf(body, sizeof(body), "{\"kind\":\"platform\",\"url\":\"https://agent.example/%01200d\"}", 0);
	expect(house, "PUT", RESPONDER, body, 400, "invalid_field", "url");
	expect(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"url\":5}", 400, "invalid_field", "url");
	expect(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"rotate_secret\":\"yes\"}", 400, "invalid_field",
		"rotate_secret");
	/* a destination that the setting allows may be plain */
	expect(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"url\":\"http://127.0.0.1:9000/ask\"}", 200, NULL,
		NULL);
	(void)snprintf(body, sizeof(body), "{\"kind\":\"platform\",\"url\":\"%s\"}", before);
	expect(house, "PUT", RESPONDER, body, 200, NULL, NULL);
}

static void another_business_has_its_own(void **state)
{
	struct answer a, b;

	(void)state;
	business_new(house, "rival");
	expect(house, "PUT", "/v1/businesses/rival/responder", "{\"kind\":\"platform\"}", 400, "missing_field", "url");
	a = ask(house, "PUT", "/v1/businesses/rival/responder", CHOOSE);
	b = ask(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"rotate_secret\":true}");
	assert_string_not_equal(text_at(&a, "signing_secret"), text_at(&b, "signing_secret"));
	answer_clear(&a);
	answer_clear(&b);
	expect(house, "GET", "/v1/businesses/nobody/responder", NULL, 404, "not_found", NULL);
}

static void without_the_vault_nothing_changes(void **state)
{
	uint64_t before = stored().version;

	(void)state;
	house_vault_end(house);
	expect(house, "PUT", RESPONDER, "{\"kind\":\"platform\",\"rotate_secret\":true}", 503, "unavailable", NULL);
	assert_int_equal(stored().version, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chosen_and_shown),
		cmocka_unit_test(another_kind_keeps_it),
		cmocka_unit_test(rules_of_an_address),
		cmocka_unit_test(another_business_has_its_own),
		cmocka_unit_test(without_the_vault_nothing_changes),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
