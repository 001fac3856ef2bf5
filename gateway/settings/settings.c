/*
 * The pages' way in: which page, for whom, and the headers that every answer has.
 * Called by gateway/listener.c.
 */
#include "gateway/settings/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/settings/admin.h"
#include "gateway/settings/internal.h"

#define FORM_MAX (64u * 1024u)
#define CSV_MAX (4u * 1024u * 1024u) /* a 1 MiB file, percent-encoded at its worst, and more */

static const struct route routes[] = {
	{.name = "open", .open = true, .get = open_get, .post = open_post, .form_max = 1024},
	{.name = "", .get = status_get},
	{.name = "connect", .get = connect_get},
	{.name = "connect-meta", .get = connect_meta_get, .post = connect_meta_post, .form_max = FORM_MAX},
	{.name = "connect-360dialog", .get = connect_d360_get, .post = connect_d360_post, .form_max = FORM_MAX},
	{.name = "waiting", .get = waiting_get},
	{.name = "check", .post = check_post, .form_max = FORM_MAX},
	{.name = "doctor", .post = doctor_page_post, .form_max = FORM_MAX},
	{.name = "register", .post = register_post, .form_max = FORM_MAX},
	{.name = "sign", .get = sign_get},
	{.name = "access", .get = access_get},
	{.name = "replace", .post = replace_post, .form_max = FORM_MAX},
	{.name = "rotate", .post = rotate_post, .form_max = FORM_MAX},
	{.name = "end-previous", .post = end_previous_post, .form_max = FORM_MAX},
	{.name = "disconnect", .post = disconnect_post, .form_max = FORM_MAX},
	{.name = "revoke", .post = revoke_post, .form_max = FORM_MAX, .paused_too = true},
	{.name = "delete", .post = delete_post, .form_max = FORM_MAX, .paused_too = true},
	{.name = "activity", .get = activity_get},
	{.name = "products", .get = products_get, .post = products_post, .form_max = CSV_MAX},
	{.name = "messages", .get = messages_page_get, .post = messages_page_post, .form_max = FORM_MAX},
	{.name = "end", .post = end_post, .form_max = FORM_MAX, .paused_too = true},
};

/* Who the pages of a path are for. */
static const struct area {
	const char *path, *home;
	const struct route *routes;
	const size_t *routes_len;
	bool (*find)(struct visit *v); /* the visit's session; false after it was answered */
	bool admin;
} areas[] = {
	{"/settings", "settings/", routes, &(const size_t){sizeof(routes) / sizeof(routes[0])}, session_find, false},
	{"/admin", "admin/", admin_routes, &admin_routes_len, admin_session_find, true},
};

/* NULL: the path is not of these pages. */
static const struct area *area_of(const char *path)
{
	for (size_t i = 0; i < sizeof(areas) / sizeof(areas[0]); i++) {
		const size_t len = strlen(areas[i].path);

		if (strncmp(path, areas[i].path, len) == 0 && (path[len] == '\0' || path[len] == '/'))
			return &areas[i];
	}
	return NULL;
}

/* ------------------------------------------------------------ life */

static void policy(char *out, size_t room, const char *frame_ancestors)
{
	(void)snprintf(out, room,
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
		"form-action 'self'; base-uri 'none'; frame-ancestors %s",
		frame_ancestors);
}

struct settings *settings_new(const struct settings_options *opt)
{
	struct settings *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	s->doctor = opt->doctor;
	s->tenants = opt->doctor.connect.tenants;
	s->store = tenants_store(s->tenants);
	s->outbound = opt->doctor.connect.outbound;
	s->public_url = opt->doctor.connect.public_url;
	s->vault = opt->vault;
	s->rotation = opt->rotation;
	s->virtual_keys = opt->virtual_keys;
	s->framed = opt->frame_ancestors[0] != '\0';
	policy(s->csp, sizeof(s->csp), s->framed ? opt->frame_ancestors : "'none'");
	policy(s->admin_csp, sizeof(s->admin_csp), "'none'");
	/* The setting separates by commas, the header by spaces. */
	for (char *p = strstr(s->csp, "frame-ancestors"); *p != '\0'; p++)
		if (*p == ',')
			*p = ' ';
	return s;
}

void settings_free(struct settings *s)
{
	if (s != NULL)
		pthread_mutex_destroy(&s->lock);
	free(s);
}

bool settings_owns(const char *path)
{
	return area_of(path) != NULL;
}

/* ------------------------------------------------------------ assets */

