/*
 * Decides, over the raw bytes of a request's head, whether it can be read in
 * one way only. What two programs on the way could read differently hides
 * requests inside requests, so it is refused, not repaired.
 *
 * Called by engine.c before CivetWeb parses; the bytes are from strangers.
 */
#include <string.h>
#include <strings.h>

#include "gateway/http/internal.h"

enum { LENGTH_DIGITS_MAX = 15 };

struct slice {
	const char *at;
	size_t len;
};

/* What the headers say about where the body ends. */
struct framing {
	unsigned headers;
	unsigned lengths;
	unsigned codings;
	unsigned hosts;
};

static bool is_token_char(char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static bool is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_token_char(s.at[i]))
			return false;
	}
	return s.len > 0;
}

static bool equals(struct slice s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.at, word, s.len) == 0;
}

static struct slice trimmed(struct slice s)
{
	while (s.len > 0 && s.at[0] == ' ') {
		s.at++;
		s.len--;
	}
	while (s.len > 0 && s.at[s.len - 1] == ' ')
		s.len--;
	return s;
}

int http_head_length(const char *buf, size_t len, size_t *scanned)
{
	for (size_t i = *scanned; i < len; i++) {
		unsigned char c = (unsigned char)buf[i];

		if (c == '\n') {
			if (i == 0 || buf[i - 1] != '\r')
				return -1;
			if (i >= 3 && buf[i - 2] == '\n')
				return (int)(i + 1);
		} else if (i > 0 && buf[i - 1] == '\r') {
			return -1;
		} else if ((c < ' ' && c != '\r') || c == 127) {
			return -1;
		}
	}
	*scanned = len;
	return 0;
}

/* Takes the line up to the next CRLF off the front of rest. */
static bool next_line(struct slice *rest, struct slice *line)
{
	const char *end = memchr(rest->at, '\r', rest->len);

	if (!end || (size_t)(end - rest->at) + 2 > rest->len || end[1] != '\n')
		return false;
	line->at = rest->at;
	line->len = (size_t)(end - rest->at);
	rest->at = end + 2;
	rest->len -= line->len + 2;
	return true;
}

/* "METHOD /target HTTP/d.d", one space between, only the origin form. */
static bool request_line_valid(struct slice line)
{
	const char *space = memchr(line.at, ' ', line.len);
	struct slice method, target, version;

	if (!space)
		return false;
	method = (struct slice){line.at, (size_t)(space - line.at)};
	target = (struct slice){space + 1, line.len - method.len - 1};
	space = memchr(target.at, ' ', target.len);
	if (!space)
		return false;
	version = (struct slice){space + 1, target.len - (size_t)(space - target.at) - 1};
	target.len = (size_t)(space - target.at);
	for (size_t i = 0; i < target.len; i++) {
		if ((unsigned char)target.at[i] <= ' ' || (unsigned char)target.at[i] >= 127)
			return false;
	}
	return is_token(method) && target.len > 0 && target.at[0] == '/' && version.len == 8 &&
		strncmp(version.at, "HTTP/", 5) == 0 && version.at[5] >= '0' && version.at[5] <= '9' &&
		version.at[6] == '.' && version.at[7] >= '0' && version.at[7] <= '9';
}

static bool length_valid(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		if (value.at[i] < '0' || value.at[i] > '9')
			return false;
	}
	return value.len > 0 && value.len <= LENGTH_DIGITS_MAX;
}

/* "Name: value"; a name that is no token also covers folded lines and " :". */
static bool header_valid(struct slice line, struct framing *framing)
{
	const char *colon = memchr(line.at, ':', line.len);
	struct slice name, value;

	if (!colon || ++framing->headers > HTTP_MAX_HEADERS)
		return false;
	name = (struct slice){line.at, (size_t)(colon - line.at)};
	value = trimmed((struct slice){colon + 1, line.len - name.len - 1});
	if (!is_token(name))
		return false;
	if (equals(name, "Content-Length")) {
		framing->lengths++;
		return length_valid(value);
	}
	if (equals(name, "Transfer-Encoding")) {
		framing->codings++;
		return equals(value, "chunked");
	}
	if (equals(name, "Host"))
		framing->hosts++;
	return true;
}

bool http_head_valid(const char *head, size_t len)
{
	struct slice rest = {head, len};
	struct slice request_line, line;
	struct framing framing = {0};
	bool old_version;

	if (!next_line(&rest, &request_line) || !request_line_valid(request_line))
		return false;
	old_version = strncmp(request_line.at + request_line.len - 3, "1.0", 3) == 0;
	for (;;) {
		if (!next_line(&rest, &line))
			return false;
		if (line.len == 0)
			break;
		if (!header_valid(line, &framing))
			return false;
	}
	if (rest.len > 0 || framing.hosts > 1)
		return false;
	return framing.lengths + framing.codings <= 1 && !(old_version && framing.codings > 0);
}
