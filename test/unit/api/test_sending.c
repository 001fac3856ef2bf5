/*
 * Sending as the query asks for it, the window, and what becomes of dead letters: sent again once, or put aside.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "test/unit/api/fake_outbound.h"

#define LIST "/v1/businesses/shop/messages"
#define HELLO "{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"Hello\"}}"
#define HOUR INT64_C(3600000)
#define ID_LEN (STORE_ID_LEN + 1)

static struct house *house;
static char connection[ID_LEN];

static int setup(void **state)
{
	(void)state;
	house = house_open(true);
	business_new(house, "shop");
	connection_new(house, "shop", "90001", connection);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

static struct store *store_of(void)
{
	return tenants_store(house_tenants(house));
}

/* ------------------------------------------------------------ helpers */

static void send(const char *query, char id[static ID_LEN])
{
	char target[256];
	struct answer a;

	(void)snprintf(target, sizeof(target), LIST "%s", query);
	a = ask(house, "POST", target, HELLO);
	if (a.status != 202)
		fail_msg("%s: %d: %s", query, a.status, a.text);
	(void)snprintf(id, ID_LEN, "%s", text_at(&a, "id"));
	answer_clear(&a);
}

static struct answer look(const char *id)
{
	char target[256];
	struct answer a;

	(void)snprintf(target, sizeof(target), LIST "/%s", id);
	a = ask(house, "GET", target, NULL);
	assert_int_equal(a.status, 200);
	return a;
}

static bool take(const struct store_message *m, void *arg)
{
	*(struct store_message *)arg = *m;
	return false;
}

/* As the store has it; nothing that it points to. */
static struct store_message row(const char *id)
{
	struct store_message m = {.state = 0};

	assert_int_equal(store_message_get(store_of(), "shop", id, take, &m), STORE_OK);
	return m;
}

/* An attempt ends so. */
static void ended(const char *id, enum store_message_state to)
{
	struct store_message m = row(id);
	struct store_due due[64];
	struct store_lease leases[64] = {{0}};
	struct store_outcome outcome = {.business_id = "shop",
		.message_id = id,
		.attempt = m.attempts + 1,
		.to = to,
		.next_at = store_now_ms() + HOUR,
		.error_code = 131026,
		.reason = "no"};
	size_t len = 64;
	int64_t next_at;

	assert_int_equal(store_outbox_due(store_of(), m.connection_id, store_now_ms(), due, &len, &next_at), STORE_OK);
	for (size_t i = 0; i < len; i++)
		leases[i].seq = due[i].seq;
	assert_int_equal(store_outbox_lease(store_of(), store_now_ms(), leases, len, take, &m), STORE_OK);
	assert_int_equal(store_outbox_settle(store_of(), &outcome), STORE_OK);
}

/* One that ended so; each in a conversation of its own, so that it is due at once. */
static void letter(enum store_message_state to, char id[static ID_LEN])
{
	static unsigned customer = 100000;
	char body[200];
	struct answer a;

	(void)snprintf(body, sizeof(body), "{\"to\":\"+49151%u\",\"type\":\"text\",\"text\":{\"body\":\"Hello\"}}",
		customer++);
	a = ask(house, "POST", LIST "?policy=at_least_once", body);
	assert_int_equal(a.status, 202);
	(void)snprintf(id, ID_LEN, "%s", text_at(&a, "id"));
	answer_clear(&a);
	ended(id, to);
}

static const char *target_of(const char *id, const char *what)
{
	static char target[256];

	(void)snprintf(target, sizeof(target), LIST "/%s/%s", id, what);
	return target;
}

static void refused(const char *target, const char *body, const char *words)
{
	struct answer a = ask(house, "POST", target, body);

	assert_int_equal(a.status, 409);
	assert_string_equal(text_at(&a, "code"), "conflict");
	if (strstr(text_at(&a, "detail"), words) == NULL)
		fail_msg("%s", text_at(&a, "detail"));
	answer_clear(&a);
}

/* ------------------------------------------------------------ as the query asks */

