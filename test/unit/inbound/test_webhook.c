/*
 * The two requests, over a fake HTTP server, store and vault: what is answered to whom,
 * and that strangers cannot tell one refusal from another.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/internal.h"
#include "test/unit/inbound/fake_http.h"
#include "test/unit/inbound/log_seen.h"

#define FIRST "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define SECOND "01BBBBBBBBBBBBBBBBBBBBBBBB"
#define THIRD "01CCCCCCCCCCCCCCCCCCCCCCCC"
#define H8(d) d d d d d d d d
#define TIMES32(d) H8(d) H8(d) H8(d) H8(d)
#define TIMES64(d) TIMES32(d) TIMES32(d)
#define SIGNED_BY(d) "sha256=" TIMES32(d)

/* ------------------------------------------------------------ the fakes */

static struct {
	enum tenant_error verifiers, seal;
	size_t verifiers_len;
	int first_byte; /* of the first verifier */
	enum store_error append, business, list, handshake;
	enum store_business_status business_status;
	enum store_connection_status connection_status;
	bool checks_failed;
	/* what was done */
	unsigned checks, comparisons, appends, wakes, failures, handshakes;
	char connection_id[STORE_ID_LEN + 1]; /* of the event */
	char token[65]; /* of the handshake */
	unsigned timeout_ms;
	char sealed_as[128];
	enum store_error queued; /* by the next, whose end done tells */
	void (*done)(void *ctx, enum store_error result);
	void *ctx;
} fake;

/* A secret is right when it repeats the verifier's first byte. */
bool vault_verifier_is_of(const struct vault_verifier *v, const void *value, size_t len)
{
	bool good = true;

	fake.comparisons++;
	for (size_t i = 0; i < len; i++)
		good = good && ((const uint8_t *)value)[i] == v->inner[0];
	return good;
}

/* A signature is good when it repeats the verifier's first byte. */
bool vault_verifier_check(const struct vault_verifier *v, const void *body, size_t len,
	const uint8_t signature[static VAULT_SIGNATURE_LEN])
{
	bool good = true;

	(void)body;
	(void)len;
	fake.checks++;
	for (size_t i = 0; i < VAULT_SIGNATURE_LEN; i++)
		good = good && signature[i] == v->inner[0];
	return good;
}

enum tenant_error tenant_verifiers(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	static const char *const ids[] = {FIRST, SECOND};

	(void)t;
	if (strcmp(business_id, "shop") != 0)
		return TENANT_NOT_FOUND;
	for (size_t i = 0; i < fake.verifiers_len; i++) {
		out[i].proof = TENANT_PROOF_SIGNATURE;
		out[i].unproven = 0;
		out[i].ends_at = 0;
		memcpy(out[i].connection_id, ids[i], sizeof(out[i].connection_id));
		memset(&out[i].verifier, i == 0 ? fake.first_byte : 0x22, sizeof(out[i].verifier));
	}
	*len = fake.verifiers_len;
	return fake.verifiers;
}

enum tenant_error tenant_verifier_worked(struct tenants *t, const char *business_id, const struct tenant_verifier *v)
{
	(void)t;
	(void)business_id;
	(void)v;
	fail_msg("nothing here is unproven");
	return TENANT_OK;
}

enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len)
{
	(void)t;
	(void)plain;
	if (fake.seal != TENANT_OK)
		return fake.seal;
	snprintf(fake.sealed_as, sizeof(fake.sealed_as), "%s/%s/%zu/%s/%u", where->business_id, where->table,
		strlen(where->record_id), where->field, (unsigned)where->record_version);
	*blob = malloc(len + 1);
	*blob_len = len;
	return TENANT_OK;
}

enum store_error store_event_append(struct store *s, const struct store_event *e, unsigned timeout_ms)
{
	(void)s;
	fake.appends++;
	fake.timeout_ms = timeout_ms;
	memcpy(fake.connection_id, e->connection_id, sizeof(fake.connection_id));
	return fake.append;
}

