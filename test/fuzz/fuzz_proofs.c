/*
 * Fuzzing who may speak: the headers of a webhook and its body against a shop with a Meta and a 360dialog connection.
 * The first byte says which headers are right before the next ones change them: its input is read by take().
 *
 * It is accepted if, and only if, somebody who knows the secrets and nothing of how we check says that it proves itself.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/inbound/internal.h"
#include "gateway/log.h"
#include "vault/verifier.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define META "01MMMMMMMMMMMMMMMMMMMMMMMM"
#define DIALOG "01DDDDDDDDDDDDDDDDDDDDDDDD"
#define APP_SECRET "0123456789abcdef0123456789abcdef"
#define PREVIOUS "fedcba9876543210fedcba9876543210"
#define HOOK_SECRET "webhook-secret-0123456789abcdefghijklmnopqr"
#define PLATFORM "platform-secret"

enum { SIGNED = 1, SIGNED_BEFORE = 2, SECRET = 4, PLATFORM_SIGNED = 8, PLATFORM_PREFIX = 16 };

/* ------------------------------------------------------------ what accept stands on */

static const struct {
	const char *connection_id;
	enum tenant_proof proof;
	const char *secret;
} held[] = {{DIALOG, TENANT_PROOF_SECRET, HOOK_SECRET}, {DIALOG, TENANT_PROOF_PLATFORM, PLATFORM},
	{META, TENANT_PROOF_SIGNATURE, APP_SECRET}, {META, TENANT_PROOF_SIGNATURE, PREVIOUS}};
static const char *kept_by;
static char kept_id[STORE_ID_LEN + 1];

enum tenant_error tenant_verifiers(struct tenants *t, const char *business_id,
	struct tenant_verifier out[static TENANT_VERIFIERS_MAX], size_t *len)
{
	(void)t;
	(void)business_id;
	for (*len = 0; *len < sizeof(held) / sizeof(held[0]); (*len)++) {
		memset(&out[*len], 0, sizeof(out[*len]));
		memcpy(out[*len].connection_id, held[*len].connection_id, sizeof(out[*len].connection_id));
		out[*len].proof = held[*len].proof;
		vault_verifier_make((const uint8_t *)held[*len].secret, strlen(held[*len].secret), &out[*len].verifier);
	}
	return TENANT_OK;
}

enum tenant_error tenant_verifier_worked(struct tenants *t, const char *business_id, const struct tenant_verifier *v)
{
	(void)t;
	(void)business_id;
	(void)v;
	abort();
}

enum store_error store_event_append(struct store *s, const struct store_event *e, unsigned timeout_ms)
{
	(void)s;
	(void)timeout_ms;
	memcpy(kept_id, e->connection_id, sizeof(kept_id));
	kept_by = kept_id;
	return STORE_OK;
}

/* No request: whatever is accepted is answered by who asks. */
enum store_error store_event_append_later(
	struct store *s, const struct store_event *e, void (*done)(void *ctx, enum store_error result), void *ctx)
{
	(void)s;
	(void)e;
	(void)done;
	(void)ctx;
	abort();
}

struct http_later *webhook_accepted_later(struct http_request *req)
{
	(void)req;
	abort();
}

bool http_later_send(struct http_later *later, bool is_true)
{
	(void)later;
	(void)is_true;
	abort();
}

/* ------------------------------------------------------------ the input */

#define HEADER_MAX 300u

struct input {
	const uint8_t *data;
	size_t len;
};

static size_t one(struct input *in)
{
	if (in->len == 0)
		return 0;
	in->len--;
	return *in->data++;
}

/* A header: what it is before, cut to so many characters and with so many bytes behind it, or one bit of it changed. */
static const char *take(struct input *in, char out[static HEADER_MAX + 1], const char *before)
{
	size_t keep = one(in), more = one(in), flip = one(in), len = strlen(before);

	if (keep < len && keep != 0)
		len = keep;
	memcpy(out, before, len);
	if (flip != 0 && len > 0)
		out[(flip >> 3) % len] = (char)(out[(flip >> 3) % len] ^ 1 << flip % 7);
	if (more > in->len)
		more = in->len;
	if (more > HEADER_MAX - len)
		more = HEADER_MAX - len;
	memcpy(out + len, in->data, more);
	out[len + more] = '\0';
	in->data += more;
	in->len -= more;
	/* Left out altogether. */
	return len + more == 0 && flip != 0 ? NULL : out;
}

static void sign(const char *prefix, const char *secret, const struct input *body, char out[static 80])
{
	const struct vault_part part = {body->data, body->len};
	uint8_t mac[VAULT_SIGNATURE_LEN];
	int n = snprintf(out, 80, "%s", prefix);

	vault_sign(secret, strlen(secret), &part, 1, mac);
	for (size_t i = 0; i < sizeof(mac); i++)
		n += snprintf(out + n, 80 - (size_t)n, "%02x", mac[i]);
}

/* ------------------------------------------------------------ who knows the secrets */

static bool is_signed(const char *header, const char *secret, const struct input *body)
{
	char right[80];

	sign("sha256=", secret, body, right);
	return header != NULL && strncmp(header, "sha256=", 7) == 0 && strcasecmp(header + 7, right + 7) == 0;
}

static bool is_platform(const char *header, const struct input *body)
{
	char right[80];

	sign("", PLATFORM, body, right);
	return header != NULL && strcasecmp(strncmp(header, "sha256=", 7) == 0 ? header + 7 : header, right) == 0;
}

/* The first that fits, in the order in which they are held. */
static const char *who_speaks(const struct inbound_proofs *p, const struct input *body)
{
	if (p->secret != NULL && strcmp(p->secret, HOOK_SECRET) == 0 && is_platform(p->platform_signature, body))
		return DIALOG;
	if (is_signed(p->signature, APP_SECRET, body) || is_signed(p->signature, PREVIOUS, body))
		return META;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct inbound in;
	struct input input = {data, len}, body = {data, len};
	char right[80], headers[3][HEADER_MAX + 1];
	struct inbound_proofs proofs;
	const char *speaks;
	size_t how = one(&input);
	int status;

	log_init("fuzz", LOG_ERROR);
	/* The body is what is left behind three headers of at most three and 255 bytes; it is found first, since the
	 * right signatures are made over it. */
	body = input;
	for (size_t i = 0; i < 3; i++) {
		char nothing[HEADER_MAX + 1];

		(void)take(&body, nothing, "");
	}
	sign("sha256=", (how & SIGNED_BEFORE) != 0 ? PREVIOUS : APP_SECRET, &body, right);
	proofs.signature = take(&input, headers[0], (how & (SIGNED | SIGNED_BEFORE)) != 0 ? right : "");
	proofs.secret = take(&input, headers[1], (how & SECRET) != 0 ? HOOK_SECRET : "");
	sign((how & PLATFORM_PREFIX) != 0 ? "sha256=" : "", PLATFORM, &body, right);
	proofs.platform_signature = take(&input, headers[2], (how & PLATFORM_SIGNED) != 0 ? right : "");
	if (input.data != body.data)
		return 0; /* a header was too long: then the signatures are of another body */
	kept_by = NULL;
	status = inbound_accept(&in, "shop", &proofs, body.data, body.len, NULL);
	speaks = who_speaks(&proofs, &body);
	if (status != (speaks != NULL ? 200 : 401))
		abort();
	if ((speaks == NULL) != (kept_by == NULL) || (speaks != NULL && strcmp(speaks, kept_by) != 0))
		abort();
	return 0;
}