static void the_query_is_held_to(void **state)
{
	static const struct {
		const char *query, *field;
	} bad[] = {{"policy=twice", "policy"}, {"policy=", "policy"}, {"expires_in=0", "expires_in"},
		{"expires_in=604801", "expires_in"}, {"expires_in=", "expires_in"}, {"expires_in=1h", "expires_in"},
		{"expires_in=-5", "expires_in"}, {"expires_in=99999999999", "expires_in"},
		{"expires_in=%zz", "expires_in"}, {"window=open", "window"}, {"window=", "window"}};
	static const char *const unknown[] = {"polcy=at_least_once", "from=90001&expires_at=2030-01-01T00:00:00Z",
		"expires_in=60&Policy=at_least_once", "policy%20from", "%zz=1",
		"a-name-that-is-longer-than-any-name-of-ours=1"};
	char id[ID_LEN], target[128];
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(target, sizeof(target), LIST "?%s", bad[i].query);
		expect(house, "POST", target, HELLO, 400, "invalid_field", bad[i].field);
	}
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		(void)snprintf(target, sizeof(target), LIST "?%s", unknown[i]);
		expect(house, "POST", target, HELLO, 400, "unknown_field", NULL);
	}
	send("?policy=at_least_once&expires_in=604800&window=unchecked&from=90001", id);
	assert_int_equal(row(id).policy, STORE_AT_LEAST_ONCE);
	assert_int_equal(row(id).expires_at, row(id).created_at + INT64_C(604800000));
	a = look(id);
	assert_string_equal(text_at(&a, "policy"), "at_least_once");
	assert_int_equal(number_at(&a, "attempts"), 0);
	assert_true(strlen(text_at(&a, "next_at")) > 0);
	assert_null(json_get(a.json, "maybe_duplicate"));
	assert_null(json_get(a.json, "discarded_at"));
	answer_clear(&a);
	send("", id);
	assert_int_equal(row(id).policy, STORE_AT_MOST_ONCE);
	a = look(id);
	assert_string_equal(text_at(&a, "policy"), "at_most_once");
	assert_int_equal(strncmp(text_at(&a, "expires_at"), "20", 2), 0);
	answer_clear(&a);
}

/* What waits says since when it may be tried again, and what was sent no more. */
static void an_attempt_is_counted(void **state)
{
	char id[ID_LEN];
	struct answer a;

	(void)state;
	letter(STORE_MESSAGE_RETRY, id);
	a = look(id);
	assert_int_equal(number_at(&a, "attempts"), 1);
	assert_true(strlen(text_at(&a, "next_at")) > 0);
	answer_clear(&a);
	letter(STORE_MESSAGE_SENT, id);
	a = look(id);
	assert_null(json_get(a.json, "next_at"));
	answer_clear(&a);
}

/* ------------------------------------------------------------ the window */

static void a_closed_window(void **state)
{
	const struct outbound_window closed = {.is = OUTBOUND_WINDOW_CLOSED, .heard_at = 1234};
	struct answer a;
	char id[ID_LEN];
	unsigned wakes;

	(void)state;
	fake_window(&closed);
	wakes = fake_wakes();
	a = ask(house, "POST", LIST, HELLO);
	assert_int_equal(a.status, 422);
	assert_string_equal(text_at(&a, "code"), "window_closed");
	assert_non_null(strstr(text_at(&a, "detail"), "the customer wrote at 1234"));
	assert_non_null(strstr(text_at(&a, "detail"), "?window=unchecked"));
	assert_non_null(strstr(text_at(&a, "detail"), "window_check"));
	answer_clear(&a);
	assert_int_equal(fake_wakes(), wakes);
	send("?window=unchecked", id);
	assert_int_equal(row(id).expires_at, 0);
	/* the refusal is no answer for good: the customer may write */
	a = ask_once(house, "the-key", LIST, HELLO);
	assert_int_equal(a.status, 422);
	answer_clear(&a);
	fake_window(&(struct outbound_window){.is = OUTBOUND_WINDOW_NOT_KNOWN});
	a = ask_once(house, "the-key", LIST, HELLO);
	assert_int_equal(a.status, 202);
	assert_false(a.replayed);
	answer_clear(&a);
	/* switched off, for that business alone */
	fake_window(&closed);
	expect(house, "PATCH", "/v1/businesses/shop", "{\"window_check\":\"no\"}", 400, "invalid_field",
		"window_check");
	a = ask(house, "PATCH", "/v1/businesses/shop", "{\"window_check\":false}");
	assert_true(cJSON_IsFalse(json_get(a.json, "window_check")));
	answer_clear(&a);
	send("", id);
	a = ask(house, "PATCH", "/v1/businesses/shop", "{\"window_check\":true}");
	answer_clear(&a);
	a = ask(house, "GET", "/v1/businesses/shop", NULL);
	assert_true(cJSON_IsTrue(json_get(a.json, "window_check")));
	answer_clear(&a);
	expect(house, "POST", LIST, HELLO, 422, "window_closed", NULL);
	fake_reset();
}

