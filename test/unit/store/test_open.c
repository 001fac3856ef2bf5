/*
 * Opening: files that are ours, foreign, newer or damaged; who may read them; ids.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"
#include "test/unit/store/helper.h"

static enum store_error try_open(struct house *h, bool create)
{
	struct store_options opt = {.path = h->path, .create = create, .readers = 2};
	enum store_error err = store_open(&h->store, &opt);

	if (err != STORE_OK)
		assert_null(h->store);
	return err;
}

static void sql(const char *path, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static size_t file_read(const char *path, uint8_t *out, size_t room)
{
	int fd = open(path, O_RDONLY);
	ssize_t n;

	assert_true(fd >= 0);
	n = read(fd, out, room);
	assert_true(n >= 0);
	close(fd);
	return (size_t)n;
}

static void file_write(const char *path, const void *data, size_t len, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, data, len, at), (ssize_t)len);
	close(fd);
}

static void test_only_where_asked(void **state)
{
	struct house *h = *state;

	assert_int_equal(try_open(h, false), STORE_NOT_FOUND);
	assert_int_equal(try_open(h, true), STORE_OK);
}

/* What a caller may do there holds for all threads, if none runs yet. */
struct moment {
	unsigned calls, threads;
	bool answer;
};

static bool opened(void *ctx)
{
	struct moment *m = ctx;
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;

	assert_non_null(tasks);
	m->calls++;
	m->threads = 0;
	while ((task = readdir(tasks)) != NULL)
		m->threads += task->d_name[0] != '.';
	(void)closedir(tasks);
	return m->answer;
}

static void test_the_moment_when_all_is_open(void **state)
{
	struct house *h = *state;
	struct moment before = {0}, m = {.answer = false};
	struct store_options opt = {.path = h->path, .create = true, .readers = 2, .opened = opened, .ctx = &m};

	(void)opened(&before); /* a sanitizer has a thread of its own */
	assert_int_equal(store_open(&h->store, &opt), STORE_FAILED);
	assert_null(h->store);
	m.answer = true;
	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
	assert_int_equal(m.calls, 2);
	assert_int_equal(m.threads, before.threads);
	(void)opened(&m);
	assert_int_equal(m.threads, before.threads + 1); /* the writer's */
}

