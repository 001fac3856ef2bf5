/*
 * The key file: text that only its owner may read, one master key a line. What
 * it says is trusted only as far as it is well-formed and each key matches its
 * id. Read by the vault process at its start.
 */
#include "vault/keyfile.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "vault/guarded.h"

#define ID_LABEL "keyhouse-master-key-id-1"

_Static_assert(
	sodium_base64_ENCODED_LEN(VAULT_KEY_LEN, sodium_base64_VARIANT_ORIGINAL) == KEY_BASE64_LEN + 1, "base64");

void vault_key_id(const uint8_t key[static VAULT_KEY_LEN], char out[static VAULT_KEY_ID_LEN + 1])
{
	uint8_t hash[crypto_generichash_BYTES_MIN];

	crypto_generichash(hash, sizeof(hash), (const uint8_t *)ID_LABEL, sizeof(ID_LABEL) - 1, key, VAULT_KEY_LEN);
	sodium_bin2hex(out, VAULT_KEY_ID_LEN + 1, hash, VAULT_KEY_ID_LEN / 2);
}

/* As Linux gives an access control list out (posix_acl_xattr.h), little endian. */
#define ACL_NAME "system.posix_acl_access"
#define ACL_HEADER 4u
#define ACL_ENTRY 8u
#define ACL_MAX (ACL_HEADER + 16u * ACL_ENTRY)
enum acl_tag { ACL_OWNER = 0x01, ACL_USER = 0x02, ACL_OWNING_GROUP = 0x04, ACL_MASK = 0x10, ACL_OTHERS = 0x20 };

/* Whether an entry lets nobody in but root, whose file it is, and this user. */
static bool acl_entry_ok(const uint8_t *e)
{
	const unsigned tag = e[0] | (unsigned)e[1] << 8, rights = e[2] | (unsigned)e[3] << 8;
	const uint32_t id = e[4] | (uint32_t)e[5] << 8 | (uint32_t)e[6] << 16 | (uint32_t)e[7] << 24;

	if (tag == ACL_USER)
		return id == geteuid() && rights == R_OK;
	return tag == ACL_OWNER || tag == ACL_MASK || ((tag == ACL_OWNING_GROUP || tag == ACL_OTHERS) && rights == 0);
}

/* systemd keeps a credential as root's and lets its service read it by an access control list; where the file system has
 * none, it gives the file to the service's user. */
static bool is_systemds(int fd, const struct stat *st)
{
	uint8_t acl[ACL_MAX];
	ssize_t len;

	if (st->st_uid != 0 || (st->st_mode & (S_IWUSR | S_IWGRP | S_IRWXO)) != 0)
		return false;
	len = fgetxattr(fd, ACL_NAME, acl, sizeof(acl));
	if (len < (ssize_t)(ACL_HEADER + ACL_ENTRY) || ((size_t)len - ACL_HEADER) % ACL_ENTRY != 0 || acl[0] != 2)
		return false;
	for (size_t at = ACL_HEADER; at < (size_t)len; at += ACL_ENTRY)
		if (!acl_entry_ok(acl + at))
			return false;
	return true;
}

enum vault_error vault_key_file_check(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return VAULT_KEY_FILE;
	/* None at all: it is being written, and has its name yet to come. */
	if (!S_ISREG(st.st_mode) || st.st_nlink > 1)
		return VAULT_KEY_FILE_OPEN_TO_OTHERS;
	if (st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return VAULT_OK;
	return is_systemds(fd, &st) ? VAULT_OK : VAULT_KEY_FILE_OPEN_TO_OTHERS;
}

/* ------------------------------------------------------------ reading */

/* Moves past `word` if the line goes on with it. */
static bool skip(const char **at, const char *word)
{
	const size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

/* The line's two fields after "current" or "previous": id and key, to its end. */
static bool parse_key(const char *at, struct master_key *out)
{
	const char *base64 = at + VAULT_KEY_ID_LEN + 1;
	size_t key_len = 0;

	if (strlen(at) != VAULT_KEY_ID_LEN + 1 + KEY_BASE64_LEN || base64[-1] != ' ')
		return false;
	if (sodium_base642bin(out->key, VAULT_KEY_LEN, base64, KEY_BASE64_LEN, NULL, &key_len, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0 ||
		key_len != VAULT_KEY_LEN)
		return false;
	vault_key_id(out->key, out->id);
	return memcmp(out->id, at, VAULT_KEY_ID_LEN) == 0;
}

static bool holds_id(const struct key_ring *ring, const char *id)
{
	for (size_t i = 0; i < KEY_RING_MAX; i++) {
		if (strcmp(ring->keys[i].id, id) == 0)
			return true;
	}
	return false;
}

/* Slot 0 waits for the current key, wherever its line stands. */
static bool parse_line(const char *line, struct key_ring *ring, struct master_key *fresh)
{
	bool current;
	size_t slot;

	if (line[0] == '#' || line[0] == 0)
		return true;
	if (!skip(&line, KEY_LINE_MAGIC))
		return false;
	current = skip(&line, "current ");
	if (!current && !skip(&line, "previous "))
		return false;
	slot = current ? 0 : ring->len;
	if (slot == KEY_RING_MAX || ring->keys[slot].id[0] != 0)
		return false;
	if (!parse_key(line, fresh) || holds_id(ring, fresh->id))
		return false;
	ring->keys[slot] = *fresh;
	if (!current)
		ring->len++;
	return true;
}

struct parsing {
	struct key_ring ring;
	struct master_key fresh;
	char text[KEY_FILE_MAX + 1];
};

static bool parse(struct parsing *p)
{
	char *line = p->text;

	p->ring.len = 1;
	while (line != NULL) {
		char *end = strchr(line, '\n');

		if (end != NULL)
			*end++ = 0;
		if (!parse_line(line, &p->ring, &p->fresh))
			return false;
		line = end;
	}
	return p->ring.keys[0].id[0] != 0;
}

/* The whole file, with a NUL after it; a file that is too long or holds a NUL is none. */
static bool read_text(int fd, char text[static KEY_FILE_MAX + 1])
{
	size_t len = 0;

	while (len <= KEY_FILE_MAX) {
		const ssize_t n = pread(fd, text + len, KEY_FILE_MAX + 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > KEY_FILE_MAX || memchr(text, 0, len) != NULL)
		return false;
	text[len] = 0;
	return true;
}

enum vault_error vault_key_ring_read(int fd, struct key_ring **out)
{
	enum vault_error err = vault_key_file_check(fd);
	struct key_ring *ring = NULL;
	struct parsing *p = NULL;

	if (err != VAULT_OK)
		return err;
	p = guarded_new(sizeof(*p));
	ring = guarded_new(sizeof(*ring));
	if (p == NULL || ring == NULL) {
		err = VAULT_NO_MEMORY;
		goto out;
	}
	*p = (struct parsing){0};
	if (!read_text(fd, p->text) || !parse(p)) {
		err = VAULT_KEY_FILE;
		goto out;
	}
	*ring = p->ring;
	if (sodium_mprotect_readonly(ring) != 0) {
		err = VAULT_NO_MEMORY;
		goto out;
	}
	*out = ring;
	ring = NULL; /* transferred */
out:
	sodium_free(p);
	sodium_free(ring);
	return err;
}

void vault_key_ring_free(struct key_ring *ring)
{
	sodium_free(ring);
}
