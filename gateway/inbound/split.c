/*
 * The lenient splitter: entry x change x message, status, echo, call.
 *
 * Trusts nothing about the tree but that it is one. Look-ups are case-sensitive;
 * of a key that stands twice the first counts, here and everywhere. Called by ready.c.
 */
#include "gateway/inbound/split.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"

#define SPLIT_FIRST_ROOM 16u

/* How many bytes the character at p takes, 0 when it is not UTF-8. */
static size_t utf8_len(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len = p[0] < 0x80	? 1
		: (p[0] & 0xe0) == 0xc0 ? 2
		: (p[0] & 0xf0) == 0xe0 ? 3
		: (p[0] & 0xf8) == 0xf0 ? 4
					: 0;
	uint32_t code;

	if (len <= 1)
		return len;
	if (len > left)
		return 0;
	code = p[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3fu);
	}
	return code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) ? 0 : len;
}

static bool is_utf8(const uint8_t *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		size_t step = utf8_len(text + i, len - i);

		if (step == 0)
			return false;
		i += step;
	}
	return true;
}

/* What is not UTF-8 is no JSON, although cJSON takes it; it would come out again in answers and lists. */
enum split_error split_parse(const uint8_t *body, size_t len, cJSON **root)
{
	cJSON *tree = is_utf8(body, len) ? json_parse((const char *)body, len) : NULL;

	if (tree == NULL)
		return SPLIT_NOT_JSON;
	*root = tree;
	return SPLIT_OK;
}

struct splitter {
	struct split_update *updates;
	size_t len, room;
	enum split_error err;
	bool recognised; /* at least one change was an object */
};

/* What the updates of an entry or a change have in common; NULL stays NULL. */
static const char *shared(const char *text)
{
	return text != NULL && strnlen(text, SPLIT_SHARED_MAX + 1) > SPLIT_SHARED_MAX ? "" : text;
}

/* Of something that should be a text. */
static const char *shared_text(const cJSON *node)
{
	return cJSON_IsString(node) ? shared(node->valuestring) : "";
}

static const cJSON *shared_time(const cJSON *time)
{
	return cJSON_IsNumber(time) || (cJSON_IsString(time) && shared_text(time)[0] != '\0') ? time : NULL;
}

static bool field_is(const struct split_update *u, const char *name)
{
	return strcmp(u->field, name) == 0;
}

/* Appends a copy of what with its kind and item; false ends the walk. */
static bool add(struct splitter *s, const struct split_update *what, enum store_update_kind kind, const cJSON *item)
{
	if (s->len == SPLIT_UPDATES_MAX) {
		s->err = SPLIT_TOO_MANY;
		return false;
	}
	if (s->len == s->room) {
		size_t room = s->room == 0 ? SPLIT_FIRST_ROOM : s->room * 2;
		struct split_update *grown = realloc(s->updates, room * sizeof(*grown));

		if (grown == NULL) {
			s->err = SPLIT_NO_MEMORY;
			return false;
		}
		s->updates = grown;
		s->room = room;
	}
	s->updates[s->len] = *what;
	s->updates[s->len].kind = kind;
	s->updates[s->len].item = item;
	s->len++;
	return true;
}

static enum store_update_kind kind_of(const struct split_update *u, const char *list)
{
	if (strcmp(list, "message_echoes") == 0)
		return STORE_UPDATE_ECHO;
	if (strcmp(list, "messages") == 0)
		return field_is(u, "messages") || u->standby ? STORE_UPDATE_MESSAGE : STORE_UPDATE_OTHER;
	if (strcmp(list, "statuses") == 0 &&
		(field_is(u, "messages") || u->standby || field_is(u, "smb_message_echoes") ||
			field_is(u, "message_echoes")))
		return STORE_UPDATE_STATUS;
	return STORE_UPDATE_OTHER;
}