enum store_error store_event_append_later(
	struct store *s, const struct store_event *e, void (*done)(void *ctx, enum store_error result), void *ctx)
{
	(void)s;
	fake.appends++;
	memcpy(fake.connection_id, e->connection_id, sizeof(fake.connection_id));
	fake.done = done;
	fake.ctx = ctx;
	return fake.queued;
}

enum store_error store_business_get(struct store *s, const char *id, struct store_business *out)
{
	(void)s;
	memset(out, 0, sizeof(*out));
	out->status = fake.business_status;
	return strcmp(id, "shop") == 0 ? fake.business : STORE_NOT_FOUND;
}

/* 201 connections, so that one page does not hold them; the oldest has the token "right". */
enum store_error store_connection_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_connection *c, void *arg), void *arg)
{
	unsigned from = page->after == NULL ? 0 : page->limit;

	(void)s;
	assert_string_equal(business_id, "shop");
	for (unsigned i = from; i < 201 && i < from + page->limit; i++) {
		struct store_connection c = {.provider = i == 0 ? STORE_360DIALOG : STORE_META,
			.status = i == 200 ? fake.connection_status : STORE_CONNECTION_ACTIVE,
			.checks_failed = i == 200 && fake.checks_failed};

		memcpy(c.id, i == 200 ? FIRST : i == 0 ? THIRD : SECOND, sizeof(c.id));
		memcpy(c.verify_token, i == 200 ? "right" : "", i == 200 ? 6 : 1);
		memcpy(c.previous_verify_token, i == 200 ? "before" : "", i == 200 ? 7 : 1);
		if (!each(&c, arg))
			break;
	}
	return fake.list;
}

enum store_error store_connection_handshake(
	struct store *s, const char *business_id, const char *id, const char *token, int64_t at)
{
	(void)s;
	assert_string_equal(business_id, "shop");
	assert_string_equal(id, FIRST);
	(void)snprintf(fake.token, sizeof(fake.token), "%s", token);
	assert_int_equal(at, store_now_ms());
	fake.handshakes++;
	return fake.handshake;
}

void worker_wake(struct worker *w)
{
	(void)w;
	fake.wakes++;
}

void inbound_failed(struct inbound *in)
{
	(void)in;
	fake.failures++;
}

static int setup(void **state)
{
	(void)state;
	memset(&fake, 0, sizeof(fake));
	fake.verifiers_len = 2;
	fake.first_byte = 0x11;
	fake.business_status = STORE_BUSINESS_ACTIVE;
	fake.connection_status = STORE_CONNECTION_PENDING;
	return 0;
}

static struct http_request post(struct inbound *in, const char *business_id, const char *signature)
{
	static const uint8_t body[] = "not even JSON";
	struct http_request req = {
		.method = "POST", .signature = signature, .body = body, .body_len = sizeof(body) - 1};

	inbound_webhook(in, &req, business_id);
	assert_int_equal(req.answers, 1);
	assert_int_equal(req.proven, req.status == 200);
	return req;
}

/* ------------------------------------------------------------ deliveries */

static void keeps_what_is_signed(void **state)
{
	struct inbound in = {.nobody.inner = {0xee}};
	struct http_request req = post(&in, "shop", SIGNED_BY("11"));

	(void)state;
	assert_int_equal(req.status, 200);
	assert_string_equal(req.text, "EVENT_RECEIVED");
	assert_non_null(strstr(req.headers, "Content-Type: text/plain"));
	assert_string_equal(fake.connection_id, FIRST);
	assert_string_equal(fake.sealed_as, "shop/events/26/body/1");
	assert_int_equal(fake.timeout_ms, INBOUND_DURABLE_MS);
	assert_int_equal(fake.wakes, 1);
	assert_int_equal(fake.checks, 2); /* the second too, although the first fits */
	assert_int_equal(fake.comparisons, 1); /* nobody's */

	req = post(&in, "shop", SIGNED_BY("22"));
	assert_int_equal(req.status, 200);
	assert_string_equal(fake.connection_id, SECOND);
	assert_int_equal(in.accepted, 2);
	assert_int_equal(in.refused + in.busy, 0);
}

