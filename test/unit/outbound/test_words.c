/*
 * Goal of this test: outside words are read as their rules say: message bodies, frames between the
 * halves, a provider's error texts, JSON.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/json.h"
#include "gateway/outbound/job.h"
#include "gateway/outbound/meta.h"
#include "gateway/outbound/outbound.h"
#include "gateway/outbound/scrub.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------ message bodies */

#define TEXT "\"type\":\"text\",\"text\":{\"body\":\"hi\"}"

static void good_bodies_are_taken(void **state)
{
	static const char *const good[] = {
		"{\"to\":\"+2348031234567\"," TEXT "}",
		"{\"to\":\"234 (803) 123-4567\"," TEXT "}",
		"{\"recipient\":\"US.13491208655302741918\"," TEXT "}",
		"{\"to\":\"120363042\",\"recipient_type\":\"group\"," TEXT "}",
		"{\"messaging_product\":\"whatsapp\",\"to\":\"2348031234567\",\"context\":{\"message_id\":\"wamid.x\"}"
		"," TEXT "}",
		"{\"to\":\"2348031234567\",\"type\":\"image\",\"image\":{\"id\":\"1\"}}",
		"{\"to\":\"2348031234567\",\"type\":\"contacts\",\"contacts\":[{}]}",
		"{\"to\":\"2348031234567\",\"type\":\"kind_of_2027\",\"kind_of_2027\":{},\"new_field\":1}",
		" {\"to\":\"23480312\",\"type\":\"text\",\"text\":{\"body\":\"\\u20a6 \xe2\x82\xa6 \\\\u0000\"}}\n",
	};
	char why[200];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!outbound_message_valid(good[i], strlen(good[i]), why, sizeof(why)))
			fail_msg("%s: %s", good[i], why);
}

static void bad_bodies_name_the_field(void **state)
{
	static const struct {
		const char *json, *why;
	} bad[] = {
		{"", "JSON"},
		{"[]", "object"},
		{"{\"to\":\"2348031234567\"," TEXT "} x", "JSON"},
		{"{\"to\":\"2348031234567\",\"text\":{\"body\":\"hi\"}}", "type"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\"}", "text"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":\"hi\"}", "text"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":{\"body\":\"\"}}", "text.body"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":{\"body\":5}}", "text.body"},
		{"{\"to\":\"2348031234567\",\"type\":\"Text\",\"Text\":[]}", "Text"},
		{"{\"to\":\"2348031234567\",\"type\":\"te xt\",\"te xt\":{}}", "type"},
		{"{" TEXT "}", "to"},
		{"{\"to\":2348031234567," TEXT "}", "to"},
		{"{\"to\":\"\"," TEXT "}", "to"},
		{"{\"to\":\"08031234567\"," TEXT "}", "to"},
		{"{\"to\":\"12345678901234567\"," TEXT "}", "to"},
		{"{\"to\":\"++2348031234567\"," TEXT "}", "to"},
		{"{\"to\":\"234+8031234567\"," TEXT "}", "to"},
		{"{\"to\":\"paul\"," TEXT "}", "to"},
		{"{\"recipient\":\"no dots\"," TEXT "}", "recipient"},
		{"{\"recipient\":\"a.b/c\"," TEXT "}", "recipient"},
		{"{\"to\":\"2348031234567\",\"recipient_type\":\"all\"," TEXT "}", "recipient_type"},
		{"{\"to\":\"2348031234567\",\"to\":\"2348031234568\"," TEXT "}", "twice"},
		{"{\"to\":\"2348031234567\",\"messaging_product\":\"sms\"," TEXT "}", "messaging_product"},
		{"{\"to\":\"2348031234567\",\"biz_opaque_callback_data\":1," TEXT "}", "biz_opaque"},
		{"{\"to\":\"2348031234567\",\"context\":\"x\"," TEXT "}", "context"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":{\"body\":\"a\\u0000b\"}}", "NUL"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":{\"body\":\"a\xff\"}}", "UTF-8"},
		{"{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":{\"body\":\"\xed\xa0\x80\"}}", "UTF-8"},
	};
	char why[200];

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		why[0] = '\0';
		if (outbound_message_valid(bad[i].json, strlen(bad[i].json), why, sizeof(why)) ||
			strstr(why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].json, why);
		assert_null(strstr(why, "2348031234567"));
	}
}

