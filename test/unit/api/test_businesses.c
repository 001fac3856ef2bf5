/*
 * Businesses, their responder, their events; and how lists are paged.
 */
#include "test/unit/api/helper.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/removal.h"
#include "store/core.h"

#define UNICODE_NAME "Mama Nk\xe1\xbb\x8dli \xe2\x80\x94 \xe5\x95\x86\xe5\xba\x97 \xf0\x9f\x93\xb1 \\u00e9"

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

static void added_and_read_back(void **state)
{
	struct answer a = ask(house, "POST", "/v1/businesses", "{\"id\":\"Shop_1-a\",\"name\":\"" UNICODE_NAME "\"}"),
		      b;
	char path[128];

	(void)state;
	assert_int_equal(a.status, 201);
	assert_string_equal(text_at(&a, "id"), "Shop_1-a");
	assert_string_equal(text_at(&a, "name"),
		"Mama Nk\xe1\xbb\x8dli \xe2\x80\x94 \xe5\x95\x86\xe5\xba\x97 \xf0\x9f\x93\xb1 \xc3\xa9");
	assert_string_equal(text_at(&a, "status"), "active");
	assert_string_equal(text_at(&a, "responder"), "none");
	assert_string_equal(text_at(&a, "webhook_url"), "https://kh.example/webhooks/Shop_1-a");
	assert_int_equal(strlen(text_at(&a, "created_at")), strlen("2026-11-21T08:00:00.123Z"));
	assert_memory_equal(text_at(&a, "created_at") + 23, "Z", 2);
	b = ask(house, "GET", "/v1/businesses/Shop_1-a", NULL);
	assert_int_equal(b.status, 200);
	assert_string_equal(a.text, b.text);
	answer_clear(&a);
	answer_clear(&b);

	a = ask(house, "POST", "/v1/businesses", "{\"name\":\"no id\"}");
	assert_int_equal(a.status, 201);
	assert_int_equal(strlen(text_at(&a, "id")), STORE_ID_LEN);
	(void)snprintf(path, sizeof(path), "/v1/businesses/%s", text_at(&a, "id"));
	expect(house, "GET", path, NULL, 200, NULL, NULL);
	answer_clear(&a);
	expect(house, "POST", "/v1/businesses", "{\"id\":\"Shop_1-a\",\"name\":\"x\"}", 409, "business_exists", "id");
}

static void rules_of_a_business(void **state)
{
	static const struct {
		const char *body, *code, *field;
	} faults[] = {
		{"{}", "missing_field", "name"},
		{"{\"id\":\"r1\"}", "missing_field", "name"},
		{"{\"name\":\"\"}", "invalid_field", "name"},
		{"{\"name\":5}", "invalid_field", "name"},
		{"{\"name\":null}", "invalid_field", "name"},
		{"{\"name\":[\"x\"]}", "invalid_field", "name"},
		{"{\"name\":\"a\\nb\"}", "invalid_field", "name"},
		{"{\"name\":\"a\\u007fb\"}", "invalid_field", "name"},
		{"{\"name\":\"a\\u0085b\"}", "invalid_field", "name"},
		{"{\"name\":\"x\",\"name\":\"y\"}", "invalid_field", "name"},
		{"{\"name\":\"x\",\"id\":\"\"}", "invalid_field", "id"},
		{"{\"name\":\"x\",\"id\":\"-a\"}", "invalid_field", "id"},
		{"{\"name\":\"x\",\"id\":\"a/b\"}", "invalid_field", "id"},
		{"{\"name\":\"x\",\"id\":\"a.b\"}", "invalid_field", "id"},
		{"{\"name\":\"x\",\"id\":7}", "invalid_field", "id"},
		{"{\"name\":\"x\",\"status\":\"active\"}", "unknown_field", "status"},
		{"{\"name\":\"x\",\"Name\":\"y\"}", "unknown_field", "Name"},
		{"{\"name\":\"x\",\"" APP_SECRET "\":\"y\"}", "unknown_field", NULL},
		{"{\"name\":\"x\",\"<b>\":\"y\"}", "unknown_field", NULL},
	};
	char body[512], name[STORE_NAME_LEN + 2];

	(void)state;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		expect(house, "POST", "/v1/businesses", faults[i].body, 400, faults[i].code, faults[i].field);
	memset(name, 'n', sizeof(name));
	name[STORE_NAME_LEN + 1] = '\0';
	(void)snprintf(body, sizeof(body), "{\"name\":\"%s\"}", name);
	expect(house, "POST", "/v1/businesses", body, 400, "invalid_field", "name");
	name[STORE_NAME_LEN] = '\0';
	(void)snprintf(body, sizeof(body), "{\"name\":\"%s\"}", name);
	expect(house, "POST", "/v1/businesses", body, 201, NULL, NULL);
	(void)snprintf(body, sizeof(body), "{\"name\":\"x\",\"id\":\"%.65s\"}", name);
	expect(house, "POST", "/v1/businesses", body, 400, "invalid_field", "id");
	(void)snprintf(body, sizeof(body), "{\"name\":\"x\",\"id\":\"%.64s\"}", name);
	expect(house, "POST", "/v1/businesses", body, 201, NULL, NULL);
}

