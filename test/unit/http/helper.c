/* The server, the handler and the clients described in helper.h. */
#include "test/unit/http/helper.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MUST(condition)                                                                                                \
	do {                                                                                                           \
		if (!(condition)) {                                                                                    \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                \
			abort();                                                                                       \
		}                                                                                                      \
	} while (0)

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static char log_text[65536];
uint8_t helper_kept[HELPER_KEPT_MAX];

int64_t helper_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void helper_sleep_ms(long ms)
{
	struct timespec wait = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&wait, NULL);
}

static void remember_log(const char *line, void *ctx)
{
	size_t used;

	(void)ctx;
	pthread_mutex_lock(&log_mutex);
	used = strlen(log_text);
	snprintf(log_text + used, sizeof(log_text) - used, "%s\n", line);
	pthread_mutex_unlock(&log_mutex);
}

unsigned helper_logged(const char *text)
{
	unsigned count = 0;

	pthread_mutex_lock(&log_mutex);
	for (const char *p = log_text; (p = strstr(p, text)); p++)
		count++;
	pthread_mutex_unlock(&log_mutex);
	return count;
}

static int status_for(enum http_error error)
{
	switch (error) {
	case HTTP_OK:
		return 200;
	case HTTP_TOO_LARGE:
		return 413;
	case HTTP_TIMED_OUT:
		return 408;
	case HTTP_DISCONNECTED:
	case HTTP_NO_MEMORY:
	case HTTP_BAD_QUERY:
	case HTTP_NO_SUCH_PARAM:
	case HTTP_SETUP_FAILED:
		break;
	}
	return 599;
}

static void answer_info(struct http_request *req)
{
	const char *query = http_request_query(req);
	const char *header = http_request_header(req, "x-one");
	char text[4096];
	int n = snprintf(text, sizeof(text), "%s %s query=%s one=%s peer=%s control=%d", http_request_method(req),
		http_request_path(req), query ? query : "(none)", header ? header : "(none)", http_request_peer(req),
		http_request_is_control(req));

	http_respond(req, 200, NULL, 0, text, (size_t)n);
	explicit_bzero(text, sizeof(text));
}

static void answer_big(struct http_request *req)
{
	char *big = malloc(HELPER_BODY_MAX);

	MUST(big);
	memset(big, 'b', HELPER_BODY_MAX);
	http_respond(req, 200, NULL, 0, big, HELPER_BODY_MAX);
	free(big);
}

static void answer_evil(struct http_request *req)
{
	static const struct http_header headers[] = {
		{"X-Good", "yes"}, {"X-Bad", "a\r\nX-Injected: b"}, {"X-Na\r\nme", "c"}};

	http_respond(req, 200, headers, 3, NULL, 0);
}

static void answer_body(struct http_request *req, size_t max, bool keep)
{
	const uint8_t *body = NULL;
	size_t len = 0;
	enum http_error error = http_request_body(req, max, &body, &len);

	if (keep && error == HTTP_OK)
		memcpy(helper_kept, body, len < HELPER_KEPT_MAX ? len : HELPER_KEPT_MAX);
	http_respond(req, status_for(error), NULL, 0, body, len);
}

void helper_handler(struct http_request *req, void *ctx)
{
	const char *path = http_request_path(req);

	(void)ctx;
	if (strcmp(path, "/info") == 0 || strncmp(path, "/info/", 6) == 0) {
		answer_info(req);
	} else if (strcmp(path, "/proven") == 0) {
		http_request_proven(req);
		http_respond(req, 200, NULL, 0, NULL, 0);
	} else if (strcmp(path, "/unread") == 0) {
		http_respond(req, 200, NULL, 0, "unread", 6);
	} else if (strcmp(path, "/silent") == 0) {
		return;
	} else if (strcmp(path, "/refused") == 0) {
		http_respond(req, http_request_query(req) ? (int)strtol(http_request_query(req), NULL, 10) : 401, NULL,
			0, NULL, 0);
	} else if (strcmp(path, "/big") == 0) {
		answer_big(req);
	} else if (strcmp(path, "/evil") == 0) {
		answer_evil(req);
	} else {
		if (strcmp(path, "/slow") == 0)
			helper_sleep_ms(300);
		answer_body(req, strcmp(path, "/small") == 0 ? 10 : HELPER_BODY_MAX, strcmp(path, "/keep") == 0);
	}
}

static int listen_tcp(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, len) == 0 && listen(fd, 64) == 0);
	MUST(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static struct sockaddr_un control_address(const struct helper_server *s)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	memcpy(address.sun_path, s->control_path, sizeof(s->control_path));
	return address;
}

static int listen_control(struct helper_server *s)
{
	struct sockaddr_un address;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(s->control_path, sizeof(s->control_path), "/tmp/http-test.%d", (int)getpid());
	unlink(s->control_path);
	address = control_address(s);
	MUST(fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 8) == 0);
	return fd;
}

