/*
 * Products: the list from which the catalogue answers price questions. Shown, changed
 * one by one, and imported after a look at what would become of it. What a product may
 * be is gateway/reply's to say.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/reply/reply.h"
#include "gateway/settings/internal.h"

#define PAGE_ROWS 50u
#define PREVIEW_ROWS 10u
#define LINE_SHOWN 120u /* bytes of a line at fault */

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

static void go_done(struct visit *v, unsigned added, unsigned changed)
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

static void put_values(struct html *h, const struct store_product *p)
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

static void put_name_end(struct html *h, const struct store_product *p)
{
	if (p->aliases[0] != '\0') {
		html_raw(h, "<br><span class=\"small soft\">Also: ");
		put_aliases(h, p->aliases);
		html_raw(h, "</span>");
	}
	html_raw(h, "</th>");
}

static void table_begin(struct html *h, const char *caption)
{
	html_put(h,
		"<table><caption>%s</caption><thead><tr><th scope=\"col\">Name</th>"
		"<th scope=\"col\" class=\"number\">Price</th><th scope=\"col\" class=\"number\">In "
		"stock</th></tr></thead><tbody>",
		caption);
}

static void table_end(struct html *h)
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
		table_begin(h, "Press a name to change or remove the product.");
	html_put(h, "<tr><th scope=\"row\"><a href=\"products?change=%s\"><bdi>%s</bdi></a>", p->id, p->name);
	put_name_end(h, p);
	put_values(h, p);
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
		table_end(&v->out);
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
	} else if (err != STORE_OK) {
		visit_failed(v, store_error_text(err));
	} else {
		go_done(v, added, changed);
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

/* ------------------------------------------------------------ importing a list */

static void put_list_field(struct visit *v, const char *csv)
{
	html_raw(&v->out,
		"<p id=\"file-line\" hidden><label for=\"file\">A file from your spreadsheet</label>"
		"<input type=\"file\" id=\"file\" accept=\".csv,.tsv,.txt,text/csv\" "
		"aria-describedby=\"file-said\"></p>"
		"<p class=\"help\" id=\"file-said\" role=\"status\"></p>"
		"<label for=\"csv\">The list</label>");
	html_put(&v->out, "<textarea id=\"csv\" name=\"csv\" rows=\"10\" spellcheck=\"false\">\n%s</textarea>", csv);
}

static void put_import_help(struct visit *v)
{
	html_raw(&v->out,
		"<details><summary>How the list must look</summary>"
		"<p>In your spreadsheet, choose <em>Save as</em> or <em>Download</em> and the format CSV. It looks "
		"like this:</p>"
		"<pre>name,aliases,price,currency,stock,unit\n"
		"AirPods Pro 2,earbuds|ear pods,180000,NGN,4,\n"
		"Rice,ofada rice,2500.50,NGN,40,kg\n"
		"Screen repair,,15000,NGN,,</pre>"
		"<ul><li>The first line names the columns, in any order. Name, price and currency must be there.</li>"
		"<li>Prices are digits only: no sign of a currency, no commas.</li>"
		"<li>Other names (aliases) are separated by |.</li>"
		"<li>Stock stays empty where you do not count it.</li>"
		"<li>A product whose name is in your list already is changed, not added twice.</li></ul></details>");
}

static const char *const import_modules[] = {"products.js", NULL};

static void show_import(struct visit *v)
{
	layout_begin(v, "products", "Import a list", import_modules);
	html_raw(&v->out,
		"<p>Bring many products at once from a spreadsheet. First you see what would be added and changed; "
		"nothing is stored before you say so.</p>");
	put_import_help(v);
	layout_form(v, "products");
	put_list_field(v, "");
	html_raw(&v->out,
		"<p class=\"row\"><button name=\"do\" value=\"preview\" data-busy=\"Looking...\">Look at it "
		"first</button> "
		"<a class=\"button quiet\" href=\"products\">Back to the list</a></p></form>");
	layout_end(v);
	visit_send(v, 200);
}

/* The text of a line, from 1; "" where there is none. Browsers send every line end with a newline in it. */
static void line_of(const char *csv, unsigned line, char out[static LINE_SHOWN + 1])
{
	size_t len;

	for (unsigned n = 1; n < line && csv != NULL; n++) {
		csv = strchr(csv, '\n');
		csv += csv != NULL;
	}
	len = csv != NULL ? strcspn(csv, "\r\n") : 0;
	if (len > LINE_SHOWN)
		for (len = LINE_SHOWN; len > 0 && ((unsigned char)csv[len] & 0xc0) == 0x80;)
			len--;
	if (len > 0)
		memcpy(out, csv, len);
	out[len] = '\0';
}

static void put_faults(struct visit *v, const struct reply_import *in, const char *csv)
{
	char text[LINE_SHOWN + 1];

	html_put(&v->out, "<p>%s must be mended. Lines that are right: %zu.</p><ul>",
		in->faults_len == REPLY_IMPORT_FAULTS_MAX ? "These lines, and perhaps more," : "These lines", in->len);
	for (size_t i = 0; i < in->faults_len; i++) {
		line_of(csv, in->faults[i].row, text);
		html_put(&v->out, "<li>Line %u: %s.<br><code>%s</code></li>", in->faults[i].row, in->faults[i].why,
			text);
	}
	html_raw(&v->out, "</ul>");
}

/* Whether it can be imported; else says why not. */
static bool import_judge(
	struct visit *v, const struct reply_import *in, const char *csv, unsigned *added, unsigned *changed)
{
	enum store_error err = STORE_OK;
	const bool read = in->why[0] == '\0' && !in->too_many && in->faults_len == 0 && in->len > 0;

	if (read)
		err = store_product_try(v->s->store, v->business.id, in->products, in->len, added, changed);
	if (read && err == STORE_OK)
		return true;
	layout_note(v, "bad");
	html_raw(&v->out, "Nothing was stored.");
	if (in->why[0] != '\0')
		html_put(&v->out, "<p>This list cannot be read: %s.</p>", in->why);
	else if (in->too_many)
		html_raw(&v->out, "<p>At most 10,000 products fit into one import. Make two lists of it.</p>");
	else if (in->faults_len > 0)
		put_faults(v, in, csv);
	else if (in->len == 0)
		html_raw(&v->out, "<p>There is no product in this list, only the line that names the columns.</p>");
	else if (err == STORE_EXISTS)
		html_raw(&v->out,
			"<p>An id in the list belongs to one of your products, and the name beside it to another. "
			"Mend the id, or leave the column id out.</p>");
	else
		html_raw(&v->out, "<p>It could not be looked through just now. Wait a moment, then try again.</p>");
	html_raw(&v->out, "<p>Mend the list here or in your spreadsheet, then look at it again.</p>");
	layout_note_end(v);
	return false;
}

static void put_first_rows(struct visit *v, const struct reply_import *in)
{
	const size_t shown = in->len < PREVIEW_ROWS ? in->len : PREVIEW_ROWS;
	char caption[64];

	(void)snprintf(caption, sizeof(caption), "The first %zu of %zu", shown, in->len);
	table_begin(&v->out, caption);
	for (size_t i = 0; i < shown; i++) {
		html_put(&v->out, "<tr><th scope=\"row\"><bdi>%s</bdi>", in->products[i].name);
		put_name_end(&v->out, &in->products[i]);
		put_values(&v->out, &in->products[i]);
	}
	table_end(&v->out);
}

/* The list goes along: what is imported is checked again when it comes back. */
static void show_preview(struct visit *v, const struct reply_import *in, const char *csv)
{
	unsigned added = 0, changed = 0;
	bool good;

	layout_begin(v, "products", "Import a list", import_modules);
	good = import_judge(v, in, csv, &added, &changed);
	if (good) {
		layout_note(v, "wait");
		html_put(&v->out, "%u new, %u changed. Nothing is stored yet.", added, changed);
		layout_note_end(v);
		put_first_rows(v, in);
	}
	layout_form(v, "products");
	if (good)
		html_raw(&v->out,
			"<p class=\"row\"><button name=\"do\" value=\"import\" "
			"data-busy=\"Importing...\">Import</button> "
			"<a class=\"button quiet\" href=\"products\">Leave everything as it is</a></p>"
			"<details><summary>Change the list</summary>");
	put_list_field(v, csv);
	html_put(&v->out,
		"<p class=\"row\"><button name=\"do\" value=\"preview\"%s data-busy=\"Looking...\">Look at it "
		"again</button></p>",
		good ? " class=\"quiet\"" : "");
	html_raw(&v->out, good ? "</details></form>" : "</form>");
	put_import_help(v);
	layout_end(v);
	visit_send(v, good ? 200 : 422);
}

static void import(struct visit *v, bool store)
{
	const char *csv = visit_field(v, "csv");
	struct reply_import in = {.len = 0};
	unsigned added = 0, changed = 0;
	enum store_error err = STORE_INVALID;

	reply_import_csv(&in, csv, strlen(csv));
	if (store && in.why[0] == '\0' && !in.too_many && !in.no_memory && in.faults_len == 0 && in.len > 0)
		err = store_product_put(v->s->store, v->business.id, in.products, in.len, &added, &changed);
	if (in.no_memory)
		visit_failed(v, "memory for an import");
	else if (err == STORE_OK)
		go_done(v, added, changed);
	else if (err == STORE_INVALID || err == STORE_EXISTS)
		show_preview(v, &in, csv);
	else
		visit_failed(v, store_error_text(err));
	reply_import_clear(&in);
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
		show_import(v);
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
		import(v, strcmp(what, "import") == 0);
	else
		visit_redirect(v, "products");
}
