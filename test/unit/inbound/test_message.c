/* Reading a message: who, what, when; what an error text keeps; by what an update is known again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/message.h"
#include "gateway/inbound/scene.h"
#include "gateway/inbound/seen.h"
#include "gateway/json.h"

static cJSON *parse(const char *text)
{
	cJSON *json = json_parse(text, strlen(text));

	if (json == NULL)
		fail_msg("not JSON: %s", text);
	return json;
}

static void same_text(const char *got, const char *want, const char *where)
{
	if ((got == NULL) != (want == NULL) || (got != NULL && strcmp(got, want) != 0))
		fail_msg("%s: got %s, want %s", where, got == NULL ? "NULL" : got, want == NULL ? "NULL" : want);
}

static void questions(void **state)
{
	static const struct {
		const char *json, *question;
	} table[] = {
		{"{\"type\":\"text\",\"text\":{\"body\":\"hi\"}}", "hi"},
		{"{\"type\":\"text\",\"text\":{\"body\":\"\"}}", NULL},
		{"{\"type\":\"text\",\"text\":\"hi\"}", NULL},
		{"{\"type\":\"text\",\"group_id\":\"g\",\"text\":{\"body\":\"hi\"}}", NULL},
		{"{\"type\":\"text\",\"group_id\":null,\"text\":{\"body\":\"hi\"}}", NULL},
		{"{\"type\":\"button\",\"button\":{\"text\":\"Yes\",\"payload\":\"p\"}}", "Yes"},
		{"{\"type\":\"interactive\",\"interactive\":{\"type\":\"button_reply\",\"button_reply\":{\"id\":\"1\","
		 "\"title\":\"Buy\"}}}",
			"Buy"},
		{"{\"type\":\"interactive\",\"interactive\":{\"type\":\"list_reply\",\"list_reply\":{\"id\":\"1\","
		 "\"title\":\"Row\"}}}",
			"Row"},
		{"{\"type\":\"interactive\",\"interactive\":{\"type\":\"nfm_reply\",\"nfm_reply\":{\"title\":\"no\"}}}",
			NULL},
		{"{\"type\":\"interactive\",\"interactive\":{\"type\":\"call_permission_reply\"}}", NULL},
		{"{\"type\":\"interactive\"}", NULL},
		{"{\"type\":\"image\",\"text\":{\"body\":\"hi\"}}", NULL},
		{"{\"type\":\"system\",\"system\":{\"body\":\"hi\"},\"text\":{\"body\":\"hi\"}}", NULL},
		{"{\"type\":\"reaction\",\"reaction\":{\"emoji\":\"x\"}}", NULL},
		{"{\"type\":\"edit\",\"edit\":{\"message\":{\"type\":\"text\",\"text\":{\"body\":\"hi\"}}}}", NULL},
		{"{\"type\":5,\"text\":{\"body\":\"hi\"}}", NULL},
		{"{\"text\":{\"body\":\"hi\"}}", NULL},
		{"[]", NULL},
		{"null", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cJSON *json = parse(table[i].json);

		same_text(message_question(json), table[i].question, table[i].json);
		cJSON_Delete(json);
	}
}

static void customers(void **state)
{
	static const struct {
		const char *message, *contact, *user_id, *phone, *key;
	} table[] = {
		{"{\"from\":\"2348012345678\",\"from_user_id\":\"NG.1\"}", "null", "NG.1", "2348012345678", "NG.1"},
		{"{\"from\":\"2348012345678\"}", "null", NULL, "2348012345678", "2348012345678"},
		{"{\"from\":\"2348012345678\"}", "{\"user_id\":\"NG.1\"}", "NG.1", "2348012345678", "NG.1"},
		{"{\"from_user_id\":\"NG.1\"}", "{\"user_id\":\"NG.2\",\"wa_id\":\"2348012345678\"}", "NG.1",
			"2348012345678", "NG.1"},
		{"{\"from_user_id\":\"NG.1\"}", "null", "NG.1", NULL, "NG.1"},
		{"{}", "{\"wa_id\":\"2348012345678\"}", NULL, "2348012345678", "2348012345678"},
		{"{\"from\":\"<PHONE>\"}", "null", NULL, NULL, "<PHONE>"},
		{"{\"from\":\"+2348012345678\"}", "null", NULL, NULL, "+2348012345678"},
		{"{\"from\":\"123456789012345678901\"}", "null", NULL, NULL, "123456789012345678901"},
		{"{\"from\":2348012345678}", "null", NULL, NULL, ""},
		{"{\"from\":\"\",\"from_user_id\":\"\"}", "null", NULL, NULL, ""},
		{"{}", "null", NULL, NULL, ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cJSON *message = parse(table[i].message), *contact = parse(table[i].contact);
		struct message_customer who = message_customer(message, contact);

		same_text(who.user_id, table[i].user_id, table[i].message);
		same_text(who.phone, table[i].phone, table[i].message);
		same_text(who.key, table[i].key, table[i].message);
		cJSON_Delete(message);
		cJSON_Delete(contact);
	}
}

static void times(void **state)
{
	static const struct {
		const char *json;
		int64_t want;
	} table[] = {
		{"{\"timestamp\":\"1700000000\"}", 1700000000000},
		{"{\"timestamp\":1700000000}", 1700000000000},
		{"{\"timestamp\":\"\"}", 7},
		{"{\"timestamp\":\"-5\"}", 7},
		{"{\"timestamp\":\"17e8\"}", 7},
		{"{\"timestamp\":\"99999999999999999999999999999999\"}", 7},
		{"{\"timestamp\":1e300}", 7},
		{"{\"timestamp\":-1}", 7},
		{"{\"timestamp\":null}", 7},
		{"{\"timestamp\":[\"1700000000\"]}", 7},
		{"{}", 7},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cJSON *json = parse(table[i].json);

		assert_int_equal(message_written_at(json, 7), table[i].want);
		cJSON_Delete(json);
	}
}

static void reasons(void **state)
{
	static const struct {
		const char *text, *want;
	} table[] = {
		{"Re-engagement message", "Re-engagement message"},
		{"code 131047 after 24 hours", "code 131047 after 24 hours"},
		{"no user 2348012345678 here", "no user *** here"},
		{"no user +234 801-234-5678.", "no user +***."},
		{"US.13491208655302741918", "US.***"},
		{"message wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI= failed", "message *** failed"},
		{"", ""},
	};
	char out[64], tiny[4];
	char longest[5000];

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		message_reason(out, sizeof(out), table[i].text);
		same_text(out, table[i].want, table[i].text);
	}
	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	message_reason(out, sizeof(out), longest);
	assert_int_equal(strlen(out), sizeof(out) - 1);
	message_text_cut(tiny, sizeof(tiny), "ab\xe2\x82\xa6");
	same_text(tiny, "ab", "cut before the character");
	message_text_cut(tiny, sizeof(tiny), "\xe2\x82\xa6");
	same_text(tiny, "\xe2\x82\xa6", "fits");
}

static void contacts_are_matched(void **state)
{
	static const char list[] =
		"[7,{\"wa_id\":\"111111\",\"user_id\":\"A\"},{\"wa_id\":\"222222\",\"user_id\":\"B\"},"
		"{\"wa_id\":333333}]";
	static const struct {
		const char *message;
		int contact; /* index in list, -1: none */
	} table[] = {
		{"{\"from\":\"222222\"}", 2},
		{"{\"from\":\"111111\",\"from_user_id\":\"B\"}", 2}, /* the user id counts first */
		{"{\"from\":\"111111\",\"from_user_id\":\"Z\"}", 1},
		{"{\"from_user_id\":\"A\"}", 1},
		{"{\"from\":\"444444\"}", -1},
		{"{\"from\":\"333333\"}", -1},
		{"{}", -1},
	};
	struct split_update u = {.field = "messages"};
	struct scene scene = {.contacts = NULL};
	cJSON *contacts = parse(list), *one = parse("[{\"user_id\":\"A\"}]"), *nobody = parse("{}");

	(void)state;
	u.contacts = contacts;
	assert_true(scene_set(&scene, &u));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cJSON *message = parse(table[i].message);
		const cJSON *want = table[i].contact < 0 ? NULL : cJSON_GetArrayItem(contacts, table[i].contact);

		assert_ptr_equal(scene_contact(&scene, message), want);
		cJSON_Delete(message);
	}
	u.contacts = one;
	assert_true(scene_set(&scene, &u));
	assert_ptr_equal(scene_contact(&scene, nobody), one->child);
	scene_clear(&scene);
	cJSON_Delete(contacts);
	cJSON_Delete(one);
	cJSON_Delete(nobody);
}