static void changed_and_removed(void **state)
{
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	char connection[STORE_ID_LEN + 1];
	size_t len;
	struct answer a;

	(void)state;
	business_new(house, "change");
	connection_new(house, "change", "71001", connection);
	assert_int_equal(tenant_verifiers(house_tenants(house), "change", verifiers, &len), TENANT_OK);
	assert_int_equal(len, 1);
	expect(house, "PATCH", "/v1/businesses/change", "{}", 400, "missing_field", NULL);
	expect(house, "PATCH", "/v1/businesses/change", "{\"status\":\"gone\"}", 400, "invalid_field", "status");
	expect(house, "PATCH", "/v1/businesses/change", "{\"name\":\"\"}", 400, "invalid_field", "name");
	expect(house, "PATCH", "/v1/businesses/change", "{\"id\":\"x\"}", 400, "unknown_field", "id");
	a = ask(house, "PATCH", "/v1/businesses/change", "{\"name\":\"New name\",\"status\":\"suspended\"}");
	assert_int_equal(a.status, 200);
	assert_string_equal(text_at(&a, "name"), "New name");
	assert_string_equal(text_at(&a, "status"), "suspended");
	answer_clear(&a);
	/* at once: what was cached is forgotten */
	assert_int_equal(tenant_verifiers(house_tenants(house), "change", verifiers, &len), TENANT_NOT_FOUND);
	expect(house, "PATCH", "/v1/businesses/change", "{\"status\":\"active\"}", 200, NULL, NULL);
	assert_int_equal(tenant_verifiers(house_tenants(house), "change", verifiers, &len), TENANT_OK);

	for (uint32_t version = 2; version < 40; version++) {
		const struct store_tenant_key key = {.purpose = STORE_KEY_CONTENT, .version = version, .blob_len = 9};

		assert_int_equal(store_tenant_key_add(tenants_store(house_tenants(house)), "change", &key), STORE_OK);
	}
	a = ask(house, "DELETE", "/v1/businesses/change", NULL);
	assert_int_equal(a.status, 200);
	/* all of them, however many */
	assert_string_equal(text_at(&a, "keys_destroyed[40].purpose"), "index");
	assert_string_equal(text_at(&a, "business_id"), "change");
	assert_string_equal(text_at(&a, "keys_destroyed[0].purpose"), "credential");
	assert_int_equal(strlen(text_at(&a, "keys_destroyed[1].id")), 16);
	answer_clear(&a);
	assert_int_equal(tenant_verifiers(house_tenants(house), "change", verifiers, &len), TENANT_NOT_FOUND);
	expect(house, "GET", "/v1/businesses/change", NULL, 404, "not_found", NULL);
	expect(house, "DELETE", "/v1/businesses/change", NULL, 404, "not_found", NULL);
	expect(house, "PATCH", "/v1/businesses/change", "{\"name\":\"x\"}", 404, "not_found", NULL);
	/* its number is free again */
	business_new(house, "after");
	connection_new(house, "after", "71001", connection);
}

/* ------------------------------------------------------------ a removal that goes on */

static enum store_error run_make_large(struct db *db, void *arg)
{
	(void)arg;
	return db_run(db,
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO seen "
		"(business_id, key, at) SELECT 'large', CAST(printf('%016d', i) AS BLOB), 1 FROM n");
}