static void refuses_all_alike(void **state)
{
	static const struct {
		const char *business_id, *signature;
		size_t verifiers;
		unsigned checks;
	} table[] = {
		{"shop", SIGNED_BY("33"), 2, 2},
		{"shop", NULL, 2, 2},
		{"shop", "", 2, 2},
		{"shop", "sha256=11", 2, 2},
		{"shop", "sha1=" TIMES32("11"), 2, 2},
		{"shop", "sha256=" TIMES32("zz"), 2, 2},
		{"shop", SIGNED_BY("11") "11", 2, 2},
		{"shop", SIGNED_BY("11"), 0, 1}, /* no connection that could verify */
		{"nobody", SIGNED_BY("11"), 2, 1},
		{"nobody", SIGNED_BY("ee"), 2, 1}, /* fits the verifier of nobody */
		{"nobody", NULL, 2, 1},
		{"", SIGNED_BY("11"), 2, 1},
		{"-shop", SIGNED_BY("11"), 2, 1},
		{"sh%6Fp", SIGNED_BY("11"), 2, 1},
		{"shop/", SIGNED_BY("11"), 2, 1},
		{TIMES64("a") "a", SIGNED_BY("11"), 2, 1},
	};
	struct inbound in = {.nobody.inner = {0xee}};
	struct http_request first = {.status = 0};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct http_request req;

		fake.verifiers_len = table[i].verifiers;
		fake.checks = fake.comparisons = 0;
		req = post(&in, table[i].business_id, table[i].signature);
		if (i == 0)
			first = req;
		assert_int_equal(req.status, 401);
		assert_string_equal(req.text, first.text);
		assert_string_equal(req.headers, first.headers);
		assert_int_equal(fake.checks, table[i].checks);
		assert_int_equal(fake.comparisons, 1);
	}
	assert_int_equal(fake.appends, 0);
	assert_int_equal(in.refused, sizeof(table) / sizeof(table[0]));
	assert_int_equal(in.accepted + in.busy, 0);
}

/* A malformed signature reads as zeros inside; a verifier that zeros fit must not take it. */
static void a_malformed_signature_never_fits(void **state)
{
	struct inbound in = {.nobody.inner = {0}};

	(void)state;
	fake.first_byte = 0;
	assert_int_equal(post(&in, "shop", NULL).status, 401);
	assert_int_equal(post(&in, "shop", "sha256=").status, 401);
	assert_int_equal(post(&in, "shop", SIGNED_BY("00")).status, 200);
	fake.verifiers_len = 0; /* nobody's verifier is one of zeros, too */
	assert_int_equal(post(&in, "shop", NULL).status, 401);
	assert_int_equal(post(&in, "shop", SIGNED_BY("00")).status, 401);
}

static void never_a_false_200(void **state)
{
	static const enum store_error store[] = {
		STORE_TIMEOUT, STORE_BUSY, STORE_FULL, STORE_FAILED, STORE_NO_MEMORY, STORE_NOT_FOUND, STORE_INVALID};
	static const enum tenant_error tenant[] = {TENANT_VAULT, TENANT_STORE, TENANT_NO_MEMORY, TENANT_BAD_DATA};
	struct inbound in = {.nobody.inner = {0xee}};

	(void)state;
	for (size_t i = 0; i < sizeof(store) / sizeof(store[0]); i++) {
		fake.append = store[i];
		fake.failures = 0;
		assert_int_equal(post(&in, "shop", SIGNED_BY("11")).status, 503);
		assert_int_equal(fake.failures, store[i] == STORE_FAILED);
	}
	fake.append = STORE_OK;
	fake.appends = 0;
	for (size_t i = 0; i < sizeof(tenant) / sizeof(tenant[0]); i++) {
		fake.seal = tenant[i];
		assert_int_equal(post(&in, "shop", SIGNED_BY("11")).status, 503);
		fake.seal = TENANT_OK;
		fake.verifiers = tenant[i];
		assert_int_equal(post(&in, "shop", SIGNED_BY("11")).status, 503);
		fake.verifiers = TENANT_OK;
	}
	assert_int_equal(fake.appends, 0);
	assert_int_equal(fake.wakes, 0);
	assert_int_equal(in.accepted + in.refused, 0);
	assert_int_equal(in.busy, 7 + 2 * 4);
}

