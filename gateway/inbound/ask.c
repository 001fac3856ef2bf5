/*
 * One ask: opened, judged, put before the responder, ended with its answer.
 *
 * What keeps us from asking for now, a busy store or a vault that does not answer, is
 * waited out like a platform that is down: until the message is a day old, when WhatsApp
 * would take no answer any more. Called by answer.c; the answer may come on another thread.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/asks.h"
#include "gateway/inbound/internal.h"
#include "gateway/inbound/message.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/reply/reply.h"

#define BUSY_MS 100
#define TOLD_AGAIN 10u /* attempts */

static void end(struct ask *a)
{
	asks_finish(a, NULL, 0);
}

/* Something of ours is not there for now. */
static void wait_for(struct ask *a, const char *what)
{
	log_warn("ask waits business=%s ask=%s: %s", a->row.business_id, a->row.id, what);
	asks_put_off(a, asks_wait_ms(a->row.attempts, 0));
}

/* ------------------------------------------------------------ the answer */

/* Answers on their way into the store. */
struct answers {
	struct store_message messages[REPLY_MESSAGES_MAX];
	uint8_t *contents[REPLY_MESSAGES_MAX];
	size_t len;
};

static void answers_clear(struct answers *a)
{
	for (size_t i = 0; i < a->len; i++)
		free(a->contents[i]);
	a->len = 0;
}

static enum outbound_error seal(const struct ask *a, const char *json, struct answers *out)
{
	struct store_message *m = &out->messages[out->len];
	enum outbound_error err;

	memset(m, 0, sizeof(*m));
	memcpy(m->business_id, a->row.business_id, sizeof(m->business_id));
	memcpy(m->connection_id, a->row.connection_id, sizeof(m->connection_id));
	memcpy(m->number, a->row.number, sizeof(m->number));
	memcpy(m->conversation, a->row.conversation, sizeof(m->conversation));
	err = outbound_message_seal(a->in->opt.tenants, json, strlen(json), m, &out->contents[out->len]);
	if (err != OUTBOUND_OK)
		return err;
	out->len++;
	/* As long as he may be written to freely because of what he asked. */
	if (a->row.kind == STORE_ASK_QUESTION && strcmp(m->type, "template") != 0 &&
		a->row.created_at + MESSAGE_ANSWER_AGE_MS > m->created_at)
		m->expires_at = a->row.created_at + MESSAGE_ANSWER_AGE_MS;
	return OUTBOUND_OK;
}

static void queue(struct ask *a, const struct reply_answer *answer)
{
	struct answers answers = {.len = 0};
	enum outbound_error err = OUTBOUND_OK;

	for (size_t i = 0; i < answer->len && err == OUTBOUND_OK; i++)
		err = seal(a, answer->messages[i], &answers);
	/* A customer who cannot be written to stays so. */
	if (err == OUTBOUND_INVALID) {
		log_warn("no answer: the customer cannot be written to business=%s ask=%s", a->row.business_id,
			a->row.id);
		answers_clear(&answers);
	}
	answers.messages[0].demand = &answer->demand; /* counted with the first, or not at all */
	if (err == OUTBOUND_OK || err == OUTBOUND_INVALID)
		asks_finish(a, answers.messages, answers.len);
	else
		wait_for(a, "its answer cannot be sealed");
	answers_clear(&answers);
}

static void answered(void *arg, const struct reply_answer *answer)
{
	struct ask *a = arg;

	/* A platform that is down for long is told of twice for each ask, and when it is given up. */
	if (answer->why[0] != '\0' &&
		(answer->outcome != REPLY_LATER || a->row.attempts <= 1 || a->row.attempts == TOLD_AGAIN))
		log_warn("responder: %s business=%s ask=%s attempt=%u", answer->why, a->row.business_id, a->row.id,
			a->row.attempts);
	switch (answer->outcome) {
	case REPLY_ANSWERED:
		queue(a, answer);
		break;
	case REPLY_LATER:
		asks_put_off(a, asks_wait_ms(a->row.attempts, answer->after_ms));
		break;
	case REPLY_BUSY:
		asks_put_off(a, BUSY_MS);
		break;
	}
}

/* ------------------------------------------------------------ the question */

static void put(struct ask *a, const struct store_business *business, struct reply_question *question)
{
	const struct inbound_options *opt = &a->in->opt;
	const struct reply_context context = {a->in->store, opt->tenants, opt->outbound};

	question->business_id = business->id;
	question->business_name = business->name;
	question->id = a->row.id;
	question->kind = a->row.kind;
	question->connection_id = a->row.connection_id;
	question->number = a->row.number;
	reply_ask(&context, business->responder, question, answered, a);
}

/* Whether the owner, or another handler, answers this customer for now. He is known by phone or by user id, as the echo had it.
 * False: it could not be found out. */