static void content_is_bounded(void **state)
{
	char metadata[3 * SCENE_METADATA_LEN], contact[3 * SCENE_CONTACT_LEN];
	struct split_update u = {.field = "messages"};
	struct scene scene = {.contacts = NULL};
	cJSON *message = parse("{\"id\":\"1\"}"), *small = parse("{\"a\":1}"), *big_metadata;
	cJSON *contacts = parse("[{\"a\":1},{}]");
	char *content;

	(void)state;
	memset(metadata, 'x', sizeof(metadata));
	metadata[sizeof(metadata) - 1] = '\0';
	memset(contact, 'x', sizeof(contact));
	contact[sizeof(contact) - 1] = '\0';
	big_metadata = cJSON_CreateString(metadata);
	assert_non_null(cJSON_AddStringToObject(cJSON_GetArrayItem(contacts, 1), "a", contact));

	u.metadata = small;
	u.contacts = contacts;
	assert_true(scene_set(&scene, &u));
	content = scene_content(&scene, message, cJSON_GetArrayItem(contacts, 0));
	same_text(content, "{\"message\":{\"id\":\"1\"},\"contact\":{\"a\":1},\"metadata\":{\"a\":1}}", "small");
	free(content);
	u.metadata = big_metadata;
	assert_true(scene_set(&scene, &u));
	content = scene_content(&scene, message, cJSON_GetArrayItem(contacts, 1));
	same_text(content, "{\"message\":{\"id\":\"1\"},\"contact\":null,\"metadata\":null}", "big");
	free(content);
	scene_clear(&scene);
	cJSON_Delete(message);
	cJSON_Delete(small);
	cJSON_Delete(big_metadata);
	cJSON_Delete(contacts);
}

