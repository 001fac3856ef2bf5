/*
 * The vault's figures for `make bench`: a vault in a process of its own, asked over a socket pair by its client as listener
 * and sender ask it, and in turns with it a process that only reads as many bytes and writes as many back, which no vault
 * could be faster than. And sealing and opening by themselves, as the vault does it and, of content, the listener.
 *
 *   vault [ROUNDS]      20 if left out
 *
 * Standard output: one JSON object. "trips": of each question, and of "ping", whose messages are as long as SEAL's, the
 * microseconds of a round trip, p50 and p99. "per_second": of what is done within one process. Exit status 1 when it could
 * not measure.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "vault/blob.h"

#define ROUNDS 20u
#define ROUNDS_MAX 1000u
#define SETTLE 100u /* of each round, not counted: whoever is asked was asleep */
#define COUNTED 500u
#define TOKEN_LEN 200u
#define PING_QUESTION 444u
#define PING_ANSWER 371u

static const struct vault_context home = {"dep-1", "shop-1", "credentials", "01connection", "app_secret", 1};
static const struct vault_context content_home = {"dep-1", "shop-1", "messages", "01message", "body", 1};

static void check(bool well, const char *what)
{
	if (well)
		return;
	fprintf(stderr, "vault bench: %s\n", what);
	exit(1);
}

static double now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* ------------------------------------------------------------ who is asked */

/* Each is a process that ends with this one. */
static bool is_child(void)
{
	const pid_t pid = fork();

	check(pid >= 0, "no process");
	if (pid == 0)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid == 0;
}

static void pair(int fd[2])
{
	check(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0, "no socket pair");
}

static void vault_begin(struct vault_client **listener, struct vault_client **sender)
{
	char path[] = "/tmp/kh-bench-XXXXXX";
	const int key_fd = mkstemp(path);
	struct vault_process *p = NULL;
	bool well =
		key_fd >= 0 && vault_key_file_create(key_fd) == VAULT_OK && vault_process_open(&p, key_fd) == VAULT_OK;
	int l[2], s[2];

	(void)unlink(path);
	check(well, "the vault does not begin");
	pair(l);
	pair(s);
	if (is_child()) {
		(void)close(l[0]);
		(void)close(s[0]);
		_exit(vault_process_serve(p, -1, l[1], s[1]) == VAULT_OK ? 0 : 1);
	}
	vault_process_close(p);
	(void)close(l[1]);
	(void)close(s[1]);
	*listener = vault_client_new(l[0]);
	*sender = vault_client_new(s[0]);
	check(*listener != NULL && *sender != NULL, "no memory");
}

static int ping_begin(void)
{
	uint8_t bytes[PING_QUESTION] = {0};
	int fd[2];

	pair(fd);
	if (is_child()) {
		(void)close(fd[0]);
		while (recv(fd[1], bytes, PING_QUESTION, MSG_WAITALL) == (ssize_t)PING_QUESTION)
			if (send(fd[1], bytes, PING_ANSWER, MSG_NOSIGNAL) != (ssize_t)PING_ANSWER)
				break;
		_exit(0);
	}
	(void)close(fd[1]);
	return fd[0];
}

/* ------------------------------------------------------------ what is asked */

struct bench {
	struct vault_client *listener, *sender;
	int ping;
	struct vault_wrapped_key credential, content, index;
	struct vault_content_keys keys;
	struct secret *token;
	uint8_t blob[BLOB_LEN(TOKEN_LEN)];
	char print[VAULT_FINGERPRINT_LEN + 1];
};

static enum vault_error new_key(struct bench *b, enum vault_purpose purpose, struct vault_wrapped_key *out)
{
	return vault_tenant_key_new(b->listener, home.deployment_id, home.business_id, purpose, 1, out);
}

static bool ask_ping(struct bench *b)
{
	uint8_t bytes[PING_QUESTION] = {0};

	return send(b->ping, bytes, PING_QUESTION, MSG_NOSIGNAL) == (ssize_t)PING_QUESTION &&
		recv(b->ping, bytes, PING_ANSWER, MSG_WAITALL) == (ssize_t)PING_ANSWER;
}

static bool ask_seal(struct bench *b)
{
	return vault_credential_seal(b->listener, &b->credential, &home, b->token, b->blob, b->print) == VAULT_OK;
}

static bool ask_open(struct bench *b)
{
	struct secret *token = NULL;
	const bool well = vault_credential_open(b->sender, "01message", &b->credential, &home, b->blob, sizeof(b->blob),
				  &token) == VAULT_OK;

	secret_free(token);
	return well;
}

static bool ask_verifier(struct bench *b)
{
	struct vault_verifier v;

	return vault_verifier_get(b->listener, &b->credential, &home, b->blob, sizeof(b->blob), &v) == VAULT_OK;
}

static bool ask_content_keys(struct bench *b)
{
	return vault_content_keys_get(
		       b->listener, home.deployment_id, home.business_id, &b->content, &b->index, &b->keys) == VAULT_OK;
}

static bool ask_rewrap(struct bench *b)
{
	return vault_credential_rewrap(b->listener, &b->credential, &b->credential, &home, b->blob, sizeof(b->blob),
		       b->blob, b->print) == VAULT_OK;
}

