/*
 * How a webhook proves where it comes from: which headers let it in by which connection, and
 * that nobody can tell from outside, nor by the work, which one was wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
/* cmocka wants the above first */
#include <cmocka.h>

#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/internal.h"
#include "test/unit/inbound/fake_http.h"
#include "test/unit/inbound/log_seen.h"
#include "vault/verifier.h"

#define META "01MMMMMMMMMMMMMMMMMMMMMMMM"
#define DIALOG "01DDDDDDDDDDDDDDDDDDDDDDDD"
#define OTHER "01OOOOOOOOOOOOOOOOOOOOOOOO"
#define BODY "{\"entry\":[]}"

/* ------------------------------------------------------------ one business, its verifiers made from these */

struct secret_of {
	const char *connection_id;
	enum tenant_proof proof;
	const char *secret;
};

#define SECRET "0123456789abcdefghijklmnopqrstuvwxyzABCDEFG"

/* Right, previous and wrong ones are all secrets of this length. */
static const struct secret_of meta_only[] = {{META, TENANT_PROOF_SIGNATURE, "app secret"},
	{META, TENANT_PROOF_SIGNATURE, "app secret before"}, {NULL, 0, NULL}};
static const struct secret_of dialog_only[] = {
	{DIALOG, TENANT_PROOF_SECRET, SECRET}, {DIALOG, TENANT_PROOF_SECRET, "hook secret before"}, {NULL, 0, NULL}};
static const struct secret_of dialog_platform[] = {{DIALOG, TENANT_PROOF_SECRET, SECRET},
	{DIALOG, TENANT_PROOF_PLATFORM, "platform secret"}, {DIALOG, TENANT_PROOF_PLATFORM, "platform secret before"},
	{NULL, 0, NULL}};
static const struct secret_of no_hook_secret[] = {{DIALOG, TENANT_PROOF_PLATFORM, "platform secret"}, {NULL, 0, NULL}};
static const struct secret_of both[] = {{META, TENANT_PROOF_SIGNATURE, "app secret"},
	{DIALOG, TENANT_PROOF_SECRET, SECRET}, {DIALOG, TENANT_PROOF_PLATFORM, "platform secret"}, {NULL, 0, NULL}};
static const struct secret_of dialog_first[] = {{DIALOG, TENANT_PROOF_PLATFORM, "platform secret"},
	{DIALOG, TENANT_PROOF_SECRET, SECRET}, {META, TENANT_PROOF_SIGNATURE, "app secret"}, {NULL, 0, NULL}};
static const struct secret_of two_channels[] = {{DIALOG, TENANT_PROOF_SECRET, SECRET},
	{DIALOG, TENANT_PROOF_PLATFORM, "platform secret"}, {OTHER, TENANT_PROOF_SECRET, "other secret"},
	{OTHER, TENANT_PROOF_PLATFORM, "other platform secret"}, {NULL, 0, NULL}};
static const struct secret_of emptiness[] = {{DIALOG, TENANT_PROOF_SECRET, ""}, {NULL, 0, NULL}};
static const struct secret_of nothing[] = {{NULL, 0, NULL}};

static const struct secret_of *held;
static const uint64_t *unproven; /* the versions of those that are; NULL: none is */
static char kept_by[STORE_ID_LEN + 1];

enum tenant_error tenant_verifiers(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	(void)t;
	if (strcmp(business_id, "shop") != 0)
		return TENANT_NOT_FOUND;
	for (*len = 0; held[*len].connection_id != NULL; (*len)++) {
		const struct secret_of *s = &held[*len];

		memcpy(out[*len].connection_id, s->connection_id, sizeof(out[*len].connection_id));
		out[*len].proof = s->proof;
		out[*len].unproven = unproven != NULL ? unproven[*len] : 0;
		out[*len].ends_at = 0;
		vault_verifier_make((const uint8_t *)s->secret, strlen(s->secret), &out[*len].verifier);
	}
	return TENANT_OK;
}

static char worked[256]; /* what webhooks came by for the first time, one after the other */

enum tenant_error tenant_verifier_worked(struct tenants *t, const char *business_id, const struct tenant_verifier *v)
{
	const size_t len = strlen(worked);

	(void)t;
	assert_string_equal(business_id, "shop");
	(void)snprintf(worked + len, sizeof(worked) - len, "%.3s %d %u;", v->connection_id, (int)v->proof,
		(unsigned)v->unproven);
	return TENANT_OK;
}

static enum store_error append;

enum store_error store_event_append(struct store *s, const struct store_event *e, unsigned timeout_ms)
{
	(void)s;
	(void)timeout_ms;
	if (append == STORE_OK)
		memcpy(kept_by, e->connection_id, sizeof(kept_by));
	return append;
}

