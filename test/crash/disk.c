/*
 * The disk: files in memory, what of them was synced, locks, the log's index.
 */
#include "test/crash/disk.h"

#include <malloc.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#define SECTOR 512u
#define NAME_MAX_LEN 255
#define INDEX_PIECES 64
#define INDEX_LOCKS 8 /* SQLite's number */
#define NEVER (~0ul)

const char *const disk_call_names[DISK_CALLS] = {
	"open", "read", "write", "truncate", "sync", "delete", "lock", "size", "index", "index lock", "write lock"};

static const int eio[DISK_CALLS] = {SQLITE_CANTOPEN, SQLITE_IOERR_READ, SQLITE_IOERR_WRITE, SQLITE_IOERR_TRUNCATE,
	SQLITE_IOERR_FSYNC, SQLITE_IOERR_DELETE, SQLITE_IOERR_LOCK, SQLITE_IOERR_FSTAT, SQLITE_IOERR_SHMMAP,
	SQLITE_IOERR_SHMLOCK, SQLITE_IOERR_SHMLOCK};

/* A write of len bytes at that place, or a truncation to it. */
struct change {
	struct change *next;
	size_t at, len;
	bool truncates;
	uint8_t data[];
};

struct content {
	uint8_t *bytes;
	size_t len, room;
};

struct handle;
struct file {
	struct file *next;
	char name[NAME_MAX_LEN + 1]; /* "": nobody else finds it */
	bool listed, listed_on_disk; /* in its directory */
	unsigned open;
	struct content now, on_disk;
	struct change *first, **last; /* not synced yet, in their order */
	unsigned shared; /* locks */
	struct handle *reserved, *pending;
	void *index[INDEX_PIECES];
	unsigned index_users;
	unsigned index_shared[INDEX_LOCKS];
	struct handle *index_exclusive[INDEX_LOCKS];
};

struct handle {
	sqlite3_file base;
	struct file *file;
	bool new_log; /* its first sync syncs the directory, as SQLite's own does it */
	bool goes; /* with its closing */
	int lock;
	bool uses_index;
	unsigned index_shared; /* bits */
};

static struct {
	pthread_mutex_t lock;
	struct file *files;
	struct file *kept;
	uint64_t chance;
	unsigned long changes, cut_at;
	bool is_cut;
	enum disk_call trouble_call;
	enum disk_trouble trouble;
	unsigned long calls, trouble_from, trouble_many, trouble_met;
	sqlite3_vfs *system;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .cut_at = NEVER};

uint64_t disk_chance(uint64_t *state, uint64_t n)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (x ^ (x >> 31)) % n;
}

/* ------------------------------------------------------------ content */

static void *must(void *memory)
{
	if (memory == NULL)
		abort();
	return memory;
}

static void content_size(struct content *c, size_t len)
{
	if (len > c->room) {
		c->room = len * 2;
		c->bytes = must(realloc(c->bytes, c->room));
	}
	if (len > c->len)
		memset(c->bytes + c->len, 0, len - c->len);
	c->len = len;
}

static void content_put(struct content *c, size_t at, const uint8_t *data, size_t len)
{
	if (len == 0)
		return;
	if (at + len > c->len)
		content_size(c, at + len);
	memcpy(c->bytes + at, data, len);
}

static void content_copy(struct content *to, const struct content *from)
{
	to->len = 0;
	content_put(to, 0, from->bytes, from->len);
}

static void garbage(uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)disk_chance(&disk.chance, 256);
}

/* ------------------------------------------------------------ files */

