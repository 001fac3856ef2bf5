/*
 * The layout of a page: head, navigation, foot. Links are relative, so that the pages
 * work behind a proxy that adds a path in front.
 */
#include <string.h>

#include "gateway/settings/internal.h"

struct link {
	const char *name, *text;
};

static const struct link pages[] = {{"", "Status"}, {"activity", "Activity"}, {"products", "Products"},
	{"messages", "Messages"}, {"sign", "Shop sign"}, {"access", "Keys and access"}};

static const struct link admin_pages[] = {{"", "Overview"}, {"letters", "Dead letters"}, {"quarantine", "Quarantine"},
	{"refused", "Refused calls"}, {"keys", "Keys and tokens"}, {"audit", "Audit"}};

static void links(struct visit *v, const struct link *list, size_t len, const char *current)
{
	html_raw(&v->out, "<ul>");
	for (size_t i = 0; i < len; i++) {
		html_put(&v->out, "<li><a href=\"%s\"", list[i].name[0] != '\0' ? list[i].name : "./");
		if (current != NULL && strcmp(current, list[i].name) == 0)
			html_raw(&v->out, " aria-current=\"page\"");
		html_put(&v->out, ">%s</a></li>", list[i].text);
	}
	html_raw(&v->out, "</ul></nav>");
}

static void navigation(struct visit *v, const char *current)
{
	html_put(&v->out, "<nav aria-label=\"Settings\"><p class=\"shop\"><bdi>%s</bdi></p>", v->business.name);
	links(v, pages, sizeof(pages) / sizeof(pages[0]), current);
}

static void admin_navigation(struct visit *v, const char *current)
{
	html_raw(&v->out, "<nav aria-label=\"Operator\"><div class=\"top\"><p class=\"shop\">Keyhouse</p>");
	layout_form(v, "sign-out");
	html_raw(&v->out, "<button class=\"quiet\">Sign out</button></form></div>");
	links(v, admin_pages, sizeof(admin_pages) / sizeof(admin_pages[0]), current);
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
	html_raw(&v->out, v->admin ? "</head><body class=\"admin\">" : "</head><body>");
	html_raw(&v->out, "<a class=\"skip\" href=\"#main\">To the content</a>");
	if (v->business.id[0] != '\0')
		navigation(v, current);
	else if (v->who.id[0] != '\0')
		admin_navigation(v, current);
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
	} signs[] = {{"ok", "Good: "}, {"bad", "Needs you: "}, {"wait", "Waiting: "}, {"look", "Worth a look: "},
		{"info", ""}};
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

void layout_done(struct visit *v, const struct layout_result *results)
{
	char done[32];

	if (!visit_query(v, "done", done, sizeof(done)))
		return;
	for (; results->name != NULL; results++) {
		if (strcmp(results->name, done) != 0)
			continue;
		layout_note(v, results->how);
		html_raw(&v->out, results->text);
		layout_note_end(v);
	}
}