static void asset_send(struct visit *v, const struct asset *a)
{
	const struct http_header headers[] = {{"Content-Type", a->type},
		{"Cache-Control", "public, max-age=31536000, immutable"}, {"X-Content-Type-Options", "nosniff"},
		{"Cross-Origin-Resource-Policy", "same-origin"}};

	http_respond(v->req, 200, headers, sizeof(headers) / sizeof(headers[0]), a->bytes, a->len);
	v->answered = true;
}

/* "{version}.{name}": another version's URL is not ours any more. */
static bool asset_try(struct visit *v)
{
	const size_t version = strlen(settings_assets_version);

	if (strncmp(v->name, settings_assets_version, version) != 0 || v->name[version] != '.')
		return false;
	for (size_t i = 0; i < settings_assets_len; i++) {
		if (strcmp(v->name + version + 1, settings_assets[i].name) != 0)
			continue;
		asset_send(v, &settings_assets[i]);
		return true;
	}
	return false;
}

/* ------------------------------------------------------------ one shop's share */

/* A shop's visits may search, import and wait for a provider: they get a few workers, not those of all webhooks. Holds the
 * visit's place until place_leave. False after it was answered. */
static bool place_take(struct visit *v)
{
	struct settings *s = v->s;
	unsigned mine = 0;
	char *free_one = NULL;

	if (v->business.id[0] == '\0')
		return true;
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < VISITS_MAX; i++) {
		if (s->visits[i][0] == '\0')
			free_one = s->visits[i];
		mine += strcmp(s->visits[i], v->business.id) == 0;
	}
	if (mine < VISITS_PER_BUSINESS && free_one != NULL) {
		(void)snprintf(free_one, sizeof(s->visits[0]), "%s", v->business.id);
		v->place = free_one;
	}
	pthread_mutex_unlock(&s->lock);
	if (v->place != NULL)
		return true;
	visit_say(v, 503, "One moment, please",
		"Something that you began before is still being worked on. Nothing was changed by this; try again when "
		"it has ended.");
	return false;
}

static void place_leave(struct visit *v)
{
	if (v->place == NULL)
		return;
	pthread_mutex_lock(&v->s->lock);
	v->place[0] = '\0';
	pthread_mutex_unlock(&v->s->lock);
}

/* ------------------------------------------------------------ dispatch */

static void get(struct visit *v, const struct area *a, const struct route *r)
{
	if (asset_try(v))
		return;
	if (r == NULL)
		visit_say(v, 404, "There is no such page", "Go back to the page you came from.");
	else if (r->get == NULL)
		visit_redirect(v, "");
	else if (r->open || (a->find(v) && place_take(v)))
		r->get(v);
}

static bool is_paused(struct visit *v, const struct route *r)
{
	if (v->business.id[0] == '\0' || v->business.status == STORE_BUSINESS_ACTIVE || r->paused_too)
		return false;
	visit_say(v, 403, "Your shop is paused",
		"Nothing was changed. Whoever runs this service has paused it; ask them when it goes on.");
	return true;
}

static bool is_known(struct visit *v, const struct area *a)
{
	if (!a->find(v))
		return false;
	http_request_proven(v->req);
	return true;
}

static void post(struct visit *v, const struct area *a, const struct route *r)
{
	if (r == NULL || r->post == NULL)
		visit_say(v, 405, "This page takes no form", "Go back to the page you came from.");
	/* Who has no session is told so before his form is read. */
	else if ((r->open || is_known(v, a)) && visit_form(v, r->form_max) && (r->open || session_form_ok(v)) &&
		!is_paused(v, r) && place_take(v))
		r->post(v);
}

void settings_handle(struct settings *s, struct http_request *req)
{
	const char *method = http_request_method(req), *path = http_request_path(req);
	const struct area *a = area_of(path);
	struct visit v = {.s = s, .req = req, .admin = a->admin};
	const struct route *r = NULL;

	v.name = path + strlen(a->path);
	v.name += *v.name == '/';
	for (size_t i = 0; i < *a->routes_len; i++)
		if (strcmp(a->routes[i].name, v.name) == 0)
			r = &a->routes[i];
	if (strcmp(path, a->path) == 0)
		visit_redirect(&v, a->home);
	else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
		get(&v, a, r);
	else if (strcmp(method, "POST") == 0)
		post(&v, a, r);
	else
		visit_say(&v, 405, "This page takes no such request", "Go back to the page you came from.");
	place_leave(&v);
	visit_end(&v);
}
