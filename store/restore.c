/*
 * A copy takes the place of the database: looked through before, told what may have
 * happened since it was made, and exchanged so that a power cut leaves the old one or
 * the new one.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/core.h"

#define LOG_WAIT_MS 20

/* ------------------------------------------------------------ is it whole? */

enum store_error store_integrity(struct store *s, bool quick, void (*fault)(const char *words, void *arg), void *arg)
{
	struct db *db = core_reader(s);
	struct query q =
		quick ? query_start(db, "PRAGMA quick_check(20)") : query_start(db, "PRAGMA integrity_check(20)");
	char words[STORE_TEXT_LEN + 1];
	enum store_error err;

	while (query_step(&q)) {
		query_get_text(&q, words, sizeof(words));
		if (strcmp(words, "ok") != 0)
			fault(words, arg);
	}
	err = query_end(&q);
	core_return(s, db);
	return err;
}

/* ------------------------------------------------------------ what may have happened since */

static enum store_error run_restored(struct db *db, void *arg)
{
	static const struct store_audit row = {.action = "restored"};
	struct store_restored *out = arg;
	struct query q = query_start(db,
		"UPDATE messages SET state = 9, updated_at = ?, reason = '" STORE_RESTORED
		"' WHERE state >= 2 AND state <= 4");
	enum store_error err;

	query_int(&q, store_now_ms());
	err = query_finish(&q);
	out->unknown = err == STORE_OK ? db_changes(db) : 0;
	if (err != STORE_OK)
		return err;
	q = query_start(db, "DELETE FROM asks");
	err = query_finish(&q);
	out->asks = err == STORE_OK ? db_changes(db) : 0;
	return err == STORE_OK ? core_audit(db, &row) : err;
}

enum store_error store_restored(struct store *s, struct store_restored *out)
{
	*out = (struct store_restored){0, 0};
	return core_write(s, run_restored, out);
}

/* ------------------------------------------------------------ names */

static bool name_make(char name[static PATH_MAX], const char *path, const char *end)
{
	const int n = snprintf(name, PATH_MAX, "%s%s", path, end);

	return n > 0 && n < PATH_MAX;
}

static enum store_error link_error(void)
{
	return errno == EEXIST ? STORE_EXISTS : errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
}

/* Brings its log into it, if it is well enough for that. */
static void log_bring_in(const char *path)
{
	struct db db = {0};

	if (db_open(&db, path, true) != STORE_OK)
		return;
	if (db_truncate(&db, LOG_WAIT_MS) == STORE_OK)
		db_checkpoint_at_close(&db); /* the last one who closes it removes the empty log */
	db_close(&db);
}

enum store_error store_put_aside(const char *path, const char *aside)
{
	char log[PATH_MAX], log_aside[PATH_MAX];

	if (!name_make(log, path, "-wal") || !name_make(log_aside, aside, "-wal"))
		return STORE_FAILED;
	if (!core_lies_still(path))
		log_bring_in(path);
	if (link(path, aside) != 0)
		return link_error();
	if (link(log, log_aside) != 0 && errno != ENOENT)
		return link_error();
	return core_directory_sync(aside);
}

void store_remove_copy(const char *path)
{
	static const char *const ends[] = {"-wal", "-shm", "-journal", ""};
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (name_make(name, path, ends[i]))
			(void)unlink(name);
}

static enum store_error file_sync(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	const bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	return ok ? STORE_OK : STORE_FAILED;
}

enum store_error store_take_place(const char *from, const char *path)
{
	static const char *const ends[] = {"-wal", "-shm", "-journal"};
	enum store_error err = core_lies_still(from) ? file_sync(from) : STORE_FAILED;
	char name[PATH_MAX];

	if (err != STORE_OK)
		return err;
	/* A log that belongs to the old one would be taken for the new one's. It is empty, or kept aside. */
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!name_make(name, path, ends[i]) || (unlink(name) != 0 && errno != ENOENT))
			return STORE_FAILED;
	err = core_directory_sync(path);
	if (err != STORE_OK)
		return err;
	if (rename(from, path) != 0)
		return STORE_FAILED;
	return core_directory_sync(path);
}
