/*
 * Tenants: content keys and verifiers of businesses, loaded from store and vault on
 * first use and kept in the key cache. Loading happens outside the cache's lock; a load
 * that raced with tenants_forget is used once and not kept.
 */
#include "gateway/tenant.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/keycache.h"
#include "gateway/log.h"

_Static_assert(KEYCACHE_ID_LEN == STORE_BUSINESS_ID_LEN, "the cache has room for every business's id");

struct tenants {
	struct store *store;
	struct vault_client *vault;
	struct keycache *cache;
};

static enum tenant_error from_store(enum store_error err)
{
	if (err == STORE_OK)
		return TENANT_OK;
	if (err == STORE_NOT_FOUND)
		return TENANT_NOT_FOUND;
	return err == STORE_NO_MEMORY ? TENANT_NO_MEMORY : TENANT_STORE;
}

static enum tenant_error from_vault(enum vault_error err)
{
	switch (err) {
	case VAULT_OK:
		return TENANT_OK;
	case VAULT_BAD_BLOB:
	case VAULT_WRONG_KEY:
	case VAULT_BAD_REQUEST: /* too long to be sealed: as final as a damaged blob */
		return TENANT_BAD_DATA;
	case VAULT_NO_MEMORY:
		return TENANT_NO_MEMORY;
	case VAULT_DENIED:
	case VAULT_KEY_FILE:
	case VAULT_KEY_FILE_OPEN_TO_OTHERS:
	case VAULT_GONE:
		return TENANT_VAULT;
	}
	return TENANT_VAULT;
}

bool tenant_is_damaged(enum tenant_error err)
{
	return err == TENANT_BAD_DATA || err == TENANT_NOT_FOUND;
}

/* The deployment's own keys lie under no business. */
static const char *owner_of(const char *business_id)
{
	return business_id[0] != '\0' ? business_id : TENANT_DEPLOYMENT;
}

/* ------------------------------------------------------------ loading */

enum tenant_error tenant_key_get(struct tenants *t, const char *business_id, enum store_purpose purpose,
	uint32_t version, struct vault_wrapped_key *out)
{
	struct store_tenant_key key;
	enum tenant_error err = from_store(store_tenant_key_get(t->store, business_id, purpose, version, &key));

	if (err != TENANT_OK)
		return err;
	if (key.blob_len != sizeof(out->blob))
		return TENANT_BAD_DATA;
	memcpy(out->blob, key.blob, sizeof(out->blob));
	memcpy(out->master_key_id, key.master_key_id, sizeof(out->master_key_id));
	out->version = key.version;
	return TENANT_OK;
}

struct store_tenant_key tenant_key_row(enum store_purpose purpose, const struct vault_wrapped_key *key)
{
	struct store_tenant_key row = {.purpose = purpose, .version = key->version, .blob_len = sizeof(key->blob)};

	memcpy(row.blob, key->blob, sizeof(key->blob));
	memcpy(row.master_key_id, key->master_key_id, sizeof(row.master_key_id));
	return row;
}

/* version 0: the newest content key. */
static enum tenant_error keys_load(
	struct tenants *t, const char *business_id, uint32_t version, struct vault_content_keys *out)
{
	struct vault_wrapped_key content, index;
	enum tenant_error err;

	err = tenant_key_get(t, business_id, STORE_KEY_CONTENT, version, &content);
	if (err == TENANT_OK)
		err = tenant_key_get(t, business_id, STORE_KEY_INDEX, 0, &index);
	if (err != TENANT_OK)
		return err;
	return from_vault(vault_content_keys_get(
		t->vault, store_deployment_id(t->store), owner_of(business_id), &content, &index, out));
}

static enum tenant_error keys_get(struct tenants *t, const char *business_id, struct vault_content_keys *out)
{
	enum tenant_error err;
	uint64_t epoch;

	if (strlen(business_id) > STORE_BUSINESS_ID_LEN)
		return TENANT_NOT_FOUND;
	if (keycache_keys(t->cache, business_id, out, &epoch))
		return TENANT_OK;
	err = keys_load(t, business_id, 0, out);
	if (err == TENANT_OK)
		keycache_keep_keys(t->cache, business_id, epoch, out);
	return err;
}

