/*
 * The house and its questions. See helper.h.
 */
#include "test/unit/api/helper.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/json.h"
#include "gateway/log.h"
#include "test/unit/api/fake_outbound.h"

struct house {
	struct vault_process *process;
	pthread_t thread;
	int vault_fd;
	struct vault_client *vault;
	struct store *store;
	struct tenants *tenants;
	struct virtual_keys *virtual_keys;
	struct api *api;
	char dir[64];
	char bearer[96];
};

static void *serve(void *arg)
{
	struct house *h = arg;

	(void)!vault_process_serve(h->process, -1, h->vault_fd, -1);
	(void)close(h->vault_fd);
	return NULL;
}

/* ------------------------------------------------------------ handshakes */

static struct store *handshake_store;

static void handshake_came(const char *business_id, const char *connection_id)
{
	enum store_error err =
		store_connection_handshake(handshake_store, business_id, connection_id, "", store_now_ms());

	/* A handshake that fails for want of memory is one that does not come. */
	assert_true(err == STORE_OK || err == STORE_NO_MEMORY);
}

void house_handshakes(struct house *h, bool on)
{
	handshake_store = h->store;
	fake_handshake(on ? handshake_came : NULL);
}

/* ------------------------------------------------------------ life */

static void vault_start(struct house *h)
{
	char path[128];
	int fd, pair[2];

	(void)snprintf(path, sizeof(path), "%s/master.key", h->dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(vault_process_open(&h->process, fd), VAULT_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	h->vault_fd = pair[1];
	h->vault = vault_client_new(pair[0]);
	assert_non_null(h->vault);
	assert_int_equal(pthread_create(&h->thread, NULL, serve, h), 0);
}

static void token_make(struct house *h)
{
	const struct api_request req = {.method = "POST",
		.path = "/control/tokens",
		.is_operator = true,
		.body = (const uint8_t *)"{\"name\":\"tests\"}",
		.body_len = 16};
	struct answer a = ask_as(h, true, NULL, &req);

	assert_int_equal(a.status, 201);
	(void)snprintf(h->bearer, sizeof(h->bearer), "Bearer %s", text_at(&a, "token"));
	answer_clear(&a);
}

struct house *house_open(bool sender)
{
	struct house *h = calloc(1, sizeof(*h));
	char path[128];
	struct store_options store = {.path = path, .create = true, .readers = 2};
	struct api_options api = {.doctor = {.connect = {.public_url = "https://kh.example", .serving = sender}},
		.responder_allow = "127.0.0.1:9000"};

	assert_non_null(h);
	assert_int_equal(vault_init(), VAULT_OK);
	json_init();
	log_init("test", LOG_ERROR);
	(void)snprintf(h->dir, sizeof(h->dir), "/tmp/kh-api-XXXXXX");
	assert_non_null(mkdtemp(h->dir));
	vault_start(h);
	(void)snprintf(path, sizeof(path), "%s/keyhouse.db", h->dir);
	assert_int_equal(store_open(&h->store, &store), STORE_OK);
	assert_int_equal(tenants_open(&h->tenants, h->store, h->vault, 8), TENANT_OK);
	fake_reset();
	house_handshakes(h, true);
	api.doctor.connect.tenants = h->tenants;
	api.doctor.connect.outbound = sender ? fake_outbound() : NULL;
	api.virtual_keys = h->virtual_keys = virtual_keys_new(h->store);
	assert_non_null(h->virtual_keys);
	h->api = api_new(&api);
	assert_non_null(h->api);
	token_make(h);
	return h;
}

void house_close(struct house *h)
{
	static const char *const names[] = {"master.key", "keyhouse.db", "keyhouse.db-wal", "keyhouse.db-shm"};
	char path[128];

	api_free(h->api);
	virtual_keys_free(h->virtual_keys);
	tenants_close(h->tenants);
	store_close(h->store);
	vault_client_free(h->vault);
	(void)pthread_join(h->thread, NULL);
	vault_process_close(h->process);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", h->dir, names[i]);
		(void)unlink(path);
	}
	assert_int_equal(rmdir(h->dir), 0);
	free(h);
}

void house_vault_end(struct house *h)
{
	assert_int_equal(shutdown(h->vault_fd, SHUT_RDWR), 0);
}

struct api *house_api(struct house *h)
{
	return h->api;
}

struct tenants *house_tenants(struct house *h)
{
	return h->tenants;
}

struct virtual_keys *house_virtual_keys(struct house *h)
{
	return h->virtual_keys;
}

/* ------------------------------------------------------------ looking for secrets */

static void absent(const char *text, const char *needle)
{
	if (strstr(text, needle) != NULL)
		fail_msg("a secret is in an answer");
}

/* The middle characters of base64 that do not depend on what stands around the secret. */
static void absent_base64(const char *text, const char *secret, size_t shift)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char needle[128];
	size_t len = 0;

	for (size_t i = shift; i + 3 <= strlen(secret) && len + 4 < sizeof(needle); i += 3) {
		unsigned bits = (unsigned)(unsigned char)secret[i] << 16 | (unsigned)(unsigned char)secret[i + 1] << 8 |
			(unsigned)(unsigned char)secret[i + 2];

		for (int s = 18; s >= 0; s -= 6)
			needle[len++] = digits[bits >> s & 63u];
	}
	needle[len] = '\0';
	absent(text, needle);
}

