/*
 * Businesses, keys, connections, credentials, products and tokens: what goes in comes
 * out, also after a restart, and never to another business.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_tenant_key key(enum store_purpose purpose, uint32_t version)
{
	return (struct store_tenant_key){.purpose = purpose,
		.version = version,
		.master_key_id = "0123456789abcdef",
		.blob = {1, 2, (uint8_t)version},
		.blob_len = 3};
}

static void test_tenant_keys(void **state)
{
	struct store *s = store_of(state);
	struct store_tenant_key k = key(STORE_KEY_CONTENT, 1), out;
	struct store_business b = {.id = "three", .name = "n", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};

	assert_int_equal(store_business_add(s, &b, &k, 1), STORE_OK);
	assert_int_equal(store_tenant_key_add(s, "three", &k), STORE_EXISTS);
	k = key(STORE_KEY_CONTENT, 2);
	assert_int_equal(store_tenant_key_add(s, "three", &k), STORE_OK);
	assert_int_equal(store_tenant_key_get(s, "three", STORE_KEY_CONTENT, 0, &out), STORE_OK);
	assert_int_equal(out.version, 2);
	assert_int_equal(store_tenant_key_get(s, "three", STORE_KEY_CONTENT, 1, &out), STORE_OK);
	assert_int_equal(out.version, 1);
	assert_int_equal(out.blob_len, 3);
	assert_memory_equal(out.blob, "\1\2\1", 3);
	assert_string_equal(out.master_key_id, "0123456789abcdef");
	assert_int_equal(store_tenant_key_get(s, "three", STORE_KEY_CONTENT, 3, &out), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_get(s, "three", STORE_KEY_INDEX, 0, &out), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CONTENT, 0, &out), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_add(s, "", &k), STORE_OK);
	assert_int_equal(store_tenant_key_get(s, "", STORE_KEY_CONTENT, 0, &out), STORE_OK);
	k.version = 7;
	assert_int_equal(store_tenant_key_replace(s, "", &k), STORE_OK);
	assert_int_equal(store_tenant_key_get(s, "", STORE_KEY_CONTENT, 0, &out), STORE_OK);
	assert_int_equal(out.version, 7);
	assert_int_equal(store_tenant_key_get(s, "", STORE_KEY_CONTENT, 2, &out), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_get(s, "three", STORE_KEY_CONTENT, 2, &out), STORE_OK);
	assert_int_equal(store_tenant_key_replace(s, "nobody", &k), STORE_NOT_FOUND);
	k.blob_len = STORE_WRAPPED_MAX + 1;
	k.version = 9;
	assert_int_equal(store_tenant_key_replace(s, "three", &k), STORE_INVALID);
	assert_int_equal(store_tenant_key_add(s, "three", &k), STORE_INVALID);
	memcpy(b.id, "four", 5);
	assert_int_equal(store_business_add(s, &b, &k, 1), STORE_INVALID);
}

static void test_businesses(void **state)
{
	struct house *h = *state;
	struct store_business b;

	assert_int_equal(store_business_get(h->store, "one", &b), STORE_OK);
	assert_string_equal(b.name, "A shop");
	assert_true(b.created_at > 0 && b.updated_at == b.created_at);
	assert_int_equal(store_business_add(h->store, &b, NULL, 0), STORE_EXISTS);
	assert_int_equal(store_business_get(h->store, "One", &b), STORE_NOT_FOUND);
	assert_int_equal(store_responder_put(h->store, "one", "catalogue", NULL), STORE_OK);
	assert_int_equal(store_business_change(h->store, "one", NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	assert_int_equal(store_business_change(h->store, "one", "Paul's", 0, 0), STORE_OK);
	house_close(h);
	house_open(h);
	memset(&b, 0, sizeof(b));
	assert_int_equal(store_business_get(h->store, "one", &b), STORE_OK);
	assert_string_equal(b.name, "Paul's");
	assert_string_equal(b.responder, "catalogue");
	assert_int_equal(b.status, STORE_BUSINESS_SUSPENDED);
	assert_int_equal(store_business_change(h->store, "none", "Paul's", 0, 0), STORE_NOT_FOUND);
	assert_int_equal(store_business_change(h->store, "one", "", 0, 0), STORE_INVALID);
	assert_int_equal(store_business_remove(h->store, "none", NULL), STORE_NOT_FOUND);
	b.id[0] = '\0';
	assert_int_equal(store_business_add(h->store, &b, NULL, 0), STORE_INVALID);
}

static void test_pages(void **state)
{
	struct store *s = store_of(state);
	struct store_page page = {.limit = 2};
	struct seen seen = {0}, up = {0}, stopped = {.stop_after = 1};

	add_business(s, "a-later-one");
	assert_int_equal(store_business_list(s, &page, see_business, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], "a-later-one");
	assert_string_equal(seen.ids[1], "two");
	page.after = "two";
	assert_int_equal(store_business_list(s, &page, see_business, &seen), STORE_OK);
	assert_int_equal(seen.len, 3);
	assert_string_equal(seen.ids[2], "one");
	page = (struct store_page){.limit = STORE_LIST_MAX, .ascending = true, .after = "one"};
	assert_int_equal(store_business_list(s, &page, see_business, &up), STORE_OK);
	assert_int_equal(up.len, 2);
	assert_string_equal(up.ids[0], "two");
	page.after = NULL;
	assert_int_equal(store_business_list(s, &page, see_business, &stopped), STORE_OK);
	assert_int_equal(stopped.len, 1);
	page.after = "unknown";
	assert_int_equal(store_business_list(s, &page, see_business, &up), STORE_NOT_FOUND);
	page = (struct store_page){.limit = STORE_LIST_MAX + 1};
	assert_int_equal(store_business_list(s, &page, see_business, &up), STORE_INVALID);
	page.limit = 0;
	assert_int_equal(store_business_list(s, &page, see_business, &up), STORE_INVALID);
}

static void test_find(void **state)
{
	static const struct {
		const char *text;
		size_t len;
	} cases[] = {{"Shoe-1", 2}, {"shoe-12", 1}, {"oe-1", 0}, {"PHONES", 2}, {"a\xe1\xbb\x8d", 1}, {"%", 0},
		{"_", 0}, {"A shop", 2}};
	struct store *s = store_of(state);

	add_business(s, "shoe-1");
	add_business(s, "shoe-12");
	assert_int_equal(store_business_change(s, "shoe-1", "Bola's phones", 0, 0), STORE_OK);
	assert_int_equal(store_business_change(s, "shoe-12", "Phones of A\xe1\xbb\x8d", 0, 0), STORE_OK);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct seen seen = {0};

		assert_int_equal(store_business_find(s, cases[i].text, 5, see_business, &seen), STORE_OK);
		assert_int_equal(seen.len, cases[i].len);
		if (i == 0)
			assert_string_equal(seen.ids[0], "shoe-12");
		seen = (struct seen){0};
		assert_int_equal(store_business_find(s, cases[i].text, 1, see_business, &seen), STORE_OK);
		assert_true(seen.len <= 1);
	}
	assert_int_equal(store_business_find(s, "", 5, see_business, NULL), STORE_INVALID);
	assert_int_equal(store_business_find(s, "x", 0, see_business, NULL), STORE_INVALID);
	assert_int_equal(store_business_find(s, "x", STORE_LIST_MAX + 1, see_business, NULL), STORE_INVALID);
}

/* With one reader in hand, a visitor may ask again. */
static bool ask_again(const struct store_business *b, void *arg)
{
	struct store_business again;

	assert_int_equal(store_business_get(arg, b->id, &again), STORE_OK);
	assert_int_equal(store_business_change(arg, b->id, NULL, STORE_BUSINESS_SUSPENDED, 0), STORE_OK);
	return true;
}