/* ------------------------------------------------------------ opening and closing */

/* A purpose is the same number to the vault and to the store. */
_Static_assert((int)VAULT_CREDENTIAL == (int)STORE_KEY_CREDENTIAL && (int)VAULT_CONTENT == (int)STORE_KEY_CONTENT &&
		(int)VAULT_INDEX == (int)STORE_KEY_INDEX,
	"enum vault_purpose, enum store_purpose");

#define PURPOSES 3u
static const enum store_purpose purposes[PURPOSES] = {STORE_KEY_CREDENTIAL, STORE_KEY_CONTENT, STORE_KEY_INDEX};

static enum tenant_error key_make(struct tenants *t, const char *owner, enum store_purpose purpose, uint32_t version,
	struct store_tenant_key *out)
{
	struct vault_wrapped_key wrapped;
	const enum tenant_error err = from_vault(vault_tenant_key_new(
		t->vault, store_deployment_id(t->store), owner, (enum vault_purpose)purpose, version, &wrapped));

	if (err == TENANT_OK)
		*out = tenant_key_row(purpose, &wrapped);
	return err;
}

/* One of the deployment's own keys, made if there is none. *opens: whether it opens, else *row is the damaged one. */
static enum tenant_error own_key(
	struct tenants *t, enum store_purpose purpose, struct store_tenant_key *row, bool *opens)
{
	enum tenant_error err = from_store(store_tenant_key_get(t->store, "", purpose, 0, row));

	*opens = true;
	if (err == TENANT_NOT_FOUND) {
		err = key_make(t, TENANT_DEPLOYMENT, purpose, 1, row);
		return err == TENANT_OK ? from_store(store_tenant_key_add(t->store, "", row)) : err;
	}
	if (err == TENANT_OK)
		err = tenant_key_check(t, "", row);
	*opens = err == TENANT_OK;
	return err == TENANT_BAD_DATA ? TENANT_OK : err;
}

/* A new key in the place of a damaged one. They seal nothing that is kept: the audit's seals of before cannot be checked
 * any more, and equal values of before and after have different digests in it. A copy that is only read stays as it is. */
static void own_key_mend(struct tenants *t, const struct store_tenant_key *damaged)
{
	struct store_tenant_key row;
	const enum tenant_error err = key_make(t, TENANT_DEPLOYMENT, damaged->purpose, damaged->version + 1, &row);

	if (err == TENANT_OK && store_tenant_key_replace(t->store, "", &row) == STORE_OK)
		log_error("the installation's own %s key was damaged in the database; a new one is in its place, and "
			  "no shop's key is touched by it",
			store_purpose_name(row.purpose));
}

/* The deployment's own keys, made with the database, tell whether the master key fits it. Where some of them open, it
 * does, and one that is under the current master key and does not is damaged. */
static enum tenant_error deployment_keys(struct tenants *t)
{
	struct store_tenant_key rows[PURPOSES];
	char current[VAULT_KEY_ID_LEN + 1];
	bool opens[PURPOSES];
	size_t well = 0;
	enum tenant_error err = from_vault(vault_status(t->vault, current));

	for (size_t i = 0; err == TENANT_OK && i < PURPOSES; i++) {
		err = own_key(t, purposes[i], &rows[i], &opens[i]);
		well += opens[i];
	}
	if (err != TENANT_OK)
		return err;
	for (size_t i = 0; i < PURPOSES; i++) {
		if (opens[i])
			continue;
		if (well == 0 || strcmp(rows[i].master_key_id, current) != 0)
			return TENANT_BAD_DATA;
		own_key_mend(t, &rows[i]);
	}
	return TENANT_OK;
}

enum tenant_error tenants_open(
	struct tenants **out, struct store *store, struct vault_client *vault, unsigned cache_max)
{
	struct tenants *t = calloc(1, sizeof(*t));
	enum tenant_error err = TENANT_NO_MEMORY;

