/*
 * Updates of one event made ready for the store.
 *
 * Message ids and message texts leave this file sealed or as blind indexes only. What
 * is not the connection's own is marked, and neither logged nor applied. Called by
 * ready.c.
 */
#include "gateway/inbound/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/account.h"
#include "gateway/inbound/customer.h"
#include "gateway/inbound/kinds.h"
#include "gateway/inbound/message.h"
#include "gateway/inbound/scene.h"
#include "gateway/inbound/seen.h"
#include "gateway/json.h"
#include "gateway/outbound/outbound.h"

#define ECHO_PAUSE_MS INT64_C(43200000) /* 12 hours */
#define SEEN_TEXT_MAX 1024u /* longer ones are hashed before they are indexed */

struct prepared_row {
	struct store_message message;
	struct store_settlement settlement;
	struct store_ask ask;
	uint8_t *content, *wamid; /* the message's, or the settlement's */
	uint8_t *told; /* the ask's content */
	struct store_notice *notices; /* one for each connection that it is about */
	char reason[STORE_TEXT_LEN + 1];
};

struct preparation {
	struct tenants *tenants;
	const struct prepare_event *ev;
	struct scene scene;
	const char *owned; /* the number looked up last, and who may use it ("": nobody) */
	char owner[STORE_ID_LEN + 1];
};

void intake_prepared_clear(struct prepared *p)
{
	for (size_t i = 0; i < p->len && p->rows != NULL; i++) {
		free(p->rows[i].content);
		free(p->rows[i].wamid);
		free(p->rows[i].told);
		free(p->rows[i].notices);
	}
	free(p->rows);
	free(p->updates);
	memset(p, 0, sizeof(*p));
}

/* ------------------------------------------------------------ where it belongs, whether it is known */

/* The same number may belong to a connection of each provider: it is the one that verified which counts. */
static enum tenant_error find_owner(struct preparation *p, const char *number)
{
	struct store_connection c;
	enum store_error err = STORE_NOT_FOUND;

	if (p->owned != NULL && strcmp(p->owned, number) == 0)
		return TENANT_OK;
	if (binding_is_number(number))
		err = store_connection_by_number(
			tenants_store(p->tenants), p->ev->business_id, p->ev->binding->provider, number, &c);
	if (err != STORE_OK && err != STORE_NOT_FOUND)
		return err == STORE_NO_MEMORY ? TENANT_NO_MEMORY : TENANT_STORE;
	p->owned = number;
	p->owner[0] = '\0';
	if (err == STORE_OK)
		memcpy(p->owner, c.id, sizeof(p->owner));
	return TENANT_OK;
}

static enum tenant_error bind_update(struct preparation *p, const struct split_update *u, struct store_update *out)
{
	struct binding_claim claim = {.field = u->field, .number = u->number, .account = u->account};

	if (u->number != NULL) {
		enum tenant_error err = find_owner(p, u->number);

		if (err != TENANT_OK)
			return err;
		claim.owner = p->owner[0] != '\0' ? p->owner : NULL;
	}
	out->reason = binding_judge(p->ev->binding, &claim);
	out->verdict = out->reason == NULL ? STORE_UPDATE_DELIVERED : STORE_UPDATE_QUARANTINED;
	return TENANT_OK;
}

static enum tenant_error index_text(struct preparation *p, const char *kind, const char *text, uint8_t *out)
{
	return tenant_index(p->tenants, p->ev->business_id, kind, text, strlen(text), out);
}

/* Whether its row in the log will tell that it came. Of an echo that is not sure: of what was sent from here it gets none. */
static bool known_by_row(const struct store_update *u)
{
	return u->message != NULL && !u->message->echo && u->message->wamid != NULL;
}

static enum tenant_error key_update(struct preparation *p, const struct split_update *u, struct store_update *out)
{
	uint8_t hash[VAULT_HASH_LEN];
	enum tenant_error err;
	char *text;

