/*
 * The receipt is gathered before, while there is something to write about.
 */
#include "gateway/removal.h"

#include <string.h>

#include "gateway/log.h"

static bool key_one(const struct store_tenant_key *key, void *arg)
{
	struct removal_receipt *r = arg;
	struct removal_key *to = &r->keys[r->keys_len];
	uint8_t hash[VAULT_HASH_LEN];

	if (r->keys_len == REMOVAL_KEYS_MAX)
		return false;
	*to = (struct removal_key){
		.purpose = store_purpose_name(key->purpose), .version = key->version, .created_at = key->created_at};
	vault_hash(key->blob, key->blob_len, hash);
	vault_hex(hash, (sizeof(to->id) - 1) / 2, to->id);
	r->keys_len++;
	return true;
}

enum store_error removal_run(struct tenants *t, const char *business_id, struct removal_receipt *out)
{
	struct store *s = tenants_store(t);
	struct store_business business;
	struct store_audit_end audited;
	enum store_error err = store_business_get(s, business_id, &business), flushed;

	memset(out, 0, sizeof(*out));
	if (err == STORE_OK)
		err = store_tenant_key_list(s, business_id, key_one, out);
	if (err != STORE_OK)
		return err;
	memcpy(out->business_id, business.id, sizeof(out->business_id));
	memcpy(out->business_name, business.name, sizeof(out->business_name));
	err = store_business_remove(s, business_id, &audited);
	/* Also after an error: the keys may be destroyed already. */
	tenants_forget(t, business_id);
	if (err != STORE_OK)
		return err;
	store_id_new(out->id);
	out->audit_seq = audited.seq;
	vault_hex(audited.hash, sizeof(audited.hash), out->audit_hash);
	out->removed_at = store_now_ms();
	log_info("business removed, its keys are destroyed business=%s receipt=%s", business_id, out->id);
	flushed = store_flush(s);
	out->flushed = flushed == STORE_OK;
	if (flushed == STORE_BUSY)
		log_warn(
			"the destroyed keys stay in the write-ahead log until whoever reads an older state (a backup?) "
			"has ended business=%s",
			business_id);
	return flushed == STORE_BUSY ? STORE_OK : flushed;
}
