/* The fake of fake_house.h: what responders are owed, those who are asked, and outbound. */
#include <cjson/cJSON.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "test/unit/inbound/fake_inside.h"

/* ------------------------------------------------------------ asks */

void house_owe(const struct store_ask *ask)
{
	struct house_ask *a = &house.asks[house.asks_len++];

	if (house.asks_len > HOUSE_ASKS || ask->content_len > sizeof(a->content))
		abort();
	a->ask = *ask;
	memcpy(a->content, ask->content, ask->content_len);
	a->ask.content = (const uint8_t *)a->content;
}

void house_owe_answer(const struct store_message *m)
{
	struct store_ask ask = {.kind = STORE_ASK_QUESTION, .created_at = m->created_at};

	memcpy(ask.id, m->id, sizeof(ask.id));
	memcpy(ask.message_id, m->id, sizeof(ask.message_id));
	memcpy(ask.business_id, m->business_id, sizeof(ask.business_id));
	memcpy(ask.connection_id, m->connection_id, sizeof(ask.connection_id));
	memcpy(ask.number, m->number, sizeof(ask.number));
	memcpy(ask.conversation, m->conversation, sizeof(ask.conversation));
	ask.content = m->content;
	ask.content_len = m->content_len;
	house_owe(&ask);
}

static bool same_business(const struct store_ask *a, const struct store_ask *b)
{
	return strcmp(a->business_id, b->business_id) == 0;
}

/* The oldest of its conversation, and room for another of its business. */
static bool may_lease(size_t n, unsigned per_business)
{
	const struct store_ask *a = &house.asks[n].ask;
	unsigned leased = 0;

	for (size_t i = 0; i < house.asks_len; i++) {
		const struct store_ask *b = &house.asks[i].ask;

		if (!same_business(a, b) || house.asks[i].done)
			continue;
		leased += house.asks[i].leased;
		if (i < n && memcmp(a->conversation, b->conversation, STORE_INDEX_LEN) == 0)
			return false;
	}
	return leased < per_business;
}

enum store_error store_ask_lease(struct store *s, int64_t now, unsigned limit, unsigned per_business,
	bool (*each)(const struct store_ask *a, void *arg), void *arg)
{
	static struct {
		struct store_ask row;
		char content[2048];
	} rows[HOUSE_ASKS];
	unsigned len = 0;

	(void)s;
	pthread_mutex_lock(&house_lock);
	for (size_t i = 0; i < house.asks_len && len < limit; i++) {
		struct house_ask *a = &house.asks[i];

		if (a->done || a->leased || a->next_at > now || !may_lease(i, per_business))
			continue;
		a->leased = true;
		a->ask.attempts++;
		rows[len].row = a->ask;
		memcpy(rows[len].content, a->content, sizeof(a->content));
		rows[len].row.content = (const uint8_t *)rows[len].content;
		len++;
	}
	pthread_mutex_unlock(&house_lock);
	for (unsigned i = 0; i < len; i++)
		if (!each(&rows[i].row, arg))
			break;
	memset(rows, 0xdd, sizeof(rows));
	return STORE_OK;
}

static struct house_ask *ask_find(const char *business_id, const char *id)
{
	for (size_t i = 0; i < house.asks_len; i++)
		if (!house.asks[i].done && strcmp(house.asks[i].ask.id, id) == 0 &&
			strcmp(house.asks[i].ask.business_id, business_id) == 0)
			return &house.asks[i];
	return NULL;
}

static bool fails(unsigned *faults)
{
	if (*faults == 0)
		return false;
	(*faults)--;
	return true;
}

