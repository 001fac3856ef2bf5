/*
 * The layout of a page: head, navigation, foot. Links are relative, so that the pages
 * work behind a proxy that adds a path in front.
 */
#include <string.h>

#include "gateway/settings/internal.h"

static const struct {
	const char *name, *text;
} pages[] = {{"", "Status"}, {"activity", "Activity"}, {"products", "Products"}, {"messages", "Messages"},
	{"sign", "Shop sign"}, {"access", "Keys and access"}};

static void navigation(struct visit *v, const char *current)
{
	html_put(&v->out, "<nav aria-label=\"Settings\"><p class=\"shop\"><bdi>%s</bdi></p><ul>", v->business.name);
	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		html_put(&v->out, "<li><a href=\"%s\"", pages[i].name[0] != '\0' ? pages[i].name : "./");
		if (current != NULL && strcmp(current, pages[i].name) == 0)
			html_raw(&v->out, " aria-current=\"page\"");
		html_put(&v->out, ">%s</a></li>", pages[i].text);
	}
	html_raw(&v->out, "</ul></nav>");
}

void layout_begin(struct visit *v, const char *current, const char *title, const char *const *modules)
{
	html_put(&v->out,
		"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		"<meta name=\"color-scheme\" content=\"light dark\"><meta name=\"robots\" content=\"noindex\">"
		"<title>%s</title><link rel=\"stylesheet\" href=\"%s.settings.css\">"
		"<link rel=\"icon\" href=\"%s.icon.svg\">",
		title, settings_assets_version, settings_assets_version);
	html_put(&v->out, "<script type=\"module\" src=\"%s.page.js\"></script>", settings_assets_version);
	for (; modules != NULL && *modules != NULL; modules++)
		html_put(&v->out, "<script type=\"module\" src=\"%s.%s\"></script>", settings_assets_version, *modules);
	html_raw(&v->out, "</head><body><a class=\"skip\" href=\"#main\">To the content</a>");
	if (v->business.id[0] != '\0')
		navigation(v, current);
	html_put(&v->out, "<main id=\"main\"><h1>%s</h1>", title);
}

void layout_end(struct visit *v)
{
	html_raw(&v->out, "</main></body></html>\n");
}

void layout_form(struct visit *v, const char *name)
{
	html_put(&v->out, "<form method=\"post\" action=\"%s\"><input type=\"hidden\" name=\"csrf\" value=\"%s\">",
		name, v->csrf);
}

void layout_note(struct visit *v, const char *how)
{
	static const struct {
		const char *how, *sign;
	} signs[] = {{"ok", "Good: "}, {"bad", "Needs you: "}, {"wait", "Waiting: "}, {"info", ""}};
	const char *sign = "";

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (strcmp(signs[i].how, how) == 0)
			sign = signs[i].sign;
	html_put(&v->out, "<div class=\"note %s\"><span class=\"how\">%s</span>", how, sign);
}

void layout_note_end(struct visit *v)
{
	html_raw(&v->out, "</div>");
}

void layout_pages(struct visit *v, const char *first, const char *next)
{
	if (first == NULL && next == NULL)
		return;
	html_raw(&v->out, "<p class=\"row\">");
	if (first != NULL)
		html_put(&v->out, "<a class=\"button quiet\" href=\"%s\">First page</a> ", first);
	if (next != NULL)
		html_put(&v->out, "<a class=\"button quiet\" rel=\"next\" href=\"%s\">Next page</a>", next);
	html_raw(&v->out, "</p>");
}
