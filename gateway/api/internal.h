/*
 * What the API's files share: one request on its way, and the functions that the
 * route table names.
 *
 * Internal to gateway/api.
 */
#ifndef KEYHOUSE_API_INTERNAL_H
#define KEYHOUSE_API_INTERNAL_H

#include <pthread.h>

#include "gateway/api/api.h"
#include "gateway/once.h"

struct cJSON;

struct api {
	struct tenants *tenants;
	struct store *store;
	struct outbound *outbound;
	char *public_url;
	char *responder_allow;
	struct doctor doctor;
	struct rotation *rotation;
	struct virtual_keys *virtual_keys; /* may be NULL */
	pthread_mutex_t business_lock; /* held from reading a business's responder to writing it back */
};

struct call {
	struct api *api;
	const struct api_request *req;
	struct api_response *res;
	struct store_business business; /* where the path names one; it exists */
	char id[STORE_BUSINESS_ID_LEN + 1]; /* the last id of the path, where it names another thing */
	/* of a POST with an Idempotency-Key */
	bool is_once, once_ended; /* ended: its answer is kept already */
	struct store_once once;
	bool has_secret; /* the answer shows a secret, and must not be kept */
	char *kept; /* the answer without it; NULL: nothing is kept */
	bool may_change; /* it is about a state that may change, and must not be kept */
};

/* A call that may come twice (idempotency.c). begin: false when it is answered already. keep: the answer shows a
 * secret; what is kept is this tree, which is borrowed (NULL: memory was short). */
bool idempotency_begin(struct call *c);
void idempotency_keep(struct call *c, const struct cJSON *without_secret);
void idempotency_end(struct call *c);

/* Which connection and number a message leaves by; writes them into m. False after the problem was answered. */
bool number_choose(struct call *c, struct store_message *m);

/* An id as paths and bodies may spell it (design section 7). */
bool api_id_ok(const char *text, size_t len);

/* The document served at /openapi.yaml; made by embed.sh. */
extern const char api_openapi[];
extern const size_t api_openapi_len;

/* Each answers its call completely. */
void businesses_add(struct call *c);
void businesses_list(struct call *c);
void businesses_get(struct call *c);
void businesses_change(struct call *c);
void businesses_remove(struct call *c);

void connections_add(struct call *c);
void connections_list(struct call *c);
void connections_get(struct call *c);
void connections_change(struct call *c);
void connections_test(struct call *c);
void connections_remove(struct call *c);

void messages_add(struct call *c);
void messages_list(struct call *c);
void messages_get(struct call *c);
void messages_replay(struct call *c);
void messages_discard(struct call *c);

void products_add(struct call *c);
void products_list(struct call *c);
void products_remove(struct call *c);

void responder_put(struct call *c);
void responder_get(struct call *c);

void events_list(struct call *c);
void events_get(struct call *c);
void events_replay(struct call *c);

void audit_list(struct call *c);
void audit_list_all(struct call *c);

void doctor_get(struct call *c);
void doctor_post(struct call *c);

void links_add(struct call *c);
void links_list(struct call *c);
void links_revoke(struct call *c);

void virtual_keys_add(struct call *c);
void virtual_keys_list(struct call *c);
void virtual_keys_get(struct call *c);
void virtual_keys_rotate(struct call *c);
void virtual_keys_revoke(struct call *c);

void refusals_get(struct call *c);

void keys_get(struct call *c);
void keys_rotate(struct call *c);

void kit_get(struct call *c);
void kit_post(struct call *c);

void tokens_add(struct call *c);
void tokens_list(struct call *c);
void tokens_revoke(struct call *c);

#endif
