/*
 * The bytes of a transfer on their way. Trusts nothing that a server sends: head and answer are bounded. Called by libcurl,
 * for transfer.c.
 */
#include "gateway/outbound/flow.h"

#include <string.h>
#include <strings.h>
#include <time.h>

#include "gateway/outbound/wiping.h"

#define HEADERS_MAX (64u * 1024u)
#define ANSWER_FIRST 4096u

/* ------------------------------------------------------------ to the server */

size_t flow_give_body(char *to, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	const size_t left = x->body_len - x->body_given;
	const size_t n = left < size * count ? left : size * count;

	/* It was given once already: never again. */
	if (left == 0)
		return CURL_READFUNC_ABORT;
	memcpy(to, x->body + x->body_given, n);
	x->body_given += n;
	return n;
}

size_t flow_give_upload(char *to, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	size_t n;

	/* A second beginning would be a second request. */
	if (x->all_given)
		return CURL_READFUNC_ABORT;
	n = x->watch->give(x->owner, to, size * count);
	if (n == TRANSFER_LATER) {
		x->waits_up = true;
		return CURL_READFUNC_PAUSE;
	}
	x->body_given += n;
	x->all_given = n == 0 || x->body_given == x->upload_len;
	x->moved += n;
	return n;
}

/* ------------------------------------------------------------ from the server */

static bool answer_reserve(struct transfer *x, size_t more)
{
	size_t room = x->answer_room > 0 ? x->answer_room : ANSWER_FIRST;
	char *grown;

	if (more > x->answer_max - x->answer_len) {
		x->too_long = true;
		return false;
	}
	while (room < x->answer_len + more + 1)
		room *= 2;
	if (room == x->answer_room)
		return true;
	grown = wiping_realloc(x->answer, room);
	if (grown == NULL)
		return false;
	x->answer = grown;
	x->answer_room = room;
	return true;
}

/* Once, when the head is whole. */
void flow_tell_head(struct transfer *x)
{
	struct transfer_head head = {.len = UINT64_MAX};
	curl_off_t len = -1;
	long status = 0;

	if (x->watch == NULL || x->told)
		return;
	x->told = true;
	(void)curl_easy_getinfo(x->handle, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(x->handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
	head.status = (int)status;
	if (len >= 0)
		head.len = (uint64_t)len;
	for (size_t i = 0; i < TRANSFER_KEPT_MAX; i++)
		head.kept[i] = x->kept[i];
	x->streams = x->watch->head(x->owner, &head);
}

size_t flow_take(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	const size_t len = size * count;

	flow_tell_head(x);
	if (x->streams && !x->watch->take(x->owner, data, len)) {
		x->waits_down = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	x->moved += len;
	if (x->streams)
		return len;
	if (!answer_reserve(x, len))
		return 0;
	memcpy(x->answer + x->answer_len, data, len);
	x->answer_len += len;
	return len;
}

static void take_date(struct transfer *x, const char *line, size_t len)
{
	static const char name[] = "date:";
	char text[64];
	time_t date;

	if (len <= sizeof(name) - 1 || len >= sizeof(text) || strncasecmp(line, name, sizeof(name) - 1) != 0)
		return;
	memcpy(text, line + sizeof(name) - 1, len - (sizeof(name) - 1));
	text[len - (sizeof(name) - 1)] = '\0';
	date = curl_getdate(text, NULL);
	if (date <= 0)
		return;
	x->date = (int64_t)date;
	x->date_read_at = (int64_t)time(NULL);
}

void flow_kept_drop(struct transfer *x)
{
	for (size_t i = 0; i < TRANSFER_KEPT_MAX; i++) {
		wiping_free(x->kept[i]);
		x->kept[i] = NULL;
	}
}

/* Without the spaces at both ends; the first of a name. */
static char *value_copy(const char *value, size_t len)
{
	char *copy;

	while (len > 0 && strchr(" \t", value[0]) != NULL) {
		value++;
		len--;
	}
	while (len > 0 && strchr(" \t\r\n", value[len - 1]) != NULL)
		len--;
	copy = len <= TRANSFER_KEPT_LEN && memchr(value, '\0', len) == NULL ? wiping_malloc(len + 1) : NULL;
	if (copy == NULL)
		return NULL;
	memcpy(copy, value, len);
	copy[len] = '\0';
	return copy;
}

static void keep_header(struct transfer *x, const char *line, size_t len)
{
	for (size_t i = 0; i < x->keep_len; i++) {
		const size_t name_len = strlen(x->keep[i]);

		if (x->kept[i] == NULL && len > name_len && line[name_len] == ':' &&
			strncasecmp(line, x->keep[i], name_len) == 0)
			x->kept[i] = value_copy(line + name_len + 1, len - name_len - 1);
	}
}

/* A head is whole: of a provisional answer, or of the one. A refused body is wanted no more. */
static void head_ends(struct transfer *x)
{
	long status = 0;

	(void)curl_easy_getinfo(x->handle, CURLINFO_RESPONSE_CODE, &status);
	x->began = status >= 200;
	if (!x->began)
		flow_kept_drop(x);
	if (status >= 400)
		x->home->refusals = x->refused_body = true;
}

size_t flow_take_header(char *data, size_t size, size_t count, void *arg)
{
	struct transfer *x = arg;
	const size_t len = size * count;

	if (len > HEADERS_MAX - x->headers_len) {
		x->too_long = true;
		return 0;
	}
	x->headers_len += len;
	x->moved += len;
	if (x->began)
		return len; /* behind a body come trailers */
	take_date(x, data, len);
	usage_read(data, len, &x->regain_ms);
	keep_header(x, data, len);
	if (len <= 2 && (data[0] == '\r' || data[0] == '\n'))
		head_ends(x);
	return len;
}
