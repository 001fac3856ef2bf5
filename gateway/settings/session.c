/*
 * Sessions: a link's token is changed for a cookie, once; and forms come from pages of
 * the same session. Tokens are 32 random bytes: nobody guesses one, however often he
 * may try, and so nobody is locked out either. Only hashes are kept.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/settings/internal.h"
#include "vault/vault.h"

/* The prefix makes a browser take it from this host alone, over TLS or loopback. */
#define COOKIE "__Host-keyhouse"
#define SESSION_MS (INT64_C(12) * 3600 * 1000)
#define IDLE_MS (INT64_C(2) * 3600 * 1000)
#define SEEN_EVERY_MS 60000

static void no_session(struct visit *v)
{
	visit_say(v, 401, "Please open your settings again",
		"This page is shown to whoever came by a settings link, for a few hours. Yours has ended, or was "
		"opened "
		"in another browser. Ask for a new link where you got the last one.");
}

/* ------------------------------------------------------------ opening */

void open_get(struct visit *v)
{
	static const char *const modules[] = {"open.js", NULL};

	layout_begin(v, NULL, "Your WhatsApp settings", modules);
	html_raw(&v->out,
		"<p id=\"opening\" role=\"status\" hidden>Opening ...</p>"
		"<p id=\"spent\" role=\"alert\" hidden>This link was used already, has expired or was withdrawn. It "
		"works "
		"once, and for a short time. If you opened it in this browser, <a href=\"./\">go on here</a>. "
		"Otherwise ask for a "
		"new one where you got it.</p>"
		"<p id=\"failed\" role=\"alert\" hidden>That did not work just now. <button type=\"button\" "
		"id=\"again\">Try again</button></p>"
		"<div id=\"other\" role=\"alert\" hidden><p>The settings of <b><bdi id=\"here\"></bdi></b> are open in "
		"this "
		"browser. This link opens those of <b><bdi id=\"there\"></bdi></b>. Open them only if you know who "
		"sent you "
		"the link.</p><p class=\"row\"><a class=\"button\" href=\"./\">Stay where I am</a> "
		"<button type=\"button\" class=\"quiet\" id=\"instead\">Open the other shop</button></p></div>"
		"<p id=\"bare\" hidden>This address is not complete. Open the whole link that you were given.</p>"
		"<noscript><p>Your browser has JavaScript switched off. Opening a settings link needs "
		"it.</p></noscript>");
	layout_end(v);
	visit_send(v, 200);
}

/* Whether "https://host" is where a URL of ours lies. */
static bool is_origin_of(const char *origin, const char *url)
{
	const size_t len = strlen(origin);

	return strstr(origin, "://") != NULL && strncasecmp(origin, url, len) == 0 &&
		(url[len] == '\0' || url[len] == '/');
}

bool session_from_elsewhere(const struct visit *v)
{
	const char *site = http_request_header(v->req, "Sec-Fetch-Site");
	const char *origin = http_request_header(v->req, "Origin"), *host = http_request_header(v->req, "Host");

	if (http_request_header_repeats(v->req, "Sec-Fetch-Site") || http_request_header_repeats(v->req, "Origin"))
		return true;
	if (site != NULL && strcmp(site, "same-origin") != 0)
		return true;
	/* A proxy in front may have put another Host in place of the one that the browser sent. */
	if (origin == NULL || is_origin_of(origin, v->s->public_url))
		return false;
	origin = strstr(origin, "://");
	return origin == NULL || host == NULL || strcasecmp(origin + 3, host) != 0;
}

/* ------------------------------------------------------------ finding */

/* The cookie's value; false where it is not there, or there twice. */
static bool cookie_take(const struct visit *v, const char *name, char out[static SESSION_TOKEN_MAX + 1])
{
	const size_t name_len = strlen(name);
	const char *p = http_request_header(v->req, "Cookie");
	bool found = false;

	while (p != NULL && *p != '\0') {
		size_t len;

		p += strspn(p, "; ");
		len = strcspn(p, ";");
		if (strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
			const size_t value = len - name_len - 1;

			if (found || value == 0 || value > SESSION_TOKEN_MAX)
				return false;
			memcpy(out, p + name_len + 1, value);
			out[value] = '\0';
			found = true;
		}
		p += len;
	}
	return found;
}

/* Sets what the session's forms carry: known to its pages, of no use as a cookie. */
static void csrf_set(struct visit *v, const char *token)
{
	char text[SESSION_TOKEN_MAX + 8];
	uint8_t hash[VAULT_HASH_LEN];

	(void)snprintf(text, sizeof(text), "form:%s", token);
	vault_hash(text, strlen(text), hash);
	vault_hex(hash, CSRF_LEN / 2, v->csrf);
	vault_wipe(text, sizeof(text));
	vault_wipe(hash, sizeof(hash));
}

static enum store_error find(struct visit *v, const char *token)
{
	const int64_t now = store_now_ms();
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err;

