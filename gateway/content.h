/*
 * Content: what lies sealed in a logged message, opened, and the parts of it that
 * people read. A stranger wrote it: a wrong type reads as absent.
 *
 * Called by gateway/api and gateway/settings.
 */
#ifndef KEYHOUSE_CONTENT_H
#define KEYHOUSE_CONTENT_H

#include "gateway/tenant.h"

struct cJSON;

/* As JSON. NULL: it is not kept any more, or does not open. Owns: caller frees with cJSON_Delete. */
struct cJSON *content_open(struct tenants *t, const struct store_message *m);

/* Who wrote, or whom it goes to: "+" and digits where the phone is known, else the user id; "" for neither. */
#define CONTENT_CUSTOMER_MAX STORE_NAME_LEN
void content_customer(
	const struct cJSON *content, enum store_direction direction, char out[static CONTENT_CUSTOMER_MAX + 1]);
/* What the customer calls himself, or NULL. Borrows from the content, as the next. */
const char *content_name(const struct cJSON *content);
/* What the message says: its text, a picture's caption, the title of what was chosen; NULL where it says nothing. */
const char *content_text(const struct cJSON *content, enum store_direction direction);

#endif
