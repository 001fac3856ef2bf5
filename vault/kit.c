/*
 * The recovery kit: the key file's keys on a sheet of paper. Sealed to a passphrase
 * at a cost that makes guessing dear, and written so that a person can type it: no
 * letters that look alike, and a check in each line, so that a slip is found where
 * it was made. A kit's text comes from whoever hands it in: it is bounded before
 * anything dear is done with it.
 */
#include "vault/kit.h"

#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#define FORMAT 1u
#define ARGON2ID 1u
#define CHECK_LABEL "keyhouse-kit-line-1"

/* Where the fields lie (DESIGN.md). */
#define FORMAT_AT 4u
#define KDF_AT 5u
#define PASSES_AT 6u
#define MEMORY_AT 8u
#define ID_AT 12u
#define SALT_AT 20u
#define NONCE_AT 36u
#define TAG_LEN 16u
#define ID_BYTES (VAULT_KEY_ID_LEN / 2u)

_Static_assert(SALT_AT + crypto_pwhash_SALTBYTES == NONCE_AT, "salt");
_Static_assert(NONCE_AT + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES == KIT_LABELLED_LEN, "nonce");
_Static_assert(crypto_aead_xchacha20poly1305_ietf_ABYTES == TAG_LEN, "tag");
_Static_assert(crypto_pwhash_MEMLIMIT_MIN == KIT_MEMORY_KIB_MIN * 1024u, "the least that Argon2id can do with");

static const uint8_t magic[] = {'K', 'H', 'R', 'K'};

static void put_number(uint8_t *at, size_t len, uint32_t value)
{
	while (len > 0) {
		at[--len] = (uint8_t)value;
		value >>= 8;
	}
}

static uint32_t get_number(const uint8_t *at, size_t len)
{
	uint32_t value = 0;

	for (size_t i = 0; i < len; i++)
		value = value << 8 | at[i];
	return value;
}

/* ------------------------------------------------------------ letters */

/* Crockford's base 32: neither I, L, O nor U. */
static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* What a letter stands for, -1 for none. Those that look alike are taken for what they look like. */
static int letter_value(char c)
{
	const char *at;

	c = (char)toupper((unsigned char)c);
	if (c == 'I' || c == 'L')
		c = '1';
	if (c == 'O')
		c = '0';
	at = c != '\0' ? strchr(letters, c) : NULL;
	return at != NULL ? (int)(at - letters) : -1;
}

/* ------------------------------------------------------------ passphrases */

#define MADE_GROUPS 6u
#define MADE_GROUP 4u
#define MADE_LETTERS (MADE_GROUPS * MADE_GROUP)

_Static_assert(VAULT_PASSPHRASE_MADE_LEN == MADE_LETTERS + MADE_GROUPS - 1, "groups with a dash between");

void vault_passphrase_make(char out[static VAULT_PASSPHRASE_MADE_LEN + 1])
{
	size_t len = 0;

	for (unsigned i = 0; i < MADE_LETTERS; i++) {
		if (i > 0 && i % MADE_GROUP == 0)
			out[len++] = '-';
		out[len++] = letters[randombytes_uniform(sizeof(letters) - 1)];
	}
	out[len] = '\0';
}

/* A passphrase of our own making counts however it is spaced and cased. False: it is none; then bytes count. */
static bool made_here(const struct secret *passphrase, char out[static MADE_LETTERS])
{
	const char *text = (const char *)secret_bytes(passphrase);
	size_t len = 0;

	for (size_t i = 0; i < secret_len(passphrase); i++) {
		const int value = letter_value(text[i]);

		if (text[i] == ' ' || text[i] == '-')
			continue;
		if (value < 0 || len == MADE_LETTERS)
			return false;
		out[len++] = letters[value];
	}
	return len == MADE_LETTERS;
}

/* ------------------------------------------------------------ sealing */