static void long_bodies_are_refused(void **state)
{
	static char json[80000];
	const char *head = "{\"to\":\"2348031234567\",\"type\":\"text\",\"text\":{\"body\":\"";
	const size_t sizes[] = {4096, 4097, 70000};
	char why[200];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		size_t len = strlen(head);

		memcpy(json, head, len);
		memset(json + len, 'x', sizes[i]);
		len += sizes[i];
		memcpy(json + len, "\"}}", 4);
		assert_int_equal(outbound_message_valid(json, len + 3, why, sizeof(why)), i == 0);
	}
}

static void the_customer_of_a_message(void **state)
{
	static const struct {
		const char *json, *customer;
	} rows[] = {
		{"{\"to\":\"+234 (803) 123-4567\"," TEXT "}", "2348031234567"},
		{"{\"to\":\"2348031234567\",\"recipient\":\"US.1\"," TEXT "}", "2348031234567"},
		{"{\"recipient\":\"US.13491208655302741918\"," TEXT "}", "US.13491208655302741918"},
		{"{\"to\":\"120363042\",\"recipient_type\":\"group\"," TEXT "}", NULL},
		{"{\"to\":\"paul\"," TEXT "}", NULL},
		{"{\"to\":\"2348031234567\"}", NULL},
		{"[]", NULL},
		{"", NULL},
	};
	char out[OUTBOUND_CUSTOMER_MAX + 1], json[400], longest[OUTBOUND_CUSTOMER_MAX + 1];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const bool known = outbound_message_customer(rows[i].json, strlen(rows[i].json), out);

		assert_int_equal(known, rows[i].customer != NULL);
		if (known)
			assert_string_equal(out, rows[i].customer);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[2] = '.';
	longest[sizeof(longest) - 1] = '\0';
	(void)snprintf(json, sizeof(json), "{\"recipient\":\"%s\"," TEXT "}", longest);
	assert_true(outbound_message_customer(json, strlen(json), out));
	assert_string_equal(out, longest);
}

static void the_wire_body_is_ours_over_theirs(void **state)
{
	const char *json = "{\"biz_opaque_callback_data\":\"theirs\",\"to\":\"+1\",\"messaging_product\":\"x\",\"Biz_"
			   "Opaque_Callback_Data\":1}";
	char *text = meta_body(json, strlen(json), "01id");

	(void)state;
	assert_string_equal(text,
		"{\"to\":\"+1\",\"Biz_Opaque_Callback_Data\":1,\"messaging_product\":\"whatsapp\",\"biz_opaque_"
		"callback_data\":\"01id\"}");
	free(text);
	assert_null(meta_body("[]", 2, "01id"));
}

/* ------------------------------------------------------------ frames */

static void fill(struct job *j, uint8_t *blob, size_t blob_len)
{
	*j = (struct job){.ticket = 77,
		.kind = kind_find(OUTBOUND_META_SEND),
		.id = "01message",
		.deployment_id = "01deployment",
		.business_id = "shop",
		.number = "106",
		.app_id = "",
		.waba_id = "",
		.url = "",
		.message_id = "",
		.credentials[0] = {"01connection", "access_token", 5, {.version = 3}, blob, blob_len, 6},
		.body = "{}",
		.body_len = 2};
	memset(j->credentials[0].key.blob, 0x5a, sizeof(j->credentials[0].key.blob));
}

