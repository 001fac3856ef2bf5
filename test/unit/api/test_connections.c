/*
 * Connections over the API: keys go in, only their last four characters come out.
 * helper.c looks for the planted secrets in every answer.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/json.h"
#include "gateway/log.h"
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

static char *path_of(const char *id)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), LIST "/%s", id);
	return path;
}

static void added_without_asking_the_provider(void **state)
{
	struct answer a = ask(house, "POST", LIST, META("80001")), b;

	(void)state;
	assert_int_equal(a.status, 201);
	assert_int_equal(fake_checks(), 0);
	assert_string_equal(text_at(&a, "provider"), "meta");
	assert_string_equal(text_at(&a, "status"), "pending");
	assert_string_equal(text_at(&a, "phone_number_id"), "80001");
	assert_string_equal(text_at(&a, "waba_id"), "2002");
	assert_string_equal(text_at(&a, "app_id"), "1001");
	assert_string_equal(text_at(&a, "webhook_url"), "https://kh.example/webhooks/shop");
	assert_int_equal(strlen(text_at(&a, "verify_token")), 34);
	assert_string_equal(text_at(&a, "secrets.access_token.last4"), "89ZZ");
	assert_string_equal(text_at(&a, "secrets.app_secret.last4"), "b6a7");
	assert_int_equal(strlen(text_at(&a, "secrets.app_secret.fingerprint")), 16);
	assert_true(cJSON_IsNull(json_get_path(a.json, "secrets.app_secret.last_used_at")));
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "checks")), 8);
	assert_string_equal(text_at(&a, "checks[0].result"), "skipped");
	assert_string_equal(text_at(&a, "checks[7].name"), "webhook");
	assert_string_equal(text_at(&a, "checks[7].result"), "waiting");
	assert_null(json_get(a.json, "webhook_headers"));

	b = ask(house, "GET", path_of(text_at(&a, "id")), NULL);
	assert_int_equal(b.status, 200);
	assert_null(json_get(b.json, "checks"));
	assert_string_equal(text_at(&b, "verify_token"), text_at(&a, "verify_token"));
	assert_string_equal(
		text_at(&b, "secrets.app_secret.fingerprint"), text_at(&a, "secrets.app_secret.fingerprint"));
	answer_clear(&b);

	b = ask(house, "GET", LIST, NULL);
	assert_int_equal(b.status, 200);
	assert_string_equal(text_at(&b, "data[0].secrets.access_token.last4"), "89ZZ");
	assert_true(cJSON_IsNull(json_get(b.json, "next_cursor")));
	answer_clear(&b);

	expect(house, "DELETE", path_of(text_at(&a, "id")), NULL, 204, NULL, NULL);
	expect(house, "DELETE", path_of(text_at(&a, "id")), NULL, 404, "not_found", NULL);
	expect(house, "GET", path_of(text_at(&a, "id")), NULL, 404, "not_found", NULL);
	answer_clear(&a);
}

static void a_number_belongs_to_one_business(void **state)
{
	struct answer first = ask(house, "POST", LIST, META("80002")), own, rival;

	(void)state;
	assert_int_equal(first.status, 201);
	own = ask(house, "POST", LIST, META("80002"));
	rival = ask(house, "POST", "/v1/businesses/rival/connections", META("80002"));
	assert_int_equal(own.status, 409);
	assert_string_equal(text_at(&own, "code"), "number_taken");
	assert_non_null(strstr(text_at(&own, "detail"), "number 80002 is connected already"));
	/* without saying whose */
	assert_string_equal(own.text, rival.text);
	expect(house, "DELETE", path_of(text_at(&first, "id")), NULL, 204, NULL, NULL);
	answer_clear(&first);
	answer_clear(&own);
	answer_clear(&rival);
}

#define SECRETS "\"app_secret\":\"" APP_SECRET "\",\"access_token\":\"" ACCESS_TOKEN "\""
#define IDS "\"app_id\":\"1\",\"waba_id\":\"2\",\"phone_number_id\":\"3\""

