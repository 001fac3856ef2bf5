/*
 * The writer: one commit for many callers, bounded waiting, and what it does when the
 * disk is full or fails.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

static struct store_event event_of(const uint8_t *body, size_t len)
{
	struct store_event e = {.business_id = "one", .connection_id = CONNECTION_ONE, .body = body, .body_len = len};

	store_id_new(e.id);
	e.received_at = store_now_ms();
	return e;
}

static enum store_error append(struct store *s, unsigned timeout_ms)
{
	struct store_event e = event_of((const uint8_t *)"sealed", 6);

	return store_event_append(s, &e, timeout_ms);
}

/* ------------------------------------------------------------ holding the writer */

struct gate {
	struct store *s;
	sem_t inside, go;
	pthread_t thread;
	enum store_error result;
};

static enum store_error run_gate(struct db *db, void *arg)
{
	struct gate *g = arg;

	(void)db;
	sem_post(&g->inside);
	while (sem_wait(&g->go) != 0)
		continue;
	return STORE_OK;
}

static void *gate_thread(void *arg)
{
	struct gate *g = arg;

	g->result = core_write(g->s, run_gate, g);
	return NULL;
}

static void gate_shut(struct gate *g, struct store *s)
{
	g->s = s;
	sem_init(&g->inside, 0, 0);
	sem_init(&g->go, 0, 0);
	assert_int_equal(pthread_create(&g->thread, NULL, gate_thread, g), 0);
	while (sem_wait(&g->inside) != 0)
		continue;
}

static void gate_open(struct gate *g)
{
	sem_post(&g->go);
	pthread_join(g->thread, NULL);
	sem_destroy(&g->inside);
	sem_destroy(&g->go);
	assert_int_equal(g->result, STORE_OK);
}

/* ------------------------------------------------------------ tests */

#define THREADS 64
#define APPENDS 50

static void *append_many(void *arg)
{
	for (unsigned i = 0; i < APPENDS; i++)
		if (append(arg, 0) != STORE_OK)
			return arg;
	return NULL;
}

static void test_many_share_a_commit(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	unsigned long before = writer_commits(s->writer), lone;
	pthread_t threads[THREADS];
	void *failed = NULL;

	assert_int_equal(append(s, 5000), STORE_OK);
	lone = writer_commits(s->writer) - before;
	assert_int_equal(lone, 1);
	for (size_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, append_many, s), 0);
	for (size_t i = 0; i < THREADS; i++) {
		void *f;

		pthread_join(threads[i], &f);
		failed = f != NULL ? f : failed;
	}
	assert_null(failed);
	assert_true(writer_commits(s->writer) - before < THREADS * APPENDS / 4);
}

static void test_full_queue(void **state)
{
	struct house *h = *state;
	struct store_options opt = {.path = h->path, .readers = 1, .queue_max = 1};
	struct gate g, second = {0};
	enum store_error err = STORE_OK;

	house_close(h);
	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
	gate_shut(&g, h->store);
	second.s = h->store;
	sem_init(&second.inside, 0, 0);
	sem_init(&second.go, 0, 1);
	assert_int_equal(pthread_create(&second.thread, NULL, gate_thread, &second), 0);
	/* The second takes the only place, unless a try of ours has it at that moment. */
	for (unsigned i = 0; i < 200 && err != STORE_BUSY; i++) {
		err = append(h->store, 10);
		assert_true(err == STORE_BUSY || err == STORE_TIMEOUT);
	}
	gate_open(&g);
	pthread_join(second.thread, NULL);
	assert_true(err == STORE_BUSY || second.result == STORE_BUSY);
	assert_int_equal(append(h->store, 5000), STORE_OK);
}

static void test_gives_up_in_time(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct seen seen = {0};
	struct gate g;

	gate_shut(&g, s);
	assert_int_equal(append(s, 20), STORE_TIMEOUT);
	gate_open(&g);
	assert_int_equal(append(s, 5000), STORE_OK);
	/* It had not been begun, so it was taken back. */
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
}

static enum store_error run_limit(struct db *db, void *arg)
{
	char sql[64];

	(void)snprintf(sql, sizeof(sql), "PRAGMA max_page_count = %u", *(unsigned *)arg);
	return db_run(db, sql);
}

static void test_full_disk_passes(void **state)
{
	static uint8_t big[1 << 20];
	struct store *s = ((struct house *)*state)->store;
	struct store_event e = event_of(big, sizeof(big));
	unsigned pages = 1;

	assert_int_equal(core_write(s, run_limit, &pages), STORE_OK);
	assert_int_equal(store_event_append(s, &e, 5000), STORE_FULL);
	assert_int_equal(store_ping(s), STORE_OK);
	pages = 1000000;
	assert_int_equal(core_write(s, run_limit, &pages), STORE_OK);
	assert_int_equal(store_event_append(s, &e, 5000), STORE_OK);
}

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static enum store_error run_result(struct db *db, void *arg)
{
	(void)db;
	return *(enum store_error *)arg;
}

