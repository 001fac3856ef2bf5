/*
 * Goal of this test: every error code of the facts has its class, every class becomes the right
 * state, statuses move messages only forward, and the kinds' holes take nothing but what they name.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/outbound/d360.h"
#include "gateway/outbound/kinds.h"
#include "gateway/outbound/meta.h"
#include "gateway/outbound/plan.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------ codes */

struct expected {
	enum outbound_class class;
	int32_t codes[64]; /* ends with -1 */
};

static const struct expected by_class[] = {
	{OUTBOUND_AUTH, {0, 3, 10, 101, 102, 104, 190, 200, 250, 299, 2500, 131005, -1}},
	{OUTBOUND_RETRYABLE, {1, 2, 131000, 131016, 131053, 131057, 133004, 133015, 134101, 2494100, -1}},
	{OUTBOUND_RATE_LIMITED,
		{4, 17, 613, 80007, 130429, 131048, 131056, 131064, 131208, 132069, 133008, 133009, 133016, -1}},
	{OUTBOUND_ACCOUNT,
		{33, 368, 131031, 131037, 131042, 131044, 131045, 133000, 133005, 133006, 133010, 134011, 134102, -1}},
	{OUTBOUND_MESSAGE,
		{100, 803, 130472, 131008, 131009, 131020, 131021, 131041, 131051, 131052, 131055, 131059, 131060,
			131062, 131063, 131201, 131207, 131209, 131215, 132000, 132001, 132005, 132007, 132008, 132012,
			132015, 132016, 132018, 132068, 134100, 135000, 138000, 138018, 139000, 139004, 139100, 139103,
			147001, 147005, 2388019, 2593107, 2593108, 2593109, -1}},
	{OUTBOUND_RECIPIENT, {130403, 130497, 131026, 131030, 131049, 131050, 137000, -1}},
	{OUTBOUND_WINDOW, {131047, -1}},
};

static void every_code_has_its_class(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(by_class); i++) {
		for (const int32_t *code = by_class[i].codes; *code >= 0; code++) {
			/* The status does not matter: Meta says to branch on the code. */
			const int statuses[] = {200, 400, 401, 403, 429, 500, 503};

			for (size_t s = 0; s < COUNT(statuses); s++) {
				const struct meta_refusal r = {
					.http_status = statuses[s], .has_error = true, .code = *code};

				if (meta_classify(OUTBOUND_META_SEND, &r) != by_class[i].class)
					fail_msg("code %d is class %d", (int)*code,
						(int)meta_classify(OUTBOUND_META_SEND, &r));
			}
		}
	}
}

/* What was tried a few times, since it might have been the message's own fault, was. */
static void a_code_says_why_it_came_to_nothing(void **state)
{
	enum outbound_class class;

	(void)state;
	assert_true(outbound_code_class(131053, &class) && class == OUTBOUND_MESSAGE);
	assert_true(outbound_code_class(1, &class) && class == OUTBOUND_MESSAGE);
	assert_true(outbound_code_class(2, &class) && class == OUTBOUND_RETRYABLE);
	assert_true(outbound_code_class(190, &class) && class == OUTBOUND_AUTH);
	assert_false(outbound_code_class(0, &class));
	assert_false(outbound_code_class(999999, &class));
}

static void object_missing_is_about_the_key(void **state)
{
	const struct meta_refusal r = {.http_status = 400, .has_error = true, .code = 100, .subcode = 33};
	const struct meta_refusal plain = {.http_status = 400, .has_error = true, .code = 100};

	(void)state;
	assert_int_equal(meta_classify(OUTBOUND_META_SEND, &r), OUTBOUND_AUTH);
	assert_int_equal(meta_classify(OUTBOUND_META_NUMBER, &r), OUTBOUND_AUTH);
	assert_int_equal(meta_classify(OUTBOUND_META_SEND, &plain), OUTBOUND_MESSAGE);
	/* A client may name what never was. */
	assert_int_equal(meta_classify(OUTBOUND_META_PASS_OBJECT, &r), OUTBOUND_MESSAGE);
	assert_int_equal(meta_classify(OUTBOUND_D360_PASS_OBJECT, &r), OUTBOUND_MESSAGE);
	assert_int_equal(meta_classify(OUTBOUND_META_PASS_NUMBER, &r), OUTBOUND_AUTH);
}

