/*
 * Messages: listed and looked up with their content opened. How they are sent: sending.c.
 *
 * Rows are copied out of the store before their content is opened, because opening
 * may have to ask the store for keys. A row that does not open shows null.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/api/json_out.h"
#include "gateway/api/page.h"
#include "gateway/api/problem.h"
#include "gateway/content.h"
#include "gateway/json.h"

#define PAGE_BYTES_MAX (8u * 1024u * 1024u) /* a page ends early rather than hold more sealed content */

static const struct listing_name directions[] = {{"inbound", STORE_INBOUND}, {"outbound", STORE_OUTBOUND}, {NULL, 0}};

static const struct listing_name states[] = {{"received", STORE_MESSAGE_RECEIVED}, {"queued", STORE_MESSAGE_QUEUED},
	{"sending", STORE_MESSAGE_SENDING}, {"retry", STORE_MESSAGE_RETRY}, {"sent", STORE_MESSAGE_SENT},
	{"delivered", STORE_MESSAGE_DELIVERED}, {"read", STORE_MESSAGE_READ}, {"failed", STORE_MESSAGE_FAILED},
	{"unknown", STORE_MESSAGE_UNKNOWN}, {"dead", STORE_MESSAGE_DEAD}, {NULL, 0}};

static const struct listing_name switches[] = {{"true", STORE_ON}, {"false", STORE_OFF}, {NULL, 0}};

static const struct listing_name policies[] = {
	{"at_most_once", STORE_AT_MOST_ONCE}, {"at_least_once", STORE_AT_LEAST_ONCE}, {NULL, 0}};

/* ------------------------------------------------------------ showing */

struct row {
	struct store_message message; /* its pointers are those below */
	uint8_t *content, *wamid;
};

/* What one call takes out of the store. */
struct taken {
	struct listing *listing; /* NULL: one message is looked up */
	struct row *rows;
	size_t len, max, bytes;
	bool no_memory;
};

static void taken_clear(struct taken *t)
{
	for (size_t i = 0; i < t->len; i++) {
		free(t->rows[i].content);
		free(t->rows[i].wamid);
	}
	free(t->rows);
}

static bool copy(uint8_t **out, const uint8_t *data, size_t len)
{
	if (data == NULL || len == 0)
		return true;
	*out = malloc(len);
	if (*out != NULL)
		memcpy(*out, data, len);
	return *out != NULL;
}

static bool take(const struct store_message *m, void *arg)
{
	struct taken *t = arg;
	struct row *row = &t->rows[t->len];

	if (t->listing != NULL && !listing_wants(t->listing))
		return false;
	if (t->len == t->max)
		return false;
	if (t->len > 0 && t->bytes + m->content_len > PAGE_BYTES_MAX) {
		t->listing->more = true;
		return false;
	}
	*row = (struct row){.message = *m};
	t->len++;
	t->bytes += m->content_len;
	t->no_memory = !copy(&row->content, m->content, m->content_len) || !copy(&row->wamid, m->wamid, m->wamid_len);
	row->message.content = row->content;
	row->message.wamid = row->wamid;
	return !t->no_memory;
}

/* The provider's id, opened and NUL-terminated, or NULL. Owns: the caller ends it with text_end. */
static char *open_wamid(struct call *c, const struct store_message *m)
{
	const struct tenant_place where = {m->business_id, "messages", m->id, "wamid", 1};
	uint8_t *plain = NULL;
	size_t plain_len;

	if (m->wamid == NULL ||
		tenant_open(c->api->tenants, &where, m->wamid, m->wamid_len, &plain, &plain_len) != TENANT_OK)
		return NULL;
	return (char *)plain;
}

static void text_end(char *text)
{
	if (text != NULL)
		vault_wipe(text, strlen(text));
	free(text);
}

static void put_customer(struct out *o, const cJSON *content, enum store_direction direction)
{
	char text[CONTENT_CUSTOMER_MAX + 1];

	content_customer(content, direction, text);
	out_text(o, "customer", text);
	vault_wipe(text, sizeof(text));
}

static void put_error(struct out *o, const struct store_message *m)
{
	struct out error;

	if (m->error_code == 0 && m->reason[0] == '\0')
		return;
	out_begin(&error);
	if (m->error_code != 0)
		out_number(&error, "code", m->error_code);
	else
		out_null(&error, "code");
	out_text(&error, "reason", m->reason);
	out_value(o, "error", out_end(&error));
}

/* The emoji with which a message reacts, or NULL. Owns: the caller ends it with text_end. */
static char *emoji_of(struct call *c, const char *id)
{
	struct row row = {.content = NULL};
	struct taken t = {.rows = &row, .max = 1};
	char *emoji = NULL;

	if (store_message_get(c->api->store, c->business.id, id, take, &t) == STORE_OK && t.len > 0 && !t.no_memory) {
		cJSON *content = content_open(c->api->tenants, &row.message);
		const char *text = content_text(content, row.message.direction);

		emoji = text != NULL ? strdup(text) : NULL;
		cJSON_Delete(content);
	}
	free(row.content);
	free(row.wamid);
	return emoji;
}

static void put_reaction(struct call *c, struct out *o, const char *id)
{
	char *emoji = emoji_of(c, id);
	struct out reaction;

	out_begin(&reaction);
	out_text(&reaction, "message_id", id);
	out_text(&reaction, "emoji", emoji);
	out_value(o, "reaction", out_end(&reaction));
	text_end(emoji);
}

static void put_true(struct out *o, const char *name, bool is)
{
	if (is)
		out_bool(o, name, true);
}

