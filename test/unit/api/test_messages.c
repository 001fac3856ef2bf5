/*
 * Messages: queued once they are valid and a number is known; listed with content
 * that opens, and with null where it does not.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "test/unit/api/fake_outbound.h"

#define LIST "/v1/businesses/shop/messages"
#define HELLO "{\"to\":\"+234 801 234 5678\",\"type\":\"text\",\"text\":{\"body\":\"Hello \xf0\x9f\x91\x8b\"}}"

static struct house *house;
static char connection[STORE_ID_LEN + 1];

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

static void queued_and_looked_up(void **state)
{
	struct answer a = ask(house, "POST", LIST, HELLO);
	char path[128];

	(void)state;
	assert_int_equal(a.status, 202);
	assert_string_equal(text_at(&a, "status"), "queued");
	assert_int_equal(fake_wakes(), 1);
	(void)snprintf(path, sizeof(path), LIST "/%s", text_at(&a, "id"));
	answer_clear(&a);

	a = ask(house, "GET", path, NULL);
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "direction"), "outbound");
	assert_string_equal(text_at(&a, "state"), "queued");
	assert_string_equal(text_at(&a, "type"), "text");
	assert_string_equal(text_at(&a, "number"), "90001");
	assert_string_equal(text_at(&a, "customer"), "+2348012345678");
	assert_string_equal(text_at(&a, "content.text.body"), "Hello \xf0\x9f\x91\x8b");
	assert_true(cJSON_IsNull(json_get(a.json, "wamid")));
	assert_null(json_get(a.json, "error"));
	answer_clear(&a);
	expect(house, "GET", LIST "/01ARZ3NDEKTSV4RRFFQ69G5FAV", NULL, 404, "not_found", NULL);
}

static void rules_of_a_message(void **state)
{
	static const struct {
		const char *body, *code, *field;
	} faults[] = {
		{"[]", "invalid_field", NULL},
		{"x", "invalid_json", NULL},
		{"{\"type\":\"text\",\"text\":{\"body\":\"x\"}}", "invalid_field", "to"},
		{"{\"to\":\"+2348012345678\"}", "invalid_field", "type"},
		{"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{}}", "invalid_field", "text.body"},
		{"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"x\"},\"type\":\"image\"}",
			"invalid_field", NULL},
	};
	struct answer a;

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		expect(house, "POST", LIST, faults[i].body, 400, faults[i].code, faults[i].field);
	a = ask_type(house, "POST", LIST, "text/plain", HELLO);
	assert_int_equal(a.status, 415);
	answer_clear(&a);
}

static void the_number_is_found(void **state)
{
	char second[STORE_ID_LEN + 1];
	struct answer a;

	(void)state;
	business_new(house, "two");
	expect(house, "POST", "/v1/businesses/two/messages", HELLO, 422, "number_required", "from");
	connection_new(house, "two", "90002", second);
	expect(house, "POST", "/v1/businesses/two/messages", HELLO, 202, NULL, NULL);
	connection_new(house, "two", "90003", second);
	expect(house, "POST", "/v1/businesses/two/messages", HELLO, 422, "number_required", "from");
	expect(house, "POST", "/v1/businesses/two/messages?from=90003", HELLO, 202, NULL, NULL);
	expect(house, "POST", "/v1/businesses/two/messages?from=90001", HELLO, 404, "not_found", "from");
	expect(house, "POST", "/v1/businesses/two/messages?from=", HELLO, 404, "not_found", "from");
	expect(house, "POST", "/v1/businesses/two/messages?from=%00", HELLO, 404, "not_found", "from");
	a = ask(house, "GET", "/v1/businesses/two/messages?limit=1", NULL);
	assert_string_equal(text_at(&a, "data[0].number"), "90003");
	answer_clear(&a);
	expect(house, "PATCH", "/v1/businesses/two", "{\"status\":\"suspended\"}", 200, NULL, NULL);
	expect(house, "POST", "/v1/businesses/two/messages?from=90003", HELLO, 409, "conflict", NULL);
	/* what was said before stays readable */
	expect(house, "GET", "/v1/businesses/two/messages", NULL, 200, NULL, NULL);
}

/* ------------------------------------------------------------ inbound rows */

