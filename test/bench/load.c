/*
 * A load generator for `make bench`: sends prepared HTTP requests to a server on loopback, measures the answers.
 *
 *   load --to 127.0.0.1:PORT --requests FILE --connections N --seconds S [--rate R] [--first N] [--count N] [--wrap]
 *        [--starts FILE] [--callers N] [--tls]
 *
 * FILE: see requests.h. Its requests are sent in their order, each once, from the --first one on (0), at most --count of
 * them; with --wrap again from there when they are used up. They must not ask for connections that close.
 *
 * Without --rate, closed loop: each connection sends its next request when the last one is answered, for S seconds or
 * until there are no more. With --rate, open loop: R requests a second, evenly, for S seconds, on whichever connection
 * has been free the longest. Each has a moment at which it is meant to go, and its latency counts from that moment,
 * not from the one at which a connection was free for it: a server that stands still pays for all who wait meanwhile.
 *
 * The connections come from --callers addresses in turn (1), 127.0.0.1 and those after it. With --tls they are TLS ones,
 * and whose certificate it is does not matter.
 *
 * Standard output: one JSON object. answered, statuses {"200": n}, cut (closed before the answer was whole), malformed,
 * unanswered and unsent (OVERTIME_S after the end), reconnects; seconds (first start to last answer), rate (answered a
 * second); latency_ms, and late_ms (how long a request that was due stayed here though a connection was free), with
 * p50, p90, p99, p999, max; cpu_seconds of this program. --starts: a line for each request sent, in their order:
 * CLOCK_REALTIME seconds of the moment that its latency counts from. Exit status 0 whatever the figures are, 1 when it
 * could not measure, 2 for wrong usage.
 *
 * One thread. It connects to 127.0.0.0/8 only, sends SENT_MAX requests at most, and ends by itself.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "test/bench/requests.h"

#define SECOND 1000000000ull /* times are nanoseconds */
#define SECONDS_MAX 120.0
#define RATE_MAX 200000.0
#define CONNECTIONS_MAX 1024u
#define CALLERS_MAX 200u
#define SENT_MAX 10000000u
#define OVERTIME_S 5u
#define ANSWER_MAX 4096u
#define STATUS_MAX 600u

struct settings {
	struct sockaddr_in to;
	const char *file, *starts;
	unsigned long connections, callers, first, count;
	double seconds, rate;
	bool wrap, tls;
};

struct series {
	uint64_t *values;
	size_t len, room;
};

struct connection {
	int fd;
	SSL *ssl; /* NULL: none */
	bool busy;
	const uint8_t *out; /* what of the request is not written yet */
	size_t out_len;
	uint64_t from; /* what the latency of its request counts from */
	uint64_t free_since;
	char in[ANSWER_MAX];
	size_t in_len;
};

struct load {
	struct settings set;
	struct requests requests;
	struct connection *connections;
	unsigned *free; /* a ring: connections without a request, the longest idle first */
	unsigned free_at, free_len, busy;
	int epoll;
	SSL_CTX *tls;
	uint64_t start, end, last_answer;
	unsigned long sent, planned; /* planned: of an open loop; 0 of a closed one */
	struct series latency, late, starts;
	unsigned long statuses[STATUS_MAX], answered, cut, malformed, reconnects;
};

__attribute__((noreturn, format(printf, 2, 3))) static void stop(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)fputs("load: ", stderr);
	(void)vfprintf(stderr, format, arguments);
	(void)fputc('\n', stderr);
	va_end(arguments);
	exit(status);
}

