/*
 * The front's way in: what a path asks for, whether the key may, by which connection it goes.
 *
 * One table says both shapes' paths. The key is looked at before the body is read. Ids in a path must be the key's
 * business's own; what is not is told as what does not exist.
 */
#include "gateway/front/front.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/front/internal.h"
#include "gateway/front/waiting.h"
#include "gateway/log.h"

/* ------------------------------------------------------------ life */

struct front *front_new(const struct front_options *opt)
{
	struct front *f = calloc(1, sizeof(*f));
	size_t len = strlen(opt->public_url);

	if (f == NULL)
		return NULL;
	while (len > 0 && opt->public_url[len - 1] == '/')
		len--;
	f->tenants = opt->tenants;
	f->store = tenants_store(opt->tenants);
	f->outbound = opt->outbound;
	f->keys = opt->keys;
	f->public_url = strndup(opt->public_url, len);
	f->meters = meters_new();
	f->waiting = waiting_new(WAITING_MAX, WAITING_MAX);
	f->streaming = waiting_new(STREAMING_MAX, STREAMING_OF_ONE);
	if (f->public_url == NULL || f->meters == NULL || f->waiting == NULL || f->streaming == NULL) {
		front_free(f);
		return NULL;
	}
	return f;
}

void front_free(struct front *f)
{
	if (f == NULL)
		return;
	meters_free(f->meters);
	waiting_free(f->waiting);
	waiting_free(f->streaming);
	free(f->public_url);
	free(f);
}

void front_counts(const struct front *f, struct front_counts *out)
{
	out->calls = atomic_load(&f->calls);
	out->refused = atomic_load(&f->refused);
	out->limited = atomic_load(&f->limited);
}

/* ------------------------------------------------------------ what a path asks for */

#define GET 1u
#define POST 2u
#define DELETE 4u

static const struct route {
	enum shape shape; /* 0: both */
	const char *path; /* behind the version, where it has one; {id}: 1 to 32 digits; {name}: what is left */
	enum what what;
	unsigned methods;
} routes[] = {
	{SHAPE_GRAPH, "/{id}/messages", WHAT_MESSAGES, POST},
	{SHAPE_GRAPH, "/{id}/media", WHAT_UPLOAD, POST},
	{SHAPE_GRAPH, "/{id}/phone_numbers", WHAT_NUMBERS, GET},
	{SHAPE_GRAPH, "/{id}/message_templates", WHAT_TEMPLATES, GET | POST | DELETE},
	{SHAPE_GRAPH, "/{id}/whatsapp_business_profile", WHAT_PROFILE, GET | POST},
	{SHAPE_GRAPH, "/debug_token", WHAT_DEBUG_TOKEN, GET},
	{0, "/{id}", WHAT_NODE, GET | DELETE},
	{0, "/whatsapp_business/attachments", WHAT_DOWNLOAD, GET},
	{SHAPE_D360, "/messages", WHAT_MESSAGES, POST},
	{SHAPE_D360, "/media", WHAT_UPLOAD, POST},
	{SHAPE_D360, "/v1/configs/templates", WHAT_CONFIG_TEMPLATES, GET | POST | DELETE},
	{SHAPE_D360, "/v1/configs/templates/{name}", WHAT_CONFIG_TEMPLATE, DELETE},
	{SHAPE_D360, "/message_templates", WHAT_TEMPLATES, GET | POST | DELETE},
	{SHAPE_D360, "/whatsapp_business_profile", WHAT_PROFILE, GET | POST},
	{SHAPE_D360, "/health_status", WHAT_HEALTH, GET},
};
#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static size_t digits_of(const char *p)
{
	return strspn(p, "0123456789");
}

/* Clients join a base URL that ends in a slash and a path that begins with one. */
static const char *one_slash(const char *path)
{
	return path[0] == '/' && path[1] == '/' ? path + 1 : path;
}