static void answers_without_a_known_code(void **state)
{
	static const struct {
		struct meta_refusal r;
		enum outbound_class class;
	} rows[] = {
		{{.http_status = 500}, OUTBOUND_OUTCOME_UNKNOWN},
		{{.http_status = 502}, OUTBOUND_OUTCOME_UNKNOWN},
		{{.http_status = 503}, OUTBOUND_OUTCOME_UNKNOWN},
		{{.http_status = 302}, OUTBOUND_OUTCOME_UNKNOWN},
		{{.http_status = 408}, OUTBOUND_OUTCOME_UNKNOWN},
		{{.http_status = 200}, OUTBOUND_OUTCOME_UNKNOWN},
		{{.http_status = 400}, OUTBOUND_RETRYABLE},
		{{.http_status = 401}, OUTBOUND_RETRYABLE}, /* not Meta's word: no key is blamed */
		{{.http_status = 404}, OUTBOUND_RETRYABLE},
		{{.http_status = 413}, OUTBOUND_MESSAGE},
		{{.http_status = 429}, OUTBOUND_RATE_LIMITED},
		{{.http_status = 400, .has_error = true, .code = 999999}, OUTBOUND_MESSAGE},
		{{.http_status = 400, .has_error = true, .code = 999999, .transient = true}, OUTBOUND_RETRYABLE},
		{{.http_status = 401, .has_error = true, .code = 999999}, OUTBOUND_AUTH},
		{{.http_status = 429, .has_error = true, .code = 999999}, OUTBOUND_RATE_LIMITED},
		{{.http_status = 500, .has_error = true, .code = 999999}, OUTBOUND_OUTCOME_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(meta_classify(OUTBOUND_META_SEND, &rows[i].r), rows[i].class);
}

/* ------------------------------------------------------------ 360dialog */

static void d360_answers_have_their_class(void **state)
{
#define OWN(code, text)                                                                                                \
	{                                                                                                              \
		{.http_status = (code)}, (text)                                                                        \
	}
#define PROXIED(http, error)                                                                                           \
	{                                                                                                              \
		{.http_status = (http), .has_error = true, .code = (error)}, NULL                                      \
	}
	static const struct {
		struct d360_refusal r;
		enum outbound_class class;
	} rows[] = {
		{OWN(401, "Invalid API key"), OUTBOUND_AUTH},
		{OWN(401, NULL), OUTBOUND_AUTH},
		{PROXIED(401, 190), OUTBOUND_AUTH},
		{PROXIED(401, 131047), OUTBOUND_AUTH},
		/* What Meta says of 360dialog's own token is not about the shop's key. */
		{PROXIED(400, 190), OUTBOUND_ACCOUNT},
		{PROXIED(403, 10), OUTBOUND_ACCOUNT},
		{PROXIED(403, 999999), OUTBOUND_ACCOUNT},
		{{{.http_status = 400, .has_error = true, .code = 100, .subcode = 33}, NULL}, OUTBOUND_ACCOUNT},
		{PROXIED(400, 100), OUTBOUND_MESSAGE},
		{PROXIED(400, 131047), OUTBOUND_WINDOW},
		{PROXIED(400, 131026), OUTBOUND_RECIPIENT},
		{PROXIED(400, 131042), OUTBOUND_ACCOUNT},
		{PROXIED(429, 130429), OUTBOUND_RATE_LIMITED},
		{PROXIED(400, 131056), OUTBOUND_RATE_LIMITED},
		{PROXIED(503, 131016), OUTBOUND_RETRYABLE},
		{PROXIED(500, 999999), OUTBOUND_OUTCOME_UNKNOWN},
		{OWN(400, "Endpoint rate limit exceeded"), OUTBOUND_RATE_LIMITED},
		{OWN(400, "You hit the RATE LIMIT"), OUTBOUND_RATE_LIMITED},
		{OWN(400, "Too many requests"), OUTBOUND_RATE_LIMITED},
		{OWN(400, "WhatsApp Business API has been disabled"), OUTBOUND_ACCOUNT},
		{OWN(400, "Blocked: lack of payment"), OUTBOUND_ACCOUNT},
		{OWN(400, "There are unpaid invoices"), OUTBOUND_ACCOUNT},
		{OWN(400, "Overdue invoice"), OUTBOUND_ACCOUNT},
		{OWN(400, "Parameter 'to' is invalid"), OUTBOUND_MESSAGE},
		{OWN(400, NULL), OUTBOUND_RETRYABLE},
		{OWN(403, "URL blocked"), OUTBOUND_ACCOUNT},
		{OWN(403, NULL), OUTBOUND_ACCOUNT},
		{OWN(404, NULL), OUTBOUND_RETRYABLE},
		{OWN(408, NULL), OUTBOUND_OUTCOME_UNKNOWN},
		{OWN(413, NULL), OUTBOUND_MESSAGE},
		{OWN(429, NULL), OUTBOUND_RATE_LIMITED},
		{OWN(302, NULL), OUTBOUND_OUTCOME_UNKNOWN},
		{OWN(500, "internal"), OUTBOUND_OUTCOME_UNKNOWN},
		{OWN(502, NULL), OUTBOUND_OUTCOME_UNKNOWN},
		{OWN(555, NULL), OUTBOUND_OUTCOME_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (d360_classify(OUTBOUND_D360_SEND, &rows[i].r) != rows[i].class)
			fail_msg("row %zu is class %d", i, (int)d360_classify(OUTBOUND_D360_SEND, &rows[i].r));
#undef OWN
#undef PROXIED
}

/* ------------------------------------------------------------ plans */

#define NOW 1800000000000LL

static struct plan plan_of(
	enum outbound_class class, int32_t code, uint32_t attempt, uint64_t random, int64_t retry_after)
{
	struct outbound_result r = {.class = class, .code = code, .retry_after_ms = retry_after, .reason = "why"};
	const struct plan_attempt a = {attempt, STORE_AT_MOST_ONCE, NOW + PLAN_EXPIRY_MS, NOW, random, false, false};
	struct plan p;

	plan_make(&r, &a, &p);
	return p;
}

static void classes_become_states(void **state)
{
	static const struct {
		enum outbound_class class;
		enum store_message_state to;
	} rows[] = {
		{OUTBOUND_ACCEPTED, STORE_MESSAGE_SENT},
		{OUTBOUND_OUTCOME_UNKNOWN, STORE_MESSAGE_UNKNOWN},
		{OUTBOUND_NOT_SENT, STORE_MESSAGE_RETRY},
		{OUTBOUND_RETRYABLE, STORE_MESSAGE_RETRY},
		{OUTBOUND_RATE_LIMITED, STORE_MESSAGE_RETRY},
		{OUTBOUND_AUTH, STORE_MESSAGE_RETRY},
		{OUTBOUND_ACCOUNT, STORE_MESSAGE_RETRY},
		{OUTBOUND_MESSAGE, STORE_MESSAGE_DEAD},
		{OUTBOUND_RECIPIENT, STORE_MESSAGE_DEAD},
		{OUTBOUND_WINDOW, STORE_MESSAGE_DEAD},
		{OUTBOUND_NO_CREDENTIAL, STORE_MESSAGE_RETRY},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_int_equal(plan_of(rows[i].class, 0, 1, 7, 0).to, rows[i].to);
	assert_string_equal(plan_of(OUTBOUND_MESSAGE, 100, 1, 7, 0).reason, "why");
}

static void backoff_is_jittered_and_capped(void **state)
{
	int64_t longest = 0;

	(void)state;
	for (uint32_t attempt = 1; attempt < 40; attempt++) {
		for (uint64_t random = 0; random < 1000000; random += 9973) {
			const int64_t wait = plan_of(OUTBOUND_NOT_SENT, 0, attempt, random, 0).next_at - NOW;
			const int64_t top = attempt > 9 ? PLAN_BACKOFF_MAX_MS : PLAN_BACKOFF_MS << (attempt - 1);

			assert_in_range(wait, 0, top);
			longest = wait > longest ? wait : longest;
		}
	}
	assert_true(longest > PLAN_BACKOFF_MAX_MS * 9 / 10);
	assert_int_equal(plan_of(OUTBOUND_NOT_SENT, 0, 3, 0, 0).next_at, NOW);
}

static void waits_are_kept(void **state)
{
	(void)state;
	assert_in_range(plan_of(OUTBOUND_RATE_LIMITED, 131056, 1, 0, 0).next_at - NOW, 1000, 1250);
	assert_in_range(plan_of(OUTBOUND_RATE_LIMITED, 131056, 4, 99999, 0).next_at - NOW, 64000, 80000);
	assert_int_equal(plan_of(OUTBOUND_RATE_LIMITED, 130429, 1, 0, 17000).next_at, NOW + 17000);
	assert_true(plan_of(OUTBOUND_RATE_LIMITED, 80007, 1, 0, 0).next_at >= NOW + 300000);
	assert_true(plan_of(OUTBOUND_RATE_LIMITED, 131048, 1, 0, 0).next_at >= NOW + 3600000);
	{
		const struct outbound_result r = {.class = OUTBOUND_RATE_LIMITED, .code = 80007, .regain_ms = 1200000};
		const struct plan_attempt a = {1, STORE_AT_MOST_ONCE, NOW + PLAN_EXPIRY_MS, NOW, 7, false, false};
		struct plan p;

		plan_make(&r, &a, &p);
		assert_int_equal(p.next_at, NOW + 1200000);
	}
	/* A limit stops those after it, whether or not there is time left for this one. */
	{
		const struct outbound_result r = {.class = OUTBOUND_RATE_LIMITED, .code = 131048};
		const struct plan_attempt a = {1, STORE_AT_MOST_ONCE, NOW + 60000, NOW, 7, false, false};
		struct plan p;

		plan_make(&r, &a, &p);
		assert_int_equal(p.to, STORE_MESSAGE_DEAD);
		assert_true(p.next_at >= NOW + 3600000);
	}
	assert_int_equal(plan_of(OUTBOUND_AUTH, 190, 1, 5, 0).next_at, NOW + PLAN_AUTH_MS);
	assert_int_equal(plan_of(OUTBOUND_ACCOUNT, 368, 1, 5, 0).next_at, NOW + PLAN_ACCOUNT_MS);
	assert_int_equal(plan_of(OUTBOUND_RETRYABLE, 1, 4, 5, 0).to, STORE_MESSAGE_RETRY);
	assert_int_equal(plan_of(OUTBOUND_RETRYABLE, 1, 5, 5, 0).to, STORE_MESSAGE_DEAD);
}

static void messages_expire(void **state)
{
	struct outbound_result r = {.class = OUTBOUND_NOT_SENT, .reason = "no route"};
	struct plan_attempt a = {
		9, STORE_AT_MOST_ONCE, plan_expires_at(0, NOW - PLAN_EXPIRY_MS + 10000), NOW, 9999, false, false};
	struct plan p;

	(void)state;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_RETRY);
	a.random = 10000;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_DEAD);
	assert_int_equal(strncmp(p.reason, "expired", 7), 0);
	assert_non_null(strstr(p.reason, "no route"));
	/* A message may say otherwise. */
	a.expires_at = plan_expires_at(NOW + 20000, NOW - PLAN_EXPIRY_MS);
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_RETRY);
}

/* What may have been accepted is repeated where that was asked for, after a while, and says so. */
static void at_least_once(void **state)
{
	struct outbound_result r = {.class = OUTBOUND_OUTCOME_UNKNOWN, .reason = "no answer"};
	struct plan_attempt a = {1, STORE_AT_LEAST_ONCE, NOW + 300000, NOW, 77, false, false};
	struct plan p;

	(void)state;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_RETRY);
	assert_true(p.maybe_duplicate);
	assert_int_equal(p.next_at, NOW + PLAN_AGAIN_MS + 77);
	/* Too late for that, it is not said to have come to nothing. */
	a.expires_at = NOW + 1000;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_UNKNOWN);
	r.class = OUTBOUND_NOT_SENT;
	a.expires_at = NOW + 300000;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_RETRY);
	assert_false(p.maybe_duplicate);
	/* Nor where only the last attempt surely came to nothing; a refusal for good is one of the attempt before, too. */
	a.attempt = 2;
	a.maybe_sent = true;
	a.expires_at = NOW + 1;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_UNKNOWN);
	r.class = OUTBOUND_AUTH;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_UNKNOWN);
	r.class = OUTBOUND_MESSAGE;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_DEAD);
}

