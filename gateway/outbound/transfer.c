/*
 * Transfers over libcurl's multi interface. Trusts nothing that a server sends: answers are
 * bounded, nothing is followed, and whether bytes left decides what may be tried again.
 * Called by sender.c.
 *
 * One trap is answered here: libcurl repeats a request by itself when a connection that it used
 * before breaks without an answer. A body given by a read callback without a seek callback cannot
 * be given twice, so it repeats only while no byte of the body has left, and then nothing was asked.
 * A DELETE has no body, and gets a connection of its own.
 *
 * Another: a body that waits for more counts as unfinished even when the provider has refused it.
 */
#include "gateway/outbound/transfer.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "gateway/outbound/address.h"
#include "gateway/outbound/flow.h"
#include "gateway/outbound/wiping.h"
#include "gateway/version.h"

#define KEPT_CONNECTIONS 512L
#define LOOK_MS 500 /* for slow ones */

static int64_t now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ------------------------------------------------------------ one transfer */

static CURLcode prepare_tls(CURL *handle, void *context, void *arg)
{
	(void)handle;
	(void)arg;
	SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
	return CURLE_OK;
}

/* Asked for each address just before it is connected to, so that looking the name up twice finds no other. A
 * connection that was kept is not asked about again: it is shared only among requests of its host and port, and a
 * host and port are exempt for all of them or for none. */
static curl_socket_t open_guarded(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct transfer *x = arg;

	(void)purpose;
	if (address_is_public(&a->addr, a->addrlen))
		return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
	x->refused = true;
	return CURL_SOCKET_BAD;
}

static void transfer_free(struct transfers *t, struct transfer *x)
{
	if (x->next != NULL)
		x->next->previous = x->previous;
	if (x->previous != NULL)
		x->previous->next = x->next;
	else if (t->all == x)
		t->all = x->next;
	if (x->handle != NULL) {
		(void)curl_multi_remove_handle(t->multi, x->handle);
		curl_easy_cleanup(x->handle);
	}
	curl_slist_free_all(x->headers);
	flow_kept_drop(x);
	if (x->over)
		t->over--;
	wiping_free(x->body);
	wiping_free(x->answer);
	wiping_free(x);
}

/* "Name: value" onto the list; the joined line is wiped, the list's copy with the list. */
static bool add_header(struct transfer *x, const char *name, const char *value)
{
	const size_t name_len = strlen(name), value_len = strlen(value);
	char *line = wiping_malloc(name_len + 2 + value_len + 1);
	struct curl_slist *longer;

	if (line == NULL)
		return false;
	memcpy(line, name, name_len);
	memcpy(line + name_len, ": ", 2);
	memcpy(line + name_len + 2, value, value_len + 1);
	longer = curl_slist_append(x->headers, line);
	wiping_free(line);
	if (longer == NULL)
		return false;
	x->headers = longer;
	return true;
}

#define SET(option, value)                                                                                             \
	do {                                                                                                           \
		if (curl_easy_setopt(x->handle, (option), (value)) != CURLE_OK)                                        \
			return false;                                                                                  \
	} while (0)

static bool set_rules(struct transfer *x, const struct transfer_request *req)
{
	const char *scheme = req->plain_http ? "http" : "https";

	SET(CURLOPT_PROTOCOLS_STR, scheme);
	SET(CURLOPT_REDIR_PROTOCOLS_STR, scheme);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	/* A name that is looked up in vain must not hold up everybody: without this the library waits for its resolver
	 * thread when a transfer ends. */
	SET(CURLOPT_QUICK_EXIT, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_VERBOSE, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_CTX_FUNCTION, prepare_tls);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)TRANSFER_CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)(req->timeout_ms > 0 ? req->timeout_ms : TRANSFER_TOTAL_MS));
	SET(CURLOPT_USERAGENT, "keyhouse/" KEYHOUSE_VERSION);
	SET(CURLOPT_HEADERFUNCTION, flow_take_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, flow_take);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PRIVATE, x);
	if (req->guarded) {
		SET(CURLOPT_OPENSOCKETFUNCTION, open_guarded);
		SET(CURLOPT_OPENSOCKETDATA, x);
	}
	return true;
}

