/*
 * The receipt is gathered before, while there is something to write about. What was cut
 * short is found in the database: the rows that are left are the list of what is to do.
 */
#include "gateway/removal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"

#define KEYS_FIRST 8u

/* Removals that somebody runs in this process; they are not cut short. */
static atomic_uint running;

/* Room for one more; NULL: memory is short. */
static struct removal_key *key_add(struct removal_receipt *r)
{
	if (r->keys_len == r->keys_room) {
		const size_t room = r->keys_room > 0 ? r->keys_room * 2 : KEYS_FIRST;
		struct removal_key *larger = realloc(r->keys, room * sizeof(*larger));

		if (larger == NULL)
			return NULL;
		r->keys = larger;
		r->keys_room = room;
	}
	return &r->keys[r->keys_len++];
}

struct keys {
	struct removal_receipt *receipt;
	bool failed;
};

static bool key_one(const struct store_tenant_key *key, void *arg)
{
	struct keys *k = arg;
	struct removal_key *to = key_add(k->receipt);
	uint8_t hash[VAULT_HASH_LEN];

	k->failed = to == NULL;
	if (k->failed)
		return false;
	*to = (struct removal_key){
		.purpose = store_purpose_name(key->purpose), .version = key->version, .created_at = key->created_at};
	vault_hash(key->blob, key->blob_len, hash);
	vault_hex(hash, (sizeof(to->id) - 1) / 2, to->id);
	return true;
}

static enum store_error receipt_begin(struct store *s, const char *business_id, struct removal_receipt *r)
{
	struct keys keys = {r, false};
	struct store_business business;
	enum store_error err = store_business_get(s, business_id, &business);

	if (err == STORE_OK)
		err = store_tenant_key_list(s, business_id, key_one, &keys);
	if (err == STORE_OK && keys.failed)
		err = STORE_NO_MEMORY;
	if (err != STORE_OK)
		return err;
	memcpy(r->business_id, business.id, sizeof(r->business_id));
	memcpy(r->business_name, business.name, sizeof(r->business_name));
	return STORE_OK;
}

static enum store_error flush(struct store *s, const char *business_id)
{
	const enum store_error err = store_flush(s);

	if (err == STORE_BUSY)
		log_warn(
			"the destroyed keys stay in the write-ahead log until whoever reads an older state (a backup?) "
			"has ended business=%s",
			business_id);
	return err;
}

static enum store_error run(struct tenants *t, const char *business_id, struct removal_receipt *r)
{
	struct store *s = tenants_store(t);
	struct store_audit_end audited;
	enum store_error err = receipt_begin(s, business_id, r), flushed;

	if (err != STORE_OK)
		return err;
	err = store_business_remove(s, business_id, &audited);
	/* Also after an error: the keys may be destroyed already. */
	tenants_forget(t, business_id);
	flushed = flush(s, business_id);
	if (err != STORE_OK)
		return err;
	store_id_new(r->id);
	r->audit_seq = audited.seq;
	vault_hex(audited.hash, sizeof(audited.hash), r->audit_hash);
	r->removed_at = store_now_ms();
	r->flushed = flushed == STORE_OK;
	log_info("business removed, its keys are destroyed business=%s receipt=%s", business_id, r->id);
	return flushed == STORE_BUSY ? STORE_OK : flushed;
}

enum store_error removal_run(struct tenants *t, const char *business_id, struct removal_receipt *out)
{
	enum store_error err;

	memset(out, 0, sizeof(*out));
	atomic_fetch_add(&running, 1);
	err = run(t, business_id, out);
	atomic_fetch_sub(&running, 1);
	if (err != STORE_OK)
		removal_receipt_clear(out);
	return err;
}

void removal_receipt_clear(struct removal_receipt *r)
{
	free(r->keys);
	memset(r, 0, sizeof(*r));
}

enum store_error removal_step(struct tenants *t)
{
	char id[STORE_BUSINESS_ID_LEN + 1];
	struct store *s = tenants_store(t);
	bool gone = false;
	enum store_error err = store_business_removing(s, id);

	if (err != STORE_OK)
		return err;
	/* Asked after it was seen: who began it has counted himself before, and nobody can begin with it now. */
	if (atomic_load(&running) > 0)
		return STORE_NOT_FOUND;
	err = store_business_remove_some(s, id, &gone);
	if (!gone)
		return err;
	tenants_forget(t, id);
	log_info("a removal that was cut short is carried on to its end: business removed, its keys are destroyed "
		 "business=%s",
		id);
	err = flush(s, id);
	return err == STORE_BUSY ? STORE_OK : err;
}
