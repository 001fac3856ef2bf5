/*
 * Many products, read to the end before any is stored, so that an import is all or
 * nothing and tells of every row at fault. Called by gateway/api and gateway/settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/reply/reply.h"
#include "gateway/utf8.h"

static bool fault(struct reply_import *in, unsigned row, const char *why)
{
	struct reply_import_fault *f = &in->faults[in->faults_len++];

	f->row = row;
	(void)snprintf(f->why, sizeof(f->why), "%s", why);
	return in->faults_len < REPLY_IMPORT_FAULTS_MAX;
}

/* Anything may have been pasted as a product, a key among it: realloc would leave it behind. */
static void products_free(struct reply_import *in)
{
	if (in->products != NULL)
		explicit_bzero(in->products, in->len * sizeof(*in->products));
	free(in->products);
}

static bool product(struct reply_import *in, const struct store_product *p)
{
	if (in->len == REPLY_IMPORT_MAX) {
		in->too_many = true;
		return false;
	}
	if (in->len == in->room) {
		const size_t room = in->room > 0 ? in->room * 2 : 16;
		struct store_product *larger = malloc(room * sizeof(*larger));

		if (larger == NULL) {
			in->no_memory = true;
			return false;
		}
		if (in->len > 0)
			memcpy(larger, in->products, in->len * sizeof(*larger));
		products_free(in);
		in->products = larger;
		in->room = room;
	}
	in->products[in->len++] = *p;
	return true;
}

bool reply_import_json(struct reply_import *in, unsigned row, const char *json, size_t len)
{
	char why[REPLY_WHY_LEN] = "";
	struct store_product p;

	if (reply_product_from_json(json, len, &p, why, sizeof(why)))
		return product(in, &p);
	return fault(in, row, why);
}

static bool each(unsigned line, const struct store_product *p, const char *why, void *arg)
{
	struct reply_import *in = arg;

	return p != NULL ? product(in, p) : fault(in, line, why);
}

void reply_import_csv(struct reply_import *in, const char *csv, size_t len)
{
	if (len == 0 || !utf8_ok(csv, len)) {
		(void)snprintf(in->why, sizeof(in->why), "the file is empty or not UTF-8 text");
		return;
	}
	if (reply_products_from_csv(csv, len, each, in, in->why, sizeof(in->why)))
		in->why[0] = '\0';
}

void reply_import_clear(struct reply_import *in)
{
	products_free(in);
	*in = (struct reply_import){.len = 0};
}