static bool ask_rewrap_keys(struct bench *b)
{
	struct vault_rewrap keys[VAULT_REWRAP_MAX];

	for (unsigned i = 0; i < VAULT_REWRAP_MAX; i++)
		keys[i] = (struct vault_rewrap){home.business_id, VAULT_CREDENTIAL, b->credential, VAULT_OK};
	return vault_tenant_keys_rewrap(b->listener, home.deployment_id, keys, VAULT_REWRAP_MAX) == VAULT_OK &&
		keys[VAULT_REWRAP_MAX - 1].err == VAULT_OK;
}

static const struct {
	const char *name;
	bool (*ask)(struct bench *b);
} trips[] = {
	{"ping", ask_ping},
	{"SEAL", ask_seal},
	{"OPEN", ask_open},
	{"VERIFIER", ask_verifier},
	{"CONTENT_KEYS", ask_content_keys},
	{"REWRAP_KEYS of 64", ask_rewrap_keys},
	{"REWRAP", ask_rewrap},
};
#define TRIPS (sizeof(trips) / sizeof(trips[0]))

static void measure_trip(struct bench *b, size_t trip, double *us)
{
	for (unsigned i = 0; i < SETTLE + COUNTED; i++) {
		const double before = now_us();

		check(trips[trip].ask(b), trips[trip].name);
		if (i >= SETTLE)
			us[i - SETTLE] = now_us() - before;
	}
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* In turns, so that what else the machine does meets all of them. */
static void measure_trips(struct bench *b, unsigned rounds)
{
	const size_t each = (size_t)rounds * COUNTED;
	double *us = calloc(TRIPS * each, sizeof(*us));

	check(us != NULL, "no memory");
	for (unsigned round = 0; round < rounds; round++)
		for (size_t t = 0; t < TRIPS; t++)
			measure_trip(b, t, us + t * each + (size_t)round * COUNTED);
	printf("{\"trips\": {");
	for (size_t t = 0; t < TRIPS; t++) {
		qsort(us + t * each, each, sizeof(*us), by_size);
		printf("%s\"%s\": {\"p50\": %.2f, \"p99\": %.2f}", t == 0 ? "" : ", ", trips[t].name,
			us[t * each + each / 2], us[t * each + each * 99 / 100]);
	}
	printf("}");
	free(us);
}

/* ------------------------------------------------------------ within one process */

/* Of plaintexts of one length, under a credential key or a content key. */
struct sealing {
	const char *name;
	struct blob_key with;
	const struct vault_context *where;
	size_t len;
};

/* At least so long, so that a figure means something. */
static double per_second(const struct sealing *s, bool sealed_only, uint8_t *plain, uint8_t *blob, unsigned rounds)
{
	const double begin = now_us(), least = 1e4 * rounds;
	unsigned long done = 0;
	size_t len;

	while (now_us() - begin < least)
		for (unsigned i = 0; i < 64; i++, done++)
			check((sealed_only ? vault_blob_seal(&s->with, s->where, plain, s->len, blob)
					   : vault_blob_open(&s->with, s->where, blob, BLOB_LEN(s->len), plain,
						     &len)) == VAULT_OK,
				s->name);
	return (double)done / (now_us() - begin) * 1e6;
}

static void measure_sealing(const struct bench *b, unsigned rounds)
{
	const struct sealing all[] = {
		{"credential of 200", {BLOB_CREDENTIAL, 1, b->keys.content}, &home, TOKEN_LEN},
		{"content of 1024", {BLOB_CONTENT, 1, b->keys.content}, &content_home, 1024},
		{"content of 16384", {BLOB_CONTENT, 1, b->keys.content}, &content_home, 16384},
	};
	uint8_t *plain = calloc(1, BLOB_PADDED_LEN(16384)), *blob = calloc(1, BLOB_LEN(16384));

	check(plain != NULL && blob != NULL, "no memory");
	printf(", \"per_second\": {");
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const double sealed = per_second(&all[i], true, plain, blob, rounds);
		const double opened = per_second(&all[i], false, plain, blob, rounds);

		printf("%s\"seal %s\": %.0f, \"open %s\": %.0f", i == 0 ? "" : ", ", all[i].name, sealed, all[i].name,
			opened);
	}
	printf("}}\n");
	free(plain);
	free(blob);
}

int main(int argc, char **argv)
{
	const unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS;
	struct bench b = {.ping = -1};
	char token[TOKEN_LEN];

	check(rounds >= 1 && rounds <= ROUNDS_MAX, "rounds: 1 to 1000");
	check(vault_init() == VAULT_OK, "no cryptography");
	vault_begin(&b.listener, &b.sender);
	b.ping = ping_begin();
	memset(token, 'k', sizeof(token));
	b.token = secret_new(token, sizeof(token));
	check(b.token != NULL && new_key(&b, VAULT_CREDENTIAL, &b.credential) == VAULT_OK &&
			new_key(&b, VAULT_CONTENT, &b.content) == VAULT_OK &&
			new_key(&b, VAULT_INDEX, &b.index) == VAULT_OK,
		"no tenant keys");
	measure_trips(&b, (unsigned)rounds);
	measure_sealing(&b, (unsigned)rounds);
	secret_free(b.token);
	vault_client_free(b.listener);
	vault_client_free(b.sender);
	(void)close(b.ping);
	return 0;
}
