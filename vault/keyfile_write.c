/*
 * Writing a key file: fresh, with another current key, or without some of the previous
 * ones. In a process of its own each time, never in the vault's.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vault/guarded.h"
#include "vault/keyfile.h"

#define WARNING                                                                                                        \
	"# Keyhouse master key. Losing this file loses every key that Keyhouse stores: keep a copy in a safe place.\n" \
	"# Whoever reads it can open them all: keep it from everybody else.\n"

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
	char base64[KEY_BASE64_LEN + 1];
	char text[KEY_FILE_MAX + 1];
};

static bool draft_fill(struct draft *d)
{
	size_t len = sizeof(WARNING) - 1;

	memcpy(d->text, WARNING, len + 1);
	for (size_t i = 0; i < d->ring.len; i++) {
		int n;

		sodium_bin2base64(d->base64, sizeof(d->base64), d->ring.keys[i].key, VAULT_KEY_LEN,
			sodium_base64_VARIANT_ORIGINAL);
		n = snprintf(d->text + len, sizeof(d->text) - len, "%s%s %s %s\n", KEY_LINE_MAGIC,
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

static void fresh_key(struct master_key *out)
{
	vault_random(out->key, VAULT_KEY_LEN);
	vault_key_id(out->key, out->id);
}

/* A draft of what goes to fd, without keys. *out is NULL unless VAULT_OK. */
static enum vault_error draft_begin(int fd, struct draft **out)
{
	enum vault_error err = draft_check(fd);

	*out = NULL;
	if (err != VAULT_OK)
		return err;
	*out = guarded_new(sizeof(**out));
	if (*out == NULL)
		return VAULT_NO_MEMORY;
	(*out)->ring.len = 0;
	return VAULT_OK;
}

/* With the keys of an older key file. */
static enum vault_error draft_begin_with(int old_fd, int fd, struct draft **out)
{
	struct key_ring *old = NULL;
	enum vault_error err = draft_begin(fd, out);

	if (err != VAULT_OK)
		return err;
	err = vault_key_ring_read(old_fd, &old);
	if (err == VAULT_OK) {
		(*out)->ring = *old;
	} else {
		sodium_free(*out);
		*out = NULL;
	}
	vault_key_ring_free(old);
	return err;
}

static enum vault_error draft_end(struct draft *d, int fd)
{
	const bool written = draft_fill(d) && write_all(fd, d->text, strlen(d->text)) && fsync(fd) == 0;

	sodium_free(d);
	return written ? VAULT_OK : VAULT_KEY_FILE;
}

enum vault_error vault_key_file_create(int fd)
{
	struct draft *d;
	enum vault_error err = draft_begin(fd, &d);

	if (err != VAULT_OK)
		return err;
	d->ring.len = 1;
	fresh_key(&d->ring.keys[0]);
	return draft_end(d, fd);
}

enum vault_error vault_key_file_put(int fd, const struct key_ring *ring)
{
	struct draft *d;
	enum vault_error err = draft_begin(fd, &d);

	if (err != VAULT_OK)
		return err;
	d->ring = *ring;
	return draft_end(d, fd);
}

enum vault_error vault_key_file_rotate(int old_fd, int fd)
{
	struct draft *d;
	enum vault_error err = draft_begin_with(old_fd, fd, &d);

	if (err != VAULT_OK)
		return err;
	if (d->ring.len == KEY_RING_MAX) {
		sodium_free(d);
		return VAULT_BAD_REQUEST;
	}
	memmove(&d->ring.keys[1], d->ring.keys, d->ring.len * sizeof(d->ring.keys[0]));
	d->ring.len++;
	fresh_key(&d->ring.keys[0]);
	return draft_end(d, fd);
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
	struct draft *d;
	enum vault_error err = draft_begin_with(old_fd, fd, &d);
	size_t kept = 0;

	if (err != VAULT_OK)
		return err;
	for (size_t i = 0; i < d->ring.len; i++)
		if (i == 0 || is_kept(d->ring.keys[i].id, keep, keep_len))
			d->ring.keys[kept++] = d->ring.keys[i];
	*gone = (unsigned)(d->ring.len - kept);
	d->ring.len = kept;
	return draft_end(d, fd);
}