static void *end_thread(void *arg)
{
	struct gate *g = arg;
	enum store_error result = STORE_FAILED;

	g->result = core_write(g->s, run_result, &result);
	return NULL;
}

static void test_failure_is_final(void **state)
{
	static const enum store_error results[] = {STORE_FAILED, STORE_NOT_OURS};
	struct house *h = *state;

	for (size_t i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		unsigned called = 0;
		enum store_error result = results[i];
		struct store_options opt = {.path = h->path, .readers = 1, .failed = count, .ctx = &called};

		house_close(h);
		assert_int_equal(store_open(&h->store, &opt), STORE_OK);
		assert_int_equal(core_write(h->store, run_result, &result), STORE_FAILED);
		assert_int_equal(append(h->store, 5000), STORE_FAILED);
		assert_int_equal(append(h->store, 5000), STORE_FAILED);
		assert_int_equal(store_ping(h->store), STORE_FAILED);
		house_close(h);
		assert_int_equal(called, 1);
	}
}

/* One change's own failure undoes that change, not its neighbours'. */
static void test_one_failing_change(void **state)
{
	struct store *s = ((struct house *)*state)->store;
	struct store_event e = event_of((const uint8_t *)"x", 1);
	struct seen seen = {0};

	assert_int_equal(store_event_append(s, &e, 5000), STORE_OK);
	assert_int_equal(store_event_append(s, &e, 5000), STORE_EXISTS);
	store_id_new(e.id);
	memcpy(e.business_id, "none", 5);
	assert_int_equal(store_event_append(s, &e, 5000), STORE_NOT_FOUND);
	assert_int_equal(append(s, 5000), STORE_OK);
	assert_int_equal(store_event_unsettled(s, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 2);
}

/* ------------------------------------------------------------ told later */

struct told {
	struct house *house;
	atomic_uint times;
	enum store_error result;
	size_t there; /* events on disk, as another connection saw it when it was told */
};

static size_t events_on_disk(const char *path)
{
	sqlite3 *other = NULL;
	sqlite3_stmt *st = NULL;
	size_t n = SIZE_MAX;

	if (sqlite3_open_v2(path, &other, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK &&
		sqlite3_prepare_v2(other, "SELECT count(*) FROM events", -1, &st, NULL) == SQLITE_OK &&
		sqlite3_step(st) == SQLITE_ROW)
		n = (size_t)sqlite3_column_int64(st, 0);
	(void)sqlite3_finalize(st);
	(void)sqlite3_close(other);
	return n;
}

static void tell(void *ctx, enum store_error result)
{
	struct told *told = ctx;

	told->result = result;
	told->there = events_on_disk(told->house->path);
	told->times++;
}

static enum store_error append_later(struct told *told)
{
	struct store_event e = event_of((const uint8_t *)"sealed", 6);

	return store_event_append_later(told->house->store, &e, tell, told);
}

/* Nobody waits for them, each is told once, and not before it is there; closing tells those who are left. */
static void test_told_later(void **state)
{
	struct house *h = *state;
	struct told told[3] = {{.house = h}, {.house = h}, {.house = h}};
	struct store_event e = event_of((const uint8_t *)"x", 1);
	struct gate g;

	gate_shut(&g, h->store);
	assert_int_equal(append_later(&told[0]), STORE_OK);
	memcpy(e.business_id, "none", 5);
	assert_int_equal(store_event_append_later(h->store, &e, tell, &told[1]), STORE_OK);
	assert_int_equal(append_later(&told[2]), STORE_OK);
	e.id[0] = '\0';
	assert_int_equal(store_event_append_later(h->store, &e, tell, &told[1]), STORE_INVALID);
	assert_int_equal(told[0].times, 0);
	gate_open(&g);
	for (size_t i = 0; i < 3; i++) {
		while (atomic_load(&told[i].times) == 0)
			(void)poll(NULL, 0, 1);
		assert_int_equal(told[i].times, 1);
		assert_int_equal(told[i].result, i == 1 ? STORE_NOT_FOUND : STORE_OK);
		assert_int_equal(told[i].there, 2);
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(append_later(&told[0]), STORE_OK);
	house_close(h);
	assert_int_equal(told[0].times, 101);
	assert_int_equal(told[0].result, STORE_OK);
}

/* What finds no room is not told of; what was queued when the store failed is. */
static void test_told_of_a_failure(void **state)
{
	struct house *h = *state;
	struct store_options opt = {.path = h->path, .readers = 1, .queue_max = 1};
	enum store_error result = STORE_FAILED;
	struct told told = {.house = h}, refused = {.house = h};
	struct gate g;

	house_close(h);
	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
	gate_shut(&g, h->store);
	assert_int_equal(append_later(&told), STORE_OK);
	assert_int_equal(append_later(&refused), STORE_BUSY);
	gate_open(&g);
	while (writer_waiting(h->store->writer) > 0)
		(void)poll(NULL, 0, 1);
	assert_int_equal(core_write(h->store, run_result, &result), STORE_FAILED);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.result, STORE_OK);
	assert_int_equal(append_later(&refused), STORE_FAILED);
	assert_int_equal(refused.times, 0);
}

/* It shares a group with what ends the store. */
static void test_told_with_the_end(void **state)
{
	struct house *h = *state;
	struct told told = {.house = h};
	struct gate g, end = {0};

	gate_shut(&g, h->store);
	assert_int_equal(append_later(&told), STORE_OK);
	end.s = h->store;
	assert_int_equal(pthread_create(&end.thread, NULL, end_thread, &end), 0);
	while (writer_waiting(h->store->writer) < 2)
		(void)poll(NULL, 0, 1);
	gate_open(&g);
	pthread_join(end.thread, NULL);
	assert_int_equal(end.result, STORE_FAILED);
	house_close(h);
	assert_int_equal(told.times, 1);
	assert_int_equal(told.result, STORE_FAILED);
	assert_int_equal(told.there, 0);
}

/* ------------------------------------------------------------ in a child of its own */

/* The child opens the database at path; its exit status is the verdict, 0 for right. */
static int in_child(const char *path, int (*run)(const char *path))
{
	pid_t pid = fork();
	int status;

	if (pid == 0)
		_exit(run(path));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int killed_after_append(const char *path)
{
	struct store_options opt = {.path = path, .readers = 1};
	struct store *s;

	if (store_open(&s, &opt) != STORE_OK || append(s, 5000) != STORE_OK)
		return 1;
	(void)kill(getpid(), SIGKILL);
	return 2;
}

static void test_acknowledged_survives_a_kill(void **state)
{
	struct house *h = *state;
	struct seen seen = {0};

	house_close(h);
	assert_int_equal(in_child(h->path, killed_after_append), -SIGKILL);
	house_open(h);
	assert_int_equal(
		store_event_unsettled(h->store, &(struct store_look){.limit = 10}, see_event, &seen), STORE_OK);
	assert_int_equal(seen.len, 1);
}

static off_t size_of(const char *path, const char *end)
{
	char name[128];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s%s", path, end);
	return stat(name, &st) == 0 ? st.st_size : 0;
}

/* No file may pass 32 MiB: the database meets that at a checkpoint, its log, kept short by
 * checkpoints, never. A checkpoint that failed must end the store: the log may not be used again. */
static int checkpoint_fails(const char *path)
{
	static uint8_t body[100000];
	struct rlimit limit = {32 << 20, RLIM_INFINITY};
	struct store_options opt = {.path = path, .readers = 1};
	struct store_event e = event_of(body, sizeof(body));
	enum store_error err = STORE_OK;
	struct store *s;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || store_open(&s, &opt) != STORE_OK)
		return 1;
	for (unsigned i = 0; i < 1000 && err == STORE_OK; i++) {
		store_id_new(e.id);
		err = store_event_append(s, &e, 0);
	}
	if (err != STORE_FAILED)
		return 2;
	if (size_of(path, "-wal") > 20 << 20)
		return 3;
	/* Closing tries none either, though it would succeed now: the log stays for the next start. */
	limit.rlim_cur = RLIM_INFINITY;
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 5;
	store_close(s);
	return size_of(path, "-wal") > 0 ? 0 : 4;
}

static void test_failed_checkpoint_is_final(void **state)
{
	struct house *h = *state;

	house_close(h);
	assert_int_equal(in_child(h->path, checkpoint_fails), 0);
	house_open(h);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_many_share_a_commit),
		TEST(test_full_queue),
		TEST(test_gives_up_in_time),
		TEST(test_full_disk_passes),
		TEST(test_failure_is_final),
		TEST(test_one_failing_change),
		TEST(test_told_later),
		TEST(test_told_of_a_failure),
		TEST(test_told_with_the_end),
		TEST(test_acknowledged_survives_a_kill),
		TEST(test_failed_checkpoint_is_final),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
