/*
 * Virtual keys: may this call with this key be made?
 *
 * A front hands over what a client presented, and what the call needs. The key is found in
 * the store by its hash at each call, so that revoking works at once. How many calls a
 * minute one may make is counted in memory alone. Whatever is refused is kept for the operator
 * (refused_calls.h), and noted at the key.
 *
 * Clients are strangers: what they present is neither kept nor logged.
 * Called by the fronts; by api, which makes keys; by api and settings, which show them.
 */
#ifndef KEYHOUSE_VIRTUAL_KEY_H
#define KEYHOUSE_VIRTUAL_KEY_H

#include "gateway/refused_calls.h"
#include "store/store.h"
#include "vault/vault.h"

#define VIRTUAL_KEY_PREFIX "khv_"
#define VIRTUAL_KEY_ROOM (sizeof(VIRTUAL_KEY_PREFIX) + VAULT_RANDOM_TEXT_LEN)

struct virtual_keys;

/* Borrows store. NULL when memory is short. */
struct virtual_keys *virtual_keys_new(struct store *store);
void virtual_keys_free(struct virtual_keys *v); /* what is not written yet is lost; NULL is fine */

/* A new key's text, and its id, hash, last4 and created_at. Secrets: the caller shows text once and wipes it. */
void virtual_key_make(struct store_virtual_key *k, char text[static VIRTUAL_KEY_ROOM]);

/* What a key may be made for, by the name that its maker gives. */
#define VIRTUAL_KEY_SCOPES 4u
struct virtual_key_scope {
	const char *name;
	enum store_scope bit;
};
extern const struct virtual_key_scope virtual_key_scopes[VIRTUAL_KEY_SCOPES];

/* Whether it was given this number, or all of its business. */
bool virtual_key_has_number(const struct store_virtual_key *k, const char *number);

/* REFUSED_REVOKED or REFUSED_EXPIRED where it is good no more, else REFUSED_NOT. */
enum refused_why virtual_key_ended(const struct store_virtual_key *k, int64_t now);

/* Whether its budget was used up when it was found: a message more is refused. store_message_send counts them. */
bool virtual_key_is_spent(const struct store_virtual_key *k);

struct virtual_key_call {
	const char *text; /* what was presented in place of a key, bare; NULL: nothing was, or it was twice */
	unsigned scopes; /* what the call needs: one of these bits of enum store_scope */
	const char *number; /* the phone_number_id that it is about; NULL: none */
	int64_t now;
	const char *method, *path; /* the request's, as it came */
	const char *peer; /* the caller's address */
};

struct virtual_key_verdict {
	enum refused_why why; /* REFUSED_NOT: it may be made */
	unsigned retry_after_ms; /* with REFUSED_RATE and REFUSED_BUDGET: how long to wait; else 0 */
	/* Zeroed with what is before REFUSED_REVOKED in the table: it is none of ours. */
	struct store_virtual_key key;
	struct store_business business;
};

/* Fills *out. Whether a number is the business's is not asked: a key that was given all of them has others' too. Nor is
 * the day's budget, since not every call to send makes a message (virtual_key_is_spent). Returns anything
 * but STORE_OK where the store cannot be asked: then nothing is decided nor noted. Threads: any. */
enum store_error virtual_keys_admit(struct virtual_keys *v, const struct virtual_key_call *call,
	struct virtual_key_verdict *out) __attribute__((warn_unused_result));
/* A call of a key that was found by other means than its text: takes it out of its rate. 0, or how many ms to wait. */
unsigned virtual_keys_take(struct virtual_keys *v, const struct store_virtual_key *k, int64_t now);
/* A call that was let through and then not made after all, as its message found the budget used up or the key revoked:
 * out->why becomes why, and it is noted as admit does. */
void virtual_keys_refuse(struct virtual_keys *v, const struct virtual_key_call *call, enum refused_why why,
	struct virtual_key_verdict *out);

/* Adds to a key what calls with it came to since that was last written. */
void virtual_keys_news(struct virtual_keys *v, struct store_virtual_key *k);
/* Writes that into the store; each minute. What an error left goes with the next. */
enum store_error virtual_keys_write(struct virtual_keys *v) __attribute__((warn_unused_result));

/* For the operator; borrowed. */
struct refused_calls *virtual_keys_refused(struct virtual_keys *v);

#endif