/* Derives the key that seals. False: memory is short. */
static bool derive(const uint8_t *kit, const struct secret *passphrase,
	uint8_t key[static crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
	char made[MADE_LETTERS];
	const bool ours = made_here(passphrase, made);
	const char *text = ours ? made : (const char *)secret_bytes(passphrase);
	const size_t len = ours ? sizeof(made) : secret_len(passphrase);
	const int rc = crypto_pwhash(key, crypto_aead_xchacha20poly1305_ietf_KEYBYTES, text, len, kit + SALT_AT,
		get_number(kit + PASSES_AT, 2), (size_t)get_number(kit + MEMORY_AT, 4) * 1024u,
		crypto_pwhash_ALG_ARGON2ID13);

	vault_wipe(made, sizeof(made));
	return rc == 0;
}

/* Where keys lie in clear, and what seals them; guarded. */
struct opened {
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	uint8_t plain[1 + KEY_RING_MAX * VAULT_KEY_LEN];
};

static struct opened *opened_new(void)
{
	return sodium_malloc(sizeof(struct opened));
}

static void label(const struct key_ring *ring, struct kit_cost cost, uint8_t *kit)
{
	size_t len = 0;

	memcpy(kit, magic, sizeof(magic));
	kit[FORMAT_AT] = FORMAT;
	kit[KDF_AT] = ARGON2ID;
	put_number(kit + PASSES_AT, 2, cost.passes);
	put_number(kit + MEMORY_AT, 4, cost.memory_kib);
	sodium_hex2bin(kit + ID_AT, ID_BYTES, ring->keys[0].id, VAULT_KEY_ID_LEN, NULL, &len, NULL);
	randombytes_buf(kit + SALT_AT, KIT_LABELLED_LEN - SALT_AT);
}

enum vault_error kit_seal(
	const struct key_ring *ring, const struct secret *passphrase, struct kit_cost cost, struct vault_kit *out)
{
	struct opened *o = opened_new();
	const size_t plain_len = 1 + ring->len * VAULT_KEY_LEN;
	enum vault_error err = VAULT_NO_MEMORY;

	*out = (struct vault_kit){.len = KIT_LEN(ring->len)};
	if (o == NULL)
		return VAULT_NO_MEMORY;
	label(ring, cost, out->bytes);
	o->plain[0] = (uint8_t)ring->len;
	for (size_t i = 0; i < ring->len; i++)
		memcpy(o->plain + 1 + i * VAULT_KEY_LEN, ring->keys[i].key, VAULT_KEY_LEN);
	if (derive(out->bytes, passphrase, o->key)) {
		crypto_aead_xchacha20poly1305_ietf_encrypt(out->bytes + KIT_LABELLED_LEN, NULL, o->plain, plain_len,
			out->bytes, KIT_LABELLED_LEN, NULL, out->bytes + NONCE_AT, o->key);
		err = VAULT_OK;
	}
	sodium_free(o);
	return err;
}

enum vault_error vault_kit_seal(int key_fd, const struct secret *passphrase, struct vault_kit *out)
{
	struct key_ring *ring = NULL;
	enum vault_error err = vault_key_ring_read(key_fd, &ring);

	if (err != VAULT_OK)
		return err;
	err = kit_seal(ring, passphrase, KIT_COST, out);
	vault_key_ring_free(ring);
	return err;
}

/* ------------------------------------------------------------ opening */

static enum vault_kit_fault form_check(const struct vault_kit *kit)
{
	const uint8_t *b = kit->bytes;
	uint32_t passes, memory;

	if (kit->len < KIT_LEN(1) || memcmp(b, magic, sizeof(magic)) != 0)
		return VAULT_KIT_NO_KIT;
	if (b[FORMAT_AT] != FORMAT || b[KDF_AT] != ARGON2ID)
		return VAULT_KIT_NEWER;
	if (kit->len > VAULT_KIT_MAX || (kit->len - KIT_LEN(0)) % VAULT_KEY_LEN != 0)
		return VAULT_KIT_NO_KIT;
	passes = get_number(b + PASSES_AT, 2);
	memory = get_number(b + MEMORY_AT, 4);
	if (passes == 0 || passes > KIT_PASSES_MAX || memory < KIT_MEMORY_KIB_MIN || memory > KIT_MEMORY_KIB_MAX)
		return VAULT_KIT_COSTLY;
	return VAULT_KIT_FINE;
}

/* The plain keys as a ring. False: it is not the ring that the label names, or none. */
static bool ring_fill(const struct vault_kit *kit, const uint8_t *plain, struct key_ring *ring)
{
	char named[VAULT_KEY_ID_LEN + 1];

	memset(ring, 0, sizeof(*ring));
	ring->len = (kit->len - KIT_LEN(0)) / VAULT_KEY_LEN;
	if (plain[0] != ring->len)
		return false;
	for (size_t i = 0; i < ring->len; i++) {
		memcpy(ring->keys[i].key, plain + 1 + i * VAULT_KEY_LEN, VAULT_KEY_LEN);
		vault_key_id(ring->keys[i].key, ring->keys[i].id);
	}
	vault_kit_key_id(kit, named);
	return strcmp(named, ring->keys[0].id) == 0;
}

enum vault_error kit_open(const struct vault_kit *kit, const struct secret *passphrase, struct key_ring **out)
{
	struct key_ring *ring = NULL;
	struct opened *o = NULL;
	enum vault_error err = VAULT_NO_MEMORY;

	if (form_check(kit) != VAULT_KIT_FINE)
		return VAULT_BAD_BLOB;
	ring = sodium_malloc(sizeof(*ring));
	o = opened_new();
	if (ring == NULL || o == NULL || !derive(kit->bytes, passphrase, o->key))
		goto out;
	err = VAULT_WRONG_KEY;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(o->plain, NULL, NULL, kit->bytes + KIT_LABELLED_LEN,
		    kit->len - KIT_LABELLED_LEN, kit->bytes, KIT_LABELLED_LEN, kit->bytes + NONCE_AT, o->key) != 0 ||
		!ring_fill(kit, o->plain, ring))
		goto out;
	*out = ring;
	ring = NULL; /* transferred */
	err = VAULT_OK;
out:
	sodium_free(o);
	sodium_free(ring);
	return err;
}