static uint64_t now_of(clockid_t clock)
{
	struct timespec t;

	(void)clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t now(void)
{
	return now_of(CLOCK_MONOTONIC);
}

static void series_add(struct series *s, uint64_t value)
{
	if (s->len == s->room) {
		s->room = s->room > 0 ? s->room * 2 : 65536;
		s->values = reallocarray(s->values, s->room, sizeof(*s->values));
		if (s->values == NULL)
			stop(1, "out of memory");
	}
	s->values[s->len++] = value;
}

/* ------------------------------------------------------------ connections */

static void handshake(struct load *l, struct connection *c)
{
	c->ssl = SSL_new(l->tls);
	if (c->ssl == NULL || SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
		stop(1, "no TLS with the server");
}

static void connection_open(struct load *l, struct connection *c)
{
	struct epoll_event want = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
	unsigned long caller = (unsigned long)(c - l->connections) % l->set.callers;
	struct sockaddr_in from = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (in_addr_t)caller)};
	int yes = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || (caller > 0 && bind(c->fd, (const struct sockaddr *)&from, sizeof(from)) != 0) ||
		connect(c->fd, (const struct sockaddr *)&l->set.to, sizeof(l->set.to)) != 0)
		stop(1, "cannot connect: %s", strerror(errno));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
	if (l->set.tls)
		handshake(l, c);
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &want) != 0)
		stop(1, "cannot wait for a connection: %s", strerror(errno));
	c->in_len = c->out_len = 0;
}

static void connection_free(struct load *l, struct connection *c)
{
	c->busy = false;
	c->free_since = now();
	l->busy--;
	l->free[(l->free_at + l->free_len++) % l->set.connections] = (unsigned)(c - l->connections);
}

/* The server closed it, or said that it would, or what it says makes no sense. */
static void connection_renew(struct load *l, struct connection *c)
{
	SSL_free(c->ssl);
	c->ssl = NULL;
	(void)close(c->fd);
	l->reconnects++;
	connection_open(l, c);
}

static void connection_fail(struct load *l, struct connection *c, unsigned long *count)
{
	(*count)++;
	connection_renew(l, c);
	connection_free(l, c);
}

/* What SSL_read and SSL_write said, as recv and send would. */
static ssize_t like_socket(const struct connection *c, int n)
{
	const int error = n > 0 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, n);

	ERR_clear_error();
	if (n > 0)
		return n;
	errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
	return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static ssize_t connection_send(const struct connection *c)
{
	return c->ssl != NULL ? like_socket(c, SSL_write(c->ssl, c->out, (int)c->out_len))
			      : send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
}

static ssize_t connection_recv(struct connection *c, size_t at)
{
	return c->ssl != NULL ? like_socket(c, SSL_read(c->ssl, c->in + at, (int)(ANSWER_MAX - 1 - at)))
			      : recv(c->fd, c->in + at, ANSWER_MAX - 1 - at, 0);
}

/* Writes what goes. False: the connection is gone. */
static bool connection_write(struct connection *c)
{
	while (c->out_len > 0) {
		ssize_t n = connection_send(c);

		if (n < 0)
			return errno == EAGAIN;
		c->out += n;
		c->out_len -= (size_t)n;
	}
	return true;
}

/* ------------------------------------------------------------ answers */

/* Compares a header's name, which ends with a colon. */
static bool is_header(const char *line, const char *end, const char *name)
{
	size_t len = strlen(name);

	return (size_t)(end - line) > len && strncasecmp(line, name, len) == 0;
}

struct head {
	unsigned status;
	size_t len, body_len; /* len 0: the head is not whole yet */
	bool closes;
};

/* Reads the head of an answer; c->in ends with a NUL. False: malformed. */
static bool head_read(const struct connection *c, struct head *h)
{
	static const char blank[] = "\r\n\r\n", version[] = "HTTP/1.1 ";
	const char *end = memmem(c->in, c->in_len, blank, 4), *line = c->in, *value;
	bool measured = false;

	*h = (struct head){0};
	if (end == NULL)
		return c->in_len < ANSWER_MAX - 1;
	h->len = (size_t)(end - c->in) + 4;
	if (strncmp(line, version, sizeof(version) - 1) != 0)
		return false;
	h->status = (unsigned)strtoul(line + sizeof(version) - 1, NULL, 10);
	while ((line = memmem(line, (size_t)(end - line), "\r\n", 2)) != NULL) {
		line += 2;
		value = strchr(line, ':');
		if (is_header(line, end, "content-length:")) {
			h->body_len = strtoul(value + 1, NULL, 10);
			measured = true;
		} else if (is_header(line, end, "connection:")) {
			h->closes = strncasecmp(value + 1, " close", 6) == 0;
		}
	}
	return measured && h->status >= 100 && h->status < STATUS_MAX && h->len + h->body_len < ANSWER_MAX;
}