/* Where the connection allows it, the store's thread answers, once it knows. */
static void answers_once_it_is_kept(void **state)
{
	static const struct {
		enum store_error queued, result;
		bool late;
		int status;
		unsigned accepted, wakes;
	} table[] = {{STORE_OK, STORE_OK, false, 200, 1, 1}, {STORE_OK, STORE_OK, true, 503, 0, 1},
		{STORE_OK, STORE_FULL, false, 503, 0, 0}, {STORE_OK, STORE_FAILED, false, 503, 0, 0},
		{STORE_OK, STORE_NOT_FOUND, true, 503, 0, 0}, {STORE_BUSY, STORE_OK, false, 503, 0, 0},
		{STORE_FAILED, STORE_OK, false, 503, 0, 0}, {STORE_NO_MEMORY, STORE_OK, false, 503, 0, 0}};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct inbound in = {.nobody.inner = {0xee}};
		struct http_request req = {.method = "POST",
			.signature = SIGNED_BY("11"),
			.body = (const uint8_t *)"x",
			.body_len = 1,
			.later = true,
			.late = table[i].late};

		fake.wakes = fake.failures = 0;
		fake.queued = table[i].queued;
		inbound_webhook(&in, &req, "shop");
		assert_true(req.prepared && req.proven);
		assert_int_equal(req.within_ms, INBOUND_DURABLE_MS);
		assert_int_equal(req.answers, table[i].queued != STORE_OK);
		if (table[i].queued == STORE_OK) {
			assert_int_equal(in.keeping, 1);
			assert_int_equal(in.accepted + in.busy + fake.wakes, 0);
			fake.done(fake.ctx, table[i].result);
		}
		assert_int_equal(req.answers, 1);
		assert_int_equal(req.status, table[i].status);
		assert_string_equal(req.text, "EVENT_RECEIVED"); /* what was prepared */
		assert_string_equal(fake.connection_id, FIRST);
		assert_int_equal(in.accepted, table[i].accepted);
		assert_int_equal(in.busy, 1 - table[i].accepted);
		assert_int_equal(fake.wakes, table[i].wakes);
		assert_int_equal(fake.failures, table[i].queued == STORE_FAILED || table[i].result == STORE_FAILED);
		assert_int_equal(in.keeping, 0);
	}
}

/* Refusals, and what could not be sealed, are answered at once. */
static void refuses_at_once(void **state)
{
	struct inbound in = {.nobody.inner = {0xee}};
	struct http_request req = {.method = "POST", .signature = SIGNED_BY("33"), .later = true};

	(void)state;
	inbound_webhook(&in, &req, "shop");
	assert_int_equal(req.status, 401);
	req.signature = SIGNED_BY("11");
	fake.seal = TENANT_VAULT;
	inbound_webhook(&in, &req, "shop");
	assert_int_equal(req.status, 503);
	assert_int_equal(req.answers, 2);
	assert_false(req.prepared || req.proven);
	assert_int_equal(fake.appends, 0);
}

static void bodies_that_do_not_come(void **state)
{
	static const struct {
		enum http_error error;
		int status;
		enum delivery_why why; /* what its connections are told */
	} table[] = {{HTTP_TOO_LARGE, 413, DELIVERY_TOO_LARGE}, {HTTP_TIMED_OUT, 408, DELIVERY_TOO_SLOW},
		{HTTP_DISCONNECTED, 408, DELIVERY_NO_REASON}, {HTTP_NO_MEMORY, 503, DELIVERY_NO_REASON}};

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
		struct inbound in = {.nobody.inner = {0xee}, .deliveries = deliveries_new()};
		struct http_request req = {
			.method = "POST", .signature = SIGNED_BY("11"), .body_error = table[i / 2].error};
		struct store_delivery first = {.accepted_at = 0}, second = first;

		inbound_webhook(&in, &req, i % 2 == 0 ? "shop" : "nobody");
		assert_int_equal(req.status, table[i / 2].status);
		assert_int_equal(req.answers, 1);
		deliveries_news(in.deliveries, FIRST, &first);
		deliveries_news(in.deliveries, SECOND, &second);
		assert_string_equal(first.refused_why, i % 2 == 0 ? delivery_code(table[i / 2].why) : "");
		assert_string_equal(second.refused_why, first.refused_why);
		assert_int_equal(in.whys[table[i / 2].why], table[i / 2].why != DELIVERY_NO_REASON);
		deliveries_free(in.deliveries);
	}
	assert_int_equal(fake.checks, 0);
}