struct carrier {
	atomic_bool end;
	unsigned looked, carried; /* how often, and how often there was something */
};

static void *carrier_thread(void *arg)
{
	struct carrier *c = arg;

	while (!atomic_load(&c->end)) {
		c->looked++;
		c->carried += removal_step(house_tenants(house)) != STORE_NOT_FOUND;
	}
	return NULL;
}

/* Who asked for it gets the receipt, and nobody else carries it on meanwhile. */
static void a_removal_under_way_is_nobody_elses(void **state)
{
	struct carrier c = {.looked = 0};
	pthread_t thread;
	struct answer a;

	(void)state;
	business_new(house, "large");
	assert_int_equal(core_write(tenants_store(house_tenants(house)), run_make_large, NULL), STORE_OK);
	assert_int_equal(pthread_create(&thread, NULL, carrier_thread, &c), 0);
	a = ask(house, "DELETE", "/v1/businesses/large", NULL);
	atomic_store(&c.end, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(a.status, 200);
	answer_clear(&a);
	assert_true(c.looked > 10);
	assert_int_equal(c.carried, 0);
}

static void the_responder_is_chosen(void **state)
{
	static const char *const others[] = {"llm", "Platform", "", "Catalogue", "a-very-long-name-of-a-responder"};
	char body[128];
	struct answer a;

	(void)state;
	business_new(house, "answers");
	a = ask(house, "GET", "/v1/businesses/answers/responder", NULL);
	assert_string_equal(a.text, "{\"kind\":\"none\"}");
	answer_clear(&a);
	a = ask(house, "PUT", "/v1/businesses/answers/responder", "{\"kind\":\"catalogue\"}");
	assert_string_equal(a.text, "{\"kind\":\"catalogue\"}");
	answer_clear(&a);
	a = ask(house, "GET", "/v1/businesses/answers", NULL);
	assert_string_equal(text_at(&a, "responder"), "catalogue");
	answer_clear(&a);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		(void)snprintf(body, sizeof(body), "{\"kind\":\"%s\"}", others[i]);
		expect(house, "PUT", "/v1/businesses/answers/responder", body, 422, "responder_not_supported", "kind");
	}
	expect(house, "PUT", "/v1/businesses/answers/responder", "{}", 400, "missing_field", "kind");
	expect(house, "PUT", "/v1/businesses/answers/responder", "{\"kind\":1}", 400, "invalid_field", "kind");
	expect(house, "PUT", "/v1/businesses/answers/responder", "{\"kind\":\"none\",\"url\":\"x\"}", 400,
		"unknown_field", "url");
	/* neither loses the other's field */
	expect(house, "PATCH", "/v1/businesses/answers", "{\"name\":\"Renamed\"}", 200, NULL, NULL);
	a = ask(house, "GET", "/v1/businesses/answers/responder", NULL);
	assert_string_equal(a.text, "{\"kind\":\"catalogue\"}");
	answer_clear(&a);
}

#define ROUNDS 400

static void *rename_often(void *arg)
{
	char body[64];

	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		(void)snprintf(body, sizeof(body), "{\"name\":\"n%d\"}", i);
		expect(house, "PATCH", "/v1/businesses/busy", body, 200, NULL, NULL);
	}
	return NULL;
}

