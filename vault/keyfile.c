/*
 * The key file: text that only its owner may read, one master key a line. What
 * it says is trusted only as far as it is well-formed and each key matches its
 * id. Created by a process of its own, read by the vault process at its start.
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

#define FILE_MAX 4096u
#define LINE_MAGIC "keyhouse-master-key-1 "
#define ID_LABEL "keyhouse-master-key-id-1"
#define BASE64_LEN 44u /* of 32 bytes, without the NUL */
#define WARNING                                                                                                        \
	"# Keyhouse master key. Losing this file loses every key that Keyhouse stores: keep a copy in a safe place.\n" \
	"# Whoever reads it can open them all: keep it from everybody else.\n"

_Static_assert(sodium_base64_ENCODED_LEN(VAULT_KEY_LEN, sodium_base64_VARIANT_ORIGINAL) == BASE64_LEN + 1, "base64");

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
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
		return VAULT_KEY_FILE_OPEN_TO_OTHERS;
	if (st.st_uid == geteuid() && (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return VAULT_OK;
	return is_systemds(fd, &st) ? VAULT_OK : VAULT_KEY_FILE_OPEN_TO_OTHERS;
}

/* ------------------------------------------------------------ writing */

static bool write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

/* The text of a key file, a line a key. */
struct draft {
	struct key_ring ring;
	char base64[BASE64_LEN + 1];
	char text[FILE_MAX + 1];
};

static bool draft_fill(struct draft *d)
{
	size_t len = sizeof(WARNING) - 1;

	memcpy(d->text, WARNING, len + 1);
	for (size_t i = 0; i < d->ring.len; i++) {
		int n;

		sodium_bin2base64(d->base64, sizeof(d->base64), d->ring.keys[i].key, VAULT_KEY_LEN,
			sodium_base64_VARIANT_ORIGINAL);
		n = snprintf(d->text + len, sizeof(d->text) - len, "%s%s %s %s\n", LINE_MAGIC,
			i == 0 ? "current" : "previous", d->ring.keys[i].id, d->base64);
		if (n < 0 || (size_t)n >= sizeof(d->text) - len)
			return false;
		len += (size_t)n;
	}
	return true;
}

/* Never over a key that is there. */
static enum vault_error draft_check(int fd)
{
	enum vault_error err = vault_key_file_check(fd);
	struct stat st;

	if (err != VAULT_OK)
		return err;
	return fstat(fd, &st) == 0 && st.st_size == 0 ? VAULT_OK : VAULT_KEY_FILE;
}

static enum vault_error draft_write(struct draft *d, int fd)
{
	return draft_fill(d) && write_all(fd, d->text, strlen(d->text)) && fsync(fd) == 0 ? VAULT_OK : VAULT_KEY_FILE;
}

static void fresh_key(struct master_key *out)
{
	vault_random(out->key, VAULT_KEY_LEN);
	vault_key_id(out->key, out->id);
}

static struct draft *draft_new(void)
{
	return guarded_new(sizeof(struct draft));
}

enum vault_error vault_key_file_create(int fd)
{
	enum vault_error err = draft_check(fd);
	struct draft *d = NULL;

	if (err != VAULT_OK)
		return err;
	d = draft_new();
	if (d == NULL)
		return VAULT_NO_MEMORY;
	d->ring.len = 1;
	fresh_key(&d->ring.keys[0]);
	err = draft_write(d, fd);
	sodium_free(d);
	return err;
}

enum vault_error vault_key_file_rotate(int old_fd, int fd)
{
	enum vault_error err = draft_check(fd);
	struct key_ring *old = NULL;
	struct draft *d = NULL;

	if (err == VAULT_OK)
		err = vault_key_ring_read(old_fd, &old);
	if (err != VAULT_OK)
		return err;
	d = draft_new();
	if (d == NULL)
		err = VAULT_NO_MEMORY;
	else if (old->len == KEY_RING_MAX)
		err = VAULT_BAD_REQUEST;
	if (err == VAULT_OK) {
		memcpy(&d->ring.keys[1], old->keys, old->len * sizeof(old->keys[0]));
		d->ring.len = old->len + 1;
		fresh_key(&d->ring.keys[0]);
		err = draft_write(d, fd);
	}
	sodium_free(d);
	vault_key_ring_free(old);
	return err;
}

enum vault_error vault_key_file_put(int fd, const struct key_ring *ring)
{
	enum vault_error err = draft_check(fd);
	struct draft *d = NULL;

	if (err != VAULT_OK)
		return err;
	d = draft_new();
	if (d == NULL)
		return VAULT_NO_MEMORY;
	d->ring = *ring;
	err = draft_write(d, fd);
	sodium_free(d);
	return err;
}

static bool is_kept(const char *id, const char (*keep)[VAULT_KEY_ID_LEN + 1], size_t keep_len)
{
	for (size_t i = 0; i < keep_len; i++)
		if (strcmp(id, keep[i]) == 0)
			return true;
	return false;
}

enum vault_error vault_key_file_retire(
	int old_fd, int fd, const char (*keep)[VAULT_KEY_ID_LEN + 1], size_t keep_len, unsigned *gone)
{
	enum vault_error err = draft_check(fd);
	struct key_ring *old = NULL;
	struct draft *d = NULL;

	if (err == VAULT_OK)
		err = vault_key_ring_read(old_fd, &old);
	if (err != VAULT_OK)
		return err;
	d = draft_new();
	if (d != NULL) {
		d->ring.len = 0;
		for (size_t i = 0; i < old->len; i++)
			if (i == 0 || is_kept(old->keys[i].id, keep, keep_len))
				d->ring.keys[d->ring.len++] = old->keys[i];
		*gone = (unsigned)(old->len - d->ring.len);
	}
	err = d != NULL ? draft_write(d, fd) : VAULT_NO_MEMORY;
	sodium_free(d);
	vault_key_ring_free(old);
	return err;
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

	if (strlen(at) != VAULT_KEY_ID_LEN + 1 + BASE64_LEN || base64[-1] != ' ')
		return false;
	if (sodium_base642bin(out->key, VAULT_KEY_LEN, base64, BASE64_LEN, NULL, &key_len, NULL,
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
	if (!skip(&line, LINE_MAGIC))
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
	char text[FILE_MAX + 1];
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
static bool read_text(int fd, char text[static FILE_MAX + 1])
{
	size_t len = 0;

	while (len <= FILE_MAX) {
		const ssize_t n = pread(fd, text + len, FILE_MAX + 1 - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		len += (size_t)n;
	}
	if (len > FILE_MAX || memchr(text, 0, len) != NULL)
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
