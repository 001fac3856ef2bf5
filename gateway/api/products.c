/*
 * Products: imported all or nothing from JSON or CSV, listed, removed. What a product
 * may be is gateway/reply's to say; here its words are handed on with the row.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/reply/reply.h"
#include "gateway/utf8.h"

#define PRODUCTS_MAX 10000u /* in one request */
#define ERRORS_SHOWN_MAX 20
#define WHY_LEN 300u

struct import {
	struct store_product *products;
	size_t len, room;
	cJSON *errors; /* the first of them */
	const char *row_name; /* "row" of an array, "line" of a file */
	bool too_many, no_memory;
};

static bool import_error(struct import *in, unsigned row, const char *why)
{
	struct out o;
	cJSON *error;

	out_begin(&o);
	out_number(&o, in->row_name, row);
	out_text(&o, "detail", why);
	error = out_end(&o);
	if (error == NULL || !cJSON_AddItemToArray(in->errors, error)) {
		cJSON_Delete(error);
		in->no_memory = true;
	}
	return !in->no_memory && cJSON_GetArraySize(in->errors) < ERRORS_SHOWN_MAX;
}

static bool import_product(struct import *in, const struct store_product *p)
{
	if (in->len == PRODUCTS_MAX) {
		in->too_many = true;
		return false;
	}
	if (in->len == in->room) {
		size_t room = in->room > 0 ? in->room * 2 : 16;
		struct store_product *larger = realloc(in->products, room * sizeof(*larger));

		if (larger == NULL) {
			in->no_memory = true;
			return false;
		}
		in->products = larger;
		in->room = room;
	}
	in->products[in->len++] = *p;
	return true;
}

static bool import_one(unsigned row, const struct store_product *p, const char *why, void *arg)
{
	struct import *in = arg;

	return p != NULL ? import_product(in, p) : import_error(in, row, why);
}

/* False when it must not go on. */
static bool import_json(struct import *in, unsigned row, const cJSON *item)
{
	char *text = json_text(item), why[WHY_LEN] = "";
	struct store_product p;
	bool more;

	if (text == NULL) {
		in->no_memory = true;
		return false;
	}
	if (reply_product_from_json(text, strlen(text), &p, why, sizeof(why)))
		more = import_product(in, &p);
	else
		more = import_error(in, row, why);
	free(text);
	return more;
}

static bool read_json(struct call *c, struct import *in)
{
	cJSON *root = form_body(c);
	const cJSON *item;
	unsigned row = 1;

	if (root == NULL)
		return false;
	in->row_name = "row";
	if (!cJSON_IsArray(root) && !cJSON_IsObject(root)) {
		problem(c->res, PROBLEM_INVALID_JSON, NULL, "the body must be a product or an array of products");
		cJSON_Delete(root);
		return false;
	}
	if (cJSON_IsObject(root)) {
		(void)import_json(in, row, root);
	} else {
		cJSON_ArrayForEach (item, root)
			if (!import_json(in, row++, item))
				break;
	}
	cJSON_Delete(root);
	return true;
}

static bool read_csv(struct call *c, struct import *in)
{
	const char *text = (const char *)c->req->body;
	char why[WHY_LEN] = "";

	in->row_name = "line";
	if (c->req->body_len > API_BODY_MAX) {
		problem(c->res, PROBLEM_TOO_LARGE, NULL, "the body is longer than 2 MiB");
		return false;
	}
	if (c->req->body_len == 0 || memchr(text, '\0', c->req->body_len) != NULL || !utf8_ok(text, c->req->body_len)) {
		problem(c->res, PROBLEM_INVALID_FIELD, NULL, "the file is empty or not UTF-8 text");
		return false;
	}
	if (!reply_products_from_csv(text, c->req->body_len, import_one, in, why, sizeof(why)) &&
		cJSON_GetArraySize(in->errors) == 0 && !in->too_many && !in->no_memory) {
		problem(c->res, PROBLEM_INVALID_FIELD, NULL, why);
		return false;
	}
	return true;
}

static void store_all(struct call *c, const struct import *in)
{
	unsigned added = 0, changed = 0;
	enum store_error err = STORE_OK;
	struct out o;

	if (in->len > 0)
		err = store_product_put(c->api->store, c->business.id, in->products, in->len, &added, &changed);
	if (err == STORE_EXISTS) {
		problem(c->res, PROBLEM_CONFLICT, NULL,
			"an id names one product and its name belongs to another; nothing was stored");
		return;
	}
	if (err != STORE_OK) {
		problem_store(c, err);
		return;
	}
	out_begin(&o);
	out_number(&o, "added", added);
	out_number(&o, "changed", changed);
	out_send(&o, c->res, 200);
}

void products_add(struct call *c)
{
	struct import in = {.errors = cJSON_CreateArray()};
	bool csv = form_is_type(c->req->content_type, "text/csv");

	if (in.errors == NULL) {
		problem_store(c, STORE_NO_MEMORY);
		return;
	}
	if (!csv && !form_is_type(c->req->content_type, "application/json")) {
		problem(c->res, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL,
			"Content-Type must be application/json or text/csv");
	} else if (csv ? read_csv(c, &in) : read_json(c, &in)) {
		if (in.no_memory) {
			problem_store(c, STORE_NO_MEMORY);
		} else if (in.too_many) {
			problem(c->res, PROBLEM_TOO_LARGE, NULL,
				"at most 10000 products in one request; nothing was stored");
		} else if (cJSON_GetArraySize(in.errors) > 0) {
			problem_rows(c->res, PROBLEM_INVALID_FIELD, "some products break a rule; nothing was stored",
				in.errors);
			in.errors = NULL; /* transferred */
		} else {
			store_all(c, &in);
		}
	}
	cJSON_Delete(in.errors);
	free(in.products);
}

/* Aliases are stored one a line. */
static cJSON *aliases_json(const char *aliases)
{
	cJSON *array = cJSON_CreateArray();
	char one[STORE_PRODUCT_ALIASES_LEN + 1];

	while (array != NULL && *aliases != '\0') {
		size_t len = strcspn(aliases, "\n");
		cJSON *text;

		memcpy(one, aliases, len);
		one[len] = '\0';
		text = len > 0 ? cJSON_CreateString(one) : NULL;
		if (len > 0 && (text == NULL || !cJSON_AddItemToArray(array, text))) {
			cJSON_Delete(text);
			cJSON_Delete(array);
			return NULL;
		}
		aliases += aliases[len] == '\n' ? len + 1 : len;
	}
	return array;
}

static bool list_one(const struct store_product *p, void *arg)
{
	struct listing *l = arg;
	struct out o;

	if (!listing_wants(l))
		return false;
	out_begin(&o);
	out_text(&o, "id", p->id);
	out_text(&o, "name", p->name);
	out_value(&o, "aliases", aliases_json(p->aliases));
	out_text(&o, "price", p->price);
	out_text(&o, "currency", p->currency);
	if (p->stock >= 0)
		out_number(&o, "stock", p->stock);
	else
		out_null(&o, "stock");
	out_text(&o, "unit", p->unit);
	return listing_add(l, p->id, out_end(&o));
}

static enum store_error list(struct listing *l, const void *ctx)
{
	(void)ctx;
	return store_product_list(l->call->api->store, l->call->business.id, &l->page, list_one, l);
}

void products_list(struct call *c)
{
	listing_answer(c, list, NULL, NULL);
}

void products_remove(struct call *c)
{
	enum store_error err = store_product_remove(c->api->store, c->business.id, c->id);

	if (err != STORE_OK)
		problem_store(c, err);
	else
		c->res->status = 204;
}
