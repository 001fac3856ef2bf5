/*
 * A token is renewed only by one that has worked; whatever else comes of asking for it, the old one stays in its place.
 */
#include "test/unit/connect/shop.h"

#include <stdio.h>
#include <string.h>

#define SEALED "c2VhbGVkIGZvciB0aGUgbmV4dCB2ZXJzaW9u" /* what a blob is, only the sender knows */
#define FRESH                                                                                                          \
	"{\"sealed\":\"" SEALED "\",\"fingerprint\":\"00112233aabbccdd\",\"last4\":\"resh\",\"expires_in\":5184000}"
#define TOKEN(expires, scopes)                                                                                         \
	"{\"data\":{\"app_id\":\"1001\",\"is_valid\":true,\"expires_at\":" expires ",\"scopes\":[" scopes "]}}"
#define BOTH "\"whatsapp_business_messaging\",\"whatsapp_business_management\""
#define DEAD "{\"data\":{\"app_id\":\"1001\",\"is_valid\":false}}"

static void exchange(enum outbound_class class, const char *fields)
{
	fake_answer(OUTBOUND_META_TOKEN_EXCHANGE, &(struct fake_says){.class = class, .fields = fields});
}

static enum connect_error renew(const char *id, struct connect_report *report)
{
	struct store_connection out;

	return connect_token_renew(&with_sender, "shop", id, &out, report);
}

static bool see_last4(const struct store_credential *c, void *arg)
{
	char *out = arg;

	(void)snprintf(out + 17 * (c->slot == STORE_SLOT_PREVIOUS), 17, "%s", c->last4);
	return true;
}

static void the_fresh_one_takes_its_place(void **state)
{
	struct store_connection s;
	struct connect_report report;
	char last4[2][17] = {"", ""};
	unsigned asked;

	(void)state;
	fake_reset();
	assert_int_equal(add(&with_sender, &good, true, &s, &report), CONNECT_OK);
	exchange(OUTBOUND_ACCEPTED, FRESH);
	asked = fake_asked(OUTBOUND_META_DEBUG_TOKEN);
	assert_int_equal(renew(s.id, &report), CONNECT_OK);
	assert_int_equal(version_of("access_token"), 2);
	assert_int_equal(store_credential_list(shop_store(), "shop", "access_token", see_last4, last4), STORE_OK);
	assert_string_equal(last4[0], "resh");
	assert_string_equal(last4[1], ""); /* it has worked, and nothing is left of the old one */
	/* It was tried, on the token itself and on the number. */
	assert_int_equal(fake_asked(OUTBOUND_META_DEBUG_TOKEN), asked + 1);
	assert_int_equal(fake_asked(OUTBOUND_META_NUMBER), 2);
	removed(s.id);
}

static void the_old_one_stays(void **state)
{
	static const struct {
		struct fake_says exchange, token, number;
		enum connect_error err;
	} rows[] = {
		{{.class = OUTBOUND_NOT_SENT}, {0}, {0}, CONNECT_UNAVAILABLE},
		{{.class = OUTBOUND_OUTCOME_UNKNOWN}, {0}, {0}, CONNECT_UNAVAILABLE},
		{{.class = OUTBOUND_AUTH, .code = 190}, {0}, {0}, CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = "{}"}, {0}, {0}, CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED,
			 .fields = "{\"sealed\":\"***\",\"fingerprint\":\"0\",\"last4\":\"resh\"}"},
			{0}, {0}, CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = FRESH}, {.class = OUTBOUND_ACCEPTED, .fields = DEAD}, {0},
			CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = FRESH},
			{.class = OUTBOUND_ACCEPTED, .fields = TOKEN("4102444801", "\"whatsapp_business_messaging\"")},
			{0}, CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = FRESH},
			{.class = OUTBOUND_ACCEPTED, .fields = TOKEN("4102444800", BOTH)}, {0},
			CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = FRESH}, {.class = OUTBOUND_NOT_SENT}, {0},
			CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = FRESH}, {0}, {.class = OUTBOUND_AUTH, .code = 190},
			CONNECT_CREDENTIAL_REFUSED},
		{{.class = OUTBOUND_ACCEPTED, .fields = FRESH}, {0}, {.class = OUTBOUND_NOT_SENT},
			CONNECT_CREDENTIAL_REFUSED},
	};
	struct store_connection s, now;
	struct connect_report report;

	(void)state;
	fake_reset();
	fake_debug_token(&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = TOKEN("4102444800", BOTH)});
	assert_int_equal(add(&with_sender, &good, true, &s, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_reset();
		fake_answer(OUTBOUND_META_TOKEN_EXCHANGE, &rows[i].exchange);
		if (rows[i].token.class != 0)
			fake_debug_token(&rows[i].token);
		if (rows[i].number.class != 0)
			fake_number(&rows[i].number);
		if (renew(s.id, &report) != rows[i].err)
			fail_msg("row %zu", i);
		assert_string_equal(report.field, "access_token");
		assert_true(report.detail[0] != '\0');
		assert_int_equal(version_of("access_token"), 1);
		assert_int_equal(store_connection_get(shop_store(), "shop", s.id, &now), STORE_OK);
		assert_int_equal(now.status, s.status);
	}
	removed(s.id);
}

static void only_metas_tokens(void **state)
{
	struct store_connection s;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(connect_key(&with_sender, "shop", &key_plain, &s, &report), CONNECT_OK);
	assert_int_equal(renew(s.id, &report), CONNECT_INVALID);
	assert_int_equal(renew("00000000000000000000000000", &report), CONNECT_NOT_FOUND);
	assert_int_equal(connect_token_renew(&without_sender, "shop", s.id, &s, &report), CONNECT_UNAVAILABLE);
	assert_int_equal(fake_asked(OUTBOUND_META_TOKEN_EXCHANGE), 0);
	removed(s.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fresh_one_takes_its_place),
		cmocka_unit_test(the_old_one_stays),
		cmocka_unit_test(only_metas_tokens),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