static bool set_body(struct transfer *x, const struct transfer_request *req)
{
	const bool typed = req->content_type != NULL && req->content_type[0] != '\0';
	const uint64_t len = req->uploads ? req->upload_len : req->body_len;

	/* Without a value the library leaves a header of its own out. */
	if (!add_header(x, "Content-Type", typed ? req->content_type : "application/json") ||
		!add_header(x, "Expect", ""))
		return false;
	if (!req->uploads) {
		x->body = wiping_malloc(req->body_len);
		if (x->body == NULL)
			return false;
		memcpy(x->body, req->body, req->body_len);
		x->body_len = req->body_len;
	}
	x->has_body = true;
	x->upload_len = len;
	SET(CURLOPT_POST, 1L);
	if (len != UINT64_MAX)
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	else if (!add_header(x, "Transfer-Encoding", "chunked"))
		return false;
	SET(CURLOPT_READFUNCTION, req->uploads ? flow_give_upload : flow_give_body);
	SET(CURLOPT_READDATA, x);
	return true;
}

static bool set_request(struct transfer *x, const struct transfer_request *req)
{
	for (size_t i = 0; i < req->headers_len; i++)
		if (!add_header(x, req->headers[i].name, req->headers[i].value))
			return false;
	if (!add_header(x, "Accept", req->any_type ? "*/*" : "application/json"))
		return false;
	if (req->deletes) {
		SET(CURLOPT_CUSTOMREQUEST, "DELETE");
		SET(CURLOPT_FRESH_CONNECT, 1L);
	}
	if ((req->body != NULL || req->uploads) && !set_body(x, req))
		return false;
	SET(CURLOPT_HTTPHEADER, x->headers);
	SET(CURLOPT_URL, req->url);
	return true;
}

struct transfer *transfers_start(struct transfers *t, const struct transfer_request *req, void *owner)
{
	struct transfer *x = wiping_calloc(1, sizeof(*x));

	if (x == NULL)
		return NULL;
	x->home = t;
	x->owner = owner;
	x->watch = req->watch;
	x->keep = req->keep;
	x->keep_len = req->keep_len;
	x->answer_max = req->answer_max > 0 ? req->answer_max : TRANSFER_ANSWER_MAX;
	x->slow_ms = req->slow_ms;
	x->since_ms = now_ms();
	x->handle = curl_easy_init();
	if (x->handle == NULL || !set_rules(x, req) || !set_request(x, req) ||
		curl_multi_add_handle(t->multi, x->handle) != CURLM_OK) {
		transfer_free(t, x);
		return NULL;
	}
	x->next = t->all;
	if (x->next != NULL)
		x->next->previous = x;
	t->all = x;
	return x;
}

void transfers_resume(struct transfer *x)
{
	if (!x->waits_up && !x->waits_down)
		return;
	/* What still cannot go on says so again. */
	x->waits_up = x->waits_down = false;
	x->since_ms = now_ms();
	x->moved_before = x->moved;
	(void)curl_easy_pause(x->handle, CURLPAUSE_CONT);
}

void transfers_cancel(struct transfers *t, struct transfer *x)
{
	transfer_free(t, x);
}

/* ------------------------------------------------------------ how it ended */

static const char *why_not_sent(const struct transfer *x, CURLcode code)
{
	if (x->refused)
		return "'s address is private; see responder_allow";
	if (code == CURLE_COULDNT_RESOLVE_HOST)
		return "'s name could not be looked up";
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return "'s certificate was not accepted";
	if (code == CURLE_SSL_CONNECT_ERROR)
		return " could not be reached over a secure connection";
	return " could not be reached";
}

/* What a final answer may have: anything else says nothing that may be handed on. */
static bool is_status(long status)
{
	return status >= 200 && status <= 599;
}

static const char *why_broken(const struct transfer *x, CURLcode code)
{
	if (x->too_long)
		return "'s answer was too long";
	if (code == CURLE_OK)
		return "'s answer has a status that means nothing";
	if (code == CURLE_OPERATION_TIMEDOUT)
		return " did not answer in time";
	return "'s answer broke off before it was whole";
}

