/*
 * Goal of this test: what was destroyed leaves the write-ahead log as soon as nobody reads an older state any more, by
 * itself, whether the flush was in vain or the process was killed before it.
 */
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

#define SOON_MS 3000
#define WRAPPED "a wrapped key"

struct rig {
	struct house house; /* first: its teardown takes the rig */
	char log[96];
	atomic_int told;
	sqlite3 *reader;
};

static void flushed(void *ctx)
{
	struct rig *r = ctx;

	atomic_fetch_add(&r->told, 1);
}

static int setup(void **state)
{
	struct rig *r;

	house_empty(state);
	r = calloc(1, sizeof(*r));
	assert_non_null(r);
	r->house = *(struct house *)*state;
	free(*state);
	(void)snprintf(r->log, sizeof(r->log), "%s-wal", r->house.path);
	*state = r;
	return 0;
}

static void open_it(struct rig *r)
{
	const struct store_options opt = {
		.path = r->house.path, .create = true, .readers = 2, .flushed = flushed, .ctx = r};

	assert_int_equal(store_open(&r->house.store, &opt), STORE_OK);
}

static void destroy_a_key(struct store *s)
{
	struct store_tenant_key k = {.purpose = STORE_KEY_CONTENT, .version = 1, .blob_len = sizeof(WRAPPED)};

	memcpy(k.blob, WRAPPED, sizeof(WRAPPED));
	add_business(s, "one");
	assert_int_equal(store_tenant_key_add(s, "one", &k), STORE_OK);
	assert_int_equal(store_business_remove(s, "one", NULL), STORE_OK);
}

static void reader_begin(struct rig *r)
{
	assert_int_equal(sqlite3_open(r->house.path, &r->reader), SQLITE_OK);
	assert_int_equal(
		sqlite3_exec(r->reader, "BEGIN; SELECT count(*) FROM businesses", NULL, NULL, NULL), SQLITE_OK);
}

static void reader_end(struct rig *r)
{
	/* It must not be the one who empties the log. */
	assert_int_equal(sqlite3_exec(r->reader, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
}

static bool log_has_it(const struct rig *r)
{
	static char data[4u << 20];
	FILE *f = fopen(r->log, "rb");
	size_t len;

	assert_non_null(f);
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	assert_true(len < sizeof(data));
	return memmem(data, len, WRAPPED, sizeof(WRAPPED) - 1) != NULL;
}

static void assert_gone_soon(struct rig *r)
{
	const int64_t until = store_now_ms() + SOON_MS;

	while (log_has_it(r)) {
		assert_true(store_now_ms() < until);
		(void)poll(NULL, 0, 20);
	}
	for (int i = 0; i < 100 && atomic_load(&r->told) == 0; i++)
		(void)poll(NULL, 0, 10);
	assert_int_equal(atomic_load(&r->told), 1);
	assert_int_equal(sqlite3_close(r->reader), SQLITE_OK);
}

/* Those that come by themselves are in vain, too, and nobody waits for them. */
static void write_for_a_while(struct rig *r)
{
	const int64_t until = store_now_ms() + 1500;

	for (int64_t now = store_now_ms(); now < until; now = store_now_ms()) {
		assert_int_equal(store_note_put(r->house.store, "note", "text"), STORE_OK);
		assert_true(store_now_ms() - now < 1000);
		(void)poll(NULL, 0, 5);
	}
}

static void flush_in_vain(struct rig *r)
{
	open_it(r);
	reader_begin(r);
	destroy_a_key(r->house.store);
	assert_int_equal(writer_truncate(r->house.store->writer), STORE_BUSY);
	write_for_a_while(r);
	assert_true(log_has_it(r));
	assert_int_equal(atomic_load(&r->told), 0);
}

static void test_while_idle(void **state)
{
	struct rig *r = *state;

	flush_in_vain(r);
	reader_end(r);
	assert_gone_soon(r);
}

struct change {
	struct rig *rig;
	pthread_t thread;
	sem_t inside, go;
	bool has_it;
};

static enum store_error run_change(struct db *db, void *arg)
{
	struct change *c = arg;

	(void)db;
	c->has_it = log_has_it(c->rig);
	sem_post(&c->inside);
	while (sem_wait(&c->go) != 0)
		continue;
	return STORE_OK;
}

static void *change_thread(void *arg)
{
	struct change *c = arg;

	assert_int_equal(core_write(c->rig->house.store, run_change, c), STORE_OK);
	return NULL;
}

static void change_begin(struct change *c, struct rig *r)
{
	c->rig = r;
	assert_int_equal(sem_init(&c->inside, 0, 0), 0);
	assert_int_equal(sem_init(&c->go, 0, 0), 0);
	assert_int_equal(pthread_create(&c->thread, NULL, change_thread, c), 0);
}

/* Between two groups of a queue that is never empty. */
static void test_while_busy(void **state)
{
	struct rig *r = *state;
	struct change first, second;

	flush_in_vain(r);
	change_begin(&first, r);
	assert_int_equal(sem_wait(&first.inside), 0);
	change_begin(&second, r);
	reader_end(r);
	(void)poll(NULL, 0, 1200);
	sem_post(&first.go);
	sem_post(&second.go);
	assert_int_equal(pthread_join(first.thread, NULL), 0);
	assert_int_equal(pthread_join(second.thread, NULL), 0);
	assert_true(first.has_it);
	assert_false(second.has_it);
	assert_gone_soon(r);
}

/* Between the destroying and the flush. */
static void be_killed(struct rig *r)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		open_it(r);
		destroy_a_key(r->house.store);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_true(log_has_it(r));
}

static void test_at_the_next_start(void **state)
{
	struct rig *r = *state;

	be_killed(r);
	open_it(r);
	assert_false(log_has_it(r));
	assert_int_equal(atomic_load(&r->told), 0);
}

static void test_at_a_start_beside_a_reader(void **state)
{
	struct rig *r = *state;
	int64_t began;

	be_killed(r);
	reader_begin(r);
	began = store_now_ms();
	open_it(r);
	assert_true(store_now_ms() - began < 2000);
	assert_true(log_has_it(r));
	reader_end(r);
	assert_gone_soon(r);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_while_idle),
		TEST(test_while_busy),
		TEST(test_at_the_next_start),
		TEST(test_at_a_start_beside_a_reader),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
