/*
 * Both ways to the API. On line: one HTTP request a connection, over the owner-only
 * socket. Off line: the same parts that the listener opens, without a server.
 */
#include "gateway/session.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/api/api.h"
#include "gateway/audit.h"
#include "gateway/datadir.h"
#include "gateway/json.h"
#include "gateway/outbound/outbound.h"
#include "gateway/removal.h"
#include "gateway/role.h"
#include "gateway/rotation.h"
#include "gateway/tenant.h"
#include "store/store.h"
#include "vault/vault.h"

#define ANSWER_MAX (8u * 1024u * 1024u)
#define HEAD_MAX 4096u

struct session {
	const struct config *config;
	bool online;
	int lock;
	int sender_end; /* the vault's other client, held open where no sender has it */
	struct role_process roles[ROLES];
	struct store *store;
	struct vault_client *vault;
	struct tenants *tenants;
	struct audit audit;
	struct outbound *outbound;
	struct rotation *rotation;
	struct api *api;
	char copy[DATADIR_PATH_MAX]; /* a database that goes when the session does, or "" */
	int copies; /* held meanwhile */
};

static bool complain(const char *what)
{
	(void)fprintf(stderr, "keyhouse: %s\n", what);
	return false;
}

void session_answer_clear(struct session_answer *a)
{
	if (a->body != NULL)
		explicit_bzero(a->body, a->body_len);
	free(a->body);
	*a = (struct session_answer){0};
}

bool session_is_online(const struct session *s)
{
	return s->online;
}

/* ------------------------------------------------------------ off line */

static bool role_start(struct session *s, enum role role, const int *fds, size_t fds_len)
{
	struct role_boot boot = {.config = s->config};
	char why[512] = "";
	char text[640];

	if (!role_spawn(role, fds, fds_len, &boot, &s->roles[role]))
		return complain("cannot start a role");
	if (role_wait(&s->roles[role], 10000, why, sizeof(why)) == ROLE_SAID_READY)
		return true;
	(void)snprintf(text, sizeof(text), "%s", why[0] != '\0' ? why : "a role did not start");
	return complain(text);
}

/* Starts the vault, and the sender if wanted; *vault_fd and *sender_fd are this process's ends. */
static bool roles_start(struct session *s, bool make_key, bool with_sender, int *vault_fd, int *sender_fd)
{
	int ours[2] = {-1, -1}, senders[2] = {-1, -1}, jobs[2] = {-1, -1};
	char why[1024] = "";
	int key = make_key ? datadir_key_open(s->config, why, sizeof(why))
			   : datadir_key_find(s->config, why, sizeof(why));
	const int memory = vault_memory_new();
	bool ok = key >= 0 || complain(why);

	if (ok && memory < 0)
		ok = complain("out of memory");
	if (ok &&
		(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ours) != 0 ||
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, senders) != 0 ||
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, jobs) != 0))
		ok = complain("cannot make sockets");
	if (ok) {
		int vault[] = {key, ours[1], senders[1], memory};
		int sender[] = {jobs[1], senders[0]};

		ok = role_start(s, ROLE_VAULT, vault, 4) && (!with_sender || role_start(s, ROLE_SENDER, sender, 2));
	}
	if (ok) {
		*vault_fd = ours[0];
		*sender_fd = with_sender ? jobs[0] : -1;
		ours[0] = -1;
		if (with_sender) {
			jobs[0] = -1;
		} else {
			s->sender_end = senders[0];
			senders[0] = -1;
		}
	}
	for (int i = 0; i < 2; i++) {
		int fds[] = {ours[i], senders[i], jobs[i]};

		for (size_t n = 0; n < 3; n++)
			if (fds[n] >= 0)
				(void)close(fds[n]);
	}
	if (key >= 0)
		(void)close(key);
	if (memory >= 0)
		(void)close(memory);
	return ok;
}

