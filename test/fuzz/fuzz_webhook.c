/*
 * Fuzzing the whole way of a webhook's body: parsed, split, bound, keyed, sealed, as far as the store is handed it. The
 * first byte says who verified it and what its business wants; the rest is the body.
 *
 * What goes to the store in clear is bounded, is UTF-8, and says no phone number and no message id in a reason; what is
 * put aside brings nothing with it; what is sealed can be read back; and the same body is known again.
 */
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/inbound/prepare.h"
#include "gateway/inbound/split.h"
#include "gateway/json.h"
#include "gateway/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define FIRST "01AAAAAAAAAAAAAAAAAAAAAAAA"
#define SECOND "01BBBBBBBBBBBBBBBBBBBBBBBB"
#define NOW INT64_C(1790000100000)

enum { DIALOG = 1, ANSWERS = 2, STATUSES = 4, SIBLING = 8, NO_NUMBER = 16, REMOVED = 32, ALL = 64 };

static uint8_t options;

/* ------------------------------------------------------------ what prepare stands on */

/* A sealed value is its length and its text. */
enum tenant_error tenant_seal(struct tenants *t, const struct tenant_place *where, const void *plain, size_t len,
	uint8_t **blob, size_t *blob_len)
{
	(void)t;
	if (strcmp(where->business_id, "shop") != 0 || strlen(where->record_id) != STORE_ID_LEN)
		abort();
	if (!utf8_ok(plain, len))
		abort();
	*blob = malloc(len + 1);
	if (*blob == NULL)
		return TENANT_NO_MEMORY;
	memcpy(*blob, plain, len);
	(*blob)[len] = '\0';
	*blob_len = len;
	return TENANT_OK;
}

enum tenant_error tenant_index(struct tenants *t, const char *business_id, const char *kind, const void *value,
	size_t len, uint8_t out[static STORE_INDEX_LEN])
{
	uint64_t h[2] = {1469598103934665603u, 88172645463325252u};

	(void)t;
	if (strcmp(business_id, "shop") != 0)
		abort();
	for (size_t i = 0; i < 2; i++) {
		for (const char *p = kind; *p != '\0'; p++)
			h[i] = (h[i] ^ (unsigned char)*p) * 1099511628211u;
		for (size_t k = 0; k < len; k++)
			h[i] = (h[i] ^ ((const unsigned char *)value)[k]) * 1099511628211u;
	}
	memcpy(out, h, STORE_INDEX_LEN);
	return TENANT_OK;
}

enum tenant_error tenant_conversation(struct tenants *t, const char *business_id, const char *number,
	const char *customer, uint8_t out[static STORE_INDEX_LEN])
{
	(void)number;
	return tenant_index(t, business_id, "conversation", customer, strlen(customer), out);
}

struct store *tenants_store(struct tenants *t)
{
	(void)t;
	return NULL;
}

int64_t store_now_ms(void)
{
	return NOW;
}

void store_id_new(char out[static STORE_ID_LEN + 1])
{
	static unsigned n;

	(void)snprintf(out, STORE_ID_LEN + 1, "01%024u", ++n);
}

enum store_error store_connection_by_number(struct store *s, const char *business_id, enum store_provider provider,
	const char *phone_number_id, struct store_connection *out)
{
	(void)s;
	(void)provider;
	if (strcmp(business_id, "shop") != 0 || strlen(phone_number_id) > STORE_PROVIDER_ID_LEN)
		abort();
	memset(out, 0, sizeof(*out));
	if (strcmp(phone_number_id, "200000000000001") == 0 && (options & NO_NUMBER) == 0)
		memcpy(out->id, FIRST, sizeof(out->id));
	else if (strcmp(phone_number_id, "200000000000002") == 0)
		memcpy(out->id, SECOND, sizeof(out->id));
	else
		return STORE_NOT_FOUND;
	return STORE_OK;
}

/* binding.c's other half, which is not asked here. */
enum store_error store_connection_get(
	struct store *s, const char *business_id, const char *id, struct store_connection *out)
{
	(void)s;
	(void)business_id;
	(void)id;
	(void)out;
	abort();
}

enum store_error store_credential_list(struct store *s, const char *business_id, const char *field,
	bool (*each)(const struct store_credential *c, void *arg), void *arg)
{
	(void)s;
	(void)business_id;
	(void)field;
	(void)each;
	(void)arg;
	abort();
}

enum store_error store_connection_number_set(struct store *s, const char *business_id, const char *id,
	const char *phone_number_id, const char *waba_id, bool proven)
{
	(void)s;
	(void)business_id;
	(void)id;
	(void)phone_number_id;
	(void)waba_id;
	(void)proven;
	abort();
}

static struct binding binding_of(void)
{
	static const struct binding_peer peers[] = {
		{FIRST, "100000000000001", "200000000000001", STORE_CONNECTION_ACTIVE, ""},
		{SECOND, "100000000000002", "200000000000002", STORE_CONNECTION_ACTIVE, ""}};
	struct binding b = {.provider = (options & DIALOG) != 0 ? STORE_360DIALOG : STORE_META};

	if ((options & REMOVED) != 0)
		return b;
	b.peers[b.peers_len++] = peers[0];
	if ((options & NO_NUMBER) != 0)
		b.peers[0].number[0] = '\0';
	if ((options & SIBLING) != 0)
		b.peers[b.peers_len++] = peers[1];
	return b;
}

/* ------------------------------------------------------------ what must hold */

static void must(bool is)
{
	if (!is)
		abort();
}

