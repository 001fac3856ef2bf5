/*
 * The vault process: it alone holds master keys and opened credentials, and
 * does what the table of verbs lets a role ask. It trusts neither client: each
 * may be taken over. Called by the vault role's main after vault_init; after
 * vault_process_open it needs memory, randomness, its sockets and nothing else.
 */
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vault/audit.h"
#include "vault/frame.h"
#include "vault/guarded.h"
#include "vault/keyfile.h"
#include "vault/verbs.h"
#include "vault/verifier.h"

#define FINGERPRINT_LABEL "keyhouse-fingerprint-1"
#define UNWRAPPED_ROOM BLOB_PADDED_LEN(VAULT_KEY_LEN)

/* Where opened things lie while one question is answered; wiped after each. */
struct workspace {
	uint8_t key[UNWRAPPED_ROOM];
	uint8_t second_key[UNWRAPPED_ROOM];
	uint8_t plain[BLOB_PADDED_LEN(VAULT_SECRET_MAX)];
	uint8_t blob[BLOB_LEN(VAULT_SECRET_MAX)];
	struct vault_verifier verifier;
};

/* Beside it: two rings and the text of a key file while another one is read, each rounded up to pages. */
_Static_assert(sizeof(struct workspace) <= VAULT_LOCKED_LEN / 2, "VAULT_LOCKED_LEN");

struct vault_process {
	struct key_ring *ring;
	struct workspace *work;
	struct audit_keeper *audit;
	struct audit_memory memory; /* where it is handed none */
	uint64_t denied[ASK_ROLES];
	void (*told)(void *ctx, enum vault_role role, uint64_t count);
	void *ctx;
};

/* ------------------------------------------------------------ fields of questions */

struct bytes {
	const uint8_t *data;
	size_t len;
};

struct wrapped {
	struct bytes blob;
	uint32_t version;
};

static struct bytes get_bytes(struct frame *q)
{
	struct bytes b;

	b.data = frame_get_bytes(q, &b.len);
	return b;
}

static struct wrapped get_wrapped(struct frame *q)
{
	struct wrapped w;

	w.blob = get_bytes(q);
	w.version = frame_get_u32(q);
	return w;
}

static struct vault_context get_context(struct frame *q)
{
	struct vault_context c;

	c.deployment_id = frame_get_text(q);
	c.business_id = frame_get_text(q);
	c.table = frame_get_text(q);
	c.record_id = frame_get_text(q);
	c.field = frame_get_text(q);
	c.record_version = frame_get_u64(q);
	return c;
}

/* Lengths are the sealing's business; here: nothing that a place needs is missing. */
static bool place_given(const struct vault_context *c)
{
	return c->deployment_id[0] != 0 && c->business_id[0] != 0 && c->table[0] != 0 && c->record_id[0] != 0 &&
		c->field[0] != 0;
}

static bool is_credential(const struct vault_context *c)
{
	return place_given(c) && strcmp(c->table, VERB_TABLE_CREDENTIALS) == 0;
}

/* ------------------------------------------------------------ tenant keys */

static const char *purpose_name(uint8_t purpose)
{
	switch ((enum vault_purpose)purpose) {
	case VAULT_CREDENTIAL:
		return "credential";
	case VAULT_CONTENT:
		return "content";
	case VAULT_INDEX:
		return "index";
	}
	return NULL;
}

static struct vault_context wrapped_place(
	const char *deployment_id, const char *business_id, uint8_t purpose, uint32_t version)
{
	return (struct vault_context){deployment_id, business_id, "tenant_keys", purpose_name(purpose), "key", version};
}

/* Opens a wrapped tenant key into `key` under whichever master key sealed it. */
static enum vault_error unwrap(const struct vault_process *p, const struct vault_context *where,
	const struct wrapped *w, uint8_t key[static UNWRAPPED_ROOM])
{
	struct blob_key with = {BLOB_TENANT_KEY, w->version, NULL};
	enum vault_error err = VAULT_WRONG_KEY;
	uint32_t sealed_version;
	size_t len = 0;

	if (w->blob.len != VAULT_WRAPPED_LEN || !place_given(where))
		return VAULT_BAD_REQUEST;
	if (vault_blob_key_version(w->blob.data, w->blob.len, &sealed_version) != VAULT_OK)
		return VAULT_BAD_BLOB;
	if (sealed_version != w->version)
		return VAULT_BAD_BLOB;
	for (size_t i = 0; i < p->ring->len && err == VAULT_WRONG_KEY; i++) {
		with.key = p->ring->keys[i].key;
		err = vault_blob_open(&with, where, w->blob.data, w->blob.len, key, &len);
	}
	if (err == VAULT_OK && len != VAULT_KEY_LEN)
		return VAULT_BAD_BLOB;
	return err;
}