/* Where a path goes on behind "/v{N}.{M}"; path itself: it names no version. */
static const char *version_skip(const char *path, char version[static VERSION_ROOM])
{
	size_t major, minor, len;

	version[0] = '\0';
	if (path[0] != '/' || path[1] != 'v')
		return path;
	major = digits_of(path + 2);
	if (major < 1 || major > 3 || path[2 + major] != '.')
		return path;
	minor = digits_of(path + 3 + major);
	len = 2 + major + minor; /* of "v1.0" */
	if (minor < 1 || minor > 3 || (path[1 + len] != '/' && path[1 + len] != '\0'))
		return path;
	memcpy(version, path + 1, len);
	version[len] = '\0';
	return path + 1 + len;
}

/* Whether it is of this shape, or with a slash at its end; its id is copied, its name is where *name points. */
static bool matches(const char *shape, const char *path, char id[static STORE_PROVIDER_ID_LEN + 1], const char **name)
{
	static const char hole[] = "{id}", rest[] = "{name}";

	id[0] = '\0';
	*name = NULL;
	while (*shape != '\0') {
		if (strcmp(shape, rest) == 0) {
			*name = path;
			return *path != '\0';
		}
		if (strncmp(shape, hole, sizeof(hole) - 1) == 0) {
			const size_t len = digits_of(path);

			if (len < 1 || len > STORE_PROVIDER_ID_LEN)
				return false;
			memcpy(id, path, len);
			id[len] = '\0';
			path += len;
			shape += sizeof(hole) - 1;
		} else if (*shape++ != *path++) {
			return false;
		}
	}
	return *path == '\0' || strcmp(path, "/") == 0;
}

/* "/v23/...": a version that is none. "/v1/" is the platform's. */
static bool is_odd_version(const char *path)
{
	return path[0] == '/' && path[1] == 'v' && digits_of(path + 2) > 0 && strncmp(path, "/v1/", 4) != 0;
}

bool front_owns(const char *path)
{
	static const char *const prefixes[] = {"/v1/configs/", "/whatsapp_business/", MEDIA_LINK_PREFIX};
	char version[VERSION_ROOM], id[STORE_PROVIDER_ID_LEN + 1];
	const char *name;

	path = one_slash(path);
	(void)version_skip(path, version);
	if (version[0] != '\0' || is_odd_version(path) || (path[0] == '/' && digits_of(path + 1) > 0))
		return true;
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++)
		if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	for (size_t i = 0; i < ROUTES; i++)
		if (matches(routes[i].path, path, id, &name))
			return true;
	return false;
}

static unsigned method_bit(const char *method)
{
	if (strcmp(method, "GET") == 0)
		return GET;
	if (strcmp(method, "POST") == 0)
		return POST;
	return strcmp(method, "DELETE") == 0 ? DELETE : 0;
}

/* False: no such path, or not with this method. */
static bool route(struct call *c)
{
	const char *rest = version_skip(c->at, c->version);

	/* Who brings 360dialog's header speaks 360dialog's API, whose paths know no version. */
	c->shape =
		http_request_header(c->req, "D360-API-KEY") != NULL && c->version[0] == '\0' ? SHAPE_D360 : SHAPE_GRAPH;
	for (size_t i = 0; i < ROUTES; i++) {
		const bool spoken = routes[i].shape == 0 || routes[i].shape == c->shape;

		if (!matches(routes[i].path, rest, c->id, &c->name))
			continue;
		/* A path of 360dialog's alone, without its header: a key is missing there. */
		if (!spoken && (routes[i].shape == SHAPE_GRAPH || c->version[0] != '\0'))
			continue;
		if (!spoken)
			c->shape = SHAPE_D360;
		c->what = routes[i].what;
		return (routes[i].methods & method_bit(c->method)) != 0;
	}
	return false;
}

/* ------------------------------------------------------------ whether the key may */

/* How long what stands before the key is: "Bearer ", or "OAuth ", as Meta's older clients write it; all, where it is neither. */
static size_t scheme_of(const char *header)
{
	static const char *const schemes[] = {"Bearer ", "OAuth "};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncasecmp(header, schemes[i], strlen(schemes[i])) == 0)
			return strlen(schemes[i]);
	return strlen(header);
}

