/* What an update is, in a word or two; to what a message is related; whom it is about, and who answers him. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/finding.h"
#include "gateway/inbound/account.h"
#include "gateway/inbound/customer.h"
#include "gateway/inbound/kinds.h"
#include "gateway/json.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* The updates of one change. */
struct change {
	cJSON *root;
	struct split_update *updates;
	size_t len;
};

static struct change change_of(const char *field, const char *value)
{
	struct change c = {.len = 0};
	size_t room = strlen(field) + strlen(value) + 100;
	char *body = malloc(room);

	assert_non_null(body);
	(void)snprintf(
		body, room, "{\"entry\":[{\"id\":\"1\",\"changes\":[{\"field\":\"%s\",\"value\":%s}]}]}", field, value);
	assert_int_equal(split_parse((const uint8_t *)body, strlen(body), &c.root), SPLIT_OK);
	assert_int_equal(split_envelope(c.root, &c.updates, &c.len), SPLIT_OK);
	free(body);
	return c;
}

static void change_end(struct change *c)
{
	free(c->updates);
	cJSON_Delete(c->root);
}

/* ------------------------------------------------------------ what */

#define MESSAGE(type, more) "{\"messages\":[{\"type\":\"" type "\"" more "}]}"
#define ECHO(type, more) "{\"message_echoes\":[{\"type\":\"" type "\"" more "}]}"
#define EVENT(word) "{\"event\":\"" word "\"}"