static void an_open_window_ends_it(void **state)
{
	const struct outbound_window open = {.is = OUTBOUND_WINDOW_OPEN, .until = store_now_ms() + HOUR};
	char id[ID_LEN];

	(void)state;
	fake_window(&open);
	send("", id);
	assert_int_equal(row(id).expires_at, open.until);
	send("?expires_in=7200", id);
	assert_int_equal(row(id).expires_at, row(id).created_at + 2 * HOUR);
	send("?window=unchecked", id);
	assert_int_equal(row(id).expires_at, 0);
	fake_reset();
}

/* ------------------------------------------------------------ once more */

static void a_letter_is_sent_again_once(void **state)
{
	char id[ID_LEN], again[ID_LEN];
	struct answer a;
	unsigned wakes;

	(void)state;
	letter(STORE_MESSAGE_DEAD, id);
	wakes = fake_wakes();
	a = ask(house, "POST", target_of(id, "replay"), NULL);
	assert_int_equal(a.status, 202);
	assert_string_equal(text_at(&a, "status"), "queued");
	assert_string_equal(text_at(&a, "replay_of"), id);
	(void)snprintf(again, sizeof(again), "%s", text_at(&a, "id"));
	assert_string_not_equal(again, id);
	answer_clear(&a);
	assert_int_equal(fake_wakes(), wakes + 1);
	assert_int_equal(row(again).policy, STORE_AT_LEAST_ONCE);
	assert_false(row(again).maybe_duplicate);
	assert_int_equal(row(again).state, STORE_MESSAGE_QUEUED);
	a = look(id);
	assert_string_equal(text_at(&a, "state"), "dead");
	assert_true(strlen(text_at(&a, "discarded_at")) > 0);
	answer_clear(&a);
	refused(target_of(id, "replay"), NULL, "sent again, or discarded, before");
	refused(target_of(again, "replay"), NULL, "only a message that is dead or failed");
	expect(house, "POST", target_of("01ARZ3NDEKTSV4RRFFQ69G5FAV", "replay"), NULL, 404, "not_found", NULL);
	expect(house, "POST", target_of(id, "replay"), "{\"maybe\":true}", 400, "unknown_field", "maybe");
	expect(house, "POST", target_of(id, "replay"), "{\"maybe_duplicate\":1}", 400, "invalid_field",
		"maybe_duplicate");
}

static void what_may_have_arrived_only_on_request(void **state)
{
	char id[ID_LEN];
	struct answer a;

	(void)state;
	letter(STORE_MESSAGE_UNKNOWN, id);
	refused(target_of(id, "replay"), NULL, "maybe_duplicate");
	refused(target_of(id, "replay"), "{\"maybe_duplicate\":false}", "maybe_duplicate");
	a = ask(house, "POST", target_of(id, "replay"), "{\"maybe_duplicate\":true}");
	assert_int_equal(a.status, 202);
	(void)snprintf(id, sizeof(id), "%s", text_at(&a, "id"));
	answer_clear(&a);
	a = look(id);
	assert_true(cJSON_IsTrue(json_get(a.json, "maybe_duplicate")));
	answer_clear(&a);
}

static void a_replay_is_kept_for_its_key(void **state)
{
	char id[ID_LEN], first[ID_LEN];
	struct answer a;

	(void)state;
	letter(STORE_MESSAGE_DEAD, id);
	a = ask_once(house, "replay-key", target_of(id, "replay"), "{}");
	assert_int_equal(a.status, 202);
	(void)snprintf(first, sizeof(first), "%s", text_at(&a, "id"));
	answer_clear(&a);
	a = ask_once(house, "replay-key", target_of(id, "replay"), "{}");
	assert_int_equal(a.status, 202);
	assert_true(a.replayed);
	assert_string_equal(text_at(&a, "id"), first);
	answer_clear(&a);
}

