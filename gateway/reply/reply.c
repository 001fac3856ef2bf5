/*
 * The table of responders. Called by gateway/inbound and gateway/api.
 */
#include "gateway/reply/reply.h"

#include <stdio.h>
#include <string.h>

#include "gateway/reply/catalogue.h"
#include "gateway/reply/platform.h"

static void none_ask(const struct reply_context *c, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	const struct reply_answer silence = {.outcome = REPLY_ANSWERED};

	(void)c;
	(void)question;
	done(arg, &silence);
}

static const struct {
	const char *name;
	bool hears_statuses;
	void (*ask)(const struct reply_context *c, const struct reply_question *question,
		void (*done)(void *arg, const struct reply_answer *a), void *arg);
} responders[] = {
	{"none", false, none_ask},
	{"catalogue", false, reply_catalogue_ask},
	{"platform", true, reply_platform_ask},
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

bool reply_hears_statuses(const char *responder)
{
	const size_t i = find(responder);

	return i < RESPONDERS && responders[i].hears_statuses;
}

void reply_ask(const struct reply_context *c, const char *responder, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	struct reply_answer nobody = {.outcome = REPLY_ANSWERED};
	const size_t i = find(responder);

	if (i < RESPONDERS && (question->kind == STORE_ASK_QUESTION || responders[i].hears_statuses)) {
		responders[i].ask(c, question, done, arg);
		return;
	}
	if (i == RESPONDERS)
		(void)snprintf(nobody.why, sizeof(nobody.why), "there is no such responder");
	done(arg, &nobody);
}
