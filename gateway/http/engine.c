/*
 * CivetWeb's mended source and the functions its mends call: reading under one
 * absolute deadline, wiping, inherited sockets, who waits for a worker and who
 * gives way. This is the only file that sees the inside of CivetWeb's connections.
 *
 * Trusts nothing that a socket delivers. Runs on CivetWeb's threads; the other
 * files of gateway/http call the http_engine_ functions.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "gateway/http/internal.h"

struct socket;

static int read_head(struct mg_connection *conn);
static int read_body(struct mg_connection *conn, char *buf, int len);
static int take_sockets(struct mg_context *ctx);
static void let_in(struct mg_context *ctx, const struct socket *so);
static int next_caller(struct mg_connection *conn);
static int peer_name(const struct sockaddr *sa, char *buf, size_t buf_len);
static int handshake_ends(struct mg_connection *conn);

/* CivetWeb's poll slice: how long stopping may take. */
#define SOCKET_TIMEOUT_QUANTUM 200
/* The C library's own opens a socket for link-local addresses; the sandbox kills for that. */
#define getnameinfo(sa, sa_len, buf, buf_len, service, service_len, flags) peer_name(sa, buf, buf_len)
/* Makes its stop flag atomic. */
#define STOP_FLAG_NEEDS_LOCK
#include <civetweb.c>
#undef getnameinfo

enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_WRITE };

enum {
	WAIT_SLICE_MS = 200,
	/* While others wait for a worker, a caller whose move it is has so long: to say his whole head, to go on with
	 * his TLS handshake, with a body or an answer that stands still or falls behind SLOWEST. */
	PATIENCE_MS = 250,
	TURN_MS = 100, /* and so long he may go on asking; PATIENCE_MS where he has to make a new handshake then */
	IDLE_PATIENCE_MS = 50, /* with nothing under way */
	SLOWEST = 64, /* KiB/s, which are bytes a millisecond, nearly */
	ROOM_PACE = 1024, /* likewise: of a large body while others wait for its room */
	DRAIN_MS = 1000,
	LEAVE_MS = 1000, /* a caller who was let in before the server stopped may take that long to say what he wants */
	DRAIN_BYTES = 8 << 20,
	DRAINS_MAX = 8, /* at once, of peers who send more than lay there already */
	SEND_BUFFER = 128 * 1024,
	LARGE_PIECE = 128 * 1024,
};

/* A wait's outcome, and a read's when no byte came. */
enum { TIMED_OUT = 0, GONE = -1 };

int64_t http_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct http_worker *http_engine_worker(const struct mg_connection *conn)
{
	return conn->tls_user_ptr;
}

/* Whether a connection without a whole request has to go: the server stops, and it had its time. */
static int leaves_now(struct mg_connection *conn)
{
	struct http_server *server = conn->phys_ctx->user_data;
	long long by = 0;

	if (STOP_FLAG_IS_ZERO(&conn->phys_ctx->stop_flag))
		return 0;
	if (atomic_compare_exchange_strong(&server->leave_by_ms, &by, http_now_ms() + LEAVE_MS))
		return 0;
	return http_now_ms() >= by;
}

/* Whether this caller has to go now, because others wait and his patience_ms is over. Whom the server lets in before it
 * stops has LEAVE_MS instead. */
static bool gives_way(struct mg_connection *conn, int64_t patience_ms)
{
	struct http_worker *worker = conn->tls_user_ptr;

	if (http_now_ms() < patience_ms || !STOP_FLAG_IS_ZERO(&conn->phys_ctx->stop_flag))
		return false;
	if (worker->leaving)
		return true;
	if (!http_callers_some_wait(worker->server->callers))
		return false;
	pthread_mutex_lock(&conn->phys_ctx->thread_mutex);
	worker->leaving = http_callers_give_way(worker->server->callers, worker->address);
	pthread_mutex_unlock(&conn->phys_ctx->thread_mutex);
	if (worker->leaving)
		atomic_fetch_add(&worker->server->gave_way, 1);
	return worker->leaving;
}

