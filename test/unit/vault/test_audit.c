/*
 * Goal of this test: the vault seals the end of the audit's chain, takes nothing back
 * unseen, begins once, and counts what it was asked by who may not.
 */
#include "test/unit/vault/house.h"
#include "vault/audit.h"

#define OWNER "_deployment"

struct fixture {
	struct house house;
	struct vault_wrapped_key key;
	uint8_t digests[3][VAULT_HASH_LEN];
};

static void fixture_open(struct fixture *f)
{
	*f = (struct fixture){.digests = {{1}, {2}, {3}}};
	house_open(&f->house, NULL);
	assert_int_equal(
		vault_tenant_key_new(f->house.listener, DEPLOYMENT, OWNER, VAULT_CREDENTIAL, 1, &f->key), VAULT_OK);
}

static enum vault_error begin(const struct fixture *f, const struct vault_audit_head *head, bool is_new)
{
	return vault_audit_begin(f->house.listener, DEPLOYMENT, OWNER, &f->key, head, is_new);
}

static void link_to(uint8_t hash[static VAULT_HASH_LEN], const uint8_t *digest)
{
	uint8_t both[2 * VAULT_HASH_LEN];

	memcpy(both, hash, VAULT_HASH_LEN);
	memcpy(both + VAULT_HASH_LEN, digest, VAULT_HASH_LEN);
	vault_hash(both, sizeof(both), hash);
}

/* Extends by all three digests from there; the head that a store would keep. */
static struct vault_audit_head extend(const struct fixture *f, const struct vault_audit_head *from, size_t rows)
{
	struct vault_audit_head head = {.seq = from->seq + rows};

	memcpy(head.hash, from->hash, sizeof(head.hash));
	for (size_t i = 0; i < rows; i++)
		link_to(head.hash, f->digests[i]);
	assert_int_equal(vault_audit_extend(f->house.listener, from->seq, f->digests[0], rows, &head), VAULT_OK);
	return head;
}

static void test_chain(void **state)
{
	const struct vault_audit_head nothing = {0};
	struct vault_audit_head one, two, bad;
	struct fixture f;

	(void)state;
	fixture_open(&f);
	one.seq = 0;
	assert_int_equal(
		vault_audit_extend(f.house.listener, 0, f.digests[0], 1, &one), VAULT_BAD_REQUEST); /* not begun */
	assert_int_equal(begin(&f, &nothing, true), VAULT_OK);
	assert_int_equal(begin(&f, &nothing, true), VAULT_OK); /* again, until something was sealed */
	assert_int_equal(vault_audit_extend(f.house.listener, 0, f.digests[0], 0, &one), VAULT_BAD_REQUEST);
	one = extend(&f, &nothing, 2);
	assert_true(one.at > 1700000000000u);
	assert_int_equal(one.undone, 0);
	assert_int_equal(begin(&f, &one, false), VAULT_BAD_REQUEST);
	two = extend(&f, &one, 3);
	assert_memory_not_equal(one.mac, two.mac, sizeof(one.mac));
	assert_int_equal(vault_audit_extend(f.house.listener, 1, f.digests[0], 1, &bad), VAULT_BAD_REQUEST);
	assert_int_equal(vault_audit_extend(f.house.listener, 0, f.digests[0], 1, &bad), VAULT_BAD_REQUEST);
	assert_int_equal(vault_audit_extend(f.house.listener, 9, f.digests[0], 1, &bad), VAULT_BAD_REQUEST);
	/* Only the last extension can be done anew, and that is counted for ever. */
	assert_int_equal(extend(&f, &one, 1).undone, 1);
	assert_int_equal(extend(&f, &one, 3).undone, 2);
	assert_int_equal(extend(&f, &two, 1).undone, 2);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

/* A later life of the vault, with the same master key. */
static void test_begins_where_it_ended(void **state)
{
	struct vault_audit_head head = {0}, forged, next;
	struct audit_memory kept = {.refused = 0};
	struct audit_keeper k = {.kept = &kept};
	struct fixture f = {.digests = {{1}, {2}, {3}}};
	uint8_t key[VAULT_KEY_LEN] = {9};

	(void)state;
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &head, 0), VAULT_OK);
	kept.refused = 5;
	assert_int_equal(audit_keeper_extend(&k, 0, f.digests[0], 3, 1234, &head), VAULT_OK);
	assert_int_equal(audit_keeper_extend(&k, 0, f.digests[0], 3, 1234, &head), VAULT_OK);
	assert_int_equal(head.seq, 3);
	assert_int_equal(head.at, 1234);
	assert_int_equal(head.refused, 5);
	assert_int_equal(head.undone, 1);

	kept = (struct audit_memory){.refused = 2};
	k = (struct audit_keeper){.kept = &kept};
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &head, AUDIT_MAC_LEN), VAULT_OK);
	assert_int_equal(audit_keeper_extend(&k, 3, f.digests[0], 1, 1235, &next), VAULT_OK);
	assert_int_equal(next.refused, 7);
	assert_int_equal(next.undone, 1);

	/* Every bit of what is sealed counts. */
	for (size_t bit = 0; bit < 8 * sizeof(head); bit++) {
		forged = head;
		((uint8_t *)&forged)[bit / 8] ^= (uint8_t)(1u << bit % 8);
		k = (struct audit_keeper){.kept = &kept};
		assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &forged, AUDIT_MAC_LEN), VAULT_BAD_BLOB);
		assert_int_equal(audit_keeper_extend(&k, forged.seq, f.digests[0], 1, 1, &next), VAULT_BAD_REQUEST);
	}
	k = (struct audit_keeper){.kept = &kept};
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT "x", &head, AUDIT_MAC_LEN), VAULT_BAD_BLOB);
	key[0]++;
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &head, AUDIT_MAC_LEN), VAULT_BAD_BLOB);
}

