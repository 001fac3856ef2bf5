/*
 * Pieces of a client's body wait in a list until the provider takes them; an answer goes on as far as the listener has
 * room for it. What was held is wiped. Called by sender.c.
 */
#include "gateway/outbound/relay.h"

#include <string.h>

#include "gateway/json.h"
#include "gateway/outbound/wiping.h"

struct piece {
	struct piece *next;
	size_t len, given;
	uint8_t data[];
};

struct relay {
	uint64_t ticket;
	struct relay_out out;

	bool uploads, last; /* last: the body's last piece came */
	bool downloads;
	uint64_t upload_len, came; /* of the body */
	struct piece *first, **end;
	size_t unsaid; /* given to the provider, of which the listener was not told yet */
	size_t window; /* what the listener may not send any more: waits here, or is unsaid */

	size_t on_its_way; /* of the answer: sent and not taken yet */
	bool head_out, streams;
	struct job_head head;
	char *values[OUTBOUND_HEADERS];
	char *text; /* what was collected */
	size_t text_len, text_sent;
};

struct relay *relay_new(const struct job *j, const struct relay_out *out)
{
	struct relay *r = wiping_calloc(1, sizeof(*r));

	if (r == NULL)
		return NULL;
	r->ticket = j->ticket;
	r->out = *out;
	r->uploads = job_uploads(j);
	r->upload_len = j->upload_len;
	r->downloads = kind_carries(j->kind, KIND_DOWNLOAD);
	r->end = &r->first;
	return r;
}

static void drop_first(struct relay *r)
{
	struct piece *p = r->first;

	r->first = p->next;
	if (r->first == NULL)
		r->end = &r->first;
	wiping_free(p);
}

void relay_free(struct relay *r)
{
	if (r == NULL)
		return;
	while (r->first != NULL)
		drop_first(r);
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++)
		wiping_free(r->values[i]);
	json_text_free(r->text);
	wiping_free(r);
}

/* ------------------------------------------------------------ the body */

static bool piece_fits(const struct relay *r, const struct job_piece *p)
{
	const uint64_t max = r->upload_len == OUTBOUND_LEN_UNKNOWN ? OUTBOUND_UPLOAD_MAX : r->upload_len;

	if (!r->uploads || r->last || p->len > JOB_WINDOW - r->window || p->len > max - r->came)
		return false;
	return !p->last || r->upload_len == OUTBOUND_LEN_UNKNOWN || r->came + p->len == r->upload_len;
}

bool relay_body(struct relay *r, const struct job_piece *p)
{
	struct piece *piece;

	if (!piece_fits(r, p))
		return false;
	r->last = p->last;
	r->came += p->len;
	r->window += p->len;
	if (p->len == 0)
		return true;
	piece = wiping_malloc(sizeof(*piece) + p->len);
	if (piece == NULL)
		return false;
	piece->next = NULL;
	piece->len = p->len;
	piece->given = 0;
	memcpy(piece->data, p->data, p->len);
	*r->end = piece;
	r->end = &piece->next;
	return true;
}

/* Not for every few bytes. */
static void say_taken(struct relay *r)
{
	struct frame *f;

	if (r->unsaid == 0 || (r->unsaid < JOB_PIECE_MAX && r->first != NULL))
		return;
	f = r->out.frame(r->out.ctx);
	if (f == NULL)
		return;
	job_taken_encode(f, r->ticket, (uint32_t)r->unsaid);
	r->window -= r->unsaid;
	r->unsaid = 0;
}

size_t relay_give(struct relay *r, void *to, size_t room)
{
	uint8_t *at = to;
	size_t n = 0;

	while (n < room && r->first != NULL) {
		struct piece *p = r->first;
		const size_t left = p->len - p->given, len = left < room - n ? left : room - n;

		memcpy(at + n, p->data + p->given, len);
		p->given += len;
		n += len;
		if (p->given == p->len)
			drop_first(r);
	}
	r->unsaid += n;
	say_taken(r);
	return n > 0 || r->last ? n : TRANSFER_LATER;
}

/* ------------------------------------------------------------ the answer */

static bool is_json(const char *type)
{
	return type != NULL && strcasestr(type, "json") != NULL;
}

/* A file goes on as it comes, text like all else: it is a customer's words, and who sends much of it would have the
 * sender look through it for everybody's time. What may be the provider's is looked through first: a refusal, and JSON,
 * in which both providers have put errors under a 200. */
static bool is_streamed(const struct relay *r)
{
	const bool good = r->head.status >= 200 && r->head.status < 300;

	return r->downloads && good && (!is_json(r->head.values[0]) || r->head.len > RELAY_TEXT_MAX);
}

static void head_out(struct relay *r)
{
	struct frame *f = r->head_out ? NULL : r->out.frame(r->out.ctx);

	if (f == NULL)
		return;
	r->head_out = true;
	job_head_encode(f, &r->head);
}

bool relay_head(
	struct relay *r, const struct transfer_head *head, void (*scrub)(const void *arg, char *value), const void *arg)
{
	r->head = (struct job_head){.ticket = r->ticket, .status = head->status, .len = head->len};
	for (size_t i = 0; i < OUTBOUND_HEADERS; i++) {
		if (head->kept[i] == NULL || !job_header_ok(head->kept[i]))
			continue;
		r->values[i] = wiping_strdup(head->kept[i]);
		if (r->values[i] != NULL)
			scrub(arg, r->values[i]);
		r->head.values[i] = r->values[i];
	}
	r->streams = is_streamed(r);
	if (r->streams)
		head_out(r);
	return r->streams;
}

bool relay_streams(const struct relay *r)
{
	return r->streams;
}

/* As much as the listener has room for; false: less than len. */
static bool part_out(struct relay *r, const void *data, size_t len)
{
	const struct job_piece p = {.ticket = r->ticket, .data = data, .len = len};
	struct frame *f = len <= JOB_WINDOW - r->on_its_way ? r->out.frame(r->out.ctx) : NULL;

	if (f == NULL)
		return false;
	job_piece_encode(f, JOB_PART, &p);
	r->on_its_way += len;
	return true;
}

bool relay_take(struct relay *r, const void *data, size_t len)
{
	return len == 0 || part_out(r, data, len);
}

static void text_out(struct relay *r)
{
	while (r->text_sent < r->text_len) {
		const size_t left = r->text_len - r->text_sent, len = left < JOB_PIECE_MAX ? left : JOB_PIECE_MAX;

		if (!part_out(r, r->text + r->text_sent, len))
			return;
		r->text_sent += len;
	}
}

void relay_answer(struct relay *r, char *text)
{
	r->text = text;
	r->text_len = text != NULL ? strlen(text) : 0;
	r->head.len = r->text_len;
	head_out(r);
	text_out(r);
}

bool relay_taken(struct relay *r, uint32_t len)
{
	if (len > r->on_its_way)
		return false;
	r->on_its_way -= len;
	text_out(r);
	return true;
}

bool relay_done(const struct relay *r)
{
	return r->text_sent == r->text_len;
}