static void a_replay_needs_a_way(void **state)
{
	const struct outbound_window closed = {.is = OUTBOUND_WINDOW_CLOSED};
	char id[ID_LEN], other[ID_LEN], gone[ID_LEN];
	struct answer a;

	(void)state;
	letter(STORE_MESSAGE_DEAD, id);
	letter(STORE_MESSAGE_DEAD, other);
	letter(STORE_MESSAGE_DEAD, gone);
	fake_window(&closed);
	expect(house, "POST", target_of(id, "replay"), NULL, 422, "window_closed", NULL);
	assert_int_equal(row(id).discarded_at, 0);
	a = ask(house, "POST", target_of(id, "replay?window=unchecked"), NULL);
	assert_int_equal(a.status, 202);
	answer_clear(&a);
	fake_reset();
	expect(house, "PATCH", "/v1/businesses/shop", "{\"status\":\"suspended\"}", 200, NULL, NULL);
	refused(target_of(other, "replay"), NULL, "suspended");
	expect(house, "PATCH", "/v1/businesses/shop", "{\"status\":\"active\"}", 200, NULL, NULL);
	assert_int_equal(
		store_connection_status_set(store_of(), "shop", connection, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	refused(target_of(other, "replay"), NULL, "not connected any more");
	assert_int_equal(
		store_connection_status_set(store_of(), "shop", connection, 0, STORE_CONNECTION_PENDING), STORE_OK);
	/* its content has gone with the time */
	assert_int_equal(store_prune(store_of(), store_now_ms() + 25 * HOUR, 1), STORE_OK);
	refused(target_of(gone, "replay"), NULL, "content is not kept");
	assert_int_equal(row(gone).discarded_at, 0);
}

static void letters_are_put_aside(void **state)
{
	char id[ID_LEN], sent[ID_LEN];
	struct answer a;
	int all;

	(void)state;
	letter(STORE_MESSAGE_DEAD, id);
	letter(STORE_MESSAGE_SENT, sent);
	a = ask(house, "GET", LIST "?state=dead&discarded=false&limit=200", NULL);
	all = cJSON_GetArraySize(json_get(a.json, "data"));
	assert_string_equal(text_at(&a, "data[0].id"), id);
	answer_clear(&a);
	expect(house, "POST", target_of(id, "discard"), NULL, 204, NULL, NULL);
	expect(house, "POST", target_of(id, "discard"), NULL, 204, NULL, NULL);
	refused(target_of(sent, "discard"), NULL, "only a message that is dead, failed or unknown");
	refused(target_of(id, "replay"), NULL, "discarded, before");
	expect(house, "POST", target_of("01ARZ3NDEKTSV4RRFFQ69G5FAV", "discard"), NULL, 404, "not_found", NULL);
	a = ask(house, "GET", LIST "?state=dead&discarded=false&limit=200", NULL);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), all - 1);
	answer_clear(&a);
	a = ask(house, "GET", LIST "?state=dead&discarded=true&limit=1", NULL);
	assert_string_equal(text_at(&a, "data[0].id"), id);
	answer_clear(&a);
	expect(house, "GET", LIST "?discarded=no", NULL, 400, "invalid_field", "discarded");
}

static void anothers_are_not_there(void **state)
{
	char id[ID_LEN], target[128];

	(void)state;
	business_new(house, "another");
	letter(STORE_MESSAGE_DEAD, id);
	(void)snprintf(target, sizeof(target), "/v1/businesses/another/messages/%s/replay", id);
	expect(house, "POST", target, NULL, 404, "not_found", NULL);
	(void)snprintf(target, sizeof(target), "/v1/businesses/another/messages/%s/discard", id);
	expect(house, "POST", target, NULL, 404, "not_found", NULL);
	assert_int_equal(row(id).discarded_at, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_query_is_held_to),
		cmocka_unit_test(an_attempt_is_counted),
		cmocka_unit_test(a_closed_window),
		cmocka_unit_test(an_open_window_ends_it),
		cmocka_unit_test(a_letter_is_sent_again_once),
		cmocka_unit_test(what_may_have_arrived_only_on_request),
		cmocka_unit_test(a_replay_is_kept_for_its_key),
		cmocka_unit_test(letters_are_put_aside),
		cmocka_unit_test(anothers_are_not_there),
		cmocka_unit_test(a_replay_needs_a_way),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
