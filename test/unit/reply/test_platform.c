/*
 * The platform responder: what it is sent, to the letter, and what of its answers is taken. It
 * may write to the customer who asked and to nobody else.
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
#include "gateway/reply/reply.h"
#include "test/unit/reply/fake_platform.h"

#define PHONE "15557770001"
#define USER "US.1001"
#define MESSAGE                                                                                                        \
	"{\"from\":\"" PHONE "\",\"from_user_id\":\"" USER                                                             \
	"\",\"id\":\"wamid.1\",\"timestamp\":\"1790000000\",\"type\":\"text\",\"text\":{\"body\":\"How much?\"},"      \
	"\"new\":[1,{\"a\":null}]}"
#define CONTACT "{\"profile\":{\"name\":\"Ada\"},\"wa_id\":\"" PHONE "\",\"user_id\":\"" USER "\"}"
#define METADATA "{\"display_phone_number\":\"15550001111\",\"phone_number_id\":\"200000000000001\"}"

/* What came of an ask, copied: the answer is borrowed. */
struct got {
	unsigned times;
	enum reply_outcome outcome;
	size_t len;
	char first[1024], last[1024], why[256];
	int64_t after_ms;
};

static void done(void *arg, const struct reply_answer *a)
{
	struct got *g = arg;

	g->times++;
	g->outcome = a->outcome;
	g->len = a->len;
	g->after_ms = a->after_ms;
	snprintf(g->why, sizeof(g->why), "%s", a->why);
	snprintf(g->first, sizeof(g->first), "%s", a->len > 0 ? a->messages[0] : "");
	snprintf(g->last, sizeof(g->last), "%s", a->len > 0 ? a->messages[a->len - 1] : "");
}

struct asked {
	const char *item, *contact, *metadata;
	struct reply_customer customer;
	enum store_ask_kind kind;
};
static const struct asked question = {MESSAGE, CONTACT, METADATA, {PHONE, USER}, STORE_ASK_QUESTION};

static cJSON *tree(const char *text)
{
	return text != NULL ? json_parse(text, strlen(text)) : NULL;
}

/* The trees are gone when the answer comes. */
static struct got ask(const struct asked *what)
{
	static int sender;
	struct reply_context c = {.outbound = (struct outbound *)(void *)&sender};
	cJSON *trees[3] = {tree(what->item), tree(what->contact), tree(what->metadata)};
	struct reply_question q = {"paul", "Paul", "01ASK", what->kind, "01CONNECTION", "200000000000001", trees[0],
		trees[2], what->customer, trees[1], "How much?", NULL, NULL, NULL};
	struct got g = {.times = 0};
	unsigned before = fake_platform.asks;

	reply_ask(&c, "platform", &q, done, &g);
	for (size_t i = 0; i < 3; i++)
		cJSON_Delete(trees[i]);
	if (fake_platform.asks > before && fake_platform.ask == OUTBOUND_OK)
		assert_int_equal(pthread_join(fake_platform.thread, NULL), 0);
	assert_int_equal(g.times, 1);
	return g;
}

