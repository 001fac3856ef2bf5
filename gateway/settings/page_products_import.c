/*
 * Products from a spreadsheet: first a look at what would become of the list, with every
 * row that is wrong; then, checked again, all of it or nothing.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/reply/reply.h"
#include "gateway/settings/products.h"

#define PREVIEW_ROWS 10u
#define LINE_SHOWN 120u /* bytes of a line at fault */

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
		"<li>Prices are digits only: no sign of a currency, nothing between thousands.</li>"
		"<li>Other names (aliases) are separated by |.</li>"
		"<li>Stock stays empty where you do not count it.</li>"
		"<li>A product whose name is in your list already is changed, not added twice.</li></ul></details>");
}

static const char *const import_modules[] = {"products.js", NULL};

void products_import_show(struct visit *v)
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
	else if (err == STORE_TOO_MANY)
		html_raw(&v->out,
			"<p>With this list your shop would have more than 20,000 products, and more do not fit. Make "
			"the list shorter, or remove products first.</p>");
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
	products_table_begin(&v->out, caption);
	for (size_t i = 0; i < shown; i++) {
		html_put(&v->out, "<tr><th scope=\"row\"><bdi>%s</bdi>", in->products[i].name);
		products_name_end(&v->out, &in->products[i]);
		products_values(&v->out, &in->products[i]);
	}
	products_table_end(&v->out);
}

/* The list goes along: what is imported is checked again when it comes back. */
static void show_preview(struct visit *v, const struct reply_import *in, const char *csv)
{
	unsigned added = 0, changed = 0;
	bool good;

	layout_begin(v, "products", "Import a list", import_modules);
	good = import_judge(v, in, csv, &added, &changed);
	if (good) {
		layout_note(v, "info");
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

void products_import(struct visit *v, bool store)
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
		products_done(v, added, changed);
	else if (err == STORE_INVALID || err == STORE_EXISTS || err == STORE_TOO_MANY)
		show_preview(v, &in, csv);
	else
		visit_failed(v, store_error_text(err));
	reply_import_clear(&in);
}
