/*
 * Virtual keys over the API: made, shown once, changed for another, revoked; what breaks a rule is
 * refused with the field; another business's is not there. And the operator's list of refused calls.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/rfc3339.h"
#include "gateway/virtual_key.h"

#define KEYS "/v1/businesses/shop/keys"

static struct house *house;

static int setup(void **state)
{
	char id[STORE_ID_LEN + 1];

	(void)state;
	house = house_open(false);
	business_new(house, "shop");
	business_new(house, "rival");
	connection_new(house, "shop", "90001", id);
	connection_new(house, "shop", "90002", id);
	connection_new(house, "rival", "90003", id);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

/* Makes one; its id and text go out. */
static void key_new(const char *body, char id[static STORE_ID_LEN + 1], char text[static VIRTUAL_KEY_ROOM])
{
	struct answer a = ask(house, "POST", KEYS, body);

	if (a.status != 201)
		fail_msg("%d: %s", a.status, a.text);
	(void)snprintf(id, STORE_ID_LEN + 1, "%s", text_at(&a, "id"));
	(void)snprintf(text, VIRTUAL_KEY_ROOM, "%s", text_at(&a, "key"));
	answer_clear(&a);
}

static struct answer get(const char *id)
{
	char path[128];

	(void)snprintf(path, sizeof(path), KEYS "/%s", id);
	return ask(house, "GET", path, NULL);
}

static struct answer rotate(const char *id, const char *body)
{
	char path[128];

	(void)snprintf(path, sizeof(path), KEYS "/%s/rotate", id);
	return ask(house, "POST", path, body);
}

static void revoke(const char *id, int status)
{
	char path[128];

	(void)snprintf(path, sizeof(path), KEYS "/%s", id);
	expect(house, "DELETE", path, NULL, status, status == 204 ? NULL : "not_found", NULL);
}

static bool is_null(const struct answer *a, const char *name)
{
	return cJSON_IsNull(json_get(a->json, name));
}

/* The moment that an answer names. */
static int64_t time_at(const struct answer *a, const char *path)
{
	int64_t ms;

	assert_true(rfc3339_read(text_at(a, path), &ms));
	return ms;
}

static void shown_once(void **state)
{
	char id[STORE_ID_LEN + 1], text[VIRTUAL_KEY_ROOM];
	struct answer a;

	(void)state;
	key_new("{\"name\":\"till\"}", id, text);
	assert_int_equal(strlen(text), 47);
	a = get(id);
	assert_int_equal(a.status, 200);
	assert_null(json_get(a.json, "key"));
	assert_null(strstr(a.text, text));
	assert_string_equal(text_at(&a, "name"), "till");
	assert_string_equal(text_at(&a, "last4"), text + 43);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "scopes")), 4);
	assert_string_equal(text_at(&a, "scopes[0]"), "send");
	assert_string_equal(text_at(&a, "scopes[3]"), "read");
	assert_true(is_null(&a, "numbers") && is_null(&a, "rate_per_minute") && is_null(&a, "messages_per_day"));
	assert_true(is_null(&a, "expires_at") && is_null(&a, "revoked_at") && is_null(&a, "used_at"));
	assert_true(is_null(&a, "refused"));
	assert_int_equal((int)number_at(&a, "messages_today"), 0);
	answer_clear(&a);
	a = ask(house, "GET", KEYS, NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "data[0].id"), id);
	assert_null(strstr(a.text, text));
	answer_clear(&a);
}

