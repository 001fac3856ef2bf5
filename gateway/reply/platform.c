/*
 * Asking a platform. The question goes out through the sender, which alone opens the signing
 * secret; the answer comes back on the sender's thread. Called through the table in reply.c.
 */
#include "gateway/reply/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/json.h"
#include "gateway/reply/envelope.h"
#include "gateway/reply/message.h"

/* An ask that is out: what its answer is held against. */
struct pending {
	void (*done)(void *arg, const struct reply_answer *a);
	void *arg;
	enum store_ask_kind kind;
	char *phone, *user_id; /* the customer's; NULL where not known */
};

static void pending_free(struct pending *p)
{
	if (p == NULL)
		return;
	json_text_free(p->phone);
	json_text_free(p->user_id);
	free(p);
}

static bool copy(char **out, const char *text)
{
	*out = text != NULL ? strdup(text) : NULL;
	return text == NULL || *out != NULL;
}

/* customer NULL: nobody is to be answered. */
static struct pending *pending_new(enum store_ask_kind kind, const struct reply_customer *customer,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	struct pending *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->done = done;
	p->arg = arg;
	p->kind = kind;
	if (customer == NULL || (copy(&p->phone, customer->phone) && copy(&p->user_id, customer->user_id)))
		return p;
	pending_free(p);
	return NULL;
}

/* ------------------------------------------------------------ the answer */

static void answered(void *arg, const struct outbound_result *r)
{
	struct pending *p = arg;
	struct reply_answer a = {.outcome = REPLY_ANSWERED};
	const struct reply_customer customer = {p->phone, p->user_id};

	if (r->class == OUTBOUND_MESSAGE) {
		(void)snprintf(
			a.why, sizeof(a.why), "answer refused: it must be JSON of at most 256 KiB"); /* of a 2xx */
	} else if (r->class != OUTBOUND_ACCEPTED) {
		a.outcome = REPLY_LATER;
		a.after_ms = r->retry_after_ms;
		/* The sender's own words, constant for responders: nothing of the answer is in them. */
		(void)snprintf(
			a.why, sizeof(a.why), "%s", r->reason[0] != '\0' ? r->reason : "the responder did not answer");
	} else if (p->kind == STORE_ASK_QUESTION) {
		reply_message_read(&customer, r->fields, &a);
	}
	p->done(p->arg, &a);
	reply_answer_clear(&a);
	pending_free(p);
}

/* ------------------------------------------------------------ sending */

/* From the callback that sees the responder's row. */
struct sending {
	const struct reply_context *c;
	const char *business_id, *id;
	const char *body;
	const char *message_id; /* the message of ours that it is about, "" for none */
	struct pending *pending; /* outbound's when err is OUTBOUND_OK */
	bool opened; /* the address */
	enum outbound_error err; /* after that */
};

static bool send_with(const struct store_responder *r, void *arg)
{
	struct sending *s = arg;
	const struct tenant_place place = {s->business_id, "responders", s->business_id, "url", 1};
	const struct store_credential secret = {.connection_id = "responder",
		.field = "signing_secret",
		.slot = STORE_SLOT_CURRENT,
		.version = r->version,
		.blob = r->secret,
		.blob_len = r->secret_len};
	uint8_t *url = NULL;
	size_t len = 0;

	if (tenant_open(s->c->tenants, &place, r->url, r->url_len, &url, &len) != TENANT_OK)
		return false;
	const struct outbound_ask ask = {.business_id = s->business_id,
		.id = s->id,
		.message_id = s->message_id,
		.url = (const char *)url,
		.secret = &secret,
		.body = s->body,
		.body_len = strlen(s->body)};
	s->opened = true;
	s->err = outbound_ask(s->c->outbound, &ask, answered, s->pending);
	vault_wipe(url, len);
	free(url);
	return false;
}

/* What is to be said where nobody was asked. */
static struct reply_answer not_asked(enum store_error found, const struct sending *s)
{
	struct reply_answer a = {.outcome = REPLY_LATER};
	const char *why = "the sender does not answer";

	if (found == STORE_NOT_FOUND) {
		a.outcome = REPLY_ANSWERED;
		why = "the platform's address was never set";
	} else if (found != STORE_OK || !s->opened) {
		why = "the platform's address cannot be read";
	} else if (s->err == OUTBOUND_INVALID) {
		a.outcome = REPLY_ANSWERED;
		why = "the update is longer than may be sent to a platform";
	} else if (s->err == OUTBOUND_BUSY) {
		a.outcome = REPLY_BUSY;
		why = "";
	}
	(void)snprintf(a.why, sizeof(a.why), "%s", why);
	return a;
}

/* True: answered() is called, or was already. Else a says what came of it. */
static bool send_out(struct sending *s, struct reply_answer *a)
{
	enum store_error found = store_responder_get(s->c->store, s->business_id, send_with, s);

	if (found == STORE_OK && s->opened && s->err == OUTBOUND_OK)
		return true;
	*a = not_asked(found, s);
	return false;
}

/* ------------------------------------------------------------ an update */

static bool update_out(const struct reply_context *c, const struct reply_question *question, struct pending *pending,
	struct reply_answer *a)
{
	char message_id[STORE_ID_LEN + 1] = "";
	struct sending s = {.c = c,
		.business_id = question->business_id,
		.id = question->id,
		.message_id = message_id,
		.pending = pending,
		.err = OUTBOUND_GONE};
	char *body = NULL;
	bool out;

	if (reply_envelope(c, question, &body, message_id) != REPLY_ENVELOPE_OK)
		return false;
	s.body = body;
	out = send_out(&s, a);
	json_text_free(body);
	return out;
}

void reply_platform_ask(const struct reply_context *c, const struct reply_question *question,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	struct reply_answer a = {.outcome = REPLY_LATER, .why = "the question cannot be written for now"};
	struct pending *p = pending_new(question->kind, &question->customer, done, arg);

	if (p != NULL && c->outbound != NULL && update_out(c, question, p, &a))
		return;
	pending_free(p);
	done(arg, &a);
}

/* ------------------------------------------------------------ an event of ours */

void reply_tell(const struct reply_context *c, const char *business_id, const char *id, const char *body,
	void (*done)(void *arg, const struct reply_answer *a), void *arg)
{
	struct reply_answer a = {.outcome = REPLY_LATER, .why = "memory is short"};
	struct sending s = {.c = c,
		.business_id = business_id,
		.id = id,
		.body = body,
		.message_id = "",
		/* As to a status, nothing is to be answered. */
		.pending = pending_new(STORE_ASK_STATUS, NULL, done, arg),
		.err = OUTBOUND_GONE};

	if (s.pending != NULL && c->outbound != NULL && send_out(&s, &a))
		return;
	pending_free(s.pending);
	done(arg, &a);
}
