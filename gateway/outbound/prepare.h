/*
 * Preparing: from a leased message, or a question about a key, to a job for the sender. Reads the
 * store, opens the message's content, never a credential. Called by outbound.c, schedule.c, results.c, ask.c, pass.c.
 */
#ifndef KEYHOUSE_OUTBOUND_PREPARE_H
#define KEYHOUSE_OUTBOUND_PREPARE_H

#include "gateway/outbound/destination.h"
#include "gateway/outbound/job.h"

enum prepare_error {
	PREPARE_OK,
	PREPARE_INVALID, /* the job would break its kind's rules */
	PREPARE_NO_CREDENTIAL, /* a credential that the kind wants is not held */
	PREPARE_UNREADABLE, /* the stored message does not open, or is gone: never will */
	PREPARE_LATER, /* store, vault or memory: may work the next time */
};

/* A job and what it borrows from. Zero-initialise; prepared_clear may be called twice. Must not be
 * copied: the job points into it. An ask's and a pass's body stay the caller's. */
struct prepared {
	struct job job;
	char id[STORE_ID_LEN + 1];
	char business_id[STORE_BUSINESS_ID_LEN + 1];
	char number[STORE_PROVIDER_ID_LEN + 1];
	char app_id[STORE_PROVIDER_ID_LEN + 1];
	char waba_id[STORE_PROVIDER_ID_LEN + 1];
	char url[DESTINATION_URL_MAX + 1];
	char message_id[STORE_ID_LEN + 1];
	struct store_credential credentials[KIND_CREDENTIALS_MAX];
	uint8_t *blobs[KIND_CREDENTIALS_MAX];
	char *body;
};
void prepared_clear(struct prepared *p);

/* The ticket is the caller's to set. */
enum prepare_error prepare_send(struct tenants *t, const struct store_message *m, struct prepared *out)
	__attribute__((warn_unused_result));
enum prepare_error prepare_check(struct tenants *t, const struct outbound_check *check, struct prepared *out)
	__attribute__((warn_unused_result));
enum prepare_error prepare_ask(struct tenants *t, const struct outbound_ask *ask, struct prepared *out)
	__attribute__((warn_unused_result));
/* With the connection's current keys; texts and body stay the caller's. PREPARE_INVALID also where the connection is
 * not there, or another provider's. */
enum prepare_error prepare_pass(struct tenants *t, const struct outbound_pass *call, struct prepared *out)
	__attribute__((warn_unused_result));
/* Asks about a Meta connection's current token. PREPARE_NO_CREDENTIAL also where no app id is known. */
enum prepare_error prepare_confirm(struct tenants *t, const char *business_id, const char *connection_id,
	struct prepared *out) __attribute__((warn_unused_result));

/* Notes that the job is about to use its credentials; for those that no lease has noted. False: it must not go out. */
bool prepared_note(struct tenants *t, const struct prepared *p) __attribute__((warn_unused_result));

/* The current credential of a connection. Owns: caller frees *blob, to which out->blob points. */
enum prepare_error prepare_credential(struct tenants *t, const char *business_id, const char *connection_id,
	const char *field, struct store_credential *out, uint8_t **blob) __attribute__((warn_unused_result));

#endif
