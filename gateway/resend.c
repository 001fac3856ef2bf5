/*
 * Sending a message again. The new one goes by the connection that the old one left by, else by the one that has its
 * number now. That it happens once is the store's: with the new one queued the old one is discarded.
 */
#include "gateway/resend.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/content.h"
#include "gateway/json.h"
#include "gateway/log.h"

#define OFFERED_MS INT64_C(86400000)

bool resend_is_restored(const struct store_message *m)
{
	return m->direction == STORE_OUTBOUND && m->state == STORE_MESSAGE_UNKNOWN &&
		strcmp(m->reason, STORE_RESTORED) == 0;
}

static bool has_failed(const struct store_message *m)
{
	return m->direction == STORE_OUTBOUND && !m->echo && (STORE_STATE_BIT(m->state) & STORE_STATES_FAILED) != 0;
}

bool resend_offered(const struct store_message *m, int64_t now)
{
	return (has_failed(m) || resend_is_restored(m)) && m->discarded_at == 0 && m->content_len > 0 &&
		now - m->created_at < OFFERED_MS;
}

static enum resend_result judge(const struct resend *r, const struct store_message *m)
{
	const bool unknown = m->direction == STORE_OUTBOUND && m->state == STORE_MESSAGE_UNKNOWN;

	if (r->owner)
		return m->discarded_at > 0		    ? RESEND_ALREADY
			: resend_offered(m, store_now_ms()) ? RESEND_DONE
							    : RESEND_NOT_OFFERED;
	if (!has_failed(m) && !unknown)
		return RESEND_NOT_OFFERED;
	if (m->discarded_at > 0)
		return RESEND_ALREADY;
	if (unknown && !r->maybe_duplicate)
		return RESEND_MAYBE_ARRIVED;
	return m->content_len > 0 ? RESEND_DONE : RESEND_GONE;
}

/* ------------------------------------------------------------ the new message */

static bool usable(const struct store_connection *c)
{
	return c->status != STORE_CONNECTION_SUSPENDED;
}

static enum resend_result connection_find(const struct resend *r, const struct store_message *old, char *id)
{
	struct store *store = tenants_store(r->tenants);
	struct store_connection c;
	enum store_error err = store_connection_get(store, r->business->id, old->connection_id, &c);

	if (err == STORE_NOT_FOUND || (err == STORE_OK && !usable(&c)))
		err = store_connection_by_number(store, r->business->id, 0, old->number, &c);
	if (err == STORE_OK && usable(&c)) {
		memcpy(id, c.id, sizeof(c.id));
		return RESEND_DONE;
	}
	return err == STORE_OK || err == STORE_NOT_FOUND ? RESEND_NO_NUMBER : RESEND_FAILED;
}

static enum resend_result check_window(struct resend *r, const char *text)
{
	if (!r->business->window_checked || r->window_unchecked)
		return RESEND_DONE;
	if (outbound_window(r->tenants, text, strlen(text), &r->message, &r->window) != OUTBOUND_OK)
		return RESEND_FAILED;
	outbound_window_expiry(&r->window, &r->message);
	return r->window.is == OUTBOUND_WINDOW_CLOSED ? RESEND_WINDOW_CLOSED : RESEND_DONE;
}

static enum resend_result make(struct resend *r, const struct store_message *old, const char *text)
{
	struct store_message *m = &r->message;
	enum resend_result result;

	*m = (struct store_message){.direction = STORE_OUTBOUND,
		.policy = old->policy,
		.maybe_duplicate = old->maybe_duplicate || old->state == STORE_MESSAGE_UNKNOWN,
		.replaces = r->replaced};
	memcpy(r->replaced, old->id, sizeof(r->replaced));
	memcpy(m->business_id, old->business_id, sizeof(m->business_id));
	memcpy(m->number, old->number, sizeof(m->number));
	memcpy(m->conversation, old->conversation, sizeof(m->conversation));
	result = connection_find(r, old, m->connection_id);
	if (result != RESEND_DONE)
		return result;
	if (outbound_message_seal(r->tenants, text, strlen(text), m, &r->content) != OUTBOUND_OK)
		return RESEND_FAILED;
	return check_window(r, text);
}

struct wanted {
	struct resend *r;
	enum resend_result result;
};

static bool take(const struct store_message *m, void *arg)
{
	struct wanted *w = arg;
	cJSON *content;
	char *text;

	w->result = judge(w->r, m);
	if (w->result != RESEND_DONE)
		return false;
	content = content_open(w->r->tenants, m);
	text = content != NULL ? json_text(content) : NULL;
	w->result = text != NULL ? make(w->r, m, text) : RESEND_FAILED;
	json_text_free(text);
	cJSON_Delete(content);
	return false;
}

enum resend_result resend_make(struct resend *r, const char *id)
{
	struct wanted w = {r, RESEND_FAILED};
	enum store_error err;

	if (r->business->status != STORE_BUSINESS_ACTIVE)
		return RESEND_PAUSED;
	err = store_message_get(tenants_store(r->tenants), r->business->id, id, take, &w);
	return err == STORE_NOT_FOUND ? RESEND_NO_SUCH : err == STORE_OK ? w.result : RESEND_FAILED;
}

enum resend_result resend_queue(struct resend *r, const struct store_once_end *once)
{
	const enum store_error err = store_message_queue(tenants_store(r->tenants), &r->message, once);

	if (err == STORE_STALE)
		return RESEND_ALREADY;
	if (err != STORE_OK)
		return err == STORE_NOT_FOUND ? RESEND_NO_NUMBER : RESEND_FAILED;
	log_info("a message is sent again business=%s message=%s as=%s", r->business->id, r->replaced, r->message.id);
	if (r->outbound != NULL)
		outbound_wake(r->outbound, r->message.connection_id);
	return RESEND_DONE;
}

void resend_clear(struct resend *r)
{
	free(r->content);
	r->content = NULL;
}
