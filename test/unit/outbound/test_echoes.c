/*
 * Goal of this test: a secret that the sender held for a job does not leave it in the answer, wherever the provider
 * puts it and however it writes it: in every field that any kind hands on, in keys, ids, addresses and reasons.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "gateway/json.h"
#include "gateway/outbound/answer.h"
#include "gateway/outbound/job.h"
#include "gateway/outbound/relay.h"
#include "gateway/outbound/scrub.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ROOM 4096u
#define HOUSE "https://house.example"
#define OURS HOUSE "/webhooks/shop"

/* ------------------------------------------------------------ what is blanked */

struct row {
	const char *text, *out; /* out NULL: of no use */
	const char *secrets[3];
};

static const struct row texts[] = {
	{"eight: shopKey8.", "eight: ***.", {"shopKey8"}},
	{"shopKey shopKey7 shopKey", "shopKey shopKey7 shopKey", {"shopKey8"}},
	{"all %73%68%6f%70%4B%65%79%38 in hex", "all *** in hex", {"shopKey8"}},
	{"in part s%68opKe%79%38", "in part ***", {"shopKey8"}},
	{"twice s%2568opKey8, s%25%36%38opKey8", "twice ***, ***", {"shopKey8"}},
	{"three times is s%252568opKey8", "three times is s%252568opKey8", {"shopKey8"}},
	{"cut s%6", "cut s%6", {"shopKey8"}},
	{"it has one: a%41b%c and a%2541b%25c and a%2541b%c", "it has one: *** and *** and ***", {"a%41b%c"}},
	{"4242|shopKey8", "4242|***", {"shopKey8"}},
	{"Bearer shopKey8\r\nD360-API-KEY: shopKey8", "Bearer ***\r\nD360-API-KEY: ***", {"shopKey8"}},
	/* Inside another one, beginning in one, running into each other. */
	{"long-shopKey8-er and shopKey8", "*** and ***", {"shopKey8", "long-shopKey8-er"}},
	{"long-shopKey8-er and shopKey8", "*** and ***", {"long-shopKey8-er", "shopKey8"}},
	{"abcd1234efgh5678ijkl!", "***!", {"abcd1234efgh", "efgh5678ijkl"}},
	{"abcd1234%65fgh5678ijkl!", "***!", {"efgh5678ijkl", "abcd1234efgh"}},
	{"ababababab.", "***.", {"abababab"}},
	{"shopKey8shopKey8", "******", {"shopKey8"}},
	{"ab", "**", {"ab"}},
	/* base64 of "shopKey8" behind 0, 1 and 2 other bytes, and in Basic's words. */
	{"c2hvcEtleTg=", "***g=", {"shopKey8"}},
	{"eHNob3BLZXk4eA==", "eH***eA==", {"shopKey8"}},
	{"eHhzaG9wS2V5OA==", "eHh***A==", {"shopKey8"}},
	{"c2hvcEtleTg%3D and c2hvcEtl", "***g%3D and c2hvcEtl", {"shopKey8"}},
	{"URL-safe Pz8_Pz4-Pj8_ Pz8/Pz4+Pj8/", "URL-safe *** ***", {"\?\?\?\?>>>\?\?"}},
	{"c2hvcEtl", "c2hvcEtl", {"shopKe"}}, /* too short to be known by it */
	{"", "", {"shopKey8"}},
	{"%", "%", {"shopKey8"}},
};

