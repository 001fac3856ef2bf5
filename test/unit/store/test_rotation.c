/*
 * Goal of this test: keys that are being replaced are found again where their replacing stood, what came later wins over
 * what was sealed anew, and what is destroyed is in no file any more.
 */
#include "store/core.h"
#include "test/unit/store/helper.h"

static struct store *store_of(void **state)
{
	return ((struct house *)*state)->store;
}

static struct store_tenant_key key(enum store_purpose purpose, uint32_t version, const char *master)
{
	struct store_tenant_key k = {.purpose = purpose,
		.version = version,
		.blob = {7, 7, (uint8_t)purpose, (uint8_t)version},
		.blob_len = 4};

	(void)snprintf(k.master_key_id, sizeof(k.master_key_id), "%s", master);
	return k;
}

static void give_keys(struct store *s, const char *business, const char *master)
{
	for (int purpose = 1; purpose <= 3; purpose++) {
		struct store_tenant_key k = key((enum store_purpose)purpose, 1, master);

		assert_int_equal(store_tenant_key_add(s, business, &k), STORE_OK);
	}
}

/* ------------------------------------------------------------ master keys */

struct others {
	struct store_rewrapped list[16];
	size_t len;
};

static bool see_other(const struct store_rewrapped *k, void *arg)
{
	struct others *o = arg;

	assert_true(o->len < 16);
	o->list[o->len++] = *k;
	return true;
}

static bool see_count(const struct store_master_count *c, void *arg)
{
	char *text = arg;

	(void)snprintf(text + strlen(text), 64, "%s:%d ", c->master_key_id, (int)c->keys);
	return true;
}

static void test_under_another_master_key(void **state)
{
	struct store *s = store_of(state);
	struct others o = {.len = 0};
	char text[256] = "";
	struct store_tenant_key k;

	give_keys(s, "one", "aaaa");
	give_keys(s, "two", "bbbb");
	k = key(STORE_KEY_CONTENT, 1, "aaaa");
	assert_int_equal(store_tenant_key_add(s, "", &k), STORE_OK);
	assert_int_equal(store_master_counts(s, see_count, text), STORE_OK);
	assert_string_equal(text, "aaaa:4 bbbb:3 ");
	/* Page by page, the deployment's own first, none of the current one. */
	assert_int_equal(store_tenant_key_others(s, "bbbb", NULL, 3, see_other, &o), STORE_OK);
	assert_int_equal(o.len, 3);
	assert_string_equal(o.list[0].business_id, "");
	assert_int_equal(store_tenant_key_others(s, "bbbb", &o.list[2], 3, see_other, &o), STORE_OK);
	assert_int_equal(o.len, 4);
	assert_int_equal(o.list[3].was.purpose, STORE_KEY_INDEX);
	for (size_t i = 0; i < o.len; i++) {
		o.list[i].is = o.list[i].was;
		o.list[i].is.blob[0] = 9;
		memcpy(o.list[i].is.master_key_id, "bbbb", 5);
	}
	o.list[1].was.blob[1] = 0; /* changed by somebody else meanwhile */
	assert_int_equal(store_tenant_key_rewrap(s, o.list, o.len), STORE_OK);
	text[0] = '\0';
	assert_int_equal(store_master_counts(s, see_count, text), STORE_OK);
	assert_string_equal(text, "aaaa:1 bbbb:6 ");
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_INDEX, 0, &k), STORE_OK);
	assert_int_equal(k.blob[0], 9);
	assert_int_equal(k.version, 1);
	assert_true(k.created_at > 0);
}

/* ------------------------------------------------------------ tenant keys */

struct values {
	struct store_sealed list[8];
	uint8_t first[8]; /* byte of each blob */
	size_t len;
};

static bool see_value(const struct store_sealed *v, void *arg)
{
	struct values *o = arg;

	assert_true(o->len < 8);
	o->first[o->len] = v->blob[0];
	o->list[o->len++] = *v;
	return true;
}

static struct values values_at(struct store *s, const char *business, enum store_sealed_place place, int64_t after)
{
	struct values v = {.len = 0};

	assert_int_equal(store_sealed_list(s, business, place, after, 100, see_value, &v), STORE_OK);
	return v;
}