/* The key as it was presented, bare; NULL: nothing was, or more than fits. */
static void present(struct call *c)
{
	const char *header = c->shape == SHAPE_D360 ? http_request_header(c->req, "D360-API-KEY")
						    : http_request_header(c->req, "Authorization");
	size_t len;

	c->presented[0] = '\0';
	if (c->shape == SHAPE_GRAPH && header != NULL)
		header += scheme_of(header);
	if (header == NULL && c->shape == SHAPE_GRAPH) {
		if (http_query_get(c->query, "access_token", c->presented, sizeof(c->presented)) == HTTP_OK)
			c->key.text = c->presented;
		return;
	}
	if (header == NULL)
		return;
	header += strspn(header, " ");
	len = strlen(header);
	while (len > 0 && header[len - 1] == ' ')
		len--;
	if (len >= sizeof(c->presented))
		len = sizeof(c->presented) - 1; /* no key of ours is as long: it is malformed all the same */
	memcpy(c->presented, header, len);
	c->presented[len] = '\0';
	c->key.text = c->presented;
}

/* As bits; any of them: a key that has none of these may not. */
static unsigned scopes_of(const struct call *c)
{
	const bool changes = strcmp(c->method, "GET") != 0;

	switch (c->what) {
	case WHAT_MESSAGES:
		return STORE_SCOPE_SEND;
	case WHAT_UPLOAD:
	case WHAT_DOWNLOAD:
	case WHAT_LINK:
		return STORE_SCOPE_MEDIA;
	case WHAT_NODE: /* media, or a number that is read: look_what_node tells */
		return changes ? STORE_SCOPE_MEDIA : STORE_SCOPE_MEDIA | STORE_SCOPE_READ;
	case WHAT_TEMPLATES:
	case WHAT_CONFIG_TEMPLATES:
	case WHAT_CONFIG_TEMPLATE:
		return STORE_SCOPE_TEMPLATES;
	case WHAT_PROFILE:
		return changes ? STORE_SCOPE_TEMPLATES : STORE_SCOPE_READ;
	case WHAT_NUMBERS:
	case WHAT_HEALTH:
		return STORE_SCOPE_READ;
	case WHAT_DEBUG_TOKEN:
		return STORE_SCOPES_ALL;
	}
	return STORE_SCOPE_READ;
}

/* Whether a parameter says who asks: the client's is ours to know, and never goes on. */
static bool is_ours_alone(const char *name, size_t len)
{
	static const char *const names[] = {"access_token", "appsecret_proof", "appsecret_time"};
	char plain[64];

	if (len >= sizeof(plain))
		return false;
	memcpy(plain, name, len);
	plain[len] = '\0';
	if (!http_decode(plain))
		return true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcasecmp(plain, names[i]) == 0)
			return true;
	return false;
}

bool query_without_ours(const char *query, char *out, size_t room)
{
	size_t used = 0;

	for (const char *p = query; p != NULL && *p != '\0';) {
		const size_t len = strcspn(p, "&"), name = strcspn(p, "&=");

		if (len > 0 && !is_ours_alone(p, name)) {
			if (used + len + 2 > room)
				return false;
			if (used > 0)
				out[used++] = '&';
			memcpy(out + used, p, len);
			used += len;
		}
		p += len + (p[len] == '&' ? 1 : 0);
	}
	out[used] = '\0';
	return true;
}

/* ------------------------------------------------------------ by which connection */

bool is_d360(const struct call *c)
{
	return c->connection.provider == STORE_360DIALOG;
}

struct search {
	const struct call *call;
	const char *waba_id; /* NULL: any */
	size_t skip;
	struct store_connection found;
	unsigned matches;
};

bool connection_usable(const struct call *c, const struct store_connection *s)
{
	return s->phone_number_id[0] != '\0' && s->status != STORE_CONNECTION_SUSPENDED &&
		virtual_key_has_number(&c->who.key, s->phone_number_id);
}

