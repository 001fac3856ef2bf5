/*
 * 360dialog's connections over the API: what is asked for, shown once, refused and kept.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "test/unit/api/fake_outbound.h"

static struct house *house;

static int setup(void **state)
{
	(void)state;
	house = house_open(true);
	business_new(house, "shop");
	business_new(house, "rival");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

#define LIST "/v1/businesses/shop/connections"
#define KEY "\"provider\":\"360dialog\",\"api_key\":\"" API_KEY "\""
#define HEADERS "webhook_headers.X-Keyhouse-Secret"

static char *path_of(const char *id)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), LIST "/%s", id);
	return path;
}

static unsigned stored(void)
{
	struct answer a = ask(house, "GET", LIST, NULL);
	unsigned n = (unsigned)cJSON_GetArraySize(json_get(a.json, "data"));

	answer_clear(&a);
	return n;
}

static void connected_and_shown(void **state)
{
	struct answer a, b;
	char secret[64];

	(void)state;
	fake_reset();
	a = ask(house, "POST", LIST,
		"{" KEY ",\"client_id\":\"abc-CL_1\",\"platform_secret\":\"" PLATFORM_SECRET "\"}");
	assert_int_equal(a.status, 201);
	assert_string_equal(text_at(&a, "provider"), "360dialog");
	assert_true(cJSON_IsFalse(json_get(a.json, "sandbox")));
	assert_string_equal(text_at(&a, "status"), "active");
	assert_string_equal(text_at(&a, "client_id"), "abc-CL_1");
	assert_string_equal(text_at(&a, "phone_number_id"), "3003");
	assert_string_equal(text_at(&a, "waba_id"), "2002");
	assert_true(cJSON_IsNull(json_get(a.json, "app_id")));
	assert_string_equal(text_at(&a, "display_phone"), "+234 801 234 5678");
	assert_string_equal(text_at(&a, "webhook_url"), "https://kh.example/webhooks/shop");
	assert_string_equal(text_at(&a, "secrets.api_key.last4"), "dbox");
	assert_string_equal(text_at(&a, "secrets.platform_secret.last4"), "5512");
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "secrets")), 3);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "checks")), 4);
	(void)snprintf(secret, sizeof(secret), "%s", text_at(&a, HEADERS));
	assert_int_equal(strlen(secret), 43);
	assert_int_equal(strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"), 43);
	assert_string_equal(text_at(&a, "secrets.webhook_secret.last4"), secret + 39);

	/* this once */
	b = ask(house, "GET", path_of(text_at(&a, "id")), NULL);
	assert_null(json_get(b.json, "webhook_headers"));
	assert_null(strstr(b.text, secret));
	answer_clear(&b);
	b = ask(house, "GET", LIST, NULL);
	assert_null(strstr(b.text, secret));
	answer_clear(&b);
	expect(house, "DELETE", path_of(text_at(&a, "id")), NULL, 204, NULL, NULL);
	answer_clear(&a);
}

static void rules_of_its_fields(void **state)
{
	static const struct {
		const char *body, *code, *field;
	} faults[] = {
		{"{\"provider\":\"360dialog\"}", "missing_field", "api_key"},
		{"{\"provider\":\"360dialog\",\"api_key\":5}", "invalid_field", "api_key"},
		{"{\"provider\":\"360dialog\",\"api_key\":\"short\"}", "invalid_field", "api_key"},
		{"{\"provider\":\"360dialog\",\"api_key\":\" \"}", "invalid_field", "api_key"},
		{"{\"provider\":\"360dialog\",\"api_key\":\"two words of a key\"}", "invalid_field", "api_key"},
		{"{" KEY ",\"client_id\":\"a b\"}", "invalid_field", "client_id"},
		{"{" KEY ",\"client_id\":\"\"}", "invalid_field", "client_id"},
		{"{" KEY ",\"phone_number_id\":\"+1\"}", "invalid_field", "phone_number_id"},
		{"{" KEY ",\"waba_id\":\"x\"}", "invalid_field", "waba_id"},
		{"{" KEY ",\"waba_id\":\"7\",\"phone_number_id\":\"7\"}", "invalid_field", "phone_number_id"},
		{"{" KEY ",\"platform_secret\":\"short\"}", "invalid_field", "platform_secret"},
		{"{" KEY ",\"platform_secret\":\"  \"}", "invalid_field", "platform_secret"},
		{"{" KEY ",\"app_id\":\"1\"}", "unknown_field", NULL},
		{"{" KEY ",\"app_secret\":\"" APP_SECRET "\"}", "unknown_field", NULL},
		{"{" KEY ",\"access_token\":\"" ACCESS_TOKEN "\"}", "unknown_field", NULL},
		{"{" KEY ",\"webhook_secret\":\"" OTHER_KEY "\"}", "unknown_field", "webhook_secret"},
		{"{" KEY ",\"take_over\":\"yes\"}", "invalid_field", "take_over"},
		{"{" KEY ",\"sandbox\":\"yes\"}", "invalid_field", "sandbox"},
		{"{\"provider\":\"meta\",\"sandbox\":false}", "unknown_field", NULL},
	};

	(void)state;
	fake_reset();
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		expect(house, "POST", LIST, faults[i].body, 400, faults[i].code, faults[i].field);
	assert_int_equal(fake_checks(), 0);
	assert_int_equal(stored(), 0);
}

