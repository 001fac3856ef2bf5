/*
 * The scene of a change: the metadata and contacts that go with all its messages, read
 * and printed once, however many messages there are. Called by prepare.c.
 */
#ifndef KEYHOUSE_INBOUND_SCENE_H
#define KEYHOUSE_INBOUND_SCENE_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/inbound/message.h"
#include "gateway/inbound/split.h"

/* Each message is logged with its contact and metadata: bounded, so that one body cannot
 * be made to fill the disk many times over, nor to be read over and over. A longer contact is nobody's; longer metadata
 * are left out of the log. */
#define SCENE_CONTACTS_MAX 1000u /* one for each update of a POST, facts/meta.md 1.4 */
#define SCENE_CONTACT_LEN 4096u
#define SCENE_METADATA_LEN 1024u

struct scene {
	const cJSON *metadata_node, *contacts_node;
	struct scene_contact *contacts;
	size_t contacts_len;
	char *metadata; /* JSON text */
};
struct scene_contact {
	const cJSON *node; /* NULL: it is too long */
	const char *wa_id, *user_id;
	char *text; /* as JSON */
};

/* Makes s the scene of u; does nothing when it is already. False: memory is short. */
bool scene_set(struct scene *s, const struct split_update *u);
void scene_clear(struct scene *s);

/* The contact who wrote message, or to whom an echo went: by user id, else by phone, else the only one there is
 * when the message names nobody; lists are not aligned (facts/meta.md 1.5). May be NULL. */
const cJSON *scene_contact(const struct scene *s, const cJSON *message);

/* The log's content of a message: {"message", "contact", "metadata"}.
 * Owns: caller wipes and frees. NULL: memory is short. */
char *scene_content(const struct scene *s, const cJSON *message, const cJSON *contact);

/* What a responder that is told of every update is owed of it: {"update": {"field", "account", "value"}}, where value is
 * Meta's, with this one update alone in its list. Owns and NULL as above. */
char *scene_update(const struct scene *s, const struct split_update *u, const cJSON *contact);

/* What the responder is owed of a status: {"status", "metadata"}. Owns and NULL as above. */
char *scene_status(const struct scene *s, const cJSON *status);

#endif