/* Each changes a part of the business, the operator's page beside the API: nobody undoes what another did. */
static void changes_at_once_are_all_kept(void **state)
{
	struct store *store = tenants_store(house_tenants(house));
	pthread_t renamer;
	struct answer a;

	(void)state;
	business_new(house, "busy");
	assert_int_equal(pthread_create(&renamer, NULL, rename_often, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		const char *kind = i % 2 == 0 ? "{\"kind\":\"catalogue\"}" : "{\"kind\":\"none\"}";

		expect(house, "PUT", "/v1/businesses/busy/responder", kind, 200, NULL, NULL);
		a = ask(house, "GET", "/v1/businesses/busy/responder", NULL);
		assert_string_equal(a.text, kind);
		answer_clear(&a);
		assert_int_equal(store_business_change(store, "busy", NULL,
					 i % 2 == 0 ? STORE_BUSINESS_SUSPENDED : STORE_BUSINESS_ACTIVE, 0),
			STORE_OK);
		a = ask(house, "GET", "/v1/businesses/busy", NULL);
		assert_string_equal(text_at(&a, "status"), i % 2 == 0 ? "suspended" : "active");
		answer_clear(&a);
	}
	assert_int_equal(pthread_join(renamer, NULL), 0);
	a = ask(house, "GET", "/v1/businesses/busy", NULL);
	assert_string_equal(text_at(&a, "name"), "n399");
	answer_clear(&a);
}

/* ------------------------------------------------------------ lists */

#define MANY 205

/* Walks a list; counts rows, demands each page but the last full and ids in order. */
static unsigned walk(const char *list, unsigned limit, bool ascending, const char *first_id)
{
	char target[256], cursor[80] = "", before[80] = "";
	unsigned rows = 0;
	bool more = true;

	while (more) {
		struct answer a;
		const cJSON *row;
		unsigned here = 0;

		(void)snprintf(target, sizeof(target), "%s?limit=%u%s%s%s", list, limit, ascending ? "&order=asc" : "",
			cursor[0] != '\0' ? "&cursor=" : "", cursor);
		a = ask(house, "GET", target, NULL);
		assert_int_equal(a.status, 200);
		cJSON_ArrayForEach (row, json_get(a.json, "data")) {
			const char *id = json_get_string(row, "id");

			if (rows == 0 && first_id != NULL)
				assert_string_equal(id, first_id);
			if (before[0] != '\0')
				assert_true(ascending ? strcmp(id, before) > 0 : strcmp(id, before) < 0);
			(void)snprintf(before, sizeof(before), "%s", id);
			rows++;
			here++;
		}
		more = cJSON_IsString(json_get(a.json, "next_cursor"));
		if (more)
			assert_int_equal(here, limit);
		else
			assert_true(cJSON_IsNull(json_get(a.json, "next_cursor")) && here > 0);
		(void)snprintf(cursor, sizeof(cursor), "%s", more ? text_at(&a, "next_cursor") : "");
		answer_clear(&a);
	}
	return rows;
}

static void lists_come_in_pages(void **state)
{
	static const char *const bad[] = {"limit=0", "limit=201", "limit=", "limit=-1", "limit=1x", "limit=99999999999",
		"order=up", "order=", "limit=%zz"};
	char target[128], oldest[80] = "", newest[80] = "";
	struct answer a;

	(void)state;
	house_close(house);
	house = house_open(false);
	for (int i = 0; i < MANY; i++) {
		a = ask(house, "POST", "/v1/businesses", "{\"name\":\"one of many\"}");
		(void)snprintf(i == 0 ? oldest : newest, sizeof(oldest), "%s", text_at(&a, "id"));
		answer_clear(&a);
	}
	assert_int_equal(walk("/v1/businesses", 200, false, newest), MANY);
	assert_int_equal(walk("/v1/businesses", 41, false, newest), MANY); /* the last page is full: no cursor on it */
	assert_int_equal(walk("/v1/businesses", 50, true, oldest), MANY);
	a = ask(house, "GET", "/v1/businesses", NULL);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), 50);
	answer_clear(&a);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(target, sizeof(target), "/v1/businesses?%s", bad[i]);
		a = ask(house, "GET", target, NULL);
		assert_int_equal(a.status, 400);
		assert_string_equal(text_at(&a, "code"), "invalid_field");
		answer_clear(&a);
	}
	expect(house, "GET", "/v1/businesses?cursor=a%20b", NULL, 400, "invalid_cursor", "cursor");
	expect(house, "GET", "/v1/businesses?cursor=", NULL, 400, "invalid_cursor", "cursor");
	expect(house, "GET", "/v1/businesses?cursor=%00", NULL, 400, "invalid_cursor", "cursor");
}

/* ------------------------------------------------------------ events */

static void event_new(const char *business, const char *connection, enum store_event_state state)
{
	struct store *store = tenants_store(house_tenants(house));
	struct store_event e = {.received_at = store_now_ms(), .body = (const uint8_t *)"sealed", .body_len = 6};
	struct store_intake_counts counts;

	store_id_new(e.id);
	(void)snprintf(e.business_id, sizeof(e.business_id), "%s", business);
	(void)snprintf(e.connection_id, sizeof(e.connection_id), "%s", connection);
	assert_int_equal(store_event_append(store, &e, 5000), STORE_OK);
	if (state != STORE_EVENT_ACCEPTED)
		assert_int_equal(store_event_settle(store, business, e.id, state, NULL, 0, &counts), STORE_OK);
}