/* A text in an array of its own. */
static void must_fit(const char *text, size_t room)
{
	const size_t len = strnlen(text, room);

	must(len < room && utf8_ok(text, len));
}
#define MUST_FIT(array) must_fit(array, sizeof(array))

/* No run of digits that could be a phone number, no message id. */
static void must_hide(const char *reason)
{
	unsigned digits = 0;

	if (reason == NULL)
		return;
	must_fit(reason, STORE_TEXT_LEN + 1);
	for (const char *p = reason; *p != '\0'; p++) {
		digits = isdigit((unsigned char)*p) ? digits + 1 : strchr(" -.()", *p) != NULL ? digits : 0;
		must(digits < 7);
	}
	must(strstr(reason, "wamid.H") == NULL);
}

static void must_read_back(const uint8_t *sealed, size_t len)
{
	cJSON *again = sealed != NULL ? json_parse((const char *)sealed, len) : NULL;

	must(cJSON_IsObject(again));
	cJSON_Delete(again);
}

static void check_message(const struct store_message *m, bool quarantined)
{
	must(!quarantined && strcmp(m->business_id, "shop") == 0);
	/* What the owner wrote is never on its way out. */
	must(m->echo ? m->direction == STORE_OUTBOUND && m->state == STORE_MESSAGE_SENT && !m->awaits_answer
		     : m->direction == STORE_INBOUND && m->state == STORE_MESSAGE_RECEIVED);
	must(!m->standby || !m->awaits_answer);
	must(strcmp(m->connection_id, FIRST) == 0 || strcmp(m->connection_id, SECOND) == 0);
	MUST_FIT(m->number);
	MUST_FIT(m->type);
	must_hide(m->reason);
	must_read_back(m->content, m->content_len);
	must(!m->awaits_answer || ((options & ANSWERS) != 0 && m->content_len <= PREPARE_ASK_MAX));
}

static void check_ask(const struct store_ask *a)
{
	must((options & (STATUSES | ALL)) != 0 && a->kind == STORE_ASK_STATUS && a->content_len <= PREPARE_ASK_MAX);
	must(strcmp(a->business_id, "shop") == 0);
	must_read_back(a->content, a->content_len);
	MUST_FIT(a->number);
	MUST_FIT(a->message_id);
}

static bool has_key(const struct store_update *u)
{
	static const uint8_t no_key[STORE_INDEX_LEN];

	return memcmp(u->seen_key, no_key, sizeof(no_key)) != 0;
}

/* A message with an id is known again by its row, and nothing of what is put aside; all else by a key. */
static void check(const struct store_update *u)
{
	const bool quarantined = u->verdict == STORE_UPDATE_QUARANTINED;

	must(quarantined || u->verdict == STORE_UPDATE_DELIVERED);
	must((u->reason != NULL) == quarantined);
	must(has_key(u) == (!quarantined && (u->message == NULL || u->message->echo || u->message->wamid == NULL)));
	must_hide(u->reason);
	must(strlen(u->id) == STORE_ID_LEN);
	MUST_FIT(u->field);
	MUST_FIT(u->number);
	MUST_FIT(u->what);
	must_hide(u->what);
	if (quarantined)
		must(u->message == NULL && u->settlement == NULL && u->ask == NULL && u->pauses[0].until == 0);
	if (u->message != NULL)
		check_message(u->message, quarantined);
	if (u->settlement != NULL) {
		MUST_FIT(u->settlement->message_id);
		must_hide(u->settlement->reason);
	}
	if (u->ask != NULL)
		check_ask(u->ask);
}

static void prepare_both(const struct prepare_event *ev, const struct split_update *split, size_t len)
{
	struct prepared p, again;

	must(intake_prepare(NULL, ev, split, len, &p) == TENANT_OK && p.len == len);
	must(intake_prepare(NULL, ev, split, len, &again) == TENANT_OK);
	for (size_t i = 0; i < len; i++) {
		check(&p.updates[i]);
		must(memcmp(p.updates[i].seen_key, again.updates[i].seen_key, STORE_INDEX_LEN) == 0);
	}
	intake_prepared_clear(&again);
	intake_prepared_clear(&p);
}

static void read_body(uint8_t how, const uint8_t *body, size_t len)
{
	struct split_update *split = NULL;
	size_t split_len = 0;
	struct binding binding;
	cJSON *root = NULL;

	options = how;
	binding = binding_of();
	if (split_parse(body, len, &root) == SPLIT_OK && split_envelope(root, &split, &split_len) == SPLIT_OK) {
		const struct prepare_event ev = {.business_id = "shop",
			.connection_id = FIRST,
			.received_at = NOW,
			.answers = (options & ANSWERS) != 0,
			.statuses = (options & STATUSES) != 0,
			.all = (options & ALL) != 0,
			.binding = &binding};

		must(split_len > 0 && split_len <= SPLIT_UPDATES_MAX);
		prepare_both(&ev, split, split_len);
	}
	free(split);
	cJSON_Delete(root);
}

/* A body alone, as samples are, is read in some ways. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t ways[] = {
		ANSWERS | STATUSES | SIBLING | ALL, DIALOG | ANSWERS | STATUSES | NO_NUMBER, ANSWERS, REMOVED};

	if (len > 0 && data[0] != '{')
		read_body(data[0], data + 1, len - 1);
	for (size_t i = 0; len > 0 && data[0] == '{' && i < sizeof(ways); i++)
		read_body(ways[i], data, len);
	return 0;
}