static void the_limit_is_the_one_promised(void **state)
{
	struct inbound in = {.nobody.inner = {0xee}};
	uint8_t *body = calloc(1, INBOUND_BODY_MAX + 1u);
	struct http_request req = {
		.method = "POST", .signature = SIGNED_BY("11"), .body = body, .body_len = INBOUND_BODY_MAX};

	(void)state;
	inbound_webhook(&in, &req, "shop");
	assert_int_equal(req.status, 200);
	req.body_len++;
	inbound_webhook(&in, &req, "shop");
	assert_int_equal(req.status, 413);
	free(body);
}

/* ------------------------------------------------------------ handshakes */

#define ASK(mode, token, challenge) "hub.mode=" mode "&hub.verify_token=" token "&hub.challenge=" challenge

static char told[512]; /* what the log said of the last one */

static struct http_request get(const char *business_id, const char *query)
{
	struct inbound in = {.nobody.inner = {0xee}};
	struct http_request req = {.method = "GET", .query = query};

	log_seen_begin();
	inbound_webhook(&in, &req, business_id);
	log_seen_end(told, sizeof(told));
	assert_int_equal(req.answers, 1);
	return req;
}

static void echoes_the_challenge(void **state)
{
	struct http_request req = get("shop", ASK("subscribe", "right", "%3Cscript%3E1158201444"));

	(void)state;
	assert_int_equal(req.status, 200);
	assert_string_equal(req.text, "<script>1158201444");
	assert_non_null(strstr(req.headers, "Content-Type: text/plain; charset=utf-8\n"));
	assert_non_null(strstr(req.headers, "X-Content-Type-Options: nosniff\n"));
	assert_int_equal(fake.handshakes, 1);
	assert_string_equal(fake.token, "right");
	/* The token before, while it is given: the store is told which one it was. */
	assert_int_equal(get("shop", ASK("subscribe", "before", "1")).status, 200);
	assert_string_equal(fake.token, "before");
	fake.handshakes = 1;
	fake.connection_status = STORE_CONNECTION_ACTIVE;
	assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 200);
	fake.connection_status = STORE_CONNECTION_KEY_REFUSED;
	assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 200);
	assert_int_equal(fake.handshakes, 3);
	/* Meta waits for it: that it was not noted is no reason to refuse. */
	fake.handshake = STORE_BUSY;
	assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 200);
	assert_int_equal(get("shop", ASK("subscribe", "right", TIMES64("0123"))).status, 200);
	assert_int_equal(get("shop", ASK("subscribe", "right", TIMES64("01234567"))).status, 200);
}

/* Every change of a status is in the log. */
static void handshakes_that_bring_webhooks_back(void **state)
{
	static const struct {
		enum store_connection_status status;
		enum store_error noted;
		bool failed; /* the last checks */
		const char *becomes; /* NULL: what it is */
	} table[] = {
		{STORE_CONNECTION_PENDING, STORE_OK, false, "active: a handshake came"},
		{STORE_CONNECTION_WEBHOOK_TAKEN, STORE_OK, false, "active: a handshake came"},
		{STORE_CONNECTION_PENDING, STORE_OK, true, NULL},
		{STORE_CONNECTION_WEBHOOK_TAKEN, STORE_OK, true,
			"pending: a handshake came, but its last checks failed"},
		{STORE_CONNECTION_ACTIVE, STORE_OK, false, NULL},
		{STORE_CONNECTION_KEY_REFUSED, STORE_OK, false, NULL},
		{STORE_CONNECTION_PENDING, STORE_BUSY, false, NULL},
	};

	char line[200];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		fake.connection_status = table[i].status;
		fake.checks_failed = table[i].failed;
		fake.handshake = table[i].noted;
		assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 200);
		assert_non_null(strstr(told, " webhook handshake business=shop connection=" FIRST "\n"));
		(void)snprintf(line, sizeof(line), " connection is %s business=shop connection=" FIRST "\n",
			table[i].becomes != NULL ? table[i].becomes : "");
		if ((strstr(told, table[i].becomes != NULL ? line : " connection is ") != NULL) !=
			(table[i].becomes != NULL))
			fail_msg("row %zu: %s", i, told);
	}
}