/* Until when what began, came to so many bytes and moved last at a moment may stand still. */
static int64_t patience_for(int64_t began_ms, size_t bytes, int64_t moved_ms, size_t pace)
{
	int64_t due_ms = began_ms + (int64_t)(bytes / pace);

	return (due_ms < moved_ms ? due_ms : moved_ms) + PATIENCE_MS;
}

/* Whether a large body has to go: others wait for the room that it holds, and it is slow. */
static bool makes_room(struct mg_connection *conn, enum phase phase)
{
	const struct http_worker *worker = conn->tls_user_ptr;

	if (phase != PHASE_BODY || !worker->large || atomic_load(&worker->server->room_wanted) == 0 ||
		http_now_ms() < patience_for(worker->body_ms, worker->body_read, worker->moved_ms, ROOM_PACE))
		return false;
	atomic_fetch_add(&worker->server->gave_way, 1);
	return true;
}

/* Waits for the socket. Who is slow or silent gives way when others wait for a worker, but for the operator, whose backup
 * may well be slower than strangers are allowed to be; when the server stops, a running request is let end. */
static int wait_for(
	struct mg_connection *conn, short events, int64_t deadline_ms, int64_t patience_ms, enum phase phase)
{
	const bool hurried = phase == PHASE_IDLE || !http_engine_is_control(conn);

	for (;;) {
		struct pollfd pfd = {.fd = conn->client.sock, .events = events};
		int64_t now = http_now_ms(), left = deadline_ms - now;
		int ready;

		if (left <= 0 || (hurried && (gives_way(conn, patience_ms) || makes_room(conn, phase))))
			return TIMED_OUT;
		if (patience_ms > now && patience_ms - now < left)
			left = patience_ms - now;
		ready = poll(&pfd, 1, left < WAIT_SLICE_MS ? (int)left : WAIT_SLICE_MS);
		if (ready > 0)
			return 1;
		if (ready < 0 && errno != EINTR)
			return GONE;
		if (phase == PHASE_BODY || phase == PHASE_WRITE)
			continue;
		if (leaves_now(conn))
			return GONE;
		if (phase == PHASE_IDLE && conn->handled_requests > 0 && !STOP_FLAG_IS_ZERO(&conn->phys_ctx->stop_flag))
			return GONE;
	}
}

/* CivetWeb asks between two steps of a TLS handshake. Until the caller has said anything it is his move since he was let
 * in; after that, since he has this worker. */
static int handshake_ends(struct mg_connection *conn)
{
	const struct http_worker *worker = conn->tls_user_ptr;
	int64_t began_ms = SSL_get_state(conn->ssl) == TLS_ST_BEFORE ? worker->accepted_ms : worker->taken_ms;

	return leaves_now(conn) || gives_way(conn, began_ms + PATIENCE_MS);
}

/* One try without waiting: bytes read, GONE, or 0 and the event to wait for. */
static int try_read(struct mg_connection *conn, char *buf, int len, short *event)
{
	int n;

	*event = POLLIN;
	if (!conn->ssl) {
		n = (int)recv(conn->client.sock, buf, (size_t)len, MSG_DONTWAIT);
		if (n > 0)
			return n;
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : GONE;
	}
	ERR_clear_error();
	n = SSL_read(conn->ssl, buf, len);
	if (n > 0)
		return n;
	n = SSL_get_error(conn->ssl, n);
	ERR_clear_error();
	if (n == SSL_ERROR_WANT_WRITE)
		*event = POLLOUT;
	return n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE ? 0 : GONE;
}

/* The same of a large body, in pieces and one worker at a time: thirty that copy as fast as a crowd sends would leave the
 * processor to nobody else, and one is as fast. */
static int try_read_large(struct mg_connection *conn, char *buf, int len, short *event)
{
	struct http_worker *worker = conn->tls_user_ptr;
	int n;

	pthread_mutex_lock(&worker->server->one_large);
	n = try_read(conn, buf, len < LARGE_PIECE ? len : LARGE_PIECE, event);
	pthread_mutex_unlock(&worker->server->one_large);
	return n;
}