enum store_error store_ask_done(struct store *s, const char *business_id, const char *id,
	const struct store_message *answers, size_t answers_len)
{
	enum store_error err = STORE_STALE;
	struct house_ask *a;

	(void)s;
	pthread_mutex_lock(&house_lock);
	a = ask_find(business_id, id);
	if (a != NULL && fails(&house.done_faults)) {
		err = house.fault;
	} else if (a != NULL) {
		err = STORE_OK;
		a->done = true;
		a->leased = false;
		house.finished++;
		for (size_t i = 0; i < answers_len && house.answers_len < HOUSE_UPDATES; i++) {
			struct house_answer *answer = &house.answers[house.answers_len++];

			house_copy(answer->message_id, sizeof(answer->message_id), id);
			answer->message = answers[i];
			if (answers[i].demand != NULL)
				answer->demand = *answers[i].demand;
			memcpy(answer->content, answers[i].content, answers[i].content_len);
		}
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_ask_later(
	struct store *s, const char *business_id, const char *id, uint32_t attempt, int64_t next_at)
{
	enum store_error err = STORE_STALE;
	struct house_ask *a;

	(void)s;
	pthread_mutex_lock(&house_lock);
	a = ask_find(business_id, id);
	if (a != NULL && fails(&house.later_faults)) {
		err = house.fault;
	} else if (a != NULL && a->leased && a->ask.attempts == attempt) {
		err = STORE_OK;
		a->leased = false;
		a->next_at = next_at;
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_ask_next_due(struct store *s, int64_t *at)
{
	(void)s;
	*at = INT64_MAX;
	pthread_mutex_lock(&house_lock);
	for (size_t i = 0; i < house.asks_len; i++)
		if (!house.asks[i].done && !house.asks[i].leased && house.asks[i].next_at < *at &&
			may_lease(i, HOUSE_ASKS))
			*at = house.asks[i].next_at;
	pthread_mutex_unlock(&house_lock);
	return STORE_OK;
}

enum store_error store_ask_recover(struct store *s)
{
	enum store_error err = STORE_OK;

	(void)s;
	pthread_mutex_lock(&house_lock);
	if (fails(&house.recover_faults))
		err = house.fault;
	for (size_t i = 0; i < house.asks_len && err == STORE_OK; i++) {
		house.asks[i].leased = false;
		house.asks[i].next_at = 0;
	}
	pthread_mutex_unlock(&house_lock);
	return err;
}

enum store_error store_conversation_paused(struct store *s, const char *business_id,
	const uint8_t conversation[static STORE_INDEX_LEN], int64_t now, bool *paused)
{
	(void)s;
	(void)business_id;
	*paused = false;
	pthread_mutex_lock(&house_lock);
	for (size_t i = 0; i < house.events_len; i++)
		for (size_t k = 0; k < house.events[i].updates_len; k++)
			for (size_t n = 0; n < STORE_PAUSES_MAX; n++) {
				const struct store_pause *p = &house.events[i].updates[k].update.pauses[n];

				*paused = *paused ||
					(p->until > now && memcmp(p->conversation, conversation, STORE_INDEX_LEN) == 0);
			}
	pthread_mutex_unlock(&house_lock);
	return STORE_OK;
}

enum store_error store_conversation_held(
	struct store *s, const char *business_id, const uint8_t conversation[static STORE_INDEX_LEN], bool *elsewhere)
{
	(void)s;
	(void)business_id;
	*elsewhere = false;
	pthread_mutex_lock(&house_lock);
	for (size_t i = 0; i < house.events_len; i++)
		for (size_t k = 0; k < house.events[i].updates_len; k++) {
			const struct store_update *u = &house.events[i].updates[k].update;

			if (u->holder != 0 && memcmp(u->names[0], conversation, STORE_INDEX_LEN) == 0)
				*elsewhere = u->holder == STORE_HELD_ELSEWHERE;
		}
	pthread_mutex_unlock(&house_lock);
	return STORE_OK;
}

/* ------------------------------------------------------------ reply and outbound */

static void print(char *out, size_t room, const struct cJSON *tree)
{
	char *text = tree != NULL ? json_text(tree) : NULL;

	house_copy(out, room, text != NULL ? text : "");
	json_text_free(text);
}

static void note_asked(const struct reply_question *q)
{
	struct house_asked *a = &house.asked_of[house.asked < HOUSE_ASKS ? house.asked : HOUSE_ASKS - 1];

	house.asked++;
	house_copy(a->id, sizeof(a->id), q->id);
	house_copy(a->business_id, sizeof(a->business_id), q->business_id);
	house_copy(a->connection_id, sizeof(a->connection_id), q->connection_id);
	house_copy(a->number, sizeof(a->number), q->number);
	a->kind = q->kind;
	house_copy(a->text, sizeof(a->text), q->text != NULL ? q->text : "");
	house_copy(a->customer, sizeof(a->customer),
		q->customer.phone != NULL	      ? q->customer.phone
			: q->customer.user_id != NULL ? q->customer.user_id
						      : "");
	print(a->item, sizeof(a->item), q->item);
	print(a->metadata, sizeof(a->metadata), q->metadata);
}

/* Two messages about a cracker, but "silence" to that very text. */
static void repeat(const struct house_held *h)
{
	struct reply_answer a = {
		.outcome = REPLY_ANSWERED, .demand = {.asked = true, .products_len = 1, .products = {"cracker"}}};
	char first[256], last[256];

	(void)snprintf(first, sizeof(first), "You said %s, %s", h->text, h->customer);
	(void)snprintf(last, sizeof(last), "Bye, %s", h->customer);
	a.messages[0] = first;
	a.messages[1] = last;
	a.len = strcmp(h->text, "silence") == 0 ? 0 : 2;
	h->done(h->arg, &a);
}

bool reply_hears_statuses(const char *responder)
{
	return strcmp(responder, "slow") == 0 || strcmp(responder, "listens") == 0;
}

/* "parrot" and "listens" answer at once, "slow" when it is let. */
void reply_ask(const struct reply_context *c, const char *responder, const struct reply_question *q,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	struct reply_answer none = {.outcome = REPLY_LATER, .why = "not now"};
	struct house_held h = {.done = done, .arg = arg};
	bool hold = strcmp(responder, "slow") == 0, repeats = false;

	(void)c;
	pthread_mutex_lock(&house_lock);
	note_asked(q);
	house_copy(h.customer, sizeof(h.customer), house.asked_of[house.asked - 1].customer);
	house_copy(h.text, sizeof(h.text), q->kind == STORE_ASK_STATUS ? "silence" : q->text);
	if (fails(&house.reply_busy))
		none.outcome = REPLY_BUSY;
	else if (!fails(&house.reply_faults))
		repeats = strcmp(responder, "parrot") == 0 || strcmp(responder, "listens") == 0;
	else
		hold = false;
	if (strcmp(responder, "gone") == 0)
		none.outcome = REPLY_ANSWERED;
	if (hold)
		house.held[house.held_len++] = h;
	pthread_mutex_unlock(&house_lock);
	if (repeats)
		repeat(&h);
	else if (!hold)
		done(arg, &none);
}

static bool let_go(struct house_held *out)
{
	bool any;

	pthread_mutex_lock(&house_lock);
	any = house.held_len > 0;
	if (any) {
		*out = house.held[0];
		memmove(house.held, house.held + 1, --house.held_len * sizeof(house.held[0]));
	}
	pthread_mutex_unlock(&house_lock);
	return any;
}

void house_answer_one(void)
{
	struct house_held h;

	if (let_go(&h))
		repeat(&h);
}

void outbound_asks_end(struct outbound *o)
{
	const struct reply_answer cancelled = {.outcome = REPLY_LATER};
	struct house_held h;

	(void)o;
	while (let_go(&h))
		h.done(h.arg, &cancelled);
	pthread_mutex_lock(&house_lock);
	house.ended++;
	pthread_mutex_unlock(&house_lock);
}

bool outbound_status_move(const char *status, enum store_message_state *to, unsigned *from_states)
{
	*from_states = 7;
	*to = strcmp(status, "failed") == 0 ? STORE_MESSAGE_FAILED : STORE_MESSAGE_DELIVERED;
	return strcmp(status, "failed") == 0 || strcmp(status, "delivered") == 0;
}

enum outbound_error outbound_message_seal(
	struct tenants *t, const char *json, size_t len, struct store_message *m, uint8_t **content)
{
	(void)t;
	if (strstr(json, "unreachable") != NULL)
		return OUTBOUND_INVALID;
	*content = malloc(len);
	memcpy(*content, json, len);
	m->content = *content;
	m->content_len = len;
	m->state = STORE_MESSAGE_QUEUED;
	return OUTBOUND_OK;
}

void outbound_wake(struct outbound *o, const char *connection_id)
{
	(void)connection_id;
	(void)o;
	pthread_mutex_lock(&house_lock);
	house.woken++;
	pthread_mutex_unlock(&house_lock);
}

void outbound_changed(struct outbound *o, const char *business_id)
{
	(void)business_id;
	(void)o;
	pthread_mutex_lock(&house_lock);
	house.woken++;
	pthread_mutex_unlock(&house_lock);
}