/* Seals the tenant key in the workspace under the current master key, into the workspace. */
static enum vault_error wrap(struct vault_process *p, const struct vault_context *where, uint32_t version)
{
	const struct blob_key with = {BLOB_TENANT_KEY, version, p->ring->keys[0].key};

	return vault_blob_seal(&with, where, p->work->key, VAULT_KEY_LEN, p->work->blob);
}

/* The credential key that goes with a credential's place. */
static enum vault_error unwrap_for(
	const struct vault_process *p, const struct vault_context *where, const struct wrapped *w, struct blob_key *out)
{
	const struct vault_context key_place =
		wrapped_place(where->deployment_id, where->business_id, VAULT_CREDENTIAL, w->version);

	*out = (struct blob_key){BLOB_CREDENTIAL, w->version, p->work->key};
	return unwrap(p, &key_place, w, p->work->key);
}

/* ------------------------------------------------------------ verbs
 *
 * Each reads all its fields, most before anything is done with them; a question
 * that is not exactly those fields is malformed, whatever the verb then returns,
 * and ends the process. */

static enum vault_error verb_status(struct vault_process *p, struct frame *q, struct frame *a)
{
	(void)q;
	frame_put_text(a, p->ring->keys[0].id);
	return VAULT_OK;
}

static enum vault_error verb_tenant_key_new(struct vault_process *p, struct frame *q, struct frame *a)
{
	const char *deployment_id = frame_get_text(q);
	const char *business_id = frame_get_text(q);
	const uint8_t purpose = frame_get_u8(q);
	const uint32_t version = frame_get_u32(q);
	const struct vault_context where = wrapped_place(deployment_id, business_id, purpose, version);
	enum vault_error err;

	if (!frame_end(q) || where.record_id == NULL || !place_given(&where))
		return VAULT_BAD_REQUEST;
	vault_random(p->work->key, VAULT_KEY_LEN);
	err = wrap(p, &where, version);
	if (err != VAULT_OK)
		return err;
	frame_put_bytes(a, p->work->blob, VAULT_WRAPPED_LEN);
	frame_put_text(a, p->ring->keys[0].id);
	return VAULT_OK;
}

/* From whichever master key to the current one; one that does not open holds up no other. */
static enum vault_error verb_rewrap_keys(struct vault_process *p, struct frame *q, struct frame *a)
{
	const char *deployment_id = frame_get_text(q);
	const uint8_t count = frame_get_u8(q);

	if (count > VAULT_REWRAP_MAX)
		return VAULT_BAD_REQUEST;
	frame_put_text(a, p->ring->keys[0].id);
	for (unsigned i = 0; i < count && !q->bad; i++) {
		const char *business_id = frame_get_text(q);
		const uint8_t purpose = frame_get_u8(q);
		const struct wrapped w = get_wrapped(q);
		const struct vault_context where = wrapped_place(deployment_id, business_id, purpose, w.version);
		enum vault_error err = VAULT_BAD_REQUEST;

		if (where.record_id != NULL)
			err = unwrap(p, &where, &w, p->work->key);
		if (err == VAULT_OK)
			err = wrap(p, &where, w.version);
		frame_put_u8(a, (uint8_t)err);
		frame_put_bytes(a, p->work->blob, err == VAULT_OK ? VAULT_WRAPPED_LEN : 0);
	}
	return frame_end(q) ? VAULT_OK : VAULT_BAD_REQUEST;
}

static enum vault_error verb_content_keys(struct vault_process *p, struct frame *q, struct frame *a)
{
	const char *deployment_id = frame_get_text(q);
	const char *business_id = frame_get_text(q);
	const struct wrapped content = get_wrapped(q);
	const struct wrapped index = get_wrapped(q);
	struct vault_context where = wrapped_place(deployment_id, business_id, VAULT_CONTENT, content.version);
	enum vault_error err;

