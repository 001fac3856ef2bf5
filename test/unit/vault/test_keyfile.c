/*
 * Goal of this test: a key file is read only when it is well-formed and nobody
 * else may read it, and a fresh one is exactly such a file.
 */
#include <sodium.h>
#include <sys/stat.h>

#include "test/unit/vault/house.h"
#include "vault/keyfile.h"

/* Two keys with their right ids, as lines are built from them. */
#define ID_1 "5ba00ca788a059c3"
#define KEY_1 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define ID_2 "5cfc87383fa64a72"
#define KEY_2 "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
#define M "keyhouse-master-key-1 "
#define CURRENT_1 M "current " ID_1 " " KEY_1 "\n"
#define PREVIOUS_2 M "previous " ID_2 " " KEY_2 "\n"

/* What reading this text says; the ring, when it is one, goes to *out. */
static enum vault_error read_text(const char *text, struct key_ring **out)
{
	char path[64];
	const int fd = text_file(text, path);
	const enum vault_error err = vault_key_ring_read(fd, out);

	unlink(path);
	close(fd);
	return err;
}

static void test_good_files(void **state)
{
	static const char *const good[] = {
		CURRENT_1 PREVIOUS_2,
		PREVIOUS_2 CURRENT_1,
		"# words\n\n" PREVIOUS_2 "# more words\n" M "current " ID_1 " " KEY_1,
	};
	struct key_ring *ring;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(read_text(good[i], &ring), VAULT_OK);
		assert_int_equal(ring->len, 2);
		assert_string_equal(ring->keys[0].id, ID_1);
		assert_string_equal(ring->keys[1].id, ID_2);
		for (uint8_t b = 0; b < VAULT_KEY_LEN; b++) {
			assert_int_equal(ring->keys[0].key[b], b);
			assert_int_equal(ring->keys[1].key[b], b + 32);
		}
		vault_key_ring_free(ring);
	}
}

static void test_bad_files(void **state)
{
	static const char *const bad[] = {
		"",
		"# nothing but words\n",
		PREVIOUS_2,
		CURRENT_1 CURRENT_1,
		CURRENT_1 M "current " ID_2 " " KEY_2 "\n",
		CURRENT_1 M "previous " ID_1 " " KEY_1 "\n",
		CURRENT_1 PREVIOUS_2 PREVIOUS_2,
		M "current " ID_2 " " KEY_1 "\n",
		M "current 5ba00ca788a059c2 " KEY_1 "\n",
		M "current 5BA00CA788A059C3 " KEY_1 "\n",
		M "current " ID_1 " " KEY_1 " \n",
		M "current " ID_1 " " KEY_1 "\r\n",
		M "current " ID_1 "  " KEY_1 "\n",
		M "current  " ID_1 " " KEY_1 "\n",
		" " CURRENT_1,
		M "current " ID_1 "\n",
		M "current\n",
		M "\n",
		M "next " ID_1 " " KEY_1 "\n",
		M "current " ID_1 " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\n", /* stray bits */
		M "current " ID_1 " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh\n",
		M "current " ID_1 " AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd****\n",
		"keyhouse-master-key-2 current " ID_1 " " KEY_1 "\n",
		CURRENT_1 "something else\n",
	};
	struct key_ring *ring = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (read_text(bad[i], &ring) != VAULT_KEY_FILE)
			fail_msg("accepted: %s", bad[i]);
		assert_null(ring);
	}
}

static void test_nul_and_length(void **state)
{
	char text[5000], path[64];
	struct key_ring *ring = NULL;
	int fd;

	(void)state;
	memset(text, '#', sizeof(text));
	text[sizeof(text) - 1] = 0;
	memcpy(text, CURRENT_1, strlen(CURRENT_1));
	assert_int_equal(read_text(text, &ring), VAULT_KEY_FILE);
	text[4097] = 0;
	assert_int_equal(read_text(text, &ring), VAULT_KEY_FILE);
	text[4096] = 0;
	assert_int_equal(read_text(text, &ring), VAULT_OK);
	vault_key_ring_free(ring);
	fd = text_file(CURRENT_1, path);
	unlink(path);
	close(fd);
	fd = text_file(CURRENT_1, path);
	assert_int_equal(pwrite(fd, "\0", 1, (off_t)strlen(CURRENT_1)), 1);
	assert_int_equal(vault_key_ring_read(fd, &ring), VAULT_KEY_FILE);
	unlink(path);
	close(fd);
}

static void test_up_to_eight_previous(void **state)
{
	char text[4096] = CURRENT_1;
	struct key_ring *ring = NULL;

	(void)state;
	for (uint8_t n = 1; n <= 9; n++) {
		uint8_t key[VAULT_KEY_LEN], hash[16];
		char id[33], base64[45], line[128];

		memset(key, 0x40 + n, sizeof(key));
		crypto_generichash(
			hash, sizeof(hash), (const uint8_t *)"keyhouse-master-key-id-1", 24, key, sizeof(key));
		sodium_bin2hex(id, sizeof(id), hash, sizeof(hash));
		sodium_bin2base64(base64, sizeof(base64), key, sizeof(key), sodium_base64_VARIANT_ORIGINAL);
		snprintf(line, sizeof(line), M "previous %.16s %s\n", id, base64);
		memcpy(text + strlen(text), line, strlen(line) + 1);
		if (n == 9) {
			assert_int_equal(read_text(text, &ring), VAULT_KEY_FILE);
			break;
		}
		assert_int_equal(read_text(text, &ring), VAULT_OK);
		assert_int_equal(ring->len, 1u + n);
		assert_memory_equal(ring->keys[n].key, key, sizeof(key));
		vault_key_ring_free(ring);
	}
}

