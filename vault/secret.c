/*
 * Secrets in guarded memory, and the small helpers through which the rest of
 * the program uses the cryptography library. Called from everywhere.
 */
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "vault/guarded.h"
#include "vault/vault.h"

struct secret {
	size_t len;
	uint8_t bytes[];
};

/* Guarded memory ends at a page border: only a multiple of this is aligned. */
#define GUARDED_ALIGN 16u

const char *vault_error_text(enum vault_error err)
{
	switch (err) {
	case VAULT_OK:
		return "no error";
	case VAULT_DENIED:
		return "this part of the program may not ask that of the vault";
	case VAULT_BAD_BLOB:
		return "a sealed value is damaged or lies in the wrong place";
	case VAULT_WRONG_KEY:
		return "no key held here opens a sealed value";
	case VAULT_BAD_REQUEST:
		return "a field of a vault request is missing, too long or not allowed";
	case VAULT_KEY_FILE:
		return "the master key file cannot be read as one: put a copy of it back (`keyhouse restore-key` makes "
		       "it "
		       "of a recovery kit)";
	case VAULT_KEY_FILE_OPEN_TO_OTHERS:
		return "the master key file is not a regular file that only its owner, this user, may read "
		       "(chmod 600; no second name, no link)";
	case VAULT_NO_MEMORY:
		return "the vault is out of memory";
	case VAULT_GONE:
		return "the vault does not answer";
	}
	return "unknown vault error";
}

enum vault_error vault_init(void)
{
	return sodium_init() < 0 ? VAULT_NO_MEMORY : VAULT_OK;
}

static atomic_bool unlocked;

void *guarded_new(size_t len)
{
	void *p = len <= SIZE_MAX - GUARDED_ALIGN
		? sodium_malloc((len + GUARDED_ALIGN - 1) / GUARDED_ALIGN * GUARDED_ALIGN)
		: NULL;

	/* The library locks it, too, and keeps silent where it cannot. */
	if (p != NULL && mlock(p, len) != 0)
		atomic_store(&unlocked, true);
	return p;
}

bool vault_memory_locked(void)
{
	return !atomic_load(&unlocked);
}

/* Guarded memory costs a dozen system calls, a third of a millisecond here: what small secrets lay in is kept for the next
 * ones, wiped and out of reach. Each ends where the guard page begins, as without this. */
#define KEPT_ROOM 4080u /* a page without the library's mark */
#define KEPT_MAX 256u

static pthread_mutex_t kept_lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows */
static uint8_t *kept[KEPT_MAX];
static size_t kept_len;

static size_t guarded_size(size_t len)
{
	return (len + sizeof(struct secret) + 1 + GUARDED_ALIGN - 1) / GUARDED_ALIGN * GUARDED_ALIGN;
}

static uint8_t *kept_take(void)
{
	uint8_t *room = NULL;

	pthread_mutex_lock(&kept_lock);
	if (kept_len > 0)
		room = kept[--kept_len];
	pthread_mutex_unlock(&kept_lock);
	if (room != NULL && sodium_mprotect_readwrite(room) == 0)
		return room;
	return guarded_new(KEPT_ROOM);
}

static void kept_put(uint8_t *room)
{
	bool taken = false;

	if (sodium_mprotect_noaccess(room) == 0) {
		pthread_mutex_lock(&kept_lock);
		taken = kept_len < KEPT_MAX;
		if (taken)
			kept[kept_len++] = room;
		pthread_mutex_unlock(&kept_lock);
	}
	if (!taken)
		sodium_free(room);
}

struct secret *secret_new(const void *data, size_t len)
{
	const size_t size = len < SIZE_MAX / 2 ? guarded_size(len) : 0;
	struct secret *s;
	uint8_t *room;

	if (len == 0 || size == 0)
		return NULL;
	room = size <= KEPT_ROOM ? kept_take() : guarded_new(size);
	if (room == NULL)
		return NULL;
	s = (struct secret *)(size <= KEPT_ROOM ? room + KEPT_ROOM - size : room);
	s->len = len;
	memcpy(s->bytes, data, len);
	s->bytes[len] = 0;
	return s;
}

void secret_free(struct secret *s)
{
	const size_t size = s != NULL ? guarded_size(s->len) : 0;

	if (size > KEPT_ROOM) {
		sodium_free(s); /* wipes */
	} else if (s != NULL) {
		sodium_memzero(s, size);
		kept_put((uint8_t *)s + size - KEPT_ROOM);
	}
}

const uint8_t *secret_bytes(const struct secret *s)
{
	return s->bytes;
}

size_t secret_len(const struct secret *s)
{
	return s->len;
}

bool vault_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void vault_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

void vault_wipe_stack(void)
{
	sodium_stackzero(128u * 1024u);
}

void vault_random(void *out, size_t len)
{
	randombytes_buf(out, len);
}

void vault_hash(const void *data, size_t len, uint8_t out[static VAULT_HASH_LEN])
{
	crypto_generichash(out, VAULT_HASH_LEN, data, len, NULL, 0);
}

void vault_hex(const void *data, size_t len, char *out)
{
	(void)sodium_bin2hex(out, VAULT_HEX_LEN(len) + 1, data, len);
}

void vault_base64(const void *data, size_t len, char *out)
{
	(void)sodium_bin2base64(out, VAULT_BASE64_LEN(len) + 1, data, len, sodium_base64_VARIANT_ORIGINAL);
}

bool vault_base64_read(const char *text, size_t text_len, uint8_t *out, size_t room, size_t *len)
{
	return sodium_base642bin(out, room, text, text_len, NULL, len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0;
}

void vault_random_text(const char *prefix, bool for_urls, char *out)
{
	const size_t len = strlen(prefix);
	uint8_t bytes[32];

	memcpy(out, prefix, len);
	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2base64(out + len, VAULT_RANDOM_TEXT_LEN + 1, bytes, sizeof(bytes),
		for_urls ? sodium_base64_VARIANT_URLSAFE_NO_PADDING : sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(bytes, sizeof(bytes));
}