/* A removal that was cut short ends before anything else is done. */
static void removals_carry_on(struct session *s)
{
	enum store_error err = STORE_OK;

	while (err == STORE_OK)
		err = removal_step(s->tenants);
	if (err != STORE_NOT_FOUND)
		(void)complain("what is left of a removed business is not removed yet; the next start tries it again");
}

static bool offline_parts(struct session *s, bool create, int vault_fd, int sender_fd)
{
	char path[DATADIR_PATH_MAX], foreign[STORE_FOREIGN_LEN + 1];
	struct store_options store = {
		.path = path, .foreign = foreign, .create = create, .readers = 2, .audit = audit_auditor(&s->audit)};
	struct outbound_options outbound = {.sender_fd = sender_fd, .checks_only = true};
	struct connect connect = {.public_url = config_get(s->config, CONFIG_PUBLIC_URL),
		.meta_is_loopback = config_url_is_loopback(config_get(s->config, CONFIG_META_API_URL)),
		.d360_is_loopback = config_url_is_loopback(config_get(s->config, CONFIG_D360_API_URL)),
		.d360_sandbox_is_loopback = config_url_is_loopback(config_get(s->config, CONFIG_D360_SANDBOX_URL))};
	struct api_options api = {.responder_allow = config_get(s->config, CONFIG_RESPONDER_ALLOW)};
	struct rotation_options rotation = {.grace_s = 0};
	enum tenant_error tenant;
	enum store_error err;

	s->vault = vault_client_new(vault_fd);
	datadir_database(s->config, path);
	err = store_open(&s->store, &store);
	if (err != STORE_OK)
		return complain(err == STORE_NOT_FOUND
				? "there is no database yet; run `keyhouse init` or `keyhouse serve`"
				: err == STORE_FOREIGN ? foreign
						       : store_error_text(err));
	if (s->vault == NULL)
		return complain("out of memory");
	tenant = tenants_open(&s->tenants, s->store, s->vault, 16);
	if (tenant != TENANT_OK)
		return complain(tenant == TENANT_BAD_DATA
				? "the master key file is not the one this database was made with"
				: "the database's own keys cannot be opened");
	if (audit_begin(&s->audit, s->tenants, s->vault) != TENANT_OK)
		return complain("the audit cannot begin: vault or store do not answer");
	removals_carry_on(s);
	outbound.tenants = connect.tenants = s->tenants;
	if (sender_fd >= 0 && outbound_open(&s->outbound, &outbound) != OUTBOUND_OK)
		return complain("the sender cannot be reached");
	connect.outbound = s->outbound;
	api.doctor.connect = connect;
	rotation.tenants = s->tenants;
	api.rotation = s->rotation = rotation_new(&rotation);
	s->api = api_new(&api);
	return (s->rotation != NULL && s->api != NULL) || complain("out of memory");
}

static bool offline_open(struct session *s, bool create, bool with_sender)
{
	char why[1024] = "", path[DATADIR_PATH_MAX];
	int vault_fd = -1, sender_fd = -1;

	datadir_database(s->config, path);
	if (!create && access(path, F_OK) != 0) {
		(void)snprintf(why, sizeof(why),
			"there is no database yet in %.600s (data_dir); name another with --data-dir, or run "
			"`keyhouse init` or `keyhouse serve`",
			config_get(s->config, CONFIG_DATA_DIR));
		return complain(why);
	}
	if (!datadir_prepare(s->config, why, sizeof(why)) ||
		datadir_lock(s->config, 2000, &s->lock, why, sizeof(why)) != DATADIR_LOCKED)
		return complain(why);
	datadir_sweep(s->config);
	(void)umask(0077);
	if (vault_init() != VAULT_OK)
		return complain("the cryptography library cannot be used");
	json_init();
	return roles_start(s, true, with_sender, &vault_fd, &sender_fd) &&
		offline_parts(s, create, vault_fd, sender_fd);
}

static struct session *session_new(const struct config *c)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		(void)complain("out of memory");
		return NULL;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	s->config = c;
	s->lock = s->copies = s->sender_end = -1;
	for (int r = 0; r < ROLES; r++)
		s->roles[r] = (struct role_process){.link = -1};
	return s;
}

