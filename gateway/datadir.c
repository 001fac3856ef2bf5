/*
 * Files of the data directory, and the rules of who may have them.
 */
#include "gateway/datadir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "gateway/log.h"
#include "vault/vault.h"

#define CONTROL_NAME "control"
#define STAGE_NAME "restoring.db"
#define COPY_BEGIN "verify-" /* and a process id, and the next */
#define COPY_END ".db"
#define DRAFT_END ".keyhouse-draft" /* of a key file */

static bool fail(char *why, size_t why_len, const char *what, const char *path)
{
	(void)snprintf(why, why_len, "%s %.600s: %s", what, path, strerror(errno));
	return false;
}

static void path_in(const struct config *c, const char *name, char path[static DATADIR_PATH_MAX])
{
	(void)snprintf(path, DATADIR_PATH_MAX, "%s/%s", config_get(c, CONFIG_DATA_DIR), name);
}

void datadir_database(const struct config *c, char path[static DATADIR_PATH_MAX])
{
	path_in(c, "keyhouse.db", path);
}

bool datadir_prepare(const struct config *c, char *why, size_t why_len)
{
	const char *dir = config_get(c, CONFIG_DATA_DIR);
	struct stat st;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return fail(why, why_len, "cannot make the data directory", dir);
	if (stat(dir, &st) != 0)
		return fail(why, why_len, "cannot look at the data directory", dir);
	if (!S_ISDIR(st.st_mode)) {
		(void)snprintf(why, why_len, "%.600s is not a directory", dir);
		return false;
	}
	if (st.st_uid != geteuid()) {
		(void)snprintf(why, why_len,
			"%.600s belongs to the user with the id %u: run keyhouse as that user (setpriv --reuid=%u), or "
			"give the directory with all that is in it to the one who runs it",
			dir, (unsigned)st.st_uid, (unsigned)st.st_uid);
		return false;
	}
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		(void)snprintf(why, why_len, "others may write in %.600s: chmod 700 takes that from them", dir);
		return false;
	}
	return true;
}

static void sleep_ms(long ms)
{
	struct timespec t = {ms / 1000, (ms % 1000) * 1000000};

	(void)nanosleep(&t, NULL);
}

enum datadir_lock datadir_lock(const struct config *c, unsigned wait_ms, int *fd, char *why, size_t why_len)
{
	char path[DATADIR_PATH_MAX];
	int lock;

	path_in(c, "lock", path);
	lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0) {
		(void)fail(why, why_len, "cannot open", path);
		return DATADIR_LOCK_FAILED;
	}
	for (unsigned waited = 0; flock(lock, LOCK_EX | LOCK_NB) != 0; waited += 50) {
		if (errno != EWOULDBLOCK) {
			(void)fail(why, why_len, "cannot lock", path);
			(void)close(lock);
			return DATADIR_LOCK_FAILED;
		}
		if (waited >= wait_ms) {
			(void)snprintf(why, why_len,
				"another keyhouse works on %.600s; stop it, or name another data_dir",
				config_get(c, CONFIG_DATA_DIR));
			(void)close(lock);
			return DATADIR_IN_USE;
		}
		sleep_ms(50);
	}
	*fd = lock;
	return DATADIR_LOCKED;
}

/* ------------------------------------------------------------ master key */

/* What a key file is written from. */
struct key_change {
	enum { KEY_CREATE, KEY_ROTATE, KEY_RETIRE, KEY_RESTORE } what;
	int old; /* the key file as it is; for KEY_ROTATE and KEY_RETIRE */
	const char (*keep)[VAULT_KEY_ID_LEN + 1]; /* for KEY_RETIRE; for KEY_RESTORE: of which one must be in the kit */
	size_t keep_len;
	unsigned gone;
	bool replaces; /* takes the name from the file that has it; else never */
	const struct vault_kit *kit; /* for KEY_RESTORE, as the next */
	const struct secret *passphrase;
};

#define CHILD_FAILED 64 /* and the error added to it; below that, how many keys are gone */

/* Neither a core nor somebody's debugger gets to see what this process holds. */
static bool keep_to_oneself(void)
{
	return setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0}) == 0 && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0;
}