static const struct {
	const char *field, *value, *what;
} table[] = {
	{"messages", MESSAGE("text", ""), "messages/text"},
	{"messages", MESSAGE("image", ""), "messages/image"},
	{"messages", MESSAGE("order", ""), "messages/order"},
	{"messages", MESSAGE("button", ""), "messages/button"},
	{"messages", MESSAGE("interactive", ""), "messages/interactive"},
	{"messages", MESSAGE("interactive", ",\"interactive\":{\"type\":\"nfm_reply\"}"),
		"messages/interactive-nfm_reply"},
	{"messages", MESSAGE("reaction", ",\"reaction\":{\"message_id\":\"w\",\"emoji\":\"x\"}"), "messages/reaction"},
	{"messages", MESSAGE("reaction", ",\"reaction\":{\"message_id\":\"w\",\"emoji\":\"\"}"),
		"messages/reaction_removed"},
	{"messages", MESSAGE("reaction", ",\"reaction\":{\"message_id\":\"w\"}"), "messages/reaction_removed"},
	{"messages", MESSAGE("edit", ""), "messages/edit"},
	{"messages", MESSAGE("revoke", ""), "messages/revoke"},
	{"messages", MESSAGE("unsupported", ",\"unsupported\":{\"type\":\"poll_creation\"}"),
		"messages/unsupported-poll_creation"},
	{"messages", MESSAGE("system", ",\"system\":{\"type\":\"user_changed_number\"}"),
		"messages/system-user_changed_number"},
	{"messages", MESSAGE("request_welcome", ""), "messages/request_welcome"},
	{"messages", MESSAGE("hologram", ""), "messages/hologram"}, /* nobody knows it yet */
	{"messages", "{\"messages\":[{}]}", "messages"},
	{"messages", "{\"messages\":[{\"type\":7}]}", "messages"},
	{"messages", "{\"errors\":[{}]}", "messages/errors"},
	{"messages", "{\"user_actions\":[{\"action_type\":\"marketing_messages_link_click\"}]}",
		"user_actions/marketing_messages_link_click"},
	{"messages", "{}", "messages"},
	{"messages", "{\"statuses\":[{\"status\":\"played\"}]}", "statuses/played"},
	{"messages", "{\"statuses\":[{}]}", "statuses"},
	{"standby", "{\"standby\":" MESSAGE("text", "") "}", "standby/text"},
	{"standby", "{\"standby\":" ECHO("template", "") "}", "standby_echoes/template"},
	{"standby", "{\"statuses\":[{\"status\":\"sent\"}]}", "statuses/sent"},
	{"smb_message_echoes", ECHO("revoke", ""), "echoes/revoke"},
	{"message_echoes", ECHO("text", ""), "echoes/text"},
	{"messaging_handovers", "{\"type\":\"control_taken\"}", "handover/control_taken"},
	{"history", "{\"history\":[{\"metadata\":{\"phase\":1,\"chunk_order\":3,\"progress\":40}}]}",
		"history/phase 1, chunk 3, 40 %"},
	{"history", "{\"history\":[{\"errors\":[{\"code\":2593109}]}]}", "history/declined"},
	{"history", "{\"history\":[{\"errors\":[{\"code\":1}]}]}", "history/error"},
	{"history", "{\"messages\":[{\"type\":\"image\"}]}", "history/media"},
	{"history", "{\"history\":7}", "history"},
	{"smb_app_state_sync", "{\"state_sync\":[{\"action\":\"add\"},{\"action\":\"remove\"},{\"action\":\"add\"},7]}",
		"smb_app_state_sync/2 added, 1 removed"},
	{"account_update", EVENT("ACCOUNT_RESTRICTION"), "account_update/ACCOUNT_RESTRICTION"},
	{"account_update", EVENT("BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE"),
		"account_update/BUSINESS_PRIMARY_LOCATION_COUNTRY_UPDATE"},
	{"account_alerts", "{\"alert_info\":{\"alert_type\":\"X_Y\"}}", "account_alerts/X_Y"},
	{"account_review_update", "{\"decision\":\"REJECTED\"}", "account_review_update/REJECTED"},
	{"account_settings_update", "{\"type\":\"phone_number_settings\"}",
		"account_settings_update/phone_number_settings"},
	{"automatic_events", "{\"automatic_events\":[{\"event_name\":\"LeadSubmitted\"}]}",
		"automatic_events/LeadSubmitted"},
	{"business_capability_update", "{\"max_phone_numbers_per_waba\":25}", "business_capability_update"},
	{"business_username_update", "{\"status\":\"approved\"}", "business_username_update/approved"},
	{"business_username_updates", "{\"status\":\"approved\"}", "business_username_update/approved"},
	{"calls", "{\"calls\":[{\"event\":\"connect\"}]}", "calls/connect"},
	{"calls", "{\"statuses\":[{\"status\":\"RINGING\"}]}", "calls/RINGING"},
	{"consumer_profile", "{}", "consumer_profile"},
	{"flows", EVENT("FLOW_STATUS_CHANGE"), "flows/FLOW_STATUS_CHANGE"},
	{"group_lifecycle_update", "{\"groups\":[{\"type\":\"group_create\"}]}", "group_lifecycle_update/group_create"},
	{"group_participants_update", "{\"groups\":[{\"type\":\"x\"}]}", "group_participants_update/x"},
	{"group_participant_update", "{\"groups\":[{\"type\":\"x\"}]}", "group_participants_update/x"},
	{"group_settings_update", "{\"groups\":[{\"type\":\"x\"}]}", "group_settings_update/x"},
	{"group_status_update", "{\"groups\":[{\"type\":\"x\"}]}", "group_status_update/x"},
	{"message_template_components_update", "{}", "template_components"},
	{"message_template_quality_update", "{\"new_quality_score\":\"RED\"}", "template_quality/RED"},
	{"message_template_status_update", EVENT("REJECTED"), "template/REJECTED"},
	{"template_category_update", "{\"new_category\":\"UTILITY\"}", "template_category/UTILITY"},
	{"template_correct_category_detection", "{\"correct_category\":\"UTILITY\"}", "template_category/UTILITY"},
	{"partner_solutions", EVENT("SOLUTION_CREATED"), "partner_solutions/SOLUTION_CREATED"},
	{"payment_configuration_update", "{\"status\":\"Needs Testing\"}",
		"payment_configuration_update/Needs_Testing"},
	{"phone_number_name_update", "{\"decision\":\"APPROVED\"}", "phone_number_name_update/APPROVED"},
	{"phone_number_quality_update", EVENT("FLAGGED"), "phone_number_quality_update/FLAGGED"},
	{"security", EVENT("PIN_CHANGED"), "security/PIN_CHANGED"},
	{"tracking_events", "{}", "tracking_events"},
	{"user_id_update", "{\"user_id_update\":[{}]}", "user_id_update"},
	{"user_preferences", "{\"user_preferences\":[{\"value\":\"stop\"}]}", "user_preferences/stop"},
	{"field_of_next_year", "{\"event\":\"X\"}", "field_of_next_year"},
	{"field_of_next_year", "{\"messages\":[{}]}", "field_of_next_year/messages"},
	/* Nothing of a customer's, whatever is signed. */
	{"messages", MESSAGE("16505551234", ""), "messages/1650"},
	{"messages", MESSAGE("wamid.HBgLMTY0NjcwNDM1OTUV", ""), "messages/wamid"},
	{"security", EVENT("Ada <b>\\n"), "security/Ada_"},
	{"16505551234", "{}", "1650"},
	{"account_update", EVENT("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
		"account_update/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},
};

static void every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(table); i++) {
		struct change c = change_of(table[i].field, table[i].value);
		char what[STORE_WHAT_LEN + 1];

		assert_int_equal(c.len, 1);
		kinds_what(&c.updates[0], what);
		if (strcmp(what, table[i].what) != 0)
			fail_msg("%s %s: %s", table[i].field, table[i].value, what);
		change_end(&c);
	}
}

/* ------------------------------------------------------------ relations */