	if (!frame_end(q))
		return VAULT_BAD_REQUEST;
	err = unwrap(p, &where, &content, p->work->key);
	if (err != VAULT_OK)
		return err;
	where = wrapped_place(deployment_id, business_id, VAULT_INDEX, index.version);
	err = unwrap(p, &where, &index, p->work->second_key);
	if (err != VAULT_OK)
		return err;
	frame_put_bytes(a, p->work->key, VAULT_KEY_LEN);
	frame_put_bytes(a, p->work->second_key, VAULT_KEY_LEN);
	return VAULT_OK;
}

/* Equal for equal secrets under one tenant key; keyed, so that nobody can try guesses against it. */
static void fingerprint(
	const uint8_t key[static VAULT_KEY_LEN], const struct bytes *plain, char out[static VAULT_FINGERPRINT_LEN + 1])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, VAULT_KEY_LEN, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)FINGERPRINT_LABEL, sizeof(FINGERPRINT_LABEL) - 1);
	crypto_generichash_update(&state, plain->data, plain->len);
	crypto_generichash_final(&state, hash, sizeof(hash));
	sodium_bin2hex(out, VAULT_FINGERPRINT_LEN + 1, hash, VAULT_FINGERPRINT_LEN / 2);
	vault_wipe(&state, sizeof(state));
	vault_wipe(hash, sizeof(hash));
}

/* Answers the credential, sealed for its place under the tenant key w. */
static enum vault_error seal_credential(struct vault_process *p, const struct wrapped *w,
	const struct vault_context *where, const struct bytes *plain, struct frame *a)
{
	char print[VAULT_FINGERPRINT_LEN + 1];
	struct blob_key with;
	enum vault_error err = unwrap_for(p, where, w, &with);

	if (err == VAULT_OK)
		err = vault_blob_seal(&with, where, plain->data, plain->len, p->work->blob);
	if (err != VAULT_OK)
		return err;
	fingerprint(p->work->key, plain, print);
	frame_put_bytes(a, p->work->blob, BLOB_LEN(plain->len));
	frame_put_text(a, print);
	return VAULT_OK;
}

static enum vault_error verb_seal(struct vault_process *p, struct frame *q, struct frame *a)
{
	const struct wrapped w = get_wrapped(q);
	const struct vault_context where = get_context(q);
	const struct bytes plain = get_bytes(q);

	if (!frame_end(q) || !is_credential(&where) || plain.len == 0 || plain.len > VAULT_SECRET_MAX)
		return VAULT_BAD_REQUEST;
	return seal_credential(p, &w, &where, &plain, a);
}

/* Opens a credential into the workspace. */
static enum vault_error open_credential(struct vault_process *p, const struct wrapped *w,
	const struct vault_context *where, const struct bytes *blob, size_t *len)
{
	struct blob_key with;
	enum vault_error err;

	if (!is_credential(where) || blob->len > BLOB_LEN(VAULT_SECRET_MAX))
		return VAULT_BAD_REQUEST;
	err = unwrap_for(p, where, w, &with);
	if (err != VAULT_OK)
		return err;
	return vault_blob_open(&with, where, blob->data, blob->len, p->work->plain, len);
}

static enum vault_error verb_rewrap(struct vault_process *p, struct frame *q, struct frame *a)
{
	const struct wrapped from = get_wrapped(q);
	const struct wrapped to = get_wrapped(q);
	const struct vault_context where = get_context(q);
	const struct bytes blob = get_bytes(q);
	struct bytes plain = {p->work->plain, 0};
	enum vault_error err;

	if (!frame_end(q))
		return VAULT_BAD_REQUEST;
	err = open_credential(p, &from, &where, &blob, &plain.len);
	return err == VAULT_OK ? seal_credential(p, &to, &where, &plain, a) : err;
}

static enum vault_error verb_verifier(struct vault_process *p, struct frame *q, struct frame *a)
{
	const struct wrapped w = get_wrapped(q);
	const struct vault_context where = get_context(q);
	const struct bytes blob = get_bytes(q);
	enum vault_error err;
	size_t len;

	if (!frame_end(q) || !vault_field_has_verifier(where.field))
		return VAULT_BAD_REQUEST;
	err = open_credential(p, &w, &where, &blob, &len);
	if (err != VAULT_OK)
		return err;
	vault_verifier_make(p->work->plain, len, &p->work->verifier);
	frame_put_bytes(a, p->work->verifier.inner, sizeof(p->work->verifier.inner));
	frame_put_bytes(a, p->work->verifier.outer, sizeof(p->work->verifier.outer));
	return VAULT_OK;
}