/* In a child, so that this process never holds a key. */
static int key_write(const struct key_change *change, int fd)
{
	enum vault_error err = keep_to_oneself() ? vault_init() : VAULT_NO_MEMORY;
	unsigned gone = 0;

	if (err == VAULT_OK && change->what == KEY_CREATE)
		err = vault_key_file_create(fd);
	else if (err == VAULT_OK && change->what == KEY_ROTATE)
		err = vault_key_file_rotate(change->old, fd);
	else if (err == VAULT_OK && change->what == KEY_RESTORE)
		err = vault_kit_restore(change->kit, change->passphrase, change->keep, change->keep_len, fd);
	else if (err == VAULT_OK)
		err = vault_key_file_retire(change->old, fd, change->keep, change->keep_len, &gone);
	return err == VAULT_OK ? (int)gone : CHILD_FAILED + (int)err;
}

/* The directory in which path lies, whose name goes to directory; -1 with errno. */
static int directory_open(const char *path, char directory[static DATADIR_PATH_MAX])
{
	(void)snprintf(directory, DATADIR_PATH_MAX, "%.*s", (int)(strrchr(path, '/') - path), path);
	return open(directory[0] != '\0' ? directory : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* The name must survive a power cut as the content does. */
static bool directory_sync(const char *path, char *why, size_t why_len)
{
	char directory[DATADIR_PATH_MAX];
	int fd = directory_open(path, directory);
	bool ok = (fd >= 0 && fsync(fd) == 0) || fail(why, why_len, "cannot sync", directory);

	if (fd >= 0)
		(void)close(fd);
	return ok;
}

static const char *key_fault(enum vault_error err, const struct key_change *change)
{
	if (err == VAULT_BAD_REQUEST && change->what == KEY_RESTORE)
		return "nothing was written: this is the kit of another master key, and the database in the data "
		       "directory does not open with it; take the kit of this installation, or say with --out FILE "
		       "where else the key file is to go";
	if (err == VAULT_BAD_REQUEST)
		return "the key file holds as many master keys as it can; `keyhouse key retire` takes out those that "
		       "nothing needs";
	if (err == VAULT_WRONG_KEY && change->what == KEY_RESTORE)
		return "the passphrase is not this kit's, or a line is another kit's; try again, and mind capitals and "
		       "blanks in a passphrase of your own";
	if (err == VAULT_NO_MEMORY)
		return "out of memory: opening or making a recovery kit takes 256 MiB";
	return vault_error_text(err);
}

/* What the key file is written to: a file without a name, so that a kill leaves nothing; where the file system has no such
 * thing, one that is called draft. */
struct draft {
	int fd;
	bool nameless;
	char name[DATADIR_PATH_MAX + sizeof(DRAFT_END)];
};

static void draft_name(const char *path, char name[static DATADIR_PATH_MAX + sizeof(DRAFT_END)])
{
	(void)snprintf(name, DATADIR_PATH_MAX + sizeof(DRAFT_END), "%s%s", path, DRAFT_END);
}

static bool draft_open(struct draft *d, const char *path)
{
	char directory[DATADIR_PATH_MAX];

	draft_name(path, d->name);
	(void)unlink(d->name);
	(void)snprintf(directory, sizeof(directory), "%.*s", (int)(strrchr(path, '/') - path), path);
	d->fd = open(directory[0] != '\0' ? directory : "/", O_RDWR | O_TMPFILE | O_CLOEXEC, 0600);
	d->nameless = d->fd >= 0 && access("/proc/self/fd", X_OK) == 0;
	if (d->nameless)
		return true;
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = open(d->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	return d->fd >= 0;
}

static bool draft_link(const struct draft *d, const char *name)
{
	char self[64];

	(void)snprintf(self, sizeof(self), "/proc/self/fd/%d", d->fd);
	return linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) == 0;
}

/* Gives the draft its name: never over a file that came to be there meanwhile, unless it is to replace one. */
static bool key_name(const struct key_change *change, const struct draft *d, const char *path)
{
	if (d->nameless && !change->replaces)
		return draft_link(d, path);
	if (d->nameless && !draft_link(d, d->name))
		return false;
	if (change->replaces)
		return rename(d->name, path) == 0;
	if (renameat2(AT_FDCWD, d->name, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
		return true;
	/* A file system that cannot tell: it was looked just before. */
	return errno == EINVAL && access(path, F_OK) != 0 && rename(d->name, path) == 0;
}

/* Writes it beside path, and then gives it that name. */
static bool key_put(const char *path, struct key_change *change, char *why, size_t why_len)
{
	struct draft draft;
	int status = -1, error;
	bool ok;
	pid_t child;

	if (!draft_open(&draft, path))
		return fail(why, why_len, "cannot make the master key file", draft.name);
	child = fork();
	if (child == 0)
		_exit(key_write(change, draft.fd));
	if (child > 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			continue;
	ok = child > 0 && WIFEXITED(status) && WEXITSTATUS(status) < CHILD_FAILED && key_name(change, &draft, path);
	error = errno;
	if (!ok)
		(void)unlink(draft.name);
	(void)close(draft.fd);
	if (!ok && child > 0 && WIFEXITED(status) && WEXITSTATUS(status) >= CHILD_FAILED) {
		enum vault_error err = (enum vault_error)(WEXITSTATUS(status) - CHILD_FAILED);

		(void)snprintf(why, why_len, "%s", key_fault(err, change));
		return false;
	}
	errno = error;
	if (!ok)
		return fail(why, why_len, "cannot write the master key file", path);
	change->gone = (unsigned)WEXITSTATUS(status);
	return directory_sync(path, why, why_len);
}

static bool key_path(const struct config *c, char path[static DATADIR_PATH_MAX])
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	const char *file = config_get(c, CONFIG_MASTER_KEY_FILE);

	if (credentials != NULL && credentials[0] == '/') {
		int len = snprintf(path, DATADIR_PATH_MAX, "%s/master-key", credentials);

		if (len > 0 && (unsigned)len < DATADIR_PATH_MAX && access(path, F_OK) == 0)
			return true;
	}
	(void)snprintf(path, DATADIR_PATH_MAX, "%s%s", strchr(file, '/') == NULL ? "./" : "", file);
	return false;
}

/* Two that change it at the same time would each lose the other's key. Returns a descriptor to be closed, or -1. */
static int key_lock(const char *path, int how, char *why, size_t why_len)
{
	char directory[DATADIR_PATH_MAX];
	int fd = directory_open(path, directory);

	if (fd >= 0 && flock(fd, LOCK_EX | how) == 0)
		return fd;
	(void)fail(why, why_len, "cannot lock", directory);
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

static bool key_change(const struct config *c, const char *to, struct key_change *change, char *why, size_t why_len)
{
	char path[DATADIR_PATH_MAX], target[DATADIR_PATH_MAX];
	bool from_credentials = key_path(c, path), ok = false;
	int lock;

	if (from_credentials && to == NULL) {
		(void)snprintf(why, why_len,
			"the master key comes from systemd's credential, which is not written here: %s, and restart",
			change->what == KEY_RETIRE
				? "name the file that it is made from with --master-key-file, outside of the service"
				: "`keyhouse key rotate --master --to FILE` writes what it is to be; put it there");
		return false;
	}
	(void)snprintf(target, sizeof(target), "%s%.*s", to != NULL && strchr(to, '/') == NULL ? "./" : "",
		(int)sizeof(target) - 8, to != NULL ? to : path);
	if (to != NULL && access(to, F_OK) == 0) {
		(void)snprintf(why, why_len, "there is a file %.600s already; name another", to);
		return false;
	}
	lock = key_lock(target, 0, why, why_len);
	if (lock < 0)
		return false;
	change->replaces = to == NULL;
	change->old = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (change->old < 0)
		(void)fail(why, why_len, "cannot open the master key file", path);
	else
		ok = key_put(target, change, why, why_len);
	if (change->old >= 0)
		(void)close(change->old);
	(void)close(lock);
	return ok;
}

bool datadir_key_rotate(const struct config *c, const char *to, char *why, size_t why_len)
{
	struct key_change change = {.what = KEY_ROTATE};

	return key_change(c, to, &change, why, why_len);
}

bool datadir_key_retire(const struct config *c, const char (*keep)[VAULT_KEY_ID_LEN + 1], size_t keep_len,
	unsigned *gone, char *why, size_t why_len)
{
	struct key_change change = {.what = KEY_RETIRE, .keep = keep, .keep_len = keep_len};

	*gone = 0;
	if (!key_change(c, NULL, &change, why, why_len))
		return false;
	*gone = change.gone;
	return true;
}

static int key_open(const struct config *c, bool make, char *why, size_t why_len)
{
	char path[DATADIR_PATH_MAX], database[DATADIR_PATH_MAX];
	bool from_credentials = key_path(c, path);
	enum vault_error err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT && !from_credentials && make) {
		datadir_database(c, database);
		if (access(database, F_OK) == 0) {
			(void)snprintf(why, why_len,
				"the master key file %.600s is missing but there is a database; put the key file back, "
				"or make it again from a recovery kit (keyhouse restore-key): without it nothing in "
				"the database can be read",
				path);
			return -1;
		}
		if (!key_put(path, &(struct key_change){.what = KEY_CREATE}, why, why_len))
			return -1;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	}
	if (fd < 0 && errno == ELOOP) {
		(void)snprintf(why, why_len,
			"the master key file %.600s is a symbolic link; set master_key_file to the file itself", path);
		return -1;
	}
	if (fd < 0) {
		(void)fail(why, why_len, "cannot open the master key file", path);
		return -1;
	}
	err = vault_key_file_check(fd);
	if (err != VAULT_OK) {
		(void)snprintf(why, why_len, "the master key file %.600s is refused: %s", path, vault_error_text(err));
		(void)close(fd);
		return -1;
	}
	return fd;
}

int datadir_key_open(const struct config *c, char *why, size_t why_len)
{
	return key_open(c, true, why, why_len);
}

int datadir_key_find(const struct config *c, char *why, size_t why_len)
{
	return key_open(c, false, why, why_len);
}

/* ------------------------------------------------------------ recovery kit */

/* In a child: writes the verdict, and the kit, which is sealed, to out. */
static void kit_write(int key, const struct secret *passphrase, int out)
{
	struct vault_kit kit = {.len = 0};
	uint8_t verdict = VAULT_NO_MEMORY;

	if (keep_to_oneself() && vault_init() == VAULT_OK)
		verdict = (uint8_t)vault_kit_seal(key, passphrase, &kit);
	_exit(write(out, &verdict, 1) == 1 && write(out, kit.bytes, kit.len) == (ssize_t)kit.len ? 0 : 1);
}

static bool kit_read(int in, struct vault_kit *out, enum vault_error *verdict)
{
	uint8_t bytes[1 + VAULT_KIT_MAX + 1];
	size_t len = 0;
	ssize_t n;

	while (len < sizeof(bytes) && (n = read(in, bytes + len, sizeof(bytes) - len)) != 0) {
		if (n < 0 && errno != EINTR)
			return false;
		len += n > 0 ? (size_t)n : 0;
	}
	if (len == 0 || len == sizeof(bytes) || bytes[0] > VAULT_GONE)
		return false;
	*verdict = (enum vault_error)bytes[0];
	out->len = len - 1;
	memcpy(out->bytes, bytes + 1, out->len);
	return true;
}

bool datadir_kit_make(
	const struct config *c, const struct secret *passphrase, struct vault_kit *out, char *why, size_t why_len)
{
	const struct key_change none = {.what = KEY_CREATE};
	enum vault_error verdict = VAULT_GONE;
	int key = datadir_key_find(c, why, why_len), pipes[2];
	bool ok;
	pid_t child;

	if (key < 0)
		return false;
	if (pipe2(pipes, O_CLOEXEC) != 0) {
		(void)close(key);
		return fail(why, why_len, "cannot make a pipe in", config_get(c, CONFIG_DATA_DIR));
	}
	child = fork();
	if (child == 0)
		kit_write(key, passphrase, pipes[1]);
	(void)close(pipes[1]);
	(void)close(key);
	ok = child > 0 && kit_read(pipes[0], out, &verdict) && verdict == VAULT_OK;
	(void)close(pipes[0]);
	while (child > 0 && waitpid(child, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (!ok)
		(void)snprintf(why, why_len, "the recovery kit cannot be made: %s", key_fault(verdict, &none));
	return ok;
}

bool datadir_key_restore(const struct config *c, const char *to, const struct vault_kit *kit,
	const struct secret *passphrase, const char (*needed)[VAULT_KEY_ID_LEN + 1], size_t needed_len,
	char path[static DATADIR_PATH_MAX], char *why, size_t why_len)
{
	struct key_change change = {.what = KEY_RESTORE, .kit = kit, .passphrase = passphrase};
	struct stat st;
	bool ok;
	int lock;

	if (to == NULL) {
		change.keep = needed;
		change.keep_len = needed_len;
	}
	if (to != NULL) {
		(void)snprintf(path, DATADIR_PATH_MAX, "%s%.*s", strchr(to, '/') == NULL ? "./" : "",
			(int)DATADIR_PATH_MAX - 8, to);
	} else if (key_path(c, path)) {
		(void)snprintf(why, why_len,
			"the master key comes from systemd's credential, which is not written here: say where the key "
			"file is to go with --out FILE, and put it there");
		return false;
	}
	if (lstat(path, &st) == 0) {
		(void)snprintf(why, why_len,
			"there is a file %.600s already, and no key file is written over: move it away, or name "
			"another "
			"with --out",
			path);
		return false;
	}
	lock = key_lock(path, 0, why, why_len);
	if (lock < 0)
		return false;
	ok = key_put(path, &change, why, why_len);
	(void)close(lock);
	return ok;
}

/* ------------------------------------------------------------ what a kill left */

void datadir_stage(const struct config *c, char path[static DATADIR_PATH_MAX])
{
	path_in(c, STAGE_NAME, path);
}

/* A database, and what may lie beside it. */
static const char *const ends[] = {"", "-wal", "-shm", "-journal"};

/* Whether it is what a copy of process is called, or lies beside it as a database's log does. */
static bool is_copy(const char *name)
{
	size_t digits;

	if (strncmp(name, COPY_BEGIN, sizeof(COPY_BEGIN) - 1) != 0)
		return false;
	name += sizeof(COPY_BEGIN) - 1;
	digits = strspn(name, "0123456789");
	if (digits == 0 || strncmp(name + digits, COPY_END, sizeof(COPY_END) - 1) != 0)
		return false;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (strcmp(name + digits + sizeof(COPY_END) - 1, ends[i]) == 0)
			return true;
	return false;
}

static void remove_left(const char *path)
{
	struct stat st;

	if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && unlink(path) == 0)
		log_info("removed what a command that was killed left: %.600s", path);
}

static void copies_remove(const struct config *c)
{
	char path[DATADIR_PATH_MAX];
	DIR *dir = opendir(config_get(c, CONFIG_DATA_DIR));

	if (dir == NULL)
		return;
	for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
		if (is_copy(e->d_name) && strlen(e->d_name) < 64) {
			path_in(c, e->d_name, path);
			remove_left(path);
		}
	}
	(void)closedir(dir);
}

/* Process ids say nothing where the directory is shared with a container: whoever has a copy holds a lock, and those that
 * lie there while nobody does are left over. */
int datadir_copies_lock(const struct config *c)
{
	char path[DATADIR_PATH_MAX];
	int fd;

	path_in(c, "copies", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
		copies_remove(c);
	if (fd >= 0 && flock(fd, LOCK_SH) == 0)
		return fd;
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

void datadir_copy(const struct config *c, char path[static DATADIR_PATH_MAX])
{
	char name[64];

	(void)snprintf(name, sizeof(name), COPY_BEGIN "%ld" COPY_END, (long)getpid());
	path_in(c, name, path);
}

void datadir_sweep(const struct config *c)
{
	char path[DATADIR_PATH_MAX], draft[DATADIR_PATH_MAX + sizeof(DRAFT_END)], stage[64], why[1024];
	int copies = datadir_copies_lock(c), key;

	if (copies >= 0)
		(void)close(copies);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		(void)snprintf(stage, sizeof(stage), STAGE_NAME "%s", ends[i]);
		path_in(c, stage, path);
		remove_left(path);
	}
	if (key_path(c, path))
		return;
	/* Who writes one holds this lock. */
	key = key_lock(path, LOCK_NB, why, sizeof(why));
	if (key < 0)
		return;
	draft_name(path, draft);
	remove_left(draft);
	(void)close(key);
}

/* ------------------------------------------------------------ control socket */

/* Runs bind or connect from inside the directory: socket paths are short, directories need not be. */
static int control_socket(const struct config *c, int (*act)(int fd, const struct sockaddr *a, socklen_t len))
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = CONTROL_NAME};
	int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = -1, saved;

	if (here < 0)
		return -1;
	if (chdir(config_get(c, CONFIG_DATA_DIR)) == 0) {
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && act(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
			saved = errno;
			(void)close(fd);
			fd = -1;
			errno = saved;
		}
	}
	saved = errno;
	if (fchdir(here) != 0 && fd >= 0) {
		(void)close(fd);
		fd = -1;
	}
	(void)close(here);
	errno = saved;
	return fd;
}

static int bind_owner_only(int fd, const struct sockaddr *address, socklen_t len)
{
	mode_t before = umask(0177);
	int result;

	/* The lock is ours: a socket left here is a dead service's. */
	(void)unlink(CONTROL_NAME);
	result = bind(fd, address, len);
	(void)umask(before);
	return result != 0 ? result : listen(fd, 64);
}

int datadir_control_listen(const struct config *c, char *why, size_t why_len)
{
	int fd = control_socket(c, bind_owner_only);

	if (fd < 0)
		(void)fail(why, why_len, "cannot make the control socket in", config_get(c, CONFIG_DATA_DIR));
	return fd;
}

int datadir_control_connect(const struct config *c)
{
	return control_socket(c, connect);
}
