/*
 * One product's fields, checked one by one. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_PRODUCT_H
#define KEYHOUSE_REPLY_PRODUCT_H

#include <stdbool.h>
#include <stddef.h>

#include "store/store.h"

enum reply_field {
	REPLY_FIELD_ID = 0,
	REPLY_FIELD_NAME,
	REPLY_FIELD_ALIASES,
	REPLY_FIELD_PRICE,
	REPLY_FIELD_CURRENCY,
	REPLY_FIELD_STOCK,
	REPLY_FIELD_UNIT,
	REPLY_FIELDS, /* how many; also: no such field */
};

/* REPLY_FIELDS for an unknown name. */
enum reply_field reply_field_find(const char *name, size_t len);
bool reply_field_required(enum reply_field field);
const char *reply_field_name(enum reply_field field);

void reply_product_init(struct store_product *p);
/* Sets one field from text; REPLY_FIELD_ALIASES adds one alias. On a fault returns
 * false and writes the sentence that names field and rule. */
bool reply_product_set(
	struct store_product *p, enum reply_field field, const char *text, size_t len, char *why, size_t why_len);

/* Writes "unknown <what> <name>", with the name only where it is harmless to show. */
void reply_unknown_name(char *why, size_t why_len, const char *what, const char *name, size_t len);

#endif
