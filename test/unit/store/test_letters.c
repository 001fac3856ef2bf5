/*
 * What went wrong, of all businesses: dead letters, quarantined updates and unparsed events,
 * newest first, page by page, and nothing else among them.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

struct list {
	char ids[20][STORE_ID_LEN + 1], businesses[20][STORE_BUSINESS_ID_LEN + 1], reasons[20][STORE_TEXT_LEN + 1];
	enum store_message_state states[20];
	size_t len;
};

static void note(struct list *l, const char *id, const char *business, const char *name, const char *reason)
{
	assert_true(l->len < 20);
	assert_string_equal(name, "A shop");
	(void)snprintf(l->ids[l->len], sizeof(l->ids[0]), "%s", id);
	(void)snprintf(l->businesses[l->len], sizeof(l->businesses[0]), "%s", business);
	(void)snprintf(l->reasons[l->len++], sizeof(l->reasons[0]), "%s", reason);
}

static bool see_letter(const struct store_letter *m, void *arg)
{
	struct list *l = arg;

	l->states[l->len] = m->state;
	assert_string_equal(m->type, "text");
	assert_int_equal(m->error_code, 5);
	assert_int_equal(m->attempts, 1);
	assert_true(m->created_at > 0);
	note(l, m->id, m->business_id, m->business_name, m->reason);
	return true;
}

static bool see_quarantined(const struct store_quarantined *u, void *arg)
{
	assert_string_equal(u->field, "messages");
	assert_string_equal(u->number, "999");
	assert_true(u->received_at > 0);
	note(arg, u->id, u->business_id, u->business_name, u->reason);
	return true;
}

static bool see_unparsed(const struct store_unparsed *e, void *arg)
{
	assert_true(e->received_at > 0);
	note(arg, e->id, e->business_id, e->business_name, "");
	return true;
}

struct ending {
	struct store *s;
	enum store_message_state to;
};

static bool end_it(const struct store_message *m, void *arg)
{
	const struct ending *e = arg;
	struct store_outcome o = {.business_id = m->business_id,
		.message_id = m->id,
		.attempt = m->attempts,
		.to = e->to,
		.error_code = 5,
		.reason = "why"};

	assert_int_equal(store_outbox_settle(e->s, &o), STORE_OK);
	return true;
}

static struct store_message ended(
	struct store *s, const char *business, const char *connection, uint8_t c, enum store_message_state to)
{
	struct store_message m = queue(s, business, connection, c, 0);
	struct ending e = {s, to};

	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, end_it, &e), STORE_OK);
	return m;
}

static void test_dead_letters_of_all(void **state)
{
	struct store *s = store_of(state);
	struct store_message dead = ended(s, "one", CONNECTION_ONE, 1, STORE_MESSAGE_DEAD);
	struct store_message unknown, failed;
	struct store_settlement refused = {
		.to = STORE_MESSAGE_FAILED, .from_states = ~0u, .error_code = 5, .reason = "refused"};
	struct store_update u = {
		.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED, .settlement = &refused};
	struct list all = {0}, rest = {0}, none = {0};

	(void)ended(s, "one", CONNECTION_ONE, 2, STORE_MESSAGE_SENT);
	unknown = ended(s, "two", CONNECTION_TWO, 4, STORE_MESSAGE_UNKNOWN);
	failed = ended(s, "two", CONNECTION_TWO, 5, STORE_MESSAGE_SENT);
	memcpy(refused.message_id, failed.id, sizeof(failed.id));
	settle_one(s, "two", CONNECTION_TWO, u);
	(void)ended(s, "one", CONNECTION_ONE, 3, STORE_MESSAGE_RETRY);
	(void)question(s, "one", CONNECTION_ONE, 6);
	(void)queue(s, "one", CONNECTION_ONE, 7, 0);

	assert_int_equal(store_letter_list(s, NULL, 10, see_letter, &all), STORE_OK);
	assert_int_equal(all.len, 3);
	assert_string_equal(all.ids[0], failed.id);
	assert_int_equal(all.states[0], STORE_MESSAGE_FAILED);
	assert_string_equal(all.reasons[0], "refused");
	assert_string_equal(all.businesses[0], "two");
	assert_string_equal(all.ids[1], unknown.id);
	assert_int_equal(all.states[1], STORE_MESSAGE_UNKNOWN);
	assert_string_equal(all.ids[2], dead.id);
	assert_int_equal(all.states[2], STORE_MESSAGE_DEAD);
	assert_string_equal(all.businesses[2], "one");

	assert_int_equal(store_letter_list(s, failed.id, 1, see_letter, &rest), STORE_OK);
	assert_int_equal(rest.len, 1);
	assert_string_equal(rest.ids[0], unknown.id);
	assert_int_equal(store_letter_list(s, dead.id, 1, see_letter, &none), STORE_OK);
	assert_int_equal(none.len, 0);
	assert_int_equal(store_letter_list(s, "gone", 1, see_letter, &none), STORE_NOT_FOUND);
	assert_int_equal(store_letter_list(s, NULL, 0, see_letter, &none), STORE_INVALID);
	assert_int_equal(store_letter_list(s, NULL, STORE_LIST_MAX + 1, see_letter, &none), STORE_INVALID);
}

static void test_quarantine_of_all(void **state)
{
	struct store *s = store_of(state);
	struct store_update u = {.kind = STORE_UPDATE_OTHER,
		.verdict = STORE_UPDATE_QUARANTINED,
		.field = "messages",
		.number = "999",
		.reason = "not its number"};
	struct list all = {0}, rest = {0};

	settle_one(s, "one", CONNECTION_ONE, u);
	settle_one(s, "two", CONNECTION_TWO, u);
	u.verdict = STORE_UPDATE_DELIVERED;
	settle_one(s, "two", CONNECTION_TWO, u);
	assert_int_equal(store_quarantined_list(s, NULL, 10, see_quarantined, &all), STORE_OK);
	assert_int_equal(all.len, 2);
	assert_string_equal(all.businesses[0], "two");
	assert_string_equal(all.businesses[1], "one");
	assert_string_equal(all.reasons[0], "not its number");
	assert_int_equal(store_quarantined_list(s, all.ids[0], 10, see_quarantined, &rest), STORE_OK);
	assert_int_equal(rest.len, 1);
	assert_string_equal(rest.ids[0], all.ids[1]);
	assert_int_equal(store_quarantined_list(s, NULL, 0, see_quarantined, &rest), STORE_INVALID);
	assert_int_equal(store_business_remove(s, "two", NULL), STORE_OK);
	assert_int_equal(store_quarantined_list(s, NULL, 10, see_quarantined, &rest), STORE_OK);
	assert_int_equal(rest.len, 2);
}

static void test_unparsed_of_all(void **state)
{
	struct store *s = store_of(state);
	char ids[3][STORE_ID_LEN + 1];
	struct list all = {0}, rest = {0};

	for (size_t i = 0; i < 3; i++) {
		add_event(s, ids[i]);
		assert_int_equal(store_event_settle(s, "one", ids[i],
					 i == 1 ? STORE_EVENT_SETTLED : STORE_EVENT_UNPARSED, NULL, 0, NULL),
			STORE_OK);
	}
	assert_int_equal(store_unparsed_list(s, NULL, 10, see_unparsed, &all), STORE_OK);
	assert_int_equal(all.len, 2);
	assert_string_equal(all.ids[0], ids[2]);
	assert_string_equal(all.ids[1], ids[0]);
	assert_string_equal(all.businesses[0], "one");
	assert_int_equal(store_unparsed_list(s, ids[2], 10, see_unparsed, &rest), STORE_OK);
	assert_int_equal(rest.len, 1);
	assert_int_equal(store_unparsed_list(s, "gone", 10, see_unparsed, &rest), STORE_NOT_FOUND);
}

static void test_suspending_leaves_the_rest(void **state)
{
	struct store *s = store_of(state);
	struct store_business b;

	assert_int_equal(store_business_change(s, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_OK);
	assert_int_equal(b.status, STORE_BUSINESS_SUSPENDED);
	assert_string_equal(b.name, "A shop");
	assert_string_equal(b.responder, "none");
	assert_int_equal(store_business_get(s, "two", &b), STORE_OK);
	assert_int_equal(b.status, STORE_BUSINESS_ACTIVE);
	assert_int_equal(store_business_change(s, "none", NULL, STORE_BUSINESS_ACTIVE, 0), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(s, "one", NULL, 3, 0), STORE_INVALID);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_dead_letters_of_all),
		TEST(test_quarantine_of_all),
		TEST(test_unparsed_of_all),
		TEST(test_suspending_leaves_the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
