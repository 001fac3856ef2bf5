/*
 * Goal of this test: nothing of a client's call says who asks or with which method, however it is written, and what else
 * he may say passes; what a provider says of its limits is read, and nonsense says nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/json.h"
#include "gateway/outbound/job.h"
#include "gateway/outbound/usage.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static void queries_name_nobody(void **state)
{
	static const char *const good[] = {"", "fields=id,name", "a=access_token", "a=b&limit=25&after=QVFI%3D%3D",
		"my_access_token=x", "phone_number_id=1", "x=%zz", "=", "&&", "a[]=1", "name=%61ccess_token",
		"%2561ccess_token=x", "a=1;b=2", "fields=quality_score", "fields=a,b,c", "fields",
		"fields[]=a&fields%5B1%5D=b", "name=a{b}(c)", "fields=a%257Bb", "my_ids=1", "id=1", "idsx=1",
		"batches=1", "callbacks=x"};
	static const char *const bad[] = {"access_token=x", "access_token", "ACCESS_token=x", "a=b&access_token=x",
		"a=b;access_token=x", "%61ccess_token=x", "%61CCESS%5Ftoken=x", "access%5ftoken=x", "access_token[]=x",
		"access.token=x", "access+token=x", "access%20token=x", "access[token=x", "%20access_token=x",
		"+access_token=x", "access_token%00a=x", "%00access_token=x", "access_token_=x", "appsecret_proof=x",
		"AppSecret%5Fproof=x", "a&appsecret_proof", "appsecret_time=1", "method=delete", "Method=post",
		"meth%6fd=post", "a b", "a#b", "a\r\nb", "caf\xc3\xa9", "&&&&&access_token=x",
		"access%5f%74%6f%6b%65%6e=x", "ids=1,2", "IDS=1", "ids[]=1", "%69ds=1", "a=b&ids", "batch=[]",
		"Batch%5B0%5D=x", "metadata=1", "callback=x", "c%61llback=x", "suppress_http_code=1",
		"include_headers=true", "fields=a{b},c", "fields=a%7bb%7D", "fields=a%7B", "FIELDS=b}",
		"fields=a.limit(1)", "fields=a%281)", "fields[]=a{b}", "fields%5B0%5D=a{b}", "+fields=a{b}",
		"x=1&fields=a,b{c}", "x;fields=a{c}"};
	static char longest[KIND_QUERY_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!kind_query_ok(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (kind_query_ok(bad[i]))
			fail_msg("passes: %s", bad[i]);
	memset(longest, 'a', KIND_QUERY_MAX);
	assert_true(kind_query_ok(longest));
	longest[KIND_QUERY_MAX] = 'a';
	assert_false(kind_query_ok(longest));
}

static void bodies_name_nobody(void **state)
{
	static const struct {
		const char *type, *body;
		bool ok;
	} rows[] = {
		{"", "{\"status\":\"read\"}", true},
		{"application/json", "{\"a\":{\"access_token\":\"x\"}}", true},
		{"Application/JSON; charset=utf-8", "{}", true},
		{"application/json", "{\"access_token\":\"x\"}", false},
		{"application/json", "{\"a\":1,\"\\u0061ccess_token\":\"x\"}", false},
		{"application/json", "{\"Method\":\"delete\"}", false},
		{"application/json", "{\"appsecret_proof\":\"x\"}", false},
		{"application/json", "{\"ids\":[1]}", false},
		{"application/json", "{\"Callback\":\"x\"}", false},
		{"application/json", "{\"fields\":\"a,b\"}", true},
		{"application/json", "{\"fields\":[\"a\",\"b\"]}", true},
		{"application/json", "{\"fields\":\"a\\u007bb}\"}", false},
		{"application/json", "{\"fields\":[\"a\",\"b{c}\"]}", false},
		{"application/json", "{\"fields\":{\"0\":\"b{c}\"}}", false},
		{"application/json", "{\"fields\":[[\"b\"]]}", false},
		{"application/json", "{\"components\":[{\"text\":\"{{1}} (x)\",\"metadata\":1}]}", true},
		{"application/x-www-form-urlencoded", "a=b&fields=c{d}", false},
		{"application/x-www-form-urlencoded", "components={}&batch=1", false},
		{"application/json", "[]", false},
		{"application/json", "name=a", false},
		{"", "", false},
		{"application/jsonp", "{}", false},
		{"application/x-www-form-urlencoded", "name=a&category=UTILITY", true},
		{"application/x-www-form-urlencoded", "", true},
		{"application/x-www-form-urlencoded", "name=a&access_token=x", false},
		{"application/x-www-form-urlencoded", "name=caf\xc3\xa9 #x", true},
		{"multipart/form-data; boundary=x", "--x--", false},
		{"text/plain", "{}", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (kind_body_ok(rows[i].type, rows[i].body, strlen(rows[i].body)) != rows[i].ok)
			fail_msg("%s: %s", rows[i].type, rows[i].body);
}

static void parts_name_nobody(void **state)
{
	static const char *const good[] = {"file", "messaging_product", "type", "", "my_access_token", "field"};
	static const char *const bad[] = {"access_token", "ACCESS_TOKEN", "access.token", "access_token[]",
		" access_token", "appsecret_proof", "appsecret_time", "method", "batch", "ids", "fields", "Fields[0]",
		"a\nb", "a_name_that_is_far_too_long_to_be_looked_at_as_a_whole_and_so_is_not_known"};

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		if (!outbound_parameter_ok(good[i], strlen(good[i])))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < COUNT(bad); i++)
		if (outbound_parameter_ok(bad[i], strlen(bad[i])))
			fail_msg("passes: %s", bad[i]);
	assert_false(outbound_parameter_ok("file\0access_token", 17));
}

static void paths_stay_where_they_are(void **state)
{
	static const char *const good[] = {"/", "/a/b/", "/whatsapp_business/attachments/", "/a..b/c.d"};
	static const char *const bad[] = {"", "a", "/a/../b", "/..", "/.", "/a/.b", "/%2e%2e/a", "/%2E./a", "/a?b",
		"/a#b", "/a b", "/a\\b", "/\x7f", "/\xc3\xa9"};
	static char longest[KIND_PATH_MAX + 2];

	(void)state;
	for (size_t i = 0; i < COUNT(good); i++)
		assert_true(kind_path_ok(good[i]));
	for (size_t i = 0; i < COUNT(bad); i++)
		if (kind_path_ok(bad[i]))
			fail_msg("passes: %s", bad[i]);
	memset(longest, '/', KIND_PATH_MAX);
	assert_true(kind_path_ok(longest));
	longest[KIND_PATH_MAX] = '/';
	assert_false(kind_path_ok(longest));
	assert_true(kind_type_ok("multipart/form-data; boundary=\"a b\""));
	assert_false(kind_type_ok("text/plain\r\nX: 1"));
	assert_false(kind_type_ok("text/pl\xc3\xa4in"));
}

/* ------------------------------------------------------------ jobs */

