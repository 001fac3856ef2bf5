/*
 * The fake sender. It checks what a caller must get right: ids, addresses and bodies of
 * each kind, order and slot of the sealed credentials. See fake_outbound.h.
 */
#include "test/unit/api/fake_outbound.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KINDS (OUTBOUND_D360_SANDBOX_WEBHOOK_SET + 1)

enum { WANTS_APP = 1, WANTS_WABA = 2, WANTS_NUMBER = 4, WANTS_URL = 8, WANTS_BODY = 16 };

static const struct {
	unsigned wants;
	const char *credentials[2];
} rules[KINDS] = {
	[OUTBOUND_META_NUMBER] = {WANTS_NUMBER, {"access_token", "app_secret"}},
	[OUTBOUND_META_NUMBER_SHORT] = {WANTS_NUMBER, {"access_token", "app_secret"}},
	[OUTBOUND_META_TOKEN_EXCHANGE] = {WANTS_APP, {"access_token", "app_secret"}},
	[OUTBOUND_META_WABA_NUMBERS] = {WANTS_WABA, {"access_token", "app_secret"}},
	[OUTBOUND_META_DEBUG_TOKEN] = {WANTS_APP, {"access_token", "app_secret"}},
	[OUTBOUND_META_APP_CALLBACK] = {WANTS_APP | WANTS_URL, {"app_secret"}},
	[OUTBOUND_META_APP_SUBSCRIBE] = {WANTS_APP | WANTS_BODY, {"app_secret"}},
	[OUTBOUND_META_WABA_CALLBACK] = {WANTS_APP | WANTS_WABA | WANTS_URL, {"access_token", "app_secret"}},
	[OUTBOUND_META_WABA_SUBSCRIBE] = {WANTS_WABA | WANTS_BODY, {"access_token", "app_secret"}},
	[OUTBOUND_OURSELVES] = {0, {NULL}},
	[OUTBOUND_D360_HEALTH] = {0, {"api_key"}},
	[OUTBOUND_D360_WEBHOOK] = {WANTS_URL, {"api_key", "webhook_secret"}},
	[OUTBOUND_D360_WEBHOOK_SET] = {WANTS_URL, {"api_key", "webhook_secret"}},
	[OUTBOUND_D360_SANDBOX_WEBHOOK] = {WANTS_URL, {"api_key", "webhook_secret"}},
	[OUTBOUND_D360_SANDBOX_WEBHOOK_SET] = {WANTS_URL, {"api_key", "webhook_secret"}},
};

static struct {
	struct fake_says says;
	unsigned asked;
	char body[2048];
	const char *owner; /* kinds marked C */
} kinds[KINDS];
static bool subscribed, has_secret;
static unsigned checks, wakes;
static int32_t ahead_s;
static void (*handshake)(const char *business_id, const char *connection_id);
static int there;

struct outbound *fake_outbound(void)
{
	return (struct outbound *)(void *)&there;
}

static struct outbound_window window;

void fake_reset(void)
{
	memset(kinds, 0, sizeof(kinds));
	for (size_t i = 0; i < KINDS; i++)
		kinds[i].owner = "none";
	subscribed = has_secret = false;
	checks = wakes = 0;
	fake_clock(0);
	window = (struct outbound_window){.is = OUTBOUND_WINDOW_NOT_KNOWN};
}

void fake_clock(int32_t ahead)
{
	ahead_s = ahead;
}

bool outbound_clock(struct outbound *o, int32_t *ahead, int64_t *at)
{
	(void)o;
	*ahead = ahead_s;
	*at = store_now_ms();
	return true;
}

void fake_answer(enum outbound_kind kind, const struct fake_says *says)
{
	kinds[kind].says = *says;
}

void fake_debug_token(const struct fake_says *says)
{
	fake_answer(OUTBOUND_META_DEBUG_TOKEN, says);
}

void fake_number(const struct fake_says *says)
{
	fake_answer(OUTBOUND_META_NUMBER, says);
	fake_answer(OUTBOUND_META_NUMBER_SHORT, says);
}

void fake_owner(enum outbound_kind kind, const char *state)
{
	kinds[kind].owner = state;
	if (kind == OUTBOUND_META_WABA_CALLBACK)
		subscribed = strcmp(state, "none") != 0;
}

const char *fake_owner_now(enum outbound_kind kind)
{
	return kinds[kind].owner;
}

void fake_handshake(void (*hook)(const char *business_id, const char *connection_id))
{
	handshake = hook;
}

unsigned fake_checks(void)
{
	return checks;
}

unsigned fake_asked(enum outbound_kind kind)
{
	return kinds[kind].asked;
}

const char *fake_body(enum outbound_kind kind)
{
	return kinds[kind].body;
}

