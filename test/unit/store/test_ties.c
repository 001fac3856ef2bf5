/*
 * How messages hang together: what is edited, revoked, reacted to, echoed and played; the
 * names of one customer; and who answers him.
 */
#include "test/unit/store/helper.h"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static void deliver(struct store *s, const struct store_message *m)
{
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = m};

	assert_int_equal(settle_one(s, "one", CONNECTION_ONE, u).delivered, 1);
}

/* A message that goes by a wamid of its own and does something to another one's. */
static struct store_message related(uint8_t wamid, enum store_relation relation, uint8_t concerns)
{
	struct store_message m = message("one", CONNECTION_ONE, 1);

	m.wamid_index[0] = wamid;
	m.relation = relation;
	m.concerns[0] = concerns;
	return m;
}

static struct store_message original(uint8_t wamid)
{
	return related(wamid, STORE_NO_RELATION, 0);
}

static struct store_ties ties_of(struct store *s, const struct store_message *m)
{
	struct store_ties ties;

	memset(&ties, 0xff, sizeof(ties));
	assert_int_equal(store_message_ties(s, m, &ties), STORE_OK);
	return ties;
}

static struct store_message copy;

static bool take_copy(const struct store_message *m, void *arg)
{
	(void)arg;
	copy = *m;
	return true;
}

static const struct store_message *kept(struct store *s, const char *id)
{
	assert_int_equal(store_message_get(s, "one", id, take_copy, NULL), STORE_OK);
	return &copy;
}

/* ------------------------------------------------------------ relations */

static void test_relations(void **state)
{
	struct store *s = store_of(state);
	struct store_message first = original(1), edit = related(2, STORE_EDITS, 1),
			     reaction = related(3, STORE_REACTS, 1), removal = related(4, STORE_UNREACTS, 1),
			     again = related(5, STORE_REACTS, 1), revoke = related(6, STORE_REVOKES, 1);
	struct store_ties ties;

	deliver(s, &first);
	ties = ties_of(s, &first);
	assert_string_equal(ties.concerns, "");
	assert_string_equal(ties.reaction, "");
	assert_int_equal(ties.edited_at, 0);
	assert_int_equal(ties.revoked_at, 0);
	deliver(s, &edit);
	assert_int_equal(kept(s, edit.id)->relation, STORE_EDITS);
	assert_int_equal(kept(s, edit.id)->concerns[0], 1);
	assert_string_equal(ties_of(s, &edit).concerns, first.id);
	assert_int_equal(ties_of(s, &first).edited_at, edit.created_at);
	deliver(s, &reaction);
	assert_string_equal(ties_of(s, &first).reaction, reaction.id);
	deliver(s, &removal);
	assert_string_equal(ties_of(s, &first).reaction, "");
	deliver(s, &again);
	assert_string_equal(ties_of(s, &first).reaction, again.id);
	assert_int_equal(ties_of(s, &edit).revoked_at, 0);
	deliver(s, &revoke);
	assert_int_equal(ties_of(s, &first).revoked_at, revoke.created_at);
	/* What the edit said is gone with it; what reacted to it is not. */
	assert_int_equal(ties_of(s, &edit).revoked_at, revoke.created_at);
	assert_int_equal(ties_of(s, &again).revoked_at, 0);
	assert_string_equal(ties_of(s, &revoke).concerns, first.id);
}

/* Webhooks overtake each other; and the same id in another shop is another message. */
static void test_relation_before_its_message(void **state)
{
	struct store *s = store_of(state);
	struct store_message revoke = related(2, STORE_REVOKES, 1), first = original(1), plain = original(0);
	struct store_message theirs = message("two", CONNECTION_TWO, 1);
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &theirs};

	theirs.wamid_index[0] = 1;
	settle_one(s, "two", CONNECTION_TWO, u);
	deliver(s, &revoke);
	assert_string_equal(ties_of(s, &revoke).concerns, "");
	deliver(s, &first);
	assert_string_equal(ties_of(s, &revoke).concerns, first.id);
	assert_int_equal(ties_of(s, &first).revoked_at, revoke.created_at);
	assert_int_equal(ties_of(s, &theirs).revoked_at, 0);
	deliver(s, &plain); /* without an id nothing concerns it */
	assert_int_equal(ties_of(s, &plain).revoked_at, 0);
}

static struct store_message by(struct store_message m, uint8_t conversation)
{
	m.conversation[0] = conversation;
	return m;
}

