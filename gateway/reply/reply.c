/*
 * The table of responders. Called by gateway/inbound and gateway/api.
 */
#include "gateway/reply/reply.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/reply/catalogue.h"

static enum reply_error none_ask(
	struct store *store, const struct reply_question *question, struct reply_answer *answer)
{
	(void)store;
	(void)question;
	(void)answer;
	return REPLY_OK;
}

static const struct {
	const char *name;
	enum reply_error (*ask)(
		struct store *store, const struct reply_question *question, struct reply_answer *answer);
} responders[] = {
	{"none", none_ask},
	{"catalogue", reply_catalogue_ask},
};

#define RESPONDERS (sizeof(responders) / sizeof(responders[0]))

static size_t find(const char *name)
{
	size_t i = 0;

	while (i < RESPONDERS && strcmp(responders[i].name, name) != 0)
		i++;
	return i;
}

bool reply_known(const char *responder)
{
	return find(responder) < RESPONDERS;
}

void reply_answer_clear(struct reply_answer *a)
{
	for (size_t i = 0; i < a->len; i++)
		free(a->texts[i]);
	memset(a, 0, sizeof(*a));
}

enum reply_error reply_ask(
	struct store *store, const char *responder, const struct reply_question *question, struct reply_answer *answer)
{
	size_t i = find(responder);
	enum reply_error err;

	memset(answer, 0, sizeof(*answer));
	if (i == RESPONDERS)
		return REPLY_UNKNOWN_RESPONDER;
	err = responders[i].ask(store, question, answer);
	if (err != REPLY_OK)
		reply_answer_clear(answer);
	return err;
}
