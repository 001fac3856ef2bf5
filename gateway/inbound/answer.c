/*
 * The thread that asks responders and queues what they answer.
 *
 * One thread, oldest message first: so the order within a conversation holds. The store
 * ends the wait and queues the answers in one transaction, so that a message is answered
 * once whatever happens in between. A message that cannot be answered is let go after a
 * few tries: it stays in the log, and others wait behind it.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/internal.h"
#include "gateway/inbound/message.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

#define ANSWER_TRIES 5u
/* Two bots that answer each other would go on for ever, and every message costs money: so many answers a minute in one
 * conversation, which is also what Meta lets through (facts: 1 in 6 s to one user). Further questions are kept, unanswered. */
#define BRAKE_ANSWERS 10u
#define BRAKE_MS 60000
#define BRAKE_REMEMBERED 4096u

struct batch {
	struct store_message messages[INBOUND_BATCH_MAX];
	uint8_t *contents[INBOUND_BATCH_MAX];
	size_t len, bytes;
	bool no_memory;
};

/* The answers of one message on their way into the store. */
struct answers {
	struct store_message messages[REPLY_MESSAGES_MAX];
	uint8_t *contents[REPLY_MESSAGES_MAX];
	size_t len;
};

/* The latest answers, so that a loop is seen. Lost at a restart, which a loop does not outrun. */
struct brake {
	struct {
		uint8_t conversation[STORE_INDEX_LEN];
		int64_t at;
	} answers[BRAKE_REMEMBERED];
	size_t next;
};

/* ANSWERED also when nothing was to be said; FAILED: try again, or let it go. */
enum outcome { ANSWERED, FAILED };

static bool batch_add(const struct store_message *m, void *arg)
{
	struct batch *b = arg;
	uint8_t *content;

	if (b->len > 0 && b->bytes + m->content_len > INBOUND_BATCH_BYTES)
		return false;
	content = malloc(m->content_len > 0 ? m->content_len : 1);
	if (content == NULL) {
		b->no_memory = b->len == 0;
		return false;
	}
	if (m->content_len > 0)
		memcpy(content, m->content, m->content_len);
	b->messages[b->len] = *m;
	b->messages[b->len].content = content;
	b->messages[b->len].wamid = NULL;
	b->messages[b->len].wamid_len = 0;
	b->contents[b->len++] = content;
	b->bytes += m->content_len;
	return b->len < INBOUND_BATCH_MAX;
}

static void batch_clear(struct batch *b)
{
	for (size_t i = 0; i < b->len; i++)
		free(b->contents[i]);
	b->len = b->bytes = 0;
	b->no_memory = false;
}

static void answers_clear(struct answers *a)
{
	for (size_t i = 0; i < a->len; i++)
		free(a->contents[i]);
	a->len = 0;
}

/* ------------------------------------------------------------ what is sent */

/* A Cloud API message to who wrote; outbound adds what every message carries. */
static char *answer_json(const struct message_customer *who, const char *text)
{
	cJSON *json = cJSON_CreateObject();
	bool good = cJSON_AddStringToObject(json, "type", "text") != NULL;
	cJSON *body = cJSON_AddObjectToObject(json, "text");
	char to[40], *out = NULL;

	good = good && cJSON_AddStringToObject(body, "body", text) != NULL &&
		cJSON_AddFalseToObject(body, "preview_url") != NULL;
	if (good && who->phone != NULL) {
		(void)snprintf(to, sizeof(to), "+%s", who->phone);
		good = cJSON_AddStringToObject(json, "to", to) != NULL;
		vault_wipe(to, sizeof(to));
	} else if (good) {
		good = cJSON_AddStringToObject(json, "recipient", who->user_id) != NULL;
	}
	if (good)
		out = json_text(json);
	cJSON_Delete(json);
	return out;
}

static enum outbound_error add_answer(struct inbound *in, const struct store_message *question,
	const struct message_customer *who, const char *text, struct answers *out)
{
	struct store_message *m = &out->messages[out->len];
	char *json = answer_json(who, text);
	enum outbound_error err;

	if (json == NULL)
		return OUTBOUND_NO_MEMORY;
	memset(m, 0, sizeof(*m));
	memcpy(m->business_id, question->business_id, sizeof(m->business_id));
	memcpy(m->connection_id, question->connection_id, sizeof(m->connection_id));
	memcpy(m->number, question->number, sizeof(m->number));
	memcpy(m->conversation, question->conversation, sizeof(m->conversation));
	err = outbound_message_seal(in->opt.tenants, json, strlen(json), m, &out->contents[out->len]);
	vault_wipe(json, strlen(json));
	free(json);
	if (err == OUTBOUND_OK)
		out->len++;
	return err;
}

