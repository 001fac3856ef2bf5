/*
 * What the provider says of token and number is kept: its own words where they are words, and each part until that part
 * is said anew.
 */
#include "test/unit/connect/shop.h"

#include <stdio.h>
#include <string.h>

#define TOKEN(expires) "{\"data\":{\"app_id\":\"1001\",\"is_valid\":true" expires "}}"
#define NUMBER                                                                                                         \
	"{\"id\":\"3003\",\"status\":\"CONNECTED\",\"name_status\":\"APPROVED\",\"quality_rating\":\"GREEN\","         \
	"\"whatsapp_business_manager_messaging_limit\":\"TIER_2K\",\"throughput\":{\"level\":\"STANDARD\"},"           \
	"\"health\":{\"can_send\":\"LIMITED\"}}"

static struct store_connection_facts facts_of(const char *id)
{
	struct store_connection_facts f;

	assert_int_equal(store_connection_facts_get(shop_store(), "shop", id, &f), STORE_OK);
	return f;
}

static void answer(const char *token, const char *number)
{
	fake_reset();
	fake_debug_token(
		&(struct fake_says){.class = token != NULL ? OUTBOUND_ACCEPTED : OUTBOUND_NOT_SENT, .fields = token});
	fake_number(
		&(struct fake_says){.class = number != NULL ? OUTBOUND_ACCEPTED : OUTBOUND_NOT_SENT, .fields = number});
}

static struct store_connection_facts tested(const char *id, const char *token, const char *number)
{
	struct store_connection out;
	struct connect_report report;

	answer(token, number);
	assert_int_equal(connect_test(&with_sender, "shop", id, &out, &report), CONNECT_OK);
	return facts_of(id);
}

static void metas_words_are_kept(void **state)
{
	struct store_connection_facts f;
	struct store_connection out;
	struct connect_report report;
	int64_t before = store_now_ms();

	(void)state;
	answer(TOKEN(",\"expires_at\":4102444800"), NUMBER);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	f = facts_of(out.id);
	assert_in_range(f.looked_at, before, store_now_ms());
	assert_int_equal(f.token_expires_at, 4102444800000);
	assert_string_equal(f.number_status, "CONNECTED");
	assert_string_equal(f.name_status, "APPROVED");
	assert_string_equal(f.quality, "GREEN");
	assert_string_equal(f.messaging_limit, "TIER_2K");
	assert_string_equal(f.throughput, "STANDARD");
	assert_string_equal(f.can_send, "LIMITED");
	removed(out.id);
}

static void a_part_stays_until_it_is_said_anew(void **state)
{
	struct store_connection_facts f;
	struct store_connection out;
	struct connect_report report;
	struct secret *token = secret_new(OTHER_TOKEN, strlen(OTHER_TOKEN));
	int64_t looked_at;

	(void)state;
	answer(NULL, NULL);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	assert_int_equal(facts_of(out.id).looked_at, 0);
	f = tested(out.id, NULL, NUMBER);
	assert_int_equal(f.token_expires_at, 0);
	assert_string_equal(f.quality, "GREEN");
	f = tested(out.id, TOKEN(",\"expires_at\":0"), NULL);
	assert_int_equal(f.token_expires_at, -1);
	assert_string_equal(f.quality, "GREEN");
	f = tested(out.id, NULL, "{\"id\":\"3003\",\"quality_rating\":\"RED\"}");
	assert_int_equal(f.token_expires_at, -1);
	assert_string_equal(f.quality, "RED");
	assert_string_equal(f.number_status, "");
	looked_at = f.looked_at;
	f = tested(out.id, NULL, NULL);
	assert_int_equal(f.looked_at, looked_at);
	assert_string_equal(f.quality, "RED");
	/* another token is another token's expiry */
	assert_int_equal(
		connect_rotate(&with_sender, "shop", out.id, "access_token", token, false, &out, &report), CONNECT_OK);
	f = facts_of(out.id);
	assert_int_equal(f.token_expires_at, 0);
	assert_int_equal(f.looked_at, looked_at);
	assert_string_equal(f.quality, "RED");
	secret_free(token);
	removed(out.id);
}

static void what_is_no_word_is_not_said(void **state)
{
	struct store_connection_facts f;
	struct store_connection out;
	struct connect_report report;

	(void)state;
	answer(NULL, NULL);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	f = tested(out.id, TOKEN(",\"expires_at\":\"soon\""),
		"{\"id\":\"3003\",\"status\":7,\"name_status\":\"A\\u0001\",\"quality_rating\":\"GR\xc3\x9cN\","
		"\"whatsapp_business_manager_messaging_limit\":\"123456789012345678901234567890123\","
		"\"throughput\":\"HIGH\",\"health\":{\"can_send\":\"1234567890123456\"}}");
	assert_int_equal(f.token_expires_at, 0);
	assert_string_equal(f.number_status, "");
	assert_string_equal(f.name_status, "");
	assert_string_equal(f.quality, "");
	assert_string_equal(f.messaging_limit, "");
	assert_string_equal(f.throughput, "");
	assert_string_equal(f.can_send, "1234567890123456");
	assert_int_equal(tested(out.id, TOKEN(",\"expires_at\":300000000000"), NULL).token_expires_at, 0);
	assert_int_equal(tested(out.id, TOKEN(",\"expires_at\":-5"), NULL).token_expires_at, 0);
	removed(out.id);
}

