/*
 * The core of both requests: whose webhook is this, and is it kept?
 *
 * Everything here comes from strangers until its proof was checked, and nothing is
 * parsed before. An unknown business, a suspended one, a missing, malformed or wrong
 * signature or secret cannot be told apart from outside. Called by webhook.c on any worker.
 */
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/deliveries.h"
#include "gateway/inbound/internal.h"
#include "gateway/inbound/signature.h"
#include "gateway/log.h"

#define SECRET_MAX 256u /* of a header's value; ours are shorter */

/* The syntax of ids, design section 7. */
static bool is_business_id(const char *id)
{
	size_t len = strlen(id);

	if (len == 0 || len > STORE_BUSINESS_ID_LEN || id[0] == '_' || id[0] == '-')
		return false;
	return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") == len;
}

/* ------------------------------------------------------------ POST */

/* What a request says about where it comes from, read. What was not said, or is malformed, fits nothing. */
struct claims {
	const uint8_t *body;
	size_t len;
	uint8_t signature[VAULT_SIGNATURE_LEN], platform[VAULT_SIGNATURE_LEN];
	bool signature_said, platform_said, secret_said;
	const char *secret;
	size_t secret_len;
};

static struct claims read_claims(const struct inbound_proofs *proofs, const uint8_t *body, size_t body_len)
{
	struct claims c = {.body = body, .len = body_len, .secret = ""};
	const size_t len = proofs->secret != NULL ? strnlen(proofs->secret, SECRET_MAX + 1) : 0;

	c.signature_said = signature_parse(proofs->signature, c.signature);
	c.platform_said = signature_parse_platform(proofs->platform_signature, c.platform);
	c.secret_said = len > 0 && len <= SECRET_MAX;
	if (c.secret_said) {
		c.secret = proofs->secret;
		c.secret_len = len;
	}
	return c;
}

/* What was found of one connection's secrets. */
struct fit {
	bool signature, secret, has_platform, platform;
};

/* A platform secret belongs to the whole account of a 360dialog partner: alone it does not tell whose webhook it is. */
static bool fits(const struct fit *f)
{
	return f->signature || (f->secret && (!f->has_platform || f->platform));
}

/* Makes one check; returns whether it fits. */
static bool check_one(const struct tenant_verifier *v, const struct claims *c, struct fit *f)
{
	bool good;

	switch (v->proof) {
	case TENANT_PROOF_SIGNATURE:
		good = vault_verifier_check(&v->verifier, c->body, c->len, c->signature) && c->signature_said;
		f->signature = f->signature || good;
		return good;
	case TENANT_PROOF_SECRET:
		good = vault_verifier_is_of(&v->verifier, c->secret, c->secret_len) && c->secret_said;
		f->secret = f->secret || good;
		return good;
	case TENANT_PROOF_PLATFORM:
		good = vault_verifier_check(&v->verifier, c->body, c->len, c->platform) && c->platform_said;
		f->has_platform = true;
		f->platform = f->platform || good;
		return good;
	}
	return false;
}

/* What came of all checks. */
struct verdict {
	const char *connection_id; /* that fits; NULL: none does */
	const char *half; /* whose secret fits, and its platform signature does not; NULL: none's */
	bool by_signature, by_secret; /* what connections are known by */
	bool worked[TENANT_VERIFIERS_MAX]; /* unproven verifiers that fit */
	bool any_worked;
};

/* Makes every check, whatever the first ones say. A business, known or not, costs the hashing of the body and a
 * comparison of the secret at least: nobody's verifier does what its own leave out. */
static struct verdict verify(
	const struct inbound *in, const struct tenant_verifier *verifiers, size_t count, const struct claims *c)
{
	struct verdict found = {.connection_id = NULL};
	bool hashed = false, compared = false;
	struct fit f = {.signature = false};

	for (size_t i = 0; i < count; i++) {
		const char *id = verifiers[i].connection_id;

		if (i > 0 && strcmp(id, verifiers[i - 1].connection_id) != 0)
			f = (struct fit){.signature = false};
		found.worked[i] = check_one(&verifiers[i], c, &f) && verifiers[i].unproven > 0;
		found.any_worked = found.any_worked || found.worked[i];
		if (verifiers[i].proof == TENANT_PROOF_SECRET)
			compared = true;
		else
			hashed = true;
		found.by_signature = found.by_signature || verifiers[i].proof == TENANT_PROOF_SIGNATURE;
		found.by_secret = found.by_secret || verifiers[i].proof == TENANT_PROOF_SECRET;
		if (i + 1 < count && strcmp(id, verifiers[i + 1].connection_id) == 0)
			continue;
		if (found.half == NULL && f.secret && !fits(&f))
			found.half = id;
		if (found.connection_id == NULL && fits(&f))
			found.connection_id = id;
	}
	if (!hashed)
		(void)vault_verifier_check(&in->nobody, c->body, c->len, c->signature);
	if (!compared)
		(void)vault_verifier_is_of(&in->nobody, c->secret, c->secret_len);
	return found;
}