/* ------------------------------------------------------------ one message */

static bool brake_holds(const struct brake *b, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now)
{
	unsigned count = 0;

	for (size_t i = 0; i < BRAKE_REMEMBERED; i++)
		count += b->answers[i].at > now - BRAKE_MS &&
			memcmp(b->answers[i].conversation, conversation, STORE_INDEX_LEN) == 0;
	return count >= BRAKE_ANSWERS;
}

static void brake_note(struct brake *b, const uint8_t conversation[static STORE_INDEX_LEN], int64_t now)
{
	memcpy(b->answers[b->next].conversation, conversation, STORE_INDEX_LEN);
	b->answers[b->next].at = now;
	b->next = (b->next + 1) % BRAKE_REMEMBERED;
}

static enum outcome finish(struct inbound *in, const struct store_message *m, const struct answers *a)
{
	enum store_error err = store_message_answer(in->store, m->business_id, m->id, a->messages, a->len);

	if (err == STORE_OK && a->len > 0 && in->opt.outbound != NULL)
		outbound_wake(in->opt.outbound);
	/* Stale: answered by a call whose outcome came too late. Not found: removed with its business. */
	if (err == STORE_OK || err == STORE_STALE || err == STORE_NOT_FOUND)
		return ANSWERED;
	if (err == STORE_FAILED)
		inbound_failed(in);
	log_warn("answer not queued business=%s message=%s: %s", m->business_id, m->id, store_error_text(err));
	return FAILED;
}

/* Whether the owner answers this customer himself for now. He is known by phone or by user id, as the echo had it. */
static enum outcome is_paused(
	struct inbound *in, const struct store_message *m, const struct message_customer *who, bool *paused)
{
	const char *customers[] = {who->user_id, who->phone};
	uint8_t conversation[STORE_INDEX_LEN];

	*paused = false;
	for (size_t i = 0; i < 2 && !*paused; i++) {
		if (customers[i] == NULL)
			continue;
		if (tenant_conversation(in->opt.tenants, m->business_id, m->number, customers[i], conversation) !=
				TENANT_OK ||
			store_conversation_paused(in->store, m->business_id, conversation, store_now_ms(), paused) !=
				STORE_OK)
			return FAILED;
	}
	return ANSWERED;
}

static enum outcome ask(
	struct inbound *in, const struct store_message *m, const struct store_business *business, const cJSON *content)
{
	const cJSON *message = json_get(content, "message");
	struct message_customer who = message_customer(message, json_get(content, "contact"));
	struct reply_question question = {business->id, business->name, message_question(message)};
	struct reply_answer answer = {.len = 0};
	struct answers answers = {.len = 0};
	enum outcome outcome = FAILED;
	enum reply_error err;
	bool paused;

	if (is_paused(in, m, &who, &paused) == FAILED)
		return FAILED;
	if (!paused && brake_holds(in->brake, m->conversation, store_now_ms())) {
		log_warn("too many answers in one conversation business=%s message=%s", m->business_id, m->id);
		paused = true;
	}
	/* It may have waited long since it was accepted. */
	if (paused || question.text == NULL || (who.phone == NULL && who.user_id == NULL) ||
		store_now_ms() - message_written_at(message, m->created_at) > MESSAGE_ANSWER_AGE_MS)
		return finish(in, m, &answers);
	err = reply_ask(in->store, business->responder, &question, &answer);
	if (err == REPLY_UNKNOWN_RESPONDER) {
		log_warn("no such responder business=%s", m->business_id);
		return finish(in, m, &answers);
	}
	if (err != REPLY_OK) {
		log_warn("responder failed business=%s message=%s error=%d", m->business_id, m->id, (int)err);
		goto out;
	}
	for (size_t i = 0; i < answer.len; i++) {
		enum outbound_error sealed = add_answer(in, m, &who, answer.texts[i], &answers);

		/* A customer who cannot be written to stays so: trying again would only hold up the others. */
		if (sealed == OUTBOUND_INVALID)
			log_warn("no answer: the customer cannot be written to business=%s message=%s", m->business_id,
				m->id);
		else if (sealed != OUTBOUND_OK)
			log_warn("answer not sealed business=%s message=%s", m->business_id, m->id);
		if (sealed == OUTBOUND_OK)
			continue;
		answers_clear(&answers);
		if (sealed == OUTBOUND_INVALID)
			break;
		goto out;
	}
	outcome = finish(in, m, &answers);
	if (outcome == ANSWERED && answers.len > 0)
		brake_note(in->brake, m->conversation, store_now_ms());
out:
	answers_clear(&answers);
	reply_answer_clear(&answer);
	return outcome;
}