enum store_error store_event_append_later(
	struct store *s, const struct store_event *e, void (*done)(void *ctx, enum store_error result), void *ctx)
{
	(void)done;
	(void)ctx;
	(void)s;
	(void)e;
	fail_msg("no answer here is sent later");
	return STORE_FAILED;
}

/* ------------------------------------------------------------ requests */

static char told[512]; /* what the log said of the last one */
static struct deliveries *remembered; /* NULL: nothing is */

static struct http_request post(
	const char *business_id, const char *signature, const char *secret, const char *platform)
{
	struct inbound in = {.nobody.inner = {0xee}, .deliveries = remembered};
	struct http_request req = {.method = "POST",
		.signature = signature,
		.secret = secret,
		.platform = platform,
		.body = (const uint8_t *)BODY,
		.body_len = strlen(BODY)};

	kept_by[0] = worked[0] = '\0';
	log_seen_begin();
	inbound_webhook(&in, &req, business_id);
	log_seen_end(told, sizeof(told));
	return req;
}

/* The hex signature of the body under a secret, with or without its prefix; NULL stays NULL. */
static const char *signed_by(char out[static 80], const char *prefix, const char *secret)
{
	const struct vault_part part = {BODY, strlen(BODY)};
	uint8_t mac[VAULT_SIGNATURE_LEN];
	int n;

	if (secret == NULL)
		return NULL;
	vault_sign(secret, strlen(secret), &part, 1, mac);
	n = snprintf(out, 80, "%s", prefix);
	for (size_t i = 0; i < sizeof(mac); i++)
		n += snprintf(out + n, 80 - (size_t)n, "%02x", mac[i]);
	return out;
}

static char long_secret[300];

#define NO_PROOF "no proof sent, or one sent twice"
#define WRONG_SIGNATURE "wrong signature"
#define WRONG_SECRET "wrong secret header"
#define WRONG_PLATFORM "platform signature missing or wrong"
#define ANOTHER_KIND "its connections know another kind of proof than was sent"
#define NO_CONNECTION "none of its connections can verify: all are suspended, or there is none"

static const struct {
	const struct secret_of *held;
	const char *signature, *secret, *platform; /* secrets that they are made with; NULL: not said, or said twice */
	const char *by; /* the connection that lets it in; NULL: 401 */
	const char *why; /* what the operator is told of a 401 */
} table[] = {
	/* Meta */
	{meta_only, "app secret", NULL, NULL, META, NULL},
	{meta_only, "app secret before", NULL, NULL, META, NULL},
	{meta_only, "wrong", NULL, NULL, NULL, WRONG_SIGNATURE},
	{meta_only, NULL, NULL, NULL, NULL, NO_PROOF},
	{meta_only, NULL, "app secret", NULL, NULL, ANOTHER_KIND}, /* a secret never travels for a signature */
	{meta_only, NULL, NULL, "app secret", NULL, ANOTHER_KIND}, /* nor one header for another */
	{meta_only, "app secret", "wrong", "wrong", META, NULL},
	/* 360dialog without a platform secret */
	{dialog_only, NULL, SECRET, NULL, DIALOG, NULL},
	{dialog_only, NULL, "hook secret before", NULL, DIALOG, NULL},
	{dialog_only, NULL, SECRET, "whatever", DIALOG, NULL},
	{dialog_only, "whatever", SECRET, NULL, DIALOG, NULL},
	{dialog_only, NULL, NULL, NULL, NULL, NO_PROOF},
	{dialog_only, NULL, "", NULL, NULL, NO_PROOF},
	{dialog_only, NULL, "wrong", NULL, NULL, WRONG_SECRET},
	{dialog_only, NULL, SECRET "x", NULL, NULL, WRONG_SECRET},
	{dialog_only, NULL, "0123456789", NULL, NULL, WRONG_SECRET},
	{dialog_only, NULL, " " SECRET, NULL, NULL, WRONG_SECRET},
	{dialog_only, NULL, long_secret, NULL, NULL, WRONG_SECRET},
	{dialog_only, SECRET, NULL, SECRET, NULL, ANOTHER_KIND}, /* signatures under the webhook secret are none */
	/* with one: both must be right */
	{dialog_platform, NULL, SECRET, "platform secret", DIALOG, NULL},
	{dialog_platform, NULL, SECRET, "platform secret before", DIALOG, NULL},
	{dialog_platform, NULL, SECRET, NULL, NULL, WRONG_PLATFORM},
	{dialog_platform, NULL, SECRET, "wrong", NULL, WRONG_PLATFORM},
	{dialog_platform, NULL, "wrong", "platform secret", NULL, WRONG_SECRET},
	{dialog_platform, NULL, NULL, "platform secret", NULL, ANOTHER_KIND},
	{dialog_platform, "platform secret", SECRET, NULL, NULL, WRONG_PLATFORM},
	/* a platform secret belongs to all of a partner's channels: alone it lets nobody in */
	{no_hook_secret, NULL, NULL, "platform secret", NULL, ANOTHER_KIND},
	{no_hook_secret, NULL, SECRET, "platform secret", NULL, ANOTHER_KIND},
	{both, "wrong", NULL, NULL, NULL, WRONG_SIGNATURE},
	{both, "wrong", "wrong", NULL, NULL, WRONG_SECRET},
	/* a connection of each, in either order */
	{both, "app secret", NULL, NULL, META, NULL},
	{both, NULL, SECRET, "platform secret", DIALOG, NULL},
	{both, "app secret", SECRET, "platform secret", META, NULL},
	{both, "wrong", SECRET, "platform secret", DIALOG, NULL},
	{both, "app secret", "wrong", "platform secret", META, NULL},
	{both, NULL, SECRET, NULL, NULL, WRONG_PLATFORM}, /* one connection's secret, another's silence */
	{both, "platform secret", SECRET, NULL, NULL, WRONG_PLATFORM},
	{dialog_first, NULL, SECRET, "platform secret", DIALOG, NULL},
	{dialog_first, "app secret", NULL, NULL, META, NULL},
	{dialog_first, NULL, SECRET, NULL, NULL, WRONG_PLATFORM},
	/* what fits of one connection does not count for the next */
	{two_channels, NULL, "other secret", "other platform secret", OTHER, NULL},
	{two_channels, NULL, SECRET, "other platform secret", NULL, WRONG_PLATFORM},
	{two_channels, NULL, "other secret", "platform secret", NULL, WRONG_PLATFORM},
	/* silence is no secret */
	{emptiness, NULL, NULL, NULL, NULL, NO_PROOF},
	{emptiness, NULL, "", NULL, NULL, NO_PROOF},
	{nothing, "app secret", SECRET, "platform secret", NULL, NO_CONNECTION},
};