static bool has_one_of(const struct key_ring *ring, const char (*ids)[VAULT_KEY_ID_LEN + 1], size_t ids_len)
{
	for (size_t i = 0; i < ring->len; i++)
		for (size_t j = 0; j < ids_len; j++)
			if (strcmp(ring->keys[i].id, ids[j]) == 0)
				return true;
	return false;
}

enum vault_error vault_kit_restore(const struct vault_kit *kit, const struct secret *passphrase,
	const char (*ids)[VAULT_KEY_ID_LEN + 1], size_t ids_len, int fd)
{
	struct key_ring *ring = NULL;
	enum vault_error err = kit_open(kit, passphrase, &ring);

	if (err != VAULT_OK)
		return err;
	err = ids_len == 0 || has_one_of(ring, ids, ids_len) ? vault_key_file_put(fd, ring) : VAULT_BAD_REQUEST;
	vault_key_ring_free(ring);
	return err;
}

void vault_kit_key_id(const struct vault_kit *kit, char out[static VAULT_KEY_ID_LEN + 1])
{
	sodium_bin2hex(out, VAULT_KEY_ID_LEN + 1, kit->bytes + ID_AT, ID_BYTES);
}

unsigned vault_kit_keys(const struct vault_kit *kit)
{
	return (unsigned)((kit->len - KIT_LEN(0)) / VAULT_KEY_LEN);
}

/* ------------------------------------------------------------ as text */

#define LINE_BYTES 15u
#define LINE_LETTERS 24u
#define CHECK_LETTERS 4u
#define GROUP 4u

unsigned vault_kit_lines(const struct vault_kit *kit)
{
	return (unsigned)((kit->len + LINE_BYTES - 1) / LINE_BYTES);
}