/* Whoever waits for a send hears of its end, and decides himself; how long others wait is told all the same. */
static void nobody_repeats_what_somebody_waits_for(void **state)
{
	struct outbound_result r = {
		.class = OUTBOUND_RATE_LIMITED, .code = 130429, .retry_after_ms = 17000, .reason = "slow"};
	struct plan_attempt a = {1, STORE_AT_LEAST_ONCE, NOW + 300000, NOW, 77, true, false};
	struct plan p;

	(void)state;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_DEAD);
	assert_int_equal(p.next_at, NOW + 17000);
	assert_string_equal(p.reason, "slow");
	r.class = OUTBOUND_OUTCOME_UNKNOWN;
	plan_make(&r, &a, &p);
	assert_int_equal(p.to, STORE_MESSAGE_UNKNOWN);
	assert_false(p.maybe_duplicate);
}

/* ------------------------------------------------------------ statuses */

static void statuses_move_forward_only(void **state)
{
	static const struct {
		const char *status;
		enum store_message_state to, not_from[6];
	} rows[] = {
		{"sent", STORE_MESSAGE_SENT,
			{STORE_MESSAGE_SENT, STORE_MESSAGE_DELIVERED, STORE_MESSAGE_READ, STORE_MESSAGE_FAILED}},
		{"delivered", STORE_MESSAGE_DELIVERED, {STORE_MESSAGE_DELIVERED, STORE_MESSAGE_READ}},
		{"read", STORE_MESSAGE_READ, {STORE_MESSAGE_READ}},
		{"played", STORE_MESSAGE_READ, {STORE_MESSAGE_READ}},
		{"failed", STORE_MESSAGE_FAILED, {STORE_MESSAGE_DELIVERED, STORE_MESSAGE_READ, STORE_MESSAGE_FAILED}},
	};
	enum store_message_state to;
	unsigned from;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_true(outbound_status_move(rows[i].status, &to, &from));
		assert_int_equal(to, rows[i].to);
		assert_true((from & STORE_STATE_BIT(STORE_MESSAGE_SENDING)) != 0);
		assert_true((from & STORE_STATE_BIT(STORE_MESSAGE_UNKNOWN)) != 0);
		assert_true((from & STORE_STATE_BIT(STORE_MESSAGE_RECEIVED)) == 0);
		for (size_t n = 0; rows[i].not_from[n] != 0; n++)
			assert_true((from & STORE_STATE_BIT(rows[i].not_from[n])) == 0);
	}
	assert_false(outbound_status_move("deleted", &to, &from));
	assert_false(outbound_status_move("warning", &to, &from));
	assert_false(outbound_status_move("", &to, &from));
}