static void test_visitor_may_call(void **state)
{
	struct house *h = *state;
	struct store_options opt = {.path = h->path, .readers = 1};
	struct store_page page = {.limit = 10};

	house_close(h);
	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
	assert_int_equal(store_business_list(h->store, &page, ask_again, h->store), STORE_OK);
}

static void test_connections(void **state)
{
	struct store *s = store_of(state);
	struct store_connection c, theirs = connection("0000000000000000000000c0n4", "two", "1001");
	struct store_page page = {.limit = 10, .after = CONNECTION_TWO};
	struct seen seen = {0};

	assert_int_equal(store_connection_add(s, &theirs, NULL, 0), STORE_NUMBER_TAKEN);
	assert_int_equal(store_connection_get(s, "two", theirs.id, &c), STORE_NOT_FOUND);
	theirs = connection("0000000000000000000000c0n4", "none", "1009");
	assert_int_equal(store_connection_add(s, &theirs, NULL, 0), STORE_NOT_FOUND);
	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	assert_string_equal(c.phone_number_id, "1001");
	assert_string_equal(c.verify_token, "token");
	assert_int_equal(store_connection_get(s, "two", CONNECTION_ONE, &c), STORE_NOT_FOUND);
	assert_int_equal(store_connection_by_number(s, "one", 0, "1001", &c), STORE_OK);
	assert_int_equal(store_connection_by_number(s, "one", 0, "1002", &c), STORE_NOT_FOUND);
	assert_int_equal(store_connection_list(s, "one", &page, see_connection, &seen), STORE_NOT_FOUND);
	page.after = NULL;
	assert_int_equal(store_connection_list(s, "one", &page, see_connection, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	(void)snprintf(c.display_phone, sizeof(c.display_phone), "+1 555");
	assert_int_equal(store_connection_describe(s, &c), STORE_OK);
	memcpy(c.business_id, "two", 4);
	assert_int_equal(store_connection_describe(s, &c), STORE_NOT_FOUND);
	assert_int_equal(store_connection_get(s, "one", CONNECTION_ONE, &c), STORE_OK);
	assert_string_equal(c.display_phone, "+1 555");
	assert_int_equal(store_connection_remove(s, "two", CONNECTION_ONE), STORE_NOT_FOUND);
	assert_int_equal(store_connection_remove(s, "one", CONNECTION_ONE), STORE_OK);
	add_connection(s, "0000000000000000000000c0n4", "two", "1001");
}

static void test_status_moves(void **state)
{
	struct store *s = store_of(state);
	const enum store_connection_status pending = STORE_CONNECTION_PENDING, active = STORE_CONNECTION_ACTIVE;

	assert_int_equal(store_connection_status_set(s, "two", CONNECTION_ONE, 0, active), STORE_NOT_FOUND);
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, pending, active), STORE_OK);
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, pending, active), STORE_STALE);
	assert_int_equal(store_connection_status_set(s, "one", CONNECTION_ONE, 0, pending), STORE_OK);
}