/* Who knows the id of another's message, as in a group, has no say in what becomes of it. */
static void test_another_customer_edits_and_revokes_nothing(void **state)
{
	struct store *s = store_of(state);
	struct store_message first = original(1), edit = by(related(2, STORE_EDITS, 1), 7),
			     revoke = by(related(3, STORE_REVOKES, 1), 7),
			     reaction = by(related(4, STORE_REACTS, 1), 7), own_edit = related(5, STORE_EDITS, 1),
			     echoed = related(6, STORE_REVOKES, 1);

	echoed.direction = STORE_OUTBOUND;
	echoed.state = STORE_MESSAGE_SENT;
	echoed.echo = true;
	deliver(s, &first);
	deliver(s, &edit);
	deliver(s, &revoke);
	deliver(s, &reaction);
	assert_int_equal(ties_of(s, &first).edited_at, 0);
	assert_int_equal(ties_of(s, &first).revoked_at, 0);
	assert_string_equal(ties_of(s, &edit).concerns, "");
	assert_string_equal(ties_of(s, &revoke).concerns, "");
	assert_string_equal(ties_of(s, &first).reaction, reaction.id);
	assert_string_equal(ties_of(s, &reaction).concerns, first.id);
	deliver(s, &own_edit);
	deliver(s, &echoed); /* the other side */
	assert_int_equal(ties_of(s, &first).edited_at, own_edit.created_at);
	assert_int_equal(ties_of(s, &first).revoked_at, 0);
	assert_int_equal(ties_of(s, &own_edit).revoked_at, 0);
	assert_string_equal(ties_of(s, &own_edit).concerns, first.id);
}

/* ------------------------------------------------------------ echoes, sound */

static struct store_message echo(uint8_t wamid)
{
	struct store_message m = original(wamid);

	m.direction = STORE_OUTBOUND;
	m.state = STORE_MESSAGE_SENT;
	m.echo = true;
	return m;
}

static void test_echoes_are_logged_and_never_sent(void **state)
{
	struct store *s = store_of(state);
	struct store_message m = echo(1), twice = echo(1), bad = echo(2);
	struct store_update u = {.kind = STORE_UPDATE_ECHO, .verdict = STORE_UPDATE_DELIVERED, .message = &bad};
	struct store_settlement st = {
		.to = STORE_MESSAGE_READ, .from_states = STORE_STATE_BIT(STORE_MESSAGE_SENT), .wamid_index = {1}};
	struct store_update status = {
		.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED, .settlement = &st};
	struct store_update again = {.kind = STORE_UPDATE_ECHO, .verdict = STORE_UPDATE_DELIVERED};
	struct seen seen = {0};
	char event[STORE_ID_LEN + 1];

	deliver(s, &m);
	again.message = &twice; /* the same message, as another field tells of it */
	assert_int_equal(settle_one(s, "one", CONNECTION_ONE, again).duplicates, 1);
	assert_int_equal(store_message_get(s, "one", twice.id, see_message, &seen), STORE_NOT_FOUND);
	assert_true(kept(s, m.id)->echo);
	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 0);
	settle_one(s, "one", CONNECTION_ONE, status);
	assert_int_equal(state_of(s, "one", m.id), STORE_MESSAGE_READ);
	bad.state = STORE_MESSAGE_QUEUED;
	store_id_new(u.id);
	add_event(s, event);
	assert_int_equal(store_event_settle(s, "one", event, STORE_EVENT_SETTLED, &u, 1, NULL), STORE_INVALID);
}

static void test_only_sound_is_played(void **state)
{
	struct store *s = store_of(state);
	struct store_message text = echo(1), sound = echo(2);
	struct store_settlement st = {
		.to = STORE_MESSAGE_READ, .from_states = STORE_STATE_BIT(STORE_MESSAGE_SENT), .played = true, .at = 77};
	struct store_update u = {.kind = STORE_UPDATE_STATUS, .verdict = STORE_UPDATE_DELIVERED, .settlement = &st};

	memcpy(sound.type, "audio", 6);
	deliver(s, &text);
	deliver(s, &sound);
	st.wamid_index[0] = 1;
	settle_one(s, "one", CONNECTION_ONE, u);
	st.wamid_index[0] = 2;
	settle_one(s, "one", CONNECTION_ONE, u);
	st.at = 88;
	settle_one(s, "one", CONNECTION_ONE, u);
	assert_int_equal(kept(s, text.id)->played_at, 0);
	assert_int_equal(kept(s, sound.id)->played_at, 77);
	assert_int_equal(kept(s, sound.id)->state, STORE_MESSAGE_READ);
}

/* ------------------------------------------------------------ names */