/* What a message comes to, whose statuses come in this order. */
static enum store_message_state settled(enum store_message_state state, const char *const statuses[], size_t len)
{
	for (size_t i = 0; i < len; i++) {
		enum store_message_state to;
		unsigned from;

		assert_true(outbound_status_move(statuses[i], &to, &from));
		if ((from & STORE_STATE_BIT(state)) != 0)
			state = to;
	}
	return state;
}

/* Every order of what is left from place at on, each status twice in a row and once more at the end. */
static unsigned every_order(const char *statuses[], size_t at, size_t len, enum store_message_state want)
{
	static const enum store_message_state begin[] = {STORE_MESSAGE_QUEUED, STORE_MESSAGE_SENDING,
		STORE_MESSAGE_RETRY, STORE_MESSAGE_UNKNOWN, STORE_MESSAGE_DEAD, STORE_MESSAGE_SENT};
	const char *again[15];
	unsigned orders = 0;

	if (at == len) {
		for (size_t i = 0; i < len; i++)
			again[2 * i] = again[2 * i + 1] = again[2 * len + i] = statuses[i];
		for (size_t i = 0; i < COUNT(begin); i++) {
			assert_int_equal(settled(begin[i], statuses, len), want);
			assert_int_equal(settled(begin[i], again, 3 * len), want);
		}
		return 1;
	}
	for (size_t i = at; i < len; i++) {
		const char *one = statuses[i];

		statuses[i] = statuses[at];
		statuses[at] = one;
		orders += every_order(statuses, at + 1, len, want);
		statuses[at] = statuses[i];
		statuses[i] = one;
	}
	return orders;
}