static void made_as_it_was_asked(void **state)
{
	char id[STORE_ID_LEN + 1], text[VIRTUAL_KEY_ROOM];
	struct answer a;
	int64_t now = store_now_ms();

	(void)state;
	key_new("{\"name\":\"all of it\",\"scopes\":[\"read\",\"media\"],\"numbers\":[\"90002\",\"90001\"],"
		"\"rate_per_minute\":60,\"messages_per_day\":1000,\"expires_in_days\":2}",
		id, text);
	a = get(id);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "scopes")), 2);
	assert_string_equal(text_at(&a, "scopes[0]"), "media");
	assert_string_equal(text_at(&a, "scopes[1]"), "read");
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "numbers")), 2);
	assert_string_equal(text_at(&a, "numbers[0]"), "90002");
	assert_string_equal(text_at(&a, "numbers[1]"), "90001");
	assert_int_equal((int)number_at(&a, "rate_per_minute"), 60);
	assert_int_equal((int)number_at(&a, "messages_per_day"), 1000);
	assert_in_range(time_at(&a, "expires_at"), now + 2 * 86400000, now + 2 * 86400000 + 60000);
	answer_clear(&a);
	key_new("{\"name\":\"till 2031\",\"expires_at\":\"2031-02-28T23:59:59.5+01:00\"}", id, text);
	a = get(id);
	assert_string_equal(text_at(&a, "expires_at"), "2031-02-28T22:59:59.500Z");
	answer_clear(&a);
}

static void what_breaks_a_rule(void **state)
{
	static const struct {
		const char *more, *field;
	} rows[] = {{"\"scopes\":[]", "scopes"}, {"\"scopes\":[\"all\"]", "scopes"}, {"\"scopes\":[1]", "scopes"},
		{"\"scopes\":\"send\"", "scopes"}, {"\"numbers\":[]", "numbers"}, {"\"numbers\":[90001]", "numbers"},
		{"\"numbers\":[\"90003\"]", "numbers"}, {"\"numbers\":[\"90001\",\"x\"]", "numbers"},
		{"\"numbers\":[\"\"]", "numbers"}, {"\"numbers\":[\"90001 90002\"]", "numbers"},
		{"\"numbers\":[\"111111111111111111111111111111111111111\"]", "numbers"},
		{"\"numbers\":[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3]", "numbers"},
		{"\"rate_per_minute\":0", "rate_per_minute"}, {"\"rate_per_minute\":100001", "rate_per_minute"},
		{"\"rate_per_minute\":1.5", "rate_per_minute"}, {"\"rate_per_minute\":\"5\"", "rate_per_minute"},
		{"\"messages_per_day\":-1", "messages_per_day"}, {"\"messages_per_day\":1e300", "messages_per_day"},
		{"\"expires_in_days\":0", "expires_in_days"}, {"\"expires_in_days\":3651", "expires_in_days"},
		{"\"expires_at\":\"2020-01-01T00:00:00Z\"", "expires_at"},
		{"\"expires_at\":\"tomorrow\"", "expires_at"},
		{"\"expires_at\":\"2099-01-01T00:00:00Z\"", "expires_at"}, {"\"expires_at\":5", "expires_at"},
		{"\"expires_at\":\"2031-01-01T00:00:00Z\",\"expires_in_days\":5", "expires_at"}};
	char body[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		(void)snprintf(body, sizeof(body), "{\"name\":\"broken\",%s}", rows[i].more);
		expect(house, "POST", KEYS, body, 400, "invalid_field", rows[i].field);
	}
	expect(house, "POST", KEYS, "{\"name\":\"\"}", 400, "invalid_field", "name");
	expect(house, "POST", KEYS, "{\"scopes\":[\"send\"]}", 400, "missing_field", "name");
	expect(house, "POST", KEYS, "{\"name\":\"n\",\"scope\":\"send\"}", 400, "unknown_field", "scope");
	expect(house, "POST", KEYS, "", 400, "invalid_json", NULL);
	expect(house, "POST", "/v1/businesses/nobody/keys", "{\"name\":\"n\"}", 404, "not_found", NULL);
}

static void two_of_a_name(void **state)
{
	char first[STORE_ID_LEN + 1], second[STORE_ID_LEN + 1], text[VIRTUAL_KEY_ROOM];

	(void)state;
	key_new("{\"name\":\"twins\"}", first, text);
	key_new("{\"name\":\"twins\"}", second, text);
	expect(house, "POST", KEYS, "{\"name\":\"twins\"}", 409, "too_many_keys", NULL);
	revoke(first, 204);
	revoke(first, 204);
	key_new("{\"name\":\"twins\"}", first, text);
	expect(house, "POST", "/v1/businesses/rival/keys", "{\"name\":\"twins\"}", 201, NULL, NULL);
}