static const struct row jsons[] = {
	{"{\"a\":\"shopKey8\",\"shopKey8\":1}", "{\"a\":\"***\",\"***\":1}", {"shopKey8"}},
	{"[\"\\u0073\\u0068op\\u004bey8\\n\"]", "[\"***\\n\"]", {"shopKey8"}},
	{"[\"\\u0073\\u0068op\\u004Bey8\"]", "[\"***\"]", {"shopKey8"}},
	{"[\"s\\u002568opKey\\u0025\\u0033\\u0038\"]", "[\"***\"]", {"shopKey8"}},
	{"[\"key\\/with\\\"all\\\\\"]", "[\"***\"]", {"key/with\"all\\"}},
	{"[\"key/with\\u0022all\\u005C\"]", "[\"***\"]", {"key/with\"all\\"}},
	{"[\"\\nshopKey\"]", "[\"\\nshopKey\"]", {"nshopKey"}}, /* there the n is a line's end */
	{"[\"\\\\nshopKey\"]", "[\"\\\\***\"]", {"nshopKey"}},
	{"[\"ab\",\"cd\"]", "[\"ab\",\"cd\"]", {"ab\",\"cd"}},
	{"[\"\\uffff\\u7777shopKey8\"]", "[\"\\uffff\\u7777***\"]", {"shopKey8"}},
	{"[\"\\u12\",\"\\u\",\"\\", "[\"\\u12\",\"\\u\",\"\\", {"shopKey8"}},
	{"[\"\\u00e4\xc3\xa4\\u0000\"]", "[\"\\u00e4\xc3\xa4\\u0000\"]", {"shopKey8"}},
	{"[\"12345678\"]", "[\"***\"]", {"12345678"}},
	{"[912345678]", NULL, {"12345678"}},
	{"{\"\\\"\":12345678}", NULL, {"12345678"}},
};

static void check_rows(const struct row *rows, size_t len, bool json)
{
	for (size_t i = 0; i < len; i++) {
		struct held h = {0};
		char text[256];
		bool clean = true;

		for (size_t k = 0; k < 3 && rows[i].secrets[k] != NULL; k++)
			held_add(&h, rows[i].secrets[k], strlen(rows[i].secrets[k]));
		memset(text, 'x', sizeof(text));
		memcpy(text, rows[i].text, strlen(rows[i].text) + 1);
		if (json)
			clean = scrub_json(text, &h);
		else
			scrub_text(text, &h);
		if (clean != (rows[i].out != NULL) || (clean && strcmp(text, rows[i].out) != 0))
			fail_msg("row %zu: %s", i, text);
		assert_true(strlen(text) <= strlen(rows[i].text));
	}
}

static void secrets_are_blanked_as_a_whole(void **state)
{
	(void)state;
	check_rows(texts, COUNT(texts), false);
	check_rows(jsons, COUNT(jsons), true);
}

static const struct row parameters[] = {
	{"https://graph.facebook.com/v26.0/1/x?access_token=EAAtheirs&after=QV",
		"https://graph.facebook.com/v26.0/1/x?access_token=***&after=QV", {NULL}},
	{"access_token=EAA1 access_token=EAA2", "access_token=*** access_token=***", {NULL}},
	{"Access_Token=EAAtheirs;x", "Access_Token=***;x", {NULL}},
	{"a=b&appsecret_proof=0f1e2d#x", "a=b&appsecret_proof=***#x", {NULL}},
	{"to=x%3Faccess_token%3D4242%7CEAA%26after%3D", "to=x%3Faccess_token%3D***%26after%3D", {NULL}},
	{"%61ccess%5ftoken%253DEAAtheirs%2526x", "%61ccess%5ftoken%253D***%2526x", {NULL}},
	{"access_token=", "access_token=", {NULL}},
	{"access_token=x&access_token=&access_token=xyz1", "access_token=*&access_token=&access_token=***", {NULL}},
	{"access_token is not said", "access_token is not said", {NULL}},
	{"access_token_id=7 and %%61%access", "access_token_id=7 and %%61%access", {NULL}},
	{"/**/x({\"next\":\"h?access_token\\u003dEAAtheirs\\u0026x\"});",
		"/**/x({\"next\":\"h?access_token\\u003d***\\u0026x\"});", {NULL}},
	{"\\access_token=EAAtheirs", "\\access_token=***", {NULL}},
};

static const struct row parameters_in_json[] = {
	{"[\"h?access_token=EAAtheirs\",\"&x\"]", "[\"h?access_token=***\",\"&x\"]", {NULL}},
	{"[\"h?\\u0061ccess_token\\u003dEAAth\\u0065irs\\u0026x\"]", "[\"h?\\u0061ccess_token\\u003d***\\u0026x\"]",
		{NULL}},
	{"[\"access_token=EAA\\/theirs\\nx\"]", "[\"access_token=***\\nx\"]", {NULL}},
	{"[\"access_token=EAA\\\"x\"]", "[\"access_token=***\\\"x\"]", {NULL}},
	{"{\"access_token=EAAtheirs\":1}", "{\"access_token=***\":1}", {NULL}},
	{"[\"\\\\u0061ccess_token=EAA\"]", "[\"\\\\u0061ccess_token=EAA\"]", {NULL}},
};