/* Takes what has arrived on a connection with a request. */
static void answer_take(struct load *l, struct connection *c)
{
	struct head h;

	c->in[c->in_len] = '\0';
	if (!head_read(c, &h) || (h.len > 0 && c->in_len > h.len + h.body_len)) {
		connection_fail(l, c, &l->malformed);
		return;
	}
	if (h.len == 0 || c->in_len < h.len + h.body_len)
		return;
	l->last_answer = now();
	series_add(&l->latency, l->last_answer - c->from);
	l->statuses[h.status]++;
	l->answered++;
	c->in_len = 0;
	if (h.closes)
		connection_renew(l, c);
	connection_free(l, c);
}

/* Nobody asked for anything here: the server closes, or speaks out of turn. */
static void idle_event(struct load *l, struct connection *c)
{
	ssize_t n = connection_recv(c, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	l->malformed += n > 0;
	connection_renew(l, c);
}

static void connection_event(struct load *l, struct connection *c)
{
	if (!c->busy) {
		idle_event(l, c);
		return;
	}
	if (!connection_write(c)) {
		connection_fail(l, c, &l->cut);
		return;
	}
	/* Events come once: what has arrived is read until the answer is whole, or no more is there. */
	while (c->busy) {
		ssize_t n = connection_recv(c, c->in_len);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			connection_fail(l, c, &l->cut);
			return;
		}
		c->in_len += (size_t)n;
		answer_take(l, c);
	}
}

/* ------------------------------------------------------------ sending */

/* Sends the next request on the connection that has been free the longest. False: there are no more. */
static bool send_next(struct load *l, uint64_t from, uint64_t at)
{
	size_t len;
	const uint8_t *request = l->sent < SENT_MAX ? requests_next(&l->requests, &len) : NULL;
	struct connection *c = &l->connections[l->free[l->free_at]];

	if (request == NULL)
		return false;
	l->free_at = (unsigned)((l->free_at + 1) % l->set.connections);
	l->free_len--;
	l->busy++;
	l->sent++;
	c->busy = true;
	c->out = request;
	c->out_len = len;
	c->from = from;
	series_add(&l->late, at - (c->free_since > from ? c->free_since : from));
	if (l->set.starts != NULL)
		series_add(&l->starts, from);
	if (!connection_write(c))
		connection_fail(l, c, &l->cut);
	return true;
}

static uint64_t moment(const struct load *l, unsigned long n)
{
	return l->start + (uint64_t)((double)n * (double)SECOND / l->set.rate);
}

/* Sends what may go now. Returns how long to wait for more to do, in nanoseconds; 0: nothing is left to send. */
static uint64_t send_due(struct load *l)
{
	bool open = l->set.rate > 0;

	while (l->free_len > 0) {
		uint64_t at = now(), from = open ? moment(l, l->sent) : at;

		if (open ? l->sent == l->planned : at >= l->end)
			return 0;
		if (from > at)
			return from - at;
		if (!send_next(l, from, at))
			return 0;
	}
	return SECOND / 10;
}