/* Large bodies one after the other: a crowd's would keep every processor from what honest small ones need. */
static struct verdict verify_in_turn(
	const struct inbound *in, const struct tenant_verifier *verifiers, size_t count, const struct claims *c)
{
	static pthread_mutex_t one_large = PTHREAD_MUTEX_INITIALIZER;
	const bool large = c->len > HTTP_LARGE_BODY;
	struct verdict found;

	if (large)
		pthread_mutex_lock(&one_large);
	found = verify(in, verifiers, count, c);
	if (large)
		pthread_mutex_unlock(&one_large);
	return found;
}

static bool is_sent(const char *header)
{
	return header != NULL && header[0] != '\0';
}

/* Why a webhook was refused: for the log, and for the shop owner on his Status page. The caller is told nothing of it. */
struct why {
	const char *log;
	enum delivery_why code;
};

static const struct why *why_refused(
	const struct inbound_proofs *p, const struct verdict *found, bool known, size_t count)
{
	static const struct why
		nobody = {"there is no such business, or it is suspended", DELIVERY_NO_REASON},
		no_connection = {"none of its connections can verify: all are suspended, or there is none",
			DELIVERY_SUSPENDED},
		no_proof = {"no proof sent, or one sent twice", DELIVERY_NO_PROOF},
		platform = {"platform signature missing or wrong", DELIVERY_WRONG_PLATFORM_SIGNATURE},
		header = {"wrong secret header", DELIVERY_WRONG_SECRET_HEADER},
		signature = {"wrong signature", DELIVERY_WRONG_SIGNATURE},
		other_kind = {"its connections know another kind of proof than was sent", DELIVERY_OTHER_PROVIDER};

	if (!known)
		return &nobody;
	if (count == 0)
		return &no_connection;
	if (!is_sent(p->signature) && !is_sent(p->secret) && !is_sent(p->platform_signature))
		return &no_proof;
	if (found->half != NULL)
		return &platform;
	if (is_sent(p->secret) && found->by_secret)
		return &header;
	if (is_sent(p->signature) && found->by_signature)
		return &signature;
	return &other_kind;
}

/* Whether a webhook that was refused so could have been this verifier's connection's. */
static bool concerns(const struct tenant_verifier *v, const struct verdict *found, enum delivery_why why)
{
	if (why == DELIVERY_WRONG_SIGNATURE)
		return v->proof == TENANT_PROOF_SIGNATURE;
	if (why == DELIVERY_WRONG_SECRET_HEADER)
		return v->proof == TENANT_PROOF_SECRET;
	if (why == DELIVERY_WRONG_PLATFORM_SIGNATURE)
		return strcmp(v->connection_id, found->half) == 0;
	return true;
}

/* Each of the connections that it concerns, once. */
static void note_refused(struct inbound *in, const char *business_id, const struct tenant_verifier *verifiers,
	size_t count, const struct verdict *found, enum delivery_why why)
{
	const int64_t now = store_now_ms();
	const char *noted = "";

	for (size_t i = 0; i < count; i++) {
		if (!concerns(&verifiers[i], found, why) || strcmp(verifiers[i].connection_id, noted) == 0)
			continue;
		noted = verifiers[i].connection_id;
		deliveries_note(in->deliveries, business_id, noted, why, now);
	}
}

/* last_at: when the log was last told of a refusal of this kind. */
static void log_refusal(atomic_llong *last_at, const char *what, const char *business_id, const char *why)
{
	if (inbound_log_due(last_at))
		log_info("%s refused business=%s: %s", what, business_id, why);
}

/* The provider is asked whether the secrets are still right: whoever called may be a stranger. */
static void look_soon(struct inbound *in, const char *business_id)
{
	const enum store_error err = store_health_soon(in->store, business_id, "", store_now_ms());

	if (err != STORE_OK && err != STORE_NOT_FOUND)
		log_warn("a refused webhook is not looked into soon business=%s", business_id);
}