static void check_parameters(const struct row *rows, size_t len, bool json)
{
	for (size_t i = 0; i < len; i++) {
		char text[256];

		memset(text, 'x', sizeof(text));
		memcpy(text, rows[i].text, strlen(rows[i].text) + 1);
		scrub_parameters(text, json);
		if (strcmp(text, rows[i].out) != 0)
			fail_msg("row %zu: %s", i, text);
	}
}

static void keys_of_others_leave_no_address(void **state)
{
	(void)state;
	check_parameters(parameters, COUNT(parameters), false);
	check_parameters(parameters_in_json, COUNT(parameters_in_json), true);
}

/* ------------------------------------------------------------ ways to write one */

/* Each writes a secret as it may stand inside a JSON string. */
typedef void writer(const char *secret, char *out);
#define UPPER "0123456789ABCDEF"
#define LOWER "0123456789abcdef"

/* What is not plain stands behind `before`: as its hex digits, or, where there are none, itself. */
static void each_as(
	const char *before, const char *digits, bool (*plain)(size_t i, char c), const char *secret, char *out)
{
	for (size_t i = 0; secret[i] != '\0'; i++) {
		const uint8_t c = (uint8_t)secret[i];

		if (plain(i, secret[i]) && c != '"' && c != '\\') {
			*out++ = secret[i];
			continue;
		}
		out += snprintf(out, 16, "%s", before);
		if (digits != NULL)
			*out++ = digits[c >> 4];
		*out++ = digits != NULL ? digits[c & 15] : secret[i];
	}
	*out = '\0';
}

static bool all(size_t i, char c)
{
	(void)i;
	(void)c;
	return true;
}

static bool none(size_t i, char c)
{
	(void)i;
	(void)c;
	return false;
}

static bool odd(size_t i, char c)
{
	(void)c;
	return i % 2 == 1;
}