static struct job number_job(void)
{
	static const uint8_t blob[4] = {1, 2, 3, 4};

	return (struct job){.kind = kind_find(OUTBOUND_META_PASS_NUMBER),
		.id = "01pass",
		.deployment_id = "dep",
		.business_id = "shop",
		.number = "111",
		.app_id = "",
		.waba_id = "",
		.url = "",
		.message_id = "",
		.method = KIND_GET,
		.credentials = {
			{.connection_id = "c1", .field = "access_token", .blob = blob, .blob_len = sizeof(blob)}}};
}

/* One of two credentials may be missing, but not the first. */
static void the_app_secret_is_optional(void **state)
{
	struct job j = number_job(), back;
	struct frame f = FRAME_INIT(0);

	(void)state;
	assert_true(job_valid(&j));
	assert_int_equal(job_credentials(&j), 1);
	job_encode(&f, &j);
	assert_true(job_decode(&f, &back));
	assert_int_equal(job_credentials(&back), 1);
	j.credentials[1] = j.credentials[0];
	assert_false(job_valid(&j)); /* of the wrong field */
	j.credentials[1].field = "app_secret";
	assert_true(job_valid(&j));
	job_encode(&f, &j);
	assert_true(job_decode(&f, &back));
	assert_int_equal(job_credentials(&back), 2);
	j.credentials[0].blob_len = 0;
	assert_false(job_valid(&j));
	frame_clear(&f);
}

