/*
 * Binding by number, else by account. A number that the claim names decides alone: an
 * account that fits does not excuse a number that does not. Called by ready.c and prepare.c.
 */
#include "gateway/inbound/binding.h"

#include <string.h>

struct secrets {
	struct {
		char connection_id[STORE_ID_LEN + 1];
		char fingerprint[sizeof(((struct store_credential *)NULL)->fingerprint)];
	} known[TENANT_VERIFIERS_MAX];
	size_t len;
};

static bool keep_current(const struct store_credential *c, void *arg)
{
	struct secrets *s = arg;

	if (c->slot != STORE_SLOT_CURRENT || c->fingerprint[0] == '\0')
		return true;
	memcpy(s->known[s->len].connection_id, c->connection_id, sizeof(c->connection_id));
	memcpy(s->known[s->len].fingerprint, c->fingerprint, sizeof(c->fingerprint));
	s->len++;
	return s->len < TENANT_VERIFIERS_MAX;
}

static void add_peer(struct binding *b, const struct store_connection *c)
{
	struct binding_peer *peer = &b->peers[b->peers_len++];

	memcpy(peer->connection_id, c->id, sizeof(peer->connection_id));
	memcpy(peer->waba_id, c->waba_id, sizeof(peer->waba_id));
	memcpy(peer->number, c->phone_number_id, sizeof(peer->number));
	memcpy(peer->display_phone, c->display_phone, sizeof(peer->display_phone));
	peer->status = c->status;
}

static const char *fingerprint_of(const struct secrets *s, const char *connection_id)
{
	for (size_t i = 0; i < s->len; i++)
		if (strcmp(s->known[i].connection_id, connection_id) == 0)
			return s->known[i].fingerprint;
	return NULL;
}

enum store_error binding_load(struct store *s, const char *business_id, const char *connection_id, struct binding *out)
{
	struct binding b = {.peers_len = 0};
	struct secrets secrets = {.len = 0};
	struct store_connection c;
	const char *fingerprint;
	enum store_error err = store_connection_get(s, business_id, connection_id, &c);

	if (err == STORE_NOT_FOUND) {
		*out = b;
		return STORE_OK;
	}
	if (err == STORE_OK)
		err = store_credential_list(s, business_id, "app_secret", keep_current, &secrets);
	if (err != STORE_OK)
		return err;
	b.provider = c.provider;
	add_peer(&b, &c);
	fingerprint = fingerprint_of(&secrets, connection_id);
	for (size_t i = 0; fingerprint != NULL && i < secrets.len; i++) {
		if (b.peers_len == TENANT_VERIFIERS_MAX || strcmp(secrets.known[i].connection_id, connection_id) == 0 ||
			strcmp(secrets.known[i].fingerprint, fingerprint) != 0)
			continue;
		err = store_connection_get(s, business_id, secrets.known[i].connection_id, &c);
		if (err == STORE_OK)
			add_peer(&b, &c);
		else if (err != STORE_NOT_FOUND)
			return err;
	}
	*out = b;
	return STORE_OK;
}

bool binding_is_number(const char *text)
{
	size_t len = text != NULL ? strnlen(text, STORE_PROVIDER_ID_LEN + 1) : 0;

	return len > 0 && len <= STORE_PROVIDER_ID_LEN && strspn(text, "0123456789") == len;
}

enum store_error binding_learn(
	struct store *s, const char *business_id, struct binding *b, const char *number, const char *account)
{
	const char *waba_id = binding_is_number(account) ? account : "";
	enum store_error err =
		store_connection_number_set(s, business_id, b->peers[0].connection_id, number, waba_id, false);

	if (err == STORE_OK)
		memcpy(b->peers[0].number, number, strlen(number) + 1);
	if (err == STORE_NUMBER_TAKEN)
		memcpy(b->taken, number, strlen(number) + 1);
	/* Stale: somebody else told it its number. Not found: removed. Both show when the owner is looked up. */
	return err == STORE_NUMBER_TAKEN || err == STORE_STALE || err == STORE_NOT_FOUND ? STORE_OK : err;
}

bool binding_names(const struct binding_peer *peer, const struct binding_claim *claim)
{
	if (claim->number != NULL && peer->number[0] != '\0' && strcmp(peer->number, claim->number) == 0)
		return true;
	return claim->account != NULL && peer->waba_id[0] != '\0' && strcmp(peer->waba_id, claim->account) == 0;
}

const char *binding_judge(const struct binding *b, const struct binding_claim *claim)
{
	if (b->peers_len == 0)
		return "the connection was removed";
	if (claim->number != NULL) {
		if (b->taken[0] != '\0' && strcmp(b->taken, claim->number) == 0)
			return "number belongs to another connection";
		for (size_t i = 0; claim->owner != NULL && i < b->peers_len; i++)
			if (strcmp(b->peers[i].connection_id, claim->owner) == 0)
				return NULL;
		return "number is not this connection's";
	}
	/* partner_solutions carries a portfolio's id; 360dialog binds on the number alone. */
	if (strcmp(claim->field, "partner_solutions") == 0 || b->provider == STORE_360DIALOG)
		return NULL;
	for (size_t i = 0; i < b->peers_len; i++)
		if (binding_names(&b->peers[i], claim))
			return NULL;
	return "account is not this connection's";
}