static size_t letters_of(size_t bytes)
{
	return (bytes * 8 + 4) / 5;
}

/* Five bits a letter, the last one filled up with zeros. */
static void to_letters(const uint8_t *bytes, size_t len, char *out)
{
	unsigned held = 0, bits = 0;

	for (size_t i = 0; i < len; i++) {
		held = held << 8 | bytes[i];
		for (bits += 8; bits >= 5; bits -= 5)
			*out++ = letters[held >> (bits - 5) & 31];
	}
	if (bits > 0)
		*out++ = letters[held << (5 - bits) & 31];
	*out = '\0';
}

/* False: that many letters make no whole bytes, or what fills the last one up is not zero. */
static bool from_letters(const char *text, size_t len, uint8_t *out, size_t *out_len)
{
	unsigned held = 0, bits = 0;

	*out_len = len * 5 / 8;
	for (size_t i = 0; i < len; i++) {
		held = held << 5 | (unsigned)letter_value(text[i]);
		bits += 5;
		if (bits >= 8) {
			bits -= 8;
			*out++ = (uint8_t)(held >> bits);
		}
	}
	return letters_of(*out_len) == len && (held & ((1u << bits) - 1)) == 0;
}

/* Twenty bits over what the line says and which line it is. */
static void check_letters(unsigned line, unsigned lines, const uint8_t *bytes, size_t len, char *out)
{
	const uint8_t place[] = {(uint8_t)line, (uint8_t)lines};
	uint8_t hash[crypto_generichash_BYTES_MIN];
	crypto_generichash_state state;
	char text[CHECK_LETTERS + 2]; /* three bytes make a letter more */

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	crypto_generichash_update(&state, (const uint8_t *)CHECK_LABEL, sizeof(CHECK_LABEL) - 1);
	crypto_generichash_update(&state, place, sizeof(place));
	crypto_generichash_update(&state, bytes, len);
	crypto_generichash_final(&state, hash, sizeof(hash));
	hash[2] &= 0xf0;
	to_letters(hash, 3, text);
	memcpy(out, text, CHECK_LETTERS);
	out[CHECK_LETTERS] = '\0';
}

void vault_kit_line(const struct vault_kit *kit, unsigned line, char out[static VAULT_KIT_LINE_MAX + 1])
{
	const size_t at = (size_t)(line - 1) * LINE_BYTES;
	const size_t len = kit->len - at < LINE_BYTES ? kit->len - at : LINE_BYTES;
	char text[LINE_LETTERS + 1], check[CHECK_LETTERS + 1];
	size_t n = (size_t)snprintf(
		out, VAULT_KIT_LINE_MAX + 1, line < 10 ? "%u/%u " : "%u/%u", line, vault_kit_lines(kit));

	to_letters(kit->bytes + at, len, text);
	check_letters(line, vault_kit_lines(kit), kit->bytes + at, len, check);
	for (size_t i = 0; i < letters_of(len); i++) {
		if (i % GROUP == 0)
			out[n++] = ' ';
		out[n++] = text[i];
	}
	out[n++] = ' ';
	memcpy(out + n, check, sizeof(check));
}

/* A line as it was typed: which it says it is, and its letters. */
struct typed {
	unsigned line, lines;
	char text[LINE_LETTERS + CHECK_LETTERS + 1];
	bool legible; /* as many letters as a line may have, and no others */
};

#define LINES_MAX ((VAULT_KIT_MAX + LINE_BYTES - 1) / LINE_BYTES)

struct typing {
	struct typed lines[LINES_MAX];
	size_t len;
	bool too_many;
};