	vault_hash(token, strlen(token), hash);
	err = store_link_session(v->s->store, hash, now, &v->session);
	vault_wipe(hash, sizeof(hash));
	if (err == STORE_OK && now - v->session.seen_at > IDLE_MS)
		err = STORE_NOT_FOUND;
	if (err == STORE_OK)
		err = store_business_get(v->s->store, v->session.business_id, &v->business);
	/* To the minute: a page view need not cost a write. */
	if (err == STORE_OK && now - v->session.seen_at >= SEEN_EVERY_MS)
		err = store_link_seen(v->s->store, v->session.business_id, v->session.id, now);
	return err;
}

enum store_error session_by_cookie(
	struct visit *v, const char *name, enum store_error (*find_by)(struct visit *v, const char *token))
{
	char token[SESSION_TOKEN_MAX + 1];
	enum store_error err = STORE_NOT_FOUND;

	if (cookie_take(v, name, token))
		err = find_by(v, token);
	if (err == STORE_OK)
		csrf_set(v, token);
	vault_wipe(token, sizeof(token));
	return err;
}

bool session_find(struct visit *v)
{
	enum store_error err = session_by_cookie(v, COOKIE, find);

	if (err == STORE_OK) {
		store_actor("link", v->session.id);
		return true;
	}
	v->business = (struct store_business){0};
	if (err == STORE_NOT_FOUND)
		no_session(v);
	else
		visit_failed(v, store_error_text(err));
	return false;
}

bool session_form_ok(struct visit *v)
{
	const char *given = visit_field(v, "csrf");

	if (!session_from_elsewhere(v) && strlen(given) == CSRF_LEN && vault_equal(given, v->csrf, CSRF_LEN))
		return true;
	visit_say(v, 403, "This form is out of date",
		"Nothing was changed. Go back, load the page again, and try once more.");
	return false;
}

/* ------------------------------------------------------------ coming in */

/* A link that somebody forwarded must not put its own shop in the place of one that is open here, unseen: keys would be
 * pasted into the wrong shop. True after it was answered. */
static bool asks_first(struct visit *v, const uint8_t hash[static VAULT_HASH_LEN], int64_t now)
{
	struct store_business there;
	struct store_link link;
	cJSON *answer;
	char *text;

	if (strcmp(visit_field(v, "instead"), "yes") == 0 || session_by_cookie(v, COOKIE, find) != STORE_OK ||
		store_link_find(v->s->store, hash, now, &link) != STORE_OK ||
		strcmp(link.business_id, v->business.id) == 0 ||
		store_business_get(v->s->store, link.business_id, &there) != STORE_OK)
		return false;
	answer = cJSON_CreateObject();
	(void)cJSON_AddFalseToObject(answer, "opened");
	(void)cJSON_AddStringToObject(answer, "here", v->business.name);
	(void)cJSON_AddStringToObject(answer, "there", there.name);
	text = json_text(answer);
	visit_json(v, text != NULL ? 200 : 503, text != NULL ? text : "{}");
	json_text_free(text);
	cJSON_Delete(answer);
	return true;
}

void open_post(struct visit *v)
{
	char token[VAULT_RANDOM_TEXT_LEN + 1], cookie[256];
	uint8_t hash[VAULT_HASH_LEN], session_hash[VAULT_HASH_LEN];
	const char *given = visit_field(v, "token");
	const int64_t now = store_now_ms();
	enum store_error err;

	if (session_from_elsewhere(v)) {
		visit_json(v, 403, "{\"code\":\"from_elsewhere\"}");
		return;
	}
	vault_hash(given, strlen(given), hash);
	if (asks_first(v, hash, now))
		return;
	v->business = (struct store_business){0};
	vault_random_text("", true, token);
	vault_hash(token, strlen(token), session_hash);
	err = store_link_open(v->s->store, hash, session_hash, now, now + SESSION_MS, &v->session);
	if (err == STORE_OK) {
		(void)snprintf(cookie, sizeof(cookie), COOKIE "=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=%s",
			token, (int)(SESSION_MS / 1000), v->s->framed ? "None; Partitioned" : "Lax");
		log_info("settings link opened business=%s link=%s", v->session.business_id, v->session.id);
		visit_cookie(v, 200, cookie, "{\"opened\":true}");
	} else if (err == STORE_NOT_FOUND) {
		visit_json(v, 410, "{\"code\":\"link_spent\"}");
	} else {
		log_warn("a settings link could not be opened: %s", store_error_text(err));
		visit_json(v, 503, "{\"code\":\"unavailable\"}");
	}
	vault_wipe(token, sizeof(token));
	vault_wipe(cookie, sizeof(cookie));
	vault_wipe(hash, sizeof(hash));
	vault_wipe(session_hash, sizeof(session_hash));
}

/* ------------------------------------------------------------ ending */

void end_post(struct visit *v)
{
	enum store_error err = store_link_revoke(v->s->store, v->business.id, v->session.id);

	if (err != STORE_OK && err != STORE_NOT_FOUND) {
		visit_failed(v, store_error_text(err));
		return;
	}
	log_info("settings session ended business=%s link=%s", v->business.id, v->session.id);
	v->business = (struct store_business){0};
	visit_say(v, 200, "You are signed out", "Ask for a new link to come back.");
}
