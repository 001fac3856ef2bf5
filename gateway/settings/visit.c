/*
 * One visit: reading what it brought, and answering it. A form may hold a pasted key:
 * every copy made here is wiped when the visit ends.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/log.h"
#include "gateway/settings/internal.h"
#include "gateway/utf8.h"
#include "vault/vault.h"

/* ------------------------------------------------------------ forms */

static bool decode(char *text)
{
	return http_decode(text) && utf8_ok(text, strlen(text));
}

static bool form_split(struct visit *v)
{
	for (char *p = v->form, *next; p != NULL && *p != '\0'; p = next) {
		struct field *f = &v->fields[v->fields_len];
		char *equal;

		next = strchr(p, '&');
		if (next != NULL)
			*next++ = '\0';
		equal = strchr(p, '=');
		if (equal == NULL || v->fields_len == FORM_FIELDS_MAX)
			return false;
		*equal = '\0';
		*f = (struct field){p, equal + 1};
		if (!decode(f->name) || !decode(f->value))
			return false;
		v->fields_len++;
	}
	return true;
}

bool visit_form(struct visit *v, size_t max)
{
	const char *type = http_request_header(v->req, "Content-Type");
	static const char wanted[] = "application/x-www-form-urlencoded";
	const uint8_t *body = NULL;
	size_t len = 0;

	if (type == NULL || strncasecmp(type, wanted, sizeof(wanted) - 1) != 0) {
		visit_say(v, 415, "This form cannot be read", "Go back, load the page again and send it once more.");
		return false;
	}
	switch (http_request_body(v->req, max, &body, &len)) {
	case HTTP_OK:
		break;
	case HTTP_TOO_LARGE:
		visit_say(v, 413, "That is too much at once", "Send a smaller file or a shorter text.");
		return false;
	case HTTP_TIMED_OUT:
		visit_say(v, 408, "That took too long to arrive", "Try again where the connection is better.");
		return false;
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_BAD_QUERY:
	case HTTP_NO_SUCH_PARAM:
	case HTTP_SETUP_FAILED:
		visit_failed(v, "reading a form");
		return false;
	}
	v->form = malloc(len + 1);
	if (v->form == NULL) {
		visit_failed(v, "reading a form");
		return false;
	}
	v->form_len = len;
	if (len > 0)
		memcpy(v->form, body, len);
	v->form[len] = '\0';
	if (memchr(v->form, '\0', len) == NULL && form_split(v))
		return true;
	visit_say(v, 400, "This form cannot be read", "Go back, load the page again and send it once more.");
	return false;
}

const char *visit_field(const struct visit *v, const char *name)
{
	for (size_t i = 0; i < v->fields_len; i++)
		if (strcmp(v->fields[i].name, name) == 0)
			return v->fields[i].value;
	return "";
}

bool visit_query(const struct visit *v, const char *name, char *out, size_t out_len)
{
	return http_query_get(http_request_query(v->req), name, out, out_len) == HTTP_OK && utf8_ok(out, strlen(out));
}

struct secret *visit_secret(const struct visit *v, const char *name)
{
	static const char blank[] = " \t\r\n";
	const char *text = visit_field(v, name);
	size_t len;

	text += strspn(text, blank);
	len = strlen(text);
	while (len > 0 && strchr(blank, text[len - 1]) != NULL)
		len--;
	return secret_new(text, len);
}

/* ------------------------------------------------------------ answers */

#define HEADERS_MAX 12u

/* What every answer but an asset has; returns how many. */
static size_t headers_fill(const struct visit *v, const char *type, struct http_header *headers)
{
	size_t n = 0;

	headers[n++] = (struct http_header){"Content-Type", type};
	headers[n++] = (struct http_header){"Cache-Control", "no-store"};
	headers[n++] = (struct http_header){"Content-Security-Policy", v->admin ? v->s->admin_csp : v->s->csp};
	headers[n++] = (struct http_header){"X-Content-Type-Options", "nosniff"};
	headers[n++] = (struct http_header){"Referrer-Policy", "same-origin"};
	headers[n++] = (struct http_header){"Cross-Origin-Opener-Policy", "same-origin"};
	headers[n++] = (struct http_header){"Cross-Origin-Resource-Policy", "same-origin"};
	headers[n++] = (struct http_header){"Permissions-Policy", "camera=(), microphone=(), geolocation=()"};
	if (v->cookie != NULL)
		headers[n++] = (struct http_header){"Set-Cookie", v->cookie};
	if (v->admin || !v->s->framed)
		headers[n++] = (struct http_header){"X-Frame-Options", "DENY"};
	return n;
}

static void respond(
	struct visit *v, int status, const char *type, const struct http_header *more, const void *body, size_t len)
{
	struct http_header headers[HEADERS_MAX];
	size_t n = headers_fill(v, type, headers);

	if (more != NULL)
		headers[n++] = *more;
	http_respond(v->req, status, headers, n, body, len);
	v->answered = true;
}

void visit_send(struct visit *v, int status)
{
	static const char failed[] = "<!doctype html><title>Not now</title><p>Keyhouse is short of memory. Try again.";

	if (v->begun)
		(void)visit_flush(v);
	else if (v->out.failed)
		respond(v, 503, "text/html; charset=utf-8", NULL, failed, sizeof(failed) - 1);
	else
		respond(v, status, "text/html; charset=utf-8", NULL, v->out.data, v->out.len);
	v->answered = true;
}

bool visit_flush(struct visit *v)
{
	struct http_header headers[HEADERS_MAX];
	bool there;

	if (!v->begun) {
		size_t n = headers_fill(v, "text/html; charset=utf-8", headers);

		/* A proxy that gathers the parts would show nothing until the end. */
		headers[n++] = (struct http_header){"X-Accel-Buffering", "no"};
		http_respond_begin(v->req, 200, headers, n, HTTP_LEN_UNKNOWN);
		v->begun = true;
	}
	there = !v->out.failed && (v->out.len == 0 || http_respond_part(v->req, v->out.data, v->out.len));
	html_clear(&v->out);
	return there;
}

void visit_redirect(struct visit *v, const char *name)
{
	const struct http_header location = {"Location", name[0] != '\0' ? name : "./"};

	respond(v, 303, "text/plain; charset=utf-8", &location, NULL, 0);
}

void visit_json(struct visit *v, int status, const char *json)
{
	respond(v, status, "application/json", NULL, json, strlen(json));
}

void visit_cookie(struct visit *v, int status, const char *cookie, const char *json)
{
	v->cookie = cookie;
	visit_json(v, status, json);
}

void visit_say(struct visit *v, int status, const char *title, const char *text)
{
	html_clear(&v->out);
	layout_begin(v, NULL, title, NULL);
	html_put(&v->out, "<p>%s</p>", text);
	if (v->business.id[0] != '\0' || v->who.id[0] != '\0')
		html_raw(&v->out, "<p><a href=\"./\">To the first page</a></p>");
	layout_end(v);
	visit_send(v, status);
}

void visit_failed(struct visit *v, const char *what)
{
	log_warn("settings page failed: %s business=%s", what, v->business.id);
	visit_say(v, 503, "That did not work just now", "Nothing was changed. Wait a moment, then try again.");
}

void visit_end(struct visit *v)
{
	if (!v->answered)
		visit_failed(v, "no answer");
	if (v->form != NULL)
		vault_wipe(v->form, v->form_len + 1);
	free(v->form);
	html_clear(&v->out);
	vault_wipe(v->csrf, sizeof(v->csrf));
}
