/* The splitter: provider samples, own bodies, every node of a body replaced by something else. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/account.h"
#include "gateway/inbound/customer.h"
#include "gateway/inbound/kinds.h"
#include "gateway/inbound/message.h"
#include "gateway/inbound/scene.h"
#include "gateway/inbound/seen.h"
#include "gateway/inbound/split.h"
#include "gateway/json.h"

#define NOT_JSON (-1)
#define UNKNOWN (-2)
#define TOO_MANY (-3)

struct count {
	int messages, statuses, echoes, others;
};

/* Reads every update as intake and answer would; the sanitizers watch. */
static void read_all(const struct split_update *u, size_t len)
{
	struct scene scene = {.contacts = NULL};

	for (size_t i = 0; i < len; i++) {
		const cJSON *contact;
		struct message_customer who;
		const char *names[STORE_NAMES_MAX], *wamid;
		struct store_notice notice;
		char what[STORE_WHAT_LEN + 1];
		char *text = seen_text(&u[i]);

		assert_non_null(text);
		assert_non_null(u[i].field);
		assert_true(scene_set(&scene, &u[i]));
		contact = scene_contact(&scene, u[i].item);
		who = message_customer(u[i].item, contact);
		assert_non_null(who.key);
		(void)message_question(u[i].item);
		kinds_what(&u[i], what);
		assert_true(what[0] != '\0');
		assert_true(customer_names(&u[i], contact, names) <= STORE_NAMES_MAX);
		(void)customer_holder(&u[i]);
		(void)kinds_relation(u[i].item, &wamid);
		(void)account_has_number(&u[i], "+1 555");
		if (account_read(&u[i], 5, &notice)) {
			assert_true(notice.at <= 5);
			assert_non_null(memchr(notice.detail, '\0', sizeof(notice.detail)));
		}
		(void)message_written_at(u[i].item, 0);
		free(text);
		text = scene_content(&scene, u[i].item, contact);
		assert_non_null(text);
		free(text);
	}
	scene_clear(&scene);
}

/* The number of updates, or one of the above. */
static int split_text(const char *body, size_t len, struct count *count)
{
	struct split_update *u = NULL;
	size_t updates = 0;
	cJSON *root = NULL;
	int result = NOT_JSON;

	*count = (struct count){0, 0, 0, 0};
	if (split_parse((const uint8_t *)body, len, &root) != SPLIT_OK)
		return NOT_JSON;
	switch (split_envelope(root, &u, &updates)) {
	case SPLIT_OK:
		result = (int)updates;
		break;
	case SPLIT_UNKNOWN_SHAPE:
		result = UNKNOWN;
		break;
	case SPLIT_TOO_MANY:
		result = TOO_MANY;
		break;
	case SPLIT_NOT_JSON:
	case SPLIT_NO_MEMORY:
		fail_msg("an error that cannot be");
	}
	for (size_t i = 0; i < updates; i++) {
		count->messages += u[i].kind == STORE_UPDATE_MESSAGE;
		count->statuses += u[i].kind == STORE_UPDATE_STATUS;
		count->echoes += u[i].kind == STORE_UPDATE_ECHO;
		count->others += u[i].kind == STORE_UPDATE_OTHER;
	}
	read_all(u, updates);
	free(u);
	cJSON_Delete(root);
	return result;
}

static char *read_file(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	char *text = malloc(1u << 20);

	if (f == NULL || text == NULL)
		fail_msg("%s: cannot be read", path);
	*len = fread(text, 1, 1u << 20, f);
	fclose(f);
	return text;
}

/* ------------------------------------------------------------ provider samples */

/* What facts/meta.md 1.5 to 1.8 says of each; the first row that begins a file's name counts.
 * Every sample holds one change with at most one element in each list. */
static const struct {
	const char *begins;
	int result;
	struct count count;
} samples[] = {
	{"messages.status.", 1, {0, 1, 0, 0}},
	{"messages.errors.", 1, {0, 0, 0, 1}}, /* value.errors and no message */
	{"messages.", 1, {1, 0, 0, 0}},
	{"smb_message_echoes.", 1, {0, 0, 1, 0}},
	{"calls.", 1, {0, 0, 0, 1}}, /* calls[], or statuses[] of a call */
	{"history.declined_value_only.", UNKNOWN, {0, 0, 0, 0}}, /* a bare value, no entry[] */
	{"history.", 1, {0, 0, 0, 1}},
	{"malformed.", 1, {0, 0, 0, 1}},
	{"account_", 1, {0, 0, 0, 1}},
	{"automatic_events.", 1, {0, 0, 0, 1}},
	{"business_", 1, {0, 0, 0, 1}},
	{"flows.", 1, {0, 0, 0, 1}},
	{"message_template_", 1, {0, 0, 0, 1}},
	{"partner_solutions.", 1, {0, 0, 0, 1}},
	{"payment_configuration_update.", 1, {0, 0, 0, 1}},
	{"phone_number_", 1, {0, 0, 0, 1}},
	{"security.", 1, {0, 0, 0, 1}},
	{"smb_app_state_sync.", 1, {0, 0, 0, 1}},
	{"template_category_update.", 1, {0, 0, 0, 1}},
	{"user_preferences.", 1, {0, 0, 0, 1}},
};