static void a_send_carries_nothing_of_a_pass(void **state)
{
	struct job j = number_job();

	(void)state;
	j.verbatim = true; /* for sends alone */
	assert_false(job_valid(&j));
	j = number_job();
	j.kind = kind_find(OUTBOUND_META_SEND);
	j.method = 0;
	j.body = "{}";
	j.body_len = 2;
	j.verbatim = true;
	j.version = "v25.0";
	assert_true(job_valid(&j));
	j.query = "a=b";
	assert_false(job_valid(&j));
	j.query = NULL;
	j.method = KIND_POST;
	assert_false(job_valid(&j));
	j.method = 0;
	j.version = "25";
	assert_false(job_valid(&j));
	j.version = NULL;
	j.content_type = "text/plain";
	assert_false(job_valid(&j));
	/* Nor has 360dialog versions, nor a check any but the setting's. */
	j = number_job();
	j.kind = kind_find(OUTBOUND_D360_PASS_HEALTH);
	j.number = "";
	j.credentials[0].field = "api_key";
	assert_true(job_valid(&j));
	j.version = "v25.0";
	assert_false(job_valid(&j));
}

/* ------------------------------------------------------------ frames */

static void heads_are_taken_only_whole(void **state)
{
	static char long_value[JOB_HEADER_MAX + 2];
	struct job_head h = {.ticket = 7, .status = 200, .len = OUTBOUND_LEN_UNKNOWN, .values = {"image/png"}}, back;
	struct frame f = FRAME_INIT(0);
	static const int bad[] = {0, 100, 199, 600};

	(void)state;
	job_head_encode(&f, &h);
	assert_true(job_head_decode(&f, &back));
	assert_string_equal(back.values[0], "image/png");
	assert_null(back.values[1]);
	assert_true(back.len == OUTBOUND_LEN_UNKNOWN);
	for (size_t i = 0; i < COUNT(bad); i++) {
		h.status = bad[i];
		job_head_encode(&f, &h);
		assert_false(job_head_decode(&f, &back));
	}
	h.status = 200;
	h.values[1] = "a\r\nX-Evil: 1";
	job_head_encode(&f, &h);
	assert_false(job_head_decode(&f, &back));
	memset(long_value, 'a', JOB_HEADER_MAX);
	h.values[1] = long_value;
	job_head_encode(&f, &h);
	assert_true(job_head_decode(&f, &back));
	long_value[JOB_HEADER_MAX] = 'a';
	job_head_encode(&f, &h);
	assert_false(job_head_decode(&f, &back));
	frame_clear(&f);
}

static void pieces_have_their_size(void **state)
{
	static const uint8_t bytes[JOB_PIECE_MAX + 1];
	struct job_piece p = {.ticket = 7, .data = bytes, .len = JOB_PIECE_MAX}, back;
	struct frame f = FRAME_INIT(0);
	uint64_t ticket;
	uint32_t len;

	(void)state;
	job_piece_encode(&f, JOB_PART, &p);
	assert_true(job_piece_decode(&f, &back));
	assert_int_equal(back.len, JOB_PIECE_MAX);
	p.len++;
	job_piece_encode(&f, JOB_PART, &p);
	assert_false(job_piece_decode(&f, &back));
	p.len = 0;
	job_piece_encode(&f, JOB_BODY, &p);
	assert_false(job_piece_decode(&f, &back));
	p.last = true;
	job_piece_encode(&f, JOB_BODY, &p);
	assert_true(job_piece_decode(&f, &back));
	job_piece_encode(&f, JOB_PART, &p);
	assert_false(job_piece_decode(&f, &back));
	job_taken_encode(&f, 7, 0);
	assert_false(job_taken_decode(&f, &ticket, &len));
	job_taken_encode(&f, 7, JOB_WINDOW);
	assert_true(job_taken_decode(&f, &ticket, &len));
	job_taken_encode(&f, 7, JOB_WINDOW + 1);
	assert_false(job_taken_decode(&f, &ticket, &len));
	frame_clear(&f);
}

