/*
 * Tenants: content keys and verifiers of businesses, loaded from store and vault
 * on first use and kept in a bounded cache, the longest unused evicted first.
 *
 * The cache is one table of slots with a hash chain and a recency list, both by
 * slot number. Loading happens outside the lock; a load that raced with
 * tenants_forget is used once and not kept.
 */
#include "gateway/tenant.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX
/* What the vault calls the owner of the deployment's own keys; no business's id begins with '_'. */
#define DEPLOYMENT "_deployment"

struct slot {
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	struct vault_content_keys keys;
	struct tenant_verifier *verifiers; /* valid where has_verifiers */
	size_t verifiers_len;
	bool has_verifiers;
	uint32_t chain; /* next slot of the same bucket */
	uint32_t newer, older; /* recency list */
};

struct tenants {
	struct store *store;
	struct vault_client *vault;
	pthread_mutex_t lock;
	struct slot *slots;
	uint32_t *buckets;
	uint32_t slots_max, used, buckets_mask;
	uint32_t newest, oldest, free_list;
	uint64_t epoch; /* counts tenants_forget */
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

/* ------------------------------------------------------------ the cache */

static uint32_t bucket_of(const struct tenants *t, const char *id)
{
	uint64_t h = 1469598103934665603u;

	for (; *id != '\0'; id++)
		h = (h ^ (unsigned char)*id) * 1099511628211u;
	return (uint32_t)(h ^ (h >> 32)) & t->buckets_mask;
}

static void recency_unlink(struct tenants *t, uint32_t n)
{
	struct slot *s = &t->slots[n];

	if (s->newer != NONE)
		t->slots[s->newer].older = s->older;
	else
		t->newest = s->older;
	if (s->older != NONE)
		t->slots[s->older].newer = s->newer;
	else
		t->oldest = s->newer;
}

static void recency_push(struct tenants *t, uint32_t n)
{
	struct slot *s = &t->slots[n];

	s->newer = NONE;
	s->older = t->newest;
	if (t->newest != NONE)
		t->slots[t->newest].newer = n;
	t->newest = n;
	if (t->oldest == NONE)
		t->oldest = n;
}

static uint32_t cache_find(struct tenants *t, const char *id)
{
	uint32_t n = t->buckets[bucket_of(t, id)];

	while (n != NONE && strcmp(t->slots[n].business_id, id) != 0)
		n = t->slots[n].chain;
	return n;
}

static void slot_wipe(struct slot *s)
{
	vault_wipe(&s->keys, sizeof(s->keys));
	if (s->verifiers != NULL)
		vault_wipe(s->verifiers, s->verifiers_len * sizeof(*s->verifiers));
	free(s->verifiers);
	s->verifiers = NULL;
	s->verifiers_len = 0;
	s->has_verifiers = false;
	s->business_id[0] = '\0';
}

static void cache_drop(struct tenants *t, uint32_t n)
{
	uint32_t *link = &t->buckets[bucket_of(t, t->slots[n].business_id)];

	while (*link != n)
		link = &t->slots[*link].chain;
	*link = t->slots[n].chain;
	recency_unlink(t, n);
	slot_wipe(&t->slots[n]);
	t->slots[n].chain = t->free_list;
	t->free_list = n;
}

static uint32_t cache_add(struct tenants *t, const char *id)
{
	uint32_t n, *bucket;

	if (t->free_list == NONE)
		cache_drop(t, t->oldest);
	n = t->free_list;
	t->free_list = t->slots[n].chain;
	memcpy(t->slots[n].business_id, id, strlen(id) + 1);
	bucket = &t->buckets[bucket_of(t, id)];
	t->slots[n].chain = *bucket;
	*bucket = n;
	recency_push(t, n);
	return n;
}

/* ------------------------------------------------------------ loading */

static enum tenant_error wrapped_get(struct tenants *t, const char *business_id, enum store_purpose purpose,
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

/* version 0: the newest content key. */
static enum tenant_error keys_load(
	struct tenants *t, const char *business_id, uint32_t version, struct vault_content_keys *out)
{
	struct vault_wrapped_key content, index;
	enum tenant_error err;

	err = wrapped_get(t, business_id, STORE_KEY_CONTENT, version, &content);
	if (err == TENANT_OK)
		err = wrapped_get(t, business_id, STORE_KEY_INDEX, 0, &index);
	if (err != TENANT_OK)
		return err;
	return from_vault(vault_content_keys_get(t->vault, store_deployment_id(t->store),
		business_id[0] != '\0' ? business_id : DEPLOYMENT, &content, &index, out));
}

static enum tenant_error keys_get(struct tenants *t, const char *business_id, struct vault_content_keys *out)
{
	enum tenant_error err;
	uint64_t epoch;
	uint32_t n;

	if (strlen(business_id) > STORE_BUSINESS_ID_LEN)
		return TENANT_NOT_FOUND;
	pthread_mutex_lock(&t->lock);
	n = cache_find(t, business_id);
	if (n != NONE) {
		recency_unlink(t, n);
		recency_push(t, n);
		*out = t->slots[n].keys;
	}
	epoch = t->epoch;
	pthread_mutex_unlock(&t->lock);
	if (n != NONE)
		return TENANT_OK;

	err = keys_load(t, business_id, 0, out);
	if (err != TENANT_OK)
		return err;
	pthread_mutex_lock(&t->lock);
	if (t->epoch == epoch && cache_find(t, business_id) == NONE)
		t->slots[cache_add(t, business_id)].keys = *out;
	pthread_mutex_unlock(&t->lock);
	return TENANT_OK;
}

/* ------------------------------------------------------------ opening and closing */

/* The deployment's own keys, made with the database, tell whether the master key fits it. */
static enum tenant_error deployment_keys(struct tenants *t)
{
	static const struct {
		enum vault_purpose vault;
		enum store_purpose store;
	} wanted[] = {{VAULT_CONTENT, STORE_KEY_CONTENT}, {VAULT_INDEX, STORE_KEY_INDEX}};
	struct vault_content_keys keys;
	enum tenant_error err;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		struct vault_wrapped_key wrapped;
		struct store_tenant_key row = {.purpose = wanted[i].store, .version = 1};

		err = wrapped_get(t, "", wanted[i].store, 0, &wrapped);
		if (err != TENANT_NOT_FOUND) {
			if (err != TENANT_OK)
				return err;
			continue;
		}
		err = from_vault(vault_tenant_key_new(
			t->vault, store_deployment_id(t->store), DEPLOYMENT, wanted[i].vault, 1, &wrapped));
		if (err != TENANT_OK)
			return err;
		memcpy(row.blob, wrapped.blob, sizeof(wrapped.blob));
		row.blob_len = sizeof(wrapped.blob);
		memcpy(row.master_key_id, wrapped.master_key_id, sizeof(row.master_key_id));
		err = from_store(store_tenant_key_add(t->store, "", &row));
		if (err != TENANT_OK)
			return err;
	}
	err = keys_load(t, "", 0, &keys);
	vault_wipe(&keys, sizeof(keys));
	return err;
}

enum tenant_error tenants_open(
	struct tenants **out, struct store *store, struct vault_client *vault, unsigned cache_max)
{
	struct tenants *t = calloc(1, sizeof(*t));
	enum tenant_error err = TENANT_NO_MEMORY;
	uint32_t buckets = 16;

