/* A store without connections, in which nothing needs sealing: what accept.c stands on where proofs alone matter. */
#include <stdlib.h>

#include "gateway/inbound/internal.h"

enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len)
{
	(void)t;
	(void)where;
	(void)plain;
	*blob = malloc(1);
	*blob_len = len > 0;
	return TENANT_OK;
}

enum store_error store_business_get(struct store *s, const char *id, struct store_business *out)
{
	(void)s;
	(void)id;
	(void)out;
	return STORE_NOT_FOUND;
}

enum store_error store_connection_list(struct store *s, const char *business_id, const struct store_page *page,
	bool (*each)(const struct store_connection *c, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	(void)page;
	(void)each;
	(void)arg;
	return STORE_NOT_FOUND;
}

enum store_error store_connection_handshake(
	struct store *s, const char *business_id, const char *id, const char *token, int64_t at)
{
	(void)s;
	(void)business_id;
	(void)id;
	(void)token;
	(void)at;
	return STORE_NOT_FOUND;
}

void worker_wake(struct worker *w)
{
	(void)w;
}

void inbound_failed(struct inbound *in)
{
	(void)in;
}