/* An update that says these conversations are one. */
static void join(struct store *s, const uint8_t *names, size_t len, const struct store_message *m)
{
	struct store_update u = {
		.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = m, .names_len = len};

	for (size_t i = 0; i < len; i++)
		u.names[i][0] = names[i];
	settle_one(s, "one", CONNECTION_ONE, u);
}

static uint8_t arrives_under(struct store *s, uint8_t name)
{
	struct store_message m = message("one", CONNECTION_ONE, name);

	join(s, &name, 1, &m);
	return kept(s, m.id)->conversation[0];
}

static uint8_t leaves_under(struct store *s, uint8_t name)
{
	const struct store_message m = queue(s, "one", CONNECTION_ONE, name, 0);

	return kept(s, m.id)->conversation[0];
}

static void test_names_of_one_customer(void **state)
{
	struct store *s = store_of(state);
	struct store_message by_phone = message("one", CONNECTION_ONE, 2), both = message("one", CONNECTION_ONE, 1);
	struct store_place place;

	deliver(s, &by_phone);
	assert_int_equal(arrives_under(s, 1), 1);
	/* Known by phone first: that stays. */
	join(s, (const uint8_t[]){1, 2}, 2, &both);
	assert_int_equal(kept(s, both.id)->conversation[0], 2);
	assert_int_equal(arrives_under(s, 1), 2);
	assert_int_equal(arrives_under(s, 2), 2);
	assert_int_equal(leaves_under(s, 1), 2);
	assert_int_equal(store_conversation_last(s, "one", both.conversation, &place), STORE_OK);
	/* A new user id, told by the old one, and then by the phone: one step leads to the same. */
	join(s, (const uint8_t[]){1, 3}, 2, NULL);
	join(s, (const uint8_t[]){4, 3}, 2, NULL);
	assert_int_equal(arrives_under(s, 3), 2);
	assert_int_equal(arrives_under(s, 4), 2);
	/* Nobody else's, and not in another shop. */
	assert_int_equal(arrives_under(s, 5), 5);
	assert_int_equal(store_conversation_last(s, "two", both.conversation, &place), STORE_NOT_FOUND);
}

/* What he wrote under one name he revokes under another. */
static void test_names_of_one_writer(void **state)
{
	struct store *s = store_of(state);
	struct store_message first = message("one", CONNECTION_ONE, 1), second = message("one", CONNECTION_ONE, 2),
			     revoke = message("one", CONNECTION_ONE, 2);

	first.wamid_index[0] = 1;
	revoke.relation = STORE_REVOKES;
	revoke.concerns[0] = 1;
	deliver(s, &first);
	deliver(s, &second);
	deliver(s, &revoke);
	assert_int_equal(ties_of(s, &first).revoked_at, 0);
	join(s, (const uint8_t[]){2, 1}, 2, NULL);
	assert_int_equal(ties_of(s, &first).revoked_at, revoke.created_at);
	assert_string_equal(ties_of(s, &revoke).concerns, first.id);
}

static void test_two_who_were_one_all_along(void **state)
{
	struct store *s = store_of(state);

	/* Each has a name of its own by then; the older one's stays. */
	assert_int_equal(arrives_under(s, 1), 1);
	assert_int_equal(arrives_under(s, 2), 2);
	join(s, (const uint8_t[]){1, 11}, 2, NULL);
	join(s, (const uint8_t[]){2, 12}, 2, NULL);
	join(s, (const uint8_t[]){12, 11}, 2, NULL);
	for (uint8_t i = 0; i < 2; i++) {
		assert_int_equal(arrives_under(s, (uint8_t)(1 + i)), 1);
		assert_int_equal(arrives_under(s, (uint8_t)(11 + i)), 1);
	}
}

static bool is_paused(struct store *s, uint8_t name)
{
	const uint8_t conversation[STORE_INDEX_LEN] = {name};
	bool paused;

	assert_int_equal(store_conversation_paused(s, "one", conversation, 5, &paused), STORE_OK);
	return paused;
}

static void test_a_pause_knows_every_name(void **state)
{
	struct store *s = store_of(state);
	struct store_update u = {.kind = STORE_UPDATE_ECHO,
		.verdict = STORE_UPDATE_DELIVERED,
		.pauses = {{.conversation = {2}, .until = 9}}};

	assert_int_equal(arrives_under(s, 1), 1);
	settle_one(s, "one", CONNECTION_ONE, u);
	assert_true(is_paused(s, 2));
	assert_false(is_paused(s, 1));
	join(s, (const uint8_t[]){1, 2}, 2, NULL);
	assert_true(is_paused(s, 1)); /* it came along */
	assert_true(is_paused(s, 2));
	u.pauses[0].until = 4;
	u.pauses[0].conversation[0] = 3;
	settle_one(s, "one", CONNECTION_ONE, u);
	assert_false(is_paused(s, 3));
}