#define NO_HANDSHAKE "-: it is none: hub.mode=subscribe, hub.verify_token and hub.challenge belong to one"
#define WRONG_TOKEN "shop: wrong token: no connection has it, or a suspended one"

static bool is_told(const char *why)
{
	char line[200];

	(void)snprintf(line, sizeof(line), " info keyhouse webhook handshake refused business=%s\n", why);
	return strstr(told, line) != NULL && strchr(told, '\n')[1] == '\0';
}

static void refuses_other_handshakes(void **state)
{
	static const struct {
		const char *business_id, *query, *why;
	} table[] = {
		{"shop", NULL, NO_HANDSHAKE},
		{"shop", "", NO_HANDSHAKE},
		{"shop", ASK("subscribe", "wrong", "1"), WRONG_TOKEN},
		{"shop", ASK("subscribe", "righ", "1"), WRONG_TOKEN},
		{"shop", ASK("subscribe", "rightt", "1"), WRONG_TOKEN},
		{"shop", ASK("subscribe", "Right", "1"), WRONG_TOKEN},
		{"shop", ASK("subscribe", "right%00", "1"), NO_HANDSHAKE},
		{"shop", ASK("subscribe", "", "1"), WRONG_TOKEN}, /* 200 connections have no token */
		{"shop", ASK("unsubscribe", "right", "1"), NO_HANDSHAKE},
		{"shop", ASK("", "right", "1"), NO_HANDSHAKE},
		{"shop", "hub.mode=subscribe&hub.verify_token=right", NO_HANDSHAKE},
		{"shop", "hub.mode=subscribe&hub.challenge=1", NO_HANDSHAKE},
		{"shop", "hub.verify_token=right&hub.challenge=1", NO_HANDSHAKE},
		{"shop", ASK("subscribe", "right", TIMES64("01234567") "8"), NO_HANDSHAKE},
		{"shop", ASK("subscribe", "right", "%zz"), NO_HANDSHAKE},
		{"nobody", ASK("subscribe", "right", "1"), "-: there is no such business"},
		{"../shop", ASK("subscribe", "right", "1"), "-: there is no such business"},
	};
	struct http_request first = get(table[0].business_id, table[0].query);

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct http_request req = get(table[i].business_id, table[i].query);

		if (req.status != 403)
			fail_msg("row %zu: %d", i, req.status);
		assert_string_equal(req.text, first.text);
		assert_string_equal(req.headers, first.headers);
		if (!is_told(table[i].why))
			fail_msg("row %zu: %s", i, told);
	}
	fake.business_status = STORE_BUSINESS_SUSPENDED;
	assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 403);
	assert_true(is_told("shop: the business is suspended"));
	fake.business_status = STORE_BUSINESS_ACTIVE;
	fake.connection_status = STORE_CONNECTION_SUSPENDED;
	assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 403);
	assert_true(is_told(WRONG_TOKEN));
	fake.list = STORE_BUSY;
	assert_int_equal(get("shop", ASK("subscribe", "right", "1")).status, 403);
	assert_true(is_told("shop: an error"));
	assert_int_equal(fake.handshakes, 0);
}