static void check_sample(const char *dir, const char *name)
{
	char path[1024];
	struct count got;
	size_t row = 0, len = 0;
	char *text;
	int result;

	while (row < sizeof(samples) / sizeof(samples[0]) &&
		strncmp(name, samples[row].begins, strlen(samples[row].begins)) != 0)
		row++;
	if (row == sizeof(samples) / sizeof(samples[0]))
		fail_msg("%s: the table has no row for it", name);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	text = read_file(path, &len);
	result = split_text(text, len, &got);
	if (result != samples[row].result || memcmp(&got, &samples[row].count, sizeof(got)) != 0)
		fail_msg("%s: got %d (%d messages, %d statuses, %d echoes, %d others)", name, result, got.messages,
			got.statuses, got.echoes, got.others);
	free(text);
}

static void provider_samples(void **state)
{
	const char *root = getenv("KH_SAMPLES");
	char path[512];
	struct dirent *e;
	unsigned seen = 0;
	DIR *dir;

	(void)state;
	snprintf(path, sizeof(path), "%s/payloads/meta", root != NULL ? root : "../shared");
	dir = opendir(path);
	if (dir == NULL) {
		printf("skipped: no samples\n");
		skip();
	}
	while ((e = readdir(dir)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 5, ".json") != 0)
			continue;
		check_sample(path, e->d_name);
		seen++;
	}
	closedir(dir);
	assert_true(seen > 0);
}

/* ------------------------------------------------------------ own bodies */

#define ENTRY(changes) "{\"entry\":[{\"id\":\"1\",\"changes\":[" changes "]}]}"
#define VALUE(value) ENTRY("{\"field\":\"messages\",\"value\":" value "}")
#define FIELD(field, value) ENTRY("{\"field\":\"" field "\",\"value\":" value "}")