	if (t == NULL)
		return TENANT_NO_MEMORY;
	t->store = store;
	t->vault = vault;
	t->cache = keycache_new(cache_max);
	if (t->cache != NULL)
		err = deployment_keys(t);
	if (err != TENANT_OK) {
		tenants_close(t);
		return err;
	}
	*out = t;
	return TENANT_OK;
}

void tenants_close(struct tenants *t)
{
	if (t == NULL)
		return;
	keycache_free(t->cache);
	free(t);
}

void tenants_forget(struct tenants *t, const char *business_id)
{
	if (strlen(business_id) <= STORE_BUSINESS_ID_LEN)
		keycache_forget(t->cache, business_id);
}

struct store *tenants_store(struct tenants *t)
{
	return t->store;
}

struct vault_client *tenants_vault(struct tenants *t)
{
	return t->vault;
}

/* ------------------------------------------------------------ what callers ask */

enum tenant_error tenant_keys_new(struct tenants *t, const char *business_id, struct store_tenant_key keys[static 3])
{
	enum tenant_error err = TENANT_OK;

	for (size_t i = 0; err == TENANT_OK && i < PURPOSES; i++)
		err = key_make(t, business_id, purposes[i], 1, &keys[i]);
	return err;
}

static struct vault_context context_of(struct tenants *t, const struct tenant_place *where)
{
	return (struct vault_context){.deployment_id = store_deployment_id(t->store),
		.business_id = where->business_id,
		.table = where->table,
		.record_id = where->record_id,
		.field = where->field,
		.record_version = where->record_version};
}

enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len)
{
	struct vault_context context = context_of(t, where);
	struct vault_content_keys keys;
	enum tenant_error err = keys_get(t, where->business_id, &keys);
	uint8_t *sealed = NULL;

	if (err != TENANT_OK)
		return err;
	sealed = malloc(vault_blob_len(len));
	if (sealed == NULL) {
		err = TENANT_NO_MEMORY;
		goto out;
	}
	err = from_vault(vault_content_seal(&keys, &context, plain, len, sealed));
	if (err != TENANT_OK)
		goto out;
	*blob = sealed;
	*blob_len = vault_blob_len(len);
	sealed = NULL; /* transferred */
out:
	free(sealed);
	vault_wipe(&keys, sizeof(keys));
	return err;
}

enum tenant_error tenant_open(struct tenants *t, const struct tenant_place *where, const uint8_t *blob, size_t blob_len,
	uint8_t **plain, size_t *len)
{
	struct vault_context context = context_of(t, where);
	struct vault_content_keys keys;
	uint8_t *opened = NULL;
	uint32_t version;
	enum tenant_error err;
	size_t opened_len = 0;

	if (vault_blob_key_version(blob, blob_len, &version) != VAULT_OK)
		return TENANT_BAD_DATA;
	err = keys_get(t, where->business_id, &keys);
	if (err == TENANT_OK && keys.content_version != version)
		err = keys_load(t, where->business_id, version, &keys);
	if (err != TENANT_OK)
		goto out;
	opened = malloc(blob_len + 1);
	if (opened == NULL) {
		err = TENANT_NO_MEMORY;
		goto out;
	}
	err = from_vault(vault_content_open(&keys, &context, blob, blob_len, opened, &opened_len));
	if (err != TENANT_OK)
		goto out;
	opened[opened_len] = '\0';
	*plain = opened;
	*len = opened_len;
	opened = NULL; /* transferred */
out:
	if (opened != NULL)
		vault_wipe(opened, blob_len);
	free(opened);
	vault_wipe(&keys, sizeof(keys));
	return err;
}

enum tenant_error tenant_index(struct tenants *t, const char *business_id, const char *kind, const void *value,
	size_t len, uint8_t out[static STORE_INDEX_LEN])
{
	struct vault_content_keys keys;
	enum tenant_error err = keys_get(t, business_id, &keys);

	_Static_assert(STORE_INDEX_LEN == VAULT_INDEX_LEN, "the store keeps what the vault makes");
	if (err == TENANT_OK)
		vault_blind_index(&keys, kind, value, len, out);
	vault_wipe(&keys, sizeof(keys));
	return err;
}