static void no_secret_in(const char *text)
{
	static const char *const planted[] = {
		APP_SECRET, ACCESS_TOKEN, OTHER_SECRET, OTHER_TOKEN, API_KEY, OTHER_KEY, PLATFORM_SECRET};

	for (size_t i = 0; i < sizeof(planted) / sizeof(planted[0]); i++) {
		char hex[2 * sizeof(OTHER_TOKEN) + 2 * sizeof(ACCESS_TOKEN)], upper[sizeof(hex)];

		for (size_t n = 0; n < strlen(planted[i]); n++) {
			(void)snprintf(hex + 2 * n, 3, "%02x", (unsigned)(unsigned char)planted[i][n]);
			(void)snprintf(upper + 2 * n, 3, "%02X", (unsigned)(unsigned char)planted[i][n]);
		}
		absent(text, planted[i]);
		absent(text, hex);
		absent(text, upper);
		for (size_t shift = 0; shift < 3; shift++)
			absent_base64(text, planted[i], shift);
	}
}

/* ------------------------------------------------------------ asking */

static void check_shape(const struct answer *a, const char *type)
{
	if (a->status == 204) {
		assert_null(a->text);
		return;
	}
	assert_non_null(a->text);
	if (strcmp(type, "application/yaml") == 0)
		return;
	assert_non_null(a->json);
	if (a->status < 400) {
		assert_string_equal(type, "application/json");
		return;
	}
	assert_true(a->status != 500);
	assert_string_equal(type, "application/problem+json");
	assert_string_equal(text_at(a, "type"), "about:blank");
	assert_true(strlen(text_at(a, "title")) > 0);
	assert_true(strlen(text_at(a, "code")) > 0);
	assert_true(strlen(text_at(a, "detail")) > 0);
	assert_int_equal((int)number_at(a, "status"), a->status);
}

struct answer ask_as(struct house *h, bool is_operator, const char *authorization, const struct api_request *req)
{
	struct api_request in = *req;
	struct api_response out = {0};
	struct answer a = {0};

	in.is_operator = is_operator;
	in.authorization = authorization;
	if (api_admit(h->api, &in, &out) == 0)
		api_handle(h->api, &in, &out);
	a.status = out.status;
	if (out.body_len > 0) {
		a.text = calloc(1, out.body_len + 1);
		assert_non_null(a.text);
		memcpy(a.text, out.body, out.body_len);
		assert_int_equal(strlen(a.text), out.body_len);
		a.json = json_parse(a.text, out.body_len);
		no_secret_in(a.text);
	}
	(void)snprintf(a.allow, sizeof(a.allow), "%s", out.allow != NULL ? out.allow : "");
	a.replayed = out.replayed;
	assert_true((a.status == 405) == (a.allow[0] != '\0'));
	check_shape(&a, out.content_type != NULL ? out.content_type : "");
	api_response_clear(&out);
	return a;
}