static const struct {
	const char *body;
	int result;
	struct count count;
} bodies[] = {
	{"", NOT_JSON, {0, 0, 0, 0}},
	{"{", NOT_JSON, {0, 0, 0, 0}},
	{"<html>", NOT_JSON, {0, 0, 0, 0}},
	{VALUE("{}") "x", NOT_JSON, {0, 0, 0, 0}},
	{"{\"entry\":\"\xff\"}", NOT_JSON, {0, 0, 0, 0}},
	{"{\"entry\":\"\xc0\x80\"}", NOT_JSON, {0, 0, 0, 0}}, /* overlong */
	{"{\"entry\":\"\xed\xa0\x80\"}", NOT_JSON, {0, 0, 0, 0}}, /* a surrogate */
	{"{\"entry\":\"\xe2\x82", NOT_JSON, {0, 0, 0, 0}},
	{"null", UNKNOWN, {0, 0, 0, 0}},
	{"5", UNKNOWN, {0, 0, 0, 0}},
	{"[]", UNKNOWN, {0, 0, 0, 0}},
	{"[" VALUE("{}") "]", UNKNOWN, {0, 0, 0, 0}},
	{"{}", UNKNOWN, {0, 0, 0, 0}},
	{"{\"Entry\":[{\"changes\":[{}]}]}", UNKNOWN, {0, 0, 0, 0}}, /* case matters */
	{"{\"entry\":{}}", UNKNOWN, {0, 0, 0, 0}},
	{"{\"entry\":[]}", UNKNOWN, {0, 0, 0, 0}},
	{"{\"entry\":[5,null]}", UNKNOWN, {0, 0, 0, 0}},
	{"{\"entry\":[{\"changes\":{}}]}", UNKNOWN, {0, 0, 0, 0}},
	{ENTRY("5"), UNKNOWN, {0, 0, 0, 0}},
	{ENTRY("{}"), 1, {0, 0, 0, 1}},
	{VALUE("{\"messages\":[{}]}"), 1, {1, 0, 0, 0}},
	{ENTRY("{\"value\":{\"messages\":[{}]}}"), 1, {1, 0, 0, 0}}, /* a missing field means messages */
	{ENTRY("{\"field\":null,\"value\":{\"messages\":[{}]}}"), 1, {1, 0, 0, 0}},
	{ENTRY("{\"field\":7,\"value\":{\"messages\":[{}]}}"), 1, {0, 0, 0, 1}},
	{FIELD("surprise", "{\"messages\":[{},{}]}"), 2, {0, 0, 0, 2}},
	{FIELD("surprise", "{\"message_echoes\":[{}]}"), 1, {0, 0, 1, 0}},
	{FIELD("surprise", "{\"statuses\":[{}]}"), 1, {0, 0, 0, 1}},
	{FIELD("message_echoes", "{\"message_echoes\":[{}],\"statuses\":[{}]}"), 2, {0, 1, 1, 0}},
	{FIELD("history", "{\"messages\":[{},{}],\"history\":[{},{}]}"), 1, {0, 0, 0, 1}},
	{FIELD("standby", "{\"standby\":{\"messages\":[{}],\"statuses\":[{}],\"message_echoes\":[{}]}}"), 3,
		{1, 1, 1, 0}},
	{FIELD("standby", "{\"messages\":[{}]}"), 1, {1, 0, 0, 0}},
	{FIELD("user_id_update", "{\"user_id_update\":[{},{}]}"), 2, {0, 0, 0, 2}},
	{FIELD("standby", "{\"standby\":[]}"), 1, {0, 0, 0, 1}},
	{FIELD("messages", "{\"standby\":{\"messages\":[{}]}}"), 1, {0, 0, 0, 1}},
	{FIELD("calls", "{\"calls\":[{}],\"statuses\":[{}]}"), 2, {0, 0, 0, 2}},
	{VALUE("{\"messages\":[],\"errors\":[{}]}"), 1, {0, 0, 0, 1}},
	{VALUE("{\"messages\":[null,5,{},[],\"x\"]}"), 5, {1, 0, 0, 4}},
	{VALUE("{\"messages\":{\"a\":{}}}"), 1, {0, 0, 0, 1}},
	{VALUE("[{\"messages\":[{}]}]"), 1, {0, 0, 0, 1}},
	{VALUE("{\"messages\":[{}],\"messages\":[{},{}]}"), 1, {1, 0, 0, 0}}, /* the first of two counts */
	{ENTRY("{\"field\":\"messages\",\"value\":{\"messages\":[{}]}},9"), 2, {1, 0, 0, 1}},
	{"{\"entry\":[{\"changes\":[{\"value\":{\"messages\":[{}]}}]},7,{}]}", 3, {1, 0, 0, 2}},
	{VALUE("{\"metadata\":7,\"contacts\":7,\"messages\":[{\"from\":7,\"id\":7,\"type\":7,\"timestamp\":[]}]}"), 1,
		{1, 0, 0, 0}},
};

static void own_bodies(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct count got;
		int result = split_text(bodies[i].body, strlen(bodies[i].body), &got);

		if (result != bodies[i].result || memcmp(&got, &bodies[i].count, sizeof(got)) != 0)
			fail_msg("%s: got %d (%d %d %d %d)", bodies[i].body, result, got.messages, got.statuses,
				got.echoes, got.others);
	}
}

static char *mixed(size_t *len)
{
	const char *root = getenv("KH_TEST_DATA");
	char path[512];

	snprintf(path, sizeof(path), "%s/meta_mixed.json", root != NULL ? root : "test/data");
	return read_file(path, len);
}

static void mixed_entries(void **state)
{
	static const char *const fields[] = {"messages", "messages", "messages", "messages", "messages", "messages",
		"account_update", "standby", "standby", "standby", "smb_message_echoes", "history", "calls", "calls",
		"messages", "messages"};
	struct split_update *u = NULL;
	struct count got;
	cJSON *root = NULL;
	size_t len, updates = 0;
	char *text = mixed(&len);

	(void)state;
	assert_int_equal(split_text(text, len, &got), 16);
	assert_int_equal(got.messages, 5);
	assert_int_equal(got.statuses, 3);
	assert_int_equal(got.echoes, 2);
	assert_int_equal(got.others, 6);
	assert_int_equal(split_parse((const uint8_t *)text, len, &root), SPLIT_OK);
	assert_int_equal(split_envelope(root, &u, &updates), SPLIT_OK);
	for (size_t i = 0; i < updates; i++)
		assert_string_equal(u[i].field, fields[i]);
	assert_string_equal(u[0].number, "200000000000001");
	assert_string_equal(u[0].account, "100000000000001");
	assert_null(u[0].time);
	assert_null(u[5].contacts); /* of its own change only */
	assert_null(u[6].number);
	assert_string_equal(u[6].account, "100000000000002");
	assert_non_null(u[6].time);
	assert_string_equal(u[7].number, "200000000000002"); /* the metadata stands outside of standby */
	assert_string_equal(json_get_string(u[7].item, "id"), "wamid.TEST07");
	free(u);
	cJSON_Delete(root);
	free(text);
}

