/*
 * When a customer was last heard of: under all names of his conversation, from what is looked at and no further; and
 * what was learnt of a number's limit.
 */
#include "test/unit/store/helper.h"

#define HOUR INT64_C(3600000)

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static const uint8_t *conversation_of(uint8_t c)
{
	static uint8_t conversation[STORE_INDEX_LEN];

	memset(conversation, 0, sizeof(conversation));
	conversation[0] = c;
	return conversation;
}

static struct store_heard heard_of(struct store *s, uint8_t c)
{
	struct store_heard heard = {.at = -1};

	assert_int_equal(store_conversation_heard(s, "one", conversation_of(c), INT64_MAX, &heard), STORE_OK);
	return heard;
}

/* One of the customer's, that came in at that time. */
static struct store_message wrote(struct store *s, uint8_t c, int64_t at, const char *type)
{
	struct store_message m = message("one", CONNECTION_ONE, c);
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};

	(void)snprintf(m.type, sizeof(m.type), "%s", type);
	m.created_at = at;
	settle_one(s, "one", CONNECTION_ONE, u);
	return m;
}

static void joined(struct store *s, uint8_t a, uint8_t b)
{
	struct store_update u = {
		.kind = STORE_UPDATE_OTHER, .verdict = STORE_UPDATE_DELIVERED, .names = {{a}, {b}}, .names_len = 2};

	settle_one(s, "one", CONNECTION_ONE, u);
}

static void rang(struct store *s, uint8_t c, int64_t at)
{
	struct store_update u = {.kind = STORE_UPDATE_OTHER,
		.verdict = STORE_UPDATE_DELIVERED,
		.field = "calls",
		.names = {{c}},
		.names_len = 1,
		.called_at = at};

	settle_one(s, "one", CONNECTION_ONE, u);
}

static void test_the_newest_of_his(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();
	struct store_heard heard;

	assert_int_equal(heard_of(s, 1).at, 0);
	assert_true(heard_of(s, 1).all);
	assert_false(heard_of(s, 1).unsettled);
	wrote(s, 1, now - 30 * HOUR, "text");
	wrote(s, 1, now - 40 * HOUR, "image"); /* it came later, and is older */
	wrote(s, 1, now - HOUR, "system");
	(void)queue(s, "one", CONNECTION_ONE, 1, 0);
	wrote(s, 2, now, "text");
	assert_int_equal(heard_of(s, 1).at, now - 30 * HOUR);
	/* nothing further back, once it is enough */
	assert_int_equal(store_conversation_heard(s, "one", conversation_of(1), now - 41 * HOUR, &heard), STORE_OK);
	assert_int_equal(heard.at, now - 40 * HOUR);
	assert_int_equal(store_conversation_heard(s, "one", conversation_of(1), now - 35 * HOUR, &heard), STORE_OK);
	assert_int_equal(heard.at, now - 30 * HOUR);
	assert_int_equal(heard_of(s, 2).at, now);
}

static void test_all_names(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();

	wrote(s, 1, now - 30 * HOUR, "text");
	wrote(s, 2, now - 20 * HOUR, "text");
	joined(s, 1, 2);
	assert_int_equal(heard_of(s, 1).at, now - 20 * HOUR);
	assert_int_equal(heard_of(s, 2).at, now - 20 * HOUR);
	/* a call is kept, and goes along when its conversation goes under another name */
	rang(s, 3, now - 10 * HOUR);
	rang(s, 3, now - 11 * HOUR);
	assert_int_equal(heard_of(s, 3).at, now - 10 * HOUR);
	joined(s, 2, 3);
	assert_int_equal(heard_of(s, 1).at, now - 10 * HOUR);
	/* more names than are looked at */
	assert_true(heard_of(s, 1).all);
	for (uint8_t c = 4; c < 4 + STORE_HEARD_NAMES; c++)
		joined(s, 1, c);
	assert_false(heard_of(s, 1).all);
}

