/*
 * Products: the list from which the catalogue answers price questions, shown and
 * changed one by one. What a product may be is gateway/reply's to say.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/reply/reply.h"
#include "gateway/settings/products.h"

#define PAGE_ROWS 50u

/* ------------------------------------------------------------ what was just done */

static bool read_count(const char **p, unsigned *count)
{
	const size_t len = strspn(*p, "0123456789");

	*count = 0;
	for (size_t i = 0; i < len && len <= 5; i++)
		*count = *count * 10 + (unsigned)((*p)[i] - '0');
	*p += len;
	return len > 0 && len <= 5;
}

/* "3-1": so many were added and changed. Anything else is no news. */
static void say_done(struct visit *v)
{
	unsigned added, changed;
	const char *p;
	char done[16];

	if (!visit_query(v, "done", done, sizeof(done)))
		return;
	p = done;
	if (strcmp(done, "removed") == 0) {
		layout_note(v, "ok");
		html_raw(&v->out, "1 removed.");
		layout_note_end(v);
	} else if (read_count(&p, &added) && *p++ == '-' && read_count(&p, &changed) && *p == '\0') {
		layout_note(v, "ok");
		html_put(&v->out, "%u added, %u changed.", added, changed);
		layout_note_end(v);
	}
}

void products_done(struct visit *v, unsigned added, unsigned changed)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "products?done=%u-%u", added, changed);
	visit_redirect(v, name);
}

/* ------------------------------------------------------------ the list */

/* "earbuds, ear pods" of what is stored one a line. */
static void put_aliases(struct html *h, const char *aliases)
{
	char one[STORE_PRODUCT_ALIASES_LEN + 1];

	for (size_t len; *aliases != '\0'; aliases += len + (aliases[len] != '\0')) {
		len = strcspn(aliases, "\n");
		memcpy(one, aliases, len);
		one[len] = '\0';
		html_put(h, "<bdi>%s</bdi>%s", one, aliases[len] != '\0' ? ", " : "");
	}
}

void products_values(struct html *h, const struct store_product *p)
{
	char price[REPLY_PRICE_TEXT_MAX];

	reply_price_text(price, sizeof(price), p->price, p->currency);
	html_put(h, "<td class=\"number\">%s</td><td class=\"number\">", price);
	if (p->stock < 0)
		html_raw(h, "<span class=\"soft\">not counted</span>");
	else
		html_put(h, "%lld <bdi>%s</bdi>", (long long)p->stock, p->unit);
	html_raw(h, "</td></tr>");
}

void products_name_end(struct html *h, const struct store_product *p)
{
	if (p->aliases[0] != '\0') {
		html_raw(h, "<br><span class=\"small soft\">Also: ");
		put_aliases(h, p->aliases);
		html_raw(h, "</span>");
	}
	html_raw(h, "</th>");
}

void products_table_begin(struct html *h, const char *caption)
{
	html_put(h,
		"<table><caption>%s</caption><thead><tr><th scope=\"col\">Name</th>"
		"<th scope=\"col\" class=\"number\">Price</th><th scope=\"col\" class=\"number\">In "
		"stock</th></tr></thead><tbody>",
		caption);
}

void products_table_end(struct html *h)
{
	html_raw(h, "</tbody></table>");
}

struct listing {
	struct visit *v;
	unsigned shown;
	bool more;
	char last[STORE_BUSINESS_ID_LEN + 1];
};

static bool list_one(const struct store_product *p, void *arg)
{
	struct listing *l = arg;
	struct html *h = &l->v->out;

	if (l->shown == PAGE_ROWS) {
		l->more = true;
		return false;
	}
	if (l->shown++ == 0)
		products_table_begin(h, "Press a name to change or remove the product.");
	html_put(h, "<tr><th scope=\"row\"><a href=\"products?change=%s\"><bdi>%s</bdi></a>", p->id, p->name);
	products_name_end(h, p);
	products_values(h, p);
	(void)snprintf(l->last, sizeof(l->last), "%s", p->id);
	return true;
}

static void say_empty(struct html *h)
{
	html_raw(h,
		"<section class=\"card\"><h2>No products yet</h2>"
		"<p>This list answers price questions on WhatsApp for you. With <em>iPhone 13 Pro (128GB)</em> in it "
		"at "
		"₦450,000, this happens at any hour:</p><ul class=\"log\">"
		"<li class=\"card in\"><p class=\"small soft\">A customer</p><p>how much is iphone 13 pro?</p></li>"
		"<li class=\"card out\"><p class=\"small soft\">The answer</p>"
		"<p>iPhone 13 Pro (128GB)<br>Price: ₦450,000<br>In stock: 5 units</p></li></ul>"
		"<p>Misspelt words and another order of words are understood, too. Add your first product, or bring "
		"the whole "
		"list from a spreadsheet.</p></section>");
}

