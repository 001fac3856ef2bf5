/*
 * The vault: what keeps keys, and how the other roles ask it to act.
 *
 * Three parts behind one header: (1) the vault process, which alone holds the
 * master key and opened credentials; (2) the client, with which listener and
 * sender ask it; (3) sealing with keys that the caller may hold (content keys),
 * webhook signature checks with a verifier, and small helpers, so that nothing
 * else in the program includes the cryptography library.
 *
 * The vault knows no store and no file after its start: whoever asks brings the
 * wrapped tenant key and the sealed blob along.
 */
#ifndef KEYHOUSE_VAULT_H
#define KEYHOUSE_VAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VAULT_KEY_LEN 32u
#define VAULT_KEY_ID_LEN 16u /* hex digits, without the NUL */
#define VAULT_FINGERPRINT_LEN 16u /* hex digits, without the NUL */
#define VAULT_HASH_LEN 32u
#define VAULT_SIGNATURE_LEN 32u /* HMAC-SHA-256 */
#define VAULT_SECRET_MAX 8192u /* the longest credential; provider tokens pass 200 characters */
#define VAULT_CONTENT_MAX (4u * 1024u * 1024u)

enum vault_error {
	VAULT_OK = 0,
	VAULT_DENIED, /* this role may not ask this */
	VAULT_BAD_BLOB, /* not a sealed blob, damaged, or moved to another place */
	VAULT_WRONG_KEY, /* no key held here opens it (key commitment does not match) */
	VAULT_BAD_REQUEST, /* a field is missing, too long or not allowed for this verb */
	VAULT_KEY_FILE, /* the key file is not readable as one */
	VAULT_KEY_FILE_OPEN_TO_OTHERS, /* group or others may read it, or it is not ours, or not a regular file */
	VAULT_NO_MEMORY,
	VAULT_GONE, /* the vault process does not answer */
};

/* One sentence for people, without any value. */
const char *vault_error_text(enum vault_error err);

/* Must be called once, early, in every process that uses this header. Returns
 * VAULT_OK, VAULT_NO_MEMORY when the cryptography library cannot start. */
enum vault_error vault_init(void) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ secrets */

/* Guarded, locked memory; wiped by secret_free, which alone ends it. */
struct secret;
struct secret *secret_new(const void *data, size_t len); /* copies; NULL when memory is short or len is 0 */
void secret_free(struct secret *s); /* NULL is fine */
const uint8_t *secret_bytes(const struct secret *s); /* followed by a NUL that secret_len does not count */
size_t secret_len(const struct secret *s);
/* Whether all guarded memory of this process could be locked, ever. Where not, swap may have seen it. */
bool vault_memory_locked(void);

bool vault_equal(const void *a, const void *b, size_t len); /* constant time */
void vault_wipe(void *p, size_t len);
/* Wipes what calls that have returned left on this thread's stack, 128 KiB down from the caller: ids, parameters and words
 * that may have been a secret in the wrong place. */
void vault_wipe_stack(void);
void vault_random(void *out, size_t len);
/* For values that are random by themselves (API tokens): BLAKE2b, unkeyed. */
void vault_hash(const void *data, size_t len, uint8_t out[static VAULT_HASH_LEN]);

/* Bytes as text, in time that does not tell of them: hex in lower case, and base64 with its padding. out has room for
 * the text and a NUL. */
#define VAULT_HEX_LEN(n) (2u * (n))
#define VAULT_BASE64_LEN(n) (((n) + 2u) / 3u * 4u)
void vault_hex(const void *data, size_t len, char *out);
void vault_base64(const void *data, size_t len, char *out);
/* False: it is no such base64, or does not fit into room. */
bool vault_base64_read(const char *text, size_t text_len, uint8_t *out, size_t room, size_t *len);

/* A new secret that is text: 32 random bytes, for_urls in base64's URL-safe letters without padding, else in plain base64,
 * behind a prefix. out has room for the prefix and VAULT_RANDOM_TEXT_LEN + 1. Secrets: the caller wipes out. */
#define VAULT_RANDOM_TEXT_LEN 44u
void vault_random_text(const char *prefix, bool for_urls, char *out);

/* ------------------------------------------------------------ sealed blobs */

