/*
 * Goal of this test: store and vault keep one chain between them, over several lives of
 * both; and a listener that asks for a stored credential is refused, and that is sealed.
 */
#include "gateway/audit.h"
#include "test/unit/vault/house.h"

struct fixture {
	struct house vault;
	char dir[64], path[80], key[512];
	struct store *store;
	struct tenants *tenants;
	struct audit audit;
};

static void life_begin(struct fixture *f)
{
	struct store_options opt = {.path = f->path, .create = true, .readers = 2};

	f->audit = (struct audit){.vault = NULL};
	opt.audit = audit_auditor(&f->audit);
	house_open(&f->vault, f->key);
	assert_int_equal(store_open(&f->store, &opt), STORE_OK);
	assert_int_equal(tenants_open(&f->tenants, f->store, f->vault.listener, 4), TENANT_OK);
	assert_int_equal(audit_begin(&f->audit, f->tenants, f->vault.listener), TENANT_OK);
}

static void life_end(struct fixture *f)
{
	tenants_close(f->tenants);
	store_close(f->store);
	assert_int_equal(house_close(&f->vault), VAULT_OK);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char path[64];
	int fd = text_file("", path);

	assert_non_null(f);
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_true(pread(fd, f->key, sizeof(f->key) - 1, 0) > 0);
	close(fd);
	unlink(path);
	snprintf(f->dir, sizeof(f->dir), "/tmp/kh-audit-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/k.db", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->path);
	assert_int_equal(rmdir(f->dir), 0);
	free(f);
	return 0;
}

static struct store_audit_state note(struct fixture *f)
{
	struct store_audit_state is;

	assert_int_equal(store_audit(f->store, &(struct store_audit){.action = "kit_made"}), STORE_OK);
	assert_int_equal(store_audit_state(f->store, &is), STORE_OK);
	assert_true(is.fits);
	assert_int_equal(is.broken_at, 0);
	return is;
}

/* As code would that took the listener over. */
static void ask_for_a_credential(struct fixture *f)
{
	const struct vault_context where = credential_place("access_token");
	struct vault_wrapped_key key;
	struct secret *s = NULL;
	uint8_t blob[200] = {0};

	assert_int_equal(tenant_audit_key(f->tenants, &key), TENANT_OK);
	assert_int_equal(
		vault_credential_open(f->vault.listener, "job", &key, &where, blob, sizeof(blob), &s), VAULT_DENIED);
	assert_null(s);
}

static void test_one_chain(void **state)
{
	struct fixture *f = *state;
	struct store_audit_state is;

	life_begin(f);
	is = note(f);
	assert_int_equal(is.seq, 2); /* after the one with which it begins */
	assert_int_equal(is.head.refused, 0);
	ask_for_a_credential(f);
	ask_for_a_credential(f);
	is = note(f);
	assert_int_equal(is.head.refused, 2);
	life_end(f);

	life_begin(f);
	is = note(f);
	assert_int_equal(is.seq, 4);
	assert_int_equal(is.head.refused, 2);
	ask_for_a_credential(f);
	assert_int_equal(note(f).head.refused, 3);
	life_end(f);
}

/* Equal values have equal digests, in every life; nothing of the value is in them. */
static bool take_value(const struct store_audit_row *r, void *arg)
{
	memcpy(arg, r->value, STORE_INDEX_LEN);
	return r->value_len == STORE_INDEX_LEN;
}

static void test_values(void **state)
{
	const struct store_page newest = {.limit = 1};
	struct store_business b = {.id = "one", .name = "A shop", .status = STORE_BUSINESS_ACTIVE, .responder = "none"};
	uint8_t first[STORE_INDEX_LEN] = {0}, other[STORE_INDEX_LEN] = {0}, again[STORE_INDEX_LEN] = {0};
	struct fixture *f = *state;

	life_begin(f);
	assert_int_equal(store_business_add(f->store, &b, NULL, 0), STORE_OK);
	assert_int_equal(store_audit_list(f->store, NULL, &newest, take_value, first), STORE_OK);
	assert_int_equal(store_business_change(f->store, "one", "Another", 0, 0), STORE_OK);
	assert_int_equal(store_audit_list(f->store, NULL, &newest, take_value, other), STORE_OK);
	life_end(f);
	life_begin(f);
	assert_int_equal(store_business_change(f->store, "one", "A shop", 0, 0), STORE_OK);
	assert_int_equal(store_audit_list(f->store, NULL, &newest, take_value, again), STORE_OK);
	assert_memory_equal(first, again, sizeof(first));
	assert_memory_not_equal(first, other, sizeof(first));
	life_end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_chain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
	};

	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