/* What waits under both names when they turn out to be one goes in one order, and none of it gets stuck. */
static void test_order_holds_across_names(void **state)
{
	struct store *s = store_of(state);
	const struct store_message sent[] = {queue(s, "one", CONNECTION_ONE, 1, 0),
		queue(s, "one", CONNECTION_ONE, 2, 0), queue(s, "one", CONNECTION_ONE, 1, 0),
		queue(s, "one", CONNECTION_ONE, 2, 0)};
	const struct store_message asked[] = {question(s, "one", CONNECTION_ONE, 1),
		question(s, "one", CONNECTION_ONE, 2), question(s, "one", CONNECTION_ONE, 1),
		question(s, "one", CONNECTION_ONE, 2)};
	struct store_outcome outcome = {.business_id = "one", .attempt = 1, .to = STORE_MESSAGE_SENT};
	struct seen seen = {0};

	join(s, (const uint8_t[]){2, 1}, 2, NULL);
	for (size_t i = 0; i < 4; i++) {
		seen = (struct seen){0};
		assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
		assert_int_equal(seen.len, 1);
		assert_string_equal(seen.ids[0], sent[i].id);
		outcome.message_id = sent[i].id;
		assert_int_equal(store_outbox_settle(s, &outcome), STORE_OK);
		seen = (struct seen){0};
		assert_int_equal(store_ask_lease(s, store_now_ms(), 10, 10, see_ask, &seen), STORE_OK);
		assert_int_equal(seen.len, 1);
		assert_string_equal(seen.ids[0], asked[i].id);
		assert_int_equal(store_ask_done(s, "one", asked[i].id, NULL, 0), STORE_OK);
	}
}

static uint8_t asked_under(struct store *s, uint8_t name, unsigned times)
{
	for (unsigned i = 1; i < times; i++)
		(void)question(s, "one", CONNECTION_ONE, name);
	return times > 0 ? kept(s, question(s, "one", CONNECTION_ONE, name).id)->conversation[0] : 0;
}

/* How many asks go out one after the other, each before the next; only one at a time. */
static unsigned asked_in_turn(struct store *s)
{
	unsigned n = 0;

	for (;; n++) {
		struct seen seen = {0};

		assert_int_equal(store_ask_lease(s, store_now_ms(), 10, 10, see_ask, &seen), STORE_OK);
		if (seen.len == 0)
			return n;
		assert_int_equal(seen.len, 1);
		assert_int_equal(store_ask_done(s, "one", seen.ids[0], NULL, 0), STORE_OK);
	}
}

/* Moving costs what is moved, and a shop may sign any number of messages to itself: what is large stays where it is. */
static void test_what_is_large_is_not_moved(void **state)
{
	struct store *s = store_of(state);

	assert_int_equal(arrives_under(s, 1), 1);
	assert_int_equal(asked_under(s, 1, 3), 1);
	assert_int_equal(asked_under(s, 2, 201), 2);
	join(s, (const uint8_t[]){2, 1}, 2, NULL);
	assert_int_equal(arrives_under(s, 1), 2);
	assert_int_equal(arrives_under(s, 2), 2);
	assert_int_equal(asked_in_turn(s), 204);
	/* Two that are large stay two. */
	assert_int_equal(asked_under(s, 2, 201), 2);
	assert_int_equal(asked_under(s, 3, 201), 3);
	join(s, (const uint8_t[]){3, 2}, 2, NULL);
	assert_int_equal(arrives_under(s, 2), 2);
	assert_int_equal(arrives_under(s, 3), 3);
}

static void test_many_names(void **state)
{
	struct store *s = store_of(state);

	assert_int_equal(arrives_under(s, 1), 1);
	assert_int_equal(arrives_under(s, 2), 2);
	for (unsigned i = 0; i < 201; i++) {
		struct store_update u = {.kind = STORE_UPDATE_OTHER,
			.verdict = STORE_UPDATE_DELIVERED,
			.names_len = 2,
			.names = {{2}, {3, (uint8_t)i}}};

		settle_one(s, "one", CONNECTION_ONE, u);
	}
	/* The older one, but for that. */
	join(s, (const uint8_t[]){1, 2}, 2, NULL);
	assert_int_equal(arrives_under(s, 1), 2);
	assert_int_equal(arrives_under(s, 3), 2);
}

