/* What accept.c tells the store and asks of it, that no test of it looks at. */
#include <string.h>

#include "store/store.h"

enum store_error store_health_soon(struct store *s, const char *business_id, const char *connection_id, int64_t at)
{
	(void)s;
	(void)business_id;
	(void)connection_id;
	(void)at;
	return STORE_OK;
}

enum store_error store_deliveries_note(struct store *s, const struct store_delivery *rows, size_t len)
{
	(void)s;
	(void)rows;
	(void)len;
	return STORE_OK;
}

int64_t store_now_ms(void)
{
	return 1790000000000;
}

void store_id_new(char out[static STORE_ID_LEN + 1])
{
	memcpy(out, "01EVENTEVENTEVENTEVENTEVEN", STORE_ID_LEN + 1);
}

const char *store_error_text(enum store_error err)
{
	(void)err;
	return "an error";
}