static void test_owner_only(void **state)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	struct house *h = *state;
	mode_t before = umask(0);
	struct stat st;
	char path[96];

	file_write(h->path, "", 0, 0);
	assert_int_equal(chmod(h->path, 0666), 0);
	house_open(h);
	add_business(h->store, "one");
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(path, sizeof(path), "%s%s", h->path, ends[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
	(void)umask(before);
}

static void test_same_store_again(void **state)
{
	struct house *h = *state;
	char id[STORE_ID_LEN + 1];
	struct store_business b;

	house_open(h);
	memcpy(id, store_deployment_id(h->store), sizeof(id));
	assert_int_equal(strlen(id), STORE_ID_LEN);
	add_business(h->store, "one");
	house_close(h);
	house_open(h);
	assert_string_equal(store_deployment_id(h->store), id);
	assert_int_equal(store_business_get(h->store, "one", &b), STORE_OK);
	assert_int_equal(store_ping(h->store), STORE_OK);
}

static void test_newer(void **state)
{
	struct house *h = *state;

	house_open(h);
	house_close(h);
	sql(h->path, "PRAGMA user_version = 999");
	assert_int_equal(try_open(h, true), STORE_NEWER);
}

/* A foreign file is refused as it lies: not one byte nor its mode changes. */
static void test_foreign_is_left_alone(void **state)
{
	static uint8_t before[65536], after[65536];
	struct house *h = *state;
	struct stat st;
	size_t len;

	sql(h->path, "CREATE TABLE theirs (x); PRAGMA application_id = 7");
	assert_int_equal(chmod(h->path, 0644), 0);
	len = file_read(h->path, before, sizeof(before));
	assert_int_equal(try_open(h, true), STORE_NOT_OURS);
	assert_int_equal(file_read(h->path, after, sizeof(after)), len);
	assert_memory_equal(before, after, len);
	assert_int_equal(stat(h->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
}

static void test_no_database(void **state)
{
	struct house *h = *state;
	char junk[8192];

	memset(junk, 'j', sizeof(junk));
	file_write(h->path, junk, sizeof(junk), 0);
	assert_int_equal(try_open(h, true), STORE_NOT_OURS);
}

static void test_damaged(void **state)
{
	struct house *h = *state;
	uint8_t junk[4000];

	house_open(h);
	house_close(h);
	memset(junk, 0xa5, sizeof(junk));
	file_write(h->path, junk, sizeof(junk), 100); /* the schema, behind an intact header */
	assert_int_equal(try_open(h, true), STORE_FAILED);
}

static void test_a_link_is_not_followed(void **state)
{
	struct house *h = *state;
	char other[96];

	(void)snprintf(other, sizeof(other), "%s.other", h->path);
	assert_int_equal(symlink(other, h->path), 0);
	assert_int_equal(try_open(h, true), STORE_FAILED);
	assert_int_equal(access(other, F_OK), -1);
}

/* ------------------------------------------------------------ ids */

#define IDS 20000

static void *many_ids(void *arg)
{
	char(*ids)[STORE_ID_LEN + 1] = arg;

	for (size_t i = 0; i < IDS; i++)
		store_id_new(ids[i]);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void test_ids(void **state)
{
	char(*ids)[STORE_ID_LEN + 1] = calloc(2 * IDS, sizeof(*ids));
	pthread_t thread;

	(void)state;
	assert_non_null(ids);
	assert_int_equal(pthread_create(&thread, NULL, many_ids, ids), 0);
	many_ids(ids + IDS);
	pthread_join(thread, NULL);
	for (size_t i = 0; i < 2 * IDS; i++) {
		assert_int_equal(strspn(ids[i], "0123456789abcdefghjkmnpqrstvwxyz"), STORE_ID_LEN);
		if (i % IDS != 0)
			assert_true(strcmp(ids[i - 1], ids[i]) < 0);
	}
	qsort(ids, 2 * IDS, sizeof(*ids), compare);
	for (size_t i = 1; i < 2 * IDS; i++)
		assert_string_not_equal(ids[i - 1], ids[i]);
	free(ids);
}

static void test_every_error_has_a_sentence(void **state)
{
	(void)state;
	for (int err = STORE_OK; err <= STORE_INVALID; err++)
		assert_string_not_equal(store_error_text((enum store_error)err), "unknown error");
}

struct faults {
	char words[8][STORE_TEXT_LEN + 1];
	size_t len;
};

static void take_fault(const char *words, void *arg)
{
	struct faults *f = arg;

	assert_true(f->len < 8);
	(void)snprintf(f->words[f->len++], sizeof(f->words[0]), "%s", words);
}

static struct faults faults(struct house *h)
{
	struct store_options opt = {.path = h->path, .read_only = true, .readers = 1};
	struct faults f = {.len = 0};

	assert_int_equal(store_open(&h->store, &opt), STORE_OK);
	assert_int_equal(store_schema_check(h->store, take_fault, &f), STORE_OK);
	house_close(h);
	return f;
}

/* What runs with keyhouse's own changes, or is read in place of its tables, is refused and named. */
static void test_what_is_foreign(void **state)
{
	static const struct {
		const char *done, *undone, *words;
	} changes[] = {
		{"CREATE TRIGGER \"evil\x1b[2J\" AFTER DELETE ON tenant_keys BEGIN UPDATE meta SET value = "
		 "old.wrapped; END",
			"DROP TRIGGER \"evil\x1b[2J\"",
			"trigger \"evil?[2J\" on \"tenant_keys\" was not made by keyhouse"},
		{"CREATE TABLE kept (x)", "DROP TABLE kept", "table \"kept\" on \"kept\" was not made by keyhouse"},
		{"CREATE VIEW kept AS SELECT 1", "DROP VIEW kept",
			"view \"kept\" on \"kept\" was not made by keyhouse"},
		{"CREATE INDEX kept ON meta (value)", "DROP INDEX kept",
			"index \"kept\" on \"meta\" was not made by keyhouse"},
		/* A name of SQLite's own is no pass. */
		{"PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES ('trigger', 'sqlite_stat1', 'meta', 0, "
		 "'CREATE "
		 "TRIGGER sqlite_stat1 AFTER UPDATE ON meta BEGIN DELETE FROM audit; END')",
			"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'sqlite_stat1'",
			"trigger \"sqlite_stat1\" on \"meta\" was not made by keyhouse"},
		{"DROP TRIGGER businesses_grow; CREATE TRIGGER businesses_grow AFTER INSERT ON businesses BEGIN SELECT "
		 "1; END",
			"DROP TRIGGER businesses_grow; CREATE TRIGGER businesses_grow AFTER INSERT ON "
			"businesses\nBEGIN\n"
			"\tUPDATE totals SET n = n + 1 WHERE name = 'businesses';\nEND",
			"trigger \"businesses_grow\" on \"businesses\" is not as keyhouse made it"},
		{"DROP INDEX once_at", "CREATE INDEX once_at ON once (at)", "index \"once_at\" on \"once\" is missing"},
	};
	struct house *h = *state;
	char foreign[STORE_FOREIGN_LEN + 1];
	struct store_options opt = {.path = h->path, .readers = 1, .foreign = foreign};

	house_open(h);
	house_close(h);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		struct faults f;

		sql(h->path, changes[i].done);
		f = faults(h);
		assert_int_equal(f.len, 1);
		assert_string_equal(f.words[0], changes[i].words);
		assert_int_equal(store_open(&h->store, &opt), STORE_FOREIGN);
		assert_memory_equal(foreign, f.words[0], strlen(f.words[0]));
		opt.foreign = NULL;
		assert_int_equal(store_open(&h->store, &opt), STORE_FOREIGN);
		opt.foreign = foreign;
		sql(h->path, changes[i].undone);
		assert_int_equal(faults(h).len, 0);
	}
	/* What SQLite makes for itself, or writes in another way, is not foreign. */
	sql(h->path, "ANALYZE; VACUUM; DROP INDEX once_at; CREATE INDEX  once_at\nON \"once\"(at)");
	assert_int_equal(faults(h).len, 0);
	house_open(h);
}

/* A file of an older version is looked at before its migrations, which would call a trigger. */
static void test_what_is_foreign_to_an_older_version(void **state)
{
	struct house *h = *state;
	char foreign[STORE_FOREIGN_LEN + 1];
	struct store_options opt = {.path = h->path, .readers = 1, .foreign = foreign};

	sql(h->path, store_migrations[0].sql);
	sql(h->path,
		"PRAGMA user_version = 1; PRAGMA application_id = 0x4b657968;"
		"INSERT INTO meta (key, value) VALUES ('deployment_id', '0123456789abcdefghjkmnpqrs')");
	sql(h->path, "CREATE TRIGGER evil AFTER DELETE ON tokens BEGIN SELECT 1; END");
	assert_int_equal(store_open(&h->store, &opt), STORE_FOREIGN);
	assert_non_null(strstr(foreign, "trigger \"evil\" on \"tokens\" was not made by keyhouse: "));
	sql(h->path, "DROP TRIGGER evil");
	house_open(h);
	house_close(h);
	assert_int_equal(faults(h).len, 0);
	/* Nor does it help to say that it is older than it is. */
	sql(h->path, "PRAGMA user_version = 1");
	assert_int_equal(store_open(&h->store, &opt), STORE_FOREIGN);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, house_empty, house_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_only_where_asked),
		TEST(test_what_is_foreign),
		TEST(test_what_is_foreign_to_an_older_version),
		TEST(test_the_moment_when_all_is_open),
		TEST(test_owner_only),
		TEST(test_same_store_again),
		TEST(test_newer),
		TEST(test_foreign_is_left_alone),
		TEST(test_no_database),
		TEST(test_damaged),
		TEST(test_a_link_is_not_followed),
		TEST(test_ids),
		TEST(test_every_error_has_a_sentence),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
