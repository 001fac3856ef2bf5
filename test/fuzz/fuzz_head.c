/*
 * Fuzzing the head of a request: its end is found at the same place however the bytes arrive, and what is taken for
 * valid can be read in one way only, also by a reader that is told nothing of ours.
 */
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/http/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool is)
{
	if (!is)
		abort();
}

/* Byte by byte, and in pieces as the first byte says. */
static void must_end_alike(const char *bytes, size_t len, int whole, size_t piece)
{
	size_t scanned = 0, have = 0;
	int got = 0;

	while (got == 0 && have < len) {
		have = len - have > piece ? have + piece : len;
		got = http_head_length(bytes, have, &scanned);
	}
	must(got == whole);
}

/* name in small letters, with its colon */
static bool is_named(const char *line, size_t chars, const char *name)
{
	if (chars < strlen(name))
		return false;
	for (size_t i = 0; name[i] != '\0'; i++)
		if (tolower((unsigned char)line[i]) != name[i])
			return false;
	return true;
}

/* Lines end with CRLF and nothing else; a header is a name, a colon and a value on one line. */
static void must_be_plain(const char *head, size_t len)
{
	const char *line = head, *end = head + len;
	unsigned lines = 0, lengths = 0, codings = 0, hosts = 0;

	must(memchr(head, '\0', len) == NULL);
	for (;; lines++) {
		const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
		size_t chars;

		must(next != NULL);
		chars = (size_t)(next - line);
		must(memchr(line, '\n', chars) == NULL && memchr(line, '\r', chars) == NULL);
		if (chars == 0) {
			must(next + 2 == end);
			break;
		}
		if (lines > 0) {
			const char *colon = memchr(line, ':', chars);

			must(colon != NULL && colon > line);
			for (const char *p = line; p < colon; p++)
				must(*p > ' ' && (unsigned char)*p < 127);
			lengths += is_named(line, chars, "content-length:");
			codings += is_named(line, chars, "transfer-encoding:");
			hosts += is_named(line, chars, "host:");
			if (is_named(line, chars, "content-length:"))
				for (const char *p = colon + 1; p < next; p++)
					must(*p == ' ' || (*p >= '0' && *p <= '9'));
		}
		line = next + 2;
	}
	must(lines >= 1 && lines <= HTTP_MAX_HEADERS + 1);
	must(lengths + codings <= 1 && hosts <= 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t scanned = 0;
	char *bytes;
	int end;

	if (len == 0)
		return 0;
	bytes = malloc(len);
	must(bytes != NULL);
	memcpy(bytes, data + 1, len - 1);
	end = http_head_length(bytes, len - 1, &scanned);
	must(end >= -1 && (size_t)(end < 0 ? 0 : end) <= len - 1);
	must_end_alike(bytes, len - 1, end, 1);
	must_end_alike(bytes, len - 1, end, 1 + data[0]);
	if (end > 0 && http_head_valid(bytes, (size_t)end))
		must_be_plain(bytes, (size_t)end);
	free(bytes);
	return 0;
}