static enum outcome open_and_ask(
	struct inbound *in, const struct store_message *m, const struct store_business *business)
{
	struct tenant_place place = {m->business_id, "messages", m->id, "content", 1};
	const struct answers none = {.len = 0};
	enum outcome outcome = FAILED;
	uint8_t *plain = NULL;
	cJSON *content = NULL;
	size_t len = 0;
	enum tenant_error err = tenant_open(in->opt.tenants, &place, m->content, m->content_len, &plain, &len);

	if (err == TENANT_OK) {
		content = json_parse((const char *)plain, len);
		if (content != NULL)
			outcome = ask(in, m, business, content);
		cJSON_Delete(content);
		vault_wipe(plain, len);
		free(plain);
		return outcome;
	}
	log_warn("message not opened business=%s message=%s error=%d", m->business_id, m->id, (int)err);
	return err == TENANT_NOT_FOUND || err == TENANT_BAD_DATA ? finish(in, m, &none) : FAILED;
}

static enum outcome answer(struct inbound *in, const struct store_message *m)
{
	const struct answers none = {.len = 0};
	struct store_business business;
	enum store_error err = store_business_get(in->store, m->business_id, &business);

	if (err == STORE_NOT_FOUND)
		return ANSWERED;
	if (err != STORE_OK)
		return FAILED;
	if (business.status != STORE_BUSINESS_ACTIVE || strcmp(business.responder, "none") == 0)
		return finish(in, m, &none);
	return open_and_ask(in, m, &business);
}

/* Tries a few times, then lets it go so that the others are answered. False: not even that was possible. */
static bool answer_or_let_go(struct inbound *in, const struct store_message *m)
{
	const struct answers none = {.len = 0};
	unsigned pause_ms = 0;

	for (unsigned i = 0; i < ANSWER_TRIES && !worker_stopping(&in->answer); i++) {
		if (answer(in, m) == ANSWERED)
			return true;
		pause_ms = worker_backoff(pause_ms);
		worker_pause(&in->answer, pause_ms);
	}
	if (worker_stopping(&in->answer))
		return false;
	log_error("message stays unanswered business=%s message=%s", m->business_id, m->id);
	return finish(in, m, &none) == ANSWERED;
}

/* ------------------------------------------------------------ the thread */

/* Reads a batch ahead and answers it, in order. False when one was left over. */
static bool answer_batch(struct inbound *in, struct batch *batch)
{
	enum store_error err = store_message_awaiting(in->store, INBOUND_BATCH_MAX, batch_add, batch);

	if (err == STORE_FAILED)
		inbound_failed(in);
	if (err != STORE_OK || batch->no_memory)
		return false;
	for (size_t i = 0; i < batch->len; i++)
		if (worker_stopping(&in->answer) || !answer_or_let_go(in, &batch->messages[i]))
			return false;
	return true;
}

void *answer_run(void *arg)
{
	struct inbound *in = arg;
	struct batch *batch = calloc(1, sizeof(*batch));
	unsigned pause_ms = 0;

	in->brake = calloc(1, sizeof(*in->brake));
	if (batch == NULL || in->brake == NULL) {
		free(batch);
		inbound_failed(in);
		return NULL;
	}
	while (!worker_stopping(&in->answer)) {
		bool done = answer_batch(in, batch);
		bool idle = batch->len == 0;

		batch_clear(batch);
		pause_ms = done ? 0 : worker_backoff(pause_ms);
		if (!done)
			worker_pause(&in->answer, pause_ms);
		else if (idle)
			worker_wait(&in->answer, INBOUND_IDLE_MS);
	}
	free(batch);
	free(in->brake);
	return NULL;
}
