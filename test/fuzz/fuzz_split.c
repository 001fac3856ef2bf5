/*
 * Fuzzing the splitter and everything that reads its updates: a webhook's body as any
 * tenant's app may sign it. With a fuzzing engine, or with replay.c over a corpus.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/message.h"
#include "gateway/inbound/scene.h"
#include "gateway/inbound/seen.h"
#include "gateway/inbound/split.h"
#include "gateway/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_update(struct scene *scene, const struct split_update *u)
{
	char *seen = seen_text(u);
	char *content = NULL;
	char reason[64];

	if (seen == NULL || !scene_set(scene, u))
		abort();
	if (seen[0] == '\0' || u->field == NULL)
		abort();
	message_reason(reason, sizeof(reason), seen);
	if (strlen(reason) >= sizeof(reason))
		abort();
	if (u->kind == STORE_UPDATE_MESSAGE) {
		const cJSON *contact = scene_contact(scene, u->item);
		struct message_customer who = message_customer(u->item, contact);
		cJSON *again;

		if (!cJSON_IsObject(u->item) || who.key == NULL)
			abort();
		(void)message_question(u->item);
		(void)message_written_at(u->item, 0);
		content = scene_content(scene, u->item, contact);
		/* What is logged must be readable when the answer is written. */
		again = content != NULL ? json_parse(content, strlen(content)) : NULL;
		if (again == NULL)
			abort();
		cJSON_Delete(again);
	}
	free(content);
	free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct scene scene = {.contacts = NULL};
	struct split_update *u = NULL;
	size_t updates = 0;
	cJSON *root = NULL;

	if (split_parse(data, len, &root) != SPLIT_OK)
		return 0;
	if (split_envelope(root, &u, &updates) == SPLIT_OK && updates == 0)
		abort();
	for (size_t i = 0; i < updates; i++)
		read_update(&scene, &u[i]);
	scene_clear(&scene);
	free(u);
	cJSON_Delete(root);
	return 0;
}