static void jobs_come_back_as_they_went(void **state)
{
	struct frame f = FRAME_INIT(0);
	uint8_t blob[100] = {1, 2, 3};
	struct job in, out;

	(void)state;
	fill(&in, blob, sizeof(blob));
	assert_true(job_valid(&in));
	job_encode(&f, &in);
	assert_int_equal(f.type, JOB_JOB);
	assert_true(job_decode(&f, &out));
	assert_int_equal(out.ticket, 77);
	assert_ptr_equal(out.kind, in.kind);
	assert_string_equal(out.number, "106");
	assert_int_equal(out.credentials[0].key.version, 3);
	assert_memory_equal(out.credentials[0].key.blob, in.credentials[0].key.blob, VAULT_WRAPPED_LEN);
	assert_string_equal(out.credentials[0].field, "access_token");
	assert_int_equal(out.credentials[0].version, 5);
	assert_int_equal(out.credentials[0].newest, 6);
	assert_memory_equal(out.credentials[0].blob, blob, sizeof(blob));
	assert_memory_equal(out.body, "{}", 2);
	/* Every shorter one is malformed. */
	for (size_t len = 0; len + 1 < f.len; len++) {
		struct frame cut = FRAME_INIT(JOB_JOB);

		for (size_t i = 0; i < len; i++)
			frame_put_u8(&cut, f.data[i]);
		assert_false(job_decode(&cut, &out));
		frame_clear(&cut);
	}
	frame_clear(&f);
}

static void jobs_that_break_their_kind_are_refused(void **state)
{
	uint8_t blob[100] = {0};
	struct job j;

	(void)state;
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		fill(&j, blob, sizeof(blob));                                                                          \
		change;                                                                                                \
		assert_false(job_valid(&j));                                                                           \
	} while (0)
	REFUSED(j.number = "");
	REFUSED(j.number = "1/2");
	REFUSED(j.app_id = "1");
	REFUSED(j.id = "");
	REFUSED(j.id = "01\r\nX-Evil: 1");
	REFUSED(j.business_id = "shop\r\n");
	REFUSED(j.waba_id = "1");
	REFUSED(j.url = "https://house.example/webhooks/shop");
	REFUSED(j.message_id = "01message"); /* a provider is told nothing of ours */
	REFUSED(j.credentials[0].connection_id = JOB_RESPONDER);
	REFUSED(j.business_id = "12345678901234567890123456789012345678901234567890123456789012345");
	REFUSED(j.credentials[0].field = "app_secret");
	REFUSED(j.credentials[0].blob_len = 0);
	REFUSED(j.credentials[0].blob_len = 100000);
	REFUSED(j.body_len = 0);
	REFUSED(j.body_len = JOB_BODY_MAX + 1);
	REFUSED(j.kind = kind_find(OUTBOUND_META_NUMBER));
	REFUSED(j.kind = NULL);
#undef REFUSED
}

static void fill_ask(struct job *j, uint8_t *blob, size_t blob_len)
{
	fill(j, blob, blob_len);
	j->kind = kind_find(OUTBOUND_RESPONDER_ASK);
	j->number = "";
	j->url = "https://shop.example/hook";
	j->credentials[0].connection_id = JOB_RESPONDER;
	j->credentials[0].field = "signing_secret";
	j->message_id = "01MESSAGEMESSAGEMESSAGEMES";
}

