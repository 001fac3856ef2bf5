/*
 * The vault's client: one question at a time over the role's socket, from any
 * thread. Trusts the vault, but reads its answers within their limits. Called
 * by listener and sender.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vault/frame.h"
#include "vault/verbs.h"

struct vault_client {
	pthread_mutex_t lock; /* guards the socket and gone */
	int fd;
	bool gone;
};

/* A question and its answer. exchange_clear wipes both. */
struct exchange {
	enum vault_verb verb;
	struct frame question;
	struct frame answer;
};

#define EXCHANGE(v)                                                                                                    \
	{                                                                                                              \
		(v), FRAME_INIT(v), FRAME_INIT(0)                                                                      \
	}

struct vault_client *vault_client_new(int fd)
{
	struct vault_client *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	if (pthread_mutex_init(&c->lock, NULL) != 0) {
		free(c);
		return NULL;
	}
	c->fd = fd;
	return c;
}

void vault_client_free(struct vault_client *c)
{
	if (c == NULL)
		return;
	close(c->fd);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static void exchange_clear(struct exchange *e)
{
	frame_clear(&e->question);
	frame_clear(&e->answer);
}

static uint32_t answer_limit(enum vault_verb verb)
{
#define VERB_CASE(number, name, function, roles, question, answer)                                                     \
	case VERB_##name:                                                                                              \
		return 1u + (answer);
	switch (verb) {
		VAULT_VERBS(VERB_CASE)
	}
#undef VERB_CASE
	abort();
}

/* Sends the question and waits for its answer. Returns what the vault said. */
static enum vault_error ask(struct vault_client *c, struct exchange *e)
{
	const struct frame_limit limit = {(uint8_t)(e->verb | VERB_ANSWER), answer_limit(e->verb)};
	enum vault_error err = VAULT_GONE;
	enum frame_error sent;

	pthread_mutex_lock(&c->lock);
	if (c->gone)
		goto out;
	sent = frame_send(c->fd, &e->question);
	if (sent == FRAME_NO_MEMORY) {
		err = VAULT_NO_MEMORY; /* nothing went out */
		goto out;
	}
	if (sent != FRAME_OK || frame_recv(c->fd, &limit, 1, &e->answer) != FRAME_OK) {
		c->gone = true;
		goto out;
	}
	err = (enum vault_error)frame_get_u8(&e->answer);
	if (e->answer.bad || err >= VAULT_GONE || (err != VAULT_OK && !frame_end(&e->answer))) {
		c->gone = true;
		err = VAULT_GONE;
	}
out:
	pthread_mutex_unlock(&c->lock);
	frame_reset(&e->question, 0);
	return err;
}

/* After the fields of a good answer were read: was it exactly those? */
static enum vault_error answer_end(struct vault_client *c, const struct exchange *e, bool fields_fit)
{
	if (fields_fit && frame_end(&e->answer))
		return VAULT_OK;
	pthread_mutex_lock(&c->lock);
	c->gone = true;
	pthread_mutex_unlock(&c->lock);
	return VAULT_GONE;
}

/* ------------------------------------------------------------ fields */

static bool text_fits(const char *text)
{
	return text != NULL && text[0] != 0 && strnlen(text, BLOB_TEXT_MAX + 1) <= BLOB_TEXT_MAX;
}

static bool context_fits(const struct vault_context *where)
{
	return text_fits(where->deployment_id) && text_fits(where->business_id) && text_fits(where->table) &&
		text_fits(where->record_id) && text_fits(where->field);
}

static void put_wrapped(struct frame *f, const struct vault_wrapped_key *w)
{
	frame_put_bytes(f, w->blob, sizeof(w->blob));
	frame_put_u32(f, w->version);
}

static void put_context(struct frame *f, const struct vault_context *where)
{
	frame_put_text(f, where->deployment_id);
	frame_put_text(f, where->business_id);
	frame_put_text(f, where->table);
	frame_put_text(f, where->record_id);
	frame_put_text(f, where->field);
	frame_put_u64(f, where->record_version);
}

/* The next field, when it has exactly this length; else NULL. */
static const uint8_t *get_exactly(struct frame *f, size_t len)
{
	size_t got;
	const uint8_t *at = frame_get_bytes(f, &got);

	return got == len ? at : NULL;
}

static const char *get_hex(struct frame *f, size_t len)
{
	const char *text = frame_get_text(f);

	return strlen(text) == len ? text : NULL;
}

/* An answer that is a wrapped tenant key of this version, and nothing else. */
static enum vault_error get_wrapped(
	struct vault_client *c, struct exchange *e, uint32_t version, struct vault_wrapped_key *out)
{
	const uint8_t *blob = get_exactly(&e->answer, VAULT_WRAPPED_LEN);
	const char *id = get_hex(&e->answer, VAULT_KEY_ID_LEN);
	enum vault_error err = answer_end(c, e, blob != NULL && id != NULL);

	if (err != VAULT_OK)
		return err;
	memcpy(out->blob, blob, VAULT_WRAPPED_LEN);
	memcpy(out->master_key_id, id, VAULT_KEY_ID_LEN + 1);
	out->version = version;
	return VAULT_OK;
}

/* One that is a sealed credential and its fingerprint. */
static enum vault_error get_sealed(struct vault_client *c, struct exchange *e, size_t len, uint8_t *blob,
	char fingerprint[static VAULT_FINGERPRINT_LEN + 1])
{
	const uint8_t *sealed = get_exactly(&e->answer, len);
	const char *print = get_hex(&e->answer, VAULT_FINGERPRINT_LEN);
	enum vault_error err = answer_end(c, e, sealed != NULL && print != NULL);

	if (err != VAULT_OK)
		return err;
	memcpy(blob, sealed, len);
	memcpy(fingerprint, print, VAULT_FINGERPRINT_LEN + 1);
	return VAULT_OK;
}

/* ------------------------------------------------------------ verbs */

enum vault_error vault_status(struct vault_client *c, char key_id[static VAULT_KEY_ID_LEN + 1])
{
	struct exchange e = EXCHANGE(VERB_STATUS);
	enum vault_error err = ask(c, &e);
	const char *id;

	if (err != VAULT_OK)
		goto out;
	id = get_hex(&e.answer, VAULT_KEY_ID_LEN);
	err = answer_end(c, &e, id != NULL);
	if (err == VAULT_OK)
		memcpy(key_id, id, VAULT_KEY_ID_LEN + 1);
out:
	exchange_clear(&e);
	return err;
}

enum vault_error vault_tenant_key_new(struct vault_client *c, const char *deployment_id, const char *business_id,
	enum vault_purpose purpose, uint32_t version, struct vault_wrapped_key *out)
{
	struct exchange e = EXCHANGE(VERB_TENANT_KEY_NEW);
	enum vault_error err;

	if (!text_fits(deployment_id) || !text_fits(business_id))
		return VAULT_BAD_REQUEST;
	frame_put_text(&e.question, deployment_id);
	frame_put_text(&e.question, business_id);
	frame_put_u8(&e.question, (uint8_t)purpose);
	frame_put_u32(&e.question, version);
	err = ask(c, &e);
	if (err == VAULT_OK)
		err = get_wrapped(c, &e, version, out);
	exchange_clear(&e);
	return err;
}

enum vault_error vault_content_keys_get(struct vault_client *c, const char *deployment_id, const char *business_id,
	const struct vault_wrapped_key *content, const struct vault_wrapped_key *index, struct vault_content_keys *out)
{
	struct exchange e = EXCHANGE(VERB_CONTENT_KEYS);
	const uint8_t *content_key, *index_key;
	enum vault_error err;

	if (!text_fits(deployment_id) || !text_fits(business_id))
		return VAULT_BAD_REQUEST;
	frame_put_text(&e.question, deployment_id);
	frame_put_text(&e.question, business_id);
	put_wrapped(&e.question, content);
	put_wrapped(&e.question, index);
	err = ask(c, &e);
	if (err != VAULT_OK)
		goto out;
	content_key = get_exactly(&e.answer, VAULT_KEY_LEN);
	index_key = get_exactly(&e.answer, VAULT_KEY_LEN);
	err = answer_end(c, &e, content_key != NULL && index_key != NULL);
	if (err != VAULT_OK)
		goto out;
	out->content_version = content->version;
	memcpy(out->content, content_key, VAULT_KEY_LEN);
	memcpy(out->index, index_key, VAULT_KEY_LEN);
out:
	exchange_clear(&e);
	return err;
}

enum vault_error vault_credential_seal(struct vault_client *c, const struct vault_wrapped_key *credential_key,
	const struct vault_context *where, const struct secret *plain, uint8_t *blob,
	char fingerprint[static VAULT_FINGERPRINT_LEN + 1])
{
	struct exchange e = EXCHANGE(VERB_SEAL);
	enum vault_error err;

	if (!context_fits(where) || secret_len(plain) > VAULT_SECRET_MAX)
		return VAULT_BAD_REQUEST;
	put_wrapped(&e.question, credential_key);
	put_context(&e.question, where);
	frame_put_bytes(&e.question, secret_bytes(plain), secret_len(plain));
	err = ask(c, &e);
	if (err == VAULT_OK)
		err = get_sealed(c, &e, BLOB_LEN(secret_len(plain)), blob, fingerprint);
	exchange_clear(&e);
	return err;
}

enum vault_error vault_verifier_get(struct vault_client *c, const struct vault_wrapped_key *credential_key,
	const struct vault_context *where, const uint8_t *blob, size_t blob_len, struct vault_verifier *out)
{
	struct exchange e = EXCHANGE(VERB_VERIFIER);
	const uint8_t *inner, *outer;
	enum vault_error err;

	if (!context_fits(where) || blob_len > BLOB_LEN(VAULT_SECRET_MAX))
		return VAULT_BAD_REQUEST;
	put_wrapped(&e.question, credential_key);
	put_context(&e.question, where);
	frame_put_bytes(&e.question, blob, blob_len);
	err = ask(c, &e);
	if (err != VAULT_OK)
		goto out;
	inner = get_exactly(&e.answer, sizeof(out->inner));
	outer = get_exactly(&e.answer, sizeof(out->outer));
	err = answer_end(c, &e, inner != NULL && outer != NULL);
	if (err != VAULT_OK)
		goto out;
	memcpy(out->inner, inner, sizeof(out->inner));
	memcpy(out->outer, outer, sizeof(out->outer));
out:
	exchange_clear(&e);
	return err;
}

enum vault_error vault_credential_check(struct vault_client *c, const struct vault_wrapped_key *credential_key,
	const struct vault_context *where, const uint8_t *blob, size_t blob_len)
{
	struct exchange e = EXCHANGE(VERB_CHECK);
	enum vault_error err;

	if (!context_fits(where))
		return VAULT_BAD_REQUEST;
	if (blob_len > BLOB_LEN(VAULT_SECRET_MAX))
		return VAULT_BAD_BLOB;
	put_wrapped(&e.question, credential_key);
	put_context(&e.question, where);
	frame_put_bytes(&e.question, blob, blob_len);
	err = ask(c, &e);
	if (err == VAULT_OK)
		err = answer_end(c, &e, true);
	exchange_clear(&e);
	return err;
}

enum vault_error vault_tenant_keys_rewrap(
	struct vault_client *c, const char *deployment_id, struct vault_rewrap *keys, size_t keys_len)
{
	struct exchange e = EXCHANGE(VERB_REWRAP_KEYS);
	const uint8_t *blobs[VAULT_REWRAP_MAX];
	enum vault_error err;
	const char *id;
	bool fit = true;

	if (!text_fits(deployment_id) || keys_len > VAULT_REWRAP_MAX)
		return VAULT_BAD_REQUEST;
	frame_put_text(&e.question, deployment_id);
	frame_put_u8(&e.question, (uint8_t)keys_len);
	for (size_t i = 0; i < keys_len; i++) {
		fit = fit && text_fits(keys[i].business_id);
		frame_put_text(&e.question, keys[i].business_id);
		frame_put_u8(&e.question, (uint8_t)keys[i].purpose);
		put_wrapped(&e.question, &keys[i].key);
	}
	err = fit ? ask(c, &e) : VAULT_BAD_REQUEST;
	if (err != VAULT_OK)
		goto out;
	id = get_hex(&e.answer, VAULT_KEY_ID_LEN);
	for (size_t i = 0; i < keys_len; i++) {
		keys[i].err = (enum vault_error)frame_get_u8(&e.answer);
		blobs[i] = get_exactly(&e.answer, keys[i].err == VAULT_OK ? VAULT_WRAPPED_LEN : 0);
		fit = fit && keys[i].err < VAULT_GONE && (keys[i].err != VAULT_OK || blobs[i] != NULL);
	}
	err = answer_end(c, &e, id != NULL && fit);
	for (size_t i = 0; i < keys_len && err == VAULT_OK; i++) {
		if (keys[i].err != VAULT_OK)
			continue;
		memcpy(keys[i].key.blob, blobs[i], VAULT_WRAPPED_LEN);
		memcpy(keys[i].key.master_key_id, id, VAULT_KEY_ID_LEN + 1);
	}
out:
	exchange_clear(&e);
	return err;
}

enum vault_error vault_credential_rewrap(struct vault_client *c, const struct vault_wrapped_key *from,
	const struct vault_wrapped_key *to, const struct vault_context *where, const uint8_t *blob, size_t blob_len,
	uint8_t *new_blob, char fingerprint[static VAULT_FINGERPRINT_LEN + 1])
{
	struct exchange e = EXCHANGE(VERB_REWRAP);
	enum vault_error err;

	if (!context_fits(where) || blob_len > BLOB_LEN(VAULT_SECRET_MAX))
		return VAULT_BAD_REQUEST;
	put_wrapped(&e.question, from);
	put_wrapped(&e.question, to);
	put_context(&e.question, where);
	frame_put_bytes(&e.question, blob, blob_len);
	err = ask(c, &e);
	if (err == VAULT_OK)
		err = get_sealed(c, &e, blob_len, new_blob, fingerprint);
	exchange_clear(&e);
	return err;
}

enum vault_error vault_audit_begin(struct vault_client *c, const char *deployment_id, const char *business_id,
	const struct vault_wrapped_key *key, const struct vault_audit_head *head, bool is_new)
{
	struct exchange e = EXCHANGE(VERB_AUDIT_BEGIN);
	enum vault_error err;

	if (!text_fits(deployment_id) || !text_fits(business_id))
		return VAULT_BAD_REQUEST;
	frame_put_text(&e.question, deployment_id);
	frame_put_text(&e.question, business_id);
	put_wrapped(&e.question, key);
	frame_put_u64(&e.question, head->seq);
	frame_put_bytes(&e.question, head->hash, is_new ? 0 : sizeof(head->hash));
	frame_put_u64(&e.question, head->at);
	frame_put_u64(&e.question, head->refused);
	frame_put_u64(&e.question, head->undone);
	frame_put_bytes(&e.question, head->mac, is_new ? 0 : sizeof(head->mac));
	err = ask(c, &e);
	if (err == VAULT_OK)
		err = answer_end(c, &e, true);
	exchange_clear(&e);
	return err;
}

enum vault_error vault_audit_extend(
	struct vault_client *c, uint64_t from, const uint8_t *digests, size_t rows, struct vault_audit_head *out)
{
	struct exchange e = EXCHANGE(VERB_AUDIT_EXTEND);
	const uint8_t *mac;
	enum vault_error err;

	if (rows > VAULT_AUDIT_ROWS_MAX)
		return VAULT_BAD_REQUEST;
	frame_put_u64(&e.question, from);
	frame_put_bytes(&e.question, digests, rows * VAULT_HASH_LEN);
	err = ask(c, &e);
	if (err != VAULT_OK)
		goto out;
	out->at = frame_get_u64(&e.answer);
	out->refused = frame_get_u64(&e.answer);
	out->undone = frame_get_u64(&e.answer);
	mac = get_exactly(&e.answer, sizeof(out->mac));
	err = answer_end(c, &e, mac != NULL);
	if (err == VAULT_OK)
		memcpy(out->mac, mac, sizeof(out->mac));
out:
	exchange_clear(&e);
	return err;
}

enum vault_error vault_credential_open(struct vault_client *c, const char *job_id,
	const struct vault_wrapped_key *credential_key, const struct vault_context *where, const uint8_t *blob,
	size_t blob_len, struct secret **out)
{
	struct exchange e = EXCHANGE(VERB_OPEN);
	const uint8_t *plain;
	enum vault_error err;
	struct secret *s;
	size_t len;

	if (!text_fits(job_id) || !context_fits(where) || blob_len > BLOB_LEN(VAULT_SECRET_MAX))
		return VAULT_BAD_REQUEST;
	frame_put_text(&e.question, job_id);
	put_wrapped(&e.question, credential_key);
	put_context(&e.question, where);
	frame_put_bytes(&e.question, blob, blob_len);
	err = ask(c, &e);
	if (err != VAULT_OK)
		goto out;
	plain = frame_get_bytes(&e.answer, &len);
	err = answer_end(c, &e, len > 0);
	if (err != VAULT_OK)
		goto out;
	s = secret_new(plain, len);
	if (s == NULL)
		err = VAULT_NO_MEMORY;
	else
		*out = s;
out:
	exchange_clear(&e);
	return err;
}