/* Whatever is missing, late or doubled: the same statuses come to the same. */
static void statuses_in_every_order(void **state)
{
	static const char *const all[] = {"sent", "failed", "delivered", "read", "played"}; /* as they rise */
	static const enum store_message_state to[] = {STORE_MESSAGE_SENT, STORE_MESSAGE_FAILED, STORE_MESSAGE_DELIVERED,
		STORE_MESSAGE_READ, STORE_MESSAGE_READ};
	unsigned orders = 0;

	(void)state;
	for (unsigned some = 1; some < 32; some++) {
		const char *statuses[5];
		enum store_message_state want = 0;
		size_t len = 0;

		for (unsigned i = 0; i < 5; i++)
			if ((some & 1u << i) != 0) {
				statuses[len++] = all[i];
				want = to[i];
			}
		orders += every_order(statuses, 0, len, want);
	}
	assert_int_equal(orders, 325); /* 5 + 20 + 60 + 120 + 120 */
}

/* ------------------------------------------------------------ kinds */

static char *url(uint32_t kind, const char *version, const char *number, const char *token)
{
	struct secret *s = secret_new(token, strlen(token));
	const struct kind_target target = {.base_url = "https://graph.example",
		.version = version,
		.number = number,
		.app_id = number,
		.waba_id = number,
		.token = s,
		.secret = s,
		.proof = "0p"};
	char *u = kind_url(kind_find(kind), &target);

	secret_free(s);
	return u;
}

