/*
 * What the two halves of outbound say to each other, as frames: JOB and PING go to the sender,
 * RESULT and PONG come back. The sender believes nothing in a job: ids, digits, lengths and the
 * credentials' names must fit the job's kind, or the message is malformed and ends the role.
 */
#ifndef KEYHOUSE_OUTBOUND_JOB_H
#define KEYHOUSE_OUTBOUND_JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/outbound/kinds.h"
#include "gateway/outbound/outbound.h"
#include "vault/frame.h"

enum job_type { JOB_JOB = 1, JOB_PING = 2, JOB_RESULT = 3, JOB_PONG = 4 };

#define JOB_BODY_MAX (128u * 1024u) /* a request's body */
#define JOB_PICKED_MAX (64u * 1024u) /* the fields picked from a provider's answer, as JSON */
#define JOB_ASK_MAX (256u * 1024u) /* what a responder is asked, and answers */
#define JOB_FIELDS_MAX JOB_ASK_MAX

#define JOB_RESPONDER "responder" /* whose credential an ask is signed with, in the place of a connection */

/* For frame_recv and frame_inbox_read: what each half accepts. */
#define JOB_LIMITS 2u
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
};

/* Whether the job keeps the rules of its kind: what decode demands. */
bool job_valid(const struct job *j);
void job_encode(struct frame *f, const struct job *j);
/* False: malformed. j borrows from f. */
bool job_decode(struct frame *f, struct job *j);

void job_result_encode(struct frame *f, uint64_t ticket, const struct outbound_result *r);
/* False: malformed, and r is untouched. Owns: caller clears r. */
bool job_result_decode(struct frame *f, uint64_t *ticket, struct outbound_result *r);

/* PING and PONG carry a number. */
void job_number_encode(struct frame *f, enum job_type type, uint64_t number);
bool job_number_decode(struct frame *f, uint64_t *number);

#endif