static void a_number_of_a_wrong_type_is_none_of_ours(void **state)
{
	static const char body[] = VALUE("{\"metadata\":{\"phone_number_id\":5},\"messages\":[{}]}");
	struct split_update *u = NULL;
	cJSON *root = NULL;
	size_t len = 0;

	(void)state;
	assert_int_equal(split_parse((const uint8_t *)body, sizeof(body) - 1, &root), SPLIT_OK);
	assert_int_equal(split_envelope(root, &u, &len), SPLIT_OK);
	assert_string_equal(u[0].number, "");
	free(u);
	cJSON_Delete(root);
}

/* ------------------------------------------------------------ large and deep */

static void many(void **state)
{
	static const char head[] = "{\"entry\":[{\"changes\":[{\"value\":{\"messages\":[";
	static const char tail[] = "]}}]}]}";
	static const size_t counts[] = {1000, SPLIT_UPDATES_MAX, SPLIT_UPDATES_MAX + 1, 100000};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		char *body = malloc(sizeof(head) + 3 * counts[i] + sizeof(tail)), *p = body;
		struct count got;
		int result;

		assert_non_null(body);
		p = mempcpy(p, head, sizeof(head) - 1);
		for (size_t k = 0; k < counts[i]; k++)
			p = mempcpy(p, k == 0 ? "{}" : ",{}", k == 0 ? 2 : 3);
		p = mempcpy(p, tail, sizeof(tail) - 1);
		result = split_text(body, (size_t)(p - body), &got);
		if (counts[i] <= SPLIT_UPDATES_MAX) {
			assert_int_equal(result, counts[i]);
			assert_int_equal(got.messages, counts[i]);
		} else {
			assert_int_equal(result, TOO_MANY);
		}
		free(body);
	}
}

static void deep(void **state)
{
	/* The envelope is 7 deep around its list of messages. */
	static const char head[] = "{\"entry\":[{\"changes\":[{\"value\":{\"messages\":[";
	static const char tail[] = "]}}]}]}";
	char body[512];
	struct count got;

	(void)state;
	for (unsigned nested = 50; nested < 65; nested++) {
		char *p = mempcpy(body, head, sizeof(head) - 1);

		memset(p, '[', nested);
		memset(p + nested, ']', nested);
		p = mempcpy(p + 2 * (size_t)nested, tail, sizeof(tail) - 1);
		assert_int_equal(
			split_text(body, (size_t)(p - body), &got), nested + 7 <= JSON_DEPTH_MAX ? 1 : NOT_JSON);
	}
}

static void nul_bytes(void **state)
{
	static const char inside[] = VALUE("{\"messages\":[{\"id\":\"a\0b\"}]}");
	static const char after[] = VALUE("{\"messages\":[{}]}") "\0";
	static const char escaped[] = VALUE("{\"messages\":[{\"id\":\"a\\u0000b\"}]}");
	struct count got;

	(void)state;
	assert_int_equal(split_text(inside, sizeof(inside) - 1, &got), NOT_JSON);
	assert_int_equal(split_text(after, sizeof(after) - 1, &got), NOT_JSON);
	assert_int_equal(split_text(escaped, sizeof(escaped) - 1, &got), 1);
}

/* ------------------------------------------------------------ mutations */

static size_t count_nodes(const cJSON *node)
{
	const cJSON *child;
	size_t n = 1;

	cJSON_ArrayForEach (child, node)
		n += count_nodes(child);
	return n;
}

/* Replaces the n-th node below parent; *n counts down. */
static bool replace_node(cJSON *parent, size_t *n, const char *with)
{
	for (cJSON *child = parent->child; child != NULL; child = child->next) {
		if (*n == 0) {
			cJSON *fresh = json_parse(with, strlen(with));

			assert_non_null(fresh);
			if (child->string != NULL)
				fresh->string = cJSON_malloc(strlen(child->string) + 1);
			if (fresh->string != NULL)
				memcpy(fresh->string, child->string, strlen(child->string) + 1);
			assert_true(cJSON_ReplaceItemViaPointer(parent, child, fresh));
			return true;
		}
		(*n)--;
		if (replace_node(child, n, with))
			return true;
	}
	return false;
}