/* What is known of it beside itself; false: the store did not say. */
static bool put_ties(struct call *c, struct out *o, const struct store_message *m)
{
	static const char *const relations[] = {[STORE_EDITS] = "edits",
		[STORE_REVOKES] = "revokes",
		[STORE_REACTS] = "reacts",
		[STORE_UNREACTS] = "unreacts"};
	struct store_ties ties;
	bool held;

	if (store_message_ties(c->api->store, m, &ties) != STORE_OK ||
		store_conversation_held(c->api->store, c->business.id, m->conversation, &held) != STORE_OK)
		return false;
	put_true(o, "echo", m->echo);
	put_true(o, "standby", m->standby);
	put_true(o, "read_only", held);
	if (m->relation != STORE_NO_RELATION) {
		out_text(o, "relation", relations[m->relation]);
		out_text(o, "concerns", ties.concerns[0] != '\0' ? ties.concerns : NULL);
	}
	if (ties.edited_at > 0)
		out_time(o, "edited_at", ties.edited_at);
	if (ties.revoked_at > 0)
		out_time(o, "revoked_at", ties.revoked_at);
	if (m->played_at > 0)
		out_time(o, "played_at", m->played_at);
	if (ties.reaction[0] != '\0')
		put_reaction(c, o, ties.reaction);
	return true;
}

/* How it is, or was, sent. */
static void put_sending(struct out *o, const struct store_message *m)
{
	if (m->direction != STORE_OUTBOUND || m->echo)
		return;
	out_text(o, "policy", listing_name(policies, (int)m->policy));
	put_true(o, "maybe_duplicate", m->maybe_duplicate);
	out_number(o, "attempts", m->attempts);
	out_time(o, "expires_at", outbound_expires_at(m));
	if (m->state == STORE_MESSAGE_QUEUED || m->state == STORE_MESSAGE_RETRY)
		out_time(o, "next_at", m->next_at);
	if (m->discarded_at > 0)
		out_time(o, "discarded_at", m->discarded_at);
}

/* What is shown is printed here: a page of trees would take fifty times the room. NULL: memory is short. */
static cJSON *printed(cJSON *content)
{
	char *text = json_text(content);
	cJSON *raw = text != NULL ? cJSON_CreateRaw(text) : NULL;

	json_text_free(text);
	cJSON_Delete(content);
	return raw;
}

/* NULL: memory is short, or the store did not answer. */
static cJSON *message_json(struct call *c, const struct store_message *m)
{
	char *wamid = open_wamid(c, m);
	cJSON *content = content_open(c->api->tenants, m);
	struct out o;
	bool tied;

	out_begin(&o);
	out_text(&o, "id", m->id);
	out_text(&o, "direction", listing_name(directions, (int)m->direction));
	out_text(&o, "wamid", wamid);
	put_customer(&o, content, m->direction);
	out_text(&o, "type", m->type);
	out_text(&o, "state", listing_name(states, (int)m->state));
	out_text(&o, "number", m->number);
	out_time(&o, "created_at", m->created_at);
	out_time(&o, "updated_at", m->updated_at);
	put_error(&o, m);
	put_sending(&o, m);
	tied = put_ties(c, &o, m);
	/* The client's own: ours takes its place only on the way. */
	if (m->direction == STORE_OUTBOUND && json_get_string(content, "biz_opaque_callback_data") != NULL)
		out_text(&o, "biz_opaque_callback_data", json_get_string(content, "biz_opaque_callback_data"));
	if (content != NULL)
		out_value(&o, "content", printed(content));
	else
		out_null(&o, "content");
	if (content == NULL && m->content_len > 0)
		out_value(&o, "damaged", cJSON_CreateBool(true));
	text_end(wamid);
	content = out_end(&o);
	if (tied)
		return content;
	cJSON_Delete(content);
	return NULL;
}

/* ------------------------------------------------------------ reading */

static enum store_error list(struct listing *l, const void *ctx)
{
	struct call *c = l->call;
	struct taken t = {.listing = l, .max = l->page.limit, .rows = calloc(l->page.limit, sizeof(*t.rows))};
	enum store_error err = STORE_NO_MEMORY;

	if (t.rows != NULL)
		err = store_message_list(c->api->store, c->business.id, ctx, &l->page, take, &t);
	if (err == STORE_OK && t.no_memory)
		err = STORE_NO_MEMORY;
	for (size_t i = 0; i < t.len && err == STORE_OK; i++)
		if (!listing_add(l, t.rows[i].message.id, message_json(c, &t.rows[i].message)))
			break;
	taken_clear(&t);
	return err;
}

void messages_list(struct call *c)
{
	struct store_message_filter filter;
	int direction = 0, state = 0, discarded = 0;

	if (!listing_choice(c, "direction", directions, &direction) || !listing_choice(c, "state", states, &state) ||
		!listing_choice(c, "discarded", switches, &discarded))
		return;
	filter.discarded = (enum store_switch)discarded;
	filter.direction = (enum store_direction)direction;
	filter.state = (enum store_message_state)state;
	listing_answer(c, list, NULL, &filter);
}

void messages_get(struct call *c)
{
	struct row row = {.content = NULL};
	struct taken t = {.rows = &row, .max = 1};
	enum store_error err = store_message_get(c->api->store, c->business.id, c->id, take, &t);

	if (err == STORE_OK && (t.no_memory || t.len == 0))
		err = t.no_memory ? STORE_NO_MEMORY : STORE_NOT_FOUND;
	if (err != STORE_OK)
		problem_store(c, err);
	else
		out_send_tree(message_json(c, &row.message), c->res, 200);
	free(row.content);
	free(row.wamid);
}