static void dialog360s_words_are_kept(void **state)
{
	struct store_connection_facts f;
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	fake_answer(OUTBOUND_D360_HEALTH,
		&(struct fake_says){.class = OUTBOUND_ACCEPTED,
			.fields = "{\"id\":\"3003\",\"quality_rating\":\"YELLOW\",\"health\":{\"can_send\":"
				  "\"BLOCKED\"}}"});
	assert_int_equal(connect_key(&serving, "shop", &key_plain, &out, &report), CONNECT_OK);
	f = facts_of(out.id);
	assert_true(f.looked_at > 0);
	assert_int_equal(f.token_expires_at, 0);
	assert_string_equal(f.quality, "YELLOW");
	assert_string_equal(f.can_send, "BLOCKED");
	removed(out.id);
}

/* How many messages a second follow from what Meta says of the number. */
static void what_a_number_takes(void **state)
{
	static const struct {
		const char *number;
		unsigned mps;
	} rows[] = {
		{"\"throughput\":{\"level\":\"STANDARD\"}", 0}, /* it may be on the app */
		{"\"throughput\":{\"level\":\"STANDARD\"},\"is_on_biz_app\":false", 80},
		{"\"throughput\":{\"level\":\"HIGH\"},\"is_on_biz_app\":false", 1000},
		{"\"throughput\":{\"level\":\"HIGH\"}", 1000},
		{"\"throughput\":{\"level\":\"NOT_APPLICABLE\"},\"is_on_biz_app\":false", 1000},
		{"\"throughput\":{\"level\":\"STANDARD\"}", 0}, /* no longer that much */
		{"\"throughput\":{\"level\":\"STANDARD\"},\"is_on_biz_app\":true", 20},
		{"\"throughput\":{\"level\":\"STANDARD\"}", 20},
		{"\"throughput\":{\"level\":\"STANDARD\"},\"is_on_biz_app\":\"no\"", 20},
	};
	struct store_connection out;
	struct connect_report report;

	(void)state;
	answer(NULL, NULL);
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char number[200];

		(void)snprintf(number, sizeof(number), "{\"id\":\"3003\",%s}", rows[i].number);
		fake_number(&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = number});
		assert_int_equal(connect_test(&with_sender, "shop", out.id, &out, &report), CONNECT_OK);
		if (out.mps != rows[i].mps)
			fail_msg("%s: %u", rows[i].number, out.mps);
	}
	fake_reset();
	removed(out.id);
}

/* A number that Meta lets send nothing is blocked, until Meta says otherwise. */
static void a_banned_number_is_blocked(void **state)
{
	static const char *const words[] = {"\"status\":\"BANNED\"", "\"health\":{\"can_send\":\"BLOCKED\"}"};
	struct store_connection out;
	struct connect_report report;
	char number[200];

	(void)state;
	fake_reset();
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		(void)snprintf(number, sizeof(number), "{\"id\":\"3003\",%s}", words[i]);
		fake_number(&(struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = number});
		assert_int_equal(connect_test(&with_sender, "shop", out.id, &out, &report), CONNECT_OK);
		assert_int_equal(out.status, STORE_CONNECTION_BLOCKED);
		assert_int_equal(result_of(&report, "number"), CONNECT_CHECK_FAILED);
		fake_reset();
		fake_owner(OUTBOUND_META_APP_CALLBACK, "ours");
		fake_owner(OUTBOUND_META_WABA_CALLBACK, "none");
		assert_int_equal(connect_test(&with_sender, "shop", out.id, &out, &report), CONNECT_OK);
		assert_int_equal(out.status, STORE_CONNECTION_ACTIVE);
	}
	removed(out.id);
}

/* A token that works, but not for this number, does not take the place of one that does. */
static void a_token_of_another_number_replaces_nothing(void **state)
{
	struct secret *token = secret_new(OTHER_TOKEN, strlen(OTHER_TOKEN));
	struct store_connection out;
	struct connect_report report;

	(void)state;
	fake_reset();
	assert_int_equal(add(&with_sender, &good, true, &out, &report), CONNECT_OK);
	fake_number(&(struct fake_says){.class = OUTBOUND_MESSAGE, .code = 100, .subcode = 33});
	assert_int_equal(connect_rotate(&with_sender, "shop", out.id, "access_token", token, false, &out, &report),
		CONNECT_CREDENTIAL_REFUSED);
	assert_string_equal(report.field, "access_token");
	assert_int_equal(version_of("access_token"), 1);
	secret_free(token);
	removed(out.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(metas_words_are_kept),
		cmocka_unit_test(a_part_stays_until_it_is_said_anew),
		cmocka_unit_test(what_is_no_word_is_not_said),
		cmocka_unit_test(dialog360s_words_are_kept),
		cmocka_unit_test(what_a_number_takes),
		cmocka_unit_test(a_banned_number_is_blocked),
		cmocka_unit_test(a_token_of_another_number_replaces_nothing),
	};

	return cmocka_run_group_tests(tests, shop_setup, shop_teardown);
}