static void every_node_replaced(void **state)
{
	static const char *const others[] = {"null", "true", "-1", "1e308", "[]", "{}", "[{}]", "\"\"", "\"x\"",
		"[[{\"id\":[]}],null]", "{\"messages\":[{\"messages\":[1]}],\"id\":{}}"};
	size_t len, nodes;
	char *text = mixed(&len);
	cJSON *root = json_parse(text, len);
	struct count got;

	(void)state;
	assert_non_null(root);
	nodes = count_nodes(root) - 1;
	for (size_t i = 0; i < nodes; i++)
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			cJSON *copy = cJSON_Duplicate(root, true);
			size_t n = i;
			char *mutant;

			assert_true(replace_node(copy, &n, others[k]));
			mutant = json_text(copy);
			assert_non_null(mutant);
			assert_int_not_equal(split_text(mutant, strlen(mutant), &got), NOT_JSON);
			free(mutant);
			cJSON_Delete(copy);
		}
	cJSON_Delete(root);
	free(text);
}

static void every_prefix(void **state)
{
	struct count got;
	size_t len;
	char *text = mixed(&len);

	(void)state;
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
		len--;
	for (size_t i = 0; i < len; i++)
		assert_int_equal(split_text(text, i, &got), NOT_JSON);
	free(text);
}

/* Else every update of its body would cost its length again. */
static void what_many_share_is_bounded(void **state)
{
	static const struct {
		size_t len;
		bool kept;
	} table[] = {{SPLIT_SHARED_MAX, true}, {SPLIT_SHARED_MAX + 1, false}, {100000, false}};
	static char word[100001], body[4 * sizeof(word) + 256];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *want = table[i].kept ? word : "";
		struct split_update *u = NULL;
		size_t len = 0;
		cJSON *root = NULL;

		memset(word, '7', table[i].len);
		(void)snprintf(body, sizeof(body),
			"{\"entry\":[{\"id\":\"%s\",\"time\":\"%s\",\"changes\":[{\"field\":\"%s\",\"value\":"
			"{\"metadata\":{\"phone_number_id\":\"%s\"},\"calls\":[1,2]}}]}]}",
			word, word, word, word);
		assert_int_equal(split_parse((const uint8_t *)body, strlen(body), &root), SPLIT_OK);
		assert_int_equal(split_envelope(root, &u, &len), SPLIT_OK);
		assert_int_equal(len, 2);
		for (size_t k = 0; k < len; k++) {
			assert_string_equal(u[k].account, want);
			assert_string_equal(u[k].field, want);
			assert_string_equal(u[k].number, want);
			assert_int_equal(u[k].time != NULL, table[i].kept);
		}
		free(u);
		cJSON_Delete(root);
	}
}

/* A time is no tree. */
static void a_time_is_a_number_or_a_text(void **state)
{
	static const struct {
		const char *time;
		bool kept;
	} table[] = {
		{"5", true}, {"\"5\"", true}, {"\"\"", false}, {"{\"a\":[1]}", false}, {"[1]", false}, {"null", false}};
	char body[128];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct split_update *u = NULL;
		size_t len = 0;
		cJSON *root = NULL;

		(void)snprintf(body, sizeof(body), "{\"entry\":[{\"time\":%s,\"changes\":[{}]}]}", table[i].time);
		assert_int_equal(split_parse((const uint8_t *)body, strlen(body), &root), SPLIT_OK);
		assert_int_equal(split_envelope(root, &u, &len), SPLIT_OK);
		assert_int_equal(len, 1);
		assert_int_equal(u[0].time != NULL, table[i].kept);
		free(u);
		cJSON_Delete(root);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provider_samples),
		cmocka_unit_test(own_bodies),
		cmocka_unit_test(mixed_entries),
		cmocka_unit_test(a_number_of_a_wrong_type_is_none_of_ours),
		cmocka_unit_test(what_many_share_is_bounded),
		cmocka_unit_test(a_time_is_a_number_or_a_text),
		cmocka_unit_test(many),
		cmocka_unit_test(deep),
		cmocka_unit_test(nul_bytes),
		cmocka_unit_test(every_node_replaced),
		cmocka_unit_test(every_prefix),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
