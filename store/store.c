/*
 * Opening and closing, the pool of readers, error texts.
 *
 * Everything that will ever be opened is opened in store_open: the writer's and the
 * readers' files, the write-ahead log (by a first commit), the source of randomness.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/core.h"

#define FLUSH_TRIES 50u
#define FLUSH_EVERY_MS 100
#define START_WAIT_MS 20

const char *store_error_text(enum store_error err)
{
	switch (err) {
	case STORE_OK:
		return "no error";
	case STORE_NOT_FOUND:
		return "not found";
	case STORE_EXISTS:
		return "it exists already";
	case STORE_NUMBER_TAKEN:
		return "the number belongs to a connection already";
	case STORE_STALE:
		return "somebody else changed it first";
	case STORE_TIMEOUT:
		return "the disk is too slow";
	case STORE_BUSY:
		return "too much is waiting to be written";
	case STORE_TOO_MANY:
		return "there may be no more of them";
	case STORE_FULL:
		return "the disk is full";
	case STORE_FOREIGN:
		return "the database was changed by somebody else than keyhouse";
	case STORE_FAILED:
		return "the database is damaged or cannot be read or written";
	case STORE_NEWER:
		return "it was written by a newer version of keyhouse; run that version";
	case STORE_NOT_OURS:
		return "the file is not a keyhouse database";
	case STORE_NO_MEMORY:
		return "out of memory";
	case STORE_INVALID:
		return "a value is too long or malformed";
	}
	return "unknown error";
}

/* ------------------------------------------------------------ readers */

struct db *core_reader(struct store *s)
{
	struct db *db;

	pthread_mutex_lock(&s->lock);
	while (s->idle_len == 0)
		(void)pthread_cond_wait(&s->returned, &s->lock);
	db = s->idle[--s->idle_len];
	pthread_mutex_unlock(&s->lock);
	return db;
}

void core_return(struct store *s, struct db *db)
{
	pthread_mutex_lock(&s->lock);
	s->idle[s->idle_len++] = db;
	(void)pthread_cond_signal(&s->returned);
	pthread_mutex_unlock(&s->lock);
}

enum store_error core_write(struct store *s, enum store_error (*run)(struct db *db, void *arg), void *arg)
{
	struct writer_change change = {.run = run, .arg = arg};

	if (s->writer == NULL)
		return STORE_INVALID;
	return writer_apply(s->writer, &change);
}

enum store_error core_page_start(
	struct db *db, const char *sql, const char *business_id, const struct store_page *page, int64_t *seq)
{
	struct query q;

	*seq = page->ascending ? 0 : INT64_MAX;
	if (page->limit == 0 || page->limit > STORE_LIST_MAX)
		return STORE_INVALID;
	if (page->after == NULL)
		return STORE_OK;
	q = query_start(db, sql);
	if (business_id != NULL)
		query_text(&q, business_id);
	query_text(&q, page->after);
	if (!query_step(&q)) {
		enum store_error err = query_end(&q);

		return err != STORE_OK ? err : STORE_NOT_FOUND;
	}
	*seq = query_get_int(&q);
	return query_end(&q);
}

enum store_error core_connection_exists(struct db *db, const char *business_id, const char *id)
{
	struct query q = query_start(db, "SELECT 1 FROM connections WHERE business_id = ? AND id = ?");

	query_text(&q, business_id);
	query_text(&q, id);
	return query_exists(&q);
}

bool core_text_ok(const char *text, size_t max)
{
	size_t len = strlen(text);

	return len > 0 && len <= max;
}

bool core_reason_ok(const char *reason)
{
	return reason == NULL || strlen(reason) <= STORE_TEXT_LEN;
}

/* ------------------------------------------------------------ open and close */

/* A new file is owner-only from its first byte. An existing one is not opened here: closing it again would drop the
 * locks that this process may hold on it. */
static enum store_error file_make(const char *path, bool create)
{
	int fd = create ? open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_CREAT | O_EXCL, 0600) : -1;
	struct stat st;

	if (fd >= 0)
		(void)close(fd);
	else if (create && errno != EEXIST)
		return STORE_FAILED;
	if (lstat(path, &st) != 0)
		return errno == ENOENT ? STORE_NOT_FOUND : STORE_FAILED;
	return S_ISREG(st.st_mode) ? STORE_OK : STORE_FAILED;
}

