/*
 * Messages: queued once they are valid and a number is known; listed with content
 * that opens, and with null where it does not.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/json.h"
#include "test/unit/api/fake_outbound.h"

#define LIST "/v1/businesses/shop/messages"
#define HELLO "{\"to\":\"+234 801 234 5678\",\"type\":\"text\",\"text\":{\"body\":\"Hello \xf0\x9f\x91\x8b\"}}"
#define STRANGER "{\"recipient\":\"NG.5512\",\"type\":\"text\",\"text\":{\"body\":\"Hello\"}}"

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
	a = ask(house, "POST", "/v1/businesses/two/messages", HELLO);
	assert_int_equal(a.status, 422);
	assert_string_equal(text_at(&a, "detail"), "no number is connected: add a connection first");
	answer_clear(&a);
	connection_new(house, "two", "90002", second);
	expect(house, "POST", "/v1/businesses/two/messages", HELLO, 202, NULL, NULL);
	connection_new(house, "two", "90003", second);
	expect(house, "POST", "/v1/businesses/two/messages", STRANGER, 422, "number_required", "from");
	a = ask(house, "POST", "/v1/businesses/two/messages", STRANGER);
	assert_non_null(strstr(text_at(&a, "detail"), "?from="));
	answer_clear(&a);
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

/* ------------------------------------------------------------ by which number */

#define SEEN_LEN (STORE_PROVIDER_ID_LEN + STORE_ID_LEN + 8u)

static bool see_connection(const struct store_message *m, void *arg)
{
	(void)snprintf(arg, SEEN_LEN, "%s on %s", m->number, m->connection_id);
	return false;
}

/* Sends in the business "talks" and returns "<number> on <connection>". */
static const char *leaves_by(const char *query, const char *body)
{
	static char seen[SEEN_LEN];
	struct answer a;
	char target[128];

	(void)snprintf(target, sizeof(target), "/v1/businesses/talks/messages%s", query);
	a = ask(house, "POST", target, body);
	if (a.status != 202)
		fail_msg("%s: %d: %s", query, a.status, a.text);
	assert_int_equal(store_message_get(
				 tenants_store(house_tenants(house)), "talks", text_at(&a, "id"), see_connection, seen),
		STORE_OK);
	answer_clear(&a);
	return seen;
}

static void expect_place(const char *seen, const char *number, const char *id)
{
	char wanted[SEEN_LEN];

	(void)snprintf(wanted, sizeof(wanted), "%s on %s", number, id);
	assert_string_equal(seen, wanted);
}

/* A 360dialog connection of "talks"; number NULL: not known. */
static void d360_new(const char *number, char id[static STORE_ID_LEN + 1])
{
	char body[256];
	struct answer a;

	(void)snprintf(body, sizeof(body),
		"{\"provider\":\"360dialog\",\"api_key\":\"" API_KEY "\",\"verify\":false%s%s%s}",
		number != NULL ? ",\"phone_number_id\":\"" : "", number != NULL ? number : "",
		number != NULL ? "\"" : "");
	a = ask(house, "POST", "/v1/businesses/talks/connections", body);
	assert_int_equal(a.status, 201);
	(void)snprintf(id, STORE_ID_LEN + 1, "%s", text_at(&a, "id"));
	answer_clear(&a);
}

static void status_set(const char *id, enum store_connection_status status)
{
	assert_int_equal(
		store_connection_status_set(tenants_store(house_tenants(house)), "talks", id, 0, status), STORE_OK);
}

/* An inbound message of this customer, as intake would log it. */
static void wrote(const char *customer, const char *number, const char *id);

static void a_conversation_keeps_its_number(void **state)
{
	char unnamed[STORE_ID_LEN + 1], first[STORE_ID_LEN + 1], second[STORE_ID_LEN + 1], twin[STORE_ID_LEN + 1];
	struct answer a;

	(void)state;
	business_new(house, "talks");
	d360_new(NULL, unnamed);
	a = ask(house, "POST", "/v1/businesses/talks/messages", HELLO);
	assert_int_equal(a.status, 422);
	assert_string_equal(text_at(&a, "code"), "number_required");
	assert_non_null(strstr(text_at(&a, "detail"), "test the connection"));
	answer_clear(&a);
	/* one whose number is not known does not stand in the way of the only one that is */
	connection_new(house, "talks", "70001", first);
	expect_place(leaves_by("", STRANGER), "70001", first);
	connection_new(house, "talks", "70002", second);
	expect(house, "POST", "/v1/businesses/talks/messages", HELLO, 422, "number_required", "from");

	/* by the one that was written to last */
	wrote("2348012345678", "70002", second);
	expect_place(leaves_by("", HELLO), "70002", second);
	wrote("2348012345678", "70001", first);
	expect_place(leaves_by("", HELLO), "70001", first);
	expect_place(leaves_by("?from=70002", HELLO), "70002", second);
	expect_place(leaves_by("", HELLO), "70002", second);
	/* who is known by user id */
	wrote("NG.5512", "70002", second);
	expect_place(leaves_by("", STRANGER), "70002", second);

	/* two providers on one number: the conversation's goes on, with and without ?from= */
	d360_new("70002", twin);
	wrote("2348012345678", "70002", twin);
	expect_place(leaves_by("", HELLO), "70002", twin);
	expect_place(leaves_by("?from=70002", HELLO), "70002", twin);
	expect_place(leaves_by("", STRANGER), "70002", second);
	/* unless it is suspended, or gone */
	status_set(twin, STORE_CONNECTION_SUSPENDED);
	expect_place(leaves_by("", HELLO), "70002", second);
	status_set(twin, STORE_CONNECTION_ACTIVE);
	assert_int_equal(store_connection_remove(tenants_store(house_tenants(house)), "talks", second), STORE_OK);
	expect_place(leaves_by("", STRANGER), "70002", twin);
	status_set(twin, STORE_CONNECTION_SUSPENDED);
	expect(house, "POST", "/v1/businesses/talks/messages", HELLO, 409, "conflict", NULL);
	expect(house, "POST", "/v1/businesses/talks/messages?from=70002", HELLO, 409, "conflict", NULL);
}