static struct answer ask_all(
	struct house *h, const char *method, const char *target, const char *type, const char *body, const char *key)
{
	const char *mark = strchr(target, '?');
	char path[512];
	struct api_request req = {.method = method,
		.path = path,
		.query = mark != NULL ? mark + 1 : NULL,
		.content_type = type,
		.idempotency_key = key,
		.body = (const uint8_t *)(body != NULL ? body : ""),
		.body_len = body != NULL ? strlen(body) : 0};

	(void)snprintf(
		path, sizeof(path), "%.*s", (int)(mark != NULL ? (size_t)(mark - target) : strlen(target)), target);
	return ask_as(h, false, h->bearer, &req);
}

struct answer ask_type(struct house *h, const char *method, const char *target, const char *type, const char *body)
{
	return ask_all(h, method, target, type, body, NULL);
}

struct answer ask_once(struct house *h, const char *key, const char *target, const char *body)
{
	return ask_all(h, "POST", target, "application/json", body, key);
}

struct answer ask(struct house *h, const char *method, const char *target, const char *body)
{
	return ask_type(h, method, target, body != NULL ? "application/json" : NULL, body);
}

void answer_clear(struct answer *a)
{
	cJSON_Delete(a->json);
	free(a->text);
	*a = (struct answer){0};
}

void expect(struct house *h, const char *method, const char *target, const char *body, int status, const char *code,
	const char *field)
{
	struct answer a = ask(h, method, target, body);

	if (a.status != status)
		fail_msg("%s %s: %d, not %d: %s", method, target, a.status, status, a.text != NULL ? a.text : "");
	if (code != NULL) {
		assert_string_equal(text_at(&a, "code"), code);
		if (field != NULL)
			assert_string_equal(text_at(&a, "field"), field);
		else
			assert_null(json_get(a.json, "field"));
	}
	answer_clear(&a);
}

const char *text_at(const struct answer *a, const char *path)
{
	const char *text = cJSON_GetStringValue(json_get_path(a->json, path));

	if (text == NULL)
		fail_msg("no text at %s in %s", path, a->text != NULL ? a->text : "(nothing)");
	return text;
}

double number_at(const struct answer *a, const char *path)
{
	const cJSON *number = json_get_path(a->json, path);

	if (!cJSON_IsNumber(number))
		fail_msg("no number at %s in %s", path, a->text != NULL ? a->text : "(nothing)");
	return number->valuedouble;
}

void business_new(struct house *h, const char *id)
{
	char body[256];

	(void)snprintf(body, sizeof(body), "{\"id\":\"%s\",\"name\":\"Shop %s\"}", id, id);
	expect(h, "POST", "/v1/businesses", body, 201, NULL, NULL);
}

void connection_new(struct house *h, const char *business, const char *number, char id[static STORE_ID_LEN + 1])
{
	char path[256], body[512];
	struct answer a;

	(void)snprintf(path, sizeof(path), "/v1/businesses/%s/connections", business);
	(void)snprintf(body, sizeof(body),
		"{\"provider\":\"meta\",\"app_id\":\"1001\",\"app_secret\":\"" APP_SECRET
		"\",\"access_token\":\"" ACCESS_TOKEN
		"\",\"waba_id\":\"2002\",\"phone_number_id\":\"%s\",\"verify\":false}",
		number);
	a = ask(h, "POST", path, body);
	assert_int_equal(a.status, 201);
	(void)snprintf(id, STORE_ID_LEN + 1, "%s", text_at(&a, "id"));
	answer_clear(&a);
}