static struct store_credential credential(const char *field, uint64_t version)
{
	struct store_credential c = {.connection_id = "0000000000000000000000c0n5",
		.slot = STORE_SLOT_CURRENT,
		.version = version,
		.last4 = "abcd",
		.fingerprint = "f",
		.blob = (const uint8_t *)(version == 1 ? "first" : "other"),
		.blob_len = 5};

	(void)snprintf(c.field, sizeof(c.field), "%s", field);
	return c;
}

static bool check_slots(const struct store_credential *c, void *arg)
{
	unsigned *n = arg;

	assert_string_equal(c->field, "app_secret");
	assert_string_equal(c->last4, "abcd");
	assert_int_equal(c->slot, *n == 0 ? STORE_SLOT_CURRENT : STORE_SLOT_PREVIOUS);
	assert_int_equal(c->version, *n == 0 ? 3 : 2);
	assert_int_equal(c->blob_len, 5);
	assert_memory_equal(c->blob, "other", 5);
	++*n;
	return true;
}

static bool count_credentials(const struct store_credential *c, void *arg)
{
	(void)c;
	++*(unsigned *)arg;
	return true;
}

static unsigned credentials(struct store *s, const char *business, const char *field)
{
	unsigned n = 0;

	assert_int_equal(store_credential_list(s, business, field, count_credentials, &n), STORE_OK);
	return n;
}

