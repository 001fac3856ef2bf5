/*
 * What the pages share: one visit on its way, what it brought, and how it is answered.
 *
 * Internal to gateway/settings.
 */
#ifndef KEYHOUSE_SETTINGS_INTERNAL_H
#define KEYHOUSE_SETTINGS_INTERNAL_H

#include <pthread.h>

#include "gateway/settings/html.h"
#include "gateway/settings/settings.h"
#include "store/store.h"

#define FORM_FIELDS_MAX 24u
#define CSRF_LEN 32u
#define SESSION_TOKEN_MAX 64u

#define VISITS_MAX 48u /* of shop owners at once: a part of the listener's workers */
#define VISITS_PER_BUSINESS 4u

struct settings {
	pthread_mutex_t lock;
	char visits[VISITS_MAX][STORE_BUSINESS_ID_LEN + 1]; /* whose are on their way; "": free */
	struct tenants *tenants;
	struct store *store;
	struct outbound *outbound;
	struct vault_client *vault;
	struct rotation *rotation;
	struct virtual_keys *virtual_keys;
	struct doctor doctor;
	const char *public_url;
	char csp[2304]; /* Content-Security-Policy of every answer to a shop owner */
	char admin_csp[512]; /* to the operator: nobody embeds that */
	bool framed; /* some origin may embed the pages */
};

struct field {
	char *name, *value; /* decoded, NUL-terminated; wiped when the visit ends */
};

struct visit {
	struct settings *s;
	struct http_request *req;
	const char *name; /* of the page: the path behind "/settings/" or "/admin/" */
	bool admin; /* one of the operator's */
	char *place; /* in s->visits */
	/* where the page wants a session: a shop owner's, or the operator's */
	struct store_link session;
	struct store_business business;
	struct store_operator who;
	char csrf[CSRF_LEN + 1];
	/* what a POST brought */
	char *form;
	size_t form_len;
	struct field fields[FORM_FIELDS_MAX];
	size_t fields_len;
	/* the answer */
	struct html out;
	const char *cookie; /* Set-Cookie; may be NULL */
	bool begun; /* a part of it is sent */
	bool answered;
};

/* A page: each answers its visit completely. */
typedef void page(struct visit *v);

/* A row is a page with its methods. A POST brings a form of at most form_max bytes. */
struct route {
	const char *name;
	bool open; /* to anybody; else a session is needed */
	page *get, *post;
	size_t form_max;
	bool paused_too; /* its POST is taken from the owner of a shop that is suspended */
};

/* ------------------------------------------------------------ asking (visit.c) */

/* A form field's or query parameter's value, "" where it is absent. */
const char *visit_field(const struct visit *v, const char *name);
bool visit_query(const struct visit *v, const char *name, char *out, size_t out_len);
/* A field as a secret, white space around it dropped. NULL: it is empty, or memory was short.
 * Owns: the caller frees with secret_free. */
struct secret *visit_secret(const struct visit *v, const char *name);
/* Reads and decodes an application/x-www-form-urlencoded body of at most max bytes. False after it was answered. */
bool visit_form(struct visit *v, size_t max);

/* ------------------------------------------------------------ answering (visit.c) */

/* Sends what was written, as a page; what goes wrong with memory is a 503. */
void visit_send(struct visit *v, int status);
/* Sends what was written so far and goes on: for pages that grow while work is done. False: the visitor is gone.
 * visit_send ends such an answer, whatever its status. */
bool visit_flush(struct visit *v);
/* 303 to another page of ours, by its name. */
void visit_redirect(struct visit *v, const char *name);
/* JSON of our own making. */
void visit_json(struct visit *v, int status, const char *json);
/* The same with a cookie. */
void visit_cookie(struct visit *v, int status, const char *cookie, const char *json);
/* A page that says in a heading and a sentence what is the matter. title, text: ours. */
void visit_say(struct visit *v, int status, const char *title, const char *text);
/* The same about a failed call of a lower floor; logs what the operator must know. */
void visit_failed(struct visit *v, const char *what);

/* Wipes what the visit held; one that nobody answered is a failure. */
void visit_end(struct visit *v);

/* ------------------------------------------------------------ sessions (session.c) */

/* Whose session a cookie's token is, by find; and the token that its forms carry. STORE_NOT_FOUND: nobody's. */
enum store_error session_by_cookie(
	struct visit *v, const char *name, enum store_error (*find)(struct visit *v, const char *token));
/* Finds the visit's session and its business. False after it was answered. */
bool session_find(struct visit *v);
/* Whether a POST comes from a page of ours, of this session. False after it was answered. */
bool session_form_ok(struct visit *v);
/* Whether a browser says that another site made it send this. */
bool session_from_elsewhere(const struct visit *v);

/* ------------------------------------------------------------ the layout of a page (layout.c) */

/* Head, navigation and <main><h1>title</h1>. current names the page in the navigation; title is ours. modules: names
 * of assets, ends with NULL; may be NULL. */
void layout_begin(struct visit *v, const char *current, const char *title, const char *const *modules);
void layout_end(struct visit *v);
/* <form method="post" action="name"> with the token that session_form_ok wants; the caller closes it. */
void layout_form(struct visit *v, const char *name);
/* A box that says how it stands: "ok", "bad", "wait", "look" or "info" (which is written as a word or a sign, too, not by
 * colour alone). The caller writes its text and ends it. */
void layout_note(struct visit *v, const char *how);
void layout_note_end(struct visit *v);
/* What a form has done, where the address says so (?done=name): its note. results ends with a row of NULLs. */
struct layout_result {
	const char *name, *how, *text;
};
void layout_done(struct visit *v, const struct layout_result *results);
/* Links to a list's first page and to its next one, names of ours with what they need; NULL: there is none. */
void layout_pages(struct visit *v, const char *first, const char *next);

/* ------------------------------------------------------------ the pages */

void open_get(struct visit *v);
void open_post(struct visit *v);
void end_post(struct visit *v);
void status_get(struct visit *v);
void connect_get(struct visit *v);
void connect_meta_get(struct visit *v);
void connect_meta_post(struct visit *v);
void connect_d360_get(struct visit *v);
void connect_d360_post(struct visit *v);
void waiting_get(struct visit *v);
void check_post(struct visit *v);
void doctor_page_post(struct visit *v);
void register_post(struct visit *v);
void access_get(struct visit *v);
void replace_post(struct visit *v);
void rotate_post(struct visit *v);
void end_previous_post(struct visit *v);
void disconnect_post(struct visit *v);
void revoke_post(struct visit *v);
void delete_post(struct visit *v);
void activity_get(struct visit *v);
void products_get(struct visit *v);
void products_post(struct visit *v);
void messages_page_get(struct visit *v);
void messages_page_post(struct visit *v);
void sign_get(struct visit *v);

/* ------------------------------------------------------------ assets, made by embed.sh */

struct asset {
	const char *name; /* "settings.css" */
	const char *type;
	const unsigned char *bytes;
	size_t len;
};
extern const struct asset settings_assets[];
extern const size_t settings_assets_len;
extern const char settings_assets_version[]; /* of all of them: part of their URLs, so that they may be kept for ever */

#endif
