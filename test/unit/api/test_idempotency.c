/*
 * Calls that come twice: done once, answered alike, and no secret is repeated or kept.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "test/unit/api/fake_outbound.h"

static struct house *house;
static char connection[STORE_ID_LEN + 1];

static int setup(void **state)
{
	(void)state;
	house = house_open(true);
	business_new(house, "shop");
	business_new(house, "rival");
	connection_new(house, "shop", "90001", connection);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

#define MESSAGES "/v1/businesses/shop/messages"
#define CONNECTIONS "/v1/businesses/shop/connections"
#define HELLO "{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"Hello\"}}"
#define HELLO_AGAIN "{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"Hello again\"}}"

/* A second time: the same answer, told to be one. */
static void expect_again(const struct answer *first, const char *key, const char *target, const char *body)
{
	struct answer a = ask_once(house, key, target, body);

	assert_true(a.replayed);
	assert_int_equal(a.status, first->status);
	assert_string_equal(a.text, first->text);
	answer_clear(&a);
}

static void expect_once(const char *key, const char *target, const char *body, int status, const char *code)
{
	struct answer a = ask_once(house, key, target, body);

	assert_false(a.replayed);
	if (a.status != status)
		fail_msg("%d, not %d: %s", a.status, status, a.text);
	if (code != NULL)
		assert_string_equal(text_at(&a, "code"), code);
	answer_clear(&a);
}

static unsigned rows(const char *target)
{
	struct answer a = ask(house, "GET", target, NULL);
	unsigned n = (unsigned)cJSON_GetArraySize(json_get(a.json, "data"));

	assert_int_equal(a.status, 200);
	answer_clear(&a);
	return n;
}

static void a_message_is_queued_once(void **state)
{
	struct answer a = ask_once(house, "order 17 / paid", MESSAGES, HELLO), b;

	(void)state;
	assert_int_equal(a.status, 202);
	assert_false(a.replayed);
	expect_again(&a, "order 17 / paid", MESSAGES, HELLO);
	expect_again(&a, "order 17 / paid", MESSAGES, HELLO);
	assert_int_equal(rows(MESSAGES), 1);
	assert_int_equal(fake_wakes(), 1);
	expect_once("order 17 / paid", MESSAGES, HELLO_AGAIN, 422, "idempotency_key_reused");
	/* another key, another path or query, or none: another call */
	b = ask_once(house, "order 18", MESSAGES, HELLO);
	assert_string_not_equal(text_at(&a, "id"), text_at(&b, "id"));
	answer_clear(&b);
	expect_once("order 17 / paid", MESSAGES "?from=90001", HELLO, 202, NULL);
	expect_once("order 17 / paid", "/v1/businesses/rival/messages", HELLO, 422, "number_required");
	expect(house, "POST", MESSAGES, HELLO, 202, NULL, NULL);
	assert_int_equal(rows(MESSAGES), 4);
	answer_clear(&a);
}

static void a_refusal_is_repeated_too(void **state)
{
	struct answer a = ask_once(house, "bad", MESSAGES, "{\"type\":\"text\"}");

	(void)state;
	assert_int_equal(a.status, 400);
	assert_false(a.replayed);
	expect_again(&a, "bad", MESSAGES, "{\"type\":\"text\"}");
	answer_clear(&a);
}

static void keys_have_a_form(void **state)
{
	char key[258];

	(void)state;
	memset(key, 'k', sizeof(key) - 1);
	key[256] = '\0';
	expect_once(key, MESSAGES, HELLO, 400, "invalid_field");
	key[255] = '\0';
	expect_once(key, MESSAGES, HELLO, 202, NULL);
	expect_once("", MESSAGES, HELLO, 400, "invalid_field");
	expect_once("tab\t", MESSAGES, HELLO, 400, "invalid_field");
	expect_once("\xc3\xa9", MESSAGES, HELLO, 400, "invalid_field");
	expect_once("any", "/v1/businesses/nobody/messages", HELLO, 404, "not_found");
}

static void on_every_post(void **state)
{
	struct answer a = ask_once(house, "b1", "/v1/businesses", "{\"name\":\"Twice\"}");
	char test[200];

	(void)state;
	assert_int_equal(a.status, 201);
	expect_again(&a, "b1", "/v1/businesses", "{\"name\":\"Twice\"}");
	expect_once("b1", "/v1/businesses", "{\"name\":\"Thrice\"}", 422, "idempotency_key_reused");
	answer_clear(&a);
	a = ask_once(
		house, "b1", "/v1/businesses/shop/products", "[{\"name\":\"b\",\"price\":\"1\",\"currency\":\"NGN\"}]");
	assert_int_equal((int)number_at(&a, "added"), 1);
	expect_again(
		&a, "b1", "/v1/businesses/shop/products", "[{\"name\":\"b\",\"price\":\"1\",\"currency\":\"NGN\"}]");
	answer_clear(&a);
	(void)snprintf(test, sizeof(test), CONNECTIONS "/%s/test", connection);
	a = ask_once(house, "b1", test, "{}");
	assert_int_equal(a.status, 200);
	expect_again(&a, "b1", test, "{}");
	answer_clear(&a);
}

