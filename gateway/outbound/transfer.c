/*
 * Transfers over libcurl's multi interface. Trusts nothing that a server sends: answers are
 * bounded, nothing is followed, and whether bytes left decides what may be tried again.
 * Called by sender.c.
 *
 * One trap is answered here: libcurl repeats a request by itself when a connection that it used
 * before breaks without an answer. A body given by a read callback without a seek callback cannot
 * be given twice, so it repeats only while no byte of the body has left, and then nothing was asked.
 */
#include "gateway/outbound/transfer.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/version.h"

#define HEADERS_MAX (64u * 1024u)
#define ANSWER_FIRST 4096u
#define KEPT_CONNECTIONS 128L

/* ------------------------------------------------------------ the wiping allocator */

/* An allocation's length lies in front of it. */
#define HEAD_LEN alignof(max_align_t)
_Static_assert(HEAD_LEN >= sizeof(size_t), "the length fits in front");

static void *wiping_malloc(size_t len)
{
	unsigned char *base = len > SIZE_MAX - HEAD_LEN ? NULL : malloc(HEAD_LEN + len);

	if (base == NULL)
		return NULL;
	memcpy(base, &len, sizeof(len));
	return base + HEAD_LEN;
}

static size_t length_of(const void *p)
{
	size_t len;

	memcpy(&len, (const unsigned char *)p - HEAD_LEN, sizeof(len));
	return len;
}

static void wiping_free(void *p)
{
	unsigned char *base;

	if (p == NULL)
		return;
	base = (unsigned char *)p - HEAD_LEN;
	explicit_bzero(base, HEAD_LEN + length_of(p));
	free(base);
}

static void *wiping_realloc(void *p, size_t len)
{
	void *moved = wiping_malloc(len);

	if (moved == NULL || p == NULL)
		return moved;
	memcpy(moved, p, length_of(p) < len ? length_of(p) : len);
	wiping_free(p);
	return moved;
}

static void *wiping_calloc(size_t count, size_t size)
{
	void *p = size != 0 && count > SIZE_MAX / size ? NULL : wiping_malloc(count * size);

	if (p != NULL)
		memset(p, 0, count * size);
	return p;
}

static char *wiping_strdup(const char *text)
{
	const size_t len = strlen(text) + 1;
	char *copy = wiping_malloc(len);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}

/* ------------------------------------------------------------ one transfer */

struct transfer {
	struct transfer *next, *previous;
	void *owner; /* transfers_start's */
	CURL *handle;
	struct curl_slist *headers;
	char *body; /* what is asked */
	size_t body_len, body_given;
	char *answer; /* what came back; NUL-terminated when it ends */
	size_t answer_len, answer_room;
	size_t headers_len;
	bool too_long;
};

struct transfers {
	CURLM *multi;
	const char *scheme;
	struct transfer *all;
};

static size_t give_body(char *to, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	const size_t left = x->body_len - x->body_given;
	const size_t n = left < size * count ? left : size * count;

	/* It was given once already: never again. */
	if (left == 0)
		return CURL_READFUNC_ABORT;
	memcpy(to, x->body + x->body_given, n);
	x->body_given += n;
	return n;
}

static bool answer_reserve(struct transfer *x, size_t more)
{
	size_t room = x->answer_room > 0 ? x->answer_room : ANSWER_FIRST;
	char *grown;

	if (more > TRANSFER_ANSWER_MAX - x->answer_len) {
		x->too_long = true;
		return false;
	}
	while (room < x->answer_len + more + 1)
		room *= 2;
	if (room == x->answer_room)
		return true;
	grown = wiping_realloc(x->answer, room);
	if (grown == NULL)
		return false;
	x->answer = grown;
	x->answer_room = room;
	return true;
}

static size_t take_answer(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	const size_t len = size * count;

	if (!answer_reserve(x, len))
		return 0;
	memcpy(x->answer + x->answer_len, data, len);
	x->answer_len += len;
	return len;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	const size_t len = size * count;

	(void)data;
	if (len > HEADERS_MAX - x->headers_len) {
		x->too_long = true;
		return 0;
	}
	x->headers_len += len;
	return len;
}

static CURLcode prepare_tls(CURL *handle, void *context, void *arg)
{
	(void)handle;
	(void)arg;
	SSL_CTX_set_options(context, SSL_OP_CLEANSE_PLAINTEXT);
	return CURLE_OK;
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
	wiping_free(x->body);
	wiping_free(x->answer);
	wiping_free(x);
}

/* "Name: value" onto the list; the joined line is wiped, the list's copy with the list. */
static bool add_header(struct transfer *x, const char *name, const char *value)
{
	const size_t name_len = strlen(name), value_len = strlen(value);
	char *line = wiping_malloc(name_len + value_len + 1);
	struct curl_slist *longer;

	if (line == NULL)
		return false;
	memcpy(line, name, name_len);
	memcpy(line + name_len, value, value_len + 1);
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

static bool set_rules(struct transfer *x, const char *scheme)
{
	SET(CURLOPT_PROTOCOLS_STR, scheme);
	SET(CURLOPT_REDIR_PROTOCOLS_STR, scheme);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_NOPROGRESS, 1L);
	SET(CURLOPT_VERBOSE, 0L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(CURLOPT_SSL_CTX_FUNCTION, prepare_tls);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long)TRANSFER_CONNECT_MS);
	SET(CURLOPT_TIMEOUT_MS, (long)TRANSFER_TOTAL_MS);
	SET(CURLOPT_USERAGENT, "keyhouse/" KEYHOUSE_VERSION);
	SET(CURLOPT_HEADERFUNCTION, take_header);
	SET(CURLOPT_HEADERDATA, x);
	SET(CURLOPT_WRITEFUNCTION, take_answer);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PRIVATE, x);
	return true;
}