static void end_read(struct transfer *x, CURLcode code, struct transfer_end *end)
{
	curl_off_t retry_after = 0;
	long status = 0, sent = 0;
	bool nothing_left;

	(void)curl_easy_getinfo(x->handle, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(x->handle, CURLINFO_REQUEST_SIZE, &sent);
	(void)curl_easy_getinfo(x->handle, CURLINFO_RETRY_AFTER, &retry_after);
	/* A request whose body was never begun cannot have been accepted, even where a connection that
	 * was used before swallowed its headers. */
	nothing_left = status == 0 && (sent == 0 || (x->has_body && x->body_given == 0));
	*end = (struct transfer_end){.http_status = is_status(status) ? (int)status : 0,
		.date = x->date,
		.date_read_at = x->date_read_at,
		.regain_ms = x->regain_ms,
		.kept = (const char *const *)x->kept,
		.body = ""};
	if (retry_after > 0 && retry_after < 86400)
		end->retry_after_ms = (int64_t)retry_after * 1000;
	if (code == CURLE_OK && is_status(status)) {
		end->how = TRANSFER_ANSWERED;
		if (x->answer != NULL) {
			x->answer[x->answer_len] = '\0';
			end->body = x->answer;
			end->body_len = x->answer_len;
		}
	} else if (nothing_left) {
		end->how = TRANSFER_NOT_SENT;
		end->why = why_not_sent(x, code);
	} else {
		end->how = x->too_long ? TRANSFER_TOO_LONG : TRANSFER_BROKEN;
		end->why = why_broken(x, code);
	}
}

static void end_one(struct transfers *t, struct transfer *x, CURLcode code,
	void (*each)(void *owner, const struct transfer_end *end, void *arg), void *arg)
{
	struct transfer_end end;

	if (code == CURLE_OK)
		flow_tell_head(x);
	end_read(x, code, &end);
	each(x->owner, &end, arg);
	transfer_free(t, x);
}

bool transfers_next(
	struct transfers *t, void (*each)(void *owner, const struct transfer_end *end, void *arg), void *arg)
{
	struct transfer *x = NULL;
	CURLMsg *message;
	int left;

	if (t->over > 0) {
		for (x = t->all; !x->over; x = x->next)
			;
		end_one(t, x, CURLE_OPERATION_TIMEDOUT, each, arg);
		return true;
	}
	do {
		message = curl_multi_info_read(t->multi, &left);
		if (message == NULL)
			return false;
	} while (message->msg != CURLMSG_DONE);
	(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
	end_one(t, x, message->data.result, each, arg);
	return true;
}

/* ------------------------------------------------------------ all of them */

/* Who waits for us is not slow. */
static bool is_slow(struct transfer *x, int64_t now)
{
	const int64_t patience = (int64_t)x->slow_ms * (x->all_given && !x->began ? TRANSFER_THINK_TIMES : 1);

	if (x->waits_up || x->waits_down || x->moved - x->moved_before >= x->slow_ms) {
		x->since_ms = now;
		x->moved_before = x->moved;
	}
	return now - x->since_ms >= patience;
}

static void look_at_pace(struct transfers *t)
{
	const int64_t now = now_ms();

	if (now - t->looked_ms < LOOK_MS)
		return;
	t->looked_ms = now;
	for (struct transfer *x = t->all; x != NULL; x = x->next)
		if (x->slow_ms > 0 && !x->over && is_slow(x, now)) {
			x->over = true;
			t->over++;
		}
}

/* See the second trap. */
static void look_at_refusals(struct transfers *t)
{
	if (!t->refusals)
		return;
	t->refusals = false;
	for (struct transfer *x = t->all; x != NULL; x = x->next)
		if (x->refused_body && x->waits_up) {
			x->all_given = true;
			transfers_resume(x);
		}
}

short transfers_wait(struct transfers *t, int fd, short events, int timeout_ms)
{
	struct curl_waitfd extra = {.fd = fd,
		.events = (short)(((events & POLLIN) != 0 ? CURL_WAIT_POLLIN : 0) |
			((events & POLLOUT) != 0 ? CURL_WAIT_POLLOUT : 0))};
	int running;

	/* Without events it is not watched at all: a hang-up would wake this for ever. */
	(void)curl_multi_poll(t->multi, &extra, events != 0 ? 1 : 0, timeout_ms, NULL);
	(void)curl_multi_perform(t->multi, &running);
	look_at_refusals(t);
	look_at_pace(t);
	return (short)(((extra.revents & CURL_WAIT_POLLIN) != 0 ? POLLIN : 0) |
		((extra.revents & CURL_WAIT_POLLOUT) != 0 ? POLLOUT : 0));
}

/* Counted by the library: a second one does nothing. */
bool transfers_init(void)
{
	return curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free, wiping_realloc, wiping_strdup,
		       wiping_calloc) == CURLE_OK;
}

struct transfers *transfers_new(void)
{
	struct transfers *t = NULL;

	if (!transfers_init())
		return NULL;
	t = wiping_calloc(1, sizeof(*t));
	if (t == NULL)
		goto out;
	t->multi = curl_multi_init();
	if (t->multi == NULL)
		goto out;
	(void)curl_multi_setopt(t->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS);
	(void)curl_multi_setopt(t->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return t;
out:
	wiping_free(t);
	curl_global_cleanup();
	return NULL;
}

void transfers_free(struct transfers *t)
{
	if (t == NULL)
		return;
	while (t->all != NULL)
		transfer_free(t, t->all);
	(void)curl_multi_cleanup(t->multi);
	wiping_free(t);
	curl_global_cleanup();
}
