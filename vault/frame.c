/*
 * Frames: building, reading, sending and receiving them. Trusts nothing that
 * comes from the socket. A frame's memory begins HEAD_LEN bytes before data, so
 * that a message goes out in one send without being copied once more.
 * Called by all three roles.
 */
#include "vault/frame.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "vault/vault.h"

#define HEAD_LEN 5u
#define FIRST_CAP 128u

_Static_assert(sizeof(((struct frame_inbox *)0)->head) == HEAD_LEN, "an inbox holds one head");

static void put_be(uint8_t *to, uint64_t v, size_t len)
{
	for (size_t i = len; i > 0; i--) {
		to[i - 1] = (uint8_t)v;
		v >>= 8;
	}
}

static uint64_t get_be(const uint8_t *from, size_t len)
{
	uint64_t v = 0;

	for (size_t i = 0; i < len; i++)
		v = v << 8 | from[i];
	return v;
}

static void release(struct frame *f)
{
	if (f->data == NULL)
		return;
	vault_wipe(f->data, f->len);
	free(f->data - HEAD_LEN);
	f->data = NULL;
	f->cap = 0;
}

void frame_clear(struct frame *f)
{
	release(f);
	*f = (struct frame)FRAME_INIT(f->type);
}

void frame_reset(struct frame *f, uint8_t type)
{
	if (f->data != NULL)
		vault_wipe(f->data, f->len);
	f->type = type;
	f->failed = false;
	f->bad = false;
	f->len = 0;
	f->pos = 0;
}

/* Makes room for `more` bytes after len. */
static bool reserve(struct frame *f, size_t more)
{
	size_t cap = f->cap > 0 ? f->cap : FIRST_CAP;
	uint8_t *base;

	if (f->failed)
		return false;
	if (more > FRAME_BODY_MAX - f->len) {
		f->failed = true;
		return false;
	}
	if (f->data != NULL && more <= f->cap - f->len)
		return true;
	while (cap < f->len + more)
		cap *= 2;
	base = malloc(HEAD_LEN + cap);
	if (base == NULL) {
		f->failed = true;
		return false;
	}
	if (f->len > 0)
		memcpy(base + HEAD_LEN, f->data, f->len);
	release(f);
	f->data = base + HEAD_LEN;
	f->cap = cap;
	return true;
}

/* ------------------------------------------------------------ appending */

static void put_number(struct frame *f, uint64_t v, size_t len)
{
	if (!reserve(f, len))
		return;
	put_be(f->data + f->len, v, len);
	f->len += len;
}

void frame_put_u8(struct frame *f, uint8_t v)
{
	put_number(f, v, 1);
}

void frame_put_u32(struct frame *f, uint32_t v)
{
	put_number(f, v, 4);
}

void frame_put_u64(struct frame *f, uint64_t v)
{
	put_number(f, v, 8);
}

void frame_put_bytes(struct frame *f, const void *data, size_t len)
{
	if (len > FRAME_BODY_MAX) {
		f->failed = true;
		return;
	}
	put_number(f, len, 4);
	if (len == 0 || !reserve(f, len))
		return;
	memcpy(f->data + f->len, data, len);
	f->len += len;
}

void frame_put_text(struct frame *f, const char *text)
{
	if (text == NULL)
		text = "";
	frame_put_bytes(f, text, strlen(text) + 1);
}

/* ------------------------------------------------------------ reading */

static const uint8_t *take(struct frame *f, size_t len)
{
	const uint8_t *at;

	if (f->bad || len > f->len - f->pos) {
		f->bad = true;
		return NULL;
	}
	at = f->data + f->pos;
	f->pos += len;
	return at;
}

static uint64_t get_number(struct frame *f, size_t len)
{
	const uint8_t *at = take(f, len);

	return at == NULL ? 0 : get_be(at, len);
}

uint8_t frame_get_u8(struct frame *f)
{
	return (uint8_t)get_number(f, 1);
}

uint32_t frame_get_u32(struct frame *f)
{
	return (uint32_t)get_number(f, 4);
}

uint64_t frame_get_u64(struct frame *f)
{
	return get_number(f, 8);
}

const uint8_t *frame_get_bytes(struct frame *f, size_t *len)
{
	const uint32_t n = frame_get_u32(f);
	const uint8_t *at = f->bad ? NULL : take(f, n);

	*len = at == NULL ? 0 : n;
	return at;
}

const char *frame_get_text(struct frame *f)
{
	size_t len;
	const uint8_t *at = frame_get_bytes(f, &len);

	if (len == 0 || memchr(at, 0, len) != at + len - 1) {
		f->bad = true;
		return "";
	}
	return (const char *)at;
}

bool frame_end(const struct frame *f)
{
	return !f->bad && f->pos == f->len;
}

