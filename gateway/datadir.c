/*
 * Files of the data directory, and the rules of who may have them.
 */
#include "gateway/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vault/vault.h"

#define CONTROL_NAME "control"

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
	if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		(void)snprintf(why, why_len,
			"%.600s must belong to the user who runs keyhouse and be writable by nobody else"
			" (chmod 700)",
			dir);
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

/* Makes the key in a child, so that this process never holds it; then gives it its name. */
static bool key_create(const char *path, char *why, size_t why_len)
{
	char draft[DATADIR_PATH_MAX + 8];
	pid_t child;
	int fd, status = -1;

	(void)snprintf(draft, sizeof(draft), "%s.new", path);
	(void)unlink(draft);
	fd = open(draft, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fail(why, why_len, "cannot make the master key file", draft);
	child = fork();
	if (child == 0)
		_exit(vault_init() == VAULT_OK && vault_key_file_create(fd) == VAULT_OK ? 0 : 1);
	if (child > 0)
		while (waitpid(child, &status, 0) < 0 && errno == EINTR)
			continue;
	(void)close(fd);
	if (child < 0 || status != 0 || rename(draft, path) != 0) {
		(void)unlink(draft);
		return fail(why, why_len, "cannot write the master key file", path);
	}
	/* The name must survive a power cut as the content does. */
	*strrchr(draft, '/') = '\0';
	fd = open(draft, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0) {
		(void)fail(why, why_len, "cannot sync", draft);
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	(void)close(fd);
	return true;
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

int datadir_key_open(const struct config *c, char *why, size_t why_len)
{
	char path[DATADIR_PATH_MAX], database[DATADIR_PATH_MAX];
	bool from_credentials = key_path(c, path);
	enum vault_error err;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT && !from_credentials) {
		datadir_database(c, database);
		if (access(database, F_OK) == 0) {
			(void)snprintf(why, why_len,
				"the master key file %.600s is missing but there is a database; put the key file back, "
				"without it "
				"nothing in the database can be read",
				path);
			return -1;
		}
		if (!key_create(path, why, why_len))
			return -1;
		fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
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