static struct file *file_find(const char *name)
{
	for (struct file *f = disk.files; f != NULL; f = f->next)
		if (f->listed && strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

static struct file *file_new(const char *name)
{
	struct file *f = must(calloc(1, sizeof(*f)));

	if (strlen(name) > NAME_MAX_LEN)
		abort();
	memccpy(f->name, name, '\0', sizeof(f->name));
	f->listed = name[0] != '\0';
	f->last = &f->first;
	f->next = disk.files;
	disk.files = f;
	return f;
}

static void changes_forget(struct file *f)
{
	while (f->first != NULL) {
		struct change *c = f->first;

		f->first = c->next;
		free(c);
	}
	f->last = &f->first;
}

static void file_free(struct file *f)
{
	changes_forget(f);
	free(f->now.bytes);
	free(f->on_disk.bytes);
	for (size_t i = 0; i < INDEX_PIECES; i++)
		free(f->index[i]);
	free(f);
}

/* Those that nobody can come to any more. */
static void files_sweep(void)
{
	struct file **link = &disk.files;

	while (*link != NULL) {
		struct file *f = *link;

		if (f->open == 0 && !f->listed && !f->listed_on_disk) {
			*link = f->next;
			file_free(f);
		} else {
			link = &f->next;
		}
	}
}

static void directory_sync(void)
{
	for (struct file *f = disk.files; f != NULL; f = f->next)
		f->listed_on_disk = f->listed;
	files_sweep();
}

static void change_add(struct file *f, size_t at, const void *data, size_t len, bool truncates)
{
	struct change *c = must(malloc(sizeof(*c) + len));

	c->next = NULL;
	c->at = at;
	c->len = len;
	c->truncates = truncates;
	if (len > 0)
		memcpy(c->data, data, len);
	*f->last = c;
	f->last = &c->next;
	if (truncates)
		content_size(&f->now, at);
	else
		content_put(&f->now, at, data, len);
}

static void change_sync(struct file *f, const struct change *c)
{
	if (c->truncates)
		content_size(&f->on_disk, c->at);
	else
		content_put(&f->on_disk, c->at, c->data, c->len);
}

/* How likely it is, of 100, that something survives, and that a sector of what survives tears. */
struct odds {
	unsigned survives, tears;
};

/* What lies between the old end and a sector that survived was never written: zeros, or what was there before. */
static void piece_survives(struct file *f, size_t at, const uint8_t *data, size_t len, const struct odds *odds)
{
	const size_t end = f->on_disk.len;
	size_t part = len;

	if (disk_chance(&disk.chance, 100) < odds->tears)
		part = (size_t)disk_chance(&disk.chance, len);
	if (at + len > end) {
		content_size(&f->on_disk, at + len);
		if (disk_chance(&disk.chance, 2) == 0)
			garbage(f->on_disk.bytes + end, at + len - end);
	}
	if (disk_chance(&disk.chance, 2) == 0 || part == len)
		content_put(&f->on_disk, at, data, part);
	else /* its end arrived */
		content_put(&f->on_disk, at + len - part, data + len - part, part);
}

static void change_survives(struct file *f, const struct change *c, const struct odds *odds)
{
	size_t len;

	if (c->truncates) {
		if (disk_chance(&disk.chance, 100) < odds->survives)
			content_size(&f->on_disk, c->at);
		return;
	}
	for (size_t done = 0; done < c->len; done += len) {
		len = SECTOR - (c->at + done) % SECTOR;
		if (len > c->len - done)
			len = c->len - done;
		if (disk_chance(&disk.chance, 100) < odds->survives)
			piece_survives(f, c->at + done, c->data + done, len, odds);
	}
}

static void file_survives(struct file *f, const struct odds *odds)
{
	for (const struct change *c = f->first; c != NULL; c = c->next)
		change_survives(f, c, odds);
	changes_forget(f);
}

/* ------------------------------------------------------------ calls */

/* Takes the lock, and says what becomes of a call. */
static int enter(enum disk_call call)
{
	const bool changes = call == DISK_OPEN || (call >= DISK_WRITE && call <= DISK_DELETE);

	pthread_mutex_lock(&disk.lock);
	if (changes && !disk.is_cut && ++disk.changes == disk.cut_at)
		disk.is_cut = true;
	if (disk.is_cut)
		return eio[call];
	if (disk.trouble_from == 0 || call != disk.trouble_call || ++disk.calls < disk.trouble_from ||
		disk.trouble_met >= disk.trouble_many)
		return SQLITE_OK;
	disk.trouble_met++;
	return disk.trouble == DISK_BUSY ? SQLITE_BUSY : disk.trouble == DISK_ENOSPC ? SQLITE_FULL : eio[call];
}

static int leave(int rc)
{
	pthread_mutex_unlock(&disk.lock);
	return rc;
}

static struct handle *of(sqlite3_file *base)
{
	return (struct handle *)(void *)base;
}

static void index_leave(struct handle *h)
{
	struct file *f = h->file;

	if (!h->uses_index)
		return;
	h->uses_index = false;
	if (--f->index_users > 0)
		return;
	for (size_t i = 0; i < INDEX_PIECES; i++) {
		free(f->index[i]);
		f->index[i] = NULL;
	}
}

static void unlock_to(struct handle *h, int level)
{
	struct file *f = h->file;

	if (level < SQLITE_LOCK_RESERVED && f->reserved == h)
		f->reserved = NULL;
	if (level < SQLITE_LOCK_PENDING && f->pending == h)
		f->pending = NULL;
	if (level == SQLITE_LOCK_NONE && h->lock >= SQLITE_LOCK_SHARED)
		f->shared--;
	if (h->lock > level)
		h->lock = level;
}

static int do_close(sqlite3_file *base)
{
	struct handle *h = of(base);

	pthread_mutex_lock(&disk.lock);
	index_leave(h);
	unlock_to(h, SQLITE_LOCK_NONE);
	h->file->open--;
	if (h->goes)
		h->file->listed = false;
	files_sweep();
	return leave(SQLITE_OK);
}

static int do_read(sqlite3_file *base, void *out, int len, sqlite3_int64 at)
{
	const struct content *now = &of(base)->file->now;
	int rc = enter(DISK_READ);
	size_t have;

	if (rc != SQLITE_OK)
		return leave(rc);
	have = now->len > (size_t)at ? now->len - (size_t)at : 0;
	if (have > (size_t)len)
		have = (size_t)len;
	if (have > 0)
		memcpy(out, now->bytes + at, have);
	memset((char *)out + have, 0, (size_t)len - have);
	return leave(have == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ);
}

static int do_write(sqlite3_file *base, const void *data, int len, sqlite3_int64 at)
{
	int rc = enter(DISK_WRITE);

	if (rc == SQLITE_OK || rc == SQLITE_FULL)
		change_add(of(base)->file, (size_t)at, data, (size_t)(rc == SQLITE_OK ? len : len / 2), false);
	return leave(rc);
}

static int do_truncate(sqlite3_file *base, sqlite3_int64 len)
{
	int rc = enter(DISK_TRUNCATE);

	if (rc == SQLITE_OK)
		change_add(of(base)->file, (size_t)len, NULL, 0, true);
	return leave(rc);
}

/* A kernel forgets what it could not write: it is clean from then on, and read as if it were there. */
static int do_sync(sqlite3_file *base, int flags)
{
	static const struct odds half = {50, 10};
	struct handle *h = of(base);
	int rc = enter(DISK_SYNC);

	(void)flags;
	if (rc == SQLITE_OK) {
		for (const struct change *c = h->file->first; c != NULL; c = c->next)
			change_sync(h->file, c);
		changes_forget(h->file);
		if (h->new_log)
			directory_sync();
		h->new_log = false;
	} else if (!disk.is_cut) {
		file_survives(h->file, &half);
	}
	return leave(rc);
}

static int do_size(sqlite3_file *base, sqlite3_int64 *out)
{
	int rc = enter(DISK_SIZE);

	*out = (sqlite3_int64)of(base)->file->now.len;
	return leave(rc);
}

static int do_lock(sqlite3_file *base, int level)
{
	struct handle *h = of(base);
	struct file *f = h->file;
	int rc = enter(DISK_LOCK);

	if (rc != SQLITE_OK || level <= h->lock)
		return leave(rc);
	if (f->pending != NULL && f->pending != h)
		return leave(SQLITE_BUSY);
	if (level == SQLITE_LOCK_SHARED)
		f->shared++;
	if (level == SQLITE_LOCK_RESERVED) {
		if (f->reserved != NULL)
			return leave(SQLITE_BUSY);
		f->reserved = h;
	}
	if (level == SQLITE_LOCK_EXCLUSIVE) {
		if (f->reserved != NULL && f->reserved != h)
			return leave(SQLITE_BUSY);
		f->pending = h;
		if (f->shared > 1) {
			h->lock = SQLITE_LOCK_PENDING;
			return leave(SQLITE_BUSY);
		}
	}
	h->lock = level;
	return leave(SQLITE_OK);
}

static int do_unlock(sqlite3_file *base, int level)
{
	pthread_mutex_lock(&disk.lock);
	unlock_to(of(base), level);
	return leave(SQLITE_OK);
}

static int do_reserved(sqlite3_file *base, int *out)
{
	int rc = enter(DISK_LOCK);

	*out = of(base)->file->reserved != NULL || of(base)->file->pending != NULL;
	return leave(rc);
}

static int do_control(sqlite3_file *base, int op, void *arg)
{
	(void)base;
	(void)op;
	(void)arg;
	return SQLITE_NOTFOUND;
}

/* As SQLite's own on a usual disk. */
static int do_sector_size(sqlite3_file *base)
{
	(void)base;
	return 4096;
}

static int do_characteristics(sqlite3_file *base)
{
	(void)base;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ------------------------------------------------------------ the log's index */

static int do_index(sqlite3_file *base, int piece, int size, int extend, void volatile **out)
{
	struct handle *h = of(base);
	int rc = enter(DISK_INDEX);

	*out = NULL;
	if (rc != SQLITE_OK)
		return leave(rc);
	if (piece >= INDEX_PIECES)
		abort();
	if (!h->uses_index)
		h->file->index_users++;
	h->uses_index = true;
	if (h->file->index[piece] == NULL && extend)
		h->file->index[piece] = must(calloc(1, (size_t)size));
	*out = h->file->index[piece];
	return leave(SQLITE_OK);
}

static void index_unlock(struct handle *h, int first, int n)
{
	for (int i = first; i < first + n; i++) {
		if ((h->index_shared & 1u << i) != 0)
			h->file->index_shared[i]--;
		h->index_shared &= ~(1u << i);
		if (h->file->index_exclusive[i] == h)
			h->file->index_exclusive[i] = NULL;
	}
}

static int do_index_lock(sqlite3_file *base, int first, int n, int flags)
{
	struct handle *h = of(base);
	struct file *f = h->file;
	int rc;

	if ((flags & SQLITE_SHM_UNLOCK) != 0) {
		pthread_mutex_lock(&disk.lock);
		index_unlock(h, first, n);
		return leave(SQLITE_OK);
	}
	rc = enter(first == 0 ? DISK_WRITE_LOCK : DISK_INDEX_LOCK);
	for (int i = first; i < first + n && rc == SQLITE_OK; i++) {
		const unsigned others = f->index_shared[i] - (h->index_shared >> i & 1u);

		if (f->index_exclusive[i] != NULL && f->index_exclusive[i] != h)
			rc = SQLITE_BUSY;
		if ((flags & SQLITE_SHM_EXCLUSIVE) != 0 && others > 0)
			rc = SQLITE_BUSY;
	}
	for (int i = first; i < first + n && rc == SQLITE_OK; i++) {
		if ((flags & SQLITE_SHM_EXCLUSIVE) != 0) {
			f->index_exclusive[i] = h;
		} else if ((h->index_shared & 1u << i) == 0) {
			f->index_shared[i]++;
			h->index_shared |= 1u << i;
		}
	}
	return leave(rc);
}

static void do_index_barrier(sqlite3_file *base)
{
	(void)base;
	pthread_mutex_lock(&disk.lock);
	pthread_mutex_unlock(&disk.lock);
}

static int do_index_leave(sqlite3_file *base, int remove)
{
	(void)remove;
	pthread_mutex_lock(&disk.lock);
	index_unlock(of(base), 0, INDEX_LOCKS);
	index_leave(of(base));
	return leave(SQLITE_OK);
}

/* ------------------------------------------------------------ names */

static const sqlite3_io_methods methods = {.iVersion = 2,
	.xClose = do_close,
	.xRead = do_read,
	.xWrite = do_write,
	.xTruncate = do_truncate,
	.xSync = do_sync,
	.xFileSize = do_size,
	.xLock = do_lock,
	.xUnlock = do_unlock,
	.xCheckReservedLock = do_reserved,
	.xFileControl = do_control,
	.xSectorSize = do_sector_size,
	.xDeviceCharacteristics = do_characteristics,
	.xShmMap = do_index,
	.xShmLock = do_index_lock,
	.xShmBarrier = do_index_barrier,
	.xShmUnmap = do_index_leave};

static int do_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *flags_out)
{
	const int logs = SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
	struct handle *h = of(base);
	struct file *f;
	bool made = false;
	int rc;

	(void)vfs;
	memset(h, 0, sizeof(*h));
	rc = enter(DISK_OPEN);
	if (rc != SQLITE_OK)
		return leave(rc);
	f = name != NULL ? file_find(name) : NULL;
	/* The database itself is made by the store, by the system's open; it is found to be empty. */
	if (f == NULL && (flags & (SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB)) == 0)
		return leave(SQLITE_CANTOPEN);
	if (f == NULL) {
		f = file_new(name != NULL ? name : "");
		made = true;
	}
	f->open++;
	h->base.pMethods = &methods;
	h->file = f;
	h->new_log = made && (flags & logs) != 0;
	h->goes = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
	if (flags_out != NULL)
		*flags_out = flags;
	return leave(SQLITE_OK);
}

static int do_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
	struct file *f;
	int rc = enter(DISK_DELETE);

	(void)vfs;
	if (rc != SQLITE_OK)
		return leave(rc);
	f = file_find(name);
	if (f == NULL)
		return leave(SQLITE_IOERR_DELETE_NOENT);
	f->listed = false;
	if (sync_directory)
		directory_sync();
	files_sweep();
	return leave(SQLITE_OK);
}

static int do_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	(void)vfs;
	(void)flags;
	pthread_mutex_lock(&disk.lock);
	*out = file_find(name) != NULL;
	return leave(SQLITE_OK);
}