static void test_credentials(void **state)
{
	struct store *s = store_of(state);
	struct store_connection c = connection("0000000000000000000000c0n5", "one", "1005");
	struct store_credential both[] = {credential("app_secret", 1), credential("access_token", 1)};
	struct store_credential next = credential("app_secret", 2);
	unsigned n = 0;

	assert_int_equal(store_connection_add(s, &c, both, 2), STORE_OK);
	assert_int_equal(credentials(s, "one", ""), 2);
	assert_int_equal(credentials(s, "two", ""), 0);
	assert_int_equal(store_credential_put(s, "two", &next), STORE_NOT_FOUND);
	assert_int_equal(store_credential_put(s, "one", &next), STORE_OK);
	assert_int_equal(store_credential_put(s, "one", &next), STORE_STALE);
	assert_int_equal(store_credential_worked(s, "one", &next, 7, 0), STORE_OK);
	next.version = 3;
	assert_int_equal(store_credential_put(s, "one", &next), STORE_OK);
	assert_int_equal(store_credential_list(s, "one", "app_secret", check_slots, &n), STORE_OK);
	assert_int_equal(n, 2);
	assert_int_equal(store_connection_status_set(s, "one", c.id, 0, STORE_CONNECTION_SUSPENDED), STORE_OK);
	assert_int_equal(credentials(s, "one", "app_secret"), 0);
	assert_int_equal(credentials(s, "one", ""), 3);
	assert_int_equal(store_connection_remove(s, "one", c.id), STORE_OK);
	assert_int_equal(credentials(s, "one", ""), 0);
}

static struct store_product product(const char *id, const char *name)
{
	struct store_product p = {.price = "450000", .currency = "NGN", .stock = 5, .aliases = "a\nb", .unit = "kg"};

	(void)snprintf(p.id, sizeof(p.id), "%s", id);
	(void)snprintf(p.name, sizeof(p.name), "%s", name);
	(void)snprintf(p.name_key, sizeof(p.name_key), "%s", name);
	return p;
}

/* A try counts as the change itself would, and leaves nothing behind. */
static void test_product_try(void **state)
{
	struct store *s = store_of(state);
	struct store_product p[] = {product("p1", "phone"), product("", "case"), product("", "case")}, out;
	unsigned added = 0, changed = 0;

	assert_int_equal(store_product_put(s, "one", p, 1, &added, &changed), STORE_OK);
	(void)snprintf(p[0].price, sizeof(p[0].price), "7");
	assert_int_equal(store_product_try(s, "one", p, 3, &added, &changed), STORE_OK);
	assert_int_equal(added, 1);
	assert_int_equal(changed, 2);
	assert_int_equal(store_product_get(s, "one", "p1", &out), STORE_OK);
	assert_string_equal(out.price, "450000");
	assert_string_equal(out.name, "phone");
	assert_int_equal(store_product_get(s, "two", "p1", &out), STORE_NOT_FOUND);
	assert_int_equal(store_product_put(s, "one", p, 3, &added, &changed), STORE_OK);
	assert_int_equal(added, 1);
	assert_int_equal(changed, 2);
}

/* Owns: the caller frees. */
static struct store_product *many(unsigned n, const char *prefix)
{
	struct store_product *p = calloc(n, sizeof(*p));

