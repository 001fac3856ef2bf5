/*
 * Reading a form as strictly as it can be read: what one reader takes for content and another for a part is refused, since
 * the provider's reader is not known. Called by through.c with a stranger's bytes.
 *
 * Lines end with CRLF. A boundary behind a lone LF is one for some readers; behind the last boundary some look for more parts.
 */
#include "gateway/front/parts.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/outbound/outbound.h"

#define BOUNDARY_MAX 70u /* RFC 2046 */

/* "\r\n--boundary" */
#define MARK_MAX (4u + BOUNDARY_MAX)

enum stage {
	STAGE_FIRST, /* its first boundary comes */
	STAGE_BEHIND, /* two bytes behind a boundary tell what follows */
	STAGE_HEAD,
	STAGE_CONTENT,
	STAGE_CLOSED, /* its last boundary came */
};

struct parts {
	enum stage stage;
	enum parts_verdict verdict;
	char mark[MARK_MAX];
	size_t mark_len;
	size_t matched; /* FIRST: of mark; BEHIND: of what is in head */
	unsigned parts;
	char head[PARTS_HEAD_MAX];
	size_t head_len;
	char tail[MARK_MAX]; /* CONTENT: its last bytes: a boundary may lie across two pieces */
	size_t tail_len;
	size_t content_len; /* CONTENT: bytes that came, the boundary behind it among them */
};

/* ------------------------------------------------------------ the type */

#define SPACES " \t"
/* RFC 2046's, but the comma and the single quote, which end one for some. */
#define BOUNDARY_CHARS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz()+_-./:=?"
#define TOKEN_CHARS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$&+-.^_`|~"

/* A parameter's value behind its "=": a token or a quoted text, of these characters. NULL: it is neither; else its end. */
static const char *value_read(const char *at, const char *chars, const char **value, size_t *len)
{
	const bool quoted = *at == '"';

	*value = at + (quoted ? 1 : 0);
	*len = strspn(*value, chars);
	at = *value + *len;
	if (quoted)
		return *at == '"' ? at + 1 : NULL;
	return *len > 0 ? at : NULL;
}

/* Behind "multipart/form-data": exactly one boundary, wherever a reader looks for the word. */
static bool boundary_read(const char *at, const char **boundary, size_t *len)
{
	static const char word[] = "boundary";
	const char *found = strcasestr(at, word);

	if (found == NULL || strcasestr(found + 1, word) != NULL || found == at || strchr("; \t", found[-1]) == NULL ||
		found[sizeof(word) - 1] != '=')
		return false;
	at = value_read(found + sizeof(word), BOUNDARY_CHARS, boundary, len);
	return at != NULL && *len >= 1 && *len <= BOUNDARY_MAX && (*at == '\0' || *at == ';');
}

struct parts *parts_new(const char *content_type, enum parts_verdict *verdict)
{
	static const char form[] = "multipart/form-data";
	const char *rest = content_type + sizeof(form) - 1, *boundary;
	struct parts *p;
	size_t len;

	*verdict = PARTS_UNREADABLE;
	if (strncasecmp(content_type, form, sizeof(form) - 1) != 0 || rest[strspn(rest, SPACES)] != ';' ||
		!boundary_read(rest, &boundary, &len))
		return NULL;
	*verdict = PARTS_FINE;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->stage = STAGE_FIRST;
	p->verdict = PARTS_FINE;
	memcpy(p->mark, "\r\n--", 4);
	memcpy(p->mark + 4, boundary, len);
	p->mark_len = 4 + len;
	p->matched = 2; /* nothing lies before the first */
	return p;
}

void parts_free(struct parts *p)
{
	if (p == NULL)
		return;
	explicit_bzero(p, sizeof(*p));
	free(p);
}

/* ------------------------------------------------------------ a part's head */

#define NAME_CHARS "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-.[]"