enum tenant_error tenant_conversation(struct tenants *t, const char *business_id, const char *number,
	const char *customer, uint8_t out[static STORE_INDEX_LEN])
{
	size_t number_len = strlen(number), customer_len = strlen(customer), len = number_len + 1 + customer_len;
	char *text = malloc(len);
	enum tenant_error err;

	if (text == NULL)
		return TENANT_NO_MEMORY;
	memcpy(text, number, number_len);
	text[number_len] = '\n';
	memcpy(text + number_len + 1, customer, customer_len);
	err = tenant_index(t, business_id, "conversation", text, len, out);
	vault_wipe(text, len);
	free(text);
	return err;
}

/* The last four characters, not bytes, and none of a secret too short to hide the rest. */
static void last4(const struct secret *plain, char out[static 17])
{
	const uint8_t *bytes = secret_bytes(plain);
	size_t len = secret_len(plain), start = len, characters = 0;

	out[0] = '\0';
	if (len < 12)
		return;
	while (start > 0 && len - start < 16 && characters < 4) {
		start--;
		if ((bytes[start] & 0xc0) != 0x80)
			characters++;
	}
	memcpy(out, bytes + start, len - start);
	out[len - start] = '\0';
}

enum tenant_error tenant_credential_seal(struct tenants *t, const char *business_id, const struct secret *plain,
	struct store_credential *out, uint8_t **blob)
{
	struct tenant_place where = {business_id, "credentials", out->connection_id, out->field, out->version};
	struct vault_context context = context_of(t, &where);
	struct vault_wrapped_key key;
	enum tenant_error err = tenant_key_get(t, business_id, STORE_KEY_CREDENTIAL, 0, &key);
	uint8_t *sealed;

	if (err != TENANT_OK)
		return err;
	sealed = malloc(vault_blob_len(secret_len(plain)));
	if (sealed == NULL)
		return TENANT_NO_MEMORY;
	err = from_vault(vault_credential_seal(t->vault, &key, &context, plain, sealed, out->fingerprint));
	if (err != TENANT_OK) {
		free(sealed);
		return err;
	}
	last4(plain, out->last4);
	out->key_version = key.version;
	out->blob = sealed;
	out->blob_len = vault_blob_len(secret_len(plain));
	*blob = sealed;
	return TENANT_OK;
}

enum tenant_error tenant_credential_key(
	struct tenants *t, const char *business_id, const uint8_t *blob, size_t blob_len, struct vault_wrapped_key *out)
{
	uint32_t version;

	if (vault_blob_key_version(blob, blob_len, &version) != VAULT_OK || version == 0)
		return TENANT_BAD_DATA;
	return tenant_key_get(t, business_id, STORE_KEY_CREDENTIAL, version, out);
}

/* Its version stays: older seals must be told, too. */
enum tenant_error tenant_audit_key(struct tenants *t, struct vault_wrapped_key *out)
{
	return tenant_key_get(t, "", STORE_KEY_CREDENTIAL, 0, out);
}

/* ------------------------------------------------------------ does it open? */

enum tenant_error tenant_credential_check(struct tenants *t, const char *business_id, const struct store_credential *c)
{
	const struct tenant_place where = {business_id, "credentials", c->connection_id, c->field, c->version};
	const struct vault_context context = context_of(t, &where);
	struct vault_wrapped_key key;
	enum tenant_error err = tenant_credential_key(t, business_id, c->blob, c->blob_len, &key);

	return err == TENANT_OK ? from_vault(vault_credential_check(t->vault, &key, &context, c->blob, c->blob_len))
				: err;
}

enum tenant_error tenant_sealed_check(struct tenants *t, const char *business_id, const struct store_sealed *v)
{
	const struct tenant_place where = {business_id, v->table, v->record_id, v->field, v->version};
	struct store_credential credential = {.version = v->version, .blob = v->blob, .blob_len = v->blob_len};
	uint8_t *plain = NULL;
	enum tenant_error err;
	size_t len;