	assert_non_null(p);
	for (unsigned i = 0; i < n; i++) {
		p[i] = product("", "");
		(void)snprintf(p[i].name, sizeof(p[i].name), "%s %u", prefix, i);
		(void)snprintf(p[i].name_key, sizeof(p[i].name_key), "%s%u", prefix, i);
	}
	return p;
}

static void test_at_most_so_many_products(void **state)
{
	struct store *s = store_of(state);
	struct store_product *all = many(STORE_PRODUCTS_MAX, "a"), one = product("", "one more");
	unsigned added, changed;

	assert_int_equal(store_product_put(s, "one", all, STORE_PRODUCTS_MAX - 1, &added, &changed), STORE_OK);
	/* Some fit, but not all: none. */
	all[0] = product("", "another");
	assert_int_equal(store_product_try(s, "one", all, STORE_PRODUCTS_MAX, &added, &changed), STORE_TOO_MANY);
	assert_int_equal(store_product_put(s, "one", all, STORE_PRODUCTS_MAX, &added, &changed), STORE_TOO_MANY);
	assert_int_equal(store_product_put(s, "one", &one, 1, &added, &changed), STORE_OK);
	assert_int_equal(store_product_put(s, "one", all, 1, &added, &changed), STORE_TOO_MANY);
	assert_int_equal(store_product_put(s, "one", all + 1, 9, &added, &changed), STORE_OK);
	assert_int_equal(changed, 9);
	assert_int_equal(store_product_put(s, "two", all, 1, &added, &changed), STORE_OK);
	free(all);
}

#define IMPORTERS 4u

/* Returns NULL when all went in. */
static void *import_many(void *arg)
{
	struct store_product *p = many(501, "p");
	unsigned added = 0, changed = 0;
	enum store_error err = store_product_put(arg, "one", p, 501, &added, &changed);

	free(p);
	return err == STORE_OK && added + changed == 501 ? NULL : arg;
}

static void test_many_products_take_turns(void **state)
{
	struct store *s = store_of(state);
	unsigned long before = writer_commits(s->writer);
	struct store_product *p = many(501, "q");
	pthread_t threads[IMPORTERS];
	unsigned added, changed;

	for (size_t i = 0; i < IMPORTERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, import_many, s), 0);
	for (size_t i = 0; i < IMPORTERS; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_true(writer_commits(s->writer) - before >= IMPORTERS);
	/* Whose turn does not come is told so; few products have no turn. */
	assert_int_equal(pthread_mutex_lock(&s->import), 0);
	assert_int_equal(store_product_put(s, "one", p, 501, &added, &changed), STORE_BUSY);
	assert_int_equal(store_product_put(s, "one", p, 500, &added, &changed), STORE_OK);
	assert_int_equal(pthread_mutex_unlock(&s->import), 0);
	assert_int_equal(store_product_put(s, "one", p, 501, &added, &changed), STORE_OK);
	assert_int_equal(added, 1);
	free(p);
}