/* A list that nobody answers from is worth a word. */
static void say_unused(struct visit *v)
{
	if (strcmp(v->business.responder, "catalogue") == 0)
		return;
	layout_note(v, "info");
	html_raw(&v->out,
		"Customers are not answered from this list at the moment. "
		"Whoever gave you the link to these pages can switch that on: it is called the catalogue.");
	layout_note_end(v);
}

static void list(struct visit *v)
{
	char after[STORE_BUSINESS_ID_LEN + 1];
	const bool later = visit_query(v, "after", after, sizeof(after));
	const struct store_page rows = {.after = later ? after : NULL, .limit = PAGE_ROWS + 1, .ascending = true};
	struct listing l = {.v = v};
	char next[STORE_BUSINESS_ID_LEN + 32];
	enum store_error err;

	layout_begin(v, "products", "Products", NULL);
	say_done(v);
	say_unused(v);
	html_raw(&v->out,
		"<p class=\"row\"><a class=\"button\" href=\"products?add=1\">Add a product</a> "
		"<a class=\"button quiet\" href=\"products?import=1\">Import a list</a></p>");
	err = store_product_list(v->s->store, v->business.id, &rows, list_one, &l);
	if (later && (err == STORE_NOT_FOUND || err == STORE_INVALID)) {
		html_clear(&v->out);
		visit_redirect(v, "products"); /* that row is gone meanwhile */
		return;
	}
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	if (l.shown > 0)
		products_table_end(&v->out);
	else if (later)
		html_raw(&v->out, "<p>There are no more products.</p>");
	else
		say_empty(&v->out);
	(void)snprintf(next, sizeof(next), "products?after=%s", l.last);
	layout_pages(v, later ? "products" : NULL, l.more ? next : NULL);
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ one product */

/* What stands in the form, and what is wrong with it. */
struct typed {
	struct reply_product_texts texts;
	const char *field; /* at fault, or NULL */
	char why[REPLY_WHY_LEN];
};

static void put_label(struct visit *v, const struct typed *t, const char *name, const char *label, const char *help)
{
	html_put(&v->out, "<label for=\"%s\">%s</label>", name, label);
	if (help != NULL)
		html_put(&v->out, "<p class=\"help\" id=\"%s-help\">%s</p>", name, help);
	if (t->field != NULL && strcmp(t->field, name) == 0)
		html_put(&v->out, "<p class=\"error\" id=\"%s-error\">It %s.</p>", name, t->why);
}

static void put_described(struct visit *v, const struct typed *t, const char *name, bool help)
{
	const bool wrong = t->field != NULL && strcmp(t->field, name) == 0;

	html_put(&v->out, " id=\"%s\" name=\"%s\"", name, name);
	if (wrong)
		html_raw(&v->out, " aria-invalid=\"true\" autofocus");
	if (wrong || help)
		html_put(&v->out, " aria-describedby=\"%s%s%s%s%s\"", help ? name : "", help ? "-help" : "",
			help && wrong ? " " : "", wrong ? name : "", wrong ? "-error" : "");
}

static void put_input(struct visit *v, const struct typed *t, const char *name, const char *label, const char *help,
	const char *value)
{
	put_label(v, t, name, label, help);
	html_raw(&v->out, "<input type=\"text\" autocomplete=\"off\"");
	put_described(v, t, name, help != NULL);
	html_put(&v->out, " value=\"%s\">", value);
}

static void put_removal(struct visit *v, const char *id)
{
	html_raw(&v->out,
		"<details class=\"card\"><summary>Remove this product</summary>"
		"<p>Customers who ask for it get no price any more. This cannot be undone.</p>");
	layout_form(v, "products");
	html_put(&v->out,
		"<input type=\"hidden\" name=\"id\" value=\"%s\">"
		"<button class=\"danger\" name=\"do\" value=\"remove\">Remove it now</button></form></details>",
		id);
}

static void show_form(struct visit *v, int status, const struct typed *t)
{
	const struct reply_product_texts *x = &t->texts;
	const bool known = x->id[0] != '\0';

	layout_begin(v, "products", known ? "Change a product" : "Add a product", NULL);
	if (t->why[0] != '\0') {
		layout_note(v, "bad");
		html_put(&v->out, "Nothing was stored. %s",
			t->field != NULL ? "One entry below must be mended." : t->why);
		layout_note_end(v);
	}
	layout_form(v, "products");
	html_put(&v->out, "<input type=\"hidden\" name=\"id\" value=\"%s\">", x->id);
	put_input(v, t, "name", "Name", NULL, x->name);
	put_label(v, t, "aliases", "Other names", "What else customers call it, one name a line. May stay empty.");
	html_raw(&v->out, "<textarea rows=\"3\"");
	put_described(v, t, "aliases", true);
	html_put(&v->out, ">\n%s</textarea>", x->aliases);
	put_input(v, t, "price", "Price", "Digits only, such as 450000 or 12.50.", x->price);
	put_input(v, t, "currency", "Currency", "Three letters, such as NGN.", x->currency);
	put_input(v, t, "stock", "In stock", "How many there are. Empty where you do not count them.", x->stock);
	put_input(v, t, "unit", "Counted in", "Such as kg or pairs. Empty for units.", x->unit);
	html_raw(&v->out,
		"<p class=\"row\"><button name=\"do\" value=\"save\">Save</button> "
		"<a class=\"button quiet\" href=\"products\">Back to the list</a></p></form>");
	if (known)
		put_removal(v, x->id);
	layout_end(v);
	visit_send(v, status);
}

static bool take_currency(const struct store_product *p, void *arg)
{
	memcpy(arg, p->currency, sizeof(p->currency));
	return false;
}

/* An empty form but for the currency, which is the newest product's. */
static void show_new(struct visit *v)
{
	const struct store_page newest = {.limit = 1};
	char currency[sizeof(((struct store_product *)NULL)->currency)] = "";
	const struct typed t = {.texts = {"", "", "", "", currency, "", ""}};
	enum store_error err = store_product_list(v->s->store, v->business.id, &newest, take_currency, currency);

	if (err != STORE_OK)
		visit_failed(v, store_error_text(err));
	else
		show_form(v, 200, &t);
}

static void show_one(struct visit *v, const char *id)
{
	struct store_product p;
	char stock[24] = "";
	const struct typed t = {.texts = {p.id, p.name, p.aliases, p.price, p.currency, stock, p.unit}};
	enum store_error err = store_product_get(v->s->store, v->business.id, id, &p);

	if (err == STORE_NOT_FOUND) {
		visit_say(
			v, 404, "There is no such product", "Perhaps it was removed. Go back to the list of products.");
		return;
	}
	if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
		return;
	}
	if (p.stock >= 0)
		(void)snprintf(stock, sizeof(stock), "%lld", (long long)p.stock);
	show_form(v, 200, &t);
}

