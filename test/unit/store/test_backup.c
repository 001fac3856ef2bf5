/*
 * A backup is whole and of one moment, also while the store is written; it changes
 * nothing beside the original, and what cannot be copied leaves nothing behind.
 */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

struct pair {
	struct house *house;
	char copy[96];
};

static struct pair pair_of(void **state)
{
	struct pair p = {.house = *state};

	(void)snprintf(p.copy, sizeof(p.copy), "%s/copy?#%%.db", p.house->dir);
	return p;
}

static unsigned files_in(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	assert_non_null(d);
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d))
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

static int64_t number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return n;
}

/* Reads the copy where nothing can be made beside it; gives the number of events. */
static int64_t check_copy(const char *path)
{
	sqlite3_stmt *statement;
	struct stat st;
	int64_t events;
	sqlite3 *db;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(statement, 0), "delete");
	(void)sqlite3_finalize(statement);
	assert_int_equal(number(db, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'"), 0);
	assert_int_equal(number(db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
	events = number(db, "SELECT count(*) FROM events");
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	return events;
}

struct told {
	int64_t done, total;
	unsigned calls;
};

static void tell(int64_t done, int64_t total, void *arg)
{
	struct told *t = arg;

	assert_true(done >= t->done && done <= total && total > 0);
	*t = (struct told){done, total, t->calls + 1};
}

/* ------------------------------------------------------------ nobody writes */

static void test_of_a_store_at_rest(void **state)
{
	struct pair p = pair_of(state);
	struct store_options opt = {.readers = 1};
	struct told told = {0};
	char second[96];
	char id[STORE_ID_LEN + 1], event[STORE_ID_LEN + 1];
	struct stat before, after;

	add_event(p.house->store, event);
	memcpy(id, store_deployment_id(p.house->store), sizeof(id));
	house_close(p.house);
	assert_int_equal(files_in(p.house->dir), 1);
	assert_int_equal(stat(p.house->path, &before), 0);
	assert_int_equal(store_backup(p.house->path, p.copy, tell, &told), STORE_OK);
	assert_true(told.calls > 0 && told.done == told.total);
	/* Nothing was made beside it, nothing in it changed. */
	assert_int_equal(files_in(p.house->dir), 2);
	assert_int_equal(stat(p.house->path, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	assert_int_equal(check_copy(p.copy), 1);
	/* It is a database like any other, whatever its name, and can be copied again. */
	opt.path = p.copy;
	assert_int_equal(store_open(&p.house->store, &opt), STORE_OK);
	assert_string_equal(store_deployment_id(p.house->store), id);
	add_event(p.house->store, event);
	house_close(p.house);
	(void)snprintf(second, sizeof(second), "%s/second", p.house->dir);
	assert_int_equal(store_backup(p.copy, second, NULL, NULL), STORE_OK);
	assert_int_equal(files_in(p.house->dir), 3);
	assert_int_equal(check_copy(second), 2);
	assert_int_equal(unlink(second), 0);
	assert_int_equal(unlink(p.copy), 0);
}

/* Its last changes lie in the log that it left. */
static int killed(const char *path)
{
	struct store_options opt = {.path = path, .readers = 1};
	char event[STORE_ID_LEN + 1];
	struct store *s;

	if (store_open(&s, &opt) != STORE_OK)
		return 1;
	add_event(s, event);
	(void)kill(getpid(), SIGKILL);
	return 2;
}

static void test_of_a_store_that_was_killed(void **state)
{
	struct pair p = pair_of(state);
	int status;
	pid_t pid;

	house_close(p.house);
	pid = fork();
	if (pid == 0)
		_exit(killed(p.house->path));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(store_backup(p.house->path, p.copy, NULL, NULL), STORE_OK);
	assert_int_equal(check_copy(p.copy), 1);
	assert_int_equal(unlink(p.copy), 0);
	house_open(p.house);
}

/* ------------------------------------------------------------ somebody writes */

struct writing {
	struct store *s;
	atomic_uint committed;
	atomic_bool stop;
	int64_t slowest_ms;
	unsigned stalls; /* appends that had to wait for a checkpoint */
};

static int64_t milliseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *write_thread(void *arg)
{
	static uint8_t body[20000];
	struct writing *w = arg;

	while (!w->stop) {
		struct store_event e = {.business_id = "one",
			.connection_id = CONNECTION_ONE,
			.received_at = 1,
			.body = body,
			.body_len = sizeof(body)};
		int64_t begin = milliseconds(), took;

		store_id_new(e.id);
		if (store_event_append(w->s, &e, 0) != STORE_OK)
			return arg;
		took = milliseconds() - begin;
		if (took > w->slowest_ms)
			w->slowest_ms = took;
		w->stalls += took >= 300;
		w->committed++;
	}
	return NULL;
}

struct copying {
	struct writing *w;
	unsigned calls, grown;
};

/* Writes go on in the middle of the copy: it waits for some. */
static void let_write(int64_t done, int64_t total, void *arg)
{
	struct copying *c = arg;
	unsigned before = c->w->committed;

	(void)done;
	(void)total;
	c->calls++;
	for (unsigned i = 0; i < 5000 && c->w->committed < before + 20; i++)
		(void)usleep(1000);
	c->grown += c->w->committed - before;
}

static void test_while_it_is_written(void **state)
{
	struct pair p = pair_of(state);
	struct writing w = {.s = p.house->store};
	struct copying c = {.w = &w};
	unsigned committed, later;
	pthread_t thread;
	int64_t events;
	void *failed;

	assert_int_equal(pthread_create(&thread, NULL, write_thread, &w), 0);
	while (w.committed < 200)
		(void)usleep(1000);
	committed = w.committed;
	assert_int_equal(store_backup(p.house->path, p.copy, let_write, &c), STORE_OK);
	later = w.committed;
	w.stop = true;
	pthread_join(thread, &failed);
	assert_null(failed);
	events = check_copy(p.copy);
	/* All that was committed before the call, and one moment's: not what came while it copied. */
	assert_true(c.calls >= 3);
	assert_true(c.grown >= 60);
	assert_true(events >= committed);
	assert_true(events + c.grown <= later + 1);
	assert_int_equal(unlink(p.copy), 0);
}

/* A log that has grown while a backup reads is waited for, but seldom and never so long that a webhook is late. */
static void test_a_long_one_stalls_nobody(void **state)
{
	struct house *h = *state;
	struct writing w = {.s = h->store};
	struct db *reader = core_reader(h->store);
	unsigned long resets = writer_resets(h->store->writer);
	pthread_t thread;
	struct stat st = {0};
	char wal[96];
	void *failed;

	(void)snprintf(wal, sizeof(wal), "%s-wal", h->path);
	assert_int_equal(db_run(reader, "BEGIN; SELECT count(*) FROM events"), STORE_OK);
	assert_int_equal(pthread_create(&thread, NULL, write_thread, &w), 0);
	while (st.st_size < 100 << 20) {
		assert_int_equal(stat(wal, &st), 0);
		(void)usleep(1000);
	}
	assert_int_equal(writer_resets(h->store->writer), resets);
	assert_int_equal(db_run(reader, "COMMIT"), STORE_OK);
	core_return(h->store, reader);
	/* Then the log begins anew. */
	for (unsigned i = 0; i < 30000 && writer_resets(h->store->writer) == resets; i++)
		(void)usleep(1000);
	w.stop = true;
	pthread_join(thread, &failed);
	assert_null(failed);
	assert_true(writer_resets(h->store->writer) > resets);
	print_message("the slowest append took %lld ms\n", (long long)w.slowest_ms);
	assert_true(w.slowest_ms < 4000);
	assert_in_range(w.stalls, 1, 5);
}

/* ------------------------------------------------------------ what cannot be */

static void test_refusals(void **state)
{
	struct pair p = pair_of(state);
	struct stat before, after;
	char none[96], link[96];
	FILE *f;

	(void)snprintf(none, sizeof(none), "%s/none", p.house->dir);
	(void)snprintf(link, sizeof(link), "%s/link", p.house->dir);
	assert_int_equal(store_backup(none, p.copy, NULL, NULL), STORE_NOT_FOUND);
	assert_int_equal(store_backup(p.house->dir, p.copy, NULL, NULL), STORE_FAILED);
	assert_int_equal(access(p.copy, F_OK), -1);
	/* Not over anything that is there, nor through a link; the original least of all. */
	assert_int_equal(stat(p.house->path, &before), 0);
	assert_int_equal(store_backup(p.house->path, p.house->path, NULL, NULL), STORE_EXISTS);
	assert_int_equal(stat(p.house->path, &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(symlink(none, link), 0);
	assert_int_equal(store_backup(p.house->path, link, NULL, NULL), STORE_EXISTS);
	assert_int_equal(access(none, F_OK), -1);
	assert_int_equal(unlink(link), 0);
	(void)snprintf(none, sizeof(none), "%s/none/copy", p.house->dir);
	assert_int_equal(store_backup(p.house->path, none, NULL, NULL), STORE_FAILED);
	/* Another program's, an empty one, no database. */
	for (unsigned i = 0; i < 3; i++) {
		static const char *const contents[] = {"", "junk junk junk junk junk", NULL};

		(void)snprintf(none, sizeof(none), "%s/none", p.house->dir);
		if (contents[i] != NULL) {
			f = fopen(none, "w");
			assert_non_null(f);
			assert_true(fputs(contents[i], f) >= 0);
			assert_int_equal(fclose(f), 0);
		} else {
			sqlite3 *db;

			assert_int_equal(sqlite3_open(none, &db), SQLITE_OK);
			assert_int_equal(sqlite3_exec(db, "CREATE TABLE theirs (x)", NULL, NULL, NULL), SQLITE_OK);
			assert_int_equal(sqlite3_close(db), SQLITE_OK);
		}
		assert_int_equal(store_backup(none, p.copy, NULL, NULL), STORE_NOT_OURS);
		assert_int_equal(access(p.copy, F_OK), -1);
		assert_int_equal(unlink(none), 0);
	}
}

/* No room: a file may not become as large as the copy would. */
static int without_room(const char *path, const char *copy)
{
	struct rlimit limit = {64 << 10, RLIM_INFINITY};
	enum store_error err;

	(void)signal(SIGXFSZ, SIG_IGN);
	if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
		return 1;
	err = store_backup(path, copy, NULL, NULL);
	if (err != STORE_FULL && err != STORE_FAILED)
		return 2;
	return access(copy, F_OK) == 0 ? 3 : 0;
}

static void test_half_a_copy_is_removed(void **state)
{
	struct pair p = pair_of(state);
	int status;
	pid_t pid;

	house_close(p.house);
	pid = fork();
	if (pid == 0)
		_exit(without_room(p.house->path, p.copy));
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ------------------------------------------------------------ a service starts meanwhile */

struct start {
	struct house *house;
	bool started;
};

static void start_service(int64_t done, int64_t total, void *arg)
{
	struct start *s = arg;
	char event[STORE_ID_LEN + 1];

	(void)done;
	(void)total;
	if (s->started)
		return;
	s->started = true;
	house_open(s->house);
	add_event(s->house->store, event);
}

/* What lay still is not any more: the copy is made again, from then on beside the service. */
static void test_a_start_in_between(void **state)
{
	struct pair p = pair_of(state);
	struct start s = {.house = p.house};

	house_close(p.house);
	assert_int_equal(store_backup(p.house->path, p.copy, start_service, &s), STORE_OK);
	assert_true(s.started);
	assert_int_equal(check_copy(p.copy), 1);
	assert_int_equal(unlink(p.copy), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_setup, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_of_a_store_at_rest),
		TEST(test_of_a_store_that_was_killed),
		TEST(test_while_it_is_written),
		TEST(test_a_long_one_stalls_nobody),
		TEST(test_refusals),
		TEST(test_half_a_copy_is_removed),
		TEST(test_a_start_in_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