bool connection_of_account(const struct store_connection *s, const char *waba_id)
{
	/* 360dialog need not have told us its account: the number names it, too. */
	return strcmp(s->waba_id, waba_id) == 0 ||
		(s->provider == STORE_360DIALOG && strcmp(s->phone_number_id, waba_id) == 0);
}

static bool look_at(const struct store_connection *s, void *arg)
{
	struct search *search = arg;

	if ((search->waba_id != NULL && !connection_of_account(s, search->waba_id)) ||
		!connection_usable(search->call, s))
		return true;
	if (search->skip > 0) {
		search->skip--;
		return true;
	}
	if (search->matches == 0)
		search->found = *s;
	search->matches++;
	return true;
}

static bool search_run(struct call *c, struct search *search)
{
	const struct store_page page = {.limit = TENANT_CONNECTIONS_MAX};

	search->call = c;
	if (store_connection_list(c->front->store, c->who.business.id, &page, look_at, search) != STORE_OK)
		return false;
	if (search->matches > 0)
		c->connection = search->found;
	return search->matches > 0;
}

bool connection_by_number(struct call *c, const char *number)
{
	return virtual_key_has_number(&c->who.key, number) &&
		store_connection_by_number(c->front->store, c->who.business.id, 0, number, &c->connection) ==
		STORE_OK &&
		c->connection.status != STORE_CONNECTION_SUSPENDED;
}

bool connection_by_account(struct call *c, const char *waba_id)
{
	struct search search = {.waba_id = waba_id};

	return search_run(c, &search);
}

bool connection_only(struct call *c)
{
	struct search search = {.waba_id = NULL};

	return search_run(c, &search) && search.matches == 1;
}

bool connection_nth(struct call *c, size_t n)
{
	struct search search = {.skip = n};

	return search_run(c, &search);
}

/* A call that names no number goes by the only one that the key has. False: answered. */
static bool only_number(struct call *c)
{
	if (connection_only(c))
		return true;
	virtual_keys_refuse(c->front->keys, &c->key, REFUSED_NUMBER, &c->who);
	answer_refusal(c,
		&(struct refusal){.http = 400,
			.code = 100,
			.details = "This key has no number that is connected, or several: this call names none, so it "
				   "needs a key that was made for one number."});
	return false;
}

/* False: answered. */
static bool connection_choose(struct call *c)
{
	char number[STORE_PROVIDER_ID_LEN + 1];
	bool found = false;

	switch (c->what) {
	case WHAT_MESSAGES:
	case WHAT_UPLOAD:
	case WHAT_PROFILE:
		if (c->shape == SHAPE_D360)
			return only_number(c);
		found = connection_by_number(c, c->id);
		break;
	case WHAT_NUMBERS:
		found = connection_by_account(c, c->id);
		break;
	case WHAT_TEMPLATES:
	case WHAT_CONFIG_TEMPLATES:
		if (c->shape == SHAPE_D360)
			return only_number(c);
		found = connection_by_account(c, c->id);
		break;
	case WHAT_NODE:
		if (strcmp(c->method, "GET") == 0 && connection_by_number(c, c->id))
			return true;
		/* Media: of the number that the client names, else of any that it has. */
		if (http_query_get(c->query, "phone_number_id", number, sizeof(number)) != HTTP_OK) {
			c->any_number = true;
			found = connection_nth(c, 0);
			break;
		}
		found = connection_by_number(c, number);
		break;
	case WHAT_DOWNLOAD:
	case WHAT_HEALTH:
	case WHAT_CONFIG_TEMPLATE:
		return only_number(c);
	case WHAT_LINK:
	case WHAT_DEBUG_TOKEN:
		return true;
	}
	if (!found) {
		virtual_keys_refuse(c->front->keys, &c->key, REFUSED_NUMBER, &c->who);
		answer_refused_key(c);
	}
	return found;
}

/* ------------------------------------------------------------ a call */