/* Reads at least one byte: the count, TIMED_OUT or GONE. */
static int pull(
	struct mg_connection *conn, char *buf, int len, int64_t deadline_ms, int64_t patience_ms, enum phase phase)
{
	short event = POLLIN;
	bool wait_first = phase == PHASE_IDLE && conn->handled_requests > 0 && !conn->ssl;
	bool large = phase == PHASE_BODY && ((struct http_worker *)conn->tls_user_ptr)->large;

	for (;;) {
		int n = wait_first ? 0 : (large ? try_read_large : try_read)(conn, buf, len, &event);

		wait_first = false;
		if (n != 0)
			return n;
		n = wait_for(conn, event, deadline_ms, patience_ms, phase);
		if (n != 1)
			return n;
	}
}

/* Wipes what the last request left in the connection buffer. */
static void wipe_buffer(struct mg_connection *conn, struct http_worker *worker, size_t keep)
{
	if (conn->buf && worker->buffer_used > keep)
		explicit_bzero(conn->buf + keep, worker->buffer_used - keep);
	worker->buffer_used = keep;
}

/* Waits until the answer to the last request was sent, or it is time for the next. False: the connection closes. */
static bool answered(struct mg_connection *conn, struct http_worker *worker)
{
	struct http_later *later = worker->later;
	struct pollfd pfd = {.fd = conn->client.sock, .events = POLLIN};
	int64_t left;

	worker->later = NULL;
	while (conn->data_len == 0 && (left = http_later_left_ms(later)) > 0)
		if (poll(&pfd, 1, left < IDLE_PATIENCE_MS ? (int)left : IDLE_PATIENCE_MS) != 0)
			break;
	return http_later_end(later);
}

static int refuse_head(struct http_worker *worker, int status)
{
	worker->status = status;
	return -1;
}

/* Reads until the head is whole. Returns its length, or -1 with worker->status set;
 * CivetWeb answers nothing when no byte has come. */
static int read_head(struct mg_connection *conn)
{
	struct http_worker *worker = conn->tls_user_ptr;
	const struct http_options *opt = &worker->server->opt;
	const bool first = conn->handled_requests == 0;
	int64_t now, patience_ms;
	size_t scanned = 0;

	wipe_buffer(conn, worker, (size_t)conn->data_len);
	worker->timed_out = worker->gone = worker->drain = false;
	if (worker->later && !answered(conn, worker)) {
		worker->gone = true;
		return refuse_head(worker, 408);
	}
	now = http_now_ms();
	worker->status = 400;
	patience_ms = (first && !conn->ssl ? worker->accepted_ms : now) + PATIENCE_MS;
	worker->deadline_ms = now + opt->request_deadline_ms;
	for (;;) {
		bool idle = conn->data_len == 0;
		int64_t until = worker->deadline_ms;
		int n = http_head_length(conn->buf, (size_t)conn->data_len, &scanned);

		if (n > 0 && http_head_valid(conn->buf, (size_t)n)) {
			worker->status = 0;
			worker->body_ms = worker->moved_ms = http_now_ms();
			worker->body_read = 0;
			worker->large = worker->piecemeal = false;
			return n;
		}
		if (n != 0)
			return refuse_head(worker, 400);
		if (conn->data_len >= conn->buf_size)
			return refuse_head(worker, 431);
		if (idle && !first)
			until = now + opt->keep_alive_ms;
		n = pull(conn, conn->buf + conn->data_len, conn->buf_size - conn->data_len, until,
			idle && !first ? now + IDLE_PATIENCE_MS : patience_ms, idle ? PHASE_IDLE : PHASE_HEAD);
		if (n <= 0) {
			worker->gone = n == GONE;
			return refuse_head(worker, 408);
		}
		if (idle) {
			now = http_now_ms();
			worker->deadline_ms = now + opt->request_deadline_ms;
			patience_ms = first ? patience_ms : now + PATIENCE_MS;
		}
		conn->data_len += n;
		worker->buffer_used = (size_t)conn->data_len;
	}
}

/* Reads len bytes of the body, or fewer with worker->timed_out or gone set, or, of a body that is read bit by bit, what
 * is there; but the two that end a chunk are read as two. */