/* Where a blob lies. Every part is bound into it: moved elsewhere it does not
 * open. Texts are non-NULL; at most 128 bytes each. */
struct vault_context {
	const char *deployment_id;
	const char *business_id;
	const char *table;
	const char *record_id;
	const char *field;
	uint64_t record_version;
};

/* How long the blob of a plaintext is: header, nonce, commitment, the plaintext
 * with 1 to 64 bytes of padding, tag. */
size_t vault_blob_len(size_t plain_len);

/* Keys that the listener may hold for one tenant: they seal and find content,
 * never credentials. Plain bytes, so that a cache can keep them in one guarded
 * block; wipe them with vault_wipe. */
struct vault_content_keys {
	uint32_t content_version;
	uint8_t content[VAULT_KEY_LEN];
	uint8_t index[VAULT_KEY_LEN];
};

/* Seals plain under keys->content; plain_len may be 0. blob has room for
 * vault_blob_len(plain_len) and does not overlap plain.
 * Returns VAULT_OK or VAULT_BAD_REQUEST (over VAULT_CONTENT_MAX, context text too long). */
enum vault_error vault_content_seal(const struct vault_content_keys *keys, const struct vault_context *where,
	const void *plain, size_t plain_len, uint8_t *blob) __attribute__((warn_unused_result));

/* Opens it. plain has room for blob_len; *plain_len is set on success. Returns
 * VAULT_BAD_BLOB, VAULT_WRONG_KEY (another version of the key sealed it). */
enum vault_error vault_content_open(const struct vault_content_keys *keys, const struct vault_context *where,
	const uint8_t *blob, size_t blob_len, uint8_t *plain, size_t *plain_len) __attribute__((warn_unused_result));

/* The key version in a blob's header, to choose the key that opens it. */
enum vault_error vault_blob_key_version(const uint8_t *blob, size_t blob_len, uint32_t *version)
	__attribute__((warn_unused_result));

/* Blind index: keyed BLAKE2b of a value under keys->index, for finding what is
 * sealed by equality. kind separates uses ("wamid", "customer"). */
#define VAULT_INDEX_LEN 16u
void vault_blind_index(const struct vault_content_keys *keys, const char *kind, const void *value, size_t len,
	uint8_t out[static VAULT_INDEX_LEN]);

/* ------------------------------------------------------------ verifiers */

/* HMAC-SHA-256 after its key block: inner and outer chaining values. Checks
 * (and makes) signatures; cannot be turned back into the secret. */
struct vault_verifier {
	uint8_t inner[32];
	uint8_t outer[32];
};
bool vault_verifier_check(const struct vault_verifier *v, const void *body, size_t len,
	const uint8_t signature[static VAULT_SIGNATURE_LEN]); /* constant time */
/* Whether a value that was sent along, text without NUL bytes, is the secret that v was made of; constant time for
 * values up to 64 bytes. */
bool vault_verifier_is_of(const struct vault_verifier *v, const void *value, size_t len);

/* HMAC-SHA-256 of parts, one after the other, under a key that the caller holds: for what the sender signs. */
struct vault_part {
	const void *data;
	size_t len;
};
void vault_sign(const void *key, size_t key_len, const struct vault_part *parts, size_t parts_len,
	uint8_t out[static VAULT_SIGNATURE_LEN]);

/* ------------------------------------------------------------ key file */

/* Writes a new key file with one fresh master key to fd and syncs it; the caller
 * syncs the directory. fd must be empty and pass vault_key_file_check. Runs in a
 * process of its own, so that the supervisor never holds the key. Returns
 * VAULT_KEY_FILE (not empty, not writable), VAULT_KEY_FILE_OPEN_TO_OTHERS, VAULT_NO_MEMORY. */
enum vault_error vault_key_file_create(int fd) __attribute__((warn_unused_result));

/* Writes to fd, as above, what the key file old_fd becomes when its master key is replaced: a fresh key as the current
 * one, and those of the old file as previous ones. Returns also VAULT_BAD_REQUEST: it would hold too many. */
enum vault_error vault_key_file_rotate(int old_fd, int fd) __attribute__((warn_unused_result));
/* The same without all previous keys but those whose ids are in keep. *gone counts what was left out. */
enum vault_error vault_key_file_retire(int old_fd, int fd, const char (*keep)[VAULT_KEY_ID_LEN + 1], size_t keep_len,
	unsigned *gone) __attribute__((warn_unused_result));

