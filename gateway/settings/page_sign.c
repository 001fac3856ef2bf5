/*
 * Shop sign: a page to print and put on the counter, with a QR code that opens a chat
 * with the shop (wa.me, WhatsApp's own click-to-chat address).
 */
#include <qrencode.h>
#include <stdio.h>
#include <string.h>

#include "gateway/settings/internal.h"

#define GREETING_MAX 200u
#define QUIET 4 /* modules of white around a QR code (ISO/IEC 18004) */

static void escape(const char *text, char *out, size_t room)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
	size_t len = 0;

	for (; *text != '\0' && len + 4 < room; text++) {
		if (strchr(plain, *text) != NULL)
			out[len++] = *text;
		else
			len += (size_t)snprintf(out + len, room - len, "%%%02X", (unsigned char)*text);
	}
	out[len] = '\0';
}

/* One path of unit squares: prints sharply at any size. */
static bool draw(struct html *h, const char *text)
{
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

	if (code == NULL)
		return false;
	html_put(h,
		"<svg class=\"qr\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"QR code that opens a chat with this "
		"shop\" "
		"shape-rendering=\"crispEdges\"><rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/><path d=\"",
		code->width + 2 * QUIET, code->width + 2 * QUIET);
	for (int y = 0; y < code->width; y++)
		for (int x = 0; x < code->width; x++)
			if ((code->data[y * code->width + x] & 1) != 0)
				html_put(h, "M%d %dh1v1h-1z", x + QUIET, y + QUIET);
	html_raw(h, "\" fill=\"#000\"/></svg>");
	QRcode_free(code);
	return true;
}

/* ------------------------------------------------------------ which number */

struct numbers {
	struct visit *v;
	char wanted[STORE_ID_LEN + 1]; /* "": the first */
	struct store_connection chosen;
	unsigned count; /* with a number that is known */
};

static bool collect(const struct store_connection *c, void *arg)
{
	struct numbers *n = arg;

	if (c->display_phone[0] == '\0')
		return true;
	if (n->count++ == 0 || strcmp(c->id, n->wanted) == 0)
		n->chosen = *c;
	return true;
}

static bool option(const struct store_connection *c, void *arg)
{
	struct numbers *n = arg;

	if (c->display_phone[0] == '\0')
		return true;
	html_put(&n->v->out, "<option value=\"%s\"", c->id);
	if (strcmp(c->id, n->chosen.id) == 0)
		html_raw(&n->v->out, " selected");
	html_put(&n->v->out, ">%s</option>", c->display_phone);
	return true;
}

static void no_number(struct visit *v)
{
	layout_begin(v, "sign", "Shop sign", NULL);
	html_raw(&v->out,
		"<div class=\"card\"><p>Once your WhatsApp number is connected, this page makes a sign for your "
		"counter: customers point their camera at it and are in a chat with you.</p>"
		"<p><a class=\"button\" href=\"connect\">Connect a number</a></p></div>");
	layout_end(v);
	visit_send(v, 200);
}

/* ------------------------------------------------------------ the page */

static void choices(struct visit *v, struct numbers *n, const char *greeting)
{
	const struct store_page all = {.limit = STORE_LIST_MAX, .ascending = true};

	html_raw(&v->out, "<form method=\"get\" action=\"sign\" class=\"card unprinted\">");
	if (n->count > 1) {
		html_raw(&v->out, "<label for=\"number\">Number</label><select id=\"number\" name=\"connection\">");
		if (store_connection_list(v->s->store, v->business.id, &all, option, n) != STORE_OK)
			v->out.failed = true;
		html_raw(&v->out, "</select>");
	}
	html_put(&v->out,
		"<label for=\"text\">First message</label><input type=\"text\" id=\"text\" name=\"text\" "
		"maxlength=\"100\" "
		"value=\"%s\" aria-describedby=\"text-help\"><p class=\"help\" id=\"text-help\">Stands ready in the "
		"customer's chat when it opens. May stay empty.</p>"
		"<p class=\"row\"><button class=\"quiet\">Change the sign</button>"
		"<button type=\"button\" id=\"print\" hidden>Print</button></p></form>",
		greeting);
}

static void sign(struct visit *v, struct numbers *n, const char *greeting)
{
	static const char *const modules[] = {"sign.js", NULL};
	char digits[CONNECT_DIGITS_MAX + 1], escaped[3 * GREETING_MAX + 1], url[64 + sizeof(escaped)];

	connect_digits(n->chosen.display_phone, digits);
	escape(greeting, escaped, sizeof(escaped));
	(void)snprintf(url, sizeof(url), "https://wa.me/%s%s%s", digits, escaped[0] != '\0' ? "?text=" : "", escaped);
	layout_begin(v, "sign", "Shop sign", modules);
	choices(v, n, greeting);
	html_put(&v->out,
		"<section class=\"sign\" aria-label=\"The sign\"><p class=\"call\">Chat with us on WhatsApp</p>"
		"<p class=\"name\"><bdi>%s</bdi></p>",
		n->chosen.verified_name[0] != '\0' ? n->chosen.verified_name : v->business.name);
	if (!draw(&v->out, url)) {
		visit_failed(v, "drawing a QR code");
		return;
	}
	html_put(&v->out,
		"<p class=\"number\">%s</p><p class=\"small\">Point your camera at the code, or write to this "
		"number.</p>"
		"</section>",
		n->chosen.display_phone);
	layout_end(v);
	visit_send(v, 200);
}

void sign_get(struct visit *v)
{
	const struct store_page all = {.limit = STORE_LIST_MAX, .ascending = true};
	struct numbers n = {.v = v};
	char greeting[GREETING_MAX + 1];

	if (!visit_query(v, "connection", n.wanted, sizeof(n.wanted)))
		n.wanted[0] = '\0';
	if (!visit_query(v, "text", greeting, sizeof(greeting)))
		greeting[0] = '\0';
	if (store_connection_list(v->s->store, v->business.id, &all, collect, &n) != STORE_OK)
		visit_failed(v, "listing connections");
	else if (n.count == 0)
		no_number(v);
	else
		sign(v, &n, greeting);
}