static void one_takes_anothers_place(void **state)
{
	char old[STORE_ID_LEN + 1], text[VIRTUAL_KEY_ROOM], fresh[STORE_ID_LEN + 1];
	struct answer a;

	(void)state;
	key_new("{\"name\":\"rotated\",\"scopes\":[\"send\"],\"numbers\":[\"90001\"],\"rate_per_minute\":5}", old,
		text);
	a = rotate(old, NULL);
	assert_int_equal(a.status, 201);
	(void)snprintf(fresh, sizeof(fresh), "%s", text_at(&a, "id"));
	assert_string_not_equal(fresh, old);
	assert_string_not_equal(text_at(&a, "key"), text);
	assert_string_equal(text_at(&a, "name"), "rotated");
	assert_string_equal(text_at(&a, "scopes[0]"), "send");
	assert_string_equal(text_at(&a, "numbers[0]"), "90001");
	assert_int_equal((int)number_at(&a, "rate_per_minute"), 5);
	answer_clear(&a);
	a = get(old);
	assert_true(is_null(&a, "expires_at") && is_null(&a, "revoked_at"));
	answer_clear(&a);
	a = rotate(old, NULL);
	assert_int_equal(a.status, 409);
	assert_string_equal(text_at(&a, "code"), "too_many_keys");
	answer_clear(&a);
	revoke(old, 204);
	a = rotate(old, NULL);
	assert_int_equal(a.status, 409);
	assert_string_equal(text_at(&a, "code"), "conflict");
	answer_clear(&a);
	a = rotate(fresh, "{\"old_ends_in_minutes\":10}");
	assert_int_equal(a.status, 201);
	answer_clear(&a);
	a = get(fresh);
	assert_in_range(time_at(&a, "expires_at"), store_now_ms() + 9 * 60000, store_now_ms() + 10 * 60000);
	answer_clear(&a);
	a = rotate(fresh, "{\"old_ends_in_minutes\":0}");
	assert_int_equal(a.status, 400);
	answer_clear(&a);
	a = rotate("nothing", NULL);
	assert_int_equal(a.status, 404);
	answer_clear(&a);
}

static void of_another_business(void **state)
{
	char id[STORE_ID_LEN + 1], text[VIRTUAL_KEY_ROOM], path[128];
	struct answer a;

	(void)state;
	key_new("{\"name\":\"mine\"}", id, text);
	(void)snprintf(path, sizeof(path), "/v1/businesses/rival/keys/%s", id);
	expect(house, "GET", path, NULL, 404, "not_found", NULL);
	expect(house, "DELETE", path, NULL, 404, "not_found", NULL);
	(void)snprintf(path, sizeof(path), "/v1/businesses/rival/keys/%s/rotate", id);
	expect(house, "POST", path, NULL, 404, "not_found", NULL);
	revoke("nothing", 404);
	a = get(id);
	assert_true(is_null(&a, "revoked_at"));
	answer_clear(&a);
}

/* The second answer is the first without the key, and no second one was made. */
static void made_once(void **state)
{
	struct answer first = ask_once(house, "made-once", KEYS, "{\"name\":\"once\"}");
	struct answer again = ask_once(house, "made-once", KEYS, "{\"name\":\"once\"}");

	(void)state;
	assert_int_equal(first.status, 201);
	assert_int_equal(again.status, 201);
	assert_true(again.replayed);
	assert_string_equal(text_at(&again, "id"), text_at(&first, "id"));
	assert_null(json_get(again.json, "key"));
	assert_null(strstr(again.text, text_at(&first, "key")));
	answer_clear(&first);
	answer_clear(&again);
}

/* ------------------------------------------------------------ times */