static void run(struct load *l)
{
	struct epoll_event events[64];
	uint64_t give_up;

	l->start = l->last_answer = now();
	l->end = l->start + (uint64_t)(l->set.seconds * (double)SECOND);
	l->planned = (unsigned long)(l->set.seconds * l->set.rate);
	give_up = l->end + OVERTIME_S * SECOND;
	for (;;) {
		uint64_t wait = send_due(l);
		struct timespec t = {.tv_nsec = wait > 0 && wait < SECOND ? (long)wait : (long)(SECOND / 10)};
		int n;

		if ((wait == 0 && l->busy == 0) || now() >= give_up)
			return;
		n = epoll_pwait2(l->epoll, events, 64, &t, NULL);
		if (n < 0 && errno != EINTR)
			stop(1, "epoll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			connection_event(l, events[i].data.ptr);
	}
}

/* ------------------------------------------------------------ what came of it */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* A share of a sorted series, in milliseconds: the least value that so much of it does not exceed. */
static double share(const struct series *s, double part)
{
	size_t at = (size_t)((double)s->len * part);

	return s->len == 0 ? 0 : (double)s->values[at < s->len ? at : s->len - 1] / 1e6;
}

static void print_series(const char *name, struct series *s)
{
	if (s->len > 0)
		qsort(s->values, s->len, sizeof(*s->values), compare);
	(void)printf("\"%s\": {\"p50\": %.4f, \"p90\": %.4f, \"p99\": %.4f, \"p999\": %.4f, \"max\": %.4f}, ", name,
		share(s, 0.5), share(s, 0.9), share(s, 0.99), share(s, 0.999), share(s, 1));
}

static double cpu_seconds(void)
{
	struct rusage use;

	(void)getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
		(double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

static void print_result(struct load *l, double cpu)
{
	double seconds = (double)(l->last_answer - l->start) / (double)SECOND;
	const char *comma = "";

	(void)printf("{\"answered\": %lu, \"statuses\": {", l->answered);
	for (unsigned i = 0; i < STATUS_MAX; i++)
		if (l->statuses[i] > 0) {
			(void)printf("%s\"%u\": %lu", comma, i, l->statuses[i]);
			comma = ", ";
		}
	(void)printf("}, \"cut\": %lu, \"malformed\": %lu, \"unanswered\": %u, \"unsent\": %lu, \"reconnects\": %lu, ",
		l->cut, l->malformed, l->busy, l->planned > l->sent ? l->planned - l->sent : 0, l->reconnects);
	print_series("latency_ms", &l->latency);
	print_series("late_ms", &l->late);
	(void)printf("\"seconds\": %.6f, \"rate\": %.1f, \"cpu_seconds\": %.6f}\n", seconds,
		seconds > 0 ? (double)l->answered / seconds : 0, cpu);
}

/* Monotonic moments become the clock's that other programs write down. */
static void write_starts(const struct load *l)
{
	uint64_t shift = now_of(CLOCK_REALTIME) - now();
	FILE *f = fopen(l->set.starts, "we");

	if (f == NULL)
		stop(1, "%s: %s", l->set.starts, strerror(errno));
	for (size_t i = 0; i < l->starts.len; i++) {
		uint64_t at = l->starts.values[i] + shift;

		(void)fprintf(f, "%llu.%09llu\n", (unsigned long long)(at / SECOND), (unsigned long long)(at % SECOND));
	}
	if (ferror(f) != 0 || fclose(f) != 0)
		stop(1, "%s: cannot be written", l->set.starts);
}

/* ------------------------------------------------------------ usage */

static double number(const char *name, const char *text, double min, double max)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n >= min && n <= max))
		stop(2, "--%s: a number from %g to %g", name, min, max);
	return n;
}

static void read_address(const char *text, struct sockaddr_in *to)
{
	const char *colon = strchr(text, ':');
	char address[INET_ADDRSTRLEN] = "";

	to->sin_family = AF_INET;
	if (colon == NULL || (size_t)(colon - text) >= sizeof(address))
		stop(2, "--to: ADDRESS:PORT");
	memcpy(address, text, (size_t)(colon - text));
	if (inet_pton(AF_INET, address, &to->sin_addr) != 1 || ntohl(to->sin_addr.s_addr) >> 24 != 127)
		stop(2, "--to: an address in 127.0.0.0/8");
	to->sin_port = htons((uint16_t)number("to", colon + 1, 1, 65535));
}