static enum store_error deployment_read(struct store *s, struct db *db)
{
	struct query q = query_start(db, "SELECT value FROM meta WHERE key = 'deployment_id'");

	if (query_step(&q))
		query_get_text(&q, s->deployment_id, sizeof(s->deployment_id));
	return query_end(&q);
}

/* The first commit makes the log and syncs its directory; a checkpoint opens what else it needs. What was destroyed just
 * before a kill lies in the log that was left: *owed says that somebody's reading kept that from being emptied. */
static enum store_error warm_up(struct db *db, bool *owed)
{
	/* On a full disk this may make the room that the first commit needs; if it cannot, that will say so. */
	enum store_error err = db_truncate(db, START_WAIT_MS);
	uint8_t random;

	if (err == STORE_OK || err == STORE_BUSY)
		err = db_run(db,
			"INSERT INTO meta (key, value) VALUES ('opened', '1') "
			"ON CONFLICT (key) DO UPDATE SET value = value + 1");

	sqlite3_randomness(1, &random);
	if (err == STORE_OK)
		err = db_truncate(db, START_WAIT_MS);
	*owed = err == STORE_BUSY;
	return err == STORE_OK || err == STORE_BUSY ? db_run(db, "UPDATE meta SET value = value WHERE key = 'opened'")
						    : err;
}

static enum store_error readers_open(struct store *s, const struct store_options *opt)
{
	size_t n = opt->readers > 0 ? opt->readers : 1;

	s->readers = calloc(n, sizeof(*s->readers));
	s->idle = calloc(n, sizeof(*s->idle));
	if (s->readers == NULL || s->idle == NULL)
		return STORE_NO_MEMORY;
	while (s->readers_len < n) {
		struct db *reader = &s->readers[s->readers_len];
		enum store_error err = opt->read_only && core_lies_still(opt->path) ? db_open_still(reader, opt->path)
										    : db_open(reader, opt->path, false);

		if (err != STORE_OK)
			return err;
		s->idle[s->idle_len++] = &s->readers[s->readers_len++];
	}
	return STORE_OK;
}

static struct store *store_new(void)
{
	struct store *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_mutex_init(&s->import, NULL);
	(void)pthread_cond_init(&s->returned, NULL);
	return s;
}

static enum store_error open_read_only(struct store *s, const struct store_options *opt)
{
	enum store_error err = file_make(opt->path, false);
	int64_t have = 0;

	if (err == STORE_OK)
		err = readers_open(s, opt);
	if (err == STORE_OK)
		err = migrate_check(s->readers, &have);
	if (err == STORE_OK && have == 0)
		return STORE_NOT_OURS;
	if (err == STORE_OK && have < (int64_t)store_migrations_len)
		return STORE_STALE;
	return err == STORE_OK ? deployment_read(s, s->readers) : err;
}

struct first_fault {
	char *out; /* NULL: nobody wants to know */
	bool found;
};

static void take_first(const char *words, void *arg)
{
	struct first_fault *f = arg;

	if (!f->found && f->out != NULL)
		(void)snprintf(f->out, STORE_FOREIGN_LEN + 1,
			"%s: somebody else changed the database; restore a backup (keyhouse restore), or, if you know "
			"how that came about, put it right with sqlite3",
			words);
	f->found = true;
}

/* Before anything is changed, by which a foreign trigger would be called. */
static enum store_error refuse_foreign(struct db *db, int64_t have, char *foreign)
{
	struct first_fault first = {.out = foreign};
	const enum store_error err = schema_check(db, have, take_first, &first);

	return err == STORE_OK && first.found ? STORE_FOREIGN : err;
}

enum store_error store_open(struct store **out, const struct store_options *opt)
{
	struct store *s = store_new();
	struct db db = {0};
	int64_t have;
	bool owed = false;
	enum store_error err;
	mode_t before = umask(0077);

