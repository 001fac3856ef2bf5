/*
 * The platform API's way in: the route table, who is admitted, and dispatch.
 *
 * One row is one path with all its methods, so that Allow cannot disagree with what
 * is answered. Ids in a path are taken raw: a percent-escape makes no id.
 */
#include "gateway/api/api.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/api/internal.h"
#include "gateway/api/problem.h"
#include "gateway/virtual_key.h"

#define TOKEN_MAX 255u
#define OPENAPI_PATH "/openapi.yaml"
#define CONTROL_PREFIX "/control/"

typedef void handler(struct call *c);

/* {b} is a business that must exist, {id} another id. */
struct route {
	const char *path;
	const char *allow;
	handler *get, *post, *put, *patch, *del;
};

static const struct route routes[] = {
	{"/v1/businesses", "GET, HEAD, POST", .get = businesses_list, .post = businesses_add},
	{"/v1/businesses/{b}", "GET, HEAD, PATCH, DELETE", .get = businesses_get, .patch = businesses_change,
		.del = businesses_remove},
	{"/v1/businesses/{b}/connections", "GET, HEAD, POST", .get = connections_list, .post = connections_add},
	{"/v1/businesses/{b}/connections/{id}", "GET, HEAD, PATCH, DELETE", .get = connections_get,
		.patch = connections_change, .del = connections_remove},
	{"/v1/businesses/{b}/connections/{id}/test", "POST", .post = connections_test},
	{"/v1/businesses/{b}/messages", "GET, HEAD, POST", .get = messages_list, .post = messages_add},
	{"/v1/businesses/{b}/messages/{id}", "GET, HEAD", .get = messages_get},
	{"/v1/businesses/{b}/messages/{id}/replay", "POST", .post = messages_replay},
	{"/v1/businesses/{b}/messages/{id}/discard", "POST", .post = messages_discard},
	{"/v1/businesses/{b}/products", "GET, HEAD, POST", .get = products_list, .post = products_add},
	{"/v1/businesses/{b}/products/{id}", "DELETE", .del = products_remove},
	{"/v1/businesses/{b}/responder", "GET, HEAD, PUT", .get = responder_get, .put = responder_put},
	{"/v1/businesses/{b}/doctor", "GET, HEAD, POST", .get = doctor_get, .post = doctor_post},
	{"/v1/businesses/{b}/events", "GET, HEAD", .get = events_list},
	{"/v1/businesses/{b}/events/{id}", "GET, HEAD", .get = events_get},
	{"/v1/businesses/{b}/events/{id}/replay", "POST", .post = events_replay},
	{"/v1/businesses/{b}/audit", "GET, HEAD", .get = audit_list},
	{"/v1/businesses/{b}/settings-links", "GET, HEAD, POST", .get = links_list, .post = links_add},
	{"/v1/businesses/{b}/settings-links/{id}", "DELETE", .del = links_revoke},
	{"/v1/businesses/{b}/keys", "GET, HEAD, POST", .get = virtual_keys_list, .post = virtual_keys_add},
	{"/v1/businesses/{b}/keys/{id}", "GET, HEAD, DELETE", .get = virtual_keys_get, .del = virtual_keys_revoke},
	{"/v1/businesses/{b}/keys/{id}/rotate", "POST", .post = virtual_keys_rotate},
	{"/control/audit", "GET, HEAD", .get = audit_list_all},
	{"/control/keys", "GET, HEAD", .get = keys_get},
	{"/control/keys/rotate", "POST", .post = keys_rotate},
	{"/control/kit", "GET, HEAD, POST", .get = kit_get, .post = kit_post},
	{"/control/refusals", "GET, HEAD", .get = refusals_get},
	{"/control/tokens", "GET, HEAD, POST", .get = tokens_list, .post = tokens_add},
	{"/control/tokens/{id}", "DELETE", .del = tokens_revoke},
};

/* ------------------------------------------------------------ life */

struct api *api_new(const struct api_options *opt)
{
	struct api *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	pthread_mutex_init(&a->business_lock, NULL);
	a->doctor = opt->doctor;
	a->public_url = strdup(opt->doctor.connect.public_url);
	a->responder_allow = strdup(opt->responder_allow != NULL ? opt->responder_allow : "");
	if (a->public_url == NULL || a->responder_allow == NULL) {
		api_free(a);
		return NULL;
	}
	a->doctor.connect.public_url = a->public_url;
	a->tenants = opt->doctor.connect.tenants;
	a->store = tenants_store(a->tenants);
	a->outbound = opt->doctor.connect.outbound;
	a->rotation = opt->rotation;
	a->virtual_keys = opt->virtual_keys;
	return a;
}

void api_free(struct api *a)
{
	if (a == NULL)
		return;
	pthread_mutex_destroy(&a->business_lock);
	free(a->public_url);
	free(a->responder_allow);
	free(a);
}

bool api_id_ok(const char *text, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	if (len < 1 || len > STORE_BUSINESS_ID_LEN || memchr(letters, text[0], sizeof(letters) - 1) == NULL)
		return false;
	for (size_t i = 1; i < len; i++)
		if (memchr(letters, text[i], sizeof(letters) - 1) == NULL && text[i] != '_' && text[i] != '-')
			return false;
	return true;
}

/* ------------------------------------------------------------ who may speak */

