/*
 * Session: how a command reaches the platform API.
 *
 * Over the control socket while the service runs; else the command takes the lock,
 * starts a vault (and a sender where live checks are wanted), opens the store and
 * asks the API in its own process.
 */
#ifndef KEYHOUSE_SESSION_H
#define KEYHOUSE_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/config.h"

struct session;
struct tenants;

/* The answer; body ends with a NUL that body_len does not count. */
struct session_answer {
	int status;
	char *body;
	size_t body_len;
};
void session_answer_clear(struct session_answer *a); /* wipes and frees */

struct session_request {
	const char *method;
	const char *path; /* with its query */
	const char *content_type; /* may be NULL */
	const char *body; /* may be NULL */
	size_t body_len;
};

/* create: make data directory, key and database where they are missing, else that is
 * refused. with_sender: live checks are wanted. On failure prints one sentence to
 * standard error and returns NULL. */
struct session *session_open(const struct config *c, bool create, bool with_sender);
/* Beside a service that may run: no lock is taken, and the API is not there. Opens a database, mostly a copy, and a vault
 * with the key file that is there; read only (an older version's through a copy for as long as the session is open), or so
 * that it may be changed. */
struct session *session_open_copy(const struct config *c, const char *path, bool change);
struct tenants *session_tenants(struct session *s);
struct vault_client *session_vault(struct session *s);
void session_close(struct session *s);
/* Whether the service runs and answers through it. */
bool session_is_online(const struct session *s);

/* False, with a sentence on standard error, when no answer came. */
bool session_call(struct session *s, const struct session_request *request, struct session_answer *answer);

#endif