	if (strcmp(v->table, "credentials") == 0) {
		if (strlen(v->record_id) >= sizeof(credential.connection_id))
			return TENANT_BAD_DATA;
		memcpy(credential.connection_id, v->record_id, strlen(v->record_id) + 1);
		memcpy(credential.field, v->field, sizeof(credential.field));
		return tenant_credential_check(t, business_id, &credential);
	}
	err = tenant_open(t, &where, v->blob, v->blob_len, &plain, &len);
	if (err == TENANT_OK)
		vault_wipe(plain, len);
	free(plain);
	return err;
}

bool tenant_key_rewrap(const char *business_id, const struct store_tenant_key *key, struct vault_rewrap *out)
{
	*out = (struct vault_rewrap){
		owner_of(business_id), (enum vault_purpose)key->purpose, {.version = key->version}, VAULT_OK};
	if (key->blob_len != sizeof(out->key.blob))
		return false;
	memcpy(out->key.blob, key->blob, sizeof(out->key.blob));
	return true;
}

enum tenant_error tenant_key_check(struct tenants *t, const char *business_id, const struct store_tenant_key *key)
{
	struct vault_rewrap rewrap;
	enum vault_error err;

	if (!tenant_key_rewrap(business_id, key, &rewrap))
		return TENANT_BAD_DATA;
	/* Wrapping it anew opens it; what comes of that is dropped. */
	err = vault_tenant_keys_rewrap(t->vault, store_deployment_id(t->store), &rewrap, 1);
	return from_vault(err != VAULT_OK ? err : rewrap.err);
}

/* ------------------------------------------------------------ verifiers */

struct verifier_load {
	struct tenants *tenants;
	const char *business_id;
	enum tenant_proof proof; /* of the field being listed */
	struct tenant_verifier *out;
	size_t len;
	char closed[TENANT_VERIFIERS_MAX][STORE_ID_LEN + 1]; /* connections with a secret that does not open */
	size_t closed_len;
	enum tenant_error err;
};

static bool verifier_load_one(const struct store_credential *c, void *arg)
{
	struct verifier_load *load = arg;
	struct tenant_place where = {load->business_id, "credentials", c->connection_id, c->field, c->version};
	struct vault_context context = context_of(load->tenants, &where);
	struct vault_wrapped_key key;
	enum tenant_error err;

	if (load->len == TENANT_VERIFIERS_MAX || load->closed_len == TENANT_VERIFIERS_MAX)
		return false;
	err = tenant_credential_key(load->tenants, load->business_id, c->blob, c->blob_len, &key);
	if (err == TENANT_OK)
		err = from_vault(vault_verifier_get(
			load->tenants->vault, &key, &context, c->blob, c->blob_len, &load->out[load->len].verifier));
	/* One damaged secret closes one connection, not the shop; all of it, or a check would be left out. Without one of
	 * before none is. */
	if (tenant_is_damaged(err) && c->slot == STORE_SLOT_PREVIOUS)
		return true;
	if (tenant_is_damaged(err)) {
		memcpy(load->closed[load->closed_len++], c->connection_id, sizeof(c->connection_id));
		return true;
	}
	if (err != TENANT_OK) {
		load->err = err;
		return false;
	}
	memcpy(load->out[load->len].connection_id, c->connection_id, sizeof(c->connection_id));
	load->out[load->len].proof = load->proof;
	load->out[load->len].unproven = c->slot == STORE_SLOT_CURRENT && c->proven_at == 0 ? c->version : 0;
	load->out[load->len].ends_at = c->slot == STORE_SLOT_PREVIOUS ? c->ends_at : 0;
	load->len++;
	return true;
}

static bool is_closed(const struct verifier_load *load, const char *connection_id)
{
	for (size_t i = 0; i < load->closed_len; i++)
		if (strcmp(load->closed[i], connection_id) == 0)
			return true;
	return false;
}

static int by_connection(const void *a, const void *b)
{
	const struct tenant_verifier *x = a, *y = b;
	int order = strcmp(x->connection_id, y->connection_id);

	return order != 0 ? order : (int)x->proof - (int)y->proof;
}