static void read_settings(int argc, char **argv, struct settings *set)
{
	enum { TO, REQUESTS, CONNECTIONS, SECONDS, RATE, FIRST, COUNT, WRAP, STARTS, CALLERS, TLS };
	static const struct option options[] = {{"to", required_argument, NULL, TO},
		{"requests", required_argument, NULL, REQUESTS}, {"connections", required_argument, NULL, CONNECTIONS},
		{"seconds", required_argument, NULL, SECONDS}, {"rate", required_argument, NULL, RATE},
		{"first", required_argument, NULL, FIRST}, {"count", required_argument, NULL, COUNT},
		{"wrap", no_argument, NULL, WRAP}, {"starts", required_argument, NULL, STARTS},
		{"callers", required_argument, NULL, CALLERS}, {"tls", no_argument, NULL, TLS}, {NULL, 0, NULL, 0}};
	int o, which = 0;

	*set = (struct settings){.count = SENT_MAX, .callers = 1};
	while ((o = getopt_long(argc, argv, "", options, &which)) != -1) {
		if (o == TO)
			read_address(optarg, &set->to);
		else if (o == REQUESTS)
			set->file = optarg;
		else if (o == CONNECTIONS)
			set->connections = (unsigned long)number("connections", optarg, 1, CONNECTIONS_MAX);
		else if (o == SECONDS)
			set->seconds = number("seconds", optarg, 0.01, SECONDS_MAX);
		else if (o == RATE)
			set->rate = number("rate", optarg, 0.1, RATE_MAX);
		else if (o == FIRST)
			set->first = (unsigned long)number("first", optarg, 0, SENT_MAX);
		else if (o == COUNT)
			set->count = (unsigned long)number("count", optarg, 1, SENT_MAX);
		else if (o == WRAP)
			set->wrap = true;
		else if (o == STARTS)
			set->starts = optarg;
		else if (o == CALLERS)
			set->callers = (unsigned long)number("callers", optarg, 1, CALLERS_MAX);
		else if (o == TLS)
			set->tls = true;
		else
			stop(2, "usage: see the head of load.c");
	}
	if (optind != argc || set->to.sin_port == 0 || set->file == NULL || set->connections == 0 || set->seconds <= 0)
		stop(2, "needed: --to, --requests, --connections, --seconds");
}

int main(int argc, char **argv)
{
	static struct load l;
	const char *wrong;
	double cpu;

	read_settings(argc, argv, &l.set);
	(void)alarm((unsigned)l.set.seconds + OVERTIME_S + 30); /* whatever happens */
	(void)prctl(PR_SET_TIMERSLACK, 1000ul, 0ul, 0ul, 0ul); /* moments are kept to a microsecond */
	wrong = requests_open(&l.requests, l.set.file, l.set.first, l.set.count);
	if (wrong != NULL)
		stop(1, "%s: %s", l.set.file, wrong);
	l.requests.wrap = l.set.wrap;
	l.epoll = epoll_create1(EPOLL_CLOEXEC);
	l.connections = calloc(l.set.connections, sizeof(*l.connections));
	l.free = calloc(l.set.connections, sizeof(*l.free));
	l.tls = l.set.tls ? SSL_CTX_new(TLS_client_method()) : NULL;
	if ((l.set.tls && l.tls == NULL) || l.epoll < 0 || l.connections == NULL || l.free == NULL)
		stop(1, "out of memory");
	for (unsigned i = 0; i < l.set.connections; i++) {
		connection_open(&l, &l.connections[i]);
		l.free[l.free_len++] = i;
	}
	cpu = cpu_seconds();
	run(&l);
	cpu = cpu_seconds() - cpu;
	if (l.set.starts != NULL)
		write_starts(&l);
	print_result(&l, cpu);
	return ferror(stdout) != 0 || fflush(stdout) != 0;
}
