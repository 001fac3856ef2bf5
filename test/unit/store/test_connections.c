/*
 * What a connection learns after it was made, how numbers and apps find one, where a
 * conversation last happened, and where a platform answers.
 */
#include "test/unit/store/helper.h"

#define D360_ONE "0000000000000000000000c0n7"
#define META_ONE "0000000000000000000000c0n8"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

/* Of business "one", without a number or an account. */
static struct store_connection add_360dialog(struct store *s, const char *id)
{
	struct store_connection c = connection(id, "one", "");

	c.provider = STORE_360DIALOG;
	c.app_id[0] = '\0';
	c.waba_id[0] = '\0';
	memcpy(c.client_id, "client-1", 9);
	assert_int_equal(store_connection_add(s, &c, NULL, 0), STORE_OK);
	return c;
}

static struct store_connection get(struct store *s, const char *business, const char *id)
{
	struct store_connection c;

	assert_int_equal(store_connection_get(s, business, id, &c), STORE_OK);
	return c;
}

static void test_number_learnt(void **state)
{
	struct store *s = store_of(state);
	struct store_connection c;

	(void)add_360dialog(s, D360_ONE);
	c = get(s, "one", D360_ONE);
	assert_string_equal(c.client_id, "client-1");
	assert_string_equal(c.phone_number_id, "");
	assert_int_equal(store_connection_number_set(s, "two", D360_ONE, "2001", "33", false), STORE_NOT_FOUND);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "", "33", false), STORE_INVALID);
	assert_int_equal(
		store_connection_number_set(s, "one", D360_ONE, "123456789012345678901234567890123", "", false),
		STORE_INVALID);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "2001", "", false), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", 0, "2001", &c), STORE_OK);
	assert_string_equal(c.id, D360_ONE);
	assert_string_equal(c.waba_id, "");
	/* Again, now with its account; then both stay. */
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "2001", "33", false), STORE_OK);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "2001", "44", false), STORE_OK);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "2002", "33", false), STORE_STALE);
	assert_string_equal(get(s, "one", D360_ONE).waba_id, "33");
	assert_string_equal(get(s, "one", D360_ONE).phone_number_id, "2001");
}

static void test_number_taken(void **state)
{
	struct store *s = store_of(state);
	struct store_connection c = add_360dialog(s, D360_ONE), theirs = connection(META_ONE, "two", "2001");

	theirs.provider = STORE_360DIALOG;
	assert_int_equal(store_connection_add(s, &theirs, NULL, 0), STORE_OK);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "2001", "33", false), STORE_NUMBER_TAKEN);
	c = get(s, "one", D360_ONE);
	assert_string_equal(c.phone_number_id, "");
	assert_string_equal(c.waba_id, "");
	/* Another provider's number of the same name is another number. */
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "1002", "33", false), STORE_OK);
	/* With the connection the number is free again. */
	assert_int_equal(store_connection_remove(s, "one", D360_ONE), STORE_OK);
	(void)add_360dialog(s, D360_ONE);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "1002", "33", false), STORE_OK);
}

static void test_by_number_and_provider(void **state)
{
	struct store *s = store_of(state);
	struct store_connection c;

	(void)add_360dialog(s, D360_ONE);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "1001", "", false), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", STORE_META, "1001", &c), STORE_OK);
	assert_string_equal(c.id, CONNECTION_ONE);
	assert_int_equal(store_connection_by_number(s, "one", STORE_360DIALOG, "1001", &c), STORE_OK);
	assert_string_equal(c.id, D360_ONE);
	assert_int_equal(store_connection_by_number(s, "two", STORE_360DIALOG, "1001", &c), STORE_NOT_FOUND);
	assert_int_equal(store_connection_by_number(s, "two", STORE_360DIALOG, "1002", &c), STORE_NOT_FOUND);
	/* Any: the older, unless only the other works. */
	assert_int_equal(store_connection_by_number(s, "one", 0, "1001", &c), STORE_OK);
	assert_string_equal(c.id, CONNECTION_ONE);
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_KEY_REFUSED), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", 0, "1001", &c), STORE_OK);
	assert_string_equal(c.id, D360_ONE);
	assert_int_equal(store_connection_status_set(s, "one", D360_ONE, 0, STORE_CONNECTION_BLOCKED), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", 0, "1001", &c), STORE_OK);
	assert_string_equal(c.id, CONNECTION_ONE);
}

