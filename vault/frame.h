/*
 * Frames: typed, length-checked messages between two roles on a stream socket.
 *
 *   4 bytes  length of what follows the type, big endian
 *   1 byte   type
 *   n bytes  fields in an order both sides know: u8, u32, u64 big endian;
 *            bytes as a u32 length and that many bytes; text as bytes that
 *            end with their only NUL
 *
 * The other side may be taken over: whatever is longer than the type's limit,
 * ends early, has bytes left over or is of an unknown type is malformed, and a
 * malformed message ends the role that reads it. All buffers are wiped.
 *
 * Spoken between listener, sender and vault.
 */
#ifndef KEYHOUSE_FRAME_H
#define KEYHOUSE_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_error {
	FRAME_OK = 0,
	FRAME_CLOSED, /* the other side closed between two messages */
	FRAME_MALFORMED, /* unknown type, over the type's limit, cut short */
	FRAME_IO,
	FRAME_NO_MEMORY,
};

/* No body is longer than this, whatever a limit says. */
#define FRAME_BODY_MAX (1u << 30)

/* A growable message body that wipes what it leaves behind. Zero-initialise it
 * with FRAME_INIT; frame_clear ends it and may be called twice. The fields are
 * for looking at: only the functions below change them. */
struct frame {
	uint8_t type;
	bool failed; /* out of memory or over FRAME_BODY_MAX while building: frame_send then refuses */
	uint8_t *data;
	size_t len;
	size_t cap;
	size_t pos; /* where reading stands */
	bool bad; /* a read went past the end: every later read gives zero */
};

#define FRAME_INIT(t)                                                                                                  \
	{                                                                                                              \
		.type = (uint8_t)(t)                                                                                   \
	}

void frame_clear(struct frame *f);
void frame_reset(struct frame *f, uint8_t type); /* empties it, keeps the memory, wiped */

/* Appending. Memory failure is remembered and reported by frame_send. */
void frame_put_u8(struct frame *f, uint8_t v);
void frame_put_u32(struct frame *f, uint32_t v);
void frame_put_u64(struct frame *f, uint64_t v);
void frame_put_bytes(struct frame *f, const void *data, size_t len);
void frame_put_text(struct frame *f, const char *text); /* NULL is sent as "" */

/* Reading, in the order of writing. A read past the end marks the frame bad and
 * gives 0, NULL or "". Results borrow from the frame. */
uint8_t frame_get_u8(struct frame *f);
uint32_t frame_get_u32(struct frame *f);
uint64_t frame_get_u64(struct frame *f);
const uint8_t *frame_get_bytes(struct frame *f, size_t *len);
/* Text holds no NUL inside and is followed by one; otherwise the frame is bad. */
const char *frame_get_text(struct frame *f);
/* True when every field was there and nothing is left over. */
bool frame_end(const struct frame *f);

/* The largest body of each type a reader accepts; a type that is not listed is malformed. */
struct frame_limit {
	uint8_t type;
	uint32_t max_len;
};

/* Writes one whole message. Returns FRAME_OK, FRAME_CLOSED (peer gone; no
 * SIGPIPE is raised), FRAME_IO, FRAME_NO_MEMORY. Threads: one writer at a time. */
enum frame_error frame_send(int fd, const struct frame *f) __attribute__((warn_unused_result));

/* For a writer that must not block: writes what the socket takes now. *sent
 * counts what went out already, 0 before the first call; *complete tells whether
 * all of f did. f must not change in between. Returns as frame_send. */
enum frame_error frame_send_some(int fd, const struct frame *f, size_t *sent, bool *complete)
	__attribute__((warn_unused_result));

/* Reads one whole message, blocking. Returns also FRAME_CLOSED, FRAME_MALFORMED.
 * Owns: f must be initialised; its old content is wiped. Threads: one reader at a time. */
enum frame_error frame_recv(int fd, const struct frame_limit *limits, size_t limits_len, struct frame *f)
	__attribute__((warn_unused_result));

/* For a reader that must not block: feeds what the socket has into an inbox, a
 * frame at a time. Returns FRAME_OK with *complete telling whether body holds a
 * whole message now; call again until it does not. The next call wipes body; a frame_reset
 * of it before that is fine.
 * Zero-initialise it; a malformed message leaves it fit for clearing only. */
struct frame_inbox {
	uint8_t head[5];
	size_t head_len;
	size_t want;
	struct frame body;
};
enum frame_error frame_inbox_read(int fd, struct frame_inbox *in, const struct frame_limit *limits, size_t limits_len,
	bool *complete) __attribute__((warn_unused_result));
void frame_inbox_clear(struct frame_inbox *in);

#endif