static void asks_keep_their_rules(void **state)
{
	static char url[1100] = "https://shop.example/", body[JOB_ASK_MAX + 1];
	struct frame f = FRAME_INIT(0);
	uint8_t blob[100] = {0};
	struct job j, out;

	(void)state;
	memset(url + strlen(url), 'x', 1023 - strlen(url));
	fill_ask(&j, blob, sizeof(blob));
	j.url = url;
	j.body = body;
	j.body_len = JOB_ASK_MAX;
	assert_true(job_valid(&j));
	job_encode(&f, &j);
	assert_true(f.len <= job_limits_sender[0].max_len);
	assert_true(job_decode(&f, &out));
	assert_string_equal(out.url, url);
	assert_string_equal(out.message_id, "01MESSAGEMESSAGEMESSAGEMES");
	assert_int_equal(out.body_len, JOB_ASK_MAX);
	frame_clear(&f);
#define REFUSED(change)                                                                                                \
	do {                                                                                                           \
		fill_ask(&j, blob, sizeof(blob));                                                                      \
		assert_true(job_valid(&j));                                                                            \
		change;                                                                                                \
		assert_false(job_valid(&j));                                                                           \
	} while (0)
	fill_ask(&j, blob, sizeof(blob));
	j.message_id = "";
	assert_true(job_valid(&j));
	url[1023] = 'x';
	REFUSED(j.url = url);
	REFUSED(j.url = "");
	REFUSED(j.url = "ftp://shop.example/");
	REFUSED(j.url = "https://shop.example/a b");
	REFUSED(j.url = "https://shop.example/\xc3\xa4");
	REFUSED(j.url = "https://user@shop.example/");
	REFUSED(j.body_len = 0);
	REFUSED(j.body_len = JOB_ASK_MAX + 1);
	REFUSED(j.credentials[0].connection_id = "01connection");
	REFUSED(j.credentials[0].field = "app_secret");
	REFUSED(j.number = "106");
	REFUSED(j.message_id = "01\r\nX-Evil: 1");
	REFUSED(j.message_id = "wamid.HBg");
	REFUSED(j.message_id = "01MESSAGEMESSAGEMESSAGEMESS");
	REFUSED(j.kind = kind_find(OUTBOUND_D360_WEBHOOK_SET));
#undef REFUSED
}

static void results_come_back_as_they_went(void **state)
{
	struct outbound_result in = {.class = OUTBOUND_RATE_LIMITED,
				       .http_status = 429,
				       .code = 130429,
				       .subcode = -1,
				       .retry_after_ms = 17000,
				       .clock_told = true,
				       .clock_ahead_s = -420,
				       .reason = "slow down"},
			       out;
	static char large[OUTBOUND_HEADERS_MAX];
	struct frame f = FRAME_INIT(0);
	uint64_t ticket;

	(void)state;
	job_result_encode(&f, 9, &in);
	assert_true(job_result_decode(&f, &ticket, &out));
	assert_int_equal(ticket, 9);
	assert_int_equal(out.class, in.class);
	assert_int_equal(out.code, 130429);
	assert_int_equal(out.subcode, -1);
	assert_int_equal(out.retry_after_ms, 17000);
	assert_true(out.clock_told);
	assert_int_equal(out.clock_ahead_s, -420);
	assert_string_equal(out.reason, "slow down");
	assert_null(out.fields);
	assert_null(out.headers[5]);
	outbound_result_clear(&out);
	/* Headers, as many as may be; what breaks a line, or is more, is no result. */
	memset(large, 'x', OUTBOUND_HEADERS_MAX - 3);
	in.headers[5] = large;
	in.headers[8] = (char[]){"a"};
	job_result_encode(&f, 9, &in);
	assert_true(job_result_decode(&f, &ticket, &out));
	assert_string_equal(out.headers[5], large);
	assert_string_equal(out.headers[8], "a");
	assert_null(out.headers[0]);
	outbound_result_clear(&out);
	assert_null(out.headers[5]);
	large[OUTBOUND_HEADERS_MAX - 3] = 'x';
	job_result_encode(&f, 9, &in);
	assert_false(job_result_decode(&f, &ticket, &out));
	for (size_t i = 0; i < 3; i++) {
		in.headers[5] = (char[][12]){"a\r\nX-Evil: ", "a\nb", "a\177b"}[i];
		job_result_encode(&f, 9, &in);
		assert_false(job_result_decode(&f, &ticket, &out));
	}
	in.headers[5] = in.headers[8] = NULL;
	in.class = 0;
	job_result_encode(&f, 9, &in);
	assert_false(job_result_decode(&f, &ticket, &out));
	in.class = OUTBOUND_NO_CREDENTIAL + 1;
	job_result_encode(&f, 9, &in);
	assert_false(job_result_decode(&f, &ticket, &out));
	in.class = OUTBOUND_ACCEPTED;
	job_result_encode(&f, 9, &in);
	frame_put_u8(&f, 0);
	assert_false(job_result_decode(&f, &ticket, &out));
	frame_clear(&f);
}