static bool set_request(struct transfer *x, const struct transfer_request *req)
{
	if (!add_header(x, "Authorization: ", req->authorization) || !add_header(x, "Accept: ", "application/json"))
		return false;
	if (req->body != NULL) {
		x->body = wiping_malloc(req->body_len);
		if (x->body == NULL || !add_header(x, "Content-Type: ", "application/json") ||
			!add_header(x, "Expect:", ""))
			return false;
		memcpy(x->body, req->body, req->body_len);
		x->body_len = req->body_len;
		SET(CURLOPT_POST, 1L);
		SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)req->body_len);
		SET(CURLOPT_READFUNCTION, give_body);
		SET(CURLOPT_READDATA, x);
	}
	SET(CURLOPT_HTTPHEADER, x->headers);
	SET(CURLOPT_URL, req->url);
	return true;
}

bool transfers_start(struct transfers *t, const struct transfer_request *req, void *owner)
{
	struct transfer *x = wiping_calloc(1, sizeof(*x));

	if (x == NULL)
		return false;
	x->owner = owner;
	x->handle = curl_easy_init();
	if (x->handle == NULL || !set_rules(x, t->scheme) || !set_request(x, req) ||
		curl_multi_add_handle(t->multi, x->handle) != CURLM_OK) {
		transfer_free(t, x);
		return false;
	}
	x->next = t->all;
	if (x->next != NULL)
		x->next->previous = x;
	t->all = x;
	return true;
}

/* ------------------------------------------------------------ how it ended */

static const char *why_not_sent(CURLcode code)
{
	if (code == CURLE_COULDNT_RESOLVE_HOST)
		return "the provider's name could not be looked up";
	if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
		return "the provider's certificate was not accepted";
	if (code == CURLE_SSL_CONNECT_ERROR)
		return "no secure connection to the provider could be made";
	return "the provider could not be reached";
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
	nothing_left = status == 0 && (sent == 0 || (x->body != NULL && x->body_given == 0));
	*end = (struct transfer_end){.http_status = status > 0 && status < 1000 ? (int)status : 0, .body = ""};
	if (retry_after > 0 && retry_after < 86400)
		end->retry_after_ms = (int64_t)retry_after * 1000;
	if (code == CURLE_OK) {
		end->how = TRANSFER_ANSWERED;
		if (x->answer != NULL) {
			x->answer[x->answer_len] = '\0';
			end->body = x->answer;
			end->body_len = x->answer_len;
		}
	} else if (nothing_left) {
		end->how = TRANSFER_NOT_SENT;
		end->why = why_not_sent(code);
	} else {
		end->how = TRANSFER_BROKEN;
		end->why = x->too_long ? "the provider's answer was too long"
			: code == CURLE_OPERATION_TIMEDOUT
			? "the provider did not answer in time"
			: "the connection broke before the provider's answer was whole";
	}
}

bool transfers_next(
	struct transfers *t, void (*each)(void *owner, const struct transfer_end *end, void *arg), void *arg)
{
	struct transfer_end end;
	struct transfer *x = NULL;
	CURLMsg *message;
	int left;

	do {
		message = curl_multi_info_read(t->multi, &left);
		if (message == NULL)
			return false;
	} while (message->msg != CURLMSG_DONE);
	(void)curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&x);
	end_read(x, message->data.result, &end);
	each(x->owner, &end, arg);
	transfer_free(t, x);
	return true;
}

/* ------------------------------------------------------------ all of them */

short transfers_wait(struct transfers *t, int fd, short events, int timeout_ms)
{
	struct curl_waitfd extra = {.fd = fd,
		.events = (short)(((events & POLLIN) != 0 ? CURL_WAIT_POLLIN : 0) |
			((events & POLLOUT) != 0 ? CURL_WAIT_POLLOUT : 0))};
	int running;

	/* Without events it is not watched at all: a hang-up would wake this for ever. */
	(void)curl_multi_poll(t->multi, &extra, events != 0 ? 1 : 0, timeout_ms, NULL);
	(void)curl_multi_perform(t->multi, &running);
	return (short)(((extra.revents & CURL_WAIT_POLLIN) != 0 ? POLLIN : 0) |
		((extra.revents & CURL_WAIT_POLLOUT) != 0 ? POLLOUT : 0));
}

struct transfers *transfers_new(bool plain_http)
{
	struct transfers *t = NULL;

	if (curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free, wiping_realloc, wiping_strdup,
		    wiping_calloc) != CURLE_OK)
		return NULL;
	t = wiping_calloc(1, sizeof(*t));
	if (t == NULL)
		goto out;
	t->scheme = plain_http ? "http" : "https";
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