static void put_credential(struct store *s, uint64_t version, uint8_t byte)
{
	uint8_t blob[4] = {byte, 1, 1, 1};
	struct store_credential c = {.connection_id = CONNECTION_ONE,
		.field = "access_token",
		.slot = STORE_SLOT_CURRENT,
		.version = version,
		.key_version = 1,
		.fingerprint = "f",
		.blob = blob,
		.blob_len = 4};

	assert_int_equal(store_credential_put(s, "one", &c), STORE_OK);
}

static void test_rotation(void **state)
{
	struct house *h = *state;
	struct store *s = h->store;
	struct store_tenant_key k = key(STORE_KEY_CREDENTIAL, 2, "aaaa");
	struct store_rotation r, again;
	const uint8_t was[4] = {1, 1, 1, 1}, is[4] = {2, 1, 1, 1};
	struct store_resealed value = {.was = was, .was_len = 4, .is = is, .is_len = 4, .fingerprint = "g"};
	struct store_credential late = {.connection_id = CONNECTION_ONE,
		.field = "access_token",
		.slot = STORE_SLOT_CURRENT,
		.version = 3,
		.key_version = 1,
		.blob = was,
		.blob_len = 4};
	char business[STORE_BUSINESS_ID_LEN + 1];
	enum store_purpose purpose;
	struct values v;
	int64_t count;

	assert_int_equal(store_rotation_begin(s, "one", &k, 5), STORE_NOT_FOUND); /* it has no key to replace */
	give_keys(s, "one", "aaaa");
	put_credential(s, 1, 1);
	assert_int_equal(store_rotation_next(s, INT64_MAX, &r), STORE_NOT_FOUND);
	assert_int_equal(store_rotation_due(s, store_now_ms() + 1, business, &purpose, &count), STORE_OK);
	assert_int_equal(count, 2);
	k.version = 3;
	assert_int_equal(store_rotation_begin(s, "one", &k, 5), STORE_STALE);
	k.version = 2;
	assert_int_equal(store_rotation_begin(s, "one", &k, 5), STORE_OK);
	assert_int_equal(store_rotation_begin(s, "one", &k, 5), STORE_EXISTS);
	k = key(STORE_KEY_INDEX, 2, "aaaa");
	assert_int_equal(store_rotation_begin(s, "one", &k, 5), STORE_INVALID);
	assert_int_equal(store_rotation_due(s, store_now_ms() + 1, business, &purpose, &count), STORE_OK);
	assert_true(count == 1 && purpose == STORE_KEY_CONTENT);

	v = values_at(s, "one", STORE_PLACE_CREDENTIAL, 0);
	assert_int_equal(v.len, 1);
	assert_string_equal(v.list[0].record_id, CONNECTION_ONE);
	assert_string_equal(v.list[0].field, "access_token");
	assert_int_equal(v.list[0].version, 1);
	assert_int_equal(values_at(s, "two", STORE_PLACE_CREDENTIAL, 0).len, 0);
	value.seq = v.list[0].seq;

	/* A key that was pasted in between wins; what was read of the one before stands beside it and is taken. */
	put_credential(s, 2, 8);
	assert_int_equal(store_rotation_next(s, INT64_MAX, &r), STORE_OK);
	assert_true(r.version == 2 && r.scanned_at == 0 && r.total == 5 && r.place == STORE_PLACE_CREDENTIAL);
	r.cursor = value.seq;
	r.done = 1;
	assert_int_equal(store_rotation_step(s, &r, STORE_PLACE_CREDENTIAL, &value, 1), STORE_OK);
	v = values_at(s, "one", STORE_PLACE_CREDENTIAL, 0);
	assert_int_equal(v.len, 2);
	assert_true((v.first[0] == 2 && v.first[1] == 8) || (v.first[0] == 8 && v.first[1] == 2));
	value.is = (const uint8_t *)"late"; /* the row is not what was read any more: it stays */
	assert_int_equal(store_rotation_step(s, &r, STORE_PLACE_CREDENTIAL, &value, 1), STORE_OK);
	v = values_at(s, "one", STORE_PLACE_CREDENTIAL, 0);
	assert_true((v.first[0] == 2 && v.first[1] == 8) || (v.first[0] == 8 && v.first[1] == 2));

	house_close(h);
	house_open(h);
	s = h->store;
	assert_int_equal(store_rotation_next(s, INT64_MAX, &again), STORE_OK);
	assert_true(again.cursor == r.cursor && again.done == 1 && again.scanned_at == 0);
	again.scanned_at = 1000;
	assert_int_equal(store_rotation_step(s, &again, STORE_PLACE_CREDENTIAL, NULL, 0), STORE_OK);
	assert_int_equal(store_rotation_next(s, 1000, &again), STORE_NOT_FOUND); /* its time has not come */
	assert_int_equal(store_rotation_next(s, 1001, &again), STORE_OK);
	assert_int_equal(store_rotation_end(s, &again), STORE_OK);
	assert_int_equal(store_rotation_end(s, &again), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CREDENTIAL, 1, &k), STORE_NOT_FOUND);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CREDENTIAL, 0, &k), STORE_OK);
	assert_int_equal(k.version, 2);
	assert_int_equal(store_tenant_key_get(s, "one", STORE_KEY_CONTENT, 1, &k), STORE_OK);
	/* What was on its way under the key that is gone does not come in. */
	assert_int_equal(store_credential_put(s, "one", &late), STORE_STALE);
	late.key_version = 2;
	assert_int_equal(store_credential_put(s, "one", &late), STORE_OK);
}