static enum vault_error verb_open(struct vault_process *p, struct frame *q, struct frame *a)
{
	const char *job_id = frame_get_text(q);
	const struct wrapped w = get_wrapped(q);
	const struct vault_context where = get_context(q);
	const struct bytes blob = get_bytes(q);
	enum vault_error err;
	size_t len;

	if (!frame_end(q) || job_id[0] == 0 || strlen(job_id) > BLOB_TEXT_MAX)
		return VAULT_BAD_REQUEST;
	err = open_credential(p, &w, &where, &blob, &len);
	if (err != VAULT_OK)
		return err;
	frame_put_bytes(a, p->work->plain, len);
	return VAULT_OK;
}

static enum vault_error verb_check(struct vault_process *p, struct frame *q, struct frame *a)
{
	const struct wrapped w = get_wrapped(q);
	const struct vault_context where = get_context(q);
	const struct bytes blob = get_bytes(q);
	size_t len;

	(void)a;
	return frame_end(q) ? open_credential(p, &w, &where, &blob, &len) : VAULT_BAD_REQUEST;
}

static enum vault_error verb_audit_begin(struct vault_process *p, struct frame *q, struct frame *a)
{
	const char *deployment_id = frame_get_text(q);
	const char *business_id = frame_get_text(q);
	const struct wrapped w = get_wrapped(q);
	struct vault_audit_head head = {.seq = frame_get_u64(q)};
	const struct bytes hash = get_bytes(q);
	struct bytes mac;
	const struct vault_context where = wrapped_place(deployment_id, business_id, VAULT_CREDENTIAL, w.version);
	enum vault_error err;

	(void)a;
	head.at = frame_get_u64(q);
	head.refused = frame_get_u64(q);
	head.undone = frame_get_u64(q);
	mac = get_bytes(q);
	if (!frame_end(q) || hash.len != mac.len || (mac.len != 0 && mac.len != AUDIT_MAC_LEN))
		return VAULT_BAD_REQUEST;
	if (mac.len > 0) {
		memcpy(head.hash, hash.data, sizeof(head.hash));
		memcpy(head.mac, mac.data, sizeof(head.mac));
	}
	err = unwrap(p, &where, &w, p->work->key);
	return err == VAULT_OK ? audit_keeper_begin(p->audit, p->work->key, deployment_id, &head, mac.len) : err;
}

static enum vault_error verb_audit_extend(struct vault_process *p, struct frame *q, struct frame *a)
{
	const uint64_t from = frame_get_u64(q);
	const struct bytes digests = get_bytes(q);
	struct vault_audit_head head;
	struct timespec now;
	enum vault_error err;

	if (!frame_end(q) || digests.len % VAULT_HASH_LEN != 0)
		return VAULT_BAD_REQUEST;
	clock_gettime(CLOCK_REALTIME, &now);
	err = audit_keeper_extend(p->audit, from, digests.data, digests.len / VAULT_HASH_LEN,
		(uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, &head);
	if (err != VAULT_OK)
		return err;
	frame_put_u64(a, head.at);
	frame_put_u64(a, head.refused);
	frame_put_u64(a, head.undone);
	frame_put_bytes(a, head.mac, sizeof(head.mac));
	return VAULT_OK;
}

/* ------------------------------------------------------------ the table */

struct verb {
	enum vault_verb number;
	unsigned roles;
	enum vault_error (*answer)(struct vault_process *p, struct frame *q, struct frame *a);
};

#define VERB_ROW(number, name, function, roles, question, answer) {VERB_##name, (roles), verb_##function},
#define VERB_LIMIT(number, name, function, roles, question, answer) {VERB_##name, (question)},

static const struct verb verbs[] = {VAULT_VERBS(VERB_ROW)};
static const struct frame_limit questions[] = {VAULT_VERBS(VERB_LIMIT)};

#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

/* Fills a with the answer. Returns VAULT_OK, VAULT_BAD_REQUEST when the question is malformed, VAULT_NO_MEMORY. */
static enum vault_error answer(struct vault_process *p, enum vault_role role, struct frame *q, struct frame *a)
{
	const struct verb *verb = NULL;
	enum vault_error err = VAULT_DENIED;

