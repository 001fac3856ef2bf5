/*
 * A question to the vault costs far more on its way there and back than wrapping a key: they are asked for many at once.
 */
#include "gateway/rewrap.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"

struct page {
	struct rewrap *look;
	struct tenants *tenants;
	struct store_rewrapped list[REWRAP_PAGE_MAX];
	struct vault_rewrap asked[REWRAP_PAGE_MAX]; /* of each; its business's id lies in the list */
	size_t len, done; /* to be wrapped anew; of them those that are, at the front of the list */
	bool any; /* was there, damaged or not */
};

static void damaged(struct rewrap *w, const struct store_rewrapped *k, enum vault_error err)
{
	w->damaged++;
	log_error("a tenant key does not open and stays under its master key business=%s purpose=%d version=%" PRIu32
		  ": %s",
		k->business_id, (int)k->was.purpose, k->was.version, vault_error_text(err));
}

static bool add(const struct store_rewrapped *key, void *arg)
{
	struct page *p = arg;
	struct store_rewrapped *k = &p->list[p->len];

	p->look->at = *k = *key;
	p->any = true;
	if (tenant_key_rewrap(k->business_id, &k->was, &p->asked[p->len]))
		p->len++;
	else
		damaged(p->look, k, VAULT_BAD_BLOB);
	return true;
}

/* So many of the page, from that one on. */
static enum store_error ask(struct page *p, size_t from, size_t len)
{
	if (vault_tenant_keys_rewrap(tenants_vault(p->tenants), store_deployment_id(tenants_store(p->tenants)),
		    &p->asked[from], len) != VAULT_OK)
		return STORE_FAILED;
	for (size_t i = from; i < from + len; i++) {
		struct store_rewrapped *k = &p->list[i];

		if (p->asked[i].err != VAULT_OK) {
			damaged(p->look, k, p->asked[i].err);
			continue;
		}
		k->is = tenant_key_row(k->was.purpose, &p->asked[i].key);
		if (p->done != i)
			p->list[p->done] = *k;
		p->done++;
	}
	return STORE_OK;
}

static enum store_error run(struct page *p, unsigned limit)
{
	struct store *store = tenants_store(p->tenants);
	struct rewrap *w = p->look;
	char current[VAULT_KEY_ID_LEN + 1];
	enum store_error err;

	if (vault_status(tenants_vault(p->tenants), current) != VAULT_OK)
		return STORE_FAILED;
	if (strcmp(current, w->master_key_id) != 0)
		w->at.was.version = 0;
	memcpy(w->master_key_id, current, sizeof(current));
	if (w->at.was.version == 0)
		w->damaged = 0;
	err = store_tenant_key_others(store, current, w->at.was.version > 0 ? &w->at : NULL, limit, add, p);
	for (size_t i = 0, len; err == STORE_OK && i < p->len; i += len) {
		len = p->len - i < VAULT_REWRAP_MAX ? p->len - i : VAULT_REWRAP_MAX;
		err = ask(p, i, len);
	}
	if (err == STORE_OK)
		err = store_tenant_key_rewrap(store, p->list, p->done);
	if (err != STORE_OK || p->any)
		return err;
	if (w->at.was.version > 0)
		log_info("tenant keys are under the current master key key=%s", current);
	return STORE_NOT_FOUND;
}

enum store_error rewrap_page(struct rewrap *w, struct tenants *tenants, unsigned limit)
{
	struct page *p = calloc(1, sizeof(*p));
	enum store_error err = STORE_NO_MEMORY;

	if (p != NULL) {
		p->look = w;
		p->tenants = tenants;
		err = run(p, limit < REWRAP_PAGE_MAX ? limit : REWRAP_PAGE_MAX);
	}
	if (err != STORE_OK)
		w->at.was.version = 0;
	free(p);
	return err;
}