	if (s == NULL) {
		err = STORE_NO_MEMORY;
		goto out;
	}
	if (opt->read_only) {
		err = open_read_only(s, opt);
		if (err == STORE_OK) {
			*out = s;
			s = NULL; /* transferred */
		}
		goto out;
	}
	err = file_make(opt->path, opt->create);
	if (err == STORE_OK)
		err = db_open(&db, opt->path, true);
	if (err == STORE_OK)
		err = migrate_check(&db, &have);
	if (err == STORE_OK)
		err = refuse_foreign(&db, have, opt->foreign);
	/* Known to be ours: from here on it may be changed. The log and its index take over its mode. */
	if (err == STORE_OK && chmod(opt->path, 0600) != 0)
		err = STORE_FAILED;
	if (err == STORE_OK)
		err = db_make_writer(&db);
	if (err == STORE_OK)
		err = db_log_renew(&db);
	if (err == STORE_OK)
		err = migrate(&db, have);
	if (err == STORE_OK)
		err = deployment_read(s, &db);
	if (err == STORE_OK)
		err = audit_load(&s->audit, &db, &opt->audit);
	if (err == STORE_OK)
		err = warm_up(&db, &owed);
	if (err == STORE_OK)
		err = readers_open(s, opt);
	if (err == STORE_OK && opt->opened != NULL && !opt->opened(opt->ctx))
		err = STORE_FAILED;
	if (err != STORE_OK)
		goto out;
	s->writer = writer_start(&db, opt, owed);
	if (s->writer == NULL) {
		err = STORE_NO_MEMORY;
		goto out;
	}
	db.handle = NULL; /* transferred */
	*out = s;
	s = NULL; /* transferred */
out:
	(void)umask(before);
	store_close(s);
	if (db.handle != NULL)
		db_close(&db);
	return err;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	/* The writer goes last: closing checkpoints, and only it may. */
	for (size_t i = 0; i < s->readers_len; i++)
		db_close(&s->readers[i]);
	if (s->writer != NULL)
		writer_stop(s->writer);
	free(s->audit.digests);
	free(s->readers);
	free(s->idle);
	(void)pthread_mutex_destroy(&s->lock);
	(void)pthread_mutex_destroy(&s->import);
	(void)pthread_cond_destroy(&s->returned);
	free(s);
}

const char *store_deployment_id(const struct store *s)
{
	return s->deployment_id;
}

enum store_error store_ping(struct store *s)
{
	struct db *db;
	struct query q;
	enum store_error err;

	if (s->writer != NULL && !writer_alive(s->writer))
		return STORE_FAILED;
	db = core_reader(s);
	q = query_start(db, "SELECT 1 FROM meta LIMIT 1");
	err = query_finish(&q);
	core_return(s, db);
	return err == STORE_OK ? STORE_OK : STORE_FAILED;
}

/* ------------------------------------------------------------ notes */

enum store_error store_note_get(struct store *s, const char *name, char out[static STORE_TEXT_LEN + 1])
{
	struct db *db = core_reader(s);
	struct query q = query_start(db, "SELECT value FROM meta WHERE key = 'note ' || ?");
	enum store_error err;

	out[0] = '\0';
	query_text(&q, name);
	if (query_step(&q))
		query_get_text(&q, out, STORE_TEXT_LEN + 1);
	err = query_end(&q);
	core_return(s, db);
	return err;
}

struct note {
	const char *name, *text;
};

static enum store_error run_note_put(struct db *db, void *arg)
{
	const struct note *n = arg;
	struct query q = query_start(db,
		"INSERT INTO meta (key, value) VALUES ('note ' || ?, ?) "
		"ON CONFLICT (key) DO UPDATE SET value = excluded.value");

	query_text(&q, n->name);
	query_text(&q, n->text);
	return query_finish(&q);
}

enum store_error store_note_put(struct store *s, const char *name, const char *text)
{
	struct note n = {name, text};

	if (strlen(text) > STORE_TEXT_LEN)
		return STORE_INVALID;
	return core_write(s, run_note_put, &n);
}

/* ------------------------------------------------------------ flushing */

enum store_error store_flush(struct store *s)
{
	enum store_error err = writer_truncate(s->writer);

	for (unsigned tries = 1; err == STORE_BUSY && tries < FLUSH_TRIES; tries++) {
		(void)poll(NULL, 0, FLUSH_EVERY_MS);
		err = writer_truncate(s->writer);
	}
	return err;
}

unsigned store_waiting(struct store *s)
{
	return writer_waiting(s->writer);
}

unsigned long store_commits(struct store *s)
{
	return writer_commits(s->writer);
}