static void the_clients_own_data_is_shown(void **state)
{
	static const char body[] = "{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"x\"},"
				   "\"biz_opaque_callback_data\":\"order 17\"}";
	struct answer a = ask(house, "POST", LIST, body);
	char path[128];

	(void)state;
	assert_int_equal(a.status, 202);
	(void)snprintf(path, sizeof(path), LIST "/%s", text_at(&a, "id"));
	answer_clear(&a);
	a = ask(house, "GET", path, NULL);
	assert_string_equal(text_at(&a, "biz_opaque_callback_data"), "order 17");
	answer_clear(&a);
	a = ask(house, "POST", LIST, HELLO);
	(void)snprintf(path, sizeof(path), LIST "/%s", text_at(&a, "id"));
	answer_clear(&a);
	a = ask(house, "GET", path, NULL);
	assert_null(json_get(a.json, "biz_opaque_callback_data"));
	answer_clear(&a);
}

/* ------------------------------------------------------------ inbound rows */

static void seal(const char *business, const char *id, const char *field, const char *text, uint8_t **blob, size_t *len)
{
	const struct tenant_place where = {business, "messages", id, field, 1};

	assert_int_equal(tenant_seal(house_tenants(house), &where, text, strlen(text), blob, len), TENANT_OK);
}

/* Stores an event with one inbound message, all but its content filled by the caller. */
static void log_message(struct store_message *m, const char *content, bool damaged)
{
	struct store *store = tenants_store(house_tenants(house));
	struct store_event e = {.received_at = store_now_ms(), .body = (const uint8_t *)"sealed", .body_len = 6};
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .field = "messages", .verdict = STORE_UPDATE_DELIVERED};
	struct store_intake_counts counts;
	uint8_t *sealed = NULL, *wamid = NULL;

	store_id_new(e.id);
	store_id_new(m->id);
	store_id_new(u.id);
	(void)snprintf(e.business_id, sizeof(e.business_id), "%s", m->business_id);
	(void)snprintf(e.connection_id, sizeof(e.connection_id), "%s", m->connection_id);
	vault_random(m->wamid_index, sizeof(m->wamid_index));
	m->created_at = m->updated_at = store_now_ms();
	seal(m->business_id, damaged ? e.id : m->id, "content", content, &sealed, &m->content_len);
	seal(m->business_id, damaged ? e.id : m->id, "wamid", "wamid.HBgN", &wamid, &m->wamid_len);
	m->content = sealed;
	m->wamid = wamid;
	u.message = m;
	assert_int_equal(store_event_append(store, &e, 5000), STORE_OK);
	assert_int_equal(
		store_event_settle(store, m->business_id, e.id, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_OK);
	assert_int_equal(counts.delivered, 1);
	free(sealed);
	free(wamid);
}

static void wrote(const char *customer, const char *number, const char *id)
{
	struct store_message m = {.direction = STORE_INBOUND, .state = STORE_MESSAGE_RECEIVED, .type = "text"};

	(void)snprintf(m.business_id, sizeof(m.business_id), "talks");
	(void)snprintf(m.connection_id, sizeof(m.connection_id), "%s", id);
	(void)snprintf(m.number, sizeof(m.number), "%s", number);
	assert_int_equal(
		tenant_conversation(house_tenants(house), "talks", number, customer, m.conversation), TENANT_OK);
	log_message(&m, "{}", false);
	/* what happens later has a later time */
	assert_int_equal(usleep(2000), 0);
}

/* An inbound message as intake would log it. damaged: its content was sealed for another row. */
static void inbound_new(const char *content, bool damaged, char id[static STORE_ID_LEN + 1])
{
	struct store_message m = {.direction = STORE_INBOUND, .state = STORE_MESSAGE_RECEIVED, .type = "text"};

	(void)snprintf(m.business_id, sizeof(m.business_id), "shop");
	(void)snprintf(m.connection_id, sizeof(m.connection_id), "%s", connection);
	(void)snprintf(m.number, sizeof(m.number), "90001");
	memset(m.conversation, 7, sizeof(m.conversation));
	log_message(&m, content, damaged);
	memcpy(id, m.id, sizeof(m.id));
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
		struct store_due due[8];
		struct store_lease leases[8] = {{0}};
		size_t len = 8;
		int64_t next_at;

		assert_int_equal(store_outbox_due(store, id, store_now_ms(), due, &len, &next_at), STORE_OK);
		for (size_t j = 0; j < len; j++)
			leases[j].seq = due[j].seq;
		if (len > 0)
			assert_int_equal(
				store_outbox_lease(store, store_now_ms(), leases, len, lease_any, NULL), STORE_OK);
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
		cmocka_unit_test(a_conversation_keeps_its_number),
		cmocka_unit_test(the_clients_own_data_is_shown),
		cmocka_unit_test(who_wrote_is_shown),
		cmocka_unit_test(what_does_not_open_is_null),
		cmocka_unit_test(listed_by_direction_and_state),
		cmocka_unit_test(a_failure_says_why),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