unsigned fake_wakes(void)
{
	return wakes;
}

/* ------------------------------------------------------------ what is well */

static void credential_ok(const struct outbound_check *check, size_t i, const char *field)
{
	assert_true(i < check->credentials_len);
	assert_string_equal(check->credentials[i].field, field);
	assert_string_equal(check->credentials[i].connection_id, check->connection_id);
	assert_int_equal(check->credentials[i].slot, STORE_SLOT_CURRENT);
	assert_true(check->credentials[i].version >= 1);
	assert_non_null(check->credentials[i].blob);
	assert_true(check->credentials[i].blob_len > 0);
}

static void check_ok(const struct outbound_check *check)
{
	unsigned wants = rules[check->kind].wants;
	const char *const *credentials = rules[check->kind].credentials;

	if (check->kind != OUTBOUND_OURSELVES)
		assert_non_null(credentials[0]);
	assert_int_equal(check->credentials_len, credentials[0] == NULL ? 0 : credentials[1] != NULL ? 2 : 1);
	for (size_t i = 0; i < check->credentials_len; i++)
		credential_ok(check, i, credentials[i]);
	assert_true((wants & WANTS_APP) == 0 || check->app_id != NULL);
	assert_true((wants & WANTS_WABA) == 0 || check->waba_id != NULL);
	assert_true((wants & WANTS_NUMBER) == 0 || check->phone_number_id != NULL);
	assert_true((wants & WANTS_URL) == 0 || strstr(check->url, "/webhooks/") != NULL);
	assert_int_equal((wants & WANTS_BODY) != 0, check->body != NULL);
}

static void callback_fields(char *out, size_t room, const struct outbound_check *check)
{
	const char *state = kinds[check->kind].owner;
	bool d360 = check->kind == OUTBOUND_D360_WEBHOOK || check->kind == OUTBOUND_D360_SANDBOX_WEBHOOK;

	(void)snprintf(out, room, "{\"callback\":{\"state\":\"%s\"%s%s}%s}", state,
		strcmp(state, "foreign") == 0 ? ",\"owner\":\"https://elsewhere.example\"" : "",
		d360 && has_secret ? ",\"secret\":true" : "",
		subscribed && check->kind == OUTBOUND_META_WABA_CALLBACK ? ",\"subscribed\":true" : "");
}

/* Does what a well provider does, and writes the fields of its answer. */
static void do_well(const struct outbound_check *check, char *out, size_t room)
{
	(void)snprintf(out, room, "{}");
	switch (check->kind) {
	case OUTBOUND_META_DEBUG_TOKEN:
		(void)snprintf(out, room, "%s", FAKE_TOKEN_FIELDS);
		break;
	case OUTBOUND_META_NUMBER:
	case OUTBOUND_META_NUMBER_SHORT:
		(void)snprintf(out, room, "%s", FAKE_NUMBER_FIELDS);
		break;
	case OUTBOUND_META_WABA_NUMBERS:
		(void)snprintf(out, room, "%s", FAKE_WABA_NUMBERS);
		break;
	case OUTBOUND_D360_HEALTH:
		(void)snprintf(out, room, "%s", FAKE_HEALTH("3003", "AVAILABLE"));
		break;
	case OUTBOUND_META_APP_CALLBACK:
	case OUTBOUND_META_WABA_CALLBACK:
	case OUTBOUND_D360_WEBHOOK:
	case OUTBOUND_D360_SANDBOX_WEBHOOK:
		callback_fields(out, room, check);
		break;
	case OUTBOUND_META_APP_SUBSCRIBE:
		kinds[OUTBOUND_META_APP_CALLBACK].owner = "ours";
		break;
	case OUTBOUND_META_WABA_SUBSCRIBE:
		kinds[OUTBOUND_META_WABA_CALLBACK].owner = strcmp(check->body, "{}") == 0 ? "none" : "ours";
		subscribed = true;
		break;
	case OUTBOUND_D360_WEBHOOK_SET:
		kinds[OUTBOUND_D360_WEBHOOK].owner = "ours";
		has_secret = true;
		break;
	case OUTBOUND_OURSELVES:
		break;
	case OUTBOUND_D360_SANDBOX_WEBHOOK_SET:
		kinds[OUTBOUND_D360_SANDBOX_WEBHOOK].owner = "ours";
		has_secret = true;
		break;
	case OUTBOUND_META_TOKEN_EXCHANGE: /* only as a test says */
	case OUTBOUND_META_SEND:
	case OUTBOUND_D360_SEND:
	case OUTBOUND_D360_SANDBOX_SEND:
	case OUTBOUND_RESPONDER_ASK:
	case OUTBOUND_META_PASS_NUMBER:
	case OUTBOUND_META_PASS_NUMBERS:
	case OUTBOUND_META_PASS_TEMPLATES:
	case OUTBOUND_META_PASS_PROFILE:
	case OUTBOUND_META_PASS_MESSAGES:
	case OUTBOUND_META_PASS_UPLOAD:
	case OUTBOUND_META_PASS_OBJECT:
	case OUTBOUND_META_PASS_DOWNLOAD:
	case OUTBOUND_D360_PASS_MESSAGES:
	case OUTBOUND_D360_PASS_UPLOAD:
	case OUTBOUND_D360_PASS_OBJECT:
	case OUTBOUND_D360_PASS_DOWNLOAD:
	case OUTBOUND_D360_PASS_CONFIG_TEMPLATES:
	case OUTBOUND_D360_PASS_CONFIG_TEMPLATE:
	case OUTBOUND_D360_PASS_TEMPLATES:
	case OUTBOUND_D360_PASS_PROFILE:
	case OUTBOUND_D360_PASS_HEALTH:
	case OUTBOUND_D360_SANDBOX_PASS_MESSAGES:
		fail_msg("no check");
		break;
	}
	if (handshake != NULL && check->body != NULL && strstr(check->body, "verify_token") != NULL)
		handshake(check->business_id, check->connection_id);
}