static void rules_of_a_connection(void **state)
{
	static const struct {
		const char *body;
		int status;
		const char *code, *field;
	} faults[] = {
		{"{}", 400, "missing_field", "provider"},
		{"{\"provider\":\"twilio\"}", 400, "invalid_field", "provider"},
		{"{\"provider\":true}", 400, "invalid_field", "provider"},
		{"{\"provider\":\"meta\"}", 400, "missing_field", "app_id"},
		{"{\"provider\":\"meta\"," IDS "}", 400, "missing_field", "app_secret"},
		{"{\"provider\":\"meta\"," IDS ",\"app_secret\":\"" APP_SECRET "\"}", 400, "missing_field",
			"access_token"},
		{"{\"provider\":\"meta\"," SECRETS ",\"app_id\":\"1\",\"phone_number_id\":\"3\",\"verify\":false}", 400,
			"invalid_field", "waba_id"},
		{"{\"provider\":\"meta\"," SECRETS ",\"app_id\":\"1\",\"waba_id\":\"3\",\"verify\":false}", 400,
			"invalid_field", "phone_number_id"},
		{"{\"provider\":\"meta\"," SECRETS ",\"app_id\":\"x\",\"waba_id\":\"2\",\"phone_number_id\":\"3\"}",
			400, "invalid_field", "app_id"},
		{"{\"provider\":\"meta\"," SECRETS ",\"app_id\":1,\"waba_id\":\"2\",\"phone_number_id\":\"3\"}", 400,
			"invalid_field", "app_id"},
		{"{\"provider\":\"meta\"," SECRETS ",\"app_id\":\"1\",\"waba_id\":\"2\",\"phone_number_id\":\"+3\"}",
			400, "invalid_field", "phone_number_id"},
		{"{\"provider\":\"meta\"," IDS ",\"app_secret\":[\"" APP_SECRET "\"],\"access_token\":\"" ACCESS_TOKEN
		 "\"}",
			400, "invalid_field", "app_secret"},
		{"{\"provider\":\"meta\"," IDS ",\"app_secret\":\"short\",\"access_token\":\"" ACCESS_TOKEN "\"}", 400,
			"invalid_field", "app_secret"},
		{"{\"provider\":\"meta\"," IDS ",\"app_secret\":\"  \",\"access_token\":\"" ACCESS_TOKEN "\"}", 400,
			"invalid_field", "app_secret"},
		{"{\"provider\":\"meta\"," IDS ",\"app_secret\":\"" APP_SECRET
		 "\",\"access_token\":\"Bearer " ACCESS_TOKEN "\"}",
			400, "invalid_field", "access_token"},
		{"{\"provider\":\"meta\"," IDS "," SECRETS ",\"verify\":\"no\"}", 400, "invalid_field", "verify"},
		{"{\"provider\":\"meta\"," IDS "," SECRETS ",\"app_secret\":\"" APP_SECRET "\"}", 400, "invalid_field",
			"app_secret"},
		{"{\"provider\":\"meta\"," IDS "," SECRETS ",\"api_key\":\"x\"}", 400, "unknown_field", NULL},
		{"{\"provider\":\"meta\"," IDS "," SECRETS ",\"verfiy\":false}", 400, "unknown_field", "verfiy"},
		{"{\"provider\":\"meta\"," IDS ",\"app_secret\":\"" ACCESS_TOKEN "\",\"access_token\":\"" APP_SECRET
		 "\"}",
			400, "invalid_field", "access_token"},
	};
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		expect(house, "POST", LIST, faults[i].body, faults[i].status, faults[i].code, faults[i].field);
	a = ask(house, "POST", LIST, faults[sizeof(faults) / sizeof(faults[0]) - 1].body);
	assert_non_null(strstr(text_at(&a, "detail"), "swapped"));
	answer_clear(&a);
	a = ask(house, "GET", LIST, NULL);
	assert_non_null(strstr(a.text, "\"data\":[]"));
	answer_clear(&a);
}

static void space_around_a_pasted_key_is_dropped(void **state)
{
	struct answer a = ask(house, "POST", LIST,
		"{\"provider\":\"meta\"," IDS ",\"verify\":false,\"app_secret\":\" " APP_SECRET
		"\\n\",\"access_token\":\"\\t" ACCESS_TOKEN " \"}");

	(void)state;
	assert_int_equal(a.status, 201);
	assert_string_equal(text_at(&a, "secrets.app_secret.last4"), "b6a7");
	expect(house, "DELETE", path_of(text_at(&a, "id")), NULL, 204, NULL, NULL);
	answer_clear(&a);
}