/* ------------------------------------------------------------ words of a provider */

static void scrubbed(const char *text, const char *secret, const char *expected)
{
	struct held h = {0};
	char copy[1024], out[256];

	held_add(&h, secret, secret != NULL ? strlen(secret) : 0);
	(void)snprintf(copy, sizeof(copy), "%s", text);
	scrub_reason(copy, &h, out, sizeof(out));
	assert_string_equal(out, expected);
}

static void reasons_hold_no_secret_and_no_number(void **state)
{
	char text[600], expected[300];

	(void)state;
	scrubbed("token EAAsecretsecret!", "EAAsecretsecret", "token ***!");
	scrubbed("EAA is fine", "EAAsecretsecret", "EAA is fine");
	/* Whether a guess begins the secret must not show: right and wrong ones look the same. */
	scrubbed("template name (EAAsecr) does not exist", "EAAsecretsecret", "template name (EAAsecr) does not exist");
	scrubbed("template name (EAAsecx) does not exist", "EAAsecretsecret", "template name (EAAsecx) does not exist");
	scrubbed("cut EAAG0123456789abcdef...", "EAAG0123456789abcdefghij", "cut ***");
	scrubbed("cut EAAG0123456789abcdex", "EAAG0123456789abcdefghij", "cut ***");
	scrubbed("needs whatsapp_business_messaging", NULL, "needs whatsapp_business_messaging");
	scrubbed("see AbcdEfghIjklMnopQrst", NULL, "see ***");
	/* A number does not go on into a key that begins with digits. */
	scrubbed("?x=1 123456789d8ad3f3a598d5cb1e321358 now", NULL, "?x=1 *** now");
	scrubbed("+1 234 567 8901", NULL, "+***");
	scrubbed("enc a%7Cb%2fsecret and a|b/secret", "a|b/secret", "enc *** and ***");
	scrubbed("EAAEAAsecretsecret", "EAAsecretsecret", "EAA***");
	scrubbed("(#131047) to +15551234567, 2026", NULL, "(#131047) to +***, 2026");
	scrubbed("call 0803 123 4567 or 080-3123-4567", NULL, "call *** or ***");
	scrubbed("six 123456 seven 1234567", NULL, "six 123456 seven ***");
	scrubbed("id wamid.HBgLMTU1NTEyMzQ1NjcVAgARGBI= gone", NULL, "id *** gone");
	scrubbed("a\nb\tc\x1b[0m ", NULL, "a b c [0m");
	scrubbed("bad \xff utf", NULL, "bad ? utf");
	memset(text, 'a', 254);
	memcpy(text + 254, "\xe2\x82\xa6rest", 8);
	memset(expected, 'a', 254);
	expected[254] = '\0';
	scrubbed(text, NULL, expected);
}

/* ------------------------------------------------------------ JSON */