/* ------------------------------------------------------------ limits */

static void limits_are_read_leniently(void **state)
{
	static const struct {
		const char *line;
		int64_t regain_ms;
	} rows[] = {
		{"X-Business-Use-Case-Usage: {\"102\":[{\"type\":\"whatsapp\",\"call_count\":28,\"total_cputime\":90.6,"
		 "\"total_time\":25,\"estimated_time_to_regain_access\":7},{\"call_count\":91}],\"103\":[{"
		 "\"estimated_time_to_regain_access\":19}]}\r\n",
			19 * 60000},
		{"x-business-use-case-usage:{\"102\":[{\"estimated_time_to_regain_access\":0.5}]}\r\n", 30000},
		{"X-Business-Use-Case-Usage: {\"1\":[{\"call_count\":5}]}\r\n", 0},
		{"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":-4}]}\r\n", 0},
		{"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":\"45\"}]}\r\n", 0},
		{"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":1e18}]}\r\n",
			OUTBOUND_REGAIN_MAX_MS},
		{"X-Business-Use-Case-Usage: {\"1\":[7,null,\"x\"],\"2\":3,\"3\":null}\r\n", 0},
		{"X-Business-Use-Case-Usage: {\"1\":[{\"estimated_time_to_regain_access\":\r\n", 0},
		{"X-Business-Use-Case-Usage:\r\n", 0},
		{"X-Business-Use-Case-Usage-More: {\"1\":[{\"estimated_time_to_regain_access\":9}]}\r\n", 0},
		{"X-Other: {\"1\":[{\"estimated_time_to_regain_access\":9}]}\r\n", 0},
		{"X-Business-Use-Case-Usage", 0},
	};
	static const char name[] = "X-Business-Use-Case-Usage:",
			  value[] = "[[{\"estimated_time_to_regain_access\":5}]]";
	static char deep[USAGE_TEXT_MAX + 64];
	char *const text = deep + sizeof(name) - 1;
	int64_t regain_ms;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		regain_ms = 0;
		usage_read(rows[i].line, strlen(rows[i].line), &regain_ms);
		if (regain_ms != rows[i].regain_ms)
			fail_msg("%s: %lld ms", rows[i].line, (long long)regain_ms);
	}
	/* Of several the most counts. */
	regain_ms = 60000;
	usage_read(rows[1].line, strlen(rows[1].line), &regain_ms);
	assert_int_equal(regain_ms, 60000);
	/* Deep, and long. */
	regain_ms = 0;
	(void)snprintf(deep, sizeof(deep), "%s", name);
	memset(text, '[', 4000);
	usage_read(deep, (size_t)(text - deep) + 4000, &regain_ms);
	assert_int_equal(regain_ms, 0);
	memset(text, ' ', USAGE_TEXT_MAX + 1);
	memcpy(text + USAGE_TEXT_MAX - (sizeof(value) - 1), value, sizeof(value) - 1);
	usage_read(deep, (size_t)(text - deep) + USAGE_TEXT_MAX, &regain_ms);
	assert_int_equal(regain_ms, 5 * 60000);
	regain_ms = 0;
	usage_read(deep, (size_t)(text - deep) + USAGE_TEXT_MAX + 1, &regain_ms);
	assert_int_equal(regain_ms, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queries_name_nobody),
		cmocka_unit_test(bodies_name_nobody),
		cmocka_unit_test(parts_name_nobody),
		cmocka_unit_test(paths_stay_where_they_are),
		cmocka_unit_test(the_app_secret_is_optional),
		cmocka_unit_test(a_send_carries_nothing_of_a_pass),
		cmocka_unit_test(heads_are_taken_only_whole),
		cmocka_unit_test(pieces_have_their_size),
		cmocka_unit_test(limits_are_read_leniently),
	};

	json_init();
	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