/* A list with its name in place of %s. */
static void replace(char *out, size_t room, const char *list, const char *name)
{
	const char *at = strstr(list, "%s");

	assert_true((size_t)snprintf(out, room, "%.*s%s%s", (int)(at - list), list, name, at + 2) < room);
}

/* Else every message of its body would cost its length again. */
static void a_long_contact_is_nobody(void **state)
{
	static const char *const lists[] = {"[{\"user_id\":\"%s\"}]", "[{\"wa_id\":\"%s\"}]",
		"[{\"wa_id\":\"1\",\"%s\":0}]", "[{\"wa_id\":\"%s\"},{\"wa_id\":\"2\"}]"};
	static char name[SCENE_CONTACT_LEN + 1], text[2 * SCENE_CONTACT_LEN];
	cJSON *nobody = parse("{}"), *from = parse("{\"from\":\"1\"}");

	(void)state;
	memset(name, '7', sizeof(name) - 1);
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		struct scene scene = {.contacts = NULL};
		struct split_update u = {.field = "messages"};
		cJSON *contacts;

		replace(text, sizeof(text), lists[i], name);
		contacts = parse(text);
		u.contacts = contacts;
		assert_true(scene_set(&scene, &u));
		assert_null(scene_contact(&scene, nobody));
		assert_null(scene_contact(&scene, from));
		scene_clear(&scene);
		cJSON_Delete(contacts);
	}
	cJSON_Delete(nobody);
	cJSON_Delete(from);
}

static void seen_texts(void **state)
{
	static const struct {
		enum store_update_kind kind;
		const char *item, *want;
	} table[] = {
		{STORE_UPDATE_ECHO, "{\"id\":\"wamid.1\"}", "e:wamid.1"},
		{STORE_UPDATE_STATUS, "{\"id\":\"wamid.1\",\"status\":\"read\"}", "s:wamid.1:read:"},
		{STORE_UPDATE_STATUS, "{\"id\":\"wamid.1\",\"status\":\"read\",\"recipient_participant_id\":\"7\"}",
			"s:wamid.1:read:7"},
		{STORE_UPDATE_STATUS,
			"{\"id\":\"wamid.1\",\"status\":\"read\",\"recipient_participant_user_id\":\"U\"}",
			"s:wamid.1:read:U"},
		{STORE_UPDATE_STATUS,
			"{\"id\":\"wamid.1\",\"status\":\"read\",\"recipient_participant_parent_user_id\":\"P\"}",
			"s:wamid.1:read:P"},
		{STORE_UPDATE_STATUS, "{\"id\":\"wamid.1\"}", "o:9 5 f {\"id\":\"wamid.1\"}"},
		{STORE_UPDATE_OTHER, "{\"id\":\"wamid.1\"}", "o:9 5 f {\"id\":\"wamid.1\"}"},
		{STORE_UPDATE_MESSAGE, "{\"type\":\"text\"}", "o:9 5 f {\"type\":\"text\"}"},
		{STORE_UPDATE_MESSAGE, "{\"id\":\"\"}", "o:9 5 f {\"id\":\"\"}"},
		{STORE_UPDATE_ECHO, "{\"id\":\"\"}", "o:9 5 f {\"id\":\"\"}"},
		{STORE_UPDATE_OTHER, "null", "o:9 5 f null"},
	};
	cJSON *time = parse("5");

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		cJSON *item = parse(table[i].item);
		struct split_update u = {
			.kind = table[i].kind, .field = "f", .account = "9", .time = time, .item = item};
		char *text = seen_text(&u);

		same_text(text, table[i].want, table[i].item);
		free(text);
		cJSON_Delete(item);
	}
	cJSON_Delete(time);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(questions),
		cmocka_unit_test(customers),
		cmocka_unit_test(times),
		cmocka_unit_test(reasons),
		cmocka_unit_test(contacts_are_matched),
		cmocka_unit_test(content_is_bounded),
		cmocka_unit_test(a_long_contact_is_nobody),
		cmocka_unit_test(seen_texts),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