/* Of the connections that have handshakes, Meta's; a right one is remembered of nobody. */
static void a_wrong_token_is_remembered(void **state)
{
	static const char *const queries[] = {
		ASK("subscribe", "right", "1"), ASK("unsubscribe", "wrong", "1"), ASK("subscribe", "wrong", "1")};
	struct inbound in = {.nobody.inner = {0xee}, .deliveries = deliveries_new()};
	struct inbound_refusal r;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct http_request req = {.method = "GET", .query = queries[i]};
		struct store_delivery asked = {.accepted_at = 0}, other = asked;

		inbound_webhook(&in, &req, "shop");
		deliveries_news(in.deliveries, SECOND, &asked);
		deliveries_news(in.deliveries, THIRD, &other);
		assert_string_equal(asked.refused_why, i == 2 ? "wrong_verify_token" : "");
		assert_string_equal(other.refused_why, "");
		assert_int_equal(deliveries_refusal(in.deliveries, "shop", &r), i == 2);
	}
	assert_int_equal(r.token_at, store_now_ms());
	assert_int_equal(r.at, 0);
	deliveries_free(in.deliveries);
}

/* Places are few, and found by the business's id: what somebody sends to nobody is not to take a shop's. */
static void what_nobody_is_sent_is_not_remembered(void **state)
{
	struct inbound in = {.nobody.inner = {0xee}, .deliveries = deliveries_new()};
	struct inbound_refusal r;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct http_request req = {.method = "POST", .body = (const uint8_t *)"", .signature = SIGNED_BY("33")};

		inbound_webhook(&in, &req, i == 0 ? "nobody" : "shop");
		assert_int_equal(req.status, 401);
	}
	assert_true(deliveries_refusal(in.deliveries, "shop", &r));
	assert_false(deliveries_refusal(in.deliveries, "nobody", &r));
	assert_false(deliveries_refusal(in.deliveries, "-", &r));
	deliveries_free(in.deliveries);
}

/* One line a second of each kind, and neither hides the other. */
static void strangers_do_not_fill_the_log(void **state)
{
	struct inbound in = {.nobody.inner = {0xee}};
	size_t lines = 0;

	(void)state;
	log_seen_begin();
	for (size_t i = 0; i < 50; i++) {
		struct http_request get = {.method = "GET", .query = ASK("subscribe", "wrong", "1")};
		struct http_request post = {
			.method = "POST", .body = (const uint8_t *)"", .signature = SIGNED_BY("33")};

		inbound_webhook(&in, &get, "shop");
		inbound_webhook(&in, &post, "shop");
	}
	log_seen_end(told, sizeof(told));
	for (const char *p = told; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 2);
	assert_non_null(strstr(told, " webhook refused business=shop: wrong signature\n"));
	assert_non_null(strstr(told, " webhook handshake refused business=" WRONG_TOKEN "\n"));
}

static void other_methods(void **state)
{
	static const char *const methods[] = {"PUT", "HEAD", "DELETE", "OPTIONS", "post", "PATCH"};
	struct inbound in = {.nobody.inner = {0xee}};

	(void)state;
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		struct http_request req = {.method = methods[i], .signature = SIGNED_BY("11")};

		inbound_webhook(&in, &req, "shop");
		assert_int_equal(req.status, 405);
		assert_int_equal(req.answers, 1);
		assert_non_null(strstr(req.headers, "Allow: GET, POST\n"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(keeps_what_is_signed, setup),
		cmocka_unit_test_setup(refuses_all_alike, setup),
		cmocka_unit_test_setup(a_malformed_signature_never_fits, setup),
		cmocka_unit_test_setup(never_a_false_200, setup),
		cmocka_unit_test_setup(answers_once_it_is_kept, setup),
		cmocka_unit_test_setup(refuses_at_once, setup),
		cmocka_unit_test_setup(bodies_that_do_not_come, setup),
		cmocka_unit_test_setup(the_limit_is_the_one_promised, setup),
		cmocka_unit_test_setup(echoes_the_challenge, setup),
		cmocka_unit_test_setup(refuses_other_handshakes, setup),
		cmocka_unit_test_setup(handshakes_that_bring_webhooks_back, setup),
		cmocka_unit_test_setup(a_wrong_token_is_remembered, setup),
		cmocka_unit_test_setup(what_nobody_is_sent_is_not_remembered, setup),
		cmocka_unit_test_setup(strangers_do_not_fill_the_log, setup),
		cmocka_unit_test_setup(other_methods, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