	if (t == NULL)
		return TENANT_NO_MEMORY;
	pthread_mutex_init(&t->lock, NULL);
	t->store = store;
	t->vault = vault;
	t->slots_max = cache_max > 0 ? cache_max : 1;
	while (buckets < t->slots_max)
		buckets *= 2;
	t->buckets_mask = buckets - 1;
	t->newest = t->oldest = t->free_list = NONE;
	t->slots = calloc(t->slots_max, sizeof(*t->slots));
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	if (t->slots == NULL || t->buckets == NULL)
		goto out;
	for (uint32_t i = 0; i < buckets; i++)
		t->buckets[i] = NONE;
	for (uint32_t i = t->slots_max; i > 0; i--) {
		t->slots[i - 1].chain = t->free_list;
		t->free_list = i - 1;
	}
	err = deployment_keys(t);
	if (err != TENANT_OK)
		goto out;
	*out = t;
	t = NULL; /* transferred */
out:
	tenants_close(t);
	return err;
}

void tenants_close(struct tenants *t)
{
	if (t == NULL)
		return;
	if (t->slots != NULL)
		for (uint32_t i = 0; i < t->slots_max; i++)
			slot_wipe(&t->slots[i]);
	free(t->slots);
	free(t->buckets);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

void tenants_forget(struct tenants *t, const char *business_id)
{
	uint32_t n;

	pthread_mutex_lock(&t->lock);
	t->epoch++;
	n = cache_find(t, business_id);
	if (n != NONE)
		cache_drop(t, n);
	pthread_mutex_unlock(&t->lock);
}

struct store *tenants_store(struct tenants *t)
{
	return t->store;
}

/* ------------------------------------------------------------ what callers ask */

enum tenant_error tenant_keys_new(struct tenants *t, const char *business_id, struct store_tenant_key keys[static 3])
{
	static const struct {
		enum vault_purpose vault;
		enum store_purpose store;
	} wanted[3] = {{VAULT_CREDENTIAL, STORE_KEY_CREDENTIAL}, {VAULT_CONTENT, STORE_KEY_CONTENT},
		{VAULT_INDEX, STORE_KEY_INDEX}};

	for (size_t i = 0; i < 3; i++) {
		struct vault_wrapped_key wrapped;
		enum tenant_error err = from_vault(vault_tenant_key_new(
			t->vault, store_deployment_id(t->store), business_id, wanted[i].vault, 1, &wrapped));

		if (err != TENANT_OK)
			return err;
		keys[i] = (struct store_tenant_key){
			.purpose = wanted[i].store, .version = 1, .blob_len = sizeof(wrapped.blob)};
		memcpy(keys[i].blob, wrapped.blob, sizeof(wrapped.blob));
		memcpy(keys[i].master_key_id, wrapped.master_key_id, sizeof(keys[i].master_key_id));
	}
	return TENANT_OK;
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
	enum tenant_error err = tenant_credential_key(t, business_id, &key);
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
	out->blob = sealed;
	out->blob_len = vault_blob_len(secret_len(plain));
	*blob = sealed;
	return TENANT_OK;
}

enum tenant_error tenant_credential_key(struct tenants *t, const char *business_id, struct vault_wrapped_key *out)
{
	return wrapped_get(t, business_id, STORE_KEY_CREDENTIAL, 0, out);
}

/* ------------------------------------------------------------ verifiers */

struct verifier_load {
	struct tenants *tenants;
	const char *business_id;
	struct vault_wrapped_key key;
	struct tenant_verifier *out;
	size_t len;
	enum tenant_error err;
};

static bool verifier_load_one(const struct store_credential *c, void *arg)
{
	struct verifier_load *load = arg;
	struct tenant_place where = {load->business_id, "credentials", c->connection_id, c->field, c->version};
	struct vault_context context = context_of(load->tenants, &where);
	enum tenant_error err;

	if (load->len == TENANT_VERIFIERS_MAX)
		return false;
	err = from_vault(vault_verifier_get(
		load->tenants->vault, &load->key, &context, c->blob, c->blob_len, &load->out[load->len].verifier));
	/* One damaged secret closes one connection, not the shop. */
	if (err == TENANT_BAD_DATA)
		return true;
	if (err != TENANT_OK) {
		load->err = err;
		return false;
	}
	memcpy(load->out[load->len].connection_id, c->connection_id, sizeof(c->connection_id));
	load->len++;
	return true;
}

static enum tenant_error verifiers_load(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	struct verifier_load load = {.tenants = t, .business_id = business_id, .out = out, .err = TENANT_OK};
	struct store_business business;
	enum tenant_error err = from_store(store_business_get(t->store, business_id, &business));

	if (err == TENANT_OK && business.status != STORE_BUSINESS_ACTIVE)
		err = TENANT_NOT_FOUND;
	if (err == TENANT_OK)
		err = tenant_credential_key(t, business_id, &load.key);
	if (err == TENANT_OK)
		err = from_store(store_credential_list(t->store, business_id, "app_secret", verifier_load_one, &load));
	if (err == TENANT_OK)
		err = load.err;
	*len = load.len;
	return err;
}

static void verifiers_keep(
	struct tenants *t, const char *business_id, uint64_t epoch, const struct tenant_verifier *verifiers, size_t len)
{
	uint32_t n;

	pthread_mutex_lock(&t->lock);
	n = cache_find(t, business_id);
	if (t->epoch == epoch && n != NONE && !t->slots[n].has_verifiers) {
		struct tenant_verifier *copy = len > 0 ? malloc(len * sizeof(*copy)) : NULL;

		if (copy != NULL)
			memcpy(copy, verifiers, len * sizeof(*copy));
		if (copy != NULL || len == 0) {
			t->slots[n].verifiers = copy;
			t->slots[n].verifiers_len = len;
			t->slots[n].has_verifiers = true;
		}
	}
	pthread_mutex_unlock(&t->lock);
}

enum tenant_error tenant_verifiers(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	struct vault_content_keys keys;
	enum tenant_error err;
	uint64_t epoch;
	uint32_t n;
	bool found = false;

	if (strlen(business_id) > STORE_BUSINESS_ID_LEN)
		return TENANT_NOT_FOUND;
	pthread_mutex_lock(&t->lock);
	n = cache_find(t, business_id);
	if (n != NONE && t->slots[n].has_verifiers) {
		if (t->slots[n].verifiers_len > 0)
			memcpy(out, t->slots[n].verifiers, t->slots[n].verifiers_len * sizeof(*out));
		*len = t->slots[n].verifiers_len;
		recency_unlink(t, n);
		recency_push(t, n);
		found = true;
	}
	epoch = t->epoch;
	pthread_mutex_unlock(&t->lock);
	if (found)
		return TENANT_OK;

	err = verifiers_load(t, business_id, out, len);
	if (err != TENANT_OK)
		return err;
	/* The slot comes with the content keys, which an accepted webhook needs anyway. */
	err = keys_get(t, business_id, &keys);
	vault_wipe(&keys, sizeof(keys));
	if (err == TENANT_OK)
		verifiers_keep(t, business_id, epoch, out, *len);
	return err;
}