static void json_is_read_within_its_bounds(void **state)
{
	const char *text = "{\"a\":{\"b\":[{\"c\":\"x\"},{\"c\":\"y\"}]},\"A\":1}trailing";
	cJSON *v;
	char deep[200];

	(void)state;
	assert_null(json_parse(text, strlen(text)));
	v = json_parse(text, strlen(text) - 8);
	assert_non_null(v);
	assert_string_equal(cJSON_GetStringValue(json_get_path(v, "a.b[1].c")), "y");
	assert_null(json_get_path(v, "a.b[2].c"));
	assert_null(json_get_path(v, "a.b[].c"));
	assert_null(json_get_path(v, "a.b[-1]"));
	assert_null(json_get_path(v, "a.b[1"));
	assert_null(json_get_path(v, "a..b"));
	assert_null(json_get_path(v, ""));
	assert_null(json_get_path(v, "B"));
	assert_null(json_get_string(v, "a"));
	assert_null(json_get_string(NULL, "a"));
	cJSON_Delete(v);
	assert_null(json_parse("{}\0", 3));
	assert_null(json_parse("", 0));
	v = json_parse("[1] \r\n\t", 7);
	assert_non_null(v);
	cJSON_Delete(v);
	memset(deep, '[', 65);
	memset(deep + 65, ']', 65);
	assert_null(json_parse(deep, 130));
	v = json_parse(deep + 1, 128);
	assert_non_null(v);
	cJSON_Delete(v);
	assert_true(json_depth_ok("\"[[[[\\\"[[[[\"", 12, 1));
	assert_false(json_depth_ok("\"\\\\\"[[", 6, 1));
}

/* "[1,1,...]" of so many values, the list itself counted. */
static bool takes_values(size_t values, const char *element)
{
	const size_t len = strlen(element), room = values * (len + 1) + 3;
	char *text = malloc(room);
	size_t n = 0;
	cJSON *v;

	assert_non_null(text);
	text[n++] = '[';
	for (size_t i = 1; i < values; i++) {
		memcpy(text + n, element, len);
		n += len;
		text[n++] = ',';
	}
	text[n - 1] = ']';
	v = json_parse(text, n);
	cJSON_Delete(v);
	free(text);
	return v != NULL;
}

static void values_are_counted(void **state)
{
	(void)state;
	assert_true(takes_values(JSON_VALUES_MAX - 1, "1"));
	assert_false(takes_values(JSON_VALUES_MAX + 1, "1"));
	assert_true(takes_values(10000, "\",,[[{{\\\",,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\""));
	assert_false(takes_values(JSON_VALUES_MAX / 2 + 1, "[]"));
	assert_false(takes_values(JSON_VALUES_MAX / 2 + 1, "{}"));
}

/* What the parser takes, and others do not. */
static void strict_json(void **state)
{
	static const struct {
		const char *text;
		bool strict;
	} table[] = {{"{\"a\":[0,-0,10,1.5,-0.25,1e5,1E+5,1.0e-3,true,false,null]}", true}, {" [1]\t\r\n", true},
		{"\"007 1. \\u0001 \\\" 01\"", true}, {"\"\xc3\xa9\"", true}, {"[\"\\\\\",1]", true}, {"0", true},
		{"007", false}, {"[-01]", false}, {"[1.]", false}, {"[1.e5]", false}, {"\"\x01\"", false},
		{"\"\n\"", false}, {"[1,\x01 2]", false}, {"[\"\\\\\",01]", false}, {"\xef\xbb\xbf[1]", false}};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cJSON *v = json_parse(table[i].text, strlen(table[i].text));

		if (v == NULL)
			fail_msg("%s: not taken", table[i].text);
		if (json_is_strict(table[i].text, strlen(table[i].text)) != table[i].strict)
			fail_msg("%s", table[i].text);
		cJSON_Delete(v);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_counted),
		cmocka_unit_test(strict_json),
		cmocka_unit_test(good_bodies_are_taken),
		cmocka_unit_test(bad_bodies_name_the_field),
		cmocka_unit_test(long_bodies_are_refused),
		cmocka_unit_test(the_customer_of_a_message),
		cmocka_unit_test(the_wire_body_is_ours_over_theirs),
		cmocka_unit_test(jobs_come_back_as_they_went),
		cmocka_unit_test(jobs_that_break_their_kind_are_refused),
		cmocka_unit_test(asks_keep_their_rules),
		cmocka_unit_test(results_come_back_as_they_went),
		cmocka_unit_test(reasons_hold_no_secret_and_no_number),
		cmocka_unit_test(json_is_read_within_its_bounds),
	};

	if (vault_init() != VAULT_OK)
		return 1;
	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