/* Whether fd is a regular file, of one name, that only its owner, this process's user, may
 * read; or root's, which nobody writes, and which an access control list lets this user alone read, as systemd makes a
 * credential. The supervisor asks before it passes the descriptor on. Returns
 * VAULT_OK, VAULT_KEY_FILE_OPEN_TO_OTHERS, VAULT_KEY_FILE when fd is none. */
enum vault_error vault_key_file_check(int fd) __attribute__((warn_unused_result));

/* ------------------------------------------------------------ recovery kit */

/* The keys of a key file, sealed to a passphrase (DESIGN.md, "Recovery kit"). Worth nothing without it. */
#define VAULT_KIT_MAX 365u /* with the most keys that a key file holds */
struct vault_kit {
	uint8_t bytes[VAULT_KIT_MAX];
	size_t len;
};

/* Seals the keys of the open key file key_fd. Takes 256 MiB of memory and about a second, as each guess at the passphrase
 * does. Runs, as vault_kit_restore, in a process of its own. Returns VAULT_OK, VAULT_KEY_FILE,
 * VAULT_KEY_FILE_OPEN_TO_OTHERS, VAULT_NO_MEMORY. */
enum vault_error vault_kit_seal(int key_fd, const struct secret *passphrase, struct vault_kit *out)
	__attribute__((warn_unused_result));
/* Writes them to fd as a key file, as vault_key_file_create does; not where ids are given and none of its keys has one of
 * them. Returns also VAULT_WRONG_KEY: another passphrase, or the kit was changed; VAULT_BAD_REQUEST: it has none of ids.
 * Takes at most 512 MiB and a few seconds, whoever made the kit. */
enum vault_error vault_kit_restore(const struct vault_kit *kit, const struct secret *passphrase,
	const char (*ids)[VAULT_KEY_ID_LEN + 1], size_t ids_len, int fd) __attribute__((warn_unused_result));

/* The id of the current key in it, and how many keys there are; both stand in it in clear. */
void vault_kit_key_id(const struct vault_kit *kit, char out[static VAULT_KEY_ID_LEN + 1]);
unsigned vault_kit_keys(const struct vault_kit *kit);

/* As text, line by line from 1 on: "3/8  4BCD ... 7XK2", the last group a check of the line. */
#define VAULT_KIT_LINE_MAX 48u
unsigned vault_kit_lines(const struct vault_kit *kit);
void vault_kit_line(const struct vault_kit *kit, unsigned line, char out[static VAULT_KIT_LINE_MAX + 1]);

/* What is wrong with a kit's text. */
enum vault_kit_fault {
	VAULT_KIT_FINE = 0,
	VAULT_KIT_NO_KIT, /* there is no line of one, or it is something else */
	VAULT_KIT_MISTYPED, /* that line is not what its check says */
	VAULT_KIT_MISSING, /* that line is not there */
	VAULT_KIT_ORDER, /* another line stands where that one belongs, or one stands there twice */
	VAULT_KIT_MIXED, /* lines of kits of different lengths */
	VAULT_KIT_NEWER, /* a newer version made it */
	VAULT_KIT_COSTLY, /* it asks for more work than any that was made here */
};
/* Reads a kit's lines out of a text, each on a line of its own or behind a "+"; everything else in it is passed over. Case,
 * blanks and dashes do not matter. *line is the line at fault, or 0. */
enum vault_kit_fault vault_kit_read(const char *text, struct vault_kit *out, unsigned *line);

/* A passphrase by chance, 120 bits, in six groups of letters and digits. As a passphrase it counts however it is spaced and
 * cased. A secret: the caller wipes out. */
#define VAULT_PASSPHRASE_MADE_LEN 29u
void vault_passphrase_make(char out[static VAULT_PASSPHRASE_MADE_LEN + 1]);

/* ------------------------------------------------------------ the process */

enum vault_role { VAULT_ROLE_LISTENER, VAULT_ROLE_SENDER };

struct vault_process;
#define VAULT_LOCKED_LEN (128u * 1024u) /* bytes of memory that it locks at once, at most */

