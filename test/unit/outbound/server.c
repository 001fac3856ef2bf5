/*
 * The test's HTTP server: a process of its own, a thread a connection, keep-alive, one fault a path. Threads in the
 * test's process would be running whenever it forks a vault and a sender, whose memory allocator could then be
 * locked for ever.
 */
#include "test/unit/outbound/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NUMBERS 64

struct slot {
	char number[64];
	struct server_seen seen;
	enum server_how how;
	int status;
	char headers[512], body[1 << 19];
};

/* Shared by the test and the servers' processes, by nobody else. */
static struct shared {
	pthread_mutex_t lock;
	unsigned connections;
	size_t slots_len;
	struct slot slots[NUMBERS];
} * shared;

static void shared_open(void)
{
	pthread_mutexattr_t attr;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pthread_mutexattr_init(&attr) != 0 ||
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
		pthread_mutex_init(&shared->lock, &attr) != 0)
		abort();
	(void)pthread_mutexattr_destroy(&attr);
}

static int listen_anywhere(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 128) != 0 ||
		getsockname(fd, (struct sockaddr *)&a, &len) != 0)
		abort();
	*port = ntohs(a.sin_port);
	return fd;
}

static struct slot *slot_of(const char *number)
{
	struct slot *s = shared->slots;

	while (s < shared->slots + shared->slots_len && strcmp(s->number, number) != 0)
		s++;
	if (s < shared->slots + shared->slots_len)
		return s;
	if (shared->slots_len++ == NUMBERS)
		abort();
	s->seen = (struct server_seen){0};
	s->how = SERVER_ANSWER;
	s->status = 0;
	s->headers[0] = s->body[0] = '\0';
	(void)snprintf(s->number, sizeof(s->number), "%s", number);
	return s;
}

void server_reset(void)
{
	pthread_mutex_lock(&shared->lock);
	shared->slots_len = 0;
	shared->connections = 0;
	pthread_mutex_unlock(&shared->lock);
}

static void copy(char *out, size_t room, const char *text)
{
	const size_t len = text != NULL ? strlen(text) : 0;

	if (len >= room)
		abort();
	memcpy(out, text != NULL ? text : "", len + 1);
}

void server_set(const char *number, const struct server_reply *reply)
{
	struct slot *s;

	pthread_mutex_lock(&shared->lock);
	s = slot_of(number);
	s->how = reply->how;
	s->status = reply->status;
	copy(s->headers, sizeof(s->headers), reply->headers);
	copy(s->body, sizeof(s->body), reply->body);
	pthread_mutex_unlock(&shared->lock);
}

void server_seen(const char *number, struct server_seen *out)
{
	pthread_mutex_lock(&shared->lock);
	*out = slot_of(number)->seen;
	pthread_mutex_unlock(&shared->lock);
}

unsigned server_connections(void)
{
	pthread_mutex_lock(&shared->lock);
	const unsigned n = shared->connections;
	pthread_mutex_unlock(&shared->lock);
	return n;
}

