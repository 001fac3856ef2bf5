/*
 * Money as people read it. Internal to gateway/reply.
 */
#ifndef KEYHOUSE_REPLY_PRICE_H
#define KEYHOUSE_REPLY_PRICE_H

#include <stdbool.h>
#include <stddef.h>

/* A decimal: 1 to 12 digits, perhaps a point and 1 or 2 digits. */
bool reply_price_valid(const char *price, size_t len);
bool reply_currency_valid(const char *currency, size_t len);

/* 12000 is 12,000. */
void reply_count_text(char *out, size_t out_len, long long count);

#endif