static void seal(const char *business, const char *id, const char *field, const char *text, uint8_t **blob, size_t *len)
{
	const struct tenant_place where = {business, "messages", id, field, 1};

	assert_int_equal(tenant_seal(house_tenants(house), &where, text, strlen(text), blob, len), TENANT_OK);
}

/* An inbound message as intake would log it. damaged: its content was sealed for another row. */
static void inbound_new(const char *content, bool damaged, char id[static STORE_ID_LEN + 1])
{
	struct store *store = tenants_store(house_tenants(house));
	struct store_event e = {.received_at = store_now_ms(), .body = (const uint8_t *)"sealed", .body_len = 6};
	struct store_message m = {.direction = STORE_INBOUND, .state = STORE_MESSAGE_RECEIVED, .type = "text"};
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .field = "messages", .verdict = STORE_UPDATE_DELIVERED};
	struct store_intake_counts counts;
	uint8_t *sealed = NULL, *wamid = NULL;

	store_id_new(e.id);
	store_id_new(m.id);
	store_id_new(u.id);
	(void)snprintf(e.business_id, sizeof(e.business_id), "shop");
	(void)snprintf(m.business_id, sizeof(m.business_id), "shop");
	(void)snprintf(e.connection_id, sizeof(e.connection_id), "%s", connection);
	(void)snprintf(m.connection_id, sizeof(m.connection_id), "%s", connection);
	(void)snprintf(m.number, sizeof(m.number), "90001");
	memset(m.conversation, 7, sizeof(m.conversation));
	vault_random(m.wamid_index, sizeof(m.wamid_index));
	m.created_at = m.updated_at = store_now_ms();
	seal("shop", damaged ? e.id : m.id, "content", content, &sealed, &m.content_len);
	seal("shop", damaged ? e.id : m.id, "wamid", "wamid.HBgN", &wamid, &m.wamid_len);
	m.content = sealed;
	m.wamid = wamid;
	u.message = &m;
	assert_int_equal(store_event_append(store, &e, 5000), STORE_OK);
	assert_int_equal(store_event_settle(store, "shop", e.id, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_OK);
	assert_int_equal(counts.delivered, 1);
	memcpy(id, m.id, sizeof(m.id));
	free(sealed);
	free(wamid);
}

static void who_wrote_is_shown(void **state)
{
	static const struct {
		const char *content, *customer;
	} cases[] = {
		{"{\"message\":{\"from\":\"2348012345678\",\"text\":{\"body\":\"hi\"}},\"contact\":null,\"metadata\":{}"
		 "}",
			"+2348012345678"},
		{"{\"message\":{\"from_user_id\":\"NG.123\"},\"contact\":null}", "NG.123"},
		{"{\"message\":{},\"contact\":{\"wa_id\":\"4915112345678\",\"user_id\":\"DE.1\"}}", "+4915112345678"},
		{"{\"message\":{},\"contact\":{\"user_id\":\"DE.1\"}}", "DE.1"},
		{"{\"message\":[],\"contact\":5}", NULL},
		{"{\"message\":{\"from\":5}}", NULL},
		/* a customer's bytes that are no UTF-8 do not make the answer other than JSON */
		{"{\"message\":{\"from\":\"1\xff\xfe\"}}", "+1??"},
	};
	char id[STORE_ID_LEN + 1], path[128];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a;

		inbound_new(cases[i].content, false, id);
		(void)snprintf(path, sizeof(path), LIST "/%s", id);
		a = ask(house, "GET", path, NULL);
		assert_int_equal(a.status, 200);
		assert_string_equal(text_at(&a, "direction"), "inbound");
		assert_string_equal(text_at(&a, "state"), "received");
		assert_string_equal(text_at(&a, "wamid"), "wamid.HBgN");
		if (cases[i].customer != NULL)
			assert_string_equal(text_at(&a, "customer"), cases[i].customer);
		else
			assert_true(cJSON_IsNull(json_get(a.json, "customer")));
		assert_true(cJSON_IsObject(json_get(a.json, "content")));
		answer_clear(&a);
	}
}