static void test_handshake(void **state)
{
	struct house *h = *state;
	struct store_connection c = get(h->store, "one", CONNECTION_ONE);

	assert_int_equal(c.handshake_at, 0);
	assert_int_equal(store_connection_handshake(h->store, "two", CONNECTION_ONE, "token", 7), STORE_NOT_FOUND);
	assert_int_equal(store_connection_handshake(h->store, "one", CONNECTION_ONE, "token", 7), STORE_OK);
	assert_int_equal(store_connection_handshake(h->store, "one", CONNECTION_ONE, "token", 5), STORE_OK);
	house_close(h);
	house_open(h);
	c = get(h->store, "one", CONNECTION_ONE);
	assert_int_equal(c.handshake_at, 7);
	assert_int_equal(c.status, STORE_CONNECTION_ACTIVE);
	assert_int_equal(get(h->store, "two", CONNECTION_TWO).status, STORE_CONNECTION_PENDING);
	assert_int_equal(
		store_connection_status_set(h->store, "one", CONNECTION_ONE, 0, STORE_CONNECTION_WEBHOOK_TAKEN),
		STORE_OK);
	assert_int_equal(store_connection_handshake(h->store, "one", CONNECTION_ONE, "token", 8), STORE_OK);
	assert_int_equal(get(h->store, "one", CONNECTION_ONE).status, STORE_CONNECTION_ACTIVE);
	/* Any other status is not a question of who has the webhook. */
	assert_int_equal(
		store_connection_status_set(h->store, "one", CONNECTION_ONE, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	assert_int_equal(store_connection_handshake(h->store, "one", CONNECTION_ONE, "token", 9), STORE_OK);
	assert_int_equal(get(h->store, "one", CONNECTION_ONE).status, STORE_CONNECTION_SUSPENDED);
}

/* That the provider reaches us says nothing of keys that it refuses. */
static void test_handshake_of_a_fault(void **state)
{
	struct house *h = *state;
	struct store *s = h->store;

	assert_int_equal(store_connection_checked(s, "two", CONNECTION_ONE, true), STORE_NOT_FOUND);
	assert_int_equal(store_connection_checked(s, "one", CONNECTION_ONE, true), STORE_OK);
	assert_true(get(s, "one", CONNECTION_ONE).checks_failed);
	assert_int_equal(store_connection_handshake(s, "one", CONNECTION_ONE, "token", 7), STORE_OK);
	assert_int_equal(get(s, "one", CONNECTION_ONE).handshake_at, 7);
	assert_int_equal(get(s, "one", CONNECTION_ONE).status, STORE_CONNECTION_PENDING);
	assert_int_equal(
		store_connection_status_set(s, "one", CONNECTION_ONE, 0, STORE_CONNECTION_WEBHOOK_TAKEN), STORE_OK);
	assert_int_equal(store_connection_handshake(s, "one", CONNECTION_ONE, "token", 8), STORE_OK);
	assert_int_equal(get(s, "one", CONNECTION_ONE).status, STORE_CONNECTION_PENDING);
	assert_int_equal(store_connection_checked(s, "one", CONNECTION_ONE, false), STORE_OK);
	assert_int_equal(store_connection_handshake(s, "one", CONNECTION_ONE, "token", 9), STORE_OK);
	assert_int_equal(get(s, "one", CONNECTION_ONE).status, STORE_CONNECTION_ACTIVE);
}

/* Whose number it is now, "" for nobody's. */
static void holder(struct store *s, const char *number, char out[static STORE_ID_LEN + 1])
{
	static const char *const businesses[] = {"one", "two"};
	struct store_connection c;

	out[0] = '\0';
	for (size_t i = 0; i < 2; i++)
		if (store_connection_by_number(s, businesses[i], 0, number, &c) == STORE_OK)
			memcpy(out, c.id, sizeof(c.id));
}

/* A claim gives way to what the provider said, once; nothing gives way to a claim. */
static void test_proven_numbers(void **state)
{
	struct house *h = *state;
	struct store *s = h->store;
	struct store_connection squatter = connection(META_ONE, "one", "7001");
	struct store_connection owner = connection("0000000000000000000000c0x9", "two", "7001");
	char has[STORE_ID_LEN + 1];

	assert_int_equal(store_connection_add(s, &squatter, NULL, 0), STORE_OK);
	assert_int_equal(store_connection_status_set(s, "one", META_ONE, 0, STORE_CONNECTION_ACTIVE), STORE_OK);
	assert_int_equal(store_connection_add(s, &owner, NULL, 0), STORE_NUMBER_TAKEN);
	owner.number_proven = true;
	assert_int_equal(store_connection_add(s, &owner, NULL, 0), STORE_OK);
	holder(s, "7001", has);
	assert_string_equal(has, owner.id);
	assert_int_equal(get(s, "one", META_ONE).status, STORE_CONNECTION_PENDING);
	/* Back it does not come, neither by a claim nor by a proof of its own. */
	assert_int_equal(store_connection_number_set(s, "one", META_ONE, "7001", "", false), STORE_NUMBER_TAKEN);
	assert_int_equal(store_connection_number_set(s, "one", META_ONE, "7001", "", true), STORE_NUMBER_TAKEN);
	holder(s, "7001", has);
	assert_string_equal(has, owner.id);
	/* A number learnt is a claim until the provider speaks. */
	(void)add_360dialog(s, D360_ONE);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "7002", "", false), STORE_OK);
	assert_int_equal(store_connection_number_set(s, "one", D360_ONE, "7002", "", true), STORE_OK);
	memcpy(owner.id, "0000000000000000000000c0x8", sizeof(owner.id));
	memcpy(owner.phone_number_id, "7002", 5);
	owner.provider = STORE_360DIALOG;
	assert_int_equal(store_connection_add(s, &owner, NULL, 0), STORE_NUMBER_TAKEN);
}