	if (known_by_row(out))
		return TENANT_OK;
	text = seen_text(u);
	if (text == NULL)
		return TENANT_NO_MEMORY;
	if (strlen(text) <= SEEN_TEXT_MAX) {
		err = index_text(p, "seen", text, out->seen_key);
	} else {
		vault_hash(text, strlen(text), hash);
		err = tenant_index(p->tenants, p->ev->business_id, "seen", hash, sizeof(hash), out->seen_key);
	}
	json_text_free(text);
	return err;
}

/* ------------------------------------------------------------ messages of both sides */

static bool awaits_answer(const struct prepare_event *ev, const cJSON *item, const struct message_customer *who)
{
	return ev->answers && (who->phone != NULL || who->user_id != NULL) && message_question(item) != NULL &&
		ev->received_at - message_written_at(item, ev->received_at) <= MESSAGE_ANSWER_AGE_MS;
}

/* All names of the customer, as conversations of his number; the first is the update's own. */
static enum tenant_error name_customer(
	struct preparation *p, const struct split_update *u, const cJSON *contact, struct store_update *out)
{
	/* What tells of a customer without a number is about the connection's. */
	const struct binding *b = p->ev->binding;
	const bool elsewhere = u->kind == STORE_UPDATE_OTHER && u->number == NULL && b->peers_len > 0;
	const char *names[STORE_NAMES_MAX], *number = elsewhere ? b->peers[0].number : out->number;
	const int64_t written_at = message_written_at(u->item, p->ev->received_at);
	enum tenant_error err = TENANT_OK;

	out->names_len = customer_names(u, contact, names);
	for (size_t i = 0; i < out->names_len && err == TENANT_OK; i++)
		err = tenant_conversation(p->tenants, p->ev->business_id, number, names[i], out->names[i]);
	out->holder = customer_holder(u);
	out->held_at = written_at < p->ev->received_at ? written_at : p->ev->received_at;
	if (out->names_len > 0 && customer_called(u))
		out->called_at = p->ev->received_at;
	return err;
}

static enum tenant_error seal_message(
	struct preparation *p, const cJSON *item, const cJSON *contact, struct prepared_row *row)
{
	struct tenant_place place = {p->ev->business_id, "messages", row->message.id, "content", 1};
	const char *wamid = json_get_string(item, "id");
	/* An echo lies as what is sent from here does. */
	char *content = row->message.echo ? json_text(item) : scene_content(&p->scene, item, contact);
	enum tenant_error err = TENANT_NO_MEMORY;

	if (content != NULL)
		err = tenant_seal(
			p->tenants, &place, content, strlen(content), &row->content, &row->message.content_len);
	json_text_free(content);
	if (err != TENANT_OK)
		return err;
	row->message.content = row->content;
	if (wamid == NULL || wamid[0] == '\0')
		return TENANT_OK;
	err = index_text(p, "wamid", wamid, row->message.wamid_index);
	if (err != TENANT_OK)
		return err;
	place.field = "wamid";
	err = tenant_seal(p->tenants, &place, wamid, strlen(wamid), &row->wamid, &row->message.wamid_len);
	row->message.wamid = row->wamid;
	return err;
}

static enum tenant_error relate(struct preparation *p, const cJSON *item, struct store_message *m)
{
	const char *wamid;

	m->relation = kinds_relation(item, &wamid);
	return m->relation != STORE_NO_RELATION ? index_text(p, "wamid", wamid, m->concerns) : TENANT_OK;
}

/* A customer's, or an echo: what the owner, or another handler, wrote to him. */
static enum tenant_error prepare_message(struct preparation *p, const struct split_update *u, const cJSON *contact,
	struct store_update *out, struct prepared_row *row)
{
	const char *type = json_get_string(u->item, "type");
	struct store_message *m = &row->message;
	const struct message_customer who = message_customer(u->item, contact);
	enum tenant_error err;