struct session *session_open(const struct config *c, bool create, bool with_sender)
{
	struct session *s = session_new(c);
	int control;

	if (s == NULL)
		return NULL;
	control = datadir_control_connect(c);
	if (control >= 0) {
		(void)close(control);
		s->online = true;
		return s;
	}
	if (!offline_open(s, create, with_sender)) {
		session_close(s);
		return NULL;
	}
	return s;
}

/* ------------------------------------------------------------ a copy */

/* An older version's is brought up to date first, which is done to a copy of it. */
static enum store_error copy_open(
	struct session *s, const char *path, bool change, char foreign[static STORE_FOREIGN_LEN + 1])
{
	struct store_options options = {.path = path, .foreign = foreign, .read_only = !change, .readers = 2};
	enum store_error err;

	if (change)
		options.audit = audit_auditor(&s->audit);
	err = store_open(&s->store, &options);
	if (err != STORE_STALE)
		return err;
	s->copies = datadir_copies_lock(s->config);
	if (s->copies < 0)
		return STORE_FAILED;
	datadir_copy(s->config, s->copy);
	store_remove_copy(s->copy);
	err = store_backup(path, s->copy, NULL, NULL);
	options.path = s->copy;
	options.read_only = false;
	return err == STORE_OK ? store_open(&s->store, &options) : err;
}

static bool copy_parts(struct session *s, const char *path, bool change)
{
	char why[1024 + STORE_FOREIGN_LEN], foreign[STORE_FOREIGN_LEN + 1];
	int vault_fd = -1, sender_fd = -1;
	enum store_error err;
	enum tenant_error tenant;

	(void)umask(0077);
	if (vault_init() != VAULT_OK)
		return complain("the cryptography library cannot be used");
	err = copy_open(s, path, change, foreign);
	if (err != STORE_OK) {
		(void)snprintf(why, sizeof(why), "%.600s: %s", path,
			err == STORE_NOT_FOUND	       ? "there is no such file"
				: err == STORE_FOREIGN ? foreign
						       : store_error_text(err));
		return complain(why);
	}
	if (!roles_start(s, false, false, &vault_fd, &sender_fd))
		return false;
	s->vault = vault_client_new(vault_fd);
	if (s->vault == NULL)
		return complain("out of memory");
	tenant = tenants_open(&s->tenants, s->store, s->vault, 16);
	if (tenant == TENANT_OK && change)
		tenant = audit_begin(&s->audit, s->tenants, s->vault);
	if (tenant == TENANT_OK)
		return true;
	(void)snprintf(why, sizeof(why), "%.600s: %s", path,
		tenant == TENANT_BAD_DATA ? "the master key file is not the one this database was made with"
					  : "the database's own keys cannot be opened");
	return complain(why);
}

struct session *session_open_copy(const struct config *c, const char *path, bool change)
{
	struct session *s = session_new(c);

	if (s != NULL && !copy_parts(s, path, change)) {
		session_close(s);
		return NULL;
	}
	return s;
}

struct tenants *session_tenants(struct session *s)
{
	return s->tenants;
}

struct vault_client *session_vault(struct session *s)
{
	return s->vault;
}

void session_close(struct session *s)
{
	if (s == NULL)
		return;
	api_free(s->api);
	rotation_free(s->rotation);
	outbound_close(s->outbound);
	tenants_close(s->tenants);
	vault_client_free(s->vault);
	store_close(s->store);
	if (s->copy[0] != '\0')
		store_remove_copy(s->copy);
	for (int r = 0; r < ROLES; r++) {
		if (s->roles[r].pid == 0)
			continue;
		(void)kill(s->roles[r].pid, SIGKILL);
		(void)waitpid(s->roles[r].pid, NULL, 0);
		role_close(&s->roles[r]);
	}
	if (s->sender_end >= 0)
		(void)close(s->sender_end);
	if (s->copies >= 0)
		(void)close(s->copies);
	if (s->lock >= 0)
		(void)close(s->lock);
	free(s);
}

