/*
 * The listener's life and its routes. Until the second filter is on, which forbids
 * opening files and making sockets, every request is answered 503.
 */
#include "gateway/listener.h"

#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "gateway/api/api.h"
#include "gateway/audit.h"
#include "gateway/datadir.h"
#include "gateway/front/front.h"
#include "gateway/harden.h"
#include "gateway/health.h"
#include "gateway/http/http.h"
#include "gateway/inbound/inbound.h"
#include "gateway/json.h"
#include "gateway/kit.h"
#include "gateway/log.h"
#include "gateway/metrics.h"
#include "gateway/outbound/outbound.h"
#include "gateway/rotation.h"
#include "gateway/settings/settings.h"
#include "gateway/tenant.h"
#include "gateway/virtual_key.h"
#include "store/store.h"
#include "vault/vault.h"

#define WORKERS 128u
#define CONTROL_WORKERS 4u /* the operator's own: commands work however busy strangers keep the others */
#define READERS 8u
#define TENANTS_CACHED 131072u /* taken up as they come: some 400 bytes each */
#define REQUEST_DEADLINE_MS 10000u
#define KEEP_ALIVE_MS 15000u
#define LARGE_BODIES_MAX (96u * 1024u * 1024u) /* thirty of the largest at once; the rest is asked to come again */
#define LARGE_BLOCK (256 * 1024) /* of memory: goes back to the system as soon as it is free */
#define UPKEEP_EVERY_MS 60000
#define PRUNE_EVERY 60u /* times that */
#define EXPIRE_EVERY 5u
#define EXPIRE_STEPS 500u
#define KIT_EVERY (24u * 60u)
#define ROTATION_GRACE_S 30u /* longer than a request, a provider's answer or a lease takes */
#define WORKERS_PER_ADDRESS 96u /* under WORKERS: one address cannot hold them all */

/* Order of the descriptors that the supervisor gives: ROLE_FIRST_FD onwards. */
enum { FD_VAULT = ROLE_FIRST_FD, FD_SENDER, FD_LOCK, FD_CONTROL, FD_SOCKETS };

struct listener {
	const struct role_boot *boot;
	struct store *store;
	struct vault_client *vault;
	struct tenants *tenants;
	struct audit audit;
	struct outbound *outbound;
	struct inbound *inbound;
	struct api *api;
	struct settings *settings;
	struct health *health;
	struct rotation *rotation;
	struct virtual_keys *virtual_keys;
	struct front *front;
	struct http_server *server, *control;
	bool unconfined; /* Landlock could not be had */
	atomic_bool open; /* the second filter is on */
	int failure; /* eventfd: something that ends the process */
};

/* ------------------------------------------------------------ answers */

static void answer(struct http_request *req, int status, const char *type, const char *body)
{
	struct http_header headers[] = {{"Content-Type", type}, {"Cache-Control", "no-store"}};

	http_respond(req, status, headers, 2, body, strlen(body));
}

static const char *title_of(int status)
{
	switch (status) {
	case 404:
		return "Not Found";
	case 408:
		return "Request Timeout";
	case 413:
		return "Content Too Large";
	default:
		return "Service Unavailable";
	}
}

static void answer_problem(struct http_request *req, int status, const char *code, const char *detail)
{
	char body[256];
	struct http_header headers[] = {
		{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}, {"Retry-After", "5"}};

	(void)snprintf(body, sizeof(body),
		"{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"code\":\"%s\",\"detail\":\"%s\"}\n",
		title_of(status), status, code, detail);
	http_respond(req, status, headers, status == 503 ? 3 : 2, body, strlen(body));
}

/* ------------------------------------------------------------ health */

static void ready(struct listener *l, struct http_request *req)
{
	char key_id[VAULT_KEY_ID_LEN + 1], body[128];
	bool store = store_ping(l->store) == STORE_OK;
	bool vault = vault_status(l->vault, key_id) == VAULT_OK;
	bool sender = outbound_ping(l->outbound) == OUTBOUND_OK;

	(void)snprintf(body, sizeof(body), "{\"ready\":%s,\"store\":%s,\"vault\":%s,\"sender\":%s}\n",
		store && vault && sender ? "true" : "false", store ? "true" : "false", vault ? "true" : "false",
		sender ? "true" : "false");
	answer(req, store && vault && sender ? 200 : 503, "application/json", body);
}