static void save(struct visit *v)
{
	struct typed t = {.texts = {visit_field(v, "id"), visit_field(v, "name"), visit_field(v, "aliases"),
				  visit_field(v, "price"), visit_field(v, "currency"), visit_field(v, "stock"),
				  visit_field(v, "unit")}};
	unsigned added = 0, changed = 0;
	struct store_product p;
	enum store_error err;

	if (!reply_product_from_texts(&t.texts, &p, &t.field, t.why, sizeof(t.why))) {
		show_form(v, 422, &t);
		return;
	}
	err = store_product_put(v->s->store, v->business.id, &p, 1, &added, &changed);
	if (err == STORE_EXISTS) {
		(void)snprintf(t.why, sizeof(t.why), "Another product has this name already.");
		show_form(v, 422, &t);
	} else if (err == STORE_TOO_MANY) {
		(void)snprintf(t.why, sizeof(t.why),
			"Your shop has 20,000 products already, and more do not fit. Remove one first.");
		show_form(v, 422, &t);
	} else if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
	} else {
		products_done(v, added, changed);
	}
}

static void remove_one(struct visit *v)
{
	enum store_error err = store_product_remove(v->s->store, v->business.id, visit_field(v, "id"));

	/* Pressed twice, or removed elsewhere: it is gone, as was asked. */
	if (err == STORE_OK || err == STORE_NOT_FOUND)
		visit_redirect(v, "products?done=removed");
	else
		visit_failed(v, store_error_text(err));
}

/* ------------------------------------------------------------ */

void products_get(struct visit *v)
{
	char value[STORE_BUSINESS_ID_LEN + 1];

	if (visit_query(v, "change", value, sizeof(value)))
		show_one(v, value);
	else if (visit_query(v, "add", value, sizeof(value)))
		show_new(v);
	else if (visit_query(v, "import", value, sizeof(value)))
		products_import_show(v);
	else
		list(v);
}

void products_post(struct visit *v)
{
	const char *what = visit_field(v, "do");

	if (strcmp(what, "save") == 0)
		save(v);
	else if (strcmp(what, "remove") == 0)
		remove_one(v);
	else if (strcmp(what, "preview") == 0 || strcmp(what, "import") == 0)
		products_import(v, strcmp(what, "import") == 0);
	else
		visit_redirect(v, "products");
}