static bool offline_call(struct session *s, const struct session_request *q, struct session_answer *a)
{
	char path[1024];
	const char *mark = strchr(q->path, '?');
	struct api_request in = {.method = q->method,
		.path = path,
		.query = mark != NULL ? mark + 1 : NULL,
		.content_type = q->content_type,
		.is_operator = true,
		.body = (const uint8_t *)(q->body != NULL ? q->body : ""),
		.body_len = q->body_len};
	struct api_response out = {0};

	if (q->body_len > API_BODY_MAX)
		return complain("the input is longer than 2 MiB");
	(void)snprintf(
		path, sizeof(path), "%.*s", (int)(mark != NULL ? mark - q->path : (ptrdiff_t)strlen(q->path)), q->path);
	store_actor("command", NULL);
	api_handle(s->api, &in, &out);
	store_actor(NULL, NULL);
	a->status = out.status;
	a->body = calloc(1, out.body_len + 1);
	if (a->body != NULL && out.body_len > 0)
		memcpy(a->body, out.body, out.body_len);
	a->body_len = a->body != NULL ? out.body_len : 0;
	api_response_clear(&out);
	return a->body != NULL || complain("out of memory");
}

/* ------------------------------------------------------------ on line */

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Reads until the service closes. The buffer is wiped when it moves: it may hold a new token. */
static char *read_all(int fd, size_t *len)
{
	size_t room = 64u * 1024u;
	char *data = malloc(room + 1);

	for (*len = 0; data != NULL;) {
		ssize_t n = read(fd, data + *len, room - *len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			data[*len] = '\0';
			return data;
		}
		*len += (size_t)n;
		if (*len == room) {
			char *larger = room < ANSWER_MAX ? malloc(room * 2 + 1) : NULL;

			if (larger != NULL)
				memcpy(larger, data, *len);
			explicit_bzero(data, *len);
			free(data);
			data = larger;
			room *= 2;
		}
	}
	return NULL;
}

static bool answer_parse(char *text, size_t len, struct session_answer *a)
{
	char *body = strstr(text, "\r\n\r\n");
	size_t body_len;

	if (strncmp(text, "HTTP/1.", 7) != 0 || len < 12 || body == NULL)
		return false;
	a->status = (text[9] - '0') * 100 + (text[10] - '0') * 10 + (text[11] - '0');
	body += 4;
	body_len = len - (size_t)(body - text);
	a->body = malloc(body_len + 1);
	if (a->body == NULL)
		return false;
	memcpy(a->body, body, body_len + 1);
	a->body_len = body_len;
	return true;
}

static bool online_call(struct session *s, const struct session_request *q, struct session_answer *a)
{
	char head[HEAD_MAX];
	char *text = NULL;
	size_t len = 0;
	int fd = datadir_control_connect(s->config);
	int head_len = snprintf(head, sizeof(head),
		"%s %s HTTP/1.1\r\nHost: keyhouse\r\nConnection: close\r\nContent-Length: %zu\r\n%s%s%s\r\n", q->method,
		q->path, q->body_len, q->content_type != NULL ? "Content-Type: " : "",
		q->content_type != NULL ? q->content_type : "", q->content_type != NULL ? "\r\n" : "");
	bool ok = fd >= 0 && head_len > 0 && (size_t)head_len < sizeof(head) && write_all(fd, head, (size_t)head_len);

	/* An answer may come before the whole body went out (413): read it in any case. */
	if (ok && q->body_len > 0)
		(void)write_all(fd, q->body, q->body_len);
	if (ok)
		text = read_all(fd, &len);
	ok = text != NULL && answer_parse(text, len, a);
	if (text != NULL)
		explicit_bzero(text, len);
	free(text);
	if (fd >= 0)
		(void)close(fd);
	return ok || complain("the service did not answer over its control socket");
}

bool session_call(struct session *s, const struct session_request *request, struct session_answer *answer)
{
	*answer = (struct session_answer){0};
	return s->online ? online_call(s, request, answer) : offline_call(s, request, answer);
}