/* Whether the log's one line says why; NULL: it says nothing of a refusal. */
static bool is_told(const char *business_id, const char *why)
{
	char line[200];

	if (why == NULL)
		return strstr(told, "refused") == NULL;
	(void)snprintf(line, sizeof(line), " info keyhouse webhook refused business=%s: %s\n", business_id, why);
	return strstr(told, line) != NULL && strchr(told, '\n')[1] == '\0';
}

static void who_is_let_in(void **state)
{
	static const char *const prefixes[] = {"", "sha256="};
	char signature[80], platform[80];
	struct http_request refused;

	(void)state;
	memset(long_secret, 'x', sizeof(long_secret) - 1);
	held = nothing;
	refused = post("shop", NULL, NULL, NULL);
	for (size_t i = 0; i < 2 * sizeof(table) / sizeof(table[0]); i++) {
		size_t row = i / 2;
		struct http_request req;

		held = table[row].held;
		req = post("shop", signed_by(signature, "sha256=", table[row].signature), table[row].secret,
			signed_by(platform, prefixes[i % 2], table[row].platform));
		if (req.status != (table[row].by != NULL ? 200 : 401))
			fail_msg("row %zu: %d", row, req.status);
		assert_string_equal(kept_by, table[row].by != NULL ? table[row].by : "");
		if (!is_told("shop", table[row].why))
			fail_msg("row %zu: %s", row, told);
		if (req.status != 401)
			continue;
		assert_string_equal(req.text, refused.text);
		assert_string_equal(req.headers, refused.headers);
	}
}

static void an_unknown_business_is_refused_alike(void **state)
{
	char signature[80], platform[80];
	struct http_request known, unknown;

	(void)state;
	held = both;
	known = post("shop", NULL, NULL, NULL);
	unknown = post("nobody", signed_by(signature, "sha256=", "app secret"), SECRET,
		signed_by(platform, "", "platform secret"));
	assert_int_equal(unknown.status, 401);
	assert_true(is_told("-", "there is no such business, or it is suspended"));
	assert_string_equal(unknown.text, known.text);
	assert_string_equal(unknown.headers, known.headers);
}

/* What is remembered of one connection: "code count;", or "". */
static void add_news(char *out, size_t room, char name, const char *connection_id)
{
	struct store_delivery d = {.accepted_at = 0};
	const size_t len = strlen(out);

	deliveries_news(remembered, connection_id, &d);
	if (d.refused_at != 0)
		(void)snprintf(out + len, room - len, "%c %s %d;", name, d.refused_why, (int)d.refused_count);
	assert_true(d.refused_at == 0 || d.refused_at == store_now_ms());
}