static bool unreserved(size_t i, char c)
{
	(void)i;
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static void as_it_is(const char *secret, char *out)
{
	each_as("\\", NULL, all, secret, out);
}

static void unicode(const char *secret, char *out)
{
	each_as("\\u00", LOWER, none, secret, out);
}

static void unicode_in_part(const char *secret, char *out)
{
	each_as("\\u00", UPPER, odd, secret, out);
}

static void url(const char *secret, char *out)
{
	each_as("%", UPPER, unreserved, secret, out);
}

static void url_all(const char *secret, char *out)
{
	each_as("%", LOWER, none, secret, out);
}

static void url_in_part(const char *secret, char *out)
{
	each_as("%", LOWER, odd, secret, out);
}

static void url_twice(const char *secret, char *out)
{
	each_as("%25", UPPER, unreserved, secret, out);
}

static void url_in_unicode(const char *secret, char *out)
{
	each_as("\\u0025", UPPER, none, secret, out);
}

static void in_base64(const char *before, const char *secret, char *out)
{
	char text[ROOM];
	const int len = snprintf(text, sizeof(text), "%s%s-", before, secret);

	vault_base64(text, (size_t)len, out);
}

static void base64(const char *secret, char *out)
{
	in_base64("", secret, out);
}

static void base64_after_one(const char *secret, char *out)
{
	in_base64(":", secret, out);
}

static void base64_after_two(const char *secret, char *out)
{
	in_base64("4:", secret, out);
}

static writer *const writers[] = {as_it_is, unicode, unicode_in_part, url, url_all, url_in_part, url_twice,
	url_in_unicode, base64, base64_after_one, base64_after_two};

/* ------------------------------------------------------------ places for it */

/* @ stands for the secret. Between them they are a good answer of every kind, with a secret wherever anything is handed
 * on from, and refusals in all shapes. */
#define NUMBER(v)                                                                                                      \
	"\"id\":" v ",\"display_phone_number\":" v ",\"verified_name\":" v ",\"quality_rating\":" v                    \
	",\"code_verification_status\":" v ",\"platform_type\":" v ",\"throughput\":{\"level\":" v "},\"status\":" v   \
	",\"name_status\":" v ",\"whatsapp_business_manager_messaging_limit\":" v
#define ANSWER(v)                                                                                                      \
	"{\"messages\":[{\"id\":" v ",\"message_status\":" v "}],\"contacts\":[{\"wa_id\":" v ",\"user_id\":" v        \
	"}]," NUMBER(v) ",\"success\":\"true\",\"health_status\":{\"can_send_message\":\"@\",\"entities\":[{\"entity_" \
			"type\":\"@\",\"id\":\"@\",\"errors\":[{\"error_description\":\"bad @ key\"}]}]},\"data\":{"   \
			"\"app_id\":" v ",\"type\":" v ",\"is_valid\":true,\"expires_at\":0,\"scopes\":[" v            \
			"],\"granular_scopes\":[{\"scope\":" v ",\"target_ids\":[" v                                   \
			"]}]},\"url\":\"https://@.evil.example/@\",\"headers\":{\"@\":\"@\",\"Authorization\":\"@\"}," \
			"\"access_token\":\"@ @\",\"token_type\":\"@\"}"
#define LIST(v)                                                                                                        \
	"{\"data\":[{" NUMBER(v) ",\"object\":\"whatsapp_business_account\",\"callback_url\":\"http://@/"              \
				 "@\",\"whatsapp_business_api_data\":{\"id\":\"4242\"},\"override_callback_uri\":"     \
				 "\"https://@:@@@.evil.example:443/@\",\"fields\":[{\"name\":\"@\"}]}]}"

static const struct {
	int status;
	const char *body;
} places[] = {
	{200, ANSWER("\"@\"")},
	{200, ANSWER("\"wamid.HBg@==\"")},
	{200, ANSWER("{\"@\":[\"@\",{\"x\":\"a@b@@\"}]}")},
	{200, LIST("\"@\"")},
	{200, LIST("[{\"@\":\"@\"}]")},
	{404, "{\"@\":\"@\"}"},
	{400, "{\"error\":{\"message\":\"bad @ token\",\"code\":190,\"error_data\":{\"details\":\"@\"}}}"},
	{401,
		"{\"error\":{\"message\":\"GET /v26.0/debug_token?input_token=@&x=@ Authorization: Bearer 4242|@\","
		"\"code\":190,\"error_data\":\"@\"}}"},
	{401, "{\"meta\":{\"success\":false,\"developer_message\":\"Invalid api key @\"}}"},
	{200, "{\"meta\":{\"success\":false,\"developer_message\":\"@@\"}}"},
	{500, "{\"error\":\"@\"}"},
	{429, "@"},
};

/* ------------------------------------------------------------ what must not be found */

static char *replaced(const char *body, const char *by)
{
	char *text = calloc(1, strlen(body) * (strlen(by) + 1) + 1), *to = text;

	assert_non_null(text);
	for (; *body != '\0'; body++) {
		if (*body == '@')
			to += snprintf(to, strlen(by) + 1, "%s", by);
		else
			*to++ = *body;
	}
	return text;
}

/* Once more without its percent signs, in place. */
static void percent_decode(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		char hex[3] = {p[0] == '%' ? p[1] : '\0', p[0] == '%' && p[1] != '\0' ? p[2] : '\0', '\0'}, *end;
		const unsigned long value = strtoul(hex, &end, 16);

		*to++ = end == hex + 2 ? (char)value : *p;
		p += end == hex + 2 ? 2 : 0;
	}
	*to = '\0';
}

/* Neither as it was written nor, unless that was base64, decoded. */
static bool shows(const char *text, const char *written, const char *secret)
{
	char *copy = strdup(text);
	bool found = false;

	assert_non_null(copy);
	for (int i = 0; i < 3 && !found; i++) {
		found = strcasestr(copy, written) != NULL || strcasestr(copy, secret) != NULL;
		percent_decode(copy);
	}
	free(copy);
	return found;
}

static bool tree_shows(const cJSON *tree, const char *written, const char *secret)
{
	for (const cJSON *item = tree; item != NULL; item = item->next)
		if ((item->string != NULL && shows(item->string, written, secret)) ||
			(cJSON_IsString(item) && shows(item->valuestring, written, secret)) ||
			tree_shows(item->child, written, secret))
			return true;
	return false;
}

/* How often it was blanked. */
static unsigned blanks(const char *text)
{
	unsigned n = 0;

	for (const char *p = text; p != NULL && (p = strstr(p, "***")) != NULL; p += 3)
		n++;
	return n;
}