	store_id_new(m->id);
	memcpy(m->business_id, p->ev->business_id, strlen(p->ev->business_id) + 1);
	/* The answer goes out with the key of the number's own connection. */
	memcpy(m->connection_id, u->number != NULL ? p->owner : p->ev->connection_id, sizeof(m->connection_id));
	memcpy(m->number, out->number, sizeof(m->number));
	m->echo = u->kind == STORE_UPDATE_ECHO;
	m->standby = u->standby;
	m->direction = m->echo ? STORE_OUTBOUND : STORE_INBOUND;
	m->state = m->echo ? STORE_MESSAGE_SENT : STORE_MESSAGE_RECEIVED;
	message_text_cut(m->type, sizeof(m->type), type != NULL ? type : "");
	m->created_at = m->updated_at = p->ev->received_at;
	m->awaits_answer = !m->echo && !m->standby && u->number != NULL && awaits_answer(p->ev, u->item, &who);
	memcpy(m->conversation, out->names[0], sizeof(m->conversation));
	err = relate(p, u->item, m);
	if (err == TENANT_OK)
		err = seal_message(p, u->item, contact, row);
	if (m->content_len > PREPARE_ASK_MAX)
		m->awaits_answer = false;
	if (err == TENANT_OK)
		out->message = m;
	return err;
}

/* Typed in the WhatsApp app: the bot keeps out of that conversation for a while (design section 4 step 5). */
static void pause_bot(const struct preparation *p, const struct split_update *u, struct store_update *out)
{
	if (u->kind != STORE_UPDATE_ECHO || u->number == NULL)
		return;
	for (size_t i = 0; i < out->names_len && i < STORE_PAUSES_MAX; i++) {
		memcpy(out->pauses[i].conversation, out->names[i], sizeof(out->pauses[i].conversation));
		out->pauses[i].until = p->ev->received_at + ECHO_PAUSE_MS;
	}
}

/* ------------------------------------------------------------ a status */

/* Our own id comes back there (design section 4). */
#define OUR_ID_FIELD "biz_opaque_callback_data"