/* Takes out those of closed connections and brings each connection's together. */
static void verifiers_arrange(struct verifier_load *load)
{
	size_t kept = 0;

	for (size_t i = 0; i < load->len; i++)
		if (!is_closed(load, load->out[i].connection_id))
			load->out[kept++] = load->out[i];
	vault_wipe(&load->out[kept], (load->len - kept) * sizeof(load->out[0]));
	load->len = kept;
	qsort(load->out, load->len, sizeof(load->out[0]), by_connection);
}

static const struct {
	const char *field;
	enum tenant_proof proof;
} proof_fields[] = {{"app_secret", TENANT_PROOF_SIGNATURE}, {"webhook_secret", TENANT_PROOF_SECRET},
	{"platform_secret", TENANT_PROOF_PLATFORM}};
#define PROOF_FIELDS (sizeof(proof_fields) / sizeof(proof_fields[0]))

static enum tenant_error verifiers_load(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	struct verifier_load load = {.tenants = t, .business_id = business_id, .out = out, .err = TENANT_OK};
	struct store_business business;
	enum tenant_error err = from_store(store_business_get(t->store, business_id, &business));

	if (err == TENANT_OK && business.status != STORE_BUSINESS_ACTIVE)
		err = TENANT_NOT_FOUND;
	for (size_t i = 0; err == TENANT_OK && i < PROOF_FIELDS; i++) {
		load.proof = proof_fields[i].proof;
		err = from_store(
			store_credential_list(t->store, business_id, proof_fields[i].field, verifier_load_one, &load));
		if (err == TENANT_OK)
			err = load.err;
	}
	if (err == TENANT_OK)
		verifiers_arrange(&load);
	*len = load.len;
	return err;
}

/* Takes out what has ended since it was loaded. */
static void verifiers_drop_ended(struct tenant_verifier *v, size_t *len)
{
	const int64_t now = store_now_ms();
	size_t kept = 0;

	for (size_t i = 0; i < *len; i++) {
		if (v[i].ends_at != 0 && v[i].ends_at <= now)
			continue;
		if (kept < i)
			v[kept] = v[i];
		kept++;
	}
	vault_wipe(&v[kept], (*len - kept) * sizeof(*v));
	*len = kept;
}

enum tenant_error tenant_verifiers(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	const size_t room = TENANT_VERIFIERS_MAX * sizeof(*out);
	struct vault_content_keys keys;
	enum tenant_error err;
	uint64_t epoch;
	size_t bytes;

	if (strlen(business_id) > STORE_BUSINESS_ID_LEN)
		return TENANT_NOT_FOUND;
	if (keycache_list(t->cache, business_id, out, room, &bytes, &epoch)) {
		*len = bytes / sizeof(*out);
		verifiers_drop_ended(out, len);
		return TENANT_OK;
	}
	err = verifiers_load(t, business_id, out, len);
	if (err != TENANT_OK)
		return err;
	/* They lie beside the content keys, which an accepted webhook needs anyway. */
	err = keys_get(t, business_id, &keys);
	vault_wipe(&keys, sizeof(keys));
	if (err == TENANT_OK)
		keycache_keep_list(t->cache, business_id, epoch, out, *len * sizeof(*out));
	return err;
}

enum tenant_error tenant_verifier_worked(struct tenants *t, const char *business_id, const struct tenant_verifier *v)
{
	struct store_credential c = {.version = v->unproven};
	enum store_error err;
	size_t i = 0;

	while (proof_fields[i].proof != v->proof)
		i++;
	memcpy(c.connection_id, v->connection_id, sizeof(c.connection_id));
	memcpy(c.field, proof_fields[i].field, strlen(proof_fields[i].field) + 1);
	err = store_credential_worked(t->store, business_id, &c, store_now_ms(), TENANT_UNDER_WAY_MS);
	/* What is cached says that it is unproven still. */
	tenants_forget(t, business_id);
	return err == STORE_STALE ? TENANT_OK : from_store(err);
}
