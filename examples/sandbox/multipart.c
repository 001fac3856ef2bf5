/*
 * Walking a multipart/form-data body from boundary to boundary.
 */
#include "examples/sandbox/multipart.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { BOUNDARY_MAX = 70 };

/* "--" and the boundary, from the Content-Type. */
static bool boundary_of(const char *content_type, char *out, size_t room)
{
	const char *at = content_type ? strcasestr(content_type, "boundary=") : NULL;
	size_t len;

	if (!at || strncasecmp(content_type, "multipart/form-data", 19) != 0)
		return false;
	at += 9;
	if (*at == '"')
		at++;
	len = strcspn(at, "\"; \t");
	if (len == 0 || len > BOUNDARY_MAX || len + 3 > room)
		return false;
	(void)snprintf(out, room, "--%.*s", (int)len, at);
	return true;
}

/* The value behind name= in a header line of len bytes: name="value". */
static bool parameter(const char *line, size_t len, const char *name, char *out, size_t room)
{
	char pattern[32];
	int n = snprintf(pattern, sizeof(pattern), "%s=\"", name);
	const char *at = line, *end;

	do {
		at = memmem(at, len - (size_t)(at - line), pattern, (size_t)n);
		if (!at)
			return false;
		at += n;
	} while (at - n > line && at[-n - 1] != ' ' && at[-n - 1] != ';');
	end = memchr(at, '"', len - (size_t)(at - line));
	if (!end || (size_t)(end - at) >= room)
		return false;
	memcpy(out, at, (size_t)(end - at));
	out[end - at] = '\0';
	return true;
}

/* Reads the headers of a part; what stands in them of its name, file and type. */
static void read_headers(const char *at, const char *end, struct multipart_part *part)
{
	static const char disposition[] = "Content-Disposition:", type[] = "Content-Type:";

	while (at < end) {
		const char *eol = memmem(at, (size_t)(end - at), "\r\n", 2);
		size_t len = (size_t)((eol ? eol : end) - at);

		if (len > sizeof(disposition) && strncasecmp(at, disposition, sizeof(disposition) - 1) == 0) {
			parameter(at, len, "name", part->name, sizeof(part->name));
			parameter(at, len, "filename", part->filename, sizeof(part->filename));
		} else if (len > sizeof(type) && strncasecmp(at, type, sizeof(type) - 1) == 0) {
			at += sizeof(type) - 1;
			len -= sizeof(type) - 1;
			for (; len > 0 && *at == ' '; len--)
				at++;
			(void)snprintf(
				part->content_type, sizeof(part->content_type), "%.*s", (int)(len < 99 ? len : 99), at);
		}
		at = eol ? eol + 2 : end;
	}
}

void multipart_read(const struct ask *a, struct multipart *out)
{
	char boundary[BOUNDARY_MAX + 3];
	const char *at = (const char *)a->body, *end = at + a->body_len;
	size_t len;

	out->len = 0;
	if (a->body_len == 0 || !boundary_of(a->content_type, boundary, sizeof(boundary)))
		return;
	len = strlen(boundary);
	at = memmem(at, (size_t)(end - at), boundary, len);
	while (at && out->len < MULTIPART_MAX) {
		struct multipart_part *part = &out->parts[out->len];
		const char *head = at + len + 2, *blank, *next;

		if ((size_t)(end - at) < len + 2 || memcmp(head - 2, "\r\n", 2) != 0)
			return;
		blank = memmem(head, (size_t)(end - head), "\r\n\r\n", 4);
		next = blank ? memmem(blank + 4, (size_t)(end - blank - 4), boundary, len) : NULL;
		if (!next || next - 2 < blank + 4)
			return;
		*part = (struct multipart_part){.content_type = "application/octet-stream"};
		read_headers(head, blank, part);
		part->data = (const uint8_t *)blank + 4;
		part->len = (size_t)(next - 2 - (blank + 4));
		out->len++;
		at = next;
	}
}

const struct multipart_part *multipart_part(const struct multipart *m, const char *name)
{
	for (size_t i = 0; i < m->len; i++)
		if (strcmp(m->parts[i].name, name) == 0)
			return &m->parts[i];
	return NULL;
}