/* ------------------------------------------------------------ the socket */

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

static enum frame_error await(int fd, short events)
{
	struct pollfd p = {.fd = fd, .events = events};

	while (poll(&p, 1, -1) < 0) {
		if (errno != EINTR)
			return FRAME_IO;
	}
	return FRAME_OK;
}

enum frame_error frame_send_some(int fd, const struct frame *f, size_t *sent, bool *complete)
{
	const size_t total = HEAD_LEN + f->len;
	uint8_t bare[HEAD_LEN];
	uint8_t *start = f->data == NULL ? bare : f->data - HEAD_LEN;

	if (f->failed)
		return FRAME_NO_MEMORY;
	put_be(start, f->len, 4);
	start[4] = f->type;
	while (*sent < total) {
		const ssize_t n = send(fd, start + *sent, total - *sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n >= 0) {
			*sent += (size_t)n;
		} else if (would_block()) {
			break;
		} else if (errno == EPIPE || errno == ECONNRESET) {
			return FRAME_CLOSED;
		} else if (errno != EINTR) {
			return FRAME_IO;
		}
	}
	*complete = *sent == total;
	return FRAME_OK;
}

enum frame_error frame_send(int fd, const struct frame *f)
{
	bool complete = false;
	size_t sent = 0;

	for (;;) {
		enum frame_error err = frame_send_some(fd, f, &sent, &complete);

		if (err != FRAME_OK || complete)
			return err;
		err = await(fd, POLLOUT);
		if (err != FRAME_OK)
			return err;
	}
}

/* Reads until `to` holds want bytes or the socket has no more now. */
static enum frame_error read_some(int fd, int flags, uint8_t *to, size_t want, size_t *have)
{
	while (*have < want) {
		const ssize_t n = recv(fd, to + *have, want - *have, flags);

		if (n > 0)
			*have += (size_t)n;
		else if (n == 0 || errno == ECONNRESET)
			return FRAME_CLOSED;
		else if (would_block())
			break;
		else if (errno != EINTR)
			return FRAME_IO;
	}
	return FRAME_OK;
}

static enum frame_error begin_body(struct frame_inbox *in, const struct frame_limit *limits, size_t limits_len)
{
	const uint8_t type = in->head[4];

	in->want = (size_t)get_be(in->head, 4);
	for (size_t i = 0; i < limits_len; i++) {
		if (limits[i].type != type)
			continue;
		if (in->want > limits[i].max_len || in->want > FRAME_BODY_MAX)
			return FRAME_MALFORMED;
		frame_reset(&in->body, type);
		return reserve(&in->body, in->want) ? FRAME_OK : FRAME_NO_MEMORY;
	}
	return FRAME_MALFORMED;
}

static enum frame_error inbox_read(
	int fd, int flags, struct frame_inbox *in, const struct frame_limit *limits, size_t limits_len, bool *complete)
{
	enum frame_error err;

	*complete = false;
	if (in->head_len < HEAD_LEN) {
		frame_reset(&in->body, 0);
		err = read_some(fd, flags, in->head, HEAD_LEN, &in->head_len);
		if (err == FRAME_CLOSED && in->head_len > 0)
			return FRAME_MALFORMED;
		if (err != FRAME_OK || in->head_len < HEAD_LEN)
			return err;
		err = begin_body(in, limits, limits_len);
		if (err != FRAME_OK)
			return err;
	}
	err = read_some(fd, flags, in->body.data, in->want, &in->body.len);
	if (err != FRAME_OK)
		return err == FRAME_CLOSED ? FRAME_MALFORMED : err;
	if (in->body.len == in->want) {
		*complete = true;
		in->head_len = 0;
	}
	return FRAME_OK;
}

enum frame_error frame_inbox_read(
	int fd, struct frame_inbox *in, const struct frame_limit *limits, size_t limits_len, bool *complete)
{
	return inbox_read(fd, MSG_DONTWAIT, in, limits, limits_len, complete);
}

enum frame_error frame_recv(int fd, const struct frame_limit *limits, size_t limits_len, struct frame *f)
{
	struct frame_inbox in = {.body = *f};
	enum frame_error err;
	bool complete = false;

	frame_reset(&in.body, 0);
	for (;;) {
		err = inbox_read(fd, 0, &in, limits, limits_len, &complete);
		if (err != FRAME_OK || complete)
			break;
		err = await(fd, POLLIN); /* the socket is a non-blocking one */
		if (err != FRAME_OK)
			break;
	}
	if (err != FRAME_OK)
		frame_reset(&in.body, 0);
	*f = in.body;
	return err;
}

void frame_inbox_clear(struct frame_inbox *in)
{
	frame_clear(&in->body);
	*in = (struct frame_inbox){0};
}