/* A self-signed certificate and its key, each in a memory file. */
static void make_certificate(int *cert_fd, int *key_fd)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	BIO *out;

	MUST(key && cert);
	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
	X509_set_issuer_name(cert, name);
	MUST(X509_sign(cert, key, EVP_sha256()) > 0);
	*cert_fd = memfd_create("cert", MFD_CLOEXEC);
	*key_fd = memfd_create("key", MFD_CLOEXEC);
	MUST(*cert_fd >= 0 && *key_fd >= 0);
	out = BIO_new_fd(*cert_fd, BIO_NOCLOSE);
	MUST(PEM_write_bio_X509(out, cert) == 1);
	BIO_free(out);
	out = BIO_new_fd(*key_fd, BIO_NOCLOSE);
	MUST(PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1);
	BIO_free(out);
	X509_free(cert);
	EVP_PKEY_free(key);
}

struct http_options helper_options(void)
{
	return (struct http_options){
		.tls_cert_fd = -1,
		.tls_key_fd = -1,
		.threads = 4,
		.request_deadline_ms = 1000,
		.keep_alive_ms = 1000,
		.handler = helper_handler,
		.log = remember_log,
	};
}

void helper_sockets(struct helper_server *s, struct http_options *opt)
{
	memset(s, 0, sizeof(*s));
	s->sockets[HELPER_PLAIN] = (struct http_socket){.fd = listen_tcp(&s->port)};
	s->sockets[HELPER_TLS] = (struct http_socket){.fd = listen_tcp(&s->tls_port), .tls = true};
	s->sockets[HELPER_CONTROL] = (struct http_socket){.fd = listen_control(s), .control = true};
	make_certificate(&opt->tls_cert_fd, &opt->tls_key_fd);
	opt->sockets = s->sockets;
	opt->sockets_len = HELPER_SOCKETS;
}

void helper_start(struct helper_server *s, struct http_options *opt)
{
	helper_sockets(s, opt);
	MUST(http_server_start(&s->server, opt) == HTTP_OK);
}

void helper_stop(struct helper_server *s)
{
	http_server_stop(s->server);
	unlink(s->control_path);
}

int helper_connect(uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

int helper_connect_control(const struct helper_server *s)
{
	struct sockaddr_un address = control_address(s);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	MUST(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	return fd;
}

void helper_send(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) /* the peer may have answered and closed: the answer tells */
			return;
		at += n;
		len -= (size_t)n;
	}
}

void helper_send_text(int fd, const char *text)
{
	helper_send(fd, text, strlen(text));
}

typedef ssize_t read_fn(void *from, char *buf, size_t len);

static ssize_t read_fd(void *from, char *buf, size_t len)
{
	struct pollfd pfd = {.fd = *(int *)from, .events = POLLIN};

	if (poll(&pfd, 1, 5000) != 1)
		return -1;
	return recv(*(int *)from, buf, len, 0);
}

static ssize_t read_tls(void *from, char *buf, size_t len)
{
	return SSL_read(from, buf, (int)len);
}

/* One answer, byte by byte up to its blank line, then Content-Length bytes. */
static void receive(void *from, read_fn *reader, struct helper_answer *answer)
{
	size_t used = 0, length = 0;
	const char *field;

	memset(answer, 0, sizeof(*answer));
	while (used + 1 < sizeof(answer->head) && !strstr(answer->head, "\r\n\r\n")) {
		if (reader(from, answer->head + used, 1) != 1)
			return;
		used++;
	}
	MUST(strncmp(answer->head, "HTTP/1.1 ", 9) == 0);
	answer->status = (int)strtol(answer->head + 9, NULL, 10);
	field = strstr(answer->head, "\r\nContent-Length: ");
	if (field)
		length = strtoul(field + 18, NULL, 10);
	while (answer->body_len < length) {
		char spill[4096];
		bool fits = answer->body_len + 1 < sizeof(answer->body);
		size_t room = fits ? sizeof(answer->body) - 1 - answer->body_len : sizeof(spill);
		size_t want = length - answer->body_len < room ? length - answer->body_len : room;
		ssize_t n = reader(from, fits ? answer->body + answer->body_len : spill, want);

		if (n <= 0)
			return;
		answer->body_len += (size_t)n;
	}
}

void helper_receive(int fd, struct helper_answer *answer)
{
	receive(&fd, read_fd, answer);
}

void helper_ask(uint16_t port, const char *text, struct helper_answer *answer)
{
	int fd = helper_connect(port);

	helper_send_text(fd, text);
	helper_receive(fd, answer);
	close(fd);
}

bool helper_closed(int fd, int wait_ms)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	char byte;

	return poll(&pfd, 1, wait_ms) == 1 && recv(fd, &byte, 1, 0) <= 0;
}

void helper_ask_tls(uint16_t port, const char *text, int tls_version, struct helper_answer *answer)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *tls = SSL_new(ctx);
	int fd = helper_connect(port);

	MUST(tls);
	memset(answer, 0, sizeof(*answer));
	SSL_set_min_proto_version(tls, tls_version);
	SSL_set_max_proto_version(tls, tls_version);
	if (tls_version < TLS1_2_VERSION)
		SSL_set_cipher_list(tls, "ALL:@SECLEVEL=0");
	SSL_set_fd(tls, fd);
	if (SSL_connect(tls) == 1 && SSL_write(tls, text, (int)strlen(text)) > 0)
		receive(tls, read_tls, answer);
	SSL_shutdown(tls);
	SSL_free(tls);
	SSL_CTX_free(ctx);
	close(fd);
}