static void refuse(struct inbound *in, const char *business_id, bool known, const struct why *why)
{
	/* A path that names nobody is a stranger's text, or a key pasted in the wrong place. */
	const char *named = known ? business_id : "-";

	atomic_fetch_add(&in->refused, 1);
	atomic_fetch_add(&in->whys[why->code], 1);
	if (known && deliveries_refused(in->deliveries, business_id, why->code))
		look_soon(in, business_id);
	log_refusal(&in->refusal_logged_at, "webhook", named, why->log);
}

/* The first webhook by a new secret: from now on the one before it need not last. Once for each secret. */
static void note_worked(struct inbound *in, const char *business_id, const struct verdict *found,
	const struct tenant_verifier *verifiers, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (found->worked[i] &&
			tenant_verifier_worked(in->opt.tenants, business_id, &verifiers[i]) != TENANT_OK)
			log_warn("a webhook came by a new secret, which could not be noted: the next one tries again "
				 "business=%s connection=%s",
				business_id, verifiers[i].connection_id);
}

int inbound_accept(struct inbound *in, const char *business_id, const struct inbound_proofs *proofs,
	const uint8_t *body, size_t len, struct http_request *req)
{
	const struct claims claims = read_claims(proofs, body, len);
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	size_t count = 0;
	struct verdict found;
	enum tenant_error err = TENANT_NOT_FOUND;
	int status;

	if (is_business_id(business_id))
		err = tenant_verifiers(in->opt.tenants, business_id, verifiers, &count);
	if (err == TENANT_NOT_FOUND)
		count = 0;
	if (err != TENANT_OK && err != TENANT_NOT_FOUND) {
		log_error("webhook not checked business=%s error=%d", business_id, (int)err);
		atomic_fetch_add(&in->busy, 1);
		status = 503;
		goto out;
	}
	found = verify_in_turn(in, verifiers, count, &claims);
	if (found.connection_id == NULL) {
		const struct why *why = why_refused(proofs, &found, err == TENANT_OK, count);

		refuse(in, business_id, err == TENANT_OK, why);
		note_refused(in, business_id, verifiers, count, &found, why->code);
		status = 401;
	} else {
		/* What it proves of a new secret is noted once it is kept. */
		status = inbound_keep(in, business_id, found.connection_id, body, len, found.any_worked ? NULL : req);
		if (status == 200 && found.any_worked)
			note_worked(in, business_id, &found, verifiers, count);
	}
out:
	vault_wipe(verifiers, sizeof(verifiers));
	return status;
}

void inbound_unread(struct inbound *in, const char *business_id, enum delivery_why why)
{
	static const struct verdict nothing = {.connection_id = NULL};
	struct tenant_verifier verifiers[TENANT_VERIFIERS_MAX];
	size_t count = 0;

	atomic_fetch_add(&in->whys[why], 1);
	if (is_business_id(business_id) &&
		tenant_verifiers(in->opt.tenants, business_id, verifiers, &count) == TENANT_OK) {
		(void)deliveries_refused(in->deliveries, business_id, why);
		note_refused(in, business_id, verifiers, count, &nothing, why);
	}
	vault_wipe(verifiers, sizeof(verifiers));
}

/* ------------------------------------------------------------ GET */

struct token_search {
	uint8_t token[VAULT_HASH_LEN];
	char last[STORE_ID_LEN + 1]; /* the connection seen last */
	char found[STORE_ID_LEN + 1];
	enum store_connection_status status; /* of the one that was found, and the next */
	bool checks_failed;
	unsigned seen;
	char asked[TENANT_CONNECTIONS_MAX][STORE_ID_LEN + 1]; /* those that take handshakes */
	size_t asked_len;
};