static void events_are_listed_by_state(void **state)
{
	char connection[STORE_ID_LEN + 1];
	struct answer a;

	(void)state;
	business_new(house, "events");
	connection_new(house, "events", "72001", connection);
	event_new("events", connection, STORE_EVENT_ACCEPTED);
	event_new("events", connection, STORE_EVENT_SETTLED);
	event_new("events", connection, STORE_EVENT_UNPARSED);
	assert_int_equal(walk("/v1/businesses/events/events", 2, false, NULL), 3);
	assert_int_equal(walk("/v1/businesses/events/events", 1, true, NULL), 3);
	a = ask(house, "GET", "/v1/businesses/events/events?state=unparsed", NULL);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), 1);
	assert_string_equal(text_at(&a, "data[0].state"), "unparsed");
	assert_string_equal(text_at(&a, "data[0].connection_id"), connection);
	assert_int_equal(number_at(&a, "data[0].delivered"), 0);
	assert_int_equal(number_at(&a, "data[0].quarantined"), 0);
	assert_int_equal(number_at(&a, "data[0].duplicates"), 0);
	assert_true(strlen(text_at(&a, "data[0].received_at")) == 24);
	answer_clear(&a);
	expect(house, "GET", "/v1/businesses/events/events?state=lost", NULL, 400, "invalid_field", "state");
}

static void what_was_put_aside_is_listed_and_replayed(void **state)
{
	struct store_update u = {.kind = STORE_UPDATE_OTHER, .verdict = STORE_UPDATE_QUARANTINED, .reason = "why"};
	struct store_event e = {.body = (const uint8_t *)"x", .body_len = 1, .received_at = store_now_ms()};
	struct store *store = tenants_store(house_tenants(house));
	struct store_intake_counts counts;
	struct answer a;
	char path[160];

	(void)state;
	business_new(house, "aside");
	business_new(house, "beside");
	connection_new(house, "aside", "72003", e.connection_id);
	event_new("aside", e.connection_id, STORE_EVENT_SETTLED);
	store_id_new(e.id);
	memcpy(e.business_id, "aside", 6);
	assert_int_equal(store_event_append(store, &e, 5000), STORE_OK);
	store_id_new(u.id);
	assert_int_equal(store_event_settle(store, "aside", e.id, STORE_EVENT_SETTLED, &u, 1, &counts), STORE_OK);
	a = ask(house, "GET", "/v1/businesses/aside/events?state=quarantined", NULL);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), 1);
	assert_string_equal(text_at(&a, "data[0].id"), e.id);
	assert_string_equal(text_at(&a, "data[0].state"), "settled");
	assert_int_equal(number_at(&a, "data[0].quarantined"), 1);
	answer_clear(&a);
	(void)snprintf(path, sizeof(path), "/v1/businesses/beside/events/%s/replay", e.id);
	expect(house, "POST", path, NULL, 404, "not_found", NULL);
	(void)snprintf(path, sizeof(path), "/v1/businesses/aside/events/%s/replay", e.id);
	a = ask(house, "POST", path, NULL);
	assert_int_equal(a.status, 202);
	assert_string_equal(text_at(&a, "state"), "accepted");
	answer_clear(&a);
	a = ask(house, "GET", "/v1/businesses/aside/events?state=quarantined", NULL);
	assert_int_equal(cJSON_GetArraySize(json_get(a.json, "data")), 0);
	answer_clear(&a);
	assert_int_equal(store_event_settle(store, "aside", e.id, STORE_EVENT_SETTLED, NULL, 0, &counts), STORE_OK);
	expect(house, "POST", path, NULL, 409, "conflict", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(added_and_read_back),
		cmocka_unit_test(rules_of_a_business),
		cmocka_unit_test(changed_and_removed),
		cmocka_unit_test(a_removal_under_way_is_nobody_elses),
		cmocka_unit_test(the_responder_is_chosen),
		cmocka_unit_test(changes_at_once_are_all_kept),
		cmocka_unit_test(lists_come_in_pages),
		cmocka_unit_test(events_are_listed_by_state),
		cmocka_unit_test(what_was_put_aside_is_listed_and_replayed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