static const char checked[] =
	"{\"provider\":\"meta\",\"app_id\":\"1001\",\"waba_id\":\"2002\",\"phone_number_id\":\"3003\"," SECRETS "}";

static void checked_with_the_provider(void **state)
{
	struct answer a = ask(house, "POST", LIST, checked), b;
	char id[STORE_ID_LEN + 1], test[300];

	(void)state;
	assert_int_equal(a.status, 201);
	assert_string_equal(text_at(&a, "status"), "active");
	assert_string_equal(text_at(&a, "display_phone"), "+234 801 234 5678");
	assert_string_equal(text_at(&a, "verified_name"), "Paul's Electronics");
	/* registered, and proven by the handshake */
	assert_string_equal(text_at(&a, "checks[5].name"), "callback");
	assert_string_equal(text_at(&a, "checks[5].result"), "ok");
	assert_string_equal(text_at(&a, "checks[7].result"), "ok");
	(void)snprintf(id, sizeof(id), "%s", text_at(&a, "id"));
	answer_clear(&a);

	(void)snprintf(test, sizeof(test), "%s/test", path_of(id));
	fake_number(&(struct fake_says){.class = OUTBOUND_AUTH, .code = 190});
	a = ask(house, "POST", test, NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "status"), "key_refused");
	answer_clear(&a);
	fake_reset();
	a = ask(house, "POST", test, "{}");
	assert_string_equal(text_at(&a, "status"), "active");
	answer_clear(&a);
	b = ask(house, "GET", path_of(id), NULL);
	assert_string_equal(text_at(&b, "status"), "active");
	answer_clear(&b);
	expect(house, "DELETE", path_of(id), NULL, 204, NULL, NULL);
	expect(house, "POST", test, NULL, 404, "not_found", NULL);
}

static void a_refused_key_is_not_stored(void **state)
{
	struct answer a;

	(void)state;
	fake_debug_token(&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = "{\"data\":{\"is_valid\":false}}"});
	expect(house, "POST", LIST, checked, 422, "credential_refused", "access_token");
	fake_debug_token(&(struct fake_says){.class = OUTBOUND_AUTH, .code = 190});
	expect(house, "POST", LIST, checked, 422, "credential_refused", "app_secret");
	fake_reset();
	a = ask(house, "GET", LIST, NULL);
	assert_non_null(strstr(a.text, "\"data\":[]"));
	answer_clear(&a);
}

static void one_secret_is_replaced_at_a_time(void **state)
{
	char id[STORE_ID_LEN + 1], before[32];
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	struct answer a;
	size_t len;

	(void)state;
	connection_new(house, "shop", "80003", id);
	/* the number's node answers with another id: the check fails, and that is no refusal */
	a = ask(house, "GET", path_of(id), NULL);
	(void)snprintf(before, sizeof(before), "%s", text_at(&a, "secrets.app_secret.fingerprint"));
	answer_clear(&a);
	assert_int_equal(tenant_verifiers(house_tenants(house), "shop", verifiers, &len), TENANT_OK);
	assert_int_equal(len, 1);

	a = ask(house, "PATCH", path_of(id), "{\"app_secret\":\"" OTHER_SECRET "\"}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "secrets.app_secret.last4"), "1122");
	assert_string_not_equal(text_at(&a, "secrets.app_secret.fingerprint"), before);
	assert_string_equal(text_at(&a, "secrets.access_token.last4"), "89ZZ");
	answer_clear(&a);
	/* both check webhooks now, at once */
	assert_int_equal(tenant_verifiers(house_tenants(house), "shop", verifiers, &len), TENANT_OK);
	assert_int_equal(len, 2);

	a = ask(house, "PATCH", path_of(id), "{\"access_token\":\"" OTHER_TOKEN "\"}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "secrets.access_token.last4"), "10YY");
	/* the replaced ones are not shown */
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "secrets")), 2);
	answer_clear(&a);

	expect(house, "PATCH", path_of(id), "{}", 400, "missing_field", NULL);
	expect(house, "PATCH", path_of(id), "{\"app_secret\":\"" APP_SECRET "\",\"access_token\":\"" ACCESS_TOKEN "\"}",
		400, "invalid_field", "app_secret");
	expect(house, "PATCH", path_of(id), "{\"app_secret\":\"short\"}", 400, "invalid_field", "app_secret");
	expect(house, "PATCH", path_of(id), "{\"app_secret\":null}", 400, "invalid_field", "app_secret");
	expect(house, "PATCH", path_of(id), "{\"api_key\":\"" API_KEY "\"}", 400, "invalid_field", "api_key");
	expect(house, "PATCH", path_of(id), "{\"take_over\":1}", 400, "invalid_field", "take_over");
	expect(house, "PATCH", path_of(id), "{\"status\":\"suspended\"}", 400, "unknown_field", "status");
	expect(house, "PATCH", path_of("01ARZ3NDEKTSV4RRFFQ69G5FAV"), "{\"app_secret\":\"" APP_SECRET "\"}", 404,
		"not_found", NULL);
	fake_number(&(struct fake_says){.class = OUTBOUND_AUTH, .code = 190});
	expect(house, "PATCH", path_of(id), "{\"access_token\":\"" ACCESS_TOKEN "\"}", 422, "credential_refused",
		"access_token");
	fake_reset();
	a = ask(house, "GET", path_of(id), NULL);
	assert_string_equal(text_at(&a, "secrets.access_token.last4"), "10YY");
	answer_clear(&a);
	expect(house, "DELETE", path_of(id), NULL, 204, NULL, NULL);
}