/* Hashes are compared, so that tokens of different lengths take the same time. */
static bool compare_token(const struct store_connection *c, void *arg)
{
	struct token_search *search = arg;
	uint8_t token[VAULT_HASH_LEN], previous[VAULT_HASH_LEN];
	bool fits;

	search->seen++;
	memcpy(search->last, c->id, sizeof(search->last));
	if (c->provider == STORE_META && c->status != STORE_CONNECTION_SUSPENDED &&
		search->asked_len < TENANT_CONNECTIONS_MAX)
		memcpy(search->asked[search->asked_len++], c->id, sizeof(search->asked[0]));
	vault_hash(c->verify_token, strlen(c->verify_token), token);
	vault_hash(c->previous_verify_token, strlen(c->previous_verify_token), previous);
	fits = vault_equal(token, search->token, sizeof(token)) && c->verify_token[0] != '\0';
	fits = (vault_equal(previous, search->token, sizeof(previous)) && c->previous_verify_token[0] != '\0') || fits;
	if (fits && c->status != STORE_CONNECTION_SUSPENDED) {
		memcpy(search->found, c->id, sizeof(search->found));
		search->status = c->status;
		search->checks_failed = c->checks_failed;
	}
	return true;
}

static enum store_error find_token(struct inbound *in, const char *business_id, struct token_search *search)
{
	enum store_error err;
	char after[STORE_ID_LEN + 1] = "";

	do {
		struct store_page page = {.after = after[0] != '\0' ? after : NULL, .limit = STORE_LIST_MAX};

		search->seen = 0;
		err = store_connection_list(in->store, business_id, &page, compare_token, search);
		memcpy(after, search->last, sizeof(after));
	} while (err == STORE_OK && search->seen == STORE_LIST_MAX);
	return err;
}

static void note_wrong_token(struct inbound *in, const char *business_id, const struct token_search *search)
{
	const int64_t now = store_now_ms();

	atomic_fetch_add(&in->whys[DELIVERY_WRONG_VERIFY_TOKEN], 1);
	(void)deliveries_refused(in->deliveries, business_id, DELIVERY_WRONG_VERIFY_TOKEN);
	for (size_t i = 0; i < search->asked_len; i++)
		deliveries_note(in->deliveries, business_id, search->asked[i], DELIVERY_WRONG_VERIFY_TOKEN, now);
}

/* NULL: it is one, of the connection that search found. Else why not; *known: the business is there. */
static const char *check_handshake(struct inbound *in, const char *business_id, const char *mode, const char *token,
	struct token_search *search, bool *known)
{
	struct store_business business;
	enum store_error err;

	if (mode == NULL || token == NULL || strcmp(mode, "subscribe") != 0)
		return "it is none: hub.mode=subscribe, hub.verify_token and hub.challenge belong to one";
	if (!is_business_id(business_id))
		return "there is no such business";
	err = store_business_get(in->store, business_id, &business);
	*known = err == STORE_OK;
	if (err == STORE_OK && business.status != STORE_BUSINESS_ACTIVE)
		return "the business is suspended";
	if (err == STORE_OK) {
		vault_hash(token, strlen(token), search->token);
		err = find_token(in, business_id, search);
	}
	if (err == STORE_FAILED)
		inbound_failed(in);
	if (err == STORE_NOT_FOUND)
		return "there is no such business";
	if (err != STORE_OK)
		return store_error_text(err);
	if (search->found[0] != '\0')
		return NULL;
	note_wrong_token(in, business_id, search);
	return "wrong token: no connection has it, or a suspended one";
}

/* What the handshake made of the connection's status. */
static void log_moved(const char *business_id, const struct token_search *search)
{
	const bool taken = search->status == STORE_CONNECTION_WEBHOOK_TAKEN;

	if (!search->checks_failed && (taken || search->status == STORE_CONNECTION_PENDING))
		log_info(
			"connection is active: a handshake came business=%s connection=%s", business_id, search->found);
	else if (search->checks_failed && taken)
		log_info("connection is pending: a handshake came, but its last checks failed business=%s "
			 "connection=%s",
			business_id, search->found);
}

bool inbound_handshake(struct inbound *in, const char *business_id, const char *mode, const char *token)
{
	struct token_search search = {.seen = 0};
	bool known = false;
	const char *why = check_handshake(in, business_id, mode, token, &search, &known);
	enum store_error err;

	if (why != NULL) {
		log_refusal(&in->handshake_refusal_logged_at, "webhook handshake", known ? business_id : "-", why);
		return false;
	}
	err = store_connection_handshake(in->store, business_id, search.found, token, store_now_ms());
	if (err == STORE_FAILED)
		inbound_failed(in);
	if (err != STORE_OK)
		log_warn("handshake not noted business=%s connection=%s: %s", business_id, search.found,
			store_error_text(err));
	log_info("webhook handshake business=%s connection=%s", business_id, search.found);
	if (err == STORE_OK)
		log_moved(business_id, &search);
	return true;
}