static void nothing_is_stored_when_refused(void **state)
{
	struct answer a;

	(void)state;
	fake_reset();
	fake_answer(OUTBOUND_D360_HEALTH, &(struct fake_says){.class = OUTBOUND_AUTH});
	expect(house, "POST", LIST, "{" KEY "}", 422, "credential_refused", "api_key");
	fake_reset();
	expect(house, "POST", LIST, "{" KEY ",\"phone_number_id\":\"3004\"}", 400, "invalid_field", "phone_number_id");
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	a = ask(house, "POST", LIST, "{" KEY "}");
	assert_int_equal(a.status, 409);
	assert_string_equal(text_at(&a, "code"), "webhook_taken");
	assert_non_null(strstr(text_at(&a, "detail"), "https://elsewhere.example"));
	answer_clear(&a);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
	assert_int_equal(stored(), 0);

	a = ask(house, "POST", LIST, "{" KEY ",\"take_over\":true}");
	assert_int_equal(a.status, 201);
	assert_string_equal(text_at(&a, "status"), "active");
	assert_string_equal(fake_owner_now(OUTBOUND_D360_WEBHOOK), "ours");
	/* the number is this business's now, on this provider */
	fake_owner(OUTBOUND_D360_WEBHOOK, "none");
	expect(house, "POST", "/v1/businesses/rival/connections", "{" KEY "}", 409, "number_taken", "phone_number_id");
	/* and may be connected to Meta besides */
	expect(house, "POST", LIST, META("3003"), 201, NULL, NULL);
	expect(house, "DELETE", path_of(text_at(&a, "id")), NULL, 204, NULL, NULL);
	answer_clear(&a);
}

static void keys_are_replaced(void **state)
{
	struct answer a;
	char id[STORE_ID_LEN + 1];

	(void)state;
	fake_reset();
	a = ask(house, "POST", LIST, "{" KEY "}");
	(void)snprintf(id, sizeof(id), "%s", text_at(&a, "id"));
	answer_clear(&a);

	a = ask(house, "PATCH", path_of(id), "{\"api_key\":\"" OTHER_KEY "\"}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "secrets.api_key.last4"), "88xx");
	assert_null(json_get(a.json, "webhook_headers"));
	answer_clear(&a);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 2);
	a = ask(house, "PATCH", path_of(id), "{\"platform_secret\":\"" PLATFORM_SECRET "\"}");
	assert_string_equal(text_at(&a, "secrets.platform_secret.last4"), "5512");
	answer_clear(&a);
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 2);

	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	/* 360dialog would not be given it: it is not kept, and what was found is */
	expect(house, "PATCH", path_of(id), "{\"webhook_secret\":\"" PLATFORM_SECRET "\"}", 409, "webhook_taken", NULL);
	a = ask(house, "GET", path_of(id), NULL);
	assert_string_equal(text_at(&a, "status"), "webhook_taken");
	assert_true(cJSON_IsNull(json_get_path(a.json, "secrets.webhook_secret.previous")));
	answer_clear(&a);
	a = ask(house, "PATCH", path_of(id), "{\"take_over\":true}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "status"), "active");
	answer_clear(&a);
	fake_owner(OUTBOUND_D360_WEBHOOK, "foreign");
	a = ask(house, "PATCH", path_of(id), "{\"webhook_secret\":\"" OTHER_KEY "\",\"take_over\":true}");
	assert_string_equal(text_at(&a, "status"), "active");
	answer_clear(&a);

	expect(house, "PATCH", path_of(id), "{\"access_token\":\"" OTHER_TOKEN "\"}", 400, "invalid_field",
		"access_token");
	expect(house, "PATCH", path_of(id), "{\"api_key\":\"" API_KEY "\",\"webhook_secret\":\"" OTHER_KEY "\"}", 400,
		"invalid_field", "webhook_secret");
	fake_answer(OUTBOUND_D360_HEALTH, &(struct fake_says){.class = OUTBOUND_AUTH});
	expect(house, "PATCH", path_of(id), "{\"api_key\":\"" API_KEY "\"}", 422, "credential_refused", "api_key");
	fake_answer(OUTBOUND_D360_HEALTH,
		&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = FAKE_HEALTH("3009", "AVAILABLE")});
	expect(house, "PATCH", path_of(id), "{\"api_key\":\"" API_KEY "\"}", 400, "invalid_field", "api_key");
	a = ask(house, "GET", path_of(id), NULL);
	assert_string_equal(text_at(&a, "secrets.api_key.last4"), "88xx");
	answer_clear(&a);
	expect(house, "DELETE", path_of(id), NULL, 204, NULL, NULL);
}

