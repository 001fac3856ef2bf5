/*
 * Goal of this test: a role that received an app secret, sealed it and got its
 * verifier holds neither the secret nor its two XOR forms any more. The secret
 * is made and searched for by another process, to which the role sends all its
 * memory: so nothing but the role's work can have left a copy there.
 */
#include <sys/wait.h>

#include "test/unit/vault/house.h"
#include "vault/frame.h"

#define SECRET_LEN 32u

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

static bool read_all(int fd, void *to, size_t len)
{
	for (size_t have = 0; have < len;) {
		const ssize_t n = read(fd, (char *)to + have, len - have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	return true;
}

static bool write_all(int fd, const void *from, size_t len)
{
	for (size_t done = 0; done < len;) {
		const ssize_t n = write(fd, (const char *)from + done, len - done);

		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

/* ------------------------------------------------------------ the searcher: another process */

/* Finds in one dump; a dump is regions with their lengths, ended by a zero. */
static bool search_dump(int fd, const uint8_t *secret, uint32_t found[3])
{
	static const uint8_t pads[3] = {0, 0x36, 0x5c};
	size_t len;

	memset(found, 0, 3 * sizeof(found[0]));
	while (read_all(fd, &len, sizeof(len))) {
		uint8_t *region;

		if (len == 0)
			return true;
		region = malloc(len);
		if (region == NULL || !read_all(fd, region, len))
			return false;
		for (int i = 0; i < 3; i++) {
			uint8_t needle[SECRET_LEN];

			for (size_t b = 0; b < SECRET_LEN; b++)
				needle[b] = secret[b] ^ pads[i];
			found[i] += memmem(region, len, needle, SECRET_LEN) != NULL;
		}
		free(region);
	}
	return false;
}

static void search(int fd)
{
	uint8_t raw[SECRET_LEN / 2], secret[SECRET_LEN];
	uint32_t found[3];

	vault_random(raw, sizeof(raw));
	for (size_t i = 0; i < SECRET_LEN; i++)
		secret[i] = (uint8_t) "0123456789abcdef"[raw[i / 2] >> (i % 2 * 4) & 15];
	if (!write_all(fd, secret, sizeof(secret)))
		_exit(1);
	while (search_dump(fd, secret, found)) {
		if (!write_all(fd, found, sizeof(found)))
			_exit(1);
	}
	_exit(0);
}

/* ------------------------------------------------------------ the role */

static void send_region(int mem, int fd, unsigned long from, size_t len)
{
	static uint8_t chunk[65536];

	assert_true(write_all(fd, &len, sizeof(len)));
	for (size_t done = 0; done < len;) {
		const size_t want = len - done < sizeof(chunk) ? len - done : sizeof(chunk);

		assert_int_equal(pread(mem, chunk, want, (off_t)(from + done)), (ssize_t)want);
		assert_true(write_all(fd, chunk, want));
		done += want;
	}
}

/* Every page that this process may write, and what the searcher found there. */
static void search_me(int fd, uint32_t found[3])
{
	const int mem = open("/proc/self/mem", O_RDONLY);
	FILE *maps = fopen("/proc/self/maps", "r");
	const size_t end = 0;
	char line[512];
	size_t regions = 0;

	assert_true(mem >= 0 && maps != NULL);
	while (fgets(line, sizeof(line), maps) != NULL) {
		char *at = line;
		const unsigned long from = strtoul(at, &at, 16), to = strtoul(at + 1, &at, 16);

		if (strncmp(at, " rw", 3) != 0)
			continue;
		send_region(mem, fd, from, to - from);
		regions++;
	}
	assert_true(regions > 3);
	fclose(maps);
	close(mem);
	assert_true(write_all(fd, &end, sizeof(end)));
	assert_true(read_all(fd, found, 3 * sizeof(found[0])));
}

static pid_t fork_searcher(int *fd)
{
	int s[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(s[0]);
		search(s[1]);
	}
	close(s[1]);
	*fd = s[0];
	return pid;
}

static pid_t fork_vault(struct vault_client **client)
{
	struct vault_process *p = NULL;
	char path[64];
	int s[2], fd = text_file("", path);
	pid_t pid;

	assert_int_equal(vault_key_file_create(fd), VAULT_OK);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(s[0]);
		if (vault_process_open(&p, fd) != VAULT_OK)
			_exit(2);
		unlink(path);
		_exit(vault_process_serve(p, -1, s[1], -1) == VAULT_OK ? 0 : 3);
	}
	close(s[1]);
	close(fd);
	*client = vault_client_new(s[0]);
	assert_non_null(*client);
	return pid;
}

static struct secret *receive(int fd)
{
	char text[SECRET_LEN];
	struct secret *s;

	assert_true(read_all(fd, text, sizeof(text)));
	s = secret_new(text, sizeof(text));
	assert_non_null(s);
	vault_wipe(text, sizeof(text));
	return s;
}

static void assert_nothing_found(int fd)
{
	uint32_t found[3];

	search_me(fd, found);
	assert_int_equal(found[0], 0);
	assert_int_equal(found[1], 0);
	assert_int_equal(found[2], 0);
}

/* A frame that grows after the secret was put into it leaves it nowhere. */
static void grow_around(const struct secret *s)
{
	static const uint8_t more[3000];
	struct frame f = FRAME_INIT(1);

	frame_put_bytes(&f, more, 100);
	frame_put_bytes(&f, secret_bytes(s), secret_len(s));
	frame_put_bytes(&f, more, sizeof(more));
	frame_clear(&f);
}

static void test_nothing_stays(void **state)
{
	const struct vault_context where = credential_place("app_secret");
	char print[VAULT_FINGERPRINT_LEN + 1];
	struct vault_wrapped_key key;
	struct vault_client *client;
	struct vault_verifier v;
	uint8_t blob[148];
	uint32_t found[3];
	struct secret *s;
	int fd, status;
	pid_t searcher, vault;

	(void)state;
	if (SANITIZED) {
		print_message("skipped: a sanitizer's memory is too large to search\n");
		return;
	}
	searcher = fork_searcher(&fd);
	vault = fork_vault(&client);
	s = receive(fd);
	search_me(fd, found);
	assert_int_equal(found[0], 1); /* the search works, and receive left no other copy */
	grow_around(s);
	search_me(fd, found);
	assert_int_equal(found[0], 1);

	assert_int_equal(vault_tenant_key_new(client, DEPLOYMENT, BUSINESS, VAULT_CREDENTIAL, 1, &key), VAULT_OK);
	assert_int_equal(vault_credential_seal(client, &key, &where, s, blob, print), VAULT_OK);
	secret_free(s);
	assert_nothing_found(fd);
	assert_int_equal(vault_verifier_get(client, &key, &where, blob, sizeof(blob), &v), VAULT_OK);
	assert_nothing_found(fd);

	vault_client_free(client);
	close(fd);
	assert_int_equal(waitpid(vault, &status, 0), vault);
	assert_int_equal(status, 0);
	assert_int_equal(waitpid(searcher, &status, 0), searcher);
	assert_int_equal(status, 0);
}

static int begin(void **state)
{
	(void)state;
	return vault_init() == VAULT_OK ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_stays),
	};

	return cmocka_run_group_tests(tests, begin, NULL);
}
