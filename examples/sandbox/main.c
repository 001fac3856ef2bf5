/*
 * keyhouse-sandbox: flags, start, end.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <netinet/in.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "examples/sandbox/book.h"
#include "examples/sandbox/control.h"
#include "examples/sandbox/deliver.h"
#include "examples/sandbox/journal.h"
#include "examples/sandbox/limits.h"
#include "examples/sandbox/media.h"
#include "examples/sandbox/providers.h"
#include "examples/sandbox/waits.h"
#include "gateway/json.h"

enum {
	WORKERS = WAITS_MAX + 128, /* beside those who wait */
	REQUEST_DEADLINE_MS = 30000,
	KEEP_ALIVE_MS = 60000,
	END_S = 3,
	REQUESTS_MAX = 100000,
	FEED_MAX = 20000,
};

#define JOURNAL_BYTES ((size_t)64 << 20)

struct flags {
	const char *listen, *book, *state, *statuses, *cert, *key;
	bool quiet;
};

static const char usage[] =
	"usage: keyhouse-sandbox [--listen 127.0.0.1:8900] [--book FILE] [--state FILE]\n"
	"                        [--statuses none|sent|delivered|read] [--cert FILE --key FILE] [--quiet]\n"
	"Plays Meta, 360dialog and the customers' phones on this machine; see examples/sandbox/README.md.\n";

enum { GO_ON = -1, EXIT_USAGE = 2 };

static int wrong_usage(void)
{
	(void)fputs(usage, stderr);
	return EXIT_USAGE;
}

/* GO_ON, or the exit status. */
static int read_flags(struct flags *f, int argc, char **argv)
{
	static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
		{"book", required_argument, NULL, 'b'}, {"state", required_argument, NULL, 's'},
		{"statuses", required_argument, NULL, 't'}, {"cert", required_argument, NULL, 'c'},
		{"key", required_argument, NULL, 'k'}, {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'l':
			f->listen = optarg;
			break;
		case 'b':
			f->book = optarg;
			break;
		case 's':
			f->state = optarg;
			break;
		case 't':
			f->statuses = optarg;
			break;
		case 'c':
			f->cert = optarg;
			break;
		case 'k':
			f->key = optarg;
			break;
		case 'q':
			f->quiet = true;
			break;
		case 'h':
			(void)fputs(usage, stdout);
			return 0;
		default:
			return wrong_usage();
		}
	}
	return optind < argc || (f->cert != NULL) != (f->key != NULL) ? wrong_usage() : GO_ON;
}

static bool read_statuses(const char *name, enum statuses *out)
{
	static const char *const names[] = {"none", "sent", "delivered", "read"};

	for (int i = 0; i < 4; i++) {
		if (strcmp(names[i], name) == 0) {
			*out = (enum statuses)i;
			return true;
		}
	}
	return false;
}

/* "127.0.0.1:8900" or "[::1]:8900"; loopback only. */
static bool read_address(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *in = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
	const char *colon = strrchr(text, ':');
	char host[64], *end;
	unsigned long port;

	if (!colon || (size_t)(colon - text) >= sizeof(host) || colon[1] == '\0')
		return false;
	(void)snprintf(host, sizeof(host), "%.*s", (int)(colon - text), text);
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return false;
	memset(out, 0, sizeof(*out));
	if (strcmp(host, "[::1]") == 0) {
		*in6 = (struct sockaddr_in6){.sin6_family = AF_INET6,
			.sin6_port = htons((uint16_t)port),
			.sin6_addr = IN6ADDR_LOOPBACK_INIT};
		*len = sizeof(*in6);
		return true;
	}
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)port);
	*len = sizeof(*in);
	return inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &in->sin_addr) == 1 &&
		ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

/* -1: *said says what is wrong. */
static int open_socket(const char *listen_at, bool tls, char *url, size_t room)
{
	struct sockaddr_storage address;
	socklen_t len;
	int fd, yes = 1;

	if (!read_address(listen_at, &address, &len)) {
		(void)fprintf(stderr, "sandbox: --listen %s: a loopback address and a port, such as 127.0.0.1:8900\n",
			listen_at);
		return -1;
	}
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, 1024) != 0 ||
		getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
		(void)fprintf(stderr, "sandbox: cannot listen on %s: %s\n", listen_at,
			errno == EADDRINUSE ? "another program uses this port" : strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	(void)snprintf(url, room, "http%s://%.*s:%u", tls ? "s" : "", (int)(strrchr(listen_at, ':') - listen_at),
		listen_at,
		ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
						   : ((struct sockaddr_in6 *)&address)->sin6_port));
	return fd;
}

/* The host's name without its port: a page of the Internet may have had its own name point here. */
static bool host_is_near(const char *host)
{
	char name[64] = "";
	struct in_addr in;

	if (!host)
		return false;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(host[0] == '[' ? "" : host, ":"), host);
	return strcmp(name, "localhost") == 0 || strncmp(host, "[::1]", 5) == 0 ||
		(inet_pton(AF_INET, name, &in) == 1 && ntohl(in.s_addr) >> 24 == 127);
}

