/*
 * The promise the listener's filter stands on: after store_open no file is opened and no
 * thread or socket made, through writes, reads, big rows, pruning and resets of the log.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/unit/store/helper.h"

#define BIG (3u << 20)
#define PRODUCTS 2000u

static int filter_on(void)
{
	static const char *const refused[] = {"open", "openat", "openat2", "creat"};
	static const char *const deadly[] = {"socket", "clone", "clone3", "fork", "vfork", "execve"};
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	int rc = ctx == NULL ? -1 : seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

	for (size_t i = 0; rc == 0 && i < sizeof(refused) / sizeof(refused[0]); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), seccomp_syscall_resolve_name(refused[i]), 0);
	for (size_t i = 0; rc == 0 && i < sizeof(deadly) / sizeof(deadly[0]); i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, seccomp_syscall_resolve_name(deadly[i]), 0);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

struct work {
	struct store *s;
	const char *path;
	int result;
	pthread_barrier_t *begin;
};

static bool take(const struct store_event *e, void *arg)
{
	*(size_t *)arg += e->body_len;
	return true;
}

static bool done(const struct store_ask *a, void *s)
{
	return store_ask_done(s, a->business_id, a->id, NULL, 0) == STORE_OK;
}

/* What is owed, and a call that is not made twice. */
static int owe(struct store *s, const char *id)
{
	struct store_once once = {.business_id = "one"};
	struct store_once_answer answer;

	memcpy(once.key, id + STORE_ID_LEN - STORE_INDEX_LEN, sizeof(once.key));
	if (store_ask_lease(s, store_now_ms(), 8, 64, done, s) != STORE_OK)
		return 14;
	if (store_once_begin(s, &once, &answer) != STORE_OK || store_once_begin(s, &once, &answer) != STORE_BUSY)
		return 15;
	return 0;
}

static int work_once(struct work *w, const uint8_t *body, size_t len)
{
	struct store_event e = {
		.business_id = "one", .connection_id = CONNECTION_ONE, .received_at = 1, .body = body, .body_len = len};
	struct store_message m = message("one", CONNECTION_ONE, (uint8_t)len);
	struct store_update u = {.kind = STORE_UPDATE_MESSAGE, .verdict = STORE_UPDATE_DELIVERED, .message = &m};
	struct store_connection c;
	size_t bytes = 0;

	store_id_new(e.id);
	if (store_event_append(w->s, &e, 0) != STORE_OK)
		return 10;
	if (store_event_unsettled(w->s, &(struct store_look){.limit = 4}, take, &bytes) != STORE_OK)
		return 11;
	if (store_connection_by_number(w->s, "one", 0, "1001", &c) != STORE_OK)
		return 12;
	m.awaits_answer = true;
	store_id_new(u.id);
	if (store_event_settle(w->s, "one", e.id, STORE_EVENT_SETTLED, &u, 1, NULL) != STORE_OK)
		return 13;
	return owe(w->s, e.id);
}

static void *work_thread(void *arg)
{
	static const uint8_t small[700];
	struct work *w = arg;

	pthread_barrier_wait(w->begin);
	for (unsigned i = 0; i < 300 && w->result == 0; i++)
		w->result = work_once(w, small, sizeof(small));
	return NULL;
}

/* A price list goes in twice: the second time rewrites more pages at once than a change keeps in memory by itself. */
static int price_list(struct store *s)
{
	struct store_product *products = calloc(PRODUCTS, sizeof(*products));
	unsigned added, changed;
	int rc = 0;

	for (unsigned i = 0; products != NULL && i < PRODUCTS; i++) {
		(void)snprintf(products[i].name, sizeof(products[i].name), "%0150u", i);
		(void)snprintf(products[i].name_key, sizeof(products[i].name_key), "%u", i);
	}
	for (unsigned round = 0; round < 2 && rc == 0; round++) {
		for (unsigned i = 0; products != NULL && i < PRODUCTS; i++)
			products[i].stock = (int64_t)i * round;
		if (products == NULL || store_product_put(s, "one", products, PRODUCTS, &added, &changed) != STORE_OK)
			rc = 20;
	}
	free(products);
	return rc;
}

/* The log's salt in its header changes at each reset. The descriptor was opened before the filter. */
static int resets(int wal, uint8_t salt[static 8])
{
	uint8_t now[8];

	if (pread(wal, now, sizeof(now), 16) != (ssize_t)sizeof(now) || memcmp(now, salt, sizeof(now)) == 0)
		return 0;
	memcpy(salt, now, sizeof(now));
	return 1;
}

static int confined(const char *path)
{
	struct store_options opt = {.path = path, .readers = 3};
	uint8_t *big = calloc(1, BIG), salt[8] = {0};
	pthread_barrier_t begin;
	struct work works[4];
	pthread_t threads[4];
	char wal_path[128];
	struct store *s;
	int wal, seen = 0;

	(void)snprintf(wal_path, sizeof(wal_path), "%s-wal", path);
	if (big == NULL || store_open(&s, &opt) != STORE_OK)
		return 1;
	wal = open(wal_path, O_RDONLY);
	pthread_barrier_init(&begin, NULL, 5);
	for (size_t i = 0; i < 4; i++) {
		works[i] = (struct work){s, path, 0, &begin};
		if (pthread_create(&threads[i], NULL, work_thread, &works[i]) != 0)
			return 2;
	}
	if (wal < 0 || filter_on() != 0)
		return 3;
	if (open("/dev/null", O_RDONLY) != -1 || errno != EPERM)
		return 4;
	pthread_barrier_wait(&begin);
	for (unsigned i = 0; i < 8 || (seen < 3 && i < 100); i++) {
		int rc = work_once(&works[0], big, BIG);

		if (rc != 0)
			return rc;
		seen += resets(wal, salt);
		if (store_prune(s, store_now_ms(), 0) != STORE_OK)
			return 5;
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		if (works[i].result != 0)
			return works[i].result;
	}
	if (price_list(s) != 0 || store_ping(s) != STORE_OK || store_business_remove(s, "two", NULL) != STORE_OK)
		return 6;
	if (fcntl(wal, F_GETFD) < 0 || seen < 3)
		return 7;
	store_close(s);
	return 0;
}

static void test_confined(void **state)
{
	struct house *h = *state;
	struct store_business b;
	int status;
	pid_t pid;

	house_close(h);
	pid = fork();
	if (pid == 0)
		_exit(confined(h->path));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	house_open(h);
	assert_int_equal(store_business_get(h->store, "one", &b), STORE_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_confined, house_setup, house_teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