/* Of a business that goes, the rotation goes. */
static void test_removal_ends_it(void **state)
{
	struct store *s = store_of(state);
	struct store_tenant_key k = key(STORE_KEY_CONTENT, 2, "aaaa");
	struct store_rotation r;

	give_keys(s, "one", "aaaa");
	assert_int_equal(store_rotation_begin(s, "one", &k, 0), STORE_OK);
	assert_int_equal(store_rotation_next(s, INT64_MAX, &r), STORE_OK);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
	assert_int_equal(store_rotation_next(s, INT64_MAX, &r), STORE_NOT_FOUND);
	r.scanned_at = 1;
	assert_int_equal(store_rotation_step(s, &r, STORE_PLACE_EVENT, NULL, 0), STORE_NOT_FOUND);
}

static bool file_has(const char *path, const void *what, size_t len)
{
	FILE *f = fopen(path, "rb");
	bool found = false;
	uint8_t *data;
	long size;

	if (f == NULL)
		return false;
	assert_int_equal(fseek(f, 0, SEEK_END), 0);
	size = ftell(f);
	rewind(f);
	data = malloc((size_t)size + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)size, f), size);
	fclose(f);
	found = size > 0 && memmem(data, (size_t)size, what, len) != NULL;
	free(data);
	return found;
}

/* Among many tenants, so that pages were split and joined on the way. */
static void test_destroyed_keys_are_in_no_file(void **state)
{
	struct house *h = *state;
	char log[100], id[16];
	uint8_t wrapped[148];

	(void)snprintf(log, sizeof(log), "%s-wal", h->path);
	for (int i = 0; i < 600; i++) {
		struct store_tenant_key k = {
			.purpose = STORE_KEY_CREDENTIAL, .version = 1, .master_key_id = "aaaa", .blob_len = 148};

		(void)snprintf(id, sizeof(id), "t%05d", i * 7919 % 100000);
		memset(k.blob, 0x51, 148);
		memcpy(k.blob + 20, "wrapped key of ", 15);
		memcpy(k.blob + 35, id, 6);
		add_business(h->store, id);
		assert_int_equal(store_tenant_key_add(h->store, id, &k), STORE_OK);
	}
	memcpy(wrapped, "wrapped key of t", 16);
	assert_int_equal(store_flush(h->store), STORE_OK);
	assert_true(file_has(h->path, wrapped, 16));
	for (int i = 0; i < 600; i++) {
		(void)snprintf(id, sizeof(id), "t%05d", i * 7919 % 100000);
		assert_int_equal(store_business_remove(h->store, id, NULL), STORE_OK);
	}
	assert_true(file_has(log, wrapped, 16));
	assert_int_equal(store_flush(h->store), STORE_OK);
	assert_false(file_has(log, wrapped, 16));
	assert_false(file_has(h->path, wrapped, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_under_another_master_key, house_setup, house_teardown),
		cmocka_unit_test_setup_teardown(test_rotation, house_setup, house_teardown),
		cmocka_unit_test_setup_teardown(test_removal_ends_it, house_setup, house_teardown),
		cmocka_unit_test_setup_teardown(test_destroyed_keys_are_in_no_file, house_setup, house_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
