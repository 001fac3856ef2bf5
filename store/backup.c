/*
 * A copy of the database, made while another process may write it.
 *
 * It reads one snapshot from beginning to end and changes nothing beside the original, not
 * even by closing it. The copy is one whole file, readable without a log beside it, and on
 * disk with its name when the call returns.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"

#define STEP_PAGES 256
#define HEADER_VERSIONS 18 /* two bytes, to write and to read: 1 without a log, 2 with one (SQLite's file format) */

struct progress {
	void (*told)(int64_t done, int64_t total, void *arg);
	void *arg;
};

static enum store_error io_error(int error)
{
	return error == ENOSPC || error == EDQUOT ? STORE_FULL : STORE_FAILED;
}

static bool is_there(const char *path, const char *end)
{
	char name[PATH_MAX];
	int n = snprintf(name, sizeof(name), "%s%s", path, end);

	return n > 0 && (size_t)n < sizeof(name) && access(name, F_OK) == 0;
}

bool core_lies_still(const char *path)
{
	return !is_there(path, "-wal") && !is_there(path, "-journal");
}

static bool changed(const struct stat *a, const struct stat *b)
{
	return a->st_ino != b->st_ino || a->st_dev != b->st_dev || a->st_size != b->st_size ||
		a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

/* Opens it inside a transaction: what others write from then on is not seen, and does not make the copy begin anew. */
static enum store_error source_open(struct db *db, const char *path, bool still)
{
	enum store_error err = still ? db_open_still(db, path) : db_open(db, path, false);
	int64_t have = 0;

	if (err == STORE_OK)
		err = db_run(db, "BEGIN");
	if (err == STORE_OK)
		err = migrate_check(db, &have);
	if (err == STORE_NEWER)
		return STORE_OK;
	return err == STORE_OK && have == 0 ? STORE_NOT_OURS : err;
}

static enum store_error pages_copy(struct db *db, sqlite3 *target, const struct progress *p)
{
	sqlite3_backup *backup = sqlite3_backup_init(target, "main", db->handle, "main");
	int rc;

	if (backup == NULL)
		return db_error(sqlite3_errcode(target));
	do {
		int64_t total;

		rc = sqlite3_backup_step(backup, STEP_PAGES);
		total = sqlite3_backup_pagecount(backup);
		if (p->told != NULL && (rc == SQLITE_OK || rc == SQLITE_DONE))
			p->told(total - sqlite3_backup_remaining(backup), total, p->arg);
	} while (rc == SQLITE_OK);
	(void)sqlite3_backup_finish(backup);
	return db_error(rc);
}

static enum store_error target_write(struct db *db, const char *path, const struct progress *p)
{
	sqlite3 *target = NULL;
	int rc = sqlite3_open_v2(
		path, &target, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
	enum store_error err = db_error(rc);

	/* Either it becomes whole or it is removed: until then it needs no journal and no syncs. */
	if (err == STORE_OK)
		err = db_error(
			sqlite3_exec(target, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL));
	if (err == STORE_OK)
		err = pages_copy(db, target, p);
	if (sqlite3_close(target) != SQLITE_OK && err == STORE_OK)
		err = STORE_FAILED;
	return err;
}

enum store_error core_directory_sync(const char *path)
{
	char directory[PATH_MAX] = ".";
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL ? 0 : slash == path ? 1 : (size_t)(slash - path);
	enum store_error err = STORE_OK;
	int fd;

	if (len >= sizeof(directory))
		return STORE_FAILED;
	if (len > 0) {
		memcpy(directory, path, len);
		directory[len] = '\0';
	}
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return STORE_FAILED;
	if (fsync(fd) != 0)
		err = io_error(errno);
	(void)close(fd);
	return err;
}

/* Its log is not beside the copy, so the copy must not say that it has one. */
static enum store_error target_finish(int fd, const char *path)
{
	static const uint8_t versions[] = {1, 1};

	if (pwrite(fd, versions, sizeof(versions), HEADER_VERSIONS) != (ssize_t)sizeof(versions) || fsync(fd) != 0)
		return io_error(errno);
	return core_directory_sync(path);
}

static enum store_error copy(const char *from, const char *to, bool still, const struct progress *p)
{
	struct db db = {0};
	int fd = -1;
	enum store_error err = source_open(&db, from, still);

	if (err != STORE_OK)
		goto out;
	fd = open(to, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0) {
		err = errno == EEXIST ? STORE_EXISTS : io_error(errno);
		goto out;
	}
	err = target_write(&db, to, p);
	if (err == STORE_OK)
		err = target_finish(fd, to);
	if (err != STORE_OK)
		(void)unlink(to);
out:
	if (fd >= 0)
		(void)close(fd);
	db_close(&db);
	return err;
}

enum store_error store_backup(
	const char *from, const char *to, void (*told)(int64_t done, int64_t total, void *arg), void *arg)
{
	const struct progress p = {told, arg};
	struct stat before, after;
	bool still;
	enum store_error err;

	if (lstat(from, &before) != 0)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	if (!S_ISREG(before.st_mode))
		return STORE_FAILED;
	still = core_lies_still(from);
	err = copy(from, to, still, &p);
	if (!still || err == STORE_EXISTS || lstat(from, &after) != 0)
		return err;
	if (core_lies_still(from) && !changed(&before, &after))
		return err;
	/* A service started meanwhile and may have changed pages under the copy; now its log says which. */
	if (err == STORE_OK && unlink(to) != 0)
		return STORE_FAILED;
	return copy(from, to, false, &p);
}