static void run(struct call *c)
{
	switch (c->what) {
	case WHAT_MESSAGES:
		messages_post(c);
		return;
	case WHAT_DEBUG_TOKEN:
		debug_token(c);
		return;
	case WHAT_NUMBERS:
		if (is_d360(c))
			numbers_list(c);
		else
			through(c);
		return;
	case WHAT_UPLOAD:
	case WHAT_NODE:
	case WHAT_DOWNLOAD:
	case WHAT_TEMPLATES:
	case WHAT_CONFIG_TEMPLATES:
	case WHAT_CONFIG_TEMPLATE:
	case WHAT_PROFILE:
	case WHAT_HEALTH:
	case WHAT_LINK:
		through(c);
		return;
	}
}

static struct waiting *waiting_of(const struct call *c)
{
	const bool moves_files = c->what == WHAT_UPLOAD || c->what == WHAT_DOWNLOAD || c->what == WHAT_LINK;

	return moves_files ? c->front->streaming : c->front->waiting;
}

bool call_enter(struct call *c)
{
	if (waiting_enter(waiting_of(c), c->who.business.id))
		return true;
	answer_unavailable(c, "As many calls as may be wait for the provider's answers now.");
	return false;
}

void call_leave(struct call *c)
{
	waiting_leave(waiting_of(c), c->who.business.id);
}

/* A number is read, media are fetched: a key may have been given only one of the two. False: answered. */
static bool node_admitted(struct call *c)
{
	struct store_connection known;
	bool is_number;
	unsigned needed;

	if (c->what != WHAT_NODE)
		return true;
	is_number = store_connection_by_number(c->front->store, c->who.business.id, 0, c->id, &known) == STORE_OK;
	needed = is_number ? STORE_SCOPE_READ : STORE_SCOPE_MEDIA;
	if ((c->who.key.scopes & needed) != 0)
		return true;
	c->key.scopes = needed;
	virtual_keys_refuse(c->front->keys, &c->key, REFUSED_SCOPE, &c->who);
	answer_refused_key(c);
	return false;
}

static void admitted(struct call *c)
{
	http_request_proven(c->req);
	atomic_fetch_add(&c->front->calls, 1);
	if (!node_admitted(c))
		return;
	if (!query_without_ours(c->query, c->sent_query, sizeof(c->sent_query)))
		answer_refusal(c,
			&(struct refusal){
				.http = 400, .code = 100, .details = "The query is longer than 4096 characters."});
	else if (connection_choose(c) && call_enter(c)) {
		run(c);
		call_leave(c);
	}
}

static void keyed(struct call *c)
{
	present(c);
	c->key.scopes = scopes_of(c);
	c->key.now = store_now_ms();
	c->key.method = c->method;
	c->key.path = c->path;
	c->key.peer = http_request_peer(c->req);
	if (c->shape == SHAPE_GRAPH && (c->what == WHAT_MESSAGES || c->what == WHAT_UPLOAD || c->what == WHAT_PROFILE))
		c->key.number = c->id;
	if (virtual_keys_admit(c->front->keys, &c->key, &c->who) != STORE_OK)
		answer_unavailable(c, "Keys cannot be looked up now.");
	else if (c->who.why != REFUSED_NOT)
		answer_refused_key(c);
	else
		admitted(c);
}

void front_handle(struct front *f, struct http_request *req)
{
	struct call c = {.front = f,
		.req = req,
		.method = http_request_method(req),
		.path = http_request_path(req),
		.query = http_request_query(req),
		.shape = SHAPE_GRAPH};

	c.at = one_slash(c.path);
	if (strncmp(c.at, MEDIA_LINK_PREFIX, sizeof(MEDIA_LINK_PREFIX) - 1) == 0) {
		c.what = WHAT_LINK;
		media_link_open(&c);
	} else if (route(&c)) {
		keyed(&c);
	} else if (c.version[0] == '\0' && is_odd_version(c.at)) {
		answer_no_version(&c);
	} else {
		answer_no_call(&c);
	}
	vault_wipe(c.presented, sizeof(c.presented));
	vault_wipe(c.sent_query, sizeof(c.sent_query));
}