static void paths_take_only_digits(void **state)
{
	static const char *const bad[] = {"", "12a", "1/2", "../1", "1?x=2", "1%2f", " 1", "1 ", "-1", "1#", "1\n",
		"123456789012345678901234567890123"};
	static const char *const bad_versions[] = {
		"", "26.0", "v26", "v26.", "v.0", "v26.0/", "v26.0.1", "v2a.0", "vv1.0", "v1234.0"};
	char *u = url(OUTBOUND_META_SEND, "v26.0", "106540352242922", "T");

	(void)state;
	assert_string_equal(u, "https://graph.example/v26.0/106540352242922/messages?appsecret_proof=0p");
	free(u);
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_null(url(OUTBOUND_META_SEND, "v26.0", bad[i], "T"));
	for (size_t i = 0; i < COUNT(bad_versions); i++)
		assert_null(url(OUTBOUND_META_SEND, bad_versions[i], "1", "T"));
	assert_null(kind_find(0));
	assert_null(kind_find(OUTBOUND_D360_SANDBOX_PASS_MESSAGES + 1));
}

static void the_asked_token_is_encoded(void **state)
{
	char *u = url(OUTBOUND_META_DEBUG_TOKEN, "v26.0", "4242", "EAA x&y=z/%|\xff~");

	(void)state;
	assert_string_equal(u, "https://graph.example/v26.0/debug_token?input_token=EAA%20x%26y%3Dz%2F%25%7C%FF~");
	free(u);
}

