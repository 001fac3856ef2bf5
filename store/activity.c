/*
 * What became of a business's messages, day by day: one walk back along its log, and what
 * was counted of its answers.
 */
#include <stdlib.h>
#include <string.h>

#include "store/core.h"
#include "store/demand.h"

#define DAY_MS INT64_C(86400000)
/* An event that waited for a restart is logged behind messages younger than its own. */
#define SLACK_MS INT64_C(3600000)
#define PLACES_MIN 1024u

/* A conversation, met on the way back from its newest message. */
struct place {
	uint8_t conversation[STORE_INDEX_LEN];
	uint32_t days; /* a bit for each day on which something happened; 0: the place is free */
	int64_t answer_at; /* the oldest outbound message met so far; 0: none */
};

struct answer {
	unsigned day;
	int64_t ms;
};

struct walk {
	int64_t first_day;
	struct place *places; /* a hash table */
	size_t places_len, places_room;
	struct answer *answers;
	size_t answers_len, answers_room;
	struct store_activity *out;
};

/* ------------------------------------------------------------ conversations */

/* Blind indexes are evenly spread already. */
static struct place *place_find(struct place *places, size_t room, const uint8_t *conversation)
{
	size_t at;

	memcpy(&at, conversation, sizeof(at));
	at &= room - 1;
	while (places[at].days != 0 && memcmp(places[at].conversation, conversation, STORE_INDEX_LEN) != 0)
		at = (at + 1) & (room - 1);
	return &places[at];
}

static bool places_grow(struct walk *w)
{
	const size_t room = w->places_room > 0 ? w->places_room * 2 : PLACES_MIN;
	struct place *larger = calloc(room, sizeof(*larger));

	if (larger == NULL)
		return false;
	for (size_t i = 0; i < w->places_room; i++)
		if (w->places[i].days != 0)
			*place_find(larger, room, w->places[i].conversation) = w->places[i];
	free(w->places);
	w->places = larger;
	w->places_room = room;
	return true;
}

/* The message's conversation, with its day marked. NULL: memory is short. */
static struct place *place_visit(struct walk *w, const uint8_t *conversation, unsigned day)
{
	const uint32_t bit = UINT32_C(1) << day;
	struct place *p;

	if (w->places_len * 2 >= w->places_room && !places_grow(w))
		return NULL;
	p = place_find(w->places, w->places_room, conversation);
	if (p->days == 0) {
		memcpy(p->conversation, conversation, STORE_INDEX_LEN);
		w->places_len++;
		w->out->all.conversations++;
	}
	if ((p->days & bit) == 0)
		w->out->days[day].conversations++;
	p->days |= bit;
	return p;
}

/* ------------------------------------------------------------ how long answers took */

static bool answer_add(struct walk *w, unsigned day, int64_t ms)
{
	if (w->answers_len == w->answers_room) {
		const size_t room = w->answers_room > 0 ? w->answers_room * 2 : 1024;
		struct answer *larger = realloc(w->answers, room * sizeof(*larger));

		if (larger == NULL)
			return false;
		w->answers = larger;
		w->answers_room = room;
	}
	w->answers[w->answers_len++] = (struct answer){day, ms};
	return true;
}

static int by_ms(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	return (x->ms > y->ms) - (x->ms < y->ms);
}

static int by_day(const void *a, const void *b)
{
	const struct answer *x = a, *y = b;

	return x->day != y->day ? (x->day > y->day) - (x->day < y->day) : by_ms(a, b);
}

static void medians(struct walk *w)
{
	struct answer *all = w->answers;
	const size_t len = w->answers_len;

	if (len == 0)
		return;
	qsort(all, len, sizeof(*all), by_day);
	for (size_t from = 0, to; from < len; from = to) {
		for (to = from; to < len && all[to].day == all[from].day; to++)
			;
		w->out->days[all[from].day].answer_ms = all[from + (to - from - 1) / 2].ms;
	}
	qsort(all, len, sizeof(*all), by_ms);
	w->out->all.answer_ms = all[(len - 1) / 2].ms;
}

/* ------------------------------------------------------------ the walk */

static void count(
	struct store_activity_sum *sum, enum store_direction direction, enum store_message_state state, bool order)
{
	const unsigned bit = STORE_STATE_BIT(state);

	sum->received += direction == STORE_INBOUND;
	sum->orders += direction == STORE_INBOUND && order;
	sum->answered += (bit & STORE_STATES_ARRIVED) != 0;
	sum->failed += (bit & STORE_STATES_FAILED) != 0;
}

static bool visit(struct walk *w, struct query *q, int64_t at)
{
	const enum store_direction direction = (enum store_direction)query_get_int(q);
	const enum store_message_state state = (enum store_message_state)query_get_int(q);
	const bool order = query_get_int(q) != 0;
	const int64_t days = (at - w->first_day) / DAY_MS;
	/* What a clock that was set back left behind happened today. */
	const unsigned day = days < STORE_ACTIVITY_DAYS ? (unsigned)days : STORE_ACTIVITY_DAYS - 1;
	uint8_t conversation[STORE_INDEX_LEN];
	struct place *p;

	query_get_fixed(q, conversation, sizeof(conversation));
	p = place_visit(w, conversation, day);
	if (p == NULL)
		return false;
	count(&w->out->days[day], direction, state, order);
	count(&w->out->all, direction, state, order);
	if ((STORE_STATE_BIT(state) & STORE_STATES_ARRIVED) != 0)
		p->answer_at = at;
	else if (direction == STORE_INBOUND && p->answer_at >= at)
		return answer_add(w, day, p->answer_at - at);
	return true;
}

static enum store_error walk(struct db *db, const char *business_id, struct walk *w)
{
	struct query q = query_start(db,
		"SELECT created_at, direction, state, type = 'order', conversation FROM messages "
		"INDEXED BY messages_business WHERE business_id = ? ORDER BY seq DESC LIMIT ?");
	unsigned rows = 0;
	bool enough = false, whole = true;
	enum store_error err;

	query_text(&q, business_id);
	query_int(&q, STORE_ACTIVITY_ROWS_MAX + 1);
	while (whole && !enough && query_step(&q)) {
		const int64_t at = query_get_int(&q);

		enough = rows++ == STORE_ACTIVITY_ROWS_MAX || at < w->first_day - SLACK_MS;
		if (!enough && at >= w->first_day)
			whole = visit(w, &q, at);
		else if (at >= w->first_day)
			w->out->cut_at = at;
	}
	err = query_end(&q);
	return err == STORE_OK && !whole ? STORE_NO_MEMORY : err;
}

enum store_error store_activity(
	struct store *s, const char *business_id, int64_t first_day, struct store_activity *activity)
{
	struct store_activity out = {.all = {.answer_ms = -1}};
	struct walk w = {.first_day = first_day, .out = &out};
	struct db *db = core_reader(s);
	enum store_error err;

	for (size_t i = 0; i < STORE_ACTIVITY_DAYS; i++)
		out.days[i].answer_ms = -1;
	err = walk(db, business_id, &w);
	if (err == STORE_OK)
		err = demand_days(db, business_id, first_day, &out);
	core_return(s, db);
	if (err == STORE_OK) {
		medians(&w);
		*activity = out;
	}
	free(w.places);
	free(w.answers);
	return err;
}