static bool begins(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

bool api_owns(const char *path, bool is_operator)
{
	return begins(path, "/v1/") || strcmp(path, OPENAPI_PATH) == 0 || (is_operator && begins(path, CONTROL_PREFIX));
}

static bool is_read(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* The description holds nothing of this installation: anybody may read it. */
static int answer_openapi(const struct api_request *req, struct api_response *r)
{
	if (!is_read(req->method)) {
		problem(r, PROBLEM_METHOD_NOT_ALLOWED, NULL, NULL);
		r->allow = "GET, HEAD";
		return r->status;
	}
	r->body = malloc(api_openapi_len);
	if (r->body == NULL) {
		problem(r, PROBLEM_UNAVAILABLE, NULL, NULL);
		return r->status;
	}
	memcpy(r->body, api_openapi, api_openapi_len);
	r->body_len = api_openapi_len;
	r->content_type = "application/yaml";
	r->status = 200;
	return r->status;
}

/* The bearer token in header, or "" where there is none: which is looked up all the same. */
static void token_take(const char *header, char out[static TOKEN_MAX + 1])
{
	size_t len;

	memset(out, 0, TOKEN_MAX + 1);
	if (header == NULL || strncasecmp(header, "Bearer ", 7) != 0)
		return;
	header += 7;
	header += strspn(header, " ");
	len = strlen(header);
	while (len > 0 && header[len - 1] == ' ')
		len--;
	if (len <= TOKEN_MAX)
		memcpy(out, header, len);
}

int api_admit(struct api *a, const struct api_request *req, struct api_response *r)
{
	char token[TOKEN_MAX + 1];
	uint8_t hash[VAULT_HASH_LEN];
	struct store_token found;
	enum store_error err;
	bool is_virtual_key;

	*r = (struct api_response){0};
	if (strcmp(req->path, OPENAPI_PATH) == 0)
		return answer_openapi(req, r);
	if (req->is_operator) {
		store_actor("command", NULL);
		return 0;
	}
	token_take(req->authorization, token);
	/* Compared by the store as a hash: how long that takes tells nothing of a token. */
	vault_hash(token, strlen(token), hash);
	err = store_token_find(a->store, hash, &found);
	is_virtual_key = strncmp(token, VIRTUAL_KEY_PREFIX, sizeof(VIRTUAL_KEY_PREFIX) - 1) == 0;
	vault_wipe(token, sizeof(token));
	vault_wipe(hash, sizeof(hash));
	if (err == STORE_OK) {
		store_actor("token", found.id);
		return 0;
	}
	if (err == STORE_NOT_FOUND)
		problem(r, PROBLEM_UNAUTHORIZED, NULL,
			is_virtual_key ? "a virtual key (khv_...) came: it is for the calls of Meta's and 360dialog's "
					 "clients; these need an admin token (kh_...)"
				       : NULL);
	else
		problem(r, PROBLEM_UNAVAILABLE, NULL, NULL);
	return r->status;
}

/* ------------------------------------------------------------ dispatch */

static bool copy_id(char out[static STORE_BUSINESS_ID_LEN + 1], const char *text, size_t len)
{
	if (!api_id_ok(text, len))
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

/* Whether path is of this shape; its ids go into the call. */
static bool matches(const char *shape, const char *path, struct call *c)
{
	while (*shape == '/' && *path == '/') {
		size_t shape_len = strcspn(++shape, "/"), len = strcspn(++path, "/");

		if (shape_len == 3 && memcmp(shape, "{b}", 3) == 0) {
			if (!copy_id(c->business.id, path, len))
				return false;
		} else if (shape_len == 4 && memcmp(shape, "{id}", 4) == 0) {
			if (!copy_id(c->id, path, len))
				return false;
		} else if (shape_len != len || memcmp(shape, path, len) != 0) {
			return false;
		}
		shape += shape_len;
		path += len;
	}
	return *shape == '\0' && *path == '\0';
}

static handler *method_of(const struct route *route, const char *method)
{
	if (is_read(method))
		return route->get;
	if (strcmp(method, "POST") == 0)
		return route->post;
	if (strcmp(method, "PUT") == 0)
		return route->put;
	if (strcmp(method, "PATCH") == 0)
		return route->patch;
	return strcmp(method, "DELETE") == 0 ? route->del : NULL;
}

static const struct route *route_find(struct call *c)
{
	if (begins(c->req->path, CONTROL_PREFIX) && !c->req->is_operator)
		return NULL;
	for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		if (matches(routes[i].path, c->req->path, c))
			return &routes[i];
	return NULL;
}

void api_handle(struct api *a, const struct api_request *req, struct api_response *r)
{
	struct call c = {.api = a, .req = req, .res = r};
	const struct route *route;
	handler *handle;
	enum store_error err;

	*r = (struct api_response){0};
	if (strcmp(req->path, OPENAPI_PATH) == 0) {
		(void)answer_openapi(req, r);
		return;
	}
	route = route_find(&c);
	if (route == NULL) {
		problem(r, PROBLEM_NOT_FOUND, NULL, NULL);
		return;
	}
	handle = method_of(route, req->method);
	if (handle == NULL) {
		problem(r, PROBLEM_METHOD_NOT_ALLOWED, NULL, NULL);
		r->allow = route->allow;
		return;
	}
	if (strstr(route->path, "{b}") != NULL) {
		err = store_business_get(a->store, c.business.id, &c.business);
		if (err != STORE_OK) {
			problem_store(&c, err);
			return;
		}
	}
	if (!idempotency_begin(&c))
		return;
	handle(&c);
	idempotency_end(&c);
}