static void metrics(struct listener *l, struct http_request *req)
{
	struct http_header headers[] = {
		{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}, {"Cache-Control", "no-store"}};
	size_t len = 0;
	char *text = metrics_text(l->store, l->inbound, l->front, l->server, &len);

	if (text == NULL)
		answer_problem(req, 503, "unavailable", "the store does not answer");
	else
		http_respond(req, 200, headers, 2, text, len);
	free(text);
}

/* ------------------------------------------------------------ the API's way in */

static void api_answer(struct http_request *req, const struct api_response *r)
{
	struct http_header headers[7];
	size_t n = 0;

	if (r->body_len > 0)
		headers[n++] = (struct http_header){"Content-Type", r->content_type};
	headers[n++] = (struct http_header){"Cache-Control", "no-store"};
	headers[n++] = (struct http_header){"X-Content-Type-Options", "nosniff"};
	if (r->replayed)
		headers[n++] = (struct http_header){"Idempotent-Replayed", "true"};
	if (r->allow != NULL)
		headers[n++] = (struct http_header){"Allow", r->allow};
	if (r->status == 401)
		headers[n++] = (struct http_header){"WWW-Authenticate", "Bearer realm=\"keyhouse\""};
	if (r->status == 503)
		headers[n++] = (struct http_header){"Retry-After", "5"};
	http_respond(req, r->status, headers, n, r->body, r->body_len);
}

static void api_request(struct listener *l, struct http_request *req, const char *path)
{
	struct api_request in = {.method = http_request_method(req),
		.path = path,
		.query = http_request_query(req),
		.content_type = http_request_header(req, "Content-Type"),
		.authorization = http_request_header(req, "Authorization"),
		/* Two keys are no key, and must not pass for none. */
		.idempotency_key = http_request_header_repeats(req, "Idempotency-Key")
			? ""
			: http_request_header(req, "Idempotency-Key"),
		.is_operator = http_request_is_control(req)};
	struct api_response out = {0};

	if (api_admit(l->api, &in, &out) == 0) {
		http_request_proven(req);
		switch (http_request_body(req, API_BODY_MAX, &in.body, &in.body_len)) {
		case HTTP_OK:
			api_handle(l->api, &in, &out);
			break;
		case HTTP_TOO_LARGE:
			answer_problem(req, 413, "too_large", "the body is longer than 2 MiB");
			return;
		case HTTP_TIMED_OUT:
			answer_problem(req, 408, "timeout", "the request took too long to arrive");
			return;
		case HTTP_DISCONNECTED:
		case HTTP_NO_MEMORY:
		case HTTP_BAD_QUERY:
		case HTTP_NO_SUCH_PARAM:
		case HTTP_SETUP_FAILED:
			answer_problem(req, 503, "unavailable", "the request could not be read");
			return;
		}
	}
	api_answer(req, &out);
	api_response_clear(&out);
}

/* ------------------------------------------------------------ routes */

static void route(struct listener *l, struct http_request *req, const char *path)
{
	const char *method = http_request_method(req);
	bool reads = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

	if (front_owns(path))
		front_handle(l->front, req);
	else if (api_owns(path, http_request_is_control(req)))
		api_request(l, req, path);
	else if (settings_owns(path))
		settings_handle(l->settings, req);
	else if (reads && strcmp(path, "/healthz") == 0)
		answer(req, 200, "text/plain; charset=utf-8", "ok\n");
	else if (reads && strcmp(path, "/readyz") == 0)
		ready(l, req);
	else if (reads && strcmp(path, "/metrics") == 0)
		metrics(l, req);
	else
		answer_problem(req, 404, "not_found", "there is nothing at this path");
}

static void handle(struct http_request *req, void *ctx)
{
	static const char webhooks[] = "/webhooks/";
	const char *path = http_request_path(req);
	struct listener *l = ctx;

	if (!atomic_load(&l->open)) {
		answer_problem(req, 503, "starting", "starting");
		return;
	}
	if (strncmp(path, webhooks, sizeof(webhooks) - 1) == 0 && strchr(path + sizeof(webhooks) - 1, '/') == NULL) {
		inbound_webhook(l->inbound, req, path + sizeof(webhooks) - 1);
		/* Too many come for what follows: their way wipes what it copies. */
		if (strcmp(http_request_method(req), "POST") == 0)
			return;
	} else {
		/* Who asks is found on the way, and is nobody for the next request of this thread. */
		store_actor(NULL, NULL);
		route(l, req, path);
		store_actor(NULL, NULL);
	}
	/* A key may have come as an id, a parameter or a product's name; only what took it for a key has wiped it. */
	vault_wipe_stack();
}

/* ------------------------------------------------------------ start and end */