/* Of those connections alone whose webhook it could have been, and of none where nobody was meant. */
static void a_refusal_is_remembered_of_whom_it_concerns(void **state)
{
	static const struct {
		const char *business_id;
		const struct secret_of *held;
		const char *signature, *secret, *platform;
		const char *news;
	} rows[] = {
		{"shop", both, "wrong", NULL, NULL, "M wrong_signature 1;"},
		{"shop", both, NULL, "wrong", NULL, "D wrong_secret_header 1;"},
		{"shop", both, NULL, SECRET, "wrong", "D wrong_platform_signature 1;"},
		{"shop", both, NULL, NULL, NULL, "M no_proof 1;D no_proof 1;"},
		{"shop", both, NULL, NULL, "platform secret", "M other_provider 1;D other_provider 1;"},
		{"shop", meta_only, NULL, "wrong", NULL, "M other_provider 1;"},
		{"shop", two_channels, NULL, "other secret", NULL, "O wrong_platform_signature 1;"},
		{"shop", two_channels, NULL, "wrong", NULL, "D wrong_secret_header 1;O wrong_secret_header 1;"},
		{"shop", both, "app secret", NULL, NULL, ""},
		{"shop", nothing, "app secret", NULL, NULL, ""},
		{"nobody", both, "app secret", NULL, NULL, ""},
	};
	char signature[80], platform[80], news[256];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		remembered = deliveries_new();
		held = rows[i].held;
		(void)post(rows[i].business_id, signed_by(signature, "sha256=", rows[i].signature), rows[i].secret,
			signed_by(platform, "", rows[i].platform));
		news[0] = '\0';
		add_news(news, sizeof(news), 'M', META);
		add_news(news, sizeof(news), 'D', DIALOG);
		add_news(news, sizeof(news), 'O', OTHER);
		if (strcmp(news, rows[i].news) != 0)
			fail_msg("row %zu: %s", i, news);
		deliveries_free(remembered);
	}
	remembered = NULL;
}

/* It is noted of every new secret that fits a webhook which is kept, and of no other. */
static void a_new_secret_is_noted_once_it_worked(void **state)
{
	static const struct secret_of rows[] = {{META, TENANT_PROOF_SIGNATURE, "app secret"},
		{META, TENANT_PROOF_SIGNATURE, "app secret before"}, {DIALOG, TENANT_PROOF_SECRET, SECRET},
		{DIALOG, TENANT_PROOF_PLATFORM, "platform secret"}, {OTHER, TENANT_PROOF_SIGNATURE, "app secret"},
		{NULL, 0, NULL}};
	static const uint64_t versions[] = {7, 0, 3, 4, 5};
	char signature[80], platform[80];

	(void)state;
	held = rows;
	unproven = versions;
	assert_int_equal(post("shop", signed_by(signature, "sha256=", "app secret"), NULL, NULL).status, 200);
	assert_string_equal(worked, "01M 1 7;01O 1 5;");
	assert_int_equal(post("shop", signed_by(signature, "sha256=", "app secret before"), NULL, NULL).status, 200);
	assert_string_equal(worked, "");
	assert_int_equal(post("shop", NULL, SECRET, signed_by(platform, "", "platform secret")).status, 200);
	assert_string_equal(worked, "01D 2 3;01D 3 4;");
	/* refused, or not kept: nothing has worked yet */
	assert_int_equal(post("shop", NULL, SECRET, NULL).status, 401);
	assert_string_equal(worked, "");
	append = STORE_BUSY;
	assert_int_equal(post("shop", signed_by(signature, "sha256=", "app secret"), NULL, NULL).status, 503);
	assert_string_equal(worked, "");
	append = STORE_OK;
	unproven = NULL;
}

/* The longest header that is still compared, and the first that is not. */
static void secrets_have_a_limit(void **state)
{
	static char most[258];
	static struct secret_of one[] = {{DIALOG, TENANT_PROOF_SECRET, most}, {NULL, 0, NULL}};

	(void)state;
	held = one;
	memset(most, 'x', 256);
	assert_int_equal(post("shop", NULL, most, NULL).status, 200);
	most[256] = 'x';
	assert_int_equal(post("shop", NULL, most, NULL).status, 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_let_in),
		cmocka_unit_test(an_unknown_business_is_refused_alike),
		cmocka_unit_test(a_refusal_is_remembered_of_whom_it_concerns),
		cmocka_unit_test(a_new_secret_is_noted_once_it_worked),
		cmocka_unit_test(secrets_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
