/*
 * Sending a message again: only one that certainly came to nothing, and only once. What
 * may have arrived is never offered, except where a restored backup is all that is known
 * of it: there nobody will tell any more, and a person decides.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/content.h"
#include "gateway/json.h"
#include "gateway/log.h"
#include "gateway/settings/resend.h"

#define AGE_MAX_MS INT64_C(86400000)

bool resend_is_restored(const struct store_message *m)
{
	return m->direction == STORE_OUTBOUND && m->state == STORE_MESSAGE_UNKNOWN &&
		strcmp(m->reason, STORE_RESTORED) == 0;
}

bool resend_offered(const struct store_message *m, int64_t now)
{
	const bool failed =
		m->direction == STORE_OUTBOUND && !m->echo && (STORE_STATE_BIT(m->state) & STORE_STATES_FAILED) != 0;

	return (failed || resend_is_restored(m)) && m->content_len > 0 && now - m->created_at < AGE_MAX_MS;
}

/* ------------------------------------------------------------ by which connection */

static bool usable(const struct store_connection *c)
{
	return c->status != STORE_CONNECTION_SUSPENDED;
}

/* The message's own connection, else the one that has its number now. */
static bool connection_find(struct visit *v, const struct store_message *m, struct store_connection *c)
{
	return (store_connection_get(v->s->store, v->business.id, m->connection_id, c) == STORE_OK && usable(c)) ||
		(store_connection_by_number(v->s->store, v->business.id, 0, m->number, c) == STORE_OK && usable(c));
}

/* ------------------------------------------------------------ once */

/* A key of ours: a platform's keys are hidden under another kind. */
static bool once_fill(struct visit *v, const char *id, struct store_once *once)
{
	memcpy(once->business_id, v->business.id, sizeof(once->business_id));
	return tenant_index(v->s->tenants, v->business.id, "resend", id, strlen(id), once->key) == TENANT_OK;
}

/* Queues text as a new message and ends the call that asked for it. */
static bool queue(struct visit *v, const char *text, struct store_message *m, const struct store_once *once)
{
	const struct store_once_end end = {.key = once->key, .http_status = 303};
	uint8_t *content = NULL;
	bool queued = outbound_message_seal(v->s->tenants, text, strlen(text), m, &content) == OUTBOUND_OK &&
		store_message_queue(v->s->store, m, &end) == STORE_OK;

	free(content);
	return queued;
}

static enum resend again(struct visit *v, const struct store_message *old, const char *text)
{
	struct store_message m = {.direction = STORE_OUTBOUND};
	struct store_once_answer first = {0};
	struct store_once once = {.key = {0}};
	const struct store_once_end undo = {.key = once.key};
	struct store_connection c;
	enum store_error err;

	if (!connection_find(v, old, &c))
		return RESEND_NO_NUMBER;
	memcpy(m.business_id, old->business_id, sizeof(m.business_id));
	memcpy(m.connection_id, c.id, sizeof(m.connection_id));
	memcpy(m.number, old->number, sizeof(m.number));
	memcpy(m.conversation, old->conversation, sizeof(m.conversation));
	if (!once_fill(v, old->id, &once))
		return RESEND_FAILED;
	err = store_once_begin(v->s->store, &once, &first);
	free(first.body);
	if (err == STORE_EXISTS || err == STORE_BUSY)
		return RESEND_ALREADY;
	if (err != STORE_OK)
		return RESEND_FAILED;
	if (queue(v, text, &m, &once)) {
		log_info("a message is sent again business=%s message=%s as=%s", v->business.id, old->id, m.id);
		if (v->s->outbound != NULL)
			outbound_wake(v->s->outbound, m.connection_id);
		return RESEND_QUEUED;
	}
	if (store_once_end(v->s->store, v->business.id, &undo) != STORE_OK)
		log_warn("a call to send again cannot be taken back business=%s message=%s", v->business.id, old->id);
	return RESEND_FAILED;
}

/* ------------------------------------------------------------ */

struct wanted {
	struct visit *v;
	enum resend result;
};

static bool take(const struct store_message *m, void *arg)
{
	struct wanted *w = arg;
	cJSON *content;
	char *text;

	if (!resend_offered(m, store_now_ms())) {
		w->result = RESEND_NOT_OFFERED;
		return false;
	}
	content = content_open(w->v->s->tenants, m);
	text = content != NULL ? json_text(content) : NULL;
	if (text != NULL)
		w->result = again(w->v, m, text);
	json_text_free(text);
	cJSON_Delete(content);
	return false;
}

enum resend resend(struct visit *v, const char *id)
{
	struct wanted w = {.v = v, .result = RESEND_FAILED};
	enum store_error err;

	if (v->business.status != STORE_BUSINESS_ACTIVE)
		return RESEND_NOT_OFFERED;
	err = store_message_get(v->s->store, v->business.id, id, take, &w);
	return err == STORE_NOT_FOUND ? RESEND_NOT_OFFERED : err == STORE_OK ? w.result : RESEND_FAILED;
}
