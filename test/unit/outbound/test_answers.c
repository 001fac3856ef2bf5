/*
 * Goal of this test: of an answer only what its kind names leaves the sender: who gets the webhooks but
 * never a foreign address, a responder's JSON as it came, refusals in plain words without secrets.
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
#include "gateway/outbound/answer.h"
#include "gateway/outbound/job.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define HOUSE "https://house.example"
#define OURS HOUSE "/webhooks/shop"
#define KEY "theKeyOfTheShop0123456789"
#define SECRET "theWebhookSecret0123456789"

static struct secret *key, *secret;

static void read_with(enum outbound_kind kind, const struct transfer_end *end, struct outbound_result *r)
{
	const struct secret *const secrets[] = {key, secret};
	const struct answer_to to = {.kind = kind_find((uint32_t)kind),
		.secrets = secrets,
		.app_id = "4242",
		.url = OURS,
		.public_url = HOUSE};

	answer_read(&to, end, r);
}

static void answered(enum outbound_kind kind, int status, const char *body, struct outbound_result *r)
{
	const struct transfer_end end = {.how = TRANSFER_ANSWERED,
		.http_status = status,
		.retry_after_ms = 9000,
		.body = body,
		.body_len = strlen(body)};

	read_with(kind, &end, r);
}

/* ------------------------------------------------------------ who gets the webhooks */

struct row {
	enum outbound_kind kind;
	int status;
	const char *body;
	const char *fields; /* NULL: not accepted */
};

#define APP OUTBOUND_META_APP_CALLBACK
#define WABA OUTBOUND_META_WABA_CALLBACK
#define D360 OUTBOUND_D360_WEBHOOK
#define NUMBERS OUTBOUND_META_WABA_NUMBERS
#define ENTRY(url)                                                                                                     \
	"{\"data\":[{\"object\":\"user\",\"callback_url\":\"https://"                                                  \
	"x.example\"},{\"object\":\"whatsapp_business_account\",\"callback_url\":" url "}]}"
#define OVERRIDE(id, url)                                                                                              \
	"{\"data\":[{\"whatsapp_business_api_data\":{\"id\":\"9\"},\"override_callback_uri\":\"https://x.example\"},{" \
	"\"whatsapp_business_api_data\":{\"id\":" id "},\"override_callback_uri\":" url "}]}"
#define STATE(state) "{\"callback\":{\"state\":\"" state "\"}}"
#define FOREIGN(owner) "{\"callback\":{\"state\":\"foreign\",\"owner\":\"" owner "\"}}"
#define SUBSCRIBED(state, is) "{\"callback\":{\"state\":\"" state "\"},\"subscribed\":" is "}"
#define SET(state, has) "{\"callback\":{\"state\":\"" state "\",\"secret\":" has "}}"

