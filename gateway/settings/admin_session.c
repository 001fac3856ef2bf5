/*
 * The operator comes in by an admin token, and is known by a cookie from then on: for
 * eight hours, one of them idle, and no longer than the token lives. Tokens are 32 random
 * bytes: nobody is locked out for guessing. Only hashes are kept.
 */
#include <stdio.h>
#include <string.h>

#include "gateway/config.h"
#include "gateway/log.h"
#include "gateway/settings/admin.h"
#include "vault/vault.h"

/* Another name than the shop owner's: neither is taken for the other. */
#define COOKIE "__Host-keyhouse-admin"
#define SESSION_MS (INT64_C(8) * 3600 * 1000)
#define SEEN_EVERY_MS 60000

/* ------------------------------------------------------------ finding */

static enum store_error find(struct visit *v, const char *token)
{
	const int64_t now = store_now_ms();
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err;

	vault_hash(token, strlen(token), hash);
	err = store_operator_find(v->s->store, hash, now, now - ADMIN_IDLE_MS, &v->who);
	vault_wipe(hash, sizeof(hash));
	/* To the minute: a page view need not cost a write. */
	if (err == STORE_OK && now - v->who.seen_at >= SEEN_EVERY_MS)
		err = store_operator_seen(v->s->store, v->who.id, now);
	return err;
}

bool admin_session_find(struct visit *v)
{
	enum store_error err = session_by_cookie(v, COOKIE, find);

	if (err == STORE_OK) {
		store_actor("operator", v->who.id);
		return true;
	}
	v->who = (struct store_operator){0};
	if (err == STORE_NOT_FOUND)
		visit_redirect(v, "sign-in");
	else
		visit_failed(v, store_error_text(err));
	return false;
}

void admin_session_drop(struct visit *v)
{
	v->who = (struct store_operator){0};
	v->cookie = COOKIE "=; Path=/; Max-Age=0; Secure; HttpOnly; SameSite=Strict";
}

/* ------------------------------------------------------------ coming in */

/* The same for every token that is not one, and for a first visit without the note. */
static void form(struct visit *v, int status, bool refused)
{
	const char *url = v->s->public_url;

	layout_begin(v, NULL, "Operator sign-in", NULL);
	admin_done(v);
	if (refused) {
		layout_note(v, "bad");
		html_raw(&v->out,
			"<span role=\"alert\">That is no admin token of this installation, or it is revoked.</span>");
		layout_note_end(v);
	}
	if (strncmp(url, "http://", 7) == 0 && !config_url_is_loopback(url)) {
		layout_note(v, "bad");
		html_raw(&v->out,
			"This installation is reached by plain http. A browser keeps the session only over https, or "
			"on "
			"the machine itself.");
		layout_note_end(v);
	}
	html_raw(&v->out,
		"<form method=\"post\" action=\"sign-in\"><label for=\"token\">Admin token</label>"
		"<input type=\"password\" id=\"token\" name=\"token\" autocomplete=\"off\" required "
		"aria-describedby=\"token-help\">"
		"<p class=\"help\" id=\"token-help\">It begins with kh_. On the machine, <code>keyhouse token new "
		"--name "
		"NAME</code> makes one.</p><p class=\"row\"><button>Sign in</button></p></form>");
	layout_end(v);
	visit_send(v, status);
}

void admin_sign_in_get(struct visit *v)
{
	form(v, 200, false);
}

/* The token given, of which nothing is left afterwards but what the visit wipes. */
static enum store_error token_find(const struct visit *v, struct store_token *out)
{
	struct secret *given = visit_secret(v, "token");
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err = STORE_NOT_FOUND;

	if (given != NULL) {
		vault_hash(secret_bytes(given), secret_len(given), hash);
		err = store_token_find(v->s->store, hash, out);
		vault_wipe(hash, sizeof(hash));
	}
	secret_free(given);
	return err;
}

/* A fresh session, whatever cookie came along. */
static enum store_error session_open(struct visit *v, const char *token_id, const char *token)
{
	struct store_operator o = {.created_at = store_now_ms()};
	uint8_t hash[VAULT_HASH_LEN];
	enum store_error err;

	store_id_new(o.id);
	(void)snprintf(o.token_id, sizeof(o.token_id), "%s", token_id);
	o.ends_at = o.created_at + SESSION_MS;
	vault_hash(token, strlen(token), hash);
	store_actor("token", token_id);
	err = store_operator_open(v->s->store, &o, hash);
	vault_wipe(hash, sizeof(hash));
	if (err == STORE_OK)
		log_info("operator signed in token=%s session=%s", token_id, o.id);
	return err;
}

void admin_sign_in_post(struct visit *v)
{
	char session[VAULT_RANDOM_TEXT_LEN + 1], cookie[256];
	struct store_token by = {0};
	enum store_error err;

	if (session_from_elsewhere(v)) {
		visit_say(v, 403, "This form is out of date", "Go back, load the page again, and try once more.");
		return;
	}
	vault_random_text("", true, session);
	err = token_find(v, &by);
	if (err == STORE_OK)
		err = session_open(v, by.id, session);
	if (err == STORE_OK) {
		(void)snprintf(cookie, sizeof(cookie),
			COOKIE "=%s; Path=/; Max-Age=%d; Secure; HttpOnly; SameSite=Strict", session,
			(int)(SESSION_MS / 1000));
		v->cookie = cookie;
		visit_redirect(v, "");
		v->cookie = NULL;
	} else if (err == STORE_NOT_FOUND) {
		form(v, 401, true);
	} else {
		visit_failed(v, store_error_text(err));
	}
	vault_wipe(session, sizeof(session));
	vault_wipe(cookie, sizeof(cookie));
	vault_wipe(&by, sizeof(by));
}

/* ------------------------------------------------------------ leaving */

void admin_sign_out_post(struct visit *v)
{
	enum store_error err = store_operator_end(v->s->store, v->who.id);

	if (err != STORE_OK && err != STORE_NOT_FOUND) {
		visit_failed(v, store_error_text(err));
		return;
	}
	log_info("operator signed out session=%s", v->who.id);
	admin_session_drop(v);
	visit_redirect(v, "sign-in?done=signed-out");
}