/* ------------------------------------------------------------ every kind, place and way */

static unsigned blanked, accepted;

/* As a client gets it: without the secret, and JSON where it was. */
static void pass_echo(
	const struct answer_to *to, const struct transfer_end *end, const char *written, const char *secret)
{
	char *passed = answer_text(to, end, RELAY_TEXT_MAX);
	cJSON *was = json_parse(end->body, end->body_len);
	cJSON *tree = passed != NULL ? json_parse(passed, strlen(passed)) : NULL;

	assert_non_null(passed);
	assert_int_equal(tree != NULL, was != NULL);
	if (shows(passed, written, secret) || tree_shows(tree, written, secret))
		fail_msg("kind %d: %s shows in %s", (int)to->kind->kind, secret, passed);
	blanked += blanks(passed);
	cJSON_Delete(was);
	cJSON_Delete(tree);
	json_text_free(passed);
}

static void echo(const struct answer_to *to, size_t place, const char *secret, writer *write)
{
	char written[ROOM], inside[ROOM + 2];
	char *body;
	struct transfer_end end = {.how = TRANSFER_ANSWERED, .http_status = places[place].status};
	struct outbound_result r;
	cJSON *decoded, *fields;

	write(secret, written);
	body = replaced(places[place].body, written);
	end.body = body;
	end.body_len = strlen(body);
	(void)snprintf(inside, sizeof(inside), "\"%s\"", written);
	decoded = json_parse(inside, strlen(inside));
	assert_non_null(decoded);
	answer_read(to, &end, &r);
	fields = r.fields != NULL ? json_parse(r.fields, strlen(r.fields)) : NULL;
	if (r.fields != NULL && fields == NULL)
		fail_msg("kind %d place %zu: no JSON any more: %s", (int)to->kind->kind, place, r.fields);
	if (to->kind->use == KIND_PASS)
		pass_echo(to, &end, decoded->valuestring, secret);
	if (shows(r.reason, decoded->valuestring, secret) || tree_shows(fields, decoded->valuestring, secret))
		fail_msg("kind %d place %zu: %s shows as %s in %s %s", (int)to->kind->kind, place, secret, written,
			r.reason, r.fields != NULL ? r.fields : "");
	blanked += blanks(r.reason) + blanks(r.fields);
	accepted += r.class == OUTBOUND_ACCEPTED ? 1 : 0;
	cJSON_Delete(fields);
	cJSON_Delete(decoded);
	outbound_result_clear(&r);
	free(body);
}

static void echo_everywhere(const struct kind *k, const struct secret *const *held, const char *secret)
{
	const struct exchange none_here = {.vault = NULL};
	const struct answer_to to = {
		.kind = k, .secrets = held, .app_id = "4242", .url = OURS, .public_url = HOUSE, .exchange = &none_here};

	for (size_t place = 0; place < COUNT(places); place++)
		for (size_t w = 0; w < COUNT(writers); w++)
			echo(&to, place, secret, writers[w]);
}

/* A token as Meta's are, and one made of all that may stand in one; a secret as short as may be; one within the other. */
static const char *const pairs[][2] = {
	{"EAAGm0PX4ZCpsBAtokenABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789secret", "0f1e2d3c4b5a69788796a5b4c3d2e1f0"},
	{"!\"#$&'()*+,-./:;<=>?[\\]^_`{|}~%41%zz%", "shopKey8"},
	{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "r8GKYqrT"},
};

static void no_kind_hands_a_secret_on(void **state)
{
	char proof[KIND_PROOF_LEN + 1];
	unsigned kinds = 0;

	(void)state;
	for (uint32_t number = 1; number < 100; number++) {
		const struct kind *k = kind_find(number);

		for (size_t p = 0; k != NULL && kind_credentials(k) > 0 && p < COUNT(pairs); p++) {
			struct secret *first = secret_new(pairs[p][0], strlen(pairs[p][0]));
			struct secret *second = secret_new(pairs[p][1], strlen(pairs[p][1]));
			const struct secret *const held[] = {first, second};

			for (size_t i = 0; i < kind_credentials(k); i++)
				echo_everywhere(k, held, pairs[p][i]);
			kind_proof(held, proof);
			if (kind_is_proven(k))
				echo_everywhere(k, held, proof);
			if (k->auth == KIND_SIGNED && p == 2)
				echo_everywhere(k, held, pairs[p][0] + strlen("whsec_"));
			kinds += p == 0 ? 1 : 0;
			secret_free(first);
			secret_free(second);
		}
	}
	print_message("%u kinds, %u answers accepted, %u times blanked\n", kinds, accepted, blanked);
	assert_int_equal(kinds, 36);
	assert_true(accepted > 1000 && blanked > 10000);
}