	for (size_t i = 0; i < VERBS; i++) {
		if (verbs[i].number == q->type)
			verb = &verbs[i];
	}
	if (verb == NULL)
		return VAULT_BAD_REQUEST;
	frame_reset(a, (uint8_t)(q->type | VERB_ANSWER));
	if ((verb->roles & 1u << role) == 0) {
		p->denied[role]++;
		p->audit->kept->refused++;
		if (p->told != NULL)
			p->told(p->ctx, role, p->denied[role]);
	} else {
		frame_put_u8(a, VAULT_OK);
		err = verb->answer(p, q, a);
		vault_wipe(p->work, sizeof(*p->work));
		if (!frame_end(q))
			return VAULT_BAD_REQUEST;
	}
	if (err != VAULT_OK) {
		frame_reset(a, a->type);
		frame_put_u8(a, (uint8_t)err);
	}
	return a->failed ? VAULT_NO_MEMORY : VAULT_OK;
}

/* Room for one descriptor beside a message. */
union key_message {
	struct cmsghdr head;
	uint8_t bytes[CMSG_SPACE(sizeof(int))];
};

/* ------------------------------------------------------------ the loop */

/* One client's socket. Either a question is being read or an answer written:
 * a client that does not read its answers is not listened to. */
struct peer {
	enum vault_role role;
	int fd;
	bool answering;
	struct frame_inbox in;
	struct frame out;
	size_t sent;
};

static enum vault_error peer_send(struct peer *peer, bool *closed)
{
	bool complete = false;

	switch (frame_send_some(peer->fd, &peer->out, &peer->sent, &complete)) {
	case FRAME_OK:
		break;
	case FRAME_CLOSED:
		*closed = true;
		return VAULT_OK;
	case FRAME_NO_MEMORY:
		return VAULT_NO_MEMORY;
	case FRAME_MALFORMED:
	case FRAME_IO:
		return VAULT_GONE;
	}
	if (complete) {
		peer->answering = false;
		frame_reset(&peer->out, 0);
	}
	return VAULT_OK;
}

/* At most one question, so that the other client comes next. */
static enum vault_error peer_read(struct vault_process *p, struct peer *peer, bool *closed)
{
	enum vault_error err;
	bool complete = false;

	switch (frame_inbox_read(peer->fd, &peer->in, questions, VERBS, &complete)) {
	case FRAME_OK:
		break;
	case FRAME_CLOSED:
		*closed = true;
		return VAULT_OK;
	case FRAME_MALFORMED:
		return VAULT_BAD_REQUEST;
	case FRAME_NO_MEMORY:
		return VAULT_NO_MEMORY;
	case FRAME_IO:
		return VAULT_GONE;
	}
	if (!complete)
		return VAULT_OK;
	err = answer(p, peer->role, &peer->in.body, &peer->out);
	frame_reset(&peer->in.body, 0);
	if (err != VAULT_OK)
		return err;
	peer->answering = true;
	peer->sent = 0;
	return peer_send(peer, closed);
}

/* ------------------------------------------------------------ another key file */

/* The key in use must be in it: rows that it sealed would open no more. */
static enum vault_error ring_replace(struct vault_process *p, int key_fd)
{
	struct key_ring *fresh = NULL;
	enum vault_error err = vault_key_ring_read(key_fd, &fresh);

	if (err != VAULT_OK)
		return err;
	for (size_t i = 0; i < fresh->len; i++) {
		if (strcmp(fresh->keys[i].id, p->ring->keys[0].id) != 0)
			continue;
		vault_key_ring_free(p->ring);
		p->ring = fresh;
		return VAULT_OK;
	}
	vault_key_ring_free(fresh);
	return VAULT_WRONG_KEY;
}

/* One byte with a descriptor comes, one byte goes back. */
static enum vault_error keys_read(struct vault_process *p, int keys_fd, bool *closed)
{
	union key_message room;
	uint8_t verdict = 0;
	struct iovec byte = {&verdict, 1};
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
	const ssize_t n = recvmsg(keys_fd, &message, MSG_CMSG_CLOEXEC);
	const struct cmsghdr *head = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
	int key_fd;

	*closed = n == 0;
	if (n <= 0)
		return n == 0 || errno == EINTR || errno == EAGAIN ? VAULT_OK : VAULT_GONE;
	if (head == NULL || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(key_fd)))
		return VAULT_BAD_REQUEST;
	memcpy(&key_fd, CMSG_DATA(head), sizeof(key_fd));
	verdict = (uint8_t)ring_replace(p, key_fd);
	close(key_fd);
	return send(keys_fd, &verdict, 1, MSG_NOSIGNAL) == 1 ? VAULT_OK : VAULT_GONE;
}