static void handle(struct http_request *req, void *ctx)
{
	static const char elsewhere[] = "{\"error\":\"the sandbox answers to localhost and 127.x only\"}";
	static const struct http_header json = {"Content-Type", "application/json"};

	if (!host_is_near(http_request_header(req, "Host")))
		http_respond(req, 421, &json, 1, elsewhere, sizeof(elsewhere) - 1);
	else if (control_path(http_request_path(req)))
		control_handle(ctx, req);
	else
		provider_handle(ctx, req);
}

static void on_http_log(const char *line, void *ctx)
{
	(void)ctx;
	(void)fprintf(stderr, "sandbox: %s\n", line);
}

static bool start_server(struct sandbox *s, const struct flags *f, struct http_server **server)
{
	struct http_socket socket = {.tls = f->cert != NULL};
	struct http_options opt = {.sockets = &socket,
		.sockets_len = 1,
		.tls_cert_fd = -1,
		.tls_key_fd = -1,
		.threads = WORKERS,
		.request_deadline_ms = REQUEST_DEADLINE_MS,
		.keep_alive_ms = KEEP_ALIVE_MS,
		.handler = handle,
		.log = on_http_log,
		.ctx = s};

	socket.fd = open_socket(f->listen, socket.tls, s->url, sizeof(s->url));
	if (socket.fd < 0)
		return false;
	if (socket.tls) {
		opt.tls_cert_fd = open(f->cert, O_RDONLY | O_CLOEXEC);
		opt.tls_key_fd = open(f->key, O_RDONLY | O_CLOEXEC);
	}
	if (http_server_start(server, &opt) == HTTP_OK)
		return true;
	(void)fprintf(stderr, "sandbox: the server does not start\n");
	return false;
}

/* The book from --state where that file exists, else from --book. */
static bool read_book(struct sandbox *s, const struct flags *f)
{
	const char *path = f->state && access(f->state, F_OK) == 0 ? f->state : f->book;
	char why[4200];

	if (!path || book_load(s, path, why, sizeof(why)))
		return true;
	(void)fprintf(stderr, "sandbox: %s\n", why);
	return false;
}

static bool open_house(struct sandbox *s, const struct flags *f)
{
	pthread_mutex_init(&s->mutex, NULL);
	pthread_cond_init(&s->changed, NULL);
	pthread_cond_init(&s->taken_back, NULL);
	s->quiet = f->quiet;
	s->state_path = f->state;
	s->book = cJSON_CreateObject();
	s->faults = cJSON_CreateArray();
	s->entries = cJSON_CreateArray();
	s->media = media_new();
	s->limits = limits_new();
	return s->book && s->faults && s->entries && s->media && s->limits &&
		journal_init(&s->requests, REQUESTS_MAX, JOURNAL_BYTES) &&
		journal_init(&s->sent, REQUESTS_MAX, JOURNAL_BYTES) &&
		journal_init(&s->feed, FEED_MAX, JOURNAL_BYTES) && deliveries_start(s);
}

static void close_house(struct sandbox *s)
{
	deliveries_stop(s);
	journal_clear(&s->requests);
	journal_clear(&s->sent);
	journal_clear(&s->feed);
	media_free(s->media);
	limits_free(s->limits);
	cJSON_Delete(s->book);
	cJSON_Delete(s->faults);
	cJSON_Delete(s->entries);
	pthread_cond_destroy(&s->changed);
	pthread_cond_destroy(&s->taken_back);
	pthread_mutex_destroy(&s->mutex);
}

static void on_alarm(int signal)
{
	(void)signal;
	_exit(0);
}

/* Then it may take its time with what is under way, but not long: all that is kept is on disk. */
static void wait_for_end(struct sandbox *s, const sigset_t *ends)
{
	int which;

	(void)sigwait(ends, &which);
	signal(SIGALRM, on_alarm);
	alarm(END_S);
	pthread_mutex_lock(&s->mutex);
	atomic_store(&s->closing, true);
	pthread_cond_broadcast(&s->changed);
	pthread_cond_broadcast(&s->taken_back);
	pthread_mutex_unlock(&s->mutex);
}

/* As many descriptors as it may have: a crowd of callers is more than the usual 1,024. */
static void raise_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv)
{
	struct flags f = {.listen = "127.0.0.1:8900", .statuses = "read"};
	struct http_server *server = NULL;
	struct sandbox s = {0};
	sigset_t ends;
	int status = read_flags(&f, argc, argv);

	if (status != GO_ON)
		return status;
	if (!read_statuses(f.statuses, &s.statuses))
		return wrong_usage();
	status = 1;
	/* Every thread inherits the mask: the signals wait for sigwait. */
	sigemptyset(&ends);
	sigaddset(&ends, SIGINT);
	sigaddset(&ends, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &ends, NULL);
	signal(SIGPIPE, SIG_IGN);
	raise_files();
	mallopt(M_MMAP_THRESHOLD, 1 << 20); /* uploads are given back to the system, whichever thread had them */
	json_init();
	if (sodium_init() >= 0 && open_house(&s, &f) && read_book(&s, &f) && start_server(&s, &f, &server)) {
		(void)printf("sandbox on %s\n", s.url);
		(void)fflush(stdout);
		wait_for_end(&s, &ends);
		http_server_stop(server);
		status = 0;
	}
	close_house(&s);
	return status;
}
