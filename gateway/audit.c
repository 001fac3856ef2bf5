/*
 * Sealing the audit's chain, and its start. The vault takes one beginning in its life:
 * from then on it knows where the chain ends, and nobody else's word counts.
 */
#include "gateway/audit.h"

#include <string.h>

#include "gateway/log.h"

_Static_assert(STORE_AUDIT_GROUP_MAX == VAULT_AUDIT_ROWS_MAX, "a group is one question to the vault");

static bool value_digest(void *ctx, const void *value, size_t len, uint8_t *out)
{
	const struct audit *a = ctx;

	return a->tenants != NULL && tenant_index(a->tenants, "", "audit", value, len, out) == TENANT_OK;
}

/* Whatever keeps the vault from sealing ends the roles; only short memory passes. */
static enum store_error seal(
	void *ctx, int64_t from, const uint8_t *digests, size_t rows, struct store_audit_head *head)
{
	const struct audit *a = ctx;
	struct vault_audit_head sealed;
	enum vault_error err = VAULT_GONE;

	if (a->vault != NULL)
		err = vault_audit_extend(a->vault, (uint64_t)from, digests, rows, &sealed);
	if (err != VAULT_OK) {
		log_error("the audit cannot be sealed: %s", vault_error_text(err));
		return err == VAULT_NO_MEMORY ? STORE_NO_MEMORY : STORE_FAILED;
	}
	head->at = (int64_t)sealed.at;
	head->refused = sealed.refused;
	head->undone = sealed.undone;
	memcpy(head->mac, sealed.mac, sizeof(head->mac));
	return STORE_OK;
}

struct store_auditor audit_auditor(struct audit *a)
{
	return (struct store_auditor){.hash = vault_hash, .value = value_digest, .seal = seal, .ctx = a};
}

static struct vault_audit_head from_store(const struct store_audit_head *head)
{
	struct vault_audit_head out = {
		.seq = (uint64_t)head->seq, .at = (uint64_t)head->at, .refused = head->refused, .undone = head->undone};

	memcpy(out.hash, head->hash, sizeof(out.hash));
	memcpy(out.mac, head->mac, sizeof(out.mac));
	return out;
}

static enum tenant_error from_vault(enum vault_error err)
{
	return err == VAULT_OK ? TENANT_OK : err == VAULT_NO_MEMORY ? TENANT_NO_MEMORY : TENANT_VAULT;
}

/* A new chain, after row seq; 0: the first. */
static enum tenant_error begin_anew(
	struct audit *a, const struct vault_wrapped_key *key, const struct store_audit_state *state)
{
	const struct vault_audit_head none = {.seq = (uint64_t)state->seq};
	struct store *s = tenants_store(a->tenants);
	struct store_counts counts;
	const enum vault_error err =
		vault_audit_begin(a->vault, store_deployment_id(s), TENANT_DEPLOYMENT, key, &none, true);

	if (err != VAULT_OK)
		return from_vault(err);
	if (state->seq > 0)
		log_error("the audit is broken: what is kept is not what was sealed last, at row %lld or before; a new "
			  "chain begins behind it; `keyhouse verify --audit` says more",
			(long long)state->seq);
	else if (store_counts(s, &counts) == STORE_OK && counts.businesses > 0)
		log_warn("the audit begins only now, though businesses are there (%lld): what was kept before was "
			 "removed, or the version before this one kept none",
			(long long)counts.businesses);
	return store_audit_restart(s) == STORE_OK ? TENANT_OK : TENANT_STORE;
}

enum tenant_error audit_begin(struct audit *a, struct tenants *tenants, struct vault_client *vault)
{
	struct store *s = tenants_store(tenants);
	struct vault_wrapped_key key;
	struct store_audit_state state;
	struct vault_audit_head head;
	enum tenant_error err = tenant_audit_key(tenants, &key);
	enum vault_error told;

	if (err != TENANT_OK)
		return err;
	if (store_audit_state(s, &state) != STORE_OK)
		return TENANT_STORE;
	a->tenants = tenants;
	a->vault = vault;
	if (!state.fits || state.head.seq == 0)
		return begin_anew(a, &key, &state);
	head = from_store(&state.head);
	told = vault_audit_begin(vault, store_deployment_id(s), TENANT_DEPLOYMENT, &key, &head, false);
	return told == VAULT_BAD_BLOB ? begin_anew(a, &key, &state) : from_vault(told);
}

enum store_error audit_head_check(void *ctx, const struct store_audit_head *head)
{
	const struct audit *a = ctx;
	const struct vault_audit_head h = from_store(head);
	struct vault_wrapped_key key;
	enum vault_error err;

	if (tenant_audit_key(a->tenants, &key) != TENANT_OK)
		return STORE_STALE;
	err = vault_audit_begin(
		a->vault, store_deployment_id(tenants_store(a->tenants)), TENANT_DEPLOYMENT, &key, &h, false);
	if (err == VAULT_OK)
		return STORE_OK;
	return err == VAULT_BAD_BLOB || err == VAULT_WRONG_KEY ? STORE_STALE : STORE_FAILED;
}