static struct vault_audit_head keeper_extend(struct audit_keeper *k, uint64_t from)
{
	static const uint8_t digest[VAULT_HASH_LEN] = {1};
	struct vault_audit_head head = {.seq = 0};

	assert_int_equal(audit_keeper_extend(k, from, digest, 1, 1234, &head), VAULT_OK);
	return head;
}

/* Who makes a vault end, to have another one begin, makes it forget nothing. */
static void test_what_the_next_one_knows(void **state)
{
	struct audit_memory kept = {.refused = 0};
	const struct vault_audit_head nothing = {0};
	struct vault_audit_head head[4];
	uint8_t key[VAULT_KEY_LEN] = {9};
	struct audit_keeper k;

	(void)state;
	k = (struct audit_keeper){.kept = &kept};
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &nothing, 0), VAULT_OK);
	for (size_t i = 0; i < 4; i++)
		head[i] = keeper_extend(&k, i);
	assert_int_equal(head[3].refused, 0);
	kept.refused += 50; /* and it ends before a seal says so */
	/* A head of before the last extension: somebody put it back. Where that began it may stand: its commit failed. */
	for (size_t i = 0; i < 4; i++) {
		k = (struct audit_keeper){.kept = &kept};
		assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &head[i], AUDIT_MAC_LEN),
			i < 2 ? VAULT_BAD_BLOB : VAULT_OK);
		kept.before = 3; /* as it was */
	}
	head[0] = keeper_extend(&k, 4);
	assert_int_equal(head[0].refused, 50);
	assert_int_equal(head[0].undone, 0);
	/* A new chain in its place is none of the listener's secrets. */
	k = (struct audit_keeper){.kept = &kept};
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &nothing, 0), VAULT_OK);
	head[0] = keeper_extend(&k, 0);
	assert_int_equal(head[0].undone, 1);
	assert_int_equal(head[0].refused, 50);
	k = (struct audit_keeper){.kept = &kept};
	assert_int_equal(audit_keeper_begin(&k, key, DEPLOYMENT, &head[0], AUDIT_MAC_LEN), VAULT_OK);
	assert_int_equal(keeper_extend(&k, 1).undone, 1);
}

static void told(void *ctx, enum vault_role role, uint64_t count)
{
	uint64_t *heard = ctx;

	if (role == VAULT_ROLE_LISTENER)
		*heard = count;
}

/* The listener has no OPEN: it is refused, and the next seal says that somebody asked. */
static void test_refusals_are_sealed(void **state)
{
	const struct vault_context where = credential_place("access_token");
	const struct vault_audit_head nothing = {0};
	struct vault_audit_head head;
	struct secret *s = NULL;
	uint64_t heard = 0;
	struct fixture f;

	(void)state;
	fixture_open(&f);
	vault_process_tell(f.house.process, told, &heard);
	assert_int_equal(begin(&f, &nothing, true), VAULT_OK);
	head = extend(&f, &nothing, 1);
	assert_int_equal(head.refused, 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(vault_credential_open(f.house.listener, "job", &f.key, &where, f.digests[0], 32, &s),
			VAULT_DENIED);
	assert_null(s);
	head = extend(&f, &head, 1);
	assert_int_equal(head.refused, 2);
	assert_int_equal(heard, 2);
	assert_int_equal(vault_process_denied(f.house.process, VAULT_ROLE_LISTENER), 2);
	/* Nor has the sender a say in the audit. */
	assert_int_equal(vault_audit_begin(f.house.sender, DEPLOYMENT, OWNER, &f.key, &nothing, true), VAULT_DENIED);
	assert_int_equal(vault_audit_extend(f.house.sender, 2, f.digests[0], 1, &head), VAULT_DENIED);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

static void test_longest(void **state)
{
	static uint8_t digests[VAULT_AUDIT_ROWS_MAX + 1][VAULT_HASH_LEN];
	const struct vault_audit_head nothing = {.seq = 1000};
	struct vault_audit_head head;
	struct fixture f;

	(void)state;
	fixture_open(&f);
	assert_int_equal(begin(&f, &nothing, true), VAULT_OK);
	assert_int_equal(vault_audit_extend(f.house.listener, 1000, digests[0], VAULT_AUDIT_ROWS_MAX, &head), VAULT_OK);
	assert_int_equal(vault_audit_extend(f.house.listener, 1000 + VAULT_AUDIT_ROWS_MAX, digests[0],
				 VAULT_AUDIT_ROWS_MAX + 1, &head),
		VAULT_BAD_REQUEST);
	assert_int_equal(house_close(&f.house), VAULT_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chain),
		cmocka_unit_test(test_begins_where_it_ended),
		cmocka_unit_test(test_what_the_next_one_knows),
		cmocka_unit_test(test_refusals_are_sealed),
		cmocka_unit_test(test_longest),
	};

	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