static void moments(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"1970-01-01T00:00:00Z", 0}, {"1970-01-02T00:00:00.123456Z", 86400123},
		{"2030-01-31T23:59:59.9Z", 1896134399900}, {"1970-01-01T05:30:00+05:30", 0},
		{"1969-12-31T16:00:00-08:00", 0}, {"2028-02-29T00:00:00Z", 1835395200000}};
	static const char *const bad[] = {"", "2030", "2030-01-31", "2030-01-31T23:59:59", "2030-01-31 23:59:59Z",
		"2030-02-30T00:00:00Z", "2029-02-29T00:00:00Z", "2030-13-01T00:00:00Z", "2030-00-01T00:00:00Z",
		"2030-01-01T24:00:00Z", "2030-01-01T00:60:00Z", "2030-01-01T00:00:61Z", "2030-01-01T00:00:00.Z",
		"2030-01-01T00:00:00Zx", "2030-01-01T00:00:00+0100", "2030-01-01T00:00:00+24:00", "2030-1-1T00:00:00Z",
		"+030-01-01T00:00:00Z", "2030-01-01T00:00:00+01:00x"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(rfc3339_read(good[i].text, &ms));
		assert_int_equal(ms, good[i].ms);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (rfc3339_read(bad[i], &ms))
			fail_msg("taken for a moment: %s", bad[i]);
}

/* ------------------------------------------------------------ refused calls */

static void control_expect(int status, struct answer *a)
{
	const struct api_request req = {.method = "GET", .path = "/control/refusals"};

	*a = ask_as(house, true, NULL, &req);
	assert_int_equal(a->status, status);
}

static void refused_calls_are_the_operators(void **state)
{
	struct virtual_keys *keys = house_virtual_keys(house);
	char id[STORE_ID_LEN + 1], text[VIRTUAL_KEY_ROOM];
	struct virtual_key_call call = {.text = text,
		.scopes = STORE_SCOPE_SEND,
		.now = store_now_ms(),
		.method = "POST",
		.path = "/v26.0/90001/messages",
		.peer = "192.0.2.7"};
	struct virtual_key_verdict verdict;
	struct answer a;

	(void)state;
	expect(house, "GET", "/control/refusals", NULL, 404, "not_found", NULL);
	control_expect(200, &a);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), 0);
	answer_clear(&a);
	key_new("{\"name\":\"reader\",\"scopes\":[\"read\"]}", id, text);
	for (int i = 0; i < 2; i++)
		assert_int_equal(virtual_keys_admit(keys, &call, &verdict), STORE_OK);
	control_expect(200, &a);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), 1);
	assert_string_equal(text_at(&a, "data[0].why"), "scope_not_given");
	assert_string_equal(text_at(&a, "data[0].key_id"), id);
	assert_string_equal(text_at(&a, "data[0].business_id"), "shop");
	assert_string_equal(text_at(&a, "data[0].last4"), text + 43);
	assert_string_equal(text_at(&a, "data[0].path"), "/v26.0/{id}/messages");
	assert_string_equal(text_at(&a, "data[0].peer"), "192.0.2.7");
	assert_int_equal((int)number_at(&a, "data[0].count"), 2);
	assert_non_null(strstr(text_at(&a, "data[0].remedy"), "scope"));
	assert_null(strstr(a.text, text));
	answer_clear(&a);
	/* At the key it is shown before it is written. */
	a = get(id);
	assert_string_equal(text_at(&a, "refused.why"), "scope_not_given");
	assert_int_equal((int)number_at(&a, "refused.count"), 2);
	answer_clear(&a);
	assert_int_equal(virtual_keys_write(keys), STORE_OK);
	a = get(id);
	assert_int_equal((int)number_at(&a, "refused.count"), 2);
	answer_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown_once),
		cmocka_unit_test(made_as_it_was_asked),
		cmocka_unit_test(what_breaks_a_rule),
		cmocka_unit_test(two_of_a_name),
		cmocka_unit_test(one_takes_anothers_place),
		cmocka_unit_test(of_another_business),
		cmocka_unit_test(made_once),
		cmocka_unit_test(moments),
		cmocka_unit_test(refused_calls_are_the_operators),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