/* Everybody who tries the sandbox has its one number; of a live one it takes nothing. */
static void test_sandbox_numbers(void **state)
{
	struct store *s = store_of(state);
	struct store_connection live = connection(META_ONE, "two", "9001"), mine = connection(D360_ONE, "one", "9001");
	struct store_connection theirs = connection("0000000000000000000000c0x7", "two", ""), c;

	live.provider = mine.provider = theirs.provider = STORE_360DIALOG;
	mine.sandbox = theirs.sandbox = true;
	assert_int_equal(store_connection_add(s, &mine, NULL, 0), STORE_OK);
	assert_int_equal(store_connection_add(s, &live, NULL, 0), STORE_OK);
	assert_int_equal(store_connection_add(s, &theirs, NULL, 0), STORE_OK);
	assert_true(get(s, "one", D360_ONE).sandbox);
	assert_false(get(s, "two", META_ONE).sandbox);
	assert_int_equal(store_connection_number_set(s, "two", theirs.id, "9002", "", false), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", STORE_360DIALOG, "9001", &c), STORE_OK);
	assert_string_equal(c.id, D360_ONE);
	assert_true(c.sandbox);
	assert_int_equal(store_connection_by_number(s, "two", STORE_360DIALOG, "9001", &c), STORE_OK);
	assert_string_equal(c.id, META_ONE);
	/* Within a business it is one connection's, as any number is. */
	memcpy(mine.id, "0000000000000000000000c0x6", sizeof(mine.id));
	assert_int_equal(store_connection_add(s, &mine, NULL, 0), STORE_NUMBER_TAKEN);
	memcpy(mine.phone_number_id, "9002", 5);
	assert_int_equal(store_connection_add(s, &mine, NULL, 0), STORE_OK);
}

static bool shared(struct store *s, const char *app, const char *business)
{
	struct store_sharing sharing;

	assert_int_equal(store_app_shared(s, business, app, "22", &sharing), STORE_OK);
	assert_true(sharing.app || !sharing.waba);
	return sharing.app;
}

static bool shares_waba(struct store *s, const char *app, const char *business, const char *waba)
{
	struct store_sharing sharing;

	assert_int_equal(store_app_shared(s, business, app, waba, &sharing), STORE_OK);
	return sharing.waba;
}

static void test_app_shared(void **state)
{
	struct store *s = store_of(state);
	struct store_connection c = connection(META_ONE, "one", "1008");

	assert_true(shared(s, "11", "one"));
	assert_true(shared(s, "11", "none"));
	memcpy(c.app_id, "12", 3);
	assert_int_equal(store_connection_add(s, &c, NULL, 0), STORE_OK);
	assert_false(shared(s, "12", "one"));
	assert_true(shared(s, "12", "two"));
	assert_false(shared(s, "13", "one"));
	/* An account counts under the same app only: each app has an override of its own there. */
	assert_true(shares_waba(s, "12", "two", c.waba_id));
	assert_false(shares_waba(s, "12", "one", c.waba_id));
	assert_false(shares_waba(s, "12", "two", "4711"));
	assert_false(shares_waba(s, "13", "two", c.waba_id));
	/* Having none is nothing in common. */
	(void)add_360dialog(s, D360_ONE);
	assert_false(shared(s, "", "two"));
	assert_int_equal(store_connection_remove(s, "two", CONNECTION_TWO), STORE_OK);
	assert_false(shared(s, "11", "one"));
}

static void test_where_a_conversation_was(void **state)
{
	struct store *s = store_of(state);
	const uint8_t c[STORE_INDEX_LEN] = {1};
	struct store_place place = {.turn = 7};
	struct store_message m;
	int64_t before;

	assert_int_equal(store_conversation_last(s, "one", c, &place), STORE_NOT_FOUND);
	assert_int_equal(place.turn, 7);
	question(s, "one", CONNECTION_ONE, 1);
	m = outbound("one", CONNECTION_ONE, 1);
	memcpy(m.number, "1009", 5);
	m.created_at = 99;
	assert_int_equal(store_message_queue(s, &m, NULL), STORE_OK);
	queue(s, "one", CONNECTION_ONE, 2, 0);
	queue(s, "two", CONNECTION_TWO, 1, 0);
	assert_int_equal(store_conversation_last(s, "one", c, &place), STORE_OK);
	assert_string_equal(place.connection_id, CONNECTION_ONE);
	assert_string_equal(place.number, "1009");
	before = place.turn;
	assert_int_equal(store_conversation_last(s, "two", c, &place), STORE_OK);
	assert_string_equal(place.connection_id, CONNECTION_TWO);
	assert_true(before > 0 && place.turn > before);
}

/* ------------------------------------------------------------ responders */

static struct store_responder responder(uint64_t version, const char *url)
{
	return (struct store_responder){.url = (const uint8_t *)url,
		.url_len = strlen(url),
		.version = version,
		.last4 = "wxyz",
		.secret = (const uint8_t *)"sealed",
		.secret_len = 6,
		.created_at = 5};
}

struct wanted {
	uint64_t version;
	const char *url;
	unsigned calls;
};

static bool check_responder(const struct store_responder *r, void *arg)
{
	struct wanted *w = arg;

	assert_true(r->version == w->version);
	assert_int_equal(r->url_len, strlen(w->url));
	assert_memory_equal(r->url, w->url, r->url_len);
	assert_string_equal(r->last4, "wxyz");
	assert_int_equal(r->secret_len, 6);
	assert_memory_equal(r->secret, "sealed", 6);
	assert_int_equal(r->created_at, 5);
	w->calls++;
	return false;
}

static const char *kind_of(struct store *s, const char *id)
{
	static struct store_business b;

	assert_int_equal(store_business_get(s, id, &b), STORE_OK);
	return b.responder;
}

static void test_responder(void **state)
{
	struct house *h = *state;
	struct store_responder r = responder(2, "first");
	struct wanted w = {1, "first", 0};

	assert_int_equal(store_responder_get(h->store, "one", check_responder, &w), STORE_NOT_FOUND);
	assert_int_equal(store_responder_put(h->store, "one", "platform", &r), STORE_STALE);
	assert_string_equal(kind_of(h->store, "one"), "none");
	r.version = 1;
	assert_int_equal(store_responder_put(h->store, "none", "platform", &r), STORE_NOT_FOUND);
	assert_int_equal(store_responder_put(h->store, "one", "platform", &r), STORE_OK);
	assert_string_equal(kind_of(h->store, "one"), "platform");
	assert_string_equal(kind_of(h->store, "two"), "none");
	assert_int_equal(store_responder_get(h->store, "one", check_responder, &w), STORE_OK);
	assert_int_equal(store_responder_get(h->store, "two", check_responder, &w), STORE_NOT_FOUND);
	/* Another address with the same secret, then another secret; what comes too late is refused. */
	r = responder(1, "second");
	assert_int_equal(store_responder_put(h->store, "one", "platform", &r), STORE_OK);
	r = responder(2, "third");
	assert_int_equal(store_responder_put(h->store, "one", "platform", &r), STORE_OK);
	r = responder(1, "late");
	assert_int_equal(store_responder_put(h->store, "one", "platform", &r), STORE_STALE);
	r = responder(4, "early");
	assert_int_equal(store_responder_put(h->store, "one", "platform", &r), STORE_STALE);
	/* Another kind keeps the row for when it comes back. */
	assert_int_equal(store_responder_put(h->store, "one", "none", NULL), STORE_OK);
	house_close(h);
	house_open(h);
	assert_string_equal(kind_of(h->store, "one"), "none");
	w.version = 2;
	w.url = "third";
	assert_int_equal(store_responder_get(h->store, "one", check_responder, &w), STORE_OK);
	assert_int_equal(w.calls, 2);
	assert_int_equal(store_business_remove(h->store, "one", NULL), STORE_OK);
	assert_int_equal(store_responder_get(h->store, "one", check_responder, &w), STORE_NOT_FOUND);
}

static void test_responder_is_checked(void **state)
{
	struct store *s = store_of(state);
	struct store_responder r = responder(1, "u"), bad[] = {r, r, r};

	bad[0].version = 0;
	bad[1].url = NULL;
	bad[2].secret_len = 0;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(store_responder_put(s, "one", "platform", &bad[i]), STORE_INVALID);
	assert_int_equal(store_responder_put(s, "one", "catalogue", &r), STORE_INVALID);
	assert_int_equal(store_responder_put(s, "one", "", NULL), STORE_INVALID);
	assert_int_equal(store_responder_put(s, "one", "a-kind-that-is-long", NULL), STORE_INVALID);
	assert_string_equal(kind_of(s, "one"), "none");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_number_learnt),
		TEST(test_number_taken),
		TEST(test_by_number_and_provider),
		TEST(test_handshake),
		TEST(test_handshake_of_a_fault),
		TEST(test_proven_numbers),
		TEST(test_sandbox_numbers),
		TEST(test_app_shared),
		TEST(test_where_a_conversation_was),
		TEST(test_responder),
		TEST(test_responder_is_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
