/*
 * A thread a connection, one request after the other; a process of its own, as server.c is.
 */
#include "test/unit/outbound/streams.h"

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

#define PIECE 65536u

static struct shared {
	pthread_mutex_t lock;
	struct streams_seen seen;
} * shared;

void streams_fill(uint64_t at, uint8_t *to, size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = (uint8_t)((at + i) * 31 + ((at + i) >> 9));
}

uint64_t streams_hash(uint64_t hash, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ bytes[i]) * 0x100000001b3u;
	return hash;
}

void streams_seen(struct streams_seen *out)
{
	pthread_mutex_lock(&shared->lock);
	*out = shared->seen;
	pthread_mutex_unlock(&shared->lock);
}

/* ------------------------------------------------------------ a connection */

struct wire {
	int fd;
	uint8_t data[PIECE];
	size_t at, len;
};

static bool more(struct wire *w)
{
	const ssize_t n = recv(w->fd, w->data, sizeof(w->data), 0);

	w->at = 0;
	w->len = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static bool put(int fd, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0) {
		const ssize_t n = send(fd, at, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

static bool read_line(struct wire *w, char *line, size_t room)
{
	size_t n = 0;

	while (n + 1 < room) {
		if (w->at == w->len && !more(w))
			return false;
		line[n] = (char)w->data[w->at++];
		if (line[n++] == '\n')
			break;
	}
	line[n] = '\0';
	return true;
}

struct request {
	char line[8192], head[8192];
	bool chunked;
	uint64_t len;
};

static bool read_request(struct wire *w, struct request *r)
{
	char line[8192];
	size_t used = 0;

	*r = (struct request){.len = 0};
	if (!read_line(w, r->line, sizeof(r->line)))
		return false;
	while (read_line(w, line, sizeof(line)) && strcmp(line, "\r\n") != 0) {
		if (strncasecmp(line, "Content-Length:", 15) == 0)
			r->len = strtoull(line + 15, NULL, 10);
		r->chunked = r->chunked || strcasecmp(line, "Transfer-Encoding: chunked\r\n") == 0;
		used += (size_t)snprintf(r->head + used, sizeof(r->head) - used, "%s", line);
		if (used >= sizeof(r->head))
			abort();
	}
	return true;
}

/* The number or text behind "name=" in the request's line. */
static const char *asked(const struct request *r, const char *name, char *out, size_t room)
{
	const char *found = strstr(r->line, name);

	if (found == NULL)
		return NULL;
	found += strlen(name);
	(void)snprintf(out, room, "%.*s", (int)strcspn(found, "& "), found);
	return out;
}

static uint64_t asked_number(const struct request *r, const char *name, uint64_t otherwise)
{
	char text[64];

	return asked(r, name, text, sizeof(text)) != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void hang(void)
{
	for (;;)
		(void)sleep(60);
}

/* ------------------------------------------------------------ what is asked */

static bool answer(int fd, int status, const char *type, const char *body)
{
	char head[2048];

	(void)snprintf(head, sizeof(head),
		"HTTP/1.1 %d X\r\nContent-Type: %s\r\nContent-Length: %zu\r\nx-fb-trace-id: Abc\r\n"
		"Set-Cookie: a=b\r\n%s"
		"X-Business-Use-Case-Usage: {\"102\":[{\"type\":\"whatsapp\",\"call_count\":28,\"total_time\":25,"
		"\"estimated_time_to_regain_access\":7}]}\r\n\r\n",
		status, type, strlen(body), status / 100 == 3 ? "Location: https://elsewhere.example/stolen\r\n" : "");
	return put(fd, head, strlen(head)) && put(fd, body, strlen(body));
}

/* Up to so many bytes of it; the hash goes on. False: it broke off. */
static bool read_bytes(struct wire *w, uint64_t len, uint64_t *hash)
{
	while (len > 0) {
		size_t n;

		if (w->at == w->len && !more(w))
			return false;
		n = w->len - w->at < len ? w->len - w->at : (size_t)len;
		*hash = streams_hash(*hash, w->data + w->at, n);
		w->at += n;
		len -= n;
	}
	return true;
}

static bool read_chunks(struct wire *w, uint64_t *len, uint64_t *hash)
{
	char line[64];

	for (;;) {
		uint64_t n;

		if (!read_line(w, line, sizeof(line)))
			return false;
		n = strtoull(line, NULL, 16);
		if (!read_bytes(w, n, hash) || !read_line(w, line, sizeof(line)))
			return false;
		if (n == 0)
			return true;
		*len += n;
	}
}

static bool upload(struct wire *w, const struct request *r)
{
	uint64_t hash = STREAMS_HASH, len = r->len;
	const uint64_t stop = asked_number(r, "hang=", asked_number(r, "drop=", 0));
	char body[256];
	bool whole;

	if (strstr(r->line, "early=") != NULL) {
		(void)read_bytes(w, asked_number(r, "after=", 0), &hash);
		(void)answer(w->fd, (int)asked_number(r, "early=", 0), "application/json",
			"{\"error\":{\"message\":\"no\",\"code\":190}}");
		while (more(w))
			;
		pthread_mutex_lock(&shared->lock);
		shared->seen.closed++;
		pthread_mutex_unlock(&shared->lock);
		return false;
	}
	if (stop > 0) {
		(void)read_bytes(w, stop, &hash);
		if (strstr(r->line, "hang=") != NULL)
			hang();
		return false;
	}
	whole = r->chunked ? read_chunks(w, &len, &hash) : read_bytes(w, len, &hash);
	if (!whole) {
		pthread_mutex_lock(&shared->lock);
		shared->seen.broken++;
		pthread_mutex_unlock(&shared->lock);
		return false;
	}
	(void)snprintf(body, sizeof(body), "{\"id\":\"77\",\"len\":%llu,\"hash\":\"%llx\"}", (unsigned long long)len,
		(unsigned long long)hash);
	return answer(w->fd, 200, "application/json", body);
}

static bool file(struct wire *w, const struct request *r)
{
	const uint64_t size = asked_number(r, "size=", 0), dropped = asked_number(r, "drop=", UINT64_MAX);
	const uint64_t stop = asked_number(r, "hang=", dropped);
	const bool measured = strstr(r->line, "length=no") == NULL;
	char head[2048], type[256], text[4096], length[64] = "";
	const bool has_text = asked(r, "text=", text, sizeof(text)) != NULL;
	const int status = (int)asked_number(r, "status=", 200);
	const size_t text_len = has_text ? strlen(text) : 0;
	static _Thread_local uint8_t piece[PIECE];

	if (asked(r, "type=", type, sizeof(type)) == NULL)
		(void)snprintf(type, sizeof(type), "application/octet-stream");
	if (measured)
		(void)snprintf(
			length, sizeof(length), "Content-Length: %llu\r\n", (unsigned long long)(text_len + size));
	(void)snprintf(head, sizeof(head),
		"HTTP/1.1 %d X\r\nContent-Type: %s\r\n%sContent-Disposition: attachment\r\nSet-Cookie: a=b\r\n%s\r\n",
		status, type, length, status / 100 == 3 ? "Location: https://elsewhere.example/stolen\r\n" : "");
	if (!put(w->fd, head, strlen(head)) || !put(w->fd, text, text_len))
		return false;
	for (uint64_t at = 0; at < size;) {
		const uint64_t end = stop < size ? stop : size;
		const size_t n = end - at < sizeof(piece) ? (size_t)(end - at) : sizeof(piece);

		if (n == 0 && strstr(r->line, "hang=") != NULL)
			hang();
		if (n == 0)
			return false;
		if (has_text)
			memset(piece, ' ', n);
		else
			streams_fill(at, piece, n);
		if (!put(w->fd, piece, n)) {
			pthread_mutex_lock(&shared->lock);
			shared->seen.broken++;
			pthread_mutex_unlock(&shared->lock);
			return false;
		}
		at += n;
	}
	return measured;
}

static bool serve(struct wire *w, const struct request *r)
{
	if (strncmp(r->line, "POST ", 5) == 0)
		return upload(w, r);
	if (strncmp(r->line, "DELETE ", 7) == 0)
		return answer(w->fd, 200, "application/json", "{\"success\":true}");
	return file(w, r);
}

static void *serve_one(void *arg)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct request *r = calloc(1, sizeof(*r));

	w->fd = (int)(intptr_t)arg;
	while (read_request(w, r)) {
		pthread_mutex_lock(&shared->lock);
		shared->seen.requests++;
		(void)snprintf(
			shared->seen.line, sizeof(shared->seen.line), "%.*s", (int)strcspn(r->line, "\r"), r->line);
		(void)snprintf(shared->seen.head, sizeof(shared->seen.head), "%s", r->head);
		pthread_mutex_unlock(&shared->lock);
		if (!serve(w, r))
			break;
	}
	close(w->fd);
	free(w);
	free(r);
	return NULL;
}

static void serve_all(int fd)
{
	for (;;) {
		const int got = accept(fd, NULL, NULL);
		pthread_t t;

		if (got < 0 || pthread_create(&t, NULL, serve_one, (void *)(intptr_t)got) != 0)
			_exit(1);
		(void)pthread_detach(t);
	}
}

uint16_t streams_start(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pthread_mutexattr_t attr;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED || pthread_mutexattr_init(&attr) != 0 ||
		pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED) != 0 ||
		pthread_mutex_init(&shared->lock, &attr) != 0)
		abort();
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 128) != 0 ||
		getsockname(fd, (struct sockaddr *)&a, &len) != 0)
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
	return ntohs(a.sin_port);
}