/* As test_order_holds_across_names, where both are on their way by then. */
static void test_order_holds_on_the_way(void **state)
{
	struct store *s = store_of(state);
	const struct store_message sent[] = {
		queue(s, "one", CONNECTION_ONE, 1, 0), queue(s, "one", CONNECTION_ONE, 2, 0)};
	struct store_outcome outcome = {.business_id = "one", .attempt = 1, .to = STORE_MESSAGE_SENT};
	struct store_message third;
	struct seen seen = {0};

	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	third = queue(s, "one", CONNECTION_ONE, 2, 0);
	join(s, (const uint8_t[]){2, 1}, 2, NULL);
	for (size_t i = 0; i < 2; i++) {
		seen = (struct seen){0};
		assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
		assert_int_equal(seen.len, 0);
		outcome.message_id = sent[1 - i].id;
		assert_int_equal(store_outbox_settle(s, &outcome), STORE_OK);
	}
	assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_string_equal(seen.ids[0], third.id);
}

/* ------------------------------------------------------------ who answers */

static bool is_held(struct store *s, uint8_t name)
{
	const uint8_t conversation[STORE_INDEX_LEN] = {name};
	bool elsewhere;

	assert_int_equal(store_conversation_held(s, "one", conversation, &elsewhere), STORE_OK);
	return elsewhere;
}

static void hold(struct store *s, uint8_t name, enum store_holder holder, int64_t at)
{
	struct store_update u = {.kind = STORE_UPDATE_OTHER,
		.verdict = STORE_UPDATE_DELIVERED,
		.names = {{name}},
		.names_len = 1,
		.holder = holder,
		.held_at = at};

	settle_one(s, "one", CONNECTION_ONE, u);
}

static void test_who_answers(void **state)
{
	struct store *s = store_of(state);

	assert_false(is_held(s, 1));
	hold(s, 1, STORE_HELD_HERE, 5);
	assert_false(is_held(s, 1));
	hold(s, 1, STORE_HELD_ELSEWHERE, 10);
	assert_true(is_held(s, 1));
	assert_false(is_held(s, 2));
	hold(s, 1, STORE_HELD_HERE, 9); /* older */
	assert_true(is_held(s, 1));
	hold(s, 1, STORE_HELD_HERE, 10);
	assert_false(is_held(s, 1));
	hold(s, 1, STORE_HELD_ELSEWHERE, 9);
	assert_false(is_held(s, 1));
	hold(s, 1, STORE_HELD_ELSEWHERE, 11);
	join(s, (const uint8_t[]){2, 1}, 2, NULL);
	assert_true(is_held(s, 2));
	assert_int_equal(store_prune(s, INT64_C(86400000) * 401, 30), STORE_OK);
	assert_false(is_held(s, 1));
}

/* But for a template, what is sent takes the conversation over. */
static void test_sending_takes_over(void **state)
{
	struct store *s = store_of(state);
	struct store_outcome outcome = {.business_id = "one", .attempt = 1};
	struct seen seen = {0};

	for (int i = 0; i < 3; i++) {
		struct store_message m = outbound("one", CONNECTION_ONE, 1);

		if (i == 0)
			memcpy(m.type, "template", 9);
		hold(s, 1, STORE_HELD_ELSEWHERE, 10 + i);
		assert_int_equal(store_message_queue(s, &m, NULL), STORE_OK);
		assert_int_equal(lease_due(s, store_now_ms(), 10, 10, see_message, &seen), STORE_OK);
		outcome.message_id = m.id;
		outcome.to = i == 1 ? STORE_MESSAGE_DEAD : STORE_MESSAGE_SENT;
		assert_int_equal(store_outbox_settle(s, &outcome), STORE_OK);
		assert_int_equal(is_held(s, 1), i < 2);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, house_setup, house_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_relations),
		TEST(test_relation_before_its_message),
		TEST(test_another_customer_edits_and_revokes_nothing),
		TEST(test_echoes_are_logged_and_never_sent),
		TEST(test_only_sound_is_played),
		TEST(test_names_of_one_customer),
		TEST(test_names_of_one_writer),
		TEST(test_two_who_were_one_all_along),
		TEST(test_a_pause_knows_every_name),
		TEST(test_order_holds_across_names),
		TEST(test_order_holds_on_the_way),
		TEST(test_what_is_large_is_not_moved),
		TEST(test_many_names),
		TEST(test_who_answers),
		TEST(test_sending_takes_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
