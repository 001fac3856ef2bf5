/*
 * Walks the file of prepared requests. What requests_open has walked once is known to be whole afterwards.
 */
#include "test/bench/requests.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LENGTH_BYTES 4u

/* The length of the request at p, after its own 4 bytes. */
static size_t length_at(const uint8_t *p)
{
	return (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
}

/* Where the request at this place ends, or 0: the file is damaged. */
static size_t end_of(const uint8_t *bytes, size_t at, size_t len)
{
	size_t one;

	if (len - at < LENGTH_BYTES)
		return 0;
	one = length_at(bytes + at);
	return one == 0 || one > len - at - LENGTH_BYTES ? 0 : at + LENGTH_BYTES + one;
}

const char *requests_open(struct requests *out, const char *path, unsigned long skip, unsigned long max)
{
	struct requests r = {.bytes = NULL};
	struct stat st;
	size_t len;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return "it cannot be read";
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		r.bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	(void)close(fd);
	if (r.bytes == NULL || r.bytes == MAP_FAILED)
		return "it is empty, or cannot be mapped";
	len = (size_t)st.st_size;
	for (unsigned long n = 0; r.end < len && (n < skip || n - skip < max); n++) {
		r.end = end_of(r.bytes, r.end, len);
		if (r.end == 0)
			return "it is damaged";
		if (n < skip)
			r.begin = r.end;
	}
	if (r.begin == r.end)
		return "there are not so many requests in it";
	r.at = r.begin;
	*out = r;
	return NULL;
}

const uint8_t *requests_next(struct requests *r, size_t *len)
{
	const uint8_t *p;

	if (r->at == r->end && r->wrap)
		r->at = r->begin;
	if (r->at == r->end)
		return NULL;
	p = r->bytes + r->at;
	*len = length_at(p);
	r->at += LENGTH_BYTES + *len;
	return p + LENGTH_BYTES;
}