static int read_body(struct mg_connection *conn, char *buf, int len)
{
	struct http_worker *worker = conn->tls_user_ptr;
	int have = 0;

	while (have < len) {
		int n = pull(conn, buf + have, len - have, worker->deadline_ms,
			patience_for(worker->body_ms, worker->body_read, worker->moved_ms, SLOWEST), PHASE_BODY);

		if (n <= 0) {
			worker->timed_out = n == TIMED_OUT;
			worker->gone = n == GONE;
			return have > 0 ? have : -1;
		}
		have += n;
		worker->body_read += (size_t)n;
		worker->moved_ms = http_now_ms();
		if (worker->piecemeal && len > 2)
			break;
	}
	return have;
}

static int try_write(struct mg_connection *conn, const char *data, int len, bool more, short *event)
{
	int n;

	*event = POLLOUT;
	if (!conn->ssl) {
		n = (int)send(
			conn->client.sock, data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
		if (n > 0)
			return n;
		return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : GONE;
	}
	ERR_clear_error();
	n = SSL_write(conn->ssl, data, len);
	if (n > 0)
		return n;
	n = SSL_get_error(conn->ssl, n);
	ERR_clear_error();
	if (n == SSL_ERROR_WANT_READ)
		*event = POLLIN;
	return n == SSL_ERROR_WANT_READ || n == SSL_ERROR_WANT_WRITE ? 0 : GONE;
}

bool http_engine_write(struct mg_connection *conn, const void *data, size_t len, bool more)
{
	static const struct linger reset = {.l_onoff = 1};
	const struct http_worker *worker = conn->tls_user_ptr;
	int64_t began_ms = http_now_ms(), moved_ms = began_ms;
	const char *at = data;
	size_t left = len;

	while (left > 0) {
		short event;
		int n = try_write(conn, at, left > INT_MAX ? INT_MAX : (int)left, more, &event);

		if (n == 0)
			n = wait_for(conn, event, began_ms + worker->server->opt.request_deadline_ms,
				    patience_for(began_ms, len - left, moved_ms, SLOWEST), PHASE_WRITE) == 1
				? 0
				: GONE;
		else
			moved_ms = http_now_ms();
		if (n < 0) {
			/* What he did not take goes with him: a close that sends it all would keep it until he does. */
			(void)setsockopt(conn->client.sock, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
			conn->must_close = 1;
			return false;
		}
		at += n;
		left -= (size_t)n;
	}
	return true;
}

bool http_engine_is_control(const struct mg_connection *conn)
{
	return conn->client.lsa.sa.sa_family == AF_UNIX;
}

int http_engine_later_socket(const struct mg_connection *conn)
{
	const bool alone = !conn->is_chunked && conn->request_len + conn->content_len >= conn->data_len;

	return alone && !conn->ssl && !http_engine_is_control(conn) && http_engine_keeps_alive(conn) ? conn->client.sock
												     : -1;
}

bool http_engine_body_buffered(const struct mg_connection *conn)
{
	return conn->data_len > conn->request_len;
}

void http_engine_skip_body(struct mg_connection *conn)
{
	if (!conn->is_chunked && conn->request_len + conn->content_len <= conn->data_len)
		conn->consumed_content = conn->content_len;
}

bool http_engine_keeps_alive(const struct mg_connection *conn)
{
	bool body_read = conn->is_chunked ? conn->is_chunked == 4 : conn->consumed_content == conn->content_len;

	return body_read && conn->protocol_type == PROTOCOL_TYPE_HTTP1 &&
		STOP_FLAG_IS_ZERO(&((struct mg_connection *)conn)->phys_ctx->stop_flag) && should_keep_alive(conn);
}

bool http_engine_hurried(struct mg_connection *conn, int64_t began_ms)
{
	return !http_engine_is_control(conn) && gives_way(conn, began_ms + PATIENCE_MS);
}

void http_engine_end_turn(struct mg_connection *conn)
{
	const struct http_worker *worker = conn->tls_user_ptr;

	if (!http_engine_is_control(conn) && gives_way(conn, worker->taken_ms + (conn->ssl ? PATIENCE_MS : TURN_MS)))
		http_engine_close_after(conn);
}

void http_engine_close_after(struct mg_connection *conn)
{
	struct http_worker *worker = conn->tls_user_ptr;

	conn->must_close = 1;
	worker->drain = true;
}

static bool address_of(const union usa *usa, uint8_t address[static HTTP_ADDRESS_LEN])
{
	memset(address, 0, HTTP_ADDRESS_LEN);
	switch (usa->sa.sa_family) {
	case AF_INET:
		memset(address + 10, 0xff, 2);
		memcpy(address + 12, &usa->sin.sin_addr, 4);
		return true;
	case AF_INET6:
		memcpy(address, &usa->sin6.sin6_addr, IN6_IS_ADDR_V4MAPPED(&usa->sin6.sin6_addr) ? 16 : 8);
		return true;
	default:
		return false;
	}
}

bool http_engine_address(const struct mg_connection *conn, uint8_t address[static HTTP_ADDRESS_LEN])
{
	return address_of(&conn->client.rsa, address);
}

/* Closes a connection that nobody serves. Where it is not TLS, it is told to come again; what it said already is taken
 * off, over which closing would reset the answer away. */
static void turn_away(struct http_server *server, const struct socket *so)
{
	atomic_fetch_add(&server->turned_away, 1);
	if (!so->is_ssl &&
		send(so->sock, http_unavailable, strlen(http_unavailable), MSG_NOSIGNAL | MSG_DONTWAIT) > 0) {
		shutdown(so->sock, SHUT_WR);
		(void)recv(so->sock, NULL, HTTP_HEAD_MAX, MSG_TRUNC | MSG_DONTWAIT);
	}
	close(so->sock);
}

/* A connection that was just accepted waits for a worker, or is turned away, or takes the place of one that is. */
static void let_in(struct mg_context *ctx, const struct socket *so)
{
	struct http_server *server = ctx->user_data;
	uint8_t address[HTTP_ADDRESS_LEN];
	struct socket other = *so;
	enum http_caller come;
	unsigned place = 0;

	const bool stranger = address_of(&so->rsa, address);

	pthread_mutex_lock(&ctx->thread_mutex);
	come = http_callers_admit(server->callers, stranger ? address : NULL, http_now_ms(), &place);
	if (come != HTTP_CALLER_REFUSED) {
		other = ctx->squeue[place];
		ctx->squeue[place] = *so;
		pthread_cond_signal(&ctx->sq_full);
	}
	pthread_mutex_unlock(&ctx->thread_mutex);
	if (come != HTTP_CALLER_WAITS)
		turn_away(server, &other);
}

/* Waits for a caller, who is this worker's then. 0: the server stops, and nobody waits. */
static int next_caller(struct mg_connection *conn)
{
	struct http_worker *worker = conn->tls_user_ptr;
	struct http_callers *callers = worker->server->callers;
	struct mg_context *ctx = conn->phys_ctx;
	unsigned place = 0;
	bool taken;

	pthread_mutex_lock(&ctx->thread_mutex);
	http_callers_idle(callers, 1);
	if (worker->leaving)
		http_callers_left(callers);
	worker->leaving = false;
	for (;;) {
		taken = http_callers_next(callers, &place, &worker->address, &worker->accepted_ms);
		if (taken || !STOP_FLAG_IS_ZERO(&ctx->stop_flag))
			break;
		pthread_cond_wait(&ctx->sq_full, &ctx->thread_mutex);
	}
	http_callers_idle(callers, -1);
	if (taken)
		conn->client = ctx->squeue[place];
	pthread_mutex_unlock(&ctx->thread_mutex);
	worker->taken_ms = http_now_ms();
	return taken;
}

/* Closing over unread bytes resets the connection, and the peer would lose the
 * answer: says that we are done, then reads what still comes, for a short time.
 * Only a few do so at once: a crowd that sends as fast as it can is worth no processor. */
static void drain(struct mg_connection *conn)
{
	struct http_server *server = conn->phys_ctx->user_data;
	int64_t now = http_now_ms(), deadline_ms = now + DRAIN_MS, patience_ms = now + IDLE_PATIENCE_MS;
	size_t total = 0;
	bool counted = false;

	if (conn->ssl)
		SSL_shutdown(conn->ssl);
	shutdown(conn->client.sock, SHUT_WR);
	while (total < DRAIN_BYTES && STOP_FLAG_IS_ZERO(&conn->phys_ctx->stop_flag)) {
		/* Nothing is copied. */
		ssize_t n = recv(conn->client.sock, NULL, DRAIN_BYTES, MSG_TRUNC | MSG_DONTWAIT);

		if (n > 0 && !counted && total > 0) {
			counted = true;
			if (atomic_fetch_add(&server->drains, 1) >= DRAINS_MAX)
				break;
		}
		if (n > 0)
			total += (size_t)n;
		else if (n == 0 || (errno != EAGAIN && errno != EINTR) ||
			wait_for(conn, POLLIN, deadline_ms, patience_ms, PHASE_HEAD) != 1)
			break;
		if (gives_way(conn, patience_ms))
			break;
	}
	if (counted)
		atomic_fetch_sub(&server->drains, 1);
}

void http_engine_connection_closing(const struct mg_connection *closing)
{
	struct mg_connection *conn = (struct mg_connection *)closing;
	struct http_worker *worker = conn->tls_user_ptr;

	if (worker->later)
		worker->gone = !http_later_end(worker->later);
	worker->later = NULL;
	wipe_buffer(conn, worker, 0);
	if (worker->drain && !worker->gone)
		drain(conn);
	worker->drain = false;
	pthread_mutex_lock(&conn->phys_ctx->thread_mutex);
	http_callers_gone(worker->server->callers, worker->address);
	pthread_mutex_unlock(&conn->phys_ctx->thread_mutex);
}

bool http_engine_is_connection(const struct mg_connection *conn)
{
	const struct mg_context *ctx = conn ? conn->phys_ctx : NULL;

	return ctx && ctx->worker_connections && conn >= ctx->worker_connections &&
		conn < ctx->worker_connections + ctx->cfg_worker_threads;
}

unsigned http_engine_threads(const struct mg_context *ctx)
{
	unsigned count = ctx->masterthreadid != 0 ? 1 : 0;

	for (unsigned i = 0; i < ctx->cfg_worker_threads; i++)
		count += ctx->worker_threadids[i] != 0 ? 1 : 0;
	return count;
}

/* Gives CivetWeb the inherited sockets in place of ones it would make. */
static int take_sockets(struct mg_context *ctx)
{
	const struct http_server *server = ctx->user_data;
	size_t count = server->opt.sockets_len;
	/* Of every connection that comes from them: how much of its answers, and for how long, the system keeps for a
	 * peer who does not take them, also once we have closed it. */
	const int send_buffer = SEND_BUFFER, unacked_ms = (int)server->opt.request_deadline_ms;

	ctx->listening_sockets = mg_calloc_ctx(count, sizeof(*ctx->listening_sockets), ctx);
	ctx->listening_socket_fds = mg_calloc_ctx(count, sizeof(*ctx->listening_socket_fds), ctx);
	if (!ctx->listening_sockets || !ctx->listening_socket_fds)
		return 0;
	for (size_t i = 0; i < count; i++) {
		struct socket *so = &ctx->listening_sockets[i];
		socklen_t len = sizeof(so->lsa);

		so->sock = server->sockets[i].fd;
		so->is_ssl = server->sockets[i].tls;
		if (getsockname(so->sock, &so->lsa.sa, &len) != 0)
			return 0;
		(void)setsockopt(so->sock, SOL_SOCKET, SO_SNDBUF, &send_buffer, sizeof(send_buffer));
		(void)setsockopt(so->sock, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacked_ms, sizeof(unacked_ms));
		set_close_on_exec(so->sock, NULL, ctx);
		set_non_blocking_mode(so->sock);
	}
	ctx->num_listening_sockets = (unsigned)count;
	return 1;
}

static int peer_name(const struct sockaddr *sa, char *buf, size_t buf_len)
{
	const void *address = &((const struct sockaddr_in *)sa)->sin_addr;
	int family = sa->sa_family;

	if (family == AF_INET6) {
		const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;

		address = in6;
		if (IN6_IS_ADDR_V4MAPPED(in6)) {
			family = AF_INET;
			address = in6->s6_addr + 12;
		}
	}
	return inet_ntop(family, address, buf, (socklen_t)buf_len) ? 0 : EAI_FAIL;
}