/* Every element of every list of one container: a value, or what stands in value.standby. */
static bool split_lists(struct splitter *s, const struct split_update *change, const cJSON *container)
{
	static const char *const lists[] = {"messages", "statuses", "message_echoes", "calls", "user_id_update"};
	struct split_update in = *change;

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		const cJSON *list = json_get(container, lists[i]);
		const cJSON *element;

		if (!cJSON_IsArray(list))
			continue;
		in.list = lists[i];
		cJSON_ArrayForEach (element, list) {
			bool usable = cJSON_IsObject(element);

			if (!add(s, &in, usable ? kind_of(change, lists[i]) : STORE_UPDATE_OTHER, element))
				return false;
		}
	}
	return true;
}

static void take_scene(struct split_update *u, const cJSON *container)
{
	const cJSON *metadata = json_get(container, "metadata");
	const cJSON *contacts = json_get(container, "contacts");
	const cJSON *number = json_get(metadata, "phone_number_id");

	if (cJSON_IsObject(metadata))
		u->metadata = metadata;
	if (cJSON_IsArray(contacts))
		u->contacts = contacts;
	if (number != NULL)
		u->number = shared_text(number);
}

/* A handover has no metadata of its own. */
static void take_recipient(struct split_update *u, const cJSON *value)
{
	const cJSON *number = json_get(json_get(value, "recipient"), "phone_number_id");

	if (u->number == NULL && number != NULL && field_is(u, "messaging_handovers"))
		u->number = shared_text(number);
}

/* A missing field means messages; one of a wrong type, or far too long, means nothing we know. */
static const char *field_of(const cJSON *change)
{
	const cJSON *field = json_get(change, "field");

	if (field == NULL || cJSON_IsNull(field))
		return "messages";
	return shared_text(field);
}

static bool split_change(struct splitter *s, const struct split_update *entry, const cJSON *change)
{
	struct split_update u = *entry;
	const cJSON *value = json_get(change, "value");
	const cJSON *standby = json_get(value, "standby");
	size_t before = s->len;

	if (!cJSON_IsObject(change))
		return add(s, &u, STORE_UPDATE_OTHER, change);
	s->recognised = true;
	u.field = field_of(change);
	u.standby = field_is(&u, "standby");
	take_scene(&u, value);
	take_recipient(&u, value);
	if (!field_is(&u, "history")) {
		if (!split_lists(s, &u, value))
			return false;
		if (u.standby && cJSON_IsObject(standby)) {
			struct split_update nested = u;

			take_scene(&nested, standby);
			if (!split_lists(s, &nested, standby))
				return false;
		}
	}
	if (s->len > before)
		return true;
	return add(s, &u, STORE_UPDATE_OTHER, value != NULL ? value : change);
}

static bool split_entry(struct splitter *s, const cJSON *entry)
{
	struct split_update u = {.field = ""};
	const cJSON *changes = json_get(entry, "changes");
	const cJSON *change;
	size_t before = s->len;

	u.account = shared(json_get_string(entry, "id"));
	u.time = shared_time(json_get(entry, "time"));
	if (cJSON_IsArray(changes))
		cJSON_ArrayForEach (change, changes)
			if (!split_change(s, &u, change))
				return false;
	return s->len > before || add(s, &u, STORE_UPDATE_OTHER, entry);
}

enum split_error split_envelope(const cJSON *root, struct split_update **out, size_t *len)
{
	struct splitter s = {.err = SPLIT_OK};
	const cJSON *entries = json_get(root, "entry");
	const cJSON *entry;

	if (!cJSON_IsArray(entries))
		return SPLIT_UNKNOWN_SHAPE;
	cJSON_ArrayForEach (entry, entries)
		if (!split_entry(&s, entry))
			goto out;
	if (!s.recognised) {
		s.err = SPLIT_UNKNOWN_SHAPE;
		goto out;
	}
	*out = s.updates;
	*len = s.len;
	s.updates = NULL; /* transferred */
out:
	free(s.updates);
	return s.err;
}