static void every_kind_has_its_place(void **state)
{
	static const struct {
		enum outbound_kind kind;
		const char *url;
		bool post;
	} rows[] = {
		{OUTBOUND_META_SEND, "https://graph.example/v26.0/77/messages?appsecret_proof=0p", true},
		{OUTBOUND_META_APP_CALLBACK, "https://graph.example/v26.0/77/subscriptions", false},
		{OUTBOUND_META_APP_SUBSCRIBE, "https://graph.example/v26.0/77/subscriptions", true},
		{OUTBOUND_META_WABA_CALLBACK, "https://graph.example/v26.0/77/subscribed_apps?appsecret_proof=0p",
			false},
		{OUTBOUND_META_WABA_SUBSCRIBE, "https://graph.example/v26.0/77/subscribed_apps?appsecret_proof=0p",
			true},
		{OUTBOUND_META_WABA_NUMBERS,
			"https://graph.example/v26.0/77/phone_numbers?fields=id,display_phone_number,verified_name,"
			"quality_rating&limit=50&appsecret_proof=0p",
			false},
		{OUTBOUND_META_NUMBER_SHORT,
			"https://graph.example/v26.0/77?fields=id,display_phone_number,verified_name,quality_rating,"
			"code_verification_status,platform_type,throughput&appsecret_proof=0p",
			false},
		{OUTBOUND_D360_SEND, "https://graph.example/messages", true},
		{OUTBOUND_D360_WEBHOOK, "https://graph.example/v1/configs/webhook", false},
		{OUTBOUND_D360_WEBHOOK_SET, "https://graph.example/v1/configs/webhook", true},
		{OUTBOUND_D360_SANDBOX_SEND, "https://graph.example/v1/messages", true},
		{OUTBOUND_D360_SANDBOX_WEBHOOK, "https://graph.example/v1/configs/webhook", false},
		{OUTBOUND_D360_SANDBOX_WEBHOOK_SET, "https://graph.example/v1/configs/webhook", true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		const struct kind *k = kind_find(rows[i].kind);
		char *u = url(rows[i].kind, "v26.0", "77", "T");

		assert_string_equal(u, rows[i].url);
		assert_int_equal(k->methods, rows[i].post ? KIND_POST : KIND_GET);
		free(u);
		if (kind_wants(k, KIND_WANTS_APP | KIND_WANTS_WABA | KIND_WANTS_NUMBER))
			assert_null(url(rows[i].kind, "v26.0", "7/7", "T"));
	}
	for (uint32_t n = OUTBOUND_META_SEND; n <= OUTBOUND_D360_SANDBOX_PASS_MESSAGES; n++) {
		const struct kind *k = kind_find(n);

		assert_int_equal(k->kind, n);
		/* Without a key nobody but ourselves is asked. */
		assert_int_equal(kind_credentials(k) == 0, k->host == KIND_OURSELVES);
		assert_int_equal(k->auth == KIND_NO_KEY, k->host == KIND_OURSELVES);
		if (k->host == KIND_OURSELVES)
			continue;
		/* The key of one provider is no header of another's. */
		assert_int_equal(k->auth == KIND_D360_KEY, kind_is_d360(k));
		assert_int_equal(k->auth == KIND_SIGNED, k->host == KIND_JOB_URL);
		assert_int_equal(strcmp(k->credentials[0], "api_key") == 0, kind_is_d360(k));
		/* What is for trying out goes to a host of its own. */
		assert_int_equal(k->host == KIND_D360_SANDBOX,
			(n >= OUTBOUND_D360_SANDBOX_SEND && n <= OUTBOUND_D360_SANDBOX_WEBHOOK_SET) ||
				n == OUTBOUND_D360_SANDBOX_PASS_MESSAGES);
		/* A proof is made of token and app secret, and put where the path has its hole, or behind it. */
		if (k->use != KIND_PASS && k->use != KIND_SEND)
			assert_int_equal(kind_is_proven(k), k->path != NULL && strstr(k->path, "{proof}") != NULL);
		assert_int_equal((k->use == KIND_PASS || k->use == KIND_SEND) && k->host == KIND_META, k->optional);
		assert_true(!kind_is_proven(k) ||
			((k->use == KIND_CHECK || k->optional) && strcmp(k->credentials[1], "app_secret") == 0));
	}
}

static char *authorization(uint32_t kind, const char *app, const char *token, const char *secret)
{
	struct secret *held[2] = {secret_new(token, strlen(token)), secret_new(secret, strlen(secret))};
	char *text = kind_key_value(kind_find(kind), app, (const struct secret *const *)held);

	secret_free(held[0]);
	secret_free(held[1]);
	return text;
}

static void the_right_credential_goes_in_the_header(void **state)
{
	char *text = authorization(OUTBOUND_META_SEND, "", "EAAtoken", "appsecret");

	(void)state;
	assert_string_equal(text, "Bearer EAAtoken");
	free(text);
	text = authorization(OUTBOUND_META_DEBUG_TOKEN, "12345", "EAAtoken", "appsecret");
	assert_string_equal(text, "Bearer 12345|appsecret");
	free(text);
	text = authorization(OUTBOUND_META_APP_CALLBACK, "12345", "appsecret", "other");
	assert_string_equal(text, "Bearer 12345|appsecret");
	free(text);
	text = authorization(OUTBOUND_D360_WEBHOOK, "", "thekey", "webhooksecret");
	assert_string_equal(text, "thekey");
	free(text);
	assert_string_equal(kind_key_header(kind_find(OUTBOUND_D360_WEBHOOK)), "D360-API-KEY");
	assert_string_equal(kind_key_header(kind_find(OUTBOUND_META_SEND)), "Authorization");
	assert_null(authorization(OUTBOUND_D360_SEND, "", "key\r\nX-Evil: 1", "s"));
	assert_null(authorization(OUTBOUND_META_SEND, "", "EAA\r\nX-Evil: 1", "s"));
	assert_null(authorization(OUTBOUND_META_SEND, "", "EAA token", "s"));
	assert_null(authorization(OUTBOUND_META_DEBUG_TOKEN, "1|2", "EAA", "s"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_its_class),
		cmocka_unit_test(a_code_says_why_it_came_to_nothing),
		cmocka_unit_test(object_missing_is_about_the_key),
		cmocka_unit_test(answers_without_a_known_code),
		cmocka_unit_test(d360_answers_have_their_class),
		cmocka_unit_test(classes_become_states),
		cmocka_unit_test(backoff_is_jittered_and_capped),
		cmocka_unit_test(waits_are_kept),
		cmocka_unit_test(messages_expire),
		cmocka_unit_test(at_least_once),
		cmocka_unit_test(nobody_repeats_what_somebody_waits_for),
		cmocka_unit_test(statuses_move_forward_only),
		cmocka_unit_test(statuses_in_every_order),
		cmocka_unit_test(paths_take_only_digits),
		cmocka_unit_test(the_asked_token_is_encoded),
		cmocka_unit_test(every_kind_has_its_place),
		cmocka_unit_test(the_right_credential_goes_in_the_header),
	};

	if (vault_init() != VAULT_OK)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