static void failed(void *ctx)
{
	struct listener *l = ctx;
	uint64_t one = 1;

	if (write(l->failure, &one, sizeof(one)) != (ssize_t)sizeof(one))
		_exit(1);
}

static void http_log(const char *line, void *ctx)
{
	(void)ctx;
	log_warn("%s", line);
}

static bool sentence(char *why, size_t why_len, const char *what, const char *reason)
{
	(void)snprintf(why, why_len, "%s: %s", what, reason);
	return false;
}

/* Landlock holds for a thread and those that it starts, so it comes before the first. */
static bool files_open(void *ctx)
{
	struct listener *l = ctx;

	l->unconfined = !harden_listener_files();
	return !l->unconfined;
}

static void flushed(void *ctx)
{
	(void)ctx;
	log_info("the write-ahead log was emptied: no key that was destroyed is left in it");
}

static bool open_store(struct listener *l, char *why, size_t why_len)
{
	char path[DATADIR_PATH_MAX], foreign[STORE_FOREIGN_LEN + 1];
	struct store_options options = {.path = path,
		.foreign = foreign,
		.create = true,
		.readers = READERS,
		.opened = files_open,
		.failed = failed,
		.flushed = flushed,
		.ctx = l,
		.audit = audit_auditor(&l->audit)};
	enum store_error err;

	datadir_database(l->boot->config, path);
	err = store_open(&l->store, &options);
	if (err == STORE_FAILED && l->unconfined)
		return sentence(why, why_len, "the listener cannot restrict itself", "Landlock refuses");
	if (err == STORE_OK)
		err = store_once_recover(l->store);
	return err == STORE_OK ||
		sentence(why, why_len, "the database cannot be used",
			err == STORE_FOREIGN ? foreign : store_error_text(err));
}

static bool open_tenants(struct listener *l, char *why, size_t why_len)
{
	l->vault = vault_client_new(FD_VAULT);
	if (l->vault == NULL)
		return sentence(why, why_len, "the vault cannot be reached", "out of memory");
	switch (tenants_open(&l->tenants, l->store, l->vault, TENANTS_CACHED)) {
	case TENANT_OK:
		return true;
	case TENANT_BAD_DATA:
		return sentence(why, why_len, "the master key file is not the one this database was made with",
			"put the right file at master_key_file");
	case TENANT_NOT_FOUND:
	case TENANT_VAULT:
	case TENANT_STORE:
	case TENANT_NO_MEMORY:
		break;
	}
	return sentence(why, why_len, "the database's own keys cannot be opened", "vault or store do not answer");
}

static bool open_server(struct listener *l, char *why, size_t why_len)
{
	struct http_socket sockets[2 * CONFIG_ADDRESSES_MAX];
	struct http_socket control = {.fd = FD_CONTROL, .control = true};
	struct http_options options = {.sockets = sockets,
		.tls_cert_fd = -1,
		.tls_key_fd = -1,
		.threads = WORKERS,
		.request_deadline_ms = REQUEST_DEADLINE_MS,
		.keep_alive_ms = KEEP_ALIVE_MS,
		.workers_per_address = WORKERS_PER_ADDRESS,
		.large_bodies_max = LARGE_BODIES_MAX,
		.handler = handle,
		.log = http_log,
		.ctx = l};
	int fd = FD_SOCKETS;

	for (unsigned i = 0; i < l->boot->sockets; i++)
		sockets[options.sockets_len++] = (struct http_socket){.fd = fd++};
	for (unsigned i = 0; i < l->boot->sockets_tls; i++)
		sockets[options.sockets_len++] = (struct http_socket){.fd = fd++, .tls = true};
	if (l->boot->sockets_tls > 0) {
		options.tls_cert_fd = fd++;
		options.tls_key_fd = fd++;
	}
	if (http_server_start(&l->server, &options) == HTTP_OK) {
		options.sockets = &control;
		options.sockets_len = 1;
		options.tls_cert_fd = options.tls_key_fd = -1;
		options.threads = CONTROL_WORKERS;
		options.workers_per_address = 0;
		if (http_server_start(&l->control, &options) == HTTP_OK)
			return true;
	}
	return sentence(why, why_len, "the HTTP server cannot start",
		"see the line before; are tls_cert and tls_key PEM files?");
}

static bool key_reload(void *ctx, char *why, size_t why_len)
{
	(void)ctx;
	return role_ask_for_key(why, why_len);
}