static void what_does_not_open_is_null(void **state)
{
	char id[STORE_ID_LEN + 1], path[128];
	struct answer a;

	(void)state;
	inbound_new("{\"message\":{\"from\":\"1\"}}", true, id);
	(void)snprintf(path, sizeof(path), LIST "/%s", id);
	a = ask(house, "GET", path, NULL);
	assert_int_equal(a.status, 200);
	assert_true(cJSON_IsNull(json_get(a.json, "content")));
	assert_true(cJSON_IsNull(json_get(a.json, "customer")));
	assert_true(cJSON_IsNull(json_get(a.json, "wamid")));
	assert_string_equal(text_at(&a, "type"), "text");
	answer_clear(&a);
	expect(house, "GET", LIST, NULL, 200, NULL, NULL);
}

static unsigned rows(const char *target)
{
	struct answer a = ask(house, "GET", target, NULL);
	unsigned n = (unsigned)cJSON_GetArraySize(json_get(a.json, "data"));

	assert_int_equal(a.status, 200);
	answer_clear(&a);
	return n;
}

static void listed_by_direction_and_state(void **state)
{
	char target[256], cursor[64] = "", id[STORE_ID_LEN + 1];
	unsigned all = 0, pages = 0;

	(void)state;
	business_new(house, "many");
	connection_new(house, "many", "90005", id);
	for (int i = 0; i < 205; i++)
		expect(house, "POST", "/v1/businesses/many/messages", HELLO, 202, NULL, NULL);
	do {
		struct answer a;
		const cJSON *next;

		(void)snprintf(target, sizeof(target), "/v1/businesses/many/messages?limit=100%s%s",
			cursor[0] != '\0' ? "&cursor=" : "", cursor);
		a = ask(house, "GET", target, NULL);
		assert_int_equal(a.status, 200);
		all += (unsigned)cJSON_GetArraySize(json_get(a.json, "data"));
		pages++;
		next = json_get(a.json, "next_cursor");
		(void)snprintf(cursor, sizeof(cursor), "%s", cJSON_IsString(next) ? next->valuestring : "");
		answer_clear(&a);
	} while (cursor[0] != '\0');
	assert_int_equal(all, 205);
	assert_int_equal(pages, 3);
	assert_int_equal(rows("/v1/businesses/many/messages?limit=200&direction=outbound&state=queued"), 200);
	assert_int_equal(rows("/v1/businesses/many/messages?direction=inbound"), 0);
	assert_int_equal(rows("/v1/businesses/many/messages?state=dead"), 0);
	assert_true(rows(LIST "?direction=inbound&state=received") >= 7);
	expect(house, "GET", LIST "?direction=sideways", NULL, 400, "invalid_field", "direction");
	expect(house, "GET", LIST "?state=QUEUED", NULL, 400, "invalid_field", "state");
}

static bool lease_any(const struct store_message *m, void *arg)
{
	(void)m;
	(void)arg;
	return true;
}

static void a_failure_says_why(void **state)
{
	struct store *store = tenants_store(house_tenants(house));
	struct store_outcome outcome = {.business_id = "fails",
		.attempt = 1,
		.to = STORE_MESSAGE_DEAD,
		.error_code = 131047,
		.reason = "more than 24 hours since the customer wrote"};
	char id[STORE_ID_LEN + 1], path[128];
	struct answer a;
	bool leased = false;

	(void)state;
	business_new(house, "fails");
	connection_new(house, "fails", "90006", id);
	a = ask(house, "POST", "/v1/businesses/fails/messages", HELLO);
	(void)snprintf(path, sizeof(path), "/v1/businesses/fails/messages/%s", text_at(&a, "id"));
	outcome.message_id = path + strlen("/v1/businesses/fails/messages/");
	answer_clear(&a);
	for (int i = 0; i < 10 && !leased; i++) {
		assert_int_equal(store_outbox_lease(store, store_now_ms(), 200, 200, lease_any, NULL), STORE_OK);
		leased = store_outbox_settle(store, &outcome) == STORE_OK;
	}
	assert_true(leased);
	a = ask(house, "GET", path, NULL);
	assert_string_equal(text_at(&a, "state"), "dead");
	assert_int_equal(number_at(&a, "error.code"), 131047);
	assert_string_equal(text_at(&a, "error.reason"), "more than 24 hours since the customer wrote");
	answer_clear(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queued_and_looked_up),
		cmocka_unit_test(rules_of_a_message),
		cmocka_unit_test(the_number_is_found),
		cmocka_unit_test(who_wrote_is_shown),
		cmocka_unit_test(what_does_not_open_is_null),
		cmocka_unit_test(listed_by_direction_and_state),
		cmocka_unit_test(a_failure_says_why),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