enum outbound_error outbound_check(
	struct outbound *o, const struct outbound_check *check, unsigned timeout_ms, struct outbound_result *result)
{
	struct fake_says *says = &kinds[check->kind].says;
	struct fake_says now = *says;
	char well[2048];

	assert_ptr_equal(o, fake_outbound());
	assert_true(timeout_ms > 0 && timeout_ms <= 10000);
	check_ok(check);
	checks++;
	kinds[check->kind].asked++;
	(void)snprintf(
		kinds[check->kind].body, sizeof(kinds[check->kind].body), "%s", check->body != NULL ? check->body : "");
	if (says->times > 0 && --says->times == 0)
		*says = (struct fake_says){.class = 0};
	if (now.err == OUTBOUND_OK && now.class == 0) {
		do_well(check, well, sizeof(well));
		now = (struct fake_says){.class = OUTBOUND_ACCEPTED, .fields = well};
	}
	*result = (struct outbound_result){.class = now.class, .code = now.code, .subcode = now.subcode};
	(void)snprintf(result->reason, sizeof(result->reason), "%s", now.reason != NULL ? now.reason : "");
	if (now.fields != NULL && now.err == OUTBOUND_OK)
		result->fields = strdup(now.fields);
	/* the test without memory: an answer that could not be kept is none */
	if (now.fields != NULL && result->fields == NULL)
		result->class = OUTBOUND_OUTCOME_UNKNOWN;
	return now.err;
}

void outbound_result_clear(struct outbound_result *r)
{
	free(r->fields);
	*r = (struct outbound_result){0};
}

void outbound_wake(struct outbound *o, const char *connection_id)
{
	(void)connection_id;
	assert_ptr_equal(o, fake_outbound());
	wakes++;
}

void outbound_changed(struct outbound *o, const char *business_id)
{
	(void)business_id;
	assert_ptr_equal(o, fake_outbound());
	wakes++;
}

enum outbound_error outbound_ask(struct outbound *o, const struct outbound_ask *ask,
	void (*done)(void *arg, const struct outbound_result *r), void *arg)
{
	(void)o;
	(void)ask;
	(void)done;
	(void)arg;
	fail_msg("neither api nor connect asks a responder");
	return OUTBOUND_GONE;
}

const char *outbound_class_text(enum outbound_class c)
{
	return c == OUTBOUND_NO_CREDENTIAL ? "it needs its key entered again" : "";
}

/* ------------------------------------------------------------ the window */

void fake_window(const struct outbound_window *w)
{
	window = *w;
}

enum outbound_error outbound_window(
	struct tenants *t, const char *json, size_t len, const struct store_message *m, struct outbound_window *out)
{
	assert_non_null(t);
	assert_true(len > 0 && json[0] == '{');
	assert_true(m->business_id[0] != '\0' && m->connection_id[0] != '\0' && m->number[0] != '\0');
	*out = window;
	return OUTBOUND_OK;
}

void outbound_window_words(const struct outbound_window *w, char out[static OUTBOUND_WINDOW_WORDS_LEN])
{
	(void)snprintf(out, OUTBOUND_WINDOW_WORDS_LEN, "the customer wrote at %lld", (long long)w->heard_at);
}

void outbound_window_expiry(const struct outbound_window *w, struct store_message *m)
{
	if (w->is == OUTBOUND_WINDOW_OPEN && m->expires_at == 0)
		m->expires_at = w->until;
}
