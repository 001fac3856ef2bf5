/*
 * What the list of products and its import share. Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_PRODUCTS_H
#define KEYHOUSE_SETTINGS_PRODUCTS_H

#include "gateway/settings/internal.h"

/* A table of products: the caller writes each row's beginning up to its name. */
void products_table_begin(struct html *h, const char *caption);
void products_name_end(struct html *h, const struct store_product *p); /* other names; ends the cell */
void products_values(struct html *h, const struct store_product *p); /* price and stock; ends the row */
void products_table_end(struct html *h);

/* To the list, which says how many were added and changed. */
void products_done(struct visit *v, unsigned added, unsigned changed);

/* An import's pages: the form; what comes of it. store: not only looked at. */
void products_import_show(struct visit *v);
void products_import(struct visit *v, bool store);

#endif