static void test_products(void **state)
{
	struct store *s = store_of(state);
	struct store_product p[] = {product("p1", "phone"), product("", "case")};
	struct store_page page = {.limit = 10, .ascending = true};
	struct seen seen = {0};
	unsigned added = 9, changed = 9;

	assert_int_equal(store_product_put(s, "one", p, 2, &added, &changed), STORE_OK);
	assert_int_equal(added, 2);
	assert_int_equal(changed, 0);
	p[0].stock = -1;
	assert_int_equal(store_product_put(s, "one", p, 2, &added, &changed), STORE_OK);
	assert_int_equal(added, 0);
	assert_int_equal(changed, 2);
	/* All or none: the second takes the first one's name. */
	p[0] = product("p3", "new");
	p[1] = product("p4", "phone");
	assert_int_equal(store_product_put(s, "one", p, 2, &added, &changed), STORE_EXISTS);
	assert_int_equal(store_product_list(s, "one", &page, see_product, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
	assert_string_equal(seen.ids[0], "p1");
	assert_int_equal(strlen(seen.ids[1]), STORE_ID_LEN);
	assert_int_equal(store_product_try(s, "one", p, 2, &added, &changed), STORE_EXISTS);
	assert_int_equal(store_product_try(s, "none", p, 1, &added, &changed), STORE_NOT_FOUND);
	assert_int_equal(store_product_put(s, "none", p, 1, &added, &changed), STORE_NOT_FOUND);
	p[0].stock = -2;
	assert_int_equal(store_product_put(s, "one", p, 1, &added, &changed), STORE_INVALID);
	assert_int_equal(store_product_remove(s, "two", "p1"), STORE_NOT_FOUND);
	assert_int_equal(store_product_remove(s, "one", "p1"), STORE_OK);
	seen.len = 0;
	assert_int_equal(store_product_each(s, "one", see_product, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
	assert_int_equal(store_product_each(s, "two", see_product, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
}

static void test_tokens(void **state)
{
	struct house *h = *state;
	struct store_token t = {.name = "ci", .hash = {7}, .last4 = "wxyz"}, out;
	struct store_page page = {.limit = 10};
	struct seen seen = {0};

	store_id_new(t.id);
	assert_int_equal(store_token_add(h->store, &t), STORE_OK);
	assert_int_equal(store_token_add(h->store, &t), STORE_EXISTS);
	house_close(h);
	house_open(h);
	assert_int_equal(store_token_find(h->store, t.hash, &out), STORE_OK);
	assert_string_equal(out.id, t.id);
	assert_string_equal(out.last4, "wxyz");
	assert_memory_equal(out.hash, t.hash, sizeof(t.hash));
	assert_int_equal(store_token_find(h->store, (uint8_t[32]){8}, &out), STORE_NOT_FOUND);
	assert_int_equal(store_token_revoke(h->store, t.id), STORE_OK);
	assert_int_equal(store_token_revoke(h->store, t.id), STORE_NOT_FOUND);
	assert_int_equal(store_token_find(h->store, t.hash, &out), STORE_NOT_FOUND);
	assert_int_equal(store_token_list(h->store, &page, see_token, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
}

/* Nothing of it stays, nothing of its neighbour goes. */
static void test_removal_takes_everything(void **state)
{
	struct store *s = store_of(state);
	struct store_tenant_key k = key(STORE_KEY_CONTENT, 1);
	struct store_product p = product("p", "p");
	struct store_message m, theirs;
	struct store_business b;
	struct seen seen = {0};
	unsigned n, c;
	char event[STORE_ID_LEN + 1];

	assert_int_equal(store_tenant_key_add(s, "one", &k), STORE_OK);
	assert_int_equal(store_product_put(s, "one", &p, 1, &n, &c), STORE_OK);
	m = queue(s, "one", CONNECTION_ONE, 1, 0);
	theirs = queue(s, "two", CONNECTION_TWO, 1, 0);
	add_event(s, event);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(store_business_get(s, "one", &b), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CONTENT, 0, &k), STORE_NOT_FOUND);
	assert_int_equal(store_message_get(s, "one", m.id, see_message, &seen), STORE_NOT_FOUND);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(store_product_each(s, "one", see_product, &seen), STORE_OK);
	assert_int_equal(seen.len, 0);
	assert_int_equal(state_of(s, "two", theirs.id), STORE_MESSAGE_QUEUED);
	/* The id and its number are free again. */
	add_business(s, "one");
	add_connection(s, CONNECTION_ONE, "one", "1001");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_tenant_keys),
		TEST(test_businesses),
		TEST(test_pages),
		TEST(test_find),
		TEST(test_at_most_so_many_products),
		TEST(test_many_products_take_turns),
		TEST(test_visitor_may_call),
		TEST(test_connections),
		TEST(test_status_moves),
		TEST(test_credentials),
		TEST(test_product_try),
		TEST(test_products),
		TEST(test_tokens),
		TEST(test_removal_takes_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
