/*
 * A bad disk for the real program: put before the C library (LD_PRELOAD), it fails what databases ask of files, while the
 * first byte of the file BADDISK says so: s no sync succeeds, f there is no room, w no write succeeds, t no truncation.
 *
 * The file is mapped before main begins: afterwards the program may open nothing.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static const volatile char *trouble = "";

static void __attribute__((constructor)) begin(void)
{
	const char *path = getenv("BADDISK");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *page = fd >= 0 ? mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (page == MAP_FAILED)
		_exit(77);
	(void)close(fd);
	trouble = page;
}

static int fails(char what, int error)
{
	if (*trouble != what)
		return 0;
	errno = error;
	return -1;
}

static void *next(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (f == NULL)
		abort();
	return f;
}

int fdatasync(int fd)
{
	return fails('s', EIO) == 0 ? ((int (*)(int))next("fdatasync"))(fd) : -1;
}

int fsync(int fd)
{
	return fails('s', EIO) == 0 ? ((int (*)(int))next("fsync"))(fd) : -1;
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	if (fails('f', ENOSPC) != 0 || fails('w', EIO) != 0)
		return -1;
	return ((ssize_t(*)(int, const void *, size_t, off64_t))next("pwrite64"))(fd, data, len, at);
}

int ftruncate64(int fd, off64_t len)
{
	return fails('t', EIO) == 0 ? ((int (*)(int, off64_t))next("ftruncate64"))(fd, len) : -1;
}