static int do_full_name(sqlite3_vfs *vfs, const char *name, int room, char *out)
{
	(void)vfs;
	return memccpy(out, name, '\0', (size_t)room) != NULL ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int do_randomness(sqlite3_vfs *vfs, int len, char *out)
{
	(void)vfs;
	return disk.system->xRandomness(disk.system, len, out);
}

static int do_sleep(sqlite3_vfs *vfs, int microseconds)
{
	bool waits;

	(void)vfs;
	pthread_mutex_lock(&disk.lock);
	waits = disk.trouble_from == 0 || disk.trouble != DISK_BUSY;
	pthread_mutex_unlock(&disk.lock);
	return waits ? disk.system->xSleep(disk.system, microseconds) : microseconds;
}

static int do_time(sqlite3_vfs *vfs, double *out)
{
	(void)vfs;
	return disk.system->xCurrentTime(disk.system, out);
}

static int do_last_error(sqlite3_vfs *vfs, int room, char *out)
{
	(void)vfs;
	(void)room;
	(void)out;
	return 0;
}

void disk_install(void)
{
	static sqlite3_vfs vfs = {.iVersion = 1,
		.szOsFile = sizeof(struct handle),
		.mxPathname = NAME_MAX_LEN,
		.zName = "disk",
		.xOpen = do_open,
		.xDelete = do_delete,
		.xAccess = do_access,
		.xFullPathname = do_full_name,
		.xRandomness = do_randomness,
		.xSleep = do_sleep,
		.xCurrentTime = do_time,
		.xGetLastError = do_last_error};

	/* Databases come and go: their memory is kept. */
	(void)mallopt(M_MMAP_THRESHOLD, 1 << 30);
	(void)mallopt(M_TRIM_THRESHOLD, 1 << 30);
	(void)mallopt(M_TOP_PAD, 16 << 20);
	disk.system = must(sqlite3_vfs_find(NULL));
	if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
		abort();
}

/* ------------------------------------------------------------ what tests ask for */

static void list_free(struct file **list)
{
	while (*list != NULL) {
		struct file *f = *list;

		if (f->open > 0)
			abort(); /* a test that does not close: what it shows is worth nothing */
		*list = f->next;
		file_free(f);
	}
}

void disk_clear(void)
{
	pthread_mutex_lock(&disk.lock);
	list_free(&disk.files);
	disk.is_cut = false;
	disk.cut_at = NEVER;
	disk.trouble_from = 0;
	pthread_mutex_unlock(&disk.lock);
}

void disk_seed(uint64_t seed)
{
	disk.chance = seed;
}

void disk_cut_at(unsigned long n)
{
	pthread_mutex_lock(&disk.lock);
	disk.changes = 0;
	disk.cut_at = n > 0 ? n : NEVER;
	pthread_mutex_unlock(&disk.lock);
}

void disk_cut(void)
{
	pthread_mutex_lock(&disk.lock);
	disk.is_cut = true;
	pthread_mutex_unlock(&disk.lock);
}

bool disk_is_cut(void)
{
	bool is_cut;

	pthread_mutex_lock(&disk.lock);
	is_cut = disk.is_cut;
	pthread_mutex_unlock(&disk.lock);
	return is_cut;
}

/* Of two files of one name the newer one comes first in the list: where it is there, the one it took the place of is not. */
static void names_survive(void)
{
	for (struct file *f = disk.files; f != NULL; f = f->next) {
		if (f->listed != f->listed_on_disk)
			f->listed_on_disk = disk_chance(&disk.chance, 2) == 0;
		for (struct file *older = f->next; older != NULL && f->listed_on_disk; older = older->next)
			if (strcmp(older->name, f->name) == 0)
				older->listed = older->listed_on_disk = false;
	}
	for (struct file *f = disk.files; f != NULL; f = f->next)
		f->listed = f->listed_on_disk;
	files_sweep();
}

void disk_restore(void)
{
	static const unsigned survives[] = {0, 10, 50, 90, 100};
	struct odds odds;

	pthread_mutex_lock(&disk.lock);
	odds.survives = survives[disk_chance(&disk.chance, sizeof(survives) / sizeof(survives[0]))];
	odds.tears = (unsigned)disk_chance(&disk.chance, 2) * 20;
	names_survive();
	for (struct file *f = disk.files; f != NULL; f = f->next) {
		if (f->open > 0)
			abort();
		file_survives(f, &odds);
		content_copy(&f->now, &f->on_disk);
	}
	disk.is_cut = false;
	disk.cut_at = NEVER;
	disk.trouble_from = 0;
	pthread_mutex_unlock(&disk.lock);
}

bool disk_has(const char *path)
{
	bool has;

	pthread_mutex_lock(&disk.lock);
	has = file_find(path) != NULL;
	pthread_mutex_unlock(&disk.lock);
	return has;
}

void disk_trouble(enum disk_call call, enum disk_trouble trouble, unsigned long n, unsigned long many)
{
	pthread_mutex_lock(&disk.lock);
	disk.trouble_call = call;
	disk.trouble = trouble;
	disk.calls = 0;
	disk.trouble_from = n;
	disk.trouble_many = many;
	disk.trouble_met = 0;
	pthread_mutex_unlock(&disk.lock);
}

unsigned long disk_trouble_met(void)
{
	unsigned long met;

	pthread_mutex_lock(&disk.lock);
	met = disk.trouble_met;
	pthread_mutex_unlock(&disk.lock);
	return met;
}

void disk_sound(void)
{
	pthread_mutex_lock(&disk.lock);
	disk.trouble_from = 0;
	pthread_mutex_unlock(&disk.lock);
}

static void list_copy(struct file **to, struct file *from)
{
	list_free(to);
	for (; from != NULL; from = from->next) {
		struct file *f = must(calloc(1, sizeof(*f)));

		if (from->open > 0 || from->first != NULL)
			abort();
		memcpy(f->name, from->name, sizeof(f->name));
		f->listed = from->listed;
		f->listed_on_disk = from->listed_on_disk;
		f->last = &f->first;
		content_copy(&f->now, &from->now);
		content_copy(&f->on_disk, &from->on_disk);
		f->next = *to;
		*to = f;
	}
}

void disk_keep(void)
{
	pthread_mutex_lock(&disk.lock);
	list_copy(&disk.kept, disk.files);
	pthread_mutex_unlock(&disk.lock);
}

void disk_take_back(void)
{
	pthread_mutex_lock(&disk.lock);
	list_copy(&disk.files, disk.kept);
	pthread_mutex_unlock(&disk.lock);
}