static void without_asking_the_provider(void **state)
{
	struct answer a;
	char test[300];

	(void)state;
	fake_reset();
	a = ask(house, "POST", LIST, "{" KEY ",\"verify\":false}");
	assert_int_equal(a.status, 201);
	assert_string_equal(text_at(&a, "status"), "pending");
	assert_true(cJSON_IsNull(json_get(a.json, "phone_number_id")));
	assert_true(strlen(text_at(&a, HEADERS)) == 43);
	assert_int_equal(fake_checks(), 0);
	/* nothing can leave by a number that nobody knows */
	expect(house, "POST", "/v1/businesses/rival/connections", "{" KEY ",\"verify\":false}", 201, NULL, NULL);
	expect(house, "POST", "/v1/businesses/rival/messages",
		"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"x\"}}", 422, "number_required",
		"from");
	/* the first test learns it */
	(void)snprintf(test, sizeof(test), "%s/test", path_of(text_at(&a, "id")));
	answer_clear(&a);
	a = ask(house, "POST", test, NULL);
	assert_string_equal(text_at(&a, "phone_number_id"), "3003");
	assert_int_equal(fake_asked(OUTBOUND_D360_WEBHOOK_SET), 0);
	answer_clear(&a);
}

static void the_sandbox_is_shown(void **state)
{
	static const struct {
		const char *body;
		bool sandbox;
	} rows[] = {
		{"{" KEY ",\"sandbox\":true}", true},
		{"{" KEY ",\"sandbox\":false}", false},
		{"{\"provider\":\"360dialog\",\"api_key\":\"5511467334920_sandbox\"}", true},
		{"{\"provider\":\"360dialog\",\"api_key\":\"5511467334920_sandbox\",\"sandbox\":false}", false},
	};
	struct answer a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_reset();
		a = ask(house, "POST", LIST, rows[i].body);
		assert_int_equal(a.status, 201);
		b = ask(house, "GET", path_of(text_at(&a, "id")), NULL);
		assert_int_equal(cJSON_IsTrue(json_get(a.json, "sandbox")), rows[i].sandbox);
		assert_int_equal(cJSON_IsTrue(json_get(b.json, "sandbox")), rows[i].sandbox);
		assert_int_equal(fake_asked(OUTBOUND_D360_SANDBOX_WEBHOOK_SET), rows[i].sandbox);
		assert_int_equal(fake_asked(OUTBOUND_D360_HEALTH), !rows[i].sandbox);
		answer_clear(&b);
		expect(house, "DELETE", path_of(text_at(&a, "id")), NULL, 204, NULL, NULL);
		answer_clear(&a);
	}
	a = ask(house, "POST", LIST, META("3007"));
	assert_null(json_get(a.json, "sandbox"));
	answer_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(connected_and_shown),
		cmocka_unit_test(rules_of_its_fields),
		cmocka_unit_test(nothing_is_stored_when_refused),
		cmocka_unit_test(keys_are_replaced),
		cmocka_unit_test(the_sandbox_is_shown),
		cmocka_unit_test(without_asking_the_provider),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