/* The catalogue is linked, too. */
enum store_error store_product_each(
	struct store *s, const char *business_id, bool (*each)(const struct store_product *p, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	(void)each;
	(void)arg;
	fail_msg("a list of products was read");
	return STORE_OK;
}

static int setup(void **state)
{
	(void)state;
	fake_platform_reset();
	return 0;
}

/* ------------------------------------------------------------ what is sent */

#define BEFORE                                                                                                         \
	"{\"object\":\"whatsapp_business_account\",\"entry\":[{\"id\":\"100000000000001\",\"changes\":[{"              \
	"\"field\":\"messages\",\"value\":{\"messaging_product\":\"whatsapp\",\"metadata\":"
#define AFTER "]}}]}]}"

static void the_envelope_is_metas(void **state)
{
	struct asked bare = question;

	(void)state;
	assert_int_equal(ask(&question).outcome, REPLY_ANSWERED);
	assert_string_equal(
		fake_platform.body, BEFORE METADATA ",\"contacts\":[" CONTACT "],\"messages\":[" MESSAGE AFTER);
	bare.contact = bare.metadata = "null";
	(void)ask(&bare);
	assert_string_equal(
		fake_platform.body, BEFORE "{\"phone_number_id\":\"200000000000001\"},\"messages\":[" MESSAGE AFTER);
	bare.contact = bare.metadata = NULL;
	fake_platform.connection = STORE_NOT_FOUND;
	(void)ask(&bare);
	assert_non_null(strstr(fake_platform.body, "\"entry\":[{\"id\":\"\",\"changes\""));
}

static void it_is_sent_to_the_platforms_address(void **state)
{
	(void)state;
	(void)ask(&question);
	assert_string_equal(fake_platform.url, "https://bot.example/hook");
	assert_string_equal(fake_platform.id, "01ASK");
	assert_string_equal(fake_platform.business_id, "paul");
	assert_string_equal(fake_platform.secret.connection_id, "responder");
	assert_string_equal(fake_platform.secret.field, "signing_secret");
	assert_int_equal(fake_platform.secret.version, 7);
	assert_string_equal(fake_platform.message_id, "");
}

#define STATUS(opaque) "{\"id\":\"wamid.2\",\"status\":\"sent\",\"recipient_id\":\"" PHONE "\"" opaque "}"
#define OPAQUE(value) ",\"biz_opaque_callback_data\":\"" value "\""

/* Our id travels in a field that is the client's: he gets back what he put there, or nothing. */
static void statuses_carry_the_clients_own_value(void **state)
{
	static const struct {
		const char *status, *content, *sent;
		const char *ours; /* the message that it is about; NULL: none of ours */
	} table[] = {
		{STATUS(), NULL, STATUS(), NULL},
		{STATUS(OPAQUE("theirs")), NULL, STATUS(OPAQUE("theirs")), NULL},
		{STATUS(OPAQUE("01zzzzzzzzzzzzzzzzzzzzzzzz")), NULL, STATUS(OPAQUE("01zzzzzzzzzzzzzzzzzzzzzzzz")),
			NULL},
		{STATUS(OPAQUE(FAKE_INBOUND)), "{\"message\":{}}", STATUS(OPAQUE(FAKE_INBOUND)), NULL},
		{STATUS(OPAQUE(FAKE_OURS)), "{\"type\":\"text\",\"biz_opaque_callback_data\":\"order 7\"}",
			STATUS(OPAQUE("order 7")), FAKE_OURS},
		{STATUS(OPAQUE(FAKE_OURS)), "{\"type\":\"text\"}", STATUS(), FAKE_OURS},
		{STATUS(OPAQUE(FAKE_OURS)), NULL, STATUS(), FAKE_OURS}, /* its content is past its retention */
		{STATUS(OPAQUE(FAKE_OURS) OPAQUE(FAKE_OURS)), "{}", STATUS(), FAKE_OURS},
		{STATUS(",\"biz_opaque_callback_data\":7"), NULL, STATUS(",\"biz_opaque_callback_data\":7"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct asked status = {.item = table[i].status, .metadata = METADATA, .kind = STORE_ASK_STATUS};
		char want[1024];

		snprintf(want, sizeof(want), "%s%s,\"statuses\":[%s%s", BEFORE, METADATA, table[i].sent, AFTER);
		fake_platform.content = table[i].content;
		assert_int_equal(ask(&status).outcome, REPLY_ANSWERED);
		if (strcmp(fake_platform.body, want) != 0)
			fail_msg("row %zu: %s", i, fake_platform.body);
		assert_string_equal(fake_platform.message_id, table[i].ours != NULL ? table[i].ours : "");
	}
}

static void the_answer_to_a_status_is_not_looked_at(void **state)
{
	const struct asked status = {.item = STATUS(), .metadata = METADATA, .kind = STORE_ASK_STATUS};
	struct got g;

	(void)state;
	fake_platform.result.fields = (char *)(uintptr_t) "{\"messages\":[{\"to\":\"+4\"}]}";
	g = ask(&status);
	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_int_equal(g.len, 0);
	assert_string_equal(g.why, "");
}

/* ------------------------------------------------------------ what is answered */

#define TEXT(addressee, body) "{" addressee "\"type\":\"text\",\"text\":{\"body\":\"" body "\"}}"
#define HI TEXT("", "hi")
#define LIST(messages) "{\"messages\":[" messages "]}"

static struct got answered(const char *fields, const struct reply_customer *customer)
{
	struct asked what = question;

	what.customer = *customer;
	fake_platform.result.fields = (char *)(uintptr_t)fields;
	return ask(&what);
}

static void answers_are_addressed(void **state)
{
	static const struct {
		struct reply_customer customer;
		const char *message, *sent; /* NULL: refused */
	} table[] = {
		{{PHONE, USER}, HI, "{\"type\":\"text\",\"text\":{\"body\":\"hi\"},\"to\":\"+" PHONE "\"}"},
		{{NULL, USER}, HI, "{\"type\":\"text\",\"text\":{\"body\":\"hi\"},\"recipient\":\"" USER "\"}"},
		{{PHONE, NULL}, TEXT("\"to\":\"" PHONE "\",", "hi"), TEXT("\"to\":\"" PHONE "\",", "hi")},
		{{PHONE, NULL}, TEXT("\"to\":\"+1 (555) 777-0001\",", "hi"),
			TEXT("\"to\":\"+1 (555) 777-0001\",", "hi")},
		{{PHONE, USER}, TEXT("\"recipient\":\"" USER "\",", "hi"), TEXT("\"recipient\":\"" USER "\",", "hi")},
		{{PHONE, USER}, TEXT("\"recipient_type\":\"individual\",\"to\":\"+" PHONE "\",", "hi"),
			TEXT("\"recipient_type\":\"individual\",\"to\":\"+" PHONE "\",", "hi")},
		{{PHONE, USER}, TEXT("\"to\":\"+15557770002\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":\"+155577700012\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":\"+1555777000\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":\"\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":15557770001,", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":null,", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"recipient\":\"US.1002\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":\"+" PHONE "\",\"recipient\":\"US.1002\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":\"+15557770002\",\"recipient\":\"" USER "\",", "hi"), NULL},
		{{PHONE, NULL}, TEXT("\"recipient\":\"" USER "\",", "hi"), NULL}, /* not known to be his */
		{{NULL, USER}, TEXT("\"to\":\"+" PHONE "\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"recipient_type\":\"group\",\"to\":\"" PHONE "\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"recipient_type\":\"group\",", "hi"), NULL},
		{{PHONE, USER}, TEXT("\"to\":\"+" PHONE "\",\"to\":\"+15557770002\",", "hi"), NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char fields[512];
		struct got g;

		snprintf(fields, sizeof(fields), LIST("%s"), table[i].message);
		g = answered(fields, &table[i].customer);
		assert_int_equal(g.outcome, REPLY_ANSWERED);
		if (g.len != (table[i].sent != NULL) || (g.why[0] == '\0') != (table[i].sent != NULL))
			fail_msg("row %zu: %zu messages, %s", i, g.len, g.why);
		if (table[i].sent != NULL)
			assert_string_equal(g.first, table[i].sent);
		assert_null(strstr(g.why, "555"));
	}
}

static void what_is_an_answer(void **state)
{
	static const struct {
		const char *fields;
		size_t len;
		const char *why; /* begins so; NULL: nothing is wrong */
	} table[] = {
		{NULL, 0, NULL},
		{"", 0, NULL},
		{" \r\n", 0, NULL},
		{"[]", 0, NULL},
		{"{}", 0, NULL},
		{"null", 0, NULL},
		{"\"\"", 0, NULL},
		{"{\"messages\":null}", 0, NULL},
		{"{\"messages\":null,\"reply\":\"hi\"}", 0, NULL},
		{"{\"reply\":\"hi\"}", 0, "answer without messages"},
		{"{\"Messages\":[" HI "]}", 0, "answer without messages"},
		{"[null]", 0, "answer refused: it must be a JSON object"},
		{"0", 0, "answer refused: it must be a JSON object"},
		{"false", 0, "answer refused: it must be a JSON object"},
		{LIST(""), 0, NULL},
		{LIST(HI), 1, NULL},
		{"{\"ok\":true,\"messages\":[" HI "]}", 1, NULL},
		{LIST(HI "," HI "," HI "," HI "," TEXT("", "bye")), 5, NULL},
		{LIST(HI "," HI "," HI "," HI "," HI "," HI), 0, "answer refused: messages must be at most 5"},
		{LIST("{\"type\":\"image\",\"image\":{\"link\":\"https://a.example/b\"}}"), 1, NULL},
		{LIST(HI ",7"), 0, "answer refused: messages[1] must be an object"},
		{LIST(HI "," TEXT("", "")), 0, "answer refused: messages[1]: text.body"},
		{LIST("{\"type\":\"text\"}"), 0, "answer refused: messages[0] lacks what its type names"},
		{LIST("{\"type\":\"Adaeze\"}"), 0, "answer refused: messages[0] lacks what its type names"},
		{LIST("{\"text\":{\"body\":\"hi\"}}"), 0, "answer refused: messages[0]: type"},
		{LIST("[" HI "]"), 0, "answer refused: messages[0] must be an object"},
		{"{\"messages\":" HI "}", 0, "answer refused: messages must be a list"},
		{"[" HI "]", 0, "answer refused: it must be a JSON object"},
		{"\"hi\"", 0, "answer refused: it must be a JSON object"},
		{"<html>", 0, "answer refused: it must be JSON"},
		{"{\"messages\":[", 0, "answer refused: it must be JSON"},
		{LIST(TEXT("", "half \\u0000 a message")), 0, "answer refused: it must be JSON"},
		{LIST(TEXT("", "\\\\u0000")), 1, NULL},
		{LIST(TEXT("", "\xff")), 0, "answer refused: messages[0]: the body"},
	};
	const struct reply_customer customer = {PHONE, USER};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct got g = answered(table[i].fields, &customer);

		assert_int_equal(g.outcome, REPLY_ANSWERED);
		if (g.len != table[i].len || (table[i].why == NULL) != (g.why[0] == '\0') ||
			(table[i].why != NULL && strncmp(g.why, table[i].why, strlen(table[i].why)) != 0))
			fail_msg("row %zu: %zu messages, %s", i, g.len, g.why);
		assert_null(strstr(g.why, "Adaeze"));
	}
	assert_non_null(strstr(answered(LIST(HI "," TEXT("", "bye")), &customer).last, "bye"));
}

/* The sender hands on no 2xx answer that is not JSON: it is as little an answer as one that breaks a rule. */
static void an_answer_that_is_not_json(void **state)
{
	struct got g;

	(void)state;
	fake_platform.result = (struct outbound_result){.class = OUTBOUND_MESSAGE, .http_status = 200};
	g = ask(&question);
	assert_int_equal(g.outcome, REPLY_ANSWERED);
	assert_int_equal(g.len, 0);
	assert_string_equal(g.why, "answer refused: it must be JSON of at most 256 KiB");
}

/* ------------------------------------------------------------ no answer */

static void a_platform_that_does_not_answer_is_asked_again(void **state)
{
	static const struct {
		enum outbound_class class;
		int status;
		int64_t retry_after;
		const char *reason, *why;
	} table[] = {
#define SAME(reason) reason, reason
		{OUTBOUND_NOT_SENT, 0, 0, SAME("the responder's address is private; see responder_allow")},
		{OUTBOUND_NOT_SENT, 0, 0, SAME("the responder's name could not be looked up")},
		{OUTBOUND_OUTCOME_UNKNOWN, 0, 0, SAME("the responder did not answer in time")},
		{OUTBOUND_OUTCOME_UNKNOWN, 200, 0, SAME("the responder's answer broke off before it was whole")},
		{OUTBOUND_RETRYABLE, 503, 7000, SAME("the responder answered with status 503")},
		{OUTBOUND_RATE_LIMITED, 429, 60000, SAME("the responder answered with status 429")},
		{OUTBOUND_NO_CREDENTIAL, 0, 0,
			SAME("the responder's signing secret is not one; it needs to be made again")},
		{OUTBOUND_NOT_SENT, 0, 0, "", "the responder did not answer"},
#undef SAME
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct got g;

		fake_platform.result = (struct outbound_result){.class = table[i].class,
			.http_status = table[i].status,
			.retry_after_ms = table[i].retry_after};
		snprintf(fake_platform.result.reason, sizeof(fake_platform.result.reason), "%s", table[i].reason);
		g = ask(&question);
		assert_int_equal(g.outcome, REPLY_LATER);
		assert_int_equal(g.after_ms, table[i].retry_after);
		assert_string_equal(g.why, table[i].why);
	}
}

static void what_keeps_us_from_asking(void **state)
{
	static const struct {
		struct fake_platform fault;
		enum reply_outcome outcome;
		unsigned asks;
	} table[] = {
		{{.ask = OUTBOUND_BUSY}, REPLY_BUSY, 1},
		{{.ask = OUTBOUND_INVALID}, REPLY_ANSWERED, 1},
		{{.ask = OUTBOUND_GONE}, REPLY_LATER, 1},
		{{.ask = OUTBOUND_STORE}, REPLY_LATER, 1},
		{{.responder = STORE_NOT_FOUND}, REPLY_ANSWERED, 0},
		{{.responder = STORE_BUSY}, REPLY_LATER, 0},
		{{.connection = STORE_BUSY}, REPLY_LATER, 0},
		{{.open = TENANT_VAULT}, REPLY_LATER, 0},
		{{.open = TENANT_BAD_DATA}, REPLY_LATER, 0},
	};
	const struct asked status = {.item = STATUS(OPAQUE(FAKE_OURS)), .metadata = METADATA, .kind = STORE_ASK_STATUS};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct got g;

		fake_platform = table[i].fault;
		g = ask(&question);
		if (g.outcome != table[i].outcome || g.len != 0 || fake_platform.asks != table[i].asks)
			fail_msg("row %zu: %d, asked %u times", i, (int)g.outcome, fake_platform.asks);
	}
	/* Our own id is never handed on for want of the client's. */
	fake_platform_reset();
	fake_platform.message = STORE_BUSY;
	assert_int_equal(ask(&status).outcome, REPLY_LATER);
	fake_platform_reset();
	fake_platform.content = "{}";
	fake_platform.message_open = TENANT_VAULT;
	assert_int_equal(ask(&status).outcome, REPLY_LATER);
	assert_int_equal(fake_platform.asks, 0);
	/* What will never open leaves nothing to hand on. */
	fake_platform.message_open = TENANT_BAD_DATA;
	assert_int_equal(ask(&status).outcome, REPLY_ANSWERED);
	assert_null(strstr(fake_platform.body, "biz_opaque"));
}

static void without_a_sender(void **state)
{
	struct reply_context c = {.outbound = NULL};
	struct reply_question q = {.business_id = "paul", .kind = STORE_ASK_QUESTION};
	struct got g = {.times = 0};

	(void)state;
	reply_ask(&c, "platform", &q, done, &g);
	assert_int_equal(g.times, 1);
	assert_int_equal(g.outcome, REPLY_LATER);
}

static void only_platforms_hear_statuses(void **state)
{
	static const char *const names[] = {"none", "catalogue", "gone"};
	struct reply_context c = {.outbound = NULL};
	struct reply_question q = {.business_id = "paul", .kind = STORE_ASK_STATUS};

	(void)state;
	assert_true(reply_known("platform"));
	assert_true(reply_hears_statuses("platform"));
	for (size_t i = 0; i < 3; i++) {
		struct got g = {.times = 0};

		assert_false(reply_hears_statuses(names[i]));
		reply_ask(&c, names[i], &q, done, &g);
		assert_int_equal(g.times, 1);
		assert_int_equal(g.outcome, REPLY_ANSWERED);
		assert_int_equal(g.len, 0);
	}
}

static struct got tell(void)
{
	static int sender;
	struct reply_context c = {.outbound = (struct outbound *)(void *)&sender};
	struct got g = {.times = 0};
	unsigned before = fake_platform.asks;

	reply_tell(&c, "paul", "01EVENT", "{\"event\":\"x\"}", done, &g);
	if (fake_platform.asks > before && fake_platform.ask == OUTBOUND_OK)
		assert_int_equal(pthread_join(fake_platform.thread, NULL), 0);
	assert_int_equal(g.times, 1);
	assert_int_equal(g.len, 0);
	return g;
}

static void an_event_of_ours_goes_as_it_is(void **state)
{
	char answer[] = "{\"messages\":[{\"type\":\"text\"}]}";

	(void)state;
	fake_platform.result = (struct outbound_result){.class = OUTBOUND_ACCEPTED, .fields = answer};
	assert_int_equal(tell().outcome, REPLY_ANSWERED);
	assert_string_equal(fake_platform.body, "{\"event\":\"x\"}");
	assert_string_equal(fake_platform.id, "01EVENT");
	assert_string_equal(fake_platform.business_id, "paul");
	assert_string_equal(fake_platform.message_id, "");
	/* It is told again where the platform did not take it, and not where there is nobody to tell. */
	fake_platform.result = (struct outbound_result){.class = OUTBOUND_RETRYABLE, .retry_after_ms = 7000};
	assert_int_equal(tell().outcome, REPLY_LATER);
	assert_int_equal(tell().after_ms, 7000);
	fake_platform.ask = OUTBOUND_BUSY;
	assert_int_equal(tell().outcome, REPLY_BUSY);
	fake_platform.responder = STORE_NOT_FOUND;
	assert_int_equal(tell().outcome, REPLY_ANSWERED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_envelope_is_metas, setup),
		cmocka_unit_test_setup(it_is_sent_to_the_platforms_address, setup),
		cmocka_unit_test_setup(statuses_carry_the_clients_own_value, setup),
		cmocka_unit_test_setup(the_answer_to_a_status_is_not_looked_at, setup),
		cmocka_unit_test_setup(answers_are_addressed, setup),
		cmocka_unit_test_setup(what_is_an_answer, setup),
		cmocka_unit_test_setup(an_answer_that_is_not_json, setup),
		cmocka_unit_test_setup(a_platform_that_does_not_answer_is_asked_again, setup),
		cmocka_unit_test_setup(what_keeps_us_from_asking, setup),
		cmocka_unit_test_setup(without_a_sender, setup),
		cmocka_unit_test_setup(only_platforms_hear_statuses, setup),
		cmocka_unit_test_setup(an_event_of_ours_goes_as_it_is, setup),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