static bool is_our_id(const char *text)
{
	return text != NULL && strlen(text) == STORE_ID_LEN &&
		strspn(text, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == STORE_ID_LEN;
}

static void read_status_error(const cJSON *status, struct prepared_row *row)
{
	const cJSON *code = json_get_path(status, "errors[0].code");
	const char *text = cJSON_GetStringValue(json_get_path(status, "errors[0].title"));

	if (text == NULL)
		text = cJSON_GetStringValue(json_get_path(status, "errors[0].message"));
	if (cJSON_IsNumber(code) && code->valuedouble >= INT32_MIN && code->valuedouble <= INT32_MAX)
		row->settlement.error_code = (int32_t)code->valuedouble;
	if (text == NULL)
		return;
	message_reason(row->reason, sizeof(row->reason), text);
	row->settlement.reason = row->reason;
}

/* What one of a group did with a message, or what failed for him, says of the message itself only that it is out. */
static bool is_of_one(const cJSON *status)
{
	return json_get(status, "recipient_participant_id") != NULL ||
		json_get(status, "recipient_participant_user_id") != NULL ||
		json_get(status, "recipient_participant_parent_user_id") != NULL;
}

static bool read_move(const cJSON *item, const char *status, struct store_settlement *s)
{
	const bool of_one = is_of_one(item);

	if (!outbound_status_move(status, &s->to, &s->from_states))
		return false;
	s->played = !of_one && strcmp(status, "played") == 0;
	return !of_one || outbound_status_move("sent", &s->to, &s->from_states);
}

/* What it says about the outbox. */
static enum tenant_error settle_status(
	struct preparation *p, const struct split_update *u, struct store_update *out, struct prepared_row *row)
{
	const char *wamid = json_get_string(u->item, "id");
	const char *status = json_get_string(u->item, "status");
	const char *ours = json_get_string(u->item, OUR_ID_FIELD);
	struct store_settlement *s = &row->settlement;
	struct tenant_place place = {p->ev->business_id, "messages", s->message_id, "wamid", 1};
	enum tenant_error err;

	if (wamid == NULL || wamid[0] == '\0' || status == NULL || !read_move(u->item, status, s))
		return TENANT_OK;
	err = index_text(p, "wamid", wamid, s->wamid_index);
	if (err == TENANT_OK && is_our_id(ours)) {
		memcpy(s->message_id, ours, sizeof(s->message_id));
		err = tenant_seal(p->tenants, &place, wamid, strlen(wamid), &row->wamid, &s->wamid_len);
		s->wamid = row->wamid;
	}
	if (err != TENANT_OK)
		return err;
	s->at = p->ev->received_at;
	if (s->to == STORE_MESSAGE_FAILED)
		read_status_error(u->item, row);
	out->settlement = s;
	return TENANT_OK;
}

/* The responder is told of it, in the order of the conversation. Takes content, NULL where memory was short. */
static enum tenant_error owe(struct preparation *p, const struct split_update *u, char *content,
	struct store_update *out, struct prepared_row *row)
{
	struct store_ask *a = &row->ask;
	struct tenant_place place = {p->ev->business_id, "asks", a->id, "content", 1};
	enum tenant_error err = TENANT_OK;

	if (content == NULL)
		return TENANT_NO_MEMORY;
	store_id_new(a->id);
	if (strlen(content) <= PREPARE_ASK_MAX)
		err = tenant_seal(p->tenants, &place, content, strlen(content), &row->told, &a->content_len);
	json_text_free(content);
	if (err != TENANT_OK || row->told == NULL)
		return err;
	a->content = row->told;
	a->kind = STORE_ASK_STATUS;
	memcpy(a->business_id, p->ev->business_id, strlen(p->ev->business_id) + 1);
	memcpy(a->connection_id, u->number != NULL ? p->owner : p->ev->connection_id, sizeof(a->connection_id));
	memcpy(a->number, out->number, sizeof(a->number));
	a->created_at = p->ev->received_at;
	out->ask = a;
	/* What is about nobody goes in one order. */
	if (out->names_len == 0)
		return tenant_conversation(p->tenants, p->ev->business_id, out->number, "", a->conversation);
	memcpy(a->conversation, out->names[0], sizeof(a->conversation));
	return TENANT_OK;
}

static enum tenant_error owe_status(
	struct preparation *p, const struct split_update *u, struct store_update *out, struct prepared_row *row)
{
	const char *ours = json_get_string(u->item, OUR_ID_FIELD);

	if (is_our_id(ours))
		memcpy(row->ask.message_id, ours, sizeof(row->ask.message_id));
	return owe(p, u, scene_status(&p->scene, u->item), out, row);
}

static enum tenant_error prepare_status(
	struct preparation *p, const struct split_update *u, struct store_update *out, struct prepared_row *row)
{
	enum tenant_error err = settle_status(p, u, out, row);

	return err == TENANT_OK && p->ev->statuses ? owe_status(p, u, out, row) : err;
}

/* ------------------------------------------------------------ an account */

static enum tenant_error prepare_notices(
	const struct preparation *p, const struct split_update *u, struct store_update *out, struct prepared_row *row)
{
	const struct binding *b = p->ev->binding;
	const struct binding_claim claim = {.field = u->field, .number = u->number, .account = u->account};
	struct store_notice notice;

	if (!account_read(u, p->ev->received_at, &notice))
		return TENANT_OK;
	row->notices = calloc(b->peers_len, sizeof(*row->notices));
	if (row->notices == NULL)
		return TENANT_NO_MEMORY;
	for (size_t i = 0; i < b->peers_len; i++) {
		if (!binding_names(&b->peers[i], &claim) || !account_has_number(u, b->peers[i].display_phone))
			continue;
		memcpy(notice.connection_id, b->peers[i].connection_id, sizeof(notice.connection_id));
		row->notices[out->notices_len++] = notice;
	}
	out->notices = row->notices;
	return TENANT_OK;
}

/* What the owner types in the WhatsApp app tells that his number is on it, too, and takes less (facts/meta.md 4). */
static enum tenant_error note_coexistence(
	const struct preparation *p, const struct split_update *u, struct store_update *out, struct prepared_row *row)
{
	if (strcmp(u->field, "smb_message_echoes") != 0 || u->number == NULL)
		return TENANT_OK;
	row->notices = calloc(1, sizeof(*row->notices));
	if (row->notices == NULL)
		return TENANT_NO_MEMORY;
	row->notices[0] =
		(struct store_notice){.at = p->ev->received_at, .mps = OUTBOUND_MPS_COEXISTENCE, .guessed = true};
	memcpy(row->notices[0].connection_id, p->owner, sizeof(row->notices[0].connection_id));
	out->notices = row->notices;
	out->notices_len = 1;
	return TENANT_OK;
}

/* ------------------------------------------------------------ all of them */

static enum tenant_error prepare_one(
	struct preparation *p, const struct split_update *u, struct store_update *out, struct prepared_row *row)
{
	const cJSON *contact;
	enum tenant_error err;

	store_id_new(out->id);
	out->kind = u->kind;
	kinds_what(u, out->what);
	message_text_cut(out->field, sizeof(out->field), u->field);
	message_text_cut(out->number, sizeof(out->number), u->number != NULL ? u->number : "");
	err = bind_update(p, u, out);
	if (err != TENANT_OK || out->verdict != STORE_UPDATE_DELIVERED)
		return err;
	if (!scene_set(&p->scene, u))
		return TENANT_NO_MEMORY;
	contact = scene_contact(&p->scene, u->item);
	err = name_customer(p, u, contact, out);
	if (err != TENANT_OK)
		return err;
	switch (u->kind) {
	case STORE_UPDATE_MESSAGE:
	case STORE_UPDATE_ECHO:
		err = prepare_message(p, u, contact, out, row);
		if (err == TENANT_OK && u->kind == STORE_UPDATE_ECHO)
			err = note_coexistence(p, u, out, row);
		break;
	case STORE_UPDATE_STATUS:
		err = prepare_status(p, u, out, row);
		break;
	case STORE_UPDATE_OTHER:
		err = prepare_notices(p, u, out, row);
		break;
	}
	if (err == TENANT_OK)
		err = key_update(p, u, out);
	pause_bot(p, u, out);
	/* A question that is asked is told by that. */
	if (err == TENANT_OK && p->ev->all && u->kind != STORE_UPDATE_STATUS &&
		(out->message == NULL || !out->message->awaits_answer))
		err = owe(p, u, scene_update(&p->scene, u, contact), out, row);
	return err;
}

enum tenant_error intake_prepare(struct tenants *t, const struct prepare_event *ev, const struct split_update *split,
	size_t len, struct prepared *out)
{
	struct preparation p = {.tenants = t, .ev = ev};
	enum tenant_error err = TENANT_OK;

	memset(out, 0, sizeof(*out));
	if (len == 0)
		return TENANT_OK;
	out->updates = calloc(len, sizeof(*out->updates));
	out->rows = calloc(len, sizeof(*out->rows));
	if (out->updates == NULL || out->rows == NULL)
		return TENANT_NO_MEMORY;
	out->len = len;
	for (size_t i = 0; i < len && err == TENANT_OK; i++) {
		err = prepare_one(&p, &split[i], &out->updates[i], &out->rows[i]);
		out->asks += out->updates[i].ask != NULL;
	}
	scene_clear(&p.scene);
	return err;
}