static void relations(void **state)
{
	static const struct {
		const char *message;
		enum store_relation relation;
		const char *wamid;
	} rows[] = {
		{"{\"type\":\"edit\",\"edit\":{\"original_message_id\":\"w1\"}}", STORE_EDITS, "w1"},
		{"{\"type\":\"revoke\",\"revoke\":{\"original_message_id\":\"w1\"}}", STORE_REVOKES, "w1"},
		{"{\"type\":\"reaction\",\"reaction\":{\"message_id\":\"w1\",\"emoji\":\"x\"}}", STORE_REACTS, "w1"},
		{"{\"type\":\"reaction\",\"reaction\":{\"message_id\":\"w1\",\"emoji\":\"\"}}", STORE_UNREACTS, "w1"},
		{"{\"type\":\"reaction\",\"reaction\":{\"message_id\":\"w1\"}}", STORE_UNREACTS, "w1"},
		{"{\"type\":\"reaction\",\"reaction\":{\"message_id\":\"\",\"emoji\":\"x\"}}", STORE_NO_RELATION, NULL},
		{"{\"type\":\"reaction\",\"reaction\":{\"message_id\":7}}", STORE_NO_RELATION, NULL},
		{"{\"type\":\"revoke\"}", STORE_NO_RELATION, NULL},
		{"{\"type\":\"text\",\"revoke\":{\"original_message_id\":\"w1\"}}", STORE_NO_RELATION, NULL},
		{"{\"revoke\":{\"original_message_id\":\"w1\"}}", STORE_NO_RELATION, NULL},
		{"7", STORE_NO_RELATION, NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		cJSON *message = json_parse(rows[i].message, strlen(rows[i].message));
		const char *wamid = NULL;

		assert_non_null(message);
		assert_int_equal(kinds_relation(message, &wamid), rows[i].relation);
		if (rows[i].wamid != NULL)
			assert_string_equal(wamid, rows[i].wamid);
		cJSON_Delete(message);
	}
}

/* ------------------------------------------------------------ customers */

#define HANDOVER(role)                                                                                                 \
	"{\"type\":\"control_passed\",\"control_passed\":{\"previous_owner_role\":\"x\",\"new_owner_role\":\"" role    \
	"\"},"                                                                                                         \
	"\"sender\":{\"phone_number\":\"+15557770001\"},\"recipient\":{\"phone_number_id\":\"200\"}}"

static void whom_it_is_about(void **state)
{
	static const struct {
		const char *field, *value, *names;
		int holder;
	} rows[] = {
		{"messages", "{\"messages\":[{\"from\":\"15557770001\",\"from_user_id\":\"US.1\"}]}",
			"US.1 15557770001 ", STORE_HELD_HERE},
		{"messages", "{\"messages\":[{\"from\":\"15557770001\"}]}", "15557770001 ", STORE_HELD_HERE},
		{"messages", "{\"messages\":[{\"from_user_id\":\"US.1\"}]}", "US.1 ", STORE_HELD_HERE},
		{"messages", "{\"messages\":[{}]}", "- ", STORE_HELD_HERE}, /* one conversation of nobody's */
		{"messages",
			"{\"messages\":[{\"from\":\"15557770001\",\"type\":\"system\",\"system\":{\"type\":"
			"\"user_changed_number\",\"wa_id\":\"15557770009\"}}]}",
			"15557770001 15557770009 ", STORE_HELD_HERE},
		{"messages",
			"{\"messages\":[{\"from\":\"15557770001\",\"from_user_id\":\"US.1\",\"system\":{\"user_id\":"
			"\"US.2\"}}]}",
			"US.1 15557770001 US.2 ", STORE_HELD_HERE},
		{"messages", "{\"messages\":[{\"system\":{\"user_id\":\"US.2\"}}]}", "- ", STORE_HELD_HERE},
		{"standby", "{\"messages\":[{\"from\":\"15557770001\"}]}", "15557770001 ", STORE_HELD_ELSEWHERE},
		{"standby", "{\"message_echoes\":[{\"to\":\"15557770001\",\"to_user_id\":\"US.1\"}]}",
			"US.1 15557770001 ", STORE_HELD_ELSEWHERE},
		{"standby", "{\"statuses\":[{\"recipient_id\":\"15557770001\"}]}", "15557770001 ", 0},
		{"smb_message_echoes", "{\"message_echoes\":[{\"to\":\"15557770001\"}]}", "15557770001 ", 0},
		{"smb_message_echoes", "{\"message_echoes\":[{}]}", "- ", 0},
		{"messages", "{\"statuses\":[{\"recipient_id\":\"15557770001\",\"recipient_user_id\":\"US.1\"}]}",
			"US.1 15557770001 ", 0},
		{"messages", "{\"statuses\":[{\"recipient_parent_user_id\":\"US.ENT.1\"}]}", "US.ENT.1 ", 0},
		{"messages", "{\"statuses\":[{\"parent_recipient_user_id\":\"US.ENT.1\"}]}", "US.ENT.1 ", 0},
		{"messages",
			"{\"statuses\":[{\"recipient_type\":\"group\",\"recipient_id\":\"G1\",\"recipient_user_id\":"
			"\"US.1\"}]}",
			"G1 ", 0},
		{"messages", "{\"statuses\":[{}]}", "- ", 0},
		{"user_id_update",
			"{\"user_id_update\":[{\"wa_id\":\"15557770001\",\"user_id\":{\"previous\":\"US.1\","
			"\"current\":\"US.2\"}}]}",
			"US.1 US.2 15557770001 ", 0},
		{"user_id_update", "{\"user_id_update\":[{\"user_id\":7}]}", "", 0},
		{"messaging_handovers", HANDOVER("ai_agent"), "15557770001 ", STORE_HELD_ELSEWHERE},
		{"messaging_handovers", HANDOVER("escalation"), "15557770001 ", STORE_HELD_HERE},
		{"messaging_handovers", "{\"type\":\"control_taken\",\"sender\":{\"phone_number\":\"15557770001\"}}",
			"15557770001 ", 0},
		{"account_update", "{\"user_id\":{\"previous\":\"US.1\"}}", "", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct change c = change_of(rows[i].field, rows[i].value);
		const char *names[STORE_NAMES_MAX];
		size_t len = customer_names(&c.updates[0], NULL, names);
		char said[200] = "";

		for (size_t n = 0; n < len; n++) {
			const size_t at = strlen(said);

			(void)snprintf(said + at, sizeof(said) - at, "%s ", names[n][0] != '\0' ? names[n] : "-");
		}
		if (strcmp(said, rows[i].names) != 0 || (int)customer_holder(&c.updates[0]) != rows[i].holder)
			fail_msg("%s: %s, %d", rows[i].value, said, (int)customer_holder(&c.updates[0]));
		if (strcmp(rows[i].field, "messaging_handovers") == 0 && strstr(rows[i].value, "recipient") != NULL)
			assert_string_equal(c.updates[0].number, "200");
		change_end(&c);
	}
}

/* Calls: as good as a message of his where he began them or took them. */
static void who_rang(void **state)
{
	static const struct {
		const char *field, *value, *name; /* NULL: nobody rang */
	} rows[] = {
		{"calls", "{\"calls\":[{\"from\":\"15557770001\",\"to\":\"15550001111\",\"event\":\"connect\"}]}",
			"15557770001"},
		{"calls",
			"{\"calls\":[{\"from_user_id\":\"US.1\",\"from\":\"15557770001\",\"event\":\"terminate\","
			"\"direction\":\"USER_INITIATED\"}]}",
			"US.1"},
		{"calls",
			"{\"calls\":[{\"from\":\"15550001111\",\"to\":\"15557770001\",\"event\":\"connect\","
			"\"direction\":\"BUSINESS_INITIATED\"}]}",
			"15557770001"},
		{"calls", "{\"statuses\":[{\"recipient_id\":\"15557770001\",\"status\":\"ACCEPTED\"}]}", "15557770001"},
		{"calls", "{\"statuses\":[{\"recipient_id\":\"15557770001\",\"status\":\"RINGING\"}]}", NULL},
		{"messages", "{\"statuses\":[{\"recipient_id\":\"15557770001\",\"status\":\"ACCEPTED\"}]}", NULL},
		{"messages", "{\"messages\":[{\"from\":\"15557770001\"}]}", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct change c = change_of(rows[i].field, rows[i].value);
		const char *names[STORE_NAMES_MAX];
		const bool called = customer_called(&c.updates[0]);

		if (called != (rows[i].name != NULL))
			fail_msg("%s", rows[i].value);
		if (called) {
			assert_true(customer_names(&c.updates[0], NULL, names) > 0);
			assert_string_equal(names[0], rows[i].name);
		}
		change_end(&c);
	}
}

static void a_number_takes_more(void **state)
{
	struct change c = change_of("phone_number_quality_update", EVENT("THROUGHPUT_UPGRADE"));
	struct change other = change_of("phone_number_quality_update", EVENT("ONBOARDING"));
	struct store_notice n;

	(void)state;
	assert_true(account_read(&c.updates[0], 5000, &n));
	assert_int_equal(n.mps, 1000);
	assert_false(n.guessed);
	assert_int_equal(n.finding, FINDING_NONE);
	assert_int_equal(n.at, 5000);
	assert_true(account_read(&other.updates[0], 5000, &n));
	assert_int_equal(n.mps, 0);
	change_end(&c);
	change_end(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(relations),
		cmocka_unit_test(whom_it_is_about),
		cmocka_unit_test(who_rang),
		cmocka_unit_test(a_number_takes_more),
	};

	json_init();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