static void test_open_to_others(void **state)
{
	static const mode_t bad[] = {0640, 0604, 0620, 0602, 0610, 0601, 0644, 0777};
	char path[64], second[80];
	struct key_ring *ring = NULL;
	const int fd = text_file(CURRENT_1, path);
	int dir, null, pipes[2];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(fchmod(fd, bad[i]), 0);
		assert_int_equal(vault_key_file_check(fd), VAULT_KEY_FILE_OPEN_TO_OTHERS);
		assert_int_equal(vault_key_ring_read(fd, &ring), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	}
	assert_int_equal(fchmod(fd, 0400), 0);
	assert_int_equal(vault_key_file_check(fd), VAULT_OK);
	snprintf(second, sizeof(second), "%s.2", path);
	assert_int_equal(link(path, second), 0);
	assert_int_equal(vault_key_file_check(fd), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	unlink(second);
	assert_int_equal(vault_key_file_check(fd), VAULT_OK);
	if (geteuid() == 0) {
		assert_int_equal(fchown(fd, 1, (gid_t)-1), 0);
		assert_int_equal(vault_key_file_check(fd), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	}
	unlink(path);
	close(fd);
	dir = open("/", O_RDONLY | O_DIRECTORY);
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(vault_key_file_check(dir), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	assert_int_equal(vault_key_file_check(null), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	assert_int_equal(vault_key_file_check(pipes[0]), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	assert_int_equal(vault_key_file_check(-1), VAULT_KEY_FILE);
	close(dir);
	close(null);
	close(pipes[0]);
	close(pipes[1]);
}

static void test_create(void **state)
{
	struct key_ring *a = NULL, *b = NULL;
	struct vault_process *p = NULL;
	char path[64], text[64] = "";
	int fd = text_file("", path), again;

	(void)state;
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(vault_key_ring_read(fd, &a), VAULT_OK);
	assert_int_equal(a->len, 1);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_non_null(strstr(text, "# Keyhouse master key. Losing this file loses every key"));
	assert_int_equal(vault_key_file_create(fd), VAULT_KEY_FILE); /* never over a key */
	again = dup(fd);
	assert_int_equal(vault_process_open(&p, fd), VAULT_OK);
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed */
	vault_process_close(p);
	assert_int_equal(vault_process_open(&p, again), VAULT_OK); /* the offset does not matter */
	vault_process_close(p);
	unlink(path);

	fd = text_file("", path);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(vault_key_file_create(fd), VAULT_KEY_FILE_OPEN_TO_OTHERS);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(vault_key_ring_read(fd, &b), VAULT_OK);
	assert_memory_not_equal(a->keys[0].key, b->keys[0].key, VAULT_KEY_LEN);
	assert_string_not_equal(a->keys[0].id, b->keys[0].id);
	close(fd);
	fd = open(path, O_WRONLY | O_TRUNC);
	close(fd);
	fd = open(path, O_RDONLY);
	assert_int_equal(vault_key_file_create(fd), VAULT_KEY_FILE); /* not writable */
	assert_int_equal(vault_process_open(&p, fd), VAULT_KEY_FILE); /* empty */
	assert_int_equal(fcntl(fd, F_GETFD), -1); /* closed all the same */
	unlink(path);
	vault_key_ring_free(a);
	vault_key_ring_free(b);
}

/* A fresh key in front of those that were there, until it is full; then only what is kept stays. */
static void test_rotate_and_retire(void **state)
{
	char path[64], next_path[64], keep[2][VAULT_KEY_ID_LEN + 1];
	struct key_ring *before = NULL, *after = NULL;
	int fd = text_file("", path), next;
	unsigned gone = 99;

	(void)state;
	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	for (size_t n = 1; n <= KEY_RING_MAX; n++) {
		assert_int_equal(vault_key_ring_read(fd, &before), VAULT_OK);
		assert_int_equal(before->len, n);
		next = text_file("", next_path);
		assert_int_equal(vault_key_file_rotate(fd, next), n < KEY_RING_MAX ? VAULT_OK : VAULT_BAD_REQUEST);
		if (n < KEY_RING_MAX) {
			assert_int_equal(vault_key_file_rotate(fd, next), VAULT_KEY_FILE); /* never over a key */
			assert_int_equal(vault_key_ring_read(next, &after), VAULT_OK);
			assert_int_equal(after->len, n + 1);
			assert_memory_equal(&after->keys[1], &before->keys[0], n * sizeof(after->keys[0]));
			vault_key_ring_free(after);
			vault_key_ring_free(before);
			close(fd);
			unlink(path);
			memcpy(path, next_path, sizeof(path));
			fd = next;
		}
	}
	memcpy(keep[0], before->keys[3].id, sizeof(keep[0]));
	memcpy(keep[1], "ffffffffffffffff", sizeof(keep[1])); /* nobody's */
	assert_int_equal(
		vault_key_file_retire(fd, next, (const char(*)[VAULT_KEY_ID_LEN + 1]) keep, 2, &gone), VAULT_OK);
	assert_int_equal(gone, KEY_RING_MAX - 2);
	assert_int_equal(vault_key_ring_read(next, &after), VAULT_OK);
	assert_int_equal(after->len, 2);
	assert_memory_equal(&after->keys[0], &before->keys[0], sizeof(after->keys[0]));
	assert_memory_equal(&after->keys[1], &before->keys[3], sizeof(after->keys[0]));
	vault_key_ring_free(after);
	vault_key_ring_free(before);
	close(fd);
	close(next);
	unlink(path);
	unlink(next_path);
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_files),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_nul_and_length),
		cmocka_unit_test(test_up_to_eight_previous),
		cmocka_unit_test(test_open_to_others),
		cmocka_unit_test(test_create),
		cmocka_unit_test(test_rotate_and_retire),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