/* As long as an answer may be, with a secret at every border and no place without one. */
static void a_long_answer_is_scrubbed_to_its_end(void **state)
{
	static const char secret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
	struct secret *s = secret_new(secret, strlen(secret));
	const struct secret *const held[] = {s};
	const struct answer_to to = {.kind = kind_find(OUTBOUND_RESPONDER_ASK), .secrets = held, .url = OURS};
	struct transfer_end end = {.how = TRANSFER_ANSWERED, .http_status = 200, .body_len = TRANSFER_ANSWER_MAX};
	char *text = malloc(TRANSFER_ANSWER_MAX + 1);
	struct outbound_result r;

	(void)state;
	assert_non_null(text);
	memset(text, 'x', TRANSFER_ANSWER_MAX);
	for (size_t at = 1; at + strlen(secret) < TRANSFER_ANSWER_MAX; at += 509)
		memcpy(text + at, secret, strlen(secret));
	memcpy(text + TRANSFER_ANSWER_MAX - 1 - strlen(secret), secret, strlen(secret));
	text[0] = text[TRANSFER_ANSWER_MAX - 1] = '"';
	text[TRANSFER_ANSWER_MAX] = '\0';
	end.body = text;
	answer_read(&to, &end, &r);
	assert_int_equal(r.class, OUTBOUND_ACCEPTED);
	assert_null(strstr(r.fields, "MfKQ9r8G"));
	assert_true(blanks(r.fields) >= TRANSFER_ANSWER_MAX / 509);
	outbound_result_clear(&r);
	secret_free(s);
	free(text);
}

/* The sender has one thread, which a client's file must not hold. Figures, never a reason to fail. */
static void a_megabyte_costs_so_much(void **state)
{
	static const char *const units[] = {"x", "%", "%2", "%2525", "%45", "%%%61", "EAAG", "access_token", "\\u0025"};
	static const size_t size = 1000000;
	const struct row *all_held = &(const struct row){
		.secrets = {"EAAGm0PX4ZCpsBAtokenABCDEFGHIJKLMNOPQRSTUVWXYZ", "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
			"abeb9a767d99ef66fc58c831d3966b4068683bd7b4f75187"}};
	char *text = malloc(size + 16);
	struct held h = {0};

	(void)state;
	assert_non_null(text);
	for (size_t k = 0; k < 3; k++)
		held_add(&h, all_held->secrets[k], strlen(all_held->secrets[k]));
	for (size_t i = 0; i < COUNT(units); i++) {
		const size_t len = strlen(units[i]);
		struct timespec began, between, ended;

		for (size_t at = 0; at < size; at += len)
			memcpy(text + at, units[i], len);
		text[size] = '\0';
		(void)clock_gettime(CLOCK_MONOTONIC, &began);
		(void)!scrub_json(text, &h);
		(void)clock_gettime(CLOCK_MONOTONIC, &between);
		scrub_parameters(text, true);
		(void)clock_gettime(CLOCK_MONOTONIC, &ended);
		assert_int_equal(strlen(text), size);
		print_message("a megabyte of %s: secrets %ld us, parameters %ld us\n", units[i],
			(between.tv_sec - began.tv_sec) * 1000000 + (between.tv_nsec - began.tv_nsec) / 1000,
			(ended.tv_sec - between.tv_sec) * 1000000 + (ended.tv_nsec - between.tv_nsec) / 1000);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets_are_blanked_as_a_whole),
		cmocka_unit_test(keys_of_others_leave_no_address),
		cmocka_unit_test(no_kind_hands_a_secret_on),
		cmocka_unit_test(a_long_answer_is_scrubbed_to_its_end),
		cmocka_unit_test(a_megabyte_costs_so_much),
	};

	if (vault_init() != VAULT_OK)
		return 1;
	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