/* Any other parameter's value; its end, or NULL. A backslash before a quote ends it for some. */
static const char *value_skip(const char *at)
{
	const char *value;
	size_t len;

	if (*at != '"')
		return value_read(at, TOKEN_CHARS "'()*/:=?@[]{}%", &value, &len);
	at += 1 + strcspn(at + 1, "\"");
	return *at == '"' && at[-1] != '\\' ? at + 1 : NULL;
}

/* Behind "form-data": one name, of plain characters. */
static enum parts_verdict disposition_read(const char *at)
{
	const char *name = NULL;
	size_t name_len = 0;

	while (*at != '\0') {
		const char *key;
		size_t key_len;

		at += strspn(at, SPACES);
		if (*at != ';')
			return PARTS_UNREADABLE;
		key = at + 1 + strspn(at + 1, SPACES);
		key_len = strspn(key, TOKEN_CHARS "*");
		if (key_len == 0 || key[key_len] != '=')
			return PARTS_UNREADABLE;
		at = key + key_len + 1;
		if (strncasecmp(key, "name", 4) != 0) {
			at = value_skip(at);
		} else {
			if (name != NULL || key_len != 4)
				return PARTS_UNREADABLE;
			at = value_read(at, NAME_CHARS, &name, &name_len);
		}
		if (at == NULL)
			return PARTS_UNREADABLE;
	}
	if (name == NULL || name_len == 0)
		return PARTS_UNREADABLE;
	return outbound_parameter_ok(name, name_len) ? PARTS_FINE : PARTS_NAMES_OURS;
}

/* A line without its end. */
static enum parts_verdict line_read(const char *line, bool *disposed)
{
	static const char header[] = "Content-Disposition:", form[] = "form-data";
	const size_t name_len = strspn(line, TOKEN_CHARS);

	for (const char *c = line; *c != '\0'; c++)
		if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
			return PARTS_UNREADABLE;
	if (name_len == 0 || line[name_len] != ':') /* such as one that goes on with the line before */
		return PARTS_UNREADABLE;
	if (strncasecmp(line, header, sizeof(header) - 1) != 0)
		return PARTS_FINE;
	line += sizeof(header) - 1;
	line += strspn(line, SPACES);
	if (*disposed || strncasecmp(line, form, sizeof(form) - 1) != 0)
		return PARTS_UNREADABLE;
	*disposed = true;
	return disposition_read(line + sizeof(form) - 1);
}

/* The head is whole, its blank line included. */
static enum parts_verdict head_read(struct parts *p)
{
	enum parts_verdict verdict = PARTS_FINE;
	bool disposed = false;
	char *line = p->head;

	if (memchr(p->head, '\0', p->head_len) != NULL)
		return PARTS_UNREADABLE;
	p->head[p->head_len - 2] = '\0'; /* the blank line */
	while (verdict == PARTS_FINE && *line != '\0') {
		char *end = strstr(line, "\r\n");

		*end = '\0';
		verdict = line_read(line, &disposed);
		line = end + 2;
	}
	return verdict == PARTS_FINE && !disposed ? PARTS_UNREADABLE : verdict;
}

/* ------------------------------------------------------------ stages; each takes some of data and says how much */

static size_t refuse(struct parts *p, enum parts_verdict verdict, size_t len)
{
	p->verdict = verdict;
	return len;
}

static void mark_came(struct parts *p)
{
	p->stage = STAGE_BEHIND;
	p->head_len = 0;
}

/* Some begin with an empty line. */
static size_t first_feed(struct parts *p, const char *data, size_t len)
{
	if (p->matched == 2 && data[0] == '\r')
		p->matched = 0;
	if (data[0] != p->mark[p->matched])
		return refuse(p, PARTS_UNREADABLE, len);
	p->matched++;
	if (p->matched == p->mark_len)
		mark_came(p);
	return 1;
}

static size_t behind_feed(struct parts *p, const char *data, size_t len)
{
	p->head[p->head_len++] = data[0];
	if (p->head_len < 2)
		return 1;
	if (memcmp(p->head, "--", 2) == 0)
		p->stage = STAGE_CLOSED;
	else if (memcmp(p->head, "\r\n", 2) == 0 && p->parts++ < PARTS_MAX)
		p->stage = STAGE_HEAD;
	else
		return refuse(p, PARTS_UNREADABLE, len);
	p->head_len = 0;
	return 1;
}