static bool open_rotation(struct listener *l, char *why, size_t why_len)
{
	const struct rotation_options options = {
		.tenants = l->tenants, .reload = key_reload, .grace_s = ROTATION_GRACE_S};

	l->rotation = rotation_new(&options);
	return (l->rotation != NULL && rotation_start(l->rotation)) ||
		sentence(why, why_len, "the replacing of keys cannot start", "out of memory or threads");
}

static bool refusal(void *ctx, const char *business_id, struct doctor_refusal *out)
{
	const struct listener *l = ctx;
	struct inbound_refusal r;

	if (!inbound_refusal(l->inbound, business_id, &r))
		return false;
	*out = (struct doctor_refusal){.at = r.at,
		.why = r.why,
		.signature_at = r.signature_at,
		.token_at = r.token_at,
		.platform_at = r.platform_at};
	return true;
}

static void delivery(void *ctx, const char *connection_id, struct store_delivery *d)
{
	const struct listener *l = ctx;

	inbound_delivery(l->inbound, connection_id, d);
}

/* What works with connections beside the API: the pages, and the checks from time to time. */
static bool open_pages(struct listener *l, const struct doctor *doctor, char *why, size_t why_len)
{
	const struct config *c = l->boot->config;
	const struct settings_options settings = {.doctor = *doctor,
		.vault = l->vault,
		.rotation = l->rotation,
		.virtual_keys = l->virtual_keys,
		.frame_ancestors = config_get(c, CONFIG_FRAME_ANCESTORS)};
	const struct health_options health = {
		.connect = doctor->connect, .interval_s = config_number(c, CONFIG_CHECK_INTERVAL)};

	l->settings = settings_new(&settings);
	if (l->settings == NULL)
		return sentence(why, why_len, "the settings pages cannot start", "out of memory");
	l->health = health_start(&health);
	if (l->health == NULL)
		return sentence(why, why_len, "the checks of connections cannot start", "out of memory or threads");
	return true;
}

static bool open_all(struct listener *l, char *why, size_t why_len)
{
	struct outbound_options outbound = {.sender_fd = FD_SENDER, .gone = failed, .ctx = l};
	struct inbound_options inbound = {.failed = failed, .ctx = l};
	const struct config *c = l->boot->config;
	struct connect connect = {.public_url = config_get(c, CONFIG_PUBLIC_URL),
		.meta_is_loopback = config_url_is_loopback(config_get(c, CONFIG_META_API_URL)),
		.d360_is_loopback = config_url_is_loopback(config_get(c, CONFIG_D360_API_URL)),
		.d360_sandbox_is_loopback = config_url_is_loopback(config_get(c, CONFIG_D360_SANDBOX_URL)),
		.serving = true};
	struct api_options api = {.doctor = {.refusal = refusal, .delivery = delivery, .ctx = l},
		.responder_allow = config_get(c, CONFIG_RESPONDER_ALLOW)};
	struct front_options front = {.public_url = config_get(c, CONFIG_PUBLIC_URL)};

	if (!open_store(l, why, why_len) || !open_tenants(l, why, why_len))
		return false;
	if (audit_begin(&l->audit, l->tenants, l->vault) != TENANT_OK)
		return sentence(why, why_len, "the audit cannot begin", "vault or store do not answer");
	outbound.tenants = inbound.tenants = connect.tenants = l->tenants;
	if (outbound_open(&l->outbound, &outbound) != OUTBOUND_OK)
		return sentence(why, why_len, "the outbox cannot start", "sender or store do not answer");
	inbound.outbound = connect.outbound = l->outbound;
	api.doctor.connect = connect;
	if (inbound_open(&l->inbound, &inbound) != INBOUND_OK)
		return sentence(why, why_len, "the inbox cannot start", "out of memory or threads");
	if (!open_rotation(l, why, why_len))
		return false;
	l->virtual_keys = virtual_keys_new(l->store);
	if (l->virtual_keys == NULL)
		return sentence(why, why_len, "virtual keys cannot be looked after", "out of memory");
	front.tenants = l->tenants;
	front.outbound = l->outbound;
	front.keys = l->virtual_keys;
	l->front = front_new(&front);
	if (l->front == NULL)
		return sentence(why, why_len, "the front cannot start", "out of memory");
	api.rotation = l->rotation;
	api.virtual_keys = l->virtual_keys;
	l->api = api_new(&api);
	if (l->api == NULL)
		return sentence(why, why_len, "the API cannot start", "out of memory");
	return open_pages(l, &api.doctor, why, why_len) && open_server(l, why, why_len);
}