/* Reads the key file from key_fd, from its beginning wherever the offset stands (a
 * descriptor passed again works), and closes it, also when it fails. Returns VAULT_KEY_FILE,
 * VAULT_KEY_FILE_OPEN_TO_OTHERS, VAULT_NO_MEMORY. */
enum vault_error vault_process_open(struct vault_process **out, int key_fd) __attribute__((warn_unused_result));
/* What a vault knows of the audit that the next one has to know: a descriptor of memory for it, -1 if there is none to be
 * had, and a vault that is to use it from its start on; it closes memory_fd. Without, a vault knows of its own life alone.
 * VAULT_NO_MEMORY. */
int vault_memory_new(void);
enum vault_error vault_process_remember(struct vault_process *p, int memory_fd) __attribute__((warn_unused_result));
/* One client socket for each role; -1 for a role that is not there. keys_fd: over which vault_key_pass hands it a key
 * file, or -1. */
enum vault_error vault_process_serve(struct vault_process *p, int keys_fd, int listener_fd, int sender_fd)
	__attribute__((warn_unused_result));
/* serve borrows the sockets. Returns VAULT_OK when a client closed its socket, VAULT_BAD_REQUEST after a malformed
 * message, VAULT_NO_MEMORY, VAULT_GONE when a socket failed. Each time the role should end. */
void vault_process_close(struct vault_process *p); /* NULL is fine */

/* Hands the open key file key_fd to a running vault, whose other end of socket is its keys_fd, and waits for its verdict
 * up to timeout_ms. What the file holds then takes the place of the keys that the vault had. Not taken, and nothing is
 * changed: VAULT_KEY_FILE, VAULT_KEY_FILE_OPEN_TO_OTHERS, VAULT_NO_MEMORY, VAULT_WRONG_KEY (the key that was current is
 * not in it, so nothing would open any more); VAULT_GONE: no verdict came. For the supervisor, which never reads it. */
enum vault_error vault_key_pass(int socket, int key_fd, int timeout_ms) __attribute__((warn_unused_result));

/* told hears of each question that was refused because of its role, and how many there were; for the log. Borrowed ctx. */
void vault_process_tell(
	struct vault_process *p, void (*told)(void *ctx, enum vault_role role, uint64_t count), void *ctx);
/* How often a role asked what it may not. */
uint64_t vault_process_denied(const struct vault_process *p, enum vault_role role);

/* ------------------------------------------------------------ the client */

/* One per role; any thread may ask, one request is on its way at a time. */
struct vault_client;
struct vault_client *vault_client_new(int fd); /* takes fd, but not when it returns NULL: memory is short */
void vault_client_free(struct vault_client *c); /* closes it; NULL is fine */

/* Who may ask: listener L, sender S. After VAULT_GONE nothing else will succeed. */

/* L S: the id of the current master key, hex and NUL. */
enum vault_error vault_status(struct vault_client *c, char key_id[static VAULT_KEY_ID_LEN + 1])
	__attribute__((warn_unused_result));

enum vault_purpose { VAULT_CREDENTIAL = 1, VAULT_CONTENT = 2, VAULT_INDEX = 3 };

/* A tenant key as the store keeps it: sealed under the master key, bound to
 * deployment, business, purpose and version. */
#define VAULT_WRAPPED_LEN 148u /* 12 header, 24 nonce, 32 commitment, 64 padded key, 16 tag */
struct vault_wrapped_key {
	uint8_t blob[VAULT_WRAPPED_LEN];
	char master_key_id[VAULT_KEY_ID_LEN + 1];
	uint32_t version;
};

/* L: makes a fresh tenant key. */
enum vault_error vault_tenant_key_new(struct vault_client *c, const char *deployment_id, const char *business_id,
	enum vault_purpose purpose, uint32_t version, struct vault_wrapped_key *out)
	__attribute__((warn_unused_result));

/* L: opens a tenant's content and index keys. */
enum vault_error vault_content_keys_get(struct vault_client *c, const char *deployment_id, const char *business_id,
	const struct vault_wrapped_key *content, const struct vault_wrapped_key *index, struct vault_content_keys *out)
	__attribute__((warn_unused_result));

/* L S: seals a credential. blob has room for vault_blob_len(len); fingerprint is
 * hex and NUL: equal secrets under one credential key have equal ones, nothing else is told.
 * where->table must be "credentials". */