enum vault_error vault_key_pass(int socket, int key_fd, int timeout_ms)
{
	union key_message room = {0};
	uint8_t verdict = 0;
	struct iovec byte = {&verdict, 1};
	struct msghdr message = {
		.msg_iov = &byte, .msg_iovlen = 1, .msg_control = room.bytes, .msg_controllen = sizeof(room.bytes)};
	struct pollfd answer = {.fd = socket, .events = POLLIN};

	room.head = (struct cmsghdr){
		.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(key_fd))};
	memcpy(CMSG_DATA(&room.head), &key_fd, sizeof(key_fd));
	if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1 || poll(&answer, 1, timeout_ms) != 1 ||
		recv(socket, &verdict, 1, 0) != 1)
		return VAULT_GONE;
	return verdict <= VAULT_GONE ? (enum vault_error)verdict : VAULT_GONE;
}

/* ------------------------------------------------------------ serving */

enum vault_error vault_process_serve(struct vault_process *p, int keys_fd, int listener_fd, int sender_fd)
{
	struct peer peers[ASK_ROLES] = {
		{.role = VAULT_ROLE_LISTENER, .fd = listener_fd},
		{.role = VAULT_ROLE_SENDER, .fd = sender_fd},
	};
	enum vault_error err = VAULT_OK;
	bool closed = listener_fd < 0 && sender_fd < 0;

	while (err == VAULT_OK && !closed) {
		struct pollfd polled[ASK_ROLES + 1] = {[ASK_ROLES] = {.fd = keys_fd, .events = POLLIN}};

		for (size_t i = 0; i < ASK_ROLES; i++) {
			polled[i].fd = peers[i].fd;
			polled[i].events = peers[i].answering ? POLLOUT : POLLIN;
		}
		if (poll(polled, ASK_ROLES + 1, -1) < 0) {
			err = errno == EINTR ? VAULT_OK : VAULT_GONE;
			continue;
		}
		if (polled[ASK_ROLES].revents != 0)
			err = keys_read(p, keys_fd, &closed);
		for (size_t i = 0; i < ASK_ROLES && err == VAULT_OK && !closed; i++) {
			if (polled[i].revents == 0)
				continue;
			err = peers[i].answering ? peer_send(&peers[i], &closed) : peer_read(p, &peers[i], &closed);
		}
	}
	for (size_t i = 0; i < ASK_ROLES; i++) {
		frame_inbox_clear(&peers[i].in);
		frame_clear(&peers[i].out);
	}
	return err;
}

/* ------------------------------------------------------------ beginning and end */

enum vault_error vault_process_open(struct vault_process **out, int key_fd)
{
	struct vault_process *p = calloc(1, sizeof(*p));
	enum vault_error err = VAULT_NO_MEMORY;

	if (p == NULL)
		goto out;
	p->work = guarded_new(sizeof(*p->work));
	p->audit = guarded_new(sizeof(*p->audit));
	if (p->work == NULL || p->audit == NULL)
		goto out;
	*p->audit = (struct audit_keeper){.kept = &p->memory};
	err = vault_key_ring_read(key_fd, &p->ring);
	if (err != VAULT_OK)
		goto out;
	*out = p;
	p = NULL; /* transferred */
out:
	close(key_fd);
	vault_process_close(p);
	return err;
}

void vault_process_close(struct vault_process *p)
{
	if (p == NULL)
		return;
	vault_key_ring_free(p->ring);
	sodium_free(p->work);
	sodium_free(p->audit);
	free(p);
}

int vault_memory_new(void)
{
	const int fd = memfd_create("vault", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, sizeof(struct audit_memory)) == 0)
		return fd;
	close(fd);
	return -1;
}

enum vault_error vault_process_remember(struct vault_process *p, int memory_fd)
{
	void *kept = mmap(NULL, sizeof(struct audit_memory), PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);

	close(memory_fd);
	if (kept == MAP_FAILED)
		return VAULT_NO_MEMORY;
	p->audit->kept = kept;
	return VAULT_OK;
}

void vault_process_tell(
	struct vault_process *p, void (*told)(void *ctx, enum vault_role role, uint64_t count), void *ctx)
{
	p->told = told;
	p->ctx = ctx;
}

uint64_t vault_process_denied(const struct vault_process *p, enum vault_role role)
{
	return p->denied[role];
}
