/*
 * A bounded ring of JSON lines, and waiting for the next one.
 */
#include "examples/sandbox/journal.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "examples/sandbox/waits.h"
#include "gateway/json.h"

enum {
	BATCH_BYTES = 4 << 20, /* one answer's worth of lines */
};

bool journal_init(struct journal *j, size_t max, size_t bytes_max)
{
	*j = (struct journal){.max = max, .bytes_max = bytes_max};
	j->lines = calloc(max, sizeof(*j->lines));
	return j->lines != NULL;
}

static void drop_oldest(struct journal *j)
{
	struct journal_line *oldest = &j->lines[j->first];

	j->bytes -= oldest->len;
	json_text_free(oldest->text);
	oldest->text = NULL;
	j->first = (j->first + 1) % j->max;
	j->count--;
}

void journal_forget(struct journal *j)
{
	while (j->count > 0)
		drop_oldest(j);
}

void journal_clear(struct journal *j)
{
	if (j->lines)
		journal_forget(j);
	free(j->lines);
	*j = (struct journal){0};
}

/* Takes text. */
static void add(struct sandbox *s, struct journal *j, char *text)
{
	struct journal_line line = {.seq = j->last + 1, .text = text};

	if (!text)
		return;
	line.len = strlen(text);
	while (j->count == j->max || (j->count > 0 && j->bytes + line.len > j->bytes_max))
		drop_oldest(j);
	j->lines[(j->first + j->count++) % j->max] = line;
	j->bytes += line.len;
	j->last = line.seq;
	pthread_cond_broadcast(&s->changed);
}

void journal_add(struct sandbox *s, struct journal *j, struct cJSON *item)
{
	char *text;

	cJSON_DeleteItemFromObjectCaseSensitive(item, "seq");
	cJSON_AddNumberToObject(item, "seq", (double)(j->last + 1));
	text = json_text(item);
	if (text)
		utf8_clean(text);
	add(s, j, text);
}

void journal_add_text(struct sandbox *s, struct journal *j, char *text)
{
	size_t room = text ? strlen(text) + 32 : 32;
	char *line = text ? malloc(room) : NULL;

	if (line)
		(void)snprintf(line, room, "{\"seq\":%" PRIu64 ",%s", j->last + 1, text + 1);
	json_text_free(text);
	add(s, j, line);
}

/* The first line after a number: lines are numbered without gaps. */
static size_t index_after(const struct journal *j, uint64_t after)
{
	uint64_t oldest = j->count > 0 ? j->lines[j->first].seq : 0;

	return after < oldest ? 0 : (size_t)(after - oldest + 1);
}

static char *gather(
	const struct journal *j, uint64_t after, const char *separator, bool events, size_t *len, uint64_t *next)
{
	size_t begin = index_after(j, after), end = begin, size = 1;
	char *text = NULL, *at;

	for (; end < j->count && size < BATCH_BYTES; end++)
		size += j->lines[(j->first + end) % j->max].len + 64;
	if (begin >= end || !(text = malloc(size)))
		return NULL;
	at = text;
	for (size_t i = begin; i < end; i++) {
		const struct journal_line *line = &j->lines[(j->first + i) % j->max];
		int n = events ? snprintf(at, 64, "id: %" PRIu64 "\ndata: ", line->seq)
			       : snprintf(at, 64, "%s", i > begin ? separator : "");

		at += n;
		memcpy(at, line->text, line->len);
		at += line->len;
		if (events) {
			*at++ = '\n';
			*at++ = '\n';
		}
		*next = line->seq;
	}
	*at = '\0';
	*len = (size_t)(at - text);
	return text;
}

char *journal_after(const struct journal *j, uint64_t after, const char *separator, size_t *len, uint64_t *next)
{
	return gather(j, after, separator, false, len, next);
}

char *journal_events(const struct journal *j, uint64_t after, size_t *len, uint64_t *next)
{
	return gather(j, after, "", true, len, next);
}

void journal_wait(struct sandbox *s, const struct journal *j, uint64_t after, unsigned wait_ms)
{
	struct wait w;

	if (!wait_begin(&w, s, &s->changed, wait_ms))
		return;
	while (j->last <= after && wait_on(&w))
		;
	wait_end(&w);
}