/* "3/8" and no more digits; moves past it. */
static bool read_place(const char **at, const char *end, unsigned *line, unsigned *lines)
{
	unsigned *numbers[] = {line, lines};

	for (size_t i = 0; i < 2; i++) {
		size_t digits = 0;

		for (*numbers[i] = 0; *at < end && isdigit((unsigned char)**at) && digits < 2; digits++)
			*numbers[i] = *numbers[i] * 10 + (unsigned)(*(*at)++ - '0');
		if (digits == 0)
			return false;
		while (*at < end && **at == ' ')
			(*at)++;
		if (i == 0 && (*at == end || *(*at)++ != '/'))
			return false;
		while (i == 0 && *at < end && **at == ' ')
			(*at)++;
	}
	return true;
}

/* Takes a line from at to end if it is a kit's; everything else on the page is passed over. */
static void take_line(struct typing *t, const char *at, const char *end)
{
	struct typed one = {.legible = true};
	size_t len = 0;

	while (at < end && isspace((unsigned char)*at))
		at++;
	if (!read_place(&at, end, &one.line, &one.lines))
		return;
	for (; at < end; at++) {
		if (isspace((unsigned char)*at) || *at == '-')
			continue;
		if (letter_value(*at) < 0 || len == sizeof(one.text) - 1)
			one.legible = false;
		else
			one.text[len++] = *at;
	}
	if (t->len < LINES_MAX)
		t->lines[t->len++] = one;
	else
		t->too_many = true;
}

/* Appends the line's bytes to the kit, if they are what its check says. */
static bool add_line(const struct typed *one, struct vault_kit *kit)
{
	const size_t typed = strlen(one->text), wanted = LINE_LETTERS + CHECK_LETTERS;
	uint8_t bytes[LINE_BYTES];
	char check[CHECK_LETTERS + 1];
	size_t len = 0;

	if (!one->legible || typed <= CHECK_LETTERS || (one->line < one->lines && typed != wanted) ||
		!from_letters(one->text, typed - CHECK_LETTERS, bytes, &len) || kit->len + len > VAULT_KIT_MAX)
		return false;
	check_letters(one->line, one->lines, bytes, len, check);
	for (size_t i = 0; i < CHECK_LETTERS; i++)
		if (letter_value(one->text[typed - CHECK_LETTERS + i]) != letter_value(check[i]))
			return false;
	memcpy(kit->bytes + kit->len, bytes, len);
	kit->len += len;
	return true;
}

static bool has_line(const struct typing *t, unsigned line)
{
	for (size_t i = 0; i < t->len; i++)
		if (t->lines[i].line == line)
			return true;
	return false;
}

/* Are they all there, each once and in its place? */
static enum vault_kit_fault order_check(const struct typing *t, unsigned *line)
{
	const unsigned lines = t->len > 0 ? t->lines[0].lines : 0;

	if (lines == 0)
		return VAULT_KIT_NO_KIT;
	for (*line = 1; *line <= t->len; (*line)++)
		if (t->lines[*line - 1].lines != lines)
			return VAULT_KIT_MIXED;
	for (*line = 1; *line <= lines; (*line)++)
		if (!has_line(t, *line))
			return VAULT_KIT_MISSING;
	for (*line = 1; *line <= lines; (*line)++)
		if (t->lines[*line - 1].line != *line)
			return VAULT_KIT_ORDER;
	return t->len > lines || t->too_many ? VAULT_KIT_ORDER : VAULT_KIT_FINE;
}

enum vault_kit_fault vault_kit_read(const char *text, struct vault_kit *out, unsigned *line)
{
	struct typing t = {.len = 0};
	enum vault_kit_fault fault;

	*out = (struct vault_kit){.len = 0};
	*line = 0;
	while (*text != '\0') {
		const size_t len = strcspn(text, "\n\r+");

		take_line(&t, text, text + len);
		text += len + (text[len] != '\0');
	}
	fault = order_check(&t, line);
	if (fault != VAULT_KIT_FINE)
		return fault;
	for (*line = 1; *line <= t.len; (*line)++)
		if (!add_line(&t.lines[*line - 1], out))
			return VAULT_KIT_MISTYPED;
	*line = 0;
	return form_check(out);
}