static void registered_without_taking_anything(void **state)
{
	char id[STORE_ID_LEN + 1];
	struct answer a;

	(void)state;
	fake_reset();
	connection_new(house, "shop", "3003", id);
	fake_owner(OUTBOUND_META_APP_CALLBACK, "foreign");
	a = ask(house, "PATCH", path_of(id), "{\"take_over\":false}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "status"), "webhook_taken");
	assert_string_equal(text_at(&a, "checks[5].result"), "failed");
	assert_string_equal(fake_owner_now(OUTBOUND_META_WABA_CALLBACK), "none");
	answer_clear(&a);
	fake_owner(OUTBOUND_META_APP_CALLBACK, "none");
	a = ask(house, "PATCH", path_of(id), "{\"take_over\":false}");
	assert_string_equal(text_at(&a, "status"), "active");
	assert_string_equal(fake_owner_now(OUTBOUND_META_APP_CALLBACK), "ours");
	answer_clear(&a);
	expect(house, "DELETE", path_of(id), NULL, 204, NULL, NULL);
}

/* What the last of these calls wrote to the log; the caller frees it. */
static char *logged(const char *path, const char *body)
{
	char *text = calloc(1, 8192);
	int ends[2], kept = dup(STDERR_FILENO);
	struct answer a;

	assert_non_null(text);
	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	log_init("test", LOG_INFO);
	a = ask(house, "PATCH", path, body);
	log_init("test", LOG_ERROR);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	(void)close(ends[1]);
	(void)close(kept);
	assert_true(read(ends[0], text, 8191) >= 0);
	(void)close(ends[0]);
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	return text;
}

static void the_log_says_what_came_of_registering(void **state)
{
	char id[STORE_ID_LEN + 1], *line;

	(void)state;
	fake_reset();
	connection_new(house, "shop", "3003", id);
	fake_owner(OUTBOUND_META_APP_CALLBACK, "foreign");
	line = logged(path_of(id), "{\"take_over\":false}");
	assert_null(strstr(line, "webhook registered"));
	assert_non_null(strstr(line, "webhook not registered business=shop"));
	assert_non_null(strstr(line, "result=failed"));
	assert_non_null(strstr(line, "https://elsewhere.example"));
	free(line);
	line = logged(path_of(id), "{\"take_over\":true}");
	assert_non_null(strstr(line, "webhook registered business=shop"));
	assert_null(strstr(line, "not registered"));
	free(line);
	expect(house, "DELETE", path_of(id), NULL, 204, NULL, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_without_asking_the_provider),
		cmocka_unit_test(a_number_belongs_to_one_business),
		cmocka_unit_test(rules_of_a_connection),
		cmocka_unit_test(space_around_a_pasted_key_is_dropped),
		cmocka_unit_test(checked_with_the_provider),
		cmocka_unit_test(a_refused_key_is_not_stored),
		cmocka_unit_test(one_secret_is_replaced_at_a_time),
		cmocka_unit_test(registered_without_taking_anything),
		cmocka_unit_test(the_log_says_what_came_of_registering),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