static bool is_paused(const struct ask *a, const struct message_customer *who, bool *paused)
{
	const char *customers[] = {who->user_id, who->phone};
	uint8_t conversation[STORE_INDEX_LEN];

	if (store_conversation_held(a->in->store, a->row.business_id, a->row.conversation, paused) != STORE_OK)
		return false;
	for (size_t i = 0; i < 2 && !*paused; i++) {
		if (customers[i] == NULL)
			continue;
		if (tenant_conversation(a->in->opt.tenants, a->row.business_id, a->row.number, customers[i],
			    conversation) != TENANT_OK ||
			store_conversation_paused(
				a->in->store, a->row.business_id, conversation, store_now_ms(), paused) != STORE_OK)
			return false;
	}
	return true;
}

static bool too_old(const struct ask *a, int64_t since)
{
	if (store_now_ms() - since <= MESSAGE_ANSWER_AGE_MS)
		return false;
	if (a->row.attempts > 1)
		log_warn("ask given up, nobody answered it for a day business=%s ask=%s attempts=%u",
			a->row.business_id, a->row.id, a->row.attempts - 1);
	return true;
}

static void ask_question(struct ask *a, const struct store_business *business, const cJSON *content)
{
	const cJSON *message = json_get(content, "message"), *contact = json_get(content, "contact");
	struct message_customer who = message_customer(message, contact);
	struct reply_question question = {.item = message,
		.metadata = json_get(content, "metadata"),
		.customer = {who.phone, who.user_id},
		.contact = contact,
		.text = message_question(message)};
	bool paused;

	if (question.text == NULL || (who.phone == NULL && who.user_id == NULL) ||
		too_old(a, message_written_at(message, a->row.created_at))) {
		end(a);
		return;
	}
	if (!is_paused(a, &who, &paused)) {
		wait_for(a, "it is not known whether its conversation is paused");
		return;
	}
	if (!paused && asks_braked(a->in->asks, a->row.conversation)) {
		log_warn("too many answers in one conversation business=%s ask=%s", a->row.business_id, a->row.id);
		paused = true;
	}
	if (paused)
		end(a);
	else
		put(a, business, &question);
}

static void ask_status(struct ask *a, const struct store_business *business, const cJSON *content)
{
	const cJSON *update = json_get(content, "update");
	struct reply_question question = {.item = json_get(content, "status"),
		.metadata = json_get(content, "metadata"),
		.field = json_get_string(update, "field"),
		.account = json_get_string(update, "account"),
		.value = json_get(update, "value")};

	if (question.item == NULL && question.value == NULL)
		end(a);
	else
		put(a, business, &question);
}

static void ask_opened(struct ask *a, const struct store_business *business, const uint8_t *plain, size_t len)
{
	cJSON *content = json_parse((const char *)plain, len);

	/* It was JSON when it was sealed. */
	if (content == NULL)
		wait_for(a, "memory is short");
	else if (a->row.kind == STORE_ASK_STATUS)
		ask_status(a, business, content);
	else
		ask_question(a, business, content);
	cJSON_Delete(content);
}

static void open_and_ask(struct ask *a, const struct store_business *business, const uint8_t *sealed, size_t len)
{
	const char *table = a->row.kind == STORE_ASK_STATUS ? "asks" : "messages";
	const struct tenant_place place = {a->row.business_id, table, a->row.id, "content", 1};
	uint8_t *plain = NULL;
	size_t plain_len = 0;

	switch (tenant_open(a->in->opt.tenants, &place, sealed, len, &plain, &plain_len)) {
	case TENANT_OK:
		ask_opened(a, business, plain, plain_len);
		vault_wipe(plain, plain_len);
		free(plain);
		break;
	case TENANT_NOT_FOUND:
	case TENANT_BAD_DATA:
		log_warn("ask ended, it does not open business=%s ask=%s", a->row.business_id, a->row.id);
		end(a);
		break;
	case TENANT_VAULT:
	case TENANT_STORE:
	case TENANT_NO_MEMORY:
		wait_for(a, "it cannot be opened");
		break;
	}
}

void ask_start(struct ask *a, const uint8_t *content, size_t content_len)
{
	struct store_business business;
	enum store_error err = store_business_get(a->in->store, a->row.business_id, &business);

	if (err == STORE_FAILED)
		inbound_failed(a->in);
	if (err != STORE_OK && err != STORE_NOT_FOUND)
		wait_for(a, store_error_text(err));
	/* Without content it is past its retention. */
	else if (err == STORE_NOT_FOUND || business.status != STORE_BUSINESS_ACTIVE || content_len == 0 ||
		strcmp(business.responder, "none") == 0 || too_old(a, a->row.created_at))
		end(a);
	else
		open_and_ask(a, &business, content, content_len);
}