static size_t head_feed(struct parts *p, const char *data, size_t len)
{
	size_t n = 0;

	while (n < len && p->head_len < sizeof(p->head)) {
		p->head[p->head_len++] = data[n++];
		if (p->head_len < 4 || memcmp(p->head + p->head_len - 4, "\r\n\r\n", 4) != 0)
			continue;
		p->verdict = head_read(p);
		p->stage = STAGE_CONTENT;
		/* Some take a boundary that comes at once for one. */
		p->tail[0] = '\n';
		p->tail_len = 1;
		p->content_len = 0;
		return n;
	}
	return p->head_len < sizeof(p->head) ? n : refuse(p, PARTS_UNREADABLE, len);
}

/* The last bytes of what came, in which a boundary may begin, and the one before them. */
static void tail_keep(struct parts *p, const char *data, size_t len)
{
	const size_t keep = len < p->mark_len ? p->mark_len - len : 0, kept = keep < p->tail_len ? keep : p->tail_len;
	const size_t more = len < p->mark_len ? len : p->mark_len;

	memmove(p->tail, p->tail + p->tail_len - kept, kept);
	memcpy(p->tail + kept, data + len - more, more);
	p->tail_len = kept + more;
}

/* Looks for "\n--boundary"; a CR has to stand before it. */
static size_t content_feed(struct parts *p, const char *data, size_t len)
{
	const char *mark = p->mark + 1, *found;
	const size_t mark_len = p->mark_len - 1, more = len < mark_len ? len : mark_len;
	char seam[2 * MARK_MAX];
	const size_t seam_len = p->tail_len + more;

	memcpy(seam, p->tail, p->tail_len);
	memcpy(seam + p->tail_len, data, more);
	found = memmem(seam, seam_len, mark, mark_len);
	if (found != NULL && (size_t)(found - seam) < p->tail_len) {
		if (found == seam || found[-1] != '\r')
			return refuse(p, PARTS_UNREADABLE, len);
		mark_came(p);
		return (size_t)(found - seam) + mark_len - p->tail_len;
	}
	found = memmem(data, len, mark, mark_len);
	if (found == NULL) {
		tail_keep(p, data, len);
		return len;
	}
	if ((found > data ? found[-1] : p->tail[p->tail_len - 1]) != '\r')
		return refuse(p, PARTS_UNREADABLE, len);
	mark_came(p);
	return (size_t)(found - data) + mark_len;
}

/* Until its boundary came whole, some of it may be among what came. */
static void content_count(struct parts *p, size_t len)
{
	p->content_len += len;
	if (p->verdict == PARTS_FINE && p->content_len > PARTS_CONTENT_MAX + p->mark_len)
		p->verdict = PARTS_TOO_LONG;
}

/* Nothing but ends of lines. */
static size_t closed_feed(struct parts *p, const char *data, size_t len)
{
	return data[0] == '\r' || data[0] == '\n' ? 1 : refuse(p, PARTS_UNREADABLE, len);
}

enum parts_verdict parts_feed(struct parts *p, const void *data, size_t len)
{
	const char *at = data;

	while (len > 0 && p->verdict == PARTS_FINE) {
		size_t n = len;

		switch (p->stage) {
		case STAGE_FIRST:
			n = first_feed(p, at, len);
			break;
		case STAGE_BEHIND:
			n = behind_feed(p, at, len);
			break;
		case STAGE_HEAD:
			n = head_feed(p, at, len);
			break;
		case STAGE_CONTENT:
			n = content_feed(p, at, len);
			content_count(p, n);
			break;
		case STAGE_CLOSED:
			n = closed_feed(p, at, len);
			break;
		}
		at += n;
		len -= n;
	}
	return p->verdict;
}

enum parts_verdict parts_end(const struct parts *p)
{
	return p->verdict != PARTS_FINE || p->stage == STAGE_CLOSED ? p->verdict : PARTS_UNREADABLE;
}
