/*
 * Goal of this test: with the n-th allocation failing, for every n, each call is
 * answered as refused or not done, stores nothing by halves and leaks nothing.
 * Linked with --wrap=malloc --wrap=calloc --wrap=realloc.
 */
#include "test/unit/api/helper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/api/fake_outbound.h"

void *__real_malloc(size_t len);
void *__real_calloc(size_t n, size_t len);
void *__real_realloc(void *p, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t n, size_t len);
void *__wrap_realloc(void *p, size_t len);

/* Counts down; the allocation that finds 1 fails. 0: none does. This thread's only. */
static _Thread_local unsigned fail_at;
static _Thread_local bool failed;

static bool fails(void)
{
	if (fail_at == 0 || --fail_at > 0)
		return false;
	failed = true;
	return true;
}

void *__wrap_malloc(size_t len)
{
	return fails() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t n, size_t len)
{
	return fails() ? NULL : __real_calloc(n, len);
}

void *__wrap_realloc(void *p, size_t len)
{
	return fails() ? NULL : __real_realloc(p, len);
}

static struct house *house;
static char connection[STORE_ID_LEN + 1], connection_path[128], test_path[160];

static int setup(void **state)
{
	(void)state;
	house = house_open(true);
	business_new(house, "shop");
	connection_new(house, "shop", "3003", connection);
	(void)snprintf(connection_path, sizeof(connection_path), "/v1/businesses/shop/connections/%s", connection);
	(void)snprintf(test_path, sizeof(test_path), "%s/test", connection_path);
	expect(house, "POST", "/v1/businesses/shop/messages",
		"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"x\"}}", 202, NULL, NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	house_close(house);
	return 0;
}

struct call {
	const char *method, *path, *type, *body;
};

/* Status of the call whose n-th allocation fails; 0 when it has no n-th. */
static int without(unsigned n, const struct call *c)
{
	static unsigned keys;
	char key[16];
	struct api_request req = {.method = c->method,
		.path = c->path,
		.content_type = c->type,
		.idempotency_key = key,
		.is_operator = true,
		.body = (const uint8_t *)(c->body != NULL ? c->body : ""),
		.body_len = c->body != NULL ? strlen(c->body) : 0};
	struct api_response out = {0};
	int status;

	/* of its own, or the first answer would be given again */
	(void)snprintf(key, sizeof(key), "%u", ++keys);
	failed = false;
	fail_at = n;
	api_handle(house_api(house), &req, &out);
	fail_at = 0;
	status = failed ? out.status : 0;
	if (out.body != NULL && memmem(out.body, out.body_len, APP_SECRET, strlen(APP_SECRET)) != NULL)
		fail_msg("a secret is in an answer");
	api_response_clear(&out);
	return status;
}

static void every_allocation_fails_once(void **state)
{
	static const char token[] = "{\"app_secret\":\"" OTHER_SECRET "\"}";
	const struct call calls[] = {
		{"GET", "/v1/businesses", NULL, NULL},
		{"POST", "/v1/businesses", NULL, "{\"name\":\"x\"}"},
		{"PATCH", "/v1/businesses/shop", NULL, "{\"name\":\"y\"}"},
		{"GET", "/v1/businesses/shop/connections", NULL, NULL},
		{"POST", "/v1/businesses/shop/connections", NULL, META("4004")},
		{"POST", "/v1/businesses/shop/connections", NULL,
			"{\"provider\":\"360dialog\",\"api_key\":\"" API_KEY "\",\"platform_secret\":\"" PLATFORM_SECRET
			"\"}"},
		{"POST", test_path, NULL, NULL},
		{"PATCH", connection_path, NULL, token},
		{"PATCH", connection_path, NULL, "{\"take_over\":true}"},
		{"GET", "/v1/businesses/shop/messages", NULL, NULL},
		{"POST", "/v1/businesses/shop/messages", NULL,
			"{\"to\":\"+2348012345678\",\"type\":\"text\",\"text\":{\"body\":\"x\"}}"},
		{"POST", "/v1/businesses/shop/products", NULL,
			"[{\"name\":\"b\",\"price\":\"1\",\"currency\":\"NGN\"}]"},
		{"POST", "/v1/businesses/shop/products", NULL, "[{},{}]"},
		{"POST", "/v1/businesses/shop/products", "text/csv", "name,price,currency\na,1,NGN\n"},
		{"GET", "/v1/businesses/shop/products", NULL, NULL},
		{"PUT", "/v1/businesses/shop/responder", NULL, "{\"kind\":\"none\"}"},
		{"PUT", "/v1/businesses/shop/responder", NULL,
			"{\"kind\":\"platform\",\"url\":\"https://a.example/\",\"rotate_secret\":true}"},
		{"GET", "/v1/businesses/shop/responder", NULL, NULL},
		{"POST", "/v1/businesses/shop/keys", NULL, "{\"name\":\"k\",\"scopes\":[\"send\"]}"},
		{"GET", "/v1/businesses/shop/keys", NULL, NULL},
		{"GET", "/control/refusals", NULL, NULL},
		{"GET", "/v1/nothing", NULL, NULL},
		{"GET", "/openapi.yaml", NULL, NULL},
		{"POST", "/control/tokens", NULL, "{\"name\":\"x\"}"},
		{"GET", "/control/tokens", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		unsigned n = 1;

		for (int status; (status = without(n, &calls[i])) != 0; n++)
			if (status < 200 || (status >= 500 && status != 503))
				fail_msg("%s %s, allocation %u: %d", calls[i].method, calls[i].path, n, status);
		assert_true(n > 1);
	}
	/* and everything works again */
	expect(house, "GET", connection_path, NULL, 200, NULL, NULL);
	expect(house, "GET", "/v1/businesses/shop/messages", NULL, 200, NULL, NULL);
}

static bool end_dead(const struct store_message *m, void *arg)
{
	(void)snprintf(arg, STORE_ID_LEN + 1, "%s", m->id);
	return false;
}

static bool count(const struct store_message *m, void *arg)
{
	*(unsigned *)arg += m->discarded_at == 0;
	return true;
}

static unsigned undiscarded(struct store *s)
{
	const struct store_page page = {.limit = STORE_LIST_MAX};
	unsigned n = 0;

	assert_int_equal(store_message_list(s, "shop", NULL, &page, count, &n), STORE_OK);
	return n;
}

/* Whichever fails, it is sent again once, or not at all, and then the next call does it. */
static void a_letter_is_sent_again_once(void **state)
{
	struct store *s = tenants_store(house_tenants(house));
	char id[STORE_ID_LEN + 1] = "", path[160];
	struct call again = {"POST", path, NULL, "{\"maybe_duplicate\":true}"};
	struct store_outcome outcome = {
		.business_id = "shop", .message_id = id, .attempt = 1, .to = STORE_MESSAGE_DEAD, .reason = "no"};
	struct store_due due;
	struct store_lease lease = {.seq = 0};
	size_t len = 1;
	int64_t next_at;
	unsigned n = 1, before;

	(void)state;
	assert_int_equal(store_outbox_due(s, connection, store_now_ms(), &due, &len, &next_at), STORE_OK);
	assert_int_equal(len, 1);
	lease.seq = due.seq;
	assert_int_equal(store_outbox_lease(s, store_now_ms(), &lease, 1, end_dead, id), STORE_OK);
	assert_int_equal(store_outbox_settle(s, &outcome), STORE_OK);
	(void)snprintf(path, sizeof(path), "/v1/businesses/shop/messages/%s/replay", id);
	before = undiscarded(s);
	for (int status; (status = without(n, &again)) != 0; n++)
		if (status < 200 || (status >= 500 && status != 503))
			fail_msg("allocation %u: %d", n, status);
	assert_true(n > 10);
	assert_int_equal(undiscarded(s), before); /* the new one in place of the old one */
	expect(house, "POST", path, NULL, 409, "conflict", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_letter_is_sent_again_once),
		cmocka_unit_test(every_allocation_fails_once),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