/* The same answer but for what is shown once. */
static void expect_without(const struct answer *first, const struct answer *second, const char *secret)
{
	cJSON *copy = cJSON_Duplicate(first->json, true);

	assert_int_equal(second->status, first->status);
	assert_true(second->replayed);
	assert_non_null(json_get(copy, secret));
	cJSON_DeleteItemFromObjectCaseSensitive(copy, secret);
	assert_true(cJSON_Compare(copy, second->json, true));
	cJSON_Delete(copy);
}

static void secrets_are_not_repeated(void **state)
{
	static const char body[] = "{\"provider\":\"360dialog\",\"api_key\":\"" API_KEY "\",\"verify\":false}";
	const struct api_request token = {.method = "POST",
		.path = "/control/tokens",
		.idempotency_key = "t1",
		.body = (const uint8_t *)"{\"name\":\"x\"}",
		.body_len = 12};
	struct answer a = ask_once(house, "c1", CONNECTIONS, body), b = ask_once(house, "c1", CONNECTIONS, body);

	(void)state;
	assert_int_equal(a.status, 201);
	expect_without(&a, &b, "webhook_headers");
	assert_int_equal(rows(CONNECTIONS), 2);
	answer_clear(&a);
	answer_clear(&b);
	a = ask_as(house, true, NULL, &token);
	b = ask_as(house, true, NULL, &token);
	assert_int_equal(a.status, 201);
	expect_without(&a, &b, "token");
	answer_clear(&a);
	answer_clear(&b);
}

static void a_large_body_is_a_call_too(void **state)
{
	const size_t room = 200000;
	struct answer a, b;
	char *body = malloc(room);
	size_t len = 0;

	(void)state;
	assert_non_null(body);
	len += (size_t)snprintf(body, room, "[{}");
	while (len < 150000)
		len += (size_t)snprintf(body + len, room - len, ",{\"name\":\"x\"}");
	(void)snprintf(body + len, room - len, "]");
	a = ask_once(house, "long", "/v1/businesses/shop/products", body);
	b = ask_once(house, "long", "/v1/businesses/shop/products", body);
	assert_int_equal(a.status, 400);
	assert_true(b.replayed);
	body[len - 3] = 'y';
	expect_once("long", "/v1/businesses/shop/products", body, 422, "idempotency_key_reused");
	answer_clear(&a);
	answer_clear(&b);
	free(body);
}

static const char in_flight_body[] =
	"{\"provider\":\"meta\",\"app_id\":\"1001\",\"app_secret\":\"" APP_SECRET "\",\"access_token\":\"" ACCESS_TOKEN
	"\",\"waba_id\":\"2002\",\"phone_number_id\":\"3003\"}";
static unsigned handshakes;

/* While the first call still waits for the provider. */
static void come_again(const char *business_id, const char *connection_id)
{
	(void)business_id;
	(void)connection_id;
	handshakes++;
	expect_once("slow", CONNECTIONS, in_flight_body, 409, "in_flight");
	expect_once("slow", CONNECTIONS, META("3003"), 422, "idempotency_key_reused");
	house_handshakes(house, true);
}

static void while_the_first_is_on_its_way(void **state)
{
	struct answer a;

	(void)state;
	fake_reset();
	fake_handshake(come_again);
	a = ask_once(house, "slow", CONNECTIONS, in_flight_body);
	assert_int_equal(handshakes, 1);
	assert_int_equal(a.status, 201);
	expect_again(&a, "slow", CONNECTIONS, in_flight_body);
	answer_clear(&a);
}

static void what_failed_may_be_tried_again(void **state)
{
	(void)state;
	house_vault_end(house);
	/* the keys of "rival" are cached; its connection cannot be sealed */
	expect_once("v1", "/v1/businesses/rival/connections", META("70001"), 503, "unavailable");
	expect_once("v1", "/v1/businesses/rival/connections", META("70001"), 503, "unavailable");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_message_is_queued_once),
		cmocka_unit_test(a_refusal_is_repeated_too),
		cmocka_unit_test(keys_have_a_form),
		cmocka_unit_test(on_every_post),
		cmocka_unit_test(secrets_are_not_repeated),
		cmocka_unit_test(a_large_body_is_a_call_too),
		cmocka_unit_test(while_the_first_is_on_its_way),
		cmocka_unit_test(what_failed_may_be_tried_again),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