enum vault_error vault_credential_seal(struct vault_client *c, const struct vault_wrapped_key *credential_key,
	const struct vault_context *where, const struct secret *plain, uint8_t *blob,
	char fingerprint[static VAULT_FINGERPRINT_LEN + 1]) __attribute__((warn_unused_result));

/* L: the verifier of a sealed secret by which webhooks are known: where->field must be "app_secret",
 * "webhook_secret" or "platform_secret". */
enum vault_error vault_verifier_get(struct vault_client *c, const struct vault_wrapped_key *credential_key,
	const struct vault_context *where, const uint8_t *blob, size_t blob_len, struct vault_verifier *out)
	__attribute__((warn_unused_result));

/* L: whether a sealed credential opens; what is in it stays in the vault. */
enum vault_error vault_credential_check(struct vault_client *c, const struct vault_wrapped_key *credential_key,
	const struct vault_context *where, const uint8_t *blob, size_t blob_len) __attribute__((warn_unused_result));

/* L: wrapped tenant keys, each opened by whichever master key sealed it, under the current one; versions stay. Many in one
 * question, so that the way there and back costs little; at most VAULT_REWRAP_MAX, so that the sender waits for less than a
 * millisecond. One that does not open is left as it is, and err says why. */
#define VAULT_REWRAP_MAX 64u
struct vault_rewrap {
	const char *business_id; /* borrowed */
	enum vault_purpose purpose;
	struct vault_wrapped_key key;
	enum vault_error err; /* after VAULT_OK: of this one */
};
enum vault_error vault_tenant_keys_rewrap(struct vault_client *c, const char *deployment_id, struct vault_rewrap *keys,
	size_t keys_len) __attribute__((warn_unused_result));

/* L: a credential's blob, sealed under from, sealed anew under to, for the same place. new_blob has room for blob_len, which
 * stays; the fingerprint is another. The credential never leaves the vault. */
enum vault_error vault_credential_rewrap(struct vault_client *c, const struct vault_wrapped_key *from,
	const struct vault_wrapped_key *to, const struct vault_context *where, const uint8_t *blob, size_t blob_len,
	uint8_t *new_blob, char fingerprint[static VAULT_FINGERPRINT_LEN + 1]) __attribute__((warn_unused_result));

/* The end of the audit's chain, under the vault's seal. */
struct vault_audit_head {
	uint64_t seq; /* of the newest row */
	uint64_t at; /* milliseconds since 1970, by the vault's clock */
	uint8_t hash[VAULT_HASH_LEN]; /* of that row */
	uint64_t refused; /* what the vault was asked by roles that may not, as far as the chain goes back */
	uint64_t undone; /* extensions that were done anew */
	uint8_t mac[VAULT_HASH_LEN];
};
/* L: tells the vault where the chain stands; until the first extension it may be told again. The key is the one from
 * which the seals' own is derived. is_new: there is no seal yet, the next row has head->seq + 1 and follows nothing.
 * VAULT_BAD_BLOB: this is not the vault's seal. */
enum vault_error vault_audit_begin(struct vault_client *c, const char *deployment_id, const char *business_id,
	const struct vault_wrapped_key *key, const struct vault_audit_head *head, bool is_new)
	__attribute__((warn_unused_result));
/* L: seals rows after row from, given their digests, VAULT_HASH_LEN bytes each: the end's number and hash are the vault's
 * own, from is the end or, where its rows did not come to be, the end before it. Fills all but out's seq and hash.
 * VAULT_BAD_REQUEST: another from, no rows, more than VAULT_AUDIT_ROWS_MAX. */
#define VAULT_AUDIT_ROWS_MAX 4096u
enum vault_error vault_audit_extend(struct vault_client *c, uint64_t from, const uint8_t *digests, size_t rows,
	struct vault_audit_head *out) __attribute__((warn_unused_result));

/* S: opens the credential of a leased job. */
enum vault_error vault_credential_open(struct vault_client *c, const char *job_id,
	const struct vault_wrapped_key *credential_key, const struct vault_context *where, const uint8_t *blob,
	size_t blob_len, struct secret **out) __attribute__((warn_unused_result));

#endif
