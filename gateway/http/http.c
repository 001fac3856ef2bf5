/*
 * Starting and stopping the server: CivetWeb's options, its worker threads,
 * the certificate, and what of its messages reaches the log.
 *
 * Called by gateway/listener.c; trusts its options. Requests are served in
 * request.c, connections in engine.c.
 */
#include <civetweb.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http/internal.h"

enum {
	PEM_MAX = 256 * 1024,
	THREADS_MAX = 4096,
	READY_WAIT_S = 10,
	TROUBLE_EVERY_MS = 1000,
	WORKER_THREAD = 1, /* CivetWeb's thread type */
};

static void log_line(const struct http_server *server, const char *line)
{
	if (server->opt.log)
		server->opt.log(line, server->opt.ctx);
}

/* CivetWeb's own messages. Those of its start are passed on; later ones may quote
 * a request or be provoked at will, so a fixed line stands for them, once a second. */
static int on_log_message(const struct mg_connection *conn, const char *message)
{
	struct http_server *server = mg_get_user_data(mg_get_context(conn));
	long long now = http_now_ms();
	long long last = atomic_load(&server->last_trouble_ms);

	if (!atomic_load(&server->started)) {
		char line[256];

		snprintf(line, sizeof(line), "http: %s", message);
		for (char *p = line; *p; p++) {
			if ((unsigned char)*p < ' ')
				*p = ' ';
		}
		log_line(server, line);
	} else if (now - last >= TROUBLE_EVERY_MS &&
		atomic_compare_exchange_strong(&server->last_trouble_ms, &last, now)) {
		log_line(server,
			http_engine_is_connection(conn) ? "http: a connection failed"
							: "http: accepting connections failed");
	}
	return 1;
}

static void count_ready(struct http_server *server)
{
	pthread_mutex_lock(&server->mutex);
	server->threads_ready++;
	pthread_cond_signal(&server->changed);
	pthread_mutex_unlock(&server->mutex);
}

static void *on_thread_start(const struct mg_context *engine, int type)
{
	struct http_server *server = mg_get_user_data(engine);
	struct http_worker *worker = NULL;

	if (type == WORKER_THREAD) {
		worker = calloc(1, sizeof(*worker));
		if (!worker)
			abort();
		worker->server = server;
	}
	count_ready(server);
	return worker;
}

static void on_thread_end(const struct mg_context *engine, int type, void *worker)
{
	(void)engine;
	if (type == WORKER_THREAD)
		free(worker);
}

/* Reads a descriptor from its beginning where it can be rewound; *len bytes, wiped and freed by the caller. */
static char *read_all(int fd, size_t *len)
{
	char *buf = malloc(PEM_MAX);
	size_t used = 0;

	if (!buf)
		return NULL;
	lseek(fd, 0, SEEK_SET);
	while (used < PEM_MAX) {
		ssize_t n = read(fd, buf + used, PEM_MAX - used);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			*len = used;
			if (n == 0 && used > 0)
				return buf;
			break;
		}
		used += (size_t)n;
	}
	explicit_bzero(buf, PEM_MAX);
	free(buf);
	return NULL;
}

static bool use_chain(SSL_CTX *tls, BIO *pem)
{
	X509 *cert = PEM_read_bio_X509(pem, NULL, NULL, NULL);
	bool used = cert && SSL_CTX_use_certificate(tls, cert) == 1;

	X509_free(cert);
	while (used && (cert = PEM_read_bio_X509(pem, NULL, NULL, NULL))) {
		used = SSL_CTX_add0_chain_cert(tls, cert) == 1;
		if (!used)
			X509_free(cert);
	}
	ERR_clear_error();
	return used;
}

static int no_passphrase(char *buf, int size, int rwflag, void *ctx)
{
	(void)buf, (void)size, (void)rwflag, (void)ctx;
	return 0;
}

static bool use_key(SSL_CTX *tls, BIO *pem)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(pem, NULL, no_passphrase, NULL);
	bool used = key && SSL_CTX_use_PrivateKey(tls, key) == 1;

	EVP_PKEY_free(key);
	return used;
}

