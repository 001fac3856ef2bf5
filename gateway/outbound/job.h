/*
 * What the two halves of outbound say to each other, as frames: JOB and PING go to the sender,
 * RESULT and PONG come back. The sender believes nothing in a job: ids, digits, lengths and the
 * credentials' names must fit the job's kind, or the message is malformed and ends the role.
 *
 * A call that is passed through (KIND_PASS) has a conversation of its own between JOB and RESULT:
 *
 *   BODY    to the sender    a piece of the request's body, where that is streamed
 *   HEAD    to the listener  status and chosen headers of the answer, once, before its first PART
 *   PART    to the listener  a piece of the answer's body
 *   TAKEN   both ways        so many bytes of what you sent are done with
 *   CANCEL  to the sender    nobody waits any more; RESULT comes at once
 *
 * Of one call at most JOB_WINDOW bytes that are not TAKEN yet may be on their way in either direction; more are
 * malformed. What the sender reads about a ticket whose RESULT it gave is too late, and nothing.
 */
#ifndef KEYHOUSE_OUTBOUND_JOB_H
#define KEYHOUSE_OUTBOUND_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/kinds.h"
#include "gateway/outbound/outbound.h"
#include "vault/frame.h"

enum job_type {
	JOB_JOB = 1,
	JOB_PING = 2,
	JOB_RESULT = 3,
	JOB_PONG = 4,
	JOB_BODY = 5,
	JOB_TAKEN = 6,
	JOB_CANCEL = 7,
	JOB_HEAD = 8,
	JOB_PART = 9,
};

#define JOB_BODY_MAX (128u * 1024u) /* a request's body */
#define JOB_PICKED_MAX (64u * 1024u) /* the fields picked from a provider's answer, as JSON */
#define JOB_ASK_MAX (256u * 1024u) /* what a responder is asked, and answers */
#define JOB_FIELDS_MAX JOB_ASK_MAX
#define JOB_PIECE_MAX (64u * 1024u) /* of a streamed body or answer */
#define JOB_WINDOW (4u * JOB_PIECE_MAX)

#define JOB_RESPONDER "responder" /* whose credential an ask is signed with, in the place of a connection */

/* For frame_recv and frame_inbox_read: what each half accepts. */
#define JOB_LIMITS 5u
extern const struct frame_limit job_limits_sender[JOB_LIMITS];
extern const struct frame_limit job_limits_listener[JOB_LIMITS];

struct job_credential {
	const char *connection_id;
	const char *field;
	uint64_t version;
	struct vault_wrapped_key key; /* under which it is sealed */
	const uint8_t *blob;
	size_t blob_len;
	uint64_t newest; /* the highest version ever given at its place: what is sealed for it gets the next */
};

struct job {
	uint64_t ticket; /* comes back with the result */
	const struct kind *kind;
	const char *id; /* the leased message, or the check: the vault is told */
	const char *deployment_id;
	const char *business_id;
	const char *number; /* "" where the kind wants none; so are the next three */
	const char *app_id;
	const char *waba_id;
	const char *url;
	const char *message_id; /* of an ask: the message that it is about; "" for none */
	struct job_credential credentials[KIND_CREDENTIALS_MAX]; /* as many as the kind wants */
	const char *body; /* NULL or empty where the kind wants none */
	size_t body_len;
	bool verbatim; /* a send: its answer's body goes back as it came, too */
	const char *version; /* a send's or a pass's, to Meta; NULL or "": the setting's */
	/* Of a pass, else empty: */
	enum kind_method method;
	const char *object_id, *path, *query, *content_type;
	uint64_t upload_len; /* of a streamed body; OUTBOUND_LEN_UNKNOWN */
};

/* How many of its kind's credentials it has. */
size_t job_credentials(const struct job *j);

/* Whether the job keeps the rules of its kind: what decode demands. */
bool job_valid(const struct job *j);
/* Whether its body is streamed behind it. */
bool job_uploads(const struct job *j);
void job_encode(struct frame *f, const struct job *j);
/* False: malformed. j borrows from f. */
bool job_decode(struct frame *f, struct job *j);

void job_result_encode(struct frame *f, uint64_t ticket, const struct outbound_result *r);
/* False: malformed, and r is untouched. Owns: caller clears r. */
bool job_result_decode(struct frame *f, uint64_t *ticket, struct outbound_result *r);

#define JOB_HEADER_MAX 8192u

struct job_head {
	uint64_t ticket;
	int status; /* 200 to 599 */
	uint64_t len; /* of the body; OUTBOUND_LEN_UNKNOWN */
	const char *values[OUTBOUND_HEADERS]; /* as outbound_header_names; NULL: the answer has none such */
};
void job_head_encode(struct frame *f, const struct job_head *h);
bool job_head_decode(struct frame *f, struct job_head *h); /* h borrows from f */
/* Whether a header's value may go on: at most JOB_HEADER_MAX bytes, no control characters. */
bool job_header_ok(const char *value);

/* BODY and PART: 1 to JOB_PIECE_MAX bytes; none only in a last one. A PART is never last: RESULT is. */
struct job_piece {
	uint64_t ticket;
	bool last;
	const void *data;
	size_t len;
};
void job_piece_encode(struct frame *f, enum job_type type, const struct job_piece *p);
bool job_piece_decode(struct frame *f, struct job_piece *p); /* p borrows from f */

/* TAKEN: 1 to JOB_WINDOW bytes. */
void job_taken_encode(struct frame *f, uint64_t ticket, uint32_t len);
bool job_taken_decode(struct frame *f, uint64_t *ticket, uint32_t *len);

/* PING and PONG carry a number, CANCEL a ticket. */
void job_number_encode(struct frame *f, enum job_type type, uint64_t number);
bool job_number_decode(struct frame *f, uint64_t *number);

#endif