/* Each minute: what calls with virtual keys came to. */
static void note_calls(struct listener *l)
{
	enum store_error err = virtual_keys_write(l->virtual_keys);

	if (err != STORE_OK)
		log_warn("what calls with virtual keys came to is not written yet: %s", store_error_text(err));
}

/* In the order in which nothing is asked of what is gone already. */
static void close_all(struct listener *l)
{
	outbound_checks_end(l->outbound);
	/* Strangers' first: callers that come from now on wait in the backlog for the next start. */
	http_server_stop(l->server);
	http_server_stop(l->control);
	inbound_close(l->inbound);
	health_stop(l->health);
	outbound_close(l->outbound);
	settings_free(l->settings);
	front_free(l->front);
	api_free(l->api);
	rotation_free(l->rotation);
	note_calls(l);
	virtual_keys_free(l->virtual_keys);
	tenants_close(l->tenants);
	vault_client_free(l->vault);
	store_close(l->store);
}

/* What waits for a key, or for its business, does not wait for ever. */
static void expire(struct listener *l)
{
	unsigned expired = 1;

	/* Of a conversation one after the other. */
	for (unsigned i = 0; expired > 0 && i < EXPIRE_STEPS; i++)
		if (store_outbox_expire(l->store, store_now_ms(), STORE_LIST_MAX, &expired) != STORE_OK)
			log_warn("messages that have expired could not be ended: tried again later");
}

/* What is kept longer than the settings say goes, an hour after the start and each hour then. */
static void prune(struct listener *l)
{
	enum store_error err =
		store_prune(l->store, store_now_ms(), config_number(l->boot->config, CONFIG_RETENTION_DAYS));

	if (err != STORE_OK)
		log_warn("pruning stopped: %s", store_error_text(err));
}

static void warn_of_kit(struct listener *l)
{
	struct kit kit;

	if (kit_look(l->tenants, &kit) == TENANT_OK && kit.due)
		log_warn("%s %s", KIT_DUE, KIT_REMEDY);
}

static void ended(const char *business_id, void *arg)
{
	const struct listener *l = arg;

	tenants_forget(l->tenants, business_id);
}

/* Each minute: secrets that were replaced go when their time is over. They are good for nothing from that moment on,
 * whether they are still there or not. */
static void sweep(struct listener *l)
{
	enum store_error err = store_credential_sweep(l->store, store_now_ms(), ended, l);

	if (err != STORE_OK)
		log_warn("replaced secrets are not removed yet: %s", store_error_text(err));
}

/* Signals go to one descriptor, before any thread exists that could take them. */
static int signals_take(void)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	if (pthread_sigmask(SIG_BLOCK, &set, NULL) != 0)
		return -1;
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int listener_run(const struct role_boot *boot)
{
	struct listener l = {.boot = boot};
	int signals = signals_take();
	struct pollfd wait[2] = {{.fd = signals, .events = POLLIN}, {.events = POLLIN}};
	char why[512] = "";

	/* Set, it stays as it is: else what one large body freed makes the next come from the heap, where it stays. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	l.failure = eventfd(0, EFD_CLOEXEC);
	wait[1].fd = l.failure;
	if (boot->sockets_tls > 0 && !http_tls_init()) {
		role_say_failed("the listener's TLS library cannot start");
		return 1;
	}
	if (signals < 0 || l.failure < 0 || vault_init() != VAULT_OK || !harden_listener_start()) {
		role_say_failed("the listener cannot restrict itself (seccomp is needed)");
		return 1;
	}
	json_init();
	if (!open_all(&l, why, sizeof(why))) {
		role_say_failed(why);
		return 1;
	}
	if (!harden_listener_sealed()) {
		role_say_failed("the listener cannot restrict itself (seccomp is needed)");
		return 1;
	}
	atomic_store(&l.open, true);
	role_say_ready();

	warn_of_kit(&l);
	sweep(&l);
	for (unsigned minute = 1; poll(wait, 2, UPKEEP_EVERY_MS) <= 0; minute++) {
		sweep(&l);
		inbound_upkeep(l.inbound);
		note_calls(&l);
		if (minute % EXPIRE_EVERY == 0)
			expire(&l);
		if (minute % PRUNE_EVERY == 0)
			prune(&l);
		if (minute % KIT_EVERY == 0)
			warn_of_kit(&l);
	}
	if (wait[1].revents != 0) {
		/* Store, sender or vault failed: nothing more may be acknowledged, nothing more is worth saving. */
		log_error("ending: store, sender or vault failed");
		return 1;
	}
	atomic_store(&l.open, false);
	close_all(&l);
	return 0;
}