static void test_no_further_than_so_many_rows(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();

	wrote(s, 1, now - 30 * HOUR, "text");
	for (unsigned i = 0; i < STORE_HEARD_ROWS - 1; i++)
		(void)queue(s, "one", CONNECTION_ONE, 1, 0);
	assert_int_equal(heard_of(s, 1).at, now - 30 * HOUR);
	assert_true(heard_of(s, 1).all);
	(void)queue(s, "one", CONNECTION_ONE, 1, 0);
	assert_int_equal(heard_of(s, 1).at, 0);
	assert_false(heard_of(s, 1).all);
}

static void test_what_waits_to_be_settled(void **state)
{
	struct store *s = store_of(state);
	char event[STORE_ID_LEN + 1];

	add_event(s, event);
	assert_true(heard_of(s, 1).unsettled);
	assert_int_equal(store_event_settle(s, "one", event, STORE_EVENT_SETTLED, NULL, 0, NULL), STORE_OK);
	assert_false(heard_of(s, 1).unsettled);
}

static void test_what_he_wrote_since(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();
	struct store_message first, second;
	struct seen seen = {.len = 0};

	wrote(s, 1, now - 50 * HOUR, "text");
	first = wrote(s, 1, now - 30 * HOUR, "text");
	wrote(s, 1, now - 29 * HOUR, "system");
	(void)queue(s, "one", CONNECTION_ONE, 1, 0);
	second = wrote(s, 1, now - 28 * HOUR, "image");
	assert_int_equal(
		store_conversation_wrote(s, "one", conversation_of(1), now - 40 * HOUR, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], second.id);
	assert_string_equal(seen.ids[1], first.id);
	for (unsigned i = 2; i < STORE_HEARD_MESSAGES; i++)
		wrote(s, 1, now - 27 * HOUR, "text");
	seen.len = 0;
	assert_int_equal(
		store_conversation_wrote(s, "one", conversation_of(1), now - 40 * HOUR, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, STORE_HEARD_MESSAGES);
	wrote(s, 1, now - 27 * HOUR, "text");
	seen.len = 0;
	assert_int_equal(store_conversation_wrote(s, "one", conversation_of(1), now - 40 * HOUR, see_message, &seen),
		STORE_TOO_MANY);
	assert_int_equal(seen.len, STORE_HEARD_MESSAGES);
}

/* ------------------------------------------------------------ the switch, and a number's limit */

static void test_the_check_is_switched(void **state)
{
	struct store *s = store_of(state);
	struct store_business b;

	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_true(b.window_checked);
	assert_int_equal(store_business_change(s, "one", NULL, 0, STORE_OFF), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_false(b.window_checked);
	assert_int_equal(store_business_change(s, "one", "Renamed", 0, 0), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_false(b.window_checked);
	assert_int_equal(store_business_change(s, "one", NULL, 0, STORE_ON), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_true(b.window_checked);
	assert_int_equal(store_business_change(s, "one", NULL, 0, 3), STORE_INVALID);
}

static unsigned mps_of(struct store *s)
{
	struct store_connection c;
	struct store_lane lane;

	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	assert_int_equal(store_outbox_lane(s, CONNECTION_ONE, &lane), STORE_OK);
	assert_int_equal(lane.mps, c.mps);
	return c.mps;
}

static void told(struct store *s, unsigned mps, bool guessed, int64_t at)
{
	const struct store_notice n = {
		.connection_id = CONNECTION_ONE, .at = at, .until = at, .mps = mps, .guessed = guessed};
	struct store_update u = {
		.kind = STORE_UPDATE_OTHER, .verdict = STORE_UPDATE_DELIVERED, .notices = &n, .notices_len = 1};

	settle_one(s, "one", CONNECTION_ONE, u);
}

static bool note_due(const char *business_id, const char *connection_id, void *arg)
{
	(void)business_id;
	*(bool *)arg = *(bool *)arg || strcmp(connection_id, CONNECTION_ONE) == 0;
	return true;
}

static bool is_due(struct store *s)
{
	bool due = false;

	assert_int_equal(store_health_due(s, store_now_ms(), 10, note_due, &due), STORE_OK);
	return due;
}

static void test_a_numbers_limit(void **state)
{
	struct store *s = store_of(state);
	const int64_t now = store_now_ms();
	const struct store_connection_facts asked = {.looked_at = now - 1000};

	assert_int_equal(mps_of(s), 0);
	assert_int_equal(store_connection_mps_set(s, "one", CONNECTION_ONE, 80), STORE_OK);
	assert_int_equal(store_connection_mps_set(s, "one", CONNECTION_ONE, 80), STORE_STALE);
	assert_int_equal(mps_of(s), 80);
	assert_int_equal(store_connection_mps_set(s, "two", CONNECTION_ONE, 20), STORE_NOT_FOUND);
	assert_int_equal(store_connection_mps_set(s, "one", CONNECTION_ONE, STORE_MPS_MAX + 1), STORE_INVALID);

	/* a guess does not count where the provider said it, and costs no question then */
	told(s, 20, true, now);
	assert_int_equal(mps_of(s), 80);
	assert_false(is_due(s));
	/* nor does what was told before it was asked */
	assert_int_equal(store_connection_facts_put(s, "one", CONNECTION_ONE, &asked), STORE_OK);
	told(s, 1000, false, now - 5000);
	assert_int_equal(mps_of(s), 80);
	told(s, 1000, false, now);
	assert_int_equal(mps_of(s), 1000);

	assert_int_equal(store_health_next(s, "one", CONNECTION_ONE, now + 100 * HOUR), STORE_OK);
	assert_int_equal(store_connection_mps_set(s, "one", CONNECTION_ONE, 0), STORE_OK);
	told(s, 20, true, now);
	assert_int_equal(mps_of(s), 20);
}

static void test_a_guess_is_looked_into(void **state)
{
	struct store *s = store_of(state);

	assert_false(is_due(s));
	told(s, 20, true, store_now_ms());
	assert_int_equal(mps_of(s), 20);
	assert_true(is_due(s));
}

/* ------------------------------------------------------------ letters */

static bool end_dead(const struct store_message *m, void *arg)
{
	const struct store_outcome o = {.business_id = m->business_id,
		.message_id = m->id,
		.attempt = m->attempts,
		.to = STORE_MESSAGE_DEAD,
		.reason = "why"};

	assert_int_equal(store_outbox_settle(arg, &o), STORE_OK);
	return true;
}

static size_t listed(struct store *s, enum store_switch discarded)
{
	const struct store_message_filter filter = {.state = STORE_MESSAGE_DEAD, .discarded = discarded};
	const struct store_page page = {.limit = 10}, forth = {.limit = 10, .ascending = true};
	struct seen seen = {.len = 0}, again = {.len = 0};

	assert_int_equal(store_message_list(s, "one", &filter, &page, see_message, &seen), STORE_OK);
	assert_int_equal(store_message_list(s, "one", &filter, &forth, see_message, &again), STORE_OK);
	assert_int_equal(seen.len, again.len);
	return seen.len;
}

static void test_what_replaces_a_letter(void **state)
{
	struct store *s = store_of(state);
	struct store_message dead = queue(s, "one", CONNECTION_ONE, 1, 0), again = outbound("one", CONNECTION_ONE, 1);

	again.replaces = dead.id;
	assert_int_equal(store_message_queue(s, &again, NULL), STORE_STALE); /* it waits itself */
	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, end_dead, s), STORE_OK);
	assert_int_equal(listed(s, STORE_OFF), 1);
	again.replaces = "none";
	assert_int_equal(store_message_queue(s, &again, NULL), STORE_NOT_FOUND);
	again.replaces = dead.id;
	assert_int_equal(store_message_queue(s, &again, NULL), STORE_OK);
	assert_int_equal(listed(s, STORE_OFF), 0);
	assert_int_equal(listed(s, STORE_ON), 1);
	assert_int_equal(listed(s, 0), 1);
	store_id_new(again.id);
	assert_int_equal(store_message_queue(s, &again, NULL), STORE_STALE);
	assert_int_equal(store_message_discard(s, "one", dead.id), STORE_STALE);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_newest_of_his),
		TEST(test_all_names),
		TEST(test_no_further_than_so_many_rows),
		TEST(test_what_waits_to_be_settled),
		TEST(test_what_he_wrote_since),
		TEST(test_the_check_is_switched),
		TEST(test_a_numbers_limit),
		TEST(test_a_guess_is_looked_into),
		TEST(test_what_replaces_a_letter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