/* Reads the PEM text behind fd into tls with use(). */
static bool use_pem(SSL_CTX *tls, int fd, bool (*use)(SSL_CTX *tls, BIO *pem))
{
	size_t len = 0;
	char *text = read_all(fd, &len);
	BIO *pem = text ? BIO_new_mem_buf(text, (int)len) : NULL;
	bool used = pem && use(tls, pem);

	BIO_free(pem);
	if (text) {
		explicit_bzero(text, len);
		free(text);
	}
	return used;
}

bool http_tls_init(void)
{
	return OPENSSL_init_ssl(OPENSSL_INIT_LOAD_CONFIG, NULL) == 1;
}

/* CivetWeb's init_ssl: 1 = everything is done, -1 = failed. */
static int on_init_ssl(void *ssl_ctx, void *user_data)
{
	struct http_server *server = user_data;
	SSL_CTX *tls = ssl_ctx;

	if (!use_pem(tls, server->opt.tls_cert_fd, use_chain)) {
		log_line(server, "http: the TLS certificate cannot be read as PEM");
		return -1;
	}
	if (!use_pem(tls, server->opt.tls_key_fd, use_key)) {
		log_line(server, "http: the TLS key cannot be read as PEM without a passphrase");
		return -1;
	}
	if (SSL_CTX_check_private_key(tls) != 1 || SSL_CTX_set_min_proto_version(tls, TLS1_2_VERSION) != 1) {
		log_line(server, "http: the TLS key does not belong to the certificate");
		return -1;
	}
	SSL_CTX_clear_options(tls, SSL_OP_NO_TLSv1_2 | SSL_OP_NO_TLSv1_3);
	SSL_CTX_set_options(tls,
		SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_tlsext_servername_callback(tls, NULL);
	SSL_CTX_set_info_callback(tls, NULL);
	return 1;
}

/* Whether the sockets are what they are said to be. */
static bool sockets_valid(const struct http_options *opt, bool *tls)
{
	for (size_t i = 0; i < opt->sockets_len; i++) {
		const struct http_socket *s = &opt->sockets[i];
		struct sockaddr_storage address;
		socklen_t len = sizeof(address);

		if (getsockname(s->fd, (struct sockaddr *)&address, &len) != 0)
			return false;
		if ((address.ss_family == AF_UNIX) != s->control || (s->tls && s->control))
			return false;
		*tls = *tls || s->tls;
	}
	return opt->sockets_len > 0 && opt->threads > 0 && opt->threads <= THREADS_MAX && opt->handler &&
		(!*tls || (opt->tls_cert_fd >= 0 && opt->tls_key_fd >= 0));
}

static enum http_error server_new(struct http_server **out, const struct http_options *opt)
{
	struct http_server *server = calloc(1, sizeof(*server));

	if (!server)
		return HTTP_NO_MEMORY;
	server->opt = *opt;
	server->callers = http_callers_new(opt->threads, opt->workers_per_address);
	server->refused = http_refused_new();
	server->sockets = calloc(opt->sockets_len, sizeof(*server->sockets));
	if (!server->callers || !server->refused || !server->sockets) {
		http_callers_free(server->callers);
		http_refused_free(server->refused);
		free(server->sockets);
		free(server);
		return HTTP_NO_MEMORY;
	}
	memcpy(server->sockets, opt->sockets, opt->sockets_len * sizeof(*server->sockets));
	server->opt.sockets = server->sockets;
	pthread_mutex_init(&server->mutex, NULL);
	pthread_mutex_init(&server->one_large, NULL);
	pthread_cond_init(&server->changed, NULL);
	*out = server;
	return HTTP_OK;
}

static void server_free(struct http_server *server)
{
	pthread_mutex_destroy(&server->mutex);
	pthread_mutex_destroy(&server->one_large);
	pthread_cond_destroy(&server->changed);
	http_callers_free(server->callers);
	http_refused_free(server->refused);
	free(server->sockets);
	free(server);
}

static struct mg_context *engine_start(struct http_server *server, bool tls)
{
	static const struct mg_callbacks callbacks = {
		.begin_request = http_request_begin,
		.http_error = http_request_refuse,
		.log_message = on_log_message,
		.connection_close = http_engine_connection_closing,
		.init_ssl = on_init_ssl,
		.init_thread = on_thread_start,
		.exit_thread = on_thread_end,
	};
	struct mg_callbacks used = callbacks;
	struct mg_init_data init = {.callbacks = &used, .user_data = server};
	char threads[16], deadline[16], head_max[16], queue[16];
	const char *options[] = {
		"listening_ports",
		tls ? "0s" : "0", /* only says whether TLS is wanted */
		"num_threads",
		threads,
		"request_timeout_ms",
		deadline, /* of the TLS handshake */
		"max_request_size",
		head_max,
		"connection_queue",
		queue,
		"enable_keep_alive",
		"yes",
		"tcp_nodelay",
		"1",
		"decode_url",
		"no",
		"decode_query_string",
		"no",
		"enable_auth_domain_check",
		"no",
		NULL,
	};

	snprintf(threads, sizeof(threads), "%u", server->opt.threads);
	snprintf(deadline, sizeof(deadline), "%u", server->opt.request_deadline_ms);
	snprintf(head_max, sizeof(head_max), "%d", HTTP_HEAD_MAX);
	snprintf(queue, sizeof(queue), "%d", HTTP_WAITING_MAX);
	init.configuration_options = options;
	return mg_start2(&init, NULL);
}

/* Waits until every thread runs. CivetWeb itself goes on with fewer. */
static bool all_threads_run(struct http_server *server)
{
	unsigned wanted = server->opt.threads + 1;
	struct timespec until;
	int error = 0;
	bool ready;

	if (http_engine_threads(server->engine) != wanted)
		return false;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += READY_WAIT_S;
	pthread_mutex_lock(&server->mutex);
	while (server->threads_ready < wanted && error == 0)
		error = pthread_cond_clockwait(&server->changed, &server->mutex, CLOCK_MONOTONIC, &until);
	ready = server->threads_ready >= wanted;
	pthread_mutex_unlock(&server->mutex);
	return ready;
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

enum http_error http_server_start(struct http_server **out, const struct http_options *opt)
{
	struct http_server *server = NULL;
	enum http_error error = HTTP_SETUP_FAILED;
	bool tls = false, library = false;

	if (!sockets_valid(opt, &tls)) {
		if (opt->log)
			opt->log("http: the listening sockets or the options are not usable", opt->ctx);
		goto out;
	}
	error = server_new(&server, opt);
	if (error != HTTP_OK)
		goto out;
	error = HTTP_SETUP_FAILED;
	library = mg_init_library(tls ? MG_FEATURES_TLS : MG_FEATURES_DEFAULT) == (tls ? MG_FEATURES_TLS : 0);
	if (!library)
		goto out;
	server->engine = engine_start(server, tls);
	if (!server->engine)
		goto out;
	if (!all_threads_run(server)) {
		log_line(server, "http: not every worker thread could be started");
		http_server_stop(server);
		server = NULL; /* stopped, its sockets closed */
		close_fd(opt->tls_cert_fd);
		close_fd(opt->tls_key_fd);
		return HTTP_SETUP_FAILED;
	}
	atomic_store(&server->started, true);
	*out = server; /* transferred */
	error = HTTP_OK;
out:
	if (error != HTTP_OK) {
		for (size_t i = 0; i < opt->sockets_len; i++)
			close_fd(opt->sockets[i].fd);
		if (library)
			mg_exit_library();
		if (server)
			server_free(server);
	}
	close_fd(opt->tls_cert_fd);
	close_fd(opt->tls_key_fd);
	return error;
}

void http_server_counts(const struct http_server *server, struct http_counts *out)
{
	*out = (struct http_counts){.turned_away = atomic_load(&server->turned_away),
		.gave_way = atomic_load(&server->gave_way),
		.often_refused = atomic_load(&server->often_refused),
		.unread = atomic_load(&server->unread)};
}

void http_server_stop(struct http_server *server)
{
	if (!server)
		return;
	mg_stop(server->engine);
	mg_exit_library();
	server_free(server);
}