static const struct row rows[] = {
	{APP, 200, "{\"data\":[]}", STATE("none")},
	{APP, 200, ENTRY("\"\""), STATE("none")},
	{APP, 200, ENTRY("null"), STATE("none")},
	{APP, 200, ENTRY("\"" OURS "\""), STATE("ours")},
	{APP, 200, ENTRY("\"" OURS "/\""), STATE("house")},
	{APP, 200, ENTRY("\"" HOUSE "/webhooks/other\""), STATE("house")},
	{APP, 200, ENTRY("\"" HOUSE "/other\""), FOREIGN(HOUSE)},
	{APP, 200, ENTRY("\"" HOUSE ".evil.example/webhooks/shop\""), FOREIGN(HOUSE ".evil.example")},
	{APP, 200, ENTRY("\"https://u:p4ssw0rd@Chat.example:8443/x?s=s3cr3t\""), FOREIGN("https://chat.example:8443")},
	{APP, 200, ENTRY("[\"https://chat.example\"]"), NULL},
	{APP, 200, ENTRY("5"), NULL},
	{APP, 200, "{\"data\":{}}", NULL},
	{APP, 200, "{}", NULL},
	{APP, 200, "[]", NULL},
	{APP, 200, "", NULL},
	{APP, 200, "<html>", NULL},
	{APP, 404, "", NULL},
	{APP, 200, "{\"data\":[1,null,{\"object\":5}]}", STATE("none")},
	{WABA, 200, "{\"data\":[]}", SUBSCRIBED("none", "false")},
	{WABA, 200, OVERRIDE("\"4242\"", "\"" OURS "\""), SUBSCRIBED("ours", "true")},
	{WABA, 200, OVERRIDE("\"4243\"", "\"" OURS "\""), SUBSCRIBED("none", "false")},
	{WABA, 200, OVERRIDE("4242", "\"" OURS "\""), SUBSCRIBED("none", "false")},
	{WABA, 200, "{\"data\":[{\"whatsapp_business_api_data\":{\"id\":\"4242\"}}]}", SUBSCRIBED("none", "true")},
	{WABA, 200, OVERRIDE("\"4242\"", "\"https://chat.example/s3cr3t\""),
		"{\"callback\":{\"state\":\"foreign\",\"owner\":\"https://chat.example\"},\"subscribed\":true}"},
	{WABA, 200, OVERRIDE("\"4242\"", "{}"), NULL},
	{D360, 404, "", SET("none", "false")},
	{D360, 404, "{\"meta\":{}}", SET("none", "false")},
	{D360, 404, "<html>", NULL},
	{D360, 200, "{}", SET("none", "false")},
	{D360, 200, "{\"url\":\"\",\"headers\":{}}", SET("none", "false")},
	{D360, 200, "{\"url\":\"" OURS "\"}", SET("ours", "false")},
	{D360, 200, "{\"url\":\"" OURS "\",\"headers\":{\"X-Keyhouse-Secret\":\"" SECRET "\"}}", SET("ours", "true")},
	{D360, 200, "{\"url\":\"" OURS "\",\"headers\":{\"a\":1,\"x-KEYHOUSE-secret\":\"" SECRET "\"}}",
		SET("ours", "true")},
	{D360, 200, "{\"url\":\"" OURS "\",\"headers\":{\"X-Keyhouse-Secret\":\"" SECRET "x\"}}", SET("ours", "false")},
	{D360, 200, "{\"url\":\"" OURS "\",\"headers\":{\"X-Keyhouse-Secret\":\"theWebhookSecret012345678x\"}}",
		SET("ours", "false")},
	{D360, 200, "{\"url\":\"" OURS "\",\"headers\":{\"X-Keyhouse-Secret\":[\"" SECRET "\"]}}",
		SET("ours", "false")},
	{D360, 200, "{\"url\":\"" OURS "\",\"headers\":[\"" SECRET "\"]}", SET("ours", "false")},
	{D360, 200, "{\"url\":\"https://chat.example/x?s=s3cr3t\",\"headers\":{\"Authorization\":\"s3cr3t\"}}",
		"{\"callback\":{\"state\":\"foreign\",\"owner\":\"https://chat.example\",\"secret\":false}}"},
	{D360, 200, "{\"url\":[]}", NULL},
	{D360, 200, "\"" OURS "\"", NULL},
	{D360, 200, "", NULL},
	{D360, 200, "{\"meta\":{\"success\":false,\"http_code\":400}}", NULL},
	{D360, 500, "{\"url\":\"" OURS "\"}", NULL},
	{OUTBOUND_META_APP_SUBSCRIBE, 200, "{\"success\":true,\"x\":1}", "{\"success\":true}"},
	{OUTBOUND_META_WABA_SUBSCRIBE, 200, "{\"success\":\"true\"}", "{\"success\":\"true\"}"},
	{OUTBOUND_META_WABA_SUBSCRIBE, 200, "{\"success\":false}", NULL},
	{OUTBOUND_META_WABA_SUBSCRIBE, 200, "{\"success\":\"no\"}", NULL},
	{OUTBOUND_META_WABA_SUBSCRIBE, 200, "{}", NULL},
	{NUMBERS, 200,
		"{\"data\":[{\"id\":\"106\",\"verified_name\":\"Paul\",\"certificate\":\"s3cr3t\"},7,{}],"
		"\"paging\":{\"next\":\"https://x.example/s3cr3t\"}}",
		"{\"data\":[{\"id\":\"106\",\"verified_name\":\"Paul\"},{},{}]}"},
	{NUMBERS, 200, "{\"data\":[]}", "{\"data\":[]}"},
	{NUMBERS, 200, "{\"data\":[{\"verified_name\":\"" SECRET "\"}]}", "{\"data\":[{\"verified_name\":\"***\"}]}"},
	{NUMBERS, 200, "{\"data\":{\"id\":\"106\"}}", NULL},
	{NUMBERS, 200, "{}", NULL},
	{NUMBERS, 200, "[]", NULL},
	{NUMBERS, 400, "{\"data\":[]}", NULL},
	{OUTBOUND_D360_WEBHOOK_SET, 200, "{\"url\":\"x\",\"headers\":{\"X-Keyhouse-Secret\":\"" SECRET "\"}}", "{}"},
	{OUTBOUND_D360_WEBHOOK_SET, 201, "", "{}"},
	{OUTBOUND_D360_WEBHOOK_SET, 204, "", "{}"},
	{OUTBOUND_D360_WEBHOOK_SET, 200, "\"fine\"", NULL},
	{OUTBOUND_D360_WEBHOOK_SET, 200, "<html>", NULL},
	{OUTBOUND_D360_WEBHOOK_SET, 200, "{\"error\":\"no\"}", NULL},
	{OUTBOUND_D360_WEBHOOK_SET, 400, "{}", NULL},
	{OUTBOUND_D360_HEALTH, 200, "{\"id\":\"106\",\"trap\":1,\"display_phone_number\":\"+1 555\"}",
		"{\"id\":\"106\",\"display_phone_number\":\"+1 555\"}"},
	{OUTBOUND_D360_HEALTH, 200,
		"{\"health_status\":{\"can_send_message\":\"BLOCKED\",\"entities\":[{\"entity_type\":\"PHONE_NUMBER\","
		"\"id\":\"106\"}]}}",
		"{\"health\":{\"can_send\":\"BLOCKED\",\"entities\":[{\"type\":\"PHONE_NUMBER\",\"id\":\"106\"}],"
		"\"why\":\"\"}}"},
	{OUTBOUND_D360_HEALTH, 200, "{\"display_phone_number\":\"+1 555\"}", NULL},
	{OUTBOUND_D360_SEND, 200, "{\"messages\":[{\"id\":\"wamid.X\",\"y\":1}]}",
		"{\"messages\":[{\"id\":\"wamid.X\"}]}"},
	{OUTBOUND_D360_SEND, 200, "{\"messages\":[]}", NULL},
};

