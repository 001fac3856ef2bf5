/*
 * Products: imported all or nothing from JSON or CSV, listed, removed. What a product
 * may be is gateway/reply's to say; here its words are handed on with the row.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/form.h"
#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/json.h"
#include "gateway/reply/reply.h"

/* False when it must not go on. */
static bool take_item(struct reply_import *in, unsigned row, const cJSON *item)
{
	char *text = json_text(item);
	bool more;

	in->no_memory = text == NULL;
	more = text != NULL && reply_import_json(in, row, text, strlen(text));
	json_text_free(text);
	return more;
}

static bool read_json(struct call *c, struct reply_import *in)
{
	cJSON *root = form_body(c);
	const cJSON *item;
	unsigned row = 1;

	if (root == NULL)
		return false;
	if (!cJSON_IsArray(root) && !cJSON_IsObject(root)) {
		problem(c->res, PROBLEM_INVALID_JSON, NULL, "the body must be a product or an array of products");
		cJSON_Delete(root);
		return false;
	}
	if (cJSON_IsObject(root)) {
		(void)take_item(in, row, root);
	} else {
		cJSON_ArrayForEach (item, root)
			if (!take_item(in, row++, item))
				break;
	}
	cJSON_Delete(root);
	return true;
}

static bool read_csv(struct call *c, struct reply_import *in)
{
	if (c->req->body_len > API_BODY_MAX) {
		problem(c->res, PROBLEM_TOO_LARGE, NULL, "the body is longer than 2 MiB");
		return false;
	}
	reply_import_csv(in, (const char *)c->req->body, c->req->body_len);
	if (in->why[0] != '\0')
		problem(c->res, PROBLEM_INVALID_FIELD, NULL, in->why);
	return in->why[0] == '\0';
}

/* row_name: "row" of an array, "line" of a file. */
static void faults(struct call *c, const struct reply_import *in, const char *row_name)
{
	cJSON *rows = cJSON_CreateArray();
	bool ok = rows != NULL;

	for (size_t i = 0; i < in->faults_len && ok; i++) {
		struct out o;

		out_begin(&o);
		out_number(&o, row_name, in->faults[i].row);
		out_text(&o, "detail", in->faults[i].why);
		ok = json_list_add(rows, out_end(&o));
	}
	if (ok) {
		problem_rows(c->res, PROBLEM_INVALID_FIELD, "some products break a rule; nothing was stored", rows);
		return;
	}
	cJSON_Delete(rows);
	problem_store(c, STORE_NO_MEMORY);
}

static void store_all(struct call *c, const struct reply_import *in)
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
	const bool csv = form_is_type(c->req->content_type, "text/csv");
	struct reply_import in = {.len = 0};

	if (!csv && !form_is_type(c->req->content_type, "application/json")) {
		problem(c->res, PROBLEM_UNSUPPORTED_MEDIA_TYPE, NULL,
			"Content-Type must be application/json or text/csv");
	} else if (csv ? read_csv(c, &in) : read_json(c, &in)) {
		if (in.no_memory)
			problem_store(c, STORE_NO_MEMORY);
		else if (in.too_many)
			problem(c->res, PROBLEM_TOO_LARGE, NULL,
				"at most 10000 products in one request; nothing was stored");
		else if (in.faults_len > 0)
			faults(c, &in, csv ? "line" : "row");
		else
			store_all(c, &in);
	}
	reply_import_clear(&in);
}

/* Aliases are stored one a line. */
static cJSON *aliases_json(const char *aliases)
{
	cJSON *array = cJSON_CreateArray();
	char one[STORE_PRODUCT_ALIASES_LEN + 1];

	while (array != NULL && *aliases != '\0') {
		size_t len = strcspn(aliases, "\n");

		memcpy(one, aliases, len);
		one[len] = '\0';
		if (len > 0 && !json_list_add(array, cJSON_CreateString(one))) {
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