static bool send_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = send(fd, data, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* Reads one request into text; false at the end. */
static bool read_request(int fd, char *text, size_t room, size_t *head_len)
{
	size_t len = 0, want = 0;
	char *end = NULL;

	while (end == NULL || len < want) {
		const ssize_t n = len + 1 < room ? recv(fd, text + len, room - len - 1, 0) : 0;

		if (n <= 0)
			return false;
		len += (size_t)n;
		text[len] = '\0';
		end = strstr(text, "\r\n\r\n");
		if (end != NULL && want == 0) {
			const char *header = strcasestr(text, "\r\nContent-Length:");

			*head_len = (size_t)(end - text) + 4;
			want = *head_len + (header != NULL && header < end ? strtoul(header + 17, NULL, 10) : 0);
		}
	}
	return true;
}

void server_header(const struct server_seen *seen, const char *name, char *out, size_t out_len)
{
	const size_t len = strlen(name);

	out[0] = '\0';
	for (const char *at = strstr(seen->head, "\r\n"); at != NULL && at[2] != '\0'; at = strstr(at + 2, "\r\n"))
		if (strncasecmp(at + 2, name, len) == 0 && strncmp(at + 2 + len, ": ", 2) == 0)
			(void)snprintf(out, out_len, "%.*s", (int)strcspn(at + len + 4, "\r"), at + len + 4);
}

static void note(struct server_seen *seen, const char *text, size_t head_len, int fd)
{
	const char *end = strstr(text, "\r\n"), *at = text;
	struct sockaddr_in a = {0};
	socklen_t len = sizeof(a);

	(void)getsockname(fd, (struct sockaddr *)&a, &len);
	seen->port = ntohs(a.sin_port);
	seen->requests++;
	seen->authorizations = 0;
	(void)snprintf(seen->head, sizeof(seen->head), "%.*s", (int)head_len, text);
	seen->body_len = strlen(text + head_len);
	(void)snprintf(seen->path, sizeof(seen->path), "%.*s", (int)(end - text), text);
	(void)snprintf(seen->body, sizeof(seen->body), "%s", text + head_len);
	while ((at = strcasestr(at, "\r\nAuthorization: ")) != NULL) {
		at += 17;
		seen->authorizations++;
		(void)snprintf(seen->authorization, sizeof(seen->authorization), "%.*s", (int)strcspn(at, "\r"), at);
	}
}

static bool reply_to(int fd, const struct server_reply *r, const char *number, unsigned on_connection)
{
	static const char filler[65536];
	char head[1024], accepted[512];
	const char *body = r->body;
	size_t len;

	if (r->how == SERVER_LATE)
		(void)usleep(300000);
	if (r->how == SERVER_HANG)
		for (;;)
			(void)sleep(60);
	if (r->how == SERVER_DROP || (r->how == SERVER_DROP_REUSED && on_connection > 1))
		return false;
	if (r->status == 0) {
		(void)snprintf(accepted, sizeof(accepted),
			"{\"messaging_product\":\"whatsapp\",\"contacts\":[{\"input\":\"+1\",\"wa_id\":\"15551234567\"}"
			"],"
			"\"messages\":[{\"id\":\"wamid.HBg%s\"}],\"trap\":\"not asked for\"}",
			number);
		body = accepted;
	}
	len = r->how == SERVER_HUGE ? 100u << 20 : strlen(body);
	(void)snprintf(head, sizeof(head),
		"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n%s\r\n",
		r->status == 0 ? 200 : r->status, len, r->headers);
	if (!send_all(fd, head, strlen(head)))
		return false;
	if (r->how == SERVER_HUGE) {
		for (size_t sent = 0; sent < len; sent += sizeof(filler))
			if (!send_all(fd, filler, sizeof(filler)))
				return false;
		return true;
	}
	return send_all(fd, body, r->how == SERVER_TRUNCATE ? len / 2 : len) && r->how != SERVER_TRUNCATE;
}

static void *serve_one(void *arg)
{
	const int fd = (int)(intptr_t)arg;
	char *text = malloc(300000);
	unsigned on_connection = 0;
	size_t head_len = 0;

	while (read_request(fd, text, 300000, &head_len)) {
		char number[64] = "";
		const char *at = strchr(text, '/');

		if (at != NULL && strncmp(at, "/v2", 3) == 0) {
			at = strchr(at + 1, '/');
			(void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(at + 1, "/? "), at + 1);
		} else if (at != NULL) {
			(void)snprintf(number, sizeof(number), "%.*s", (int)strcspn(at + 1, "? "), at + 1);
		}
		pthread_mutex_lock(&shared->lock);
		struct slot *s = slot_of(number);
		note(&s->seen, text, head_len, fd);
		const struct server_reply r = {s->how, s->status, strdup(s->headers), strdup(s->body)};
		pthread_mutex_unlock(&shared->lock);
		const bool more = reply_to(fd, &r, number, ++on_connection);
		free((void *)r.headers);
		free((void *)r.body);
		if (!more)
			break;
	}
	free(text);
	close(fd);
	return NULL;
}

static void serve_all(int fd)
{
	for (;;) {
		const int got = accept(fd, NULL, NULL);
		pthread_t t;

		if (got < 0)
			_exit(1);
		pthread_mutex_lock(&shared->lock);
		shared->connections++;
		pthread_mutex_unlock(&shared->lock);
		if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)got) != 0)
			abort();
		(void)pthread_detach(t);
	}
}

uint16_t server_start(void)
{
	uint16_t port;
	int fd = listen_anywhere(&port);

	if (shared == NULL)
		shared_open();
	else if (madvise(shared, sizeof(*shared), MADV_DOFORK) != 0)
		abort();
	switch (fork()) {
	case -1:
		abort();
	case 0:
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		serve_all(fd);
		break;
	default:
		break;
	}
	close(fd);
	/* What came with a request holds keys: a sender's memory is searched for them. */
	if (madvise(shared, sizeof(*shared), MADV_DONTFORK) != 0)
		abort();
	return port;
}