static void only_named_fields_leave(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct outbound_result r;

		answered(rows[i].kind, rows[i].status, rows[i].body, &r);
		if ((r.class == OUTBOUND_ACCEPTED) != (rows[i].fields != NULL) ||
			(r.fields == NULL) != (rows[i].fields == NULL) ||
			(r.fields != NULL && strcmp(r.fields, rows[i].fields) != 0))
			fail_msg("row %zu: class %d: %s (%s)", i, (int)r.class, r.fields != NULL ? r.fields : "nothing",
				r.reason);
		if (r.class != OUTBOUND_ACCEPTED)
			assert_true(r.reason[0] != '\0');
		assert_null(strstr(r.reason, "s3cr3t"));
		assert_null(strstr(r.reason, SECRET));
		outbound_result_clear(&r);
	}
}

static void an_odd_answer_says_nothing(void **state)
{
	static char text[12000];
	struct outbound_result r;
	size_t len = (size_t)snprintf(text, sizeof(text), "{\"url\":\"https://");

	(void)state;
	answered(APP, 200, ENTRY("5"), &r);
	assert_int_equal(r.class, OUTBOUND_OUTCOME_UNKNOWN);
	assert_string_equal(r.reason, "the provider's answer is not one that Meta gives");
	outbound_result_clear(&r);
	answered(D360, 200, "{\"url\":7}", &r);
	assert_string_equal(r.reason, "the provider's answer is not one that 360dialog gives");
	outbound_result_clear(&r);
	memset(text + len, 'a', 10240);
	memcpy(text + len + 10240, "\"}", 3);
	answered(D360, 200, text, &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	assert_true(strlen(r.fields) < 256);
	outbound_result_clear(&r);
}

/* ------------------------------------------------------------ 360dialog's refusals */

static void d360_refusals_in_their_words(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum outbound_class class;
		int code;
		const char *reason;
	} refusals[] = {
		{401,
			"{\"meta\":{\"success\":false,\"http_code\":401,\"developer_message\":\"Invalid api key " KEY
			"\"}}",
			OUTBOUND_AUTH, 0, "Invalid api key ***"},
		{401, "{\"error\":\"nope\"}", OUTBOUND_AUTH, 0, "the provider refused the key or its permissions"},
		{401, "", OUTBOUND_AUTH, 0, "the provider refused the key or its permissions"},
		{400, "{\"meta\":{\"developer_message\":\"Endpoint rate limit exceeded\"}}", OUTBOUND_RATE_LIMITED, 0,
			"Endpoint rate limit exceeded"},
		{400, "{\"meta\":{\"developer_message\":\"bad number 4912345678901\"}}", OUTBOUND_MESSAGE, 0,
			"bad number ***"},
		{400,
			"{\"error\":{\"message\":\"(#131047) late\",\"code\":131047,\"error_data\":{\"details\":\"24 "
			"hours\"}}}",
			OUTBOUND_WINDOW, 131047, "(#131047) late: 24 hours"},
		{400, "{\"error\":{\"message\":\"token\",\"code\":190,\"error_subcode\":463}}", OUTBOUND_ACCOUNT, 190,
			"token"},
		{400, "{\"error\":\"text\"}", OUTBOUND_RETRYABLE, 0, "the provider refused it for now"},
		{403, "<html>", OUTBOUND_ACCOUNT, 0, "the account or number needs attention at the provider"},
		{200, "{\"meta\":{\"success\":false,\"developer_message\":\"odd\"}}", OUTBOUND_OUTCOME_UNKNOWN, 0,
			"odd"},
		{555, "", OUTBOUND_OUTCOME_UNKNOWN, 0,
			"the provider gave no usable answer; the message may have been accepted"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		struct outbound_result r;

		answered(OUTBOUND_D360_SEND, refusals[i].status, refusals[i].body, &r);
		if (r.class != refusals[i].class || r.code != refusals[i].code ||
			strcmp(r.reason, refusals[i].reason) != 0)
			fail_msg("row %zu: class %d code %d: %s", i, (int)r.class, (int)r.code, r.reason);
		assert_null(r.fields);
		assert_int_equal(r.http_status, refusals[i].status);
		outbound_result_clear(&r);
	}
}

/* ------------------------------------------------------------ a responder's answer */

static void a_responders_answer_comes_as_it_is(void **state)
{
	static const struct {
		int status;
		const char *body;
		enum outbound_class class;
		const char *fields;
		int64_t retry_after_ms;
	} answers[] = {
		{200, "{ \"messages\": [] }\n", OUTBOUND_ACCEPTED, "{ \"messages\": [] }\n", 0},
		{201, "[]", OUTBOUND_ACCEPTED, "[]", 0},
		{200, "\"x\"", OUTBOUND_ACCEPTED, "\"x\"", 0},
		{200, "{\"error\":1}", OUTBOUND_ACCEPTED, "{\"error\":1}", 0},
		{200, "{\"echo\":\"" KEY "\"}", OUTBOUND_ACCEPTED, "{\"echo\":\"***\"}", 0},
		{200, "", OUTBOUND_ACCEPTED, NULL, 0},
		{200, " \r\n", OUTBOUND_ACCEPTED, NULL, 0},
		{204, "", OUTBOUND_ACCEPTED, NULL, 0},
		{200, "<html>", OUTBOUND_MESSAGE, NULL, 0},
		{200, "{\"messages\":[", OUTBOUND_MESSAGE, NULL, 0},
		{200, "OK", OUTBOUND_MESSAGE, NULL, 0},
		{302, "", OUTBOUND_RETRYABLE, NULL, 0},
		{400, "{}", OUTBOUND_RETRYABLE, NULL, 0},
		{401, "{}", OUTBOUND_RETRYABLE, NULL, 0},
		{500, "", OUTBOUND_RETRYABLE, NULL, 0},
		{429, "", OUTBOUND_RETRYABLE, NULL, 9000},
		{503, "", OUTBOUND_RETRYABLE, NULL, 9000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct outbound_result r;

		answered(OUTBOUND_RESPONDER_ASK, answers[i].status, answers[i].body, &r);
		if (r.class != answers[i].class || r.retry_after_ms != answers[i].retry_after_ms ||
			(r.fields == NULL) != (answers[i].fields == NULL) ||
			(r.fields != NULL && strcmp(r.fields, answers[i].fields) != 0))
			fail_msg("row %zu: class %d: %s", i, (int)r.class, r.reason);
		assert_int_equal(r.reason[0] != '\0', r.class != OUTBOUND_ACCEPTED);
		outbound_result_clear(&r);
	}
}

static void a_large_answer_fits(void **state)
{
	char *text = malloc(TRANSFER_ANSWER_MAX + 1);
	struct frame f = FRAME_INIT(0);
	struct outbound_result r, back;
	uint64_t ticket;

	(void)state;
	memset(text, 'x', TRANSFER_ANSWER_MAX);
	text[0] = text[TRANSFER_ANSWER_MAX - 1] = '"';
	text[TRANSFER_ANSWER_MAX] = '\0';
	answered(OUTBOUND_RESPONDER_ASK, 200, text, &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	job_result_encode(&f, 5, &r);
	assert_true(f.len <= job_limits_listener[0].max_len);
	assert_true(job_result_decode(&f, &ticket, &back));
	assert_string_equal(back.fields, text);
	outbound_result_clear(&back);
	outbound_result_clear(&r);
	frame_clear(&f);
	free(text);
}

static void what_did_not_answer(void **state)
{
	const struct transfer_end not_sent = {.how = TRANSFER_NOT_SENT, .body = "", .why = " could not be reached"};
	const struct transfer_end broken = {.how = TRANSFER_TOO_LONG, .body = "", .why = "'s answer was too long"};
	const struct transfer_end long_200 = {.how = TRANSFER_TOO_LONG, .http_status = 200, .body = "", .why = "'s"};
	struct outbound_result r;

	(void)state;
	read_with(OUTBOUND_RESPONDER_ASK, &not_sent, &r);
	assert_int_equal(r.class, OUTBOUND_NOT_SENT);
	assert_string_equal(r.reason, "the responder could not be reached");
	read_with(OUTBOUND_D360_SEND, &broken, &r);
	assert_int_equal(r.class, OUTBOUND_OUTCOME_UNKNOWN);
	assert_string_equal(r.reason, "the provider's answer was too long");
	/* It would be too long again; an accepted send's answer leaves open what became of the message. */
	read_with(OUTBOUND_RESPONDER_ASK, &long_200, &r);
	assert_int_equal(r.class, OUTBOUND_MESSAGE);
	read_with(OUTBOUND_RESPONDER_ASK, &broken, &r);
	assert_int_equal(r.class, OUTBOUND_OUTCOME_UNKNOWN);
	read_with(OUTBOUND_D360_SEND, &long_200, &r);
	assert_int_equal(r.class, OUTBOUND_OUTCOME_UNKNOWN);
}

/* ------------------------------------------------------------ recorded answers */

/* "skipped" where the samples are not: they are no part of the sources. */
static cJSON *sample(const char *name)
{
	const char *folder = getenv("KH_SAMPLES") != NULL ? getenv("KH_SAMPLES") : "../shared";
	static char text[262144];
	char path[512];
	size_t len;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/payloads/360dialog/%s", folder, name);
	f = fopen(path, "r");
	if (f == NULL) {
		printf("skipped: no samples\n");
		skip();
	}
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	return json_parse(text, len);
}

static void recorded_sends_are_accepted(void **state)
{
	static const char *const names[] = {
		"capture.messages.text.json", "capture.messages.image.json", "capture.messages.template.json"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		cJSON *all = sample(names[i]), *fields;
		char *body = json_text(json_get_path(all, "response.body"));
		struct outbound_result r;

		assert_non_null(body);
		answered(OUTBOUND_D360_SEND, (int)json_get_path(all, "response.status")->valuedouble, body, &r);
		assert_int_equal(r.class, OUTBOUND_ACCEPTED);
		fields = json_parse(r.fields, strlen(r.fields));
		assert_string_equal(cJSON_GetStringValue(json_get_path(fields, "messages[0].id")),
			cJSON_GetStringValue(json_get_path(all, "response.body.messages[0].id")));
		cJSON_Delete(fields);
		cJSON_Delete(all);
		outbound_result_clear(&r);
		free(body);
	}
}

static void documented_shapes_are_read(void **state)
{
	cJSON *error = sample("error.360dialog.meta.json"), *webhook = sample("set_webhook.response200.json");
	char *text = json_text(error);
	struct outbound_result r;

	(void)state;
	answered(OUTBOUND_D360_SEND, 400, text, &r);
	assert_int_equal(r.class, OUTBOUND_MESSAGE);
	assert_string_equal(r.reason, "string");
	outbound_result_clear(&r);
	free(text);
	text = json_text(webhook);
	answered(OUTBOUND_D360_WEBHOOK, 200, text, &r);
	assert_string_equal(
		r.fields, "{\"callback\":{\"state\":\"foreign\",\"owner\":\"https://example.com\",\"secret\":false}}");
	outbound_result_clear(&r);
	answered(OUTBOUND_D360_WEBHOOK_SET, 200, text, &r);
	assert_string_equal(r.fields, "{}");
	outbound_result_clear(&r);
	free(text);
	cJSON_Delete(error);
	cJSON_Delete(webhook);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_named_fields_leave),
		cmocka_unit_test(an_odd_answer_says_nothing),
		cmocka_unit_test(d360_refusals_in_their_words),
		cmocka_unit_test(a_responders_answer_comes_as_it_is),
		cmocka_unit_test(a_large_answer_fits),
		cmocka_unit_test(what_did_not_answer),
		cmocka_unit_test(recorded_sends_are_accepted),
		cmocka_unit_test(documented_shapes_are_read),
	};
	int failed;

	if (vault_init() != VAULT_OK)
		return 1;
	json_init();
	key = secret_new(KEY, strlen(KEY));
	secret = secret_new(SECRET, strlen(SECRET));
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	secret_free(key);
	secret_free(secret);
	return failed;
}
