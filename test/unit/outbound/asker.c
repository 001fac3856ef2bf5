/*
 * Asks through the listener's half and notes how often and with what it was told of the end.
 */
#include "test/unit/outbound/asker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static atomic_int ended;

static void note_end(void *arg, const struct outbound_result *r)
{
	struct asked *a = arg;

	atomic_fetch_add(&a->begun, 1);
	(void)usleep(a->slow_us);
	a->class = r->class;
	a->retry_after_ms = r->retry_after_ms;
	memcpy(a->reason, r->reason, sizeof(a->reason));
	free(a->fields);
	a->fields = r->fields != NULL ? strdup(r->fields) : NULL;
	if (a->again) {
		a->again = false;
		a->again_err = asker_ask(a);
	}
	atomic_store(&a->place, atomic_fetch_add(&ended, 1) + 1);
	atomic_fetch_add(&a->done, 1);
}

enum outbound_error asker_ask(struct asked *a)
{
	const struct outbound_ask what = {.business_id = BUSINESS,
		.id = "01question",
		.message_id = a->message_id,
		.url = a->url,
		.secret = &a->secret,
		.body = a->body,
		.body_len = strlen(a->body)};

	return outbound_ask(a->desk->o, &what, note_end, a);
}

void asker_init(struct asked *a, struct desk *d, const char *path)
{
	*a = (struct asked){.desk = d, .body = ASKER_BODY, .again_err = OUTBOUND_STORE};
	(void)snprintf(a->url, sizeof(a->url), "%s/%s", desk_url(), path);
	house_credential(&d->h, BUSINESS, "responder", "signing_secret", ASKER_SECRET, &a->secret, &a->blob);
}

void asker_clear(struct asked *a)
{
	free(a->blob);
	free(a->fields);
}

void asker_await(struct asked *a, int times)
{
	for (int i = 0; i < 2000 && atomic_load(&a->done) < times; i++)
		(void)usleep(5000);
	assert_int_equal(atomic_load(&a->done), times);
}

void asker_run(struct asked *a)
{
	const int before = atomic_load(&a->done);

	assert_int_equal(asker_ask(a), OUTBOUND_OK);
	asker_await(a, before + 1);
}

void asker_open(struct desk *d, const struct outbound_options *opt, unsigned timeout_ms)
{
	char allow[64];
	const struct house_world world = {
		.meta_api_url = desk_url(), .responder_allow = allow, .responder_timeout_ms = timeout_ms};

	(void)snprintf(allow, sizeof(allow), "other.example:443, 127.0.0.1:%u", desk_port());
	atomic_store(&ended, 0);
	desk_open(d, &world);
	desk_start(d, opt);
}
